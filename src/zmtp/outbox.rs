//! [`Outbox`]: what is to be written, in order.
//!
//! Headers, commands and short bodies are copied one behind the other; long shared bodies are referenced and stand
//! between them, so that a vectored write takes them from where they are:
//!
//! ```text
//! copied   |xxxxxxxxxx header |header frame frame header |header ...
//!                     ^at     ^at = the next one's       ^at
//! shared              body 0  body 1                     body 2
//! ```
//!
//! Positions count bytes and grow for ever. Invariants: `head <= copied.len()`; the `at` of the shared bodies never
//! fall and lie in `head..=copied.len()`; only the first shared body may be written in part (`shared_head`), and only
//! when `head` is at it.

#![forbid(unsafe_code)]

use std::{collections::VecDeque, fmt, io::IoSlice};

use bytes::Bytes;

use super::frame;
use crate::{Frame, Message};

/// See the module.
#[derive(Default)]
pub(crate) struct Outbox {
    copied: Vec<u8>,
    /// Bytes of `copied` that are written.
    head: usize,
    shared: VecDeque<Shared>,
    /// Bytes of the first shared body that are written.
    shared_head: usize,
    /// Bytes of all shared bodies, written ones of the first included.
    shared_size: usize,
    written: u64,
}

/// A body that is not copied.
struct Shared {
    /// So many bytes of `copied` come before it.
    at: usize,
    bytes: Bytes,
}

