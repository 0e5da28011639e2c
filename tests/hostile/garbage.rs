//! Bytes that mean nothing.

use std::time::Duration;

use ringway::{Context, Pub, Pull, Push, socket::SharedMemory};

use crate::{
    memory,
    raw::{
        Listener, Peer, ROADS, Road,
        bytes::{greeting, message, opening, ready},
    },
    scene::{Dice, Scene, alone},
};

/// Says `said` and goes, whether or not it could say it all.
fn say(mut peer: Peer, said: &[u8]) {
    // The library may have closed in the middle of it, as it should.
    let _ = peer.try_write(said);
}

#[test]
fn random_bytes() {
    for road in ROADS {
        let mut scene = Scene::new(road, Pull::builder());
        let mut dice = Dice(0x5eed);
        let opening = scene.opening();
        for round in 0..240 {
            let garbage = {
                let len = 1 + dice.below(2000);
                dice.bytes(len)
            };
            // From the first byte, behind the greeting, and behind READY, where it is taken for frames.
            let before = match round % 3 {
                0 => &[][..],
                1 => &greeting(1)[..],
                _ => &opening[..],
            };
            say(scene.connect(), &[before, &garbage].concat());
            if round % 20 == 0 {
                scene.goes_on();
            }
        }
        scene.stayed_within(8 << 20);
        let told = |scene: &mut Scene<Pull>| scene.failed(|_| true) + scene.disconnected(|_| true);
        scene.wait_until("failures told", 240, told);
        scene.ends_as_it_began();
    }
}

#[test]
fn random_frames() {
    // Flags and lengths that are possible, bodies and names that are not.
    let mut scene = Scene::new(Road::Tcp, Pub::builder());
    let mut dice = Dice(0xf7a3e);
    let opening = scene.opening();
    for round in 0..200 {
        let mut said = opening.clone();
        for _ in 0..30 {
            let (flags, len) = (dice.below(8) as u8, dice.below(300));
            let body = dice.bytes(len);
            if flags & 2 == 0 {
                said.extend([flags, body.len() as u8]);
            } else {
                said.extend([&[flags], &(body.len() as u64).to_be_bytes()[..]].concat());
            }
            said.extend(body);
        }
        say(scene.connect(), &said);
        if round % 20 == 0 {
            scene.goes_on();
        }
    }
    scene.stayed_within(8 << 20);
    scene.ends_as_it_began();
}

#[test]
fn a_listener_that_talks_nonsense() {
    // One that a connector has to live with: it tries again, with all it had queued, and does not fill memory meanwhile.
    let _alone = alone();
    for road in ROADS {
        let context = Context::new();
        let listener = Listener::new(road);
        let mut push = Push::builder()
            .reconnect_interval(Duration::from_millis(1))
            .reconnect_interval_max(Duration::from_millis(2))
            .handshake_timeout(Duration::from_millis(100))
            // So that it says the same on all roads.
            .shared_memory(SharedMemory::Forbid)
            .build(&context)
            .unwrap();
        push.connect(listener.endpoint()).unwrap();
        push.send("kept").unwrap();
        memory::forget();
        let before = memory::now();
        let mut dice = Dice(0x11579);
        for round in 0..50 {
            let mut peer = listener.accept();
            let garbage = dice.bytes(1000);
            let said = match round % 5 {
                0 => garbage,
                1 => [&greeting(1)[..], &garbage].concat(),
                // READY without end.
                2 => [&greeting(1)[..], b"\x06\0\0\0\x7F\xFF\xFF\xFF\xFF\x05READY", &garbage].concat(),
                3 => [&greeting(1)[..], b"\x04\xFF\x05READY\x0BSocket-Type"].concat(),
                _ => greeting(1)[..63].to_vec(),
            };
            let _ = peer.try_write(&said);
            if round % 5 > 2 {
                // It does not go on, and does not close: that takes the time a handshake has.
                peer.expect_gone();
            }
        }
        let most = memory::most() - before;
        assert!(most < 1 << 20, "{most} bytes");
        let mut peer = listener.accept();
        // The last of the nonsense may have been heard only now.
        while peer.try_write(&opening("PULL")).is_err() {
            peer = listener.accept();
        }
        peer.expect_greeting();
        peer.expect(&ready("PUSH", b""));
        peer.expect(&message(&[b"kept"]));
    }
}

#[test]
fn every_byte_of_an_opening_turned() {
    // A good opening with one byte changed: to its complement, to zero, to all ones. It is served or closed.
    let mut scene = Scene::new(Road::Tcp, Pull::builder());
    let opening = scene.opening();
    for place in 0..opening.len() {
        for change in [!opening[place], 0, 0xFF, opening[place] ^ 1] {
            let mut said = opening.clone();
            said[place] = change;
            say(scene.connect(), &said);
        }
        if place % 10 == 0 {
            scene.goes_on();
        }
    }
    scene.stayed_within(8 << 20);
    scene.ends_as_it_began();
}
