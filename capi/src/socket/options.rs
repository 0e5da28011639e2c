//! Options: set and read by number. One that is not here, or not for this type, is `EINVAL`; none is taken and ignored.
//!
//! Options hold for endpoints bound and connected from then on, as libzmq's; high-water marks, time-outs, linger and what a
//! pattern does hold at once.

use std::{ptr, slice};

use libc::{c_int, c_void, size_t};
use ringway::poll::Interest;

use super::{Socket, enter, settings::Settings};
use crate::{
    constants::*,
    error::{Errno, Result, call},
};

/// The longest routing id, which a wire has a byte for.
const ROUTING_ID_MAX: usize = 255;

impl Socket {
    fn set(&mut self, option: c_int, value: &[u8]) -> Result<()> {
        match option {
            // An XPUB that decides itself only.
            ZMQ_SUBSCRIBE | ZMQ_UNSUBSCRIBE if self.kind() == ZMQ_XPUB && !self.settings.xpub_manual => {
                return Err(Errno::EINVAL);
            }
            ZMQ_SUBSCRIBE => return self.core.subscribe(value),
            ZMQ_UNSUBSCRIBE => return self.core.unsubscribe(value),
            _ => {}
        }
        // On a copy: what is refused has changed nothing.
        let mut settings = self.settings.clone();
        settings.set(self.kind(), option, value)?;
        self.core.reconfigure(&settings);
        self.settings = settings;
        Ok(())
    }

    fn option(&mut self, option: c_int) -> Result<Value<'_>> {
        Ok(match option {
            ZMQ_TYPE => Value::Int(self.kind()),
            ZMQ_RCVMORE => Value::Int(self.has_more.into()),
            ZMQ_EVENTS => Value::Int(self.events()),
            ZMQ_FD => Value::Int(self.fd()?),
            ZMQ_LAST_ENDPOINT => {
                let last = self.core.last_endpoint();
                Value::Text(last.map(|endpoint| endpoint.to_string()).unwrap_or_default().into_bytes())
            }
            // NULL; and one thread at a time.
            ZMQ_MECHANISM | ZMQ_THREAD_SAFE => Value::Int(0),
            _ => return self.settings.option(self.core.kind(), option),
        })
    }

    /// What of `ZMQ_POLLIN` and `ZMQ_POLLOUT` the socket is ready for. The descriptor tells of changes after this.
    pub(crate) fn events(&mut self) -> c_int {
        let ready = self.readiness(Interest::READABLE | Interest::WRITABLE);
        let bit = |is_set, bit| if is_set { bit } else { 0 };
        bit(ready.has_readable(), ZMQ_POLLIN) | bit(ready.has_writable(), ZMQ_POLLOUT)
    }

    #[cfg(target_os = "linux")]
    fn fd(&mut self) -> Result<c_int> {
        use std::os::fd::AsRawFd;
        let descriptor = match self.descriptor.take() {
            Some(descriptor) => descriptor,
            None => self.core.edge_descriptor().map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EMFILE)))?,
        };
        Ok(self.descriptor.insert(descriptor).as_raw_fd())
    }
}

/// An option's value as it is read.
enum Value<'a> {
    Int(c_int),
    Int64(i64),
    /// No byte is added.
    Bytes(&'a [u8]),
    /// A zero byte is added.
    Text(Vec<u8>),
}

