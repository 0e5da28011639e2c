//! An actor, to its worker.
//!
//! | status | runs | next |
//! |---|---|---|
//! | `Starting` | in `start` | `Idle` or `Ready`; or it never was |
//! | `Idle` | has no messages | `Ready` with the first |
//! | `Ready` | is in `ready`, once | `Idle`, `Paused`, `Stopping` |
//! | `Paused` | has failed, and what becomes of it is not decided, or not due | `Idle` or `Ready`, with another state; `Stopping` |
//! | `Stopping` | its children are to end first | – |

#![forbid(unsafe_code)]

use std::{collections::VecDeque, mem};

use super::{address::ActorId, envelope::State, mailbox::Mailbox, message::Species, places::Place, supervision::Rare};

/// An actor, to its worker.
#[derive(Debug)]
pub(super) struct Cell {
    /// `None` while it starts, and after it has failed.
    pub(super) state: Option<State>,
    pub(super) species: &'static Species,
    pub(super) mailbox: Mailbox,
    /// What is not to wait behind the rest: see [`Core::hurry`].
    pub(super) urgent: Mailbox,
    pub(super) status: Status,
    /// It takes nothing of its mailbox for now.
    pub(super) is_held: bool,
    /// It is to stop when it comes to that in its mailbox.
    pub(super) is_to_stop: bool,
    /// And has been told so, as it holds that.
    pub(super) was_asked: bool,
    /// It is among those who are ready, once.
    pub(super) is_queued: bool,
    /// Its code runs: what ends it waits until that has returned.
    pub(super) is_busy: bool,
    pub(super) capacity: u32,
    /// Messages of actors of this worker that wait.
    pub(super) local: u32,
    /// Who supervises it, and its rank among their children.
    pub(super) parent: Option<ActorId>,
    pub(super) rank: u64,
    /// What most have not got.
    pub(super) rare: Option<Box<Rare>>,
}

impl Cell {
    /// Is its next message, which is its `nth` of this turn, an urgent one?
    #[inline(always)]
    pub(super) fn is_urgent(&self, nth: u32) -> bool {
        !self.urgent.is_empty() && (self.is_held || self.mailbox.is_empty() || nth % URGENT_RUN != URGENT_RUN - 1)
    }

    /// The list of those.
    #[inline(always)]
    pub(super) fn list(&mut self, is_urgent: bool) -> &mut Mailbox {
        if is_urgent { &mut self.urgent } else { &mut self.mailbox }
    }

    /// It is to have a turn, if it waited for mail. It may be queued still, from before it was paused.
    #[inline(always)]
    pub(super) fn get_ready(&mut self, ready: &mut VecDeque<Place>, place: Place) {
        if self.status == Status::Idle {
            self.status = Status::Ready;
            if !mem::replace(&mut self.is_queued, true) {
                ready.push_back(place);
            }
        }
    }

    /// Has it something that it would handle?
    #[inline(always)]
    pub(super) fn has_mail(&self) -> bool {
        !self.urgent.is_empty() || !(self.is_held || self.mailbox.is_empty())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Starting,
    Idle,
    Ready,
    Paused,
    Stopping,
}

/// Of so many messages one at least is of those that are not urgent, if there is one.
const URGENT_RUN: u32 = 8;
