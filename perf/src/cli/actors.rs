//! What compares actor libraries.

#![forbid(unsafe_code)]

use std::{num::NonZeroU64, path::PathBuf};

use clap::{Args, ValueEnum};

use super::Place;

#[derive(Args, Debug)]
pub(crate) struct Actors {
    /// What the actors do.
    #[arg(long, value_enum)]
    pub(crate) case: Case,

    /// Actors that send, are sent to or are started, of a case that has many. By default 8 senders of fan-in, 100,000 of
    /// spawn and skynet, 60 of fork-join, 100 of thread-ring, 120 of big.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) actors: Option<u32>,

    /// Messages of a repetition; of fan-in, fork-join and big, of each actor. By default enough for figures.
    #[arg(long)]
    pub(crate) count: Option<NonZeroU64>,

    /// Repetitions, in each of which every library has a turn; medians are shown.
    #[arg(long, default_value = "5", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) reps: u32,

    #[command(flatten)]
    pub(crate) place: Place,

    /// Write the table as JSON; - is standard output, in place of the text.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// Two actors on two cores, one message between them at a time.
    PingPong,
    /// The same on one core.
    PingPongLocal,
    /// One actor tells another on the other core, which counts.
    Counting,
    /// The same on one core.
    CountingLocal,
    /// Eight actors on two cores tell one.
    FanIn,
    /// One actor starts many on its core: time and heap of each.
    Spawn,
    /// A tree of actors, ten below each, whose leaves send their numbers up.
    Skynet,
    /// Savina: one actor deals messages out to many.
    ForkJoin,
    /// Savina: a token round a ring of actors.
    ThreadRing,
    /// Savina: many actors, each of which pings others, chosen at random.
    Big,
}

impl Actors {
    /// How many actors, and messages.
    pub(crate) fn size(&self) -> (usize, u64) {
        let (actors, count) = self.case.usual();
        let (actors, count) = if self.place.is_quick() {
            // Few actors stay as they are; of many, as of messages, a tenth.
            (if actors > 1_000 { actors / QUICKER as u32 } else { actors }, (count / QUICKER).max(1))
        } else {
            (actors, count)
        };
        (self.actors.unwrap_or(actors) as usize, self.count.map_or(count, NonZeroU64::get))
    }

    /// One repetition of a quick run.
    pub(crate) fn reps(&self) -> u32 {
        if self.place.is_quick() { 1 } else { self.reps }
    }
}

impl Case {
    /// Actors and messages; Savina's own where the case is one of Savina's.
    fn usual(self) -> (u32, u64) {
        match self {
            Self::PingPong => (2, 200_000),
            Self::PingPongLocal => (2, 1_000_000),
            Self::Counting | Self::CountingLocal => (2, 1_000_000),
            Self::FanIn => (8, 125_000),
            Self::Spawn | Self::Skynet => (100_000, 1),
            Self::ForkJoin => (60, 10_000),
            Self::ThreadRing => (100, 100_000),
            Self::Big => (120, 20_000),
        }
    }
}

/// A quick run does one part in so many.
const QUICKER: u64 = 10;
