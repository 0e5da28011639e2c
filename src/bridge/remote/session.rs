//! A link, to the publication: what of it waits, and what it may still send.

#![forbid(unsafe_code)]

use std::collections::VecDeque;

use super::{
    fault::Fault,
    turns::Turn,
    wire::{Packet, What},
};
use crate::{Frame, Message};

/// One link that has said hello.
///
/// A tell waits for room, then it is given to the actor, then it is done: when the actor has come to the mark behind it. Tells are done in
/// the order they came, those that were refused among them, so a number says which.
///
/// Invariants: *credited <= done*; *waiting + given <= [window](Terms::window)*; *marked <= given*;
/// *asked <= [questions](Terms::questions)*.
#[derive(Debug)]
pub(super) struct Session {
    /// No other has the same, of this publication or another.
    pub(super) number: u64,
    /// Its actor, among those published.
    pub(super) offer: usize,
    /// Something has come of it, so a hello that comes now begins another.
    pub(super) is_used: bool,
    /// Tells the actor has no room for yet, in order.
    pub(super) waiting: VecDeque<Waiting>,
    /// Its place among those that wait for room.
    pub(super) turn: Turn,
    /// A mark is to be set behind what it was given, when all that had come with it is handled.
    pub(super) is_unsettled: bool,
    /// Tells the actor was given, in order, and those that were refused.
    given: VecDeque<Given>,
    /// So many of them are before the mark in the actor's mailbox, if there is one.
    marked: Option<usize>,
    /// Tells that need no more to be waited for.
    done: u64,
    /// As far as the link was told.
    credited: u64,
    /// Questions that the actor has.
    pub(super) asked: u32,
    /// It wants to know when the actor ends.
    pub(super) is_watching: bool,
    /// What its peer had no room for, in order.
    unsent: VecDeque<Message>,
}

/// A tell.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) line: Result<usize, Fault>,
    pub(super) body: Frame,
}

#[derive(Debug)]
struct Given {
    number: u64,
    is_refused: bool,
}

/// What each link may have under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Tells.
    pub(super) window: u32,
    /// Questions.
    pub(super) questions: u32,
}

impl Session {
    pub(super) fn new(number: u64, offer: usize) -> Self {
        Self {
            number,
            offer,
            is_used: false,
            waiting: VecDeque::new(),
            turn: Turn::default(),
            is_unsettled: false,
            given: VecDeque::new(),
            marked: None,
            done: 0,
            credited: 0,
            asked: 0,
            is_watching: false,
            unsent: VecDeque::new(),
        }
    }

    /// The credit to be sent: if `enough` have gathered.
    pub(super) fn credit(&mut self, enough: u32) -> Option<Packet<'static>> {
        if self.done - self.credited < u64::from(enough.max(1)) {
            return None;
        }
        self.credited = self.done;
        Some(Packet::new(self.number, self.done, What::Credit))
    }

    /// Tells of it there are here.
    pub(super) fn count(&self) -> usize {
        self.waiting.len() + self.given.len()
    }

    /// The oldest that waits was given to the actor, or refused.
    pub(super) fn give(&mut self, is_refused: bool) {
        if let Some(Waiting { number, .. }) = self.waiting.pop_front() {
            self.given.push_back(Given { number, is_refused });
        }
    }

    /// Is there anything to set a mark behind, of which there are so many?
    pub(super) fn lacks_mark(&self, enough: usize) -> bool {
        self.marked.is_none() && self.given.len() >= enough.max(1)
    }

    pub(super) fn set_mark(&mut self) {
        self.marked = Some(self.given.len());
    }

    /// The actor has come to the mark.
    pub(super) fn reach_mark(&mut self) {
        let count = self.marked.take().unwrap_or(0);
        self.given.drain(..count);
        self.done += count as u64;
    }

    /// The actor has ended: the numbers of those of which it is not known whether they were handled.
    pub(super) fn lose_given(&mut self) -> Vec<u64> {
        self.marked = None;
        self.done += self.given.len() as u64;
        self.given.drain(..).filter(|given| !given.is_refused).map(|given| given.number).collect()
    }

    /// Puts what there was no room for behind what waits. False: it is more than there can be of a link that reads.
    pub(super) fn keep(&mut self, message: Message, terms: Terms) -> bool {
        // An answer for each question, a failure and a credit for each tell, and what there is one of.
        let most = 2 * terms.window as usize + terms.questions as usize + 8;
        self.unsent.push_back(message);
        self.unsent.len() <= most
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    pub(super) fn take_unsent(&mut self) -> Option<Message> {
        self.unsent.pop_front()
    }

    pub(super) fn return_unsent(&mut self, message: Message) {
        self.unsent.push_front(message);
    }
}
