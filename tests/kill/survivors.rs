//! Who is left when a producer, a consumer, or both are killed.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use ringway::{
    Context, Pull, WaitPolicy,
    socket::{RecvError, SendFailure},
};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    PATIENCE, alone,
    death::{Death, Moment, Tally, Victim},
    kills,
    ledger::{Entry, Ledger},
    load::{self, Dice, Pace, Tempo},
    part::{Part, Role},
    pattern::{self, Hearer, Pattern, Place, Speaker, Wishes},
    scene::{Folder, Holdings, Sockets, Watch, state},
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
    "growing",
    "switched",
    "between-calls",
    "closing",
    "unmapping",
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
    "grown",
    "switching",
    "holding",
    "between-calls",
    "closing",
    "unmapping",
];

/// Where somebody must have died when many have: a producer, a consumer.
const MUST: [&[&str]; 2] = if SHARES_MEMORY {
    [PRODUCERS_PHASES, CONSUMERS_PHASES]
} else {
    [&["between-calls", "closing"], &["holding", "between-calls", "closing"]]
};

/// Deaths after which what the process has by now is all it will ever have.
const WARM_UP: u64 = 6;

/// What others set, for a thread that sends or receives on.
#[derive(Default)]
struct Orders {
    tempo: AtomicU8,
    stop: AtomicBool,
}

impl Orders {
    fn set(&self, tempo: Tempo) {
        self.tempo.store(tempo as u8, Ordering::SeqCst);
    }

    fn tempo(&self) -> Tempo {
        Tempo::ALL[usize::from(self.tempo.load(Ordering::SeqCst))]
    }

    fn go_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }
}

/// Ends what other threads do also when this one fails.
struct Stops<'a>(&'a Orders);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::SeqCst);
    }
}

/// The pace that is asked for by now.
struct Following<'a> {
    orders: &'a Orders,
    tempo: Tempo,
    pace: Pace,
    dice: Dice,
}

impl<'a> Following<'a> {
    fn new(orders: &'a Orders, mut dice: Dice) -> Self {
        let tempo = orders.tempo();
        Self { orders, tempo, pace: Pace::of(tempo, &mut dice), dice }
    }

    fn anew(&mut self) {
        self.tempo = self.orders.tempo();
        self.pace = Pace::of(self.tempo, &mut self.dice);
    }

    fn step(&mut self) {
        if self.orders.tempo() != self.tempo || self.dice.roll(1_000) == 0 {
            self.anew();
        }
        self.pace.step();
    }
}

/// What a consumer in this process has received.
struct Received {
    pattern: Pattern,
    /// By producer: how many, and the number that is next.
    #[expect(clippy::disallowed_types, reason = "a test of the whole has nothing to model")]
    counts: std::sync::Mutex<HashMap<u64, (u64, u64)>>,
    /// How often it has found nothing.
    idle: AtomicU64,
    orders: Orders,
}

impl Received {
    fn new(pattern: Pattern) -> Self {
        Self { pattern, counts: Default::default(), idle: AtomicU64::new(0), orders: Orders::default() }
    }

    fn of(&self, producer: u64) -> u64 {
        self.counts.lock().unwrap().get(&producer).map_or(0, |(count, _)| *count)
    }

