//! Commands: what the two ends say to each other, rather than their applications.
//!
//! ```text
//!  frame 04 or 06 | size |  N  | name of N bytes | data
//!
//!  READY      name-size u8 | name | value-size u32 | value     … until the end
//!  ERROR      reason-size u8 | reason
//!  SUBSCRIBE  topic                   CANCEL  topic            to PUB and XPUB, from ZMTP 3.1 on
//!  PING       ttl u16, in 0.1 s | context of 0 to 16 bytes     PONG  the context of the PING
//!  X-RINGWAY-OFFER, X-RINGWAY-ANSWER                           between ends that may share memory, see `agreement`
//!  X-RINGWAY-SEGMENT, X-RINGWAY-SEGMENT-ANSWER                 between those that do
//! ```
//!
//! All integers big-endian; names of commands and of properties are compared to the letter, as libzmq does. JOIN, LEAVE
//! and whatever else there may be are ignored outside the handshake.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::{
    Config, Peer, agreement, error,
    error::Error,
    frame::{self, Flags},
    outbox::Outbox,
};
use crate::{Frame, SocketType};

/// A command, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command<'a> {
    pub(super) name: &'a [u8],
    pub(super) data: &'a [u8],
}

/// What a PING says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ping<'a> {
    /// The silence after which the peer wants to be given up; zero for none.
    pub(super) ttl: Duration,
    /// What is to be sent back.
    pub(super) context: &'a [u8],
}

impl<'a> Command<'a> {
    /// # Errors
    /// The name is cut off.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let (&size, rest) = body.split_first().ok_or(Error::MalformedCommand)?;
        let (name, data) = rest.split_at_checked(size.into()).ok_or(Error::MalformedCommand)?;
        Ok(Self { name, data })
    }

    pub(super) fn unexpected(&self) -> Error {
        Error::UnexpectedCommand { name: error::harmless(self.name) }
    }

    /// The data as that of a PING. Context beyond [`CONTEXT_MAX`] bytes is cut off.
    ///
    /// # Errors
    /// There is no TTL: the command has fewer than seven bytes.
    pub(super) fn ping(&self) -> Result<Ping<'a>, Error> {
        let (&ttl, context) = self.data.split_first_chunk().ok_or(Error::MalformedCommand)?;
        // In 32 bits: libzmq's 16 wrap from 65.6 s on.
        let ttl = TTL_UNIT * u32::from(u16::from_be_bytes(ttl));
        Ok(Ping { ttl, context: &context[..context.len().min(CONTEXT_MAX)] })
    }

    /// The data as that of an ERROR.
    pub(super) fn refusal(&self) -> Error {
        match self.data.split_first() {
            Some((&size, rest)) if rest.len() >= size.into() => {
                Error::Refused { reason: error::harmless(&rest[..size.into()]) }
            }
            _ => Error::MalformedCommand,
        }
    }

    /// The data as the properties in READY, checked against what we are.
    ///
    /// # Errors
    /// They are malformed, or the peer's socket is none that ours talks to.
    pub(super) fn properties(&self, config: &Config, minor: u8) -> Result<Peer, Error> {
        let mut rest = self.data;
        let (mut socket_type, mut routing_id, mut memory, mut properties) = (None, None, None, Vec::new());
        while !rest.is_empty() {
            let (name, value) = take_property(&mut rest).ok_or(Error::MalformedMetadata)?;
            let twice = match name {
                SOCKET_TYPE => socket_type.replace(value).is_some(),
                IDENTITY => routing_id.replace(value).is_some(),
                MEMORY => memory.replace(value).is_some(),
                _ => {
                    keep(&mut properties, name, value);
                    false
                }
            };
            if twice {
                return Err(Error::MalformedMetadata);
            }
        }
        let socket_type = talking(config.socket_type, socket_type.ok_or(Error::NoSocketType)?)?;
        let routing_id = honoured(socket_type, routing_id.unwrap_or_default())?;
        Ok(Peer {
            socket_type,
            routing_id,
            minor,
            shares_memory: memory.is_some_and(agreement::lists_ours),
            properties,
        })
    }
}

/// The type of that name, if `ours` talks to it.
fn talking(ours: SocketType, name: &[u8]) -> Result<SocketType, Error> {
    let theirs = named(name).ok_or_else(|| Error::UnknownSocketType { name: error::harmless(name) })?;
    if ours.talks_to(theirs) { Ok(theirs) } else { Err(Error::Incompatible { ours, theirs }) }
}

/// The routing id that counts: none from a type that has none, and none that begins with zero. Those are the ids a
/// ROUTER makes up, and who could take one could take another peer's; libzmq lets it. Such a peer gets one made up.
fn honoured(socket_type: SocketType, id: &[u8]) -> Result<Frame, Error> {
    match id {
        _ if !announces_routing_id(socket_type) => Ok(Frame::new()),
        _ if id.len() > ROUTING_ID_MAX => Err(Error::RoutingIdTooLong { size: id.len() }),
        [0, ..] => Ok(Frame::new()),
        _ => Ok(Frame::copy_from(id)),
    }
}

