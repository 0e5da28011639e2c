//! How often something was started again, and whether once more is too often: pure arithmetic.

#![forbid(unsafe_code)]

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::spec::{BackOff, Intensity};

/// When there were restarts.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Instant>);

impl History {
    /// Takes note of another, unless it is one too many: how long to wait before it. Keeps no more than an intensity allows.
    pub(super) fn restart(&mut self, now: Instant, intensity: Intensity, back_off: BackOff) -> Option<Duration> {
        while self.0.front().is_some_and(|&then| now.saturating_duration_since(then) >= intensity.within) {
            self.0.pop_front();
        }
        let before = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        if before >= intensity.restarts {
            return None;
        }
        self.0.push_back(now);
        let factor = 1_u32.checked_shl(before).unwrap_or(u32::MAX);
        Some(back_off.first.saturating_mul(factor).min(back_off.max))
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_more_than_the_intensity_in_its_time_is_too_many() {
        let (mut history, start) = (History::default(), Instant::now());
        let intensity = Intensity { restarts: 2, within: 10 * SECOND };
        let mut at = |second| history.restart(start + second * SECOND, intensity, BackOff::default()).is_some();
        assert_eq!([0, 9, 9].map(&mut at), [true, true, false]);
        // The first is ten seconds ago.
        assert_eq!([10, 18, 19].map(&mut at), [true, false, true]);
    }

    #[test]
    fn each_waits_twice_as_long_up_to_the_longest() {
        let (mut history, now) = (History::default(), Instant::now());
        let intensity = Intensity { restarts: 100, within: SECOND };
        let back_off = BackOff { first: SECOND, max: 5 * SECOND };
        let waits = [(); 4].map(|()| history.restart(now, intensity, back_off).unwrap().as_secs());
        assert_eq!(waits, [1, 2, 4, 5]);
        (4..100).for_each(|_| assert_eq!(history.restart(now, intensity, back_off), Some(5 * SECOND)));
        assert_eq!(history.restart(now, intensity, back_off), None);
    }
}
