//! What sockets live in: the in-process names, the threads that serve streams, and the end of it all.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    fmt,
    time::{Duration, Instant},
};

#[cfg(feature = "awkward-pipes")]
use crate::sync::{AtomicBool, Ordering};
use crate::{
    fork::Own,
    pipe::{Hub, HubOptions, Losses, Profile},
    sync::{Arc, Mutex},
    transport::{inproc, stream},
    wait::{Awaited, GaveUp, Signal, WaitPolicy, Waiter},
};

/// What sockets live in. Names of `inproc://` endpoints belong to one context; sockets of different contexts do not
/// find each other.
///
/// A handle: clones share the context. The first `tcp://` or `ipc://` endpoint starts its reactor threads, one unless
/// [`Context::builder`] said otherwise; before that, and with `inproc://` only, it has none. Dropping the last handle leaves
/// its sockets working; [`Context::shutdown`] ends them. When handles and sockets are all gone, what was sent over streams and
/// is still queued is waited for, as long as the sockets' lingers say.
#[derive(Clone)]
pub struct Context {
    shared: Arc<Own<Shared>>,
}

type Streams = std::sync::Arc<stream::Streams>;

/// The context has been shut down, or belongs to the process this one was forked off: no socket can be made in it and no call of its sockets waits any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextClosed;

/// A signal handler ran in the calling thread while it was parked, and ended the call, which may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

/// How a shutdown went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Sockets the application had not dropped by the deadline. They go on returning errors until they are dropped;
    /// what is still in their queues is not counted here.
    pub sockets_left: usize,
    /// Messages accepted from senders and lost since the context was made, because the peer left without taking them
    /// or never came.
    pub undelivered: u64,
    /// Messages that had arrived at a socket and were lost since the context was made, because it was dropped without
    /// taking them.
    pub unread: u64,
}

/// Makes a context.
///
/// ```
/// use ringway::Context;
///
/// let context = Context::builder().reactor_threads(2).build();
/// # assert_eq!(context.sockets(), 0);
/// ```
#[derive(Clone, Debug)]
pub struct ContextBuilder {
    setup: stream::Setup,
}

struct Shared {
    names: inproc::Registry,
    streams: Streams,
    sockets: Mutex<Sockets>,
    losses: Arc<Losses>,
    /// One for each shutdown under way, notified when a socket goes.
    shutdowns: Mutex<Vec<Arc<Signal>>>,
    /// Its sockets share no memory with other processes, whatever their options.
    #[cfg(feature = "awkward-pipes")]
    is_plain: AtomicBool,
}

#[derive(Default)]
struct Sockets {
    closed: bool,
    next: u64,
    hubs: HashMap<u64, Arc<Hub>>,
}

/// A socket's entry in its context. Dropping it leaves.
pub(crate) struct Membership {
    shared: Arc<Own<Shared>>,
    number: u64,
}

impl Context {
    /// A context with no sockets.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A builder, to choose how streams are served.
    pub fn builder() -> ContextBuilder {
        ContextBuilder { setup: stream::Setup::Threads(vec![None]) }
    }

    fn with(names: inproc::Registry, setup: stream::Setup) -> Self {
        Self {
            shared: Arc::new(Own::new(Shared {
                names,
                streams: stream::Streams::new(setup),
                sockets: Mutex::default(),
                losses: Arc::default(),
                shutdowns: Mutex::default(),
                #[cfg(feature = "awkward-pipes")]
                is_plain: AtomicBool::new(false),
            })),
        }
    }

    /// Says that the context is to end: every waiting call of its sockets returns at once with an error that says so, every
    /// later one too (receiving still hands out what has arrived), and no socket can be made any more. Nothing is dropped,
    /// and what was sent still goes its way. Never waits; from any thread, as often as you like. [`Context::shutdown`]
    /// begins with it, and does the rest.
    ///
    /// ```
    /// use ringway::{Context, Pull, socket::RecvError};
    ///
    /// let context = Context::new();
    /// let mut pull = Pull::new(&context)?;
    /// let receiving = std::thread::spawn(move || pull.recv());
    /// context.close();
    /// assert_eq!(receiving.join().unwrap(), Err(RecvError::ContextClosed));
    /// # Ok::<(), ringway::ContextClosed>(())
    /// ```
    pub fn close(&self) {
        if self.shared.is_inherited() {
            return;
        }
        let hubs: Vec<Arc<Hub>> = {
            let mut sockets = self.shared.sockets.lock();
            sockets.closed = true;
            sockets.hubs.values().cloned().collect()
        };
        hubs.iter().for_each(|hub| hub.terminate());
    }

