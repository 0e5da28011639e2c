//! Waiting for sockets and descriptors: zmq_poll.
//!
//! A call first looks at all of them; if nothing is ready, it waits with a [`Poller`] of Ringway's. A thread keeps the one of
//! its last wait, as programs wait for the same sockets again and again: setting it up costs more than the wait. The
//! sockets stay registered with it meanwhile, which costs each of their calls a lock that nobody else takes.
//!
//! Descriptors of the system are put into an `epoll` of the call's own, which the poller watches as one. Nothing is kept of
//! them: a number may mean another file at the next call.

use std::{
    cell::RefCell,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    slice,
    time::{Duration, Instant},
};

use libc::{c_int, c_long, c_short, c_void, epoll_event, pollfd};
use ringway::{
    Poller,
    poll::{AddError, Events, Interest, PollError},
};

use crate::{
    constants::*,
    error::{Errno, Result, call},
    fork::Process,
    handle,
    socket::{self, Socket},
};

/// What zmq_poll waits for: a socket, or, if that is null, a descriptor.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct zmq_pollitem_t {
    /// A socket, or null.
    pub(crate) socket: *mut c_void,
    /// A descriptor.
    pub(crate) fd: c_int,
    /// What is waited for.
    pub(crate) events: c_short,
    /// What there is.
    pub(crate) revents: c_short,
}

/// A thread's poller and what is registered with it.
struct Kept {
    process: Process,
    sockets: Vec<Wanted>,
    poller: Poller,
    events: Events,
}

/// A socket and what is waited for of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    handle: *mut c_void,
    /// Tells it from another that had the same handle.
    turn: u32,
    interest: Interest,
}

thread_local! {
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

/// Waits until one of `items` is ready, `timeout` milliseconds at the most, -1 for ever. Returns how many are, and sets the
/// `revents` of each. A pollitem with no events is never ready, as in libzmq.
///
/// # Errors
/// See libzmq's zmq_poll(3). `EBUSY`: another thread's call is using one of the sockets.
///
/// # Safety
/// `items` points to `count` items; each of their sockets is null, or was made by zmq_socket.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_poll(items: *mut zmq_pollitem_t, count: c_int, timeout: c_long) -> c_int {
    call(|| {
        let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
        // A time the clock does not reach is for ever.
        let limit = u64::try_from(timeout).ok().map(Duration::from_millis);
        if count == 0 {
            return sleep(limit).map(|()| 0);
        }
        if items.is_null() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the caller's duty.
        let items = unsafe { slice::from_raw_parts_mut(items, count) };
        // SAFETY: the caller's duty.
        unsafe { poll(items, limit) }
    })
}

/// # Safety
/// The sockets of `items` are null, or were made by zmq_socket.
pub(crate) unsafe fn poll(items: &mut [zmq_pollitem_t], limit: Option<Duration>) -> Result<c_int> {
    // SAFETY: the caller's duty.
    let ready = unsafe { look(items) }?;
    if ready > 0 || limit == Some(Duration::ZERO) {
        return Ok(ready);
    }
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    let has_descriptors = items.iter().any(|item| item.socket.is_null());
    // SAFETY: the caller's duty.
    let sockets = unsafe { wanted(items) }?;
    let descriptors = if has_descriptors { Some(epoll_of(items)?) } else { None };
    let mut kept = match take_kept() {
        Some(kept) if kept.sockets == sockets && !has_descriptors => kept,
        _ => Kept::new(sockets, descriptors.as_ref())?,
    };
    let result = loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match kept.poller.wait(&mut kept.events, left) {
            Ok(_) => {}
            Err(PollError::Interrupted) => break Err(Errno::EINTR),
            // All sockets are closed, by other threads: the look below says so.
            Err(PollError::NothingRegistered) => {}
            Err(PollError::System(error)) => break Err(Errno(error.raw_os_error().unwrap_or(libc::EFAULT))),
            Err(_) => break Err(Errno::EFAULT),
        }
        // SAFETY: the caller's duty.
        match unsafe { look(items) } {
            Ok(0) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {}
            result => break result,
        }
    };
    if !has_descriptors {
        // Not by a thread that is ending.
        let _ = KEPT.try_with(|place| place.replace(Some(kept)));
    }
    result
}

/// The thread's poller, unless it is the parent process's.
fn take_kept() -> Option<Kept> {
    // None in a thread that is ending: the first one calls what atexit(3) was given after that.
    KEPT.try_with(RefCell::take).ok().flatten().filter(|kept| kept.process.is_this())
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.process.is_this() {
            // Its sockets and descriptors are the parent's, and so may be locks: a child that exits is to touch none.
            std::mem::forget(std::mem::take(&mut self.poller));
        }
    }
}

impl Kept {
    fn new(sockets: Vec<Wanted>, descriptors: Option<&OwnedFd>) -> Result<Self> {
        let mut poller = Poller::new();
        poller.set_interruptible(true);
        let system = |error| match error {
            AddError::System(error) => Errno(error.raw_os_error().unwrap_or(libc::EMFILE)),
            _ => Errno::EINVAL,
        };
        for wanted in &sockets {
            // SAFETY: it is among the sockets of zmq_poll's caller.
            let mut socket = unsafe { socket::enter(wanted.handle) }?;
            let policy = socket.home().wait;
            poller.set_policy(policy);
            poller.add(socket.core().pollable(), wanted.interest, 0).map_err(system)?;
        }
        if let Some(descriptors) = descriptors {
            poller.add_fd(descriptors, Interest::READABLE, 0).map_err(system)?;
        }
        let events = Events::with_capacity(sockets.len() + 1);
        Ok(Self { process: Process::this(), sockets, poller, events })
    }
}

