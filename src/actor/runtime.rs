//! The workers and their threads: how a runtime is started, and how it ends.

#![forbid(unsafe_code)]

use std::{
    fmt, io,
    sync::{Arc as Counted, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::{
    Actor, ActorId, Client, ClientError, DeadLetter, Ended, Failure, Reason, SpawnError, Spec,
    core::Core,
    counts::Counts,
    lane::{Inlet, Lane},
    shared::{DeadLetterHook, FailureHook, Order, Shared, rings},
    watch::{Watcher, Who},
    worker::{Said, Worker},
};
use crate::{
    affinity::{self, SpawnError as ThreadError},
    ring::CapacityError,
    sync::{AtomicU32, Mutex, Ordering},
    wait::WaitPolicy,
};

/// Actors and the threads they live on.
///
/// Dropping it ends all actors at once; [`shutdown`](Self::shutdown) lets them finish first.
pub struct Runtime {
    shared: Counted<Shared>,
    workers: usize,
    /// Locked by whoever ends it.
    said: Mutex<mpsc::Receiver<(usize, Said)>>,
    is_over: bool,
}

/// How a runtime is to be.
#[derive(Default)]
pub struct RuntimeBuilder {
    workers: Vec<Plan>,
    on_dead_letter: Option<DeadLetterHook>,
    on_failure: Option<FailureHook>,
}

/// One worker's.
#[derive(Clone, Copy, Debug)]
struct Plan {
    cpu: Option<usize>,
    policy: WaitPolicy,
}

impl RuntimeBuilder {
    /// Another worker, whose thread is pinned to that CPU.
    pub fn worker_on(mut self, cpu: usize, policy: WaitPolicy) -> Self {
        self.workers.push(Plan { cpu: Some(cpu), policy });
        self
    }

    /// Another worker, wherever the system lets it run.
    pub fn worker(mut self, policy: WaitPolicy) -> Self {
        self.workers.push(Plan { cpu: None, policy });
        self
    }

    /// Another worker on each CPU this process may use.
    pub fn workers_on_all(mut self, policy: WaitPolicy) -> Self {
        self.workers.extend(affinity::usable().iter().map(|&cpu| Plan { cpu: Some(cpu), policy }));
        self
    }

    /// Is called with each message that nobody will read, by whichever worker finds that out: it is to return soon, and not to panic.
    pub fn on_dead_letter(mut self, hook: impl Fn(DeadLetter) + Send + Sync + 'static) -> Self {
        self.on_dead_letter = Some(Box::new(hook));
        self
    }

    /// Is called when an actor fails, before it is done about it what its [`Spec`](super::Spec) says; likewise.
    pub fn on_failure(mut self, hook: impl Fn(ActorId, &Failure) + Send + Sync + 'static) -> Self {
        self.on_failure = Some(Box::new(hook));
        self
    }

    /// Starts it. With no worker named there is one on each CPU this process may use, with the adaptive policy.
    ///
    /// # Errors
    /// A thread could not be started or pinned, or there is no memory for the rings. Those that were started have ended.
    pub fn start(self) -> Result<Runtime, StartError> {
        let (runtime, crew) = self.hire()?;
        // If one fails, those before are ended as the runtime is dropped.
        crew.into_iter().try_for_each(Hired::start)?;
        Ok(runtime)
    }

    /// Starts it with the calling thread as its first worker, and `main` there. Returns when that has ended, and after it the runtime,
    /// as [`shutdown`](Runtime::shutdown) with that `limit` ends it: but a handler of this worker that does not return keeps this thread.
    ///
    /// If the first worker was told a CPU, this thread is pinned to it, and stays so. Threads outside get their [`Client`] from
    /// [`Ctx::client`](super::Ctx::client).
    ///
    /// ```
    /// # use ringway::actor::{Actor, Ctx, Failure, Handle, Reason, Runtime, Spec};
    /// # use std::time::Duration;
    /// struct Main;
    ///
    /// impl Actor for Main {
    ///     type Args = ();
    ///
    ///     fn start((): (), ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
    ///         ctx.after(Duration::from_millis(1), ());
    ///         Ok(Self)
    ///     }
    /// }
    ///
    /// impl Handle<()> for Main {
    ///     type Reply = ();
    ///
    ///     fn on(&mut self, (): (), ctx: &mut Ctx<'_, Self>) {
    ///         ctx.stop();
    ///     }
    /// }
    ///
    /// let (reason, report) = Runtime::builder().run(Spec::<Main>::new(()), Duration::from_secs(1))?;
    /// assert_eq!((reason, report.killed), (Reason::Stopped, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`start`](Self::start), or `main` was not started: then nothing of it runs any more.
    pub fn run<A: Actor>(self, main: Spec<A>, limit: Duration) -> Result<(Reason, Report), StartError> {
        let (mut runtime, mut crew) = self.hire()?;
        let first = crew.remove(0);
        crew.into_iter().try_for_each(Hired::start)?;
        if let Some(cpu) = first.plan.cpu {
            affinity::pin_current(cpu).map_err(|error| StartError::Pinned(ThreadError::Pin(error)))?;
        }
        // This one is busy: another waits for the end.
        let (tell, told) = mpsc::channel();
        let end = move || {
            let how = told.recv().unwrap_or(Ok(Reason::Gone));
            (how, runtime.end(limit, limit.max(GRACE)))
        };
        let end = thread::Builder::new().name("ringway-actor-end".into()).spawn(end).map_err(StartError::Thread)?;
        first.work(|core| {
            let on_end = tell.clone();
            let on_end = Box::new(move |_: &mut Core, ended: Ended| _ = on_end.send(Ok(ended.reason)));
            match core.spawn(main, None) {
                Ok(addr) => core.watch(addr.id, Watcher { who: Who::Main, tell: on_end }),
                Err(error) => _ = tell.send(Err(error)),
            }
        });
        let (how, report) = end.join().map_err(|_| StartError::Thread(io::ErrorKind::Other.into()))?;
        how.map(|reason| (reason, report)).map_err(StartError::Main)
    }

    /// All that is to be there before the first thread.
    fn hire(self) -> Result<(Runtime, Vec<Hired>), StartError> {
        let Self { workers, on_dead_letter, on_failure } =
            if self.workers.is_empty() { self.workers_on_all(WaitPolicy::Adaptive) } else { self };
        let base = number_workers(workers.len()).ok_or(StartError::TooMany)?;
        let shared = Counted::new(Shared::new(base, workers.len(), on_dead_letter, on_failure));
        let (mut lanes, mut inlets) = rings(&shared)?;
        let (say, said) = mpsc::channel();
        let runtime =
            Runtime { shared: shared.clone(), workers: workers.len(), said: Mutex::new(said), is_over: false };
        let hired = |(number, plan)| Hired {
            number,
            plan,
            shared: shared.clone(),
            say: say.clone(),
            lanes: lanes.remove(0),
            inlets: inlets.remove(0),
        };
        let crew = workers.into_iter().enumerate().map(hired).collect();
        Ok((runtime, crew))
    }
}

/// A worker without its thread.
struct Hired {
    number: usize,
    plan: Plan,
    shared: Counted<Shared>,
    say: mpsc::Sender<(usize, Said)>,
    lanes: Vec<Option<Lane>>,
    inlets: Vec<(u32, Inlet)>,
}

impl Hired {
    /// Gives it one.
    fn start(self) -> Result<(), StartError> {
        let name = format!("ringway-actor-{}", self.number);
        let cpu = self.plan.cpu;
        let run = move || self.work(|_| ());
        match cpu {
            Some(cpu) => _ = affinity::spawn_pinned(&name, cpu, run)?,
            None => _ = thread::Builder::new().name(name).spawn(run).map_err(StartError::Thread)?,
        }
        Ok(())
    }

    /// Is the worker, on this thread, from `first` to its end.
    fn work(self, first: impl FnOnce(&mut Core)) {
        let Self { number, plan, shared, say, lanes, inlets } = self;
        let mut core = Core::new(number as u32, shared, lanes, Instant::now());
        first(&mut core);
        // Whoever is to hear it may have gone.
        Worker::new(core, inlets).run(plan.policy, |what| _ = say.send((number, what)));
    }
}

impl fmt::Debug for RuntimeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeBuilder").field("workers", &self.workers).finish_non_exhaustive()
    }
}

