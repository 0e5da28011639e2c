//! The verbs there are: how a message of each kind meets the actor it is for.

use std::{
    any::{TypeId, type_name},
    marker::PhantomData,
};

use super::{
    Actor, Ctx, Handle,
    ask::{AskError, Before, ReplyTo},
    core::{Core, Route},
    credit::Returned,
    envelope::{Body, Envelope, Kind, State, Verb, drop_message, no_delivery},
    places::Place,
};
use crate::sync::planted;

/// Tells an `A` an `M`.
pub(super) fn tell<A: Handle<M>, M: Send + 'static>() -> &'static Verb {
    struct Of<A, M>(PhantomData<(A, M)>);
    impl<A: Handle<M>, M: Send + 'static> Of<A, M> {
        const VERB: Verb =
            Verb { deliver: Self::deliver, discard: drop_message::<M>, message: type_name::<M>, kind: Kind::Message };

        /// # Safety
        /// As [`Verb::deliver`].
        unsafe fn deliver(state: State, body: *mut Body, core: &mut Core) {
            // SAFETY: as `Verb::deliver` asks for.
            let message = unsafe { Body::take::<M>(body) };
            // SAFETY: likewise.
            let actor = unsafe { state.borrow::<A>() };
            actor.on(message, &mut Ctx::new(core));
        }
    }
    &Of::<A, M>::VERB
}

/// An `M` for an `A`, to be handed to it wherever it is.
pub(super) fn envelope<A: Handle<M>, M: Send + 'static>(to: Place, message: M) -> Envelope {
    // SAFETY: the verb is made for it.
    unsafe { Envelope::new(tell::<A, M>(), to, message) }
}

/// Likewise, by the verb of an address, which was made for such messages.
#[inline(always)]
pub(super) fn of_verb<M: Send + 'static>(verb: &'static Verb, to: Place, message: M) -> Envelope {
    // SAFETY: a `To<M>` has a verb for `M`: there is no other way to come by one.
    unsafe { Envelope::new(verb, to, message) }
}

/// Sends it where it was admitted to, as [`of_verb`] makes it.
#[inline(always)]
pub(super) fn post<M: Send + 'static>(core: &mut Core, route: Route, verb: &'static Verb, to: Place, message: M) {
    // SAFETY: as in `of_verb`.
    unsafe { core.post_new(route, verb, to, message) }
}

/// A question and who asked it.
pub(super) struct Question<M> {
    pub(super) message: M,
    pub(super) asker: ReplyTo,
}

/// Asks an `A` an `M`.
fn ask<A: Handle<M>, M: Send + 'static>() -> &'static Verb {
    struct Of<A, M>(PhantomData<(A, M)>);
    impl<A: Handle<M>, M: Send + 'static> Of<A, M> {
        const VERB: Verb =
            Verb { deliver: Self::deliver, discard: Self::discard, message: type_name::<M>, kind: Kind::Message };

        /// # Safety
        /// As [`Verb::deliver`].
        unsafe fn deliver(state: State, body: *mut Body, core: &mut Core) {
            // SAFETY: as `Verb::deliver` asks for.
            let question = unsafe { Body::take::<Question<M>>(body) };
            // SAFETY: likewise.
            let actor = unsafe { state.borrow::<A>() };
            // If it panics, whoever catches that answers.
            core.answering = Some(Before { asker: question.asker, message: TypeId::of::<M>() });
            let answer = actor.on(question.message, &mut Ctx::new(core));
            if let Some(Before { asker, .. }) = core.answering.take() {
                // It is what was asked for: `Handle` has one type of answer for `A` and `M`.
                core.post_answer(asker, self::answer(asker.place, answer));
            }
        }

        /// # Safety
        /// As [`Verb::discard`].
        unsafe fn discard(body: *mut Body, core: Option<&mut Core>) {
            // SAFETY: as `Verb::discard` asks for.
            let Question { asker, .. } = unsafe { Body::take::<Question<M>>(body) };
            if let Some(core) = core
                && !planted("actor-question-lost-silently")
            {
                core.post_answer(asker, failure(asker.place, AskError::Gone));
            }
        }
    }
    &Of::<A, M>::VERB
}

