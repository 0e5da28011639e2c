//! What is where in a segment.
//!
//! Each side of a link makes one segment and alone writes it: the ring of what it sends, and what it has to say about
//! the other's ring. Each line is written by one role and on a cache line of its own. Numbers are in the machine's
//! order of bytes; positions are bytes since the beginning and only grow.
//!
//! ```text
//!    0  magic u64 | 8 version u32, flags u32 | 16 size of the segment u64 | 24 offset of the ring u64 | 32 capacity u64
//!   64  of the reader: position read u64 | messages taken u64 | recv_hwm u64 | closed u64
//!  128  of the sleeping receiver: epoch u64
//!  192  of the sender who wants room: epoch u64
//! 4096  the ring
//! ```

#![forbid(unsafe_code)]

/// Where the position is up to which the writer of this segment has read the other's ring.
///
/// Stored with Release, when the bytes before it are copied out; acquired by the other before it writes there again.
pub(crate) const POSITION: usize = 64;
/// Where the number of messages is that the writer of this segment has taken from the other's ring.
pub(crate) const TAKEN: usize = 72;
/// Where the high-water mark is of the writer of this segment: how many messages it wants to be sent that it has not taken;
/// 0: any number.
pub(crate) const RECV_HWM: usize = 80;
/// Where it is 1 once the writer of this segment reads no more: its position is final. 0 before.
pub(crate) const CLOSED: usize = 88;
/// Where the epoch is of the writer's sleep for messages. Odd: it sleeps, or is about to.
pub(crate) const RECEIVER: usize = 128;
/// Where the epoch is of the writer's sleep for room. Odd: it wants to be told of room.
pub(crate) const SENDER: usize = 192;
/// Where the ring is, by a segment's own word, which has been checked: within the segment, aligned to a page, and of a
/// capacity that is a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Where the ring begins, in bytes from the beginning of the segment.
    pub(crate) ring: usize,
    /// Its bytes.
    pub(crate) capacity: usize,
}
