//! Channels over all interleavings the memory model allows.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p ringway --release --lib --target-dir target/loom channel -- --nocapture`

use super::models;
use crate::sync::with_plant;

/// Explores `program` and prints how many executions that took. `preemptions` bounds the involuntary switches of an
/// execution.
fn explore(name: &str, preemptions: usize, program: impl Fn() + Send + Sync + 'static) {
    let executions = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = executions.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        program();
    });
    println!("loom {name}: {} executions", executions.load(std::sync::atomic::Ordering::Relaxed));
}

fn assert_caught(plant: &'static str, preemptions: usize, program: fn()) {
    assert!(with_plant(plant, || explore(plant, preemptions, program)), "{plant} was not caught");
}

#[test]
fn everything_sent_is_received() {
    explore("spsc_all_arrive(2)", 3, || models::spsc_all_arrive(2));
    explore("mpmc_all_arrive(2)", 2, || models::mpmc_all_arrive(2));
}

#[test]
fn a_blocked_send_gives_its_item_back_when_the_receiver_goes() {
    explore("spsc_item_comes_back", 3, models::spsc_item_comes_back);
    explore("mpmc_item_comes_back", 3, models::mpmc_item_comes_back);
}

#[test]
fn a_wake_spent_on_one_receiver_reaches_the_other() {
    explore("one_each(2)", 2, || models::one_each(2));
}

#[test]
fn two_senders_share_one_place() {
    explore("two_senders", 2, models::two_senders);
}

#[test]
fn all_receivers_learn_of_the_end() {
    explore("two_receivers_learn_of_the_end", 2, models::two_receivers_learn_of_the_end);
}

#[test]
fn planted_bugs_are_caught() {
    assert_caught("channel-no-send-fence", 3, || models::spsc_all_arrive(2));
    assert_caught("light-fence-dropped", 3, || models::spsc_all_arrive(2));
    assert_caught("waiter-full-for-heavy", 3, || models::spsc_all_arrive(2));
    assert_caught("waiter-no-second-look", 3, || models::spsc_all_arrive(2));
    assert_caught("channel-sender-drop-silent", 3, || models::spsc_all_arrive(1));
    assert_caught("channel-receiver-drop-silent", 3, models::spsc_item_comes_back);
}
