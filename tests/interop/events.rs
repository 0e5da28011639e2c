//! What libzmq's monitor events mean.

#![forbid(unsafe_code)]

use crate::party::{Event, Happening};

/// An event of libzmq's: its number, its value and where it happened.
pub(crate) fn event(number: u16, value: u32, endpoint: &str) -> Event {
    let (what, name) = match number {
        0x0001 => (Happening::Connected, "CONNECTED"),
        0x0002 => (Happening::Connecting, "CONNECT_DELAYED"),
        0x0004 => (Happening::Connecting, "CONNECT_RETRIED"),
        0x0008 => (Happening::Listening, "LISTENING"),
        0x0020 => (Happening::Accepted, "ACCEPTED"),
        0x0200 => (Happening::Disconnected, "DISCONNECTED"),
        0x0800 => (Happening::Refused, "HANDSHAKE_FAILED_NO_DETAIL"),
        0x1000 => (Happening::Joined, "HANDSHAKE_SUCCEEDED"),
        0x2000 => (Happening::Refused, "HANDSHAKE_FAILED_PROTOCOL"),
        0x4000 => (Happening::Refused, "HANDSHAKE_FAILED_AUTH"),
        0x0010 => (Happening::Other, "BIND_FAILED"),
        0x0040 => (Happening::Other, "ACCEPT_FAILED"),
        0x0080 => (Happening::Other, "CLOSED"),
        0x0100 => (Happening::Other, "CLOSE_FAILED"),
        0x0400 => (Happening::Other, "MONITOR_STOPPED"),
        _ => (Happening::Other, "an event not known here"),
    };
    Event { what, detail: format!("{name} {value:#x} {endpoint}") }
}
