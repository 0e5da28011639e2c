//! A ring from one writer that never waits to readers that learn what they lost. Publishing is O(1) and wait-free
//! whatever the readers do; allocates only in [`ring`].
//!
//! ```text
//! slot        | version | word | word | ...        words of 8 bytes, rounded up to 16, 32 or 64 bytes
//! version     2·position + 1    the item of `position` is being written
//!             2·position + 2    the slot holds the item of `position`
//! ```
//!
//! Each slot is a sequence lock. The writer makes the version odd, writes the words, makes it even. A reader waiting for
//! `position` copies the words if the version is the one it awaits, and looks at the version again: if it is still the
//! same, the copy is the item, otherwise the item was overwritten and the copy is forgotten. All words are atomic, so
//! nothing here is a data race; the price is that items are [`Plain`]. After Boehm, "Can seqlocks get along with
//! programming language memory models?" (2012).
//!
//! A reader that fell behind skips to the oldest item still there and says how many it skipped. Since its position
//! moves only by items delivered and items reported lost, the counts are exact: at every moment
//! `delivered + lost = position - where it subscribed`.
//!
//! | published by | read by | what it carries |
//! |---|---|---|
//! | even version, Release, [`Writer::push`] | Acquire, [`Reader::pop`], first look | the words |
//! | odd version, Release fence, [`Writer::push`] | Acquire fence, [`Reader::pop`], second look | that the words are changing |
//! | `tail`, Release, [`Writer::push`] | Acquire, subscribing and lagging readers | the versions before it |
//! | `writer_gone`, Release, drop | Acquire, [`Reader::pop`] before Closed | the last versions |
//!
//! ```compile_fail,E0277
//! ringway::ring::broadcast::lossy::ring::<String>(8); // not plain data
//! ```
//! ```compile_fail,E0277
//! let (writer, _) = ringway::ring::broadcast::lossy::ring::<u64>(8).unwrap();
//! std::thread::scope(|s| { s.spawn(|| writer.capacity()); }); // a writer shared by reference
//! ```

use std::{error, fmt, marker::PhantomData, mem::MaybeUninit};

use super::{
    super::{
        CapacityError,
        cursor::Mask,
        slots::{Slots, Strided, View},
    },
    Plain,
};
use crate::sync::{Arc, AtomicBool, AtomicU64, CachePadded, Ordering, fence, planted, weakened};

/// Makes a ring that keeps the newest items: `capacity`, rounded up to a power of two.
///
/// Allocates the slots and touches their memory; nothing allocates later.
///
/// # Errors
///
/// [`CapacityError`] when `capacity` is zero or the slots cannot be allocated.
///
/// # Examples
///
/// ```
/// use ringway::ring::broadcast::lossy::{self, ReadError};
///
/// let (mut writer, subscriber) = lossy::ring(4)?;
/// let mut reader = subscriber.subscribe();
/// for i in 0..10 {
///     writer.push(i);
/// }
/// assert_eq!(reader.pop(), Err(ReadError::Lagged(6)));
/// assert_eq!(reader.pop(), Ok(6));
/// # Ok::<(), ringway::ring::CapacityError>(())
/// ```
pub fn ring<T: Plain>(capacity: usize) -> Result<(Writer<T>, Subscriber<T>), CapacityError> {
    ring_at(capacity, 0)
}

/// As [`ring`], with the first item at position `start`: tests begin shortly before versions or positions wrap.
pub(in crate::ring) fn ring_at<T: Plain>(
    capacity: usize,
    start: u64,
) -> Result<(Writer<T>, Subscriber<T>), CapacityError> {
    let mask = Mask::new(capacity)?;
    let words = mask.storage().checked_mul(row_len::<T>()).ok_or(CapacityError::TooLarge { capacity })?;
    // As if the lap before had been written: older than any version awaited.
    let before = start.wrapping_sub(mask.storage() as u64);
    let slots = Slots::new(words, |_| Word(AtomicU64::new(version(before).wrapping_sub(1))))?;
    let shared = Arc::new(Shared {
        tail: CachePadded::new(AtomicU64::new(start)),
        writer_gone: CachePadded::new(AtomicBool::new(false)),
        start,
        mask,
        slots,
    });
    let writer = Writer { tail: start, mask, slots: shared.slots.view(), shared: shared.clone(), items: PhantomData };
    Ok((writer, Subscriber { shared, items: PhantomData }))
}

