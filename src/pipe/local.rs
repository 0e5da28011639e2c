//! The flavor within a process: frames laid into the slots of a [`chunked`] ring.
//!
//! | frame | slots | header kind |
//! |---|---|---|
//! | up to 55 bytes, or shared | 1: the frame itself, 56 of its 64 bytes | `WHOLE` |
//! | 56–256 bytes from the pool | 1–5: the bytes, 56 a slot | `BYTES`, then `TAIL` |
//! | all frames of a message too long for [`chunked::RECORD_SLOTS_MAX`] | 1: the list, by value | `LIST` |
//!
//! ```text
//! header, 24 bits:  23     8 7      3   2   1   0
//!                  ┌────────┬────────┬─────┬───────┐
//!                  │ length │   0    │ more│ kind  │   length of BYTES; more frames of this message follow
//!                  └────────┴────────┴─────┴───────┘
//! ```

use std::{
    mem::{self, ManuallyDrop, MaybeUninit},
    ptr,
};

use super::{Refusal, Way};
use crate::{
    Frame, Message,
    message::POOLED_MAX,
    ring::chunked::{self, Header, Line, RECORD_SLOTS_MAX, SLOT_BYTES, SlotBody, header_of},
};

/// An empty one-way queue.
pub(crate) fn queue() -> (Outlet, Inlet) {
    let (producer, consumer) = chunked::queue(drop_slot);
    (Outlet { ring: producer }, Inlet { ring: consumer })
}

/// The half an owner pushes into.
#[derive(Debug)]
pub(crate) struct Outlet {
    ring: chunked::Producer,
}

/// The half an owner pops from.
#[derive(Debug)]
pub(crate) struct Inlet {
    ring: chunked::Consumer,
}

const KIND: Header = 3;
const WHOLE: Header = 0;
const BYTES: Header = 1;
const TAIL: Header = 2;
const LIST: Header = 3;
const MORE: Header = 4;
const LENGTH_SHIFT: u32 = 8;

const _: () = assert!(size_of::<Vec<Frame>>() <= SLOT_BYTES);
const _: () = assert!(POOLED_MAX < 1 << 16);

impl Outlet {
    #[inline(always)]
    pub(crate) fn admits(&mut self, way: &Way) -> Result<(), Refusal> {
        let limit = way.limit();
        if self.ring.sent() - self.ring.taken() < limit || self.ring.sent() - self.ring.refresh_taken() < limit {
            Ok(())
        } else {
            Err(Refusal::Full)
        }
    }

    /// On success `message` is left with no frame.
    #[inline(always)]
    pub(crate) fn push(&mut self, way: &Way, message: &mut Message) -> Result<(), Refusal> {
        if way.consumer_gone() {
            return Err(Refusal::Closed);
        }
        match message.single() {
            Some(frame) if frame.pooled().is_none() => {
                let mut record = self.ring.begin(1).map_err(|_| Refusal::OutOfMemory)?;
                self.ring.write(&mut record, |body| {
                    // SAFETY: the frame is forgotten below.
                    unsafe { store_frame(frame, body) };
                    WHOLE
                });
                // SAFETY: overwritten without being dropped, the frame now lives in the slot only.
                unsafe { ptr::write(message, Message::new()) };
                self.ring.publish(record);
                Ok(())
            }
            _ => self.push_several(message),
        }
    }

    /// Messages accepted that the other side has not taken.
    pub(crate) fn untaken(&mut self) -> u64 {
        self.ring.sent() - self.ring.refresh_taken()
    }

    #[inline(never)]
    fn push_several(&mut self, message: &mut Message) -> Result<(), Refusal> {
        let slots = message.frames().iter().map(slots_of).fold(0, usize::saturating_add);
        if slots > RECORD_SLOTS_MAX {
            return self.push_list(message);
        }
        let mut record = self.ring.begin(slots).map_err(|_| Refusal::OutOfMemory)?;
        let mut left = message.len();
        mem::take(message).consume(|frame| {
            left -= 1;
            let more = if left > 0 { MORE } else { 0 };
            match frame.pooled() {
                None => self.ring.write(&mut record, |body| {
                    // SAFETY: the frame is forgotten at once, so it lives in the slot only.
                    unsafe { store_frame(&ManuallyDrop::new(frame), body) };
                    WHOLE | more
                }),
                Some(bytes) => {
                    let mut kind = BYTES;
                    for part in bytes.chunks(SLOT_BYTES) {
                        let header = kind | more | (bytes.len() as Header) << LENGTH_SHIFT;
                        self.ring.write(&mut record, |body| {
                            store_bytes(part, body);
                            header
                        });
                        kind = TAIL;
                    }
                }
            }
        });
        self.ring.publish(record);
        Ok(())
    }

    fn push_list(&mut self, message: &mut Message) -> Result<(), Refusal> {
        let mut record = self.ring.begin(1).map_err(|_| Refusal::OutOfMemory)?;
        let frames = mem::take(message).into_vec();
        self.ring.write(&mut record, |body| {
            // SAFETY: the body is large enough (asserted above) and aligned 8; the list is moved there and taken out
            // once, by `take_list`.
            unsafe { body.as_mut_ptr().cast::<Vec<Frame>>().write(frames) };
            LIST
        });
        self.ring.publish(record);
        Ok(())
    }
}

