//! Whose turn it is: PUSH goes round its peers, PULL listens round them.

use std::{collections::HashMap, thread};

use ringway::{Context, Message, Pull, Push, WaitPolicy, socket::SendFailure};

use crate::flavor::{A_WHILE, Flavor, Receiver, Sender, eventually, numbered, settle};

/// A PUSH with so many PULLs connected, each with marks of one: a pipe holds two.
fn fan(context: &Context, pulls: usize) -> (Push, Vec<Pull>) {
    let mut push = Push::builder().send_hwm(1).wait(WaitPolicy::Park).build(context).unwrap();
    push.bind("inproc://fan").unwrap();
    let connected = |_| {
        let mut pull = Pull::builder().recv_hwm(1).build(context).unwrap();
        pull.connect("inproc://fan").unwrap();
        pull
    };
    (push, (0..pulls).map(connected).collect())
}

pub(crate) fn push_goes_round(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pulls) = fan(&context, 3);
    for round in 0..200 {
        (0..3).for_each(|peer| push.try_number(3 * round + peer).unwrap());
        (0..3).for_each(|peer| assert_eq!(pulls[peer as usize].next_number(), 3 * round + peer));
    }
}

pub(crate) fn push_skips_the_full(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pulls) = fan(&context, 3);
    assert_eq!(push.fill(0), 6);
    pulls[0].expect_numbers([0, 3]);
    pulls[2].expect_numbers([2, 5]);
    assert_eq!(push.fill(6), 4, "two have room for two each");
    pulls[1].expect_numbers([1, 4]);
    assert_eq!(push.fill(10), 2);
    pulls[1].expect_numbers([10, 11]);
    let mut rest: Vec<u64> = [0, 2].iter().flat_map(|peer| [(); 2].map(|()| pulls[*peer].next_number())).collect();
    assert_eq!((rest[0] + 2, rest[2] + 2), (rest[1], rest[3]), "they took turns");
    rest.sort_unstable();
    assert_eq!(rest, [6, 7, 8, 9]);
}

pub(crate) fn push_returns_to_one_that_has_room_again(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pulls) = fan(&context, 3);
    assert_eq!(push.fill(0), 6);
    (1..3).for_each(|peer| pulls[peer].expect_numbers([peer as u64, peer as u64 + 3]));
    // The first is full and skipped; the others keep up.
    for number in 10..30 {
        push.try_number(number).unwrap();
        pulls[1 + number as usize % 2].next();
    }
    // It has room again, while the others never are full.
    pulls[0].expect_numbers([0, 3]);
    let mut share = [0; 3];
    for number in 30..60 {
        push.try_number(number).unwrap();
        let mut taken = false;
        eventually("somebody got it", || {
            for (peer, pull) in pulls.iter_mut().enumerate() {
                if pull.try_recv().is_ok() {
                    share[peer] += 1;
                    taken = true;
                }
            }
            taken
        });
    }
    assert!(share.iter().all(|got| (8..=12).contains(got)), "ten each, give or take the first round: {share:?}");
}

pub(crate) fn push_blocks_when_mute_and_resumes(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pulls) = fan(&context, 2);
    const MESSAGES: u64 = 400;
    let sender = thread::spawn(move || (0..MESSAGES).for_each(|number| push.send(numbered(number)).unwrap()));
    thread::sleep(A_WHILE);
    let mut seen = Vec::new();
    // By turns, so that both are drained and both fill up.
    while seen.len() < MESSAGES as usize {
        for pull in &mut pulls {
            while let Ok(message) = pull.try_recv() {
                seen.push(crate::flavor::number(&message));
            }
        }
        thread::yield_now();
    }
    sender.join().unwrap();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..MESSAGES));
}

pub(crate) fn push_waits_for_its_first_peer(flavor: Flavor) {
    for push_binds in [true, false] {
        let context = flavor.context();
        let mut push = Push::builder().send_hwm(1).wait(WaitPolicy::Park).build(&context).unwrap();
        let mut pull = Pull::new(&context).unwrap();
        assert_eq!(push.try_number(0), Err(SendFailure::NoPeer));
        if push_binds {
            push.bind("inproc://first").unwrap();
        }
        let sender = thread::spawn(move || {
            if push_binds {
                push.send(numbered(1)).unwrap();
            } else {
                // Two: the first has room before anybody has bound, the second waits for it.
                push.connect("inproc://first").unwrap();
                (1..3).for_each(|number| push.send(numbered(number)).unwrap());
            }
        });
        thread::sleep(A_WHILE);
        if push_binds {
            pull.connect("inproc://first").unwrap();
        } else {
            pull.bind("inproc://first").unwrap();
        }
        sender.join().unwrap();
        assert_eq!(pull.next_number(), 1);
    }
}

