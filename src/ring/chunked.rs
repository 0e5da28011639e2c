//! An unbounded queue of 64-byte slots from one producer to one consumer: the storage under a pipe.
//!
//! Slots live in chunks linked into a chain. The producer appends at one end, the consumer follows, and chunks the
//! consumer has left are used again by the producer. How much may be queued is not this ring's business: the pipe
//! counts credit in messages with [`Producer::sent`] and [`Producer::taken`].
//!
//! ```text
//!  oldest                consumer's             producer's
//!  ┌───────┐   next   ┌───────────┐   next   ┌───────────┐   next
//!  │ taken │ ───────► │ ····▓▓▓▓▓ │ ───────► │ ▓▓▓▓▓▓··· │ ───────► null, or the chunk to fill after it
//!  └───────┘          └───────────┘          └───────────┘
//! ```
//!
//! A record takes one or more consecutive slots and is published by the mark of its *first* slot, stored last. The mark
//! equals the chunk's generation, a number that changes whenever the chunk is used again, so marks need no clearing.
//! After Lamport (1983) and FastForward (PPoPP 2008), except that the consumer never writes a slot: a small record
//! crosses between cores in one line.
//!
//! Invariants:
//! - `taken <= sent`; both only grow.
//! - A record that fills its chunk is published after `next` is linked. So the consumer, having read the last slot of
//!   a chunk, always finds the next one, and an empty queue costs it one look at one line.
//! - The consumer moves on to the next chunk before it publishes `taken`. So a chunk all of whose records are taken is
//!   the producer's alone, `next` included.
//! - Between `oldest` and the consumer's chunk, exclusive, nobody but the holder of the chain lock touches anything.
//!
//! It never waits, and allocates a chunk only when the chain has no chunk to use again.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    fmt,
    mem::MaybeUninit,
    ptr::{self, NonNull},
};

#[cfg(loom)]
use ::loom::alloc::Track;

#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

use crate::sync::{
    Arc, AtomicBool, AtomicPtr, AtomicU32, AtomicU64, CachePadded, Ordering, UnsafeCell, planted, weakened,
};

/// Payload bytes of a slot: a cache line less the mark and the record header.
pub(crate) const SLOT_BYTES: usize = 56;
/// Slots of a chunk. With its two header lines a chunk is 1.5 KiB: an idle pair that keeps a spare chunk each way stays below
/// half of what its peers use (libzmq: 17 KB), and the work at the end of a chunk is spread over 22 messages.
const CHUNK_SLOTS: usize = if cfg!(loom) { 2 } else { 22 };
/// From this slot on of a chunk both sides see to the next one.
const AHEAD: usize = if cfg!(loom) { 0 } else { CHUNK_SLOTS / 2 };
/// Slots a record may take: it may leave its chunk only once.
pub(crate) const RECORD_SLOTS_MAX: usize = if cfg!(loom) { 2 } else { 16 };
/// The low bits of a stored header, where the ring keeps how many slots of the record there are from here on.
const SLOTS_BITS: u32 = 8;
/// Chunk ends between two counts of the chain's idle chunks: some 4,000 messages.
const CENSUS_PERIOD: u32 = 128;
/// Counts whose least decides how many chunks have really been idle: some 32,000 messages.
const CENSUS_ROUNDS: u32 = 8;
/// Idle chunks not worth giving back.
const SPARE_CHUNKS: usize = 8;

/// An empty queue. Allocates no chunk before the first record.
///
/// `leftover` is called for each slot of the records nobody took, once both halves are gone: it drops what they own.
pub(crate) fn queue(leftover: fn(Header, &SlotBody)) -> (Producer, Consumer) {
    let shared = Arc::new(Shared {
        taken: CachePadded::new(AtomicU64::new(0)),
        first: AtomicPtr::new(ptr::null_mut()),
        chain_locked: AtomicBool::new(false),
        oldest: UnsafeCell::new(ptr::null_mut()),
        end: UnsafeCell::new(Cursor::NOWHERE),
        leftover,
    });
    let producer = Producer {
        shared: shared.clone(),
        at: Cursor::NOWHERE,
        sent: 0,
        taken: 0,
        linked: false,
        chunk_ends: 0,
        census: Census::default(),
    };
    let consumer = Consumer { shared, at: Cursor::NOWHERE, ahead: None, taken: 0 };
    (producer, consumer)
}

