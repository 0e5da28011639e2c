//! The rules about bytes that interoperability hangs on, one by one.

#![forbid(unsafe_code)]

use super::*;
use SocketType::{Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub};

#[test]
fn ten_bytes_go_out_at_once_and_the_rest_with_the_peers_tenth() {
    let hello = hello(Dealer, 1);
    let ours = greeting::ours(0, "NULL");
    let mut connection = new(Router);
    assert_eq!(written(&mut connection), ours[..10]);
    assert_eq!(told(&mut connection, &[&hello[..9]]), []);
    assert_eq!(written(&mut connection), []);
    assert_eq!(told(&mut connection, &[&hello[9..10]]), []);
    assert_eq!(written(&mut connection), ours[10..]);
    assert_eq!(told(&mut connection, &[&hello[10..63]]), []);
    assert_eq!(written(&mut connection), []);
    // READY does not wait for the peer's.
    assert_eq!(told(&mut connection, &[&hello[63..64]]), []);
    assert_eq!(written(&mut connection)[..8], *b"\x04\x29\x05READY");
    assert!(connection.peer().is_none());
    assert!(matches!(told(&mut connection, &[&hello[64..]])[..], [Told::Ready(_)]));
    assert!(connection.peer().is_some());
}

#[test]
fn an_older_peer_gets_ten_bytes_and_a_close() {
    // A peer of ZMTP 1.0 with no routing id, one of 2.0, and a web browser.
    for bytes in [&b"\x01\x00"[..], b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x05", b"GET / HTTP/1.1\r\n"] {
        let mut connection = new(Router);
        let told = handshake(Router, bytes);
        assert_eq!(failure(&told).fault(), Fault::PeerIncompatible);
        told_again(&mut connection, bytes, failure(&told));
    }
}

/// Errors are for good.
fn told_again(connection: &mut Connection, bytes: &[u8], error: &Error) {
    assert_eq!(failure(&told(connection, &[bytes])), error);
    assert_eq!(failure(&told(connection, &[bytes])), error);
    assert_eq!(connection.handle_timeout(Instant::now()).as_ref(), Err(error));
    assert_eq!(connection.deadline(), None);
}

#[test]
fn what_follows_a_ready_in_the_same_bytes_is_received() {
    let mut bytes = hello(Push, 1);
    bytes.extend(b"\x00\x01x");
    let told = handshake(Pull, &bytes);
    assert_eq!(told[1..], [Told::Message(message([b"x"]))]);
}

#[test]
fn unknown_commands_are_ignored() {
    let told = traffic(
        Pull,
        Push,
        b"\x04\x06\x04JOINg\x04\x07\x05LEAVEg\x04\x01\x00\x04\x04\x03FOO\x04\x06\x05READY\x00\x01x",
    );
    assert_eq!(told, [Told::Message(message([b"x"]))]);
    // As is an ERROR after READY, a PONG nobody asked for, and a subscription to somebody who publishes nothing.
    let told = traffic(Pull, Push, b"\x04\x0a\x05ERROR\x03400\x04\x05\x04PONG\x04\x0b\x09SUBSCRIBEA\x00\x01x");
    assert_eq!(told, [Told::Message(message([b"x"]))]);
}

#[test]
fn a_command_may_come_between_the_frames_of_a_message() {
    let told = traffic(XPub, XSub, b"\x01\x01a\x04\x07\x04PING\x00\x00\x01\x01b\x04\x0b\x09SUBSCRIBEA\x00\x01c");
    assert_eq!(told, [Told::Subscribe("A".into()), Told::Message(message([b"a", b"b", b"c"]))]);
    // libzmq does it when a heartbeat is due.
    let told =
        traffic(Pull, Push, b"\x01\x01a\x04\x07\x04PING\x00\x00\x01\x01b\x04\x07\x04PING\x00\x00\x00\x01c\x00\x01d");
    assert_eq!(told, [message([b"a", b"b", b"c"]), message([b"d"])].map(Told::Message));
}

