//! A bounded queue between many producers and many consumers. Lock-free claims; allocates only in [`ring`].
//!
//! Every slot has a *turn*: `2 * lap` while it is free for the item of that lap, one more while it holds it. A producer
//! that finds its slot's turn due claims the tail with one compare-and-swap, writes, and passes the turn on; a consumer
//! likewise with the head. Full and Empty are read off the one slot at hand, so neither side ever touches the other's
//! position. After Vyukov's bounded MPMC queue.
//!
//! ```text
//! position    lap << bits | index                 storage is exactly the capacity
//! turn        2·lap      free for lap             push: claim tail, write item, turn = 2·lap + 1
//!             2·lap + 1  holds the item of lap    pop:  claim head, read item,  turn = 2·lap + 2
//! ```
//!
//! Invariants: `head <= tail <= head + capacity` (in items); the turn of a slot never decreases, and only the thread
//! that claimed a position changes the turn due at it. A `u32` turn may wrap: while the tail stands at a position, the
//! slot there has one of two neighbouring turns, and the 64-bit position itself guards the claim.
//!
//! | published by | read by | what it carries |
//! |---|---|---|
//! | `turn`, Release, [`Producer::push`] | Acquire, [`Consumer::pop`] | the item |
//! | `turn`, Release, [`Consumer::pop`] | Acquire, [`Producer::push`] | that the slot was read out |
//! | `producers`, Release, drop | Acquire, [`Consumer::pop`] before Closed | the last turns |
//!
//! # What it does not do
//!
//! It never waits, not even for a thread that stopped between its claim and passing the turn on. Until that thread goes
//! on, [`pop`](Consumer::pop) says Empty at its slot though later items are committed, and [`push`](Producer::push)
//! says Full when the ring comes round to it. Whoever sleeps until told of room or items loses nothing: the straggler
//! tells when it is done.
//!
//! # Who may hold it
//!
//! Handles may be cloned, moved and shared; items that must stay on their thread may not travel:
//!
//! ```compile_fail,E0277
//! let (producer, _consumer) = ringway::ring::mpmc::ring::<std::rc::Rc<u8>>(8).unwrap();
//! std::thread::spawn(move || drop(producer)); // Rc must stay on its thread
//! ```
//! ```compile_fail,E0277
//! let (_producer, consumer) = ringway::ring::mpmc::ring::<&std::cell::Cell<u8>>(8).unwrap();
//! std::thread::spawn(move || drop(consumer)); // so must a reference to a Cell
//! ```
//! ```compile_fail,E0277
//! let (producer, _consumer) = ringway::ring::mpmc::ring::<std::sync::MutexGuard<'static, u8>>(8).unwrap();
//! std::thread::scope(|s| { s.spawn(|| producer.is_closed()); }); // and a guard that must unlock where it locked
//! ```

use std::{fmt, mem::MaybeUninit, num::NonZero};

use super::{
    CapacityError, PopError, PushError,
    cursor::Laps,
    slots::{Slots, Strided, View},
};
use crate::sync::{
    Arc, AtomicU32, AtomicU64, AtomicUsize, CachePadded, Ordering, UnsafeCell, planted, spin_loop, weakened,
};

/// Makes a ring of exactly `capacity` items. Clone the handles for more producers and consumers.
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
/// use ringway::ring::{PopError, mpmc};
///
/// let (producer, consumer) = mpmc::ring(8)?;
/// std::thread::scope(|scope| {
///     for i in 0..4 {
///         let producer = producer.clone();
///         scope.spawn(move || producer.push(i).unwrap());
///     }
/// });
/// drop(producer);
/// let mut sum = 0;
/// while let Ok(i) = consumer.pop() {
///     sum += i;
/// }
/// assert_eq!(sum, 6);
/// assert_eq!(consumer.pop(), Err(PopError::Closed));
/// # Ok::<(), ringway::ring::CapacityError>(())
/// ```
pub fn ring<T>(capacity: usize) -> Result<(Producer<T>, Consumer<T>), CapacityError> {
    ring_at(capacity, 0)
}

