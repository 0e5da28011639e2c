//! SUBSCRIBE and CANCEL, as commands and as messages, both ways.

use ringway::{Context, Message, Pub, Sub, XPub, XSub};

use crate::raw::{
    Listener, PATIENCE, Peer, ROADS, Road,
    any::{Soon, bound},
    bytes::{LONG, cancel, cancel_message, command, hex, message, subscribe, subscribe_message},
    watch::Watch,
};

/// A subscriber of our own making, connected to `endpoint`.
fn subscriber(endpoint: &str, minor: u8, theirs: &str) -> Peer {
    let mut peer = Peer::connect(endpoint);
    peer.shake_hands_as("SUB", b"", minor, theirs);
    peer
}

#[test]
pub(crate) fn both_forms_are_taken_from_any_version() {
    for minor in [0, 1] {
        for (subscription, cancellation) in
            [(subscribe(b"A"), cancel(b"A")), (subscribe_message(b"A"), cancel_message(b"A"))]
        {
            let context = Context::new();
            let (mut publisher, endpoint) = bound(Pub::new(&context).unwrap(), Road::Tcp);
            let mut peer = subscriber(&endpoint, minor, "PUB");
            peer.write(&subscription);
            peer.settle();
            publisher.wait_for_subscribers(1, PATIENCE).unwrap();
            for text in ["B not wanted", "A wanted"] {
                publisher.send(text).unwrap();
            }
            peer.expect(&message(&[b"A wanted"]));
            peer.write(&cancellation);
            peer.settle();
            while publisher.subscribers() > 0 {
                std::thread::yield_now();
            }
            publisher.send("A not wanted any more").unwrap();
            peer.settle();
        }
    }
}

#[test]
fn an_xpub_hears_of_both_forms() {
    let context = Context::new();
    let (mut publisher, endpoint) = bound(XPub::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "XSUB", "XPUB");
    peer.write(&[subscribe(b"A"), subscribe_message(b"B"), cancel(b"A"), cancel_message(b"B")].concat());
    for told in [b"\x01A", b"\x01B", b"\x00A", b"\x00B"] {
        assert_eq!(publisher.soon()[0], told[..]);
    }
    peer.write(&subscribe(b""));
    assert_eq!(publisher.soon()[0], [1]);
    // Who goes cancels.
    drop(peer);
    assert_eq!(publisher.soon()[0], [0]);
}

#[test]
fn messages_of_an_xsub_reach_an_xpub_and_no_pub() {
    let context = Context::new();
    let (mut publisher, endpoint) = bound(XPub::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "XSUB", "XPUB");
    // Subscriptions are of one frame.
    peer.write(&[message(&[b"upstream"]), message(&[b"\x01A", b"more"]), message(&[b""])].concat());
    assert_eq!(publisher.soon()[0], "upstream");
    let received = publisher.soon();
    assert!(received[0] == b"\x01A"[..] && received[1] == "more");
    assert_eq!(publisher.soon()[0], "");

    let (mut publisher, endpoint) = bound(Pub::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "XSUB", "PUB");
    peer.write(&[message(&[b"upstream"]), subscribe(b"A")].concat());
    publisher.wait_for_subscribers(1, PATIENCE).unwrap();
    publisher.send("A").unwrap();
    peer.expect(&message(&[b"A"]));
}

#[test]
fn what_is_not_wanted_does_not_go_over_the_wire() {
    for road in ROADS {
        let context = Context::new();
        let (mut publisher, endpoint) = bound(Pub::new(&context).unwrap(), road);
        let mut peer = subscriber(&endpoint, 1, "PUB");
        peer.write(&[subscribe(b"A"), subscribe(b"long topic")].concat());
        publisher.wait_for_topics(2, PATIENCE).unwrap();
        // The first frame decides for all.
        for frames in [["B", "A"], ["A", "B"], ["", "A"], ["long topi", "c"], ["long topics", ""], ["AA", "x"]] {
            publisher.send(Message::from_iter(frames)).unwrap();
        }
        peer.expect(&message(&[b"A", b"B"]));
        peer.expect(&message(&[b"long topics", b""]));
        peer.expect(&message(&[b"AA", b"x"]));
        peer.settle();
    }
}

