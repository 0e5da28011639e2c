//! A ring from one writer to readers that all get everything: the slowest holds the writer. Wait-free; allocates only
//! in [`ring`].
//!
//! Items lie side by side and stay where they are: readers look at them by reference, all at once. Each reader has a
//! *gate*, a line of its own that bears its position; the writer may not pass the slowest gate by more than the
//! capacity, and keeps a copy of that limit, so that it looks at the gates once per window of room. The value of an item
//! lives until its slot is used again. After the LMAX Disruptor's gating sequences.
//!
//! Invariants: `position <= tail <= limit <= position + capacity` for every reader's position.
//!
//! # Joining while the writer runs
//!
//! A joiner sets its gate, fences, and only then reads the tail it starts at; the writer publishes its tail, fences, and
//! only then reads the gates. So either the writer saw the gate, and its limit honours it; or the joiner saw a tail at
//! or beyond the one the writer scanned at, and the writer's limit, at most that tail plus the capacity, leaves the
//! joiner's items alone until the next scan, which sees the gate.
//!
//! | published by | read by | what it carries |
//! |---|---|---|
//! | `tail`, Release, [`Writer`] | Acquire, [`Reader`] when it looks empty | the items before it |
//! | gate, Release, [`Reader`] | Acquire, [`Writer`] when it looks full | that the items before it were read |
//! | gate then `tail`, SeqCst fences | [`Writer`] scan, [`Subscriber::subscribe`] | see above |
//! | `writer_gone`, Release, drop | Acquire, [`Reader`] before Closed | the last `tail` |
//!
//! Items are read by reference on many threads, so they must be `Sync`:
//!
//! ```compile_fail,E0277
//! let (writer, _) = ringway::ring::broadcast::gated::ring::<std::cell::Cell<u8>>(8, 1).unwrap();
//! std::thread::spawn(move || drop(writer)); // readers elsewhere hold references to the Cells
//! ```
//! ```compile_fail,E0277
//! let (_, readers) = ringway::ring::broadcast::gated::ring::<std::rc::Rc<u8>>(8, 1).unwrap();
//! std::thread::spawn(move || drop(readers)); // Rc must stay on its thread
//! ```
//! ```compile_fail,E0277
//! let (_, readers) = ringway::ring::broadcast::gated::ring::<u8>(8, 1).unwrap();
//! let reader = readers.subscribe().unwrap();
//! std::thread::scope(|s| { s.spawn(|| reader.len()); }); // a reader shared by reference
//! ```
//! ```compile_fail,E0502
//! let (mut writer, readers) = ringway::ring::broadcast::gated::ring::<u8>(8, 1).unwrap();
//! let mut reader = readers.subscribe().unwrap();
//! writer.push(1).unwrap();
//! let chunk = reader.read(8).unwrap();
//! let (item, _) = chunk.as_slices();
//! chunk.release();
//! println!("{item:?}"); // the item was given back
//! ```

use std::{error, fmt, mem::MaybeUninit, slice};

use super::super::{
    CapacityError, PopError,
    cursor::Mask,
    slots::{Slots, Strided, View, Watch},
};
use crate::sync::{Arc, AtomicBool, AtomicU64, CachePadded, Ordering, full_fence, planted, weakened};

/// Makes a ring of exactly `capacity` items for up to `readers_max` readers at a time.
///
/// Allocates the slots (`capacity` rounded up to a power of two) and the gates and touches their memory; nothing
/// allocates later.
///
/// # Errors
///
/// [`CapacityError`] when `capacity` or `readers_max` is zero or memory cannot be allocated.
///
/// # Examples
///
/// ```
/// use ringway::ring::broadcast::gated;
///
/// let (mut writer, subscriber) = gated::ring(2, 16)?;
/// let mut one = subscriber.subscribe().unwrap();
/// let mut two = subscriber.subscribe().unwrap();
/// writer.push("a").unwrap();
/// writer.push("b").unwrap();
/// assert_eq!(one.pop(), Ok("a"));
/// assert!(writer.push("c").is_err()); // `two` has yet to read "a"
/// assert_eq!(two.pop(), Ok("a"));
/// assert!(writer.push("c").is_ok());
/// # Ok::<(), ringway::ring::CapacityError>(())
/// ```
pub fn ring<T>(capacity: usize, readers_max: usize) -> Result<(Writer<T>, Subscriber<T>), CapacityError> {
    ring_at(capacity, readers_max, 0)
}

