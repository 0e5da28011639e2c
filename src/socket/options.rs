//! What can be chosen when a socket is made, and much of it later.

#![forbid(unsafe_code)]

use std::{marker::PhantomData, time::Duration};

use super::{
    DuplicateId, Identified, Req, Router, RoutingId, Socket, publish::PubOptions, req::ReqOptions,
    router::RouterOptions, subscribe::SubOptions,
};
#[cfg(feature = "awkward-pipes")]
use crate::transport::options::SharedMemory;
use crate::{Context, ContextClosed, Frame, Message, WaitPolicy, monitor, transport::options::StreamOptions};

/// Messages a queue holds before it counts as full: libzmq's default.
pub const DEFAULT_HWM: u32 = 1000;
/// How long messages outlive their socket where the peer is still to come. Finite, other than libzmq's: a program that
/// ends must not hang on a peer that never came.
pub const DEFAULT_LINGER: Duration = Duration::from_secs(1);

/// The options of all sockets; a builder offers those that mean something to its type.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) send_hwm: u32,
    pub(crate) recv_hwm: u32,
    pub(crate) wait: WaitPolicy,
    /// Signals end waits.
    pub(crate) interruptible: bool,
    pub(crate) linger: Duration,
    /// How long `send` and `recv` wait; for ever if not set.
    pub(crate) send_timeout: Option<Duration>,
    pub(crate) recv_timeout: Option<Duration>,
    pub(crate) routing_id: Frame,
    /// What each new peer gets before anything else.
    pub(crate) hello: Option<Message>,
    /// Keep the newest message of each pipe only.
    pub(crate) conflates: bool,
    /// Events a monitor holds.
    pub(crate) monitor_capacity: usize,
    pub(crate) publishing: PubOptions,
    pub(crate) subscribing: SubOptions,
    pub(crate) req: ReqOptions,
    pub(crate) router: RouterOptions,
    pub(crate) stream: StreamOptions,
}

/// Makes sockets of type `S`, and [changes](super::Push::reconfigure) those there are.
///
/// ```
/// use ringway::{Context, Push, WaitPolicy};
///
/// let context = Context::new();
/// let push = Push::builder().send_hwm(64).wait(WaitPolicy::Spin).build(&context)?;
/// # Ok::<(), ringway::ContextClosed>(())
/// ```
#[derive(Clone, Debug)]
pub struct Builder<S> {
    pub(super) options: Options,
    socket: PhantomData<fn() -> S>,
}

impl<S: Socket> Builder<S> {
    pub(crate) fn new() -> Self {
        let options = Options {
            send_hwm: DEFAULT_HWM,
            recv_hwm: DEFAULT_HWM,
            wait: WaitPolicy::default(),
            interruptible: false,
            linger: DEFAULT_LINGER,
            send_timeout: None,
            recv_timeout: None,
            routing_id: Frame::new(),
            hello: None,
            conflates: false,
            monitor_capacity: monitor::DEFAULT_CAPACITY,
            publishing: PubOptions::default(),
            subscribing: SubOptions::default(),
            req: ReqOptions::default(),
            router: RouterOptions::default(),
            stream: StreamOptions::default(),
        };
        Self { options, socket: PhantomData }
    }

    /// How the socket's waiting calls idle. [`WaitPolicy::Adaptive`] unless said otherwise.
    pub fn wait(mut self, policy: WaitPolicy) -> Self {
        self.options.wait = policy;
        self
    }

    /// Makes a signal end the waits of this socket: a call whose thread is parked when a signal handler runs in it fails with
    /// `Interrupted` ([`RecvError`](super::RecvError), [`SendFailure`](super::SendFailure),
    /// [`WaitError`](super::WaitError)) unless what it waits for has come; with `SA_RESTART`, too. It may be made again,
    /// and nothing is lost. Unless said otherwise a wait goes on after a signal.
    ///
    /// Only a park can be ended. A signal that comes before, while the call still spins or has just begun, goes unseen, and
    /// so does every one under [`WaitPolicy::Spin`]: who must not miss one waits with a [`Poller`](crate::Poller), for a
    /// descriptor that its handler writes or for a [`Waker`](crate::poll::Waker). Linux only; elsewhere nothing changes.
    pub fn interruptible(mut self) -> Self {
        self.options.interruptible = true;
        self
    }

    /// Events that each [`Monitor`](crate::Monitor) of the socket holds, at least 1; then the oldest give way.
    /// [`monitor::DEFAULT_CAPACITY`] unless said otherwise.
    pub fn monitor_capacity(mut self, events: usize) -> Self {
        self.options.monitor_capacity = events;
        self
    }

    /// The socket.
    ///
    /// # Errors
    /// The context has been shut down.
    pub fn build(self, context: &Context) -> Result<S, ContextClosed> {
        #[cfg(feature = "awkward-pipes")]
        if context.is_plain() {
            let stream = StreamOptions { shared_memory: SharedMemory::Forbid, ..self.options.stream };
            return S::with_options(context, &Options { stream, ..self.options });
        }
        S::with_options(context, &self.options)
    }
}

impl<S: super::Sends> Builder<S> {
    /// Our part of the high-water mark of each pipe we send to, in messages; 0 means no limit.
    ///
    /// A pipe holds as many messages as its sender's and its receiver's mark together, exactly; if either is 0 it has
    /// no limit. [`DEFAULT_HWM`] unless said otherwise.
    pub fn send_hwm(mut self, messages: u32) -> Self {
        self.options.send_hwm = messages;
        self
    }