/// The sockets of `items`, each once.
///
/// # Safety
/// They are null, or were made by zmq_socket.
unsafe fn wanted(items: &[zmq_pollitem_t]) -> Result<Vec<Wanted>> {
    let mut sockets: Vec<Wanted> = Vec::with_capacity(items.len());
    for item in items.iter().filter(|item| !item.socket.is_null()) {
        // SAFETY: the caller's duty.
        let interest = unsafe { socket::enter(item.socket) }?.awaited(interest(item.events));
        match sockets.iter_mut().find(|wanted| wanted.handle == item.socket) {
            Some(wanted) => wanted.interest |= interest,
            None => {
                // SAFETY: the caller's duty.
                let turn = unsafe { handle::turn_of::<Socket>(item.socket) }?;
                sockets.push(Wanted { handle: item.socket, turn, interest });
            }
        }
    }
    Ok(sockets)
}

fn interest(events: c_short) -> Interest {
    let of = |bit, interest| if events & bit != 0 { interest } else { Interest::NONE };
    of(IN, Interest::READABLE) | of(OUT, Interest::WRITABLE)
}

/// Sets what there is of each item. Returns of how many there is something.
///
/// # Safety
/// The sockets of `items` are null, or were made by zmq_socket.
unsafe fn look(items: &mut [zmq_pollitem_t]) -> Result<c_int> {
    let mut descriptors = Vec::new();
    for item in items.iter_mut() {
        item.revents = 0;
        if item.socket.is_null() {
            descriptors.push(pollfd { fd: item.fd, events: system_events(item.events), revents: 0 });
            continue;
        }
        // SAFETY: the caller's duty.
        let mut socket = unsafe { socket::enter(item.socket) }?;
        let ready = socket.readiness(interest(item.events));
        let bit = |is_set, bit| if is_set { bit } else { 0 };
        item.revents = bit(ready.has_readable(), IN) | bit(ready.has_writable(), OUT);
    }
    if !descriptors.is_empty() {
        // SAFETY: the pointer and the number are of one vector.
        let rc = unsafe { libc::poll(descriptors.as_mut_ptr(), descriptors.len() as libc::nfds_t, 0) };
        if rc < 0 {
            return Err(Errno::current());
        }
        let places = items.iter_mut().filter(|item| item.socket.is_null());
        for (item, descriptor) in places.zip(descriptors) {
            item.revents = our_events(descriptor.revents);
        }
    }
    Ok(items.iter().filter(|item| item.revents != 0).count() as c_int)
}

/// libzmq's events, as poll(2) has them.
fn system_events(events: c_short) -> c_short {
    PAIRS.iter().filter(|(ours, _)| events & ours != 0).fold(0, |all, (_, system)| all | system)
}

/// poll(2)'s, as libzmq has them: whatever is no event of its own is an error.
fn our_events(events: c_short) -> c_short {
    let known = PAIRS.iter().filter(|(_, system)| events & system != 0).fold(0, |all, (ours, _)| all | ours);
    let others = events & !PAIRS.iter().fold(0, |all, (_, system)| all | system);
    if others == 0 { known } else { known | ERR }
}

/// libzmq's, as a pollitem has them.
const IN: c_short = ZMQ_POLLIN as c_short;
const OUT: c_short = ZMQ_POLLOUT as c_short;
const ERR: c_short = ZMQ_POLLERR as c_short;
const PRI: c_short = ZMQ_POLLPRI as c_short;

const PAIRS: [(c_short, c_short); 3] = [(IN, libc::POLLIN), (OUT, libc::POLLOUT), (PRI, libc::POLLPRI)];

/// The descriptors of `items`, in one that is readable when one of them is ready.
fn epoll_of(items: &[zmq_pollitem_t]) -> Result<OwnedFd> {
    // SAFETY: takes a number.
    let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    if fd < 0 {
        return Err(Errno::current());
    }
    // SAFETY: it was just made, and is nobody else's.
    let epoll = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut wanted: Vec<(c_int, c_short)> = Vec::new();
    // A negative number is left out, as by poll(2).
    for item in items.iter().filter(|item| item.socket.is_null() && item.fd >= 0) {
        match wanted.iter_mut().find(|(fd, _)| *fd == item.fd) {
            Some((_, events)) => *events |= system_events(item.events),
            None => wanted.push((item.fd, system_events(item.events))),
        }
    }
    for (fd, events) in wanted {
        // Numbered alike in poll(2) and epoll_ctl(2).
        let mut event = epoll_event { events: events.cast_unsigned().into(), u64: 0 };
        // SAFETY: the event lives for the call.
        let failed = unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) } < 0;
        // A file of a disk is always ready, or was not asked for that: there is nothing to wait for.
        if failed && Errno::current() != Errno(libc::EPERM) {
            return Err(Errno::current());
        }
    }
    Ok(epoll)
}

/// Nothing to wait for but the time.
fn sleep(limit: Option<Duration>) -> Result<()> {
    let timeout = limit.map_or(-1, |limit| c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX));
    // SAFETY: no descriptors.
    if unsafe { libc::poll(std::ptr::null_mut(), 0, timeout) } < 0 { Err(Errno::current()) } else { Ok(()) }
}