impl Runtime {
    /// How a runtime is to be.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }

    /// The runtime as another thread sees it.
    ///
    /// # Errors
    /// There is no memory for its rings, or the runtime shuts down.
    pub fn client(&self) -> Result<Client, ClientError> {
        Client::new(self.shared.clone())
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Ends it, within `limit` and a second at the most, or twice `limit` if that is longer.
    ///
    /// No actor is started any more; those that nobody supervises stop when they have handled what was sent to them before, and those
    /// they supervise before them. What has not ended within `limit` is ended by force, as soon as its handler returns. A handler that
    /// does not return in the time that is left then keeps its thread, and the report says so.
    pub fn shutdown(mut self, limit: Duration) -> Report {
        self.end(limit, limit.max(GRACE))
    }

    fn end(&mut self, limit: Duration, grace: Duration) -> Report {
        self.is_over = true;
        let said = self.said.lock();
        let mut report = Report::default();
        let mut left = self.workers;
        self.shared.give(Order::Drain);
        let mut drained = 0;
        let deadline = Instant::now() + limit;
        while drained < self.workers
            && let Ok((_, what)) = said.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            match what {
                Said::Drained => drained += 1,
                Said::Ended { .. } => unreachable!("no worker ends before it is told to"),
            }
        }
        self.shared.give(Order::End);
        let deadline = Instant::now() + grace;
        let mut all = Vec::new();
        while left > 0
            && let Ok((number, what)) = said.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            if let Said::Ended { counts, killed, inlets } = what {
                left -= 1;
                report.counts.add(counts);
                report.killed += killed;
                all.push((number as u32, inlets));
            }
        }
        // What one worker sends another as it ends may come when that has ended: so when all have.
        for (number, inlets) in &mut all {
            for (_, inlet) in inlets {
                self.shared.lose_all(*number, inlet, &mut report.counts);
            }
        }
        report.stuck = left;
        report
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(Duration::ZERO, GRACE);
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("workers", &self.workers).finish_non_exhaustive()
    }
}

