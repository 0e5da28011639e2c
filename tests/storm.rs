//! Storms: threads that make, bind, connect, use, hand on and drop sockets of all types at random. Whatever happens,
//! every message is received once or counted as lost, and nothing hangs.
//!
//! A message of a type that publishes counts as often as it was put into a queue, and each of these is received once,
//! filtered, conflated or lost. What types do that ask and answer is taken from their counters: they drop what they
//! cannot route, and send again what got no reply. (None sends probes: a probe to a peer that comes after the counters were
//! read would be in none.)
//!
//! To add a type: a variant of [`Socket`], a line in each `match` on it, and a prefix in [`Sailor::name`] that it shares
//! with those it talks to.
//!
//! Over streams the kernel may have messages when a connection ends, of which nobody knows: there, none is received twice,
//! and no more than were sent are received, or counted.
//!
//! `RINGWAY_STORMS` says how many storms of each flavor to run, `RINGWAY_STORM_SEED` with which seed to begin.

#![forbid(unsafe_code)]
#![expect(clippy::disallowed_types, reason = "a test is outside the library, and no model runs it")]

#[allow(dead_code, reason = "it belongs to the conformance suite, which uses all of it")]
#[path = "conformance/road.rs"]
mod road;

use std::{
    collections::VecDeque,
    env, process,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use ringway::{
    Context, Dealer, Frame, Message, Pair, Pub, Pull, Push, Rep, Req, Router, RoutingId, Sub, WaitPolicy, XPub, XSub,
    socket::{Counters, DuplicateId},
};
use road::{Endpoints, Road};

const STORMS: u64 = if cfg!(miri) { 1 } else { 12 };
/// Over streams, where each step may cost system calls.
#[cfg(not(miri))]
const STORMS_OVER_STREAMS: u64 = 4;
const THREADS: u64 = 4;
const STEPS: u64 = if cfg!(miri) { 100 } else { 1500 };
/// Sockets a thread keeps at the most.
const SOCKETS_MAX: usize = 6;
const NAMES: u64 = 6;
/// Connecting again takes no longer than sockets live.
const SOON: Duration = Duration::from_millis(1);
/// No progress for so long is a hang.
const PATIENCE: Duration = Duration::from_secs(120);

enum Socket {
    Pair(Pair),
    Push(Push),
    Pull(Pull),
    Pub(Pub),
    Sub(Sub),
    XPub(XPub),
    XSub(XSub),
    Req(Req),
    Rep(Rep),
    Dealer(Dealer),
    Router(Router),
}

/// Calls what every type has.
macro_rules! any {
    ($socket:expr, $inner:ident => $call:expr) => {
        match $socket {
            Socket::Pair($inner) => $call,
            Socket::Push($inner) => $call,
            Socket::Pull($inner) => $call,
            Socket::Pub($inner) => $call,
            Socket::Sub($inner) => $call,
            Socket::XPub($inner) => $call,
            Socket::XSub($inner) => $call,
            Socket::Req($inner) => $call,
            Socket::Rep($inner) => $call,
            Socket::Dealer($inner) => $call,
            Socket::Router($inner) => $call,
        }
    };
}

/// Topics: one of them begins with another.
const TOPICS: u64 = 4;

fn topic(number: u64) -> &'static [u8] {
    [&b""[..], b"a", b"ab", b"b"][number as usize]
}

/// One thread of a storm.
struct Sailor {
    context: Context,
    endpoints: Arc<Endpoints>,
    dice: u64,
    sockets: Vec<Socket>,
    /// Sockets on their way to another thread.
    afloat: Arc<Mutex<VecDeque<Socket>>>,
    /// The number of the next message, and a step that no other thread's numbers hit.
    next: u64,
    sent: u64,
    received: Vec<u64>,
    /// Of sockets that publish and subscribe.
    published: Published,
    /// Of sockets that ask and answer.
    talked: Published,
    /// Steps done by all, for the watchdog.
    progress: Arc<AtomicU64>,
}

/// What became of messages that are published, or asked and answered, summed over sockets.
#[derive(Clone, Copy, Debug, Default)]
struct Published {
    put: u64,
    conflated: u64,
    filtered: u64,
    discarded: u64,
    received: u64,
}

