//! ractor: tasks with mailboxes that have no bound.

#![forbid(unsafe_code)]

use std::marker::PhantomData;

use ::ractor::{Actor, ActorProcessingErr, ActorRef, SpawnErr};

use super::{
    library::{Core, Library, Role, Scene, Setting},
    tokio::{Tasks, at_once},
};
use crate::failure::Failure;

pub(super) enum Ractor {}

/// What makes an actor of ractor of a role, which is its state.
struct Act<R>(PhantomData<fn() -> R>);

/// What its actors can do at any time.
struct Own<'a, M>(&'a ActorRef<M>);

impl Library for Ractor {
    const NAME: &'static str = "ractor";

    type Address<R: Role<Self>> = ActorRef<R::Message>;

    type Stage = Tasks;

    fn open(setting: &Setting) -> Result<Tasks, Failure> {
        Tasks::start(setting)
    }

    fn spawn<R: Role<Self>>(stage: &mut Tasks, _core: Core, role: R) -> Result<ActorRef<R::Message>, Failure> {
        stage.within(|| spawn(role)).map_err(|error| Failure::road(Self::NAME, error))
    }

    fn tell<R: Role<Self>>(_stage: &mut Tasks, to: &ActorRef<R::Message>, message: R::Message) -> Result<(), Failure> {
        to.send_message(message).map_err(|error| Failure::road(Self::NAME, error.to_string()))
    }
}

fn spawn<R: Role<Ractor>>(role: R) -> Result<ActorRef<R::Message>, SpawnErr> {
    // Its state is made before this returns, by nothing but what `started` does.
    at_once(Actor::spawn(None, Act(PhantomData), role)).map(|(actor, _)| actor)
}

impl<R: Role<Ractor>> Scene<Ractor, R> for Own<'_, R::Message> {
    fn me(&mut self) -> ActorRef<R::Message> {
        self.0.clone()
    }

    #[inline]
    fn try_tell<T: Role<Ractor>>(&mut self, to: &ActorRef<T::Message>, message: T::Message) -> Result<(), T::Message> {
        assert!(to.send_message(message).is_ok(), "ractor: an actor of a case has ended before its time");
        Ok(())
    }

    fn spawn<T: Role<Ractor>>(&mut self, role: T) -> ActorRef<T::Message> {
        spawn(role).expect("an actor without a name starts")
    }

    fn stop(&mut self) {
        self.0.stop(None);
    }
}

impl<R: Role<Ractor>> Actor for Act<R> {
    type Msg = R::Message;
    type State = R;
    type Arguments = R;

    async fn pre_start(&self, me: ActorRef<R::Message>, mut role: R) -> Result<R, ActorProcessingErr> {
        role.started(&mut Own(&me));
        Ok(role)
    }

    async fn handle(
        &self,
        me: ActorRef<R::Message>,
        message: R::Message,
        role: &mut R,
    ) -> Result<(), ActorProcessingErr> {
        role.hear(message, &mut Own(&me));
        Ok(())
    }
}
