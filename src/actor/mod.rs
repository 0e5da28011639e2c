//! Actors on pinned cores: state that lives on one worker's thread and handles typed messages one at a time.
//!
//! A [`Runtime`] is workers, each a thread, pinned to a core if it is told so. An [`Actor`] starts on one of them and stays there, so its
//! state need not be [`Send`]; it [handles](Handle) messages to completion, and nothing inside a handler ever waits. Between two workers
//! there is a ring each way, so a small message crosses in one cache-line transfer; on one worker it crosses no atomic operation.
//!
//! ```
//! use ringway::actor::{Actor, Ctx, Failure, Handle, Runtime, Spec};
//! use std::time::Duration;
//!
//! struct Counter(u64);
//!
//! impl Actor for Counter {
//!     type Args = u64;
//!
//!     fn start(from: u64, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
//!         Ok(Self(from))
//!     }
//! }
//!
//! struct Add(u64);
//!
//! impl Handle<Add> for Counter {
//!     type Reply = u64;
//!
//!     fn on(&mut self, Add(more): Add, _: &mut Ctx<'_, Self>) -> u64 {
//!         self.0 += more;
//!         self.0
//!     }
//! }
//!
//! let runtime = Runtime::builder().start()?;
//! let mut client = runtime.client()?;
//! let counter = client.spawn(Spec::<Counter>::new(40))?;
//! client.tell(counter, Add(1))?;
//! assert_eq!(client.ask(counter, Add(1), Duration::from_secs(5))?, 42);
//! let report = runtime.shutdown(Duration::from_secs(5));
//! assert_eq!((report.counts.dead_letters, report.killed), (0, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | file | job |
//! |---|---|
//! | `address` | names and addresses |
//! | `places` | tables whose old names name nothing |
//! | `envelope`, `message` | a message without its type, and what is done with it |
//! | `credit`, `mailbox`, `outbox` | what bounds the messages under way, where they wait, and where they wait for room |
//! | `lane` | the way from one worker or client to another |
//! | `core`, `cell`, `turns` | a worker's actors, what it knows of each, and their turns |
//! | `lifecycle`, `supervision`, `watch` | how they begin and end, what becomes of those that fail, and who is told |
//! | `timers`, `ask` | what is due, what is to be answered |
//! | `context`, `tell` | what a handler may do, and whom it may tell |
//! | `worker`, `runtime`, `client` | the loop, the threads, and threads outside |
//! | `source` | what else a worker looks at, beside rings and timers |
//! | [`kit`] | the same without threads and clock, for tests |
//! | `spec`, `history`, `failure` | how an actor is started, and started again |
//! | `names`, `topics` | the registry, and what is published |
//! | `deadletter`, `counts`, `shared` | what came to nobody, what was done, what all workers share |
//!
//! # What bounds a mailbox
//!
//! Each worker, and each client, may have as many messages on their way to an actor or waiting there as the actor's
//! [capacity](Spec::capacity) says. It counts them by itself and hears in batches of those that were handled, so *full* is known without
//! asking anybody. Answers and the ends of actors that are watched are not counted: there are no more than were asked for.
//!
//! # Order
//!
//! What one actor sends to another is handled in the order it was sent. Nothing is said of what two send to a third.

mod address;
mod ask;
mod cell;
mod client;
mod context;
mod core;
mod counts;
mod credit;
mod deadletter;
mod envelope;
mod failure;
mod history;
#[cfg(not(any(loom, shuttle)))]
pub mod kit;
mod lane;
mod lifecycle;
#[cfg(all(test, loom))]
mod loom;
mod mailbox;
mod message;
#[cfg(all(test, any(loom, shuttle)))]
pub(crate) mod models;
mod names;
mod outbox;
mod places;
/// Threads on CPUs, of which models have none.
#[cfg(not(any(loom, shuttle)))]
mod runtime;
mod shared;
#[cfg(all(test, shuttle))]
mod shuttle;
mod source;
mod spec;
mod supervision;
mod tell;
mod timers;
mod topics;
mod turns;
mod watch;
mod worker;

pub use address::{ActorId, Addr, Recipient};
pub use ask::{AskError, Asker};
pub use client::{Client, ClientError};
pub use context::Ctx;
pub use counts::Counts;
pub use deadletter::{DeadLetter, Loss};
pub use failure::Failure;
pub(crate) use failure::quietly;
pub use lifecycle::SpawnError;
pub use names::NameError;
#[cfg(not(any(loom, shuttle)))]
pub use runtime::{Report, Runtime, RuntimeBuilder, StartError};
pub(crate) use source::{Intake, NoRoom, Note, Source};
pub use spec::{BackOff, Intensity, Restarts, Spec, Strategy};
pub use tell::{Policy, TellError, To, Whom};
pub use timers::Timer;
pub use topics::Published;
pub use watch::{Ended, Reason};

/// State that lives on a worker and handles messages: see the [module](self).
///
/// Its code runs on its worker's thread: it is to return soon, as all other actors there wait for it. If it panics the actor has failed,
/// and no other; with `panic = "abort"` the process ends, as everywhere.
pub trait Actor: Sized + 'static {
    /// What it starts from: that crosses threads, not the actor.
    type Args: Send + 'static;

    /// Makes it, on the worker it is to live on.
    ///
    /// # Errors
    /// It cannot start: whoever wanted it is told.
    fn start(args: Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure>;

    /// It is to stop when it has handled what waits for it, but takes none of that, as it [holds](Ctx::hold) its mail: it may
    /// [stop](Ctx::stop) at once, or let things take their course, as it does by default. Called once, when it is first so.
    fn asked_to_stop(&mut self, ctx: &mut Ctx<'_, Self>) {
        let _ = ctx;
    }

    /// It ends: those it supervised have ended, and it handles nothing any more. Not called if it failed, or is ended by force.
    fn stopping(&mut self, ctx: &mut Ctx<'_, Self>) {
        let _ = ctx;
    }
}

/// An actor that handles messages of type `M`.
pub trait Handle<M: Send + 'static>: Actor {
    /// What whoever asks it gets; who only tells it does not.
    type Reply: Send + 'static;

    /// Handles one message, to completion.
    fn on(&mut self, message: M, ctx: &mut Ctx<'_, Self>) -> Self::Reply;
}
