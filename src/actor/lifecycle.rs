//! How actors begin, fail, are started again and end.
//!
//! ```text
//!  spawn ─► start ─► handlers ──── fails ───► paused ─► started again, by its own intensity or its group's
//!             │         │                       └─────► its supervisor fails, or it is stopped
//!             │       stops ─► children end first ─► `stopping` ─► mailbox lost ─► watchers and supervisor told
//!             └ fails: it never was
//! ```

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    Actor, Addr, Ctx,
    address::ActorId,
    ask::AskError,
    cell::{Cell, Status},
    core::Core,
    envelope::State,
    failure::{Failure, quietly, text_of},
    mailbox::{Mailbox, Origin},
    message::{self, species},
    places::Place,
    spec::{Remedy, Spec, Strategy},
    supervision::{DEFAULT_OUTBOX, Maker, Rare},
    turns::Outcome,
    watch::{Reason, Who},
};

/// Why an actor was not started.
#[derive(Debug)]
#[non_exhaustive]
pub enum SpawnError {
    /// `start` failed.
    Failed(Failure),
    /// The runtime shuts down.
    ShutDown,
    /// The worker has as many actors as it can number, or there is no such worker.
    NoPlace,
}

impl std::fmt::Display for SpawnError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(failure) => write!(f, "the actor could not start: {failure}"),
            Self::ShutDown => f.write_str("the runtime shuts down"),
            Self::NoPlace => f.write_str("there is no such worker, or no place left there"),
        }
    }
}

impl std::error::Error for SpawnError {}

impl Core {
    /// Starts an actor here, supervised by `parent` with that rank.
    pub(super) fn spawn<A: Actor>(
        &mut self,
        spec: Spec<A>,
        parent: Option<(ActorId, u64)>,
    ) -> Result<Addr<A>, SpawnError> {
        if self.shared.is_closing() {
            // Its arguments are the application's.
            quietly(|| drop(spec));
            return Err(SpawnError::ShutDown);
        }
        let Spec { args, capacity, outbox, remedy, group, copy } = spec;
        let is_plain = remedy == Remedy::Stop && group.strategy == Strategy::OneForOne && outbox == DEFAULT_OUTBOX;
        let mut rare = (!is_plain).then(|| Box::new(Rare::new(group, remedy, outbox)));
        if let (Some(rare), Some(copy)) = (&mut rare, copy) {
            // Its own code.
            let args = catch_unwind(AssertUnwindSafe(|| copy(&args)))
                .map_err(|panic| SpawnError::Failed(Failure::of_panic(panic, "its arguments")))?;
            rare.maker = Some(Maker(Box::new(move |core| A::start(copy(&args), &mut Ctx::new(core)).map(State::new))));
        }
        let cell = Cell {
            state: None,
            species: species::<A>(),
            mailbox: Mailbox::EMPTY,
            urgent: Mailbox::EMPTY,
            is_held: false,
            is_to_stop: false,
            was_asked: false,
            is_queued: false,
            status: Status::Starting,
            is_busy: true,
            capacity,
            local: 0,
            parent: parent.map(|(parent, _)| parent),
            rank: parent.map_or(0, |(_, rank)| rank),
            rare,
        };
        let place = self.cells.insert(cell).ok_or(SpawnError::NoPlace)?;
        self.counts.started += 1;
        let started = self.starting(place, "its start", |core| A::start(args, &mut Ctx::new(core)).map(State::new));
        match started {
            Ok(state) => {
                self.begin(place, state);
                Ok(Addr::new(self.id(place), capacity))
            }
            Err(failure) => {
                self.end_children(place);
                self.watch_nobody_more(place);
                if let Some((id, cell)) = self.remove(place) {
                    let text = text_of(&failure);
                    // Whoever it wanted to be linked with does not fail of what never was.
                    self.tell_watchers(id, cell, |who| match who {
                        Who::Linked(_) => Reason::Stopped,
                        _ => Reason::Failed(text.clone()),
                    });
                }
                Err(SpawnError::Failed(failure))
            }
        }
    }

