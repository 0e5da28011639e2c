//! Whose turn it is: PUSH goes round its peers, PULL listens round them.

use std::{collections::HashMap, thread};

use ringway::{Message, Pull, Push, WaitPolicy, socket::SendFailure};

use crate::flavor::{A_WHILE, Flavor, Receiver, Sender, World, assert_all_once, number, numbered, spread};

/// A PUSH with so many PULLs connected, each with marks of one.
fn fan(context: &World, pulls: usize) -> (Push, Vec<Pull>) {
    let mut push = context.narrow(Push::builder().send_hwm(1).wait(WaitPolicy::Park)).build(context).unwrap();
    push.bind(context.endpoint("fan")).unwrap();
    let connected = |_| {
        let mut pull = context.narrow(Pull::builder().recv_hwm(1)).build(context).unwrap();
        pull.connect(context.endpoint("fan")).unwrap();
        pull
    };
    let pulls = (0..pulls).map(connected).collect::<Vec<_>>();
    context.joined(&push, pulls.len());
    (push, pulls)
}

pub(crate) fn push_goes_round(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pulls) = fan(&context, 3);
    let first_of = |pull: &mut Pull| pull.next_number();
    // On a stream the order of the round is that in which they came.
    (0..3).for_each(|number| push.send(numbered(number)).unwrap());
    let order: Vec<u64> = pulls.iter_mut().map(first_of).collect();
    if flavor.tells_at_once() {
        assert_eq!(order, [0, 1, 2]);
    }
    assert_all_once(order.clone(), 0..3);
    for round in 1..flavor.many(10_000) {
        // All have room: what was sent to them has been received.
        context.comes_true("a round is sent", || push.can_send());
        (0..3).for_each(|peer| push.send(numbered(3 * round + peer)).unwrap());
        for (pull, place) in pulls.iter_mut().zip(&order) {
            assert_eq!(pull.next_number(), 3 * round + place);
        }
    }
}

pub(crate) fn push_skips_the_full(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pulls) = fan(&context, 3);
    let each = flavor.capacity(1, 1);
    let mut sent = push.fill(&context, 0, each.times(3));
    if flavor.serves_in_turn() {
        pulls[0].expect_numbers([0, 3]);
        pulls[2].expect_numbers([2, 5]);
        assert_eq!(push.fill(&context, 6, each.times(2)), 4, "two have room for two each");
        pulls[1].expect_numbers([1, 4]);
        assert_eq!(push.fill(&context, 10, each), 2);
        pulls[1].expect_numbers([10, 11]);
        let mut rest: Vec<u64> = [0, 2].iter().flat_map(|peer| [(); 2].map(|()| pulls[*peer].next_number())).collect();
        assert_eq!((rest[0] + 2, rest[2] + 2), (rest[1], rest[3]), "they took turns");
        rest.sort_unstable();
        assert_eq!(rest, [6, 7, 8, 9]);
        (0..3).for_each(|number| push.try_number(12 + number).unwrap());
        sent = 15;
        assert_all_once(spread(&context, &mut pulls.iter_mut().collect::<Vec<_>>(), 3), 12..15);
        sent += push.fill(&context, sent, each.times(3));
    }
    // One takes nothing, and is in nobody's way.
    let first = if flavor.serves_in_turn() { 15 } else { 0 };
    let mut seen = Vec::new();
    let [_idle, others @ ..] = &mut pulls[..] else { unreachable!() };
    let end = sent + 100;
    context.eventually("the others get what is sent", || {
        while sent < end && push.attempt(context.heavy(sent)).is_ok() {
            sent += 1;
        }
        for pull in others.iter_mut() {
            while let Ok(message) = pull.try_recv() {
                seen.push(number(&message));
            }
        }
        sent == end
    });
    // It has what it had room for, in order, and they have the rest.
    let idle_has = (end - first) as usize - seen.len();
    let mut rest = spread(&context, &mut pulls.iter_mut().collect::<Vec<_>>(), idle_has);
    seen.append(&mut rest);
    assert_all_once(seen, first..end);
}

