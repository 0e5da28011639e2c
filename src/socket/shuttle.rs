//! Publishers and subscribers over sampled schedules.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p ringway --release --lib --target-dir target/shuttle socket::shuttle -- --nocapture`

#![forbid(unsafe_code)]

use super::models;
use crate::sync::with_plant;

const EXECUTIONS: usize = 5_000;
const PRIORITY_DEPTH: usize = 3;

fn explore(name: &str, program: fn()) {
    shuttle::check_random(program, EXECUTIONS);
    shuttle::check_pct(program, EXECUTIONS, PRIORITY_DEPTH);
    println!("shuttle {name}: {} executions", 2 * EXECUTIONS);
}

fn assert_caught(plant: &'static str, program: fn()) {
    assert!(with_plant(plant, || explore(plant, program)), "{plant} was not caught");
}

#[test]
fn subscriptions_count_and_sleepers_are_told() {
    explore("subscribed_while_joining", || models::subscribed_while_publishing(false));
    explore("subscribed_while_publishing", || models::subscribed_while_publishing(true));
    explore("told_while_sleeping", models::told_while_sleeping);
    explore("waits_for_two", models::waits_for_two);
    explore("waits_for_one_that_leaves", models::waits_for_one_that_leaves);
}

#[test]
fn planted_bugs_are_caught() {
    assert_caught("hub-seat-forgets-interest", || models::subscribed_while_publishing(false));
    assert_caught("hub-wish-silent", || models::subscribed_while_publishing(true));
    assert_caught("hub-wish-silent", models::told_while_sleeping);
    assert_caught("publish-watches-the-first-only", models::waits_for_two);
}
