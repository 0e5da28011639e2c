//! READY: what it says, what it may say, and what ends the connection.

use std::time::Duration;

use ringway::{
    Context, Dealer, Pull, Push, Req, Router, RoutingId,
    monitor::{EventKind, Fault, HandshakeFailure},
};

use crate::raw::{
    Listener, Peer, ROADS, Road,
    any::{self, Any, Soon, TYPES, bound},
    bytes::{
        COMMAND, MORE, command, error, frame, greeting, long_frame, message, opening, our_ready, ping, property_bytes,
        ready, subscribe,
    },
    watch::Watch,
};

#[test]
pub(crate) fn ready_says_the_type_and_an_identity_for_those_who_have_one() {
    for road in ROADS {
        for (name, _) in TYPES {
            let context = Context::new();
            let mut socket = any::socket(&context, name);
            socket.bind(&road.anywhere());
            let mut peer = Peer::connect(&socket.endpoint());
            peer.write(&greeting(1));
            peer.expect_greeting();
            peer.expect(&our_ready(road, name, b""));
        }
    }
}

#[test]
fn ready_says_the_routing_id() {
    let context = Context::new();
    let listener = Listener::new(Road::Tcp);
    let id = || RoutingId::new("ab!").unwrap();
    let mut dealer = Dealer::builder().routing_id(id()).build(&context).unwrap();
    let mut req = Req::builder().routing_id(id()).build(&context).unwrap();
    let mut router = Router::builder().routing_id(id()).build(&context).unwrap();
    let sockets: [(&mut dyn Any, &str); 3] = [(&mut dealer, "DEALER"), (&mut req, "REQ"), (&mut router, "ROUTER")];
    for (socket, name) in sockets {
        socket.connect(&listener.endpoint());
        let mut peer = listener.accept();
        peer.write(&greeting(1));
        peer.expect_greeting();
        peer.expect(&ready(name, b"ab!"));
    }
    let longest = [b'i'; 255];
    let mut dealer = Dealer::builder().routing_id(RoutingId::new(longest).unwrap()).build(&context).unwrap();
    dealer.connect(listener.endpoint()).unwrap();
    let mut peer = listener.accept();
    peer.write(&greeting(1));
    peer.expect_greeting();
    peer.expect(&ready("DEALER", &longest));
}

#[test]
fn who_talks_to_whom() {
    // Every type with every other, from both sides.
    let context = Context::new();
    for (name, talks_to) in TYPES {
        for (other, _) in TYPES {
            let mut socket = any::socket(&context, name);
            socket.bind(&Road::Tcp.anywhere());
            let mut watch = Watch::new(socket.monitor());
            let mut peer = Peer::connect(&socket.endpoint());
            peer.write(&opening(other));
            if talks_to.contains(&other) {
                peer.expect_greeting();
                peer.expect(&ready(name, b""));
                watch.joined();
            } else {
                // Without ERROR: a libzmq that is told so never tries again. It may be closed before all of ours is said.
                let (said, _) = peer.rest();
                assert!(opening(name)[1..].starts_with(said.get(1..).unwrap_or(&[])), "{}", crate::raw::Hex(&said));
                let told =
                    watch.wait_for("an incompatible peer", |kind| matches!(kind, EventKind::HandshakeFailed { .. }));
                let EventKind::HandshakeFailed { reason, .. } = &told else { unreachable!() };
                assert!(matches!(reason, HandshakeFailure::Incompatible(_)), "{name} and {other}: {told}");
                assert_eq!(reason.fault(), Fault::PeerIncompatible);
            }
        }
    }
}

#[test]
fn a_connector_does_not_give_an_incompatible_listener_up() {
    let context = Context::new();
    let listener = Listener::new(Road::Tcp);
    let mut push = Push::new(&context).unwrap();
    let mut watch = Watch::new(push.monitor());
    push.connect(listener.endpoint()).unwrap();
    listener.accept().write(&opening("PUSH"));
    watch.retried();
    let mut peer = listener.accept();
    peer.shake_hands("PULL", "PUSH");
    watch.joined();
}

