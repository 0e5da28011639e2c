//! The loop of a worker: what has come goes to mailboxes, what is due is done, actors have their turns, others are told; then it waits.

#![forbid(unsafe_code)]

use std::{sync::Arc as Counted, time::Instant};

use super::{
    core::Core,
    counts::Counts,
    deadletter::Loss,
    failure::quietly,
    lane::{Bell, Inlet, Lane, Newcomer, RING},
    shared::Order,
};
use crate::{
    sync::{light_fence, planted},
    wait::{Awaited, Rest, WaitPolicy, Waiter, Watched},
};

/// One worker, on whatever thread turns it.
#[derive(Debug)]
pub(super) struct Worker {
    core: Core,
    /// From the workers and clients of those numbers.
    inlets: Vec<(u32, Inlet)>,
    bell: Counted<Bell>,
    /// What it is to do, and how far it is.
    order: Order,
    is_draining: bool,
    is_drained: bool,
}

/// What a worker says of itself.
#[derive(Debug)]
pub(super) enum Said {
    /// There is no actor left, and none comes any more.
    Drained,
    /// It has ended: what it did, how many actors it has ended by force, and what has come for it since, or will.
    Ended { counts: Counts, killed: usize, inlets: Vec<(u32, Inlet)> },
}

/// Turns of actors until the worker looks at what has come.
const RUNS: u32 = 64;

impl Worker {
    pub(super) fn new(core: Core, inlets: Vec<(u32, Inlet)>) -> Self {
        let bell = core.shared.bells[core.me as usize].clone();
        Self { core, inlets, bell, order: Order::Run, is_draining: false, is_drained: false }
    }

    /// Turns until it is to end, and says what is to be said.
    pub(super) fn run(mut self, policy: WaitPolicy, mut say: impl FnMut(Said)) {
        self.live(policy, &mut say);
        self.end(say);
    }

    /// Turns until it is to end.
    pub(super) fn live(&mut self, policy: WaitPolicy, say: &mut impl FnMut(Said)) {
        self.work(policy, |worker| {
            if worker.is_draining && !worker.is_drained && worker.core.cells.len() == 0 {
                worker.is_drained = true;
                say(Said::Drained);
            }
            worker.order == Order::End
        });
    }

    /// Turns, and waits where there is nothing to do, until it is done after a turn.
    pub(super) fn work(&mut self, policy: WaitPolicy, mut is_done: impl FnMut(&mut Self) -> bool) {
        let (mut waiter, bell) = (Waiter::new(policy), self.bell.clone());
        loop {
            self.core.clock.expire();
            self.go();
            if is_done(self) {
                return;
            }
            if !self.core.has_work() {
                let until = self.core.alarms.next();
                // Whatever has come, or the time: the turn looks.
                _ = waiter.wait(&bell.signal, until, self);
            }
        }
    }

    /// It is over for all it has.
    pub(super) fn end(mut self, mut say: impl FnMut(Said)) {
        let killed = self.core.kill_all();
        self.core.lose_deferred();
        self.core.lose_queued();
        let counts = self.core.counts;
        self.core.forget_questions();
        let Self { core, mut inlets, bell, .. } = self;
        // Nobody is answered from here on, and those who wait hear of it.
        // Closures of timers and questions are dropped with it, which are the application's.
        quietly(|| drop(core));
        inlets.extend(bell.shut().into_iter().map(|newcomer| (newcomer.number, newcomer.inlet)));
        say(Said::Ended { counts, killed, inlets });
    }

    /// Would a turn do anything now?
    pub(super) fn has_work(&mut self) -> bool {
        self.core.refresh_source();
        self.core.has_work() || self.look().is_some()
    }

    /// When a turn would do something, if nothing comes before: not later than that.
    pub(super) fn next_alarm(&self) -> Option<Instant> {
        self.core.alarms.next()
    }

    pub(super) fn counts(&self) -> Counts {
        self.core.counts
    }

    /// How many wishes to hear of an end its actors have, and have from others.
    #[cfg(all(test, not(any(loom, shuttle))))]
    pub(super) fn watches(&mut self) -> [usize; 2] {
        self.core.watches()
    }

    /// From how many workers and clients something may come.
    #[cfg(all(test, any(loom, shuttle)))]
    pub(super) fn inlets(&self) -> usize {
        self.inlets.len()
    }

    /// One turn, at `now`.
    pub(super) fn turn(&mut self, now: Instant) {
        self.core.clock.set(now);
        self.go();
    }

