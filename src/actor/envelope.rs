//! A message without its type: what rings and mailboxes carry.
//!
//! ```text
//!            0        8       12           16                                      56
//! envelope   | verb   | index | generation | body: the message, or a pointer to it |
//! ```
//!
//! With the mark of its [slot](crate::ring::spsc) that is one cache line. The *verb* knows the type: it was chosen where the message
//! was put in, and is the only one who takes it out. Invariant: *the body holds a value of the type that the verb was made for, until
//! it is taken*; so whoever holds an envelope has a message, and dropping one drops it.

use std::{
    fmt,
    mem::{ManuallyDrop, MaybeUninit},
    ptr::NonNull,
};

use super::{core::Core, failure::quietly, places::Place};

/// What is to be done with a body. One for each type of message and actor, in static memory.
#[allow(unnameable_types, missing_debug_implementations, reason = "in a sealed trait's signature")]
pub struct Verb {
    /// Hands the message to an actor, which is of the type the verb was made for.
    ///
    /// # Safety
    /// The body is of the verb and is not used again; it stays where it is until the core is used. The state is of the actor type
    /// the verb was made for, and nobody else uses it meanwhile.
    pub(super) deliver: unsafe fn(State, *mut Body, &mut Core),
    /// Drops the message; who waits for an answer is told, if there is somebody to tell it by.
    ///
    /// # Safety
    /// The body is of the verb and is not used again.
    pub(super) discard: unsafe fn(*mut Body, Option<&mut Core>),
    /// The name of the message's type.
    pub(super) message: fn() -> &'static str,
    pub(super) kind: Kind,
}

/// Who looks after an envelope that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An actor: it goes to its mailbox.
    Message,
    /// A question that was asked: its place is one of those.
    Reply,
    /// Likewise: there is no answer.
    Failure,
    /// The sender's credit.
    Credit,
    /// The worker itself, at once.
    Job,
}

/// See the module.
pub(super) struct Envelope {
    verb: &'static Verb,
    to: Place,
    body: Body,
}

const _: () = assert!(size_of::<Envelope>() == 56 && align_of::<Envelope>() == 8);

// SAFETY: what is in it was `Send`, as `new` asks for.
unsafe impl Send for Envelope {}

impl Envelope {
    /// # Safety
    /// The verb was made for `T`.
    #[inline(always)]
    pub(super) unsafe fn new<T: Send>(verb: &'static Verb, to: Place, message: T) -> Self {
        Self { verb, to, body: Body::new(message) }
    }

    /// As [`new`](Self::new), where it is to be: of the body no more is written than there is.
    ///
    /// # Safety
    /// The verb was made for `T`. There is room for an envelope, in which there is none.
    #[inline(always)]
    pub(super) unsafe fn write<T: Send>(at: *mut Self, verb: &'static Verb, to: Place, message: T) {
        // SAFETY: the caller's word: `at` is within memory for an envelope.
        let at_verb = unsafe { &raw mut (*at).verb };
        // SAFETY: likewise.
        let at_place = unsafe { &raw mut (*at).to };
        // SAFETY: likewise.
        let at_body = unsafe { &raw mut (*at).body };
        // SAFETY: there is room for one.
        unsafe { at_verb.write(verb) };
        // SAFETY: likewise.
        unsafe { at_place.write(to) };
        // SAFETY: likewise.
        unsafe { Body::write(at_body, message) };
    }

    /// As [`deliver`](Self::deliver), from where it is.
    ///
    /// # Safety
    /// Likewise; and there is an envelope, which is not used again and stays where it is until the core is used.
    #[inline(always)]
    pub(super) unsafe fn deliver_from(at: *mut Self, state: State, core: &mut Core) {
        // SAFETY: the caller's word.
        let verb = unsafe { (*at).verb };
        // SAFETY: likewise.
        let body = unsafe { &raw mut (*at).body };
        // SAFETY: the body is of the verb, as the module says; the rest is the caller's word.
        unsafe { (verb.deliver)(state, body, core) }
    }

    #[inline(always)]
    pub(super) fn kind(&self) -> Kind {
        self.verb.kind
    }

    #[inline(always)]
    pub(super) fn to(&self) -> Place {
        self.to
    }

    /// What gives the name of the message's type.
    #[inline(always)]
    pub(super) fn name(&self) -> fn() -> &'static str {
        self.verb.message
    }

    /// The name of the message's type.
    pub(super) fn message(&self) -> &'static str {
        self.name()()
    }

    /// Hands the message to `state`.
    ///
    /// # Safety
    /// The state is of the actor the message was put in for (which [`Place`] says), or the verb is of a kind that has none, and nobody
    /// else uses it meanwhile.
    #[inline(always)]
    pub(super) unsafe fn deliver(self, state: State, core: &mut Core) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: the body is of the verb, as the module says, and is forgotten; the rest is the caller's word.
        unsafe { (this.verb.deliver)(state, &raw mut this.body, core) }
    }

    /// Drops the message, and tells who waits for an answer.
    pub(super) fn discard(self, core: &mut Core) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: the body is of the verb, as the module says, and is forgotten.
        unsafe { (this.verb.discard)(&raw mut this.body, Some(core)) }
    }

    /// What is in it.
    ///
    /// # Safety
    /// The verb was made for `T`.
    #[inline(always)]
    pub(super) unsafe fn into_message<T>(self) -> T {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: the caller's word; the body is forgotten.
        unsafe { Body::take(&raw mut this.body) }
    }
}

