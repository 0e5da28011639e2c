//! Receiving: whose turn it is among the pipes with messages, and which pipes are looked at.

#![forbid(unsafe_code)]

use super::{Crew, HOT_PIPES, Key, Pipe, QUIET_LOOKS, Receiving};
use crate::{
    Frame, Message,
    pipe::{Drive, Fold, Lost, Watch, hub::Flow, ready::ReadySet, tie::ARMED},
    sync::{full_fence, planted},
    wait::Watched,
};

impl Crew {
    /// A message of `size` bytes in all its frames, just received, is none for the application: counts it so.
    pub(crate) fn discard(&self, size: usize) {
        self.hub.flow().discard(size as u64);
    }

    /// A message of `size` bytes in all its frames was received, and will not reach the application: counts it so.
    pub(crate) fn lose(&self, size: usize) {
        self.hub.flow().unread(size as u64);
        self.hub.count_lost(Lost { undelivered: 0, unread: 1 });
    }

    /// Is a message waiting? Moves nobody's turn.
    pub(crate) fn has_message(&mut self) -> bool {
        self.waiting().is_some()
    }

    /// A pipe with a message, whoever's turn it is. Moves nobody's.
    pub(crate) fn waiting(&mut self) -> Option<Key> {
        match self.waiting_here() {
            None if self.has_links() && self.pull() => self.waiting_here(),
            found => found,
        }
    }

    fn waiting_here(&mut self) -> Option<Key> {
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
        match self.readable_of_known() {
            None if self.has_links() && self.pull() => {
                self.sync();
                self.readable_of_known()
            }
            found => found,
        }
    }

    /// Nothing is there: fetches what has arrived at the connections, and moves on what is to go there. False if nothing has
    /// arrived.
    #[cold]
    #[inline(never)]
    fn pull(&mut self) -> bool {
        let mut came = false;
        if self.hot.len() <= HOT_PIPES {
            for key in self.hot.keys() {
                let Some(pipe) = self.pipes[*key as usize].as_mut() else { continue };
                let Some(link) = pipe.link.as_deref() else { continue };
                if pipe.end.is_pulled() {
                    came |= link.pull(self.lends);
                } else if pipe.end.overflows() {
                    // What is awaited may be an answer to it.
                    link.push_out();
                }
            }
        }
        // Somebody sleeps in the owner's place.
        came || (!self.lends && self.announce())
    }

    /// Nobody looks at the hot pipes for a while: other processes are to tell of what they send. False: there are none; else
    /// what came before is to be looked for.
    fn announce(&mut self) -> bool {
        let mut is_told = false;
        for key in self.hot.keys() {
            if let Some(pipe) = self.pipes[*key as usize].as_mut() {
                is_told |= pipe.end.announce();
            }
        }
        if is_told {
            full_fence();
        }
        is_told
    }

    fn hot_pipes(&self) -> impl Iterator<Item = &Pipe> {
        self.hot.keys().iter().filter_map(|key| self.pipes[*key as usize].as_ref())
    }

    /// Connections this crew looks at by itself.
    fn hot_links(&self) -> impl Iterator<Item = &dyn Drive> {
        self.hot_pipes().filter_map(|pipe| pipe.link.as_deref())
    }

    /// Before the owner sleeps until a message comes, and looks once more: adds to `watched` what a message may come by
    /// without anybody telling. False: it must look again before it may sleep.
    pub(crate) fn watch_links(&mut self, watched: &mut Vec<Watched>) -> bool {
        let mut may_sleep = true;
        if self.hot.len() <= HOT_PIPES {
            self.hot_links().for_each(|link| match link.watch() {
                Watch::Nothing => {}
                Watch::Busy => may_sleep = false,
                Watch::Descriptor(descriptor) => watched.push(descriptor),
            });
        }
        // Behind it, where knocks are taken: one that answers this is not among them.
        self.announce();
        may_sleep
    }

    /// The owner sleeps no more on what [`Crew::watch_links`] named.
    pub(crate) fn unwatch_links(&self) {
        if self.has_links() {
            self.hot_links().for_each(|link| link.unwatch(self.lends));
        }
    }

    /// May connections be left to the owner, because it will look at them again soon? Not when somebody sleeps in its place.
    pub(crate) fn set_lending(&mut self, lends: bool) {
        if self.lends != lends {
            self.lends = lends;
            self.unwatch_links();
        }
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
    pub(super) fn received(&mut self, key: Key, size: usize) {
        if let Some(pipe) = self.pipes[key as usize].as_mut() {
            pipe.end.give_credit();
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
            self.heard(key);
            next = if messages.len() - before < max { self.readable() } else { None };
        }
        let count = messages.len() - before;
        while let Some(key) = self.touched.pop() {
            if let Some(pipe) = self.pipes[key as usize].as_mut() {
                pipe.touched = false;
                pipe.end.give_credit();
            }
        }
        Flow::add(&self.hub.flow().messages_in, count as u64);
        Flow::add(&self.hub.flow().bytes_in, bytes);
        count
    }

    /// Before the owner sleeps until a message comes: gives back memory that is only kept for speed.
    pub(crate) fn before_sleep(&mut self) {
        for key in self.hot.keys() {
            if let Some(pipe) = self.pipes[*key as usize].as_mut() {
                pipe.end.trim();
            }
        }
    }

    /// A hot pipe whose turn it was had no message.
    #[inline(always)]
    pub(super) fn found_nothing(&mut self, key: Key) {
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
    pub(super) fn found_nothing_slow(&mut self, key: Key) {
        let Some(pipe) = self.pipes[key as usize].as_mut() else { return };
        if pipe.leaving {
            if pipe.end.exhausted() {
                self.remove(key);
            } else {
                self.hot.advance();
            }
            return;
        }
        if let Some(link) = &pipe.link {
            link.unwatch(false);
        }
        pipe.end.tie().way_to(pipe.end.side()).set(ARMED);
        pipe.end.announce();
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
    pub(super) fn heat_marked(&mut self) {
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

    pub(super) fn heat(&mut self, key: Key) {
        if let Some(pipe) = self.pipes[key as usize].as_mut()
            && pipe.receiving == Receiving::Armed
        {
            pipe.end.tie().way_to(pipe.end.side()).clear(ARMED);
            // Another process has answered what we announced. This may be the last look before a sleep, which others have been
            // asked to end and that one has not; the look at the pipe follows.
            if !planted("crew-heat-silent") && pipe.end.announce_anew() {
                full_fence();
            }
            pipe.receiving = Receiving::Hot;
            pipe.quiet_looks = 0;
            self.armed -= 1;
            self.hot.insert(key);
        }
    }
}
