//! When a ring is to be replaced by a larger one, and by how large a one: pure arithmetic.
//!
//! That a ring is full says little: who reads slowly fills any. A link is *busy beyond its ring* if messages find no room in it
//! again and again, while it is read: each time at least half a ring after the last, [`ENOUGH`] times, and never more than
//! [`APART`] rings apart. Of a message that crosses in parts each counts as one such time, and as two if there are more than
//! [`PARTS`] of them.
//!
//! Then the next ring has [`STEP`] times the bytes, or as many as hold the longest of these messages in one record; or as many
//! less as there may be. A growth that is refused makes the next try [`PATIENCE`] times as rare, down to every [`ENOUGH_MAX`].

#![forbid(unsafe_code)]

use crate::ring::record::CAPACITY_MAX;

/// What a link's ring has gone through since it was taken into use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pressure {
    /// The ring's position the last time.
    at: u64,
    /// Times, with their weight.
    times: u32,
    /// How many are enough.
    enough: u32,
    /// The longest message that crossed in parts, in bytes.
    longest: usize,
}

/// Times a ring is overrun until it is to grow: so that a burst does not do it.
const ENOUGH: u32 = 4;
/// Rings after which such a time is forgotten.
const APART: u64 = 16;
/// Parts of a message that are few.
const PARTS: usize = 4;
/// How much larger the next ring is: from 64 KiB to the 1 MiB that the default bound lets there be in two steps.
const STEP: usize = 4;
/// How much rarer the next try is when one was refused.
const PATIENCE: u32 = 4;
/// Times that are enough whatever was refused: what the system lacked for a while does not keep a ring small for good.
const ENOUGH_MAX: u32 = 1024;
/// A ring's longest record is so much less than the ring.
const SHARE: usize = 8;

impl Pressure {
    /// Of a ring that begins at `position`.
    pub(super) fn new(position: u64) -> Self {
        Self { at: position, times: 0, enough: ENOUGH, longest: 0 }
    }

    /// A message has found no room in the ring of `capacity` bytes, which is at `position`.
    pub(super) fn overran(&mut self, position: u64, capacity: usize) {
        if position - self.at >= capacity as u64 / 2 {
            self.count(position, capacity, 1);
        }
    }

    /// A message of `size` bytes crosses in parts of at most `part`.
    pub(super) fn parted(&mut self, position: u64, capacity: usize, size: usize, part: usize) {
        self.longest = self.longest.max(size);
        self.count(position, capacity, if size / part >= PARTS { 2 } else { 1 });
    }

    /// One that did has crossed: what it took itself is not time that has passed.
    pub(super) fn crossed(&mut self, position: u64) {
        self.at = position;
    }

    fn count(&mut self, position: u64, capacity: usize, weight: u32) {
        if position - self.at > APART * capacity as u64 {
            self.times = 0;
        }
        self.times = self.times.saturating_add(weight);
        self.at = position;
    }

    /// Bytes the next ring in place of one of `capacity` is to have, if there is to be one and it may have at most `most`.
    pub(super) fn wanted(&self, capacity: usize, most: usize) -> Option<usize> {
        if self.times < self.enough {
            return None;
        }
        let for_longest = self.longest.saturating_mul(SHARE).checked_next_power_of_two().unwrap_or(CAPACITY_MAX);
        let wanted = for_longest.max(capacity.saturating_mul(STEP)).min(CAPACITY_MAX).min(previous_power_of_two(most));
        (wanted > capacity).then_some(wanted)
    }

    /// The growth that was wanted is not to be had now.
    pub(super) fn refused(&mut self) {
        self.times = 0;
        self.enough = self.enough.saturating_mul(PATIENCE).min(ENOUGH_MAX);
    }
}

fn previous_power_of_two(number: usize) -> usize {
    if number == 0 { 0 } else { 1 << number.ilog2() }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    const RING: usize = 64 << 10;
    const PART: usize = RING / 8;

    #[test]
    fn a_ring_that_is_full_and_not_read_does_not_grow() {
        let mut pressure = Pressure::new(0);
        (0..100).for_each(|_| pressure.overran(60_000, RING));
        assert_eq!(pressure.wanted(RING, CAPACITY_MAX), None);
    }

    #[test]
    fn a_ring_overrun_again_and_again_grows() {
        let mut pressure = Pressure::new(0);
        for time in 1..=4 {
            assert_eq!(pressure.wanted(RING, CAPACITY_MAX), None);
            pressure.overran(time * RING as u64 / 2, RING);
        }
        assert_eq!(pressure.wanted(RING, CAPACITY_MAX), Some(4 * RING));
        assert_eq!(pressure.wanted(RING, 4 * RING - 1), Some(2 * RING));
        assert_eq!(pressure.wanted(RING, 2 * RING - 1), None);
        assert_eq!(pressure.wanted(CAPACITY_MAX, usize::MAX), None);
        assert_eq!(pressure.wanted(RING, 0), None);
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let mut pressure = Pressure::new(0);
        (1..100).for_each(|time| pressure.overran(time * 17 * RING as u64, RING));
        assert_eq!(pressure.wanted(RING, CAPACITY_MAX), None);
    }

    #[test]
    fn long_messages_grow_a_ring_to_hold_them() {
        let mut pressure = Pressure::new(0);
        for position in [0, 1 << 24] {
            assert_eq!(pressure.wanted(RING, CAPACITY_MAX), None);
            pressure.parted(position, RING, 1 << 20, PART);
            pressure.crossed(position + (1 << 24));
        }
        assert_eq!(pressure.wanted(RING, CAPACITY_MAX), Some(8 << 20));
        assert_eq!(pressure.wanted(RING, 1 << 20), Some(1 << 20));
        let mut pressure = Pressure::new(0);
        (0..4).for_each(|_| pressure.parted(0, RING, 2 * PART, PART));
        assert_eq!(pressure.wanted(RING, CAPACITY_MAX), Some(4 * RING));
    }

    #[test]
    fn who_was_refused_tries_more_rarely() {
        let mut pressure = Pressure::new(0);
        (0..4).for_each(|_| pressure.parted(0, RING, usize::MAX, PART));
        assert_eq!(pressure.wanted(RING, CAPACITY_MAX), Some(CAPACITY_MAX));
        pressure.refused();
        (0..7).for_each(|_| pressure.parted(0, RING, usize::MAX, PART));
        assert_eq!(pressure.wanted(RING, CAPACITY_MAX), None);
        pressure.parted(0, RING, usize::MAX, PART);
        assert_eq!(pressure.wanted(RING, CAPACITY_MAX), Some(CAPACITY_MAX));
        (0..100).for_each(|_| pressure.refused());
        assert_eq!(pressure.enough, ENOUGH_MAX);
    }
}