/// What became of a runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// What the workers did, all together.
    pub counts: Counts,
    /// Actors that were ended by force.
    pub killed: usize,
    /// Workers whose handler has not returned: their threads and actors are left as they are, and counted nowhere.
    pub stuck: usize,
}

/// Why a runtime was not started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A thread could not be pinned, or not be started.
    Pinned(ThreadError),
    /// A thread could not be started.
    Thread(io::Error),
    /// There is no memory for the rings.
    OutOfMemory(CapacityError),
    /// Four thousand million workers were started by this process.
    TooMany,
    /// The actor that was to run did not start.
    Main(SpawnError),
}

impl From<ThreadError> for StartError {
    fn from(error: ThreadError) -> Self {
        Self::Pinned(error)
    }
}

impl From<CapacityError> for StartError {
    fn from(error: CapacityError) -> Self {
        Self::OutOfMemory(error)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned(error) => error.fmt(f),
            Self::Thread(error) => write!(f, "a worker's thread could not be started: {error}"),
            Self::OutOfMemory(error) => error.fmt(f),
            Self::Main(error) => error.fmt(f),
            Self::TooMany => f.write_str("there are no numbers left for workers"),
        }
    }
}

impl std::error::Error for StartError {}

/// Numbers that no worker of the process had before: the first of so many. By them the actors of one runtime are told from another's.
pub(super) fn number_workers(count: usize) -> Option<u32> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let count = u32::try_from(count).ok()?;
    // `Core::number` wraps: what is below the first is as far from the others as what is above.
    let after = |next: u32| next.checked_add(count).filter(|next| *next < u32::MAX / 2);
    NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after).ok()
}

/// How long handlers have to return when all is ended by force.
const GRACE: Duration = Duration::from_secs(1);
