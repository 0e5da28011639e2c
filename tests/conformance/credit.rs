//! High-water marks: how many messages a pipe holds, exactly, and what happens when that changes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use ringway::{Context, Pair, Pull, Push, WaitPolicy, socket::SendFailure};

use crate::flavor::{A_WHILE, Flavor, Receiver, Sender, eventually, numbered, settle};

/// Messages a connected pipe holds between a sender's mark and a receiver's. `None`: as many as there is memory for.
fn capacity(send_hwm: u32, recv_hwm: u32) -> Option<u64> {
    (send_hwm > 0 && recv_hwm > 0).then(|| u64::from(send_hwm) + u64::from(recv_hwm))
}

/// Well above every limit tried here.
const MANY: u64 = 5000;
const MARKS: [u32; 6] = [0, 1, 2, 7, 100, 1000];

fn ends(context: &Context, send_hwm: u32, recv_hwm: u32) -> (Push, Pull) {
    let push = Push::builder().send_hwm(send_hwm).wait(WaitPolicy::Park).build(context).unwrap();
    let pull = Pull::builder().recv_hwm(recv_hwm).wait(WaitPolicy::Park).build(context).unwrap();
    (push, pull)
}

/// Pushes until full, `MANY` at the most.
fn measured(sender: &mut impl Sender, first: u64) -> u64 {
    (0..MANY).find(|count| sender.try_number(first + count).is_err()).unwrap_or(MANY)
}

/// Sends `count` numbered messages from a thread. The counter says how many calls have returned.
fn sending(mut push: Push, count: u64) -> (thread::JoinHandle<Push>, Arc<AtomicU64>) {
    let done = Arc::new(AtomicU64::new(0));
    let counter = done.clone();
    let sender = thread::spawn(move || {
        for number in 0..count {
            push.send(numbered(number)).unwrap();
            counter.fetch_add(1, Ordering::Relaxed);
        }
        push
    });
    (sender, done)
}

fn reaches(done: &AtomicU64, count: u64) {
    eventually("so many were sent", || done.load(Ordering::Relaxed) >= count);
    thread::sleep(A_WHILE);
    assert_eq!(done.load(Ordering::Relaxed), count, "and no more");
}

pub(crate) fn hwm_is_exact(flavor: Flavor) {
    for (send_hwm, recv_hwm) in MARKS.iter().flat_map(|send| MARKS.map(|recv| (*send, recv))) {
        let expected = capacity(send_hwm, recv_hwm).unwrap_or(MANY);
        for push_binds in [true, false] {
            let context = flavor.context();
            let (mut push, mut pull) = ends(&context, send_hwm, recv_hwm);
            if push_binds {
                push.bind("inproc://hwm").unwrap();
                pull.connect("inproc://hwm").unwrap();
            } else {
                pull.bind("inproc://hwm").unwrap();
                push.connect("inproc://hwm").unwrap();
            }
            assert_eq!(measured(&mut push, 0), expected, "{send_hwm} + {recv_hwm}, push binds: {push_binds}");
            pull.expect_numbers(0..expected);
            assert_eq!(measured(&mut push, 0), expected, "again, after all was taken");
        }
    }
}

pub(crate) fn hwm_before_bind_is_our_own_part(flavor: Flavor) {
    for (send_hwm, recv_hwm) in [(1, 1), (3, 4), (0, 3), (5, 0), (1000, 1000)] {
        let context = flavor.context();
        let (mut push, mut pull) = ends(&context, send_hwm, recv_hwm);
        push.connect("inproc://later").unwrap();
        let own = if send_hwm == 0 { MANY } else { u64::from(send_hwm) };
        assert_eq!(measured(&mut push, 0), own);
        pull.bind("inproc://later").unwrap();
        let all = capacity(send_hwm, recv_hwm).unwrap_or(own + MANY);
        assert_eq!(own + measured(&mut push, own), all, "{send_hwm} + {recv_hwm}");
        pull.expect_numbers(0..all);
    }
}

