//! Entry points for this crate's fuzz targets and benchmarks. Outside semantic versioning.
//!
//! Each takes whatever bytes there are and panics when something that has to hold does not.

#![forbid(unsafe_code)]

use std::{
    collections::VecDeque,
    fmt, mem,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    Endpoint, Frame, Message, SocketType,
    zmtp::{
        Config, Connection, Fault, Heartbeat, Limits, Received,
        probe::{self, Told},
    },
};

/// What a peer may send after its READY: the same is told of it however it is cut, and little memory is held for it.
///
/// Bytes: our type; how it is cut; then the stream.
pub fn zmtp_receive(data: &[u8]) {
    let [kind, cut, stream @ ..] = data else { return };
    let (ours, theirs) = types(*kind);
    let new = || {
        let mut connection = connection(ours, LIMITS, Heartbeat::default(), Instant::now());
        assert!(matches!(probe::told(&mut connection, [&probe::hello(theirs, 1)[..]])[..], [Told::Ready(_)]));
        probe::drained(connection.outbox_mut());
        connection
    };
    stream_in_pieces(new, *cut, stream);
}

/// What a peer may send from its first byte on.
///
/// Bytes: our type; how it is cut; then the stream.
pub fn zmtp_handshake(data: &[u8]) {
    let [kind, cut, stream @ ..] = data else { return };
    let ours = types(*kind).0;
    stream_in_pieces(|| connection(ours, LIMITS, Heartbeat::default(), Instant::now()), *cut, stream);
}

/// Two connections, what they send each other, and the time: everything arrives, in order.
///
/// Bytes: the types; then steps, each a byte and what it needs.
pub fn zmtp_pair(data: &[u8]) {
    let mut steps = Steps(data);
    let (a, b) = types(steps.byte());
    let heartbeat = Heartbeat {
        interval: Some(Duration::from_millis(100)),
        timeout: Some(Duration::from_secs(2)),
        ttl: Duration::from_secs(u64::from(steps.byte())),
    };
    let now = Instant::now();
    // A message may look like a subscription to a topic of its size.
    let limits = Limits { topic_size: 1 << 20, ..LIMITS };
    let end = |socket_type| End {
        socket_type,
        connection: connection(socket_type, limits, heartbeat, now),
        expected: VecDeque::new(),
        on_the_way: Vec::new(),
    };
    let mut pair = Pair { now, from: end(a), to: end(b) };
    while !steps.0.is_empty() {
        if !pair.step(&mut steps) {
            return;
        }
    }
    // A signature, the rest of the greeting, READY, and what is behind them.
    for _ in 0..8 {
        pair.deliver(usize::MAX, false);
        pair.swap();
    }
    for end in [&pair.from, &pair.to] {
        assert!(end.connection.peer().is_some() && end.expected.is_empty(), "something is left on the way");
    }
}

/// What is an endpoint is the same one when it is printed and parsed again.
pub fn endpoint(text: &str) {
    if let Ok(endpoint) = text.parse::<Endpoint>() {
        assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
    }
}

/// Encodes and decodes messages in bulk, for a benchmark.
pub struct Codec {
    from: Connection,
    to: Connection,
    place: Message,
}

impl Codec {
    /// A PUSH and a PULL that have shaken hands.
    pub fn new() -> Self {
        let ready = |ours, theirs| {
            let mut connection = Connection::new(Arc::new(Config::new(ours)), Instant::now());
            probe::told(&mut connection, [&probe::hello(theirs, 1)[..]]);
            probe::drained(connection.outbox_mut());
            connection
        };
        Self {
            from: ready(SocketType::Push, SocketType::Pull),
            to: ready(SocketType::Pull, SocketType::Push),
            place: Message::new(),
        }
    }

    /// Sends the message so many times, and takes all of it as written; returns how many bytes it was.
    #[inline]
    pub fn encode(&mut self, message: &Message, times: usize) -> usize {
        for _ in 0..times {
            self.from.send(message);
        }
        let bytes = self.from.outbox().len();
        self.from.outbox_mut().advance(bytes);
        bytes
    }

    /// What the message is on the wire.
    pub fn encoded(&mut self, message: &Message) -> Vec<u8> {
        self.from.send(message);
        probe::drained(self.from.outbox_mut())
    }

