//! The sleep protocol over sampled schedules of longer programs.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p ringway --release --lib --target-dir target/shuttle wait -- --nocapture`

#![forbid(unsafe_code)]

use shuttle::{
    Config, Runner,
    scheduler::{PctScheduler, RandomScheduler},
};

use super::models;
use crate::sync::with_plant;

const RANDOM_EXECUTIONS: usize = 20_000;
/// Priority-based schedules with few switches, which find bugs that need a thread to stand still for long.
const PRIORITY_EXECUTIONS: usize = 20_000;
const PRIORITY_DEPTH: usize = 3;

const SEED: u64 = 7;

fn explore(name: &str, program: fn()) {
    shuttle::check_random(program, RANDOM_EXECUTIONS);
    shuttle::check_pct(program, PRIORITY_EXECUTIONS, PRIORITY_DEPTH);
    println!("shuttle {name}: {} executions", RANDOM_EXECUTIONS + PRIORITY_EXECUTIONS);
}

/// Over the same schedules each time: what is caught once is always caught.
fn explore_from_seed(program: fn()) {
    let random = RandomScheduler::new_from_seed(SEED, RANDOM_EXECUTIONS);
    Runner::new(random, Config::default()).run(program);
    let priority = PctScheduler::new_from_seed(SEED, PRIORITY_DEPTH, PRIORITY_EXECUTIONS);
    Runner::new(priority, Config::default()).run(program);
}

fn assert_caught(plant: &'static str, program: fn()) {
    assert!(with_plant(plant, || explore_from_seed(program)), "{plant} was not caught");
}

#[test]
fn messages_are_not_lost() {
    explore("messages(20)", || models::messages(20));
}

#[test]
fn several_wakers_wake_one_waiter() {
    explore("two_wakers(8)", || models::two_wakers(8));
}

#[test]
fn room_is_not_lost_with_asymmetric_fences() {
    explore("room(16)", || models::room(16));
}

#[test]
fn a_target_may_be_displaced_while_a_wake_is_in_flight() {
    explore("displaced_target(8)", || models::displaced_target(8));
}

#[test]
fn a_waiter_may_move_to_another_thread() {
    explore("moved_waiter", models::moved_waiter);
}

#[test]
fn time_outs_leave_nothing_behind() {
    explore("timed_out(3)", || models::timed_out(3));
}

#[test]
fn one_waiter_may_wait_on_two_signals() {
    explore("two_signals", models::two_signals);
}

#[test]
fn a_wake_spent_on_one_taker_reaches_the_other() {
    explore("two_takers", models::two_takers);
}

#[test]
fn a_signal_that_ends_a_park_loses_nothing() {
    explore("interrupted(20)", || models::interrupted(20));
    explore("interrupted_in_anothers_place", models::interrupted_in_anothers_place);
    explore("interrupted_for_room(16)", || models::interrupted_for_room(16));
    explore("interrupted_taker", models::interrupted_taker);
    models::assert_interrupted();
}

/// shuttle's memory is sequentially consistent: missing fences are loom's to catch, missing steps are caught here too.
#[test]
fn planted_bugs_are_caught() {
    assert_caught("waiter-no-second-look", || models::messages(4));
    assert_caught("signal-no-wake", || models::messages(4));
    assert_caught("target-no-unpark", || models::messages(4));
    assert_caught("waiter-keeps-target", models::moved_waiter);
    assert_caught("waiter-keeps-displaced", || models::displaced_target(2));
    assert_caught("crowd-keeps-spent-wakes", models::two_takers);
    assert_caught("crowd-keeps-spent-wakes", models::interrupted_taker);
    assert_caught("waiter-interrupted-stays-announced", || models::interrupted(4));
    assert_caught("waiter-interrupted-stays-announced", models::interrupted_in_anothers_place);
    assert_caught("waiter-interrupted-stays-announced", || models::interrupted_for_room(4));
    assert_caught("waiter-interrupted-stays-announced", models::interrupted_taker);
}

/// Between processes.
mod epoch {
    use super::*;

    #[test]
    fn no_knock_is_lost_or_one_too_many() {
        explore("knocked_for(1, 3, 4, 8, 20)", || models::knocked_for(&[1, 3, 4, 8, 20]));
        explore("knocked_for_room_and_items(16)", || models::knocked_for_room_and_items(16));
    }

    #[test]
    fn planted_bugs_are_caught() {
        for plant in ["epoch-no-second-look", "epoch-stays", "epoch-forgotten", "epoch-drains-late"] {
            assert_caught(plant, || models::knocked_for(&[1, 3, 4]));
        }
        for plant in ["epoch-no-second-look", "epoch-drains-late"] {
            assert_caught(plant, || models::knocked_for_room_and_items(3));
        }
    }
}
