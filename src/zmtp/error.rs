//! What ends a connection, and whose doing it was.

#![forbid(unsafe_code)]

use std::{fmt, time::Duration};

use super::command::ROUTING_ID_MAX;
use crate::SocketType;

/// Why a connection is over: one variant for each rule that was broken. Everything a peer can make longer is bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// The first byte is not `FF`: a port scan, a health check, a browser, or a peer that speaks ZMTP 1.0.
    NotZmtp {
        /// That byte.
        first: u8,
    },
    /// The greeting carries no version: ZMTP 1.0.
    Unversioned,
    /// The greeting's major version is below 3.
    TooOld {
        /// What it says: 0 is ZMTP 1.0, 1 is 2.0.
        major: u8,
    },
    /// The peer wants another security mechanism.
    MechanismDiffers {
        /// Ours.
        ours: &'static str,
        /// Theirs.
        theirs: String,
    },
    /// The peer's socket is of a type ours does not talk to.
    Incompatible {
        /// Ours.
        ours: SocketType,
        /// Theirs.
        theirs: SocketType,
    },
    /// The peer's socket is of a type nobody here knows.
    UnknownSocketType {
        /// Its name.
        name: String,
    },
    /// The peer answered the handshake with ERROR.
    Refused {
        /// What it gave as the reason; libzmq gives a status code, as in `400`.
        reason: String,
    },
    /// READY lacks the `Socket-Type`.
    NoSocketType,
    /// READY has a property cut off, one without a name, one twice, or bytes after the last.
    MalformedMetadata,
    /// The `Identity` in READY has more than [`ROUTING_ID_MAX`] bytes.
    RoutingIdTooLong {
        /// So many.
        size: usize,
    },
    /// A message came before READY.
    MessageInHandshake,
    /// A command came that this step of the handshake does not have.
    UnexpectedCommand {
        /// Its name.
        name: String,
    },
    /// A command's name, or what has to follow it, is cut off.
    MalformedCommand,
    /// A message or a subscription came before the two ends had answered each other's offers of memory.
    MessageInAgreement,
    /// The peer has offered memory a second time.
    OfferedTwice,
    /// The peer has answered our offer of memory a second time.
    AnsweredTwice,
    /// The peer has answered an offer of memory that was not made yet, or accepted one of nothing; or it has answered before
    /// it made its own.
    AnswerUnasked,
    /// The peer has announced a segment in place of one, and no memory is shared, or one of the two cannot do that.
    SegmentUnasked,
    /// The peer has announced a segment, or answered ours, when it was not the time to, or not the one that is next.
    SegmentOutOfTurn,
    /// A frame has both COMMAND and MORE set.
    CommandWithMore,
    /// A frame announces 2^63 bytes or more.
    SizeOverflow,
    /// A message's frames are larger together than is allowed.
    MessageTooLarge {
        /// Bytes allowed.
        limit: u64,
    },
    /// A message has more frames than is allowed.
    TooManyFrames {
        /// Frames allowed.
        limit: usize,
    },
    /// A command is larger than is allowed.
    CommandTooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// A subscription's topic is longer than is allowed.
    TopicTooLong {
        /// Bytes allowed.
        limit: usize,
    },
    /// The peer has not finished the handshake in time.
    HandshakeTimedOut {
        /// The time it had.
        after: Duration,
    },
    /// Nothing came after a PING.
    HeartbeatTimedOut {
        /// The time it had.
        after: Duration,
    },
    /// The peer said after what silence it is to be given up, and has been silent for so long.
    TtlExpired {
        /// What it said.
        ttl: Duration,
    },
    /// The system had no memory for a frame that has arrived in part.
    OutOfMemory {
        /// Bytes asked for.
        size: usize,
    },
}

/// Whose doing it was, for tests; the monitor's events tell it by the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg(any(all(test, not(any(loom, shuttle))), feature = "fuzzing"))]
pub(crate) enum Fault {
    /// The peer broke the protocol, or exceeded a limit.
    PeerMisbehaved,
    /// The peer keeps to a protocol, but to none we share. The connection is closed without a word.
    PeerIncompatible,
    /// The peer does not want us (ERROR). Trying again is of no use until something is changed.
    PeerRefused,
    /// The peer, or the way to it, is silent.
    TimedOut,
    /// The system refused memory.
    OutOfMemory,
}

