//! Results as tables and JSON, and where they are written.

#![forbid(unsafe_code)]

use std::{
    fs,
    io::{self, Write},
    iter,
    path::{Path, PathBuf},
};

use ringway::latency::{Ns, Recorder, Summary};
use serde_json::{Value, json};

use crate::{
    base::Trips,
    cli::{Output, Route},
    failure::Failure,
    plot,
    work::ping_pong::RoundTrips,
};

/// Round trips of one load, over all its repetitions.
#[derive(Debug)]
pub(crate) struct LatencyReport {
    pub(crate) route: Route,
    /// Medians over the repetitions; the maximum and minimum of all of them; the sum of counts.
    pub(crate) summary: Summary,
    pub(crate) rate_per_s: f64,
    /// Everything recorded, for histogram and plot.
    pub(crate) recorder: Recorder,
    /// What the machine or its bare sockets did in the same run.
    pub(crate) floor: Trips,
    pub(crate) beside: Option<Beside>,
}

/// The plain load, which took turns with one that has something extra.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beside {
    pub(crate) extra: Extra,
    /// Its figure: the median of p50s in nanoseconds, or of messages a second.
    pub(crate) plain: f64,
}

/// What a load has that the plain one has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    /// So many peers of the receiver that say nothing.
    Peers(u16),
    /// So many sockets on which nothing happens, which the pinging thread waits for as well.
    IdleSockets(u16),
}

impl Beside {
    /// Adds to a result what the plain load's `figure` was, and ours, `value`, as a multiple of it.
    pub(crate) fn add_to(self, object: &mut Value, figure: &str, value: f64) {
        let ratio = rounded(value / self.plain, 3);
        match self.extra {
            Extra::Peers(silent) => {
                object["peers"] = json!(silent + 1);
                object["active"] = json!(1);
                object[format!("one_peer_{figure}")] = json!(rounded(self.plain, 0));
                object["vs_one_peer"] = json!(ratio);
            }
            Extra::IdleSockets(idle) => {
                object["idle_sockets"] = json!(idle);
                object[format!("plain_{figure}")] = json!(rounded(self.plain, 0));
                object["vs_plain"] = json!(ratio);
            }
        }
    }

    /// A line for the terminal.
    pub(crate) fn text(self, p50_ns: u64) -> String {
        let ratio = p50_ns as f64 / self.plain;
        format!("With {}: {ratio:.2} × the {:.0} ns of the same run without\n", self.extra(), self.plain)
    }

    /// As [`text`](Self::text), of messages a second.
    pub(crate) fn text_of_rate(self, msgs_per_s: f64) -> String {
        let (ratio, plain) = (msgs_per_s / self.plain, per_second(self.plain));
        format!("  with {}: {ratio:.2} × the {plain} of the same run without\n", self.extra())
    }

    fn extra(self) -> String {
        match self.extra {
            Extra::Peers(silent) => format!("{} peers of which one talks", silent + 1),
            Extra::IdleSockets(idle) => format!("a poller that holds {idle} idle sockets besides"),
        }
    }
}

impl LatencyReport {
    /// Of at least one repetition.
    pub(crate) fn new(route: Route, repetitions: &[RoundTrips], floor: Trips) -> Self {
        let summaries: Vec<Summary> = repetitions.iter().map(|trips| trips.recorder.summary()).collect();
        let mut recorder = Recorder::new();
        repetitions.iter().for_each(|trips| recorder.merge(&trips.recorder));
        let rates: Vec<f64> = repetitions.iter().map(|trips| trips.rate_per_s).collect();
        Self { route, summary: medians(&summaries), rate_per_s: median(&rates), recorder, floor, beside: None }
    }

    /// How many times the floor the median round trip takes.
    pub(crate) fn vs_floor(&self) -> f64 {
        self.summary.p50_ns as f64 / self.floor.floor_ns.max(1) as f64
    }