impl Published {
    fn add(&mut self, counters: Counters) {
        self.put += counters.deliveries;
        self.conflated += counters.conflated;
        self.filtered += counters.filtered;
        self.discarded += counters.discarded;
    }

    fn add_talk(&mut self, counters: Counters) {
        self.put += counters.messages_sent;
        self.discarded += counters.discarded;
        self.received += counters.messages_received;
    }

    fn sum(self, other: Self) -> Self {
        Self {
            put: self.put + other.put,
            conflated: self.conflated + other.conflated,
            filtered: self.filtered + other.filtered,
            discarded: self.discarded + other.discarded,
            received: self.received + other.received,
        }
    }
}

impl Sailor {
    fn sail(mut self) -> (u64, Vec<u64>, [Published; 2]) {
        for _ in 0..STEPS {
            self.step();
            self.progress.fetch_add(1, Ordering::Relaxed);
        }
        // Some are dropped by whoever comes last.
        let keep = (self.roll(3) as usize).min(self.sockets.len());
        self.afloat.lock().unwrap().extend(self.sockets.drain(..keep));
        let mut sums = [self.published, self.talked];
        self.sockets.drain(..).for_each(|socket| Self::scuttle(&mut sums, socket));
        (self.sent, self.received, sums)
    }

    /// Drops `socket`. What becomes of messages in its queues after this is counted by the context.
    fn scuttle([published, talked]: &mut [Published; 2], socket: Socket) {
        let counters = any!(&socket, socket => socket.counters());
        match socket {
            Socket::Pub(_) | Socket::Sub(_) | Socket::XPub(_) | Socket::XSub(_) => published.add(counters),
            Socket::Req(_) | Socket::Rep(_) | Socket::Dealer(_) | Socket::Router(_) => talked.add_talk(counters),
            Socket::Pair(_) | Socket::Push(_) | Socket::Pull(_) => {}
        }
    }

