//! The bare slot ring of the inproc road, in memory that two processes share: the message is written into the slot, then its
//! mark; the reader waits for the mark.
//!
//! A message of up to 56 bytes is one line and crosses in one transfer, one of 64 is two. The producer fences after every send
//! and the consumer publishes its position after every receive, as a queue whose other side may sleep has to. Messages are
//! written and checked in place, which a queue that takes and gives messages of their own cannot do: what it can, one that is
//! [`Copies`] shows.
//!
//! Invariant: head <= tail <= head + capacity. The mark of the message at `position` is the low half of `position + 1`.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{Ordering, fence},
    },
};

use super::memory::Memory;
use crate::{
    end::{Both, Bound, Halves, Meet, Relax, Rx, Terms, Tx},
    failure::Failure,
    payload::{Header, fill},
};

/// The road of slot rings between processes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedRing(pub(crate) Copies);

/// Where messages are written and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copies {
    /// In the slot.
    No,
    /// In memory of the side's own, copied into the slot and out of it.
    InAndOut,
}

/// One direction, as either side knows it.
#[derive(Clone)]
struct Ring {
    memory: Arc<Memory>,
    /// Next position to read, at the beginning. Written by the consumer, read by the producer when its copy says full.
    head_at: usize,
    slots_at: usize,
    slot_bytes: usize,
    /// Of the message in its slot.
    payload_at: usize,
    /// Slots minus one, for masking; slots are a power of two.
    mask: u64,
    /// Messages the producer may be ahead.
    capacity: u64,
    size: usize,
    relax: Relax,
    /// Empty if nothing is copied.
    scratch: Box<[u8]>,
}

pub(crate) struct Producer {
    ring: Ring,
    tail: u64,
    /// Last head we saw; stale only downwards.
    cached_head: u64,
}

pub(crate) struct Consumer {
    ring: Ring,
    head: u64,
}

impl Ring {
    /// Ring number `n` of the memory.
    fn new(memory: Arc<Memory>, terms: &Terms, copied: Copies, n: usize) -> Self {
        let Layout { capacity, slots, slot_bytes, payload_at } = Layout::of(terms);
        let head_at = n * ring_bytes(terms);
        let scratch = if copied == Copies::InAndOut { vec![0; terms.size] } else { Vec::new() };
        Self {
            memory,
            head_at,
            slots_at: head_at + HEAD_BYTES,
            slot_bytes,
            payload_at,
            mask: slots as u64 - 1,
            capacity: capacity as u64,
            size: terms.size,
            relax: terms.relax,
            scratch: scratch.into_boxed_slice(),
        }
    }

    #[inline(always)]
    fn slot_at(&self, position: u64) -> usize {
        self.slots_at + (position & self.mask) as usize * self.slot_bytes
    }
}

/// Sizes that follow from the terms, for both sides alike.
struct Layout {
    capacity: usize,
    slots: usize,
    slot_bytes: usize,
    payload_at: usize,
}

impl Layout {
    fn of(terms: &Terms) -> Self {
        // Beside the mark where one line holds both; else behind the mark's line, where copies are aligned.
        let payload_at = if MARK_BYTES + terms.size <= LINE_BYTES { MARK_BYTES } else { LINE_BYTES };
        let slot_bytes = (payload_at + terms.size).next_multiple_of(LINE_BYTES);
        // Credit is both sides' together. Large messages get fewer slots, so that the ring stays in the cache.
        let capacity = (2 * terms.high_water_mark).max(1).min((RING_BYTES_MAX / slot_bytes).max(4));
        Self { capacity, slots: capacity.next_power_of_two(), slot_bytes, payload_at }
    }
}

/// Of a ring with its head.
fn ring_bytes(terms: &Terms) -> usize {
    let Layout { slots, slot_bytes, .. } = Layout::of(terms);
    (HEAD_BYTES + slots * slot_bytes).next_multiple_of(HEAD_BYTES)
}

impl Producer {
    fn new(ring: Ring) -> Self {
        Self { ring, tail: 0, cached_head: 0 }
    }

    #[inline(always)]
    fn write(&mut self, header: Header) {
        let ring = &mut self.ring;
        while self.tail - self.cached_head == ring.capacity {
            // Acquire: the consumer has read the slot; pairs with Release in Consumer::publish_head.
            self.cached_head = ring.memory.position(ring.head_at).load(Ordering::Acquire);
            if self.tail - self.cached_head == ring.capacity {
                ring.relax.once();
            }
        }
        let slot_at = ring.slot_at(self.tail);
        // SAFETY: the consumer has read the slot, by the head above, and reads it again after its next mark.
        let payload = unsafe { ring.memory.write(slot_at + ring.payload_at, ring.size) };
        if ring.scratch.is_empty() {
            fill(payload, header);
        } else {
            fill(&mut ring.scratch, header);
            payload.copy_from_slice(&ring.scratch);
        }
        self.tail += 1;
        // Release: the bytes above; pairs with Acquire in Consumer::read.
        ring.memory.mark(slot_at).store(self.tail as u32, Ordering::Release);
    }
}

