//! What the machine itself allows, measured with the same clock and on the same CPUs as everything else.
//!
//! - `line`: a cache line handed to another thread and back.
//! - `slot`: a message handed over in place, in slots with marks: what no queue can undercut.
//! - `shared`: the same between processes, awake and asleep.
//! - `raw`: bare sockets of the operating system, for roads between processes.
//! - `wake`: a thread woken by the kernel and back.
//! - `ops`: single operations and memory copies.
//! - `machine`: what processor this is.

mod line;
mod machine;
mod ops;
pub(crate) mod raw;
#[cfg(target_os = "linux")]
pub(crate) mod shared;
mod slot;
mod wake;

use std::{fmt, time::Duration};

use ringway::{
    affinity,
    latency::{Clock, ClockSource, Ns, Summary},
};
use serde_json::{Value, json};

#[cfg(target_os = "linux")]
pub(crate) use self::shared::{Copies, SharedRing, SharedSlots};
use self::{line::Line, ops::Copied};
pub(crate) use self::{raw::Raw, slot::SlotRing};
use crate::{cli::Wait, crew::Crew, end::Terms, failure::Failure, pins::Pins, work::ping_pong::PingPong};

/// Everything `calibrate` measures.
#[derive(Debug)]
pub(crate) struct Calibration {
    pub(crate) cpu_model: Option<String>,
    pub(crate) pins: Pins,
    pub(crate) clock: ClockSource,
    pub(crate) clock_read_ns: f64,
    /// Hyper-threads of one core, as sysfs says.
    pub(crate) siblings_by_sysfs: Option<bool>,
    pub(crate) line: Summary,
    pub(crate) slot_8: Summary,
    pub(crate) slot_64: Summary,
    /// `None` where there is no futex.
    pub(crate) wake_across: Option<Summary>,
    pub(crate) wake_same_core: Option<Summary>,
    pub(crate) fetch_add_ns: f64,
    pub(crate) fetch_add_contended_ns: f64,
    pub(crate) fence_ns: f64,
    pub(crate) copies: Vec<Copied>,
}

/// How much effort a calibration takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Well under a second: figures good to perhaps a tenth.
    Quick,
    /// Some four seconds.
    Full,
}

impl Effort {
    /// At most this long for one figure.
    pub(crate) fn limit(self) -> Duration {
        match self {
            Self::Quick => Duration::from_millis(30),
            Self::Full => Duration::from_millis(400),
        }
    }
}

/// Measures everything. `step` is told what comes next.
pub(crate) fn calibrate(pins: &Pins, effort: Effort, mut step: impl FnMut(&str)) -> Result<Calibration, Failure> {
    let limit = effort.limit();
    step("cache line");
    let line = line(pins, effort)?;
    step("slot ring");
    let slot_8 = slot(pins, 8, limit)?;
    let slot_64 = slot(pins, 64, limit)?;
    step("futex");
    let wake_across = wake::round_trips(pins.first(), pins.last(), limit)?;
    let wake_same_core = wake::round_trips(pins.first(), pins.first(), limit)?;
    step("operations");
    Ok(Calibration {
        cpu_model: machine::cpu_model(),
        pins: pins.clone(),
        clock: Clock::new().source(),
        clock_read_ns: ops::clock_read_ns(limit / 4),
        siblings_by_sysfs: pins.first().zip(pins.last()).and_then(|(one, other)| affinity::are_siblings(one, other)),
        line,
        slot_8,
        slot_64,
        wake_across,
        wake_same_core,
        fetch_add_ns: ops::fetch_add_ns(limit / 4),
        fetch_add_contended_ns: ops::fetch_add_contended_ns(pins, limit / 4)?,
        fence_ns: ops::fence_ns(limit / 4),
        copies: ops::copies(limit / 4),
    })
}

/// The raw cache-line round trip: what every latency is a multiple of.
pub(crate) fn line(pins: &Pins, effort: Effort) -> Result<Summary, Failure> {
    round_trips(Line::new(pins.relax()), pins.first(), pins.last(), effort.limit())
}

/// The futex round trip between the two CPUs, or on the one: what a load with sleeping receivers is a multiple of.
pub(crate) fn wake(pins: &Pins, effort: Effort) -> Result<Option<Summary>, Failure> {
    wake::round_trips(pins.first(), pins.last(), effort.limit())
}

/// A call through a pointer, nanoseconds: what no message on one thread can undercut.
pub(crate) fn call_ns(effort: Effort) -> f64 {
    ops::call_ns(effort.limit() / 4)
}

fn slot(pins: &Pins, size: usize, limit: Duration) -> Result<Summary, Failure> {
    let plan = PingPong { count: u64::MAX, warmup: 1_000, rate: None, limit, pins: pins.clone(), pairs: 1 };
    let terms = Terms { size, wait: Wait::Spin, relax: pins.relax(), high_water_mark: 8 };
    Ok(plan.run(&SlotRing, &terms)?.recorder.summary())
}

/// Something two threads hand to each other.
trait Baton: Send + Sync + 'static {
    /// Hands over `turn` and waits until it comes back.
    fn there_and_back(&self, turn: u32);

    /// Waits for `turn`, or for the stop, and hands it back. Was it the stop?
    fn answer(&self, turn: u32) -> bool;
}

/// Fewer give no median worth a name.
const SAMPLES_MIN: u64 = 1_000;

/// Turn that ends the game.
const STOP: u32 = u32::MAX;

