//! Peers that share memory and mean harm, or are broken: whatever is in their segments and in what they offer, nothing
//! panics, hangs or reads where it must not; memory stays bounded; others are served as before, and the monitor tells.
//!
//! One test at a time, so that memory and descriptors can be counted. Contents: [`scene`] a socket with a good peer and what
//! is asserted of both, as for hostile streams; [`stranger`] a peer made of bytes, descriptors and a segment of its own;
//! [`offers`] what may be offered, [`successors`] what may be announced in its place, [`records`] what may be in a ring, [`words`] what may be said of ours, [`scribbler`] a process
//! that is the library, and writes into its own segment behind the library's back.

#![cfg(all(target_os = "linux", not(any(loom, shuttle, miri))))]

#[allow(dead_code, reason = "it belongs to the hostile suite, which uses all of it")]
#[path = "../hostile/memory.rs"]
mod memory;
#[path = "../raw/mod.rs"]
mod raw;
#[allow(dead_code, reason = "it belongs to the hostile suite, which uses all of it")]
#[path = "../hostile/scene.rs"]
mod scene;
#[path = "../sharing/mod.rs"]
mod sharing;

mod offers;
mod records;
mod scribbler;
mod stranger;
mod successors;
mod words;

use std::{
    io::Write,
    sync::{
        Once,
        atomic::{AtomicU64, Ordering},
    },
};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Panics of threads that are not tests'.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Has panics of the library's threads counted, which no test would notice.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let thread = std::thread::current();
            let is_ours = thread.name().is_some_and(|name| name.starts_with("ringway"));
            PANICS.fetch_add(u64::from(is_ours), Ordering::SeqCst);
            before(panic);
        }));
    });
}

#[track_caller]
fn nobody_panicked() {
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
}

/// Not captured by the test harness, so that a log tells what was covered.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// Are there segments to do harm with? Where not, says that `test` is not run.
fn has_segments(test: &str) -> bool {
    count_panics();
    if !sharing::SHARES_MEMORY {
        say(&format!("{test} is not run: no memory is shared"));
    }
    sharing::SHARES_MEMORY
}

#[test]
fn the_road_is_as_it_is_meant_to_be() {
    let _alone = scene::alone();
    assert_eq!(sharing::is_so(), sharing::SHARES_MEMORY);
}

/// The scribbling process's side.
#[test]
fn child() {
    scribbler::play();
}
