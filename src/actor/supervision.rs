//! Who supervises whom, and what becomes of those that fail.

#![forbid(unsafe_code)]

use std::{
    any::TypeId,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    address::ActorId,
    cell::{Cell, Status},
    core::Core,
    envelope::State,
    failure::{Failure, quietly, text_of},
    history::History,
    places::Place,
    spec::{Group, Intensity, Remedy, Restarts, Strategy},
    timers::Alarm,
    turns::Outcome,
    watch::{Watcher, Who},
};
use crate::timer::Key;

/// What an actor has that supervises, is supervised with more than to be stopped, or is watched.
#[derive(Debug)]
pub(super) struct Rare {
    pub(super) remedy: Remedy,
    pub(super) group: Group,
    /// Starts it again.
    pub(super) maker: Option<Maker>,
    /// It is to be, so long after those it supervises have ended.
    pub(super) pause: Option<Duration>,
    /// When it is to be, if that was put off.
    pub(super) restart: Option<Key>,
    /// It could not start, when it was to begin this life.
    pub(super) is_stillborn: bool,
    pub(super) history: History,
    /// Whom it supervises, in the order they were started.
    pub(super) children: BTreeMap<u64, ActorId>,
    pub(super) next_rank: u64,
    /// Those of lower rank are of an earlier life.
    pub(super) first_rank: u64,
    pub(super) watchers: BTreeMap<Who, Vec<Watcher>>,
    /// The last of its timers to be set.
    pub(super) timers: Option<u32>,
    /// It has asked to be told of room, and may be waiting for that.
    pub(super) has_sought: bool,
    /// Whom it watches.
    pub(super) watched: BTreeSet<ActorId>,
    /// Messages it may defer.
    pub(super) outbox: u32,
    /// How it came to its end.
    pub(super) reason: Option<Failure>,
    pub(super) is_named: bool,
    /// Questions it is to answer later.
    pub(super) open: u32,
    /// What it has subscribed to.
    pub(super) topics: Vec<TypeId>,
}

impl Rare {
    pub(super) fn new(group: Group, remedy: Remedy, outbox: u32) -> Self {
        Self {
            remedy,
            group,
            maker: None,
            pause: None,
            restart: None,
            is_stillborn: false,
            history: History::default(),
            children: BTreeMap::new(),
            next_rank: 0,
            first_rank: 0,
            watchers: BTreeMap::new(),
            timers: None,
            has_sought: false,
            watched: BTreeSet::new(),
            outbox,
            reason: None,
            is_named: false,
            open: 0,
            topics: Vec::new(),
        }
    }
}

pub(super) struct Maker(pub(super) Box<Make>);

pub(super) type Make = dyn FnMut(&mut Core) -> Result<State, Failure>;

impl std::fmt::Debug for Maker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Maker")
    }
}

/// So many may be deferred by who has said nothing of it.
pub(super) const DEFAULT_OUTBOX: u32 = 64;

impl Core {
    /// A rank for another child of `parent`, which is here.
    pub(super) fn next_rank(&mut self, parent: Place) -> Option<u64> {
        let rare = self.rare(parent)?;
        let rank = rare.next_rank;
        rare.next_rank += 1;
        Some(rank)
    }

    /// `parent`, which is here, supervises `child` from now on.
    pub(super) fn adopt(&mut self, parent: Place, rank: u64, child: ActorId) {
        let Some(rare) = self.rare(parent) else {
            // Nobody is left who would stop it.
            return self.have(self.number(child), move |core| core.later.push((child.place, Outcome::Ends)));
        };
        rare.children.insert(rank, child);
        if rare.first_rank > rank {
            // It was started on another worker when its parent failed here, and is of that life.
            return self.have(self.number(child), move |core| core.later.push((child.place, Outcome::Ends)));
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
        let cell = match self.cells.at(place) {
            Some(cell) if cell.is_busy => return self.later.push((place, Outcome::Fails(failure))),
            Some(cell) if !matches!(cell.status, Status::Paused | Status::Stopping) => cell,
            _ => {
                quietly(|| drop(failure));
                return;
            }
        };
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
        self.end_life(place);
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

    /// Its next life was not to be; unless another has begun since.
    pub(super) fn fail_to_start(&mut self, place: Place, failure: Failure) {
        match self.cells.at(place) {
            Some(Cell { status: Status::Starting, rare: Some(rare), .. }) => rare.is_stillborn = true,
            _ => {
                quietly(|| drop(failure));
                return;
            }
        }
        self.fail(place, failure);
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
        quietly(|| drop(failure));
        for id in others {
            self.have(self.number(id), move |core| core.restart_with_others(id.place, pause));
        }
    }

    /// By its own intensity.
    fn restart_alone(&mut self, place: Place, restarts: Restarts, failure: Failure) {
        let now = self.clock.now();
        let Some(rare) = self.rare(place) else { return };
        match rare.history.restart(now, restarts.intensity, restarts.back_off) {
            Some(pause) => {
                quietly(|| drop(failure));
                self.restart_after(place, pause);
            }
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
        self.end_life(place);
        self.forget_restart(place);
        if let Some(rare) = self.rare(place) {
            rare.pause = Some(pause);
            rare.first_rank = rare.next_rank;
        }
        self.end_children(place);
        self.begin_again(place);
    }

    /// Begins its next life, or its pause before that, as soon as none is left of those it supervised in the last: they may have what
    /// those of the next are to have, as names and sockets.
    pub(super) fn begin_again(&mut self, place: Place) {
        let Some(cell) = self.cells.at(place).filter(|cell| cell.status == Status::Paused) else { return };
        let is_to_stop = cell.is_to_stop;
        let Some(rare) = cell.rare.as_mut().filter(|rare| rare.children.is_empty()) else { return };
        let (Some(pause), is_stillborn) = (rare.pause.take(), rare.is_stillborn) else { return };
        if pause.is_zero() && !is_stillborn {
            return self.restart(place);
        }
        if is_to_stop && !pause.is_zero() {
            // It would come to that after the pause, and somebody may be waiting for it.
            return self.stop(place);
        }
        // One that cannot start is not to be tried again before others have had their turn.
        let at = self.after(pause);
        let key = self.alarms.set(at, Alarm::Restart(place));
        if let Some(rare) = self.rare(place) {
            rare.restart = Some(key);
        }
    }

    /// What was due of an earlier pause is not to end a later one.
    pub(super) fn forget_restart(&mut self, place: Place) {
        let rare = self.cells.at(place).and_then(|cell| cell.rare.as_mut());
        let Some(rare) = rare else { return };
        rare.pause = None;
        if let Some(key) = rare.restart.take() {
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
        let started = self.starting(place, "its start", |core| (maker.0)(core));
        if let Some(rare) = self.rare(place) {
            rare.maker = Some(maker);
            rare.is_stillborn = false;
        }
        match started {
            Ok(state) => self.begin(place, state),
            // Not at once: one that never starts is not to be a deep recursion.
            Err(failure) => self.later.push((place, Outcome::Stillborn(failure))),
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
    pub(super) fn stop_failed(&mut self, place: Place, failure: Failure) {
        self.drop_state(place);
        if let Some(rare) = self.rare(place) {
            rare.reason = Some(failure);
        }
        self.stop(place);
    }
}
