//! The program as it is run: two processes, over tcp and ipc.
//!
//! What is measured on the way means nothing here: every byte is checked, and whatever is wrong fails the program.

#![cfg(target_os = "linux")]

use std::{process::Command, time::Instant};

use serde_json::Value;

fn perf(line: &str) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_ringway-perf")).args(line.split_whitespace()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn json(line: &str) -> Value {
    let text = perf(&format!("{line} --quick --json -")).unwrap_or_else(|error| panic!("{line}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{line}: {error}: {text}"))
}

#[test]
fn every_pattern_goes_there_and_back() {
    for transport in ["tcp", "ipc"] {
        for pattern in ["pair", "push-pull", "pub-sub", "req-rep", "dealer-router"] {
            let json = json(&format!("latency --transport {transport} --pattern {pattern} --size 64 --count 200"));
            assert_eq!(json["transport"], transport);
            assert!(json["count"].as_u64().unwrap() > 0, "{json}");
            assert!(json["floor_ns"].as_u64().unwrap() > 0, "{json}");
            assert!(json["blocking_floor_ns"].as_u64().unwrap() > 0, "{json}");
        }
    }
}

#[test]
fn every_pattern_streams() {
    for pattern in ["pair", "push-pull", "pub-sub", "dealer-router"] {
        for batch in [1, 64] {
            let json = json(&format!("throughput --transport tcp --pattern {pattern} --batch {batch} --count 5000"));
            assert!(json["msgs_per_s"].as_f64().unwrap() > 0.0, "{json}");
            assert!(json["floor_msgs_per_s"].as_f64().unwrap() > 0.0, "{json}");
        }
    }
    assert!(perf("throughput --transport tcp --pattern req-rep --quick").unwrap_err().contains("round trips only"));
}

#[test]
fn callers_drive_and_large_messages_pass() {
    for line in [
        "latency --transport tcp --context caller-driven --count 100",
        "throughput --transport tcp --pattern push-pull --context caller-driven --count 3000",
        "throughput --transport ipc --pattern push-pull --size 1m --count 40 --warmup 2",
        "latency --transport tcp --rate 1000 --count 50",
    ] {
        json(line);
    }
}

#[test]
fn company_comes_before_it_begins() {
    let json = json("throughput --transport tcp --pattern push-pull --peers 20 --active 1 --count 3000");
    assert_eq!(json["peers"], 20);
    assert!(json["vs_one_peer"].as_f64().unwrap() > 0.0, "{json}");
}

#[test]
fn everybody_gets_everything() {
    for matching in ["all", "distinct"] {
        let json =
            json(&format!("fanout --transport tcp --subscribers 4 --match {matching} --count 2000 --wait adaptive"));
        assert!(json["deliveries_per_s"].as_f64().unwrap() > 0.0, "{json}");
    }
}

#[test]
fn connections_are_made_kept_and_ended() {
    let churn = json("churn");
    assert!(churn["cycles_per_s"].as_f64().unwrap() > 0.0, "{churn}");
    let connect = json("connect --peers 50");
    assert!(connect["seconds"].as_f64().unwrap() > 0.0, "{connect}");
    let text = perf("memory --transport tcp --peers 50 --count 10 --json -").unwrap();
    let memory: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(memory["measured_peers"], 50);
}

#[test]
fn memory_is_shared_over_ipc_and_told() {
    let text = perf("memory --transport ipc --peers 20 --count 5 --json -").unwrap();
    let memory: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(memory["shared"]["measured_links"], 20);
    for side in ["connecting", "accepting"] {
        let side = &memory["shared"][side];
        assert!(side["segment_bytes"].as_f64().unwrap() > 65_536.0, "{memory}");
        assert_eq!(side["mappings"], 2.0, "{memory}");
    }
    let plain = perf("memory --transport ipc --plain --peers 5 --count 5 --json -").unwrap();
    assert!(!plain.contains("segment_bytes"), "{plain}");
    let json = json("fanout --transport ipc --subscribers 4 --count 2000 --wait adaptive");
    assert!(json["deliveries_per_s"].as_f64().unwrap() > 0.0, "{json}");
    assert_eq!(json["floor"], "bare slot ring in shared memory");
}

#[cfg(feature = "peers")]
#[test]
fn others_that_share_memory_bring_every_byte() {
    for line in [
        "--work ping-pong --size 64",
        "--work parked --size 8",
        "--work one-way --size 64k",
        "--work batched --size 64",
    ] {
        let json = json(&format!("compare --transport ipc --peers iceoryx2,shmem-ipc --count 300 {line}"));
        let names: Vec<&str> = json["rows"].as_array().unwrap().iter().filter_map(|row| row["name"].as_str()).collect();
        for name in ["Ringway ipc", "Ringway plain ipc", "iceoryx2", "shmem-ipc"] {
            assert!(names.iter().any(|seen| seen.starts_with(name)), "{line}: {names:?}");
        }
    }
    assert!(perf("compare --work ping-pong --peers iceoryx2 --quick").unwrap_err().contains("no inproc"));
    assert!(perf("compare --work ping-pong --transport ipc --peers rtrb --quick").unwrap_err().contains("no ipc"));
}

#[test]
fn what_stays_within_the_process_is_refused() {
    let began = Instant::now();
    for line in ["churn --transport inproc", "memory --peers 5", "latency --transport tcp --idle-sockets 5 --quick"] {
        assert!(!perf(line).unwrap_err().is_empty(), "{line}");
    }
    assert!(began.elapsed().as_secs() < 20, "a refusal waits for nothing");
}
