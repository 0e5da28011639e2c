//! What tests and fuzz targets have in common: what a connection tells, as values.

#![forbid(unsafe_code)]

use std::io::IoSlice;

use bytes::Bytes;

use super::{Config, Connection, Error, Outbox, Peer, Received, command, greeting};
use crate::{Message, SocketType};

/// What a connection told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Ready(Peer),
    Message(Message),
    Subscribe(Bytes),
    Cancel(Bytes),
    Failed(Error),
}

/// What the connection makes of these pieces of input. Ends with the first error.
pub(crate) fn told<'a>(connection: &mut Connection, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Told> {
    let mut all = Vec::new();
    for mut input in pieces {
        loop {
            // A place of its own each time, and never an empty one.
            let mut place = Message::from("left from before");
            all.push(match connection.receive(&mut input, &mut place) {
                Ok(Received::More) => {
                    assert!(input.is_empty(), "more is wanted while there is some");
                    break;
                }
                Ok(Received::Ready(peer)) => Told::Ready(*peer),
                Ok(Received::Message) => Told::Message(place),
                Ok(Received::Subscribe(topic)) => Told::Subscribe(topic),
                Ok(Received::Cancel(topic)) => Told::Cancel(topic),
                Err(error) => {
                    all.push(Told::Failed(error));
                    return all;
                }
            });
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

/// The greeting and the READY of a peer of this type.
pub(crate) fn hello(socket_type: SocketType, minor: u8) -> Vec<u8> {
    let mut bytes = greeting::ours(0, "NULL").to_vec();
    bytes[11] = minor;
    let mut outbox = Outbox::default();
    command::put_ready(&mut outbox, &Config::new(socket_type));
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
