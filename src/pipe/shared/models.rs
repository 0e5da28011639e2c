//! Programs for the model checkers, on the types that cross processes: two lanes over two segments, which lie on the heap here,
//! and at one end of them the queue that is the way of what overflows. A session and a crew are here in small.
//!
//! A thread that sleeps for ever shows as a deadlock, which both checkers report as a panic.

#![forbid(unsafe_code)]

use std::{
    mem::{self, ManuallyDrop},
    // Not of a model: what a bystander knows.
    sync::{
        Arc as Counted, Weak,
        atomic::{AtomicU64 as Plain, Ordering::SeqCst},
    },
};

use super::{Inlet, Knock, Lane, LaneParts, Leftover, Load, Loaned, Outlet};
use crate::{
    Frame, Message,
    monitor::{PeerMetadata, Traffic},
    pipe::{
        Crew, Directions, Drive, End, Fold, Hub, HubOptions, Joined, Losses, Outward, Profile, Refusal, Side, Tie,
        Watch, Way, local, local_pair,
    },
    ring::record::{CAPACITY_MIN, Memory, heap::Heap},
    shm::{Layout, layout},
    sync::{Arc, AtomicBool, Condvar, Mutex, Ordering, full_fence, planted, thread},
    wait::{Awaited, Sleep, WaitPolicy, Waiter},
};

/// Where the ring is: behind the last word of the header.
const RING: usize = layout::SENDER + 64;
/// A ring that three of the smallest records fill.
const SMALL: usize = CAPACITY_MIN;
/// A ring whose records hold a part of something long.
const LARGE: usize = 2 * CAPACITY_MIN;
/// Bytes of a message that crosses in three parts, for the last of which there is no room at first.
pub(super) const LONG: usize = 64;

/// Where a thread sleeps until another process knocks.
#[derive(Debug, Default)]
struct Doorbell {
    is_rung: Mutex<bool>,
    rung: Condvar,
}

impl Doorbell {
    fn ring(&self) {
        *self.is_rung.lock() = true;
        self.rung.notify_one();
    }

    /// Sleeps until it is rung, and takes all rings there are.
    fn sleep(&self) {
        let mut is_rung = self.is_rung.lock();
        while !mem::take(&mut *is_rung) {
            is_rung = self.rung.wait(is_rung).unwrap();
        }
    }
}

/// What a knock at a process rings.
#[derive(Clone, Debug, Default)]
struct Bells(Vec<Counted<Doorbell>>);

impl Knock for Bells {
    fn knock(&self) {
        self.0.iter().for_each(|bell| bell.ring());
    }
}

/// Whoever drives these lanes does so unasked, but for this.
#[derive(Debug, Default)]
struct Told(Counted<Doorbell>);

impl Drive for Told {
    fn changed(&self) {
        self.0.ring();
    }

    fn push_out(&self) {}
    fn room(&self) {}
    fn pull(&self, _: bool) -> bool {
        false
    }
    fn watch(&self) -> Watch {
        Watch::Nothing
    }
    fn unwatch(&self, _: bool) {}
    fn traffic(&self) -> (Traffic, Traffic) {
        Default::default()
    }
    fn metadata(&self) -> Option<PeerMetadata> {
        None
    }
}

impl Sleep for Told {
    fn wake(&self) {
        self.0.ring();
    }
}

/// A socket's owner that sends.
struct Owner {
    outlet: Outlet,
    way: Way,
    lane: Counted<Lane>,
    pushed: u8,
    /// Messages that may be pushed and not popped.
    limit: u64,
    popped: Counted<Plain>,
}

/// What a session does at the sender's.
struct Session {
    lane: Counted<Lane>,
    queue: local::Inlet,
    /// Goes before anything else.
    hello: Option<Message>,
    told: Counted<Told>,
}

/// A socket's owner that receives.
struct Reader {
    inlet: Inlet,
    /// The other half of its queue: nothing comes over the stream.
    stream: local::Outlet,
    lane: Counted<Lane>,
    got: Vec<u8>,
    popped: Counted<Plain>,
}

/// The number of a message that is none of the pipe's.
const HELLO: u8 = u8::MAX;

/// A model that failed unwinds past these, and loom's parts must not be dropped then.
type World = (ManuallyDrop<Owner>, ManuallyDrop<Session>, ManuallyDrop<Reader>);

/// Two processes with rings of `capacity` bytes, at whose doors are these bells. The one's mark is `send_hwm`, the other's 1.
fn world(capacity: usize, send_hwm: u32, senders: Bells, readers: Bells) -> World {
    let told = Counted::default();
    let (near, far) = lanes(capacity, senders, readers, &told);
    let (owner, session) = sender(near, send_hwm, told);
    let (stream, inlet) = local::queue();
    let mut inlet = Inlet::new(inlet);
    inlet.add(far.clone(), 0);
    let reader = Reader { inlet, stream, lane: far, got: Vec::new(), popped: owner.popped.clone() };
    (owner, session, ManuallyDrop::new(reader))
}

