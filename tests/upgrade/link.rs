//! Two sockets of two contexts, connected over ipc, and what is asked of them.

use std::{
    fs,
    sync::{MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use ringway::{
    Context, Message, Pair, Sub, XPub,
    monitor::{EventKind, PeerInfo, Road, UpgradeFailure},
    socket::Builder,
};

use crate::raw::{PATIENCE, temporary_path, watch::Watch};

/// One test at a time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    #[expect(clippy::disallowed_types, reason = "a test of the whole has nothing to model")]
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one side is told when the two have met.
pub(crate) type Outcome = Result<(), UpgradeFailure>;

/// What a process has of the system's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holdings {
    pub(crate) descriptors: usize,
    pub(crate) segments: usize,
}

impl Holdings {
    pub(crate) fn now() -> Self {
        let descriptors = fs::read_dir("/proc/self/fd").expect("the system lists them").count();
        let maps = fs::read_to_string("/proc/self/maps").expect("the system lists them");
        Self { descriptors, segments: maps.lines().filter(|line| line.contains("/memfd:ringway")).count() }
    }

    /// Waits until no more is held than `self`.
    #[track_caller]
    pub(crate) fn return_to(self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Self::now();
            if now.descriptors <= self.descriptors && now.segments <= self.segments {
                return;
            }
            assert!(Instant::now() < deadline, "{now:?} is more than {self:?}");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// An endpoint nobody else has.
pub(crate) fn anywhere() -> String {
    format!("ipc://{}", temporary_path().display())
}

/// What is told of the next connection's upgrade.
#[track_caller]
pub(crate) fn outcome(watch: &mut Watch) -> Outcome {
    let is_told = |kind: &EventKind| matches!(kind, EventKind::Upgraded { .. } | EventKind::NotUpgraded { .. });
    match watch.wait_for("whether memory is shared", is_told) {
        EventKind::NotUpgraded { reason, .. } => Err(reason),
        _ => Ok(()),
    }
}

/// The road there is to be after `outcome`.
pub(crate) fn road(outcome: Outcome) -> Road {
    if outcome.is_ok() { Road::SharedMemory } else { Road::Stream }
}

/// Two that talk both ways.
pub(crate) struct Pairs {
    pub(crate) bound: Pair,
    pub(crate) connected: Pair,
    pub(crate) watches: [Watch; 2],
    _contexts: [Context; 2],
}

impl Pairs {
    /// Two sockets by these builders, of which the second has connected to the first at `through` it by that or directly.
    pub(crate) fn new(builders: [Builder<Pair>; 2]) -> Self {
        let endpoint = anywhere();
        Self::at(builders, &endpoint, &endpoint)
    }

    pub(crate) fn at(builders: [Builder<Pair>; 2], bound_to: &str, connected_to: &str) -> Self {
        let contexts = [Context::new(), Context::new()];
        let [bound, connected] = builders;
        let mut bound = bound.build(&contexts[0]).unwrap();
        let mut connected = connected.build(&contexts[1]).unwrap();
        let watches = [Watch::new(bound.monitor()), Watch::new(connected.monitor())];
        bound.bind(bound_to).unwrap();
        connected.connect(connected_to).unwrap();
        Self { bound, connected, watches, _contexts: contexts }
    }

    /// What either side is told: who has bound first.
    #[track_caller]
    pub(crate) fn outcomes(&mut self) -> [Outcome; 2] {
        let [bound, connected] = &mut self.watches;
        [outcome(bound), outcome(connected)]
    }

    /// Messages both ways, short and long, of which none is missing, and the sum of which the lists of peers have.
    #[track_caller]
    pub(crate) fn talk(&mut self, road: Road) {
        const COUNT: u64 = 200;
        // The longest crosses a ring in parts.
        let body = |number: u64| vec![number as u8; [5, 40, 3_000, 100_000][number as usize % 4]];
        let before = self.traffic();
        let mut bytes = 0;
        for number in 0..COUNT {
            bytes += body(number).len() as u64;
            self.bound.send(body(number)).unwrap();
            self.connected.send(body(number)).unwrap();
            for socket in [&mut self.connected, &mut self.bound] {
                let got = socket.recv_timeout(PATIENCE).expect("it comes");
                assert_eq!(got, Message::from(body(number)), "message {number} is another");
            }
        }
        let after = self.traffic();
        for (what, (before, after)) in before.iter().zip(&after).enumerate() {
            for (before, after) in [(before.sent, after.sent), (before.received, after.received)] {
                assert_eq!(after.messages - before.messages, COUNT, "messages at socket {what}: {after:?}");
                let went = after.bytes - before.bytes;
                assert!((bytes..bytes + COUNT * 32).contains(&went), "{went} bytes for {bytes} at socket {what}");
            }
            assert_eq!(after.road, road);
        }
    }

    #[track_caller]
    fn traffic(&self) -> [PeerInfo; 2] {
        [&self.bound, &self.connected].map(|socket| {
            let list = socket.peer_list();
            assert_eq!(list.len(), 1, "{list:?}");
            list[0].clone()
        })
    }
}

/// Subscriptions go one way and what is published the other, whichever road that is.
#[track_caller]
pub(crate) fn publish(publisher: Builder<XPub>, subscriber: Builder<Sub>) -> [Outcome; 2] {
    let contexts = [Context::new(), Context::new()];
    let (mut publisher, mut subscriber) =
        (publisher.build(&contexts[0]).unwrap(), subscriber.build(&contexts[1]).unwrap());
    let mut watches = [Watch::new(publisher.monitor()), Watch::new(subscriber.monitor())];
    let endpoint = anywhere();
    publisher.bind(&endpoint).unwrap();
    subscriber.connect(&endpoint).unwrap();
    for (topic, word) in [("a", 1_u8), ("b", 1), ("a", 0)] {
        if word == 1 {
            subscriber.subscribe(topic);
        } else {
            assert!(subscriber.unsubscribe(topic));
        }
        assert_eq!(publisher.recv_timeout(PATIENCE).unwrap(), Message::from([&[word], topic.as_bytes()].concat()));
        for text in ["a first", "b second", "c third"] {
            publisher.send(text).unwrap();
        }
        let expected: &[&str] = match (topic, word) {
            ("a", 1) => &["a first"],
            ("b", _) => &["a first", "b second"],
            _ => &["b second"],
        };
        for text in expected {
            assert_eq!(subscriber.recv_timeout(PATIENCE).unwrap(), Message::from(*text));
        }
    }
    let [publisher, subscriber] = &mut watches;
    [outcome(publisher), outcome(subscriber)]
}
