//! How connections end, and begin again.

use std::{
    fs,
    time::{Duration, Instant},
};

use ringway::{
    Context, Dealer, Message, Pair, Pub, Pull, Push, Req,
    monitor::{ConnectFailure, DisconnectReason, EventKind},
    socket::RecvError,
};

use crate::raw::{
    End, Listener, PATIENCE, Peer, ROADS, Road,
    any::{Soon, bound},
    bytes::{greeting, message, opening, ping, pong, ready, subscribe},
    temporary_path,
    watch::Watch,
};

#[test]
fn a_peer_that_closes_is_connected_to_again() {
    for road in ROADS {
        let (context, listener) = (Context::new(), Listener::new(road));
        let mut push = Push::new(&context).unwrap();
        let mut watch = Watch::new(push.monitor());
        push.connect(listener.endpoint()).unwrap();
        for number in 0..5_u8 {
            let mut peer = listener.accept();
            peer.shake_hands("PULL", "PUSH");
            push.send([number]).unwrap();
            peer.expect(&message(&[&[number]]));
            drop(peer);
            let EventKind::Disconnected { reason, .. } = watch.disconnected() else { unreachable!() };
            assert_eq!(reason, DisconnectReason::PeerClosed);
            let EventKind::ConnectRetried { reason, .. } = watch.retried() else { unreachable!() };
            assert_eq!(reason, ConnectFailure::Disconnected(DisconnectReason::PeerClosed));
            assert_eq!(push.counters().streams.reconnects, u64::from(number) + 1);
        }
    }
}

#[test]
fn a_peer_that_resets_is_connected_to_again() {
    let (context, listener) = (Context::new(), Listener::new(Road::Tcp));
    let mut push = Push::new(&context).unwrap();
    let mut watch = Watch::new(push.monitor());
    push.connect(listener.endpoint()).unwrap();
    let mut peer = listener.accept();
    peer.shake_hands("PULL", "PUSH");
    watch.joined();
    peer.reset();
    let EventKind::Disconnected { reason, .. } = watch.disconnected() else { unreachable!() };
    assert_eq!(reason, DisconnectReason::ConnectionReset);
    let mut peer = listener.accept();
    peer.shake_hands("PULL", "PUSH");
    push.send("x").unwrap();
    peer.expect(&message(&[b"x"]));
}

#[test]
fn what_is_queued_survives_attempts_that_fail() {
    // Nobody there; somebody who closes at once, after a part of the handshake, after what is no handshake.
    let (context, listener) = (Context::new(), Listener::new(Road::Tcp));
    let mut push = Push::builder().reconnect_interval(Duration::from_millis(10)).build(&context).unwrap();
    push.connect(listener.endpoint()).unwrap();
    push.send("first").unwrap();
    let failures: [&[u8]; 6] = [
        b"",
        &greeting(1)[..1],
        &greeting(1),
        &opening("PULL")[..70],
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &opening("PUSH"),
    ];
    for said in failures {
        let mut peer = listener.accept();
        peer.write(said);
    }
    push.send("second").unwrap();
    let mut peer = listener.accept();
    peer.shake_hands("PULL", "PUSH");
    peer.expect(&[message(&[b"first"]), message(&[b"second"])].concat());
}

#[test]
fn what_a_connector_had_queued_survives_the_connection() {
    // Nothing is read, so nearly all stays with the sender when the connection ends; what was not wholly written is sent
    // to the next, in order.
    const COUNT: usize = 200;
    let (context, listener) = (Context::new(), Listener::new(Road::Tcp));
    let mut push = Push::builder().reconnect_interval(Duration::from_millis(10)).build(&context).unwrap();
    push.connect(listener.endpoint()).unwrap();
    let mut peer = listener.accept();
    peer.shake_hands("PULL", "PUSH");
    let big = vec![7; 100_000];
    for number in 0..COUNT {
        push.send(Message::from_iter([&number.to_be_bytes()[..], &big])).unwrap();
    }
    peer.reset();
    let mut peer = listener.accept();
    peer.shake_hands("PULL", "PUSH");
    let mut numbers = Vec::new();
    loop {
        let frames = peer.message();
        assert_eq!(frames.len(), 2);
        numbers.push(usize::from_be_bytes(frames[0][..].try_into().unwrap()));
        if numbers.last() == Some(&(COUNT - 1)) {
            break;
        }
    }
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "a gap, or out of order: {numbers:?}");
    // What the system had taken is lost with the connection: no more than its buffers.
    assert!(numbers.len() >= COUNT / 2, "{} of {COUNT} came", numbers.len());
}