#[test]
pub(crate) fn the_form_goes_by_the_peers_minor_version() {
    for road in ROADS {
        for (minor, name) in [(0, "PUB"), (1, "XPUB"), (7, "PUB")] {
            let context = Context::new();
            let listener = Listener::new(road);
            let mut sub = Sub::builder().subscribe("A").build(&context).unwrap();
            sub.connect(listener.endpoint()).unwrap();
            let mut peer = listener.accept();
            peer.shake_hands_as(name, b"", minor, "SUB");
            if minor == 0 {
                peer.expect(&hex("00 02 01 41"));
            } else {
                peer.expect(&hex("04 0B 09 53 55 42 53 43 52 49 42 45 41"));
            }
            sub.subscribe("BC");
            peer.expect(&if minor == 0 { subscribe_message(b"BC") } else { subscribe(b"BC") });
            sub.unsubscribe("A");
            if minor == 0 {
                peer.expect(&hex("00 02 00 41"));
            } else {
                peer.expect(&hex("04 08 06 43 41 4E 43 45 4C 41"));
            }
            sub.subscribe("");
            peer.expect(&if minor == 0 { subscribe_message(b"") } else { subscribe(b"") });
            peer.write(&message(&[b"works"]));
            assert_eq!(sub.soon()[0], "works");
        }
    }
}

#[test]
pub(crate) fn topics_of_any_length_are_framed_right() {
    // To a peer of 3.0, libzmq forgets the LONG flag for one of 255 bytes.
    let context = Context::new();
    for minor in [0, 1] {
        for len in [1, 243, 244, 245, 246, 247, 253, 254, 255, 256, 257, 1000] {
            let topic = vec![b'T'; len];
            let listener = Listener::new(Road::Tcp);
            let mut sub = Sub::new(&context).unwrap();
            sub.subscribe(&topic);
            sub.connect(listener.endpoint()).unwrap();
            let mut peer = listener.accept();
            peer.shake_hands_as("PUB", b"", minor, "SUB");
            peer.expect(&if minor == 0 { subscribe_message(&topic) } else { subscribe(&topic) });
            sub.unsubscribe(&topic);
            peer.expect(&if minor == 0 { cancel_message(&topic) } else { cancel(&topic) });
        }
    }
}

#[test]
fn topics_of_any_length_are_taken() {
    let context = Context::new();
    let (mut publisher, endpoint) = bound(XPub::new(&context).unwrap(), Road::Tcp);
    let mut peer = subscriber(&endpoint, 1, "XPUB");
    for len in [0, 1, 243, 244, 246, 254, 255, 256, 1000] {
        let topic = vec![b'T'; len];
        for said in [[subscribe(&topic), cancel(&topic)], [subscribe_message(&topic), cancel_message(&topic)]] {
            peer.write(&said.concat());
            assert_eq!(publisher.soon()[0], [&[1], &topic[..]].concat()[..]);
            assert_eq!(publisher.soon()[0], [&[0], &topic[..]].concat()[..]);
        }
    }
}

#[test]
pub(crate) fn a_bound_subscriber_tells_a_publisher_at_once() {
    // Not when its application next calls in.
    for road in ROADS {
        let context = Context::new();
        let mut sub = Sub::new(&context).unwrap();
        sub.subscribe("A");
        sub.subscribe("B");
        let (_sub, endpoint) = bound(sub, road);
        let mut peer = Peer::joined(&endpoint, "PUB", "SUB");
        let mut told = [peer.frame().body, peer.frame().body];
        told.sort();
        assert_eq!(told, [b"\x09SUBSCRIBEA", b"\x09SUBSCRIBEB"]);
    }
}

#[test]
fn every_publisher_is_told_everything_once() {
    let context = Context::new();
    let (mut sub, endpoint) = bound(Sub::new(&context).unwrap(), Road::Tcp);
    let mut first = Peer::joined(&endpoint, "PUB", "SUB");
    sub.subscribe("A");
    first.expect(&subscribe(b"A"));
    let mut second = Peer::joined(&endpoint, "XPUB", "SUB");
    second.expect(&subscribe(b"A"));
    sub.subscribe("B");
    first.expect(&subscribe(b"B"));
    second.expect(&subscribe(b"B"));
    first.settle();
    second.settle();
}

#[test]
fn subscriptions_that_count_are_told_once() {
    let context = Context::new();
    let (mut sub, endpoint) = bound(Sub::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "PUB", "SUB");
    for _ in 0..3 {
        sub.subscribe("A");
    }
    peer.expect(&subscribe(b"A"));
    sub.unsubscribe("A");
    sub.unsubscribe("A");
    peer.settle();
    sub.unsubscribe("A");
    peer.expect(&cancel(b"A"));
}

