//! PUB, SUB, XPUB, XSUB: who gets what, who is told, what is dropped and counted.

use std::{collections::BTreeSet, thread};

use ringway::{
    Message, Pub, Sub, WaitPolicy, XPub, XSub,
    socket::{RecvError, SendFailure, WaitError},
};

use crate::flavor::{A_WHILE, Dice, Flavor, PATIENCE, Receiver, Sender, World, number, numbered};

/// A PUB bound to `name`, and a SUB of `topics` connected to it.
fn published(context: &World, name: &str, topics: &[&str]) -> (Pub, Sub) {
    let (mut publisher, mut subscriber) = (Pub::new(context).unwrap(), Sub::new(context).unwrap());
    publisher.bind(context.endpoint(name)).unwrap();
    subscriber.connect(context.endpoint(name)).unwrap();
    topics.iter().for_each(|topic| subscriber.subscribe(topic));
    told(context, &mut publisher, topics.iter().collect::<BTreeSet<_>>().len());
    (publisher, subscriber)
}

/// That `publisher` knows of so many topics: at once, unless subscriptions travel.
#[track_caller]
fn told(context: &World, publisher: &mut Pub, topics: usize) {
    context.comes_true(&format!("{topics} topics are known"), || publisher.topics() == topics);
}

/// Publishes each of `texts`.
fn publish(publisher: &mut Pub, texts: &[&str]) {
    texts.iter().for_each(|text| publisher.send(*text).unwrap());
}

/// That exactly `texts` arrive, before an end that `subscriber` subscribes to anew.
fn expect(subscriber: &mut impl Receiver, texts: &[&str]) {
    for text in texts {
        assert_eq!(subscriber.next()[0], *text);
    }
}

/// What an XPUB receives.
fn notice(wanted: bool, topic: &str) -> Message {
    Message::from([&[u8::from(wanted)], topic.as_bytes()].concat())
}

pub(crate) fn topics_are_prefixes(flavor: Flavor) {
    let context = flavor.context();
    let (mut publisher, mut subscriber) = published(&context, "prefixes", &["ab", "x"]);
    publish(&mut publisher, &["a", "ab", "abc", "b", "", "xyz", "Ab", "x"]);
    expect(&mut subscriber, &["ab", "abc", "xyz", "x"]);
    // To nothing: nothing arrives. To everything: everything.
    assert!(subscriber.unsubscribe("ab") && subscriber.unsubscribe("x") && !subscriber.unsubscribe("never"));
    told(&context, &mut publisher, 0);
    publish(&mut publisher, &["abc", "x"]);
    subscriber.subscribe("");
    told(&context, &mut publisher, 1);
    publish(&mut publisher, &["", "anything"]);
    expect(&mut subscriber, &["", "anything"]);
    assert_eq!(subscriber.topics(), 1);
    assert_eq!(publisher.topics(), 1);
}

pub(crate) fn subscribing_twice_takes_two_to_end_and_brings_one_copy(flavor: Flavor) {
    let context = flavor.context();
    let (mut publisher, mut subscriber) = published(&context, "twice", &["a", "a", "", "ab"]);
    publish(&mut publisher, &["abc", "z"]);
    expect(&mut subscriber, &["abc", "z"]);
    subscriber.unsubscribe("");
    subscriber.unsubscribe("ab");
    subscriber.unsubscribe("a");
    told(&context, &mut publisher, 1);
    publish(&mut publisher, &["z", "ab", "z"]);
    subscriber.unsubscribe("a");
    told(&context, &mut publisher, 0);
    publish(&mut publisher, &["ab"]);
    subscriber.subscribe("end");
    told(&context, &mut publisher, 1);
    publish(&mut publisher, &["end"]);
    // "ab" was sent while it was subscribed to, and is not any more.
    expect(&mut subscriber, &["end"]);
    assert_eq!(subscriber.counters().filtered, 1);
    assert_eq!(publisher.counters().deliveries, 4);
}