/// The memory for a chunk could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfMemory;

/// What each slot says of itself, in the pipe's own encoding: 24 bits.
pub(crate) type Header = u32;
/// The payload of a slot.
pub(crate) type SlotBody = [MaybeUninit<u64>; SLOT_BYTES / 8];
/// The writing half: may move between threads, is never shared by two.
pub(crate) struct Producer {
    shared: Arc<Shared>,
    /// The slot to write next. Before the first record its chunk is null and its index `CHUNK_SLOTS`.
    at: Cursor,
    /// Records published.
    sent: u64,
    /// Last `taken` we saw. Stale only downwards: the queue may look fuller than it is, never emptier.
    taken: u64,
    /// The chunk after this one is linked.
    linked: bool,
    chunk_ends: u32,
    census: Census,
}

/// The reading half: may move between threads, is never shared by two.
pub(crate) struct Consumer {
    shared: Arc<Shared>,
    /// The slot to read next. Its chunk is null until the first record was seen.
    at: Cursor,
    /// The start of the chunk after this one, once we have seen it linked.
    ahead: Option<Cursor>,
    /// Records taken, published by [`Consumer::publish_taken`].
    taken: u64,
}

struct Shared {
    /// Records taken. Written by the consumer once per receive call, read by the producer when its copy says full
    /// and at the end of a chunk: a line of its own.
    taken: CachePadded<AtomicU64>,
    /// The first chunk, for the consumer to start from. Written once.
    first: AtomicPtr<Chunk>,
    /// Guards `oldest` and every chunk before the consumer's. Only ever tried, never waited for.
    chain_locked: AtomicBool,
    oldest: UnsafeCell<*mut Chunk>,
    /// Where the consumer stopped reading, for `drop`. Written by the consumer when it goes.
    end: UnsafeCell<Cursor>,
    leftover: fn(Header, &SlotBody),
}

/// A slot of a chunk in use.
#[derive(Clone, Copy)]
struct Cursor {
    chunk: *mut Chunk,
    index: usize,
    generation: u32,
}

impl Cursor {
    /// Fills the slot here, `left` slots of its record being left from it on.
    ///
    /// # Safety
    /// The cursor is at a slot of a live chunk that is the producer's, and not published.
    #[inline(always)]
    unsafe fn fill<'a>(self, left: u32, fill: impl FnOnce(&mut SlotBody) -> Header) -> &'a Slot {
        // SAFETY: the caller's duty: the chunk is live; it stays so until the record is published and taken.
        let slot = unsafe { &(&(*self.chunk).slots)[self.index] };
        // SAFETY: nobody else touches the slot, by the caller's duty.
        let header = slot.body.with_mut(|body| fill(unsafe { &mut *body }));
        // SAFETY: likewise.
        slot.header.with_mut(|place| unsafe { (*place).write(header << SLOTS_BITS | left) });
        slot
    }

    const NOWHERE: Self = Self { chunk: ptr::null_mut(), index: CHUNK_SLOTS, generation: 0 };

    /// # Safety
    /// `chunk` is a live chunk in use.
    unsafe fn at_start(chunk: *mut Chunk) -> Self {
        // SAFETY: live by the caller's duty.
        Self { chunk, index: 0, generation: unsafe { (*chunk).generation() } }
    }

