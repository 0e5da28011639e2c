//! What patterns put around a message: delimiters, request ids, identities, probes.

use ringway::{Context, Dealer, Frame, Message, Pair, Push, Rep, Req, Router};

use crate::raw::{
    Listener, Peer, ROADS, Road,
    any::{Soon, bound},
    bytes::{hex, message},
};

/// A peer of `socket_type` that `socket` has connected to.
fn accepted(listener: &Listener, socket_type: &str, theirs: &str) -> Peer {
    let mut peer = listener.accept();
    peer.shake_hands(socket_type, theirs);
    peer
}

#[test]
pub(crate) fn a_request_has_an_empty_delimiter() {
    for road in ROADS {
        let (context, listener) = (Context::new(), Listener::new(road));
        let mut req = Req::new(&context).unwrap();
        req.connect(listener.endpoint()).unwrap();
        let mut peer = accepted(&listener, "REP", "REQ");
        req.send("q").unwrap();
        peer.expect(&hex("01 00 00 01 71"));
        peer.write(&hex("01 00 00 01 61"));
        let reply = req.soon();
        assert!(reply.len() == 1 && reply[0] == "a");
        req.send(Message::from_iter(["q", "", "r"])).unwrap();
        peer.expect(&message(&[b"", b"q", b"", b"r"]));
    }
}

