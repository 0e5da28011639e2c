//! Sockets owned by actors: what they receive comes as the actor's own messages, in its worker's loop, beside rings and timers.
//!
//! An actor [owns](own) a socket of any type and sends through the [`Port`] it gets for it. A worker with sockets sleeps in one place, and
//! is woken by a socket's message as it is by an actor's. [`forward`] is for a socket whose messages are for an actor elsewhere.
//!
//! ```
//! use ringway::{
//!     Context, Dealer, Router,
//!     actor::{Actor, Ctx, Failure, Handle, Runtime, Spec},
//!     bridge::{self, Port, Received},
//! };
//!
//! /// Echoes what its peers send.
//! struct Echo(Port<Router>);
//!
//! impl Actor for Echo {
//!     type Args = Router;
//!
//!     fn start(router: Router, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
//!         Ok(Self(bridge::own(ctx, router, Came)?))
//!     }
//! }
//!
//! struct Came(Received);
//!
//! impl Handle<Came> for Echo {
//!     type Reply = ();
//!
//!     fn on(&mut self, Came(received): Came, ctx: &mut Ctx<'_, Self>) {
//!         match received {
//!             // The sender's id is its first frame, and says whom it goes back to.
//!             Ok(incoming) => self.0.try_send(incoming.message).expect("a router drops what has no room"),
//!             Err(_) => ctx.stop(),
//!         }
//!     }
//! }
//!
//! let context = Context::new();
//! let mut router = Router::new(&context)?;
//! router.bind("inproc://echo")?;
//! let runtime = Runtime::builder().start()?;
//! runtime.client()?.spawn(Spec::<Echo>::new(router))?;
//!
//! let mut dealer = Dealer::new(&context)?;
//! dealer.connect("inproc://echo")?;
//! dealer.send("hello")?;
//! assert_eq!(dealer.recv()?[0], "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Room
//!
//! A message is taken from a socket only when the actor has room for it: by the credit that actors of the same worker have with it, of its
//! [capacity](crate::actor::Spec::capacity). What it has no room for stays in the socket, whose peers are held back by their high-water
//! marks. A socket has [`QUANTUM`] messages taken in one turn at the most, and those that found no room take turns.
//!
//! # Ends
//!
//! A socket is dropped with its [`Port`], that is with its actor's state: when the actor ends, and when it fails, before it is started
//! again. What was taken from it by then stays in the mailbox. That a socket's context was shut down is told as a message, once, behind
//! all that had arrived.
//!
//! Contents: `port` owning and sending, `reader` what takes from one socket, `desk` a worker's sockets and their turns, `forward` sockets
//! for actors elsewhere.

mod desk;
mod forward;
#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, any(loom, shuttle)))]
mod models;
mod port;
mod reader;
#[cfg(feature = "remote")]
pub mod remote;
#[cfg(all(test, shuttle))]
mod shuttle;

pub use forward::{Forwarder, Forwarding, Release, forward};
pub use port::{OwnError, Port, own, own_sender};
pub use reader::{Incoming, QUANTUM, Received};
