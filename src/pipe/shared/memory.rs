//! The memory of lanes: segments that two processes share.

use std::{mem::MaybeUninit, sync::Arc as Counted};

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
