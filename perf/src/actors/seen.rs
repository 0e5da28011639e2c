//! What came out, as a table and as JSON.

#![forbid(unsafe_code)]

use std::time::Duration;

use serde_json::{Value, json};

use super::{cases::Plan, subject::Subject};
use crate::{
    base::Base,
    cli::{Case, Drive, Pattern, Place, Repeat, Route, Setup, Transport, Wait},
    commands::effort,
    failure::Failure,
    floor,
    pins::Pins,
    report::{Columns, median, per_second, rounded, value_name},
};

/// What the machine does of a case, each of its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Floor {
    /// A cache line one way.
    Line,
    /// A bare slot ring one way, from one thread to one.
    Ring,
    /// A call through a pointer.
    Call,
    /// Nothing: what makes an actor, or mixes near and far, has no name among the machine's operations.
    None,
}

impl Floor {
    pub(super) fn of(case: Case) -> Self {
        match case {
            Case::PingPong => Self::Line,
            Case::Counting | Case::FanIn | Case::ForkJoin => Self::Ring,
            Case::PingPongLocal | Case::CountingLocal => Self::Call,
            Case::Spawn | Case::Skynet | Case::ThreadRing | Case::Big => Self::None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Line => "a cache line one way",
            Self::Ring => "a bare slot ring one way",
            Self::Call => "a call through a pointer",
            Self::None => "none",
        }
    }

    /// Nanoseconds.
    pub(super) fn measure(self, pins: &Pins, place: &Place) -> Result<Option<f64>, Failure> {
        match self {
            Self::Line => Ok(Some(floor::line(pins, effort(place))?.p50_ns as f64 / 2.0)),
            Self::Ring => {
                let setup = bare_ring(place);
                let flow = Base::Memory.flow(&setup.one_way(1, 1, pins), &setup.route.terms(pins))?;
                Ok(Some(1e9 / flow))
            }
            Self::Call => Ok(Some(floor::call_ns(effort(place)))),
            Self::None => Ok(None),
        }
    }
}

/// Messages of 8 bytes with as many on their way as a socket has.
fn bare_ring(place: &Place) -> Setup {
    let route = Route {
        transport: Transport::Inproc,
        pattern: Pattern::Pair,
        size: 8,
        wait: Wait::Spin,
        drive: Drive::Default,
        plain: false,
        loan: false,
        hwm: 1_000,
    };
    let repeat = Repeat { count: None, warmup: None, reps: 1, limit: Duration::from_secs(1) };
    Setup { route, place: place.clone(), repeat }
}

/// Everything of one run.
#[derive(Debug)]
pub(super) struct Seen {
    plan: Plan,
    reps: u32,
    pins: Pins,
    /// Nanoseconds, one a repetition; none where there is no floor.
    pub(super) floors: Vec<f64>,
    pub(super) rows: Vec<Row>,
}

/// Of one subject.
#[derive(Debug)]
pub(super) struct Row {
    subject: Subject,
    pub(super) turns: Vec<Turn>,
}

/// One repetition of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) time: Duration,
    pub(super) heap_bytes: Option<i64>,
}

/// Medians of one subject.
#[derive(Clone, Copy, Debug)]
struct Figures {
    total_ns: f64,
    each_ns: f64,
    each_bytes: Option<f64>,
}

impl Seen {
    pub(super) fn new(plan: Plan, reps: u32, pins: &Pins, subjects: &[Subject]) -> Self {
        let rows = subjects.iter().map(|&subject| Row { subject, turns: Vec::new() }).collect();
        Self { plan, reps, pins: pins.clone(), floors: Vec::new(), rows }
    }

    fn floor_ns(&self) -> Option<f64> {
        (!self.floors.is_empty()).then(|| median(&self.floors))
    }

    fn figures(&self, row: &Row) -> Figures {
        let units = self.plan.units() as f64;
        let total_ns = median(&row.turns.iter().map(|turn| turn.time.as_nanos() as f64).collect::<Vec<_>>());
        let bytes: Vec<f64> = row.turns.iter().filter_map(|turn| turn.heap_bytes).map(|bytes| bytes as f64).collect();
        let each_bytes = (!bytes.is_empty()).then(|| median(&bytes) / units);
        Figures { total_ns, each_ns: total_ns / units, each_bytes }
    }

    /// What the others are compared with: the first.
    fn ours(&self) -> Figures {
        self.figures(&self.rows[0])
    }

    pub(super) fn text(&self) -> String {
        let (floor_ns, ours, unit) = (self.floor_ns(), self.ours(), unit(self.plan.case));
        let mut heading = vec!["library", unit, "rate", "in all"];
        heading.extend((self.plan.case == Case::Spawn).then_some("heap"));
        heading.push("× ours");
        heading.extend(floor_ns.map(|_| "× floor"));
        let mut table = Columns::new(&heading);
        for row in &self.rows {
            let Figures { total_ns, each_ns, each_bytes } = self.figures(row);
            let mut cells =
                vec![row.subject.name(), nanoseconds(each_ns), per_second(1e9 / each_ns), nanoseconds(total_ns)];
            cells.extend(each_bytes.map(|bytes| format!("{bytes:.0} B")));
            cells.push(format!("{:.2}", each_ns / ours.each_ns));
            cells.extend(floor_ns.map(|floor_ns| format!("{:.2}", each_ns / floor_ns)));
            table.row(cells);
        }
        let floor = match floor_ns {
            Some(ns) => format!("{}, {}", nanoseconds(ns), Floor::of(self.plan.case).name()),
            None => Floor::of(self.plan.case).name().to_owned(),
        };
        let Plan { case, actors, .. } = self.plan;
        format!(
            "{}, {actors} actors, {} in all, medians of {}; floor: {floor}\n\n{}",
            value_name(case),
            plural(unit, self.plan.units()),
            self.reps,
            table.markdown()
        )
    }

