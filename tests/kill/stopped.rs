//! Children that are stopped, anywhere and where it matters, and go on; and two that have one core: nothing is lost, and
//! nobody sleeps for ever.

use std::{
    thread,
    time::{Duration, Instant},
};

use ringway::{Context, WaitPolicy, affinity, phase::Deed};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    PATIENCE, alone,
    death::{Moment, Victim},
    kills,
    ledger::{Entry, Ledger},
    load::{self, Dice, Tempo},
    part::{POLICIES, Part, Role},
    pattern::{self, Hearer, Pattern, Place, Speaker, Wishes},
    say,
    scene::Folder,
    sharing::SHARES_MEMORY,
};

const TOTAL: u64 = 1_000;

/// Where a producer or a consumer may be stopped.
const PHASES: [&[&str]; 2] = [
    &[
        "offering",
        "offered",
        "mapped",
        "answered",
        "claimed",
        "mid-write",
        "written",
        "committed",
        "knocking",
        "knocked",
        "moving",
        "wishing",
        "between-calls",
    ],
    &[
        "offering",
        "offered",
        "mapped",
        "answered",
        "peeked",
        "mid-read",
        "read",
        "told",
        "announced",
        "sleeping",
        "woken",
        "between-calls",
    ],
];

fn signal(victim: &Victim, signal: Signal) {
    // It may have ended by itself: it is waited for later.
    let _ = kill_process(Pid::from_raw(victim.pid() as i32).expect("a process"), signal);
}

/// Stops it, and returns when nothing of it runs any more.
fn stop(victim: &Victim) {
    signal(victim, Signal::STOP);
    eventually("it is stopped", || victim.is_stopped());
}

/// Waits until `holds`.
#[track_caller]
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        thread::sleep(Duration::from_micros(200));
    }
}

/// Stops `victims` now and then, and lets them go on whenever they are found stopped, until `is_done`.
fn trouble(victims: &[&Victim], dice: &mut Dice, is_done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_done() {
        assert!(Instant::now() < deadline, "it does not come to an end");
        let victim = victims[dice.roll(victims.len() as u64) as usize];
        if victim.is_stopped() {
            thread::sleep(Duration::from_micros(dice.roll(3_000)));
            signal(victim, Signal::CONT);
        } else if dice.roll(8) == 0 {
            signal(victim, Signal::STOP);
        }
        thread::sleep(Duration::from_micros(dice.roll(1_000)));
    }
    victims.iter().for_each(|victim| signal(victim, Signal::CONT));
}

/// A child that is left alone.
fn begin(part: Part, ledger: &Ledger) -> Victim {
    Victim::begin(part, Moment::AfterStart(PATIENCE), ledger)
}

fn wishes(dice: &mut Dice) -> Wishes {
    Wishes { policy: dice.pick(&POLICIES), hwm: dice.pick(&[8, 1_000]), linger: PATIENCE }
}

/// One of [`TOTAL`] messages, which stops itself once.
fn part(role: Role, place: Place, folder: &Folder, ledger: &Ledger, nth: u64, dice: &mut Dice) -> Part {
    let phases = PHASES[usize::from(role == Role::Consumer)];
    Part {
        total: TOTAL,
        policy: dice.pick(&POLICIES),
        armed: Some((phases[nth as usize % phases.len()], dice.pick(&[1, 1, 3, 50]), Deed::Stop)),
        ..Part::new(role, Pattern::Pipeline, place, folder.endpoint(), ledger).any(nth, dice)
    }
}

#[test]
fn producers_are_stopped_and_go_on() {
    let _alone = alone();
    let mut dice = Dice(7);
    for nth in 0..kills() / 25 {
        let folder = Folder::new();
        let ledger = Ledger::new(folder.file("ledger"));
        let context = Context::new();
        let mut socket = pattern::hearer(Pattern::Pipeline, &context, wishes(&mut dice));
        socket.attach(Place::Binds, &folder.endpoint());
        let victim = begin(part(Role::Producer, Place::Connects, &folder, &ledger, nth, &mut dice), &ledger);
        thread::scope(|scope| {
            let receiver = scope.spawn(|| hear(&mut *socket, nth, 0..TOTAL));
            trouble(&[&victim], &mut dice, || receiver.is_finished());
        });
        victim.end();
    }
}

