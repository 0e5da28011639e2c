//! The flavor between processes: messages as records in memory that two processes share.
//!
//! A connection over `ipc://` is a local pipe with a session at its far end ([streams](crate::transport)). Once the two processes
//! have agreed on it, the socket's end goes past the session: what is sent is put into the ring of *our* segment, which the
//! peer maps and only reads; what comes is taken from the ring in *its* segment, which it alone writes. What both ways of one
//! connection need is a [`Lane`].
//!
//! ```text
//!            owner ──────── record, if nothing is queued ────────►┌──────┐
//!   Outlet     └── what finds no room ──► local queue ─► session ─►│ ring │ our segment
//!                                                                 └──────┘
//!   Inlet    owner ◄──────────────── record ──────────────────────  ring    the peer's segment
//! ```
//!
//! # Order
//!
//! The owner writes the ring only while nothing is queued: the session publishes that it has taken a message from the queue after
//! it has put it into the ring, so who sees the queue empty comes behind it. The [`Pen`](pen) keeps the two from writing at
//! the same time. Each lane begins behind what the session had pushed to the socket by then ([`Incoming::after`]).
//!
//! # Credit
//!
//! Counted by message, from when the socket has accepted it until the peer's socket has taken it, wherever it is meanwhile: the
//! peer says in its own segment how many it has taken. The limit is the socket's mark and the peer's.
//!
//! # What a peer may write
//!
//! Anything. Every word of its segment is read once and checked; what cannot be is a [`Fault`], kept in the lane, on which the
//! session ends the connection. Our own positions and sizes are in memory of our own.

mod codec;
mod growth;
mod inlet;
mod loan;
#[cfg(all(test, loom))]
mod loom;
#[cfg_attr(any(loom, shuttle), path = "heap.rs")]
mod memory;
#[cfg(all(test, any(loom, shuttle)))]
mod models;
mod outlet;
mod pen;
#[cfg(all(test, shuttle))]
mod shuttle;
mod succession;

use std::{
    collections::VecDeque,
    sync::{Arc as Counted, OnceLock, Weak},
    time::Duration,
};

pub(crate) use inlet::Inlet;
pub(crate) use loan::Loaned;
pub(crate) use outlet::Outlet;
pub(crate) use succession::Chores;

use self::{
    codec::{Partial, Shape},
    memory::{Own, Peer},
    pen::{Held, Pen},
    succession::{Announced, Succession},
};
use super::{Drive, Fold, Refusal};
use crate::{
    Message,
    monitor::Traffic,
    phase,
    ring::record::{Memory, Reader, Writer},
    shm::{Layout, layout},
    sync::{AtomicBool, AtomicU64, Mutex, Ordering, fence, full_fence, planted, spin_loop, thread, weakened},
    wait::{Announcer, Summons},
};

/// Bytes of a frame that needs no allocation of its own.
const SHORT_MAX: usize = crate::message::POOLED_MAX;

/// Wakes the process at the other end. Defined here and implemented by the transport.
pub(crate) trait Knock: Send + Sync + std::fmt::Debug {
    /// Never blocks. One that has not been heard yet makes another needless.
    fn knock(&self);
}

/// What is wrong with the peer's segment. Its fault, but for the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A record that cannot be.
    Record,
    /// A kind there is not.
    Kind,
    /// Frames that do not fit into their record.
    List,
    /// A part of no message, or more than the whole.
    Part,
    /// A message longer than is allowed.
    TooLong,
    /// It has read what is not there.
    Position,
    /// It goes on in a segment it has not announced, or announces one before it has gone on in the last.
    Segment,
    /// No memory for the message.
    OutOfMemory,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Lane {
    own: Own,
    peer: Peer,
    /// Where our first ring is, and the peer's.
    ours: Layout,
    theirs: Layout,
    pen: Pen<Outgoing>,
    knocker: Box<dyn Knock>,
    drive: Weak<dyn Drive>,
    /// Whether the peer's receiver sleeps, as we answer it, and whether its sender wants room.
    receiver: Summons,
    sender: Summons,
    /// Messages of the pipe that were settled when the lane began. Written by who has the pen.
    base: AtomicU64,
    /// Messages of the pipe that are settled, once the lane is over; `LIVE` before.
    settled: AtomicU64,
    /// Nothing more comes but what is in the ring.
    is_over: AtomicBool,
    /// The owner is about to queue something. Written by it alone.
    is_queueing: AtomicBool,
    /// Nothing is queued any more, as the session is about to take the last that was.
    is_closed: AtomicBool,
    fault: OnceLock<Fault>,
    /// Where the peer will go on: see `succession`.
    announced: Mutex<Option<Announced>>,
    /// There is something to do about the ring. Written with the pen.
    has_chores: AtomicBool,
    /// Of a message, in bytes.
    size_max: u64,
    counts: Counts,
}