#[test]
fn subscriptions_are_told_again_to_a_publisher_that_comes_back() {
    for road in ROADS {
        let context = Context::new();
        let listener = Listener::new(road);
        let mut sub = Sub::builder().subscribe("A").build(&context).unwrap();
        let mut watch = Watch::new(sub.monitor());
        sub.connect(listener.endpoint()).unwrap();
        let mut peer = listener.accept();
        peer.shake_hands("PUB", "SUB");
        peer.expect(&subscribe(b"A"));
        sub.subscribe("B");
        sub.unsubscribe("A");
        peer.expect(&[subscribe(b"B"), cancel(b"A")].concat());
        drop(peer);
        watch.disconnected();
        sub.subscribe("C");
        let mut peer = listener.accept();
        peer.shake_hands("PUB", "SUB");
        let mut told = [peer.frame().body, peer.frame().body];
        told.sort();
        assert_eq!(told, [b"\x09SUBSCRIBEB", b"\x09SUBSCRIBEC"]);
        peer.write(&message(&[b"B"]));
        assert_eq!(sub.soon()[0], "B");
    }
}

#[test]
fn subscriptions_count_before_the_publisher_is_there() {
    let context = Context::new();
    let listener = Listener::new(Road::Tcp);
    let mut sub = Sub::new(&context).unwrap();
    sub.connect(listener.endpoint()).unwrap();
    let mut peer = listener.accept();
    // The connection is there, the publisher has not said READY.
    sub.subscribe("A");
    sub.subscribe("B");
    sub.unsubscribe("A");
    peer.shake_hands("PUB", "SUB");
    // What it comes to in the end: what was taken back may be told, too.
    let mut wanted = std::collections::BTreeSet::new();
    while wanted != [b"B".to_vec()].into() {
        let told = peer.frame().body;
        match (told.strip_prefix(b"\x09SUBSCRIBE"), told.strip_prefix(b"\x06CANCEL")) {
            (Some(topic), _) => wanted.insert(topic.to_vec()),
            (_, Some(topic)) => wanted.remove(topic),
            _ => panic!("{told:?}"),
        };
    }
    peer.settle();
}

#[test]
fn an_xsub_subscribes_by_messages_and_sends_others_on() {
    let context = Context::new();
    let listener = Listener::new(Road::Tcp);
    let mut xsub = XSub::new(&context).unwrap();
    xsub.connect(listener.endpoint()).unwrap();
    let mut peer = listener.accept();
    peer.shake_hands("XPUB", "XSUB");
    xsub.send(&b"\x01A"[..]).unwrap();
    // libzmq sends it as it is; either form is right.
    let told = peer.frame();
    assert!([&b"\x09SUBSCRIBEA"[..], b"\x01A"].contains(&&told.body[..]), "{told:?}");
    xsub.send("upstream").unwrap();
    peer.expect(&message(&[b"upstream"]));
    xsub.send(Message::from_iter([&b"\x01A"[..], b"more"])).unwrap();
    peer.expect(&message(&[b"\x01A", b"more"]));
}

#[test]
fn who_cancels_what_it_never_had_is_served_on() {
    let context = Context::new();
    let (mut publisher, endpoint) = bound(Pub::new(&context).unwrap(), Road::Tcp);
    let mut peer = subscriber(&endpoint, 1, "PUB");
    peer.write(&[cancel(b"A"), cancel_message(b""), subscribe(b"B"), cancel(b"A")].concat());
    peer.settle();
    publisher.wait_for_subscribers(1, PATIENCE).unwrap();
    publisher.send("B").unwrap();
    peer.expect(&message(&[b"B"]));
}

#[test]
pub(crate) fn what_libzmq_garbles_does_no_harm() {
    // A topic of 255 bytes as libzmq sends it to a peer of 3.0: eight bytes of length, and no flag that says so. It is
    // read as what it says, which is something else; others are not touched.
    let context = Context::new();
    let (mut publisher, endpoint) = bound(Pub::new(&context).unwrap(), Road::Tcp);
    let mut good = subscriber(&endpoint, 1, "PUB");
    good.write(&subscribe(b""));
    let mut peer = subscriber(&endpoint, 0, "PUB");
    peer.write(&[hex("00 00 00 00 00 00 00 01 00"), vec![1], vec![b'T'; 255]].concat());
    good.settle();
    publisher.wait_for_subscribers(1, PATIENCE).unwrap();
    publisher.send("x").unwrap();
    good.expect(&message(&[b"x"]));
}

#[test]
fn a_subscription_command_may_be_in_the_long_form() {
    let context = Context::new();
    let (mut publisher, endpoint) = bound(XPub::new(&context).unwrap(), Road::Tcp);
    let mut peer = subscriber(&endpoint, 1, "XPUB");
    let mut said = command("SUBSCRIBE", b"A");
    let len = said[1];
    said.splice(0..2, [4 | LONG, 0, 0, 0, 0, 0, 0, 0, len]);
    peer.write(&said);
    assert_eq!(publisher.soon()[0], b"\x01A"[..]);
}
