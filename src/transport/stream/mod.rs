//! Connections over byte streams: ZMTP over TCP or Unix-domain sockets, behind pipes like any other.
//!
//! ```text
//!   socket                              session                                    peer
//!  ┌──────────┐    local pipe    ┌──────────────────────┐     byte stream     ┌──────────┐
//!  │ crew  End├─────────────────►│End  codec  outbox    ├────────────────────►│          │
//!  │          │◄─────────────────┤     (baton)          │◄────────────────────┤          │
//!  └──────────┘                  └──────────────────────┘                     └──────────┘
//!       hub ◄──── tie ────► hub of the link: what the peer said of itself
//! ```
//!
//! A [`session`] is the connection at the far end of a pipe. It has no thread: whoever has something to do for it takes its
//! [baton](baton) and does it. That may be the thread that sends, the thread that receives and finds nothing, or a reactor
//! thread; who finds the baton taken leaves word and goes on.
//!
//! | work | done by |
//! |---|---|
//! | a lone message out | the sending thread, before `send` returns |
//! | a burst of messages out | a reactor thread some 50 µs later, or the sending thread when the queue is full |
//! | what the kernel had no room for | a reactor thread, when it has |
//! | bytes in, while a thread waits in `recv` or polls | that thread: the connection is *on loan* to it |
//! | bytes in otherwise, handshakes, timers, accepting, connecting | a reactor thread |
//!
//! A connection on loan is out of the reactor's read interest, so that no thread is woken for what another one reads. The
//! loan ends when the receiver sleeps on something else, or has not looked for a while (`Reactor`'s inspection): a connection
//! is looked after whether or not the application calls in.
//!
//! Contents: [`baton`]; [`session`] what is done, and by whom; [`wire`] bytes in and out; [`flight`] what is on its way out;
//! [`link`] the pipe's far end;
//! [`dial`] connecting, again and again; [`listener`]; [`burst`] when to write at once; [`origin`] what the connections of
//! one socket share; [`terms`] between this room and the protocol; here what those of a context do.

#![forbid(unsafe_code)]

mod baton;
mod burst;
mod dial;
mod flight;
mod link;
mod listener;
#[cfg(all(test, any(loom, shuttle)))]
mod models;
mod origin;
mod session;
mod terms;
#[cfg_attr(not(all(target_os = "linux", not(any(loom, shuttle)))), path = "absent.rs")]
mod upgrade;
mod wire;

