//! The reactors that no thread turns: whoever waits for their sockets does.
//!
//! A socket of a caller-driven context brings its reactor along when it is registered. From then on waits turn it: where a
//! look at the sockets finds nothing, now and then while they spin, and after each sleep, which its descriptor ends as well.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use crate::{reactor::Reactor, wait::Watched};

/// See the module. Usually none, or one.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    wards: Vec<Ward>,
    /// Looks until the reactors are turned whatever there is.
    looks_left: u32,
    /// Reactors came or left since [`settle`](Self::settle).
    #[cfg_attr(not(all(target_os = "linux", not(any(loom, shuttle)))), expect(dead_code, reason = "of descriptors"))]
    is_changed: bool,
}

#[derive(Debug)]
struct Ward {
    reactor: Reactor,
    /// Registered here.
    sockets: usize,
}

/// Looks at the sockets for each turn of the reactors: one is a system call of some 400 ns against some 20 ns a look.
const LOOKS_PER_TURN: u32 = 16;

impl Upkeep {
    #[inline(always)]
    pub(super) fn is_none(&self) -> bool {
        self.wards.is_empty()
    }

    /// One more socket whose reactor is `reactor`.
    pub(super) fn join(&mut self, reactor: &Reactor) {
        match self.wards.iter_mut().find(|ward| ward.reactor.is(reactor)) {
            Some(ward) => ward.sockets += 1,
            None => {
                self.wards.push(Ward { reactor: reactor.clone(), sockets: 1 });
                self.is_changed = true;
            }
        }
    }

    /// One less.
    pub(super) fn leave(&mut self, reactor: &Reactor) {
        let Some(index) = self.wards.iter().position(|ward| ward.reactor.is(reactor)) else { return };
        self.wards[index].sockets -= 1;
        if self.wards[index].sockets == 0 {
            self.wards.swap_remove(index);
            self.is_changed = true;
        }
    }

    pub(super) fn reactors(&self) -> impl Iterator<Item = &Reactor> {
        self.wards.iter().map(|ward| &ward.reactor)
    }

    /// Are there others than when it was last settled?
    #[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
    pub(super) fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Those there are now are watched.
    #[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
    pub(super) fn settle(&mut self) {
        self.is_changed = false;
    }

    /// Does what there is to do. Never waits.
    pub(super) fn turn(&mut self) {
        self.looks_left = LOOKS_PER_TURN;
        for reactor in self.reactors() {
            reactor.turn(Some(Duration::ZERO));
        }
    }

    /// For somebody who sleeps in place of their threads, before the last look: adds what ends that sleep, and tells when to look again
    /// at the latest.
    pub(super) fn watch(&mut self, watched: &mut Vec<Watched>) -> Option<Instant> {
        self.turn();
        // The look after this one is before the sleep, the next one after it.
        self.looks_left = 2;
        watched.extend(self.reactors().map(Reactor::descriptor));
        self.reactors().filter_map(Reactor::next_alarm).min()
    }

    /// As `turn`, once in so many calls. Tells whether it did.
    #[inline(always)]
    pub(super) fn turn_now_and_then(&mut self) -> bool {
        !self.is_none() && self.is_due() && {
            self.turn();
            true
        }
    }

    fn is_due(&mut self) -> bool {
        self.looks_left = self.looks_left.saturating_sub(1);
        self.looks_left == 0
    }
}