    /// Receives `bytes`; gives each message to `each`, and returns how many there were.
    ///
    /// # Panics
    /// Panics if they break the protocol.
    #[inline]
    pub fn decode(&mut self, mut bytes: &[u8], mut each: impl FnMut(&Message)) -> usize {
        let mut messages = 0;
        loop {
            match self.to.receive(&mut bytes, &mut self.place) {
                Ok(Received::Message) => messages += 1,
                Ok(_) => return messages,
                Err(error) => panic!("{error}"),
            }
            each(&self.place);
        }
    }
}

impl Default for Codec {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec").finish_non_exhaustive()
    }
}

fn connection(socket_type: SocketType, limits: Limits, heartbeat: Heartbeat, now: Instant) -> Connection {
    Connection::new(Arc::new(Config { limits, heartbeat, ..Config::new(socket_type) }), now)
}

/// Two types that talk to each other.
fn types(byte: u8) -> (SocketType, SocketType) {
    use SocketType::{Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub};
    let pairs = [(Pull, Push), (XPub, XSub), (Pair, Pair), (Rep, Req), (Dealer, Router), (Pub, Sub)];
    let (a, b) = pairs[usize::from(byte / 2) % pairs.len()];
    if byte & 1 == 0 { (a, b) } else { (b, a) }
}

/// The same is told of a stream whole, in pieces, and in pieces with direct reads.
fn stream_in_pieces(new: impl Fn() -> Connection, cut: u8, stream: &[u8]) {
    let mut whole = new();
    let expected = probe::told(&mut whole, [stream]);
    let answers = probe::drained(whole.outbox_mut());
    for direct in [false, true] {
        let mut connection = new();
        let mut told = Vec::new();
        // Of one size each, or in two.
        let size = if cut < 128 { usize::from(cut) + 1 } else { (usize::from(cut) - 127) * (stream.len() / 128 + 1) };
        for mut piece in stream.chunks(size) {
            if direct {
                probe::read_directly(&mut connection, &mut piece);
            }
            told.extend(probe::told(&mut connection, [piece]));
            // Bytes that have come, twice; a list of frames of two bytes each; what is there to begin with.
            assert!(connection.held() <= (64 << 10) + 2 * stream.len() + 100 * stream.len(), "{}", connection.held());
            if matches!(told.last(), Some(Told::Failed(_))) {
                break;
            }
        }
        assert_eq!(told, expected);
        assert_eq!(probe::drained(connection.outbox_mut()), answers);
    }
    if let Some(Told::Failed(error)) = expected.last() {
        assert!(!error.to_string().is_empty() && error.to_string().len() < 2000);
        assert_eq!(whole.receive(&mut &[][..], &mut Message::new()).as_ref(), Err(error));
    }
}

/// One of two ends.
struct End {
    socket_type: SocketType,
    connection: Connection,
    /// What it has sent and the other has not told yet.
    expected: VecDeque<Told>,
    /// What it has written and the other has not received yet.
    on_the_way: Vec<u8>,
}

struct Pair {
    now: Instant,
    from: End,
    to: End,
}

impl Pair {
    fn swap(&mut self) {
        mem::swap(&mut self.from, &mut self.to);
    }

    /// Does a step; `false` when one has given the other up.
    fn step(&mut self, steps: &mut Steps<'_>) -> bool {
        match steps.byte() % 8 {
            0 | 1 => self.send(steps),
            2 => self.subscribe(steps),
            3 => self.deliver(usize::from(steps.byte()), false),
            4 => self.deliver(64 * usize::from(steps.byte()), true),
            5 => self.deliver(usize::MAX, false),
            6 => self.swap(),
            _ => {
                self.now += Duration::from_millis(10) * u32::from(steps.byte());
                return self.let_time_pass();
            }
        }
        true
    }

    fn send(&mut self, steps: &mut Steps<'_>) {
        let message = steps.message();
        if self.from.connection.peer().is_none() {
            return;
        }
        self.from.connection.send(&message);
        let is_publisher = matches!(self.to.socket_type, SocketType::Pub | SocketType::XPub);
        let first = message[0].first().copied();
        self.from.expected.push_back(match first {
            Some(wanted @ (0 | 1)) if is_publisher && message.len() == 1 => {
                let topic = bytes::Bytes::copy_from_slice(&message[0][1..]);
                if wanted == 1 { Told::Subscribe(topic) } else { Told::Cancel(topic) }
            }
            _ => Told::Message(message),
        });
    }

