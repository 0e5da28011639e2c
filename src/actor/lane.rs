//! A way from one worker or client to another: a ring, what finds no room there, the credit, and the bell.
//!
//! Envelopes are written into the ring, and become visible some at a time: a reader that looked at each as it was written would take its
//! cache line from the writer, who takes it back, for each.
//!
//! Nobody waits for room: what finds none is queued on the sender's side and goes first, which credit bounds. A sender that goes to sleep
//! with something queued asks to be told of room; the receiver, which looks after it has taken something, rings.

use std::{collections::VecDeque, sync::Arc as Counted};

use super::{
    credit::{Outstanding, Settled},
    envelope::Envelope,
};
use crate::{
    ring::{CapacityError, PopError, spsc},
    sync::{Arc, AtomicBool, CachePadded, Mutex, Ordering, planted, weakened},
    wait::Signal,
};

/// Envelopes of a ring: 16 KiB.
pub(super) const RING: usize = if cfg!(any(loom, shuttle)) { 2 } else { 256 };

/// Envelopes that become visible together.
const BURST: usize = 16;

/// How a worker or client is reached by those who have something for it.
#[derive(Debug, Default)]
pub(super) struct Bell {
    pub(super) signal: CachePadded<Signal>,
    /// There is somebody at the door, or the worker is to end.
    has_news: AtomicBool,
    door: Mutex<Door>,
}

#[derive(Debug, Default)]
struct Door {
    /// Lanes that were not taken yet.
    newcomers: Vec<Newcomer>,
    /// Whoever has the bell has ended: nobody would take them.
    is_shut: bool,
}

impl Bell {
    /// Somebody comes. False: whoever has the bell has ended.
    pub(super) fn join(&self, newcomer: Newcomer) -> bool {
        let mut door = self.door.lock();
        if door.is_shut {
            return false;
        }
        door.newcomers.push(newcomer);
        drop(door);
        if !planted("client-comes-silently") {
            self.tell();
        }
        true
    }

    /// Those who have come since it was called last.
    pub(super) fn take_newcomers(&self) -> Vec<Newcomer> {
        std::mem::take(&mut self.door.lock().newcomers)
    }

    /// Likewise, the last: nobody comes from here on.
    pub(super) fn shut(&self) -> Vec<Newcomer> {
        let mut door = self.door.lock();
        door.is_shut = !planted("actor-door-unshut");
        std::mem::take(&mut door.newcomers)
    }

    /// There is news: whoever has the bell looks at it.
    pub(super) fn tell(&self) {
        // Swap: what somebody else has told stays told; a store in its place would hide what came with it. Release: what the news
        // is; pairs with Acquire in `take_news`.
        self.has_news.swap(true, weakened("actor-news-relaxed", Ordering::Release));
        self.signal.fence_and_notify();
    }

    /// Is there news? Takes note that it is looked at.
    #[inline(always)]
    pub(super) fn take_news(&self) -> bool {
        // Relaxed: a look; who finds something swaps. Acquire: pairs with Release in `tell`.
        self.has_news.load(Ordering::Relaxed) && self.has_news.swap(false, Ordering::Acquire)
    }

    #[inline(always)]
    pub(super) fn has_news(&self) -> bool {
        self.has_news.load(Ordering::Relaxed)
    }
}

/// Both ways with somebody who has come.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) number: u32,
    pub(super) inlet: Inlet,
    pub(super) lane: Lane,
}

/// The sender's end.
#[derive(Debug)]
pub(super) struct Lane {
    ring: spsc::Producer<Envelope>,
    /// What found no room: before all that comes.
    queue: VecDeque<Envelope>,
    /// Of what was sent.
    pub(super) credit: Outstanding,
    /// Of what came from there: its credit goes back this way.
    pub(super) settled: Settled,
    bell: Counted<Bell>,
    /// We want to be told of room. Written by us alone.
    wants_room: Arc<AtomicBool>,
    /// As we have written it.
    is_wanting: bool,
    /// Something was put there since the bell was looked at.
    is_fresh: bool,
    /// The receiver is gone.
    is_closed: bool,
    /// Behind the ring: dropped after it.
    _farewell: Farewell,
}

/// Wakes the receiver when the sender has gone.
#[derive(Debug)]
struct Farewell(Counted<Bell>);

impl Drop for Farewell {
    fn drop(&mut self) {
        if !planted("actor-end-untold") {
            self.0.signal.fence_and_notify();
        }
    }
}

/// The receiver's end.
#[derive(Debug)]
pub(super) struct Inlet {
    ring: spsc::Consumer<Envelope>,
    wants_room: Arc<AtomicBool>,
}

/// A lane to whoever has this bell.
///
/// # Errors
/// There is no memory.
pub(super) fn lane(bell: Counted<Bell>) -> Result<(Lane, Inlet), CapacityError> {
    let (producer, consumer) = spsc::ring(RING)?;
    let wants_room = Arc::new(AtomicBool::new(false));
    let lane = Lane {
        ring: producer,
        queue: VecDeque::new(),
        credit: Outstanding::default(),
        settled: Settled::default(),
        _farewell: Farewell(bell.clone()),
        bell,
        wants_room: wants_room.clone(),
        is_wanting: false,
        is_fresh: false,
        is_closed: false,
    };
    Ok((lane, Inlet { ring: consumer, wants_room }))
}

