//! What happens to a socket, as values: peers that come and go, endpoints, what was lost.
//!
//! ```
//! use ringway::{Context, Pull, Push};
//!
//! let context = Context::new();
//! let (mut source, mut sink) = (Push::new(&context)?, Pull::new(&context)?);
//! let monitor = sink.monitor();
//! sink.bind("inproc://work")?;
//! source.connect("inproc://work")?;
//! drop(source);
//! drop(sink);
//!
//! for event in monitor {
//!     println!("{event}");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A socket has any number of monitors, each with all events from when it was made. It tells them from whichever thread
//! causes an event and never waits for them: a monitor holds so many events, and when its reader does not keep up the
//! oldest give way, and their number is told in their place. A socket that nobody monitors pays one load where a pipe
//! comes or goes, and nothing for a message.
//!
//! # Order
//!
//! All monitors of a socket hear the same events in the same order. What is told of one peer is told under the lock of
//! the socket's hub, so it comes in the order of the table of [`EventKind`]. Nobody is woken under that lock.
//!
//! This room knows no socket. Whoever has something to tell is handed a `Sink`.
//!
//! Contents: `event` the values, `failure` the reasons in them, `errno` their numbers; here how they get from who tells them to who reads.

#![forbid(unsafe_code)]

#[cfg(unix)]
mod errno;
mod event;
mod failure;

pub use event::{Event, EventKind, PeerId, PeerInfo, PeerMetadata, PeerState, Road, Traffic};
pub use failure::{
    AcceptFailure, BindFailure, ConnectFailure, DisconnectReason, Fault, HandshakeFailure, PeerCredentials,
    ProtocolViolation, UpgradeFailure, UpgradeObstacle,
};

use std::{
    collections::VecDeque,
    fmt,
    time::{Duration, Instant},
};

use crate::{
    fork::{Denied, Process},
    sync::{Arc, AtomicBool, Mutex, Ordering, planted},
    wait::{Awaited, Signal, WaitPolicy, Waiter},
};

/// Events a monitor holds unless said otherwise.
///
/// Some 100 KiB when full, which takes hundreds of peers that come or go while nobody reads.
pub const DEFAULT_CAPACITY: usize = 1000;

/// Tells what happens to a socket. Made by a socket's `monitor`.
///
/// It first gets what is there already, as if it had just happened: endpoints bound, connections and peers. Then all that
/// happens. It outlives its socket: what was told is read to the end, which is [`EventKind::Closed`]; then reading
/// fails. Dropping it detaches it.
///
/// `Send`: it may be read by any thread, one at a time. It is an iterator that waits, until the socket is closed.
pub struct Monitor {
    queue: Arc<Queue>,
    monitors: Arc<Monitors>,
    waiter: Waiter,
    /// In another, which was forked off it, its locks are nobody's.
    made_in: Process,
}

impl Monitor {
    /// The next event; waits for one as long as it takes.
    ///
    /// # Errors
    /// The socket is closed, and all events have been read.
    pub fn recv(&mut self) -> Result<Event, RecvError> {
        self.wait(None)
    }

    /// The next event, if one is there. Never waits.
    ///
    /// # Errors
    /// None is there, or the socket is closed, and all events have been read.
    pub fn try_recv(&mut self) -> Result<Event, RecvError> {
        if !self.made_in.is_this() {
            return Err(RecvError::Forked);
        }
        self.queue.pop()
    }

    /// The next event; waits for one, `timeout` at the most.
    ///
    /// # Errors
    /// None came in time, or the socket is closed, and all events have been read.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Event, RecvError> {
        // A time the clock does not reach is for ever.
        self.wait(Instant::now().checked_add(timeout))
    }

    /// The events that are there, until there is none.
    pub fn try_iter(&mut self) -> impl Iterator<Item = Event> {
        std::iter::from_fn(|| self.try_recv().ok())
    }

    /// Changes how waiting calls idle. [`WaitPolicy::Park`] unless said otherwise: events are rare.
    pub fn set_wait(&mut self, policy: WaitPolicy) {
        self.waiter.set_policy(policy);
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Result<Event, RecvError> {
        if !self.made_in.is_this() {
            return Err(RecvError::Forked);
        }
        let mut awaited = News(&self.queue);
        self.waiter.wait(&self.queue.signal, deadline, &mut awaited).unwrap_or(Err(RecvError::TimedOut))
    }

    /// What ends this monitor, from any thread, while another waits for its events.
    pub fn stopper(&self) -> MonitorStopper {
        MonitorStopper { queue: self.queue.clone(), monitors: self.monitors.clone(), made_in: self.made_in }
    }

    /// Notified after each event, and when the socket is closed.
    #[allow(dead_code, reason = "a poller waits by it")]
    pub(crate) fn signal(&self) -> &Signal {
        &self.queue.signal
    }

    /// Would a call return at once? "Yes" stays true until one does.
    #[allow(dead_code, reason = "a poller looks by it")]
    pub(crate) fn is_ready(&self) -> bool {
        let backlog = self.queue.backlog.lock();
        !backlog.events.is_empty() || backlog.closed
    }
}