#[test]
fn attempts_are_spaced_and_told() {
    // A port nobody listens at.
    let listener = Listener::new(Road::Tcp);
    let endpoint = listener.endpoint();
    drop(listener);
    let context = Context::new();
    let (least, most) = (Duration::from_millis(5), Duration::from_millis(40));
    let mut push = Push::builder().reconnect_interval(least).reconnect_interval_max(most).build(&context).unwrap();
    let mut watch = Watch::new(push.monitor());
    push.connect(&endpoint).unwrap();
    for _ in 0..10 {
        let EventKind::ConnectRetried { reason, delay, .. } = watch.retried() else { unreachable!() };
        assert_eq!(reason, ConnectFailure::Refused);
        assert!(delay <= most, "{delay:?}");
    }
}

#[test]
fn a_listener_may_come_later() {
    for road in ROADS {
        let endpoint = Listener::new(road).endpoint();
        let context = Context::new();
        let mut push = Push::builder().reconnect_interval(Duration::from_millis(5)).build(&context).unwrap();
        let mut watch = Watch::new(push.monitor());
        push.connect(&endpoint).unwrap();
        push.send("early").unwrap();
        watch.retried();
        let mut pull = Pull::new(&context).unwrap();
        pull.bind(&endpoint).unwrap();
        assert_eq!(pull.soon()[0], "early");
    }
}

#[test]
pub(crate) fn violations_do_not_stop_a_connector() {
    // libzmq's is dead for good after any.
    let (context, listener) = (Context::new(), Listener::new(Road::Tcp));
    let mut pull = Pull::builder().reconnect_interval(Duration::from_millis(5)).build(&context).unwrap();
    let mut watch = Watch::new(pull.monitor());
    pull.connect(listener.endpoint()).unwrap();
    let after_greeting: [&[u8]; 3] = [b"\x00\x01x", b"\x04\x00", b"\x05\x01x"];
    for said in after_greeting {
        let mut peer = listener.accept();
        peer.write(&greeting(1));
        peer.write(said);
        peer.expect_gone();
        watch.handshake_failed();
        watch.retried();
    }
    let after_ready: [&[u8]; 3] = [b"\x05\x00", b"\x04\x05\x04PING", b"\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"];
    for said in after_ready {
        let mut peer = listener.accept();
        peer.shake_hands("PUSH", "PULL");
        peer.write(said);
        peer.expect_gone();
        watch.disconnected();
        watch.retried();
    }
    let mut peer = listener.accept();
    peer.shake_hands("PUSH", "PULL");
    peer.write(&message(&[b"x"]));
    assert_eq!(pull.soon()[0], "x");
}

#[test]
fn closing_sends_what_is_queued_and_then_closes() {
    for road in ROADS {
        let context = Context::new();
        let push = Push::builder().linger(PATIENCE).build(&context).unwrap();
        let (mut push, endpoint) = bound(push, road);
        let mut peer = Peer::joined(&endpoint, "PULL", "PUSH");
        let big = vec![7; 100_000];
        for _ in 0..50 {
            push.send(big.clone()).unwrap();
        }
        drop(push);
        for _ in 0..50 {
            assert_eq!(peer.message(), [&big[..]]);
        }
        peer.expect_closed();
    }
}

