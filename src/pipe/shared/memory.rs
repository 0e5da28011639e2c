//! The memory of lanes: segments that two processes share.

use std::{mem::MaybeUninit, ptr::NonNull, slice, sync::Arc as Counted};

use crate::{
    ring::record::{Memory, Writable},
    shm,
    sync::AtomicU64,
};

/// Our segment.
pub(super) type Own = Counted<shm::Region>;
/// The peer's.
pub(super) type Peer = Counted<shm::Foreign>;

// SAFETY: `copy_out` writes all of it.
unsafe impl Memory for shm::Region {
    #[inline(always)]
    fn word(&self, offset: usize) -> &AtomicU64 {
        Self::word(self, offset)
    }

    #[inline(always)]
    fn copy_out(&self, offset: usize, to: &mut [MaybeUninit<u8>]) {
        Self::copy_out(self, offset, to);
    }
}

impl Writable for shm::Region {
    #[inline(always)]
    fn copy_in(&self, offset: usize, from: &[u8]) {
        Self::copy_in(self, offset, from);
    }
}

// SAFETY: likewise.
unsafe impl Memory for shm::Foreign {
    #[inline(always)]
    fn word(&self, offset: usize) -> &AtomicU64 {
        Self::word(self, offset)
    }

    #[inline(always)]
    fn copy_out(&self, offset: usize, to: &mut [MaybeUninit<u8>]) {
        Self::copy_out(self, offset, to);
    }

    #[inline(always)]
    fn prefetch(&self, offset: usize) {
        Self::prefetch(self, offset);
    }
}

/// Bytes of our segment, in the hands of one who writes them there.
///
/// Invariant: they are mapped, writable and initialised, and nobody else of this process accesses them while this exists. The
/// whole segment is looked at as words now and then, which are atomics: such a reference reads nothing by being made.
#[derive(Debug)]
pub(super) struct Span {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: it is as a `Box<[u8]>` to whoever has it: nobody else accesses the bytes.
unsafe impl Send for Span {}

impl Span {
    /// Of `size` bytes from `offset` on.
    ///
    /// # Safety
    ///
    /// While this exists, so does the segment, and nobody else of this process accesses those bytes.
    ///
    /// # Panics
    ///
    /// If they leave the segment.
    #[inline]
    pub(super) unsafe fn new(own: &Own, offset: usize, size: usize) -> Self {
        let start = NonNull::new(own.pointer(offset, size)).expect("a mapping does not begin at address 0");
        Self { start, size }
    }

    #[inline(always)]
    pub(super) fn size(&self) -> usize {
        self.size
    }

    #[inline(always)]
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the type's invariant: so many are there, initialised, and nobody writes them, as who could has lent us `self`.
        // Zeroed by the system, and then written by us alone; another process, which maps them to read, changes nothing.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.size) }
    }

    #[inline(always)]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed exclusively. That another process may read them at the same time is nothing
        // this one's compiler has to know: no access of ours depends on it.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.size) }
    }

    /// Leaves it its first `size` bytes, of those that it has.
    pub(super) fn truncate(&mut self, size: usize) {
        self.size = self.size.min(size);
    }

    /// What was written is in the ring: it has been there all along.
    #[inline(always)]
    pub(super) fn store(&self) {}
}
