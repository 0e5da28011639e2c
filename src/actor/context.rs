//! What a handler may do.

#![forbid(unsafe_code)]

use std::{
    fmt,
    marker::PhantomData,
    time::{Duration, Instant},
};

use super::{
    Actor, Addr, AskError, Asker, Client, ClientError, Ended, Failure, Handle, NameError, Published, SpawnError, Spec,
    Timer,
    address::ActorId,
    ask::{Asked, ReplyTo},
    core::Core,
    deadletter::Loss,
    message::{self, Question},
    places::Place,
    supervision::DEFAULT_OUTBOX,
    tell::{Policy, TellError, To, Whom},
    timers::Alarm,
    turns::Outcome,
    watch::{Watcher, Who},
};

/// What an actor's code may do while it runs: tell and ask others, start and stop them, set timers. Nothing here waits.
pub struct Ctx<'a, A> {
    pub(super) core: &'a mut Core,
    of: PhantomData<fn(A)>,
}

impl<'a, A: Actor> Ctx<'a, A> {
    pub(super) fn new(core: &'a mut Core) -> Self {
        Self { core, of: PhantomData }
    }

    fn place(&self) -> Place {
        self.core.running.expect("a context is made for an actor whose code runs")
    }

    /// Its own address.
    pub fn addr(&mut self) -> Addr<A> {
        let place = self.place();
        let capacity = self.core.cells.at(place).map_or(0, |cell| cell.capacity);
        Addr::new(self.core.id(place), capacity)
    }

    /// The number of the worker it runs on, of its runtime: from 0.
    pub fn worker(&self) -> usize {
        self.core.me as usize
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.core.shared.bells.len()
    }

    /// The runtime as another thread sees it: to be moved to one. Here it would wait for its own worker.
    ///
    /// # Errors
    /// There is no memory for its rings, or the runtime shuts down.
    pub fn client(&self) -> Result<Client, ClientError> {
        Client::new(self.core.shared.clone())
    }

    /// The time, read at most once in a turn of the worker: it is the same for all that is due in it.
    pub fn now(&mut self) -> Instant {
        self.core.clock.now()
    }

