//! Why something did not come to pass, and whose doing it was.

#![forbid(unsafe_code)]

use std::{fmt, io};

use crate::{SocketType, SystemError, system::lacks_descriptors};

/// Why an endpoint was not bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindFailure {
    /// Another socket has it, or this one; or, for `ipc://`, a file of that name is no socket.
    AddrInUse,
    /// The address is none of this machine.
    AddrNotAvailable,
    /// This machine has no interface of that name.
    NoSuchInterface,
    /// The host is neither an interface of this machine nor a name that resolves.
    NameNotResolved,
    /// The system does not allow it.
    PermissionDenied,
    /// The process, or the system, has as many files open as it may.
    TooManyDescriptors,
    /// The system refused for another reason.
    System(SystemError),
    /// The context has been shut down.
    ContextClosed,
}

/// Why an attempt at a connection did not lead to one that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectFailure {
    /// The host is no name that resolves, at the moment.
    NameNotResolved,
    /// This machine has no interface of the name in the endpoint, at the moment.
    NoSuchInterface,
    /// The source of the endpoint is no address of this machine, or is in use.
    SourceNotAvailable,
    /// Nobody listens there; or, for `ipc://`, there is no such path.
    Refused,
    /// There is no way to that host.
    Unreachable,
    /// Nobody answered in time.
    TimedOut,
    /// The listener has no room for another connection, at the moment.
    Busy,
    /// The system does not allow it.
    PermissionDenied,
    /// The process, or the system, has as many files open as it may.
    TooManyDescriptors,
    /// The system refused for another reason.
    System(SystemError),
    /// There was a connection, and its handshake failed.
    Handshake(HandshakeFailure),
    /// There was a connection, and it has ended.
    Disconnected(DisconnectReason),
}

/// Why a connection was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptFailure {
    /// The process, or the system, has as many files open as it may. Connections wait until there are less.
    TooManyDescriptors,
    /// The socket has as many peers as it may.
    TooManyPeers,
    /// This process is not on the socket's [list](crate::socket::AllowList) of those who may connect.
    NotAllowed(PeerCredentials),
    /// The system refused for another reason.
    System(SystemError),
}

/// Which process is at the other end of an `ipc://` connection, as it was when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerCredentials {
    /// Its number; 0 if it is none of ours to see, as it runs in another namespace.
    pub process: u32,
    /// Its effective user id.
    pub user: u32,
    /// Its effective group id.
    pub group: u32,
}

/// Why two ends did not come to agree how to talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeFailure {
    /// The peer has closed the connection.
    PeerClosed,
    /// The connection broke.
    ConnectionReset,
    /// The peer did not finish in time.
    TimedOut,
    /// The peer does not speak ZMTP: a health check perhaps, or somebody who mistook the port.
    NotZmtp,
    /// The peer speaks a version of ZMTP before 3.
    VersionNotSupported,
    /// The peer wants another security mechanism.
    MechanismMismatch,
    /// The peer's socket is of a type that does not talk to ours.
    Incompatible(SocketType),
    /// The peer's socket is of a type there is not.
    UnknownSocketType,
    /// The peer broke the protocol.
    ProtocolViolated(ProtocolViolation),
    /// The peer has said that it does not want us.
    Refused,
    /// This socket has as many peers as it may.
    TooManyPeers,
    /// This socket [requires](crate::socket::SharedMemory::Require) that messages go through shared memory, and they cannot.
    SharedMemoryRequired(UpgradeFailure),
    /// This socket has closed, or disconnected.
    ClosedHere,
    /// There was no memory for what the peer sent.
    OutOfMemory,
    /// The system refused.
    System(SystemError),
}

/// Why messages of a connection over `ipc://` go through the kernel and not through shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpgradeFailure {
    /// This socket's options [forbid](crate::socket::SharedMemory::Forbid) it.
    ForbiddenHere,
    /// The peer's options forbid it.
    PeerForbids,
    /// The peer has not said that it can: it is libzmq, an older Ringway, or its options forbid it.
    PeerUnable,
    /// Something is in the way at this end.
    Here(UpgradeObstacle),
    /// Something is in the way at the peer's, as it says.
    AtPeer(UpgradeObstacle),
}

