//! What each subcommand does: set up, measure, show, write.

#![forbid(unsafe_code)]

use std::{num::NonZeroU64, time::Duration};

use serde_json::{Value, json};

use crate::{
    base::{Base, Trips},
    cli::{self, Drive, Pattern, Place, Route, Setup, Transport},
    end::Terms,
    failure::Failure,
    floor::{self, Effort},
    heap,
    links::kept,
    pins::Pins,
    progress::Progress,
    report::{
        Beside, Extra, LatencyReport, bytes_per_second, is_stdout, median, per_second, print, rounded, value_name,
        write_json,
    },
    road,
    streams::Streams,
    subject::Subject,
    work::{
        idle::Idle,
        memory::{Memory, PerPair},
        one_way::OneWay,
    },
};

pub(crate) fn calibrate(asked: &cli::Calibrate) -> Result<(), Failure> {
    let pins = asked.place.pins();
    let progress = Progress::new(8);
    let step = |next: &str| {
        progress.step(next);
        progress.done();
    };
    let calibration = floor::calibrate(&pins, effort(&asked.place), step)?;
    let streams = Streams::measure(&pins, effort(&asked.place), step)?;
    drop(progress);
    let mut json = calibration.to_json();
    json["streams"] = streams.to_json();
    show(asked.json.as_ref(), &format!("{calibration}\n{streams}"), &json)
}

pub(crate) fn latency(asked: &cli::Latency) -> Result<(), Failure> {
    let (setup, pins) = (&asked.setup, asked.setup.place.pins());
    warn_of_spinning(setup.route.wait == cli::Wait::Spin, &pins);
    let silent = asked.company.silent(setup.route.pattern, 1).map_err(Failure::Asked)?;
    let extra = match (silent, asked.idle_sockets) {
        (silent, None) => silent.map(Extra::Peers),
        (None, Some(idle)) if setup.route.pattern == Pattern::Pair => Some(Extra::IdleSockets(idle)),
        _ => return Err(Failure::Asked("--idle-sockets needs --pattern pair".to_owned())),
    };
    let turns = if extra.is_some() { 2 } else { 1 };
    let progress = Progress::new(turns * u64::from(setup.reps()) + 1);
    progress.step("floor");
    if extra.is_some_and(|extra| matches!(extra, Extra::IdleSockets(_))) && setup.route.transport != Transport::Inproc {
        return Err(Failure::Asked("--idle-sockets needs --transport inproc".to_owned()));
    }
    let report = measure_latency(setup, asked.rate, extra, &pins, &progress)?;
    drop(progress);
    let title = title(&setup.route, asked.rate);
    report.write(&asked.output, &title)?;
    if !is_stdout(asked.output.json.as_ref()) {
        let (table, bars) = (report.recorder.table(), report.recorder.bars(ROWS, BAR_WIDTH));
        let (floor_ns, vs_floor, p50_ns) = (report.floor.floor_ns, report.vs_floor(), report.summary.p50_ns);
        print(&format!(
            "{title}\n\n{table}\n{bars}\nThe median of the p50s of {} repetitions, {p50_ns} ns, is {vs_floor:.2} × the \
             floor: {floor_ns} ns, {}\n{}{}",
            setup.reps(),
            Base::of(setup.route.transport, setup.route.plain).trip(),
            report.blocking_text(),
            report.beside.map_or_else(String::new, |beside| beside.text(p50_ns)),
        ))?;
    }
    Ok(())
}

/// Repetitions of one latency load and the floor of the same run; taking turns with the plain load, if there is
/// something extra to it.
pub(crate) fn measure_latency(
    setup: &Setup,
    rate: Option<NonZeroU64>,
    extra: Option<Extra>,
    pins: &Pins,
    progress: &Progress,
) -> Result<LatencyReport, Failure> {
    let (party, base) = (setup.route.ours(), Base::of(setup.route.transport, setup.route.plain));
    let plain = party.subject(0)?;
    let subject = match extra {
        Some(Extra::Peers(silent)) => &party.subject(silent)?,
        Some(Extra::IdleSockets(idle)) => &road::watched(idle),
        None => &plain,
    };
    let mut floors = vec![base.trips(setup, rate, pins)?];
    progress.done();
    let (plan, terms) = (setup.ping_pong(rate, pins), setup.route.terms(pins));
    let (mut repetitions, mut plain_p50s) = (Vec::new(), Vec::new());
    for n in 1..=setup.reps() {
        // A line's round trip stays what it is; a socket's depends on what else goes on.
        if n > 1 && base != Base::Memory {
            floors.push(base.trips(setup, rate, pins)?);
        }
        if extra.is_some() {
            progress.step(&format!("plain, repetition {n}"));
            plain_p50s.push(plain.ping_pong(&plan, &terms)?.recorder.summary().p50_ns as f64);
            progress.done();
        }
        progress.step(&format!("{}, repetition {n}", title(&setup.route, rate)));
        repetitions.push(subject.ping_pong(&plan, &terms)?);
        progress.done();
    }
    let beside = extra.map(|extra| Beside { extra, plain: median(&plain_p50s) });
    Ok(LatencyReport { beside, ..LatencyReport::new(setup.route, &repetitions, Trips::median(&floors)) })
}