    /// Ends the context: every waiting call of its sockets returns at once with an error that says so, every later one
    /// too (receiving still hands out what has arrived), and no socket can be made any more. Then waits until the
    /// application has dropped all sockets, and until what they sent over streams is given to the system, or their lingers
    /// are over; all that `timeout` at the most. Then drops what is still queued, or waits for names nobody has bound.
    ///
    /// Always returns; says what was left. May be called again, and from several threads at once.
    pub fn shutdown(&self, timeout: Duration) -> ShutdownReport {
        self.shut_down(timeout, false).expect("only an interruptible wait is interrupted")
    }

    /// As [`shutdown`](Self::shutdown), until a signal handler runs in the calling thread while it is parked; with
    /// `SA_RESTART`, too. Linux only; elsewhere no signal ends it.
    ///
    /// # Errors
    /// A signal ended the wait. The context is closed, and nothing has been dropped; call it again, or `shutdown`.
    pub fn shutdown_interruptible(&self, timeout: Duration) -> Result<ShutdownReport, Interrupted> {
        self.shut_down(timeout, true)
    }

    fn shut_down(&self, timeout: Duration, interruptible: bool) -> Result<ShutdownReport, Interrupted> {
        if self.shared.is_inherited() {
            return Ok(ShutdownReport { sockets_left: 0, undelivered: 0, unread: 0 });
        }
        let deadline = Instant::now().checked_add(timeout);
        self.close();
        let signal = Arc::new(Signal::new());
        self.shared.shutdowns.lock().push(signal.clone());
        let mut waiter = Waiter::new(WaitPolicy::Park);
        waiter.set_interruptible(interruptible);
        let all_gone = waiter.wait(&signal, deadline, &mut AllGone(&self.shared));
        self.shared.shutdowns.lock().retain(|other| !Arc::ptr_eq(other, &signal));
        let all_sent = match all_gone {
            Ok(()) => self.shared.streams.wait_for_the_last(deadline, interruptible),
            gave_up => gave_up,
        };
        if all_sent == Err(GaveUp::Interrupted) {
            return Err(Interrupted);
        }
        self.shared.names.clear();
        self.shared.streams.abandon_all();
        #[cfg(feature = "awkward-pipes")]
        if let Some(courier) = self.shared.names.courier() {
            courier.settle();
        }
        let lost = self.shared.losses.total();
        Ok(ShutdownReport {
            sockets_left: if all_gone.is_ok() { 0 } else { self.shared.sockets.lock().hubs.len() },
            undelivered: lost.undelivered,
            unread: lost.unread,
        })
    }

    /// Does what there is to do for the streams of a [caller-driven](ContextBuilder::caller_driven) context: waits until
    /// there is something, `timeout` at the most, and does it. Returns at once if another thread is at it, if the context has
    /// no stream, or if it has threads.
    pub fn drive(&self, timeout: Duration) {
        if !self.shared.is_inherited()
            && let Some(reactor) = self.shared.streams.driven()
        {
            reactor.turn(Some(timeout));
        }
    }

    /// Sockets that are open.
    pub fn sockets(&self) -> usize {
        if self.shared.is_inherited() {
            return 0;
        }
        self.shared.sockets.lock().hubs.len()
    }

    pub(crate) fn join(&self, profile: Profile, options: HubOptions) -> Result<(Membership, Arc<Hub>), ContextClosed> {
        if self.shared.is_inherited() {
            return Err(ContextClosed);
        }
        let mut sockets = self.shared.sockets.lock();
        if sockets.closed {
            return Err(ContextClosed);
        }
        let hub = Hub::new(profile, options, self.shared.losses.clone());
        let number = sockets.next;
        sockets.next += 1;
        sockets.hubs.insert(number, hub.clone());
        Ok((Membership { shared: self.shared.clone(), number }, hub))
    }
}

