//! How many threads of the process may spin for long at once: one per core they can run on.
//!
//! More spinners than cores spin in the way of the very peers they wait for. A waiter takes a place when it has spun
//! for a while and keeps it until it parks, so that a busy pair does not touch this counter at all.
//!
//! Usable cores are those on which the threads that asked for a place may run: two threads pinned to one core make
//! one, whatever else the machine has. With one usable core there is no place, as nothing arrives while we spin.

#![forbid(unsafe_code)]

use crate::sync::{AtomicU32, AtomicU64, Ordering};

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// Cores some asking thread may run on, a bit each.
static CORES: [AtomicU64; CORE_WORDS] = [const { AtomicU64::new(0) }; CORE_WORDS];
/// 1,024 cores: what a `cpu_set_t` holds. Threads elsewhere find no place and park.
const CORE_WORDS: usize = 16;

/// The right to spin for long. Returned when dropped.
#[derive(Debug)]
pub(super) struct Place(());

impl Place {
    /// Takes a place if one is free. A refusal costs a system call, as it asks first where the caller may run.
    pub(super) fn take() -> Option<Self> {
        if Self::take_within(places()) {
            return Some(Self(()));
        }
        add_own_cores();
        // Made only when taken: a place that is made is given back.
        Self::take_within(places()).then(|| Self(()))
    }

    fn take_within(limit: u32) -> bool {
        // Relaxed: a count, nothing is published through it.
        TAKEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| (taken < limit).then(|| taken + 1)).is_ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        TAKEN.fetch_sub(1, Ordering::Relaxed);
    }
}

fn places() -> u32 {
    match CORES.iter().map(|word| word.load(Ordering::Relaxed).count_ones()).sum() {
        0 | 1 => 0,
        cores => cores,
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
fn add_own_cores() {
    let Ok(set) = rustix::thread::sched_getaffinity(None) else { return };
    for (index, word) in CORES.iter().enumerate() {
        let mine = (0..64).filter(|bit| set.is_set(index * 64 + bit)).fold(0, |mask, bit| mask | 1 << bit);
        if mine & !word.load(Ordering::Relaxed) != 0 {
            word.fetch_or(mine, Ordering::Relaxed);
        }
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn add_own_cores() {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(64));
    CORES[0].fetch_or(u64::MAX >> (64 - cores), Ordering::Relaxed);
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    /// Others in this process take places too, so the count itself says nothing; that it never wraps does.
    #[test]
    fn a_refusal_gives_no_place_back() {
        let held: Vec<Place> = std::iter::from_fn(Place::take).take(2000).collect();
        for _ in 0..10_000 {
            assert!(Place::take().is_none_or(|_| held.len() < 2000));
        }
        let taken = TAKEN.load(Ordering::Relaxed);
        assert!((held.len() as u32..10_000).contains(&taken), "{taken} taken, {} of them here", held.len());
    }
}
