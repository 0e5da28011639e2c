//! The sleep protocol over all interleavings the memory model allows.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p ringway --release --lib --target-dir target/loom wait -- --nocapture`

#![forbid(unsafe_code)]

use super::models;
use crate::sync::with_plant;

/// Explores `program` and prints how many executions that took. `preemptions` bounds the involuntary switches of an
/// execution; `None` explores all.
fn explore(name: &str, preemptions: Option<usize>, program: impl Fn() + Send + Sync + 'static) {
    let executions = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = executions.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        program();
    });
    println!("loom {name}: {} executions", executions.load(std::sync::atomic::Ordering::Relaxed));
}

fn assert_caught(plant: &'static str, preemptions: Option<usize>, program: fn()) {
    assert!(with_plant(plant, || explore(plant, preemptions, program)), "{plant} was not caught");
}

#[test]
fn messages_are_not_lost() {
    explore("messages(1)", None, || models::messages(1));
    explore("messages(2)", Some(4), || models::messages(2));
}

#[test]
fn several_wakers_wake_one_waiter() {
    explore("two_wakers(1)", Some(3), || models::two_wakers(1));
}

#[test]
fn room_is_not_lost_with_asymmetric_fences() {
    explore("room(2)", Some(4), || models::room(2));
}

#[test]
fn a_target_may_be_displaced_while_a_wake_is_in_flight() {
    explore("displaced_target(1)", None, || models::displaced_target(1));
    explore("displaced_target(2)", Some(4), || models::displaced_target(2));
}

#[test]
fn a_waiter_may_move_to_another_thread() {
    explore("moved_waiter", Some(4), models::moved_waiter);
}

#[test]
fn time_outs_leave_nothing_behind() {
    explore("timed_out(1)", Some(4), || models::timed_out(1));
}

#[test]
fn one_waiter_may_wait_on_two_signals() {
    explore("two_signals", Some(3), models::two_signals);
}

#[test]
fn a_wake_spent_on_one_taker_reaches_the_other() {
    explore("two_takers", Some(2), models::two_takers);
}

#[test]
fn a_signal_that_ends_a_park_loses_nothing() {
    explore("interrupted(2)", Some(3), || models::interrupted(2));
    explore("interrupted_in_anothers_place", Some(3), models::interrupted_in_anothers_place);
    explore("interrupted_for_room(2)", Some(2), || models::interrupted_for_room(2));
    explore("interrupted_taker", Some(2), models::interrupted_taker);
    models::assert_interrupted();
}

#[test]
fn planted_bugs_are_caught() {
    assert_caught("waiter-no-second-look", None, || models::messages(1));
    assert_caught("waiter-no-fence", None, || models::messages(1));
    assert_caught("signal-no-waker-fence", None, || models::messages(1));
    assert_caught("signal-no-wake", None, || models::messages(1));
    assert_caught("target-no-unpark", None, || models::messages(1));
    assert_caught("waiter-full-for-heavy", Some(3), || models::room(2));
    assert_caught("light-fence-dropped", Some(3), || models::room(2));
    assert_caught("waiter-keeps-target", Some(3), models::moved_waiter);
    assert_caught("waiter-keeps-displaced", Some(3), || models::displaced_target(1));
    assert_caught("crowd-keeps-spent-wakes", Some(3), models::two_takers);
    assert_caught("crowd-keeps-spent-wakes", Some(2), models::interrupted_taker);
    assert_caught("waiter-interrupted-stays-announced", Some(3), || models::interrupted(2));
    assert_caught("waiter-interrupted-stays-announced", Some(3), models::interrupted_in_anothers_place);
    assert_caught("waiter-interrupted-stays-announced", Some(2), || models::interrupted_for_room(2));
    assert_caught("waiter-interrupted-stays-announced", Some(2), models::interrupted_taker);
}

/// Between processes.
mod epoch {
    use super::*;

    #[test]
    fn no_knock_is_lost_or_one_too_many() {
        explore("knocked_for(1)", None, || models::knocked_for(&[1]));
        explore("knocked_for(2 at once)", Some(4), || models::knocked_for(&[2]));
        explore("knocked_for(1, 2)", Some(4), || models::knocked_for(&[1, 2]));
        explore("knocked_for_room_and_items(2)", Some(3), || models::knocked_for_room_and_items(2));
    }

    #[test]
    fn planted_bugs_are_caught() {
        assert_caught("epoch-sleeper-no-fence", Some(3), || models::knocked_for(&[1]));
        assert_caught("epoch-waker-no-fence", Some(3), || models::knocked_for(&[1]));
        assert_caught("epoch-no-second-look", Some(3), || models::knocked_for(&[1]));
        assert_caught("epoch-stays", Some(3), || models::knocked_for(&[2]));
        assert_caught("epoch-forgotten", Some(3), || models::knocked_for(&[2]));
        assert_caught("epoch-drains-late", Some(4), || models::knocked_for(&[1, 2]));
        for plant in ["epoch-sleeper-no-fence", "epoch-waker-no-fence", "epoch-no-second-look", "epoch-drains-late"] {
            assert_caught(plant, Some(3), || models::knocked_for_room_and_items(2));
        }
    }
}