impl Inlet {
    #[inline(always)]
    pub(crate) fn ready(&mut self) -> bool {
        self.ring.ready()
    }

    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<Message> {
        if !self.ring.ready() {
            return None;
        }
        // SAFETY: a record is waiting, and it has a first slot.
        let line = unsafe { self.ring.read() };
        let message = if header_of(&line) & (KIND | MORE) == WHOLE {
            // SAFETY: a slot of kind WHOLE holds a frame, and it is taken out once: here.
            Message::from(unsafe { take_frame(line) })
        } else {
            self.pop_several(line)
        };
        self.ring.finish();
        Some(message)
    }

    #[inline(always)]
    pub(crate) fn publish(&mut self) {
        self.ring.publish_taken();
    }

    pub(crate) fn trim(&mut self) {
        self.ring.trim();
    }

    /// Drops every message that is waiting. Returns how many.
    pub(crate) fn drain(&mut self) -> u64 {
        let before = self.ring.taken();
        while let Some(message) = self.pop() {
            drop(message);
        }
        self.publish();
        self.ring.taken() - before
    }

    #[inline(never)]
    fn pop_several(&mut self, mut line: Line) -> Message {
        if header_of(&line) & KIND == LIST {
            // SAFETY: a slot of kind LIST holds a list, and it is taken out once: here.
            return Message::from_vec(unsafe { take_list(&line) });
        }
        let mut message = Message::new();
        loop {
            let header = header_of(&line);
            message.push(match header & KIND {
                // SAFETY: a slot of kind WHOLE holds a frame, and it is taken out once: here.
                WHOLE => unsafe { take_frame(line) },
                _ => self.pop_bytes(header, &line),
            });
            if header & MORE == 0 {
                return message;
            }
            // SAFETY: the frame just read says that another one follows in this record.
            line = unsafe { self.ring.read() };
        }
    }

    fn pop_bytes(&mut self, header: Header, first: &Line) -> Frame {
        Frame::pooled_with((header >> LENGTH_SHIFT) as usize, |bytes| {
            let mut parts = bytes.chunks_mut(SLOT_BYTES);
            if let Some(part) = parts.next() {
                load_bytes(first, part);
            }
            for part in parts {
                // SAFETY: the record has a TAIL slot for each further part of the frame.
                load_bytes(&unsafe { self.ring.read() }, part);
            }
        })
    }
}

/// Slots a frame takes.
fn slots_of(frame: &Frame) -> usize {
    frame.pooled().map_or(1, |bytes| bytes.len().div_ceil(SLOT_BYTES).max(1))
}

/// Copies `frame` into a slot, word by word.
///
/// # Safety
/// The caller forgets `frame`: it is moved.
#[inline(always)]
unsafe fn store_frame(frame: &Frame, body: &mut SlotBody) {
    let words = ptr::from_ref(frame).cast::<MaybeUninit<u64>>();
    for (index, word) in body.iter_mut().enumerate() {
        // SAFETY: a frame is eight words, of which the first says nothing and the others fill a slot's body (asserted
        // in `message`). Volatile keeps the compiler from loading two words as one, which would straddle the stores
        // that made the frame and stall (see `chunked::Line`).
        *word = unsafe { words.add(1 + index).read_volatile() };
    }
}

/// Moves the frame out of a slot.
///
/// # Safety
/// The slot was filled by `store_frame`, and this is the only time it is taken out.
#[inline(always)]
unsafe fn take_frame(line: Line) -> Frame {
    // SAFETY: of the same size (asserted in `message`), and all but the first word is what it was in `store_frame`; the
    // first may be anything.
    unsafe { mem::transmute::<Line, Frame>(line) }
}

/// Moves the list out of a slot.
///
/// # Safety
/// The slot was filled by `push_list`, and this is the only time it is taken out.
unsafe fn take_list(line: &Line) -> Vec<Frame> {
    // SAFETY: the caller's duty: the list stands behind the first word.
    unsafe { line[1..].as_ptr().cast::<Vec<Frame>>().read() }
}

/// Copies `part` (at most a slot of bytes) into a slot.
fn store_bytes(part: &[u8], body: &mut SlotBody) {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..part.len()].copy_from_slice(part);
    // SAFETY: seven words are 56 bytes, and any bytes are words.
    *body = unsafe { mem::transmute::<[u8; SLOT_BYTES], SlotBody>(bytes) };
}

/// Copies a slot's bytes to `part`.
fn load_bytes(line: &Line, part: &mut [u8]) {
    // SAFETY: a slot of kind BYTES or TAIL has all its words written, 56 bytes behind the first word.
    let bytes = unsafe { &*line[1..].as_ptr().cast::<[u8; SLOT_BYTES]>() };
    part.copy_from_slice(&bytes[..part.len()]);
}

/// Drops what a slot of a record nobody took owns.
fn drop_slot(line: &Line) {
    match header_of(line) & KIND {
        // SAFETY: the record was not taken, so the frame is still there, and the ring calls this once per slot.
        WHOLE => drop(unsafe { take_frame(*line) }),
        // SAFETY: likewise for a list.
        LIST => drop(unsafe { take_list(line) }),
        _ => {}
    }
}
