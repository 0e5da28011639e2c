//! High-water marks: how many messages a pipe holds, exactly, and what happens when that changes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use ringway::{Pair, Pull, Push, WaitPolicy, socket::SendFailure};

use crate::flavor::{A_WHILE, Capacity, Flavor, Receiver, Sender, World, eventually, meet};

/// Marks to try.
fn marks(flavor: Flavor) -> impl Iterator<Item = u32> {
    // Heavy messages are so many bytes.
    let most = if flavor.is_stream() { 7 } else { 1000 };
    [0, 1, 2, 7, 30, 100, 1000].into_iter().filter(move |mark| *mark <= most)
}

fn ends(context: &World, send_hwm: u32, recv_hwm: u32) -> (Push, Pull) {
    let push = context.narrow(Push::builder().send_hwm(send_hwm).wait(WaitPolicy::Park)).build(context).unwrap();
    let pull = context.narrow(Pull::builder().recv_hwm(recv_hwm).wait(WaitPolicy::Park)).build(context).unwrap();
    (push, pull)
}

/// Sends `count` heavy messages from a thread. The counter says how many calls have returned.
fn sending(context: &World, mut push: Push, count: u64) -> (thread::JoinHandle<Push>, Arc<AtomicU64>) {
    let done = Arc::new(AtomicU64::new(0));
    let (counter, context) = (done.clone(), context.clone());
    let sender = thread::spawn(move || {
        for number in 0..count {
            push.send(context.heavy(number)).unwrap();
            counter.fetch_add(1, Ordering::Relaxed);
        }
        push
    });
    (sender, done)
}

/// That as many are sent as `capacity` says, and no more.
#[track_caller]
fn reaches(done: &AtomicU64, capacity: Capacity) {
    eventually("so many were sent", || Some(done.load(Ordering::Relaxed)) >= capacity.at_least);
    thread::sleep(A_WHILE);
    capacity.assert_holds(done.load(Ordering::Relaxed));
}

pub(crate) fn hwm_is_exact(flavor: Flavor) {
    for (send_hwm, recv_hwm) in marks(flavor).flat_map(|send| marks(flavor).map(move |recv| (send, recv))) {
        let capacity = flavor.capacity(send_hwm, recv_hwm);
        for push_binds in [true, false] {
            let context = flavor.context();
            let (mut push, mut pull) = ends(&context, send_hwm, recv_hwm);
            if push_binds {
                meet!(context, "hwm", push, pull);
            } else {
                meet!(context, "hwm", pull, push);
            }
            // The second time after all was taken.
            for _ in 0..2 {
                let held = push.fill(&context, 0, capacity);
                pull.expect_numbers(0..held);
            }
        }
    }
}

pub(crate) fn hwm_before_bind_is_our_own_part(flavor: Flavor) {
    for (send_hwm, recv_hwm) in [(1, 1), (3, 4), (0, 3), (5, 0), (marks(flavor).max().unwrap(), 10)] {
        let context = flavor.context();
        let (mut push, mut pull) = ends(&context, send_hwm, recv_hwm);
        push.connect(context.endpoint("later")).unwrap();
        let own = push.fill(&context, 0, flavor.own_part(send_hwm));
        if send_hwm > 0 {
            assert_eq!(push.try_number(0), Err(SendFailure::Full), "at once, and exactly");
        }
        pull.bind(context.endpoint("later")).unwrap();
        context.joined(&push, 1);
        let capacity = flavor.capacity(send_hwm, recv_hwm);
        let more = push.fill(&context, own, capacity.less(own));
        pull.expect_numbers(0..own + more);
    }
}

pub(crate) fn bind_raises_the_limit_of_a_blocked_sender(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive] {
        let context = flavor.context();
        let (mut push, mut pull) = ends(&context, 2, 3);
        push.set_wait(policy);
        push.connect(context.endpoint("raised")).unwrap();
        let (sender, done) = sending(&context, push, 5);
        reaches(&done, flavor.own_part(2));
        // Nobody receives: binding alone makes room.
        pull.bind(context.endpoint("raised")).unwrap();
        drop(sender.join().unwrap());
        pull.expect_numbers(0..5);
    }
}

