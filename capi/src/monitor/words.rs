//! Ringway's events in libzmq's words.
//!
//! libzmq tells of each step of a connection when it is made, Ringway of what came of it: a connection is `Connected` or
//! `Accepted` when its handshake is done. So a step is told with what came of it, in libzmq's order:
//!
//! | Ringway tells | libzmq's events |
//! |---|---|
//! | `Connecting` | `CONNECT_DELAYED` (tcp) |
//! | `ConnectRetried`, of an attempt | `CLOSED`, `CONNECT_RETRIED`; before the next attempt's, `CONNECT_DELAYED` (tcp) |
//! | `ConnectRetried`, of a connection | `CONNECT_RETRIED` |
//! | `ConnectFailed`, of an attempt | `CLOSED` |
//! | `Connected`; `HandshakeSucceeded` of a connection made again | `CONNECTED` |
//! | `HandshakeSucceeded` | `HANDSHAKE_SUCCEEDED` |
//! | `HandshakeFailed` | `CONNECTED` or `ACCEPTED`, `HANDSHAKE_FAILED_…`, `DISCONNECTED` |
//! | `Disconnected`, but by ourselves | `DISCONNECTED`; before `CONNECT_RETRIED`, also where the next attempt is told of first |
//! | `Listening`, `Unbound`, `BindFailed`, `Accepted`, `AcceptFailed` | `LISTENING`, `CLOSED`, `BIND_FAILED`, `ACCEPTED`, `ACCEPT_FAILED` |
//!
//! In process libzmq tells nothing, and so is nothing told here. Nor of what libzmq has no word for.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use libc::c_int;
use ringway::{
    Endpoint, PeerId,
    monitor::{
        AcceptFailure, BindFailure, ConnectFailure, DisconnectReason, EventKind, HandshakeFailure, ProtocolViolation,
    },
};

use crate::constants::*;

/// An event of libzmq's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) event: c_int,
    pub(super) value: c_int,
    pub(super) endpoint: String,
}

/// What has to be remembered to say the next one: the peers this socket connects to, and how far each is.
#[derive(Debug, Default)]
pub(super) struct Words {
    dialled: HashMap<PeerId, Dialled>,
}

#[derive(Debug)]
struct Dialled {
    endpoint: Endpoint,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The attempt to come has not been told of.
    AwaitAttempt,
    /// An attempt is under way, and was told of.
    AwaitConnection,
    Connected,
}

/// The value of events whose value is a descriptor in libzmq.
const NO_DESCRIPTOR: c_int = -1;

impl Words {
    /// Says `kind`: calls `tell` with each of libzmq's events that it is.
    pub(super) fn say(&mut self, kind: &EventKind, mut tell: impl FnMut(Told)) {
        let endpoint = match kind {
            EventKind::Listening { endpoint, .. }
            | EventKind::Unbound { endpoint, .. }
            | EventKind::BindFailed { endpoint, .. }
            | EventKind::Connecting { endpoint, .. }
            | EventKind::ConnectRetried { endpoint, .. }
            | EventKind::ConnectFailed { endpoint, .. }
            | EventKind::Connected { endpoint, .. }
            | EventKind::Accepted { endpoint, .. }
            | EventKind::AcceptFailed { endpoint, .. }
            | EventKind::HandshakeSucceeded { endpoint, .. }
            | EventKind::HandshakeFailed { endpoint, .. }
            | EventKind::Disconnected { endpoint, .. } => endpoint,
            EventKind::PeerLeft { peer, .. } | EventKind::Abandoned { peer, .. } => {
                self.dialled.remove(peer);
                return;
            }
            _ => return,
        };
        if matches!(endpoint, Endpoint::Inproc(_)) {
            return;
        }
        let mut told = |event, value| tell(Told { event, value, endpoint: endpoint.to_string() });
        match kind {
            EventKind::Listening { .. } => told(ZMQ_EVENT_LISTENING, NO_DESCRIPTOR),
            EventKind::Unbound { .. } => told(ZMQ_EVENT_CLOSED, NO_DESCRIPTOR),
            EventKind::BindFailed { reason, .. } => told(ZMQ_EVENT_BIND_FAILED, bind_errno(reason)),
            EventKind::Accepted { .. } => told(ZMQ_EVENT_ACCEPTED, NO_DESCRIPTOR),
            EventKind::AcceptFailed { reason, .. } => told(ZMQ_EVENT_ACCEPT_FAILED, accept_errno(reason)),
            EventKind::Connecting { peer, .. } => self.dialled(*peer, endpoint).attempt(&mut told),
            EventKind::ConnectRetried { peer, reason, delay, .. } => {
                if matches!(reason, ConnectFailure::Disconnected(_)) && !self.knows(*peer) {
                    // The attempt is the next peer's, and told of before the end of the one before it.
                    self.lose(endpoint, &mut told);
                }
                let dialled = self.dialled(*peer, endpoint);
                if is_of_an_attempt(reason) {
                    dialled.attempt(&mut told);
                    told(ZMQ_EVENT_CLOSED, NO_DESCRIPTOR);
                }
                dialled.state = State::AwaitAttempt;
                told(ZMQ_EVENT_CONNECT_RETRIED, delay.as_millis().try_into().unwrap_or(c_int::MAX));
            }
            EventKind::ConnectFailed { peer, reason, .. } => {
                if is_of_an_attempt(reason) {
                    self.dialled(*peer, endpoint).attempt(&mut told);
                    told(ZMQ_EVENT_CLOSED, NO_DESCRIPTOR);
                }
                self.dialled.remove(peer);
            }
            EventKind::Connected { peer, .. } => self.dialled(*peer, endpoint).connect(&mut told),
            EventKind::HandshakeSucceeded { peer, .. } => {
                if let Some(dialled) = self.dialled.get_mut(peer) {
                    dialled.connect(&mut told);
                }
                told(ZMQ_EVENT_HANDSHAKE_SUCCEEDED, 0);
            }
            EventKind::HandshakeFailed { reason, .. } => {
                // Whose it was is not said; one that waits for a connection to there.
                let mut waiting = self.dialled.values_mut().filter(|dialled| dialled.state != State::Connected);
                match waiting.find(|dialled| dialled.endpoint == *endpoint) {
                    Some(dialled) => {
                        dialled.connect(&mut told);
                        dialled.state = State::AwaitAttempt;
                    }
                    None => told(ZMQ_EVENT_ACCEPTED, NO_DESCRIPTOR),
                }
                let (event, value) = handshake_failure(reason);
                told(event, value);
                told(ZMQ_EVENT_DISCONNECTED, NO_DESCRIPTOR);
            }
            EventKind::Disconnected { peer, reason, .. } => {
                let was_connected = self.dialled.get_mut(peer).is_none_or(Dialled::lose);
                let by_us = matches!(reason, DisconnectReason::ClosedHere | DisconnectReason::ContextClosed);
                if by_us {
                    self.dialled.remove(peer);
                }
                if was_connected && !by_us {
                    told(ZMQ_EVENT_DISCONNECTED, NO_DESCRIPTOR);
                }
            }
            _ => {}
        }
    }

