//! Waiting on many sockets, and descriptors, at once.
//!
//! A [`Poller`] tells which of the sockets registered with it are ready. It is *level-triggered*: every wait looks anew,
//! so a socket that was ready and was not served is ready again. What it costs depends on how many are ready, not on
//! how many are registered; awake it makes no system call, and it has no descriptor until one is registered with it.
//!
//! ```
//! use ringway::{Context, Pull, Push, poll::{Events, Interest, Poller}};
//!
//! let context = Context::new();
//! let (mut orders, mut refunds) = (Pull::new(&context)?, Pull::new(&context)?);
//! orders.bind("inproc://orders")?;
//! refunds.bind("inproc://refunds")?;
//! let mut desk = Push::new(&context)?;
//! desk.connect("inproc://refunds")?;
//! desk.send("one")?;
//!
//! let (mut poller, mut events) = (Poller::new(), Events::new());
//! poller.add(&mut orders, Interest::READABLE, 1)?;
//! poller.add(&mut refunds, Interest::READABLE, 2)?;
//! poller.wait(&mut events, None)?;
//! for event in &events {
//!     assert_eq!(event.data, 2);
//!     assert_eq!(refunds.try_recv()?[0], "one");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Tiers
//!
//! As a socket does with its pipes, a poller looks directly at sockets that are *hot* and has all others *armed*: a peer
//! that makes one ready finds it so and marks it. See `watchlist`.
//!
//! Contents: `poller` the front, `watchlist` who is looked at and who marks, `bell` where marks go, `event` and `error`
//! what comes back, `descriptors` those of the system, `upkeep` what a wait does in a context without threads, `lookout` the
//! same for a loop that waits for other things, too.

mod bell;
#[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
mod descriptors;
mod error;
mod event;
mod lookout;
#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, any(loom, shuttle)))]
pub(crate) mod models;
mod poller;
#[cfg(all(test, shuttle))]
mod shuttle;
mod upkeep;
mod watchlist;

pub use crate::socket::{Interest, Pollable};
pub use error::{AddError, NotRegistered, PollError};
pub use event::{Event, Events};
pub(crate) use lookout::Lookout;
pub use poller::{PollCounters, Poller, Waker};
pub use watchlist::Key;
