//! `zmq_timers_*`: functions to be called every so many milliseconds, by whoever calls `zmq_timers_execute`.
//!
//! What differs from libzmq: a handle that is wrong or destroyed is always found out. Handlers may do anything to the
//! timers they belong to, destroying them included; one that is due runs once per `zmq_timers_execute`, also with an
//! interval of 0. A timer that was cancelled is gone at once. Timers may be used by several threads; what one of them
//! executes, another does not.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use libc::{c_int, c_long, c_void};

use crate::{
    error::{Errno, Result, call},
    registry::Registry,
};

/// What a timer calls: `zmq_timer_fn`.
pub(crate) type TimerFn = unsafe extern "C" fn(timer: c_int, argument: *mut c_void);
type Shared = Arc<std::sync::Mutex<Timers>>;

static TIMERS: Registry<Shared> = Registry::new();

/// A set of timers. Times are in milliseconds since it was made.
struct Timers {
    since: Instant,
    last_id: c_int,
    /// By time and number; who is first is due first.
    queue: BTreeMap<(u64, c_int), Timer>,
    /// When each is due.
    due: HashMap<c_int, u64>,
}

#[derive(Clone, Copy)]
struct Timer {
    interval_ms: u64,
    handler: TimerFn,
    argument: *mut c_void,
}

// SAFETY: the address is handed to the handler and to nobody else, by a thread that the program chooses.
unsafe impl Send for Timer {}

impl Timers {
    fn new() -> Self {
        Self { since: Instant::now(), last_id: 0, queue: BTreeMap::new(), due: HashMap::new() }
    }

    fn now_ms(&self) -> u64 {
        self.since.elapsed().as_millis() as u64
    }

    fn add(&mut self, timer: Timer, now_ms: u64) -> Result<c_int> {
        let id = self.last_id.checked_add(1).ok_or(Errno::ENOMEM)?;
        self.last_id = id;
        self.schedule(id, timer, now_ms);
        Ok(id)
    }

    /// Takes a timer out.
    ///
    /// # Errors
    /// `EINVAL`: there is none of this number.
    fn take(&mut self, id: c_int) -> Result<Timer> {
        let at = self.due.remove(&id).ok_or(Errno::EINVAL)?;
        // `due` names those of the queue.
        self.queue.remove(&(at, id)).ok_or(Errno::EINVAL)
    }

    /// Puts a timer in, to be due an interval after `now_ms`.
    fn schedule(&mut self, id: c_int, timer: Timer, now_ms: u64) {
        let at = now_ms.saturating_add(timer.interval_ms);
        self.due.insert(id, at);
        self.queue.insert((at, id), timer);
    }

    /// Milliseconds until the first is due; `None` if there is none.
    fn timeout_ms(&self, now_ms: u64) -> Option<u64> {
        let (&(at, _), _) = self.queue.first_key_value()?;
        Some(at.saturating_sub(now_ms))
    }

    /// The numbers of those that are due, in that order.
    fn due(&self, now_ms: u64) -> Vec<c_int> {
        self.queue.range(..=(now_ms, c_int::MAX)).map(|(&(_, id), _)| id).collect()
    }

    /// If timer `id` is (still) due, schedules it anew and returns it.
    fn fire(&mut self, id: c_int, now_ms: u64) -> Option<Timer> {
        self.due.get(&id).filter(|at| **at <= now_ms)?;
        let timer = self.take(id).ok()?;
        self.schedule(id, timer, now_ms);
        Some(timer)
    }
}

/// Runs `body` on the timers of this handle. Nothing of the program's runs in it.
fn with<R>(timers: *mut c_void, body: impl FnOnce(&mut Timers, u64) -> Result<R>) -> Result<R> {
    on(&TIMERS.get(timers)?, body)
}

fn on<R>(timers: &Shared, body: impl FnOnce(&mut Timers, u64) -> R) -> R {
    let mut timers = timers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let now_ms = timers.now_ms();
    body(&mut timers, now_ms)
}

/// Makes a set of timers, with none in it.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_timers_new() -> *mut c_void {
    call(|| Ok(TIMERS.insert(Arc::new(std::sync::Mutex::new(Timers::new())))))
}

