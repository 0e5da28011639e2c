//! The loop that turns readiness into work: mio's poll, a queue of visits, timers.
//!
//! A reactor knows no transport. What it serves is a [`Source`]: something registered under a token, which is told when a
//! descriptor of its is ready, when somebody asked for a visit, and when its alarm is due. Everything may be asked of it from
//! any thread. It is turned by a thread of its own ([`Reactor::spawn`]), or by the callers of a context without one
//! ([`Reactor::turn`]), one at a time.
//!
//! # Sleeping
//!
//! The loop sleeps in `epoll_wait`. Who has left something in its queue looks at a [`Signal`] as for any other sleeper, whose
//! target is an eventfd in that epoll: a busy loop costs its users a load.
//!
//! Where no thread turns it ([`Reactor::for_callers`]) any number of threads sleep on that epoll, as on any descriptor, each
//! with its own affairs beside it. So all there may be to do makes it readable, between turns as well: a turn ends as a sleep
//! begins, with the announcement, a fence and a look at the queue, and the next alarm is a timer descriptor, which is set at
//! the end of each turn.
//!
//! # Soon
//!
//! A visit *soon* is one that may wait some tens of microseconds, so that what comes in the meantime is done in one go. It
//! comes by a timer descriptor, as `epoll_wait` counts milliseconds; one system call for all that ask before it fires.

mod due;
mod soon;

use std::{
    fmt, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Registry, Token, Waker, unix::SourceFd};
use slab::Slab;

use crate::{
    affinity,
    sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering, full_fence},
    system,
    timer::Deadlines,
    wait::{Signal, Sleep, Target, Watched},
};
use due::Due;
use soon::Soon;

/// What a reactor serves. Called by whoever turns it, with no lock of the reactor held.
pub(crate) trait Source: Send + Sync + fmt::Debug {
    /// A descriptor registered under its token became ready.
    fn ready(&self, readiness: Readiness);

    /// Somebody asked for a visit.
    fn visit(&self);

    /// The alarm it set is due. Returns when it is to be called next.
    fn alarm(&self, now: Instant) -> Option<Instant>;

    /// Called some milliseconds after each [`Reactor::lend`], and again as long as it answers true.
    fn inspect(&self) -> bool {
        false
    }

    /// It is to end at once.
    fn end(&self);
}

/// What a descriptor became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The other end has closed its direction, or something is the matter: readable to the end.
    pub(crate) hung_up: bool,
}

/// Names a source of one reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(usize);

/// See the module. A handle: clones are the same reactor.
#[derive(Clone)]
pub(crate) struct Reactor {
    shared: Arc<Shared>,
}

struct Shared {
    registry: Registry,
    sources: Mutex<Slab<Arc<dyn Source>>>,
    timers: Mutex<Deadlines<Id>>,
    queue: Mutex<Vec<Id>>,
    soon: Soon,
    signal: Signal,
    /// What the signal reaches.
    bell: Arc<Bell>,
    /// Somebody sleeps until there is an edge: see [`Reactor::owe_edges`].
    owes_edges: AtomicBool,
    /// Such a one may have found another thread turning it.
    was_asked: AtomicBool,
    /// Sources a caller works for.
    loans: Soon,
    /// Of the poll in the wheel.
    epoll: RawFd,
    turns: AtomicU64,
    stopped: AtomicBool,
    /// Of whoever turns it.
    wheel: Mutex<Wheel>,
}

struct Wheel {
    poll: Poll,
    events: Events,
    visits: Vec<Id>,
    inspections: Vec<Id>,
    /// Where callers turn it: what wakes them for the next alarm.
    due: Option<Due>,
}

/// The thread of a reactor.
#[derive(Debug)]
pub(crate) struct Engine {
    reactor: Reactor,
    thread: Option<JoinHandle<()>>,
}

/// Events taken from the kernel at once: a turn's worth.
const EVENTS: usize = 256;
/// Not a source: the eventfd that ends a sleep, and the timer of visits soon.
const WAKE: Token = Token(usize::MAX - 1);
const SOON: Token = Token(usize::MAX - 2);
const INSPECT: Token = Token(usize::MAX - 3);
const DUE: Token = Token(usize::MAX - 4);
/// How long a visit soon waits: a wake of the reactor and a system call cost some microseconds, so this spends a tenth of a
/// core on them at the worst; and it is about what waking a thread takes, so the last message of a burst is not much later
/// than it would have been by a wake at once.
const SOON_AFTER: Duration = Duration::from_micros(50);
/// How often what is on loan is inspected: an application that does not call in delays its connections by twice that at most.
const INSPECT_AFTER: Duration = Duration::from_millis(5);