    /// This cursor, or that of the first slot there ever was if this one is nowhere.
    #[cold]
    fn or_first(self, shared: &Shared) -> Option<Self> {
        if !self.chunk.is_null() {
            return Some(self);
        }
        // Acquire: pairs with Release in Producer::link_next.
        let chunk = shared.first.load(weakened("chunked-first-acquire", Ordering::Acquire));
        // SAFETY: nobody has read from the first chunk yet, so it is live.
        (!chunk.is_null()).then(|| unsafe { Self::at_start(chunk) })
    }
}

/// A record begun and not yet published.
///
/// Its first slot is written last, together with the mark: the consumer polls that line, and would take it away from
/// us again between a write to it and the mark if other slots were written in between.
#[must_use]
pub(crate) struct Record {
    first: Cursor,
    /// Slots in all.
    slots: u32,
    /// Slots still to be written, with the first.
    left: u32,
}

// SAFETY: chunks are owned by the queue and hold plain bytes (what they mean is the pipe's business, which only stores
// `Send` frames); the producer, the consumer and the holder of the chain lock touch disjoint parts, as the module's
// invariants say.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}
// SAFETY: the raw pointer is to a chunk of `shared`, which moves with us; the halves are not `Sync`.
unsafe impl Send for Producer {}
// SAFETY: as for the producer.
unsafe impl Send for Consumer {}

#[repr(C, align(64))]
struct Slot {
    /// Equal to the chunk's generation once the record that begins here is published. Written by the producer only.
    mark: AtomicU32,
    header: UnsafeCell<MaybeUninit<Header>>,
    body: UnsafeCell<SlotBody>,
}

/// A cache line.
#[repr(C, align(64))]
struct Line<T>(T);

#[repr(C, align(64))]
struct Chunk {
    /// Written by the producer before it publishes the record that fills this chunk.
    next: AtomicPtr<Chunk>,
    /// Which use of this chunk it is, never zero. Written before the chunk is linked, constant while it is.
    generation: UnsafeCell<u32>,
    /// Records sent, counted at the end of the last one that has a slot here. The producer's alone, in a line of its
    /// own: it is written just before a message is published, and must not wait for a line the consumer has.
    last_record: Line<UnsafeCell<u64>>,
    slots: [Slot; CHUNK_SLOTS],
    /// Tells a leaked chunk.
    #[cfg(loom)]
    tracked: Track<()>,
}

#[cfg(not(any(loom, shuttle)))]
const _: () = {
    assert!(size_of::<Slot>() == 64 && align_of::<Slot>() == 64);
    assert!(std::mem::offset_of!(Slot, mark) == 0 && std::mem::offset_of!(Slot, body) == 8);
    assert!(std::mem::offset_of!(Slot, body) == 8);
    assert!(size_of::<Chunk>() == 1536);
};
const _: () = assert!(RECORD_SLOTS_MAX <= CHUNK_SLOTS);

impl Producer {
    /// Records published so far.
    #[inline(always)]
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Records taken, as last seen. May be more by now, never less.
    #[inline(always)]
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Reads how many records are taken.
    #[inline]
    pub(crate) fn refresh_taken(&mut self) -> u64 {
        // Acquire: pairs with Release in Consumer::publish_taken, so that a chunk all of whose records are taken is no
        // longer read by the consumer.
        self.taken = self.shared.taken.load(weakened("chunked-taken-acquire", Ordering::Acquire));
        self.taken
    }

    /// Begins a record of `slots` slots (1 to [`RECORD_SLOTS_MAX`]): nothing can fail after this. Each slot but the first
    /// is to be [written](Self::write) before the record is [published](Self::publish).
    ///
    /// # Errors
    /// No chunk to use again, and none could be allocated. Nothing has changed.
    #[inline(always)]
    pub(crate) fn begin(&mut self, slots: usize) -> Result<Record, OutOfMemory> {
        debug_assert!((1..=RECORD_SLOTS_MAX).contains(&slots));
        if self.at.index + slots >= CHUNK_SLOTS {
            self.link_next(slots)?;
        }
        let record = Record { first: self.at, slots: slots as u32, left: slots as u32 };
        self.advance();
        Ok(record)
    }

