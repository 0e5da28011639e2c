//! Programs for the model checkers: production workers, clients and lanes, with the least an actor can be. A worker or client that
//! sleeps for ever shows as a deadlock, which both checkers report as a panic.
//!
//! What actors see is logged under `std`'s lock, which is no step of a model. It is asked for on the thread that wrote it, or when that
//! has been joined. A model that failed unwinds past its parts, and the checkers' must not be dropped then.

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_types, reason = "the log is not of the model")]

use std::{
    mem::ManuallyDrop,
    sync::{Arc as Counted, Mutex as Unseen, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Actor, Addr, AskError, Client, Counts, Ctx, Failure, Handle, Policy, Spec, TellError,
    address::ActorId,
    core::Core,
    lane::{Inlet, Lane},
    places::Place,
    shared::{Inlets, Lanes, Order, Shared, rings},
    worker::{Said, Worker},
};
use crate::{sync::thread, wait::WaitPolicy};

/// What happened, in order.
#[derive(Debug)]
pub(crate) struct Log<T>(Counted<Unseen<Vec<T>>>);

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self(Counted::default())
    }
}

impl<T> Log<T> {
    pub(crate) fn note(&self, what: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Notes the numbers it is told or asked, and ends at one of them.
struct Sink {
    seen: Log<u32>,
    /// No more of these are sent than may be.
    sent: Log<u32>,
    last: Option<u32>,
}

impl Actor for Sink {
    type Args = (Log<u32>, Log<u32>, Option<u32>);

    fn start((seen, sent, last): Self::Args, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self { seen, sent, last })
    }
}

impl Handle<u32> for Sink {
    type Reply = u32;

    fn on(&mut self, number: u32, ctx: &mut Ctx<'_, Self>) -> u32 {
        assert!(self.sent.len() <= self.seen.len() + ctx.addr().capacity() as usize, "more than there is room for");
        self.seen.note(number);
        if self.last == Some(number) {
            ctx.stop();
        }
        number
    }
}

/// Tells a sink `0..count` when it starts; what finds no credit goes when there is some.
struct Source;

impl Actor for Source {
    type Args = (Addr<Sink>, u32);

    fn start((to, count): Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        (0..count).for_each(|number| ctx.tell(to, number, Policy::Defer).unwrap());
        Ok(Self)
    }
}

/// Workers that are not made yet: each is made on the thread that turns it.
struct Stage {
    shared: Counted<Shared>,
    lanes: Lanes,
    inlets: Inlets,
}

type Part = ManuallyDrop<Worker>;

impl Stage {
    fn new(workers: usize) -> Self {
        let shared = Counted::new(Shared::new(0, workers, None, None));
        let (lanes, inlets) = rings(&shared).unwrap();
        Self { shared, lanes, inlets }
    }

    /// What makes the last worker that was not made yet.
    fn pop(&mut self) -> Cast {
        let (lanes, inlets) = (self.lanes.pop().unwrap(), self.inlets.pop().unwrap());
        Cast(ManuallyDrop::new(Parts { number: self.lanes.len() as u32, shared: self.shared.clone(), lanes, inlets }))
    }

    fn client(&self) -> ManuallyDrop<Client> {
        ManuallyDrop::new(Client::new(self.shared.clone()).unwrap())
    }
}

/// A worker to be.
struct Cast(ManuallyDrop<Parts>);

struct Parts {
    number: u32,
    shared: Counted<Shared>,
    lanes: Vec<Option<Lane>>,
    inlets: Vec<(u32, Inlet)>,
}

impl Cast {
    /// The worker, with one actor.
    fn play<A: Actor>(self, spec: Spec<A>) -> (Part, Addr<A>) {
        let Parts { number, shared, lanes, inlets } = ManuallyDrop::into_inner(self.0);
        let mut core = Core::new(number, shared, lanes, Instant::now());
        let addr = core.spawn(spec, None).unwrap();
        (ManuallyDrop::new(Worker::new(core, inlets)), addr)
    }
}

/// The first actor of a worker.
fn first_of<A: Actor>(worker: u32, capacity: u32) -> Addr<A> {
    Addr::new(ActorId { worker, place: Place { index: 0, generation: 0 } }, capacity)
}

fn sink(seen: &Log<u32>, last: Option<u32>, capacity: u32) -> Spec<Sink> {
    sink_of(seen, &Log::default(), last, capacity)
}

fn sink_of(seen: &Log<u32>, sent: &Log<u32>, last: Option<u32>, capacity: u32) -> Spec<Sink> {
    Spec::new((seen.clone(), sent.clone(), last)).capacity(capacity)
}

/// Lets it go on until it is told to end. What it did.
fn live(mut worker: Part) -> Counts {
    worker.live(WaitPolicy::Park, &mut |_| ());
    end(worker)
}

fn end(worker: Part) -> Counts {
    let mut said = Counts::default();
    ManuallyDrop::into_inner(worker).end(|what| {
        if let Said::Ended { counts, .. } = what {
            said = counts;
        }
    });
    assert_eq!(said.failures, 0, "an actor failed");
    said
}

pub(crate) fn close<T>(what: ManuallyDrop<T>) {
    drop(ManuallyDrop::into_inner(what));
}

/// Turns until the log has so many entries, has all end, and ends.
fn live_until_seen(mut worker: Part, seen: &Log<u32>, count: usize, shared: &Shared) -> Counts {
    worker.work(WaitPolicy::Park, |_| seen.len() >= count);
    shared.give(Order::End);
    live(worker)
}

/// One worker, turned by the model's own thread: for rooms above this one.
pub(crate) struct Solo {
    worker: Part,
    shared: Counted<Shared>,
    client: ManuallyDrop<Client>,
}

impl Solo {
    /// With one actor.
    pub(crate) fn new<A: Actor>(spec: Spec<A>) -> (Self, Addr<A>) {
        let mut stage = Stage::new(1);
        let client = stage.client();
        let (worker, addr) = stage.pop().play(spec);
        (Self { worker, shared: stage.shared, client }, addr)
    }

