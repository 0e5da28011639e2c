//! Ids of peers to the keys of their pipes, and back.
//!
//! Peers choose their ids, so the hash is seeded: nobody can make a table slow by choosing them badly. The key asked for
//! last is tried first: who replies pays a comparison and no hash.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use ahash::RandomState;

/// See the module. `I` is how an id is kept.
#[derive(Debug)]
pub(crate) struct Table<I> {
    /// By key.
    ids: Vec<Option<I>>,
    keys: HashMap<Box<[u8]>, u32, RandomState>,
    /// A key asked for lately.
    last: u32,
}

impl<I: AsRef<[u8]>> Table<I> {
    pub(crate) fn new() -> Self {
        Self { ids: Vec::new(), keys: HashMap::default(), last: 0 }
    }

    /// Adds an id and a key, neither of which is there yet.
    pub(crate) fn insert(&mut self, id: I, key: u32) {
        let before = self.keys.insert(id.as_ref().into(), key);
        debug_assert!(before.is_none() && self.id(key).is_none());
        if self.ids.len() <= key as usize {
            self.ids.resize_with(key as usize + 1, || None);
        }
        self.ids[key as usize] = Some(id);
    }

    /// Takes `key` out, and gives its id back.
    pub(crate) fn remove(&mut self, key: u32) -> Option<I> {
        let id = self.ids.get_mut(key as usize)?.take()?;
        self.keys.remove(id.as_ref());
        Some(id)
    }

    /// The id under `key`, which is likely to be asked for next.
    #[inline(always)]
    pub(crate) fn id_heard(&mut self, key: u32) -> Option<&I> {
        self.last = key;
        self.id(key)
    }

    #[inline(always)]
    pub(crate) fn id(&self, key: u32) -> Option<&I> {
        self.ids.get(key as usize)?.as_ref()
    }

    /// The key of `id`.
    #[inline(always)]
    pub(crate) fn key(&mut self, id: &[u8]) -> Option<u32> {
        if self.id(self.last).is_some_and(|last| last.as_ref() == id) {
            return Some(self.last);
        }
        let key = *self.keys.get(id)?;
        self.last = key;
        Some(key)
    }

    /// All ids with their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&I, u32)> {
        self.ids.iter().zip(0..).filter_map(|(id, key)| Some((id.as_ref()?, key)))
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The model: a map.
        #[test]
        fn behaves_as_a_map(steps in proptest::collection::vec((any::<bool>(), "[ab]{0,3}", 0..20_u32), 0..200)) {
            let mut table = Table::<String>::new();
            let mut model = BTreeMap::new();
            for (adds, id, key) in steps {
                if adds && table.id(key).is_none() && table.key(id.as_bytes()).is_none() {
                    table.insert(id.clone(), key);
                    model.insert(id.clone(), key);
                } else if !adds {
                    let removed = table.remove(key);
                    prop_assert_eq!(removed.is_some(), model.values().any(|other| *other == key));
                    model.retain(|_, other| *other != key);
                }
                prop_assert_eq!(table.key(id.as_bytes()), model.get(&id).copied());
                prop_assert_eq!(table.id_heard(key).cloned(), model.iter().find(|(_, k)| **k == key).map(|(i, _)| i.clone()));
                prop_assert!(table.iter().all(|(id, key)| model.get(id) == Some(&key)));
                prop_assert_eq!(table.iter().count(), model.len());
            }
        }
    }
}