    /// Writes the next slot of `record` behind its first: `fill` puts the payload there and tells the header.
    ///
    /// # Panics
    /// Panics if the record has no slot left but the first.
    #[inline(always)]
    pub(crate) fn write(&mut self, record: &mut Record, fill: impl FnOnce(&mut SlotBody) -> Header) {
        assert!(record.left > 1, "a record has as many slots as it was begun with");
        record.left -= 1;
        // Slots left from this one on: what `Shared::drop_records_from` counts by.
        // SAFETY: `begin` made sure of the record's slots, and this one is not published.
        unsafe { self.at.fill(record.left, fill) };
        self.advance();
    }

    /// Writes the first slot of `record`, all others having been written, and publishes it.
    ///
    /// # Panics
    /// Panics if a slot has not been written.
    #[inline(always)]
    pub(crate) fn publish(&mut self, record: Record, fill: impl FnOnce(&mut SlotBody) -> Header) {
        assert!(record.left == 1, "a record is published whole");
        // SAFETY: `begin` made sure of the record's slots, and the first is not published.
        let slot = unsafe { record.first.fill(record.slots, fill) };
        self.sent += 1;
        // Release: the slots above and, through them, `next`; pairs with Acquire in Consumer::ready.
        slot.mark.store(record.first.generation, weakened("chunked-publish-release", Ordering::Release));
    }

    /// Upkeep that is better done when the consumer has been told of its message: links the chunk after this one well
    /// before it is needed, so that at the end of a chunk neither side meets a cache line it has not seen.
    #[inline(always)]
    pub(crate) fn settle(&mut self) {
        if self.at.index >= AHEAD && !self.linked && self.at.index < CHUNK_SLOTS {
            // Out of memory: `begin` tries again, and says so.
            let _ = self.link_next(1);
        }
    }

    #[inline(always)]
    fn advance(&mut self) {
        self.at.index += 1;
        if self.at.index == CHUNK_SLOTS {
            self.enter_next();
        }
    }

    /// Leaves the chunk just filled for the next one, which `begin` has linked.
    #[cold]
    #[inline(never)]
    fn enter_next(&mut self) {
        // SAFETY: `chunk` is the live chunk we filled.
        let chunk = unsafe { &*self.at.chunk };
        // SAFETY: only the producer reads or writes `last_record`. The record being written counts as one.
        chunk.last_record.0.with_mut(|last| unsafe { *last = self.sent + 1 });
        // Relaxed: we wrote it.
        let next = chunk.next.load(Ordering::Relaxed);
        assert!(!next.is_null(), "begin() links the chunk after the one a record fills");
        // SAFETY: the next chunk is live and not yet reachable by a published record.
        self.at = unsafe { Cursor::at_start(next) };
        self.linked = false;
    }

    #[cold]
    #[inline(never)]
    fn link_next(&mut self, slots: usize) -> Result<(), OutOfMemory> {
        if self.at.chunk.is_null() {
            let chunk = Chunk::allocate().ok_or(OutOfMemory)?;
            // SAFETY: just allocated, ours.
            self.at = unsafe { Cursor::at_start(chunk.as_ptr()) };
            // SAFETY: the consumer looks at `oldest` only once it has found a first chunk.
            self.shared.oldest.with_mut(|oldest| unsafe { *oldest = chunk.as_ptr() });
            // Release: the chunk above; pairs with Acquire in Consumer::ready_slow.
            self.shared.first.store(chunk.as_ptr(), weakened("chunked-first-release", Ordering::Release));
            if slots < CHUNK_SLOTS {
                return Ok(());
            }
        }
        // SAFETY: the chunk being filled is live.
        let chunk = unsafe { &*self.at.chunk };
        if chunk.next.load(Ordering::Relaxed).is_null() {
            let next = match self.reuse() {
                Some(next) => next,
                None => Chunk::allocate().ok_or(OutOfMemory)?,
            };
            // Release: the chunk's generation; pairs with Acquire in Consumer::look_ahead. (At the end of the chunk the mark
            // of the record that fills it publishes the link.)
            chunk.next.store(next.as_ptr(), weakened("chunked-link-release", Ordering::Release));
        }
        self.linked = true;
        Ok(())
    }