    /// The next of a sequence that depends on the seed only (Steele, Lea and Flood: SplitMix64).
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }

    fn step(&mut self) {
        if self.sockets.is_empty() || (self.sockets.len() < SOCKETS_MAX && self.roll(12) == 0) {
            return self.launch();
        }
        let place = self.roll(self.sockets.len() as u64) as usize;
        let mut socket = self.sockets.swap_remove(place);
        match self.roll(100) {
            0..5 => {
                let mut sums = [self.published, self.talked];
                Self::scuttle(&mut sums, socket);
                [self.published, self.talked] = sums;
                return;
            }
            5..8 => {
                let mut afloat = self.afloat.lock().unwrap();
                afloat.push_back(socket);
                if let Some(other) = afloat.pop_front() {
                    self.sockets.push(other);
                }
                return;
            }
            8..20 => self.attach(&mut socket),
            20..24 => self.detach(&mut socket),
            24..33 => self.change(&mut socket),
            33..67 => self.send(&mut socket),
            _ => self.receive(&mut socket),
        }
        self.sockets.push(socket);
    }

    fn launch(&mut self) {
        let policy = match self.roll(10) {
            0 => WaitPolicy::Spin,
            1..5 => WaitPolicy::Park,
            _ => WaitPolicy::Adaptive,
        };
        let (send_hwm, recv_hwm) = (self.roll(5) as u32, self.roll(5) as u32);
        let linger = Duration::from_micros(self.roll(3) * 500);
        let (flags, wanted) = (self.roll(64), topic(self.roll(TOPICS)));
        let mut socket = match self.roll(11) {
            0 => Socket::Pair(
                Pair::builder()
                    .send_hwm(send_hwm)
                    .recv_hwm(recv_hwm)
                    .linger(linger)
                    .wait(policy)
                    .reconnect_interval(SOON)
                    .build(&self.context)
                    .unwrap(),
            ),
            1 => Socket::Push(
                Push::builder()
                    .send_hwm(send_hwm)
                    .linger(linger)
                    .wait(policy)
                    .reconnect_interval(SOON)
                    .build(&self.context)
                    .unwrap(),
            ),
            2 => Socket::Pull(
                Pull::builder().recv_hwm(recv_hwm).wait(policy).reconnect_interval(SOON).build(&self.context).unwrap(),
            ),
            3 => {
                let mut builder =
                    Pub::builder().send_hwm(send_hwm).linger(linger).wait(policy).reconnect_interval(SOON);
                if flags & 1 == 0 {
                    builder = builder.no_drop();
                }
                // A pipe that conflates says what it replaced only when it is asked: not after its socket has gone.
                Socket::Pub(
                    if flags & 14 == 0 { builder.invert_matching() } else { builder }.build(&self.context).unwrap(),
                )
            }
            4 => {
                let mut builder =
                    Sub::builder().recv_hwm(recv_hwm).wait(policy).reconnect_interval(SOON).subscribe(wanted);
                if flags & 1 == 0 {
                    builder = builder.report_missed();
                }
                Socket::Sub(builder.build(&self.context).unwrap())
            }
            5 => {
                let mut builder = XPub::builder()
                    .send_hwm(send_hwm)
                    .recv_hwm(recv_hwm)
                    .linger(linger)
                    .wait(policy)
                    .reconnect_interval(SOON);
                if flags & 1 == 0 {
                    builder = builder.verboser();
                }
                if flags & 6 == 0 {
                    builder = builder.manual();
                }
                Socket::XPub(if flags & 8 == 0 { builder.no_drop() } else { builder }.build(&self.context).unwrap())
            }
            6 => {
                let builder = XSub::builder()
                    .send_hwm(send_hwm)
                    .recv_hwm(recv_hwm)
                    .linger(linger)
                    .wait(policy)
                    .reconnect_interval(SOON);
                Socket::XSub(builder.subscribe(wanted).build(&self.context).unwrap())
            }
            7 => {
                let mut builder = Req::builder()
                    .send_hwm(send_hwm)
                    .recv_hwm(recv_hwm)
                    .linger(linger)
                    .wait(policy)
                    .reconnect_interval(SOON);
                builder = if flags & 1 == 0 { builder.correlate() } else { builder };
                builder = if flags & 6 == 0 { builder.relaxed() } else { builder };
                builder = if flags & 48 == 0 { builder.resend(2).reply_timeout(linger) } else { builder };
                Socket::Req(builder.build(&self.context).unwrap())
            }
            8 => {
                let builder = Rep::builder()
                    .send_hwm(send_hwm)
                    .recv_hwm(recv_hwm)
                    .linger(linger)
                    .wait(policy)
                    .reconnect_interval(SOON);
                Socket::Rep(builder.build(&self.context).unwrap())
            }
            9 => {
                let mut builder = Dealer::builder()
                    .send_hwm(send_hwm)
                    .recv_hwm(recv_hwm)
                    .linger(linger)
                    .wait(policy)
                    .reconnect_interval(SOON);
                // Few names, so that some have the same.
                let id = RoutingId::new([b'a' + (flags % 4) as u8]).unwrap();
                builder = if flags & 16 == 0 { builder.routing_id(id) } else { builder };
                Socket::Dealer(builder.build(&self.context).unwrap())
            }
            _ => {
                let mut builder = Router::builder()
                    .send_hwm(send_hwm)
                    .recv_hwm(recv_hwm)
                    .linger(linger)
                    .wait(policy)
                    .reconnect_interval(SOON);
                builder = if flags & 2 == 0 { builder.mandatory() } else { builder };
                builder = if flags & 4 == 0 { builder.duplicate_id(DuplicateId::HandOver) } else { builder };
                Socket::Router(builder.build(&self.context).unwrap())
            }
        };
        self.attach(&mut socket);
        self.sockets.push(socket);
    }

    /// A name; mostly one where the socket finds its kind.
    fn name(&mut self, socket: &Socket) -> String {
        let number = self.roll(NAMES);
        let kinds = ["pair", "line", "news", "talk"];
        let kind = match socket {
            Socket::Pair(_) => 0,
            Socket::Push(_) | Socket::Pull(_) => 1,
            Socket::Pub(_) | Socket::Sub(_) | Socket::XPub(_) | Socket::XSub(_) => 2,
            Socket::Req(_) | Socket::Rep(_) | Socket::Dealer(_) | Socket::Router(_) => 3,
        };
        let kind = if self.roll(20) == 0 { kinds[self.roll(4) as usize] } else { kinds[kind] };
        self.endpoints.named(&format!("{kind}-{number}"))
    }

    fn attach(&mut self, socket: &mut Socket) {
        let name = self.name(socket);
        // Refusals are part of the game.
        let _ = if self.roll(2) == 0 {
            any!(socket, socket => socket.bind(&name).is_ok())
        } else {
            any!(socket, socket => socket.connect(&name).is_ok())
        };
    }

    fn detach(&mut self, socket: &mut Socket) {
        let name = self.name(socket);
        let _ = if self.roll(2) == 0 {
            any!(socket, socket => socket.unbind(&name).is_ok())
        } else {
            any!(socket, socket => socket.disconnect(&name).is_ok())
        };
    }

    fn change(&mut self, socket: &mut Socket) {
        let hwm = self.roll(6) as u32;
        match socket {
            Socket::Pair(pair) => pair.set_send_hwm(hwm),
            Socket::Push(push) => push.set_send_hwm(hwm),
            Socket::Pull(pull) => pull.set_recv_hwm(hwm),
            Socket::Pub(publisher) => publisher.set_send_hwm(hwm),
            Socket::Req(req) => req.set_send_hwm(hwm),
            Socket::Rep(rep) => rep.set_recv_hwm(hwm),
            Socket::Dealer(dealer) => dealer.set_send_hwm(hwm),
            Socket::Router(router) => router.set_send_hwm(hwm),
            Socket::XPub(publisher) => match self.roll(3) {
                0 => publisher.set_send_hwm(hwm),
                1 => _ = publisher.subscribe(topic(self.roll(TOPICS))),
                _ => _ = publisher.unsubscribe(topic(self.roll(TOPICS))),
            },
            Socket::Sub(subscriber) => match self.roll(5) {
                0 => subscriber.set_recv_hwm(hwm),
                1 | 2 => subscriber.subscribe(topic(self.roll(TOPICS))),
                _ => _ = subscriber.unsubscribe(topic(self.roll(TOPICS))),
            },
            Socket::XSub(subscriber) => match self.roll(5) {
                0 => subscriber.set_send_hwm(hwm),
                1 | 2 => subscriber.subscribe(topic(self.roll(TOPICS))),
                _ => _ = subscriber.send([&[0_u8][..], topic(self.roll(TOPICS))].concat()),
            },
        }
    }

    /// A message of one to twenty frames of any small size that says its number.
    fn message(&mut self) -> Message {
        let mut message = Message::from(self.next.to_le_bytes());
        self.next += THREADS;
        if self.roll(3) == 0 {
            for _ in 0..self.roll(20) {
                let size = self.roll(300) as usize;
                message.push(vec![size as u8; size]);
            }
        }
        message
    }

    fn send(&mut self, socket: &mut Socket) {
        let (way, timeout) = (self.roll(6), Duration::from_micros(self.roll(300)));
        let count = if way == 0 { self.roll(12) as usize } else { 1 };
        let mut messages: VecDeque<Message> = (0..count).map(|_| self.message()).collect();
        let publishes = matches!(socket, Socket::Pub(_) | Socket::XPub(_) | Socket::XSub(_));
        if publishes {
            let topic = [b"+", topic(self.roll(TOPICS))].concat();
            // An XSUB would take a 0 or 1 for a subscription.
            let topic = if matches!(socket, Socket::XSub(_)) { &topic[..] } else { &topic[1..] };
            messages.iter_mut().for_each(|message| _ = message.push_front(topic));
        }
        macro_rules! send_by {
            ($socket:expr) => {
                match way {
                    0 => $socket.try_send_batch(&mut messages).unwrap_or(0),
                    1 => $socket
                        .try_reserve()
                        .map_or(0, |permit| permit.send(messages.remove(0).unwrap()).is_ok().into()),
                    2 | 3 => $socket.send_timeout(messages.remove(0).unwrap(), timeout).is_ok().into(),
                    _ => $socket.try_send(messages.remove(0).unwrap()).is_ok().into(),
                }
            };
        }
        macro_rules! publish_by {
            ($socket:expr) => {
                match way {
                    0 => drop($socket.try_send_batch(&mut messages)),
                    1..4 => drop($socket.send_timeout(messages.remove(0).unwrap(), timeout)),
                    _ => drop($socket.try_send(messages.remove(0).unwrap())),
                }
            };
        }
        let sent: usize = match socket {
            Socket::Pair(pair) => send_by!(pair),
            Socket::Push(push) => send_by!(push),
            Socket::Pull(_) | Socket::Sub(_) => 0,
            // Their counters say what became of it.
            Socket::Req(req) => {
                drop(messages.pop_front().map(|message| req.send_timeout(message, timeout)));
                0
            }
            Socket::Rep(rep) => {
                drop(messages.pop_front().map(|message| rep.send_timeout(message, timeout)));
                0
            }
            Socket::Dealer(dealer) => {
                if self.dice.is_multiple_of(2) {
                    messages.iter_mut().for_each(|message| _ = message.push_front(Frame::new()));
                }
                let _: usize = send_by!(dealer);
                0
            }
            Socket::Router(router) => {
                let ids = router.peer_ids();
                let id =
                    ids.get(self.dice as usize % (ids.len() + 1)).cloned().unwrap_or_else(|| Frame::from("nobody"));
                if let Some(mut message) = messages.pop_front() {
                    if !self.dice.is_multiple_of(3) {
                        message.push_front(Frame::new());
                    }
                    message.push_front(id);
                    let _ = router.send_timeout(message, timeout);
                }
                0
            }
            Socket::Pub(publisher) => {
                publish_by!(publisher);
                0
            }
            Socket::XPub(publisher) => {
                publish_by!(publisher);
                0
            }
            Socket::XSub(subscriber) => {
                publish_by!(subscriber);
                0
            }
        };
        self.sent += sent as u64;
    }

    fn receive(&mut self, socket: &mut Socket) {
        let (way, timeout) = (self.roll(6), Duration::from_micros(self.roll(300)));
        let mut messages = Vec::new();
        macro_rules! receive_by {
            ($socket:expr) => {
                match way {
                    0 => drop($socket.try_recv_batch(&mut messages, 7)),
                    1..4 => messages.extend($socket.recv_timeout(timeout)),
                    _ => messages.extend($socket.try_recv()),
                }
            };
        }
        match socket {
            Socket::Pair(pair) => receive_by!(pair),
            Socket::Pull(pull) => receive_by!(pull),
            Socket::Sub(subscriber) => receive_by!(subscriber),
            Socket::XPub(publisher) => receive_by!(publisher),
            Socket::XSub(subscriber) => receive_by!(subscriber),
            Socket::Req(req) => drop(if way == 0 { req.try_recv() } else { req.recv_timeout(timeout) }),
            Socket::Rep(rep) => drop(if way == 0 { rep.try_recv() } else { rep.recv_timeout(timeout) }),
            Socket::Dealer(dealer) => {
                receive_by!(dealer);
                messages.clear();
            }
            Socket::Router(router) => {
                receive_by!(router);
                assert!(messages.iter().all(|message| message.len() > 1), "an id and something more: {messages:?}");
                messages.clear();
            }
            Socket::Push(_) | Socket::Pub(_) => {}
        }
        if matches!(socket, Socket::Sub(_) | Socket::XPub(_) | Socket::XSub(_)) {
            for mut message in messages {
                let topic = message.pop_front().unwrap();
                let is_notice = matches!(socket, Socket::XPub(_)) && topic.first().is_some_and(|first| *first <= 1);
                assert_eq!(message.is_empty(), is_notice, "{topic:?} {message:?}");
                self.published.received += u64::from(!is_notice);
            }
            return;
        }
        for message in &messages {
            let whole = message.frames()[1..].iter().all(|frame| frame.iter().all(|byte| *byte == frame.len() as u8));
            assert!(whole, "frames of one message: {message:?}");
            self.received.push(u64::from_le_bytes(message[0].as_bytes().try_into().unwrap()));
        }
    }
}

