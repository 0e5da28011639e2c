//! ZMTP on the wire, byte by byte, against peers of our own making and recordings of libzmq: nothing but the toolchain is
//! needed.
//!
//! Contents: [`greeting`] the first 64 bytes, [`handshake`] READY, [`framing`] messages, [`commands`] PING and others,
//! [`subscriptions`] both forms, [`envelopes`] what patterns put around a message, [`ending`] how connections end and
//! begin again, [`recorded`] what libzmq 4.3.5 says, [`traps`] what implementations trip over, one test for each.

#![cfg(all(target_os = "linux", not(any(loom, shuttle, miri))))]

#[path = "../raw/mod.rs"]
mod raw;

mod commands;
mod ending;
mod envelopes;
mod framing;
mod greeting;
mod handshake;
mod recorded;
mod subscriptions;
mod traps;
