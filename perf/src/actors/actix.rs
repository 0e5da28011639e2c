//! actix: an arbiter, which is a thread with a runtime of its own, for each CPU.
//!
//! Messages go with `do_send`, which does not ask whether the mailbox has room.

#![forbid(unsafe_code)]

use std::{sync::mpsc, time::Duration};

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, Arbiter, AsyncContext, Context, Handler, Message, System, SystemRunner,
    fut::wrap_future,
};
use ringway::affinity;
use tokio::task::yield_now;

use super::library::{Core, Library, Role, Scene, Setting};
use crate::failure::Failure;

pub(super) enum Actix {}

/// An actor of actix with that role.
pub(super) struct Act<R>(R);

/// A message of a role as one of actix.
struct Said<M>(M);

/// Ended in the order of the fields: the arbiters belong to the system.
pub(super) struct Stage {
    arbiters: Vec<Arbiter>,
    _system: SystemRunner,
}

impl Library for Actix {
    const NAME: &'static str = "actix";

    type Address<R: Role<Self>> = Addr<Act<R>>;

    type Stage = Stage;

    fn open(setting: &Setting) -> Result<Stage, Failure> {
        let system = System::new();
        let mut arbiters = Vec::new();
        for cpu in setting.cpus() {
            let arbiter = Arbiter::new();
            let (say, said) = mpsc::channel();
            arbiter.spawn_fn(move || _ = say.send(cpu.map_or(Ok(()), affinity::pin_current)));
            let pinned = said.recv_timeout(PINNED_WITHIN).map_err(|_| Failure::Stuck { after: PINNED_WITHIN })?;
            pinned.map_err(|error| Failure::road(Self::NAME, error))?;
            arbiters.push(arbiter);
        }
        Ok(Stage { arbiters, _system: system })
    }

    fn spawn<R: Role<Self>>(stage: &mut Stage, core: Core, role: R) -> Result<Addr<Act<R>>, Failure> {
        let arbiter = stage.arbiters[core.index(stage.arbiters.len())].handle();
        Ok(Act::start_in_arbiter(&arbiter, move |_| Act(role)))
    }

    fn tell<R: Role<Self>>(_stage: &mut Stage, to: &Addr<Act<R>>, message: R::Message) -> Result<(), Failure> {
        to.do_send(Said(message));
        Ok(())
    }
}

impl<R: Role<Actix>> Scene<Actix, R> for Context<Act<R>> {
    fn me(&mut self) -> Addr<Act<R>> {
        self.address()
    }

    #[inline]
    fn try_tell<T: Role<Actix>>(&mut self, to: &Addr<Act<T>>, message: T::Message) -> Result<(), T::Message> {
        to.do_send(Said(message));
        Ok(())
    }

    fn spawn<T: Role<Actix>>(&mut self, role: T) -> Addr<Act<T>> {
        Act(role).start()
    }

    /// Its thread empties a mailbox before it turns to the next.
    fn go_on(&mut self, message: R::Message) {
        let turn = wrap_future::<_, Act<R>>(yield_now());
        AsyncContext::spawn(self, turn.map(|(), act, context| act.0.hear(message, context)));
    }

    fn stop(&mut self) {
        ActorContext::stop(self);
    }
}

impl<R: Role<Actix>> Actor for Act<R> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.0.started(context);
    }
}

impl<M> Message for Said<M> {
    type Result = ();
}

impl<R: Role<Actix>> Handler<Said<R::Message>> for Act<R> {
    type Result = ();

    #[inline]
    fn handle(&mut self, Said(message): Said<R::Message>, context: &mut Context<Self>) {
        self.0.hear(message, context);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for arbiter in self.arbiters.drain(..) {
            arbiter.stop();
            // One that panicked has said so on the terminal.
            let _ = arbiter.join();
        }
    }
}

/// A new thread to answer.
const PINNED_WITHIN: Duration = Duration::from_secs(20);
