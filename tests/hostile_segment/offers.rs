//! What a peer may offer: other descriptors than a segment and a doorbell, segments that are none, and offers that are none.
//! They are declined or end the connection; where declined, messages go over the stream.

use std::{
    fs::File,
    net::TcpListener,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::{UnixDatagram, UnixListener},
    },
    thread,
};

use ringway::Pull;
use rustix::fs::SealFlags;

use crate::{
    has_segments, nobody_panicked,
    raw::{
        Road,
        any::Soon,
        bytes::{command, frame},
        temporary_path,
    },
    say,
    scene::Scene,
    stranger::{CAPACITY, Outcome, Recipe, SEALS, Stranger, at, kind, offer},
};

fn scene() -> Scene<Pull> {
    Scene::new(Road::Ipc, Pull::builder().max_message_size(1 << 20))
}

/// A stranger's offer is not accepted, and if it is declined the connection is of use.
#[track_caller]
fn is_not_accepted(scene: &mut Scene<Pull>, mut stranger: Stranger, what: &str) -> Outcome {
    let outcome = stranger.outcome();
    match outcome {
        Outcome::Accepted => panic!("accepted: {what}"),
        Outcome::Declined(_) => {
            stranger.send_plainly(what.as_bytes());
            while scene.socket.soon()[0] != what.as_bytes() {}
        }
        Outcome::Closed => {}
    }
    scene.goes_on();
    nobody_panicked();
    say(&format!("  {what}: {outcome:?}"));
    outcome
}

/// What the others are measured by.
#[test]
fn a_stranger_that_keeps_the_rules_is_heard() {
    if !has_segments("a_stranger_that_keeps_the_rules_is_heard") {
        return;
    }
    let mut scene = scene();
    let mut stranger = Stranger::agreed(&scene.endpoint, "PUSH", b"");
    for number in 0..5_000_u32 {
        let size = number as usize % 300;
        let payload = vec![number as u8; size];
        while !stranger.has_room(size) {
            // Receiving is what makes room.
            scene.goes_on();
        }
        stranger.put(kind::FRAME, 0, &payload);
        assert_eq!(scene.socket.soon()[0], payload[..]);
    }
    drop(stranger);
    scene.ends_as_it_began();
}

#[test]
fn segments_that_are_none_are_declined() {
    if !has_segments("segments_that_are_none_are_declined") {
        return;
    }
    let honest = Recipe::default();
    let header = |place: usize, value: u64| {
        let mut recipe = honest;
        recipe.header[place / 8] = value;
        recipe
    };
    let size = honest.size as u64;
    let unsealed = |seal: SealFlags| Recipe { seals: SEALS.difference(seal), ..honest };
    let mut recipes = vec![
        ("not sealed at all", Recipe { seals: SealFlags::empty(), ..honest }),
        ("it may shrink", unsealed(SealFlags::SHRINK)),
        ("it may grow", unsealed(SealFlags::GROW)),
        ("others may write", unsealed(SealFlags::FUTURE_WRITE)),
        ("sparse", Recipe { is_allocated: false, ..honest }),
        ("no magic", header(at::MAGIC, 0)),
        ("another magic", header(at::MAGIC, u64::MAX)),
        ("another version", header(at::VERSION, 2)),
        ("no version", header(at::VERSION, 0)),
        ("flags nobody knows", header(at::VERSION, 1 | 1 << 63)),
        ("another size", header(at::SIZE, size + 4096)),
        ("no size", header(at::SIZE, 0)),
        ("all the size there is", header(at::SIZE, u64::MAX)),
    ];
    for offset in [0, 8, 64, 4095, 4097, size, size - 8, u64::MAX, u64::MAX - 4095, 1 << 63] {
        recipes.push(("the ring elsewhere", header(at::RING_OFFSET, offset)));
    }
    for capacity in [0, 1, 16, 4095, 2048, CAPACITY as u64 + 1, 2 * CAPACITY as u64, 3 << 14, 1 << 63, u64::MAX] {
        recipes.push(("a ring of another capacity", header(at::CAPACITY, capacity)));
    }
    let mut scene = scene();
    for (what, recipe) in recipes {
        let mut stranger = Stranger::connect(&scene.endpoint, "PUSH", b"", recipe);
        stranger.offer_as_it_should();
        is_not_accepted(&mut scene, stranger, what);
    }
    for bytes in [0, 8, 4096, 4096 + 8] {
        let mut recipe = honest;
        recipe.size = bytes;
        recipe.is_allocated = bytes > 0;
        // An empty file cannot be mapped: that of another stands for it.
        let segment = (bytes > 0).then(|| recipe.make());
        let empty = rustix::fs::memfd_create("ringway", rustix::fs::MemfdFlags::ALLOW_SEALING).unwrap();
        let file = segment.as_ref().map_or(empty.as_fd(), |segment| segment.file.as_fd());
        for said in [bytes as u64, size] {
            let mut stranger = Stranger::connect(&scene.endpoint, "PUSH", b"", honest);
            let bell = stranger.doorbells_end.try_clone().unwrap();
            stranger.offer(&offer(1, 1, said, 1000, 0), &[file, bell.as_fd()]).unwrap();
            is_not_accepted(&mut scene, stranger, &format!("{bytes} bytes, said to be {said}"));
        }
    }
    scene.stayed_within(4 << 20);
    scene.ends_as_it_began();
}

