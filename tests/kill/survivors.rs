//! Who is left when a producer, a consumer, or both are killed.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use ringway::{
    Context, Pull, Push, WaitPolicy,
    socket::{RecvError, SendFailure},
};

use crate::{
    PATIENCE, alone,
    death::{Moment, Tally, Victim},
    kills,
    ledger::{Entry, Ledger},
    load::{self, Dice, Pace},
    part::{Part, Place, Role, quick},
    scene::{Folder, Holdings, Sockets, Watch},
    sharing::SHARES_MEMORY,
};

/// Where a producer may die.
const PRODUCERS_PHASES: &[&str] = &[
    "offering",
    "offered",
    "mapped",
    "answered",
    "agreed",
    "growing",
    "switched",
    "claimed",
    "mid-write",
    "written",
    "committed",
    "between-parts",
    "knocking",
    "knocked",
    "overflowing",
    "moving",
    "wishing",
    "between-calls",
];

/// Where a consumer may die.
const CONSUMERS_PHASES: &[&str] = &[
    "offering",
    "offered",
    "mapped",
    "answered",
    "agreed",
    "grown",
    "switching",
    "peeked",
    "mid-read",
    "read",
    "told",
    "announced",
    "sleeping",
    "woken",
    "holding",
    "between-calls",
];

/// Where somebody must have died when many have.
const PRODUCERS_MUST: &[&str] = if SHARES_MEMORY {
    &["offering", "offered", "mapped", "answered", "claimed", "mid-write", "written", "committed", "between-calls"]
} else {
    &["between-calls"]
};
const CONSUMERS_MUST: &[&str] = if SHARES_MEMORY {
    &["offering", "offered", "mapped", "answered", "peeked", "mid-read", "read", "told", "announced", "between-calls"]
} else {
    &["holding", "between-calls"]
};

/// Deaths after which what the process has by now is all it will ever have.
const WARM_UP: u64 = 6;

/// Ends what other threads do also when this one fails.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What a consumer in this process has received, by producer.
#[derive(Default)]
struct Received {
    #[expect(clippy::disallowed_types, reason = "a test of the whole has nothing to model")]
    counts: std::sync::Mutex<HashMap<u64, u64>>,
    /// How often it has found nothing.
    idle: AtomicU64,
    hurries: AtomicBool,
    stop: AtomicBool,
}

impl Received {
    fn of(&self, producer: u64) -> u64 {
        self.counts.lock().unwrap().get(&producer).copied().unwrap_or(0)
    }

    /// Receives until told to stop; each producer's messages in order from the first on, each once.
    fn all(&self, pull: &mut Pull, mut dice: Dice) {
        let mut pace = Pace::new(&mut dice);
        while !self.stop.load(Ordering::SeqCst) {
            match pull.recv_timeout(Duration::from_millis(2)) {
                Ok(message) => {
                    let (producer, number) = load::read(&message).unwrap_or_else(|what| panic!("{what}"));
                    let mut counts = self.counts.lock().unwrap();
                    let count = counts.entry(producer).or_default();
                    assert_eq!(number, *count, "the next of producer {producer} is another than it should be");
                    *count += 1;
                }
                Err(RecvError::TimedOut) => {
                    self.idle.fetch_add(1, Ordering::SeqCst);
                    pace = Pace::new(&mut dice);
                }
                Err(error) => panic!("{error:?}"),
            }
            if !self.hurries.load(Ordering::SeqCst) {
                pace.step();
            }
        }
    }

    /// Waits until `holds`; fails if the receiving `thread` has.
    #[track_caller]
    fn eventually(&self, what: &str, thread: &thread::ScopedJoinHandle<'_, ()>, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            assert!(!thread.is_finished(), "the receiver has failed");
            assert!(Instant::now() < deadline, "never came true: {what}");
            thread::sleep(Duration::from_micros(200));
        }
    }
}

