//! The loops that are measured, the same for every road:
//!
//! - `ping_pong`: a message there and back, as fast as it goes or at a fixed rate.
//! - `one_way`: as many messages as go from one or several senders to one receiver.
//! - `fan_out`: as many messages as go from one publisher to many subscribers.
//! - `idle`: what a receiver costs while little or nothing comes.
//! - `memory`: live heap of connected pairs.

pub(crate) mod fan_out;
pub(crate) mod idle;
pub(crate) mod memory;
pub(crate) mod one_way;
pub(crate) mod ping_pong;
