//! Messages between threads at about the cost of a cache-line transfer.

pub mod message;
mod ring;
mod sync;

pub use message::{Frame, Message};
