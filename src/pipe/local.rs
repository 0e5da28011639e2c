//! The flavor within a process: frames laid into the slots of a [`chunked`] ring.
//!
//! | frame | slots | header kind |
//! |---|---|---|
//! | up to 56 bytes, or shared | 1: the frame's payload | the frame's kind |
//! | 57–256 bytes from the pool | 2–5: the bytes, 56 a slot | `BYTES`, then `TAIL` |
//! | all frames of a message too long for [`chunked::RECORD_SLOTS_MAX`] | 1: the list, by value | `LIST` |
//!
//! ```text
//! header, 24 bits:  23 22  21   9   8   7    0
//!                  ┌──────┬──────┬─────┬──────┐   fold: what comes before the message's only frame; a number is the
//!                  │ fold │length│ more│ kind │   slot's last word. length of BYTES; more frames of this message follow
//!                  └──────┴──────┴─────┴──────┘
//! ```

use std::{mem, ptr, slice};

use super::{Fold, Refusal, Way};
use crate::{
    Frame, Message,
    message::{INLINE_MAX, Kind, POOLED_MAX},
    ring::chunked::{self, Header, RECORD_SLOTS_MAX, Record, SLOT_BYTES, SlotBody},
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

const KIND: Header = 0xff;
const BYTES: Header = 64;
const TAIL: Header = 65;
const LIST: Header = 66;
const MORE: Header = 1 << 8;
const LENGTH_SHIFT: u32 = 9;
const LENGTH_MASK: Header = (1 << 13) - 1;
const DELIMITER: Header = 1 << 22;
const NUMBER: Header = 1 << 23;
const FOLD: Header = DELIMITER | NUMBER;
/// Longest frame that leaves the slot's last word to a number.
const NUMBERED_MAX: u32 = (INLINE_MAX - 8) as u32;

const _: () = assert!(size_of::<Vec<Frame>>() <= SLOT_BYTES && SLOT_BYTES == INLINE_MAX);
const _: () = assert!(POOLED_MAX <= LENGTH_MASK as usize && LENGTH_MASK << LENGTH_SHIFT < DELIMITER);

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

    /// On success `message` is left with nothing in it; otherwise it is as it was, without what `fold` says.
    #[inline(always)]
    pub(crate) fn push_folded(&mut self, way: &Way, message: &mut Message, fold: Fold) -> Result<(), Refusal> {
        if way.consumer_gone() {
            return Err(Refusal::Closed);
        }
        match message.single() {
            Some(frame) if !frame.is_pooled() && has_place_for(fold, frame) => {
                let record = self.ring.begin(1).map_err(|_| Refusal::OutOfMemory)?;
                self.ring.publish(record, |body| store_frame(frame, body) | store_fold(fold, body));
                // The frame lives in the slot only.
                message.forget();
                Ok(())
            }
            Some(frame) if frame.is_pooled() && has_place_for(fold, frame) => {
                let mut record = self.ring.begin(slots_of(frame)).map_err(|_| Refusal::OutOfMemory)?;
                self.write_tail(&mut record, frame);
                self.ring.publish(record, |body| store_bytes(frame, body) | store_fold(fold, body));
                *message = Message::from(Frame::new());
                Ok(())
            }
            _ => self.push_unfolded(message, fold),
        }
    }

    /// As [`Outlet::push`], of a copy: `message` stays as it is.
    #[inline(always)]
    pub(crate) fn push_copy(&mut self, way: &Way, message: &Message) -> Result<(), Refusal> {
        match message.single() {
            Some(frame) if !frame.is_shared() => {
                if way.consumer_gone() {
                    return Err(Refusal::Closed);
                }
                let mut record = self.ring.begin(slots_of(frame)).map_err(|_| Refusal::OutOfMemory)?;
                self.write_tail(&mut record, frame);
                // Bytes inside the frame are owned by nobody: their copy is a frame.
                self.ring.publish(record, |body| store_head(frame, body, 0));
                Ok(())
            }
            _ => self.push_folded(way, &mut message.clone(), Fold::Nothing),
        }
    }

    /// As [`Outlet::push`], of a message of one frame of `bytes`, at most [`SHORT_MAX`] of them, straight from where they are.
    #[inline]
    pub(crate) fn push_short(&mut self, way: &Way, bytes: &[u8]) -> Result<(), Refusal> {
        if way.consumer_gone() {
            return Err(Refusal::Closed);
        }
        if bytes.len() <= INLINE_MAX {
            let record = self.ring.begin(1).map_err(|_| Refusal::OutOfMemory)?;
            self.ring.publish(record, |body| {
                store_bytes(bytes, body);
                // Kinds of frames with their bytes inside are numbered by their lengths.
                bytes.len() as Header
            });
            return Ok(());
        }
        let mut record = self.ring.begin(bytes.len().div_ceil(SLOT_BYTES)).map_err(|_| Refusal::OutOfMemory)?;
        for part in bytes.chunks(SLOT_BYTES).skip(1) {
            self.ring.write(&mut record, |body| {
                store_bytes(part, body);
                TAIL
            });
        }
        self.ring.publish(record, |body| store_bytes(bytes, body));
        Ok(())
    }

    #[inline(never)]
    fn push_unfolded(&mut self, message: &mut Message, fold: Fold) -> Result<(), Refusal> {
        fold.put_before(message);
        self.push_several(message).inspect_err(|_| fold.take_off(message))
    }

    /// Upkeep, after the peer has been told.
    #[inline(always)]
    pub(crate) fn settle(&mut self) {
        self.ring.settle();
    }

    /// Messages accepted.
    #[inline(always)]
    pub(crate) fn sent(&self) -> u64 {
        self.ring.sent()
    }

    /// Messages the other side has taken, as last seen.
    #[inline(always)]
    pub(crate) fn taken(&self) -> u64 {
        self.ring.taken()
    }

    /// Messages accepted that the other side has not taken.
    pub(crate) fn untaken(&mut self) -> u64 {
        self.ring.sent() - self.ring.refresh_taken()
    }

    /// Writes those bytes of a frame that do not fit into its first slot; only a pooled one has any.
    #[inline(always)]
    fn write_tail(&mut self, record: &mut Record, frame: &Frame) {
        if !frame.is_pooled() {
            return;
        }
        for part in frame.chunks(SLOT_BYTES).skip(1) {
            self.ring.write(record, |body| {
                store_bytes(part, body);
                TAIL
            });
        }
    }

    #[inline(never)]
    fn push_several(&mut self, message: &mut Message) -> Result<(), Refusal> {
        let slots = message.frames().iter().map(slots_of).fold(0, usize::saturating_add);
        if slots > RECORD_SLOTS_MAX {
            return self.push_list(message);
        }
        let mut record = self.ring.begin(slots).map_err(|_| Refusal::OutOfMemory)?;
        let mut left = message.len();
        let mut first = None;
        mem::take(message).consume(|frame| {
            left -= 1;
            match first {
                None => {
                    self.write_tail(&mut record, &frame);
                    first = Some((frame, left));
                }
                Some(_) => {
                    self.ring.write(&mut record, |body| store_head(&frame, body, left));
                    self.write_tail(&mut record, &frame);
                    forget_stored(frame);
                }
            }
        });
        // There is a first frame: `begin` was asked for a slot at least.
        if let Some((frame, left)) = first {
            self.ring.publish(record, |body| store_head(&frame, body, left));
            forget_stored(frame);
        }
        Ok(())
    }

    fn push_list(&mut self, message: &mut Message) -> Result<(), Refusal> {
        let record = self.ring.begin(1).map_err(|_| Refusal::OutOfMemory)?;
        let frames = mem::take(message).into_vec();
        self.ring.publish(record, |body| {
            // SAFETY: the body is large enough (asserted above) and aligned 8; the list is moved there and taken out
            // once, by `take_list`.
            unsafe { body.as_mut_ptr().cast::<Vec<Frame>>().write(frames) };
            LIST
        });
        Ok(())
    }
}