    /// How long `send` and `reserve` wait at the most: they end with `TimedOut` then. For ever unless said otherwise.
    pub fn send_timeout(mut self, timeout: Duration) -> Self {
        self.options.send_timeout = Some(timeout);
        self
    }

    /// How long messages are kept after the socket is gone, for an endpoint that is still to be bound.
    /// [`DEFAULT_LINGER`] unless said otherwise. Messages a connected peer has not taken yet are its own, whatever this
    /// says.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.options.linger = linger;
        self
    }
}

impl<S: super::Receives> Builder<S> {
    /// Our part of the high-water mark of each pipe we receive from, in messages; 0 means no limit. See
    /// [`send_hwm`](Self::send_hwm).
    pub fn recv_hwm(mut self, messages: u32) -> Self {
        self.options.recv_hwm = messages;
        self
    }

    /// How long `recv` waits at the most: it ends with `TimedOut` then. For ever unless said otherwise.
    pub fn recv_timeout(mut self, timeout: Duration) -> Self {
        self.options.recv_timeout = Some(timeout);
        self
    }
}

/// Sockets that may keep the newest message only.
pub trait Conflates: Socket {}

impl<S: Conflates> Builder<S> {
    /// Of each connection only the newest message is kept, whole: one that was not taken gives way to the next, and is
    /// counted at its sender ([`Counters::conflated`](super::Counters::conflated)). High-water marks mean nothing then.
    ///
    /// Either side of a connection may ask for it; one that was made before the endpoint was bound goes by what its
    /// connecting side asked for.
    pub fn conflate(mut self) -> Self {
        self.options.conflates = true;
        self
    }
}

impl<S: Identified> Builder<S> {
    /// The id under which ROUTER peers know this socket. One of their choosing unless said otherwise.
    pub fn routing_id(mut self, id: RoutingId) -> Self {
        self.options.routing_id = id.into();
        self
    }

    /// Greets each peer, when the connection is made, with a message of one empty frame: a ROUTER learns by it that this
    /// socket is there, and its id. Off unless said otherwise.
    pub fn probe_router(mut self) -> Self {
        self.options.hello = Some(Message::from(Frame::new()));
        self
    }
}

impl Builder<super::Dealer> {
    /// Greets each peer, when the connection is made, with `message`, before anything else.
    #[cfg(all(feature = "remote", not(any(loom, shuttle))))]
    pub(crate) fn greeting(mut self, message: Message) -> Self {
        self.options.hello = Some(message);
        self
    }
}

impl Builder<Req> {
    /// Puts a number before each request and takes a reply only with the same. Off unless said otherwise.
    pub fn correlate(mut self) -> Self {
        self.options.req.correlate = true;
        self
    }

    /// Allows sending while a reply is awaited: the old request is forgotten then. Without
    /// [`correlate`](Self::correlate) a late reply to it may pass for one to the next. Off unless said otherwise.
    pub fn relaxed(mut self) -> Self {
        self.options.req.relaxed = true;
        self
    }

    /// Goes on awaiting the reply when the peer that was asked has left, as libzmq's REQ does: `recv` waits as long as it
    /// may, though nothing can come any more, and only a [`relaxed`](Self::relaxed) socket can send. Off unless said
    /// otherwise: `recv` ends with [`RecvError::PeerLeft`](super::RecvError::PeerLeft) then. For programs that rely on their
    /// own time-outs.
    pub fn wait_on(mut self) -> Self {
        self.options.req.waits_on = true;
        self
    }

    /// How long an attempt at a request may take: then it is sent again if [`resend`](Self::resend) says so, or `recv`
    /// fails with [`RecvError::NoReply`](super::RecvError::NoReply) and the request is forgotten. Implies
    /// [`correlate`](Self::correlate) and [`relaxed`](Self::relaxed). For ever unless said otherwise.
    pub fn reply_timeout(mut self, timeout: Duration) -> Self {
        self.options.req.reply_timeout = Some(timeout);
        self
    }

    /// How many times a request is sent again, each time to the next peer in turn, after
    /// [`reply_timeout`](Self::reply_timeout) or when the peer that was asked has left. The number in its envelope stays, so
    /// a late reply to an earlier attempt counts. A request may be handled more than once then. The socket keeps a clone
    /// of it, and sends while its owner receives. Implies [`correlate`](Self::correlate) and [`relaxed`](Self::relaxed). 0
    /// unless said otherwise.
    pub fn resend(mut self, times: u32) -> Self {
        self.options.req.resend = times;
        self
    }
}

impl Builder<Router> {
    /// Makes sending to an unknown id fail with [`SendFailure::Unroutable`](super::SendFailure::Unroutable), and sending to
    /// a full peer wait. Unless said otherwise such messages are dropped, and counted.
    pub fn mandatory(mut self) -> Self {
        self.options.router.mandatory = true;
        self
    }

    /// What becomes of a peer with the id of another. [`DuplicateId::Refuse`] unless said otherwise.
    pub fn duplicate_id(mut self, policy: DuplicateId) -> Self {
        self.options.router.duplicates = policy;
        self
    }
}