fn producers_die(place: Place, kills: u64, seed: u64) {
    let _alone = alone();
    let folder = Folder::new();
    let ledger = Ledger::new(folder.file("ledger"));
    let context = Context::new();
    let builder = quick(Pull::builder()).recv_hwm(100).wait(WaitPolicy::Adaptive).monitor_capacity(100_000);
    let mut pull = builder.build(&context).unwrap();
    let mut watch = Watch::new(pull.monitor());
    match place {
        Place::Connects => pull.bind(folder.endpoint()).unwrap(),
        Place::Binds => pull.connect(folder.endpoint()).unwrap(),
    }
    let mut dice = Dice(seed);
    let mut tally = Tally::default();
    let received = Received::default();
    let mut held = None;
    thread::scope(|scope| {
        let _stops = Stops(&received.stop);
        let receiver = scope.spawn(|| received.all(&mut pull, Dice(seed)));
        for nth in 0..kills + WARM_UP {
            let moment = Moment::nth(nth, PRODUCERS_PHASES, &mut dice);
            let part = Part {
                role: Role::Producer,
                place,
                endpoint: folder.endpoint(),
                ledger: ledger.path().to_owned(),
                number: nth,
                seed: dice.roll(u64::MAX),
                total: u64::MAX,
                batch: dice.pick(&[1, 1, 1, 20]),
                armed: None,
            };
            received.hurries.store(dice.roll(3) > 0, Ordering::SeqCst);
            let death = Victim::begin(part, moment, &ledger).die(&ledger, |pid| watch.is_in(pid));
            tally.died(&death);
            received.hurries.store(true, Ordering::SeqCst);
            // What was committed comes, and is complete when the connection has ended and nothing is left.
            let committed = if SHARES_MEMORY { ledger.reached("committed") } else { 0 };
            let what = format!("all {committed} come that were committed by {death:?}");
            received.eventually(&what, &receiver, || received.of(nth) >= committed);
            watch.mourns(&death, received.of(nth) > 0, &mut tally);
            let idle = received.idle.load(Ordering::SeqCst);
            received.eventually("all is taken", &receiver, || received.idle.load(Ordering::SeqCst) >= idle + 2);
            let (came, sent) = (received.of(nth), ledger.read(Entry::Sending));
            assert!(came <= sent, "{came} came of {sent} that were sent: {death:?}");
            tally.messages += came;
            tally.lost += ledger.read(Entry::Sent).saturating_sub(came);
            if nth + 1 == WARM_UP {
                held = Some(Holdings::now());
            }
        }
    });
    held.expect("it has warmed up").return_to(&mut watch);
    drop(pull);
    drop(context);
    // Who has bound a path and is killed leaves the file; a later one takes it over.
    folder.holds_only(if place == Place::Binds { &["ledger", "socket"] } else { &["ledger"] });
    tally.report(&format!("producers that had it {place:?}"), PRODUCERS_MUST);
}

#[test]
fn producers_that_connect_are_killed() {
    producers_die(Place::Connects, kills() / 4, 1);
}

#[test]
fn producers_that_bind_are_killed() {
    producers_die(Place::Binds, kills() / 6, 2);
}

/// What a producer in this process sends, to whoever is there.
fn send_on(push: &mut Push, stop: &AtomicBool, mut dice: Dice) -> u64 {
    let mut pace = Pace::new(&mut dice);
    let mut next = 0;
    let mut message = load::message(0, next);
    while !stop.load(Ordering::SeqCst) {
        match push.send_timeout(message, Duration::from_millis(2)) {
            Ok(()) => {
                next += 1;
                message = load::message(0, next);
                if dice.roll(1_000) == 0 {
                    pace = Pace::new(&mut dice);
                }
                pace.step();
            }
            Err(error) => {
                assert_eq!(error.reason, SendFailure::TimedOut);
                message = error.message;
            }
        }
    }
    next
}

