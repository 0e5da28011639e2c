//! The first 64 bytes: in any pieces, with any padding, and of what is no ZMTP 3.

use ringway::{Context, Pull, Push, monitor::EventKind, monitor::HandshakeFailure};

use crate::raw::{
    Listener, Peer, ROADS, Road,
    any::{self, Soon, TYPES, bound},
    bytes::{self, GREETING_LEN, SIGNATURE_LEN, greeting, greeting_of, message, opening, our_ready, ready},
    watch::Watch,
};

/// A message from `peer`, which has joined, arrives at `pull`.
fn works(pull: &mut Pull, peer: &mut Peer) {
    peer.write(&message(&[b"x"]));
    assert_eq!(pull.soon()[0], "x");
}

#[test]
pub(crate) fn the_signature_comes_before_anything_of_the_peers() {
    for road in ROADS {
        let context = Context::new();
        let (_pull, endpoint) = bound(Pull::new(&context).unwrap(), road);
        let signature = Peer::connect(&endpoint).read(SIGNATURE_LEN);
        assert_eq!((signature[0], signature[9]), (0xFF, 0x7F));

        let listener = Listener::new(road);
        let mut push = Push::new(&context).unwrap();
        push.connect(listener.endpoint()).unwrap();
        let signature = listener.accept().read(SIGNATURE_LEN);
        assert_eq!((signature[0], signature[9]), (0xFF, 0x7F));
    }
}

