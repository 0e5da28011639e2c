//! Who waits for room, and in which order.
//!
//! Each of them knows its own place, so that it is found without going through the others, of whom there may be thousands. Who leaves
//! takes nothing with it and leaves nothing behind: *ids.len()* is the number of places that are held.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::Frame;

/// A queue of peers that may be left in the midst of it.
#[derive(Debug, Default)]
pub(super) struct Turns {
    ids: BTreeMap<u64, Frame>,
    next: u64,
}

/// A place among them, if there is one: kept by who waits.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Turn(Option<u64>);

impl Turns {
    /// Behind all others; where it was, if it has a place.
    pub(super) fn wait(&mut self, id: &Frame, turn: &mut Turn) {
        if turn.0.is_none() {
            turn.0 = Some(self.next);
            self.ids.insert(self.next, id.clone());
            self.next += 1;
        }
    }

    /// Whose turn it is: it waits no more, of which it is to be [told](Turn::comes).
    pub(super) fn take(&mut self) -> Option<Frame> {
        self.ids.pop_first().map(|(_, id)| id)
    }

    pub(super) fn leave(&mut self, turn: &Turn) {
        if let Some(place) = turn.0 {
            self.ids.remove(&place);
        }
    }
}

impl Turn {
    pub(super) fn comes(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_comes_once_in_order_and_who_has_left_does_not() {
        let ids = ["a", "b", "c"].map(Frame::from);
        let mut turns = Turns::default();
        let mut own = [(); 3].map(|()| Turn::default());
        for _ in 0..2 {
            ids.iter().zip(&mut own).for_each(|(id, turn)| turns.wait(id, turn));
        }
        turns.leave(&own[1]);
        assert_eq!(turns.take(), Some(ids[0].clone()));
        own[0].comes();
        turns.wait(&ids[0], &mut own[0]);
        assert_eq!([(); 3].map(|()| turns.take()), [Some(ids[2].clone()), Some(ids[0].clone()), None]);
    }

    /// Peers that come, find no room and go, while there is none.
    #[test]
    fn who_comes_and_goes_leaves_nothing() {
        let mut turns = Turns::default();
        for nth in 0..1_000_u32 {
            let mut turn = Turn::default();
            turns.wait(&Frame::from(nth.to_le_bytes()), &mut turn);
            turns.leave(&turn);
        }
        assert!(turns.ids.is_empty());
    }
}
