//! Descriptors of a socket for event loops that know nothing of this library, and who raises and lowers them.
//!
//! There are two kinds, both a [`Flag`] whose watcher settles it at the end of each call of the owner's:
//!
//! * One that is readable *while the socket is ready* (`Standing`). It is lowered at the end of a call that leaves the
//!   socket not ready, by the sleep protocol: flag, announce on the socket's signal, fence, look once more. So every
//!   change to ready is followed by a write, which an edge-triggered loop needs; and a call that moved no message and
//!   leaves the socket ready writes once more, as it may have been told the contrary.
//! * One that *tells of news*, which is in `news`.
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
    flag::Flag,
    interest::Interest,
    news::News,
    watch::{Ready, Settled, Told, Watchable, Watcher},
};
use crate::{
    fork::Process,
    reactor::Reactor,
    sync::{AtomicU64, Ordering, full_fence, heavy_fence, planted},
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
/// the context's streams, whichever socket they are of, also while another thread is at it; the call that finds nothing does it: `try_recv` that says `Empty`,
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
/// The one that the sockets' `edge_descriptor` makes tells less, as libzmq's `ZMQ_FD` does, for programs written for that: it is
/// readable when something has come that a call on the socket has said is *missing*, not while the socket is ready. A socket
/// that can simply be written to does not keep it readable, nor does a message that nobody asks for.
///
/// * What is missing is said by `readiness`, by `try_recv` and a time-out with nothing, `try_send` and a time-out with no room
///   or no peer, `can_recv` and `can_send` with no. Something has come when that would not be said any more; a peer that comes,
///   and the end of the context, are told, too, to who misses anything. So the descriptor may be readable for nothing.
/// * Each of these lowers it, whatever the answer; so does the error that says that the context has been shut down. A call
///   that moves a message says nothing, and leaves it as it is.
/// * It begins readable. It is readable for good once the socket is gone.
///
/// The program asks, after it was readable **and** after its own calls that moved a message, until what it wants is missing,
/// and only then sleeps on it. A program that wants nothing but messages does so by receiving until there is none. One that is
/// told that a message, or room, is there and sleeps nevertheless may sleep long: nothing more is missing.
///
/// It does for level- and edge-triggered loops alike. In a caller-driven context it is readable also as above, and each
/// `readiness` does what there is to do for the streams.
///
/// ```no_run
/// # use ringway::{Pair, poll::Interest};
/// # fn wait_until_readable(_: &impl std::os::fd::AsFd) {}
/// # fn handle(_: ringway::Message) {}
/// # fn example(mut socket: Pair) -> Result<(), Box<dyn std::error::Error>> {
/// let fd = socket.edge_descriptor()?;
/// loop {
///     wait_until_readable(&fd);
///     while socket.readiness(Interest::READABLE).has_readable() {
///         handle(socket.try_recv()?);
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Descriptor {
    flag: Counted<Flag>,
    watcher: Counted<dyn Watcher>,
    socket: Counted<dyn Watchable>,
    interest: Interest,
    made_in: Process,
    /// Where callers turn the reactor: the eventfd and the reactor's descriptor in one.
    #[cfg(not(any(loom, shuttle)))]
    both: Option<OwnedFd>,
}

/// Raises and lowers one that is readable while the socket is ready.
#[derive(Debug)]
struct Standing {
    flag: Counted<Flag>,
    interest: Interest,
    /// What the socket had done by the end of the last call. The owner's alone.
    progress: AtomicU64,
}

impl Descriptor {
    /// Readable while the socket is ready for what `interest` says. Raised; the owner's next call puts it right.
    pub(crate) fn new(socket: Counted<dyn Watchable>, interest: Interest) -> io::Result<Self> {
        let flag = Counted::new(Flag::raised()?);
        let watcher = Standing { flag: flag.clone(), interest, progress: AtomicU64::new(0) };
        Ok(Self::enrolled(flag, Counted::new(watcher), socket, interest))
    }

    /// Readable when the socket turns ready for what it was found not to be ready for. Raised, until it is answered.
    pub(crate) fn of_news(socket: Counted<dyn Watchable>) -> io::Result<Self> {
        let flag = Counted::new(Flag::raised()?);
        let watcher = News::new(flag.clone());
        Ok(Self::enrolled(flag, Counted::new(watcher), socket, Interest::BOTH))
    }

    fn enrolled(
        flag: Counted<Flag>,
        watcher: Counted<dyn Watcher>,
        socket: Counted<dyn Watchable>,
        interest: Interest,
    ) -> Self {
        socket.enroll(watcher.clone());
        Self {
            flag,
            watcher,
            socket,
            interest,
            made_in: Process::this(),
            #[cfg(not(any(loom, shuttle)))]
            both: None,
        }
    }

    /// Readable also when there is something to do for `driven`, if that is given.
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) fn beside(mut self, driven: Option<Reactor>) -> io::Result<Self> {
        if let Some(reactor) = driven {
            let both = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            epoll::add(&both, self.flag.as_fd(), EventData::new_u64(0), EventFlags::IN)?;
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
        self.interest
    }

    /// Is it readable?
    #[cfg(all(test, any(loom, shuttle)))]
    pub(crate) fn is_raised(&self) -> bool {
        self.flag.is_readable()
    }

    /// How often it was written.
    #[cfg(all(test, any(loom, shuttle)))]
    pub(crate) fn edges(&self) -> u32 {
        self.flag.edges()
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        if cfg!(any(loom, shuttle)) && std::thread::panicking() {
            return;
        }
        if !self.made_in.is_this() {
            return;
        }
        self.flag.end();
        self.socket.dismiss(&self.watcher);
    }
}

impl Watcher for Standing {
    fn wake(&self) {
        self.flag.raise();
    }

    fn settle(&self, core: &mut dyn Ready, signal: &Signal, _: Told) -> Settled {
        if self.flag.is_over() {
            return Settled::Gone;
        }
        let progress = core.progress();
        let is_stuck = self.progress.swap(progress, Ordering::Relaxed) == progress;
        if core.readiness(self.interest).any() {
            if is_stuck && !planted("descriptor-pokes-nobody") {
                // The call may have found nothing just before something came. A loop that is edge-triggered sleeps then,
                // and the edge there was is spent.
                self.flag.poke();
            }
            self.flag.raise();
        } else if self.flag.lower() {
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
                self.flag.raise();
            }
        }
        Settled::Quiet
    }
}

#[cfg(not(any(loom, shuttle)))]
impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.both.as_ref().map_or_else(|| self.flag.as_fd(), AsFd::as_fd)
    }
}

#[cfg(not(any(loom, shuttle)))]
impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