#[test]
fn a_request_that_correlates_has_an_id_before_it() {
    let (context, listener) = (Context::new(), Listener::new(Road::Tcp));
    let mut req = Req::builder().correlate().build(&context).unwrap();
    req.connect(listener.endpoint()).unwrap();
    let mut peer = accepted(&listener, "REP", "REQ");
    let mut ids = Vec::new();
    for _ in 0..3 {
        req.send("q").unwrap();
        peer.expect(&hex("01 04"));
        let id = peer.read(4);
        peer.expect(&hex("01 00 00 01 71"));
        // Replies to others are thrown away: of another id, of none, of no delimiter.
        let other = [id[0] ^ 1, id[1], id[2], id[3]];
        peer.write(&message(&[&other, b"", b"wrong id"]));
        peer.write(&message(&[b"", b"no id"]));
        peer.write(&message(&[&id, b"no delimiter"]));
        peer.write(&message(&[&id]));
        peer.write(&message(&[&id, b"", b"right"]));
        assert_eq!(req.soon()[0], "right");
        ids.push(id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each request has an id of its own");
}

#[test]
fn a_reply_without_its_delimiter_is_thrown_away() {
    let (context, listener) = (Context::new(), Listener::new(Road::Tcp));
    let mut req = Req::new(&context).unwrap();
    req.connect(listener.endpoint()).unwrap();
    let mut peer = accepted(&listener, "REP", "REQ");
    req.send("q").unwrap();
    peer.expect(&message(&[b"", b"q"]));
    peer.write(&message(&[b"bare"]));
    peer.write(&message(&[b"no", b"delimiter"]));
    peer.write(&message(&[b"", b"right"]));
    assert_eq!(req.soon()[0], "right");
}

#[test]
pub(crate) fn a_rep_gives_back_the_envelope_it_got() {
    for road in ROADS {
        let context = Context::new();
        let (mut rep, endpoint) = bound(Rep::new(&context).unwrap(), road);
        let mut peer = Peer::joined(&endpoint, "REQ", "REP");
        peer.write(&message(&[b"", b"hello"]));
        let request = rep.soon();
        assert!(request.len() == 1 && request[0] == "hello");
        rep.send("world").unwrap();
        peer.expect(&hex("01 00 00 05 77 6F 72 6C 64"));
        // Hops of any number and kind.
        let far: [&[u8]; 5] = [b"\0\x80\0\x41\xA7", b"id", &[b'l'; 255], &[b'L'; 256], b""];
        peer.write(&message(&[&far[..], &[b"q", b"", b"r"]].concat()));
        assert_eq!(rep.soon().len(), 3);
        rep.send(Message::from_iter(["a", "b"])).unwrap();
        peer.expect(&message(&[&far[..], &[b"a", b"b"]].concat()));
    }
}

#[test]
pub(crate) fn a_rep_throws_requests_without_a_delimiter_away() {
    let context = Context::new();
    let (mut rep, endpoint) = bound(Rep::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "DEALER", "REP");
    peer.write(&message(&[b"bare"]));
    peer.write(&message(&[b"no", b"delimiter"]));
    peer.write(&message(&[b"", b"right"]));
    assert_eq!(rep.soon()[0], "right");
    rep.send("a").unwrap();
    peer.expect(&message(&[b"", b"a"]));
    assert_eq!(rep.counters().discarded, 2);
}

#[test]
fn a_rep_takes_several_requests_of_one_dealer_in_turn() {
    let context = Context::new();
    let (mut rep, endpoint) = bound(Rep::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "DEALER", "REP");
    for number in 0..10_u8 {
        peer.write(&message(&[&[number], b"", b"q"]));
    }
    for number in 0..10_u8 {
        rep.soon();
        rep.send("a").unwrap();
        peer.expect(&message(&[&[number], b"", b"a"]));
    }
}

#[test]
fn a_dealer_adds_nothing() {
    let (context, listener) = (Context::new(), Listener::new(Road::Tcp));
    let mut dealer = Dealer::new(&context).unwrap();
    dealer.connect(listener.endpoint()).unwrap();
    let mut peer = accepted(&listener, "ROUTER", "DEALER");
    dealer.send("x").unwrap();
    peer.expect(&hex("00 01 78"));
    dealer.send(Message::from_iter(["", "x"])).unwrap();
    peer.expect(&hex("01 00 00 01 78"));
    peer.write(&message(&[b"", b"y"]));
    let received = dealer.soon();
    assert!(received.len() == 2 && received[0].is_empty() && received[1] == "y");
}

#[test]
fn a_router_knows_a_peer_by_its_identity() {
    for road in ROADS {
        let context = Context::new();
        let (mut router, endpoint) = bound(Router::builder().mandatory().build(&context).unwrap(), road);
        for identity in [&b"peer"[..], &[b'i'; 255], b"\x01"] {
            let mut peer = Peer::connect(&endpoint);
            peer.shake_hands_as("DEALER", identity, 1, "ROUTER");
            peer.write(&message(&[b"x"]));
            let received = router.soon();
            assert!(received[0] == *identity && received[1] == "x");
            router.send(Message::from_iter([identity, b"y", b""])).unwrap();
            peer.expect(&message(&[b"y", b""]));
        }
    }
}

#[test]
fn a_router_names_a_peer_that_has_no_identity() {
    let context = Context::new();
    let (mut router, endpoint) = bound(Router::new(&context).unwrap(), Road::Tcp);
    let mut names: Vec<Frame> = Vec::new();
    // An empty one, and, from a type that need not say any, none at all.
    for _ in 0..3 {
        let mut peer = Peer::joined(&endpoint, "DEALER", "ROUTER");
        peer.write(&message(&[b"x"]));
        let received = router.soon();
        assert!(received[0].len() == 5 && received[0][0] == 0, "{:?}", received[0]);
        router.send(Message::from(vec![received[0].clone(), Frame::from("y")])).unwrap();
        peer.expect(&message(&[b"y"]));
        names.push(received[0].clone());
    }
    assert!(names[0] != names[1] && names[1] != names[2] && names[0] != names[2]);
}

#[test]
pub(crate) fn an_identity_that_begins_with_zero_takes_nobodys_place() {
    // Those are generated: a peer that says one is served under a name made for it.
    let context = Context::new();
    let (mut router, endpoint) = bound(Router::new(&context).unwrap(), Road::Tcp);
    let mut good = Peer::joined(&endpoint, "DEALER", "ROUTER");
    good.write(&message(&[b"x"]));
    let name = router.soon()[0].clone();
    let mut thief = Peer::connect(&endpoint);
    thief.shake_hands_as("DEALER", &name, 1, "ROUTER");
    thief.write(&message(&[b"theft"]));
    let received = router.soon();
    assert!(received[0] != name && received[0].len() == 5 && received[1] == "theft", "{received:?}");
    for _ in 0..10 {
        router.send(Message::from(vec![name.clone(), Frame::from("y")])).unwrap();
        good.expect(&message(&[b"y"]));
    }
    good.settle();
}

#[test]
fn two_of_one_identity_are_not_mixed_up() {
    let context = Context::new();
    let (mut router, endpoint) = bound(Router::new(&context).unwrap(), Road::Tcp);
    let mut first = Peer::connect(&endpoint);
    first.shake_hands_as("DEALER", b"same", 1, "ROUTER");
    first.write(&message(&[b"first"]));
    assert_eq!(router.soon()[1], "first");
    let mut second = Peer::connect(&endpoint);
    second.shake_hands_as("DEALER", b"same", 1, "ROUTER");
    second.write(&message(&[b"second"]));
    router.send(Message::from_iter(["same", "to the first"])).unwrap();
    first.expect(&message(&[b"to the first"]));
    // It waits in line, and is heard when the name is free.
    drop(first);
    assert_eq!(router.soon()[1], "second");
    router.send(Message::from_iter(["same", "to the second"])).unwrap();
    second.expect(&message(&[b"to the second"]));
}

#[test]
fn a_probe_is_an_empty_message() {
    for road in ROADS {
        let (context, listener) = (Context::new(), Listener::new(road));
        let mut dealer = Dealer::builder().probe_router().build(&context).unwrap();
        dealer.connect(listener.endpoint()).unwrap();
        let mut peer = accepted(&listener, "ROUTER", "DEALER");
        peer.expect(&hex("00 00"));
        // By the side that has bound, too.
        let (_router, endpoint) = bound(Router::builder().probe_router().build(&context).unwrap(), road);
        let mut peer = Peer::joined(&endpoint, "DEALER", "ROUTER");
        peer.expect(&hex("00 00"));
    }
}

#[test]
fn a_router_hears_a_probe() {
    let context = Context::new();
    let (mut router, endpoint) = bound(Router::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::connect(&endpoint);
    peer.shake_hands_as("DEALER", b"prober", 1, "ROUTER");
    peer.write(&hex("00 00"));
    let received = router.soon();
    assert!(received[0] == "prober" && received[1].is_empty() && received.len() == 2);
}

#[test]
pub(crate) fn nothing_is_said_before_the_peers_ready_and_all_that_queued_after_it() {
    for road in ROADS {
        let (context, listener) = (Context::new(), Listener::new(road));
        let mut push = Push::new(&context).unwrap();
        push.connect(listener.endpoint()).unwrap();
        for number in 0..100_u8 {
            push.send([number]).unwrap();
        }
        let mut peer = listener.accept();
        peer.write(&crate::raw::bytes::greeting(1));
        peer.expect_greeting();
        peer.expect(&crate::raw::bytes::our_ready(road, "PUSH", b""));
        peer.expect_silence();
        peer.write(&crate::raw::bytes::ready("PULL", b""));
        for number in 0..100_u8 {
            peer.expect(&message(&[&[number]]));
        }
    }
}

#[test]
fn a_second_peer_of_a_pair_waits_until_the_first_has_gone() {
    let context = Context::new();
    let (mut pair, endpoint) = bound(Pair::new(&context).unwrap(), Road::Tcp);
    let mut first = Peer::joined(&endpoint, "PAIR", "PAIR");
    first.write(&message(&[b"one"]));
    assert_eq!(pair.soon()[0], "one");
    let mut second = Peer::joined(&endpoint, "PAIR", "PAIR");
    second.write(&message(&[b"two"]));
    second.settle();
    pair.send("to the first").unwrap();
    first.expect(&message(&[b"to the first"]));
    drop(first);
    assert_eq!(pair.soon()[0], "two");
    pair.send("to the second").unwrap();
    second.expect(&message(&[b"to the second"]));
}
