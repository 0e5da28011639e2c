//! Where processes share no memory: what [`shared`](super) is elsewhere, of which there is none.

#![forbid(unsafe_code)]

use std::{collections::VecDeque, convert::Infallible, sync::Arc as Counted};

use super::{Fold, Refusal, Way, local};
use crate::{Message, monitor::Traffic};

/// There is none.
#[derive(Debug)]
pub(crate) struct Lane(Infallible);

/// There is none.
#[derive(Debug)]
pub(crate) struct Outlet(Infallible);

/// There is none.
#[derive(Debug)]
pub(crate) struct Inlet(Infallible);

/// There is none.
#[derive(Debug)]
pub(crate) struct Loaned(Infallible);

/// Of nobody's segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    OutOfMemory,
    TooLong,
}

/// For no ring.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) message: Message,
    pub(crate) is_of_pipe: bool,
}

/// Of no lane.
#[derive(Debug)]
pub(crate) struct Leftover {
    pub(crate) messages: VecDeque<Message>,
    pub(crate) direct: u64,
    pub(crate) lost: u64,
}

impl Lane {
    pub(crate) fn close_unread(&self) {
        match self.0 {}
    }

    pub(crate) fn load(&self, _: impl FnMut() -> Option<Load>) -> bool {
        match self.0 {}
    }

    pub(crate) fn is_loading(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        match self.0 {}
    }

    pub(crate) fn retire(&self, _: bool) -> Leftover {
        match self.0 {}
    }

    pub(crate) fn settle(&self, _: u64) {
        match self.0 {}
    }

    pub(crate) fn close_queue(&self) {
        match self.0 {}
    }

    pub(crate) fn set_recv_hwm(&self, _: u32) {
        match self.0 {}
    }

    pub(crate) fn traffic(&self) -> (Traffic, Traffic) {
        match self.0 {}
    }
}

impl Outlet {
    pub(crate) fn new(_: local::Outlet, lane: Counted<Lane>) -> Self {
        match lane.0 {}
    }

    pub(crate) fn change(&mut self, _: Counted<Lane>) {
        match self.0 {}
    }

    pub(crate) fn admits(&mut self, _: &Way, _: u64) -> Result<(), Refusal> {
        match self.0 {}
    }

    pub(crate) fn push_folded(&mut self, _: &Way, _: &mut Message, _: Fold, _: bool) -> Result<(), Refusal> {
        match self.0 {}
    }

    pub(crate) fn push_copy(&mut self, _: &Way, _: &Message, _: bool) -> Result<(), Refusal> {
        match self.0 {}
    }

    pub(crate) fn loan(&mut self, _: &Way, _: usize, _: bool) -> Option<Loaned> {
        match self.0 {}
    }

    pub(crate) fn push_loan(&mut self, _: &Way, _: Loaned, _: Fold, _: bool) -> Result<(), (Refusal, Message)> {
        match self.0 {}
    }

    pub(crate) fn end_forgotten(&mut self) {
        match self.0 {}
    }

    pub(crate) fn tell(&mut self) -> bool {
        match self.0 {}
    }

    pub(crate) fn want_room(&self) {
        match self.0 {}
    }

    pub(crate) fn settle(&mut self) {
        match self.0 {}
    }

    pub(crate) fn untaken(&mut self) -> u64 {
        match self.0 {}
    }
}

impl Loaned {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self.0 {}
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        match self.0 {}
    }

    pub(crate) fn truncate(&mut self, _: usize) {
        match self.0 {}
    }

    pub(crate) fn into_message(self) -> Option<Message> {
        match self.0 {}
    }
}

impl Inlet {
    /// Of a queue without lanes, as there is none.
    pub(crate) fn new(_: local::Inlet) -> Self {
        unreachable!("there is no lane")
    }

    pub(crate) fn add(&mut self, _: Counted<Lane>, _: u64) {
        match self.0 {}
    }

    pub(crate) fn has_lane(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn ready(&mut self) -> bool {
        match self.0 {}
    }

    pub(crate) fn pop_into(&mut self, _: &mut Message) -> bool {
        match self.0 {}
    }

    pub(crate) fn pop_folded_into(&mut self, _: &mut Message) -> Option<Fold> {
        match self.0 {}
    }

    pub(crate) fn publish(&mut self) -> bool {
        match self.0 {}
    }

    pub(crate) fn announce(&mut self) -> bool {
        match self.0 {}
    }

    pub(crate) fn announce_anew(&mut self) -> bool {
        match self.0 {}
    }

    pub(crate) fn settle(&mut self) {
        match self.0 {}
    }

    pub(crate) fn trim(&mut self) {
        match self.0 {}
    }

    pub(crate) fn drain(&mut self) -> u64 {
        match self.0 {}
    }
}
