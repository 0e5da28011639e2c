//! `zmq_atomic_counter_*`: a number that threads count up and down.
//!
//! Where libzmq takes a lock or an instruction by platform, this is one atomic addition everywhere. Null fails with
//! `EFAULT`, where libzmq ends the process.

use std::{
    ptr,
    sync::atomic::{AtomicI32, Ordering},
};

use libc::{c_int, c_void};

use crate::error::{Errno, Result, call};

/// The counter at `counter`.
///
/// # Safety
/// `counter` is null, or what [`zmq_atomic_counter_new`] returned and not destroyed during `'a`.
unsafe fn at<'a>(counter: *mut c_void) -> Result<&'a AtomicI32> {
    // SAFETY: the caller's duty.
    unsafe { counter.cast::<AtomicI32>().as_ref() }.ok_or(Errno::EFAULT)
}

/// Makes a counter, which is 0.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_atomic_counter_new() -> *mut c_void {
    call(|| Ok(Box::into_raw(Box::new(AtomicI32::new(0))).cast()))
}

/// Sets `counter` to `value`.
///
/// # Safety
/// `counter` is null, or a counter that is not destroyed.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_atomic_counter_set(counter: *mut c_void, value: c_int) {
    call(|| {
        // SAFETY: the caller's duty. SeqCst here and below: what a program builds on it is not known.
        unsafe { at(counter) }?.store(value, Ordering::SeqCst);
        Ok(())
    });
}

/// Adds 1 to `counter`; returns what it was before.
///
/// # Safety
/// `counter` is null, or a counter that is not destroyed.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_atomic_counter_inc(counter: *mut c_void) -> c_int {
    // SAFETY: the caller's duty.
    call(|| Ok(unsafe { at(counter) }?.fetch_add(1, Ordering::SeqCst)))
}

/// Takes 1 from `counter`; returns 0 if that makes it 0, else 1.
///
/// # Safety
/// `counter` is null, or a counter that is not destroyed.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_atomic_counter_dec(counter: *mut c_void) -> c_int {
    // SAFETY: the caller's duty.
    call(|| Ok((unsafe { at(counter) }?.fetch_sub(1, Ordering::SeqCst) != 1).into()))
}

/// What `counter` is.
///
/// # Safety
/// `counter` is null, or a counter that is not destroyed.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_atomic_counter_value(counter: *mut c_void) -> c_int {
    // SAFETY: the caller's duty.
    call(|| Ok(unsafe { at(counter) }?.load(Ordering::SeqCst)))
}

/// Destroys `*counter` and makes it null. Null is left as it is.
///
/// # Safety
/// `counter` is null, or points to null or to a counter that nobody uses any more.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_atomic_counter_destroy(counter: *mut *mut c_void) {
    call(|| {
        // SAFETY: the caller's duty.
        let place = unsafe { counter.as_mut() }.ok_or(Errno::EFAULT)?;
        let counter = std::mem::replace(place, ptr::null_mut());
        if !counter.is_null() {
            // SAFETY: it was made by `zmq_atomic_counter_new`, of a box.
            drop(unsafe { Box::from_raw(counter.cast::<AtomicI32>()) });
        }
        Ok(())
    });
}

#[cfg(test)]
#[allow(clippy::multiple_unsafe_ops_per_block, reason = "a test calls as C does")]
mod tests {
    use super::*;

    #[test]
    fn a_counter_counts_and_says_what_it_was() {
        let mut counter = zmq_atomic_counter_new();
        // SAFETY: a counter; destroyed last.
        unsafe {
            assert_eq!(zmq_atomic_counter_value(counter), 0);
            assert_eq!(zmq_atomic_counter_inc(counter), 0);
            assert_eq!(zmq_atomic_counter_inc(counter), 1);
            assert_eq!(zmq_atomic_counter_dec(counter), 1);
            assert_eq!(zmq_atomic_counter_dec(counter), 0);
            zmq_atomic_counter_set(counter, 2);
            assert_eq!(zmq_atomic_counter_value(counter), 2);
            zmq_atomic_counter_destroy(&mut counter);
            assert!(counter.is_null());
            zmq_atomic_counter_destroy(&mut counter);
            zmq_atomic_counter_destroy(ptr::null_mut());
            assert_eq!(zmq_atomic_counter_inc(counter), -1);
            assert_eq!(Errno::current(), Errno::EFAULT);
        }
    }
}
