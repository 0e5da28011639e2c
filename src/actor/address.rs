//! Which actor: plain numbers, checked by whoever has the actor.

#![forbid(unsafe_code)]

use std::{fmt, hash, marker::PhantomData};

use super::{Actor, Handle, envelope::Verb, message, places::Place};

/// Names an actor, whatever its type, for good: no other actor of the process is ever named so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId {
    /// The worker's number: no two workers of the process have the same, of whatever runtime.
    pub(super) worker: u32,
    pub(super) place: Place,
}

impl fmt::Display for ActorId {
    /// `worker:index:generation`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.worker, self.place.index, self.place.generation)
    }
}

/// Where messages for an actor of type `A` go.
///
/// Four numbers, to be copied freely, kept and sent. It keeps nothing alive: an actor ends when it is stopped, and what is told to an
/// address whose actor has ended comes back, or is a dead letter if that is found out too late.
pub struct Addr<A> {
    pub(super) id: ActorId,
    /// Messages under way to it at a time, of each sending worker or client.
    pub(super) capacity: u32,
    of: PhantomData<fn(A)>,
}

impl<A: Actor> Addr<A> {
    pub(super) fn new(id: ActorId, capacity: u32) -> Self {
        Self { id, capacity, of: PhantomData }
    }

    /// Its name, without the type.
    pub fn id(&self) -> ActorId {
        self.id
    }

    /// How many messages each worker, and each [client](super::Client), may have on their way to it or waiting there.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// The same address for those who know one message of it and not the actor.
    pub fn recipient<M: Send + 'static>(&self) -> Recipient<M>
    where
        A: Handle<M>,
    {
        Recipient { id: self.id, capacity: self.capacity, verb: message::tell::<A, M>(), takes: PhantomData }
    }
}

/// Where messages of type `M` go, whoever handles them: see [`Addr::recipient`].
pub struct Recipient<M> {
    pub(super) id: ActorId,
    pub(super) capacity: u32,
    pub(super) verb: &'static Verb,
    takes: PhantomData<fn(M)>,
}

impl<M> Recipient<M> {
    /// The actor's name.
    pub fn id(&self) -> ActorId {
        self.id
    }
}

macro_rules! plain {
    ($($name:ident)*) => {$(
        impl<T> Clone for $name<T> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<T> Copy for $name<T> {}

        impl<T> PartialEq for $name<T> {
            fn eq(&self, other: &Self) -> bool {
                self.id == other.id
            }
        }

        impl<T> Eq for $name<T> {}

        impl<T> hash::Hash for $name<T> {
            fn hash<H: hash::Hasher>(&self, state: &mut H) {
                self.id.hash(state);
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}<{}>({})", stringify!($name), std::any::type_name::<T>(), self.id)
            }
        }
    )*};
}

plain!(Addr Recipient);