    /// The oldest chunk, if the consumer has left it.
    fn reuse(&mut self) -> Option<NonNull<Chunk>> {
        let chain = self.shared.lock_chain()?;
        self.chunk_ends = self.chunk_ends.wrapping_add(1);
        let census_due = self.chunk_ends.is_multiple_of(CENSUS_PERIOD);
        let mut taken = self.taken;
        // A count by an old copy would find fewer idle chunks than there are.
        if census_due || chain.left(self.at.chunk, taken).next().is_none() {
            // As in `refresh_taken`.
            taken = self.shared.taken.load(weakened("chunked-taken-acquire", Ordering::Acquire));
            self.taken = taken;
        }
        if census_due {
            let surplus = self.census.count(chain.left(self.at.chunk, taken).count());
            chain.left(self.at.chunk, taken).take(surplus).for_each(|chunk| {
                // SAFETY: the chunk is left by the consumer and the lock is held; `left` has gone past it.
                chain.set_oldest(unsafe { (*chunk).next.load(Ordering::Relaxed) });
                // SAFETY: nobody reaches it any more.
                unsafe { Chunk::free(chunk) };
            });
        }
        let oldest = NonNull::new(chain.left(self.at.chunk, taken).next()?)?;
        // SAFETY: the consumer has left this chunk and the lock is held: it is ours.
        let chunk = unsafe { oldest.as_ref() };
        chain.set_oldest(chunk.next.load(Ordering::Relaxed));
        chunk.begin_use();
        Some(oldest)
    }
}

impl Consumer {
    /// Records taken so far.
    #[inline(always)]
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Is a record waiting? May become true at any time; cannot become false behind our back.
    #[inline(always)]
    pub(crate) fn ready(&mut self) -> bool {
        if self.at.chunk.is_null() { self.ready_slow() } else { self.published() }
    }

    /// Gives one slot of the record that is waiting to `take`. The last slot of a record must be read before `ready` is
    /// asked again; [`Consumer::finish`] ends the record.
    ///
    /// # Safety
    /// `ready` has answered true and the record has a slot left.
    #[inline(always)]
    pub(crate) unsafe fn read<R>(&mut self, take: impl FnOnce(Header, &SlotBody) -> R) -> R {
        // SAFETY: the caller's duty: `chunk` is live, the slot at `index` published or part of a published record.
        let slot = unsafe { &(&(*self.at.chunk).slots)[self.at.index] };
        // SAFETY: the producer wrote the header before it published the record and leaves it alone until it is taken.
        let header = slot.header.with(|header| unsafe { header.cast::<Header>().read() }) >> SLOTS_BITS;
        // SAFETY: likewise for the body.
        let result = slot.body.with(|body| take(header, unsafe { &*body }));
        self.at.index += 1;
        if self.at.index == CHUNK_SLOTS {
            self.enter_next();
        }
        result
    }

    /// The header of the record that is waiting.
    ///
    /// # Safety
    /// `ready` has answered true, and no slot of the record has been read.
    #[inline(always)]
    pub(crate) unsafe fn header(&self) -> Header {
        // SAFETY: the caller's duty: `chunk` is live and the slot at `index` published.
        let slot = unsafe { &(&(*self.at.chunk).slots)[self.at.index] };
        // SAFETY: as in `read`.
        slot.header.with(|header| unsafe { header.cast::<Header>().read() }) >> SLOTS_BITS
    }

