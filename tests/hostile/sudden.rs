//! Connections that end anywhere.

use std::{thread, time::Duration};

use ringway::{Context, Message, Pub, Pull, Push, monitor::DisconnectReason};

use crate::{
    memory,
    raw::{
        Listener, PATIENCE, Peer, ROADS, Road,
        any::Soon,
        bytes::{command, message, opening, ping, subscribe},
        watch::Watch,
    },
    scene::{Scene, alone, sockets},
};

/// Everything a PUSH may say: the opening, a message of each form, a command, the first half of a message.
fn conversation() -> Vec<u8> {
    [
        opening("PUSH"),
        message(&[b"one"]),
        ping(0, b"context"),
        message(&[b"of", b"three", b"frames"]),
        command("NOBODY", b"knows"),
        message(&[b"first", &[7; 300]]),
        vec![1, 4, b'h', b'a', b'l', b'f'],
    ]
    .concat()
}

/// The places to cut at: all but those in the middle of a long body, which are like each other.
fn cuts(len: usize) -> impl Iterator<Item = usize> {
    (0..=len).filter(move |cut| *cut < 150 || len - *cut < 40 || cut % 16 == 0)
}

#[test]
fn reset_at_every_step() {
    for road in ROADS {
        let mut scene = Scene::new(road, Pull::builder());
        let said = conversation();
        for cut in cuts(said.len()) {
            // With what came unread, and read.
            for reads in [false, true] {
                let mut peer = scene.connect();
                peer.write(&said[..cut]);
                if reads {
                    peer.read(10);
                }
                peer.reset();
            }
            if cut % 10 == 0 {
                scene.goes_on();
            }
        }
        let count = 2 * cuts(said.len()).count();
        scene.wait_until("told", count, |scene| scene.failed(|_| true) + scene.disconnected(|_| true));
        scene.stayed_within(4 << 20);
        scene.ends_as_it_began();
    }
}

#[test]
fn closed_at_every_step() {
    for road in ROADS {
        let mut scene = Scene::new(road, Pull::builder());
        let said = conversation();
        for cut in cuts(said.len()) {
            let mut peer = scene.connect();
            peer.write(&said[..cut]);
            drop(peer);
            // And by one that only stops to speak.
            let mut peer = scene.connect();
            peer.write(&said[..cut]);
            peer.finish_writing();
            peer.expect_gone();
            if cut % 10 == 0 {
                scene.goes_on();
            }
        }
        scene.stayed_within(4 << 20);
        scene.ends_as_it_began();
    }
}

#[test]
fn a_connector_reset_at_every_step() {
    let _alone = alone();
    for road in ROADS {
        let context = Context::new();
        let listener = Listener::new(road);
        let mut pull = Pull::builder()
            .reconnect_interval(Duration::from_millis(1))
            .reconnect_interval_max(Duration::from_millis(1))
            .monitor_capacity(100_000)
            .build(&context)
            .unwrap();
        let mut watch = Watch::new(pull.monitor());
        pull.connect(listener.endpoint()).unwrap();
        let said = conversation();
        let mut before = None;
        for cut in cuts(said.len()) {
            let mut peer = listener.accept();
            peer.write(&said[..cut]);
            peer.reset();
            watch.retried();
            before.get_or_insert_with(sockets);
            // Messages that were whole are handed out; they must not hold up what follows.
            while pull.try_recv().is_ok() {}
        }
        let mut peer = listener.accept();
        peer.shake_hands("PUSH", "PULL");
        peer.write(&message(&[b"after all that"]));
        while pull.soon()[0] != "after all that" {}
        assert!(sockets() <= before.unwrap() + 2, "sockets are lost");
    }
}

#[test]
fn a_subscriber_reset_while_it_is_sent_to() {
    for road in ROADS {
        let mut scene = Scene::new(road, Pub::builder().send_hwm(100));
        for round in 0..60 {
            let mut peer = scene.joined();
            peer.write(&subscribe(b"news"));
            peer.settle();
            let body = vec![7; 1 << (round % 18)];
            for _ in 0..50 {
                scene.socket.send(Message::from_iter([&b"news"[..], &body])).unwrap();
            }
            // A part of it has been read.
            peer.read(1 + round * 7 % 50);
            peer.reset();
            scene.goes_on();
        }
        scene.wait_until("told", 60, |scene| scene.disconnected(|_| true));
        scene.ends_as_it_began();
    }
}

#[test]
fn a_receiver_reset_while_it_is_sent_to() {
    // A sender that is waiting for room must not wait for the dead.
    let _alone = alone();
    for road in ROADS {
        let context = Context::new();
        let mut push = Push::builder().send_hwm(10).build(&context).unwrap();
        let mut watch = Watch::new(push.monitor());
        push.bind(road.anywhere()).unwrap();
        let endpoint = push.last_endpoint().unwrap().to_string();
        let deaf = Peer::joined(&endpoint, "PULL", "PUSH");
        watch.joined();
        let sending = thread::spawn(move || {
            for number in 0..400_u32 {
                push.send(Message::from_iter([&number.to_be_bytes()[..], &[7; 100_000]])).unwrap();
            }
            push
        });
        // It is stuck, or will be; nobody is there but the deaf.
        thread::sleep(Duration::from_millis(20));
        let mut good = Peer::joined(&endpoint, "PULL", "PUSH");
        deaf.reset();
        let mut last = None;
        while last != Some(399) {
            let number = u32::from_be_bytes(good.message()[0][..].try_into().unwrap());
            last = last.max(Some(number));
        }
        drop(sending.join().unwrap());
    }
}

#[test]
fn coming_and_going() {
    for road in ROADS {
        let mut scene = Scene::new(road, Pull::builder());
        memory::forget();
        for round in 0..1000 {
            let peer = scene.connect();
            match round % 3 {
                0 => drop(peer),
                1 => peer.reset(),
                _ => drop(Peer::joined(&scene.endpoint, "PUSH", "PULL")),
            }
            if round % 100 == 0 {
                scene.goes_on();
            }
        }
        scene.stayed_within(8 << 20);
        scene.ends_as_it_began();
    }
}

#[test]
fn one_of_many_is_reset_and_the_others_do_not_notice() {
    const PEERS: usize = 50;
    let mut scene = Scene::new(Road::Tcp, Pull::builder());
    let mut peers: Vec<Peer> = (0..PEERS).map(|_| scene.joined()).collect();
    while let Some(peer) = peers.pop() {
        peer.reset();
        for peer in &mut peers {
            peer.write(&message(&[b"x"]));
        }
        for _ in &peers {
            assert_eq!(scene.socket.soon()[0], "x");
        }
    }
    let gone = |reason| matches!(reason, DisconnectReason::ConnectionReset | DisconnectReason::PeerClosed);
    scene.wait_until("told", PEERS, |scene| scene.disconnected(gone));
    let _ = PATIENCE;
    scene.ends_as_it_began();
}
