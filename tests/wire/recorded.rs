//! What libzmq 4.3.5 says, recorded from a socket (pyzmq 27.3.0), played to us in the stages in which it says it.

use ringway::{Context, Dealer, Message, Pair, Pub, Pull, Push, Rep, Router, XPub, monitor::EventKind};

use crate::raw::{
    Peer, Road,
    any::{Any, Soon, bound},
    bytes::{SIGNATURE_LEN, check_greeting, greeting, hex, message, pong, ready},
    watch::Watch,
};

const SIGNATURE: &str = "FF 00 00 00 00 00 00 00 01 7F";
/// Of a socket with a routing id of three bytes.
const SIGNATURE_WITH_ID: &str = "FF 00 00 00 00 00 00 00 04 7F";
const MAJOR: &str = "03";
const REST: &str = "01 4E 55 4C 4C 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00";

const DEALER_WITH_ID: &str = "04 2C 05 52 45 41 44 59 0B 53 6F 63 6B 65 74 2D 54 79 70 65 00 00 00 06 44 45 41 4C 45 52 \
                              08 49 64 65 6E 74 69 74 79 00 00 00 03 61 62 21";
const DEALER: &str = "04 29 05 52 45 41 44 59 0B 53 6F 63 6B 65 74 2D 54 79 70 65 00 00 00 06 44 45 41 4C 45 52 08 49 64 \
                      65 6E 74 69 74 79 00 00 00 00";
const REQ: &str = "04 26 05 52 45 41 44 59 0B 53 6F 63 6B 65 74 2D 54 79 70 65 00 00 00 03 52 45 51 08 49 64 65 6E 74 69 \
                   74 79 00 00 00 00";
const REP: &str = "04 19 05 52 45 41 44 59 0B 53 6F 63 6B 65 74 2D 54 79 70 65 00 00 00 03 52 45 50";
const ROUTER: &str = "04 29 05 52 45 41 44 59 0B 53 6F 63 6B 65 74 2D 54 79 70 65 00 00 00 06 52 4F 55 54 45 52 08 49 64 \
                      65 6E 74 69 74 79 00 00 00 00";
const SUB: &str = "04 19 05 52 45 41 44 59 0B 53 6F 63 6B 65 74 2D 54 79 70 65 00 00 00 03 53 55 42";
const XSUB: &str = "04 1A 05 52 45 41 44 59 0B 53 6F 63 6B 65 74 2D 54 79 70 65 00 00 00 04 58 53 55 42";
const PUB: &str = "04 19 05 52 45 41 44 59 0B 53 6F 63 6B 65 74 2D 54 79 70 65 00 00 00 03 50 55 42";
const XPUB: &str = "04 1A 05 52 45 41 44 59 0B 53 6F 63 6B 65 74 2D 54 79 70 65 00 00 00 04 58 50 55 42";
const PUSH: &str = "04 1A 05 52 45 41 44 59 0B 53 6F 63 6B 65 74 2D 54 79 70 65 00 00 00 04 50 55 53 48";
const PULL: &str = "04 1A 05 52 45 41 44 59 0B 53 6F 63 6B 65 74 2D 54 79 70 65 00 00 00 04 50 55 4C 4C";
const PAIR: &str = "04 1A 05 52 45 41 44 59 0B 53 6F 63 6B 65 74 2D 54 79 70 65 00 00 00 04 50 41 49 52";

/// Plays a libzmq that connects, each stage when it has what libzmq waits for, up to its READY.
fn libzmq(endpoint: &str, signature: &str, its_ready: &str, our_ready: &[u8]) -> Peer {
    let mut peer = Peer::connect(endpoint);
    peer.write(&hex(signature));
    let mut theirs = peer.read(SIGNATURE_LEN);
    peer.write(&hex(MAJOR));
    theirs.extend(peer.read(1));
    peer.write(&hex(REST));
    theirs.extend(peer.read(53));
    check_greeting(&theirs);
    peer.write(&hex(its_ready));
    peer.expect(our_ready);
    peer
}

#[test]
pub(crate) fn the_greeting_is_the_one_we_know() {
    assert_eq!(hex(&[SIGNATURE, MAJOR, REST].concat()), greeting(1));
    let by_name = [
        (DEALER, "DEALER"),
        (REQ, "REQ"),
        (REP, "REP"),
        (ROUTER, "ROUTER"),
        (SUB, "SUB"),
        (XSUB, "XSUB"),
        (PUB, "PUB"),
        (XPUB, "XPUB"),
        (PUSH, "PUSH"),
        (PULL, "PULL"),
        (PAIR, "PAIR"),
    ];
    for (recorded, name) in by_name {
        assert_eq!(hex(recorded), ready(name, b""), "{name}");
    }
    assert_eq!(hex(DEALER_WITH_ID), ready("DEALER", b"ab!"));
}

#[test]
fn a_dealer_with_a_routing_id() {
    let context = Context::new();
    let (mut router, endpoint) = bound(Router::new(&context).unwrap(), Road::Tcp);
    let mut peer = libzmq(&endpoint, SIGNATURE_WITH_ID, DEALER_WITH_ID, &ready("ROUTER", b""));
    peer.write(&hex("00 01 78 01 00 00 01 78"));
    assert_eq!(router.soon(), Message::from_iter(["ab!", "x"]));
    assert_eq!(router.soon(), Message::from_iter(["ab!", "", "x"]));
    router.send(Message::from_iter(["ab!", "y"])).unwrap();
    peer.expect(&message(&[b"y"]));
}

#[test]
fn a_req() {
    let context = Context::new();
    let (mut rep, endpoint) = bound(Rep::new(&context).unwrap(), Road::Tcp);
    let mut peer = libzmq(&endpoint, SIGNATURE, REQ, &ready("REP", b""));
    peer.write(&hex("01 00 00 01 71"));
    assert_eq!(rep.soon()[0], "q");
    rep.send("a").unwrap();
    peer.expect(&hex("01 00 00 01 61"));
}

