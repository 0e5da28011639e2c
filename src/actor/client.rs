//! A thread outside the workers, and what it may do: here things wait.

#![forbid(unsafe_code)]

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc as Counted,
    time::{Duration, Instant},
};

use super::{
    Actor, Addr, AskError, Counts, Ended, Handle, NameError, Published, Reason, SpawnError, Spec, TellError, To,
    address::ActorId,
    ask::ReplyTo,
    core::Core,
    credit::Denied,
    envelope::{Envelope, Kind},
    failure::discard,
    lane::{Bell, Inlet, Lane, Newcomer, lane},
    message::{self, Question},
    places::Place,
    shared::Shared,
    watch::{Watcher, Who},
};
use crate::{
    ring::CapacityError,
    sync::{light_fence, planted},
    wait::{Awaited, WaitPolicy, Waiter},
};

/// The runtime as a thread outside of it sees it: made by [`Runtime::client`](super::Runtime::client), moved to the thread that is to
/// have it, one for each.
///
/// It has a ring to each worker and one from it, so it sends as one worker does to another. Its waiting calls wait by its
/// [policy](Client::set_policy).
pub struct Client {
    number: u32,
    shared: Counted<Shared>,
    /// To the workers, by their numbers, and from them.
    lanes: Vec<Lane>,
    inlets: Vec<Inlet>,
    bell: Counted<Bell>,
    waiter: Waiter,
    /// The last question: no two have the same place.
    question: u64,
    /// Where the next actor is started that is to be anywhere.
    next_worker: usize,
    answer: Option<Envelope>,
}

/// Nobody was there to answer, or in time.
type Answer<R> = Result<R, AskError>;

impl Client {
    pub(super) fn new(shared: Counted<Shared>) -> Result<Self, ClientError> {
        if shared.is_closing() {
            return Err(ClientError::ShutDown);
        }
        let number = shared.number_client().ok_or(ClientError::TooMany)?;
        let bell = Counted::<Bell>::default();
        let (mut lanes, mut inlets, mut newcomers) = (Vec::new(), Vec::new(), Vec::new());
        for worker in &shared.bells {
            let (there, inlet_there) = lane(worker.clone())?;
            let (back, inlet_here) = lane(bell.clone())?;
            lanes.push(there);
            inlets.push(inlet_here);
            newcomers.push(Newcomer { number, inlet: inlet_there, lane: back });
        }
        let waiter = Waiter::new(WaitPolicy::default());
        let client = Self { number, shared, lanes, inlets, bell, waiter, question: 0, next_worker: 0, answer: None };
        for (worker, newcomer) in client.shared.bells.iter().zip(newcomers) {
            if !worker.join(newcomer) {
                // Those it has come to see it go.
                return Err(ClientError::ShutDown);
            }
        }
        Ok(client)
    }

    /// How it waits.
    pub fn set_policy(&mut self, policy: WaitPolicy) {
        self.waiter.set_policy(policy);
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.lanes.len()
    }