/// Keeps a property nobody here knows, within bounds.
fn keep(properties: &mut Vec<(String, Vec<u8>)>, name: &[u8], value: &[u8]) {
    if let Ok(name) = str::from_utf8(name)
        && properties.len() < PROPERTIES_MAX
        && let Ok(value) = frame::copied(value)
    {
        properties.push((name.to_owned(), value));
    }
}

/// The first property of `rest`, which goes on behind it. `None` if it is cut off or has no name.
fn take_property<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (&size, after) = rest.split_first()?;
    let (name, after) = after.split_at_checked(size.into())?;
    let (&size, after) = after.split_first_chunk()?;
    let (value, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(size)).ok()?)?;
    *rest = after;
    (!name.is_empty()).then_some((name, value))
}

/// Puts READY with what we are.
pub(super) fn put_ready(outbox: &mut Outbox, config: &Config) {
    let mut data = Vec::new();
    put_property(&mut data, SOCKET_TYPE, config.socket_type.to_string().as_bytes());
    if announces_routing_id(config.socket_type) {
        put_property(&mut data, IDENTITY, &config.routing_id);
    }
    if config.shares_memory {
        put_property(&mut data, MEMORY, agreement::ANNOUNCEMENT);
    }
    for (name, value) in &config.properties {
        put_property(&mut data, name.as_bytes(), value);
    }
    put(outbox, READY, &data);
}

fn put_property(data: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let name_size = u8::try_from(name.len()).expect("the name of a property we announce has at most 255 bytes");
    let value_size = u32::try_from(value.len()).expect("the value of a property we announce is small");
    data.push(name_size);
    data.extend_from_slice(name);
    data.extend_from_slice(&value_size.to_be_bytes());
    data.extend_from_slice(value);
}

/// The data of a PING without a context. `ttl` is rounded up to a tenth of a second, and to [`TTL_UNITS_MAX`] at most.
pub(super) fn ping(ttl: Duration) -> [u8; 2] {
    (ttl.as_nanos().div_ceil(TTL_UNIT.as_nanos()).min(TTL_UNITS_MAX.into()) as u16).to_be_bytes()
}

/// A subscription, or the end of one, in the form of ZMTP 3.0: a message.
pub(super) fn subscription(topic: &[u8], wanted: bool) -> Frame {
    Frame::build(1 + topic.len(), |bytes| {
        bytes[0] = wanted.into();
        bytes[1..].copy_from_slice(topic);
    })
}

/// Puts a command as it is.
pub(super) fn put(outbox: &mut Outbox, name: &[u8], data: &[u8]) {
    outbox.put_header(Flags::COMMAND, 1 + name.len() + data.len());
    // Our own names, all shorter than 256 bytes.
    outbox.put(&[name.len() as u8]);
    outbox.put(name);
    outbox.put(data);
}

/// Does a socket of this type say its routing id in READY, even an empty one?
fn announces_routing_id(socket_type: SocketType) -> bool {
    matches!(socket_type, SocketType::Req | SocketType::Dealer | SocketType::Router)
}

/// The type of this name, as [`SocketType`] displays it.
fn named(name: &[u8]) -> Option<SocketType> {
    use SocketType::{Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub};
    Some(match name {
        b"PAIR" => Pair,
        b"PUSH" => Push,
        b"PULL" => Pull,
        b"PUB" => Pub,
        b"SUB" => Sub,
        b"XPUB" => XPub,
        b"XSUB" => XSub,
        b"REQ" => Req,
        b"REP" => Rep,
        b"DEALER" => Dealer,
        b"ROUTER" => Router,
        _ => return None,
    })
}

pub(super) const READY: &[u8] = b"READY";
pub(super) const ERROR: &[u8] = b"ERROR";
pub(super) const PING: &[u8] = b"PING";
pub(super) const PONG: &[u8] = b"PONG";
pub(super) const SUBSCRIBE: &[u8] = b"SUBSCRIBE";
pub(super) const CANCEL: &[u8] = b"CANCEL";
pub(super) const OFFER: &[u8] = b"X-RINGWAY-OFFER";
pub(super) const ANSWER: &[u8] = b"X-RINGWAY-ANSWER";
pub(super) const SEGMENT: &[u8] = b"X-RINGWAY-SEGMENT";
pub(super) const SEGMENT_ANSWER: &[u8] = b"X-RINGWAY-SEGMENT-ANSWER";
const SOCKET_TYPE: &[u8] = b"Socket-Type";
const IDENTITY: &[u8] = b"Identity";
const MEMORY: &[u8] = b"X-Ringway-Memory";

/// Most bytes of a routing id (RFC 37).
pub(super) const ROUTING_ID_MAX: usize = 255;
/// Most bytes of a PING's context (RFC 37).
const CONTEXT_MAX: usize = 16;
/// The unit of a PING's TTL.
const TTL_UNIT: Duration = Duration::from_millis(100);
/// The longest TTL libzmq does not get wrong: 65.5 s. It multiplies by 100 in 16 bits.
const TTL_UNITS_MAX: u16 = 655;
/// Properties of a peer that are kept beside those we know. libzmq announces two in all; the bound is for the others.
const PROPERTIES_MAX: usize = 64;
