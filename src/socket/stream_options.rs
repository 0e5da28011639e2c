//! What can be chosen about connections over streams, `tcp://` and `ipc://`. In process none of it means anything.
//!
//! All of it holds for what is bound or connected to afterwards, for as long as that is there: a socket that is
//! [reconfigured](super::Pull::reconfigure) has others for endpoints to come.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::{Builder, Pub, Sends, Socket, XPub};
use crate::transport::options::{AllowList, Keepalive, RingSize, SharedMemory};

impl<S: Socket> Builder<S> {
    /// How long to wait before connecting again, when an attempt has failed or a connection has ended: any time up to
    /// `interval` for the first attempt, then up to twice that, and so on up to
    /// [`reconnect_interval_max`](Self::reconnect_interval_max). `None`: a connection that fails or ends is over.
    /// [`DEFAULT_RECONNECT_INTERVAL`](super::DEFAULT_RECONNECT_INTERVAL) unless said otherwise.
    ///
    /// libzmq's `ZMQ_RECONNECT_IVL`, there -1 for never; its delays are between one interval and two.
    pub fn reconnect_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.options.stream.reconnect_interval = interval.into();
        self
    }

    /// What the time before connecting again grows to; if that is less than
    /// [`reconnect_interval`](Self::reconnect_interval), it does not grow.
    /// [`DEFAULT_RECONNECT_INTERVAL_MAX`](super::DEFAULT_RECONNECT_INTERVAL_MAX) unless said otherwise.
    ///
    /// libzmq's `ZMQ_RECONNECT_IVL_MAX`, there 0 (no growth) unless said otherwise.
    pub fn reconnect_interval_max(mut self, interval: Duration) -> Self {
        self.options.stream.reconnect_interval_max = interval;
        self
    }

    /// How long one attempt to connect over TCP may take; then it has failed. As long as the system tries unless said
    /// otherwise, which on Linux is about two minutes.
    ///
    /// libzmq's `ZMQ_CONNECT_TIMEOUT`.
    pub fn connect_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.stream.connect_timeout = timeout.into();
        self
    }

    /// How long the two ends of a new connection may take to agree how to talk; then it is closed. `None`: any time.
    /// [`DEFAULT_HANDSHAKE_TIMEOUT`](super::DEFAULT_HANDSHAKE_TIMEOUT) unless said otherwise.
    ///
    /// libzmq's `ZMQ_HANDSHAKE_IVL`, there 0 for any time.
    pub fn handshake_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.stream.handshake_timeout = timeout.into();
        self
    }

    /// Asks each peer every `interval` whether it is still there, and ends the connection if it is silent after that for
    /// as long as [`heartbeat_timeout`](Self::heartbeat_timeout) says. Anything that comes from it counts as an answer.
    /// Off unless said otherwise.
    ///
    /// libzmq's `ZMQ_HEARTBEAT_IVL`, there 0 for off.
    pub fn heartbeat(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.options.stream.heartbeat_interval = interval.into();
        self
    }

    /// How long a peer may be silent after it was asked. One interval unless said otherwise. Means nothing without
    /// [`heartbeat`](Self::heartbeat).
    ///
    /// libzmq's `ZMQ_HEARTBEAT_TIMEOUT`.
    pub fn heartbeat_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.stream.heartbeat_timeout = timeout.into();
        self
    }

    /// Tells each peer that it is to end the connection when it has heard nothing of us for so long; sent in tenths of a
    /// second, 65.5 s at the most, as libzmq's counter goes round beyond. Zero, which tells it nothing, unless said
    /// otherwise. Means nothing without [`heartbeat`](Self::heartbeat).
    ///
    /// libzmq's `ZMQ_HEARTBEAT_TTL`.
    pub fn heartbeat_ttl(mut self, ttl: Duration) -> Self {
        self.options.stream.heartbeat_ttl = ttl;
        self
    }

    /// Unless [`heartbeat_ttl`](Self::heartbeat_ttl) was said: has peers give us up when we would give them up, at the latest. Where
    /// heartbeats come so seldom that no TTL outlasts the time between two, none is told.
    #[cfg(feature = "remote")]
    pub(crate) fn heartbeat_both_ways(mut self) -> Self {
        let stream = &mut self.options.stream;
        if let (Some(interval), Duration::ZERO) = (stream.heartbeat_interval, stream.heartbeat_ttl) {
            let ttl = interval.saturating_add(stream.heartbeat_timeout.unwrap_or(interval));
            stream.heartbeat_ttl = if ttl <= LONGEST_TTL { ttl } else { Duration::ZERO };
        }
        self
    }

    /// Bytes a message that comes in may have, all its frames together; a peer that sends more is disconnected. Any number
    /// unless said otherwise: set it where peers are not to be trusted.
    ///
    /// libzmq's `ZMQ_MAXMSGSIZE`, which counts each frame alone.
    pub fn max_message_size(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.options.stream.max_message_size = bytes.into();
        self
    }

    /// Connections that others have made to this socket's endpoints at a time, all endpoints together; one more is closed
    /// at once, and its peer comes back later. Any number unless said otherwise. Those this socket makes do not count.
    ///
    /// libzmq has nothing like it.
    pub fn max_peers(mut self, peers: impl Into<Option<usize>>) -> Self {
        self.options.stream.max_peers = peers.into();
        self
    }

    /// Connections the system keeps for us until we accept them; beyond that it lets peers wait, or turns them away. It has
    /// a limit of its own. [`DEFAULT_BACKLOG`](super::DEFAULT_BACKLOG) unless said otherwise.
    ///
    /// libzmq's `ZMQ_BACKLOG`.
    pub fn backlog(mut self, connections: u32) -> Self {
        self.options.stream.backlog = connections;
        self
    }

    /// Bytes of the buffer in which the system keeps what is written until it has arrived (`SO_SNDBUF`). As the system likes
    /// unless said otherwise, which is best: it measures the way there.
    ///
    /// libzmq's `ZMQ_SNDBUF`.
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.options.stream.send_buffer = Some(bytes);
        self
    }

    /// Bytes of the buffer in which the system keeps what has arrived until it is read (`SO_RCVBUF`). As the system likes
    /// unless said otherwise, which is best.
    ///
    /// libzmq's `ZMQ_RCVBUF`.
    pub fn recv_buffer(mut self, bytes: usize) -> Self {
        self.options.stream.recv_buffer = Some(bytes);
        self
    }

    /// Has the system ask silent TCP peers whether they are there. As the system likes unless said otherwise, which is not.
    /// A [`heartbeat`](Self::heartbeat) finds more: a peer whose system answers and whose program does not.
    ///
    /// libzmq's `ZMQ_TCP_KEEPALIVE`, and with the fields of [`Keepalive`] its `_IDLE`, `_INTVL` and `_CNT`.
    pub fn keepalive(mut self, keepalive: Keepalive) -> Self {
        self.options.stream.keepalive = Some(keepalive);
        self
    }

    /// How long what was written over TCP may stay unacknowledged before the system gives the connection up
    /// (`TCP_USER_TIMEOUT`, Linux only). As the system likes unless said otherwise, which is about a quarter of an hour.
    ///
    /// libzmq's `ZMQ_TCP_MAXRT`.
    pub fn tcp_user_timeout(mut self, timeout: Duration) -> Self {
        self.options.stream.tcp_user_timeout = Some(timeout);
        self
    }

    /// The type of service byte of each IP packet. As the system likes, which is 0, unless said otherwise.
    ///
    /// libzmq's `ZMQ_TOS`.
    pub fn tos(mut self, tos: u8) -> Self {
        self.options.stream.tos = Some(tos);
        self
    }

    /// `*`, interfaces and host names stand for IPv6 addresses, too. Off unless said otherwise. An IPv6 address written as
    /// such is one either way.
    ///
    /// libzmq's `ZMQ_IPV6`, without which it refuses such addresses.
    pub fn ipv6(mut self, on: bool) -> Self {
        self.options.stream.ipv6 = on;
        self
    }

    /// The interface by which TCP goes, whatever the routes say (`SO_BINDTODEVICE`, Linux only). May need a privilege. By
    /// the routes unless said otherwise.
    ///
    /// libzmq's `ZMQ_BINDTODEVICE`.
    pub fn bind_to_device(mut self, interface: impl Into<Box<str>>) -> Self {
        self.options.stream.bind_to_device = Some(interface.into());
        self
    }

    /// Whether messages over `ipc://` go through shared memory. [`SharedMemory::Allow`] unless said otherwise.
    ///
    /// libzmq has nothing like it.
    pub fn shared_memory(mut self, choice: SharedMemory) -> Self {
        self.options.stream.shared_memory = choice;
        self
    }

    /// Bytes of the ring in shared memory through which this socket's messages to one peer go. A message that does not fit
    /// waits until the peer has read others, and counts towards the high-water mark as any; one of more than an eighth of
    /// the ring goes in pieces. It is replaced by a larger one when it is overrun again and again, within
    /// [`ipc_memory_max`](Self::ipc_memory_max). [`DEFAULT_IPC_RING_SIZE`](super::DEFAULT_IPC_RING_SIZE) unless said otherwise.
    ///
    /// libzmq has nothing like it.
    pub fn ipc_ring_size(mut self, size: RingSize) -> Self {
        self.options.stream.ipc_ring_size = size;
        self
    }

    /// Bytes of memory that may be shared with one peer, its segments and this socket's taken together. Of those half at most
    /// are this socket's, whose ring grows within that when it is busy beyond its size. With a peer whose first ring and this
    /// socket's are more already no memory is shared ([`MemoryMax`](crate::monitor::UpgradeObstacle::MemoryMax)); reaching it
    /// later changes nothing, but that the rings stay as they are. 0: no bound but that of [`RingSize`].
    /// [`DEFAULT_IPC_MEMORY_MAX`](super::DEFAULT_IPC_MEMORY_MAX) unless said otherwise, or four times
    /// [`ipc_ring_size`](Self::ipc_ring_size) if that is more.
    ///
    /// libzmq has nothing like it.
    pub fn ipc_memory_max(mut self, bytes: usize) -> Self {
        self.options.stream.ipc_memory_max = Some(if bytes == 0 { u64::MAX } else { bytes as u64 });
        self
    }

    /// Permissions of the file at the path of an `ipc://` endpoint that is bound, as in `0o660`: who may write there may
    /// connect. Set before anybody can. Bits above `0o777` are not looked at. Whatever the process's mask (`umask`) leaves
    /// unless said otherwise. Abstract names have no file, and nothing stands in the way there but
    /// [`ipc_allow`](Self::ipc_allow).
    ///
    /// libzmq has nothing like it.
    pub fn ipc_mode(mut self, permissions: u32) -> Self {
        self.options.stream.ipc_mode = Some(permissions & 0o777);
        self
    }

    /// Who may connect to the `ipc://` endpoints this socket binds, by what the system says of the process that connects
    /// (`SO_PEERCRED`). Others' connections are closed before anything is read from them, and told of by
    /// [`AcceptFailure::NotAllowed`](crate::monitor::AcceptFailure::NotAllowed). Everybody whom the file lets unless said
    /// otherwise. Linux only: elsewhere nobody is let in.
    ///
    /// libzmq's `ZMQ_IPC_FILTER_UID`, `_GID` and `_PID`.
    pub fn ipc_allow(mut self, who: AllowList) -> Self {
        self.options.stream.ipc_allow = Some(who);
        self
    }
}