impl Iterator for Monitor {
    type Item = Event;

    /// As [`recv`](Monitor::recv): waits; `None` once the socket is closed.
    fn next(&mut self) -> Option<Event> {
        self.recv().ok()
    }
}

/// Of a socket that another process owns: it is told that the socket is closed.
impl Denied for Monitor {
    fn denied() -> Self {
        let nobody = Monitors::new();
        let monitor = Monitors::attach(&nobody, 1, 1, Vec::new());
        nobody.close();
        monitor
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        if self.made_in.is_this() {
            self.monitors.detach(&self.queue);
        }
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").finish_non_exhaustive()
    }
}

/// Ends a [`Monitor`] from any thread. Made by [`Monitor::stopper`].
#[derive(Clone)]
pub struct MonitorStopper {
    queue: Arc<Queue>,
    monitors: Arc<Monitors>,
    made_in: Process,
}

impl MonitorStopper {
    /// The monitor is told nothing any more. What it has been told is read to the end; then reading fails, as if the socket
    /// were closed, and a call that waits returns. The socket is not touched, and other monitors go on.
    pub fn stop(&self) {
        if !self.made_in.is_this() {
            return;
        }
        self.monitors.detach(&self.queue);
        self.queue.backlog.lock().closed = true;
        if !planted("monitor-stop-silent") {
            // No fence, as in `Monitors::wake`.
            self.queue.signal.notify();
        }
    }
}

impl fmt::Debug for MonitorStopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MonitorStopper").finish_non_exhaustive()
    }
}

/// Something was told, or nothing will be any more.
struct News<'a>(&'a Queue);

impl Awaited for News<'_> {
    type Ready = Result<Event, RecvError>;

    fn look(&mut self) -> Option<Self::Ready> {
        match self.0.pop() {
            Err(RecvError::Empty) => None,
            done => Some(done),
        }
    }
}

/// Where rooms below the socket tell what happens.
pub(crate) trait Sink {
    /// Does anybody listen? One load; what is costly to tell is made only then.
    fn is_watched(&self) -> bool;

    /// Tells `kind` and wakes nobody. Under any lock: the caller calls `wake` later.
    fn push(&self, kind: EventKind);

    /// Wakes those who sleep until they are told something. With no lock of a hub held.
    fn wake(&self);

    /// Tells `kind`. With no lock of a hub held.
    fn tell(&self, kind: EventKind) {
        self.push(kind);
        self.wake();
    }
}

/// The monitors of a socket.
#[derive(Debug)]
pub(crate) struct Monitors {
    /// Written under the lock.
    watched: AtomicBool,
    /// Innermost but for the queues': whoever holds it takes no other.
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    queues: Vec<Arc<Queue>>,
}

/// Number of a monitor among those of its socket, from 1.
pub(crate) type Number = u32;

/// Of all monitors there will ever be.
pub(crate) const EVERYBODY: Number = Number::MAX;