/// The lanes of a process that sends and of one that receives.
fn lanes(
    capacity: usize,
    senders: Bells,
    readers: impl Knock + 'static,
    told: &Counted<Told>,
) -> (Counted<Lane>, Counted<Lane>) {
    let layout = Layout { ring: RING, capacity };
    let (ours, theirs) =
        (Counted::new(Heap::of_segment(RING, capacity)), Counted::new(Heap::of_segment(RING, capacity)));
    let drive: Weak<Told> = Counted::downgrade(told);
    let lane = |own: &Counted<Heap>, peer: &Counted<Heap>, knocker: Box<dyn Knock>| {
        Lane::new(LaneParts {
            own: own.clone(),
            own_layout: layout,
            peer: peer.clone(),
            peer_layout: layout,
            knocker,
            drive: drive.clone(),
            size_max: u64::MAX,
            settled: 0,
            capacity_max: 0,
        })
    };
    let (near, far) = (lane(&ours, &theirs, Box::new(readers)), lane(&theirs, &ours, Box::new(senders)));
    far.set_recv_hwm(1);
    (near, far)
}

fn sender(near: Counted<Lane>, send_hwm: u32, told: Counted<Told>) -> (ManuallyDrop<Owner>, ManuallyDrop<Session>) {
    let way = Way::new();
    way.set_send_hwm(send_hwm);
    let popped = Counted::new(Plain::new(0));
    let (outlet, queue) = local::queue();
    let outlet = Outlet::new(outlet, near.clone());
    let owner = Owner { outlet, way, lane: near.clone(), pushed: 0, limit: u64::from(send_hwm) + 1, popped };
    let session = Session { lane: near, queue, hello: None, told };
    (ManuallyDrop::new(owner), ManuallyDrop::new(session))
}

/// Of a model that has not failed.
fn end((owner, session, reader): World) {
    assert_eq!((owner.lane.fault(), reader.lane.fault()), (None, None));
    drop(ManuallyDrop::into_inner(owner));
    drop(ManuallyDrop::into_inner(session));
    drop(ManuallyDrop::into_inner(reader));
}

/// A message whose every byte says which it is.
fn message(number: u8, size: usize) -> Message {
    Frame::copy_from(&vec![number; size]).into()
}

impl Owner {
    fn admits(&mut self) -> bool {
        self.outlet.admits(&self.way, 0).is_ok()
    }

    /// As `End::push` and `End::tell_consumer`. Tells whether the session is to be told.
    fn push(&mut self, size: usize) -> Result<bool, Refusal> {
        let number = self.pushed + 1;
        self.outlet.push_folded(&self.way, &mut message(number, size), Fold::Nothing, false)?;
        self.pushed = number;
        assert!(u64::from(number) - self.popped.load(SeqCst) <= self.limit, "more than there is credit for");
        if !planted("lane-send-no-fence") {
            // Full: as in `Crew::send_to`.
            full_fence();
        }
        Ok(self.outlet.tell())
    }

    /// Lends room for a message that says its number.
    fn lend(&mut self) -> Option<Loaned> {
        let mut loan = self.outlet.loan(&self.way, 1, false)?;
        loan.bytes_mut().fill(self.pushed + 1);
        Some(loan)
    }

    /// As [`push`](Self::push), of what was lent. Gives back what is not sent.
    fn push_loan(&mut self, loan: Loaned) -> Result<bool, Message> {
        self.outlet.push_loan(&self.way, loan, Fold::Nothing, false).map_err(|(_, message)| message)?;
        self.pushed += 1;
        full_fence();
        Ok(self.outlet.tell())
    }

    /// Pushes a message if there is credit.
    fn try_push(&mut self, size: usize) {
        if self.admits() {
            self.push(size).unwrap();
        }
    }

    /// Sleeps until there is credit.
    fn await_credit(&mut self, bell: &Doorbell) {
        while !self.admits() {
            self.outlet.want_room();
            if self.admits() {
                break;
            }
            bell.sleep();
        }
    }
}

