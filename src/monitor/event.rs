//! The values a monitor tells.

#![forbid(unsafe_code)]

use std::{
    fmt,
    time::{Duration, Instant},
};

use super::failure::{AcceptFailure, BindFailure, ConnectFailure, DisconnectReason, HandshakeFailure, UpgradeFailure};
use crate::{Endpoint, Frame, SocketType};

/// Something that happened, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// When it was told. Never earlier than that of the event before; for what was there before its monitor, when the
    /// monitor was made.
    pub at: Instant,
    /// What happened.
    pub kind: EventKind,
}

/// What can happen to a socket.
///
/// Of one connection, in this order: `Connecting`, `Connected` or `Accepted`, `PeerJoined`, `Disconnected`, and last
/// `PeerLeft` (if it had joined) or perhaps `Abandoned` (if it had not). Over a stream `HandshakeSucceeded` follows them up to
/// `PeerJoined`, and one that connects does so again: there may be any number of attempts that fail before `Connected`. Over
/// `ipc://` one of `Upgraded` and `NotUpgraded` follows each `HandshakeSucceeded`.
///
/// A `descriptor` is the number the system has for a listener or a connection in this process; `None` in process, and where
/// systems have none. It is for telling one from another, as in the output of `ss` or `lsof`: it is the library's, and when the
/// event is read it may be closed and the number be another's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// The socket has bound an endpoint.
    #[non_exhaustive]
    Listening {
        /// Which.
        endpoint: Endpoint,
        /// The number of its descriptor; see [`EventKind`].
        descriptor: Option<i32>,
    },
    /// The socket has taken an endpoint back, or is closing. Nothing is accepted there after this.
    #[non_exhaustive]
    Unbound {
        /// Which.
        endpoint: Endpoint,
        /// The number of its descriptor; see [`EventKind`].
        descriptor: Option<i32>,
    },
    /// The socket could not bind an endpoint.
    #[non_exhaustive]
    BindFailed {
        /// Which.
        endpoint: Endpoint,
        /// Why.
        reason: BindFailure,
    },
    /// The socket has connected to an endpoint nobody has bound yet. Messages queue.
    #[non_exhaustive]
    Connecting {
        /// Which.
        endpoint: Endpoint,
        /// Who will be there.
        peer: PeerId,
    },
    /// An attempt to connect has failed, or its connection has ended, and there will be another.
    #[non_exhaustive]
    ConnectRetried {
        /// Where to.
        endpoint: Endpoint,
        /// Who was to be there.
        peer: PeerId,
        /// Why there has to be another.
        reason: ConnectFailure,
        /// When: so long after this was told.
        delay: Duration,
    },
    /// An attempt to connect has failed, or its connection has ended, and there will be no other.
    #[non_exhaustive]
    ConnectFailed {
        /// Where to.
        endpoint: Endpoint,
        /// Who was to be there.
        peer: PeerId,
        /// Why.
        reason: ConnectFailure,
    },
    /// A connection this socket made has reached the socket that has bound the endpoint.
    #[non_exhaustive]
    Connected {
        /// Where.
        endpoint: Endpoint,
        /// Who is there.
        peer: PeerId,
        /// The number of its descriptor; see [`EventKind`].
        descriptor: Option<i32>,
    },
    /// A connection was made to an endpoint this socket has bound.
    #[non_exhaustive]
    Accepted {
        /// Where.
        endpoint: Endpoint,
        /// Who made it.
        peer: PeerId,
        /// The number of its descriptor; see [`EventKind`].
        descriptor: Option<i32>,
    },
    /// The system would not let somebody's connection in. The socket goes on listening.
    #[non_exhaustive]
    AcceptFailed {
        /// Where.
        endpoint: Endpoint,
        /// Why.
        reason: AcceptFailure,
    },
    /// The two ends of a connection over a stream have agreed how to talk.
    #[non_exhaustive]
    HandshakeSucceeded {
        /// Where.
        endpoint: Endpoint,
        /// Who is there.
        peer: PeerId,
        /// Our own address, as the system writes it; empty if there is none, as over `ipc://`.
        local: Box<str>,
        /// Its address, as the system writes it.
        remote: Box<str>,
        /// The number of its descriptor; see [`EventKind`].
        descriptor: Option<i32>,
    },
    /// The two ends of a connection over a stream have not come to agree how to talk, and it is closed.
    #[non_exhaustive]
    HandshakeFailed {
        /// Where.
        endpoint: Endpoint,
        /// The address of who is there, as the system writes it.
        remote: Box<str>,
        /// Why; [`fault`](HandshakeFailure::fault) says whose doing it was.
        reason: HandshakeFailure,
        /// The number of its descriptor; see [`EventKind`].
        descriptor: Option<i32>,
    },
    /// The two ends of a connection over `ipc://` share memory: messages go through it, and not through the kernel.
    #[non_exhaustive]
    Upgraded {
        /// Where.
        endpoint: Endpoint,
        /// With whom.
        peer: PeerId,
    },
    /// The two ends of a connection over `ipc://` do not share memory: messages go through the kernel.
    #[non_exhaustive]
    NotUpgraded {
        /// Where.
        endpoint: Endpoint,
        /// Who is there.
        peer: PeerId,
        /// Why; [`fault`](UpgradeFailure::fault) says whose doing it was.
        reason: UpgradeFailure,
    },
    /// A connection over `ipc://` was busy beyond its ring: what this socket sends goes on in a larger one.
    #[non_exhaustive]
    RingGrown {
        /// Where.
        endpoint: Endpoint,
        /// To whom.
        peer: PeerId,
        /// Bytes of the ring there is now.
        size: usize,
    },
    /// A peer takes part: messages flow. At once when the connection is there, unless one of the two has no place for
    /// another peer (a `PAIR` has one): then when a place is free.
    #[non_exhaustive]
    PeerJoined {
        /// Who.
        peer: PeerId,
        /// Its socket's type.
        socket_type: SocketType,
        /// The routing id it chose; empty if it chose none.
        routing_id: Frame,
    },
    /// A connection has ended. What the peer sent before can still be received.
    #[non_exhaustive]
    Disconnected {
        /// Where it had been made.
        endpoint: Endpoint,
        /// With whom.
        peer: PeerId,
        /// Whose doing it was.
        reason: DisconnectReason,
        /// The number of its descriptor; see [`EventKind`].
        descriptor: Option<i32>,
    },
    /// A peer that had joined is gone, and nothing of it is left to receive. Told when the socket notices, which takes a
    /// call of its owner if the peer has left messages behind.
    ///
    /// A lost message is counted by one of the two sockets, as in [`Counters`](crate::socket::Counters).
    #[non_exhaustive]
    PeerLeft {
        /// Who.
        peer: PeerId,
        /// Messages this socket had sent that the peer left without taking.
        undelivered: u64,
        /// Messages of the peer that this socket closed the connection without taking.
        unread: u64,
    },
    /// A connection has ended before its peer joined, and messages with it. Not told if there were none.
    #[non_exhaustive]
    Abandoned {
        /// Whose it was.
        peer: PeerId,
        /// Messages this socket had sent.
        undelivered: u64,
        /// Messages the peer had sent.
        unread: u64,
    },
    /// A socket that does not talk to this one's type tried to connect, or is found where this one tried to.
    #[non_exhaustive]
    Incompatible {
        /// Where.
        endpoint: Endpoint,
        /// The other socket's type.
        socket_type: SocketType,
    },
    /// The context has been shut down. The socket goes on handing out what has arrived.
    ContextClosed,
    /// The socket is closed. The last event.
    Closed,
    /// Here so many events are missing: the monitor was full, and they gave way to newer ones.
    Missed(u64),
}