/// A question for a `B`.
pub(super) fn question<B: Handle<M>, M: Send + 'static>(to: Place, question: Question<M>) -> Envelope {
    // SAFETY: the verb is made for it.
    unsafe { Envelope::new(ask::<B, M>(), to, question) }
}

/// What a question is answered with.
pub(super) fn answer<R: Send + 'static>(to: Place, answer: R) -> Envelope {
    // SAFETY: the verb is made for it.
    unsafe { Envelope::new(reply::<R>(), to, answer) }
}

/// An answer of type `R`.
fn reply<R: Send + 'static>() -> &'static Verb {
    &Verb { deliver: no_delivery, discard: drop_message::<R>, message: type_name::<R>, kind: Kind::Reply }
}

/// There is no answer.
pub(super) fn failure(to: Place, error: AskError) -> Envelope {
    static VERB: Verb = Verb {
        deliver: no_delivery,
        discard: drop_message::<AskError>,
        message: type_name::<AskError>,
        kind: Kind::Failure,
    };
    // SAFETY: the verb is made for it.
    unsafe { Envelope::new(&VERB, to, error) }
}

/// What was to be said of what has become of a question.
pub(super) fn into_answer<R: 'static>(envelope: Envelope) -> Result<R, AskError> {
    if envelope.kind() == Kind::Failure {
        // SAFETY: of that kind there is one verb.
        return Err(unsafe { envelope.into_message() });
    }
    // SAFETY: a place among questions is of one type of answer, which the caller has from where it was asked.
    Ok(unsafe { envelope.into_message() })
}

/// Answers when the actor comes to this, whatever it handles: it has handled all that its sender had sent before.
#[cfg(feature = "remote")]
pub(super) fn mark(to: Place, asker: ReplyTo) -> Envelope {
    /// # Safety
    /// As [`Verb::deliver`].
    unsafe fn deliver(_: State, body: *mut Body, core: &mut Core) {
        // SAFETY: as `Verb::deliver` asks for.
        let asker = unsafe { Body::take::<ReplyTo>(body) };
        core.post_answer(asker, answer(asker.place, ()));
    }
    /// # Safety
    /// As [`Verb::discard`].
    unsafe fn discard(body: *mut Body, core: Option<&mut Core>) {
        // SAFETY: as `Verb::discard` asks for.
        let asker = unsafe { Body::take::<ReplyTo>(body) };
        if let Some(core) = core {
            core.post_answer(asker, failure(asker.place, AskError::Gone));
        }
    }
    static VERB: Verb = Verb { deliver, discard, message: || "a mark", kind: Kind::Message };
    // SAFETY: the verb is made for it.
    unsafe { Envelope::new(&VERB, to, asker) }
}