    /// Lets it go on until the log has so many entries. What it did, and who may tell it something meanwhile.
    pub(crate) fn live_until_seen<T: Send + 'static>(
        self,
        seen: &Log<u32>,
        count: usize,
        beside: impl FnOnce(&mut Client) -> T + Send + 'static,
    ) -> (Counts, T) {
        let Self { worker, shared, mut client } = self;
        let other = thread::spawn(move || {
            let told = beside(&mut client);
            (client, told)
        });
        let mut worker = worker;
        worker.work(WaitPolicy::Park, |_| seen.len() >= count);
        let (client, told) = other.join().unwrap();
        shared.give(Order::End);
        let counts = live(worker);
        close(client);
        (counts, told)
    }
}

/// One worker's actor tells another's so many, which has room for `capacity`; rings hold two. The sender sleeps for room in the ring, or
/// for credit, whichever is scarcer.
pub(super) fn told_by_a_worker(count: u32, capacity: u32) {
    let mut stage = Stage::new(2);
    let seen = Log::default();
    let receiving = {
        let (cast, seen, shared) = (stage.pop(), seen.clone(), stage.shared.clone());
        thread::spawn(move || {
            let (worker, _) = cast.play(sink(&seen, None, capacity));
            live_until_seen(worker, &seen, count as usize, &shared)
        })
    };
    let spec = Spec::<Source>::new((first_of(1, capacity), count)).outbox(count);
    let (worker, _) = stage.pop().play(spec);
    let sent = live(worker);
    let received = receiving.join().unwrap();
    assert_eq!(seen.take(), (0..count).collect::<Vec<_>>());
    assert_eq!((received.dead_letters, sent.dead_letters), (0, 0));
}

/// A client tells an actor `0..count`, and sleeps for room and credit. The actor may end at one of them: each is handled, or counted, or
/// comes back.
pub(super) fn told_by_a_client(count: u32, capacity: u32, last: Option<u32>) {
    let mut stage = Stage::new(1);
    let (seen, sent) = (Log::default(), Log::default());
    let (worker, to) = stage.pop().play(sink_of(&seen, &sent, last, capacity));
    let mut client = stage.client();
    let sending = {
        let (sent, shared) = (sent.clone(), stage.shared.clone());
        thread::spawn(move || {
            for number in 0..count {
                match client.tell(to, number) {
                    Ok(()) => sent.note(number),
                    Err(error) => assert_eq!(error, TellError::Gone(number)),
                }
            }
            shared.give(Order::End);
            client
        })
    };
    let counts = live(worker);
    close(sending.join().unwrap());
    let (seen, sent) = (seen.take(), sent.take());
    assert_eq!(seen, (0..last.map_or(count, |last| last + 1)).collect::<Vec<_>>());
    assert_eq!(counts.dead_letters as usize, sent.len() - seen.len());
    assert!(last.is_some() || sent.len() == count as usize);
}

