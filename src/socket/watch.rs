//! A socket that others look at: its core behind a lock, and who is to hear when it becomes ready.
//!
//! Whoever uses the socket takes the lock for each call; a watcher only ever tries it. What must reach a watcher comes
//! on three ways:
//!
//! 1. *A peer did something.* The peer looks at the hub's [`Signal`], as it always does; the target installed there is
//!    [`Watched`], which tells every watcher. A watcher that stops looking *arms*: it notes so for itself, announces on
//!    the signal, fences, and looks once more.
//! 2. *The owner did something* that made its socket ready. At the end of each call, with the lock still held, it lets
//!    every watcher [settle](Watcher::settle). A call that slept on the signal has taken the announcement back, and has
//!    told [`Watched`] so.
//! 3. *A watcher could not look* because a call was under way. It says so ([`Watchable::contend`]) and pays a heavy
//!    fence; each call ends with a light one and a look at that word.

#![forbid(unsafe_code)]

use std::{fmt, sync::Arc as Counted};

use super::interest::{Interest, Readiness};
use crate::{
    sync::{Arc, AtomicBool, Mutex, MutexGuard, Ordering, light_fence, planted},
    wait::{Signal, Sleep, Target},
};

/// What can be asked of a core.
pub(crate) trait Ready {
    /// What of `interest` is there now.
    fn readiness(&mut self, interest: Interest) -> Readiness;

    /// What of `awaited` has come, of what [`Told`] said was missing.
    fn news(&mut self, awaited: Interest) -> Interest;

    /// Does each send have its own in the way, so that each is to ask for room that finds none?
    fn is_particular(&self) -> bool;

    /// What calls have told since this was asked last.
    fn take_told(&mut self) -> Told;

    /// Asks those who stand in the way of a send to tell when they do no more.
    fn want_room(&mut self);

    /// Messages sent and received so far.
    fn progress(&self) -> u64;

    /// Somebody sleeps in place of its owner, from now on or no more.
    fn set_watched(&mut self, is_watched: bool);
}

/// A core, and where its peers look for a sleeper.
pub(crate) trait Content: Ready + Send + fmt::Debug + 'static {
    type Hub: Beckons;

    fn hub(&self) -> &Arc<Self::Hub>;
}

/// Where a signal is.
pub(crate) trait Beckons: Send + Sync + fmt::Debug + 'static {
    fn signal(&self) -> &Signal;
}

/// Somebody who is to hear when a socket becomes ready.
pub(crate) trait Watcher: Send + Sync + fmt::Debug {
    /// Something happened that may have made the socket ready, or it is gone. From any thread.
    fn wake(&self);

    /// The owner has used the socket, in a call that has `told` it something, and still has its lock.
    fn settle(&self, core: &mut dyn Ready, signal: &Signal, told: Told) -> Settled;
}

/// What a call lets its caller know of the socket's readiness: what it asked for, and what of that was missing. A call that
/// moves a message tells nothing: there may be more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) of: Interest,
    pub(crate) missing: Interest,
}

impl Told {
    /// There is none of `interest`.
    pub(crate) fn none_of(&mut self, interest: Interest) {
        self.of |= interest;
        self.missing |= interest;
    }
}

/// What a watcher made of a call of the owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Nothing is to be done.
    Quiet,
    /// It is to be woken, once the lock is free.
    Wake,
    /// It watches no more.
    Gone,
}

/// What a watcher's look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    Seen(Readiness),
    /// A call of the socket's is under way in another thread.
    Busy,
    /// The socket is no more, or nobody watches it.
    Gone,
}

/// A shared core as its watchers see it.
pub(crate) trait Watchable: Send + Sync + fmt::Debug {
    /// What of `interest` is there now. Never blocks.
    fn look(&self, interest: Interest) -> Looked;

    /// As [`Ready::want_room`], unless the socket is in use: then nothing. Tells whether it was done.
    fn want_room(&self) -> bool;

    /// Asks that all watchers be woken when the call under way ends. A heavy fence and a last look follow.
    fn contend(&self);

    fn signal(&self) -> &Signal;

    /// By the owner's thread, between two of its calls.
    fn enroll(&self, watcher: Counted<dyn Watcher>);

    /// Wakes reach `watcher` no more, but for one in flight. It says of itself that it is gone when it is to settle.
    fn dismiss(&self, watcher: &Counted<dyn Watcher>);

    /// Tells this socket from every other there is.
    fn identity(&self) -> usize;
}

/// Who hears of a socket. The target in its signal.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    watchers: Mutex<Vec<Counted<dyn Watcher>>>,
}

