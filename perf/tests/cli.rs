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
    for part in [
        "The machine",
        "Latency",
        "p99.99",
        "× floor",
        "req-rep",
        "dealer-router",
        "Throughput",
        "Fan-out",
        "distinct topics",
        "Company",
        "one of 8 peers",
        "64 idle sockets",
        "Actors",
        "ping-pong-local",
        "Upkeep",
        "█",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let results: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(out.0.join("results.json")).unwrap()).unwrap();
    assert!(results["calibration"]["line_round_trip"]["p50_ns"].as_u64().unwrap() > 0);
    assert!(!results["latency"].as_array().unwrap().is_empty());
    // All and distinct in process, and all over tcp.
    assert_eq!(results["fanout"].as_array().unwrap().len(), 3);
    let actors = results["actors"].as_array().unwrap();
    assert_eq!(actors.len(), 6);
    assert!(actors.iter().all(|case| case["rows"][0]["each_ns"].as_f64().unwrap() > 0.0), "{actors:?}");
    assert!(results["company"][0]["vs_one_peer"].as_f64().unwrap() > 0.0);
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

fn json(arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&succeeded(&[arguments, &["--json", "-"]].concat())).unwrap()
}

#[test]
fn every_pattern_goes_there_and_back() {
    for pattern in ["pair", "push-pull", "pub-sub", "req-rep", "dealer-router"] {
        let seen = json(&["latency", "--pattern", pattern, "--count", "100", "--warmup", "10"]);
        assert_eq!(seen["pattern"], pattern);
        assert!(seen["p50_ns"].as_u64().unwrap() > 0);
    }
}

#[test]
fn every_pattern_but_requests_goes_one_way() {
    for pattern in ["pair", "push-pull", "pub-sub", "dealer-router"] {
        let seen = json(&["throughput", "--pattern", pattern, "--count", "2000", "--batch", "8"]);
        assert!(seen["msgs_per_s"].as_f64().unwrap() > 0.0, "{pattern}");
    }
}

#[test]
fn fan_out_counts_deliveries() {
    for matching in ["all", "distinct"] {
        let seen = json(&["fanout", "--match", matching, "--subscribers", "4", "--count", "2000"]);
        assert_eq!((seen["match"].as_str(), seen["subscribers"].as_u64()), (Some(matching), Some(4)));
        // A multiple of the floor may round to nothing where others have the processor.
        assert!(seen["vs_floor"].is_number());
        for figure in ["deliveries_per_s", "msgs_per_s", "floor_msgs_per_s"] {
            assert!(seen[figure].as_f64().unwrap() > 0.0, "{figure} {seen}");
        }
        assert!(seen["rows"][0]["name"].as_str().unwrap().contains("Ringway"));
    }
    succeeded(&["fanout", "--subscribers", "3", "--size", "64", "--batch", "16", "--wait", "park", "--count", "500"]);
}

#[test]
fn company_is_compared_with_none() {
    for pattern in ["push-pull", "dealer-router"] {
        let seen = json(&["latency", "--pattern", pattern, "--peers", "20", "--active", "1", "--count", "100"]);
        assert_eq!((seen["peers"].as_u64(), seen["active"].as_u64()), (Some(20), Some(1)));
        assert!(seen["one_peer_p50_ns"].as_f64().unwrap() > 0.0 && seen["vs_one_peer"].as_f64().unwrap() > 0.0);
        let seen = json(&["throughput", "--pattern", pattern, "--peers", "20", "--count", "2000"]);
        assert!(seen["one_peer_msgs_per_s"].as_f64().unwrap() > 0.0 && seen["vs_one_peer"].as_f64().unwrap() > 0.0);
    }
    let seen = json(&["latency", "--idle-sockets", "64", "--count", "100"]);
    assert_eq!(seen["idle_sockets"].as_u64(), Some(64));
    assert!(seen["plain_p50_ns"].as_f64().unwrap() > 0.0 && seen["vs_plain"].as_f64().unwrap() > 0.0);
}

