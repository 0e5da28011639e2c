//! Who comes to a session: the reactor, which tells of readiness and time; the socket's threads, which want room, messages,
//! or rest; a sender that finds nobody at work.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use super::{HUNG_UP, Loss, Phase, READABLE, RUNG, Session, State, VISITED, WRITABLE};
use crate::{
    monitor::{PeerMetadata, Traffic},
    pipe::{Drive, Watch},
    reactor::{Readiness, Source},
    sync::{AtomicU64, Ordering},
    wait::Sleep,
};

impl Source for Session {
    fn ready(&self, readiness: Readiness) {
        let bit = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
        let Readiness { readable, writable, hung_up } = readiness;
        let bits = bit(readable, READABLE) | bit(writable, WRITABLE) | bit(hung_up, HUNG_UP);
        self.readiness.fetch_or(bits, Ordering::Release);
        self.look_again();
    }

    fn visit(&self) {
        self.readiness.fetch_or(VISITED, Ordering::Release);
        self.look_again();
    }

    fn alarm(&self, now: Instant) -> Option<Instant> {
        let Some(mut held) = self.baton.take_or_ask() else { return Some(now + ALARM_AGAIN) };
        held.alarm = None;
        if held.is_stalled
            && let Some(wire) = &mut held.wire
        {
            // It is we who do not listen: there is more to read.
            wire.zmtp().heard(now);
        }
        if let Some(wire) = &mut held.wire
            && let Err(error) = wire.zmtp().handle_timeout(now)
        {
            self.lose(&mut held, Loss::Protocol(error));
        }
        self.serve(&mut held);
        self.let_go(held);
        // It has set it anew, if there is one.
        None
    }

    fn inspect(&self) -> bool {
        // Sequentially consistent, here and in `list` and `unwatch`: who wakes from a watch just now either finds it unlisted, or
        // is seen to watch no more.
        self.is_listed.store(false, Ordering::SeqCst);
        let Some(mut held) = self.baton.try_take() else { return !self.is_listed.swap(true, Ordering::SeqCst) };
        let pulls = self.pulls.load(Ordering::Relaxed);
        let is_idle = std::mem::replace(&mut held.pulls_inspected, pulls) == pulls;
        // Who sleeps on it takes it off the list, and puts it there when it wakes.
        let is_watched = self.is_watched.load(Ordering::SeqCst);
        if is_idle && !is_watched {
            self.take_back(&mut held);
        }
        if held.is_stalled {
            self.serve(&mut held);
        }
        let stays = held.is_on_loan && !is_watched && !self.is_listed.swap(true, Ordering::SeqCst);
        self.let_go(held);
        stays
    }

    fn end(&self) {
        self.abandoned.store(true, Ordering::Release);
        self.look_again();
    }
}

/// When an alarm found another thread at work, it is looked at again so much later: that thread sets it anew as a rule.
const ALARM_AGAIN: Duration = Duration::from_millis(1);

impl Session {
    /// Reads for a receiver, and writes what that led to. What else there is to do has those who do it.
    fn pull_open(&self, state: &mut State) -> bool {
        match self.read(state) {
            Ok(came) => {
                let Some(wire) = &mut state.wire else { return came };
                if wire.is_at_end() || wire.has_output() {
                    return self.serve_open(state) || came;
                }
                came
            }
            Err(loss) => {
                if let Err(loss) = self.mourns(state, loss) {
                    self.lose(state, loss);
                }
                self.set_alarm(state);
                true
            }
        }
    }
}

/// The socket's threads.
impl Drive for Session {
    fn changed(&self) {
        self.look_again();
    }

    fn push_out(&self) {
        let Some(mut held) = self.baton.try_take() else { return };
        if held.phase == Phase::Open {
            if let Some(wire) = &mut held.wire {
                wire.may_be_writable();
            }
            self.serve_open(&mut held);
        }
        self.let_go(held);
    }

    fn room(&self) {
        // Not at once: a receiver that goes on will look here when it finds nothing, and then there is room for many.
        self.list();
    }

    fn pull(&self, lends: bool) -> bool {
        let Some(mut held) = self.baton.try_take() else { return false };
        let mut came = false;
        if held.phase == Phase::Open
            && let Some(wire) = &mut held.wire
            && wire.is_ready()
        {
            self.pulls.store(self.pulls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
            wire.may_be_readable();
            if lends {
                self.lend(&mut held);
            }
            came = self.pull_open(&mut held);
        }
        self.let_go(held);
        came
    }

    fn watch(&self) -> Watch {
        let Some(mut held) = self.baton.try_take() else { return Watch::Busy };
        let mut watch = Watch::Nothing;
        if held.wire.as_ref().is_some_and(|wire| wire.shared.is_some()) {
            // What knocks there are is taken before the announcement and the look that come after this.
            self.readiness.fetch_or(RUNG, Ordering::Release);
            self.serve(&mut held);
        }
        if held.phase == Phase::Open && held.wire.as_ref().is_some_and(|wire| wire.is_ready()) {
            self.pulls.store(self.pulls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
            self.is_watched.store(true, Ordering::SeqCst);
            self.lend(&mut held);
            if held.is_on_loan
                && let Some(wire) = &held.wire
            {
                watch = Watch::Descriptor(match &wire.shared {
                    Some(shared) => shared.doorbell(),
                    None => wire.stream().clone(),
                });
            }
        }
        self.let_go(held);
        watch
    }

    fn unwatch(&self, lends: bool) {
        self.is_watched.store(false, Ordering::SeqCst);
        if self.lane.lock().is_some() {
            // Somebody may have knocked while it was the receiver's to hear.
            self.note(RUNG);
        }
        if lends {
            return self.list();
        }
        match self.baton.try_take() {
            Some(mut held) => {
                self.take_back(&mut held);
                self.let_go(held);
            }
            // Somebody is at it: an inspection will find it idle.
            None => self.list(),
        }
    }

    fn traffic(&self) -> (Traffic, Traffic) {
        let of = |messages: &AtomicU64, bytes: &AtomicU64| {
            let (messages, bytes) = (messages.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed));
            Traffic { messages, bytes }
        };
        let counts = &self.counts;
        let (mut came, mut went) =
            (of(&counts.messages_in, &counts.bytes_in), of(&counts.messages_out, &counts.bytes_out));
        if let Some(lane) = &*self.lane.lock() {
            let (more_in, more_out) = lane.traffic();
            came = Traffic { messages: came.messages + more_in.messages, bytes: came.bytes + more_in.bytes };
            went = Traffic { messages: went.messages + more_out.messages, bytes: went.bytes + more_out.bytes };
        }
        (came, went)
    }

    fn metadata(&self) -> Option<PeerMetadata> {
        // Not copied under the lock.
        let peer = self.peer.lock().clone();
        peer.map(|peer| PeerMetadata::clone(&peer))
    }
}

/// A sender has found nobody at work.
impl Sleep for Session {
    fn wake(&self) {
        if self.origin.streams.has_threads() && self.origin.burst().goes_on() {
            // The signal stays as it is, so that those to come in the meantime cost nothing.
            self.reactor.visit_soon(self.id);
        } else {
            self.look_again();
        }
    }
}
