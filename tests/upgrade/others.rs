//! Peers that are not this library, and somebody between the two who passes bytes on and nothing else.

use std::{
    fs, io,
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    thread,
    time::Duration,
};

use ringway::{
    Context, Message, Pair, Sub, XPub,
    monitor::{
        EventKind, HandshakeFailure, Road,
        UpgradeFailure::{Here, PeerUnable},
        UpgradeObstacle::DescriptorsMissing,
    },
    socket::SharedMemory,
};

use crate::{
    link::{Holdings, Pairs, alone, anywhere, outcome},
    raw::{self, Listener, PATIENCE, Peer, bytes::message, temporary_path, watch::Watch},
};

/// Passes bytes between who connects to a path and another path, one connection after the other.
struct Relay {
    path: PathBuf,
}

impl Relay {
    fn to(endpoint: &str) -> Self {
        let target = endpoint.strip_prefix("ipc://").unwrap().to_owned();
        let path = temporary_path();
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            // It ends with an empty connection.
            for near in listener.incoming() {
                let Ok(far) = UnixStream::connect(&target) else { return };
                let near = near.unwrap();
                let pass = |mut from: UnixStream, mut to: UnixStream| {
                    thread::spawn(move || {
                        let _ = pass(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                };
                pass(near.try_clone().unwrap(), far.try_clone().unwrap());
                pass(far, near);
            }
        });
        Self { path }
    }

    fn endpoint(&self) -> String {
        format!("ipc://{}", self.path.display())
    }
}

fn pass(from: &mut UnixStream, to: &mut UnixStream) -> io::Result<()> {
    let mut bytes = [0; 4096];
    loop {
        match from.read(&mut bytes)? {
            0 => return Ok(()),
            len => to.write_all(&bytes[..len])?,
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // The target is gone by now: this ends it.
        let _ = UnixStream::connect(&self.path);
        let _ = fs::remove_file(&self.path);
    }
}

#[test]
fn descriptors_that_are_lost_on_the_way_leave_the_stream() {
    let _alone = alone();
    let before = Holdings::now();
    let endpoint = anywhere();
    let relay = Relay::to(&endpoint);
    let mut pairs = Pairs::at([Pair::builder(), Pair::builder()], &endpoint, &relay.endpoint());
    assert_eq!(pairs.outcomes(), [Err(Here(DescriptorsMissing)); 2]);
    pairs.talk(Road::Stream);
    drop(pairs);
    drop(relay);
    before.return_to();
}

#[test]
fn who_requires_it_does_not_take_a_relay() {
    let _alone = alone();
    let before = Holdings::now();
    let endpoint = anywhere();
    let relay = Relay::to(&endpoint);
    let quick = Pair::builder().reconnect_interval(Duration::from_millis(1));
    let builders = [Pair::builder(), quick.shared_memory(SharedMemory::Require)];
    let mut pairs = Pairs::at(builders, &endpoint, &relay.endpoint());
    for _ in 0..3 {
        required(&pairs.watches[1].handshake_failed(), Here(DescriptorsMissing));
    }
    drop(pairs);
    drop(relay);
    before.return_to();
}

#[track_caller]
fn required(told: &EventKind, why: ringway::monitor::UpgradeFailure) {
    let EventKind::HandshakeFailed { reason, .. } = told else { panic!("{told}") };
    assert_eq!(*reason, HandshakeFailure::SharedMemoryRequired(why));
}

/// As libzmq or an older version of this library, which say nothing of memory.
#[test]
fn an_old_peer_has_the_stream() {
    let _alone = alone();
    let before = Holdings::now();
    let context = Context::new();
    let mut pair = Pair::new(&context).unwrap();
    let mut watch = Watch::new(pair.monitor());
    let endpoint = anywhere();
    pair.bind(&endpoint).unwrap();
    let mut peer = Peer::joined(&endpoint, "PAIR", "PAIR");
    assert_eq!(outcome(&mut watch), Err(PeerUnable));
    peer.write(&message(&[b"hello"]));
    assert_eq!(pair.recv_timeout(PATIENCE).unwrap(), Message::from("hello"));
    pair.send("world").unwrap();
    assert_eq!(peer.message(), [b"world"]);
    assert_eq!(pair.peer_list()[0].road, Road::Stream);
    assert_eq!(Holdings::now().segments, before.segments);
    drop((pair, peer, watch, context));
    before.return_to();
}

#[test]
fn an_old_peer_that_is_connected_to_has_the_stream() {
    let _alone = alone();
    let before = Holdings::now();
    let listener = Listener::new(raw::Road::Ipc);
    let context = Context::new();
    let mut sub = Sub::builder().build(&context).unwrap();
    sub.subscribe("a");
    let mut watch = Watch::new(sub.monitor());
    sub.connect(listener.endpoint()).unwrap();
    let mut peer = listener.accept();
    peer.shake_hands("XPUB", "SUB");
    assert_eq!(outcome(&mut watch), Err(PeerUnable));
    peer.expect(&raw::bytes::command("SUBSCRIBE", b"a"));
    peer.write(&message(&[b"a first"]));
    assert_eq!(sub.recv_timeout(PATIENCE).unwrap(), Message::from("a first"));
    drop((sub, peer, watch, context, listener));
    before.return_to();
}

#[test]
fn who_requires_it_turns_an_old_peer_away() {
    let _alone = alone();
    let before = Holdings::now();
    let context = Context::new();
    let mut bound = XPub::builder().shared_memory(SharedMemory::Require).build(&context).unwrap();
    let mut watch = Watch::new(bound.monitor());
    let endpoint = anywhere();
    bound.bind(&endpoint).unwrap();
    let mut peer = Peer::joined(&endpoint, "SUB", "XPUB");
    required(&watch.handshake_failed(), PeerUnable);
    peer.expect_gone();
    assert_eq!(bound.peers(), 0);

    let listener = Listener::new(raw::Road::Ipc);
    let builder = Sub::builder().shared_memory(SharedMemory::Require);
    let mut sub = builder.reconnect_interval(Duration::from_millis(1)).build(&context).unwrap();
    let mut watch = Watch::new(sub.monitor());
    sub.connect(listener.endpoint()).unwrap();
    for _ in 0..3 {
        // It goes on trying.
        let mut peer = listener.accept();
        peer.shake_hands("XPUB", "SUB");
        required(&watch.handshake_failed(), PeerUnable);
        peer.expect_gone();
    }
    drop((bound, peer, sub, watch, context, listener));
    before.return_to();
}
