//! The sleep word and the protocol around it: an eventcount of one sleeper and any number of wakers.
//!
//! | sleeper | waker |
//! |---|---|
//! | 1. installs its target | 1. publishes (a message, room) |
//! | 2. `arm`: word = ASLEEP | 2. full fence |
//! | 3. full fence | 3. `notify`: reads the word |
//! | 4. looks again; found: `disarm`, done | 4. ASLEEP: swaps it to AWAKE; who swapped it wakes the target |
//! | 5. sleeps until the target is woken; back to 2 | |
//!
//! Either the sleeper's second look sees the publication, or the waker's look sees ASLEEP: the two fences are ordered
//! one way or the other, and what stands before the first is seen by what stands after the second. So no wake-up is
//! lost, and when nobody sleeps a waker pays one load of a line that does not change.
//!
//! A wake may come late: after the sleeper found its message by itself, after its target was replaced, when it sleeps
//! for something else. Then it is spurious, and every sleeper looks again after each wake, so that it costs a turn and
//! nothing else.

#![forbid(unsafe_code)]

use std::sync::Arc;

use super::target::{Sleep, Target, ThreadTarget};
use crate::sync::{AtomicU32, Mutex, Ordering, full_fence, planted};

/// Where wakers look: lives in the half of a socket or channel that peers reach.
///
/// One waiter at a time; any number of wakers. The holder gives it a cache line of its own, or shares one with words
/// that change as rarely.
#[derive(Debug, Default)]
pub struct Signal {
    /// | value | meaning | next |
    /// |---|---|---|
    /// | `AWAKE` | nobody sleeps, or a waker has taken on to wake | `ASLEEP` by the sleeper |
    /// | `ASLEEP` | the sleeper sleeps or is about to look a last time | `AWAKE` by one waker, or by the sleeper |
    word: AtomicU32,
    /// Whom to wake. Locked by a waker only when it has swapped the word, never while it wakes.
    target: Mutex<Option<Target>>,
}

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;

impl Signal {
    /// A signal with no target and nobody asleep.
    pub fn new() -> Self {
        Self { word: AtomicU32::new(AWAKE), target: Mutex::new(None) }
    }

    /// The waker's look, after it published and issued a full fence. Returns whether it woke somebody.
    ///
    /// One relaxed load when nobody sleeps; otherwise one swap and whatever the target needs, usually a system call.
    #[inline]
    pub fn notify(&self) -> bool {
        // Relaxed: ordered by the caller's fence, which pairs with the one in `arm`.
        self.word.load(Ordering::Relaxed) != AWAKE && self.notify_slow()
    }

    /// As [`notify`](Self::notify), for wakers that did not issue the fence.
    #[inline]
    pub fn fence_and_notify(&self) -> bool {
        if !planted("signal-no-waker-fence") {
            // Full: the publication before it against the look after it; pairs with the one in `arm`.
            full_fence();
        }
        self.notify()
    }

    /// Puts `target` in place of the present one, which is returned. A wake in flight reaches one or the other.
    pub fn install(&self, target: Target) -> Option<Target> {
        self.target.lock().replace(target)
    }

    /// Takes the target out, and returns it. A wake in flight may still reach it.
    pub fn remove(&self) -> Option<Target> {
        self.target.lock().take()
    }

    /// Announces that the waiter is about to sleep, then fences. The caller looks again before it does.
    pub fn arm(&self) {
        self.announce();
        // Full: the announcement against the look the caller makes next; pairs with the waker's before `notify`.
        full_fence();
    }

    /// Takes the announcement back. A wake in flight may still arrive.
    pub fn disarm(&self) {
        // Relaxed: whoever swapped it before us wakes us for nothing; whoever looks after us need not.
        self.word.swap(AWAKE, Ordering::Relaxed);
    }

    /// `arm` without its fence, which the caller issues.
    pub(crate) fn announce(&self) {
        // Release: the target and all the waiter did before; pairs with Acquire in `notify_slow`.
        self.word.swap(ASLEEP, Ordering::Release);
    }

    /// Installs the calling thread's target unless it is there already; returns one it displaced that must come back.
    ///
    /// The target of a thread stays behind when its wait ends: it is reached only while the word says `ASLEEP`, and
    /// the next thread replaces it. Any other kind was installed for longer than a wait, and comes back.
    pub(super) fn enlist(&self, mine: &Arc<ThreadTarget>) -> Option<Target> {
        let mut target = self.target.lock();
        match &*target {
            Some(Target::Thread(present)) if Arc::ptr_eq(present, mine) => None,
            None | Some(Target::Thread(_)) => {
                *target = Some(Target::Thread(Arc::clone(mine)));
                None
            }
            Some(_) => target.replace(Target::Thread(Arc::clone(mine))),
        }
    }

    /// Installs `target` in place of the present one, which is returned if it must come back: see `enlist`.
    #[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
    pub(super) fn enlist_for_good(&self, target: Target) -> Option<Target> {
        self.target.lock().replace(target).filter(|displaced| matches!(displaced, Target::Loop(_)))
    }

    /// In a model: does the waiter look asleep? Asked by itself.
    #[cfg(all(test, any(loom, shuttle)))]
    pub(super) fn is_announced(&self) -> bool {
        self.word.load(Ordering::Relaxed) == ASLEEP
    }

    /// In a model: a signal handler runs in the thread whose target is in place, if there is one.
    #[cfg(all(test, any(loom, shuttle)))]
    pub(crate) fn interrupt(&self) {
        let target = self.target.lock().clone();
        if let Some(Target::Thread(target)) = target {
            target.interrupt();
        }
    }

    #[cold]
    fn notify_slow(&self) -> bool {
        // Swap: one of several wakers pays for the wake. Acquire: pairs with Release in `announce`.
        if self.word.swap(AWAKE, Ordering::AcqRel) == AWAKE {
            return false;
        }
        // Cloned, so that the sleeper finds the lock free, and so that the target outlives the wake.
        let target = self.target.lock().clone();
        match target {
            Some(target) if !planted("signal-no-wake") => {
                target.wake();
                true
            }
            _ => false,
        }
    }
}

/// A signal as the target of others: how one waiter sleeps on many signals. Each of them gets
/// `Target::Loop(its own signal)` once; the waiter arms them all in [`Awaited::announce`](super::Awaited::announce).
impl Sleep for Signal {
    fn wake(&self) {
        // With its own fence: whichever signal is armed first, the waiter's look follows both.
        self.fence_and_notify();
    }
}