impl Settings {
    fn set(&mut self, kind: c_int, option: c_int, value: &[u8]) -> Result<()> {
        let is = |kinds: &[c_int]| if kinds.contains(&kind) { Ok(()) } else { Err(Errno::EINVAL) };
        match option {
            ZMQ_SNDHWM => self.send_hwm = at_least(0, value)?,
            ZMQ_RCVHWM => self.recv_hwm = at_least(0, value)?,
            ZMQ_LINGER => self.linger = at_least(-1, value)?,
            ZMQ_SNDTIMEO => self.send_timeout = at_least(-1, value)?,
            ZMQ_RCVTIMEO => self.recv_timeout = at_least(-1, value)?,
            ZMQ_ROUTING_ID => self.routing_id = routing_id(value)?,
            ZMQ_CONNECT_ROUTING_ID => {
                is(&[ZMQ_ROUTER])?;
                self.connect_routing_id = routing_id(value)?;
            }
            ZMQ_PROBE_ROUTER => {
                is(&[ZMQ_REQ, ZMQ_DEALER, ZMQ_ROUTER])?;
                self.probe_router = at_least(0, value)? != 0;
            }
            ZMQ_ROUTER_MANDATORY => {
                is(&[ZMQ_ROUTER])?;
                self.router_mandatory = at_least(0, value)? != 0;
            }
            ZMQ_ROUTER_HANDOVER => {
                is(&[ZMQ_ROUTER])?;
                self.router_handover = at_least(0, value)? != 0;
            }
            ZMQ_REQ_CORRELATE => {
                is(&[ZMQ_REQ])?;
                self.req_correlate = at_least(0, value)? != 0;
            }
            ZMQ_REQ_RELAXED => {
                is(&[ZMQ_REQ])?;
                self.req_relaxed = at_least(0, value)? != 0;
            }
            ZMQ_XPUB_VERBOSE => {
                is(&[ZMQ_XPUB])?;
                self.xpub_verbose = at_least(0, value)? != 0;
            }
            ZMQ_XPUB_VERBOSER => {
                is(&[ZMQ_XPUB])?;
                self.xpub_verboser = at_least(0, value)? != 0;
            }
            ZMQ_XPUB_MANUAL => {
                is(&[ZMQ_XPUB])?;
                self.xpub_manual = at_least(0, value)? != 0;
            }
            ZMQ_XPUB_NODROP => {
                is(&[ZMQ_XPUB, ZMQ_PUB])?;
                self.xpub_nodrop = at_least(0, value)? != 0;
            }
            ZMQ_XPUB_WELCOME_MSG => {
                is(&[ZMQ_XPUB])?;
                self.xpub_welcome = (!value.is_empty()).then(|| value.to_vec());
            }
            ZMQ_INVERT_MATCHING => {
                is(&[ZMQ_XPUB, ZMQ_PUB, ZMQ_SUB])?;
                self.invert_matching = number::<c_int>(value)? != 0;
            }
            ZMQ_CONFLATE => {
                // Of the other types libzmq takes it and ignores it.
                let on = flag(value)?;
                if on {
                    is(&[ZMQ_PULL, ZMQ_PUSH, ZMQ_SUB, ZMQ_PUB, ZMQ_DEALER])?;
                }
                self.conflate = on;
            }
            ZMQ_IMMEDIATE => self.immediate = flag(value)?,
            ZMQ_RECONNECT_IVL => self.reconnect_interval = at_least(-1, value)?,
            ZMQ_RECONNECT_IVL_MAX => self.reconnect_interval_max = at_least(0, value)?,
            ZMQ_CONNECT_TIMEOUT => self.connect_timeout = at_least(0, value)?,
            ZMQ_HANDSHAKE_IVL => self.handshake_interval = at_least(0, value)?,
            ZMQ_HEARTBEAT_IVL => self.heartbeat_interval = at_least(0, value)?,
            ZMQ_HEARTBEAT_TIMEOUT => self.heartbeat_timeout = at_least(0, value)?,
            // In tenths of a second, as it travels.
            ZMQ_HEARTBEAT_TTL => self.heartbeat_ttl = between(0, HEARTBEAT_TTL_MAX, value)? / 100 * 100,
            ZMQ_MAXMSGSIZE => self.max_message_size = number(value)?,
            ZMQ_BACKLOG => self.backlog = at_least(0, value)?,
            ZMQ_SNDBUF => self.send_buffer = at_least(-1, value)?,
            ZMQ_RCVBUF => self.recv_buffer = at_least(-1, value)?,
            ZMQ_TCP_KEEPALIVE => self.tcp_keepalive = between(-1, 1, value)?,
            ZMQ_TCP_KEEPALIVE_CNT => self.tcp_keepalive_count = keepalive(value)?,
            ZMQ_TCP_KEEPALIVE_IDLE => self.tcp_keepalive_idle = keepalive(value)?,
            ZMQ_TCP_KEEPALIVE_INTVL => self.tcp_keepalive_interval = keepalive(value)?,
            ZMQ_TCP_MAXRT => self.tcp_maxrt = at_least(0, value)?,
            ZMQ_TOS => self.tos = between(0, 255, value)?,
            ZMQ_IPV6 => self.ipv6 = flag(value)?,
            ZMQ_IPV4ONLY => self.ipv6 = !flag(value)?,
            ZMQ_BINDTODEVICE => {
                str::from_utf8(value).map_err(|_| Errno::EINVAL)?;
                self.device = value.to_vec();
            }
            // Any thread may serve any connection, and no other choice is offered.
            ZMQ_AFFINITY if number::<u64>(value)? == 0 => {}
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    fn option(&self, kind: c_int, option: c_int) -> Result<Value<'_>> {
        let of = |kinds: &[c_int], on: bool| {
            if kinds.contains(&kind) { Ok(Value::Int(on.into())) } else { Err(Errno::EINVAL) }
        };
        Ok(match option {
            ZMQ_SNDHWM => Value::Int(self.send_hwm),
            ZMQ_RCVHWM => Value::Int(self.recv_hwm),
            ZMQ_LINGER => Value::Int(self.linger),
            ZMQ_SNDTIMEO => Value::Int(self.send_timeout),
            ZMQ_RCVTIMEO => Value::Int(self.recv_timeout),
            ZMQ_ROUTING_ID => Value::Bytes(&self.routing_id),
            ZMQ_PROBE_ROUTER => return of(&[ZMQ_REQ, ZMQ_DEALER, ZMQ_ROUTER], self.probe_router),
            ZMQ_ROUTER_MANDATORY => return of(&[ZMQ_ROUTER], self.router_mandatory),
            ZMQ_ROUTER_HANDOVER => return of(&[ZMQ_ROUTER], self.router_handover),
            ZMQ_REQ_CORRELATE => return of(&[ZMQ_REQ], self.req_correlate),
            ZMQ_REQ_RELAXED => return of(&[ZMQ_REQ], self.req_relaxed),
            ZMQ_XPUB_VERBOSE => return of(&[ZMQ_XPUB], self.xpub_verbose),
            ZMQ_XPUB_VERBOSER => return of(&[ZMQ_XPUB], self.xpub_verboser),
            ZMQ_XPUB_MANUAL => return of(&[ZMQ_XPUB], self.xpub_manual),
            ZMQ_XPUB_NODROP => return of(&[ZMQ_XPUB, ZMQ_PUB], self.xpub_nodrop),
            ZMQ_INVERT_MATCHING => Value::Int(self.invert_matching.into()),
            ZMQ_CONFLATE => Value::Int(self.conflate.into()),
            ZMQ_IMMEDIATE => Value::Int(self.immediate.into()),
            ZMQ_RECONNECT_IVL => Value::Int(self.reconnect_interval),
            ZMQ_RECONNECT_IVL_MAX => Value::Int(self.reconnect_interval_max),
            ZMQ_CONNECT_TIMEOUT => Value::Int(self.connect_timeout),
            ZMQ_HANDSHAKE_IVL => Value::Int(self.handshake_interval),
            ZMQ_HEARTBEAT_IVL => Value::Int(self.heartbeat_interval),
            ZMQ_HEARTBEAT_TIMEOUT => Value::Int(self.heartbeat_timeout),
            ZMQ_HEARTBEAT_TTL => Value::Int(self.heartbeat_ttl),
            ZMQ_MAXMSGSIZE => Value::Int64(self.max_message_size),
            ZMQ_BACKLOG => Value::Int(self.backlog),
            ZMQ_SNDBUF => Value::Int(self.send_buffer),
            ZMQ_RCVBUF => Value::Int(self.recv_buffer),
            ZMQ_TCP_KEEPALIVE => Value::Int(self.tcp_keepalive),
            ZMQ_TCP_KEEPALIVE_CNT => Value::Int(self.tcp_keepalive_count),
            ZMQ_TCP_KEEPALIVE_IDLE => Value::Int(self.tcp_keepalive_idle),
            ZMQ_TCP_KEEPALIVE_INTVL => Value::Int(self.tcp_keepalive_interval),
            ZMQ_TCP_MAXRT => Value::Int(self.tcp_maxrt),
            ZMQ_TOS => Value::Int(self.tos),
            ZMQ_IPV6 => Value::Int(self.ipv6.into()),
            ZMQ_IPV4ONLY => Value::Int((!self.ipv6).into()),
            ZMQ_BINDTODEVICE => Value::Text(self.device.clone()),
            ZMQ_AFFINITY => Value::Int64(0),
            // What is not here can be asked for, and is off, or as libzmq has it by default.
            ZMQ_PLAIN_SERVER | ZMQ_ZAP_ENFORCE_DOMAIN | ZMQ_LOOPBACK_FASTPATH => Value::Int(0),
            ZMQ_USE_FD => Value::Int(-1),
            ZMQ_SOCKS_PROXY => Value::Text(Vec::new()),
            ZMQ_RATE => Value::Int(100),
            ZMQ_RECOVERY_IVL => Value::Int(10_000),
            ZMQ_MULTICAST_HOPS | ZMQ_MULTICAST_LOOP => Value::Int(1),
            ZMQ_MULTICAST_MAXTPDU => Value::Int(1500),
            _ => return Err(Errno::EINVAL),
        })
    }
}

/// Milliseconds: what libzmq takes, sixteen bits of tenths of a second.
const HEARTBEAT_TTL_MAX: c_int = 6_553_599;

/// A number, if the value is as long as one.
fn number<N: Numeric>(value: &[u8]) -> Result<N> {
    N::from_bytes(value).ok_or(Errno::EINVAL)
}

trait Numeric: Sized {
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

macro_rules! numeric {
    ($($number:ty)*) => {$(
        impl Numeric for $number {
            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self::from_ne_bytes)
            }
        }
    )*};
}

