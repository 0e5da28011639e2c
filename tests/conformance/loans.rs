//! Loans: room for a message that is written in place.

use std::thread;

use ringway::{
    Frame, Message, Poller, Pub, Pull, Push, Rep, Req, Router, Sub,
    poll::{Events, Interest},
    socket::{Loan, SendError, SendFailure, Sends},
};

use crate::flavor::{
    A_WHILE, Flavor, PATIENCE, Peers, Receiver, Sender, World, dealer, marked_pipeline, meet, number, numbered, pairs,
    pipeline,
};

/// Longer than a record of the ring that there is by default.
const LONG: usize = 100_000;

/// Writes `number` into a loan of eight bytes and commits it.
fn lend<S: Sends>(mut loan: Loan<'_, S>, number: u64) -> Result<(), SendError> {
    loan.copy_from_slice(&number.to_le_bytes());
    loan.commit()
}

/// Waits until a loan of `socket` is in place, if any ever is. What a session has to say first is not there at once.
fn settled(world: &World, socket: &mut Push) {
    if world.flavor == Flavor::Ipc {
        world.eventually("a loan is in place", || socket.loan(1).unwrap().is_in_place());
    } else {
        assert!(!socket.loan(1).unwrap().is_in_place(), "there is no such place");
    }
}

pub(crate) fn a_loan_is_sent_as_it_was_written(flavor: Flavor) {
    let world = flavor.context();
    let (mut push, mut pull) = pipeline(&world, "loans");
    settled(&world, &mut push);
    for len in [0, 1, 8, 55, 56, 57, 255, 256, 257, 3_000, 8_192, 8_193, LONG] {
        let expected: Vec<u8> = (0..len).map(|byte| byte as u8).collect();
        let mut loan = push.loan(len).unwrap();
        assert_eq!(loan.len(), len);
        if flavor == Flavor::Ipc {
            assert_eq!(loan.is_in_place(), len <= 8_192, "an eighth of the ring");
        }
        loan.copy_from_slice(&expected);
        assert_eq!(*loan, expected[..]);
        loan.commit().unwrap();
        assert_eq!(pull.next(), Message::from(expected.clone()));
        // And shorter.
        let mut loan = push.try_loan(len).unwrap();
        loan.copy_from_slice(&expected);
        loan.truncate(len + 1);
        assert_eq!(loan.len(), len);
        loan.truncate(len / 3);
        assert_eq!(*loan, expected[..len / 3]);
        loan.commit().unwrap();
        assert_eq!(pull.next(), Message::from(&expected[..len / 3]));
    }
}

pub(crate) fn loans_keep_their_turn(flavor: Flavor) {
    let world = flavor.context();
    let (mut push, mut pull) = pipeline(&world, "turns");
    settled(&world, &mut push);
    let messages = flavor.many(5_000);
    let sender = thread::spawn(move || {
        for number in 0..messages {
            match number % 4 {
                0 => push.send(numbered(number)).unwrap(),
                1 => {
                    // Too long for a record, so that it has to be waited for.
                    let mut loan = push.loan(if number % 64 == 1 { LONG } else { 500 }).unwrap();
                    loan[..8].copy_from_slice(&number.to_le_bytes());
                    loan.commit().unwrap();
                }
                _ => {
                    // Given up, and nothing happens.
                    push.loan(300).unwrap().fill(0xee);
                    lend(push.loan(8).unwrap(), number).unwrap();
                }
            }
        }
        push
    });
    for expected in 0..messages {
        assert_eq!(pull.next()[0][..8], expected.to_le_bytes());
    }
    let mut push = sender.join().unwrap();
    // Nothing is left in its way.
    settled(&world, &mut push);
    assert_eq!(push.counters().messages_sent, messages);
    let bytes = push.counters().bytes_sent;
    drop(push);
    assert_eq!((pull.counters().messages_received, pull.counters().bytes_received), (messages, bytes));
    drop(pull);
    world.settle(messages, messages);
}

