//! The ground everything lock-free stands on: atomics, cells, locks and threads, from `std` or from a model checker.
//!
//! This is the only file that names `std`'s, loom's or shuttle's atomics. Under `--cfg loom` every type below is
//! loom's, which explores all interleavings the C11 memory model allows; under `--cfg shuttle` they are shuttle's,
//! which samples schedules of larger programs; otherwise they are `std`'s and cost nothing.
//!
//! # Planted bugs
//!
//! A model that cannot fail proves nothing, so each has a bug it is known to catch. [`weakened`] and [`planted`] mark
//! the line a bug is planted in: outside the model checkers both are constants the compiler removes; inside them a
//! test names the plant with [`with_plant`] and asserts that the model fails.

// The disallowed types are disallowed everywhere but here.
#![allow(clippy::disallowed_types)]

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    hint::spin_loop,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
    },
    thread,
};

#[cfg(shuttle)]
pub(crate) use shuttle::{
    hint::spin_loop,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
    },
    thread,
};

#[cfg(not(any(loom, shuttle)))]
#[allow(unused_imports, reason = "the three lists offer the same, whether or not all of it is in use")]
pub(crate) use std::{
    hint::spin_loop,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
    },
    thread,
};

#[cfg(loom)]
use loom::sync as lock;
#[cfg(shuttle)]
use shuttle::sync as lock;
#[cfg(not(any(loom, shuttle)))]
use std::sync as lock;

pub(crate) use crossbeam_utils::CachePadded;
#[cfg(all(test, any(loom, shuttle)))]
pub(crate) use lock::Condvar;
pub(crate) use lock::MutexGuard;
use std::time::Duration;

/// A mutex whose guard survives a panic of its holder: state under it is kept valid at every step, so poison says
/// nothing.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(lock::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(lock::Mutex::new(value))
    }

    /// Blocks until the lock is ours. Never on a message path of two awake peers.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The lock, unless somebody has it. Never blocks.
    #[inline(always)]
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }
}

/// loom's `UnsafeCell` interface over `std`'s cell.
#[cfg(not(loom))]
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// Orders every memory access before it against every one after it, on all threads: the store-to-load barrier of the
/// sleep protocol (publish; `full_fence`; look).
#[inline(always)]
pub(crate) fn full_fence() {
    fence(Ordering::SeqCst);
}

/// The cheap half of an asymmetric pair of fences, for the side that runs often: against a [`heavy_fence`] of another
/// thread it orders like [`full_fence`]; against a `full_fence` it orders nothing. Costs a load that almost never
/// misses; a full fence where the kernel refuses `membarrier`.
#[inline(always)]
pub(crate) fn light_fence() {
    if planted("light-fence-dropped") {
        return;
    }
    asymmetric::light();
}

/// The expensive half: a full fence here and, as seen from here, in the middle of every other running thread of the
/// process. A system call of microseconds that interrupts every core running this process; paid once per park.
///
/// Returns false in one case: the kernel granted `membarrier` before and refuses it now (a seccomp filter installed
/// later). Light fences issued from then on are full ones, but one under way may not be: the caller must not sleep
/// for long before it looks again.
#[must_use]
pub(crate) fn heavy_fence() -> bool {
    full_fence();
    asymmetric::heavy()
}

/// Asks the kernel for `membarrier`, once per process. Called where a structure whose users issue light fences is
/// built, so that the milliseconds a registration can take fall there and not into a first park.
pub(crate) fn prepare_asymmetric_fences() {
    asymmetric::prepare();
}

#[cfg(all(target_os = "linux", not(any(loom, shuttle, miri))))]
mod asymmetric {
    use super::{AtomicU32, Ordering, full_fence};
    use rustix::thread::{MembarrierCommand, membarrier};
    use std::sync::atomic::compiler_fence;

    /// | value | light fence | heavy fence |
    /// |---|---|---|
    /// | `UNDECIDED` | full | registers, then as decided |
    /// | `GRANTED` | compiler only | `membarrier` |
    /// | `REFUSED` | full | full |
    static STATE: AtomicU32 = AtomicU32::new(UNDECIDED);
    const UNDECIDED: u32 = 0;
    const GRANTED: u32 = 1;
    const REFUSED: u32 = 2;

    #[inline(always)]
    pub(super) fn light() {
        // Relaxed: a thread that reads `GRANTED` late issues a stronger fence than it needs. It cannot read it early:
        // the state is written after the registration.
        if STATE.load(Ordering::Relaxed) == GRANTED {
            compiler_fence(Ordering::SeqCst);
        } else {
            full_fence();
        }
    }

