//! `zmq_msg_t` and the `zmq_msg_*` functions, except those that need a socket.
//!
//! A `zmq_msg_t` is a [`Frame`] with its first word put to more use:
//!
//! | bits of word 0 | what |
//! |---|---|
//! | 0–7 | the frame's own first word, which is below 64 |
//! | 8 | `MORE`: frames of the same message follow |
//! | 9 | `SOLE`: its memory was made for this message, and nothing has been copied since |
//! | 16–31 | `MAGIC`: it is initialised |
//! | 32–63 | the number of its [`metadata`], of which it holds a count; 0 for none |
//!
//! So a short message is inside it, a long one is reference-counted, and neither is copied on the way to a socket. A program
//! may move one in memory byte by byte, as it may libzmq's, but not use two copies of it.
//!
//! What differs from libzmq: a message that is not initialised is an error (`EFAULT`) everywhere, where libzmq ends the
//! process in some places.

use std::{
    ffi::CStr,
    fmt,
    mem::{self, ManuallyDrop, MaybeUninit},
    ptr, slice,
};

use libc::{c_char, c_int, c_void};
use ringway::{
    Frame,
    message::{INLINE_MAX, POOLED_MAX},
};

use crate::{
    constants::{ZMQ_GROUP_MAX_LENGTH, ZMQ_MORE, ZMQ_SHARED, ZMQ_SRCFD},
    error::{Errno, Result, Returned, call},
    metadata::{self, Metadata},
    reaper::{self, Free},
};

/// A frame as a C program holds it: 64 bytes aligned 8, as libzmq's. See the head of this file.
///
/// Nothing is dropped with it: `zmq_msg_close` does that, or [`take`](Self::take).
#[allow(non_camel_case_types, reason = "it is C's name")]
#[repr(C, align(8))]
pub(crate) struct zmq_msg_t {
    words: [MaybeUninit<u64>; 8],
}

const _: () = assert!(size_of::<zmq_msg_t>() == 64 && align_of::<zmq_msg_t>() == 8);
// The whole of the frame is carried.
const _: () = assert!(size_of::<Frame>() == size_of::<zmq_msg_t>());

/// Runs when the bytes of a message are needed no more: `zmq_free_fn`.
pub(crate) type FreeFn = unsafe extern "C" fn(data: *mut c_void, hint: *mut c_void);

const KIND: u64 = 0xff;
const MORE: u64 = 1 << 8;
const SOLE: u64 = 1 << 9;
const MAGIC: u64 = 0x5a3d << 16;
const MAGIC_MASK: u64 = 0xffff << 16;
const METADATA_SHIFT: u32 = 32;

impl zmq_msg_t {
    /// An initialised message of no bytes.
    pub(crate) const fn new() -> Self {
        let mut words = [const { MaybeUninit::uninit() }; 8];
        // The first word of a frame of no bytes is 0.
        words[0] = MaybeUninit::new(MAGIC);
        Self { words }
    }

    /// The message at `message`.
    ///
    /// # Errors
    /// `EFAULT`: none is there: no address, one that is not aligned, or nothing initialised.
    ///
    /// # Safety
    /// `message` is null, or memory of a `zmq_msg_t` that the caller may use, and nobody else during `'a`.
    #[inline]
    pub(crate) unsafe fn at<'a>(message: *mut Self) -> Result<&'a mut Self> {
        if !message.is_aligned() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: null is looked for; the rest is the caller's duty. Any bytes are a value of this type.
        let message = unsafe { message.as_mut() }.ok_or(Errno::EFAULT)?;
        message.check()?;
        Ok(message)
    }

    /// As [`at`](Self::at), for a function that only looks.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Safety
    /// As there, but others may look too.
    #[inline]
    pub(crate) unsafe fn look_at<'a>(message: *const Self) -> Result<&'a Self> {
        if !message.is_aligned() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: as in `at`.
        let message = unsafe { message.as_ref() }.ok_or(Errno::EFAULT)?;
        message.check()?;
        Ok(message)
    }

