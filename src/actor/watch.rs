//! Who is told of whose end.

#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    address::ActorId,
    ask::ReplyTo,
    core::Core,
    envelope::Envelope,
    failure::{Failure, quietly},
    places::Place,
    turns::Outcome,
};

/// Who wants to know of an end, and how the worker of the actor that ends tells them.
pub(super) struct Watcher {
    pub(super) who: Who,
    pub(super) tell: Box<TellEnd>,
}

type TellEnd = dyn FnOnce(&mut Core, Ended) + Send;

/// An actor that watches, or a client that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Actor(ActorId),
    /// An actor that is to fail with it.
    Linked(ActorId),
    Client(ReplyTo),
    /// Who runs the runtime.
    Main,
}

impl Watcher {
    /// `who` fails when `other` ends by failing, or has ended.
    pub(super) fn linked(who: ActorId, other: ActorId) -> Self {
        let tell = move |core: &mut Core, ended: Ended| {
            let text = match ended.reason {
                Reason::Stopped => return,
                Reason::Failed(text) => format!("the actor {other}, which it is linked with, failed: {text}"),
                Reason::Gone => format!("the actor {other}, which it is linked with, has ended"),
            };
            core.have(core.number(who), move |core| core.later.push((who.place, Outcome::Fails(Failure::new(text)))));
        };
        Self { who: Who::Linked(who), tell: Box::new(tell) }
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Watcher").field(&self.who).finish()
    }
}

/// An actor has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// Which.
    pub id: ActorId,
    /// Why.
    pub reason: Reason,
}

/// Why an actor ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It was stopped, or stopped itself.
    Stopped,
    /// It failed, of this, and was not started again.
    Failed(String),
    /// It had ended before it was watched, or never was.
    Gone,
}

impl Core {
    /// `watcher` is told when the actor at `place` ends; now, if it has.
    pub(super) fn watch(&mut self, id: ActorId, watcher: Watcher) {
        match self.rare(id.place) {
            Some(rare) => rare.watchers.push(watcher),
            None => self.watch_nobody(id, watcher),
        }
    }

    /// An actor that is not of this runtime.
    pub(super) fn watch_nobody(&mut self, id: ActorId, watcher: Watcher) {
        (watcher.tell)(self, Ended { id, reason: Reason::Gone });
    }

    /// `who` watches no more.
    pub(super) fn unwatch(&mut self, place: Place, who: Who) {
        if let Some(rare) = self.cells.at(place).and_then(|cell| cell.rare.as_mut()) {
            // What is dropped is its own code's.
            quietly(|| rare.watchers.retain(|watcher| watcher.who != who));
        }
    }

    /// Tells the actor `who` what `then` makes of an end: that is its own code, and runs where it is.
    pub(super) fn tell_end(
        &mut self,
        who: ActorId,
        then: impl FnOnce(Ended) -> Envelope + Send + 'static,
        ended: Ended,
    ) {
        self.have(self.number(who), move |core| match catch_unwind(AssertUnwindSafe(|| then(ended))) {
            Ok(message) => core.hurry(who.place, message),
            Err(panic) => core.fail(who.place, Failure::of_panic(panic, "the end of another")),
        });
    }
}
