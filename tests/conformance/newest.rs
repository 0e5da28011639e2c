//! Sockets that conflate: of each connection the newest message only.

use std::{collections::BTreeSet, thread};

use ringway::{Message, Pub, Pull, Push, Sub};

use crate::flavor::{Dice, Flavor, PATIENCE, Receiver, Sender, meet, numbered};

pub(crate) fn the_newest_is_kept_whoever_asks(flavor: Flavor) {
    for (sends, receives) in [(true, false), (false, true), (true, true)] {
        let context = flavor.context();
        let (push, pull) = (Push::builder().send_hwm(2), Pull::builder().recv_hwm(2));
        let mut push = if sends { push.conflate() } else { push }.build(&context).unwrap();
        let mut pull = if receives { pull.conflate() } else { pull }.build(&context).unwrap();
        meet!(context, "newest", push, pull);
        (0..100).for_each(|number| push.send(numbered(number)).unwrap());
        // On a stream, some before it: what left the sender before it was replaced.
        let mut received = vec![pull.next_number()];
        while received.last() != Some(&99) {
            received.push(pull.next_number());
        }
        assert!(received.is_sorted() && (received == [99] || !flavor.tells_at_once()), "{received:?}");
        assert!(pull.try_recv().is_err());
        push.send(numbered(100)).unwrap();
        pull.expect_numbers([100]);
        let conflated = push.counters().conflated + pull.counters().conflated;
        if flavor.tells_at_once() {
            assert_eq!(push.counters().conflated, 99);
        }
        let known = conflated + received.len() as u64;
        if flavor.is_stream() && receives {
            // What the receiving side's connection replaces is the newest it has read: nobody counts the others.
            assert!(known <= 100, "{known}");
        } else {
            assert_eq!(known, 100, "each message is received or was replaced");
        }
        push.send(numbered(101)).unwrap();
        drop(pull);
        let sent = push.counters().messages_sent;
        drop(push);
        let report = context.settle(sent, received.len() as u64 + 1 + conflated);
        assert!(report.undelivered + report.unread == 1 || !flavor.counts_every_loss());
    }
}

pub(crate) fn a_message_is_replaced_whole(flavor: Flavor) {
    const MESSAGES: u64 = 20_000;
    let context = flavor.context();
    let mut push = Push::builder().conflate().build(&context).unwrap();
    let mut pull = Pull::new(&context).unwrap();
    meet!(context, "whole", pull, push);
    let sending = thread::spawn(move || {
        let mut dice = Dice(3);
        for number in 0..MESSAGES {
            let frames = 1 + dice.roll(4);
            let size = dice.roll(300) as usize;
            let message: Message = (0..frames).map(|_| [&number.to_le_bytes()[..], &vec![0; size]].concat()).collect();
            push.send(message).unwrap();
        }
        push.counters().conflated
    });
    let (mut last, mut received) = (None, 0);
    while last != Some(MESSAGES - 1) {
        let message = pull.next();
        let numbers: Vec<_> =
            message.frames().iter().map(|frame| u64::from_le_bytes(frame[..8].try_into().unwrap())).collect();
        assert!(numbers.iter().all(|number| *number == numbers[0]), "torn: {numbers:?}");
        assert!(last < Some(numbers[0]), "{numbers:?} after {last:?}");
        last = Some(numbers[0]);
        received += 1;
    }
    assert_eq!(sending.join().unwrap() + received, MESSAGES);
}

pub(crate) fn each_publisher_has_its_newest(flavor: Flavor) {
    let context = flavor.context();
    let mut subscriber = Sub::builder().conflate().subscribe("").build(&context).unwrap();
    subscriber.bind(context.endpoint("each")).unwrap();
    let mut publishers: Vec<_> = (0..3)
        .map(|_| {
            let mut publisher = Pub::new(&context).unwrap();
            publisher.connect(context.endpoint("each")).unwrap();
            publisher.wait_for_subscribers(1, PATIENCE).unwrap();
            publisher
        })
        .collect();
    for number in 0..50 {
        publishers
            .iter_mut()
            .zip(0..)
            .for_each(|(publisher, first)| publisher.try_number(first * 100 + number).unwrap());
    }
    let mut newest = BTreeSet::new();
    while !newest.is_superset(&BTreeSet::from([49, 149, 249])) {
        newest.insert(subscriber.next_number());
        assert!(newest.len() <= 3 || !flavor.tells_at_once(), "the newest only: {newest:?}");
    }
    assert!(publishers.iter().all(|publisher| publisher.counters().dropped == 0));
}