    /// # Errors
    /// `EFAULT`: the message is not initialised.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        if self.head() & MAGIC_MASK == MAGIC { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// Puts `frame` into the message, which is initialised; what was in it is dropped. Takes over one count of `metadata`.
    #[inline]
    pub(crate) fn put(&mut self, frame: Frame, more: bool, metadata: u32) {
        let flags = if more { MORE } else { 0 };
        let old = mem::replace(self, Self::filled(frame, flags, metadata));
        // Last: a free function may look at this message.
        old.discard();
    }

    /// Takes the frame out and leaves an empty message. Drops its count of the metadata.
    #[inline]
    pub(crate) fn take(&mut self) -> Frame {
        let message = mem::replace(self, Self::new());
        metadata::release(message.metadata());
        message.into_frame()
    }

    /// Do frames of the same message follow?
    #[inline]
    pub(crate) fn more(&self) -> bool {
        self.head() & MORE != 0
    }

    /// The payload.
    #[cfg(test)]
    fn bytes(&self) -> &[u8] {
        match self.inline_size() {
            // SAFETY: a short frame's first word is the number of its bytes, which are initialised and follow it.
            Some(size) => unsafe { slice::from_raw_parts(self.words.as_ptr().wrapping_add(1).cast(), size) },
            None => {
                let frame = self.view();
                let bytes = frame.as_bytes();
                // SAFETY: a long frame's bytes are not in the frame, but in memory it keeps for as long as it is here.
                unsafe { slice::from_raw_parts(bytes.as_ptr(), bytes.len()) }
            }
        }
    }

    /// The number of its metadata; 0 for none.
    #[inline]
    pub(crate) fn metadata(&self) -> u32 {
        (self.head() >> METADATA_SHIFT) as u32
    }

    fn data(&mut self) -> *mut u8 {
        match self.inline_size() {
            Some(_) => self.words.as_mut_ptr().wrapping_add(1).cast(),
            None => self.view().as_mut_ptr(),
        }
    }

    #[inline]
    fn size(&self) -> usize {
        self.inline_size().unwrap_or_else(|| self.view().len())
    }

    /// Is its memory perhaps that of another message too?
    fn is_shared(&self) -> bool {
        self.head() & SOLE == 0 && self.inline_size().is_none() && self.view().is_shared()
    }

    #[inline]
    fn filled(frame: Frame, flags: u64, metadata: u32) -> Self {
        let mut words = frame.into_words();
        // SAFETY: the first word of a frame is initialised.
        let kind = unsafe { words[0].assume_init() };
        words[0] = MaybeUninit::new(kind | flags | MAGIC | u64::from(metadata) << METADATA_SHIFT);
        Self { words }
    }

    #[inline]
    fn into_frame(self) -> Frame {
        ManuallyDrop::into_inner(self.view())
    }

    /// The frame, a second time. It may be looked at while the message stays as it is, and must not be cloned: a frame may
    /// note in itself that it was.
    #[inline]
    fn view(&self) -> ManuallyDrop<Frame> {
        let mut words = self.words;
        words[0] = MaybeUninit::new(self.head() & KIND);
        // SAFETY: the words of a frame, the first without what was added to it.
        ManuallyDrop::new(unsafe { Frame::from_words(words) })
    }

    /// The number of bytes, if they are inside the message.
    #[inline]
    fn inline_size(&self) -> Option<usize> {
        let kind = (self.head() & KIND) as usize;
        (kind <= INLINE_MAX).then_some(kind)
    }

    #[inline]
    fn head(&self) -> u64 {
        // SAFETY: ours is always initialised, and what a C program passes is memory with some bytes in it.
        unsafe { self.words[0].assume_init() }
    }

    #[inline]
    fn set_head(&mut self, head: u64) {
        self.words[0] = MaybeUninit::new(head);
    }

