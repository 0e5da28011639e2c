//! What a waiter learnt about its waits, and what follows for the next one: pure arithmetic.
//!
//! *Expected wait.* A running average, weight 1/4, of the time from entering a wait to the arrival; for a parked wait
//! the arrival is the waker's stamp, not the moment we ran again, so that two peers that fell to waking each other
//! see that each answers at once, and climb back to spinning. A sample counts at most twice the budget: one hiccup
//! moves the expectation by at most half a budget and does not end spinning; three long waits in a row do.
//!
//! *Sharing a core.* A message that was not there after a spin and is there right after a yield came from a peer that
//! needed our core; so did a wake, soon after we parked, from our own core. After a few of these the waiter yields
//! first. From then on each yield that does not help counts against it, and now and then it does not yield, to see
//! whether the peer still shares the core.
//!
//! *Crowded core.* Who yields to a thread that computes gets the core back when that thread's slice ends, milliseconds
//! later; who parks is put in front of it when woken. So a yield that took very long bars further ones for a while.

#![forbid(unsafe_code)]

/// What a waiter learnt. See the file's documentation.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// Expected wait, ns.
    expected_ns: u64,
    /// How much speaks for a peer on our core: yields that helped less those that did not, within 0..=`SHARING_MAX`.
    sharing: u8,
    /// Waits until we do not yield first, for once, although the peer shares our core.
    until_probe: u32,
    /// Waits between two such probes; doubles while the peer stays on our core.
    probe_interval: u32,
    /// Waits for which yields are barred.
    barred: u32,
    /// For how many the last bar was; doubles each time.
    bar_interval: u32,
}

/// How a wait begins, after the first look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// With a spin, if the policy has one.
    Spin,
    /// With a yield, since the peer shares our core.
    Yield,
    /// With a yield, and a look at the clock, in case the core became crowded.
    TimedYield,
    /// At once with parking: the peer needs our core, and yields are barred.
    Park,
}

/// A budget is this many wake costs: a pair that wakes each other measures about one, and must come out below.
const BUDGET_WAKES: u64 = 2;
/// Evidence from which a waiter yields first.
const SHARING: u8 = 3;
/// Evidence kept: so many fruitless yields until it no longer yields first.
const SHARING_MAX: u8 = 8;
/// A probe costs about a microsecond, a shared round trip about one and a half: under 1 % from here on.
const PROBE_INTERVAL_MAX: u32 = 128;
const PROBE_INTERVAL_MIN: u32 = 16;
/// One yield in so many is timed where yields come first: two clock reads are 3 % of a shared round trip.
const TIMED_ONE_IN: u32 = 8;
/// Half of the shortest slice schedulers give to a thread that computes.
const CROWDED_NS: u64 = 500_000;
/// A crowded yield costs some milliseconds: at most one in 64 waits pays it, and soon one in 4,096.
const BAR_MIN: u32 = 64;
const BAR_MAX: u32 = 4_096;

impl Pace {
    /// How does the next wait begin? Counts down bars and probes.
    pub(super) fn open(&mut self) -> Opening {
        self.barred = self.barred.saturating_sub(1);
        if !self.shares_core() {
            return Opening::Spin;
        }
        if !self.may_yield() {
            return Opening::Park;
        }
        match self.until_probe.checked_sub(1) {
            Some(left) => {
                self.until_probe = left;
                if left % TIMED_ONE_IN == 0 || self.remembers_crowd() { Opening::TimedYield } else { Opening::Yield }
            }
            None => {
                self.probe_interval = (self.probe_interval * 2).min(PROBE_INTERVAL_MAX);
                self.until_probe = self.probe_interval;
                Opening::Spin
            }
        }
    }

    /// A wait ended `wait_ns` after it was entered.
    pub(super) fn arrived(&mut self, wait_ns: u64, budget_ns: u64) {
        let sample = wait_ns.min(2 * budget_ns);
        self.expected_ns = self.expected_ns - self.expected_ns / 4 + sample / 4;
    }

    /// A wait was given up after `wait_ns`: it would have taken longer.
    pub(super) fn gave_up(&mut self, wait_ns: u64, budget_ns: u64) {
        if wait_ns > self.expected_ns {
            self.arrived(wait_ns, budget_ns);
        }
    }

    /// A peer on another core woke us.
    pub(super) fn peer_ran_elsewhere(&mut self) {
        self.sharing = self.sharing.saturating_sub(1);
    }

    /// Spinning found what we wait for: the peer runs beside us.
    pub(super) fn spin_paid(&mut self) {
        self.sharing = 0;
    }

    /// A yield found what we wait for, or a peer on our core woke us soon after we parked.
    pub(super) fn peer_ran_here(&mut self) {
        self.sharing = (self.sharing + 1).min(SHARING_MAX);
        if self.sharing == SHARING {
            self.probe_interval = PROBE_INTERVAL_MIN;
            self.until_probe = PROBE_INTERVAL_MIN;
        }
    }

