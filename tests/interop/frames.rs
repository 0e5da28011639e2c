//! Messages of every shape: sizes at the borders, empty frames, very many frames.

#![forbid(unsafe_code)]

use ringway::SocketType::{Dealer, Pair, Pull, Push};

use crate::{
    case::Case,
    party::{Parts, Setting, Socket, pattern, shown},
};

/// Around what a frame keeps inside, what a short length can say, and what libzmq writes and reads at once.
const BORDERS: [usize; 20] = [0, 1, 2, 29, 33, 34, 54, 55, 56, 57, 63, 64, 65, 254, 255, 256, 257, 8191, 8192, 8193];
const LARGE: [usize; 4] = [16_384, 65_536, 65_537, 1 << 20];
const HUGE: usize = 64 << 20;

fn message(sizes: impl IntoIterator<Item = usize>) -> Parts {
    sizes.into_iter().enumerate().map(|(index, size)| pattern(size, (1000 * index + size) as u32)).collect()
}

/// Sends all of these one after another, and then takes them.
#[track_caller]
fn carry(from: &mut dyn Socket, to: &mut dyn Socket, messages: &[Parts]) {
    messages.iter().for_each(|message| from.send(message));
    for message in messages {
        let received = to.recv();
        assert!(received == *message, "{} came, and not {}", shown(&received), shown(message));
    }
}

fn both_ways(near: &mut dyn Socket, far: &mut dyn Socket, messages: &[Parts]) {
    carry(near, far, messages);
    carry(far, near, messages);
}

pub(crate) fn every_size_arrives(case: Case) {
    let mut messages: Vec<Parts> = BORDERS.iter().chain(&LARGE).map(|size| message([*size])).collect();
    // All of them in one, and each beside empty frames.
    messages.push(message(BORDERS.iter().chain(&LARGE).copied()));
    messages.extend(BORDERS.iter().map(|size| message([0, *size, 0])));
    messages.extend(BORDERS.iter().map(|size| message([*size, 65_536, *size, 0])));
    case.linked((Pair, &[]), (Pair, &[]), |near, far| both_ways(near, far, &messages));
}

pub(crate) fn very_large_frames_arrive(case: Case) {
    let messages = [message([HUGE]), message([3, HUGE, 0])];
    case.linked((Dealer, &[]), (Dealer, &[]), |near, far| {
        both_ways(near, far, &messages);
        near.send(["after it"]);
        far.expect(["after it"]);
    });
}

pub(crate) fn very_many_frames_arrive(case: Case) {
    let messages = [message((0..5000).map(|index| index % 70)), message(vec![0; 20_000]), message([1])];
    case.linked((Pair, &[]), (Pair, &[]), |near, far| both_ways(near, far, &messages));
}

/// Small and large in turn, so that no rhythm of reads and writes is spared.
pub(crate) fn sizes_mixed_at_random_arrive(case: Case) {
    let mut state = 1_u64;
    let mut roll = |sides: u64| {
        // Knuth's, its upper half.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % sides) as usize
    };
    let mut size = || match roll(10) {
        0..5 => roll(60),
        5..8 => roll(600),
        8 => roll(10_000),
        _ => roll(200_000),
    };
    let messages: Vec<Parts> = (0..300).map(|index| message((0..=index % 5).map(|_| size()))).collect();
    case.linked((Pair, &[]), (Pair, &[]), |near, far| both_ways(near, far, &messages));
}

/// A hundred thousand small messages, faster than they are taken.
pub(crate) fn a_flood_arrives_in_order(case: Case) {
    const COUNT: u64 = 100_000;
    let unlimited = &[Setting::SendHwm(0), Setting::RecvHwm(0)];
    let (unlimited_out, unlimited_in) = (&unlimited[..1], &unlimited[1..]);
    case.linked((Push, unlimited_out), (Pull, unlimited_in), |near, far| {
        near.send_numbers(0, COUNT);
        far.expect_numbers(0, COUNT);
    });
    case.linked((Pull, unlimited_in), (Push, unlimited_out), |near, far| {
        far.send_numbers(0, COUNT);
        near.expect_numbers(0, COUNT);
    });
}
