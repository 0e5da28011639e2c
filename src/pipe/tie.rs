//! What the two ends of a pipe share beside its queues: who sits where, credit limits, flags that change rarely.
//!
//! Everything here is *quiet*: both sides read it on every call, so it stays in both cores' caches, and it is written
//! only when something changes. What moves with every message is in the queues.
//!
//! # Closing
//!
//! Each way has two closed flags in one word, set with a read-modify-write, so exactly one of the two ends learns that
//! it was second. Messages left in the queue then are nobody's: the second closer counts and drops them.
//! A consumer drains before it sets its flag, so that payloads do not linger until the producer calls in; what the
//! producer pushes between that and seeing the flag is the remainder that the rule above is for.

use std::ptr;

use std::sync::{Arc as Counted, OnceLock};

use bytes::Bytes;

use super::{Hub, Key, Lane, Lost, Profile, news};
use crate::sync::{
    Arc, AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, CachePadded, Mutex, Ordering, full_fence, planted,
    unique_number, weakened,
};
use crate::{
    Endpoint, Frame,
    monitor::{self, DisconnectReason},
    route::{Changes, Wish},
};

/// One of the two ends of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The end of the socket that made the pipe by connecting.
    First,
    /// The end of the socket that had bound, or will.
    Second,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Tie {
    /// No two pipes of the process have the same.
    number: u64,
    /// Through which the pipe was made; none in tests of this room.
    endpoint: Option<Endpoint>,
    /// What the connecting socket calls its peer, whatever that calls itself; empty if it does not say.
    peer_name: Frame,
    /// By side: as who the socket there is here. Set before its seat knows its hub.
    profiles: [OnceLock<Counted<Profile>>; 2],
    /// Why a connection at one end was lost, where that is known better than by the other end being gone.
    parted: OnceLock<DisconnectReason>,
    /// What was lost with it.
    lost: Mutex<Lost>,
    /// Ways by shared memory that the socket has not adopted yet, each with how many messages of its queue come before.
    lanes: Mutex<Vec<(Counted<Lane>, u64)>>,
    /// There are some. Written under their lock.
    has_lanes: AtomicBool,
    /// Messages go by such a way now.
    shares_memory: AtomicBool,
    /// Bytes of the ring through which messages go to the far side; 0: of none.
    ring_size: AtomicUsize,
    /// How far the connection at one end is, as a [`Stage`].
    stage: AtomicU32,
    /// The number of the descriptor of the connection at one end, the last there was; `NO_DESCRIPTOR` if there was none.
    descriptor: AtomicU32,
    quiet: CachePadded<Quiet>,
}

#[derive(Debug)]
struct Quiet {
    /// `ways[side]` leads from `side` to the other.
    ways: [Way; 2],
    seats: [Seat; 2],
    /// What the subscribing side wants and the publishing one has not been told yet; nothing before the first.
    wishes: Mutex<Option<Box<Changes>>>,
}

/// How far the connection at one end of a pipe is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is there, or was never there.
    There,
    /// The two ends have not agreed yet how to talk.
    Handshaking,
    /// It is lost, and there will be another.
    Lost,
}

/// One way of a pipe.
#[derive(Debug)]
pub(crate) struct Way {
    /// | bit | set by | meaning | cleared by |
    /// |---|---|---|---|
    /// | `ARMED` | consumer | does not look at this pipe: mark it ready | whoever marks it, or the consumer |
    /// | `ROOM_WANTED` | producer | does not look for room: mark it | whoever marks it, or the producer |
    /// | `PRODUCER_GONE` | producer | nothing will be pushed any more | – |
    /// | `CONSUMER_GONE` | consumer | nothing will be popped any more | – |
    flags: AtomicU32,
    /// Messages that may be accepted and not taken; `u64::MAX` for no limit.
    limit: AtomicU64,
    /// Messages the producer did not push because there was no room. Written by it alone.
    missed: AtomicU64,
    terms: Mutex<Terms>,
}

/// High-water marks of the two ends; 0 means no limit, `None` that this end is not there yet.
#[derive(Debug, Default)]
struct Terms {
    producer: Option<u32>,
    consumer: Option<u32>,
}