impl Sleep for Watched {
    fn wake(&self) {
        // Watchers are this library's own and do not call back.
        self.watchers.lock().iter().for_each(|watcher| watcher.wake());
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared<C: Content> {
    state: Mutex<State<C>>,
    /// A watcher found a call under way and is about to sleep.
    contended: AtomicBool,
    watched: Counted<Watched>,
    hub: Arc<C::Hub>,
}

#[derive(Debug)]
struct State<C> {
    /// `None` once the owner has taken it back.
    core: Option<C>,
    /// Those of `watched`, once more: the owner has this lock anyway.
    watchers: Vec<Counted<dyn Watcher>>,
}

/// The owner's handle of a shared core. Dropping it drops the core and tells the watchers.
#[derive(Debug)]
pub(crate) struct Owner<C: Content> {
    shared: Counted<Shared<C>>,
}

impl<C: Content> Owner<C> {
    pub(crate) fn new(mut core: C) -> Self {
        core.set_watched(true);
        // What was told before somebody watches is nobody's.
        let _ = core.take_told();
        let watched = Counted::new(Watched::default());
        let hub = core.hub().clone();
        hub.signal().install(Target::Loop(watched.clone()));
        let state = State { core: Some(core), watchers: Vec::new() };
        Self {
            shared: Counted::new(Shared { state: Mutex::new(state), contended: AtomicBool::new(false), watched, hub }),
        }
    }

    pub(crate) fn shared(&self) -> &Counted<Shared<C>> {
        &self.shared
    }

    /// Calls `f` with the core, then sees to the watchers. Also tells whether there are any.
    #[inline(always)]
    pub(crate) fn with<R>(&mut self, f: impl FnOnce(&mut C) -> R) -> (R, bool) {
        let mut call = self.shared.turn(self.shared.state.lock());
        call.news = true;
        let state = call.state.as_deref_mut().expect(HELD);
        let core = state.core.as_mut().expect(OWNED);
        let result = f(core);
        let mut news = false;
        let told = core.take_told();
        let signal = self.shared.hub.signal();
        state.watchers.retain(|watcher| {
            let settled = watcher.settle(core, signal, told);
            news |= settled == Settled::Wake;
            settled != Settled::Gone
        });
        let is_watched = !state.watchers.is_empty();
        call.news = news;
        drop(call);
        (result, is_watched)
    }

    /// Calls `f` with the core, for what changes nothing.
    pub(crate) fn with_ref<R>(&self, f: impl FnOnce(&C) -> R) -> R {
        let turn = self.shared.turn(self.shared.state.lock());
        f(turn.state().core.as_ref().expect(OWNED))
    }

    /// Takes the core back.
    pub(crate) fn into_core(self) -> C {
        self.take().expect(OWNED)
    }

    fn take(&self) -> Option<C> {
        let mut state = self.shared.state.lock();
        let mut core = state.core.take()?;
        core.set_watched(false);
        let watchers = std::mem::take(&mut state.watchers);
        drop(state);
        drop(watchers);
        self.shared.hub.signal().remove();
        Some(core)
    }
}

impl<C: Content> Drop for Owner<C> {
    fn drop(&mut self) {
        if cfg!(any(loom, shuttle)) && std::thread::panicking() {
            return;
        }
        if let Some(core) = self.take() {
            // Told first, and the core dropped with no lock held: its payloads' destructors may take long, or panic.
            if !planted("watch-drops-silently") {
                self.shared.watched.wake();
            }
            drop(core);
        }
    }
}

/// The lock, held: by a call of the owner's, or by a watcher's look. Its end, by a panic as well, lets watchers know what
/// they must: one that found the lock taken has left word, and sleeps unless it is told.
struct Turn<'a, C: Content> {
    shared: &'a Shared<C>,
    state: Option<MutexGuard<'a, State<C>>>,
    /// The watchers are to be woken.
    news: bool,
}

impl<C: Content> Turn<'_, C> {
    fn state(&self) -> &State<C> {
        self.state.as_deref().expect(HELD)
    }

    fn state_mut(&mut self) -> &mut State<C> {
        self.state.as_deref_mut().expect(HELD)
    }
}

impl<C: Content> Drop for Turn<'_, C> {
    #[inline(always)]
    fn drop(&mut self) {
        if cfg!(any(loom, shuttle)) && std::thread::panicking() {
            // A model that failed unwinds through here, and its lock must not be touched any more.
            std::mem::forget(self.state.take());
            return;
        }
        self.state = None;
        // Light: the lock given back against the word; pairs with the heavy fence of a watcher that contends.
        light_fence();
        if self.news || self.shared.contended.load(Ordering::Relaxed) {
            self.shared.end_slow();
        }
    }
}

impl<C: Content> Shared<C> {
    #[inline(always)]
    fn turn<'a>(&'a self, state: MutexGuard<'a, State<C>>) -> Turn<'a, C> {
        Turn { shared: self, state: Some(state), news: false }
    }

    #[cold]
    #[inline(never)]
    fn end_slow(&self) {
        self.contended.store(false, Ordering::Relaxed);
        self.watched.wake();
    }
}

impl<C: Content> Watchable for Shared<C> {
    #[inline]
    fn look(&self, interest: Interest) -> Looked {
        let Some(state) = self.state.try_lock() else { return Looked::Busy };
        match &mut self.turn(state).state_mut().core {
            Some(core) => Looked::Seen(core.readiness(interest)),
            None => Looked::Gone,
        }
    }

    fn want_room(&self) -> bool {
        let Some(state) = self.state.try_lock() else { return false };
        if let Some(core) = &mut self.turn(state).state_mut().core {
            core.want_room();
        }
        true
    }

    fn contend(&self) {
        if !planted("watch-contends-silently") {
            self.contended.store(true, Ordering::Relaxed);
        }
    }

    fn signal(&self) -> &Signal {
        self.hub.signal()
    }

    fn enroll(&self, watcher: Counted<dyn Watcher>) {
        self.watched.watchers.lock().push(watcher.clone());
        self.turn(self.state.lock()).state_mut().watchers.push(watcher);
    }

    fn dismiss(&self, watcher: &Counted<dyn Watcher>) {
        self.watched.watchers.lock().retain(|other| !Counted::ptr_eq(other, watcher));
    }

    fn identity(&self) -> usize {
        identity_of(&self.hub)
    }
}

/// Tells a hub from every other there is.
pub(crate) fn identity_of<H>(hub: &Arc<H>) -> usize {
    std::ptr::from_ref::<H>(hub).addr()
}

/// Why a turn has its lock: it is given back when the turn ends.
const HELD: &str = "a turn holds the lock";
/// Why a core is there: only its owner takes it, and it has not.
const OWNED: &str = "a core is its owner's";