impl Reactor {
    /// A reactor that nobody turns yet.
    ///
    /// # Errors
    /// The system has no descriptors left.
    pub(crate) fn new() -> io::Result<Self> {
        Self::with(|_| Ok(None))
    }

    /// A reactor that no thread of its own will turn, but those who sleep on its [`descriptor`](Self::descriptor).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn for_callers() -> io::Result<Self> {
        let reactor = Self::with(|registry| Due::new(registry, DUE).map(Some))?;
        reactor.shared.signal.arm();
        Ok(reactor)
    }

    fn with(due: impl FnOnce(&Registry) -> io::Result<Option<Due>>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let signal = Signal::new();
        let bell = Arc::new(Bell(Waker::new(&registry, WAKE)?));
        signal.install(Target::Loop(bell.clone()));
        let soon = Soon::new(&registry, SOON, SOON_AFTER)?;
        let loans = Soon::new(&registry, INSPECT, INSPECT_AFTER)?;
        let epoll = poll.as_raw_fd();
        let (events, due) = (Events::with_capacity(EVENTS), due(&registry)?);
        let wheel = Wheel { poll, events, visits: Vec::new(), inspections: Vec::new(), due };
        Ok(Self {
            shared: Arc::new(Shared {
                registry,
                sources: Mutex::default(),
                timers: Mutex::default(),
                queue: Mutex::default(),
                soon,
                signal,
                bell,
                owes_edges: AtomicBool::new(false),
                was_asked: AtomicBool::new(false),
                loans,
                epoll,
                turns: AtomicU64::new(0),
                stopped: AtomicBool::new(false),
                wheel: Mutex::new(wheel),
            }),
        })
    }

    /// A thread called `name`, on `core` if one is given, that turns it from now on.
    ///
    /// # Errors
    /// The system refuses the thread, or the core.
    pub(crate) fn spawn(&self, name: String, core: Option<usize>) -> io::Result<Engine> {
        let (reactor, (pinned, is_pinned)) = (self.clone(), std::sync::mpsc::channel());
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            system::leave_signals_to_others();
            let result = core.map_or(Ok(()), affinity::pin_current);
            let goes_on = result.is_ok();
            let _ = pinned.send(result);
            while goes_on && !reactor.shared.stopped.load(Ordering::Relaxed) {
                reactor.turn(None);
            }
        })?;
        // A channel closed without a word is a thread that ended before it began.
        match is_pinned.recv() {
            Ok(Ok(())) => Ok(Engine { reactor: self.clone(), thread: Some(thread) }),
            Ok(Err(refusal)) => Err(io::Error::new(io::ErrorKind::InvalidInput, refusal)),
            Err(_) => Err(io::ErrorKind::Other.into()),
        }
    }

    /// Takes `source` in. It is served until [`Reactor::remove`].
    pub(crate) fn add(&self, source: impl FnOnce(Id) -> Arc<dyn Source>) -> Id {
        let mut sources = self.shared.sources.lock();
        let entry = sources.vacant_entry();
        let id = Id(entry.key());
        entry.insert(source(id));
        id
    }

    /// Serves it no more. A call under way may still come.
    pub(crate) fn remove(&self, id: Id) {
        let _ = self.shared.timers.lock().cancel(id);
        let gone = self.shared.sources.lock().try_remove(id.0);
        // Its destructor is not for under the lock.
        drop(gone);
    }

    /// Every source there is.
    pub(crate) fn sources(&self) -> Vec<Arc<dyn Source>> {
        self.shared.sources.lock().iter().map(|(_, source)| source.clone()).collect()
    }

    /// Tells `id` when `what` is ready.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn register(&self, what: &impl AsFd, id: Id, interest: Interest) -> io::Result<()> {
        self.shared.registry.register(&mut SourceFd(&what.as_fd().as_raw_fd()), Token(id.0), interest)
    }

    /// As [`register`](Self::register), of what is registered: what is ready now is told anew.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn reregister(&self, what: &impl AsFd, id: Id, interest: Interest) -> io::Result<()> {
        self.shared.registry.reregister(&mut SourceFd(&what.as_fd().as_raw_fd()), Token(id.0), interest)
    }

    /// Tells nothing of `what` any more.
    pub(crate) fn deregister(&self, what: &impl AsFd) {
        // It is about to be closed, which ends the registration as well.
        let _ = self.shared.registry.deregister(&mut SourceFd(&what.as_fd().as_raw_fd()));
    }

    /// Sets the alarm of `id` to `at`, in place of the one it had; none takes it back.
    pub(crate) fn set_alarm(&self, id: Id, at: Option<Instant>) {
        let mut timers = self.shared.timers.lock();
        let Some(at) = at else {
            timers.cancel(id);
            return;
        };
        let is_first = timers.next().is_none_or(|next| at < next);
        timers.set(id, at);
        drop(timers);
        if is_first {
            self.shared.signal.fence_and_notify();
        }
    }

    /// Has `id` visited by the next turn.
    pub(crate) fn visit(&self, id: Id) {
        self.shared.queue.lock().push(id);
        self.shared.signal.fence_and_notify();
    }

    /// Has `id` visited in some tens of microseconds, unless there is no such timer: then by the next turn.
    pub(crate) fn visit_soon(&self, id: Id) {
        if !self.shared.soon.ask(id) {
            self.visit(id);
        }
    }

    /// The source `id` is worked for by a caller, which may cease to: its [`inspect`](Source::inspect) is called in some
    /// milliseconds. Wakes nobody.
    pub(crate) fn lend(&self, id: Id) {
        if !self.shared.loans.ask(id) {
            self.visit(id);
        }
    }

    /// Waits until something is to be done, `timeout` at the most, and does it. At once if another thread is at it. Tells
    /// whether the wait ended because a signal handler ran.
    pub(crate) fn turn(&self, timeout: Option<Duration>) -> bool {
        let Some(mut wheel) = self.shared.wheel.try_lock().or_else(|| self.ask_and_try()) else { return false };
        let interrupted = self.turn_with(&mut wheel, timeout);
        drop(wheel);
        if self.shared.owes_edges.load(Ordering::Relaxed) {
            // Full: the wheel given back against the word; pairs with the one in `ask_and_try`.
            full_fence();
            if self.shared.was_asked.swap(false, Ordering::Relaxed) {
                self.shared.bell.wake();
            }
        }
        interrupted
    }

    /// From now on the descriptor has an edge after each turn that kept another thread from one of its own: who sleeps until
    /// there is an edge, and not as long as nothing is there, has used up the one that was for what came too late for the
    /// turn.
    #[cfg_attr(any(loom, shuttle, not(target_os = "linux")), expect(dead_code, reason = "of descriptors"))]
    pub(crate) fn owe_edges(&self) {
        self.shared.owes_edges.store(true, Ordering::Relaxed);
    }

    #[cold]
    fn ask_and_try(&self) -> Option<MutexGuard<'_, Wheel>> {
        if !self.shared.owes_edges.load(Ordering::Relaxed) {
            return None;
        }
        self.shared.was_asked.store(true, Ordering::Relaxed);
        // Full: the word against the wheel still taken; pairs with the one in `turn`.
        full_fence();
        self.shared.wheel.try_lock()
    }

    /// Is `other` a handle of the same reactor?
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Readable when a turn would find something, for those who sleep in place of a thread that turns it. Level-triggered;
    /// it may be readable while another thread turns, or for nothing.
    pub(crate) fn descriptor(&self) -> Watched {
        self.shared.clone()
    }

    /// When the next alarm is due.
    pub(crate) fn next_alarm(&self) -> Option<Instant> {
        self.shared.timers.lock().next()
    }

    /// Ends the thread that turns it, at its next turn.
    fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.shared.signal.fence_and_notify();
    }

    fn turn_with(&self, wheel: &mut MutexGuard<'_, Wheel>, timeout: Option<Duration>) -> bool {
        let shared = &*self.shared;
        let wheel = &mut **wheel;
        shared.signal.arm();
        let timeout = if shared.has_work() { Some(Duration::ZERO) } else { shared.shortened(timeout) };
        // An interrupted wait is one with no events.
        let polled = wheel.poll.poll(&mut wheel.events, timeout);
        let interrupted = polled.is_err_and(|error| error.kind() == io::ErrorKind::Interrupted);
        shared.signal.disarm();
        shared.turns.fetch_add(1, Ordering::Relaxed);
        let mut count = 0;
        for event in &wheel.events {
            count += 1;
            match event.token() {
                WAKE => {}
                DUE => wheel.due.iter_mut().for_each(Due::fired),
                SOON => shared.soon.take(&mut wheel.visits),
                INSPECT => shared.loans.take(&mut wheel.inspections),
                Token(number) => {
                    if let Some(source) = shared.source(Id(number)) {
                        let hung_up = event.is_error() || event.is_read_closed() || event.is_write_closed();
                        let (readable, writable) = (event.is_readable() || hung_up, event.is_writable() || hung_up);
                        contain(|| source.ready(Readiness { readable, writable, hung_up }));
                    }
                }
            }
        }
        wheel.visits.append(&mut shared.queue.lock());
        for id in wheel.visits.drain(..) {
            if let Some(source) = shared.source(id) {
                contain(|| source.visit());
            }
        }
        shared.ring_alarms();
        for id in wheel.inspections.drain(..) {
            if shared.source(id).is_some_and(|source| contain(|| source.inspect()) == Some(true)) {
                self.lend(id);
            }
        }
        if let Some(due) = &mut wheel.due {
            // As before a sleep: somebody may sleep on the epoll already. What is in the queue now, nobody was woken for; and
            // who sleeps until there is an edge needs one for what this turn left in the kernel.
            shared.signal.arm();
            if shared.has_work() || count == EVENTS {
                shared.signal.notify();
            }
            // An alarm set after the look is one that wakes.
            due.set(shared.timers.lock().next());
        }
        interrupted
    }
}

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the poll in the wheel owns it, is never replaced, and lives as long as we do.
        unsafe { BorrowedFd::borrow_raw(self.epoll) }
    }
}

