//! A place in a peer's queue, held for a message that is still to be made.

#![forbid(unsafe_code)]

use super::{
    core::Core,
    error::{SendError, SendFailure},
};
use crate::{Message, pipe::Key};

/// A place for one message with one peer: who gets it, and that there is room, is decided.
///
/// Sending can then fail only if that peer has left, or memory runs out. Dropping the permit gives the place back.
#[derive(Debug)]
#[must_use = "a permit that is dropped sends nothing"]
pub struct Permit<'a> {
    core: &'a mut Core,
    key: Key,
}

impl<'a> Permit<'a> {
    pub(super) fn new(core: &'a mut Core, key: Key) -> Self {
        Self { core, key }
    }

    /// Sends `message` to the peer the place was reserved with. Never waits.
    ///
    /// # Errors
    /// That peer has left meanwhile, the message has no frame, or memory ran out. The message comes back.
    pub fn send(self, message: impl Into<Message>) -> Result<(), SendError> {
        let mut message = message.into();
        if message.is_empty() {
            return Err(SendError { message, reason: SendFailure::NoFrames });
        }
        self.core.send_to(self.key, &mut message).map_err(|reason| SendError { message, reason })
    }
}
