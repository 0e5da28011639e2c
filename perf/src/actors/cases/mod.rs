//! What is done: each case as the actors it has, whatever the library.
//!
//! - `ping_pong`, `counting`, `fan_in`: messages between few. `spawn`, `skynet`: many actors.
//! - `fork_join`, `thread_ring`, `big`: of the Savina benchmarks.

#![forbid(unsafe_code)]

mod big;
mod counting;
mod fan_in;
mod fork_join;
mod ping_pong;
mod skynet;
mod spawn;
mod thread_ring;

use std::{mem, time::Duration};

use super::library::{Cores, Finish, Library, Setting, Took};
use crate::{cli::Case, failure::Failure};

/// A case and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) case: Case,
    /// Those that matter: senders, leaves, workers, members of a ring.
    pub(super) actors: usize,
    /// Messages; where many send or are sent to, of each.
    pub(super) count: u64,
}

impl Plan {
    /// How many messages, hops or actors a run of it has: what its time is divided by.
    pub(super) fn units(&self) -> u64 {
        let actors = self.actors as u64;
        match self.case {
            Case::PingPong | Case::PingPongLocal => self.count / 2 * 2,
            Case::Counting | Case::CountingLocal => self.count,
            Case::FanIn | Case::ForkJoin => self.count * actors,
            // A pong for each ping.
            Case::Big => 2 * self.count * actors,
            Case::ThreadRing => thread_ring::hops(self.actors, self.count),
            Case::Spawn | Case::Skynet => actors,
        }
    }

    pub(super) fn cores(&self) -> Cores {
        match self.case {
            Case::PingPongLocal | Case::CountingLocal | Case::Spawn => Cores::One,
            _ => Cores::Both,
        }
    }

    /// Runs it once, on threads of its own. The heap is counted if it is asked for, of what has a count of it: `spawn`.
    pub(super) fn run<L: Library>(&self, setting: &Setting, counts_heap: bool) -> Result<Took, Failure> {
        let mut stage = L::open(setting)?;
        let (finish, heard) = Finish::new();
        self.begin::<L>(&mut stage, counts_heap, finish)?;
        match heard.recv_timeout(WITHIN) {
            Ok(seen) => seen.map_err(|wrong| Failure::road(L::NAME, wrong)),
            Err(_) => {
                // Threads that are stuck cannot be waited for; the program ends.
                mem::forget(stage);
                Err(Failure::Stuck { after: WITHIN })
            }
        }
    }

    fn begin<L: Library>(&self, stage: &mut L::Stage, counts_heap: bool, finish: Finish) -> Result<(), Failure> {
        let Self { case, actors, count } = *self;
        match case {
            Case::PingPong | Case::PingPongLocal => ping_pong::begin::<L>(stage, count, finish),
            Case::Counting | Case::CountingLocal => counting::begin::<L>(stage, count, finish),
            Case::FanIn => fan_in::begin::<L>(stage, actors, count, finish),
            Case::Spawn => spawn::begin::<L>(stage, actors as u64, counts_heap, finish),
            Case::Skynet => skynet::begin::<L>(stage, actors as u64, finish),
            Case::ForkJoin => fork_join::begin::<L>(stage, actors, count, finish),
            Case::ThreadRing => thread_ring::begin::<L>(stage, actors, count, finish),
            Case::Big => big::begin::<L>(stage, actors, count, finish),
        }
    }
}

/// For one run of whatever size and library: the slowest takes some ten seconds.
const WITHIN: Duration = Duration::from_secs(120);
