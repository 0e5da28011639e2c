//! The program as it is run: results on standard output, errors on standard error, and exit codes.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
    sync::{Mutex, PoisonError},
};

/// One at a time: each pins threads that spin to the same two CPUs.
static TURN: Mutex<()> = Mutex::new(());

fn run(arguments: &[&str]) -> Output {
    // Nothing under it can be left invalid by a test that failed.
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let program =
        Command::new(env!("CARGO_BIN_EXE_ringway-perf")).args(arguments).env("RINGWAY_PERF_QUICK", "1").output();
    program.expect("the program was built with this test")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn succeeded(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// A folder of this test's own, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        Self(std::env::temp_dir().join(format!("ringway-perf-{test}-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn tour_measures_everything_and_writes_its_files() {
    let out = Folder::new("tour");
    let shown = succeeded(&["--out", out.0.to_str().unwrap()]);
    for part in ["The machine", "Latency", "p99.99", "× floor", "Throughput", "Upkeep", "█"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let results: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(out.0.join("results.json")).unwrap()).unwrap();
    assert!(results["calibration"]["line_round_trip"]["p50_ns"].as_u64().unwrap() > 0);
    assert!(!results["latency"].as_array().unwrap().is_empty());
    assert!(fs::read_to_string(out.0.join("latency.svg")).unwrap().contains("<svg"));
}

#[test]
fn latency_as_json_is_all_that_is_printed() {
    let shown = succeeded(&["latency", "--size", "64", "--count", "100", "--warmup", "10", "--json", "-"]);
    let json: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(json["transport"], "inproc");
    assert_eq!(json["size"], 64);
    assert!(json["p50_ns"].as_u64().unwrap() > 0);
    assert_eq!(json.as_object().unwrap().len(), 15);
}

#[test]
fn histogram_and_plot_go_where_they_are_told() {
    let out = Folder::new("files");
    fs::create_dir_all(&out.0).unwrap();
    let (hgrm, plot) = (out.0.join("a.hgrm"), out.0.join("a.svg"));
    let (hgrm_name, plot_name) = (hgrm.to_str().unwrap(), plot.to_str().unwrap());
    succeeded(&["latency", "--rate", "1000", "--count", "20", "--hgrm", hgrm_name, "--plot", plot_name]);
    assert!(fs::read_to_string(hgrm).unwrap().contains("#[Max"));
    assert!(fs::read_to_string(plot).unwrap().contains("<svg"));
}

#[test]
fn what_cannot_be_measured_is_said_and_fails() {
    for (arguments, said) in [
        (&["throughput", "--senders", "2"][..], "push-pull"),
        (&["latency", "--json", "/nonexistent/ringway/x.json", "--count", "1"], "/nonexistent/ringway/x.json"),
        (&["latency", "--size", "7"], "8 bytes"),
        (&["latency", "--pin", "70000,70001"], "not among the usable ones"),
        (&["latency", "--wait", "never"], "adaptive"),
        (&["dance"], "unrecognized"),
    ] {
        let output = run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text(&output.stderr).contains(said), "{said} in {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    }
}
