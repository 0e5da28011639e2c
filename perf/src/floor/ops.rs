//! Single operations and memory copies, on one warm thread.

#![forbid(unsafe_code)]

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering, fence},
    },
    time::{Duration, Instant},
};

use crossbeam_utils::CachePadded;
use ringway::latency::Clock;

use crate::{crew::Crew, failure::Failure, pins::Pins, report::median};

/// The speed of copying one block size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copied {
    pub(crate) name: &'static str,
    /// 10⁹ bytes copied a second; each is read once and written once.
    pub(crate) gb_per_s: f64,
}

pub(super) fn clock_read_ns(limit: Duration) -> f64 {
    let clock = Clock::new();
    each_ns(limit, || {
        black_box(clock.now_ns());
    })
}

pub(super) fn fetch_add_ns(limit: Duration) -> f64 {
    let word = CachePadded::new(AtomicU64::new(0));
    each_ns(limit, || {
        black_box(word.fetch_add(1, Ordering::AcqRel));
    })
}

/// Per operation of one thread while another does the same to the same word.
pub(super) fn fetch_add_contended_ns(pins: &Pins, limit: Duration) -> Result<f64, Failure> {
    let word = Arc::new(CachePadded::new(AtomicU64::new(0)));
    let running = Arc::new(AtomicBool::new(true));
    let mut crew = Crew::new();
    let (other_word, still) = (word.clone(), running.clone());
    crew.start("floor-far", pins.last(), move || {
        while still.load(Ordering::Relaxed) {
            (0..64).for_each(|_| _ = other_word.fetch_add(1, Ordering::AcqRel));
        }
        Ok(None)
    })?;
    crew.start("floor-near", pins.first(), move || {
        // The median: the best stretch is one in which the other thread was not running.
        let stretches = stretches_ns(limit, 10_000, || {
            black_box(word.fetch_add(1, Ordering::AcqRel));
        });
        running.store(false, Ordering::Relaxed);
        Ok(Some(median(&stretches)))
    })?;
    let results = crew.finish(limit + Duration::from_secs(20))?;
    Ok(results.into_iter().flatten().next().expect("the near thread gives one"))
}

/// A function that is not known before it is called.
pub(super) fn call_ns(limit: Duration) -> f64 {
    let mut next = |n: u64| n.wrapping_add(1);
    let next: &mut dyn FnMut(u64) -> u64 = black_box(&mut next);
    let mut n = 0;
    each_ns(limit, || n = next(black_box(n)))
}

/// A store and the fence that a sleep protocol needs behind it.
pub(super) fn fence_ns(limit: Duration) -> f64 {
    let word = CachePadded::new(AtomicU64::new(0));
    each_ns(limit, || {
        black_box(&word).store(1, Ordering::Release);
        fence(Ordering::SeqCst);
    })
}

pub(super) fn copies(limit: Duration) -> Vec<Copied> {
    SIZES.iter().map(|&(name, size)| Copied { name, gb_per_s: copy_gb_per_s(size, limit) }).collect()
}

fn copy_gb_per_s(size: usize, limit: Duration) -> f64 {
    let from = vec![7_u8; size];
    let mut to = vec![1_u8; size];
    // Small blocks many times between two looks at the clock.
    let turns = (COPIED_PER_LOOK / size).max(1);
    let once_ns = each_of(limit, turns as u64, || to.copy_from_slice(black_box(&from)));
    black_box(&to);
    size as f64 / once_ns
}

/// Nanoseconds for one `op`, the best of all stretches: interruptions only ever add.
fn each_ns(limit: Duration, op: impl FnMut()) -> f64 {
    each_of(limit, 10_000, op)
}

fn each_of(limit: Duration, stretch: u64, op: impl FnMut()) -> f64 {
    stretches_ns(limit, stretch, op).into_iter().fold(f64::INFINITY, f64::min)
}

/// Nanoseconds for one `op` in each stretch of so many that fits in `limit`.
fn stretches_ns(limit: Duration, stretch: u64, mut op: impl FnMut()) -> Vec<f64> {
    let begin = Instant::now();
    let mut stretches = Vec::new();
    while stretches.len() < STRETCHES_MIN || begin.elapsed() < limit {
        let start = Instant::now();
        (0..stretch).for_each(|_| op());
        stretches.push(start.elapsed().as_nanos() as f64 / stretch as f64);
    }
    stretches
}

/// Blocks that fit in the first cache, the second, the third, and none.
const SIZES: [(&str, usize); 4] = [("1 KiB", 1 << 10), ("64 KiB", 64 << 10), ("1 MiB", 1 << 20), ("64 MiB", 64 << 20)];

/// The first warms up.
const STRETCHES_MIN: usize = 3;

/// Bytes copied between two looks at the clock, some 50 µs of work.
const COPIED_PER_LOOK: usize = 2 << 20;