    /// Runs `start`, or whatever else `what` names, as the actor at `place`.
    pub(super) fn starting<R>(
        &mut self,
        place: Place,
        what: &'static str,
        start: impl FnOnce(&mut Self) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let running = self.running.replace(place);
        let outcome = mem::replace(&mut self.outcome, Outcome::Goes);
        let answering = self.answering.take();
        self.set_busy(place, true);
        let started =
            catch_unwind(AssertUnwindSafe(|| start(self))).unwrap_or_else(|panic| Err(Failure::of_panic(panic, what)));
        self.set_busy(place, false);
        let own = mem::replace(&mut self.outcome, outcome);
        (self.running, self.answering) = (running, answering);
        match own {
            Outcome::Fails(failure) => Err(failure),
            Outcome::Stops if started.is_ok() => {
                self.later.push((place, Outcome::Stops));
                started
            }
            _ => started,
        }
    }

    /// It has its state, and may have messages already.
    pub(super) fn begin(&mut self, place: Place, state: State) {
        if let Some(cell) = self.cells.at(place) {
            cell.state = Some(state);
        }
        self.wake(place);
    }

    /// Ends the actor: as soon as its code does not run, and its children have ended.
    pub(super) fn stop(&mut self, place: Place) {
        let Some(cell) = self.cells.at(place) else { return };
        if cell.is_busy && self.running == Some(place) {
            // By itself: its turn, which may have many messages to go, ends with this one.
            return self.stop_current();
        }
        if cell.is_busy {
            return self.later.push((place, Outcome::Stops));
        }
        if cell.status == Status::Stopping {
            if cell.rare.as_ref().is_none_or(|rare| rare.children.is_empty()) {
                self.finish(place);
            }
            return;
        }
        cell.status = Status::Stopping;
        self.forget_restart(place);
        if self.stop_children(place) == 0 {
            self.finish(place);
        }
    }

    /// Tells them to stop. How many there are.
    pub(super) fn stop_children(&mut self, place: Place) -> usize {
        let children = self.children(place);
        let count = children.len();
        for child in children {
            self.have(self.number(child), move |core| core.let_stop(child.place));
        }
        count
    }

    /// The actor is to stop when it has handled what waits for it; one that is paused handles nothing. Never at once: to tear down a
    /// deep tree is not to be a deep recursion.
    pub(super) fn let_stop(&mut self, place: Place) {
        let Some(cell) = self.cells.at(place) else { return };
        if cell.status == Status::Paused {
            return self.later.push((place, Outcome::Stops));
        }
        let is_first = !mem::replace(&mut cell.is_to_stop, true);
        if cell.is_held && !cell.was_asked {
            self.tell_of_stop(place);
        }
        if is_first {
            self.enqueue(place, message::stop(place), Origin::NONE);
        }
    }

    /// It does not come to its stop, as it holds its mail: it is to know.
    pub(super) fn tell_of_stop(&mut self, place: Place) {
        let Some(cell) = self.cells.at(place) else { return };
        cell.was_asked = true;
        let wish = message::stop_wanted(place, cell.species);
        self.hurry(place, wish);
    }

    /// Does the actor whose code runs hold its mail still, and is it to know that a stop is there? If not it comes to that by itself.
    pub(super) fn is_to_be_asked(&mut self) -> bool {
        let Some(cell) = self.running.and_then(|place| self.cells.at(place)) else { return false };
        cell.was_asked = cell.is_held;
        cell.is_held
    }

    /// Ends the actor and all below it, whatever waits for them: not one after the other, as deep as they are.
    pub(super) fn end(&mut self, place: Place) {
        if self.cells.at(place).is_some_and(|cell| !cell.is_busy) {
            self.end_children(place);
        }
        self.stop(place);
    }

    /// What it supervises, likewise.
    pub(super) fn end_children(&mut self, place: Place) {
        // The last to be put off is the first to be done.
        for child in self.children(place).into_iter().rev() {
            self.have(self.number(child), move |core| core.later.push((child.place, Outcome::Ends)));
        }
    }

    /// Whom it supervises, the last to be started first.
    fn children(&mut self, place: Place) -> Vec<ActorId> {
        let rare = self.cells.at(place).and_then(|cell| cell.rare.as_ref());
        rare.map(|rare| rare.children.values().rev().copied().collect()).unwrap_or_default()
    }

