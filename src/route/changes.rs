//! News of subscriptions on the way from a party that wants to one that is to be told: a log while it is short, the bare
//! differences when it is not.
//!
//! Up to [`BOUND`] changes wait in the order they were made, so that who keeps up is told each of them. One more, and they
//! fold into what the other party must be told to know what is wanted now: at most one entry for each topic, none for a
//! topic that came and went. When the last of these has been fetched it is a log again.
//!
//! | a topic's difference | `First` | `Again`, `Fewer` | `Last` |
//! |---|---|---|---|
//! | none, not told | `Wanted` | — | — |
//! | none, told | — | — | `Unwanted` |
//! | `Wanted`: not told, wanted | — | — | none |
//! | `Unwanted`: told, not wanted | none | — | — |
//!
//! (What is told is not kept here. In the right order `First` and `Last` alternate for a topic, so either on a topic
//! without a difference is one: the two dashes in the first two rows are the caller's mistakes and are passed on.)
//!
//! Invariants: told and then whatever waits, in order, is wanted; log <= [`BOUND`]; the log or the differences are empty;
//! differences <= wanted + told, whatever the number of changes.
//!
//! Differences are fetched in a circle of the topics, so none waits for longer than one round while others change.

#![forbid(unsafe_code)]

use std::{
    collections::{BTreeMap, VecDeque, btree_map},
    mem,
    ops::Bound,
};

use bytes::Bytes;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// In the order they were made.
    log: VecDeque<(Bytes, Wish)>,
    /// What the log became when it was too long.
    differences: BTreeMap<Bytes, Difference>,
    /// The last topic fetched from the differences: the next is the one behind it.
    fetched: Bytes,
}

/// A change of what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The topic is wanted from now on.
    First,
    /// It is wanted, and was asked for once more.
    Again,
    /// It was asked for once less, and is still wanted.
    Fewer,
    /// It is not wanted any more.
    Last,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Difference {
    /// Wanted, and not told.
    Wanted,
    /// Told, and not wanted.
    Unwanted,
}

impl Changes {
    /// Adds a change. `topic` is kept until it is fetched or annihilated, and so is all the memory it shares.
    ///
    /// Amortised: the topic's comparisons with those that wait, if more than [`BOUND`] do.
    pub(crate) fn push(&mut self, topic: Bytes, wish: Wish) {
        if !self.differences.is_empty() {
            return self.differ(topic, wish);
        }
        if self.log.len() == BOUND {
            self.fold();
            return self.differ(topic, wish);
        }
        self.log.push_back((topic, wish));
    }

    /// The next change to tell. Of the differences: the next in the circle.
    pub(crate) fn pop(&mut self) -> Option<(Bytes, Wish)> {
        let change = self.log.pop_front().or_else(|| self.pop_difference());
        if self.is_empty() && self.log.capacity() > KEPT {
            self.log = VecDeque::new();
        }
        change
    }

    /// Changes that wait.
    pub(crate) fn len(&self) -> usize {
        self.log.len() + self.differences.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cold]
    fn fold(&mut self) {
        for (topic, wish) in mem::take(&mut self.log) {
            self.differ(topic, wish);
        }
    }

    fn differ(&mut self, topic: Bytes, wish: Wish) {
        let difference = match wish {
            Wish::First => Difference::Wanted,
            Wish::Last => Difference::Unwanted,
            Wish::Again | Wish::Fewer => return,
        };
        match self.differences.entry(topic) {
            btree_map::Entry::Occupied(other) if *other.get() != difference => _ = other.remove(),
            btree_map::Entry::Occupied(_) => {}
            btree_map::Entry::Vacant(place) => _ = place.insert(difference),
        }
    }

    fn pop_difference(&mut self) -> Option<(Bytes, Wish)> {
        let behind = (Bound::Excluded(&self.fetched), Bound::Unbounded);
        let next = self.differences.range::<Bytes, _>(behind).next().or_else(|| self.differences.first_key_value());
        let Some((topic, _)) = next else {
            self.fetched = Bytes::new();
            return None;
        };
        self.fetched = topic.clone();
        let (topic, difference) = self.differences.remove_entry(&self.fetched)?;
        if self.differences.is_empty() {
            self.fetched = Bytes::new();
        }
        let wish = match difference {
            Difference::Wanted => Wish::First,
            Difference::Unwanted => Wish::Last,
        };
        Some((topic, wish))
    }
}

