//! What can be chosen about connections over streams, `tcp://` and `ipc://`. In process it means nothing.

#![forbid(unsafe_code)]

use std::{fmt, time::Duration};

use crate::monitor::PeerCredentials;

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
/// Bytes of the ring in shared memory through which a connection's messages go: a thousand small ones, which is the default
/// high-water mark.
pub const DEFAULT_IPC_RING_SIZE: RingSize = RingSize(64 << 10);
/// Bytes of memory that are shared with one peer, at the most: enough for a ring of 1 MiB each way beside those of 64 KiB it takes
/// the place of, and for the one in between while it is still read.
pub const DEFAULT_IPC_MEMORY_MAX: usize = 4 << 20;

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
    /// May messages over `ipc://` go through shared memory?
    pub(crate) shared_memory: SharedMemory,
    pub(crate) ipc_ring_size: RingSize,
    /// Bytes of memory shared with one peer over `ipc://`, ours and its. `None`: nothing was said, see
    /// [`ipc_memory_max`](Self::ipc_memory_max).
    pub(crate) ipc_memory_max: Option<u64>,
    /// Permissions of the file of an `ipc://` endpoint. `None`: by the process's mask.
    pub(crate) ipc_mode: Option<u32>,
    /// Who may connect to an `ipc://` endpoint. `None`: whom the file lets.
    pub(crate) ipc_allow: Option<AllowList>,
}

/// Whether messages over `ipc://` go through shared memory, where the peer can do so, too.
///
/// Only between two processes that run this library; to others, libzmq's among them, messages go through the kernel. The
/// [monitor](crate::monitor) tells which it is, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SharedMemory {
    /// They do, and where something is in the way they go through the kernel.
    #[default]
    Allow,
    /// They do not, and the peer is not told that they could.
    Forbid,
    /// They do, and there is no connection with peers where something is in the way:
    /// [`HandshakeFailure::SharedMemoryRequired`](crate::monitor::HandshakeFailure::SharedMemoryRequired).
    Require,
}

/// Bytes of a ring in shared memory: a power of two from [`RingSize::MIN`] to [`RingSize::MAX`].
///
/// ```
/// use ringway::{Push, socket::RingSize};
///
/// let builder = Push::builder().ipc_ring_size(RingSize::new(1 << 20)?);
/// assert!(RingSize::new(100_000).is_err());
/// # Ok::<(), ringway::socket::RingSizeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RingSize(u32);

/// What cannot be a [`RingSize`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingSizeError {
    /// So many bytes, below [`RingSize::MIN`].
    TooSmall(usize),
    /// So many bytes, above [`RingSize::MAX`].
    TooLarge(usize),
    /// So many bytes, which are no power of two.
    NoPowerOfTwo(usize),
}

/// Who may connect to an `ipc://` endpoint: whose user, group or process is listed. An empty list lets nobody in.
///
/// ```
/// use ringway::{Pull, socket::AllowList};
///
/// let builder = Pull::builder().ipc_allow(AllowList::new().user(1000).group(27));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    users: Vec<u32>,
    groups: Vec<u32>,
    processes: Vec<u32>,
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

impl RingSize {
    /// The smallest there may be: 4 KiB, a page.
    pub const MIN: Self = Self(4 << 10);
    /// The largest: 64 MiB. A message of an eighth of it is one record, which has 24 bits for its size.
    pub const MAX: Self = Self(64 << 20);

    /// Checks `bytes`.
    ///
    /// # Errors
    /// Too few, too many, or no power of two.
    pub const fn new(bytes: usize) -> Result<Self, RingSizeError> {
        match bytes {
            _ if bytes < Self::MIN.bytes() => Err(RingSizeError::TooSmall(bytes)),
            _ if bytes > Self::MAX.bytes() => Err(RingSizeError::TooLarge(bytes)),
            _ if !bytes.is_power_of_two() => Err(RingSizeError::NoPowerOfTwo(bytes)),
            // At most `MAX`.
            _ => Ok(Self(bytes as u32)),
        }
    }

    /// As a number.
    pub const fn bytes(self) -> usize {
        self.0 as usize
    }
}