/// What went through. Each written by the one who moves the messages.
#[derive(Debug, Default)]
struct Counts {
    messages_in: AtomicU64,
    bytes_in: AtomicU64,
    messages_out: AtomicU64,
    bytes_out: AtomicU64,
}

/// What the pen is for.
#[derive(Debug)]
struct Outgoing {
    writer: Writer<Own>,
    /// Nothing is written any more.
    is_over: bool,
    /// The session has not put all there that comes before what the owner sends; or it is lent.
    is_held: bool,
    /// Room behind the last record is lent: nobody else writes there.
    is_lent: bool,
    /// The session has come by while it was.
    is_awaited: bool,
    /// Messages the owner has put here by itself.
    direct: u64,
    /// What crosses in parts just now.
    partial: Option<Partial>,
    /// Those that crossed in parts and may not be taken yet, with where their last part ends.
    long: VecDeque<(u64, Message)>,
    /// Messages that are done with: dropped when the pen is free, as what they own may run code of others.
    done: Vec<Message>,
    /// Says that the sender wants room.
    room: Announcer,
    /// Apart: a message that finds room does not look there.
    succession: Box<Succession>,
}

/// What became of messages in a lane that is over.
#[derive(Debug, Default)]
pub(crate) struct Leftover {
    /// What the peer had not taken, and will not, oldest first.
    pub(crate) messages: VecDeque<Message>,
    /// Messages the owner had put there by itself.
    pub(crate) direct: u64,
    /// Of which nobody can tell any more what they were.
    pub(crate) lost: u64,
}

/// No lane ever settles so many.
const LIVE: u64 = u64::MAX;

/// What a lane is made of.
#[derive(Debug)]
pub(crate) struct LaneParts {
    pub(crate) own: Own,
    pub(crate) own_layout: Layout,
    pub(crate) peer: Peer,
    pub(crate) peer_layout: Layout,
    pub(crate) knocker: Box<dyn Knock>,
    pub(crate) drive: Weak<dyn Drive>,
    /// Longest message that is received, in bytes.
    pub(crate) size_max: u64,
    /// Messages of the pipe settled so far.
    pub(crate) settled: u64,
    /// Bytes of a ring in place of the first, at the most; 0: it stays.
    pub(crate) capacity_max: usize,
}

impl Lane {
    pub(crate) fn new(parts: LaneParts) -> Counted<Self> {
        let LaneParts { own, own_layout, peer, peer_layout, knocker, drive, size_max, settled, capacity_max } = parts;
        let writer = Writer::new(own.clone(), own_layout.ring, own_layout.capacity);
        let outgoing = Outgoing {
            writer,
            is_over: false,
            is_held: true,
            is_lent: false,
            is_awaited: false,
            direct: 0,
            partial: None,
            long: VecDeque::new(),
            done: Vec::new(),
            room: Announcer::default(),
            succession: Box::new(Succession::new(capacity_max)),
        };
        Counted::new(Self {
            own,
            peer,
            ours: own_layout,
            theirs: peer_layout,
            pen: Pen::new(outgoing),
            knocker,
            drive,
            receiver: Summons::default(),
            sender: Summons::default(),
            base: AtomicU64::new(settled),
            settled: AtomicU64::new(LIVE),
            is_over: AtomicBool::new(false),
            is_queueing: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            fault: OnceLock::new(),
            announced: Mutex::default(),
            has_chores: AtomicBool::new(false),
            size_max,
            counts: Counts::default(),
        })
    }

    /// A word of the peer's, read once, and all that came before it was written.
    #[inline(always)]
    fn foreign(&self, offset: usize) -> u64 {
        // Of memory that is mapped read-only only relaxed loads are promised to work. The fence pairs with the Release of the
        // process that wrote the word.
        let word = self.peer.word(offset).load(Ordering::Relaxed);
        if !planted("lane-foreign-no-fence") {
            fence(Ordering::Acquire);
        }
        word
    }

