//! The pointers that C programs hold: places that never go away, with a word in front that says what is there.
//!
//! A place is made once, used again for later values, and never given back to the system. So a handle that was closed can be
//! told from an open one by reading memory that is always there, and a program that uses one gets an error. It is used again
//! as late as possible: only when [`SPARE_MIN`] others have been closed after it.
//!
//! | word | there is | who may touch the value |
//! |---|---|---|
//! | `FREE` | nothing | nobody |
//! | `IDLE` | a value | nobody: whoever changes the word to `BUSY` |
//! | `BUSY` | a value, and a call that uses it | that call |
//! | `CLOSING` | the same, and it was closed meanwhile | that call, which drops it at its end |
//!
//! Only one call uses a value at a time: libzmq's rule, which here is checked.

use std::{
    cell::UnsafeCell,
    collections::VecDeque,
    ops::{Deref, DerefMut},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use libc::c_void;

use crate::{
    error::{Errno, Result},
    fork::{Own, Process, SharedProcess},
};

/// Places kept unused before one is used again.
const SPARE_MIN: usize = 64;

/// A place for a value of one kind.
#[repr(C)]
pub(crate) struct Place<T: 'static> {
    /// See the module. Values of `T::TAG` and the three after it.
    word: AtomicU32,
    /// How many values were here so far.
    turn: AtomicU32,
    process: SharedProcess,
    value: UnsafeCell<Option<T>>,
}

/// What a program holds pointers to.
pub(crate) trait Handled: Sized + Send + 'static {
    /// Tells places of this kind from others: a multiple of four.
    const TAG: u32;
    /// What a call says of a pointer that is none to an open value.
    const NOT_OPEN: Errno;

    /// The places of this kind that have nothing in them.
    fn spare() -> &'static Own<Spare<Self>>;
}

/// Places with nothing in them, those closed first at the front.
pub(crate) struct Spare<T: 'static>(Mutex<VecDeque<&'static Place<T>>>);

// SAFETY: the value is touched only by the call that holds the word `BUSY`, one at a time, and may move between threads.
unsafe impl<T: Send> Sync for Place<T> {}

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Handled> Spare<T> {
    fn lock() -> MutexGuard<'static, VecDeque<&'static Place<T>>> {
        T::spare().get().0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const FREE: u32 = 0;
const IDLE: u32 = 1;
const BUSY: u32 = 2;
const CLOSING: u32 = 3;

/// An open value, for the time of a call.
pub(crate) struct Held<T: Handled> {
    place: &'static Place<T>,
}

/// Puts `value` where a program can hold a pointer to it.
pub(crate) fn open<T: Handled>(value: T) -> *mut c_void {
    let process = Process::begin();
    let mut spare = Spare::<T>::lock();
    let place = if spare.len() > SPARE_MIN { spare.pop_front() } else { None };
    drop(spare);
    let place = place.unwrap_or_else(|| {
        Box::leak(Box::new(Place {
            word: AtomicU32::new(T::TAG + FREE),
            turn: AtomicU32::new(0),
            process: SharedProcess::new(process),
            value: UnsafeCell::new(None),
        }))
    });
    place.process.set(process);
    // SAFETY: it is free, so nobody looks at what is behind the word.
    unsafe { *place.value.get() = Some(value) };
    place.turn.fetch_add(1, Ordering::Relaxed);
    // Release: what was just written; pairs with the Acquire of whoever makes it busy.
    place.word.store(T::TAG + IDLE, Ordering::Release);
    std::ptr::from_ref(place).cast_mut().cast()
}

/// The place `handle` points to.
///
/// # Safety
/// `handle` is null, or was returned by [`open`] for this type (the value may have been closed since).
#[inline(always)]
unsafe fn place<T: Handled>(handle: *mut c_void) -> Result<&'static Place<T>> {
    let place = handle.cast::<Place<T>>();
    // What is not aligned was never a handle: a null pointer, or the program's mistake.
    if place.is_null() || !place.is_aligned() {
        return Err(T::NOT_OPEN);
    }
    // SAFETY: the caller's duty, and places are never freed.
    Ok(unsafe { &*place })
}

/// The value behind `handle`, for this call.
///
/// # Errors
/// It is not open; or another call is using it; or it is of a parent process ([`Errno::ETERM`]).
///
/// # Safety
/// As for [`place`].
#[inline(always)]
pub(crate) unsafe fn enter<T: Handled>(handle: *mut c_void) -> Result<Held<T>> {
    // SAFETY: the caller's duty.
    let place = unsafe { place::<T>(handle) }?;
    // Acquire: what the call before has left; pairs with the Release at its end.
    match place.word.compare_exchange(T::TAG + IDLE, T::TAG + BUSY, Ordering::Acquire, Ordering::Relaxed) {
        Ok(_) => {}
        // A thread of a parent's that is not here is in it for ever.
        Err(word) if word == T::TAG + BUSY && place.process.get().is_this() => return Err(Errno::EBUSY),
        Err(word) if word == T::TAG + BUSY => return Err(Errno::ETERM),
        Err(_) => return Err(T::NOT_OPEN),
    }
    let held = Held { place };
    if held.process().is_this() { Ok(held) } else { Err(Errno::ETERM) }
}

/// As [`enter`], for values of which many threads take something at once: waits for the others' turn, which is short.
///
/// # Errors
/// As there, but that another call is using it.
///
/// # Safety
/// As for [`place`].
pub(crate) unsafe fn visit<T: Handled>(handle: *mut c_void) -> Result<Held<T>> {
    loop {
        // SAFETY: the caller's duty.
        match unsafe { enter(handle) } {
            Err(Errno::EBUSY) => std::thread::yield_now(),
            result => return result,
        }
    }
}

/// Closes the value behind `handle`; it is dropped now, or by the call that is using it.
///
/// # Errors
/// It is not open.
///
/// # Safety
/// As for [`place`].
pub(crate) unsafe fn close<T: Handled>(handle: *mut c_void) -> Result<()> {
    // SAFETY: the caller's duty.
    let place = unsafe { place::<T>(handle) }?;
    loop {
        // AcqRel: as a call's beginning and end.
        let busy = place.word.compare_exchange(T::TAG + IDLE, T::TAG + CLOSING, Ordering::AcqRel, Ordering::Relaxed);
        let Err(word) = busy else {
            place.empty();
            return Ok(());
        };
        if word != T::TAG + BUSY {
            return Err(T::NOT_OPEN);
        }
        let closing = place.word.compare_exchange(T::TAG + BUSY, T::TAG + CLOSING, Ordering::AcqRel, Ordering::Relaxed);
        if closing.is_ok() {
            return Ok(());
        }
    }
}

/// How many values were behind `handle` so far: tells two that had the same place.
///
/// # Safety
/// As for [`place`].
pub(crate) unsafe fn turn_of<T: Handled>(handle: *mut c_void) -> Result<u32> {
    // SAFETY: the caller's duty.
    Ok(unsafe { place::<T>(handle) }?.turn.load(Ordering::Relaxed))
}

impl<T: Handled> Place<T> {
    /// Drops what is here. Called by who made the word `CLOSING`, or found it so at the end of its call.
    #[cold]
    fn empty(&'static self) {
        // SAFETY: nobody else touches what is behind the word `CLOSING`.
        let value = unsafe { &mut *self.value.get() }.take();
        if self.process.get().is_this() {
            // A place that holds nothing, before its value's destructor runs the program's free functions.
            self.word.store(T::TAG + FREE, Ordering::Release);
            drop(value);
        } else {
            // It is the parent's.
            std::mem::forget(value);
            self.word.store(T::TAG + FREE, Ordering::Release);
        }
        Spare::<T>::lock().push_back(self);
    }
}

impl<T: Handled> Held<T> {
    fn process(&self) -> Process {
        self.place.process.get()
    }
}

impl<T: Handled> Deref for Held<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the word is busy, by us.
        unsafe { &*self.place.value.get() }.as_ref().expect(OPEN)
    }
}