#[test]
fn closing_does_not_reset_what_was_sent() {
    // A close with bytes unread is a reset, and with it goes what the peer has not read yet. There are always such bytes:
    // PINGs, subscriptions, messages nobody took.
    for road in ROADS {
        for _ in 0..20 {
            let context = Context::new();
            let pair = Pair::builder().linger(PATIENCE).recv_hwm(1).build(&context).unwrap();
            let (mut pair, endpoint) = bound(pair, road);
            let mut peer = Peer::joined(&endpoint, "PAIR", "PAIR");
            let body = vec![7; 1000];
            for _ in 0..50 {
                pair.send(body.clone()).unwrap();
            }
            // More than is read while the queue is full.
            let unread: Vec<u8> = (0..1000).flat_map(|_| message(&[&[1; 100]])).collect();
            peer.write(&unread);
            drop(pair);
            // It has closed, or is about to; what it sent is there all the same.
            let (bytes, end) = peer.rest();
            assert_eq!(bytes.len(), 50 * message(&[&body]).len(), "{road:?}: {end:?}");
            let _ = end;
        }
    }
}

#[test]
fn closing_does_not_wait_for_who_does_not_read() {
    let context = Context::new();
    let push = Push::builder().linger(Duration::from_millis(100)).build(&context).unwrap();
    let (mut push, endpoint) = bound(push, Road::Tcp);
    let _peer = Peer::joined(&endpoint, "PULL", "PUSH");
    for _ in 0..100 {
        push.send(vec![7; 1 << 20]).unwrap();
    }
    let began = Instant::now();
    drop(push);
    let report = context.shutdown(PATIENCE);
    assert!(began.elapsed() < PATIENCE / 2, "it took {:?}", began.elapsed());
    assert!(report.undelivered > 0, "{report:?}");
}

#[test]
fn who_shuts_down_its_side_has_its_messages_received() {
    for road in ROADS {
        let context = Context::new();
        let (mut pull, endpoint) = bound(Pull::builder().recv_hwm(2).build(&context).unwrap(), road);
        let mut watch = Watch::new(pull.monitor());
        let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
        for number in 0..100_u8 {
            peer.write(&message(&[&[number]]));
        }
        peer.finish_writing();
        for number in 0..100_u8 {
            assert_eq!(pull.soon()[0], [number]);
        }
        let EventKind::Disconnected { reason, .. } = watch.disconnected() else { unreachable!() };
        assert_eq!(reason, DisconnectReason::PeerClosed);
        peer.expect_gone();
    }
}

#[test]
fn what_a_peer_sent_before_it_went_is_received() {
    // More than the queue holds: most of it is still with the system when the peer is gone, which on a Unix socket is told
    // at once, though there is more to read.
    for road in ROADS {
        let context = Context::new();
        let (mut pull, endpoint) = bound(Pull::builder().recv_hwm(10).build(&context).unwrap(), road);
        let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
        let said: Vec<u8> = (0..2000_u32).flat_map(|number| message(&[&number.to_be_bytes()])).collect();
        peer.write(&said);
        drop(peer);
        for number in 0..2000_u32 {
            assert_eq!(pull.soon()[0], number.to_be_bytes(), "{road:?}");
        }
        assert!(matches!(pull.try_recv(), Err(RecvError::Empty)));
    }
}

#[test]
fn unbinding_closes_the_door_and_nothing_else() {
    for road in ROADS {
        let context = Context::new();
        let (mut pull, endpoint) = bound(Pull::new(&context).unwrap(), road);
        let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
        pull.unbind(&endpoint).unwrap();
        assert!(Peer::try_connect(&endpoint).is_err(), "{endpoint} is still open");
        peer.write(&message(&[b"x"]));
        assert_eq!(pull.soon()[0], "x");
        pull.bind(&endpoint).unwrap();
        Peer::joined(&endpoint, "PUSH", "PULL").settle();
    }
}

