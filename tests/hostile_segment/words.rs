//! What a peer may say of our ring, and of its sleep: positions that cannot be, counts, epochs; and what it may do with the two
//! doorbells.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use ringway::{Message, Router, monitor::Fault};
use rustix::net::{SendFlags, send};

use crate::{
    has_segments, nobody_panicked,
    raw::{PATIENCE, Road},
    say,
    scene::{Dice, Scene},
    stranger::{Stranger, at},
};

fn scene() -> Scene<Router> {
    Scene::new(Road::Ipc, Router::builder().max_message_size(1 << 20).send_hwm(1_000))
}

fn stranger(scene: &mut Scene<Router>) -> Stranger {
    let stranger = Stranger::agreed(&scene.endpoint, "DEALER", b"odd");
    let deadline = Instant::now() + PATIENCE;
    while !scene.socket.has_peer("odd") {
        assert!(Instant::now() < deadline, "it has not joined");
        thread::sleep(Duration::from_micros(200));
    }
    stranger
}

/// Sends to the stranger, who may be full, or gone.
fn send_to(scene: &mut Scene<Router>, size: usize) {
    let _ = scene.socket.try_send(Message::from_iter([b"odd".to_vec(), vec![7; size]]));
}

/// Waits until the stranger is no peer any more, so that the next may have its name.
fn is_gone(scene: &mut Scene<Router>) {
    let deadline = Instant::now() + PATIENCE;
    while scene.socket.has_peer("odd") {
        assert!(Instant::now() < deadline, "it stays");
        scene.goes_on();
    }
}

#[test]
fn positions_that_cannot_be_end_the_connection() {
    if !has_segments("positions_that_cannot_be_end_the_connection") {
        return;
    }
    let mut scene = scene();
    let positions = [1, 8, 15, 16, 17, 24, 48, 100, 4096, 65_536, 1 << 20, 1 << 32, 1 << 63, u64::MAX, u64::MAX - 15];
    let (mut closed, all) = (0, positions.len());
    for position in positions {
        let before = scene.disconnected(|reason| reason.fault() == Fault::PeerMisbehaved);
        let mut stranger = stranger(&mut scene);
        // Records of 32 bytes: no multiple of 16 that is odd ends one.
        (0..100).for_each(|_| send_to(&mut scene, 20));
        stranger.own.write(at::POSITION, position);
        stranger.own.write(at::TAKEN, 1);
        // What is said is looked at when there is want of room, or of credit.
        let deadline = Instant::now() + Duration::from_secs(2);
        let mut is_closed = false;
        while !is_closed && Instant::now() < deadline {
            (0..100).for_each(|_| send_to(&mut scene, 900));
            stranger.knock();
            scene.goes_on();
            is_closed = stranger.is_closed();
        }
        if is_closed {
            closed += 1;
            scene.wait_until("it is told whose fault it was", before + 1, |scene| {
                scene.disconnected(|reason| reason.fault() == Fault::PeerMisbehaved)
            });
        } else {
            say(&format!("  position {position} was borne"));
        }
        drop(stranger);
        is_gone(&mut scene);
        nobody_panicked();
    }
    say(&format!("of {all} positions {closed} ended their connection"));
    scene.stayed_within(16 << 20);
    scene.ends_as_it_began();
}

#[test]
fn positions_that_go_back_end_the_connection() {
    if !has_segments("positions_that_go_back_end_the_connection") {
        return;
    }
    let mut scene = scene();
    let mut dice = Dice(12);
    for _ in 0..10 {
        let mut stranger = stranger(&mut scene);
        let (mut position, mut taken) = (0, 0);
        for _ in 0..500 {
            send_to(&mut scene, 20);
        }
        // The records are of 32 bytes: it has read some, and then says that it has not.
        for _ in 0..50 {
            position += 32 * (1 + dice.below(8) as u64);
            taken += 8;
            stranger.own.write(at::POSITION, position.min(32 * 500));
            stranger.own.write(at::TAKEN, taken.min(500));
            stranger.knock();
            send_to(&mut scene, 20);
        }
        stranger.own.write(at::POSITION, 32);
        stranger.own.write(at::TAKEN, 1);
        let deadline = Instant::now() + Duration::from_secs(2);
        while !stranger.is_closed() && Instant::now() < deadline {
            (0..100).for_each(|_| send_to(&mut scene, 900));
            stranger.knock();
            scene.goes_on();
        }
        drop(stranger);
        is_gone(&mut scene);
        nobody_panicked();
    }
    scene.ends_as_it_began();
}

