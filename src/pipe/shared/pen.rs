//! The right to write a ring: one thread at a time, and nobody waits for it.
//!
//! Two ever want it, the socket's owner and whoever works for the connection. The owner, who comes with every message, has
//! another way when it is taken; the other comes rarely, and tries again.

use std::ops::{Deref, DerefMut};

use crate::sync::{AtomicBool, Ordering, UnsafeCell, planted, weakened};

/// See the module.
#[derive(Debug)]
pub(super) struct Pen<T> {
    is_taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached through `Held` only, of which there is one at a time.
unsafe impl<T: Send> Send for Pen<T> {}
// SAFETY: likewise.
unsafe impl<T: Send> Sync for Pen<T> {}

/// The pen in a thread's hand.
#[derive(Debug)]
pub(super) struct Held<'a, T>(&'a Pen<T>);

impl<T> Pen<T> {
    pub(super) fn new(value: T) -> Self {
        Self { is_taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// The pen, unless somebody has it.
    #[inline(always)]
    pub(super) fn try_take(&self) -> Option<Held<'_, T>> {
        // Acquire: what the last holder wrote; pairs with Release in the drop. Relaxed: nothing follows from a failure, which
        // writes nothing, either.
        let order = weakened("pen-acquire", Ordering::Acquire);
        let is_ours = self.is_taken.compare_exchange(false, true, order, Ordering::Relaxed).is_ok();
        if planted("pen-given-away") {
            return is_ours.then_some(Held(self));
        }
        // Made only if it is ours: to drop one is to give the pen back.
        is_ours.then(|| Held(self))
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: we have the pen, so nobody writes the value meanwhile.
        self.0.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for Held<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: we have the pen, so nobody else reaches the value, and no other reference of ours lives while this does.
        self.0.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for Held<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // Release: pairs with Acquire in `try_take`.
        self.0.is_taken.store(false, weakened("pen-release", Ordering::Release));
    }
}