    #[inline]
    fn discard(self) {
        metadata::release(self.metadata());
        // Bytes inside the message are nobody's to free.
        if self.inline_size().is_none() {
            reaper::freeing(|| drop(self.into_frame()));
        }
    }

    /// Replaces the metadata by `change` of what there is.
    fn amend(&mut self, change: impl FnOnce(&mut Metadata)) -> Result<()> {
        let old = self.metadata();
        // SAFETY: the message holds a count.
        let mut metadata = unsafe { metadata::get(old) }.cloned().unwrap_or_default();
        change(&mut metadata);
        let new = metadata::insert(metadata).ok_or(Errno::ENOMEM)?;
        self.set_head(self.head() & u64::from(u32::MAX) | u64::from(new) << METADATA_SHIFT);
        metadata::release(old);
        Ok(())
    }
}

impl fmt::Debug for zmq_msg_t {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("zmq_msg_t").finish_non_exhaustive()
    }
}

impl Returned for usize {
    const FAILED: Self = 0;
}

/// Memory of a C program, given back to it by its own function.
struct Foreign {
    data: *mut u8,
    size: usize,
    free: Option<FreeFn>,
    hint: *mut c_void,
}

// SAFETY: `zmq_msg_init_data` asks for memory that nobody else changes, and for a function that any thread may call.
unsafe impl Send for Foreign {}

impl AsRef<[u8]> for Foreign {
    fn as_ref(&self) -> &[u8] {
        if self.size == 0 {
            return &[];
        }
        // SAFETY: so many bytes are there until the free function was called, as `zmq_msg_init_data` asks.
        unsafe { slice::from_raw_parts(self.data, self.size) }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            reaper::free(Free { function: free, data: self.data.cast(), hint: self.hint });
        }
    }
}

/// A frame of `size` bytes that the C program is going to write.
///
/// # Errors
/// `ENOMEM`.
pub(crate) fn frame_of_size(size: usize) -> Result<Frame> {
    if size <= POOLED_MAX {
        return Ok(Frame::build(size, |_| {}));
    }
    let mut bytes = vec_of_capacity(size)?;
    if cfg!(miri) {
        bytes.resize(size, 0);
    } else {
        // SAFETY: there is room for so many. They have no value yet, but nothing here looks at them before the C program,
        // which is handed their address, and whose doing cannot be known here, has had its turn. As in libzmq, one that
        // writes nothing sends what was there. Zeros would cost as much as writing the message does.
        #[allow(clippy::uninit_vec, reason = "see above")]
        unsafe {
            bytes.set_len(size);
        }
    }
    Ok(bytes.into())
}

/// A frame of a copy of `bytes`.
///
/// # Errors
/// `ENOMEM`.
pub(crate) fn frame_of_copy(bytes: &[u8]) -> Result<Frame> {
    if bytes.len() <= POOLED_MAX {
        return Ok(Frame::copy_from(bytes));
    }
    let mut copy = vec_of_capacity(bytes.len())?;
    copy.extend_from_slice(bytes);
    Ok(copy.into())
}

fn vec_of_capacity(size: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
    Ok(bytes)
}

/// What no bytes in memory are more than: a size above it is a negative number, say.
const SIZE_MAX: usize = isize::MAX as usize;

/// Bytes that a C program passes.
///
/// # Errors
/// `EFAULT`: no address, but a size. `ENOMEM`: so many cannot be.
///
/// # Safety
/// If there is an address, so many bytes are there, and nobody changes them during `'a`.
pub(crate) unsafe fn bytes_at<'a>(data: *const c_void, size: usize) -> Result<&'a [u8]> {
    if size == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(Errno::EFAULT);
    }
    if size > SIZE_MAX {
        return Err(Errno::ENOMEM);
    }
    // SAFETY: the caller's duty; it is no more than can be there.
    Ok(unsafe { slice::from_raw_parts(data.cast(), size) })
}

