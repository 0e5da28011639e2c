//! The flavors of pipe, and what the tests share.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use ringway::{
    Context, Dealer, Message, Pair, Pub, Pull, Push, Rep, Req, Router, RoutingId, ShutdownReport, Sub, XPub, XSub,
    socket::SendFailure,
};

/// A kind of pipe to run the suite over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    /// Lock-free rings: the one users get.
    Local,
    /// As awkward as the contract allows: bounded bytes, late delivery by a thread of its own, late close.
    Awkward,
}

/// Longer than anything takes on a machine that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough for a thread to have gone to sleep where a test is sharper when it has. Nothing depends on it.
pub(crate) const A_WHILE: Duration = Duration::from_millis(20);

impl Flavor {
    pub(crate) const ALL: [Self; 2] = [Self::Local, Self::Awkward];

    pub(crate) fn context(self) -> Context {
        match self {
            Self::Local => Context::new(),
            Self::Awkward => Context::with_awkward_pipes(1),
        }
    }
}

/// Runs `test`, and fails instead of hanging.
pub(crate) fn run(flavor: Flavor, test: fn(Flavor)) {
    let (done, is_done) = mpsc::channel();
    let runner = thread::spawn(move || {
        test(flavor);
        let _ = done.send(());
    });
    match is_done.recv_timeout(2 * PATIENCE) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("hangs over {flavor:?} pipes"),
        _ => {
            if let Err(panic) = runner.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// Waits until `holds`.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        thread::sleep(Duration::from_micros(200));
    }
}

/// A message that says its number.
pub(crate) fn numbered(number: u64) -> Message {
    Message::from(number.to_le_bytes())
}

/// What a message of [`numbered`] says.
pub(crate) fn number(message: &Message) -> u64 {
    assert_eq!(message.len(), 1);
    u64::from_le_bytes(message[0].as_bytes().try_into().expect("eight bytes"))
}

/// A message of these frames.
pub(crate) fn parts<const N: usize>(frames: [&str; N]) -> Message {
    frames.into_iter().collect()
}

/// An id that is one.
pub(crate) fn id(name: &str) -> RoutingId {
    RoutingId::new(name).unwrap()
}

/// A socket that sends, for what tests ask of all of them.
pub(crate) trait Sender {
    fn try_number(&mut self, number: u64) -> Result<(), SendFailure>;

    /// Sends numbers from `first` on until there is no room. Returns how many were taken.
    fn fill(&mut self, first: u64) -> u64 {
        (0..)
            .find(|count| match self.try_number(first + count) {
                Ok(()) => false,
                Err(SendFailure::Full) => true,
                Err(other) => panic!("unexpected: {other:?}"),
            })
            .expect("a finite limit")
    }
}

/// A socket that receives, likewise.
pub(crate) trait Receiver {
    fn next(&mut self) -> Message;

    fn next_number(&mut self) -> u64 {
        number(&self.next())
    }

    fn expect_numbers(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for expected in numbers {
            assert_eq!(self.next_number(), expected);
        }
    }
}

macro_rules! sends {
    ($($socket:ty),*) => {$(
        impl Sender for $socket {
            fn try_number(&mut self, number: u64) -> Result<(), SendFailure> {
                let message = numbered(number);
                self.try_send(message.clone()).map_err(|error| {
                    assert_eq!(error.message, message, "comes back unchanged");
                    error.reason
                })
            }
        }
    )*};
}

macro_rules! receives {
    ($($socket:ty),*) => {$(
        impl Receiver for $socket {
            fn next(&mut self) -> Message {
                self.recv_timeout(PATIENCE).expect("a message")
            }
        }
    )*};
}

sends!(Pair, Push, Dealer, Pub, XPub);
receives!(Pair, Pull, Dealer, Req, Rep, Router, Sub, XSub, XPub);

/// A PUSH bound to `name` and a PULL connected to it.
pub(crate) fn pipeline(context: &Context, name: &str) -> (Push, Pull) {
    let (mut push, mut pull) = (Push::new(context).unwrap(), Pull::new(context).unwrap());
    push.bind(name).unwrap();
    pull.connect(name).unwrap();
    (push, pull)
}

/// A DEALER called `name`, connected to `endpoint`.
pub(crate) fn dealer(context: &Context, name: &str, endpoint: &str) -> Dealer {
    let mut dealer = Dealer::builder().routing_id(id(name)).build(context).unwrap();
    dealer.connect(endpoint).unwrap();
    dealer
}

/// Two PAIRs connected by `name`.
pub(crate) fn pairs(context: &Context, name: &str) -> (Pair, Pair) {
    let (mut here, mut there) = (Pair::new(context).unwrap(), Pair::new(context).unwrap());
    here.bind(name).unwrap();
    there.connect(name).unwrap();
    (here, there)
}

/// Messages given to queues and messages that came out of them, of a socket.
pub(crate) fn flow(counters: &ringway::socket::Counters) -> (u64, u64) {
    (counters.messages_sent, counters.messages_received + counters.discarded)
}

/// Ends `context`, all of whose sockets are dropped, and checks that every message is accounted for.
pub(crate) fn settle(context: &Context, sent: u64, received: u64) -> ShutdownReport {
    let report = context.shutdown(PATIENCE);
    assert_eq!(report.sockets_left, 0);
    assert_eq!(sent, received + report.undelivered + report.unread, "{received} received, {report:?}");
    report
}

/// A small generator: the same numbers from the same seed (Steele, Lea and Flood: SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }
}