impl Session {
    /// As in `transport::stream::wire`. False: there is no more room, and it will be told of some.
    fn load(&mut self) -> bool {
        let Self { lane, queue, hello, .. } = self;
        let mut place = Message::from(Frame::new());
        let mut early = None;
        if planted("lane-taken-early") && queue.pop_into(&mut place) {
            early = Some(mem::take(&mut place));
            queue.publish();
        }
        let is_loaded = lane.load(|| {
            if let Some(message) = hello.take() {
                return Some(Load { message, is_of_pipe: false });
            }
            if let Some(message) = early.take() {
                return Some(Load { message, is_of_pipe: true });
            }
            let is_there = queue.pop_into(&mut place);
            is_there.then(|| Load { message: mem::take(&mut place), is_of_pipe: true })
        });
        queue.publish();
        is_loaded
    }

    /// The peer is gone: all that it has not taken, in order, and what lanes cannot tell.
    fn give_up(&mut self) -> (Vec<u8>, Leftover) {
        let mut leftover = self.lane.retire(true);
        let mut left: Vec<u8> = leftover.messages.drain(..).map(|message| number_of(&message)).collect();
        self.lane.close_queue();
        let mut place = Message::from(Frame::new());
        while self.queue.pop_into(&mut place) {
            left.push(number_of(&place));
        }
        self.queue.publish();
        (left, leftover)
    }
}

impl Reader {
    /// Messages that are there, so many at most. Tells how many.
    fn receive(&mut self, at_most: u8) -> u8 {
        let mut place = Message::from(Frame::new());
        let mut taken = 0;
        while taken < at_most && self.inlet.pop_into(&mut place) {
            let number = number_of(&place);
            if number != HELLO {
                self.popped.fetch_add(1, SeqCst);
            }
            self.got.push(number);
            taken += 1;
        }
        if taken > 0 {
            self.inlet.publish();
        }
        taken
    }

    /// All that comes while `session` moves what is queued on.
    fn receive_all(&mut self, session: &mut Session) {
        while !session.load() || self.receive(1) > 0 {
            while self.receive(1) > 0 {}
        }
    }

    /// Sleeps until there is a message.
    fn await_one(&mut self, bell: &Doorbell) {
        while self.receive(1) == 0 {
            self.inlet.announce();
            if planted("lane-drains-late") {
                mem::take(&mut *bell.is_rung.lock());
            }
            full_fence();
            if self.inlet.ready() {
                continue;
            }
            bell.sleep();
        }
    }
}

fn number_of(message: &Message) -> u8 {
    let bytes = &message[0];
    assert!(bytes.iter().all(|byte| *byte == bytes[0]), "torn");
    bytes[0]
}

fn up_to(last: u8) -> Vec<u8> {
    (1..=last).collect()
}

/// So many messages are there already, of which the ring holds three; then as many as there is credit for of so many, while a
/// session moves on what did not fit and a reader takes some, two at a time: each arrives once and in order.
pub(super) fn all_cross(before: u8, after: u8, loads: u8, looks: u8) {
    // For all but the last, if nothing is taken.
    let (mut owner, mut session, mut reader) =
        world(SMALL, u32::from(before + after) - 2, Bells::default(), Bells::default());
    assert!(session.load());
    (0..before).for_each(|_| owner.try_push(1));
    let sending = thread::spawn(move || {
        (0..after).for_each(|_| owner.try_push(1));
        owner
    });
    let moving = thread::spawn(move || {
        (0..loads).for_each(|_| _ = session.load());
        session
    });
    (0..looks).for_each(|_| _ = reader.receive(2));
    let (owner, mut session) = (sending.join().unwrap(), moving.join().unwrap());
    reader.receive_all(&mut session);
    assert_eq!(reader.got, up_to(owner.pushed));
    end((owner, session, reader));
}

/// A segment that is to take the place of a small one, and has been something else before.
fn successor() -> (Counted<Heap>, Layout) {
    let heap = Counted::new(Heap::of_segment(RING, LARGE));
    (RING..RING + LARGE).step_by(8).for_each(|offset| heap.word(offset).store(u64::MAX, Ordering::Relaxed));
    (heap, Layout { ring: RING, capacity: LARGE })
}

/// The ring is replaced by a larger one while a reader takes some of what is in it, and the owner sends on: each message arrives once
/// and in order, and the ring before is given up.
pub(super) fn all_cross_over(before: u8, after: u8, looks: u8) {
    let (mut owner, mut session, mut reader) =
        world(SMALL, u32::from(before + after), Bells::default(), Bells::default());
    assert!(session.load());
    (0..before).for_each(|_| owner.try_push(1));
    let (next, layout) = successor();
    // That it has was said by way of the system.
    reader.lane.announce(next.clone(), layout, 1).unwrap();
    let sending = thread::spawn(move || {
        (0..after).for_each(|_| owner.try_push(1));
        owner
    });
    let moving = thread::spawn(move || {
        session.lane.grow(next, layout, 1);
        session.load();
        session
    });
    (0..looks).for_each(|_| _ = reader.receive(2));
    let (owner, mut session) = (sending.join().unwrap(), moving.join().unwrap());
    reader.receive_all(&mut session);
    assert_eq!(reader.got, up_to(owner.pushed));
    assert!(session.load());
    assert!(session.lane.chores().spent.is_some());
    end((owner, session, reader));
}