#[test]
fn consumers_are_stopped_and_go_on() {
    let _alone = alone();
    let mut dice = Dice(8);
    for nth in 0..kills() / 25 {
        let folder = Folder::new();
        let ledger = Ledger::new(folder.file("ledger"));
        let context = Context::new();
        let mut socket = pattern::speaker(Pattern::Pipeline, &context, wishes(&mut dice));
        socket.attach(Place::Binds, &folder.endpoint());
        let victim = begin(part(Role::Consumer, Place::Connects, &folder, &ledger, nth, &mut dice), &ledger);
        thread::scope(|scope| {
            scope.spawn(|| speak(&mut *socket, 0..TOTAL));
            trouble(&[&victim], &mut dice, || ledger.read(Entry::Received) >= TOTAL);
        });
        victim.end();
        assert_eq!((ledger.read(Entry::First), ledger.read(Entry::Received)), (1, TOTAL));
    }
}

/// Either is stopped, or both, and each is the one that the other waits for.
#[test]
fn both_are_stopped_and_go_on() {
    let _alone = alone();
    let mut dice = Dice(9);
    for nth in 0..kills() / 25 {
        let folder = Folder::new();
        let ledgers = [Ledger::new(folder.file("producers")), Ledger::new(folder.file("consumers"))];
        let place = dice.pick(&Place::ALL);
        let producer = part(Role::Producer, place, &folder, &ledgers[0], nth, &mut dice);
        let consumer = part(Role::Consumer, place.other(), &folder, &ledgers[1], nth, &mut dice);
        let victims = [begin(producer, &ledgers[0]), begin(consumer, &ledgers[1])];
        trouble(&[&victims[0], &victims[1]], &mut dice, || ledgers[1].read(Entry::Received) >= TOTAL);
        victims.into_iter().for_each(Victim::end);
        assert_eq!((ledgers[1].read(Entry::First), ledgers[1].read(Entry::Received)), (1, TOTAL));
    }
}

/// Receives these, of that producer.
fn hear(socket: &mut dyn Hearer, producer: u64, numbers: std::ops::Range<u64>) {
    for expected in numbers {
        let message = socket.recv_within(PATIENCE).expect("all that are sent come");
        assert_eq!(load::read(&message), Ok((producer, expected)));
    }
}

/// Sends these.
fn speak(socket: &mut dyn Speaker, numbers: std::ops::Range<u64>) {
    numbers.for_each(|number| socket.send_within(load::message(0, number), PATIENCE).expect("there comes to be room"));
}

/// How often each of these is stopped where it matters.
const ROUNDS: u64 = 12;

/// A consumer that waits, asleep or spinning, is stopped; what is sent then is found when it goes on.
#[test]
fn who_waits_for_messages_is_stopped() {
    let _alone = alone();
    for policy in POLICIES {
        for hwm in [8, 1_000] {
            let folder = Folder::new();
            let ledger = Ledger::new(folder.file("ledger"));
            let context = Context::new();
            let wishes = Wishes { policy: WaitPolicy::Adaptive, hwm, linger: PATIENCE };
            let mut socket = pattern::speaker(Pattern::Pipeline, &context, wishes);
            socket.attach(Place::Binds, &folder.endpoint());
            let part = Part::new(Role::Consumer, Pattern::Pipeline, Place::Connects, folder.endpoint(), &ledger);
            let each = u64::from(2 * hwm);
            let total = ROUNDS * (each + 1);
            let part = Part { policy, hwm, tempo: Tempo::Hurried, total, ..part };
            let victim = begin(part, &ledger);
            let mut sent = 0;
            for round in 0..ROUNDS {
                if round > 0 {
                    eventually("it has taken all", || ledger.read(Entry::Received) == sent);
                    await_waiting(&ledger, policy);
                }
                stop(&victim);
                let from = sent;
                // As many as are let in without its doing; before it has joined, those of this side.
                while sent - from < each && socket.send_within(load::message(0, sent), Duration::ZERO).is_ok() {
                    sent += 1;
                }
                let rest = sent..from + each + 1;
                sent = rest.end;
                thread::scope(|scope| {
                    // The last finds no room, and sleeps until the other is there again.
                    scope.spawn(|| speak(&mut *socket, rest));
                    thread::sleep(Duration::from_millis(2));
                    signal(&victim, Signal::CONT);
                });
            }
            assert_eq!(sent, total);
            victim.end();
            assert_eq!((ledger.read(Entry::First), ledger.read(Entry::Received)), (1, total));
        }
    }
}

