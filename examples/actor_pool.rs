// cargo run --release --example actor_pool -- --count 100000 --workers 4
//! A pool of workers that one actor supervises: a worker that fails at a job is started again, and the job is dealt once more.
//!
//! ```text
//!              ┌──► worker, of CPU 0
//!  jobs ► Pool ┼──► worker, of CPU 1
//!              └──► …        each says when it is ready: also when it was started again
//! ```
//!
//! Every tenth job makes its worker fail, the first time it is tried.

mod flags;

use std::{collections::HashMap, error::Error, time::Duration};

use ringway::actor::{
    Actor, ActorId, Addr, Asker, Ctx, Failure, Handle, Intensity, Policy, Restarts, Runtime, SpawnError, Spec,
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy)]
struct Job {
    number: u64,
    tries: u32,
}

/// Does one job at a time, and says so.
struct Worker {
    pool: Addr<Pool>,
}

impl Actor for Worker {
    type Args = Addr<Pool>;

    fn start(pool: Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        let worker = ctx.addr();
        ctx.tell(pool, Ready { worker, done: None }, Policy::Defer)?;
        Ok(Self { pool })
    }
}

impl Handle<Job> for Worker {
    type Reply = ();

    fn on(&mut self, job: Job, ctx: &mut Ctx<'_, Self>) {
        if job.number.is_multiple_of(10) && job.tries == 0 {
            // As a panic would, but that prints.
            return ctx.fail(Failure::new(format!("job {} is heavy", job.number)));
        }
        let worker = ctx.addr();
        if let Err(error) = ctx.tell(self.pool, Ready { worker, done: Some(job.number * job.number) }, Policy::Defer) {
            ctx.fail(error);
        }
    }
}

/// A worker has nothing to do, as it has done its job or was started (again).
struct Ready {
    worker: Addr<Worker>,
    done: Option<u64>,
}

/// Deals out the jobs from 1 to `--count`, and adds up what comes of them.
struct Pool {
    next: u64,
    last: u64,
    /// Which worker has which job.
    dealt: HashMap<ActorId, Job>,
    /// Jobs that were failed at.
    again: Vec<Job>,
    /// Workers there is no job for at the moment.
    idle: Vec<Addr<Worker>>,
    sum: u64,
    done: u64,
    asker: Option<Asker<Option<u64>>>,
}

impl Actor for Pool {
    type Args = (u64, usize);

    fn start((last, workers): Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        let pool = ctx.addr();
        // As often as it takes: this program fails on purpose.
        let restarts = Restarts {
            intensity: Intensity { restarts: u32::MAX, within: Duration::from_secs(1) },
            ..Restarts::default()
        };
        for nth in 0..workers {
            let spec = Spec::<Worker>::new(pool).restarts(restarts);
            ctx.spawn_on(nth % ctx.workers(), spec, Started);
        }
        Ok(Self {
            next: 1,
            last,
            dealt: HashMap::new(),
            again: Vec::new(),
            idle: Vec::new(),
            sum: 0,
            done: 0,
            asker: None,
        })
    }
}

impl Pool {
    fn next_job(&mut self) -> Option<Job> {
        self.again.pop().or_else(|| {
            let number = self.next;
            self.next += 1;
            (number <= self.last).then_some(Job { number, tries: 0 })
        })
    }

    fn deal(&mut self, worker: Addr<Worker>, ctx: &mut Ctx<'_, Self>) {
        let Some(job) = self.next_job() else { return self.idle.push(worker) };
        self.dealt.insert(worker.id(), job);
        // It has no other job, so there is room.
        if let Err(error) = ctx.try_tell(worker, job) {
            ctx.fail(error);
        }
    }

    fn answer_when_done(&mut self, ctx: &mut Ctx<'_, Self>) {
        if self.done == self.last
            && let Some(asker) = self.asker.take()
        {
            ctx.answer(asker, Some(self.sum));
        }
    }
}

/// What has become of a worker that was to start.
struct Started(Result<Addr<Worker>, SpawnError>);

impl Handle<Started> for Pool {
    type Reply = ();

    fn on(&mut self, Started(worker): Started, ctx: &mut Ctx<'_, Self>) {
        // One that has started says by itself that it is ready.
        if let Err(error) = worker {
            ctx.fail(error);
        }
    }
}

impl Handle<Ready> for Pool {
    type Reply = ();

    fn on(&mut self, Ready { worker, done }: Ready, ctx: &mut Ctx<'_, Self>) {
        let dealt = self.dealt.remove(&worker.id());
        match (done, dealt) {
            (Some(square), _) => {
                self.sum = self.sum.wrapping_add(square);
                self.done += 1;
                self.answer_when_done(ctx);
            }
            // It was started again, with its job undone.
            (None, Some(job)) => {
                self.again.push(Job { tries: job.tries + 1, ..job });
                self.idle.pop().into_iter().for_each(|idle| self.deal(idle, ctx));
            }
            (None, None) => {}
        }
        self.deal(worker, ctx);
    }
}

/// What do the results add up to, when all are there?
struct Total;

impl Handle<Total> for Pool {
    type Reply = Option<u64>;

    fn on(&mut self, _: Total, ctx: &mut Ctx<'_, Self>) -> Option<u64> {
        self.asker = ctx.asker::<Total>();
        self.answer_when_done(ctx);
        None
    }
}

fn main() -> Outcome<()> {
    let [count, workers] = flags::numbers([("--count", 10_000), ("--workers", 4)])?;
    if workers == 0 {
        return Err("--workers needs at least one".into());
    }
    let runtime = Runtime::builder().start()?;
    let mut client = runtime.client()?;
    let pool = client.spawn(Spec::<Pool>::new((u64::from(count), workers as usize)))?;
    let total = client.ask(pool, Total, PATIENCE)?.ok_or("nobody has asked")?;
    let counts = runtime.shutdown(PATIENCE).counts;

    let expected = (1..=u64::from(count)).fold(0_u64, |sum, number| sum.wrapping_add(number * number));
    if total != expected || counts.restarts != u64::from(count / 10) {
        return Err(format!("{total} instead of {expected}: {counts:?}").into());
    }
    println!("{count} jobs done, with {} restarts: the squares add up to {total}", counts.restarts);
    Ok(())
}