/// Most changes that are kept one by one: enough for a burst of subscriptions, 40 KiB without the topics.
pub(crate) const BOUND: usize = 1024;
/// Places an empty log keeps.
const KEPT: usize = 16;

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    impl Changes {
        fn invariants(&self) {
            assert!(self.log.len() <= BOUND);
            assert!(self.log.is_empty() || self.differences.is_empty());
        }
    }

    /// The two parties, and what is between them.
    #[derive(Default)]
    struct Model {
        changes: Changes,
        wanted: BTreeSet<Bytes>,
        told: BTreeSet<Bytes>,
    }

    impl Model {
        /// A change to `topic` that makes sense now.
        fn change(&mut self, topic: u32, again: bool) -> (Bytes, Wish) {
            let topic = name(topic);
            let wish = match (self.wanted.contains(&topic), again) {
                (false, _) => Wish::First,
                (true, true) => Wish::Again,
                (true, false) => Wish::Last,
            };
            if wish == Wish::Last {
                self.wanted.remove(&topic)
            } else {
                self.wanted.insert(topic.clone())
            };
            self.changes.push(topic.clone(), wish);
            self.changes.invariants();
            (topic, wish)
        }

        /// Fetches a change and does as told.
        fn fetch(&mut self) -> Option<(Bytes, Wish)> {
            let (topic, wish) = self.changes.pop()?;
            self.changes.invariants();
            let news = match wish {
                Wish::First => self.told.insert(topic.clone()),
                Wish::Again | Wish::Fewer => !self.told.insert(topic.clone()),
                Wish::Last => self.told.remove(&topic),
            };
            assert!(news, "{topic:?} is told {wish:?} at the wrong time");
            Some((topic, wish))
        }

        fn differing(&self) -> usize {
            self.wanted.symmetric_difference(&self.told).count()
        }
    }

    fn name(topic: u32) -> Bytes {
        format!("{topic:06}").into()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 128 }))]

        #[test]
        fn what_is_told_becomes_what_is_wanted(
            topics in prop_oneof![Just(3_u32), Just(40), Just(5_000)],
            runs in proptest::collection::vec((any::<bool>(), 0..700_u32, any::<u32>()), 0..24),
        ) {
            let mut model = Model::default();
            for (push, times, seed) in runs {
                for time in 0..times {
                    if push {
                        let random = seed.wrapping_add(time).wrapping_mul(0x9e37_79b1) >> 7;
                        model.change(random % topics, random.is_multiple_of(5));
                    } else {
                        model.fetch();
                    }
                }
                let differing = model.differing();
                prop_assert!(model.changes.len() <= BOUND + differing);
                if !model.changes.differences.is_empty() {
                    prop_assert_eq!(model.changes.len(), differing);
                }
            }
            while model.fetch().is_some() {}
            prop_assert!(model.changes.is_empty());
            prop_assert_eq!(model.wanted, model.told);
        }
    }

    #[test]
    fn a_short_log_keeps_every_change_in_order() {
        let mut model = Model::default();
        // Twice: it is a log again when it has been fetched.
        for _ in 0..2 {
            let pushed = (0..BOUND as u32).map(|step| model.change(step % 7, step % 3 == 0)).collect::<Vec<_>>();
            let fetched = std::iter::from_fn(|| model.fetch()).collect::<Vec<_>>();
            assert_eq!(pushed, fetched);
            for topic in (0..BOUND as u32 * 2).chain(0..BOUND as u32 * 2) {
                model.change(1_000 + topic, false);
            }
            while model.fetch().is_some() {}
            assert!(model.changes.log.capacity() <= KEPT);
        }
    }

    #[test]
    fn topics_that_come_and_go_unseen_leave_nothing() {
        let mut model = Model::default();
        model.change(0, false);
        model.fetch();
        // An even number for each of 1000 topics, and one that was told goes and comes.
        for step in 0..10_000 {
            model.change(step % 1_000, false);
        }
        assert_eq!((model.changes.len(), model.differing()), (0, 0));
        assert_eq!(model.fetch(), None);
    }

    #[test]
    fn no_topic_waits_for_more_than_a_round() {
        const TOPICS: u32 = 2_000;
        let mut model = Model::default();
        (0..TOPICS).for_each(|topic| drop(model.change(topic, false)));
        // Whatever is fetched from the front differs again at once.
        let mut last = None;
        for fetches in 0..TOPICS {
            let (topic, _) = model.fetch().unwrap();
            if topic == name(TOPICS - 1) {
                last = Some(fetches);
            }
            model.change(fetches % 10, false);
        }
        assert!(last.is_some());
    }
}
