//! When to write at once, and when to let messages gather.
//!
//! Writing costs a system call, a hundred times what a message costs otherwise. A lone message is written at once, by its
//! sender: nobody else could do it sooner. In a burst that would be a call per message; there a message may wait for those
//! behind it, and for the reactor.

#![forbid(unsafe_code)]

use std::time::Instant;

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// What a sender learns from the times it found nobody at work. Written by the sending thread alone.
#[derive(Debug)]
pub(super) struct Burst {
    epoch: Instant,
    last_ns: AtomicU64,
    streak: AtomicU32,
}

/// Messages closer than this to one another are of one burst: some system calls' time.
const CLOSE_NS: u64 = 10_000;
/// Messages of a burst that are written at once all the same: requests in flight at a time, a short answer in parts.
const AT_ONCE: u32 = 8;

impl Burst {
    pub(super) fn new() -> Self {
        Self { epoch: Instant::now(), last_ns: AtomicU64::new(0), streak: AtomicU32::new(0) }
    }

    /// A message was put where nobody was at work. Is it one of many?
    pub(super) fn goes_on(&self) -> bool {
        // 2^64 ns are 584 years.
        let now_ns = self.epoch.elapsed().as_nanos() as u64;
        let gap_ns = now_ns - self.last_ns.load(Ordering::Relaxed).min(now_ns);
        self.last_ns.store(now_ns, Ordering::Relaxed);
        let streak = if gap_ns < CLOSE_NS { self.streak.load(Ordering::Relaxed).saturating_add(1) } else { 0 };
        self.streak.store(streak, Ordering::Relaxed);
        streak > AT_ONCE
    }
}
