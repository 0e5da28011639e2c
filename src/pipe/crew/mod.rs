//! The private half of a socket: its pipes as the owner works with them, without a lock.
//!
//! # Tiers
//!
//! For receiving a pipe is *hot*, looked at in turn on every call, or *armed*: it was quiet for a while, there are
//! more than [`HOT_PIPES`], and its producer has been asked to mark it ([`Tie::tell_consumer`]). For sending it is
//! *open* (had room when last looked at), *full* (looked at when no other is open) or *parked* (full for long, among
//! many; its consumer has been asked to mark it). So a call costs as much as there are pipes with something to do,
//! not as there are pipes.
//!
//! Going from hot to armed, or from full to parked, is the sleep protocol in small: announce, fence, look again.
//!
//! Contents: here what a crew is, and pipes that come and go; [`receiving`], [`sending`], and [`fan_out`] to several at once.

#![forbid(unsafe_code)]

mod fan_out;
mod receiving;
mod sending;

use std::{collections::VecDeque, fmt, sync::Arc as Counted};

use super::{
    Drive, End, Hub,
    hub::{Flow, Note},
};
use crate::{
    monitor::PeerId,
    route::Rotation,
    sync::{Arc, AtomicU64, full_fence, planted},
};

/// Who chooses the pipe a message goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outward {
    /// The crew: each in turn that has room.
    Balanced,
    /// The pattern: it names the pipe, or several.
    Addressed,
}

/// What happened to a pipe, for a pattern that keeps account of its peers: one arrival, changes, one leave. A pipe that
/// left before the pattern heard of it is not mentioned, so that a key never stands for the pipe that had it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Arrived(Key),
    /// Something about the pipe or its peer is new; the last thing is that the peer has gone and left messages.
    Changed(Key),
    /// The pipe is gone, and its key will be used again.
    Left(Key),
}

/// Where a socket keeps a pipe.
pub(crate) type Key = u32;

/// No pipe's: there are never so many.
const NO_KEY: Key = Key::MAX;

/// Pipes looked at on every call before any is armed: one cached line each.
pub(crate) const HOT_PIPES: usize = if cfg!(any(loom, shuttle)) { 1 } else { 8 };
/// Looks in a row that find nothing before a pipe is armed or parked: well above a round of bursts, and its cost of
/// some hundred nanoseconds is a fraction of what arming and marking costs.
const QUIET_LOOKS: u32 = if cfg!(any(loom, shuttle)) { 1 } else { 64 };

/// Events that mean something are at most two for each key: one of the pipe that is there, one that another has left.
const EVENTS_PER_PIPE: usize = 4;
/// Events below which it is not worth looking.
const KEPT_EVENTS: usize = 16;

/// See the module.
pub(crate) struct Crew {
    hub: Arc<Hub>,
    outward: Outward,
    /// What the pattern has not taken note of yet, with the numbers of the pipes; only kept for one that asked. At most
    /// one entry for each pipe that is there, one for each that has left, and some that mean nothing any more.
    events: Option<VecDeque<(Event, u64)>>,
    /// The hub's epoch when the notes were last fetched.
    epoch: u64,
    terminated: bool,
    /// By key.
    pipes: Vec<Option<Pipe>>,
    /// Keys of hot pipes.
    hot: Rotation,
    /// Keys of open pipes.
    open: Rotation,
    /// Keys of full pipes.
    full: Vec<Key>,
    armed: usize,
    parked: usize,
    /// Keys of pipes pushed to or popped from by the batch under way.
    touched: Vec<Key>,
    /// Pipes that lead to a connection.
    links: usize,
    /// The owner looks at connections again and again, and may be left to read them.
    lends: bool,
    /// Where the message came from that the owner got last: the key of a pipe that is there, or `NO_KEY`.
    last_from: Key,
    /// Who that was, if it is not there any more.
    last_gone: Option<PeerId>,
}

