//! A bounded queue from one producer to one consumer, made for streaming. Wait-free; allocates only in [`ring`].
//!
//! Items lie side by side with nothing between them; each side publishes its position in a line of its own and keeps a
//! copy of the other's, re-read only when the copy says full or empty. So a batch costs one store and, at most, one
//! cache miss beside the items themselves, and items can be written and read in place: [`Producer::claim`] lends free
//! slots, [`Consumer::read`] lends filled ones. After Lamport (1983), with cached positions as in rigtorp/SPSCQueue.
//!
//! Positions only grow; a slot is `position & mask`. Invariants: `head <= tail <= head + capacity`; the producer's
//! `limit <= head + capacity` and the consumer's `seen_tail <= tail` are stale only downwards.
//!
//! | published by | read by | what it carries |
//! |---|---|---|
//! | `tail`, Release, [`Producer`] | Acquire, [`Consumer`] when it looks empty | the items before it |
//! | `head`, Release, [`Consumer`] | Acquire, [`Producer`] when it looks full | that the slots behind it were read out |
//! | `producer_gone`, Release, drop | Acquire, [`Consumer`] before Closed | the last `tail` |
//!
//! What it does not do: a lone item costs two line transfers, its slot and the tail; for latency take
//! [`spsc`](super::spsc).
//!
//! # Who may hold it
//!
//! ```compile_fail,E0277
//! let (producer, _consumer) = ringway::ring::packed::ring::<u64>(8).unwrap();
//! std::thread::scope(|s| { s.spawn(|| producer.len()); }); // a producer shared by reference
//! ```
//! ```compile_fail,E0277
//! let (_producer, consumer) = ringway::ring::packed::ring::<u64>(8).unwrap();
//! std::thread::scope(|s| { s.spawn(|| consumer.len()); }); // a consumer shared by reference
//! ```
//! ```compile_fail,E0277
//! let (producer, _consumer) = ringway::ring::packed::ring::<std::rc::Rc<u8>>(8).unwrap();
//! std::thread::spawn(move || drop(producer)); // Rc must stay on its thread
//! ```
//! ```compile_fail,E0277
//! let (_producer, consumer) = ringway::ring::packed::ring::<std::sync::MutexGuard<'static, u8>>(8).unwrap();
//! std::thread::spawn(move || drop(consumer)); // a guard must unlock where it locked
//! ```
//! ```compile_fail,E0499
//! let (mut producer, _consumer) = ringway::ring::packed::ring::<u64>(8).unwrap();
//! let claim = producer.claim(2).unwrap();
//! producer.push(1).unwrap(); // the claimed slots are still lent
//! drop(claim);
//! ```

use std::{fmt, mem::MaybeUninit, ptr, slice};

use super::{
    CapacityError, PopError, PushError,
    cursor::Mask,
    slots::{Slots, Strided, View, Watch},
};
use crate::sync::{Arc, AtomicBool, AtomicU64, CachePadded, Ordering, planted, weakened};

/// Makes a ring of exactly `capacity` items.
///
/// Allocates the slots (`capacity` rounded up to a power of two) and touches their memory; nothing allocates later.
///
/// # Errors
///
/// [`CapacityError`] when `capacity` is zero or the slots cannot be allocated.
///
/// # Examples
///
/// ```
/// use ringway::ring::packed;
///
/// let (mut producer, mut consumer) = packed::ring(1024)?;
/// producer.push_slice(&[1, 2, 3]).unwrap();
/// let chunk = consumer.read(64).unwrap();
/// assert_eq!(chunk.iter().sum::<i32>(), 6);
/// chunk.release();
/// # Ok::<(), ringway::ring::CapacityError>(())
/// ```
pub fn ring<T>(capacity: usize) -> Result<(Producer<T>, Consumer<T>), CapacityError> {
    ring_at(capacity, 0)
}

