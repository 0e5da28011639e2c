//! What a worker looks at beside its rings and timers: a room above this one brings it, and this room does not know what it is.
//!
//! A worker has one source at the most, made when an actor first needs it. It is turned once in each turn of the loop, between what has
//! come through rings and the actors' turns, so what it brings is handled in the same turn. Before the worker sleeps the source is part of
//! its sleep protocol:
//!
//! | worker | source |
//! |---|---|
//! | announces that it sleeps | |
//! | [`announce`](Source::announce) | asks whoever makes something of it ready to wake the worker |
//! | heavy fence | |
//! | [`look`](Source::look) | the last: what it does not find wakes the worker |
//! | sleeps, on its bell alone or on that and [what is watched](Source::watch) | |
//! | [`withdraw`](Source::withdraw) | takes that back |
//!
//! # Room
//!
//! A source sends with the worker's own credit, as an actor of the worker does: [`Intake::admit`] first, and only what was admitted is
//! taken from wherever it comes from. What finds no room stays there. Nobody tells a source of room: it tries again on the next turn, and
//! says in its last look whether it could go on. That is enough, for room comes by this worker's turns only: an actor here has handled
//! something, or credit has come through a ring, which has woken the worker.

#![forbid(unsafe_code)]

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc as Counted,
    time::Instant,
};

use super::{
    Actor, Ctx, Failure, Handle, Recipient,
    address::ActorId,
    cell::Status,
    core::{Core, Route},
    credit::{Denied, Returned},
    envelope::Envelope,
    lane::Bell,
    mailbox::Origin,
    message,
    turns::Outcome,
};
use crate::wait::{Sleep, Watched};

/// See the module. Used by one thread; what it does may start actors, which may come back to it: it is not borrowed meanwhile.
pub(crate) trait Source: Any + fmt::Debug {
    /// Sends what has come, as far as there is room, and a bounded number of messages. Runs no code of actors but what makes the messages.
    fn turn(&self, intake: &mut Intake<'_>);

    /// Would a turn do anything? On each turn of a spin, and after `announce` and a heavy fence for the last time before a sleep.
    fn look(&self, intake: &mut Intake<'_>) -> bool;

    /// The worker is about to sleep.
    fn announce(&self);

    /// The worker sleeps no more, or will not.
    fn withdraw(&self);

    /// Are there descriptors that the worker has to sleep on?
    fn has_descriptors(&self) -> bool;

    /// Adds those, and tells when to look again at the latest. Before the last look.
    fn watch(&self, watched: &mut Vec<Watched>) -> Option<Instant>;

    /// Does at once what is otherwise done now and then, on many looks: for a worker that is turned by hand.
    fn refresh(&self);
}

/// A worker, to its source.
pub(crate) struct Intake<'a> {
    core: &'a mut Core,
}

/// Room for one message, to be used or given back.
#[must_use]
pub(crate) struct Credit<M> {
    route: Route,
    to: Recipient<M>,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// For now.
    Full,
    /// For good: the actor has ended or is about to, or is of another runtime.
    Gone,
}

impl Intake<'_> {
    /// Takes room for a message to `to`, if there is any.
    #[inline]
    pub(crate) fn admit<M>(&mut self, to: Recipient<M>) -> Result<Credit<M>, NoRoom> {
        let admitted = self.core.admit_first(to.id, to.capacity);
        match admitted {
            Ok(Route::Here(place)) if self.core.cells.at(place).is_some_and(|cell| cell.status == Status::Stopping) => {
                self.core.unadmit(to.id, Route::Here(place));
                Err(NoRoom::Gone)
            }
            Ok(route) => Ok(Credit { route, to }),
            Err(Denied::Full) => Err(NoRoom::Full),
            Err(Denied::Gone) => Err(NoRoom::Gone),
        }
    }

