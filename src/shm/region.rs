//! A segment of ours: written here, read by one peer.
//!
//! The file behind it has no name and is sealed before anybody else has it: it neither shrinks nor grows, and except
//! through our mapping, which is older than the seal, nobody writes it, whatever descriptor of it they have or open anew.
//! Its pages are allocated, so that neither side meets `SIGBUS` when memory runs out later.

#![forbid(unsafe_code)]

use std::{
    fmt, io,
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, ftruncate, memfd_create},
    io::{Errno, retry_on_intr},
    process::{Resource, getrlimit},
};

use super::{
    PAGE,
    mapping::{Access, Mapping, lacks_memory},
    refusal::{Step, ask},
};
use crate::{
    sync::AtomicU64,
    system::{SystemError, lacks_descriptors},
};

/// Memory that this process writes and another reads.
///
/// Shared between threads as it likes: words are atomic, and who copies keeps apart from who else does ([`Self::copy_in`]).
#[derive(Debug)]
pub(crate) struct Region {
    mapping: Mapping,
    /// Until the peer has it.
    file: Option<OwnedFd>,
}

impl Region {
    /// Makes a segment of `size` zero bytes. Some ten system calls; costs memory at once.
    ///
    /// # Errors
    /// What the system refused. Nothing is left behind.
    ///
    /// # Panics
    /// Panics if `size` is not of whole pages.
    pub(crate) fn create(size: usize) -> Result<Self, RegionError> {
        assert!(size > 0 && size.is_multiple_of(PAGE), "a segment is of whole pages");
        let file = perform(Step::Create, create)?;
        perform(Step::Reserve, || reserve(&file, size))?;
        let mapping = Mapping::new(&file, size, Access::ReadWrite).map_err(RegionError::of)?;
        perform(Step::Seal, || Ok(fcntl_add_seals(&file, SEALS)?))?;
        Ok(Self { mapping, file: Some(file) })
    }

    /// Its size in bytes.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.mapping.size()
    }

    /// The word at an offset of ours.
    ///
    /// # Panics
    /// Panics if it is no multiple of 8 or lies outside.
    #[inline(always)]
    pub(crate) fn word(&self, offset: usize) -> &AtomicU64 {
        self.mapping.word(offset)
    }

    /// Copies out what is at an offset, by [`copy::out`](super::copy::out).
    ///
    /// # Panics
    /// Panics if it leaves the segment.
    #[inline(always)]
    pub(crate) fn copy_out(&self, offset: usize, to: &mut [MaybeUninit<u8>]) {
        self.mapping.copy_out(offset, to);
    }

    /// Copies `from` to an offset, by [`copy::into`](super::copy::into): two threads that copy at once keep a word apart.
    ///
    /// # Panics
    /// Panics if it leaves the segment.
    #[inline(always)]
    pub(crate) fn copy_in(&self, offset: usize, from: &[u8]) {
        self.mapping.copy_in(offset, from);
    }

    /// Where `size` bytes lie from `offset` on, for who writes them there: they are initialised, and good to write as long as
    /// the segment is. That nobody else of this process accesses them meanwhile is the caller's to see to; no other process
    /// can write them.
    ///
    /// # Panics
    /// Panics if they leave the segment.
    #[inline]
    pub(crate) fn pointer(&self, offset: usize, size: usize) -> *mut u8 {
        self.mapping.pointer(offset, size)
    }

    /// What the peer is sent, to map the segment.
    ///
    /// # Panics
    /// Panics if it was forgotten or taken.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_ref().expect("the descriptor is there until it was sent").as_fd()
    }

    /// Takes the descriptor, to be sent and closed. The memory needs none.
    ///
    /// # Panics
    /// Panics if it was forgotten or taken.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn take_descriptor(&mut self) -> OwnedFd {
        self.file.take().expect("the descriptor is there until it was sent")
    }

    /// Closes the descriptor, once it was sent.
    pub(crate) fn forget_descriptor(&mut self) {
        self.file = None;
    }
}

/// Why there is no segment: always the system's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegionError {
    /// The process, or the system, has as many descriptors as it may.
    TooManyDescriptors,
    /// There is not as much memory.
    NoMemory,
    /// Something else was refused, as by a filter of system calls, or is not known to this system.
    Refused {
        /// What was.
        step: Step,
        /// The system's words.
        error: SystemError,
    },
}

impl RegionError {
    fn of((step, error): (Step, SystemError)) -> Self {
        if lacks_descriptors(&error.into()) {
            Self::TooManyDescriptors
        } else if lacks_memory(error) {
            Self::NoMemory
        } else {
            Self::Refused { step, error }
        }
    }
}

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyDescriptors => f.write_str("too many open descriptors"),
            Self::NoMemory => f.write_str("not enough memory"),
            Self::Refused { step, error } => write!(f, "{step}: {error}"),
        }
    }
}

impl std::error::Error for RegionError {}

fn perform<R>(step: Step, f: impl FnOnce() -> io::Result<R>) -> Result<R, RegionError> {
    ask(step).and_then(|()| f()).map_err(|error| RegionError::of((step, (&error).into())))
}

fn create() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create(NAME, flags | MemfdFlags::NOEXEC_SEAL) {
        // Unknown before Linux 6.3.
        Err(Errno::INVAL) => Ok(memfd_create(NAME, flags)?),
        made => Ok(made?),
    }
}

fn reserve(file: &OwnedFd, size: usize) -> io::Result<()> {
    let size = u64::try_from(size).expect("an address is of at most 64 bits");
    // The limit of files holds for memory without a name, and who exceeds it is killed (`SIGXFSZ`), which sandboxes count on.
    if getrlimit(Resource::Fsize).current.is_some_and(|most| most < size) {
        return Err(Errno::FBIG.into());
    }
    ftruncate(file, size)?;
    Ok(retry_on_intr(|| fallocate(file, FallocateFlags::empty(), 0, size))?)
}

/// What `/proc/…/maps` shows.
const NAME: &str = "ringway";

/// It stays as it is, except for what we write through the mapping that is there; nor is that to be undone.
pub(super) const SEALS: SealFlags =
    SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::FUTURE_WRITE).union(SealFlags::SEAL);
