//! What bare sockets and bare shared memory do on this machine: the floors of roads between processes.

#![forbid(unsafe_code)]

use std::{fmt, time::Duration};

use ringway::latency::{Ns, Summary};
use serde_json::{Value, json};

use crate::{
    cli::{Transport, Wait},
    end::Terms,
    failure::Failure,
    floor::Effort,
    links::churn,
    party::Party,
    pins::Pins,
    report::{bytes_per_second, per_second, rounded, value_name},
    work::{one_way::OneWay, ping_pong::PingPong},
};

/// Bare sockets, and bare memory, of two processes.
#[derive(Debug)]
pub(crate) struct Streams {
    trips: Vec<Trip>,
    /// `None` where it cannot be had.
    shared: Option<Shared>,
    /// Bytes of a message, and messages a second, over TCP.
    flows: Vec<(usize, f64)>,
    /// Connections a second, made and ended.
    cycles: Vec<(Transport, f64)>,
}

/// Memory that two processes share.
#[derive(Debug)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "measured on Linux"))]
struct Shared {
    trips: Vec<(SharedTrip, Summary)>,
    /// Bytes of a message, and messages a second one way: written and checked in place, and copied in and out.
    flows: Vec<(usize, [f64; 2])>,
}

/// Something there and back in it.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "measured on Linux"))]
struct SharedTrip {
    /// In a table.
    name: &'static str,
    /// In JSON.
    field: &'static str,
}

/// A message of 64 bytes there and back.
#[derive(Debug)]
struct Trip {
    transport: Transport,
    /// Spinning or blocking.
    wait: Wait,
    /// Both processes on one CPU.
    same_core: bool,
    seen: Summary,
}

impl Streams {
    pub(crate) fn measure(pins: &Pins, effort: Effort, mut step: impl FnMut(&str)) -> Result<Self, Failure> {
        let limit = effort.limit() / 2;
        let mut trips = Vec::new();
        step("shared memory between processes");
        let shared = shared(pins, limit)?;
        for transport in TRANSPORTS {
            step(&format!("bare sockets: {}", value_name(transport)));
            for (wait, same_core) in [(Wait::Spin, false), (Wait::Park, false), (Wait::Spin, true), (Wait::Park, true)]
            {
                let pins = if same_core { pins.same_core() } else { pins.clone() };
                let seen = trip(transport, wait, &pins, limit)?;
                trips.push(Trip { transport, wait, same_core, seen });
            }
        }
        step("bare sockets: streams");
        let flows = FLOWS.map(|size| flow(size, pins, limit).map(|msgs_per_s| (size, msgs_per_s)));
        let flows = flows.into_iter().collect::<Result<_, Failure>>()?;
        step("bare sockets: connections");
        let cycles = TRANSPORTS.map(|transport| churn::bare(transport, limit, pins).map(|per_s| (transport, per_s)));
        Ok(Self { trips, shared, flows, cycles: cycles.into_iter().collect::<Result<_, Failure>>()? })
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut object = json!({});
        for (SharedTrip { field, .. }, seen) in self.shared.iter().flat_map(|shared| &shared.trips) {
            let Summary { p50_ns, p99_ns, max_ns, .. } = *seen;
            object[format!("{field}_round_trip")] = json!({ "p50_ns": p50_ns, "p99_ns": p99_ns, "max_ns": max_ns });
        }
        for (size, [in_place, copied]) in self.shared.iter().flat_map(|shared| &shared.flows) {
            object[format!("shared_{size}_flow")] = json!({
                "msgs_per_s": rounded(*in_place, 0),
                "bytes_per_s": rounded(in_place * *size as f64, 0),
                "copied_msgs_per_s": rounded(*copied, 0),
                "copied_bytes_per_s": rounded(copied * *size as f64, 0),
            });
        }
        for Trip { transport, wait, same_core, seen } in &self.trips {
            let Summary { p50_ns, p99_ns, max_ns, .. } = *seen;
            let name = format!("{}_{}_{}_round_trip", value_name(*transport), way(*wait), place(*same_core));
            object[name.replace('-', "_")] = json!({ "p50_ns": p50_ns, "p99_ns": p99_ns, "max_ns": max_ns });
        }
        for (size, msgs_per_s) in &self.flows {
            object[format!("tcp_{size}_flow")] = json!({
                "msgs_per_s": rounded(*msgs_per_s, 0),
                "bytes_per_s": rounded(msgs_per_s * *size as f64, 0),
            });
        }
        for (transport, per_s) in &self.cycles {
            object[format!("{}_cycles_per_s", value_name(*transport))] = json!(rounded(*per_s, 0));
        }
        object
    }
}

