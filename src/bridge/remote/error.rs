//! Why something was not done at the other end of a link.

#![forbid(unsafe_code)]

use std::fmt;

use super::{fault::Fault, wire::PROTOCOL};

/// Why there is no answer from an actor elsewhere: whose doing it was, and what can be done.
///
/// Beside this there is what can be wrong in this process, as with any actor: [`AskError`](crate::actor::AskError). After
/// [`LinkLost`](Self::LinkLost), [`NoAnswer`](Self::NoAnswer), [`Failed`](Self::Failed), [`Gone`](Self::Gone) and
/// [`ShutDown`](Self::ShutDown) the question may have been handled: an actor that has come to one, and is to answer it later, may end
/// before it does. After [`AnswerNotRead`](Self::AnswerNotRead) and [`AnswerNotSent`](Self::AnswerNotSent) it was; otherwise it was not.
///
/// Of what was told, likewise, it is so after [`Gone`](Self::Gone) alone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteError {
    /// The link was lost while the question was on its way, or before its answer came. It is made again by itself.
    LinkLost,
    /// There is no link: nobody has answered at the endpoint for as long as the link is [patient](super::Connection::patience). It is
    /// tried on.
    NotConnected,
    /// No actor is published under this name at the endpoint. One of the two sides has misspelled it, or has not published it yet.
    UnknownName {
        /// The name.
        name: String,
    },
    /// The two sides speak different versions of the protocol: one of the programs is to be built with another version of this library.
    Protocol {
        /// This side's.
        ours: u8,
        /// The other's.
        theirs: u8,
    },
    /// The publication has as many links as it [may](super::Publication::sessions). Another has to go, or be given room.
    Busy,
    /// Messages of this type are not [offered](super::Offer) from outside.
    NotOffered {
        /// The type's name.
        message: &'static str,
    },
    /// Messages of this type may be told from outside, but not [asked](super::Offer::asks).
    NotAsked {
        /// The type's name.
        message: &'static str,
    },
    /// The type is offered in another version: one of the programs is older than the other.
    Version {
        /// The type's name.
        message: &'static str,
        /// This side's version of it.
        ours: u32,
        /// The newest that is offered.
        theirs: u32,
    },
    /// The message could not be encoded: its `Serialize` says so. The caller's doing.
    NotEncoded {
        /// The type's name.
        message: &'static str,
    },
    /// The bytes are no such message to the other side: the type was changed on one side, and not its
    /// [version](super::RemoteMessage::VERSION).
    NotRead {
        /// The type's name.
        message: &'static str,
    },
    /// The answer could not be encoded: its `Serialize` says so. The other program's doing.
    AnswerNotSent {
        /// The type's name.
        message: &'static str,
    },
    /// The bytes are no such answer to us: the type was changed on one side, and not its message's version.
    AnswerNotRead {
        /// The type's name.
        message: &'static str,
    },
    /// The message has more bytes than the publication [takes](super::Publication::body_max).
    TooLarge {
        /// It takes so many.
        most: u64,
    },
    /// The actor has no room for the question now. Ask again later.
    Full,
    /// More was sent than the publication had allowed, which this library does not.
    Overrun,
    /// The actor has ended: before it came to it, or before it had answered.
    Gone,
    /// The actor failed at the question.
    Failed,
    /// The actor has not answered for as long as [this](super::Connection::answer_limit) or the
    /// [other](super::Publication::answer_limit) side waits.
    NoAnswer,
    /// The other side's runtime shuts down, or this one's. The actor may have come to the question.
    ShutDown,
}

impl RemoteError {
    /// What `fault` means to who has sent `message`.
    pub(super) fn of_message(fault: Fault, message: &'static str, version: u32) -> Self {
        match fault {
            Fault::NotOffered => Self::NotOffered { message },
            Fault::NotAsked => Self::NotAsked { message },
            Fault::Version(theirs) => {
                Self::Version { message, ours: version, theirs: u32::try_from(theirs).unwrap_or(u32::MAX) }
            }
            Fault::Body => Self::NotRead { message },
            Fault::Answer => Self::AnswerNotSent { message },
            Fault::TooLarge(most) => Self::TooLarge { most },
            Fault::Full => Self::Full,
            Fault::Gone => Self::Gone,
            Fault::Failed => Self::Failed,
            Fault::NoAnswer => Self::NoAnswer,
            Fault::Overrun => Self::Overrun,
            Fault::ShutDown => Self::ShutDown,
            // There is no session any more, or never was one: the link is to be made anew.
            Fault::NoSession | Fault::Protocol(_) | Fault::UnknownName | Fault::Busy => Self::LinkLost,
        }
    }

    /// What `fault` means to a link to the actor called `name`.
    pub(super) fn of_hello(fault: Fault, name: &str) -> Self {
        match fault {
            Fault::Protocol(theirs) => Self::of_protocol(u8::try_from(theirs).unwrap_or(u8::MAX)),
            Fault::UnknownName => Self::UnknownName { name: name.to_owned() },
            Fault::Busy => Self::Busy,
            Fault::Overrun => Self::Overrun,
            Fault::ShutDown => Self::ShutDown,
            Fault::Gone => Self::Gone,
            _ => Self::NotConnected,
        }
    }

    pub(super) fn of_protocol(theirs: u8) -> Self {
        Self::Protocol { ours: PROTOCOL, theirs }
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkLost => f.write_str("the link was lost before the answer came"),
            Self::NotConnected => f.write_str("nobody answers at the endpoint"),
            Self::UnknownName { name } => write!(f, "no actor is published as {name:?} at the endpoint"),
            Self::Protocol { ours, theirs } => {
                write!(f, "the other side speaks version {theirs} of the protocol, and this one {ours}")
            }
            Self::Busy => f.write_str("the publication has as many links as it may"),
            Self::NotOffered { message } => write!(f, "{message} is not offered to links"),
            Self::NotAsked { message } => write!(f, "{message} may be told by links, but not asked"),
            Self::Version { message, ours, theirs } => {
                write!(f, "{message} is offered in version {theirs}, and is of version {ours} here")
            }
            Self::NotEncoded { message } => write!(f, "the {message} could not be encoded"),
            Self::NotRead { message } => write!(f, "the other side knows {message} of the same version by other bytes"),
            Self::AnswerNotSent { message } => write!(f, "the answer to {message} could not be encoded"),
            Self::AnswerNotRead { message } => {
                write!(f, "the other side answers {message} of the same version by other bytes")
            }
            Self::TooLarge { most } => write!(f, "the publication takes messages of at most {most} bytes"),
            Self::Full => f.write_str("the actor has no room for the question"),
            Self::Overrun => f.write_str("more was sent than was allowed"),
            Self::Gone => f.write_str("the actor has ended"),
            Self::Failed => f.write_str("the actor failed at the question"),
            Self::NoAnswer => f.write_str("the actor has not answered for too long"),
            Self::ShutDown => f.write_str("the runtime shuts down"),
        }
    }
}

impl std::error::Error for RemoteError {}
