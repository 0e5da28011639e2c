//! A connection beside recorded bytes, cut anywhere; connections in pairs, with simulated time.

#![forbid(unsafe_code)]

mod limits;
mod recorded;
mod rules;
mod splits;
mod time;

use std::io::IoSlice;

use super::*;

/// What a connection told.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Ready(Peer),
    Message(Message),
    Subscribe(Bytes),
    Cancel(Bytes),
    Failed(Error),
}

/// The bytes written as hexadecimal numbers with anything else between them.
fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn config(socket_type: SocketType) -> Arc<Config> {
    Arc::new(Config::new(socket_type))
}

fn new(socket_type: SocketType) -> Connection {
    Connection::new(config(socket_type), Instant::now())
}

/// A connection whose handshake is done, with nothing left to write.
fn ready(ours: SocketType, theirs: SocketType) -> Connection {
    ready_with(config(ours), theirs, 1)
}

fn ready_with(config: Arc<Config>, theirs: SocketType, minor: u8) -> Connection {
    let mut connection = Connection::new(config, Instant::now());
    let told = told(&mut connection, &[&hello(theirs, minor)]);
    assert!(matches!(told[..], [Told::Ready(_)]), "{told:?}");
    written(&mut connection);
    connection
}

/// The greeting and the READY of a peer of this type.
fn hello(socket_type: SocketType, minor: u8) -> Vec<u8> {
    let mut bytes = greeting::ours(0, "NULL").to_vec();
    bytes[11] = minor;
    let mut outbox = Outbox::default();
    command::put_ready(&mut outbox, &Config::new(socket_type));
    bytes.extend(drained(&mut outbox));
    bytes
}

/// What the connection makes of these pieces of input. Ends with the first error.
fn told(connection: &mut Connection, pieces: &[&[u8]]) -> Vec<Told> {
    let mut all = Vec::new();
    for piece in pieces {
        let mut input = *piece;
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

/// What a ready connection of these types makes of `bytes`: the same, however they are cut in two, and byte by byte.
fn traffic(ours: SocketType, theirs: SocketType, bytes: &[u8]) -> Vec<Told> {
    let mut whole = ready(ours, theirs);
    let expected = told(&mut whole, &[bytes]);
    let answer = written(&mut whole);
    for cut in 1..bytes.len() {
        let (a, b) = bytes.split_at(cut);
        let mut connection = ready(ours, theirs);
        assert_eq!(told(&mut connection, &[a, b]), expected, "cut at {cut}");
        assert_eq!(written(&mut connection), answer, "cut at {cut}");
    }
    let mut connection = ready(ours, theirs);
    assert_eq!(told(&mut connection, &bytes.chunks(1).collect::<Vec<_>>()), expected, "byte by byte");
    assert_eq!(written(&mut connection), answer, "byte by byte");
    expected
}

/// The same for the bytes of the handshake.
fn handshake(ours: SocketType, bytes: &[u8]) -> Vec<Told> {
    let expected = told(&mut new(ours), &[bytes]);
    for cut in 1..bytes.len() {
        let (a, b) = bytes.split_at(cut);
        assert_eq!(told(&mut new(ours), &[a, b]), expected, "cut at {cut}");
    }
    assert_eq!(told(&mut new(ours), &bytes.chunks(1).collect::<Vec<_>>()), expected, "byte by byte");
    expected
}

/// Writes everything that is to be written.
fn written(connection: &mut Connection) -> Vec<u8> {
    drained(connection.outbox_mut())
}

fn drained(outbox: &mut Outbox) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !outbox.is_empty() {
        bytes.extend(drained_by(outbox, usize::MAX));
    }
    bytes
}

/// Writes the bytes of a vectored write of at most `most`.
fn drained_by(outbox: &mut Outbox, most: usize) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 3];
    let filled = outbox.slices(&mut slices);
    let mut bytes = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>();
    bytes.truncate(most);
    outbox.advance(bytes.len());
    bytes
}

fn message<const N: usize>(frames: [&[u8]; N]) -> Message {
    frames.into_iter().collect()
}

/// The error the last thing told is.
fn failure(told: &[Told]) -> &Error {
    match told {
        [.., Told::Failed(error)] => error,
        _ => panic!("no error: {told:?}"),
    }
}