#[derive(Debug)]
struct Pipe {
    end: End,
    /// The connection at the other end, if there is one.
    link: Option<Counted<dyn Drive>>,
    receiving: Receiving,
    sending: Sending,
    /// Looks in a row that found no message.
    quiet_looks: u32,
    /// Looks in a row that found no room.
    full_looks: u32,
    touched: bool,
    /// The peer has closed: the pipe goes once its messages are taken.
    leaving: bool,
    /// There is an event of it that the pattern has not taken.
    has_news: bool,
    /// The pattern has heard of it, and is to hear that it left.
    is_known: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiving {
    Never,
    Hot,
    Armed,
    /// Not looked at until the pattern says so.
    Held,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    Never,
    Open,
    Full,
    Parked,
    Addressed,
}

/// Why no pipe takes a message now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mute {
    /// There is no pipe to send to.
    NoPeer,
    /// Every pipe is full.
    Full,
    OutOfMemory,
    Terminated,
}

impl Crew {
    pub(crate) fn new(hub: Arc<Hub>, outward: Outward) -> Self {
        Self {
            hub,
            outward,
            events: None,
            epoch: 0,
            terminated: false,
            pipes: Vec::new(),
            hot: Rotation::default(),
            open: Rotation::default(),
            full: Vec::new(),
            armed: 0,
            parked: 0,
            touched: Vec::new(),
            links: 0,
            lends: true,
            last_from: NO_KEY,
            last_gone: None,
        }
    }

    /// Whom the message came from that the owner got last, if it came from a connection.
    pub(crate) fn last_sender(&self) -> Option<PeerId> {
        if self.last_from == NO_KEY { self.last_gone } else { self.connected_peer(self.last_from) }
    }

    /// The message that the owner gets now was just received from the pipe under `key`.
    #[inline(always)]
    pub(crate) fn heard(&mut self, key: Key) {
        self.last_from = key;
    }

    /// The message that the owner gets now came from `sender`, who may not be there any more.
    pub(crate) fn heard_of(&mut self, sender: Option<PeerId>) {
        (self.last_from, self.last_gone) = (NO_KEY, sender);
    }

    /// The peer under `key`, if there is a connection to it.
    pub(crate) fn connected_peer(&self, key: Key) -> Option<PeerId> {
        let pipe = self.pipes.get(key as usize)?.as_ref()?;
        pipe.link.is_some().then(|| PeerId::new(pipe.end.tie().number()))
    }

    /// Has the context been shut down, as far as we have noticed?
    #[inline(always)]
    pub(crate) fn is_terminated(&self) -> bool {
        self.terminated
    }

    /// Is there no pipe left, not even one with messages still to be taken?
    #[cfg(all(test, any(loom, shuttle)))]
    pub(crate) fn is_alone(&self) -> bool {
        self.pipes.iter().all(Option::is_none) && self.hub.peers() == 0
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Takes note of pipes that have come and gone. One load when there are none.
    #[inline(always)]
    pub(crate) fn sync(&mut self) {
        if self.hub.epoch() != self.epoch {
            self.sync_slow();
        }
    }

    /// Keeps account of pipes coming and going from now on, for [`Crew::take_event`].
    pub(crate) fn keep_events(&mut self) {
        self.events.get_or_insert_default();
    }

    /// What happened next, of what has not been taken note of.
    #[inline(always)]
    pub(crate) fn take_event(&mut self) -> Option<Event> {
        if self.events.as_ref()?.is_empty() {
            return None;
        }
        self.take_event_slow()
    }

    #[cold]
    #[inline(never)]
    fn take_event_slow(&mut self) -> Option<Event> {
        loop {
            let (event, number) = self.events.as_mut()?.pop_front()?;
            let (Event::Arrived(key) | Event::Changed(key)) = event else { return Some(event) };
            let pipe = self.pipes.get_mut(key as usize).and_then(Option::as_mut);
            // Else it has gone since, and its key may be another's.
            if let Some(pipe) = pipe.filter(|pipe| pipe.end.tie().number() == number) {
                (pipe.has_news, pipe.is_known) = (false, true);
                return Some(event);
            }
        }
    }

    /// Our end of a pipe.
    pub(crate) fn end(&self, key: Key) -> Option<&End> {
        self.pipes.get(key as usize)?.as_ref().map(|pipe| &pipe.end)
    }

    /// The keys of all pipes there are.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        self.pipes.iter().zip(0..).filter_map(|(pipe, key)| pipe.as_ref().map(|_| key))
    }

