//! How long to wait before the next attempt at a connection: doubling, with full jitter. Pure.
//!
//! The n-th delay (from 0) is any in `(0, ceiling]`, all equally likely, where `ceiling = min(interval · 2^n, max)`. So
//! clients that lost a server together do not come back together, and the mean load on it falls with time. After Brooker
//! (2015), "Exponential Backoff and Jitter". libzmq adds up to one interval to a constant or doubling one: its crowds
//! stay crowds.

#![forbid(unsafe_code)]

use std::time::Duration;

/// The delays between attempts at one connection.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    interval: Duration,
    max: Duration,
    /// What the next delay is at most. `interval <= ceiling <= max`
    ceiling: Duration,
    /// State of the generator.
    random: u64,
}

impl Backoff {
    /// Begins with delays of up to `interval`; they grow up to `max`, or not at all if that is less. Two with different
    /// seeds go different ways.
    pub(crate) fn new(interval: Duration, max: Duration, seed: u64) -> Self {
        let interval = interval.max(DELAY_MIN);
        Self { interval, max: max.max(interval), ceiling: interval, random: seed }
    }

    /// The next delay. Never zero.
    pub(crate) fn next(&mut self) -> Duration {
        let ceiling = self.ceiling;
        self.ceiling = ceiling.saturating_mul(2).min(self.max);
        // In nanoseconds 64 bits last for 584 years; a ceiling beyond is as good as that.
        let range = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
        let delay = ((u128::from(self.draw()) * u128::from(range)) >> 64) as u64;
        Duration::from_nanos(delay).max(DELAY_MIN)
    }

    /// Begins anew: an attempt has succeeded, and what it led to has lasted.
    pub(crate) fn reset(&mut self) {
        self.ceiling = self.interval;
    }

    /// 64 random bits: SplitMix64 (Steele, Lea and Flood, 2014), for which every seed is as good as any other.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

/// Least delay: an attempt that fails at once must not be repeated as fast as the processor can.
const DELAY_MIN: Duration = Duration::from_millis(1);

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_duration() -> impl Strategy<Value = Duration> {
        prop_oneof![
            Just(Duration::ZERO),
            Just(Duration::MAX),
            (0..100_000u64).prop_map(Duration::from_millis),
            any::<u64>().prop_map(Duration::from_nanos),
        ]
    }

    #[test]
    fn delays_are_spread_over_the_whole_range() {
        let interval = Duration::from_millis(100);
        let mut backoff = Backoff::new(interval, interval, 7);
        let mut tenths = [0u32; 10];
        for _ in 0..10_000 {
            let delay = backoff.next();
            let tenth = (delay.as_nanos() * 10 / interval.as_nanos()).min(9);
            tenths[tenth as usize] += 1;
        }
        // Mean 1000, standard deviation 30: five of them.
        assert!(tenths.iter().all(|count| (850..1150).contains(count)), "{tenths:?}");
    }

    #[test]
    fn seeds_go_different_ways() {
        let delays = |seed| {
            let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(1), seed);
            [backoff.next(), backoff.next()]
        };
        assert_ne!(delays(1), delays(2));
        assert_eq!(delays(1), delays(1));
    }

    proptest! {
        #[test]
        fn delays_stay_below_a_ceiling_that_doubles(
            interval in any_duration(), max in any_duration(), seed: u64, resets in proptest::collection::vec(0..20, 1..5)
        ) {
            let mut backoff = Backoff::new(interval, max, seed);
            let (interval, max) = (interval.max(DELAY_MIN), max.max(interval).max(DELAY_MIN));
            for attempts in resets {
                let mut ceiling = interval;
                for _ in 0..attempts {
                    let delay = backoff.next();
                    prop_assert!(DELAY_MIN <= delay && delay <= ceiling, "{delay:?} of {ceiling:?}");
                    ceiling = ceiling.saturating_mul(2).min(max);
                }
                backoff.reset();
            }
        }
    }
}