#[test]
fn a_req_that_correlates() {
    let context = Context::new();
    let (mut rep, endpoint) = bound(Rep::new(&context).unwrap(), Road::Tcp);
    let mut peer = libzmq(&endpoint, SIGNATURE, REQ, &ready("REP", b""));
    peer.write(&hex("01 04 6A 98 3C E4 01 00 00 01 71"));
    assert_eq!(rep.soon()[0], "q");
    rep.send("a").unwrap();
    peer.expect(&hex("01 04 6A 98 3C E4 01 00 00 01 61"));
}

#[test]
fn a_sub() {
    let context = Context::new();
    let (mut publisher, endpoint) = bound(XPub::new(&context).unwrap(), Road::Tcp);
    let mut peer = libzmq(&endpoint, SIGNATURE, SUB, &ready("XPUB", b""));
    peer.write(&hex(
        "04 0B 09 53 55 42 53 43 52 49 42 45 41 04 0B 09 53 55 42 53 43 52 49 42 45 42 04 08 06 43 41 4E 43 45 4C 41",
    ));
    for told in [b"\x01A", b"\x01B", b"\x00A"] {
        assert_eq!(publisher.soon()[0], told[..]);
    }
    publisher.send("A").unwrap();
    publisher.send("B").unwrap();
    peer.expect(&message(&[b"B"]));
}

#[test]
fn a_sub_that_takes_us_for_3_0() {
    let context = Context::new();
    let (mut publisher, endpoint) = bound(XPub::new(&context).unwrap(), Road::Tcp);
    let mut peer = libzmq(&endpoint, SIGNATURE, SUB, &ready("XPUB", b""));
    peer.write(&hex("00 02 01 41 00 02 01 42 00 02 00 41"));
    for told in [b"\x01A", b"\x01B", b"\x00A"] {
        assert_eq!(publisher.soon()[0], told[..]);
    }
}

#[test]
fn an_xsub_that_sends_its_messages_as_they_are() {
    let context = Context::new();
    let (mut publisher, endpoint) = bound(XPub::new(&context).unwrap(), Road::Tcp);
    let mut peer = libzmq(&endpoint, SIGNATURE, XSUB, &ready("XPUB", b""));
    peer.write(&hex("00 02 01 41 00 02 00 41 00 02 75 70"));
    // What a peer says of topics is told in its order; messages come by another way and may overtake it.
    let (subscriptions, messages): (Vec<Message>, Vec<Message>) =
        (0..3).map(|_| publisher.soon()).partition(|message| message[0] != "up");
    assert_eq!(subscriptions, [Message::from(&b"\x01A"[..]), Message::from(&b"\x00A"[..])]);
    assert_eq!(messages, [Message::from("up")]);
}

#[test]
fn a_push_around_the_short_form() {
    let context = Context::new();
    let (mut pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut peer = libzmq(&endpoint, SIGNATURE, PUSH, &ready("PULL", b""));
    peer.write(&hex("00 00 01 01 61 01 00 00 01 62"));
    peer.write(&[hex("00 FF"), vec![0x7A; 255], hex("02 00 00 00 00 00 00 01 00"), vec![0x7A; 256]].concat());
    assert_eq!(pull.soon(), Message::from(""));
    assert_eq!(pull.soon(), Message::from_iter(["a", "", "b"]));
    assert_eq!(pull.soon()[0], [0x7A; 255]);
    assert_eq!(pull.soon()[0], [0x7A; 256]);
}

#[test]
fn a_push_with_heartbeats() {
    let context = Context::new();
    let (pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut peer = libzmq(&endpoint, SIGNATURE, PUSH, &ready("PULL", b""));
    // Every 100 ms, TTL 3 s.
    for _ in 0..5 {
        peer.write(&hex("04 07 04 50 49 4E 47 00 1E"));
        peer.expect(&pong(b""));
    }
    drop(pull);
    peer.expect_closed();
}

#[test]
fn a_router_that_probes() {
    let context = Context::new();
    let (mut router, endpoint) = bound(Router::new(&context).unwrap(), Road::Tcp);
    let mut peer = libzmq(&endpoint, SIGNATURE, ROUTER, &ready("ROUTER", b""));
    peer.write(&hex("00 00"));
    let probe = router.soon();
    assert!(probe.len() == 2 && probe[1].is_empty());
}

#[test]
fn all_others_join() {
    let context = Context::new();
    let joins = |socket: &mut dyn Any, name: &str, recorded: &str| {
        socket.bind(&Road::Tcp.anywhere());
        let mut watch = Watch::new(socket.monitor());
        let mut peer = libzmq(&socket.endpoint(), SIGNATURE, recorded, &ready(name, b""));
        let EventKind::PeerJoined { .. } = watch.joined() else { unreachable!() };
        peer.settle();
    };
    joins(&mut Pair::new(&context).unwrap(), "PAIR", PAIR);
    joins(&mut Push::new(&context).unwrap(), "PUSH", PULL);
    joins(&mut Pub::new(&context).unwrap(), "PUB", SUB);
    joins(&mut Dealer::new(&context).unwrap(), "DEALER", REP);
    joins(&mut Dealer::new(&context).unwrap(), "DEALER", DEALER);
    joins(&mut ringway::Sub::new(&context).unwrap(), "SUB", PUB);
    joins(&mut ringway::XSub::new(&context).unwrap(), "XSUB", XPUB);
    joins(&mut ringway::Req::new(&context).unwrap(), "REQ", REP);
    joins(&mut ringway::Req::new(&context).unwrap(), "REQ", ROUTER);
}
