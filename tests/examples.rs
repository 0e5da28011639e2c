//! Runs every example as its first line says, with a small count, and checks what it prints.
//!
//! `cargo test` builds the examples next to the tests; a run of this test alone does not.

#![cfg(not(any(loom, shuttle, miri)))]

use std::{
    env::{self, consts::EXE_SUFFIX},
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
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
fn wrong_flags_are_named() {
    for (flags, complaint) in [
        (&["--cuont", "1"][..], "unknown flag --cuont"),
        (&["--count", "many"], "--count needs a whole number"),
        (&["--count"], "--count needs a whole number"),
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
    assert_eq!(names, ["pipeline", "relay", "typed_channel"], "another example needs another test here");
}
