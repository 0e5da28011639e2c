//! Ringway and other libraries, taking turns in one run, so that all of them meet the same machine.
//!
//! Every repetition measures the floor and each contestant once; what is shown is the median of each.

#![forbid(unsafe_code)]

use std::num::NonZeroU64;

use clap::ValueEnum;
use ringway::latency::{Ns, Summary};
use serde_json::{Value, json};

use crate::{
    base::Base,
    cli::{Compare, Drive, Pattern, Route, Setup, Wait, Work},
    commands::{effort, show},
    end::Terms,
    failure::Failure,
    floor,
    party::Party,
    peers::{Peer, malloc},
    pins::Pins,
    progress::Progress,
    report::{Columns, bytes_per_second, median, medians, per_second, rounded, value_name},
    subject::Subject,
    work::{memory::Memory, ping_pong::PingPong},
};

pub(crate) fn run(asked: &Compare) -> Result<(), Failure> {
    let mut pins = asked.place.pins();
    if asked.work == Work::SameCore {
        pins = pins.same_core();
    }
    let arena = Arena { asked, contestants: contestants(asked, &pins)?, pins };
    let (table, results) = match asked.work {
        Work::OneWay => arena.flows(1)?,
        Work::Batched => arena.flows(asked.batch)?,
        Work::Memory => arena.heaps()?,
        Work::PingPong | Work::Sporadic | Work::Parked | Work::SameCore | Work::FourThreads => arena.round_trips()?,
    };
    let repetitions = match asked.work {
        Work::Memory => 1,
        _ => arena.setup(Wait::Adaptive).reps(),
    };
    let json = json!({
        "work": value_name(asked.work),
        "pattern": asked.pattern.map(value_name),
        "size": asked.size,
        "capacity": asked.hwm,
        "repetitions": repetitions,
        "pin": arena.pins.to_string(),
        "rows": results,
    });
    let pattern = asked.pattern.map_or_else(String::new, |pattern| format!(" {}", value_name(pattern)));
    let reps = arena.setup(Wait::Adaptive).reps();
    let heading = format!("{}{pattern}, {} B, medians of {reps}", value_name(asked.work), asked.size);
    show(asked.json.as_ref(), &format!("{heading}\n\n{}", table.markdown()), &json)
}

/// One road and how it waits.
struct Contestant {
    name: String,
    subject: Box<dyn Subject>,
    terms: Terms,
}

/// Who takes part in a comparison; the first is what the others are compared with.
struct Arena<'a> {
    asked: &'a Compare,
    contestants: Vec<Contestant>,
    pins: Pins,
}

