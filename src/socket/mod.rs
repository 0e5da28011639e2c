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
//! | [`Req`] | `Rep`, `Router` | a request to each peer in turn | its reply | waits |
//! | [`Rep`] | `Req`, `Dealer` | the reply to whom the request came from | a request from each peer in turn | drops, and counts it |
//! | [`Dealer`] | `Rep`, `Dealer`, `Router` | to each peer in turn, skipping full ones | from each peer in turn | waits |
//! | [`Router`] | `Req`, `Dealer`, `Router` | to the peer its first frame names | from each peer in turn, with its id | drops and counts it, or waits |
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
//! Contents: `core` what all of them have, `options` what can be chosen and `stream_options`
//! about connections over streams, `error` what can go wrong, `counters` what
//! happened, `held` and `watch` how a socket is shared with those who wait for it to become ready, `interest` for what,
//! `descriptor` one of the system that tells, `flag` what it is made of and `news` a kind of it, `permit` a place reserved
//! for a message, `loan` one to write it in, `admission` one decided on its first frame, `routing_id` how a ROUTER's peers
//! are called, and the patterns.

mod admission;
mod attachments;
mod core;
mod counters;
#[cfg(target_os = "linux")]
mod descriptor;
mod error;
#[cfg(target_os = "linux")]
mod flag;
mod held;
mod interest;
mod loan;
#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, any(loom, shuttle)))]
mod models;
#[macro_use]
mod operations;
#[macro_use]
mod pattern;
mod dealer;
#[cfg(target_os = "linux")]
mod news;
mod options;
mod pair;
mod permit;
mod pipeline;
mod publish;
mod rep;
mod req;
mod router;
mod routing_id;
#[cfg(all(test, shuttle))]
mod shuttle;
mod stream_options;
mod subscribe;
pub(crate) mod watch;

pub use crate::transport::options::{
    AllowList, DEFAULT_BACKLOG, DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_IPC_MEMORY_MAX, DEFAULT_IPC_RING_SIZE,
    DEFAULT_RECONNECT_INTERVAL, DEFAULT_RECONNECT_INTERVAL_MAX, DEFAULT_SUBSCRIPTION_MEMORY_MAX, Keepalive, RingSize,
    RingSizeError, SharedMemory,
};
pub use admission::Admission;
pub use counters::{Counters, StreamCounters};
pub use dealer::Dealer;
#[cfg(target_os = "linux")]
pub use descriptor::Descriptor;
pub use error::{BindError, ConnectError, DetachError, RecvError, RequestError, SendError, SendFailure, WaitError};
pub use interest::Interest;
#[cfg(all(test, any(loom, shuttle)))]
pub(crate) use interest::Readiness;
pub use loan::Loan;
pub use options::{Builder, Conflates, DEFAULT_HWM, DEFAULT_LINGER};
pub use pair::Pair;
pub use permit::Permit;
pub use pipeline::{Pull, Push};
pub use publish::{NoSubscriber, Pub, XPub};
pub use rep::Rep;
pub use req::Req;
pub use router::{DuplicateId, Router};
pub use routing_id::{ROUTING_ID_MAX, RoutingId, RoutingIdError};
pub use subscribe::{Sub, XSub};

pub(crate) use watch::{Looked, Ready, Settled, Told, Watchable, Watcher};

use std::sync::Arc as Counted;

use crate::{Context, ContextClosed, Frame, Message, PeerId, SocketType};

/// A socket type, as a [`Builder`] makes it. Implemented by the sockets of this crate only.
pub trait Socket: sealed::Sealed + Send {
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "only the builder calls it, and only this crate implements it")]
    fn with_options(context: &Context, options: &options::Options) -> Result<Self, ContextClosed>
    where
        Self: Sized;
}