    /// A yield found nothing.
    pub(super) fn yield_missed(&mut self) {
        self.sharing = self.sharing.saturating_sub(1);
    }

    /// A yield took `took_ns`.
    pub(super) fn yield_took(&mut self, took_ns: u64) {
        if took_ns >= CROWDED_NS {
            self.bar_interval = (2 * self.bar_interval).clamp(BAR_MIN, BAR_MAX);
            self.barred = self.bar_interval;
        } else {
            // A crowd that went away is forgotten, slowly.
            self.bar_interval -= self.bar_interval / 8;
        }
    }

    /// Is yielding not barred?
    pub(super) fn may_yield(&self) -> bool {
        self.barred == 0
    }

    /// Was the core crowded lately? Then every yield is timed.
    fn remembers_crowd(&self) -> bool {
        self.bar_interval > BAR_MIN / 2
    }

    /// Does the peer seem to share our core?
    pub(super) fn shares_core(&self) -> bool {
        self.sharing >= SHARING
    }

    /// Is the next wait expected to end within `budget_ns`?
    pub(super) fn expects_within(&self, budget_ns: u64) -> bool {
        self.expected_ns <= budget_ns
    }

    /// Expected wait, ns.
    pub(super) fn expected_ns(&self) -> u64 {
        self.expected_ns
    }
}

/// How long a spin may last where a wake costs `wake_ns`.
pub(super) fn budget_ns(wake_ns: u32) -> u64 {
    BUDGET_WAKES * u64::from(wake_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAKE_NS: u32 = 30_000;
    const BUDGET_NS: u64 = 60_000;

    #[test]
    fn one_hiccup_does_not_end_spinning_and_three_do() {
        let mut pace = Pace::default();
        for _ in 0..100 {
            pace.arrived(300, BUDGET_NS);
        }
        pace.arrived(10_000_000, BUDGET_NS);
        assert!(pace.expects_within(BUDGET_NS));
        pace.arrived(10_000_000, BUDGET_NS);
        pace.arrived(10_000_000, BUDGET_NS);
        assert!(!pace.expects_within(BUDGET_NS));
    }

    #[test]
    fn a_pair_that_wakes_each_other_climbs_back_to_spinning() {
        assert_eq!(budget_ns(WAKE_NS), BUDGET_NS);
        let mut pace = Pace::default();
        for _ in 0..100 {
            pace.arrived(u64::MAX, BUDGET_NS);
        }
        // Each answers when it was woken; half of the wakes take a third more than we believe they do.
        let waits = (1..).find(|turn| {
            let wake_ns = u64::from(WAKE_NS);
            pace.arrived(if turn % 2 == 0 { wake_ns } else { wake_ns * 4 / 3 }, BUDGET_NS);
            pace.expects_within(BUDGET_NS)
        });
        assert!(waits.unwrap() <= 8, "{waits:?}");
    }

    #[test]
    fn sporadic_messages_stop_spinning_after_three() {
        let mut pace = Pace::default();
        let spins = (0..100).filter(|_| {
            let spins = pace.expects_within(BUDGET_NS);
            pace.arrived(1_000_000, BUDGET_NS);
            spins
        });
        assert_eq!(spins.count(), 3);
    }

    #[test]
    fn a_shared_core_is_noticed_after_three_and_probed_rarely() {
        let mut pace = Pace::default();
        let spins = (0..1_280).filter(|_| {
            let opening = pace.open();
            pace.peer_ran_here();
            opening == Opening::Spin
        });
        // Three to notice, then probes 16, 32, 64, 128, 128 … waits apart.
        assert!((10..=16).contains(&spins.count()));
        pace.spin_paid();
        assert_eq!(pace.open(), Opening::Spin);
    }

    #[test]
    fn yields_that_do_not_help_are_given_up() {
        let mut pace = Pace::default();
        (0..100).for_each(|_| pace.peer_ran_here());
        let yields = (0..100).filter(|_| {
            let opening = pace.open();
            pace.yield_missed();
            opening != Opening::Spin
        });
        assert!(yields.count() <= usize::from(SHARING_MAX));
    }

    #[test]
    fn a_crowded_core_is_yielded_rarely() {
        let mut pace = Pace::default();
        let waits = if cfg!(miri) { 5_000_usize } else { 100_000 };
        let crowded = (0..waits).filter(|_| {
            pace.peer_ran_here();
            let opening = pace.open();
            if opening == Opening::TimedYield {
                pace.yield_took(4_000_000);
            }
            matches!(opening, Opening::Yield | Opening::TimedYield)
        });
        // The first is found out after eight; each bar ends with a yield that is timed.
        assert!(crowded.count() <= 8 + waits / BAR_MAX as usize + 6);
    }
}
