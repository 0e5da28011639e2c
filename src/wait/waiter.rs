//! Look, spin, yield, park: the waiting thread's side.
//!
//! The stages of an adaptive wait; any look that finds something ends it:
//!
//! 1. one look, inline;
//! 2. a short spin without a clock; where the peer seems to share our core, a few yields instead;
//! 3. where the expected wait is within the budget, a spin up to the budget: after 2 µs it yields once and needs a
//!    place among the process's spinners, and it yields once more at its end;
//! 4. the sleep protocol of [`Signal`].
//!
//! `Spin` is stage 1 and a spin without end; `Park` is an adaptive wait without its spins.
//!
//! A waiter that is interruptible ends a wait as a deadline would when a signal handler ran in its thread while that was
//! parked, in stage 4: one more look, and the announcements are taken back. Where the thread does not sleep nothing tells
//! it of a handler.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::policy::WaitPolicy;
use super::signal::Signal;
use super::target::{Slept, Target, ThreadTarget};
#[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
use crate::phase;
use crate::sync::{full_fence, heavy_fence, planted};

#[cfg(not(any(loom, shuttle)))]
use super::{
    clock, cost,
    pace::{self, Opening},
    spinners::Place,
};
#[cfg(not(any(loom, shuttle)))]
use crate::sync::{spin_loop, thread};

/// What a waiter waits for.
pub trait Awaited {
    /// What it gets.
    type Ready;

    /// A cheap look, made on every turn of a spin and again after announcing sleep.
    fn look(&mut self) -> Option<Self::Ready>;

    /// Announces interest beyond the [`Signal`] ("wake me when this pipe has room"), before the fence and the last
    /// look. Called before every park, so possibly several times in a wait.
    ///
    /// Returns true if a far side only issues light fences, so that the waiter must pay the heavy one, once per park.
    fn announce(&mut self) -> bool {
        false
    }

    /// May it also become ready by descriptors, of which nobody tells? Then the waiter parks on those that
    /// [`watch`](Self::watch) names.
    fn has_descriptors(&self) -> bool {
        false
    }

    /// Adds the descriptors whose readability may make it ready. After [`announce`](Self::announce), before the last look of
    /// each park.
    fn watch(&mut self, watched: &mut Vec<Watched>) -> Rest {
        let _ = watched;
        Rest { may_sleep: true, until: None }
    }

    /// Takes the announcements back. Called once at the end of a wait that announced, found or not.
    fn withdraw(&mut self) {}
}

/// A descriptor somebody sleeps on; counted, so that it is not closed meanwhile.
pub type Watched = Arc<dyn std::os::fd::AsFd + Send + Sync>;

/// What is known of a park on descriptors that is about to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// False: something could not be made sure of, and another look must come first.
    pub may_sleep: bool,
    /// When to look again at the latest, whatever comes.
    pub until: Option<Instant>,
}

/// The private half: policy, what it learnt, counters. Belongs to a socket or channel end, not to a thread.
#[derive(Debug)]
pub struct Waiter {
    policy: WaitPolicy,
    /// Signals end waits.
    interruptible: bool,
    /// The thread that parked here last; kept, so that a park allocates nothing.
    target: Option<Arc<ThreadTarget>>,
    /// As `target`, for parks on descriptors.
    #[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
    post: super::descriptors::Post,
    #[cfg(not(any(loom, shuttle)))]
    pace: pace::Pace,
    counts: Counts,
}

