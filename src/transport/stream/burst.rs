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
/// A streak of a stream: what many messages in one write make of it. A pause halves it, so that the first message after one is
/// written at once, as it may be the beginning of something else, and those close behind gather if it is not. A stream has pauses,
/// too: its sender waits for room, or loses its core to the reactor. When each of them began it anew, half of a stream's time went
/// into writes of one message. Nothing but pauses, or a few messages after each, is a conversation again soon.
const STREAK_MAX: u32 = 2 * AT_ONCE;

impl Burst {
    pub(super) fn new() -> Self {
        Self { epoch: Instant::now(), written_ns: AtomicU64::new(0), streak: AtomicU32::new(0) }
    }

    /// A message was put where nobody was at work. Is it one of many?
    pub(super) fn goes_on(&self) -> bool {
        let now_ns = self.now_ns();
        let gap_ns = now_ns - self.written_ns.load(Ordering::Relaxed).min(now_ns);
        let streak = self.streak.load(Ordering::Relaxed);
        let streak = if gap_ns < CLOSE_NS { (streak + 1).min(STREAK_MAX) } else { streak / 2 };
        self.streak.store(streak, Ordering::Relaxed);
        streak > AT_ONCE
    }

    /// Something has been written.
    pub(super) fn wrote(&self) {
        self.written_ns.store(self.now_ns(), Ordering::Relaxed);
    }

    /// So many messages went out together.
    pub(super) fn gathered(&self, messages: u64) {
        if messages >= u64::from(AT_ONCE) {
            self.streak.store(STREAK_MAX, Ordering::Relaxed);
        }
    }

    fn now_ns(&self) -> u64 {
        // 2^64 ns are 584 years.
        self.epoch.elapsed().as_nanos() as u64
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    /// How many of `messages` would be written at once, each `gap_ns` after the write before.
    fn at_once(burst: &Burst, messages: u32, gap_ns: u64) -> u32 {
        let is_written = |_: &u32| {
            // A time to come counts as none at all.
            let written_ns = if gap_ns == 0 { u64::MAX } else { burst.now_ns().saturating_sub(gap_ns) };
            burst.written_ns.store(written_ns, Ordering::Relaxed);
            !burst.goes_on()
        };
        (0..messages).filter(is_written).count() as u32
    }

    /// Long after its beginning.
    fn burst() -> Burst {
        let burst = Burst::new();
        while burst.now_ns() < 10 * CLOSE_NS {}
        burst
    }

    #[test]
    fn a_conversation_is_no_burst() {
        assert_eq!(at_once(&burst(), 1_000, CLOSE_NS), 1_000);
    }

    #[test]
    fn a_stream_gathers_after_a_few() {
        assert_eq!(at_once(&burst(), 1_000, 0), AT_ONCE);
    }

    #[test]
    fn a_pause_costs_a_stream_one_write() {
        let burst = burst();
        for _ in 0..10 {
            burst.gathered(1_000);
            assert_eq!(at_once(&burst, 1, CLOSE_NS), 1);
            assert_eq!(at_once(&burst, 1, 0), 0);
        }
    }

    #[test]
    fn answers_in_two_parts_are_soon_written_at_once_again() {
        let burst = burst();
        burst.gathered(1_000);
        let pairs = (0..20).map(|_| at_once(&burst, 1, CLOSE_NS) + at_once(&burst, 1, 0));
        let pairs: Vec<u32> = pairs.inspect(|_| burst.gathered(2)).collect();
        assert!(pairs[..2].contains(&1) && pairs[2..].iter().all(|written| *written == 2), "{pairs:?}");
    }
}