    /// The number of the pipe under `key`, by which it is told from one that had the key before.
    #[inline(always)]
    pub(crate) fn number(&self, key: Key) -> Option<u64> {
        self.end(key).map(|end| end.tie().number())
    }

    /// Has the peer under `key` closed? What it had sent is still there then.
    pub(crate) fn is_leaving(&self, key: Key) -> bool {
        self.pipes.get(key as usize).and_then(Option::as_ref).is_none_or(|pipe| pipe.leaving)
    }

    /// Leaves what comes from the pipe under `key` where it is, until [`Crew::release`].
    pub(crate) fn hold(&mut self, key: Key) {
        self.heat(key);
        if let Some(pipe) = self.pipes.get_mut(key as usize).and_then(Option::as_mut)
            && pipe.receiving == Receiving::Hot
        {
            pipe.receiving = Receiving::Held;
            self.hot.remove(key);
        }
    }

    /// Receives from the pipe under `key` again.
    pub(crate) fn release(&mut self, key: Key) {
        if let Some(pipe) = self.pipes.get_mut(key as usize).and_then(Option::as_mut)
            && pipe.receiving == Receiving::Held
        {
            pipe.receiving = Receiving::Hot;
            pipe.quiet_looks = 0;
            self.hot.insert(key);
        }
    }

    /// Forgets the pipe under `key` if its peer has left and all it had sent is received. Tells whether it was so.
    pub(crate) fn bury(&mut self, key: Key) -> bool {
        let pipe = self.pipes.get_mut(key as usize).and_then(Option::as_mut);
        let is_over = pipe.is_some_and(|pipe| pipe.leaving && pipe.end.exhausted());
        if is_over {
            self.remove(key);
        }
        is_over
    }

    /// Closes our end of the pipe under `key`, and forgets it.
    pub(crate) fn dismiss(&mut self, key: Key) {
        if self.end(key).is_some() {
            self.remove(key);
        }
    }

    /// Counts into one of the socket's counters, of which its owner is the only writer.
    #[inline(always)]
    pub(crate) fn count(&self, counter: impl FnOnce(&Flow) -> &AtomicU64, amount: u64) {
        Flow::add(counter(self.hub.flow()), amount);
    }

    /// Closes and forgets the pipes whose tie `which` picks. Returns how many.
    pub(crate) fn drop_pipes(&mut self, mut which: impl FnMut(&End) -> bool) -> usize {
        self.sync();
        let keys: Vec<Key> = (0..self.pipes.len() as Key)
            .filter(|key| self.pipes[*key as usize].as_ref().is_some_and(|pipe| which(&pipe.end)))
            .collect();
        keys.iter().for_each(|key| self.remove(*key));
        keys.len()
    }

    /// Closes every pipe; none comes any more. Idempotent.
    pub(crate) fn close(&mut self) {
        // Ends are dropped here, outside the hub's lock: they may hold payloads with destructors.
        drop(self.hub.close());
        self.pipes.clear();
        self.hot = Rotation::default();
        self.open = Rotation::default();
        self.full.clear();
        (self.armed, self.parked, self.links) = (0, 0, 0);
    }

    #[cold]
    #[inline(never)]
    fn sync_slow(&mut self) {
        // Before the notes: a change after this moves the epoch again.
        self.epoch = self.hub.epoch();
        self.terminated = self.hub.is_terminated();
        let hub = self.hub.clone();
        let mut left = Vec::new();
        hub.fetch(|note| match note {
            Note::Arrived(key, end) => self.install(key, end),
            Note::Changed(key) => {
                self.find_link(key);
                self.adopt(key);
                self.has_news(key, Event::Changed(key));
            }
            Note::PeerLeft(key) => left.push(key),
        });
        left.into_iter().for_each(|key| self.peer_left(key));
        self.forget_old_events();
        // Limits may have changed: look at every full pipe once more.
        self.reopen(|_| true);
        if self.parked > 0 {
            self.open_parked();
        }
    }