/// A PULL that hears `said` after the greeting lets the peer join, and hands out the "x" that follows.
fn is_accepted(what: &str, said: &[u8]) {
    let context = Context::new();
    let (mut pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::connect(&endpoint);
    peer.write(&greeting(1));
    peer.write(said);
    peer.write(&message(&[b"x"]));
    let received = pull.recv_timeout(crate::raw::PATIENCE);
    assert_eq!(received.unwrap_or_else(|error| panic!("{what}: {error}"))[0], "x", "{what}");
}

/// A PULL that hears `said` after the greeting closes, tells whose fault it was, and serves others.
fn is_refused(what: &str, said: &[u8], fault: Fault) {
    let context = Context::new();
    let (mut pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut good = Peer::joined(&endpoint, "PUSH", "PULL");
    let mut watch = Watch::new(pull.monitor());
    let mut peer = Peer::connect(&endpoint);
    peer.write(&greeting(1));
    peer.expect_greeting();
    peer.expect(&ready("PULL", b""));
    peer.write(said);
    let (rest, _) = peer.rest();
    assert!(rest.is_empty(), "{what}: {} came before it was closed", crate::raw::Hex(&rest));
    let told = watch.wait_for(what, |kind| matches!(kind, EventKind::HandshakeFailed { .. }));
    let EventKind::HandshakeFailed { reason, .. } = told else { unreachable!() };
    assert_eq!(reason.fault(), fault, "{what}: {reason:?}");
    good.write(&message(&[b"x"]));
    assert_eq!(pull.soon()[0], "x", "{what}");
    assert_eq!(pull.counters().streams.failed_handshakes, 1, "{what}");
}

fn push_with(more: &[u8]) -> Vec<u8> {
    command("READY", &[&property_bytes("Socket-Type", b"PUSH")[..], more].concat())
}

#[test]
fn properties_nobody_knows_are_read_over() {
    is_accepted("an application's", &push_with(&property_bytes("X-Ship", b"Beagle")));
    is_accepted("Resource", &push_with(&property_bytes("Resource", b"/a/b")));
    is_accepted("an empty value", &push_with(&property_bytes("X-Empty", b"")));
    is_accepted("a long value", &push_with(&property_bytes("X-Long", &[b'v'; 5000])));
    is_accepted("the longest name", &push_with(&property_bytes(&"n".repeat(255), b"v")));
    let many: Vec<u8> = (0..100).flat_map(|number| property_bytes(&format!("X-{number}"), b"v")).collect();
    is_accepted("many", &push_with(&many));
    is_accepted("an identity of one who has none", &push_with(&property_bytes("Identity", b"me")));
    is_accepted(
        "the type last",
        &command("READY", &[&property_bytes("X-First", b"1")[..], &property_bytes("Socket-Type", b"PUSH")].concat()),
    );
}

#[test]
pub(crate) fn properties_that_are_none_are_refused() {
    let misbehaved = Fault::PeerMisbehaved;
    is_refused("no type", &command("READY", b""), misbehaved);
    is_refused("one byte too many", &push_with(b"\x00"), misbehaved);
    is_refused("a name that is cut off", &push_with(b"\x05X-"), misbehaved);
    is_refused("a length that is cut off", &push_with(b"\x03X-a\0\0\0"), misbehaved);
    is_refused("a value that is cut off", &push_with(b"\x03X-a\0\0\0\x05four"), misbehaved);
    is_refused("a value of four billion bytes", &push_with(b"\x03X-a\xFF\xFF\xFF\xFFfour"), misbehaved);
    is_refused("no name", &push_with(b"\x00\0\0\0\x01v"), misbehaved);
}

#[test]
fn an_identity_that_is_too_long_is_refused() {
    let context = Context::new();
    let (router, endpoint) = bound(Router::new(&context).unwrap(), Road::Tcp);
    let mut watch = Watch::new(router.monitor());
    let mut peer = Peer::connect(&endpoint);
    peer.write(&greeting(1));
    peer.write(&ready("DEALER", &[b'i'; 256]));
    peer.expect_gone();
    let EventKind::HandshakeFailed { reason, .. } = watch.handshake_failed() else { unreachable!() };
    assert_eq!(reason.fault(), Fault::PeerMisbehaved);
}

#[test]
fn a_type_nobody_knows_is_refused() {
    for name in [&b"PUSHER"[..], b"push", b"", b"\xFF\xFE", &[b'P'; 1000]] {
        let said = command("READY", &property_bytes("Socket-Type", name));
        let context = Context::new();
        let (pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
        let mut watch = Watch::new(pull.monitor());
        let mut peer = Peer::connect(&endpoint);
        peer.write(&greeting(1));
        peer.write(&said);
        peer.expect_gone();
        let EventKind::HandshakeFailed { reason, .. } = watch.handshake_failed() else { unreachable!() };
        assert_eq!(reason, HandshakeFailure::UnknownSocketType, "{name:?}");
    }
}

#[test]
pub(crate) fn nothing_but_ready_comes_first() {
    let misbehaved = Fault::PeerMisbehaved;
    is_refused("a message", &message(&[b"early"]), misbehaved);
    is_refused("part of a message", &frame(MORE, b"early"), misbehaved);
    is_refused("a subscription", &subscribe(b"A"), misbehaved);
    is_refused("a PING", &ping(0, b""), misbehaved);
    is_refused("another mechanism's", &command("HELLO", b"\x01u\x01p"), misbehaved);
    is_refused("a name in lower case", &command("ready", &property_bytes("Socket-Type", b"PUSH")), misbehaved);
    is_refused("no name", &frame(COMMAND, b""), misbehaved);
    is_refused("a name that is cut off", &frame(COMMAND, b"\x05REA"), misbehaved);
    is_refused("READY that is a message", &frame(0, &push_with(b"")[2..]), misbehaved);
    is_refused("READY with MORE", &frame(COMMAND | MORE, &push_with(b"")[2..]), misbehaved);
}

#[test]
fn ready_may_be_in_the_long_form() {
    is_accepted("the long form", &long_frame(COMMAND, &push_with(b"")[2..]));
}

#[test]
fn a_message_may_follow_ready_at_once() {
    // libzmq takes it for a violation; who has said READY may send, says the protocol.
    let context = Context::new();
    let (mut pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::connect(&endpoint);
    peer.write(&[opening("PUSH"), message(&[b"x", b"y"]), message(&[b"z"])].concat());
    assert_eq!(pull.soon().len(), 2);
    assert_eq!(pull.soon()[0], "z");
}

#[test]
pub(crate) fn a_connector_that_is_refused_tries_again() {
    // Both spellings: libzmq's PLAIN server says it with a typing error.
    for refusal in [error("400"), error(""), command("^RROR", b"\x03400")] {
        let context = Context::new();
        let listener = Listener::new(Road::Tcp);
        let mut push = Push::new(&context).unwrap();
        let mut watch = Watch::new(push.monitor());
        push.connect(listener.endpoint()).unwrap();
        let mut peer = listener.accept();
        peer.write(&greeting(1));
        peer.write(&refusal);
        let EventKind::HandshakeFailed { reason, .. } = watch.handshake_failed() else { unreachable!() };
        if refusal[3..].starts_with(b"ERROR") {
            assert_eq!(reason.fault(), Fault::PeerRefused);
        }
        watch.retried();
        let mut peer = listener.accept();
        peer.shake_hands("PULL", "PUSH");
        watch.joined();
    }
}

#[test]
fn who_does_not_finish_in_time_is_closed() {
    let said = opening("PUSH");
    // Nothing; part of the greeting; all of it; all but the last byte.
    for len in [0, 1, 10, 63, 64, said.len() - 1] {
        let context = Context::new();
        let pull = Pull::builder().handshake_timeout(Duration::from_millis(100)).build(&context).unwrap();
        let (mut pull, endpoint) = bound(pull, Road::Tcp);
        let mut watch = Watch::new(pull.monitor());
        let mut good = Peer::joined(&endpoint, "PUSH", "PULL");
        let mut peer = Peer::connect(&endpoint);
        peer.write(&said[..len]);
        peer.expect_gone();
        let EventKind::HandshakeFailed { reason, .. } = watch.handshake_failed() else { unreachable!() };
        assert_eq!(reason, HandshakeFailure::TimedOut, "{len} bytes");
        // The time is that of the handshake, not of the connection.
        good.write(&message(&[b"x"]));
        assert_eq!(pull.soon()[0], "x");
    }
}

#[test]
fn a_connector_gives_a_silent_listener_up_in_time() {
    let context = Context::new();
    let listener = Listener::new(Road::Tcp);
    let mut push = Push::builder().handshake_timeout(Duration::from_millis(100)).build(&context).unwrap();
    let mut watch = Watch::new(push.monitor());
    push.connect(listener.endpoint()).unwrap();
    let _silent = listener.accept();
    let EventKind::HandshakeFailed { reason, .. } = watch.handshake_failed() else { unreachable!() };
    assert_eq!(reason, HandshakeFailure::TimedOut);
    listener.accept().shake_hands("PULL", "PUSH");
    watch.joined();
}