/// As [`ring`], with the first item at position `start`: tests begin shortly before positions wrap.
pub(in crate::ring) fn ring_at<T>(
    capacity: usize,
    readers_max: usize,
    start: u64,
) -> Result<(Writer<T>, Subscriber<T>), CapacityError> {
    if readers_max == 0 {
        return Err(CapacityError::Zero);
    }
    let mask = Mask::new(capacity)?;
    let gates = Slots::new(readers_max, |_| Gate(AtomicU64::new(Gate::VACANT)))?;
    let slots = Slots::new(mask.storage(), |_| Slot(MaybeUninit::zeroed()))?;
    let shared = Arc::new(Shared {
        tail: CachePadded::new(AtomicU64::new(start)),
        writer_gone: CachePadded::new(AtomicBool::new(false)),
        start,
        mask,
        gates,
        readers_max,
        watch: Watch::new(mask.storage()),
        slots,
    });
    let writer = Writer { tail: start, limit: start, mask, slots: shared.slots.view(), shared: shared.clone() };
    Ok((writer, Subscriber { shared }))
}

/// The writing half: may move between threads, is never shared by two.
pub struct Writer<T> {
    /// Next position to write. Ours alone; equal to the published tail.
    tail: u64,
    /// First position we may not write. Stale only downwards: the ring may look fuller than it is, never emptier.
    limit: u64,
    mask: Mask,
    /// Copy of the slots' address; `shared` keeps them alive.
    slots: View<Slot<T>>,
    shared: Arc<Shared<T>>,
}