/// What a waiter did and what it goes by. All inputs of `Adaptive` are here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitCounters {
    /// Waits that ended while spinning.
    pub spins_paid: u64,
    /// Spins that were given up.
    pub spins_missed: u64,
    /// Of these, those given up because as many threads of the process spun as there are cores to spin on.
    pub spins_refused: u64,
    /// Times the core was offered to others.
    pub yields: u64,
    /// Of these, those after which the wait was over.
    pub yields_paid: u64,
    /// Times the thread went to sleep.
    pub parks: u64,
    /// Times it was woken.
    pub wakes: u64,
    /// Wake-ups after which there was nothing to take.
    pub spurious: u64,
    /// Waits that ended with the deadline.
    pub timeouts: u64,
    /// Waits that a signal ended.
    pub interrupts: u64,
    /// How long the next wait is expected to take, from entering it to the arrival.
    pub expected_wait: Duration,
    /// How long a spin may last: a multiple of what a wake-up costs in this process. Longer expected waits park
    /// at once.
    pub spin_budget: Duration,
    /// The peer seems to share our core: waits begin with a yield.
    pub shares_core: bool,
    /// Others compute on our core: waits do not yield, as they would get the core back late.
    pub core_is_crowded: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    spins_paid: u64,
    spins_missed: u64,
    spins_refused: u64,
    yields: u64,
    yields_paid: u64,
    parks: u64,
    wakes: u64,
    spurious: u64,
    timeouts: u64,
    interrupts: u64,
}

/// Why a wait ended with nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaveUp {
    /// The deadline passed.
    TimedOut,
    /// A signal handler ran in the waiting thread while it was parked; only where the waiter
    /// [is interruptible](Waiter::set_interruptible).
    Interrupted,
}

impl Waiter {
    /// A waiter that knows nothing yet. Allocates at its first park.
    pub fn new(policy: WaitPolicy) -> Self {
        Self {
            policy,
            interruptible: false,
            target: None,
            #[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
            post: Default::default(),
            #[cfg(not(any(loom, shuttle)))]
            pace: pace::Pace::default(),
            counts: Counts::default(),
        }
    }

    /// How it idles.
    pub fn policy(&self) -> WaitPolicy {
        self.policy
    }

    /// Changes how it idles, from the next wait on. What it learnt is kept.
    pub fn set_policy(&mut self, policy: WaitPolicy) {
        self.policy = policy;
    }

    /// Do signals end waits?
    pub fn is_interruptible(&self) -> bool {
        self.interruptible
    }

    /// Makes a signal end a wait, from the next one on: not unless said so. A handler that runs while the thread is not
    /// parked yet, or not at all as under [`WaitPolicy::Spin`], goes unseen. On Linux only; elsewhere nothing changes.
    pub fn set_interruptible(&mut self, interruptible: bool) {
        self.interruptible = interruptible;
    }

    /// Waits until `what` answers, or until `deadline`; `None` waits for ever.
    ///
    /// A deadline already passed means exactly one look. `signal` is the one that those who make `what` ready notify;
    /// one waiter may wait on it at a time.
    ///
    /// # Errors
    /// The deadline passed, or a signal ended the wait. `what` was looked at after that.
    #[inline]
    pub fn wait<A: Awaited>(
        &mut self,
        signal: &Signal,
        deadline: Option<Instant>,
        what: &mut A,
    ) -> Result<A::Ready, GaveUp> {
        match what.look() {
            Some(ready) => Ok(ready),
            None => self.wait_slow(signal, deadline, what),
        }
    }
}

#[cfg(not(any(loom, shuttle)))]
impl Waiter {
    /// What it did so far and what it goes by now.
    pub fn counters(&self) -> WaitCounters {
        let counts = self.counts;
        WaitCounters {
            spins_paid: counts.spins_paid,
            spins_missed: counts.spins_missed,
            spins_refused: counts.spins_refused,
            yields: counts.yields,
            yields_paid: counts.yields_paid,
            parks: counts.parks,
            wakes: counts.wakes,
            spurious: counts.spurious,
            timeouts: counts.timeouts,
            interrupts: counts.interrupts,
            expected_wait: Duration::from_nanos(self.pace.expected_ns()),
            spin_budget: Duration::from_nanos(pace::budget_ns(cost::wake_ns())),
            shares_core: self.pace.shares_core(),
            core_is_crowded: !self.pace.may_yield(),
        }
    }

