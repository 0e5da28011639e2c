//! Everything in one go: calibrate, measure every road, compare with the floor, draw.
//!
//! Under a minute: a calibration of some six seconds, and every load for [`LOAD_LIMIT`] a repetition at most.

#![forbid(unsafe_code)]

use std::{fs, num::NonZeroU64, time::Duration};

use ringway::latency::Ns;
use serde_json::{Value, json};

use crate::{
    actors,
    cli::{Actors, Case, Drive, Fanout, Match, Output, Pattern, Repeat, Route, Setup, Tour, Transport, Wait},
    commands::{BAR_WIDTH, ROWS, effort, measure_idle, measure_latency, measure_memory, measure_throughput, title},
    failure::Failure,
    fanout, floor,
    pins::Pins,
    plot,
    progress::Progress,
    report::{
        Columns, Extra, LatencyReport, PERCENTILES, bytes_per_second, per_second, percentile_cells, value_name,
        write_json,
    },
    streams::Streams,
};

pub(crate) fn run(asked: &Tour) -> Result<(), Failure> {
    fs::create_dir_all(&asked.out).map_err(|error| Failure::Write { path: asked.out.clone(), error })?;
    let pins = asked.place.pins();
    let tour = Visit { asked, pins: &pins, progress: Progress::new(steps(&pins)) };
    let calibration = floor::calibrate(&pins, effort(&asked.place), |next| tour.progress.step(next))?;
    tour.progress.done();
    let streams = Streams::measure(&pins, effort(&asked.place), |next| tour.progress.step(next))?;
    tour.progress.done();
    tour.progress.say(&format!("The machine\n\n{calibration}\n{streams}"))?;

    let latencies = tour.latencies()?;
    let throughputs = tour.throughputs()?;
    let fans = tour.fans()?;
    let company = tour.company()?;
    let actors = tour.actors()?;
    let upkeep = tour.upkeep()?;
    let results = json!({
        "calibration": calibration.to_json(),
        "streams": streams.to_json(),
        "latency": latencies.iter().map(|(_, report)| report.to_json()).collect::<Vec<_>>(),
        "throughput": throughputs,
        "fanout": fans,
        "company": company,
        "actors": actors,
        "upkeep": upkeep,
    });
    write_json(&asked.out.join("results.json"), &results)?;
    let (out, seconds) = (asked.out.display(), tour.progress.elapsed().as_secs());
    tour.progress.say(&format!(
        "Every byte received was checked. {seconds} s. Plots, histograms and results.json are in {out}/"
    ))?;
    Ok(())
}

/// The tour under way.
struct Visit<'a> {
    asked: &'a Tour,
    pins: &'a Pins,
    progress: Progress,
}

