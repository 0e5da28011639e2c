//! What the descriptors of a socket are made of: an eventfd that others raise and the socket's owner lowers.
//!
//! Beside the eventfd is a word that says what is in it, so that a call on the socket knows without a system call
//! whether one is needed:
//!
//! | word | meaning | next |
//! |---|---|---|
//! | `ARMED` | it holds nothing | `RAISING`, by whoever is first to raise it then: the *holder* |
//! | `RAISING` | the holder is about to write it | `RAISED` by the holder; `RECALLED` by the owner |
//! | `RAISED` | it holds a one | `ARMED` by the owner |
//! | `RECALLED` | the owner has lowered it: the holder will read what it wrote | `ARMED` by the holder; `REPEAT` by who raises it |
//! | `REPEAT` | it is raised again: the holder will read and write once more | `RAISING` by the holder; `RECALLED` by the owner |
//!
//! Raising after lowering always writes, which an edge-triggered loop needs; raising twice writes once.

#![forbid(unsafe_code)]

use std::io;

#[cfg(not(any(loom, shuttle)))]
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::sync::{AtomicBool, AtomicU32, Ordering, planted};

/// See the module.
#[derive(Debug)]
pub(super) struct Flag {
    level: Level,
    /// See the module.
    word: AtomicU32,
    /// Its descriptor is gone.
    is_over: AtomicBool,
}

const ARMED: u32 = 0;
const RAISING: u32 = 1;
const RAISED: u32 = 2;
const RECALLED: u32 = 3;
const REPEAT: u32 = 4;

impl Flag {
    pub(super) fn raised() -> io::Result<Self> {
        Ok(Self { level: Level::raised()?, word: AtomicU32::new(RAISED), is_over: AtomicBool::new(false) })
    }

    /// By anybody, at any time.
    pub(super) fn raise(&self) {
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

    /// The owner's: lowers it. False if nobody has raised it since the last time; otherwise who is to raise it next must be
    /// asked to, and what would have made them is to be looked at once more.
    #[must_use]
    pub(super) fn lower(&self) -> bool {
        loop {
            // Acquire: the holder's write, which our read follows; pairs with the swap in `hold`.
            let word = self.word.load(Ordering::Acquire);
            if word == ARMED {
                return false;
            }
            // A holder's, too, that has not come to say so: its write may have woken us in its place, and then we would find
            // this readable until its turn comes.
            self.level.lower();
            match word {
                RAISED => {
                    // Relaxed: the owner's alone until then; published by the announcement.
                    self.word.store(ARMED, Ordering::Relaxed);
                    return true;
                }
                // Raised since, if it is not that any more: then what we read was that.
                RECALLED if planted("descriptor-reads-unlooking") || self.word.load(Ordering::Acquire) == RECALLED => {
                    return false;
                }
                RECALLED => {}
                _ if planted("descriptor-recalls-nothing") => return false,
                held if self.swap(held, RECALLED) => return true,
                // The holder has just done something.
                _ => {}
            }
        }
    }

    /// The owner's: one more edge, if it is raised.
    pub(super) fn poke(&self) {
        if self.word.load(Ordering::Acquire) == RAISED {
            self.level.raise();
        }
    }

    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Is it readable?
    #[cfg(all(test, any(loom, shuttle)))]
    pub(super) fn is_readable(&self) -> bool {
        self.level.held.load(Ordering::SeqCst) > 0
    }

    /// How often it was written.
    #[cfg(all(test, any(loom, shuttle)))]
    pub(super) fn edges(&self) -> u32 {
        self.level.edges.load(Ordering::SeqCst)
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

    fn swap(&self, from: u32, to: u32) -> bool {
        // AcqRel: what each did with the eventfd, and what made the socket ready, before the other's next step.
        self.word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

#[cfg(not(any(loom, shuttle)))]
impl AsFd for Flag {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.level.0.as_fd()
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
