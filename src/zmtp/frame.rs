//! Frames on the wire, and [`Decoder`], which finds them in whatever pieces the bytes come in.
//!
//! ```text
//!   short: at most 255 bytes                 long: below 2^63 bytes, big-endian
//! +-------+------+--------+                +-------+------------------+--------+
//! | flags | size |  body  |                | flags |       size       |  body  |
//! +-------+------+--------+                +-------+------------------+--------+
//!     1      1      size                       1            8            size
//!
//! flags   bit 0 MORE: another frame of the message follows     bit 1 LONG: the size has eight bytes
//!         bit 2 COMMAND: not a message; never with MORE        others: sent as zero, not looked at
//! ```
//!
//! The long form is taken for any size; we send it only above 255 bytes.
//!
//! # Memory
//!
//! A frame that is wholly in the input is lent from there. One that is not is collected: up to [`POOLED_MAX`] bytes in
//! a block kept for that, longer ones in memory of their own, which becomes the frame's. That memory follows the bytes
//! that have come, not those that were announced: nothing before the first byte of the body, then [`GROWTH_MIN`] or what
//! the peer's largest frame so far had, doubled when full, never more than the frame has. So a peer cannot make us take
//! more than [`GROWTH_MIN`] and twice what it has sent; and every step may fail.

#![forbid(unsafe_code)]

use std::fmt;

use super::error::Error;
use crate::message::{Frame, POOLED_MAX};

/// See the module.
#[derive(Default)]
pub(super) struct Decoder {
    /// Bytes of a header that is not complete.
    header: [u8; LONG_HEADER],
    header_len: usize,
    /// The frame whose body is being collected.
    open: Option<Open>,
    /// What there is of its body if it has at most [`POOLED_MAX`] bytes.
    short: Vec<u8>,
    /// What there is of its body otherwise, and possibly initialised memory behind it.
    long: Vec<u8>,
    /// Bytes of the largest frame so far that came in pieces: what the peer is trusted with.
    trusted: usize,
}

/// A frame whose header is complete.
#[derive(Debug)]
struct Open {
    flags: Flags,
    size: usize,
    /// Bytes of the body that have come.
    filled: usize,
}

/// What a frame is. Bits without a meaning are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flags(u8);

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) flags: Flags,
    pub(super) size: u64,
}

/// A frame's body: in the input or in the decoder, or in memory of its own.
pub(super) enum Body<'a> {
    Lent(&'a [u8]),
    Own(Vec<u8>),
}