pub(crate) fn subscriptions_find_publishers_early_and_late(flavor: Flavor) {
    let context = flavor.context();
    // Before connecting, before binding, with a publisher that binds or connects later.
    let mut subscriber = Sub::builder().subscribe("built").build(&context).unwrap();
    subscriber.subscribe("early");
    subscriber.connect(context.endpoint("late-bind")).unwrap();
    subscriber.bind(context.endpoint("bound-by-sub")).unwrap();
    subscriber.subscribe("late");
    let (mut binds, mut connects) = (Pub::new(&context).unwrap(), Pub::new(&context).unwrap());
    binds.bind(context.endpoint("late-bind")).unwrap();
    connects.connect(context.endpoint("bound-by-sub")).unwrap();
    for publisher in [&mut binds, &mut connects] {
        // The subscriber has not called in since.
        told(&context, publisher, 3);
        assert_eq!(publisher.subscribers(), 1);
        publish(publisher, &["built", "nothing", "early", "late"]);
    }
    let mut texts: Vec<_> = (0..6).map(|_| subscriber.next()[0].as_str().unwrap().to_owned()).collect();
    texts.sort();
    assert_eq!(texts, ["built", "built", "early", "early", "late", "late"]);
    drop(subscriber);
    context.eventually("they hear of it", || binds.subscribers() + connects.subscribers() == 0);
    publish(&mut binds, &["early"]);
    assert_eq!(binds.counters().deliveries, 3);
}

pub(crate) fn topic_is_the_first_frame(flavor: Flavor) {
    let context = flavor.context();
    let (mut publisher, mut subscriber) = published(&context, "frames", &["a"]);
    let parts: Message = ["b", "a"].into_iter().collect();
    publisher.send(parts).unwrap();
    let parts: Message = ["ab", "", "b"].into_iter().collect();
    publisher.send(parts.clone()).unwrap();
    assert_eq!(subscriber.next(), parts);
    assert_eq!(publisher.try_send(Message::new()).unwrap_err().reason, SendFailure::NoFrames);
}

pub(crate) fn a_full_subscriber_misses_the_newest(flavor: Flavor) {
    let context = flavor.context();
    let mut publisher = Pub::builder().send_hwm(2).build(&context).unwrap();
    publisher.bind(context.endpoint("full")).unwrap();
    let subscriber = || {
        let builder = Sub::builder().recv_hwm(3).subscribe("").report_missed();
        let mut subscriber = builder.build(&context).unwrap();
        subscriber.connect(context.endpoint("full")).unwrap();
        subscriber
    };
    let (mut slow, mut quick) = (subscriber(), subscriber());
    for number in 0..8 {
        publisher.try_number(number).unwrap();
        quick.expect_numbers([number]);
    }
    assert_eq!(publisher.counters().dropped, 3);
    assert_eq!(slow.recv().unwrap_err(), RecvError::Missed);
    assert_eq!(slow.missed(), 3);
    slow.expect_numbers(0..5);
    assert_eq!(slow.try_recv().unwrap_err(), RecvError::Empty);
    publisher.try_number(8).unwrap();
    slow.expect_numbers([8]);
    quick.expect_numbers([8]);
    assert_eq!((slow.missed(), quick.missed()), (3, 0));
    // A miss is told before what was sent after it.
    (10..16).for_each(|number| publisher.try_number(number).unwrap());
    let mut seen = Vec::new();
    loop {
        match slow.recv_timeout(PATIENCE) {
            Ok(message) => seen.push(number(&message)),
            Err(error) => {
                assert_eq!(error, RecvError::Missed);
                break;
            }
        }
    }
    assert!(seen.iter().copied().eq(10..10 + seen.len() as u64));
    slow.expect_numbers(10 + seen.len() as u64..15);
    assert_eq!(slow.missed(), 4);
}

