//! A producer that writes messages in place is killed: before it has a loan, while it holds one, half written, while it commits it.

use std::{
    env,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use ringway::{
    Context, Pull, Push,
    phase::{self, Deed},
    socket::{RecvError, SendFailure},
};

use crate::{
    PATIENCE, alone, kills, ledger::Ledger, load::Dice, pattern::quick, say, scene::Folder, sharing::SHARES_MEMORY,
};

/// How this program knows that it is a lender.
const LENDER: &str = "RINGWAY_KILL_LENDER";

/// Where it may die. `between-calls`: nothing is lent; `holding`: half of a loan is written.
const PHASES: &[&str] = if SHARES_MEMORY {
    &["between-calls", "claimed", "holding", "written", "committed"]
} else {
    &["between-calls", "holding"]
};

/// The longest message: an eighth of the ring, so that some loans have a pad before them.
const SIZE_MAX: u64 = 8_000;

/// What message `number` says: its number, and bytes that follow from it.
fn body(number: u64) -> Vec<u8> {
    let mut dice = Dice(number);
    let size = match dice.roll(8) {
        0 => dice.roll(SIZE_MAX),
        _ => dice.roll(100),
    };
    let rest = (0..size).map(|at| (at ^ number) as u8);
    number.to_le_bytes().into_iter().chain(rest).collect()
}

fn begin(folder: &Folder, ledger: &Ledger, name: &str, nth: u64) -> Child {
    Command::new(env::current_exe().expect("a running test has a path"))
        .args(["--exact", "lent::lender", "--nocapture", "--test-threads", "1"])
        .env(LENDER, format!("{}|{}|{name}|{nth}", folder.endpoint(), ledger.path().display()))
        .env("TMPDIR", folder.file(""))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("this program starts")
}

/// The child's side: does nothing when run as a test of its own.
#[test]
fn lender() {
    let Ok(text) = env::var(LENDER) else { return };
    let words: Vec<&str> = text.split('|').collect();
    let ledger = Ledger::open(words[1].as_ref());
    ledger.record_phases();
    let context = Context::new();
    let mut push = quick(Push::builder()).send_hwm(100).linger(PATIENCE).build(&context).unwrap();
    push.connect(words[0]).unwrap();
    // Before anything else: the session has to have its say first.
    while SHARES_MEMORY && !push.loan(1).unwrap().is_in_place() {
        thread::sleep(Duration::from_micros(100));
    }
    phase::arm(words[2], words[3].parse().unwrap(), Deed::Kill);
    for number in 0.. {
        phase::reach("between-calls");
        let bytes = body(number);
        if number % 3 == 0 {
            // Something that is never sent.
            push.loan(500).unwrap().fill(0xee);
        }
        let mut loan = push.loan(bytes.len()).unwrap();
        let (first, second) = bytes.split_at(bytes.len() / 2);
        loan[..first.len()].copy_from_slice(first);
        phase::reach("holding");
        loan[first.len()..].copy_from_slice(second);
        loan.commit().unwrap();
    }
}

#[test]
fn producers_that_write_in_place_are_killed() {
    let _alone = alone();
    let folder = Folder::new();
    let ledger = Ledger::new(folder.file("ledger"));
    let mut dice = Dice(17);
    let (mut messages, mut deaths) = (0, 0);
    for nth in 0..(kills() / 20).max(2 * PHASES.len() as u64) {
        let phase = PHASES[(nth % PHASES.len() as u64) as usize];
        let context = Context::new();
        let mut pull = quick(Pull::builder()).recv_hwm(100).build(&context).unwrap();
        pull.bind(folder.endpoint()).unwrap();
        ledger.clear();
        let mut child = begin(&folder, &ledger, phase, dice.pick(&[1, 2, 30, 700]));
        let mut came = 0;
        let deadline = Instant::now() + PATIENCE;
        let mut has_died = false;
        loop {
            match pull.recv_timeout(Duration::from_millis(2)) {
                Ok(message) => {
                    assert_eq!(message, ringway::Message::from(body(came)), "whole, in order, and each once");
                    came += 1;
                }
                // All that was there has been looked at since. A peer may be dead before it is seen to have come.
                Err(RecvError::TimedOut)
                    if has_died && pull.peers() == 0 && (!SHARES_MEMORY || came >= ledger.reached("committed")) =>
                {
                    break;
                }
                Err(RecvError::TimedOut) => {}
                Err(error) => panic!("{error:?}"),
            }
            has_died = has_died || child.try_wait().expect("it is ours").is_some();
            assert!(Instant::now() < deadline, "{phase} was not reached, or the death not told: {came} came");
        }
        assert_eq!(ledger.death().map(|(_, name)| name), Some(phase), "it has died where it was to");
        if SHARES_MEMORY {
            assert_eq!(came, ledger.reached("committed"), "what was committed came, and nothing else: {phase}");
        }
        (messages, deaths) = (messages + came, deaths + 1);
    }
    say(&format!("{deaths} lenders killed, in {PHASES:?}; {messages} messages"));
}

#[test]
fn a_loan_is_held_when_its_reader_is_killed() {
    let _alone = alone();
    let folder = Folder::new();
    let context = Context::new();
    // Its consumer is whoever comes: a child, which is killed.
    let mut push = quick(Push::builder()).build(&context).unwrap();
    push.bind(folder.endpoint()).unwrap();
    for number in 0..(kills() / 100).max(3) {
        let mut child = Command::new(env::current_exe().expect("a running test has a path"))
            .args(["--exact", "lent::reader", "--nocapture", "--test-threads", "1"])
            .env(LENDER, folder.endpoint())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("this program starts");
        let deadline = Instant::now() + PATIENCE;
        while push.peers() == 0 || SHARES_MEMORY && !push.loan(8).unwrap().is_in_place() {
            assert!(Instant::now() < deadline, "the reader does not come");
            thread::sleep(Duration::from_micros(100));
        }
        let mut loan = push.loan(5_000).unwrap();
        assert_eq!(loan.is_in_place(), SHARES_MEMORY);
        loan.fill(1);
        child.kill().unwrap();
        child.wait().unwrap();
        // Time for the session to find out.
        thread::sleep(Duration::from_millis(20));
        loan.fill(number as u8);
        match loan.commit() {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.reason, SendFailure::PeerLeft);
                assert_eq!(error.message[0], [number as u8; 5_000]);
            }
        }
        // It is gone when its socket has looked.
        while push.can_send() || push.peers() > 0 {
            assert!(Instant::now() < deadline, "its death is not told");
            thread::sleep(Duration::from_micros(100));
        }
    }
}

/// As [`lender`].
#[test]
fn reader() {
    let Ok(endpoint) = env::var(LENDER) else { return };
    let context = Context::new();
    let mut pull = Pull::new(&context).unwrap();
    pull.connect(&endpoint).unwrap();
    while pull.recv().is_ok() {}
}
