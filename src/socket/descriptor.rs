//! A descriptor that is readable while its socket is ready: for event loops that know nothing of this library.
//!
//! It is an eventfd beside a word that says what is in it, so that a call on the socket knows without a system call
//! whether one is needed:
//!
//! | word | meaning | next |
//! |---|---|---|
//! | `ARMED` | it holds nothing; who makes the socket ready finds its signal announced | `RAISING`, by whoever is first then: the *holder* |
//! | `RAISING` | the holder is about to write it | `RAISED` by the holder; `RECALLED` by the owner |
//! | `RAISED` | it holds a one | `ARMED` by the owner |
//! | `RECALLED` | the socket is not ready any more: the holder will read what it wrote | `ARMED` by the holder; `REPEAT` by who makes the socket ready |
//! | `REPEAT` | the socket is ready again: the holder will read and write once more | `RAISING` by the holder; `RECALLED` by the owner |
//!
//! The owner lowers it at the end of a call that leaves the socket not ready, by the sleep protocol: word (and eventfd, if
//! no holder is at it), announce on the socket's signal, fence, look once more. So every change to ready is followed by a
//! write, which an edge-triggered loop needs; and a call that moved no message and leaves the socket ready writes once
//! more, as it may have been told the contrary.
//!
//! Where no thread turns the reactor, the loop's sleep stands in for that of one: what it is given then is an epoll with the
//! eventfd and the reactor's descriptor in it. The call that finds nothing turns the reactor.

#![forbid(unsafe_code)]

use std::{io, sync::Arc as Counted};

#[cfg(not(any(loom, shuttle)))]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

#[cfg(not(any(loom, shuttle)))]
use rustix::event::epoll::{self, EventData, EventFlags};

use super::{
    interest::Interest,
    watch::{Ready, Settled, Watchable, Watcher},
};
use crate::{
    reactor::Reactor,
    sync::{AtomicBool, AtomicU32, AtomicU64, Ordering, full_fence, heavy_fence, planted},
    wait::Signal,
};

/// Readable while its socket is ready, in the terms of `poll(2)`, `epoll`, and every loop on top of them.
///
/// Made by the sockets' `descriptor` method. It is level-triggered: readable as long as the socket is ready, also when
/// what made it so happened before it was made; and as every change from not ready to ready writes it once, a loop that
/// is edge-triggered misses none as long as it uses the socket until it is not ready. **It is never read or written by
/// the application**: calls on the socket see to it. It may be readable once while the socket is not ready; the call that
/// finds nothing then puts it right.
///
/// It stays readable once the socket, or its context, is gone. Dropping it closes it.
///
/// In a [caller-driven](crate::ContextBuilder::caller_driven) context it is readable also while there is something to do for
/// the context's streams, whichever socket they are of, which the call that finds nothing does: `try_recv` that says `Empty`,
/// `try_send` that says `Full`, `can_recv` or `can_send` that say no. So the loop below is right there too. A loop that has
/// none of these to call when it wakes calls [`Context::drive`](crate::Context::drive) with no time to wait; one that calls
/// nothing finds it readable again. The kernel lets one context have about a hundred such descriptors in `epoll` loops.
///
/// The loop, with `fd` registered for reading:
///
/// ```no_run
/// # use ringway::{Pull, poll::Interest, socket::RecvError};
/// # fn wait_until_readable(_: &impl std::os::fd::AsFd) {}
/// # fn handle(_: ringway::Message) {}
/// # fn example(mut socket: Pull) -> Result<(), Box<dyn std::error::Error>> {
/// let fd = socket.descriptor(Interest::READABLE)?;
/// loop {
///     wait_until_readable(&fd);
///     loop {
///         match socket.try_recv() {
///             Ok(message) => handle(message),
///             Err(RecvError::Empty) => break,
///             Err(error) => return Err(error.into()),
///         }
///     }
/// }
/// # }
/// ```
///
/// # Of news
///
/// The one that the sockets' `edge_descriptor` makes tells less.
#[derive(Debug)]
pub struct Descriptor {
    flag: Counted<Flag>,
    socket: Counted<dyn Watchable>,
    /// Where callers turn the reactor: the eventfd and the reactor's descriptor in one.
    #[cfg(not(any(loom, shuttle)))]
    both: Option<OwnedFd>,
}

#[derive(Debug)]
struct Flag {
    level: Level,
    /// See the module.
    word: AtomicU32,
    interest: Interest,
    /// What the socket had done by the end of the last call. The owner's alone.
    progress: AtomicU64,
    is_over: AtomicBool,
}

const ARMED: u32 = 0;
const RAISING: u32 = 1;
const RAISED: u32 = 2;
const RECALLED: u32 = 3;
const REPEAT: u32 = 4;