impl Monitors {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { watched: AtomicBool::new(false), list: Mutex::default() })
    }

    /// Adds a monitor, which first gets `present`, all of it.
    ///
    /// No method: loom's `Arc` is not one a method can take.
    pub(crate) fn attach(this: &Arc<Self>, number: Number, capacity: usize, present: Vec<EventKind>) -> Monitor {
        let at = Instant::now();
        let events = present.into_iter().map(|kind| Event { at, kind }).collect();
        let backlog = Backlog { events, missed: 0, missed_at: at, closed: false };
        let queue =
            Arc::new(Queue { number, capacity: capacity.max(1), backlog: Mutex::new(backlog), signal: Signal::new() });
        let mut list = this.list.lock();
        list.queues.push(queue.clone());
        // Relaxed: who must see it learns of the monitor by a lock, or is the thread that made it.
        this.watched.store(true, Ordering::Relaxed);
        drop(list);
        Monitor { queue, monitors: this.clone(), waiter: Waiter::new(WaitPolicy::Park), made_in: Process::this() }
    }

    /// As [`Sink::push`], for monitors up to number `last`.
    pub(crate) fn push_to(&self, last: Number, kind: EventKind) {
        let list = self.list.lock();
        // Under the lock, so that stamps never go back.
        let at = Instant::now();
        for queue in list.queues.iter().filter(|queue| queue.number <= last) {
            queue.push(Event { at, kind: kind.clone() });
        }
    }

    /// The socket is closed: tells so, and nothing any more.
    pub(crate) fn close(&self) {
        let mut list = self.list.lock();
        let queues = std::mem::take(&mut list.queues);
        self.watched.store(false, Ordering::Relaxed);
        let at = Instant::now();
        queues.iter().for_each(|queue| queue.close(Event { at, kind: EventKind::Closed }));
        drop(list);
        if !planted("monitor-close-silent") {
            for queue in queues {
                queue.signal.notify();
            }
        }
    }

    fn detach(&self, queue: &Arc<Queue>) {
        let mut list = self.list.lock();
        list.queues.retain(|other| !Arc::ptr_eq(other, queue));
        if list.queues.is_empty() {
            self.watched.store(false, Ordering::Relaxed);
        }
    }

    fn queue(&self, index: usize) -> Option<Arc<Queue>> {
        self.list.lock().queues.get(index).cloned()
    }
}

impl Sink for Monitors {
    fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    fn push(&self, kind: EventKind) {
        self.push_to(EVERYBODY, kind);
    }

    fn wake(&self) {
        if !self.is_watched() {
            return;
        }
        // Each without the list's lock: a wake may run code of others. One that is detached meanwhile moves another into
        // its place, at the worst an earlier one, which is woken twice; so from the back.
        let count = self.list.lock().queues.len();
        for index in (0..count).rev() {
            if let Some(queue) = self.queue(index)
                && !planted("monitor-wake-silent")
            {
                // No fence: the publication and the sleeper's look are both under the queue's lock, which orders them,
                // and with them the announcement before the look and the notification after the publication.
                queue.signal.notify();
            }
        }
    }
}

/// What one monitor has been told and not read.
#[derive(Debug)]
struct Queue {
    number: Number,
    /// Events it holds before the oldest give way, unless what was there before it was more.
    capacity: usize,
    backlog: Mutex<Backlog>,
    signal: Signal,
}

#[derive(Debug)]
struct Backlog {
    events: VecDeque<Event>,
    /// Events that gave way since the last one read: they stand before all in `events`.
    missed: u64,
    /// When the last of them was told.
    missed_at: Instant,
    closed: bool,
}

impl Queue {
    fn push(&self, event: Event) {
        self.add(&mut self.backlog.lock(), event);
    }

    fn close(&self, last: Event) {
        let mut backlog = self.backlog.lock();
        self.add(&mut backlog, last);
        backlog.closed = true;
    }

    fn add(&self, backlog: &mut Backlog, event: Event) {
        if backlog.events.len() >= self.capacity
            && let Some(oldest) = backlog.events.pop_front()
        {
            backlog.missed += u64::from(!planted("monitor-missed-uncounted"));
            backlog.missed_at = oldest.at;
        }
        backlog.events.push_back(event);
    }

    fn pop(&self) -> Result<Event, RecvError> {
        let mut backlog = self.backlog.lock();
        if backlog.missed > 0 {
            let missed = std::mem::take(&mut backlog.missed);
            return Ok(Event { at: backlog.missed_at, kind: EventKind::Missed(missed) });
        }
        let empty = if backlog.closed { RecvError::Closed } else { RecvError::Empty };
        backlog.events.pop_front().ok_or(empty)
    }
}

/// No event was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvError {
    /// None is there. Only from calls that do not wait.
    Empty,
    /// None came in time.
    TimedOut,
    /// The socket is closed, and all events have been read. Final.
    Closed,
    /// The monitor belongs to the process this one was forked off.
    Forked,
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "no event is there",
            Self::TimedOut => "no event came in time",
            Self::Closed => "the socket is closed and all its events have been read",
            Self::Forked => "the monitor belongs to the process this one was forked off",
        })
    }
}

impl std::error::Error for RecvError {}

#[cfg(all(test, any(loom, shuttle)))]
mod models {
    //! A socket that tells and closes, and a monitor that sleeps, over the interleavings of the model checkers.
    //!
    //! `RUSTFLAGS="--cfg loom" cargo test -p ringway --release --lib --target-dir target/loom monitor -- --nocapture`

