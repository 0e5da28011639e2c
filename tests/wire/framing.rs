//! Messages: flags, lengths, pieces.

use ringway::{Context, Message, Pull, Push};

use crate::raw::{
    Listener, Peer, ROADS, Road,
    any::{Soon, bound},
    bytes::{COMMAND, LONG, MORE, command, frame, long_frame, message},
    watch::Watch,
};

/// Around what fits in the short form, in what is kept in place, in pools, in a read and in a buffer.
const SIZES: [usize; 22] = [
    0,
    1,
    2,
    55,
    56,
    57,
    127,
    128,
    254,
    255,
    256,
    257,
    4095,
    8190,
    8192,
    16_383,
    16_384,
    16_385,
    65_535,
    65_536,
    65_537,
    1 << 20,
];

/// Bytes that show a shift.
fn body(size: usize) -> Vec<u8> {
    (0..size).map(|place| (place % 251) as u8 ^ (size % 253) as u8).collect()
}

#[test]
fn lengths_are_sent_in_the_short_form_up_to_255() {
    for road in ROADS {
        let context = Context::new();
        let (mut push, endpoint) = bound(Push::new(&context).unwrap(), road);
        let mut peer = Peer::joined(&endpoint, "PULL", "PUSH");
        for size in SIZES {
            push.send(body(size)).unwrap();
            let came = peer.frame();
            let header =
                if size <= 255 { vec![0, size as u8] } else { [&[LONG], &(size as u64).to_be_bytes()[..]].concat() };
            assert_eq!(came.header, header, "{size} bytes");
            assert!(came.body == body(size), "{size} bytes");
        }
    }
}

#[test]
fn messages_of_several_frames_are_sent_exactly() {
    let context = Context::new();
    let (mut push, endpoint) = bound(Push::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "PULL", "PUSH");
    push.send(Message::from_iter(SIZES.map(body))).unwrap();
    let bodies = SIZES.map(body);
    let frames: Vec<&[u8]> = bodies.iter().map(|body| &body[..]).collect();
    peer.expect(&message(&frames));
    push.send(Message::from_iter(["", "", ""])).unwrap();
    peer.expect(&[1, 0, 1, 0, 0, 0]);
    push.send("").unwrap();
    peer.expect(&[0, 0]);
}

#[test]
pub(crate) fn every_length_is_received() {
    for road in ROADS {
        let context = Context::new();
        let (mut pull, endpoint) = bound(Pull::new(&context).unwrap(), road);
        let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
        for size in SIZES {
            let (short, long) = (frame(0, &body(size)), long_frame(0, &body(size)));
            // libzmq takes the long form of a short length, too.
            for said in [short, long] {
                peer.write(&said);
                assert!(pull.soon()[0] == body(size)[..], "{size} bytes");
            }
        }
    }
}

#[test]
fn messages_come_whole_however_they_are_cut() {
    let context = Context::new();
    let (mut pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
    let (short, long) = (body(20), body(300));
    let said = [message(&[&short, b"", &long]), message(&[b""]), message(&[&long, &short])].concat();
    for cut in 1..said.len() {
        peer.write(&said[..cut]);
        peer.write(&said[cut..]);
        let lens = |message: Message| message.frames().iter().map(|frame| frame.len()).collect::<Vec<_>>();
        assert_eq!(lens(pull.soon()), [20, 0, 300], "cut at {cut}");
        assert_eq!(lens(pull.soon()), [0], "cut at {cut}");
        let last = pull.soon();
        assert!(last[0] == long[..] && last[1] == short[..], "cut at {cut}");
    }
}

#[test]
fn a_long_message_comes_whole_in_pieces_of_any_size() {
    let context = Context::new();
    let (mut pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
    let long = body(200_000);
    for piece in [777, 8192, 50_000] {
        let said = [message(&[b"before", &long, b"after"]), message(&[b"next"])].concat();
        said.chunks(piece).for_each(|piece| peer.write(piece));
        let received = pull.soon();
        assert!(received[0] == "before" && received[1] == long[..] && received[2] == "after", "in pieces of {piece}");
        assert_eq!(pull.soon()[0], "next");
    }
}

#[test]
fn half_a_message_is_no_message() {
    let context = Context::new();
    let (mut pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut watch = Watch::new(pull.monitor());
    let said = message(&[b"one", &[7; 300], b"three"]);
    for len in [1, 2, 4, 5, 6, 14, 200, said.len() - 1] {
        let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
        peer.write(&message(&[b"whole"]));
        peer.write(&said[..len]);
        drop(peer);
        watch.disconnected();
        assert_eq!(pull.soon()[0], "whole", "{len} bytes");
        assert!(pull.try_recv().is_err(), "{len} bytes of a message were handed out");
    }
}

#[test]
fn flags_that_cannot_be_end_the_connection() {
    let too_long = [&[LONG, 0x80, 0, 0, 0, 0, 0, 0, 0][..], b"x"].concat();
    let cases = [
        ("a command with MORE", frame(COMMAND | MORE, b"\x04PING\0\0")),
        ("2^63 bytes", too_long),
        ("all bits of a length", [&[LONG], &[0xFF; 8][..], b"x"].concat()),
        ("a long command with MORE", long_frame(COMMAND | MORE, b"\x04PING\0\0")),
    ];
    for (what, said) in cases {
        let context = Context::new();
        let (mut pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
        let mut watch = Watch::new(pull.monitor());
        let mut good = Peer::joined(&endpoint, "PUSH", "PULL");
        let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
        peer.write(&said);
        peer.expect_gone();
        watch.wait_for(what, |kind| {
            let violated = |reason| matches!(reason, ringway::monitor::DisconnectReason::ProtocolViolated(_));
            matches!(kind, ringway::monitor::EventKind::Disconnected { reason, .. } if violated(*reason))
        });
        good.write(&message(&[b"x"]));
        assert_eq!(pull.soon()[0], "x", "{what}");
    }
}

#[test]
fn commands_between_messages_are_no_messages() {
    let context = Context::new();
    let (mut pull, endpoint) = bound(Pull::new(&context).unwrap(), Road::Tcp);
    let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
    for number in 0..100_u8 {
        peer.write(&[command("NOBODY", b"knows"), message(&[&[number]]), command("PONG", b"")].concat());
    }
    for number in 0..100 {
        assert_eq!(pull.soon()[0], [number]);
    }
    peer.settle();
}

#[test]
fn order_is_kept_both_ways() {
    const COUNT: u32 = 20_000;
    for road in ROADS {
        let context = Context::new();
        let listener = Listener::new(road);
        let mut pair = ringway::Pair::new(&context).unwrap();
        pair.connect(listener.endpoint()).unwrap();
        let mut peer = listener.accept();
        peer.shake_hands("PAIR", "PAIR");
        let echoing = std::thread::spawn(move || {
            for number in 0..COUNT {
                assert_eq!(peer.message(), [number.to_be_bytes()]);
                if number % 16 == 15 {
                    let said: Vec<u8> =
                        (number - 15..=number).flat_map(|number| message(&[&number.to_be_bytes()])).collect();
                    peer.write(&said);
                }
            }
        });
        let (mut sent, mut received) = (0_u32, 0);
        while received < COUNT {
            if sent < COUNT && sent < received + 500 {
                pair.send(sent.to_be_bytes()).unwrap();
                sent += 1;
            } else {
                assert_eq!(pair.soon()[0], received.to_be_bytes());
                received += 1;
            }
        }
        echoing.join().unwrap();
    }
}
