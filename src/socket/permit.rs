//! A place in a peer's queue, held for a message that is still to be made.

#![forbid(unsafe_code)]

use super::{Sends, error::SendError};
use crate::{Message, pipe::Key};

/// A place for one message with one peer: who gets it, and that there is room, is decided.
///
/// Sending can then fail only if that peer has left, or memory runs out. Dropping the permit gives the place back.
#[derive(Debug)]
#[must_use = "a permit that is dropped sends nothing"]
pub struct Permit<'a, S> {
    socket: &'a mut S,
    place: Place,
}

/// With whom a place is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(super) key: Key,
    /// The pipe's, by which it is told from one that has its key later. Of no pipe where the pattern chooses when it has the
    /// message.
    pub(super) number: Option<u64>,
}

impl<'a, S: Sends> Permit<'a, S> {
    pub(super) fn new(socket: &'a mut S, place: Place) -> Self {
        Self { socket, place }
    }

    /// Sends `message` to the peer the place was reserved with. Never waits.
    ///
    /// # Errors
    /// That peer has left meanwhile, the message has no frame, or memory ran out. The message comes back.
    pub fn send(self, message: impl Into<Message>) -> Result<(), SendError> {
        let mut message = message.into();
        self.socket.commit(self.place, &mut message).map_err(|reason| SendError::returning(&mut message, reason))
    }
}
