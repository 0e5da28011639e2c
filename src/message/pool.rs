//! What a thread keeps for reuse: [`Block`]s of bytes and [`List`]s of frames.
//!
//! Both return to the pool of the thread that drops them, up to a limit.

#![forbid(unsafe_code)]

use std::{cell::RefCell, ops::Deref, ptr::NonNull};

use super::Frame;

/// Most bytes that live in a pooled block; longer payloads are shared.
pub const POOLED_MAX: usize = 256;

/// Blocks and lists a thread keeps for reuse: 256 KiB of blocks and as much in lists at the most.
const POOL_LIMIT: usize = 1024;
/// A list with more room than this is not kept: it came from an unusual message.
const POOLED_LIST_MAX: usize = 16;

/// A block of [`POOLED_MAX`] bytes of which the first `len` count.
#[derive(Debug)]
pub(crate) struct Block {
    /// Always there until the drop takes it back to the pool.
    bytes: Option<Box<[u8; POOLED_MAX]>>,
    len: u16,
}

/// Frames in storage that goes back to the thread's pool.
pub(super) struct List(pub(super) Vec<Frame>);

impl Block {
    #[inline]
    pub(super) fn filled(len: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        assert!(len <= POOLED_MAX, "a pooled block holds {POOLED_MAX} bytes");
        let mut bytes = with_pool(|pool| pool.blocks.pop()).flatten().unwrap_or_else(|| Box::new([0; POOLED_MAX]));
        fill(&mut bytes[..len]);
        // The assertion above keeps it below 2^16.
        Self { bytes: Some(bytes), len: len as u16 }
    }

    #[inline]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.as_mut().map_or(&mut [], |bytes| &mut bytes[..usize::from(self.len)])
    }

    /// Leaves it its first `len` bytes, if it has more.
    pub(super) fn truncate(&mut self, len: usize) {
        // The smaller is below 2^16.
        self.len = len.min(self.len.into()) as u16;
    }

    /// Where the bytes are, for who writes there. Asking twice does no harm to what was written through the first answer.
    pub(super) fn as_mut_ptr(&mut self) -> *mut u8 {
        // No reference to the bytes is made.
        self.bytes.as_mut().map_or(NonNull::dangling().as_ptr(), |bytes| (&raw mut **bytes).cast())
    }
}

impl Deref for Block {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes.as_ref().map_or(&[], |bytes| &bytes[..usize::from(self.len)])
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(bytes) = self.bytes.take() {
            with_pool(|pool| {
                if pool.blocks.len() < POOL_LIMIT {
                    pool.blocks.push(bytes);
                }
            });
        }
    }
}

impl List {
    #[cold]
    #[inline(never)]
    pub(super) fn size(&self) -> usize {
        self.0.iter().map(|frame| frame.len()).sum()
    }

    pub(super) fn take() -> Self {
        Self(with_pool(|pool| pool.lists.pop()).flatten().unwrap_or_else(|| Vec::with_capacity(4)))
    }
}

impl Clone for List {
    fn clone(&self) -> Self {
        let mut list = Self::take();
        list.0.extend_from_slice(&self.0);
        list
    }
}

impl Drop for List {
    #[inline(never)]
    fn drop(&mut self) {
        // The frames first: an owner's destructor may use this thread's pool.
        self.0.clear();
        if (1..=POOLED_LIST_MAX).contains(&self.0.capacity()) {
            let frames = std::mem::take(&mut self.0);
            with_pool(|pool| {
                if pool.lists.len() < POOL_LIMIT {
                    pool.lists.push(frames);
                }
            });
        }
    }
}

/// What a thread keeps for reuse.
struct Pool {
    #[expect(clippy::vec_box, reason = "a block is handed out by its box, not copied")]
    blocks: Vec<Box<[u8; POOLED_MAX]>>,
    lists: Vec<Vec<Frame>>,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { blocks: Vec::new(), lists: Vec::new() }) };
}

/// `None` only while the thread is ending; the allocator serves then.
#[inline]
fn with_pool<R>(f: impl FnOnce(&mut Pool) -> R) -> Option<R> {
    // Nothing in `f` runs foreign code, so the cell is never borrowed twice.
    POOL.try_with(|pool| f(&mut pool.borrow_mut())).ok()
}
