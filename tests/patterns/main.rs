//! Each pattern against a model of it: random steps in one thread, each of whose outcomes the model knows.
//!
//! A case is a seed; one that fails says so, and `RINGWAY_SEED` runs it alone.

#![forbid(unsafe_code)]

mod dealer;
mod pipeline;
mod requests;
mod router;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

const CASES: u64 = if cfg!(miri) { 4 } else { 400 };

/// Runs `case` with many seeds, or with the one that is asked for.
fn cases(name: &str, case: impl Fn(Dice)) {
    let chosen: Option<u64> = env::var("RINGWAY_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = chosen.map_or(0..CASES, |seed| seed..seed + 1);
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| case(Dice(seed)))) {
            eprintln!("{name}: fails with RINGWAY_SEED={seed}");
            resume_unwind(panic);
        }
    }
}

/// A small generator: the same numbers from the same seed (Steele, Lea and Flood: SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn flip(&mut self) -> bool {
        self.roll(2) == 0
    }
}
