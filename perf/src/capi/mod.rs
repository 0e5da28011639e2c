//! The functions of the C library against those of libzmq: the same works by the same calls, taking turns in one run.
//!
//! - `work`: what is done. `turn`: one measurement, in a process of its own that has one of the two libraries. `python`: the
//!   same in Python, where the library under pyzmq is exchanged. `seen`: what comes out.
//!
//! Every repetition of a work gives each library a turn, the other one first each time; what is shown is the median of
//! each, and how much faster ours is.

#![forbid(unsafe_code)]

mod python;
mod seen;
pub(crate) mod turn;
mod work;

use std::{
    env,
    path::{Path, PathBuf},
};

use ringway::latency::Ns;
use serde_json::{Value, json};

use self::{python::Python, seen::Seen, work::Work};
use crate::{
    base::{Base, Trips},
    cli::{Capi, CapiWork, Drive, Pattern, Repeat, Route, Setup, Transport, Wait},
    commands::{effort, show},
    failure::Failure,
    floor,
    pins::Pins,
    progress::Progress,
    report::{Columns, median, per_second, rounded, value_name},
};

pub(crate) fn run(asked: &Capi) -> Result<(), Failure> {
    let ours = match &asked.ours {
        Some(path) => path.clone(),
        None => beside_this_program()?,
    };
    let works = work::all(asked);
    if works.is_empty() {
        return Err(Failure::Asked(
            "there is no such work: not every pattern goes both ways, nor by all calls".to_owned(),
        ));
    }
    let python = asked.python.as_deref().map(Python::new).transpose()?;
    let arena = Arena { asked, pins: asked.place.pins(), ours, python };
    let report = arena.measure(&works)?;
    show(asked.json.as_ref(), &report.text(&arena), &report.json(&arena))
}

/// Where a build of everything puts it.
fn beside_this_program() -> Result<PathBuf, Failure> {
    let path = env::current_exe().map_err(Failure::Child)?.with_file_name(OURS);
    if path.is_file() {
        return Ok(path);
    }
    let why = "there is no such file; cargo build --release -p ringway-zmq makes it, --ours names another".to_owned();
    Err(Failure::Library { path, why })
}

struct Arena<'a> {
    asked: &'a Capi,
    pins: Pins,
    ours: PathBuf,
    python: Option<Python>,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Theirs,
    Ours,
}

/// What the machine does of a work.
enum Floor {
    Trips(Trips),
    /// Messages a second.
    Flow(f64),
    /// There is none: a Python program is no machine.
    None,
}

/// One work, medians of both.
struct Row {
    work: Work,
    floor: Floor,
    theirs: Seen,
    ours: Seen,
}

struct Report {
    rows: Vec<Row>,
}

impl Arena<'_> {
    fn measure(&self, works: &[Work]) -> Result<Report, Failure> {
        let reps = self.asked.reps();
        let progress = Progress::new(works.len() as u64 * u64::from(reps));
        let mut rows = Vec::new();
        for work in works {
            let (mut theirs, mut ours) = (Vec::new(), Vec::new());
            progress.step(&format!("{work}: floor"));
            let floor = self.floor(work)?;
            for rep in 1..=reps {
                progress.step(&format!("{work}: repetition {rep}"));
                let order = if rep % 2 == 1 { [Who::Theirs, Who::Ours] } else { [Who::Ours, Who::Theirs] };
                for who in order {
                    let seen = self.turn(work, who).map_err(|failure| self.of(work, who, failure))?;
                    if who == Who::Ours { ours.push(seen) } else { theirs.push(seen) }
                }
                progress.done();
            }
            rows.push(Row { work: *work, floor, theirs: Seen::median(&theirs), ours: Seen::median(&ours) });
        }
        Ok(Report { rows })
    }

    fn turn(&self, work: &Work, who: Who) -> Result<Seen, Failure> {
        let (hwm, time) = (self.asked.hwm as usize, self.asked.time());
        match &self.python {
            Some(python) => python.turn(work, (who == Who::Ours).then_some(&self.ours), hwm, time, &self.pins),
            None => turn::start(work, self.library(who), hwm, time, &self.pins),
        }
    }

    fn library(&self, who: Who) -> &Path {
        if who == Who::Ours { &self.ours } else { &self.asked.theirs }
    }

    /// What a table calls a library.
    fn name(&self, who: Who) -> String {
        if self.python.is_some() && who == Who::Theirs {
            return "pyzmq's libzmq".to_owned();
        }
        let file = self.library(who).file_name().unwrap_or_default().to_string_lossy();
        file.split('.').next().unwrap_or_default().to_owned()
    }

    /// A failure says whose it is and at what.
    fn of(&self, work: &Work, who: Who, failure: Failure) -> Failure {
        Failure::road(format!("{}, {work}", self.name(who)), failure)
    }

    fn floor(&self, work: &Work) -> Result<Floor, Failure> {
        if self.python.is_some() {
            return Ok(Floor::None);
        }
        let (pins, base, setup) = (&self.pins, Base::of(work.transport, false), self.setup(work));
        match work.kind {
            CapiWork::RoundTrip => {
                let trips = base.trips(&setup, None, pins)?;
                let asleep = match work.transport {
                    Transport::Inproc => floor::wake(pins, effort(&self.asked.place))?.map(|seen| seen.p50_ns),
                    _ => trips.blocking_ns,
                };
                Ok(Floor::Trips(Trips { blocking_ns: asleep, ..trips }))
            }
            CapiWork::OneWay => base.flow(&setup.one_way(1, 1, pins), &setup.route.terms(pins)).map(Floor::Flow),
        }
    }

    fn setup(&self, work: &Work) -> Setup {
        let Work { transport, size, .. } = *work;
        let (wait, drive, hwm) = (Wait::Spin, Drive::Default, self.asked.hwm);
        let route = Route { transport, pattern: Pattern::Pair, size, wait, drive, plain: false, loan: false, hwm };
        let repeat = Repeat { count: None, warmup: None, reps: self.asked.reps(), limit: self.asked.time() };
        Setup { route, place: self.asked.place.clone(), repeat }
    }
}