impl AllowList {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Processes of this user, too, by effective user id.
    pub fn user(mut self, id: u32) -> Self {
        self.users.push(id);
        self
    }

    /// Processes of this group, too, by effective group id; other groups their user is in do not count.
    pub fn group(mut self, id: u32) -> Self {
        self.groups.push(id);
        self
    }

    /// This process, too. When it has ended another may get its number.
    pub fn process(mut self, id: u32) -> Self {
        self.processes.push(id);
        self
    }

    pub(crate) fn allows(&self, peer: PeerCredentials) -> bool {
        self.users.contains(&peer.user) || self.groups.contains(&peer.group) || self.processes.contains(&peer.process)
    }
}

impl fmt::Display for RingSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall(bytes) => write!(f, "a ring has at least {} bytes, not {bytes}", RingSize::MIN.bytes()),
            Self::TooLarge(bytes) => write!(f, "a ring has at most {} bytes, not {bytes}", RingSize::MAX.bytes()),
            Self::NoPowerOfTwo(bytes) => write!(f, "the size of a ring is a power of two, not {bytes}"),
        }
    }
}

impl std::error::Error for RingSizeError {}

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
            shared_memory: SharedMemory::default(),
            ipc_ring_size: DEFAULT_IPC_RING_SIZE,
            ipc_memory_max: None,
            ipc_mode: None,
            ipc_allow: None,
        }
    }
}

impl StreamOptions {
    /// Bytes of memory that may be shared with one peer over `ipc://`. Who asks for a large ring and says nothing else means it to
    /// be had, and a peer's as large.
    pub(crate) fn ipc_memory_max(&self) -> u64 {
        let by_ring = 4 * self.ipc_ring_size.bytes();
        self.ipc_memory_max.unwrap_or(by_ring.max(DEFAULT_IPC_MEMORY_MAX) as u64)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_ring_that_was_asked_for_is_within_the_bound_unless_that_was_set() {
        let mut options = StreamOptions::default();
        assert_eq!(options.ipc_memory_max(), DEFAULT_IPC_MEMORY_MAX as u64);
        options.ipc_ring_size = RingSize::MAX;
        assert!(options.ipc_memory_max() > 2 * RingSize::MAX.bytes() as u64);
        options.ipc_memory_max = Some(1);
        assert_eq!(options.ipc_memory_max(), 1);
    }

    #[test]
    fn a_ring_is_a_power_of_two_within_bounds() {
        let sizes =
            (0..).map(|bits| 1_usize << bits).skip_while(|&size| size < 4096).take_while(|&size| size <= 64 << 20);
        for size in sizes {
            assert_eq!(RingSize::new(size).map(RingSize::bytes), Ok(size));
            for odd in [size - 1, size + 1] {
                let error = RingSize::new(odd).unwrap_err();
                assert!(error.to_string().ends_with(&format!("not {odd}")), "{error}");
            }
        }
        assert_eq!(RingSize::new(0), Err(RingSizeError::TooSmall(0)));
        assert_eq!(RingSize::new(4095), Err(RingSizeError::TooSmall(4095)));
        assert_eq!(RingSize::new(128 << 20), Err(RingSizeError::TooLarge(128 << 20)));
        assert_eq!(RingSize::new(usize::MAX), Err(RingSizeError::TooLarge(usize::MAX)));
        assert_eq!(RingSize::new(5000), Err(RingSizeError::NoPowerOfTwo(5000)));
        assert_eq!(RingSize::new(DEFAULT_IPC_RING_SIZE.bytes()), Ok(DEFAULT_IPC_RING_SIZE));
    }

    #[test]
    fn who_is_listed_in_any_way_is_allowed() {
        let peer = |process, user, group| PeerCredentials { process, user, group };
        assert!(!AllowList::new().allows(peer(1, 0, 0)));
        let list = AllowList::new().user(1000).user(1001).group(27).process(4711);
        assert!(list.allows(peer(1, 1000, 0)) && list.allows(peer(1, 1001, 0)));
        assert!(list.allows(peer(1, 0, 27)) && list.allows(peer(4711, 0, 0)));
        assert!(!list.allows(peer(1000, 27, 4711)) && !list.allows(peer(0, 0, 0)));
    }
}
