//! The shared half of a socket: where pipes arrive and leave, and where its peers look for a sleeper.
//!
//! Peers that connect, leave or send reach a socket through its hub and never wait for its application: a pipe that
//! arrives and leaves before the owner has called in is freed at once, and of everything that changes only one note
//! is kept per pipe. The owner learns of changes by the `epoch`, one load of a quiet line at the start of each call and
//! on each turn of a spin, and then fetches the notes under the lock (see [`Crew`](super::Crew)).

use std::{
    collections::VecDeque,
    sync::{Arc as Counted, OnceLock, Weak},
    time::Duration,
};

use bytes::Bytes;

use super::{Drive, End, Key, Lost, Side, Tie, news, ready::ReadySet};
use crate::{
    Frame, Message, SocketType,
    monitor::{EventKind, Monitor, Monitors, Number, PeerId, PeerInfo, PeerMetadata, Sink},
    route::{Added, Interest, Removed, Wish},
    sync::{
        Arc, AtomicBool, AtomicU64, CachePadded, Mutex, MutexGuard, Ordering, full_fence, planted,
        prepare_asymmetric_fences,
    },
    wait::{Signal, Sleep, Target},
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Hub {
    socket_type: SocketType,
    /// For endpoints to come. Those there are have that of their time, and pipes too ([`Tie::profile`]).
    profile: Mutex<Counted<Profile>>,
    /// Read by the owner and its peers on every call, written when something changes.
    quiet: CachePadded<Quiet>,
    members: Mutex<Members>,
    /// Written by the owner on every call.
    flow: CachePadded<Flow>,
    tally: Tally,
    /// The losses of all sockets of the context together.
    losses: Arc<Losses>,
    monitors: Arc<Monitors>,
    /// This hub is a connection's.
    link: Option<Weak<dyn Drive>>,
    /// Messages a connection did not get rid of, for the next one.
    taken_back: Mutex<VecDeque<Message>>,
    /// How many those are. Written under their lock.
    taken_back_count: AtomicU64,
    /// How long what a socket has sent is kept for when it is gone, in nanoseconds: for connections, which go on by themselves.
    linger_ns: AtomicU64,
}

#[derive(Debug)]
struct Quiet {
    /// Moves whenever there are notes to fetch, and when the hub is terminated.
    epoch: AtomicU64,
    signal: Signal,
    terminated: AtomicBool,
    /// It publishes, and may have sent what its peer did not subscribe to.
    sends_unasked: AtomicBool,
    /// Made by the owner before it first arms a pipe.
    ready: OnceLock<Box<ReadySet>>,
    room: OnceLock<Box<ReadySet>>,
}

/// What a hub needs to know of its socket's options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HubOptions {
    /// High-water marks in messages; 0 means no limit.
    pub(crate) send_hwm: u32,
    pub(crate) recv_hwm: u32,
    /// Pipes that may be seated at once; more wait for a seat.
    pub(crate) seats: usize,
}

/// What peers may know of a socket, and its greeting. Constant for an endpoint, and for a pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) socket_type: SocketType,
    /// Under which id a ROUTER is to know it; empty if it may choose one.
    pub(crate) routing_id: Frame,
    /// What each new peer gets before anything else.
    pub(crate) hello: Option<Message>,
    /// Its pipes keep the newest message only.
    pub(crate) conflates: bool,
}

#[cfg(test)]
impl Profile {
    /// Of a socket whose pattern is not looked at.
    pub(super) fn plain() -> Self {
        Self { socket_type: SocketType::Pair, routing_id: Frame::new(), hello: None, conflates: false }
    }
}

#[derive(Debug)]
struct Members {
    options: HubOptions,
    /// By key.
    seats: Vec<Option<Member>>,
    free: Vec<Key>,
    seated: usize,
    /// Keys with a note: each at most once, and only while its seat is taken.
    notes: Vec<Key>,
    /// What this socket subscribes to: every pipe that comes is told.
    interest: Interest,
    /// Pipes that found every seat taken, first come first.
    waiting: VecDeque<End>,
    /// It is a connection's, which adds nothing to the limits.
    is_link: bool,
    /// Monitors there have been.
    monitors: Number,
    closed: bool,
}