    /// Has something been told of this peer? One without a number is another each time.
    fn knows(&self, peer: PeerId) -> bool {
        peer.number() != 0 && self.dialled.contains_key(&peer)
    }

    /// Says that a connection to `endpoint` has ended.
    fn lose(&mut self, endpoint: &Endpoint, mut told: impl FnMut(c_int, c_int)) {
        let mut there = self.dialled.values_mut().filter(|dialled| dialled.endpoint == *endpoint);
        if there.any(Dialled::lose) {
            told(ZMQ_EVENT_DISCONNECTED, NO_DESCRIPTOR);
        }
    }

    fn dialled(&mut self, peer: PeerId, endpoint: &Endpoint) -> &mut Dialled {
        let new = || Dialled { endpoint: endpoint.clone(), state: State::AwaitAttempt };
        self.dialled.entry(peer).or_insert_with(new)
    }
}

impl Dialled {
    /// Says that an attempt is under way, unless that was said. Over ipc it takes no time.
    fn attempt(&mut self, mut told: impl FnMut(c_int, c_int)) {
        if self.state == State::AwaitAttempt {
            self.state = State::AwaitConnection;
            if matches!(self.endpoint, Endpoint::Tcp(_)) {
                told(ZMQ_EVENT_CONNECT_DELAYED, libc::EINPROGRESS);
            }
        }
    }

    /// There is no connection any more. Was there one?
    fn lose(&mut self) -> bool {
        std::mem::replace(&mut self.state, State::AwaitAttempt) == State::Connected
    }

    /// Says that there is a connection, unless that was said.
    fn connect(&mut self, mut told: impl FnMut(c_int, c_int)) {
        if self.state != State::Connected {
            self.attempt(&mut told);
            self.state = State::Connected;
            told(ZMQ_EVENT_CONNECTED, NO_DESCRIPTOR);
        }
    }
}

/// Did it never come to a connection?
fn is_of_an_attempt(failure: &ConnectFailure) -> bool {
    !matches!(failure, ConnectFailure::Handshake(_) | ConnectFailure::Disconnected(_))
}

/// The event of a handshake that failed, and its value.
fn handshake_failure(failure: &HandshakeFailure) -> (c_int, c_int) {
    use HandshakeFailure as H;
    let protocol = |error| (ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, error);
    let errno = |errno| (ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, errno);
    match failure {
        H::MechanismMismatch => protocol(ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH),
        H::Incompatible(_) | H::UnknownSocketType => protocol(ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_METADATA),
        H::ProtocolViolated(ProtocolViolation::Malformed) => {
            protocol(ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED)
        }
        H::ProtocolViolated(ProtocolViolation::Unexpected) => protocol(ZMQ_PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND),
        H::ProtocolViolated(_) | H::NotZmtp | H::VersionNotSupported => protocol(ZMQ_PROTOCOL_ERROR_ZMTP_UNSPECIFIED),
        // The status of somebody who is not let in.
        H::Refused => (ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, 400),
        H::ConnectionReset => errno(libc::ECONNRESET),
        H::TimedOut => errno(libc::ETIMEDOUT),
        H::OutOfMemory => errno(libc::ENOMEM),
        H::System(error) => errno(error.code().unwrap_or(libc::EPROTO)),
        // As libzmq says of a peer that closes.
        _ => errno(libc::EPIPE),
    }
}

fn bind_errno(failure: &BindFailure) -> c_int {
    match failure {
        BindFailure::AddrInUse => libc::EADDRINUSE,
        BindFailure::AddrNotAvailable => libc::EADDRNOTAVAIL,
        BindFailure::NoSuchInterface | BindFailure::NameNotResolved => libc::ENODEV,
        BindFailure::PermissionDenied => libc::EACCES,
        BindFailure::TooManyDescriptors => libc::EMFILE,
        BindFailure::System(error) => error.code().unwrap_or(libc::EINVAL),
        _ => libc::EINVAL,
    }
}

fn accept_errno(failure: &AcceptFailure) -> c_int {
    match failure {
        AcceptFailure::System(error) => error.code().unwrap_or(libc::EINVAL),
        AcceptFailure::NotAllowed(_) => libc::EACCES,
        _ => libc::EMFILE,
    }
}