#[test]
fn pings_are_answered_with_their_context_cut_to_16_bytes() {
    for len in [0_u8, 1, 15, 16, 17, 100] {
        let context: Vec<u8> = (1..=len).collect();
        let mut connection = ready(Pull, Push);
        let ping = [&[4, 7 + len][..], b"\x04PING\x00\x00", &context].concat();
        assert_eq!(told(&mut connection, &[&ping]), []);
        let cut = &context[..context.len().min(16)];
        assert_eq!(written(&mut connection), [&[4, 5 + cut.len() as u8][..], b"\x04PONG", cut].concat());
    }
}

#[test]
fn a_ping_of_fewer_than_seven_bytes_is_malformed() {
    for ping in [&b"\x04\x05\x04PING"[..], b"\x04\x06\x04PING\x00"] {
        assert_eq!(traffic(Pull, Push, ping), [Told::Failed(Error::MalformedCommand)]);
    }
}

#[test]
fn a_command_whose_name_is_cut_off_is_malformed() {
    for command in [&b"\x04\x00"[..], b"\x04\x01\x01", b"\x04\x05\x05PING"] {
        assert_eq!(traffic(Pull, Push, command), [Told::Failed(Error::MalformedCommand)]);
    }
}

#[test]
fn names_are_compared_to_the_letter() {
    // A "ping" is not answered, and a "Ping" need not have a TTL.
    let mut connection = ready(Pull, Push);
    assert_eq!(told(&mut connection, &[b"\x04\x07\x04ping\x00\x00\x04\x05\x04Ping"]), []);
    assert_eq!(written(&mut connection), []);
    let mut bytes = greeting::ours(0, "NULL").to_vec();
    bytes.extend(b"\x04\x1a\x05READY\x0bsocket-type\x00\x00\x00\x04PUSH");
    assert_eq!(*failure(&handshake(Pull, &bytes)), Error::NoSocketType);
}

#[test]
fn both_forms_of_subscription_are_taken_from_any_version() {
    let bytes = b"\x00\x02\x01A\x04\x0b\x09SUBSCRIBEB\x00\x02\x00A\x04\x08\x06CANCELB\x00\x01\x01\x00\x01\x00";
    let expected = [
        Told::Subscribe("A".into()),
        Told::Subscribe("B".into()),
        Told::Cancel("A".into()),
        Told::Cancel("B".into()),
        Told::Subscribe("".into()),
        Told::Cancel("".into()),
    ];
    for ours in [Pub, XPub] {
        for theirs in [Sub, XSub] {
            assert_eq!(traffic(ours, theirs, bytes), expected);
            assert_eq!(told(&mut ready_with(config(ours), theirs, 0), &[bytes]), expected);
        }
    }
}

#[test]
fn what_looks_like_a_subscription_in_a_message_of_several_frames_is_none() {
    let told = traffic(XPub, XSub, b"\x01\x02\x01A\x00\x02\x01B\x00\x01\x02\x00\x00");
    let messages = [message([b"\x01A", b"\x01B"]), message([b"\x02"]), message([b""])];
    assert_eq!(told, messages.map(Told::Message));
    // Nor is it one to anybody else.
    assert_eq!(traffic(Pull, Push, b"\x00\x02\x01A"), [Told::Message(message([b"\x01A"]))]);
}

#[test]
fn the_form_of_a_subscription_goes_by_the_peers_minor() {
    for (minor, wanted, cancelled) in [
        (0, &b"\x00\x02\x01A"[..], &b"\x00\x02\x00A"[..]),
        (1, b"\x04\x0b\x09SUBSCRIBEA", b"\x04\x08\x06CANCELA"),
        (2, b"\x04\x0b\x09SUBSCRIBEA", b"\x04\x08\x06CANCELA"),
    ] {
        let mut connection = ready_with(config(Sub), Pub, minor);
        connection.send_subscription(b"A", true);
        assert_eq!(written(&mut connection), wanted);
        connection.send_subscription(b"A", false);
        assert_eq!(written(&mut connection), cancelled);
    }
}

