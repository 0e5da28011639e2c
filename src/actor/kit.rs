//! For tests: actors on workers that a test turns by itself, one at a time, in an order that a seed decides, at a time that it sets.
//!
//! The workers are those of a [`Runtime`](super::Runtime), with the same rings between them; there is one thread, and no clock. So what
//! happens is a function of the seed, and of what the test does.
//!
//! ```
//! # use ringway::actor::{Actor, Ctx, Failure, Handle, Spec, kit::Stage};
//! # use std::time::Duration;
//! /// Says so when it was told nothing for a minute.
//! struct Watchdog { fed: bool, barks: u32 }
//!
//! impl Actor for Watchdog {
//!     type Args = ();
//!
//!     fn start((): (), ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
//!         ctx.every(Duration::from_secs(60), || Look);
//!         Ok(Self { fed: false, barks: 0 })
//!     }
//! }
//!
//! struct Look;
//! struct Feed;
//! struct Barks;
//!
//! impl Handle<Look> for Watchdog {
//!     type Reply = ();
//!     fn on(&mut self, _: Look, _: &mut Ctx<'_, Self>) {
//!         self.barks += u32::from(!std::mem::take(&mut self.fed));
//!     }
//! }
//!
//! impl Handle<Feed> for Watchdog {
//!     type Reply = ();
//!     fn on(&mut self, _: Feed, _: &mut Ctx<'_, Self>) {
//!         self.fed = true;
//!     }
//! }
//!
//! impl Handle<Barks> for Watchdog {
//!     type Reply = u32;
//!     fn on(&mut self, _: Barks, _: &mut Ctx<'_, Self>) -> u32 {
//!         self.barks
//!     }
//! }
//!
//! let mut stage = Stage::new(2, 7);
//! let dog = stage.spawn_on(1, Spec::<Watchdog>::new(()))?;
//! stage.advance(Duration::from_secs(90));
//! stage.tell(dog, Feed)?;
//! stage.advance(Duration::from_secs(60));
//! assert_eq!(stage.ask(dog, Barks), Ok(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

use std::{
    sync::Arc as Counted,
    time::{Duration, Instant},
};

use super::{
    Actor, Addr, AskError, Client, Counts, Handle, SpawnError, Spec, TellError, To,
    core::Core,
    runtime::number_workers,
    shared::{Shared, rings},
    worker::Worker,
};

/// See the [module](self).
#[derive(Debug)]
pub struct Stage {
    workers: Vec<Worker>,
    client: Client,
    now: Instant,
    dice: u64,
}

impl Stage {
    /// So many workers, which are turned in an order that `seed` decides.
    ///
    /// # Panics
    /// There is no memory for their rings, or `workers` is 0.
    pub fn new(workers: usize, seed: u64) -> Self {
        assert!(workers > 0, "somebody has to be there");
        let base = number_workers(workers).expect("a process has fewer workers");
        let shared = Counted::new(Shared::new(base, workers, None, None));
        let (lanes, inlets) = rings(&shared).expect("there is memory for the rings");
        let now = Instant::now();
        let of = |(number, (lanes, inlets))| Worker::new(Core::new(number, shared.clone(), lanes, now), inlets);
        let workers = (0..).zip(lanes.into_iter().zip(inlets)).map(of).collect();
        let client = Client::new(shared.clone()).expect("there is memory for its rings");
        // Nothing is random about a seed of 0 otherwise.
        Self { workers, client, now, dice: seed.wrapping_add(0x9E37_79B9_7F4A_7C15) }
    }

    /// The time there.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// One turn of one of the workers that have something to do. False: none has, at this time.
    pub fn step(&mut self) -> bool {
        let busy: Vec<usize> = (0..self.workers.len()).filter(|&worker| self.is_busy(worker)).collect();
        let Some(&worker) = busy.get(self.roll(busy.len())) else { return false };
        self.workers[worker].turn(self.now);
        true
    }

    fn is_busy(&mut self, worker: usize) -> bool {
        let worker = &mut self.workers[worker];
        worker.has_work() || worker.next_alarm().is_some_and(|at| at <= self.now)
    }

    /// Steps until there is nothing to do at this time.
    pub fn settle(&mut self) {
        while self.step() {}
    }

    /// Lets time pass: what is due in it happens at its time, and [all that comes of it](Self::settle).
    pub fn advance(&mut self, by: Duration) {
        let until = self.now + by;
        loop {
            self.settle();
            let next = self.workers.iter().filter_map(Worker::next_alarm).min();
            match next.filter(|next| *next <= until) {
                Some(next) => self.now = next.max(self.now),
                None => break,
            }
        }
        self.now = until;
        self.settle();
    }