/// As [`ring`], with the first item at position `start`: tests begin shortly before positions wrap.
pub(super) fn ring_at<T>(capacity: usize, start: u64) -> Result<(Producer<T>, Consumer<T>), CapacityError> {
    let mask = Mask::new(capacity)?;
    let slots = Slots::new(mask.storage(), |_| Slot(MaybeUninit::zeroed()))?;
    let view = slots.view();
    let shared = Arc::new(Shared {
        tail: CachePadded::new(AtomicU64::new(start)),
        head: CachePadded::new(AtomicU64::new(start)),
        ends: CachePadded::new(Ends { producer_gone: AtomicBool::new(false), consumer_gone: AtomicBool::new(false) }),
        watch: Watch::new(mask.storage()),
        mask,
        slots,
    });
    let producer = Producer { tail: start, limit: mask.limit(start), mask, slots: view, shared: shared.clone() };
    let consumer = Consumer { head: start, seen_tail: start, mask, slots: view, shared };
    Ok((producer, consumer))
}

/// The writing half: may move between threads, is never shared by two.
pub struct Producer<T> {
    /// Next position to write. Ours alone; equal to the published tail.
    tail: u64,
    /// First position we may not write: the last head we saw, plus the capacity. Stale only downwards: the ring may
    /// look fuller than it is, never emptier.
    limit: u64,
    mask: Mask,
    /// Copy of the slots' address; `shared` keeps them alive.
    slots: View<Slot<T>>,
    shared: Arc<Shared<T>>,
}