/// Likewise, but the reader says that it reads no more after so many looks: what it has not taken is left over, whichever ring it
/// is in.
pub(super) fn none_is_lost_between(before: u8, after: u8, looks: u8) {
    let (mut owner, mut session, mut reader) =
        world(SMALL, u32::from(before + after), Bells::default(), Bells::default());
    assert!(session.load());
    (0..before).for_each(|_| owner.try_push(1));
    let (next, layout) = successor();
    reader.lane.announce(next.clone(), layout, 1).unwrap();
    let moving = thread::spawn(move || {
        session.lane.grow(next, layout, 1);
        session.load();
        (0..after).for_each(|_| owner.try_push(1));
        session.load();
        (owner, session)
    });
    (0..looks).for_each(|_| _ = reader.receive(1));
    assert_eq!(reader.inlet.drain(), 0);
    let (owner, mut session) = moving.join().unwrap();
    let (left, leftover) = session.give_up();
    assert_eq!(leftover.lost, 0);
    let all: Vec<u8> = reader.got.iter().copied().chain(left).collect();
    assert_eq!(all, up_to(owner.pushed));
    owner.lane.settle(u64::from(owner.pushed));
    end((owner, session, reader));
}

/// What a session has to say first comes first, though the owner has messages already; it gives no credit.
pub(super) fn hello_is_first(after: u8, looks: u8) {
    let (mut owner, mut session, mut reader) = world(SMALL, 1, Bells::default(), Bells::default());
    session.hello = Some(message(HELLO, 1));
    let sending = thread::spawn(move || {
        (0..after).for_each(|_| owner.try_push(1));
        owner
    });
    let moving = thread::spawn(move || {
        session.load();
        session
    });
    (0..looks).for_each(|_| _ = reader.receive(1));
    let (owner, mut session) = (sending.join().unwrap(), moving.join().unwrap());
    reader.receive_all(&mut session);
    assert_eq!(reader.got[0], HELLO);
    assert_eq!(reader.got[1..], up_to(owner.pushed));
    end((owner, session, reader));
}

/// What becomes of a loan.
#[derive(Clone, Copy, Debug)]
pub(super) enum LoanEnds {
    Committed,
    Dropped,
    /// And something else is pushed.
    Forgotten,
}

/// What another peer did not take comes to a session while room is lent, which it would put there: it waits until it is told, and
/// what was lent is written by nobody else.
pub(super) fn a_loan_is_left_alone(ends: LoanEnds) {
    let (mut owner, mut session, mut reader) = world(SMALL, 3, Bells::default(), Bells::default());
    assert!(owner.lend().is_none(), "the session is first");
    assert!(session.load());
    let loan = owner.lend().expect("nothing is in its way");
    session.hello = Some(message(HELLO, 1));
    let sending = thread::spawn(move || {
        match ends {
            LoanEnds::Committed => _ = owner.push_loan(loan).unwrap(),
            LoanEnds::Dropped => drop(loan),
            LoanEnds::Forgotten => {
                mem::forget(loan);
                owner.push(1).unwrap();
            }
        }
        owner
    });
    while !session.load() {
        session.told.0.sleep();
    }
    let owner = sending.join().unwrap();
    reader.receive_all(&mut session);
    let (hellos, rest): (Vec<u8>, Vec<u8>) = reader.got.iter().partition(|number| **number == HELLO);
    assert_eq!((hellos.len(), rest), (1, up_to(owner.pushed)));
    end((owner, session, reader));
}

/// Room is lent, or is about to be, when a session is to go on in a larger ring: what is committed comes out of the ring before, and once,
/// ahead of what is pushed behind it.
pub(super) fn a_loan_keeps_its_ring(ends: LoanEnds, looks: u8) {
    let (mut owner, mut session, mut reader) = world(SMALL, 2, Bells::default(), Bells::default());
    assert!(session.load());
    let (next, layout) = successor();
    reader.lane.announce(next.clone(), layout, 1).unwrap();
    let lending = thread::spawn(move || {
        match (owner.lend(), ends) {
            (Some(loan), LoanEnds::Committed) => _ = owner.push_loan(loan).unwrap(),
            (Some(loan), LoanEnds::Forgotten) => mem::forget(loan),
            (loan, _) => drop(loan),
        }
        owner.push(1).unwrap();
        owner
    });
    let growing = thread::spawn(move || {
        session.lane.grow(next, layout, 1);
        while !session.load() {
            session.told.0.sleep();
        }
        session
    });
    (0..looks).for_each(|_| _ = reader.receive(1));
    let (owner, mut session) = (lending.join().unwrap(), growing.join().unwrap());
    reader.receive_all(&mut session);
    assert_eq!(reader.got, up_to(owner.pushed));
    assert!(session.load());
    assert!(session.lane.chores().spent.is_some(), "the ring before is given up");
    end((owner, session, reader));
}

