//! `zmq_threadstart`, `zmq_threadclose`, `zmq_sleep`: threads for programs that want no other library for them.

use std::{mem::MaybeUninit, ptr, thread, thread::JoinHandle, time::Duration};

use libc::{c_int, c_void};

use crate::{
    error::{Errno, Result, call},
    registry::Registry,
};

/// What a thread runs: `zmq_thread_fn`.
pub(crate) type ThreadFn = unsafe extern "C" fn(argument: *mut c_void);

static THREADS: Registry<JoinHandle<()>> = Registry::new();

/// Starts a thread that runs `function(argument)`, and takes no signal. Returns its handle; null with `EAGAIN` or so if the
/// system has no more threads, where libzmq ends the process, and with `EFAULT` if there is no function.
///
/// # Safety
/// `function` may be called with `argument` by another thread.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_threadstart(function: Option<ThreadFn>, argument: *mut c_void) -> *mut c_void {
    call(|| {
        let function = function.ok_or(Errno::EFAULT)?;
        let argument = Argument(argument);
        let run = move || {
            let argument = argument;
            // SAFETY: the caller's duty.
            unsafe { function(argument.0) };
        };
        let thread = with_signals_blocked(|| builder("ringway-app").spawn(run))?;
        Ok(THREADS.insert(thread.map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EAGAIN)))?))
    })
}

/// Waits until the thread has ended. `EFAULT` if there is none of that handle (any more).
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_threadclose(thread: *mut c_void) {
    call(|| THREADS.remove(thread)?.join().map_err(|_| Errno::EFAULT));
}

/// Waits so many seconds; for none if there are fewer.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_sleep(seconds: c_int) {
    call(|| {
        thread::sleep(Duration::from_secs(seconds.try_into().unwrap_or(0)));
        Ok(())
    });
}

struct Argument(*mut c_void);

// SAFETY: the caller of `zmq_threadstart` says that the other thread may have it.
unsafe impl Send for Argument {}

/// For a thread that runs a program's functions, which expect as much stack as the system gives: Rust's own is a quarter of it.
pub(crate) fn builder(name: &str) -> thread::Builder {
    let builder = thread::Builder::new().name(name.into());
    match system_stack_size() {
        Some(size) => builder.stack_size(size),
        None => builder,
    }
}

/// Of a thread that nothing was said of.
fn system_stack_size() -> Option<usize> {
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: there is room for them.
    if unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) } != 0 {
        return None;
    }
    let mut size = 0;
    // SAFETY: attributes, and a number.
    let failed = unsafe { libc::pthread_attr_getstacksize(attributes.as_ptr(), &raw mut size) };
    // SAFETY: attributes, used no more.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    (failed == 0).then_some(size)
}

/// Runs `body` while this thread takes no signal; a thread it starts begins like that.
pub(crate) fn with_signals_blocked<R>(body: impl FnOnce() -> R) -> Result<R> {
    let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: there is room for a set.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: a set, filled above, and room for another.
    let failed = unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
    if failed != 0 {
        return Err(Errno(failed));
    }
    let result = body();
    // SAFETY: the set of before, as the call above has left it.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    Ok(result)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI32, Ordering};

    use super::*;

    unsafe extern "C" fn add_seven(argument: *mut c_void) {
        // SAFETY: the test passes one.
        unsafe { &*argument.cast::<AtomicI32>() }.fetch_add(7, Ordering::Relaxed);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri knows no signal masks")]
    fn a_thread_has_ended_once_it_is_closed() {
        let number = AtomicI32::new(0);
        let argument = ptr::from_ref(&number).cast_mut().cast();
        // SAFETY: the number outlives the thread.
        let thread = unsafe { zmq_threadstart(Some(add_seven), argument) };
        assert!(!thread.is_null());
        zmq_threadclose(thread);
        assert_eq!(number.load(Ordering::Relaxed), 7);
        zmq_threadclose(thread);
        assert_eq!(Errno::current(), Errno::EFAULT);
    }

    #[test]
    fn a_thread_without_a_function_is_none() {
        // SAFETY: nothing is called.
        assert!(unsafe { zmq_threadstart(None, ptr::null_mut()) }.is_null());
        assert_eq!(Errno::current(), Errno::EFAULT);
    }

    /// Are signals of this number kept from the calling thread?
    #[cfg(not(miri))]
    fn is_blocked(signal: c_int) -> bool {
        let mut set = MaybeUninit::uninit();
        // SAFETY: there is room for a set, which this writes.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, ptr::null(), set.as_mut_ptr()) };
        // SAFETY: a set.
        unsafe { libc::sigismember(set.as_ptr(), signal) == 1 }
    }

    #[test]
    #[cfg(not(miri))]
    fn a_thread_takes_no_signal_and_its_starter_does() {
        unsafe extern "C" fn look(argument: *mut c_void) {
            // SAFETY: the test passes one.
            let seen = unsafe { &*argument.cast::<AtomicI32>() };
            seen.store(is_blocked(libc::SIGUSR1).into(), Ordering::Relaxed);
        }
        let seen = AtomicI32::new(-1);
        // SAFETY: `seen` outlives the thread.
        zmq_threadclose(unsafe { zmq_threadstart(Some(look), ptr::from_ref(&seen).cast_mut().cast()) });
        assert_eq!(seen.load(Ordering::Relaxed), 1);
        assert!(!is_blocked(libc::SIGUSR1));
    }

    #[test]
    fn no_time_is_slept_in_no_time() {
        zmq_sleep(0);
        zmq_sleep(-1);
    }
}