    /// Sends `message`, if there is room. Never waits. To an actor of the same worker without an atomic operation.
    ///
    /// # Errors
    /// Gives the message back.
    #[inline]
    pub fn try_tell<M: Send + 'static>(&mut self, to: impl To<M>, message: M) -> Result<(), TellError<M>> {
        let (id, capacity) = to.place();
        match self.core.admit(id, capacity) {
            Ok(route) => {
                message::post(self.core, route, to.verb(), id.place, message);
                Ok(())
            }
            Err(denied) => Err(TellError::new(denied, message)),
        }
    }

    /// Sends `message`; if there is no room now, `policy` says what becomes of it. Never waits.
    ///
    /// # Errors
    /// Gives the message back: the actor has ended, or more would be deferred than may be.
    #[inline]
    pub fn tell<M: Send + 'static>(&mut self, to: impl To<M>, message: M, policy: Policy) -> Result<(), TellError<M>> {
        match self.try_tell(to, message) {
            Err(TellError::Full(message)) => self.tell_later(to, message, policy),
            done => done,
        }
    }

    #[cold]
    fn tell_later<M: Send + 'static>(
        &mut self,
        to: impl To<M>,
        message: M,
        policy: Policy,
    ) -> Result<(), TellError<M>> {
        let (from, (id, capacity)) = (self.place(), to.place());
        let of = |message| message::of_verb(to.verb(), id.place, message);
        let limit =
            self.core.cells.at(from).and_then(|cell| cell.rare.as_ref()).map_or(DEFAULT_OUTBOX, |rare| rare.outbox);
        let has_room = self.core.outbox.count(from) < limit;
        let number = self.core.number(id);
        match policy {
            Policy::DropNewest => self.core.lose_there(number, of(message), Loss::Dropped),
            Policy::Defer if !has_room => return Err(TellError::Full(message)),
            Policy::DropOldest if !has_room => {
                match self.core.outbox.take_oldest(from, id) {
                    Some(oldest) => {
                        self.core.lose_there(number, oldest, Loss::Dropped);
                        self.core.outbox.push(from, id, capacity, of(message));
                    }
                    None => self.core.lose_there(number, of(message), Loss::Dropped),
                };
            }
            Policy::Defer | Policy::DropOldest => self.core.outbox.push(from, id, capacity, of(message)),
        }
        Ok(())
    }

    /// Asks `to`, and has what `then` makes of the answer as a message of its own: also if there is none within `timeout`. Never waits.
    /// The answer to a question is always told, once.
    ///
    /// A `then` that captures nothing costs no allocation.
    ///
    /// # Errors
    /// Gives the message back, and `then` is not called.
    pub fn ask<B, M, N>(
        &mut self,
        to: Addr<B>,
        message: M,
        timeout: Duration,
        then: impl FnOnce(Result<B::Reply, AskError>) -> N + 'static,
    ) -> Result<(), TellError<M>>
    where
        B: Handle<M>,
        M: Send + 'static,
        A: Handle<N>,
        N: Send + 'static,
    {
        let route = match self.core.admit(to.id, to.capacity) {
            Ok(route) => route,
            Err(denied) => return Err(TellError::new(denied, message)),
        };
        let asker = self.ask_of(Asked::new::<A, N, B::Reply>(self.place(), then), Some(timeout));
        self.core.post(route, message::question::<B, M>(to.id.place, Question { message, asker }));
        Ok(())
    }

    /// Has what `then` makes as a message when `to` has handled all that this actor has sent it by now, or has ended: the mark takes
    /// room in its mailbox as a message does.
    #[cfg(feature = "remote")]
    pub(crate) fn mark<B: Actor, N: Send + 'static>(
        &mut self,
        to: Addr<B>,
        then: impl FnOnce(Result<(), AskError>) -> N + 'static,
    ) -> Result<(), TellError<()>>
    where
        A: Handle<N>,
    {
        let route = self.core.admit(to.id, to.capacity).map_err(|denied| TellError::new(denied, ()))?;
        let asker = self.ask_of(Asked::new::<A, N, ()>(self.place(), then), None);
        self.core.post(route, message::mark(to.id.place, asker));
        Ok(())
    }

    /// Takes it upon itself to answer the question that is being handled, of type `M`, at a later time, with
    /// [`answer`](Self::answer). What the handler returns goes to nobody then: let its reply be one that can say so, an `Option`, say.
    /// `None`: nobody has asked (it was told), what is handled is no `M`, or it was taken before.
    ///
    /// ```
    /// # use ringway::actor::{Actor, Asker, Ctx, Failure, Handle, Runtime, Spec};
    /// # use std::time::Duration;
    /// /// Says what it was asked, a little later.
    /// struct Echo(Vec<(Asker<Option<u32>>, u32)>);
    ///
    /// struct Late;
    ///
    /// # impl Actor for Echo {
    /// #     type Args = ();
    /// #     fn start((): (), _: &mut Ctx<'_, Self>) -> Result<Self, Failure> { Ok(Self(Vec::new())) }
    /// # }
    /// impl Handle<u32> for Echo {
    ///     type Reply = Option<u32>;
    ///
    ///     fn on(&mut self, number: u32, ctx: &mut Ctx<'_, Self>) -> Option<u32> {
    ///         if let Some(asker) = ctx.asker::<u32>() {
    ///             self.0.push((asker, number));
    ///             ctx.after(Duration::from_millis(1), Late);
    ///         }
    ///         None
    ///     }
    /// }
    ///
    /// impl Handle<Late> for Echo {
    ///     type Reply = ();
    ///
    ///     fn on(&mut self, _: Late, ctx: &mut Ctx<'_, Self>) {
    ///         for (asker, number) in self.0.drain(..) {
    ///             ctx.answer(asker, Some(number));
    ///         }
    ///     }
    /// }
    ///
    /// let runtime = Runtime::builder().start()?;
    /// let mut client = runtime.client()?;
    /// let echo = client.spawn(Spec::<Echo>::new(()))?;
    /// assert_eq!(client.ask(echo, 7, Duration::from_secs(5))?, Some(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn asker<M: Send + 'static>(&mut self) -> Option<Asker<A::Reply>>
    where
        A: Handle<M>,
    {
        let place = self.place();
        let place = self.core.open::<M>(place)?;
        Some(Asker::new(self.core.shared.base + self.core.me, place))
    }

    /// Answers who has asked. False: nobody waits for it any more, as far as this worker knows.
    pub fn answer<R: Send + 'static>(&mut self, asker: Asker<R>, answer: R) -> bool {
        // One of another worker can be come by on a stage, where they are all on one thread: its place here is another's.
        if asker.worker != self.core.shared.base + self.core.me {
            return false;
        }
        let to = self.core.close(asker.place);
        // Its drop is for those that are not answered.
        std::mem::forget(asker);
        let Some(to) = to else { return false };
        self.core.post_answer(to, message::answer(to.place, answer));
        true
    }

    /// Sends itself `message` as soon as `to` has room for half of what it can have from this worker; now, if it has. Or when it has ended:
    /// whoever sends then is told. It comes before other messages that wait.
    ///
    /// With [`hold`](Self::hold) that is how an actor passes on what it is told no faster than it is taken.
    pub fn when_room<M: Send + 'static>(&mut self, to: impl Whom, message: M)
    where
        A: Handle<M>,
    {
        let (seeker, (to, capacity)) = (self.place(), to.place());
        self.core.seek_room(seeker, to, capacity, message::envelope::<A, M>(seeker, message));
    }

    /// Takes none of the messages that others send, until it [resumes](Self::resume): they wait, and those who send more find it full.
    /// What it has asked for itself comes: answers, timers that come once, room, ends of others; and [`Actor::asked_to_stop`].
    pub fn hold(&mut self) {
        self.set_held(true);
    }

    /// Takes messages again.
    pub fn resume(&mut self) {
        self.set_held(false);
    }

    fn set_held(&mut self, is_held: bool) {
        let place = self.place();
        let Some(cell) = self.core.cells.at(place) else { return };
        let has_changed = std::mem::replace(&mut cell.is_held, is_held) != is_held;
        if is_held && has_changed && cell.is_to_stop && !cell.was_asked {
            self.core.tell_of_stop(place);
        }
    }

    /// Is told what is published of type `E`, by whomever, until it ends or [unsubscribes](Self::unsubscribe). Once, however often it asks
    /// for that. Started again it has its subscriptions still.
    ///
    /// Those who are told that it has subscribed have it among their subscribers.
    pub fn subscribe<E: Clone + Send + 'static>(&mut self)
    where
        A: Handle<E>,
    {
        let subscriber = self.addr().recipient::<E>();
        self.core.subscribe(subscriber);
    }

    /// Is told no more of what is published of type `E`, but what is on its way.
    pub fn unsubscribe<E: 'static>(&mut self) {
        let place = self.place();
        self.core.unsubscribe::<E>(self.core.id(place));
    }

    /// Tells a clone of `event` to all who have [subscribed](Self::subscribe) to its type and have room for it. Never waits.
    pub fn publish<E: Clone + Send + 'static>(&mut self, event: &E) -> Published {
        self.core.publish(event)
    }

    fn ask_of(&mut self, asked: Asked, timeout: Option<Duration>) -> ReplyTo {
        let place = self.core.asked.insert((asked, None)).expect("memory holds fewer questions than there are numbers");
        // What lies beyond all that a clock can say never comes.
        if let Some(at) = timeout.and_then(|timeout| self.core.clock.now().checked_add(timeout)) {
            let key = self.core.alarms.set(at, Alarm::Answer(place));
            if let Some((_, slot)) = self.core.asked.at(place) {
                *slot = Some(key);
            }
        }
        ReplyTo { lane: self.core.me, place }
    }

    /// Starts an actor on this worker, which this one supervises: when this ends that is stopped first. `start` has run when this
    /// returns.
    ///
    /// # Errors
    /// It was not started, and nothing is left of it.
    pub fn spawn<B: Actor>(&mut self, spec: Spec<B>) -> Result<Addr<B>, SpawnError> {
        let place = self.place();
        let parent = self.core.id(place);
        let rank = self.core.next_rank(place).ok_or(SpawnError::NoPlace)?;
        let addr = self.core.spawn(spec, Some((parent, rank)))?;
        self.core.adopt(place, rank, addr.id);
        Ok(addr)
    }

    /// Starts an actor on the worker of that number, as [`spawn`](Self::spawn) does here; what `then` makes of what has become of it
    /// comes as a message.
    pub fn spawn_on<B, N>(
        &mut self,
        worker: usize,
        spec: Spec<B>,
        then: impl FnOnce(Result<Addr<B>, SpawnError>) -> N + 'static,
    ) where
        B: Actor,
        A: Handle<N>,
        N: Send + 'static,
    {
        let place = self.place();
        let parent = self.core.id(place);
        let rank = self.core.next_rank(place);
        let then =
            |answer: Result<Result<Addr<B>, SpawnError>, AskError>| then(answer.unwrap_or(Err(SpawnError::ShutDown)));
        let asker = self.ask_of(Asked::new::<A, N, _>(place, then), None);
        let number = u32::try_from(worker).ok().filter(|number| (*number as usize) < self.workers());
        let (Some(number), Some(rank)) = (number, rank) else {
            let none: Result<Addr<B>, SpawnError> = Err(SpawnError::NoPlace);
            return self.core.post_answer(asker, message::answer(asker.place, none));
        };
        let parent_number = self.core.me;
        self.core.have(number, move |core| {
            let spawned = core.spawn(spec, Some((parent, rank)));
            if let Ok(addr) = &spawned {
                let child = addr.id;
                core.have(parent_number, move |core| core.adopt(parent.place, rank, child));
            }
            core.post_answer(asker, message::answer(asker.place, spawned));
        });
    }

    /// The number of the worker that an actor is on: for [`spawn_on`](Self::spawn_on), to be beside it. `None`: it is of another runtime.
    pub fn worker_of(&self, id: ActorId) -> Option<usize> {
        Some(self.core.number(id) as usize).filter(|worker| *worker < self.workers())
    }

    /// Links this actor with another: when one of them ends by failing, the other fails of that. At once, if that one has ended.
    ///
    /// One that is started again has not ended, and one that is stopped has not failed.
    pub fn link(&mut self, other: ActorId) {
        // Once is enough.
        self.unlink(other);
        let me = self.core.id(self.place());
        self.core.watch(me, Watcher::linked(other, me));
        let watcher = Watcher::linked(me, other);
        match self.worker_of(other) {
            Some(worker) => self.core.have(worker as u32, move |core| core.watch(other, watcher)),
            None => self.core.watch_nobody(other, watcher),
        }
    }

    /// Takes a link back, on both sides. What is on its way comes still.
    pub fn unlink(&mut self, other: ActorId) {
        let me = self.core.id(self.place());
        self.core.unwatch(me.place, Who::Linked(other));
        if let Some(worker) = self.worker_of(other) {
            self.core.have(worker as u32, move |core| core.unwatch(other.place, Who::Linked(me)));
        }
    }

    /// This actor ends when its handler has returned. What waits for it is lost, and counted.
    pub fn stop(&mut self) {
        self.core.stop_current();
    }

    /// This actor has failed: what its [`Spec`] says is done when the handler has returned.
    pub fn fail(&mut self, failure: impl Into<Failure>) {
        self.core.outcome = Outcome::Fails(failure.into());
    }

    /// An actor of this runtime is to stop when it has handled what was sent to it before.
    pub fn stop_actor(&mut self, id: ActorId) {
        let number = self.core.number(id);
        if (number as usize) < self.workers() {
            self.core.have(number, move |core| core.let_stop(id.place));
        }
    }

    /// An actor of this runtime is to stop before it handles anything else. What waits for it is lost, and counted.
    pub fn stop_actor_now(&mut self, id: ActorId) {
        let number = self.core.number(id);
        if (number as usize) < self.workers() {
            self.core.have(number, move |core| core.stop(id.place));
        }
    }

    /// Sends itself `message` after `delay`, unless it has ended or failed by then: a timer is of one life.
    pub fn after<M: Send + 'static>(&mut self, delay: Duration, message: M) -> Timer
    where
        A: Handle<M>,
    {
        let place = self.place();
        let envelope = message::envelope::<A, M>(place, message);
        let at = self.core.after(delay);
        self.core.set_timer(place, at, |timer| Alarm::Once { timer, envelope }).expect("timers have numbers enough")
    }

    /// Sends itself what `make` makes, the first time after `period` and then again and again. What it has no room for, or what is
    /// due while it is busy for more than a period, is left out. Ends as other [timers](Self::after) do.
    pub fn every<M: Send + 'static>(&mut self, period: Duration, mut make: impl FnMut() -> M + 'static) -> Timer
    where
        A: Handle<M>,
    {
        let to = self.place();
        let make = Box::new(move || message::envelope::<A, M>(to, make()));
        // None at all would be due again and again at the same time.
        let period = period.max(Duration::from_nanos(1));
        let due = self.core.after(period);
        let alarm = |timer| Alarm::Every { timer, to, due, period, make };
        self.core.set_timer(to, due, alarm).expect("timers have numbers enough")
    }

    /// Takes a timer back. False: it was over, or is another actor's.
    pub fn cancel(&mut self, timer: Timer) -> bool {
        self.core.cancel_timer(self.place(), timer)
    }

    /// Sends itself what `then` makes of it when that actor ends; at once, if it has ended. Whoever fails watches nobody any more.
    pub fn watch<N: Send + 'static>(&mut self, id: ActorId, then: impl FnOnce(Ended) -> N + Send + 'static)
    where
        A: Handle<N>,
    {
        let place = self.place();
        let who = self.core.id(place);
        let then = move |ended| message::envelope::<A, N>(place, then(ended));
        let tell = Box::new(move |core: &mut Core, ended| core.tell_end(who, then, ended));
        let watcher = Watcher { who: Who::Actor(who), tell };
        let number = self.core.number(id);
        if (number as usize) < self.workers() {
            self.core.note_watched(place, id);
            self.core.have(number, move |core| core.watch(id, watcher));
        } else {
            self.core.watch_nobody(id, watcher);
        }
    }

    /// Watches that actor no more. What is on its way comes still.
    pub fn unwatch(&mut self, id: ActorId) {
        let who = self.core.id(self.place());
        let number = self.core.number(id);
        if (number as usize) < self.workers() {
            self.core.forget_watched(who.place, id);
            self.core.have(number, move |core| core.unwatch(id.place, Who::Actor(who)));
        }
    }

    /// Gives itself a name, by which it is found in this runtime until it ends. It may have it already, from an earlier life.
    ///
    /// # Errors
    /// Another has it.
    pub fn register(&mut self, name: impl Into<String>) -> Result<(), NameError> {
        let addr = self.addr();
        self.core.shared.names.give(name.into(), addr)?;
        if let Some(rare) = self.core.rare(addr.id.place) {
            rare.is_named = true;
        }
        Ok(())
    }

    /// Who has that name.
    ///
    /// # Errors
    /// Nobody, or an actor of another type.
    pub fn find<B: Actor>(&self, name: &str) -> Result<Addr<B>, NameError> {
        self.core.shared.names.find(name)
    }
}

impl<A> fmt::Debug for Ctx<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx").field("worker", &self.core.me).field("place", &self.core.running).finish_non_exhaustive()
    }
}