pub(crate) fn throughput(asked: &cli::Throughput) -> Result<(), Failure> {
    let (setup, pins) = (&asked.setup, asked.setup.place.pins());
    warn_of_spinning(setup.route.wait == cli::Wait::Spin, &pins);
    if asked.senders > 1 && !setup.route.pattern.has_many_senders() {
        return Err(Failure::Asked(
            "--senders needs --pattern push-pull, pub-sub or dealer-router: others have one sender".to_owned(),
        ));
    }
    let silent = asked.company.silent(setup.route.pattern, asked.senders).map_err(Failure::Asked)?;
    let turns = if silent.is_some() { 3 } else { 2 };
    let progress = Progress::new(turns * u64::from(setup.reps()));
    let plan = setup.one_way(asked.batch, asked.senders, &pins);
    let through = measure_throughput(setup, &plan, silent, &pins, &progress)?;
    drop(progress);
    let text = format!(
        "{}, {} a call, {} sender{}\n\n  {:>12}  {}\n  floor {}: {}{}; this is {:.2} × that\n{}",
        title(&setup.route, None),
        asked.batch,
        asked.senders,
        if asked.senders == 1 { "" } else { "s" },
        per_second(through.msgs_per_s),
        bytes_per_second(through.msgs_per_s * setup.route.size as f64),
        per_second(through.floor_msgs_per_s),
        Base::of(setup.route.transport, setup.route.plain).name(),
        if asked.senders == 1 { "" } else { ", one sender" },
        through.vs_floor(),
        through.beside.map_or_else(String::new, |beside| beside.text_of_rate(through.msgs_per_s)),
    );
    show(asked.json.as_ref(), &text, &through.to_json(&setup.route, &plan))
}

/// Medians over repetitions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Through {
    pub(crate) messages: u64,
    pub(crate) msgs_per_s: f64,
    pub(crate) floor_msgs_per_s: f64,
    pub(crate) beside: Option<Beside>,
}

impl Through {
    pub(crate) fn vs_floor(&self) -> f64 {
        self.msgs_per_s / self.floor_msgs_per_s
    }

    pub(crate) fn to_json(self, route: &Route, plan: &OneWay) -> Value {
        let mut object = json!({
            "transport": value_name(route.transport),
            "pattern": value_name(route.pattern),
            "size": route.size,
            "count": self.messages,
            "wait": value_name(route.wait),
            "batch": plan.batch,
            "senders": plan.senders,
            "msgs_per_s": rounded(self.msgs_per_s, 0),
            "bytes_per_s": rounded(self.msgs_per_s * route.size as f64, 0),
            "floor_msgs_per_s": rounded(self.floor_msgs_per_s, 0),
            "vs_floor": rounded(self.vs_floor(), 3),
        });
        if route.transport.is_between_processes() {
            object["loan"] = json!(route.loan);
        }
        if let Some(beside) = self.beside {
            beside.add_to(&mut object, "msgs_per_s", self.msgs_per_s);
        }
        object
    }
}

/// Repetitions of one flow, taking turns with the floor, and with the flow of one peer if there are silent
/// ones.
pub(crate) fn measure_throughput(
    setup: &Setup,
    plan: &OneWay,
    silent: Option<u16>,
    pins: &Pins,
    progress: &Progress,
) -> Result<Through, Failure> {
    let (party, base) = (setup.route.ours(), Base::of(setup.route.transport, setup.route.plain));
    let plain = party.subject(0)?;
    let subject = match silent {
        Some(silent) => &party.subject(silent)?,
        None => &plain,
    };
    let terms = setup.route.terms(pins);
    let floor_plan = OneWay { senders: 1, ..plan.clone() };
    let (mut flows, mut floors, mut plains, mut messages) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for n in 1..=setup.reps() {
        progress.step(&format!("floor, repetition {n}"));
        floors.push(base.flow(&floor_plan, &terms)?);
        progress.done();
        if silent.is_some() {
            progress.step(&format!("one peer, repetition {n}"));
            plains.push(plain.one_way(plan, &terms)?.msgs_per_s);
            progress.done();
        }
        progress.step(&format!("{}, repetition {n}", title(&setup.route, None)));
        let flow = subject.one_way(plan, &terms)?;
        flows.push(flow.msgs_per_s);
        messages += flow.messages;
        progress.done();
    }
    let beside = silent.map(|silent| Beside { extra: Extra::Peers(silent), plain: median(&plains) });
    Ok(Through { messages, msgs_per_s: median(&flows), floor_msgs_per_s: median(&floors), beside })
}

