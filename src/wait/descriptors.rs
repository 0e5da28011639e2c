//! A sleep that descriptors end, beside a wake.

#![forbid(unsafe_code)]

use std::{
    fmt,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    time::Instant,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::{
    target::{EventTarget, Slept, Target},
    waiter::{Awaited, Rest, Watched},
};

/// Where a waiter sleeps on descriptors: an eventfd for those who wake it, made when first needed, and what it watches.
#[derive(Default)]
pub(super) struct Post {
    bell: Option<Arc<EventTarget>>,
    watched: Vec<Watched>,
}

impl Post {
    /// Is there an eventfd to be woken by? If the system has none left the waiter parks as ever, and the descriptors are left
    /// to those who look after them anyway.
    pub(super) fn is_open(&mut self) -> bool {
        self.bell = self.bell.take().or_else(|| EventTarget::new().ok());
        self.bell.is_some()
    }

    pub(super) fn target(&self) -> Target {
        Target::Eventfd(self.bell.clone().expect("asked for after it was made sure that there is one"))
    }

    /// Asks `what` what to watch.
    pub(super) fn watch<A: Awaited>(&mut self, what: &mut A) -> Rest {
        self.watched.clear();
        what.watch(&mut self.watched)
    }

    /// Sleeps until it is woken, something watched is readable, a signal handler ran, or `until`. The kernel begins no `poll`
    /// anew after a handler, whatever its flags.
    pub(super) fn sleep(&self, until: Option<Instant>) -> Slept {
        let Some(bell) = &self.bell else { return Slept::TimedOut };
        let of = |descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN);
        let watched = self.watched.iter().map(|watched| -> BorrowedFd<'_> { watched.as_fd() });
        let mut polled: smallvec::SmallVec<[PollFd<'_>; 10]> =
            std::iter::once(bell.fd()).chain(watched).map(of).collect();
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        // A time the kernel cannot count is for ever.
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let slept = match poll(&mut polled, timeout.as_ref()) {
            Ok(1..) => Slept::Woken,
            Err(Errno::INTR) => Slept::Interrupted,
            Ok(0) | Err(_) => Slept::TimedOut,
        };
        let is_rung = polled[0].revents() != PollFlags::empty();
        drop(polled);
        if is_rung {
            bell.drain();
        }
        slept
    }

    /// Lets go of what was watched.
    pub(super) fn clear(&mut self) {
        self.watched.clear();
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").field("watched", &self.watched.len()).finish_non_exhaustive()
    }
}
