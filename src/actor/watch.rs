//! Who is told of whose end.

#![forbid(unsafe_code)]

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    address::ActorId,
    ask::ReplyTo,
    cell::Cell,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
                Reason::Stopped => None,
                Reason::Failed(text) => Some(format!("the actor {other}, which it is linked with, failed: {text}")),
                Reason::Gone => Some(format!("the actor {other}, which it is linked with, has ended")),
            };
            core.have(core.number(who), move |core| {
                // The other half of the link.
                core.unwatch(who.place, Who::Linked(other));
                core.later.extend(text.map(|text| (who.place, Outcome::Fails(Failure::new(text)))));
            });
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
            Some(rare) => rare.watchers.entry(watcher.who).or_default().push(watcher),
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
            let watchers = rare.watchers.remove(&who);
            // What is dropped is its own code's.
            quietly(|| drop(watchers));
        }
    }

    /// The actor at `place` watches that one, until it is told or does not want to any more.
    pub(super) fn note_watched(&mut self, place: Place, id: ActorId) {
        if let Some(rare) = self.rare(place) {
            rare.watched.insert(id);
        }
    }

    /// It does not.
    pub(super) fn forget_watched(&mut self, place: Place, id: ActorId) {
        if let Some(rare) = self.cells.at(place).and_then(|cell| cell.rare.as_mut()) {
            rare.watched.remove(&id);
        }
    }

    /// It ends, and leaves nothing with those it watches.
    pub(super) fn watch_nobody_more(&mut self, place: Place) {
        let Some(rare) = self.cells.at(place).and_then(|cell| cell.rare.as_mut()) else { return };
        let watched = mem::take(&mut rare.watched);
        let who = Who::Actor(self.id(place));
        for id in watched {
            self.have(self.number(id), move |core| core.unwatch(id.place, who));
        }
    }

    /// An actor has ended, of what `reason` makes of whoever is told.
    pub(super) fn tell_watchers(&mut self, id: ActorId, mut cell: Cell, reason: impl Fn(Who) -> Reason) {
        let watchers = cell.rare.as_mut().map(|rare| mem::take(&mut rare.watchers)).unwrap_or_default();
        for watcher in watchers.into_values().flatten() {
            let reason = reason(watcher.who);
            (watcher.tell)(self, Ended { id, reason });
        }
        // Why it failed may be the application's.
        quietly(|| drop(cell));
    }

    /// Tells the actor `who` what `then` makes of an end: that is its own code, and runs where it is.
    pub(super) fn tell_end(
        &mut self,
        who: ActorId,
        then: impl FnOnce(Ended) -> Envelope + Send + 'static,
        ended: Ended,
    ) {
        self.have(self.number(who), move |core| {
            core.forget_watched(who.place, ended.id);
            match catch_unwind(AssertUnwindSafe(|| then(ended))) {
                Ok(message) => core.hurry(who.place, message),
                Err(panic) => {
                    core.later.push((who.place, Outcome::Fails(Failure::of_panic(panic, "the end of another"))));
                }
            }
        });
    }

    #[cfg(all(test, not(any(loom, shuttle))))]
    pub(super) fn watches(&mut self) -> [usize; 2] {
        let mut watches = [0, 0];
        for place in self.cells.places().collect::<Vec<_>>() {
            if let Some(rare) = self.cells.at(place).and_then(|cell| cell.rare.as_ref()) {
                watches[0] += rare.watched.len();
                watches[1] += rare.watchers.values().map(Vec::len).sum::<usize>();
            }
        }
        watches
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use crate::actor::{Actor, ActorId, Addr, Ctx, Ended, Failure, Handle, Spec, kit::Stage};

    /// Watches and is linked as it is told.
    struct Onlooker;

    enum Wish {
        Watch(ActorId),
        Unwatch(ActorId),
        Link(ActorId),
        Unlink(ActorId),
        Stop,
    }

    impl Actor for Onlooker {
        type Args = ();

        fn start((): (), _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
            Ok(Self)
        }
    }

    impl Handle<Wish> for Onlooker {
        type Reply = ();

        fn on(&mut self, wish: Wish, ctx: &mut Ctx<'_, Self>) {
            match wish {
                Wish::Watch(id) => ctx.watch(id, |ended| ended),
                Wish::Unwatch(id) => ctx.unwatch(id),
                Wish::Link(id) => ctx.link(id),
                Wish::Unlink(id) => ctx.unlink(id),
                Wish::Stop => ctx.stop(),
            }
        }
    }

    impl Handle<Ended> for Onlooker {
        type Reply = ();

        fn on(&mut self, _: Ended, _: &mut Ctx<'_, Self>) {}
    }

    /// It has done that, and nothing is under way.
    fn told(stage: &mut Stage, who: Addr<Onlooker>, wish: Wish) {
        stage.tell(who, wish).unwrap();
        stage.settle();
    }

    /// Cannot start, once it has been linked.
    struct Stillborn;

    impl Actor for Stillborn {
        type Args = ActorId;

        fn start(other: ActorId, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
            ctx.link(other);
            ctx.watch(other, |ended| ended);
            Err(Failure::new("not today"))
        }
    }

    impl Handle<Ended> for Stillborn {
        type Reply = ();

        fn on(&mut self, _: Ended, _: &mut Ctx<'_, Self>) {}
    }

    #[test]
    fn nothing_is_left_of_one_that_could_not_start() {
        for there in [0, 1] {
            let mut stage = Stage::new(2, 7);
            let other = stage.spawn_on(there, Spec::<Onlooker>::new(())).unwrap();
            stage.spawn_on(0, Spec::<Stillborn>::new(other.id())).unwrap_err();
            stage.settle();
            assert_eq!(stage.watches(), [0, 0]);
            assert_eq!(stage.counts().failures, 0, "what never was is no reason to fail");
        }
    }

    #[test]
    fn nothing_is_left_of_a_wish_with_those_who_stay() {
        for (here, there) in [(0, 0), (0, 1)] {
            let mut stage = Stage::new(2, 7);
            let start = |stage: &mut Stage, worker| stage.spawn_on(worker, Spec::<Onlooker>::new(())).unwrap();
            for (begin, end, is_link) in [
                (Wish::Watch as fn(ActorId) -> Wish, Wish::Unwatch as fn(ActorId) -> Wish, false),
                (Wish::Link, Wish::Unlink, true),
            ] {
                let begun = if is_link { [0, 2] } else { [1, 1] };
                let [one, other] = [here, there].map(|worker| start(&mut stage, worker));
                told(&mut stage, one, begin(other.id()));
                assert_eq!(stage.watches(), begun);
                told(&mut stage, one, end(other.id()));
                assert_eq!(stage.watches(), [0, 0], "taken back");
                // Who wished it ends, and then, with another, who is watched.
                for first_ends in [true, false] {
                    let one = start(&mut stage, here);
                    told(&mut stage, one, begin(other.id()));
                    assert_eq!(stage.watches(), begun);
                    told(&mut stage, if first_ends { one } else { other }, Wish::Stop);
                    assert_eq!(stage.watches(), [0, 0], "ended");
                }
                told(&mut stage, one, begin(other.id()));
                assert_eq!(stage.watches(), [0, 0], "who has ended");
            }
        }
    }
}
