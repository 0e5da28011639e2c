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
    ring::record::{
        self,
        heap::{Heap, collected, collected_words},
    },
    sync::{AtomicU64, CachePadded, Ordering},
    zmtp::{
        Config, Connection, Fault, Heartbeat, Limits, Received,
        probe::{self, Told},
    },
};

/// What a peer may send after its READY: the same is told of it however it is cut, and little memory is held for it.
///
/// Bytes: our type, and whether both have announced that they share memory; how it is cut; then the stream.
pub fn zmtp_receive(data: &[u8]) {
    let [kind, cut, stream @ ..] = data else { return };
    let (ours, theirs) = types(*kind);
    let peer = Config { shares_memory: shares_memory(*kind), ..Config::new(theirs) };
    let new = || {
        let mut connection = connection(ours, *kind, LIMITS, Heartbeat::default(), Instant::now());
        let told = probe::told_to(&mut connection, [&probe::hello_of(&peer, 1)[..]], probe::agree);
        assert!(matches!(told[..], [Told::Ready(_)]));
        probe::drained(connection.outbox_mut());
        connection
    };
    stream_in_pieces(new, *cut, stream);
}

/// What a peer may send from its first byte on.
///
/// Bytes: our type, and whether we announce that we share memory; how it is cut; then the stream.
pub fn zmtp_handshake(data: &[u8]) {
    let [kind, cut, stream @ ..] = data else { return };
    let ours = types(*kind).0;
    stream_in_pieces(|| connection(ours, *kind, LIMITS, Heartbeat::default(), Instant::now()), *cut, stream);
}

/// Two connections, what they send each other, and the time: everything arrives, in order.
///
/// Bytes: the types, and whether they share memory; then steps, each a byte and what it needs.
pub fn zmtp_pair(data: &[u8]) {
    let mut steps = Steps(data);
    let kind = steps.byte();
    let (a, b) = types(kind);
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
        connection: connection(socket_type, kind, limits, heartbeat, now),
        expected: VecDeque::new(),
        on_the_way: Vec::new(),
    };
    let mut pair = Pair { now, from: end(a), to: end(b) };
    while !steps.0.is_empty() {
        if !pair.step(&mut steps) {
            return;
        }
    }
    // A signature, the rest of the greeting, READY, an offer, an answer, and what is behind them.
    for _ in 0..12 {
        pair.deliver(usize::MAX, false);
        pair.swap();
    }
    for end in [&pair.from, &pair.to] {
        assert!(end.connection.peer().is_some() && !end.connection.is_agreeing(), "they have not come to agree");
        assert!(end.expected.is_empty(), "something is left on the way");
    }
}

/// What is an endpoint is the same one when it is printed and parsed again.
pub fn endpoint(text: &str) {
    if let Ok(endpoint) = text.parse::<Endpoint>() {
        assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
    }
}

