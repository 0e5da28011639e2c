//! When a program's free functions run, and in which thread.
//!
//! A free function is the program's own code, and may do anything: take the program's locks, wait for another thread, call
//! this library. pyzmq's takes a lock, sends on a socket, and needs Python's interpreter to go on. So it runs where the program
//! expects it: in a call of `zmq_msg_close`, or of another function that replaces a message's content. A payload that ends
//! elsewhere, as when the bytes have been written to a connection, when a socket is closed with messages in its queues, or
//! within another free function, is left to a thread that does nothing else.
//!
//! So no connection waits for a free function, and none runs within a call that did not promise it.

use std::{
    cell::Cell,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use libc::c_void;

use crate::{
    fork::Own,
    message::FreeFn,
    thread::{builder, with_signals_blocked},
};

/// A call of a free function, owed.
pub(crate) struct Free {
    pub(crate) function: FreeFn,
    pub(crate) data: *mut c_void,
    pub(crate) hint: *mut c_void,
}

// SAFETY: `zmq_msg_init_data` asks for a function that any thread may call.
unsafe impl Send for Free {}

impl Free {
    fn call(self) {
        // SAFETY: what `zmq_msg_init_data` was given, passed on once.
        unsafe { (self.function)(self.data, self.hint) };
    }
}

/// What a thread is doing, as far as free functions go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// None may run.
    Anything,
    /// A call that ends messages' contents.
    Freeing,
    /// One runs. What it holds may be what another wants.
    Within,
}

thread_local! {
    static DOING: Cell<Doing> = const { Cell::new(Doing::Anything) };
}

/// Frees now if the thread is in [`freeing`], otherwise soon.
pub(crate) fn free(owed: Free) {
    if DOING.get() == Doing::Freeing {
        DOING.set(Doing::Within);
        owed.call();
        DOING.set(Doing::Freeing);
    } else {
        reaper().leave(owed);
    }
}

/// Calls `drops`, which ends messages' contents: their free functions run within, unless this is within one.
#[inline(always)]
pub(crate) fn freeing<R>(drops: impl FnOnce() -> R) -> R {
    let before = DOING.get();
    if before == Doing::Anything {
        DOING.set(Doing::Freeing);
    }
    let result = drops();
    DOING.set(before);
    result
}

/// Waits until all that is owed now is done. At once within a free function, which may be the reaper's.
pub(crate) fn settle() {
    if DOING.get() != Doing::Within {
        reaper().settle();
    }
}

/// What is owed, to a thread that is started when there is something.
#[derive(Default)]
struct Reaper {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    owed: Vec<Free>,
    /// Left here so far, and how many of them are done.
    left: u64,
    done: u64,
    has_thread: bool,
}

/// This process's.
fn reaper() -> &'static Reaper {
    static REAPER: Own<Reaper> = Own::new();
    REAPER.get()
}

impl Reaper {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&'static self, owed: Free) {
        let mut queue = self.queue();
        queue.owed.push(owed);
        queue.left += 1;
        if !queue.has_thread {
            // If there can be no thread, the next one that leaves something tries again.
            let thread = with_signals_blocked(|| builder("ringway-reaper").spawn(|| self.run()));
            queue.has_thread = matches!(thread, Ok(Ok(_)));
        }
        drop(queue);
        self.changed.notify_all();
    }

    fn run(&self) {
        DOING.set(Doing::Within);
        let mut queue = self.queue();
        loop {
            let owed = std::mem::take(&mut queue.owed);
            if owed.is_empty() {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            drop(queue);
            let count = owed.len() as u64;
            owed.into_iter().for_each(Free::call);
            queue = self.queue();
            queue.done += count;
            self.changed.notify_all();
        }
    }

    fn settle(&self) {
        let mut queue = self.queue();
        // What others leave meanwhile is not waited for: that might never end.
        let left = queue.left;
        while queue.has_thread && queue.done < left {
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    unsafe extern "C" fn note_thread(data: *mut c_void, hint: *mut c_void) {
        // SAFETY: tests pass counters.
        let counter = unsafe { &*hint.cast::<AtomicUsize>() };
        let is_reaper = std::thread::current().name() == Some("ringway-reaper");
        counter.fetch_add(if is_reaper { 100 } else { 1 }, Ordering::Relaxed);
        if !data.is_null() {
            free(owed(hint));
        }
    }

    fn owed(hint: *mut c_void) -> Free {
        Free { function: note_thread, data: std::ptr::null_mut(), hint }
    }

    #[test]
    fn functions_run_where_they_are_due() {
        let counter = AtomicUsize::new(0);
        let hint = std::ptr::from_ref(&counter).cast_mut().cast::<c_void>();
        freeing(|| free(owed(hint)));
        assert_eq!(counter.load(Ordering::Relaxed), 1);
        free(owed(hint));
        settle();
        assert_eq!(counter.load(Ordering::Relaxed), 101);
        // One within another.
        freeing(|| free(Free { function: note_thread, data: hint, hint }));
        settle();
        assert_eq!(counter.load(Ordering::Relaxed), 202);
    }
}