#[test]
fn closing_closes_the_door() {
    for road in ROADS {
        let context = Context::new();
        let (pull, endpoint) = bound(Pull::new(&context).unwrap(), road);
        let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
        drop(pull);
        peer.expect_gone();
        assert!(Peer::try_connect(&endpoint).is_err(), "{endpoint} is still open");
        if let Some(path) = endpoint.strip_prefix("ipc://") {
            assert!(!fs::exists(path).unwrap(), "{path} is still there");
        }
        bound(Pull::new(&context).unwrap(), road).0.bind(&endpoint).unwrap();
    }
}

#[test]
fn disconnecting_ends_the_connection_and_the_attempts() {
    for road in ROADS {
        let (context, listener) = (Context::new(), Listener::new(road));
        let mut push = Push::builder().reconnect_interval(Duration::from_millis(1)).build(&context).unwrap();
        push.connect(listener.endpoint()).unwrap();
        let mut peer = listener.accept();
        peer.shake_hands("PULL", "PUSH");
        push.send("last").unwrap();
        push.disconnect(listener.endpoint()).unwrap();
        peer.expect(&message(&[b"last"]));
        peer.expect_closed();
        assert!(listener.accept_within(Duration::from_millis(50)).is_none(), "it connected again");
    }
}

#[test]
fn a_path_that_was_left_behind_is_taken_over_and_a_live_one_is_not() {
    let context = Context::new();
    let path = temporary_path();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(fs::exists(&path).unwrap());
    let endpoint = format!("ipc://{}", path.display());
    let mut pull = Pull::new(&context).unwrap();
    pull.bind(&endpoint).unwrap();
    Peer::joined(&endpoint, "PUSH", "PULL").settle();
    assert!(Pull::new(&context).unwrap().bind(&endpoint).is_err());
    Peer::joined(&endpoint, "PUSH", "PULL").settle();
    drop(pull);
    assert!(!fs::exists(&path).unwrap());
}

#[test]
fn a_requester_is_told_that_its_replier_has_gone() {
    let (context, listener) = (Context::new(), Listener::new(Road::Tcp));
    let mut req = Req::builder().reconnect_interval(Duration::from_millis(5)).build(&context).unwrap();
    req.connect(listener.endpoint()).unwrap();
    let mut peer = listener.accept();
    peer.shake_hands("REP", "REQ");
    req.send("q").unwrap();
    peer.expect(&message(&[b"", b"q"]));
    drop(peer);
    assert_eq!(req.recv_timeout(PATIENCE), Err(RecvError::PeerLeft));
    let mut peer = listener.accept();
    peer.shake_hands("REP", "REQ");
    req.send("again").unwrap();
    peer.expect(&message(&[b"", b"again"]));
    peer.write(&message(&[b"", b"a"]));
    assert_eq!(req.soon()[0], "a");
}

#[test]
pub(crate) fn more_peers_than_there_may_be_are_closed_without_a_word() {
    // Not by ERROR, nor by breaking a rule: a libzmq that connects would never try again.
    for road in ROADS {
        let context = Context::new();
        let (mut pull, endpoint) = bound(Pull::builder().max_peers(2).build(&context).unwrap(), road);
        let mut first = Peer::joined(&endpoint, "PUSH", "PULL");
        let mut second = Peer::joined(&endpoint, "PUSH", "PULL");
        let mut third = Peer::connect(&endpoint);
        let (said, _) = third.rest();
        assert!(said.len() <= 64, "{}", crate::raw::Hex(&said));
        assert_eq!(pull.counters().streams.refused, 1);
        for peer in [&mut first, &mut second] {
            peer.write(&message(&[b"x"]));
            assert_eq!(pull.soon()[0], "x");
        }
        // When one has gone there is room.
        let mut watch = Watch::new(pull.monitor());
        drop(first);
        watch.disconnected();
        let mut fourth = Peer::joined(&endpoint, "PUSH", "PULL");
        fourth.write(&message(&[b"y"]));
        assert_eq!(pull.soon()[0], "y");
    }
}