impl Row {
    /// How much faster ours is: there and back by its median, one way by messages a second.
    fn vs_theirs(&self) -> f64 {
        self.ours.speed() / self.theirs.speed()
    }

    fn is_met(&self) -> bool {
        self.vs_theirs() >= GOAL
    }

    fn cells(&self) -> Vec<String> {
        let ratio = |ratio: f64| format!("{ratio:.2}");
        let mut cells = vec![self.work.to_string()];
        let ns = |ns: u64| Ns(ns).to_string();
        match (&self.theirs, &self.ours) {
            (Seen::Trips { summary: theirs, .. }, Seen::Trips { summary: ours, .. }) => {
                let (floor, asleep) = match &self.floor {
                    Floor::Trips(trips) => (ns(trips.floor_ns), trips.blocking_ns.map_or_else(String::new, ns)),
                    _ => (String::new(), String::new()),
                };
                cells.extend([floor, asleep, ns(theirs.p50_ns), ns(theirs.p99_ns), ns(ours.p50_ns), ns(ours.p99_ns)]);
                cells.push(ratio(self.vs_theirs()));
                cells.push(ratio(theirs.p99_ns as f64 / ours.p99_ns.max(1) as f64));
            }
            (theirs, ours) => {
                let floor = match &self.floor {
                    Floor::Flow(msgs_per_s) => per_second(*msgs_per_s),
                    _ => String::new(),
                };
                cells.extend([floor, per_second(theirs.speed()), per_second(ours.speed()), ratio(self.vs_theirs())]);
            }
        }
        cells.push(if self.is_met() { "met" } else { "missed" }.to_owned());
        cells
    }

    /// The fields `latency` and `throughput` have, and those of the other library below them.
    fn json(&self) -> Value {
        let Work { kind, transport, pattern, size, calls } = self.work;
        let mut object = json!({
            "work": value_name(kind),
            "transport": value_name(transport),
            "pattern": value_name(pattern),
            "size": size,
            "calls": value_name(calls),
        });
        self.ours.add_to(&mut object, size);
        match (&self.floor, &self.ours) {
            (Floor::Trips(trips), Seen::Trips { summary, .. }) => {
                let times = |floor_ns: u64| rounded(summary.p50_ns as f64 / floor_ns.max(1) as f64, 3);
                object["floor_ns"] = json!(trips.floor_ns);
                object["vs_floor"] = json!(times(trips.floor_ns));
                if let Some(blocking_ns) = trips.blocking_ns {
                    object["blocking_floor_ns"] = json!(blocking_ns);
                    object["vs_blocking_floor"] = json!(times(blocking_ns));
                }
            }
            (Floor::Flow(floor), ours) => {
                object["floor_msgs_per_s"] = json!(rounded(*floor, 0));
                object["vs_floor"] = json!(rounded(ours.speed() / floor, 3));
            }
            _ => {}
        }
        let mut theirs = json!({});
        self.theirs.add_to(&mut theirs, size);
        object["theirs"] = theirs;
        object["vs_theirs"] = json!(rounded(self.vs_theirs(), 3));
        object["met"] = json!(self.is_met());
        object
    }
}