impl<T> Writer<T> {
    /// Publishes `value` to all readers. Wait-free; looks at the gates only when the room known of is used up. Without
    /// readers there is always room. Drops the item whose slot it takes.
    ///
    /// # Errors
    ///
    /// [`Full`] gives `value` back if the slowest reader has `capacity` items still to read.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), Full<T>> {
        if self.room(1) == 0 {
            return Err(Full(value));
        }
        // SAFETY: there is room for one item.
        let old = unsafe { self.replace(0, value) };
        self.publish(1);
        // Only now, so that a panic in the old item's drop finds all in order.
        drop(old);
        Ok(())
    }

    /// Publishes items of `values` until it ends or the ring is full, with one store. Returns how many. Items that do not
    /// fit are not taken from the iterator: pass `&mut iterator` to keep them. If the iterator panics, what it gave before
    /// is published.
    pub fn push_iter(&mut self, values: impl IntoIterator<Item = T>) -> usize {
        let mut values = values.into_iter();
        let wanted = values.size_hint().1.unwrap_or(usize::MAX);
        let len = self.room(wanted);
        let mut batch = Batch { writer: self, written: 0 };
        while batch.written < len
            && let Some(value) = values.next()
        {
            // SAFETY: `written < len`, and there is room for `len` items.
            let old = unsafe { batch.writer.replace(batch.written, value) };
            batch.written += 1;
            drop(old);
        }
        batch.written
    }

    /// Publishes copies of as many of `values`, from the first, as there is room for, with one store. Returns how many.
    pub fn push_slice(&mut self, values: &[T]) -> usize
    where
        T: Copy,
    {
        let len = self.room(values.len());
        let (first, rest) = self.mask.runs(self.tail, len);
        let (to_first, to_rest) = values[..len].split_at(first);
        self.shared.watch.writing(self.mask, self.tail, len);
        for (index, from) in [(self.mask.index(self.tail), to_first), (0, &to_rest[..rest])] {
            // SAFETY: both runs of `len` slots are within the storage, which `shared` keeps alive.
            let to = unsafe { self.slots.slot(index) }.cast::<T>();
            // SAFETY: there is room for `len` items: no reader looks at these slots; a ring is not a slice. `T: Copy`, so
            // what they held needs no drop.
            unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) };
        }
        self.publish(len);
        len
    }

    /// How many items the slowest reader has still to read. May be fewer at any time, or more if a reader joins.
    pub fn len(&self) -> usize {
        self.shared.slowest(self.tail)
    }

    /// Have all readers read everything?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is there no room? May become false at any time.
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// How many items a reader may be behind.
    pub fn capacity(&self) -> usize {
        self.mask.capacity()
    }

    /// How many of `wanted` items there is room for. Looks at the gates only if our copy of the limit falls short.
    #[inline(always)]
    fn room(&mut self, wanted: usize) -> usize {
        let mut free = self.limit.wrapping_sub(self.tail) as usize;
        if free < wanted {
            free = self.refresh_limit();
        }
        free.min(wanted)
    }

    /// Looks at all gates. How much room is there?
    #[inline(never)]
    fn refresh_limit(&mut self) -> usize {
        if !planted("gated: scan without fence") {
            // Our tail is published, and now look at the gates: pairs with the fence in Subscriber::subscribe.
            full_fence();
        }
        let free = self.capacity() - self.shared.slowest(self.tail);
        self.limit = self.tail.wrapping_add(free as u64);
        free
    }

    /// Puts `value` in the slot `ahead` of the tail; gives what it held.
    ///
    /// # Safety
    ///
    /// There is room for more than `ahead` items, and all before it were put there.
    #[inline(always)]
    unsafe fn replace(&mut self, ahead: usize, value: T) -> Option<T> {
        let position = self.tail.wrapping_add(ahead as u64);
        self.shared.watch.writing(self.mask, position, 1);
        // SAFETY: an index of `mask` lies inside the storage, which `shared` keeps alive.
        let slot = unsafe { self.slots.slot(self.mask.index(position)) }.cast::<T>();
        let used = position.wrapping_sub(self.shared.start) >= self.mask.storage() as u64;
        if std::mem::needs_drop::<T>() && used {
            // SAFETY: the slot holds the item of a lap before; every reader is past it (Acquire in `Shared::slowest`), so
            // it is ours alone until `publish`.
            Some(unsafe { slot.replace(value) })
        } else {
            // SAFETY: as above, but the slot holds nothing that needs a drop.
            unsafe { slot.write(value) };
            None
        }
    }

    #[inline(always)]
    fn publish(&mut self, len: usize) {
        self.tail = self.tail.wrapping_add(len as u64);
        // Release: the items before it; pairs with Acquire in Reader::tail.
        self.shared.tail.store(self.tail, weakened("gated: tail relaxed", Ordering::Release));
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        // Release: the last tail; pairs with Acquire in Reader::is_closed.
        self.shared.writer_gone.store(true, weakened("gated: writer_gone relaxed", Ordering::Release));
    }
}

impl<T> fmt::Debug for Writer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("len", &self.len()).field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

// SAFETY: items move to the ring by value and are dropped by whoever is there (`T: Send`), while other threads hold
// references to them (`T: Sync`). It is not `Sync`.
unsafe impl<T: Send + Sync> Send for Writer<T> {}

/// Publishes what was written however [`Writer::push_iter`] ends.
struct Batch<'a, T> {
    writer: &'a mut Writer<T>,
    written: usize,
}

impl<T> Drop for Batch<'_, T> {
    fn drop(&mut self) {
        if self.written > 0 {
            self.writer.publish(self.written);
        }
    }
}

/// Makes readers. May be cloned and shared.
pub struct Subscriber<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Subscriber<T> {
    /// A reader that starts with the next item to be pushed, and holds the writer from now on until it is dropped.
    /// O(`readers_max`).
    ///
    /// # Errors
    ///
    /// [`TooManyReaders`] if there are `readers_max` already.
    pub fn subscribe(&self) -> Result<Reader<T>, TooManyReaders> {
        let shared = &self.shared;
        let early = shared.tail.load(Ordering::Acquire);
        let index = (0..shared.readers_max).find(|&index| shared.gate(index).try_take(early)).ok_or(TooManyReaders)?;
        if !planted("gated: join without fence") {
            // Our gate is set, and now look at the tail: pairs with the fence in Writer::refresh_limit.
            full_fence();
        }
        let order = weakened("gated: tail relaxed", Ordering::Acquire);
        let tail = if planted("gated: join at the early tail") { early } else { shared.tail.load(order) };
        shared.gate(index).advance(tail);
        Ok(Reader {
            position: tail,
            seen_tail: tail,
            gate: index,
            mask: shared.mask,
            slots: shared.slots.view(),
            shared: shared.clone(),
        })
    }
}