#[test]
pub(crate) fn a_burst_is_few_segments() {
    // 1,000 messages that queued while the peer was not ready: 66 KB in a handful of writes.
    let (context, listener) = (Context::new(), Listener::new(Road::Tcp));
    let mut push = Push::builder().send_hwm(1000).build(&context).unwrap();
    push.connect(listener.endpoint()).unwrap();
    for _ in 0..1000 {
        push.send([7; 64]).unwrap();
    }
    let mut peer = listener.accept();
    peer.write(&greeting(1));
    peer.expect_greeting();
    peer.expect(&ready("PUSH", b""));
    let before = segments_in(&peer);
    peer.write(&ready("PULL", b""));
    for _ in 0..1000 {
        assert_eq!(peer.message(), [[7; 64]]);
    }
    let segments = segments_in(&peer) - before;
    assert!(segments <= 40, "{segments} segments for 66,000 bytes");
}

#[test]
pub(crate) fn a_batch_is_few_segments() {
    let context = Context::new();
    let (mut push, endpoint) = bound(Push::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "PULL", "PUSH");
    push.send("first").unwrap();
    peer.expect(&message(&[b"first"]));
    let before = segments_in(&peer);
    let mut batch = (0..500).map(|_| Message::from([7_u8; 64])).collect();
    push.send_batch(&mut batch).unwrap();
    for _ in 0..500 {
        assert_eq!(peer.message(), [[7; 64]]);
    }
    let segments = segments_in(&peer) - before;
    assert!(segments <= 40, "{segments} segments for 33,000 bytes");
}

#[test]
fn a_fan_out_of_a_batch_is_few_segments_for_each() {
    let context = Context::new();
    let (mut publisher, endpoint) = bound(Pub::new(&context).unwrap(), Road::Tcp);
    let mut peers = [0; 3].map(|_| Peer::joined(&endpoint, "SUB", "PUB"));
    for peer in &mut peers {
        peer.write(&subscribe(b""));
        peer.settle();
    }
    publisher.wait_for_subscribers(3, PATIENCE).unwrap();
    let before = [0, 1, 2].map(|place: usize| segments_in(&peers[place]));
    let mut batch = (0..500).map(|_| Message::from([7_u8; 64])).collect();
    publisher.send_batch(&mut batch).unwrap();
    for (peer, before) in peers.iter_mut().zip(before) {
        for _ in 0..500 {
            assert_eq!(peer.message(), [[7; 64]]);
        }
        let segments = segments_in(peer) - before;
        assert!(segments <= 40, "{segments} segments for 33,000 bytes");
    }
}

#[test]
fn answers_to_a_burst_of_pings_are_few_segments() {
    let context = Context::new();
    let (_dealer, endpoint) = bound(Dealer::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "DEALER", "DEALER");
    let before = segments_in(&peer);
    let burst: Vec<u8> = (0..200).flat_map(|_| ping(0, b"")).collect();
    peer.write(&burst);
    // A flood need not be answered one by one: who has not taken the answers to so many PINGs does not wait for that to
    // the next. When it has taken them it is answered as ever.
    peer.set_patience(Duration::from_millis(200));
    let mut answers = Vec::new();
    while let Ok(more) = peer.read_some(64 * 1024) {
        answers.extend(more);
    }
    peer.set_patience(PATIENCE);
    assert!(!answers.is_empty() && answers.len() <= 200 * pong(b"").len(), "{}", crate::raw::Hex(&answers));
    assert!(answers.chunks(pong(b"").len()).all(|answer| answer == pong(b"")), "{}", crate::raw::Hex(&answers));
    assert!(segments_in(&peer) - before <= 40);
    peer.settle();
}

#[test]
fn an_end_in_good_order_is_no_reset() {
    let context = Context::new();
    let (push, endpoint) = bound(Push::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "PULL", "PUSH");
    peer.settle();
    drop(push);
    assert_eq!(peer.end(), End::Closed);
}

/// Segments with data that have come in so far.
fn segments_in(peer: &Peer) -> u32 {
    crate::raw::segments::data_segments_in(peer.tcp())
}