    pub(crate) fn to_json(&self) -> Value {
        let Summary { p50_ns, p90_ns, p99_ns, p999_ns, p9999_ns, max_ns, mean_ns, count, .. } = self.summary;
        let mut object = json!({
            "transport": value_name(self.route.transport),
            "pattern": value_name(self.route.pattern),
            "size": self.route.size,
            "count": count,
            "wait": value_name(self.route.wait),
            "p50_ns": p50_ns,
            "p90_ns": p90_ns,
            "p99_ns": p99_ns,
            "p999_ns": p999_ns,
            "p9999_ns": p9999_ns,
            "max_ns": max_ns,
            "mean_ns": rounded(mean_ns, 1),
            "rate_per_s": rounded(self.rate_per_s, 1),
            "floor_ns": self.floor.floor_ns,
            "vs_floor": rounded(self.vs_floor(), 3),
        });
        if self.route.transport.is_between_processes() {
            object["context"] = json!(value_name(self.route.drive));
            object["loan"] = json!(self.route.loan);
        }
        if let Some(blocking_ns) = self.floor.blocking_ns {
            object["blocking_floor_ns"] = json!(blocking_ns);
            object["vs_blocking_floor"] = json!(rounded(p50_ns as f64 / blocking_ns.max(1) as f64, 3));
        }
        if let Some(beside) = self.beside {
            beside.add_to(&mut object, "p50_ns", p50_ns as f64);
        }
        object
    }

    /// A line for the terminal on the floor whose sides sleep, if there is one.
    pub(crate) fn blocking_text(&self) -> String {
        self.floor.blocking_ns.map_or_else(String::new, |blocking_ns| {
            let ratio = self.summary.p50_ns as f64 / blocking_ns.max(1) as f64;
            format!("Blocking in place of spinning that takes {blocking_ns} ns, of which this is {ratio:.2} ×\n")
        })
    }

    /// Writes what `output` asks for; the rest is for the terminal.
    pub(crate) fn write(&self, output: &Output, title: &str) -> Result<(), Failure> {
        if let Some(path) = &output.json {
            write_json(path, &self.to_json())?;
        }
        if let Some(path) = &output.hgrm {
            let mut text = Vec::new();
            self.recorder.write_hgrm(&mut text).expect("a vector takes everything");
            write(path, &text)?;
        }
        if let Some(path) = &output.plot {
            plot::latency(path, title, &[(title.to_owned(), &self.recorder)], self.floor.floor_ns)?;
        }
        Ok(())
    }
}

/// Lines of columns, each as wide as its widest cell; the first to the left, the others to the right.
#[derive(Debug)]
pub(crate) struct Columns {
    rows: Vec<Vec<String>>,
}

impl Columns {
    pub(crate) fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// For the terminal.
    pub(crate) fn text(&self) -> String {
        self.lines(|cells| format!("  {}", cells.join("  ").trim_end()), None)
    }

    /// As a Markdown table.
    pub(crate) fn markdown(&self) -> String {
        let rule: Vec<String> = self
            .widths()
            .iter()
            .enumerate()
            .map(
                |(column, &width)| {
                    if column == 0 { "-".repeat(width) } else { format!("{}:", "-".repeat(width.max(2) - 1)) }
                },
            )
            .collect();
        self.lines(|cells| format!("| {} |", cells.join(" | ")), Some(&rule))
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        (0..columns).map(|column| width(column).unwrap_or(0)).collect()
    }

    fn lines(&self, line: impl Fn(&[String]) -> String, rule: Option<&[String]>) -> String {
        let widths = self.widths();
        let mut text = String::new();
        for (n, row) in self.rows.iter().enumerate() {
            // A short row leaves its last cells empty.
            let cells: Vec<String> = row
                .iter()
                .map(String::as_str)
                .chain(iter::repeat(""))
                .zip(&widths)
                .enumerate()
                .map(
                    |(column, (cell, &width))| {
                        if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                    },
                )
                .collect();
            text += &line(&cells);
            text.push('\n');
            if let (0, Some(rule)) = (n, rule) {
                text += &line(rule);
                text.push('\n');
            }
        }
        text
    }
}

