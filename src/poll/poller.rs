//! The poller itself: what is registered, and the wait.

#![forbid(unsafe_code)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

#[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
use std::os::fd::AsFd;

use super::{
    bell::Bell,
    error::{AddError, NotRegistered, PollError},
    event::Events,
    watchlist::{Key, Watchlist, may_add},
};
use crate::{
    fork::{Own, Process},
    socket::{Interest, Pollable},
    wait::{Awaited, GaveUp, WaitCounters, WaitPolicy, Waiter},
};

#[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
use super::descriptors::Descriptors;

/// Waits until sockets, or descriptors, are ready. See the [module](super).
///
/// A socket may be registered with several pollers, and be used as ever meanwhile. While it is registered each of its
/// calls takes a lock that nobody contends as long as the poller is in the same thread. A socket that a call of another
/// thread is using counts as not ready until that call returns; then the poller looks at it.
///
/// A socket that is dropped is registered no more.
#[derive(Debug)]
pub struct Poller {
    bell: Arc<Bell>,
    list: Own<Watchlist>,
    waiter: Waiter,
    waits: u64,
    #[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
    descriptors: Option<Descriptors>,
}

/// What a poller did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PollCounters {
    /// Waits, those without waiting too.
    pub waits: u64,
    /// Looks at single sockets.
    pub looks: u64,
    /// Sockets found quiet and left to be marked.
    pub armed: u64,
    /// Sockets marked: looked at again from then on.
    pub marked: u64,
    /// Sockets looked at on every turn now.
    pub hot: usize,
    /// Looks at the descriptors: a system call each.
    pub descriptor_looks: u64,
    /// How it has waited.
    pub wait: WaitCounters,
}

/// Ends a poller's wait from any thread.
#[derive(Clone, Debug)]
pub struct Waker {
    bell: Arc<Bell>,
    made_in: Process,
}

impl Waker {
    /// Makes the poller's present wait return, or its next one if it does not wait now; also with no event. Calls that
    /// come before that wait returns count as one.
    pub fn wake(&self) {
        if self.made_in.is_this() {
            self.bell.call();
        }
    }
}

impl Poller {
    /// A poller with nothing registered, which idles as [`WaitPolicy::Adaptive`] says.
    pub fn new() -> Self {
        Self::with_policy(WaitPolicy::default())
    }

    /// A poller with nothing registered.
    pub fn with_policy(policy: WaitPolicy) -> Self {
        let bell = Bell::new();
        Self {
            list: Own::new(Watchlist::new(bell.clone())),
            bell,
            waiter: Waiter::new(policy),
            waits: 0,
            #[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
            descriptors: None,
        }
    }

    /// Registers `socket`. Its events carry `data`.
    ///
    /// A socket of a [caller-driven](crate::ContextBuilder::caller_driven) context makes waits look after the context's
    /// streams, and sleep in `epoll_wait` as with descriptors.
    ///
    /// # Errors
    /// It is registered with this poller already. Its context is caller-driven, and the system has no descriptor left.
    pub fn add(
        &mut self,
        socket: &mut (impl Pollable + ?Sized),
        interest: Interest,
        data: u64,
    ) -> Result<Key, AddError> {
        let driven = may_add(&self.list, socket)?;
        #[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
        if driven.is_some() {
            self.open_descriptors()?;
        }
        self.list.add(socket, driven, interest, data)
    }

    /// Registers what a model has for a socket.
    #[cfg(all(test, any(loom, shuttle)))]
    pub(super) fn insert(&mut self, socket: Arc<dyn crate::socket::Watchable>, interest: Interest, data: u64) -> Key {
        self.list.insert(socket, None, interest, data)
    }

    /// In a model: what a signal is sent by.
    #[cfg(all(test, any(loom, shuttle)))]
    pub(super) fn bell(&self) -> Arc<Bell> {
        self.bell.clone()
    }