use std::{
    io,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

pub(crate) use listener::Listener;
pub(crate) use origin::Origin;
pub(crate) use session::Session;

use super::resolve::Resolver;
use crate::{
    reactor::{Engine, Reactor},
    sync::{AtomicUsize, Mutex, Ordering},
    wait::{Awaited, GaveUp, Signal, WaitPolicy, Waiter},
};

/// How the connections of a context are served.
#[derive(Clone, Debug)]
pub(crate) enum Setup {
    /// By reactor threads, each on the core named, or on any.
    Threads(Vec<Option<usize>>),
    /// By the callers' threads only, in their calls.
    Callers,
}

/// The connections of a context.
#[derive(Debug)]
pub(crate) struct Streams {
    setup: Setup,
    loops: Mutex<Loops>,
    /// The reactor of a context without threads, once there is one.
    driven: OnceLock<Reactor>,
    resolver: Resolver,
    /// Sessions and listeners there are.
    living: AtomicUsize,
    /// Those who wait for the last to go.
    farewells: Mutex<Vec<std::sync::Weak<Signal>>>,
}

#[derive(Debug, Default)]
struct Loops {
    engines: Vec<Engine>,
    next: usize,
}

impl Streams {
    pub(crate) fn new(setup: Setup) -> Arc<Self> {
        Arc::new(Self {
            setup,
            loops: Mutex::default(),
            driven: OnceLock::new(),
            resolver: Resolver::new(),
            living: AtomicUsize::new(0),
            farewells: Mutex::default(),
        })
    }

    /// A reactor for one more connection; the first call starts them.
    ///
    /// # Errors
    /// The system has no descriptor or thread left, or refuses a core.
    fn reactor(&self) -> io::Result<Reactor> {
        let mut loops = self.loops.lock();
        match &self.setup {
            Setup::Callers => match self.driven.get() {
                Some(reactor) => Ok(reactor.clone()),
                None => {
                    // Under the lock: nobody makes another meanwhile.
                    let reactor = Reactor::for_callers()?;
                    Ok(self.driven.get_or_init(|| reactor).clone())
                }
            },
            Setup::Threads(cores) => {
                if loops.engines.is_empty() {
                    let spawn = |(number, core): (usize, &Option<usize>)| {
                        Reactor::new()?.spawn(format!("ringway-io-{number}"), *core)
                    };
                    loops.engines = cores.iter().enumerate().map(spawn).collect::<io::Result<_>>()?;
                }
                let number = loops.next;
                loops.next = (number + 1) % loops.engines.len();
                Ok(loops.engines[number].reactor().clone())
            }
        }
    }

    /// The reactor that callers turn, if that is how this context is served and there is something to serve.
    pub(crate) fn driven(&self) -> Option<&Reactor> {
        self.driven.get()
    }

    /// As [`driven`](Self::driven), for somebody who will turn it for as long as there may be something to serve: made if
    /// there is none yet. `None`: threads turn.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub(crate) fn to_drive(&self) -> io::Result<Option<Reactor>> {
        if self.has_threads() { Ok(None) } else { self.reactor().map(Some) }
    }

    /// Is there a thread that works by itself?
    fn has_threads(&self) -> bool {
        matches!(self.setup, Setup::Threads(_))
    }

    fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// Sessions and listeners there are.
    pub(crate) fn living(&self) -> usize {
        self.living.load(Ordering::Acquire)
    }

    /// Waits until every session is gone, until `deadline` at the most, which callers' contexts turn for themselves.
    ///
    /// # Errors
    /// They are not: the deadline passed, or, if the wait is to be `interruptible`, a signal ended it.
    pub(crate) fn wait_for_the_last(
        self: &Arc<Self>,
        deadline: Option<Instant>,
        interruptible: bool,
    ) -> Result<(), GaveUp> {
        if let Some(reactor) = self.driven() {
            while self.living() > 0 {
                let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                if left.is_some_and(|left| left.is_zero()) {
                    return Err(GaveUp::TimedOut);
                }
                let interrupted = reactor.turn(Some(left.unwrap_or(FAREWELL_TURN).min(FAREWELL_TURN)));
                if interrupted && interruptible && self.living() > 0 {
                    return Err(GaveUp::Interrupted);
                }
            }
            return Ok(());
        }
        let signal = Arc::new(Signal::new());
        self.farewells.lock().push(Arc::downgrade(&signal));
        let mut waiter = Waiter::new(WaitPolicy::Park);
        waiter.set_interruptible(interruptible);
        let gone = waiter.wait(&signal, deadline, &mut Gone(self));
        self.farewells.lock().retain(|other| !other.ptr_eq(&Arc::downgrade(&signal)));
        gone
    }

    /// Is this one of the reactor's threads? It must not wait for what it does itself.
    pub(crate) fn is_own_thread(&self) -> bool {
        self.loops.lock().engines.iter().any(Engine::is_own_thread)
    }

    /// Ends every session at once: what they have not sent is lost, and counted.
    pub(crate) fn abandon_all(&self) {
        let mut reactors: Vec<Reactor> =
            self.loops.lock().engines.iter().map(|engine| engine.reactor().clone()).collect();
        reactors.extend(self.driven().cloned());
        for reactor in reactors {
            reactor.sources().iter().for_each(|source| source.end());
        }
    }

    fn one_more(&self) {
        self.living.fetch_add(1, Ordering::Relaxed);
    }

    fn one_less(&self) {
        if self.living.fetch_sub(1, Ordering::AcqRel) == 1 {
            for signal in self.farewells.lock().iter().filter_map(std::sync::Weak::upgrade) {
                signal.fence_and_notify();
            }
        }
    }
}

/// How long a context without threads sleeps at a time while it waits for its last session.
const FAREWELL_TURN: Duration = Duration::from_millis(100);

/// Waits for the last session to go.
struct Gone<'a>(&'a Streams);

impl Awaited for Gone<'_> {
    type Ready = ();

    fn look(&mut self) -> Option<()> {
        (self.0.living() == 0).then_some(())
    }
}