impl<S: Sends> Builder<S> {
    /// No message queues for a peer that is not there: an endpoint this socket connects to counts only while the connection
    /// is made. Off unless said otherwise.
    ///
    /// libzmq's `ZMQ_IMMEDIATE`.
    pub fn immediate(mut self) -> Self {
        self.options.stream.immediate = true;
        self
    }
}

impl Builder<Pub> {
    /// Bytes of subscriptions kept for one peer over a stream, its topics and what it takes to find them; a peer that
    /// subscribes to more is disconnected.
    /// [`DEFAULT_SUBSCRIPTION_MEMORY_MAX`](super::DEFAULT_SUBSCRIPTION_MEMORY_MAX) unless said otherwise.
    ///
    /// libzmq has no limit.
    pub fn subscription_memory_max(mut self, bytes: usize) -> Self {
        self.options.stream.subscription_memory_max = bytes;
        self
    }
}

impl Builder<XPub> {
    /// Bytes of subscriptions kept for one peer over a stream, its topics and what it takes to find them; a peer that
    /// subscribes to more is disconnected.
    /// [`DEFAULT_SUBSCRIPTION_MEMORY_MAX`](super::DEFAULT_SUBSCRIPTION_MEMORY_MAX) unless said otherwise.
    ///
    /// libzmq has no limit.
    pub fn subscription_memory_max(mut self, bytes: usize) -> Self {
        self.options.stream.subscription_memory_max = bytes;
        self
    }
}

/// A PING has room for so much, as libzmq understands it.
#[cfg(feature = "remote")]
const LONGEST_TTL: Duration = Duration::from_millis(65_500);
