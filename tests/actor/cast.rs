//! Actors that several tests have on stage.

use std::sync::{Arc, Mutex};

use ringway::{
    WaitPolicy,
    actor::{Actor, Ctx, Failure, Handle, Runtime, RuntimeBuilder},
};

/// Two workers, wherever they run: tests are many and cores few.
pub(crate) fn two() -> RuntimeBuilder {
    Runtime::builder().worker(WaitPolicy::Adaptive).worker(WaitPolicy::Adaptive)
}

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
pub(crate) struct Block(pub(crate) std::sync::mpsc::Receiver<()>);

impl Handle<Block> for Scribe {
    type Reply = ();

    fn on(&mut self, Block(until): Block, _: &mut Ctx<'_, Self>) {
        _ = until.recv();
    }
}

/// Does what it is told, as a closure.
pub(crate) struct Puppet;

impl Actor for Puppet {
    type Args = ();

    fn start((): (), _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self)
    }
}

pub(crate) struct Do<R>(pub(crate) Box<dyn FnOnce(&mut Ctx<'_, Puppet>) -> R + Send>);

pub(crate) fn act<R>(what: impl FnOnce(&mut Ctx<'_, Puppet>) -> R + Send + 'static) -> Do<R> {
    Do(Box::new(what))
}

impl<R: Send + 'static> Handle<Do<R>> for Puppet {
    type Reply = R;

    fn on(&mut self, Do(what): Do<R>, ctx: &mut Ctx<'_, Self>) -> R {
        what(ctx)
    }
}
