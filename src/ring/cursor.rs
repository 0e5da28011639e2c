//! Position arithmetic: pure, no atomics.
//!
//! A *position* is a `u64` that grows forever (and may wrap: every function here is exact modulo 2^64). An *index*
//! says which slot a position lands in; a *lap* counts how often the ring went round before it. Two ways to derive
//! them:
//!
//! - [`Mask`]: storage is the capacity rounded up to a power of two; `index = position & mask`. Used where one side
//!   knows both ends and can hold the ring to its exact capacity: `tail - head <= capacity <= storage`.
//! - [`Laps`]: storage is exactly the capacity; a position is `lap << shift | index`. Used where nobody should have to
//!   read the other end: a slot's turn alone says full or empty.

#![forbid(unsafe_code)]

use super::CapacityError;

/// Plain counting positions over power-of-two storage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mask {
    /// How many items the ring holds; at most `mask + 1`.
    capacity: u64,
    /// Storage minus one.
    mask: u64,
    /// log2 of storage.
    shift: u32,
}

impl Mask {
    pub(super) fn new(capacity: usize) -> Result<Self, CapacityError> {
        if capacity == 0 {
            return Err(CapacityError::Zero);
        }
        let storage = capacity.checked_next_power_of_two().ok_or(CapacityError::TooLarge { capacity })?;
        Ok(Self { capacity: capacity as u64, mask: storage as u64 - 1, shift: storage.trailing_zeros() })
    }

    pub(super) fn capacity(self) -> usize {
        self.capacity as usize
    }

    /// How many slots to allocate.
    pub(super) fn storage(self) -> usize {
        self.mask as usize + 1
    }

    #[inline(always)]
    pub(super) fn index(self, position: u64) -> usize {
        (position & self.mask) as usize
    }

    /// What a slot bears while it holds the item of `position`. Differs from the mark of `position - storage`, the
    /// only other one a reader waiting for `position` can meet, so a `u32` may wrap.
    #[inline(always)]
    pub(super) fn mark(self, position: u64) -> u32 {
        ((position >> self.shift) as u32).wrapping_add(1)
    }

    /// What slot `index` must bear in a ring that starts at `start`: not the first mark awaited there.
    pub(super) fn initial_mark(self, start: u64, index: usize) -> u32 {
        let first = start.wrapping_add((index as u64).wrapping_sub(start) & self.mask);
        self.mark(first).wrapping_sub(1)
    }

    /// The first position a writer may not use while the reader stands at `head`.
    #[inline(always)]
    pub(super) fn limit(self, head: u64) -> u64 {
        head.wrapping_add(self.capacity)
    }

    /// Splits the `len` slots from `position` on where storage wraps: the length of the first run, then of the rest.
    #[inline(always)]
    pub(super) fn runs(self, position: u64, len: usize) -> (usize, usize) {
        let first = len.min(self.storage() - self.index(position));
        (first, len - first)
    }
}

/// Positions that carry lap and index apart, over storage of exactly the capacity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Laps {
    capacity: u64,
    /// Bits of the index.
    shift: u32,
}

impl Laps {
    pub(super) fn new(capacity: usize) -> Result<Self, CapacityError> {
        if capacity == 0 {
            return Err(CapacityError::Zero);
        }
        let rounded = capacity.checked_next_power_of_two().ok_or(CapacityError::TooLarge { capacity })?;
        Ok(Self { capacity: capacity as u64, shift: rounded.trailing_zeros() })
    }

    pub(super) fn capacity(self) -> usize {
        self.capacity as usize
    }

    #[inline(always)]
    pub(super) fn index(self, position: u64) -> usize {
        (position & ((1 << self.shift) - 1)) as usize
    }

    /// The first position of `lap`.
    pub(super) fn start(self, lap: u64) -> u64 {
        lap << self.shift
    }

    /// The turn at which the slot of `position` is free for its item; one more while it holds it; two more when free
    /// for the next lap. A waiter meets only neighbouring turns, so a `u32` may wrap.
    #[inline(always)]
    pub(super) fn turn(self, position: u64) -> u32 {
        ((position >> self.shift) as u32).wrapping_mul(2)
    }