impl<T: Handled> DerefMut for Held<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the word is busy, by us.
        unsafe { &mut *self.place.value.get() }.as_mut().expect(OPEN)
    }
}

impl<T: Handled> Drop for Held<T> {
    #[inline(always)]
    fn drop(&mut self) {
        // AcqRel: what we have done; and what whoever closes it did before.
        let word = &self.place.word;
        if word.compare_exchange(T::TAG + BUSY, T::TAG + IDLE, Ordering::AcqRel, Ordering::Acquire).is_err() {
            self.place.empty();
        }
    }
}

/// Why a value is there: the word said so.
const OPEN: &str = "a place that is idle or busy has a value";

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(std::sync::Arc<()>);

    impl Handled for Thing {
        const TAG: u32 = 0x7e57_0000;
        const NOT_OPEN: Errno = Errno::ENOTSOCK;

        fn spare() -> &'static Own<Spare<Self>> {
            static SPARE: Own<Spare<Thing>> = Own::new();
            &SPARE
        }
    }

    fn enter_it(handle: *mut c_void) -> Result<Held<Thing>> {
        // SAFETY: tests enter what they have opened, or null.
        unsafe { enter::<Thing>(handle) }
    }

    fn close_it(handle: *mut c_void) -> Result<()> {
        // SAFETY: as above.
        unsafe { close::<Thing>(handle) }
    }

    #[test]
    fn what_is_closed_is_not_open_and_dropped_once() {
        let alive = std::sync::Arc::new(());
        let handle = open(Thing(alive.clone()));
        assert!(enter_it(handle).is_ok());
        assert_eq!(std::sync::Arc::strong_count(&alive), 2);
        close_it(handle).unwrap();
        assert_eq!(std::sync::Arc::strong_count(&alive), 1);
        assert_eq!(enter_it(handle).err(), Some(Errno::ENOTSOCK));
        assert_eq!(close_it(handle).err(), Some(Errno::ENOTSOCK));
        assert_eq!(enter_it(std::ptr::null_mut()).err(), Some(Errno::ENOTSOCK));
    }

    #[test]
    fn one_call_at_a_time_and_closing_waits_for_its_end() {
        let alive = std::sync::Arc::new(());
        let handle = open(Thing(alive.clone()));
        let held = enter_it(handle).unwrap();
        assert_eq!(enter_it(handle).err(), Some(Errno::EBUSY));
        close_it(handle).unwrap();
        assert_eq!(close_it(handle).err(), Some(Errno::ENOTSOCK));
        assert_eq!(std::sync::Arc::strong_count(&held.0), 2);
        drop(held);
        assert_eq!(std::sync::Arc::strong_count(&alive), 1);
    }

    #[test]
    fn places_are_used_again_late() {
        let handles: Vec<_> = (0..2 * SPARE_MIN).map(|_| open(Thing(std::sync::Arc::default()))).collect();
        handles.iter().for_each(|handle| close_it(*handle).unwrap());
        let next = open(Thing(std::sync::Arc::default()));
        assert!(handles[SPARE_MIN..].iter().all(|handle| *handle != next));
        close_it(next).unwrap();
    }
}