impl<T> Clone for Subscriber<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<T> fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("readers_max", &self.shared.readers_max).finish_non_exhaustive()
    }
}

/// A reading half: sees every item from where it subscribed. May move between threads, is never shared by two. Dropped,
/// it no longer holds the writer.
pub struct Reader<T> {
    /// Next position to read. Ours alone; equal to our gate.
    position: u64,
    /// Last tail we saw. Stale only downwards: the ring may look emptier than it is, never fuller.
    seen_tail: u64,
    /// Index of our gate.
    gate: usize,
    mask: Mask,
    /// Copy of the slots' address; `shared` keeps them alive.
    slots: View<Slot<T>>,
    shared: Arc<Shared<T>>,
}

impl<T> Reader<T> {
    /// Clones the next item. Wait-free (but for the clone).
    ///
    /// # Errors
    ///
    /// [`PopError::Empty`] if there is none; [`PopError::Closed`] if, besides, the writer is gone. Items pushed before it
    /// went are always delivered first.
    #[inline]
    pub fn pop(&mut self) -> Result<T, PopError>
    where
        T: Clone,
    {
        let value = self.peek()?.clone();
        self.release(1);
        Ok(value)
    }

    /// Looks at the next item without moving on. Wait-free.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    #[inline]
    pub fn peek(&mut self) -> Result<&T, PopError> {
        self.filled(1)?;
        self.shared.watch.reading(self.mask, self.position, 1);
        // SAFETY: the item is there, and the writer leaves its slot alone until our gate moves on.
        Ok(&unsafe { run_of(self.slots, self.mask.index(self.position), 1) }[0])
    }

    /// Lends up to `max` items to be read in place: at least one, and as many as are there. They go back to the writer
    /// only when the chunk is released; a chunk that is merely dropped will be lent again. Wait-free.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop); [`PopError::Empty`] also if `max` is 0.
    pub fn read(&mut self, max: usize) -> Result<Chunk<'_, T>, PopError> {
        let len = self.filled(max)?;
        if len == 0 {
            return Err(PopError::Empty);
        }
        self.shared.watch.reading(self.mask, self.position, len);
        Ok(Chunk { reader: self, len })
    }

    /// How many items can be read now. May be more at any time; cannot be fewer behind your back.
    pub fn len(&self) -> usize {
        self.tail().wrapping_sub(self.position) as usize
    }

    /// Is there nothing to read? May become false at any time; cannot become true behind your back.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is the writer gone? Once true, true forever; items may still be there.
    pub fn is_closed(&self) -> bool {
        // Acquire: the last tail; pairs with Release in Writer::drop.
        self.shared.writer_gone.load(weakened("gated: writer_gone relaxed", Ordering::Acquire))
    }

    /// How many items we may be behind before the writer is held.
    pub fn capacity(&self) -> usize {
        self.mask.capacity()
    }

    /// How many of `wanted` items are there: at least one (unless `wanted` is 0), or why none. Re-reads the tail only
    /// if our copy does not cover all.
    #[inline(always)]
    fn filled(&mut self, wanted: usize) -> Result<usize, PopError> {
        let mut filled = self.seen_tail.wrapping_sub(self.position) as usize;
        if filled < wanted {
            filled = self.refresh_tail();
            if filled == 0 {
                if !self.is_closed() {
                    return Err(PopError::Empty);
                }
                // The last item may have been pushed between our two looks.
                filled = if planted("gated: closed without a second look") { 0 } else { self.refresh_tail() };
                if filled == 0 {
                    return Err(PopError::Closed);
                }
            }
        }
        Ok(filled.min(wanted))
    }

    /// Re-reads the writer's position. How many items are there now?
    #[inline(always)]
    fn refresh_tail(&mut self) -> usize {
        self.seen_tail = self.tail();
        self.seen_tail.wrapping_sub(self.position) as usize
    }

    #[inline(always)]
    fn tail(&self) -> u64 {
        // Acquire: the items before it; pairs with Release in Writer::publish.
        self.shared.tail.load(weakened("gated: tail relaxed", Ordering::Acquire))
    }

    /// Lets the writer have the next `len` slots.
    #[inline(always)]
    fn release(&mut self, len: usize) {
        self.position = self.position.wrapping_add(len as u64);
        self.shared.gate(self.gate).advance(self.position);
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        self.shared.gate(self.gate).leave();
    }
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("len", &self.len()).field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

