//! [`Frame`], a piece of bytes, and [`Kind`], how it keeps them.
//!
//! # Why this is not an enum
//!
//! It was one, in safe code. The compiler moved it as a tag byte and 55 bytes at odd offsets, and each move stalled the
//! next: a processor forwards a recent store only to a load it covers. Eight words, moved as words, took a send and
//! a receive in one thread from 128 to 40 ns (2026-11, Emerald Rapids).

#![allow(clippy::disallowed_types, reason = "loom's cell is larger than a word, and no model looks into a frame")]

use std::{
    borrow::Cow,
    cell::UnsafeCell,
    fmt, hash,
    mem::{self, ManuallyDrop, MaybeUninit},
    ops::Deref,
    ptr, slice,
};

use bytes::Bytes;

use super::pool::{Block, POOLED_MAX};

/// Most bytes that live inside a frame.
pub const INLINE_MAX: usize = 56;

/// A piece of bytes: immutable, cheap to move (64 bytes), cheap to clone when long.
///
/// Invariant: `kind` says what `payload` holds.
///
/// | kind | payload |
/// |---|---|
/// | a length up to [`INLINE_MAX`] | so many bytes, the rest uninitialised |
/// | `Pooled` | a `Block` |
/// | `Shared` | a [`Bytes`] |
#[repr(C, align(8))]
pub struct Frame {
    kind: Kind,
    /// A cell, because a `Bytes` writes to itself when it is first cloned, through a shared reference.
    payload: UnsafeCell<Payload>,
}

/// What a frame's bytes are kept in, as words.
pub(crate) type Payload = [MaybeUninit<u64>; INLINE_MAX / 8];

const _: () = assert!(size_of::<Frame>() == 64 && align_of::<Frame>() == 8);
const _: () = assert!(size_of::<Block>() <= size_of::<Payload>() && align_of::<Block>() <= 8);
const _: () = assert!(size_of::<Bytes>() <= size_of::<Payload>() && align_of::<Bytes>() <= 8);

// SAFETY: the bytes, the block and the `Bytes` a frame may hold are all `Send`.
unsafe impl Send for Frame {}
// SAFETY: and `Sync`; a shared frame hands out shared references only.
unsafe impl Sync for Frame {}

impl Frame {
    /// A frame of no bytes.
    pub const fn new() -> Self {
        Self { kind: Kind::L0, payload: Self::unwritten() }
    }

    #[inline(always)]
    const fn unwritten() -> UnsafeCell<Payload> {
        UnsafeCell::new([const { MaybeUninit::uninit() }; INLINE_MAX / 8])
    }

    /// Copies `bytes`. Allocates only above [`POOLED_MAX`] bytes, or when the thread's pool is empty.
    #[inline]
    pub fn copy_from(bytes: &[u8]) -> Self {
        let Some(kind) = Kind::inline(bytes.len()) else { return Self::copy_from_long(bytes) };
        let frame = Self { kind, payload: Self::unwritten() };
        // SAFETY: the payload has room for so many bytes, and is not what `bytes` is.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), frame.payload.get().cast(), bytes.len()) };
        frame
    }

    /// As `*self = Frame::copy_from(bytes)`, but straight to its place: a decoder's frames.
    #[inline]
    pub(crate) fn assign_copy(&mut self, bytes: &[u8]) {
        let Some(kind) = Kind::inline(bytes.len()) else {
            *self = Self::copy_from_long(bytes);
            return;
        };
        // An empty frame at first: what was here is dropped now, and its destructor may panic.
        *self = Self { kind: Kind::L0, payload: Self::unwritten() };
        let place = self.payload.get_mut().as_mut_ptr().cast();
        // SAFETY: the payload has room for so many bytes, and is not what `bytes` is.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
        self.kind = kind;
    }

