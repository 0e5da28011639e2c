//! What an actor is to be started with, and what is to become of it when it fails.

#![forbid(unsafe_code)]

use std::{fmt, time::Duration};

use super::{Actor, credit::CAPACITY_MAX, supervision::DEFAULT_OUTBOX};

/// How an actor is to be started: from what, with how much room, and what is done when it fails.
///
/// By default 64 messages of each sender may wait, and an actor that fails is stopped.
pub struct Spec<A: Actor> {
    pub(super) args: A::Args,
    pub(super) capacity: u32,
    pub(super) outbox: u32,
    pub(super) remedy: Remedy,
    pub(super) group: Group,
    /// How to have the arguments again: if it is ever started again.
    pub(super) copy: Option<CopyArgs<A>>,
}

type CopyArgs<A> = fn(&<A as Actor>::Args) -> <A as Actor>::Args;

impl<A: Actor> Spec<A> {
    /// From `args`.
    pub fn new(args: A::Args) -> Self {
        Self {
            args,
            capacity: CAPACITY,
            outbox: DEFAULT_OUTBOX,
            remedy: Remedy::Stop,
            group: Group { strategy: Strategy::OneForOne, intensity: Intensity::default() },
            copy: None,
        }
    }

    /// How many messages of each worker and each client may be on their way to it or wait there: at least 1, at most 2^30.
    pub fn capacity(mut self, messages: u32) -> Self {
        self.capacity = messages.clamp(1, CAPACITY_MAX);
        self
    }

    /// How many messages it may have deferred: see [`Policy::Defer`](super::Policy::Defer).
    pub fn outbox(mut self, messages: u32) -> Self {
        self.outbox = messages;
        self
    }

    /// If it fails it is started again, from a clone of its arguments, as often as `restarts` allows; then its failure is its
    /// supervisor's. Its mailbox stays as it is, without the message it failed at.
    pub fn restarts(mut self, restarts: Restarts) -> Self
    where
        A::Args: Clone,
    {
        self.remedy = Remedy::Restart(restarts);
        self.copy = Some(A::Args::clone);
        self
    }

    /// If it fails its supervisor fails, too, and decides; it is stopped.
    pub fn escalates(mut self) -> Self {
        self.remedy = Remedy::Escalate;
        self
    }

    /// Which of the actors that it supervises are started again when one of them is, and how often: an actor of a group does not go by
    /// the intensity of its own [`Restarts`].
    ///
    /// Those that are started again with another need to be restartable themselves; others are stopped.
    pub fn supervises(mut self, strategy: Strategy, intensity: Intensity) -> Self {
        self.group = Group { strategy, intensity };
        self
    }
}

impl<A: Actor> fmt::Debug for Spec<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec")
            .field("capacity", &self.capacity)
            .field("outbox", &self.outbox)
            .field("remedy", &self.remedy)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

/// What is done about an actor that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    Stop,
    Restart(Restarts),
    Escalate,
}

/// How an actor that fails is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restarts {
    /// How often.
    pub intensity: Intensity,
    /// How long it is paused before.
    pub back_off: BackOff,
}

impl Default for Restarts {
    /// Three times in five seconds, the first time at once.
    fn default() -> Self {
        Self { intensity: Intensity::default(), back_off: BackOff::default() }
    }
}

/// How many restarts there may be in how long a time. One more is too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    /// So many.
    pub restarts: u32,
    /// In any time of this length.
    pub within: Duration,
}

impl Default for Intensity {
    /// Three in five seconds.
    fn default() -> Self {
        Self { restarts: 3, within: Duration::from_secs(5) }
    }
}

/// How long an actor is paused before it is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// The first time within the time of the [`Intensity`]; each time after that twice as long as before.
    pub first: Duration,
    /// But no longer than this.
    pub max: Duration,
}

impl Default for BackOff {
    /// Not at all.
    fn default() -> Self {
        Self { first: Duration::ZERO, max: Duration::ZERO }
    }
}

/// Which of the actors that somebody supervises are started again when one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "Erlang's three, complete for decades")]
pub enum Strategy {
    /// That one.
    OneForOne,
    /// All.
    OneForAll,
    /// That one and those that were started after it.
    RestForOne,
}

/// What a supervisor does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) strategy: Strategy,
    pub(super) intensity: Intensity,
}

const CAPACITY: u32 = 64;