// SAFETY: as for the writer: whoever lets go of the ring last drops its items (`T: Send`); references to them are held
// by many threads (`T: Sync`). It is not `Sync`.
unsafe impl<T: Send + Sync> Send for Reader<T> {}

/// Items lent by [`Reader::read`], oldest first.
#[must_use = "the writer gets the slots back only when the chunk is released"]
pub struct Chunk<'a, T> {
    reader: &'a mut Reader<T>,
    len: usize,
}

impl<T> Chunk<'_, T> {
    /// How many items are lent; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a chunk is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The items, in order: a first run, and what wraps around to the start of the storage.
    #[inline]
    pub fn as_slices(&self) -> (&[T], &[T]) {
        let (first, rest) = self.reader.mask.runs(self.reader.position, self.len);
        let index = self.reader.mask.index(self.reader.position);
        // SAFETY: `index + first` is within the storage; the slots hold items, which the writer leaves alone until our
        // gate moves on.
        let first = unsafe { run_of(self.reader.slots, index, first) };
        // SAFETY: as above, from the start of the storage.
        let rest = unsafe { run_of(self.reader.slots, 0, rest) };
        (first, rest)
    }

    /// The items, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let (first, rest) = self.as_slices();
        first.iter().chain(rest)
    }

    /// Moves on, and lets the writer have the slots, with one store.
    #[inline]
    pub fn release(self) {
        self.reader.release(self.len);
    }
}

impl<T> fmt::Debug for Chunk<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk").field("len", &self.len).finish_non_exhaustive()
    }
}

/// The slowest reader has `capacity` items still to read. Gives the item back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Full<T>(pub T);

impl<T> fmt::Debug for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Full(..)")
    }
}

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the slowest reader leaves no room")
    }
}

impl<T> error::Error for Full<T> {}

/// All gates are taken: the ring has as many readers as it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyReaders;

impl fmt::Display for TooManyReaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ring has as many readers as it was made for")
    }
}

impl error::Error for TooManyReaders {}

/// What all handles reach.
struct Shared<T> {
    /// The writer's position: items before it are published.
    tail: CachePadded<AtomicU64>,
    /// Written once; a line all may look at freely.
    writer_gone: CachePadded<AtomicBool>,
    /// Where the first item was.
    start: u64,
    mask: Mask,
    gates: Slots<Gate>,
    readers_max: usize,
    watch: Watch,
    slots: Slots<Slot<T>>,
}

// SAFETY: what is shared is atomics, and slots that hold items for many threads to look at (`T: Sync`) and for any to
// drop (`T: Send`).
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: see above.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    #[inline(always)]
    fn gate(&self, index: usize) -> &Gate {
        assert!(index < self.readers_max, "a gate of this ring");
        // SAFETY: just checked; gates are never borrowed uniquely.
        unsafe { self.gates.view().at(index) }
    }

    /// How far the slowest reader is behind `tail`; 0 if there is none.
    fn slowest(&self, tail: u64) -> usize {
        let behind = (0..self.readers_max).filter_map(|index| self.gate(index).behind(tail)).max();
        // A joiner's first, early position may be more than the capacity ago.
        behind.map_or(0, |behind| behind.min(self.mask.capacity() as u64) as usize)
    }
}

