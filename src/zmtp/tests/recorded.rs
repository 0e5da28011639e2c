//! What libzmq 4.3.5 sends, recorded between two of its sockets on loopback; and that we send the same.

#![forbid(unsafe_code)]

use super::*;

/// The greeting of a socket without a routing id.
const GREETING: &str = "ff 00 00 00 00 00 00 00 01 7f 03 01 4e 55 4c 4c";
const READY_DEALER_ABC: &str = "04 2c 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 06 44 45 41 4c 45 52 \
    08 49 64 65 6e 74 69 74 79 00 00 00 03 61 62 63";
const READY_ROUTER: &str = "04 29 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 06 52 4f 55 54 45 52 \
    08 49 64 65 6e 74 69 74 79 00 00 00 00";
const READY_REQ: &str = "04 26 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 03 52 45 51 \
    08 49 64 65 6e 74 69 74 79 00 00 00 00";
const READY_REP: &str = "04 19 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 03 52 45 50";
const READY_SUB: &str = "04 19 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 03 53 55 42";
const READY_PUB: &str = "04 19 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 03 50 55 42";
const READY_XSUB: &str = "04 1a 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 04 58 53 55 42";
const READY_XPUB: &str = "04 1a 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 04 58 50 55 42";
const READY_PUSH: &str = "04 1a 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 04 50 55 53 48";
const READY_PULL: &str = "04 1a 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 04 50 55 4c 4c";
const READY_PAIR: &str = "04 1a 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 04 50 41 49 52";

/// A greeting with its zeroes, READY and what follows.
fn recording(greeting: &str, ready: &str, traffic: &str) -> Vec<u8> {
    let mut bytes = hex(greeting);
    bytes.resize(64, 0);
    bytes.extend(hex(ready));
    bytes.extend(hex(traffic));
    bytes
}

/// What a connection of ours, whose peer is at minor version 1, tells of a recording after its READY; the READY is of
/// `theirs`.
fn played(ours: SocketType, theirs: SocketType, recording: &[u8]) -> Vec<Told> {
    let mut told = handshake(ours, recording);
    let Told::Ready(peer) = told.remove(0) else { panic!("{told:?}") };
    assert_eq!((peer.socket_type, peer.minor, peer.properties), (theirs, 1, vec![]));
    told
}

/// What we write when the peer's `hello` has come and `send` was done: greeting, READY and the rest.
fn wrote(config: Config, hello: &[u8], send: impl FnOnce(&mut Connection)) -> Vec<u8> {
    let mut connection = Connection::new(Arc::new(config), Instant::now());
    assert!(matches!(told(&mut connection, &[hello])[..], [Told::Ready(_)]));
    send(&mut connection);
    written(&mut connection)
}

#[test]
fn dealer_and_router() {
    let greeting = GREETING.replace("01 7f", "04 7f");
    let dealer = {
        let mut bytes = recording(&greeting, READY_DEALER_ABC, "00 01 78 01 00 02 00 00 00 00 00 00 01 00");
        bytes.resize(bytes.len() + 256, b'z');
        bytes
    };
    let router = {
        let mut bytes = recording(GREETING, READY_ROUTER, "01 00 00 ff");
        bytes.resize(bytes.len() + 255, b'y');
        bytes
    };
    let (from_dealer, from_router) = ([message([b"x"]), message([b"", &[b'z'; 256]])], message([b"", &[b'y'; 255]]));
    assert_eq!(played(SocketType::Router, SocketType::Dealer, &dealer), from_dealer.clone().map(Told::Message));
    assert_eq!(played(SocketType::Dealer, SocketType::Router, &router), [Told::Message(from_router.clone())]);

    let config = Config { routing_id: "abc".into(), ..Config::new(SocketType::Dealer) };
    let sent = wrote(config, &recording(GREETING, READY_ROUTER, ""), |connection| {
        from_dealer.iter().for_each(|message| connection.send(message));
    });
    assert_eq!(sent, dealer);
    let config = Config::new(SocketType::Router);
    let sent = wrote(config, &recording(&greeting, READY_DEALER_ABC, ""), |connection| {
        assert_eq!(connection.peer().unwrap().routing_id, "abc");
        connection.send(&from_router);
    });
    assert_eq!(sent, router);
}

#[test]
fn req_and_rep() {
    let req = recording(GREETING, READY_REQ, "01 00 00 01 71");
    let rep = recording(GREETING, READY_REP, "01 00 01 01 72 00 00");
    let (request, reply) = (message([b"", b"q"]), message([b"", b"r", b""]));
    assert_eq!(played(SocketType::Rep, SocketType::Req, &req), [Told::Message(request.clone())]);
    assert_eq!(played(SocketType::Req, SocketType::Rep, &rep), [Told::Message(reply.clone())]);
    let hello = recording(GREETING, READY_REP, "");
    assert_eq!(wrote(Config::new(SocketType::Req), &hello, |connection| connection.send(&request)), req);
    let hello = recording(GREETING, READY_REQ, "");
    assert_eq!(wrote(Config::new(SocketType::Rep), &hello, |connection| connection.send(&reply)), rep);
}