pub(crate) fn pull_is_fair_by_whole_messages(flavor: Flavor) {
    const EACH: u64 = 90;
    let context = flavor.context();
    let mut pull = Pull::new(&context).unwrap();
    pull.bind("inproc://fair").unwrap();
    let mut pushes: Vec<Push> = (0..3).map(|_| Push::new(&context).unwrap()).collect();
    for (peer, push) in pushes.iter_mut().enumerate() {
        push.connect("inproc://fair").unwrap();
        for number in 0..EACH {
            let frames = 1 + (number + peer as u64) % 3;
            push.send((0..frames).map(|_| [peer as u8, number as u8]).collect::<Message>()).unwrap();
        }
    }
    let mut next = HashMap::new();
    for turn in 0..3 * EACH {
        let message = pull.next();
        let (peer, number) = (message[0][0], message[0][1]);
        assert!(message.frames().iter().all(|frame| *frame == [peer, number]), "not mixed: {message:?}");
        let expected = next.entry(peer).or_insert(0);
        assert_eq!(number, *expected, "in order from each");
        *expected += 1;
        if flavor == Flavor::Local {
            assert_eq!(u64::from(number), turn / 3, "one from each in turn");
        }
    }
}

pub(crate) fn pull_finds_the_one_of_many_that_talks(flavor: Flavor) {
    const PEERS: usize = 200;
    let context = flavor.context();
    let mut pull = Pull::builder().wait(WaitPolicy::Park).build(&context).unwrap();
    pull.bind("inproc://many").unwrap();
    let mut pushes: Vec<Push> = (0..PEERS).map(|_| Push::new(&context).unwrap()).collect();
    pushes.iter_mut().for_each(|push| push.connect("inproc://many").unwrap());
    // Until the quiet ones are no longer looked at.
    (0..1000).for_each(|_| assert!(pull.try_recv().is_err()));
    let talker = thread::spawn(move || {
        for number in 0..1000 {
            pushes[number * 37 % PEERS].send(numbered(number as u64)).unwrap();
            if number % 100 == 0 {
                thread::sleep(A_WHILE / 10);
            }
        }
        pushes
    });
    let mut seen: Vec<u64> = (0..1000).map(|_| pull.next_number()).collect();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..1000));
    drop((talker.join().unwrap(), pull));
    settle(&context, 1000, 1000);
}

pub(crate) fn push_serves_many_full_peers_as_they_take(flavor: Flavor) {
    const PEERS: usize = 40;
    const MESSAGES: u64 = 1000;
    let context = flavor.context();
    let (mut push, mut pulls) = fan(&context, PEERS);
    // Before anybody takes; then until the full ones are no longer looked at.
    let filled = push.fill(0);
    (0..200).for_each(|_| assert_eq!(push.try_number(0), Err(SendFailure::Full)));
    let sender = thread::spawn(move || {
        (filled..MESSAGES).for_each(|number| push.send(numbered(number)).unwrap());
        push
    });
    let mut seen = Vec::new();
    let mut peer = 0;
    while seen.len() < MESSAGES as usize {
        peer = (peer + 17) % PEERS;
        while let Ok(message) = pulls[peer].try_recv() {
            seen.push(crate::flavor::number(&message));
        }
    }
    let push = sender.join().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, (0..MESSAGES).collect::<Vec<_>>());
    drop((push, pulls));
    settle(&context, MESSAGES, MESSAGES);
}

pub(crate) fn push_finds_room_below_a_lowered_limit(flavor: Flavor) {
    const PEERS: usize = 20;
    let context = flavor.context();
    let (mut push, mut pulls) = fan(&context, PEERS);
    push.set_send_hwm(9);
    assert_eq!(push.fill(0), 10 * PEERS as u64);
    // Until the full ones are no longer looked at.
    (0..200).for_each(|_| assert_eq!(push.try_number(0), Err(SendFailure::Full)));
    push.set_send_hwm(1);
    (0..200).for_each(|_| assert_eq!(push.try_number(0), Err(SendFailure::Full)));
    for _ in 0..8 {
        pulls[3].next();
        assert_eq!(push.try_number(0), Err(SendFailure::Full), "two may be there");
    }
    let sender = thread::spawn(move || {
        push.send("room").unwrap();
        push
    });
    thread::sleep(A_WHILE);
    pulls[3].next();
    drop(sender.join().unwrap());
}

pub(crate) fn late_comers_get_their_turn(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pulls) = fan(&context, 2);
    (0..2).for_each(|number| push.try_number(number).unwrap());
    let mut late = Pull::builder().recv_hwm(1).build(&context).unwrap();
    late.connect("inproc://fan").unwrap();
    pulls.push(late);
    (2..5).for_each(|number| push.try_number(number).unwrap());
    let mut got: Vec<u64> = Vec::new();
    pulls[0].expect_numbers([0]);
    pulls[1].expect_numbers([1]);
    got.extend(pulls.iter_mut().map(|pull| pull.next_number()));
    got.sort_unstable();
    assert_eq!(got, [2, 3, 4], "one each in the round after");
}