    /// Starts an actor on that worker, which nobody supervises.
    ///
    /// # Errors
    /// It was not started.
    pub fn spawn_on<A: Actor>(&mut self, worker: usize, spec: Spec<A>) -> Result<Addr<A>, SpawnError> {
        let number = u32::try_from(worker).ok().filter(|_| worker < self.workers.len()).ok_or(SpawnError::NoPlace)?;
        self.client.let_do(number, move |core| core.spawn(spec, None));
        self.answer().unwrap_or(Err(SpawnError::ShutDown))
    }

    /// Sends `message`, if there is room; nothing happens by that before a [step](Self::step).
    ///
    /// # Errors
    /// Gives the message back.
    pub fn tell<M: Send + 'static>(&mut self, to: impl To<M>, message: M) -> Result<(), TellError<M>> {
        self.client.try_tell(to, message)
    }

    /// Asks, and steps until there is an answer. Time does not pass.
    ///
    /// # Errors
    /// There is none; [`AskError::TimedOut`]: nothing happens any more, and there was none.
    pub fn ask<A: Handle<M>, M: Send + 'static>(&mut self, to: Addr<A>, message: M) -> Result<A::Reply, AskError> {
        let mut message = message;
        loop {
            match self.client.try_ask(to, message) {
                Ok(()) => return self.answer(),
                Err(TellError::Gone(_)) => return Err(AskError::Gone),
                Err(TellError::Full(back)) => message = back,
            }
            if !self.step() {
                return Err(AskError::TimedOut);
            }
        }
    }

    fn answer<R: 'static>(&mut self) -> Result<R, AskError> {
        loop {
            if let Some(answer) = self.client.take_answer() {
                return answer;
            }
            if !self.step() {
                return Err(AskError::TimedOut);
            }
        }
    }

    /// What the workers did, all together.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.workers.iter().for_each(|worker| counts.add(worker.counts()));
        counts
    }

    /// Below `end`; 0 if that is 0. After Marsaglia, "Xorshift RNGs" (2003).
    fn roll(&mut self, end: usize) -> usize {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice % end.max(1) as u64) as usize
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
impl Stage {
    /// How many wishes to hear of an end its actors have, and have from others.
    pub(super) fn watches(&mut self) -> [usize; 2] {
        self.workers.iter_mut().map(Worker::watches).fold([0, 0], |[of, by], more| [of + more[0], by + more[1]])
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::actor::{Ctx, Failure, Restarts};

    /// Passes a number on until it is 0, and counts; fails at multiples of ten.
    struct Link {
        next: Option<Addr<Link>>,
        seen: Vec<u32>,
    }

    impl Actor for Link {
        type Args = ();

        fn start((): (), _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
            Ok(Self { next: None, seen: Vec::new() })
        }
    }

    impl Handle<Addr<Link>> for Link {
        type Reply = ();

        fn on(&mut self, next: Addr<Link>, _: &mut Ctx<'_, Self>) {
            self.next = Some(next);
        }
    }

    impl Handle<u32> for Link {
        type Reply = ();

        fn on(&mut self, left: u32, ctx: &mut Ctx<'_, Self>) {
            self.seen.push(left);
            if let (Some(next), Some(left)) = (self.next, left.checked_sub(1)) {
                ctx.try_tell(next, left).unwrap();
            }
        }
    }

    impl Handle<()> for Link {
        type Reply = Vec<u32>;

        fn on(&mut self, (): (), ctx: &mut Ctx<'_, Self>) -> Vec<u32> {
            ctx.after(Duration::from_secs(1), 0_u32);
            self.seen.clone()
        }
    }

    /// All of its memory is reached in a way that an interpreter can follow: small messages and large, here and there, answers, timers,
    /// and an end with mail that nobody reads.
    #[test]
    fn what_a_stage_plays_is_the_same_for_the_same_seed() {
        let play = |seed| {
            let mut stage = Stage::new(2, seed);
            let spec = || Spec::<Link>::new(()).restarts(Restarts::default());
            let links: Vec<_> = (0..4).map(|nth| stage.spawn_on(nth % 2, spec()).unwrap()).collect();
            for nth in 0..4 {
                stage.ask(links[nth], links[(nth + 1) % 4]).unwrap();
            }
            stage.tell(links[0], 21).unwrap();
            stage.tell(links[2], 14).unwrap();
            for _ in 0..3 {
                stage.step();
            }
            let seen: Vec<_> = links.iter().map(|&link| stage.ask(link, ()).unwrap()).collect();
            stage.advance(Duration::from_secs(2));
            stage.tell(links[1], 3).unwrap();
            (seen, stage.counts().handled)
        };
        assert_eq!(play(1), play(1));
        assert_eq!(play(1).1, play(2).1, "all is handled, in whatever order");
    }
}