/// A client has an actor stop, and tells it more than it has room for: what it has not read is lost, and the client waits for no room.
pub(super) fn told_after_its_end(count: u32, capacity: u32) {
    let mut stage = Stage::new(1);
    let seen = Log::default();
    let (worker, to) = stage.pop().play(sink(&seen, None, capacity));
    let mut client = stage.client();
    let sending = {
        let shared = stage.shared.clone();
        thread::spawn(move || {
            client.stop(to.id());
            let sent = (0..count).filter(|&number| client.tell(to, number).is_ok()).count();
            shared.give(Order::End);
            (client, sent)
        })
    };
    let counts = live(worker);
    let (client, sent) = sending.join().unwrap();
    close(client);
    assert_eq!((seen.len(), counts.dead_letters as usize), (0, sent));
}

/// A worker has more answers for a client than there is room for, and sleeps until that takes them.
pub(super) fn answers_without_room() {
    let mut stage = Stage::new(1);
    let seen = Log::default();
    let (mut worker, to) = stage.pop().play(sink(&seen, None, 8));
    let mut client = stage.client();
    for number in 0..3 {
        client.try_ask(to, number).unwrap();
        worker.turn(Instant::now());
    }
    let asking = {
        let shared = stage.shared.clone();
        thread::spawn(move || {
            let answer = client.ask(to, 3, Duration::MAX);
            shared.give(Order::End);
            (client, answer)
        })
    };
    live(worker);
    let (client, answer) = asking.join().unwrap();
    assert_eq!(answer, Ok(3));
    close(client);
}

/// A client asks, and does not wait; then it asks again, and does. The actor may end at the first question, or the second.
pub(super) fn asked_again_by_a_client(last: Option<u32>) {
    let mut stage = Stage::new(1);
    let (worker, to) = stage.pop().play(sink(&Log::default(), last, 4));
    let mut client = stage.client();
    let asking = {
        let shared = stage.shared.clone();
        thread::spawn(move || {
            let answers = [client.ask(to, 1, Duration::ZERO), client.ask(to, 2, Duration::MAX)];
            shared.give(Order::End);
            (client, answers)
        })
    };
    live(worker);
    let (client, [first, second]) = asking.join().unwrap();
    assert!(matches!(first, Ok(1) | Err(AskError::TimedOut)), "{first:?}");
    assert_eq!(second, if last == Some(1) { Err(AskError::Gone) } else { Ok(2) });
    close(client);
}

/// Asks a sink twice: the first time it does not wait.
struct Asker {
    to: Addr<Sink>,
    heard: Log<Heard>,
}

/// What came of which question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Heard(u32, Result<u32, AskError>);

impl Actor for Asker {
    type Args = (Addr<Sink>, Log<Heard>);

    fn start((to, heard): Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        ctx.ask(to, 1, Duration::ZERO, |answer| Heard(1, answer)).unwrap();
        Ok(Self { to, heard })
    }
}

impl Handle<Heard> for Asker {
    type Reply = ();

    fn on(&mut self, heard: Heard, ctx: &mut Ctx<'_, Self>) {
        self.heard.note(heard);
        if heard.0 == 1 && ctx.ask(self.to, 2, Duration::MAX, |answer| Heard(2, answer)).is_err() {
            self.heard.note(Heard(2, Err(AskError::Gone)));
        }
    }
}

/// As [`asked_again_by_a_client`], by another worker's actor.
pub(super) fn asked_again_by_a_worker(last: Option<u32>) {
    let mut stage = Stage::new(2);
    let answering = {
        let cast = stage.pop();
        thread::spawn(move || live(cast.play(sink(&Log::default(), last, 4)).0))
    };
    let heard = Log::default();
    let (mut worker, _) = stage.pop().play(Spec::<Asker>::new((first_of(1, 4), heard.clone())));
    worker.work(WaitPolicy::Park, |_| heard.len() == 2);
    stage.shared.give(Order::End);
    live(worker);
    answering.join().unwrap();
    let heard = heard.take();
    assert!(matches!(heard[0], Heard(1, Ok(1) | Err(AskError::TimedOut))), "{heard:?}");
    assert_eq!(heard[1..], [Heard(2, if last == Some(1) { Err(AskError::Gone) } else { Ok(2) })]);
}

/// A runtime's two orders, and the last alone.
pub(super) const IN_TURN: &[Order] = &[Order::Drain, Order::End];
pub(super) const AT_ONCE: &[Order] = &[Order::End];

/// Gives these orders.
fn closing(stage: &Stage, orders: &'static [Order]) -> thread::JoinHandle<()> {
    let shared = stage.shared.clone();
    thread::spawn(move || orders.iter().for_each(|&order| shared.give(order)))
}

