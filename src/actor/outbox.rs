//! Messages that actors of a worker have sent and that found no credit, in order for each receiver.
//!
//! Invariant: while something waits here for a receiver nothing else of this worker is sent to it, so that what an actor sends to another
//! arrives in the order it was sent.

#![forbid(unsafe_code)]

use std::{
    collections::{HashMap, VecDeque},
    mem,
};

use super::{address::ActorId, core::Core, credit::Denied, deadletter::Loss, envelope::Envelope, places::Place};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: HashMap<ActorId, VecDeque<Deferred>, ahash::RandomState>,
    /// How many of each sender.
    counts: HashMap<Place, u32, ahash::RandomState>,
    /// Who is to be told when there is room for more.
    seekers: HashMap<ActorId, Seekers, ahash::RandomState>,
}

/// Actors that wait for room at one receiver, with what each is told then.
#[derive(Debug, Default)]
struct Seekers {
    capacity: u32,
    waiting: Vec<(Place, Envelope)>,
}

#[derive(Debug)]
struct Deferred {
    from: Place,
    capacity: u32,
    envelope: Envelope,
}

impl Outbox {
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.seekers.is_empty()
    }

    /// Does something wait for that receiver?
    #[inline(always)]
    pub(super) fn holds_for(&self, to: ActorId) -> bool {
        !self.waiting.is_empty() && self.waiting.contains_key(&to)
    }

    /// How many messages of this sender wait.
    pub(super) fn count(&self, from: Place) -> u32 {
        self.counts.get(&from).copied().unwrap_or(0)
    }

    pub(super) fn push(&mut self, from: Place, to: ActorId, capacity: u32, envelope: Envelope) {
        self.waiting.entry(to).or_default().push_back(Deferred { from, capacity, envelope });
        *self.counts.entry(from).or_default() += 1;
    }

    /// Takes the oldest that this sender has for that receiver.
    pub(super) fn take_oldest(&mut self, from: Place, to: ActorId) -> Option<Envelope> {
        let waiting = self.waiting.get_mut(&to)?;
        let index = waiting.iter().position(|deferred| deferred.from == from)?;
        let oldest = waiting.remove(index)?;
        if waiting.is_empty() {
            self.waiting.remove(&to);
        }
        self.uncount(from);
        Some(oldest.envelope)
    }

    fn first(&mut self, to: ActorId) -> Option<&Deferred> {
        self.waiting.get(&to)?.front()
    }

    fn take_first(&mut self, to: ActorId) -> Option<Envelope> {
        let waiting = self.waiting.get_mut(&to)?;
        let Deferred { from, envelope, .. } = waiting.pop_front()?;
        if waiting.is_empty() {
            self.waiting.remove(&to);
        }
        self.uncount(from);
        Some(envelope)
    }

    fn uncount(&mut self, from: Place) {
        if let Some(count) = self.counts.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&from);
            }
        }
    }

    /// It waits for no room any more. What each was to be told.
    fn forget_seeker(&mut self, seeker: Place) -> Vec<Envelope> {
        let mut forgotten = Vec::new();
        self.seekers.retain(|_, seekers| {
            forgotten.extend(seekers.waiting.extract_if(.., |(who, _)| *who == seeker).map(|(_, message)| message));
            !seekers.waiting.is_empty()
        });
        forgotten
    }

    /// Whose receivers have not come to have room: what they are.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (ActorId, Envelope)> {
        self.seekers.clear();
        self.counts.clear();
        mem::take(&mut self.waiting)
            .into_iter()
            .flat_map(|(to, waiting)| waiting.into_iter().map(move |deferred| (to, deferred.envelope)))
    }
}

impl Core {
    /// Nobody will have what waits for credit.
    pub(super) fn lose_deferred(&mut self) {
        for (to, envelope) in self.outbox.drain().collect::<Vec<_>>() {
            self.lose_there(self.number(to), envelope, Loss::ActorEnded);
        }
    }

    /// There is credit again for that receiver, or it has ended.
    #[cold]
    pub(super) fn send_deferred(&mut self, to: ActorId) {
        self.send_what_waits(to);
        let Some(capacity) = self.outbox.seekers.get(&to).map(|seekers| seekers.capacity) else { return };
        if self.has_much_room(to, capacity)
            && let Some(seekers) = self.outbox.seekers.remove(&to)
        {
            for (seeker, message) in seekers.waiting {
                self.tell_of_room(seeker, message);
            }
        }
    }

    /// `seeker` is told when it may send to that actor again, or never will.
    pub(super) fn seek_room(&mut self, seeker: Place, to: ActorId, capacity: u32, message: Envelope) {
        if !self.outbox.holds_for(to) && self.has_much_room(to, capacity) {
            return self.tell_of_room(seeker, message);
        }
        if let Some(rare) = self.rare(seeker) {
            rare.has_sought = true;
        }
        let seekers = self.outbox.seekers.entry(to).or_default();
        seekers.capacity = capacity;
        seekers.waiting.push((seeker, message));
    }

    /// The actor seeks room nowhere any more. What it was to be told is lost with its wish, as a timer's is.
    pub(super) fn seek_nowhere(&mut self, seeker: Place) {
        let rare = self.cells.at(seeker).and_then(|cell| cell.rare.as_mut());
        if rare.is_some_and(|rare| mem::take(&mut rare.has_sought)) {
            drop(self.outbox.forget_seeker(seeker));
        }
    }

    fn tell_of_room(&mut self, seeker: Place, message: Envelope) {
        // Who has ended meanwhile has asked for nothing that would be lost.
        if self.cells.at(seeker).is_some() {
            self.hurry(seeker, message);
        }
    }

    /// Is half of it free, or nobody there? Less would be to go to and fro for each message.
    fn has_much_room(&mut self, to: ActorId, capacity: u32) -> bool {
        let number = self.number(to);
        if number == self.me {
            return self.cells.at(to.place).is_none_or(|cell| cell.local <= capacity / 2);
        }
        match self.lanes.get_mut(number as usize) {
            Some(Some(lane)) => lane.credit.count(to.place).is_none_or(|count| count <= capacity / 2),
            _ => true,
        }
    }

    fn send_what_waits(&mut self, to: ActorId) {
        while let Some(capacity) = self.outbox.first(to).map(|first| first.capacity) {
            match self.admit_first(to, capacity) {
                Err(Denied::Full) => return,
                Ok(route) => {
                    if let Some(envelope) = self.outbox.take_first(to) {
                        self.post(route, envelope);
                    }
                }
                Err(Denied::Gone) => {
                    if let Some(envelope) = self.outbox.take_first(to) {
                        self.lose_there(self.number(to), envelope, Loss::ActorEnded);
                    }
                }
            }
        }
    }
}
