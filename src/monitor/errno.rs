//! Failures as numbers of the system: for programs that know them from a socket library in C.

#![forbid(unsafe_code)]

use rustix::io::Errno;

use super::{
    AcceptFailure, BindFailure, ConnectFailure, DisconnectReason, HandshakeFailure, UpgradeFailure, UpgradeObstacle,
};
use crate::SystemError;

impl BindFailure {
    /// The system's number (`errno`) for it, or that of what is most like it. `None` if the context has been shut down, which
    /// has none.
    pub fn errno(self) -> Option<i32> {
        let number = match self {
            Self::AddrInUse => Errno::ADDRINUSE,
            Self::AddrNotAvailable => Errno::ADDRNOTAVAIL,
            Self::NoSuchInterface | Self::NameNotResolved => Errno::NODEV,
            Self::PermissionDenied => Errno::ACCESS,
            Self::TooManyDescriptors => Errno::MFILE,
            Self::System(error) => return Some(number_of(error)),
            Self::ContextClosed => return None,
        };
        Some(number.raw_os_error())
    }
}

impl ConnectFailure {
    /// The system's number (`errno`) for it, or that of what is most like it.
    pub fn errno(self) -> i32 {
        let number = match self {
            Self::NameNotResolved => Errno::HOSTUNREACH,
            Self::NoSuchInterface => Errno::NODEV,
            Self::SourceNotAvailable => Errno::ADDRNOTAVAIL,
            Self::Refused => Errno::CONNREFUSED,
            Self::Unreachable => Errno::NETUNREACH,
            Self::TimedOut => Errno::TIMEDOUT,
            Self::Busy => Errno::AGAIN,
            Self::PermissionDenied => Errno::ACCESS,
            Self::TooManyDescriptors => Errno::MFILE,
            Self::System(error) => return number_of(error),
            Self::Handshake(failure) => return failure.errno(),
            Self::Disconnected(reason) => return reason.errno(),
        };
        number.raw_os_error()
    }
}

impl AcceptFailure {
    /// The system's number (`errno`) for it, or that of what is most like it.
    pub fn errno(self) -> i32 {
        match self {
            Self::TooManyDescriptors => Errno::MFILE.raw_os_error(),
            Self::TooManyPeers => Errno::CONNREFUSED.raw_os_error(),
            Self::NotAllowed(_) => Errno::ACCESS.raw_os_error(),
            Self::System(error) => number_of(error),
        }
    }
}

impl HandshakeFailure {
    /// The system's number (`errno`) for it, or that of what is most like it: `EPROTO` for what a peer did that it must not, or
    /// that is not for us.
    pub fn errno(self) -> i32 {
        let number = match self {
            Self::PeerClosed => Errno::PIPE,
            Self::ConnectionReset => Errno::CONNRESET,
            Self::TimedOut => Errno::TIMEDOUT,
            Self::NotZmtp
            | Self::VersionNotSupported
            | Self::MechanismMismatch
            | Self::Incompatible(_)
            | Self::UnknownSocketType
            | Self::ProtocolViolated(_) => Errno::PROTO,
            Self::Refused | Self::TooManyPeers => Errno::CONNREFUSED,
            Self::SharedMemoryRequired(failure) => return failure.errno(),
            Self::ClosedHere => Errno::CANCELED,
            Self::OutOfMemory => Errno::NOMEM,
            Self::System(error) => return number_of(error),
        };
        number.raw_os_error()
    }
}

impl UpgradeFailure {
    /// The system's number (`errno`) for it, or that of what is most like it, whichever end it was at.
    pub fn errno(self) -> i32 {
        let number = match self {
            Self::ForbiddenHere | Self::PeerForbids => Errno::ACCESS,
            Self::PeerUnable => Errno::OPNOTSUPP,
            Self::Here(obstacle) | Self::AtPeer(obstacle) => match obstacle {
                UpgradeObstacle::Conflates | UpgradeObstacle::VersionUnknown | UpgradeObstacle::NoDoorbell => {
                    Errno::OPNOTSUPP
                }
                UpgradeObstacle::NoMemory | UpgradeObstacle::MapRefused | UpgradeObstacle::MemoryMax => Errno::NOMEM,
                UpgradeObstacle::TooManyDescriptors => Errno::MFILE,
                UpgradeObstacle::DescriptorsMissing => Errno::BADF,
                UpgradeObstacle::SegmentUnfit => Errno::PROTO,
                UpgradeObstacle::Other => Errno::IO,
            },
        };
        number.raw_os_error()
    }
}

impl DisconnectReason {
    /// The system's number (`errno`) for it, or that of what is most like it.
    pub fn errno(self) -> i32 {
        let number = match self {
            Self::ClosedHere | Self::ContextClosed => Errno::CANCELED,
            Self::PeerClosed => Errno::PIPE,
            Self::ConnectionReset => Errno::CONNRESET,
            Self::HeartbeatTimedOut | Self::ConnectionTimedOut => Errno::TIMEDOUT,
            Self::ProtocolViolated(_) | Self::SegmentCorrupt => Errno::PROTO,
            Self::Refused => Errno::CONNREFUSED,
            Self::OutOfMemory => Errno::NOMEM,
            Self::System(error) => return number_of(error),
        };
        number.raw_os_error()
    }
}

/// An error of the library's own kind, which the system has no number for, is one of input and output.
fn number_of(error: SystemError) -> i32 {
    error.code().unwrap_or(Errno::IO.raw_os_error())
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn numbers_come_back_as_they_were() {
        for number in [Errno::ADDRINUSE, Errno::ADDRNOTAVAIL, Errno::ACCESS, Errno::MFILE, Errno::NOTDIR, Errno::NOBUFS]
        {
            assert_eq!(BindFailure::of(&io::Error::from(number)).errno(), Some(number.raw_os_error()));
        }
        for number in
            [Errno::CONNREFUSED, Errno::NETUNREACH, Errno::TIMEDOUT, Errno::AGAIN, Errno::MFILE, Errno::NOBUFS]
        {
            assert_eq!(ConnectFailure::of(&io::Error::from(number)).errno(), number.raw_os_error());
        }
        for number in [Errno::MFILE, Errno::NOBUFS] {
            assert_eq!(AcceptFailure::of(&io::Error::from(number)).errno(), number.raw_os_error());
        }
        for number in [Errno::CONNRESET, Errno::TIMEDOUT, Errno::NOMEM, Errno::NOBUFS] {
            assert_eq!(DisconnectReason::of(&io::Error::from(number)).errno(), number.raw_os_error());
            assert_eq!(HandshakeFailure::of(&io::Error::from(number)).errno(), number.raw_os_error());
        }
        let ended = ConnectFailure::Disconnected(DisconnectReason::PeerClosed);
        assert_eq!(ended.errno(), Errno::PIPE.raw_os_error());
        assert_eq!(BindFailure::ContextClosed.errno(), None);
    }
}
