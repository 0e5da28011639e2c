//! The right to work for a connection: one thread at a time, and nobody waits for it.
//!
//! | bit | set by | meaning | cleared by |
//! |---|---|---|---|
//! | `HELD` | who takes it | somebody works | the holder, when it lets go |
//! | `ASKED` | who found it taken | there is more work than the holder may know of | the holder, before it looks again |
//!
//! Who has made work and finds the baton taken sets `ASKED`, and need not come back: the holder cannot let go while that bit
//! is set. So work is done by whoever is there first, and the thread that made it never waits.

#![forbid(unsafe_code)]

use std::ops::{Deref, DerefMut};

use crate::sync::{AtomicU32, Mutex, MutexGuard, Ordering, planted, weakened};

const HELD: u32 = 1;
const ASKED: u32 = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct Baton<T> {
    word: AtomicU32,
    /// Never contended: the word keeps others out.
    value: Mutex<T>,
}

/// The baton in a thread's hand.
#[derive(Debug)]
pub(super) struct Held<'a, T> {
    baton: &'a Baton<T>,
    guard: Option<MutexGuard<'a, T>>,
}

impl<T> Baton<T> {
    pub(super) fn new(value: T) -> Self {
        Self { word: AtomicU32::new(0), value: Mutex::new(value) }
    }

    /// Takes the baton, or leaves word with whoever has it.
    #[inline]
    pub(super) fn take_or_ask(&self) -> Option<Held<'_, T>> {
        // AcqRel: the holder's work for us; our work for the holder, who acquires it in `heed`.
        let before = self.word.fetch_or(HELD | ASKED, weakened("baton-ask-relaxed", Ordering::AcqRel));
        if before & HELD != 0 {
            return None;
        }
        let mut held = Held { baton: self, guard: None };
        held.heed();
        Some(held)
    }

    /// Takes the baton if it is free, and leaves no word.
    #[inline]
    pub(super) fn try_take(&self) -> Option<Held<'_, T>> {
        self.word.compare_exchange(0, HELD, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        Some(Held { baton: self, guard: Some(self.value.lock()) })
    }
}

impl<'a, T> Held<'a, T> {
    /// Lets go. If somebody has asked meanwhile the baton stays: there is more to do.
    #[inline]
    pub(super) fn let_go(mut self) -> Option<Self> {
        self.guard = None;
        // Release: as for `take_or_ask`. What the value has become is the mutex's to publish.
        let free = self.baton.word.compare_exchange(HELD, 0, Ordering::AcqRel, Ordering::Relaxed);
        if free.is_ok() || planted("baton-ignores-asking") && self.drop_it() {
            std::mem::forget(self);
            return None;
        }
        self.heed();
        Some(self)
    }

    /// A planted bug: lets go whatever was asked.
    fn drop_it(&self) -> bool {
        self.baton.word.store(0, Ordering::Release);
        true
    }

    /// From here on what was asked for is known.
    #[inline]
    fn heed(&mut self) {
        self.baton.word.fetch_and(!ASKED, Ordering::AcqRel);
        self.guard = Some(self.baton.value.lock());
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard.as_deref().expect(HOLDS)
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_deref_mut().expect(HOLDS)
    }
}

impl<T> Drop for Held<'_, T> {
    /// By a panic only: what was asked meanwhile is for the next who comes.
    fn drop(&mut self) {
        self.guard = None;
        self.baton.word.store(0, Ordering::Release);
    }
}

/// Why a guard is there: it is only taken out to let go.
const HOLDS: &str = "a held baton holds its value";