pub(crate) fn push_returns_to_one_that_has_room_again(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pulls) = fan(&context, 3);
    let filled = push.fill(&context, 0, flavor.capacity(1, 1).times(3));
    // The first is full and skipped; the others keep up.
    let [first, others @ ..] = &mut pulls[..] else { unreachable!() };
    let mut taken = 0;
    let mut number = filled;
    let end = filled + 50;
    context.eventually("the others get what is sent", || {
        for pull in others.iter_mut() {
            while pull.try_recv().is_ok() {
                taken += 1;
            }
        }
        while number < end && push.attempt(context.heavy(number)).is_ok() {
            number += 1;
        }
        number == end
    });
    // It has room again, while the others never are full.
    context.eventually("the others have taken theirs", || {
        for pull in others.iter_mut() {
            while pull.try_recv().is_ok() {
                taken += 1;
            }
        }
        flavor.capacity(1, 1).at_most >= Some(end - taken)
    });
    while taken < end {
        if first.recv_timeout(A_WHILE).is_ok() {
            taken += 1;
        }
        for pull in others.iter_mut() {
            while pull.try_recv().is_ok() {
                taken += 1;
            }
        }
    }
    let mut share = [0; 3];
    for number in 0..30 {
        context.comes_true("there is room", || push.can_send());
        push.try_number(number).unwrap();
        let mut taken = false;
        context.eventually("somebody got it", || {
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
                seen.push(number(&message));
            }
        }
        thread::yield_now();
    }
    sender.join().unwrap();
    assert_all_once(seen, 0..MESSAGES);
}

pub(crate) fn push_waits_for_its_first_peer(flavor: Flavor) {
    for push_binds in [true, false] {
        let context = flavor.context();
        let mut push = Push::builder().send_hwm(1).wait(WaitPolicy::Park).build(&context).unwrap();
        let mut pull = Pull::new(&context).unwrap();
        assert_eq!(push.try_number(0), Err(SendFailure::NoPeer));
        if push_binds {
            push.bind(context.endpoint("first")).unwrap();
        }
        let endpoint = context.endpoint("first");
        let sender = thread::spawn(move || {
            if push_binds {
                push.send(numbered(1)).unwrap();
            } else {
                // Two: the first has room before anybody has bound, the second waits for it.
                push.connect(endpoint).unwrap();
                (1..3).for_each(|number| push.send(numbered(number)).unwrap());
            }
        });
        thread::sleep(A_WHILE);
        if push_binds {
            pull.connect(context.endpoint("first")).unwrap();
        } else {
            pull.bind(context.endpoint("first")).unwrap();
        }
        sender.join().unwrap();
        assert_eq!(pull.next_number(), 1);
    }
}

pub(crate) fn pull_is_fair_by_whole_messages(flavor: Flavor) {
    const EACH: u64 = 90;
    let context = flavor.context();
    let mut pull = Pull::new(&context).unwrap();
    pull.bind(context.endpoint("fair")).unwrap();
    let mut pushes: Vec<Push> = (0..3).map(|_| Push::new(&context).unwrap()).collect();
    for (peer, push) in pushes.iter_mut().enumerate() {
        push.connect(context.endpoint("fair")).unwrap();
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
        if flavor.delivers_at_once() {
            assert_eq!(u64::from(number), turn / 3, "one from each in turn");
        }
    }
}