impl Report {
    fn text(&self, arena: &Arena<'_>) -> String {
        let (theirs, ours) = (arena.name(Who::Theirs), arena.name(Who::Ours));
        let mut text = format!("{} in {theirs}'s place, medians of {}\n", ours, arena.asked.reps());
        let column = |name: &str, what: &str| format!("{name} {what}");
        let trips = [
            "there and back".to_owned(),
            "floor".to_owned(),
            "asleep".to_owned(),
            column(&theirs, "p50"),
            "p99".to_owned(),
            column(&ours, "p50"),
            "p99".to_owned(),
            "× faster".to_owned(),
            "by p99".to_owned(),
            "goal".to_owned(),
        ];
        let flows = ["one way".to_owned(), "floor".to_owned(), theirs, ours, "× faster".to_owned(), "goal".to_owned()];
        for (kind, heading) in [(CapiWork::RoundTrip, &trips[..]), (CapiWork::OneWay, &flows[..])] {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.work.kind == kind).collect();
            if !rows.is_empty() {
                let mut table = Columns::new(&heading.iter().map(String::as_str).collect::<Vec<_>>());
                rows.iter().for_each(|row| table.row(row.cells()));
                text += &format!("\n{}", table.markdown());
            }
        }
        let met = self.rows.iter().filter(|row| row.is_met()).count();
        text += &format!("\nNever slower than {GOAL} ×: {met} of {}\n", self.rows.len());
        text
    }

    fn json(&self, arena: &Arena<'_>) -> Value {
        let library = |who, seen: fn(&Row) -> &Seen| {
            json!({
                "name": arena.name(who),
                "version": self.rows.first().map(|row| seen(row).version()),
            })
        };
        json!({
            "ours": library(Who::Ours, |row| &row.ours),
            "theirs": library(Who::Theirs, |row| &row.theirs),
            "python": arena.python.is_some(),
            "capacity": arena.asked.hwm,
            "repetitions": arena.asked.reps(),
            "pin": arena.pins.to_string(),
            "goal": GOAL,
            "below": self.rows.iter().filter(|row| !row.is_met()).count(),
            "median_vs_theirs": rounded(median(&self.rows.iter().map(Row::vs_theirs).collect::<Vec<_>>()), 3),
            "rows": self.rows.iter().map(Row::json).collect::<Vec<_>>(),
        })
    }
}

/// The file the package `ringway-zmq` makes.
const OURS: &str = "libringway_zmq.so";

/// A program that changes libraries may be this much slower nowhere.
const GOAL: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::CapiCalls;

    fn trips(p50_ns: u64) -> Seen {
        let mut summary = ringway::latency::Summary::default();
        (summary.count, summary.p50_ns, summary.p99_ns) = (10, p50_ns, 2 * p50_ns);
        Seen::Trips { summary, rate_per_s: 1e9 / p50_ns as f64, version: "4.3.5".to_owned() }
    }

    fn row(theirs_ns: u64, ours_ns: u64) -> Row {
        let work = Work {
            kind: CapiWork::RoundTrip,
            transport: Transport::Tcp,
            pattern: Pattern::Pair,
            size: 64,
            calls: CapiCalls::Recv,
        };
        let floor = Floor::Trips(Trips { floor_ns: 50, blocking_ns: Some(200) });
        Row { work, floor, theirs: trips(theirs_ns), ours: trips(ours_ns) }
    }

    #[test]
    fn faster_is_more_than_one_and_the_goal_a_little_less() {
        assert!((row(200, 100).vs_theirs() - 2.0).abs() < 1e-9);
        assert!(row(91, 100).is_met() && !row(89, 100).is_met());
        assert!(row(89, 100).cells().contains(&"missed".to_owned()));
    }

    #[test]
    fn json_has_the_fields_of_latency_and_the_other_library() {
        let json = row(200, 100).json();
        let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            names.join(" "),
            "work transport pattern size calls count p50_ns p90_ns p99_ns p999_ns p9999_ns max_ns mean_ns rate_per_s \
             floor_ns vs_floor blocking_floor_ns vs_blocking_floor theirs vs_theirs met"
        );
        assert_eq!((json["vs_floor"].as_f64(), json["vs_blocking_floor"].as_f64()), (Some(2.0), Some(0.5)));
        assert_eq!(json["theirs"]["p50_ns"], 200);
    }

    #[test]
    fn a_flow_has_the_fields_of_throughput() {
        let flow = |msgs_per_s| Seen::Flow { messages: 7, msgs_per_s, version: String::new() };
        let work = Work { kind: CapiWork::OneWay, pattern: Pattern::PushPull, ..row(1, 1).work };
        let json = Row { work, floor: Floor::Flow(200.0), theirs: flow(50.0), ours: flow(100.0) }.json();
        let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            names.join(" "),
            "work transport pattern size calls count msgs_per_s bytes_per_s floor_msgs_per_s vs_floor theirs vs_theirs \
             met"
        );
        assert_eq!((json["vs_theirs"].as_f64(), json["vs_floor"].as_f64()), (Some(2.0), Some(0.5)));
    }
}