fn consumers_die(place: Place, kills: u64, seed: u64) {
    let _alone = alone();
    let folder = Folder::new();
    let ledger = Ledger::new(folder.file("ledger"));
    let context = Context::new();
    let builder = quick(Push::builder()).send_hwm(200).wait(WaitPolicy::Adaptive).monitor_capacity(100_000);
    let mut push = builder.linger(PATIENCE).build(&context).unwrap();
    let mut watch = Watch::new(push.monitor());
    match place {
        Place::Connects => push.bind(folder.endpoint()).unwrap(),
        Place::Binds => push.connect(folder.endpoint()).unwrap(),
    }
    let mut dice = Dice(seed);
    let mut tally = Tally::default();
    let mut held = None;
    let stop = AtomicBool::new(false);
    // All below it has been received or may have been lost, and how many more may have been since.
    let (mut expected, mut may_be_missing) = (0, 0);
    let alone = Sockets::now();
    let mut has_come = |first: u64, count: u64, tally: &mut Tally, may_be_missing: &mut u64| {
        assert!(first >= expected, "message {first} came, and all below {expected} had come before");
        let missing = first - expected;
        assert!(
            !SHARES_MEMORY || missing <= *may_be_missing,
            "{missing} are missing from {expected} on, {may_be_missing} at the most may be"
        );
        (expected, *may_be_missing) = (first + count, 0);
        tally.lost += missing;
        tally.messages += count;
    };
    let sent = thread::scope(|scope| {
        let stops = Stops(&stop);
        let sender = scope.spawn(|| send_on(&mut push, &stop, Dice(seed)));
        for nth in 0..kills + WARM_UP {
            let moment = Moment::nth(nth, CONSUMERS_PHASES, &mut dice);
            let batch = dice.pick(&[1, 1, 1, 20]);
            let part = Part {
                role: Role::Consumer,
                place,
                endpoint: folder.endpoint(),
                ledger: ledger.path().to_owned(),
                number: nth,
                seed: dice.roll(u64::MAX),
                total: u64::MAX,
                batch,
                armed: None,
            };
            let death = Victim::begin(part, moment, &ledger).die(&ledger, |pid| watch.is_in(pid));
            tally.died(&death);
            let count = ledger.read(Entry::Received);
            watch.mourns(&death, count > 0, &mut tally);
            // Who is let in only now, after it has died, would be given what was sent to it later than the next its own.
            if place == Place::Connects {
                alone.wait(&death);
                watch.mourns(&death, count > 0, &mut Tally::default());
            }
            if count > 0 {
                has_come(ledger.read(Entry::First) - 1, count, &mut tally, &mut may_be_missing);
            }
            // What the call returned that it was in, or had not accounted for.
            may_be_missing += batch as u64;
            if nth + 1 == WARM_UP {
                held = Some(Holdings::now());
            }
            assert!(!sender.is_finished(), "the sender has failed");
        }
        drop(stops);
        sender.join().unwrap()
    });
    // What a peer had is given back when its socket calls in next.
    let _ = push.can_send();
    held.expect("it has warmed up").return_to(&mut watch);
    // What is left comes to one who lives.
    {
        let other = Context::new();
        let mut pull = quick(Pull::builder()).build(&other).unwrap();
        match place {
            Place::Binds => pull.bind(folder.endpoint()).unwrap(),
            Place::Connects => pull.connect(folder.endpoint()).unwrap(),
        }
        // The last is one that cannot have been lost.
        push.send(load::message(0, sent)).unwrap();
        let (mut first, mut count) = (None, 0);
        loop {
            let message = pull.recv_timeout(PATIENCE).expect("all that were sent come");
            let (_, number) = load::read(&message).unwrap_or_else(|what| panic!("{what}"));
            assert_eq!(number, *first.get_or_insert(number) + count, "the next is another than it should be");
            count += 1;
            if number == sent {
                break;
            }
        }
        has_come(first.expect("one has come"), count, &mut tally, &mut may_be_missing);
    }
    drop(push);
    drop(context);
    folder.holds_only(&["ledger"]);
    tally.report(&format!("consumers that had it {place:?}"), CONSUMERS_MUST);
}

#[test]
fn consumers_that_connect_are_killed() {
    consumers_die(Place::Connects, kills() / 4, 3);
}

#[test]
fn consumers_that_bind_are_killed() {
    consumers_die(Place::Binds, kills() / 6, 4);
}

