//! What libzmq 4.3.5 can be built with and this library does not have: each function fails with `ENOTSUP`, whatever it is
//! given, so that a program that links to all of them starts. And those that cost next to nothing.
//!
//! The drafts of messages are in `message`, those of contexts in `context`, pollers in `poller`, and
//! `zmq_socket_monitor_versioned` in `monitor`.

use libc::{c_char, c_int, c_long, c_void, sigset_t, size_t};

use crate::{
    error::{Errno, call},
    poll::{zmq_poll, zmq_pollitem_t},
};

/// As [`zmq_poll`], if `signals` is null. With signals, `ENOTSUP`, as of a libzmq built without it: taking them only while
/// the call sleeps takes a system call that does both.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_ppoll(
    items: *mut zmq_pollitem_t,
    count: c_int,
    timeout: c_long,
    signals: *const sigset_t,
) -> c_int {
    if !signals.is_null() {
        return call(|| Err(Errno::ENOTSUP));
    }
    // SAFETY: the caller's duty.
    unsafe { zmq_poll(items, count, timeout) }
}

macro_rules! not_here {
    ($($(#[$comment:meta])* $name:ident($($argument:ty),*) -> $returned:ty;)*) => {$(
        $(#[$comment])*
        /// Fails with `ENOTSUP`.
        #[unsafe(no_mangle)]
        pub(crate) extern "C" fn $name($(_: $argument),*) -> $returned {
            call(|| Err(Errno::ENOTSUP))
        }
    )*};
}

not_here! {
    /// Of DISH sockets.
    zmq_join(*mut c_void, *const c_char) -> c_int;
    /// Of DISH sockets.
    zmq_leave(*mut c_void, *const c_char) -> c_int;
    /// Of PEER sockets. Returns 0.
    zmq_connect_peer(*mut c_void, *const c_char) -> u32;
    /// Of ROUTER sockets.
    zmq_socket_get_peer_state(*mut c_void, *const c_void, size_t) -> c_int;
    /// Of monitors of version 2.
    zmq_socket_monitor_pipes_stats(*mut c_void) -> c_int;
}