#[test]
fn other_sizes_than_the_segment_has_are_declined() {
    if !has_segments("other_sizes_than_the_segment_has_are_declined") {
        return;
    }
    let mut scene = scene();
    let size = Recipe::default().size as u64;
    for said in [0, 1, 4096, size - 4096, size - 1, size + 1, 2 * size, 1 << 40, 1 << 63, u64::MAX] {
        let mut stranger = Stranger::connect(&scene.endpoint, "PUSH", b"", Recipe::default());
        let (file, bell) = (stranger.own.file.try_clone().unwrap(), stranger.doorbells_end.try_clone().unwrap());
        stranger.offer(&offer(1, 1, said, 1000, 0), &[file.as_fd(), bell.as_fd()]).unwrap();
        is_not_accepted(&mut scene, stranger, &format!("said to be of {said} bytes"));
    }
    for version in [0, 2, 255] {
        let mut stranger = Stranger::connect(&scene.endpoint, "PUSH", b"", Recipe::default());
        let (file, bell) = (stranger.own.file.try_clone().unwrap(), stranger.doorbells_end.try_clone().unwrap());
        stranger.offer(&offer(version, 1, size, 1000, 0), &[file.as_fd(), bell.as_fd()]).unwrap();
        is_not_accepted(&mut scene, stranger, &format!("of version {version}"));
    }
    scene.ends_as_it_began();
}