#[test]
fn long_subscriptions_have_the_long_form() {
    // A topic of 255 bytes is what libzmq gets wrong towards 3.0.
    for (minor, overhead) in [(0, 1), (1, 10)] {
        for size in [244, 245, 246, 253, 254, 255, 256] {
            let topic = vec![b't'; size];
            let mut connection = ready_with(config(Sub), Pub, minor);
            connection.send_subscription(&topic, true);
            let bytes = written(&mut connection);
            let flags = if minor == 0 { 0 } else { 4 };
            if size + overhead <= 255 {
                assert_eq!(bytes[..2], [flags, (size + overhead) as u8]);
            } else {
                assert_eq!(bytes[..9], [flags | 2, 0, 0, 0, 0, 0, 0, 1, (size + overhead - 256) as u8]);
            }
            assert_eq!(told(&mut ready(Pub, Sub), &[&bytes]), [Told::Subscribe(topic.into())]);
        }
    }
}

#[test]
fn nothing_but_ready_comes_before_ready() {
    let mut hello = greeting::ours(0, "NULL").to_vec();
    hello.extend(b"\x00\x01x");
    assert_eq!(handshake(Pull, &hello), [Told::Failed(Error::MessageInHandshake)]);
    for (command, name) in [
        (&b"\x04\x07\x04PING\x00\x00"[..], "PING"),
        (b"\x04\x0a\x09SUBSCRIBE", "SUBSCRIBE"),
        (b"\x04\x02\x01\xff", "\u{fffd}"),
    ] {
        hello.truncate(64);
        hello.extend(command);
        assert_eq!(handshake(Pull, &hello), [Told::Failed(Error::UnexpectedCommand { name: name.into() })]);
    }
}

#[test]
fn an_error_in_the_handshake_is_a_refusal() {
    let mut hello = greeting::ours(0, "NULL").to_vec();
    hello.extend(b"\x04\x0a\x05ERROR\x03400");
    let told = handshake(Pull, &hello);
    assert_eq!(*failure(&told), Error::Refused { reason: "400".into() });
    assert_eq!(failure(&told).fault(), Fault::PeerRefused);
    // Of a reason no more is kept than it may have, and nothing that does harm in a log.
    hello.truncate(64);
    hello.extend(b"\x04\x09\x05ERROR\x02\x1b\n");
    assert_eq!(*failure(&handshake(Pull, &hello)), Error::Refused { reason: "\u{fffd}\u{fffd}".into() });
    for malformed in [&b"\x04\x06\x05ERROR"[..], b"\x04\x09\x05ERROR\x03400"] {
        hello.truncate(64);
        hello.extend(malformed);
        assert_eq!(*failure(&handshake(Pull, &hello)), Error::MalformedCommand);
    }
}

#[test]
fn reserved_flag_bits_are_not_looked_at() {
    let told = traffic(Pull, Push, b"\xf8\x01x\xf9\x01a\xf8\x01b\xfc\x07\x04PING\x00\x00");
    assert_eq!(told, [message([b"x"]), message([b"a", b"b"])].map(Told::Message));
}

#[test]
fn the_long_form_is_taken_for_short_bodies() {
    let told = traffic(
        Pull,
        Push,
        b"\x02\0\0\0\0\0\0\0\x01x\x03\0\0\0\0\0\0\0\x00\x02\0\0\0\0\0\0\0\x00\x06\0\0\0\0\0\0\0\x04\x03FOO",
    );
    assert_eq!(told, [message([b"x"]), message([b"", b""])].map(Told::Message));
}

#[test]
fn a_command_with_more_is_a_violation() {
    for flags in [5, 7, 0xfd] {
        let bytes = if flags & 2 == 0 { vec![flags, 4] } else { vec![flags, 0, 0, 0, 0, 0, 0, 0, 4] };
        assert_eq!(traffic(Pull, Push, &bytes), [Told::Failed(Error::CommandWithMore)]);
    }
}

