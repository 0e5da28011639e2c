//! What can go wrong with a socket, and whose doing it was.

#![forbid(unsafe_code)]

use std::fmt;

use crate::{ContextClosed, EndpointError, Message, SocketType, SystemError, fork::Forked, monitor::BindFailure};

/// A message was not sent: here it is back, unchanged, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct SendError {
    /// The message.
    pub message: Message,
    /// Why it was not sent.
    pub reason: SendFailure,
}

impl SendError {
    /// Takes `message` out of its place. By reference, and out of the way: a message that was sent is not moved once more, which
    /// would wait until all that was written for the receiver has left this processor.
    #[cold]
    #[inline(never)]
    pub(crate) fn returning(message: &mut Message, reason: SendFailure) -> Self {
        Self { message: std::mem::take(message), reason }
    }
}

/// Why a message, or a place for one, was not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendFailure {
    /// Every peer's queue is at its high-water mark. Only from calls that do not wait.
    Full,
    /// There is no peer to send to, nor an endpoint that is still to be bound. Only from calls that do not wait.
    NoPeer,
    /// Neither room nor a peer came up in time.
    TimedOut,
    /// A signal handler ran in the calling thread while it was parked. Only from sockets that are
    /// [interruptible](super::Builder::interruptible); the call may be made again.
    Interrupted,
    /// The peer a permit was for has left. The next attempt picks another.
    PeerLeft,
    /// The message has no frame (one of no bytes is a frame). The caller's doing.
    NoFrames,
    /// A ROUTER's message has an id and nothing to send to it. The caller's doing.
    NoBody,
    /// No peer has this id, and the ROUTER is to say so.
    Unroutable,
    /// A REQ that has not received the reply to its last request. The caller's doing.
    AwaitingReply,
    /// A REP that has no request to reply to. The caller's doing.
    NoRequest,
    /// The system had no memory for a place in the queue.
    OutOfMemory,
    /// The context has been shut down.
    ContextClosed,
    /// The socket belongs to the process this one was forked off, which alone may use it.
    Forked,
}

/// No message was received.
// A word wide, as everything in a `Message` is: with a byte in its place the compiler moves a `Result<Message, _>` in a
// byte and 55 odd ones, and each receive stalls for it (see `message`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
#[non_exhaustive]
pub enum RecvError {
    /// None is there. Only from calls that do not wait.
    Empty,
    /// None came in time.
    TimedOut,
    /// A signal handler ran in the calling thread while it was parked. Only from sockets that are
    /// [interruptible](super::Builder::interruptible); the call may be made again.
    Interrupted,
    /// The context has been shut down, and everything that had arrived has been taken.
    ContextClosed,
    /// A publisher had no room for messages this socket subscribes to. Only from subscribers that asked to be told; the
    /// next call goes on with what has arrived.
    Missed,
    /// A REQ that has not sent a request. The caller's doing.
    NoRequest,
    /// A REP that has not replied to its last request. The caller's doing.
    ReplyDue,
    /// The peer a REQ had asked has left without a reply. The socket may send again.
    PeerLeft,
    /// No reply came in time to a REQ's request, sent as often as its options say. The socket may send again.
    NoReply,
    /// The socket belongs to the process this one was forked off, which alone may use it.
    Forked,
}

/// Something did not come to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitError {
    /// Not in time.
    TimedOut,
    /// A signal handler ran in the calling thread while it was parked. Only from sockets that are
    /// [interruptible](super::Builder::interruptible); the call may be made again.
    Interrupted,
    /// The context has been shut down.
    ContextClosed,
    /// The socket belongs to the process this one was forked off, which alone may use it.
    Forked,
}

/// A request brought no reply.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// It was not sent; the message comes back.
    NotSent(SendError),
    /// It was sent.
    Unanswered(RecvError),
}

/// A name was not bound.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindError {
    /// The endpoint is not one.
    Endpoint(EndpointError),
    /// Another socket has it, or this one; or, for `ipc://`, a file of that name is no socket.
    AddrInUse,
    /// The address is none of this machine.
    AddrNotAvailable,
    /// This machine has no interface of that name.
    NoSuchInterface,
    /// The host is neither an interface of this machine nor a name that resolves.
    NameNotResolved,
    /// The system does not allow it: a port below 1024 perhaps, or a directory of somebody else's.
    PermissionDenied,
    /// The process, or the system, has as many files open as it may.
    TooManyDescriptors,
    /// The system refused for another reason: for `ipc://`, there may be no such directory.
    System(SystemError),
    /// The context has been shut down.
    ContextClosed,
    /// The socket belongs to the process this one was forked off, which alone may use it.
    Forked,
}

/// A connection was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The endpoint is not one.
    Endpoint(EndpointError),
    /// The socket bound there is of this type, which does not talk to ours.
    Incompatible(SocketType),
    /// Another peer has the id this one was to have.
    IdInUse,
    /// The process, or the system, has as many files open as it may: there could be no reactor thread.
    TooManyDescriptors,
    /// The system refused a reactor thread for another reason.
    System(SystemError),
    /// The context has been shut down.
    ContextClosed,
    /// The socket belongs to the process this one was forked off, which alone may use it.
    Forked,
}

/// `unbind` or `disconnect` named an endpoint this socket does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DetachError {
    /// The endpoint is not one.
    Endpoint(EndpointError),
    /// This socket has not bound, or not connected to, the endpoint.
    NotAttached,
    /// The socket belongs to the process this one was forked off, which alone may use it.
    Forked,
}

