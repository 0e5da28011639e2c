//! What tests and fuzz targets have in common: what a connection tells, as values.

#![forbid(unsafe_code)]

use std::io::IoSlice;

use bytes::Bytes;

use super::{
    Answer, Config, Connection, Error, Obstacle, Offer, Outbox, Peer, Received, Successor, SuccessorAnswer, command,
    greeting,
};
use crate::{Message, SocketType};

/// What a connection told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Ready(Peer),
    Message(Message),
    Subscribe(Bytes),
    Cancel(Bytes),
    Offer(Offer),
    Answer(Answer),
    Successor(Successor),
    SuccessorAnswer(SuccessorAnswer),
    Failed(Error),
}

/// What the connection makes of these pieces of input. Ends with the first error.
pub(crate) fn told<'a>(connection: &mut Connection, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Told> {
    told_to(connection, pieces, |_, _| {})
}

/// The same, to somebody who answers before going on.
pub(crate) fn told_to<'a>(
    connection: &mut Connection,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    mut react: impl FnMut(&mut Connection, &Told),
) -> Vec<Told> {
    let mut all = Vec::new();
    for mut input in pieces {
        loop {
            // A place of its own each time, and never an empty one.
            let mut place = Message::from("left from before");
            let told = match connection.receive(&mut input, &mut place) {
                Ok(Received::More) => {
                    assert!(input.is_empty(), "more is wanted while there is some");
                    break;
                }
                Ok(Received::Ready(peer)) => Told::Ready(*peer),
                Ok(Received::Message) => Told::Message(place),
                Ok(Received::Subscribe(topic)) => Told::Subscribe(topic),
                Ok(Received::Cancel(topic)) => Told::Cancel(topic),
                Ok(Received::Offer(offer)) => Told::Offer(offer),
                Ok(Received::Answer(answer)) => Told::Answer(answer),
                Ok(Received::Successor(successor)) => Told::Successor(successor),
                Ok(Received::SuccessorAnswer(answer)) => Told::SuccessorAnswer(answer),
                Err(error) => {
                    all.push(Told::Failed(error));
                    return all;
                }
            };
            react(connection, &told);
            all.push(told);
        }
    }
    all
}

/// Reads from the front of `input` to where the connection wants it directly, if it does.
pub(crate) fn read_directly(connection: &mut Connection, input: &mut &[u8]) {
    if let Ok(Some(space)) = connection.body() {
        let (bytes, rest) = input.split_at(input.len().min(space.len()));
        space[..bytes.len()].copy_from_slice(bytes);
        connection.body_received(bytes.len());
        *input = rest;
    }
}

/// Offers memory once the peer is ready, and accepts what it offers.
pub(crate) fn agree(connection: &mut Connection, told: &Told) {
    match told {
        Told::Ready(_) if connection.is_agreeing() => drop(connection.send_offer(&OFFER)),
        Told::Offer(offer) => connection.send_answer(answer(offer)),
        Told::Successor(_) => connection.send_successor_answer(Answer::Accepted),
        _ => {}
    }
}

/// What it offers.
pub(crate) const OFFER: Offer =
    Offer { version: 1, segment_size: Some(0x0001_0203_0405_0607), recv_hwm: 0x0809_0a0b, features: 0x0c0d_0e0f };

/// What it answers.
pub(crate) fn answer(offer: &Offer) -> Answer {
    if offer.segment_size.is_some() { Answer::Accepted } else { Answer::Declined(Obstacle::NothingOffered) }
}

/// The greeting and the READY of a peer of this type.
pub(crate) fn hello(socket_type: SocketType, minor: u8) -> Vec<u8> {
    hello_of(&Config::new(socket_type), minor)
}

/// The same, of a peer with this configuration.
pub(crate) fn hello_of(config: &Config, minor: u8) -> Vec<u8> {
    let mut bytes = greeting::ours(0, "NULL").to_vec();
    bytes[11] = minor;
    let mut outbox = Outbox::default();
    command::put_ready(&mut outbox, config);
    bytes.extend(drained(&mut outbox));
    bytes
}

/// Writes everything that is to be written.
pub(crate) fn drained(outbox: &mut Outbox) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !outbox.is_empty() {
        bytes.extend(drained_by(outbox, usize::MAX));
    }
    bytes
}

/// Writes the bytes of a vectored write of at most `most`.
pub(crate) fn drained_by(outbox: &mut Outbox, most: usize) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 3];
    let filled = outbox.slices(&mut slices);
    let mut bytes: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect();
    bytes.truncate(most);
    outbox.advance(bytes.len());
    bytes
}
