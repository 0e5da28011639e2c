//! Actors in other processes, told and asked as those of this one are.
//!
//! On one side an actor is [published](Publication) at the endpoints of a [`Router`](crate::Router), under a name, with the types of
//! messages it [offers](Offer). On the other side a [`Connection`] is opened to it: a [`Link`], an actor of that process, whose
//! [address](crate::actor::Addr) is told and asked with the verbs there are, by actors and clients. What it is asked it answers with what the
//! other answered, or with [why not](RemoteError).
//!
//! ```
//! use ringway::{
//!     Context, Router,
//!     actor::{Actor, Ctx, Failure, Handle, Runtime, Spec},
//!     bridge::remote::{Accepts, Connection, Link, Offer, Publication, RemoteMessage},
//! };
//! use serde::{Deserialize, Serialize};
//! use std::time::Duration;
//!
//! /// How much there is, after as much more.
//! #[derive(Serialize, Deserialize)]
//! struct Add(u64);
//!
//! impl RemoteMessage for Add {
//!     const NAME: &'static str = "add";
//!     const VERSION: u32 = 1;
//!     type Reply = u64;
//! }
//!
//! // On one side.
//! struct Counter(u64);
//! # impl Actor for Counter {
//! #     type Args = u64;
//! #     fn start(from: u64, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> { Ok(Self(from)) }
//! # }
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
//! let context = Context::new();
//! let mut router = Router::new(&context)?;
//! router.bind("tcp://127.0.0.1:*")?;
//! let endpoint = router.last_endpoint().unwrap().to_string();
//! let there = Runtime::builder().start()?;
//! let counter = there.client()?.spawn(Spec::<Counter>::new(40))?;
//! let publication = Publication::new(router).actor("counter", Offer::new(counter).asks::<Add>())?;
//! there.client()?.spawn(publication.spec())?;
//!
//! // On the other, which knows nothing of `Counter`.
//! struct Counting;
//!
//! impl Accepts<Add> for Counting {}
//!
//! let here = Runtime::builder().start()?;
//! let mut client = here.client()?;
//! let counter = client.spawn(Connection::new(&context, endpoint, "counter").open::<Counting>()?)?;
//! client.tell(counter, Add(1))?;
//! assert_eq!(client.ask(counter, Add(1), Duration::from_secs(5))?, Ok(42));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is kept
//!
//! - What one sender tells and asks through a link is handled in that order, each once, or not at all.
//! - A question ends: with an answer, or with why there is none. If the link is lost meanwhile with [`RemoteError::LinkLost`], as soon as
//!   that is noticed.
//! - Nothing that is told is dropped in silence. As much is under way as both sides [allow](Connection::window); then the link's mailbox is
//!   full, as an actor's is. What was on its way when the link was lost is [counted](LinkCounts::lost), and
//!   [told](Connection::on_event); what was refused, too.
//! - Bytes that come are parsed before they are believed, and never cause a panic of ours.
//!
//! `docs/remote.md` has all of it, and what goes over the wire.
//!
//! Contents: `wire` packets, `fault` what can be wrong, `codec` what is in packets, `error` why not, to who asks; `offer` what of an actor may
//! be said, `publication` what is published, `publisher` the actor that has the ROUTER, `delivery` how it passes on what links say, `session` a
//! link to it, `turns` which of them is next; `connection` what a link is to be like, `link` the actor that stands for another, `courier` its
//! other half that has the DEALER, `joining` whether that has a session, `questions` what it was asked; `counts` what they have done.

mod codec;
mod connection;
mod counts;
mod courier;
mod delivery;
mod error;
mod fault;
mod joining;
mod link;
mod offer;
mod publication;
mod publisher;
mod questions;
mod session;
mod turns;
mod wire;

pub use connection::{Connection, LinkEvent, OpenError, Opening};
pub use counts::{LinkCounts, LinkGauge, PublicationCounts, PublicationGauge};
pub use error::RemoteError;
pub use link::{Accepts, Anything, Link, RemoteEnded, RemoteReason, Watch};
pub use offer::{Offer, RemoteMessage};
pub use publication::{Publication, PublishError};
pub use publisher::Publisher;
#[cfg(feature = "fuzzing")]
pub(crate) use wire::fuzz;
