//! The memory of lanes under the model checkers: what one has for its own is the other's peer's.

#![forbid(unsafe_code)]

use std::sync::Arc as Counted;

use crate::ring::record::heap::Heap;

/// Our segment.
pub(super) type Own = Counted<Heap>;
/// The peer's.
pub(super) type Peer = Counted<Heap>;