#[test]
fn sizes_from_2_to_the_63_on_are_a_violation() {
    let bytes = b"\x02\x80\0\0\0\0\0\0\0";
    assert_eq!(traffic(Pull, Push, bytes), [Told::Failed(Error::SizeOverflow)]);
    assert_eq!(traffic(Pull, Push, b"\x02\x7f\xff\xff\xff\xff\xff\xff\xff"), []);
}

#[test]
fn types_that_do_not_talk_to_each_other_are_incompatible() {
    let all = [Pair, Push, Pull, Pub, Sub, XPub, XSub, Req, Rep, Dealer, Router];
    for ours in all {
        for theirs in all {
            let told = told(&mut new(ours), &[&hello(theirs, 1)]);
            if ours.talks_to(theirs) {
                assert!(matches!(&told[..], [Told::Ready(peer)] if peer.socket_type == theirs));
            } else {
                assert_eq!(told, [Told::Failed(Error::Incompatible { ours, theirs })]);
                assert_eq!(failure(&told).fault(), Fault::PeerIncompatible);
            }
        }
    }
}

/// The greeting, and a READY with these properties.
fn ready_of(properties: &[(&[u8], &[u8])], trailing: &[u8]) -> Vec<u8> {
    let mut body = b"\x05READY".to_vec();
    for (name, value) in properties {
        body.extend([&[name.len() as u8][..], name, &(value.len() as u32).to_be_bytes(), value].concat());
    }
    body.extend(trailing);
    let mut bytes = greeting::ours(0, "NULL").to_vec();
    let (header, len) = frame::header(4, body.len());
    bytes.extend(&header[..len]);
    bytes.extend(body);
    bytes
}

#[test]
fn ready_has_to_name_a_known_type_once_and_end_there() {
    let push = (&b"Socket-Type"[..], &b"PUSH"[..]);
    let fails = |properties: &[(&[u8], &[u8])], trailing: &[u8], error: Error| {
        assert_eq!(handshake(Pull, &ready_of(properties, trailing)), [Told::Failed(error)]);
    };
    fails(&[], b"", Error::NoSocketType);
    fails(&[(b"Socket-Type", b"push")], b"", Error::UnknownSocketType { name: "push".into() });
    fails(&[(b"Socket-Type", b"RADIO")], b"", Error::UnknownSocketType { name: "RADIO".into() });
    fails(&[push, push], b"", Error::MalformedMetadata);
    fails(&[push, (b"Identity", b""), (b"Identity", b"")], b"", Error::MalformedMetadata);
    fails(&[push, (b"", b"x")], b"", Error::MalformedMetadata);
    // One byte behind the end; a name, a size and a value that are cut off.
    for trailing in [&b"\0"[..], b"\x05", b"\x01a", b"\x01a\0\0\0", b"\x01a\0\0\0\x01", b"\x01a\xff\xff\xff\xff"] {
        fails(&[push], trailing, Error::MalformedMetadata);
    }
}

#[test]
fn other_properties_are_kept_within_bounds() {
    let push = (&b"Socket-Type"[..], &b"PUSH"[..]);
    let told = handshake(Pull, &ready_of(&[(b"X-One", b"1"), push, (b"Resource", b""), (b"\xff", b"no text")], b""));
    let kept = vec![("X-One".to_string(), b"1".to_vec()), ("Resource".to_string(), vec![])];
    assert!(matches!(&told[..], [Told::Ready(peer)] if peer.properties == kept));
    let many: Vec<_> = std::iter::repeat_n((&b"X-Many"[..], &b"value"[..]), 1000).chain([push]).collect();
    let told = super::told(&mut new(Pull), &[&ready_of(&many, b"")]);
    assert!(matches!(&told[..], [Told::Ready(peer)] if peer.properties.len() == 64));
}

