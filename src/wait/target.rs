//! What a wake reaches: a thread, an eventfd, or a loop that must be turned.
//!
//! Each target carries a state word of its own, so that many wakes before the sleeper runs cost one system call, and
//! so that a stray unpark token (off Linux user code may park too) or a spurious return of `park` is told from a wake.
//! Targets are counted: a waker holds one while it wakes, whatever the sleeper does meanwhile.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Instant;

use crate::sync::{AtomicBool, Ordering, Parker, planted};

#[cfg(not(any(loom, shuttle)))]
use super::clock;
#[cfg(not(any(loom, shuttle)))]
use crate::sync::{AtomicU32, AtomicU64};

/// A loop that must be turned: a reactor, a poller, a worker. Implemented by whoever owns the loop.
pub trait Sleep: Send + Sync + Debug {
    /// Makes the loop's current or next sleep end soon. Called from any thread, never under a lock of ours; must not
    /// block. May be called when the loop does not sleep, and again after it was called.
    fn wake(&self);
}

/// What a wake reaches. Cloning counts a reference.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Target {
    /// A parked thread.
    Thread(Arc<ThreadTarget>),
    /// An eventfd, for loops that sleep in `epoll_wait` or `poll`.
    #[cfg(target_os = "linux")]
    Eventfd(Arc<EventTarget>),
    /// A loop that knows how to end its own sleep.
    Loop(Arc<dyn Sleep>),
}

impl Target {
    /// Wakes it. A system call only when the target did not already hold a wake-up.
    pub(super) fn wake(&self) {
        match self {
            Self::Thread(target) => target.wake(),
            #[cfg(target_os = "linux")]
            Self::Eventfd(target) => target.wake(),
            Self::Loop(target) => target.wake(),
        }
    }
}

/// A thread that parks.
#[derive(Debug)]
pub struct ThreadTarget {
    parker: Parker,
    /// | value | meaning | written by |
    /// |---|---|---|
    /// | false | no wake-up is pending | the sleeper, when it takes one |
    /// | true | a wake-up is pending | wakers |
    notified: AtomicBool,
    stamp: Stamp,
}

impl ThreadTarget {
    /// The calling thread as a target.
    pub(super) fn current() -> Arc<Self> {
        Arc::new(Self { parker: Parker::current(), notified: AtomicBool::new(false), stamp: Stamp::default() })
    }

    /// Does it reach the calling thread?
    pub(super) fn is_current(&self) -> bool {
        self.parker.is_current()
    }

    fn wake(&self) {
        self.stamp.set();
        // A swap rather than a store: a second waker leaves the system call to the first.
        // Release: the stamp above, and what the waker published before; pairs with Acquire in `sleep`.
        if !self.notified.swap(true, Ordering::AcqRel) && !planted("target-no-unpark") {
            self.parker.unpark();
        }
    }

    /// Parks the calling thread, which must be the target's, until a wake-up is pending, which it takes, or `deadline`, or,
    /// if it is interruptible, a signal handler ran meanwhile. A wake-up that comes at the same time as a signal may stay
    /// pending, and is spurious to the next sleep.
    pub(super) fn sleep(&self, deadline: Option<Instant>, interruptible: bool) -> Slept {
        loop {
            // Acquire: pairs with Release in `wake`.
            if self.notified.swap(false, Ordering::Acquire) {
                return Slept::Woken;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Slept::TimedOut;
            }
            if self.parker.park(left, interruptible) {
                return Slept::Interrupted;
            }
        }
    }

    /// In a model: a signal handler runs in the thread.
    #[cfg(all(test, any(loom, shuttle)))]
    pub(super) fn interrupt(&self) {
        self.parker.interrupt();
    }

    /// When and where the wake-up was sent that `sleep` last took.
    pub(super) fn stamp(&self) -> &Stamp {
        &self.stamp
    }
}

/// How a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slept {
    /// By a wake-up, which was taken.
    Woken,
    /// With its time, or for no reason of ours.
    TimedOut,
    /// A signal handler ran meanwhile.
    Interrupted,
}

/// When and on which core a waker woke. Only an input to estimates: the two halves may belong to two wakes.
#[cfg(not(any(loom, shuttle)))]
#[derive(Debug, Default)]
pub(super) struct Stamp {
    ns: AtomicU64,
    core: AtomicU32,
}

#[cfg(not(any(loom, shuttle)))]
impl Stamp {
    fn set(&self) {
        // Relaxed, both: published by the Release store of `notified`.
        self.ns.store(clock::now_ns(), Ordering::Relaxed);
        self.core.store(clock::core().unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// The waker's clock, ns.
    pub(super) fn ns(&self) -> u64 {
        self.ns.load(Ordering::Relaxed)
    }

    /// The waker's core, if known.
    pub(super) fn core(&self) -> Option<u32> {
        Some(self.core.load(Ordering::Relaxed)).filter(|&core| core != u32::MAX)
    }
}

/// A model has no time.
#[cfg(any(loom, shuttle))]
#[derive(Debug, Default)]
pub(super) struct Stamp;

#[cfg(any(loom, shuttle))]
impl Stamp {
    fn set(&self) {}
}

/// An eventfd, and a word that keeps it from being written twice.
///
/// The loop that owns it registers [`fd`](Self::fd) for reading and calls [`drain`](Self::drain) when it becomes
/// readable, *before* it looks at what it waits for.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct EventTarget {
    fd: std::os::fd::OwnedFd,
    /// True while a wake-up is in the descriptor or about to be.
    notified: AtomicBool,
}

#[cfg(target_os = "linux")]
impl EventTarget {
    /// Makes a new, non-blocking, close-on-exec eventfd.
    ///
    /// # Errors
    ///
    /// What `eventfd(2)` says, such as too many open files.
    pub fn new() -> std::io::Result<Arc<Self>> {
        use rustix::event::{EventfdFlags, eventfd};
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Arc::new(Self { fd, notified: AtomicBool::new(false) }))
    }

    /// The descriptor to wait on. Readable while a wake-up is pending.
    pub fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.fd.as_fd()
    }

    /// Takes the pending wake-up, if any. Everything a waker published before it woke is visible afterwards.
    pub fn drain(&self) {
        let mut count = [0; 8];
        // Would-block means that the waker has set `notified` and not yet written: it will, and the loop turns once
        // more for nothing.
        let _ = rustix::io::read(&self.fd, &mut count);
        // After the read: the other way round, a wake between the two would leave the word set and the descriptor
        // empty, and no later wake would be written.
        // Acquire: pairs with AcqRel in `wake`.
        self.notified.swap(false, Ordering::Acquire);
    }

    fn wake(&self) {
        // Release: what the waker published; Acquire is not needed but a swap has it for free. Pairs with `drain`.
        if !self.notified.swap(true, Ordering::AcqRel) {
            // The counter cannot overflow: it is at most a few ones. A failed write has no reader left to tell.
            let _ = rustix::io::write(&self.fd, &1_u64.to_ne_bytes());
        }
    }
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsFd for EventTarget {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd()
    }
}
