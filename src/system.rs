//! What the operating system refused, and what threads of ours leave to others.

#![forbid(unsafe_code)]

use std::{fmt, io};

/// An error of the operating system that has no name of its own here.
///
/// Unlike an [`io::Error`] it can be compared and copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SystemError {
    kind: io::ErrorKind,
    /// The system's number for it, if it is one of the system.
    code: Option<i32>,
}

impl SystemError {
    /// The system's number for it (`errno`), if it came from the system.
    pub fn code(self) -> Option<i32> {
        self.code
    }

    /// What kind of error it is.
    pub fn kind(self) -> io::ErrorKind {
        self.kind
    }
}

impl From<&io::Error> for SystemError {
    fn from(error: &io::Error) -> Self {
        Self { kind: error.kind(), code: error.raw_os_error() }
    }
}

impl From<SystemError> for io::Error {
    fn from(error: SystemError) -> Self {
        error.code.map_or_else(|| error.kind.into(), Self::from_raw_os_error)
    }
}

/// Has the process, or the system, as many files open as it may?
pub(crate) fn lacks_descriptors(error: &io::Error) -> bool {
    is_one_of(error, Errors::LACKS_DESCRIPTORS)
}

/// Has connecting begun, without waiting for its end?
pub(crate) fn is_under_way(error: &io::Error) -> bool {
    // In this way on Windows. A Unix-domain socket means by it that it could not even begin.
    cfg!(windows) && error.kind() == io::ErrorKind::WouldBlock || is_one_of(error, Errors::UNDER_WAY)
}

/// Is there no such interface?
pub(crate) fn is_no_device(error: &io::Error) -> bool {
    is_one_of(error, Errors::NO_DEVICE)
}

/// Does the system not know this kind of address?
pub(crate) fn is_no_family(error: &io::Error) -> bool {
    is_one_of(error, Errors::NO_FAMILY)
}

/// Is the address of a socket of another type, as a datagram socket finds when it connects?
pub(crate) fn is_other_type(error: &io::Error) -> bool {
    is_one_of(error, Errors::OTHER_TYPE)
}

/// Has a connection that was to be accepted gone meanwhile? The next call accepts another.
pub(crate) fn is_gone_meanwhile(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
        || is_one_of(error, Errors::GONE_MEANWHILE)
}

/// From now on the calling thread, which is one of ours, runs no signal handler of the application's: those are for threads
/// that the application knows, and whose waits they may be there to end. What this thread causes by itself stays its own, and
/// so does a profiler's signal.
pub(crate) fn leave_signals_to_others() {
    #[cfg(all(target_os = "linux", not(any(loom, shuttle, miri))))]
    {
        use nix::sys::signal::{SigSet, Signal};
        let mut others = SigSet::all();
        for own in [
            Signal::SIGSEGV,
            Signal::SIGBUS,
            Signal::SIGFPE,
            Signal::SIGILL,
            Signal::SIGTRAP,
            Signal::SIGSYS,
            Signal::SIGPROF,
        ] {
            others.remove(own);
        }
        // It fails for no set that there is.
        let _ = others.thread_block();
    }
}

/// Errors that have no kind in the standard library.
struct Errors;

#[cfg(unix)]
use rustix::io::Errno;

#[cfg(unix)]
impl Errors {
    const LACKS_DESCRIPTORS: &[Errno] = &[Errno::MFILE, Errno::NFILE];
    const UNDER_WAY: &[Errno] = &[Errno::INPROGRESS];
    const NO_DEVICE: &[Errno] = &[Errno::NODEV, Errno::NXIO];
    const NO_FAMILY: &[Errno] = &[Errno::AFNOSUPPORT];
    const OTHER_TYPE: &[Errno] = &[Errno::PROTOTYPE];
    /// What accept(2) of Linux hands on from the network, and says to be treated as "try again".
    const GONE_MEANWHILE: &[Errno] = &[
        Errno::NETDOWN,
        Errno::PROTO,
        Errno::NOPROTOOPT,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::OPNOTSUPP,
        Errno::NETUNREACH,
    ];
}

#[cfg(unix)]
fn is_one_of(error: &io::Error, numbers: &[Errno]) -> bool {
    Errno::from_io_error(error).is_some_and(|number| numbers.contains(&number))
}

#[cfg(not(unix))]
impl Errors {
    const LACKS_DESCRIPTORS: &[i32] = &[10024];
    const UNDER_WAY: &[i32] = &[10035];
    const NO_DEVICE: &[i32] = &[];
    const NO_FAMILY: &[i32] = &[10047];
    const OTHER_TYPE: &[i32] = &[10041];
    const GONE_MEANWHILE: &[i32] = &[];
}

#[cfg(not(unix))]
fn is_one_of(error: &io::Error, numbers: &[i32]) -> bool {
    error.raw_os_error().is_some_and(|number| numbers.contains(&number))
}

impl fmt::Display for SystemError {
    /// In the system's words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from(*self).fmt(f)
    }
}

impl std::error::Error for SystemError {}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_the_error_said() {
        let error = std::fs::File::open("/no/such/file").unwrap_err();
        let kept = SystemError::from(&error);
        assert_eq!(kept.to_string(), error.to_string());
        assert_eq!((kept.kind(), kept.code()), (error.kind(), error.raw_os_error()));
        assert_eq!(SystemError::from(&io::Error::from(io::ErrorKind::Other)).to_string(), "other error");
    }
}
