//! Sockets owned by actors, and forwarded to them.

#![cfg(not(any(loom, shuttle, miri)))]
#![expect(clippy::disallowed_types, reason = "a test is outside the library, and no model runs it")]

mod cast;
mod driven;
mod flood;
mod forward;
mod lives;
mod roads;
mod room;
mod sleep;
mod stage;

use std::time::{Duration, Instant};

/// What takes longer than this does not end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until it is so, where nobody tells of that: what a socket has, or a thread does.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_micros(100));
    }
}