impl Lane {
    /// Sends it, with the others of a burst: the caller [moves them on](Self::move_on) before it does anything long. It comes back if the
    /// receiver is gone.
    #[inline(always)]
    pub(super) fn post(&mut self, envelope: Envelope) -> Result<(), Envelope> {
        // SAFETY: it is an envelope's place, in which there is none.
        let write = |envelope, at: *mut Envelope| unsafe { at.write(envelope) };
        // SAFETY: that writes one.
        match unsafe { self.post_in_place(envelope, write) } {
            Ok(()) => Ok(()),
            Err(envelope) => self.post_slow(envelope),
        }
    }

    /// Sends what `write` makes of `what`, where it is to be. That comes back if there is no room, or the receiver is gone.
    ///
    /// # Safety
    /// `write` writes an envelope, and does not panic.
    #[inline(always)]
    pub(super) unsafe fn post_in_place<T>(&mut self, what: T, write: impl FnOnce(T, *mut Envelope)) -> Result<(), T> {
        if self.is_closed || !self.queue.is_empty() || !self.ring.has_slot() {
            return Err(what);
        }
        // SAFETY: there is a slot, and the caller's word.
        unsafe { self.ring.stage_in_place(|at| write(what, at)) };
        self.is_fresh = true;
        if self.ring.staged() >= BURST {
            self.ring.publish();
        }
        Ok(())
    }

    #[cold]
    pub(super) fn post_slow(&mut self, envelope: Envelope) -> Result<(), Envelope> {
        self.is_closed |= self.ring.is_closed();
        if self.is_closed {
            return Err(envelope);
        }
        self.queue.push_back(envelope);
        Ok(())
    }

    /// Lets the receiver see what was sent, as far as there is room.
    pub(super) fn move_on(&mut self) {
        while let Some(envelope) = self.queue.pop_front() {
            if let Err(envelope) = self.ring.stage(envelope) {
                self.queue.push_front(envelope);
                break;
            }
            self.is_fresh = true;
        }
        self.ring.publish();
        self.is_closed |= self.ring.is_closed();
    }

    /// What found no room in the ring, when nobody will see to that any more.
    pub(super) fn take_queued(&mut self) -> VecDeque<Envelope> {
        std::mem::take(&mut self.queue)
    }

    /// What was sent and not taken: final once the receiver is gone.
    pub(super) fn untaken(&self) -> usize {
        self.queue.len() + self.ring.len()
    }

    /// Is something queued that could go on, or never will? The sender asks before it sleeps.
    pub(super) fn can_move_on(&self) -> bool {
        !self.queue.is_empty() && !self.is_closed && (!self.ring.is_full() || self.ring.is_closed())
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed || self.ring.is_closed()
    }

    /// Is there room for one now? For senders that wait for room before they send: it stays true until they do.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.queue.is_empty() && !self.ring.is_full()
    }

    /// The sender is about to sleep, and may wait for room. A heavy fence and a look follow.
    pub(super) fn want_room(&mut self) {
        self.is_wanting = true;
        self.wants_room.store(true, Ordering::Relaxed);
    }

    /// The sender is about to sleep: it is to be told of room, if it waits for any. A heavy fence and a look follow.
    pub(super) fn announce(&mut self) {
        if !self.queue.is_empty() && !planted("actor-room-unasked") {
            self.want_room();
        }
    }

    /// The sender is awake, and looks by itself.
    pub(super) fn withdraw(&mut self) {
        if std::mem::take(&mut self.is_wanting) {
            // Relaxed: who sees it late wakes somebody who does not sleep.
            self.wants_room.store(false, Ordering::Relaxed);
        }
    }

    /// After a light fence: wakes the receiver if it sleeps and something was sent since.
    #[inline(always)]
    pub(super) fn tell(&mut self) {
        if std::mem::take(&mut self.is_fresh) {
            self.bell.signal.notify();
        }
    }

    /// Has something found no room?
    #[inline(always)]
    pub(super) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(super) fn bell(&self) -> &Counted<Bell> {
        &self.bell
    }
}

impl Inlet {
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Result<Envelope, PopError> {
        self.ring.pop()
    }

    /// The one that comes next, if it is there.
    #[inline(always)]
    pub(super) fn peek(&self) -> Option<&Envelope> {
        self.ring.peek().ok()
    }

    /// Moves the one that is there to `to`.
    ///
    /// # Safety
    /// One is there, as [`peek`](Self::peek) has found. There is room for one at `to`.
    #[inline(always)]
    pub(super) unsafe fn pop_to(&mut self, to: *mut Envelope) {
        // SAFETY: both are places of an envelope, apart from each other; and this takes it.
        let take = |at| unsafe { to.copy_from_nonoverlapping(at, 1) };
        // SAFETY: that takes it.
        let popped = unsafe { self.ring.pop_in_place(take) };
        debug_assert!(popped.is_ok(), "one was there");
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Nobody sends any more. Asked when it was found empty; there may be something still.
    pub(super) fn is_closed(&self) -> bool {
        self.ring.is_closed()
    }

    /// After something was taken and a light fence: may the sender sleep until there is room? Its signal says whether it does. The mark is
    /// left to the sender: taken back from here it could be one that was made meanwhile.
    #[inline(always)]
    pub(super) fn is_wanted(&self) -> bool {
        // Relaxed: ordered by the fence; the sender looks once more behind its own.
        let wants_room = self.wants_room.load(Ordering::Relaxed);
        if wants_room && planted("actor-room-taken-back") {
            self.wants_room.store(false, Ordering::Relaxed);
        }
        wants_room && !planted("actor-room-untold")
    }
}
