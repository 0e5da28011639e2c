//! Peers that mean harm, or are broken: whatever they do, memory stays bounded, others are served as before, nothing
//! panics, and the monitor tells.
//!
//! One test at a time, so that memory and descriptors can be counted. Contents: [`scene`] a socket with a good peer and
//! what is asserted of both, [`memory`] what is allocated, [`garbage`] bytes that mean nothing, [`slow`] peers that do
//! not speak or do not read, [`large`] sizes and floods, [`sudden`] connections that end anywhere, [`malformed`] commands.

#![cfg(all(target_os = "linux", not(any(loom, shuttle, miri))))]

#[path = "../raw/mod.rs"]
mod raw;

mod garbage;
mod large;
mod malformed;
mod memory;
mod scene;
mod slow;
mod sudden;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;
