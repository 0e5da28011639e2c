//! A table whose places are given again, and whose old names then name nothing.

#![forbid(unsafe_code)]

use crate::sync::planted;

/// A place in a table, and which of those it is that had it one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) index: u32,
    /// Never used again for the same index: see [`Places`].
    pub(super) generation: u32,
}

/// Places of a table, with what has them, by index. A place whose generations are used up is never given again: to take one actor for
/// another would be to take its state for another's.
#[derive(Debug)]
pub(super) struct Places<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    item: Option<T>,
}

impl<T> Places<T> {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), len: 0 }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Gives `item` a place. `None`: there are no more than `u32::MAX`.
    pub(super) fn insert(&mut self, item: T) -> Option<Place> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.slots.len()).ok()?;
                self.slots.push(Slot { generation: 0, item: None });
                index
            }
        };
        let slot = &mut self.slots[index as usize];
        slot.item = Some(item);
        self.len += 1;
        Some(Place { index, generation: slot.generation })
    }

    /// What is at `place`, if it is there still.
    #[inline(always)]
    pub(super) fn at(&mut self, place: Place) -> Option<&mut T> {
        let slot = self.slots.get_mut(place.index as usize)?;
        if slot.generation == place.generation { slot.item.as_mut() } else { None }
    }

    /// What is at `index` now, and its place.
    #[inline(always)]
    pub(super) fn at_index(&mut self, index: u32) -> Option<(Place, &mut T)> {
        let slot = self.slots.get_mut(index as usize)?;
        let place = Place { index, generation: slot.generation };
        slot.item.as_mut().map(|item| (place, item))
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<T> {
        let is_it = |slot: &&mut Slot<T>| slot.generation == place.generation || planted("actor-place-unmatched");
        let slot = self.slots.get_mut(place.index as usize).filter(is_it)?;
        let item = slot.item.take()?;
        self.len -= 1;
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(place.index);
        }
        Some(item)
    }

    /// Those that are there, by index.
    pub(super) fn places(&self) -> impl DoubleEndedIterator<Item = Place> {
        self.slots.iter().enumerate().filter(|(_, slot)| slot.item.is_some()).map(|(index, slot)| Place {
            index: u32::try_from(index).expect("`insert` gives no others"),
            generation: slot.generation,
        })
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_again_and_an_old_name_of_it_names_nothing() {
        let mut places = Places::new();
        let first = places.insert('a').unwrap();
        assert_eq!(places.remove(first), Some('a'));
        let second = places.insert('b').unwrap();
        assert_eq!(second.index, first.index);
        assert_eq!((places.at(first).copied(), places.at(second).copied()), (None, Some('b')));
        assert_eq!((places.remove(first), places.len()), (None, 1));
    }

    #[test]
    fn a_place_without_generations_is_not_given_again() {
        let mut places = Places::new();
        let first = places.insert('a').unwrap();
        places.slots[0].generation = u32::MAX;
        let last = Place { generation: u32::MAX, ..first };
        assert_eq!(places.remove(last), Some('a'));
        let other = places.insert('b').unwrap();
        assert_ne!(other.index, first.index);
        assert_eq!((places.at(last).copied(), places.len()), (None, 1));
    }
}
