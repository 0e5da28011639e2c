//! What a recorder has seen, for people and for programs: a table, a histogram in the terminal, `.hgrm`, JSON.

#![forbid(unsafe_code)]

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Write},
};

use super::{Recorder, Summary};

/// A duration in nanoseconds, printed to three digits in the unit that suits it: `271 ns`, `67.6 µs`, `1.30 ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ns(pub u64);

/// The percentile table of [`Recorder::table`].
#[derive(Clone, Copy, Debug)]
pub struct Table(Summary);

/// The histogram of [`Recorder::bars`].
#[derive(Clone, Debug)]
pub struct Bars {
    rows: Vec<Row>,
    total: u64,
    width: usize,
}

/// One line of [`Bars`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    /// This many values, from `low_ns` on and below `high_ns`.
    Bucket { low_ns: u64, high_ns: u64, count: u64 },
    /// Buckets nothing fell in.
    Gap,
}

impl Recorder {
    /// Count, mean, extremes and percentiles, a line each.
    pub fn table(&self) -> Table {
        Table(self.summary())
    }

    /// A histogram for the terminal: logarithmic buckets, as narrow as fit `rows` lines, with bars of at most `width`
    /// characters (both at least 1). The slowest hundredth gets a third of the lines and wider buckets, so that a long
    /// tail does not squeeze the rest into one. Stretches nothing fell in are one line; a bucket with anything in it
    /// shows.
    pub fn bars(&self, rows: usize, width: usize) -> Bars {
        let cut_ns = self.quantile_ns(0.99).saturating_add(1);
        let tail_lines = rows / 3;
        let lines = if self.share_below(cut_ns) < 1.0 && tail_lines > 0 {
            // One line for a gap between the two.
            let mut lines = self.rows(0, cut_ns, rows - tail_lines - 1);
            let tail = self.rows(cut_ns, u64::MAX, tail_lines);
            if let (Some(Row::Bucket { high_ns, .. }), Some(Row::Bucket { low_ns, .. })) = (lines.last(), tail.first())
                && high_ns < low_ns
            {
                lines.push(Row::Gap);
            }
            lines.extend(tail);
            lines
        } else {
            self.rows(0, u64::MAX, rows)
        };
        Bars { rows: lines, total: self.len(), width: width.max(1) }
    }

    /// Writes HdrHistogram's percentile text, in nanoseconds: a line per step towards 1, then mean, deviation, maximum.
    /// The `.hgrm` files that HdrHistogram's plotters read.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_hgrm(&self, mut out: impl Write) -> io::Result<()> {
        writeln!(out, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
        let mut total = 0;
        for step in self.histogram.iter_quantiles(STEPS_PER_HALVING) {
            total += step.count_since_last_iteration();
            let (value, quantile) = (step.value_iterated_to() as f64, step.quantile_iterated_to());
            write!(out, "{value:12.3} {quantile:2.12} {total:10}")?;
            if quantile < 1.0 {
                write!(out, " {:14.2}", 1.0 / (1.0 - quantile))?;
            }
            writeln!(out)?;
        }
        let (mean, deviation) = (self.histogram.mean(), self.histogram.stdev());
        writeln!(out, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]")?;
        writeln!(out, "#[Max     = {:12.3}, Total count    = {:12}]", self.summary().max_ns as f64, self.len())?;
        let sub_buckets = 2 * 10_u64.pow(u32::from(self.histogram.sigfig())).next_power_of_two();
        writeln!(out, "#[Buckets = {:12}, SubBuckets     = {sub_buckets:12}]", self.histogram.buckets())
    }

    /// What lies from `from_ns` on and below `until_ns`, in the narrowest buckets that take at most so many lines.
    fn rows(&self, from_ns: u64, until_ns: u64, lines: usize) -> Vec<Row> {
        let of_width = |&per_octave: &f64| self.rows_of(from_ns, until_ns, per_octave);
        // The widest bucket holds every 64-bit number.
        BUCKETS_PER_OCTAVE.iter().map(of_width).find(|rows| rows.len() <= lines).unwrap_or_default()
    }