impl<T> Producer<T> {
    /// Appends `value`. Wait-free, no system call.
    ///
    /// # Errors
    ///
    /// Gives `value` back: [`PushError::Full`] if `capacity` items were pushed and not yet popped (exact at some moment
    /// during the call), [`PushError::Closed`] if the consumer is gone. An item pushed while the consumer goes may
    /// still be accepted; it is dropped with the ring.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        if let Err(error) = self.room(1) {
            return Err(error.map(|()| value));
        }
        self.prefetch();
        // SAFETY: there is room for one item.
        unsafe { self.write(0, value) };
        self.commit(1);
        Ok(())
    }

    /// Appends copies of as many of `values`, from the first, as fit, and publishes them with one store. Returns how
    /// many; 0 only if `values` is empty. Wait-free.
    ///
    /// # Errors
    ///
    /// [`PushError::Full`] if not even one fits, [`PushError::Closed`] if the consumer is gone.
    pub fn push_slice(&mut self, values: &[T]) -> Result<usize, PushError<()>>
    where
        T: Copy,
    {
        if values.is_empty() {
            return Ok(0);
        }
        let mut claim = self.claim(values.len())?;
        let len = claim.len();
        let (first, rest) = claim.as_mut_slices();
        let (to_first, to_rest) = values[..len].split_at(first.len());
        copy_to(to_first, first);
        copy_to(to_rest, rest);
        // SAFETY: all `len` slots were filled above.
        unsafe { claim.commit(len) };
        Ok(len)
    }

    /// Appends items of `values` until it ends or the ring is full, and publishes them with one store. Returns how
    /// many. Items that do not fit are not taken from the iterator: pass `&mut iterator` to keep them. Wait-free.
    ///
    /// If the iterator panics, the items it gave before are published.
    ///
    /// # Errors
    ///
    /// [`PushError::Full`] if there is no room at all, [`PushError::Closed`] if the consumer is gone.
    pub fn push_iter(&mut self, values: impl IntoIterator<Item = T>) -> Result<usize, PushError<()>> {
        let values = values.into_iter();
        // Zero only if nothing can come; asking for one slot then tells Full from Closed all the same.
        let claim = self.claim(values.size_hint().1.unwrap_or(usize::MAX).max(1))?;
        Ok(claim.fill(values))
    }

    /// Lends up to `max` free slots to be written in place: at least one, and as many as are free.
    ///
    /// Nothing is published until the claim is filled or committed; a claim that is merely dropped is aborted.
    /// Wait-free.
    ///
    /// # Errors
    ///
    /// [`PushError::Full`] if there is no room (or `max` is 0), [`PushError::Closed`] if the consumer is gone.
    pub fn claim(&mut self, max: usize) -> Result<Claim<'_, T>, PushError<()>> {
        let len = self.room(max)?;
        self.shared.watch.writing(self.mask, self.tail, len);
        Ok(Claim { producer: self, len })
    }

    /// How many items were pushed and not yet popped. May be fewer at any time; cannot be more behind your back.
    pub fn len(&self) -> usize {
        self.tail.wrapping_sub(self.shared.head.load(Ordering::Relaxed)) as usize
    }

    /// Has every item been popped? Stays true until you push.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is there no free slot? May become false at any time; cannot become true behind your back.
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// Is the consumer gone? Once true, true forever; false may be outdated already.
    #[inline]
    pub fn is_closed(&self) -> bool {
        // Relaxed: nothing is read on the strength of it.
        self.shared.ends.consumer_gone.load(Ordering::Relaxed)
    }

    /// How many items fit.
    pub fn capacity(&self) -> usize {
        self.mask.capacity()
    }

    /// How many of `wanted` slots are free: at least one, or why none. Re-reads the head only if our copy does not
    /// leave room for all.
    #[inline(always)]
    fn room(&mut self, wanted: usize) -> Result<usize, PushError<()>> {
        if self.is_closed() {
            return Err(PushError::Closed(()));
        }
        let mut free = self.limit.wrapping_sub(self.tail) as usize;
        if free < wanted {
            // Acquire: that the slots behind it were read out; pairs with Release in Consumer::release.
            let head = self.shared.head.load(weakened("packed: head relaxed", Ordering::Acquire));
            self.limit = self.mask.limit(head);
            free = self.limit.wrapping_sub(self.tail) as usize;
            debug_assert!(free <= self.capacity(), "head <= tail <= head + capacity");
        }
        match free.min(wanted) {
            0 => Err(PushError::Full(())),
            len => Ok(len),
        }
    }

    /// Fetches a slot ahead of the tail for writing, if it is known to be free; see the same in [`spsc`](super::spsc).
    #[inline(always)]
    fn prefetch(&self) {
        if size_of::<T>() >= PREFETCH_SIZE_MIN && self.limit.wrapping_sub(self.tail) > PREFETCH_AHEAD {
            // SAFETY: an index of `mask` lies inside the storage, which `shared` keeps alive.
            unsafe { self.slots.prefetch_write(self.mask.index(self.tail.wrapping_add(PREFETCH_AHEAD))) };
        }
    }

    /// Writes `value` to the slot `ahead` of the tail.
    ///
    /// # Safety
    ///
    /// There is room for more than `ahead` items.
    #[inline(always)]
    unsafe fn write(&mut self, ahead: usize, value: T) {
        let position = self.tail.wrapping_add(ahead as u64);
        self.shared.watch.writing(self.mask, position, 1);
        // SAFETY: an index of `mask` lies inside the storage, which `shared` keeps alive.
        let slot = unsafe { self.slots.slot(self.mask.index(position)) };
        // SAFETY: the slot is free by the caller's promise: the consumer has read it out (Acquire in `room`) and does
        // not touch it again before `commit`.
        unsafe { slot.write(Slot(MaybeUninit::new(value))) };
    }

    /// Publishes the next `len` slots, which hold items.
    #[inline(always)]
    fn commit(&mut self, len: usize) {
        self.tail = self.tail.wrapping_add(len as u64);
        // Release: the items before it; pairs with Acquire in Consumer::filled.
        self.shared.tail.store(self.tail, weakened("packed: tail relaxed", Ordering::Release));
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        // Release: the last tail; pairs with Acquire in Consumer::is_closed.
        let order = weakened("packed: producer_gone relaxed", Ordering::Release);
        self.shared.ends.producer_gone.store(true, order);
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("len", &self.len()).field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

// SAFETY: a handle is the only one of its side and takes the items it moves by value, so moving it to another thread
// moves items there and nothing else: `T: Send`. It is not `Sync`.
unsafe impl<T: Send> Send for Producer<T> {}

/// Free slots lent by [`Producer::claim`], oldest first, to be filled and published with one store.
///
/// Dropped without [`fill`](Self::fill) or [`commit`](Self::commit), it publishes nothing (and drops nothing that was
/// written through [`as_mut_slices`](Self::as_mut_slices)).
#[must_use = "nothing is published unless the claim is filled or committed"]
pub struct Claim<'a, T> {
    producer: &'a mut Producer<T>,
    len: usize,
}