/// Ours first, in every way of waiting the work allows, then the peers; between processes, bare sockets last.
fn contestants(asked: &Compare, pins: &Pins) -> Result<Vec<Contestant>, Failure> {
    let sleeps = matches!(asked.work, Work::Sporadic | Work::Parked | Work::SameCore | Work::FourThreads);
    let apart = asked.transport.is_between_processes();
    if apart && matches!(asked.work, Work::FourThreads | Work::Memory) {
        return Err(Failure::Asked(
            "this work stays within the process; memory --peers counts between them".to_owned(),
        ));
    }
    let terms = |wait| Terms { size: asked.size, wait, relax: pins.relax(), high_water_mark: asked.hwm as usize };
    let usual: &[Pattern] = match asked.work {
        Work::OneWay | Work::Batched if apart => &[Pattern::PushPull],
        Work::OneWay | Work::Batched => &[Pattern::PushPull, Pattern::Pair],
        Work::Memory => &[Pattern::Pair],
        _ if apart => &[Pattern::Pair],
        _ => &[Pattern::Pair, Pattern::PushPull],
    };
    // The pattern asked for, and what every road of this work is compared with.
    let patterns = match asked.pattern {
        None => usual.to_vec(),
        Some(pattern) if pattern == usual[0] => vec![pattern],
        Some(pattern) => vec![pattern, usual[0]],
    };
    let mut all = Vec::new();
    let ours: Vec<(Wait, Drive, Means)> = our_ways(asked.work, apart)
        .iter()
        .map(|&(wait, drive)| (wait, drive, Means::Usual))
        .chain(
            if Base::of(asked.transport, false) == Base::Shared { our_other_means(asked.work) } else { &[] }
                .iter()
                .copied(),
        )
        .collect();
    for (&pattern, &(wait, drive, means)) in
        patterns.iter().flat_map(|pattern| ours.iter().map(move |way| (pattern, way)))
    {
        let party = Party::ours(asked.transport, pattern, drive);
        let party = Party { plain: means == Means::Plain, loan: means == Means::Lent, ..party };
        let subject = party.subject(0)?;
        let driven = if drive == Drive::Default { "" } else { " caller-driven" };
        let lent = if means == Means::Lent { ", lent" } else { "" };
        let name = format!("{} {}{driven}{lent}", subject.name(), value_name(wait));
        all.push(Contestant { name, subject, terms: terms(wait) });
    }
    let peers = match asked.peers.as_slice() {
        [] => {
            let able = |peer: &Peer| {
                let waits = peer.sleeps() || !sleeps;
                waits && peer.reaches(asked.transport) && (peer.has_patterns() || asked.pattern.is_none())
            };
            Peer::value_variants().iter().copied().filter(able).collect()
        }
        named => named.to_vec(),
    };
    for peer in peers {
        // The channels among them also have a way of their own to wait, which beats their spinning at times.
        // Between processes a thread that polls keeps libzmq's own from the core they share.
        let waits: &[Wait] = match peer.sleeps() {
            true if sleeps || apart && !peer.is_threadless() => &[Wait::Adaptive],
            true if asked.work != Work::Memory => &[Wait::Spin, Wait::Adaptive],
            _ if sleeps => &[Wait::Adaptive],
            _ => &[Wait::Spin],
        };
        for &wait in waits {
            let subject = peer.road(asked.transport, &terms(wait), asked.pattern)?;
            let name = if peer.sleeps() { polled(subject.as_ref(), wait) } else { subject.name() };
            all.push(Contestant { name, subject, terms: terms(wait) });
        }
    }
    if apart && !matches!(asked.work, Work::OneWay | Work::Batched) {
        let waits = if asked.work == Work::Parked { vec![Wait::Park] } else { vec![Wait::Spin, Wait::Park] };
        for wait in waits {
            let subject = Party::raw(asked.transport).subject(0)?;
            all.push(Contestant { name: polled(subject.as_ref(), wait), subject, terms: terms(wait) });
        }
    }
    Ok(all)
}

/// How ours wait, and who works for their connections.
fn our_ways(work: Work, apart: bool) -> &'static [(Wait, Drive)] {
    use Drive::{CallerDriven, Default};
    use Wait::{Adaptive, Park, Spin};
    match work {
        Work::SameCore if apart => {
            &[(Adaptive, Default), (Park, Default), (Adaptive, CallerDriven), (Park, CallerDriven)]
        }
        Work::SameCore => &[(Adaptive, Default), (Park, Default)],
        Work::Parked if apart => &[(Park, Default), (Park, CallerDriven)],
        Work::Parked => &[(Park, Default)],
        Work::Sporadic if apart => &[(Adaptive, Default), (Park, Default), (Adaptive, CallerDriven)],
        Work::Sporadic | Work::FourThreads => &[(Adaptive, Default)],
        Work::PingPong if apart => {
            &[(Spin, CallerDriven), (Spin, Default), (Adaptive, Default), (Adaptive, CallerDriven), (Park, Default)]
        }
        Work::OneWay | Work::Batched if apart => &[(Adaptive, Default), (Spin, Default), (Spin, CallerDriven)],
        _ => &[(Spin, Default), (Adaptive, Default)],
    }
}

/// How messages go that could go through shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    Usual,
    /// Written in room that the socket lends.
    Lent,
    /// Through the kernel.
    Plain,
}

/// As [`our_ways`], of messages that go otherwise than they usually would.
fn our_other_means(work: Work) -> &'static [(Wait, Drive, Means)] {
    use Drive::{CallerDriven, Default};
    use Means::{Lent, Plain};
    use Wait::{Adaptive, Park, Spin};
    match work {
        Work::SameCore | Work::Parked => &[(Park, Default, Plain)],
        Work::PingPong => &[(Spin, CallerDriven, Lent), (Adaptive, Default, Plain), (Spin, CallerDriven, Plain)],
        Work::OneWay => &[(Adaptive, Default, Lent), (Spin, Default, Lent), (Adaptive, Default, Plain)],
        _ => &[(Adaptive, Default, Plain)],
    }
}

