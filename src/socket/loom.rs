//! Publishers and subscribers over the interleavings the memory model allows, with a bound on preemptions.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p ringway --release --lib --target-dir target/loom socket::loom -- --nocapture`

#![forbid(unsafe_code)]

use super::models;
use crate::explore::prove;

#[test]
fn a_subscription_counts_when_it_returns() {
    let (early, late) = (|| models::subscribed_while_publishing(false), || models::subscribed_while_publishing(true));
    prove("subscribed_while_joining", 3, early, &["hub-seat-forgets-interest"]);
    prove("subscribed_while_publishing", 3, late, &["hub-seat-forgets-interest", "hub-wish-silent"]);
}

#[test]
fn a_sleeping_publisher_is_told() {
    let plants = ["hub-wish-silent", "hub-join-without-fence", "waiter-no-second-look", "waiter-no-fence"];
    prove("told_while_sleeping", 4, models::told_while_sleeping, &plants);
}

#[test]
fn a_publisher_that_drops_nothing_is_woken_by_whoever_has_room() {
    let plants = ["publish-watches-the-first-only", "light-fence-dropped", "waiter-no-second-look"];
    prove("waits_for_two", 3, models::waits_for_two, &plants);
    prove("waits_for_one_that_leaves", 3, models::waits_for_one_that_leaves, &["waiter-no-second-look"]);
}
