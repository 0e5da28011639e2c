//! Several waiters for one thing; each wake reaches one of them.
//!
//! A waiter joins the crowd with a signal of its own when it announces sleep and leaves it when its wait ends. Wakers
//! take the one that waited longest out and notify its signal: one load when the crowd is empty.
//!
//! *A wake is a promise to one waiter, and may be spent on one that needs it no more* (it found its item by itself, it
//! timed out). [`leave`](Crowd::leave) tells, and the waiter then hands the wake on if there is still something to
//! take: so as many run as there are items, and no item lies beside a sleeper.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::Arc;

use super::signal::Signal;
use crate::sync::{AtomicUsize, Mutex, Ordering, planted};

/// Where wakers look when several waiters wait for the same thing.
#[derive(Debug, Default)]
#[allow(unnameable_types, unreachable_pub, reason = "part of the channels' sealed trait")]
pub struct Crowd {
    /// How many are in `waiting`. Written under its lock, read by wakers without it.
    len: AtomicUsize,
    /// Signals of those that announced sleep, longest first.
    waiting: Mutex<VecDeque<Arc<Signal>>>,
}

impl Crowd {
    /// The waker's look, after it published `news` items and issued a full fence (or a light one, if waiters pay the
    /// heavy one). Wakes as many waiters.
    #[inline]
    pub(crate) fn notify(&self, news: usize) {
        // Relaxed: ordered by the caller's fence, which pairs with the waiter's after it joined.
        if self.len.load(Ordering::Relaxed) != 0 {
            self.notify_slow(news);
        }
    }

    /// Joins, unless `signal` is in the crowd already. A fence and a look follow, by the caller.
    pub(crate) fn join(&self, signal: &Arc<Signal>) {
        let mut waiting = self.waiting.lock();
        if !waiting.iter().any(|present| Arc::ptr_eq(present, signal)) {
            waiting.push_back(Arc::clone(signal));
            self.len.store(waiting.len(), Ordering::Relaxed);
        }
    }

    /// Leaves. Returns whether a wake was spent on `signal` since it joined.
    #[must_use]
    pub(crate) fn leave(&self, signal: &Arc<Signal>) -> bool {
        let mut waiting = self.waiting.lock();
        let place = waiting.iter().position(|present| Arc::ptr_eq(present, signal));
        if let Some(place) = place {
            waiting.remove(place);
            self.len.store(waiting.len(), Ordering::Relaxed);
        }
        place.is_none() && !planted("crowd-keeps-spent-wakes")
    }

    #[cold]
    fn notify_slow(&self, news: usize) {
        for _ in 0..news {
            let signal = {
                let mut waiting = self.waiting.lock();
                let signal = waiting.pop_front();
                self.len.store(waiting.len(), Ordering::Relaxed);
                signal
            };
            match signal {
                // Its word was set before it joined, which the lock makes visible.
                Some(signal) => signal.notify(),
                None => break,
            };
        }
    }
}