/// What a peer's segment says about itself: what is believed of it lies within it.
///
/// Bytes: how many pages there are; then what the segment begins with.
#[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
pub fn segment(data: &[u8]) {
    use crate::shm::{Foreign, Layout, PAGE, Region};
    let [pages, start @ ..] = data else { return };
    let size = Layout::size_for(PAGE) + PAGE * usize::from(pages % 32);
    let mut region = Region::create(size).expect("there is memory for a small segment");
    region.copy_in(0, &start[..start.len().min(size)]);
    let foreign = Foreign::map(region.take_descriptor(), size as u64).expect("a segment of ours is one");
    match Layout::check(&foreign) {
        Ok(Layout { ring, capacity }) => {
            assert!(capacity.is_power_of_two() && capacity >= PAGE && ring.is_multiple_of(PAGE) && ring >= PAGE);
            let mut bytes = vec![mem::MaybeUninit::uninit(); capacity];
            foreign.copy_out(ring, &mut bytes);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// What whoever can reach a publication's endpoint, or has a link's, may send: it is read in one way or not at all.
///
/// Bytes: how many the header has; then that, and the body, if anything is left.
#[cfg(all(feature = "remote", not(any(loom, shuttle))))]
pub fn remote_packet(data: &[u8]) {
    let [cut, rest @ ..] = data else { return };
    let (header, body) = rest.split_at(rest.len().min(usize::from(*cut)));
    let frames: Vec<Frame> = [header, body].into_iter().filter(|bytes| !bytes.is_empty()).map(Frame::from).collect();
    crate::bridge::remote::fuzz(&frames);
    // A body of no bytes is one.
    crate::bridge::remote::fuzz(&[Frame::from(header), Frame::from(body)]);
}

/// A record ring whose peers are honest until one scribbles: what is written arrives, or `Corrupt` is told; no byte outside the
/// ring is touched, and no position but a record's end is believed.
///
/// Bytes: steps, each a byte and what it needs.
pub fn record_ring(data: &[u8]) {
    const START: usize = 64;
    let mut steps = Steps(data);
    let capacity = record::CAPACITY_MIN << (steps.byte() % 3);
    let heap = Arc::new(Heap::new(START, capacity));
    let mut writer = record::Writer::new(heap.clone(), START, capacity);
    let mut reader = record::Reader::new(heap.clone(), START, capacity);
    // What was written and not taken, and the ends of what was written and not reclaimed.
    let (mut written, mut ends) = (VecDeque::new(), VecDeque::new());
    let (mut honest, mut number) = (true, 0_u32);
    while !steps.0.is_empty() {
        match steps.byte() % 8 {
            0..=2 => {
                let size = steps.size() % (writer.payload_max() + 1);
                let payload = vec![number as u8; size];
                let Some(claim) = writer.claim(size) else { continue };
                writer.write(&claim, 0, &payload);
                writer.commit(claim, number as u8 % (record::KIND_MAX + 1), number);
                ends.push_back(writer.position());
                written.push_back(payload);
                number += 1;
            }
            3 | 4 => {
                let record = match reader.peek() {
                    Ok(record) => record,
                    Err(corrupt) => {
                        assert!(!honest && !corrupt.to_string().is_empty());
                        return;
                    }
                };
                assert!(!honest || record.is_some() != written.is_empty());
                let Some(record) = record else { continue };
                let payload = collected(record.size, |to| reader.copy_out(&record, 0, to));
                assert!(!honest || Some(payload) == written.pop_front());
                reader.advance(&record);
            }
            5 if honest => {
                let taken = ends.iter().take_while(|&&end| end <= reader.position()).count();
                assert_eq!(writer.reclaim(reader.position()), Ok(taken as u64));
                ends.drain(..taken);
            }
            6 if honest => {
                let by = (u64::from(steps.byte()) << (steps.byte() % 64)).wrapping_sub(u64::from(steps.byte() & 1));
                let position = writer.reclaimed().wrapping_add(by);
                // An end that is one the reader may really have told.
                if by != 0 && !ends.contains(&position) {
                    assert!(writer.reclaim(position).is_err());
                }
            }
            _ => {
                // From here on it is a peer's writer that scribbles in its own ring: it does not matter what it believes.
                honest = false;
                let at = START + (usize::from(steps.byte()) << 8 | usize::from(steps.byte())) % (capacity / 8) * 8;
                let word = (0..8).fold(0, |word, _| word << 8 | u64::from(steps.byte()));
                record::Memory::word(&heap, at).store(word, Ordering::Relaxed);
            }
        }
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

/// The two halves of a record ring on the heap, for a benchmark, as a pipe of shared memory would use them: the reader tells
/// its position with each record, the writer looks at it when it has no room.
pub fn records(capacity: usize) -> (RecordWriter, RecordReader) {
    let heap = Arc::new(Heap::new(0, capacity));
    let told = Arc::new(CachePadded::new(AtomicU64::new(0)));
    let writer = RecordWriter { half: record::Writer::new(heap.clone(), 0, capacity), told: told.clone() };
    (writer, RecordReader { half: record::Reader::new(heap, 0, capacity), told })
}

/// See [`records`].
pub struct RecordWriter {
    half: record::Writer<Arc<Heap>>,
    told: Arc<CachePadded<AtomicU64>>,
}

impl RecordWriter {
    /// Writes a record, if there is room.
    #[inline]
    pub fn push<const WORDS: usize>(&mut self, words: [u64; WORDS]) -> bool {
        let bytes = words.map(u64::to_ne_bytes);
        let bytes = bytes.as_flattened();
        let mut claim = self.half.claim(bytes.len());
        if claim.is_none() {
            // Acquire: that the payloads before it were copied out; pairs with Release in `pop`.
            self.half.reclaim(self.told.load(Ordering::Acquire)).expect("it is one of ours");
            claim = self.half.claim(bytes.len());
        }
        let Some(claim) = claim else { return false };
        self.half.write(&claim, 0, bytes);
        self.half.commit(claim, 0, 0);
        true
    }
}

/// See [`records`].
pub struct RecordReader {
    half: record::Reader<Arc<Heap>>,
    told: Arc<CachePadded<AtomicU64>>,
}

impl RecordReader {
    /// Takes a record, if there is one.
    #[inline]
    pub fn pop<const WORDS: usize>(&mut self) -> Option<[u64; WORDS]> {
        let record = self.half.peek().expect("it is one of ours")?;
        let words = collected_words(|to| self.half.copy_out(&record, 0, to));
        self.half.advance(&record);
        // Release: that the payload was copied out; pairs with Acquire in `push`.
        self.told.store(self.half.position(), Ordering::Release);
        Some(words)
    }
}

impl fmt::Debug for RecordWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordWriter").finish_non_exhaustive()
    }
}

impl fmt::Debug for RecordReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordReader").finish_non_exhaustive()
    }
}

fn connection(socket_type: SocketType, kind: u8, limits: Limits, heartbeat: Heartbeat, now: Instant) -> Connection {
    let shares_memory = shares_memory(kind);
    Connection::new(Arc::new(Config { shares_memory, limits, heartbeat, ..Config::new(socket_type) }), now)
}

/// In the byte that says the types: the upper half.
fn shares_memory(kind: u8) -> bool {
    kind >= 128
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
    let agree = |connection: &mut Connection, told: &Told| {
        probe::agree(connection, told);
        if matches!(told, Told::Answer(_) | Told::SuccessorAnswer(_)) {
            // If it is the time to: what the peer says to that may be in the input.
            connection.send_successor(1 << 20);
        }
    };
    let mut whole = new();
    let expected = probe::told_to(&mut whole, [stream], agree);
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
            told.extend(probe::told_to(&mut connection, [piece], agree));
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

impl End {
    /// Is the other ready, and everything said that comes before messages?
    fn may_send(&self) -> bool {
        self.connection.peer().is_some() && !self.connection.is_agreeing()
    }
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
        if !self.from.may_send() {
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
        if !self.from.may_send() || !matches!(self.to.socket_type, SocketType::Pub | SocketType::XPub) {
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
        let mut said = Vec::new();
        let told = probe::told_to(&mut to.connection, [input], |connection, told| {
            match told {
                Told::Ready(_) if connection.is_agreeing() => said.push(Told::Offer(probe::OFFER)),
                Told::Offer(offer) => said.push(Told::Answer(probe::answer(offer))),
                _ => {}
            }
            probe::agree(connection, told);
        });
        to.expected.extend(said);
        for told in told {
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
        let targets: &[Target] = &[
            ("zmtp_receive", zmtp_receive),
            ("zmtp_handshake", zmtp_handshake),
            ("zmtp_pair", zmtp_pair),
            ("record_ring", record_ring),
            ("endpoint", |bytes| endpoint(&String::from_utf8_lossy(bytes))),
            #[cfg(target_os = "linux")]
            ("segment", segment),
            #[cfg(feature = "remote")]
            ("remote_packet", remote_packet),
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
            record_ring(&bytes);
            endpoint(&String::from_utf8_lossy(&bytes));
            #[cfg(target_os = "linux")]
            segment(&bytes);
            #[cfg(feature = "remote")]
            remote_packet(&bytes);
        }
    }
}
