//! What one subscriber wants: prefixes, each as often as it was asked for.
//!
//! A prefix is wanted from its first [`add`](Interest::add) to the [`remove`](Interest::remove) that matches it. Only these
//! two concern the publishers; what is between is counted here. The empty prefix matches every topic.

#![forbid(unsafe_code)]

use super::trie::Trie;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Interest {
    /// How often each prefix was asked for; at least once.
    wanted: Trie<u32>,
}

/// What [`Interest::add`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// Nobody wanted it before: publishers are to be told.
    First,
    Again,
}

/// What [`Interest::remove`] left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// Nobody wants it any more: publishers are to be told.
    Last,
    StillWanted,
    NotThere,
}

impl Interest {
    /// Asks for `prefix` once more. At four billion times it no longer counts.
    pub(crate) fn add(&mut self, prefix: &[u8]) -> Added {
        let (_, times) = self.wanted.entry(prefix);
        *times = times.saturating_add(1);
        if *times == 1 { Added::First } else { Added::Again }
    }

    /// Takes one [`add`](Interest::add) of `prefix` back.
    pub(crate) fn remove(&mut self, prefix: &[u8]) -> Removed {
        let Some(id) = self.wanted.find(prefix) else { return Removed::NotThere };
        let times = self.wanted.value_mut(id);
        *times -= 1;
        if *times > 0 {
            return Removed::StillWanted;
        }
        self.wanted.remove(id);
        Removed::Last
    }

    /// Is `topic` wanted? Allocates nothing.
    #[inline]
    pub(crate) fn matches(&self, topic: &[u8]) -> bool {
        self.wanted.has_match(topic)
    }

    /// Distinct prefixes.
    pub(crate) fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Calls `visit` once with each distinct prefix, in any order: what a new publisher is to be told.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&[u8])) {
        let mut prefix = Vec::new();
        for (id, _) in self.wanted.iter() {
            self.wanted.write_prefix(id, &mut prefix);
            visit(&prefix);
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_wanted_at_first_and_everything_under_the_empty_prefix() {
        let mut interest = Interest::default();
        assert!(!interest.matches(b"") && !interest.matches(b"x"));
        assert_eq!(interest.add(b""), Added::First);
        assert!(interest.matches(b"") && interest.matches(b"x"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 256 }))]

        #[test]
        fn behaves_as_a_map_of_counts(
            steps in proptest::collection::vec((any::<bool>(), "[ab]{0,4}"), 0..100),
            topics in proptest::collection::vec("[abc]{0,6}", 1..8),
        ) {
            let (mut interest, mut model) = (Interest::default(), BTreeMap::<Vec<u8>, u32>::new());
            for (add, prefix) in steps {
                let prefix = prefix.into_bytes();
                let times = model.get(&prefix).copied().unwrap_or(0);
                if add {
                    let expected = if times == 0 { Added::First } else { Added::Again };
                    prop_assert_eq!(interest.add(&prefix), expected);
                    model.insert(prefix, times + 1);
                } else {
                    let expected = [Removed::NotThere, Removed::Last, Removed::StillWanted][times.min(2) as usize];
                    prop_assert_eq!(interest.remove(&prefix), expected);
                    model.insert(prefix, times.saturating_sub(1));
                }
                model.retain(|_, times| *times > 0);
                interest.wanted.invariants();
                prop_assert_eq!(interest.len(), model.len());
            }
            let mut prefixes = Vec::new();
            interest.for_each(|prefix| prefixes.push(prefix.to_vec()));
            prefixes.sort_unstable();
            prop_assert!(prefixes.iter().eq(model.keys()));
            for topic in topics {
                let wanted = model.keys().any(|prefix| topic.as_bytes().starts_with(prefix));
                prop_assert_eq!(interest.matches(topic.as_bytes()), wanted);
            }
        }
    }
}
