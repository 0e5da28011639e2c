//! Connections over ipc and what becomes of them: memory is shared, or something is in the way, which the monitor names and
//! which does the connection no harm. Whatever it was, nothing is left of it.
//!
//! One test at a time, as descriptors and mappings are the process's. Contents: [`link`] two sockets of two contexts, and
//! what is asked of them, [`costs`] what it takes, [`growing`] rings that are replaced by larger ones, [`leaving`] what becomes of messages; [`refused`] steps the system refuses; [`choices`] options of either side; [`others`] peers that are
//! not this library, and somebody between the two; [`narrow`] a process with few descriptors.

#![cfg(all(target_os = "linux", not(any(loom, shuttle, miri))))]

#[path = "../raw/mod.rs"]
mod raw;

mod choices;
mod costs;
mod growing;
mod leaving;
mod link;
mod narrow;
mod others;
mod refused;

/// The other process's side.
#[test]
fn child() {
    narrow::play();
}
