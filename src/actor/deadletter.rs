//! What came to nobody.

#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{address::ActorId, core::Core, envelope::Envelope, places::Place};

/// A message that nobody will read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Whom it was for; of what was to go to another worker, as far as that is known: its place there.
    pub to: ActorId,
    /// The name of its type.
    pub message: &'static str,
    /// Why.
    pub loss: Loss,
}

/// Why a message is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// Its actor has ended.
    ActorEnded,
    /// The worker or client it was for is gone.
    NobodyThere,
    /// A [policy](super::Policy) dropped it.
    Dropped,
}

impl Core {
    /// Counts the message and drops it; who has asked for that is told of it.
    #[cold]
    pub(super) fn lose(&mut self, envelope: Envelope, loss: Loss) {
        self.count_lost(envelope.to(), envelope.message(), loss);
        // Its destructor is the application's code; nobody is there whose failure it would be.
        _ = catch_unwind(AssertUnwindSafe(|| envelope.discard(self)));
    }

    /// Counts one that is dropped already, or is about to be.
    pub(super) fn count_lost(&mut self, to: Place, message: &'static str, loss: Loss) {
        match loss {
            Loss::Dropped => self.counts.dropped += 1,
            _ => self.counts.dead_letters += 1,
        }
        if let Some(hook) = &self.shared.on_dead_letter {
            hook(DeadLetter { to: self.id(to), message, loss });
        }
    }
}
