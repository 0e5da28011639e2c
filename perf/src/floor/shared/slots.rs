//! A bare slot in each direction, in memory that two processes share: the message is written, then its mark; the other side
//! waits for the mark. What a message between two processes costs when nobody adds anything: awake, a line there and back, for
//! messages of up to 56 bytes; asleep, a futex there and back.
//!
//! A side writes its slot again only when it has been answered, so there is no position and no fence. Round trips only.

use std::sync::atomic::Ordering;

use rustix::thread::futex;

use super::memory::Memory;
use crate::{
    cli::Wait,
    end::{Bound, Halves, Meet, Relax, Rx, Terms, Tx},
    failure::Failure,
    payload::{Header, fill},
};

/// The road of bare slots between processes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedSlots;

/// One side of it.
pub(crate) struct SlotEnd {
    memory: Memory,
    /// Where our slot is, and the other's.
    ours: usize,
    theirs: usize,
    sent: u32,
    received: u32,
    size: usize,
    relax: Relax,
    /// Sleeps until the mark changes, and wakes the other.
    sleeps: bool,
}

impl SlotEnd {
    fn new(memory: Memory, terms: &Terms, is_first: bool) -> Self {
        let slots = [0, slot_bytes(terms)];
        let (ours, theirs) = if is_first { (slots[0], slots[1]) } else { (slots[1], slots[0]) };
        let (size, relax, sleeps) = (terms.size, terms.relax, terms.wait != Wait::Spin);
        Self { memory, ours, theirs, sent: 0, received: 0, size, relax, sleeps }
    }
}

impl Tx for SlotEnd {
    #[inline(always)]
    fn send(&mut self, header: Header) -> Result<(), Failure> {
        // SAFETY: the other side reads our slot after its mark, and has answered what was in it.
        fill(unsafe { self.memory.write(self.ours + MARK_BYTES, self.size) }, header);
        self.sent = self.sent.wrapping_add(1);
        let mark = self.memory.mark(self.ours);
        // Release: the bytes above; pairs with Acquire in `recv`.
        mark.store(self.sent, Ordering::Release);
        if self.sleeps {
            // Fails for no valid word.
            let _ = futex::wake(mark, futex::Flags::empty(), 1);
        }
        Ok(())
    }
}

impl Rx for SlotEnd {
    #[inline(always)]
    fn recv(&mut self, mut see: impl FnMut(&[u8])) -> Result<(), Failure> {
        let mark = self.memory.mark(self.theirs);
        // Acquire: the bytes of the message; pairs with Release in `send`.
        while mark.load(Ordering::Acquire) != self.received.wrapping_add(1) {
            if self.sleeps {
                // Returns early if the mark has changed or a signal came; the loop looks again.
                let _ = futex::wait(mark, futex::Flags::empty(), self.received, None);
            } else {
                self.relax.once();
            }
        }
        self.received = self.received.wrapping_add(1);
        // SAFETY: the other side writes its slot again when it has been answered.
        see(unsafe { self.memory.read(self.theirs + MARK_BYTES, self.size) });
        Ok(())
    }
}

impl Meet for SlotEnd {
    fn meet(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

impl Halves for SharedSlots {
    type Near = SlotEnd;
    type Far = SlotEnd;
    type Tx = SlotEnd;
    type Rx = SlotEnd;

    fn name(&self) -> String {
        "bare slots in shared memory".to_owned()
    }

    fn far(&self, terms: &Terms) -> Result<Bound<SlotEnd>, Failure> {
        let memory = Memory::new(2 * slot_bytes(terms))?;
        let endpoints = vec![memory.endpoint()];
        Ok(Bound { end: SlotEnd::new(memory, terms, false), endpoints })
    }

    fn near(&self, terms: &Terms, endpoints: &[String]) -> Result<SlotEnd, Failure> {
        Ok(SlotEnd::new(Memory::open(&endpoints[0])?, terms, true))
    }

    fn rx(&self, _terms: &Terms) -> Result<Bound<SlotEnd>, Failure> {
        Err(one_way())
    }

    fn txs(&self, _terms: &Terms, _endpoints: &[String], _senders: usize) -> Result<Vec<SlotEnd>, Failure> {
        Err(one_way())
    }
}

/// Whole lines, so that the two slots share none.
fn slot_bytes(terms: &Terms) -> usize {
    (MARK_BYTES + terms.size).next_multiple_of(LINES_BYTES)
}

#[cold]
fn one_way() -> Failure {
    Failure::Asked("bare slots go there and back only".to_owned())
}

/// The mark, and what keeps the message behind it aligned.
const MARK_BYTES: usize = 8;

/// Two lines: processors fetch them in pairs.
const LINES_BYTES: usize = 128;