    /// Buckets of `2^(1 / per_octave)`, empty stretches folded.
    fn rows_of(&self, from_ns: u64, until_ns: u64, per_octave: f64) -> Vec<Row> {
        let mut buckets = BTreeMap::new();
        let values = self.histogram.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value()));
        for (value_ns, count) in values.filter(|(value_ns, _)| (from_ns..until_ns).contains(value_ns)) {
            // 0 has no logarithm; it shares the bucket of 1.
            let bucket = ((value_ns.max(1) as f64).log2() * per_octave).floor() as i64;
            *buckets.entry(bucket).or_insert(0) += count;
        }
        let edge_ns = |bucket: i64| ((bucket as f64 / per_octave).exp2().ceil() as u64).clamp(from_ns, until_ns);
        let mut rows = Vec::new();
        let mut expected = None;
        for (bucket, count) in buckets {
            if expected.is_some_and(|expected| expected != bucket) {
                rows.push(Row::Gap);
            }
            rows.push(Row::Bucket { low_ns: edge_ns(bucket), high_ns: edge_ns(bucket + 1), count });
            expected = Some(bucket + 1);
        }
        rows
    }
}

impl Summary {
    /// The same names and numbers as a JSON object on one line.
    pub fn to_json(&self) -> String {
        let Self { count, min_ns, p50_ns, p90_ns, p99_ns, p999_ns, p9999_ns, max_ns, mean_ns } = self;
        format!(
            "{{\"count\":{count},\"min_ns\":{min_ns},\"p50_ns\":{p50_ns},\"p90_ns\":{p90_ns},\"p99_ns\":{p99_ns},\
             \"p999_ns\":{p999_ns},\"p9999_ns\":{p9999_ns},\"max_ns\":{max_ns},\"mean_ns\":{mean_ns:.1}}}"
        )
    }
}

impl fmt::Display for Ns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            ns @ 0..1_000 => format!("{ns} ns"),
            ns @ 1_000..1_000_000 => three_digits(ns as f64 / 1e3, "µs"),
            ns @ 1_000_000..1_000_000_000 => three_digits(ns as f64 / 1e6, "ms"),
            ns => three_digits(ns as f64 / 1e9, "s"),
        };
        f.pad(&text)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Table(seen) = self;
        writeln!(f, "  count  {:>10}", seen.count)?;
        for (name, value_ns) in [
            ("min", seen.min_ns),
            ("p50", seen.p50_ns),
            ("p90", seen.p90_ns),
            ("p99", seen.p99_ns),
            ("p99.9", seen.p999_ns),
            ("p99.99", seen.p9999_ns),
            ("max", seen.max_ns),
            ("mean", seen.mean_ns.round() as u64),
        ] {
            writeln!(f, "  {name:<6} {:>10}", Ns(value_ns))?;
        }
        Ok(())
    }
}

impl fmt::Display for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count_of = |row: &Row| if let Row::Bucket { count, .. } = row { *count } else { 0 };
        let longest = self.rows.iter().map(count_of).max().unwrap_or(0);
        for row in &self.rows {
            match *row {
                Row::Gap => writeln!(f, "{:>10}", '⋮')?,
                Row::Bucket { low_ns, high_ns, count } => {
                    let share = count as f64 / self.total as f64 * 100.0;
                    let bar = bar(count, longest, self.width);
                    writeln!(f, "{:>10} – {:<10} {bar} {count} ({share:.3} %)", Ns(low_ns), Ns(high_ns))?;
                }
            }
        }
        Ok(())
    }
}

/// A bar for `count` of `longest`, at most `width` characters; an eighth of a character for anything at all.
fn bar(count: u64, longest: u64, width: usize) -> String {
    let eighths = (count as f64 / longest.max(1) as f64 * (width * 8) as f64).round() as usize;
    let eighths = if count > 0 { eighths.clamp(1, width * 8) } else { 0 };
    let mut bar = "█".repeat(eighths / 8);
    if let Some(part) = PARTS.get((eighths % 8).wrapping_sub(1)) {
        bar.push(*part);
    }
    bar
}

/// `2.00`, `20.0` or `200`, and `unit`.
fn three_digits(value: f64, unit: &str) -> String {
    // The limits are where rounding would give a fourth digit.
    match value {
        ..9.995 => format!("{value:.2} {unit}"),
        9.995..99.95 => format!("{value:.1} {unit}"),
        _ => format!("{value:.0} {unit}"),
    }
}

/// One to seven eighths of a block.
const PARTS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// Bucket widths tried, narrowest first: 4 % of the value, up to one for all of 64 bits.
const BUCKETS_PER_OCTAVE: [f64; 10] = [16.0, 8.0, 4.0, 3.0, 2.0, 1.0, 0.5, 0.25, 0.125, 1.0 / 65.0];

