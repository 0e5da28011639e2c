//! pyzmq's own test suite, unmodified: on the libzmq that comes with it, and on this library, test by test.
//!
//! `cargo test -p ringway-zmq --release --features interop --test pyzmq_suite -- --nocapture`
//!
//! What passes there passes here, except what `exceptions.txt` lists; see docs/capi.md. For work on a failure:
//! `RINGWAY_SUITE_FILES="test_poll test_socket"` runs these files only, `RINGWAY_SUITE_RUNS=10` runs this library's side
//! more often than once, `RINGWAY_SUITE_PACKAGES="gevent numpy cython setuptools"` has more of its tests run, which skip
//! themselves without these, `RINGWAY_SUITE_PATIENCE=10` waits so many seconds for something to happen, and
//! `RINGWAY_ZMQ_LIBRARY=path` takes another library. What the tests print is kept in `target/tmp/pyzmq-suite`.

#![cfg(all(feature = "interop", not(any(loom, shuttle, miri))))]
#![forbid(unsafe_code)]

mod exceptions;
#[path = "../library/mod.rs"]
mod library;
#[path = "../python/mod.rs"]
mod python;
mod run;

use std::{collections::BTreeMap, env, path::Path, time::Instant};

use exceptions::{Exception, Exceptions};
use run::{Outcome, Outcomes, Side};

#[test]
fn what_passes_on_libzmq_passes_here() {
    let suite = python::suite();
    library::check_preloading(python::python());
    let files = run::files(&suite);
    let mut exceptions = exceptions::parse(include_str!("exceptions.txt")).expect("the list is in order");
    exceptions.retain(|test, _| files.iter().any(|file| is_of(test, file)));

    let stock = run_all(Side::Stock, &suite, &files, "stock", &exceptions);
    let mut wrong = exceptions::unknown(&stock, &exceptions);
    for (test, outcome) in &stock {
        if let Outcome::Failed(why) = outcome {
            println!("fails on libzmq, so anything goes: {test}: {why}");
        }
    }
    let runs = env::var("RINGWAY_SUITE_RUNS").map_or(1, |text| text.parse().expect("a number of runs"));
    for number in 1..=runs {
        let name = format!("ours-{number}");
        let ours = run_all(Side::Ours, &suite, &files, &name, &exceptions);
        for complaint in exceptions::complaints(&stock, &ours, &exceptions) {
            println!("{name}: {complaint}");
            wrong.push(format!("{name}: {complaint}"));
        }
    }
    assert!(wrong.is_empty(), "{} tests fare otherwise than they should:\n{}", wrong.len(), wrong.join("\n"));
}

/// Runs `files`, in order. One with a flaky test that failed is tried again, as a whole: what such a test leaves behind
/// may have made others fail.
fn run_all(side: Side, suite: &Path, files: &[String], name: &str, exceptions: &Exceptions) -> Outcomes {
    let began = Instant::now();
    let logs = run::logs(name);
    let mut all = Outcomes::new();
    for file in files {
        let has_flaky = exceptions.iter().any(|(test, exception)| *exception == Exception::Flaky && is_of(test, file));
        let mut outcomes = run::run_file(side, suite, file, &logs, has_flaky);
        for attempt in 2..=ATTEMPTS {
            let is_flaky = |(test, outcome): (&String, &Outcome)| {
                matches!(outcome, Outcome::Failed(_)) && exceptions.get(test) == Some(&Exception::Flaky)
            };
            if outcomes.iter().any(is_flaky) {
                println!("{name}: {file} has a flaky test that failed: attempt {attempt}");
                outcomes = run::run_file(side, suite, file, &logs, has_flaky);
            }
        }
        all.extend(outcomes);
    }
    let mut counts = BTreeMap::from([("passed", 0), ("skipped", 0), ("failed", 0)]);
    for outcome in all.values() {
        let kind = match outcome {
            Outcome::Passed => "passed",
            Outcome::Skipped(_) => "skipped",
            Outcome::Failed(_) => "failed",
        };
        *counts.entry(kind).or_insert(0) += 1;
    }
    println!("{name}: {counts:?} in {} s", began.elapsed().as_secs());
    all
}

fn is_of(test: &str, file: &str) -> bool {
    test.strip_prefix(file).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// At a file with a flaky test. The one there is loses its race every second time, on either side.
const ATTEMPTS: u32 = 12;
