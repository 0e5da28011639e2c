//! The receiving half: pop, light fence, look for sleepers; wait for items.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bell::Bell;
use super::kind::{Kind, Sealed, Spsc};
use super::{PopError, ReceiverShare, RecvError, RecvTimeoutError, Shared};
use crate::sync::light_fence;
use crate::wait::{Awaited, WaitCounters, WaitPolicy, Waiter};

/// The receiving half of a channel. `Receiver<T>` is the one of [`spsc`](super::spsc), `Receiver<T, Mpmc>` that of
/// [`mpmc`](super::mpmc), which can be cloned.
pub struct Receiver<T, K: Kind = Spsc> {
    /// Dropped first: the ring closes before senders are told.
    consumer: <K as Sealed>::Consumer<T>,
    share: ReceiverShare<<K as Sealed>::Bell>,
    seat: <<K as Sealed>::Bell as Bell>::Seat,
    waiter: Waiter,
}

impl<T, K: Kind> Receiver<T, K> {
    pub(super) fn new(consumer: K::Consumer<T>, shared: Arc<Shared<K::Bell>>) -> Self {
        let waiter = Waiter::new(WaitPolicy::default());
        Self { consumer, share: ReceiverShare(shared), seat: <K::Bell as Bell>::Seat::default(), waiter }
    }

    /// Receives the oldest item, waiting for one if there is none.
    ///
    /// # Errors
    ///
    /// [`RecvError`] when nothing is there and all senders are gone, also if they go while this waits.
    #[inline]
    pub fn recv(&mut self) -> Result<T, RecvError> {
        match self.pop(None) {
            Ok(item) => Ok(self.taken(1, item)),
            Err(_) => Err(RecvError),
        }
    }

    /// Receives the oldest item, waiting at most `timeout` for one. A zero timeout looks once.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`]: nothing came in time, or all senders are gone.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        // A deadline beyond the clock's range is none.
        match self.pop(Instant::now().checked_add(timeout)) {
            Ok(item) => Ok(self.taken(1, item)),
            Err(PopError::Empty) => Err(RecvTimeoutError::Timeout),
            Err(PopError::Closed) => Err(RecvTimeoutError::Closed),
        }
    }

    /// Receives the oldest item if there is one. Never waits.
    ///
    /// # Errors
    ///
    /// [`PopError::Empty`] if nothing is there, [`PopError::Closed`] if, besides, all senders are gone.
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, PopError> {
        let item = K::pop(&mut self.consumer)?;
        Ok(self.taken(1, item))
    }

    /// Waits for an item, then moves what is there, at most `max` items, to the end of `into`. Returns how many; 0
    /// only if `max` is 0.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_batch(&mut self, into: &mut Vec<T>, max: usize) -> Result<usize, RecvError> {
        if max == 0 {
            return Ok(0);
        }
        let first = self.pop(None).map_err(|_| RecvError)?;
        into.push(first);
        let taken = 1 + self.pop_present(into, max - 1);
        Ok(self.taken(taken, taken))
    }

    /// Moves what is there, at most `max` items, to the end of `into`. Never waits. Returns how many; 0 only if `max`
    /// is 0.
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv).
    pub fn try_recv_batch(&mut self, into: &mut Vec<T>, max: usize) -> Result<usize, PopError> {
        if max == 0 {
            return Ok(0);
        }
        into.push(K::pop(&mut self.consumer)?);
        let taken = 1 + self.pop_present(into, max - 1);
        Ok(self.taken(taken, taken))
    }

    /// Items as they come, until the channel closes.
    pub fn iter(&mut self) -> Iter<'_, T, K> {
        Iter(self)
    }

    /// Items that are there, until there is none.
    pub fn try_iter(&mut self) -> TryIter<'_, T, K> {
        TryIter(self)
    }

    /// How many items the channel holds at most.
    pub fn capacity(&self) -> usize {
        K::consumer_capacity(&self.consumer)
    }

    /// How this handle waits for items.
    pub fn policy(&self) -> WaitPolicy {
        self.waiter.policy()
    }

    /// Changes how this handle waits for items.
    pub fn set_policy(&mut self, policy: WaitPolicy) {
        self.waiter.set_policy(policy);
    }

    /// How this handle waited so far, and what it goes by.
    pub fn wait_counters(&self) -> WaitCounters {
        self.waiter.counters()
    }

    /// Pops an item, waiting for one until `deadline`. Tells nobody.
    #[inline]
    fn pop(&mut self, deadline: Option<Instant>) -> Result<T, PopError> {
        let items = &self.share.0.items;
        let mut awaited = Items::<T, K> { consumer: &mut self.consumer, bell: items, seat: &self.seat };
        self.waiter.wait(items.signal(&self.seat), deadline, &mut awaited).unwrap_or(Err(PopError::Empty))
    }

    fn pop_present(&mut self, into: &mut Vec<T>, max: usize) -> usize {
        let before = into.len();
        into.extend(std::iter::from_fn(|| K::pop(&mut self.consumer).ok()).take(max));
        into.len() - before
    }

    /// `places` were freed: wakes senders that sleep. Passes `value` through.
    #[inline(always)]
    fn taken<V>(&mut self, places: usize, value: V) -> V {
        // Light: the places against the look at sleepers; pairs with the heavy fence of a sender that parks.
        light_fence();
        self.share.0.room.ring(places);
        value
    }
}