    /// Changes what of a socket is waited for.
    ///
    /// # Errors
    /// It is not registered (any more).
    pub fn modify(&mut self, key: Key, interest: Interest) -> Result<(), NotRegistered> {
        self.list.modify(key, interest)
    }

    /// Changes what a socket's events carry.
    ///
    /// # Errors
    /// It is not registered (any more).
    pub fn set_data(&mut self, key: Key, data: u64) -> Result<(), NotRegistered> {
        self.list.set_data(key, data)
    }

    /// Takes a socket out. From its next call on it costs what it did before it was registered.
    ///
    /// # Errors
    /// It is not registered (any more).
    pub fn remove(&mut self, key: Key) -> Result<(), NotRegistered> {
        if self.list.is_inherited() {
            return Err(NotRegistered);
        }
        self.list.remove(key)
    }

    /// Under which key `socket` is registered here.
    pub fn key_of(&self, socket: &(impl Pollable + ?Sized)) -> Option<Key> {
        self.list.key_of(socket)
    }

    /// Sockets and descriptors registered. Sockets that were dropped may count until they are noticed.
    pub fn len(&self) -> usize {
        #[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
        let descriptors = self.descriptors.as_ref().map_or(0, Descriptors::len);
        #[cfg(not(all(target_os = "linux", not(any(loom, shuttle)))))]
        let descriptors = 0;
        self.list.len() + descriptors
    }

    /// Is nothing registered?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Something to end a wait with, from any thread.
    pub fn waker(&self) -> Waker {
        Waker { bell: self.bell.clone(), made_in: self.list.made_in() }
    }

    /// How waits idle.
    pub fn policy(&self) -> WaitPolicy {
        self.waiter.policy()
    }

    /// Changes how waits idle, from the next one on.
    pub fn set_policy(&mut self, policy: WaitPolicy) {
        self.waiter.set_policy(policy);
    }

    /// Do signals end waits?
    pub fn is_interruptible(&self) -> bool {
        self.waiter.is_interruptible()
    }

    /// Makes a signal end a wait, from the next one on: one whose thread is parked when a signal handler runs in it fails with
    /// [`PollError::Interrupted`] unless something is ready; with `SA_RESTART`, too. Unless said so it goes on.
    ///
    /// Only a park can be ended. A signal that comes before, while the wait still spins or has just begun, goes unseen, and
    /// so does every one under [`WaitPolicy::Spin`]: who must not miss one registers a descriptor that the handler writes.
    /// Linux only; elsewhere nothing changes.
    pub fn set_interruptible(&mut self, interruptible: bool) {
        self.waiter.set_interruptible(interruptible);
    }

    /// What it did so far.
    pub fn counters(&self) -> PollCounters {
        PollCounters {
            waits: self.waits,
            looks: self.list.looks,
            armed: self.list.armed,
            marked: self.list.marked,
            hot: self.list.hot(),
            #[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
            descriptor_looks: self.descriptors.as_ref().map_or(0, Descriptors::looks),
            #[cfg(not(all(target_os = "linux", not(any(loom, shuttle)))))]
            descriptor_looks: 0,
            wait: self.waiter.counters(),
        }
    }