/// Waits until a consumer that has taken all waits for more.
fn await_waiting(ledger: &Ledger, policy: WaitPolicy) {
    if policy == WaitPolicy::Spin || !SHARES_MEMORY {
        // Nobody can tell from without.
        thread::sleep(Duration::from_millis(2));
    } else {
        eventually("it sleeps", || ledger.reached("sleeping") > ledger.reached("woken"));
    }
}

/// A producer that waits for room, asleep or spinning, is stopped; room that is made then is found when it goes on.
#[test]
fn who_waits_for_room_is_stopped() {
    let _alone = alone();
    for policy in POLICIES {
        for hwm in [8, 1_000] {
            let folder = Folder::new();
            let ledger = Ledger::new(folder.file("ledger"));
            let context = Context::new();
            let wishes = Wishes { policy: WaitPolicy::Adaptive, hwm, linger: PATIENCE };
            let mut socket = pattern::hearer(Pattern::Pipeline, &context, wishes);
            socket.attach(Place::Binds, &folder.endpoint());
            let part = Part::new(Role::Producer, Pattern::Pipeline, Place::Connects, folder.endpoint(), &ledger);
            let limit = u64::from(2 * hwm);
            let total = (ROUNDS + 1) * limit;
            let victim = begin(Part { policy, hwm, tempo: Tempo::Hurried, total, ..part }, &ledger);
            let mut taken = 0;
            for _ in 0..ROUNDS {
                if SHARES_MEMORY {
                    eventually("as many are sent as may be", || ledger.read(Entry::Sent) == taken + limit);
                } else {
                    thread::sleep(Duration::from_millis(20));
                }
                stop(&victim);
                // What of it is in the ring can be taken; the rest is moved there when it goes on.
                thread::scope(|scope| {
                    scope.spawn(|| hear(&mut *socket, 0, taken..taken + limit));
                    thread::sleep(Duration::from_millis(2));
                    signal(&victim, Signal::CONT);
                });
                taken += limit;
            }
            hear(&mut *socket, 0, taken..total);
            victim.end();
        }
    }
}

/// Both on one core: whoever waits has to let the other have it.
#[test]
fn two_on_one_core_get_on() {
    let _alone = alone();
    let core = affinity::usable()[0];
    let mut text = String::from("on one core, there and back · one way\n");
    for policy in POLICIES {
        // Who spins keeps the core until the system takes it away, at each turn.
        let (turns, total) = if policy == WaitPolicy::Spin { (50, 5_000) } else { (500, 10_000) };
        let asked = together(core, policy, [Role::Asker, Role::Echo], turns);
        let sent = together(core, policy, [Role::Producer, Role::Consumer], total);
        let each = |time: Duration, count: u64| time.as_secs_f64() * 1e6 / count as f64;
        text += &format!("  {policy:?}: {:.1} µs · {:.2} µs\n", each(asked, turns), each(sent, total));
    }
    say(&text);
}

/// Two children on a core, to the end. How long it took.
fn together(core: usize, policy: WaitPolicy, roles: [Role; 2], total: u64) -> Duration {
    let folder = Folder::new();
    let ledgers = [Ledger::new(folder.file("one")), Ledger::new(folder.file("other"))];
    let begun = Instant::now();
    let victims = [0, 1].map(|index| {
        let part = Part::new(roles[index], Pattern::Pipeline, Place::ALL[index], folder.endpoint(), &ledgers[index]);
        begin(Part { policy, total, core: Some(core), tempo: Tempo::Hurried, ..part }, &ledgers[index])
    });
    victims.into_iter().for_each(Victim::end);
    assert_eq!(ledgers[1].read(Entry::Received), total);
    begun.elapsed()
}
