//! Each way to call: at once, with a deadline, with a permit, in batches.

use std::{
    collections::VecDeque,
    thread,
    time::{Duration, Instant},
};

use ringway::{
    Message, Pair, Pull, Push, WaitPolicy,
    socket::{RecvError, SendFailure},
};

use crate::flavor::{A_WHILE, Flavor, PATIENCE, Receiver, Sender, eventually, numbered, pairs, pipeline};

const POLICIES: [WaitPolicy; 3] = [WaitPolicy::Park, WaitPolicy::Adaptive, WaitPolicy::Spin];

pub(crate) fn try_calls_are_exact(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = pipeline(&context, "inproc://try");
    push.set_send_hwm(1);
    pull.set_recv_hwm(1);
    for number in 0..2000 {
        assert_eq!(pull.try_recv(), Err(RecvError::Empty));
        assert!(push.can_send());
        push.try_number(2 * number).unwrap();
        push.try_number(2 * number + 1).unwrap();
        assert!(!push.can_send());
        assert_eq!(push.try_number(0), Err(SendFailure::Full));
        assert_eq!(push.try_reserve().map(drop), Err(SendFailure::Full));
        pull.expect_numbers([2 * number]);
        assert!(push.can_send());
        pull.expect_numbers([2 * number + 1]);
    }
    assert_eq!(push.counters().messages_sent, 4000);
    assert_eq!(pull.counters().messages_received, 4000);
}

pub(crate) fn no_peer_is_not_full(flavor: Flavor) {
    let context = flavor.context();
    let mut push = Push::builder().send_hwm(1).build(&context).unwrap();
    assert_eq!(push.try_number(0), Err(SendFailure::NoPeer));
    push.bind("inproc://nobody").unwrap();
    assert_eq!(push.try_number(0), Err(SendFailure::NoPeer), "a bound name is no peer");
    assert_eq!(push.try_reserve().map(drop), Err(SendFailure::NoPeer));
    assert_eq!(push.try_send_batch(&mut VecDeque::from([numbered(0)])), Err(SendFailure::NoPeer));
    assert!(!push.can_send());
    let mut pull = Pull::builder().recv_hwm(1).build(&context).unwrap();
    pull.connect("inproc://nobody").unwrap();
    assert_eq!(push.fill(0), 2);
    drop(pull);
    eventually("the peer's leaving is heard", || push.try_number(0) == Err(SendFailure::NoPeer));
    push.connect("inproc://unbound").unwrap();
    assert_eq!(push.fill(0), 1, "an endpoint that is still to be bound is a peer");

    let (mut here, there) = pairs(&context, "inproc://pair");
    drop(there);
    eventually("the peer's leaving is heard", || here.try_number(0) == Err(SendFailure::NoPeer));
    assert_eq!(here.try_recv(), Err(RecvError::Empty));
}

pub(crate) fn deadlines_are_kept(flavor: Flavor) {
    const TIMEOUT: Duration = Duration::from_millis(30);
    for policy in POLICIES {
        let context = flavor.context();
        let (mut push, mut pull) = pipeline(&context, "inproc://late");
        push.set_wait(policy);
        pull.set_wait(policy);
        push.set_send_hwm(1);
        pull.set_recv_hwm(1);
        for timeout in [Duration::ZERO, TIMEOUT] {
            let entered = Instant::now();
            assert_eq!(pull.recv_timeout(timeout), Err(RecvError::TimedOut));
            assert!(entered.elapsed() >= timeout);
        }
        assert_eq!(push.fill(0), 2);
        for timeout in [Duration::ZERO, TIMEOUT] {
            let entered = Instant::now();
            let error = push.send_timeout("late", timeout).unwrap_err();
            assert!(entered.elapsed() >= timeout);
            assert_eq!((error.message, error.reason), ("late".into(), SendFailure::TimedOut));
        }
        pull.expect_numbers([0]);
        push.send_timeout(numbered(2), Duration::ZERO).expect("room is room, whatever the deadline");
        pull.expect_numbers([1]);
        // A deadline the clock does not reach.
        pull.expect_numbers([2]);
        push.send(numbered(3)).unwrap();
        assert_eq!(pull.recv_timeout(Duration::MAX).unwrap(), numbered(3));
        push.send_timeout(numbered(4), Duration::MAX).unwrap();
    }
}

pub(crate) fn a_wait_ends_with_its_message(flavor: Flavor) {
    for policy in POLICIES {
        let context = flavor.context();
        let (mut here, mut there) = pairs(&context, "inproc://turns");
        here.set_wait(policy);
        there.set_wait(policy);
        let peer = thread::spawn(move || {
            for number in 0..300 {
                let message = there.recv().unwrap();
                if number % 50 == 0 {
                    thread::sleep(A_WHILE / 5);
                }
                there.send(message).unwrap();
            }
            there
        });
        for number in 0..300 {
            here.send(numbered(number)).unwrap();
            assert_eq!(here.recv_timeout(PATIENCE), Ok(numbered(number)));
        }
        drop(peer.join().unwrap());
    }
}

