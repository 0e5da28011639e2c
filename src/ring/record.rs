//! Records of any length from one writer to one reader that need not trust each other: the ring under shared memory.
//!
//! A ring takes its bytes as a [`Memory`] and never asks where they came from. The writer's memory is its own and nobody
//! else writes it; the reader's is the same bytes seen from another process, and hostile: it may change at any time.
//!
//! ```text
//!               63  62   56  55   32  31    0
//! header word  | 1 | kind   | size   | note   |     zero: nothing is committed here (yet)
//!
//!               0        8            8 + size   16 k
//! record       | header | payload    | unused   |   begins and ends at multiples of 16, never wraps
//! ```
//!
//! Positions are bytes that only grow; a record lies at `start + (position & mask)`. One Release store of its header
//! commits a record, and whoever is killed at any instruction leaves it committed or not begun. What does not fit before
//! the end of the ring goes to its start, behind a *pad* that fills the end; both are committed by the one store of the
//! pad's header.
//!
//! The word behind a record is zeroed before the record is committed, so that a reader who has taken it finds a header
//! there and not what an older lap has left. So a small record crosses in one cache line or two: the reader spins on the
//! word that will be its header, and nothing else is shared but the reader's position, which the writer reads when it runs
//! out of room. Headers and pads are after Agrona's `OneToOneRingBuffer`.
//!
//! A ring can be gone on from in another: positions go on, and so both halves are told at which (`Writer::following`,
//! `Reader::following`). What says so to the reader is a record of the pipe's, the last in the ring before.
//!
//! Invariants, in the writer: `head <= tail <= head + capacity - KEPT`; `head` and `tail` are ends of records; each record
//! between them bears its header, and the word at `tail` is zero.
//!
//! | published by | read by | what it carries |
//! |---|---|---|
//! | header, Release, [`Writer::commit`] | Acquire, [`Reader::peek`] | the payload; the zero behind it; behind a pad the record's header |
//! | the reader's position, Release, by whoever holds the [`Reader`] | Acquire, by whoever calls [`Writer::reclaim`] | that the records before it were copied out |
//!
//! # Who trusts whom
//!
//! The reader reads each word once and checks it before use: whatever the memory holds, it answers with a record that lies
//! inside the ring, with nothing, or with [`Corrupt`], after at most two words. It cannot tell an honest payload from another, nor that
//! what it copies stays the same meanwhile. The writer reads headers of its own only; a position it is told is one of
//! its records' ends, or `Corrupt`.
//!
//! What it does not do: wait; say how long a message may be (the pipe splits what is longer than [`Writer::payload_max`]);
//! judge kinds other than the pad's.

mod corrupt;
#[cfg(any(test, loom, shuttle, feature = "fuzzing"))]
#[cfg_attr(not(any(test, feature = "fuzzing")), allow(dead_code, reason = "only models make one"))]
pub(crate) mod heap;
mod layout;
#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

use std::{iter, mem::MaybeUninit, sync::Arc};

pub(crate) use corrupt::Corrupt;
pub(crate) use layout::CAPACITY_MAX;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use layout::CAPACITY_MIN;
pub(crate) use layout::KIND_MAX;
use layout::{HEADER_BYTES, Header, KEPT, PAD, Place, stride};

use crate::sync::{AtomicU64, Ordering, planted, weakened};

/// Bytes a ring lies in, some of which another process may be writing.
///
/// # Safety
///
/// `copy_out` has initialised all of `to` when it returns.
pub(crate) unsafe trait Memory {
    /// The word at `offset`, a multiple of 8.
    ///
    /// # Panics
    ///
    /// If it is none, or lies outside: an offset is ours, never a peer's.
    fn word(&self, offset: usize) -> &AtomicU64;

    /// Copies the bytes from `offset` on. What others write meanwhile may be seen in part.
    ///
    /// # Panics
    ///
    /// If they do not all lie inside.
    fn copy_out(&self, offset: usize, to: &mut [MaybeUninit<u8>]);

    /// The line at `offset` will be read soon. A hint.
    ///
    /// # Panics
    ///
    /// If it lies outside.
    #[inline(always)]
    fn prefetch(&self, _offset: usize) {}
}

