//! What implementations trip over, in the order in which it bites: a test for each. Where others here go into it, this
//! calls them, so that the list is whole.

use std::time::Duration;

use ringway::{
    Context, Pull, Push, Rep, Sub,
    monitor::{EventKind, HandshakeFailure},
};

use crate::{
    commands, ending, envelopes, framing, greeting, handshake,
    raw::{
        Listener, Peer, ROADS, Road,
        any::{self, Soon, TYPES, bound},
        bytes::{self, greeting_of, message, opening, ready, subscribe},
        watch::Watch,
    },
    recorded, subscriptions,
};

/// Not waiting for 64 bytes, nor looking at the padding, nor at the minor version.
#[test]
fn trap_01_the_greeting() {
    greeting::the_signature_comes_before_anything_of_the_peers();
    greeting::it_may_come_in_stages_as_libzmqs();
    greeting::every_byte_may_come_alone();
    greeting::what_does_not_matter_is_not_looked_at();
}

/// Unknown commands are passed over, PING is always answered.
#[test]
fn trap_02_commands() {
    commands::what_is_nobodys_is_passed_over();
    commands::ping_is_answered_with_its_context_by_every_type_while_the_application_does_nothing();
}

/// Both forms of a subscription; the one sent goes by the minor version of the peer.
#[test]
fn trap_03_both_forms_of_subscriptions() {
    subscriptions::both_forms_are_taken_from_any_version();
    subscriptions::the_form_goes_by_the_peers_minor_version();
}

