//! What can be chosen about connections over streams, `tcp://` and `ipc://`. In process it means nothing.

#![forbid(unsafe_code)]

use std::time::Duration;

/// How long the first attempt to connect again waits at most: libzmq's default.
pub const DEFAULT_RECONNECT_INTERVAL: Duration = Duration::from_millis(100);
/// How long later ones do. libzmq's default is not to grow; a crowd of clients must not keep a server down that comes back.
pub const DEFAULT_RECONNECT_INTERVAL_MAX: Duration = Duration::from_secs(10);
/// How long a peer may take over greeting and handshake: libzmq's default.
pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections the system keeps for a listener that is busy, if it keeps so many (`somaxconn`). libzmq's default is 100, which a
/// crowd that comes back overflows: whom the system then drops tries again a second later.
pub const DEFAULT_BACKLOG: u32 = 1024;
/// Bytes of subscriptions a publisher keeps for one peer. A million topics of 30 bytes fit; a peer that asks for more has
/// lost its way, or wants to take our memory.
pub const DEFAULT_SUBSCRIPTION_MEMORY_MAX: usize = 64 << 20;

/// What can be chosen about a socket's connections over streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamOptions {
    /// No pipe before the handshake is done: messages do not queue for a peer that is not there.
    pub(crate) immediate: bool,
    /// Bound of the delay before the first attempt to connect again. `None`: a connection that fails or ends is over.
    pub(crate) reconnect_interval: Option<Duration>,
    /// What that bound grows to, doubling. Not at all if less.
    pub(crate) reconnect_interval_max: Duration,
    /// Time for one attempt, without the handshake. `None`: as long as the system tries.
    pub(crate) connect_timeout: Option<Duration>,
    /// Time for greeting and handshake. `None`: any.
    pub(crate) handshake_timeout: Option<Duration>,
    /// Time between two PINGs. `None`: there are none.
    pub(crate) heartbeat_interval: Option<Duration>,
    /// Time a peer may be silent after a PING. `None`: one interval.
    pub(crate) heartbeat_timeout: Option<Duration>,
    /// Time after which a peer is to give us up if it hears nothing. Zero: that is its own affair.
    pub(crate) heartbeat_ttl: Duration,
    /// Bytes of a message that comes in, all frames together. `None`: any number.
    pub(crate) max_message_size: Option<u64>,
    /// Peers over streams at a time, on all endpoints bound together. `None`: any number.
    pub(crate) max_peers: Option<usize>,
    /// Connections the system keeps until we accept them.
    pub(crate) backlog: u32,
    /// Bytes of the system's buffers (`SO_SNDBUF`, `SO_RCVBUF`). `None`: as the system likes.
    pub(crate) send_buffer: Option<usize>,
    pub(crate) recv_buffer: Option<usize>,
    /// `None`: as the system likes, which is off.
    pub(crate) keepalive: Option<Keepalive>,
    /// Time sent bytes may stay unacknowledged (`TCP_USER_TIMEOUT`). `None`: as the system likes.
    pub(crate) tcp_user_timeout: Option<Duration>,
    /// Type of service, the byte in the IP header. `None`: as the system likes.
    pub(crate) tos: Option<u8>,
    /// Do `*`, interfaces and names stand for IPv6 addresses, too?
    pub(crate) ipv6: bool,
    /// The interface packets take (`SO_BINDTODEVICE`). `None`: by the routes.
    pub(crate) bind_to_device: Option<Box<str>>,
    /// Bytes of subscriptions kept for a peer.
    pub(crate) subscription_memory_max: usize,
}

/// TCP keepalive: the system asks a silent peer whether it is there.
///
/// What is not said is as the system likes.
///
/// ```
/// use std::time::Duration;
///
/// use ringway::{Pull, socket::Keepalive};
///
/// let keepalive = Keepalive::new().idle(Duration::from_secs(60)).interval(Duration::from_secs(10)).count(3);
/// let builder = Pull::builder().keepalive(keepalive);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keepalive {
    pub(crate) idle: Option<Duration>,
    pub(crate) interval: Option<Duration>,
    pub(crate) count: Option<u32>,
}

impl Keepalive {
    /// As the system likes, which on Linux is after two hours.
    pub fn new() -> Self {
        Self::default()
    }

    /// Silence before the first question, in whole seconds (`TCP_KEEPIDLE`, libzmq's `ZMQ_TCP_KEEPALIVE_IDLE`).
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// Time between questions, in whole seconds (`TCP_KEEPINTVL`, `ZMQ_TCP_KEEPALIVE_INTVL`).
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// Questions without an answer before the connection is given up (`TCP_KEEPCNT`, `ZMQ_TCP_KEEPALIVE_CNT`).
    pub fn count(mut self, questions: u32) -> Self {
        self.count = Some(questions);
        self
    }
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            immediate: false,
            reconnect_interval: Some(DEFAULT_RECONNECT_INTERVAL),
            reconnect_interval_max: DEFAULT_RECONNECT_INTERVAL_MAX,
            connect_timeout: None,
            handshake_timeout: Some(DEFAULT_HANDSHAKE_TIMEOUT),
            heartbeat_interval: None,
            heartbeat_timeout: None,
            heartbeat_ttl: Duration::ZERO,
            max_message_size: None,
            max_peers: None,
            backlog: DEFAULT_BACKLOG,
            send_buffer: None,
            recv_buffer: None,
            keepalive: None,
            tcp_user_timeout: None,
            tos: None,
            ipv6: false,
            bind_to_device: None,
            subscription_memory_max: DEFAULT_SUBSCRIPTION_MEMORY_MAX,
        }
    }
}
