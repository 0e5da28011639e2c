//! PING, PONG, TTL, and commands nobody knows.

use std::{
    thread,
    time::{Duration, Instant},
};

use ringway::{
    Context, Pair, Pub, Pull, Push,
    monitor::{DisconnectReason, EventKind, Fault},
};

use crate::raw::{
    Listener, PATIENCE, Peer, ROADS, Road,
    any::{self, Soon, TYPES, bound},
    bytes::{COMMAND, command, error, frame, long_frame, message, ping, pong},
    watch::Watch,
};

#[test]
pub(crate) fn ping_is_answered_with_its_context_by_every_type_while_the_application_does_nothing() {
    for (name, peers) in TYPES {
        let context = Context::new();
        let mut socket = any::socket(&context, name);
        socket.bind(&Road::Tcp.anywhere());
        let mut peer = Peer::joined(&socket.endpoint(), peers[0], name);
        for ping_context in [&b""[..], b"c", b"sixteen bytes ..", &[0; 16]] {
            peer.write(&ping(0, ping_context));
            peer.expect(&pong(ping_context));
        }
    }
}

#[test]
fn ping_is_answered_by_connectors_and_over_ipc() {
    for road in ROADS {
        let context = Context::new();
        let listener = Listener::new(road);
        let mut push = Push::new(&context).unwrap();
        push.connect(listener.endpoint()).unwrap();
        let mut peer = listener.accept();
        peer.shake_hands("PULL", "PUSH");
        peer.settle();
    }
}