impl<T> Claim<'_, T> {
    /// How many slots are lent; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a claim is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The slots, in order: a first run, and what wraps around to the start of the storage.
    pub fn as_mut_slices(&mut self) -> (&mut [MaybeUninit<T>], &mut [MaybeUninit<T>]) {
        let (first, rest) = self.producer.mask.runs(self.producer.tail, self.len);
        let index = self.producer.mask.index(self.producer.tail);
        // SAFETY: `index + first` is within the storage; the slots are free and stay ours until `commit` (see `write`).
        let first = unsafe { run_mut(self.producer.slots, index, first) };
        // SAFETY: as above, from the start of the storage; `rest <= index`, so the two runs do not overlap.
        let rest = unsafe { run_mut(self.producer.slots, 0, rest) };
        (first, rest)
    }

    /// Fills slots from `values` until either ends and publishes what was written. Returns how many. Items that do not
    /// fit are not taken from the iterator. If the iterator panics, what it gave before is published.
    pub fn fill(self, values: impl IntoIterator<Item = T>) -> usize {
        let len = self.len;
        let mut values = values.into_iter();
        let mut filling = Filling { producer: self.producer, written: 0 };
        while filling.written < len
            && let Some(value) = values.next()
        {
            // SAFETY: `written < len`, and there is room for `len` items.
            unsafe { filling.producer.write(filling.written, value) };
            filling.written += 1;
        }
        filling.written
    }

    /// Publishes the first `len` slots.
    ///
    /// # Panics
    ///
    /// If `len` exceeds [`len`](Self::len).
    ///
    /// # Safety
    ///
    /// The first `len` slots were initialised through [`as_mut_slices`](Self::as_mut_slices).
    pub unsafe fn commit(self, len: usize) {
        assert!(len <= self.len, "committed {len} of {} claimed slots", self.len);
        self.producer.commit(len);
    }
}

impl<T> fmt::Debug for Claim<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Publishes what was written however [`Claim::fill`] ends.
struct Filling<'a, T> {
    producer: &'a mut Producer<T>,
    written: usize,
}

impl<T> Drop for Filling<'_, T> {
    fn drop(&mut self) {
        if self.written > 0 {
            self.producer.commit(self.written);
        }
    }
}

/// The reading half: may move between threads, is never shared by two.
pub struct Consumer<T> {
    /// Next position to read. Ours alone; equal to the published head.
    head: u64,
    /// Last tail we saw. Stale only downwards: the ring may look emptier than it is, never fuller.
    seen_tail: u64,
    mask: Mask,
    /// Copy of the slots' address; `shared` keeps them alive.
    slots: View<Slot<T>>,
    shared: Arc<Shared<T>>,
}

impl<T> Consumer<T> {
    /// Takes the oldest item. Wait-free, no system call.
    ///
    /// # Errors
    ///
    /// [`PopError::Empty`] if nothing is there; [`PopError::Closed`] if, besides, the producer is gone. Items pushed
    /// before the producer went are always delivered first.
    #[inline]
    pub fn pop(&mut self) -> Result<T, PopError> {
        self.filled(1)?;
        // SAFETY: at least one item is there, and it is released below.
        let value = unsafe { self.take(0) };
        self.release(1);
        Ok(value)
    }

