//! Live heap, counted at the allocator.
//!
//! Counting is off until asked for, so that the figures of everything else hold no shared counter.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
};

/// The system allocator, with a count of live bytes.
pub(crate) struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicI64 = AtomicI64::new(0);

/// Starts counting, from zero: what was allocated before and is freed later counts negative.
pub(crate) fn start() {
    LIVE.store(0, Ordering::Relaxed);
    COUNTS.store(true, Ordering::Relaxed);
}

/// Bytes allocated and not freed since [`start`], as asked for, without what the allocator adds.
pub(crate) fn live() -> i64 {
    LIVE.load(Ordering::Relaxed)
}

/// Stops counting.
pub(crate) fn stop() {
    COUNTS.store(false, Ordering::Relaxed);
}

fn count(bytes: i64) {
    if COUNTS.load(Ordering::Relaxed) {
        LIVE.fetch_add(bytes, Ordering::Relaxed);
    }
}

// SAFETY: every method forwards to `System`, which keeps the contract, and adds nothing but a counter.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller keeps `alloc`'s contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: `block` came from `System` with this layout, as all of ours do.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller keeps `alloc_zeroed`'s contract, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as i64 - layout.size() as i64);
        // SAFETY: `block` came from `System` with this layout, and the caller keeps `realloc`'s contract.
        unsafe { System.realloc(block, layout, size) }
    }
}
