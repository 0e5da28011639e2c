//! Deadlines: which is next, which are due. The clock is an argument.
//!
//! Two ordered maps, one by key and one by time, hold the same pairs. A wheel would be faster with many thousands; a
//! connection has one deadline, set some times a second.

#![forbid(unsafe_code)]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

/// Instants by key, at most one for each. All operations take logarithmic time.
#[derive(Clone, Debug)]
pub(crate) struct Deadlines<K> {
    by_key: BTreeMap<K, Instant>,
    /// The same pairs, turned round.
    by_time: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Copy> Deadlines<K> {
    /// None.
    pub(crate) fn new() -> Self {
        Self { by_key: BTreeMap::new(), by_time: BTreeSet::new() }
    }

    /// Sets the deadline of `key` to `at`, in place of the one it had.
    pub(crate) fn set(&mut self, key: K, at: Instant) {
        if let Some(old) = self.by_key.insert(key, at) {
            self.by_time.remove(&(old, key));
        }
        self.by_time.insert((at, key));
        self.invariants();
    }

    /// Takes the deadline of `key` back. Returns whether it had one.
    pub(crate) fn cancel(&mut self, key: K) -> bool {
        let Some(at) = self.by_key.remove(&key) else { return false };
        self.by_time.remove(&(at, key));
        self.invariants();
        true
    }

    /// Removes the earliest deadline, if `now` has reached it, and returns whose it was. Of two at the same time the
    /// smaller key's is earlier.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        let &(at, key) = self.by_time.first()?;
        if at > now {
            return None;
        }
        self.by_time.pop_first();
        self.by_key.remove(&key);
        self.invariants();
        Some(key)
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|&(at, _)| at)
    }

    /// The deadline of `key`.
    pub(crate) fn of(&self, key: K) -> Option<Instant> {
        self.by_key.get(&key).copied()
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Is there none?
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    fn invariants(&self) {
        debug_assert_eq!(self.by_key.len(), self.by_time.len(), "each deadline is in both maps");
    }
}

impl<K: Ord + Copy> Default for Deadlines<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::{collections::HashMap, time::Duration};

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Set(u8, u64),
        Cancel(u8),
        Pop(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..8u8, 0..50u64).prop_map(|(key, at)| Step::Set(key, at)),
            1 => (0..8u8).prop_map(Step::Cancel),
            2 => (0..50u64).prop_map(Step::Pop),
        ]
    }

    #[test]
    fn one_that_is_not_due_stays() {
        let now = Instant::now();
        let mut deadlines = Deadlines::new();
        deadlines.set('a', now + Duration::from_nanos(1));
        assert_eq!(deadlines.pop_due(now), None);
        assert_eq!(deadlines.pop_due(now + Duration::from_nanos(1)), Some('a'));
        assert!(deadlines.is_empty());
    }

    proptest! {
        #[test]
        fn they_are_a_map_that_is_searched_for_its_least(steps in proptest::collection::vec(step(), 0..200)) {
            let start = Instant::now();
            let at = |time| start + Duration::from_millis(time);
            let mut model = HashMap::new();
            let mut deadlines = Deadlines::new();
            for step in steps {
                match step {
                    Step::Set(key, time) => {
                        deadlines.set(key, at(time));
                        model.insert(key, at(time));
                    }
                    Step::Cancel(key) => prop_assert_eq!(deadlines.cancel(key), model.remove(&key).is_some()),
                    Step::Pop(time) => {
                        let least = model.iter().map(|(&key, &at)| (at, key)).min();
                        let due = least.filter(|&(least, _)| least <= at(time)).map(|(_, key)| key);
                        prop_assert_eq!(deadlines.pop_due(at(time)), due);
                        due.map(|key| model.remove(&key));
                    }
                }
                prop_assert_eq!(deadlines.next(), model.values().min().copied());
                prop_assert_eq!(deadlines.len(), model.len());
                for key in 0..8 {
                    prop_assert_eq!(deadlines.of(key), model.get(&key).copied());
                }
            }
        }
    }
}
