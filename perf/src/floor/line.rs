//! Two words in lines of their own, each written by one thread and watched by the other.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam_utils::CachePadded;

use super::{Baton, STOP};
use crate::end::Relax;

pub(super) struct Line {
    there: CachePadded<AtomicU32>,
    back: CachePadded<AtomicU32>,
    relax: Relax,
}

impl Line {
    pub(super) fn new(relax: Relax) -> Self {
        Self { there: CachePadded::default(), back: CachePadded::default(), relax }
    }

    fn await_turn(&self, line: &AtomicU32, turn: u32) -> u32 {
        loop {
            let seen = line.load(Ordering::Acquire);
            if seen == turn || seen == STOP {
                return seen;
            }
            self.relax.once();
        }
    }
}

impl Baton for Line {
    #[inline(always)]
    fn there_and_back(&self, turn: u32) {
        self.there.store(turn, Ordering::Release);
        self.await_turn(&self.back, turn);
    }

    #[inline(always)]
    fn answer(&self, turn: u32) -> bool {
        let seen = self.await_turn(&self.there, turn);
        self.back.store(seen, Ordering::Release);
        seen == STOP
    }
}