/// Destroys `*timers` and makes it null. `EFAULT` if there are none.
///
/// # Safety
/// `timers` is null or points to a handle.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_timers_destroy(timers: *mut *mut c_void) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        let place = unsafe { timers.as_mut() }.ok_or(Errno::EFAULT)?;
        TIMERS.remove(*place)?;
        *place = std::ptr::null_mut();
        Ok(0)
    })
}

/// Adds a timer that calls `handler(its number, argument)` every `interval` milliseconds. Returns its number, which is
/// above 0. `EFAULT` if there are no such timers or no handler.
///
/// # Safety
/// `handler` may be called with `argument` by who calls [`zmq_timers_execute`], as long as the timer is there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_timers_add(
    timers: *mut c_void,
    interval: usize,
    handler: Option<TimerFn>,
    argument: *mut c_void,
) -> c_int {
    call(|| {
        with(timers, |timers, now_ms| {
            let handler = handler.ok_or(Errno::EFAULT)?;
            timers.add(Timer { interval_ms: interval as u64, handler, argument }, now_ms)
        })
    })
}

/// Takes a timer out. `EINVAL` if there is none of this number.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_timers_cancel(timers: *mut c_void, timer: c_int) -> c_int {
    call(|| with(timers, |timers, _| timers.take(timer).map(|_| 0)))
}

/// Gives a timer another interval, which begins now. `EINVAL` if there is none of this number.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_timers_set_interval(timers: *mut c_void, timer: c_int, interval: usize) -> c_int {
    call(|| {
        with(timers, |timers, now_ms| {
            let known = timers.take(timer)?;
            timers.schedule(timer, Timer { interval_ms: interval as u64, ..known }, now_ms);
            Ok(0)
        })
    })
}

/// Begins a timer's interval now. `EINVAL` if there is none of this number.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_timers_reset(timers: *mut c_void, timer: c_int) -> c_int {
    call(|| {
        with(timers, |timers, now_ms| {
            let known = timers.take(timer)?;
            timers.schedule(timer, known, now_ms);
            Ok(0)
        })
    })
}

/// Milliseconds until the first timer is due, 0 if one is; -1 if there is none.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_timers_timeout(timers: *mut c_void) -> c_long {
    call(|| {
        with(timers, |timers, now_ms| {
            Ok(timers.timeout_ms(now_ms).map_or(-1, |timeout_ms| timeout_ms.try_into().unwrap_or(c_long::MAX)))
        })
    })
}

/// Calls the handlers of all timers that are due, each once. Their next intervals begin now.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_timers_execute(timers: *mut c_void) -> c_int {
    call(|| {
        let timers = TIMERS.get(timers)?;
        let (now_ms, due) = on(&timers, |timers, now_ms| (now_ms, timers.due(now_ms)));
        for id in due {
            // A handler before it may have cancelled or reset it.
            if let Some(timer) = on(&timers, |timers, _| timers.fire(id, now_ms)) {
                // SAFETY: what `zmq_timers_add` was given for this.
                unsafe { (timer.handler)(id, timer.argument) };
            }
        }
        Ok(0)
    })
}

#[cfg(test)]
#[allow(clippy::multiple_unsafe_ops_per_block, reason = "a test calls as C does")]
mod tests {
    use std::{
        ptr,
        sync::atomic::{AtomicI32, AtomicPtr, Ordering},
    };

    use super::*;

    unsafe extern "C" fn count(_timer: c_int, argument: *mut c_void) {
        // SAFETY: the tests pass one.
        unsafe { &*argument.cast::<AtomicI32>() }.fetch_add(1, Ordering::Relaxed);
    }

    fn counting(interval_ms: u64) -> Timer {
        Timer { interval_ms, handler: count, argument: ptr::null_mut() }
    }

    #[test]
    fn the_first_that_is_due_is_the_first_to_fire() {
        let mut timers = Timers::new();
        assert_eq!(timers.timeout_ms(0), None);
        let (slow, fast) = (timers.add(counting(100), 0).unwrap(), timers.add(counting(30), 0).unwrap());
        assert_eq!((slow, fast), (1, 2));
        assert_eq!(timers.timeout_ms(10), Some(20));
        assert_eq!(timers.due(29), []);
        assert_eq!(timers.due(100), [fast, slow]);
        assert!(timers.fire(fast, 100).is_some());
        assert!(timers.fire(fast, 100).is_none());
        assert_eq!(timers.timeout_ms(100), Some(0));
        assert!(timers.fire(slow, 100).is_some());
        assert_eq!(timers.timeout_ms(100), Some(30));
    }

