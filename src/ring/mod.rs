//! Lock-free rings between threads. They never wait and never allocate after construction: they say Full or Empty.
//!
//! | ring | writers → readers | made for |
//! |---|---|---|
//! | [`spsc`] | 1 → 1 | one item at a time: an item crosses in one cache-line transfer |
//! | [`packed`] | 1 → 1 | streaming: dense slots, batches, slots lent in place |
//! | [`mpmc`] | many → many | several threads share one queue |
//! | [`broadcast`] | 1 → each of many | everybody sees every item, or learns how many it lost |
//!
//! Every `ring` function takes a capacity, honours it exactly and allocates all it will ever need; an impossible
//! capacity is a [`CapacityError`], not an abort. A ring closes when the last handle of one side is dropped: pushes
//! then fail with [`PushError::Closed`]; pops deliver what was committed before and then say [`PopError::Closed`].

#![allow(clippy::disallowed_types, reason = "the lint sees std's atomics through their re-export by crate::sync")]

pub mod broadcast;
pub(crate) mod chunked;
#[cfg(all(test, not(any(loom, shuttle))))]
mod conformance;
mod cursor;
mod error;
#[cfg(all(test, loom))]
mod loom;
pub mod mpmc;
pub mod packed;
pub(crate) mod record;
mod slots;
pub mod spsc;

pub use error::{CapacityError, PopError, PushError};
