//! A bounded queue from one producer to one consumer, made for latency. Wait-free; allocates only in [`ring`].
//!
//! An item and the mark that publishes it share a slot of 16, 32 or 64 bytes (beyond that, whole cache lines), so a
//! small item crosses in one cache-line transfer: the consumer spins on the very line that will carry it.
//!
//! ```text
//!             0        4 (or more, if T is aligned to more)           16, 32, 64 or a multiple of 64
//! slot        | mark   | item ...                                 ... |
//! ```
//!
//! Positions only grow; a slot is `position & mask`, its mark is the lap plus one. The mark is written by the producer
//! alone, last: *a slot holds the item of `position` if and only if it bears the mark of `position`*. The consumer never
//! writes slots (clearing one would bounce its line twice); it stores its position in a line of its own after every
//! pop. The producer keeps a copy of that position and re-reads it only when the copy says full, so the line moves once
//! per window of room, and Full is exact. After FastForward (Giacomoni, 2008) and rigtorp/SPSCQueue.
//!
//! A *batch* is items that are published together: [staged](Producer::stage) one after the other, each but the first with its mark, and
//! [published](Producer::publish) by the mark of the first. The consumer, which looks for that one, takes no line from the producer
//! while the batch is being written.
//!
//! Invariants: `head <= batch <= tail <= limit <= head + capacity <= head + storage`, where `limit` is the producer's copy of
//! `head` plus the capacity, and `batch..tail` is staged; slots `head..tail` hold an item and bear their marks, but for that of `batch`
//! while something is staged; all others bear an older mark.
//!
//! | published by | read by | what it carries |
//! |---|---|---|
//! | `mark`, Release, [`Producer::push`], [`Producer::stage`] | Acquire, [`Consumer::pop`] | the item in the slot |
//! | `mark` of a batch's first, Release, [`Producer::publish`] | Acquire, [`Consumer::pop`] | the batch |
//! | `head`, Release, [`Consumer::pop`] | Acquire, [`Producer::push`] when the window is used up | that the slots behind it were read out |
//! | `producer_gone`, Release, drop | Acquire, [`Consumer::pop`] before Closed | the last marks |
//!
//! What it does not do: an item of a batch has a slot with a mark, as any other; for streaming take [`packed`](super::packed).
//!
//! # Who may hold it
//!
//! Handles move between threads but are not shared, and neither are items that must stay on their thread:
//!
//! ```compile_fail,E0277
//! let (producer, _consumer) = ringway::ring::spsc::ring::<u64>(8).unwrap();
//! std::thread::scope(|s| { s.spawn(|| producer.len()); }); // a producer shared by reference
//! ```
//! ```compile_fail,E0277
//! let (_producer, consumer) = ringway::ring::spsc::ring::<u64>(8).unwrap();
//! std::thread::scope(|s| { s.spawn(|| consumer.len()); }); // a consumer shared by reference
//! ```
//! ```compile_fail,E0277
//! let (producer, _consumer) = ringway::ring::spsc::ring::<std::rc::Rc<u8>>(8).unwrap();
//! std::thread::spawn(move || drop(producer)); // Rc must stay on its thread
//! ```
//! ```compile_fail,E0277
//! let (_producer, consumer) = ringway::ring::spsc::ring::<&std::cell::Cell<u8>>(8).unwrap();
//! std::thread::spawn(move || drop(consumer)); // so must a reference to a Cell
//! ```
//! ```compile_fail,E0277
//! let (producer, _consumer) = ringway::ring::spsc::ring::<std::sync::MutexGuard<'static, u8>>(8).unwrap();
//! std::thread::spawn(move || drop(producer)); // and a guard that must unlock where it locked
//! ```
//! ```compile_fail,E0599
//! let (producer, _consumer) = ringway::ring::spsc::ring::<u64>(8).unwrap();
//! let _second = producer.clone(); // one producer only
//! ```

use std::{fmt, mem::MaybeUninit};

use super::{
    CapacityError, PopError, PushError,
    cursor::Mask,
    slots::{Slots, Strided, View},
};
use crate::sync::{Arc, AtomicBool, AtomicU32, AtomicU64, CachePadded, Ordering, UnsafeCell, planted, weakened};

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
/// use ringway::ring::{PopError, spsc};
///
/// let (mut producer, mut consumer) = spsc::ring(8)?;
/// let writer = std::thread::spawn(move || {
///     producer.push("hello").unwrap();
/// });
/// writer.join().unwrap();
/// assert_eq!(consumer.pop(), Ok("hello"));
/// assert_eq!(consumer.pop(), Err(PopError::Closed));
/// # Ok::<(), ringway::ring::CapacityError>(())
/// ```
pub fn ring<T>(capacity: usize) -> Result<(Producer<T>, Consumer<T>), CapacityError> {
    ring_at(capacity, 0)
}