    /// Would [`admit`](Self::admit) say anything but `Full`?
    pub(crate) fn can_admit<M>(&mut self, to: Recipient<M>) -> bool {
        match self.admit(to) {
            Ok(credit) => {
                self.give_back(credit);
                true
            }
            Err(no) => no == NoRoom::Gone,
        }
    }

    /// Sends `message` to whom there was room with.
    #[inline]
    pub(crate) fn post<M: Send + 'static>(&mut self, credit: Credit<M>, message: M) {
        let Credit { route, to } = credit;
        message::post(self.core, route, to.verb, to.id.place, message);
    }

    /// The room is not used.
    pub(crate) fn give_back<M>(&mut self, credit: Credit<M>) {
        self.core.unadmit(credit.to.id, credit.route);
    }

    /// Tells an actor of this worker what it has asked to be told once: it needs no room.
    pub(crate) fn tell(&mut self, note: Note) {
        let Note { to, make } = note;
        match catch_unwind(AssertUnwindSafe(make)) {
            Ok(envelope) => self.core.enqueue(to.place, envelope, Origin::NONE),
            Err(panic) => self.fail(to, panic, "a note"),
        }
    }

    /// The code of an actor of this worker has panicked, at `what`.
    #[cold]
    pub(crate) fn fail(&mut self, owner: ActorId, panic: Box<dyn Any + Send>, what: &'static str) {
        self.core.later.push((owner.place, Outcome::Fails(Failure::of_panic(panic, what))));
    }
}

/// A message of an actor to itself, to be made and told when something is so.
pub(crate) struct Note {
    to: ActorId,
    make: Box<dyn FnOnce() -> Envelope>,
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Note").field(&self.to).finish()
    }
}

impl<A: Actor> Ctx<'_, A> {
    /// The source of this worker. `make` makes it for the sleeper that it is to wake, if there is none yet.
    ///
    /// # Panics
    /// There is one of another type.
    pub(crate) fn source<S: Source>(&mut self, make: impl FnOnce(Counted<dyn Sleep>) -> S) -> Rc<S> {
        let core = &mut *self.core;
        let bell = &core.shared.bells[core.me as usize];
        let source: Rc<dyn Any> = core.source.get_or_insert_with(|| Rc::new(make(bell.clone()))).clone();
        source.downcast().expect("one room above brings sources, and has one type of them")
    }

    /// What `make` makes, for this actor.
    pub(crate) fn note<N: Send + 'static>(&mut self, make: impl FnOnce() -> N + 'static) -> Note
    where
        A: Handle<N>,
    {
        let to = self.addr().id;
        Note { to, make: Box::new(move || message::envelope::<A, N>(to.place, make())) }
    }
}

impl Core {
    /// Takes in what the source has.
    #[inline(always)]
    pub(super) fn turn_source(&mut self) {
        if let Some(source) = self.source.clone() {
            source.turn(&mut Intake { core: self });
        }
    }

    #[inline(always)]
    pub(super) fn is_source_ready(&mut self) -> bool {
        self.source.clone().is_some_and(|source| source.look(&mut Intake { core: self }))
    }

    pub(super) fn refresh_source(&self) {
        if let Some(source) = &self.source {
            source.refresh();
        }
    }

    /// Gives back what `admit` gave.
    fn unadmit(&mut self, to: ActorId, route: Route) {
        match route {
            Route::Here(place) => {
                if let Some(cell) = self.cells.at(place) {
                    cell.local -= 1;
                }
            }
            Route::There(number) => {
                if let Some(Some(lane)) = self.lanes.get_mut(number as usize) {
                    lane.credit.give_back(Returned { place: to.place, count: 1 });
                }
            }
        }
    }
}

/// A worker, to what its source hears from.
impl Sleep for Bell {
    fn wake(&self) {
        // Whoever has found the source's announcement has found the worker's, which is made before it, without the fence. That holds
        // in whichever order they are made, and is nothing beside the wake-up.
        self.signal.fence_and_notify();
    }
}