/// Writes an initialised message to `message`, whose old contents do not count.
///
/// # Safety
/// `message` is null, or memory for a `zmq_msg_t`.
#[inline]
unsafe fn initialise(message: *mut zmq_msg_t, value: impl FnOnce() -> Result<zmq_msg_t>) -> c_int {
    call(|| {
        if message.is_null() || !message.is_aligned() {
            return Err(Errno::EFAULT);
        }
        let value = value()?;
        // SAFETY: it is memory for one.
        unsafe { message.write(value) };
        Ok(0)
    })
}

/// Makes `message` an empty message. Never fails, unless it is null.
///
/// # Safety
/// `message` is memory for a `zmq_msg_t`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_init(message: *mut zmq_msg_t) -> c_int {
    // SAFETY: the caller's duty.
    unsafe { initialise(message, || Ok(zmq_msg_t::new())) }
}

/// Makes `message` a message of `size` bytes for the program to write; they hold anything at first.
///
/// `ENOMEM`: there is no memory for them; also of a size that no machine has.
///
/// # Safety
/// `message` is memory for a `zmq_msg_t`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_init_size(message: *mut zmq_msg_t, size: usize) -> c_int {
    // SAFETY: the caller's duty.
    unsafe { initialise(message, || Ok(zmq_msg_t::filled(frame_of_size(size)?, SOLE, 0))) }
}

/// Makes `message` a copy of the `size` bytes at `data`. `ENOMEM` as [`zmq_msg_init_size`].
///
/// # Safety
/// `message` is memory for a `zmq_msg_t`; so many bytes are at `data`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_init_buffer(
    message: *mut zmq_msg_t,
    data: *const c_void,
    size: usize,
) -> c_int {
    let make = || {
        // SAFETY: the caller's duty.
        let bytes = unsafe { bytes_at(data, size) }?;
        Ok(zmq_msg_t::filled(frame_of_copy(bytes)?, SOLE, 0))
    };
    // SAFETY: the caller's duty.
    unsafe { initialise(message, make) }
}

/// Makes `message` the `size` bytes at `data`, without copying them, however few they are.
///
/// Once no message has them any more, `free(data, hint)` is called, once, by whichever thread that happens on, with no lock
/// of this library held: it may call any of its functions. If `free` is null, the bytes have to stay for ever.
///
/// # Safety
/// `message` is memory for a `zmq_msg_t`; so many bytes are at `data` until `free` is called, and nobody changes them once
/// the message was sent or copied; any thread may call `free`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_init_data(
    message: *mut zmq_msg_t,
    data: *mut c_void,
    size: usize,
    free: Option<FreeFn>,
    hint: *mut c_void,
) -> c_int {
    let make = || {
        if data.is_null() && size > 0 {
            return Err(Errno::EFAULT);
        }
        if size > SIZE_MAX {
            return Err(Errno::ENOMEM);
        }
        // For `Frame::as_mut_ptr`: the program may write there until it sends.
        let _ = data.expose_provenance();
        let owner = Foreign { data: data.cast(), size, free, hint };
        // What is never freed may be in any number of messages, for all that is known here.
        let flags = if free.is_some() { SOLE } else { 0 };
        Ok(zmq_msg_t::filled(Frame::from_owner(owner), flags, 0))
    };
    // SAFETY: the caller's duty.
    unsafe { initialise(message, make) }
}

/// Drops what is in `message`, which is not initialised after this. `EFAULT` if it was not before.
///
/// # Safety
/// `message` is null, or a `zmq_msg_t` that nobody else uses.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_close(message: *mut zmq_msg_t) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        let message = unsafe { zmq_msg_t::at(message) }?;
        let old = mem::replace(message, zmq_msg_t::new());
        message.set_head(0);
        old.discard();
        Ok(0)
    })
}

