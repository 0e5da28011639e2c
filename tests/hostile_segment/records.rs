//! What may be in a ring that somebody else writes: records that cannot be, and those that do not end.

use std::{
    thread,
    time::{Duration, Instant},
};

use ringway::{Pull, monitor::Fault};

use crate::{
    has_segments, nobody_panicked,
    raw::{PATIENCE, Road},
    say,
    scene::{Dice, Scene},
    stranger::{CAPACITY, Stranger, header, kind},
};

const MESSAGE_MAX: u64 = 1 << 20;

fn scene() -> Scene<Pull> {
    Scene::new(Road::Ipc, Pull::builder().max_message_size(MESSAGE_MAX))
}

/// Serves the good peer until the library has closed the stranger's connection, or for that long.
fn is_closed_within(scene: &mut Scene<Pull>, stranger: &mut Stranger, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    loop {
        if stranger.is_closed() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        stranger.knock();
        // What reads a ring is a call into its socket.
        scene.goes_on();
    }
}

/// How many connections have ended by the fault of their peers, so far.
fn blamed(scene: &mut Scene<Pull>) -> usize {
    scene.disconnected(|reason| reason.fault() == Fault::PeerMisbehaved)
}

#[test]
fn records_that_cannot_be_end_the_connection() {
    if !has_segments("records_that_cannot_be_end_the_connection") {
        return;
    }
    let capacity = CAPACITY as u32;
    let mut headers: Vec<u64> = vec![1, 1 << 62, u64::MAX >> 1, u64::MAX];
    // Longer than a record may be, in a ring of this size.
    for size in [capacity / 8 + 1, capacity / 2, capacity - 16, capacity - 8, capacity, capacity + 1, 0xFF_FFFF] {
        for kind in [0, kind::FRAME, kind::LIST, kind::FIRST, kind::PART, 0x7E] {
            headers.push(header(kind, size, 0));
        }
    }
    // Pads that do not end where the ring does.
    headers.extend([0, 8, 16, capacity - 16, capacity - 24, capacity].map(|size| header(0x7F, size, 0)));
    // Kinds nobody knows; lists that are none; parts of nothing.
    headers.extend([0, 7, 8, 64, 0x7E].map(|kind| header(kind, 16, 0)));
    headers.extend([1, 2, 3, 1000, 1 << 16, u32::MAX].map(|note| header(kind::LIST, 4, note)));
    headers.push(header(kind::LIST, 0, 1));
    headers.extend([0, 4, 7].map(|size| header(kind::FIRST, size, kind::FRAME.into())));
    headers.extend([0, 2, kind::PART.into(), u32::MAX].map(|note| header(kind::FIRST, 16, note)));
    headers.extend([0, 8].map(|size| header(kind::PART, size, 0)));
    let mut scene = scene();
    let (mut closed, all) = (0, headers.len());
    for word in headers {
        let before = blamed(&mut scene);
        let mut stranger = Stranger::agreed(&scene.endpoint, "PUSH", b"");
        // What is behind the header is not zero, whatever it is taken for.
        for offset in (8..512).step_by(8) {
            let at = stranger.in_ring(offset);
            stranger.own.write(at, 0xFFFF_FFFF_FFFF_FF00 | offset);
        }
        stranger.put_header(word);
        if is_closed_within(&mut scene, &mut stranger, Duration::from_secs(2)) {
            closed += 1;
            scene.wait_until("it is told whose fault it was", before + 1, blamed);
        } else {
            say(&format!("  {word:#018x} was borne"));
        }
        nobody_panicked();
    }
    say(&format!("of {all} headers that cannot be {closed} ended their connection"));
    assert!(closed * 10 >= all * 9, "{closed} of {all}");
    scene.stayed_within(8 << 20);
    scene.ends_as_it_began();
}

/// Messages that begin and never end: no more is kept of them than a message may have.
#[test]
fn parts_without_end_are_bounded() {
    if !has_segments("parts_without_end_are_bounded") {
        return;
    }
    let mut scene = scene();
    for whole in [MESSAGE_MAX, MESSAGE_MAX - 1, MESSAGE_MAX + 1, 1 << 30, 1 << 40, u64::MAX, 9, 0] {
        let mut stranger = Stranger::agreed(&scene.endpoint, "PUSH", b"");
        let mut first = whole.to_le_bytes().to_vec();
        first.extend([7; 1000]);
        stranger.put(kind::FIRST, kind::FRAME.into(), &first);
        let part = vec![7; CAPACITY / 8 - 64];
        let mut sent = 0;
        let deadline = Instant::now() + PATIENCE;
        while sent < 8 * MESSAGE_MAX && !stranger.is_closed() {
            assert!(Instant::now() < deadline, "neither read nor closed: {whole}");
            if stranger.has_room(part.len()) {
                stranger.put(kind::PART, 0, &part);
                sent += part.len() as u64;
            } else {
                stranger.knock();
                scene.goes_on();
            }
        }
        assert!(
            is_closed_within(&mut scene, &mut stranger, PATIENCE),
            "more parts than the message has were read: {whole}"
        );
        nobody_panicked();
    }
    scene.stayed_within(8 * MESSAGE_MAX as usize);
    scene.ends_as_it_began();
}

/// Lists of as many frames as there can be, empty ones.
#[test]
fn frames_without_number_are_bounded() {
    if !has_segments("frames_without_number_are_bounded") {
        return;
    }
    let mut scene = scene();
    for frames in [1_000, CAPACITY as u32 / 32] {
        let mut stranger = Stranger::agreed(&scene.endpoint, "PUSH", b"");
        let list = vec![0; 4 * frames as usize];
        for _ in 0..200 {
            if stranger.has_room(list.len()) {
                stranger.put(kind::LIST, frames, &list);
            }
            scene.goes_on();
        }
        drop(stranger);
        scene.goes_on();
    }
    nobody_panicked();
    scene.ends_as_it_began();
}

/// Whole rings of random words, while the library reads them.
#[test]
fn random_rings_do_no_harm() {
    if !has_segments("random_rings_do_no_harm") {
        return;
    }
    let mut scene = scene();
    let mut dice = Dice(11);
    let mut closed = 0;
    for _ in 0..100 {
        let mut stranger = Stranger::agreed(&scene.endpoint, "PUSH", b"");
        for step in 0..2_000 {
            let offset = match dice.below(4) {
                0 => dice.below(stranger.own.size() / 8) * 8,
                _ => stranger.in_ring((dice.below(64) * 16) as u64),
            };
            let word = match dice.below(3) {
                0 => dice.next(),
                1 => header(dice.below(8) as u8, dice.below(10_000) as u32, dice.below(4) as u32),
                _ => header(dice.below(128) as u8, dice.next() as u32, dice.next() as u32),
            };
            stranger.own.write(offset, word);
            if step % 256 == 0 {
                stranger.knock();
                if stranger.is_closed() {
                    break;
                }
                scene.goes_on();
            }
        }
        closed += usize::from(is_closed_within(&mut scene, &mut stranger, Duration::from_millis(200)));
        nobody_panicked();
    }
    say(&format!("of 100 random rings {closed} ended their connection"));
    scene.stayed_within(16 << 20);
    thread::yield_now();
    scene.ends_as_it_began();
}