/// Bytes that we may write, and nobody else does.
pub(crate) trait Writable: Memory {
    /// Copies `from` to the bytes from `offset` on.
    ///
    /// # Panics
    ///
    /// If they do not all lie inside.
    fn copy_in(&self, offset: usize, from: &[u8]);
}

// SAFETY: it is what it holds.
unsafe impl<M: Memory> Memory for Arc<M> {
    #[inline(always)]
    fn word(&self, offset: usize) -> &AtomicU64 {
        (**self).word(offset)
    }

    #[inline(always)]
    fn copy_out(&self, offset: usize, to: &mut [MaybeUninit<u8>]) {
        (**self).copy_out(offset, to);
    }

    #[inline(always)]
    fn prefetch(&self, offset: usize) {
        (**self).prefetch(offset);
    }
}

impl<M: Writable> Writable for Arc<M> {
    #[inline(always)]
    fn copy_in(&self, offset: usize, from: &[u8]) {
        (**self).copy_in(offset, from);
    }
}

/// The writing half: one for a ring, used by one thread at a time.
#[derive(Debug)]
pub(crate) struct Writer<M> {
    memory: M,
    ring: Place,
    /// End of the last record committed.
    tail: u64,
    /// End of the last record we know the reader has taken. Stale only downwards: the ring may look fuller than it is,
    /// never emptier.
    head: u64,
}

impl<M: Writable> Writer<M> {
    /// Of the empty ring of `capacity` bytes from `start` on. The first header is zeroed here: no reader may look before.
    ///
    /// # Panics
    ///
    /// If `start` is no multiple of 16, or `capacity` no power of two from [`CAPACITY_MIN`] to [`CAPACITY_MAX`].
    pub(crate) fn new(memory: M, start: usize, capacity: usize) -> Self {
        Self::following(memory, start, capacity, 0)
    }

    /// As [`new`](Self::new), of an empty ring that goes on from `position`, the end of a record in the ring before.
    ///
    /// # Panics
    ///
    /// Likewise, or if `position` is no multiple of 16.
    pub(crate) fn following(memory: M, start: usize, capacity: usize, position: u64) -> Self {
        let ring = Place::new(start, capacity);
        assert!(position.is_multiple_of(stride(0) as u64), "records end at multiples of 16");
        // Relaxed: whoever hands the memory to a reader publishes it, or the record that says that it goes on there.
        memory.word(ring.offset(position)).store(0, Ordering::Relaxed);
        Self { memory, ring, tail: position, head: position }
    }

    /// Its bytes.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// The longest payload of a record, in bytes.
    #[inline(always)]
    pub(crate) fn payload_max(&self) -> usize {
        self.ring.payload_max()
    }

    /// End of the last record committed.
    #[inline(always)]
    pub(crate) fn position(&self) -> u64 {
        self.tail
    }

    /// What it writes to.
    #[inline]
    pub(crate) fn memory(&self) -> &M {
        &self.memory
    }

    /// What it was made of, as nothing is written any more.
    pub(crate) fn into_memory(self) -> M {
        self.memory
    }

