//! Actors that several tests have on stage.

use std::{
    sync::{Arc, mpsc},
    time::Instant,
};

use ringway::{
    WaitPolicy,
    actor::{Actor, Addr, Client, Ctx, Failure, Handle, Runtime, RuntimeBuilder, Spec},
};

use crate::PATIENCE;

#[expect(clippy::disallowed_types, reason = "a test of the whole has nothing to model")]
pub(crate) type Mutex<T> = std::sync::Mutex<T>;

/// Two workers, wherever they run: tests are many and cores few.
pub(crate) fn two() -> RuntimeBuilder {
    Runtime::builder().worker(WaitPolicy::Adaptive).worker(WaitPolicy::Adaptive)
}

/// A seeker and a receiver: on one worker, and on two, either way.
pub(crate) const PLACES: [[usize; 2]; 3] = [[0, 0], [0, 1], [1, 0]];

/// What was said, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn say(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Writes down the numbers it is told, and gives them when asked.
#[derive(Debug, Default)]
pub(crate) struct Scribe(Vec<u64>);

impl Actor for Scribe {
    type Args = ();

    fn start((): (), _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self::default())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) u64);

impl Handle<Number> for Scribe {
    type Reply = ();

    fn on(&mut self, Number(number): Number, _: &mut Ctx<'_, Self>) {
        self.0.push(number);
    }
}

pub(crate) struct Numbers;

impl Handle<Numbers> for Scribe {
    type Reply = Vec<u64>;

    fn on(&mut self, _: Numbers, _: &mut Ctx<'_, Self>) -> Vec<u64> {
        self.0.clone()
    }
}

/// Does not return until the other end of the channel is dropped or sends.
pub(crate) struct Block(pub(crate) mpsc::Receiver<()>);

impl Handle<Block> for Scribe {
    type Reply = ();

    fn on(&mut self, Block(until): Block, _: &mut Ctx<'_, Self>) {
        _ = until.recv();
    }
}

/// As [`Block`], and says when it has come to it.
struct BlockFrom(mpsc::Sender<()>, mpsc::Receiver<()>);

impl Handle<BlockFrom> for Scribe {
    type Reply = ();

    fn on(&mut self, BlockFrom(from, until): BlockFrom, _: &mut Ctx<'_, Self>) {
        _ = from.send(());
        _ = until.recv();
    }
}

/// A scribe whose handler does not return until what is returned is dropped.
pub(crate) fn blocked(client: &mut Client, worker: usize, capacity: u32) -> (Addr<Scribe>, mpsc::Sender<()>) {
    let scribe = client.spawn_on(worker, Spec::<Scribe>::new(()).capacity(capacity)).unwrap();
    let (until, block) = mpsc::channel();
    let (from, is_blocked) = mpsc::channel();
    client.tell(scribe, BlockFrom(from, block)).unwrap();
    is_blocked.recv_timeout(PATIENCE).unwrap();
    (scribe, until)
}

/// What a scribe has when it has so many, or takes too long to.
pub(crate) fn all(client: &mut Client, scribe: Addr<Scribe>, count: usize) -> Vec<u64> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let numbers = client.ask(scribe, Numbers, PATIENCE).unwrap();
        if numbers.len() >= count || Instant::now() > deadline {
            return numbers;
        }
    }
}

/// A puppet on that worker.
pub(crate) fn puppet(client: &mut Client, worker: usize) -> Addr<Puppet> {
    client.spawn_on(worker, Spec::<Puppet>::new(())).unwrap()
}

/// Does what it is told, as a closure.
pub(crate) struct Puppet;

impl Actor for Puppet {
    type Args = ();

    fn start((): (), _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self)
    }
}

pub(crate) struct Do<R>(Box<Deed<R>>);

type Deed<R> = dyn FnOnce(&mut Ctx<'_, Puppet>) -> R + Send;

pub(crate) fn act<R>(what: impl FnOnce(&mut Ctx<'_, Puppet>) -> R + Send + 'static) -> Do<R> {
    Do(Box::new(what))
}

impl<R: Send + 'static> Handle<Do<R>> for Puppet {
    type Reply = R;

    fn on(&mut self, Do(what): Do<R>, ctx: &mut Ctx<'_, Self>) -> R {
        what(ctx)
    }
}