#[test]
fn nothing_follows_the_greeting_before_the_peers() {
    let context = Context::new();
    let (_pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::connect(&endpoint);
    peer.write(&greeting(1)[..SIGNATURE_LEN]);
    peer.expect_greeting();
    peer.write(&greeting(1)[SIGNATURE_LEN..GREETING_LEN - 1]);
    peer.expect_silence();
    peer.write(&greeting(1)[GREETING_LEN - 1..]);
    peer.expect(&ready("PULL", b""));
}

#[test]
pub(crate) fn every_byte_may_come_alone() {
    for road in ROADS {
        let context = Context::new();
        let (mut pull, endpoint) = bound(Pull::new(&context).unwrap(), road);
        let mut peer = Peer::connect(&endpoint);
        peer.write_slowly(&opening("PUSH"));
        peer.write_slowly(&message(&[b"in pieces", b"", &[7; 300]]));
        let received = pull.soon();
        assert_eq!(received.frames().iter().map(|frame| frame.len()).collect::<Vec<_>>(), [9, 0, 300]);
        peer.expect_greeting();
        peer.expect(&our_ready(road, "PULL", b""));
    }
}

#[test]
pub(crate) fn it_may_come_in_stages_as_libzmqs() {
    // Each stage waits for the other side's, as libzmq does when it accepts.
    let context = Context::new();
    let (mut pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::connect(&endpoint);
    let (greeting, mut theirs) = (greeting(1), Vec::new());
    peer.write(&greeting[..10]);
    theirs.extend(peer.read(11));
    peer.write(&greeting[10..11]);
    theirs.extend(peer.read(1));
    peer.write(&greeting[11..]);
    theirs.extend(peer.read(52));
    bytes::check_greeting(&theirs);
    peer.expect(&ready("PULL", b""));
    peer.write(&ready("PUSH", b""));
    works(&mut pull, &mut peer);
}

#[test]
fn two_that_wait_for_each_other_meet() {
    // Two of the library's own, both told to connect and to bind: nobody speaks first by arrangement.
    for road in ROADS {
        let context = Context::new();
        let (mut pull, endpoint) = bound(Pull::new(&context).unwrap(), road);
        let mut push = Push::new(&context).unwrap();
        push.connect(&endpoint).unwrap();
        push.send("x").unwrap();
        assert_eq!(pull.soon()[0], "x");
    }
}

#[test]
pub(crate) fn what_does_not_matter_is_not_looked_at() {
    let mut greetings: Vec<(String, [u8; GREETING_LEN])> = Vec::new();
    let mut add = |what: &str, change: &dyn Fn(&mut [u8; GREETING_LEN])| {
        let mut bytes = greeting(1);
        change(&mut bytes);
        greetings.push((what.to_owned(), bytes));
    };
    add("padding of an identity of three bytes", &|bytes| bytes[8] = 4);
    add("padding of zeroes", &|bytes| bytes[8] = 0);
    add("padding of ones", &|bytes| bytes[1..9].fill(0xFF));
    add("padding of any bytes", &|bytes| bytes[1..9].copy_from_slice(b"\x7f\x03zMtP\x00\x01"));
    add("other bits of the signature's last byte", &|bytes| bytes[9] = 0x01);
    add("minor 0", &|bytes| bytes[11] = 0);
    add("minor 7", &|bytes| bytes[11] = 7);
    add("minor 255", &|bytes| bytes[11] = 255);
    add("major 4", &|bytes| bytes[10] = 4);
    add("major 255", &|bytes| bytes[10] = 255);
    add("as-server", &|bytes| bytes[32] = 1);
    add("filler", &|bytes| bytes[33..].fill(0x55));
    let context = Context::new();
    for (what, greeting) in greetings {
        let (mut pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
        let mut watch = Watch::new(pull.monitor());
        let mut peer = Peer::connect(&endpoint);
        peer.write(&greeting);
        peer.write(&ready("PUSH", b""));
        peer.write(&message(&[b"x"]));
        watch.wait_for(what.as_str(), |kind| matches!(kind, EventKind::PeerJoined { .. }));
        assert_eq!(pull.soon()[0], "x", "{what}");
    }
}

#[test]
fn ready_may_come_with_the_greeting() {
    for (name, peers) in TYPES {
        let context = Context::new();
        let mut socket = any::socket(&context, name);
        socket.bind(&Road::Tcp.anywhere());
        let mut watch = Watch::new(socket.monitor());
        let mut peer = Peer::connect(&socket.endpoint());
        peer.write(&opening(peers[0]));
        watch.joined();
        peer.expect_greeting();
        peer.expect(&ready(name, b""));
    }
}

#[test]
fn a_connector_greets_as_a_listener_does() {
    for road in ROADS {
        let context = Context::new();
        let listener = Listener::new(road);
        for (name, peers) in TYPES {
            let mut socket = any::socket(&context, name);
            let mut watch = Watch::new(socket.monitor());
            socket.connect(&listener.endpoint());
            let mut peer = listener.accept();
            peer.write_slowly(&greeting(1));
            peer.expect_greeting();
            peer.expect(&our_ready(road, name, b""));
            peer.write_slowly(&ready(peers[0], b""));
            watch.joined();
        }
    }
}

#[test]
pub(crate) fn other_mechanisms_are_closed_without_a_word() {
    for mechanism in [&b"PLAIN"[..], b"CURVE", b"GSSAPI", b"null", b"NULLL", b"", b"NULL\0X", &[0xFF; 20]] {
        let context = Context::new();
        let (pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
        let mut watch = Watch::new(pull.monitor());
        let mut peer = Peer::connect(&endpoint);
        peer.write(&greeting_of(mechanism));
        let (said, _) = peer.rest();
        assert!(said.len() <= GREETING_LEN, "{}", crate::raw::Hex(&said));
        let EventKind::HandshakeFailed { reason, .. } = watch.handshake_failed() else { unreachable!() };
        assert_eq!(reason, HandshakeFailure::MechanismMismatch, "{mechanism:?}");
    }
}

/// What is said to a listener of PULL is closed, and told as one of `reasons`; others are served as before and after.
fn is_no_zmtp(said: &[u8], closes: bool, reasons: &[HandshakeFailure]) {
    let context = Context::new();
    let (mut pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut good = Peer::joined(&endpoint, "PUSH", "PULL");
    let mut watch = Watch::new(pull.monitor());
    let mut peer = Peer::connect(&endpoint);
    peer.write(said);
    if closes {
        peer.finish_writing();
    }
    // What comes before the peer has said READY may come; nothing more.
    let (bytes, _) = peer.rest();
    assert!(bytes.len() <= opening("PULL").len(), "{} came after {said:?}", crate::raw::Hex(&bytes));
    let EventKind::HandshakeFailed { reason, .. } = watch.handshake_failed() else { unreachable!() };
    assert!(reasons.contains(&reason), "{said:?} was told as {reason:?}");
    works(&mut pull, &mut good);
    assert_eq!((pull.peers(), pull.counters().streams.failed_handshakes), (1, 1), "after {said:?}");
}

#[test]
pub(crate) fn plain_tcp_probes_are_closed() {
    let not_zmtp = [HandshakeFailure::NotZmtp];
    is_no_zmtp(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", false, &not_zmtp);
    is_no_zmtp(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", false, &not_zmtp);
    is_no_zmtp(b"SSH-2.0-OpenSSH_9.6\r\n", false, &not_zmtp);
    is_no_zmtp(b"\0", false, &not_zmtp);
    is_no_zmtp(b"", true, &[HandshakeFailure::PeerClosed]);
    is_no_zmtp(&greeting(1)[..1], true, &[HandshakeFailure::PeerClosed]);
    is_no_zmtp(&greeting(1)[..63], true, &[HandshakeFailure::PeerClosed]);
    is_no_zmtp(&greeting(1), true, &[HandshakeFailure::PeerClosed]);
}

#[test]
pub(crate) fn older_versions_are_closed() {
    let too_old = [HandshakeFailure::VersionNotSupported, HandshakeFailure::NotZmtp];
    // ZMTP 1.0: the frame of an identity, empty, of three bytes, and in the long form.
    is_no_zmtp(b"\x01\x00", false, &too_old);
    is_no_zmtp(b"\x04\x00abc", false, &too_old);
    is_no_zmtp(b"\xFF\0\0\0\0\0\0\0\x04\x00abc", false, &too_old);
    // Versions 1.0 and 2.0 behind a signature; 2.0 goes on with a socket type, here PUSH.
    is_no_zmtp(b"\xFF\0\0\0\0\0\0\0\x01\x7F\x00\x08", false, &too_old);
    is_no_zmtp(b"\xFF\0\0\0\0\0\0\0\x01\x7F\x01\x08\x00\x00", false, &too_old);
    is_no_zmtp(b"\xFF\0\0\0\0\0\0\0\x01\x7F\x02\x00", false, &too_old);
}

#[test]
fn a_connector_that_finds_no_zmtp_tries_again() {
    let context = Context::new();
    let listener = Listener::new(Road::Tcp);
    let mut push = Push::new(&context).unwrap();
    let mut watch = Watch::new(push.monitor());
    push.connect(listener.endpoint()).unwrap();
    push.send("kept").unwrap();
    listener.accept().write(b"220 smtp.example.org ESMTP\r\n");
    watch.retried();
    let mut peer = listener.accept();
    peer.shake_hands("PULL", "PUSH");
    peer.expect(&message(&[b"kept"]));
}