/// As [`none_is_lost`], of what is lent when the session gives up, and others before and behind it.
pub(super) fn a_loan_outlives_its_lane(before: u8, after: u8) {
    let send_hwm = u32::from(before + after) + 1;
    let (mut owner, mut session, mut reader) = world(SMALL, send_hwm, Bells::default(), Bells::default());
    assert!(session.load());
    (0..before).for_each(|_| owner.try_push(1));
    let loan = owner.lend().expect("nothing is in its way");
    let sending = thread::spawn(move || {
        if let Err(unsent) = owner.push_loan(loan) {
            assert_eq!(number_of(&unsent), owner.pushed + 1);
            return owner;
        }
        for _ in 0..after {
            if owner.push(1) == Err(Refusal::Closed) {
                break;
            }
        }
        owner
    });
    reader.receive(1);
    assert_eq!(reader.inlet.drain(), 0);
    let (left, leftover) = session.give_up();
    let owner = sending.join().unwrap();
    assert_eq!(leftover.lost, 0);
    let all: Vec<u8> = reader.got.iter().copied().chain(left).collect();
    assert_eq!(all, up_to(owner.pushed));
    end((owner, session, reader));
}

/// A reader takes what it finds at so many looks and says that it reads no more, and the session gives up, while the owner pushes
/// so many on top of those that are there: what was taken, left over and queued is what was pushed, in order. So is the credit.
pub(super) fn none_is_lost(before: u8, after: u8, looks: u8) {
    let (mut owner, mut session, mut reader) =
        world(SMALL, u32::from(before + after), Bells::default(), Bells::default());
    assert!(session.load());
    (0..before).for_each(|_| owner.try_push(1));
    // With four or more there is something on its way then.
    session.load();
    let sending = thread::spawn(move || {
        for _ in 0..after {
            assert!(owner.admits());
            if owner.push(1) == Err(Refusal::Closed) {
                break;
            }
        }
        owner
    });
    (0..looks).for_each(|_| _ = reader.receive(1));
    assert_eq!(reader.inlet.drain(), 0);
    assert!(session.lane.is_closed_by_peer());
    let (left, leftover) = session.give_up();
    let mut owner = sending.join().unwrap();
    assert_eq!(leftover.lost, 0);
    let all: Vec<u8> = reader.got.iter().copied().chain(left).collect();
    assert_eq!(all, up_to(owner.pushed));
    // As many as were queued, and as many as were not: nothing is owed.
    owner.lane.settle(u64::from(owner.pushed));
    owner.way.withdraw_credit();
    assert!(!owner.admits());
    owner.way.set_send_hwm(1);
    assert!(owner.admits());
    end((owner, session, reader));
}

/// What a peer had put into its ring before its lane was over comes before what comes over a stream afterwards.
pub(super) fn last_ones_come(messages: u8, looks: u8) {
    let (mut owner, mut session, reader) = world(SMALL, messages.into(), Bells::default(), Bells::default());
    assert!(session.load());
    let Reader { inlet, stream, lane, got, popped } = ManuallyDrop::into_inner(reader);
    let mut stream = ManuallyDrop::new(stream);
    let ending = thread::spawn(move || {
        // Not as a crew does it, which issues a fence.
        for number in 1..=messages {
            let mut message = message(number, 1);
            let Owner { outlet, way, .. } = &mut *owner;
            outlet.push_folded(way, &mut message, Fold::Nothing, false).unwrap();
        }
        // That it has ended reached us by way of the system, behind all it has done.
        assert_eq!(lane.retire(false).lost, 0);
        stream.push_folded(&Way::new(), &mut message(messages + 1, 1), Fold::Nothing).unwrap();
        (owner, stream, lane)
    });
    // It has never been told of the other half.
    let mut reader = ManuallyDrop::new((inlet, got));
    for _ in 0..looks {
        let mut place = Message::from(Frame::new());
        if reader.0.pop_into(&mut place) {
            reader.1.push(number_of(&place));
            reader.0.publish();
        }
    }
    let (owner, stream, lane) = ending.join().unwrap();
    let ((inlet, got), stream) = (ManuallyDrop::into_inner(reader), ManuallyDrop::into_inner(stream));
    let mut reader = ManuallyDrop::new(Reader { inlet, stream, lane, got, popped });
    while reader.receive(1) > 0 {}
    assert_eq!(reader.got, up_to(messages + 1));
    end((owner, session, reader));
}