    /// Counts a record whose slots have all been read.
    #[inline(always)]
    pub(crate) fn finish(&mut self) {
        self.taken += 1;
    }

    /// Upkeep for when there is nothing to read: looks for the next chunk before it is needed.
    #[inline(always)]
    pub(crate) fn look_ahead(&mut self) {
        if self.at.index > AHEAD && self.ahead.is_none() && !self.at.chunk.is_null() {
            self.look_ahead_slow();
        }
    }

    #[cold]
    #[inline(never)]
    fn look_ahead_slow(&mut self) {
        // SAFETY: we have not left `chunk`. Acquire: pairs with Release in Producer::link_next.
        let next = unsafe { (*self.at.chunk).next.load(weakened("chunked-ahead-acquire", Ordering::Acquire)) };
        // SAFETY: linked, hence live and in use.
        self.ahead = (!next.is_null()).then(|| unsafe { Cursor::at_start(next) });
    }

    /// Lets the producer see what was taken: once per receive call, before it returns.
    #[inline(always)]
    pub(crate) fn publish_taken(&self) {
        // Release: our reads of the slots and of `next`; pairs with Acquire in Producer::refresh_taken.
        self.shared.taken.store(self.taken, weakened("chunked-taken-release", Ordering::Release));
    }

    /// As [`publish_taken`](Self::publish_taken), of all but the last `held` records, which the producer goes on counting.
    pub(crate) fn publish_all_but(&self, held: u64) {
        // Release: as in `publish_taken`. What was left of a chunk is left for good, whoever counts.
        self.shared.taken.store(self.taken - held, Ordering::Release);
    }

    /// Frees the chunks that wait to be used again, but the last one: for a queue that has gone quiet. (With none left,
    /// a pair that sleeps between messages would allocate at the end of every chunk.) Does nothing if the producer is
    /// just taking one.
    pub(crate) fn trim(&self) {
        if self.at.chunk.is_null() {
            return;
        }
        if let Some(chain) = self.shared.lock_chain() {
            loop {
                let chunk = chain.oldest();
                // SAFETY: the lock is held, and the chain leads to our own chunk at least.
                if chunk == self.at.chunk || unsafe { (*chunk).next.load(Ordering::Relaxed) } == self.at.chunk {
                    return;
                }
                // SAFETY: the lock is held and our own chunk is further on, so `chunk` is in the chain and left by us.
                chain.set_oldest(unsafe { (*chunk).next.load(Ordering::Relaxed) });
                // SAFETY: the producer reaches it through the chain only.
                unsafe { Chunk::free(chunk) };
            }
        }
    }

    #[inline(always)]
    fn published(&self) -> bool {
        // SAFETY: `chunk` is live as long as we have not left it, and `index` is within it.
        let slot = unsafe { &(&(*self.at.chunk).slots)[self.at.index] };
        // Acquire: pairs with Release in Producer::commit; the record's slots and the link that follows them.
        slot.mark.load(weakened("chunked-ready-acquire", Ordering::Acquire)) == self.at.generation
    }

    #[cold]
    fn ready_slow(&mut self) -> bool {
        match self.at.or_first(&self.shared) {
            Some(first) => {
                self.at = first;
                self.published()
            }
            None => false,
        }
    }

    #[cold]
    #[inline(never)]
    fn enter_next(&mut self) {
        self.at = self.ahead.take().unwrap_or_else(|| {
            // SAFETY: we have not left `chunk` yet. Relaxed: the mark of the record that fills it published the link.
            let next = unsafe { (*self.at.chunk).next.load(Ordering::Relaxed) };
            assert!(!next.is_null(), "a record that fills its chunk is published after the next one is linked");
            // SAFETY: linked, hence live and in use.
            unsafe { Cursor::at_start(next) }
        });
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // SAFETY: only read once both halves are gone.
        self.shared.end.with_mut(|end| unsafe { *end = self.at });
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("sent", &self.sent).field("taken", &self.taken).finish_non_exhaustive()
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("taken", &self.taken).finish_non_exhaustive()
    }
}

