//! Peers that do not speak, that speak a byte at a time, and that do not read.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use ringway::{
    Message, Pub, Pull, Push, Router,
    monitor::{DisconnectReason, Fault, HandshakeFailure},
};

use crate::{
    memory,
    raw::{
        PATIENCE, Peer, ROADS, Road,
        any::{Soon, bound},
        bytes::{message, ping, subscribe},
    },
    scene::{Scene, alone},
};

#[test]
fn a_greeting_a_byte_at_a_time() {
    const PEERS: usize = 50;
    for road in ROADS {
        let mut scene = Scene::new(road, Pull::builder().handshake_timeout(Duration::from_millis(200)));
        let opening = scene.opening();
        let mut slow: Vec<Peer> = (0..PEERS).map(|_| scene.connect()).collect();
        // As long as the library listens; and that each byte is news buys no time.
        let began = Instant::now();
        for byte in &opening[..60] {
            slow.retain_mut(|peer| peer.try_write(&[*byte]).is_ok());
            scene.goes_on();
            thread::sleep(Duration::from_millis(10));
        }
        assert!(slow.is_empty(), "{} were listened to for {:?}", slow.len(), began.elapsed());
        scene.wait_until("told", PEERS, |scene| scene.failed(|reason| reason == HandshakeFailure::TimedOut));
        scene.stayed_within(PEERS * 16 * 1024);
        scene.ends_as_it_began();
    }
}

#[test]
fn a_crowd_whose_time_is_up() {
    const CROWD: usize = 300;
    for road in ROADS {
        let mut scene = Scene::new(road, Pull::builder().handshake_timeout(Duration::from_millis(300)));
        let peers: Vec<Peer> = (0..CROWD).map(|_| scene.connect()).collect();
        scene.goes_on();
        scene.wait_until("timed out", CROWD, |scene| scene.failed(|reason| reason == HandshakeFailure::TimedOut));
        for mut peer in peers {
            peer.expect_gone();
        }
        scene.stayed_within(CROWD * 16 * 1024);
        scene.ends_as_it_began();
    }
}

#[test]
fn crowds_that_never_speak() {
    let room = room_for_descriptors() / 4;
    let (crowd, max) = (2000.min(room), 1000.min(room / 2));
    // Nobody's time is up before all have come.
    let builder = Pull::builder().max_peers(max).handshake_timeout(10 * PATIENCE).backlog(4096);
    let mut scene = Scene::new(Road::Tcp, builder);
    let peers: Vec<Peer> = (0..crowd).map(|_| scene.connect()).collect();
    for _ in 0..10 {
        scene.goes_on();
    }
    // Who is one too many is closed at once.
    let too_many = crowd - (max - 1);
    let turned_away = |scene: &mut Scene<Pull>| {
        let accepts = scene.watch.all().iter();
        let refused =
            |kind: &ringway::monitor::EventKind| matches!(kind, ringway::monitor::EventKind::AcceptFailed { .. });
        accepts.filter(|kind| refused(kind)).count() + scene.failed(|reason| reason == HandshakeFailure::TooManyPeers)
    };
    scene.wait_until("turned away", too_many, turned_away);
    scene.goes_on();
    // What a silent peer costs; the test's own end of it is small, and what was told is kept by the test.
    scene.stayed_within(crowd * 16 * 1024);
    drop(peers);
    scene.wait_until("gone", max - 1, |scene| scene.failed(|reason| reason.fault() == Fault::PeerGone));
    // There is room again.
    let mut newcomer = scene.joined();
    newcomer.settle();
    drop(newcomer);
    scene.ends_as_it_began();
}

/// Descriptors the process may have open, as many as the system lets it.
fn room_for_descriptors() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is one, and ours.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
    limit.rlim_cur = limit.rlim_max.min(65_536);
    // SAFETY: likewise.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
    usize::try_from(limit.rlim_cur).expect("65,536 at the most")
}

#[test]
fn who_falls_silent_is_given_up() {
    // As one whose machine has lost its power: no FIN, no RST, nothing.
    for road in ROADS {
        let builder =
            Pull::builder().heartbeat(Duration::from_millis(50)).heartbeat_timeout(Duration::from_millis(200));
        let _alone = alone();
        let context = ringway::Context::new();
        let (pull, endpoint) = bound(builder.build(&context).unwrap(), road);
        let mut watch = crate::raw::watch::Watch::new(pull.monitor());
        let _silent: Vec<Peer> = (0..20).map(|_| Peer::joined(&endpoint, "PUSH", "PULL")).collect();
        for _ in 0..20 {
            let told = watch.disconnected();
            let is_silence = matches!(
                told,
                ringway::monitor::EventKind::Disconnected { reason: DisconnectReason::HeartbeatTimedOut, .. }
            );
            assert!(is_silence, "{told}");
        }
        assert_eq!(pull.peers(), 0);
    }
}