impl Drop for Envelope {
    fn drop(&mut self) {
        // SAFETY: the body is of the verb, as the module says, and this is the last use of it.
        let discard = || unsafe { (self.verb.discard)(&raw mut self.body, None) };
        // Its destructor is the application's code; nobody is there whose failure it would be.
        quietly(discard);
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope").field("message", &self.message()).field("to", &self.to).finish_non_exhaustive()
    }
}

/// A value of a type that is known elsewhere: itself if it fits, otherwise in memory of its own.
#[allow(dead_code, reason = "reached by pointers of other types only")]
pub(super) struct Body([MaybeUninit<u64>; WORDS]);

const WORDS: usize = 5;

impl Body {
    /// Bytes of a message that needs no memory of its own.
    pub(super) const SIZE_MAX: usize = WORDS * size_of::<u64>();

    const fn fits<T>() -> bool {
        size_of::<T>() <= Self::SIZE_MAX && align_of::<T>() <= align_of::<u64>()
    }

    #[inline(always)]
    fn new<T>(value: T) -> Self {
        let mut body = Self([MaybeUninit::uninit(); WORDS]);
        // SAFETY: there is room for a body.
        unsafe { Self::write(&raw mut body, value) };
        body
    }

    /// # Safety
    /// There is room for a body.
    #[inline(always)]
    unsafe fn write<T>(at: *mut Self, value: T) {
        if const { Self::fits::<T>() } {
            // SAFETY: there is room for a `T`, aligned, and nothing there to be dropped.
            unsafe { at.cast::<T>().write(value) };
        } else {
            let value = Box::into_raw(Box::new(value));
            // SAFETY: there is room for a pointer.
            unsafe { at.cast::<*mut T>().write(value) };
        }
    }

    /// # Safety
    /// There is one, which was made of a `T`, and was not taken before.
    #[inline(always)]
    pub(super) unsafe fn take<T>(at: *mut Self) -> T {
        if const { Self::fits::<T>() } {
            // SAFETY: a `T` lies there, which nobody takes again.
            unsafe { at.cast::<T>().read() }
        } else {
            // SAFETY: a pointer lies there.
            let value = unsafe { at.cast::<*mut T>().read() };
            // SAFETY: it is of `Box::into_raw`, and nobody takes it again.
            *unsafe { Box::from_raw(value) }
        }
    }
}

/// An actor's state without its type: a `Box` of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct State(NonNull<()>);

impl State {
    /// Of whoever needs none.
    pub(super) const NONE: Self = Self(NonNull::dangling());

    pub(super) fn new<A>(state: A) -> Self {
        Self(NonNull::from(Box::leak(Box::new(state))).cast())
    }

    /// # Safety
    /// It is of an `A`, which is not freed before and used by nobody else while the borrow lasts.
    #[inline(always)]
    pub(super) unsafe fn borrow<'a, A>(self) -> &'a mut A {
        // SAFETY: the caller's word.
        unsafe { self.0.cast().as_mut() }
    }

    /// # Safety
    /// It is of an `A`, and is not used again.
    pub(super) unsafe fn into_box<A>(self) -> Box<A> {
        // SAFETY: it is of `Box::leak`, and the caller's word.
        unsafe { Box::from_raw(self.0.cast().as_ptr()) }
    }
}

/// Drops a message of which nobody is told.
///
/// # Safety
/// As [`Verb::discard`], for a verb that was made for `T`.
pub(super) unsafe fn drop_message<T>(body: *mut Body, _: Option<&mut Core>) {
    // SAFETY: the caller's word.
    drop(unsafe { Body::take::<T>(body) });
}

/// For verbs whose envelopes never reach an actor.
///
/// # Safety
/// None: it does nothing to what it is given.
pub(super) unsafe fn no_delivery(_: State, _: *mut Body, _: &mut Core) {
    unreachable!("it goes to no actor");
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use std::rc::Rc;

    fn there_and_back<T: PartialEq + fmt::Debug + Clone>(value: T) {
        let mut body = Body::new(value.clone());
        // SAFETY: it was made of a `T`.
        assert_eq!(unsafe { Body::take::<T>(&raw mut body) }, value);
    }

    #[test]
    fn a_body_gives_back_what_it_was_made_of() {
        there_and_back(());
        there_and_back(7_u8);
        there_and_back([1_u64, 2, 3, 4, 5]);
        there_and_back([1_u64, 2, 3, 4, 5, 6]);
        there_and_back(1_u128);
        there_and_back(String::from("in memory of its own"));
        there_and_back([0_u8; 1000]);
    }

    #[test]
    fn what_is_not_taken_is_dropped_once() {
        fn verb<T>() -> &'static Verb {
            &Verb {
                deliver: no_delivery,
                discard: drop_message::<T>,
                message: std::any::type_name::<T>,
                kind: Kind::Message,
            }
        }
        struct Counted(#[allow(dead_code, reason = "held for its drop")] Rc<()>);
        // SAFETY: it never leaves this thread.
        unsafe impl Send for Counted {}
        let count = Rc::new(());
        let to = Place { index: 0, generation: 0 };
        // SAFETY: the verbs are of what is put in.
        let small = unsafe { Envelope::new(verb::<Counted>(), to, Counted(count.clone())) };
        // SAFETY: likewise.
        let large = unsafe { Envelope::new(verb::<[Counted; 6]>(), to, [(); 6].map(|()| Counted(count.clone()))) };
        assert_eq!(Rc::strong_count(&count), 8);
        drop(small);
        assert_eq!(Rc::strong_count(&count), 7);
        // SAFETY: it was made of that.
        drop(unsafe { large.into_message::<[Counted; 6]>() });
        assert_eq!(Rc::strong_count(&count), 1);
        assert!(std::mem::needs_drop::<Envelope>());
    }
}
