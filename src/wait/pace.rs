//! What a waiter learnt about its waits, and what follows for the next one: pure arithmetic.
//!
//! *Expected wait.* A running average, weight 1/4, of the time from entering a wait to the arrival; for a parked wait
//! the arrival is the waker's stamp, not the moment we ran again, so that two peers that fell to waking each other
//! see that each answers at once, and climb back to spinning. A sample counts at most twice the budget: one hiccup
//! moves the expectation by at most half a budget and does not end spinning; three long waits in a row do.
//!
//! *Sharing a core.* A message that was not there after a long spin and is there right after a yield came from a peer
//! that needed our core. After a few of these the waiter yields first. From then on each yield that does not help
//! counts against it, and now and then it spins first to see whether the peer still shares the core.

#![forbid(unsafe_code)]

/// What a waiter learnt. See the file's documentation.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// Expected wait, ns.
    expected_ns: u64,
    /// How much speaks for a peer on our core: yields that helped less those that did not, within 0..=`SHARING_MAX`.
    sharing: u8,
    /// Waits until we spin first again although the peer shares our core.
    until_probe: u32,
    /// Waits between two such probes; doubles while they find nothing.
    probe_interval: u32,
}

/// A budget is this many wake costs: a pair that wakes each other measures about one, and must come out below.
const BUDGET_WAKES: u64 = 2;
/// Evidence from which a waiter yields first.
const SHARING: u8 = 3;
/// Evidence kept: so many fruitless yields until it spins first again.
const SHARING_MAX: u8 = 8;
/// A probe costs about a microsecond, a shared round trip about one: under 1 % from here on.
const PROBE_INTERVAL_MAX: u32 = 128;
const PROBE_INTERVAL_MIN: u32 = 16;

impl Pace {
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

    /// A yield after a spin, or instead of one, found (or did not find) what we wait for.
    pub(super) fn yielded(&mut self, paid: bool) {
        if paid {
            self.sharing = (self.sharing + 1).min(SHARING_MAX);
            if self.sharing == SHARING {
                self.probe_interval = PROBE_INTERVAL_MIN;
                self.until_probe = PROBE_INTERVAL_MIN;
            }
        } else {
            self.sharing = self.sharing.saturating_sub(1);
        }
    }

    /// Spinning found what we wait for: the peer runs beside us.
    pub(super) fn spin_paid(&mut self) {
        self.sharing = 0;
    }

    /// Should this wait begin with a yield? Counts down to the next probe.
    pub(super) fn yields_first(&mut self) -> bool {
        if !self.shares_core() {
            return false;
        }
        match self.until_probe.checked_sub(1) {
            Some(left) => {
                self.until_probe = left;
                true
            }
            None => {
                self.probe_interval = (self.probe_interval * 2).min(PROBE_INTERVAL_MAX);
                self.until_probe = self.probe_interval;
                false
            }
        }
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