/// What keeps one end of a connection from sharing memory with the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpgradeObstacle {
    /// It keeps the newest message only ([conflates](crate::socket::Builder::conflate)).
    Conflates,
    /// The other lays its memory out in a way this one does not know: one of the two is newer.
    VersionUnknown,
    /// The system has no memory to share.
    NoMemory,
    /// The process, or the system, has as many files open as it may.
    TooManyDescriptors,
    /// The system does not let it see the other's memory.
    MapRefused,
    /// The other's memory was announced and did not come: something in between passes bytes on, and nothing else.
    DescriptorsMissing,
    /// The other's memory is not as it has to be.
    SegmentUnfit,
    /// The system gives nothing by which one end could wake the other.
    NoDoorbell,
    /// It would be more memory than may be shared with a peer
    /// ([`ipc_memory_max`](crate::socket::Builder::ipc_memory_max)).
    MemoryMax,
    /// Something else, which has no name here.
    Other,
}

/// How a peer broke the protocol, or went beyond what this socket allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolViolation {
    /// A greeting, frame or command that is not one.
    Malformed,
    /// Something that is one, out of place.
    Unexpected,
    /// A message of more bytes than the socket allows.
    MessageTooBig,
    /// A message of more frames than are allowed.
    TooManyFrames,
    /// A command of more bytes than are allowed.
    CommandTooBig,
    /// More subscriptions than the socket keeps for a peer.
    SubscriptionsTooBig,
}

/// Why a connection has ended, or whose doing it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// This socket disconnected, or is closing.
    ClosedHere,
    /// The peer disconnected or was closed.
    PeerClosed,
    /// The context has been shut down while nobody had bound the endpoint.
    ContextClosed,
    /// The connection broke: the peer's process died, or something on the way.
    ConnectionReset,
    /// The peer was silent for longer than the heartbeat allows.
    HeartbeatTimedOut,
    /// The system gave up, as nothing came back: keepalive, or bytes that were not acknowledged.
    ConnectionTimedOut,
    /// The peer broke the protocol, or went beyond what this socket allows.
    ProtocolViolated(ProtocolViolation),
    /// The peer wrote into the memory it shares what cannot be.
    SegmentCorrupt,
    /// The peer has said that it does not want us any more.
    Refused,
    /// There was no memory for what the peer sent.
    OutOfMemory,
    /// The system refused.
    System(SystemError),
}

/// Whose doing a failure was, and so who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The peer did what it must not.
    PeerMisbehaved,
    /// The peer is right, and made for something else.
    PeerIncompatible,
    /// The peer does not want us.
    PeerRefused,
    /// The peer went away, or something on the way broke.
    PeerGone,
    /// The peer, or the way to it, was too slow.
    TimedOut,
    /// This socket: a limit of its own, or it is closing.
    Ours,
    /// The system this runs on: no memory, no descriptors.
    SystemRefused,
}

impl HandshakeFailure {
    /// Whose doing it was.
    pub fn fault(self) -> Fault {
        match self {
            Self::PeerClosed | Self::ConnectionReset => Fault::PeerGone,
            Self::TimedOut => Fault::TimedOut,
            Self::NotZmtp | Self::UnknownSocketType | Self::ProtocolViolated(_) => Fault::PeerMisbehaved,
            Self::VersionNotSupported | Self::MechanismMismatch | Self::Incompatible(_) => Fault::PeerIncompatible,
            Self::Refused => Fault::PeerRefused,
            Self::SharedMemoryRequired(failure) => failure.fault(),
            Self::TooManyPeers | Self::ClosedHere => Fault::Ours,
            Self::OutOfMemory | Self::System(_) => Fault::SystemRefused,
        }
    }
}

impl DisconnectReason {
    /// Whose doing it was.
    pub fn fault(self) -> Fault {
        match self {
            Self::ClosedHere | Self::ContextClosed => Fault::Ours,
            Self::PeerClosed | Self::ConnectionReset => Fault::PeerGone,
            Self::HeartbeatTimedOut | Self::ConnectionTimedOut => Fault::TimedOut,
            Self::ProtocolViolated(_) | Self::SegmentCorrupt => Fault::PeerMisbehaved,
            Self::Refused => Fault::PeerRefused,
            Self::OutOfMemory | Self::System(_) => Fault::SystemRefused,
        }
    }

    /// What `error`, of a read or write, says.
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
                Self::ConnectionReset
            }
            io::ErrorKind::UnexpectedEof => Self::PeerClosed,
            io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                Self::ConnectionTimedOut
            }
            io::ErrorKind::OutOfMemory => Self::OutOfMemory,
            _ => Self::System(error.into()),
        }
    }
}

