//! Sizes that are too large, announced or real, and floods of what is small.

use std::time::{Duration, Instant};

use ringway::{
    Pub, Pull, Router, XPub,
    monitor::{DisconnectReason, EventKind, Fault, HandshakeFailure, ProtocolViolation},
};

use crate::{
    raw::{
        Peer, ROADS, Road,
        any::Soon,
        bytes::{COMMAND, LONG, MORE, cancel, command, frame, greeting, message, ready, subscribe, subscribe_message},
    },
    scene::Scene,
};

/// A frame's flags and length.
fn header(flags: u8, len: u64) -> Vec<u8> {
    [&[flags | LONG], &len.to_be_bytes()[..]].concat()
}

fn violates(violation: ProtocolViolation) -> impl Fn(DisconnectReason) -> bool {
    move |reason| reason == DisconnectReason::ProtocolViolated(violation)
}

#[test]
fn messages_above_what_is_allowed() {
    for road in ROADS {
        let mut scene = Scene::new(road, Pull::builder().max_message_size(1000));
        let mut peer = scene.joined();
        // All frames together count, and no header does.
        for said in [
            message(&[&[7; 1000]]),
            message(&[&[7; 500], &[7; 500]]),
            message(&[b"", &[7; 1000], b""]),
            message(&[&[7; 10][..]; 100]),
        ] {
            peer.write(&said);
            scene.socket.soon();
        }
        drop(peer);
        let too_large = [
            message(&[&[7; 1001]]),
            message(&[&[7; 500], &[7; 501]]),
            message(&[&[7; 1000], b"", b"1"]),
            message(&[&[7; 10][..]; 101]),
            // Announced is enough.
            header(0, 1001),
            header(MORE, 1 << 40),
            [frame(MORE, &[7; 1000]), vec![0, 1]].concat(),
        ];
        let count = too_large.len();
        for said in too_large {
            let mut peer = scene.joined();
            let _ = peer.try_write(&said);
            peer.expect_gone();
            scene.goes_on();
        }
        scene.wait_until("told", count, |scene| scene.disconnected(violates(ProtocolViolation::MessageTooBig)));
        scene.stayed_within(1 << 20);
        scene.ends_as_it_began();
    }
}

#[test]
fn giants_that_are_announced_and_do_not_come() {
    for road in ROADS {
        let mut scene = Scene::new(road, Pull::builder());
        let mut giants: Vec<Peer> = Vec::new();
        for len in [1 << 62, (1 << 63) - 1, 1 << 40, 1 << 32, u64::from(u32::MAX), 1 << 30, 100 << 20] {
            for flags in [0, MORE] {
                let mut peer = scene.joined();
                peer.write(&header(flags, len));
                giants.push(peer);
                scene.goes_on();
            }
        }
        scene.stayed_within(2 << 20);
        // A little of each comes, and a little is kept for it.
        for peer in &mut giants {
            let _ = peer.try_write(&[7; 100_000]);
            scene.goes_on();
        }
        scene.stayed_within(14 * 512 * 1024 + (2 << 20));
        giants.clear();
        scene.ends_as_it_began();
    }
}

#[test]
fn giants_that_come_in_part() {
    let mut scene = Scene::new(Road::Tcp, Pull::builder());
    let mut peer = scene.joined();
    peer.write(&header(0, 1 << 62));
    for _ in 0..160 {
        peer.write(&[7; 100_000]);
    }
    scene.goes_on();
    // At most twice what came, and as much again while it is moved.
    scene.stayed_within(16_000_000 * 4);
    drop(peer);
    scene.ends_as_it_began();
}

#[test]
fn commands_above_what_is_allowed() {
    let mut scene = Scene::new(Road::Tcp, Pull::builder());
    for len in [1 << 62, 1 << 40, 1 << 32, 100 << 20] {
        // In place of READY, and later.
        let mut peer = scene.connect();
        peer.write(&greeting(1));
        let _ = peer.try_write(&[&header(COMMAND, len)[..], b"\x05READY"].concat());
        peer.expect_gone();
        let mut peer = scene.joined();
        let _ = peer.try_write(&[&header(COMMAND, len)[..], b"\x04PING"].concat());
        peer.expect_gone();
        let mut peer = scene.joined();
        let _ = peer.try_write(&[&header(COMMAND, len)[..], b"\x09UNCOMMON "].concat());
        peer.expect_gone();
        scene.goes_on();
    }
    let is_misbehaviour = |reason: HandshakeFailure| reason.fault() == Fault::PeerMisbehaved;
    scene.wait_until("told in the handshake", 4, |scene| scene.failed(is_misbehaviour));
    scene.wait_until("told later", 8, |scene| scene.disconnected(|reason| reason.fault() == Fault::PeerMisbehaved));
    scene.stayed_within(1 << 20);
    scene.ends_as_it_began();
}

#[test]
fn frames_without_end() {
    // An empty frame costs the peer two bytes; us, a place in a message.
    for road in ROADS {
        let mut scene = Scene::new(road, Pull::builder());
        let mut peer = scene.joined();
        let flood = [MORE, 0].repeat(10_000);
        for _ in 0..1000 {
            if peer.try_write(&flood).is_err() {
                break;
            }
        }
        peer.expect_gone();
        drop(peer);
        scene.wait_until("told", 1, |scene| scene.disconnected(violates(ProtocolViolation::TooManyFrames)));
        scene.stayed_within(32 << 20);
        // A thousand are nothing out of the ordinary.
        let mut peer = scene.joined();
        peer.write(&message(&[&b""[..]; 1000]));
        assert_eq!(scene.socket.soon().len(), 1000);
        drop(peer);
        scene.ends_as_it_began();
    }
}

