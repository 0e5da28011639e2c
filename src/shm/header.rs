//! What a segment begins with: written once by who makes it, and checked by who is given it before anything else is
//! believed.

#![forbid(unsafe_code)]

use std::fmt;

use super::{Foreign, Layout, PAGE, Region, layout::RECV_HWM};
use crate::sync::Ordering;

/// Where the ring is in segments we make.
pub(crate) const RING: usize = PAGE;

/// What a segment begins with.
pub(crate) const MAGIC: u64 = u64::from_ne_bytes(*b"RINGWAY\0");
/// The version of the layout.
pub(crate) const VERSION: u32 = 1;

/// Bytes of the smallest ring: a page.
pub(crate) const CAPACITY_MIN: usize = PAGE;
/// Bytes of the largest ring. Sizes of records, in 24 bits, are at most an eighth of it.
pub(crate) const CAPACITY_MAX: usize = 64 << 20;
/// Bytes of the smallest segment.
pub(crate) const SIZE_MIN: usize = RING + CAPACITY_MIN;
/// Bytes of the largest segment.
pub(crate) const SIZE_MAX: usize = RING + CAPACITY_MAX;

impl Layout {
    /// Bytes of a segment with a ring of so many.
    pub(crate) const fn size_for(capacity: usize) -> usize {
        RING + capacity
    }

    /// Writes the header of a segment of ours, before anybody else has it.
    ///
    /// # Panics
    /// Panics if the region is not [`size_for`](Self::size_for) `capacity`, or that is no power of two between
    /// [`CAPACITY_MIN`] and [`CAPACITY_MAX`].
    pub(crate) fn write(region: &Region, capacity: usize, recv_hwm: u64) -> Self {
        let layout = Self { ring: RING, capacity };
        assert!(region.size() == Self::size_for(capacity), "the segment has another size than its ring needs");
        let words = Words {
            magic: MAGIC,
            version: VERSION,
            flags: 0,
            size: as_u64(region.size()),
            ring: as_u64(RING),
            capacity: as_u64(capacity),
        };
        assert!(words.check(region.size()) == Ok(layout), "a ring has a capacity that is allowed");
        let format = u64::from_ne_bytes(join(words.version.to_ne_bytes(), words.flags.to_ne_bytes()));
        let header = [words.magic, format, words.size, words.ring, words.capacity];
        // Relaxed: the peer is sent the descriptor afterwards, by a system call.
        for (at, word) in header.into_iter().enumerate() {
            region.word(8 * at).store(word, Ordering::Relaxed);
        }
        region.word(RECV_HWM).store(recv_hwm, Ordering::Relaxed);
        layout
    }

    /// Reads and checks the header of a peer's segment.
    ///
    /// # Errors
    /// [`LayoutError`]: the peer's doing, or it is of another version.
    pub(crate) fn check(foreign: &Foreign) -> Result<Self, LayoutError> {
        Words::read(foreign).check(foreign.size())
    }
}

/// Why a segment's header is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LayoutError {
    /// It does not begin as a segment does.
    NoSegment,
    /// It is of a version we do not know.
    Version(u32),
    /// It has flags we do not know.
    Flags(u32),
    /// It says another size than it has.
    Size(u64),
    /// It says that the ring is where it cannot be.
    Ring {
        /// In bytes.
        offset: u64,
        /// In bytes.
        capacity: u64,
    },
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSegment => f.write_str("the peer's memory is no segment"),
            Self::Version(version) => write!(f, "the peer's segment is of version {version}"),
            Self::Flags(flags) => write!(f, "the peer's segment has the flags {flags:#x}"),
            Self::Size(size) => write!(f, "the peer's segment says that it is of {size} bytes"),
            Self::Ring { offset, capacity } => {
                write!(f, "the peer's segment says that its ring of {capacity} bytes is at {offset}")
            }
        }
    }
}

impl std::error::Error for LayoutError {}

/// The words of a header, as they were read, each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Words {
    magic: u64,
    version: u32,
    flags: u32,
    size: u64,
    ring: u64,
    capacity: u64,
}

impl Words {
    fn read(foreign: &Foreign) -> Self {
        // Relaxed: the descriptor came by a system call, after the header was written.
        let read = |at: usize| foreign.word(at).load(Ordering::Relaxed);
        let [v0, v1, v2, v3, f0, f1, f2, f3] = read(8).to_ne_bytes();
        Self {
            magic: read(0),
            version: u32::from_ne_bytes([v0, v1, v2, v3]),
            flags: u32::from_ne_bytes([f0, f1, f2, f3]),
            size: read(16),
            ring: read(24),
            capacity: read(32),
        }
    }

    /// What they mean for a segment of `size` bytes.
    fn check(self, size: usize) -> Result<Layout, LayoutError> {
        if self.magic != MAGIC {
            return Err(LayoutError::NoSegment);
        }
        if self.version != VERSION {
            return Err(LayoutError::Version(self.version));
        }
        if self.flags != 0 {
            return Err(LayoutError::Flags(self.flags));
        }
        if self.size != as_u64(size) {
            return Err(LayoutError::Size(self.size));
        }
        let layout = || {
            let (ring, capacity) = (usize::try_from(self.ring).ok()?, usize::try_from(self.capacity).ok()?);
            let is_capacity = capacity.is_power_of_two() && (CAPACITY_MIN..=CAPACITY_MAX).contains(&capacity);
            let is_place = ring >= RING && ring.is_multiple_of(PAGE) && ring <= size.checked_sub(capacity)?;
            (is_capacity && is_place).then_some(Layout { ring, capacity })
        };
        layout().ok_or(LayoutError::Ring { offset: self.ring, capacity: self.capacity })
    }
}

fn as_u64(size: usize) -> u64 {
    u64::try_from(size).expect("an address is of at most 64 bits")
}

fn join([a, b, c, d]: [u8; 4], [e, f, g, h]: [u8; 4]) -> [u8; 8] {
    [a, b, c, d, e, f, g, h]
}