/// The writing half: may move between threads, is never shared by two.
pub struct Writer<T> {
    /// Next position to write. Ours alone; equal to the published tail.
    tail: u64,
    mask: Mask,
    /// Copy of the slots' address; `shared` keeps them alive.
    slots: View<Word>,
    shared: Arc<Shared>,
    items: PhantomData<fn(T)>,
}

impl<T: Plain> Writer<T> {
    /// Publishes `value` to all readers, over the oldest item. Wait-free, O(1) in the number of readers.
    #[inline]
    pub fn push(&mut self, value: T) {
        self.write(value);
        self.publish();
    }

    /// Publishes copies of all `values`, in order. Wait-free. If there are more than the capacity, readers can get only
    /// the last of them.
    pub fn push_slice(&mut self, values: &[T]) {
        for &value in values {
            self.write(value);
        }
        self.publish();
    }

    /// How many items the ring keeps.
    pub fn capacity(&self) -> usize {
        self.mask.storage()
    }

    #[inline(always)]
    fn write(&mut self, value: T) {
        let row = row_len::<T>() * self.mask.index(self.tail);
        let done = version(self.tail);
        // Relaxed: ordered before the words by the fence.
        self.word(row).store(done.wrapping_sub(1), Ordering::Relaxed);
        if !planted("lossy: no release fence") {
            // Release: the odd version above; pairs with the Acquire fence in Reader::read.
            fence(Ordering::Release);
        }
        for (at, word) in words_of(&value).enumerate() {
            self.word(row + 1 + at).store(word, Ordering::Relaxed);
        }
        // Release: the words above; pairs with Acquire in Reader::read.
        self.word(row).store(done, weakened("lossy: version relaxed", Ordering::Release));
        self.tail = self.tail.wrapping_add(1);
    }

    /// Tells readers that look for the tail how far we are.
    #[inline(always)]
    fn publish(&mut self) {
        // Release: the versions before it; pairs with Acquire in Reader::lose and Subscriber.
        self.shared.tail.store(self.tail, weakened("lossy: tail relaxed", Ordering::Release));
    }

    #[inline(always)]
    fn word(&self, at: usize) -> &AtomicU64 {
        // SAFETY: a row of an index of `mask` lies inside the slots, which `shared` keeps alive.
        let word = unsafe { self.slots.at(at) };
        &word.0
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        // Release: the versions of all items; pairs with Acquire in Reader::is_closed.
        self.shared.writer_gone.store(true, weakened("lossy: writer_gone relaxed", Ordering::Release));
    }
}

impl<T> fmt::Debug for Writer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("position", &self.tail).finish_non_exhaustive()
    }
}

// SAFETY: the only writer; items are plain data, and the slots are atomics.
unsafe impl<T: Plain> Send for Writer<T> {}

/// Makes readers. May be cloned and shared.
pub struct Subscriber<T> {
    shared: Arc<Shared>,
    items: PhantomData<fn() -> T>,
}

impl<T: Plain> Subscriber<T> {
    /// A reader that starts with the next item to be pushed.
    pub fn subscribe(&self) -> Reader<T> {
        self.reader(self.tail())
    }

    /// A reader that starts with the oldest item still there.
    pub fn subscribe_oldest(&self) -> Reader<T> {
        let tail = self.tail();
        let kept = tail.wrapping_sub(self.shared.start).min(self.shared.mask.storage() as u64);
        self.reader(tail.wrapping_sub(kept))
    }

    fn tail(&self) -> u64 {
        // Acquire: the versions before it; pairs with Release in Writer::publish.
        self.shared.tail.load(Ordering::Acquire)
    }

    fn reader(&self, position: u64) -> Reader<T> {
        let shared = self.shared.clone();
        Reader { position, mask: shared.mask, slots: shared.slots.view(), shared, items: PhantomData }
    }
}

impl<T> Clone for Subscriber<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), items: PhantomData }
    }
}

impl<T> fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").finish_non_exhaustive()
    }
}

/// A reading half: sees every item from where it subscribed, or learns how many it lost. May move between threads, is
/// never shared by two; its clone goes on from the same item.
pub struct Reader<T> {
    /// Next position to read. Ours alone: nobody waits for us.
    position: u64,
    mask: Mask,
    /// Copy of the slots' address; `shared` keeps them alive.
    slots: View<Word>,
    shared: Arc<Shared>,
    items: PhantomData<fn() -> T>,
}