impl Decoder {
    /// The next frame, if the input completes it; otherwise takes what there is. As soon as a frame's header is complete
    /// `admit` is asked whether to go on.
    ///
    /// # Errors
    /// The frame breaks a rule, `admit` does not want it, or there is no memory for it.
    #[inline]
    pub(super) fn next<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
        admit: impl FnOnce(Header) -> Result<(), Error>,
    ) -> Result<Option<(Flags, Body<'a>)>, Error> {
        if self.open.is_none() {
            let Some(header) = self.take_header(input)? else { return Ok(None) };
            admit(header)?;
            let size = usize::try_from(header.size).map_err(|_| Error::OutOfMemory { size: usize::MAX })?;
            if let Some((body, rest)) = input.split_at_checked(size) {
                *input = rest;
                return Ok(Some((header.flags, Body::Lent(body))));
            }
            self.open = Some(Open { flags: header.flags, size, filled: 0 });
        }
        self.collect(input)
    }

    /// Is it between two frames?
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.open.is_none() && self.header_len == 0
    }

    /// Bytes of memory it has for frames longer than [`POOLED_MAX`].
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held(&self) -> usize {
        self.long.capacity()
    }

    #[cfg(test)]
    pub(super) fn trust(&mut self, size: usize) {
        self.trusted = size;
    }

    #[inline]
    fn take_header(&mut self, input: &mut &[u8]) -> Result<Option<Header>, Error> {
        if self.header_len > 0 {
            return self.take_header_in_pieces(input);
        }
        if let Some((header, rest)) = Header::parse(input)? {
            *input = rest;
            return Ok(Some(header));
        }
        self.take_header_in_pieces(input)
    }

    #[cold]
    fn take_header_in_pieces(&mut self, input: &mut &[u8]) -> Result<Option<Header>, Error> {
        while let Some((&byte, rest)) = input.split_first() {
            self.header[self.header_len] = byte;
            self.header_len += 1;
            *input = rest;
            if let Some((header, _)) = Header::parse(&self.header[..self.header_len])? {
                self.header_len = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// Goes on with the open frame.
    #[cold]
    #[inline(never)]
    fn collect<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<(Flags, Body<'a>)>, Error> {
        let Some(open) = &mut self.open else { return Ok(None) };
        let (bytes, rest) = input.split_at(input.len().min(open.size - open.filled));
        let buffer = if open.size <= POOLED_MAX { &mut self.short } else { &mut self.long };
        if !bytes.is_empty() {
            make_room(buffer, open, bytes.len(), self.trusted)?;
            // Into what `body` has initialised, as far as that goes, and behind it.
            let initialised = bytes.len().min(buffer.len() - open.filled);
            buffer[open.filled..open.filled + initialised].copy_from_slice(&bytes[..initialised]);
            buffer.extend_from_slice(&bytes[initialised..]);
            open.filled += bytes.len();
            *input = rest;
        }
        if open.filled < open.size {
            return Ok(None);
        }
        let flags = open.flags;
        let size = open.size;
        self.open = None;
        if size <= POOLED_MAX {
            // Cleared when the next one begins; until then the body is lent.
            return Ok(Some((flags, Body::Lent(&self.short[..size]))));
        }
        self.trusted = self.trusted.max(size);
        let mut body = std::mem::take(&mut self.long);
        body.truncate(size);
        Ok(Some((flags, Body::Own(body))))
    }

    /// Where the next bytes of a long frame may be put directly, if it has begun and [`DIRECT_MIN`] or more are still to come.
    ///
    /// # Errors
    /// No memory.
    pub(super) fn space(&mut self) -> Result<Option<&mut [u8]>, Error> {
        let Some(open) = &self.open else { return Ok(None) };
        let missing = open.size - open.filled;
        if open.filled == 0 || missing < DIRECT_MIN {
            return Ok(None);
        }
        let initialised = self.long.len() - open.filled;
        if initialised < DIRECT_MIN {
            make_room(&mut self.long, open, DIRECT_MIN, self.trusted)?;
            // No more than a processor's cache holds: written twice, but fetched once.
            let window = missing.min(DIRECT_WINDOW).min(self.long.capacity() - open.filled);
            self.long.resize(open.filled + window, 0);
        }
        Ok(Some(&mut self.long[open.filled..]))
    }

    /// So many bytes have been put into [`Decoder::space`].
    ///
    /// # Panics
    /// Panics if there was no room for so many.
    pub(super) fn filled(&mut self, count: usize) {
        let Some(open) = &mut self.open else {
            assert!(count == 0, "{count} bytes put where there was no space for them");
            return;
        };
        assert!(count <= self.long.len().saturating_sub(open.filled), "{count} bytes put where fewer had space");
        open.filled += count;
    }
}

/// Makes room in `buffer` for `count` more bytes of the frame, which has so many.
fn make_room(buffer: &mut Vec<u8>, open: &Open, count: usize, trusted: usize) -> Result<(), Error> {
    if open.filled == 0 {
        buffer.clear();
    }
    let needed = open.filled + count;
    if needed <= buffer.capacity() {
        return Ok(());
    }
    let size = match open.size {
        ..=POOLED_MAX => POOLED_MAX,
        size => size.min(needed.max(2 * open.filled).max(GROWTH_MIN).max(trusted)),
    };
    buffer.try_reserve_exact(size - buffer.len()).map_err(|_| Error::OutOfMemory { size })
}

impl Flags {
    pub(super) const MORE: u8 = 1;
    pub(super) const LONG: u8 = 2;
    pub(super) const COMMAND: u8 = 4;

    #[inline]
    pub(super) fn has_more(self) -> bool {
        self.0 & Self::MORE != 0
    }

    #[inline]
    pub(super) fn is_command(self) -> bool {
        self.0 & Self::COMMAND != 0
    }
}

impl Header {
    /// The header at the start of `bytes` and what comes after it, if it is complete.
    ///
    /// # Errors
    /// The size is out of range.
    #[inline]
    fn parse(bytes: &[u8]) -> Result<Option<(Self, &[u8])>, Error> {
        let Some((&flags, rest)) = bytes.split_first() else { return Ok(None) };
        let (size, rest) = if flags & Flags::LONG == 0 {
            let Some((&size, rest)) = rest.split_first() else { return Ok(None) };
            (u64::from(size), rest)
        } else {
            let Some((&size, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (u64::from_be_bytes(size), rest)
        };
        if size > i64::MAX as u64 {
            return Err(Error::SizeOverflow);
        }
        Ok(Some((Self { flags: Flags(flags & (Flags::MORE | Flags::COMMAND)), size }, rest)))
    }
}

impl Body<'_> {
    /// As the frame of a message: inside it or pooled when short, in memory of its own otherwise.
    ///
    /// # Errors
    /// No memory.
    #[inline]
    pub(super) fn into_frame(self) -> Result<Frame, Error> {
        match self {
            Self::Lent(bytes) if bytes.len() <= POOLED_MAX => Ok(Frame::copy_from(bytes)),
            Self::Lent(bytes) => Ok(copied(bytes)?.into()),
            Self::Own(bytes) => Ok(bytes.into()),
        }
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Lent(bytes) => bytes,
            Self::Own(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Decoder {
    /// Where it is, not what has come.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { header_len, open, trusted, .. } = self;
        write!(f, "Decoder({header_len} B of a header, {open:?}, {trusted} B trusted)")
    }
}

/// A copy that may fail.
pub(super) fn copied(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).map_err(|_| Error::OutOfMemory { size: bytes.len() })?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// The header of a frame of `size` bytes, and how many bytes of it count.
#[inline]
pub(super) fn header(flags: u8, size: usize) -> ([u8; LONG_HEADER], usize) {
    let mut header = [0; LONG_HEADER];
    if let Ok(short) = u8::try_from(size) {
        header[..SHORT_HEADER].copy_from_slice(&[flags, short]);
        return (header, SHORT_HEADER);
    }
    header[0] = flags | Flags::LONG;
    header[1..].copy_from_slice(&(size as u64).to_be_bytes());
    (header, LONG_HEADER)
}

/// Most bytes of a frame in the short form.
pub(super) const SHORT_MAX: usize = 255;
pub(super) const SHORT_HEADER: usize = 2;
pub(super) const LONG_HEADER: usize = 9;
/// Fewest bytes of a frame still to come for which reading them to their place beats a copy: a read of so many costs
/// several times what it costs to enter the system.
pub(super) const DIRECT_MIN: usize = 16 << 10;
/// Most bytes that are made ready for one read.
const DIRECT_WINDOW: usize = 256 << 10;
/// First memory of a frame longer than that: as much as a connection's read buffer has anyway.
pub(super) const GROWTH_MIN: usize = 64 << 10;