impl fmt::Display for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(shared) = &self.shared {
            writeln!(f, "{:<34} {:>10} {:>10}", "round trip between two processes", "p50", "p99")?;
            for (SharedTrip { name, .. }, seen) in &shared.trips {
                writeln!(f, "  {name:<32} {:>10} {:>10}", Ns(seen.p50_ns), Ns(seen.p99_ns))?;
            }
            writeln!(f, "\n{:<34} {:>10} {:>10}", "one way in shared memory", "in place", "copied")?;
            for (size, flows) in &shared.flows {
                let [in_place, copied] = flows.map(|msgs_per_s| match size {
                    ..1_024 => per_second(msgs_per_s),
                    size => bytes_per_second(msgs_per_s * *size as f64),
                });
                let name = if *size < 1_024 { format!("{size} B") } else { format!("{} KiB", size >> 10) };
                writeln!(f, "  {name:<32} {in_place:>10} {copied:>10}")?;
            }
            writeln!(f)?;
        }
        writeln!(f, "{:<34} {:>10} {:>10}", "bare sockets of two processes, 64 B", "p50", "p99")?;
        for Trip { transport, wait, same_core, seen } in &self.trips {
            let name = format!("{} {}, {}", value_name(*transport), way(*wait), place(*same_core).replace('-', " "));
            writeln!(f, "  {name:<32} {:>10} {:>10}", Ns(seen.p50_ns), Ns(seen.p99_ns))?;
        }
        writeln!(f, "\n{:<34} {:>10} {:>10}", "one way over tcp, every byte read", "messages", "bytes")?;
        for (size, msgs_per_s) in &self.flows {
            let name = match size {
                64 => "64 B, gathered to 64 KiB a write".to_owned(),
                size => format!("{} KiB a write", size >> 10),
            };
            let bytes = bytes_per_second(msgs_per_s * *size as f64);
            writeln!(f, "  {name:<32} {:>10} {bytes:>10}", per_second(*msgs_per_s))?;
        }
        write!(f, "\nconnect and close")?;
        for (transport, per_s) in &self.cycles {
            write!(f, "  {} {}", value_name(*transport), per_second(*per_s))?;
        }
        writeln!(f)
    }
}

fn trip(transport: Transport, wait: Wait, pins: &Pins, limit: Duration) -> Result<Summary, Failure> {
    let plan = PingPong { count: u64::MAX, warmup: 1_000, rate: None, limit, pins: pins.clone(), pairs: 1 };
    let terms = Terms { size: 64, wait, relax: pins.relax(), high_water_mark: 1 };
    Ok(Party::raw(transport).subject(0)?.ping_pong(&plan, &terms)?.recorder.summary())
}

/// A line is a message with its mark in one; of 64 bytes they take two.
#[cfg(target_os = "linux")]
fn shared(pins: &Pins, limit: Duration) -> Result<Option<Shared>, Failure> {
    use crate::party::Library;
    let same_core = pins.same_core();
    let trip = |name, field, library, size, wait, pins: &Pins| {
        let plan = PingPong { count: u64::MAX, warmup: 1_000, rate: None, limit, pins: pins.clone(), pairs: 1 };
        let terms = Terms { size, wait, relax: pins.relax(), high_water_mark: 8 };
        let seen = Party::shared(library).subject(0)?.ping_pong(&plan, &terms)?.recorder.summary();
        Ok::<_, Failure>((SharedTrip { name, field }, seen))
    };
    let trips = vec![
        trip("cache line", "shared_line", Library::Slots, 8, Wait::Spin, pins)?,
        trip("slot ring, 8 B", "shared_ring_8", Library::SlotRing, 8, Wait::Spin, pins)?,
        trip("slot ring, 64 B", "shared_ring_64", Library::SlotRing, 64, Wait::Spin, pins)?,
        trip("futex, across", "shared_futex_across", Library::Slots, 8, Wait::Park, pins)?,
        trip("futex, same core", "shared_futex_same_core", Library::Slots, 8, Wait::Park, &same_core)?,
    ];
    let flow = |library, size| {
        let plan = one_way(size, 1, pins, limit);
        let terms = Terms { size, wait: Wait::Spin, relax: pins.relax(), high_water_mark: 1_000 };
        Ok::<_, Failure>(Party::shared(library).subject(0)?.one_way(&plan, &terms)?.msgs_per_s)
    };
    let flows =
        SHARED_FLOWS.map(|size| Ok((size, [flow(Library::SlotRing, size)?, flow(Library::CopyingRing, size)?])));
    Ok(Some(Shared { trips, flows: flows.into_iter().collect::<Result<_, Failure>>()? }))
}

#[cfg(not(target_os = "linux"))]
fn shared(_: &Pins, _: Duration) -> Result<Option<Shared>, Failure> {
    Ok(None)
}

fn flow(size: usize, pins: &Pins, limit: Duration) -> Result<f64, Failure> {
    let plan = one_way(size, 1_024, pins, limit);
    let terms = Terms { size, wait: Wait::Park, relax: pins.relax(), high_water_mark: 1 };
    Ok(Party::raw(Transport::Tcp).subject(0)?.one_way(&plan, &terms)?.msgs_per_s)
}

/// Two gigabytes a second of the limit at the most, after an eighth of that.
fn one_way(size: usize, batch: u64, pins: &Pins, limit: Duration) -> OneWay {
    let warmup = ((limit.as_millis() as u64) << 18).div_ceil(size as u64);
    OneWay { count: 8 * warmup, warmup, batch, senders: 1, limit, pins: pins.clone() }
}

fn way(wait: Wait) -> &'static str {
    if wait == Wait::Spin { "spinning" } else { "blocking" }
}

fn place(same_core: bool) -> &'static str {
    if same_core { "same-core" } else { "across" }
}

const TRANSPORTS: [Transport; 2] = [Transport::Tcp, Transport::Ipc];

/// Bytes of the messages of each stream.
const FLOWS: [usize; 3] = [64, 64 << 10, 1 << 20];

/// As [`FLOWS`], through shared memory.
#[cfg(target_os = "linux")]
const SHARED_FLOWS: [usize; 4] = [64, 1 << 10, 64 << 10, 1 << 20];
