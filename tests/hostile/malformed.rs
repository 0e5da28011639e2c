//! Commands that are not what their names promise, of each kind, in the handshake and later.

use ringway::{Pub, Pull, monitor::Fault};

use crate::{
    raw::{
        ROADS,
        bytes::{COMMAND, MORE, command, error, frame, greeting, long_frame, property_bytes},
    },
    scene::Scene,
};

/// Those that break the protocol wherever they come.
fn never_right() -> Vec<Vec<u8>> {
    vec![
        // No name, names that are cut off, a name and MORE.
        frame(COMMAND, b""),
        frame(COMMAND, b"\x01"),
        frame(COMMAND, b"\xFFshort"),
        long_frame(COMMAND, b""),
        frame(COMMAND | MORE, b"\x04PING\0\0"),
        frame(COMMAND | MORE, b""),
    ]
}

/// In place of READY.
fn no_ready() -> Vec<Vec<u8>> {
    let with = |more: &[u8]| command("READY", &[&property_bytes("Socket-Type", b"PUSH")[..], more].concat());
    let mut said = vec![
        command("READY", b""),
        command("READY", b"\0"),
        command("READY", b"\x0BSocket-Type"),
        command("READY", b"\x0BSocket-Type\0\0\0"),
        command("READY", b"\x0BSocket-Type\0\0\0\x05PUSH"),
        command("READY", b"\x0BSocket-Type\x80\0\0\0PUSH"),
        command("READY", b"\xFFSocket-Type\0\0\0\x04PUSH"),
        with(b"\x01"),
        with(b"\x01X\0\0\0\x01"),
        command("READ", b""),
        command("READYY", &property_bytes("Socket-Type", b"PUSH")),
        command("WELCOME", b""),
        command("INITIATE", b""),
        command("PING", b"\0\0"),
        command("SUBSCRIBE", b""),
        error("no"),
        command("ERROR", b""),
        command("ERROR", b"\xFFshort"),
    ];
    said.extend(never_right());
    said
}

/// After READY.
fn no_command() -> Vec<Vec<u8>> {
    let mut said = vec![command("PING", b""), command("PING", b"\0")];
    said.extend(never_right());
    said
}

/// After READY, and whether the connection lasts is not the question.
fn odd() -> Vec<Vec<u8>> {
    vec![
        command("READY", &property_bytes("Socket-Type", b"PUSH")),
        command("READY", b""),
        command("ERROR", b""),
        command("ERROR", b"\xFFshort"),
        error("late"),
        command("HELLO", b""),
        command("MESSAGE", &[0; 40]),
        command("PING", &[0; 60_000]),
        command("PONG", &[0; 60_000]),
        command("SUBSCRIBE", &[0; 60_000]),
        command("CANCEL", b"what never was"),
        command("JOIN", b""),
        command("\0\x01", b"\0"),
    ]
}

#[test]
fn in_the_handshake() {
    for road in ROADS {
        let mut scene = Scene::new(road, Pull::builder());
        let all = no_ready();
        let count = all.len();
        for said in all {
            let mut peer = scene.connect();
            peer.write(&greeting(1));
            let _ = peer.try_write(&said);
            peer.expect_gone();
            scene.goes_on();
        }
        let theirs = |scene: &mut Scene<Pull>| {
            scene.failed(|reason| matches!(reason.fault(), Fault::PeerMisbehaved | Fault::PeerRefused))
        };
        scene.wait_until("told", count, theirs);
        scene.stayed_within(2 << 20);
        scene.ends_as_it_began();
    }
}

#[test]
fn after_the_handshake() {
    for road in ROADS {
        let mut scene = Scene::new(road, Pub::builder());
        let all = no_command();
        let count = all.len();
        for said in all {
            let mut peer = scene.joined();
            let _ = peer.try_write(&said);
            peer.expect_gone();
            scene.goes_on();
        }
        scene.wait_until("told", count, |scene| scene.disconnected(|reason| reason.fault() == Fault::PeerMisbehaved));
        for said in odd() {
            let mut peer = scene.joined();
            let _ = peer.try_write(&said);
            scene.goes_on();
        }
        scene.stayed_within(4 << 20);
        scene.ends_as_it_began();
    }
}
