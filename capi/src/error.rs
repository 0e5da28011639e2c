//! errno: what a function failed for, told as C is told; and the frame around every function, which nothing unwinds through.

use std::{
    fmt,
    panic::{self, AssertUnwindSafe},
    ptr,
};

use libc::{c_char, c_int, c_long, c_ulong, c_void};
use ringway::socket::{BindError, ConnectError, DetachError, RecvError, SendFailure};

use crate::socket::system_errno;

/// Why a function failed: an `errno` of the system's, or one of the four that libzmq adds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) c_int);

/// What a function of this library returns to its frame, [`call`].
pub(crate) type Result<T> = std::result::Result<T, Errno>;

/// Where libzmq's own numbers begin (`ZMQ_HAUSNUMERO`).
pub(crate) const HAUSNUMERO: c_int = 156_384_712;

macro_rules! system_errors {
    ($($name:ident)*) => {
        impl Errno {
            $(pub(crate) const $name: Self = Self(libc::$name);)*
        }
    };
}

system_errors! {
    EACCES EADDRINUSE EADDRNOTAVAIL EAGAIN EBUSY EFAULT EHOSTUNREACH EINTR EINVAL EMFILE ENODEV ENOENT ENOMEM
    ENOTSOCK ENOTSUP EPROTONOSUPPORT
}

impl Errno {
    /// The call does not fit the socket's state: a REQ that sends twice.
    pub(crate) const EFSM: Self = Self(HAUSNUMERO + 51);
    /// The socket's type cannot use this transport.
    pub(crate) const ENOCOMPATPROTO: Self = Self(HAUSNUMERO + 52);
    /// The context is terminated.
    pub(crate) const ETERM: Self = Self(HAUSNUMERO + 53);
    /// There is no thread for connections.
    pub(crate) const EMTHREAD: Self = Self(HAUSNUMERO + 54);

    /// The calling thread's.
    pub(crate) fn current() -> Self {
        // SAFETY: asks for an address.
        let place = unsafe { libc::__errno_location() };
        // SAFETY: the system gives every thread a place for it, for as long as the thread lives.
        Self(unsafe { *place })
    }

    /// Makes it the calling thread's.
    pub(crate) fn set(self) {
        // SAFETY: asks for an address.
        let place = unsafe { libc::__errno_location() };
        // SAFETY: as above; it is the calling thread's own.
        unsafe { *place = self.0 };
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "errno {}", self.0)
    }
}

/// What says to C that a function failed.
pub(crate) trait Returned {
    const FAILED: Self;
}

impl Returned for c_int {
    const FAILED: Self = -1;
}

impl Returned for c_long {
    const FAILED: Self = -1;
}

impl Returned for c_ulong {
    const FAILED: Self = 0;
}

impl Returned for u32 {
    const FAILED: Self = 0;
}

impl Returned for () {
    const FAILED: Self = ();
}

impl Returned for *mut c_void {
    const FAILED: Self = ptr::null_mut();
}

impl Returned for *const c_char {
    const FAILED: Self = ptr::null();
}

impl Returned for *mut c_char {
    const FAILED: Self = ptr::null_mut();
}

impl Returned for *mut u8 {
    const FAILED: Self = ptr::null_mut();
}

/// The body of every exported function: sets `errno` if it fails, and lets no panic out. There should be none; one that a
/// user's free function unwinds with, or one of ours, is told as `EFAULT`, and the process goes on.
#[inline(always)]
pub(crate) fn call<T: Returned>(body: impl FnOnce() -> Result<T>) -> T {
    match panic::catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => value,
        Ok(Err(errno)) => fail(errno),
        Err(_) => fail(Errno::EFAULT),
    }
}

#[cold]
#[inline(never)]
fn fail<T: Returned>(errno: Errno) -> T {
    errno.set();
    T::FAILED
}

impl From<SendFailure> for Errno {
    fn from(failure: SendFailure) -> Self {
        match failure {
            SendFailure::Full | SendFailure::NoPeer | SendFailure::TimedOut | SendFailure::PeerLeft => Self::EAGAIN,
            SendFailure::Unroutable => Self::EHOSTUNREACH,
            SendFailure::AwaitingReply | SendFailure::NoRequest => Self::EFSM,
            SendFailure::OutOfMemory => Self::ENOMEM,
            SendFailure::ContextClosed | SendFailure::Forked => Self::ETERM,
            SendFailure::Interrupted => Self::EINTR,
            // A message without a frame cannot be made here, nor one for a ROUTER without a body.
            _ => Self::EINVAL,
        }
    }
}

impl From<RecvError> for Errno {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Empty | RecvError::TimedOut | RecvError::Missed => Self::EAGAIN,
            RecvError::NoRequest | RecvError::ReplyDue => Self::EFSM,
            RecvError::ContextClosed | RecvError::Forked => Self::ETERM,
            RecvError::Interrupted => Self::EINTR,
            // Told only to who asked to be told, which nothing here does.
            _ => Self::EAGAIN,
        }
    }
}

impl From<BindError> for Errno {
    fn from(error: BindError) -> Self {
        match error {
            BindError::Endpoint(error) => crate::socket::endpoint_errno(&error),
            BindError::AddrInUse => Self::EADDRINUSE,
            BindError::AddrNotAvailable => Self::EADDRNOTAVAIL,
            BindError::NoSuchInterface | BindError::NameNotResolved => Self::ENODEV,
            BindError::PermissionDenied => Self::EACCES,
            BindError::TooManyDescriptors => Self::EMFILE,
            BindError::System(error) => system_errno(&error),
            BindError::ContextClosed => Self::ETERM,
            _ => Self::EINVAL,
        }
    }
}

impl From<ConnectError> for Errno {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Endpoint(error) => crate::socket::endpoint_errno(&error),
            ConnectError::TooManyDescriptors => Self::EMFILE,
            ConnectError::System(error) => system_errno(&error),
            ConnectError::ContextClosed => Self::ETERM,
            // Of two sockets that do not talk to each other, or of an id that is taken.
            _ => Self::EINVAL,
        }
    }
}

impl From<DetachError> for Errno {
    fn from(error: DetachError) -> Self {
        match error {
            DetachError::Endpoint(error) => crate::socket::endpoint_errno(&error),
            // As libzmq says of an endpoint the socket does not have.
            _ => Self::ENOENT,
        }
    }
}
