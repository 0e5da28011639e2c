//! A segment of a peer's: read here, written there, at any time, with anything.
//!
//! What is checked before it is mapped cannot be undone after (the seals), so no access to it faults: it is memory
//! without a name, of the size announced, all of it allocated, which nobody shrinks or punches holes into.

#![forbid(unsafe_code)]

use std::{fmt, io, mem::MaybeUninit, os::fd::OwnedFd};

use rustix::fs::{OFlags, SealFlags, fcntl_get_seals, fcntl_getfl, fstat, fstatfs};

use super::{
    header::{SIZE_MAX, SIZE_MIN},
    mapping::{Access, Mapping},
    refusal::{Step, ask},
    region::SEALS,
};
use crate::{sync::AtomicU64, system::SystemError};

/// Memory that another process writes and this one reads.
///
/// **Hostile**: each word is read once, then checked, then used. Between two reads it may change, also back and forth.
#[derive(Debug)]
pub(crate) struct Foreign {
    mapping: Mapping,
}

impl Foreign {
    /// Maps what a peer sent, if it is what a [`Region`](super::Region) is, of `expected_size`, the peer's word for its size.
    /// The descriptor is closed in any case.
    ///
    /// # Errors
    /// [`ForeignError`], which says whose doing it is.
    pub(crate) fn map(file: OwnedFd, expected_size: u64) -> Result<Self, ForeignError> {
        let size = usize::try_from(expected_size).ok().filter(|size| (SIZE_MIN..=SIZE_MAX).contains(size));
        let size = size.ok_or(ForeignError::OutOfRange { size: expected_size })?;
        check(&file, expected_size)?;
        let mapping = Mapping::new(&file, size, Access::ReadOnly);
        Ok(Self { mapping: mapping.map_err(|(step, error)| ForeignError::Refused { step, error })? })
    }

    /// Its size in bytes.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.mapping.size()
    }

    /// The word at an offset of ours, **to be loaded only**: the memory is read-only, and a store faults.
    ///
    /// Of memory that is read-only Rust promises relaxed loads to work, and not others; so who has something to acquire
    /// loads so, and issues an acquire fence behind it, which costs the same.
    ///
    /// # Panics
    /// Panics if it is no multiple of 8 or lies outside.
    #[inline(always)]
    pub(crate) fn word(&self, offset: usize) -> &AtomicU64 {
        self.mapping.word(offset)
    }

    /// The line at an offset will be read soon: see [`copy::prefetch`](super::copy::prefetch).
    ///
    /// # Panics
    /// Panics if it lies outside.
    #[inline(always)]
    pub(crate) fn prefetch(&self, offset: usize) {
        self.mapping.prefetch(offset);
    }

    /// Copies out what is at an offset, by [`copy::out`](super::copy::out): the one way bytes leave foreign memory.
    ///
    /// # Panics
    /// Panics if it leaves the segment: offsets and sizes the peer has named are checked before.
    #[inline(always)]
    pub(crate) fn copy_out(&self, offset: usize, to: &mut [MaybeUninit<u8>]) {
        self.mapping.copy_out(offset, to);
    }
}

/// Why a segment is not mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForeignError {
    /// The peer announced a size that no segment has.
    OutOfRange {
        /// It.
        size: u64,
    },
    /// The peer sent a descriptor of something else.
    NotMemory,
    /// The peer sent memory that cannot be read by its descriptor.
    Unreadable,
    /// The peer sent memory that somebody could shrink, or has other seals than a segment has.
    Unsealed {
        /// The seals it has (`F_SEAL_…`).
        seals: u32,
    },
    /// The peer sent memory of another size than it announced.
    OtherSize {
        /// What it announced.
        expected: u64,
        /// What it is.
        is: u64,
    },
    /// The peer sent memory that is not all there, so that reading it may fail later.
    Sparse {
        /// How many bytes are there.
        allocated: u64,
    },
    /// The system refused something.
    Refused {
        /// What was.
        step: Step,
        /// The system's words.
        error: SystemError,
    },
}

impl ForeignError {
    /// Is it the peer's doing, and not the system's?
    pub(crate) fn is_of_peer(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }
}

impl fmt::Display for ForeignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { size } => write!(f, "the peer announced a segment of {size} bytes"),
            Self::NotMemory => f.write_str("the peer sent a descriptor that is not of memory"),
            Self::Unreadable => f.write_str("the peer sent memory that may not be read"),
            Self::Unsealed { seals } => write!(f, "the peer sent memory with the seals {seals:#x}"),
            Self::OtherSize { expected, is } => {
                write!(f, "the peer announced {expected} bytes of memory and sent {is}")
            }
            Self::Sparse { allocated } => write!(f, "only {allocated} bytes of the peer's memory are there"),
            Self::Refused { step, error } => write!(f, "{step}: {error}"),
        }
    }
}

impl std::error::Error for ForeignError {}

/// Is it what a segment is? The seals come first: what is found after them stays so.
fn check(file: &OwnedFd, expected_size: u64) -> Result<(), ForeignError> {
    // Other files have no seals, and a descriptor of a path only is of no use at all.
    let seals = fcntl_get_seals(file).map_err(|_| ForeignError::NotMemory)?;
    // Seals against execution came with a later system, and do not matter here.
    if seals.difference(SealFlags::EXEC) != SEALS {
        return Err(ForeignError::Unsealed { seals: seals.bits() });
    }
    let inspect = || -> io::Result<_> {
        ask(Step::Inspect)?;
        Ok((fstatfs(file)?, fcntl_getfl(file)?, fstat(file)?))
    };
    let (system, opened, status) =
        inspect().map_err(|error| ForeignError::Refused { step: Step::Inspect, error: (&error).into() })?;
    if u64::try_from(system.f_type) != Ok(TMPFS) {
        return Err(ForeignError::NotMemory);
    }
    if opened.intersection(OFlags::ACCMODE) == OFlags::WRONLY {
        return Err(ForeignError::Unreadable);
    }
    let is = u64::try_from(status.st_size).unwrap_or(0);
    if is != expected_size {
        return Err(ForeignError::OtherSize { expected: expected_size, is });
    }
    let allocated = u64::try_from(status.st_blocks).unwrap_or(0).saturating_mul(BLOCK);
    if allocated < expected_size { Err(ForeignError::Sparse { allocated }) } else { Ok(()) }
}

/// Of what file system memory is that is shared and has pages of the usual size. Huge pages are another's, and may be
/// missing when they are read.
const TMPFS: u64 = 0x0102_1994;

/// Bytes of what `fstat` calls a block, whatever the file system's are.
const BLOCK: u64 = 512;
