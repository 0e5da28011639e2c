//! Who is woken: one handle, or one of a crowd.

use std::fmt::Debug;
use std::sync::Arc;

use crate::wait::{Crowd, Signal};

/// One side of a channel as the other side wakes it.
#[allow(unnameable_types, reason = "part of the sealed trait of channel kinds")]
pub trait Bell: Default + Debug + Send + Sync {
    /// What a handle keeps to be reached.
    type Seat: Default + Debug + Send;

    /// The signal the handle of `seat` waits on.
    fn signal<'a>(&'a self, seat: &'a Self::Seat) -> &'a Signal;

    /// The handle is about to sleep; its signal is armed. A fence and a look follow.
    fn join(&self, seat: &Self::Seat);

    /// The handle's wait is over. Returns whether it owes a wake to another handle.
    fn leave(&self, seat: &Self::Seat) -> bool;

    /// `news` items or places were published and fenced.
    fn ring(&self, news: usize);

    /// The last of the other side went, and fenced.
    fn ring_all(&self);
}

/// One handle.
impl Bell for Signal {
    type Seat = ();

    #[inline]
    fn signal<'a>(&'a self, (): &'a ()) -> &'a Signal {
        self
    }

    fn join(&self, (): &()) {}

    fn leave(&self, (): &()) -> bool {
        false
    }

    #[inline]
    fn ring(&self, _: usize) {
        self.notify();
    }

    fn ring_all(&self) {
        self.notify();
    }
}

/// Handles that come and go.
impl Bell for Crowd {
    type Seat = Arc<Signal>;

    #[inline]
    fn signal<'a>(&'a self, seat: &'a Arc<Signal>) -> &'a Signal {
        seat
    }

    fn join(&self, seat: &Arc<Signal>) {
        Crowd::join(self, seat);
    }

    fn leave(&self, seat: &Arc<Signal>) -> bool {
        Crowd::leave(self, seat)
    }

    #[inline]
    fn ring(&self, news: usize) {
        self.notify(news);
    }

    fn ring_all(&self) {
        self.notify(usize::MAX);
    }
}
