//! Descriptors of the system among a poller's registrations: epoll, level-triggered.
//!
//! While they are there the poller sleeps in `epoll_wait`, with an eventfd among them that its bell writes; and so it does
//! for the reactors that its waits turn, which are among them too.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    fmt, io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::{
    event::{
        Timespec,
        epoll::{self, EventData, EventFlags},
    },
    io::Errno,
};

use super::{
    bell::Bell,
    error::{AddError, NotRegistered},
    event::{Event, Events},
    upkeep::Upkeep,
};
use crate::{
    reactor::Reactor,
    socket::Interest,
    wait::{EventTarget, Target},
};

/// See the module.
pub(super) struct Descriptors {
    epoll: OwnedFd,
    /// What the poller's bell writes.
    target: Arc<EventTarget>,
    by_fd: HashMap<RawFd, u64>,
    /// Those that end a sleep.
    reactors: Vec<Reactor>,
    /// Turns until a wait that spins looks again.
    turns_left: u32,
    looks: u64,
}

/// What the eventfd is registered with. No `RawFd` as `u64` is that.
const BELL: u64 = u64::MAX;
/// What reactors are registered with: likewise.
const REACTOR: u64 = u64::MAX - 1;
/// Turns of a spin between two looks: a system call of some 300 ns against some 20 ns a turn.
const TURNS_PER_LOOK: u32 = 128;
/// Descriptors one look reports: 768 bytes of stack. If more are ready the kernel reports the others first next time.
const READY_MAX: usize = 64;

impl Descriptors {
    pub(super) fn new(bell: &Bell) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let target = EventTarget::new()?;
        epoll::add(&epoll, target.fd(), EventData::new_u64(BELL), EventFlags::IN)?;
        bell.signal.install(Target::Eventfd(target.clone()));
        let (by_fd, reactors) = (HashMap::new(), Vec::new());
        Ok(Self { epoll, target, by_fd, reactors, turns_left: TURNS_PER_LOOK, looks: 0 })
    }

    pub(super) fn len(&self) -> usize {
        self.by_fd.len()
    }

    pub(super) fn looks(&self) -> u64 {
        self.looks
    }

    pub(super) fn add(&mut self, fd: BorrowedFd<'_>, interest: Interest, data: u64) -> Result<(), AddError> {
        // The kernel forgets a descriptor that is closed, so it knows better than our table.
        match epoll::add(&self.epoll, fd, EventData::new_u64(fd.as_raw_fd() as u64), flags(interest)) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(AddError::AlreadyRegistered),
            Err(error) => return Err(AddError::System(error.into())),
        }
        self.by_fd.insert(fd.as_raw_fd(), data);
        Ok(())
    }

    pub(super) fn modify(&mut self, fd: BorrowedFd<'_>, interest: Interest, data: u64) -> Result<(), NotRegistered> {
        let number = EventData::new_u64(fd.as_raw_fd() as u64);
        epoll::modify(&self.epoll, fd, number, flags(interest)).map_err(|_| NotRegistered)?;
        self.by_fd.insert(fd.as_raw_fd(), data);
        Ok(())
    }

    pub(super) fn remove(&mut self, fd: BorrowedFd<'_>) -> Result<(), NotRegistered> {
        let known = self.by_fd.remove(&fd.as_raw_fd());
        // One closed and opened anew under its number is in our table only.
        match epoll::delete(&self.epoll, fd) {
            Ok(()) => Ok(()),
            Err(_) => known.map(drop).ok_or(NotRegistered),
        }
    }

    /// Before a sleep: the reactors in `upkeep` end it, and no others.
    pub(super) fn watch(&mut self, upkeep: &mut Upkeep) -> io::Result<()> {
        if !upkeep.is_changed() {
            return Ok(());
        }
        let is_among = |reactors: &[Reactor], reactor: &Reactor| reactors.iter().any(|other| other.is(reactor));
        let present: Vec<Reactor> = upkeep.reactors().cloned().collect();
        for old in self.reactors.iter().filter(|old| !is_among(&present, old)) {
            // Open as long as we hold it, and registered.
            let _ = epoll::delete(&self.epoll, old.descriptor().as_fd());
        }
        self.reactors.retain(|old| is_among(&present, old));
        for new in present {
            if !is_among(&self.reactors, &new) {
                epoll::add(&self.epoll, new.descriptor().as_fd(), EventData::new_u64(REACTOR), EventFlags::IN)?;
                self.reactors.push(new);
            }
        }
        upkeep.settle();
        Ok(())
    }

    /// Adds those that are ready to `events`.
    pub(super) fn look(&mut self, events: &mut Events) -> io::Result<()> {
        if self.by_fd.is_empty() {
            return Ok(());
        }
        self.collect(events, Some(Duration::ZERO)).map(drop)
    }

    /// As `look`, once in so many calls.
    #[inline(always)]
    pub(super) fn look_now_and_then(&mut self, events: &mut Events) -> io::Result<()> {
        if self.by_fd.is_empty() {
            return Ok(());
        }
        self.turns_left -= 1;
        if self.turns_left > 0 { Ok(()) } else { self.look(events) }
    }

    /// Sleeps until something is ready, the bell is rung, or a signal handler ran, and adds what is ready to `events`. Tells
    /// whether it was a handler: the kernel begins no `epoll_wait` anew after one, whatever its flags.
    pub(super) fn sleep(&mut self, events: &mut Events, deadline: Option<Instant>) -> io::Result<bool> {
        let timeout = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        self.collect(events, timeout)
    }

    fn collect(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<bool> {
        self.turns_left = TURNS_PER_LOOK;
        self.looks += 1;
        // Longer than the kernel counts is for ever.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut buffer = [MaybeUninit::uninit(); READY_MAX];
        let ready = match epoll::wait(&self.epoll, &mut buffer, timeout.as_ref()) {
            Ok((ready, _)) => ready,
            Err(Errno::INTR) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        for ready in ready {
            match ready.data.u64() {
                BELL => {
                    self.target.drain();
                    continue;
                }
                // Turned after each sleep.
                REACTOR => continue,
                _ => {}
            }
            let Some(&data) = self.by_fd.get(&(ready.data.u64() as RawFd)) else { continue };
            let flags = ready.flags;
            events.list.push(Event {
                data,
                readable: flags.intersects(EventFlags::IN | EventFlags::RDHUP),
                writable: flags.contains(EventFlags::OUT),
                error: flags.contains(EventFlags::ERR),
                hung_up: flags.intersects(EventFlags::HUP | EventFlags::RDHUP),
            });
        }
        Ok(false)
    }
}

fn flags(interest: Interest) -> EventFlags {
    let mut flags = EventFlags::empty();
    if interest.has_readable() {
        flags |= EventFlags::IN | EventFlags::RDHUP;
    }
    if interest.has_writable() {
        flags |= EventFlags::OUT;
    }
    flags
}

impl fmt::Debug for Descriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Descriptors").field("registered", &self.by_fd.len()).finish_non_exhaustive()
    }
}
