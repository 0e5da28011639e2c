//! Messages as records, and back.
//!
//! | kind | note | payload |
//! |---|---|---|
//! | `FRAME` | – | the only frame of a message |
//! | `DELIMITED` | – | likewise, with an empty frame before it |
//! | `NUMBERED` | the number | likewise, with an empty frame and a number before it |
//! | `LIST` | frames | each frame behind its length, a `u32` |
//! | `FIRST` | `FRAME` or `LIST` | how long the whole is and how many frames, each a `u64`, and the first part of what is too long for one record |
//! | `PART` | – | the next part of it |
//! | `SWITCH` | the generation | none: what follows is in the segment announced last |
//!
//! Integers are little-endian. What a peer has written may be anything: sizes are checked, memory is had as it fills, and
//! what cannot be is a [`Fault`].

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

use std::mem::MaybeUninit;

use super::{Fault, SHORT_MAX};
use crate::{
    Frame, Message,
    message::INLINE_MAX,
    phase,
    pipe::Fold,
    ring::record::{Claim, Memory, Reader, Record, Writable, Writer},
};

pub(super) const FRAME: u8 = 1;
pub(super) const DELIMITED: u8 = 2;
pub(super) const NUMBERED: u8 = 3;
pub(super) const LIST: u8 = 4;
pub(super) const FIRST: u8 = 5;
pub(super) const PART: u8 = 6;
pub(super) const SWITCH: u8 = 7;

/// What a frame's length takes in a list.
const LENGTH: usize = size_of::<u32>();
/// What the length of the whole and the number of its frames take in a first part.
const WHOLE: usize = 2 * size_of::<u64>();
/// Frames a message may have: as many as over a stream.
const FRAMES_MAX: usize = 1 << 16;

/// How a message is laid into one record, or several.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    kind: u8,
    note: u32,
    pub(super) size: usize,
}

impl Shape {
    /// That of `message` with `fold` before it. What has a fold and several frames is to be unfolded first.
    #[inline(always)]
    pub(super) fn of(message: &Message, fold: Fold) -> Self {
        match (message.single(), fold) {
            (Some(frame), Fold::Nothing) => Self { kind: FRAME, note: 0, size: frame.len() },
            (Some(frame), Fold::Delimiter) => Self { kind: DELIMITED, note: 0, size: frame.len() },
            (Some(frame), Fold::Number(number)) => Self { kind: NUMBERED, note: number, size: frame.len() },
            (None, _) => Self::of_list(message),
        }
    }

    fn of_list(message: &Message) -> Self {
        let size = message.frames().iter().map(|frame| LENGTH + frame.len()).sum();
        Self { kind: LIST, note: message.len() as u32, size }
    }
}

/// Puts `message`, which has `shape`, into a record, if there is room for it now.
#[inline(always)]
pub(super) fn put<M: Writable>(writer: &mut Writer<M>, message: &Message, shape: Shape) -> bool {
    let Some(claim) = writer.claim(shape.size) else { return false };
    phase::reach("claimed");
    match message.single() {
        Some(frame) if cfg!(feature = "phases") => {
            let (first, second) = frame.split_at(shape.size / 2);
            writer.write(&claim, 0, first);
            phase::reach("mid-write");
            writer.write(&claim, first.len(), second);
        }
        Some(frame) => writer.write(&claim, 0, frame),
        None => put_range(writer, &claim, 0, message, 0, shape.size),
    }
    phase::reach("written");
    writer.commit(claim, shape.kind, shape.note);
    phase::reach("committed");
    true
}

/// Commits `claim`, to which the only frame of a message was written, with `fold` before it.
#[inline]
pub(super) fn commit<M: Writable>(writer: &mut Writer<M>, claim: Claim, fold: Fold) {
    let (kind, note) = match fold {
        Fold::Nothing => (FRAME, 0),
        Fold::Delimiter => (DELIMITED, 0),
        Fold::Number(number) => (NUMBERED, number),
    };
    writer.commit(claim, kind, note);
}

/// A message that crosses in parts.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) message: Message,
    shape: Shape,
    /// Bytes of it that are in records.
    done: usize,
}

impl Partial {
    /// `message` has no fold.
    pub(super) fn new(message: Message) -> Self {
        let shape = Shape::of(&message, Fold::Nothing);
        Self { message, shape, done: 0 }
    }

    /// Bytes of it, as it is laid out.
    pub(super) fn size(&self) -> usize {
        self.shape.size
    }

    /// Are parts of it in records?
    pub(super) fn is_begun(&self) -> bool {
        self.done > 0
    }

