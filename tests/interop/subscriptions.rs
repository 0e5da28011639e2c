//! Subscriptions: told exactly, in time, and again after a restart.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use ringway::SocketType::{Pub, Sub, XPub};

use crate::{
    case::{Binds, Case, Maker},
    party::{PATIENCE, Party, QUIET, Setting, Socket},
};

const NONE: &[Setting] = &[];
/// Subscriptions of libzmq are messages, and those beyond a mark are lost.
const UNLIMITED: &[Setting] = &[Setting::SendHwm(0), Setting::RecvHwm(0)];

fn wanted(topic: &[u8]) -> Vec<u8> {
    [b"\x01", topic].concat()
}

fn unwanted(topic: &[u8]) -> Vec<u8> {
    [b"\x00", topic].concat()
}

/// Takes as many notices as there are topics: each of them, in any order.
#[track_caller]
fn expect_each(xpub: &mut dyn Socket, notices: impl IntoIterator<Item = Vec<u8>>) {
    let expected: BTreeSet<Vec<u8>> = notices.into_iter().collect();
    let told: BTreeSet<Vec<u8>> = expected.iter().flat_map(|_| xpub.recv()).collect();
    assert!(told == expected, "{} notices, {} of those expected", told.len(), told.intersection(&expected).count());
}

/// Takes notices until exactly these topics are wanted, and no notice follows. On the way there may be others: what was
/// taken back while nobody was there may be told and taken back.
#[track_caller]
fn expect_state(xpub: &mut dyn Socket, topics: impl IntoIterator<Item = Vec<u8>>) {
    let expected: BTreeSet<Vec<u8>> = topics.into_iter().collect();
    let mut state = BTreeSet::new();
    loop {
        let patience = if state == expected { QUIET } else { PATIENCE };
        let Some(mut notice) = xpub.recv_within(patience) else { break };
        let topic = notice[0].split_off(1);
        let _ = if notice[0] == [1] { state.insert(topic) } else { state.remove(&topic) };
    }
    assert!(
        state == expected,
        "{} topics, {} of {} expected",
        state.len(),
        expected.intersection(&state).count(),
        expected.len()
    );
}

/// Both ways round: the near side publishes, and the far one; and who it is that subscribes.
fn each_publishes(case: Case, settings: &[Setting], test: fn(&mut dyn Socket, &mut dyn Socket, Maker)) {
    let test = |xpub: &mut dyn Socket, sub: &mut dyn Socket, subscribes| {
        xpub.await_peer();
        sub.await_peer();
        test(xpub, sub, subscribes);
    };
    case.linked((XPub, settings), (Sub, settings), |near, far| test(near, far, case.far));
    case.linked((Sub, settings), (XPub, settings), |near, far| test(far, near, case.near));
}

pub(crate) fn xpub_is_told_exactly(case: Case) {
    each_publishes(case, NONE, |xpub, sub, _| {
        sub.subscribe(b"A");
        xpub.expect([wanted(b"A")]);
        sub.subscribe(b"A");
        sub.subscribe(b"");
        xpub.expect([wanted(b"")]);
        sub.subscribe(b"\x00\x01\xff");
        xpub.expect([wanted(b"\x00\x01\xff")]);
        sub.unsubscribe(b"A");
        sub.unsubscribe(b"");
        xpub.expect([unwanted(b"")]);
        sub.unsubscribe(b"A");
        xpub.expect([unwanted(b"A")]);
        xpub.send(["A", "not any more"]);
        xpub.send([b"\x00\x01\xff\x00", b"\x01\x02\x03\x04"]);
        sub.expect([b"\x00\x01\xff\x00", b"\x01\x02\x03\x04"]);
        sub.expect_nothing();
        xpub.expect_nothing();
    });
}

pub(crate) fn topics_of_every_length(case: Case) {
    each_publishes(case, NONE, |xpub, sub, subscribes| {
        for length in [0, 1, 2, 55, 56, 57, 244, 245, 246, 253, 254, 255, 256, 257, 1000, 10_000] {
            // Debian's libzmq 4.3.4 does not say that the length of a longer SUBSCRIBE is eight bytes (mended in 4.3.5).
            if length > 245 && subscribes == Maker::Libzmq {
                break;
            }
            let topic: Vec<u8> = (0..length).map(|index| index as u8).collect();
            sub.subscribe(&topic);
            xpub.expect([wanted(&topic)]);
            let message = [[&*topic, b"!"].concat(), b"body".to_vec()];
            xpub.send(&message);
            sub.expect(&message);
            sub.unsubscribe(&topic);
            xpub.expect([unwanted(&topic)]);
            xpub.send(&message);
        }
        sub.expect_nothing();
    });
}