    /// Looks at the oldest item without taking it. Wait-free.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    #[inline]
    pub fn peek(&mut self) -> Result<&T, PopError> {
        self.filled(1)?;
        self.shared.watch.reading(self.mask, self.head, 1);
        // SAFETY: one item is there, and the producer leaves its slot alone until it is released.
        let run = unsafe { run_of(self.slots, self.mask.index(self.head), 1) };
        Ok(&run[0])
    }

    /// Moves up to `max` items, oldest first, to the end of `out` and releases their slots with one store. Returns how
    /// many; 0 only if `max` is 0. Wait-free, except that `out` may allocate to grow.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    pub fn pop_into(&mut self, out: &mut Vec<T>, max: usize) -> Result<usize, PopError> {
        if max == 0 {
            return Ok(0);
        }
        let len = self.filled(max)?;
        out.reserve(len);
        self.shared.watch.reading(self.mask, self.head, len);
        let (first, rest) = self.mask.runs(self.head, len);
        for (index, run) in [(self.mask.index(self.head), first), (0, rest)] {
            // SAFETY: both runs of `len` items are within the storage.
            let from = unsafe { self.slots.slot(index) }.cast::<T>();
            // SAFETY: room for `len` items was reserved after `out.len()`.
            let to = unsafe { out.as_mut_ptr().add(out.len()) };
            // SAFETY: `run` items lie at `from`, there is room for them at `to`, and a ring is not a vector.
            unsafe { ptr::copy_nonoverlapping(from, to, run) };
            // SAFETY: `run` more items were moved in; the slots they left are released below, unread.
            unsafe { out.set_len(out.len() + run) };
        }
        self.release(len);
        Ok(len)
    }

    /// Lends up to `max` items to be read in place: at least one, and as many as are there. They are taken from the
    /// ring only when the chunk is released; a chunk that is merely dropped leaves them. Wait-free.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop); [`PopError::Empty`] also if `max` is 0.
    pub fn read(&mut self, max: usize) -> Result<Chunk<'_, T>, PopError> {
        let len = self.filled(max)?;
        if len == 0 {
            return Err(PopError::Empty);
        }
        self.shared.watch.reading(self.mask, self.head, len);
        Ok(Chunk { consumer: self, len })
    }

    /// How many items can be popped now. May be more at any time; cannot be fewer behind your back.
    pub fn len(&self) -> usize {
        self.tail().wrapping_sub(self.head) as usize
    }

    /// Is there nothing to pop? May become false at any time; cannot become true behind your back.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Has the ring no free slot? May become true at any time; cannot become false behind your back.
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// Is the producer gone? Once true, true forever; items may still be there.
    pub fn is_closed(&self) -> bool {
        // Acquire: the last tail; pairs with Release in Producer::drop.
        self.shared.ends.producer_gone.load(weakened("packed: producer_gone relaxed", Ordering::Acquire))
    }

    /// How many items fit.
    pub fn capacity(&self) -> usize {
        self.mask.capacity()
    }

    /// How many of `wanted` items are there: at least one (unless `wanted` is 0), or why none. Re-reads the tail only
    /// if our copy does not cover all.
    #[inline(always)]
    fn filled(&mut self, wanted: usize) -> Result<usize, PopError> {
        let mut filled = self.seen_tail.wrapping_sub(self.head) as usize;
        if filled < wanted {
            filled = self.refresh_tail();
            if filled == 0 {
                if !self.is_closed() {
                    return Err(PopError::Empty);
                }
                // The last item may have been pushed between our two looks.
                if planted("packed: closed without a second look") || self.refresh_tail() == 0 {
                    return Err(PopError::Closed);
                }
                filled = self.seen_tail.wrapping_sub(self.head) as usize;
            }
        }
        Ok(filled.min(wanted))
    }

    /// Re-reads the producer's position. How many items are there now?
    #[inline(always)]
    fn refresh_tail(&mut self) -> usize {
        self.seen_tail = self.tail();
        let filled = self.seen_tail.wrapping_sub(self.head) as usize;
        debug_assert!(filled <= self.capacity(), "head <= tail <= head + capacity");
        filled
    }

    #[inline(always)]
    fn tail(&self) -> u64 {
        // Acquire: the items before it; pairs with Release in Producer::commit.
        self.shared.tail.load(weakened("packed: tail relaxed", Ordering::Acquire))
    }

    /// Moves the item `ahead` of the head out of its slot.
    ///
    /// # Safety
    ///
    /// More than `ahead` items are there, and this one is released before it is read again.
    #[inline(always)]
    unsafe fn take(&mut self, ahead: usize) -> T {
        let position = self.head.wrapping_add(ahead as u64);
        self.shared.watch.reading(self.mask, position, 1);
        // SAFETY: an index of `mask` lies inside the storage, which `shared` keeps alive.
        let slot = unsafe { self.slots.slot(self.mask.index(position)) };
        // SAFETY: the slot holds an item by the caller's promise, and the producer leaves it alone until released.
        unsafe { slot.cast::<T>().read() }
    }

    /// Gives the slots of the `len` oldest items back; their items were moved out or dropped.
    #[inline(always)]
    fn release(&mut self, len: usize) {
        self.head = self.head.wrapping_add(len as u64);
        // Release: the slots were read out; pairs with Acquire in Producer::room.
        self.shared.head.store(self.head, weakened("packed: head relaxed", Ordering::Release));
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        // Relaxed: says no more than that pushing is pointless.
        self.shared.ends.consumer_gone.store(true, Ordering::Relaxed);
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("len", &self.len()).field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

// SAFETY: as for the producer. `peek` and `read` lend items only to the thread that has the handle: it is not `Sync`.
unsafe impl<T: Send> Send for Consumer<T> {}

/// Items lent by [`Consumer::read`], oldest first.
///
/// Dropped without [`release`](Self::release) or [`pop_iter`](Self::pop_iter), it leaves them in the ring.
#[must_use = "the items stay in the ring unless the chunk is released"]
pub struct Chunk<'a, T> {
    consumer: &'a mut Consumer<T>,
    len: usize,
}