pub(crate) fn a_loan_takes_credit_as_a_message_does(flavor: Flavor) {
    let world = flavor.context();
    let (mut push, mut pull) = marked_pipeline(&world, "credit", 2, 1);
    let held = push.fill(&world, 0, flavor.capacity(2, 1));
    if flavor.capacity(2, 1).is_exact() {
        assert_eq!(push.try_loan(8).map(drop), Err(SendFailure::Full));
        assert_eq!(push.loan_timeout(8, A_WHILE).map(drop), Err(SendFailure::TimedOut));
        assert!(push.counters().stalls > 0);
    }
    let taking = thread::spawn(move || {
        thread::sleep(A_WHILE);
        pull.expect_numbers(0..held);
        assert_eq!(pull.next(), numbered(held));
        pull
    });
    lend(push.loan(8).unwrap(), held).unwrap();
    let mut pull = taking.join().unwrap();
    // Those that are dropped hold nothing.
    for _ in 0..10 {
        drop(push.loan(8).unwrap());
    }
    world.comes_true("there is room", || push.can_send());
    let taken = if flavor.capacity(2, 1).is_exact() { 3 } else { 1 };
    for number in 0..taken {
        lend(push.loan_timeout(8, PATIENCE).unwrap(), number).unwrap();
    }
    if flavor.capacity(2, 1).is_exact() {
        assert_eq!(push.try_loan(8).map(drop), Err(SendFailure::Full));
    }
    pull.expect_numbers(0..taken);
}

pub(crate) fn a_loan_outlives_its_peer(flavor: Flavor) {
    let world = flavor.context();
    let (mut push, pull) = pipeline(&world, "gone");
    settled(&world, &mut push);
    let mut loan = push.loan(8).unwrap();
    loan.copy_from_slice(&4_u64.to_le_bytes());
    drop(pull);
    thread::sleep(A_WHILE);
    // It is good to be written as long as it is there.
    loan.copy_from_slice(&5_u64.to_le_bytes());
    match loan.commit() {
        Err(error) => assert_eq!((error.message, error.reason), (numbered(5), SendFailure::PeerLeft)),
        Ok(()) => assert!(!flavor.tells_at_once(), "its leaving is known"),
    }
    let mut pull = Pull::new(&world).unwrap();
    pull.connect(world.endpoint("gone")).unwrap();
    world.eventually("one is there", || push.tally().peers_joined == 2 && push.joined() == 1);
    lend(push.loan(8).unwrap(), 6).unwrap();
    while pull.next_number() != 6 {
        assert!(!flavor.tells_at_once(), "what the first did not take goes to the next on a stream only");
    }
}

pub(crate) fn a_loan_that_is_forgotten_is_given_up(flavor: Flavor) {
    let world = flavor.context();
    let (mut push, mut pull) = pipeline(&world, "forgotten");
    settled(&world, &mut push);
    for number in (0..60).step_by(3) {
        std::mem::forget(push.loan(100).unwrap());
        push.send(numbered(number)).unwrap();
        std::mem::forget(push.loan(100).unwrap());
        lend(push.loan(8).unwrap(), number + 1).unwrap();
        std::mem::forget(push.loan(100).unwrap());
        std::mem::forget(push.loan(200).unwrap());
        lend(push.loan(8).unwrap(), number + 2).unwrap();
    }
    std::mem::forget(push.loan(100).unwrap());
    drop(push);
    pull.expect_numbers(0..60);
}

pub(crate) fn somebody_may_watch_meanwhile(flavor: Flavor) {
    let world = flavor.context();
    let (mut push, mut pull) = marked_pipeline(&world, "watched", 1, 1);
    settled(&world, &mut push);
    let mut poller = Poller::new();
    let mut events = Events::new();
    poller.add(&mut push, Interest::WRITABLE, 7).unwrap();
    let capacity = flavor.capacity(1, 1);
    for number in 0..flavor.many(500) {
        let loan = push.loan(8).unwrap();
        assert_eq!(poller.wait(&mut events, Some(PATIENCE)).unwrap(), 1);
        lend(loan, number).unwrap();
        assert_eq!(pull.next(), numbered(number));
    }
    // Full, and somebody wants to be told of room.
    let held = push.fill(&world, 0, capacity);
    let _ = poller.wait(&mut events, Some(A_WHILE));
    pull.expect_numbers(0..held);
    world.comes_true("there is room", || push.can_send());
    lend(push.loan(8).unwrap(), 1).unwrap();
    assert_eq!(pull.next(), numbered(1));
}