/// Moves what is in `source` to `target`; what was there is dropped, and `source` is empty after this. Moved to itself, a
/// message stays as it is. `EFAULT` if one of them is not initialised.
///
/// # Safety
/// Both are null, or a `zmq_msg_t` that nobody else uses.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_move(target: *mut zmq_msg_t, source: *mut zmq_msg_t) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        let message = unsafe { zmq_msg_t::at(source) }?;
        if ptr::eq(target, source) {
            return Ok(0);
        }
        // SAFETY: the caller's duty; it is another one.
        let target = unsafe { zmq_msg_t::at(target) }?;
        let old = mem::replace(target, mem::replace(message, zmq_msg_t::new()));
        old.discard();
        Ok(0)
    })
}

/// Makes `target` a copy of `source`; what was there is dropped. A long message is shared by the two and not copied, so
/// neither should be written after this. `EFAULT` if one of them is not initialised.
///
/// # Safety
/// Both are null, or a `zmq_msg_t` that nobody else uses.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_copy(target: *mut zmq_msg_t, source: *mut zmq_msg_t) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        let message = unsafe { zmq_msg_t::at(source) }?;
        if ptr::eq(target, source) {
            return Ok(0);
        }
        // SAFETY: the caller's duty; it is another one.
        let target = unsafe { zmq_msg_t::at(target) }?;
        let (flags, metadata) = (message.head() & MORE, message.metadata());
        // Out and in again: a frame may note in itself that it was cloned.
        let frame = mem::replace(message, zmq_msg_t::new()).into_frame();
        let copy = frame.clone();
        *message = zmq_msg_t::filled(frame, flags, metadata);
        metadata::retain(metadata);
        let old = mem::replace(target, zmq_msg_t::filled(copy, flags, metadata));
        old.discard();
        Ok(0)
    })
}

/// The bytes of `message`, which the program may write before it is sent. Good until the message is sent, received into,
/// moved or closed. Null with `EFAULT` if it is not initialised.
///
/// # Safety
/// `message` is null, or a `zmq_msg_t` that nobody else uses.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_data(message: *mut zmq_msg_t) -> *mut c_void {
    // SAFETY: the caller's duty.
    call(|| Ok(unsafe { zmq_msg_t::at(message) }?.data().cast()))
}

/// How many bytes `message` has. 0 with `EFAULT` if it is not initialised.
///
/// # Safety
/// `message` is null, or a `zmq_msg_t` that nobody changes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_size(message: *const zmq_msg_t) -> usize {
    // SAFETY: the caller's duty.
    call(|| Ok(unsafe { zmq_msg_t::look_at(message) }?.size()))
}

/// 1 if frames of the same message follow the one received as `message`, else 0. -1 with `EFAULT` if it is not
/// initialised.
///
/// # Safety
/// `message` is null, or a `zmq_msg_t` that nobody changes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_more(message: *const zmq_msg_t) -> c_int {
    // SAFETY: the caller's duty.
    call(|| Ok(unsafe { zmq_msg_t::look_at(message) }?.more().into()))
}

/// A property of `message`: `ZMQ_MORE` as [`zmq_msg_more`]; `ZMQ_SHARED`, 1 if another message may have the same memory;
/// `ZMQ_SRCFD`, the descriptor of the connection it came by, -1 with `EINVAL` if that is not known. Of others, -1 with
/// `EINVAL`.
///
/// # Safety
/// `message` is null, or a `zmq_msg_t` that nobody changes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_get(message: *const zmq_msg_t, property: c_int) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        let message = unsafe { zmq_msg_t::look_at(message) }?;
        match property {
            ZMQ_MORE => Ok(message.more().into()),
            ZMQ_SHARED => Ok(message.is_shared().into()),
            // SAFETY: the message holds a count.
            ZMQ_SRCFD => unsafe { metadata::get(message.metadata()) }
                .and_then(|metadata| metadata.descriptor())
                .ok_or(Errno::EINVAL),
            _ => Err(Errno::EINVAL),
        }
    })
}