#[derive(Debug)]
struct Member {
    tie: Arc<Tie>,
    side: Side,
    /// The end itself until the owner fetches it.
    end: Option<End>,
    /// Where this key stands in `notes`.
    note: Option<usize>,
}

/// What went through a socket. Written by its owner alone, read by anybody.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    pub(crate) messages_in: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) messages_out: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    /// Sends that found no room.
    pub(crate) stalls: AtomicU64,
    /// Messages a pattern that drops did not give to a peer, because it was full.
    pub(crate) dropped: AtomicU64,
    /// Messages put into queues of peers by a pattern that publishes: one for each peer.
    pub(crate) deliveries: AtomicU64,
    /// Messages sent to somebody who is not there.
    pub(crate) unroutable: AtomicU64,
    /// Messages that arrived and are none of this pattern's, or too late for it.
    pub(crate) discarded: AtomicU64,
    /// Messages that arrived and are not, or no longer, subscribed to.
    pub(crate) filtered: AtomicU64,
}

impl Flow {
    /// Adds to a counter of one writer: a load and a store, no read-modify-write.
    #[inline(always)]
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.store(counter.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
    }

    /// Takes back what was added to a counter of one writer.
    fn take_back(counter: &AtomicU64, amount: u64) {
        counter.store(counter.load(Ordering::Relaxed) - amount, Ordering::Relaxed);
    }

    /// A message just received was none for the application after all.
    pub(crate) fn discard(&self, bytes: u64) {
        Self::take_back(&self.messages_in, 1);
        Self::take_back(&self.bytes_in, bytes);
        Self::add(&self.discarded, 1);
    }

    /// A message just received does not reach the application any more.
    pub(crate) fn unread(&self, bytes: u64) {
        Self::take_back(&self.messages_in, 1);
        Self::take_back(&self.bytes_in, bytes);
    }
}

/// Messages lost by pipes closing. Any thread may add.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    undelivered: AtomicU64,
    unread: AtomicU64,
}

impl Losses {
    fn add(&self, lost: Lost) {
        self.undelivered.fetch_add(lost.undelivered, Ordering::Relaxed);
        self.unread.fetch_add(lost.unread, Ordering::Relaxed);
    }

    pub(crate) fn total(&self) -> Lost {
        Lost { undelivered: self.undelivered.load(Ordering::Relaxed), unread: self.unread.load(Ordering::Relaxed) }
    }
}

/// What happened to a socket's connections over streams. Any thread may add.
#[derive(Debug, Default)]
pub(crate) struct LinkTally {
    reads: AtomicU64,
    writes: AtomicU64,
    reconnects: AtomicU64,
    failed_handshakes: AtomicU64,
    refused: AtomicU64,
    stray: AtomicU64,
}

