//! Messages between threads at about the cost of a cache-line transfer, and between processes and machines with every
//! ZeroMQ peer.
//!
//! Sockets have ZeroMQ's patterns, and the endpoint names the road: `inproc://` is lock-free rings between the threads of a
//! process; `tcp://` and `ipc://` are ZMTP 3.1, which libzmq, pyzmq and others speak, over TCP and Unix-domain sockets. Where both ends of
//! an `ipc://` connection are this library, messages go through lock-free rings in memory that they share.
//!
//! ```
//! use ringway::{Context, Pair};
//!
//! let context = Context::new();
//! let (mut here, mut there) = (Pair::new(&context)?, Pair::new(&context)?);
//! here.bind("inproc://hello")?;
//! there.connect("inproc://hello")?;
//!
//! std::thread::spawn(move || there.send("hello").unwrap());
//! assert_eq!(here.recv()?[0], "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Over `tcp://` the same:
//!
//! ```
//! # use ringway::{Context, Pair};
//! # let context = Context::new();
//! # let (mut here, mut there) = (Pair::new(&context)?, Pair::new(&context)?);
//! here.bind("tcp://127.0.0.1:*")?;
//! there.connect(here.last_endpoint().expect("it is bound").to_string())?;
//! there.send("hello")?;
//! assert_eq!(here.recv()?[0], "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is here
//!
//! | module | what it is |
//! |---|---|
//! | [`socket`] | the patterns: [`Pair`]; [`Push`], [`Pull`]; [`Pub`], [`Sub`], [`XPub`], [`XSub`]; [`Req`], [`Rep`], [`Dealer`], [`Router`] |
//! | [`poll`] | [`Poller`]: waiting on many sockets and descriptors |
//! | [`proxy`] | forwarding between two sockets |
//! | [`bridge`] | actors that own sockets, and sockets that are forwarded to actors |
//! | [`message`] | [`Message`] and [`Frame`]: what they carry |
//! | [`monitor`] | what happens to a socket, as values: [`Monitor`] |
//! | [`actor`] | supervised actors on pinned workers, over the same rings |
//! | [`channel`] | blocking typed channels between threads, without sockets |
//! | [`ring`] | the lock-free rings themselves; they never wait |
//! | [`wait`] | how a thread idles: [`WaitPolicy`] and the sleep protocol |
//! | [`affinity`] | cores: which there are, pinning threads to them |
//! | [`latency`] | clock reads and latency histograms |
//! | [`endpoint`] | endpoint strings, parsed: `inproc://name`, `tcp://host:port`, `ipc://path` |
//! | [`Context`] | what sockets live in; its [builder](Context::builder) chooses the threads that serve streams, if any |

pub mod actor;
pub mod affinity;
pub mod bridge;
pub mod channel;
mod context;
pub mod endpoint;
#[cfg(all(test, any(loom, shuttle)))]
mod explore;
mod fork;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod latency;
pub mod message;
pub mod monitor;
#[cfg(feature = "phases")]
#[doc(hidden)]
pub mod phase;
#[cfg(not(feature = "phases"))]
mod phase;
mod pipe;
pub mod poll;
pub mod proxy;
mod reactor;
#[cfg(all(feature = "awkward-pipes", target_os = "linux", not(any(loom, shuttle))))]
#[doc(hidden)]
pub mod refusal;
pub mod ring;
mod route;
#[cfg(target_os = "linux")]
#[cfg_attr(any(loom, shuttle), path = "shm/modelled.rs")]
mod shm;
pub mod socket;
mod socket_type;
mod sync;
mod system;
mod timer;
mod transport;
pub mod wait;
mod zmtp;

pub use context::{Context, ContextBuilder, ContextClosed, Interrupted, ShutdownReport};
pub use endpoint::{Endpoint, EndpointError};
pub use message::{Frame, Message};
pub use monitor::{Monitor, PeerId};
pub use poll::Poller;
pub use socket::{Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, RoutingId, Sub, XPub, XSub};
pub use socket_type::SocketType;
pub use system::SystemError;
pub use wait::WaitPolicy;

/// The code in the documents is compiled and run as the code in these comments is.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/message.md")]
    struct Messages;
    #[doc = include_str!("../docs/loan.md")]
    struct Loan;
    #[doc = include_str!("../docs/pair.md")]
    struct Pair;
    #[doc = include_str!("../docs/push-pull.md")]
    struct PushPull;
    #[doc = include_str!("../docs/req-rep.md")]
    struct ReqRep;
    #[doc = include_str!("../docs/dealer-router.md")]
    struct DealerRouter;
    #[doc = include_str!("../docs/pub-sub.md")]
    struct PubSub;
    #[doc = include_str!("../docs/tcp.md")]
    struct Tcp;
    #[doc = include_str!("../docs/ipc.md")]
    struct Ipc;
    #[doc = include_str!("../docs/context.md")]
    struct Context;
    #[doc = include_str!("../docs/monitor.md")]
    struct Monitor;
    #[doc = include_str!("../docs/poll.md")]
    struct Poll;
    #[doc = include_str!("../docs/bridge.md")]
    struct Bridge;
    #[doc = include_str!("../docs/proxy.md")]
    struct Proxy;
    #[doc = include_str!("../docs/actors.md")]
    struct Actors;
}