    fn reader(&self) -> Reader<Peer> {
        Reader::new(self.peer.clone(), self.theirs.ring, self.theirs.capacity)
    }

    /// What is wrong with the peer's segment, if it was found out.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault.get().copied()
    }

    /// The first one counts. The session ends the connection.
    #[cold]
    fn blame(&self, fault: Fault) {
        if self.fault.set(fault).is_ok()
            && let Some(drive) = self.drive.upgrade()
        {
            drive.changed();
        }
    }

    /// Something was written for the peer's receiver, and one full fence issued since: wakes it if it sleeps.
    #[inline(always)]
    pub(crate) fn tell_reader(&self) {
        if self.receiver.is_due(self.peer.word(layout::RECEIVER)) {
            phase::reach("knocking");
            self.knocker.knock();
            phase::reach("knocked");
        }
    }

    /// There is room for the peer's sender, or nobody who will make any: wakes it if it waits.
    #[inline(always)]
    fn fence_and_tell_writer(&self) {
        if self.sender.fence_and_is_due(self.peer.word(layout::SENDER)) {
            self.knocker.knock();
        }
    }

    /// Messages of the pipe that are settled.
    #[inline(always)]
    fn settled(&self) -> u64 {
        match self.settled.load(Ordering::Acquire) {
            LIVE => {
                // Foreign: a wrong one gives the peer itself too much, or too little.
                let taken = self.foreign(layout::TAKEN);
                self.base.load(Ordering::Acquire).wrapping_add(taken)
            }
            settled => settled,
        }
    }

    /// Does it settle messages still?
    #[inline(always)]
    fn is_live(&self) -> bool {
        // Relaxed: what is settled afterwards is read with Acquire.
        self.settled.load(Ordering::Relaxed) == LIVE
    }

    /// The session says how many are settled, as no lane does any more.
    pub(crate) fn settle(&self, settled: u64) {
        self.settled.store(settled, Ordering::Release);
    }

    /// The peer's part of the limit; 0 for none.
    #[inline(always)]
    fn peer_hwm(&self) -> u64 {
        self.foreign(layout::RECV_HWM)
    }

    /// Says how many messages this side lets come; 0 for no limit.
    pub(crate) fn set_recv_hwm(&self, hwm: u32) {
        let word = self.own.word(layout::RECV_HWM);
        if word.load(Ordering::Relaxed) != u64::from(hwm) {
            word.store(hwm.into(), Ordering::Relaxed);
            // There may be room for one who waits for it.
            self.fence_and_tell_writer();
        }
    }

    /// The pen, for the session: the owner has it for the time of a copy.
    fn take_pen(&self) -> Held<'_, Outgoing> {
        let mut looks = 0_u32;
        loop {
            if let Some(held) = self.pen.try_take() {
                return held;
            }
            looks += 1;
            if looks.is_multiple_of(64) { thread::yield_now() } else { spin_loop() }
        }
    }

    /// The session puts messages that `next` gives into the ring, as far as there is room; false: there is none now, and the
    /// peer has been asked to tell, or whoever is lent it. `next` is asked for another only when the one before is in the ring, whole; it is told
    /// whether it gave one that does not count for the pipe.
    pub(crate) fn load(&self, mut next: impl FnMut() -> Option<Load>) -> bool {
        let mut outgoing = self.take_pen();
        let mut wrote = false;
        let is_done = loop {
            if outgoing.is_over {
                break true;
            }
            if outgoing.is_lent && !planted("lane-lent-ignored") {
                // Not waited for: who ends the loan tells.
                outgoing.is_awaited = !planted("lane-loan-untold");
                break false;
            }
            let before = outgoing.writer.position();
            let mut is_in = outgoing.switch_over();
            if is_in {
                if outgoing.partial.is_none() && !self.begin(&mut outgoing, &mut next) {
                    break true;
                }
                is_in = outgoing.go_on();
            }
            wrote |= outgoing.writer.position() != before;
            if is_in {
                continue;
            }
            match self.make_room(&mut outgoing) {
                Ok(true) => {}
                Ok(false) => break false,
                Err(fault) => {
                    drop(outgoing);
                    self.blame(fault);
                    return true;
                }
            }
        };
        if is_done && outgoing.succession.has_old() && !outgoing.is_over {
            // What is kept of it is to be seen to go.
            if let Err(fault) = self.make_room(&mut outgoing) {
                drop(outgoing);
                self.blame(fault);
                return true;
            }
        }
        self.note_chores(&outgoing);
        let done = std::mem::take(&mut outgoing.done);
        drop(outgoing);
        drop(done);
        if wrote {
            if !planted("lane-load-no-fence") {
                full_fence();
            }
            self.tell_reader();
        }
        is_done
    }

    /// Puts the message that `next` gives on its way. False: there is none, and the owner may write.
    fn begin(&self, outgoing: &mut Outgoing, next: &mut impl FnMut() -> Option<Load>) -> bool {
        let Some(Load { message, is_of_pipe }) = next() else {
            outgoing.is_held = false;
            return false;
        };
        if !is_of_pipe && !planted("lane-base-stays") {
            // One more than the pipe has.
            self.base.store(self.base.load(Ordering::Relaxed).wrapping_sub(1), Ordering::Release);
        }
        phase::reach("moving");
        let size = message.size() as u64;
        outgoing.put_on_its_way(message);
        add(&self.counts.messages_out, 1);
        add(&self.counts.bytes_out, size);
        true
    }

    /// Says whether there is something to do about the ring.
    fn note_chores(&self, outgoing: &Outgoing) -> bool {
        let has_chores = outgoing.succession.has_chores(outgoing.writer.capacity());
        self.has_chores.store(has_chores, Ordering::Relaxed);
        has_chores
    }

    /// Is something on its way in parts?
    pub(crate) fn is_loading(&self) -> bool {
        self.take_pen().partial.is_some()
    }

    /// Takes note of what the peer has read. When that is nothing new it is asked to tell, and looked at once more.
    fn make_room(&self, outgoing: &mut Outgoing) -> Result<bool, Fault> {
        if self.reclaim(outgoing)? {
            return Ok(true);
        }
        // Never taken back: the owner may sleep until the same knock.
        self.want_room_by(outgoing);
        self.reclaim(outgoing)
    }

    /// Takes note of what the peer has read. Tells whether it is anything new.
    #[inline]
    fn reclaim(&self, outgoing: &mut Outgoing) -> Result<bool, Fault> {
        // Acquire: its reading is over; pairs with Release in `Incoming::publish`.
        let position = self.foreign(layout::POSITION);
        let before = outgoing.writer.free();
        let taken = match outgoing.succession.has_old() {
            false => outgoing.writer.reclaim(position),
            true => outgoing.reclaim_both(position),
        };
        taken.map_err(|_| Fault::Position)?;
        while let Some((end, _)) = outgoing.long.front()
            && *end <= position
            && let Some((_, message)) = outgoing.long.pop_front()
        {
            outgoing.done.push(message);
        }
        Ok(outgoing.writer.free() > before)
    }

    /// The peer is to tell when it has taken something. The caller looks again.
    fn want_room_by(&self, outgoing: &mut Outgoing) {
        outgoing.room.arm(self.own.word(layout::SENDER));
        phase::reach("wishing");
    }

    /// The owner wants to be told of credit. It looks again.
    fn want_credit(&self) {
        let mut outgoing = self.take_pen();
        self.want_room_by(&mut outgoing);
    }

    /// Nothing is sent this way any more, and `is_gone` says that the peer reads no more either, so that what it has not taken can
    /// be given to another. The session calls it, once.
    pub(crate) fn retire(&self, is_gone: bool) -> Leftover {
        let mut outgoing = self.take_pen();
        outgoing.is_over = true;
        let mut leftover = Leftover { direct: outgoing.direct, ..Leftover::default() };
        let reclaimed = self.reclaim(&mut outgoing);
        if is_gone {
            match reclaimed {
                Ok(_) => outgoing.read_back(&mut leftover),
                Err(_) => leftover.lost = outgoing.unread_count(),
            }
        }
        leftover.messages.extend(outgoing.partial.take().map(|partial| partial.message));
        outgoing.succession.close();
        let done = (std::mem::take(&mut outgoing.done), std::mem::take(&mut outgoing.long));
        // Nobody writes there any more. A pipe keeps its last lane until it gets another, which may be never: with no more than
        // a lane begins with, whatever that has grown to.
        let grown = outgoing.writer.retire(self.own.clone(), self.ours.ring, self.ours.capacity);
        drop(outgoing);
        drop((done, grown));
        // Release: whoever finds nothing behind this comes behind all the peer has written; pairs with Acquire in
        // `Inlet::ready_behind`.
        self.is_over.store(true, weakened("lane-over-release", Ordering::Release));
        leftover
    }

    /// What came and went.
    pub(crate) fn traffic(&self) -> (Traffic, Traffic) {
        let of = |messages: &AtomicU64, bytes: &AtomicU64| {
            let (messages, bytes) = (messages.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed));
            Traffic { messages, bytes }
        };
        let counts = &self.counts;
        (of(&counts.messages_in, &counts.bytes_in), of(&counts.messages_out, &counts.bytes_out))
    }

    /// Nobody here will ever read what comes: the peer is told.
    pub(crate) fn close_unread(&self) {
        self.own.word(layout::CLOSED).store(1, Ordering::Release);
        // It may wait for room that never comes: it looks, and sees that nobody is there.
        self.fence_and_tell_writer();
    }

    /// The owner queues something by `queue`, if that is still taken from there. Not on the way of a message that finds room.
    #[inline(never)]
    fn queue(&self, queue: impl FnOnce() -> Result<(), Refusal>) -> Result<(), Refusal> {
        self.is_queueing.store(true, Ordering::Relaxed);
        // Full: the word before against the one behind; pairs with the one in `close_queue`. One sees the other.
        if !planted("lane-queue-no-fence") {
            full_fence();
        }
        // Acquire: for symmetry; it guards nothing.
        let result = if self.is_closed.load(Ordering::Acquire) { Err(Refusal::Closed) } else { queue() };
        // Release: what was queued; pairs with Acquire in `close_queue`.
        self.is_queueing.store(false, weakened("lane-queued-release", Ordering::Release));
        result
    }

    /// Nothing is queued by the owner from here on, and what it was about to queue is there. For the session, once, when it is
    /// about to give all that is queued to others.
    pub(crate) fn close_queue(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        if !planted("lane-close-no-fence") {
            // Full: pairs with the one in `queue`.
            full_fence();
        }
        let mut looks = 0_u32;
        // Acquire: what was queued; pairs with Release in `queue`.
        while self.is_queueing.load(weakened("lane-queued-acquire", Ordering::Acquire)) {
            // The owner has lost its core in the midst of it. It tells nobody when it is done: what it queues would cost a wake-up each
            // time, for one that a connection has once, at its end. So it is left the core for as long as a look is cheap to miss.
            looks += 1;
            if looks < 64 { spin_loop() } else { std::thread::sleep(Duration::from_micros(50)) }
        }
    }

    /// Has the peer said that it reads no more?
    pub(crate) fn is_closed_by_peer(&self) -> bool {
        self.foreign(layout::CLOSED) != 0
    }
}