/// Which peer. No two connections of the process have the same, ever; both ends of one do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(u64);

/// A peer of a socket, as it is at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// Which.
    pub peer: PeerId,
    /// The endpoint the connection was made through, by either side.
    pub endpoint: Option<Endpoint>,
    /// The number of the connection's descriptor, the last there was; see [`EventKind`].
    pub descriptor: Option<i32>,
    /// How far it is.
    pub state: PeerState,
    /// Which way its messages go.
    pub road: Road,
    /// Bytes of the ring through which it is sent messages, where memory is shared: as many as were asked for, or more since
    /// that was too few. 0 elsewhere.
    pub ring_size: usize,
    /// Its socket's type. `None` while nobody has bound the endpoint.
    pub socket_type: Option<SocketType>,
    /// The routing id it chose; empty if it chose none.
    pub routing_id: Frame,
    /// Messages it was not given because its queue was full, by a pattern that drops.
    pub dropped: u64,
    /// What has come from it over a stream or shared memory. Nothing is counted in process.
    pub received: Traffic,
    /// What was written to it over a stream or shared memory, also if it did not take it. Nothing is counted in process.
    pub sent: Traffic,
}

/// Who a peer is, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerMetadata {
    /// Its socket's type.
    pub socket_type: SocketType,
    /// The routing id it chose; empty if it chose none.
    pub routing_id: Frame,
    /// Its address, as the system writes it: over `tcp://` the IP address, without the port. Empty in process.
    pub address: Box<str>,
    /// What else it has said of itself over a stream, as name and value: by custom the names begin with `X-`.
    pub properties: Vec<(String, Vec<u8>)>,
}

