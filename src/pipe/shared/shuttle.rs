//! Lanes over sampled schedules of longer programs.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p ringway --release --lib --target-dir target/shuttle shared -- --nocapture`

#![forbid(unsafe_code)]

use super::models::{self, LoanEnds};
use crate::sync::with_plant;

const RANDOM_EXECUTIONS: usize = 5_000;
/// Priority-based schedules with few switches, which find bugs that need a thread to stand still for long.
const PRIORITY_EXECUTIONS: usize = 5_000;
const PRIORITY_DEPTH: usize = 3;

fn explore(name: &str, program: fn()) {
    shuttle::check_random(program, RANDOM_EXECUTIONS);
    shuttle::check_pct(program, PRIORITY_EXECUTIONS, PRIORITY_DEPTH);
    println!("shuttle {name}: {} executions", RANDOM_EXECUTIONS + PRIORITY_EXECUTIONS);
}

fn assert_caught(plant: &'static str, program: fn()) {
    assert!(with_plant(plant, || explore(plant, program)), "{plant} was not caught");
}

#[test]
fn messages_cross_once_in_order_and_on_credit() {
    explore("all_cross(5, 8, 6, 8)", || models::all_cross(5, 8, 6, 8));
    explore("hello_is_first(6, 4)", || models::hello_is_first(6, 4));
}

#[test]
fn what_a_peer_did_not_take_is_left_over() {
    explore("none_is_lost(0, 8, 6)", || models::none_is_lost(0, 8, 6));
    explore("none_is_lost(5, 6, 6)", || models::none_is_lost(5, 6, 6));
}

#[test]
fn a_ring_that_is_replaced_loses_nothing() {
    explore("all_cross_over(3, 8, 8)", || models::all_cross_over(3, 8, 8));
    explore("none_is_lost_between(3, 5, 5)", || models::none_is_lost_between(3, 5, 5));
}

#[test]
fn what_is_lent_is_written_by_one_and_not_lost() {
    explore("a_loan_is_left_alone(Committed)", || models::a_loan_is_left_alone(LoanEnds::Committed));
    explore("a_loan_is_left_alone(Dropped)", || models::a_loan_is_left_alone(LoanEnds::Dropped));
    explore("a_loan_is_left_alone(Forgotten)", || models::a_loan_is_left_alone(LoanEnds::Forgotten));
    explore("a_loan_keeps_its_ring(Committed, 4)", || models::a_loan_keeps_its_ring(LoanEnds::Committed, 4));
    explore("a_loan_keeps_its_ring(Dropped, 4)", || models::a_loan_keeps_its_ring(LoanEnds::Dropped, 4));
    explore("a_loan_keeps_its_ring(Forgotten, 4)", || models::a_loan_keeps_its_ring(LoanEnds::Forgotten, 4));
    explore("a_loan_outlives_its_lane(2, 3)", || models::a_loan_outlives_its_lane(2, 3));
}

#[test]
fn everybody_may_sleep() {
    explore("short_ones_wake(3)", || models::short_ones_wake(3));
    explore("long_one_wakes", models::long_one_wakes);
    explore("armed_one_wakes([long], 1)", || models::armed_one_wakes(&[models::LONG], 1));
    explore("adopted_one_wakes(hot)", || models::adopted_one_wakes(false));
    explore("adopted_one_wakes(armed)", || models::adopted_one_wakes(true));
    explore("who_rests_is_told([long, 1, long])", || models::who_rests_is_told(&[models::LONG, 1, models::LONG]));
    explore("credit_wakes(6)", || models::credit_wakes(6));
    explore("all_sleep(9)", || models::all_sleep(9));
}

/// shuttle's memory is sequentially consistent: missing fences are loom's to catch, missing steps are caught here too.
#[test]
fn planted_bugs_are_caught() {
    assert_caught("lane-taken-early", || models::all_cross(5, 8, 6, 8));
    assert_caught("lane-partial-ignored", || models::all_cross(5, 8, 6, 8));
    assert_caught("lane-held-ignored", || models::hello_is_first(6, 4));
    assert_caught("lane-base-stays", || models::hello_is_first(6, 4));
    assert_caught("lane-old-forgotten", || models::none_is_lost_between(3, 5, 5));
    assert_caught("lane-over-ignored", || models::none_is_lost(0, 8, 6));
    assert_caught("lane-lent-ignored", || models::a_loan_is_left_alone(LoanEnds::Committed));
    assert_caught("lane-loan-untold", || models::a_loan_is_left_alone(LoanEnds::Dropped));
    assert_caught("lane-over-ignored", || models::a_loan_outlives_its_lane(2, 3));
    assert_caught("lane-announces-once", || models::short_ones_wake(3));
    assert_caught("lane-announces-once", || models::all_sleep(9));
    assert_caught("crew-heat-silent", || models::armed_one_wakes(&[], models::LONG));
    assert_caught("crew-adopt-silent", || models::adopted_one_wakes(false));
    assert_caught("crew-adopt-unlooking", || models::adopted_one_wakes(true));
    assert_caught("end-rests-beside-its-lane", || models::who_rests_is_told(&[models::LONG]));
    assert_caught("lane-lent-ignored", || models::a_loan_keeps_its_ring(LoanEnds::Committed, 4));
    assert_caught("lane-loan-untold", || models::a_loan_keeps_its_ring(LoanEnds::Dropped, 4));
}