#[test]
fn properties_of_ours_arrive() {
    let properties = vec![("X-One".to_string(), vec![1; 300]), ("X-Two".to_string(), vec![])];
    let config = Arc::new(Config { properties: properties.clone(), ..Config::new(Push) });
    let mut sender = Connection::new(config, Instant::now());
    told(&mut sender, &[&hello(Pull, 1)]);
    let bytes = written(&mut sender);
    // READY is longer than 255 bytes.
    assert_eq!(bytes[64], 6);
    assert!(matches!(&handshake(Pull, &bytes)[..], [Told::Ready(peer)] if peer.properties == properties));
}

#[test]
fn only_req_dealer_and_router_say_a_routing_id_and_are_believed() {
    let all = [(Pair, Pair), (Push, Pull), (Pub, Sub), (XPub, XSub), (Req, Rep), (Dealer, Router), (Router, Dealer)];
    for (ours, theirs) in all.into_iter().chain(all.map(|(a, b)| (b, a))) {
        let config = Arc::new(Config { routing_id: "me".into(), ..Config::new(ours) });
        let mut connection = Connection::new(config, Instant::now());
        told(&mut connection, &[&hello(theirs, 1)]);
        let bytes = written(&mut connection);
        let says = matches!(ours, Req | Dealer | Router);
        assert_eq!(bytes.windows(8).any(|window| window == b"Identity"), says, "{ours}");

        let name = ours.to_string();
        let said = ready_of(&[(b"Socket-Type", name.as_bytes()), (b"Identity", b"me")], b"");
        let told = handshake(theirs, &said);
        assert!(matches!(&told[..], [Told::Ready(peer)] if peer.routing_id == if says { "me" } else { "" }), "{ours}");
        // Nor does its length matter to who does not look at it.
        let long = ready_of(&[(b"Socket-Type", name.as_bytes()), (b"Identity", &[1; 256])], b"");
        let told = super::told(&mut new(theirs), &[&long]);
        match told[..] {
            [Told::Failed(Error::RoutingIdTooLong { size: 256 })] if says => {}
            [Told::Ready(_)] if !says => {}
            _ => panic!("{told:?}"),
        }
    }
}

#[test]
fn a_routing_id_that_begins_with_zero_is_as_none() {
    for (id, honoured) in [(&b"\0abc"[..], &b""[..]), (b"\0", b""), (b"a\0", b"a\0"), (&[1; 255], &[1; 255])] {
        let told = handshake(Router, &ready_of(&[(b"Socket-Type", b"DEALER"), (b"Identity", id)], b""));
        assert!(matches!(&told[..], [Told::Ready(peer)] if peer.routing_id == honoured));
    }
}

#[test]
fn every_type_is_known_by_the_name_it_displays() {
    for ours in [Pair, Push, Pull, Pub, Sub, XPub, XSub, Req, Rep, Dealer, Router] {
        let partner = [Pair, Push, Pull, Pub, Sub, Req, Rep, Dealer].into_iter().find(|&theirs| ours.talks_to(theirs));
        assert!(
            matches!(&handshake(partner.unwrap(), &hello(ours, 1))[..], [Told::Ready(peer)] if peer.socket_type == ours)
        );
    }
}

#[test]
fn one_place_serves_for_all_messages() {
    let bytes = b"\x00\x01a\x01\x01b\x01\x01c\x00\x01d\x01\x01e\x02\0\0\0\0\0\0\0\x01f\x00\x00\x01\x00\x00\x00";
    let expected =
        [message([b"a"]), message([b"b", b"c", b"d"]), message([b"e", b"f"]), message([b""]), message([b"", b""])];
    let (mut connection, mut place, mut input) = (ready(Pull, Push), Message::new(), &bytes[..]);
    for message in expected {
        assert_eq!(connection.receive(&mut input, &mut place), Ok(Received::Message));
        assert_eq!(place, message);
    }
    assert_eq!(connection.receive(&mut input, &mut place), Ok(Received::More));
}

#[test]
fn a_message_of_no_frames_is_none() {
    let mut connection = ready(Push, Pull);
    connection.send(&Message::new());
    assert!(connection.outbox().is_empty());
    connection.send(&Message::from(vec![Frame::from("x")]));
    assert_eq!(written(&mut connection), b"\x00\x01x");
}
