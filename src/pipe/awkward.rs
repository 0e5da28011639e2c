//! A flavor that keeps the contract in the most inconvenient way, so that tests find who relies on more than that.
//!
//! What is pushed lies in an *outbox* until the *courier*, one thread for the context, moves it to the *inbox*, some
//! messages at a time, from pipes picked at random. An inbox is bounded in bytes.
//!
//! ```text
//!   push ──► outbox ── courier ──► inbox ──► pop          credit: pushed less published pops, both boxes together
//! ```
//!
//! - An end that is dropped with messages in its outbox goes to the courier, and the peer hears of the close when they
//!   are delivered. It stops receiving at once.
//! - The courier kills a pipe when asked to, after so many steps: both sides see the other gone, what was in an outbox
//!   is lost and counted as the sender's, what was in an inbox is still poppable.
//! - Nothing else runs on the courier: ends it closes are dropped by a thread of their own, as destructors of payloads
//!   may wait for messages that only the courier delivers.
//!
//! Exists under the feature `awkward-pipes` only. Slow, and simple on purpose: every box is under a lock.

#![forbid(unsafe_code)]

use std::{collections::VecDeque, fmt, mem};

use super::{Directions, End, Inlet as AnyInlet, Lost, Outlet as AnyOutlet, Refusal, Side, Tie, Way, tie::Closed};
use crate::{
    Message,
    sync::{Arc, Mutex, full_fence, thread},
    wait::{Awaited, Signal, WaitPolicy, Waiter},
};

/// The thread that delivers. Ends with its last work once this handle is dropped.
pub(crate) struct Courier {
    desk: Arc<Desk>,
}

/// The half an owner pushes into.
pub(crate) struct Outlet {
    pipe: Arc<Pipe>,
    from: Side,
}

/// The half an owner pops from.
pub(crate) struct Inlet {
    pipe: Arc<Pipe>,
    /// The side the messages come from.
    from: Side,
}

/// Where work for the courier lies.
struct Desk {
    signal: Signal,
    work: Mutex<Work>,
}

struct Work {
    /// Ways with something to move: each at most once, see `Boxes::listed`.
    ways: Vec<(Arc<Pipe>, Side)>,
    /// Ends to be closed when their outbox is empty or nobody wants it.
    closing: Vec<End>,
    /// Jobs taken and not done.
    under_way: usize,
    /// Steps until a pipe is killed.
    kill_in: Option<u64>,
    stopped: bool,
    dice: u64,
}

struct Pipe {
    tie: Arc<Tie>,
    /// By the side messages come from.
    boxes: [Mutex<Boxes>; 2],
    desk: Arc<Desk>,
}

/// One way of a pipe.
#[derive(Default)]
struct Boxes {
    outbox: VecDeque<Message>,
    inbox: VecDeque<Message>,
    /// Bytes in the inbox.
    inbox_size: usize,
    pushed: u64,
    popped: u64,
    /// Popped, and published.
    taken: u64,
    /// The courier knows that there is something to move.
    listed: bool,
    killed: bool,
}

/// Payload bytes an inbox holds; a larger message gets in alone.
const INBOX_SIZE_MAX: usize = 256;
/// Messages moved in one step, at the most.
const STEP_MAX: u64 = 5;
/// One step in so many is followed by a yield.
const YIELD_EVERY: u64 = 8;

impl Courier {
    pub(crate) fn new(seed: u64) -> Self {
        let work =
            Work { ways: Vec::new(), closing: Vec::new(), under_way: 0, kill_in: None, stopped: false, dice: seed };
        let desk = Arc::new(Desk { signal: Signal::new(), work: Mutex::new(work) });
        let its_desk = desk.clone();
        thread::spawn(move || Desk::serve(&its_desk));
        Self { desk }
    }

    /// As [`local_pair`](super::local_pair).
    pub(crate) fn pair(&self, tie: &Arc<Tie>, directions: Directions) -> (End, End) {
        let pipe = Arc::new(Pipe { tie: tie.clone(), boxes: Default::default(), desk: self.desk.clone() });
        let half = |from: Side, exists: bool| {
            let outlet = exists.then(|| AnyOutlet::Awkward(Outlet { pipe: pipe.clone(), from }));
            (outlet, exists.then(|| AnyInlet::Awkward(Inlet { pipe: pipe.clone(), from })))
        };
        let (forth, back) = (half(Side::First, directions.forth), half(Side::Second, directions.back));
        (End::new(tie.clone(), Side::First, forth.0, back.1), End::new(tie.clone(), Side::Second, back.0, forth.1))
    }

    /// Kills the pipe that step number `steps` from now serves.
    pub(crate) fn kill_after(&self, steps: u64) {
        self.desk.work.lock().kill_in = Some(steps);
    }

