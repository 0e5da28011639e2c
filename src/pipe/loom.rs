//! Pipes over the interleavings the memory model allows, with a bound on preemptions.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p ringway --release --lib --target-dir target/loom pipe -- --nocapture`

#![forbid(unsafe_code)]

use super::models;
use crate::explore::prove;

/// The wait room's bugs that every sleeping owner must catch.
const SLEEP: [&str; 4] = ["waiter-no-second-look", "waiter-no-fence", "signal-no-wake", "target-no-unpark"];

#[test]
fn a_waiting_receiver_gets_what_is_sent() {
    prove("arrival(1)", 5, || models::arrival(1), &SLEEP);
    prove("arrival(2)", 4, || models::arrival(2), &["crew-send-no-fence"]);
}

#[test]
fn a_waiting_sender_gets_room() {
    prove("room(1)", 5, || models::room(1), &SLEEP);
    prove("room(2)", 3, || models::room(2), &["light-fence-dropped", "waiter-full-for-heavy"]);
}

#[test]
fn a_signal_that_ends_a_wait_costs_no_room() {
    prove("interrupted_for_room(1)", 2, || models::interrupted_for_room(1), &["signal-no-wake"]);
    assert!(models::INTERRUPTS.load(std::sync::atomic::Ordering::Relaxed) > 0);
}

#[test]
fn arming_and_marking_do_not_miss_each_other() {
    prove("armed(1)", 4, || models::armed(1), &["crew-arm-no-recheck", "crew-arm-no-fence", "tie-mark-no-fence"]);
    prove("armed(2)", 3, || models::armed(2), &["crew-send-no-fence"]);
}

#[test]
fn parking_and_taking_do_not_miss_each_other() {
    let plants = ["crew-park-no-recheck", "crew-park-no-fence", "tie-room-no-fence"];
    prove("parked(1)", 4, || models::parked(1), &plants);
    prove("parked(2)", 3, || models::parked(2), &["light-fence-dropped"]);
}

#[test]
fn a_mark_publishes_what_was_done_before() {
    prove("marked", 5, models::marked, &["ready-mark-release"]);
}

#[test]
fn a_pipe_that_comes_is_noticed() {
    prove("joined_while_receiving", 5, models::joined_while_receiving, &["hub-join-without-fence"]);
    prove("joined_while_sending", 5, models::joined_while_sending, &["hub-join-without-fence"]);
}

#[test]
fn a_late_bind_is_noticed() {
    prove("sent_while_bound", 4, models::sent_while_bound, &["crew-send-no-fence"]);
    prove("bound_while_full", 5, models::bound_while_full, &["hub-seat-silent"]);
}

#[test]
fn a_pipe_that_goes_is_noticed() {
    prove("left_while_receiving(1)", 3, || models::left_while_receiving(1), &["tie-gone-acquire"]);
    prove("left_while_sending", 3, models::left_while_sending, &["hub-vacate-silent", "tie-clear-without-swap"]);
}

#[test]
fn each_message_is_taken_or_counted_as_lost() {
    prove("closed_from_both_ends(2)", 3, || models::closed_from_both_ends(2), &["tie-close-relaxed"]);
}

#[test]
fn shutting_down_ends_a_wait() {
    prove("terminated_while_receiving", 5, models::terminated_while_receiving, &["hub-join-without-fence"]);
    prove("terminated_while_sending", 5, models::terminated_while_sending, &["hub-join-without-fence"]);
}

#[test]
fn the_newest_message_is_exchanged_whole() {
    let orders =
        ["conflate-push-in-two-steps", "conflate-stays-fresh", "conflate-push-release", "conflate-pop-acquire"];
    prove("exchanged(3, 2)", None, || models::exchanged(3, 2), &orders);
    let both_ways = ["conflate-push-acquire", "conflate-pop-release", "conflate-pop-in-two-steps"];
    prove("exchanged(5, 3)", None, || models::exchanged(5, 3), &both_ways);
}

#[test]
fn a_waiting_receiver_gets_the_newest_message() {
    prove("newest_arrives(1, 0)", 5, || models::newest_arrives(1, 0), &SLEEP);
    prove("newest_arrives(2, 0)", 4, || models::newest_arrives(2, 0), &["crew-send-no-fence"]);
}

#[test]
fn arming_and_replacing_do_not_miss_each_other() {
    let plants = ["crew-arm-no-recheck", "crew-arm-no-fence", "tie-mark-no-fence"];
    prove("newest_arrives(1, 1)", 4, || models::newest_arrives(1, 1), &plants);
    prove("newest_arrives(2, 1)", 3, || models::newest_arrives(2, 1), &["crew-send-no-fence"]);
}

#[test]
fn the_newest_message_is_taken_before_its_pipe_goes() {
    prove("newest_left_behind(2)", 3, || models::newest_left_behind(2), &["tie-gone-acquire"]);
}

#[test]
fn each_message_is_taken_conflated_or_counted_as_lost() {
    let plants = ["tie-close-relaxed", "conflate-untaken-silent"];
    let program = || models::conflating_closed_from_both_ends(2, 1);
    prove("conflating_closed_from_both_ends(2, 1)", 4, program, &plants);
}

#[test]
fn monitors_are_told_once_and_in_order() {
    prove("monitored", 3, models::monitored, &["news-not-kept"]);
}