    /// As `*self = …`, of a frame of `len` bytes inside itself which `fill` writes straight to their place. It is given that many
    /// bytes, and those of its place behind them, to `room` in all.
    ///
    /// # Panics
    /// Panics if `room` is less than `len`, or more than [`INLINE_MAX`].
    ///
    /// # Safety
    /// `fill` has initialised `len` bytes when it returns.
    #[inline(always)]
    pub(crate) unsafe fn assign_filled(&mut self, len: usize, room: usize, fill: impl FnOnce(&mut [MaybeUninit<u8>])) {
        assert!(len <= room && room <= INLINE_MAX, "a frame has {INLINE_MAX} bytes inside itself");
        // An empty frame at first: what was here is dropped now, and its destructor may panic, as `fill` may.
        *self = Self { kind: Kind::L0, payload: Self::unwritten() };
        let place = self.payload.get_mut().as_mut_ptr().cast();
        // SAFETY: the payload has room for so many bytes, and nobody else reaches them; uninitialised ones may be anything.
        fill(unsafe { slice::from_raw_parts_mut(place, room) });
        if let Some(kind) = Kind::inline(len) {
            self.kind = kind;
        }
    }

    /// As `*self = Frame::pooled_with(len, fill)`, but straight to its place.
    ///
    /// # Panics
    /// Panics if `len` is above [`POOLED_MAX`].
    #[inline(always)]
    pub(crate) fn assign_pooled(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) {
        let block = Block::filled(len, fill);
        // As in `assign_filled`.
        *self = Self { kind: Kind::L0, payload: Self::unwritten() };
        // SAFETY: a block fits (asserted above).
        unsafe { self.payload.get_mut().as_mut_ptr().cast::<Block>().write(block) };
        self.kind = Kind::Pooled;
    }

    #[inline(never)]
    fn copy_from_long(bytes: &[u8]) -> Self {
        if bytes.len() > POOLED_MAX {
            return Self::owned(bytes.to_vec());
        }
        Self::pooled_with(bytes.len(), |block| block.copy_from_slice(bytes))
    }

    /// A frame of `len` bytes, written in place by `fill`: it is given the frame's own memory, whose contents are
    /// arbitrary, and saves the copy of a buffer. Allocates as [`Frame::copy_from`] does.
    ///
    /// ```
    /// # use ringway::Frame;
    /// let frame = Frame::build(8, |bytes| bytes.copy_from_slice(&7_u64.to_le_bytes()));
    /// assert_eq!(frame, [7, 0, 0, 0, 0, 0, 0, 0]);
    /// ```
    #[inline]
    pub fn build(len: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let Some(kind) = Kind::inline(len) else { return Self::build_long(len, fill) };
        let mut frame = Self { kind, payload: UnsafeCell::new([const { MaybeUninit::new(0) }; INLINE_MAX / 8]) };
        // SAFETY: the payload has room for so many bytes, and all of them are initialised.
        fill(unsafe { slice::from_raw_parts_mut(frame.payload.get_mut().as_mut_ptr().cast(), len) });
        frame
    }

    fn build_long(len: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        if len <= POOLED_MAX {
            return Self::pooled_with(len, fill);
        }
        let mut bytes = vec![0; len];
        fill(&mut bytes);
        Self::owned(bytes)
    }

    /// Copies nothing; `bytes` is dropped by whoever drops the last clone of the frame, on that thread.
    pub fn from_static(bytes: &'static [u8]) -> Self {
        Self::shared(Bytes::from_static(bytes))
    }