    /// Waits until everything is moved and closed that can be.
    pub(crate) fn settle(&self) {
        while !self.desk.work.lock().is_idle() {
            thread::yield_now();
        }
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.desk.work.lock().stopped = true;
        self.desk.signal.fence_and_notify();
    }
}

impl Outlet {
    pub(crate) fn admits(&mut self, way: &Way) -> Result<(), Refusal> {
        let boxes = self.pipe.boxes(self.from).lock();
        if boxes.pushed - boxes.taken < way.limit() { Ok(()) } else { Err(Refusal::Full) }
    }

    pub(crate) fn push(&mut self, way: &Way, message: &mut Message) -> Result<(), Refusal> {
        let mut boxes = self.pipe.boxes(self.from).lock();
        if boxes.killed || way.consumer_gone() {
            return Err(Refusal::Closed);
        }
        boxes.pushed += 1;
        boxes.outbox.push_back(mem::take(message));
        let enlist = !mem::replace(&mut boxes.listed, true);
        drop(boxes);
        if enlist {
            Pipe::enlist(&self.pipe, self.from);
        }
        Ok(())
    }

    /// Takes out what nobody will pop any more, and tells how many that was.
    pub(crate) fn untaken(&mut self) -> u64 {
        let mut boxes = self.pipe.boxes(self.from).lock();
        // A killed pipe's inbox is still the consumer's.
        let inbox = if boxes.killed { VecDeque::new() } else { mem::take(&mut boxes.inbox) };
        let lost = [mem::take(&mut boxes.outbox), inbox];
        drop(boxes);
        lost.iter().map(|messages| messages.len() as u64).sum()
    }

    /// Is there something the peer can still get, though not yet?
    pub(crate) fn delays_close(&self) -> bool {
        let boxes = self.pipe.boxes(self.from).lock();
        !boxes.outbox.is_empty() && !self.pipe.tie.way_from(self.from).consumer_gone()
    }

    /// Gives `end`, which this outlet belongs to, to the courier, to be closed when nothing delays it.
    pub(crate) fn close_later(pipe_end: End) {
        let Some(AnyOutlet::Awkward(outlet)) = &pipe_end.outlet else { return };
        let desk = outlet.pipe.desk.clone();
        desk.work.lock().closing.push(pipe_end);
        desk.signal.fence_and_notify();
    }
}

impl Inlet {
    pub(crate) fn ready(&mut self) -> bool {
        !self.pipe.boxes(self.from).lock().inbox.is_empty()
    }

    pub(crate) fn pop(&mut self) -> Option<Message> {
        let mut boxes = self.pipe.boxes(self.from).lock();
        let message = boxes.inbox.pop_front()?;
        boxes.inbox_size -= message.size();
        boxes.popped += 1;
        let enlist = !boxes.outbox.is_empty() && !mem::replace(&mut boxes.listed, true);
        drop(boxes);
        if enlist {
            Pipe::enlist(&self.pipe, self.from);
        }
        Some(message)
    }

    pub(crate) fn publish(&mut self) {
        let mut boxes = self.pipe.boxes(self.from).lock();
        boxes.taken = boxes.popped;
    }

    /// Drops what is in the inbox. Returns how many messages.
    pub(crate) fn drain(&mut self) -> u64 {
        let mut boxes = self.pipe.boxes(self.from).lock();
        let lost = mem::take(&mut boxes.inbox);
        boxes.inbox_size = 0;
        boxes.popped += lost.len() as u64;
        boxes.taken = boxes.popped;
        drop(boxes);
        lost.len() as u64
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        // An end whose messages nobody wants any more can be closed.
        self.pipe.desk.signal.fence_and_notify();
    }
}

impl Pipe {
    fn boxes(&self, from: Side) -> &Mutex<Boxes> {
        &self.boxes[from as usize]
    }

    fn enlist(this: &Arc<Self>, from: Side) {
        this.desk.work.lock().ways.push((this.clone(), from));
        this.desk.signal.fence_and_notify();
    }

    /// Moves up to `count` messages. Tells whether it could move more.
    fn deliver(&self, from: Side, count: u64) -> bool {
        let mut boxes = self.boxes(from).lock();
        let mut moved = 0;
        while moved < count && boxes.has_room() && !self.tie.way_from(from).consumer_gone() {
            let Some(message) = boxes.outbox.pop_front() else { break };
            boxes.inbox_size += message.size();
            boxes.inbox.push_back(message);
            moved += 1;
        }
        let more = boxes.has_room() && !self.tie.way_from(from).consumer_gone();
        boxes.listed = more;
        drop(boxes);
        if moved > 0 {
            full_fence();
            self.tie.tell_consumer(from);
        }
        more
    }