/// For tests of this crate.
#[cfg(feature = "awkward-pipes")]
#[doc(hidden)]
impl Context {
    /// A context whose pipes keep the contract and nothing beyond: bounded in bytes, delivered late and by a thread of
    /// their own, closed late. What that thread does depends on `seed`, as far as the scheduler lets it.
    pub fn with_awkward_pipes(seed: u64) -> Self {
        Self::with(inproc::Registry::awkward(seed), stream::Setup::Threads(vec![None]))
    }

    /// All sockets made in it from now on [forbid](crate::socket::SharedMemory::Forbid) shared memory, as if each had been told: so
    /// the same tests run with it and without.
    pub fn without_shared_memory(self) -> Self {
        self.shared.is_plain.store(true, Ordering::Relaxed);
        self
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.shared.is_plain.load(Ordering::Relaxed)
    }

    /// Kills, at the delivering thread's step number `steps` from now, the pipe that step serves.
    pub fn kill_a_pipe_after(&self, steps: u64) {
        if let Some(courier) = self.shared.names.courier() {
            courier.kill_after(steps);
        }
    }
}

impl ContextBuilder {
    /// So many threads serve the streams, each a part of the connections; at least one. One unless said otherwise: it is
    /// enough for gigabytes a second.
    pub fn reactor_threads(mut self, threads: usize) -> Self {
        self.setup = stream::Setup::Threads(vec![None; threads.max(1)]);
        self
    }

    /// One thread for each of `cpus` serves the streams, pinned there. Whether they can be is found out by the first
    /// endpoint that needs them.
    pub fn pinned_reactors(mut self, cpus: impl IntoIterator<Item = usize>) -> Self {
        let cpus: Vec<_> = cpus.into_iter().map(Some).collect();
        self.setup = stream::Setup::Threads(if cpus.is_empty() { vec![None] } else { cpus });
        self
    }

    /// No thread serves the streams: whoever calls into a socket of the context does, and finds nothing or no room there; a
    /// [`Poller`](crate::Poller) with such a socket; a loop that sleeps on a socket's descriptor; and [`Context::drive`]. The
    /// lowest latency for programs with a thread for each core that never waits elsewhere.
    ///
    /// While nobody calls, nothing happens: no connection is accepted or made again, nothing queued is sent, subscriptions
    /// do not arrive, and peers' heartbeats are not answered.
    pub fn caller_driven(mut self) -> Self {
        self.setup = stream::Setup::Callers;
        self
    }

    /// The context.
    pub fn build(self) -> Context {
        Context::with(inproc::Registry::default(), self.setup)
    }
}

impl Drop for Shared {
    /// Handles and sockets are gone: what they sent goes as far as their lingers allow.
    fn drop(&mut self) {
        // A payload's destructor, run by a reactor thread, may have held the last handle.
        if !self.streams.is_own_thread() {
            let _ = self.streams.wait_for_the_last(None, false);
        }
        self.streams.abandon_all();
    }
}

impl Membership {
    pub(crate) fn names(&self) -> &inproc::Registry {
        &self.shared.names
    }

    pub(crate) fn streams(&self) -> &Streams {
        &self.shared.streams
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let hub = self.shared.sockets.lock().hubs.remove(&self.number);
        drop(hub);
        for shutdown in self.shared.shutdowns.lock().iter() {
            shutdown.fence_and_notify();
        }
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("sockets", &self.sockets()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Waits for the last socket to go.
struct AllGone<'a>(&'a Shared);

impl Awaited for AllGone<'_> {
    type Ready = ();

    fn look(&mut self) -> Option<()> {
        self.0.sockets.lock().hubs.is_empty().then_some(())
    }
}

impl fmt::Display for ContextClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the context has been shut down")
    }
}

impl std::error::Error for ContextClosed {}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a signal ended the wait")
    }
}

impl std::error::Error for Interrupted {}