pub(crate) fn raising_the_limit_frees_a_blocked_sender(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive] {
        let context = flavor.context();
        let (mut push, mut pull) = ends(&context, 1, 1);
        push.set_wait(policy);
        meet!(context, "up", push, pull);
        let (sender, done) = sending(&context, push, 30);
        reaches(&done, flavor.capacity(1, 1));
        pull.set_recv_hwm(14);
        assert_eq!(pull.recv_hwm(), 14);
        reaches(&done, flavor.capacity(1, 14));
        pull.set_recv_hwm(0);
        drop(sender.join().unwrap());
        pull.expect_numbers(0..30);
    }
}

pub(crate) fn lowering_the_limit_takes_nothing_until_below(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = ends(&context, 5, 5);
    meet!(context, "down", push, pull);
    push.fill(&context, 0, flavor.capacity(5, 5));
    push.set_send_hwm(1);
    pull.set_recv_hwm(2);
    for taken in 0..7 {
        assert_eq!(push.try_number(99), Err(SendFailure::Full), "{taken} taken of ten, three may be there");
        assert_eq!(pull.next_number(), taken);
    }
    assert_eq!(push.try_number(99), Err(SendFailure::Full), "three are there");
    pull.expect_numbers([7]);
    push.fill(&context, 10, flavor.own_part(1));
    pull.expect_numbers(8..11);

    // Down and up again while a sender waits.
    let (sender, done) = sending(&context, push, 9);
    reaches(&done, flavor.own_part(3));
    pull.set_recv_hwm(1);
    pull.expect_numbers([0]);
    thread::sleep(A_WHILE);
    assert_eq!(done.load(Ordering::Relaxed), 3, "two are there and two may be");
    pull.expect_numbers([1]);
    reaches(&done, flavor.own_part(4));
    pull.set_recv_hwm(3);
    reaches(&done, flavor.own_part(6));
    pull.expect_numbers(2..9);
    drop(sender.join().unwrap());
}

pub(crate) fn zero_live_means_no_limit(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = ends(&context, 1, 1);
    meet!(context, "zero", push, pull);
    let capacity = flavor.capacity(1, 1);
    let mut sent = push.fill(&context, 0, capacity);
    push.set_send_hwm(0);
    sent += push.fill(&context, sent, flavor.capacity(0, 1));
    push.set_send_hwm(1);
    assert_eq!(push.try_number(0), Err(SendFailure::Full));
    pull.expect_numbers(0..sent);
    let held = push.fill(&context, 0, capacity);
    drop((push, pull));
    context.settle(sent + held, sent);
}

pub(crate) fn credit_comes_back_message_by_message(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = ends(&context, 3, 4);
    meet!(context, "one", push, pull);
    let capacity = flavor.capacity(3, 4);
    let mut sent = push.fill(&context, 0, capacity);
    let mut taken = 0;
    for _ in 0..flavor.many(500) {
        while !capacity.owes_room(sent - taken) {
            pull.expect_numbers([taken]);
            taken += 1;
        }
        // No lumps: one makes room for one, and no more.
        context.comes_true("there is room for one", || push.attempt(context.heavy(sent)).is_ok());
        sent += 1;
        capacity.assert_admits(sent - taken);
        if capacity.is_exact() {
            assert_eq!(push.attempt(context.heavy(sent)), Err(SendFailure::Full));
        }
    }
    let mut batch = Vec::new();
    context.eventually("a batch of five comes", || {
        let left = 5 - batch.len();
        let _ = pull.try_recv_batch(&mut batch, left);
        batch.len() == 5
    });
    // A batch gives back as many as it took.
    push.fill(&context, sent, capacity.less(sent - taken - 5));
}

pub(crate) fn pair_has_credit_each_way(flavor: Flavor) {
    let context = flavor.context();
    let mut here = context.narrow(Pair::builder().send_hwm(2).recv_hwm(3)).build(&context).unwrap();
    let mut there = context.narrow(Pair::builder().send_hwm(5).recv_hwm(7)).build(&context).unwrap();
    meet!(context, "each", here, there);
    let forth = here.fill(&context, 0, flavor.capacity(2, 7));
    let back = there.fill(&context, 0, flavor.capacity(5, 3));
    here.expect_numbers(0..back);
    there.expect_numbers(0..forth);
}