/// Times the round trips of a baton between two threads, until time is up.
fn round_trips(
    baton: impl Baton,
    near: Option<usize>,
    far: Option<usize>,
    limit: Duration,
) -> Result<Summary, Failure> {
    let baton = std::sync::Arc::new(baton);
    let mut crew = Crew::new();
    let answering = baton.clone();
    crew.start("floor-far", far, move || {
        let mut turn = 1;
        while !answering.answer(turn) {
            turn += 1;
        }
        Ok(None)
    })?;
    crew.start("floor-near", near, move || {
        let clock = Clock::new();
        let mut recorder = ringway::latency::Recorder::new();
        let begin_ns = clock.now_ns();
        let (mut turn, mut now_ns) = (1, begin_ns);
        let limit_ns = limit.as_nanos() as u64;
        // On a busy machine the limit may pass while another program has the core.
        let enough = |recorded: u64, elapsed_ns: u64| {
            elapsed_ns > limit_ns && (recorded >= SAMPLES_MIN || elapsed_ns > 10 * limit_ns)
        };
        while !enough(recorder.len(), now_ns - begin_ns) && turn < STOP - 1 {
            let start_ns = clock.now_ns();
            baton.there_and_back(turn);
            now_ns = clock.now_ns();
            // The first tenth warms up.
            if now_ns - begin_ns > limit_ns / 10 {
                recorder.record(now_ns - start_ns);
            }
            turn += 1;
        }
        baton.there_and_back(STOP);
        Ok(Some(recorder.summary()))
    })?;
    let results = crew.finish(limit + Duration::from_secs(20))?;
    Ok(results.into_iter().flatten().next().expect("the near thread gives one"))
}

impl Calibration {
    /// A round trip no two cores manage: the two CPUs are threads of one.
    pub(crate) fn look_like_siblings(&self) -> bool {
        !self.pins.share_cpu() && self.line.p50_ns < SIBLINGS_BELOW_NS
    }

    pub(crate) fn to_json(&self) -> Value {
        let trip = |seen: &Summary| json!({ "p50_ns": seen.p50_ns, "p99_ns": seen.p99_ns, "max_ns": seen.max_ns });
        let copies: serde_json::Map<String, Value> =
            self.copies.iter().map(|copied| (copied.name.to_owned(), json!(copied.gb_per_s))).collect();
        json!({
            "cpu_model": self.cpu_model,
            "usable_cpus": affinity::usable(),
            "pin": self.pins.to_string(),
            "clock": format!("{:?}", self.clock),
            "clock_read_ns": self.clock_read_ns,
            "siblings_by_sysfs": self.siblings_by_sysfs,
            "siblings_by_round_trip": self.look_like_siblings(),
            "line_round_trip": trip(&self.line),
            "slot_8_round_trip": trip(&self.slot_8),
            "slot_64_round_trip": trip(&self.slot_64),
            "futex_across_round_trip": self.wake_across.as_ref().map(trip),
            "futex_same_core_round_trip": self.wake_same_core.as_ref().map(trip),
            "fetch_add_ns": self.fetch_add_ns,
            "fetch_add_contended_ns": self.fetch_add_contended_ns,
            "full_fence_ns": self.fence_ns,
            "copy_gb_per_s": copies,
        })
    }
}

impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "CPU          {}", self.cpu_model.as_deref().unwrap_or("unknown"))?;
        writeln!(f, "threads on   {} of {} usable CPUs", self.pins, affinity::usable().len())?;
        let sysfs = match self.siblings_by_sysfs {
            _ if self.pins.share_cpu() => "one CPU",
            Some(true) => "hyper-threads of one core",
            Some(false) => "different cores",
            None => "unknown",
        };
        let measured = if self.pins.share_cpu() {
            "both threads on one CPU"
        } else if self.look_like_siblings() {
            "hyper-threads of one core"
        } else {
            "different cores"
        };
        writeln!(f, "which are    {sysfs} by sysfs, {measured} by their round trip")?;
        writeln!(f, "clock        {:?}, {:.1} ns a read", self.clock, self.clock_read_ns)?;
        writeln!(f, "\n{:<34} {:>10} {:>10}", "round trip between two threads", "p50", "p99")?;
        for (name, seen) in [
            ("cache line (the floor)", Some(&self.line)),
            ("slot ring, 8 B", Some(&self.slot_8)),
            ("slot ring, 64 B", Some(&self.slot_64)),
            ("futex, across", self.wake_across.as_ref()),
            ("futex, same core", self.wake_same_core.as_ref()),
        ] {
            match seen {
                Some(seen) => writeln!(f, "  {name:<32} {:>10} {:>10}", Ns(seen.p50_ns), Ns(seen.p99_ns))?,
                None => writeln!(f, "  {name:<32} {:>10}", "none here")?,
            }
        }
        writeln!(
            f,
            "\nfetch_add {:.1} ns, contended {:.1} ns; store and full fence {:.1} ns",
            self.fetch_add_ns, self.fetch_add_contended_ns, self.fence_ns
        )?;
        write!(f, "copy")?;
        for copied in &self.copies {
            write!(f, "  {} {:.1} GB/s", copied.name, copied.gb_per_s)?;
        }
        writeln!(f)
    }
}

/// Between the two threads of a core a line takes some 60 ns there and back, between cores of one die 100 and more.
const SIBLINGS_BELOW_NS: u64 = 90;
