//! The first 64 bytes each way: which protocol, which version, which security mechanism.
//!
//! ```text
//!   0    1         9    10      11      12                  32         33
//! +----+---------+----+-------+-------+-------------------+-----------+-----------+
//! | FF | padding | 7F | major | minor | mechanism, zeroes | as-server | filler    |
//! +----+---------+----+-------+-------+-------------------+-----------+-----------+
//!   1       8      1      1       1           20                1          31
//! ```
//!
//! The first ten bytes, the signature, look to a peer of ZMTP 1.0 like the start of a long frame, so that it does not
//! hang up before we know what it is. They go out at once; the other 54 when the peer's signature is there. Whoever
//! waits for 64 bytes before sending ten waits for ever when the other does so too.
//!
//! Checked as soon as it is known, byte by byte: the first byte is `FF`, the tenth has bit 0 set, the major version is
//! at least 3, the mechanism is ours. Not looked at: the padding (libzmq puts the routing id's length plus one there),
//! as-server (libzmq always sends zero), the filler. A peer of major version 3 is taken at its minor; a later one is
//! spoken to as 3.1, as libzmq does.

#![forbid(unsafe_code)]

use super::{error, error::Error};

/// The peer's greeting as far as it has come.
#[derive(Debug)]
pub(super) struct Greeting {
    bytes: [u8; SIZE],
    len: usize,
}

/// What has become of the peer's greeting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The input is used up, and the greeting is not complete.
    More,
    /// The signature has just become complete: the time to send the rest of ours.
    Signature,
    /// It is complete, and good.
    Complete {
        /// The minor version of ZMTP 3 to go by.
        minor: u8,
    },
}

impl Greeting {
    pub(super) fn new() -> Self {
        Self { bytes: [0; SIZE], len: 0 }
    }

    /// Takes what is there, at most to the end of the part it is in.
    ///
    /// # Errors
    /// The peer speaks no ZMTP 3, or wants another mechanism than `mechanism`. As soon as that is sure.
    pub(super) fn take(&mut self, input: &mut &[u8], mechanism: &'static str) -> Result<Progress, Error> {
        let end = if self.len < SIGNATURE_SIZE { SIGNATURE_SIZE } else { SIZE };
        let (taken, rest) = input.split_at(input.len().min(end - self.len));
        self.bytes[self.len..self.len + taken.len()].copy_from_slice(taken);
        self.len += taken.len();
        *input = rest;
        self.check(mechanism)?;
        Ok(match self.len {
            _ if taken.is_empty() || self.len < end => Progress::More,
            SIGNATURE_SIZE => Progress::Signature,
            _ => Progress::Complete { minor: self.minor() },
        })
    }

    fn check(&self, mechanism: &'static str) -> Result<(), Error> {
        match self.bytes[..self.len] {
            [first, ..] if first != FIRST => Err(Error::NotZmtp { first }),
            [_, _, _, _, _, _, _, _, _, last, ..] if last & 1 == 0 => Err(Error::Unversioned),
            [_, _, _, _, _, _, _, _, _, _, major, ..] if major < MAJOR => Err(Error::TooOld { major }),
            _ if self.len >= MECHANISM_END => self.check_mechanism(mechanism),
            _ => Ok(()),
        }
    }

    fn check_mechanism(&self, ours: &'static str) -> Result<(), Error> {
        let theirs = &self.bytes[MECHANISM_AT..MECHANISM_END];
        if *theirs == padded(ours) {
            return Ok(());
        }
        let end = theirs.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        Err(Error::MechanismDiffers { ours, theirs: error::harmless(&theirs[..end]) })
    }

    fn minor(&self) -> u8 {
        if self.bytes[SIGNATURE_SIZE] == MAJOR { self.bytes[SIGNATURE_SIZE + 1] } else { MINOR }
    }
}

/// Our greeting. The padding is what libzmq makes it: the size of a frame of ZMTP 1.0 that is the routing id.
pub(super) fn ours(routing_id_size: usize, mechanism: &'static str) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    bytes[0] = FIRST;
    bytes[1..SIGNATURE_SIZE - 1].copy_from_slice(&(routing_id_size as u64 + 1).to_be_bytes());
    bytes[SIGNATURE_SIZE - 1] = 0x7f;
    bytes[SIGNATURE_SIZE] = MAJOR;
    bytes[SIGNATURE_SIZE + 1] = MINOR;
    bytes[MECHANISM_AT..MECHANISM_END].copy_from_slice(&padded(mechanism));
    bytes
}

