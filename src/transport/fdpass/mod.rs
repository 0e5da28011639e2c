//! Descriptors between processes, and what is done with those that come.
//!
//! [`send`] and [`recv`] move bytes and descriptors over a stream; [`doorbell()`] makes a pair of sockets over which the one
//! end wakes the other; [`Liveness`] tells when the process at a stream's other end is dead, and [`credentials`] whose it
//! is. What a peer sends is bounded, closed when nobody asked for it, and looked at before it is used.

mod descriptors;
mod doorbell;
mod liveness;
#[cfg(all(test, not(miri)))]
mod tests;

pub(crate) use descriptors::{Descriptors, recv, send};
#[cfg(test)]
pub(crate) use doorbell::NotADoorbell;
pub(crate) use doorbell::{Doorbell, Knocker, doorbell};
pub(crate) use liveness::Liveness;
#[cfg(test)]
pub(crate) use liveness::{Credentials, credentials};