impl Visit<'_> {
    /// Round trips on every road, as a table, a terminal histogram and files.
    fn latencies(&self) -> Result<Vec<(String, LatencyReport)>, Failure> {
        let mut reports = Vec::new();
        for (route, rate) in round_trips(self.pins) {
            // A floor and three repetitions, or one of a paced load or of one that needs a process.
            let once = rate.is_some() || route.transport.is_between_processes();
            let setup = self.setup(route, if once { 1 } else { REPS });
            let quiet = Progress::hidden();
            self.progress.step(&title(&route, rate));
            let report = measure_latency(&setup, rate, None, self.pins, &quiet)?;
            self.progress.done();
            reports.push((title(&route, rate), report));
        }
        let mut table = Columns::new(&[&["round trip"], &PERCENTILES[..]].concat());
        for (name, report) in &reports {
            table.row([name.clone()].into_iter().chain(percentile_cells(&report.summary, report.floor.floor_ns)));
        }
        self.progress.say(&format!("Latency: a message there and back\n\n{}", table.text()))?;
        for (name, report) in &reports {
            let file = |ending| Some(self.asked.out.join(format!("{}.{ending}", file_name(name))));
            report.write(&Output { json: None, hgrm: file("hgrm"), plot: file("svg") }, name)?;
        }
        if let Some((name, report)) = reports.first() {
            self.progress.say(&format!("{name}\n\n{}", report.recorder.bars(ROWS, BAR_WIDTH)))?;
            let curves: Vec<_> = reports.iter().map(|(name, report)| (name.clone(), &report.recorder)).collect();
            plot::latency(&self.asked.out.join("latency.svg"), "Round trips", &curves, report.floor.floor_ns)?;
        }
        Ok(reports)
    }

    /// Flows of several sizes, as a table.
    fn throughputs(&self) -> Result<Vec<Value>, Failure> {
        let mut table = Columns::new(&["one way", "messages", "bytes", "floor", "× floor"]);
        let mut results = Vec::new();
        for (route, batch) in flows(self.pins) {
            let setup = self.setup(route, 1);
            let plan = setup.one_way(batch, 1, self.pins);
            let name = format!("{}, {batch} a call", title(&route, None));
            self.progress.step(&name);
            let through = measure_throughput(&setup, &plan, None, self.pins, &Progress::hidden())?;
            self.progress.done();
            table.row([
                name,
                per_second(through.msgs_per_s),
                bytes_per_second(through.msgs_per_s * route.size as f64),
                per_second(through.floor_msgs_per_s),
                format!("{:.2}", through.vs_floor()),
            ]);
            results.push(through.to_json(&route, &plan));
        }
        self.progress.say(&format!("Throughput: one sender, one receiver\n\n{}", table.text()))?;
        Ok(results)
    }

    /// One publisher to many subscribers, as a table.
    fn fans(&self) -> Result<Vec<Value>, Failure> {
        let mut table = Columns::new(&fanout::Seen::HEADING);
        let mut results = Vec::new();
        for (transport, matching, size) in FANS {
            let wait = if may_wait(Wait::Spin, self.pins) { Wait::Spin } else { Wait::Adaptive };
            let route = Route { transport, ..route(Pattern::PubSub, wait, size) };
            let Setup { route, place, repeat } = self.setup(route, 1);
            let asked = Fanout {
                subscribers: 16,
                matching,
                transport: route.transport,
                size: route.size,
                batch: 1,
                wait,
                drive: route.drive,
                plain: route.plain,
                hwm: route.hwm,
                place,
                repeat,
                #[cfg(feature = "peers")]
                alone: true,
                json: None,
            };
            self.progress.step(&fanout::title(&asked));
            let seen = fanout::measure_ours(&asked, self.pins)?;
            self.progress.done();
            table.row(seen.cells(&asked));
            results.push(seen.to_json(&asked));
        }
        self.progress.say(&format!("Fan-out: one publisher, subscribers that miss nothing\n\n{}", table.text()))?;
        Ok(results)
    }

    /// Receivers with many peers of which one talks, and a poller with many sockets, as a table.
    fn company(&self) -> Result<Vec<Value>, Failure> {
        let mut table = Columns::new(&["there and back", "p50", "without", "× without"]);
        let mut results = Vec::new();
        for (route, extra) in crowds(self.pins) {
            let name = match extra {
                Extra::Peers(silent) => format!("{}, one of {} peers", title(&route, None), silent + 1),
                Extra::IdleSockets(idle) => format!("{}, poller with {idle} idle sockets", title(&route, None)),
            };
            self.progress.step(&name);
            let setup = self.setup(route, 1);
            let report = measure_latency(&setup, None, Some(extra), self.pins, &Progress::hidden())?;
            self.progress.done();
            let (p50_ns, plain) = (report.summary.p50_ns, report.beside.map_or(0.0, |beside| beside.plain));
            let ratio = format!("{:.2}", p50_ns as f64 / plain);
            table.row([name, Ns(p50_ns).to_string(), Ns(plain as u64).to_string(), ratio]);
            results.push(report.to_json());
        }
        self.progress.say(&format!("Company: peers and sockets that say nothing\n\n{}", table.text()))?;
        Ok(results)
    }

    /// Messages between actors, and what starting one takes, as a table.
    fn actors(&self) -> Result<Vec<Value>, Failure> {
        let mut table = Columns::new(&actors::HEADING);
        let mut results = Vec::new();
        for case in CASES {
            let asked =
                Actors { case, actors: None, count: None, reps: REPS, place: self.asked.place.clone(), json: None };
            self.progress.step(&format!("actors, {}", value_name(case)));
            let (cells, json) = actors::measure_ours(&asked, self.pins)?;
            self.progress.done();
            table.row(cells);
            results.push(json);
        }
        self.progress.say(&format!("Actors: a message, or the start of one\n\n{}", table.text()))?;
        Ok(results)
    }

    /// What waiting and being connected cost.
    fn upkeep(&self) -> Result<Value, Failure> {
        let route = route(Pattern::Pair, Wait::Adaptive, 32);
        let rate = A_KILOHERTZ;
        let cost = measure_idle(&route, rate, self.pins, self.asked.place.is_quick(), &Progress::hidden())?;
        self.progress.step("memory");
        let subject = route.ours().subject(0)?;
        let per_pair = measure_memory(subject.as_ref(), 100, 1_000, &route.terms(self.pins))?;
        self.progress.done();
        self.progress.say(&format!(
            "Upkeep: {}\n\n{}  connected pair, idle {:>16.0} bytes of live heap; {:.0} after 1000 messages\n",
            title(&route, None),
            cost.text(rate),
            per_pair.before_bytes,
            per_pair.after_bytes,
        ))?;
        Ok(json!({
            "idle_cpu": cost.idle,
            "sporadic_cpu": cost.sporadic,
            "pair_before_bytes": per_pair.before_bytes,
            "pair_after_bytes": per_pair.after_bytes,
        }))
    }

    fn setup(&self, route: Route, reps: u32) -> Setup {
        let place = self.asked.place.clone();
        Setup { route, place, repeat: Repeat { count: None, warmup: None, reps, limit: LOAD_LIMIT } }
    }
}