    use std::mem::ManuallyDrop;

    use super::*;
    use crate::sync::{thread, with_plant};

    fn event(number: u64) -> EventKind {
        EventKind::PeerLeft { peer: PeerId::new(number), undelivered: 0, unread: 0 }
    }

    /// A monitor that holds `capacity` reads what is told while it sleeps and reads: all, in order, or so many missed.
    fn told_and_closed(events: u64, capacity: usize) {
        let monitors = ManuallyDrop::new(Monitors::new());
        // A model that failed unwinds past it, and loom's parts must not be dropped then.
        let mut monitor = ManuallyDrop::new(Monitors::attach(&monitors, 1, capacity, Vec::new()));
        let telling = thread::spawn(move || {
            (0..events).for_each(|number| monitors.tell(event(number)));
            monitors.close();
            monitors
        });
        let (mut next, mut closed) = (0, false);
        while let Ok(event) = monitor.recv() {
            assert!(!closed);
            match event.kind {
                EventKind::PeerLeft { peer, .. } => {
                    assert_eq!(peer.number(), next);
                    next += 1;
                }
                EventKind::Missed(events) => next += events,
                _ => closed = true,
            }
        }
        assert!(closed && next == events);
        drop(ManuallyDrop::into_inner(telling.join().unwrap()));
        drop(ManuallyDrop::into_inner(monitor));
    }

    /// A monitor goes while another sleeps and both are told.
    fn detached(events: u64) {
        let monitors = ManuallyDrop::new(Monitors::new());
        let other = ManuallyDrop::new(Monitors::attach(&monitors, 1, 9, Vec::new()));
        let mut monitor = ManuallyDrop::new(Monitors::attach(&monitors, 2, 9, Vec::new()));
        let telling = thread::spawn(move || {
            (0..events).for_each(|number| monitors.tell(event(number)));
            monitors
        });
        drop(ManuallyDrop::into_inner(other));
        for number in 0..events {
            assert_eq!(monitor.recv().unwrap().kind, event(number));
        }
        drop(ManuallyDrop::into_inner(telling.join().unwrap()));
        drop(ManuallyDrop::into_inner(monitor));
    }

    /// A monitor is stopped by a third while it sleeps and is told: it reads the first of what was told, and ends.
    fn stopped(events: u64) {
        let monitors = ManuallyDrop::new(Monitors::new());
        let mut monitor = ManuallyDrop::new(Monitors::attach(&monitors, 1, 9, Vec::new()));
        let stopper = monitor.stopper();
        let telling = thread::spawn(move || {
            (0..events).for_each(|number| monitors.tell(event(number)));
            monitors
        });
        let stopping = thread::spawn(move || {
            stopper.stop();
            ManuallyDrop::new(stopper)
        });
        let mut next = 0;
        while let Ok(told) = monitor.recv() {
            assert_eq!(told.kind, event(next));
            next += 1;
        }
        assert!(next <= events && monitor.recv() == Err(RecvError::Closed));
        drop(ManuallyDrop::into_inner(stopping.join().unwrap()));
        drop(ManuallyDrop::into_inner(telling.join().unwrap()));
        drop(ManuallyDrop::into_inner(monitor));
    }

    #[cfg(loom)]
    fn explore(name: &str, program: fn()) {
        let executions = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = executions.clone();
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(4);
        builder.check(move || {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            program();
        });
        println!("loom {name}: {} executions", executions.load(std::sync::atomic::Ordering::Relaxed));
    }

    #[cfg(shuttle)]
    fn explore(name: &str, program: fn()) {
        shuttle::check_random(program, 10_000);
        println!("shuttle {name}: 10000 executions");
    }

    #[test]
    fn what_is_told_is_read() {
        explore("told_and_closed(2, 9)", || told_and_closed(2, 9));
        explore("told_and_closed(3, 1)", || told_and_closed(3, 1));
        explore("detached(1)", || detached(1));
        explore("stopped(1)", || stopped(1));
    }

    #[test]
    fn planted_bugs_are_caught() {
        let caught = |plant, program| assert!(with_plant(plant, || explore(plant, program)), "{plant} was not caught");
        caught("monitor-close-silent", || told_and_closed(1, 9));
        caught("monitor-wake-silent", || detached(1));
        caught("monitor-stop-silent", || stopped(0));
        caught("monitor-missed-uncounted", || told_and_closed(3, 1));
        caught("waiter-no-second-look", || detached(1));
    }
}