#[test]
fn ping_is_answered_while_the_application_is_full() {
    // Nobody receives, and the queue is full: what is said between messages must not wait behind them for ever. What has
    // been read is answered; reading stops when the queue is full, so the PING comes first.
    let context = Context::new();
    let pull = Pull::builder().recv_hwm(10).build(&context).unwrap();
    let (mut pull, endpoint) = bound(pull, Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
    for number in 0..10_u8 {
        peer.write(&[ping(0, &[number]), message(&[&[number]])].concat());
    }
    for number in 0..10_u8 {
        peer.expect(&pong(&[number]));
    }
    for number in 0..10_u8 {
        assert_eq!(pull.soon()[0], [number]);
    }
}

#[test]
pub(crate) fn a_context_that_is_too_long_comes_back_cut() {
    // libzmq cuts it to 16 bytes; what is more is the peer's mistake.
    let context = Context::new();
    let (_pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
    peer.write(&ping(0, b"seventeen bytes .."));
    peer.expect(&pong(b"seventeen bytes "));
    peer.settle();
}

#[test]
pub(crate) fn what_is_nobodys_is_passed_over() {
    for (name, peers) in TYPES {
        let context = Context::new();
        let mut socket = any::socket(&context, name);
        socket.bind(&Road::Tcp.anywhere());
        let mut peer = Peer::joined(&socket.endpoint(), peers[0], name);
        peer.write(&command("FROBNICATE", b""));
        peer.write(&command("FROBNICATE", &[0xFF; 1000]));
        peer.write(&command("ping", b"\0\0"));
        peer.write(&command("PONG", b""));
        peer.write(&command("PONG", b"of no PING, and too long"));
        peer.write(&command("JOIN", b"group"));
        peer.write(&command("LEAVE", b"group"));
        peer.write(&command(&"N".repeat(255), b""));
        peer.write(&long_frame(COMMAND, b"\x01N"));
        peer.settle();
    }
}

#[test]
fn subscriptions_are_nothing_to_those_who_do_not_publish() {
    let context = Context::new();
    let (mut pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
    peer.write(&command("SUBSCRIBE", b"A"));
    peer.write(&command("CANCEL", b"A"));
    peer.settle();
    // The message form is a message.
    peer.write(&message(&[b"\x01A"]));
    assert_eq!(pull.soon()[0], b"\x01A"[..]);
}

#[test]
fn commands_that_are_cut_off_end_the_connection() {
    for (what, said) in [
        ("no name", frame(COMMAND, b"")),
        ("a name that is cut off", frame(COMMAND, b"\x05PIN")),
        ("PING without TTL", command("PING", b"")),
        ("PING with half a TTL", command("PING", b"\0")),
    ] {
        let context = Context::new();
        let (pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
        let mut watch = Watch::new(pull.monitor());
        let mut good = Peer::joined(&endpoint, "PUSH", "PULL");
        let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
        peer.write(&said);
        peer.expect_gone();
        let EventKind::Disconnected { reason, .. } = watch.disconnected() else { unreachable!() };
        assert_eq!(reason.fault(), Fault::PeerMisbehaved, "{what}: {reason}");
        good.settle();
    }
}

#[test]
fn error_after_the_handshake_harms_nobody() {
    // libzmq passes over it. Whether the connection lasts is not the question: nobody else is touched.
    let context = Context::new();
    let (mut pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut good = Peer::joined(&endpoint, "PUSH", "PULL");
    let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
    peer.write(&error("late"));
    good.write(&message(&[b"x"]));
    assert_eq!(pull.soon()[0], "x");
    good.settle();
}

#[test]
fn a_ttl_is_honoured() {
    let context = Context::new();
    let (pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut watch = Watch::new(pull.monitor());
    let mut silent = Peer::joined(&endpoint, "PUSH", "PULL");
    let mut patient = Peer::joined(&endpoint, "PUSH", "PULL");
    patient.write(&ping(0, b""));
    patient.expect(&pong(b""));
    let began = Instant::now();
    silent.write(&ping(2, b""));
    silent.expect(&pong(b""));
    silent.expect_gone();
    assert!(began.elapsed() >= Duration::from_millis(200), "given up after {:?}", began.elapsed());
    let EventKind::Disconnected { reason, .. } = watch.disconnected() else { unreachable!() };
    assert_eq!(reason, DisconnectReason::HeartbeatTimedOut);
    patient.settle();
}

#[test]
fn a_ttl_counts_from_its_ping() {
    // Not from what was heard before: the peer may have had nothing to say for longer than that.
    let context = Context::new();
    let (_pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
    thread::sleep(Duration::from_millis(700));
    peer.write(&ping(5, b"first"));
    peer.expect(&pong(b"first"));
    peer.expect_silence();
    peer.settle();
}

#[test]
fn who_speaks_is_not_given_up() {
    let context = Context::new();
    let (_pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(700) {
        peer.write(&ping(3, b"alive"));
        peer.expect(&pong(b"alive"));
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_ttl_of_zero_or_of_an_hour_ends_nothing() {
    let context = Context::new();
    let (_pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    // 656 and above are what libzmq counts in 16 bits.
    for ttl in [0, 655, 656, 36_000, u16::MAX] {
        let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
        peer.write(&ping(ttl, b""));
        peer.expect(&pong(b""));
        peer.expect_silence();
        peer.settle();
    }
}

#[test]
fn pings_are_sent_as_libzmqs() {
    let context = Context::new();
    let push = Push::builder()
        .heartbeat(Duration::from_millis(20))
        .heartbeat_timeout(PATIENCE)
        .heartbeat_ttl(Duration::from_secs(3))
        .build(&context)
        .unwrap();
    let (_push, endpoint) = bound(push, Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "PULL", "PUSH");
    for _ in 0..3 {
        peer.expect(&ping(30, b""));
        peer.write(&pong(b""));
    }
}

#[test]
pub(crate) fn a_ttl_is_never_above_what_libzmq_can_count() {
    let context = Context::new();
    for ttl in [Duration::from_millis(65_600), Duration::from_secs(6553), Duration::from_secs(100_000), Duration::MAX] {
        let push = Push::builder()
            .heartbeat(Duration::from_millis(20))
            .heartbeat_timeout(PATIENCE)
            .heartbeat_ttl(ttl)
            .build(&context)
            .unwrap();
        let (_push, endpoint) = bound(push, Road::Tcp);
        let mut peer = Peer::joined(&endpoint, "PULL", "PUSH");
        let came = peer.frame();
        let said = u16::from_be_bytes(came.body[5..7].try_into().unwrap());
        assert!(came.body.starts_with(b"\x04PING") && (1..=655).contains(&said), "{ttl:?}: {came:?}");
    }
}

#[test]
fn who_does_not_answer_pings_is_given_up() {
    for road in ROADS {
        let context = Context::new();
        let pair = Pair::builder()
            .heartbeat(Duration::from_millis(20))
            .heartbeat_timeout(Duration::from_millis(100))
            .build(&context)
            .unwrap();
        let (pair, endpoint) = bound(pair, road);
        let mut watch = Watch::new(pair.monitor());
        let mut peer = Peer::joined(&endpoint, "PAIR", "PAIR");
        peer.expect(&ping(0, b""));
        peer.expect_gone();
        let EventKind::Disconnected { reason, .. } = watch.disconnected() else { unreachable!() };
        assert_eq!(reason, DisconnectReason::HeartbeatTimedOut);
    }
}

#[test]
fn any_traffic_answers_a_ping() {
    // A long message that comes slowly is life, too.
    let context = Context::new();
    let pull = Pull::builder()
        .heartbeat(Duration::from_millis(20))
        .heartbeat_timeout(Duration::from_millis(400))
        .build(&context)
        .unwrap();
    let (mut pull, endpoint) = bound(pull, Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
    let said = message(&[&[1; 50]]);
    for byte in &said {
        peer.write(&[*byte]);
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(pull.soon()[0], [1; 50]);
}

#[test]
fn a_connector_comes_back_after_a_silence() {
    let context = Context::new();
    let listener = Listener::new(Road::Tcp);
    let mut publisher = Pub::builder()
        .heartbeat(Duration::from_millis(20))
        .heartbeat_timeout(Duration::from_millis(100))
        .build(&context)
        .unwrap();
    publisher.connect(listener.endpoint()).unwrap();
    let mut silent = listener.accept();
    silent.shake_hands("SUB", "PUB");
    let mut again = listener.accept();
    again.shake_hands("SUB", "PUB");
}