    /// Waits until something is ready, `timeout` at the most, for ever if there is none; puts all that is ready into
    /// `events` and returns how many. 0: the time is up, or a [`Waker`] was used.
    ///
    /// What is reported is so when this returns: a socket stays readable until it is received from, writable until it is
    /// sent to or a peer leaves.
    ///
    /// # Errors
    /// There is no time-out and nothing is registered; a signal ended the wait of a poller that
    /// [is interruptible](Self::set_interruptible); or the system refuses to wait for descriptors.
    pub fn wait(&mut self, events: &mut Events, timeout: Option<Duration>) -> Result<usize, PollError> {
        if let Some(result) = self.first_look(events) {
            return result;
        }
        // A time the clock does not reach is for ever.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let mut turn = Turn {
                bell: &self.bell,
                list: &mut self.list,
                events,
                is_endless: deadline.is_none(),
                #[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
                descriptors: self.descriptors.as_mut(),
            };
            #[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
            let end = if turn.descriptors.is_some() {
                let interruptible = self.waiter.is_interruptible();
                self.waiter.wait_elsewhere(deadline, &mut turn, |turn| turn.sleep(deadline, interruptible))
            } else {
                self.waiter.wait(&self.bell.signal, deadline, &mut turn)
            };
            #[cfg(not(all(target_os = "linux", not(any(loom, shuttle)))))]
            let end = self.waiter.wait(&self.bell.signal, deadline, &mut turn);
            match end {
                Ok(End::Again) => {}
                Ok(End::Ready | End::Called) | Err(GaveUp::TimedOut) => return Ok(events.len()),
                Ok(End::Empty) => return Err(PollError::NothingRegistered),
                Ok(End::Failed(error)) => return Err(PollError::System(error)),
                Err(GaveUp::Interrupted) => return Err(PollError::Interrupted),
            }
        }
    }

    /// Puts all that is ready now into `events` and returns how many. Never waits.
    ///
    /// # Errors
    /// The system refuses to look at descriptors.
    pub fn try_wait(&mut self, events: &mut Events) -> Result<usize, PollError> {
        self.first_look(events).unwrap_or(Ok(0))
    }

    /// Everything is looked at, descriptors too.
    #[inline]
    fn first_look(&mut self, events: &mut Events) -> Option<Result<usize, PollError>> {
        if self.list.is_inherited() {
            return Some(Err(PollError::Forked));
        }
        self.waits += 1;
        events.list.clear();
        self.list.look(events);
        if !self.list.upkeep.is_none() {
            self.look_after_upkeep(events);
        }
        #[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
        if let Some(descriptors) = &mut self.descriptors
            && let Err(error) = descriptors.look(events)
        {
            return Some(Err(PollError::System(error)));
        }
        let is_called = self.bell.take_call();
        (is_called || !events.is_empty()).then(|| Ok(events.len()))
    }

    /// Where nothing is ready without a turn of the reactors; and now and then, for those behind one that always is.
    #[cold]
    #[inline(never)]
    fn look_after_upkeep(&mut self, events: &mut Events) {
        if events.is_empty() {
            self.list.upkeep.turn();
        } else if !self.list.upkeep.turn_now_and_then() {
            return;
        }
        events.list.clear();
        self.list.look(events);
    }
}

/// Those of the system.
#[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
impl Poller {
    /// Registers a descriptor; its events carry `data`. Errors and hang-ups are reported whatever the interest is. The
    /// first one makes the poller open two descriptors of its own, and its waits sleep in `epoll_wait` from then on.
    ///
    /// A wait reports 64 descriptors at the most; if more are ready, the others come first in the next one.
    ///
    /// The descriptor is registered until [`remove_fd`](Self::remove_fd), or until it and all its duplicates are closed.
    ///
    /// # Errors
    /// It is registered already; it is one that cannot be waited for, as a regular file; descriptors ran out.
    pub fn add_fd(&mut self, fd: impl AsFd, interest: Interest, data: u64) -> Result<(), AddError> {
        self.open_descriptors()?.add(fd.as_fd(), interest, data)
    }

    /// Changes what of a descriptor is waited for, and what its events carry.
    ///
    /// # Errors
    /// It is not registered.
    pub fn modify_fd(&mut self, fd: impl AsFd, interest: Interest, data: u64) -> Result<(), NotRegistered> {
        self.own_descriptors()?.modify(fd.as_fd(), interest, data)
    }

    /// Takes a descriptor out.
    ///
    /// # Errors
    /// It is not registered.
    pub fn remove_fd(&mut self, fd: impl AsFd) -> Result<(), NotRegistered> {
        self.own_descriptors()?.remove(fd.as_fd())
    }