/// As [`ring`], with the first item at position `start`: tests begin shortly before marks or positions wrap.
pub(super) fn ring_at<T>(capacity: usize, start: u64) -> Result<(Producer<T>, Consumer<T>), CapacityError> {
    let mask = Mask::new(capacity)?;
    let slots = Slots::new(mask.storage(), |index| Slot {
        mark: AtomicU32::new(mask.initial_mark(start, index)),
        value: UnsafeCell::new(MaybeUninit::uninit()),
    })?;
    let view = slots.view();
    let shared = Arc::new(Shared {
        head: CachePadded::new(AtomicU64::new(start)),
        ends: CachePadded::new(Ends { producer_gone: AtomicBool::new(false), consumer_gone: AtomicBool::new(false) }),
        mask,
        slots,
    });
    let producer =
        Producer { tail: start, batch: start, limit: mask.limit(start), mask, slots: view, shared: shared.clone() };
    let consumer = Consumer { head: start, mask, slots: view, shared };
    Ok((producer, consumer))
}

/// The writing half: may move between threads, is never shared by two.
pub struct Producer<T> {
    /// Next position to write. Ours alone; the marks publish it.
    tail: u64,
    /// First position that is staged and not published; `tail` if none is.
    batch: u64,
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
    /// The consumer may pop it as soon as this returns (and a moment before).
    ///
    /// # Errors
    ///
    /// Gives `value` back: [`PushError::Full`] if `capacity` items were pushed and not yet popped (exact at some moment
    /// during the call), [`PushError::Closed`] if the consumer is gone. An item pushed while the consumer goes may
    /// still be accepted; it is dropped with the ring.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        if self.is_closed() {
            return Err(PushError::Closed(value));
        }
        self.stage(value).map_err(PushError::Full)?;
        self.publish();
        Ok(())
    }

    /// Appends `value` to those that [`publish`](Self::publish) publishes together. Wait-free, no system call.
    ///
    /// The consumer may not pop it before that, or before the next [`push`](Self::push), or before the producer is dropped: all of them
    /// publish. So does a ring that is full, as the consumer has to go on.
    ///
    /// ```
    /// use ringway::ring::{PopError, spsc};
    ///
    /// let (mut producer, mut consumer) = spsc::ring(8)?;
    /// producer.stage(1).unwrap();
    /// producer.stage(2).unwrap();
    /// assert_eq!(consumer.pop(), Err(PopError::Empty));
    /// producer.publish();
    /// assert_eq!((consumer.pop(), consumer.pop()), (Ok(1), Ok(2)));
    /// # Ok::<(), ringway::ring::CapacityError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Gives `value` back if `capacity` items were appended and not yet popped. Whether the consumer is gone is not looked at.
    #[inline(always)]
    pub fn stage(&mut self, value: T) -> Result<(), T> {
        if !self.has_slot() {
            return Err(value);
        }
        // SAFETY: it is an item's place, in which there is none.
        let write = |item: *mut T| unsafe { item.write(value) };
        // SAFETY: that writes one; and there is a slot.
        unsafe { self.stage_in_place(write) };
        Ok(())
    }

    /// Is there a slot for another? If not, what is staged is published.
    #[inline(always)]
    pub(crate) fn has_slot(&mut self) -> bool {
        if self.tail == self.limit && !self.refresh_limit() {
            self.publish();
            return false;
        }
        true
    }

    /// As [`stage`](Self::stage), of what `write` writes to where it is to be.
    ///
    /// # Safety
    /// [`has_slot`](Self::has_slot) has said so since the last was staged or pushed. `write` writes a `T`, and does not panic.
    #[inline(always)]
    pub(crate) unsafe fn stage_in_place(&mut self, write: impl FnOnce(*mut T)) {
        self.prefetch();
        // SAFETY: an index of `mask` lies inside the storage, which `shared` keeps alive.
        let slot = unsafe { self.slots.at(self.mask.index(self.tail)) };
        let mark = self.mask.mark(self.tail);
        if planted("spsc: mark before item") {
            slot.mark.store(mark, Ordering::Release);
        }
        // `tail < limit`: the consumer has read this slot out (Acquire in `refresh_limit`) and does not touch it again before it sees the
        // mark below.
        slot.value.with_mut(|item| write(item.cast::<T>()));
        if self.batch != self.tail {
            // Release: the item above; pairs with Acquire in Consumer::published.
            slot.mark.store(mark, weakened("spsc: mark relaxed", Ordering::Release));
        }
        self.tail = self.tail.wrapping_add(1);
    }

    /// Publishes what is staged. Wait-free, no system call.
    #[inline(always)]
    pub fn publish(&mut self) {
        if self.batch != self.tail {
            // SAFETY: an index of `mask` lies inside the storage, which `shared` keeps alive.
            let slot = unsafe { self.slots.at(self.mask.index(self.batch)) };
            // Release: the first item, and those after it with their marks; pairs with Acquire in Consumer::published.
            slot.mark.store(self.mask.mark(self.batch), weakened("spsc: mark relaxed", Ordering::Release));
            self.batch = self.tail;
        }
    }

    /// How many items are staged and not published.
    #[inline(always)]
    pub(crate) fn staged(&self) -> usize {
        self.tail.wrapping_sub(self.batch) as usize
    }

    /// How many items were pushed or staged and not yet popped. May be fewer at any time; cannot be more behind your back.
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

    /// Fetches a slot ahead of the tail for writing, if it is known to be free: a slot still to be read is the consumer's
    /// to fetch.
    ///
    /// The consumer's core holds the lines it has read, and a store waits until it gives them up. Asked for in time that
    /// costs nothing: 2 to 3 times as many items of 56 or 64 bytes a second at capacity 1,024.
    #[inline(always)]
    fn prefetch(&self) {
        if self.limit.wrapping_sub(self.tail) > PREFETCH_AHEAD {
            // SAFETY: an index of `mask` lies inside the storage, which `shared` keeps alive.
            unsafe { self.slots.prefetch_write(self.mask.index(self.tail.wrapping_add(PREFETCH_AHEAD))) };
        }
    }

    /// Re-reads the consumer's position. Is there room now?
    #[inline]
    fn refresh_limit(&mut self) -> bool {
        // Acquire: that the slots behind it were read out; pairs with Release in Consumer::pop.
        let head = self.shared.head.load(weakened("spsc: head relaxed", Ordering::Acquire));
        self.limit = self.mask.limit(head);
        debug_assert!(self.tail.wrapping_sub(head) <= self.capacity() as u64, "tail <= head + capacity");
        self.tail != self.limit
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        if !planted("spsc: batch dropped") {
            self.publish();
        }
        // Release: the marks of all pushed items; pairs with Acquire in Consumer::published.
        let order = weakened("spsc: producer_gone relaxed", Ordering::Release);
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

/// The reading half: may move between threads, is never shared by two.
pub struct Consumer<T> {
    /// Next position to read. Ours alone; equal to the published head.
    head: u64,
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
        // SAFETY: an item is there, which nobody takes again.
        let take = |item: *const T| unsafe { item.read() };
        // SAFETY: that takes it.
        unsafe { self.pop_in_place(take) }
    }

    /// As [`pop`](Self::pop), but lets `take` take the item from where it is.
    ///
    /// # Safety
    /// `take` takes the item out, or drops it, and does not panic.
    ///
    /// # Errors
    ///
    /// Likewise.
    #[inline(always)]
    pub(crate) unsafe fn pop_in_place<R>(&mut self, take: impl FnOnce(*const T) -> R) -> Result<R, PopError> {
        let slot = self.published()?;
        // The slot bears the mark of `head`, so it holds an initialised item; `head` moves on below, so it is taken once.
        let taken = slot.value.with(|item| take(item.cast::<T>()));
        self.head = self.head.wrapping_add(1);
        // Release: the slot was read out; pairs with Acquire in Producer::refresh_limit.
        self.shared.head.store(self.head, weakened("spsc: head relaxed", Ordering::Release));
        Ok(taken)
    }

    /// Looks at the oldest item without taking it. Wait-free.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    #[inline]
    pub fn peek(&self) -> Result<&T, PopError> {
        let slot = self.published()?;
        // SAFETY: the slot bears the mark of `head`, so it holds an initialised item, which the producer leaves alone
        // until `head` moves on; that takes `&mut self`.
        Ok(slot.value.with(|item| unsafe { &*item.cast::<T>() }))
    }

    /// How many items can be popped now. May be more at any time; cannot be fewer behind your back.
    ///
    /// The producer publishes marks, not a count, so this looks at all of them: as many cache misses as there are items.
    pub fn len(&self) -> usize {
        // Not by halves: a batch that is being written has marks behind one that is missing.
        (0..self.capacity() as u64).take_while(|&nth| self.is_published(self.head.wrapping_add(nth))).count()
    }

    /// Is there nothing to pop? May become false at any time; cannot become true behind your back.
    #[inline]
    pub fn is_empty(&self) -> bool {
        !self.is_published(self.head)
    }

    /// Has the ring no free slot? May become true at any time; cannot become false behind your back.
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// Is the producer gone? Once true, true forever; items may still be there.
    pub fn is_closed(&self) -> bool {
        // Acquire: the marks of all items ever pushed; pairs with Release in Producer::drop.
        self.shared.ends.producer_gone.load(weakened("spsc: producer_gone relaxed", Ordering::Acquire))
    }

    /// How many items fit.
    pub fn capacity(&self) -> usize {
        self.mask.capacity()
    }

    /// The slot at `head`, if it holds an item.
    #[inline(always)]
    fn published(&self) -> Result<&Slot<T>, PopError> {
        if !self.is_published(self.head) {
            if !self.is_closed() {
                return Err(PopError::Empty);
            }
            // The last item may have been pushed between our two looks.
            if planted("spsc: closed without a second look") || !self.is_published(self.head) {
                return Err(PopError::Closed);
            }
        }
        Ok(self.slot(self.head))
    }

    /// Does the slot of `position` hold its item?
    #[inline(always)]
    fn is_published(&self, position: u64) -> bool {
        // Acquire: the item; pairs with Release in Producer::push.
        let order = weakened("spsc: mark relaxed", Ordering::Acquire);
        self.slot(position).mark.load(order) == self.mask.mark(position)
    }

    #[inline(always)]
    fn slot(&self, position: u64) -> &Slot<T> {
        // SAFETY: an index of `mask` lies inside the storage, which `shared` keeps alive; slots are never borrowed
        // uniquely.
        unsafe { self.slots.at(self.mask.index(position)) }
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

// SAFETY: as for the producer. `peek` lends `&T` only from `&self`, which stays on one thread: it is not `Sync`.
unsafe impl<T: Send> Send for Consumer<T> {}

/// What both halves reach.
struct Shared<T> {
    /// The consumer's position. Written by it after every pop, read by the producer when its window is used up.
    head: CachePadded<AtomicU64>,
    /// Written once; a line both sides may look at freely.
    ends: CachePadded<Ends>,
    mask: Mask,
    slots: Slots<Slot<T>>,
}

/// Which half has been dropped.
struct Ends {
    producer_gone: AtomicBool,
    consumer_gone: AtomicBool,
}

// SAFETY: what is shared is atomics, and slots whose items pass by the marks' protocol from one thread to another:
// `T: Send`.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: see above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Drop for Shared<T> {
    /// Drops the items nobody popped.
    fn drop(&mut self) {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: an index of `mask` lies inside the storage; both handles are gone.
            let slot = unsafe { self.slots.view().at(self.mask.index(head)) };
            if slot.mark.load(Ordering::Relaxed) != self.mask.mark(head) || planted("spsc: leak on drop") {
                return;
            }
            head = head.wrapping_add(1);
            // SAFETY: the slot bears its mark, so it holds an item; each is dropped once, since `head` moved on.
            slot.value.with_mut(|item| unsafe { item.cast::<T>().drop_in_place() });
        }
    }
}