pub(crate) fn what_a_full_subscriber_misses_is_counted(flavor: Flavor) {
    let context = flavor.context();
    let mut publisher = context.narrow(Pub::builder().send_hwm(2)).build(&context).unwrap();
    publisher.bind(context.endpoint("full")).unwrap();
    let subscriber = |recv_hwm| {
        let mut subscriber = context.narrow(Sub::builder().recv_hwm(recv_hwm).subscribe("")).build(&context).unwrap();
        subscriber.connect(context.endpoint("full")).unwrap();
        subscriber
    };
    let (mut slow, mut quick) = (subscriber(3), subscriber(1000));
    context.comes_true("both have subscribed", || publisher.subscribers() == 2);
    let (capacity, mut sent) = (flavor.capacity(2, 3), 0);
    context.eventually("three are dropped", || {
        publisher.send(context.heavy(sent)).unwrap();
        // One that keeps up gets all.
        quick.expect_numbers([sent]);
        sent += 1;
        publisher.counters().dropped >= 3
    });
    capacity.assert_admits(sent - 3);
    assert_eq!(publisher.counters().deliveries + publisher.counters().dropped, 2 * sent);
    let kept = sent - publisher.counters().dropped;
    let received: Vec<u64> = (0..kept).map(|_| slow.next_number()).collect();
    assert!(received.is_sorted() && received[0] == 0, "the oldest stay: {received:?}");
    publisher.send(context.heavy(sent)).unwrap();
    slow.expect_numbers([sent]);
    quick.expect_numbers([sent]);
    assert_eq!(publisher.counters().deliveries + publisher.counters().dropped, 2 * (sent + 1));
}

pub(crate) fn nobody_misses_when_nobody_may(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive] {
        let context = flavor.context();
        let builder = context.narrow(XPub::builder().send_hwm(1).no_drop().wait(policy));
        let mut publisher = builder.build(&context).unwrap();
        publisher.bind(context.endpoint("nobody")).unwrap();
        let subscriber = || {
            let builder = context.narrow(Sub::builder().recv_hwm(1).subscribe(""));
            let mut subscriber = builder.build(&context).unwrap();
            subscriber.connect(context.endpoint("nobody")).unwrap();
            subscriber
        };
        let (mut first, mut second) = (subscriber(), subscriber());
        context.comes_true("both have subscribed", || publisher.subscribers() == 2);
        let held = publisher.fill(&context, 0, flavor.capacity(1, 1));
        first.expect_numbers(0..held);
        // One has room, and nobody gets it while the other has none.
        if flavor.capacity(1, 1).is_exact() {
            assert_eq!(publisher.try_number(2), Err(SendFailure::Full));
        }
        let sender = thread::spawn(move || {
            (held..500).for_each(|number| publisher.send(numbered(number)).unwrap());
            publisher
        });
        let other = thread::spawn(move || {
            thread::sleep(A_WHILE);
            second.expect_numbers(0..500);
        });
        first.expect_numbers(held..500);
        other.join().unwrap();
        let publisher = sender.join().unwrap();
        assert_eq!(publisher.counters().dropped, 0);
        assert_eq!(publisher.counters().deliveries, 1000);
    }
}

pub(crate) fn many_publishers_are_heard_in_turn(flavor: Flavor) {
    let context = flavor.context();
    let mut subscriber = Sub::builder().subscribe("").build(&context).unwrap();
    subscriber.bind(context.endpoint("turns")).unwrap();
    let mut publishers: Vec<_> = (0..20_u64)
        .map(|_| {
            let mut publisher = Pub::new(&context).unwrap();
            publisher.connect(context.endpoint("turns")).unwrap();
            publisher.wait_for_subscribers(1, PATIENCE).unwrap();
            publisher
        })
        .collect();
    for (number, publisher) in publishers.iter_mut().enumerate() {
        (0..50).for_each(|_| publisher.try_number(number as u64).unwrap());
    }
    let mut heard = [0; 20];
    for _ in 0..20 * 50 {
        heard[subscriber.next_number() as usize] += 1;
    }
    assert_eq!(heard, [50; 20]);
    if flavor.delivers_at_once() {
        // All are there: a round is one of each.
        publishers.iter_mut().enumerate().for_each(|(number, publisher)| {
            (0..3).for_each(|_| publisher.try_number(number as u64).unwrap());
        });
        for _ in 0..3 {
            let round: BTreeSet<_> = (0..20).map(|_| subscriber.next_number()).collect();
            assert_eq!(round.len(), 20);
        }
    }
}

