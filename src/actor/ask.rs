//! Questions that wait for their answers.

#![forbid(unsafe_code)]

use std::{any::TypeId, cell::RefCell, fmt, marker::PhantomData};

use super::{Handle, core::Core, envelope::Envelope, message, places::Place};

/// Where an answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ReplyTo {
    /// The lane of who asked.
    pub(super) lane: u32,
    /// Among its questions.
    pub(super) place: Place,
}

/// The question that a handler has before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    pub(super) asker: ReplyTo,
    /// Its type: with the actor's that says what it is answered with.
    pub(super) message: TypeId,
}

/// A question whose answer is given later.
#[derive(Debug)]
pub(super) struct Open {
    asker: ReplyTo,
    /// Who is to answer.
    owner: Place,
}

/// Whoever is to have an `R` for an answer, later: see [`Ctx::asker`](super::Ctx::asker).
///
/// It stays with the actor that was asked. Dropped, it leaves the asker to their time-out; when the actor fails or ends they are told.
pub struct Asker<R> {
    /// The worker that has the question, of all of the process.
    pub(super) worker: u32,
    pub(super) place: Place,
    /// It is of no use on another thread.
    of: PhantomData<*const R>,
}

impl<R> Asker<R> {
    pub(super) fn new(worker: u32, place: Place) -> Self {
        Self { worker, place, of: PhantomData }
    }
}

thread_local! {
    /// Questions whose askers were dropped: of workers of this thread, which forget them when they come to it.
    static FORGOTTEN: RefCell<Vec<(u32, Place)>> = const { RefCell::new(Vec::new()) };
}

impl<R> Drop for Asker<R> {
    fn drop(&mut self) {
        // A thread that ends may have none any more, and its worker is gone.
        _ = FORGOTTEN.try_with(|forgotten| forgotten.borrow_mut().push((self.worker, self.place)));
    }
}

impl<R> fmt::Debug for Asker<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").field("worker", &self.worker).field("place", &self.place).finish_non_exhaustive()
    }
}

impl Core {
    /// The question before the handler that runs is to be answered later, if there is one, and it is an `M`.
    pub(super) fn open<M: 'static>(&mut self, owner: Place) -> Option<Place> {
        self.forget();
        let Before { asker, .. } = self.answering.take_if(|before| before.message == TypeId::of::<M>())?;
        let place =
            self.open.insert(Open { asker, owner }).expect("memory holds fewer questions than there are numbers");
        if let Some(rare) = self.rare(owner) {
            rare.open += 1;
        }
        Some(place)
    }

    /// What nobody can answer any more is open no more. Its asker waits for the time-out.
    fn forget(&mut self) {
        let me = self.shared.base + self.me;
        // On a stage there are others on this thread.
        let mut forgotten = FORGOTTEN.take();
        forgotten.retain(|&(worker, place)| {
            if worker == me {
                self.close(place);
            }
            worker != me
        });
        if !forgotten.is_empty() {
            FORGOTTEN.with_borrow_mut(|all| all.append(&mut forgotten));
        }
    }

    /// Who has asked it. `None`: it was answered, or has been told that there is no answer.
    pub(super) fn close(&mut self, place: Place) -> Option<ReplyTo> {
        let Open { asker, owner } = self.open.remove(place)?;
        if let Some(rare) = self.rare(owner) {
            rare.open -= 1;
        }
        Some(asker)
    }

    /// The actor does not answer any more.
    pub(super) fn close_all(&mut self, owner: Place, why: AskError) {
        let is_any = self.cells.at(owner).and_then(|cell| cell.rare.as_ref()).is_some_and(|rare| rare.open > 0);
        if is_any {
            let places: Vec<Place> = self.open.places().collect();
            for place in places {
                if self.open.at(place).is_some_and(|open| open.owner == owner)
                    && let Some(asker) = self.close(place)
                {
                    self.post_answer(asker, message::failure(asker.place, why));
                }
            }
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AskError {
    /// None came in time. One that comes later is dropped.
    TimedOut,
    /// The actor had ended, or ends without having come to the question.
    Gone,
    /// The actor failed at it, or before it had answered.
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

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::actor::shared::Shared;
    use std::{sync::Arc as Counted, time::Instant};

    const NOWHERE: Place = Place { index: 0, generation: 0 };

    fn open(core: &mut Core) -> Asker<()> {
        let asker = ReplyTo { lane: 0, place: NOWHERE };
        core.answering = Some(Before { asker, message: TypeId::of::<u32>() });
        let place = core.open::<u32>(NOWHERE).unwrap();
        Asker::new(core.shared.base + core.me, place)
    }

    #[test]
    fn questions_that_nobody_can_answer_any_more_take_no_memory() {
        let shared = Counted::new(Shared::new(7, 2, None, None));
        let mut cores = [0, 1].map(|me| Core::new(me, shared.clone(), Vec::new(), Instant::now()));
        let kept = cores.each_mut().map(open);
        for nth in 0..100 {
            drop(open(&mut cores[nth % 2]));
        }
        for (core, kept) in cores.iter_mut().zip(kept) {
            core.forget();
            assert_eq!(core.open.len(), 1);
            assert!(core.close(kept.place).is_some());
            // That is over, whatever becomes of it.
            drop(kept);
            core.forget();
            assert_eq!(core.open.len(), 0);
        }
        assert!(FORGOTTEN.take().is_empty());
    }
}
