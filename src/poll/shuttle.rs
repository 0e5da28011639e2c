//! Pollers over sampled schedules of longer programs.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p ringway --release --lib --target-dir target/shuttle poll -- --nocapture`

#![forbid(unsafe_code)]

use super::models;
use crate::explore::prove;

#[test]
fn a_poller_misses_nothing_of_two_sockets() {
    prove(
        "two_sockets(8)",
        || models::two_sockets(8),
        &["poll-rest-no-look", "waiter-no-second-look", "signal-no-wake"],
    );
}

#[test]
fn a_use_elsewhere_hides_nothing() {
    prove("in_use", models::in_use, &["watch-contends-silently"]);
}

#[test]
fn a_waiting_call_gives_the_place_back() {
    prove("displaced", models::displaced, &["waiter-keeps-displaced", "waiter-silences-displaced"]);
}

#[test]
fn a_registration_may_follow_another() {
    prove("registered_anew", models::registered_anew, &["signal-no-wake"]);
}

#[test]
fn a_wake_for_nothing_is_forgotten_and_the_next_is_not() {
    prove("woken_for_nothing", models::woken_for_nothing, &["poll-forgets-marks"]);
    prove("woken_at_rest", models::woken_at_rest, &["poll-forgets-marks", "poll-sleeps-unarmed"]);
}

#[test]
fn a_signal_that_ends_a_wait_hides_nothing() {
    prove("interrupted", models::interrupted, &["signal-no-wake"]);
    assert!(models::INTERRUPTS.load(std::sync::atomic::Ordering::Relaxed) > 0);
}

#[test]
fn a_dropped_socket_is_noticed() {
    prove("dropped", models::dropped, &["watch-drops-silently"]);
}

#[test]
fn a_descriptor_loses_no_edge() {
    prove("descriptor(2, 1, 1)", || models::descriptor(2, 1, 1), &["descriptor-repeats-nothing"]);
    prove("descriptor(1, 1, 2)", || models::descriptor(1, 1, 2), &["descriptor-no-second-look"]);
    prove("descriptor(1, 6, 5)", || models::descriptor(1, 6, 5), &[]);
    prove("descriptor(2, 3, 5)", || models::descriptor(2, 3, 5), &["descriptor-recalls-nothing"]);
}

#[test]
fn no_news_is_lost() {
    prove("news(2, 1, 2)", || models::news(2, 1, 2), &["descriptor-repeats-nothing"]);
    prove("news(1, 6, 5)", || models::news(1, 6, 5), &["news-no-second-look"]);
    prove("news(2, 3, 5)", || models::news(2, 3, 5), &["descriptor-recalls-nothing"]);
    prove("news_asked(4)", || models::news_asked(4), &["news-no-second-look"]);
}

#[test]
fn no_news_is_swallowed() {
    let plants = ["news-swallows", "news-tells-for-ever"];
    prove("news_in_passing(false)", || models::news_in_passing(false), &plants);
    prove("news_in_passing(true)", || models::news_in_passing(true), &["news-announces-once"]);
}
