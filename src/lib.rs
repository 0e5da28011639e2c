//! Messages between threads at about the cost of a cache-line transfer.

#![warn(missing_docs)]

pub mod channel;
pub mod ring;

mod sync;
pub mod wait;
