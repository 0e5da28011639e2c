//! `kill -9`, at counted places and at any: what a process leaves to those who talked to it over `ipc://`.
//!
//! Children are this program once more ([`part`]); they keep account of what they do in memory that outlives them
//! ([`ledger`]), and are killed where the library says that something is half done (`ringway::phase`), or when chance
//! will have it ([`death`]). The survivor is in this process ([`scene`]), but where both die. Of messages, which say whose they
//! are and have a sum ([`load`]):
//!
//! - none comes twice, in pieces or out of order, whoever dies;
//! - what a producer had committed comes, though it has died;
//! - of a consumer that has died at most what its last call returned is missing.
//!
//! And the survivor is told, by an event of its monitor, and nothing is left of who died: descriptors, mappings, names.
//!
//! `RINGWAY_KILLS=10000 cargo test --test kill -- --nocapture` for a night; a tenth of that otherwise.

#![cfg(all(target_os = "linux", not(any(loom, shuttle, miri))))]

mod death;
mod ledger;
mod lent;
mod load;
mod part;
mod pattern;
mod scene;
#[path = "../sharing/mod.rs"]
mod sharing;
mod stopped;
mod survivors;

use std::{
    env,
    io::Write,
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

/// Longer than anything here takes, even on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many are killed, all tests together.
fn kills() -> u64 {
    env::var("RINGWAY_KILLS").map_or(1_000, |text| text.parse().expect("RINGWAY_KILLS is a number"))
}

/// One test at a time: descriptors and mappings are the process's.
fn alone() -> MutexGuard<'static, ()> {
    #[expect(clippy::disallowed_types, reason = "a test of the whole has nothing to model")]
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Not captured by the test harness, so that a log tells who died where.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// The children's side.
#[test]
fn child() {
    part::play();
}

#[test]
fn the_road_is_as_it_is_meant_to_be() {
    let _alone = alone();
    assert_eq!(sharing::is_so(), sharing::SHARES_MEMORY);
}
