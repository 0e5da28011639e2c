//! Sockets that conflate: of each connection the newest message only.

use std::thread;

use ringway::{Message, Pub, Pull, Push, Sub};

use crate::flavor::{Dice, Flavor, Receiver, Sender, numbered, settle};

pub(crate) fn the_newest_is_kept_whoever_asks(flavor: Flavor) {
    for (sends, receives) in [(true, false), (false, true), (true, true)] {
        let context = flavor.context();
        let (push, pull) = (Push::builder().send_hwm(2), Pull::builder().recv_hwm(2));
        let mut push = if sends { push.conflate() } else { push }.build(&context).unwrap();
        let mut pull = if receives { pull.conflate() } else { pull }.build(&context).unwrap();
        push.bind("inproc://newest").unwrap();
        pull.connect("inproc://newest").unwrap();
        (0..100).for_each(|number| push.send(numbered(number)).unwrap());
        pull.expect_numbers([99]);
        assert!(pull.try_recv().is_err());
        push.send(numbered(100)).unwrap();
        pull.expect_numbers([100]);
        assert_eq!(push.counters().conflated, 99);
        push.send(numbered(101)).unwrap();
        drop(pull);
        let sent = push.counters().messages_sent;
        drop(push);
        let report = settle(&context, sent, 2 + 99);
        assert_eq!(report.undelivered + report.unread, 1);
    }
}

pub(crate) fn a_message_is_replaced_whole(flavor: Flavor) {
    let context = flavor.context();
    let mut push = Push::builder().conflate().build(&context).unwrap();
    let mut pull = Pull::new(&context).unwrap();
    push.connect("inproc://whole").unwrap();
    pull.bind("inproc://whole").unwrap();
    let sending = thread::spawn(move || {
        let mut dice = Dice(3);
        for number in 0..20_000_u64 {
            let frames = 1 + dice.roll(4);
            let size = dice.roll(300) as usize;
            let message: Message = (0..frames).map(|_| [&number.to_le_bytes()[..], &vec![0; size]].concat()).collect();
            push.send(message).unwrap();
        }
        push.counters().conflated
    });
    let (mut last, mut received) = (None, 0);
    while last != Some(19_999) {
        let message = pull.next();
        let numbers: Vec<_> =
            message.frames().iter().map(|frame| u64::from_le_bytes(frame[..8].try_into().unwrap())).collect();
        assert!(numbers.iter().all(|number| *number == numbers[0]), "torn: {numbers:?}");
        assert!(last < Some(numbers[0]), "{numbers:?} after {last:?}");
        last = Some(numbers[0]);
        received += 1;
    }
    assert_eq!(sending.join().unwrap() + received, 20_000);
}

pub(crate) fn each_publisher_has_its_newest(flavor: Flavor) {
    let context = flavor.context();
    let mut subscriber = Sub::builder().conflate().subscribe("").build(&context).unwrap();
    subscriber.bind("inproc://each").unwrap();
    let mut publishers: Vec<_> = (0..3)
        .map(|_| {
            let mut publisher = Pub::new(&context).unwrap();
            publisher.connect("inproc://each").unwrap();
            publisher
        })
        .collect();
    for number in 0..50 {
        publishers
            .iter_mut()
            .zip(0..)
            .for_each(|(publisher, first)| publisher.try_number(first * 100 + number).unwrap());
    }
    let mut newest: Vec<_> = (0..3).map(|_| subscriber.next_number()).collect();
    newest.sort_unstable();
    assert_eq!(newest, [49, 149, 249]);
    assert!(publishers.iter().all(|publisher| publisher.counters().dropped == 0));
}