impl Descriptor {
    /// Raised; the owner's next call puts it right.
    pub(crate) fn new(socket: Counted<dyn Watchable>, interest: Interest) -> io::Result<Self> {
        let flag = Counted::new(Flag {
            level: Level::raised()?,
            word: AtomicU32::new(RAISED),
            interest,
            progress: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        socket.enroll(flag.clone());
        Ok(Self {
            flag,
            socket,
            #[cfg(not(any(loom, shuttle)))]
            both: None,
        })
    }

    /// Raised; readable when the socket turns ready for what it was found not to be ready for.
    pub(crate) fn of_news(socket: Counted<dyn Watchable>) -> io::Result<Self> {
        Self::new(socket, Interest::READABLE | Interest::WRITABLE)
    }

    /// Readable also when there is something to do for `driven`, if that is given.
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) fn beside(mut self, driven: Option<Reactor>) -> io::Result<Self> {
        if let Some(reactor) = driven {
            let both = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            epoll::add(&both, self.flag.level.0.as_fd(), EventData::new_u64(0), EventFlags::IN)?;
            epoll::add(&both, reactor.descriptor().as_fd(), EventData::new_u64(1), EventFlags::IN)?;
            reactor.owe_edges();
            self.both = Some(both);
        }
        Ok(self)
    }

    /// A model's has no reactor.
    #[cfg(any(loom, shuttle))]
    pub(crate) fn beside(self, _: Option<Reactor>) -> io::Result<Self> {
        Ok(self)
    }

    /// What of the socket it tells.
    pub fn interest(&self) -> Interest {
        self.flag.interest
    }

    /// Is it readable?
    #[cfg(all(test, any(loom, shuttle)))]
    pub(crate) fn is_raised(&self) -> bool {
        self.flag.level.held.load(Ordering::SeqCst) > 0
    }

    /// How often it was written.
    #[cfg(all(test, any(loom, shuttle)))]
    pub(crate) fn edges(&self) -> u32 {
        self.flag.level.edges.load(Ordering::SeqCst)
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        if cfg!(any(loom, shuttle)) && std::thread::panicking() {
            return;
        }
        self.flag.is_over.store(true, Ordering::Relaxed);
        let watcher: Counted<dyn Watcher> = self.flag.clone();
        self.socket.dismiss(&watcher);
    }
}

impl Flag {
    /// The socket is ready, or may be.
    fn raise(&self) {
        loop {
            // Acquire: who comes by the signal has read what the owner announced there after its last change of the word.
            match self.word.load(Ordering::Acquire) {
                ARMED if self.swap(ARMED, RAISING) => return self.hold(),
                RECALLED if planted("descriptor-repeats-nothing") || self.swap(RECALLED, REPEAT) => return,
                // It has just changed.
                ARMED | RECALLED => {}
                // A write follows, or nobody has read it.
                _ => return,
            }
        }
    }

    /// Writes the eventfd; and reads it again as long as the owner takes it back meanwhile.
    fn hold(&self) {
        loop {
            self.level.raise();
            if self.swap(RAISING, RAISED) {
                return;
            }
            self.level.lower();
            while !self.swap(REPEAT, RAISING) {
                if self.swap(RECALLED, ARMED) {
                    return;
                }
            }
        }
    }

    /// The socket is not ready. Tells whether it is to be announced and looked at again.
    fn lower(&self) -> bool {
        loop {
            // Acquire: the holder's write, which our read follows; pairs with the swap in `hold`.
            match self.word.load(Ordering::Acquire) {
                RAISED => {
                    self.level.lower();
                    // Relaxed: the owner's alone until then; published by the announcement.
                    self.word.store(ARMED, Ordering::Relaxed);
                    return true;
                }
                ARMED | RECALLED => return false,
                _ if planted("descriptor-recalls-nothing") => return false,
                held if self.swap(held, RECALLED) => return true,
                // The holder has just done something.
                _ => {}
            }
        }
    }

    fn swap(&self, from: u32, to: u32) -> bool {
        // AcqRel: what each did with the eventfd, and what made the socket ready, before the other's next step.
        self.word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

impl Watcher for Flag {
    fn wake(&self) {
        self.raise();
    }

    fn settle(&self, core: &mut dyn Ready, signal: &Signal) -> Settled {
        if self.is_over.load(Ordering::Relaxed) {
            return Settled::Gone;
        }
        let progress = core.progress();
        let is_stuck = self.progress.swap(progress, Ordering::Relaxed) == progress;
        if core.readiness(self.interest).any() {
            if is_stuck && !planted("descriptor-pokes-nobody") && self.word.load(Ordering::Acquire) == RAISED {
                // The call may have found nothing just before something came. A loop that is edge-triggered sleeps then,
                // and the edge there was is spent.
                self.level.raise();
            }
            self.raise();
        } else if self.lower() {
            signal.announce();
            // The announcements against the look below; heavy where consumers only issue light fences.
            let fenced = if self.interest.has_writable() {
                core.want_room();
                heavy_fence()
            } else {
                full_fence();
                true
            };
            if !planted("descriptor-no-second-look") && (!fenced || core.readiness(self.interest).any()) {
                self.raise();
            }
        }
        Settled::Quiet
    }
}

/// An eventfd that holds one or nothing.
#[cfg(not(any(loom, shuttle)))]
#[derive(Debug)]
struct Level(OwnedFd);

#[cfg(not(any(loom, shuttle)))]
impl Level {
    fn raised() -> io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        Ok(Self(eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    fn raise(&self) {
        // It holds next to nothing, so there is room.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    fn lower(&self) {
        // It holds something, unless the application has read it, which changes nothing.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

/// What an eventfd is to a model.
#[cfg(any(loom, shuttle))]
#[derive(Debug)]
struct Level {
    held: AtomicU32,
    /// Writes so far.
    edges: AtomicU32,
}

#[cfg(any(loom, shuttle))]
impl Level {
    fn raised() -> io::Result<Self> {
        Ok(Self { held: AtomicU32::new(1), edges: AtomicU32::new(1) })
    }

    fn raise(&self) {
        self.held.fetch_add(1, Ordering::SeqCst);
        self.edges.fetch_add(1, Ordering::SeqCst);
    }

    fn lower(&self) {
        self.held.swap(0, Ordering::SeqCst);
    }
}

#[cfg(not(any(loom, shuttle)))]
impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.both.as_ref().unwrap_or(&self.flag.level.0).as_fd()
    }
}

#[cfg(not(any(loom, shuttle)))]
impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