#[test]
fn who_says_ping_for_ever_and_reads_nothing() {
    for road in ROADS {
        let mut scene = Scene::new(road, Pull::builder());
        let mut deaf = scene.joined();
        deaf.set_patience(Duration::from_millis(200));
        let burst: Vec<u8> = (0..1000).flat_map(|_| ping(0, b"sixteen bytes ..")).collect();
        memory::forget();
        let began = Instant::now();
        let mut said = 0;
        // Until the library does not read on, or has closed, or has had enough to show that it would not stop.
        let ended = loop {
            match deaf.try_write(&burst) {
                Ok(()) => said += burst.len(),
                Err(error) => break Some(error),
            }
            if said > 64 << 20 || began.elapsed() > Duration::from_millis(1500) {
                break None;
            }
        };
        scene.stayed_within(4 << 20);
        if let Some(error) = ended {
            let is_full = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
            assert!(is_full || crate::raw::is_reset(&error), "{error}");
        }
        scene.goes_on();
        drop(deaf);
        scene.ends_as_it_began();
    }
}

#[test]
fn who_subscribes_and_reads_nothing() {
    const COUNT: u32 = 20_000;
    for road in ROADS {
        let mut scene = Scene::new(road, Pub::builder().send_hwm(500));
        let mut deaf = scene.joined();
        deaf.write(&subscribe(b"news"));
        deaf.settle();
        scene.socket.wait_for_subscribers(2, PATIENCE).unwrap();
        memory::forget();
        let body = [7; 1000];
        for number in 0..COUNT {
            scene.socket.send(Message::from_iter([&b"news"[..], &body])).unwrap();
            if number % 500 == 0 {
                scene.goes_on();
            }
        }
        // The mark, and what is on its way to the system.
        scene.stayed_within(4 << 20);
        assert!(scene.socket.counters().dropped > u64::from(COUNT / 4), "{:?}", scene.socket.counters());
        let mut dropped = scene.socket.peer_list().iter().map(|peer| peer.dropped).collect::<Vec<_>>();
        dropped.sort_unstable();
        assert_eq!((dropped.len(), dropped[0]), (2, 0), "the good peer missed something");
        drop(deaf);
        scene.ends_as_it_began();
    }
}

#[test]
fn who_is_sent_replies_and_reads_nothing() {
    let _alone = alone();
    let context = ringway::Context::new();
    let router = Router::builder().send_hwm(100).build(&context).unwrap();
    let (mut router, endpoint) = bound(router, Road::Tcp);
    let mut peers = [&b"deaf"[..], b"good"].map(|identity| {
        let mut peer = Peer::connect(&endpoint);
        peer.shake_hands_as("DEALER", identity, 1, "ROUTER");
        peer.write(&message(&[b"hello"]));
        router.soon();
        peer
    });
    memory::forget();
    let before = memory::now();
    for _ in 0..2000 {
        router.send(Message::from(vec![ringway::Frame::from("deaf"), vec![7; 10_000].into()])).unwrap();
    }
    let most = memory::most() - before;
    assert!(most < 8 << 20, "{most} bytes");
    assert!(router.counters().dropped > 500, "{:?}", router.counters());
    router.send(Message::from_iter(["good", "still here"])).unwrap();
    peers[1].expect(&message(&[b"still here"]));
}

#[test]
fn who_takes_tasks_and_reads_nothing() {
    // Its queue fills up, and the rest goes to the others.
    for road in ROADS {
        let _alone = alone();
        let context = ringway::Context::new();
        let (mut push, endpoint) = bound(Push::builder().send_hwm(50).build(&context).unwrap(), road);
        let _deaf = Peer::joined(&endpoint, "PULL", "PUSH");
        let mut good = Peer::joined(&endpoint, "PULL", "PUSH");
        good.settle();
        memory::forget();
        let before = memory::now();
        let reading = thread::spawn(move || {
            let mut count = 0;
            while good.message()[0].len() > 1 {
                count += 1;
            }
            count
        });
        for _ in 0..1000 {
            push.send(vec![7; 10_000]).unwrap();
        }
        let most = memory::most() - before;
        assert!(most < 8 << 20, "{most} bytes");
        // One of the last goes to the one that reads.
        while !reading.is_finished() {
            let _ = push.send_timeout("x", Duration::from_millis(10));
        }
        let count = reading.join().unwrap();
        assert!(count > 300, "{count} of 1000 went to the one that reads");
    }
}

#[test]
fn who_sends_for_ever_to_one_that_does_not_receive() {
    // What is not received stays with the sender: its writes stop.
    for road in ROADS {
        let mut scene = Scene::new(road, Pull::builder().recv_hwm(10));
        let mut eager = scene.joined();
        eager.set_patience(Duration::from_millis(300));
        let said = message(&[&[7; 10_000]]);
        memory::forget();
        let mut sent = 0_u64;
        let ended = loop {
            match eager.try_write(&said) {
                Ok(()) => sent += said.len() as u64,
                Err(error) => break error,
            }
            assert!(sent < 256 << 20, "the sender is never held up");
        };
        assert!(matches!(ended.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{ended}");
        scene.stayed_within(2 << 20);
        // The application wakes up: the good peer is served, in turn with the other.
        scene.goes_on();
        drop(eager);
        scene.ends_as_it_began();
    }
}
