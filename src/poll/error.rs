//! What can go wrong with a poller.

#![forbid(unsafe_code)]

use std::{fmt, io};

/// Something was not registered.
#[derive(Debug)]
#[non_exhaustive]
pub enum AddError {
    /// It is registered here already. The caller's doing; see [`Poller::modify`](super::Poller::modify).
    AlreadyRegistered,
    /// The system refuses to wait for the descriptor, or to give us one to wait with.
    System(io::Error),
    /// The poller, or the socket, belongs to the process this one was forked off.
    Forked,
}

/// What was to be changed or taken out is not there: never was, or has been taken out, or its socket was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotRegistered;

/// A wait failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum PollError {
    /// The wait was to last until something is ready, and nothing is registered that ever could be.
    NothingRegistered,
    /// A signal handler ran in the calling thread while it was parked. Only from pollers that
    /// [are interruptible](super::Poller::set_interruptible); the wait may be begun again.
    Interrupted,
    /// The system refuses to wait for descriptors.
    System(io::Error),
    /// The poller belongs to the process this one was forked off.
    Forked,
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyRegistered => write!(f, "it is registered with this poller already"),
            Self::System(error) => error.fmt(f),
            Self::Forked => f.write_str("it belongs to the process this one was forked off"),
        }
    }
}

impl fmt::Display for NotRegistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is not registered with this poller")
    }
}

impl fmt::Display for PollError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingRegistered => write!(f, "a wait without end for nothing at all"),
            Self::Interrupted => write!(f, "a signal ended the wait"),
            Self::System(error) => error.fmt(f),
            Self::Forked => f.write_str("it belongs to the process this one was forked off"),
        }
    }
}

impl std::error::Error for AddError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::AlreadyRegistered | Self::Forked => None,
            Self::System(error) => Some(error),
        }
    }
}

impl std::error::Error for NotRegistered {}

impl std::error::Error for PollError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NothingRegistered | Self::Interrupted | Self::Forked => None,
            Self::System(error) => Some(error),
        }
    }
}