    /// Nothing is written any more: gives back what it was made of, and holds this ring's memory in its place, which it does not
    /// touch: its reader may be there still.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub(crate) fn retire(&mut self, memory: M, start: usize, capacity: usize) -> M {
        (self.ring, self.head) = (Place::new(start, capacity), self.tail);
        std::mem::replace(&mut self.memory, memory)
    }

    /// End of the last record known to be taken.
    #[cfg(any(all(test, not(any(loom, shuttle))), feature = "fuzzing"))]
    pub(crate) fn reclaimed(&self) -> u64 {
        self.head
    }

    /// Bytes that records may take now, headers included: a record takes [`stride`] of its size, and what is left before
    /// the end of the ring where it does not fit there. May be more once more is reclaimed.
    #[inline(always)]
    pub(crate) fn free(&self) -> usize {
        self.ring.capacity() - KEPT - (self.tail - self.head) as usize
    }

    /// Room for a record of `size` bytes in one piece, or `None` if there is none now. In an empty ring there is always.
    ///
    /// Nothing has happened before the claim is committed, and nothing will if it is dropped.
    ///
    /// # Panics
    ///
    /// If `size` is more than [`payload_max`](Self::payload_max).
    #[inline(always)]
    pub(crate) fn claim(&mut self, size: usize) -> Option<Claim> {
        assert!(size <= self.payload_max(), "a record is at most an eighth of the ring");
        let (stride, left) = (stride(size), self.ring.left(self.tail));
        let pad = if stride <= left { 0 } else { left };
        let kept = if planted("record-keeps-nothing") { KEPT } else { 0 };
        (pad + stride <= self.free() + kept).then_some(Claim { begin: self.tail, at: self.tail + pad as u64, size })
    }

    /// Where the claimed payload begins, in bytes of the memory: for who writes it there, and nothing behind it.
    #[inline]
    pub(crate) fn offset_of(&self, claim: &Claim) -> usize {
        self.ring.offset(claim.at) + HEADER_BYTES
    }

    /// Writes `bytes` to the claimed payload, from its byte `at` on. What is never written holds what an older lap has left.
    ///
    /// # Panics
    ///
    /// If they do not all lie inside the payload.
    #[inline(always)]
    pub(crate) fn write(&self, claim: &Claim, at: usize, bytes: &[u8]) {
        assert!(at <= claim.size && bytes.len() <= claim.size - at, "a claim is written inside");
        self.memory.copy_in(self.ring.offset(claim.at) + HEADER_BYTES + at, bytes);
    }

    /// Leaves the claimed payload its first `size` bytes; what is behind them was not claimed.
    ///
    /// # Panics
    ///
    /// If it has not so many.
    pub(crate) fn truncate(&self, claim: &mut Claim, size: usize) {
        assert!(size <= claim.size, "a claim does not grow");
        claim.size = size;
        // Relaxed: published by the header. It was payload, and is the header behind the record now.
        self.word(claim.at + stride(size) as u64).store(0, Ordering::Relaxed);
    }

    /// Publishes the record: the reader may take it as soon as this returns (and a moment before). Wait-free.
    ///
    /// # Panics
    ///
    /// If another claim was committed since, or `kind` is none: see [`KIND_MAX`].
    #[inline(always)]
    pub(crate) fn commit(&mut self, claim: Claim, kind: u8, note: u32) {
        assert!(claim.begin == self.tail && kind <= KIND_MAX, "a claim is the last, and of a kind");
        let end = claim.end();
        if !planted("record-stale-behind") {
            // Relaxed: published by the header below. The reader has taken what is there: `end + KEPT <= head + capacity`.
            self.word(end).store(0, Ordering::Relaxed);
        }
        let header = Header::new(kind, claim.size, note);
        if claim.at == claim.begin {
            self.publish(claim.at, header);
        } else {
            self.commit_behind_pad(&claim, header);
        }
        self.tail = end;
    }

    /// Takes note of the position the reader tells, read with Acquire; returns how many records were taken since the last.
    ///
    /// Walks them: some nanoseconds each.
    ///
    /// # Errors
    ///
    /// If it is not the end of a record between the last such position and [`position`](Self::position). Nothing changes.
    #[inline(always)]
    pub(crate) fn reclaim(&mut self, position: u64) -> Result<u64, Corrupt> {
        if position == self.head { Ok(0) } else { self.reclaim_slow(position) }
    }

    /// The records that were not taken, oldest first, as far as is known.
    pub(crate) fn unread(&self) -> impl Iterator<Item = Record> {
        let mut at = self.head;
        iter::from_fn(move || {
            let record = (at != self.tail).then(|| self.own(at))?;
            at = record.end();
            Some(record)
        })
    }

    /// Copies the payload of an [`unread`](Self::unread) record, from its byte `at` on.
    ///
    /// # Panics
    ///
    /// If so many do not lie inside the payload.
    pub(crate) fn copy_back(&self, record: &Record, at: usize, to: &mut [MaybeUninit<u8>]) {
        record.copy(&self.memory, self.ring, at, to);
    }

    /// Checks what the top of the file says always holds.
    #[cfg(all(test, not(any(loom, shuttle))))]
    fn invariants(&self) {
        assert!(self.head <= self.tail && self.tail - self.head <= (self.ring.capacity() - KEPT) as u64);
        let end = self.unread().last().map_or(self.head, |record| record.end());
        assert_eq!(end, self.tail, "each record bears its header");
        assert_eq!(self.word(self.tail).load(Ordering::Relaxed), 0, "nothing is committed at the tail");
    }

    #[cold]
    fn commit_behind_pad(&mut self, claim: &Claim, header: Header) {
        let pad = Header::new(PAD, (claim.at - claim.begin) as usize - HEADER_BYTES, 0);
        // Relaxed: no reader looks here before it has seen the pad, whose header publishes it.
        self.word(claim.at).store(header.0, Ordering::Relaxed);
        self.publish(claim.begin, pad);
    }

    #[inline(never)]
    fn reclaim_slow(&mut self, position: u64) -> Result<u64, Corrupt> {
        if position < self.head {
            return Err(Corrupt::PositionBack { position, last: self.head });
        }
        if position > self.tail {
            return Err(Corrupt::PositionAhead { position, end: self.tail });
        }
        let (mut at, mut taken) = (self.head, 0);
        while at < position {
            at = self.own(at).end();
            taken += 1;
        }
        if at != position {
            return Err(Corrupt::PositionInside { position });
        }
        self.head = position;
        Ok(taken)
    }

    /// The record of ours that begins at `begin`, maybe with a pad.
    fn own(&self, begin: u64) -> Record {
        // Relaxed: we wrote it, or were handed the writer by who did.
        let read = |position| Header(self.word(position).load(Ordering::Relaxed));
        let (mut at, mut header) = (begin, read(begin));
        if header.kind() == PAD {
            at += self.ring.left(begin) as u64;
            header = read(at);
        }
        debug_assert!(header.is_committed() && header.kind() != PAD, "records lie from head to tail");
        Record { kind: header.kind(), note: header.note(), size: header.size(), begin, at }
    }

    #[inline(always)]
    fn publish(&self, position: u64, header: Header) {
        // Release: the payload, the zero behind it, and the header behind a pad; pairs with Acquire in Reader::header.
        self.word(position).store(header.0, weakened("record-commit-relaxed", Ordering::Release));
    }

    #[inline(always)]
    fn word(&self, position: u64) -> &AtomicU64 {
        self.memory.word(self.ring.offset(position))
    }
}

