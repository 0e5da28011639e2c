//! What this room says to the protocol, and what it makes of what the protocol says.

#![forbid(unsafe_code)]

use crate::{
    monitor::{DisconnectReason, HandshakeFailure, PeerMetadata, ProtocolViolation, UpgradeFailure, UpgradeObstacle},
    pipe::Profile,
    transport::options::StreamOptions,
    zmtp::{Config, Error, Heartbeat, Limits, Obstacle, Peer},
};

/// What the connections of a socket with `options` and this `profile` have in common.
pub(super) fn config(options: &StreamOptions, profile: &Profile) -> Config {
    Config {
        routing_id: profile.routing_id.clone(),
        limits: Limits { message_size: options.max_message_size.unwrap_or(u64::MAX), ..Limits::default() },
        heartbeat: Heartbeat {
            interval: options.heartbeat_interval,
            timeout: options.heartbeat_timeout,
            ttl: options.heartbeat_ttl,
        },
        handshake_timeout: options.handshake_timeout,
        ..Config::new(profile.socket_type)
    }
}

/// What there is to say of `peer`, which is at `address`.
pub(super) fn metadata(peer: &Peer, address: Box<str>) -> PeerMetadata {
    PeerMetadata {
        socket_type: peer.socket_type,
        routing_id: peer.routing_id.clone(),
        address,
        properties: peer.properties.clone(),
    }
}

/// How `error` broke the protocol, if that is what it was.
fn violation(error: &Error) -> Option<ProtocolViolation> {
    Some(match error {
        Error::NoSocketType
        | Error::MalformedMetadata
        | Error::RoutingIdTooLong { .. }
        | Error::MalformedCommand
        | Error::CommandWithMore
        | Error::SizeOverflow => ProtocolViolation::Malformed,
        Error::MessageInHandshake
        | Error::UnexpectedCommand { .. }
        | Error::MessageInAgreement
        | Error::OfferedTwice
        | Error::AnsweredTwice
        | Error::AnswerUnasked
        | Error::SegmentUnasked
        | Error::SegmentOutOfTurn => ProtocolViolation::Unexpected,
        Error::MessageTooLarge { .. } => ProtocolViolation::MessageTooBig,
        Error::TooManyFrames { .. } => ProtocolViolation::TooManyFrames,
        Error::CommandTooLarge { .. } | Error::TopicTooLong { .. } => ProtocolViolation::CommandTooBig,
        _ => return None,
    })
}

/// What the peer says with `obstacle`. `None`: only that we had offered nothing, for a reason of our own.
#[cfg_attr(not(all(target_os = "linux", not(any(loom, shuttle)))), allow(dead_code, reason = "nobody shares memory"))]
pub(super) fn upgrade_failure(obstacle: Obstacle) -> Option<UpgradeFailure> {
    Some(match obstacle {
        Obstacle::Forbidden => UpgradeFailure::PeerForbids,
        Obstacle::NothingOffered => return None,
        other => UpgradeFailure::AtPeer(upgrade_obstacle(other)),
    })
}

/// What keeps an end from sharing memory, as monitors are told.
#[cfg_attr(not(all(target_os = "linux", not(any(loom, shuttle)))), allow(dead_code, reason = "nobody shares memory"))]
pub(super) fn upgrade_obstacle(obstacle: Obstacle) -> UpgradeObstacle {
    match obstacle {
        Obstacle::Conflates => UpgradeObstacle::Conflates,
        Obstacle::VersionUnknown => UpgradeObstacle::VersionUnknown,
        Obstacle::NoMemory => UpgradeObstacle::NoMemory,
        Obstacle::TooManyDescriptors => UpgradeObstacle::TooManyDescriptors,
        Obstacle::MapRefused => UpgradeObstacle::MapRefused,
        Obstacle::DescriptorsMissing => UpgradeObstacle::DescriptorsMissing,
        Obstacle::SegmentUnfit => UpgradeObstacle::SegmentUnfit,
        Obstacle::NoDoorbell => UpgradeObstacle::NoDoorbell,
        Obstacle::MemoryMax => UpgradeObstacle::MemoryMax,
        Obstacle::Forbidden | Obstacle::NothingOffered | Obstacle::Other => UpgradeObstacle::Other,
    }
}

/// Why a handshake failed, if it was because of `error`.
pub(super) fn handshake_failure(error: &Error) -> HandshakeFailure {
    match error {
        Error::NotZmtp { .. } => HandshakeFailure::NotZmtp,
        Error::Unversioned | Error::TooOld { .. } => HandshakeFailure::VersionNotSupported,
        Error::MechanismDiffers { .. } => HandshakeFailure::MechanismMismatch,
        Error::Incompatible { theirs, .. } => HandshakeFailure::Incompatible(*theirs),
        Error::UnknownSocketType { .. } => HandshakeFailure::UnknownSocketType,
        Error::Refused { .. } => HandshakeFailure::Refused,
        Error::HandshakeTimedOut { .. } | Error::HeartbeatTimedOut { .. } | Error::TtlExpired { .. } => {
            HandshakeFailure::TimedOut
        }
        Error::OutOfMemory { .. } => HandshakeFailure::OutOfMemory,
        other => HandshakeFailure::ProtocolViolated(violation(other).unwrap_or(ProtocolViolation::Malformed)),
    }
}

/// Why a connection ended, if it was because of `error`.
pub(super) fn disconnect_reason(error: &Error) -> DisconnectReason {
    match error {
        Error::HandshakeTimedOut { .. } | Error::HeartbeatTimedOut { .. } | Error::TtlExpired { .. } => {
            DisconnectReason::HeartbeatTimedOut
        }
        Error::Refused { .. } => DisconnectReason::Refused,
        Error::OutOfMemory { .. } => DisconnectReason::OutOfMemory,
        other => DisconnectReason::ProtocolViolated(violation(other).unwrap_or(ProtocolViolation::Malformed)),
    }
}