numeric!(c_int i64 u64);

fn at_least(min: c_int, value: &[u8]) -> Result<c_int> {
    between(min, c_int::MAX, value)
}

fn between(min: c_int, max: c_int, value: &[u8]) -> Result<c_int> {
    Some(number(value)?).filter(|number| (min..=max).contains(number)).ok_or(Errno::EINVAL)
}

/// Of the options that take nothing but 0 and 1. For others libzmq takes what is not 0 for 1.
fn flag(value: &[u8]) -> Result<bool> {
    Ok(between(0, 1, value)? == 1)
}

/// As the system likes, or so many.
fn keepalive(value: &[u8]) -> Result<c_int> {
    Some(at_least(-1, value)?).filter(|number| *number != 0).ok_or(Errno::EINVAL)
}

fn routing_id(value: &[u8]) -> Result<Vec<u8>> {
    // Those that begin with a zero are made up by ROUTERs.
    match value {
        [] | [0, ..] => Err(Errno::EINVAL),
        id if id.len() > ROUTING_ID_MAX => Err(Errno::EINVAL),
        id => Ok(id.to_vec()),
    }
}

/// Sets one of a socket's options. See the module, and libzmq's zmq_setsockopt(3) for each.
///
/// # Errors
/// `EINVAL`: no such option of this type, or not such a value.
///
/// # Safety
/// `socket` is null, or was made by [`zmq_socket`](super::zmq_socket); `value` points to `len` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_setsockopt(
    socket: *mut c_void,
    option: c_int,
    value: *const c_void,
    len: size_t,
) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        let mut socket = unsafe { enter(socket) }?;
        let value = match (value.is_null(), len) {
            (_, 0) => &[],
            (true, _) => return Err(Errno::EINVAL),
            // More than there is memory: some negative number.
            (false, len) if len > isize::MAX as usize => return Err(Errno::EINVAL),
            // SAFETY: the caller's duty.
            (false, _) => unsafe { slice::from_raw_parts(value.cast(), len) },
        };
        socket.set(option, value)?;
        Ok(0)
    })
}