/// How much has gone one way between two sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Whole messages.
    pub messages: u64,
    /// All bytes on the wire: of messages, and of what goes with and between them.
    pub bytes: u64,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerState {
    /// Nobody has bound the endpoint yet; over a stream, the first attempt to connect is under way or to be repeated.
    Connecting,
    /// A connection over a stream is there, and the two ends have not agreed yet how to talk.
    Handshaking,
    /// A connection over a stream has ended, and there will be another.
    Reconnecting,
    /// One of the two sockets has no place for another peer.
    Waiting,
    /// Messages flow.
    Joined,
    /// The peer has closed; its messages may still be received.
    Leaving,
}

/// Which way the messages of a connection go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Road {
    /// Through the memory of this process: `inproc://`.
    InProcess,
    /// Through the kernel, as ZMTP: `tcp://`, and `ipc://` unless both ends share memory.
    Stream,
    /// Through memory that this process shares with the peer's: `ipc://` once both ends have agreed to.
    SharedMemory,
}

impl PeerId {
    pub(crate) fn new(number: u64) -> Self {
        Self(number)
    }

    /// As a number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl fmt::Display for EventKind {
    /// One line, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { endpoint, .. } => write!(f, "listening at {endpoint}"),
            Self::Unbound { endpoint, .. } => write!(f, "unbound from {endpoint}"),
            Self::BindFailed { endpoint, reason } => write!(f, "not bound to {endpoint}: {reason}"),
            Self::Connecting { endpoint, peer } => write!(f, "connecting to {endpoint}: peer {peer}, not bound yet"),
            Self::ConnectRetried { endpoint, peer, reason, delay } => {
                write!(f, "connecting to {endpoint} again in {delay:?}: peer {peer}, {reason}")
            }
            Self::ConnectFailed { endpoint, peer, reason } => {
                write!(f, "not connected to {endpoint}: peer {peer}, {reason}")
            }
            Self::Connected { endpoint, peer, .. } => write!(f, "connected to {endpoint}: peer {peer}"),
            Self::Accepted { endpoint, peer, .. } => write!(f, "accepted at {endpoint}: peer {peer}"),
            Self::AcceptFailed { endpoint, reason } => write!(f, "not accepted at {endpoint}: {reason}"),
            Self::HandshakeSucceeded { endpoint, peer, remote, .. } => {
                write!(f, "handshake done at {endpoint}: peer {peer} from {remote}")
            }
            Self::HandshakeFailed { endpoint, remote, reason, .. } => {
                write!(f, "handshake failed at {endpoint}: {remote}, {reason}")
            }
            Self::Upgraded { endpoint, peer } => write!(f, "memory shared at {endpoint}: peer {peer}"),
            Self::NotUpgraded { endpoint, peer, reason } => {
                write!(f, "memory not shared at {endpoint}: peer {peer}, {reason}")
            }
            Self::RingGrown { endpoint, peer, size } => {
                write!(f, "ring of {size} bytes at {endpoint}: peer {peer}")
            }
            Self::PeerJoined { peer, socket_type, routing_id } if routing_id.is_empty() => {
                write!(f, "peer {peer} joined: {socket_type}")
            }
            Self::PeerJoined { peer, socket_type, routing_id } => {
                write!(f, "peer {peer} joined: {socket_type} \"{}\"", routing_id.escape_ascii())
            }
            Self::Disconnected { endpoint, peer, reason, .. } => {
                write!(f, "disconnected at {endpoint}: peer {peer}, {reason}")
            }
            Self::PeerLeft { peer, undelivered, unread } => {
                write!(f, "peer {peer} left: {undelivered} undelivered, {unread} unread")
            }
            Self::Abandoned { peer, undelivered, unread } => {
                write!(f, "peer {peer} never joined: {undelivered} undelivered, {unread} unread")
            }
            Self::Incompatible { endpoint, socket_type } => write!(f, "incompatible at {endpoint}: {socket_type}"),
            Self::ContextClosed => write!(f, "context shut down"),
            Self::Closed => write!(f, "closed"),
            Self::Missed(events) => write!(f, "{events} events missed"),
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::monitor::{PeerCredentials, UpgradeObstacle};