    fn subscribe(&mut self, steps: &mut Steps<'_>) {
        let topic = vec![b't'; steps.size() % 1000];
        let wanted = steps.byte() & 1 == 0;
        if self.from.connection.peer().is_none() || !matches!(self.to.socket_type, SocketType::Pub | SocketType::XPub) {
            return;
        }
        self.from.connection.send_subscription(&topic, wanted);
        let topic = topic.into();
        self.from.expected.push_back(if wanted { Told::Subscribe(topic) } else { Told::Cancel(topic) });
    }

    /// Writes at most so many bytes, and lets the other receive all that has been written.
    fn deliver(&mut self, most: usize, direct: bool) {
        let (from, to) = (&mut self.from, &mut self.to);
        if most == usize::MAX {
            from.on_the_way.extend(probe::drained(from.connection.outbox_mut()));
        } else {
            from.on_the_way.extend(probe::drained_by(from.connection.outbox_mut(), most));
        }
        let bytes = mem::take(&mut from.on_the_way);
        let mut input = &bytes[..];
        if !input.is_empty() {
            to.connection.heard(self.now);
        }
        if direct {
            probe::read_directly(&mut to.connection, &mut input);
        }
        for told in probe::told(&mut to.connection, [input]) {
            match told {
                Told::Ready(peer) => assert_eq!((peer.socket_type, peer.minor), (from.socket_type, 1)),
                told => assert_eq!(Some(told), from.expected.pop_front()),
            }
        }
    }

    fn let_time_pass(&mut self) -> bool {
        for end in [&mut self.from, &mut self.to] {
            let due = end.connection.deadline().is_some_and(|at| at <= self.now);
            let before = end.connection.outbox().queued();
            match end.connection.handle_timeout(self.now) {
                Ok(()) => assert!(due || end.connection.outbox().queued() == before),
                Err(error) => {
                    assert!(due && error.fault() == Fault::TimedOut, "{error:?}");
                    return false;
                }
            }
            assert!(end.connection.deadline().is_none_or(|at| at > self.now));
        }
        true
    }
}

/// What is left of the bytes that say what to do. When they are at their end they are zeroes.
struct Steps<'a>(&'a [u8]);

impl Steps<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    /// Small ones to the byte, others around powers of two.
    fn size(&mut self) -> usize {
        match self.byte() {
            byte @ 0..=127 => usize::from(byte),
            byte => (1_usize << (7 + (byte - 128) % 11)).wrapping_sub(2) + usize::from(byte - 128) / 11,
        }
    }

    fn message(&mut self) -> Message {
        let count = match self.byte() {
            byte @ 0..=200 => usize::from(byte) % 4 + 1,
            byte => usize::from(byte) - 190,
        };
        (0..count)
            .map(|_| {
                let (size, first) = (self.size(), self.byte());
                Frame::build(size, |bytes| {
                    bytes.iter_mut().zip(0_u8..=250).for_each(|(byte, number)| *byte = first.wrapping_add(number));
                })
            })
            .collect()
    }
}

/// Limits a fuzz target reaches.
const LIMITS: Limits = Limits { message_size: 1 << 40, frames: 1000, command_size: 4096, topic_size: 1000 };

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn the_targets_hold_for_what_was_found_before() {
        let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        // It does not come with a published crate.
        if !corpus.exists() {
            return;
        }
        type Target = (&'static str, fn(&[u8]));
        let targets: [Target; 4] = [
            ("zmtp_receive", zmtp_receive),
            ("zmtp_handshake", zmtp_handshake),
            ("zmtp_pair", zmtp_pair),
            ("endpoint", |bytes| endpoint(&String::from_utf8_lossy(bytes))),
        ];
        for (name, target) in targets {
            let mut files = std::fs::read_dir(corpus.join(name)).unwrap().peekable();
            assert!(files.peek().is_some());
            files.for_each(|file| target(&std::fs::read(file.unwrap().path()).unwrap()));
        }
    }

    proptest! {
        #[test]
        fn the_targets_hold_for_random_bytes(bytes in vec(any::<u8>(), 0..300)) {
            zmtp_receive(&bytes);
            zmtp_handshake(&bytes);
            zmtp_pair(&bytes);
            endpoint(&String::from_utf8_lossy(&bytes));
        }
    }
}
