//! How models are run: a program by the interleavings there are, or by many of them, and again for each bug it is known to catch.
//!
//! In a build for loom that is all interleavings up to a bound on preemptions, in one for shuttle a sample of schedules.

#![forbid(unsafe_code)]

use crate::sync::with_plant;

#[cfg(loom)]
pub(crate) use by_loom::prove;
#[cfg(shuttle)]
pub(crate) use by_shuttle::{assert_caught, explore, prove};

#[cfg(loom)]
mod by_loom {
    use std::cell::Cell;

    use super::with_plant;

    std::thread_local! {
        /// Executions of the model under way. loom's threads are coroutines of the one that started the model.
        static EXECUTIONS: Cell<u64> = const { Cell::new(0) };
    }

    /// Explores `program` and prints how many executions that took. `preemptions` bounds the involuntary switches of an execution;
    /// `None`: there is no bound.
    fn explore(name: &str, preemptions: Option<usize>, program: fn()) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = preemptions;
        builder.max_branches = 20_000;
        EXECUTIONS.set(0);
        builder.check(move || {
            EXECUTIONS.set(EXECUTIONS.get() + 1);
            program();
        });
        println!("loom {name}: {} executions", EXECUTIONS.get());
    }

    /// Asserts that `program` holds, and that it fails with any of `plants` planted.
    pub(crate) fn prove(name: &str, preemptions: impl Into<Option<usize>>, program: fn(), plants: &[&'static str]) {
        let preemptions = preemptions.into();
        explore(name, preemptions, program);
        for &plant in plants {
            assert!(with_plant(plant, || explore(name, preemptions, program)), "{name} misses {plant}");
            println!("loom {name}: caught {plant} in execution {}", EXECUTIONS.get());
        }
    }
}

#[cfg(shuttle)]
mod by_shuttle {
    use super::with_plant;

    const RANDOM_EXECUTIONS: usize = 10_000;
    /// Priority-based schedules with few switches, which find bugs that need a thread to stand still for long.
    const PRIORITY_EXECUTIONS: usize = 10_000;
    const PRIORITY_DEPTH: usize = 3;

    /// Runs `program` by so many schedules.
    pub(crate) fn explore(name: &str, program: fn()) {
        shuttle::check_random(program, RANDOM_EXECUTIONS);
        shuttle::check_pct(program, PRIORITY_EXECUTIONS, PRIORITY_DEPTH);
        println!("shuttle {name}: {} executions", RANDOM_EXECUTIONS + PRIORITY_EXECUTIONS);
    }

    /// Asserts that `program` holds, and that it fails with any of `plants` planted.
    pub(crate) fn prove(name: &str, program: fn(), plants: &[&'static str]) {
        explore(name, program);
        plants.iter().for_each(|&plant| assert_caught(plant, program));
    }

    /// Asserts that `program` fails with `plant` planted.
    pub(crate) fn assert_caught(plant: &'static str, program: fn()) {
        assert!(with_plant(plant, || explore(plant, program)), "{plant} was not caught");
    }
}
