//! Latency as pictures: the percentile curve and the density, one above the other, in one SVG.

#![forbid(unsafe_code)]

use std::{error::Error, path::Path};

use plotters::prelude::*;
use ringway::latency::{Ns, Recorder};

use crate::failure::Failure;

/// Draws the recorders, each under its name, and the floor as a line.
pub(crate) fn latency(path: &Path, title: &str, curves: &[(String, &Recorder)], floor_ns: u64) -> Result<(), Failure> {
    draw(path, title, curves, floor_ns)
        .map_err(|error| Failure::Plot { path: path.to_owned(), error: error.to_string() })
}

fn draw(path: &Path, title: &str, curves: &[(String, &Recorder)], floor_ns: u64) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (above, below) = area.titled(title, ("sans-serif", 22))?.split_vertically(SIZE.1 / 2);
    let floor = floor_ns.max(1) as f64;
    let summaries: Vec<_> = curves.iter().map(|(_, recorder)| recorder.summary()).collect();
    let lowest = summaries.iter().map(|seen| seen.min_ns.max(1) as f64).fold(floor, f64::min) * 0.8;
    let highest = summaries.iter().map(|seen| seen.max_ns as f64).fold(floor, f64::max) * 1.25;
    let most = summaries.iter().map(|seen| seen.count as f64).fold(10.0, f64::max);

    let mut chart = ChartBuilder::on(&above)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d((1.0..most).log_scale(), (lowest..highest).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("percentile")
        .y_desc("latency")
        .x_label_formatter(&percentile_label)
        .y_label_formatter(&|value| Ns(*value as u64).to_string())
        .light_line_style(WHITE)
        .draw()?;
    chart
        .draw_series(LineSeries::new([(1.0, floor), (most, floor)], BLACK.mix(0.5)))?
        .label("floor")
        .legend(legend(BLACK.mix(0.5)));
    for (n, (name, recorder)) in curves.iter().enumerate() {
        let color = Palette99::pick(n).mix(1.0);
        chart
            .draw_series(LineSeries::new(percentile_curve(recorder), color.stroke_width(2)))?
            .label(name.clone())
            .legend(legend(color));
    }
    chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).background_style(WHITE.mix(0.8)).draw()?;

    let densities: Vec<Vec<(f64, f64)>> = curves.iter().map(|(_, recorder)| density(recorder)).collect();
    let densest = densities.iter().flatten().map(|(_, share)| *share).fold(0.0, f64::max).max(0.01);
    let mut chart = ChartBuilder::on(&below)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d((lowest..highest).log_scale(), 0.0..densest * 1.05)?;
    chart
        .configure_mesh()
        .x_desc("latency")
        .y_desc("share of messages")
        .x_label_formatter(&|value| Ns(*value as u64).to_string())
        .y_label_formatter(&|share| format!("{:.0} %", share * 100.0))
        .light_line_style(WHITE)
        .draw()?;
    chart.draw_series(LineSeries::new([(floor, 0.0), (floor, densest)], BLACK.mix(0.5)))?;
    for (n, points) in densities.into_iter().enumerate() {
        let color = Palette99::pick(n);
        chart.draw_series(AreaSeries::new(points, 0.0, color.mix(0.2)).border_style(color))?;
    }
    area.present()?;
    Ok(())
}

/// Points of 1 / (1 - quantile) against latency: equal steps for each further nine.
fn percentile_curve(recorder: &Recorder) -> Vec<(f64, f64)> {
    let most = recorder.len().max(1) as f64;
    let steps = (most.log10() * STEPS_PER_NINE).ceil() as i32;
    (0..=steps)
        .map(|step| {
            let rarity = 10_f64.powf(f64::from(step) / STEPS_PER_NINE).min(most);
            (rarity, recorder.quantile_ns(1.0 - 1.0 / rarity).max(1) as f64)
        })
        .collect()
}

/// The share of all messages in each of narrow logarithmic buckets, as steps.
fn density(recorder: &Recorder) -> Vec<(f64, f64)> {
    let seen = recorder.summary();
    if seen.count == 0 {
        return Vec::new();
    }
    let edge = |bucket: i32| (f64::from(bucket) / BUCKETS_PER_OCTAVE).exp2();
    let bucket_of = |value_ns: u64| ((value_ns.max(1) as f64).log2() * BUCKETS_PER_OCTAVE).floor() as i32;
    let mut below = 0.0;
    (bucket_of(seen.min_ns)..=bucket_of(seen.max_ns))
        .flat_map(|bucket| {
            let until = recorder.share_below(edge(bucket + 1) as u64);
            let share = until - below;
            below = until;
            [(edge(bucket), share), (edge(bucket + 1), share)]
        })
        .collect()
}

fn percentile_label(rarity: &f64) -> String {
    match *rarity {
        ..1.5 => "0 %".to_owned(),
        rarity => {
            let nines = rarity.log10().round() as usize;
            format!("{:.*} %", nines.saturating_sub(2), 100.0 - 100.0 / rarity)
        }
    }
}

/// The short line beside a name.
fn legend(color: RGBAColor) -> impl Fn((i32, i32)) -> PathElement<(i32, i32)> {
    move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2))
}

/// Width and height in pixels.
const SIZE: (u32, u32) = (1_000, 900);

/// Points of a curve from 90 % to 99 %, and so on.
const STEPS_PER_NINE: f64 = 30.0;

/// Buckets of the density: 4 % wide.
const BUCKETS_PER_OCTAVE: f64 = 16.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn recorder(values: impl IntoIterator<Item = u64>) -> Recorder {
        let mut recorder = Recorder::new();
        values.into_iter().for_each(|value| recorder.record(value));
        recorder
    }

    #[test]
    fn density_loses_nothing() {
        let shares: f64 = density(&recorder((1..2_000).chain([5_000_000]))).iter().map(|(_, share)| share / 2.0).sum();
        assert!((shares - 1.0).abs() < 0.01, "{shares}");
    }

    #[test]
    fn curve_rises_to_the_maximum() {
        let curve = percentile_curve(&recorder(1..=1_000));
        assert!(curve.is_sorted_by(|one, other| one.0 <= other.0 && one.1 <= other.1));
        assert!(curve.last().unwrap().1 >= 999.0);
    }

    #[test]
    fn labels_are_percentiles() {
        assert_eq!(
            [1.0, 10.0, 100.0, 1_000.0, 10_000.0].map(|rarity| percentile_label(&rarity)),
            ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"]
        );
    }

    #[test]
    fn a_plot_is_written_even_of_nothing() {
        let path = std::env::temp_dir().join(format!("ringway-perf-plot-{}.svg", std::process::id()));
        for recorder in [Recorder::new(), recorder([300]), recorder((200..5_000).chain([9_000_000]))] {
            latency(&path, "a title", &[("a name".to_owned(), &recorder)], 271).unwrap();
            let svg = std::fs::read_to_string(&path).unwrap();
            assert!(svg.contains("<svg") && svg.contains("a title") && svg.contains("a name"));
        }
        std::fs::remove_file(&path).unwrap();
        let nowhere = Path::new("/nonexistent/ringway/plot.svg");
        assert!(matches!(latency(nowhere, "t", &[], 271), Err(Failure::Plot { .. })));
    }
}