/// A socket's place at the pipe.
#[derive(Debug)]
struct Seat {
    /// From `Arc::into_raw`; null until the socket is known; constant afterwards.
    hub: AtomicPtr<Hub>,
    /// Where the socket keeps its end. Meaningful once seated.
    key: AtomicU32,
    told: Told,
}

/// What the monitors of a socket have been told of a pipe. Read and written under the lock of its hub only.
#[derive(Debug)]
pub(super) struct Told {
    /// See [`news`](super::news).
    pub(super) what: AtomicU32,
    /// The last monitor that is told: those made after the pipe was taken out of the hub have not heard of it.
    pub(super) last: AtomicU32,
}

pub(crate) const ARMED: u32 = 1;
pub(crate) const ROOM_WANTED: u32 = 2;
const PRODUCER_GONE: u32 = 4;
const CONSUMER_GONE: u32 = 8;

/// Key of a seat whose socket has not placed the end yet.
const NO_KEY: Key = Key::MAX;
/// No number of a descriptor: those are not negative.
const NO_DESCRIPTOR: u32 = u32::MAX;

/// Was the other end of a way there to see us close?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    First,
    Second,
}

impl Tie {
    /// A tie whose first seat is `hub`'s.
    #[cfg(test)]
    pub(crate) fn new(hub: Arc<Hub>) -> Arc<Self> {
        Self::through(None, Frame::new(), hub)
    }

    /// A tie whose first seat is `hub`'s, which connects to `endpoint` and calls its peer `peer_name`.
    pub(crate) fn through(endpoint: Option<Endpoint>, peer_name: Frame, hub: Arc<Hub>) -> Arc<Self> {
        let profile = hub.profile();
        let tie = Self {
            number: unique_number(),
            peer_name,
            profiles: [OnceLock::new(), OnceLock::new()],
            endpoint,
            parted: OnceLock::new(),
            lost: Mutex::default(),
            lanes: Mutex::default(),
            has_lanes: AtomicBool::new(false),
            shares_memory: AtomicBool::new(false),
            ring_size: AtomicUsize::new(0),
            stage: AtomicU32::new(Stage::There as u32),
            descriptor: AtomicU32::new(NO_DESCRIPTOR),
            quiet: CachePadded::new(Quiet {
                ways: [Way::new(), Way::new()],
                seats: [Seat::new(), Seat::new()],
                wishes: Mutex::default(),
            }),
        };
        tie.introduce(Side::First, hub, profile);
        Arc::new(tie)
    }

    /// The number of the pipe, the same at both ends.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// What the socket on `side` calls its peer; empty if it does not say.
    pub(crate) fn peer_name(&self, side: Side) -> &[u8] {
        if side == Side::First { &self.peer_name } else { &[] }
    }

    /// Through which the pipe was made.
    pub(crate) fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    /// The connection at one end is lost because of `reason`. The first one counts.
    pub(crate) fn part(&self, reason: DisconnectReason) {
        let _ = self.parted.set(reason);
    }

    /// Leaves `lane` for the socket, which goes by it from its next look on; what comes by it comes behind `after` messages of
    /// the queue. The caller tells the hub.
    pub(crate) fn leave_lane(&self, lane: Counted<Lane>, after: u64) {
        let mut lanes = self.lanes.lock();
        lanes.push((lane, after));
        self.has_lanes.store(true, Ordering::Relaxed);
    }

    /// Says whether messages go by shared memory, for those who list peers.
    pub(crate) fn set_shares_memory(&self, shares: bool) {
        self.shares_memory.store(shares, Ordering::Relaxed);
    }

    pub(crate) fn set_ring_size(&self, size: usize) {
        self.ring_size.store(size, Ordering::Relaxed);
    }

    pub(super) fn ring_size(&self) -> usize {
        self.ring_size.load(Ordering::Relaxed)
    }

    pub(super) fn shares_memory(&self) -> bool {
        self.shares_memory.load(Ordering::Relaxed)
    }

    /// The lanes left for the socket. One load of a quiet line where there are none.
    pub(crate) fn take_lanes(&self) -> Vec<(Counted<Lane>, u64)> {
        // Relaxed: whoever was told of a lane comes behind its leaving, by the lock of the hub; who was not may as well have come
        // before. What is read of lanes is read under their lock.
        if !self.has_lanes.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut lanes = self.lanes.lock();
        self.has_lanes.store(false, Ordering::Relaxed);
        std::mem::take(&mut *lanes)
    }

