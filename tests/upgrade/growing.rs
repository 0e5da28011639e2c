//! Rings that are overrun and replaced by larger ones, or would be if something were not in the way: nothing is lost, doubled or
//! reordered, and nothing is left.

use std::{
    thread,
    time::{Duration, Instant},
};

use ringway::{
    Context, Message, Pair, Pull, Push,
    monitor::{
        EventKind,
        UpgradeFailure::{AtPeer, Here},
        UpgradeObstacle::MemoryMax,
    },
    refusal::refuse,
    socket::{Builder, DEFAULT_IPC_RING_SIZE, RingSize},
};

use crate::{
    link::{Holdings, Pairs, alone, anywhere, outcome},
    raw::{PATIENCE, watch::Watch},
};

const FIRST: usize = 64 << 10;

/// One that sends and one that receives.
struct Line {
    push: Push,
    pull: Pull,
    watch: Watch,
    sent: u32,
    _contexts: [Context; 2],
}

impl Line {
    fn new(push: Builder<Push>, pull: Builder<Pull>) -> Self {
        let contexts = [Context::new(), Context::new()];
        let mut pull = pull.build(&contexts[0]).unwrap();
        let mut push = push.send_hwm(100_000).build(&contexts[1]).unwrap();
        let mut watch = Watch::new(push.monitor());
        let endpoint = anywhere();
        pull.bind(&endpoint).unwrap();
        push.connect(&endpoint).unwrap();
        assert_eq!(outcome(&mut watch), Ok(()));
        let mut line = Self { push, pull, watch, sent: 0, _contexts: contexts };
        line.cross(1, 10);
        assert_eq!(line.ring_size(), FIRST);
        line
    }

    fn ring_size(&self) -> usize {
        self.push.peer_list()[0].ring_size
    }

    /// So many messages of this size, numbered, while they are received: once and in order.
    #[track_caller]
    fn cross(&mut self, count: u32, size: usize) {
        let Self { push, pull, sent, .. } = self;
        let first = *sent;
        *sent += count;
        thread::scope(|scope| {
            scope.spawn(move || {
                for number in first..first + count {
                    push.send(body(number, size)).unwrap();
                }
            });
            for number in first..first + count {
                let got = pull.recv_timeout(PATIENCE).expect("it comes");
                assert!(
                    got == Message::from(body(number, size)),
                    "message {number} is another, of {} bytes",
                    got.size()
                );
            }
        });
    }

    /// Sends more than the ring holds and has it received, so many times.
    #[track_caller]
    fn overrun(&mut self, times: usize) {
        for _ in 0..times {
            let (first, count) = (self.sent, self.ring_size() as u32 / 50);
            // Half of them find no room.
            for number in first..first + count {
                self.push.send(body(number, 100)).unwrap();
            }
            self.sent += count;
            for number in first..first + count {
                assert_eq!(self.pull.recv_timeout(PATIENCE), Ok(Message::from(body(number, 100))), "message {number}");
            }
        }
    }

    /// Waits until it has grown, while there is traffic.
    #[track_caller]
    fn grows_to(&mut self, size: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.ring_size() < size {
            assert!(Instant::now() < deadline, "{} bytes", self.ring_size());
            self.overrun(1);
        }
        assert_eq!(self.ring_size(), size);
    }