impl UpgradeFailure {
    /// Whose doing it was.
    pub fn fault(self) -> Fault {
        match self {
            Self::ForbiddenHere => Fault::Ours,
            Self::PeerForbids => Fault::PeerRefused,
            Self::PeerUnable => Fault::PeerIncompatible,
            Self::Here(obstacle) => match obstacle {
                UpgradeObstacle::Conflates | UpgradeObstacle::MemoryMax => Fault::Ours,
                UpgradeObstacle::VersionUnknown | UpgradeObstacle::DescriptorsMissing => Fault::PeerIncompatible,
                UpgradeObstacle::SegmentUnfit => Fault::PeerMisbehaved,
                UpgradeObstacle::NoMemory
                | UpgradeObstacle::TooManyDescriptors
                | UpgradeObstacle::MapRefused
                | UpgradeObstacle::NoDoorbell
                | UpgradeObstacle::Other => Fault::SystemRefused,
            },
            Self::AtPeer(UpgradeObstacle::VersionUnknown | UpgradeObstacle::DescriptorsMissing) => {
                Fault::PeerIncompatible
            }
            Self::AtPeer(_) => Fault::PeerRefused,
        }
    }
}

impl HandshakeFailure {
    /// What `error`, of a read or write, says.
    pub(crate) fn of(error: &io::Error) -> Self {
        match DisconnectReason::of(error) {
            DisconnectReason::PeerClosed => Self::PeerClosed,
            DisconnectReason::ConnectionReset => Self::ConnectionReset,
            DisconnectReason::ConnectionTimedOut => Self::TimedOut,
            DisconnectReason::OutOfMemory => Self::OutOfMemory,
            _ => Self::System(error.into()),
        }
    }
}

impl BindFailure {
    /// What `error`, of making a socket, binding it or listening, says.
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::AddrInUse,
            io::ErrorKind::AddrNotAvailable => Self::AddrNotAvailable,
            io::ErrorKind::PermissionDenied => Self::PermissionDenied,
            _ if lacks_descriptors(error) => Self::TooManyDescriptors,
            _ => Self::System(error.into()),
        }
    }
}

impl ConnectFailure {
    /// What `error`, of making a socket or connecting it, says.
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.kind() {
            // `NotFound`: a path nobody has bound.
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::NotFound => {
                Self::Refused
            }
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
                Self::Unreachable
            }
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::WouldBlock => Self::Busy,
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => Self::SourceNotAvailable,
            io::ErrorKind::PermissionDenied => Self::PermissionDenied,
            _ if lacks_descriptors(error) => Self::TooManyDescriptors,
            _ => Self::System(error.into()),
        }
    }
}

impl AcceptFailure {
    /// What `error`, of accepting, says.
    pub(crate) fn of(error: &io::Error) -> Self {
        if lacks_descriptors(error) { Self::TooManyDescriptors } else { Self::System(error.into()) }
    }
}

impl fmt::Display for BindFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddrInUse => f.write_str("in use"),
            Self::AddrNotAvailable => f.write_str("no address of this machine"),
            Self::NoSuchInterface => f.write_str("no interface of this machine has that name"),
            Self::NameNotResolved => {
                f.write_str("the host is neither an interface of this machine nor a name that resolves")
            }
            Self::PermissionDenied => f.write_str("not allowed"),
            Self::TooManyDescriptors => f.write_str("too many open files"),
            Self::System(error) => error.fmt(f),
            Self::ContextClosed => f.write_str("context shut down"),
        }
    }
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameNotResolved => f.write_str("the host name does not resolve"),
            Self::NoSuchInterface => f.write_str("no interface of this machine has that name"),
            Self::SourceNotAvailable => f.write_str("the source is no free address of this machine"),
            Self::Refused => f.write_str("nobody listens there"),
            Self::Unreachable => f.write_str("the host cannot be reached"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Busy => f.write_str("the listener has no room"),
            Self::PermissionDenied => f.write_str("not allowed"),
            Self::TooManyDescriptors => f.write_str("too many open files"),
            Self::System(error) => error.fmt(f),
            Self::Handshake(failure) => write!(f, "the handshake failed: {failure}"),
            Self::Disconnected(reason) => write!(f, "the connection has ended: {reason}"),
        }
    }
}