    /// A child of an actor here has ended.
    fn child_ended(&mut self, parent: Place, rank: u64) {
        let Some(cell) = self.cells.at(parent) else { return };
        let Some(rare) = cell.rare.as_mut() else { return };
        rare.children.remove(&rank);
        if !rare.children.is_empty() {
            return;
        }
        match cell.status {
            // Its parent may be waiting for it in turn, and so on to the root of a deep tree.
            Status::Stopping => self.later.push((parent, Outcome::Stops)),
            Status::Paused => self.later.push((parent, Outcome::Resumes)),
            _ => {}
        }
    }

    /// It is over: its code runs a last time.
    fn finish(&mut self, place: Place) {
        let Some(cell) = self.cells.at(place) else { return };
        if let Some(state) = cell.state {
            let species = cell.species;
            let stopping = self.starting(place, "its end", |core| {
                // SAFETY: the state is of this cell, whose species it is, and nobody else runs its code.
                unsafe { (species.stopping)(state, core) };
                Ok(())
            });
            if let Err(failure) = stopping
                && let Some(rare) = self.rare(place)
            {
                rare.reason.get_or_insert(failure);
            }
        }
        // Started just now.
        self.stop_children(place);
        self.watch_nobody_more(place);
        let Some((id, cell)) = self.remove(place) else { return };
        let (rank, parent) = (cell.rank, cell.parent);
        let failure = cell.rare.as_ref().and_then(|rare| rare.reason.as_ref());
        let reason = failure.map_or(Reason::Stopped, |failure| Reason::Failed(text_of(failure)));
        self.tell_watchers(id, cell, |_| reason.clone());
        if let Some(parent) = parent {
            self.have(self.number(parent), move |core| core.child_ended(parent.place, rank));
        }
    }

    /// Takes it out, with what it had: its state is dropped, its mailbox lost.
    fn remove(&mut self, place: Place) -> Option<(ActorId, Cell)> {
        self.drop_state(place);
        self.cancel_timers(place);
        self.seek_nowhere(place);
        let id = self.id(place);
        let mut cell = self.cells.remove(place)?;
        self.counts.ended += 1;
        self.lose_all(place, &mut cell.urgent);
        self.lose_all(place, &mut cell.mailbox);
        if !self.outbox.is_empty() {
            self.send_deferred(id);
        }
        if let Some(rare) = &mut cell.rare {
            if rare.is_named {
                self.shared.names.forget(id);
            }
            let (topics, maker) = (mem::take(&mut rare.topics), rare.maker.take());
            quietly(|| drop(maker));
            self.unsubscribe_all(id, topics);
        }
        Some((id, cell))
    }

    /// What it began with its state ends with that: its timers, and what it watches. Another life begins its own.
    pub(super) fn end_life(&mut self, place: Place) {
        self.drop_state(place);
        self.cancel_timers(place);
        self.seek_nowhere(place);
        self.watch_nobody_more(place);
    }

    /// Its destructor is its own code, and may panic: then it is counted as a failure, and nothing else.
    pub(super) fn drop_state(&mut self, place: Place) {
        let Some(cell) = self.cells.at(place) else { return };
        let Some(state) = cell.state.take() else { return };
        let (species, status) = (cell.species, cell.status);
        self.close_all(place, if status == Status::Paused { AskError::Failed } else { AskError::Gone });
        // SAFETY: the state is of this cell, whose species it is; it was taken out, and its code does not run.
        let is_dropped = quietly(|| unsafe { (species.drop)(state) });
        self.counts.failures += u64::from(!is_dropped);
    }

    /// Ends all at once: nothing of theirs runs any more but destructors. How many there were.
    pub(super) fn kill_all(&mut self) -> usize {
        let places: Vec<Place> = self.cells.places().collect();
        let mut killed = 0;
        for place in places {
            if let Some((_, cell)) = self.remove(place) {
                killed += 1;
                // Who watches is told by the end of the worker; what they are told with is their code.
                quietly(|| drop(cell));
            }
        }
        killed
    }

    /// All that nobody supervises are to stop when they come to it, the last to be started first.
    pub(super) fn stop_roots(&mut self) {
        let places: Vec<Place> = self.cells.places().rev().collect();
        for place in places {
            if self.cells.at(place).is_some_and(|cell| cell.parent.is_none()) {
                self.let_stop(place);
            }
        }
    }
}

/// The states are the core's to free, and the mail to drop.
impl Drop for Core {
    fn drop(&mut self) {
        self.kill_all();
        self.lose_deferred();
    }
}
