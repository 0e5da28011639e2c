//! What a process that was forked off may do with what it has inherited: nothing but drop it.
//!
//! fork(2) copies memory and not threads: in the child no reactor runs, locks may be held by nobody, segments are not mapped,
//! and every descriptor is the parent's as well, so that a byte read or written, or a change of an `epoll` set, is done to the
//! parent. So what was made before a fork answers with an error in the child, and its memory is left as it is when it is
//! dropped. What the child makes itself is its own.
//!
//! The price is a load for each call: of a word that only a fork writes. The parent learns of its first fork, too: from then on
//! it closes connections for those who have a descriptor of them as well.

use std::{
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
};

/// Not of a model: none forks.
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Forks between this process and the one that began.
static FORKS: AtomicU32 = AtomicU32::new(0);
/// Has this process forked, or one that it was forked off?
static HAS_FORKED: AtomicBool = AtomicBool::new(false);

/// Which process this is, among those that were forked off each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(u32);

/// What only the process that has made it may touch or drop: in one forked off, it is forgotten.
#[derive(Debug)]
pub(crate) struct Own<T> {
    made_in: Process,
    value: ManuallyDrop<T>,
}

/// It was made by a process that this one was forked off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forked;

/// What a call on an inherited socket returns.
pub(crate) trait Denied {
    /// It.
    fn denied() -> Self;
}

impl Process {
    /// This one; from now on forks are counted.
    pub(crate) fn this() -> Self {
        count_forks();
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Is it this one? A load.
    #[inline(always)]
    pub(crate) fn is_this(self) -> bool {
        // Relaxed: written by a process of one thread, before its first return from fork.
        self.0 == FORKS.load(Ordering::Relaxed)
    }
}

/// May another process have descriptors of ours, because it was forked off?
pub(crate) fn has_forked() -> bool {
    // Relaxed: written in the call that forks, which the process knows to be over by other means.
    HAS_FORKED.load(Ordering::Relaxed)
}

#[cfg(all(unix, not(any(loom, shuttle, miri))))]
fn count_forks() {
    static HOOK: std::sync::Once = std::sync::Once::new();

    extern "C" fn in_parent() {
        HAS_FORKED.store(true, Ordering::Relaxed);
    }

    extern "C" fn in_child() {
        HAS_FORKED.store(true, Ordering::Relaxed);
        FORKS.fetch_add(1, Ordering::Relaxed);
    }

    HOOK.call_once(|| {
        // It fails for want of memory only, and then forks go unseen.
        // SAFETY: the hooks only write atomics, which is allowed in the child of a process of many threads.
        let _ = unsafe { libc::pthread_atfork(None, Some(in_parent), Some(in_child)) };
    });
}

#[cfg(not(all(unix, not(any(loom, shuttle, miri)))))]
fn count_forks() {}

impl<T> Own<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { made_in: Process::this(), value: ManuallyDrop::new(value) }
    }

    pub(crate) fn made_in(&self) -> Process {
        self.made_in
    }

    /// Has another process made it, which this one was forked off?
    #[inline(always)]
    pub(crate) fn is_inherited(&self) -> bool {
        !self.made_in.is_this()
    }
}

impl<T> Deref for Own<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Own<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Drop for Own<T> {
    fn drop(&mut self) {
        if !self.is_inherited() {
            // SAFETY: it is dropped here only, and not used after.
            unsafe { ManuallyDrop::drop(&mut self.value) };
        }
    }
}

impl<T, E: From<Forked>> Denied for Result<T, E> {
    fn denied() -> Self {
        Err(Forked.into())
    }
}

impl<T> Denied for Option<T> {
    fn denied() -> Self {
        None
    }
}

impl<T> Denied for Vec<T> {
    fn denied() -> Self {
        Self::new()
    }
}

impl<A: Denied, B: Denied> Denied for (A, B) {
    fn denied() -> Self {
        (A::denied(), B::denied())
    }
}

impl Denied for () {
    fn denied() {}
}

impl Denied for bool {
    fn denied() -> Self {
        false
    }
}

impl Denied for usize {
    fn denied() -> Self {
        0
    }
}

impl Denied for u32 {
    fn denied() -> Self {
        0
    }
}

impl Denied for u64 {
    fn denied() -> Self {
        0
    }
}

impl From<Forked> for std::io::Error {
    fn from(_: Forked) -> Self {
        Self::other("it belongs to the process this one was forked off")
    }
}
