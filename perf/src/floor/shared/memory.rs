//! Memory of two processes: made by one, opened by the other, zeros at first.

use std::{
    fs::{File, OpenOptions},
    io,
    os::fd::AsRawFd,
    process, ptr, slice,
    sync::atomic::{AtomicU32, AtomicU64},
};

use rustix::{
    fs::{MemfdFlags, memfd_create},
    mm::{MapFlags, ProtFlags, mmap, munmap},
};

use crate::failure::Failure;

/// Shared memory, mapped. Every part of it is one of three things for as long as it is mapped: a mark, a position, or bytes of
/// a message, which whoever the marks say has them reads or writes.
pub(crate) struct Memory {
    start: *mut u8,
    size: usize,
    /// By which the other process finds the memory.
    file: File,
}

// SAFETY: atomics aside, it is touched through `read` and `write` alone, whose callers answer for that.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    pub(crate) fn new(size: usize) -> Result<Self, Failure> {
        let file = File::from(memfd_create("ringway-perf", MemfdFlags::CLOEXEC).map_err(|error| broken(error.into()))?);
        file.set_len(size as u64).map_err(broken)?;
        Self::of(file)
    }

    /// What the other process made.
    pub(crate) fn open(endpoint: &str) -> Result<Self, Failure> {
        Self::of(OpenOptions::new().read(true).write(true).open(endpoint).map_err(broken)?)
    }

    fn of(file: File) -> Result<Self, Failure> {
        let size = file.metadata().map_err(broken)?.len() as usize;
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::POPULATE);
        // SAFETY: no address is asked for, so nothing that is mapped is replaced.
        let start = unsafe { mmap(ptr::null_mut(), size, access, flags, &file, 0) };
        Ok(Self { start: start.map_err(|error| broken(error.into()))?.cast(), size, file })
    }

    /// Where the other process opens it. Without a name in any folder: who may look into our process finds it there.
    pub(crate) fn endpoint(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.file.as_raw_fd())
    }

    #[inline(always)]
    pub(super) fn mark(&self, offset: usize) -> &AtomicU32 {
        let mark = self.at(offset, size_of::<AtomicU32>()).cast::<AtomicU32>();
        assert!(mark.is_aligned());
        // SAFETY: within the mapping, aligned, zeros or what was stored, and a mark for everybody.
        unsafe { &*mark }
    }

    #[inline(always)]
    pub(super) fn position(&self, offset: usize) -> &AtomicU64 {
        let position = self.at(offset, size_of::<AtomicU64>()).cast::<AtomicU64>();
        assert!(position.is_aligned());
        // SAFETY: as in `mark`.
        unsafe { &*position }
    }

    /// # Safety
    ///
    /// Until the bytes are let go of, nobody else reads or writes them.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "who may write is the caller's to know")]
    pub(super) unsafe fn write(&self, offset: usize, size: usize) -> &mut [u8] {
        // SAFETY: within the mapping, and the caller's alone.
        unsafe { slice::from_raw_parts_mut(self.at(offset, size), size) }
    }

    /// # Safety
    ///
    /// Until the bytes are let go of, nobody writes them.
    #[inline(always)]
    pub(super) unsafe fn read(&self, offset: usize, size: usize) -> &[u8] {
        // SAFETY: within the mapping, and the caller keeps them from being written.
        unsafe { slice::from_raw_parts(self.at(offset, size), size) }
    }

    /// The whole of it, for another library to lay out.
    #[cfg(feature = "peers")]
    pub(crate) fn whole(&self) -> (*mut u8, usize) {
        (self.start, self.size)
    }

    #[inline(always)]
    fn at(&self, offset: usize, size: usize) -> *mut u8 {
        assert!(offset <= self.size && size <= self.size - offset);
        // SAFETY: within the mapping, by the line above.
        unsafe { self.start.add(offset) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this size, and nobody has a reference any more.
        let _ = unsafe { munmap(self.start.cast(), self.size) };
    }
}

#[cold]
pub(super) fn broken(error: io::Error) -> Failure {
    Failure::road("shared memory", error)
}