    /// Says how far the connection at one end is, for those who list peers.
    pub(crate) fn set_stage(&self, stage: Stage) {
        self.stage.store(stage as u32, Ordering::Relaxed);
    }

    pub(super) fn is_at(&self, stage: Stage) -> bool {
        self.stage.load(Ordering::Relaxed) == stage as u32
    }

    /// Says which descriptor the connection at one end has, for those who monitor.
    pub(crate) fn set_descriptor(&self, descriptor: Option<i32>) {
        let number = descriptor.and_then(|descriptor| u32::try_from(descriptor).ok());
        self.descriptor.store(number.unwrap_or(NO_DESCRIPTOR), Ordering::Relaxed);
    }

    /// The descriptor of the connection at one end, the last there was.
    pub(super) fn descriptor(&self) -> Option<i32> {
        i32::try_from(self.descriptor.load(Ordering::Relaxed)).ok()
    }

    /// Why the pipe is over, if it was said.
    pub(super) fn parted(&self) -> Option<&DisconnectReason> {
        self.parted.get()
    }

    /// What was lost with a connection, as its socket sees it.
    pub(super) fn lost(&self) -> Lost {
        *self.lost.lock()
    }

    /// A connection has lost messages of the socket on `side`, beside those in its end of the pipe.
    pub(crate) fn count_lost(&self, side: Side, lost: Lost) {
        if let Some(hub) = self.hub(side) {
            hub.count_lost(lost);
        }
        let mut sum = self.lost.lock();
        *sum = Lost { undelivered: sum.undelivered + lost.undelivered, unread: sum.unread + lost.unread };
    }

    /// What the monitors of the socket behind `side` have been told. Under the lock of its hub.
    pub(super) fn told(&self, side: Side) -> &Told {
        &self.seat(side).told
    }

    /// Makes the socket behind `side` known, as who it is here. Once for each side.
    pub(crate) fn introduce(&self, side: Side, hub: Arc<Hub>, profile: Counted<Profile>) {
        let _ = self.profiles[side as usize].set(profile);
        let hub = Arc::into_raw(hub).cast_mut();
        // Release: the hub; pairs with Acquire in Tie::hub.
        let before = self.seat(side).hub.swap(hub, Ordering::AcqRel);
        assert!(before.is_null(), "a side of a pipe is introduced once");
        // Full: pairs with the one in `left`.
        full_fence();
    }

    /// Tells under which key the socket behind `side` keeps its end.
    pub(crate) fn seat_at(&self, side: Side, key: Key) {
        self.seat(side).key.store(key, Ordering::Release);
    }

    pub(crate) fn key(&self, side: Side) -> Option<Key> {
        Some(self.seat(side).key.load(Ordering::Acquire)).filter(|key| *key != NO_KEY)
    }

    /// The way messages from `side` take.
    #[inline(always)]
    pub(crate) fn way_from(&self, side: Side) -> &Way {
        &self.quiet.ways[side as usize]
    }

    /// The way messages to `side` take.
    #[inline(always)]
    pub(crate) fn way_to(&self, side: Side) -> &Way {
        self.way_from(side.other())
    }

    #[inline(always)]
    pub(crate) fn hub(&self, side: Side) -> Option<&Hub> {
        // Acquire: pairs with Release in Tie::introduce.
        let hub = self.seat(side).hub.load(Ordering::Acquire);
        // SAFETY: from `Arc::into_raw` in `introduce`, given back in `drop` only.
        unsafe { hub.as_ref() }
    }

    /// As who the socket behind `side` is here. `None` while it is not known.
    pub(crate) fn profile(&self, side: Side) -> Option<&Profile> {
        // In this order: who sees the hub sees the profile.
        self.hub(side)?;
        self.profiles[side as usize].get().map(|profile| &**profile)
    }