impl Outbox {
    /// Appends bytes.
    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.copied.extend_from_slice(bytes);
    }

    /// Appends a frame of at most 255 bytes.
    #[inline]
    pub(super) fn put_short(&mut self, flags: u8, body: &[u8]) {
        debug_assert!(body.len() <= frame::SHORT_MAX);
        self.copied.reserve(frame::SHORT_HEADER + body.len());
        self.copied.extend_from_slice(&[flags, body.len() as u8]);
        self.copied.extend_from_slice(body);
    }

    /// Appends a frame. The body is referenced if it is shared and not short.
    #[inline]
    pub(super) fn put_frame(&mut self, flags: u8, body: &Frame) {
        if body.len() <= frame::SHORT_MAX {
            self.put_short(flags, body);
        } else {
            self.put_long(flags, body);
        }
    }

    #[inline(never)]
    fn put_long(&mut self, flags: u8, body: &Frame) {
        self.put_header(flags, body.len());
        if body.is_shared() && body.len() >= SHARED_MIN {
            self.shared.push_back(Shared { at: self.copied.len(), bytes: body.clone().into_bytes() });
            self.shared_size += body.len();
        } else {
            self.put(body);
        }
        self.invariants();
    }

    /// Appends a frame's header: the short form if it will do.
    pub(super) fn put_header(&mut self, flags: u8, size: usize) {
        let (header, len) = frame::header(flags, size);
        self.put(&header[..len]);
    }

    /// Is there nothing to write?
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head == self.copied.len() && self.shared.is_empty()
    }

    /// Bytes to write.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.copied.len() - self.head + self.shared_size - self.shared_head
    }

    /// Bytes ever put in. A message is wholly written when [`Outbox::written`] has reached this as it was after its
    /// `send`.
    #[inline]
    pub(crate) fn queued(&self) -> u64 {
        self.written + self.len() as u64
    }

    /// Bytes ever written.
    #[inline]
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Fills `into` from the front with what is to be written, as far as it goes; returns how many are filled. None is
    /// empty, so none are filled only when there is nothing to write.
    pub(crate) fn slices<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        let mut fill = |bytes: &'a [u8]| {
            if !bytes.is_empty() && filled < into.len() {
                into[filled] = IoSlice::new(bytes);
                filled += 1;
            }
        };
        let (mut head, mut shared_head) = (self.head, self.shared_head);
        // Each shared body has a header of its own before it, so that at most one of two is left out.
        for shared in &self.shared {
            fill(&self.copied[head..shared.at]);
            fill(&shared.bytes[shared_head..]);
            (head, shared_head) = (shared.at, 0);
        }
        fill(&self.copied[head..]);
        filled
    }

    /// So many bytes have been written. Drops the bodies that are done with.
    ///
    /// # Panics
    /// Panics if there were not so many.
    pub(crate) fn advance(&mut self, written: usize) {
        assert!(written <= self.len(), "{written} bytes written of {}", self.len());
        self.written += written as u64;
        if self.shared.is_empty() {
            self.head += written;
        } else {
            self.advance_shared(written);
        }
        if self.head == self.copied.len() && self.shared.is_empty() {
            self.copied.clear();
            self.head = 0;
        } else if self.head >= COMPACT_MIN && self.head >= self.copied.len() / 2 {
            self.compact();
        }
        self.invariants();
    }

    fn advance_shared(&mut self, mut written: usize) {
        while written > 0 {
            let at = self.shared.front().map_or(self.copied.len(), |shared| shared.at);
            let copied = written.min(at - self.head);
            self.head += copied;
            written -= copied;
            // None only when everything has been written: the caller has checked it.
            let Some(shared) = self.shared.front().filter(|_| written > 0) else { return };
            let body = written.min(shared.bytes.len() - self.shared_head);
            self.shared_head += body;
            written -= body;
            if self.shared_head == shared.bytes.len() {
                self.shared_size -= self.shared_head;
                self.shared_head = 0;
                self.shared.pop_front();
            }
        }
    }

    /// The bytes between two positions, if they were copied here, are next to one another, and still stand. What stands for sure:
    /// what is not written, and the last [`KEPT_WRITTEN`] bytes before it.
    fn between(&self, start: u64, end: u64) -> Option<&[u8]> {
        let mut behind = usize::try_from(self.queued().checked_sub(end)?).ok()?;
        let size = usize::try_from(end.checked_sub(start)?).ok()?;
        let mut index = self.copied.len();
        for shared in self.shared.iter().rev() {
            if behind <= index - shared.at {
                break;
            }
            behind = behind.checked_sub(index - shared.at)?.checked_sub(shared.bytes.len())?;
            index = shared.at;
        }
        let end = index.checked_sub(behind)?;
        self.copied.get(end.checked_sub(size)?..end)
    }

    /// The message of short frames that was put between two positions: for one that is to go another way.
    pub(crate) fn take_back(&self, start: u64, end: u64) -> Option<Message> {
        let mut bytes = self.between(start, end)?;
        let mut message = Message::new();
        while let [_, size, rest @ ..] = bytes {
            let (body, rest) = rest.split_at_checked(usize::from(*size))?;
            message.push(Frame::copy_from(body));
            bytes = rest;
        }
        Some(message)
    }

    /// Moves what is not written to the front: at most as much as has been written since the last time.
    #[cold]
    fn compact(&mut self) {
        let gone = self.head - KEPT_WRITTEN;
        self.copied.drain(..gone);
        self.shared.iter_mut().for_each(|shared| shared.at -= gone);
        self.head = KEPT_WRITTEN;
    }

    /// Gives memory back, if there is nothing to write and more than a little of it.
    #[allow(dead_code, reason = "nobody looks for idle connections yet")]
    pub(crate) fn trim(&mut self) {
        if self.is_empty() {
            if self.copied.capacity() > KEPT_MAX {
                self.copied = Vec::new();
            }
            self.shared = VecDeque::new();
        }
    }

    /// See the module.
    #[inline]
    fn invariants(&self) {
        debug_assert!(self.head <= self.copied.len());
        debug_assert!(self.shared.iter().map(|shared| shared.at).is_sorted());
        debug_assert!(self.shared.iter().all(|shared| (self.head..=self.copied.len()).contains(&shared.at)));
        debug_assert!(self.shared_size == self.shared.iter().map(|shared| shared.bytes.len()).sum::<usize>());
        debug_assert!(
            self.shared_head == 0
                || self
                    .shared
                    .front()
                    .is_some_and(|shared| shared.at == self.head && self.shared_head < shared.bytes.len())
        );
    }
}

impl fmt::Debug for Outbox {
    /// How much there is, not what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbox({} B, {} B written)", self.len(), self.written)
    }
}

