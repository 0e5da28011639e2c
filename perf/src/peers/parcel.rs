//! The typed values that in-process queues carry: a block of the message's size, or a box from the heap.

#![forbid(unsafe_code)]

use crate::payload::{Header, fill};

/// A message as a value.
pub(super) trait Parcel: Send + Sync + 'static {
    /// The whole of message `header`, of `size` bytes.
    fn pack(header: Header, size: usize) -> Self;

    /// Writes another message in its place.
    fn repack(&mut self, header: Header);

    fn bytes(&self) -> &[u8];
}

/// Up to a kilobyte: moved by value, as a program with messages of that type would.
#[repr(align(8))]
pub(super) struct Block<const SIZE: usize>([u8; SIZE]);

/// Larger: only the pointer moves.
pub(super) struct Heap(Box<[u8]>);

impl<const SIZE: usize> Parcel for Block<SIZE> {
    #[inline(always)]
    fn pack(header: Header, _size: usize) -> Self {
        let mut block = Self([0; SIZE]);
        block.repack(header);
        block
    }

    #[inline(always)]
    fn repack(&mut self, header: Header) {
        fill(&mut self.0, header);
    }

    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Parcel for Heap {
    fn pack(header: Header, size: usize) -> Self {
        let mut heap = Self(vec![0; size].into_boxed_slice());
        heap.repack(header);
        heap
    }

    fn repack(&mut self, header: Header) {
        fill(&mut self.0, header);
    }

    fn bytes(&self) -> &[u8] {
        &self.0
    }
}
