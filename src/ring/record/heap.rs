//! A ring's memory for tests, models, benchmarks and fuzzing: words on the heap, and no byte outside the ring may be touched.

use std::{mem::MaybeUninit, ops::Range};

use super::{Memory, Writable};
use crate::sync::{AtomicU64, Ordering};

/// Words, copied one by one. Everything but the ring is out of bounds.
#[derive(Debug)]
pub(crate) struct Heap {
    words: Box<[Line]>,
    ring: Range<usize>,
    /// Tells loom who reads and writes a payload: relaxed words alone would hide that two do at once.
    #[cfg(loom)]
    cells: Box<[crate::sync::UnsafeCell<()>]>,
}

/// Words of a line, aligned as the memory of a process is.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU64; LINE_WORDS]);

const LINE_WORDS: usize = 8;
const WORD: usize = size_of::<u64>();

impl Heap {
    /// For a ring of `capacity` bytes from `start` on.
    pub(crate) fn new(start: usize, capacity: usize) -> Self {
        let lines = (start + capacity).div_ceil(WORD * LINE_WORDS);
        Self {
            words: (0..lines).map(|_| Line::default()).collect(),
            ring: start..start + capacity,
            #[cfg(loom)]
            cells: (0..lines * LINE_WORDS).map(|_| crate::sync::UnsafeCell::new(())).collect(),
        }
    }

    /// As [`new`](Self::new), of a whole segment: what lies before the ring may be touched, too.
    #[cfg(any(loom, shuttle))]
    pub(crate) fn of_segment(start: usize, capacity: usize) -> Self {
        Self { ring: 0..start + capacity, ..Self::new(start, capacity) }
    }

    #[inline(always)]
    fn check(&self, offset: usize, size: usize) {
        let inside = offset >= self.ring.start && offset <= self.ring.end && size <= self.ring.end - offset;
        assert!(inside, "{size} bytes at {offset} are outside the ring");
    }

    #[inline(always)]
    fn at(&self, offset: usize) -> &AtomicU64 {
        &self.words[offset / WORD / LINE_WORDS].0[offset / WORD % LINE_WORDS]
    }
}

// SAFETY: the cells hold nothing.
#[cfg(loom)]
unsafe impl Sync for Heap {}

// SAFETY: `copy_out` writes every byte of `to`.
unsafe impl Memory for Heap {
    #[inline(always)]
    fn word(&self, offset: usize) -> &AtomicU64 {
        self.check(offset, WORD);
        assert!(offset.is_multiple_of(WORD));
        self.at(offset)
    }

    #[inline(always)]
    fn copy_out(&self, mut offset: usize, mut to: &mut [MaybeUninit<u8>]) {
        self.check(offset, to.len());
        while !to.is_empty() {
            let (skipped, taken) = part(offset, to.len());
            #[cfg(loom)]
            self.cells[offset / WORD].with(|_| ());
            let bytes = self.at(offset).load(Ordering::Relaxed).to_ne_bytes();
            let (now, later) = to.split_at_mut(taken);
            if taken == WORD {
                now.copy_from_slice(&bytes.map(MaybeUninit::new));
            } else {
                now.iter_mut().zip(&bytes[skipped..]).for_each(|(to, byte)| {
                    to.write(*byte);
                });
            }
            (offset, to) = (offset + taken, later);
        }
    }
}

impl Writable for Heap {
    #[inline(always)]
    fn copy_in(&self, mut offset: usize, mut from: &[u8]) {
        self.check(offset, from.len());
        while !from.is_empty() {
            let (skipped, taken) = part(offset, from.len());
            #[cfg(loom)]
            self.cells[offset / WORD].with_mut(|_| ());
            let word = self.at(offset);
            let (now, later) = from.split_at(taken);
            let mut bytes = if taken == WORD { [0; WORD] } else { word.load(Ordering::Relaxed).to_ne_bytes() };
            bytes[skipped..skipped + taken].copy_from_slice(now);
            word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
            (offset, from) = (offset + taken, later);
        }
    }
}

/// How many bytes of the word at `offset` are skipped, and how many of `left` are then in it.
#[inline(always)]
fn part(offset: usize, left: usize) -> (usize, usize) {
    let skipped = offset % WORD;
    (skipped, left.min(WORD - skipped))
}

/// The `size` bytes that `copy` writes.
pub(crate) fn collected(size: usize, copy: impl FnOnce(&mut [MaybeUninit<u8>])) -> Vec<u8> {
    let mut bytes = vec![MaybeUninit::uninit(); size];
    copy(&mut bytes);
    // SAFETY: `copy` is a ring's, whose memory promises to have written all of it.
    bytes.into_iter().map(|byte| unsafe { byte.assume_init() }).collect()
}

/// The words that `copy` writes.
#[cfg(feature = "fuzzing")]
#[inline(always)]
pub(crate) fn collected_words<const WORDS: usize>(copy: impl FnOnce(&mut [MaybeUninit<u8>])) -> [u64; WORDS] {
    let mut bytes = [[MaybeUninit::uninit(); WORD]; WORDS];
    copy(bytes.as_flattened_mut());
    // SAFETY: as above.
    bytes.map(|word| u64::from_ne_bytes(word.map(|byte| unsafe { byte.assume_init() })))
}