    fn go(&mut self) {
        if planted("actor-news-taken-late") && self.bell.has_news() {
            self.hear();
            self.bell.take_news();
        } else if self.bell.take_news() {
            self.hear();
        }
        for (number, inlet) in &mut self.inlets {
            let mut taken = 0;
            while taken < RING && self.core.take_in(*number, inlet) {
                taken += 1;
            }
            if taken > 0 {
                // Light: the room against the look at who waits for it; pairs with the heavy fence of a sender that parks.
                if !planted("actor-taken-no-fence") {
                    light_fence();
                }
                if inlet.is_wanted()
                    && let Some(lane) = self.core.lane_of(*number)
                {
                    lane.bell().signal.notify();
                }
            }
        }
        if self.order >= Order::Drain && !self.is_draining {
            // Behind what had come before.
            self.is_draining = true;
            self.core.stop_roots();
        }
        self.core.fire();
        self.core.turn_source();
        self.core.do_later();
        self.core.tell_lanes();
        for _ in 0..RUNS {
            if !self.core.run_next() {
                break;
            }
        }
        self.core.move_on();
    }

    fn take_in(&mut self, newcomers: Vec<Newcomer>) {
        for Newcomer { number, inlet, lane } in newcomers {
            self.core.add_client(number, lane);
            self.inlets.push((number, inlet));
        }
    }

    /// Somebody has come or gone, or there is an order.
    #[cold]
    fn hear(&mut self) {
        self.take_in(self.bell.take_newcomers());
        let core = &mut self.core;
        self.inlets.retain(|(number, inlet)| {
            let was_empty = planted("actor-empty-before-closed") && inlet.is_empty();
            if !inlet.is_closed() {
                return true;
            }
            // In this order: what was sent before it was closed is there for who sees that.
            let is_over = was_empty || inlet.is_empty();
            if is_over {
                core.remove_client(*number);
            } else if !planted("actor-leaver-forgotten") {
                // To be taken first: then it is looked at again.
                self.bell.tell();
            }
            !is_over
        });
        self.order = core.shared.order();
    }
}

/// What a worker waits for.
impl Awaited for Worker {
    type Ready = ();

    #[inline]
    fn look(&mut self) -> Option<()> {
        let has_come = self.inlets.iter().any(|(_, inlet)| !inlet.is_empty());
        let has_news = self.bell.has_news() && !planted("actor-news-unlooked");
        let has_room = self.core.can_move_on() && !planted("actor-room-unlooked");
        let has_sourced = self.core.is_source_ready() && !planted("actor-source-unlooked");
        (has_come || has_news || has_room || has_sourced).then_some(())
    }

    fn announce(&mut self) -> bool {
        self.core.announce();
        true
    }

    fn has_descriptors(&self) -> bool {
        self.core.source.as_ref().is_some_and(|source| source.has_descriptors())
    }

    fn watch(&mut self, watched: &mut Vec<Watched>) -> Rest {
        let until = self.core.source.as_ref().and_then(|source| source.watch(watched));
        Rest { may_sleep: true, until }
    }

    fn withdraw(&mut self) {
        if let Some(source) = &self.core.source {
            source.withdraw();
        }
        self.core.withdraw();
    }
}

impl Core {
    /// What found no room in a ring goes on.
    fn move_on(&mut self) {
        if self.can_move_on() {
            self.tell_those_posted_to();
        }
    }

    #[inline(always)]
    fn can_move_on(&mut self) -> bool {
        self.has_queued && self.all_lanes().any(|lane| lane.can_move_on())
    }

    fn announce(&mut self) {
        if let Some(source) = &self.source
            && !planted("actor-source-unannounced")
        {
            source.announce();
        }
        self.all_lanes().for_each(|lane| lane.announce());
    }

    /// What others were sent and there was no room for stays where it is.
    fn lose_queued(&mut self) {
        self.tell_those_posted_to();
        for number in 0..self.lanes.len() as u32 {
            for envelope in self.lane_of(number).map(Lane::take_queued).unwrap_or_default() {
                self.lose_there(number, envelope, Loss::NobodyThere);
            }
        }
        let answers: Vec<_> = self
            .clients
            .iter_mut()
            .flat_map(|(number, lane)| lane.take_queued().into_iter().zip(std::iter::repeat(*number)))
            .collect();
        for (envelope, number) in answers {
            self.lose_there(number, envelope, Loss::NobodyThere);
        }
    }

    /// A client has come. Of two that come at a time either may be heard of first.
    fn add_client(&mut self, number: u32, lane: Lane) {
        let index = self.clients.partition_point(|(other, _)| *other < number);
        self.clients.insert(index, (number, lane));
    }

    fn remove_client(&mut self, number: u32) {
        self.clients.retain(|(other, _)| *other != number);
    }

    fn withdraw(&mut self) {
        self.all_lanes().for_each(Lane::withdraw);
    }
}
