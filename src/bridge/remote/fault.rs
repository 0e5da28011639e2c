//! What can be wrong: why something was not done, as a publication says it, and what of a message is no packet.

#![forbid(unsafe_code)]

use std::fmt;

use super::wire::PROTOCOL;

/// Why something was not done, as the publication says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It speaks that version of the protocol.
    Protocol(u64),
    /// It publishes no actor of that name.
    UnknownName,
    /// It has as many sessions as it may.
    Busy,
    /// Of the published actor nobody outside may say this.
    NotOffered,
    /// One may be told this, and not asked.
    NotAsked,
    /// It is offered in another version, the newest of them this.
    Version(u64),
    /// The body is not what its name says.
    Body,
    /// The body has more bytes than it takes, which are so many.
    TooLarge(u64),
    /// The actor has no room.
    Full,
    /// The actor has ended.
    Gone,
    /// The actor failed at it.
    Failed,
    /// The actor has not answered in the time the publication gives it.
    NoAnswer,
    /// The answer could not be encoded.
    Answer,
    /// More is under way than the welcome allowed.
    Overrun,
    /// There was no hello before it.
    NoSession,
    /// Its runtime shuts down.
    ShutDown,
}

impl Fault {
    /// As it is written: a code, and a detail.
    pub(super) fn to_code(self) -> (u8, u64) {
        match self {
            Self::Protocol(theirs) => (1, theirs),
            Self::UnknownName => (2, 0),
            Self::Busy => (3, 0),
            Self::NotOffered => (4, 0),
            Self::NotAsked => (5, 0),
            Self::Version(theirs) => (6, theirs),
            Self::Body => (7, 0),
            Self::TooLarge(most) => (8, most),
            Self::Full => (9, 0),
            Self::Gone => (10, 0),
            Self::Failed => (11, 0),
            Self::NoAnswer => (12, 0),
            Self::Answer => (13, 0),
            Self::Overrun => (14, 0),
            Self::NoSession => (15, 0),
            Self::ShutDown => (16, 0),
        }
    }

    /// As it is read. `None`: there is no such code, or no such detail of it.
    pub(super) fn of_code(code: u8, detail: u64) -> Option<Self> {
        let fault = match code {
            1 => Self::Protocol(detail),
            2 => Self::UnknownName,
            3 => Self::Busy,
            4 => Self::NotOffered,
            5 => Self::NotAsked,
            6 => Self::Version(detail),
            7 => Self::Body,
            8 => Self::TooLarge(detail),
            9 => Self::Full,
            10 => Self::Gone,
            11 => Self::Failed,
            12 => Self::NoAnswer,
            13 => Self::Answer,
            14 => Self::Overrun,
            15 => Self::NoSession,
            16 => Self::ShutDown,
            _ => return None,
        };
        // One way to say each thing.
        (fault.to_code() == (code, detail)).then_some(fault)
    }
}

/// A message is no packet. The sender's doing, or nobody's: whoever can reach the endpoint can send whatever they like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// There are too many frames, or none, or one too few for its kind.
    Frames,
    /// It does not begin as ours do.
    Foreign,
    /// Of another version of the protocol.
    Protocol { theirs: u8 },
    /// What is to be zero is not.
    Reserved,
    /// There is no such kind.
    Kind(u8),
    /// There is no such code.
    Code(u8),
    /// Something is missing, or too much, or a name has no bytes.
    Length,
    /// A name or text is not UTF-8.
    Text,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frames => f.write_str("it has not as many frames as its kind has"),
            Self::Foreign => f.write_str("it does not begin as packets do"),
            Self::Protocol { theirs } => write!(f, "it is of version {theirs} of the protocol, and this is {PROTOCOL}"),
            Self::Reserved => f.write_str("bytes that are to be zero are not"),
            Self::Kind(kind) => write!(f, "there is no kind {kind}"),
            Self::Code(code) => write!(f, "there is no code {code}"),
            Self::Length => f.write_str("something is missing in it, or too much"),
            Self::Text => f.write_str("a text in it is not UTF-8"),
        }
    }
}

impl std::error::Error for Malformed {}
