//! The front doors: one type per pattern, each with only the operations it has.
//!
//! | type | talks to | sends | receives | when nobody has room |
//! |---|---|---|---|---|
//! | [`Pair`] | `Pair` | to its one peer | from it | waits |
//! | [`Push`] | `Pull` | to each peer in turn, skipping full ones | – | waits |
//! | [`Pull`] | `Push` | – | from each peer in turn, whole messages | – |
//! | [`Pub`] | `Sub`, `XSub` | to each peer that subscribed to the topic | – | the peer that is full misses it |
//! | [`Sub`] | `Pub`, `XPub` | – | from each peer in turn, what it subscribed to | – |
//! | [`XPub`] | `Sub`, `XSub` | as `Pub` | subscriptions, and what `XSub` peers send | as `Pub` |
//! | [`XSub`] | `Pub`, `XPub` | subscriptions; anything else to every `XPub` peer | as `Sub` | the peer that is full misses it |
//!
//! `send` and `recv` wait as long as it takes, in the way the socket's [`WaitPolicy`](crate::WaitPolicy) says;
//! `try_…` never wait; `…_timeout` wait so long. A message that is not sent comes back in the error.
//!
//! Sockets are `Send` and not `Sync`: they may move between threads, also in mid-stream, and are used by one at a time.
//! Sharing one is a compile error:
//!
//! ```compile_fail,E0277
//! # use ringway::{Context, Pull};
//! let pull = Pull::new(&Context::new()).unwrap();
//! std::thread::scope(|scope| {
//!     scope.spawn(|| pull.peers());
//!     scope.spawn(|| pull.peers());
//! });
//! ```
//!
//! ```compile_fail,E0277
//! # use ringway::{Context, Push};
//! fn shared<T: Sync>(_: T) {}
//! shared(Push::new(&Context::new()).unwrap());
//! ```
//!
//! Contents: `core` what all of them have, `options` what can be chosen, `error` what can go wrong, `counters` what
//! happened, `permit` a place reserved for a message, `pair` and `pipeline` the patterns.

mod core;
mod counters;
mod error;
mod held;
#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, any(loom, shuttle)))]
mod models;
#[macro_use]
mod operations;
#[macro_use]
mod pattern;
mod options;
mod pair;
mod permit;
mod pipeline;
mod publish;
#[cfg(all(test, shuttle))]
mod shuttle;
mod subscribe;

pub use counters::Counters;
pub use error::{BindError, ConnectError, DetachError, RecvError, SendError, SendFailure, WaitError};
pub use options::{Builder, Conflates, DEFAULT_HWM, DEFAULT_LINGER};
pub use pair::Pair;
pub use permit::Permit;
pub use pipeline::{Pull, Push};
pub use publish::{NoSubscriber, Pub, XPub};
pub use subscribe::{Sub, XSub};

use crate::{Context, ContextClosed};

/// A socket type, as a [`Builder`] makes it. Implemented by the sockets of this crate only.
pub trait Socket: sealed::Sealed + Sized {
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "only the builder calls it, and only this crate implements it")]
    fn with_options(context: &Context, options: &options::Options) -> Result<Self, ContextClosed>;
}

/// Sockets that send.
pub trait Sends: Socket {
    #[doc(hidden)]
    fn commit(&mut self, key: crate::pipe::Key, message: &mut crate::Message) -> Result<(), SendFailure>;
}

/// Sockets that receive.
pub trait Receives: Socket {}

mod sealed {
    #[expect(unnameable_types, reason = "this is what seals a trait")]
    pub trait Sealed {}
}