    pub(super) fn prepare() {
        if STATE.load(Ordering::Relaxed) == UNDECIDED {
            let answer = match membarrier(MembarrierCommand::RegisterPrivateExpedited) {
                Ok(()) => GRANTED,
                Err(_) => REFUSED,
            };
            // Several threads may register at once; all get the same answer. A refusal never turns into a grant.
            let _ = STATE.compare_exchange(UNDECIDED, answer, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    pub(super) fn heavy() -> bool {
        prepare();
        if STATE.load(Ordering::Relaxed) != GRANTED {
            return true;
        }
        let done = membarrier(MembarrierCommand::PrivateExpedited).is_ok();
        if !done {
            STATE.store(REFUSED, Ordering::Relaxed);
        }
        done
    }
}

/// loom knows no `membarrier`. Read-modify-writes of one variable order a light fence against a heavy one, and, other
/// than full fences, neither against a full one: so a model sees a waiter that pays the wrong fence.
#[cfg(loom)]
mod asymmetric {
    use super::{AtomicU32, Ordering};

    loom::lazy_static! {
        static ref BARRIER: AtomicU32 = AtomicU32::new(0);
    }

    pub(super) fn light() {
        BARRIER.fetch_add(0, Ordering::AcqRel);
    }

    pub(super) fn prepare() {}

    pub(super) fn heavy() -> bool {
        BARRIER.fetch_add(0, Ordering::AcqRel);
        true
    }
}

#[cfg(not(any(loom, all(target_os = "linux", not(any(shuttle, miri))))))]
mod asymmetric {
    #[inline(always)]
    pub(super) fn light() {
        super::full_fence();
    }

    pub(super) fn prepare() {}

    pub(super) fn heavy() -> bool {
        true
    }
}

/// One thread's park and unpark, on a futex: other than `std`'s it tells of signals.
#[cfg(all(target_os = "linux", not(any(loom, shuttle, miri))))]
#[derive(Debug)]
pub(crate) struct Parker {
    thread: thread::ThreadId,
    /// | value | meaning | written by |
    /// |---|---|---|
    /// | `EMPTY` | neither of the others | the thread, when its park is over |
    /// | `PARKED` | the thread sleeps, or is about to | the thread |
    /// | `TOKEN` | it is not to park, or not any longer | those who unpark it |
    token: AtomicU32,
}

#[cfg(all(target_os = "linux", not(any(loom, shuttle, miri))))]
impl Parker {
    const EMPTY: u32 = 0;
    const TOKEN: u32 = 1;
    const PARKED: u32 = 2;
    /// A day: stands for no end at all where the park must have one. The kernel begins a park without an end anew after a
    /// handler with `SA_RESTART`, and none that has one.
    const NO_END: Duration = Duration::from_secs(24 * 60 * 60);

    /// The calling thread's.
    pub(crate) fn current() -> Self {
        Self { thread: thread::current().id(), token: AtomicU32::new(Self::EMPTY) }
    }

    /// Is it the calling thread's?
    pub(crate) fn is_current(&self) -> bool {
        self.thread == thread::current().id()
    }

    /// Parks the calling thread, whose parker this must be, until it is unparked, `timeout` passes, or for no reason.
    ///
    /// True if it is `interruptible` and a signal handler ran in this thread meanwhile.
    pub(crate) fn park(&self, timeout: Option<Duration>, interruptible: bool) -> bool {
        use rustix::{
            event::Timespec,
            io::Errno,
            thread::futex::{Flags, wait},
        };
        // Acquire: pairs with Release in `unpark`. A token stays, as nobody takes one but us, and is taken below.
        let was = self.token.compare_exchange(Self::EMPTY, Self::PARKED, Ordering::Acquire, Ordering::Acquire);
        if was.is_err() {
            self.token.swap(Self::EMPTY, Ordering::Acquire);
            return false;
        }
        let timeout = if interruptible { Some(timeout.unwrap_or(Self::NO_END)) } else { timeout };
        // A time the kernel cannot count is for ever.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let slept = wait(&self.token, Flags::PRIVATE, Self::PARKED, timeout.as_ref());
        // As above.
        self.token.swap(Self::EMPTY, Ordering::Acquire);
        interruptible && slept == Err(Errno::INTR)
    }

    /// Ends the thread's present or next park.
    pub(crate) fn unpark(&self) {
        use rustix::thread::futex::{Flags, wake};
        // Release: what the caller did before; pairs with Acquire in `park`.
        if self.token.swap(Self::TOKEN, Ordering::Release) == Self::PARKED {
            // The word is ours and mapped: it cannot fail.
            let _ = wake(&self.token, Flags::PRIVATE, 1);
        }
    }
}

/// Elsewhere: `std`'s. The token is shared with all else that parks the thread, so a park may return for no reason of ours;
/// it does not tell of signals.
#[cfg(not(any(loom, shuttle, all(target_os = "linux", not(miri)))))]
#[derive(Debug)]
pub(crate) struct Parker(thread::Thread);

#[cfg(not(any(loom, shuttle, all(target_os = "linux", not(miri)))))]
impl Parker {
    pub(crate) fn current() -> Self {
        Self(thread::current())
    }

    pub(crate) fn is_current(&self) -> bool {
        self.0.id() == thread::current().id()
    }

    pub(crate) fn park(&self, timeout: Option<Duration>, _interruptible: bool) -> bool {
        match timeout {
            None => thread::park(),
            Some(timeout) => thread::park_timeout(timeout),
        }
        false
    }

    pub(crate) fn unpark(&self) {
        self.0.unpark();
    }
}

/// In a model: a token under a lock. loom's own `unpark` also ends what is no park, such as a join, and then fails the
/// model; and neither checker has signals.
#[cfg(any(loom, shuttle))]
#[derive(Debug)]
pub(crate) struct Parker {
    thread: thread::ThreadId,
    state: lock::Mutex<Parked>,
    changed: lock::Condvar,
}

#[cfg(any(loom, shuttle))]
#[derive(Debug, Default)]
struct Parked {
    token: bool,
    /// The thread sleeps: signals that come at any other time are not seen.
    asleep: bool,
    /// A signal handler ran in its sleep, before there was a token: after that the kernel does not say so.
    interrupted: bool,
}

#[cfg(any(loom, shuttle))]
impl Parker {
    pub(crate) fn current() -> Self {
        let state = lock::Mutex::new(Parked::default());
        Self { thread: thread::current().id(), state, changed: lock::Condvar::new() }
    }

    pub(crate) fn is_current(&self) -> bool {
        self.thread == thread::current().id()
    }

    pub(crate) fn park(&self, timeout: Option<Duration>, interruptible: bool) -> bool {
        assert!(self.is_current(), "a thread parks with another's parker");
        assert!(timeout.is_none(), "a model has no time");
        let mut state = self.state.lock().unwrap();
        state.asleep = true;
        while !state.token && !state.interrupted {
            state = self.changed.wait(state).unwrap();
        }
        let interrupted = state.interrupted;
        *state = Parked::default();
        interruptible && interrupted
    }

    pub(crate) fn unpark(&self) {
        self.state.lock().unwrap().token = true;
        self.changed.notify_one();
    }

    /// A signal handler runs in the thread.
    #[cfg(test)]
    pub(crate) fn interrupt(&self) {
        let mut state = self.state.lock().unwrap();
        if state.asleep && !state.token {
            state.interrupted = true;
            self.changed.notify_one();
        }
    }
}

#[cfg(any(loom, shuttle))]
std::thread_local! {
    // loom and shuttle run every thread of a model as a coroutine of the thread that started it, so a plain
    // thread-local reaches all of them and no other test.
    static PLANT: std::cell::Cell<Option<&'static str>> = const { std::cell::Cell::new(None) };
}

/// Is the bug called `plant` planted in this run? Always `false` outside the model checkers.
#[inline(always)]
pub(crate) fn planted(plant: &'static str) -> bool {
    #[cfg(any(loom, shuttle))]
    return PLANT.get() == Some(plant);
    #[cfg(not(any(loom, shuttle)))]
    {
        let _ = plant;
        false
    }
}

/// The ordering `strong`; `Relaxed` when the bug called `plant` is planted.
#[inline(always)]
pub(crate) fn weakened(plant: &'static str, strong: Ordering) -> Ordering {
    if planted(plant) { Ordering::Relaxed } else { strong }
}

/// Runs `model` with the bug called `plant` planted and tells whether the model caught it, that is, panicked.
#[cfg(all(test, any(loom, shuttle)))]
pub(crate) fn with_plant(plant: &'static str, model: impl FnOnce()) -> bool {
    PLANT.set(Some(plant));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(model)).is_err();
    PLANT.set(None);
    caught
}

/// A number nobody in the process was given before.
pub(crate) fn unique_number() -> u64 {
    /// Not of a model: which number it is makes no difference to anything.
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