macro_rules! tallies {
    ($($(#[$doc:meta])* $count:ident, $counted:ident;)*) => {
        impl LinkTally {$(
            $(#[$doc])*
            pub(crate) fn $count(&self) {
                self.$counted.fetch_add(1, Ordering::Relaxed);
            }

            pub(crate) fn $counted(&self) -> u64 {
                self.$counted.load(Ordering::Relaxed)
            }
        )*}
    };
}

tallies! {
    /// A system call that reads.
    count_read, reads;
    /// A system call that writes.
    count_write, writes;
    /// A connection this socket had made was lost.
    count_reconnect, reconnects;
    /// A connection came to nothing.
    count_failed_handshake, failed_handshakes;
    /// A connection was not accepted.
    count_refused, refused;
    /// A message came from a peer that has nothing to send here.
    count_stray, stray;
}

#[derive(Debug, Default)]
struct Tally {
    lost: Losses,
    joined: AtomicU64,
    /// Messages replaced in pipes that are closed.
    conflated: AtomicU64,
    /// Greetings put into pipes when they were made.
    hellos: AtomicU64,
    links: LinkTally,
}

/// A linger of so many nanoseconds, or more, is for ever.
const FOR_EVER_NS: u64 = u64::MAX;

/// What became of a pipe that came to a hub.
#[derive(Debug)]
pub(crate) enum Joined {
    /// It has a seat; messages flow.
    Seated,
    /// It waits until another pipe leaves.
    Waiting,
    /// The socket is closed: here is the end back, to be dropped without any lock.
    Refused(#[expect(dead_code, reason = "only ever dropped")] End),
}

/// A note fetched by the owner.
#[derive(Debug)]
pub(crate) enum Note {
    Arrived(Key, End),
    /// Something about the pipe or its peer is new.
    Changed(Key),
    PeerLeft(Key),
}

impl Hub {
    pub(crate) fn new(profile: Profile, options: HubOptions, losses: Arc<Losses>) -> Arc<Self> {
        Self::with_link(profile, options, losses, None)
    }

    /// The hub of a connection, for the one pipe it has: its peer has `profile`, and it is driven through `link`. A sender
    /// that finds nobody at work for it wakes `link`.
    pub(crate) fn of_link<L: Drive + Sleep + 'static>(profile: Profile, link: &Counted<L>) -> Arc<Self> {
        let weak: Weak<L> = Counted::downgrade(link);
        let options = HubOptions { send_hwm: 0, recv_hwm: 0, seats: 1 };
        let hub = Self::with_link(profile, options, Arc::default(), Some(weak));
        hub.signal().install(Target::Loop(link.clone()));
        hub
    }

    fn with_link(
        profile: Profile,
        options: HubOptions,
        losses: Arc<Losses>,
        link: Option<Weak<dyn Drive>>,
    ) -> Arc<Self> {
        prepare_asymmetric_fences();
        let is_link = link.is_some();
        let members = Members {
            options,
            seats: Vec::new(),
            free: Vec::new(),
            seated: 0,
            notes: Vec::new(),
            interest: Interest::default(),
            waiting: VecDeque::new(),
            is_link,
            monitors: 0,
            closed: false,
        };
        let hub = Arc::new(Self {
            socket_type: profile.socket_type,
            profile: Mutex::new(Counted::new(profile)),
            quiet: CachePadded::new(Quiet {
                epoch: AtomicU64::new(0),
                signal: Signal::new(),
                terminated: AtomicBool::new(false),
                sends_unasked: AtomicBool::new(false),
                ready: OnceLock::new(),
                room: OnceLock::new(),
            }),
            members: Mutex::new(members),
            flow: CachePadded::new(Flow::default()),
            tally: Tally::default(),
            losses,
            monitors: Monitors::new(),
            taken_back: Mutex::default(),
            taken_back_count: AtomicU64::new(0),
            linger_ns: AtomicU64::new(0),
            link,
        });
        if cfg!(loom) {
            // loom does not know that a `OnceLock` orders what made it before those who look.
            hub.ready();
            hub.room();
        }
        hub
    }

    pub(crate) fn socket_type(&self) -> SocketType {
        self.socket_type
    }

    /// What those see who meet this socket from now on.
    pub(crate) fn profile(&self) -> Counted<Profile> {
        self.profile.lock().clone()
    }

    /// Shows another profile to those who come by endpoints to come.
    pub(crate) fn set_profile(&self, profile: Profile) {
        let before = std::mem::replace(&mut *self.profile.lock(), Counted::new(profile));
        // Without the lock: it may hold payloads with destructors.
        drop(before);
    }

    /// May it have sent what its peer did not subscribe to? Read by who has popped what it sent.
    #[inline(always)]
    pub(crate) fn sends_unasked(&self) -> bool {
        // Relaxed: set before what it is about was pushed, and read after that was popped.
        self.quiet.sends_unasked.load(Ordering::Relaxed)
    }

    /// From now on it may. For good: who has not received yet what was sent must still look.
    pub(crate) fn set_sends_unasked(&self) {
        self.quiet.sends_unasked.store(true, Ordering::Relaxed);
    }

    /// Is it a connection's?
    pub(crate) fn is_link(&self) -> bool {
        self.link.is_some()
    }

    /// The connection whose hub this is.
    pub(crate) fn link(&self) -> Option<Counted<dyn Drive>> {
        self.link.as_ref()?.upgrade()
    }

    /// How long what this socket has sent is kept for when it is gone.
    pub(crate) fn linger(&self) -> Duration {
        match self.linger_ns.load(Ordering::Relaxed) {
            FOR_EVER_NS => Duration::MAX,
            nanoseconds => Duration::from_nanos(nanoseconds),
        }
    }

    pub(crate) fn set_linger(&self, linger: Duration) {
        self.linger_ns.store(linger.as_nanos().try_into().unwrap_or(FOR_EVER_NS), Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn signal(&self) -> &Signal {
        &self.quiet.signal
    }

    /// Moves whenever the owner has notes to fetch.
    #[inline(always)]
    pub(crate) fn epoch(&self) -> u64 {
        // Acquire: pairs with Release in Hub::changed; only `terminated` is read without the lock.
        self.quiet.epoch.load(Ordering::Acquire)
    }

    /// Pipes that were armed and have messages now.
    pub(crate) fn ready(&self) -> &ReadySet {
        self.quiet.ready.get_or_init(|| Box::new(ReadySet::new()))
    }

    /// Pipes that were full, not looked at, and have room now.
    pub(crate) fn room(&self) -> &ReadySet {
        self.quiet.room.get_or_init(|| Box::new(ReadySet::new()))
    }

    /// Has the context been shut down? Final.
    pub(crate) fn is_terminated(&self) -> bool {
        self.quiet.terminated.load(Ordering::Acquire)
    }

    /// Makes every call of the owner, a waiting one too, return.
    pub(crate) fn terminate(&self) {
        let members = self.members.lock();
        if self.monitors.is_watched() && !self.is_terminated() {
            self.monitors.push(EventKind::ContextClosed);
        }
        self.quiet.terminated.store(true, Ordering::Release);
        self.changed();
        drop(members);
        self.wake();
    }

    /// Seats `end`, the end of this socket (its side of the tie must know this hub), or lets it wait for a seat.
    pub(crate) fn join(&self, end: End) -> Joined {
        let mut members = self.members.lock();
        if members.closed {
            return Joined::Refused(end);
        }
        self.tally.joined.fetch_add(1, Ordering::Relaxed);
        if members.seated >= members.options.seats {
            let (tie, side) = (end.tie().clone(), end.side());
            if tie.hub(side.other()).is_some_and(Self::is_link) {
                // It is read meanwhile, as its connection has to be.
                members.options.apply(&tie, side);
            }
            members.waiting.push_back(end);
            self.tell(&tie, side);
            drop(members);
            if let Some(peer) = tie.hub(side.other()) {
                peer.tell_news(&tie, side.other());
            }
            self.monitors.wake();
            return Joined::Waiting;
        }
        let seated = members.seat(end);
        self.tell(&seated.tie, seated.side);
        self.changed();
        drop(members);
        self.wake();
        seated.tell_peer();
        Joined::Seated
    }

    /// A connection's: takes note of `end`, which it keeps itself.
    pub(crate) fn seat_link(&self, end: &End) {
        let mut members = self.members.lock();
        let seated = members.seat_tie(end.tie().clone(), end.side(), None);
        drop(members);
        seated.tell_peer();
    }

    /// The peer of the end on `side` of `tie` has closed.
    pub(crate) fn peer_left(&self, tie: &Arc<Tie>, side: Side) {
        let mut members = self.members.lock();
        // Dropped after the lock: it may hold messages.
        let gone = match tie.key(side).filter(|key| members.holds(*key, tie)) {
            Some(key) => {
                self.tell(tie, side);
                members.peer_left(key)
            }
            None => match members.leave_queue(tie) {
                Some(end) => Some(end),
                // We left first.
                None => return,
            },
        };
        let seated = members.seat_waiting();
        seated.iter().for_each(|seated| self.tell(&seated.tie, seated.side));
        self.changed();
        drop(members);
        drop(gone);
        self.wake();
        seated.iter().for_each(Seated::tell_peer);
    }

    /// Fetches the notes, oldest first as far as nobody has left.
    pub(crate) fn fetch(&self, mut each: impl FnMut(Note)) {
        let mut members = self.members.lock();
        let notes = std::mem::take(&mut members.notes);
        for key in notes {
            let Some(member) = members.seats[key as usize].as_mut() else { continue };
            member.note = None;
            match member.end.take() {
                Some(end) => {
                    // A peer that left meanwhile is heard of at once, behind its messages.
                    let left = end.peer_is_gone();
                    each(Note::Arrived(key, end));
                    if left {
                        each(Note::PeerLeft(key));
                    }
                }
                None if member.tie.is_over() => each(Note::PeerLeft(key)),
                None => each(Note::Changed(key)),
            }
        }
    }

    /// Something about the pipe of `tie`, on whose `side` this socket sits, is new: the owner looks at it.
    pub(crate) fn pipe_changed(&self, tie: &Arc<Tie>, side: Side) {
        let mut members = self.members.lock();
        if let Some(key) = tie.key(side).filter(|key| members.holds(*key, tie)) {
            members.note(key);
            self.tell(tie, side);
        }
        self.changed();
        drop(members);
        self.wake();
    }

    /// Subscribes to topics that begin with `prefix`, once more if it is already: tells every peer, and those to come.
    pub(crate) fn subscribe(&self, prefix: &[u8]) {
        let mut members = self.members.lock();
        let wish = match members.interest.add(prefix) {
            Added::First => Wish::First,
            Added::Again => Wish::Again,
        };
        members.wish(prefix, wish).tell(members);
    }

    /// Takes one subscription to `prefix` back. Returns what is left of it.
    pub(crate) fn unsubscribe(&self, prefix: &[u8]) -> Removed {
        let mut members = self.members.lock();
        let removed = members.interest.remove(prefix);
        if removed == Removed::Last {
            members.wish(prefix, Wish::Last).tell(members);
        }
        removed
    }

    /// Is this socket subscribed to `topic`?
    pub(crate) fn wants(&self, topic: &[u8]) -> bool {
        self.members.lock().interest.matches(topic)
    }

    /// Distinct prefixes this socket is subscribed to.
    pub(crate) fn prefixes(&self) -> usize {
        self.members.lock().interest.len()
    }

    /// The owner has dropped its end under `key`: the seat is free.
    pub(crate) fn vacate(&self, key: Key) {
        let mut members = self.members.lock();
        let gone = members.remove(key);
        let seated = members.seat_waiting();
        seated.iter().for_each(|seated| self.tell(&seated.tie, seated.side));
        self.changed();
        drop(members);
        drop(gone);
        if !seated.is_empty() && !planted("hub-vacate-silent") {
            // The owner itself: this may be its last look before it sleeps, and it has fetched its notes already.
            self.wake();
        }
        seated.iter().for_each(Seated::tell_peer);
    }

    /// Takes out the end that belongs to `tie`, if it waits for a seat. To be dropped by the caller.
    pub(crate) fn leave_queue(&self, tie: &Arc<Tie>) -> Option<End> {
        self.members.lock().leave_queue(tie)
    }

    /// Changes the high-water marks, for pipes to come and those there are.
    pub(crate) fn set_hwm(&self, send: Option<u32>, recv: Option<u32>) {
        let mut members = self.members.lock();
        members.options.send_hwm = send.unwrap_or(members.options.send_hwm);
        members.options.recv_hwm = recv.unwrap_or(members.options.recv_hwm);
        let seated = members.seats.iter().flatten().map(|member| (&member.tie, member.side));
        // As in `join`.
        let of_links = members.waiting.iter().map(|end| (end.tie(), end.side()));
        let of_links = of_links.filter(|(tie, side)| tie.hub(side.other()).is_some_and(Self::is_link));
        let ties: Vec<_> = seated.chain(of_links).map(|(tie, side)| (tie.clone(), side)).collect();
        let options = members.options;
        drop(members);
        for (tie, side) in &ties {
            options.apply(tie, *side);
            if let Some(peer) = tie.hub(side.other()) {
                // A sender that waits for room may have it now.
                peer.touch();
            }
        }
        self.touch();
    }

    pub(crate) fn options(&self) -> HubOptions {
        self.members.lock().options
    }

    /// Pipes seated now.
    pub(crate) fn peers(&self) -> usize {
        self.members.lock().seated
    }

    /// Takes no pipe any more and gives back those the owner has not fetched.
    pub(crate) fn close(&self) -> Vec<End> {
        let mut members = self.members.lock();
        members.closed = true;
        members.notes.clear();
        let mut ends: Vec<End> = members.waiting.drain(..).collect();
        ends.extend(members.seats.drain(..).flatten().filter_map(|member| member.end));
        members.free.clear();
        members.seated = 0;
        ends
    }

    pub(crate) fn count_lost(&self, lost: Lost) {
        if lost != Lost::default() {
            self.tally.lost.add(lost);
            self.losses.add(lost);
        }
    }

    /// Adds what a pipe that closes had replaced.
    pub(crate) fn count_conflated(&self, messages: u64) {
        self.tally.conflated.fetch_add(messages, Ordering::Relaxed);
    }

    /// Messages replaced by newer ones in pipes that are closed.
    pub(crate) fn conflated(&self) -> u64 {
        self.tally.conflated.load(Ordering::Relaxed)
    }

    /// Messages lost so far by this socket's pipes closing.
    pub(crate) fn lost(&self) -> Lost {
        self.tally.lost.total()
    }

    /// Pipes that have ever come.
    pub(crate) fn joined(&self) -> u64 {
        self.tally.joined.load(Ordering::Relaxed)
    }

    /// A greeting was put into a pipe of this socket.
    pub(crate) fn count_hello(&self) {
        self.tally.hellos.fetch_add(1, Ordering::Relaxed);
    }

    /// Greetings sent, apart from what the application has.
    pub(crate) fn hellos(&self) -> u64 {
        self.tally.hellos.load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(crate) fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Where those who know more of this socket than its hub tell it.
    pub(crate) fn monitors(&self) -> &Monitors {
        &self.monitors
    }

    /// Makes a monitor, which first hears of what is there: `listening` tells of the endpoints bound. By the owner.
    pub(crate) fn monitor(&self, capacity: usize, listening: impl Iterator<Item = EventKind>) -> Monitor {
        let mut members = self.members.lock();
        let mut present: Vec<_> = listening.collect();
        for (tie, side) in members.ties() {
            // The others first hear what they have not: what has been told is what this one is told.
            news::tell(&self.monitors, tie, side);
            news::present(tie, side, &mut present);
        }
        if self.is_terminated() {
            present.push(EventKind::ContextClosed);
        }
        members.monitors += 1;
        let monitor = Monitors::attach(&self.monitors, members.monitors, capacity, present);
        drop(members);
        self.monitors.wake();
        monitor
    }

    /// The peers there are.
    pub(crate) fn peer_list(&self) -> Vec<PeerInfo> {
        self.members.lock().ties().map(|(tie, side)| news::info(tie, side)).collect()
    }

    /// What is known of `peer`, if it is there.
    pub(crate) fn peer_metadata(&self, peer: PeerId) -> Option<PeerMetadata> {
        let members = self.members.lock();
        let (tie, side) = members.ties().find(|(tie, _)| tie.number() == peer.number())?;
        let (tie, side) = (tie.clone(), side);
        drop(members);
        news::metadata(&tie, side)
    }

    /// Our end on `side` of `tie` has closed, and so many messages with it.
    pub(super) fn tell_end(&self, tie: &Tie, side: Side, lost: Lost) {
        if !self.monitors.is_watched() {
            return;
        }
        let members = self.members.lock();
        news::tell_end(&self.monitors, tie, side, lost);
        drop(members);
        self.monitors.wake();
    }

    /// Something about the pipe of `tie` is new to the monitors and not to the owner.
    fn tell_news(&self, tie: &Arc<Tie>, side: Side) {
        if !self.monitors.is_watched() {
            return;
        }
        let members = self.members.lock();
        if members.ties().any(|(other, _)| Arc::ptr_eq(other, tie)) {
            news::tell(&self.monitors, tie, side);
        }
        drop(members);
        self.monitors.wake();
    }

    /// With the lock held, of a pipe that has a seat or waits for one. The caller wakes.
    fn tell(&self, tie: &Tie, side: Side) {
        if self.monitors.is_watched() {
            news::tell(&self.monitors, tie, side);
        }
    }

    /// As [`subscribe`](Self::subscribe), of a peer that takes back once what it may have asked for many times. Tells whether
    /// the prefix is new.
    pub(crate) fn subscribe_once(&self, prefix: &[u8]) -> bool {
        let mut members = self.members.lock();
        let is_new = members.interest.add(prefix) == Added::First;
        if !is_new {
            members.interest.remove(prefix);
        }
        members.wish(prefix, if is_new { Wish::First } else { Wish::Again }).tell(members);
        is_new
    }

    /// What happened to this socket's connections over streams.
    pub(crate) fn links(&self) -> &LinkTally {
        &self.tally.links
    }

    /// Takes back messages that were given to a connection and did not reach its peer: they go to the next that has room, before
    /// any other. Those that were `given` are older than what has been taken back before and not gone, those still `queued` are
    /// younger. Returns those that nobody will get: all if the socket is closed, and of those queued what is more than may be
    /// queued for a peer, unless they `count` against the credit of those who will send more.
    pub(crate) fn take_back(&self, given: Vec<Message>, mut queued: Vec<Message>, count: bool) -> Vec<Message> {
        let members = self.members.lock();
        if members.closed {
            queued.extend(given);
            return queued;
        }
        let is_limited = !count && members.options.send_hwm > 0;
        let limit = if is_limited { members.options.send_hwm as usize } else { usize::MAX };
        let mut taken_back = self.taken_back.lock();
        let lost = queued.split_off(queued.len().min(limit.saturating_sub(taken_back.len())));
        for message in given.into_iter().rev() {
            taken_back.push_front(message);
        }
        taken_back.extend(queued);
        self.count_taken_back(&taken_back);
        drop(taken_back);
        let links: Vec<_> =
            members.ties().filter_map(|(tie, side)| tie.hub(side.other()).and_then(Hub::link)).collect();
        drop(members);
        links.iter().for_each(|link| link.changed());
        lost
    }

    /// The socket is closed: nobody gets what was taken back.
    pub(crate) fn lose_taken_back(&self) {
        let lost = std::mem::take(&mut *self.taken_back.lock());
        self.taken_back_count.store(0, Ordering::Release);
        self.count_lost(Lost { undelivered: lost.len() as u64, unread: 0 });
    }

    /// How many messages were taken back and have not gone yet.
    #[inline(always)]
    pub(crate) fn taken_back(&self) -> u64 {
        self.taken_back_count.load(Ordering::Acquire)
    }

    /// The oldest message that was taken back.
    pub(crate) fn next_taken_back(&self) -> Option<Message> {
        if self.taken_back() == 0 {
            return None;
        }
        let mut taken_back = self.taken_back.lock();
        let message = taken_back.pop_front();
        self.count_taken_back(&taken_back);
        message
    }

    fn count_taken_back(&self, taken_back: &VecDeque<Message>) {
        self.taken_back_count.store(taken_back.len() as u64, Ordering::Release);
    }

    /// Makes the owner look at everything once more.
    fn touch(&self) {
        let members = self.members.lock();
        self.changed();
        drop(members);
        self.wake();
    }

    /// With the lock held, after a change.
    fn changed(&self) {
        // Only ever written under the lock. Release: pairs with Acquire in Hub::epoch.
        self.quiet.epoch.store(self.quiet.epoch.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    fn wake(&self) {
        if !planted("hub-join-without-fence") {
            full_fence();
        }
        match self.link() {
            // It may have its signal say that somebody works for it, who waits for the kernel only.
            Some(link) => link.changed(),
            None => _ = self.quiet.signal.notify(),
        }
        self.monitors.wake();
    }
}

impl HubOptions {
    /// Puts this socket's marks into both ways of `tie`, where it sits at `side`.
    pub(crate) fn apply(&self, tie: &Tie, side: Side) {
        tie.way_from(side).set_send_hwm(self.send_hwm);
        tie.way_to(side).set_recv_hwm(self.recv_hwm);
    }
}

/// An end that has just been given a seat.
struct Seated {
    tie: Arc<Tie>,
    side: Side,
}

impl Seated {
    /// Makes the peer look once more: our part of the limit is new, so it may have room, and it may not have known who
    /// we are. With no lock of a hub held.
    fn tell_peer(&self) {
        if let Some(peer) = self.tie.hub(self.side.other())
            && !planted("hub-seat-silent")
        {
            peer.pipe_changed(&self.tie, self.side.other());
        }
    }
}

/// Publishers that have been left word, and are to be told so.
struct Word(Vec<(Arc<Tie>, Side)>);

impl Word {
    /// Tells them, when the lock is released: with no lock of a hub held.
    fn tell(self, members: MutexGuard<'_, Members>) {
        drop(members);
        for (tie, side) in self.0 {
            if let Some(peer) = tie.hub(side.other())
                && !planted("hub-wish-silent")
            {
                peer.pipe_changed(&tie, side.other());
            }
        }
    }
}

impl Members {
    /// Leaves word of a subscription in every pipe.
    fn wish(&self, prefix: &[u8], wish: Wish) -> Word {
        let topic = Bytes::copy_from_slice(prefix);
        let members = self.seats.iter().flatten();
        Word(
            members
                .map(|member| (member.tie.clone(), member.side))
                .inspect(|(tie, _)| tie.wish(topic.clone(), wish))
                .collect(),
        )
    }

    fn seat(&mut self, end: End) -> Seated {
        let (tie, side) = (end.tie().clone(), end.side());
        self.seat_tie(tie, side, Some(end))
    }

    /// Gives the pipe of `tie` a seat, with `end` until the owner fetches it.
    fn seat_tie(&mut self, tie: Arc<Tie>, side: Side, end: Option<End>) -> Seated {
        let key = self.free.pop().unwrap_or_else(|| {
            self.seats.push(None);
            // A socket cannot have 2^32 pipes: each takes more than a byte.
            (self.seats.len() - 1) as Key
        });
        if !self.is_link {
            self.options.apply(&tie, side);
        }
        tie.seat_at(side, key);
        if !planted("hub-seat-forgets-interest") {
            self.interest.for_each(|prefix| tie.wish(Bytes::copy_from_slice(prefix), Wish::First));
        }
        self.seats[key as usize] = Some(Member { tie: tie.clone(), side, end, note: None });
        self.seated += 1;
        self.note(key);
        Seated { tie, side }
    }

    fn seat_waiting(&mut self) -> Vec<Seated> {
        let mut seated = Vec::new();
        while self.seated < self.options.seats
            && let Some(end) = self.waiting.pop_front()
        {
            seated.push(self.seat(end));
        }
        seated
    }

    fn holds(&self, key: Key, tie: &Arc<Tie>) -> bool {
        let member = self.seats.get(key as usize).and_then(Option::as_ref);
        member.is_some_and(|member| Arc::ptr_eq(&member.tie, tie))
    }

    /// Notes that the peer under `key` has left; gives the end back if the owner need not hear of it.
    fn peer_left(&mut self, key: Key) -> Option<End> {
        let member = self.seats[key as usize].as_mut()?;
        if member.end.as_mut().is_some_and(|end| {
            end.adopt();
            !end.ready()
        }) {
            return self.remove(key).and_then(|member| member.end);
        }
        self.note(key);
        None
    }

    fn leave_queue(&mut self, tie: &Arc<Tie>) -> Option<End> {
        let place = self.waiting.iter().position(|end| Arc::ptr_eq(end.tie(), tie))?;
        let end = self.waiting.remove(place)?;
        news::taken_out(end.tie(), end.side(), self.monitors);
        Some(end)
    }

    /// The pipes that have a seat or wait for one.
    fn ties(&self) -> impl Iterator<Item = (&Arc<Tie>, Side)> {
        let seated = self.seats.iter().flatten().map(|member| (&member.tie, member.side));
        seated.chain(self.waiting.iter().map(|end| (end.tie(), end.side())))
    }

    fn note(&mut self, key: Key) {
        if let Some(member) = self.seats[key as usize].as_mut()
            && member.note.is_none()
        {
            member.note = Some(self.notes.len());
            self.notes.push(key);
        }
    }

    fn remove(&mut self, key: Key) -> Option<Member> {
        let member = self.seats.get_mut(key as usize)?.take()?;
        news::taken_out(&member.tie, member.side, self.monitors);
        if let Some(place) = member.note {
            self.notes.swap_remove(place);
            if let Some(moved) = self.notes.get(place).and_then(|key| self.seats[*key as usize].as_mut()) {
                moved.note = Some(place);
            }
        }
        self.free.push(key);
        self.seated -= 1;
        Some(member)
    }
}