#[test]
fn other_descriptors_are_declined() {
    if !has_segments("other_descriptors_are_declined") {
        return;
    }
    let file: OwnedFd = File::open(std::env::current_exe().unwrap()).unwrap().into();
    let null: OwnedFd = File::open("/dev/null").unwrap().into();
    let folder: OwnedFd = File::open("/").unwrap().into();
    let (pipe_end, other_pipe_end) = std::io::pipe().unwrap();
    let pipe: OwnedFd = pipe_end.into();
    let tcp: OwnedFd = TcpListener::bind("127.0.0.1:0").unwrap().into();
    let path = temporary_path();
    let listener: OwnedFd = UnixListener::bind(&path).unwrap().into();
    let datagrams: OwnedFd = UnixDatagram::unbound().unwrap().into();
    let mut scene = scene();
    let odd = [&file, &null, &folder, &pipe, &tcp, &listener, &datagrams];
    let mut with = |what: String, pick: &dyn Fn(&[BorrowedFd<'_>; 2]) -> Vec<OwnedFd>, may_be_accepted: bool| {
        let mut stranger = Stranger::connect(&scene.endpoint, "PUSH", b"", Recipe::default());
        let (own, bell) = (stranger.own.file.try_clone().unwrap(), stranger.doorbells_end.try_clone().unwrap());
        let picked = pick(&[own.as_fd(), bell.as_fd()]);
        let data = offer(1, 1, stranger.own.size() as u64, 1000, 0);
        let borrowed: Vec<_> = picked.iter().map(AsFd::as_fd).collect();
        stranger.offer(&data, &borrowed).unwrap();
        if may_be_accepted {
            let outcome = stranger.outcome();
            say(&format!("  {what}: {outcome:?}"));
        } else {
            is_not_accepted(&mut scene, stranger, &what);
        }
        scene.goes_on();
    };
    let copy = |descriptor: &dyn AsFd| descriptor.as_fd().try_clone_to_owned().unwrap();
    with("no descriptors".into(), &|_| Vec::new(), false);
    with("a segment alone".into(), &|[own, _]| vec![copy(own)], false);
    with("a doorbell alone".into(), &|[_, bell]| vec![copy(bell)], false);
    with("the wrong way round".into(), &|[own, bell]| vec![copy(bell), copy(own)], false);
    with("the segment twice".into(), &|[own, _]| vec![copy(own), copy(own)], false);
    for (place, other) in odd.into_iter().enumerate() {
        with(format!("thing {place} for a segment"), &|[_, bell]| vec![copy(other), copy(bell)], false);
        // A socket nobody can be woken by is the stranger's own loss.
        let is_socket = place >= 4;
        with(format!("thing {place} for a doorbell"), &|[own, _]| vec![copy(own), copy(other)], is_socket);
    }
    // More than an offer has: what it needs is among them.
    for extra in [1, 2, 3, 98, 251] {
        let all = |descriptors: &[BorrowedFd<'_>; 2]| {
            let more = (0..extra).map(|_| copy(&null));
            descriptors.iter().map(|descriptor| copy(descriptor)).chain(more).collect()
        };
        with(format!("{extra} descriptors too many"), &all, true);
    }
    with("253 of nothing".into(), &|_| (0..253).map(|_| copy(&null)).collect(), false);
    nobody_panicked();
    drop((other_pipe_end, tcp, listener, datagrams));
    let _ = std::fs::remove_file(path);
    scene.ends_as_it_began();
}

/// Descriptors where none are asked for: before READY, with messages, again and again.
#[test]
fn descriptors_nobody_asked_for_are_closed() {
    if !has_segments("descriptors_nobody_asked_for_are_closed") {
        return;
    }
    let mut scene = scene();
    let before = std::fs::read_dir("/proc/self/fd").unwrap().count();
    let null: OwnedFd = File::open("/dev/null").unwrap().into();
    let many: Vec<_> = (0..100).map(|_| null.as_fd()).collect();
    let mut stranger = Stranger::agreed(&scene.endpoint, "PUSH", b"");
    for _ in 0..200 {
        // The stream carries subscriptions and commands still; what else comes there ends it.
        if stranger.try_write(&command("PONG", b""), &many).is_err() {
            break;
        }
    }
    scene.goes_on();
    drop((stranger, null));
    let mut plain = scene.joined();
    plain.write(&frame(0, b"hello"));
    drop(plain);
    let deadline = std::time::Instant::now() + crate::raw::PATIENCE;
    while std::fs::read_dir("/proc/self/fd").unwrap().count() > before {
        assert!(std::time::Instant::now() < deadline, "descriptors are left open");
        scene.goes_on();
        thread::sleep(std::time::Duration::from_millis(1));
    }
    scene.ends_as_it_began();
}

/// Offers and answers that break the protocol, and end the connection.
#[test]
fn offers_that_are_none_end_the_connection() {
    if !has_segments("offers_that_are_none_end_the_connection") {
        return;
    }
    let good = offer(1, 1, Recipe::default().size as u64, 1000, 0);
    let answer = |data: &[u8]| command("X-RINGWAY-ANSWER", data);
    let mut said: Vec<(&str, Vec<u8>)> = vec![
        ("an empty answer", answer(b"")),
        ("an answer to nothing", answer(&[1, 0])),
        ("neither yes nor no", answer(&[2, 0])),
        ("a message at once", frame(0, b"hello")),
        ("two offers", [command("X-RINGWAY-OFFER", &good), command("X-RINGWAY-OFFER", &good)].concat()),
    ];
    for len in 0..good.len() {
        said.push(("an offer that is cut off", command("X-RINGWAY-OFFER", &good[..len])));
    }
    let mut scene = scene();
    for (what, bytes) in said {
        let mut stranger = Stranger::connect(&scene.endpoint, "PUSH", b"", Recipe::default());
        let _ = stranger.try_write(&bytes, &[]);
        let deadline = std::time::Instant::now() + crate::raw::PATIENCE;
        while !stranger.is_closed() {
            assert!(std::time::Instant::now() < deadline, "not closed: {what}");
            thread::sleep(std::time::Duration::from_millis(1));
        }
        scene.goes_on();
    }
    nobody_panicked();
    scene.ends_as_it_began();
}

/// A peer that stops in the midst of agreeing, or goes.
#[test]
fn who_stops_agreeing_is_let_go() {
    if !has_segments("who_stops_agreeing_is_let_go") {
        return;
    }
    let mut scene = scene();
    for nth in 0..60 {
        let mut stranger = Stranger::connect(&scene.endpoint, "PUSH", b"", Recipe::default());
        if nth % 3 > 0 {
            stranger.offer_as_it_should();
        }
        if nth % 3 > 1 {
            let _ = stranger.outcome();
        }
        drop(stranger);
        if nth % 10 == 0 {
            scene.goes_on();
        }
    }
    nobody_panicked();
    scene.stayed_within(4 << 20);
    scene.ends_as_it_began();
}