impl<'a, T> Chunk<'a, T> {
    /// How many items are lent; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a chunk is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The items, in order: a first run, and what wraps around to the start of the storage.
    pub fn as_slices(&self) -> (&[T], &[T]) {
        let (first, rest) = self.consumer.mask.runs(self.consumer.head, self.len);
        let index = self.consumer.mask.index(self.consumer.head);
        // SAFETY: `index + first` is within the storage; the slots hold items, which the producer leaves alone until
        // they are released.
        let first = unsafe { run_of(self.consumer.slots, index, first) };
        // SAFETY: as above, from the start of the storage.
        let rest = unsafe { run_of(self.consumer.slots, 0, rest) };
        (first, rest)
    }

    /// The items, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let (first, rest) = self.as_slices();
        first.iter().chain(rest)
    }

    /// Drops the items and gives their slots back with one store.
    pub fn release(self) {
        if std::mem::needs_drop::<T>() {
            drop(self.pop_iter());
        } else {
            self.consumer.release(self.len);
        }
    }

    /// Takes the items one by one and gives all their slots back with one store when the iterator is dropped. Items
    /// not iterated over are dropped.
    pub fn pop_iter(self) -> PopIter<'a, T> {
        PopIter { consumer: self.consumer, taken: 0, len: self.len }
    }
}

impl<T> fmt::Debug for Chunk<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Takes the items of a [`Chunk`] out one by one.
pub struct PopIter<'a, T> {
    consumer: &'a mut Consumer<T>,
    /// How many were moved out already.
    taken: usize,
    len: usize,
}

