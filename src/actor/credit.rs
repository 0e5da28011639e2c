//! How many messages are under way to an actor: pure counting, on both sides of a lane.
//!
//! | | who | counts |
//! |---|---|---|
//! | [`Outstanding`] | the sender | messages it has sent to each actor of one worker, less those it was told of |
//! | [`Settled`] | the receiver | messages of one sender that each actor has handled, less those it has told of |
//!
//! Invariant, for each actor: handled and not told of < half its capacity (or 1); so a sender that has all its credit out hears of half
//! of it at the latest when half of it is handled, and nobody need be told just because there is nothing else to do.

#![forbid(unsafe_code)]

use super::places::Place;
use crate::sync::planted;

/// What the receiver tells: so many were handled; or, [`GONE`], that there is no such actor any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Returned {
    pub(super) place: Place,
    pub(super) count: u32,
}

/// Instead of a count.
pub(super) const GONE: u32 = u32::MAX;
/// The most messages that may be under way to an actor.
pub(super) const CAPACITY_MAX: u32 = 1 << 30;

/// Why nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    Full,
    Gone,
}

/// Of one sender and one worker, by the actor's index.
#[derive(Debug, Default)]
pub(super) struct Outstanding(Vec<Count>);

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    generation: u32,
    count: u32,
}

impl Count {
    /// That of this generation, which begins at 0. `None`: it is an old one.
    #[inline(always)]
    fn of(&mut self, generation: u32) -> Option<&mut u32> {
        if self.generation != generation {
            if generation < self.generation {
                return None;
            }
            *self = Self { generation, count: 0 };
        }
        Some(&mut self.count)
    }
}

#[inline(always)]
fn at(counts: &mut Vec<Count>, place: Place) -> Option<&mut u32> {
    let index = place.index as usize;
    if index >= counts.len() {
        grow(counts, index);
    }
    counts[index].of(place.generation)
}

#[cold]
fn grow(counts: &mut Vec<Count>, index: usize) {
    counts.resize(index + 1, Count::default());
}

impl Outstanding {
    /// One more is under way, if there is credit.
    #[inline(always)]
    pub(super) fn take(&mut self, to: Place, capacity: u32) -> Result<(), Denied> {
        match at(&mut self.0, to) {
            Some(count) if *count < capacity => {
                *count += u32::from(!planted("actor-credit-unspent"));
                Ok(())
            }
            Some(&mut count) if count != GONE => Err(Denied::Full),
            _ => Err(Denied::Gone),
        }
    }

    /// How many are under way. `None`: the actor has ended.
    pub(super) fn count(&mut self, to: Place) -> Option<u32> {
        at(&mut self.0, to).map(|count| *count).filter(|&count| count != GONE)
    }

    pub(super) fn give_back(&mut self, returned: Returned) {
        if let Some(count) = at(&mut self.0, returned.place)
            && *count != GONE
        {
            *count = if returned.count == GONE { GONE } else { count.saturating_sub(returned.count) };
        }
    }
}

/// Of one sender, by the actor's index.
#[derive(Debug, Default)]
pub(super) struct Settled(Vec<Count>);

impl Settled {
    /// The actor has handled one more. What the sender is to be told now, if anything.
    #[inline(always)]
    pub(super) fn handled(&mut self, place: Place, capacity: u32) -> Option<Returned> {
        let count = at(&mut self.0, place)?;
        *count += 1;
        if *count < capacity.div_ceil(2) {
            return None;
        }
        Some(Returned { place, count: std::mem::take(count) })
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HERE: Place = Place { index: 3, generation: 1 };

    #[test]
    fn no_more_are_under_way_than_the_capacity() {
        let mut outstanding = Outstanding::default();
        assert_eq!([(); 3].map(|()| outstanding.take(HERE, 2)), [Ok(()), Ok(()), Err(Denied::Full)]);
        outstanding.give_back(Returned { place: HERE, count: 1 });
        assert_eq!([(); 2].map(|()| outstanding.take(HERE, 2)), [Ok(()), Err(Denied::Full)]);
    }

    #[test]
    fn who_is_gone_stays_so_and_its_successor_begins_anew() {
        let mut outstanding = Outstanding::default();
        outstanding.take(HERE, 1).unwrap();
        outstanding.give_back(Returned { place: HERE, count: GONE });
        outstanding.give_back(Returned { place: HERE, count: 1 });
        assert_eq!(outstanding.take(HERE, 1), Err(Denied::Gone));
        let next = Place { generation: 2, ..HERE };
        assert_eq!(outstanding.take(next, 1), Ok(()));
        outstanding.give_back(Returned { place: HERE, count: 1 });
        assert_eq!(outstanding.take(next, 1), Err(Denied::Full));
        assert_eq!(outstanding.take(HERE, 1), Err(Denied::Gone));
    }

    proptest! {
        #[test]
        fn credit_always_comes_back(capacity in 1_u32..9, sends in proptest::collection::vec(any::<bool>(), 0..200)) {
            let (mut outstanding, mut settled) = (Outstanding::default(), Settled::default());
            let (mut waiting, mut sent, mut told) = (0_u32, 0_u32, 0_u32);
            for is_send in sends {
                if is_send {
                    let is_taken = outstanding.take(HERE, capacity).is_ok();
                    prop_assert_eq!(is_taken, sent - told < capacity);
                    sent += u32::from(is_taken);
                    waiting += u32::from(is_taken);
                } else if waiting > 0 {
                    waiting -= 1;
                    if let Some(returned) = settled.handled(HERE, capacity) {
                        told += returned.count;
                        outstanding.give_back(returned);
                    }
                }
                prop_assert!(waiting <= capacity);
                // With nothing waiting there is always credit.
                prop_assert!(waiting > 0 || sent - told < capacity);
            }
        }
    }
}