impl Inlet {
    #[inline(always)]
    pub(crate) fn ready(&mut self) -> bool {
        self.ring.ready()
    }

    /// Puts the next message into `place`, if one is waiting; what was there is dropped.
    #[inline(always)]
    pub(crate) fn pop_into(&mut self, place: &mut Message) -> bool {
        if !self.ring.ready() {
            return false;
        }
        let single = place.make_single();
        let take = |header, body: &SlotBody| {
            if header >= BYTES {
                // Dropped while the record is whole: its destructor may panic.
                *single = Frame::new();
                return Some((header, *body));
            }
            // SAFETY: a slot whose header is a frame's kind was filled by `store_frame`.
            let kind = unsafe { Kind::from_code(header) };
            // SAFETY: it holds that frame, and it is taken out once: here.
            unsafe { single.assign_parts(kind, body) };
            None
        };
        // SAFETY: a record is waiting, and it has a first slot.
        let several = unsafe { self.ring.read(take) };
        if let Some((header, body)) = several {
            *place = self.pop_several(header, body);
        }
        self.ring.finish();
        true
    }

    /// As [`pop_into`](Self::pop_into), but leaves a fold as it is: returns what comes before the message.
    #[inline(always)]
    pub(crate) fn pop_folded_into(&mut self, place: &mut Message) -> Option<Fold> {
        if !self.ring.ready() {
            return None;
        }
        let single = place.make_single();
        let take = |header: Header, body: &SlotBody| {
            if header & !FOLD >= BYTES {
                // As in `pop_into`.
                *single = Frame::new();
                return Err((header, *body));
            }
            // SAFETY: a slot whose header is a frame's kind, and a fold, was filled by `store_frame` and `store_fold`.
            let kind = unsafe { Kind::from_code(header & KIND) };
            // SAFETY: it holds that frame, and it is taken out once: here.
            unsafe { single.assign_parts(kind, body) };
            // SAFETY: likewise.
            Ok(unsafe { load_fold(header, body) })
        };
        // SAFETY: a record is waiting, and it has a first slot.
        let fold = match unsafe { self.ring.read(take) } {
            Ok(fold) => fold,
            Err((header, body)) => {
                *place = self.pop_several(header & !FOLD, body);
                // A frame of bytes has a delimiter at the most: it leaves no place for a number.
                if header & FOLD == 0 { Fold::Nothing } else { Fold::Delimiter }
            }
        };
        self.ring.finish();
        Some(fold)
    }