/// As [`ring`], starting in lap `lap`: tests begin shortly before turns or positions wrap.
pub(super) fn ring_at<T>(capacity: usize, lap: u64) -> Result<(Producer<T>, Consumer<T>), CapacityError> {
    let laps = Laps::new(capacity)?;
    let start = laps.start(lap);
    let slots = Slots::new(capacity, |_| Slot {
        turn: AtomicU32::new(laps.turn(start)),
        value: UnsafeCell::new(MaybeUninit::uninit()),
    })?;
    let view = slots.view();
    let shared = Arc::new(Shared {
        tail: CachePadded::new(AtomicU64::new(start)),
        head: CachePadded::new(AtomicU64::new(start)),
        handles: CachePadded::new(Handles { producers: AtomicUsize::new(1), consumers: AtomicUsize::new(1) }),
        laps,
        slots,
    });
    let producer = Producer { laps, slots: view, shared: shared.clone() };
    Ok((producer, Consumer { laps, slots: view, shared }))
}

/// A writing handle. Clones write to the same ring; each may be shared between threads.
pub struct Producer<T> {
    laps: Laps,
    /// Copy of the slots' address; `shared` keeps them alive.
    slots: View<Slot<T>>,
    shared: Arc<Shared<T>>,
}

impl<T> Producer<T> {
    /// Appends `value`. Lock-free, no system call: tries again only when another producer got ahead.
    ///
    /// # Errors
    ///
    /// Gives `value` back: [`PushError::Full`] if the slot whose turn it is still holds the item of the lap before, that
    /// is, `capacity` items were pushed and not yet popped, or the pop of the oldest of them has not returned yet;
    /// [`PushError::Closed`] if all consumers are gone. An item pushed while the last consumer goes may still be
    /// accepted; it is dropped with the ring.
    #[inline]
    pub fn push(&self, value: T) -> Result<(), PushError<T>> {
        if self.is_closed() {
            return Err(PushError::Closed(value));
        }
        let Some(claimed) = self.side().claim_one() else { return Err(PushError::Full(value)) };
        let slot = self.slot(claimed);
        slot.value.with_mut(|item| {
            // SAFETY: the slot's turn was due and the tail moved past it by our claim alone, so it is free (Acquire in
            // `Side::is_due`) and ours until we pass the turn on.
            unsafe { (*item).write(value) };
        });
        slot.pass(self.laps.turn(claimed).wrapping_add(1));
        Ok(())
    }

    /// Appends copies of as many of `values`, from the first, as find free slots in a row, all claimed at once: they
    /// lie next to each other in the ring. Returns how many; 0 only if `values` is empty.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn push_slice(&self, values: &[T]) -> Result<usize, PushError<()>>
    where
        T: Copy,
    {
        let Some(wanted) = NonZero::new(values.len()) else { return Ok(0) };
        if self.is_closed() {
            return Err(PushError::Closed(()));
        }
        let Some((mut position, len)) = self.side().claim(wanted) else { return Err(PushError::Full(())) };
        for &value in &values[..len] {
            let slot = self.slot(position);
            slot.value.with_mut(|item| {
                // SAFETY: as in `push`: each of the `len` positions was due and is claimed by us alone.
                unsafe { (*item).write(value) };
            });
            slot.pass(self.laps.turn(position).wrapping_add(1));
            position = self.laps.next(position);
        }
        Ok(len)
    }

    /// Are all consumers gone? Once true, true forever; false may be outdated already.
    #[inline]
    pub fn is_closed(&self) -> bool {
        // Relaxed: nothing is read on the strength of it.
        self.shared.handles.consumers.load(Ordering::Relaxed) == 0
    }

    /// How many items the ring holds, counting those being pushed or popped right now. An estimate: outdated at once.
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Were all items popped? Outdated at once if others push.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is there no free slot? Outdated at once.
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// How many items fit.
    pub fn capacity(&self) -> usize {
        self.laps.capacity()
    }

