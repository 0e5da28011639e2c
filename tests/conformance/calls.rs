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

use crate::flavor::{
    A_WHILE, Flavor, PATIENCE, Peers, Receiver, Sender, assert_all_once, marked_pipeline, number, numbered, pairs,
    pipeline, spread,
};

const POLICIES: [WaitPolicy; 3] = [WaitPolicy::Park, WaitPolicy::Adaptive, WaitPolicy::Spin];

pub(crate) fn try_calls_are_exact(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = marked_pipeline(&context, "try", 1, 1);
    let capacity = flavor.capacity(1, 1);
    let mut sent = 0;
    for _ in 0..flavor.many(2000) {
        assert_eq!(pull.try_recv(), Err(RecvError::Empty));
        context.comes_true("there is room", || push.can_send());
        let held = push.fill(&context, sent, capacity);
        if capacity.is_exact() {
            assert!(!push.can_send());
            assert_eq!(push.try_number(0), Err(SendFailure::Full));
            assert_eq!(push.try_reserve().map(drop), Err(SendFailure::Full));
        }
        let first_kept = (sent..).find(|first| capacity.owes_room(sent + held - first)).expect("a limit");
        pull.expect_numbers(sent..first_kept);
        context.comes_true("what was taken is room", || push.can_send());
        pull.expect_numbers(first_kept..sent + held);
        sent += held;
    }
    assert_eq!(push.counters().messages_sent, sent);
    assert_eq!(pull.counters().messages_received, sent);
}

pub(crate) fn no_peer_is_not_full(flavor: Flavor) {
    let context = flavor.context();
    let mut push = context.narrow(Push::builder().send_hwm(1)).build(&context).unwrap();
    assert_eq!(push.try_number(0), Err(SendFailure::NoPeer));
    push.bind(context.endpoint("nobody")).unwrap();
    assert_eq!(push.try_number(0), Err(SendFailure::NoPeer), "a bound name is no peer");
    assert_eq!(push.try_reserve().map(drop), Err(SendFailure::NoPeer));
    assert_eq!(push.try_send_batch(&mut VecDeque::from([numbered(0)])), Err(SendFailure::NoPeer));
    assert!(!push.can_send());
    let mut pull = context.narrow(Pull::builder().recv_hwm(1)).build(&context).unwrap();
    pull.connect(context.endpoint("nobody")).unwrap();
    context.joined(&push, 1);
    push.fill(&context, 0, flavor.capacity(1, 1));
    drop(pull);
    context.eventually("the peer's leaving is heard", || push.try_number(0) == Err(SendFailure::NoPeer));
    let mut push = Push::builder().send_hwm(1).build(&context).unwrap();
    push.connect(context.endpoint("unbound")).unwrap();
    push.fill(&context, 0, flavor.own_part(1));
    assert_eq!(push.try_number(1), Err(SendFailure::Full), "an endpoint that is still to be bound is a peer");

    let (mut here, there) = pairs(&context, "pair");
    drop(there);
    context.eventually("the peer's leaving is heard", || here.try_number(0) == Err(SendFailure::NoPeer));
    assert_eq!(here.try_recv(), Err(RecvError::Empty));
}

pub(crate) fn deadlines_are_kept(flavor: Flavor) {
    const TIMEOUT: Duration = Duration::from_millis(30);
    let capacity = flavor.capacity(1, 1);
    for policy in POLICIES {
        let context = flavor.context();
        let (mut push, mut pull) = marked_pipeline(&context, "late", 1, 1);
        push.set_wait(policy);
        pull.set_wait(policy);
        for timeout in [Duration::ZERO, TIMEOUT] {
            let entered = Instant::now();
            assert_eq!(pull.recv_timeout(timeout), Err(RecvError::TimedOut));
            assert!(entered.elapsed() >= timeout);
        }
        let mut sent = push.fill(&context, 0, capacity);
        for timeout in [Duration::ZERO, TIMEOUT] {
            loop {
                let entered = Instant::now();
                let Err(error) = push.send_timeout(context.heavy(sent), timeout) else {
                    // The kernel had a little room after all.
                    sent += 1;
                    capacity.assert_admits(sent);
                    continue;
                };
                assert!(entered.elapsed() >= timeout);
                assert!(error.message == context.heavy(sent));
                assert_eq!(error.reason, SendFailure::TimedOut);
                break;
            }
        }
        let first_kept = (0..).find(|first| capacity.owes_room(sent - first)).expect("a limit");
        pull.expect_numbers(0..first_kept);
        context.comes_true("room is room, whatever the deadline", || {
            push.send_timeout(context.heavy(sent), Duration::ZERO).is_ok()
        });
        pull.expect_numbers(first_kept..sent);
        // A deadline the clock does not reach.
        pull.expect_numbers([sent]);
        push.send(numbered(3)).unwrap();
        assert_eq!(pull.recv_timeout(Duration::MAX).unwrap(), numbered(3));
        push.send_timeout(numbered(4), Duration::MAX).unwrap();
    }
}