pub(crate) fn pull_finds_the_one_of_many_that_talks(flavor: Flavor) {
    // Above the number of those that are looked at in any case.
    let peers = if flavor.is_stream() { 40 } else { 200 };
    let context = flavor.context();
    let mut pull = Pull::builder().wait(WaitPolicy::Park).build(&context).unwrap();
    pull.bind(context.endpoint("many")).unwrap();
    let mut pushes: Vec<Push> = (0..peers).map(|_| Push::new(&context).unwrap()).collect();
    pushes.iter_mut().for_each(|push| push.connect(context.endpoint("many")).unwrap());
    context.joined(&pull, peers);
    // Until the quiet ones are no longer looked at.
    (0..1000).for_each(|_| assert!(pull.try_recv().is_err()));
    let talker = thread::spawn(move || {
        for number in 0..1000 {
            pushes[number * 37 % peers].send(numbered(number as u64)).unwrap();
            if number % 100 == 0 {
                thread::sleep(A_WHILE / 10);
            }
        }
        pushes
    });
    assert_all_once((0..1000).map(|_| pull.next_number()).collect(), 0..1000);
    drop((talker.join().unwrap(), pull));
    context.settle(1000, 1000);
}

pub(crate) fn push_serves_many_full_peers_as_they_take(flavor: Flavor) {
    const PEERS: usize = 40;
    const MESSAGES: u64 = 1000;
    let context = flavor.context();
    let (mut push, mut pulls) = fan(&context, PEERS);
    // Before anybody takes; then until the full ones are no longer looked at.
    let mut filled = push.fill(&context, 0, flavor.capacity(1, 1).times(PEERS as u64));
    for _ in 0..200 {
        match push.attempt(context.heavy(filled)) {
            Ok(()) => filled += 1,
            Err(failure) => assert_eq!(failure, SendFailure::Full),
        }
    }
    flavor.capacity(1, 1).times(PEERS as u64).assert_holds(filled);
    let heavy = context.clone();
    let sender = thread::spawn(move || {
        (filled..MESSAGES).for_each(|number| push.send(heavy.heavy(number)).unwrap());
        push
    });
    let mut seen = Vec::new();
    let mut peer = 0;
    while seen.len() < MESSAGES as usize {
        peer = (peer + 17) % PEERS;
        while let Ok(message) = pulls[peer].try_recv() {
            seen.push(number(&message));
        }
    }
    let push = sender.join().unwrap();
    assert_all_once(seen, 0..MESSAGES);
    drop((push, pulls));
    context.settle(MESSAGES, MESSAGES);
}

pub(crate) fn push_finds_room_below_a_lowered_limit(flavor: Flavor) {
    const PEERS: usize = 20;
    let context = flavor.context();
    let (mut push, mut pulls) = fan(&context, PEERS);
    push.set_send_hwm(9);
    push.fill(&context, 0, flavor.capacity(9, 1).times(PEERS as u64));
    // Until the full ones are no longer looked at.
    (0..200).for_each(|_| _ = push.can_send());
    push.set_send_hwm(1);
    (0..200).for_each(|_| assert_eq!(push.try_number(0), Err(SendFailure::Full)));
    if flavor.capacity(1, 1).is_exact() {
        for _ in 0..8 {
            pulls[3].next();
            assert_eq!(push.try_number(0), Err(SendFailure::Full), "two may be there");
        }
    }
    let sender = thread::spawn(move || {
        push.send("room").unwrap();
        push
    });
    thread::sleep(A_WHILE);
    context.eventually("one that takes makes room", || {
        let _ = pulls[3].try_recv();
        sender.is_finished()
    });
    drop(sender.join().unwrap());
}

pub(crate) fn late_comers_get_their_turn(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pulls) = fan(&context, 2);
    (0..2).for_each(|number| push.send(numbered(number)).unwrap());
    let mut late = Pull::builder().recv_hwm(1).build(&context).unwrap();
    late.connect(context.endpoint("fan")).unwrap();
    context.joined(&push, 3);
    pulls.push(late);
    let mut got: Vec<u64> = (0..2).map(|peer| pulls[peer].next_number()).collect();
    if flavor.tells_at_once() {
        assert_eq!(got, [0, 1]);
    }
    (2..5).for_each(|number| push.send(numbered(number)).unwrap());
    // One each in the round after.
    got.extend(pulls.iter_mut().map(|pull| pull.next_number()));
    assert_all_once(got, 0..5);
}