impl<T> Drop for Shared<T> {
    /// Drops the items still in their slots.
    fn drop(&mut self) {
        if !std::mem::needs_drop::<T>() || planted("gated: leak on drop") {
            return;
        }
        let tail = self.tail.load(Ordering::Relaxed);
        let kept = tail.wrapping_sub(self.start).min(self.mask.storage() as u64);
        let mut position = tail.wrapping_sub(kept);
        while position != tail {
            self.watch.writing(self.mask, position, 1);
            // SAFETY: an index of `mask` lies inside the storage; all handles are gone.
            let slot = unsafe { self.slots.view().slot(self.mask.index(position)) };
            position = position.wrapping_add(1);
            // SAFETY: the last `kept` positions are the items in the slots; each is dropped once.
            unsafe { slot.cast::<T>().drop_in_place() };
        }
    }
}

/// A reader's position, in a pair of lines of its own.
///
/// | word | meaning |
/// |---|---|
/// | 0 | nobody's |
/// | `position << 1 \| 1` | a reader's: it has yet to read the item of `position` |
struct Gate(AtomicU64);

impl Gate {
    const VACANT: u64 = 0;

    fn taken(position: u64) -> u64 {
        position << 1 | 1
    }

    /// Takes the gate for a reader at `position`, if it is nobody's.
    fn try_take(&self, position: u64) -> bool {
        // Acquire: what the last owner read before it left; we pass it on in our own Release. Release: nothing yet; keeps
        // the last owner's going.
        self.0.compare_exchange(Self::VACANT, Self::taken(position), Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    #[inline(always)]
    fn advance(&self, position: u64) {
        // Release: the items before it were read; pairs with Acquire in `behind`.
        self.0.store(Self::taken(position), weakened("gated: gate relaxed", Ordering::Release));
    }

    fn leave(&self) {
        // Release: all we ever read; pairs with Acquire in `behind`.
        self.0.store(Self::VACANT, weakened("gated: leave relaxed", Ordering::Release));
    }

    /// How far its reader is behind `tail`; `None` if it is nobody's.
    fn behind(&self, tail: u64) -> Option<u64> {
        // Acquire: the items before it were read; pairs with Release in `advance` and `leave`.
        let word = self.0.load(Ordering::Acquire);
        // Positions lose their top bit in a gate, and so must the difference.
        (word != Self::VACANT).then(|| tail.wrapping_sub(word >> 1) << 1 >> 1)
    }
}

impl Strided for Gate {
    /// Two lines: neighbours are fetched in pairs.
    const STRIDE: usize = 128;
}

/// One item and nothing else, so that runs of slots are slices of items.
#[repr(transparent)]
struct Slot<T>(MaybeUninit<T>);

impl<T> Strided for Slot<T> {
    const STRIDE: usize = size_of::<T>();
}

/// `len` items from `index` on.
///
/// # Safety
///
/// They lie inside the storage, which outlives `'a`, hold items, and nobody writes them during `'a`.
unsafe fn run_of<'a, T>(slots: View<Slot<T>>, index: usize, len: usize) -> &'a [T] {
    // SAFETY: storage has at least one slot, and `index` is within it.
    let first = unsafe { slots.slot(index) };
    // SAFETY: slots lie side by side, and the caller promises the rest.
    unsafe { slice::from_raw_parts(first.cast(), len) }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::sync::Arc as Counted;

    use proptest::prelude::*;

    use super::*;

    const STARTS: [u64; 3] = [0, u64::MAX - 3, (1 << 63) - 3];

    /// What the models of the readers know: how many items each has yet to read.
    #[derive(Clone, Debug)]
    enum Op {
        Push,
        PushBatch(usize),
        Read(usize, usize),
        Join,
        Leave(usize),
    }

    fn ops() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => Just(Op::Push),
            2 => (0..9usize).prop_map(Op::PushBatch),
            6 => (0..4usize, 1..5usize).prop_map(|(reader, max)| Op::Read(reader, max)),
            1 => Just(Op::Join),
            1 => (0..4usize).prop_map(Op::Leave),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 400 }, failure_persistence: None, ..Default::default() })]

        #[test]
        fn every_reader_sees_everything_from_where_it_joined(
            capacity in 1usize..9, start in prop::sample::select(&STARTS[..]), ops in prop::collection::vec(ops(), 0..150),
        ) {
            let (mut writer, subscriber) = ring_at::<Counted<u64>>(capacity, 3, start).unwrap();
            // The next item each reader must see.
            let mut readers: Vec<(Reader<Counted<u64>>, u64)> = Vec::new();
            let mut next = 0u64;
            for op in ops {
                let slowest = readers.iter().map(|(_, at)| *at).min().unwrap_or(next);
                let free = capacity - (next - slowest) as usize;
                match op {
                    Op::Push => {
                        let pushed = writer.push(Counted::new(next));
                        prop_assert_eq!(pushed.is_ok(), free > 0);
                        next += u64::from(pushed.is_ok());
                    }
                    Op::PushBatch(len) => {
                        let pushed = writer.push_iter((next..).take(len).map(Counted::new));
                        prop_assert_eq!(pushed, len.min(free));
                        next += pushed as u64;
                    }
                    Op::Read(reader, max) => {
                        let Some((reader, at)) = readers.get_mut(reader) else { continue };
                        prop_assert_eq!(reader.len() as u64, next - *at);
                        let Ok(chunk) = reader.read(max) else {
                            prop_assert_eq!(*at, next);
                            continue;
                        };
                        prop_assert_eq!(chunk.len(), max.min((next - *at) as usize));
                        for item in chunk.iter() {
                            prop_assert_eq!(**item, *at);
                            *at += 1;
                        }
                        chunk.release();
                    }
                    Op::Join => match subscriber.subscribe() {
                        Ok(reader) => readers.push((reader, next)),
                        Err(TooManyReaders) => prop_assert_eq!(readers.len(), 3),
                    },
                    Op::Leave(reader) if reader < readers.len() => drop(readers.remove(reader)),
                    Op::Leave(_) => {}
                }
            }
            drop(writer);
            for (mut reader, at) in readers {
                for item in at..next {
                    prop_assert_eq!(reader.pop().map(|item| *item), Ok(item));
                }
                prop_assert_eq!(reader.pop(), Err(PopError::Closed));
            }
        }
    }

    #[test]
    fn every_item_is_dropped_once() {
        let item = Counted::new(());
        let (mut writer, subscriber) = ring(3, 2).unwrap();
        let mut reader = subscriber.subscribe().unwrap();
        for _ in 0..10 {
            writer.push(item.clone()).unwrap();
            drop(reader.pop().unwrap());
        }
        assert_eq!(Counted::strong_count(&item), 1 + 4, "items live until their slot, of four, is used again");
        drop((writer, reader, subscriber));
        assert_eq!(Counted::strong_count(&item), 1);
    }

    #[test]
    fn a_dropped_reader_no_longer_holds_the_writer() {
        let (mut writer, subscriber) = ring(1, 1).unwrap();
        let reader = subscriber.subscribe().unwrap();
        assert_eq!(subscriber.subscribe().unwrap_err(), TooManyReaders);
        writer.push(1).unwrap();
        assert_eq!(writer.push(2), Err(Full(2)));
        drop(reader);
        assert_eq!(writer.push_slice(&[2, 3]), 1);
        assert!(subscriber.subscribe().is_ok());
    }

    #[test]
    fn slices_wrap_around() {
        let (mut writer, subscriber) = ring_at(5, 1, u64::MAX - 1).unwrap();
        let mut reader = subscriber.subscribe().unwrap();
        for round in 0..20 {
            assert_eq!(writer.push_slice(&[round, 1, 2, 3, 4, 5, 6]), 5);
            let chunk = reader.read(usize::MAX).unwrap();
            assert_eq!(chunk.iter().copied().collect::<Vec<_>>(), [round, 1, 2, 3, 4]);
            chunk.release();
        }
    }

    #[test]
    fn impossible_capacities_are_typed_errors() {
        assert_eq!(ring::<u8>(0, 1).unwrap_err(), CapacityError::Zero);
        assert_eq!(ring::<u8>(1, 0).unwrap_err(), CapacityError::Zero);
        assert!(matches!(ring::<u64>(usize::MAX / 16, 1), Err(CapacityError::TooLarge { .. })));
        assert!(matches!(ring::<u64>(8, usize::MAX), Err(CapacityError::TooLarge { .. })));
        drop(ring::<()>(1 << 62, 1));
    }
}