pub(crate) fn payloads_are_shared_between_subscribers(flavor: Flavor) {
    let context = flavor.context();
    let (mut publisher, mut first) = published(&context, "shared", &[""]);
    let mut second = Sub::builder().subscribe("").build(&context).unwrap();
    second.connect(context.endpoint("shared")).unwrap();
    context.comes_true("both have subscribed", || publisher.subscribers() == 2);
    let payload = vec![7; 10_000];
    let at = payload.as_ptr();
    publisher.send(payload).unwrap();
    let (one, other) = (first.next(), second.next());
    assert!(one[0] == [7; 10_000] && one == other);
    if flavor.shares_memory() {
        assert_eq!((one[0].as_ptr(), other[0].as_ptr()), (at, at));
    }
    for size in [0, 1, 56, 57, 200, 256, 257] {
        publisher.send(vec![size as u8; size]).unwrap();
        assert_eq!(first.next()[0], vec![size as u8; size]);
        assert_eq!(second.next()[0], vec![size as u8; size]);
    }
}

pub(crate) fn xpub_is_told_of_topics(flavor: Flavor) {
    let context = flavor.context();
    let mut publisher = XPub::new(&context).unwrap();
    publisher.bind(context.endpoint("told")).unwrap();
    let subscriber = || {
        let mut subscriber = Sub::new(&context).unwrap();
        subscriber.connect(context.endpoint("told")).unwrap();
        subscriber
    };
    let (mut first, mut second) = (subscriber(), subscriber());
    first.subscribe("a");
    assert_eq!(publisher.next(), notice(true, "a"));
    second.subscribe("a");
    first.subscribe("a");
    second.subscribe("");
    assert_eq!(publisher.next(), notice(true, ""));
    first.unsubscribe("a");
    first.unsubscribe("a");
    assert_eq!(publisher.try_recv().unwrap_err(), RecvError::Empty);
    drop(second);
    let mut ends = [publisher.next(), publisher.next()];
    ends.sort_by_key(|message| message[0].len());
    assert_eq!(ends, [notice(false, ""), notice(false, "a")]);
    context.comes_true("nobody is left", || (publisher.topics(), publisher.subscribers()) == (0, 0));
}

pub(crate) fn xpub_is_told_more_when_verbose(flavor: Flavor) {
    for everything in [false, true] {
        let context = flavor.context();
        let builder = if everything { XPub::builder().verboser() } else { XPub::builder().verbose() };
        let mut publisher = builder.build(&context).unwrap();
        publisher.bind(context.endpoint("verbose")).unwrap();
        let mut subscribers: Vec<_> = (0..2)
            .map(|_| {
                let mut subscriber = Sub::new(&context).unwrap();
                subscriber.connect(context.endpoint("verbose")).unwrap();
                subscriber
            })
            .collect();
        subscribers.iter_mut().for_each(|subscriber| subscriber.subscribe("t"));
        subscribers[0].subscribe("t");
        (0..3).for_each(|_| assert_eq!(publisher.next(), notice(true, "t")));
        subscribers[0].unsubscribe("t");
        subscribers[0].unsubscribe("t");
        subscribers[1].unsubscribe("t");
        (0..1 + usize::from(everything)).for_each(|_| assert_eq!(publisher.next(), notice(false, "t")));
        assert_eq!(publisher.try_recv().unwrap_err(), RecvError::Empty);
    }
}

