//! Two threads that sleep in the kernel and wake each other: what parking costs.

#![forbid(unsafe_code)]

use std::time::Duration;

use ringway::latency::Summary;

use crate::failure::Failure;

/// Times futex round trips; `None` where there is no futex.
#[cfg(target_os = "linux")]
pub(super) fn round_trips(
    near: Option<usize>,
    far: Option<usize>,
    limit: Duration,
) -> Result<Option<Summary>, Failure> {
    super::round_trips(Wake::default(), near, far, limit).map(Some)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn round_trips(_: Option<usize>, _: Option<usize>, _: Duration) -> Result<Option<Summary>, Failure> {
    Ok(None)
}

#[cfg(target_os = "linux")]
use futex::Wake;

#[cfg(target_os = "linux")]
mod futex {
    use std::sync::atomic::{AtomicU32, Ordering};

    use crossbeam_utils::CachePadded;
    use rustix::thread::futex;

    use super::super::{Baton, STOP};

    /// A word for each direction, slept on until it changes.
    #[derive(Default)]
    pub(in super::super) struct Wake {
        there: CachePadded<AtomicU32>,
        back: CachePadded<AtomicU32>,
    }

    impl Baton for Wake {
        fn there_and_back(&self, turn: u32) {
            hand_over(&self.there, turn);
            await_turn(&self.back, turn);
        }

        fn answer(&self, turn: u32) -> bool {
            let seen = await_turn(&self.there, turn);
            hand_over(&self.back, seen);
            seen == STOP
        }
    }

    fn hand_over(word: &AtomicU32, turn: u32) {
        word.store(turn, Ordering::Release);
        // Fails for no valid word.
        let _ = futex::wake(word, futex::Flags::PRIVATE, 1);
    }

    fn await_turn(word: &AtomicU32, turn: u32) -> u32 {
        loop {
            let seen = word.load(Ordering::Acquire);
            if seen == turn || seen == STOP {
                return seen;
            }
            // Returns early if the word has changed or a signal came; the loop looks again.
            let _ = futex::wait(word, futex::Flags::PRIVATE, seen, None);
        }
    }
}
