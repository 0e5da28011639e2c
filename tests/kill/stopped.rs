//! Children that are stopped anywhere and go on: nothing is lost, and nobody sleeps for ever.

use std::{
    thread,
    time::{Duration, Instant},
};

use ringway::{Context, Pull, Push, WaitPolicy, phase::Deed};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    PATIENCE, alone,
    death::{Moment, Victim},
    kills,
    ledger::{Entry, Ledger},
    load::{self, Dice},
    part::{Part, Place, Role, quick},
    scene::Folder,
};

const TOTAL: u64 = 3_000;

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

/// Stops `victim` now and then, and lets it go on whenever it is found stopped, until `is_done`.
fn trouble(victim: &Victim, dice: &mut Dice, is_done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_done() {
        assert!(Instant::now() < deadline, "it does not come to an end");
        if victim.is_stopped() {
            thread::sleep(Duration::from_micros(dice.roll(3_000)));
            signal(victim, Signal::CONT);
        } else if dice.roll(8) == 0 {
            signal(victim, Signal::STOP);
        }
        thread::sleep(Duration::from_micros(dice.roll(1_000)));
    }
    signal(victim, Signal::CONT);
}

fn policy(dice: &mut Dice) -> WaitPolicy {
    dice.pick(&[WaitPolicy::Adaptive, WaitPolicy::Park])
}

#[test]
fn producers_are_stopped_and_go_on() {
    let _alone = alone();
    let mut dice = Dice(7);
    for nth in 0..kills() / 25 {
        let folder = Folder::new();
        let ledger = Ledger::new(folder.file("ledger"));
        let context = Context::new();
        let builder = quick(Pull::builder()).recv_hwm(dice.pick(&[8, 1_000])).wait(policy(&mut dice));
        let mut pull = builder.build(&context).unwrap();
        pull.bind(folder.endpoint()).unwrap();
        let part = part(Role::Producer, &folder, &ledger, nth, &mut dice);
        let victim = Victim::begin(part, Moment::AfterStart(PATIENCE), &ledger);
        thread::scope(|scope| {
            let receiver = scope.spawn(|| {
                for expected in 0..TOTAL {
                    let message = pull.recv_timeout(PATIENCE).expect("all that are sent come");
                    assert_eq!(load::read(&message), Ok((nth, expected)));
                }
            });
            trouble(&victim, &mut dice, || receiver.is_finished());
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
        let builder = quick(Push::builder()).send_hwm(dice.pick(&[8, 1_000])).wait(policy(&mut dice)).linger(PATIENCE);
        let mut push = builder.build(&context).unwrap();
        push.bind(folder.endpoint()).unwrap();
        let part = part(Role::Consumer, &folder, &ledger, nth, &mut dice);
        let victim = Victim::begin(part, Moment::AfterStart(PATIENCE), &ledger);
        thread::scope(|scope| {
            scope.spawn(|| {
                (0..TOTAL).for_each(|number| push.send_timeout(load::message(0, number), PATIENCE).unwrap());
            });
            trouble(&victim, &mut dice, || ledger.read(Entry::Received) >= TOTAL);
        });
        victim.end();
        assert_eq!((ledger.read(Entry::First), ledger.read(Entry::Received)), (1, TOTAL));
    }
}

fn part(role: Role, folder: &Folder, ledger: &Ledger, nth: u64, dice: &mut Dice) -> Part {
    let phases = PHASES[usize::from(role == Role::Consumer)];
    Part {
        role,
        place: Place::Connects,
        endpoint: folder.endpoint(),
        ledger: ledger.path().to_owned(),
        number: nth,
        seed: dice.roll(u64::MAX),
        total: TOTAL,
        batch: dice.pick(&[1, 20]),
        armed: Some((phases[nth as usize % phases.len()], dice.pick(&[1, 1, 3, 50]), Deed::Stop)),
    }
}