/// A message for the ring.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) message: Message,
    /// It was counted when the socket accepted it, for this pipe.
    pub(crate) is_of_pipe: bool,
}

impl Drop for Lane {
    fn drop(&mut self) {
        phase::reach("unmapping");
    }
}

impl Outgoing {
    /// What is to be put into the ring next, and before anything else.
    fn put_on_its_way(&mut self, message: Message) {
        self.partial = Some(Partial::new(message));
        self.weigh();
    }

    /// Puts the message on its way into the ring. False: there is no room for all of it.
    fn go_on(&mut self) -> bool {
        let Some(partial) = &mut self.partial else { return true };
        let is_whole = match Shape::of(&partial.message, Fold::Nothing) {
            shape if !partial.is_begun() && shape.size <= self.writer.payload_max() => {
                codec::put(&mut self.writer, &partial.message, shape)
            }
            _ => partial.put(&mut self.writer),
        };
        if is_whole && let Some(partial) = self.partial.take() {
            if partial.is_begun() {
                // Kept, as its parts are freed one by one.
                self.long.push_back((self.writer.position(), partial.message));
                self.succession.pressure.crossed(self.writer.position());
            } else {
                self.done.push(partial.message);
            }
        }
        is_whole
    }

    /// The message on its way found no room when its sender would have put it there, or is long: that counts for a larger ring.
    fn weigh(&mut self) {
        let Some(partial) = &self.partial else { return };
        let (size, part) = (partial.size(), self.writer.payload_max());
        let (position, capacity) = (self.writer.position(), self.writer.capacity());
        let pressure = &mut self.succession.pressure;
        if size > part {
            pressure.parted(position, capacity, size, part);
        } else {
            pressure.overran(position, capacity);
        }
    }
}

/// Adds to a counter of one writer.
#[inline(always)]
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
}
