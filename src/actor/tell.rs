//! Whom messages are for, and what there is to say when they have no room.

#![forbid(unsafe_code)]

use std::fmt;

use super::{Addr, Handle, Recipient, address::ActorId, credit::Denied, envelope::Verb, message};

/// Whom messages of type `M` are for: an [`Addr`] or a [`Recipient`].
pub trait To<M>: Sealed<M> {}

impl<M, T: Sealed<M>> To<M> for T {}

#[allow(unnameable_types, reason = "sealed: nobody else is to implement it")]
pub trait Sealed<M>: Whom {
    fn verb(self) -> &'static Verb;
}

/// An actor, whatever is sent to it: an [`Addr`] or a [`Recipient`].
pub trait Whom: Copy + placed::Placed {}

impl<T: Copy + placed::Placed> Whom for T {}

pub(super) mod placed {
    use crate::actor::ActorId;

    #[allow(unnameable_types, reason = "sealed: nobody else is to implement it")]
    pub trait Placed {
        /// Where it is, and how many messages of one sender may be under way to it.
        fn place(self) -> (ActorId, u32);
    }
}

impl<A> placed::Placed for Addr<A> {
    #[inline(always)]
    fn place(self) -> (ActorId, u32) {
        (self.id, self.capacity)
    }
}

impl<M> placed::Placed for Recipient<M> {
    #[inline(always)]
    fn place(self) -> (ActorId, u32) {
        (self.id, self.capacity)
    }
}

impl<A: Handle<M>, M: Send + 'static> Sealed<M> for Addr<A> {
    #[inline(always)]
    fn verb(self) -> &'static Verb {
        message::tell::<A, M>()
    }
}

impl<M: Send + 'static> Sealed<M> for Recipient<M> {
    #[inline(always)]
    fn verb(self) -> &'static Verb {
        self.verb
    }
}

/// What is done with a message for an actor that has no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// It is dropped, and counted.
    DropNewest,
    /// It waits, and if too many of this sender's wait, the oldest of those for the same receiver is dropped, and counted.
    DropOldest,
    /// It waits on the sender's side, as many as its [outbox](super::Spec::outbox) has room for, and goes when there is room, in order.
    Defer,
}

/// Nothing was sent, and here is the message.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TellError<M> {
    /// As many messages of this worker (or client) are on their way or wait there as may be; or, with a policy that lets them wait,
    /// as many wait here.
    Full(M),
    /// The actor has ended, or is of another runtime.
    Gone(M),
}

impl<M> TellError<M> {
    /// The message.
    pub fn into_message(self) -> M {
        match self {
            Self::Full(message) | Self::Gone(message) => message,
        }
    }

    pub(super) fn new(denied: Denied, message: M) -> Self {
        match denied {
            Denied::Full => Self::Full(message),
            Denied::Gone => Self::Gone(message),
        }
    }
}

impl<M> fmt::Display for TellError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the actor has no room for another message",
            Self::Gone(_) => "the actor has ended, or is of another runtime",
        })
    }
}

/// Whatever the message is: it need not be printable.
impl<M> fmt::Debug for TellError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Gone(_) => "Gone(..)",
        })
    }
}

impl<M> std::error::Error for TellError<M> {}