/// One item and the mark that publishes it.
#[repr(C)]
struct Slot<T> {
    /// [`Mask::mark`] of the position whose item it holds. Written by the producer only.
    mark: AtomicU32,
    value: UnsafeCell<MaybeUninit<T>>,
}

impl<T> Strided for Slot<T> {
    /// Slots never straddle a line they could stay inside.
    const STRIDE: usize = match size_of::<Self>() {
        0..=16 => 16,
        17..=32 => 32,
        size => size.next_multiple_of(if align_of::<Self>() > 64 { align_of::<Self>() } else { 64 }),
    };
}

/// How many slots ahead a producer prefetches. 8, 16 and 32 measured alike; 4 is too late, 64 too early.
const PREFETCH_AHEAD: u64 = 16;

#[cfg(not(any(loom, shuttle)))]
const _: () = {
    assert!(<Slot<u64> as Strided>::STRIDE == 16 && <Slot<()> as Strided>::STRIDE == 16);
    assert!(<Slot<[u32; 7]> as Strided>::STRIDE == 32);
    assert!(<Slot<[u64; 7]> as Strided>::STRIDE == 64 && <Slot<[u32; 15]> as Strided>::STRIDE == 64);
    assert!(<Slot<[u64; 8]> as Strided>::STRIDE == 128);
};