    /// An inherited poller's are the parent's as well.
    fn own_descriptors(&mut self) -> Result<&mut Descriptors, NotRegistered> {
        self.descriptors.as_mut().filter(|_| !self.list.is_inherited()).ok_or(NotRegistered)
    }

    fn open_descriptors(&mut self) -> Result<&mut Descriptors, AddError> {
        if self.list.is_inherited() {
            return Err(AddError::Forked);
        }
        Ok(match &mut self.descriptors {
            Some(descriptors) => descriptors,
            none => none.insert(Descriptors::new(&self.bell).map_err(AddError::System)?),
        })
    }
}

impl Default for Poller {
    fn default() -> Self {
        Self::new()
    }
}

/// How a wait ends before its time.
#[derive(Debug)]
enum End {
    Ready,
    /// A waker was used.
    Called,
    /// The last socket was dropped, and nobody else can end the wait.
    Empty,
    /// Begin anew.
    Again,
    #[cfg_attr(not(all(target_os = "linux", not(any(loom, shuttle)))), expect(dead_code, reason = "of descriptors"))]
    Failed(std::io::Error),
}

/// A wait under way.
struct Turn<'a> {
    bell: &'a Bell,
    list: &'a mut Watchlist,
    events: &'a mut Events,
    is_endless: bool,
    #[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
    descriptors: Option<&'a mut Descriptors>,
}

impl Awaited for Turn<'_> {
    type Ready = End;

    #[inline]
    fn look(&mut self) -> Option<End> {
        self.list.upkeep.turn_now_and_then();
        self.list.look(self.events);
        #[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
        if let Some(descriptors) = &mut self.descriptors
            && let Err(error) = descriptors.look_now_and_then(self.events)
        {
            return Some(End::Failed(error));
        }
        if !self.events.is_empty() {
            return Some(End::Ready);
        }
        self.look_around()
    }

    fn announce(&mut self) -> bool {
        self.list.announce();
        // The heavy fence, if one was needed, has been paid.
        false
    }

    fn withdraw(&mut self) {
        self.list.withdraw();
    }
}

impl Turn<'_> {
    /// Is there another reason to return?
    #[inline(always)]
    fn look_around(&mut self) -> Option<End> {
        if self.bell.take_call() {
            Some(End::Called)
        } else if self.list.must_look_again() {
            Some(End::Again)
        } else if self.is_endless && self.is_empty() {
            Some(End::Empty)
        } else {
            None
        }
    }

    #[cfg(not(all(target_os = "linux", not(any(loom, shuttle)))))]
    fn is_empty(&self) -> bool {
        self.list.len() == 0
    }

    #[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
    fn is_empty(&self) -> bool {
        self.list.len() == 0 && self.descriptors.as_ref().is_none_or(|descriptors| descriptors.len() == 0)
    }

    /// The sleep protocol, asleep in `epoll_wait`.
    #[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
    fn sleep(&mut self, deadline: Option<Instant>, interruptible: bool) -> Result<End, GaveUp> {
        let end = loop {
            self.bell.signal.announce();
            self.announce();
            // Full: the announcements against the look below; pairs with the one of whoever makes something ready.
            crate::sync::full_fence();
            if let Some(end) = self.look() {
                break Ok(end);
            }
            let Some(descriptors) = &mut self.descriptors else { break Ok(End::Again) };
            let upkeep = &mut self.list.upkeep;
            let interrupted = match descriptors.watch(upkeep).and_then(|()| descriptors.sleep(self.events, deadline)) {
                Ok(interrupted) => interrupted,
                Err(error) => break Ok(End::Failed(error)),
            };
            upkeep.turn();
            if let Some(end) = self.look() {
                break Ok(end);
            }
            if interrupted && interruptible {
                break Err(GaveUp::Interrupted);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break Err(GaveUp::TimedOut);
            }
        };
        self.bell.signal.disarm();
        self.withdraw();
        end
    }
}