fn storm(context: Context, road: Road, seed: u64, deaths: bool, progress: &Arc<AtomicU64>) -> [u64; 3] {
    let endpoints = Arc::new(Endpoints::new(road));
    let afloat = Arc::new(Mutex::new(VecDeque::new()));
    let crew: Vec<_> = (0..THREADS)
        .map(|number| {
            let sailor = Sailor {
                context: context.clone(),
                endpoints: endpoints.clone(),
                dice: seed * THREADS + number,
                sockets: Vec::new(),
                afloat: afloat.clone(),
                next: number,
                sent: 0,
                received: Vec::new(),
                published: Published::default(),
                talked: Published::default(),
                progress: progress.clone(),
            };
            thread::spawn(|| sailor.sail())
        })
        .collect();
    while deaths && !crew.iter().all(thread::JoinHandle::is_finished) {
        context.kill_a_pipe_after(seed % 50);
        thread::sleep(Duration::from_millis(1));
    }
    let (mut sent, mut received, mut sums) = (0, Vec::new(), [Published::default(); 2]);
    for sailor in crew {
        let (its_sent, its_received, its_sums) = sailor.join().unwrap();
        sent += its_sent;
        received.extend(its_received);
        sums = [sums[0].sum(its_sums[0]), sums[1].sum(its_sums[1])];
    }
    afloat.lock().unwrap().drain(..).for_each(|socket| Sailor::scuttle(&mut sums, socket));
    let report = context.shutdown(PATIENCE);
    let count = received.len() as u64;
    assert_eq!(report.sockets_left, 0, "seed {seed}");
    let [Published { put, conflated, filtered, discarded, received: read }, talked] = sums;
    let rest = report.undelivered + report.unread;
    let (sent, known) = (
        sent + put + talked.put,
        count + read + filtered + conflated + discarded + talked.received + talked.discarded + rest,
    );
    assert!(
        sent == known || road != Road::Inproc && sent > known,
        "seed {seed}: {sent} sent, {known} known; {count} received; published {put}, of which {read} received, {filtered} filtered, {discarded} \
         discarded; {talked:?}; {report:?}"
    );
    received.sort_unstable();
    received.dedup();
    assert_eq!(received.len() as u64, count, "seed {seed}: none twice");
    [count, read, talked.received]
}