#[test]
fn sub_and_pub() {
    let commands = "04 0b 09 53 55 42 53 43 52 49 42 45 41 04 0a 09 53 55 42 53 43 52 49 42 45 \
        04 08 06 43 41 4e 43 45 4c 41";
    let sub = recording(GREETING, READY_SUB, commands);
    let told = [Told::Subscribe("A".into()), Told::Subscribe("".into()), Told::Cancel("A".into())];
    for ours in [SocketType::Pub, SocketType::XPub] {
        assert_eq!(played(ours, SocketType::Sub, &sub), told);
    }
    let publisher = recording(GREETING, READY_PUB, "00 02 41 31");
    assert_eq!(played(SocketType::Sub, SocketType::Pub, &publisher), [Told::Message(message([b"A1"]))]);

    let sent = wrote(Config::new(SocketType::Sub), &recording(GREETING, READY_PUB, ""), |connection| {
        connection.send_subscription(b"A", true);
        connection.send_subscription(b"", true);
        connection.send_subscription(b"A", false);
    });
    assert_eq!(sent, sub);
    let hello = recording(GREETING, READY_SUB, "");
    assert_eq!(wrote(Config::new(SocketType::Pub), &hello, |connection| connection.send(&"A1".into())), publisher);
}

#[test]
fn xsub_and_xpub() {
    let xsub = recording(GREETING, READY_XSUB, "00 02 01 41 00 05 68 65 6c 6c 6f 00 02 00 41");
    let told = [Told::Subscribe("A".into()), Told::Message(message([b"hello"])), Told::Cancel("A".into())];
    for ours in [SocketType::Pub, SocketType::XPub] {
        assert_eq!(played(ours, SocketType::XSub, &xsub), told);
    }
    let xpub = recording(GREETING, READY_XPUB, "00 02 41 31");
    assert_eq!(played(SocketType::XSub, SocketType::XPub, &xpub), [Told::Message(message([b"A1"]))]);
    // A subscription an application sends as a message stays one.
    let sent = wrote(Config::new(SocketType::XSub), &recording(GREETING, READY_XPUB, ""), |connection| {
        for bytes in [&b"\x01A"[..], b"hello", b"\x00A"] {
            connection.send(&bytes.into());
        }
    });
    assert_eq!(sent, xsub);
}

#[test]
fn push_and_pull_with_heartbeats() {
    let pings = "04 07 04 50 49 4e 47 00 0a 04 05 04 50 4f 4e 47 04 07 04 50 49 4e 47 00 0a 04 05 04 50 4f 4e 47";
    let push = recording(GREETING, READY_PUSH, &format!("00 01 78 {pings}"));
    let pull = recording(GREETING, READY_PULL, pings);
    assert_eq!(played(SocketType::Pull, SocketType::Push, &push), [Told::Message(message([b"x"]))]);
    assert_eq!(played(SocketType::Push, SocketType::Pull, &pull), []);

    let ttl = Duration::from_secs(1);
    let interval = Some(Duration::from_millis(100));
    let heartbeat = Heartbeat { interval, timeout: None, ttl };
    let config = Config { heartbeat, ..Config::new(SocketType::Push) };
    let mut connection = Connection::new(Arc::new(config), Instant::now());
    assert!(matches!(told(&mut connection, &[&recording(GREETING, READY_PULL, "")])[..], [Told::Ready(_)]));
    connection.send(&"x".into());
    let mut sent = written(&mut connection);
    for _ in 0..2 {
        let now = connection.deadline().unwrap();
        connection.handle_timeout(now).unwrap();
        connection.heard(now);
        assert_eq!(told(&mut connection, &[&hex("04 07 04 50 49 4e 47 00 0a")]), []);
        sent.extend(written(&mut connection));
    }
    assert_eq!(sent, push);
}

#[test]
fn pairs() {
    let short = recording(GREETING, READY_PAIR, "00 01 70");
    let long = {
        let mut bytes = recording(GREETING, READY_PAIR, "02 00 00 00 00 00 00 01 2c");
        bytes.resize(bytes.len() + 300, b'q');
        bytes
    };
    for (bytes, body) in [(short, vec![b'p']), (long, vec![b'q'; 300])] {
        assert_eq!(played(SocketType::Pair, SocketType::Pair, &bytes), [Told::Message(message([&body]))]);
        let hello = recording(GREETING, READY_PAIR, "");
        assert_eq!(wrote(Config::new(SocketType::Pair), &hello, |connection| connection.send(&body.into())), bytes);
    }
}