    /// Shares the memory of `owner` without copying, whatever its length. `owner` is dropped with the last clone of the
    /// frame, exactly once, on the thread that drops it, with no lock of this library held.
    ///
    /// ```
    /// # use ringway::Frame;
    /// let image: std::sync::Arc<[u8]> = vec![7; 1 << 20].into();
    /// let frame = Frame::from_owner(image.clone());
    /// assert_eq!(frame.as_ptr(), image.as_ptr());
    /// ```
    pub fn from_owner<T: AsRef<[u8]> + Send + 'static>(owner: T) -> Self {
        Self::shared(Bytes::from_owner(owner))
    }

    /// The payload.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        let payload = self.payload.get();
        match self.kind {
            // SAFETY: a pooled frame holds a block.
            Kind::Pooled => unsafe { &*payload.cast::<Block>() },
            // SAFETY: a shared frame holds a `Bytes`.
            Kind::Shared => unsafe { &*payload.cast::<Bytes>() },
            // SAFETY: otherwise the kind is the number of bytes that are initialised.
            length => unsafe { slice::from_raw_parts(payload.cast(), length as usize) },
        }
    }

    /// The payload as text.
    ///
    /// # Errors
    /// The bytes are not UTF-8.
    pub fn as_str(&self) -> Result<&str, std::str::Utf8Error> {
        std::str::from_utf8(self)
    }

    /// The payload as [`Bytes`]: free when shared already, a copy when short.
    pub fn into_bytes(self) -> Bytes {
        if !self.is_shared() {
            return Bytes::copy_from_slice(&self);
        }
        let frame = ManuallyDrop::new(self);
        // SAFETY: a shared frame holds a `Bytes`, and this one is not dropped.
        unsafe { frame.payload.get().cast::<Bytes>().read() }
    }

    /// The frame as eight words, for who keeps frames in memory of another language's: a C struct of 64 bytes that is aligned
    /// to 8. The first word is initialised and below 64; the others may be anything, pointers among them. Words that do not
    /// become a frame again by [`Frame::from_words`] are a leak, and nothing worse.
    ///
    /// ```
    /// # use ringway::Frame;
    /// let words = Frame::from("kept elsewhere").into_words();
    /// // SAFETY: the words of a frame, used once.
    /// assert_eq!(unsafe { Frame::from_words(words) }, "kept elsewhere");
    /// ```
    pub const fn into_words(self) -> [MaybeUninit<u64>; 8] {
        // SAFETY: a frame is eight words, any of which may be uninitialised here; its invariants go with them.
        unsafe { mem::transmute(self) }
    }

    /// The frame that [`Frame::into_words`] has made into `words`.
    ///
    /// # Safety
    /// They are what `into_words` returned, all eight, and no other frame is made of them. They may have been moved as bytes,
    /// and to another thread, by what keeps pointers intact.
    pub const unsafe fn from_words(words: [MaybeUninit<u64>; 8]) -> Self {
        // SAFETY: the caller's duty: they were a frame.
        unsafe { mem::transmute(words) }
    }

    /// The payload's bytes, to be written from outside Rust: by a C program into a message of its own. Good until the frame
    /// is moved, cloned or dropped.
    ///
    /// Writing is sound for a frame whose bytes are nobody else's: one made by [`Frame::copy_from`] or [`Frame::build`], or
    /// of a `Vec`, and not cloned since. Other frames share theirs, with clones or with an owner; who may write there, and
    /// when, is between the program and the owner.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        let payload = self.payload.get_mut().as_mut_ptr();
        match self.kind {
            // SAFETY: a pooled frame holds a block, and it is borrowed exclusively.
            Kind::Pooled => unsafe { (*payload.cast::<Block>()).as_mut_ptr() },
            // A `Bytes` gives a pointer to read by. Who made the memory has exposed it (`Self::owned`).
            Kind::Shared => ptr::with_exposed_provenance_mut(self.as_bytes().as_ptr().addr()),
            _ => payload.cast(),
        }
    }

    /// Is the payload shared, so that a clone costs a reference count and not a copy?
    #[inline]
    pub const fn is_shared(&self) -> bool {
        matches!(self.kind, Kind::Shared)
    }

    /// A shared frame whose memory was nobody else's until now.
    fn owned(mut bytes: Vec<u8>) -> Self {
        // For `as_mut_ptr`.
        let _ = bytes.as_mut_ptr().expose_provenance();
        Self::shared(bytes.into())
    }

    fn shared(bytes: Bytes) -> Self {
        let frame = Self { kind: Kind::Shared, payload: Self::unwritten() };
        // SAFETY: a `Bytes` fits (asserted above).
        unsafe { frame.payload.get().cast::<Bytes>().write(bytes) };
        frame
    }

    /// A frame of `len` bytes (to [`POOLED_MAX`]) from the pool, filled by `fill`.
    ///
    /// # Panics
    /// Panics if `len` is above [`POOLED_MAX`].
    #[inline]
    pub(crate) fn pooled_with(len: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        Self::of_block(Block::filled(len, fill))
    }

    #[inline]
    pub(super) fn of_block(block: Block) -> Self {
        let frame = Self { kind: Kind::Pooled, payload: Self::unwritten() };
        // SAFETY: a block fits (asserted above).
        unsafe { frame.payload.get().cast::<Block>().write(block) };
        frame
    }

    /// Do the bytes live in a pooled block?
    #[inline(always)]
    pub(crate) const fn is_pooled(&self) -> bool {
        matches!(self.kind, Kind::Pooled)
    }

    #[inline(always)]
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// What the frame is kept in, to be moved elsewhere.
    #[inline(always)]
    pub(crate) fn payload(&self) -> &Payload {
        // SAFETY: whoever moves a frame owns it, so nobody clones it meanwhile, which alone writes through the cell.
        unsafe { &*self.payload.get() }
    }

    /// The frame whose kind and payload were moved elsewhere.
    ///
    /// # Safety
    /// Both are those of one frame, which was forgotten, and only one frame is made of them.
    #[inline(always)]
    pub(crate) unsafe fn from_parts(kind: Kind, payload: Payload) -> Self {
        Self { kind, payload: UnsafeCell::new(payload) }
    }

    /// As `*self = Frame::from_parts(kind, *payload)`, but copied in the pieces the compiler moves a message in: two
    /// words, then pairs of words. Pieces that straddle them would stall the next move.
    ///
    /// # Safety
    /// As for [`Frame::from_parts`].
    #[inline(always)]
    pub(crate) unsafe fn assign_parts(&mut self, kind: Kind, payload: &Payload) {
        // An empty frame at first: what was here is dropped now, and its destructor may panic.
        *self = Self { kind: Kind::L0, payload: Self::unwritten() };
        let place = self.payload.get_mut();
        place[0] = payload[0];
        for pair in (1..INLINE_MAX / 8).step_by(2) {
            // From the whole: a pointer to one word may not be used for two.
            let (from, to) = (payload.as_ptr().wrapping_add(pair), place.as_mut_ptr().wrapping_add(pair));
            // SAFETY: two words from `pair` on are within both payloads, which are not the same.
            unsafe { ptr::copy_nonoverlapping(from.cast::<[u64; 2]>(), to.cast(), 1) };
        }
        self.kind = kind;
    }

    #[cold]
    #[inline(never)]
    fn drop_slow(&mut self) {
        let payload = self.payload.get();
        match self.kind {
            // SAFETY: a pooled frame holds a block, and this is its drop.
            Kind::Pooled => unsafe { ptr::drop_in_place(payload.cast::<Block>()) },
            // SAFETY: a shared frame holds a `Bytes`, and this is its drop.
            Kind::Shared => unsafe { ptr::drop_in_place(payload.cast::<Bytes>()) },
            _ => {}
        }
    }
}