fn padded(mechanism: &str) -> [u8; MECHANISM_END - MECHANISM_AT] {
    let mut name = [0; MECHANISM_END - MECHANISM_AT];
    name[..mechanism.len()].copy_from_slice(mechanism.as_bytes());
    name
}

pub(super) const SIZE: usize = 64;
/// Of what goes out at once.
pub(super) const SIGNATURE_SIZE: usize = 10;
const MECHANISM_AT: usize = 12;
const MECHANISM_END: usize = 32;
const FIRST: u8 = 0xff;
const MAJOR: u8 = 3;
const MINOR: u8 = 1;

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    /// What becomes of `bytes`, given piece by piece.
    fn greeted(bytes: &[u8], piece: usize) -> Result<Progress, Error> {
        let mut greeting = Greeting::new();
        let mut last = Progress::More;
        for mut input in bytes.chunks(piece) {
            while !input.is_empty() {
                match greeting.take(&mut input, "NULL")? {
                    Progress::More => assert!(input.is_empty()),
                    progress => last = progress,
                }
            }
        }
        Ok(last)
    }

    fn with(changes: &[(usize, u8)]) -> Result<Progress, Error> {
        let mut bytes = ours(0, "NULL");
        for &(at, byte) in changes {
            bytes[at] = byte;
        }
        let whole = greeted(&bytes, SIZE);
        for piece in 1..SIZE {
            assert_eq!(greeted(&bytes, piece), whole);
        }
        whole
    }

    #[test]
    fn ours_is_byte_for_byte_that_of_libzmq() {
        let bytes = ours(3, "NULL");
        assert_eq!(bytes[..16], [0xff, 0, 0, 0, 0, 0, 0, 0, 4, 0x7f, 3, 1, b'N', b'U', b'L', b'L']);
        assert_eq!(bytes[16..], [0; 48]);
    }

    #[test]
    fn padding_minor_as_server_and_filler_may_be_anything() {
        for byte in [1, 0x7f, 0xff] {
            let noise: Vec<_> = (1..9).chain(32..64).map(|at| (at, byte)).collect();
            assert_eq!(with(&noise), Ok(Progress::Complete { minor: 1 }));
            assert_eq!(with(&[(11, byte)]), Ok(Progress::Complete { minor: byte }));
        }
        assert_eq!(with(&[(11, 0)]), Ok(Progress::Complete { minor: 0 }));
        // Only bit 0 of the tenth byte counts.
        assert_eq!(with(&[(9, 1)]), Ok(Progress::Complete { minor: 1 }));
    }

    #[test]
    fn later_majors_are_spoken_to_as_3_1() {
        for major in [4, 5, 255] {
            assert_eq!(with(&[(10, major), (11, 0)]), Ok(Progress::Complete { minor: 1 }));
        }
    }

    #[test]
    fn older_peers_are_incompatible() {
        for major in [0, 1, 2] {
            assert_eq!(with(&[(10, major)]), Err(Error::TooOld { major }));
        }
        assert_eq!(with(&[(9, 0x7e)]), Err(Error::Unversioned));
        assert_eq!(with(&[(0, b'G')]), Err(Error::NotZmtp { first: b'G' }));
    }

    #[test]
    fn what_is_wrong_is_said_with_the_first_byte_that_shows_it() {
        assert_eq!(greeted(b"G", 1), Err(Error::NotZmtp { first: b'G' }));
        assert_eq!(greeted(&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0], 1), Err(Error::Unversioned));
        assert_eq!(greeted(&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1], 1), Err(Error::TooOld { major: 1 }));
    }

    #[test]
    fn the_mechanism_is_ours_to_the_last_byte() {
        let differs = |theirs: &str| Err(Error::MechanismDiffers { ours: "NULL", theirs: theirs.into() });
        assert_eq!(with(&[(12, b'n')]), differs("nULL"));
        assert_eq!(with(&[(16, b'L')]), differs("NULLL"));
        assert_eq!(
            with(&[(31, b'L')]),
            differs(
                "NULL\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}L"
            )
        );
        assert_eq!(with(&[(12, 0), (13, 0), (14, 0), (15, 0)]), differs(""));
    }
}
