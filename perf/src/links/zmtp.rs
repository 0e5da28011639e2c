//! A peer made of a bare socket: the handshake of ZMTP 3.1 without security, and single-frame messages. It blocks, checks
//! what it has to, and holds nothing but the descriptor.

#![forbid(unsafe_code)]

use std::io::{self, Read, Write};

use crate::{
    floor::raw::Stream,
    payload::{Header, fill},
};

/// A connection whose handshake is done.
pub(super) struct Peer(Stream);

impl Peer {
    /// Connects, and shakes hands as a PUSH.
    pub(super) fn connect(endpoint: &str) -> io::Result<Self> {
        let mut stream = Stream::connect(endpoint)?;
        stream.no_delay()?;
        stream.write_all(&greeting())?;
        let mut theirs = [0; GREETING_BYTES];
        stream.read_exact(&mut theirs)?;
        if theirs[0] != 0xff || theirs[9] & 1 != 1 || theirs[10] < 3 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no greeting of ZMTP 3"));
        }
        stream.write_all(READY)?;
        let mut head = [0; 2];
        stream.read_exact(&mut head)?;
        let mut body = vec![0; usize::from(head[1])];
        stream.read_exact(&mut body)?;
        if head[0] != SHORT_COMMAND || !body.starts_with(b"\x05READY") {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no READY"));
        }
        Ok(Self(stream))
    }

    /// Sends so many messages of `size` bytes, from `sender`.
    pub(super) fn send(&mut self, sender: u16, count: u64, size: usize) -> io::Result<()> {
        let mut bytes = Vec::new();
        for n in 0..count {
            match u8::try_from(size) {
                Ok(size) => bytes.extend([0, size]),
                Err(_) => {
                    bytes.push(LONG);
                    bytes.extend((size as u64).to_be_bytes());
                }
            }
            let at = bytes.len();
            bytes.resize(at + size, 0);
            fill(&mut bytes[at..], Header::new(sender, n));
        }
        self.0.write_all(&bytes)
    }
}

/// Signature, version 3.1, mechanism NULL, no server.
fn greeting() -> [u8; GREETING_BYTES] {
    let mut greeting = [0; GREETING_BYTES];
    (greeting[0], greeting[9]) = (0xff, 0x7f);
    (greeting[10], greeting[11]) = (3, 1);
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

const GREETING_BYTES: usize = 64;

/// Flags of frames: a command, a body whose length takes eight bytes.
const SHORT_COMMAND: u8 = 0x04;
const LONG: u8 = 0x02;

/// READY with one property, the socket type.
const READY: &[u8] = b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH";

const _: () = assert!(READY[1] as usize == READY.len() - 2);