impl<T> Iterator for PopIter<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if self.taken == self.len {
            return None;
        }
        self.taken += 1;
        // SAFETY: `taken <= len` items are there; `taken` has moved on, and all are released when we are dropped.
        Some(unsafe { self.consumer.take(self.taken - 1) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.len - self.taken;
        (left, Some(left))
    }
}

impl<T> ExactSizeIterator for PopIter<'_, T> {}

impl<T> Drop for PopIter<'_, T> {
    fn drop(&mut self) {
        /// Releases all slots even if dropping an item panics: those after it leak, none is dropped twice.
        struct Release<'a, 'b, T>(&'a mut PopIter<'b, T>);
        impl<T> Drop for Release<'_, '_, T> {
            fn drop(&mut self) {
                self.0.consumer.release(self.0.len);
            }
        }
        let iter = Release(self);
        if std::mem::needs_drop::<T>() {
            iter.0.for_each(drop);
        }
    }
}

impl<T> fmt::Debug for PopIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PopIter").field("len", &(self.len - self.taken)).finish_non_exhaustive()
    }
}

/// What both halves reach.
struct Shared<T> {
    /// The producer's position: items before it are published.
    tail: CachePadded<AtomicU64>,
    /// The consumer's position: slots behind it are free.
    head: CachePadded<AtomicU64>,
    /// Written once; a line both sides may look at freely.
    ends: CachePadded<Ends>,
    watch: Watch,
    mask: Mask,
    slots: Slots<Slot<T>>,
}

/// Which half has been dropped.
struct Ends {
    producer_gone: AtomicBool,
    consumer_gone: AtomicBool,
}

// SAFETY: what is shared is atomics, and slots whose items pass by the positions' protocol from one thread to another:
// `T: Send`.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: see above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Drop for Shared<T> {
    /// Drops the items nobody popped.
    fn drop(&mut self) {
        if !std::mem::needs_drop::<T>() || planted("packed: leak on drop") {
            return;
        }
        let mut head = self.head.load(Ordering::Relaxed);
        let tail = self.tail.load(Ordering::Relaxed);
        while head != tail {
            self.watch.writing(self.mask, head, 1);
            // SAFETY: an index of `mask` lies inside the storage; both handles are gone.
            let slot = unsafe { self.slots.view().slot(self.mask.index(head)) };
            head = head.wrapping_add(1);
            // SAFETY: `head..tail` hold items; each is dropped once, since `head` moved on.
            unsafe { slot.cast::<T>().drop_in_place() };
        }
    }
}

/// One item and nothing else, so that runs of slots are slices of items.
#[repr(transparent)]
struct Slot<T>(MaybeUninit<T>);

impl<T> Strided for Slot<T> {
    const STRIDE: usize = size_of::<T>();
}

/// How many slots ahead a producer prefetches; as in `spsc`, where it was measured.
const PREFETCH_AHEAD: u64 = 16;

/// Smaller items share a line with so many others that the processor keeps up by itself, in bytes.
const PREFETCH_SIZE_MIN: usize = 16;

/// `len` free slots from `index` on.
///
/// # Safety
///
/// They lie inside the storage, which outlives `'a`, and are the caller's alone for all of `'a`.
unsafe fn run_mut<'a, T>(slots: View<Slot<T>>, index: usize, len: usize) -> &'a mut [MaybeUninit<T>] {
    // SAFETY: storage has at least one slot, and `index` is within it.
    let first = unsafe { slots.slot(index) };
    // SAFETY: slots lie side by side, and the caller promises the rest.
    unsafe { slice::from_raw_parts_mut(first.cast(), len) }
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

/// Copies `from` to the free slots `to`, as many.
fn copy_to<T: Copy>(from: &[T], to: &mut [MaybeUninit<T>]) {
    debug_assert_eq!(from.len(), to.len());
    // SAFETY: as many slots as items; a shared and a unique slice do not overlap.
    unsafe { ptr::copy_nonoverlapping(from.as_ptr(), to.as_mut_ptr().cast(), to.len()) };
}
