//! What can be set of a socket, kept in libzmq's units so that it is read back as it was set; and what that means here.
//!
//! | libzmq's number | means here |
//! |---|---|
//! | -1 of a time | no end |
//! | 0 of `HANDSHAKE_IVL`, `HEARTBEAT_IVL`, `CONNECT_TIMEOUT`, `TCP_MAXRT`, `TOS` | none |
//! | -1 of `SNDBUF`, `RCVBUF`, `TCP_KEEPALIVE` and its kin, `MAXMSGSIZE` | as the system likes, or none |

use std::time::Duration;

use libc::c_int;
use ringway::{RoutingId, WaitPolicy, socket::Keepalive};

use crate::context::{Defaults, Home};

/// See the module. Fields have the names of the options.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) wait: WaitPolicy,
    pub(crate) send_hwm: c_int,
    pub(crate) recv_hwm: c_int,
    pub(crate) linger: c_int,
    pub(crate) send_timeout: c_int,
    pub(crate) recv_timeout: c_int,
    pub(crate) routing_id: Vec<u8>,
    pub(crate) connect_routing_id: Vec<u8>,
    pub(crate) probe_router: bool,
    pub(crate) router_mandatory: bool,
    pub(crate) router_handover: bool,
    pub(crate) req_correlate: bool,
    pub(crate) req_relaxed: bool,
    pub(crate) conflate: bool,
    pub(crate) immediate: bool,
    pub(crate) invert_matching: bool,
    pub(crate) xpub_verbose: bool,
    pub(crate) xpub_verboser: bool,
    pub(crate) xpub_manual: bool,
    pub(crate) xpub_nodrop: bool,
    pub(crate) xpub_welcome: Option<Vec<u8>>,
    pub(crate) reconnect_interval: c_int,
    pub(crate) reconnect_interval_max: c_int,
    pub(crate) connect_timeout: c_int,
    pub(crate) handshake_interval: c_int,
    pub(crate) heartbeat_interval: c_int,
    pub(crate) heartbeat_timeout: c_int,
    pub(crate) heartbeat_ttl: c_int,
    pub(crate) max_message_size: i64,
    pub(crate) backlog: c_int,
    pub(crate) send_buffer: c_int,
    pub(crate) recv_buffer: c_int,
    pub(crate) tcp_keepalive: c_int,
    pub(crate) tcp_keepalive_count: c_int,
    pub(crate) tcp_keepalive_idle: c_int,
    pub(crate) tcp_keepalive_interval: c_int,
    pub(crate) tcp_maxrt: c_int,
    pub(crate) tos: c_int,
    pub(crate) ipv6: bool,
    pub(crate) device: Vec<u8>,
}

impl Settings {
    /// libzmq's defaults, for a socket of type `kind`.
    pub(crate) fn new(home: &Home, defaults: Defaults, receives_only: bool) -> Self {
        Self {
            wait: home.wait,
            send_hwm: 1000,
            recv_hwm: 1000,
            linger: if receives_only || !defaults.lingers { 0 } else { -1 },
            send_timeout: -1,
            recv_timeout: -1,
            routing_id: Vec::new(),
            connect_routing_id: Vec::new(),
            probe_router: false,
            router_mandatory: false,
            router_handover: false,
            req_correlate: false,
            req_relaxed: false,
            conflate: false,
            immediate: false,
            invert_matching: false,
            xpub_verbose: false,
            xpub_verboser: false,
            xpub_manual: false,
            xpub_nodrop: false,
            xpub_welcome: None,
            reconnect_interval: 100,
            reconnect_interval_max: 0,
            connect_timeout: 0,
            handshake_interval: 30_000,
            heartbeat_interval: 0,
            heartbeat_timeout: -1,
            heartbeat_ttl: 0,
            max_message_size: -1,
            backlog: 100,
            send_buffer: -1,
            recv_buffer: -1,
            tcp_keepalive: -1,
            tcp_keepalive_count: -1,
            tcp_keepalive_idle: -1,
            tcp_keepalive_interval: -1,
            tcp_maxrt: 0,
            tos: 0,
            ipv6: defaults.is_ipv6,
            device: Vec::new(),
        }
    }

    pub(super) fn linger(&self) -> Duration {
        millis(self.linger).unwrap_or(Duration::MAX)
    }

    pub(super) fn send_timeout(&self) -> Option<Duration> {
        millis(self.send_timeout)
    }

    pub(super) fn recv_timeout(&self) -> Option<Duration> {
        millis(self.recv_timeout)
    }

    /// `None` unless one was set.
    pub(super) fn routing_id(&self) -> Option<RoutingId> {
        RoutingId::new(self.routing_id.as_slice()).ok()
    }

    pub(super) fn reconnect_interval(&self) -> Option<Duration> {
        millis(self.reconnect_interval)
    }

    pub(super) fn reconnect_interval_max(&self) -> Duration {
        millis(self.reconnect_interval_max).unwrap_or_default()
    }

    pub(super) fn connect_timeout(&self) -> Option<Duration> {
        positive_millis(self.connect_timeout)
    }

    pub(super) fn handshake_timeout(&self) -> Option<Duration> {
        positive_millis(self.handshake_interval)
    }

    pub(super) fn heartbeat(&self) -> Option<Duration> {
        positive_millis(self.heartbeat_interval)
    }

    pub(super) fn heartbeat_timeout(&self) -> Option<Duration> {
        millis(self.heartbeat_timeout)
    }

    pub(super) fn heartbeat_ttl(&self) -> Duration {
        millis(self.heartbeat_ttl).unwrap_or_default()
    }

    pub(super) fn max_message_size(&self) -> Option<u64> {
        u64::try_from(self.max_message_size).ok()
    }

    pub(super) fn send_buffer(&self) -> Option<usize> {
        usize::try_from(self.send_buffer).ok()
    }

    pub(super) fn recv_buffer(&self) -> Option<usize> {
        usize::try_from(self.recv_buffer).ok()
    }

    pub(super) fn keepalive(&self) -> Option<Keepalive> {
        let seconds = |value: c_int| u64::try_from(value).ok().map(Duration::from_secs);
        (self.tcp_keepalive == 1).then(|| {
            let keepalive = Keepalive::new();
            let keepalive = seconds(self.tcp_keepalive_idle).into_iter().fold(keepalive, Keepalive::idle);
            let keepalive = seconds(self.tcp_keepalive_interval).into_iter().fold(keepalive, Keepalive::interval);
            u32::try_from(self.tcp_keepalive_count).ok().into_iter().fold(keepalive, Keepalive::count)
        })
    }

    pub(super) fn tcp_user_timeout(&self) -> Option<Duration> {
        positive_millis(self.tcp_maxrt)
    }

    pub(super) fn tos(&self) -> Option<u8> {
        u8::try_from(self.tos).ok().filter(|tos| *tos > 0)
    }

    pub(super) fn device(&self) -> Option<Box<str>> {
        let device = str::from_utf8(&self.device).ok()?;
        (!device.is_empty()).then(|| device.into())
    }
}

/// -1 is for ever, or never.
fn millis(value: c_int) -> Option<Duration> {
    u64::try_from(value).ok().map(Duration::from_millis)
}

/// 0 is none, too.
fn positive_millis(value: c_int) -> Option<Duration> {
    millis(value).filter(|time| !time.is_zero())
}
