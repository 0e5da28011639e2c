//! Pollers over the interleavings the memory model allows, with a bound on preemptions.
//!
//! loom does not branch where a lock is tried, so a look that finds a call under way is left to shuttle.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p ringway --release --lib --target-dir target/loom poll -- --nocapture`

#![forbid(unsafe_code)]

use super::models;
use crate::explore::prove;

#[test]
fn a_poller_misses_nothing_of_two_sockets() {
    prove(
        "two_sockets(1)",
        2,
        || models::two_sockets(1),
        &["poll-rest-no-look", "poll-rest-no-fence", "poll-mark-no-fence", "waiter-no-second-look", "waiter-no-fence"],
    );
}

#[test]
fn a_waiting_call_gives_the_place_back() {
    prove("displaced", 2, models::displaced, &["waiter-keeps-displaced", "waiter-silences-displaced"]);
}

#[test]
fn a_registration_may_follow_another() {
    prove("registered_anew", 3, models::registered_anew, &["signal-no-wake"]);
}

#[test]
fn a_wake_for_nothing_is_forgotten_and_the_next_is_not() {
    prove("woken_for_nothing", 4, models::woken_for_nothing, &["poll-forgets-marks"]);
    prove("woken_at_rest", 3, models::woken_at_rest, &["poll-forgets-marks", "poll-sleeps-unarmed"]);
}

#[test]
fn a_signal_that_ends_a_wait_hides_nothing() {
    prove("interrupted", 2, models::interrupted, &["signal-no-wake"]);
    assert!(models::INTERRUPTS.load(std::sync::atomic::Ordering::Relaxed) > 0);
}

#[test]
fn a_dropped_socket_is_noticed() {
    prove("dropped", 4, models::dropped, &["watch-drops-silently"]);
}

#[test]
fn a_descriptor_loses_no_edge() {
    prove("descriptor(1, 1, 2)", 3, || models::descriptor(1, 1, 2), &["descriptor-no-second-look", "signal-no-wake"]);
    prove(
        "descriptor(1, 2, 2)",
        3,
        || models::descriptor(1, 2, 2),
        &["descriptor-recalls-nothing", "descriptor-pokes-nobody"],
    );
    prove("descriptor(2, 1, 1)", 2, || models::descriptor(2, 1, 1), &[]);
}

#[test]
fn no_news_is_lost() {
    prove("news(1, 1, 2)", 3, || models::news(1, 1, 2), &["news-no-second-look", "signal-no-wake"]);
    prove("news(1, 2, 2)", 3, || models::news(1, 2, 2), &["descriptor-recalls-nothing"]);
    prove("news(1, 2, 3)", 3, || models::news(1, 2, 3), &["descriptor-reads-unlooking"]);
    prove("news(2, 1, 2)", 2, || models::news(2, 1, 2), &[]);
    let plants = ["news-no-second-look", "news-no-fence", "signal-no-wake"];
    prove("news_asked(2)", 2, || models::news_asked(2), &plants);
}

#[test]
fn no_news_is_swallowed() {
    let plants = ["news-swallows", "news-tells-for-ever", "light-fence-dropped"];
    prove("news_in_passing(false)", 3, || models::news_in_passing(false), &plants);
    prove("news_in_passing(true)", 3, || models::news_in_passing(true), &["news-announces-once"]);
}