    /// As [`wait`](Self::wait), for a thread that sleeps elsewhere than in a park: `sleep` is the sleep protocol, from
    /// the announcement to the last look.
    #[cfg(target_os = "linux")]
    pub(crate) fn wait_elsewhere<A: Awaited>(
        &mut self,
        deadline: Option<Instant>,
        what: &mut A,
        sleep: impl FnOnce(&mut A) -> Result<A::Ready, GaveUp>,
    ) -> Result<A::Ready, GaveUp> {
        if let Some(ready) = what.look() {
            return Ok(ready);
        }
        if has_passed(deadline) {
            return Err(self.timed_out());
        }
        if self.policy == WaitPolicy::Spin {
            return self.spin(deadline, what);
        }
        let budget_ns = pace::budget_ns(cost::wake_ns());
        let entered_ns = match self.before_sleep(budget_ns, deadline, what) {
            Before::Ended(ready) => return ready,
            Before::Sleep { entered_ns } => entered_ns,
        };
        self.counts.parks += 1;
        let ready = sleep(what);
        // Who woke us, and when, is not known: our own waking is part of the sample, which is kept below two budgets.
        let slept_ns = clock::now_ns() - entered_ns;
        match ready {
            Ok(_) => self.pace.arrived(slept_ns, budget_ns),
            Err(reason) => {
                self.count(reason);
                self.pace.gave_up(slept_ns, budget_ns);
            }
        }
        ready
    }

    #[inline(never)]
    fn wait_slow<A: Awaited>(
        &mut self,
        signal: &Signal,
        deadline: Option<Instant>,
        what: &mut A,
    ) -> Result<A::Ready, GaveUp> {
        if has_passed(deadline) {
            return Err(self.timed_out());
        }
        match self.policy {
            WaitPolicy::Spin => self.spin(deadline, what),
            WaitPolicy::Adaptive | WaitPolicy::Park => self.adapt(signal, deadline, what),
        }
    }

    fn spin<A: Awaited>(&mut self, deadline: Option<Instant>, what: &mut A) -> Result<A::Ready, GaveUp> {
        loop {
            if let Some(ready) = spin_turns(SHORT_TURNS, what) {
                self.counts.spins_paid += 1;
                return Ok(ready);
            }
            if has_passed(deadline) {
                return Err(self.timed_out());
            }
        }
    }

    /// `Adaptive`; and `Park`, which leaves the spins out.
    fn adapt<A: Awaited>(
        &mut self,
        signal: &Signal,
        deadline: Option<Instant>,
        what: &mut A,
    ) -> Result<A::Ready, GaveUp> {
        let budget_ns = pace::budget_ns(cost::wake_ns());
        let entered_ns = match self.before_sleep(budget_ns, deadline, what) {
            Before::Ended(ready) => return ready,
            Before::Sleep { entered_ns } => entered_ns,
        };
        #[cfg(target_os = "linux")]
        if !what.has_descriptors() {
            // It may come to have some while we sleep: then we sleep on them.
            match self.park_unless(signal, deadline, what, |what| what.has_descriptors()) {
                Parked::Over(ready) => {
                    self.learn_from_park(entered_ns, budget_ns, ready.is_ok());
                    return ready;
                }
                Parked::Differently => {}
            }
        }
        #[cfg(target_os = "linux")]
        if self.post.is_open() {
            return self.park_on_descriptors(signal, deadline, what, (entered_ns, budget_ns));
        }
        let ready = self.park(signal, deadline, what);
        self.learn_from_park(entered_ns, budget_ns, ready.is_ok());
        ready
    }

    /// Everything that comes before the sleep protocol.
    fn before_sleep<A: Awaited>(
        &mut self,
        budget_ns: u64,
        deadline: Option<Instant>,
        what: &mut A,
    ) -> Before<A::Ready> {
        let may_spin = self.policy == WaitPolicy::Adaptive;
        let opening = self.pace.open();
        let found = match opening {
            Opening::Yield => self.yield_first(what),
            Opening::TimedYield => self.timed_yield(clock::now_ns(), what),
            Opening::Spin if may_spin => self.spin_short(what),
            Opening::Spin | Opening::Park => None,
        };
        if let Some(ready) = found {
            self.pace.arrived(0, budget_ns);
            return Before::Ended(Ok(ready));
        }
        let entered_ns = clock::now_ns();
        if may_spin && opening != Opening::Park && self.pace.expects_within(budget_ns) {
            match self.spin_long(entered_ns, budget_ns, deadline, what) {
                Spun::Found(ready) => return Before::Ended(Ok(ready)),
                Spun::DeadlinePassed => return Before::Ended(Err(self.timed_out())),
                Spun::GaveUp => self.counts.spins_missed += 1,
            }
        }
        Before::Sleep { entered_ns }
    }

