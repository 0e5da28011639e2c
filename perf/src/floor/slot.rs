//! A bare ring of slots with marks: the message is written into the slot, then its mark; the reader waits for the mark.
//!
//! This is the least a queue can do. A message of up to 56 bytes is one line and crosses in one transfer. The producer
//! fences after every send and the consumer publishes its position after every receive, as a queue whose other side
//! may sleep has to; there is nothing else: no sleeping, no closing, no peers, one size of message. Larger messages take
//! slots of several lines.
//!
//! Slots hold atomic words, so that no `unsafe` is needed; a relaxed 8-byte store costs what a plain one does.
//! Invariant: head <= tail <= head + capacity. The mark of the message at `position` is `position + 1`.

#![forbid(unsafe_code)]

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering, fence},
    },
};

use crossbeam_utils::CachePadded;

use crate::{
    end::{Both, Relax, Road, Rx, Terms, Tx},
    failure::Failure,
    payload::Header,
};

/// The road of bare slot rings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotRing;

/// A cache line of words.
#[derive(Default)]
#[repr(align(64))]
struct Line([AtomicU64; WORDS]);

struct Ring {
    lines: Box<[Line]>,
    lines_per_slot: usize,
    /// Slots minus one, for masking; slots are a power of two.
    mask: u64,
    /// Messages the producer may be ahead.
    capacity: u64,
    /// Next position to read. Written by the consumer, read by the producer when its copy says full.
    head: CachePadded<AtomicU64>,
}

pub(crate) struct Producer {
    ring: Arc<Ring>,
    tail: u64,
    /// Last head we saw; stale only downwards.
    cached_head: u64,
    words: usize,
    relax: Relax,
}

pub(crate) struct Consumer {
    ring: Arc<Ring>,
    head: u64,
    size: usize,
    scratch: Vec<u8>,
    relax: Relax,
}

impl Ring {
    fn ends(terms: &Terms) -> (Producer, Consumer) {
        let words = terms.size.div_ceil(8);
        let lines_per_slot = (words + 1).div_ceil(WORDS);
        // Credit is both sides' together. Large messages get fewer slots, so that the ring stays in the cache.
        let wanted = (2 * terms.high_water_mark).max(1);
        let capacity = wanted.min((RING_BYTES_MAX / (lines_per_slot * LINE_BYTES)).max(4));
        let slots = capacity.next_power_of_two();
        let ring = Arc::new(Self {
            lines: (0..slots * lines_per_slot).map(|_| Line::default()).collect(),
            lines_per_slot,
            mask: slots as u64 - 1,
            capacity: capacity as u64,
            head: CachePadded::default(),
        });
        let producer = Producer { ring: ring.clone(), tail: 0, cached_head: 0, words, relax: terms.relax };
        let scratch = vec![0; words * 8];
        (producer, Consumer { ring, head: 0, size: terms.size, scratch, relax: terms.relax })
    }

    #[inline(always)]
    fn slot(&self, position: u64) -> &[Line] {
        let first = (position & self.mask) as usize * self.lines_per_slot;
        &self.lines[first..first + self.lines_per_slot]
    }
}

impl Producer {
    #[inline(always)]
    fn write(&mut self, header: Header) {
        while self.tail - self.cached_head == self.ring.capacity {
            // Acquire: the consumer has read the slot; pairs with Release in Consumer::publish_head.
            self.cached_head = self.ring.head.load(Ordering::Acquire);
            if self.tail - self.cached_head == self.ring.capacity {
                self.relax.once();
            }
        }
        let slot = self.ring.slot(self.tail);
        for index in 0..self.words {
            let at = index + 1;
            slot[at / WORDS].0[at % WORDS].store(header.word(index), Ordering::Relaxed);
        }
        self.tail += 1;
        // Release: the words above; pairs with Acquire in Consumer::read.
        slot[0].0[0].store(self.tail, Ordering::Release);
    }
}