    #[test]
    fn a_timer_that_is_taken_out_is_unknown() {
        let mut timers = Timers::new();
        let id = timers.add(counting(5), 0).unwrap();
        assert!(timers.take(id).is_ok());
        assert_eq!(timers.take(id).err(), Some(Errno::EINVAL));
        assert_eq!(timers.timeout_ms(0), None);
        assert!(timers.queue.is_empty() && timers.due.is_empty());
    }

    #[test]
    fn an_interval_of_for_ever_is_never_due() {
        let mut timers = Timers::new();
        timers.add(counting(u64::MAX), 7).unwrap();
        assert_eq!(timers.timeout_ms(7), Some(u64::MAX - 7));
        assert_eq!(timers.due(u64::MAX - 1), []);
    }

    #[test]
    fn what_is_due_is_called_once_an_execute() {
        let number = AtomicI32::new(0);
        let mut timers = zmq_timers_new();
        let argument = ptr::from_ref(&number).cast_mut().cast();
        // SAFETY: the number outlives the timers.
        let id = unsafe { zmq_timers_add(timers, 0, Some(count), argument) };
        assert_eq!(id, 1);
        assert_eq!(zmq_timers_timeout(timers), 0);
        assert_eq!(zmq_timers_execute(timers), 0);
        assert_eq!(number.load(Ordering::Relaxed), 1);
        assert_eq!(zmq_timers_set_interval(timers, id, 1_000_000), 0);
        assert!((900_000..=1_000_000).contains(&zmq_timers_timeout(timers)));
        assert_eq!(zmq_timers_execute(timers), 0);
        assert_eq!(zmq_timers_reset(timers, id), 0);
        assert_eq!(zmq_timers_reset(timers, id + 1), -1);
        assert_eq!(Errno::current(), Errno::EINVAL);
        assert_eq!(number.load(Ordering::Relaxed), 1);
        assert_eq!(zmq_timers_cancel(timers, id), 0);
        assert_eq!(zmq_timers_cancel(timers, id), -1);
        assert_eq!(zmq_timers_timeout(timers), -1);
        let old = timers;
        // SAFETY: a place with a handle.
        unsafe {
            assert_eq!(zmq_timers_add(timers, 1, None, ptr::null_mut()), -1);
            assert_eq!(Errno::current(), Errno::EFAULT);
            assert_eq!(zmq_timers_destroy(&mut timers), 0);
            assert!(timers.is_null());
            assert_eq!(zmq_timers_destroy(&mut timers), -1);
            assert_eq!(zmq_timers_destroy(ptr::null_mut()), -1);
        }
        assert_eq!(zmq_timers_execute(old), -1);
        assert_eq!(Errno::current(), Errno::EFAULT);
    }

    #[test]
    fn a_handler_may_change_the_timers_it_belongs_to() {
        /// Adds a timer, cancels its own, and destroys them all.
        unsafe extern "C" fn meddle(timer: c_int, argument: *mut c_void) {
            // SAFETY: the test passes one.
            let place = unsafe { &*argument.cast::<AtomicPtr<c_void>>() };
            let mut timers = place.load(Ordering::Relaxed);
            assert_eq!(zmq_timers_cancel(timers, timer), 0);
            // SAFETY: never called.
            assert!(unsafe { zmq_timers_add(timers, 0, Some(meddle), ptr::null_mut()) } > timer);
            // SAFETY: a place with a handle.
            assert_eq!(unsafe { zmq_timers_destroy(&mut timers) }, 0);
            place.store(timers, Ordering::Relaxed);
        }
        let timers = AtomicPtr::new(zmq_timers_new());
        let argument = ptr::from_ref(&timers).cast_mut().cast();
        // SAFETY: the place outlives the timers.
        unsafe { zmq_timers_add(timers.load(Ordering::Relaxed), 0, Some(meddle), argument) };
        assert_eq!(zmq_timers_execute(timers.load(Ordering::Relaxed)), 0);
        assert!(timers.load(Ordering::Relaxed).is_null());
    }
}