/// Tells an actor of that species, which holds its mail, that it is to stop.
pub(super) fn stop_wanted(to: Place, species: &'static Species) -> Envelope {
    /// # Safety
    /// As [`Verb::deliver`].
    unsafe fn deliver(state: State, body: *mut Body, core: &mut Core) {
        // SAFETY: as `Verb::deliver` asks for.
        let species = unsafe { Body::take::<&'static Species>(body) };
        if core.is_to_be_asked() {
            // SAFETY: likewise, and it was put in for an actor of the species.
            unsafe { (species.asked_to_stop)(state, core) };
        }
    }
    static VERB: Verb = Verb {
        deliver,
        discard: drop_message::<&'static Species>,
        message: || "a wish that it stops",
        kind: Kind::Job,
    };
    // SAFETY: the verb is made for it.
    unsafe { Envelope::new(&VERB, to, species) }
}

/// Ends the actor when it comes to this.
pub(super) fn stop(to: Place) -> Envelope {
    /// # Safety
    /// As [`Verb::deliver`].
    unsafe fn deliver(_: State, _: *mut Body, core: &mut Core) {
        core.stop_current();
    }
    static VERB: Verb =
        Verb { deliver, discard: drop_message::<()>, message: || "a request to stop", kind: Kind::Message };
    // SAFETY: the verb is made for it.
    unsafe { Envelope::new(&VERB, to, ()) }
}

/// What a worker does for another: rare things, in the order they were asked for, among the messages of that way.
pub(super) type Job = Box<dyn FnOnce(&mut Core) + Send>;

pub(super) fn job(job: impl FnOnce(&mut Core) + Send + 'static) -> Envelope {
    /// # Safety
    /// As [`Verb::deliver`].
    unsafe fn deliver(_: State, body: *mut Body, core: &mut Core) {
        // SAFETY: as `Verb::deliver` asks for.
        let job = unsafe { Body::take::<Job>(body) };
        job(core);
    }
    static VERB: Verb = Verb { deliver, discard: drop_message::<Job>, message: || "a job", kind: Kind::Job };
    let job: Job = Box::new(job);
    // SAFETY: the verb is made for it.
    unsafe { Envelope::new(&VERB, NOWHERE, job) }
}

/// Does the job that is in it.
pub(super) fn do_job(envelope: Envelope, core: &mut Core) {
    debug_assert_eq!(envelope.kind(), Kind::Job);
    // SAFETY: a job needs no state.
    unsafe { envelope.deliver(State::NONE, core) }
}

/// Credit.
pub(super) fn credit(returned: Returned) -> Envelope {
    static VERB: Verb =
        Verb { deliver: no_delivery, discard: drop_message::<u32>, message: || "credit", kind: Kind::Credit };
    // SAFETY: the verb is made for it.
    unsafe { Envelope::new(&VERB, returned.place, returned.count) }
}

pub(super) fn into_credit(envelope: Envelope) -> Returned {
    let place = envelope.to();
    debug_assert_eq!(envelope.kind(), Kind::Credit);
    // SAFETY: of that kind there is one verb.
    Returned { place, count: unsafe { envelope.into_message() } }
}

/// Of what is for no actor.
const NOWHERE: Place = Place { index: u32::MAX, generation: 0 };

/// An actor's type, to those who have its state without it.
#[derive(Debug)]
pub(super) struct Species {
    /// # Safety
    /// The state is of this type and is not used again.
    pub(super) drop: unsafe fn(State),
    /// # Safety
    /// The state is of this type, and nobody else uses it meanwhile.
    pub(super) stopping: unsafe fn(State, &mut Core),
    /// # Safety
    /// Likewise.
    pub(super) asked_to_stop: unsafe fn(State, &mut Core),
}

pub(super) fn species<A: Actor>() -> &'static Species {
    struct Of<A>(PhantomData<A>);
    impl<A: Actor> Of<A> {
        const SPECIES: Species =
            Species { drop: Self::drop, stopping: Self::stopping, asked_to_stop: Self::asked_to_stop };

        /// # Safety
        /// As [`Species::drop`].
        unsafe fn drop(state: State) {
            // SAFETY: as `Species::drop` asks for.
            drop(unsafe { state.into_box::<A>() });
        }

        /// # Safety
        /// As [`Species::stopping`].
        unsafe fn stopping(state: State, core: &mut Core) {
            // SAFETY: as `Species::stopping` asks for.
            unsafe { state.borrow::<A>() }.stopping(&mut Ctx::new(core));
        }

        /// # Safety
        /// As [`Species::asked_to_stop`].
        unsafe fn asked_to_stop(state: State, core: &mut Core) {
            // SAFETY: as `Species::asked_to_stop` asks for.
            unsafe { state.borrow::<A>() }.asked_to_stop(&mut Ctx::new(core));
        }
    }
    &Of::<A>::SPECIES
}