    #[test]
    fn each_is_told_in_a_line() {
        let endpoint: Endpoint = "tcp://127.0.0.1:5555".parse().unwrap();
        let ipc: Endpoint = "ipc:///run/work".parse().unwrap();
        let (peer, remote) = (PeerId::new(7), || "127.0.0.1:4321".into());
        let lines = [
            (
                EventKind::ConnectRetried {
                    endpoint: endpoint.clone(),
                    peer,
                    reason: ConnectFailure::Refused,
                    delay: Duration::from_millis(73),
                },
                "connecting to tcp://127.0.0.1:5555 again in 73ms: peer #7, nobody listens there",
            ),
            (
                EventKind::ConnectFailed {
                    endpoint: endpoint.clone(),
                    peer,
                    reason: ConnectFailure::Disconnected(DisconnectReason::PeerClosed),
                },
                "not connected to tcp://127.0.0.1:5555: peer #7, the connection has ended: closed by the peer",
            ),
            (
                EventKind::AcceptFailed { endpoint: endpoint.clone(), reason: AcceptFailure::TooManyDescriptors },
                "not accepted at tcp://127.0.0.1:5555: too many open files",
            ),
            (
                EventKind::HandshakeSucceeded {
                    endpoint: endpoint.clone(),
                    peer,
                    local: endpoint.to_string().into(),
                    remote: remote(),
                    descriptor: Some(9),
                },
                "handshake done at tcp://127.0.0.1:5555: peer #7 from 127.0.0.1:4321",
            ),
            (
                EventKind::HandshakeFailed {
                    endpoint: endpoint.clone(),
                    remote: remote(),
                    reason: HandshakeFailure::Incompatible(SocketType::Pub),
                    descriptor: None,
                },
                "handshake failed at tcp://127.0.0.1:5555: 127.0.0.1:4321, a PUB socket does not talk to this type",
            ),
            (EventKind::Upgraded { endpoint: ipc.clone(), peer }, "memory shared at ipc:///run/work: peer #7"),
            (
                EventKind::NotUpgraded { endpoint: ipc.clone(), peer, reason: UpgradeFailure::PeerUnable },
                "memory not shared at ipc:///run/work: peer #7, the peer cannot",
            ),
            (
                EventKind::RingGrown { endpoint: ipc.clone(), peer, size: 1 << 18 },
                "ring of 262144 bytes at ipc:///run/work: peer #7",
            ),
            (
                EventKind::AcceptFailed {
                    endpoint: ipc.clone(),
                    reason: AcceptFailure::NotAllowed(PeerCredentials { process: 4711, user: 1000, group: 100 }),
                },
                "not accepted at ipc:///run/work: process 4711 of user 1000 and group 100 is not allowed",
            ),
            (
                EventKind::HandshakeFailed {
                    endpoint: ipc.clone(),
                    remote: remote(),
                    reason: HandshakeFailure::SharedMemoryRequired(UpgradeFailure::Here(UpgradeObstacle::NoMemory)),
                    descriptor: None,
                },
                "handshake failed at ipc:///run/work: 127.0.0.1:4321, shared memory is required: no memory here",
            ),
            (
                EventKind::Disconnected {
                    endpoint: ipc,
                    peer,
                    reason: DisconnectReason::SegmentCorrupt,
                    descriptor: None,
                },
                "disconnected at ipc:///run/work: peer #7, the peer wrote into shared memory what cannot be",
            ),
            (
                EventKind::Disconnected {
                    endpoint,
                    peer,
                    reason: DisconnectReason::HeartbeatTimedOut,
                    descriptor: None,
                },
                "disconnected at tcp://127.0.0.1:5555: peer #7, no heartbeat in time",
            ),
        ];
        for (event, line) in lines {
            assert_eq!(event.to_string(), line);
        }
    }

    /// A monitor holds a thousand by default.
    const _: () = assert!(size_of::<Event>() <= 112, "an event has grown");
}
