//! Where processes share no memory: what [`upgrade`](super) is elsewhere, of which there is none.

#![forbid(unsafe_code)]

use std::{
    convert::Infallible,
    io::{self, IoSlice},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Session, wire::Loss};
use crate::{
    monitor::UpgradeFailure,
    pipe::{Fault, Lane},
    reactor::Reactor,
    transport::{options::StreamOptions, socket::ByteStream},
    wait::Watched,
    zmtp::{self, Answer, Offer, Successor, SuccessorAnswer},
};

/// None ever come.
#[derive(Debug, Default)]
pub(super) struct Descriptors;

impl Descriptors {
    pub(super) fn take(&mut self) -> Vec<Infallible> {
        Vec::new()
    }

    pub(super) fn are_cut(&self) -> bool {
        false
    }

    pub(super) fn forgive(&mut self) {}

    pub(super) fn refuse(&mut self) {}
}

pub(super) fn is_possible(_: &ByteStream) -> bool {
    false
}

pub(super) fn read(stream: &ByteStream, buffer: &mut [u8], _: &mut Descriptors) -> io::Result<usize> {
    stream.read(buffer)
}

/// There is none.
#[derive(Debug)]
pub(super) struct Offering(Infallible);

/// There is none.
#[derive(Debug)]
pub(super) struct Agreed(Infallible);

/// There is none.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) lane: Arc<Lane>,
    pub(super) mourning: Option<(Loss, Instant)>,
    never: Infallible,
}

impl Offering {
    pub(super) fn make(_: &StreamOptions, _: u32, _: bool) -> (Self, Offer) {
        unreachable!("nobody announces that it shares memory")
    }

    pub(super) fn send(&mut self, _: &ByteStream, _: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(super) fn consider(&mut self, _: &Offer, _: Vec<Infallible>, _: bool) -> Answer {
        match self.0 {}
    }

    pub(super) fn answered(&mut self, _: Answer) {
        match self.0 {}
    }

    pub(super) fn conclude(self, _: &ByteStream) -> Result<Agreed, UpgradeFailure> {
        match self.0 {}
    }
}

impl Shared {
    pub(super) fn begin(agreed: Agreed, _: &Arc<Session>, _: u64, _: bool) -> io::Result<Self> {
        match agreed.0 {}
    }

    pub(super) fn ring_size(&self) -> usize {
        match self.never {}
    }

    pub(super) fn tend(&mut self, _: &mut zmtp::Connection) -> Option<u64> {
        match self.never {}
    }

    pub(super) fn send(&mut self, _: &ByteStream, _: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.never {}
    }

    pub(super) fn answered(&mut self, _: SuccessorAnswer) -> Option<usize> {
        match self.never {}
    }

    pub(super) fn consider(&mut self, _: Successor, _: Vec<Infallible>, _: bool) -> Result<Answer, Fault> {
        match self.never {}
    }

    pub(super) fn drain(&self) -> Option<bool> {
        match self.never {}
    }

    pub(super) fn doorbell(&self) -> Watched {
        match self.never {}
    }

    pub(super) fn lend(&mut self, _: &Reactor) {
        match self.never {}
    }

    pub(super) fn take_back(&mut self, _: &Reactor) -> bool {
        match self.never {}
    }

    pub(super) fn is_peer_gone(&self) -> bool {
        match self.never {}
    }

    pub(super) fn close(&mut self, _: &Reactor) {
        match self.never {}
    }
}

/// Of nobody.
pub(super) const MOURNING: Duration = Duration::ZERO;