/// A reader that sleeps is woken by each of so many messages.
pub(super) fn short_ones_wake(messages: u8) {
    let bell = Counted::<Doorbell>::default();
    let readers = Bells(vec![bell.clone()]);
    let (mut owner, mut session, mut reader) = world(SMALL, messages.into(), Bells::default(), readers);
    assert!(session.load());
    let sending = thread::spawn(move || {
        for _ in 0..messages {
            assert!(!owner.push(1).unwrap(), "there is room for all of them");
        }
        owner
    });
    (0..messages).for_each(|_| reader.await_one(&bell));
    let owner = sending.join().unwrap();
    assert_eq!(reader.got, up_to(messages));
    end((owner, session, reader));
}

/// A reader that sleeps is woken by a message that crosses in parts, whose sender sleeps until there is room for the last.
pub(super) fn long_one_wakes() {
    let (near, far) = (Counted::<Doorbell>::default(), Counted::<Doorbell>::default());
    let (senders, readers) = (Bells(vec![near.clone()]), Bells(vec![far.clone()]));
    let (mut owner, mut session, mut reader) = world(LARGE, 1, senders, readers);
    assert!(session.load());
    let sending = thread::spawn(move || {
        // It is whole already if the reader was quick.
        if owner.push(LONG).unwrap() {
            while !session.load() {
                near.sleep();
            }
        }
        (owner, session)
    });
    reader.await_one(&far);
    let (owner, session) = sending.join().unwrap();
    assert_eq!(reader.got, [1]);
    end((owner, session, reader));
}

/// The session of a socket that is knocked at: it does what there is to do on the thread of who knocks.
#[derive(Debug)]
struct Porter(Arc<Tie>);

impl Knock for Porter {
    fn knock(&self) {
        // As `Session::serve_shared`.
        full_fence();
        self.0.tell_consumer(Side::First);
    }
}

/// A message, for the owner of several pipes: `socket::core::Arrival`.
struct Arrival<'a>(&'a mut Crew);

impl Awaited for Arrival<'_> {
    type Ready = Message;

    fn look(&mut self) -> Option<Message> {
        let mut place = Message::from(Frame::new());
        let key = self.0.readable()?;
        self.0.receive_from(key, &mut place).then_some(place)
    }

    fn announce(&mut self) -> bool {
        self.0.before_sleep();
        assert!(self.0.watch_links(&mut Vec::new()), "there is nothing to watch");
        false
    }
}

/// A socket that receives, and two at the other ends of its pipes.
struct Sockets {
    /// The near ones until they have joined.
    ends: [(Option<End>, End); 2],
    near: Arc<Hub>,
    _others: [Arc<Hub>; 2],
    _losses: Arc<Losses>,
}

/// The owner of a socket's pipes.
struct Receiver {
    crew: Crew,
    waiter: Waiter,
}

impl Sockets {
    fn new() -> ManuallyDrop<Self> {
        let losses = Arc::default();
        let options = HubOptions { send_hwm: 0, recv_hwm: 0, seats: 2 };
        let hub = || Hub::new(Profile::plain(), options, Arc::clone(&losses));
        let (near, others) = (hub(), [hub(), hub()]);
        let ends = others.each_ref().map(|other| {
            let tie = Tie::new(other.clone());
            tie.introduce(Side::Second, near.clone(), near.profile());
            let (far, end) = local_pair(&tie, Directions { forth: true, back: false });
            (Some(end), far)
        });
        ManuallyDrop::new(Self { ends, near, _others: others, _losses: losses })
    }

    fn join(&mut self, place: usize) {
        assert!(matches!(self.near.join(self.ends[place].0.take().unwrap()), Joined::Seated));
    }

    fn receiver(&self) -> ManuallyDrop<Receiver> {
        let crew = Crew::new(self.near.clone(), Outward::Balanced);
        ManuallyDrop::new(Receiver { crew, waiter: Waiter::new(WaitPolicy::Park) })
    }
}

impl Receiver {
    /// Sleeps until there is a message. `near` is its socket.
    fn await_one(&mut self, near: &Hub) -> Message {
        self.waiter.wait(near.signal(), None, &mut Arrival(&mut self.crew)).unwrap()
    }
}