/// PAIR and PUSH/PULL in every way of waiting, requests and dealers in the fastest; then a sporadic load.
fn round_trips(pins: &Pins) -> Vec<(Route, Option<NonZeroU64>)> {
    let every = [Pattern::Pair, Pattern::PushPull]
        .into_iter()
        .flat_map(|pattern| [Wait::Spin, Wait::Adaptive, Wait::Park].map(|wait| (pattern, wait)))
        .filter(|(_, wait)| may_wait(*wait, pins));
    let fastest = if may_wait(Wait::Spin, pins) { Wait::Spin } else { Wait::Adaptive };
    let others = [Pattern::ReqRep, Pattern::DealerRouter].map(|pattern| (pattern, fastest));
    let mut loads: Vec<_> = every.chain(others).map(|(pattern, wait)| (route(pattern, wait, 32), None)).collect();
    loads.push((route(Pattern::Pair, Wait::Adaptive, 64), Some(A_KILOHERTZ)));
    // Between processes: as little as it can be, as it comes, and one now and then.
    let pair = Route { transport: Transport::Tcp, ..route(Pattern::Pair, Wait::Adaptive, 64) };
    if may_wait(Wait::Spin, pins) {
        loads.push((Route { wait: Wait::Spin, drive: Drive::CallerDriven, ..pair }, None));
    }
    loads.extend([(pair, None), (Route { transport: Transport::Ipc, ..pair }, None), (pair, Some(A_KILOHERTZ))]);
    loads
}

/// Loads and what else is connected or waited for.
fn crowds(pins: &Pins) -> Vec<(Route, Extra)> {
    let wait = if may_wait(Wait::Spin, pins) { Wait::Spin } else { Wait::Adaptive };
    [
        (Pattern::PushPull, Extra::Peers(7)),
        (Pattern::DealerRouter, Extra::Peers(63)),
        (Pattern::Pair, Extra::IdleSockets(64)),
    ]
    .map(|(pattern, extra)| (route(pattern, wait, 32), extra))
    .to_vec()
}

/// Sizes below and above what travels inline, single and batched; then between processes.
fn flows(pins: &Pins) -> Vec<(Route, u64)> {
    let wait = if may_wait(Wait::Spin, pins) { Wait::Spin } else { Wait::Adaptive };
    let within = [(8, 1), (8, 64), (64, 1), (1 << 10, 1), (64 << 10, 1)]
        .map(|(size, batch)| (route(Pattern::PushPull, wait, size), batch));
    let between = [(64, 1), (64, 64), (64 << 10, 1)].map(|(size, batch)| {
        (Route { transport: Transport::Tcp, ..route(Pattern::PushPull, Wait::Adaptive, size) }, batch)
    });
    [&within[..], &between[..]].concat()
}

/// Two threads that spin on one CPU measure the scheduler's time slice.
fn may_wait(wait: Wait, pins: &Pins) -> bool {
    wait != Wait::Spin || !pins.share_cpu()
}

fn steps(pins: &Pins) -> u64 {
    // The machine and its sockets, and memory beside the loads.
    (2 + round_trips(pins).len() + flows(pins).len() + FANS.len() + crowds(pins).len() + CASES.len() + 1) as u64
}

fn route(pattern: Pattern, wait: Wait, size: usize) -> Route {
    Route {
        transport: Transport::Inproc,
        pattern,
        size,
        wait,
        drive: Drive::Default,
        plain: false,
        loan: false,
        hwm: 1_000,
    }
}

/// A load's title as a file name: words with dashes between.
fn file_name(title: &str) -> String {
    let words = title.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

/// One publisher to sixteen subscribers: where, who wants what, and bytes of a message.
const FANS: [(Transport, Match, usize); 3] =
    [(Transport::Inproc, Match::All, 8), (Transport::Inproc, Match::Distinct, 8), (Transport::Tcp, Match::All, 64)];

/// What actors do: between cores and on one, one message at a time and many.
const CASES: [Case; 6] =
    [Case::PingPong, Case::PingPongLocal, Case::Counting, Case::CountingLocal, Case::FanIn, Case::Spawn];

/// The sporadic load: a message a millisecond.
const A_KILOHERTZ: NonZeroU64 = NonZeroU64::new(1_000).expect("not zero");

/// Repetitions of each round-trip load.
const REPS: u32 = 3;

/// Longest repetition: eight loads of three, six of one, sixteen flows and floors, six fans and floors, six with and without
/// company and the rest then stay below a minute.
const LOAD_LIMIT: Duration = Duration::from_millis(700);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_plain() {
        assert_eq!(file_name("inproc push-pull, 32 B, spin"), "inproc-push-pull-32-B-spin");
    }

    #[test]
    fn one_cpu_spins_nowhere() {
        let cpu = ringway::affinity::usable()[0];
        let pins: Pins = format!("{cpu},{cpu}").parse().unwrap();
        assert!(round_trips(&pins).iter().all(|(route, _)| route.wait != Wait::Spin));
        assert!(flows(&pins).iter().all(|(route, _)| route.wait != Wait::Spin));
    }
}
