//! Lanes over the interleavings the memory model allows, with a bound on preemptions. A ring has 64 or 128 bytes here.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p ringway --release --lib --target-dir target/loom shared -- --nocapture`

#![forbid(unsafe_code)]

use super::models::{self, LoanEnds};
use crate::explore::prove;

#[test]
fn messages_cross_once_in_order_and_on_credit() {
    let plants = ["lane-taken-early", "lane-partial-ignored", "lane-position-release", "lane-foreign-no-fence"];
    prove("all_cross(4, 2, 1, 2)", 2, || models::all_cross(4, 2, 1, 2), &plants);
}

#[test]
fn what_a_session_has_to_say_comes_first() {
    let plants = ["lane-held-ignored", "lane-base-stays", "pen-given-away", "pen-release", "pen-acquire"];
    prove("hello_is_first(3, 2)", 3, || models::hello_is_first(3, 2), &plants);
}

#[test]
fn what_a_peer_did_not_take_is_left_over() {
    let plants = [
        "lane-close-no-fence",
        "lane-queue-no-fence",
        "lane-queued-release",
        "lane-queued-acquire",
        "lane-over-ignored",
        "pen-release",
        "pen-acquire",
    ];
    prove("none_is_lost(0, 2, 1)", 4, || models::none_is_lost(0, 2, 1), &plants);
    prove(
        "none_is_lost(4, 2, 1)",
        4,
        || models::none_is_lost(4, 2, 1),
        &["lane-close-no-fence", "lane-queue-no-fence"],
    );
}

#[test]
fn a_ring_that_is_replaced_loses_nothing() {
    let plants = ["record-commit-relaxed", "record-peek-relaxed"];
    prove("all_cross_over(2, 1, 2)", 2, || models::all_cross_over(2, 1, 2), &plants);
    prove("none_is_lost_between(2, 2, 2)", 3, || models::none_is_lost_between(2, 2, 2), &["lane-old-forgotten"]);
}

#[test]
fn what_is_lent_is_written_by_one() {
    let plants = ["lane-lent-ignored", "lane-loan-untold"];
    prove("a_loan_is_left_alone(Committed)", 4, || models::a_loan_is_left_alone(LoanEnds::Committed), &plants);
    prove("a_loan_is_left_alone(Dropped)", 4, || models::a_loan_is_left_alone(LoanEnds::Dropped), &plants[1..]);
    prove("a_loan_is_left_alone(Forgotten)", 4, || models::a_loan_is_left_alone(LoanEnds::Forgotten), &plants[1..]);
}

#[test]
fn what_is_lent_keeps_its_ring() {
    let plants = ["lane-lent-ignored", "lane-loan-untold"];
    prove("a_loan_keeps_its_ring(Committed, 2)", 3, || models::a_loan_keeps_its_ring(LoanEnds::Committed, 2), &plants);
    prove("a_loan_keeps_its_ring(Dropped, 1)", 3, || models::a_loan_keeps_its_ring(LoanEnds::Dropped, 1), &plants[1..]);
    prove(
        "a_loan_keeps_its_ring(Forgotten, 1)",
        3,
        || models::a_loan_keeps_its_ring(LoanEnds::Forgotten, 1),
        &plants[1..],
    );
}

#[test]
fn what_is_lent_when_a_peer_goes_is_not_lost() {
    prove("a_loan_outlives_its_lane(1, 1)", 4, || models::a_loan_outlives_its_lane(1, 1), &["lane-over-ignored"]);
}

#[test]
fn what_came_before_the_end_is_not_missed() {
    prove("last_ones_come(1, 2)", 4, || models::last_ones_come(1, 2), &["lane-over-release", "lane-over-acquire"]);
}

#[test]
fn a_sleeping_reader_gets_what_is_sent() {
    // The first is always told of: a lane is announced to from its beginning.
    prove("short_ones_wake(1)", 4, || models::short_ones_wake(1), &[]);
    prove(
        "short_ones_wake(2)",
        4,
        || models::short_ones_wake(2),
        &["lane-send-no-fence", "lane-announces-once", "lane-drains-late"],
    );
}

#[test]
fn a_sleeping_reader_gets_what_comes_in_parts() {
    let plants = ["lane-announces-once", "lane-load-no-fence", "epoch-waker-no-fence", "epoch-sleeper-no-fence"];
    prove("long_one_wakes", 3, models::long_one_wakes, &plants);
}

#[test]
fn who_is_woken_for_nothing_is_woken_again() {
    prove("armed_one_wakes([], long)", 2, || models::armed_one_wakes(&[], models::LONG), &["crew-heat-silent"]);
    prove("armed_one_wakes([1], 1)", 4, || models::armed_one_wakes(&[1], 1), &["crew-heat-silent"]);
}

#[test]
fn what_comes_to_share_memory_wakes() {
    let plants = ["crew-adopt-silent", "crew-adopt-no-fence"];
    prove("adopted_one_wakes(hot)", 3, || models::adopted_one_wakes(false), &plants);
    prove("adopted_one_wakes(armed)", 3, || models::adopted_one_wakes(true), &["crew-adopt-unlooking"]);
}

#[test]
fn what_the_owner_put_on_its_way_is_moved_on() {
    let plants = ["end-rests-beside-its-lane", "end-rests-unlooking"];
    prove("who_rests_is_told([long])", 3, || models::who_rests_is_told(&[models::LONG]), &plants);
    prove("who_rests_is_told([long, 1])", 2, || models::who_rests_is_told(&[models::LONG, 1]), &plants[1..]);
}

#[test]
fn a_sleeping_sender_gets_credit() {
    let plants = ["epoch-waker-no-fence", "epoch-sleeper-no-fence"];
    prove("credit_wakes(1)", 4, || models::credit_wakes(1), &plants);
    prove("credit_wakes(2)", 3, || models::credit_wakes(2), &plants);
}