    /// A few yields, untimed.
    fn yield_first<A: Awaited>(&mut self, what: &mut A) -> Option<A::Ready> {
        (0..FIRST_YIELDS).find_map(|_| self.yield_once(what))
    }

    /// A spin without a clock.
    fn spin_short<A: Awaited>(&mut self, what: &mut A) -> Option<A::Ready> {
        let ready = spin_turns(SHORT_TURNS, what)?;
        self.counts.spins_paid += 1;
        self.pace.spin_paid();
        Some(ready)
    }

    /// A spin up to the budget. Once it is long, it needs a place and offers the core to others; again at its end.
    fn spin_long<A: Awaited>(
        &mut self,
        entered_ns: u64,
        budget_ns: u64,
        deadline: Option<Instant>,
        what: &mut A,
    ) -> Spun<A::Ready> {
        let mut spun_ns = 0;
        let mut yield_at_ns = LONG_NS;
        let mut place = None;
        loop {
            if let Some(ready) = spin_turns(TURNS_PER_CLOCK, what) {
                self.counts.spins_paid += 1;
                self.pace.spin_paid();
                self.pace.arrived(spun_ns, budget_ns);
                return Spun::Found(ready);
            }
            let now_ns = clock::now_ns();
            spun_ns = now_ns - entered_ns;
            if has_passed(deadline) {
                self.pace.gave_up(spun_ns, budget_ns);
                return Spun::DeadlinePassed;
            }
            if spun_ns >= yield_at_ns {
                if self.pace.may_yield()
                    && let Some(ready) = self.timed_yield(now_ns, what)
                {
                    self.pace.arrived(spun_ns, budget_ns);
                    return Spun::Found(ready);
                }
                if spun_ns >= budget_ns {
                    return Spun::GaveUp;
                }
                yield_at_ns = budget_ns;
                place = place.or_else(Place::take);
                if place.is_none() {
                    self.counts.spins_refused += 1;
                    return Spun::GaveUp;
                }
            }
        }
    }

    /// Offers the core to others, then looks; `now_ns` was read just before.
    fn timed_yield<A: Awaited>(&mut self, now_ns: u64, what: &mut A) -> Option<A::Ready> {
        let ready = self.yield_once(what);
        self.pace.yield_took(clock::now_ns() - now_ns);
        ready
    }

    /// Offers the core to others, then looks.
    fn yield_once<A: Awaited>(&mut self, what: &mut A) -> Option<A::Ready> {
        thread::yield_now();
        let ready = what.look();
        self.counts.yields += 1;
        if ready.is_some() {
            self.counts.yields_paid += 1;
            self.pace.peer_ran_here();
        } else {
            self.pace.yield_missed();
        }
        ready
    }

    /// The sleep protocol, on descriptors: as [`park`](Self::park) otherwise.
    #[cfg(target_os = "linux")]
    fn park_on_descriptors<A: Awaited>(
        &mut self,
        signal: &Signal,
        deadline: Option<Instant>,
        what: &mut A,
        (entered_ns, budget_ns): (u64, u64),
    ) -> Result<A::Ready, GaveUp> {
        let asleep = Asleep { signal, displaced: signal.enlist_for_good(self.post.target()) };
        let ready = loop {
            let may_sleep_long = asleep.announce_and_fence(what);
            let mut rest = self.post.watch(what);
            if let Some(ready) = what.look() {
                break Ok(ready);
            }
            rest.may_sleep &= may_sleep_long;
            if rest.may_sleep {
                self.counts.parks += 1;
                phase::reach("sleeping");
                let slept = self.post.sleep(deadline.into_iter().chain(rest.until).min());
                phase::reach("woken");
                self.counts.wakes += u64::from(slept == Slept::Woken);
                if let Some(ready) = what.look() {
                    break Ok(ready);
                }
                if slept == Slept::Interrupted && self.interruptible {
                    break Err(GaveUp::Interrupted);
                }
            }
            if has_passed(deadline) {
                break Err(GaveUp::TimedOut);
            }
        };
        drop(asleep);
        self.post.clear();
        what.withdraw();
        let slept_ns = clock::now_ns() - entered_ns;
        match ready {
            // As in `wait_elsewhere`: our own waking is part of the sample.
            Ok(_) => self.pace.arrived(slept_ns, budget_ns),
            Err(reason) => {
                self.count(reason);
                self.pace.gave_up(slept_ns, budget_ns);
            }
        }
        ready
    }