impl<T: Plain> Reader<T> {
    /// Copies the next item out. Wait-free.
    ///
    /// # Errors
    ///
    /// [`ReadError::Empty`] if there is none; [`ReadError::Closed`] if, besides, the writer is gone. Items pushed before
    /// it went are always delivered or reported lost first. [`ReadError::Lagged`] if the next items were overwritten:
    /// says how many, once, and goes on with the oldest still there (which may be overwritten too before the next call).
    #[inline]
    pub fn pop(&mut self) -> Result<T, ReadError> {
        match self.read() {
            Look::Item(value) => {
                self.position = self.position.wrapping_add(1);
                Ok(value)
            }
            Look::Nothing => self.pop_after_empty(),
            Look::Overwritten(ahead) => Err(self.lose(ahead)),
        }
    }

    /// Copies up to `max` items to the end of `out` and returns how many. `out` may allocate to grow. Stops before an
    /// item that was lost; the next call reports it.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop), if there is not even one (and `max` is not 0).
    pub fn pop_into(&mut self, out: &mut Vec<T>, max: usize) -> Result<usize, ReadError> {
        if max == 0 {
            return Ok(0);
        }
        out.push(self.pop()?);
        let mut len = 1;
        while len < max
            && let Look::Item(value) = self.read()
        {
            self.position = self.position.wrapping_add(1);
            out.push(value);
            len += 1;
        }
        Ok(len)
    }

    /// Skips to the next item to be pushed. Returns how many were skipped.
    pub fn skip_to_newest(&mut self) -> u64 {
        let skipped = self.len();
        self.position = self.position.wrapping_add(skipped);
        skipped
    }

    /// How many items were pushed and neither delivered to us nor reported lost; some may be overwritten already. May be
    /// more at any time; cannot be fewer behind your back.
    pub fn len(&self) -> u64 {
        // Acquire: the versions before it; pairs with Release in Writer::publish. We may be ahead of it by a batch.
        (self.shared.tail.load(Ordering::Acquire).wrapping_sub(self.position) as i64).max(0) as u64
    }

    /// Is there nothing to read? May become false at any time; cannot become true behind your back.
    pub fn is_empty(&self) -> bool {
        matches!(self.read(), Look::Nothing)
    }

    /// Is the writer gone? Once true, true forever; items may still be there.
    pub fn is_closed(&self) -> bool {
        // Acquire: the versions of all items ever pushed; pairs with Release in Writer::drop.
        self.shared.writer_gone.load(weakened("lossy: writer_gone relaxed", Ordering::Acquire))
    }

    /// How many items the ring keeps.
    pub fn capacity(&self) -> usize {
        self.mask.storage()
    }

    /// Nothing there: is there never to be?
    fn pop_after_empty(&mut self) -> Result<T, ReadError> {
        if !self.is_closed() {
            return Err(ReadError::Empty);
        }
        // The last item may have been pushed between our two looks.
        match self.read() {
            Look::Item(value) if !planted("lossy: closed without a second look") => {
                self.position = self.position.wrapping_add(1);
                Ok(value)
            }
            Look::Overwritten(ahead) => Err(self.lose(ahead)),
            _ => Err(ReadError::Closed),
        }
    }

    /// Looks at the slot of our position.
    #[inline(always)]
    fn read(&self) -> Look<T> {
        let row = row_len::<T>() * self.mask.index(self.position);
        let awaited = version(self.position);
        // Acquire: the words; pairs with Release in Writer::write.
        let seen = self.word(row).load(weakened("lossy: version relaxed", Ordering::Acquire));
        let mut ahead = seen.wrapping_sub(awaited) as i64;
        if ahead == 0 {
            let value = from_words(|at| self.word(row + 1 + at).load(Ordering::Relaxed));
            if !planted("lossy: no acquire fence") {
                // Acquire: the odd version of whoever wrote a word we read; pairs with the Release fence in Writer::write.
                fence(Ordering::Acquire);
            }
            let again = self.word(row).load(Ordering::Relaxed);
            if again == awaited || planted("lossy: no second look") {
                // SAFETY: no word changed while we copied: what we copied is the item of `position`, whole.
                return Look::Item(unsafe { value.assume_init() });
            }
            ahead = again.wrapping_sub(awaited) as i64;
        }
        if ahead < 0 { Look::Nothing } else { Look::Overwritten((ahead as u64).div_ceil(2)) }
    }

