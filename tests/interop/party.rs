//! What a test can do with a socket, whoever made it, and what is said about sockets.

use std::{
    fmt,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use ringway::SocketType;

/// Longer than anything takes on a machine that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing must come before a test believes that nothing will. A wrong thing that takes longer goes unseen; a
/// right one never fails for it.
pub(crate) const QUIET: Duration = Duration::from_millis(300);

/// A message: one or more frames.
pub(crate) type Parts = Vec<Vec<u8>>;

/// A process, or as good as one: what sockets are made in. When it and its sockets are dropped they are gone, at once.
pub(crate) trait Party: Send {
    /// A socket, with a monitor from the start.
    fn socket(&self, kind: SocketType, settings: &[Setting]) -> Box<dyn Socket>;

    /// Ends it as `kill -9` does, where it is a process; its sockets are of no use after that.
    fn kill(&self) {}

    /// Leaves as a program does that has come to its end: all its sockets are closed, and it waits for what lingers.
    fn leave(self: Box<Self>) {}
}

/// A socket of any library. What cannot be is a panic that says what.
pub(crate) trait Socket: Send {
    /// Returns the endpoint it can be reached at.
    fn bind(&mut self, endpoint: &str) -> String;

    fn unbind(&mut self, endpoint: &str);

    fn connect(&mut self, endpoint: &str);

    /// Connects, and calls the peer `id` whatever it calls itself.
    fn connect_as(&mut self, endpoint: &str, id: &[u8]);

    fn disconnect(&mut self, endpoint: &str);

    /// Sends within `patience`. False if there was no room, or nobody of that id.
    fn send_within(&mut self, parts: Parts, patience: Duration) -> bool;

    /// The next message, if one comes within `patience`.
    fn recv_within(&mut self, patience: Duration) -> Option<Parts>;

    fn subscribe(&mut self, topic: &[u8]);

    fn unsubscribe(&mut self, topic: &[u8]);

    /// The next thing its monitor tells, if something comes within `patience`.
    fn event_within(&mut self, patience: Duration) -> Option<Event>;

    /// Lets it do what its library does only when the application calls in: libzmq takes note of peers then, and tells
    /// them its subscriptions. Ringway waits for no call.
    fn nudge(&mut self) {}

    /// Closes as an application does: what was sent has its time to linger.
    fn close(self: Box<Self>);

    /// Sends messages that say their number, each within `patience`, until one is not taken. Returns how many were.
    fn send_numbers_within(&mut self, numbers: Numbers, patience: Duration) -> u64 {
        let taken = |number: &u64| self.send_within(numbers.message(*number), patience);
        (numbers.first..numbers.first + numbers.count).take_while(taken).count() as u64
    }

    /// Takes up to `count` messages that say their number behind so many frames, each within `patience`. Returns which.
    fn recv_numbers_within(&mut self, before: usize, count: u64, patience: Duration) -> Vec<u64> {
        let next = || self.recv_within(patience).map(|parts| number(&parts, before));
        std::iter::repeat_with(next).take(count as usize).map_while(|number| number).collect()
    }
}

/// What is built upon the rest.
impl dyn Socket + '_ {
    pub(crate) fn send<P: AsRef<[u8]>>(&mut self, parts: impl IntoIterator<Item = P>) {
        let parts: Parts = parts.into_iter().map(|part| part.as_ref().to_vec()).collect();
        assert!(self.send_within(parts.clone(), PATIENCE), "not sent: {}", shown(&parts));
    }

    pub(crate) fn recv(&mut self) -> Parts {
        self.recv_within(PATIENCE).expect("a message")
    }

    #[track_caller]
    pub(crate) fn expect<P: AsRef<[u8]>>(&mut self, parts: impl IntoIterator<Item = P>) {
        let expected: Parts = parts.into_iter().map(|part| part.as_ref().to_vec()).collect();
        let received = self.recv_within(PATIENCE);
        let Some(received) = received else { panic!("nothing came, and not {}", shown(&expected)) };
        assert!(received == expected, "{} came, and not {}", shown(&received), shown(&expected));
    }

    #[track_caller]
    pub(crate) fn expect_nothing(&mut self) {
        if let Some(parts) = self.recv_within(QUIET) {
            panic!("{} came, and nothing should have", shown(&parts));
        }
    }

    /// Sends `count` messages that say their number, from `first` on.
    #[track_caller]
    pub(crate) fn send_numbers(&mut self, first: u64, count: u64) {
        assert_eq!(self.send_numbers_within(Numbers::plain(first, count), PATIENCE), count, "sent");
    }

    /// Takes `count` messages, whose numbers count up from `first`.
    #[track_caller]
    pub(crate) fn expect_numbers(&mut self, first: u64, count: u64) {
        let numbers = self.recv_numbers_within(0, count, PATIENCE);
        assert!(numbers.iter().copied().eq(first..first + count), "{first} and {count} in all: {}", Runs(&numbers));
    }

    /// Waits for a `wanted` event, past all others.
    #[track_caller]
    pub(crate) fn await_event(&mut self, wanted: Happening) -> Event {
        self.await_event_without(wanted, &[])
    }

    /// Waits for a `wanted` event, past all others but those that must not be.
    #[track_caller]
    pub(crate) fn await_event_without(&mut self, wanted: Happening, unwanted: &[Happening]) -> Event {
        let mut passed = Vec::new();
        while let Some(event) = self.event_within(PATIENCE) {
            assert!(!unwanted.contains(&event.what), "{event:?} before {wanted:?}, after {passed:?}");
            if event.what == wanted {
                return event;
            }
            passed.push(event);
        }
        panic!("no {wanted:?}, only {passed:?}");
    }

    /// Waits for one of several events, past all others.
    #[track_caller]
    pub(crate) fn await_one_of(&mut self, wanted: &[Happening]) -> Event {
        let mut passed = Vec::new();
        while let Some(event) = self.event_within(PATIENCE) {
            if wanted.contains(&event.what) {
                return event;
            }
            passed.push(event);
        }
        panic!("none of {wanted:?}, only {passed:?}");
    }

    /// Waits until a peer takes part, and takes note of it.
    #[track_caller]
    pub(crate) fn await_peer(&mut self) {
        self.await_event_without(Happening::Joined, &[Happening::Refused]);
        self.nudge();
    }

    /// Waits until a peer is lost, and takes note of it.
    #[track_caller]
    pub(crate) fn await_loss(&mut self) {
        self.await_event(Happening::Disconnected);
        self.nudge();
    }

    /// All events that come in so long a time.
    pub(crate) fn events_for(&mut self, time: Duration) -> Vec<Event> {
        let end = Instant::now() + time;
        std::iter::from_fn(|| self.event_within(end.saturating_duration_since(Instant::now()))).collect()
    }
}