pub(crate) fn a_permit_holds_a_place(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = pipeline(&context, "inproc://permit");
    let mut other = Pull::builder().recv_hwm(1).build(&context).unwrap();
    other.connect("inproc://permit").unwrap();
    push.set_send_hwm(1);
    pull.set_recv_hwm(1);
    let empty = push.reserve().unwrap().send(Message::new()).unwrap_err();
    assert_eq!(empty.reason, SendFailure::NoFrames);
    for number in 0..4 {
        drop(push.reserve().unwrap());
        drop(push.try_reserve().unwrap());
        push.try_reserve().unwrap().send(numbered(number)).unwrap();
    }
    assert_eq!(push.try_reserve().map(drop), Err(SendFailure::Full));
    pull.expect_numbers([0, 2]);
    other.expect_numbers([1, 3]);
    assert_eq!(push.fill(4), 4, "permits that were dropped hold nothing");
}

pub(crate) fn a_permit_outlives_its_peer(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, pull) = pipeline(&context, "inproc://gone");
    let permit = push.reserve().unwrap();
    drop(pull);
    let error = permit.send("late").unwrap_err();
    assert_eq!((error.message, error.reason), ("late".into(), SendFailure::PeerLeft));
    let mut pull = Pull::new(&context).unwrap();
    pull.connect("inproc://gone").unwrap();
    push.reserve().unwrap().send(numbered(5)).unwrap();
    pull.expect_numbers([5]);
    assert_eq!(push.counters().messages_sent, 1);
}

pub(crate) fn batches_send_and_receive(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = pipeline(&context, "inproc://batch");
    push.set_send_hwm(10);
    pull.set_recv_hwm(10);
    let mut out: VecDeque<Message> = (0..35).map(numbered).collect();
    assert_eq!(push.try_send_batch(&mut out), Ok(20));
    assert_eq!(push.try_send_batch(&mut out), Err(SendFailure::Full));
    assert_eq!((out.len(), out.front()), (15, Some(&numbered(20))));
    let mut taken = Vec::new();
    assert_eq!(pull.recv_batch(&mut taken, 0), Ok(0));
    while taken.len() < 7 {
        let left = 7 - taken.len();
        assert!((1..=left).contains(&pull.recv_batch(&mut taken, left).unwrap()));
    }
    assert_eq!(push.try_send_batch(&mut out), Ok(7));
    while taken.len() < 27 {
        pull.recv_batch(&mut taken, usize::MAX).unwrap();
    }
    assert_eq!(pull.try_recv_batch(&mut taken, 5), Err(RecvError::Empty));
    assert_eq!(push.send_batch(&mut out), Ok(8));
    assert_eq!(push.send_batch(&mut VecDeque::new()), Ok(0));
    while taken.len() < 35 {
        pull.recv_batch(&mut taken, 3).unwrap();
    }
    assert!(taken.into_iter().eq((0..35).map(numbered)));
    assert_eq!((push.counters().messages_sent, push.counters().bytes_sent), (35, 280));
    assert_eq!((pull.counters().messages_received, pull.counters().bytes_received), (35, 280));
}

pub(crate) fn a_batch_waits_for_room(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive] {
        let context = flavor.context();
        let (mut push, mut pull) = pipeline(&context, "inproc://long-batch");
        push.set_send_hwm(3);
        pull.set_recv_hwm(4);
        push.set_wait(policy);
        pull.set_wait(policy);
        let sender = thread::spawn(move || push.send_batch(&mut (0..2000).map(numbered).collect()));
        let mut taken = Vec::new();
        while taken.len() < 2000 {
            pull.recv_batch(&mut taken, 5).unwrap();
        }
        assert!(taken.into_iter().eq((0..2000).map(numbered)));
        assert_eq!(sender.join().unwrap(), Ok(2000));
    }
}

pub(crate) fn a_batch_stops_at_a_message_without_frames(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = pipeline(&context, "inproc://hollow");
    let mut out = VecDeque::from([numbered(0), Message::new(), numbered(1)]);
    assert_eq!(push.send_batch(&mut out), Err(SendFailure::NoFrames));
    assert_eq!(push.try_send_batch(&mut out), Err(SendFailure::NoFrames));
    // Nothing of it was sent.
    assert_eq!(out.len(), 3);
    assert_eq!(pull.try_recv(), Err(RecvError::Empty));
}

pub(crate) fn policies_change_live(flavor: Flavor) {
    let context = flavor.context();
    let (mut here, mut there) = pairs(&context, "inproc://policies");
    let echo = thread::spawn(move || {
        for turn in 0..90 {
            there.set_wait(POLICIES[turn % 3]);
            let message = there.recv().unwrap();
            there.send(message).unwrap();
        }
        there
    });
    for turn in 0..90 {
        here.set_wait(POLICIES[(turn / 3) % 3]);
        here.send(numbered(turn as u64)).unwrap();
        here.expect_numbers([turn as u64]);
    }
    let _: Pair = echo.join().unwrap();
}
