//! The seam between the cases and the libraries: what an actor of a case is, and what it may do in any of them.
//!
//! A case is written once, as [`Role`]s. A library makes an actor of its own kind of each, compiled for it: between a
//! message and its role there is what the library does, and nothing of ours.

#![forbid(unsafe_code)]

use std::{sync::mpsc, time::Duration};

use ringway::wait::WaitPolicy;

use crate::{failure::Failure, pins::Pins};

/// What an actor does, whatever the library.
pub(super) trait Role<L: Library>: Send + Unpin + Sized + 'static {
    type Message: Send + 'static;

    /// The actor has started, and has heard nothing yet.
    fn started(&mut self, _scene: &mut impl Scene<L, Self>) {}

    /// Handles one message.
    fn hear(&mut self, message: Self::Message, scene: &mut impl Scene<L, Self>);
}

/// What an actor may do while it starts or handles a message.
pub(super) trait Scene<L: Library, R: Role<L>> {
    /// Its own address.
    fn me(&mut self) -> L::Address<R>;

    /// Sends a message, if there is room for it: gives it back otherwise. Where mailboxes have no bound there always is.
    fn try_tell<T: Role<L>>(&mut self, to: &L::Address<T>, message: T::Message) -> Result<(), T::Message>;

    /// Starts an actor where this one is. It lives as long as its address is kept, at the least.
    fn spawn<T: Role<L>>(&mut self, role: T) -> L::Address<T>;

    /// Sends itself a message that it handles after others of its thread have had their turns: where a queue of its own is
    /// emptied before that, by a way round it.
    fn go_on(&mut self, message: R::Message) {
        let me = self.me();
        self.tell(&me, message);
    }

    /// Ends this actor; where that is said of a handler only, a start is ended by there being no address.
    fn stop(&mut self);

    /// Sends a message that there is room for, as the case never has more under way.
    ///
    /// # Panics
    /// There is none.
    #[inline]
    fn tell<T: Role<L>>(&mut self, to: &L::Address<T>, message: T::Message) {
        assert!(self.try_tell(to, message).is_ok(), "{}: a case is within the bounds of its mailboxes", L::NAME);
    }
}

/// A library with actors.
pub(super) trait Library: Sized + 'static {
    const NAME: &'static str;

    /// Where messages for an actor go.
    type Address<R: Role<Self>>: Clone + Send + Sync + Unpin + 'static;

    /// Its threads, seen from outside. Dropping it ends them.
    type Stage;

    /// Starts its threads.
    fn open(setting: &Setting) -> Result<Self::Stage, Failure>;

    /// Starts an actor on that core, where the library leaves the choice.
    fn spawn<R: Role<Self>>(stage: &mut Self::Stage, core: Core, role: R) -> Result<Self::Address<R>, Failure>;

    /// Sends a message from outside.
    fn tell<R: Role<Self>>(stage: &mut Self::Stage, to: &Self::Address<R>, message: R::Message) -> Result<(), Failure>;
}

/// How a library's threads are to be.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) cores: Cores,
    pub(super) pins: Pins,
    /// How they wait, of Ringway: the others have one way.
    pub(super) wait: WaitPolicy,
}

/// How many threads work for the actors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cores {
    One,
    Both,
}

/// Which of the two. With [`Cores::One`] they are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Core {
    First,
    Last,
}

impl Setting {
    /// The CPU of each thread.
    pub(super) fn cpus(&self) -> Vec<Option<usize>> {
        match self.cores {
            Cores::One => vec![self.pins.first()],
            Cores::Both => vec![self.pins.first(), self.pins.last()],
        }
    }
}

impl Core {
    /// Actor `n` of so many is on the first if it is in the first half.
    pub(super) fn half(n: usize, of: usize) -> Self {
        if n < of.div_ceil(2) { Self::First } else { Self::Last }
    }

    /// Its place among `len` threads.
    pub(super) fn index(self, len: usize) -> usize {
        match self {
            Self::First => 0,
            Self::Last => len - 1,
        }
    }
}

/// What an actor of a case says when it is over.
#[derive(Clone, Debug)]
pub(super) struct Finish(mpsc::Sender<Result<Took, String>>);

/// How long a case took, by the clock of the actor that saw its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Took {
    pub(super) time: Duration,
    /// Heap that is in use for it, if that was counted.
    pub(super) heap_bytes: Option<i64>,
}

impl Finish {
    /// And what hears it.
    pub(super) fn new() -> (Self, mpsc::Receiver<Result<Took, String>>) {
        let (sender, receiver) = mpsc::channel();
        (Self(sender), receiver)
    }

    /// The end, unless something is not what it has to be.
    pub(super) fn say(&self, took: Took, wrong: Option<String>) {
        // Nobody listens any more after a failure elsewhere.
        let _ = self.0.send(wrong.map_or(Ok(took), Err));
    }

    /// The end, if a number is what it has to be.
    pub(super) fn expect(&self, time: Duration, what: &str, seen: u64, due: u64) {
        let wrong = (seen != due).then(|| format!("{what}: {seen} instead of {due}"));
        self.say(Took { time, heap_bytes: None }, wrong);
    }
}

/// Messages that follow each other without an answer, sent some at a time so that others have their turns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    next: u64,
    count: u64,
}

impl Flow {
    pub(super) fn new(count: u64) -> Self {
        Self { next: 0, count }
    }

    /// Sends the next few, up to the first that there is no room for. Is that all?
    #[inline]
    pub(super) fn send_few(&mut self, mut try_send: impl FnMut(u64) -> bool) -> bool {
        let end = self.count.min(self.next + STRETCH);
        while self.next < end && try_send(self.next) {
            self.next += 1;
        }
        self.next == self.count
    }
}

/// Messages a turn: the sender's message to itself between two turns costs little beside so many, and they stay in the
/// first cache.
const STRETCH: u64 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_sends_each_once_whatever_the_room() {
        let (mut flow, mut sent, mut room) = (Flow::new(1_000), Vec::new(), 0);
        while !flow.send_few(|n| {
            room += 1;
            let goes = room % 7 != 0;
            if goes {
                sent.push(n);
            }
            goes
        }) {}
        assert_eq!(sent, (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn halves_are_of_both_cores() {
        let cores: Vec<Core> = (0..5).map(|n| Core::half(n, 5)).collect();
        assert_eq!(cores, [Core::First, Core::First, Core::First, Core::Last, Core::Last]);
        assert_eq!((Core::Last.index(1), Core::Last.index(2)), (0, 1));
    }

    #[test]
    fn a_wrong_number_is_no_result() {
        let (finish, heard) = Finish::new();
        finish.expect(Duration::ZERO, "total", 2, 3);
        assert_eq!(heard.recv().unwrap(), Err("total: 2 instead of 3".to_owned()));
    }
}