    /// To be called by `from` after pushing and one full fence: wakes the consumer if it sleeps, and marks the pipe
    /// ready if the consumer has stopped looking at it.
    #[inline(always)]
    pub(crate) fn tell_consumer(&self, from: Side) {
        let Some(hub) = self.hub(from.other()) else { return };
        if self.way_from(from).flags.load(Ordering::Relaxed) & ARMED != 0 {
            self.mark_ready(from, hub);
        }
        hub.signal().notify();
    }

    /// To be called by `by` after publishing what it took and one light fence: the mirror image of `tell_consumer`.
    #[inline(always)]
    pub(crate) fn tell_producer(&self, by: Side) {
        if self.way_to(by).flags.load(Ordering::Relaxed) & ROOM_WANTED != 0 {
            self.mark_room(by);
        }
    }

    #[cold]
    fn mark_ready(&self, from: Side, hub: &Hub) {
        if self.way_from(from).clear(ARMED) {
            if let Some(key) = self.key(from.other()) {
                hub.ready().mark(key);
            }
            if !planted("tie-mark-no-fence") {
                // The mark is published; now look whether the consumer sleeps.
                full_fence();
            }
        }
    }

    #[cold]
    fn mark_room(&self, by: Side) {
        let Some(hub) = self.hub(by.other()) else { return };
        if self.way_to(by).clear(ROOM_WANTED) {
            if let Some(link) = hub.link() {
                return link.room();
            }
            if let Some(key) = self.key(by.other()) {
                hub.room().mark(key);
            }
            if !planted("tie-room-no-fence") {
                full_fence();
            }
            hub.signal().notify();
        }
    }

    /// Leaves word for the publishing side. The caller tells its hub ([`Hub::pipe_changed`]).
    pub(crate) fn wish(&self, topic: Bytes, wish: Wish) {
        self.quiet.wishes.lock().get_or_insert_default().push(topic, wish);
    }

    /// What the publishing side is to be told next.
    pub(crate) fn take_wish(&self) -> Option<(Bytes, Wish)> {
        self.quiet.wishes.lock().as_mut()?.pop()
    }

    /// `side` has closed its end, and `lost` messages with it.
    ///
    /// No method: loom's `Arc` is not one a method can take.
    pub(super) fn left(tie: &Arc<Self>, side: Side, lost: Lost) {
        // Full: our flags against the peer's arrival, which looks at them after it is introduced; pairs with the fence in
        // `introduce`. One sees the other.
        full_fence();
        let peer = tie.hub(side.other());
        match (tie.hub(side), peer) {
            // A connection keeps no account: what it did not take is its socket's loss.
            (Some(hub), Some(_)) if hub.is_link() => {
                tie.count_lost(side.other(), Lost { undelivered: lost.unread, unread: lost.undelivered });
            }
            (Some(hub), _) => {
                hub.count_lost(lost);
                hub.tell_end(tie, side, lost);
            }
            // Nobody ever sat here: what was sent ahead is the sender's loss.
            (None, Some(peer)) => {
                let lost = Lost { undelivered: lost.unread, unread: lost.undelivered };
                peer.count_lost(lost);
                peer.peer_left(tie, side.other());
                return news::abandoned(peer.monitors(), tie, lost);
            }
            (None, None) => {}
        }
        if let Some(peer) = peer {
            peer.peer_left(tie, side.other());
        }
    }

    /// Has an end closed? Nothing more goes either way then, but what was pushed before may still be popped.
    pub(crate) fn is_over(&self) -> bool {
        self.quiet.ways.iter().all(|way| way.producer_gone() || way.consumer_gone())
    }

    #[inline(always)]
    fn seat(&self, side: Side) -> &Seat {
        &self.quiet.seats[side as usize]
    }
}

impl Drop for Tie {
    fn drop(&mut self) {
        for seat in &self.quiet.seats {
            let hub = seat.hub.load(Ordering::Acquire);
            if !hub.is_null() {
                // SAFETY: from `Arc::into_raw` in `introduce`, and given back once: here.
                drop(unsafe { Arc::from_raw(hub.cast_const()) });
            }
        }
    }
}

impl Seat {
    fn new() -> Self {
        let told = Told { what: AtomicU32::new(0), last: AtomicU32::new(monitor::EVERYBODY) };
        Self { hub: AtomicPtr::new(ptr::null_mut()), key: AtomicU32::new(NO_KEY), told }
    }
}

