//! The schedule of a load that sends at a fixed rate whatever happens to its messages.

#![forbid(unsafe_code)]

use std::num::NonZeroU64;

/// Intended send times, evenly spaced. Each is computed from the start, so rounding does not add up.
///
/// A late message does not delay the ones after it: they keep their intended times, and the time a message spent
/// waiting to be sent counts as its latency.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    start_ns: u64,
    per_second: NonZeroU64,
}

impl Pace {
    /// `per_second` messages a second; message 0 is due at `start_ns` on the caller's clock.
    pub fn new(start_ns: u64, per_second: NonZeroU64) -> Self {
        Self { start_ns, per_second }
    }

    /// When message `n` should be sent, in nanoseconds on the clock of the start. Saturates after 584 years.
    #[inline]
    pub fn intended_ns(&self, n: u64) -> u64 {
        let offset_ns = u128::from(n) * NS_PER_S / u128::from(self.per_second.get());
        self.start_ns.saturating_add(u64::try_from(offset_ns).unwrap_or(u64::MAX))
    }
}

const NS_PER_S: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(per_second: u64) -> Pace {
        Pace::new(500, NonZeroU64::new(per_second).unwrap())
    }

    #[test]
    fn spacing_does_not_drift() {
        assert_eq!(pace(1_000).intended_ns(0), 500);
        assert_eq!(pace(1_000).intended_ns(1), 1_000_500);
        assert_eq!(pace(3).intended_ns(1), 333_333_833);
        assert_eq!(pace(3).intended_ns(3_000_000), 1_000_000_000_000_500);
    }

    #[test]
    fn far_future_saturates() {
        assert_eq!(pace(1).intended_ns(u64::MAX), u64::MAX);
    }
}