    /// Skips what was lost, now that our slot belongs to the item `ahead` of ours.
    #[cold]
    fn lose(&mut self, ahead: u64) -> ReadError {
        let storage = self.mask.storage() as u64;
        // With that item's slot, all before `ahead - storage` are gone, and ours with them.
        let surely = ahead - storage + 1;
        // Acquire: the versions before it; pairs with Release in Writer::publish.
        let tail = self.shared.tail.load(weakened("lossy: tail relaxed", Ordering::Acquire));
        let likely = tail.wrapping_sub(storage).wrapping_sub(self.position) as i64;
        let lost = surely.max(likely.max(0) as u64);
        self.position = self.position.wrapping_add(lost);
        ReadError::Lagged(lost)
    }

    #[inline(always)]
    fn word(&self, at: usize) -> &AtomicU64 {
        // SAFETY: a row of an index of `mask` lies inside the slots, which `shared` keeps alive.
        let word = unsafe { self.slots.at(at) };
        &word.0
    }
}

impl<T> Clone for Reader<T> {
    fn clone(&self) -> Self {
        Self {
            position: self.position,
            mask: self.mask,
            slots: self.slots,
            shared: self.shared.clone(),
            items: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("position", &self.position).finish_non_exhaustive()
    }
}

// SAFETY: items are plain data, and the slots are atomics.
unsafe impl<T: Plain> Send for Reader<T> {}

/// Why nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// Nothing new. The writer may push at any time.
    Empty,
    /// Nothing new and the writer is gone. Final.
    Closed,
    /// This many items were overwritten before they were read. The next read goes on after them.
    Lagged(u64),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("nothing new"),
            Self::Closed => f.write_str("nothing new and the writer is gone"),
            Self::Lagged(lost) => write!(f, "{lost} items were overwritten unread"),
        }
    }
}

impl error::Error for ReadError {}

/// What a reader found in its slot.
enum Look<T> {
    Item(T),
    /// An older item, or ours half written.
    Nothing,
    /// The item this much later than ours, whole or half.
    Overwritten(u64),
}

/// What all handles reach.
struct Shared {
    /// The writer's position, for who does not know his own.
    tail: CachePadded<AtomicU64>,
    /// Written once; a line all may look at freely.
    writer_gone: CachePadded<AtomicBool>,
    /// Where the first item was.
    start: u64,
    mask: Mask,
    slots: Slots<Word>,
}

// SAFETY: all that is reached through the slots' address is atomics.
unsafe impl Send for Shared {}
// SAFETY: see above.
unsafe impl Sync for Shared {}

/// Slots are rows of words, since their length depends on the item.
struct Word(AtomicU64);

impl Strided for Word {
    const STRIDE: usize = size_of::<Self>();
}

/// The version of a slot that holds the item of `position`; one less while that is being written.
#[inline(always)]
fn version(position: u64) -> u64 {
    position.wrapping_mul(2).wrapping_add(2)
}

/// Words of a slot: the version and the item's. Slots of up to 64 bytes never straddle a cache line.
const fn row_len<T>() -> usize {
    match 1 + size_of::<T>().div_ceil(WORD_SIZE) {
        3 => 4,
        5..=7 => 8,
        len => len,
    }
}

/// Bytes of a word.
const WORD_SIZE: usize = size_of::<u64>();

/// The words of `value`, the last filled up with zeros.
#[inline(always)]
fn words_of<T: Plain>(value: &T) -> impl Iterator<Item = u64> {
    let bytes = std::ptr::from_ref(value).cast::<u8>();
    (0..size_of::<T>().div_ceil(WORD_SIZE)).map(move |at| {
        let mut word = [0; WORD_SIZE];
        let len = WORD_SIZE.min(size_of::<T>() - at * WORD_SIZE);
        // SAFETY: within `value`, since `at` words come before.
        let from = unsafe { bytes.add(at * WORD_SIZE) };
        // SAFETY: `len` bytes are left in `value`, all initialised since `T` is plain, and fit a word.
        unsafe { std::ptr::copy_nonoverlapping(from, word.as_mut_ptr(), len) };
        u64::from_ne_bytes(word)
    })
}

