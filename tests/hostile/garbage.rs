//! Bytes that mean nothing.

use ringway::{Pub, Pull};

use crate::{
    raw::{Peer, ROADS, Road, bytes::greeting},
    scene::{Dice, Scene},
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
