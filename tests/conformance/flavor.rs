//! The flavors of pipe, what differs between them on purpose, and what the tests share.

use std::{
    ops::{Deref, Range},
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use ringway::{
    Context, Dealer, Frame, Message, Pair, Pub, Pull, Push, Rep, Req, Router, RoutingId, ShutdownReport, Sub, XPub,
    XSub,
    monitor::{PeerInfo, PeerState},
    socket::{Builder, Counters, SendFailure, Sends, Socket},
};

use crate::road::{Endpoints, Road};

/// A kind of pipe to run the suite over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    /// Lock-free rings: the one users get for `inproc://`.
    Local,
    /// As awkward as the contract allows: bounded bytes, late delivery by a thread of its own, late close.
    Awkward,
    /// ZMTP over TCP, on the loopback interface.
    Tcp,
    /// Likewise, the connections spread over three threads.
    TcpSpread,
    /// Likewise, and no thread serves the connections: calls into sockets do.
    TcpCallerDriven,
    /// Shared memory, agreed on by ZMTP over a Unix-domain socket.
    Ipc,
    /// ZMTP over a Unix-domain socket.
    IpcPlain,
}

/// Longer than anything takes on a machine that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough for a thread to have gone to sleep where a test is sharper when it has. Nothing depends on it.
pub(crate) const A_WHILE: Duration = Duration::from_millis(20);

/// At most how long it takes to connect again where that is not what a test is about.
const SOON: Duration = Duration::from_millis(5);

/// Bytes of a message that fills a stream quickly. With [`BUFFER`] the two kernel buffers of a connection take 57,344
/// bytes on loopback TCP and 32,640 on a Unix-domain socket (measured, Linux 6): less than one such message.
const HEAVY: usize = 64 * 1024;
/// Size of each socket buffer where tests fill a stream; Linux doubles it for its own needs.
const BUFFER: usize = 16 * 1024;
/// Heavy messages a stream holds beside those the two marks count: one in the buffers of the kernel, one in a buffer
/// the receiver reads into, one written in part, and one for rounding.
const ON_THE_WAY: u64 = 4;

impl Flavor {
    pub(crate) const ALL: [Self; 7] =
        [Self::Local, Self::Awkward, Self::Tcp, Self::TcpSpread, Self::TcpCallerDriven, Self::Ipc, Self::IpcPlain];

    pub(crate) fn context(self) -> World {
        let context = match self {
            Self::Awkward => Context::with_awkward_pipes(1),
            Self::Local | Self::Tcp | Self::Ipc => Context::new(),
            Self::IpcPlain => Context::new().without_shared_memory(),
            Self::TcpSpread => Context::builder().reactor_threads(3).build(),
            Self::TcpCallerDriven => Context::builder().caller_driven().build(),
        };
        let road = match self {
            Self::Local | Self::Awkward => Road::Inproc,
            Self::Tcp | Self::TcpSpread | Self::TcpCallerDriven => Road::Tcp,
            Self::Ipc => Road::Ipc,
            Self::IpcPlain => Road::IpcPlain,
        };
        World { context, flavor: self, endpoints: Arc::new(Endpoints::new(road)) }
    }

    /// Messages pass through the kernel, and the far end of a socket's pipe is a connection. Whatever else differs
    /// follows from this.
    pub(crate) fn is_stream(self) -> bool {
        !matches!(self, Self::Local | Self::Awkward)
    }

    /// Binding, connecting, subscribing and leaving have their effect at the other end when the call returns; on a
    /// stream they travel.
    pub(crate) fn tells_at_once(self) -> bool {
        !self.is_stream()
    }

    /// What was sent can be received when the call returns.
    pub(crate) fn delivers_at_once(self) -> bool {
        self == Self::Local
    }

    /// A socket that connected goes on trying when its peer has gone; in a process that connection is over.
    pub(crate) fn connectors_come_back(self) -> bool {
        self.is_stream()
    }

    /// Connecting to a socket of the wrong type fails at once; on a stream the handshake finds out.
    pub(crate) fn refuses_misfits_at_once(self) -> bool {
        !self.is_stream()
    }

    /// An endpoint belongs to one context; on a stream it belongs to the machine.
    pub(crate) fn has_names_of_its_own(self) -> bool {
        !self.is_stream()
    }

    /// A payload is the same bytes at both ends.
    pub(crate) fn shares_memory(self) -> bool {
        !self.is_stream()
    }

    /// Each lost message is counted by one side or the other. On a stream those are not that the kernel had.
    pub(crate) fn counts_every_loss(self) -> bool {
        !self.is_stream()
    }