    #[inline(always)]
    pub(super) fn next(self, position: u64) -> u64 {
        if self.index(position) + 1 == self.capacity as usize {
            self.next_lap(position)
        } else {
            position.wrapping_add(1)
        }
    }

    /// How many items lie from `head` to `tail`, at most one lap ahead.
    pub(super) fn distance(self, head: u64, tail: u64) -> usize {
        let (from, to) = (self.index(head), self.index(tail));
        let same_lap = head >> self.shift == tail >> self.shift;
        if same_lap { to.saturating_sub(from) } else { self.capacity as usize + to - from }
    }

    /// The first position of the lap after that of `position`.
    #[inline(always)]
    fn next_lap(self, position: u64) -> u64 {
        (position >> self.shift).wrapping_add(1) << self.shift
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Positions where something may go wrong: zero, the wrap of a `u32` of laps, the wrap of a `u64`.
    fn positions() -> impl Strategy<Value = u64> {
        prop_oneof![0..10_000u64, (u64::MAX - 10_000)..=u64::MAX, any::<u64>(), (0..64u32).prop_map(|bit| 1 << bit)]
    }

    #[test]
    fn zero_is_refused() {
        assert_eq!(Mask::new(0).unwrap_err(), CapacityError::Zero);
        assert_eq!(Laps::new(0).unwrap_err(), CapacityError::Zero);
    }

    #[test]
    fn absurd_is_refused() {
        assert!(matches!(Mask::new(usize::MAX), Err(CapacityError::TooLarge { .. })));
        assert!(matches!(Laps::new(usize::MAX), Err(CapacityError::TooLarge { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 8 } else { 512 }, failure_persistence: None, ..Default::default() })]

        #[test]
        fn storage_holds_capacity_and_less_than_twice_it(capacity in 1usize..100_000) {
            let mask = Mask::new(capacity).unwrap();
            prop_assert!(mask.storage() >= capacity && mask.storage() < 2 * capacity);
        }

        #[test]
        fn a_lap_later_is_the_same_index_and_another_mark(capacity in 1usize..5000, position in positions()) {
            let mask = Mask::new(capacity).unwrap();
            let later = position.wrapping_add(mask.storage() as u64);
            prop_assert_eq!(mask.index(position), mask.index(later));
            prop_assert_ne!(mask.mark(position), mask.mark(later));
        }

        #[test]
        fn initial_marks_are_not_awaited(capacity in 1usize..64, start in positions()) {
            let mask = Mask::new(capacity).unwrap();
            for step in 0..mask.storage() as u64 {
                let position = start.wrapping_add(step);
                prop_assert_ne!(mask.mark(position), mask.initial_mark(start, mask.index(position)));
            }
        }

        #[test]
        fn runs_stay_inside_storage(capacity in 1usize..5000, position in positions(), len in 0usize..5000) {
            let mask = Mask::new(capacity).unwrap();
            let len = len.min(capacity);
            let (first, rest) = mask.runs(position, len);
            prop_assert_eq!(first + rest, len);
            prop_assert!(mask.index(position) + first <= mask.storage());
            prop_assert!(rest == 0 || mask.index(position.wrapping_add(first as u64)) == 0);
            prop_assert!(rest <= mask.index(position));
        }

        #[test]
        fn next_visits_every_index_and_then_turns(capacity in 1usize..200, lap in positions()) {
            let laps = Laps::new(capacity).unwrap();
            let start = laps.start(lap);
            let mut position = start;
            for index in 0..capacity {
                prop_assert_eq!(laps.index(position), index);
                prop_assert_eq!(laps.turn(position), laps.turn(start));
                prop_assert_eq!(laps.distance(start, position), index);
                position = laps.next(position);
            }
            prop_assert_eq!(laps.index(position), 0);
            prop_assert_eq!(laps.turn(position), laps.turn(start).wrapping_add(2));
            prop_assert_eq!(laps.distance(start, position), capacity);
        }
    }
}