impl Way {
    pub(super) fn new() -> Self {
        Self { flags: AtomicU32::new(0), limit: AtomicU64::new(0), missed: AtomicU64::new(0), terms: Mutex::default() }
    }

    /// Messages that may be accepted and not taken.
    #[inline(always)]
    pub(crate) fn limit(&self) -> u64 {
        // Relaxed: a limit guards no data; a change counts from when it is seen.
        self.limit.load(Ordering::Relaxed)
    }

    /// The producer counts a message it did not push for want of room. What it pushes next publishes the count.
    pub(crate) fn count_missed(&self) {
        self.missed.store(self.missed.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Messages missed so far: all that were missed before the message popped last, and perhaps some after it.
    #[inline(always)]
    pub(crate) fn missed(&self) -> u64 {
        // Relaxed: who popped a message acquired what its producer did before it pushed.
        self.missed.load(Ordering::Relaxed)
    }

    /// Admits nothing any more: its consumer is about to take the last messages, and who waits for room is not to put one more
    /// where nobody will look.
    pub(crate) fn withdraw_credit(&self) {
        self.limit.store(0, Ordering::Relaxed);
    }

    /// Sets the producer's part of the limit.
    pub(crate) fn set_send_hwm(&self, hwm: u32) {
        let mut terms = self.terms.lock();
        terms.producer = Some(hwm);
        self.limit.store(terms.limit(), Ordering::Relaxed);
    }

    /// Sets the consumer's part of the limit.
    pub(crate) fn set_recv_hwm(&self, hwm: u32) {
        let mut terms = self.terms.lock();
        terms.consumer = Some(hwm);
        self.limit.store(terms.limit(), Ordering::Relaxed);
    }

    /// Will anything be pushed any more? "No" is final.
    pub(crate) fn producer_gone(&self) -> bool {
        // Acquire: pairs with the closing's Release: what was pushed before is visible to who sees the flag.
        self.flags.load(weakened("tie-gone-acquire", Ordering::Acquire)) & PRODUCER_GONE != 0
    }

    /// Will anything be popped any more? "No" is final.
    #[inline(always)]
    pub(crate) fn consumer_gone(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & CONSUMER_GONE != 0
    }

    /// Announces that somebody is to mark the pipe when it changes: `ARMED` or `ROOM_WANTED`. The caller fences and
    /// looks again.
    pub(crate) fn set(&self, flag: u32) {
        self.flags.fetch_or(flag, Ordering::AcqRel);
    }

    /// Does the announcement stand? "No" is final until whoever announced does so again.
    pub(crate) fn is_set(&self, flag: u32) -> bool {
        // Relaxed: whoever clears it marks the pipe afterwards, and a mark is drained with Acquire.
        self.flags.load(Ordering::Relaxed) & flag != 0
    }

    /// Takes the announcement back, or fulfils it. Tells whether it was still there: exactly one caller hears yes.
    pub(crate) fn clear(&self, flag: u32) -> bool {
        if planted("tie-clear-without-swap") {
            let was = self.flags.load(Ordering::Acquire);
            self.flags.store(was & !flag, Ordering::Release);
            return was & flag != 0;
        }
        self.flags.fetch_and(!flag, Ordering::AcqRel) & flag != 0
    }

    pub(super) fn close_producer(&self) -> Closed {
        let before = self.flags.fetch_or(PRODUCER_GONE, weakened("tie-close-relaxed", Ordering::AcqRel));
        if before & CONSUMER_GONE == 0 { Closed::First } else { Closed::Second }
    }

    pub(super) fn close_consumer(&self) -> Closed {
        let before = self.flags.fetch_or(CONSUMER_GONE, weakened("tie-close-relaxed", Ordering::AcqRel));
        if before & PRODUCER_GONE == 0 { Closed::First } else { Closed::Second }
    }
}

impl Terms {
    fn limit(&self) -> u64 {
        match (self.producer, self.consumer) {
            (Some(0), _) | (_, Some(0)) => u64::MAX,
            (producer, consumer) => u64::from(producer.unwrap_or(0)) + u64::from(consumer.unwrap_or(0)),
        }
    }
}