/// Unless it is verbose only the first to want a topic is told of, and the last.
pub(crate) fn verbose_tells_of_all(case: Case) {
    for (near_publishes, verbose) in [(true, false), (true, true), (false, false), (false, true)] {
        println!("near publishes: {near_publishes}, verbose: {verbose}");
        let (publishing, subscribing) =
            if near_publishes { (case.near(), case.far()) } else { (case.far(), case.near()) };
        let settings: &[Setting] = if verbose { &[Setting::Verbose] } else { NONE };
        let mut xpub = publishing.socket(XPub, settings);
        let endpoint = xpub.bind(&case.road.to_bind());
        let subscribe = |topic: &[u8]| {
            let mut sub = subscribing.socket(Sub, NONE);
            sub.connect(&endpoint);
            sub.subscribe(topic);
            sub
        };
        let first = subscribe(b"A");
        xpub.expect([wanted(b"A")]);
        let mut second = subscribe(b"A");
        if verbose {
            xpub.expect([wanted(b"A")]);
        }
        second.subscribe(b"B");
        xpub.expect([wanted(b"B")]);
        drop(first);
        second.unsubscribe(b"B");
        xpub.expect([unwanted(b"B")]);
        xpub.send(["A", "still"]);
        second.expect(["A", "still"]);
        drop(second);
        xpub.expect([unwanted(b"A")]);
    }
}

pub(crate) fn before_and_after_connecting(case: Case) {
    for (near_publishes, binds) in [(true, Binds::Near), (true, Binds::Far), (false, Binds::Near), (false, Binds::Far)]
    {
        println!("near publishes: {near_publishes}, {binds:?} binds");
        let (near_party, far_party) = (case.near(), case.far());
        let (near_kind, far_kind) = if near_publishes { (XPub, Sub) } else { (Sub, XPub) };
        let mut near = near_party.socket(near_kind, NONE);
        let mut far = far_party.socket(far_kind, NONE);
        let subscriber = if near_publishes { &mut far } else { &mut near };
        subscriber.subscribe(b"early");
        case.link(&mut *near, &mut *far, binds);
        let (publisher, subscriber) = if near_publishes { (&mut near, &mut far) } else { (&mut far, &mut near) };
        subscriber.await_peer();
        subscriber.subscribe(b"late");
        expect_each(&mut **publisher, [wanted(b"early"), wanted(b"late")]);
        for topic in ["early", "never", "late", "early"] {
            publisher.send([topic]);
        }
        ["early", "late", "early"].into_iter().for_each(|topic| subscriber.expect([topic]));
    }
}

pub(crate) fn very_many_topics(case: Case) {
    const MANY: usize = 5000;
    each_publishes(case, UNLIMITED, |xpub, sub, _| {
        let topic = |number: usize| format!("{number}:").into_bytes();
        (0..MANY).for_each(|number| sub.subscribe(&topic(number)));
        expect_each(xpub, (0..MANY).map(|number| wanted(&topic(number))));
        (0..MANY).step_by(2).for_each(|number| sub.unsubscribe(&topic(number)));
        expect_each(xpub, (0..MANY).step_by(2).map(|number| unwanted(&topic(number))));
        (0..MANY).step_by(50).for_each(|number| {
            xpub.send([topic(number)]);
            xpub.send([topic(number + 1)]);
        });
        (0..MANY).step_by(50).for_each(|number| sub.expect([topic(number + 1)]));
        sub.expect_nothing();
    });
}

/// The publisher is gone and comes back where it was: it is told all subscriptions again.
pub(crate) fn a_publisher_that_restarts_is_told_again(case: Case) {
    for near_publishes in [true, false] {
        println!("near publishes: {near_publishes}");
        let publishing = || if near_publishes { case.near() } else { case.far() };
        let subscribing = if near_publishes { case.far() } else { case.near() };
        let mut sub = subscribing.socket(Sub, NONE);
        let topics: Vec<Vec<u8>> = (0..50_u8).map(|topic| vec![b't', topic]).collect();
        topics.iter().for_each(|topic| sub.subscribe(topic));
        sub.subscribe(b"gone");
        let endpoint = case.road.unbound();
        sub.connect(&endpoint);
        for life in 0..3 {
            println!("life {life}");
            let party = publishing();
            let mut xpub = party.socket(XPub, NONE);
            xpub.bind(&endpoint);
            sub.await_peer();
            let old = (life == 0).then(|| b"gone".to_vec());
            let new = (life == 2).then(|| b"new".to_vec());
            expect_state(&mut *xpub, topics.iter().cloned().chain(old).chain(new));
            xpub.send([&topics[7][..], &[life]]);
            sub.expect([&topics[7][..], &[life]]);
            end(party, xpub);
            sub.await_loss();
            // While nobody is there.
            match life {
                0 => sub.unsubscribe(b"gone"),
                _ => sub.subscribe(b"new"),
            }
        }
    }
}