    fn install(&mut self, key: Key, end: End) {
        if self.pipes.len() <= key as usize {
            self.pipes.resize_with(key as usize + 1, || None);
        }
        let mut pipe = Pipe {
            receiving: Receiving::Never,
            sending: Sending::Never,
            quiet_looks: 0,
            full_looks: 0,
            touched: false,
            leaving: false,
            has_news: false,
            is_known: false,
            link: None,
            end,
        };
        if pipe.end.has_inlet() {
            pipe.receiving = Receiving::Hot;
            self.hot.insert(key);
        }
        if pipe.end.has_outlet() {
            match self.outward {
                Outward::Balanced => {
                    pipe.sending = Sending::Open;
                    self.open.insert(key);
                }
                Outward::Addressed => pipe.sending = Sending::Addressed,
            }
        }
        self.pipes[key as usize] = Some(pipe);
        self.find_link(key);
        self.adopt(key);
        self.has_news(key, Event::Arrived(key));
    }

    /// Goes by shared memory from now on, if the connection at the other end has arranged that.
    fn adopt(&mut self, key: Key) {
        // Also when the connection has gone since: what it had brought is still there.
        if let Some(pipe) = self.pipes.get_mut(key as usize).and_then(Option::as_mut)
            && pipe.end.adopt()
        {
            // This may be the last look before a sleep: what comes from here on is told of, and what has come is looked for.
            if !planted("crew-adopt-no-fence") {
                full_fence();
            }
            if !planted("crew-adopt-unlooking") {
                self.heat(key);
            }
        }
    }

    /// Takes note of the connection at the other end, which may not have been there when the pipe was made.
    fn find_link(&mut self, key: Key) {
        if let Some(pipe) = self.pipes.get_mut(key as usize).and_then(Option::as_mut)
            && pipe.link.is_none()
        {
            pipe.link = pipe.end.tie().hub(pipe.end.side().other()).and_then(Hub::link);
            self.links += usize::from(pipe.link.is_some());
        }
    }

    /// Are there pipes that lead to connections?
    #[inline(always)]
    pub(crate) fn has_links(&self) -> bool {
        self.links > 0
    }

    /// Keeps `event` of the pipe under `key`, unless the pattern is to look at that pipe anyway.
    fn has_news(&mut self, key: Key, event: Event) {
        if let Some(events) = &mut self.events
            && let Some(pipe) = self.pipes.get_mut(key as usize).and_then(Option::as_mut)
            && !pipe.has_news
        {
            pipe.has_news = true;
            events.push_back((event, pipe.end.tie().number()));
        }
    }

    /// Drops events of pipes that have gone before anybody heard of them: a pattern that never looks keeps no more than
    /// the others.
    fn forget_old_events(&mut self) {
        let Self { events: Some(events), pipes, .. } = self else { return };
        if events.len() <= EVENTS_PER_PIPE * pipes.len() + KEPT_EVENTS {
            return;
        }
        events.retain(|(event, number)| match event {
            Event::Left(_) => true,
            Event::Arrived(key) | Event::Changed(key) => {
                pipes[*key as usize].as_ref().is_some_and(|pipe| pipe.end.tie().number() == *number)
            }
        });
    }

    fn peer_left(&mut self, key: Key) {
        self.adopt(key);
        let Some(pipe) = self.pipes.get_mut(key as usize).and_then(Option::as_mut) else { return };
        pipe.leaving = true;
        self.stop_sending(key);
        if self.pipes[key as usize].as_mut().is_some_and(|pipe| pipe.end.exhausted()) {
            self.remove(key);
        } else {
            self.heat(key);
            self.has_news(key, Event::Changed(key));
        }
    }

    /// Closes our end under `key` and frees its seat.
    fn remove(&mut self, key: Key) {
        self.stop_sending(key);
        self.hot.remove(key);
        if key == self.last_from {
            self.heard_of(self.connected_peer(key));
        }
        if let Some(pipe) = self.pipes[key as usize].take() {
            if pipe.receiving == Receiving::Armed {
                self.armed -= 1;
            }
            self.links -= usize::from(pipe.link.is_some());
            if pipe.is_known
                && let Some(events) = &mut self.events
            {
                events.push_back((Event::Left(key), pipe.end.tie().number()));
            }
            drop(pipe);
            self.hub.vacate(key);
        }
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew")
            .field("hot", &self.hot.len())
            .field("armed", &self.armed)
            .field("open", &self.open.len())
            .field("full", &self.full.len())
            .field("parked", &self.parked)
            .finish_non_exhaustive()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.close();
    }
}
