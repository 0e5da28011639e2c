//! Reading the time in about the cost of a few additions.
//!
//! On x86-64 the time stamp counter answers in 10–17 ns even on a virtual machine, where `Instant::now` takes 25–30.
//! That matters: one read sits inside every round trip measured, and a round trip can be 270 ns. The counter is used
//! only where it counts at one rate on every core through every sleep state, and Linux itself would trust it:
//! `constant_tsc`, `nonstop_tsc` and `rdtscp` among the CPU flags, and `tsc` among the available clock sources. Its
//! rate is measured against `Instant` once per process, over [`CALIBRATION`].
//!
//! `rdtscp` rather than `rdtsc`: it waits until earlier loads have their values, so a time read after a message arrived
//! cannot be from before. That costs 7 ns more and is the honest side to err on.

#![deny(unsafe_code)]

use std::time::{Duration, Instant};

/// A monotonic clock: nanoseconds since it was made. Copies share that origin, so their readings compare.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Origin);

/// Where a [`Clock`] takes its time from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockSource {
    /// The processor's time stamp counter.
    Tsc,
    /// `std::time::Instant`.
    Instant,
}

#[derive(Clone, Copy, Debug)]
enum Origin {
    #[cfg_attr(not(all(target_arch = "x86_64", target_os = "linux", not(miri))), allow(dead_code))]
    // No counter there.
    Tsc {
        ticks: u64,
        scale: Scale,
    },
    Instant(Instant),
}

impl Clock {
    /// The cheapest clock this machine can be trusted with. The first call of a process takes about 10 ms.
    pub fn new() -> Self {
        match tsc::scale() {
            Some(scale) => Self(Origin::Tsc { ticks: tsc::read(), scale }),
            None => Self::system(),
        }
    }

    /// A clock over `std::time::Instant`, whatever the machine.
    pub fn system() -> Self {
        Self(Origin::Instant(Instant::now()))
    }

    /// Where its time comes from.
    pub fn source(&self) -> ClockSource {
        match self.0 {
            Origin::Tsc { .. } => ClockSource::Tsc,
            Origin::Instant(_) => ClockSource::Instant,
        }
    }

    /// Nanoseconds since the clock was made. Never decreases on one thread. Wait-free, no system call.
    #[inline(always)]
    pub fn now_ns(&self) -> u64 {
        match self.0 {
            // Saturating: on another core the counter may be a few ticks behind the origin.
            Origin::Tsc { ticks, scale } => scale.ns(tsc::read().saturating_sub(ticks)),
            Origin::Instant(origin) => origin.elapsed().as_nanos() as u64, // 584 years fit.
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// Nanoseconds per tick as a fixed-point number with 32 fractional bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scale(u64);

impl Scale {
    /// The scale by which `ticks` took `elapsed`; `None` for a counter that stood still or is slower than 1 MHz.
    fn measured(ticks: u64, elapsed: Duration) -> Option<Self> {
        let scale = (elapsed.as_nanos() << 32).checked_div(u128::from(ticks))?;
        (scale > 0 && scale <= 1_000 << 32).then_some(Self(scale as u64))
    }

    /// Truncated to whole nanoseconds. Error at most 2⁻³² ns per tick beside that of the measurement.
    #[inline(always)]
    fn ns(self, ticks: u64) -> u64 {
        ((u128::from(ticks) * u128::from(self.0)) >> 32) as u64
    }
}

/// How long the counter is watched: both ends are known to some 20 ns, so the rate to a few parts in a million.
#[cfg_attr(not(all(target_arch = "x86_64", target_os = "linux", not(miri))), allow(dead_code))] // No counter there.
const CALIBRATION: Duration = Duration::from_millis(10);

/// Does Linux describe a counter that never changes its rate and never stops?
#[cfg_attr(not(all(target_arch = "x86_64", target_os = "linux", not(miri))), allow(dead_code))] // No counter there.
fn tsc_is_trusted(cpuinfo: &str, clock_sources: &str) -> bool {
    let Some((_, flags)) =
        cpuinfo.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == "flags")
    else {
        return false;
    };
    ["constant_tsc", "nonstop_tsc", "rdtscp"].iter().all(|flag| flags.split_whitespace().any(|known| known == *flag))
        && clock_sources.split_whitespace().any(|source| source == "tsc")
}

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
mod tsc {
    use std::{fs, sync::OnceLock, time::Instant};

    use super::{CALIBRATION, Scale, tsc_is_trusted};

    #[inline(always)]
    #[allow(unsafe_code)] // One instruction, which the standard library declares unsafe.
    pub(super) fn read() -> u64 {
        let mut cpu = 0;
        // SAFETY: `rdtscp` reads a counter and writes only `cpu`; that the CPU has it is the `rdtscp` flag checked by
        // `tsc_is_trusted` before any clock calls this.
        unsafe { core::arch::x86_64::__rdtscp(&mut cpu) }
    }

    /// The rate of the counter, measured at the first call; `None` where it cannot be trusted.
    pub(super) fn scale() -> Option<Scale> {
        static SCALE: OnceLock<Option<Scale>> = OnceLock::new();
        *SCALE.get_or_init(|| {
            let cpuinfo = fs::read_to_string("/proc/cpuinfo").ok()?;
            let sources =
                fs::read_to_string("/sys/devices/system/clocksource/clocksource0/available_clocksource").ok()?;
            if !tsc_is_trusted(&cpuinfo, &sources) {
                return None;
            }
            let (first_ticks, first) = both();
            while first.elapsed() < CALIBRATION {
                std::hint::spin_loop();
            }
            let (last_ticks, last) = both();
            Scale::measured(last_ticks.checked_sub(first_ticks)?, last - first)
        })
    }

    /// One moment on both clocks: of several tries the one the counter bracketed most tightly.
    fn both() -> (u64, Instant) {
        let bracketed = (0..16).map(|_| {
            let before = read();
            let instant = Instant::now();
            let width = read().saturating_sub(before);
            (width, before + width / 2, instant)
        });
        let (_, ticks, instant) = bracketed.min_by_key(|(width, ..)| *width).expect("sixteen tries");
        (ticks, instant)
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(miri))))]
mod tsc {
    use super::Scale;

