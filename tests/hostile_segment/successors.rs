//! Segments a peer announces in place of its own: unasked, out of turn, unfit, without end; and rings that say that they go on
//! where nothing is.

use std::{
    fs::{self, File},
    os::fd::{AsFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use ringway::Pull;
use rustix::fs::SealFlags;

use crate::{
    has_segments, nobody_panicked,
    raw::{PATIENCE, Road, bytes::command},
    scene::Scene,
    stranger::{CAPACITY, Outcome, Recipe, SEALS, Segment, Stranger, at, kind},
};

/// As docs/zmtp.md numbers them.
const DESCRIPTORS_MISSING: u8 = 8;
const SEGMENT_UNFIT: u8 = 9;
const MEMORY_MAX: u8 = 11;

const FIRST: usize = at::RING + CAPACITY;

fn scene() -> Scene<Pull> {
    Scene::new(Road::Ipc, Pull::builder())
}

/// Segments mapped by this process, the library's and the strangers'.
fn mapped() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").expect("the system lists them");
    maps.lines().filter(|line| line.contains("/memfd:ringway")).count()
}

fn announce(stranger: &mut Stranger, generation: u32, next: &Segment) {
    let file = next.file.try_clone().expect("a descriptor");
    stranger.announce(generation, next.size() as u64, &[file.as_fd()]).expect("the library reads");
}

#[track_caller]
fn is_closed(scene: &mut Scene<Pull>, stranger: &mut Stranger, what: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !stranger.is_closed() {
        assert!(Instant::now() < deadline, "not closed: {what}");
        stranger.knock();
        scene.goes_on();
        thread::sleep(Duration::from_millis(1));
    }
    nobody_panicked();
}

/// Messages through the stranger's ring, in order.
#[track_caller]
fn is_heard(scene: &mut Scene<Pull>, stranger: &mut Stranger, count: u32) {
    for number in 0..count {
        let body = [b"numbered".as_slice(), &number.to_be_bytes()].concat();
        let deadline = Instant::now() + PATIENCE;
        while !stranger.has_room(body.len()) {
            assert!(Instant::now() < deadline, "no room");
            scene.goes_on();
        }
        stranger.put(kind::FRAME, 0, &body);
        loop {
            let got = scene.socket.recv_timeout(PATIENCE).expect("it comes");
            if got[0] == body[..] {
                break;
            }
        }
    }
}

/// What the others are measured by. There may be rings until they do not fit into what may be shared, and then no more of them.
#[test]
fn a_stranger_that_keeps_the_rules_goes_on_in_its_next_segment() {
    if !has_segments("a_stranger_that_keeps_the_rules_goes_on_in_its_next_segment") {
        return;
    }
    let mut scene = scene();
    let mut stranger = Stranger::growing(&scene.endpoint, "PUSH");
    is_heard(&mut scene, &mut stranger, 2_000);
    let before = mapped();
    for (generation, capacity) in (1..).zip([2, 4, 8, 16].map(|times| times * CAPACITY)) {
        let next = Recipe::of(capacity).make();
        announce(&mut stranger, generation, &next);
        assert_eq!(stranger.answer(), Outcome::Accepted);
        is_heard(&mut scene, &mut stranger, 10);
        stranger.switch(generation, next);
        is_heard(&mut scene, &mut stranger, 5_000);
        // The stranger's own, and the one that took its place.
        assert_eq!(mapped(), before + 1, "with {capacity} bytes");
    }
    for generation in 5..100 {
        let next = Recipe::of(64 * CAPACITY).make();
        announce(&mut stranger, generation, &next);
        assert_eq!(stranger.answer(), Outcome::Declined(MEMORY_MAX));
    }
    is_heard(&mut scene, &mut stranger, 100);
    assert_eq!(mapped(), before + 1);
    drop(stranger);
    nobody_panicked();
    scene.ends_as_it_began();
}

#[test]
fn what_is_announced_and_unfit_is_declined() {
    if !has_segments("what_is_announced_and_unfit_is_declined") {
        return;
    }
    let mut scene = scene();
    let mut stranger = Stranger::growing(&scene.endpoint, "PUSH");
    let mut generation = 0;
    let mut declined = |stranger: &mut Stranger, size: u64, file: Option<&OwnedFd>, number: u8| {
        generation += 1;
        let files: Vec<_> = file.map(AsFd::as_fd).into_iter().collect();
        stranger.announce(generation, size, &files).unwrap();
        assert_eq!(stranger.answer(), Outcome::Declined(number), "announcement {generation}");
    };
    let fit = Recipe::of(4 * CAPACITY);
    let size = fit.size as u64;
    declined(&mut stranger, size, None, DESCRIPTORS_MISSING);
    let null: OwnedFd = File::open("/dev/null").unwrap().into();
    declined(&mut stranger, size, Some(&null), SEGMENT_UNFIT);
    let doorbell: OwnedFd = stranger.doorbell.try_clone().unwrap().into();
    declined(&mut stranger, size, Some(&doorbell), SEGMENT_UNFIT);
    // Not larger than the one there is.
    for capacity in [CAPACITY, CAPACITY / 2] {
        let next = Recipe::of(capacity).make();
        declined(&mut stranger, next.size() as u64, Some(&next.file), SEGMENT_UNFIT);
    }
    // Of another size than is said, or one that none has.
    let next = fit.make();
    for said in [0, size - 1, size + 1, size + 4096, 2 * size] {
        declined(&mut stranger, said, Some(&next.file), SEGMENT_UNFIT);
    }
    for said in [1 << 23, 1 << 40, u64::MAX] {
        declined(&mut stranger, said, Some(&next.file), MEMORY_MAX);
    }
    let recipes = [
        Recipe { seals: SealFlags::empty(), ..fit },
        Recipe { seals: SEALS.difference(SealFlags::SHRINK), ..fit },
        Recipe { is_allocated: false, ..fit },
        Recipe { header: [0; 5], ..fit },
        Recipe { header: [fit.header[0], 1, size, 0, 4 * CAPACITY as u64], ..fit },
        Recipe { header: [fit.header[0], 1, size, 4096, 8 * CAPACITY as u64], ..fit },
        Recipe { header: [fit.header[0], 1, size, 4096, 3 * CAPACITY as u64], ..fit },
        Recipe { header: [fit.header[0], 1, size, 4096, 0], ..fit },
    ];
    for recipe in recipes {
        let next = recipe.make();
        declined(&mut stranger, size, Some(&next.file), SEGMENT_UNFIT);
    }
    is_heard(&mut scene, &mut stranger, 100);
    nobody_panicked();
    drop((stranger, doorbell));
    scene.stayed_within(8 << 20);
    scene.ends_as_it_began();
}

#[test]
fn what_is_announced_out_of_turn_ends_the_connection() {
    if !has_segments("what_is_announced_out_of_turn_ends_the_connection") {
        return;
    }
    let mut scene = scene();
    let next = Recipe::of(4 * CAPACITY).make();
    let size = next.size() as u64;
    let mut ends = |what: &str, play: &dyn Fn(&mut Stranger)| {
        let mut stranger = Stranger::growing(&scene.endpoint, "PUSH");
        play(&mut stranger);
        is_closed(&mut scene, &mut stranger, what);
    };
    for generation in [0, 2, u32::MAX] {
        ends("not the next", &|stranger| {
            let _ = stranger.announce(generation, size, &[next.file.as_fd()]);
        });
    }
    ends("the same twice", &|stranger| {
        announce(stranger, 1, &next);
        let _ = stranger.announce(1, size, &[next.file.as_fd()]);
    });
    ends("one before it has gone on in the last", &|stranger| {
        announce(stranger, 1, &next);
        let more = Recipe::of(8 * CAPACITY).make();
        let _ = stranger.announce(2, more.size() as u64, &[more.file.as_fd()]);
    });
    ends("an answer to nothing", &|stranger| {
        let _ = stranger.try_write(&command("X-RINGWAY-SEGMENT-ANSWER", &[0, 0, 0, 1, 1, 0]), &[]);
    });
    for cut in 0..12 {
        ends("one that is cut off", &|stranger| {
            let _ = stranger.try_write(&command("X-RINGWAY-SEGMENT", &[0; 12][..cut]), &[next.file.as_fd()]);
        });
    }
    let mut stranger = Stranger::agreed(&scene.endpoint, "PUSH", b"");
    let _ = stranger.announce(1, size, &[next.file.as_fd()]);
    is_closed(&mut scene, &mut stranger, "without having said that it can");
    drop(stranger);
    let mut stranger = Stranger::connect(&scene.endpoint, "PUSH", b"", Recipe::default());
    let _ = stranger.announce(1, size, &[next.file.as_fd()]);
    is_closed(&mut scene, &mut stranger, "before anything is agreed");
    drop(stranger);
    scene.stayed_within(8 << 20);
    scene.ends_as_it_began();
}

/// The ring says that it goes on, and there is nothing to go on in.
#[test]
fn a_ring_that_goes_on_nowhere_ends_the_connection() {
    if !has_segments("a_ring_that_goes_on_nowhere_ends_the_connection") {
        return;
    }
    let mut scene = scene();
    for (announced, note) in [(false, 0), (false, 1), (true, 0), (true, 2)] {
        let mut stranger = Stranger::growing(&scene.endpoint, "PUSH");
        if announced {
            announce(&mut stranger, 1, &Recipe::of(4 * CAPACITY).make());
            assert_eq!(stranger.answer(), Outcome::Accepted);
        }
        stranger.put(kind::FRAME, 0, b"before");
        stranger.put(kind::SWITCH, note, b"");
        is_closed(&mut scene, &mut stranger, "a switch to nothing");
    }
    // What is there is no ring: stale words, or those of somebody who scribbles.
    for word in [1, u64::MAX, 1 << 63 | 0x7E << 56] {
        let mut stranger = Stranger::growing(&scene.endpoint, "PUSH");
        let next = Recipe::of(4 * CAPACITY).make();
        (at::RING..next.size()).step_by(8).for_each(|offset| next.write(offset, word));
        announce(&mut stranger, 1, &next);
        assert_eq!(stranger.answer(), Outcome::Accepted);
        stranger.put(kind::SWITCH, 1, b"");
        is_closed(&mut scene, &mut stranger, "a ring of nothing");
    }
    // Twice, and in the midst of a message.
    let mut stranger = Stranger::growing(&scene.endpoint, "PUSH");
    let next = Recipe::of(4 * CAPACITY).make();
    announce(&mut stranger, 1, &next);
    assert_eq!(stranger.answer(), Outcome::Accepted);
    stranger.put(kind::FIRST, kind::FRAME.into(), &[&12_u64.to_le_bytes()[..], &1_u64.to_le_bytes(), b"long"].concat());
    stranger.switch(1, next);
    stranger.put(kind::PART, 0, b" message");
    while scene.socket.recv_timeout(PATIENCE).expect("it comes")[0] != b"long message"[..] {}
    stranger.put(kind::SWITCH, 1, b"");
    is_closed(&mut scene, &mut stranger, "a switch to what it is in");
    assert_eq!(FIRST, Recipe::default().size);
    drop(stranger);
    scene.ends_as_it_began();
}