    /// Cuts the pipe, whatever state it is in. What is returned is lost, and counted.
    fn kill(&self) -> Vec<VecDeque<Message>> {
        let mut lost = Vec::new();
        for from in [Side::First, Side::Second] {
            let mut boxes = self.boxes(from).lock();
            boxes.killed = true;
            let mut undelivered = mem::take(&mut boxes.outbox);
            drop(boxes);
            let way = self.tie.way_from(from);
            if way.close_producer() == Closed::Second {
                // The consumer had gone before, and the producer will leave this to us.
                undelivered.append(&mut self.boxes(from).lock().inbox);
            }
            way.close_consumer();
            if let Some(hub) = self.tie.hub(from) {
                hub.count_lost(Lost { undelivered: undelivered.len() as u64, unread: 0 });
            }
            lost.push(undelivered);
        }
        for side in [Side::First, Side::Second] {
            if let Some(hub) = self.tie.hub(side) {
                hub.peer_left(&self.tie, side);
            }
        }
        lost
    }
}

impl Boxes {
    /// Can the next message be moved?
    fn has_room(&self) -> bool {
        let fits = |message: &Message| self.inbox.is_empty() || self.inbox_size + message.size() <= INBOX_SIZE_MAX;
        self.outbox.front().is_some_and(fits)
    }
}

/// What the courier does next.
enum Job {
    Move(Arc<Pipe>, Side),
    Close(End),
    Stop,
}

impl Desk {
    fn serve(this: &Arc<Self>) {
        let mut waiter = Waiter::new(WaitPolicy::Park);
        loop {
            match waiter.wait(&this.signal, None, &mut Next(this)) {
                Ok(Job::Move(pipe, from)) => Self::step(this, pipe, from),
                Ok(Job::Close(end)) => Self::drop_elsewhere(this, end),
                Ok(Job::Stop) | Err(_) => return,
            }
        }
    }

    fn step(this: &Arc<Self>, pipe: Arc<Pipe>, from: Side) {
        let roll = this.work.lock().roll();
        let more = pipe.deliver(from, 1 + roll % STEP_MAX);
        let mut work = this.work.lock();
        if more {
            work.ways.push((pipe.clone(), from));
        }
        work.under_way -= 1;
        let kills = work.kill_in == Some(0);
        work.kill_in = work.kill_in.and_then(|steps| steps.checked_sub(1));
        if kills {
            work.under_way += 1;
        }
        drop(work);
        if kills {
            let lost = pipe.kill();
            Self::drop_elsewhere(this, lost);
        }
        drop(pipe);
        if (roll >> 32).is_multiple_of(YIELD_EVERY) {
            thread::yield_now();
        }
    }

    /// Drops `what` on a thread of its own. The job is done when that is.
    fn drop_elsewhere(this: &Arc<Self>, what: impl Send + 'static) {
        /// Says that the job is done, also when a destructor panicked.
        struct Done(Arc<Desk>);

        impl Drop for Done {
            fn drop(&mut self) {
                self.0.work.lock().under_way -= 1;
                self.0.signal.fence_and_notify();
            }
        }

        let done = Done(this.clone());
        thread::spawn(move || {
            drop(what);
            drop(done);
        });
    }
}

impl Work {
    fn is_idle(&self) -> bool {
        self.ways.is_empty() && self.under_way == 0 && !self.closing.iter().any(is_closable)
    }

    fn take(&mut self) -> Option<Job> {
        let job = if let Some(place) = self.closing.iter().position(is_closable) {
            Job::Close(self.closing.swap_remove(place))
        } else if self.ways.is_empty() {
            return (self.stopped && self.under_way == 0).then_some(Job::Stop);
        } else {
            let place = self.roll() as usize % self.ways.len();
            let (pipe, from) = self.ways.swap_remove(place);
            Job::Move(pipe, from)
        };
        self.under_way += 1;
        Some(job)
    }

    /// The next of a sequence that depends on the seed only (Steele, Lea and Flood: SplitMix64).
    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

fn is_closable(end: &End) -> bool {
    !matches!(&end.outlet, Some(AnyOutlet::Awkward(outlet)) if outlet.delays_close())
}

struct Next<'a>(&'a Desk);

impl Awaited for Next<'_> {
    type Ready = Job;

    fn look(&mut self) -> Option<Job> {
        self.0.work.lock().take()
    }
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Courier").finish_non_exhaustive()
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("from", &self.from).finish_non_exhaustive()
    }
}

impl fmt::Debug for Inlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inlet").field("from", &self.from).finish_non_exhaustive()
    }
}