    /// Sends `message`, if there is room now.
    ///
    /// # Errors
    /// Gives the message back.
    pub fn try_tell<M: Send + 'static>(&mut self, to: impl To<M>, message: M) -> Result<(), TellError<M>> {
        let (id, capacity) = to.place();
        self.hear(id);
        match self.admit(id, capacity) {
            Ok(number) => {
                self.post(number, message::of_verb(to.verb(), id.place, message));
                Ok(())
            }
            Err(denied) => Err(TellError::new(denied, message)),
        }
    }

    /// Sends `message`, and waits for room if there is none.
    ///
    /// # Errors
    /// Gives the message back: the actor has ended, or the runtime.
    pub fn tell<M: Send + 'static>(&mut self, to: impl To<M>, message: M) -> Result<(), TellError<M>> {
        self.tell_until(to, message, None)
    }

    /// As [`tell`](Self::tell), but waits at most `timeout`.
    ///
    /// # Errors
    /// Likewise; or there was no room in that time.
    pub fn tell_timeout<M: Send + 'static>(
        &mut self,
        to: impl To<M>,
        message: M,
        timeout: Duration,
    ) -> Result<(), TellError<M>> {
        self.tell_until(to, message, Instant::now().checked_add(timeout))
    }

    fn tell_until<M: Send + 'static>(
        &mut self,
        to: impl To<M>,
        message: M,
        deadline: Option<Instant>,
    ) -> Result<(), TellError<M>> {
        let (id, capacity) = to.place();
        self.hear(id);
        match self.admit_until(id, capacity, deadline) {
            Ok(number) => {
                self.post(number, message::of_verb(to.verb(), id.place, message));
                Ok(())
            }
            Err(denied) => Err(TellError::new(denied, message)),
        }
    }

    /// Asks, and waits for the answer: at most `timeout`, with the wait for room.
    ///
    /// # Errors
    /// There is none. After [`AskError::TimedOut`] it may be handled still.
    pub fn ask<A, M>(&mut self, to: Addr<A>, message: M, timeout: Duration) -> Result<A::Reply, AskError>
    where
        A: Handle<M>,
        M: Send + 'static,
    {
        let deadline = Instant::now().checked_add(timeout);
        let number = self.admit_until(to.id, to.capacity, deadline).map_err(|denied| match denied {
            Denied::Full => AskError::TimedOut,
            Denied::Gone if self.shared.is_closing() => AskError::ShutDown,
            Denied::Gone => AskError::Gone,
        })?;
        self.put_question(number, to, message);
        self.await_answer(number, deadline)
    }

    /// Asks that worker's actor, which it has credit for.
    fn put_question<A: Handle<M>, M: Send + 'static>(&mut self, number: u32, to: Addr<A>, message: M) {
        let asker = self.asker();
        self.post(number, message::question::<A, M>(to.id.place, Question { message, asker }));
    }

    /// Asks, if there is room now, and does not wait for the answer: [`take_answer`](Self::take_answer) has it.
    pub(super) fn try_ask<A: Handle<M>, M: Send + 'static>(
        &mut self,
        to: Addr<A>,
        message: M,
    ) -> Result<(), TellError<M>> {
        match self.admit(to.id, to.capacity) {
            Ok(number) => {
                self.put_question(number, to, message);
                Ok(())
            }
            Err(denied) => Err(TellError::new(denied, message)),
        }
    }

    /// Has a worker do something, and does not wait for what comes of it: [`take_answer`](Self::take_answer) has it.
    pub(super) fn let_do<R: Send + 'static>(&mut self, number: u32, job: impl FnOnce(&mut Core) -> R + Send + 'static) {
        let asker = self.asker();
        // There may be code of the application's in it, and a worker goes on whatever that does.
        let job = move |core: &mut Core| match catch_unwind(AssertUnwindSafe(|| job(core))) {
            Ok(done) => core.post_answer(asker, message::answer(asker.place, done)),
            Err(panic) => {
                discard(panic);
                core.post_answer(asker, message::failure(asker.place, AskError::Failed));
            }
        };
        self.post(number, message::job(job));
    }

    /// What has come of the last question, if anything has: of the type of its answer.
    pub(super) fn take_answer<R: 'static>(&mut self) -> Option<Answer<R>> {
        self.take_in();
        self.answer.take().map(message::into_answer)
    }

    /// Starts an actor on the worker that has that number, from 0, and waits until its `start` has run. Nobody supervises it.
    ///
    /// # Errors
    /// It was not started.
    pub fn spawn_on<A: Actor>(&mut self, worker: usize, spec: Spec<A>) -> Result<Addr<A>, SpawnError> {
        let number = u32::try_from(worker).ok().filter(|_| worker < self.lanes.len()).ok_or(SpawnError::NoPlace)?;
        self.have(number, move |core| core.spawn(spec, None)).unwrap_or(Err(SpawnError::ShutDown))
    }

    /// As [`spawn_on`](Self::spawn_on), on any worker: on each in turn, from the first.
    ///
    /// # Errors
    /// Likewise.
    pub fn spawn<A: Actor>(&mut self, spec: Spec<A>) -> Result<Addr<A>, SpawnError> {
        let worker = self.next_worker % self.lanes.len();
        self.next_worker = worker + 1;
        self.spawn_on(worker, spec)
    }

    /// As [`spawn_on`](Self::spawn_on), on the worker of another actor, which may have ended.
    ///
    /// # Errors
    /// Likewise; there is no such worker in this runtime.
    pub fn spawn_beside<A: Actor>(&mut self, other: ActorId, spec: Spec<A>) -> Result<Addr<A>, SpawnError> {
        self.spawn_on(self.worker_of(other).ok_or(SpawnError::NoPlace)?, spec)
    }

    /// The number of the worker that an actor is on. `None`: it is of another runtime.
    pub fn worker_of(&self, id: ActorId) -> Option<usize> {
        Some(id.worker.wrapping_sub(self.shared.base) as usize).filter(|worker| *worker < self.lanes.len())
    }

    /// What that worker did so far; waits until it says so.
    ///
    /// # Errors
    /// The runtime shuts down, or ([`Gone`](AskError::Gone)) there is no such worker.
    pub fn counts(&mut self, worker: usize) -> Result<Counts, AskError> {
        let number = u32::try_from(worker).ok().filter(|_| worker < self.lanes.len()).ok_or(AskError::Gone)?;
        self.have(number, |core| core.counts)
    }

    /// The actor is to stop when it has handled what was sent to it before by this client.
    pub fn stop(&mut self, id: ActorId) {
        let number = id.worker.wrapping_sub(self.shared.base);
        if (number as usize) < self.lanes.len() && self.await_room(number, None).is_ok() {
            self.post(number, message::job(move |core: &mut Core| core.let_stop(id.place)));
        }
    }

    /// The actor is to stop before it handles anything else. What waits for it is lost, and counted.
    pub fn stop_now(&mut self, id: ActorId) {
        let number = id.worker.wrapping_sub(self.shared.base);
        if (number as usize) < self.lanes.len() && self.await_room(number, None).is_ok() {
            self.post(number, message::job(move |core: &mut Core| core.stop(id.place)));
        }
    }

    /// Waits until the actor has ended, at most `timeout`; how it came to that.
    ///
    /// # Errors
    /// It has not ended in that time, or the runtime has before.
    pub fn wait_for_end(&mut self, id: ActorId, timeout: Duration) -> Result<Reason, AskError> {
        let deadline = Instant::now().checked_add(timeout);
        let number = id.worker.wrapping_sub(self.shared.base);
        if number as usize >= self.lanes.len() {
            return Ok(Reason::Gone);
        }
        self.await_room(number, deadline).map_err(|denied| match denied {
            Denied::Full => AskError::TimedOut,
            Denied::Gone => AskError::ShutDown,
        })?;
        let asker = self.asker();
        let tell = Box::new(move |core: &mut Core, ended: Ended| {
            core.post_answer(asker, message::answer(asker.place, ended.reason));
        });
        let who = Who::Client(asker);
        self.post(number, message::job(move |core: &mut Core| core.watch(id, Watcher { who, tell })));
        let answer = self.await_answer(number, deadline);
        // Without room its watcher stays, whose word is for nobody.
        if answer == Err(AskError::TimedOut) && self.lanes[number as usize].has_room() {
            self.post(number, message::job(move |core: &mut Core| core.unwatch(id.place, who)));
        }
        answer
    }

    /// Tells a clone of `event` to all actors that have [subscribed](super::Ctx::subscribe) to its type and have room for it; waits
    /// until the first worker has.
    ///
    /// # Errors
    /// The runtime shuts down; or [`AskError::Failed`]: the event could not be cloned, and some may have it.
    pub fn publish<E: Clone + Send + 'static>(&mut self, event: &E) -> Result<Published, AskError> {
        let event = event.clone();
        self.have(0, move |core| core.publish(&event))
    }

    /// How many messages and requests of this client's the runtime has ended without taking: 0 while it runs. They are in none of the
    /// numbers that [it reports](super::Report).
    pub fn untaken(&self) -> usize {
        self.lanes.iter().filter(|lane| lane.is_closed()).map(Lane::untaken).sum()
    }

    /// Who has that name.
    ///
    /// # Errors
    /// Nobody, or an actor of another type.
    pub fn find<A: Actor>(&self, name: &str) -> Result<Addr<A>, NameError> {
        self.shared.names.find(name)
    }

    /// Has a worker do something, and waits for what comes of it.
    fn have<R: Send + 'static>(&mut self, number: u32, job: impl FnOnce(&mut Core) -> R + Send + 'static) -> Answer<R> {
        self.await_room(number, None).map_err(|_| AskError::ShutDown)?;
        self.let_do(number, job);
        self.await_answer(number, None)
    }

    fn asker(&mut self) -> ReplyTo {
        self.question += 1;
        self.answer = None;
        ReplyTo { lane: self.number, place: self.place() }
    }

    fn place(&self) -> Place {
        Place { index: self.question as u32, generation: (self.question >> 32) as u32 }
    }

    /// Is it the answer to the last question?
    fn is_awaited(&self, answer: &Envelope) -> bool {
        answer.to() == self.place() || planted("client-answer-unmatched")
    }

    /// Waits for the answer to the last question, from that worker.
    fn await_answer<R: 'static>(&mut self, number: u32, deadline: Option<Instant>) -> Answer<R> {
        let answered = self.wait(deadline, None, |client| {
            if let Some(answer) = client.answer.take() {
                return Some(Ok(answer));
            }
            client.is_over(number).then_some(Err(AskError::ShutDown))
        });
        message::into_answer(answered.unwrap_or(Err(AskError::TimedOut))?)
    }

    /// Takes what has come from the worker of `id`: that it has ended may be among it. Who asks hears of that anyway.
    #[inline]
    fn hear(&mut self, id: ActorId) {
        let number = id.worker.wrapping_sub(self.shared.base);
        if self.inlets.get(number as usize).is_some_and(|inlet| !inlet.is_empty()) {
            self.take_in();
        }
    }

    fn admit(&mut self, to: ActorId, capacity: u32) -> Result<u32, Denied> {
        let number = to.worker.wrapping_sub(self.shared.base);
        if self.is_gone(number) {
            return Err(Denied::Gone);
        }
        let lane = &mut self.lanes[number as usize];
        if !lane.has_room() {
            return Err(Denied::Full);
        }
        match lane.credit.take(to.place, capacity) {
            Err(Denied::Full) => {}
            done => return done.map(|()| number),
        }
        self.take_in();
        self.lanes[number as usize].credit.take(to.place, capacity).map(|()| number)
    }

    fn admit_until(&mut self, to: ActorId, capacity: u32, deadline: Option<Instant>) -> Result<u32, Denied> {
        match self.admit(to, capacity) {
            Err(Denied::Full) => {}
            done => return done,
        }
        let number = to.worker.wrapping_sub(self.shared.base);
        self.wait(deadline, Some(number), |client| match client.admit(to, capacity) {
            Err(Denied::Full) => None,
            done => Some(done),
        })
        .unwrap_or(Err(Denied::Full))
    }

    fn await_room(&mut self, number: u32, deadline: Option<Instant>) -> Result<(), Denied> {
        self.wait(deadline, Some(number), |client| {
            if client.is_gone(number) {
                return Some(Err(Denied::Gone));
            }
            client.lanes[number as usize].has_room().then_some(Ok(()))
        })
        .unwrap_or(Err(Denied::Full))
    }

    /// There is room for it.
    fn post(&mut self, number: u32, envelope: Envelope) {
        let lane = &mut self.lanes[number as usize];
        // The worker may have gone since: it is lost with its ring.
        _ = lane.post(envelope);
        lane.move_on();
        // Light: what was sent against the look at a sleeper; pairs with the heavy fence of a worker that parks.
        if !planted("client-sent-no-fence") {
            light_fence();
        }
        lane.tell();
    }

    /// Has that worker ended, or is it none of this runtime's?
    fn is_gone(&self, number: u32) -> bool {
        // What comes from there is closed first, and who waits is woken by that.
        self.inlets.get(number as usize).is_none_or(Inlet::is_closed) || self.lanes[number as usize].is_closed()
    }

    /// That worker says nothing any more.
    fn is_over(&self, number: u32) -> bool {
        let inlet = &self.inlets[number as usize];
        inlet.is_closed() && inlet.is_empty()
    }

    /// Takes what has come.
    fn take_in(&mut self) {
        for number in 0..self.inlets.len() {
            let mut has_taken = false;
            while let Ok(envelope) = self.inlets[number].pop() {
                has_taken = true;
                match envelope.kind() {
                    Kind::Credit => self.lanes[number].credit.give_back(message::into_credit(envelope)),
                    Kind::Reply | Kind::Failure if self.is_awaited(&envelope) => self.answer = Some(envelope),
                    // An answer that is too late.
                    _ => drop(envelope),
                }
            }
            if has_taken {
                // Light: the room against the look at who waits for it; pairs with the heavy fence of a worker that parks.
                if !planted("client-taken-no-fence") {
                    light_fence();
                }
                if self.inlets[number].is_wanted() {
                    self.lanes[number].bell().signal.notify();
                }
            }
        }
    }

    /// Waits until `look` finds something, after what has come was taken in: if that may be room, it is that worker's to tell of it.
    fn wait<R>(
        &mut self,
        deadline: Option<Instant>,
        room: Option<u32>,
        look: impl FnMut(&mut Self) -> Option<R>,
    ) -> Option<R> {
        let mut waiter = std::mem::replace(&mut self.waiter, Waiter::new(WaitPolicy::default()));
        let bell = self.bell.clone();
        let found = waiter.wait(&bell.signal, deadline, &mut Wanted { client: self, room, look });
        self.waiter = waiter;
        found.ok()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.lanes.clear();
        // They look who has gone.
        if !planted("client-leaves-silently") {
            self.shared.bells.iter().for_each(|bell| bell.tell());
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("number", &self.number).finish_non_exhaustive()
    }
}

