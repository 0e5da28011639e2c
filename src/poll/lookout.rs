//! A poller without a wait of its own: sockets for a loop that waits for other things, too.
//!
//! The loop looks on each of its turns, as a [`Poller`](super::Poller) does, and before it sleeps it arms: its own announcement, then
//! [`announce`](Lookout::announce), a heavy fence, a last [`look`](Lookout::look). A socket that becomes ready from then on marks its key
//! here and rings the bell, whose target is the sleeper's for good; so it sleeps in one place, and whatever it waits for ends that sleep.

#![forbid(unsafe_code)]

use std::{sync::Arc, time::Instant};

use super::{
    bell::Bell,
    error::{AddError, NotRegistered},
    event::Events,
    watchlist::{Key, Watchlist, may_add},
};
use crate::{
    fork::Own,
    socket::{Interest, Pollable},
    wait::{Sleep, Target, Watched},
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Lookout {
    bell: Arc<Bell>,
    list: Own<Watchlist>,
}

impl Lookout {
    /// For the loop that `sleeper` wakes.
    pub(crate) fn new(sleeper: Arc<dyn Sleep>) -> Self {
        let bell = Bell::new();
        bell.signal.install(Target::Loop(sleeper));
        Self { list: Own::new(Watchlist::new(bell.clone())), bell }
    }

    /// Registers `socket`. Its events carry `data`.
    ///
    /// # Errors
    /// It is registered here already. Its context is caller-driven, and the system has no descriptor left.
    pub(crate) fn add(
        &mut self,
        socket: &mut (impl Pollable + ?Sized),
        interest: Interest,
        data: u64,
    ) -> Result<Key, AddError> {
        let driven = may_add(&self.list, socket)?;
        self.list.add(socket, driven, interest, data)
    }

    /// Changes what of a socket is waited for.
    pub(crate) fn modify(&mut self, key: Key, interest: Interest) -> Result<(), NotRegistered> {
        self.list.modify(key, interest)
    }

    /// Takes a socket out; one that was dropped may be out already.
    pub(crate) fn remove(&mut self, key: Key) -> Result<(), NotRegistered> {
        self.list.remove(key)
    }

    /// Puts all that is ready into `events`. False: nothing is, and the sleeper may sleep if this was the look after an announcement.
    #[inline]
    pub(crate) fn look(&mut self, events: &mut Events) -> bool {
        events.list.clear();
        self.list.upkeep.turn_now_and_then();
        self.list.look(events);
        !events.is_empty() || self.list.must_look_again()
    }

    /// Before the loop sleeps: arms all that are hot. A heavy fence and a look follow.
    pub(crate) fn announce(&mut self) {
        self.bell.signal.announce();
        self.list.announce();
    }

    /// The loop sleeps no more.
    pub(crate) fn withdraw(&mut self) {
        self.bell.signal.disarm();
        self.list.withdraw();
    }

    /// Is there a reactor that nobody else turns? Then the sleep is to be on what [`watch`](Self::watch) names.
    pub(crate) fn has_descriptors(&self) -> bool {
        !self.list.upkeep.is_none()
    }

    /// What else is to end the sleep, and when to look again at the latest. Before the last look.
    pub(crate) fn watch(&mut self, watched: &mut Vec<Watched>) -> Option<Instant> {
        self.list.upkeep.watch(watched)
    }

    /// Does what there is to do for contexts without threads: for a loop that looks seldom.
    pub(crate) fn refresh(&mut self) {
        self.list.upkeep.turn();
    }
}
