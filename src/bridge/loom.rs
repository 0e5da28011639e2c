//! A worker beside its sockets over the interleavings the memory model allows, with a bound on preemptions.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p ringway --release --lib --target-dir target/loom bridge -- --nocapture`

#![forbid(unsafe_code)]

use super::models;
use crate::explore::prove;

/// Of sockets that are looked at until the last look before a sleep.
const HOT: &[&str] = &["actor-source-unlooked", "actor-source-unannounced", "waiter-no-second-look", "waiter-no-fence"];
/// Also of those that say themselves that they are ready.
const ALL: &[&str] = &[
    "actor-source-unlooked",
    "actor-source-unannounced",
    "poll-mark-no-fence",
    "waiter-no-second-look",
    "waiter-no-fence",
];

#[test]
fn a_worker_that_sleeps_is_woken_by_its_socket() {
    prove("written_to(1, 1, 8)", 2, || models::written_to(1, 1, 8), HOT);
}

#[test]
fn by_each_of_two() {
    prove("written_to(2, 1, 8)", 2, || models::written_to(2, 1, 8), ALL);
}

#[test]
fn what_found_no_room_is_told_when_there_is_some() {
    prove("written_to(1, 2, 1)", 2, || models::written_to(1, 2, 1), ALL);
}

#[test]
fn rings_and_sockets_end_the_same_sleep() {
    prove("written_to_and_told", 2, models::written_to_and_told, ALL);
}

#[test]
fn room_to_send_is_told() {
    prove("carried", 2, models::carried, HOT);
}

#[test]
fn a_socket_that_goes_hides_none_that_stays() {
    prove("written_to_at_its_end", 2, models::written_to_at_its_end, ALL);
}
