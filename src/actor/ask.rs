//! Questions that wait for their answers.

#![forbid(unsafe_code)]

use std::fmt;

use super::{Handle, envelope::Envelope, message, places::Place};

/// Where an answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReplyTo {
    /// The lane of who asked.
    pub(super) lane: u32,
    /// Among its questions.
    pub(super) place: Place,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AskError {
    /// None came in time. One that comes later is dropped.
    TimedOut,
    /// The actor had ended, or ends without having come to the question.
    Gone,
    /// The actor failed at it.
    Failed,
    /// The runtime shuts down.
    ShutDown,
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "no answer came in time",
            Self::Gone => "the actor had ended before it came to the question",
            Self::Failed => "the actor failed at the question",
            Self::ShutDown => "the runtime shuts down",
        })
    }
}

impl std::error::Error for AskError {}

/// An actor's question: who asked it, and how what became of it is put to them.
pub(super) struct Asked {
    pub(super) asker: Place,
    then: Box<dyn Then>,
}

impl Asked {
    /// By an `A`, whose message for an answer `then` makes. Nothing is allocated for a `then` that captures nothing.
    pub(super) fn new<A, N, R>(asker: Place, then: impl FnOnce(Result<R, AskError>) -> N + 'static) -> Self
    where
        A: Handle<N>,
        N: Send + 'static,
        R: 'static,
    {
        let then = move |answer: Result<Envelope, AskError>, asker| {
            message::envelope::<A, N>(asker, then(answer.and_then(message::into_answer::<R>)))
        };
        Self { asker, then: Box::new(then) }
    }

    /// What the asker is told.
    pub(super) fn answered(self, answer: Result<Envelope, AskError>) -> Envelope {
        self.then.call(answer, self.asker)
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("asker", &self.asker).finish_non_exhaustive()
    }
}

trait Then {
    fn call(self: Box<Self>, answer: Result<Envelope, AskError>, asker: Place) -> Envelope;
}

impl<F: FnOnce(Result<Envelope, AskError>, Place) -> Envelope> Then for F {
    fn call(self: Box<Self>, answer: Result<Envelope, AskError>, asker: Place) -> Envelope {
        self(answer, asker)
    }
}