/// Room in the ring, to be written and committed. Dropped: nothing has happened.
#[derive(Debug)]
#[must_use = "what is not committed was not written"]
pub(crate) struct Claim {
    /// Where the pad begins, if there is one; else `at`.
    begin: u64,
    /// Of the header.
    at: u64,
    size: usize,
}

impl Claim {
    /// Where the record will end.
    pub(crate) fn end(&self) -> u64 {
        self.at + stride(self.size) as u64
    }

    /// Bytes of the payload.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.size
    }
}

/// The reading half: one for a ring, used by one thread at a time.
#[derive(Debug)]
pub(crate) struct Reader<M> {
    memory: M,
    ring: Place,
    /// End of the last record taken. Ours alone: a peer learns it from a copy.
    position: u64,
}

impl<M: Memory> Reader<M> {
    /// Of the ring of `capacity` bytes from `start` on, at its first record.
    ///
    /// # Panics
    ///
    /// As [`Writer::new`].
    pub(crate) fn new(memory: M, start: usize, capacity: usize) -> Self {
        Self::following(memory, start, capacity, 0)
    }

    /// As [`new`](Self::new), of a ring that goes on from `position`, the end of the last record in the one before.
    ///
    /// # Panics
    ///
    /// Likewise.
    pub(crate) fn following(memory: M, start: usize, capacity: usize, position: u64) -> Self {
        Self { memory, ring: Place::new(start, capacity), position }
    }

    /// End of the last record taken: what the peer is told, with Release, once what was copied is ours.
    #[inline(always)]
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The longest payload of a record, in bytes.
    #[inline(always)]
    pub(crate) fn payload_max(&self) -> usize {
        self.ring.payload_max()
    }