impl Consumer {
    fn new(ring: Ring) -> Self {
        Self { ring, head: 0 }
    }

    /// Shows the message at head, if it is there.
    #[inline(always)]
    fn read(&mut self, see: &mut impl FnMut(&[u8])) -> Option<()> {
        let ring = &mut self.ring;
        let slot_at = ring.slot_at(self.head);
        // Acquire: the bytes of the message; pairs with Release in Producer::write.
        if ring.memory.mark(slot_at).load(Ordering::Acquire) != (self.head + 1) as u32 {
            return None;
        }
        // SAFETY: the producer writes the slot again when the head is beyond it, which is published after this.
        let payload = unsafe { ring.memory.read(slot_at + ring.payload_at, ring.size) };
        self.head += 1;
        if ring.scratch.is_empty() {
            see(payload);
        } else {
            ring.scratch.copy_from_slice(payload);
            see(&ring.scratch);
        }
        Some(())
    }

    #[inline(always)]
    fn publish_head(&self) {
        // Release: the reads above; pairs with Acquire in Producer::write.
        self.ring.memory.position(self.ring.head_at).store(self.head, Ordering::Release);
    }
}

impl Tx for Producer {
    #[inline(always)]
    fn send(&mut self, header: Header) -> Result<(), Failure> {
        self.write(header);
        // What a producer whose consumer may sleep must do before it looks whether it does.
        fence(Ordering::SeqCst);
        Ok(())
    }

    fn send_batch(&mut self, sender: u16, sequence: Range<u64>) -> Result<(), Failure> {
        sequence.for_each(|n| self.write(Header::new(sender, n)));
        fence(Ordering::SeqCst);
        Ok(())
    }
}

impl Rx for Consumer {
    #[inline(always)]
    fn recv(&mut self, mut see: impl FnMut(&[u8])) -> Result<(), Failure> {
        let relax = self.ring.relax;
        relax.until(|| self.read(&mut see));
        self.publish_head();
        Ok(())
    }

    fn recv_batch(&mut self, max: usize, mut see: impl FnMut(&[u8])) -> Result<usize, Failure> {
        let relax = self.ring.relax;
        relax.until(|| self.read(&mut see));
        let more = (1..max).take_while(|_| self.read(&mut see).is_some()).count();
        self.publish_head();
        Ok(1 + more)
    }
}

impl Meet for Producer {
    fn meet(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

impl Meet for Consumer {
    fn meet(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

impl Halves for SharedRing {
    type Near = Both<Producer, Consumer>;
    type Far = Both<Producer, Consumer>;
    type Tx = Producer;
    type Rx = Consumer;

    fn name(&self) -> String {
        match self.0 {
            Copies::No => "bare slot ring in shared memory".to_owned(),
            Copies::InAndOut => "bare slot ring in shared memory, copied in and out".to_owned(),
        }
    }

    /// The answering side's outgoing ring is the second.
    fn far(&self, terms: &Terms) -> Result<Bound<Self::Far>, Failure> {
        let memory = Arc::new(Memory::new(2 * ring_bytes(terms))?);
        let ring = |n| Ring::new(memory.clone(), terms, self.0, n);
        let end = Both { tx: Producer::new(ring(1)), rx: Consumer::new(ring(0)) };
        Ok(Bound { end, endpoints: vec![memory.endpoint()] })
    }

    fn near(&self, terms: &Terms, endpoints: &[String]) -> Result<Self::Near, Failure> {
        let memory = Arc::new(Memory::open(&endpoints[0])?);
        let ring = |n| Ring::new(memory.clone(), terms, self.0, n);
        Ok(Both { tx: Producer::new(ring(0)), rx: Consumer::new(ring(1)) })
    }

    fn rx(&self, terms: &Terms) -> Result<Bound<Consumer>, Failure> {
        let memory = Arc::new(Memory::new(ring_bytes(terms))?);
        let endpoints = vec![memory.endpoint()];
        Ok(Bound { end: Consumer::new(Ring::new(memory, terms, self.0, 0)), endpoints })
    }

    fn txs(&self, terms: &Terms, endpoints: &[String], senders: usize) -> Result<Vec<Producer>, Failure> {
        if senders != 1 {
            return Err(Failure::Asked(format!("a bare slot ring has one sender, not {senders}")));
        }
        let memory = Arc::new(Memory::open(&endpoints[0])?);
        Ok(vec![Producer::new(Ring::new(memory, terms, self.0, 0))])
    }
}

/// The mark, and what keeps payload beside it aligned.
const MARK_BYTES: usize = 8;

const LINE_BYTES: usize = 64;

/// Two lines, as processors fetch them in pairs; and what rings begin at multiples of.
const HEAD_BYTES: usize = 128;

/// Half of a common second-level cache: beyond, a ring measures memory.
const RING_BYTES_MAX: usize = 1 << 20;
