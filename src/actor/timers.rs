//! What is due at some time: answers that have not come, messages of timers, restarts.

#![forbid(unsafe_code)]

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use super::{
    ask::AskError,
    core::Core,
    credit::Denied,
    deadletter::Loss,
    envelope::Envelope,
    failure::{Failure, quietly},
    places::Place,
    turns::Outcome,
};
use crate::timer::Key;

/// A timer of the actor that has set it: see [`Ctx::after`](super::Ctx::after) and [`Ctx::every`](super::Ctx::every).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timer {
    /// The worker's number: others have the same places.
    worker: u32,
    place: Place,
}

/// A timer, to its worker: in a list of those of its actor, so that they end with it.
#[derive(Debug)]
pub(super) struct Pending {
    /// `None` until its alarm is set, which needs the timer's name.
    key: Option<Key>,
    owner: Place,
    /// The index of the one set before it.
    next: Option<u32>,
    /// And after it.
    previous: Option<u32>,
}

/// What is due.
pub(super) enum Alarm {
    /// The question's answer has not come.
    Answer(Place),
    /// A message, once.
    Once { timer: Place, envelope: Envelope },
    /// Again and again.
    Every { timer: Place, to: Place, due: Instant, period: Duration, make: Box<dyn FnMut() -> Envelope> },
    /// The actor is to be started again.
    Restart(Place),
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(place) => f.debug_tuple("Answer").field(place).finish(),
            Self::Once { envelope, .. } => f.debug_tuple("Once").field(envelope).finish(),
            Self::Every { to, period, .. } => f.debug_tuple("Every").field(to).field(period).finish(),
            Self::Restart(place) => f.debug_tuple("Restart").field(place).finish(),
        }
    }
}

impl Core {
    /// So long after this turn began. What a clock has no number for is due in an age.
    pub(super) fn after(&mut self, delay: Duration) -> Instant {
        after(self.clock.now(), delay)
    }

    /// Does what is due.
    #[inline(always)]
    pub(super) fn fire(&mut self) {
        if self.alarms.next().is_some() {
            self.fire_due();
        }
    }

    fn fire_due(&mut self) {
        let now = self.clock.now();
        while let Some((_, alarm)) = self.alarms.pop_due(now) {
            self.ring(alarm);
        }
    }

    #[cold]
    fn ring(&mut self, alarm: Alarm) {
        match alarm {
            Alarm::Answer(place) => {
                if let Some((asked, _)) = self.asked.remove(place) {
                    self.put_answer(asked, Err(AskError::TimedOut));
                }
            }
            Alarm::Once { timer, envelope } => {
                self.remove_timer(timer);
                self.hurry(envelope.to(), envelope);
            }
            Alarm::Every { timer, to, due, period, make } => self.tick((timer, to), due, period, make),
            Alarm::Restart(place) => self.restart(place),
        }
    }

    /// An interval has passed. One that is missed, as the actor or its worker was busy, does not come later.
    fn tick(
        &mut self,
        (timer, to): (Place, Place),
        due: Instant,
        period: Duration,
        mut make: Box<dyn FnMut() -> Envelope>,
    ) {
        match catch_unwind(AssertUnwindSafe(&mut make)) {
            Err(panic) => {
                self.remove_timer(timer);
                quietly(|| drop(make));
                return self.later.push((to, Outcome::Fails(Failure::of_panic(panic, "an interval"))));
            }
            Ok(envelope) => {
                // As what its own worker sends: a slow actor is not to drown in ticks.
                let capacity = self.cells.at(to).map_or(0, |cell| cell.capacity);
                match self.admit_first(self.id(to), capacity) {
                    Ok(route) => self.post(route, envelope),
                    Err(Denied::Full) => self.lose(envelope, Loss::Dropped),
                    Err(Denied::Gone) => self.lose(envelope, Loss::ActorEnded),
                }
            }
        }
        let behind = self.clock.now().saturating_duration_since(due).as_nanos() / period.as_nanos().max(1);
        let periods = u32::try_from(behind + 1).unwrap_or(u32::MAX);
        let due = after(due, period.saturating_mul(periods));
        let key = self.alarms.set(due, Alarm::Every { timer, to, due, period, make });
        self.set_key(timer, key);
    }

    /// Sets an alarm of the actor at `owner` under a name that stays.
    pub(super) fn set_timer(&mut self, owner: Place, at: Instant, alarm: impl FnOnce(Place) -> Alarm) -> Option<Timer> {
        let next = self.rare(owner)?.timers;
        let timer = self.timers.insert(Pending { key: None, owner, next, previous: None })?;
        if let Some((_, next)) = next.and_then(|next| self.timers.at_index(next)) {
            next.previous = Some(timer.index);
        }
        if let Some(rare) = self.rare(owner) {
            rare.timers = Some(timer.index);
        }
        let key = self.alarms.set(at, alarm(timer));
        self.set_key(timer, key);
        Some(Timer { worker: self.id(timer).worker, place: timer })
    }

    fn set_key(&mut self, timer: Place, key: Key) {
        if let Some(pending) = self.timers.at(timer) {
            pending.key = Some(key);
        }
    }

    /// It is over: its name names nothing.
    fn remove_timer(&mut self, timer: Place) -> Option<Key> {
        let Pending { key, owner, next, previous } = self.timers.remove(timer)?;
        if let Some((_, next)) = next.and_then(|next| self.timers.at_index(next)) {
            next.previous = previous;
        }
        match previous.and_then(|previous| self.timers.at_index(previous)) {
            Some((_, previous)) => previous.next = next,
            None => {
                if let Some(rare) = self.cells.at(owner).and_then(|cell| cell.rare.as_mut()) {
                    rare.timers = next;
                }
            }
        }
        key
    }

    /// Takes a timer back, if it is of the actor at `owner`.
    pub(super) fn cancel_timer(&mut self, owner: Place, Timer { worker, place }: Timer) -> bool {
        if worker != self.id(place).worker || self.timers.at(place).is_none_or(|pending| pending.owner != owner) {
            return false;
        }
        self.remove_timer(place).is_some_and(|key| self.alarms.cancel(key).is_some())
    }

    /// All that the actor has set.
    pub(super) fn cancel_timers(&mut self, owner: Place) {
        let timers = self.cells.at(owner).and_then(|cell| cell.rare.as_mut()).and_then(|rare| rare.timers.take());
        let mut index = timers;
        while let Some((timer, pending)) = index.and_then(|index| self.timers.at_index(index)) {
            index = pending.next;
            let key = self.timers.remove(timer).and_then(|pending| pending.key);
            // What an interval is made with is its own code's.
            quietly(|| drop(key.and_then(|key| self.alarms.cancel(key))));
        }
    }
}

fn after(time: Instant, delay: Duration) -> Instant {
    time.checked_add(delay).unwrap_or_else(|| time + AGE)
}

/// A century.
const AGE: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