impl Shared {
    fn source(&self, id: Id) -> Option<Arc<dyn Source>> {
        self.sources.lock().get(id.0).cloned()
    }

    fn has_work(&self) -> bool {
        !self.queue.lock().is_empty() || self.stopped.load(Ordering::Relaxed)
    }

    /// How long a sleep may be, if nobody waits longer than `timeout`.
    fn shortened(&self, timeout: Option<Duration>) -> Option<Duration> {
        let alarm = self.timers.lock().next().map(|at| at.saturating_duration_since(Instant::now()));
        [timeout, alarm].into_iter().flatten().min()
    }

    fn ring_alarms(&self) {
        loop {
            let now = Instant::now();
            // Its own statement: the lock is not held while an alarm is served.
            let due = self.timers.lock().pop_due(now);
            let Some(id) = due else { return };
            let next = self.source(id).and_then(|source| contain(|| source.alarm(now)).flatten());
            if let Some(next) = next {
                let mut timers = self.timers.lock();
                // Set meanwhile by somebody who knows better.
                if timers.of(id).is_none_or(|at| next < at) {
                    timers.set(id, next);
                }
            }
        }
    }
}

/// Calls `f`. A panic in it, as of a payload's destructor, has been reported, and must not end the thread that serves all the
/// others.
fn contain<R>(f: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(f)).ok()
}

impl Engine {
    /// The reactor it turns.
    pub(crate) fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    /// Is the caller this thread?
    pub(crate) fn is_own_thread(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| thread.thread().id() == std::thread::current().id())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.reactor.stop();
        // The last handle of a context may be dropped by what a source owns, on this very thread.
        let is_own_thread = self.is_own_thread();
        if let Some(thread) = self.thread.take().filter(|_| !is_own_thread) {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("turns", &self.shared.turns.load(Ordering::Relaxed)).finish_non_exhaustive()
    }
}

/// Ends a sleep in `epoll_wait`.
#[derive(Debug)]
struct Bell(Waker);

impl Sleep for Bell {
    fn wake(&self) {
        // It fails only when its descriptor is full of wake-ups, or the loop is gone.
        let _ = self.0.wake();
    }
}
