//! Heartbeats: answered while the application is elsewhere, and missed when nobody answers.

#![forbid(unsafe_code)]

use std::{thread, time::Duration};

use ringway::SocketType::{Dealer, Pull, Push};

use crate::{
    case::{Binds, Case, Maker, Stream},
    party::{Happening, Party, Setting, pattern},
    pyzmq::Pyzmq,
};

const INTERVAL: Duration = Duration::from_millis(100);
/// Long, as the machine may be busy; and the time each test watches is longer.
const TIMEOUT: Duration = Duration::from_millis(1000);
const WATCHED: Duration = Duration::from_millis(2500);
const NEVER: Duration = Duration::from_secs(600);

const BEATS: &[Setting] = &[Setting::Heartbeat { interval: INTERVAL, timeout: TIMEOUT, ttl: TIMEOUT }];
/// Without telling the peer to do as we do.
const MINE: &[Setting] = &[Setting::Heartbeat { interval: INTERVAL, timeout: TIMEOUT, ttl: Duration::ZERO }];
const NONE: &[Setting] = &[];

/// Two idle sockets stay connected for longer than either would wait.
fn stay_together(case: Case, near: &[Setting], far: &[Setting]) {
    case.linked((Dealer, near), (Dealer, far), |near, far| {
        let bad = [Happening::Disconnected, Happening::Refused];
        near.await_event_without(Happening::Joined, &bad);
        far.await_event_without(Happening::Joined, &bad);
        // Neither application calls its socket meanwhile; a monitor is another socket.
        for event in far.events_for(WATCHED).into_iter().chain(near.events_for(INTERVAL)) {
            assert!(!bad.contains(&event.what), "{event:?}");
        }
        near.send(["still here"]);
        far.expect(["still here"]);
        far.send(["so am I"]);
        near.expect(["so am I"]);
    });
}

pub(crate) fn an_idle_socket_answers(case: Case) {
    stay_together(case, NONE, BEATS);
}

pub(crate) fn an_idle_peer_answers(case: Case) {
    stay_together(case, BEATS, NONE);
}

pub(crate) fn heartbeats_both_ways(case: Case) {
    stay_together(case, BEATS, BEATS);
}

/// The peer stands still: its kernel takes what is sent and nobody answers. It is given up, and taken back when it goes
/// on.
fn a_stopped_peer(case: Case, near_settings: &[Setting], far_settings: &[Setting]) {
    if case.far != Maker::Pyzmq {
        return;
    }
    for binds in Binds::EITHER {
        println!("{binds:?} binds");
        let (near_party, far_party) = (case.near(), Pyzmq::new());
        let mut near = near_party.socket(Push, near_settings);
        let mut far = far_party.socket(Pull, far_settings);
        case.link(&mut *near, &mut *far, binds);
        near.await_event(Happening::Joined);
        near.send(["before"]);
        far.expect(["before"]);
        // Time for a heartbeat, which says what the next one's absence means.
        near.events_for(3 * INTERVAL);
        let stopped = far_party.stop();
        near.await_event(Happening::Disconnected);
        drop(stopped);
        near.await_event(Happening::Joined);
        near.send(["after"]);
        far.expect(["after"]);
    }
}

pub(crate) fn a_stopped_peer_is_found_dead(case: Case) {
    a_stopped_peer(case, MINE, NONE);
}

/// The peer has said how long its silence is to be borne. Our own heartbeats are off.
pub(crate) fn a_peers_time_to_live_is_kept(case: Case) {
    let theirs = [Setting::Heartbeat { interval: INTERVAL, timeout: NEVER, ttl: TIMEOUT }];
    a_stopped_peer(case, NONE, &theirs);
}

/// Large messages, and heartbeats behind and between them. (libzmq counts whole messages only as signs of life, so the far
/// side expects none.)
pub(crate) fn a_busy_connection_is_alive(case: Case) {
    case.linked((Push, MINE), (Pull, NONE), |near, far| {
        let large = pattern(32 << 20, 7);
        for _ in 0..3 {
            near.send([&large]);
        }
        for _ in 0..3 {
            assert!(far.recv() == [large.clone()]);
        }
        for event in near.events_for(INTERVAL) {
            assert!(event.what != Happening::Disconnected, "{event:?}");
        }
    });
}

/// A peer that takes a large message in slowly, and answers the heartbeat behind it when it gets there, is alive.
pub(crate) fn a_peer_that_takes_its_time_is_alive(case: Case) {
    const SIZE: usize = 8 << 20;
    /// So that all of it takes three times as long as a peer may be silent.
    const STEP: usize = 64 << 10;
    let party = case.near();
    let settings = [MINE, &[Setting::Buffers(32 << 10)]].concat();
    let mut near = party.socket(Push, &settings);
    let endpoint = near.bind(&case.road.to_bind());
    let mut slow = Stream::connect(&endpoint);
    slow.write(b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL");
    slow.write(&[0; 48]);
    slow.write(b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PULL");
    near.await_peer();
    near.send([vec![7; SIZE]]);
    let pause = 3 * TIMEOUT / (SIZE / STEP) as u32;
    for step in 0..SIZE / STEP {
        slow.read(STEP);
        if step == 0 {
            // A PING may have come before the message. The next one is behind it.
            slow.write(b"\x04\x05\x04PONG");
        }
        thread::sleep(pause);
    }
    assert!(near.events_for(INTERVAL).iter().all(|event| event.what != Happening::Disconnected));
}
