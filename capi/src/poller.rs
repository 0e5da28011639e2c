//! `zmq_poller_*`, drafts in libzmq: a list of sockets and descriptors to be waited for, with a pointer of the program's for
//! each.
//!
//! The list is all that is kept; waiting is `zmq_poll`'s. What differs from libzmq: a handle that is wrong or destroyed is
//! always found out, and a poller may be changed by one thread while another waits, which sees the change at its next wait.

use std::{
    ptr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use libc::{c_int, c_long, c_short, c_void};

use crate::{
    constants::*,
    error::{Errno, Result, call},
    poll::{self, zmq_poll, zmq_pollitem_t},
    registry::Registry,
    socket,
};

/// What is ready: `zmq_poller_event_t`.
#[allow(non_camel_case_types, reason = "it is C's name")]
#[repr(C)]
#[derive(Debug)]
pub(crate) struct zmq_poller_event_t {
    socket: *mut c_void,
    fd: c_int,
    user_data: *mut c_void,
    events: c_short,
}

static POLLERS: Registry<Arc<Mutex<Vec<Item>>>> = Registry::new();

/// Something waited for.
#[derive(Clone, Copy, Debug)]
struct Item {
    of: Of,
    events: c_short,
    user_data: *mut c_void,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Socket(*mut c_void),
    Descriptor(c_int),
}

// SAFETY: the addresses are handed out and not followed, but for a socket's, by a call that is given it for this.
unsafe impl Send for Item {}

/// No descriptor.
const NONE: c_int = -1;

impl Of {
    /// # Errors
    /// `ENOTSOCK`: not an open socket.
    ///
    /// # Safety
    /// `socket` is null, or was made by zmq_socket.
    unsafe fn socket(socket: *mut c_void) -> Result<Self> {
        // SAFETY: the caller's duty.
        match unsafe { socket::enter(socket) } {
            // It is open, if in use, or about to end.
            Ok(_) | Err(Errno::EBUSY | Errno::ETERM) => Ok(Self::Socket(socket)),
            Err(errno) => Err(errno),
        }
    }

    /// # Errors
    /// `EBADF`: it is -1.
    fn descriptor(fd: c_int) -> Result<Self> {
        if fd == NONE { Err(Errno(libc::EBADF)) } else { Ok(Self::Descriptor(fd)) }
    }
}

impl Item {
    fn polled(&self) -> zmq_pollitem_t {
        let (socket, fd) = match self.of {
            Of::Socket(socket) => (socket, NONE),
            Of::Descriptor(fd) => (ptr::null_mut(), fd),
        };
        zmq_pollitem_t { socket, fd, events: self.events, revents: 0 }
    }
}

fn known(events: c_short) -> Result<c_short> {
    let all = ZMQ_POLLIN | ZMQ_POLLOUT | ZMQ_POLLERR | ZMQ_POLLPRI;
    if c_int::from(events) & !all == 0 { Ok(events) } else { Err(Errno::EINVAL) }
}

/// Runs `body` on the list of this handle.
fn with<R>(poller: *mut c_void, body: impl FnOnce(&mut Vec<Item>) -> Result<R>) -> Result<R> {
    let list = POLLERS.get(poller)?;
    body(&mut locked(&list))
}

fn locked(list: &Mutex<Vec<Item>>) -> MutexGuard<'_, Vec<Item>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The place in the list of what is registered.
///
/// # Errors
/// `EINVAL`: it is not.
fn place(items: &[Item], of: Of) -> Result<usize> {
    items.iter().position(|item| item.of == of).ok_or(Errno::EINVAL)
}

fn add(poller: *mut c_void, of: impl FnOnce() -> Result<Of>, user_data: *mut c_void, events: c_short) -> c_int {
    call(|| {
        with(poller, |items| {
            let (of, events) = (of()?, known(events)?);
            if place(items, of).is_ok() {
                return Err(Errno::EINVAL);
            }
            items.push(Item { of, events, user_data });
            Ok(0)
        })
    })
}

fn modify(poller: *mut c_void, of: impl FnOnce() -> Result<Of>, events: c_short) -> c_int {
    call(|| {
        with(poller, |items| {
            let (of, events) = (of()?, known(events)?);
            let place = place(items, of)?;
            items[place].events = events;
            Ok(0)
        })
    })
}

fn remove(poller: *mut c_void, of: impl FnOnce() -> Result<Of>) -> c_int {
    call(|| {
        with(poller, |items| {
            let place = place(items, of()?)?;
            items.remove(place);
            Ok(0)
        })
    })
}

/// Makes a poller with nothing in it.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_poller_new() -> *mut c_void {
    call(|| Ok(POLLERS.insert(Arc::default())))
}

/// Destroys `*poller` and makes it null. `EFAULT` if there is none.
///
/// # Safety
/// `poller` is null or points to a handle.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_poller_destroy(poller: *mut *mut c_void) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        let place = unsafe { poller.as_mut() }.ok_or(Errno::EFAULT)?;
        POLLERS.remove(*place)?;
        *place = ptr::null_mut();
        Ok(0)
    })
}