    fn learn_from_park(&mut self, entered_ns: u64, budget_ns: u64, found: bool) {
        let now_ns = clock::now_ns();
        let Some(stamp) = self.target.as_ref().map(|target| target.stamp()) else { return };
        let woken_ns = stamp.ns();
        if !found {
            self.pace.gave_up(now_ns - entered_ns, budget_ns);
        } else if woken_ns < entered_ns {
            // Found by the last look: nobody woke us.
            self.pace.arrived(now_ns - entered_ns, budget_ns);
        } else {
            let wait_ns = woken_ns - entered_ns;
            self.pace.arrived(wait_ns, budget_ns);
            if stamp.core().is_none() || stamp.core() != clock::core() {
                cost::learn(now_ns.saturating_sub(woken_ns));
                self.pace.peer_ran_elsewhere();
            } else if wait_ns < SOON_NS {
                self.pace.peer_ran_here();
            }
        }
    }
}

impl Waiter {
    /// The sleep protocol: announce, fence, look, park.
    fn park<A: Awaited>(
        &mut self,
        signal: &Signal,
        deadline: Option<Instant>,
        what: &mut A,
    ) -> Result<A::Ready, GaveUp> {
        match self.park_unless(signal, deadline, what, |_| false) {
            Parked::Over(ready) => ready,
            Parked::Differently => unreachable!("it was never asked for"),
        }
    }

    /// As [`park`](Self::park), as long as `differently` says no.
    fn park_unless<A: Awaited>(
        &mut self,
        signal: &Signal,
        deadline: Option<Instant>,
        what: &mut A,
        differently: impl Fn(&A) -> bool,
    ) -> Parked<A::Ready> {
        let target = match &mut self.target {
            Some(target) if target.is_current() || planted("waiter-keeps-target") => &*target,
            stale => &*stale.insert(ThreadTarget::current()),
        };
        let asleep = Asleep { signal, displaced: signal.enlist(target) };
        let ready = loop {
            let may_sleep_long = asleep.announce_and_fence(what);
            if !planted("waiter-no-second-look")
                && let Some(ready) = what.look()
            {
                break Parked::Over(Ok(ready));
            }
            if differently(what) {
                break Parked::Differently;
            }
            self.counts.parks += 1;
            let slept = target.sleep(if may_sleep_long { deadline } else { soonest(deadline) }, self.interruptible);
            let woken = slept == Slept::Woken;
            self.counts.wakes += u64::from(woken);
            if let Some(ready) = what.look() {
                break Parked::Over(Ok(ready));
            }
            self.counts.spurious += u64::from(woken);
            if slept == Slept::Interrupted {
                break Parked::Over(Err(GaveUp::Interrupted));
            }
            if !woken && has_passed(deadline) {
                break Parked::Over(Err(GaveUp::TimedOut));
            }
        };
        if let Parked::Over(Err(reason)) = ready {
            self.count(reason);
            if reason == GaveUp::Interrupted && planted("waiter-interrupted-stays-announced") {
                std::mem::forget(asleep);
                return ready;
            }
        }
        drop(asleep);
        what.withdraw();
        ready
    }

    fn count(&mut self, reason: GaveUp) {
        match reason {
            GaveUp::TimedOut => self.counts.timeouts += 1,
            GaveUp::Interrupted => self.counts.interrupts += 1,
        }
    }

    #[cfg(not(any(loom, shuttle)))]
    fn timed_out(&mut self) -> GaveUp {
        self.count(GaveUp::TimedOut);
        GaveUp::TimedOut
    }
}