impl<T> Clone for Receiver<T, super::Mpmc> {
    /// Another receiver of the same channel, with the same policy; it learns for itself how to wait.
    fn clone(&self) -> Self {
        Self {
            consumer: self.consumer.clone(),
            share: self.share.clone(),
            seat: Arc::default(),
            waiter: Waiter::new(self.waiter.policy()),
        }
    }
}

impl<T, K: Kind> fmt::Debug for Receiver<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("capacity", &self.capacity())
            .field("waiter", &self.waiter)
            .finish_non_exhaustive()
    }
}

/// An item, or the news that none will come.
struct Items<'a, T, K: Kind> {
    consumer: &'a mut K::Consumer<T>,
    bell: &'a K::Bell,
    seat: &'a <K::Bell as Bell>::Seat,
}

impl<T, K: Kind> Awaited for Items<'_, T, K> {
    type Ready = Result<T, PopError>;

    #[inline]
    fn look(&mut self) -> Option<Self::Ready> {
        match K::pop(self.consumer) {
            Err(PopError::Empty) => None,
            done => Some(done),
        }
    }

    fn announce(&mut self) -> bool {
        self.bell.join(self.seat);
        false
    }

    fn withdraw(&mut self) {
        // A wake was spent on us and there is more than ours: the next receiver takes it.
        if self.bell.leave(self.seat) && K::may_pop(self.consumer) {
            self.bell.ring(1);
        }
    }
}

/// Items as they come, until the channel closes. Made by [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'a, T, K: Kind = Spsc>(&'a mut Receiver<T, K>);

impl<T, K: Kind> Iterator for Iter<'_, T, K> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

/// Items that are there, until there is none. Made by [`Receiver::try_iter`].
#[derive(Debug)]
pub struct TryIter<'a, T, K: Kind = Spsc>(&'a mut Receiver<T, K>);

impl<T, K: Kind> Iterator for TryIter<'_, T, K> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.try_recv().ok()
    }
}

/// Items as they come, until the channel closes; owns the receiver.
#[derive(Debug)]
pub struct IntoIter<T, K: Kind = Spsc>(Receiver<T, K>);

impl<T, K: Kind> Iterator for IntoIter<T, K> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl<'a, T, K: Kind> IntoIterator for &'a mut Receiver<T, K> {
    type Item = T;
    type IntoIter = Iter<'a, T, K>;

    fn into_iter(self) -> Iter<'a, T, K> {
        self.iter()
    }
}

impl<T, K: Kind> IntoIterator for Receiver<T, K> {
    type Item = T;
    type IntoIter = IntoIter<T, K>;

    fn into_iter(self) -> IntoIter<T, K> {
        IntoIter(self)
    }
}