/// How many sockets and descriptors are registered.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_poller_size(poller: *mut c_void) -> c_int {
    call(|| with(poller, |items| Ok(items.len().try_into().unwrap_or(c_int::MAX))))
}

/// Registers `socket`. `ENOTSOCK` if it is not open; `EINVAL` if it is registered, or of events there are not.
///
/// # Safety
/// `socket` is null, or was made by zmq_socket.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_poller_add(
    poller: *mut c_void,
    socket: *mut c_void,
    user_data: *mut c_void,
    events: c_short,
) -> c_int {
    // SAFETY: the caller's duty.
    add(poller, || unsafe { Of::socket(socket) }, user_data, events)
}

/// Waits for other events of `socket`. `EINVAL` if it is not registered.
///
/// # Safety
/// As for [`zmq_poller_add`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_poller_modify(poller: *mut c_void, socket: *mut c_void, events: c_short) -> c_int {
    // SAFETY: the caller's duty.
    modify(poller, || unsafe { Of::socket(socket) }, events)
}

/// Forgets `socket`, which has to be open still. `EINVAL` if it is not registered.
///
/// # Safety
/// As for [`zmq_poller_add`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_poller_remove(poller: *mut c_void, socket: *mut c_void) -> c_int {
    // SAFETY: the caller's duty.
    remove(poller, || unsafe { Of::socket(socket) })
}

/// As [`zmq_poller_add`], for a descriptor. `EBADF` if it is -1.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_poller_add_fd(
    poller: *mut c_void,
    fd: c_int,
    user_data: *mut c_void,
    events: c_short,
) -> c_int {
    add(poller, || Of::descriptor(fd), user_data, events)
}

/// As [`zmq_poller_modify`], for a descriptor.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_poller_modify_fd(poller: *mut c_void, fd: c_int, events: c_short) -> c_int {
    modify(poller, || Of::descriptor(fd), events)
}

/// As [`zmq_poller_remove`], for a descriptor.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_poller_remove_fd(poller: *mut c_void, fd: c_int) -> c_int {
    remove(poller, || Of::descriptor(fd))
}

/// Waits until something is ready, `timeout` milliseconds at the most, -1 for ever; says what in `*event`. `EAGAIN` if nothing
/// was in time.
///
/// # Errors
/// As [`zmq_poller_wait_all`].
///
/// # Safety
/// `event` is null, or has room for one.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_poller_wait(
    poller: *mut c_void,
    event: *mut zmq_poller_event_t,
    timeout: c_long,
) -> c_int {
    // SAFETY: the caller's duty.
    let found = unsafe { zmq_poller_wait_all(poller, event, 1, timeout) };
    if found >= 0 {
        return 0;
    }
    if !event.is_null() {
        // SAFETY: there is room.
        unsafe { event.write(NOTHING) };
    }
    -1
}

const NOTHING: zmq_poller_event_t =
    zmq_poller_event_t { socket: ptr::null_mut(), fd: NONE, user_data: ptr::null_mut(), events: 0 };

/// As [`zmq_poller_wait`], and says of up to `count` that are ready. Returns how many.
///
/// # Errors
/// `EFAULT`: not a poller, no room, or there is nothing to wait for and no end to it. `EAGAIN`: nothing was ready in time.
/// And as zmq_poll.
///
/// # Safety
/// There is room for so many at `events`, or it is null.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_poller_wait_all(
    poller: *mut c_void,
    events: *mut zmq_poller_event_t,
    count: c_int,
    timeout: c_long,
) -> c_int {
    call(|| {
        // Sockets without events are not looked at, as in libzmq.
        let items: Vec<Item> =
            with(poller, |items| Ok(items.iter().filter(|item| item.events != 0).copied().collect()))?;
        if events.is_null() {
            return Err(Errno::EFAULT);
        }
        let room = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
        let limit = u64::try_from(timeout).ok().map(Duration::from_millis);
        if items.is_empty() {
            if limit.is_none() {
                return Err(Errno::EFAULT);
            }
            // SAFETY: no items.
            let slept = unsafe { zmq_poll(ptr::null_mut(), 0, timeout) };
            return Err(if slept < 0 { Errno::current() } else { Errno::EAGAIN });
        }
        let mut polled: Vec<zmq_pollitem_t> = items.iter().map(Item::polled).collect();
        // SAFETY: they were made by zmq_socket, as who registered them has said.
        if unsafe { poll::poll(&mut polled, limit) }? == 0 {
            return Err(Errno::EAGAIN);
        }
        let ready = items.iter().zip(&polled).filter(|(_, polled)| polled.revents != 0);
        let mut found = 0;
        for (item, polled) in ready.take(room) {
            let user_data = item.user_data;
            let event = zmq_poller_event_t { socket: polled.socket, fd: polled.fd, user_data, events: polled.revents };
            // SAFETY: there is room for more than were found.
            unsafe { events.wrapping_add(found).write(event) };
            found += 1;
        }
        Ok(found as c_int)
    })
}

/// Fails with `EINVAL`, as in libzmq of a poller without sockets that several threads may use: there are none here.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_poller_fd(poller: *mut c_void, _fd: *mut c_int) -> c_int {
    call(|| with(poller, |_| Err(Errno::EINVAL)))
}
