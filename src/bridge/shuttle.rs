//! A worker beside its sockets over sampled schedules of longer programs.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p ringway --release --lib --target-dir target/shuttle bridge -- --nocapture`

#![forbid(unsafe_code)]

use super::models;
use crate::explore::prove;

const PLANTS: &[&str] = &["actor-source-unlooked", "actor-source-unannounced", "waiter-no-second-look"];

#[test]
fn a_worker_that_sleeps_is_woken_by_its_sockets() {
    prove("written_to(3, 4, 8)", || models::written_to(3, 4, 8), PLANTS);
    prove("written_to(2, 6, 1)", || models::written_to(2, 6, 1), PLANTS);
}

#[test]
fn rings_and_sockets_end_the_same_sleep() {
    prove("written_to_and_told", models::written_to_and_told, PLANTS);
    prove("carried", models::carried, PLANTS);
    prove("written_to_at_its_end", models::written_to_at_its_end, PLANTS);
}
