//! Keys in a circle, one of which is current: who is served moves on, who has nothing to offer is taken out.
//!
//! A key that comes in is served last: after every key that was there before it.

#![forbid(unsafe_code)]

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Rotation {
    keys: Vec<u32>,
    /// The current key; below `keys.len()` unless there is none.
    at: usize,
}

impl Rotation {
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key whose turn it is.
    #[inline(always)]
    pub(crate) fn current(&self) -> Option<u32> {
        self.keys.get(self.at).copied()
    }

    /// The keys in the order of their places, which is not the order of their turns.
    pub(crate) fn keys(&self) -> &[u32] {
        &self.keys
    }

    /// It is the next key's turn.
    #[inline(always)]
    pub(crate) fn advance(&mut self) {
        self.at += 1;
        if self.at >= self.keys.len() {
            self.at = 0;
        }
    }

    /// Is it the turn of the first place? Once a round.
    #[inline(always)]
    pub(crate) fn is_at_start(&self) -> bool {
        self.at == 0
    }

    /// Adds `key`, which is not there yet, behind all others.
    pub(crate) fn insert(&mut self, key: u32) {
        debug_assert!(!self.keys.contains(&key));
        self.keys.insert(self.at, key);
        if self.keys.len() > 1 {
            self.advance();
        }
    }

    /// Takes `key` out, if it is there. The turn passes to the next key if it was its.
    pub(crate) fn remove(&mut self, key: u32) {
        let Some(place) = self.keys.iter().position(|other| *other == key) else { return };
        self.keys.remove(place);
        if place < self.at {
            self.at -= 1;
        }
        if self.at >= self.keys.len() {
            self.at = 0;
        }
    }

    /// Takes the current key out; the turn passes to the next.
    pub(crate) fn remove_current(&mut self) {
        if self.at < self.keys.len() {
            self.keys.remove(self.at);
            if self.at >= self.keys.len() {
                self.at = 0;
            }
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The model: a queue whose front is current.
        #[test]
        fn behaves_as_a_queue(steps in proptest::collection::vec((0..4_u8, 0..6_u32), 0..100)) {
            let (mut rotation, mut model) = (Rotation::default(), VecDeque::new());
            for (step, key) in steps {
                match step {
                    0 if !model.contains(&key) => {
                        rotation.insert(key);
                        model.push_back(key);
                    }
                    0 | 1 => {
                        rotation.advance();
                        if !model.is_empty() {
                            model.rotate_left(1);
                        }
                    }
                    2 => {
                        rotation.remove(key);
                        model.retain(|other| *other != key);
                    }
                    _ => {
                        rotation.remove_current();
                        model.pop_front();
                    }
                }
                prop_assert_eq!(rotation.current(), model.front().copied());
                prop_assert_eq!(rotation.len(), model.len());
            }
            for expected in model {
                prop_assert_eq!(rotation.current(), Some(expected));
                rotation.advance();
            }
        }
    }
}