pub(crate) fn bind_raises_the_limit_of_a_blocked_sender(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive] {
        let context = flavor.context();
        let (mut push, mut pull) = ends(&context, 2, 3);
        push.set_wait(policy);
        push.connect("inproc://raised").unwrap();
        let (sender, done) = sending(push, 5);
        reaches(&done, 2);
        // Nobody receives: binding alone makes room.
        pull.bind("inproc://raised").unwrap();
        drop(sender.join().unwrap());
        pull.expect_numbers(0..5);
    }
}

pub(crate) fn raising_the_limit_frees_a_blocked_sender(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive] {
        let context = flavor.context();
        let (mut push, mut pull) = ends(&context, 1, 1);
        push.set_wait(policy);
        push.bind("inproc://up").unwrap();
        pull.connect("inproc://up").unwrap();
        let (sender, done) = sending(push, 10);
        reaches(&done, 2);
        pull.set_recv_hwm(4);
        assert_eq!(pull.recv_hwm(), 4);
        reaches(&done, 5);
        pull.set_recv_hwm(0);
        drop(sender.join().unwrap());
        pull.expect_numbers(0..10);
    }
}

pub(crate) fn lowering_the_limit_takes_nothing_until_below(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = ends(&context, 5, 5);
    push.bind("inproc://down").unwrap();
    pull.connect("inproc://down").unwrap();
    assert_eq!(push.fill(0), 10);
    push.set_send_hwm(1);
    pull.set_recv_hwm(2);
    for taken in 0..7 {
        assert_eq!(push.try_number(99), Err(SendFailure::Full), "{taken} taken of ten, three may be there");
        assert_eq!(pull.next_number(), taken);
    }
    assert_eq!(push.try_number(99), Err(SendFailure::Full), "three are there");
    pull.expect_numbers([7]);
    assert_eq!(push.fill(10), 1);
    pull.expect_numbers(8..11);

    // Down and up again while a sender waits.
    let (sender, done) = sending(push, 9);
    reaches(&done, 3);
    pull.set_recv_hwm(1);
    pull.expect_numbers([0]);
    thread::sleep(A_WHILE);
    assert_eq!(done.load(Ordering::Relaxed), 3, "two are there and two may be");
    pull.expect_numbers([1]);
    reaches(&done, 4);
    pull.set_recv_hwm(3);
    reaches(&done, 6);
    pull.expect_numbers(2..9);
    drop(sender.join().unwrap());
}

pub(crate) fn zero_live_means_no_limit(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = ends(&context, 1, 1);
    push.bind("inproc://zero").unwrap();
    pull.connect("inproc://zero").unwrap();
    assert_eq!(measured(&mut push, 0), 2);
    push.set_send_hwm(0);
    assert_eq!(measured(&mut push, 2), MANY);
    push.set_send_hwm(1);
    assert_eq!(push.try_number(0), Err(SendFailure::Full));
    pull.expect_numbers(0..MANY + 2);
    assert_eq!(measured(&mut push, 0), 2);
    drop((push, pull));
    settle(&context, MANY + 4, MANY + 2);
}

pub(crate) fn credit_comes_back_message_by_message(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = ends(&context, 3, 4);
    push.bind("inproc://one").unwrap();
    pull.connect("inproc://one").unwrap();
    assert_eq!(push.fill(0), 7);
    for number in 0..500 {
        assert_eq!(pull.next_number(), number);
        assert_eq!(push.fill(7 + number), 1, "no lumps");
    }
    let mut taken = Vec::new();
    while taken.len() < 5 {
        let left = 5 - taken.len();
        match pull.try_recv_batch(&mut taken, left) {
            Ok(_) => {}
            Err(_) => thread::yield_now(),
        }
    }
    assert_eq!(push.fill(507), 5, "a batch gives back as many as it took");
}

pub(crate) fn pair_has_credit_each_way(flavor: Flavor) {
    let context = flavor.context();
    let mut here = Pair::builder().send_hwm(2).recv_hwm(3).build(&context).unwrap();
    let mut there = Pair::builder().send_hwm(5).recv_hwm(7).build(&context).unwrap();
    here.bind("inproc://each").unwrap();
    there.connect("inproc://each").unwrap();
    assert_eq!(here.fill(0), 9);
    assert_eq!(there.fill(0), 8);
    here.expect_numbers(0..8);
    there.expect_numbers(0..9);
}
