//! A mapping of shared memory, as words.

use std::{mem::MaybeUninit, os::fd::AsFd, slice};

use memmap2::{Advice, MmapOptions, MmapRaw};
use rustix::io::Errno;

use super::{
    copy,
    refusal::{Step, ask},
};
use crate::{sync::AtomicU64, system::SystemError};

/// Whole pages of memory that others may access as well, for as long as it exists.
///
/// Invariant: `memory` is at least 8-aligned and `memory.len()` is a multiple of 8; it is not moved, shrunk or protected
/// otherwise while this exists, and the file behind it is sealed against shrinking or, before that, nobody else's.
///
/// `Send` and `Sync`, as `MmapRaw` is: all accesses are atomic, or [`copy`]'s.
#[derive(Debug)]
pub(super) struct Mapping {
    memory: MmapRaw,
}

/// May the memory be written through the mapping?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    ReadOnly,
    ReadWrite,
}

impl Mapping {
    /// Maps the first `size` bytes of a file, present from the beginning, and hides them from processes forked later.
    ///
    /// A process that another thread forks between the two system calls inherits the mapping; it is of no use there.
    pub(super) fn new(file: impl AsFd, size: usize, access: Access) -> Result<Self, (Step, SystemError)> {
        let mut options = MmapOptions::new();
        options.len(size).populate();
        let file = &file.as_fd();
        let map = || {
            ask(Step::Map)?;
            match access {
                Access::ReadOnly => options.map_raw_read_only(file),
                Access::ReadWrite => options.map_raw(file),
            }
        };
        let memory = map().map_err(|error| (Step::Map, (&error).into()))?;
        let hide = || {
            ask(Step::Hide)?;
            memory.advise(Advice::DontFork)
        };
        hide().map_err(|error| (Step::Hide, (&error).into()))?;
        Ok(Self { memory })
    }

    #[inline(always)]
    pub(super) fn size(&self) -> usize {
        self.memory.len()
    }

    /// # Panics
    /// Panics if `offset` is no multiple of 8 or lies outside.
    #[inline(always)]
    pub(super) fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(size_of::<u64>()), "a word is read astride");
        &self.words()[offset / size_of::<u64>()]
    }

    #[inline(always)]
    pub(super) fn copy_out(&self, offset: usize, to: &mut [MaybeUninit<u8>]) {
        copy::out(self.words(), offset, to);
    }

    #[inline(always)]
    pub(super) fn copy_in(&self, offset: usize, from: &[u8]) {
        copy::into(self.words(), offset, from);
    }

    /// Where `size` bytes lie from `offset` on.
    ///
    /// # Panics
    /// Panics if they leave the mapping.
    #[inline]
    pub(super) fn pointer(&self, offset: usize, size: usize) -> *mut u8 {
        assert!(offset <= self.size() && size <= self.size() - offset, "{size} bytes at {offset} are outside");
        self.memory.as_mut_ptr().wrapping_add(offset)
    }

    #[inline(always)]
    pub(super) fn prefetch(&self, offset: usize) {
        copy::prefetch(self.words(), offset);
    }

    #[inline(always)]
    fn words(&self) -> &[AtomicU64] {
        let first = self.memory.as_mut_ptr().cast_const().cast::<AtomicU64>();
        // SAFETY: mapped for `size` bytes and aligned for as long as `self` is (the type's invariant). Any bits are a word,
        // and atomics may be written by others: by threads of ours through other such references, and by a process that
        // the compiler knows nothing of. Readable only or not, the mapping is only written through by who may write it.
        unsafe { slice::from_raw_parts(first, self.size() / size_of::<AtomicU64>()) }
    }
}

/// Does the error say that there is not as much memory?
pub(super) fn lacks_memory(error: SystemError) -> bool {
    [Errno::NOMEM, Errno::NOSPC].map(|number| Some(number.raw_os_error())).contains(&error.code())
}
