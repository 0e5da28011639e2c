//! Which of many pipes have something to look at: a set of keys that many mark and one drains.
//!
//! Two levels of bits: 64 groups of 64. Keys that agree modulo [`ReadySet::BITS`] share a bit, so the set has a fixed
//! size; who drains it looks at every pipe it waits for under that bit. A mark costs two read-modify-writes, and it
//! is made once per quiet period of a pipe, not per message.

use crate::sync::{AtomicU64, Ordering, weakened};

/// See the module.
#[derive(Debug)]
pub(crate) struct ReadySet {
    /// Bit `g`: group `g` may have bits.
    groups_marked: AtomicU64,
    groups: [AtomicU64; GROUPS],
}

const GROUPS: usize = if cfg!(loom) { 2 } else { 64 };

impl ReadySet {
    /// Keys are told apart modulo this.
    pub(crate) const BITS: u32 = GROUPS as u32 * 64;

    pub(crate) fn new() -> Self {
        Self { groups_marked: AtomicU64::new(0), groups: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// Adds `key`. The caller fences and looks at the owner's signal.
    pub(crate) fn mark(&self, key: u32) {
        let bit = key % Self::BITS;
        // Release, both: what the marker did before; pair with Acquire in ReadySet::drain. The group comes first: who
        // finds it named finds its bits.
        self.groups[bit as usize / 64].fetch_or(1 << (bit % 64), weakened("ready-mark-release", Ordering::Release));
        self.groups_marked.fetch_or(1 << (bit / 64), weakened("ready-mark-release", Ordering::Release));
    }

    /// Might a key be marked? One load of a quiet line.
    #[inline(always)]
    pub(crate) fn is_marked(&self) -> bool {
        self.groups_marked.load(Ordering::Relaxed) != 0
    }

    /// Takes every marked bit out and gives it to `each`.
    pub(crate) fn drain(&self, mut each: impl FnMut(u32)) {
        for group in bits(self.groups_marked.swap(0, Ordering::AcqRel)) {
            for bit in bits(self.groups[group as usize].swap(0, Ordering::AcqRel)) {
                each(group * 64 + bit);
            }
        }
    }
}

/// The numbers of the bits set in `word`, lowest first.
fn bits(mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros();
        word &= word.wrapping_sub(1);
        (bit < 64).then_some(bit)
    })
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_marked_comes_out_once(keys in proptest::collection::vec(0..ReadySet::BITS, 0..200)) {
            let set = ReadySet::new();
            keys.iter().for_each(|key| set.mark(*key));
            prop_assert_eq!(set.is_marked(), !keys.is_empty());
            let mut out = Vec::new();
            set.drain(|key| out.push(key));
            prop_assert_eq!(out, keys.iter().copied().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());
            set.drain(|key| panic!("{key} came out twice"));
        }
    }
}