impl SendError {
    /// Of a message that cannot be given back.
    pub(super) fn of_nothing(reason: SendFailure) -> Self {
        Self { message: Message::new(), reason }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl fmt::Display for SendFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "every peer's queue is at its high-water mark",
            Self::NoPeer => "there is no peer to send to",
            Self::TimedOut => "neither room nor a peer came up in time",
            Self::Interrupted => INTERRUPTED,
            Self::PeerLeft => "the peer this place was reserved with has left",
            Self::NoFrames => "a message needs at least one frame",
            Self::NoBody => "the message has an id and nothing to send to it",
            Self::Unroutable => "no peer has this id",
            Self::AwaitingReply => "the reply to the last request has not been received",
            Self::NoRequest => "there is no request to reply to",
            Self::OutOfMemory => "no memory for a place in the queue",
            Self::ContextClosed => "the context has been shut down",
            Self::Forked => FORKED,
        })
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "no message is there",
            Self::TimedOut => "no message came in time",
            Self::Interrupted => INTERRUPTED,
            Self::ContextClosed => "the context has been shut down",
            Self::Missed => "a publisher had no room for messages this socket subscribes to",
            Self::NoRequest => "no request has been sent",
            Self::ReplyDue => "the last request has not been replied to",
            Self::PeerLeft => "the peer that was asked has left without a reply",
            Self::NoReply => "no reply came in time to any attempt",
            Self::Forked => FORKED,
        })
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "it did not come to pass in time",
            Self::Interrupted => INTERRUPTED,
            Self::ContextClosed => "the context has been shut down",
            Self::Forked => FORKED,
        })
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(error) => error.fmt(f),
            Self::Unanswered(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(error) => error.fmt(f),
            Self::AddrInUse => write!(f, "the endpoint is bound already"),
            Self::AddrNotAvailable => write!(f, "the endpoint is no address of this machine"),
            Self::NoSuchInterface => write!(f, "no interface of this machine has that name"),
            Self::NameNotResolved => {
                write!(f, "the host is neither an interface of this machine nor a name that resolves")
            }
            Self::PermissionDenied => write!(f, "binding the endpoint is not allowed"),
            Self::TooManyDescriptors => write!(f, "too many open files"),
            Self::System(error) => write!(f, "the endpoint is not bound: {error}"),
            Self::ContextClosed => ContextClosed.fmt(f),
            Self::Forked => f.write_str(FORKED),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(error) => error.fmt(f),
            Self::IdInUse => write!(f, "another peer has the id this one was to have"),
            Self::TooManyDescriptors => write!(f, "too many files are open"),
            Self::System(error) => write!(f, "the system refused a thread for connections: {error}"),
            Self::Incompatible(bound) => write!(f, "the {bound} socket bound there does not talk to this type"),
            Self::ContextClosed => ContextClosed.fmt(f),
            Self::Forked => f.write_str(FORKED),
        }
    }
}

impl fmt::Display for DetachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(error) => error.fmt(f),
            Self::NotAttached => write!(f, "this socket is not attached to the endpoint"),
            Self::Forked => f.write_str(FORKED),
        }
    }
}

impl std::error::Error for SendError {}
impl std::error::Error for SendFailure {}
impl std::error::Error for RecvError {}
impl std::error::Error for WaitError {}
impl std::error::Error for RequestError {}
impl std::error::Error for BindError {}
impl std::error::Error for ConnectError {}
impl std::error::Error for DetachError {}

/// A socket a forked process has inherited.
macro_rules! denied {
    ($($error:ident)*) => {
        $(impl From<Forked> for $error {
            fn from(_: Forked) -> Self {
                Self::Forked
            }
        })*
    };
}

denied! { SendFailure RecvError BindError ConnectError DetachError }

impl From<Forked> for SendError {
    fn from(forked: Forked) -> Self {
        Self::of_nothing(forked.into())
    }
}

impl From<SendError> for RequestError {
    fn from(error: SendError) -> Self {
        Self::NotSent(error)
    }
}

impl From<RecvError> for RequestError {
    fn from(error: RecvError) -> Self {
        Self::Unanswered(error)
    }
}

impl From<BindFailure> for BindError {
    fn from(failure: BindFailure) -> Self {
        match failure {
            BindFailure::AddrInUse => Self::AddrInUse,
            BindFailure::AddrNotAvailable => Self::AddrNotAvailable,
            BindFailure::NoSuchInterface => Self::NoSuchInterface,
            BindFailure::NameNotResolved => Self::NameNotResolved,
            BindFailure::PermissionDenied => Self::PermissionDenied,
            BindFailure::TooManyDescriptors => Self::TooManyDescriptors,
            BindFailure::System(error) => Self::System(error),
            BindFailure::ContextClosed => Self::ContextClosed,
        }
    }
}

impl From<EndpointError> for BindError {
    fn from(error: EndpointError) -> Self {
        Self::Endpoint(error)
    }
}

impl From<EndpointError> for ConnectError {
    fn from(error: EndpointError) -> Self {
        Self::Endpoint(error)
    }
}

impl From<std::io::Error> for ConnectError {
    fn from(error: std::io::Error) -> Self {
        if crate::system::lacks_descriptors(&error) { Self::TooManyDescriptors } else { Self::System((&error).into()) }
    }
}

impl From<EndpointError> for DetachError {
    fn from(error: EndpointError) -> Self {
        Self::Endpoint(error)
    }
}

const INTERRUPTED: &str = "a signal ended the wait";
const FORKED: &str = "the socket belongs to the process this one was forked off";