/// Shared bodies of fewer bytes are copied all the same: a count taken and given back and a slice of its own in the
/// system call cost more than copying them.
pub(super) const SHARED_MIN: usize = 1024;
/// Written bytes that are left standing before the rest is moved to the front.
const COMPACT_MIN: usize = 16 << 10;
/// Written bytes that are never moved away while there is something behind them: the beginning of a short message that is
/// written in part, with its envelope.
const KEPT_WRITTEN: usize = 512;
/// Memory an idle connection keeps for what it will write next.
const KEPT_MAX: usize = 4 << 10;

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    /// The first bytes of each slice there is.
    fn slices(outbox: &Outbox) -> Vec<Vec<u8>> {
        let mut slices = [IoSlice::new(&[]); 16];
        let filled = outbox.slices(&mut slices);
        slices[..filled].iter().map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn long_shared_bodies_are_not_copied() {
        let mut outbox = Outbox::default();
        let long = Frame::from(vec![1; SHARED_MIN]);
        outbox.put_frame(1, &"a".into());
        outbox.put_frame(1, &long);
        outbox.put_frame(0, &vec![2; SHARED_MIN - 1].into());
        let mut slices = [IoSlice::new(&[]); 16];
        assert_eq!(outbox.slices(&mut slices), 3);
        assert_eq!(slices[0].len(), 3 + 9);
        assert_eq!(slices[1].as_ptr(), long.as_ptr());
        assert_eq!(slices[2].len(), 9 + SHARED_MIN - 1);
        // One that has room for fewer gets the first.
        assert_eq!(outbox.slices(&mut slices[..2]), 2);
        assert_eq!(outbox.len(), 3 + 9 + SHARED_MIN + 9 + SHARED_MIN - 1);
    }

    #[test]
    fn bodies_are_dropped_as_soon_as_they_are_written() {
        let owner = std::sync::Arc::new([7_u8; 4096]);
        struct Owner(std::sync::Arc<[u8; 4096]>);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                &*self.0
            }
        }
        let mut outbox = Outbox::default();
        outbox.put_frame(0, &Frame::from_owner(Owner(owner.clone())));
        outbox.put_frame(0, &"next".into());
        assert_eq!(std::sync::Arc::strong_count(&owner), 2);
        outbox.advance(9 + 4095);
        assert_eq!(std::sync::Arc::strong_count(&owner), 2);
        outbox.advance(1);
        assert_eq!(std::sync::Arc::strong_count(&owner), 1);
        assert_eq!(slices(&outbox), [b"\x00\x04next"]);
    }

    #[test]
    fn written_byte_by_byte_it_is_the_same() {
        let mut outbox = Outbox::default();
        let fill = |outbox: &mut Outbox| {
            for size in [0, 1, 255, 256, SHARED_MIN, SHARED_MIN, 3 * COMPACT_MIN, 0, 2] {
                outbox.put_frame(0, &vec![size as u8; size].into());
            }
        };
        fill(&mut outbox);
        let whole = slices(&outbox).concat();
        assert_eq!(outbox.len(), whole.len());
        for byte in &whole {
            let mut first = [IoSlice::new(&[])];
            assert_eq!(outbox.slices(&mut first), 1);
            assert_eq!(first[0][0], *byte);
            outbox.advance(1);
        }
        assert!(outbox.is_empty() && slices(&outbox).is_empty());
        assert_eq!(outbox.written(), whole.len() as u64);
    }

    #[test]
    fn one_that_is_never_empty_stays_small() {
        let mut outbox = Outbox::default();
        outbox.put_frame(0, &vec![0; 200].into());
        for round in 0..10_000 {
            outbox.put_frame(0, &vec![round as u8; 200].into());
            outbox.advance(202);
        }
        assert!(outbox.copied.capacity() < 8 * COMPACT_MIN);
    }

    #[test]
    fn an_idle_one_gives_its_memory_back() {
        let mut outbox = Outbox::default();
        outbox.put(&[0; 100_000]);
        outbox.trim();
        assert_eq!(outbox.len(), 100_000);
        outbox.advance(100_000);
        outbox.trim();
        assert_eq!(outbox.copied.capacity(), 0);
        assert_eq!((outbox.written(), outbox.queued()), (100_000, 100_000));
    }

    #[test]
    #[should_panic(expected = "2 bytes written of 1")]
    fn more_than_there_is_cannot_be_written() {
        let mut outbox = Outbox::default();
        outbox.put(b"x");
        outbox.advance(2);
    }
}
