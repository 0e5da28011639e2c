//! Messages between threads at about the cost of a cache-line transfer.

#![warn(missing_docs)]

mod sync;
pub mod wait;