/// Puts together what [`words_of`] took apart; not a value unless the words belong together.
#[inline(always)]
fn from_words<T: Plain>(word: impl Fn(usize) -> u64) -> MaybeUninit<T> {
    let mut value = MaybeUninit::<T>::uninit();
    for at in 0..size_of::<T>().div_ceil(WORD_SIZE) {
        let bytes = word(at).to_ne_bytes();
        let len = WORD_SIZE.min(size_of::<T>() - at * WORD_SIZE);
        // SAFETY: within `value`, since `at` words come before.
        let to = unsafe { value.as_mut_ptr().cast::<u8>().add(at * WORD_SIZE) };
        // SAFETY: `len` bytes are left in `value`, and a word has as many.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, len) };
    }
    value
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STARTS: [u64; 4] = [0, u64::MAX - 3, (1 << 63) - 3, (1 << 62) - 3];

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 400 }, failure_persistence: None, ..Default::default() })]

        #[test]
        fn what_is_not_delivered_is_reported_lost(
            capacity in 1usize..9, start in prop::sample::select(&STARTS[..]),
            ops in prop::collection::vec((0..4u8, 1..12u64), 0..80),
        ) {
            let (mut writer, subscriber) = ring_at::<[u64; 3]>(capacity, start).unwrap();
            let mut reader = subscriber.subscribe();
            let kept = writer.capacity() as u64;
            let (mut pushed, mut at) = (0u64, 0u64);
            for (op, count) in ops {
                match op {
                    0 => for _ in 0..count {
                        writer.push([pushed, !pushed, 7]);
                        pushed += 1;
                    },
                    1 => {
                        writer.push_slice(&(pushed..).take(count as usize).map(|i| [i, !i, 7]).collect::<Vec<_>>());
                        pushed += count;
                    }
                    2 => {
                        let oldest = subscriber.subscribe_oldest().pop();
                        let expected = if pushed == 0 { Err(ReadError::Empty) } else { Ok(pushed - kept.min(pushed)) };
                        prop_assert_eq!(oldest.map(|item| item[0]), expected);
                        prop_assert_eq!(subscriber.subscribe().pop(), Err(ReadError::Empty));
                    }
                    _ => for _ in 0..count {
                        prop_assert_eq!(reader.len(), pushed - at);
                        prop_assert_eq!(reader.is_empty(), pushed == at);
                        let expected = match pushed - at {
                            0 => Err(ReadError::Empty),
                            behind if behind > kept => Err(ReadError::Lagged(behind - kept)),
                            _ => Ok([at, !at, 7]),
                        };
                        let popped = reader.pop();
                        prop_assert_eq!(popped, expected);
                        at += match popped { Ok(_) => 1, Err(ReadError::Lagged(lost)) => lost, _ => 0 };
                    },
                }
            }
            drop(writer);
            let mut items = Vec::new();
            loop {
                match reader.pop_into(&mut items, 3) {
                    Ok(len) => at += len as u64,
                    Err(ReadError::Lagged(lost)) => at += lost,
                    Err(ReadError::Closed) => break,
                    Err(ReadError::Empty) => prop_assert!(false, "the writer is gone"),
                }
            }
            prop_assert_eq!(at, pushed);
        }
    }

    #[test]
    fn items_of_any_size_come_out_as_they_went_in() {
        fn round<T: Plain + PartialEq + fmt::Debug>(value: T) {
            let (mut writer, subscriber) = ring(2).unwrap();
            let mut reader = subscriber.subscribe();
            for _ in 0..5 {
                writer.push(value);
                assert_eq!(reader.pop(), Ok(value));
            }
            drop(writer);
            assert_eq!(reader.pop(), Err(ReadError::Closed));
        }
        round(());
        round(7u8);
        round([1u8; 13]);
        round([0x1234_5678_9abc_def0u64; 7]);
        round([[3u16; 5]; 7]);
        round(f32::MIN_POSITIVE);
        round('é');
    }

    #[test]
    fn a_reader_may_skip_what_it_has_no_time_for() {
        let (mut writer, subscriber) = ring(4).unwrap();
        let mut reader = subscriber.subscribe();
        writer.push_slice(&[1, 2, 3, 4, 5, 6]);
        let mut other = reader.clone();
        assert_eq!(reader.skip_to_newest(), 6);
        assert_eq!(reader.pop(), Err(ReadError::Empty));
        assert_eq!(other.pop(), Err(ReadError::Lagged(2)));
        assert_eq!(other.pop(), Ok(3));
    }

    #[test]
    fn impossible_capacities_are_typed_errors() {
        assert_eq!(ring::<u8>(0).unwrap_err(), CapacityError::Zero);
        for capacity in [usize::MAX, usize::MAX / 2, usize::MAX / 16] {
            assert!(matches!(ring::<u64>(capacity), Err(CapacityError::TooLarge { .. })));
        }
    }
}
