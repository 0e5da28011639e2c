//! Where a poller hears that something happened: marks, and a signal of its own to sleep on.

#![forbid(unsafe_code)]

use std::sync::Arc;

use crate::{
    pipe::ReadySet,
    socket::{Interest, Ready, Settled, Told, Watcher},
    sync::{AtomicBool, AtomicU32, Ordering, full_fence, planted},
    wait::Signal,
};

/// A poller's shared half.
#[derive(Debug)]
pub(super) struct Bell {
    pub(super) signal: Signal,
    /// Keys of registrations that were armed and are no more.
    pub(super) marked: ReadySet,
    /// A [`Waker`](super::Waker) wants the wait to end.
    called: AtomicBool,
}

impl Bell {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { signal: Signal::new(), marked: ReadySet::new(), called: AtomicBool::new(false) })
    }

    /// Ends the present or the next wait.
    pub(super) fn call(&self) {
        // Release: what the caller did before; pairs with Acquire in `take_call`.
        self.called.store(true, Ordering::Release);
        self.signal.fence_and_notify();
    }

    /// Was there a call? It is answered then.
    #[inline(always)]
    pub(super) fn take_call(&self) -> bool {
        self.called.load(Ordering::Relaxed) && self.called.swap(false, Ordering::Acquire)
    }
}

/// A socket's registration with a poller, as the socket's peers and its owner see it.
#[derive(Debug)]
pub(super) struct Registration {
    bell: Arc<Bell>,
    key: u32,
    /// Bits of an [`Interest`]. Written by the poller.
    interest: AtomicU32,
    /// | value | meaning | written by |
    /// |---|---|---|
    /// | true | the poller does not look, or is about to sleep: mark the key | the poller |
    /// | false | the poller looks by itself, or the key is marked | whoever marks, or the poller |
    armed: AtomicBool,
    /// The poller has taken it out.
    is_over: AtomicBool,
}

impl Registration {
    pub(super) fn new(bell: Arc<Bell>, key: u32, interest: Interest) -> Self {
        Self {
            bell,
            key,
            interest: AtomicU32::new(interest.bits().into()),
            armed: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        }
    }

    pub(super) fn set_interest(&self, interest: Interest) {
        self.interest.store(interest.bits().into(), Ordering::Relaxed);
    }

    /// Asks to be marked. An announcement on the socket's signal, a fence and a look follow.
    pub(super) fn arm(&self) {
        // Relaxed: published by the announcement's Release to wakers, by the socket's lock to its owner.
        self.armed.store(true, Ordering::Relaxed);
    }

    /// Takes that back. A mark may still come.
    pub(super) fn disarm(&self) {
        self.armed.store(false, Ordering::Relaxed);
    }

    /// Does it stand? "No" is final until it is armed again.
    pub(super) fn is_armed(&self) -> bool {
        // Relaxed: whoever ends it marks the key afterwards, and a mark is drained with Acquire.
        self.armed.load(Ordering::Relaxed)
    }

    pub(super) fn end(&self) {
        self.disarm();
        self.is_over.store(true, Ordering::Relaxed);
    }
}

impl Watcher for Registration {
    fn wake(&self) {
        if self.is_armed() && self.armed.swap(false, Ordering::AcqRel) {
            self.bell.marked.mark(self.key);
            if !planted("poll-mark-no-fence") {
                // Full: the mark against the look at a sleeper; pairs with the poller's before its last look.
                full_fence();
            }
            self.bell.signal.notify();
        }
    }

    fn settle(&self, core: &mut dyn Ready, _signal: &Signal, _told: Told) -> Settled {
        if self.is_over.load(Ordering::Relaxed) {
            return Settled::Gone;
        }
        // Armed after this look? Then its last look failed for our lock, and it contends.
        if !self.is_armed() || planted("poll-settles-nothing") {
            return Settled::Quiet;
        }
        let interest = Interest::from_bits(self.interest.load(Ordering::Relaxed) as u8);
        if core.readiness(interest).any() { Settled::Wake } else { Settled::Quiet }
    }
}