#[cfg(any(all(test, not(any(loom, shuttle))), feature = "fuzzing"))]
impl Error {
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::NotZmtp { .. }
            | Self::Unversioned
            | Self::TooOld { .. }
            | Self::MechanismDiffers { .. }
            | Self::Incompatible { .. }
            | Self::UnknownSocketType { .. } => Fault::PeerIncompatible,
            Self::Refused { .. } => Fault::PeerRefused,
            Self::NoSocketType
            | Self::MalformedMetadata
            | Self::RoutingIdTooLong { .. }
            | Self::MessageInHandshake
            | Self::UnexpectedCommand { .. }
            | Self::MalformedCommand
            | Self::MessageInAgreement
            | Self::OfferedTwice
            | Self::AnsweredTwice
            | Self::AnswerUnasked
            | Self::SegmentUnasked
            | Self::SegmentOutOfTurn
            | Self::CommandWithMore
            | Self::SizeOverflow
            | Self::MessageTooLarge { .. }
            | Self::TooManyFrames { .. }
            | Self::CommandTooLarge { .. }
            | Self::TopicTooLong { .. } => Fault::PeerMisbehaved,
            Self::HandshakeTimedOut { .. } | Self::HeartbeatTimedOut { .. } | Self::TtlExpired { .. } => {
                Fault::TimedOut
            }
            Self::OutOfMemory { .. } => Fault::OutOfMemory,
        }
    }
}

/// A peer's bytes as text that does no harm in a log: printable, and of at most [`TEXT_MAX`] characters.
pub(super) fn harmless(bytes: &[u8]) -> String {
    let printable = |char: char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char };
    String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_MAX)]).chars().map(printable).collect()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotZmtp { first } => {
                write!(
                    f,
                    "the peer does not speak ZMTP 3: its first byte is {first:#04x}, not 0xff; what connects here?"
                )
            }
            Self::Unversioned => write!(f, "the peer speaks ZMTP 1.0: it needs a ZeroMQ of version 4 or later"),
            Self::TooOld { major } => write!(
                f,
                "the peer's ZMTP is older than 3.0 (its greeting says {major}): it needs a ZeroMQ of version 4 or later"
            ),
            Self::MechanismDiffers { ours, theirs } => {
                write!(f, "the peer wants the security mechanism {theirs:?}, we want {ours:?}: set both alike")
            }
            Self::Incompatible { ours, theirs } => {
                write!(f, "a {ours} does not talk to a {theirs}: is one of them connected to the wrong endpoint?")
            }
            Self::UnknownSocketType { name } => write!(f, "the peer's socket type {name:?} is not known here"),
            Self::Refused { reason } => {
                write!(f, "the peer refused the connection with {reason:?}: see its security settings")
            }
            Self::NoSocketType => write!(f, "the peer's READY lacks its Socket-Type"),
            Self::MalformedMetadata => write!(f, "the properties in the peer's READY are malformed"),
            Self::RoutingIdTooLong { size } => {
                write!(f, "the peer's routing id has {size} bytes, above the {ROUTING_ID_MAX} there may be")
            }
            Self::MessageInHandshake => write!(f, "the peer sent a message before its READY"),
            Self::UnexpectedCommand { name } => write!(f, "the peer sent the command {name:?} in place of READY"),
            Self::MalformedCommand => write!(f, "the peer sent a command that is cut off"),
            Self::MessageInAgreement => {
                write!(f, "the peer sent a message before both had answered the other's offer of shared memory")
            }
            Self::OfferedTwice => write!(f, "the peer offered shared memory twice"),
            Self::AnsweredTwice => write!(f, "the peer answered our offer of shared memory twice"),
            Self::AnswerUnasked => write!(f, "the peer answered an offer of shared memory that was not made"),
            Self::SegmentUnasked => write!(f, "the peer announced another segment, and memory is not shared so"),
            Self::SegmentOutOfTurn => write!(f, "the peer announced or answered a segment that is not next"),
            Self::CommandWithMore => write!(f, "the peer sent a command with MORE set"),
            Self::SizeOverflow => write!(f, "the peer announced a frame of 2^63 bytes or more"),
            Self::MessageTooLarge { limit } => {
                write!(f, "the peer's message is larger than the {limit} bytes allowed: raise the limit, or split it")
            }
            Self::TooManyFrames { limit } => write!(f, "the peer's message has more than the {limit} frames allowed"),
            Self::CommandTooLarge { limit } => write!(f, "the peer's command is larger than the {limit} bytes allowed"),
            Self::TopicTooLong { limit } => {
                write!(f, "the peer subscribes to a topic of more than the {limit} bytes allowed")
            }
            Self::HandshakeTimedOut { after } => {
                write!(f, "the peer has not finished the handshake within {after:?}: does it speak ZMTP?")
            }
            Self::HeartbeatTimedOut { after } => write!(f, "nothing came from the peer within {after:?} after a PING"),
            Self::TtlExpired { ttl } => {
                write!(f, "nothing came from the peer for {ttl:?}, after which it wanted to be given up")
            }
            Self::OutOfMemory { size } => write!(f, "the system had no memory for {size} bytes of a frame"),
        }
    }
}

impl std::error::Error for Error {}

/// Longest text of a peer that an error keeps, in bytes of what it sent: the longest reason there can be in an ERROR.
const TEXT_MAX: usize = 255;
