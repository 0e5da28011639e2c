//! `zmq_stopwatch_*`: how many microseconds something takes.

use std::time::Instant;

use libc::{c_ulong, c_void};

use crate::error::{Errno, Result, call};

/// Starts a watch.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_stopwatch_start() -> *mut c_void {
    call(|| Ok(Box::into_raw(Box::new(Instant::now())).cast()))
}

/// Microseconds since `watch` was started; it goes on. 0 with `EFAULT` if it is null.
///
/// # Safety
/// `watch` is null, or a watch that is not stopped.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_stopwatch_intermediate(watch: *mut c_void) -> c_ulong {
    // SAFETY: the caller's duty.
    call(|| unsafe { elapsed_us(watch) })
}

/// As [`zmq_stopwatch_intermediate`], and the watch is no more.
///
/// # Safety
/// `watch` is null, or a watch that nobody uses any more.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_stopwatch_stop(watch: *mut c_void) -> c_ulong {
    call(|| {
        // SAFETY: the caller's duty.
        let elapsed = unsafe { elapsed_us(watch) }?;
        // SAFETY: not null, so made by `zmq_stopwatch_start`, of a box.
        drop(unsafe { Box::from_raw(watch.cast::<Instant>()) });
        Ok(elapsed)
    })
}

/// # Safety
/// `watch` is null, or a watch that is not stopped.
unsafe fn elapsed_us(watch: *mut c_void) -> Result<c_ulong> {
    // SAFETY: the caller's duty.
    let started = unsafe { watch.cast::<Instant>().as_ref() }.ok_or(Errno::EFAULT)?;
    Ok(c_ulong::try_from(started.elapsed().as_micros()).unwrap_or(c_ulong::MAX))
}

#[cfg(test)]
#[allow(clippy::multiple_unsafe_ops_per_block, reason = "a test calls as C does")]
mod tests {
    use std::{ptr, thread, time::Duration};

    use super::*;

    #[test]
    fn a_watch_counts_microseconds() {
        let watch = zmq_stopwatch_start();
        thread::sleep(Duration::from_millis(2));
        // SAFETY: a watch, until it is stopped.
        let (early, late) = unsafe { (zmq_stopwatch_intermediate(watch), zmq_stopwatch_stop(watch)) };
        assert!(2_000 <= early && early <= late && late < 60_000_000, "{early} {late}");
    }

    #[test]
    fn null_is_an_error() {
        // SAFETY: null is allowed.
        assert_eq!(unsafe { zmq_stopwatch_stop(ptr::null_mut()) }, 0);
        assert_eq!(Errno::current(), Errno::EFAULT);
    }
}