impl Shared {
    /// Hands every slot of the records from `at` on to `leftover`.
    fn drop_records_from(&self, mut at: Cursor) {
        // Slots of the current record still to come.
        let mut slots = 0;
        loop {
            // SAFETY: both halves are gone and the chain is whole from the consumer's chunk on.
            let slot = unsafe { &(&(*at.chunk).slots)[at.index] };
            if slots == 0 && slot.mark.load(Ordering::Relaxed) != at.generation {
                return;
            }
            // SAFETY: the slot is part of a published record nobody has taken.
            let header = slot.header.with(|header| unsafe { header.cast::<Header>().read() });
            // SAFETY: likewise.
            slot.body.with(|body| (self.leftover)(header >> SLOTS_BITS, unsafe { &*body }));
            slots = (header & ((1 << SLOTS_BITS) - 1)) - 1;
            at.index += 1;
            if at.index == CHUNK_SLOTS {
                // SAFETY: as above.
                let next = unsafe { (*at.chunk).next.load(Ordering::Relaxed) };
                // SAFETY: a record that fills its chunk is published after the next one is linked.
                at = unsafe { Cursor::at_start(next) };
            }
        }
    }

    fn lock_chain(&self) -> Option<ChainGuard<'_>> {
        // Acquire: pairs with Release in ChainGuard::drop.
        let locked = self.chain_locked.swap(true, weakened("chunked-lock-acquire", Ordering::Acquire));
        if locked { None } else { Some(ChainGuard(self)) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: both halves are gone; the consumer left its cursor here.
        let end = self.end.with(|end| unsafe { *end });
        if let Some(end) = end.or_first(self)
            && !planted("chunked-leak-on-drop")
        {
            self.drop_records_from(end);
        }
        // SAFETY: both halves are gone.
        let mut chunk = self.oldest.with(|oldest| unsafe { *oldest });
        while !chunk.is_null() {
            // SAFETY: the chain is ours alone now.
            let next = unsafe { (*chunk).next.load(Ordering::Relaxed) };
            // SAFETY: nobody reaches it any more.
            unsafe { Chunk::free(chunk) };
            chunk = next;
        }
    }
}

/// The right to take chunks off the old end of the chain.
struct ChainGuard<'a>(&'a Shared);

impl ChainGuard<'_> {
    /// The chunks the consumer has left for good, oldest first: those before the producer's chunk `filling` all of
    /// whose records are among the first `taken`. For the producer only.
    fn left(&self, filling: *mut Chunk, taken: u64) -> impl Iterator<Item = *mut Chunk> + use<> {
        let mut chunk = self.oldest();
        std::iter::from_fn(move || {
            // The chain ends with `filling` or later, so the walk stays within it.
            if chunk == filling {
                return None;
            }
            // SAFETY: the lock was held when the walk began and the caller frees only what the walk has passed.
            let last = unsafe { &(*chunk).last_record.0 };
            // SAFETY: only the producer touches it.
            let last = last.with(|last| unsafe { *last });
            if last > taken && !planted("chunked-reuse-early") {
                return None;
            }
            let left = chunk;
            // SAFETY: as above.
            chunk = unsafe { (*chunk).next.load(Ordering::Relaxed) };
            Some(left)
        })
    }

    fn oldest(&self) -> *mut Chunk {
        // SAFETY: the lock is held.
        self.0.oldest.with(|oldest| unsafe { *oldest })
    }

    fn set_oldest(&self, chunk: *mut Chunk) {
        // SAFETY: the lock is held.
        self.0.oldest.with_mut(|oldest| unsafe { *oldest = chunk });
    }
}