    /// Gives the next message to `sink`, if one is waiting that has one frame of at most [`SHORT_MAX`] bytes and no
    /// destructor, straight from where it is. Else nothing: there may be another one to pop.
    #[inline]
    pub(crate) fn pop_short(&mut self, sink: &mut impl ShortSink) -> bool {
        if !self.ring.ready() {
            return false;
        }
        // SAFETY: a record is waiting, of which nothing has been read.
        let header = unsafe { self.ring.header() };
        let size = match header & KIND {
            kind if kind as usize <= INLINE_MAX => kind as usize,
            BYTES => (header >> LENGTH_SHIFT & LENGTH_MASK) as usize,
            _ => return false,
        };
        if header & MORE != 0 || size > SHORT_MAX {
            return false;
        }
        let mut left = size;
        let mut part = |body: &SlotBody, sink: &mut dyn FnMut(&[u8])| {
            // SAFETY: `store_bytes` or `store_frame` initialised so many bytes of each slot.
            sink(unsafe { slice::from_raw_parts(body.as_ptr().cast(), left.min(SLOT_BYTES)) });
            left -= left.min(SLOT_BYTES);
            left
        };
        let first = |header, body: &SlotBody| {
            // SAFETY: the slot was filled with this header.
            sink.begin(unsafe { load_fold(header, body) }, size);
            part(body, &mut |bytes| sink.put(bytes))
        };
        // SAFETY: a record is waiting, and it has a first slot.
        let mut rest = unsafe { self.ring.read(first) };
        while rest > 0 {
            // SAFETY: the record has a TAIL slot for each further part of the frame.
            rest = unsafe { self.ring.read(|_, body| part(body, &mut |bytes| sink.put(bytes))) };
        }
        self.ring.finish();
        true
    }

