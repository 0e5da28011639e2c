//! One message to several pipes.

#![forbid(unsafe_code)]

use super::{Crew, Key};
use crate::{
    Frame, Message,
    pipe::{Refusal, hub::Flow},
    sync::{full_fence, planted},
};

impl Crew {
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
                pipe.end.tell_consumer();
            }
        }
        // When all have been told: a pipe that conflates drops what was replaced, whose destructor is as `message`'s.
        for key in keys {
            if let Some(pipe) = self.pipes.get_mut(*key as usize).and_then(Option::as_mut) {
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
        // First: a push that drops what it replaces may panic, and those before it are owed all the same.
        keys.iter().for_each(|key| self.touch(*key));
        self.push_to_all(keys, message);
    }

    /// Tells the peers whose pipes the batch under way has pushed to, each once.
    pub(crate) fn tell_touched(&mut self) {
        if !planted("crew-tell-touched-no-fence") {
            full_fence();
        }
        for key in &self.touched {
            if let Some(pipe) = self.pipes[*key as usize].as_mut() {
                pipe.end.tell_consumer();
            }
        }
        while let Some(key) = self.touched.pop() {
            if let Some(pipe) = self.pipes[key as usize].as_mut() {
                pipe.touched = false;
                pipe.end.settle_outlet();
            }
        }
    }

    /// Pushes, and counts.
    #[inline(always)]
    pub(super) fn push_to_all(&mut self, keys: &[Key], message: &mut Message) -> usize {
        let bytes = message.size() as u64;
        let (mut sent, mut full) = (0, 0);
        for (index, key) in keys.iter().enumerate() {
            let Some(pipe) = self.pipes.get_mut(*key as usize).and_then(Option::as_mut) else { continue };
            let refusal = match pipe.admits() {
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
}