pub(crate) fn idle(asked: &cli::Idle) -> Result<(), Failure> {
    let pins = asked.place.pins();
    let progress = Progress::new(2);
    let cost = measure_idle(&asked.route, asked.rate, &pins, asked.place.is_quick(), &progress)?;
    drop(progress);
    let json = json!({
        "transport": value_name(asked.route.transport),
        "pattern": value_name(asked.route.pattern),
        "wait": value_name(asked.route.wait),
        "idle_cpu": rounded(cost.idle, 5),
        "sporadic_rate_per_s": asked.rate,
        "sporadic_cpu": rounded(cost.sporadic, 5),
    });
    show(asked.json.as_ref(), &format!("{}\n\n{}", title(&asked.route, None), cost.text(asked.rate)), &json)
}

/// Shares of a core, 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdleCost {
    pub(crate) idle: f64,
    pub(crate) sporadic: f64,
}

impl IdleCost {
    pub(crate) fn text(&self, rate: NonZeroU64) -> String {
        let Self { idle, sporadic } = self;
        format!(
            "  receiver of nothing                {:>6.2} % of a core (goal: below 1 %)\n  \
             receiver of {rate} messages a second {:>6.2} % of a core (goal at 1000: below 2 %)\n",
            idle * 100.0,
            sporadic * 100.0
        )
    }
}

pub(crate) fn measure_idle(
    route: &Route,
    rate: NonZeroU64,
    pins: &Pins,
    quick: bool,
    progress: &Progress,
) -> Result<IdleCost, Failure> {
    let subject = route.ours().subject(0)?;
    let terms = route.terms(pins);
    let time = if quick { Duration::from_millis(200) } else { Duration::from_secs(1) };
    progress.step("idle receiver");
    let idle = subject.idle(&Idle { rate: None, time, pins: pins.clone() }, &terms)?;
    progress.done();
    progress.step("sporadic receiver");
    let sporadic = subject.idle(&Idle { rate: Some(rate), time, pins: pins.clone() }, &terms)?;
    progress.done();
    Ok(IdleCost { idle, sporadic })
}

pub(crate) fn memory(asked: &cli::Memory) -> Result<(), Failure> {
    if let Some(peers) = asked.peers {
        return kept::run(asked, peers);
    }
    let subject = asked.route.ours().subject(0)?;
    let terms = asked.route.terms(&Pins::choose());
    let per_pair = measure_memory(subject.as_ref(), asked.pairs, asked.count, &terms)?;
    let PerPair { before_bytes, after_bytes } = per_pair;
    let text = format!(
        "{}, {} pairs\n\n  connected and idle      {before_bytes:>10.0} bytes of live heap a pair\n  \
         after {:>5} messages    {after_bytes:>10.0}\n",
        title(&asked.route, None),
        asked.pairs,
        asked.count,
    );
    let json = json!({
        "transport": value_name(asked.route.transport),
        "pattern": value_name(asked.route.pattern),
        "size": asked.route.size,
        "pairs": asked.pairs,
        "count": asked.count,
        "before_bytes": rounded(before_bytes, 0),
        "after_bytes": rounded(after_bytes, 0),
    });
    show(asked.json.as_ref(), &text, &json)
}

/// Counted at the allocator.
pub(crate) fn measure_memory(subject: &dyn Subject, pairs: u64, count: u64, terms: &Terms) -> Result<PerPair, Failure> {
    heap::start();
    let per_pair = subject.memory(&Memory { pairs, count, live: heap::live }, terms);
    heap::stop();
    per_pair
}

/// One load in a line.
pub(crate) fn title(route: &Route, rate: Option<NonZeroU64>) -> String {
    let Route { transport, pattern, size, wait, drive, plain, loan, .. } = *route;
    let paced = rate.map_or_else(String::new, |rate| format!(", {rate} a second"));
    let driven = if drive == Drive::Default { "" } else { " caller-driven" };
    let plain = if plain { "plain " } else { "" };
    let lent = if loan { ", lent" } else { "" };
    let (transport, pattern, wait) = (value_name(transport), value_name(pattern), value_name(wait));
    format!("{plain}{transport} {pattern}, {size} B{lent}, {wait}{driven}{paced}")
}

pub(crate) fn effort(place: &Place) -> Effort {
    if place.is_quick() { Effort::Quick } else { Effort::Full }
}

/// Writes the JSON if asked, and the text unless the JSON took its place.
pub(crate) fn show(json: Option<&std::path::PathBuf>, text: &str, value: &Value) -> Result<(), Failure> {
    if let Some(path) = json {
        write_json(path, value)?;
    }
    if !is_stdout(json) {
        print(text)?;
    }
    Ok(())
}

pub(crate) fn warn_of_spinning(spins: bool, pins: &Pins) {
    if spins && pins.share_cpu() {
        eprintln!("warning: threads that spin on one CPU hold it until the scheduler takes it away");
    }
}

/// Lines of a terminal histogram.
pub(crate) const ROWS: usize = 24;

/// Characters of its longest bar.
pub(crate) const BAR_WIDTH: usize = 40;
