//! Pipes over sampled schedules of longer programs.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p ringway --release --lib --target-dir target/shuttle pipe -- --nocapture`

#![forbid(unsafe_code)]

use super::models;
use crate::explore::{assert_caught, explore};

#[test]
fn everything_arrives() {
    explore("everything_arrives(3, 4)", || models::everything_arrives(3, 4));
}

#[test]
fn comings_and_goings() {
    explore("comings_and_goings(4, 4)", || models::comings_and_goings(4, 4));
}

#[test]
fn full_pipes_are_parked() {
    explore("parked(2)", || models::parked(2));
}

#[test]
fn a_signal_that_ends_a_wait_costs_no_room() {
    explore("interrupted_for_room(2)", || models::interrupted_for_room(2));
}

#[test]
fn the_newest_message_arrives() {
    explore("exchanged(20, 10)", || models::exchanged(20, 10));
    explore("newest_arrives(6, 2)", || models::newest_arrives(6, 2));
    explore("conflating_closed_from_both_ends(6, 4)", || models::conflating_closed_from_both_ends(6, 4));
}

/// shuttle's memory is sequentially consistent: missing fences are loom's to catch, missing steps are caught here too.
#[test]
fn planted_bugs_are_caught() {
    assert_caught("waiter-no-second-look", || models::everything_arrives(2, 3));
    assert_caught("crew-arm-no-recheck", || models::armed(2));
    assert_caught("crew-park-no-recheck", || models::parked(2));
    assert_caught("hub-vacate-silent", models::left_while_sending);
    assert_caught("conflate-push-in-two-steps", || models::exchanged(20, 10));
    assert_caught("conflate-pop-in-two-steps", || models::exchanged(20, 10));
    assert_caught("conflate-stays-fresh", || models::exchanged(20, 10));
    assert_caught("conflate-untaken-silent", || models::conflating_closed_from_both_ends(6, 4));
}