pub(crate) fn every_socket_that_sends_lends(flavor: Flavor) {
    let world = flavor.context();

    let (mut here, mut there) = pairs(&world, "pair");
    lend(here.loan(8).unwrap(), 1).unwrap();
    assert_eq!(there.next(), numbered(1));
    lend(there.loan(8).unwrap(), 2).unwrap();
    assert_eq!(here.next(), numbered(2));

    let mut router = Router::new(&world).unwrap();
    let mut known = dealer(&world, "known", "router");
    router.bind(world.endpoint("router")).unwrap();
    world.eventually("the peer is known", || router.has_peer("known"));
    lend(router.loan("known", 8).unwrap(), 3).unwrap();
    assert_eq!(known.next(), numbered(3));
    lend(router.loan_timeout("known", 8, PATIENCE).unwrap(), 3).unwrap();
    assert_eq!(known.next(), numbered(3));
    assert_eq!(router.try_loan("nobody", 8).map(drop), Err(SendFailure::Unroutable));
    lend(known.loan(8).unwrap(), 4).unwrap();
    assert_eq!(router.next(), [Frame::from("known"), Frame::from(4_u64.to_le_bytes())].into_iter().collect());

    let (mut publisher, mut subscriber) = (Pub::new(&world).unwrap(), Sub::new(&world).unwrap());
    subscriber.subscribe("");
    meet!(world, "topics", publisher, subscriber);
    world.eventually("the subscription is known", || publisher.subscribers() == 1);
    let loan = publisher.loan(8).unwrap();
    assert!(!loan.is_in_place(), "who gets it is not known before it is written");
    lend(loan, 5).unwrap();
    assert_eq!(subscriber.next(), numbered(5));
}

pub(crate) fn loans_are_requests_and_replies(flavor: Flavor) {
    for resend in [0, 1] {
        let world = flavor.context();
        let builder = Req::builder().resend(resend);
        let builder = if resend == 0 { builder.correlate() } else { builder };
        let mut req = builder.build(&world).unwrap();
        let mut rep = Rep::new(&world).unwrap();
        meet!(world, "asks", rep, req);
        assert_eq!(rep.loan(8).map(drop), Err(SendFailure::NoRequest));
        for number in 0..20 {
            drop(req.loan(100).unwrap());
            lend(req.loan(8).unwrap(), number).unwrap();
            if resend == 0 {
                assert_eq!(req.loan(8).map(drop), Err(SendFailure::AwaitingReply));
            }
            assert_eq!(rep.next(), numbered(number));
            drop(rep.loan(100).unwrap());
            lend(rep.loan(8).unwrap(), number + 1).unwrap();
            assert_eq!(req.next(), numbered(number + 1));
        }
        lend(req.loan(8).unwrap(), 0).unwrap();
        assert_eq!(rep.next(), numbered(0));
        // Whoever asked has gone: the reply is dropped.
        let loan = rep.loan(8).unwrap();
        drop(req);
        thread::sleep(A_WHILE);
        lend(loan, 1).unwrap();
        assert_eq!(rep.loan(8).map(drop), Err(SendFailure::NoRequest));
    }
}

pub(crate) fn what_cannot_be_lent_is_told(flavor: Flavor) {
    let world = flavor.context();
    let mut push = Push::new(&world).unwrap();
    assert_eq!(push.try_loan(8).map(drop), Err(SendFailure::NoPeer));
    let mut pull = Pull::new(&world).unwrap();
    meet!(world, "much", push, pull);
    assert_eq!(push.loan(usize::MAX).map(drop), Err(SendFailure::OutOfMemory));
    assert_eq!(push.try_loan(isize::MAX as usize).map(drop), Err(SendFailure::OutOfMemory));
    lend(push.loan(8).unwrap(), 7).unwrap();
    assert_eq!(number(&pull.next()), 7);
}