    /// Which peers have room is known at once, so that what is sent goes to them strictly in turn.
    pub(crate) fn serves_in_turn(self) -> bool {
        !self.is_stream()
    }

    /// What one of these tests does so many times, or less where each time costs system calls.
    pub(crate) fn many(self, times: u64) -> u64 {
        match self {
            Self::Local | Self::Awkward => times,
            Self::Tcp | Self::TcpSpread | Self::TcpCallerDriven | Self::Ipc | Self::IpcPlain => times.div_ceil(50),
        }
    }

    /// Messages, heavy ones on a stream, that are accepted and not yet received between a sender's mark and a
    /// receiver's when the sender is refused another. Nobody takes anything meanwhile.
    ///
    /// In a process the limit is the sum of both. On a stream each side counts its own part, exactly: what was
    /// accepted and not given to the kernel, and what was decoded and not received; between them are the buffers. A
    /// mark of 0 on either side takes the limit away.
    pub(crate) fn capacity(self, send_hwm: u32, recv_hwm: u32) -> Capacity {
        if send_hwm == 0 || recv_hwm == 0 {
            return Capacity { at_least: None, at_most: None };
        }
        let marks = u64::from(send_hwm) + u64::from(recv_hwm);
        let on_the_way = if self.is_stream() && !self.counts_to_the_end() { ON_THE_WAY } else { 0 };
        Capacity { at_least: Some(marks), at_most: Some(marks + on_the_way) }
    }

    /// A message counts until the receiver's application has taken it, and is its sender's until then: another gets it if
    /// that one dies.
    pub(crate) fn counts_to_the_end(self) -> bool {
        self == Self::Ipc
    }

    /// Likewise, while the connection is there and the receiver has no seat for it.
    pub(crate) fn unseated_capacity(self, send_hwm: u32, recv_hwm: u32) -> Capacity {
        if self.is_stream() { self.capacity(send_hwm, recv_hwm) } else { self.own_part(send_hwm) }
    }

    /// What a sender's own mark admits while there is no peer yet. Exact over every road.
    pub(crate) fn own_part(self, send_hwm: u32) -> Capacity {
        let marks = (send_hwm > 0).then_some(send_hwm.into());
        Capacity { at_least: marks, at_most: marks }
    }
}

/// How many messages something holds. `None`: as many as there is memory for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    pub(crate) at_least: Option<u64>,
    pub(crate) at_most: Option<u64>,
}

impl Capacity {
    /// That of so many of the same.
    pub(crate) fn times(self, count: u64) -> Self {
        Self { at_least: self.at_least.map(|one| one * count), at_most: self.at_most.map(|one| one * count) }
    }

    /// At least this, and at most what `other` admits.
    pub(crate) fn up_to(self, other: Self) -> Self {
        Self { at_most: other.at_most, ..self }
    }

    /// What is left of it when so much is taken.
    pub(crate) fn less(self, count: u64) -> Self {
        let rest = |all: u64| all.saturating_sub(count);
        Self { at_least: self.at_least.map(rest), at_most: self.at_most.map(rest) }
    }

    pub(crate) fn is_exact(self) -> bool {
        self.at_least.is_some() && self.at_least == self.at_most
    }

    /// Must one that holds so many take another? Where the kernel is between, it may take less at one time than at another.
    pub(crate) fn owes_room(self, count: u64) -> bool {
        self.at_least.is_none_or(|at_least| count < at_least)
    }

    /// May so many be in it, when it takes no more?
    #[track_caller]
    pub(crate) fn assert_holds(self, count: u64) {
        let (Some(at_least), Some(at_most)) = (self.at_least, self.at_most) else { return };
        assert!((at_least..=at_most).contains(&count), "holds {count}, and should {at_least} to {at_most}");
    }

    /// May so many be in it at all?
    #[track_caller]
    pub(crate) fn assert_admits(self, count: u64) {
        assert!(self.at_most.is_none_or(|at_most| count <= at_most), "holds {count}: {self:?}");
    }
}

/// A context, and what its endpoints are called.
#[derive(Clone, Debug)]
pub(crate) struct World {
    context: Context,
    pub(crate) flavor: Flavor,
    endpoints: Arc<Endpoints>,
}

impl Deref for World {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl World {
    /// The endpoint that is called `name` in this context. Another context has another.
    pub(crate) fn endpoint(&self, name: &str) -> String {
        self.endpoints.named(name)
    }

    /// `builder`, of a socket whose connections hold little beside what the marks count.
    pub(crate) fn narrow<S: Socket>(&self, builder: Builder<S>) -> Builder<S> {
        builder.send_buffer(BUFFER).recv_buffer(BUFFER)
    }

