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
    ring::chunked::{self, Header, RECORD_SLOTS_MAX, SLOT_BYTES, SlotBody},
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

    #[inline(always)]
    pub(crate) fn push(&mut self, way: &Way, message: Message) -> Result<(), (Message, Refusal)> {
        if way.consumer_gone() {
            return Err((message, Refusal::Closed));
        }
        match message.into_single() {
            Ok(frame) if frame.pooled().is_none() => self.push_whole(frame),
            Ok(frame) => self.push_several(frame.into()),
            Err(message) => self.push_several(message),
        }
    }

    /// Messages accepted that the other side has not taken.
    pub(crate) fn untaken(&mut self) -> u64 {
        self.ring.sent() - self.ring.refresh_taken()
    }

    #[inline(always)]
    fn push_whole(&mut self, frame: Frame) -> Result<(), (Message, Refusal)> {
        let Ok(mut record) = self.ring.begin(1) else { return Err((frame.into(), Refusal::OutOfMemory)) };
        self.ring.write(&mut record, |body| store_frame(frame, body));
        self.ring.publish(record);
        Ok(())
    }

    #[inline(never)]
    fn push_several(&mut self, message: Message) -> Result<(), (Message, Refusal)> {
        let slots = message.frames().iter().map(slots_of).fold(0, usize::saturating_add);
        if slots > RECORD_SLOTS_MAX {
            return self.push_list(message);
        }
        let Ok(mut record) = self.ring.begin(slots) else { return Err((message, Refusal::OutOfMemory)) };
        let mut left = message.len();
        message.consume(|frame| {
            left -= 1;
            let more = if left > 0 { MORE } else { 0 };
            match frame.pooled() {
                None => self.ring.write(&mut record, |body| store_frame(frame, body) | more),
                Some(bytes) => {
                    let mut kind = BYTES;
                    for part in bytes.chunks(SLOT_BYTES) {
                        let header = kind | more | (bytes.len() as Header) << LENGTH_SHIFT;
                        self.ring.write(&mut record, |body| store_bytes(part, body) | header);
                        kind = TAIL;
                    }
                }
            }
        });
        self.ring.publish(record);
        Ok(())
    }

    fn push_list(&mut self, message: Message) -> Result<(), (Message, Refusal)> {
        let Ok(mut record) = self.ring.begin(1) else { return Err((message, Refusal::OutOfMemory)) };
        let frames = message.into_vec();
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
        let (header, slot) = unsafe { self.ring.read(|header, body| (header, *body)) };
        let message = if header & (KIND | MORE) == WHOLE {
            // SAFETY: a slot of kind WHOLE holds a frame, and it is taken out once: here.
            Message::from(unsafe { take_frame(&slot) })
        } else {
            self.pop_several(header, slot)
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
    fn pop_several(&mut self, mut header: Header, mut slot: SlotBody) -> Message {
        if header & KIND == LIST {
            // SAFETY: a slot of kind LIST holds a list, and it is taken out once: here.
            return Message::from_vec(unsafe { take_list(&slot) });
        }
        let mut message = Message::new();
        loop {
            message.push(match header & KIND {
                // SAFETY: a slot of kind WHOLE holds a frame, and it is taken out once: here.
                WHOLE => unsafe { take_frame(&slot) },
                _ => self.pop_bytes(header, &slot),
            });
            if header & MORE == 0 {
                return message;
            }
            // SAFETY: the frame just read says that another one follows in this record.
            (header, slot) = unsafe { self.ring.read(|header, body| (header, *body)) };
        }
    }

    fn pop_bytes(&mut self, header: Header, first: &SlotBody) -> Frame {
        Frame::pooled_with((header >> LENGTH_SHIFT) as usize, |bytes| {
            let mut parts = bytes.chunks_mut(SLOT_BYTES);
            if let Some(part) = parts.next() {
                load_bytes(first, part);
            }
            for part in parts {
                // SAFETY: the record has a TAIL slot for each further part of the frame.
                unsafe { self.ring.read(|_, body| load_bytes(body, part)) };
            }
        })
    }
}

/// Slots a frame takes.
fn slots_of(frame: &Frame) -> usize {
    frame.pooled().map_or(1, |bytes| bytes.len().div_ceil(SLOT_BYTES).max(1))
}

/// Moves `frame` into a slot.
#[inline(always)]
fn store_frame(frame: Frame, body: &mut SlotBody) -> Header {
    let frame = ManuallyDrop::new(frame);
    let from = (&raw const *frame).cast::<u64>();
    // SAFETY: a frame is eight words, of which the first says nothing (asserted in `message`) and the rest fill a slot's
    // body; as untyped memory they may be copied whatever they are. The frame is forgotten, so moved.
    unsafe { ptr::copy_nonoverlapping(from.add(1), body.as_mut_ptr().cast(), SLOT_BYTES / 8) };
    WHOLE
}

/// Moves the frame out of a slot.
///
/// # Safety
/// The slot was filled by `store_frame`, and this is the only time it is taken out.
#[inline(always)]
unsafe fn take_frame(body: &SlotBody) -> Frame {
    let mut frame = MaybeUninit::<Frame>::uninit();
    let to = frame.as_mut_ptr().cast::<u64>();
    // SAFETY: the frame's first word.
    unsafe { to.write(0) };
    // SAFETY: the frame's other seven words, which `store_frame` copied from a frame.
    unsafe { ptr::copy_nonoverlapping(body.as_ptr().cast(), to.add(1), SLOT_BYTES / 8) };
    // SAFETY: all of it is what it was before `store_frame`; the caller takes it out only once.
    unsafe { frame.assume_init() }
}

/// Moves the list out of a slot.
///
/// # Safety
/// The slot was filled by `push_list`, and this is the only time it is taken out.
unsafe fn take_list(body: &SlotBody) -> Vec<Frame> {
    // SAFETY: the caller's duty.
    unsafe { body.as_ptr().cast::<Vec<Frame>>().read() }
}

/// Copies `part` (at most a slot of bytes) into a slot.
fn store_bytes(part: &[u8], body: &mut SlotBody) -> Header {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..part.len()].copy_from_slice(part);
    // SAFETY: seven words are 56 bytes, and any bytes are words.
    body.write(unsafe { mem::transmute::<[u8; SLOT_BYTES], [u64; SLOT_BYTES / 8]>(bytes) });
    0
}

/// Copies a slot's bytes to `part`.
fn load_bytes(body: &SlotBody, part: &mut [u8]) {
    // SAFETY: a slot of kind BYTES or TAIL has all its words written.
    let words = unsafe { body.assume_init_ref() };
    // SAFETY: seven words are 56 bytes, and any word is bytes.
    let bytes = unsafe { &*words.as_ptr().cast::<[u8; SLOT_BYTES]>() };
    part.copy_from_slice(&bytes[..part.len()]);
}

/// Drops what a slot of a record nobody took owns.
fn drop_slot(header: Header, body: &SlotBody) {
    match header & KIND {
        // SAFETY: the record was not taken, so the frame is still there, and the ring calls this once per slot.
        WHOLE => drop(unsafe { take_frame(body) }),
        // SAFETY: likewise for a list.
        LIST => drop(unsafe { take_list(body) }),
        _ => {}
    }
}
