//! How actors begin, fail, are started again and end.
//!
//! ```text
//!  spawn ─► start ─► handlers ──── fails ───► paused ─► started again, by its own intensity or its group's
//!             │         │                       └─────► its supervisor fails, or it is stopped
//!             │       stops ─► children end first ─► `stopping` ─► mailbox lost ─► watchers and supervisor told
//!             └ fails: it never was
//! ```

use std::{
    any::TypeId,
    collections::BTreeMap,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use super::{
    Actor, Addr, Ctx,
    address::ActorId,
    ask::{AskError, ReplyTo},
    core::{Cell, Core, Outcome, Status},
    envelope::{Envelope, State},
    failure::{Failure, quietly, text_of},
    history::History,
    mailbox::{Mailbox, Origin},
    message::{self, species},
    places::Place,
    spec::{Group, Intensity, Remedy, Restarts, Spec, Strategy},
    timers::Alarm,
};
use crate::timer::Key;

/// What an actor has that supervises, is supervised with more than to be stopped, or is watched.
#[derive(Debug)]
pub(super) struct Rare {
    remedy: Remedy,
    group: Group,
    /// Starts it again.
    maker: Option<Maker>,
    /// When it is to be, if that was put off.
    restart: Option<Key>,
    history: History,
    /// Whom it supervises, in the order they were started.
    children: BTreeMap<u64, ActorId>,
    next_rank: u64,
    watchers: Vec<Watcher>,
    /// Messages it may defer.
    pub(super) outbox: u32,
    /// How it came to its end.
    reason: Option<Failure>,
    pub(super) is_named: bool,
    /// Questions it is to answer later.
    pub(super) open: u32,
    /// What it has subscribed to.
    pub(super) topics: Vec<TypeId>,
}

impl Rare {
    fn new(group: Group, remedy: Remedy, outbox: u32) -> Self {
        Self {
            remedy,
            group,
            maker: None,
            restart: None,
            history: History::default(),
            children: BTreeMap::new(),
            next_rank: 0,
            watchers: Vec::new(),
            outbox,
            reason: None,
            is_named: false,
            open: 0,
            topics: Vec::new(),
        }
    }
}

struct Maker(Box<Make>);

type Make = dyn FnMut(&mut Core) -> Result<State, Failure>;

impl std::fmt::Debug for Maker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Maker")
    }
}

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
        let started = self.starting(place, |core| A::start(args, &mut Ctx::new(core)).map(State::new));
        match started {
            Ok(state) => {
                self.begin(place, state);
                Ok(Addr::new(self.id(place), capacity))
            }
            Err(failure) => {
                self.stop_children(place);
                self.remove(place);
                Err(SpawnError::Failed(failure))
            }
        }
    }

    /// Runs `start` as the actor at `place`.
    fn starting<R>(&mut self, place: Place, start: impl FnOnce(&mut Self) -> Result<R, Failure>) -> Result<R, Failure> {
        let running = self.running.replace(place);
        let outcome = mem::replace(&mut self.outcome, Outcome::Goes);
        let answering = self.answering.take();
        self.set_busy(place, true);
        let started = catch_unwind(AssertUnwindSafe(|| start(self)))
            .unwrap_or_else(|panic| Err(Failure::of_panic(panic, "its start")));
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
    fn begin(&mut self, place: Place, state: State) {
        if let Some(cell) = self.cells.at(place) {
            cell.state = Some(state);
        }
        self.wake(place);
    }

    /// A rank for another child of `parent`, which is here.
    pub(super) fn next_rank(&mut self, parent: Place) -> Option<u64> {
        let rare = self.rare(parent)?;
        let rank = rare.next_rank;
        rare.next_rank += 1;
        Some(rank)
    }

    /// `parent`, which is here, supervises `child` from now on.
    pub(super) fn adopt(&mut self, parent: Place, rank: u64, child: ActorId) {
        match self.rare(parent) {
            Some(rare) => _ = rare.children.insert(rank, child),
            // Nobody is left who would stop it.
            None => return self.have(self.number(child), move |core| core.stop(child.place)),
        }
        if self.cells.at(parent).is_some_and(|cell| cell.status == Status::Stopping) {
            // It waits for those it had when it began to stop, and now for this one.
            self.have(self.number(child), move |core| core.let_stop(child.place));
        }
    }

    pub(super) fn rare(&mut self, place: Place) -> Option<&mut Rare> {
        let cell = self.cells.at(place)?;
        let plain = Group { strategy: Strategy::OneForOne, intensity: Intensity::default() };
        Some(cell.rare.get_or_insert_with(|| Box::new(Rare::new(plain, Remedy::Stop, DEFAULT_OUTBOX))))
    }

    /// The actor has failed: it is paused until it is decided what becomes of it.
    pub(super) fn fail(&mut self, place: Place, failure: Failure) {
        let Some(cell) = self.cells.at(place) else { return };
        if cell.is_busy {
            return self.later.push((place, Outcome::Fails(failure)));
        }
        if matches!(cell.status, Status::Paused | Status::Stopping) {
            return;
        }
        cell.status = Status::Paused;
        let (parent, rank) = (cell.parent, cell.rank);
        let remedy = cell.rare.as_ref().map_or(Remedy::Stop, |rare| rare.remedy);
        self.counts.failures += 1;
        let id = self.id(place);
        if let Some(hook) = &self.shared.on_failure {
            // It is not to panic; if it does, no worker ends of it.
            quietly(|| hook(id, &failure));
        }
        // Nothing of it is used any more, whatever is decided, and whenever.
        self.drop_state(place);
        match (remedy, parent) {
            (Remedy::Stop, _) => self.stop_failed(place, failure),
            (Remedy::Escalate, _) => self.escalate(place, failure),
            (Remedy::Restart(restarts), Some(parent)) => {
                // By whom it is supervised: it may have to be with others.
                self.have(self.number(parent), move |core| core.child_failed(parent, (rank, id), restarts, failure));
            }
            (Remedy::Restart(restarts), None) => self.restart_alone(place, restarts, failure),
        }
    }

    /// A child of `parent`, which is here, failed, and may be started again.
    fn child_failed(&mut self, parent: ActorId, (rank, child): (u64, ActorId), restarts: Restarts, failure: Failure) {
        let now = self.clock.now();
        let worker = self.number(child);
        let group = match self.cells.at(parent.place).and_then(|cell| cell.rare.as_mut()) {
            Some(rare) if rare.group.strategy != Strategy::OneForOne => rare,
            // With one for one its own intensity counts.
            _ => return self.have(worker, move |core| core.restart_alone(child.place, restarts, failure)),
        };
        let Some(pause) = group.history.restart(now, group.group.intensity, restarts.back_off) else {
            return self.have(worker, move |core| core.escalate(child.place, failure));
        };
        let from = if group.group.strategy == Strategy::OneForAll { 0 } else { rank };
        let others: Vec<ActorId> = group.children.range(from..).map(|(_, &id)| id).collect();
        for id in others {
            self.have(self.number(id), move |core| core.restart_with_others(id.place, pause));
        }
    }

    /// By its own intensity.
    fn restart_alone(&mut self, place: Place, restarts: Restarts, failure: Failure) {
        let now = self.clock.now();
        let Some(rare) = self.rare(place) else { return };
        match rare.history.restart(now, restarts.intensity, restarts.back_off) {
            Some(pause) => self.restart_after(place, pause),
            None => self.escalate(place, failure),
        }
    }

    fn restart_with_others(&mut self, place: Place, pause: Duration) {
        let Some(cell) = self.cells.at(place) else { return };
        if cell.is_busy || cell.status == Status::Stopping {
            return;
        }
        if cell.rare.as_ref().is_none_or(|rare| rare.maker.is_none()) {
            return self.stop(place);
        }
        cell.status = Status::Paused;
        self.restart_after(place, pause);
    }

    fn restart_after(&mut self, place: Place, pause: Duration) {
        self.drop_state(place);
        self.stop_children(place);
        self.forget_restart(place);
        if pause.is_zero() {
            return self.restart(place);
        }
        let at = self.after(pause);
        let key = self.alarms.set(at, Alarm::Restart(place));
        if let Some(rare) = self.rare(place) {
            rare.restart = Some(key);
        }
    }

    /// What was due of an earlier pause is not to end a later one.
    fn forget_restart(&mut self, place: Place) {
        let rare = self.cells.at(place).and_then(|cell| cell.rare.as_mut());
        if let Some(key) = rare.and_then(|rare| rare.restart.take()) {
            self.alarms.cancel(key);
        }
    }

    /// Starts it again.
    pub(super) fn restart(&mut self, place: Place) {
        let Some(cell) = self.cells.at(place).filter(|cell| cell.status == Status::Paused) else { return };
        let Some(mut maker) = cell.rare.as_mut().and_then(|rare| rare.maker.take()) else { return };
        cell.status = Status::Starting;
        cell.is_held = false;
        self.forget_restart(place);
        self.counts.restarts += 1;
        let started = self.starting(place, |core| (maker.0)(core));
        if let Some(rare) = self.rare(place) {
            rare.maker = Some(maker);
        }
        match started {
            Ok(state) => self.begin(place, state),
            // Not at once: one that never starts is not to be a deep recursion.
            Err(failure) => self.later.push((place, Outcome::Fails(failure))),
        }
    }

    /// Its failure is its supervisor's.
    fn escalate(&mut self, place: Place, failure: Failure) {
        let parent = self.cells.at(place).and_then(|cell| cell.parent);
        match parent {
            Some(parent) => {
                self.stop_failed(place, Failure::new(text_of(&failure)));
                self.have(self.number(parent), move |core| {
                    // Nor is that one after the other, however many there are above.
                    core.later.push((parent.place, Outcome::Fails(failure.of_child())));
                });
            }
            None => self.stop_failed(place, failure),
        }
    }

    /// It ends as it has failed: nothing of its state is used any more.
    fn stop_failed(&mut self, place: Place, failure: Failure) {
        self.drop_state(place);
        if let Some(rare) = self.rare(place) {
            rare.reason = Some(failure);
        }
        self.stop(place);
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
    fn stop_children(&mut self, place: Place) -> usize {
        let Some(rare) = self.cells.at(place).and_then(|cell| cell.rare.as_mut()) else { return 0 };
        let children: Vec<ActorId> = rare.children.values().rev().copied().collect();
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
        cell.is_to_stop = true;
        if cell.is_held {
            self.tell_of_stop(place);
        }
        self.enqueue(place, message::stop(place), Origin::NONE);
    }

    /// It does not come to its stop, as it holds its mail: it is to know.
    pub(super) fn tell_of_stop(&mut self, place: Place) {
        let Some(cell) = self.cells.at(place) else { return };
        cell.is_to_stop = false;
        let wish = message::stop_wanted(place, cell.species);
        self.hurry(place, wish);
    }

    /// A child of an actor here has ended.
    fn child_ended(&mut self, parent: Place, rank: u64) {
        let Some(cell) = self.cells.at(parent) else { return };
        let Some(rare) = cell.rare.as_mut() else { return };
        rare.children.remove(&rank);
        if rare.children.is_empty() && cell.status == Status::Stopping {
            // Its parent may be waiting for it in turn, and so on to the root of a deep tree.
            self.later.push((parent, Outcome::Stops));
        }
    }

    /// It is over: its code runs a last time.
    fn finish(&mut self, place: Place) {
        let Some(cell) = self.cells.at(place) else { return };
        if let Some(state) = cell.state {
            let species = cell.species;
            let stopping = self.starting(place, |core| {
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
        let Some((id, cell)) = self.remove(place) else { return };
        let (rank, parent) = (cell.rank, cell.parent);
        if let Some(Rare { reason, watchers, .. }) = cell.rare.map(|rare| *rare) {
            let reason = reason.map_or(Reason::Stopped, |failure| Reason::Failed(text_of(&failure)));
            for watcher in watchers {
                (watcher.tell)(self, Ended { id, reason: reason.clone() });
            }
        }
        if let Some(parent) = parent {
            self.have(self.number(parent), move |core| core.child_ended(parent.place, rank));
        }
    }

    /// Takes it out, with what it had: its state is dropped, its mailbox lost.
    fn remove(&mut self, place: Place) -> Option<(ActorId, Cell)> {
        self.drop_state(place);
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

    /// Its destructor is its own code, and may panic: then it is counted as a failure, and nothing else.
    fn drop_state(&mut self, place: Place) {
        let Some(cell) = self.cells.at(place) else { return };
        let Some(state) = cell.state.take() else { return };
        let (species, status) = (cell.species, cell.status);
        self.close_all(place, if status == Status::Paused { AskError::Failed } else { AskError::Gone });
        // SAFETY: the state is of this cell, whose species it is; it was taken out, and its code does not run.
        let dropped = quietly(|| unsafe { (species.drop)(state) });
        self.counts.failures += u64::from(dropped.is_none());
    }

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

    /// Ends all at once: nothing of theirs runs any more but destructors. How many there were.
    pub(super) fn kill_all(&mut self) -> usize {
        let places: Vec<Place> = self.cells.places().collect();
        places.iter().filter(|&&place| self.remove(place).is_some()).count()
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

/// So many may be deferred by who has said nothing of it.
pub(super) const DEFAULT_OUTBOX: u32 = 64;