/// Messages of the sizes `before` come by the only pipe; then there is one pipe more than is looked at, so the other is armed, and
/// one of `size` wakes its owner. It may find it marked when there is nothing to take: the knock is late, or what has come is a part.
pub(super) fn armed_one_wakes(before: &'static [usize], size: usize) {
    let mut sockets = Sockets::new();
    let bell = Counted::<Doorbell>::default();
    let tie = sockets.ends[0].1.tie().clone();
    let told = Counted::default();
    let (near_lane, far_lane) = lanes(LARGE, Bells(vec![bell.clone()]), Porter(tie.clone()), &told);
    tie.leave_lane(far_lane, 0);
    drop(tie);
    let (mut owner, mut session) = sender(near_lane, 1, told);
    assert!(session.load());
    let mut receiver = sockets.receiver();
    sockets.join(0);
    if before.is_empty() {
        sockets.join(1);
        assert!(receiver.crew.readable().is_none(), "it is armed from the beginning");
    }
    let sending = thread::spawn(move || {
        for &size in before.iter().chain([&size]) {
            if owner.push(size).unwrap() {
                while !session.load() {
                    bell.sleep();
                }
            }
        }
        (owner, session)
    });
    let got = before.iter().map(|_| receiver.await_one(&sockets.near)).collect::<Vec<_>>();
    if !before.is_empty() {
        sockets.join(1);
    }
    let all = got.into_iter().chain([receiver.await_one(&sockets.near)]);
    for ((message, &size), number) in all.zip(before.iter().chain([&size])).zip(1..) {
        assert_eq!((number_of(&message), message.size()), (number, size));
    }
    let (owner, session) = sending.join().unwrap();
    assert_eq!(owner.lane.fault(), None);
    drop((ManuallyDrop::into_inner(owner), ManuallyDrop::into_inner(session)));
    drop((ManuallyDrop::into_inner(receiver), ManuallyDrop::into_inner(sockets)));
}

/// A pipe, hot or armed, comes to share memory while its owner goes to sleep, and its peer sends a message: the owner gets it.
pub(super) fn adopted_one_wakes(is_armed: bool) {
    let mut sockets = Sockets::new();
    let tie = sockets.ends[0].1.tie().clone();
    let told = Counted::default();
    let (near_lane, far_lane) = lanes(SMALL, Bells::default(), Porter(tie.clone()), &told);
    let (mut owner, mut session) = sender(near_lane, 1, told);
    assert!(session.load());
    let mut receiver = sockets.receiver();
    sockets.join(0);
    if is_armed {
        sockets.join(1);
        assert!(receiver.crew.readable().is_none());
    }
    let sharing = {
        let near = sockets.near.clone();
        thread::spawn(move || {
            // As `Link::share`.
            tie.leave_lane(far_lane, 0);
            near.pipe_changed(&tie, Side::Second);
        })
    };
    let sending = thread::spawn(move || {
        assert!(!owner.push(1).unwrap(), "there is room for it");
        owner
    });
    assert_eq!(number_of(&receiver.await_one(&sockets.near)), 1);
    sharing.join().unwrap();
    let owner = sending.join().unwrap();
    assert_eq!(owner.lane.fault(), None);
    drop((ManuallyDrop::into_inner(owner), ManuallyDrop::into_inner(session)));
    drop((ManuallyDrop::into_inner(receiver), ManuallyDrop::into_inner(sockets)));
}

/// A session at the far end of a pipe, on a thread of its own.
struct Porterage {
    lane: Counted<Lane>,
    end: End,
    hub: Arc<Hub>,
}

impl Porterage {
    /// As `Session::write`: moves on what there is, and rests if there is no more. Else it will be told of room.
    fn look(&mut self) {
        let Self { lane, end, hub } = self;
        let mut place = Message::from(Frame::new());
        loop {
            let is_loaded = lane
                .load(|| end.pop_into(&mut place).then(|| Load { message: mem::take(&mut place), is_of_pipe: true }));
            end.publish();
            if !is_loaded || end.rest(hub, Some(lane)) {
                return;
            }
        }
    }
}