pub(crate) fn xpub_that_does_not_listen_is_told_the_state(flavor: Flavor) {
    let context = flavor.context();
    let mut publisher = XPub::builder().verbose().build(&context).unwrap();
    publisher.bind(context.endpoint("deaf")).unwrap();
    let mut subscriber = Sub::new(&context).unwrap();
    subscriber.connect(context.endpoint("deaf")).unwrap();
    let mut dice = Dice(7);
    let mut wanted = BTreeSet::new();
    for round in 0..if flavor.is_stream() { 5_000 } else { 30_000 } {
        let topic = dice.roll(50);
        if wanted.remove(&topic) {
            assert!(subscriber.unsubscribe(topic.to_string()));
        } else {
            wanted.insert(topic);
            subscriber.subscribe(topic.to_string());
        }
        if round % 100 == 0 {
            // Sending takes note of them; nobody receives.
            publisher.send("x").unwrap();
        }
    }
    let mut told = BTreeSet::new();
    context.comes_true("it is told the state", || {
        while let Ok(message) = publisher.try_recv() {
            let topic: u64 = std::str::from_utf8(&message[0][1..]).unwrap().parse().unwrap();
            assert!(if message[0][0] == 1 { told.insert(topic) } else { told.remove(&topic) });
        }
        told == wanted
    });
}

pub(crate) fn manual_xpub_decides(flavor: Flavor) {
    let context = flavor.context();
    let mut publisher = XPub::builder().manual().build(&context).unwrap();
    assert!(publisher.subscribe("a").is_err());
    publisher.bind(context.endpoint("manual")).unwrap();
    let (mut first, mut second) = (Sub::new(&context).unwrap(), Sub::new(&context).unwrap());
    for subscriber in [&mut first, &mut second] {
        subscriber.connect(context.endpoint("manual")).unwrap();
    }
    first.subscribe("A");
    assert_eq!(publisher.next(), notice(true, "A"));
    publisher.subscribe("XA").unwrap();
    second.subscribe("A");
    second.subscribe("XA");
    assert_eq!(publisher.next(), notice(true, "A"));
    assert_eq!(publisher.next(), notice(true, "XA"));
    publisher.send("A").unwrap();
    publisher.send("XA").unwrap();
    assert_eq!(publisher.counters().deliveries, 1, "to the first, who asked for something else");
    publisher.subscribe("XA").unwrap();
    publisher.send("XA2").unwrap();
    assert_eq!(second.next()[0], "XA2");
    first.unsubscribe("A");
    assert_eq!(publisher.next(), notice(false, "A"));
    publisher.unsubscribe("XA").unwrap();
    publisher.send("XA3").unwrap();
    assert_eq!(second.next()[0], "XA3");
    assert_eq!(publisher.counters().deliveries, 4);
    drop(second);
    let mut ends = [publisher.next(), publisher.next()];
    ends.sort_by_key(|message| message[0].len());
    assert_eq!(ends, [notice(false, "A"), notice(false, "XA")]);
    drop(first);
    context.eventually("it is alone", || publisher.subscribers() == 0 && publisher.peers() == 0);
    assert!(publisher.subscribe("XA").is_err());
}

pub(crate) fn a_welcome_comes_first(flavor: Flavor) {
    let context = flavor.context();
    let mut publisher = XPub::builder().welcome("W hello").build(&context).unwrap();
    // The last of its topics is each one's own: who knows it knows the others.
    let mut early = Sub::builder().subscribe("W").subscribe("end").subscribe("1").build(&context).unwrap();
    early.connect(context.endpoint("welcome")).unwrap();
    publisher.bind(context.endpoint("welcome")).unwrap();
    let mut late = Sub::builder().subscribe("W").subscribe("end").subscribe("2").build(&context).unwrap();
    late.connect(context.endpoint("welcome")).unwrap();
    let mut stranger = Sub::builder().subscribe("end").subscribe("3").build(&context).unwrap();
    stranger.connect(context.endpoint("welcome")).unwrap();
    context.comes_true("all topics are known", || publisher.topics() == 5);
    publisher.send("end").unwrap();
    expect(&mut early, &["W hello", "end"]);
    expect(&mut late, &["W hello", "end"]);
    expect(&mut stranger, &["end"]);
}