/// The name of something that waits in two ways.
fn polled(subject: &dyn Subject, wait: Wait) -> String {
    format!("{} {}", subject.name(), if wait == Wait::Spin { "polled" } else { "blocking" })
}

impl Arena<'_> {
    fn round_trips(&self) -> Result<(Columns, Vec<Value>), Failure> {
        let rate = (self.asked.work == Work::Sporadic).then_some(self.asked.rate);
        let seen = self.turns(|contestant| {
            let plan = self.ping_pong(contestant.terms.wait, rate);
            let trips = contestant.subject.ping_pong(&plan, &contestant.terms)?;
            Ok((trips.recorder.summary(), trips.rate_per_s))
        })?;
        let floor_ns = median(&seen.floors);
        let mut table = Columns::new(&["library", "p50", "p99", "p99.9", "max", "rate", "× ours", "× floor"]);
        table.row([format!("floor: {}", self.floor_name()), Ns(floor_ns as u64).to_string()]);
        let mut results = vec![json!({ "name": "floor", "p50_ns": floor_ns })];
        let ours = medians(&seen.of(0).iter().map(|(summary, _)| *summary).collect::<Vec<_>>());
        for (n, contestant) in self.contestants.iter().enumerate() {
            let summaries: Vec<Summary> = seen.of(n).iter().map(|(summary, _)| *summary).collect();
            let summary = medians(&summaries);
            let rate = median(&seen.of(n).iter().map(|(_, rate)| *rate).collect::<Vec<_>>());
            let (vs_ours, vs_floor) =
                (summary.p50_ns as f64 / ours.p50_ns.max(1) as f64, summary.p50_ns as f64 / floor_ns.max(1.0));
            table.row([
                contestant.name.clone(),
                Ns(summary.p50_ns).to_string(),
                Ns(summary.p99_ns).to_string(),
                Ns(summary.p999_ns).to_string(),
                Ns(summary.max_ns).to_string(),
                per_second(rate),
                format!("{vs_ours:.2}"),
                format!("{vs_floor:.2}"),
            ]);
            results.push(json!({
                "name": contestant.name,
                "p50_ns": summary.p50_ns,
                "p90_ns": summary.p90_ns,
                "p99_ns": summary.p99_ns,
                "p999_ns": summary.p999_ns,
                "p9999_ns": summary.p9999_ns,
                "max_ns": summary.max_ns,
                "rate_per_s": rounded(rate, 1),
                "vs_ours": rounded(vs_ours, 3),
                "vs_floor": rounded(vs_floor, 3),
            }));
        }
        Ok((table, results))
    }

    fn flows(&self, batch: u64) -> Result<(Columns, Vec<Value>), Failure> {
        let seen = self.turns(|contestant| {
            let plan = self.setup(contestant.terms.wait).one_way(batch, 1, &self.pins);
            Ok(contestant.subject.one_way(&plan, &contestant.terms)?.msgs_per_s)
        })?;
        let floor = median(&seen.floors);
        let ours = median(seen.of(0));
        let mut table = Columns::new(&["library", "messages", "bytes", "× ours", "× floor"]);
        let mut results = Vec::new();
        let figures = (0..self.contestants.len()).map(|n| (self.contestants[n].name.clone(), median(seen.of(n))));
        for (name, msgs_per_s) in [(self.floor_name(), floor)].into_iter().chain(figures) {
            let bytes_per_s = msgs_per_s * self.asked.size as f64;
            let (vs_ours, vs_floor) = (msgs_per_s / ours, msgs_per_s / floor);
            table.row([
                name.clone(),
                per_second(msgs_per_s),
                bytes_per_second(bytes_per_s),
                format!("{vs_ours:.2}"),
                format!("{vs_floor:.2}"),
            ]);
            results.push(json!({
                "name": name,
                "msgs_per_s": rounded(msgs_per_s, 0),
                "bytes_per_s": rounded(bytes_per_s, 0),
                "vs_ours": rounded(vs_ours, 3),
                "vs_floor": rounded(vs_floor, 3),
            }));
        }
        Ok((table, results))
    }

    /// No floor here: nothing that can carry a message takes no memory.
    fn heaps(&self) -> Result<(Columns, Vec<Value>), Failure> {
        let plan = Memory { pairs: 100, count: 1_000, live: malloc::live };
        let mut table = Columns::new(&["library", "connected", "after 1000 messages", "× ours"]);
        let mut results = Vec::new();
        let mut ours = None;
        for contestant in &self.contestants {
            let per_pair = contestant.subject.memory(&plan, &contestant.terms)?;
            let vs_ours = per_pair.after_bytes / *ours.get_or_insert(per_pair.after_bytes);
            table.row([
                contestant.name.clone(),
                format!("{:.0} B", per_pair.before_bytes),
                format!("{:.0} B", per_pair.after_bytes),
                format!("{vs_ours:.2}"),
            ]);
            results.push(json!({
                "name": contestant.name,
                "before_bytes": rounded(per_pair.before_bytes, 0),
                "after_bytes": rounded(per_pair.after_bytes, 0),
                "vs_ours": rounded(vs_ours, 3),
            }));
        }
        Ok((table, results))
    }

    /// Lets the floor and every contestant have a turn in each repetition.
    fn turns<T>(&self, mut turn: impl FnMut(&Contestant) -> Result<T, Failure>) -> Result<Seen<T>, Failure> {
        let reps = self.setup(Wait::Adaptive).reps();
        let progress = Progress::new(u64::from(reps) * (self.contestants.len() as u64 + 1));
        let mut seen = Seen { floors: Vec::new(), turns: self.contestants.iter().map(|_| Vec::new()).collect() };
        for rep in 1..=reps {
            progress.step(&format!("repetition {rep}: floor"));
            seen.floors.push(self.floor()?);
            progress.done();
            for (contestant, turns) in self.contestants.iter().zip(&mut seen.turns) {
                progress.step(&format!("repetition {rep}: {}", contestant.name));
                let named = |why| Failure::Of { who: contestant.name.clone(), why: Box::new(why) };
                turns.push(turn(contestant).map_err(named)?);
                progress.done();
            }
        }
        Ok(seen)
    }

    /// What the machine, or a bare socket, does of this work: nanoseconds there and back, or messages a second.
    fn floor(&self) -> Result<f64, Failure> {
        let base = Base::of(self.asked.transport, false);
        let setup = self.setup(Wait::Spin);
        match self.asked.work {
            Work::OneWay | Work::Batched => {
                let batch = if self.asked.work == Work::Batched { self.asked.batch } else { 1 };
                base.flow(&setup.one_way(batch, 1, &self.pins), &setup.route.terms(&self.pins))
            }
            Work::Sporadic | Work::Parked | Work::SameCore => {
                let rate = (self.asked.work == Work::Sporadic).then_some(self.asked.rate);
                let asleep = match base {
                    Base::Memory => floor::wake(&self.pins, effort(&self.asked.place))?.map(|seen| seen.p50_ns),
                    Base::Shared | Base::Socket(_) => Some(base.blocking_ns(&setup, rate, &self.pins)?),
                };
                match asleep {
                    Some(ns) => Ok(ns as f64),
                    None => Ok(base.spinning_ns(&setup, &self.pins)? as f64),
                }
            }
            Work::PingPong | Work::FourThreads | Work::Memory => Ok(base.spinning_ns(&setup, &self.pins)? as f64),
        }
    }

    fn floor_name(&self) -> String {
        let base = Base::of(self.asked.transport, false);
        match self.asked.work {
            Work::OneWay | Work::Batched => base.name(),
            Work::Sporadic | Work::Parked | Work::SameCore => base.asleep().to_owned(),
            Work::PingPong | Work::FourThreads | Work::Memory => base.trip().to_owned(),
        }
    }

    fn ping_pong(&self, wait: Wait, rate: Option<NonZeroU64>) -> PingPong {
        let pairs = if self.asked.work == Work::FourThreads { 2 } else { 1 };
        PingPong { pairs, ..self.setup(wait).ping_pong(rate, &self.pins) }
    }

    fn setup(&self, wait: Wait) -> Setup {
        let Compare { transport, size, hwm, .. } = *self.asked;
        let route = Route {
            transport,
            pattern: Pattern::Pair,
            size,
            wait,
            drive: Drive::Default,
            plain: false,
            loan: false,
            hwm,
        };
        Setup { route, place: self.asked.place.clone(), repeat: self.asked.repeat.clone() }
    }
}

/// What came out, by contestant and repetition.
struct Seen<T> {
    floors: Vec<f64>,
    turns: Vec<Vec<T>>,
}

impl<T> Seen<T> {
    fn of(&self, contestant: usize) -> &[T] {
        &self.turns[contestant]
    }
}
