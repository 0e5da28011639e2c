//! A connection beside recorded bytes, cut anywhere; connections in pairs, with simulated time.

#![forbid(unsafe_code)]

mod agreement;
mod limits;
mod recorded;
mod rules;
mod splits;
mod time;

use super::probe::{Told, drained, drained_by, hello, read_directly};
use super::*;

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

/// What the connection makes of these pieces of input. Ends with the first error.
fn told(connection: &mut Connection, pieces: &[&[u8]]) -> Vec<Told> {
    probe::told(connection, pieces.iter().copied())
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