    /// `builder`, of a socket that sends to those only that are there: one that connects again has no queue meanwhile.
    pub(crate) fn present<S: Sends>(&self, builder: Builder<S>) -> Builder<S> {
        builder.immediate()
    }

    /// `builder`, of a socket whose connections are over when they end.
    pub(crate) fn once<S: Socket>(&self, builder: Builder<S>) -> Builder<S> {
        builder.reconnect_interval(None)
    }

    /// `builder`, of a socket that connects again without much delay, however short its connections are.
    pub(crate) fn eager<S: Socket>(&self, builder: Builder<S>) -> Builder<S> {
        builder.reconnect_interval(SOON).reconnect_interval_max(SOON)
    }

    /// Does what a context without threads of its own leaves to its callers.
    fn upkeep(&self) {
        self.context.drive(Duration::ZERO);
    }

    /// Waits until `holds`.
    #[track_caller]
    pub(crate) fn eventually(&self, what: &str, mut holds: impl FnMut() -> bool) {
        eventually(what, || {
            self.upkeep();
            holds()
        });
    }

    /// That `holds` by now; on a stream, that it comes to hold.
    #[track_caller]
    pub(crate) fn comes_true(&self, what: &str, mut holds: impl FnMut() -> bool) {
        if self.flavor.tells_at_once() {
            assert!(holds(), "is not so: {what}");
        } else {
            self.eventually(what, holds);
        }
    }

    /// Waits until messages flow between `socket` and so many peers: at once, unless their connections take time.
    #[track_caller]
    pub(crate) fn joined(&self, socket: &impl Peers, count: usize) {
        self.comes_true(&format!("{count} peers have joined"), || socket.joined() == count);
    }

    /// A message that says its number, of which few fit into what the kernel has for a connection.
    pub(crate) fn heavy(&self, number: u64) -> Message {
        static LOAD: OnceLock<Frame> = OnceLock::new();
        let mut message = numbered(number);
        if self.flavor.is_stream() {
            message.push(LOAD.get_or_init(|| Frame::from_owner(vec![7; HEAVY])).clone());
        }
        message
    }

