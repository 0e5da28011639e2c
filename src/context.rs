//! What sockets live in: the in-process names, and the end of it all.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    fmt,
    time::{Duration, Instant},
};

use crate::{
    pipe::{Hub, HubOptions, Losses, Profile},
    sync::{Arc, Mutex},
    transport::inproc,
    wait::{Awaited, Signal, WaitPolicy, Waiter},
};

/// What sockets live in. Names of `inproc://` endpoints belong to one context; sockets of different contexts do not
/// find each other.
///
/// A handle: clones share the context. It has no thread of its own. Dropping the last handle leaves its sockets working;
/// [`Context::shutdown`] ends them.
#[derive(Clone)]
pub struct Context {
    shared: Arc<Shared>,
}

/// The context has been shut down: no socket can be made in it and no call of its sockets waits any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextClosed;

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

struct Shared {
    names: inproc::Registry,
    sockets: Mutex<Sockets>,
    losses: Arc<Losses>,
    /// One for each shutdown under way, notified when a socket goes.
    shutdowns: Mutex<Vec<Arc<Signal>>>,
}

#[derive(Default)]
struct Sockets {
    closed: bool,
    next: u64,
    hubs: HashMap<u64, Arc<Hub>>,
}

/// A socket's entry in its context. Dropping it leaves.
pub(crate) struct Membership {
    shared: Arc<Shared>,
    number: u64,
}

impl Context {
    /// A context with no sockets.
    pub fn new() -> Self {
        Self::with_names(inproc::Registry::default())
    }

    fn with_names(names: inproc::Registry) -> Self {
        Self {
            shared: Arc::new(Shared {
                names,
                sockets: Mutex::default(),
                losses: Arc::default(),
                shutdowns: Mutex::default(),
            }),
        }
    }

    /// Ends the context: every waiting call of its sockets returns at once with an error that says so, every later one
    /// too (receiving still hands out what has arrived), and no socket can be made any more. Then waits until the
    /// application has dropped all sockets, `timeout` at the most, and drops what waits for names nobody has bound.
    ///
    /// Always returns; says what was left. May be called again, and from several threads at once.
    pub fn shutdown(&self, timeout: Duration) -> ShutdownReport {
        let deadline = Instant::now().checked_add(timeout);
        let hubs: Vec<Arc<Hub>> = {
            let mut sockets = self.shared.sockets.lock();
            sockets.closed = true;
            sockets.hubs.values().cloned().collect()
        };
        hubs.iter().for_each(|hub| hub.terminate());
        drop(hubs);
        let signal = Arc::new(Signal::new());
        self.shared.shutdowns.lock().push(signal.clone());
        let all_gone = Waiter::new(WaitPolicy::Park).wait(&signal, deadline, &mut AllGone(&self.shared));
        self.shared.shutdowns.lock().retain(|other| !Arc::ptr_eq(other, &signal));
        self.shared.names.clear();
        #[cfg(feature = "awkward-pipes")]
        if let Some(courier) = self.shared.names.courier() {
            courier.settle();
        }
        let lost = self.shared.losses.total();
        ShutdownReport {
            sockets_left: if all_gone.is_some() { 0 } else { self.shared.sockets.lock().hubs.len() },
            undelivered: lost.undelivered,
            unread: lost.unread,
        }
    }

    /// Sockets that are open.
    pub fn sockets(&self) -> usize {
        self.shared.sockets.lock().hubs.len()
    }

    pub(crate) fn join(&self, profile: Profile, options: HubOptions) -> Result<(Membership, Arc<Hub>), ContextClosed> {
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
        Self::with_names(inproc::Registry::awkward(seed))
    }

    /// Kills, at the delivering thread's step number `steps` from now, the pipe that step serves.
    pub fn kill_a_pipe_after(&self, steps: u64) {
        if let Some(courier) = self.shared.names.courier() {
            courier.kill_after(steps);
        }
    }
}

impl Membership {
    pub(crate) fn names(&self) -> &inproc::Registry {
        &self.shared.names
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