    #[inline(always)]
    fn side(&self) -> Side<'_, T> {
        Side { position: &self.shared.tail, laps: self.laps, slots: self.slots, due: 0 }
    }

    #[inline(always)]
    fn slot(&self, position: u64) -> &Slot<T> {
        // SAFETY: an index of `laps` is less than the capacity, and `shared` keeps the slots alive.
        unsafe { self.slots.at(self.laps.index(position)) }
    }
}

impl<T> Clone for Producer<T> {
    /// Another producer of the same ring. Allocates nothing.
    fn clone(&self) -> Self {
        // Relaxed: we hold one, so the count is not zero and nobody decides anything by it.
        self.shared.handles.producers.fetch_add(1, Ordering::Relaxed);
        Self { laps: self.laps, slots: self.slots, shared: self.shared.clone() }
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        // Release: the turns we passed on; pairs with Acquire in Consumer::is_closed.
        self.shared.handles.producers.fetch_sub(1, weakened("mpmc: producers relaxed", Ordering::Release));
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("len", &self.len()).field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

// SAFETY: a handle moves items by value from the thread that pushes to the thread that pops: `T: Send`.
unsafe impl<T: Send> Send for Producer<T> {}
// SAFETY: every operation goes through a claim on the shared position, whether by one handle or by many; no `&T` is
// ever lent, so `T: Send` is enough.
unsafe impl<T: Send> Sync for Producer<T> {}

/// A reading handle. Clones read from the same ring, each item going to one of them; each may be shared between threads.
pub struct Consumer<T> {
    laps: Laps,
    /// Copy of the slots' address; `shared` keeps them alive.
    slots: View<Slot<T>>,
    shared: Arc<Shared<T>>,
}

impl<T> Consumer<T> {
    /// Takes the oldest item. Lock-free, no system call: tries again only when another consumer got ahead.
    ///
    /// # Errors
    ///
    /// [`PopError::Empty`] if the oldest item is not there yet: none was pushed, or its push has not returned yet (even if
    /// later ones have); [`PopError::Closed`] if nothing is there and all producers are gone. Items pushed before the
    /// last producer went are always delivered first.
    #[inline]
    pub fn pop(&self) -> Result<T, PopError> {
        let claimed = self.claim(NonZero::<usize>::MIN)?.0;
        Ok(self.take(claimed))
    }

    /// Moves up to `max` items, oldest first, all claimed at once, to the end of `out`. Returns how many; 0 only if
    /// `max` is 0. `out` may allocate to grow, before anything is claimed: make room for `max` to avoid that.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    pub fn pop_into(&self, out: &mut Vec<T>, max: usize) -> Result<usize, PopError> {
        let Some(wanted) = NonZero::new(max.min(self.capacity())) else { return Ok(0) };
        out.reserve(wanted.get());
        let (mut position, len) = self.claim(wanted)?;
        for _ in 0..len {
            out.push(self.take(position));
            position = self.laps.next(position);
        }
        Ok(len)
    }

    /// Are all producers gone? Once true, true forever; items may still be there.
    #[inline]
    pub fn is_closed(&self) -> bool {
        // Acquire: the turns of all items ever pushed; pairs with Release in Producer::drop.
        let order = weakened("mpmc: producers relaxed", Ordering::Acquire);
        self.shared.handles.producers.load(order) == 0
    }

    /// How many items the ring holds, counting those being pushed or popped right now. An estimate: outdated at once.
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Were all items popped? Outdated at once.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is there no free slot? Outdated at once if others pop.
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// How many items fit.
    pub fn capacity(&self) -> usize {
        self.laps.capacity()
    }

    /// Claims up to `wanted` items: where they start and how many, at least one; or why none.
    #[inline(always)]
    fn claim(&self, wanted: NonZero<usize>) -> Result<(u64, usize), PopError> {
        let side = Side { position: &self.shared.head, laps: self.laps, slots: self.slots, due: 1 };
        let claim = || if wanted.get() == 1 { side.claim_one().map(|at| (at, 1)) } else { side.claim(wanted) };
        if let Some(claimed) = claim() {
            return Ok(claimed);
        }
        if !self.is_closed() {
            return Err(PopError::Empty);
        }
        // The last item may have been pushed between our two looks.
        if planted("mpmc: closed without a second look") { None } else { claim() }.ok_or(PopError::Closed)
    }

    /// Moves the item of `claimed` out and frees its slot.
    #[inline(always)]
    fn take(&self, claimed: u64) -> T {
        // SAFETY: an index of `laps` is less than the capacity, and `shared` keeps the slots alive.
        let slot: &Slot<T> = unsafe { self.slots.at(self.laps.index(claimed)) };
        // SAFETY: the slot's turn said that it holds an item (Acquire in `Side::is_due`), and the head moved past it by
        // our claim alone, so it is ours until we pass the turn on, and read once.
        let value = slot.value.with(|item| unsafe { item.cast::<T>().read() });
        slot.pass(self.laps.turn(claimed).wrapping_add(2));
        value
    }
}

impl<T> Clone for Consumer<T> {
    /// Another consumer of the same ring. Allocates nothing.
    fn clone(&self) -> Self {
        // Relaxed: we hold one, so the count is not zero and nobody decides anything by it.
        self.shared.handles.consumers.fetch_add(1, Ordering::Relaxed);
        Self { laps: self.laps, slots: self.slots, shared: self.shared.clone() }
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        // Relaxed: says no more than that pushing is pointless.
        self.shared.handles.consumers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("len", &self.len()).field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

// SAFETY: as for the producer.
unsafe impl<T: Send> Send for Consumer<T> {}
// SAFETY: as for the producer: items leave by value, each claimed once.
unsafe impl<T: Send> Sync for Consumer<T> {}

/// What all handles reach.
struct Shared<T> {
    /// Next position to push to; claimed by compare-and-swap.
    tail: CachePadded<AtomicU64>,
    /// Next position to pop from; claimed by compare-and-swap.
    head: CachePadded<AtomicU64>,
    /// Changes only when a handle is cloned or dropped.
    handles: CachePadded<Handles>,
    laps: Laps,
    slots: Slots<Slot<T>>,
}

/// How many handles of each side are left. Cannot overflow: each holds a count of the `Arc`, which checks.
struct Handles {
    producers: AtomicUsize,
    consumers: AtomicUsize,
}

// SAFETY: what is shared is atomics, and slots whose items pass by claim and turn from one thread to another: `T: Send`.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: see above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn len(&self) -> usize {
        // The head is read first and again, so that the two belong together; under constant traffic a guess must do.
        for _ in 0..LEN_TRIES {
            let head = self.head.load(Ordering::Acquire);
            let tail = self.tail.load(Ordering::Acquire);
            if self.head.load(Ordering::Relaxed) == head {
                return self.laps.distance(head, tail);
            }
        }
        let head = self.head.load(Ordering::Acquire);
        self.laps.distance(head, self.tail.load(Ordering::Relaxed)).min(self.laps.capacity())
    }
}

impl<T> Drop for Shared<T> {
    /// Drops the items nobody popped.
    fn drop(&mut self) {
        let mut head = self.head.load(Ordering::Relaxed);
        let tail = self.tail.load(Ordering::Relaxed);
        while head != tail && !planted("mpmc: leak on drop") {
            // SAFETY: an index of `laps` is less than the capacity; all handles are gone.
            let slot: &Slot<T> = unsafe { self.slots.view().at(self.laps.index(head)) };
            head = self.laps.next(head);
            // SAFETY: with no push or pop under way, `head..tail` hold items; each is dropped once, since `head` moved on.
            slot.value.with_mut(|item| unsafe { item.cast::<T>().drop_in_place() });
        }
    }
}

/// One end of the ring, as producers or consumers see it: the two differ only in the turn they wait for.
struct Side<'a, T> {
    position: &'a AtomicU64,
    laps: Laps,
    slots: View<Slot<T>>,
    /// What the due turn adds to `2 * lap`: 0 to push, 1 to pop.
    due: u32,
}