    /// Waits until the process has so many segments mapped, while messages cross, which have what was replaced given up; and no more
    /// descriptors than one for each thread that has slept since.
    #[track_caller]
    fn holds(&mut self, before: Holdings, segments: usize) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Holdings::now();
            if now.segments == segments && now.descriptors <= before.descriptors + SLEEPERS {
                break;
            }
            assert!(Instant::now() < deadline, "{now:?}, {before:?} before, and {segments} segments are to be");
            self.cross(1, 10);
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Who sleeps for the first time makes what it sleeps on: of either socket.
const SLEEPERS: usize = 2;

fn body(number: u32, size: usize) -> Vec<u8> {
    let mut body = vec![number as u8; size];
    body[..4].copy_from_slice(&number.to_be_bytes());
    body
}

fn told_of(watch: &mut Watch) -> usize {
    match watch.wait_for("a larger ring", |kind| matches!(kind, EventKind::RingGrown { .. })) {
        EventKind::RingGrown { size, .. } => size,
        other => panic!("{other}"),
    }
}

#[test]
fn a_ring_that_is_overrun_grows_and_nothing_is_lost() {
    let _alone = alone();
    let nothing = Holdings::now();
    let mut line = Line::new(Push::builder(), Pull::builder());
    let before = Holdings::now();
    line.grows_to(4 * FIRST);
    assert_eq!(told_of(&mut line.watch), 4 * FIRST);
    // One more of ours, in both mappings; no descriptor.
    line.holds(before, before.segments + 2);
    line.grows_to(16 * FIRST);
    assert_eq!(told_of(&mut line.watch), 16 * FIRST);
    line.holds(before, before.segments + 2);
    // More would be beyond the bound.
    line.overrun(10);
    line.cross(50_000, 100);
    line.cross(100, 100_000);
    assert_eq!(line.ring_size(), 16 * FIRST);
    line.holds(before, before.segments + 2);
    drop(line);
    nothing.return_to();
}

/// A pipe keeps what it had of its last peer until it has another; of the rings the first alone.
#[test]
fn what_a_ring_has_grown_to_goes_with_its_connection() {
    let _alone = alone();
    let nothing = Holdings::now();
    let mut line = Line::new(Push::builder(), Pull::builder());
    line.grows_to(4 * FIRST);
    let Line { push, pull, mut watch, _contexts, .. } = line;
    drop(pull);
    watch.disconnected();
    Holdings { segments: nothing.segments + 2, ..Holdings::now() }.return_to();
    drop((push, watch, _contexts));
    nothing.return_to();
}

/// The first of them crosses in many parts, and the ring may be replaced between two.
#[test]
fn long_messages_make_a_ring_that_holds_them() {
    let _alone = alone();
    let nothing = Holdings::now();
    let mut line = Line::new(Push::builder().ipc_memory_max(0), Pull::builder().ipc_memory_max(0));
    for _ in 0..20 {
        line.cross(5, 3_000_000);
    }
    assert_eq!(line.ring_size(), 32 << 20);
    drop(line);
    nothing.return_to();
}

#[test]
fn both_sides_grow_at_once() {
    let _alone = alone();
    let nothing = Holdings::now();
    let builder = || Pair::builder().send_hwm(10_000);
    let mut pairs = Pairs::new([builder(), builder()]);
    assert_eq!(pairs.outcomes(), [Ok(()); 2]);
    let deadline = Instant::now() + PATIENCE;
    let mut first = 0;
    while [&pairs.bound, &pairs.connected].map(|pair| pair.peer_list()[0].ring_size) != [1 << 20; 2] {
        assert!(Instant::now() < deadline);
        let Pairs { bound, connected, .. } = &mut pairs;
        thread::scope(|scope| {
            for pair in [bound, connected] {
                scope.spawn(move || {
                    for number in first..first + 3_000 {
                        pair.send(body(number, 200)).unwrap();
                    }
                    for number in first..first + 3_000 {
                        assert_eq!(pair.recv_timeout(PATIENCE), Ok(Message::from(body(number, 200))));
                    }
                });
            }
        });
        first += 3_000;
    }
    drop(pairs);
    nothing.return_to();
}

#[test]
fn no_more_is_shared_than_the_bound() {
    let _alone = alone();
    let nothing = Holdings::now();
    // Of either side: room for the first two, and no more.
    for [push, pull] in [[140_000, 0], [0, 140_000], [140_000, 140_000]] {
        let mut line = Line::new(Push::builder().ipc_memory_max(push), Pull::builder().ipc_memory_max(pull));
        let before = Holdings::now();
        line.overrun(30);
        line.cross(20, 100_000);
        assert_eq!(line.ring_size(), FIRST);
        line.holds(before, before.segments);
        drop(line);
        nothing.return_to();
    }
    // As the last one, once what is declined is small enough.
    let mut line = Line::new(Push::builder(), Pull::builder().ipc_memory_max(800_000));
    line.grows_to(4 * FIRST);
    line.overrun(20);
    assert_eq!(line.ring_size(), 4 * FIRST);
    drop(line);
    nothing.return_to();
}

#[test]
fn what_is_above_the_bound_at_first_is_not_shared() {
    let _alone = alone();
    let small = || Pair::builder().ipc_memory_max(100_000);
    for (builders, expected) in [
        ([small(), Pair::builder()], [Err(Here(MemoryMax)), Err(AtPeer(MemoryMax))]),
        ([Pair::builder(), small()], [Err(AtPeer(MemoryMax)), Err(Here(MemoryMax))]),
        ([small().ipc_memory_max(1), small()], [Err(Here(MemoryMax)), Err(AtPeer(MemoryMax))]),
    ] {
        let nothing = Holdings::now();
        let mut pairs = Pairs::new(builders);
        assert_eq!(pairs.outcomes(), expected);
        pairs.talk(ringway::monitor::Road::Stream);
        drop(pairs);
        nothing.return_to();
    }
    let large = RingSize::new(4 << 20).unwrap();
    assert_eq!(DEFAULT_IPC_RING_SIZE.bytes(), FIRST);
    // Who asked for it has room for it; who is offered it has the usual bound.
    let mut pairs = Pairs::new([Pair::builder().ipc_ring_size(large), Pair::builder()]);
    assert_eq!(pairs.outcomes(), [Err(AtPeer(MemoryMax)), Err(Here(MemoryMax))]);
}

/// Whatever the system refuses to either side while they would grow: the ring stays as it is, and grows when it may.
#[test]
fn growth_that_is_refused_is_tried_again() {
    let _alone = alone();
    for (step, code, passes) in [
        ("create", libc::EMFILE, 0),
        ("create", libc::ENOMEM, 0),
        ("reserve", libc::ENOSPC, 0),
        ("map", libc::ENOMEM, 0),
        ("seal", libc::EPERM, 0),
        // It goes without what it is about.
        ("pass", libc::ETOOMANYREFS, 0),
        // At the peer's.
        ("inspect", libc::EACCES, 0),
        ("map", libc::EACCES, 1),
    ] {
        let nothing = Holdings::now();
        let mut line = Line::new(Push::builder(), Pull::builder());
        let before = Holdings::now();
        let refused = refuse(step, code, passes);
        line.overrun(5);
        line.cross(3, 100_000);
        assert_eq!(line.ring_size(), FIRST, "{step}");
        line.holds(before, before.segments);
        drop(refused);
        // So much holds the longest.
        line.grows_to(16 * FIRST);
        drop(line);
        nothing.return_to();
    }
}