/// The percentiles of a row, and how many times the floor the median is.
pub(crate) fn percentile_cells(summary: &Summary, floor_ns: u64) -> Vec<String> {
    let Summary { p50_ns, p90_ns, p99_ns, p999_ns, p9999_ns, max_ns, .. } = *summary;
    let values = [p50_ns, p90_ns, p99_ns, p999_ns, p9999_ns, max_ns];
    let times = format!("{:.2}", p50_ns as f64 / floor_ns.max(1) as f64);
    values.iter().map(|&value| Ns(value).to_string()).chain([Ns(floor_ns).to_string(), times]).collect()
}

/// Heading of [`percentile_cells`].
pub(crate) const PERCENTILES: [&str; 8] = ["p50", "p90", "p99", "p99.9", "p99.99", "max", "floor", "× floor"];

/// Messages a second, readable.
pub(crate) fn per_second(rate: f64) -> String {
    match rate {
        1e6.. => format!("{:.2} M/s", rate / 1e6),
        1e3..1e6 => format!("{:.1} k/s", rate / 1e3),
        _ => format!("{rate:.0} /s"),
    }
}

/// Bytes a second, readable.
pub(crate) fn bytes_per_second(rate: f64) -> String {
    if rate >= 1e9 { format!("{:.2} GB/s", rate / 1e9) } else { format!("{:.1} MB/s", rate / 1e6) }
}

/// The middle one, or the mean of the two in the middle. Of at least one.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// Medians of each figure; but the smallest minimum, the largest maximum, and the sum of counts.
pub(crate) fn medians(summaries: &[Summary]) -> Summary {
    let of = |figure: fn(&Summary) -> u64| {
        median(&summaries.iter().map(|summary| figure(summary) as f64).collect::<Vec<_>>()) as u64
    };
    let mut result = Summary::default();
    result.count = summaries.iter().map(|summary| summary.count).sum();
    result.min_ns = summaries.iter().map(|summary| summary.min_ns).min().unwrap_or(0);
    result.p50_ns = of(|summary| summary.p50_ns);
    result.p90_ns = of(|summary| summary.p90_ns);
    result.p99_ns = of(|summary| summary.p99_ns);
    result.p999_ns = of(|summary| summary.p999_ns);
    result.p9999_ns = of(|summary| summary.p9999_ns);
    result.max_ns = summaries.iter().map(|summary| summary.max_ns).max().unwrap_or(0);
    result.mean_ns = median(&summaries.iter().map(|summary| summary.mean_ns).collect::<Vec<_>>());
    result
}

/// A flag's value as it is written on the command line.
pub(crate) fn value_name(value: impl clap::ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// To so many decimals: more would be noise in a file.
pub(crate) fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}

/// Does the JSON take the place of the text?
pub(crate) fn is_stdout(json: Option<&PathBuf>) -> bool {
    json.is_some_and(|path| path.as_os_str() == "-")
}

/// Writes to a file, or to standard output for `-`.
pub(crate) fn write_json(path: &Path, value: &Value) -> Result<(), Failure> {
    let text = format!("{value:#}\n");
    if path.as_os_str() == "-" {
        return print(&text);
    }
    write(path, text.as_bytes())
}