impl<T> Side<'_, T> {
    /// Claims the next position if its slot is due.
    #[inline(always)]
    fn claim_one(&self) -> Option<u64> {
        // Relaxed: the turn says whether the position is current, and the compare-and-swap whether it still is.
        let mut position = self.position.load(Ordering::Relaxed);
        let mut losses = 0;
        loop {
            match self.lateness(position) {
                0 => match self.try_move(position, self.laps.next(position)) {
                    Ok(()) => return Some(position),
                    Err(current) => position = current,
                },
                // The slot still waits for an earlier turn: full, or empty.
                i32::MIN..0 => return None,
                // Others went past us.
                _ => position = self.position.load(Ordering::Relaxed),
            }
            back_off(&mut losses);
        }
    }

    /// Claims up to `wanted` positions in a row whose slots are all due: where they start and how many.
    fn claim(&self, wanted: NonZero<usize>) -> Option<(u64, usize)> {
        let wanted = wanted.get().min(self.laps.capacity());
        let mut position = self.position.load(Ordering::Relaxed);
        let mut losses = 0;
        loop {
            // A due slot stays due until its position is claimed, so the run found is still due if the swap succeeds.
            let (mut end, mut len) = (position, 0);
            while len < wanted && self.lateness(end) == 0 {
                end = self.laps.next(end);
                len += 1;
            }
            if len > 0 {
                match self.try_move(position, end) {
                    Ok(()) => return Some((position, len)),
                    Err(current) => position = current,
                }
            } else if self.lateness(position) < 0 {
                return None;
            } else {
                position = self.position.load(Ordering::Relaxed);
            }
            back_off(&mut losses);
        }
    }

    /// How far the slot of `position` is beyond the turn due: 0 now, negative not yet, positive no more.
    #[inline(always)]
    fn lateness(&self, position: u64) -> i32 {
        // SAFETY: an index of `laps` is less than the capacity; the handle behind `self` keeps the slots alive.
        let slot = unsafe { self.slots.at(self.laps.index(position)) };
        // Acquire: the item, or that it was read out; pairs with Release in Slot::pass.
        let turn = slot.turn.load(weakened("mpmc: turn relaxed", Ordering::Acquire));
        turn.wrapping_sub(self.laps.turn(position).wrapping_add(self.due)) as i32
    }

    /// Claims `from..to`; if another thread got ahead, says where the position is now.
    #[inline(always)]
    fn try_move(&self, from: u64, to: u64) -> Result<(), u64> {
        if planted("mpmc: claim without compare") {
            self.position.store(to, Ordering::Relaxed);
            return Ok(());
        }
        // Relaxed: the turns carry the items; the position only hands each number out once.
        self.position.compare_exchange_weak(from, to, Ordering::Relaxed, Ordering::Relaxed).map(drop)
    }
}

/// One item and whose turn it is.
#[repr(C)]
struct Slot<T> {
    /// See the table on top. Written only by the thread that claimed the position due.
    turn: AtomicU32,
    value: UnsafeCell<MaybeUninit<T>>,
}

impl<T> Slot<T> {
    #[inline(always)]
    fn pass(&self, turn: u32) {
        // Release: the item, or that it was read out; pairs with Acquire in Side::lateness.
        self.turn.store(turn, weakened("mpmc: turn relaxed", Ordering::Release));
    }
}

impl<T> Strided for Slot<T> {
    const STRIDE: usize = size_of::<Self>();
}

/// Lets the winner's line settle: pauses twice as long at each loss in a row.
#[inline]
fn back_off(losses: &mut u32) {
    for _ in 0..1 << *losses {
        spin_loop();
    }
    *losses = (*losses + 1).min(BACK_OFF_MAX);
}

/// Longest pause, as a power of two of spin hints (12 to 40 ns each).
const BACK_OFF_MAX: u32 = 6;

/// How often `len` tries to catch both positions at rest.
const LEN_TRIES: u32 = 4;
