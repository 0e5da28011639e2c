//! Ids of peers to the keys of their pipes, and back.
//!
//! Peers choose their ids, so the hash is seeded: nobody can make a table slow by choosing them badly. The key asked for
//! last is tried first: who replies pays a comparison and no hash.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
};

/// See the module. `I` is how an id is kept.
#[derive(Debug)]
pub(crate) struct Table<I> {
    /// By key.
    ids: Vec<Option<I>>,
    keys: HashMap<Box<[u8]>, u32, Seed>,
    /// A key asked for lately.
    last: u32,
}

impl<I: AsRef<[u8]>> Table<I> {
    pub(crate) fn new() -> Self {
        Self { ids: Vec::new(), keys: HashMap::with_hasher(Seed::random()), last: 0 }
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

/// What makes the hash of one table unlike that of others.
#[derive(Clone, Copy, Debug)]
struct Seed(u64, u64);

impl Seed {
    fn random() -> Self {
        let random = RandomState::new();
        // Odd: a multiplier.
        Self(random.hash_one(0), random.hash_one(1) | 1)
    }
}

impl BuildHasher for Seed {
    type Hasher = Folded;

    #[inline]
    fn build_hasher(&self) -> Folded {
        Folded { state: self.0, multiplier: self.1 }
    }
}

/// Multiplies words to twice their width and folds the halves (Yves Orton's StadtX, wyhash: the idea; no claim to be
/// either).
#[derive(Debug)]
struct Folded {
    state: u64,
    multiplier: u64,
}

impl Folded {
    #[inline(always)]
    fn fold(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.multiplier);
        self.state = (product as u64 ^ (product >> 64) as u64).wrapping_add(self.multiplier.rotate_left(32));
    }
}

impl Hasher for Folded {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            // Always eight: the chunks are exact.
            self.fold(word.try_into().map_or(0, u64::from_le_bytes));
        }
        let rest = words.remainder();
        if !rest.is_empty() {
            self.fold(rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    #[inline]
    fn write_usize(&mut self, len: usize) {
        self.fold(len as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        // Ids that count up differ in few bits, and one product of them is nearly linear: its halves may cancel out.
        // The finaliser of SplitMix64 (Steele, Lea and Flood).
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
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

    #[test]
    fn ids_a_router_makes_up_spread() {
        let seed = Seed::random();
        let low_bits: std::collections::BTreeSet<u64> =
            (0..4096_u32).map(|n| seed.hash_one([&[0][..], &n.to_be_bytes()].concat().as_slice()) % 4096).collect();
        // A random function leaves 1/e of the places empty.
        assert!(low_bits.len() > 2300, "{}", low_bits.len());
    }
}