/// Prints to standard output. Whoever reads it may have seen enough and gone: that is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Write { path: "standard output".into(), error })
        }
        _ => Ok(()),
    }
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|error| Failure::Write { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Drive, Pattern, Transport, Wait};

    fn trips(values: impl IntoIterator<Item = u64>) -> RoundTrips {
        let mut recorder = Recorder::new();
        values.into_iter().for_each(|value| recorder.record(value));
        RoundTrips { recorder, rate_per_s: 10.0 }
    }

    const ROUTE: Route = Route {
        transport: Transport::Inproc,
        pattern: Pattern::PushPull,
        size: 64,
        wait: Wait::Adaptive,
        drive: Drive::Default,
        plain: false,
        loan: false,
        hwm: 1_000,
    };

    const FLOOR: Trips = Trips { floor_ns: 100, blocking_ns: None };

    #[test]
    fn between_processes_there_are_two_floors() {
        let route = Route { transport: Transport::Tcp, ..ROUTE };
        let floor = Trips { floor_ns: 100, blocking_ns: Some(1_000) };
        let report = LatencyReport::new(route, &[trips([200])], floor);
        let json = report.to_json();
        assert_eq!((json["vs_floor"].as_f64(), json["vs_blocking_floor"].as_f64()), (Some(2.0), Some(0.2)));
        assert_eq!((json["blocking_floor_ns"].as_u64(), json["context"].as_str()), (Some(1_000), Some("default")));
        assert!(report.blocking_text().contains("1000 ns"));
    }

    #[test]
    fn latency_json_holds_exactly_its_fields() {
        let report = LatencyReport::new(ROUTE, &[trips([100]), trips([300]), trips([200])], FLOOR);
        let json = report.to_json();
        let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            names.join(" "),
            "transport pattern size count wait p50_ns p90_ns p99_ns p999_ns p9999_ns max_ns mean_ns rate_per_s floor_ns \
             vs_floor"
        );
        assert_eq!(json["pattern"], "push-pull");
        assert_eq!(json["p50_ns"], 200, "the median of the repetitions");
        assert_eq!(json["max_ns"], 300, "the maximum of all");
        assert_eq!(json["count"], 3);
        assert_eq!(json["vs_floor"], 2.0);
    }

    #[test]
    fn company_is_told_beside_the_plain_load() {
        let beside = Some(Beside { extra: Extra::Peers(7), plain: 100.0 });
        let json = LatencyReport { beside, ..LatencyReport::new(ROUTE, &[trips([130])], FLOOR) }.to_json();
        assert_eq!((json["peers"].as_u64(), json["one_peer_p50_ns"].as_f64()), (Some(8), Some(100.0)));
        assert_eq!(json["vs_one_peer"], 1.3);
        let beside = Some(Beside { extra: Extra::IdleSockets(64), plain: 100.0 });
        let json = LatencyReport { beside, ..LatencyReport::new(ROUTE, &[trips([120])], FLOOR) }.to_json();
        assert_eq!((json["idle_sockets"].as_u64(), json["plain_p50_ns"].as_f64()), (Some(64), Some(100.0)));
        assert_eq!(json["vs_plain"], 1.2);
    }

    #[test]
    fn median_of_even_and_odd() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[7.0]), 7.0);
    }

    #[test]
    fn columns_line_up() {
        let mut columns = Columns::new(&["name", "p50"]);
        columns.row(["µs road".to_owned(), "1.00 µs".to_owned()]);
        columns.row(["x".to_owned(), "9 ns".to_owned()]);
        assert_eq!(columns.text(), "  name         p50\n  µs road  1.00 µs\n  x           9 ns\n");
    }

    #[test]
    fn markdown_has_a_rule_under_its_heading() {
        let mut columns = Columns::new(&["name", "p50"]);
        columns.row(["ours".to_owned(), "271 ns".to_owned()]);
        columns.row(["rest".to_owned()]);
        assert_eq!(columns.markdown(), "| name |    p50 |\n| ---- | -----: |\n| ours | 271 ns |\n| rest |        |\n");
    }

    #[test]
    fn rates_are_readable() {
        assert_eq!(per_second(34_200_000.0), "34.20 M/s");
        assert_eq!(per_second(1_000.0), "1.0 k/s");
        assert_eq!(per_second(12.0), "12 /s");
        assert_eq!(bytes_per_second(9.7e9), "9.70 GB/s");
    }
}
