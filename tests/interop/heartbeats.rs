//! Heartbeats: answered while the application is elsewhere, and missed when nobody answers.

#![forbid(unsafe_code)]

use std::time::Duration;

use ringway::SocketType::{Dealer, Pull, Push};

use crate::{
    case::{Binds, Case, Maker},
    party::{Happening, Party, Setting},
    pyzmq::Pyzmq,
};

const INTERVAL: Duration = Duration::from_millis(100);
/// Long, as the machine may be busy; and the time each test watches is longer.
const TIMEOUT: Duration = Duration::from_millis(1000);
const WATCHED: Duration = Duration::from_millis(2500);
const NEVER: Duration = Duration::from_secs(600);

const BEATS: &[Setting] = &[Setting::Heartbeat { interval: INTERVAL, timeout: TIMEOUT, ttl: TIMEOUT }];
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
    let mine = [Setting::Heartbeat { interval: INTERVAL, timeout: TIMEOUT, ttl: Duration::ZERO }];
    a_stopped_peer(case, &mine, NONE);
}

/// The peer has said how long its silence is to be borne. Our own heartbeats are off.
pub(crate) fn a_peers_time_to_live_is_kept(case: Case) {
    let theirs = [Setting::Heartbeat { interval: INTERVAL, timeout: NEVER, ttl: TIMEOUT }];
    a_stopped_peer(case, NONE, &theirs);
}

/// What is long under way is life: a large message takes longer than a heartbeat may.
pub(crate) fn a_busy_connection_is_alive(case: Case) {
    case.linked((Push, BEATS), (Pull, BEATS), |near, far| {
        let large = vec![7; 32 << 20];
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