impl Drop for Frame {
    #[inline(always)]
    fn drop(&mut self) {
        if matches!(self.kind, Kind::Pooled | Kind::Shared) {
            self.drop_slow();
        }
    }
}

impl Deref for Frame {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Clone for Frame {
    #[inline]
    fn clone(&self) -> Self {
        match self.kind {
            Kind::Pooled => Self::copy_from(self),
            // SAFETY: a shared frame holds a `Bytes`.
            Kind::Shared => Self::shared(unsafe { &*self.payload.get().cast::<Bytes>() }.clone()),
            // SAFETY: nobody writes through the cell of a frame whose bytes are inside it.
            kind => Self { kind, payload: UnsafeCell::new(unsafe { *self.payload.get() }) },
        }
    }
}

impl Default for Frame {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Frame {}

/// By its bytes, wherever they live: equal frames hash alike.
impl hash::Hash for Frame {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

macro_rules! compares_with {
    ($([$($generics:tt)*] $bytes:ty),*) => {$(
        impl<$($generics)*> PartialEq<$bytes> for Frame {
            fn eq(&self, other: &$bytes) -> bool {
                let other: &[u8] = other.as_ref();
                self.as_bytes() == other
            }
        }
    )*};
}

compares_with!([] [u8], [] &[u8], [] str, [] &str, [] String, [] Vec<u8>, [] Bytes);
compares_with!([const N: usize] [u8; N], [const N: usize] &[u8; N]);

impl fmt::Debug for Frame {
    /// The length and the first 32 bytes, escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self[..self.len().min(32)];
        let more = if shown.len() < self.len() { "…" } else { "" };
        write!(f, "Frame({} B, \"{}{more}\")", self.len(), shown.escape_ascii())
    }
}

impl From<&[u8]> for Frame {
    #[inline]
    fn from(bytes: &[u8]) -> Self {
        Self::copy_from(bytes)
    }
}

impl<const N: usize> From<&[u8; N]> for Frame {
    #[inline]
    fn from(bytes: &[u8; N]) -> Self {
        Self::copy_from(bytes)
    }
}

impl<const N: usize> From<[u8; N]> for Frame {
    #[inline]
    fn from(bytes: [u8; N]) -> Self {
        Self::copy_from(&bytes)
    }
}

impl From<&str> for Frame {
    #[inline]
    fn from(text: &str) -> Self {
        Self::copy_from(text.as_bytes())
    }
}

impl From<Vec<u8>> for Frame {
    /// Takes the vector's memory when longer than [`POOLED_MAX`]; copies it otherwise.
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.len() > POOLED_MAX { Self::owned(bytes) } else { Self::copy_from(&bytes) }
    }
}

impl From<Box<[u8]>> for Frame {
    fn from(bytes: Box<[u8]>) -> Self {
        bytes.into_vec().into()
    }
}

impl From<String> for Frame {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<Cow<'_, [u8]>> for Frame {
    fn from(bytes: Cow<'_, [u8]>) -> Self {
        match bytes {
            Cow::Borrowed(bytes) => bytes.into(),
            Cow::Owned(bytes) => bytes.into(),
        }
    }
}

impl From<Bytes> for Frame {
    /// Shares `bytes` when it would not fit into the frame; copies it otherwise.
    fn from(bytes: Bytes) -> Self {
        if bytes.len() > INLINE_MAX { Self::shared(bytes) } else { Self::copy_from(&bytes) }
    }
}

/// How a frame keeps its bytes. Eight bytes wide, so that a frame is made of words and nothing else; with values to
/// spare, so that `Option<Message>` is no larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
#[rustfmt::skip]
#[allow(dead_code, reason = "made by number, in `from_code`")]
pub(crate) enum Kind {
    // The number of bytes inside the frame.
    L0, L1, L2, L3, L4, L5, L6, L7, L8, L9, L10, L11, L12, L13,
    L14, L15, L16, L17, L18, L19, L20, L21, L22, L23, L24, L25, L26, L27,
    L28, L29, L30, L31, L32, L33, L34, L35, L36, L37, L38, L39, L40, L41,
    L42, L43, L44, L45, L46, L47, L48, L49, L50, L51, L52, L53, L54, L55,
    L56,
    Pooled,
    Shared,
}

const _: () = assert!(Kind::L56 as usize == INLINE_MAX && Kind::Shared as u64 == 58);

impl Kind {
    /// The kind of a frame of `len` bytes inside it, if so many fit.
    #[inline(always)]
    fn inline(len: usize) -> Option<Self> {
        // SAFETY: the kinds up to `L56` are numbered by their lengths (asserted above).
        (len <= INLINE_MAX).then(|| unsafe { Self::from_code(len as u32) })
    }