pub(crate) fn inverted_matching_brings_the_rest(flavor: Flavor) {
    let context = flavor.context();
    let mut publisher = Pub::builder().invert_matching().build(&context).unwrap();
    publisher.bind(context.endpoint("inverted")).unwrap();
    let builder = Sub::builder().invert_matching().subscribe("a").subscribe("b");
    let mut subscriber = builder.build(&context).unwrap();
    subscriber.connect(context.endpoint("inverted")).unwrap();
    told(&context, &mut publisher, 2);
    publish(&mut publisher, &["a1", "c1", "b1", "d"]);
    expect(&mut subscriber, &["c1", "d"]);
    subscriber.unsubscribe("b");
    told(&context, &mut publisher, 1);
    publish(&mut publisher, &["b2", "a2"]);
    expect(&mut subscriber, &["b2"]);
    publish(&mut publisher, &["c3"]);
    subscriber.subscribe("c");
    told(&context, &mut publisher, 2);
    publish(&mut publisher, &["c4", "d5"]);
    expect(&mut subscriber, &["d5"]);
}

pub(crate) fn xsub_subscribes_by_sending(flavor: Flavor) {
    let context = flavor.context();
    let (mut publisher, mut plain) = (XPub::new(&context).unwrap(), Pub::new(&context).unwrap());
    publisher.bind(context.endpoint("xsub-x")).unwrap();
    plain.bind(context.endpoint("xsub-p")).unwrap();
    let mut subscriber = XSub::new(&context).unwrap();
    subscriber.connect(context.endpoint("xsub-x")).unwrap();
    subscriber.connect(context.endpoint("xsub-p")).unwrap();
    subscriber.send(notice(true, "t")).unwrap();
    assert_eq!(publisher.next(), notice(true, "t"));
    told(&context, &mut plain, 1);
    publisher.send("t1").unwrap();
    plain.send("t2").unwrap();
    let mut texts = [subscriber.next()[0].to_vec(), subscriber.next()[0].to_vec()];
    texts.sort();
    assert_eq!(texts, [b"t1", b"t2"]);
    // Anything else is a message for those who receive.
    subscriber.send("to you").unwrap();
    let parts: Message = [&[1_u8][..], b"no subscription"].into_iter().collect();
    subscriber.send(parts.clone()).unwrap();
    assert_eq!(publisher.next()[0], "to you");
    assert_eq!(publisher.next(), parts);
    for other in ["", "\u{2}t"] {
        subscriber.send(other).unwrap();
        assert_eq!(publisher.next(), other.into());
    }
    assert_eq!(subscriber.counters().deliveries, 4);
    subscriber.send(notice(false, "t")).unwrap();
    assert_eq!(publisher.next(), notice(false, "t"));
    told(&context, &mut plain, 0);
}

/// Whether they are calls of a SUB or messages of an XSUB, and whether or not the publisher looks meanwhile.
pub(crate) fn subscriptions_are_told_in_the_order_they_were_made(flavor: Flavor) {
    let context = flavor.context();
    let changes =
        [(true, "a"), (true, "b"), (false, "a"), (true, ""), (true, "a"), (false, "b"), (false, ""), (false, "a")];
    let (mut publisher, mut sub) = (XPub::new(&context).unwrap(), Sub::new(&context).unwrap());
    publisher.bind(context.endpoint("order")).unwrap();
    sub.connect(context.endpoint("order")).unwrap();
    context.joined(&publisher, 1);
    for (wanted, topic) in changes {
        if wanted {
            sub.subscribe(topic);
        } else {
            assert!(sub.unsubscribe(topic));
        }
    }
    changes.iter().for_each(|(wanted, topic)| assert_eq!(publisher.next(), notice(*wanted, topic)));
    let mut xsub = XSub::new(&context).unwrap();
    xsub.connect(context.endpoint("order")).unwrap();
    context.joined(&publisher, 2);
    for (wanted, topic) in changes {
        xsub.send(notice(wanted, topic)).unwrap();
        // What there is none of to be taken back is nobody's business.
        xsub.send(notice(false, "not there")).unwrap();
    }
    changes.iter().for_each(|(wanted, topic)| assert_eq!(publisher.next(), notice(*wanted, topic)));
    assert_eq!(publisher.try_recv(), Err(RecvError::Empty));
}