#[test]
fn a_flood_of_subscriptions() {
    for road in ROADS {
        let mut scene = Scene::new(road, Pub::builder().subscription_memory_max(1 << 20));
        for is_command in [true, false] {
            let mut peer = scene.joined();
            for number in 0..100_000_u32 {
                let topic = [&number.to_be_bytes()[..], &[b't'; 200]].concat();
                let said = if is_command { subscribe(&topic) } else { subscribe_message(&topic) };
                if peer.try_write(&said).is_err() {
                    break;
                }
            }
            peer.expect_gone();
            scene.goes_on();
        }
        scene.wait_until("told", 2, |scene| scene.disconnected(violates(ProtocolViolation::SubscriptionsTooBig)));
        scene.stayed_within(8 << 20);
        scene.ends_as_it_began();
    }
}

#[test]
fn subscriptions_within_the_limit_are_kept() {
    let mut scene = Scene::new(Road::Tcp, Pub::builder().subscription_memory_max(1 << 20));
    let mut peer = scene.joined();
    for number in 0..1000_u32 {
        peer.write(&subscribe(&[&number.to_be_bytes()[..], b"topic"].concat()));
    }
    peer.settle();
    scene.socket.wait_for_topics(1001, crate::raw::PATIENCE).unwrap();
    let wanted = [&999_u32.to_be_bytes()[..], b"topic"].concat();
    scene.socket.send(&wanted[..]).unwrap();
    peer.expect(&message(&[&wanted]));
    drop(peer);
    scene.ends_as_it_began();
}

#[test]
fn one_topic_over_and_over() {
    // Subscriptions count, and counting takes no room.
    let mut scene = Scene::new(Road::Tcp, Pub::builder());
    let mut peer = scene.joined();
    let burst = subscribe(b"the same").repeat(1000);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1) {
        peer.write(&burst);
        scene.goes_on();
    }
    scene.stayed_within(4 << 20);
    drop(peer);
    scene.ends_as_it_began();
}

#[test]
fn topics_that_come_and_go_to_an_xpub_that_does_not_receive() {
    let mut scene = Scene::new(Road::Tcp, XPub::builder());
    let mut peer = scene.joined();
    let began = Instant::now();
    let mut number = 0_u32;
    while began.elapsed() < Duration::from_secs(1) {
        let mut burst = Vec::new();
        for _ in 0..500 {
            number += 1;
            burst.extend(subscribe(&number.to_be_bytes()));
            burst.extend(cancel(&number.to_be_bytes()));
        }
        peer.write(&burst);
        scene.goes_on();
    }
    scene.stayed_within(8 << 20);
    drop(peer);
    scene.ends_as_it_began();
}

#[test]
fn a_topic_that_is_too_long() {
    let mut scene = Scene::new(Road::Tcp, Pub::builder().subscription_memory_max(100_000));
    for said in [subscribe(&vec![b't'; 1 << 20]), subscribe_message(&vec![b't'; 1 << 20])] {
        let mut peer = scene.joined();
        let _ = peer.try_write(&said);
        peer.expect_gone();
        scene.goes_on();
    }
    let misbehaved = |scene: &mut Scene<Pub>| scene.disconnected(|reason| reason.fault() == Fault::PeerMisbehaved);
    scene.wait_until("told", 2, misbehaved);
    scene.stayed_within(8 << 20);
    scene.ends_as_it_began();
}

#[test]
fn a_crowd_of_one_name() {
    // One has it, the others wait in line; and each that goes makes room for the next.
    const CROWD: usize = 200;
    for road in ROADS {
        let mut scene = Scene::new(road, Router::builder().recv_hwm(10));
        let mut crowd = Vec::new();
        for number in 0..CROWD {
            let mut peer = scene.connect();
            peer.write(&[&greeting(1)[..], &ready("DEALER", b"everybody"), &message(&[b"me"])].concat());
            crowd.push(peer);
            if number % 20 == 0 {
                scene.goes_on();
            }
        }
        scene.wait_until("handshakes", CROWD, |scene| {
            let told = scene.watch.all().iter();
            told.filter(|kind| matches!(kind, EventKind::HandshakeSucceeded { .. })).count()
        });
        scene.goes_on();
        scene.stayed_within(CROWD * 16 * 1024);
        drop(crowd);
        scene.ends_as_it_began();
    }
}

#[test]
fn what_a_socket_that_only_sends_is_sent() {
    // Messages nobody could ever receive: read, and thrown away, and counted.
    for road in ROADS {
        let mut scene = Scene::new(road, Pub::builder());
        let mut peer = scene.joined();
        let burst = message(&[b"what is this", &[7; 100]]).repeat(100);
        for _ in 0..100 {
            peer.write(&burst);
        }
        peer.settle();
        scene.goes_on();
        assert!(scene.socket.counters().streams.stray >= 10_000, "{:?}", scene.socket.counters().streams);
        scene.stayed_within(2 << 20);
        drop(peer);
        scene.ends_as_it_began();
    }
}

#[test]
fn a_flood_of_commands_nobody_knows() {
    for road in ROADS {
        let mut scene = Scene::new(road, Pull::builder());
        let mut peer = scene.joined();
        let burst = [command("NOBODY", b"knows it"), command("PONG", b"of no PING"), frame(COMMAND, b"\x01X")].concat();
        let burst = burst.repeat(1000);
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(500) {
            peer.write(&burst);
            scene.goes_on();
        }
        peer.settle();
        scene.stayed_within(2 << 20);
        drop(peer);
        scene.ends_as_it_began();
    }
}
