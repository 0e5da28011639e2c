//! Channels over sampled schedules of longer programs.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p ringway --release --lib --target-dir target/shuttle channel -- --nocapture`

use super::models;
use crate::explore::{assert_caught, explore};

#[test]
fn everything_sent_is_received() {
    explore("spsc_all_arrive(12)", || models::spsc_all_arrive(12));
    explore("mpmc_all_arrive(12)", || models::mpmc_all_arrive(12));
}

#[test]
fn a_blocked_send_gives_its_item_back_when_the_receiver_goes() {
    explore("spsc_item_comes_back", models::spsc_item_comes_back);
    explore("mpmc_item_comes_back", models::mpmc_item_comes_back);
}

#[test]
fn crowds_lose_no_item() {
    explore("one_each(4)", || models::one_each(4));
    explore("two_senders", models::two_senders);
    explore("two_receivers_learn_of_the_end", models::two_receivers_learn_of_the_end);
    explore("crowd(3, 4)", || models::crowd(3, 4));
}

/// shuttle's memory is sequentially consistent: missing fences are loom's to catch, missing steps are caught here too.
#[test]
fn planted_bugs_are_caught() {
    assert_caught("waiter-no-second-look", || models::spsc_all_arrive(4));
    assert_caught("channel-sender-drop-silent", || models::spsc_all_arrive(4));
    assert_caught("channel-receiver-drop-silent", models::spsc_item_comes_back);
}