    /// The next record, or `None` if nothing is committed (any more may be at any time). It stays there until
    /// [`advance`](Self::advance). Wait-free: reads one word, or two where a pad is.
    ///
    /// # Errors
    ///
    /// If what is there is no record. It may be something else at the next look: who gets an error looks no more.
    #[inline(always)]
    pub(crate) fn peek(&self) -> Result<Option<Record>, Corrupt> {
        let header = self.header(self.position);
        if header.0 == 0 {
            return Ok(None);
        }
        if header.kind() == PAD {
            return self.peek_behind_pad(header).map(Some);
        }
        self.record(self.position, header).map(Some)
    }

    /// Copies the payload from its byte `at` on. They are what the peer lets them be.
    ///
    /// # Panics
    ///
    /// If so many do not lie inside the payload and its [`room`](Record::room).
    #[inline(always)]
    pub(crate) fn copy_out(&self, record: &Record, at: usize, to: &mut [MaybeUninit<u8>]) {
        record.copy(&self.memory, self.ring, at, to);
    }

    /// Takes the record. The writer may use its place again once it is told our [`position`](Self::position).
    #[inline(always)]
    pub(crate) fn advance(&mut self, record: &Record) {
        debug_assert_eq!(record.begin, self.position, "the record that was looked at last");
        self.position = record.end();
    }

    /// The pad ends with the ring, and behind it is a record.
    #[cold]
    fn peek_behind_pad(&self, pad: Header) -> Result<Record, Corrupt> {
        let left = self.ring.left(self.position);
        if !pad.is_committed() || pad.size() + HEADER_BYTES != left || left > self.payload_max() {
            return Err(Corrupt::Pad { header: pad.0, left });
        }
        let at = self.position + left as u64;
        let header = self.header(at);
        // Both were committed at once.
        if header.0 == 0 || header.kind() == PAD {
            return Err(Corrupt::BehindPad { header: header.0 });
        }
        self.record(at, header)
    }

    /// The record at `at`, checked.
    #[inline(always)]
    fn record(&self, at: u64, header: Header) -> Result<Record, Corrupt> {
        let (size, left) = (header.size(), self.ring.left(at));
        // The first bound implies that the sum is exact, the second that it lies inside the ring.
        if header.is_committed() && size <= self.payload_max() && stride(size) <= left {
            // Its end may lie in another line, which is on its way while what is to be done before the copy is done.
            self.memory.prefetch(self.ring.offset(at) + HEADER_BYTES + size.saturating_sub(1));
            Ok(Record { kind: header.kind(), note: header.note(), size, begin: self.position, at })
        } else {
            Err(Corrupt::Header { header: header.0, left })
        }
    }

    #[inline(always)]
    fn header(&self, position: u64) -> Header {
        // Acquire: all that was written before it was committed; pairs with Release in Writer::publish.
        let order = weakened("record-peek-relaxed", Ordering::Acquire);
        Header(self.memory.word(self.ring.offset(position)).load(order))
    }
}

/// A record that lies in a ring: what its header said when it was read, and where it is.
#[derive(Debug)]
pub(crate) struct Record {
    /// What the pipe says it is; at most [`KIND_MAX`].
    pub(crate) kind: u8,
    /// What the pipe says of it.
    pub(crate) note: u32,
    /// Bytes of the payload; at most `payload_max`.
    pub(crate) size: usize,
    /// Where the pad begins, if there is one; else `at`.
    begin: u64,
    /// Of the header. The whole record was checked to lie in the ring.
    at: u64,
}

impl Record {
    /// The position behind it.
    #[inline(always)]
    pub(crate) fn end(&self) -> u64 {
        self.at + stride(self.size) as u64
    }

    /// Bytes of the payload and those that fill it up. So many may be copied out: 8 and a multiple of 16.
    #[inline(always)]
    pub(crate) fn room(&self) -> usize {
        stride(self.size) - HEADER_BYTES
    }

    #[inline(always)]
    fn copy(&self, memory: &impl Memory, ring: Place, at: usize, to: &mut [MaybeUninit<u8>]) {
        assert!(at <= self.room() && to.len() <= self.room() - at, "a record is read inside");
        memory.copy_out(ring.offset(self.at) + HEADER_BYTES + at, to);
    }
}