    /// Puts as much of it into records as there is room for. Tells whether that was all.
    pub(super) fn put<M: Writable>(&mut self, writer: &mut Writer<M>) -> bool {
        loop {
            let head = if self.done == 0 { WHOLE } else { 0 };
            // Parts are to be few: the rest, or as much as a record holds.
            let part = (self.shape.size - self.done).min(writer.payload_max() - head);
            let Some(claim) = writer.claim(head + part) else { return false };
            if head > 0 {
                let [whole, frames] = [self.shape.size, self.message.len()].map(|count| (count as u64).to_le_bytes());
                writer.write(&claim, 0, &whole);
                writer.write(&claim, WHOLE / 2, &frames);
            }
            put_range(writer, &claim, head, &self.message, self.done, part);
            let (kind, note) = if head > 0 { (FIRST, u32::from(self.shape.kind)) } else { (PART, 0) };
            writer.commit(claim, kind, note);
            self.done += part;
            if self.done == self.shape.size {
                return true;
            }
            phase::reach("between-parts");
        }
    }
}

/// Writes `size` bytes of `message`, laid out as its shape says, from `from` on, to `at` of a claim.
fn put_range<M: Writable>(writer: &Writer<M>, claim: &Claim, at: usize, message: &Message, from: usize, size: usize) {
    let (mut at, mut skip, mut left) = (at, from, size);
    let mut put = |bytes: &[u8]| {
        let skipped = skip.min(bytes.len());
        skip -= skipped;
        let part = (bytes.len() - skipped).min(left);
        writer.write(claim, at, &bytes[skipped..skipped + part]);
        at += part;
        left -= part;
    };
    if let Some(frame) = message.single() {
        return put(frame);
    }
    for frame in message.frames() {
        put(&(frame.len() as u32).to_le_bytes());
        put(frame);
    }
}

/// Where a record's bytes are to be had from: the peer's ring, or ours when it is read back.
pub(super) trait Source {
    fn copy(&self, record: &Record, at: usize, to: &mut [MaybeUninit<u8>]);
}

impl<M: Memory> Source for Reader<M> {
    #[inline(always)]
    fn copy(&self, record: &Record, at: usize, to: &mut [MaybeUninit<u8>]) {
        self.copy_out(record, at, to);
    }
}

impl<M: Writable> Source for Writer<M> {
    fn copy(&self, record: &Record, at: usize, to: &mut [MaybeUninit<u8>]) {
        self.copy_back(record, at, to);
    }
}

/// Takes the message out of `record`, which is of a kind up to `LIST`. Returns what is folded into it.
#[inline(always)]
pub(super) fn take(source: &impl Source, record: &Record, place: &mut Message) -> Result<Fold, Fault> {
    let fold = match record.kind {
        FRAME => Fold::Nothing,
        DELIMITED => Fold::Delimiter,
        NUMBERED => Fold::Number(record.note),
        LIST => {
            *place = take_list(source, record)?;
            return Ok(Fold::Nothing);
        }
        _ => return Err(Fault::Kind),
    };
    if record.room() <= INLINE_MAX {
        // SAFETY: a copy is complete: all bytes of the room are initialised.
        unsafe { place.make_single().assign_filled(record.size, record.room(), |bytes| source.copy(record, 0, bytes)) };
    } else if record.size <= SHORT_MAX {
        place.make_single().assign_pooled(record.size, |bytes| source.copy(record, 0, uninit(bytes)));
    } else {
        *place.make_single() = take_frame(source, record, 0, record.size)?;
    }
    Ok(fold)
}

/// Bytes of the frames of the message in `record`, which is of a kind up to `LIST`, if that is what it says it is.
#[inline(always)]
pub(super) fn size(record: &Record) -> u64 {
    let lengths = if record.kind == LIST { (record.note as usize).min(FRAMES_MAX) * LENGTH } else { 0 };
    record.size.saturating_sub(lengths) as u64
}

/// The frame of `size` bytes at `at` of `record`.
#[inline(always)]
fn take_frame(source: &impl Source, record: &Record, at: usize, size: usize) -> Result<Frame, Fault> {
    if size <= SHORT_MAX {
        return Ok(Frame::build(size, |bytes| source.copy(record, at, uninit(bytes))));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| Fault::OutOfMemory)?;
    source.copy(record, at, &mut bytes.spare_capacity_mut()[..size]);
    // SAFETY: so many have just been written.
    unsafe { bytes.set_len(size) };
    Ok(bytes.into())
}

