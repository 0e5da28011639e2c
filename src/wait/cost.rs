//! What waking a parked thread costs on this machine: learnt once per process, from real parks.
//!
//! The sample is the time from the waker's stamp to the sleeper running again. A sleeper that had to queue for its
//! core gives samples far too large, never too small, so the estimate follows a low quantile: quickly down, slowly up.
//! Wakes within one core are no samples: they cost a context switch, and a peer on our core is not spun for.

#![forbid(unsafe_code)]

/// The estimate of a process. Relaxed: a lost update loses a sample.
#[cfg(not(any(loom, shuttle)))]
static WAKE_NS: crate::sync::AtomicU32 = crate::sync::AtomicU32::new(DEFAULT_NS);

/// Before the first sample: between the 1–3 µs of metal and the 33 µs of a virtual machine.
const DEFAULT_NS: u32 = 25_000;
/// Below this parking is as good as spinning.
const MIN_NS: u32 = 2_000;
/// Above this it is the scheduler we measure, not the wake.
const MAX_NS: u32 = 200_000;

/// What waking a thread on another core costs, ns.
#[cfg(not(any(loom, shuttle)))]
pub(super) fn wake_ns() -> u32 {
    WAKE_NS.load(crate::sync::Ordering::Relaxed)
}

/// Learns from one wake-up that took `sample_ns`.
#[cfg(not(any(loom, shuttle)))]
pub(super) fn learn(sample_ns: u64) {
    use crate::sync::Ordering::Relaxed;
    let before = WAKE_NS.load(Relaxed);
    let after = step(before, sample_ns);
    if after != before {
        WAKE_NS.store(after, Relaxed);
    }
}

/// The estimate after one sample: a quarter of the way down, at most a 64th of itself up.
fn step(estimate_ns: u32, sample_ns: u64) -> u32 {
    let sample_ns = u32::try_from(sample_ns).unwrap_or(MAX_NS).clamp(MIN_NS, MAX_NS);
    if sample_ns < estimate_ns {
        estimate_ns - (estimate_ns - sample_ns) / 4
    } else {
        estimate_ns + (sample_ns - estimate_ns).min(estimate_ns / 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_samples_are_met() {
        for sample in [1_000, 3_000, 33_000, 150_000, 10_000_000] {
            let learnt = (0..1_000).fold(DEFAULT_NS, |estimate, _| step(estimate, sample));
            let met = u32::try_from(sample).unwrap().clamp(MIN_NS, MAX_NS);
            assert!(learnt.abs_diff(met) <= met / 32, "{sample}: {learnt}");
        }
    }

    #[test]
    fn one_sample_in_four_decides() {
        let learnt = (0..1_000).fold(DEFAULT_NS, |e, turn| step(e, if turn % 4 == 0 { 30_000 } else { 5_000_000 }));
        assert!((25_000..45_000).contains(&learnt), "{learnt}");
    }
}
