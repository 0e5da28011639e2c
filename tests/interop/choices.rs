//! What libzmq calls the settings: by number in C, by name in Python.

#![forbid(unsafe_code)]

use std::time::Duration;

use crate::party::Setting;

/// A socket option of libzmq, and its value.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// Without the `ZMQ_` before it.
    pub(crate) name: &'static str,
    pub(crate) number: i32,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Int(i32),
    Wide(i64),
    Bytes(Vec<u8>),
}

/// How long a socket that is closed goes on sending unless a test says otherwise: libzmq's own default is for ever.
const LINGER: Duration = Duration::from_secs(10);

pub(crate) const LINGER_OPTION: i32 = 17;
pub(crate) const SUBSCRIBE: i32 = 6;
pub(crate) const UNSUBSCRIBE: i32 = 7;
pub(crate) const RCVTIMEO: i32 = 27;
pub(crate) const SNDTIMEO: i32 = 28;
pub(crate) const RCVMORE: i32 = 13;
pub(crate) const EVENTS: i32 = 15;
pub(crate) const LAST_ENDPOINT: i32 = 32;
pub(crate) const CONNECT_ROUTING_ID: i32 = 61;

/// All that is to be set on a socket with these settings.
pub(crate) fn choices(settings: &[Setting]) -> Vec<Choice> {
    let default = [Setting::Linger(LINGER)];
    default.iter().chain(settings).flat_map(of).collect()
}

fn of(setting: &Setting) -> Vec<Choice> {
    let int = |name, number, value: u32| Choice { name, number, value: Value::Int(value as i32) };
    let bytes = |name, number, value: &[u8]| Choice { name, number, value: Value::Bytes(value.to_vec()) };
    match setting {
        Setting::SendHwm(messages) => vec![int("SNDHWM", 23, *messages)],
        Setting::RecvHwm(messages) => vec![int("RCVHWM", 24, *messages)],
        Setting::Linger(time) => vec![int("LINGER", LINGER_OPTION, millis(*time))],
        Setting::RoutingId(id) => vec![bytes("ROUTING_ID", 5, id)],
        Setting::ProbeRouter => vec![int("PROBE_ROUTER", 51, 1)],
        Setting::Mandatory => vec![int("ROUTER_MANDATORY", 33, 1)],
        Setting::HandOver => vec![int("ROUTER_HANDOVER", 56, 1)],
        Setting::Correlate => vec![int("REQ_CORRELATE", 52, 1)],
        Setting::Relaxed => vec![int("REQ_RELAXED", 53, 1)],
        Setting::Verbose => vec![int("XPUB_VERBOSE", 40, 1)],
        Setting::Buffers(size) => vec![int("SNDBUF", 11, *size), int("RCVBUF", 12, *size)],
        Setting::MaxMessageSize(size) => {
            vec![Choice { name: "MAXMSGSIZE", number: 22, value: Value::Wide(i64::from(*size)) }]
        }
        Setting::Heartbeat { interval, timeout, ttl } => vec![
            int("HEARTBEAT_IVL", 75, millis(*interval)),
            int("HEARTBEAT_TIMEOUT", 77, millis(*timeout)),
            int("HEARTBEAT_TTL", 76, millis(*ttl)),
        ],
        Setting::PlainClient => vec![bytes("PLAIN_USERNAME", 45, b"somebody"), bytes("PLAIN_PASSWORD", 46, b"secret")],
        Setting::PlainServer => vec![int("PLAIN_SERVER", 44, 1)],
    }
}

/// In milliseconds, as libzmq counts.
pub(crate) fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX).min(i32::MAX as u32)
}