impl fmt::Display for AcceptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyDescriptors => f.write_str("too many open files"),
            Self::TooManyPeers => f.write_str("too many peers"),
            Self::NotAllowed(peer) => write!(f, "{peer} is not allowed"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for PeerCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, user, group } = self;
        write!(f, "process {process} of user {user} and group {group}")
    }
}

impl fmt::Display for HandshakeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerClosed => f.write_str("closed by the peer"),
            Self::ConnectionReset => f.write_str("the connection broke"),
            Self::TimedOut => f.write_str("not finished in time"),
            Self::NotZmtp => f.write_str("the peer does not speak ZMTP"),
            Self::VersionNotSupported => f.write_str("the peer speaks ZMTP older than 3.0"),
            Self::MechanismMismatch => f.write_str("the peer wants another security mechanism"),
            Self::Incompatible(theirs) => write!(f, "a {theirs} socket does not talk to this type"),
            Self::UnknownSocketType => f.write_str("the peer's socket type is unknown"),
            Self::ProtocolViolated(violation) => violation.fmt(f),
            Self::Refused => f.write_str("the peer refused"),
            Self::TooManyPeers => f.write_str("too many peers"),
            Self::SharedMemoryRequired(failure) => write!(f, "shared memory is required: {failure}"),
            Self::ClosedHere => f.write_str("closed here"),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for UpgradeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForbiddenHere => f.write_str("forbidden here"),
            Self::PeerForbids => f.write_str("the peer forbids it"),
            Self::PeerUnable => f.write_str("the peer cannot"),
            Self::Here(obstacle) => write!(f, "{obstacle} here"),
            Self::AtPeer(obstacle) => write!(f, "{obstacle} at the peer"),
        }
    }
}

impl fmt::Display for UpgradeObstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conflates => "only the newest message is kept",
            Self::VersionUnknown => "the version is unknown",
            Self::NoMemory => "no memory",
            Self::TooManyDescriptors => "too many open files",
            Self::MapRefused => "the memory could not be mapped",
            Self::DescriptorsMissing => "the memory did not arrive",
            Self::SegmentUnfit => "the memory was found unfit",
            Self::NoDoorbell => "nothing to wake by",
            Self::MemoryMax => "more memory than is allowed",
            Self::Other => "something is in the way",
        })
    }
}

impl fmt::Display for ProtocolViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the peer sent what is not ZMTP",
            Self::Unexpected => "the peer sent what was not to come now",
            Self::MessageTooBig => "the peer sent a message of too many bytes",
            Self::TooManyFrames => "the peer sent a message of too many frames",
            Self::CommandTooBig => "the peer sent a command of too many bytes",
            Self::SubscriptionsTooBig => "the peer subscribed to too much",
        })
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClosedHere => f.write_str("closed here"),
            Self::PeerClosed => f.write_str("closed by the peer"),
            Self::ContextClosed => f.write_str("context shut down"),
            Self::ConnectionReset => f.write_str("the connection broke"),
            Self::HeartbeatTimedOut => f.write_str("no heartbeat in time"),
            Self::ConnectionTimedOut => f.write_str("the peer does not answer"),
            Self::ProtocolViolated(violation) => violation.fmt(f),
            Self::SegmentCorrupt => f.write_str("the peer wrote into shared memory what cannot be"),
            Self::Refused => f.write_str("the peer refused"),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PeerMisbehaved => "the peer misbehaved",
            Self::PeerIncompatible => "the peer is made for something else",
            Self::PeerRefused => "the peer refused",
            Self::PeerGone => "the peer is gone",
            Self::TimedOut => "out of time",
            Self::Ours => "a limit of this socket",
            Self::SystemRefused => "the system refused",
        })
    }
}

#[cfg(all(test, unix, not(any(loom, shuttle))))]
mod tests {
    use rustix::io::Errno;

    use super::*;

    fn error(number: Errno) -> io::Error {
        number.into()
    }

