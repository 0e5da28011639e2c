//! The memory of a ring: a fixed array of slots at a stride chosen at compile time, allocated fallibly.
//!
//! Slots are handed out as raw pointers or shared references; who may touch which slot when is the ring's protocol,
//! not ours. The base is aligned to a pair of cache lines, because adjacent lines are fetched together and a
//! neighbour's traffic must not reach the first slots.

use std::{
    alloc::{self, Layout},
    marker::PhantomData,
    ptr::{self, NonNull},
};

use super::{CapacityError, cursor::Mask};

/// A slot type and how far apart its slots lie.
pub(super) trait Strided {
    /// Bytes from one slot to the next: at least the size, a multiple of the alignment.
    const STRIDE: usize;
}

/// Owns the memory of `len` slots, all of them initialised.
pub(super) struct Slots<S: Strided> {
    view: View<S>,
    len: usize,
}

/// Where the slots of a ring are: a copy for each handle, so that the hot path needs no detour over shared memory.
/// Valid only as long as the [`Slots`] it came from; handles keep those alive.
pub(super) struct View<S> {
    base: NonNull<u8>,
    slots: PhantomData<*const S>,
}

impl<S: Strided> Slots<S> {
    /// Allocates `len` slots and initialises slot `index` with `init(index)`.
    ///
    /// Every page is touched here, so that no push takes a page fault.
    pub(super) fn new(len: usize, mut init: impl FnMut(usize) -> S) -> Result<Self, CapacityError> {
        let layout = Self::layout(len).ok_or(CapacityError::TooLarge { capacity: len })?;
        let base = allocate(layout)?;
        let view = View::<S> { base, slots: PhantomData };
        // Zero-sized slots may be more than one could ever count, and hold nothing to write.
        let to_write = if size_of::<S>() == 0 { 0 } else { len };
        for index in 0..to_write {
            // SAFETY: `index < len`, so the slot lies inside the allocation just made.
            let slot = unsafe { view.slot(index) };
            // SAFETY: `slot` is in bounds and aligned, and nobody else knows of it yet.
            unsafe { slot.write(init(index)) };
        }
        Ok(Self { view, len })
    }

    pub(super) fn view(&self) -> View<S> {
        self.view
    }

    /// `None` when the bytes do not fit an address space.
    fn layout(len: usize) -> Option<Layout> {
        const { assert!(S::STRIDE >= size_of::<S>() && S::STRIDE.is_multiple_of(align_of::<S>())) };
        Layout::from_size_align(S::STRIDE.checked_mul(len)?, align_of::<S>().max(BASE_ALIGN)).ok()
    }
}

impl<S: Strided> Drop for Slots<S> {
    fn drop(&mut self) {
        if std::mem::needs_drop::<S>() {
            for index in 0..self.len {
                // SAFETY: `index < len`.
                let slot = unsafe { self.view.slot(index) };
                // SAFETY: every slot was initialised by `new`, and we own them.
                unsafe { slot.drop_in_place() };
            }
        }
        if let Some(layout) = Self::layout(self.len).filter(|layout| layout.size() > 0) {
            // SAFETY: allocated in `new` with this very layout.
            unsafe { alloc::dealloc(self.view.base.as_ptr(), layout) };
        }
    }
}

impl<S: Strided> View<S> {
    /// A pointer to slot `index`, aligned and initialised.
    ///
    /// # Safety
    ///
    /// `index` is less than the number of slots, whose memory is still allocated.
    #[inline(always)]
    pub(super) unsafe fn slot(self, index: usize) -> *mut S {
        // SAFETY: in bounds by the caller's promise; the allocation's size was checked to fit an `isize`.
        unsafe { self.base.as_ptr().add(index * S::STRIDE) }.cast()
    }

    /// Slot `index`, shared.
    ///
    /// # Safety
    ///
    /// As for [`slot`](Self::slot), for all of `'a`; and nobody forms a unique reference to the slot meanwhile.
    #[inline(always)]
    pub(super) unsafe fn at<'a>(self, index: usize) -> &'a S {
        // SAFETY: the caller's promise.
        let slot = unsafe { self.slot(index) };
        // SAFETY: `slot` is aligned and initialised; shared access is the caller's promise.
        unsafe { &*slot }
    }
}

impl<S> Clone for View<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for View<S> {}

/// Tells loom who reads and writes slots that must lie bare in memory (so that they can be lent as slices) and cannot
/// be loom's cells. Elsewhere it is nothing.
pub(super) struct Watch {
    #[cfg(loom)]
    cells: Vec<crate::sync::UnsafeCell<()>>,
}

#[cfg(loom)]
impl Watch {
    pub(super) fn new(len: usize) -> Self {
        Self { cells: (0..len).map(|_| crate::sync::UnsafeCell::new(())).collect() }
    }

    pub(super) fn reading(&self, mask: Mask, position: u64, len: usize) {
        for step in 0..len as u64 {
            self.cells[mask.index(position.wrapping_add(step))].with(|_| ());
        }
    }

    pub(super) fn writing(&self, mask: Mask, position: u64, len: usize) {
        for step in 0..len as u64 {
            self.cells[mask.index(position.wrapping_add(step))].with_mut(|_| ());
        }
    }
}

#[cfg(not(loom))]
impl Watch {
    pub(super) fn new(_len: usize) -> Self {
        Self {}
    }

    #[inline(always)]
    pub(super) fn reading(&self, _mask: Mask, _position: u64, _len: usize) {}

    #[inline(always)]
    pub(super) fn writing(&self, _mask: Mask, _position: u64, _len: usize) {}
}

/// Memory for `layout`, or the error that says why not.
fn allocate(layout: Layout) -> Result<NonNull<u8>, CapacityError> {
    if layout.size() == 0 {
        // Zero-sized slots need an aligned address and no memory.
        return Ok(NonNull::new(ptr::without_provenance_mut(layout.align())).expect("an alignment is never zero"));
    }
    // SAFETY: the size is not zero.
    let base = unsafe { alloc::alloc(layout) };
    NonNull::new(base).ok_or(CapacityError::OutOfMemory { size: layout.size() })
}

/// Two cache lines of 64 bytes: x86 prefetches them in pairs.
const BASE_ALIGN: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    struct Wide(u32);

    impl Strided for Wide {
        const STRIDE: usize = 64;
    }

    struct Nothing;

    impl Strided for Nothing {
        const STRIDE: usize = 0;
    }

    #[test]
    fn slots_keep_what_init_wrote_at_the_stride() {
        let slots = Slots::new(5, |index| Wide(index as u32)).unwrap();
        for index in 0..5 {
            // SAFETY: `index < 5`; nobody writes.
            let slot = unsafe { slots.view().at(index) };
            assert_eq!(slot.0, index as u32);
            assert_eq!(std::ptr::from_ref(slot).addr() % 64, 0);
        }
    }

    #[test]
    fn zero_sized_slots_need_no_memory() {
        let slots = Slots::new(1 << 20, |_| Nothing).unwrap();
        // SAFETY: within bounds.
        let _: &Nothing = unsafe { slots.view().at(7) };
    }

    #[test]
    fn what_cannot_be_allocated_is_a_typed_error() {
        assert_eq!(
            Slots::new(usize::MAX / 2, |_| Wide(0)).err(),
            Some(CapacityError::TooLarge { capacity: usize::MAX / 2 })
        );
        #[cfg(not(miri))]
        assert_eq!(Slots::new(1 << 50, |_| Wide(0)).err(), Some(CapacityError::OutOfMemory { size: 1 << 56 }));
    }
}