/// Nobody survives: what the consumer had is right so far, and the next two find nothing in their way.
#[test]
fn both_are_killed() {
    let _alone = alone();
    let folder = Folder::new();
    let ledgers = [Ledger::new(folder.file("producers")), Ledger::new(folder.file("consumers"))];
    let mut dice = Dice(5);
    let mut tally = Tally::default();
    let held = Holdings::now();
    for nth in 0..kills() / 6 {
        let producer_binds = dice.roll(2) == 0;
        let places = if producer_binds { [Place::Binds, Place::Connects] } else { [Place::Connects, Place::Binds] };
        let part = |role, place, ledger: &Ledger, dice: &mut Dice| Part {
            role,
            place,
            endpoint: folder.endpoint(),
            ledger: ledger.path().to_owned(),
            number: nth,
            seed: dice.roll(u64::MAX),
            total: u64::MAX,
            batch: dice.pick(&[1, 20]),
            armed: None,
        };
        let producer = part(Role::Producer, places[0], &ledgers[0], &mut dice);
        let consumer = part(Role::Consumer, places[1], &ledgers[1], &mut dice);
        let mut moments =
            [Moment::nth(nth / 2, PRODUCERS_PHASES, &mut dice), Moment::nth(nth / 2, CONSUMERS_PHASES, &mut dice)];
        // One at its time, and the other whenever that is.
        let first = (nth % 2) as usize;
        moments[1 - first] = Moment::AfterStart(Duration::ZERO);
        let mut victims = [
            Some(Victim::begin(producer, moments[0], &ledgers[0])),
            Some(Victim::begin(consumer, moments[1], &ledgers[1])),
        ];
        for (turn, index) in [first, 1 - first].into_iter().enumerate() {
            if turn == 1 {
                thread::sleep(Duration::from_micros(dice.roll(3_000)));
            }
            let victim = victims[index].take().expect("each dies once");
            // They are at work when the one has received something of the other's.
            let death = victim.die(&ledgers[index], |_| ledgers[1].read(Entry::Received) > 0);
            tally.died(&death);
        }
        let count = ledgers[1].read(Entry::Received);
        if count > 0 {
            assert_eq!(ledgers[1].read(Entry::First), 1, "the first to come is the first that was sent");
        }
        let sending = ledgers[0].read(Entry::Sending);
        assert!(count <= sending, "{count} came of {sending} that were sent");
        tally.messages += count;
    }
    assert_eq!(Holdings::now(), held);
    folder.holds_only(&["producers", "consumers", "socket"]);
    // The path is to be had.
    let context = Context::new();
    Pull::new(&context).unwrap().bind(folder.endpoint()).unwrap();
    tally.report("both", &[]);
}

/// A process that was forked has inherited every descriptor, and keeps the stream open; the news comes all the same.
#[test]
fn a_killed_process_leaves_a_sleeping_child() {
    let _alone = alone();
    if !SHARES_MEMORY {
        crate::say("not run: over plain ZMTP a stream is open as long as anybody has it");
        return;
    }
    let folder = Folder::new();
    let ledger = Ledger::new(folder.file("ledger"));
    let context = Context::new();
    let mut pull = quick(Pull::builder()).build(&context).unwrap();
    let mut watch = Watch::new(pull.monitor());
    pull.bind(folder.endpoint()).unwrap();
    let mut tally = Tally::default();
    let received = Received::default();
    thread::scope(|scope| {
        let _stops = Stops(&received.stop);
        let receiver = scope.spawn(|| received.all(&mut pull, Dice(6)));
        for nth in 0..20 {
            let part = Part {
                role: Role::ForkingProducer,
                place: Place::Connects,
                endpoint: folder.endpoint(),
                ledger: ledger.path().to_owned(),
                number: nth,
                seed: nth,
                total: u64::MAX,
                batch: 1,
                armed: None,
            };
            let moment = Moment::UnderLoad(Duration::from_millis(5));
            let victim = Victim::begin(part, moment, &ledger);
            let death = victim.die(&ledger, |pid| watch.is_in(pid) && ledger.read(Entry::Left) > 0);
            tally.died(&death);
            let committed = ledger.reached("committed");
            received.eventually("what was committed comes", &receiver, || received.of(nth) >= committed);
            watch.mourns(&death, true, &mut tally);
            let sleeper = rustix::process::Pid::from_raw(ledger.read(Entry::Left) as i32).expect("a process");
            rustix::process::kill_process(sleeper, rustix::process::Signal::KILL).expect("it is still there");
        }
    });
    tally.report("with a child of their own", &[]);
}