/// A crew sends messages of these sizes while the session at its pipe's far end goes to rest: what the owner has put on its way by
/// itself is moved on, too, and a reader that sleeps gets all.
pub(super) fn who_rests_is_told(sizes: &'static [usize]) {
    let (near_bell, far_bell) = (Counted::<Doorbell>::default(), Counted::<Doorbell>::default());
    let told = Counted::new(Told(near_bell.clone()));
    let (lane, far_lane) = lanes(LARGE, Bells(vec![near_bell.clone()]), Bells(vec![far_bell.clone()]), &told);
    let options = HubOptions { send_hwm: 0, recv_hwm: 0, seats: 1 };
    let near = ManuallyDrop::new(Hub::new(Profile::plain(), options, Arc::default()));
    let hub = ManuallyDrop::new(Hub::of_link(Profile::plain(), &told));
    let tie = Tie::new(Arc::clone(&near));
    tie.introduce(Side::Second, Arc::clone(&hub), hub.profile());
    let (near_end, end) = local_pair(&tie, Directions { forth: true, back: false });
    tie.leave_lane(lane.clone(), 0);
    drop(tie);
    assert!(matches!(near.join(near_end), Joined::Seated));
    hub.seat_link(&end);
    let mut session = ManuallyDrop::new(Porterage { lane, end, hub: Arc::clone(&hub) });
    assert!(session.lane.load(|| None), "it has nothing to say first");
    // That the pipe has come is not to hide what comes by it.
    mem::take(&mut *near_bell.is_rung.lock());
    let (stream, inlet) = local::queue();
    let mut inlet = Inlet::new(inlet);
    inlet.add(far_lane.clone(), 0);
    let popped = Counted::new(Plain::new(0));
    let mut reader = ManuallyDrop::new(Reader { inlet, stream, lane: far_lane, got: Vec::new(), popped });
    let mut crew = ManuallyDrop::new(Crew::new(Arc::clone(&near), Outward::Balanced));
    let is_done = Counted::new(AtomicBool::new(false));
    let moving = {
        let (is_done, bell) = (is_done.clone(), near_bell.clone());
        thread::spawn(move || {
            while !is_done.load(Ordering::Acquire) {
                session.look();
                bell.sleep();
            }
            session
        })
    };
    for (number, &size) in (1..).zip(sizes) {
        let key = crew.writable().unwrap();
        crew.send_to(key, &mut message(number, size)).unwrap();
    }
    sizes.iter().for_each(|_| reader.await_one(&far_bell));
    is_done.store(true, Ordering::Release);
    near_bell.ring();
    let session = moving.join().unwrap();
    assert_eq!(reader.got, up_to(sizes.len() as u8));
    assert_eq!((session.lane.fault(), reader.lane.fault()), (None, None));
    // The hub and its session hold each other.
    hub.signal().remove();
    drop(hub.close());
    drop(ManuallyDrop::into_inner(crew));
    drop((ManuallyDrop::into_inner(session), ManuallyDrop::into_inner(reader)));
    drop((ManuallyDrop::into_inner(hub), ManuallyDrop::into_inner(near)));
}

/// A sender without credit that sleeps is woken by a reader that takes one.
pub(super) fn credit_wakes(messages: u8) {
    let bell = Counted::<Doorbell>::default();
    let (mut owner, mut session, mut reader) = world(SMALL, 1, Bells(vec![bell.clone()]), Bells::default());
    assert!(session.load());
    (0..2).for_each(|_| owner.try_push(1));
    assert!(!owner.admits() && owner.pushed == 2);
    let sending = thread::spawn(move || {
        for _ in 0..messages {
            owner.await_credit(&bell);
            owner.push(1).unwrap();
        }
        owner
    });
    while reader.got.len() < usize::from(messages) {
        if reader.receive(1) == 0 {
            thread::yield_now();
        }
    }
    let owner = sending.join().unwrap();
    assert_eq!(reader.got, up_to(messages));
    while reader.receive(1) > 0 {}
    assert_eq!(reader.got, up_to(messages + 2));
    end((owner, session, reader));
}

/// So many messages cross, some of them in parts, while everybody sleeps as soon as there is nothing to do.
#[cfg(shuttle)]
pub(super) fn all_sleep(messages: u8) {
    let [owners, sessions, readers] = std::array::from_fn(|_| Counted::<Doorbell>::default());
    let knocked = Bells(vec![owners.clone(), sessions.clone()]);
    let (mut owner, mut session, mut reader) = world(LARGE, 2, knocked, Bells(vec![readers.clone()]));
    let is_done = Counted::new(AtomicBool::new(false));
    let sending = {
        let (is_done, sessions) = (is_done.clone(), sessions.clone());
        thread::spawn(move || {
            for number in 0..messages {
                owner.await_credit(&owners);
                if owner.push(if number % 3 == 2 { LONG } else { 1 }).unwrap() {
                    sessions.ring();
                }
            }
            is_done.store(true, Ordering::Release);
            sessions.ring();
            owner
        })
    };
    let moving = thread::spawn(move || {
        loop {
            // In this order: what was queued before is there.
            let is_last = is_done.load(Ordering::Acquire);
            if session.load() && is_last {
                break session;
            }
            sessions.sleep();
        }
    });
    (0..messages).for_each(|_| reader.await_one(&readers));
    let (owner, session) = (sending.join().unwrap(), moving.join().unwrap());
    assert_eq!(reader.got, up_to(messages));
    end((owner, session, reader));
}
