//! A histogram of durations and its percentiles.
//!
//! Kept in an HDR histogram: buckets narrow enough for three significant digits anywhere from a nanosecond to an hour,
//! so recording is a few nanoseconds, allocates nothing and loses nothing that could be seen in a percentile.

#![forbid(unsafe_code)]

use hdrhistogram::Histogram;

/// Durations in nanoseconds, counted. Recording never allocates, fails or waits; about 260 KB, of which a run touches
/// the few lines its values fall in.
#[derive(Clone, Debug)]
pub struct Recorder {
    pub(super) histogram: Histogram<u64>,
    /// The exact extremes; the histogram knows them to three digits, and not beyond its range.
    min_ns: u64,
    max_ns: u64,
}

/// What a [`Recorder`] has seen, in nanoseconds. All zero if it has seen nothing.
///
/// A percentile is the smallest recorded value that this share of all values does not exceed, to three significant
/// digits, rounded up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Values recorded, those filled in for coordinated omission included.
    pub count: u64,
    /// The smallest, exactly.
    pub min_ns: u64,
    /// Half are no longer than this.
    pub p50_ns: u64,
    /// 90 %.
    pub p90_ns: u64,
    /// 99 %.
    pub p99_ns: u64,
    /// 99.9 %.
    pub p999_ns: u64,
    /// 99.99 %.
    pub p9999_ns: u64,
    /// The largest, exactly.
    pub max_ns: u64,
    /// The arithmetic mean.
    pub mean_ns: f64,
}

