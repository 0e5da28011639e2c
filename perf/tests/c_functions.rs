//! `ringway-perf capi` as it is run: two processes and more, and libraries that are found while it runs.
//!
//! With feature `peers`, which is for those who have libzmq, both sides are libzmq's: what is tested is the measuring.

#![cfg(target_os = "linux")]

use std::process::{Command, Output};

fn run(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringway-perf")).args(line.split_whitespace()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What it says as it fails.
fn refused(line: &str) -> String {
    let output = run(line);
    assert!(!output.status.success(), "{line}: {}", text(&output.stdout));
    assert!(output.stdout.is_empty(), "{line}: {}", text(&output.stdout));
    text(&output.stderr)
}

#[test]
fn a_missing_library_is_said_and_fails() {
    let words = refused("capi --quick --ours /nonexistent/libours.so --theirs /nonexistent/libtheirs.so");
    assert!(words.contains("/nonexistent/libtheirs.so") && words.contains("cannot be used"), "{words}");
    // No build puts it beside a test's program.
    let words = refused("capi --quick");
    assert!(words.contains("libringway_zmq.so") && words.contains("--ours"), "{words}");
}

#[test]
fn a_library_without_the_functions_is_said_and_fails() {
    let words = refused("capi --quick --ours libc.so.6 --theirs libc.so.6 --transport inproc --work one-way");
    assert!(words.contains("libc.so.6") && words.contains("zmq_version"), "{words}");
}

#[test]
fn a_python_without_pyzmq_is_said_and_fails() {
    let words = refused("capi --quick --ours libc.so.6 --python /nonexistent/python3");
    assert!(words.contains("/nonexistent/python3"), "{words}");
}

#[test]
fn what_cannot_be_done_is_refused() {
    let words = refused("capi --ours libc.so.6 --work one-way --pattern req-rep");
    assert!(words.contains("no such work"), "{words}");
}

#[cfg(feature = "peers")]
#[test]
fn every_work_is_done_with_both() {
    // Over one transport: what they do over the others, the other tests between processes and within show.
    let output = run("capi --quick --ours libzmq.so.5 --transport tcp --json -");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 14);
    for row in rows {
        let figure = if row["work"] == "round-trip" { "p50_ns" } else { "msgs_per_s" };
        for side in [row, &row["theirs"]] {
            assert!(side[figure].as_f64().unwrap() > 0.0 && side["count"].as_u64().unwrap() > 0, "{row}");
        }
        assert!(row["vs_theirs"].is_number() && row["vs_floor"].is_number(), "{row}");
    }
    assert!(json["theirs"]["version"].as_str().unwrap().starts_with("4."), "{json}");
}