#[cfg(any(loom, shuttle))]
impl Waiter {
    pub fn counters(&self) -> WaitCounters {
        let Counts { parks, wakes, interrupts, .. } = self.counts;
        WaitCounters { parks, wakes, interrupts, ..WaitCounters::default() }
    }

    /// A model has no time and explores no spin: every policy parks.
    fn wait_slow<A: Awaited>(
        &mut self,
        signal: &Signal,
        deadline: Option<Instant>,
        what: &mut A,
    ) -> Result<A::Ready, GaveUp> {
        self.park(signal, deadline, what)
    }
}

/// A signal with our target in it, possibly armed. Dropping it disarms it, brings a displaced target back and wakes it.
struct Asleep<'a> {
    signal: &'a Signal,
    displaced: Option<Target>,
}

impl Asleep<'_> {
    /// Returns whether the sleep may last until a wake-up (see `heavy_fence`).
    fn announce_and_fence<A: Awaited>(&self, what: &mut A) -> bool {
        self.signal.announce();
        let far_side_is_light = what.announce();
        if planted("waiter-no-fence") {
            true
        } else if far_side_is_light && !planted("waiter-full-for-heavy") {
            // Heavy: the announcements against the look that follows; pairs with the light fence between a far side's
            // publication and its look.
            heavy_fence()
        } else {
            // Full: the same, against the far side's full fence.
            full_fence();
            true
        }
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        if cfg!(any(loom, shuttle)) && std::thread::panicking() {
            // A model that failed unwinds through here, and its atomics must not be touched any more.
            return;
        }
        self.signal.disarm();
        if let Some(displaced) = self.displaced.take()
            && !planted("waiter-keeps-displaced")
        {
            self.signal.install(displaced.clone());
            if !planted("waiter-silences-displaced") {
                // What its owner had announced is taken back, and a wake for it may have reached us.
                displaced.wake();
            }
        }
    }
}

/// How a park ended.
enum Parked<R> {
    Over(Result<R, GaveUp>),
    /// Another kind of park is called for.
    Differently,
}

/// How a wait stands before its first sleep.
#[cfg(not(any(loom, shuttle)))]
enum Before<R> {
    Ended(Result<R, GaveUp>),
    Sleep {
        /// When the wait began, as far as it was timed.
        entered_ns: u64,
    },
}

#[cfg(not(any(loom, shuttle)))]
enum Spun<R> {
    Found(R),
    DeadlinePassed,
    GaveUp,
}

/// `turns` times a pause and a look.
#[cfg(not(any(loom, shuttle)))]
#[inline(always)]
fn spin_turns<A: Awaited>(turns: u32, what: &mut A) -> Option<A::Ready> {
    for _ in 0..turns {
        spin_loop();
        if let Some(ready) = what.look() {
            return Some(ready);
        }
    }
    None
}

fn has_passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}

/// `deadline`, or a millisecond from now if that is sooner.
fn soonest(deadline: Option<Instant>) -> Option<Instant> {
    let soon = Instant::now() + Duration::from_millis(1);
    Some(deadline.map_or(soon, |deadline| deadline.min(soon)))
}

/// About 0.5 µs where a pause takes 12 ns: longer than an awake peer needs, shorter than a place is worth.
#[cfg(not(any(loom, shuttle)))]
const SHORT_TURNS: u32 = 40;
/// A clock read costs two or three pauses; this keeps it under a tenth of the spin.
#[cfg(not(any(loom, shuttle)))]
const TURNS_PER_CLOCK: u32 = 24;
/// From here a spin is long: it needs a place, and offers the core to others first.
#[cfg(not(any(loom, shuttle)))]
const LONG_NS: u64 = 2_000;
/// Yields a wait begins with where the peer seems to share our core.
#[cfg(not(any(loom, shuttle)))]
const FIRST_YIELDS: u32 = 2;
/// A wake from our own core that came sooner than this after we parked came from a peer that ran because we did: some
/// context switches, and what it computed.
#[cfg(not(any(loom, shuttle)))]
const SOON_NS: u64 = 20_000;