/// Lines of an `.hgrm` from one halving of what is left above to the next: HdrHistogram's own default.
const STEPS_PER_HALVING: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn recorder(values: impl IntoIterator<Item = u64>) -> Recorder {
        let mut recorder = Recorder::new();
        values.into_iter().for_each(|value| recorder.record(value));
        recorder
    }

    #[test]
    fn durations_print_three_digits() {
        for (value_ns, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (67_649, "67.6 µs"),
            (99_960, "100 µs"),
            (1_300_000, "1.30 ms"),
            (2_000_000_000, "2.00 s"),
        ] {
            assert_eq!(Ns(value_ns).to_string(), text);
        }
        assert_eq!(format!("{:>9}|{:<9}|", Ns(5), Ns(5_000)), "     5 ns|5.00 µs  |");
    }

    #[test]
    fn table_names_every_percentile() {
        let table = recorder(1..=1_000).table().to_string();
        for name in ["count", "p50", "p90", "p99", "p99.9", "p99.99", "max", "mean"] {
            assert!(table.lines().any(|line| line.split_whitespace().next() == Some(name)), "{name} in {table}");
        }
    }

    #[test]
    fn hgrm_is_hdrhistograms_text() {
        let mut out = Vec::new();
        recorder([100, 200, 300, 400]).write_hgrm(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "       Value     Percentile TotalCount 1/(1-Percentile)");
        assert_eq!(lines[1], "");
        assert_eq!(lines[2], "     100.000 0.000000000000          1           1.00");
        assert!(lines.contains(&"     400.000 1.000000000000          4"));
        assert!(lines.contains(&"#[Max     =      400.000, Total count    =            4]"));
        assert_eq!(lines.last(), Some(&"#[Buckets =           32, SubBuckets     =         2048]"));
    }

    #[test]
    fn hgrm_counts_never_fall_and_end_at_the_total() {
        let mut out = Vec::new();
        recorder((1..5_000).map(|n| n * n)).write_hgrm(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let counts: Vec<u64> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().nth(2).unwrap().parse().unwrap())
            .collect();
        assert!(counts.is_sorted());
        assert_eq!(counts.last(), Some(&4_999));
    }

    #[test]
    fn an_empty_recorder_can_be_written() {
        let mut out = Vec::new();
        Recorder::new().write_hgrm(&mut out).unwrap();
        assert!(!out.is_empty());
        assert_eq!(Recorder::new().bars(10, 10).to_string(), "");
        assert!(Recorder::new().summary().to_json().contains("\"count\":0"));
    }

    #[test]
    fn json_is_one_object_of_numbers() {
        let json = recorder([5, 5]).summary().to_json();
        assert_eq!(
            json,
            "{\"count\":2,\"min_ns\":5,\"p50_ns\":5,\"p90_ns\":5,\"p99_ns\":5,\"p999_ns\":5,\"p9999_ns\":5,\
             \"max_ns\":5,\"mean_ns\":5.0}"
        );
    }

    #[test]
    fn bars_stay_within_rows_and_width() {
        let spread = recorder((0..60).map(|power| 1 << power).chain([0, u64::MAX]));
        for rows in [1, 2, 7, 20, 100] {
            for width in [0, 1, 10, 60] {
                let bars = spread.bars(rows, width);
                assert!(bars.rows.len() <= rows);
                let text = bars.to_string();
                let blocks = |line: &str| line.chars().filter(|c| ('▁'..='█').contains(c) || PARTS.contains(c)).count();
                assert!(text.lines().all(|line| blocks(line) <= width.max(1)), "{text}");
            }
        }
    }

    #[test]
    fn bars_lose_no_value_and_fold_what_is_empty() {
        let recorder = recorder((0..1_000).map(|n| 250 + n % 50).chain([5_000_000]));
        let rows = recorder.bars(20, 40).rows;
        assert!(rows.contains(&Row::Gap));
        let counted: u64 = rows.iter().map(|row| if let Row::Bucket { count, .. } = row { *count } else { 0 }).sum();
        assert_eq!(counted, 1_001);
        for row in rows {
            assert!(matches!(row, Row::Gap | Row::Bucket { count: 1.., .. }));
        }
    }

    #[test]
    fn rarest_bucket_still_shows() {
        assert_eq!(bar(1, 1_000_000, 10), "▏");
        assert_eq!(bar(0, 10, 10), "");
        assert_eq!(bar(10, 10, 3), "███");
        assert_eq!(bar(5, 10, 3), "█▌");
    }
}
