//! However bytes are cut, and whatever they are.

#![forbid(unsafe_code)]

use proptest::{collection::vec, prelude::*};

use super::*;
use SocketType::{Dealer, Pair, Pull, Push, Router, XPub, XSub};

/// Sizes around every boundary there is.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        8 => 0..70_usize,
        4 => 250..260_usize,
        2 => 1020..1030_usize,
        1 => 60_000..140_000_usize,
    ]
}

/// Frames as (size, first byte).
fn messages() -> impl Strategy<Value = Vec<Vec<(usize, u8)>>> {
    vec(prop_oneof![3 => vec((size(), any::<u8>()), 1), 2 => vec((size(), any::<u8>()), 1..40)], 1..12)
}

fn made(frames: &[(usize, u8)]) -> Message {
    let bytes = |&(size, first): &(usize, u8)| (0..size).map(|at| first.wrapping_add(at as u8)).collect::<Vec<u8>>();
    frames.iter().map(bytes).collect()
}

/// `bytes` cut into pieces of these sizes, over and over.
fn cut<'a>(mut bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for &size in sizes.iter().cycle() {
        let (piece, rest) = bytes.split_at(size.min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
        if bytes.is_empty() {
            break;
        }
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 100 }))]

    #[test]
    fn messages_come_back_as_they_were_sent(
        messages in messages(),
        sizes in vec(1..30_000_usize, 1..8),
        writes in vec(1..100_000_usize, 1..4),
        direct: bool,
    ) {
        let (mut from, mut to) = (ready(Pair, Pair), ready(Pair, Pair));
        let (mut sent, mut bytes, before) = (Vec::new(), Vec::new(), from.outbox().written());
        let mut writes = writes.into_iter().cycle();
        for frames in &messages {
            let message = made(frames);
            from.send(&message);
            sent.push(Told::Message(message));
            bytes.extend(drained_by(from.outbox_mut(), writes.next().unwrap()));
            prop_assert_eq!(from.outbox().written(), before + bytes.len() as u64);
            prop_assert_eq!(from.outbox().queued(), from.outbox().written() + from.outbox().len() as u64);
        }
        while !from.outbox().is_empty() {
            bytes.extend(drained_by(from.outbox_mut(), writes.next().unwrap()));
        }
        let mut received = Vec::new();
        for mut piece in cut(&bytes, &sizes) {
            if direct {
                read_directly(&mut to, &mut piece);
            }
            received.extend(told(&mut to, &[piece]));
        }
        prop_assert!(received == sent);
        prop_assert!(to.partial.is_empty() && to.decoder.is_idle());
    }

    #[test]
    fn whatever_comes_does_no_harm_and_takes_no_memory(
        bytes in vec(prop_oneof![3 => 0..12_u8, 1 => any::<u8>()], 0..2000),
        sizes in vec(1..100_usize, 1..5),
        after_ready: bool,
    ) {
        let new = || if after_ready { ready(XPub, XSub) } else { new(XPub) };
        let (mut whole, mut pieces) = (new(), new());
        let expected = told(&mut whole, &[&bytes]);
        prop_assert_eq!(told(&mut pieces, &cut(&bytes, &sizes)), expected);
        for connection in [&mut whole, &mut pieces] {
            prop_assert!(connection.held() <= frame::GROWTH_MIN + 100 * bytes.len() + 4096);
            connection.body().ok();
        }
        prop_assert_eq!(written(&mut whole), written(&mut pieces));
    }

    #[test]
    fn a_damaged_handshake_does_no_harm(at in 0..104_usize, byte: u8, sizes in vec(1..100_usize, 1..5)) {
        let mut bytes = hello(Dealer, 1);
        bytes.extend(b"\x01\x01a\x00\x01b");
        bytes[at] = byte;
        let expected = told(&mut new(Router), &[&bytes]);
        prop_assert_eq!(told(&mut new(Router), &cut(&bytes, &sizes)), expected);
    }
}

#[test]
fn every_cut_of_a_short_stream_in_three_is_the_same() {
    let bytes = b"\x00\x01x\x01\x00\x03\0\0\0\0\0\0\0\x02ab\x04\x07\x04PING\x00\x00\x00\x01c\x00\x00";
    let expected = traffic(Pull, Push, bytes);
    assert_eq!(expected, [message([b"x"]), message([b"", b"ab", b"c"]), message([b""])].map(Told::Message));
    for a in 0..bytes.len() {
        for b in a..bytes.len() {
            assert_eq!(told(&mut ready(Pull, Push), &[&bytes[..a], &bytes[a..b], &bytes[b..]]), expected);
        }
    }
}

#[test]
fn every_size_around_a_boundary_has_its_form() {
    let mut from = ready(Push, Pull);
    for size in (0..300).chain([1000, 1023, 1024, 1025, 65_535, 65_536, 65_537]) {
        let message: Message = vec![size as u8; size].into();
        from.send(&message);
        let bytes = written(&mut from);
        let header = if size <= 255 { vec![0, size as u8] } else { [&[2][..], &(size as u64).to_be_bytes()].concat() };
        assert_eq!(bytes[..header.len()], header);
        assert_eq!(bytes.len(), header.len() + size);
        assert_eq!(told(&mut ready(Pull, Push), &[&bytes]), [Told::Message(message)]);
    }
}