    /// As a number below 64.
    #[inline(always)]
    pub(crate) fn code(self) -> u32 {
        self as u32
    }

    /// # Safety
    /// `code` is the code of a kind.
    #[inline(always)]
    pub(crate) unsafe fn from_code(code: u32) -> Self {
        debug_assert!(code <= Self::Shared as u32);
        // SAFETY: the caller's duty; kinds are numbered without gaps.
        unsafe { std::mem::transmute::<u64, Self>(u64::from(code)) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_inline_length_counts_itself() {
        for len in 0..=INLINE_MAX {
            assert_eq!(Kind::inline(len).map(|kind| kind.code() as usize), Some(len));
        }
        assert_eq!(Kind::inline(INLINE_MAX + 1), None);
    }

    #[test]
    fn owner_is_dropped_once_with_the_last_clone() {
        struct Owner(#[expect(dead_code, reason = "only ever counted")] Arc<()>, [u8; 3]);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                &self.1
            }
        }
        let alive = Arc::new(());
        let frame = Frame::from_owner(Owner(alive.clone(), *b"abc"));
        let clone = frame.clone();
        assert!(frame == b"abc" && clone == b"abc");
        drop(frame);
        assert_eq!(Arc::strong_count(&alive), 2);
        drop(clone);
        assert_eq!(Arc::strong_count(&alive), 1);
    }

    #[test]
    fn long_vectors_and_bytes_are_not_copied() {
        let vec = vec![1; POOLED_MAX + 1];
        let at = vec.as_ptr();
        assert_eq!(Frame::from(vec).as_ptr(), at);
        let bytes = Bytes::from(vec![1; INLINE_MAX + 1]);
        let at = bytes.as_ptr();
        assert_eq!(Frame::from(bytes).into_bytes().as_ptr(), at);
    }

    /// A frame of each kind, and what it holds.
    fn of_every_kind() -> Vec<(Frame, Vec<u8>)> {
        let lengths = [0, 1, INLINE_MAX, INLINE_MAX + 1, POOLED_MAX, POOLED_MAX + 1, 10_000];
        let filled = |len: usize| (0..len).map(|byte| byte as u8).collect::<Vec<_>>();
        lengths.into_iter().map(|len| (Frame::copy_from(&filled(len)), filled(len))).collect()
    }

    #[test]
    fn words_are_a_frame_again() {
        for (frame, bytes) in of_every_kind() {
            let words = frame.into_words();
            // SAFETY: the first word is initialised.
            assert!(unsafe { words[0].assume_init() } < 64);
            let elsewhere = Box::new(words);
            let again = std::thread::spawn(move || {
                // SAFETY: the words of a frame, used once.
                unsafe { Frame::from_words(*elsewhere) }
            });
            assert_eq!(again.join().unwrap(), bytes);
        }
    }

    #[test]
    fn words_own_what_the_frame_did() {
        let alive = Arc::new([7; 300]);
        struct Owner(Arc<[u8; 300]>);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                &self.0[..]
            }
        }
        let words = Frame::from_owner(Owner(alive.clone())).into_words();
        assert_eq!(Arc::strong_count(&alive), 2);
        // SAFETY: the words of a frame, used once.
        drop(unsafe { Frame::from_words(words) });
        assert_eq!(Arc::strong_count(&alive), 1);
    }

