//! Rings from one writer to any number of readers, each of which sees every item.
//!
//! | ring | when a reader is slow | items |
//! |---|---|---|
//! | [`lossy`] | the writer goes on; the reader learns exactly how many items it lost | [`Plain`] values |
//! | [`gated`] | the writer finds the ring full until the reader has caught up | any, read by reference |
//!
//! Readers come and go at any time, through a subscriber handle that may be cloned and shared.

pub mod gated;
pub mod lossy;
mod plain;

pub use plain::Plain;
