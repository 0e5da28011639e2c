//! What a child process may do with what it has inherited: nothing but close it.
//!
//! fork(2) copies memory and not threads: in the child the reactor is not there, locks may be held by nobody, and every
//! descriptor is the parent's as well. So whatever was made before a fork answers with an error in the child and is not
//! touched; closing it succeeds and leaves its memory alone. What the child makes itself is its own.

use std::{
    ptr,
    sync::{
        Once,
        atomic::{AtomicPtr, AtomicU32, Ordering},
    },
};

/// Forks between this process and the one that began.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Which process this is, among those that were forked off each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    /// This one. A load; the first call of all also asks to be told of forks.
    #[inline(always)]
    pub(crate) fn this() -> Self {
        // Relaxed: written by a process of one thread, before its first return from fork.
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// As [`this`](Self::this), for who makes something: from now on forks are counted.
    pub(crate) fn begin() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            // SAFETY: the hook only adds to an atomic, which is allowed in the child of a process of many threads.
            unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        });
        Self::this()
    }

    /// Is this the process it was made in?
    #[inline(always)]
    pub(crate) fn is_this(self) -> bool {
        self == Self::this()
    }
}

/// A [`Process`] that may be read while another thread writes it.
pub(crate) struct SharedProcess(AtomicU32);

impl SharedProcess {
    pub(crate) fn new(process: Process) -> Self {
        Self(AtomicU32::new(process.0))
    }

    // Relaxed, both: what it says of is published by others.
    pub(crate) fn get(&self) -> Process {
        Process(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn set(&self, process: Process) {
        self.0.store(process.0, Ordering::Relaxed);
    }
}

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// What each process has its own of: a lock, say, which a thread of the parent's may have held. What the parent had is
/// left alone.
pub(crate) struct Own<T: 'static>(AtomicPtr<(Process, T)>);

impl<T: Default + Sync + 'static> Own<T> {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// This process's, made when it is first asked for.
    pub(crate) fn get(&self) -> &'static T {
        let process = Process::begin();
        loop {
            // Acquire: what is behind it; pairs with the exchange below.
            let there = self.0.load(Ordering::Acquire);
            // SAFETY: it is null, or a box that was given away below and is never freed.
            if let Some((owner, value)) = unsafe { there.as_ref() }
                && *owner == process
            {
                return value;
            }
            let new = Box::into_raw(Box::new((process, T::default())));
            if self.0.compare_exchange(there, new, Ordering::AcqRel, Ordering::Relaxed).is_err() {
                // SAFETY: it was made above, and nobody has seen it.
                drop(unsafe { Box::from_raw(new) });
            }
        }
    }
}
