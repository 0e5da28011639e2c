//! The memory of lanes under the model checkers: what one has for its own is the other's peer's.

use std::sync::Arc as Counted;

use crate::ring::record::{Writable, heap::Heap};

/// Our segment.
pub(super) type Own = Counted<Heap>;
/// The peer's.
pub(super) type Peer = Counted<Heap>;

/// Bytes that are lent. Apart, as what lies in atomics cannot be handed out as bytes: they are written when the loan is over.
#[derive(Debug)]
pub(super) struct Span {
    own: Own,
    offset: usize,
    bytes: Vec<u8>,
}

impl Span {
    /// Of `size` bytes from `offset` on.
    ///
    /// # Safety
    ///
    /// None here; elsewhere there is something to see to.
    pub(super) unsafe fn new(own: &Own, offset: usize, size: usize) -> Self {
        Self { own: own.clone(), offset, bytes: vec![0; size] }
    }

    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(super) fn truncate(&mut self, size: usize) {
        self.bytes.truncate(size);
    }

    /// What was written is in the ring from here on: without the pen, as its owner would write it there.
    pub(super) fn store(&self) {
        self.own.copy_in(self.offset, &self.bytes);
    }
}