    #[test]
    fn errors_of_the_system_with_a_meaning_have_a_name() {
        let bind = |number| BindFailure::of(&error(number));
        assert_eq!(bind(Errno::ADDRINUSE), BindFailure::AddrInUse);
        assert_eq!(bind(Errno::ADDRNOTAVAIL), BindFailure::AddrNotAvailable);
        assert_eq!(bind(Errno::ACCESS), BindFailure::PermissionDenied);
        assert_eq!(bind(Errno::PERM), BindFailure::PermissionDenied);
        assert_eq!(bind(Errno::MFILE), BindFailure::TooManyDescriptors);
        assert_eq!(bind(Errno::NFILE), BindFailure::TooManyDescriptors);
        assert_eq!(bind(Errno::NOTDIR), BindFailure::System(SystemError::from(&error(Errno::NOTDIR))));

        let connect = |number| ConnectFailure::of(&error(number));
        assert_eq!(connect(Errno::CONNREFUSED), ConnectFailure::Refused);
        assert_eq!(connect(Errno::NOENT), ConnectFailure::Refused);
        assert_eq!(connect(Errno::HOSTUNREACH), ConnectFailure::Unreachable);
        assert_eq!(connect(Errno::NETUNREACH), ConnectFailure::Unreachable);
        assert_eq!(connect(Errno::TIMEDOUT), ConnectFailure::TimedOut);
        assert_eq!(connect(Errno::AGAIN), ConnectFailure::Busy);
        assert_eq!(connect(Errno::ADDRNOTAVAIL), ConnectFailure::SourceNotAvailable);
        assert_eq!(connect(Errno::MFILE), ConnectFailure::TooManyDescriptors);

        assert_eq!(AcceptFailure::of(&error(Errno::NFILE)), AcceptFailure::TooManyDescriptors);
        assert!(matches!(AcceptFailure::of(&error(Errno::NOBUFS)), AcceptFailure::System(_)));

        let disconnect = |number| DisconnectReason::of(&error(number));
        assert_eq!(disconnect(Errno::CONNRESET), DisconnectReason::ConnectionReset);
        assert_eq!(disconnect(Errno::PIPE), DisconnectReason::ConnectionReset);
        assert_eq!(disconnect(Errno::TIMEDOUT), DisconnectReason::ConnectionTimedOut);
        assert_eq!(disconnect(Errno::NOMEM), DisconnectReason::OutOfMemory);
        assert_eq!(HandshakeFailure::of(&error(Errno::CONNRESET)), HandshakeFailure::ConnectionReset);
        assert!(matches!(HandshakeFailure::of(&error(Errno::NOBUFS)), HandshakeFailure::System(_)));
    }

    #[test]
    fn failures_have_somebody_whose_doing_they_were() {
        assert_eq!(HandshakeFailure::NotZmtp.fault(), Fault::PeerMisbehaved);
        assert_eq!(HandshakeFailure::VersionNotSupported.fault(), Fault::PeerIncompatible);
        assert_eq!(HandshakeFailure::TooManyPeers.fault(), Fault::Ours);
        assert_eq!(DisconnectReason::HeartbeatTimedOut.fault(), Fault::TimedOut);
        assert_eq!(DisconnectReason::SegmentCorrupt.fault(), Fault::PeerMisbehaved);
        assert_eq!(DisconnectReason::ProtocolViolated(ProtocolViolation::MessageTooBig).fault(), Fault::PeerMisbehaved);
    }

    #[test]
    fn what_keeps_memory_from_being_shared_is_told_with_whose_doing_it_was() {
        use UpgradeObstacle::{Conflates, DescriptorsMissing, NoDoorbell, SegmentUnfit, TooManyDescriptors};
        let failures = [
            (UpgradeFailure::ForbiddenHere, Fault::Ours, "forbidden here"),
            (UpgradeFailure::PeerForbids, Fault::PeerRefused, "the peer forbids it"),
            (UpgradeFailure::PeerUnable, Fault::PeerIncompatible, "the peer cannot"),
            (UpgradeFailure::Here(Conflates), Fault::Ours, "only the newest message is kept here"),
            (UpgradeFailure::Here(TooManyDescriptors), Fault::SystemRefused, "too many open files here"),
            (UpgradeFailure::Here(SegmentUnfit), Fault::PeerMisbehaved, "the memory was found unfit here"),
            (
                UpgradeFailure::AtPeer(DescriptorsMissing),
                Fault::PeerIncompatible,
                "the memory did not arrive at the peer",
            ),
            (UpgradeFailure::AtPeer(NoDoorbell), Fault::PeerRefused, "nothing to wake by at the peer"),
        ];
        for (failure, fault, text) in failures {
            assert_eq!((failure.fault(), &*failure.to_string()), (fault, text));
            assert_eq!(HandshakeFailure::SharedMemoryRequired(failure).fault(), fault);
            assert_eq!(HandshakeFailure::SharedMemoryRequired(failure).errno(), failure.errno());
        }
    }
}
