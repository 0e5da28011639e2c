//! The loop of a worker: what has come goes to mailboxes, what is due is done, actors have their turns, others are told; then it waits.

#![forbid(unsafe_code)]

use std::{sync::Arc as Counted, time::Instant};

use super::{
    core::{Core, Counts},
    lane::{Bell, Inlet, Newcomer, RING},
    shared::Order,
};
use crate::{
    sync::light_fence,
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
    /// It has ended: what it did, and how many actors it has ended by force.
    Ended { counts: Counts, killed: usize },
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
        let mut waiter = Waiter::new(policy);
        loop {
            self.turn(Instant::now());
            if self.is_draining && !self.is_drained && self.core.cells.len() == 0 {
                self.is_drained = true;
                say(Said::Drained);
            }
            if self.order == Order::End {
                break;
            }
            if !self.core.has_work() {
                let until = self.core.alarms.next();
                let bell = self.bell.clone();
                // Whatever has come, or the time: the turn looks.
                _ = waiter.wait(&bell.signal, until, &mut self);
            }
        }
        let killed = self.core.kill_all();
        self.core.lose_deferred();
        self.core.tell_lanes();
        let counts = self.core.counts;
        // Nobody is answered from here on, and those who wait hear of it.
        drop(self);
        say(Said::Ended { counts, killed });
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

    /// One turn, at `now`.
    pub(super) fn turn(&mut self, now: Instant) {
        if self.bell.take_news() {
            self.hear();
        }
        for (number, inlet) in &mut self.inlets {
            let mut taken = 0;
            while taken < RING
                && let Ok(envelope) = inlet.pop()
            {
                self.core.arrive(*number, envelope);
                taken += 1;
            }
            if taken > 0 {
                // Light: the room against the look at who waits for it; pairs with the heavy fence of a sender that parks.
                light_fence();
                if inlet.is_wanted()
                    && let Some(lane) = self.core.lane(*number)
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
        self.core.fire(now);
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

    /// Somebody has come or gone, or there is an order.
    #[cold]
    fn hear(&mut self) {
        for Newcomer { number, inlet, lane } in std::mem::take(&mut *self.bell.newcomers.lock()) {
            self.core.clients.insert(number, lane);
            self.inlets.push((number, inlet));
        }
        let core = &mut self.core;
        self.inlets.retain(|(number, inlet)| {
            if !inlet.is_closed() {
                return true;
            }
            // In this order: what was sent before it was closed is there for who sees that.
            let is_over = inlet.is_empty();
            if is_over {
                core.clients.remove(number);
            } else {
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
        (has_come || self.bell.has_news() || self.core.can_move_on() || self.core.is_source_ready()).then_some(())
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
    }
}

impl Core {
    /// What found no room in a ring goes on.
    fn move_on(&mut self) {
        if self.can_move_on() {
            self.tell_those_posted_to();
        }
    }

    fn can_move_on(&self) -> bool {
        self.lanes.iter().flatten().chain(self.clients.values()).any(|lane| lane.can_move_on())
    }

    fn announce(&self) {
        if let Some(source) = &self.source {
            source.announce();
        }
        self.lanes.iter().flatten().chain(self.clients.values()).for_each(|lane| lane.announce());
    }
}