impl Recorder {
    /// An empty one.
    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, SIGNIFICANT_DIGITS);
        Self { histogram: histogram.expect("constant bounds are valid"), min_ns: u64::MAX, max_ns: 0 }
    }

    /// Counts one duration. Beyond an hour it counts as an hour, except in `max`.
    #[inline]
    pub fn record(&mut self, value_ns: u64) {
        self.histogram.saturating_record(value_ns);
        self.see(value_ns);
    }

    /// Counts the time from `start_ns` to `now_ns`, both of one [`Clock`](super::Clock); zero if they are swapped.
    ///
    /// With the *intended* start of a paced load, the sender's own lateness is part of the latency, as it is for
    /// whoever waits for the message, and nothing needs correction afterwards.
    #[inline]
    pub fn record_since(&mut self, start_ns: u64, now_ns: u64) {
        self.record(now_ns.saturating_sub(start_ns));
    }

    /// Counts one duration, and the ones a load of one message per `interval_ns` would have suffered while it waited
    /// for this one: `value - interval`, `value - 2 × interval` and so on. An interval of zero corrects nothing.
    ///
    /// Takes time in proportion to `value_ns / interval_ns`.
    pub fn record_correct(&mut self, value_ns: u64, interval_ns: u64) {
        let within_range = value_ns.min(HIGHEST_NS);
        // Fails only beyond the range.
        let recorded = self.histogram.record_correct(within_range, interval_ns);
        debug_assert!(recorded.is_ok());
        self.see(value_ns);
        if interval_ns > 0 && value_ns >= interval_ns.saturating_mul(2) {
            // The last one filled in: values go down by the interval as long as they are no shorter than it.
            self.see(interval_ns + value_ns % interval_ns);
        }
    }

    /// Adds everything `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        // Fails only for a source with a wider range; all recorders have the same.
        let added = self.histogram.add(&other.histogram);
        debug_assert!(added.is_ok());
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// Forgets everything; keeps its memory.
    pub fn clear(&mut self) {
        self.histogram.reset();
        (self.min_ns, self.max_ns) = (u64::MAX, 0);
    }

    /// How many values were recorded, filled-in ones included.
    pub fn len(&self) -> u64 {
        self.histogram.len()
    }

    /// Is nothing recorded?
    pub fn is_empty(&self) -> bool {
        self.histogram.is_empty()
    }

    /// The value that the share `quantile` (0 to 1) of all values does not exceed, in nanoseconds; 0 if empty.
    pub fn quantile_ns(&self, quantile: f64) -> u64 {
        self.histogram.value_at_quantile(quantile).min(self.max_ns)
    }

    /// The share (0 to 1) of all values that do not exceed `value_ns`, to three digits of it; 1 if empty.
    pub fn share_below(&self, value_ns: u64) -> f64 {
        self.histogram.quantile_below(value_ns)
    }

    /// The usual percentiles, extremes and mean.
    pub fn summary(&self) -> Summary {
        if self.is_empty() {
            return Summary::default();
        }
        Summary {
            count: self.len(),
            min_ns: self.min_ns.min(self.max_ns),
            p50_ns: self.quantile_ns(0.5),
            p90_ns: self.quantile_ns(0.9),
            p99_ns: self.quantile_ns(0.99),
            p999_ns: self.quantile_ns(0.999),
            p9999_ns: self.quantile_ns(0.999_9),
            max_ns: self.max_ns,
            mean_ns: self.histogram.mean(),
        }
    }

    fn see(&mut self, value_ns: u64) {
        self.min_ns = self.min_ns.min(value_ns);
        self.max_ns = self.max_ns.max(value_ns);
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

/// Values below count as this.
const LOWEST_NS: u64 = 1;

/// An hour: longer than any wait a run survives, and 32 × 1,024 counters at three digits.
const HIGHEST_NS: u64 = 3_600_000_000_000;

/// Percentiles are read to three digits; a fourth would cost ten times the memory.
const SIGNIFICANT_DIGITS: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn recorder(values: impl IntoIterator<Item = u64>) -> Recorder {
        let mut recorder = Recorder::new();
        values.into_iter().for_each(|value| recorder.record(value));
        recorder
    }

    #[test]
    fn nothing_recorded_is_all_zero() {
        assert_eq!(Recorder::new().summary(), Summary::default());
    }

    #[test]
    fn percentiles_to_three_digits() {
        let summary = recorder(1..=100_000).summary();
        assert_eq!(summary.count, 100_000);
        for (value, expected) in [
            (summary.p50_ns, 50_000),
            (summary.p90_ns, 90_000),
            (summary.p99_ns, 99_000),
            (summary.p999_ns, 99_900),
            (summary.p9999_ns, 99_990),
        ] {
            assert!(value >= expected && value <= expected + expected / 1_000 + 1, "{value} for {expected}");
        }
        assert_eq!((summary.min_ns, summary.max_ns), (1, 100_000));
        assert!((summary.mean_ns - 50_000.5).abs() < 50.0);
    }

    #[test]
    fn extremes_are_exact_and_bound_the_percentiles() {
        let summary = recorder([1_234_567, u64::MAX]).summary();
        assert_eq!((summary.min_ns, summary.max_ns), (1_234_567, u64::MAX));
        assert_eq!(recorder([1_234_567]).summary().p50_ns, 1_234_567);
    }

    #[test]
    fn correction_fills_in_what_was_omitted() {
        let mut corrected = Recorder::new();
        corrected.record_correct(1_000, 250);
        // 1,000 and then 750, 500, 250.
        assert_eq!(corrected.len(), 4);
        assert_eq!((corrected.summary().min_ns, corrected.summary().max_ns), (250, 1_000));
        let mut on_time = Recorder::new();
        on_time.record_correct(100, 250);
        assert_eq!(on_time.len(), 1);
    }

    #[test]
    fn correction_survives_extremes() {
        let mut recorder = Recorder::new();
        recorder.record_correct(u64::MAX, 0);
        recorder.record_correct(u64::MAX, HIGHEST_NS);
        assert_eq!(recorder.summary().max_ns, u64::MAX);
    }

    #[test]
    fn intended_start_counts_the_wait_to_send() {
        let mut recorder = Recorder::new();
        recorder.record_since(1_000, 3_000);
        recorder.record_since(3_000, 1_000);
        assert_eq!(recorder.summary().max_ns, 2_000);
        assert_eq!(recorder.summary().min_ns, 0);
    }

    #[test]
    fn merging_is_recording_both() {
        let mut merged = recorder(1..=500);
        merged.merge(&recorder(501..=1_000));
        assert_eq!(merged.summary(), recorder(1..=1_000).summary());
        merged.merge(&Recorder::new());
        assert_eq!(merged.len(), 1_000);
        merged.clear();
        assert_eq!(merged.summary(), Summary::default());
    }
}
