//! Order, exactly once, and messages of every shape.

use std::thread;

use ringway::{Frame, Message, Pull, Push, WaitPolicy};

use crate::flavor::{Dice, Flavor, Receiver, numbered, pairs, pipeline};

const STREAM: u64 = if cfg!(miri) { 100 } else { 30_000 };

pub(crate) fn order_and_exactly_once(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive] {
        let context = flavor.context();
        let (mut push, mut pull) = pipeline(&context, "stream");
        push.set_wait(policy);
        pull.set_wait(policy);
        let sender = thread::spawn(move || (0..STREAM).for_each(|number| push.send(numbered(number)).unwrap()));
        pull.expect_numbers(0..STREAM);
        sender.join().unwrap();
        assert!(pull.try_recv().is_err(), "each message once");
        drop(pull);
        context.settle(STREAM, STREAM);
    }
}

pub(crate) fn pair_talks_both_ways_at_once(flavor: Flavor) {
    let context = flavor.context();
    let (mut here, mut there) = pairs(&context, "both");
    let talk = |pair: &mut ringway::Pair| {
        let (mut sent, mut received) = (0, 0);
        while received < STREAM / 3 {
            if sent < STREAM / 3 && pair.try_send(numbered(sent)).is_ok() {
                sent += 1;
            } else {
                assert_eq!(pair.next_number(), received);
                received += 1;
            }
        }
        while sent < STREAM / 3 {
            pair.send(numbered(sent)).unwrap();
            sent += 1;
        }
    };
    let peer = thread::spawn(move || {
        talk(&mut there);
        there
    });
    talk(&mut here);
    drop(peer.join().unwrap());
}

pub(crate) fn multipart_arrives_whole(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = pipeline(&context, "parts");
    let shapes: [&[&str]; 8] =
        [&[""], &["", ""], &["a"], &["", "a", ""], &["a", "b", "c"], &["", "", "", ""], &["a", ""], &["", "a"]];
    let sender = thread::spawn(move || {
        for shape in shapes.iter().cycle().take(4000) {
            push.send(shape.iter().copied().collect::<Message>()).unwrap();
        }
    });
    for shape in shapes.iter().cycle().take(4000) {
        let message = pull.next();
        assert_eq!(message.len(), shape.len());
        assert!(message.frames().iter().zip(*shape).all(|(frame, expected)| frame == expected));
    }
    sender.join().unwrap();
}

/// A frame of `size` bytes that differ by place and by `salt`.
fn patterned(size: usize, salt: u64) -> Vec<u8> {
    (0..size as u64).map(|place| (place.wrapping_mul(31) + salt) as u8).collect()
}

pub(crate) fn every_size_survives(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = pipeline(&context, "sizes");
    let sizes = (0..=300).chain([511, 512, 513, 4095, 4096, 4097, 65_535, 65_536, 1 << 20]);
    let sizes: Vec<usize> = sizes.collect();
    let sent = sizes.clone();
    let sender = thread::spawn(move || {
        for size in sent {
            // Copied, taken over, shared: the same bytes in each form a frame can have.
            push.send(Frame::copy_from(&patterned(size, 1))).unwrap();
            push.send(patterned(size, 2)).unwrap();
            push.send(Frame::from_owner(patterned(size, 3))).unwrap();
        }
    });
    for size in sizes {
        for salt in 1..=3 {
            let message = pull.next();
            assert_eq!(message.len(), 1);
            assert!(message[0] == patterned(size, salt), "{size} bytes, form {salt}");
        }
    }
    sender.join().unwrap();
}

pub(crate) fn many_frames_survive(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = pipeline(&context, "frames");
    let counts = [2, 3, 4, 5, 15, 16, 17, 18, 23, 24, 100, 1000];
    let sizes = [0, 1, 8, 55, 56, 57, 64, 112, 113, 255, 256, 257, 1000];
    let message = |count: usize, size: usize| -> Message {
        (0..count).map(|place| patterned(if place % 3 == 2 { 1 } else { size }, place as u64)).collect()
    };
    let sender = thread::spawn(move || {
        for count in counts {
            sizes.iter().for_each(|size| push.send(message(count, *size)).unwrap());
        }
    });
    for count in counts {
        for size in sizes {
            assert_eq!(pull.next(), message(count, size), "{count} frames of {size} bytes");
        }
    }
    sender.join().unwrap();
}

pub(crate) fn a_million_frames_survive(flavor: Flavor) {
    // A stream has a limit that its options do not raise: a peer chooses the number.
    let frames = if cfg!(miri) || flavor.is_stream() { 1000 } else { 1_000_000 };
    let context = flavor.context();
    let (mut push, mut pull) = pipeline(&context, "million");
    let sender = thread::spawn(move || {
        push.send((0..frames as u32).map(u32::to_le_bytes).collect::<Message>()).unwrap();
        push.send("after").unwrap();
    });
    let message = pull.next();
    assert_eq!(message.len(), frames);
    assert!(message.frames().iter().zip(0_u32..).all(|(frame, place)| *frame == place.to_le_bytes()));
    assert_eq!(pull.next()[0], "after");
    sender.join().unwrap();
}

pub(crate) fn shapes_mixed_at_random_survive(flavor: Flavor) {
    let messages = if cfg!(miri) { 50 } else { 5000 };
    let context = flavor.context();
    let mut push = Push::builder().send_hwm(7).build(&context).unwrap();
    let mut pull = Pull::builder().recv_hwm(3).build(&context).unwrap();
    push.bind(context.endpoint("mixed")).unwrap();
    pull.connect(context.endpoint("mixed")).unwrap();
    let next = |dice: &mut Dice| -> Message {
        let frames = if dice.roll(4) == 0 { 1 + dice.roll(40) } else { 1 };
        (0..frames)
            .map(|_| {
                let size = match dice.roll(3) {
                    0 => dice.roll(60),
                    1 => dice.roll(300),
                    _ => dice.roll(3) * dice.roll(2000),
                };
                patterned(size as usize, dice.roll(256))
            })
            .collect()
    };
    let sender = thread::spawn(move || {
        let mut dice = Dice(7);
        (0..messages).for_each(|_| push.send(next(&mut dice)).unwrap());
    });
    let mut dice = Dice(7);
    (0..messages).for_each(|_| assert_eq!(pull.next(), next(&mut dice)));
    sender.join().unwrap();
}

pub(crate) fn sockets_move_between_threads_in_midstream(flavor: Flavor) {
    const HOPS: u64 = 20;
    const STRETCH: u64 = 50;
    let context = flavor.context();
    let (mut push, mut pull) = pipeline(&context, "moving");
    push.set_send_hwm(5);
    pull.set_recv_hwm(5);
    push.set_wait(WaitPolicy::Park);
    pull.set_wait(WaitPolicy::Park);
    let senders = thread::spawn(move || {
        (0..HOPS).fold(push, |mut push, hop| {
            let stretch = hop * STRETCH..(hop + 1) * STRETCH;
            let sender = thread::spawn(move || {
                stretch.for_each(|number| push.send(numbered(number)).unwrap());
                push
            });
            sender.join().unwrap()
        })
    });
    let pull = (0..HOPS).fold(pull, |mut pull, hop| {
        let receiver = thread::spawn(move || {
            pull.expect_numbers(hop * STRETCH..(hop + 1) * STRETCH);
            pull
        });
        receiver.join().unwrap()
    });
    drop((senders.join().unwrap(), pull));
    context.settle(HOPS * STRETCH, HOPS * STRETCH);
}
