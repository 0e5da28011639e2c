//! Connections in pairs, and beside recorded bytes.

#![forbid(unsafe_code)]

use super::*;

#[test]
fn a_pair_shakes_hands_and_talks() {
    let now = Instant::now();
    let mut a = Connection::new(Arc::new(Config::new(SocketType::Dealer)), now);
    let mut b = Connection::new(Arc::new(Config::new(SocketType::Router)), now);
    let mut place = Message::new();
    let (mut ready, mut got) = (0, Vec::new());
    for round in 0..10 {
        let mut sent = Vec::new();
        let mut slices = [std::io::IoSlice::new(&[]); 8];
        let count = a.outbox().slices(&mut slices);
        slices[..count].iter().for_each(|slice| sent.extend_from_slice(slice));
        a.outbox_mut().advance(sent.len());
        let mut input = &sent[..];
        loop {
            match b.receive(&mut input, &mut place).unwrap() {
                Received::More => break,
                Received::Ready(_) => ready += 1,
                Received::Message => got.push(mem::take(&mut place)),
                other => panic!("{other:?}"),
            }
        }
        mem::swap(&mut a, &mut b);
        if round >= 6 && a.peer().is_some() {
            a.send(&Message::from("x"));
        }
    }
    assert_eq!((ready, got.len() > 1), (2, true));
}
