//! Messages between threads at about the cost of a cache-line transfer.

#![warn(missing_docs)]

pub mod affinity;
pub mod latency;

mod sync;
