//! A worker's actors, and all that a handler may reach: its tables, its lanes, what is due.
//!
//! One thread has it. A handler runs with the core borrowed and its own state beside it; what it asks for that would touch that state (to
//! stop, to fail) is noted and done when it has returned.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc as Counted,
    time::Instant,
};

use smallvec::SmallVec;

use super::{
    address::ActorId,
    ask::{AskError, Asked, Before, Open, ReplyTo},
    cell::Cell,
    counts::Counts,
    credit::{Denied, GONE, Returned},
    deadletter::Loss,
    envelope::{Envelope, Kind, Verb},
    failure::{Failure, quietly},
    lane::{Inlet, Lane},
    mailbox::{Mailbox, Origin, Pool},
    message,
    outbox::Outbox,
    places::{Place, Places},
    shared::Shared,
    source::Source,
    timers::{Alarm, Pending},
    topics::Topics,
    turns::Outcome,
};
use crate::{
    sync::{light_fence, planted},
    timer::{Key, Wheel},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Core {
    /// The worker's number in its runtime.
    pub(super) me: u32,
    pub(super) shared: Counted<Shared>,
    pub(super) cells: Places<Cell>,
    pub(super) pool: Pool,
    /// Who has messages, in the order of their turns.
    pub(super) ready: VecDeque<Place>,
    /// To the workers, by their numbers; none to itself.
    pub(super) lanes: Vec<Option<Lane>>,
    /// To clients, with their numbers, by those.
    pub(super) clients: Vec<(u32, Lane)>,
    pub(super) asked: Places<(Asked, Option<Key>)>,
    pub(super) alarms: Wheel<Alarm>,
    /// Timers of actors, which an interval sets again and again.
    pub(super) timers: Places<Pending>,
    /// What found no credit, and waits for it.
    pub(super) outbox: Outbox,
    pub(super) clock: Clock,
    /// Whose handler is running, and what it has asked for.
    pub(super) running: Option<Place>,
    pub(super) outcome: Outcome,
    /// Who is to have what the handler returns.
    pub(super) answering: Option<Before>,
    /// Questions that are answered later.
    pub(super) open: Places<Open>,
    /// Who is told what is published, by its type.
    pub(super) topics: Topics,
    /// What is to become of actors whose code runs, beside the one that asked for it by itself.
    pub(super) later: Vec<(Place, Outcome)>,
    /// What it handles.
    pub(super) handling: fn() -> &'static str,
    pub(super) counts: Counts,
    /// Something may have been sent to others since they were told last.
    pub(super) has_posted: bool,
    /// Something found no room in a ring, when they were told last.
    pub(super) has_queued: bool,
    /// Beside rings and timers. Most have none.
    pub(super) source: Option<Rc<dyn Source>>,
}

/// The time of a turn: read once, by whoever wants to know first.
#[derive(Debug)]
pub(super) struct Clock {
    now: Instant,
    is_old: bool,
}

impl Clock {
    /// It is that, for this turn.
    pub(super) fn set(&mut self, now: Instant) {
        *self = Self { now, is_old: false };
    }

    /// Another turn has begun.
    #[inline(always)]
    pub(super) fn expire(&mut self) {
        self.is_old = true;
    }

    pub(super) fn now(&mut self) -> Instant {
        if std::mem::take(&mut self.is_old) {
            self.now = Instant::now();
        }
        self.now
    }
}

/// Where a message goes that has credit.
#[derive(Clone, Copy, Debug)]
pub(super) enum Route {
    Here(Place),
    There(u32),
}

impl Core {
    pub(super) fn new(me: u32, shared: Counted<Shared>, lanes: Vec<Option<Lane>>, now: Instant) -> Self {
        Self {
            me,
            shared,
            cells: Places::new(),
            pool: Pool::new(),
            ready: VecDeque::new(),
            lanes,
            clients: Vec::new(),
            asked: Places::new(),
            alarms: Wheel::new(now),
            timers: Places::new(),
            outbox: Outbox::default(),
            clock: Clock { now, is_old: false },
            running: None,
            outcome: Outcome::Goes,
            answering: None,
            open: Places::new(),
            topics: Topics::default(),
            later: Vec::new(),
            handling: || "nothing",
            counts: Counts::default(),
            has_posted: false,
            has_queued: false,
            source: None,
        }
    }

    /// The name of the actor at `place`, of this worker.
    #[inline]
    pub(super) fn id(&self, place: Place) -> ActorId {
        ActorId { worker: self.shared.base + self.me, place }
    }

    /// The number of a worker in this runtime. One that is too high is of another.
    #[inline(always)]
    pub(super) fn number(&self, id: ActorId) -> u32 {
        id.worker.wrapping_sub(self.shared.base)
    }

    /// Takes credit for a message. Whoever has it posts one.
    ///
    /// # Errors
    /// There is none, the actor has ended, or (`Gone`, too) is of another runtime.
    #[inline(always)]
    pub(super) fn admit(&mut self, to: ActorId, capacity: u32) -> Result<Route, Denied> {
        if self.outbox.holds_for(to) {
            // What waits for credit is to go first.
            return Err(Denied::Full);
        }
        self.admit_first(to, capacity)
    }

    #[inline(always)]
    pub(super) fn admit_first(&mut self, to: ActorId, capacity: u32) -> Result<Route, Denied> {
        let number = self.number(to);
        if number == self.me {
            let cell = self.cells.at(to.place).ok_or(Denied::Gone)?;
            if cell.local >= capacity {
                return Err(Denied::Full);
            }
            cell.local += 1;
            return Ok(Route::Here(to.place));
        }
        match self.lanes.get_mut(number as usize) {
            Some(Some(lane)) => {
                lane.credit.take(to.place, capacity)?;
                Ok(Route::There(number))
            }
            _ => Err(Denied::Gone),
        }
    }

    /// Sends it where it was admitted to.
    #[inline(always)]
    pub(super) fn post(&mut self, route: Route, envelope: Envelope) {
        match route {
            Route::Here(place) => self.enqueue(place, envelope, Origin::HERE),
            Route::There(number) => self.post_to(number, envelope),
        }
    }

    /// Makes an envelope and sends it where it was admitted to, which is to an actor of the verb.
    ///
    /// # Safety
    /// The verb was made for `M`.
    #[inline(always)]
    pub(super) unsafe fn post_new<M: Send>(&mut self, route: Route, verb: &'static Verb, to: Place, message: M) {
        match route {
            Route::Here(place) => {
                let Some(cell) = self.cells.at(place) else { return };
                // SAFETY: there is room for one; and the caller's word.
                let write = |at| unsafe { Envelope::write(at, verb, to, message) };
                self.pool.push_with(&mut cell.mailbox, Origin::HERE, write);
                cell.get_ready(&mut self.ready, place);
            }
            Route::There(number) => {
                // SAFETY: the caller's word, for an envelope's place.
                let write = |message, at| unsafe { Envelope::write(at, verb, to, message) };
                let Some(lane) = self.lane(number) else { return };
                // SAFETY: that writes one; a message is moved, or put into a box, and where there is no memory for that all ends.
                if let Err(message) = unsafe { lane.post_in_place(message, write) } {
                    // SAFETY: the caller's word.
                    self.post_to(number, unsafe { Envelope::new(verb, to, message) });
                }
            }
        }
    }

    /// Sends it to a worker or client, whether there is credit or none.
    #[inline(always)]
    pub(super) fn post_to(&mut self, number: u32, envelope: Envelope) {
        let sent = match self.lane(number) {
            Some(lane) => lane.post(envelope),
            None => Err(envelope),
        };
        if let Err(envelope) = sent {
            self.lose_there(number, envelope, Loss::NobodyThere);
        }
    }

    /// The lane there, to send something.
    #[inline(always)]
    pub(super) fn lane(&mut self, number: u32) -> Option<&mut Lane> {
        self.has_posted = true;
        self.lane_of(number)
    }

    /// Likewise, to send nothing.
    #[inline(always)]
    pub(super) fn lane_of(&mut self, number: u32) -> Option<&mut Lane> {
        match self.lanes.get_mut(number as usize) {
            Some(lane) => lane.as_mut(),
            None => {
                let index = self.clients.binary_search_by_key(&number, |(number, _)| *number).ok()?;
                Some(&mut self.clients[index].1)
            }
        }
    }

    /// To all whom something may be sent to.
    pub(super) fn all_lanes(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.lanes.iter_mut().flatten().chain(self.clients.iter_mut().map(|(_, lane)| lane))
    }

    /// Has a worker of this runtime do something, this one included, which does it at once.
    pub(super) fn have(&mut self, number: u32, job: impl FnOnce(&mut Core) + Send + 'static) {
        if number == self.me { job(self) } else { self.post_to(number, message::job(job)) }
    }

    /// Answers a question.
    #[inline]
    pub(super) fn post_answer(&mut self, to: ReplyTo, answer: Envelope) {
        if to.lane == self.me { self.answered(answer) } else { self.post_to(to.lane, answer) }
    }

    /// Puts a message into the mailbox of an actor here.
    #[inline(always)]
    pub(super) fn enqueue(&mut self, to: Place, envelope: Envelope, origin: Origin) {
        let Some(cell) = self.cells.at(to) else { return self.bounce(to, envelope, origin) };
        self.pool.push(&mut cell.mailbox, envelope, origin);
        cell.get_ready(&mut self.ready, to);
    }

    /// Puts what an actor here has asked for before those that wait: answers, timers, ends of others, room. None of it has credit, as
    /// there is no more of it than was asked for.
    pub(super) fn hurry(&mut self, to: Place, envelope: Envelope) {
        let Some(cell) = self.cells.at(to) else { return self.lose(envelope, Loss::ActorEnded) };
        self.pool.push(&mut cell.urgent, envelope, Origin::NONE);
        cell.get_ready(&mut self.ready, to);
    }

    /// There is no such actor any more.
    #[cold]
    fn bounce(&mut self, place: Place, envelope: Envelope, origin: Origin) {
        if !planted("actor-gone-untold") {
            self.tell_gone(place, origin);
        }
        self.lose(envelope, Loss::ActorEnded);
    }

    /// Whoever has sent from there gets no credit back any more, and is to know.
    fn tell_gone(&mut self, place: Place, origin: Origin) {
        if let Some(lane) = self.lane(origin.0) {
            // Lost with the lane if that is gone.
            _ = lane.post(message::credit(Returned { place, count: GONE }));
        }
    }

    /// Takes the next that has come from a worker or client. False: nothing has.
    #[inline(always)]
    pub(super) fn take_in(&mut self, from: u32, inlet: &mut Inlet) -> bool {
        let Some(next) = inlet.peek() else { return false };
        let to = next.to();
        if next.kind() == Kind::Message
            && let Some(cell) = self.cells.at(to)
        {
            // SAFETY: one is there, and room in the mailbox.
            self.pool.push_with(&mut cell.mailbox, Origin(from), |node| unsafe { inlet.pop_to(node) });
            cell.get_ready(&mut self.ready, to);
        } else if let Ok(envelope) = inlet.pop() {
            self.arrive(from, envelope);
        }
        true
    }

    /// Something has come from a worker or client.
    #[inline(always)]
    pub(super) fn arrive(&mut self, from: u32, envelope: Envelope) {
        match envelope.kind() {
            Kind::Message => self.enqueue(envelope.to(), envelope, Origin(from)),
            Kind::Reply | Kind::Failure => self.answered(envelope),
            Kind::Credit => self.credited(from, message::into_credit(envelope)),
            Kind::Job => message::do_job(envelope, self),
        }
    }

    fn credited(&mut self, from: u32, returned: Returned) {
        if let Some(lane) = self.lane_of(from) {
            lane.credit.give_back(returned);
        }
        if !self.outbox.is_empty() {
            self.send_deferred(ActorId { worker: self.shared.base.wrapping_add(from), place: returned.place });
        }
    }

    /// A question has its answer, or a failure.
    fn answered(&mut self, answer: Envelope) {
        match self.asked.remove(answer.to()) {
            Some((asked, key)) => {
                key.map(|key| self.alarms.cancel(key));
                self.put_answer(asked, Ok(answer));
            }
            None => self.counts.late_answers += u64::from(answer.kind() == Kind::Reply),
        }
    }

    /// The one who asked is told. What it makes a message of the answer with is its own code, and may panic.
    pub(super) fn put_answer(&mut self, asked: Asked, answer: Result<Envelope, AskError>) {
        let asker = asked.asker;
        match catch_unwind(AssertUnwindSafe(|| asked.answered(answer))) {
            Ok(message) => self.hurry(asker, message),
            Err(panic) => self.later.push((asker, Outcome::Fails(Failure::of_panic(panic, "an answer")))),
        }
    }

    /// What was to be made of their answers is dropped, each by itself.
    pub(super) fn forget_questions(&mut self) {
        for place in self.asked.places().collect::<Vec<_>>() {
            let asked = self.asked.remove(place);
            quietly(|| drop(asked));
        }
    }

    /// Wakes whoever sleeps of those something was sent to.
    #[inline(always)]
    pub(super) fn tell_lanes(&mut self) {
        if std::mem::take(&mut self.has_posted) {
            self.tell_those_posted_to();
        }
    }

    #[inline(never)]
    pub(super) fn tell_those_posted_to(&mut self) {
        let mut has_queued = false;
        for lane in self.all_lanes() {
            lane.move_on();
            has_queued |= lane.has_queued();
        }
        self.has_queued = has_queued;
        // Light: what was sent against the look at sleepers; pairs with the heavy fence of a worker or client that parks.
        if !planted("actor-sent-no-fence") {
            light_fence();
        }
        self.all_lanes().for_each(Lane::tell);
    }

    /// What waited for an actor that has ended, when nobody will read it. Those whose credit is among it hear that none comes back:
    /// they may have no more to send by which they would learn it.
    pub(super) fn lose_all(&mut self, place: Place, mailbox: &mut Mailbox) {
        let mut told = SmallVec::<[Origin; 8]>::new();
        while let Some((envelope, origin)) = self.pool.pop(mailbox) {
            if !told.contains(&origin) && !planted("actor-mail-lost-untold") {
                told.push(origin);
                self.tell_gone(place, origin);
            }
            self.lose(envelope, Loss::ActorEnded);
        }
    }
}