#[test]
fn random_words_do_no_harm() {
    if !has_segments("random_words_do_no_harm") {
        return;
    }
    let mut scene = scene();
    let mut dice = Dice(13);
    let words = [at::POSITION, at::TAKEN, at::RECV_HWM, at::CLOSED, at::RECEIVER, at::SENDER, at::MAGIC, at::CAPACITY];
    for _ in 0..60 {
        let mut stranger = stranger(&mut scene);
        for _ in 0..300 {
            let word = words[dice.below(words.len())];
            let now = stranger.own.read(word);
            let value = match dice.below(6) {
                0 => dice.next(),
                1 => now.wrapping_add(1),
                2 => now.wrapping_sub(1),
                3 => now.wrapping_add(32),
                4 => u64::MAX,
                _ => 0,
            };
            stranger.own.write(word, value);
            let size = dice.below(2_000);
            send_to(&mut scene, size);
            if dice.below(30) == 0 {
                stranger.knock();
                scene.goes_on();
            }
            if stranger.is_closed() {
                break;
            }
        }
        drop(stranger);
        is_gone(&mut scene);
        nobody_panicked();
    }
    scene.stayed_within(32 << 20);
    scene.ends_as_it_began();
}

/// A sleeper that is always newly asleep, and never listens to its doorbell.
#[test]
fn a_doorbell_that_nobody_listens_to_holds_up_nobody() {
    if !has_segments("a_doorbell_that_nobody_listens_to_holds_up_nobody") {
        return;
    }
    let mut scene = scene();
    let stranger = stranger(&mut scene);
    let begun = Instant::now();
    for number in 0..20_000_u64 {
        stranger.own.write(at::RECEIVER, 2 * number + 1);
        stranger.own.write(at::SENDER, 2 * number + 1);
        send_to(&mut scene, 20);
        if number % 1_000 == 0 {
            scene.goes_on();
        }
    }
    assert!(begun.elapsed() < PATIENCE);
    drop(stranger);
    is_gone(&mut scene);
    nobody_panicked();
    scene.ends_as_it_began();
}

/// Knocks without end, and much at a time.
#[test]
fn a_doorbell_that_is_flooded_holds_up_nobody() {
    if !has_segments("a_doorbell_that_is_flooded_holds_up_nobody") {
        return;
    }
    let mut scene = scene();
    let stranger = stranger(&mut scene);
    let knocker = stranger.knocker.as_ref().expect("it has come").try_clone().unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let flood = [b'!'; 4096];
            while !stop.load(Ordering::Relaxed) {
                if send(&knocker, &flood, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).is_err() {
                    thread::yield_now();
                }
            }
        });
        let begun = Instant::now();
        let mut served = 0;
        while begun.elapsed() < Duration::from_secs(2) {
            scene.goes_on();
            served += 1;
        }
        stop.store(true, Ordering::Relaxed);
        say(&format!("under a flood of knocks the good peer was served {served} times in two seconds"));
        assert!(served > 20);
    });
    drop((stranger, knocker));
    is_gone(&mut scene);
    nobody_panicked();
    scene.stayed_within(8 << 20);
    scene.ends_as_it_began();
}

/// It has closed its doorbell, or ours, and goes on.
#[test]
fn a_doorbell_that_is_closed_harms_nobody_else() {
    if !has_segments("a_doorbell_that_is_closed_harms_nobody_else") {
        return;
    }
    for ours in [true, false] {
        let mut scene = scene();
        let stranger = stranger(&mut scene);
        let bell = if ours { stranger.knocker.as_ref().expect("it has come") } else { &stranger.doorbell };
        bell.shutdown(std::net::Shutdown::Both).unwrap();
        for number in 0..1_000_u64 {
            stranger.own.write(at::RECEIVER, 2 * number + 1);
            send_to(&mut scene, 20);
            if number % 100 == 0 {
                scene.goes_on();
            }
        }
        drop(stranger);
        is_gone(&mut scene);
        nobody_panicked();
        scene.ends_as_it_began();
    }
}
