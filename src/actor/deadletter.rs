//! What came to nobody.

#![forbid(unsafe_code)]

use super::{
    address::ActorId,
    core::Core,
    counts::Counts,
    envelope::{Envelope, Kind},
    failure::quietly,
    lane::Inlet,
    shared::Shared,
};

/// A message that nobody will read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Whom it was for.
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
    /// Counts the message, which was for an actor here, and drops it; who has asked for that is told of it.
    #[cold]
    pub(super) fn lose(&mut self, envelope: Envelope, loss: Loss) {
        self.lose_there(self.me, envelope, loss);
    }

    /// As [`lose`](Self::lose), one for an actor of the worker of that number.
    #[cold]
    pub(super) fn lose_there(&mut self, worker: u32, envelope: Envelope, loss: Loss) {
        match (envelope.kind(), loss) {
            (Kind::Message, Loss::Dropped) => self.counts.dropped += 1,
            (Kind::Message, _) => self.counts.dead_letters += 1,
            (Kind::Reply | Kind::Failure, _) => self.counts.late_answers += 1,
            // Of those who are gone.
            (Kind::Credit | Kind::Job, _) => {}
        }
        self.shared.tell_of(worker, &envelope, loss);
        // Its destructor is the application's code; nobody is there whose failure it would be.
        quietly(|| envelope.discard(self));
    }
}

impl Shared {
    /// Tells whoever wants to know of a message to that worker's actors.
    fn tell_of(&self, worker: u32, envelope: &Envelope, loss: Loss) {
        if let (Kind::Message, Some(hook)) = (envelope.kind(), &self.on_dead_letter) {
            let to = ActorId { worker: self.base.wrapping_add(worker), place: envelope.to() };
            let letter = DeadLetter { to, message: envelope.message(), loss };
            // It is not to panic; if it does, no worker ends of it.
            quietly(|| hook(letter));
        }
    }

    /// What has come to a worker that has ended.
    pub(super) fn lose_all(&self, worker: u32, inlet: &mut Inlet, counts: &mut Counts) {
        while let Ok(envelope) = inlet.pop() {
            match envelope.kind() {
                Kind::Message => counts.dead_letters += 1,
                Kind::Reply | Kind::Failure => counts.late_answers += 1,
                Kind::Credit | Kind::Job => {}
            }
            self.tell_of(worker, &envelope, Loss::NobodyThere);
        }
    }
}