/// Reads one of a socket's options into `*len` bytes at `value`, and writes into `len` how many it has.
///
/// # Errors
/// `EINVAL`: no such option of this type, or there is no room for its value.
///
/// # Safety
/// `socket` is null, or was made by [`zmq_socket`](super::zmq_socket); `value` points to `*len` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_getsockopt(
    socket: *mut c_void,
    option: c_int,
    value: *mut c_void,
    len: *mut size_t,
) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        let mut socket = unsafe { enter(socket) }?;
        // SAFETY: the caller's duty.
        let len = unsafe { len.as_mut() }.filter(|_| !value.is_null()).ok_or(Errno::EFAULT)?;
        let put = |bytes: &[u8], len: &mut size_t| {
            if bytes.len() > *len {
                return Err(Errno::EINVAL);
            }
            // SAFETY: the caller's duty: there are `*len` bytes.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), value.cast(), bytes.len()) };
            let (rest, places) = (value.cast::<u8>().wrapping_add(bytes.len()), *len - bytes.len());
            // For programs that have more room than they need, as for the `int64_t` of old.
            // SAFETY: as above.
            unsafe { rest.write_bytes(0, places) };
            *len = bytes.len();
            Ok(0)
        };
        match socket.option(option)? {
            Value::Int(number) => put(&number.to_ne_bytes(), len),
            Value::Int64(number) => put(&number.to_ne_bytes(), len),
            Value::Bytes(bytes) => put(bytes, len),
            Value::Text(mut text) => {
                text.push(0);
                put(&text, len)
            }
        }
    })
}