fn take_list(source: &impl Source, record: &Record) -> Result<Message, Fault> {
    let mut message = Message::new();
    let mut at = 0;
    while at < record.size {
        let mut length = [0; LENGTH];
        if record.size - at < LENGTH || message.len() == FRAMES_MAX {
            return Err(Fault::List);
        }
        source.copy(record, at, uninit(&mut length));
        at += LENGTH;
        let length = u32::from_le_bytes(length) as usize;
        if length > record.size - at {
            return Err(Fault::List);
        }
        message.push(take_frame(source, record, at, length)?);
        at += length;
    }
    if message.len() == record.note as usize { Ok(message) } else { Err(Fault::List) }
}

/// A message that comes in parts.
#[derive(Debug)]
pub(super) struct Assembly {
    kind: u8,
    whole: usize,
    /// Frames there are said to be.
    frames: u64,
    /// What has come: memory is had as it fills.
    bytes: Vec<u8>,
}

impl Assembly {
    /// Begins with `record`, of kind `FIRST`. A message of more than `size_max` bytes is a fault.
    pub(super) fn begin(source: &impl Source, record: &Record, size_max: u64) -> Result<Self, Fault> {
        let (mut whole, mut frames) = ([0; WHOLE / 2], [0; WHOLE / 2]);
        let kind = record.note as u8;
        if record.size < WHOLE || !matches!(kind, FRAME | LIST) {
            return Err(Fault::Part);
        }
        source.copy(record, 0, uninit(&mut whole));
        source.copy(record, WHOLE / 2, uninit(&mut frames));
        let [whole, frames] = [whole, frames].map(u64::from_le_bytes);
        // So what the lengths take is little, whatever is said.
        if frames > FRAMES_MAX as u64 {
            return Err(Fault::List);
        }
        let lengths = if kind == LIST { frames * LENGTH as u64 } else { 0 };
        if whole.saturating_sub(lengths) > size_max {
            return Err(Fault::TooLong);
        }
        let whole = usize::try_from(whole).map_err(|_| Fault::TooLong)?;
        let mut assembly = Self { kind, whole, frames, bytes: Vec::new() };
        assembly.add_from(source, record, WHOLE)?;
        Ok(assembly)
    }

    /// Goes on with `record`, of kind `PART`.
    pub(super) fn add(&mut self, source: &impl Source, record: &Record) -> Result<(), Fault> {
        self.add_from(source, record, 0)
    }

    fn add_from(&mut self, source: &impl Source, record: &Record, at: usize) -> Result<(), Fault> {
        let part = record.size - at;
        if part > self.whole - self.bytes.len() || part == 0 && self.whole > 0 {
            return Err(Fault::Part);
        }
        if self.bytes.capacity() - self.bytes.len() < part {
            // Twice what has really come, and no more than there will be.
            let wanted = (self.bytes.len().max(part) * 2).min(self.whole) - self.bytes.len();
            self.bytes.try_reserve_exact(wanted.max(part)).map_err(|_| Fault::OutOfMemory)?;
        }
        let len = self.bytes.len();
        source.copy(record, at, &mut self.bytes.spare_capacity_mut()[..part]);
        // SAFETY: so many more have just been written.
        unsafe { self.bytes.set_len(len + part) };
        Ok(())
    }

    pub(super) fn is_whole(&self) -> bool {
        self.bytes.len() == self.whole
    }

    /// The message, of which all has come.
    pub(super) fn finish(self) -> Result<Message, Fault> {
        if self.kind == FRAME {
            return Ok(Frame::from(self.bytes).into());
        }
        let bytes = bytes::Bytes::from(self.bytes);
        let (mut message, mut at) = (Message::new(), 0);
        while at < bytes.len() {
            let Some(length) = bytes[at..].first_chunk() else { return Err(Fault::List) };
            let length = u32::from_le_bytes(*length) as usize;
            at += LENGTH;
            if length > bytes.len() - at || message.len() == FRAMES_MAX {
                return Err(Fault::List);
            }
            // A long frame keeps the whole from being freed, a short one does not.
            let frame = if length > bytes.len() / 2 {
                Frame::from(bytes.slice(at..at + length))
            } else {
                Frame::copy_from(&bytes[at..at + length])
            };
            message.push(frame);
            at += length;
        }
        if message.len() as u64 == self.frames { Ok(message) } else { Err(Fault::List) }
    }
}

/// Initialised memory is memory.
fn uninit(bytes: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    let (start, len) = (bytes.as_mut_ptr().cast(), bytes.len());
    // SAFETY: the same bytes for the same time; whoever is given them writes bytes only.
    unsafe { std::slice::from_raw_parts_mut(start, len) }
}