pub(crate) fn a_wait_ends_with_its_message(flavor: Flavor) {
    for policy in POLICIES {
        let context = flavor.context();
        let (mut here, mut there) = pairs(&context, "turns");
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
    let (mut push, mut pull) = marked_pipeline(&context, "permit", 1, 1);
    let mut other = context.narrow(Pull::builder().recv_hwm(1)).build(&context).unwrap();
    other.connect(context.endpoint("permit")).unwrap();
    context.joined(&push, 2);
    let empty = push.reserve().unwrap().send(Message::new()).unwrap_err();
    assert_eq!(empty.reason, SendFailure::NoFrames);
    for number in 0..4 {
        drop(push.reserve().unwrap());
        context.comes_true("there is room", || push.can_send());
        drop(push.try_reserve().unwrap());
        push.try_reserve().unwrap().send(numbered(number)).unwrap();
    }
    if flavor.serves_in_turn() {
        assert_eq!(push.try_reserve().map(drop), Err(SendFailure::Full));
        pull.expect_numbers([0, 2]);
        other.expect_numbers([1, 3]);
    } else {
        assert_all_once(spread(&context, &mut [&mut pull, &mut other], 4), 0..4);
    }
    // Permits that were dropped hold nothing.
    push.fill(&context, 4, flavor.capacity(1, 1).times(2));
}

pub(crate) fn a_permit_outlives_its_peer(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, pull) = pipeline(&context, "gone");
    let permit = push.reserve().unwrap();
    drop(pull);
    match permit.send(numbered(4)) {
        Err(error) => assert_eq!((error.message, error.reason), (numbered(4), SendFailure::PeerLeft)),
        Ok(()) => assert!(!flavor.tells_at_once(), "its leaving is known"),
    }
    let mut pull = Pull::new(&context).unwrap();
    pull.connect(context.endpoint("gone")).unwrap();
    // Not before the first has left.
    context.eventually("one is there", || push.tally().peers_joined == 2 && push.joined() == 1);
    push.reserve().unwrap().send(numbered(5)).unwrap();
    while pull.next_number() != 5 {
        assert!(!flavor.tells_at_once(), "what the first did not take goes to the next on a stream only");
    }
    if flavor.tells_at_once() {
        assert_eq!(push.counters().messages_sent, 1);
    }
}

pub(crate) fn batches_send_and_receive(flavor: Flavor) {
    const MESSAGES: u64 = 50;
    let context = flavor.context();
    let (mut push, mut pull) = marked_pipeline(&context, "batch", 10, 10);
    let capacity = flavor.capacity(10, 10);
    let mut out: VecDeque<Message> = (0..MESSAGES).map(|number| context.heavy(number)).collect();
    // Sends until so many have been sent: as many as there is room for, which takes one call where room is known.
    let send_what_fits = |push: &mut Push, out: &mut VecDeque<Message>, at_least: u64| {
        context.comes_true("a batch goes as far as there is room", || {
            let _ = push.try_send_batch(out);
            MESSAGES - out.len() as u64 >= at_least
        });
        MESSAGES - out.len() as u64
    };
    let sent = send_what_fits(&mut push, &mut out, 20);
    capacity.assert_holds(sent);
    if capacity.is_exact() {
        assert_eq!(push.try_send_batch(&mut out), Err(SendFailure::Full));
    }
    assert_eq!(out.front().map(number), Some(sent));
    let mut taken = Vec::new();
    assert_eq!(pull.recv_batch(&mut taken, 0), Ok(0));
    while taken.len() < 7 {
        let left = 7 - taken.len();
        assert!((1..=left).contains(&pull.recv_batch(&mut taken, left).unwrap()));
    }
    let sent = send_what_fits(&mut push, &mut out, 27);
    capacity.assert_holds(sent - 7);
    while (taken.len() as u64) < sent {
        pull.recv_batch(&mut taken, usize::MAX).unwrap();
    }
    assert_eq!(pull.try_recv_batch(&mut taken, 5), Err(RecvError::Empty));
    let rest = out.split_off(out.len().min(8));
    let count = out.len();
    assert_eq!(push.send_batch(&mut out), Ok(count));
    assert_eq!(push.send_batch(&mut VecDeque::new()), Ok(0));
    let sent = sent + count as u64;
    while (taken.len() as u64) < sent {
        pull.recv_batch(&mut taken, 3).unwrap();
    }
    assert!(taken.iter().map(number).eq(0..sent) && rest.len() as u64 == MESSAGES - sent);
    let bytes = sent * context.heavy(0).frames().iter().map(|frame| frame.len() as u64).sum::<u64>();
    assert_eq!((push.counters().messages_sent, push.counters().bytes_sent), (sent, bytes));
    assert_eq!((pull.counters().messages_received, pull.counters().bytes_received), (sent, bytes));
}

pub(crate) fn a_batch_waits_for_room(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive] {
        let context = flavor.context();
        let (mut push, mut pull) = marked_pipeline(&context, "long-batch", 3, 4);
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
    let (mut push, mut pull) = pipeline(&context, "hollow");
    let mut out = VecDeque::from([numbered(0), Message::new(), numbered(1)]);
    assert_eq!(push.send_batch(&mut out), Err(SendFailure::NoFrames));
    assert_eq!(push.try_send_batch(&mut out), Err(SendFailure::NoFrames));
    // Nothing of it was sent.
    assert_eq!(out.len(), 3);
    assert_eq!(pull.try_recv(), Err(RecvError::Empty));
}

pub(crate) fn policies_change_live(flavor: Flavor) {
    let context = flavor.context();
    let (mut here, mut there) = pairs(&context, "policies");
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
