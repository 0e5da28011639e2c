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

use std::{collections::VecDeque, fmt};

use super::{
    End, Fold, Hub, Lost, Refusal,
    hub::{Flow, Note},
    ready::ReadySet,
    tie::{ARMED, ROOM_WANTED},
};
use crate::{
    Frame, Message,
    route::Rotation,
    sync::{Arc, AtomicU64, full_fence, heavy_fence, light_fence, planted},
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
}

#[derive(Debug)]
struct Pipe {
    end: End,
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
        }
    }

    /// Has the context been shut down, as far as we have noticed?
    #[inline(always)]
    pub(crate) fn is_terminated(&self) -> bool {
        self.terminated
    }

    /// Pipes that can be sent to, full or not.
    pub(crate) fn receivers(&self) -> usize {
        self.open.len() + self.full.len() + self.parked
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

    /// A message of `size` bytes in all its frames, just received, is none for the application: counts it so.
    pub(crate) fn discard(&self, size: usize) {
        self.hub.flow().discard(size as u64);
    }

    /// A message of `size` bytes in all its frames was received, and will not reach the application: counts it so.
    pub(crate) fn lose(&self, size: usize) {
        self.hub.flow().unread(size as u64);
        self.hub.count_lost(Lost { undelivered: 0, unread: 1 });
    }

    /// Counts into one of the socket's counters, of which its owner is the only writer.
    #[inline(always)]
    pub(crate) fn count(&self, counter: impl FnOnce(&Flow) -> &AtomicU64, amount: u64) {
        Flow::add(counter(self.hub.flow()), amount);
    }

    /// Is a message waiting? Moves nobody's turn.
    pub(crate) fn has_message(&mut self) -> bool {
        self.waiting().is_some()
    }

    /// A pipe with a message, whoever's turn it is. Moves nobody's.
    pub(crate) fn waiting(&mut self) -> Option<Key> {
        self.sync();
        if self.armed > 0 && self.hub.ready().is_marked() {
            self.heat_marked();
        }
        let (pipes, mut some_leave) = (&mut self.pipes, false);
        let is_ready = |key: &Key| {
            pipes[*key as usize].as_mut().is_some_and(|pipe| {
                some_leave |= pipe.leaving;
                pipe.end.ready()
            })
        };
        let mut hot = self.hot.keys().iter().copied();
        let found = hot.find(is_ready);
        if found.is_none() && some_leave {
            // A pattern may have others wait for them to be gone.
            for key in self.hot.keys().to_vec() {
                self.bury(key);
            }
        }
        found
    }

    /// The pipe whose turn it is among those with messages. It is the next one's turn then.
    #[inline(always)]
    pub(crate) fn readable(&mut self) -> Option<Key> {
        self.sync();
        self.readable_of_known()
    }

    /// As [`Crew::readable`], of the pipes already taken note of: no key comes to mean another pipe.
    #[inline(always)]
    pub(crate) fn readable_of_known(&mut self) -> Option<Key> {
        if self.armed > 0 && self.hub.ready().is_marked() {
            self.heat_marked();
        }
        for _ in 0..self.hot.len() {
            let key = self.hot.current()?;
            let pipe = self.pipes[key as usize].as_mut()?;
            if pipe.end.ready() {
                pipe.quiet_looks = 0;
                self.hot.advance();
                return Some(key);
            }
            self.found_nothing(key);
        }
        None
    }

    /// Receives a message from the pipe that [`Crew::readable`] has just named into `place`.
    #[inline(always)]
    pub(crate) fn receive_from(&mut self, key: Key, place: &mut Message) -> bool {
        let Some(pipe) = self.pipes[key as usize].as_mut() else { return false };
        if !pipe.end.pop_into(place) {
            return false;
        }
        self.received(key, place.size());
        true
    }

    /// As [`Crew::receive_from`], but what was folded into the message may stay so: returns what comes before it.
    #[inline(always)]
    pub(crate) fn receive_folded(&mut self, key: Key, place: &mut Message) -> Option<Fold> {
        let fold = self.pipes[key as usize].as_mut()?.end.pop_folded_into(place)?;
        self.received(key, place.size() + fold.size());
        Some(fold)
    }

    #[inline(always)]
    fn received(&mut self, key: Key, size: usize) {
        if let Some(pipe) = self.pipes[key as usize].as_mut() {
            pipe.end.publish();
            light_fence();
            pipe.end.tie().tell_producer(pipe.end.side());
        }
        Flow::add(&self.hub.flow().messages_in, 1);
        Flow::add(&self.hub.flow().bytes_in, size as u64);
    }

    /// Takes back the counting of `message`, which was received and not handed to the application.
    pub(crate) fn count_not_received(&self, message: &Message) {
        self.hub.flow().unread(message.size() as u64);
    }

    /// Receives up to `max` messages in turn into `messages`, the first from the pipe that [`Crew::readable`] has just
    /// named, giving credit back once per pipe. Returns how many.
    pub(crate) fn receive_batch(&mut self, first: Key, messages: &mut Vec<Message>, max: usize) -> usize {
        let (before, mut bytes) = (messages.len(), 0);
        let mut next = Some(first);
        while let Some(key) = next {
            messages.push(Message::from(Frame::new()));
            let (Some(pipe), Some(place)) = (self.pipes[key as usize].as_mut(), messages.last_mut()) else { break };
            if !pipe.end.pop_into(place) {
                messages.pop();
                break;
            }
            bytes += place.size() as u64;
            self.touch(key);
            next = if messages.len() - before < max { self.readable() } else { None };
        }
        let count = messages.len() - before;
        while let Some(key) = self.touched.pop() {
            if let Some(pipe) = self.pipes[key as usize].as_mut() {
                pipe.touched = false;
                pipe.end.publish();
                light_fence();
                pipe.end.tie().tell_producer(pipe.end.side());
            }
        }
        Flow::add(&self.hub.flow().messages_in, count as u64);
        Flow::add(&self.hub.flow().bytes_in, bytes);
        count
    }

    /// The pipe whose turn it is among those with room.
    #[inline(always)]
    pub(crate) fn writable(&mut self) -> Result<Key, Mute> {
        self.sync();
        if self.terminated {
            return Err(Mute::Terminated);
        }
        if let Some(key) = self.open.current()
            && let Some(pipe) = self.pipes[key as usize].as_mut()
            && pipe.end.admits().is_ok()
        {
            return Ok(key);
        }
        self.writable_slow()
    }

    /// Sends `message` to the pipe that [`Crew::writable`] has just named, and leaves nothing in it.
    ///
    /// # Errors
    /// That pipe has closed meanwhile, or memory ran out: `message` is unchanged.
    #[inline(always)]
    pub(crate) fn send_to(&mut self, key: Key, message: &mut Message) -> Result<(), Refusal> {
        self.send_folded(key, message, Fold::Nothing)
    }

    /// As [`Crew::send_to`], of `message` with the frames of `fold` before it; unchanged means without them.
    #[inline(always)]
    pub(crate) fn send_folded(&mut self, key: Key, message: &mut Message, fold: Fold) -> Result<(), Refusal> {
        let bytes = (message.size() + fold.size()) as u64;
        self.push(key, message, fold)?;
        if !planted("crew-send-no-fence") {
            full_fence();
        }
        if let Some(pipe) = self.pipes[key as usize].as_mut() {
            pipe.end.tie().tell_consumer(pipe.end.side());
            pipe.end.settle_outlet();
        }
        Flow::add(&self.hub.flow().messages_out, 1);
        Flow::add(&self.hub.flow().bytes_out, bytes);
        Ok(())
    }

    /// Sends `message` to each of `keys` that has room, a copy to all but the last, and leaves nothing in it. Returns to
    /// how many; those that had no room are told that they missed one.
    #[inline(always)]
    pub(crate) fn send_to_all(&mut self, keys: &[Key], message: &mut Message) -> usize {
        let sent = self.push_to_all(keys, message);
        // Dropped when all have been told: its destructor may take long, wait for one of them, or panic.
        let _left = std::mem::replace(message, Message::from(Frame::new()));
        if !planted("crew-send-to-all-no-fence") {
            full_fence();
        }
        for key in keys {
            if let Some(pipe) = self.pipes.get_mut(*key as usize).and_then(Option::as_mut) {
                pipe.end.tie().tell_consumer(pipe.end.side());
                pipe.end.settle_outlet();
            }
        }
        sent
    }

    /// As [`Crew::send_to_all`], but those who got it are told by [`Crew::tell_touched`], which is owed to them before
    /// this call's caller returns, waits, or drops what is left in `message`: all of it, if the last of `keys` did not
    /// take it.
    #[inline(always)]
    pub(crate) fn send_to_all_untold(&mut self, keys: &[Key], message: &mut Message) {
        self.push_to_all(keys, message);
        keys.iter().for_each(|key| self.touch(*key));
    }

    /// Tells the peers whose pipes the batch under way has pushed to, each once.
    pub(crate) fn tell_touched(&mut self) {
        if !planted("crew-tell-touched-no-fence") {
            full_fence();
        }
        while let Some(key) = self.touched.pop() {
            if let Some(pipe) = self.pipes[key as usize].as_mut() {
                pipe.touched = false;
                pipe.end.tie().tell_consumer(pipe.end.side());
                pipe.end.settle_outlet();
            }
        }
    }

    /// Pushes, and counts.
    #[inline(always)]
    fn push_to_all(&mut self, keys: &[Key], message: &mut Message) -> usize {
        let bytes = message.size() as u64;
        let (mut sent, mut full) = (0, 0);
        for (index, key) in keys.iter().enumerate() {
            let Some(pipe) = self.pipes.get_mut(*key as usize).and_then(Option::as_mut) else { continue };
            let refusal = match pipe.end.admits() {
                Ok(()) if index + 1 == keys.len() => pipe.end.push(message).err(),
                Ok(()) => pipe.end.push_copy(message).err(),
                Err(refusal) => Some(refusal),
            };
            match refusal {
                None => sent += 1,
                Some(Refusal::Closed) => {}
                Some(Refusal::Full | Refusal::OutOfMemory) => {
                    let way = pipe.end.tie().way_from(pipe.end.side());
                    // One that has gone misses nothing.
                    if !way.consumer_gone() {
                        full += 1;
                        way.count_missed();
                    }
                }
            }
        }
        let flow = self.hub.flow();
        Flow::add(&flow.messages_out, 1);
        Flow::add(&flow.bytes_out, bytes);
        Flow::add(&flow.deliveries, sent as u64);
        if full > 0 {
            Flow::add(&flow.dropped, full);
        }
        sent
    }

    /// Messages replaced by newer ones in this socket's pipes, those that are closed among them.
    pub(crate) fn conflated(&self) -> u64 {
        self.hub.conflated() + self.pipes.iter().flatten().map(|pipe| pipe.end.conflated()).sum::<u64>()
    }

    /// Keys of all pipes that can be sent to.
    pub(crate) fn addressed(&self) -> impl Iterator<Item = Key> {
        let keys = self.pipes.iter().zip(0..);
        keys.filter_map(|(pipe, key)| pipe.as_ref().is_some_and(|pipe| pipe.sending != Sending::Never).then_some(key))
    }

    /// Has the pipe under `key` room for a message? Exact.
    #[inline(always)]
    pub(crate) fn admits(&mut self, key: Key) -> Result<(), Refusal> {
        match self.pipes.get_mut(key as usize).and_then(Option::as_mut) {
            Some(pipe) if pipe.sending != Sending::Never => pipe.end.admits(),
            _ => Err(Refusal::Closed),
        }
    }

    /// Sends messages from the front of `messages`, each to the pipe whose turn it is, until none is left or none has
    /// room; peers are told once, at the end. Returns how many were sent.
    ///
    /// # Errors
    /// Why it stopped, if messages are left.
    pub(crate) fn send_batch(&mut self, messages: &mut VecDeque<Message>) -> (usize, Result<(), Mute>) {
        let (mut count, mut bytes) = (0, 0);
        let mut result = Ok(());
        while let Some(message) = messages.front_mut() {
            let size = message.size() as u64;
            let key = match self.writable() {
                Ok(key) => key,
                Err(mute) => {
                    result = Err(mute);
                    break;
                }
            };
            match self.push(key, message, Fold::Nothing) {
                Ok(()) => {
                    messages.pop_front();
                    count += 1;
                    bytes += size;
                    self.touch(key);
                }
                // The next one in turn.
                Err(Refusal::Closed | Refusal::Full) => {}
                Err(Refusal::OutOfMemory) => {
                    result = Err(Mute::OutOfMemory);
                    break;
                }
            }
        }
        self.tell_touched();
        Flow::add(&self.hub.flow().messages_out, count as u64);
        Flow::add(&self.hub.flow().bytes_out, bytes);
        (count, result)
    }

    /// Before the owner sleeps until a message comes: gives back memory that is only kept for speed.
    pub(crate) fn before_sleep(&mut self) {
        for key in self.hot.keys() {
            if let Some(pipe) = self.pipes[*key as usize].as_mut() {
                pipe.end.trim();
            }
        }
    }

    /// Before the owner sleeps until there is room: asks every full pipe's consumer to tell. The caller pays a heavy
    /// fence and looks again.
    pub(crate) fn want_room(&mut self) {
        for key in &self.full {
            if let Some(pipe) = self.pipes[*key as usize].as_ref() {
                pipe.end.tie().way_from(pipe.end.side()).set(ROOM_WANTED);
            }
        }
    }

    /// As [`Crew::want_room`], of one pipe.
    pub(crate) fn want_room_of(&mut self, key: Key) {
        if let Some(end) = self.end(key) {
            end.tie().way_from(end.side()).set(ROOM_WANTED);
        }
    }

    /// Takes back what [`Crew::want_room_of`] asked.
    pub(crate) fn want_no_room_of(&mut self, key: Key) {
        if let Some(end) = self.end(key) {
            end.tie().way_from(end.side()).clear(ROOM_WANTED);
        }
    }

    /// Takes back what `want_room` asked of pipes that are still looked at.
    pub(crate) fn want_no_room(&mut self) {
        for key in self.full.iter().chain(self.open.keys()) {
            if let Some(pipe) = self.pipes[*key as usize].as_ref() {
                pipe.end.tie().way_from(pipe.end.side()).clear(ROOM_WANTED);
            }
        }
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
        (self.armed, self.parked) = (0, 0);
    }

    /// Counts a send that found no room.
    pub(crate) fn count_stall(&self) {
        Flow::add(&self.hub.flow().stalls, 1);
    }

    #[inline(always)]
    fn push(&mut self, key: Key, message: &mut Message, fold: Fold) -> Result<(), Refusal> {
        let Some(pipe) = self.pipes[key as usize].as_mut() else { return Err(Refusal::Closed) };
        match pipe.end.push_folded(message, fold) {
            Ok(()) => {
                self.open.advance();
                if self.open.is_at_start() && self.full.len() + self.parked > 0 {
                    self.reopen_slow();
                }
                Ok(())
            }
            Err(refusal) => {
                if refusal == Refusal::Closed {
                    self.stop_sending(key);
                }
                Err(refusal)
            }
        }
    }

    #[inline(always)]
    fn touch(&mut self, key: Key) {
        if let Some(pipe) = self.pipes[key as usize].as_mut()
            && !pipe.touched
        {
            pipe.touched = true;
            self.touched.push(key);
        }
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
            Note::Changed(key) => self.has_news(key, Event::Changed(key)),
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
        self.has_news(key, Event::Arrived(key));
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
        if let Some(pipe) = self.pipes[key as usize].take() {
            if pipe.receiving == Receiving::Armed {
                self.armed -= 1;
            }
            if pipe.is_known
                && let Some(events) = &mut self.events
            {
                events.push_back((Event::Left(key), pipe.end.tie().number()));
            }
            drop(pipe);
            self.hub.vacate(key);
        }
    }

    fn stop_sending(&mut self, key: Key) {
        let Some(pipe) = self.pipes[key as usize].as_mut() else { return };
        match pipe.sending {
            Sending::Never | Sending::Addressed => {}
            Sending::Open => self.open.remove(key),
            Sending::Full => self.full.retain(|other| *other != key),
            Sending::Parked => self.parked -= 1,
        }
        pipe.sending = Sending::Never;
    }

    /// A hot pipe whose turn it was had no message.
    #[inline(always)]
    fn found_nothing(&mut self, key: Key) {
        let Some(pipe) = self.pipes[key as usize].as_mut() else { return };
        pipe.quiet_looks = pipe.quiet_looks.saturating_add(1);
        pipe.end.settle_inlet();
        if pipe.leaving || (self.hot.len() > HOT_PIPES && pipe.quiet_looks >= QUIET_LOOKS) {
            self.found_nothing_slow(key);
        } else {
            self.hot.advance();
        }
    }

    #[cold]
    #[inline(never)]
    fn found_nothing_slow(&mut self, key: Key) {
        let Some(pipe) = self.pipes[key as usize].as_mut() else { return };
        if pipe.leaving {
            if pipe.end.exhausted() {
                self.remove(key);
            } else {
                self.hot.advance();
            }
            return;
        }
        pipe.end.tie().way_to(pipe.end.side()).set(ARMED);
        if !planted("crew-arm-no-fence") {
            full_fence();
        }
        if pipe.end.ready() && !planted("crew-arm-no-recheck") {
            pipe.end.tie().way_to(pipe.end.side()).clear(ARMED);
            pipe.quiet_looks = 0;
            self.hot.advance();
        } else {
            pipe.end.trim();
            pipe.receiving = Receiving::Armed;
            self.armed += 1;
            self.hot.remove_current();
        }
    }

    /// Makes the pipes hot that were marked ready: also one with no message yet, as nobody will mark it again when the
    /// message comes (a flavor may deliver later than it accepts).
    #[cold]
    #[inline(never)]
    fn heat_marked(&mut self) {
        let hub = self.hub.clone();
        hub.ready().drain(|bit| {
            for key in (bit..self.pipes.len() as Key).step_by(ReadySet::BITS as usize) {
                let Some(pipe) = self.pipes[key as usize].as_mut() else { continue };
                if !pipe.end.tie().way_to(pipe.end.side()).is_set(ARMED) || pipe.end.ready() {
                    self.heat(key);
                }
            }
        });
    }

    fn heat(&mut self, key: Key) {
        if let Some(pipe) = self.pipes[key as usize].as_mut()
            && pipe.receiving == Receiving::Armed
        {
            pipe.end.tie().way_to(pipe.end.side()).clear(ARMED);
            pipe.receiving = Receiving::Hot;
            pipe.quiet_looks = 0;
            self.armed -= 1;
            self.hot.insert(key);
        }
    }

    #[cold]
    #[inline(never)]
    fn writable_slow(&mut self) -> Result<Key, Mute> {
        while let Some(key) = self.open.current() {
            let Some(pipe) = self.pipes[key as usize].as_mut() else { break };
            match pipe.end.admits() {
                Ok(()) => return Ok(key),
                Err(_) => {
                    pipe.sending = Sending::Full;
                    pipe.full_looks = 0;
                    self.open.remove_current();
                    self.full.push(key);
                }
            }
        }
        self.reopen_slow();
        if let Some(key) = self.open.current() {
            return Ok(key);
        }
        Err(if self.receivers() == 0 { Mute::NoPeer } else { Mute::Full })
    }

    /// Opens the full and parked pipes that have room again.
    #[cold]
    #[inline(never)]
    fn reopen_slow(&mut self) {
        if self.parked > 0 && self.hub.room().is_marked() {
            self.open_marked();
        }
        self.reopen(|pipe| pipe.end.admits().is_ok());
        if self.full.len() > HOT_PIPES {
            self.park_full();
        }
    }

    /// Looks at every full pipe and opens those `which` picks.
    fn reopen(&mut self, mut which: impl FnMut(&mut Pipe) -> bool) {
        let mut index = 0;
        while index < self.full.len() {
            let key = self.full[index];
            let Some(pipe) = self.pipes[key as usize].as_mut() else { break };
            pipe.full_looks = pipe.full_looks.saturating_add(1);
            if which(pipe) {
                pipe.sending = Sending::Open;
                self.full.remove(index);
                self.open.insert(key);
            } else {
                index += 1;
            }
        }
    }

    /// Stops looking at pipes that have been full for long, after asking their consumers to tell.
    fn park_full(&mut self) {
        let tired = |pipe: &Pipe| pipe.full_looks >= QUIET_LOOKS;
        let parking: Vec<Key> =
            self.full.iter().copied().filter(|key| self.pipes[*key as usize].as_ref().is_some_and(tired)).collect();
        if parking.is_empty() {
            return;
        }
        self.hub.room();
        for key in &parking {
            if let Some(pipe) = self.pipes[*key as usize].as_ref() {
                pipe.end.tie().way_from(pipe.end.side()).set(ROOM_WANTED);
            }
        }
        let fenced = planted("crew-park-no-fence") || heavy_fence();
        for key in parking {
            let Some(pipe) = self.pipes[key as usize].as_mut() else { continue };
            self.full.retain(|other| *other != key);
            // Without the fence a consumer may miss the flag: go on looking.
            if !fenced {
                self.full.push(key);
            } else if pipe.end.admits().is_ok() && !planted("crew-park-no-recheck") {
                pipe.end.tie().way_from(pipe.end.side()).clear(ROOM_WANTED);
                pipe.sending = Sending::Open;
                self.open.insert(key);
            } else {
                pipe.sending = Sending::Parked;
                self.parked += 1;
            }
        }
    }

    /// Looks again at the parked pipes that were marked. One that has no room yet, because its limit is lower now than
    /// what it holds, has been marked for good all the same.
    #[cold]
    #[inline(never)]
    fn open_marked(&mut self) {
        let hub = self.hub.clone();
        hub.room().drain(|bit| {
            for key in (bit..self.pipes.len() as Key).step_by(ReadySet::BITS as usize) {
                let Some(pipe) = self.pipes[key as usize].as_mut() else { continue };
                if pipe.sending == Sending::Parked {
                    pipe.end.tie().way_from(pipe.end.side()).clear(ROOM_WANTED);
                    pipe.sending = Sending::Full;
                    pipe.full_looks = 0;
                    self.parked -= 1;
                    self.full.push(key);
                }
            }
        });
    }

    /// Opens the parked pipes that have room.
    fn open_parked(&mut self) {
        for key in 0..self.pipes.len() as Key {
            let Some(pipe) = self.pipes[key as usize].as_mut() else { continue };
            if pipe.sending != Sending::Parked {
                continue;
            }
            let admits = pipe.end.admits().is_ok();
            let way = pipe.end.tie().way_from(pipe.end.side());
            if admits {
                way.clear(ROOM_WANTED);
                pipe.sending = Sending::Open;
                self.parked -= 1;
                self.open.insert(key);
            } else if !way.is_set(ROOM_WANTED) {
                // Its consumer has told, and will not again; but the limit was lowered, and it is still full.
                pipe.sending = Sending::Full;
                pipe.full_looks = 0;
                self.parked -= 1;
                self.full.push(key);
            }
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