    #[test]
    fn bytes_are_written_where_they_are() {
        let built = |len| Frame::build(len, |bytes| bytes.fill(0));
        let taken = |len| Frame::from(vec![0; len]);
        let spacious = |len| {
            let mut bytes = Vec::with_capacity(2 * len);
            bytes.resize(len, 0);
            Frame::from(bytes)
        };
        for (_, bytes) in of_every_kind() {
            for mut frame in [built(bytes.len()), taken(bytes.len()), spacious(bytes.len())] {
                let place = frame.as_mut_ptr();
                assert_eq!(place.cast_const(), frame.as_ptr());
                // SAFETY: so many bytes are there, and nobody else's.
                unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
                assert_eq!(frame, bytes);
                let again = frame.as_mut_ptr();
                if let Some(last) = bytes.len().checked_sub(1) {
                    // SAFETY: likewise.
                    unsafe { again.wrapping_add(last).write(99) };
                    assert_eq!(frame[last], 99);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back_as_they_went_in(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let frame = Frame::copy_from(&bytes);
            prop_assert_eq!(&frame.clone(), &bytes);
            for mut place in [Frame::new(), Frame::copy_from(&[1; 100]), Frame::from(vec![1; 300])] {
                place.assign_copy(&bytes);
                prop_assert_eq!(&place, &bytes);
            }
            prop_assert_eq!(&Frame::build(bytes.len(), |place| place.copy_from_slice(&bytes)), &bytes);
            prop_assert_eq!(&Frame::from(bytes.clone()), &bytes);
            prop_assert_eq!(&Frame::from(Bytes::from(bytes.clone())), &bytes);
            prop_assert_eq!(frame.into_bytes(), bytes);
        }
    }
}