/// Something chosen when a socket is made.
#[derive(Clone, Debug)]
pub(crate) enum Setting {
    SendHwm(u32),
    RecvHwm(u32),
    Linger(Duration),
    RoutingId(&'static [u8]),
    ProbeRouter,
    Mandatory,
    HandOver,
    Correlate,
    Relaxed,
    Verbose,
    /// Of the kernel, in bytes, both ways.
    Buffers(u32),
    MaxMessageSize(u32),
    /// How often to ask; how long to wait for an answer; after how long the peer is to give up.
    Heartbeat {
        interval: Duration,
        timeout: Duration,
        ttl: Duration,
    },
    /// Speak PLAIN, as the one who asks to be let in. Not Ringway's.
    PlainClient,
    /// Speak PLAIN, as the one who decides. Not Ringway's.
    PlainServer,
}

/// Something a monitor told.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) what: Happening,
    /// As the library says it.
    #[expect(dead_code, reason = "printed by a test that fails")]
    pub(crate) detail: String,
}

/// What a monitor can tell, as far as the libraries agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    Listening,
    /// An attempt is under way, or failed and will be repeated.
    Connecting,
    Connected,
    Accepted,
    /// The handshake succeeded: messages flow.
    Joined,
    /// The handshake failed.
    Refused,
    Disconnected,
    Other,
}

/// Messages that say their number.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    pub(crate) first: u64,
    pub(crate) count: u64,
    /// Bytes of the frame that says it, 8 at least.
    pub(crate) size: usize,
    /// Frames before that one.
    pub(crate) before: Parts,
}

impl Numbers {
    pub(crate) fn plain(first: u64, count: u64) -> Self {
        Self { first, count, size: 8, before: Parts::new() }
    }

    fn message(&self, number: u64) -> Parts {
        let mut parts = self.before.clone();
        let mut body = number.to_le_bytes().to_vec();
        body.resize(self.size.max(8), 0);
        parts.push(body);
        parts
    }
}

/// What a message of [`Numbers`] says, behind so many frames.
pub(crate) fn number(parts: &Parts, before: usize) -> u64 {
    assert_eq!(parts.len(), before + 1, "frames of {}", shown(parts));
    u64::from_le_bytes(parts[before][..8].try_into().expect("eight bytes"))
}

/// So many bytes: blocks that begin with a 32-bit number, little end first, which counts up from `seed`. As in `peer.py`.
pub(crate) fn pattern(size: usize, seed: u32) -> Vec<u8> {
    let block: [u8; 1024] = std::array::from_fn(|index| index as u8);
    let mut bytes = block.repeat(size.div_ceil(block.len()));
    for (index, block) in bytes.chunks_mut(block.len()).enumerate() {
        block[..4].copy_from_slice(&(seed + index as u32).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// The seed of a frame that is a [`pattern`], if it may be one.
pub(crate) fn seed_of(frame: &[u8]) -> Option<u32> {
    frame.first_chunk().map(|word| u32::from_le_bytes(*word))
}

/// A message in few words.
pub(crate) fn shown(parts: &Parts) -> String {
    let one = |part: &Vec<u8>| match part.len() {
        0..=64 => format!("\"{}\"", part.escape_ascii()),
        len => format!("{len} bytes from \"{}\"", part[..16].escape_ascii()),
    };
    let all: Vec<String> = parts.iter().take(6).map(one).collect();
    format!(
        "[{}{}]",
        all.join(", "),
        if parts.len() > 6 { format!(" … {} frames", parts.len()) } else { String::new() }
    )
}

/// Numbers, told as the runs they form.
pub(crate) struct Runs<'a>(pub(crate) &'a [u64]);

impl fmt::Display for Runs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = runs(self.0);
        write!(f, "{} numbers:", self.0.len())?;
        runs.iter().take(12).try_for_each(|run| write!(f, " {}..={}", run.start(), run.end()))?;
        if runs.len() > 12 { write!(f, " … {} runs", runs.len()) } else { Ok(()) }
    }
}

/// The runs of numbers that count up by one.
pub(crate) fn runs(numbers: &[u64]) -> Vec<RangeInclusive<u64>> {
    let ends = |run: &[u64]| run[0]..=run[run.len() - 1];
    numbers.chunk_by(|a, b| a + 1 == *b).map(ends).collect()
}
