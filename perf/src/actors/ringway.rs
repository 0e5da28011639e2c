//! Ours: a worker on each CPU.

#![forbid(unsafe_code)]

use ::ringway::actor::{Actor, Addr, Client, Ctx, Failure as ActorFailure, Handle, Runtime, RuntimeBuilder, Spec};

use super::library::{Core, Library, Role, Scene, Setting};
use crate::failure::Failure;

pub(super) enum Ringway {}

/// An actor of ours with that role.
pub(super) struct Act<R>(R);

/// Ended in the order of the fields.
pub(super) struct Stage {
    client: Client,
    _runtime: Runtime,
}

impl Library for Ringway {
    const NAME: &'static str = "Ringway";

    type Address<R: Role<Self>> = Addr<Act<R>>;

    type Stage = Stage;

    fn open(setting: &Setting) -> Result<Stage, Failure> {
        let with = |builder: RuntimeBuilder, cpu: Option<usize>| match cpu {
            Some(cpu) => builder.worker_on(cpu, setting.wait),
            None => builder.worker(setting.wait),
        };
        let runtime = setting.cpus().into_iter().fold(Runtime::builder(), with).start();
        let runtime = runtime.map_err(|error| Failure::road(Self::NAME, error))?;
        let client = runtime.client().map_err(|error| Failure::road(Self::NAME, error))?;
        Ok(Stage { client, _runtime: runtime })
    }

    fn spawn<R: Role<Self>>(stage: &mut Stage, core: Core, role: R) -> Result<Addr<Act<R>>, Failure> {
        let worker = core.index(stage.client.workers());
        stage.client.spawn_on(worker, spec(role)).map_err(|error| Failure::road(Self::NAME, error))
    }

    fn tell<R: Role<Self>>(stage: &mut Stage, to: &Addr<Act<R>>, message: R::Message) -> Result<(), Failure> {
        stage.client.tell(*to, message).map_err(|error| Failure::road(Self::NAME, error.to_string()))
    }
}

fn spec<R: Role<Ringway>>(role: R) -> Spec<Act<R>> {
    Spec::new(role).capacity(CAPACITY)
}

impl<R: Role<Ringway>> Scene<Ringway, R> for Ctx<'_, Act<R>> {
    fn me(&mut self) -> Addr<Act<R>> {
        self.addr()
    }

    #[inline]
    fn try_tell<T: Role<Ringway>>(&mut self, to: &Addr<Act<T>>, message: T::Message) -> Result<(), T::Message> {
        Ctx::try_tell(self, *to, message).map_err(|error| error.into_message())
    }

    fn spawn<T: Role<Ringway>>(&mut self, role: T) -> Addr<Act<T>> {
        Ctx::spawn(self, spec(role)).expect("a runtime that is not shut down starts what does not fail")
    }

    fn stop(&mut self) {
        Ctx::stop(self);
    }
}

impl<R: Role<Ringway>> Actor for Act<R> {
    type Args = R;

    fn start(mut role: R, context: &mut Ctx<'_, Self>) -> Result<Self, ActorFailure> {
        role.started(context);
        Ok(Self(role))
    }
}

impl<R: Role<Ringway>> Handle<R::Message> for Act<R> {
    type Reply = ();

    #[inline]
    fn on(&mut self, message: R::Message, context: &mut Ctx<'_, Self>) {
        self.0.hear(message, context);
    }
}

/// Messages of each worker on their way to an actor: as many as a socket has.
const CAPACITY: u32 = 1_000;
