//! When to write at once, and when to let messages gather.
//!
//! Writing costs a system call, a hundred times what a message costs otherwise. A lone message is written at once, by its
//! sender: nobody else could do it sooner. In a burst that would be a call per message; there a message may wait for those
//! behind it, and for the reactor.
//!
//! What tells a burst is the time from the end of a write, whoever wrote, to the next message that finds nobody at work: a
//! sender that goes on at once would do nothing but write. It is told for a socket, not for a connection, as a publisher
//! writes one message many times.

#![forbid(unsafe_code)]

use std::time::Instant;

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// What is known of a socket's writes. Any thread: what is read late costs a system call, or some microseconds.
#[derive(Debug)]
pub(super) struct Burst {
    epoch: Instant,
    /// When the last write ended.
    written_ns: AtomicU64,
    streak: AtomicU32,
}

/// A message that comes sooner than this after a write is of a burst. Below the shortest round trip to another process, some
/// 5 µs, so that a conversation is none; above what an application takes between two messages that it has at hand.
const CLOSE_NS: u64 = 3_000;
/// Messages of a burst that are written at once all the same: requests in flight at a time, a short answer in parts, one message
/// to some subscribers.
const AT_ONCE: u32 = 16;

impl Burst {
    pub(super) fn new() -> Self {
        Self { epoch: Instant::now(), written_ns: AtomicU64::new(0), streak: AtomicU32::new(0) }
    }

    /// A message was put where nobody was at work. Is it one of many?
    pub(super) fn goes_on(&self) -> bool {
        let now_ns = self.now_ns();
        let gap_ns = now_ns - self.written_ns.load(Ordering::Relaxed).min(now_ns);
        let streak = if gap_ns < CLOSE_NS { self.streak.load(Ordering::Relaxed).saturating_add(1) } else { 0 };
        self.streak.store(streak, Ordering::Relaxed);
        streak > AT_ONCE
    }

    /// Something has been written.
    pub(super) fn wrote(&self) {
        self.written_ns.store(self.now_ns(), Ordering::Relaxed);
    }

    fn now_ns(&self) -> u64 {
        // 2^64 ns are 584 years.
        self.epoch.elapsed().as_nanos() as u64
    }
}