/// It all ends, in two steps or one, while a client tells an actor something and asks it. The orders come meanwhile, or are there already.
pub(super) fn closed_while_asked(orders: &'static [Order], meanwhile: bool) {
    let mut stage = Stage::new(1);
    let seen = Log::default();
    let (worker, to) = stage.pop().play(sink(&seen, None, 1));
    let mut client = stage.client();
    let asking = thread::spawn(move || {
        let told = client.tell(to, 1);
        let answer = client.ask(to, 2, Duration::MAX);
        (client, told, answer)
    });
    let closing = if meanwhile {
        Some(closing(&stage, orders))
    } else {
        orders.iter().for_each(|&order| stage.shared.give(order));
        None
    };
    let counts = live(worker);
    if let Some(closing) = closing {
        closing.join().unwrap();
    }
    let (client, told, answer) = asking.join().unwrap();
    let seen = seen.take();
    assert!(seen.is_sorted() && seen.len() <= 2);
    assert!(told.is_ok() || seen.is_empty());
    match answer {
        Ok(2) => assert_eq!(seen, [1, 2]),
        Ok(other) => panic!("the answer to {other}"),
        Err(error) => assert_ne!(error, AskError::TimedOut),
    }
    assert!(seen.len() + counts.dead_letters as usize <= 2);
    close(client);
}

/// It ends when it has drained, as a runtime does.
pub(super) fn drained_while_told() {
    let mut stage = Stage::new(1);
    let seen = Log::default();
    let (mut worker, to) = stage.pop().play(sink(&seen, None, 1));
    let mut client = stage.client();
    client.try_tell(to, 0).unwrap();
    let telling = thread::spawn(move || {
        let told = client.tell(to, 1);
        (client, told)
    });
    let closing = closing(&stage, &[Order::Drain]);
    let mut drained = 0;
    worker.live(WaitPolicy::Park, &mut |what| {
        assert!(matches!(what, Said::Drained));
        drained += 1;
        stage.shared.give(Order::End);
    });
    let counts = end(worker);
    closing.join().unwrap();
    let (client, told) = telling.join().unwrap();
    let seen = seen.take();
    assert_eq!((drained, seen[0]), (1, 0));
    assert!(told.is_ok() || seen.len() == 1);
    assert!(seen.len() + counts.dead_letters as usize <= 2);
    close(client);
}

/// A client comes and asks while all ends.
pub(super) fn closed_while_coming() {
    let mut stage = Stage::new(1);
    let (worker, to) = stage.pop().play(sink(&Log::default(), None, 1));
    let coming = {
        let shared = stage.shared.clone();
        thread::spawn(move || {
            let mut client = ManuallyDrop::new(Client::new(shared).ok()?);
            let answer = client.ask(to, 1, Duration::MAX);
            Some((client, answer))
        })
    };
    let closing = closing(&stage, &[Order::End]);
    live(worker);
    closing.join().unwrap();
    if let Some((client, answer)) = coming.join().unwrap() {
        assert!(matches!(answer, Ok(1) | Err(AskError::Gone | AskError::ShutDown)), "{answer:?}");
        close(client);
    }
}

/// A client comes, tells an actor something, and goes; with `disturbed`, somebody else has the worker look meanwhile.
pub(super) fn comes_and_goes(count: u32, disturbed: bool) {
    let mut stage = Stage::new(1);
    let seen = Log::default();
    let (mut worker, to) = stage.pop().play(sink(&seen, None, count));
    let coming = {
        let shared = stage.shared.clone();
        thread::spawn(move || {
            let mut client = ManuallyDrop::new(Client::new(shared).unwrap());
            let told = (0..count).all(|number| client.tell(to, number).is_ok());
            close(client);
            told
        })
    };
    let disturbing = disturbed.then(|| {
        let shared = stage.shared.clone();
        thread::spawn(move || shared.give(Order::Run))
    });
    worker.work(WaitPolicy::Park, |worker| seen.len() == count as usize && worker.inlets() == 0);
    if let Some(disturbing) = disturbing {
        disturbing.join().unwrap();
    }
    assert!(coming.join().unwrap());
    let counts = end(worker);
    assert_eq!((seen.take(), counts.dead_letters), ((0..count).collect(), 0));
}

/// A client comes and asks.
pub(super) fn asked_by_a_newcomer() {
    let mut stage = Stage::new(1);
    let (worker, to) = stage.pop().play(sink(&Log::default(), None, 1));
    let asking = {
        let shared = stage.shared.clone();
        thread::spawn(move || {
            let mut client = ManuallyDrop::new(Client::new(shared.clone()).unwrap());
            let answer = client.ask(to, 1, Duration::MAX);
            shared.give(Order::End);
            (client, answer)
        })
    };
    live(worker);
    let (client, answer) = asking.join().unwrap();
    assert_eq!(answer, Ok(1));
    close(client);
}
