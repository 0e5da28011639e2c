//! kameo: tasks, here with mailboxes that have no bound, which are faster there than those that have one.

#![forbid(unsafe_code)]

use ::kameo::{
    actor::{Actor, ActorRef, Spawn},
    error::Infallible,
    mailbox,
    message::{Context, Message},
};

use super::{
    library::{Core, Library, Role, Scene, Setting},
    tokio::Tasks,
};
use crate::failure::Failure;

pub(super) enum Kameo {}

/// An actor of kameo with that role.
pub(super) struct Act<R>(R);

/// A message of a role as one of kameo.
struct Said<M>(M);

/// What an actor can do that starts.
struct Starting<'a, R: Role<Kameo>>(&'a ActorRef<Act<R>>);

/// What an actor can do that handles a message.
struct Handling<'a, R: Role<Kameo>>(&'a mut Context<Act<R>, ()>);

impl Library for Kameo {
    const NAME: &'static str = "kameo";

    type Address<R: Role<Self>> = ActorRef<Act<R>>;

    type Stage = Tasks;

    fn open(setting: &Setting) -> Result<Tasks, Failure> {
        Tasks::start(setting)
    }

    fn spawn<R: Role<Self>>(stage: &mut Tasks, _core: Core, role: R) -> Result<ActorRef<Act<R>>, Failure> {
        Ok(stage.within(|| spawn(role)))
    }

    fn tell<R: Role<Self>>(_stage: &mut Tasks, to: &ActorRef<Act<R>>, message: R::Message) -> Result<(), Failure> {
        to.tell(Said(message)).try_send().map_err(|error| Failure::road(Self::NAME, error.to_string()))
    }
}

fn spawn<R: Role<Kameo>>(role: R) -> ActorRef<Act<R>> {
    Act::spawn_with_mailbox(role, mailbox::unbounded())
}

#[inline]
fn tell<T: Role<Kameo>>(to: &ActorRef<Act<T>>, message: T::Message) {
    let told = to.tell(Said(message)).try_send();
    assert!(told.is_ok(), "kameo: an actor of a case has ended before its time");
}

impl<R: Role<Kameo>> Scene<Kameo, R> for Starting<'_, R> {
    fn me(&mut self) -> ActorRef<Act<R>> {
        self.0.clone()
    }

    fn try_tell<T: Role<Kameo>>(&mut self, to: &ActorRef<Act<T>>, message: T::Message) -> Result<(), T::Message> {
        tell(to, message);
        Ok(())
    }

    fn spawn<T: Role<Kameo>>(&mut self, role: T) -> ActorRef<Act<T>> {
        spawn(role)
    }

    /// It ends by itself: nobody has its address.
    fn stop(&mut self) {}
}

impl<R: Role<Kameo>> Scene<Kameo, R> for Handling<'_, R> {
    fn me(&mut self) -> ActorRef<Act<R>> {
        self.0.actor_ref().clone()
    }

    #[inline]
    fn try_tell<T: Role<Kameo>>(&mut self, to: &ActorRef<Act<T>>, message: T::Message) -> Result<(), T::Message> {
        tell(to, message);
        Ok(())
    }

    fn spawn<T: Role<Kameo>>(&mut self, role: T) -> ActorRef<Act<T>> {
        spawn(role)
    }

    fn stop(&mut self) {
        self.0.stop();
    }
}

impl<R: Role<Kameo>> Actor for Act<R> {
    type Args = R;
    type Error = Infallible;

    async fn on_start(mut role: R, me: ActorRef<Self>) -> Result<Self, Infallible> {
        role.started(&mut Starting(&me));
        Ok(Self(role))
    }
}

impl<R: Role<Kameo>> Message<Said<R::Message>> for Act<R> {
    type Reply = ();

    async fn handle(&mut self, Said(message): Said<R::Message>, context: &mut Context<Self, ()>) {
        self.0.hear(message, &mut Handling(context));
    }
}
