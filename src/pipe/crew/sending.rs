//! Sending: whose turn it is among the pipes with room, or whether a named one has some; and which full pipes are
//! looked at.

#![forbid(unsafe_code)]

use std::collections::VecDeque;

use super::{Crew, HOT_PIPES, Key, Mute, Pipe, QUIET_LOOKS, Sending};
use crate::{
    Message,
    pipe::{Fold, Loaned, Refusal, hub::Flow, ready::ReadySet, tie::ROOM_WANTED},
    sync::{full_fence, heavy_fence, planted},
};

impl Pipe {
    /// Is there credit for a message? Where the kernel may have room, only after it was asked.
    #[inline(always)]
    pub(super) fn admits(&mut self) -> Result<(), Refusal> {
        match (self.end.admits(), &self.link) {
            (Err(Refusal::Full), Some(_)) => self.push_out(),
            (answer, _) => answer,
        }
    }

    #[cold]
    #[inline(never)]
    fn push_out(&mut self) -> Result<(), Refusal> {
        if let Some(link) = &self.link {
            link.push_out();
        }
        self.end.admits()
    }
}

impl Crew {
    /// Pipes that can be sent to, full or not.
    pub(crate) fn receivers(&self) -> usize {
        self.open.len() + self.full.len() + self.parked
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
        self.tell_of(key, bytes);
        Ok(())
    }

    /// Lends room for a message of one frame of `size` bytes where the peer under `key` reads it, whose pipe has just been found
    /// to have some. `None`: there is no such place now.
    pub(crate) fn loan(&mut self, key: Key, size: usize) -> Option<Loaned> {
        self.pipes.get_mut(key as usize)?.as_mut()?.end.loan(size)
    }

    /// As [`Crew::send_folded`], of what was written to `loan`.
    ///
    /// # Errors
    /// As that; what was written comes back, unless memory ran out.
    pub(crate) fn send_loan(&mut self, key: Key, loan: Loaned, fold: Fold) -> Result<(), (Refusal, Message)> {
        let bytes = (loan.bytes().len() + fold.size()) as u64;
        match self.pipes.get_mut(key as usize).and_then(Option::as_mut) {
            Some(pipe) => {
                let result = pipe.end.push_loan(loan, fold);
                self.pushed(key, result.as_ref().copied().map_err(|(refusal, _)| *refusal));
                result?;
            }
            None => {
                let message = loan.into_message().ok_or_else(|| (Refusal::OutOfMemory, Message::new()))?;
                return Err((Refusal::Closed, message));
            }
        }
        self.tell_of(key, bytes);
        Ok(())
    }

    /// Tells the peer under `key` of a message of `bytes` bytes, and counts it.
    #[inline(always)]
    fn tell_of(&mut self, key: Key, bytes: u64) {
        if !planted("crew-send-no-fence") {
            full_fence();
        }
        if let Some(pipe) = self.pipes[key as usize].as_mut() {
            pipe.end.tell_consumer();
            pipe.end.settle_outlet();
        }
        Flow::add(&self.hub.flow().messages_out, 1);
        Flow::add(&self.hub.flow().bytes_out, bytes);
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
            Some(pipe) if pipe.sending != Sending::Never => pipe.admits(),
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

    /// Before the owner sleeps until there is room: asks every full pipe's consumer to tell. The caller pays a heavy
    /// fence and looks again.
    pub(crate) fn want_room(&mut self) {
        for key in &self.full {
            if let Some(pipe) = self.pipes[*key as usize].as_ref() {
                pipe.end.ask_for_room();
            }
        }
    }

    /// As [`Crew::want_room`], of one pipe.
    pub(crate) fn want_room_of(&mut self, key: Key) {
        if let Some(end) = self.end(key) {
            end.ask_for_room();
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

    /// Counts a send that found no room.
    pub(crate) fn count_stall(&self) {
        Flow::add(&self.hub.flow().stalls, 1);
    }

    #[inline(always)]
    pub(super) fn push(&mut self, key: Key, message: &mut Message, fold: Fold) -> Result<(), Refusal> {
        let Some(pipe) = self.pipes[key as usize].as_mut() else { return Err(Refusal::Closed) };
        let result = pipe.end.push_folded(message, fold);
        self.pushed(key, result);
        result
    }

    /// Something was pushed to the pipe under `key`, or could not be.
    #[inline(always)]
    fn pushed(&mut self, key: Key, result: Result<(), Refusal>) {
        match result {
            Ok(()) => {
                self.open.advance();
                if self.open.is_at_start() && self.full.len() + self.parked > 0 {
                    self.reopen_slow();
                }
            }
            Err(Refusal::Closed) => self.stop_sending(key),
            Err(_) => {}
        }
    }

    #[inline(always)]
    pub(super) fn touch(&mut self, key: Key) {
        if let Some(pipe) = self.pipes[key as usize].as_mut()
            && !pipe.touched
        {
            pipe.touched = true;
            self.touched.push(key);
        }
    }

    pub(super) fn stop_sending(&mut self, key: Key) {
        let Some(pipe) = self.pipes[key as usize].as_mut() else { return };
        match pipe.sending {
            Sending::Never | Sending::Addressed => {}
            Sending::Open => self.open.remove(key),
            Sending::Full => self.full.retain(|other| *other != key),
            Sending::Parked => self.parked -= 1,
        }
        pipe.sending = Sending::Never;
    }

    #[cold]
    #[inline(never)]
    pub(super) fn writable_slow(&mut self) -> Result<Key, Mute> {
        while let Some(key) = self.open.current() {
            let Some(pipe) = self.pipes[key as usize].as_mut() else { break };
            match pipe.admits() {
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
    pub(super) fn reopen_slow(&mut self) {
        if self.parked > 0 && self.hub.room().is_marked() {
            self.open_marked();
        }
        self.reopen(|pipe| pipe.admits().is_ok());
        if self.full.len() > HOT_PIPES {
            self.park_full();
        }
    }

    /// Looks at every full pipe and opens those `which` picks.
    pub(super) fn reopen(&mut self, mut which: impl FnMut(&mut Pipe) -> bool) {
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
    pub(super) fn park_full(&mut self) {
        let tired = |pipe: &Pipe| pipe.full_looks >= QUIET_LOOKS;
        let parking: Vec<Key> =
            self.full.iter().copied().filter(|key| self.pipes[*key as usize].as_ref().is_some_and(tired)).collect();
        if parking.is_empty() {
            return;
        }
        self.hub.room();
        for key in &parking {
            if let Some(pipe) = self.pipes[*key as usize].as_ref() {
                pipe.end.ask_for_room();
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
    pub(super) fn open_marked(&mut self) {
        let hub = self.hub.clone();
        let mut is_marked = false;
        hub.room().drain(|bit| {
            for key in (bit..self.pipes.len() as Key).step_by(ReadySet::BITS as usize) {
                let Some(pipe) = self.pipes[key as usize].as_mut() else { continue };
                if pipe.sending == Sending::Parked {
                    // This may be the last look before the owner sleeps, who has asked the full ones already.
                    pipe.end.ask_for_room();
                    is_marked = true;
                    pipe.sending = Sending::Full;
                    pipe.full_looks = 0;
                    self.parked -= 1;
                    self.full.push(key);
                }
            }
        });
        if is_marked {
            // The caller looks at the full ones next. Where there is no such fence, nobody sleeps for long.
            let _ = heavy_fence();
        }
    }

    /// Opens the parked pipes that have room.
    pub(super) fn open_parked(&mut self) {
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