/// A subscriber that goes takes what it wanted along, and another begins anew.
pub(crate) fn a_subscriber_that_restarts(case: Case) {
    for near_publishes in [true, false] {
        println!("near publishes: {near_publishes}");
        let publishing = if near_publishes { case.near() } else { case.far() };
        let subscribing = || if near_publishes { case.far() } else { case.near() };
        let mut xpub = publishing.socket(XPub, NONE);
        let endpoint = xpub.bind(&case.road.to_bind());
        for life in 0..3_u8 {
            println!("life {life}");
            let party = subscribing();
            let mut sub = party.socket(Sub, NONE);
            sub.subscribe(&[life]);
            sub.connect(&endpoint);
            xpub.expect([wanted(&[life])]);
            (0..3).for_each(|topic| xpub.send([[topic], [b'!']]));
            sub.expect([[life], [b'!']]);
            sub.expect_nothing();
            end(party, sub);
            xpub.expect([unwanted(&[life])]);
        }
    }
}

fn end(party: Box<dyn Party>, socket: Box<dyn Socket>) {
    party.kill();
    drop(socket);
    drop(party);
}

/// A slow subscriber misses what it has no room for; a quick one misses nothing, and nobody waits.
pub(crate) fn a_slow_subscriber_does_not_hold_up_others(case: Case) {
    // Twice what the slow one's queues and the system's buffers hold.
    const MANY: u64 = 4000;
    for near_publishes in [true, false] {
        println!("near publishes: {near_publishes}");
        let (publishing, subscribing) =
            if near_publishes { (case.near(), case.far()) } else { (case.far(), case.near()) };
        // Far above what is under way to the quick one: libzmq hears of room late, and drops what it thinks has none.
        let mut publisher = publishing.socket(XPub, &[Setting::SendHwm(1000)]);
        let endpoint = publisher.bind(&case.road.to_bind());
        let mut slow = subscribing.socket(Sub, &[Setting::RecvHwm(10)]);
        let mut quick = subscribing.socket(Sub, NONE);
        for (sub, topic) in [(&mut slow, &b"s"[..]), (&mut quick, b"q")] {
            sub.subscribe(topic);
            sub.connect(&endpoint);
            publisher.expect([wanted(topic)]);
        }
        slow.subscribe(b"both");
        quick.subscribe(b"both");
        publisher.expect([wanted(b"both")]);
        // The other's, which need not be told, has come by then.
        slow.subscribe(b"last");
        quick.subscribe(b"of all");
        expect_each(&mut *publisher, [wanted(b"last"), wanted(b"of all")]);
        let body = vec![7; 10_000];
        for number in 0..MANY {
            publisher.send([&b"both"[..], &number.to_le_bytes(), &body]);
            if number % 50 == 49 {
                (number - 49..=number).for_each(|number| quick.expect([&b"both"[..], &number.to_le_bytes(), &body]));
            }
        }
        let mut last = None;
        let mut taken = 0;
        while let Some(parts) = slow.recv_within(QUIET) {
            let number = u64::from_le_bytes(parts[1][..].try_into().expect("eight bytes"));
            assert!(last < Some(number), "in order");
            last = Some(number);
            taken += 1;
        }
        assert!((10..MANY).contains(&taken), "the slow one got {taken}");
    }
}

/// A PUB that is not told anything works the same way.
pub(crate) fn pub_keeps_to_subscriptions(case: Case) {
    if case.near != Maker::Ringway {
        // Only Ringway's says when a subscription has come.
        return;
    }
    case.linked((Pub, NONE), (Sub, NONE), |near, far| {
        far.subscribe(b"A");
        let heard = (0..1000).any(|_| {
            near.send(["A"]);
            far.recv_within(PATIENCE / 1000).is_some()
        });
        assert!(heard);
        far.unsubscribe(b"A");
        far.subscribe(b"B");
        while far.recv_within(QUIET).is_some() {}
        near.send(["A"]);
        near.send(["B"]);
        far.expect(["B"]);
    });
}