/// What a [`Poller`](crate::Poller) waits on: every socket.
pub trait Pollable: sealed::Sealed + Send {
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "only the poller calls it, and only this crate implements it")]
    fn watch(&mut self) -> Counted<dyn Watchable>;

    /// The reactor that whoever waits for this socket has to turn, if no thread does.
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "as above")]
    fn to_drive(&self) -> std::io::Result<Option<crate::reactor::Reactor>>;

    /// Does it belong to a process that this one was forked off?
    #[doc(hidden)]
    fn is_inherited(&self) -> bool;

    #[doc(hidden)]
    fn identity(&self) -> usize;

    /// The pattern it is an end of.
    fn socket_type(&self) -> SocketType;

    /// Has its context been shut down? Final.
    fn is_closed(&self) -> bool;

    /// Which of `interest` the socket is ready for. The socket's own method of that name.
    fn readiness(&mut self, interest: Interest) -> Interest;

    /// A descriptor that tells of news. The socket's own method of that name.
    ///
    /// # Errors
    /// The system has no descriptor left.
    #[cfg(target_os = "linux")]
    fn edge_descriptor(&mut self) -> std::io::Result<Descriptor>;
}

/// Sockets that send, for code that does not care which. Each method is the socket's own of that name.
///
/// `dyn Sends` is a socket that sends as well:
///
/// ```
/// use ringway::{Context, Pair, Push, socket::Sends};
///
/// let context = Context::new();
/// let mut outputs: Vec<Box<dyn Sends>> = vec![Box::new(Push::new(&context)?), Box::new(Pair::new(&context)?)];
/// assert!(outputs.iter_mut().all(|output| !output.can_send()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Sends: Socket + Pollable {
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "only a permit calls it, and only this crate implements it")]
    fn commit(&mut self, place: permit::Place, message: &mut Message) -> Result<(), SendFailure>;

    #[doc(hidden)]
    #[expect(private_interfaces, reason = "only a loan calls it, and only this crate implements it")]
    fn commit_loan(&mut self, place: permit::Place, lent: loan::Lent) -> Result<(), SendError>;

    /// Sends `message`; waits for room as long as it takes.
    ///
    /// # Errors
    /// The message comes back, with why.
    fn send(&mut self, message: Message) -> Result<(), SendError>;

    /// Sends `message` if there is room now. Never waits.
    ///
    /// # Errors
    /// The message comes back, with why.
    fn try_send(&mut self, message: Message) -> Result<(), SendError>;

    /// Would `try_send` send now?
    fn can_send(&mut self) -> bool;

    /// Decides on a message whose first frame is `first`: may it be sent, and to whom? Waits as `send` does.
    ///
    /// # Errors
    /// As `send`, but for those that need the whole message to be seen.
    fn admit(&mut self, first: &Frame) -> Result<Admission, SendFailure>;

    /// As [`admit`](Self::admit), without waiting.
    ///
    /// # Errors
    /// As `try_send`, but for those that need the whole message to be seen.
    fn try_admit(&mut self, first: &Frame) -> Result<Admission, SendFailure>;

    /// Sends `message`, its first frame included, which was admitted. Never waits.
    ///
    /// # Errors
    /// The message has no frame, memory ran out, or the context has been shut down; of REQ and REP, it is not their
    /// turn any more. The message comes back.
    fn send_admitted(&mut self, admission: Admission, message: Message) -> Result<(), SendError>;
}

/// Sockets that receive, for code that does not care which. Each method is the socket's own of that name.
pub trait Receives: Socket + Pollable {
    /// The next message; waits for one as long as it takes.
    ///
    /// # Errors
    /// There is none, and why.
    fn recv(&mut self) -> Result<Message, RecvError>;

    /// The next message, if one is there. Never waits.
    ///
    /// # Errors
    /// There is none, and why.
    fn try_recv(&mut self) -> Result<Message, RecvError>;

    /// Whom the message received last came from, if it came over a stream.
    fn last_sender(&self) -> Option<PeerId>;
}

/// Sockets that do both, for code that does not care which: `&mut dyn Duplex` goes into a
/// [`proxy`](crate::proxy::proxy()), say.
pub trait Duplex: Sends + Receives {}

impl<S: Sends + Receives> Duplex for S {}

/// Sockets that a [`Router`] may know by an id they choose.
pub trait Identified: Socket {}

pub(crate) mod sealed {
    #[expect(unnameable_types, reason = "this is what seals a trait")]
    pub trait Sealed {}
}