fn number_from(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Runs storms one after the other, watched.
fn storms(flavor: &'static str, road: Road, context: fn(u64) -> Context, deaths: bool, storms: u64) {
    let first = number_from("RINGWAY_STORM_SEED", 0);
    let progress = Arc::new(AtomicU64::new(0));
    let watched = progress.clone();
    let current = Arc::new(AtomicU64::new(first));
    let watched_seed = current.clone();
    thread::spawn(move || {
        let mut seen = u64::MAX;
        loop {
            let now = watched.load(Ordering::Relaxed);
            if now == seen {
                eprintln!("a storm hangs: {flavor} pipes, seed {}", watched_seed.load(Ordering::Relaxed));
                process::abort();
            }
            seen = now;
            thread::sleep(PATIENCE);
            if Arc::strong_count(&watched) == 1 {
                return;
            }
        }
    });
    let mut received = [0; 3];
    for seed in first..first + number_from("RINGWAY_STORMS", storms) {
        current.store(seed, Ordering::Relaxed);
        for (sum, count) in received.iter_mut().zip(storm(context(seed), road, seed, deaths, &progress)) {
            *sum += count;
        }
        progress.fetch_add(1, Ordering::Relaxed);
    }
    assert!(received.iter().all(|count| *count > 0), "nobody talked: {received:?}");
}

#[test]
fn over_local_pipes() {
    storms("local", Road::Inproc, |_| Context::new(), false, STORMS);
}

#[test]
fn over_awkward_pipes() {
    storms("awkward", Road::Inproc, Context::with_awkward_pipes, false, STORMS);
}

#[test]
fn over_awkward_pipes_that_die() {
    storms("dying", Road::Inproc, Context::with_awkward_pipes, true, STORMS);
}

#[cfg(not(miri))]
#[test]
fn over_tcp() {
    storms("tcp", Road::Tcp, |_| Context::new(), false, STORMS_OVER_STREAMS);
}

#[cfg(not(miri))]
#[test]
fn over_ipc() {
    storms("ipc", Road::Ipc, |_| Context::new(), false, STORMS_OVER_STREAMS);
}

#[cfg(not(miri))]
#[test]
fn over_plain_ipc() {
    storms("plain ipc", Road::IpcPlain, |_| Context::new().without_shared_memory(), false, STORMS_OVER_STREAMS);
}
