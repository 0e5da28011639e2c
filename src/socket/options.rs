//! What can be chosen when a socket is made.

#![forbid(unsafe_code)]

use std::{marker::PhantomData, time::Duration};

use super::{Socket, publish::PubOptions, subscribe::SubOptions};
use crate::{Context, ContextClosed, Frame, Message, WaitPolicy, monitor};

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
}

/// Makes sockets of type `S`.
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
            linger: DEFAULT_LINGER,
            send_timeout: None,
            recv_timeout: None,
            routing_id: Frame::new(),
            hello: None,
            conflates: false,
            monitor_capacity: monitor::DEFAULT_CAPACITY,
            publishing: PubOptions::default(),
            subscribing: SubOptions::default(),
        };
        Self { options, socket: PhantomData }
    }

    /// How the socket's waiting calls idle. [`WaitPolicy::Adaptive`] unless said otherwise.
    pub fn wait(mut self, policy: WaitPolicy) -> Self {
        self.options.wait = policy;
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