    /// Of the first subject, as [`HEADING`](super::HEADING) has it.
    pub(super) fn cells(&self) -> Vec<String> {
        let Figures { each_ns, .. } = self.ours();
        let of_floor =
            |show: fn(f64, f64) -> String| self.floor_ns().map_or("–".into(), |floor| show(each_ns, floor));
        vec![
            format!("{}, {}", value_name(self.plan.case), self.rows[0].subject.name()),
            nanoseconds(each_ns),
            per_second(1e9 / each_ns),
            of_floor(|_, floor| nanoseconds(floor)),
            of_floor(|each, floor| format!("{:.2}", each / floor)),
        ]
    }

    pub(super) fn to_json(&self) -> Value {
        let (floor_ns, ours) = (self.floor_ns(), self.ours());
        let vs_floor = |each_ns: f64| floor_ns.map(|floor_ns| rounded(each_ns / floor_ns, 3));
        let rows = self.rows.iter().map(|row| {
            let Figures { total_ns, each_ns, each_bytes } = self.figures(row);
            let mut object = json!({
                "name": row.subject.name(),
                "each_ns": rounded(each_ns, 2),
                "per_s": rounded(1e9 / each_ns, 0),
                "total_ns": rounded(total_ns, 0),
            });
            if let Some(bytes) = each_bytes {
                object["each_bytes"] = json!(rounded(bytes, 1));
            }
            object["vs_ours"] = json!(rounded(each_ns / ours.each_ns, 3));
            object["vs_floor"] = json!(vs_floor(each_ns));
            object
        });
        let rows: Vec<Value> = rows.collect();
        json!({
            "case": value_name(self.plan.case),
            "unit": unit(self.plan.case),
            "actors": self.plan.actors,
            "count": self.plan.units(),
            "repetitions": self.reps,
            "pin": self.pins.to_string(),
            "each_ns": rounded(ours.each_ns, 2),
            "per_s": rounded(1e9 / ours.each_ns, 0),
            "floor": Floor::of(self.plan.case).name(),
            "floor_ns": floor_ns.map(|ns| rounded(ns, 2)),
            "vs_floor": vs_floor(ours.each_ns),
            "rows": rows,
        })
    }
}

/// What the time of a case is divided by.
fn unit(case: Case) -> &'static str {
    match case {
        Case::Spawn | Case::Skynet => "actor",
        Case::ThreadRing => "hop",
        _ => "message",
    }
}

fn plural(unit: &str, count: u64) -> String {
    format!("{count} {unit}s")
}

/// Readable, to three digits or so.
fn nanoseconds(ns: f64) -> String {
    match ns {
        1e9.. => format!("{:.2} s", ns / 1e9),
        1e6..1e9 => format!("{:.1} ms", ns / 1e6),
        1e4..1e6 => format!("{:.1} µs", ns / 1e3),
        100.0..1e4 => format!("{ns:.0} ns"),
        _ => format!("{ns:.1} ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(case: Case, floors: Vec<f64>) -> Seen {
        let plan = Plan { case, actors: 10, count: 100 };
        let mut seen = Seen { floors, ..Seen::new(plan, 3, &Pins::choose(), Subject::ALL) };
        for row in &mut seen.rows {
            row.turns = [3_000, 1_000, 2_000]
                .map(|ns| Turn { time: Duration::from_nanos(ns), heap_bytes: (case == Case::Spawn).then_some(640) })
                .to_vec();
        }
        seen
    }

    #[test]
    fn medians_are_of_one_message() {
        let json = seen(Case::PingPong, vec![10.0, 8.0, 40.0]).to_json();
        assert_eq!((json["count"].as_u64(), json["floor_ns"].as_f64()), (Some(100), Some(10.0)));
        let row = &json["rows"][0];
        assert_eq!((row["each_ns"].as_f64(), row["vs_floor"].as_f64()), (Some(20.0), Some(2.0)));
        assert_eq!((row["per_s"].as_f64(), row["total_ns"].as_f64()), (Some(5e7), Some(2_000.0)));
    }

    #[test]
    fn where_there_is_no_floor_it_is_said() {
        let seen = seen(Case::Spawn, Vec::new());
        let json = seen.to_json();
        assert!(json["floor_ns"].is_null() && json["rows"][0]["vs_floor"].is_null());
        assert_eq!((json["floor"].as_str(), json["rows"][0]["each_bytes"].as_f64()), (Some("none"), Some(64.0)));
        assert!(seen.text().contains("floor: none") && seen.text().contains("64 B"), "{}", seen.text());
    }

    #[test]
    fn durations_are_readable() {
        for (ns, text) in
            [(8.04, "8.0 ns"), (145.2, "145 ns"), (13_700.0, "13.7 µs"), (2.5e6, "2.5 ms"), (1.5e9, "1.50 s")]
        {
            assert_eq!(nanoseconds(ns), text);
        }
    }
}
