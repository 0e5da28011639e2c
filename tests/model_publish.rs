//! Publishers and subscribers against a model of naive maps: who gets what, in which order, what is dropped, missed,
//! filtered, conflated and lost, and what an XPUB is told.
//!
//! One thread, dice with a seed. A case that fails prints its seed; `RINGWAY_MODEL_SEED` runs that one alone.

#![forbid(unsafe_code)]

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    env, panic,
    time::Duration,
};

use ringway::{
    Context, Message, Pub, Sub, XPub, XSub,
    socket::{Counters, RecvError, SendFailure},
};

const STEPS: usize = 120;
const LOCAL_CASES: u64 = if cfg!(miri) { 2 } else { 400 };
const AWKWARD_CASES: u64 = if cfg!(miri) { 1 } else { 100 };
const PATIENCE: Duration = Duration::from_secs(60);
const TOPICS: [&str; 7] = ["", "a", "ab", "abc", "b", "ba", "c"];
const PUBLISHERS: usize = 3;
const SUBSCRIBERS: usize = 3;

/// The same numbers from the same seed (Steele, Lea and Flood: SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }

    fn once_in(&mut self, times: u64) -> bool {
        self.roll(times) == 0
    }

    fn topic(&mut self) -> &'static str {
        TOPICS[self.roll(TOPICS.len() as u64) as usize]
    }

    fn hwm(&mut self) -> u32 {
        self.roll(5) as u32
    }
}

enum Publishing {
    Pub(Pub),
    XPub(XPub),
}

enum Subscribing {
    Sub(Sub),
    XSub(XSub),
}

/// Calls what both types have.
macro_rules! either {
    ($kind:ident, $one:ident, $other:ident, $socket:expr, $inner:ident => $call:expr) => {
        match $socket {
            $kind::$one($inner) => $call,
            $kind::$other($inner) => $call,
        }
    };
}

macro_rules! publishing {
    ($socket:expr, $inner:ident => $call:expr) => { either!(Publishing, Pub, XPub, $socket, $inner => $call) };
}