pub(crate) fn a_forwarder_passes_subscriptions_up_and_messages_down(flavor: Flavor) {
    let context = flavor.context();
    let mut source = Pub::new(&context).unwrap();
    source.bind(context.endpoint("source")).unwrap();
    let (mut frontend, mut backend) = (XSub::new(&context).unwrap(), XPub::new(&context).unwrap());
    frontend.connect(context.endpoint("source")).unwrap();
    backend.bind(context.endpoint("forwarded")).unwrap();
    let mut sinks: Vec<_> = ["a", "b"]
        .map(|topic| {
            let mut sink = Sub::builder().subscribe(topic).build(&context).unwrap();
            sink.connect(context.endpoint("forwarded")).unwrap();
            sink
        })
        .into();
    (0..2).for_each(|_| frontend.send(backend.next()).unwrap());
    told(&context, &mut source, 2);
    publish(&mut source, &["a1", "c1", "b1", "a2"]);
    (0..3).for_each(|_| backend.send(frontend.next()).unwrap());
    expect(&mut sinks[0], &["a1", "a2"]);
    expect(&mut sinks[1], &["b1"]);
    drop(sinks);
    (0..2).for_each(|_| frontend.send(backend.next()).unwrap());
    told(&context, &mut source, 0);
}

pub(crate) fn a_publisher_waits_for_its_subscribers(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive] {
        let context = flavor.context();
        let mut publisher = Pub::builder().wait(policy).build(&context).unwrap();
        publisher.bind(context.endpoint("awaited")).unwrap();
        assert_eq!(publisher.wait_for_subscribers(1, A_WHILE), Err(WaitError::TimedOut));
        let waiting = thread::spawn(move || {
            publisher.wait_for_subscribers(3, PATIENCE).unwrap();
            publisher.send("begin").unwrap();
            publisher
        });
        let mut subscribers: Vec<_> = (0..3)
            .map(|_| {
                let mut subscriber = Sub::new(&context).unwrap();
                subscriber.connect(context.endpoint("awaited")).unwrap();
                subscriber
            })
            .collect();
        for subscriber in &mut subscribers {
            thread::sleep(A_WHILE / 4);
            subscriber.subscribe("");
        }
        subscribers.iter_mut().for_each(|subscriber| expect(subscriber, &["begin"]));
        let mut publisher = waiting.join().unwrap();
        context.shutdown(std::time::Duration::ZERO);
        assert_eq!(publisher.wait_for_subscribers(9, PATIENCE), Err(WaitError::ContextClosed));
    }
}

pub(crate) fn deliveries_add_up(flavor: Flavor) {
    const MESSAGES: u64 = 3_000;
    let context = flavor.context();
    let mut publisher = Pub::builder().send_hwm(20).build(&context).unwrap();
    publisher.bind(context.endpoint("add-up")).unwrap();
    let subscribers: Vec<_> = (0..3_u64)
        .map(|seed| {
            let mut subscriber = Sub::builder().recv_hwm(20).subscribe("").build(&context).unwrap();
            subscriber.connect(context.endpoint("add-up")).unwrap();
            thread::spawn(move || {
                let mut dice = Dice(seed);
                while dice.roll(400) > 0 {
                    if dice.roll(10) == 0 {
                        let topic = [dice.roll(3) as u8];
                        subscriber.subscribe(topic);
                        subscriber.unsubscribe(topic);
                    }
                    match subscriber.recv_timeout(A_WHILE) {
                        Ok(_) | Err(RecvError::TimedOut) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
                let counters = subscriber.counters();
                counters.messages_received
            })
        })
        .collect();
    (0..MESSAGES).for_each(|number| publisher.try_number(number).unwrap());
    let received: u64 = subscribers.into_iter().map(|subscriber| subscriber.join().unwrap()).sum();
    context.eventually("they have left", || publisher.subscribers() == 0);
    let counters = publisher.counters();
    assert_eq!(counters.messages_sent, MESSAGES);
    drop(publisher);
    context.settle(counters.deliveries, received);
}
