//! The sending half: push, fence, look for sleepers; wait for room.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bell::Bell;
use super::kind::{Kind, Sealed, Spsc};
use super::{PushError, SendError, SendTimeoutError, SenderShare, Shared};
use crate::sync::{full_fence, planted};
use crate::wait::{Awaited, WaitCounters, WaitPolicy, Waiter};

/// The sending half of a channel. `Sender<T>` is the one of [`spsc`](super::spsc), `Sender<T, Mpmc>` that of
/// [`mpmc`](super::mpmc), which can be cloned.
pub struct Sender<T, K: Kind = Spsc> {
    /// Dropped first: the ring closes before receivers are told.
    producer: <K as Sealed>::Producer<T>,
    share: SenderShare<<K as Sealed>::Bell>,
    seat: <<K as Sealed>::Bell as Bell>::Seat,
    waiter: Waiter,
}

impl<T, K: Kind> Sender<T, K> {
    pub(super) fn new(producer: K::Producer<T>, shared: Arc<Shared<K::Bell>>) -> Self {
        let waiter = Waiter::new(WaitPolicy::default());
        Self { producer, share: SenderShare(shared), seat: <K::Bell as Bell>::Seat::default(), waiter }
    }

    /// Sends `item`, waiting for room if there is none.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the item when all receivers are gone, also if they go while this waits.
    #[inline]
    pub fn send(&mut self, item: T) -> Result<(), SendError<T>> {
        self.push(item, None).map_err(|error| SendError(error.into_inner()))?;
        self.published(1);
        Ok(())
    }

    /// Sends `item`, waiting at most `timeout` for room. A zero timeout looks once.
    ///
    /// # Errors
    ///
    /// The item, because there was no room in time, or because all receivers are gone.
    pub fn send_timeout(&mut self, item: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        // The clock is read only if there is a wait. A deadline beyond its range is none.
        let pushed = K::push(&mut self.producer, item).or_else(|error| match error {
            PushError::Full(item) if !timeout.is_zero() => self.push_slow(item, Instant::now().checked_add(timeout)),
            _ => Err(error),
        });
        pushed.map_err(|error| match error {
            PushError::Full(item) => SendTimeoutError::Timeout(item),
            PushError::Closed(item) => SendTimeoutError::Closed(item),
        })?;
        self.published(1);
        Ok(())
    }

    /// Sends `item` if there is room. Never waits.
    ///
    /// # Errors
    ///
    /// The item, because there is no room, or because all receivers are gone.
    #[inline]
    pub fn try_send(&mut self, item: T) -> Result<(), PushError<T>> {
        K::push(&mut self.producer, item)?;
        self.published(1);
        Ok(())
    }

    /// Sends all of `items`, from the front, waiting for room as often as need be. Receivers are told once per window of
    /// room, which is cheaper than once per item. Returns how many.
    ///
    /// # Errors
    ///
    /// [`SendError`] when all receivers are gone. What was not sent stays in `items`.
    pub fn send_batch(&mut self, items: &mut VecDeque<T>) -> Result<usize, SendError<()>> {
        let len = items.len();
        while let Some(item) = items.pop_front() {
            if let Err(error) = self.push(item, None) {
                items.push_front(error.into_inner());
                return Err(SendError(()));
            }
            let pushed = 1 + self.push_present(items);
            self.published(pushed);
        }
        Ok(len)
    }

    /// Sends from the front of `items` what there is room for. Never waits. Returns how many; 0 only if `items` is
    /// empty.
    ///
    /// # Errors
    ///
    /// [`PushError::Full`] if there was no room for the first, [`PushError::Closed`] if all receivers are gone. What
    /// was not sent stays in `items`.
    pub fn try_send_batch(&mut self, items: &mut VecDeque<T>) -> Result<usize, PushError<()>> {
        let Some(first) = items.pop_front() else { return Ok(0) };
        if let Err(error) = K::push(&mut self.producer, first) {
            let answer = if error.is_full() { PushError::Full(()) } else { PushError::Closed(()) };
            items.push_front(error.into_inner());
            return Err(answer);
        }
        let pushed = 1 + self.push_present(items);
        self.published(pushed);
        Ok(pushed)
    }