#[cfg(feature = "peers")]
#[test]
fn patterns_are_compared_with_libzmq_polled_and_blocking() {
    let count = ["--count", "200", "--warmup", "10"];
    for (work, pattern) in
        [("ping-pong", "req-rep"), ("ping-pong", "dealer-router"), ("one-way", "pub-sub"), ("one-way", "dealer-router")]
    {
        let seen = json(&[&["compare", "--work", work, "--pattern", pattern][..], &count].concat());
        assert_eq!(seen["pattern"], pattern);
        let names: Vec<&str> =
            seen["rows"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
        for how in ["polled", "blocking"] {
            assert!(names.contains(&format!("libzmq {pattern} {how}").as_str()), "{names:?}");
        }
        assert!(names.iter().any(|name| name.contains("Ringway") && name.contains(pattern)), "{names:?}");
    }
    let seen = json(&["fanout", "--subscribers", "4", "--count", "2000"]);
    for peer in ["libzmq", "ring::broadcast", "disruptor"] {
        assert!(
            seen["rows"].as_array().unwrap().iter().any(|row| row["name"].as_str().unwrap().contains(peer)),
            "{peer}"
        );
    }
}

#[test]
fn every_case_of_actors_ends_as_it_should_in_every_library() {
    for (case, actors, count, units) in [
        ("ping-pong", 2, 200, 200),
        ("ping-pong-local", 2, 200, 200),
        ("counting", 2, 2_000, 2_000),
        ("counting-local", 2, 2_000, 2_000),
        ("fan-in", 8, 300, 2_400),
        ("spawn", 200, 1, 200),
        ("skynet", 200, 1, 200),
        ("fork-join", 5, 300, 1_500),
        ("thread-ring", 10, 105, 100),
        ("big", 10, 50, 1_000),
    ] {
        let size = ["--actors", &actors.to_string(), "--count", &count.to_string()];
        let seen = json(&[&["actors", "--case", case][..], &size].concat());
        assert_eq!((seen["case"].as_str(), seen["count"].as_u64()), (Some(case), Some(units)));
        let has_floor = !matches!(case, "spawn" | "skynet" | "thread-ring" | "big");
        assert_eq!(seen["floor_ns"].as_f64().is_some_and(|ns| ns > 0.0), has_floor, "{seen}");
        assert!(seen["each_ns"].as_f64().unwrap() > 0.0 && seen["per_s"].as_f64().unwrap() > 0.0);
        assert_eq!(seen["vs_floor"].is_number(), has_floor);
        let rows = seen["rows"].as_array().unwrap();
        let peers: &[&str] = if cfg!(feature = "peers") { &["actix", "ractor", "kameo"] } else { &[] };
        for library in [&["Ringway Spin", "Ringway Adaptive"], peers].concat() {
            let row = rows.iter().find(|row| row["name"].as_str().unwrap().contains(library)).unwrap();
            for figure in ["each_ns", "per_s", "total_ns"] {
                assert!(row[figure].as_f64().unwrap() > 0.0, "{figure} {row}");
            }
            assert_eq!(row["vs_floor"].is_number(), has_floor, "{row}");
            assert_eq!(row["each_bytes"].as_f64().is_some_and(|bytes| bytes > 0.0), case == "spawn", "{row}");
        }
    }
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
        (&["throughput", "--pattern", "req-rep"], "round trips only"),
        (&["latency", "--peers", "8"], "push-pull or dealer-router"),
        (&["throughput", "--pattern", "push-pull", "--peers", "8", "--senders", "2"], "one sender"),
        (&["latency", "--pattern", "req-rep", "--idle-sockets", "64"], "--pattern pair"),
        (&["fanout", "--match", "none"], "distinct"),
        (&["latency", "--json", "/nonexistent/ringway/x.json", "--count", "1"], "/nonexistent/ringway/x.json"),
        (&["latency", "--size", "7"], "8 bytes"),
        (&["latency", "--pin", "70000,70001"], "not among the usable ones"),
        (&["latency", "--wait", "never"], "adaptive"),
        (&["actors", "--case", "big", "--actors", "1"], "two --actors"),
        (&["dance"], "unrecognized"),
    ] {
        let output = run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text(&output.stderr).contains(said), "{said} in {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    }
}