/// A topic of 255 bytes to a peer of 3.0, which libzmq garbles. It does so to us as little as we announce 3.1.
#[test]
fn trap_04_topics_of_255_bytes() {
    subscriptions::topics_of_any_length_are_framed_right();
    subscriptions::what_libzmq_garbles_does_no_harm();
    let context = Context::new();
    let (_pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::connect(&endpoint);
    peer.write(&bytes::greeting(0));
    assert_eq!(peer.read(64)[11], 1, "3.1 is announced, also to one of 3.0");
}

/// Nothing but READY before the peer's READY. What there is to say is kept.
#[test]
fn trap_05_no_traffic_before_ready() {
    envelopes::nothing_is_said_before_the_peers_ready_and_all_that_queued_after_it();
    handshake::nothing_but_ready_comes_first();
    let context = Context::new();
    let listener = Listener::new(Road::Tcp);
    // Subscriptions are traffic, and so are PINGs.
    let mut sub = Sub::builder().subscribe("A").heartbeat(Duration::from_millis(10)).build(&context).unwrap();
    sub.connect(listener.endpoint()).unwrap();
    let mut peer = listener.accept();
    peer.write(&bytes::greeting(1));
    peer.expect_greeting();
    peer.expect(&ready("SUB", b""));
    peer.expect_silence();
    peer.write(&ready("PUB", b""));
    peer.expect(&subscribe(b"A"));
}

/// Who is not let in for now is closed without a word, as a libzmq that is told why never comes back; and our own
/// connectors come back whatever they are told.
#[test]
fn trap_06_refusing_politely() {
    ending::more_peers_than_there_may_be_are_closed_without_a_word();
    ending::violations_do_not_stop_a_connector();
    handshake::a_connector_that_is_refused_tries_again();
}

/// Identities are said by REQ, DEALER and ROUTER, also empty ones; those of others do no harm; those that begin with a
/// zero are generated.
#[test]
fn trap_07_identities() {
    handshake::ready_says_the_type_and_an_identity_for_those_who_have_one();
    envelopes::an_identity_that_begins_with_zero_takes_nobodys_place();
    let context = Context::new();
    let (mut rep, endpoint) = bound(Rep::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::connect(&endpoint);
    peer.shake_hands_as("DEALER", b"me", 1, "REP");
    peer.write(&message(&[b"", b"q"]));
    assert_eq!(rep.soon()[0], "q");
    for (name, peers) in TYPES {
        // One that has no business with an identity says one.
        let Some(other) = peers.iter().find(|other| !matches!(**other, "REQ" | "DEALER" | "ROUTER")) else { continue };
        let mut socket = any::socket(&context, name);
        socket.bind(&Road::Tcp.anywhere());
        let mut watch = Watch::new(socket.monitor());
        let mut peer = Peer::connect(&socket.endpoint());
        let properties =
            [bytes::property_bytes("Socket-Type", other.as_bytes()), bytes::property_bytes("Identity", b"me")];
        peer.write(&[&bytes::greeting(1)[..], &bytes::command("READY", &properties.concat())].concat());
        watch.joined();
    }
}

/// Names of properties as they are written in the protocol, and nothing after the last.
#[test]
fn trap_08_names_of_properties() {
    handshake::properties_that_are_none_are_refused();
    let context = Context::new();
    let (_pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::connect(&endpoint);
    peer.write(&bytes::greeting(1));
    peer.expect_greeting();
    let said = bytes::properties(&peer.frame().body);
    let names: Vec<&str> = said.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names[0] == "Socket-Type" && names[1..].iter().all(|name| name.starts_with("X-")), "{names:?}");
}

/// A bound subscriber subscribes when a publisher comes, not when its application calls in. Nor does ours wait for
/// anything when it is libzmq's that waits: a publisher that has heard of no subscription says nothing.
#[test]
fn trap_09_subscriptions_of_a_bound_subscriber() {
    subscriptions::a_bound_subscriber_tells_a_publisher_at_once();
}

/// Mechanisms there are none of here: closed. libzmq's misspelt ERROR, and the right one, end a handshake.
#[test]
fn trap_10_other_mechanisms() {
    greeting::other_mechanisms_are_closed_without_a_word();
    let context = Context::new();
    let listener = Listener::new(Road::Tcp);
    for mechanism in [&b"PLAIN"[..], b"CURVE"] {
        let mut push = Push::new(&context).unwrap();
        let mut watch = Watch::new(push.monitor());
        push.connect(listener.endpoint()).unwrap();
        listener.accept().write(&greeting_of(mechanism));
        let EventKind::HandshakeFailed { reason, .. } = watch.handshake_failed() else { unreachable!() };
        assert_eq!(reason, HandshakeFailure::MechanismMismatch);
        watch.retried();
    }
}

/// A TTL libzmq can count, and contexts of 16 bytes.
#[test]
fn trap_11_ttl_and_ping_context() {
    commands::a_ttl_is_never_above_what_libzmq_can_count();
    commands::a_context_that_is_too_long_comes_back_cut();
}

/// One empty delimiter, and none added or taken where there is a router between.
#[test]
fn trap_12_delimiters() {
    envelopes::a_rep_gives_back_the_envelope_it_got();
    envelopes::a_rep_throws_requests_without_a_delimiter_away();
    envelopes::a_request_has_an_empty_delimiter();
}

/// Health checks and port scans: closed, told, and nothing else.
#[test]
fn trap_13_probes_that_are_no_zmtp() {
    greeting::plain_tcp_probes_are_closed();
    greeting::older_versions_are_closed();
}

/// The same bytes on a Unix socket.
#[test]
fn trap_14_ipc_is_the_same_stream() {
    let mut said = ROADS.map(|road| {
        let context = Context::new();
        let (mut push, endpoint) = bound(Push::new(&context).unwrap(), road);
        let mut peer = Peer::connect(&endpoint);
        peer.write(&opening("PULL"));
        push.send("x").unwrap();
        push.send(vec![7; 300]).unwrap();
        drop(push);
        peer.rest().0
    });
    // What is announced to peers of our own is for one of the roads only, perhaps; others pass over it.
    for said in &mut said {
        said.drain(1..9);
    }
    assert_eq!(said[0][..56], said[1][..56]);
    assert!(said[0].ends_with(&[message(&[b"x"]), message(&[&[7; 300]])].concat()));
    assert!(said[1].ends_with(&[message(&[b"x"]), message(&[&[7; 300]])].concat()));
    framing::every_length_is_received();
}

/// A burst goes out in few segments, for which libzmq has 8 KiB.
#[test]
fn trap_15_small_segments() {
    ending::a_burst_is_few_segments();
    ending::a_batch_is_few_segments();
}

/// The recordings are of libzmq 4.3.5.
#[test]
fn what_we_take_for_libzmq_is_libzmq() {
    recorded::the_greeting_is_the_one_we_know();
}