/// Fails with `EINVAL`: no property can be set, as in libzmq.
///
/// # Safety
/// `message` is null, or a `zmq_msg_t` that nobody else uses.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_set(message: *mut zmq_msg_t, _property: c_int, _value: c_int) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        unsafe { zmq_msg_t::at(message) }?;
        Err(Errno::EINVAL)
    })
}

/// What is known of who sent `message`: `Socket-Type`, `Routing-Id` (or `Identity`), `Peer-Address`, `User-Id`, and
/// `X-...`. Good until the message is closed. Null with `EINVAL` if it is not known, as of every message that came over
/// `inproc://`.
///
/// # Safety
/// `message` is null, or a `zmq_msg_t` that nobody changes; `property` is null, or a string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_gets(message: *const zmq_msg_t, property: *const c_char) -> *const c_char {
    call(|| {
        // SAFETY: the caller's duty.
        let message = unsafe { zmq_msg_t::look_at(message) }?;
        if property.is_null() {
            return Err(Errno::EINVAL);
        }
        // SAFETY: it is a string.
        let property = unsafe { CStr::from_ptr(property) };
        // SAFETY: the message holds a count.
        let metadata = unsafe { metadata::get(message.metadata()) }.ok_or(Errno::EINVAL)?;
        Ok(metadata.property(property).ok_or(Errno::EINVAL)?.as_ptr())
    })
}

/// Draft. Says which peer of a SERVER or PEER socket `message` is for; there are no such sockets here yet. `EINVAL` if
/// `id` is 0.
///
/// # Safety
/// `message` is null, or a `zmq_msg_t` that nobody else uses.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_set_routing_id(message: *mut zmq_msg_t, id: u32) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        let message = unsafe { zmq_msg_t::at(message) }?;
        if id == 0 {
            return Err(Errno::EINVAL);
        }
        message.amend(|metadata| metadata.routing_id = id)?;
        Ok(0)
    })
}

/// Draft. What [`zmq_msg_set_routing_id`] has set; 0 if nothing.
///
/// # Safety
/// `message` is null, or a `zmq_msg_t` that nobody else uses.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_routing_id(message: *mut zmq_msg_t) -> u32 {
    call(|| {
        // SAFETY: the caller's duty.
        let message = unsafe { zmq_msg_t::look_at(message) }?;
        // SAFETY: the message holds a count.
        Ok(unsafe { metadata::get(message.metadata()) }.map_or(0, |metadata| metadata.routing_id))
    })
}

/// Draft. Says to which group a RADIO sends `message`; there are no such sockets here yet. `EINVAL` if the name is longer
/// than 255 bytes.
///
/// # Safety
/// `message` is null, or a `zmq_msg_t` that nobody else uses; `group` is null, or a string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_set_group(message: *mut zmq_msg_t, group: *const c_char) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        let message = unsafe { zmq_msg_t::at(message) }?;
        if group.is_null() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: it is a string.
        let group = unsafe { CStr::from_ptr(group) };
        if group.count_bytes() > ZMQ_GROUP_MAX_LENGTH as usize {
            return Err(Errno::EINVAL);
        }
        message.amend(|metadata| metadata.group = group.into())?;
        Ok(0)
    })
}

/// Draft. What [`zmq_msg_set_group`] has set; an empty string if nothing. Good until the message is closed or its group is
/// set again.
///
/// # Safety
/// `message` is null, or a `zmq_msg_t` that nobody else uses.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_group(message: *mut zmq_msg_t) -> *const c_char {
    call(|| {
        // SAFETY: the caller's duty.
        let message = unsafe { zmq_msg_t::look_at(message) }?;
        // SAFETY: the message holds a count.
        Ok(unsafe { metadata::get(message.metadata()) }.map_or(c"", |metadata| &metadata.group).as_ptr())
    })
}

#[cfg(test)]
mod tests;