    /// Ends the context, all of whose sockets are dropped, and checks that every message is accounted for. On a stream
    /// nobody knows of what the kernel had when a connection ended.
    #[track_caller]
    pub(crate) fn settle(&self, sent: u64, received: u64) -> ShutdownReport {
        let report = self.shutdown(PATIENCE);
        assert_eq!(report.sockets_left, 0);
        let known = received + report.undelivered + report.unread;
        if self.flavor.counts_every_loss() || sent == received {
            assert_eq!(sent, known, "{received} received, {report:?}");
        } else {
            assert!(known <= sent, "{sent} sent, {received} received, {report:?}");
        }
        report
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
#[track_caller]
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

/// What a message of [`numbered`] or [`World::heavy`] says.
#[track_caller]
pub(crate) fn number(message: &Message) -> u64 {
    assert!(message.len() == 1 || message.len() == 2 && message[1].len() == HEAVY);
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

/// What every socket says of itself.
pub(crate) trait Peers {
    fn list(&self) -> Vec<PeerInfo>;
    fn tally(&self) -> Counters;

    /// Peers that messages flow to and from.
    fn joined(&self) -> usize {
        self.list().iter().filter(|peer| peer.state == PeerState::Joined).count()
    }
}

/// A socket that sends, for what tests ask of all of them.
pub(crate) trait Sender {
    fn attempt(&mut self, message: Message) -> Result<(), SendFailure>;

    fn try_number(&mut self, number: u64) -> Result<(), SendFailure> {
        self.attempt(numbered(number))
    }

    /// Sends numbers from `first` on until there is no room, and checks that there was as much as `capacity` says.
    /// Returns how many were taken; of what has no limit, as many as `world` does many times.
    #[track_caller]
    fn fill(&mut self, world: &World, first: u64, capacity: Capacity) -> u64 {
        let most = world.flavor.many(5000);
        let mut count = 0;
        let mut full_since = Instant::now();
        while count < most || capacity.at_least.is_some() {
            match self.attempt(world.heavy(first + count)) {
                Ok(()) => {
                    count += 1;
                    full_since = Instant::now();
                    continue;
                }
                Err(SendFailure::Full) => world.upkeep(),
                Err(other) => panic!("unexpected: {other:?}"),
            }
            // On a stream it is full for good when the receiving side has read all it may.
            assert!(capacity.at_least.is_some() || !world.flavor.tells_at_once(), "full, and has no limit");
            let full_for = full_since.elapsed();
            let is_there = capacity.at_least.is_some_and(|least| count >= least);
            if world.flavor.tells_at_once() || (is_there && full_for >= A_WHILE) {
                break;
            }
            assert!(full_for < PATIENCE, "full at {count} of {capacity:?}");
            thread::sleep(Duration::from_micros(200));
        }
        capacity.assert_holds(count);
        count
    }
}

/// A socket that receives, likewise.
pub(crate) trait Receiver {
    #[track_caller]
    fn next(&mut self) -> Message;

    #[track_caller]
    fn next_number(&mut self) -> u64 {
        number(&self.next())
    }

    #[track_caller]
    fn expect_numbers(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for expected in numbers {
            assert_eq!(self.next_number(), expected);
        }
    }
}

macro_rules! peers {
    ($($socket:ty),*) => {$(
        impl Peers for $socket {
            fn list(&self) -> Vec<PeerInfo> {
                self.peer_list()
            }

            fn tally(&self) -> Counters {
                self.counters()
            }
        }
    )*};
}

macro_rules! sends {
    ($($socket:ty),*) => {$(
        impl Sender for $socket {
            fn attempt(&mut self, message: Message) -> Result<(), SendFailure> {
                self.try_send(message.clone()).map_err(|error| {
                    assert!(error.message == message, "comes back unchanged");
                    error.reason
                })
            }
        }
    )*};
}

macro_rules! receives {
    ($($socket:ty),*) => {$(
        impl Receiver for $socket {
            #[track_caller]
            fn next(&mut self) -> Message {
                self.recv_timeout(PATIENCE).expect("a message")
            }
        }
    )*};
}

peers!(Pair, Push, Pull, Dealer, Req, Rep, Router, Pub, Sub, XPub, XSub);
sends!(Pair, Push, Dealer, Req, Pub, XPub);
receives!(Pair, Pull, Dealer, Req, Rep, Router, Sub, XSub, XPub);

/// Connects what is bound to `name` with what connects there, and waits until they are.
macro_rules! meet {
    ($world:expr, $name:expr, $bound:expr, $connected:expr) => {
        $bound.bind($world.endpoint($name)).unwrap();
        $connected.connect($world.endpoint($name)).unwrap();
        $world.joined(&$bound, 1);
        $world.joined(&$connected, 1);
    };
}
pub(crate) use meet;

/// A PUSH bound to `name` and a PULL connected to it.
pub(crate) fn pipeline(world: &World, name: &str) -> (Push, Pull) {
    marked_pipeline(world, name, 1000, 1000)
}

/// Likewise, with marks, to be filled.
pub(crate) fn marked_pipeline(world: &World, name: &str, send_hwm: u32, recv_hwm: u32) -> (Push, Pull) {
    let mut push = world.narrow(Push::builder().send_hwm(send_hwm)).build(world).unwrap();
    let mut pull = world.narrow(Pull::builder().recv_hwm(recv_hwm)).build(world).unwrap();
    meet!(world, name, push, pull);
    (push, pull)
}

/// A DEALER called `name`, connected to `endpoint`.
pub(crate) fn dealer(world: &World, name: &str, endpoint: &str) -> Dealer {
    let mut dealer = Dealer::builder().routing_id(id(name)).build(world).unwrap();
    dealer.connect(world.endpoint(endpoint)).unwrap();
    dealer
}

/// Two PAIRs connected by `name`.
pub(crate) fn pairs(world: &World, name: &str) -> (Pair, Pair) {
    let (mut here, mut there) = (Pair::new(world).unwrap(), Pair::new(world).unwrap());
    meet!(world, name, here, there);
    (here, there)
}

/// Messages given to queues and messages that came out of them, of a socket.
pub(crate) fn flow(counters: &Counters) -> (u64, u64) {
    (counters.messages_sent, counters.messages_received + counters.discarded)
}

/// That `numbers` are those of `range`, each once, in any order.
#[track_caller]
pub(crate) fn assert_all_once(mut numbers: Vec<u64>, range: Range<u64>) {
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(range.clone()), "{range:?}: {numbers:?}");
}

/// The next `count` numbers that arrive at any of `pulls`.
#[track_caller]
pub(crate) fn spread(world: &World, pulls: &mut [&mut Pull], count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    world.eventually("all arrive somewhere", || {
        for pull in pulls.iter_mut() {
            while numbers.len() < count
                && let Ok(message) = pull.try_recv()
            {
                numbers.push(number(&message));
            }
        }
        numbers.len() == count
    });
    numbers
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
