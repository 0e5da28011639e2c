//! Runs every example as its first line says, with a small count, and checks what it prints.
//!
//! `cargo test` builds the examples next to the tests; a run of this test alone does not.

#![cfg(not(any(loom, shuttle, miri)))]

use std::{
    env::{self, consts::EXE_SUFFIX},
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// From `<target>/<profile>/deps/examples-…` to `<target>/<profile>/examples/<name>`, wherever the target folder is.
fn built(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a running test has a path");
    let profile = test.parent().and_then(Path::parent).expect("tests lie two folders deep");
    let path = profile.join("examples").join(format!("{name}{EXE_SUFFIX}"));
    assert!(path.exists(), "{} is missing: run `cargo test`, or `cargo build --examples` first", path.display());
    path
}

fn run(name: &str, flags: &[&str]) -> Output {
    Command::new(built(name)).args(flags).output().expect("the example starts")
}

/// The lines a successful run prints.
fn lines(name: &str, flags: &[&str]) -> Vec<String> {
    let output = run(name, flags);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {flags:?}: {}: {error}", output.status);
    assert_eq!(error, "", "{name} has nothing to complain about");
    String::from_utf8(output.stdout).expect("examples print text").lines().map(str::to_owned).collect()
}

#[test]
fn relay_keeps_order() {
    assert_eq!(lines("relay", &["--count", "5000"]), ["5000 signals through 3 threads, all in order"]);
    assert_eq!(lines("relay", &["--count", "0"]), ["0 signals through 3 threads, all in order"]);
}

#[test]
fn pipeline_adds_up_and_every_worker_works() {
    for workers in [1, 3, 12] {
        let count: u64 = 3000;
        let lines = lines("pipeline", &["--count", &count.to_string(), "--workers", &workers.to_string()]);
        let (shares, totals) = lines.split_at(workers);
        let share = |line: &String| -> u64 { line.split(' ').nth(2).unwrap().parse().unwrap() };
        assert!(shares.iter().all(|line| line.starts_with("worker ") && share(line) > 0), "{shares:?}");
        assert_eq!(shares.iter().map(share).sum::<u64>(), count);
        let total = count * (count + 1) * (2 * count + 1) / 6;
        assert_eq!(totals, [format!("total {total} of {count} results"), "lost 0".to_owned()]);
    }
}

#[test]
fn typed_channel_delivers_everything() {
    let lines = lines("typed_channel", &["--count", "5000"]);
    let [place, result] = &lines[..] else { panic!("{lines:?}") };
    let alone = ringway::affinity::usable().len() == 1;
    assert_eq!(place == "one usable CPU: running unpinned", alone, "{place}");
    assert_eq!(result, &format!("5000 ticks in order, total {}", 3 * (4999 * 5000 / 2)));
}

#[test]
fn hello_world_is_said_and_answered() {
    assert_eq!(lines("hello_world", &["--count", "500"]), ["500 times Hello, 500 times World"]);
    assert_eq!(lines("hello_world", &["--endpoint", "inproc://elsewhere"]), ["10 times Hello, 10 times World"]);
}

#[test]
fn weather_is_of_one_place() {
    let lines = lines("weather", &["--count", "20000", "--zip", "20000"]);
    // Its updates are numbers 0, 100, 200, 300 and 400: 10 to 14 degrees.
    assert_eq!(lines, ["average temperature of 20000: 12", "20000 updates published"]);
}

#[test]
fn broker_answers_all_with_all_workers() {
    for (clients, workers) in [(1, 1), (3, 2), (5, 4)] {
        let (clients_text, workers_text) = (clients.to_string(), workers.to_string());
        let lines = lines("broker", &["--count", "200", "--clients", &clients_text, "--workers", &workers_text]);
        let (shares, totals) = lines.split_at(workers);
        let share = |line: &String| -> u32 { line.split(' ').nth(2).unwrap().parse().unwrap() };
        assert!(shares.iter().all(|line| line.starts_with("worker ") && share(line) > 0), "{shares:?}");
        let all = clients * 200;
        assert_eq!(shares.iter().map(share).sum::<u32>(), all);
        assert_eq!(totals, [format!("{all} requests answered, {all} passed on")]);
    }
}

#[test]
fn multithreaded_server_uses_its_threads() {
    let lines = lines("multithreaded_server", &["--count", "300", "--threads", "3"]);
    assert_eq!(lines, ["the squares of 1 to 300 add up to 9045050", "3 of 3 threads worked"]);
}

#[test]
fn forwarder_passes_on_what_is_wanted() {
    let lines = lines("forwarder", &["--count", "300", "--publishers", "2", "--subscribers", "3"]);
    assert_eq!(
        lines,
        [
            "subscriber 0: 600 messages",
            "subscriber 1: 600 messages",
            "subscriber 2: 600 messages",
            "1800 messages forwarded, 600 that nobody wants stayed"
        ]
    );
}

#[test]
fn two_sources_are_both_served() {
    let lines = lines("two_sources", &["--count", "2000"]);
    assert_eq!(lines, ["2000 tasks and 1000 updates through one poller"]);
}

#[test]
fn coordinated_subscribers_miss_nothing() {
    let lines = lines("coordination", &["--count", "3000", "--subscribers", "3"]);
    assert_eq!(lines[0], "3 subscribers are ready");
    assert_eq!(lines[1..], [0, 1, 2].map(|number| format!("subscriber {number}: 3000 updates and the end")));
}

#[test]
fn durable_subscriber_misses_nothing_over_its_lives() {
    let lines = lines("durable_subscriber", &["--count", "400", "--restarts", "3"]);
    let lives = [(0, 0, 99), (1, 100, 199), (2, 200, 299), (3, 300, 399)];
    assert_eq!(lines, lives.map(|(life, from, to)| format!("life {life}: numbers {from} to {to}")));
}

#[test]
#[cfg(unix)]
fn clean_stop_loses_nothing_that_was_accepted() {
    let accepted = |line: &str| -> (u64, u64) {
        let words: Vec<&str> = line.split([' ', ',']).collect();
        let ["accepted", accepted, "", "done", done, "", "lost", "0"] = words[..] else { panic!("{line}") };
        (accepted.parse().unwrap(), done.parse().unwrap())
    };
    let counted = lines("clean_stop", &["--count", "5000"]);
    assert_eq!(counted[..2], ["ready", "stopped by its count"]);
    assert_eq!(accepted(&counted[2]), (5000, 5000));
    for (signal, name) in [(libc::SIGINT, "SIGINT"), (libc::SIGTERM, "SIGTERM")] {
        let mut child = Command::new(built("clean_stop")).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(output.next().unwrap().unwrap(), "ready");
        let pid = libc::pid_t::try_from(child.id()).unwrap();
        // SAFETY: a signal to a child that has not been waited for, so the number is still its.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
        let rest: Vec<String> = output.map(Result::unwrap).collect();
        assert!(child.wait().unwrap().success());
        assert_eq!(rest[0], format!("stopped by {name}"));
        let (accepted, done) = accepted(&rest[1]);
        assert_eq!(accepted, done);
    }
}

#[test]
fn endpoints_that_are_none_are_named() {
    for (name, flag) in [("hello_world", "--endpoint"), ("broker", "--frontend"), ("weather", "--endpoint")] {
        let output = run(name, &[flag, "smoke://signals"]);
        assert!(!output.status.success(), "{name}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("Endpoint"), "{name}: {error}");
    }
}

#[test]
fn wrong_flags_are_named() {
    for (flags, complaint) in [
        (&["--cuont", "1"][..], "unknown flag --cuont"),
        (&["--count", "many"], "--count needs a whole number"),
        (&["--count"], "--count needs a value"),
    ] {
        let output = run("relay", flags);
        assert!(!output.status.success(), "{flags:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(complaint), "{error}");
    }
}

#[test]
fn every_example_says_how_to_run_it_and_is_tested() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let command = format!("// cargo run --release --example {name} -- --count ");
            assert!(text.starts_with(&command), "line one of {name}");
            names.push(name);
        }
    }
    names.sort();
    assert_eq!(
        names,
        [
            "broker",
            "clean_stop",
            "coordination",
            "durable_subscriber",
            "forwarder",
            "hello_world",
            "multithreaded_server",
            "pipeline",
            "relay",
            "two_sources",
            "typed_channel",
            "weather"
        ],
        "another example needs another test here"
    );
}