    /// Messages taken, published or not.
    #[inline(always)]
    pub(crate) fn taken(&self) -> u64 {
        self.ring.taken()
    }

    #[inline(always)]
    pub(crate) fn publish(&mut self) {
        self.ring.publish_taken();
    }

    /// As [`publish`](Self::publish), of all but the last `held`.
    pub(crate) fn publish_all_but(&mut self, held: u64) {
        self.ring.publish_all_but(held);
    }

    /// Upkeep, when there is nothing to pop.
    #[inline(always)]
    pub(crate) fn settle(&mut self) {
        self.ring.look_ahead();
    }

    pub(crate) fn trim(&mut self) {
        self.ring.trim();
    }

    /// Drops every message that is waiting. Returns how many.
    pub(crate) fn drain(&mut self) -> u64 {
        let before = self.ring.taken();
        let mut message = Message::from(Frame::new());
        while self.pop_into(&mut message) {}
        self.publish();
        self.ring.taken() - before
    }

    #[inline(never)]
    fn pop_several(&mut self, mut header: Header, mut body: SlotBody) -> Message {
        if header & FOLD != 0 {
            return self.pop_unfolded(header, body);
        }
        if header & KIND == LIST {
            // SAFETY: a slot of kind LIST holds a list, and it is taken out once: here.
            return Message::from_vec(unsafe { take_list(&body) });
        }
        if header & (KIND | MORE) == BYTES {
            return self.pop_bytes(header, &body).into();
        }
        let mut message = Message::new();
        loop {
            message.push(match header & KIND {
                BYTES => self.pop_bytes(header, &body),
                // SAFETY: a slot of a frame's kind holds that frame, and it is taken out once: here.
                kind => unsafe { take_frame(kind, body) },
            });
            if header & MORE == 0 {
                return message;
            }
            // SAFETY: the frame just read says that another one follows in this record.
            (header, body) = unsafe { self.ring.read(|header, body| (header, *body)) };
        }
    }

    /// The only frame of a message, behind those that were folded into it.
    fn pop_unfolded(&mut self, header: Header, body: SlotBody) -> Message {
        // SAFETY: the slot was filled with this header.
        let fold = unsafe { load_fold(header, &body) };
        let mut message = Message::from(match header & KIND {
            BYTES => self.pop_bytes(header, &body),
            // SAFETY: a slot of a frame's kind holds that frame, and it is taken out once: here.
            kind => unsafe { take_frame(kind, body) },
        });
        fold.put_before(&mut message);
        message
    }