macro_rules! subscribing {
    ($socket:expr, $inner:ident => $call:expr) => { either!(Subscribing, Sub, XSub, $socket, $inner => $call) };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tells {
    Topics,
    Subscriptions,
    Everything,
}

/// A publisher and what the model knows of it.
struct Publisher {
    socket: Publishing,
    /// No other socket of this case had it.
    number: u64,
    hwm: u32,
    invert: bool,
    no_drop: bool,
    conflates: bool,
    welcomes: bool,
    tells: Tells,
    /// Notices to come: groups in order, those of a group in any order.
    notices: VecDeque<Vec<Vec<u8>>>,
    sent: u64,
    deliveries: u64,
    dropped: u64,
    conflated: u64,
}

/// A subscriber, likewise.
struct Subscriber {
    socket: Subscribing,
    number: u64,
    hwm: u32,
    invert: bool,
    conflates: bool,
    reports: bool,
    wanted: BTreeMap<&'static str, u32>,
    received: u64,
    filtered: u64,
    missed: u64,
}

/// A pipe, between the sockets of those numbers.
struct Pipe {
    publisher: u64,
    subscriber: u64,
    /// Both are there. Else there is only what is left to be received.
    live: bool,
    conflates: bool,
    queue: VecDeque<(&'static str, u64)>,
    missed: u64,
    told: u64,
    by_publisher: bool,
}

struct World {
    context: Context,
    dice: Dice,
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    pipes: Vec<Pipe>,
    next: u64,
    /// Publishers look after every step, so that each change is told by itself.
    eager: bool,
    lost: u64,
}

fn wants(wanted: &BTreeMap<&'static str, u32>, topic: &str) -> bool {
    wanted.keys().any(|prefix| topic.starts_with(prefix))
}

fn message(topic: &str, publisher: u64, number: u64) -> Message {
    [topic.as_bytes(), &publisher.to_le_bytes(), &number.to_le_bytes()].into_iter().collect()
}

fn notice(wanted: bool, topic: &str) -> Vec<u8> {
    [&[u8::from(wanted)], topic.as_bytes()].concat()
}

impl Subscriber {
    /// Does the application get to see it?
    fn accepts(&self, topic: &str) -> bool {
        matches!(self.socket, Subscribing::XSub(_)) || wants(&self.wanted, topic) != self.invert
    }

    fn counters(&self) -> Counters {
        subscribing!(&self.socket, socket => socket.counters())
    }

    fn try_recv(&mut self) -> Result<Message, RecvError> {
        subscribing!(&mut self.socket, socket => socket.try_recv())
    }

    fn recv(&mut self) -> Result<Message, RecvError> {
        subscribing!(&mut self.socket, socket => socket.recv_timeout(PATIENCE))
    }
}

impl World {
    fn new(context: Context, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let eager = dice.once_in(2);
        let (publishers, subscribers, pipes) = (Vec::new(), Vec::new(), Vec::new());
        let mut world = Self { context, dice, publishers, subscribers, pipes, next: 1, eager, lost: 0 };
        for place in 0..PUBLISHERS {
            let publisher = world.publisher(place);
            world.publishers.push(publisher);
        }
        for place in 0..SUBSCRIBERS {
            let subscriber = world.subscriber(place);
            world.subscribers.push(subscriber);
        }
        world
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn publisher(&mut self, place: usize) -> Publisher {
        let (number, dice) = (self.number(), &mut self.dice);
        let (hwm, invert, no_drop) = (dice.hwm(), dice.once_in(5), dice.once_in(4));
        let sees = dice.once_in(2);
        let (conflates, welcomes) = (!sees && dice.once_in(4), sees && dice.once_in(3));
        let tells = [Tells::Topics, Tells::Subscriptions, Tells::Everything][dice.roll(3) as usize];
        macro_rules! build {
            ($socket:ident, $builder:ident => $more:expr) => {{
                let mut $builder = $socket::builder().send_hwm(hwm);
                if invert {
                    $builder = $builder.invert_matching();
                }
                if no_drop {
                    $builder = $builder.no_drop();
                }
                let mut socket = $more.build(&self.context).unwrap();
                socket.bind(format!("inproc://publisher-{place}")).unwrap();
                Publishing::$socket(socket)
            }};
        }
        let socket = if sees {
            build!(XPub, builder => {
                let builder = if welcomes { builder.welcome(message("a", number, 0)) } else { builder };
                match tells {
                    Tells::Topics => builder,
                    Tells::Subscriptions => builder.verbose(),
                    Tells::Everything => builder.verboser(),
                }
            })
        } else {
            build!(Pub, builder => if conflates { builder.conflate() } else { builder })
        };
        let notices = VecDeque::new();
        let (sent, deliveries, dropped, conflated) = (0, 0, 0, 0);
        Publisher {
            socket,
            number,
            hwm,
            invert,
            no_drop,
            conflates,
            welcomes,
            tells,
            notices,
            sent,
            deliveries,
            dropped,
            conflated,
        }
    }

    fn subscriber(&mut self, place: usize) -> Subscriber {
        let (number, dice) = (self.number(), &mut self.dice);
        let (hwm, reports, transparent) = (dice.hwm(), dice.once_in(2), dice.once_in(3));
        let (invert, conflates) = (!transparent && dice.once_in(5), !transparent && dice.once_in(4));
        macro_rules! build {
            ($socket:ident, $builder:ident => $more:expr) => {{
                let mut $builder = $socket::builder().recv_hwm(hwm);
                if reports {
                    $builder = $builder.report_missed();
                }
                let mut socket = $more.build(&self.context).unwrap();
                socket.bind(format!("inproc://subscriber-{place}")).unwrap();
                Subscribing::$socket(socket)
            }};
        }
        let socket = if transparent {
            build!(XSub, builder => builder)
        } else {
            build!(Sub, builder => {
                let builder = if invert { builder.invert_matching() } else { builder };
                if conflates { builder.conflate() } else { builder }
            })
        };
        let (received, filtered, missed) = (0, 0, 0);
        let wanted = BTreeMap::new();
        Subscriber { socket, number, hwm, invert, conflates, reports, wanted, received, filtered, missed }
    }

    fn step(&mut self) {
        let publisher = self.dice.roll(PUBLISHERS as u64) as usize;
        let subscriber = self.dice.roll(SUBSCRIBERS as u64) as usize;
        match self.dice.roll(100) {
            0..14 => self.connect(publisher, subscriber),
            14..18 => self.disconnect(publisher, subscriber),
            18..20 => self.replace_publisher(publisher),
            20..23 => self.replace_subscriber(subscriber),
            23..38 => self.subscribe(subscriber),
            38..48 => self.unsubscribe(subscriber),
            48..80 => self.publish(publisher),
            80..92 => self.receive(subscriber),
            92..96 => self.change_hwm(publisher, subscriber),
            _ => self.listen(publisher),
        }
        if self.eager {
            (0..PUBLISHERS).for_each(|publisher| self.check_audience(publisher));
        }
    }

    /// The live pipe between two, or one with something left in it.
    fn between(&self, publisher: usize, subscriber: usize) -> Option<usize> {
        let (publisher, subscriber) = (self.publishers[publisher].number, self.subscribers[subscriber].number);
        self.pipes.iter().position(|pipe| (pipe.publisher, pipe.subscriber) == (publisher, subscriber))
    }

    fn connect(&mut self, publisher: usize, subscriber: usize) {
        // One at a time, so that a message tells its pipe.
        if self.between(publisher, subscriber).is_some() {
            return;
        }
        let by_publisher = self.dice.once_in(2);
        let (its, other) = (&mut self.publishers[publisher], &mut self.subscribers[subscriber]);
        if by_publisher {
            let name = format!("inproc://subscriber-{subscriber}");
            publishing!(&mut its.socket, socket => socket.connect(name).unwrap());
        } else {
            let name = format!("inproc://publisher-{publisher}");
            subscribing!(&mut other.socket, socket => socket.connect(name).unwrap());
        }
        let mut pipe = Pipe {
            publisher: its.number,
            subscriber: other.number,
            live: true,
            conflates: its.conflates || other.conflates,
            queue: VecDeque::new(),
            missed: 0,
            told: 0,
            by_publisher,
        };
        if its.welcomes {
            pipe.queue.push_back(("a", 0));
            its.deliveries += 1;
        }
        let topics: Vec<_> = other.wanted.keys().copied().collect();
        let group = topics.iter().filter(|topic| {
            self.publishers[publisher].tells != Tells::Topics || !self.audience(publisher).contains(*topic)
        });
        let group = group.map(|topic| notice(true, topic)).collect();
        self.pipes.push(pipe);
        self.tell(publisher, group);
    }

    fn disconnect(&mut self, publisher: usize, subscriber: usize) {
        let Some(place) = self.between(publisher, subscriber).filter(|place| self.pipes[*place].live) else { return };
        let (its, other) = (&mut self.publishers[publisher], &mut self.subscribers[subscriber]);
        if self.pipes[place].by_publisher {
            let name = format!("inproc://subscriber-{subscriber}");
            publishing!(&mut its.socket, socket => socket.disconnect(name).unwrap());
            self.end(place, true);
        } else {
            let name = format!("inproc://publisher-{publisher}");
            subscribing!(&mut other.socket, socket => socket.disconnect(name).unwrap());
            self.end(place, false);
        }
    }

    /// The pipe at `place` is over. What is in it stays to be received if its publisher ended it.
    fn end(&mut self, place: usize, by_publisher: bool) {
        let live = std::mem::take(&mut self.pipes[place].live);
        let (publisher, subscriber) = (self.pipes[place].publisher, self.pipes[place].subscriber);
        let publisher = self.publishers.iter().position(|other| other.number == publisher);
        if let Some(publisher) = publisher.filter(|_| live) {
            let left = self.audience(publisher);
            let tells = self.publishers[publisher].tells;
            let subscriber = self.subscribers.iter().find(|other| other.number == subscriber).expect("it is there");
            let gone = subscriber.wanted.keys();
            let gone = gone.filter(|topic| tells == Tells::Everything || !left.contains(*topic));
            let group = gone.map(|topic| notice(false, topic)).collect();
            self.tell(publisher, group);
        }
        if !by_publisher {
            self.lost += self.pipes[place].queue.len() as u64;
            self.pipes[place].queue.clear();
        }
        if self.pipes[place].queue.is_empty() {
            self.pipes.remove(place);
        }
    }

    fn replace_publisher(&mut self, publisher: usize) {
        self.check_publisher(publisher);
        let number = self.publishers[publisher].number;
        self.publishers[publisher].number = 0;
        while let Some(place) = self.pipes.iter().position(|pipe| pipe.live && pipe.publisher == number) {
            self.end(place, true);
        }
        drop(self.publishers.remove(publisher));
        let new = self.publisher(publisher);
        self.publishers.insert(publisher, new);
    }

    fn replace_subscriber(&mut self, subscriber: usize) {
        self.check_subscriber(subscriber);
        let number = self.subscribers[subscriber].number;
        while let Some(place) = self.pipes.iter().position(|pipe| pipe.subscriber == number) {
            self.end(place, false);
        }
        drop(self.subscribers.remove(subscriber));
        let new = self.subscriber(subscriber);
        self.subscribers.insert(subscriber, new);
    }

    /// What those who are connected to `publisher` want.
    fn audience(&self, publisher: usize) -> BTreeSet<&'static str> {
        let pipes = self.pipes.iter().filter(|pipe| pipe.live && pipe.publisher == self.publishers[publisher].number);
        let subscribers = pipes.map(|pipe| self.subscribers.iter().find(|other| other.number == pipe.subscriber));
        subscribers.flat_map(|subscriber| subscriber.expect("it is there").wanted.keys().copied()).collect()
    }

    fn tell(&mut self, publisher: usize, mut group: Vec<Vec<u8>>) {
        group.sort();
        if !group.is_empty() {
            self.publishers[publisher].notices.push_back(group);
        }
    }

    /// Whose pipes lead to `subscriber`.
    fn publishers_of(&self, subscriber: usize) -> Vec<usize> {
        let number = self.subscribers[subscriber].number;
        let pipes = self.pipes.iter().filter(|pipe| pipe.live && pipe.subscriber == number);
        pipes.filter_map(|pipe| self.publishers.iter().position(|other| other.number == pipe.publisher)).collect()
    }

    fn subscribe(&mut self, subscriber: usize) {
        let topic = self.dice.topic();
        let its = &self.subscribers[subscriber];
        let again = its.wanted.contains_key(topic);
        for publisher in self.publishers_of(subscriber) {
            let others = self.audience(publisher).contains(topic);
            if self.publishers[publisher].tells != Tells::Topics || !(again || others) {
                self.tell(publisher, vec![notice(true, topic)]);
            }
        }
        let its = &mut self.subscribers[subscriber];
        *its.wanted.entry(topic).or_default() += 1;
        match &mut its.socket {
            Subscribing::XSub(socket) if self.dice.once_in(2) => socket.send(notice(true, topic)).unwrap(),
            socket => subscribing!(socket, socket => socket.subscribe(topic)),
        }
    }

    fn unsubscribe(&mut self, subscriber: usize) {
        let topic = self.dice.topic();
        let its = &mut self.subscribers[subscriber];
        let left = its.wanted.get(topic).map(|times| times - 1);
        match (&mut its.socket, left) {
            (Subscribing::XSub(socket), _) if self.dice.once_in(2) => socket.send(notice(false, topic)).unwrap(),
            (socket, left) => {
                assert_eq!(subscribing!(socket, socket => socket.unsubscribe(topic)), left.is_some());
            }
        }
        match left {
            None => {}
            Some(0) => {
                its.wanted.remove(topic);
                for publisher in self.publishers_of(subscriber) {
                    let others = self.audience(publisher).contains(topic);
                    if self.publishers[publisher].tells == Tells::Everything || !others {
                        self.tell(publisher, vec![notice(false, topic)]);
                    }
                }
            }
            Some(left) => _ = its.wanted.insert(topic, left),
        }
    }

    fn publish(&mut self, publisher: usize) {
        let (topic, number) = (self.dice.topic(), self.number());
        let its = &mut self.publishers[publisher];
        let subscribers = &self.subscribers;
        let mut receivers = Vec::new();
        for (place, pipe) in self.pipes.iter().enumerate().filter(|(_, pipe)| pipe.live) {
            let subscriber = subscribers.iter().find(|other| other.number == pipe.subscriber).expect("it is there");
            if pipe.publisher == its.number && wants(&subscriber.wanted, topic) != its.invert {
                let unlimited = pipe.conflates || its.hwm == 0 || subscriber.hwm == 0;
                let full = !unlimited && pipe.queue.len() as u64 >= u64::from(its.hwm) + u64::from(subscriber.hwm);
                receivers.push((place, full));
            }
        }
        let message = message(topic, its.number, number);
        let result = publishing!(&mut its.socket, socket => socket.try_send(message.clone()));
        if its.no_drop && receivers.iter().any(|(_, full)| *full) {
            let error = result.expect_err("somebody is full");
            assert_eq!((error.reason, error.message), (SendFailure::Full, message));
            return;
        }
        result.expect("it never waits");
        its.sent += 1;
        for (place, full) in receivers {
            let pipe = &mut self.pipes[place];
            if full {
                its.dropped += 1;
                pipe.missed += 1;
                continue;
            }
            if pipe.conflates {
                its.conflated += pipe.queue.len() as u64;
                pipe.queue.clear();
            }
            its.deliveries += 1;
            pipe.queue.push_back((topic, number));
        }
        self.check_publisher(publisher);
    }

    /// One message where it is clear what comes off which queue; all that is there otherwise.
    fn receive(&mut self, subscriber: usize) {
        let its = &mut self.subscribers[subscriber];
        let pipes = || self.pipes.iter().filter(|pipe| pipe.subscriber == its.number && !pipe.queue.is_empty());
        let misses = if its.reports { pipes().filter(|pipe| pipe.missed > pipe.told).count() } else { 0 };
        let unwanted = pipes().flat_map(|pipe| &pipe.queue).filter(|(topic, _)| !its.accepts(topic)).count();
        let wanted = pipes().map(|pipe| pipe.queue.len()).sum::<usize>() - unwanted;
        let drain = misses > 0 || unwanted > 0 || self.dice.once_in(3);
        let (mut messages, mut told) = (if drain { wanted } else { wanted.min(1) }, misses);
        for pipe in self.pipes.iter_mut().filter(|pipe| pipe.subscriber == its.number && !pipe.queue.is_empty()) {
            if its.reports {
                its.missed += pipe.missed - pipe.told;
                pipe.told = pipe.missed;
            }
        }
        while messages + told > 0 {
            let message = match its.recv() {
                Ok(message) => message,
                Err(error) => {
                    assert!(error == RecvError::Missed && told > 0, "{error:?}");
                    told -= 1;
                    continue;
                }
            };
            assert!(messages > 0, "one too many: {message:?}");
            messages -= 1;
            its.received += 1;
            let [publisher, number] = [1, 2].map(|frame| u64::from_le_bytes(message[frame][..].try_into().unwrap()));
            let pipes = self.pipes.iter_mut().filter(|pipe| pipe.subscriber == its.number);
            let mut pipes = pipes.filter(|pipe| pipe.publisher == publisher);
            let pipe = pipes.find(|pipe| pipe.queue.iter().any(|sent| sent.1 == number)).expect("it was sent");
            // What was before it is unwanted.
            loop {
                let (topic, first) = pipe.queue.pop_front().expect("it is there");
                let accepts = its.accepts(topic);
                if first == number {
                    assert!(accepts && message[0] == *topic, "{message:?}");
                    break;
                }
                assert!(!accepts, "{topic} {first} is passed over for {number}");
                its.filtered += 1;
            }
        }
        if drain {
            for pipe in self.pipes.iter_mut().filter(|pipe| pipe.subscriber == its.number) {
                its.filtered += pipe.queue.drain(..).len() as u64;
            }
            // What is to be filtered may still be on its way.
            while its.counters().filtered < its.filtered {
                assert_eq!(its.try_recv(), Err(RecvError::Empty));
            }
        }
        if drain || wanted == 0 {
            assert_eq!(its.try_recv(), Err(RecvError::Empty));
        }
        self.pipes.retain(|pipe| pipe.live || !pipe.queue.is_empty());
        self.check_subscriber(subscriber);
    }

    fn change_hwm(&mut self, publisher: usize, subscriber: usize) {
        let hwm = self.dice.hwm();
        if self.dice.once_in(2) {
            self.publishers[publisher].hwm = hwm;
            publishing!(&mut self.publishers[publisher].socket, socket => socket.set_send_hwm(hwm));
        } else {
            self.subscribers[subscriber].hwm = hwm;
            subscribing!(&mut self.subscribers[subscriber].socket, socket => socket.set_recv_hwm(hwm));
        }
    }

    /// An XPUB receives all it is told.
    fn listen(&mut self, publisher: usize) {
        let audience = self.audience(publisher);
        let its = &mut self.publishers[publisher];
        let Publishing::XPub(socket) = &mut its.socket else { return };
        let mut told = Vec::new();
        while let Ok(message) = socket.try_recv() {
            told.push(message[0].to_vec());
        }
        let expected = std::mem::take(&mut its.notices);
        if self.eager {
            let mut told = told.into_iter();
            for group in expected {
                let mut next: Vec<_> = told.by_ref().take(group.len()).collect();
                next.sort();
                assert_eq!(next, group);
            }
            assert_eq!(told.next(), None);
        } else if its.tells == Tells::Topics {
            // Who looks seldom is told less: only what it has to know.
            for notice in told {
                let others = expected.iter().flatten().filter(|other| **other == notice).count();
                assert!(others > 0, "{notice:?} never happened");
            }
        }
        assert_eq!(socket.topics(), audience.len());
    }

    fn check_audience(&mut self, publisher: usize) {
        let topics = self.audience(publisher).len();
        let number = self.publishers[publisher].number;
        let pipes = self.pipes.iter().filter(|pipe| pipe.live && pipe.publisher == number);
        let subscribed = pipes.filter(|pipe| {
            let subscriber = self.subscribers.iter().find(|other| other.number == pipe.subscriber);
            !subscriber.expect("it is there").wanted.is_empty()
        });
        let subscribers = subscribed.count();
        let socket = &mut self.publishers[publisher].socket;
        let found = publishing!(socket, socket => (socket.subscribers(), socket.topics()));
        assert_eq!(found, (subscribers, topics));
    }

    fn check_publisher(&mut self, publisher: usize) {
        let its = &self.publishers[publisher];
        let counters = publishing!(&its.socket, socket => socket.counters());
        let found = (counters.messages_sent, counters.deliveries, counters.dropped, counters.conflated);
        assert_eq!(found, (its.sent, its.deliveries, its.dropped, its.conflated));
        self.check_audience(publisher);
    }

    fn check_subscriber(&self, subscriber: usize) {
        let its = &self.subscribers[subscriber];
        let counters = its.counters();
        let found = (counters.messages_received, counters.filtered);
        assert_eq!(found, (its.received, its.filtered));
        let (missed, topics) = subscribing!(&its.socket, socket => (socket.missed(), socket.topics()));
        assert_eq!((missed, topics), (its.missed, its.wanted.len()));
    }

    fn finish(mut self) {
        (0..PUBLISHERS).for_each(|publisher| {
            self.check_publisher(publisher);
            self.listen(publisher);
        });
        (0..SUBSCRIBERS).for_each(|subscriber| self.check_subscriber(subscriber));
        let queued = self.pipes.iter().map(|pipe| pipe.queue.len() as u64).sum::<u64>();
        self.publishers.clear();
        self.subscribers.clear();
        let report = self.context.shutdown(PATIENCE);
        assert_eq!((report.sockets_left, report.undelivered + report.unread), (0, self.lost + queued));
    }
}

fn run(flavor: &str, context: fn(u64) -> Context, cases: u64) {
    let alone = env::var("RINGWAY_MODEL_SEED").ok().map(|seed| seed.parse().expect("a number"));
    for seed in alone.map_or(0..cases, |seed| seed..seed + 1) {
        let case = panic::AssertUnwindSafe(|| {
            let mut world = World::new(context(seed), seed);
            (0..STEPS).for_each(|_| world.step());
            world.finish();
        });
        if let Err(panic) = panic::catch_unwind(case) {
            eprintln!("over {flavor} pipes, RINGWAY_MODEL_SEED={seed}");
            panic::resume_unwind(panic);
        }
    }
}

#[test]
fn over_local_pipes() {
    run("local", |_| Context::new(), LOCAL_CASES);
}

#[test]
fn over_awkward_pipes() {
    run("awkward", Context::with_awkward_pipes, AWKWARD_CASES);
}