impl Drop for ChainGuard<'_> {
    fn drop(&mut self) {
        // Release: `oldest` and the chain; pairs with Acquire in Shared::lock_chain.
        self.0.chain_locked.store(false, weakened("chunked-lock-release", Ordering::Release));
    }
}

impl Chunk {
    /// A chunk of generation one, all of whose marks are zero.
    fn allocate() -> Option<NonNull<Self>> {
        // SAFETY: the layout has a size.
        let chunk = NonNull::new(unsafe { alloc_zeroed(Layout::new::<Self>()) }.cast::<Self>())?;
        #[cfg(loom)]
        // SAFETY: freshly allocated memory of the right layout. (Outside loom zero bytes are the value wanted.)
        unsafe {
            chunk.write(Self {
                next: AtomicPtr::new(ptr::null_mut()),
                generation: UnsafeCell::new(0),
                last_record: Line(UnsafeCell::new(0)),
                slots: std::array::from_fn(|_| Slot {
                    mark: AtomicU32::new(0),
                    header: UnsafeCell::new(MaybeUninit::uninit()),
                    body: UnsafeCell::new([MaybeUninit::uninit(); SLOT_BYTES / 8]),
                }),
                tracked: Track::new(()),
            });
        }
        // SAFETY: zeroed, which is a valid chunk.
        unsafe { chunk.as_ref() }.begin_use();
        Some(chunk)
    }

    /// Makes a chunk nobody else reaches ready to be filled: unlinked, of a generation no mark in it has.
    fn begin_use(&self) {
        self.next.store(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: nobody else reaches the chunk.
        let previous = self.generation.with(|generation| unsafe { *generation });
        let generation = match previous.checked_add(1) {
            Some(_) if previous > 0 && planted("chunked-same-generation") => previous,
            Some(generation) => generation,
            // Once in 2^32 uses: marks of the first generations could still stand in slots never begun in since.
            None => {
                self.slots.iter().for_each(|slot| slot.mark.store(0, Ordering::Relaxed));
                1
            }
        };
        // SAFETY: as above.
        self.generation.with_mut(|place| unsafe { *place = generation });
    }

    fn generation(&self) -> u32 {
        // SAFETY: constant while the chunk is linked; written before that, and the link or the mark published it.
        self.generation.with(|generation| unsafe { *generation })
    }

    /// Fails the model unless all that others did with this chunk is ordered before.
    #[cfg(loom)]
    fn forbid(&mut self) {
        self.next.with_mut(|next| *next = ptr::null_mut());
        self.last_record.0.with_mut(|_| ());
        self.generation.with_mut(|_| ());
        for slot in &mut self.slots {
            slot.mark.with_mut(|mark| *mark = 0);
            slot.header.with_mut(|_| ());
            slot.body.with_mut(|_| ());
        }
    }

    /// # Safety
    /// `chunk` came from `allocate` and nobody reaches it any more.
    unsafe fn free(chunk: *mut Self) {
        #[cfg(loom)]
        // SAFETY: live, by the caller's duty.
        unsafe { &mut *chunk }.forbid();
        // SAFETY: the caller's duty; outside loom there is nothing to drop.
        unsafe { ptr::drop_in_place(chunk) };
        // SAFETY: allocated with this layout.
        unsafe { dealloc(chunk.cast(), Layout::new::<Self>()) };
    }
}

/// How many chunks have been idle all through the last rounds.
#[derive(Debug, Default)]
struct Census {
    rounds: u32,
    least_idle: usize,
}

impl Census {
    /// Takes note of a count and tells how many chunks to give back: some at the end of a period, else none.
    fn count(&mut self, idle: usize) -> usize {
        self.least_idle = if self.rounds == 0 { idle } else { self.least_idle.min(idle) };
        self.rounds += 1;
        if self.rounds < CENSUS_ROUNDS {
            return 0;
        }
        self.rounds = 0;
        self.least_idle.saturating_sub(SPARE_CHUNKS) / 2
    }
}