impl Consumer {
    /// Shows the message at head, if it is there.
    #[inline(always)]
    fn read(&mut self, see: &mut impl FnMut(&[u8])) -> Option<()> {
        let slot = self.ring.slot(self.head);
        // Acquire: the words of the message; pairs with Release in Producer::write.
        if slot[0].0[0].load(Ordering::Acquire) != self.head + 1 {
            return None;
        }
        for (index, bytes) in self.scratch.chunks_exact_mut(8).enumerate() {
            let at = index + 1;
            bytes.copy_from_slice(&slot[at / WORDS].0[at % WORDS].load(Ordering::Relaxed).to_le_bytes());
        }
        self.head += 1;
        see(&self.scratch[..self.size]);
        Some(())
    }

    #[inline(always)]
    fn publish_head(&self) {
        // Release: the reads above; pairs with Acquire in Producer::write.
        self.ring.head.store(self.head, Ordering::Release);
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
        let relax = self.relax;
        relax.until(|| self.read(&mut see));
        self.publish_head();
        Ok(())
    }

    fn recv_batch(&mut self, max: usize, mut see: impl FnMut(&[u8])) -> Result<usize, Failure> {
        let relax = self.relax;
        relax.until(|| self.read(&mut see));
        let more = (1..max).take_while(|_| self.read(&mut see).is_some()).count();
        self.publish_head();
        Ok(1 + more)
    }
}

impl Road for SlotRing {
    type Near = Both<Producer, Consumer>;
    type Far = Both<Producer, Consumer>;
    type Tx = Producer;
    type Rx = Consumer;

    fn name(&self) -> String {
        "bare slot ring".to_owned()
    }

    fn pair(&self, terms: &Terms) -> Result<(Self::Near, Self::Far), Failure> {
        let (there, arriving) = Ring::ends(terms);
        let (back, returning) = Ring::ends(terms);
        Ok((Both { tx: there, rx: returning }, Both { tx: back, rx: arriving }))
    }

    fn funnel(&self, terms: &Terms, senders: usize) -> Result<(Vec<Producer>, Consumer), Failure> {
        if senders != 1 {
            return Err(Failure::Asked("a bare slot ring has one sender".to_owned()));
        }
        let (producer, consumer) = Ring::ends(terms);
        Ok((vec![producer], consumer))
    }
}

/// Words of 8 bytes in a line.
const WORDS: usize = 8;

const LINE_BYTES: usize = 8 * WORDS;

/// Half of a common second-level cache: beyond, a ring measures memory.
const RING_BYTES_MAX: usize = 1 << 20;

const _: () = assert!(size_of::<Line>() == LINE_BYTES && align_of::<Line>() == LINE_BYTES);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        cli::Wait,
        pins::Pins,
        work::{one_way::OneWay, ping_pong::PingPong},
    };

    fn terms(size: usize, pins: &Pins) -> Terms {
        Terms { size, wait: Wait::Spin, relax: pins.relax(), high_water_mark: 10 }
    }

    #[test]
    fn every_size_arrives_whole_both_ways() {
        let pins = Pins::choose();
        for size in [8, 9, 56, 57, 64, 1_000] {
            let limit = Duration::from_secs(5);
            let plan = PingPong { count: 200, warmup: 10, rate: None, limit, pins: pins.clone(), pairs: 1 };
            let trips = plan.run(&SlotRing, &terms(size, &pins)).unwrap();
            assert_eq!(trips.recorder.len(), 200);
        }
    }

    #[test]
    fn every_message_arrives_once_single_and_batched() {
        let pins = Pins::choose();
        for batch in [1, 7] {
            let plan = OneWay {
                count: 5_000,
                warmup: 100,
                batch,
                senders: 1,
                limit: Duration::from_secs(5),
                pins: pins.clone(),
            };
            let flow = plan.run(&SlotRing, &terms(64, &pins)).unwrap();
            assert!(flow.messages >= 4_900, "{flow:?}");
        }
    }
}