    /// How many items the channel holds at most.
    pub fn capacity(&self) -> usize {
        K::capacity(&self.producer)
    }

    /// How this handle waits for room.
    pub fn policy(&self) -> WaitPolicy {
        self.waiter.policy()
    }

    /// Changes how this handle waits for room.
    pub fn set_policy(&mut self, policy: WaitPolicy) {
        self.waiter.set_policy(policy);
    }

    /// How this handle waited so far, and what it goes by.
    pub fn wait_counters(&self) -> WaitCounters {
        self.waiter.counters()
    }

    /// Pushes `item`, waiting for room until `deadline`. Tells nobody.
    #[inline]
    fn push(&mut self, item: T, deadline: Option<Instant>) -> Result<(), PushError<T>> {
        match K::push(&mut self.producer, item) {
            Err(PushError::Full(item)) => self.push_slow(item, deadline),
            done => done,
        }
    }

    #[cold]
    fn push_slow(&mut self, item: T, deadline: Option<Instant>) -> Result<(), PushError<T>> {
        let room = &self.share.0.room;
        let mut awaited = Room::<T, K> { producer: &mut self.producer, item: Some(item), bell: room, seat: &self.seat };
        match self.waiter.wait(room.signal(&self.seat), deadline, &mut awaited) {
            Ok(pushed) => pushed,
            Err(_) => match awaited.item {
                Some(item) => Err(PushError::Full(item)),
                None => unreachable!("an item is out of hand only when the wait is over"),
            },
        }
    }

    /// Pushes from the front of `items` what there is room for. Tells nobody.
    fn push_present(&mut self, items: &mut VecDeque<T>) -> usize {
        let before = items.len();
        while let Some(item) = items.pop_front() {
            if let Err(error) = K::push(&mut self.producer, item) {
                items.push_front(error.into_inner());
                break;
            }
        }
        before - items.len()
    }

    /// `items` were pushed: wakes receivers that sleep.
    #[inline(always)]
    fn published(&mut self, items: usize) {
        if !planted("channel-no-send-fence") {
            // Full: the items against the look at sleepers; pairs with the receiver's before its last look.
            full_fence();
        }
        self.share.0.items.ring(items);
    }
}

impl<T> Clone for Sender<T, super::Mpmc> {
    /// Another sender of the same channel, with the same policy; it learns for itself how to wait.
    fn clone(&self) -> Self {
        Self {
            producer: self.producer.clone(),
            share: self.share.clone(),
            seat: Arc::default(),
            waiter: Waiter::new(self.waiter.policy()),
        }
    }
}

impl<T, K: Kind> fmt::Debug for Sender<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("capacity", &self.capacity())
            .field("waiter", &self.waiter)
            .finish_non_exhaustive()
    }
}

/// Room for an item, which is pushed as soon as there is some.
struct Room<'a, T, K: Kind> {
    producer: &'a mut K::Producer<T>,
    /// None once it is pushed or given back.
    item: Option<T>,
    bell: &'a K::Bell,
    seat: &'a <K::Bell as Bell>::Seat,
}

impl<T, K: Kind> Awaited for Room<'_, T, K> {
    type Ready = Result<(), PushError<T>>;

    fn look(&mut self) -> Option<Self::Ready> {
        if !K::may_push(self.producer) {
            return None;
        }
        match K::push(self.producer, self.item.take()?) {
            Err(PushError::Full(item)) => {
                self.item = Some(item);
                None
            }
            done => Some(done),
        }
    }

    fn announce(&mut self) -> bool {
        self.bell.join(self.seat);
        // Receivers issue light fences.
        true
    }

    fn withdraw(&mut self) {
        // A wake was spent on us and there may be more room than ours: the next sender finds out.
        if self.bell.leave(self.seat) {
            self.bell.ring(1);
        }
    }
}