    /// Receives until told to stop; each producer's messages in order, from the first on if none may be missing, each once.
    fn all(&self, socket: &mut dyn Hearer, dice: Dice) {
        let mut pace = Following::new(&self.orders, dice);
        while self.orders.go_on() {
            match socket.recv_within(Duration::from_millis(2)) {
                Ok(message) => {
                    let (producer, number) = load::read(&message).unwrap_or_else(|what| panic!("{what}"));
                    let mut counts = self.counts.lock().unwrap();
                    let (count, next) = counts.entry(producer).or_default();
                    assert!(
                        number == *next || number > *next && self.pattern.drops(),
                        "{number} of producer {producer} is another than the next, {next}"
                    );
                    (*count, *next) = (*count + 1, number + 1);
                }
                Err(RecvError::TimedOut) => {
                    self.idle.fetch_add(1, Ordering::SeqCst);
                    pace.anew();
                }
                Err(error) => panic!("{error:?}"),
            }
            pace.step();
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

/// A survivor's wishes.
fn wishes(hwm: u32) -> Wishes {
    Wishes { policy: WaitPolicy::Adaptive, hwm, linger: PATIENCE }
}

fn producers_die(pattern: Pattern, place: Place, kills: u64, seed: u64) {
    let _alone = alone();
    let folder = Folder::new();
    let ledger = Ledger::new(folder.file("ledger"));
    let context = Context::new();
    let mut socket = pattern::hearer(pattern, &context, wishes(100));
    let mut watch = Watch::new(socket.watch());
    socket.attach(place.other(), &folder.endpoint());
    let mut dice = Dice(seed);
    let mut tally = Tally::new();
    let received = Received::new(pattern);
    let mut held = None;
    thread::scope(|scope| {
        let _stops = Stops(&received.orders);
        let receiver = scope.spawn(|| received.all(&mut *socket, Dice(seed)));
        for nth in 0..kills + WARM_UP {
            let moment = Moment::nth(nth, PRODUCERS_PHASES, &mut dice);
            let mut part = Part::new(Role::Producer, pattern, place, folder.endpoint(), &ledger).any(nth, &mut dice);
            received.orders.set(moment.arrange(&mut part, &mut dice));
            let death = Victim::begin(part, moment, &ledger).die(&ledger, |pid| watch.is_in(pid));
            tally.died(&death);
            received.orders.set(Tempo::Hurried);
            // What was committed comes, and is complete when the connection has ended and nothing is left.
            let committed = if SHARES_MEMORY { ledger.reached("committed") } else { 0 };
            let what = format!("all {committed} come that were committed by {death:?}");
            received.eventually(&what, &receiver, || received.of(nth) >= committed);
            watch.mourns(&death, received.of(nth) > 0, Some(&mut tally));
            let idle = received.idle.load(Ordering::SeqCst);
            received.eventually("all is taken", &receiver, || received.idle.load(Ordering::SeqCst) >= idle + 2);
            let (came, sent) = (received.of(nth), ledger.read(Entry::Sending));
            assert!(came <= sent, "{came} came of {sent} that were sent: {death:?}");
            tally.messages += came;
            if !pattern.drops() {
                tally.lost += ledger.read(Entry::Sent).saturating_sub(came);
            }
            if nth + 1 == WARM_UP {
                held = Some(Holdings::now());
            }
        }
    });
    held.expect("it has warmed up").return_to(&mut watch);
    drop(socket);
    drop(context);
    // Who has bound a path and is killed leaves the file; a later one takes it over.
    folder.holds_only(if place == Place::Binds { &["ledger", "socket"] } else { &["ledger"] });
    tally.report(&format!("{pattern:?}, producers that had it {place:?}"), MUST[0]);
}

/// What a producer in this process sends, to whoever is there. How many it has sent in the end.
fn send_on(socket: &mut dyn Speaker, orders: &Orders, dice: Dice) -> u64 {
    let mut pace = Following::new(orders, dice);
    let mut next = 0;
    let mut message = load::message(0, next);
    while orders.go_on() {
        match socket.send_within(message, Duration::from_millis(2)) {
            Ok(()) => {
                next += 1;
                message = load::message(0, next);
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

/// What consumers have received of one producer, one consumer after the other.
struct Account {
    /// Is what one had not taken given to the next?
    is_exact: bool,
    /// All below it has been received or may have been lost, and how many more may have been since.
    expected: u64,
    may_be_missing: u64,
}

impl Account {
    /// A consumer has received so many, the first and the last (and one) of which were these.
    #[track_caller]
    fn took(&mut self, first: u64, end: u64, count: u64, tally: &mut Tally) {
        let expected = self.expected;
        assert!(first >= expected, "message {first} came, and all below {expected} had come before");
        let missing = first - expected;
        if self.is_exact {
            let most = self.may_be_missing;
            assert!(missing <= most, "{missing} are missing from {expected} on, {most} at the most may be");
        }
        (self.expected, self.may_be_missing) = (end, 0);
        tally.lost += missing;
        tally.messages += count;
    }
}

fn consumers_die(pattern: Pattern, place: Place, kills: u64, seed: u64) {
    let _alone = alone();
    let folder = Folder::new();
    let ledger = Ledger::new(folder.file("ledger"));
    let context = Context::new();
    let mut socket = pattern::speaker(pattern, &context, wishes(200));
    let mut watch = Watch::new(socket.watch());
    socket.attach(place.other(), &folder.endpoint());
    let mut dice = Dice(seed);
    let mut tally = Tally::new();
    let mut held = None;
    let orders = Orders::default();
    let is_exact = SHARES_MEMORY && pattern.redelivers(place.other());
    let mut account = Account { is_exact, expected: 0, may_be_missing: 0 };
    let alone = Sockets::now();
    let sent = thread::scope(|scope| {
        let stops = Stops(&orders);
        let sender = scope.spawn(|| send_on(&mut *socket, &orders, Dice(seed)));
        for nth in 0..kills + WARM_UP {
            let moment = Moment::nth(nth, CONSUMERS_PHASES, &mut dice);
            let mut part = Part::new(Role::Consumer, pattern, place, folder.endpoint(), &ledger).any(nth, &mut dice);
            orders.set(moment.arrange(&mut part, &mut dice));
            let batch = part.batch;
            let death = Victim::begin(part, moment, &ledger).die(&ledger, |pid| watch.is_in(pid));
            tally.died(&death);
            let (first, end) = (ledger.read(Entry::First), ledger.read(Entry::Last));
            watch.mourns(&death, first > 0, Some(&mut tally));
            // Who is let in only now, after it has died, would be given what was sent to it later than the next its own.
            if place == Place::Connects {
                alone.wait(&death);
                watch.mourns(&death, first > 0, None);
            }
            if first > 0 {
                account.took(first - 1, end.max(first), ledger.read(Entry::Received), &mut tally);
            }
            // What the call returned that it was in, or had not accounted for.
            account.may_be_missing += batch as u64;
            if nth + 1 == WARM_UP {
                held = Some(Holdings::now());
            }
            assert!(!sender.is_finished(), "the sender has failed");
        }
        drop(stops);
        sender.join().unwrap()
    });
    // What a peer had is given back when its socket calls in next.
    socket.call_in();
    held.expect("it has warmed up").return_to(&mut watch);
    what_is_left_comes(pattern, place, &mut *socket, &folder, sent, &mut account, &mut tally);
    drop(socket);
    drop(context);
    folder.holds_only(&["ledger"]);
    tally.report(&format!("{pattern:?}, consumers that had it {place:?}"), MUST[1]);
}

/// To one who lives, at `place`. `sent` had been sent before.
fn what_is_left_comes(
    pattern: Pattern,
    place: Place,
    socket: &mut dyn Speaker,
    folder: &Folder,
    sent: u64,
    account: &mut Account,
    tally: &mut Tally,
) {
    let other = Context::new();
    // Without a mark: what is left may be all that may be sent, and is taken after the last is.
    let mut hearer = pattern::hearer(pattern, &other, wishes(0));
    hearer.attach(place, &folder.endpoint());
    socket.await_hearer();
    // The last is one that cannot have been lost.
    socket.send_one(load::message(0, sent)).unwrap();
    let (mut first, mut next) = (None, 0);
    while next <= sent {
        let message = hearer.recv_within(PATIENCE).expect("all that were sent come");
        let (_, number) = load::read(&message).unwrap_or_else(|what| panic!("{what}"));
        if first.is_some() {
            assert_eq!(number, next, "the next is another than it should be");
        }
        first.get_or_insert(number);
        next = number + 1;
    }
    let first = first.expect("one has come");
    account.took(first, next, next - first, tally);
}

/// Those of all tests together are that number; most are of the pattern that loses least.
fn share(of: u64) -> u64 {
    kills().div_ceil(of)
}

#[test]
fn producers_that_connect_are_killed() {
    producers_die(Pattern::Pipeline, Place::Connects, share(6), 1);
}

#[test]
fn producers_that_bind_are_killed() {
    producers_die(Pattern::Pipeline, Place::Binds, share(8), 2);
}

#[test]
fn consumers_that_connect_are_killed() {
    consumers_die(Pattern::Pipeline, Place::Connects, share(6), 3);
}

#[test]
fn consumers_that_bind_are_killed() {
    consumers_die(Pattern::Pipeline, Place::Binds, share(8), 4);
}

fn all_die(pattern: Pattern, seed: u64) {
    for (nth, place) in Place::ALL.into_iter().enumerate() {
        producers_die(pattern, place, share(48), seed + nth as u64);
        consumers_die(pattern, place, share(48), seed + 2 + nth as u64);
    }
}

#[test]
fn pairs_are_killed() {
    all_die(Pattern::Pair, 10);
}

#[test]
fn dealers_are_killed() {
    all_die(Pattern::Dealer, 20);
}

#[test]
fn publishers_and_subscribers_are_killed() {
    all_die(Pattern::Publish, 30);
}

/// Nobody survives: what the consumer had is right so far, and the next two find nothing in their way.
#[test]
fn both_are_killed() {
    let _alone = alone();
    let folder = Folder::new();
    let ledgers = [Ledger::new(folder.file("producers")), Ledger::new(folder.file("consumers"))];
    let mut dice = Dice(5);
    let mut tally = Tally::new();
    let held = Holdings::now();
    for nth in 0..share(12) {
        let pattern = dice.pick(&Pattern::ALL);
        let place = dice.pick(&Place::ALL);
        let parts = [(Role::Producer, place, &ledgers[0]), (Role::Consumer, place.other(), &ledgers[1])];
        let [mut producer, mut consumer] = parts.map(|(role, place, ledger)| {
            Part::new(role, pattern, place, folder.endpoint(), ledger).any(nth, &mut dice)
        });
        let mut moments =
            [Moment::nth(nth / 2, PRODUCERS_PHASES, &mut dice), Moment::nth(nth / 2, CONSUMERS_PHASES, &mut dice)];
        // One at its time, and the other whenever that is.
        let first = (nth % 2) as usize;
        moments[1 - first] = Moment::AfterStart(Duration::ZERO);
        if first == 0 {
            consumer.tempo = moments[0].arrange(&mut producer, &mut dice);
        } else {
            producer.tempo = moments[1].arrange(&mut consumer, &mut dice);
        }
        let mut victims = [
            Some(Victim::begin(producer, moments[0], &ledgers[0])),
            Some(Victim::begin(consumer, moments[1], &ledgers[1])),
        ];
        for (turn, index) in [first, 1 - first].into_iter().enumerate() {
            if turn == 1 {
                thread::sleep(Duration::from_micros(dice.roll(3_000)));
            }
            let victim = victims[index].take().expect("each dies once");
            let other = &mut victims[1 - index];
            // They are at work when the one has received something of the other's.
            let death = victim.die(&ledgers[index], |_| {
                other.iter_mut().for_each(Victim::must_live);
                ledgers[1].read(Entry::Received) > 0
            });
            tally.died(&death);
        }
        let count = ledgers[1].read(Entry::Received);
        if count > 0 && !pattern.drops() {
            assert_eq!(ledgers[1].read(Entry::First), 1, "the first to come is the first that was sent");
        }
        let sending = ledgers[0].read(Entry::Sending);
        assert!(ledgers[1].read(Entry::Last) <= sending, "{count} came of {sending} that were sent");
        tally.messages += count;
    }
    // What the test before this one had may be on its way out still when this one begins.
    assert!(Holdings::now().is_within(held), "{:?} is more than {held:?}", Holdings::now());
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
    for place in Place::ALL {
        producers_leave_sleepers(place);
        consumers_leave_sleepers(place);
    }
}

/// How many leave one, of each kind.
fn sleepers() -> u64 {
    share(100)
}

/// Waits until the sleeper of `part` sleeps, and kills the part.
fn orphan(part: Part, ledger: &Ledger, watch: &mut Watch) -> Death {
    let moment = Moment::UnderLoad(Duration::from_millis(2));
    let part = Part { forks: true, ..part };
    Victim::begin(part, moment, ledger).die(ledger, |pid| watch.is_in(pid) && ledger.read(Entry::Left) > 0)
}

/// It must have been there still, whatever was heard meanwhile; and has all it inherited until it is gone.
fn end_sleeper(ledger: &Ledger) {
    let pid = ledger.read(Entry::Left) as i32;
    kill_process(Pid::from_raw(pid).expect("a process"), Signal::KILL).expect("it is still there");
    let deadline = Instant::now() + PATIENCE;
    while !matches!(state(pid as u32), None | Some('Z')) {
        assert!(Instant::now() < deadline, "the sleeper does not end");
        thread::sleep(Duration::from_micros(200));
    }
}

fn producers_leave_sleepers(place: Place) {
    let folder = Folder::new();
    let ledger = Ledger::new(folder.file("ledger"));
    let context = Context::new();
    let mut socket = pattern::hearer(Pattern::Pipeline, &context, wishes(100));
    let mut watch = Watch::new(socket.watch());
    socket.attach(place.other(), &folder.endpoint());
    let mut tally = Tally::new();
    let mut dice = Dice(6);
    let received = Received::new(Pattern::Pipeline);
    thread::scope(|scope| {
        let _stops = Stops(&received.orders);
        let receiver = scope.spawn(|| received.all(&mut *socket, Dice(6)));
        for nth in 0..sleepers() {
            let part = Part::new(Role::Producer, Pattern::Pipeline, place, folder.endpoint(), &ledger);
            let death = orphan(part.any(nth, &mut dice), &ledger, &mut watch);
            tally.died(&death);
            let committed = ledger.reached("committed");
            received.eventually("what was committed comes", &receiver, || received.of(nth) >= committed);
            watch.mourns(&death, true, Some(&mut tally));
            tally.messages += received.of(nth);
            end_sleeper(&ledger);
        }
    });
    tally.report(&format!("producers with a child of their own that had it {place:?}"), &[]);
}

fn consumers_leave_sleepers(place: Place) {
    let folder = Folder::new();
    let ledger = Ledger::new(folder.file("ledger"));
    let context = Context::new();
    // What is left in the end has nobody to go to.
    let wishes = Wishes { linger: Duration::ZERO, ..wishes(200) };
    let mut socket = pattern::speaker(Pattern::Pipeline, &context, wishes);
    let mut watch = Watch::new(socket.watch());
    socket.attach(place.other(), &folder.endpoint());
    let mut tally = Tally::new();
    let mut dice = Dice(7);
    let mut account = Account { is_exact: true, expected: 0, may_be_missing: 0 };
    let orders = Orders::default();
    thread::scope(|scope| {
        let _stops = Stops(&orders);
        scope.spawn(|| send_on(&mut *socket, &orders, Dice(7)));
        for nth in 0..sleepers() {
            let part = Part::new(Role::Consumer, Pattern::Pipeline, place, folder.endpoint(), &ledger);
            let part = part.any(nth, &mut dice);
            let batch = part.batch as u64;
            let death = orphan(part, &ledger, &mut watch);
            tally.died(&death);
            watch.mourns(&death, true, Some(&mut tally));
            end_sleeper(&ledger);
            let (first, end) = (ledger.read(Entry::First), ledger.read(Entry::Last));
            account.took(first - 1, end, ledger.read(Entry::Received), &mut tally);
            account.may_be_missing += batch;
        }
    });
    tally.report(&format!("consumers with a child of their own that had it {place:?}"), &[]);
}
