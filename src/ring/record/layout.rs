//! Where records lie and what their headers say: pure arithmetic, no atomics.

#![forbid(unsafe_code)]

/// Bytes that a record with a payload of `size` takes: header, payload, and what fills it up to a multiple of 16.
#[inline(always)]
pub(crate) const fn stride(size: usize) -> usize {
    (HEADER_BYTES + size).next_multiple_of(ALIGN)
}

/// Where a ring lies. Pure arithmetic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    start: usize,
    /// The capacity, less one.
    mask: u64,
}

impl Place {
    pub(super) fn new(start: usize, capacity: usize) -> Self {
        assert!(start.is_multiple_of(ALIGN), "records lie at multiples of 16");
        assert!(
            capacity.is_power_of_two() && (CAPACITY_MIN..=CAPACITY_MAX).contains(&capacity),
            "a ring of {capacity} bytes"
        );
        Self { start, mask: capacity as u64 - 1 }
    }

    #[inline(always)]
    pub(super) fn capacity(self) -> usize {
        self.mask as usize + 1
    }

    #[inline(always)]
    pub(super) fn payload_max(self) -> usize {
        self.capacity() / PAYLOAD_SHARE
    }

    #[inline(always)]
    pub(super) fn offset(self, position: u64) -> usize {
        self.start + (position & self.mask) as usize
    }

    /// Bytes from `position` to the end of the ring; a multiple of 16, from 16 to the capacity.
    #[inline(always)]
    pub(super) fn left(self, position: u64) -> usize {
        self.capacity() - (position & self.mask) as usize
    }
}

/// The first word of a record; the picture is at the top of the room.
#[derive(Clone, Copy)]
pub(super) struct Header(pub(super) u64);

impl Header {
    #[inline(always)]
    pub(super) fn new(kind: u8, size: usize, note: u32) -> Self {
        debug_assert!(kind <= PAD && size < 1 << SIZE_BITS);
        Self(COMMITTED | u64::from(kind) << KIND_SHIFT | (size as u64) << SIZE_SHIFT | u64::from(note))
    }

    #[inline(always)]
    pub(super) fn is_committed(self) -> bool {
        self.0 & COMMITTED != 0
    }

    #[inline(always)]
    pub(super) fn kind(self) -> u8 {
        (self.0 >> KIND_SHIFT) as u8 & PAD
    }

    #[inline(always)]
    pub(super) fn size(self) -> usize {
        (self.0 >> SIZE_SHIFT) as usize & ((1 << SIZE_BITS) - 1)
    }

    #[inline(always)]
    pub(super) fn note(self) -> u32 {
        self.0 as u32
    }
}

/// The highest kind a pipe may give a record.
pub(crate) const KIND_MAX: u8 = PAD - 1;
/// The least a ring may have, in bytes: a page.
pub(crate) const CAPACITY_MIN: usize = if cfg!(any(loom, shuttle)) { 64 } else { 1 << 12 };
/// The most a ring may have, in bytes: its longest payload is less than a header can say.
pub(crate) const CAPACITY_MAX: usize = if cfg!(any(loom, shuttle)) { 1 << 10 } else { 1 << 26 };

pub(super) const COMMITTED: u64 = 1 << 63;
const KIND_SHIFT: u32 = 56;
const SIZE_SHIFT: u32 = 32;
const SIZE_BITS: u32 = 24;
/// The kind of a pad: all bits of a kind.
pub(super) const PAD: u8 = 0x7f;
pub(super) const HEADER_BYTES: usize = size_of::<u64>();
/// Records begin and end at multiples of it, so that a header never straddles the end of the ring and four of the smallest
/// share a cache line.
const ALIGN: usize = 16;
/// Bytes never used by records: the header behind the last of them.
pub(super) const KEPT: usize = ALIGN;
/// The longest payload is the ring's capacity over this. In an empty ring it fits wherever the position is: with a pad that is
/// shorter than itself it takes at most a quarter of the ring.
pub(super) const PAYLOAD_SHARE: usize = if cfg!(any(loom, shuttle)) { 4 } else { 8 };

const _: () = assert!(CAPACITY_MAX / PAYLOAD_SHARE < 1 << SIZE_BITS);
const _: () = assert!(2 * stride(CAPACITY_MIN / PAYLOAD_SHARE) <= CAPACITY_MIN);