/// What a client waits for.
struct Wanted<'a, F> {
    client: &'a mut Client,
    room: Option<u32>,
    look: F,
}

impl<F> Wanted<'_, F> {
    /// Where it waits for room.
    fn room(&mut self) -> Option<&mut Lane> {
        self.room.and_then(|number| self.client.lanes.get_mut(number as usize))
    }
}

impl<R, F: FnMut(&mut Client) -> Option<R>> Awaited for Wanted<'_, F> {
    type Ready = R;

    fn look(&mut self) -> Option<R> {
        self.client.take_in();
        (self.look)(self.client)
    }

    fn announce(&mut self) -> bool {
        if let Some(lane) = self.room() {
            lane.want_room();
        }
        true
    }

    fn withdraw(&mut self) {
        if let Some(lane) = self.room() {
            lane.withdraw();
        }
    }
}

/// Why there is no client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientError {
    /// The runtime shuts down.
    ShutDown,
    /// Four thousand million were made.
    TooMany,
    /// There is no memory for its rings.
    OutOfMemory(CapacityError),
}

impl From<CapacityError> for ClientError {
    fn from(error: CapacityError) -> Self {
        Self::OutOfMemory(error)
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShutDown => f.write_str("the runtime shuts down"),
            Self::TooMany => f.write_str("there are no numbers left for clients"),
            Self::OutOfMemory(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ClientError {}