    /// Never called: `scale` gives no clock that would.
    pub(super) fn read() -> u64 {
        0
    }

    pub(super) fn scale() -> Option<Scale> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_converts_without_overflow() {
        let scale = Scale::measured(23_000_000, Duration::from_millis(10)).unwrap();
        assert_eq!(scale.ns(2_300_000_000), 999_999_999); // Truncated, not rounded.
        let year_ticks = 2_300_000_000 * 86_400 * 365;
        let year_ns = 1_000_000_000 * 86_400 * 365;
        assert!(scale.ns(year_ticks).abs_diff(year_ns) < 100_000_000, "{}", scale.ns(year_ticks));
    }

    #[test]
    fn nonsense_rates_are_refused() {
        assert_eq!(Scale::measured(0, Duration::from_millis(10)), None);
        assert_eq!(Scale::measured(1, Duration::from_millis(10)), None);
        assert_eq!(Scale::measured(1_000, Duration::ZERO), None);
    }

    #[test]
    fn counter_is_trusted_only_with_every_sign() {
        let cpuinfo = "processor\t: 0\nflags\t\t: fpu tsc constant_tsc rdtscp nonstop_tsc\nbugs\t\t:\n";
        assert!(tsc_is_trusted(cpuinfo, "kvm-clock tsc acpi_pm\n"));
        assert!(!tsc_is_trusted(cpuinfo, "kvm-clock acpi_pm\n"));
        assert!(!tsc_is_trusted(&cpuinfo.replace("nonstop_tsc", ""), "tsc\n"));
        assert!(!tsc_is_trusted(&cpuinfo.replace(" constant_tsc", " not_constant_tsc"), "tsc\n"));
        assert!(!tsc_is_trusted("", "tsc\n"));
    }

    #[test]
    fn clocks_never_run_backwards() {
        for clock in [Clock::new(), Clock::system()] {
            let readings: Vec<u64> = (0..1_000).map(|_| clock.now_ns()).collect();
            assert!(readings.is_sorted());
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri's time is its own")]
    fn clock_agrees_with_instant() {
        let clock = Clock::new();
        // Bracketed, so that a thread that loses its CPU in between cannot make this fail.
        let outer = Instant::now();
        let start_ns = clock.now_ns();
        let inner = Instant::now();
        while inner.elapsed() < Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        let at_least = inner.elapsed().as_nanos() as u64;
        let measured = clock.now_ns() - start_ns;
        let at_most = outer.elapsed().as_nanos() as u64;
        let slack = at_most / 1_000;
        assert!(at_least - slack <= measured && measured <= at_most + slack, "{at_least} {measured} {at_most}");
    }
}