    fn pop_bytes(&mut self, header: Header, first: &SlotBody) -> Frame {
        Frame::pooled_with((header >> LENGTH_SHIFT & LENGTH_MASK) as usize, |bytes| {
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

/// Who is given a message as bytes: once `begin`, then the frame in parts.
pub(crate) trait ShortSink {
    /// A frame of `size` bytes, with what `fold` says before it.
    fn begin(&mut self, fold: Fold, size: usize);

    /// The next of its bytes.
    fn put(&mut self, part: &[u8]);
}

/// Bytes of a frame that goes from place to place without becoming a value: what ZMTP has a short header for.
pub(crate) const SHORT_MAX: usize = 255;

/// Slots a frame takes.
fn slots_of(frame: &Frame) -> usize {
    if frame.is_pooled() { frame.len().div_ceil(SLOT_BYTES).max(1) } else { 1 }
}

/// Copies what `frame` is kept in into a slot. The caller forgets the frame: it is moved.
#[inline(always)]
fn store_frame(frame: &Frame, body: &mut SlotBody) -> Header {
    for (word, from) in body.iter_mut().zip(frame.payload()) {
        // SAFETY: a reference is readable. Volatile keeps the compiler from loading two words as one: where the frame
        // has just been written in smaller pieces, such a load would straddle them and stall (see `message`).
        *word = unsafe { ptr::from_ref(from).read_volatile() };
    }
    frame.kind().code()
}

/// Is there a place for `fold` in the first slot of `frame`?
#[inline(always)]
fn has_place_for(fold: Fold, frame: &Frame) -> bool {
    !matches!(fold, Fold::Number(_)) || frame.kind().code() <= NUMBERED_MAX
}

/// Adds `fold`, for which there is a place, to a slot that a frame is in. Returns its part of the header.
#[inline(always)]
fn store_fold(fold: Fold, body: &mut SlotBody) -> Header {
    match fold {
        Fold::Nothing => 0,
        Fold::Delimiter => DELIMITER,
        Fold::Number(number) => {
            body[INLINE_MAX / 8 - 1].write(u64::from(number));
            NUMBER
        }
    }
}

/// What comes before the message in a slot.
///
/// # Safety
/// `store_fold` had its part in `header` and `body`.
#[inline(always)]
unsafe fn load_fold(header: Header, body: &SlotBody) -> Fold {
    match header & FOLD {
        0 => Fold::Nothing,
        // SAFETY: the caller's duty: a number was written.
        NUMBER => Fold::Number(unsafe { body[INLINE_MAX / 8 - 1].assume_init() } as u32),
        _ => Fold::Delimiter,
    }
}

/// Moves the frame out of a slot.
///
/// # Safety
/// `store_frame` filled `body` and returned `kind`, and this is the only time the frame is taken out.
#[inline(always)]
unsafe fn take_frame(kind: Header, body: SlotBody) -> Frame {
    // SAFETY: the caller's duty.
    let kind = unsafe { Kind::from_code(kind) };
    // SAFETY: likewise.
    unsafe { Frame::from_parts(kind, body) }
}

/// Moves the list out of a slot.
///
/// # Safety
/// The slot was filled by `push_list`, and this is the only time it is taken out.
unsafe fn take_list(body: &SlotBody) -> Vec<Frame> {
    // SAFETY: the caller's duty.
    unsafe { body.as_ptr().cast::<Vec<Frame>>().read() }
}

/// Fills the first slot of a frame of which `left` more follow in the message.
fn store_head(frame: &Frame, body: &mut SlotBody, left: usize) -> Header {
    let header = if frame.is_pooled() { store_bytes(frame, body) } else { store_frame(frame, body) };
    if left > 0 { header | MORE } else { header }
}

/// Forgets a frame that `store_head` has moved; drops one it has copied.
fn forget_stored(frame: Frame) {
    if !frame.is_pooled() {
        mem::forget(frame);
    }
}

/// Copies as many of `bytes` as fit into a slot.
#[inline(always)]
fn store_bytes(bytes: &[u8], body: &mut SlotBody) -> Header {
    let part = bytes.len().min(SLOT_BYTES);
    // SAFETY: the slot has room for so many bytes, and is not what `bytes` is.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), body.as_mut_ptr().cast(), part) };
    BYTES | (bytes.len() as Header) << LENGTH_SHIFT
}

/// Copies so many of a slot's bytes to `part` as it was given by `store_bytes`.
fn load_bytes(body: &SlotBody, part: &mut [u8]) {
    assert!(part.len() <= SLOT_BYTES);
    // SAFETY: `store_bytes` initialised so many bytes.
    let bytes = unsafe { slice::from_raw_parts(body.as_ptr().cast(), part.len()) };
    part.copy_from_slice(bytes);
}

/// Drops what a slot of a record nobody took owns.
fn drop_slot(header: Header, body: &SlotBody) {
    match header & KIND {
        BYTES | TAIL => {}
        // SAFETY: the record was not taken, so the list is still there, and the ring calls this once per slot.
        LIST => drop(unsafe { take_list(body) }),
        // SAFETY: likewise for a frame.
        kind => drop(unsafe { take_frame(kind, *body) }),
    }
}
