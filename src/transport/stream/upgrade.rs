//! From a stream to shared memory: what is offered, what is made of the peer's offer, and what there is once both have agreed.
//!
//! | step | can fail for | then |
//! |---|---|---|
//! | make a segment, a doorbell | want of memory or descriptors | nothing is offered, and the peer's declined |
//! | the peer's offer comes | its descriptors do not, it is of another version | it is declined |
//! | map it, look at its header | the system, what is in it | it is declined |
//! | the peer answers | whatever it says | |
//!
//! Later on either may announce a segment in place of its last, which is sent, looked at and answered the same way; declined, the last
//! stays.
//!
//! Messages go by shared memory if both have accepted, and over the stream, as ZMTP, otherwise. The stream stays in any case.

#![forbid(unsafe_code)]

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use mio::Interest;

use super::{
    Session,
    session::{DEAD, RUNG},
    terms,
    wire::Loss,
};
pub(super) use crate::transport::fdpass::Descriptors;
use crate::{
    monitor::{UpgradeFailure, UpgradeObstacle},
    phase,
    pipe::{Chores, Fault, Knock, Lane, LaneParts},
    reactor::{Id, Reactor, Readiness, Source},
    shm::{Foreign, Layout, LayoutError, Region, RegionError, header},
    system::lacks_descriptors,
    transport::{
        fdpass::{self, Doorbell, Knocker, Liveness},
        options::StreamOptions,
        socket::ByteStream,
    },
    wait::Watched,
    zmtp::{self, Answer, GROWS, Obstacle, Offer, Successor, SuccessorAnswer},
};

/// Can what is sent over `stream` be descriptors?
pub(super) fn is_possible(stream: &ByteStream) -> bool {
    matches!(stream, ByteStream::Ipc(_))
}

/// As [`ByteStream::read`], of one whose peer may send descriptors.
pub(super) fn read(stream: &ByteStream, buffer: &mut [u8], descriptors: &mut Descriptors) -> io::Result<usize> {
    if is_possible(stream) { fdpass::recv(stream, buffer, descriptors) } else { stream.read(buffer) }
}

/// What we have offered, and what has come of it so far.
#[derive(Debug)]
pub(super) struct Offering {
    ours: Result<Ours, Obstacle>,
    theirs: Option<Result<Theirs, Obstacle>>,
    answer: Option<Answer>,
    /// Bytes that may be shared with the peer.
    memory_max: u64,
}

#[derive(Debug)]
struct Ours {
    region: Region,
    layout: Layout,
    doorbell: Doorbell,
    /// Until the peer has it.
    knocker: Option<Knocker>,
}

#[derive(Debug)]
struct Theirs {
    segment: Foreign,
    layout: Layout,
    knocker: Knocker,
}

/// What both have agreed on.
#[derive(Debug)]
pub(super) struct Agreed {
    ours: Ours,
    theirs: Theirs,
    liveness: Option<Liveness>,
    memory_max: u64,
}

impl Offering {
    /// Makes what `options` ask for, and says what to tell the peer of it.
    pub(super) fn make(options: &StreamOptions, recv_hwm: u32, conflates: bool) -> (Self, Offer) {
        let (capacity, memory_max) = (options.ipc_ring_size.bytes(), options.ipc_memory_max());
        let ours = match Layout::size_for(capacity) as u64 {
            _ if conflates => Err(Obstacle::Conflates),
            size if size > memory_max => Err(Obstacle::MemoryMax),
            _ => Ours::make(capacity, recv_hwm),
        };
        if ours.is_ok() {
            phase::reach("offering");
        }
        let offer = match &ours {
            Ok(ours) => Offer {
                version: header::VERSION as u8,
                segment_size: Some(ours.region.size() as u64),
                recv_hwm,
                features: GROWS,
            },
            Err(_) => Offer::nothing(),
        };
        (Self { ours, theirs: None, answer: None, memory_max }, offer)
    }

    /// The descriptors that go with the offer; none if nothing is offered.
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match &self.ours {
            Ok(Ours { region, knocker: Some(knocker), .. }) => vec![region.descriptor(), knocker.as_fd()],
            _ => Vec::new(),
        }
    }

    /// Writes the first of `slices`, which begins with the offer, and what goes with it. Returns how many bytes went.
    pub(super) fn send(&mut self, stream: &ByteStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let descriptors = self.descriptors();
        if descriptors.is_empty() {
            return stream.write_vectored(slices);
        }
        let written = match fdpass::send(stream, slices, &descriptors) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                // Not the descriptors: as many are on their way as there may be (`ETOOMANYREFS`), or a filter is in the way. The
                // peer misses them then, and says so. Is it the stream, the next write finds out.
                self.ours = Err(Obstacle::TooManyDescriptors);
                return stream.write_vectored(slices);
            }
            result => result?,
        };
        if written > 0
            && let Ok(ours) = &mut self.ours
        {
            // On their way: nobody else is to have them.
            ours.region.forget_descriptor();
            ours.knocker = None;
            phase::reach("offered");
        }
        Ok(written)
    }

    /// The peer offers, and `descriptors` came with it; not all of them, if they `are_cut`. What it is to be answered.
    pub(super) fn consider(&mut self, offer: &Offer, descriptors: Vec<OwnedFd>, are_cut: bool) -> Answer {
        let theirs = match &self.ours {
            Ok(ours) => Theirs::of(offer, descriptors, are_cut, self.memory_max - ours.region.size() as u64),
            Err(obstacle) => Err(*obstacle),
        };
        let answer = match &theirs {
            Ok(_) => {
                phase::reach("mapped");
                Answer::Accepted
            }
            Err(obstacle) => Answer::Declined(*obstacle),
        };
        self.theirs = Some(theirs);
        answer
    }

    /// The peer answers.
    pub(super) fn answered(&mut self, answer: Answer) {
        phase::reach("answered");
        self.answer = Some(answer);
    }

    /// Everything is said. `stream` leads to the peer.
    ///
    /// # Errors
    /// What is in the way.
    pub(super) fn conclude(self, stream: impl AsFd) -> Result<Agreed, UpgradeFailure> {
        let ours = self.ours.map_err(|obstacle| UpgradeFailure::Here(terms::upgrade_obstacle(obstacle)))?;
        let nothing = Err(Obstacle::NothingOffered);
        match (self.theirs.unwrap_or(nothing), self.answer) {
            (Ok(theirs), Some(Answer::Accepted)) => {
                Ok(Agreed { ours, theirs, liveness: Liveness::of_peer(stream).ok(), memory_max: self.memory_max })
            }
            (Err(obstacle), _) if obstacle != Obstacle::NothingOffered => {
                Err(UpgradeFailure::Here(terms::upgrade_obstacle(obstacle)))
            }
            (_, Some(Answer::Declined(obstacle))) => {
                Err(terms::upgrade_failure(obstacle).unwrap_or(UpgradeFailure::AtPeer(UpgradeObstacle::Other)))
            }
            _ => Err(UpgradeFailure::AtPeer(UpgradeObstacle::Other)),
        }
    }
}

impl Ours {
    fn make(capacity: usize, recv_hwm: u32) -> Result<Self, Obstacle> {
        let (region, layout) = make(capacity, recv_hwm)?;
        let (doorbell, knocker) = fdpass::doorbell().map_err(|error| {
            if lacks_descriptors(&error) { Obstacle::TooManyDescriptors } else { Obstacle::NoDoorbell }
        })?;
        Ok(Self { region, layout, doorbell, knocker: Some(knocker) })
    }
}

impl Theirs {
    /// Of at most so many bytes.
    fn of(offer: &Offer, descriptors: Vec<OwnedFd>, are_cut: bool, most: u64) -> Result<Self, Obstacle> {
        let size = offer.segment_size.ok_or(Obstacle::NothingOffered)?;
        if u32::from(offer.version) != header::VERSION {
            return Err(Obstacle::VersionUnknown);
        }
        if size > most {
            return Err(Obstacle::MemoryMax);
        }
        // More than an offer has are closed, and do no harm.
        let mut descriptors = descriptors.into_iter();
        let (Some(segment), Some(knocker)) = (descriptors.next(), descriptors.next()) else {
            // There is room for as many as an offer has: the system has cut them off because no more may be open.
            return Err(if are_cut { Obstacle::TooManyDescriptors } else { Obstacle::DescriptorsMissing });
        };
        let (segment, layout) = map(segment, size)?;
        let knocker = Knocker::from_peer(knocker).map_err(|_| Obstacle::SegmentUnfit)?;
        Ok(Self { segment, layout, knocker })
    }
}

/// A segment of ours for a ring of `capacity` bytes.
fn make(capacity: usize, recv_hwm: u32) -> Result<(Region, Layout), Obstacle> {
    let region = Region::create(Layout::size_for(capacity)).map_err(|error| match error {
        RegionError::TooManyDescriptors => Obstacle::TooManyDescriptors,
        RegionError::NoMemory => Obstacle::NoMemory,
        RegionError::Refused { .. } => Obstacle::Other,
    })?;
    let layout = Layout::write(&region, capacity, recv_hwm.into());
    Ok((region, layout))
}

/// What the peer has sent as a segment of `size` bytes, if it is one.
fn map(segment: OwnedFd, size: u64) -> Result<(Foreign, Layout), Obstacle> {
    let segment = Foreign::map(segment, size).map_err(|error| match error {
        error if error.is_of_peer() => Obstacle::SegmentUnfit,
        _ => Obstacle::MapRefused,
    })?;
    let layout = Layout::check(&segment).map_err(|error| match error {
        LayoutError::Version(_) | LayoutError::Flags(_) => Obstacle::VersionUnknown,
        _ => Obstacle::SegmentUnfit,
    })?;
    Ok((segment, layout))
}

impl Knock for Knocker {
    fn knock(&self) {
        Self::knock(self);
    }
}

/// What a connection has beside its stream, once messages go by shared memory.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) lane: Arc<Lane>,
    doorbell: Arc<Doorbell>,
    /// The reactor tells of knocks under this id, unless a receiver does who sleeps on the doorbell.
    bell: Id,
    is_lent: bool,
    liveness: Option<Liveness>,
    /// And of the process's death under this.
    death: Id,
    /// The stream has ended for this reason, and until then it is to be seen whether its process has.
    pub(super) mourning: Option<(Loss, Instant)>,
    growth: Growth,
}

/// Segments that take the place of others, and how much memory all of them are.
#[derive(Debug)]
struct Growth {
    /// Bytes that may be shared with the peer, and those of ours and of the peer's that are.
    memory_max: u64,
    ours: u64,
    theirs: u64,
    /// Of the segments with which it began: their words are in use as long as it lasts.
    firsts: [u64; 2],
    /// One of ours that the peer has not answered.
    offered: Option<(Region, Layout, u32)>,
}

impl Growth {
    /// Bytes that may be shared beside those that are.
    fn left(&self) -> u64 {
        let first = self.firsts[1];
        let theirs = if self.theirs == first { first } else { first + self.theirs };
        self.memory_max.saturating_sub(self.ours + theirs)
    }
}

/// One descriptor of a session beside its stream.
#[derive(Debug)]
struct Watcher {
    session: Weak<Session>,
    bit: u32,
}

impl Source for Watcher {
    fn ready(&self, _: Readiness) {
        if let Some(session) = self.session.upgrade() {
            session.note(self.bit);
        }
    }

    fn visit(&self) {}

    fn alarm(&self, _: Instant) -> Option<Instant> {
        None
    }

    fn end(&self) {}
}

impl Shared {
    /// Takes what was agreed on into use for `session`, of whose pipe `settled` messages have been settled. If it `grows`, rings
    /// may be replaced.
    ///
    /// # Errors
    /// The reactor cannot watch what it has to.
    pub(super) fn begin(agreed: Agreed, session: &Arc<Session>, settled: u64, grows: bool) -> io::Result<Self> {
        let Agreed { ours, theirs, liveness, memory_max } = agreed;
        let doorbell = Arc::new(ours.doorbell);
        let reactor = &session.reactor;
        let watch = |bit| {
            let session = Arc::downgrade(session);
            reactor.add(|_| Arc::new(Watcher { session, bit }))
        };
        let (bell, death) = (watch(RUNG), watch(DEAD));
        let registered = reactor.register(&*doorbell, bell, Interest::READABLE).and_then(|()| {
            liveness.as_ref().map_or(Ok(()), |liveness| reactor.register(liveness, death, Interest::READABLE))
        });
        if let Err(error) = registered {
            reactor.deregister(&*doorbell);
            reactor.remove(bell);
            reactor.remove(death);
            return Err(error);
        }
        let drive: Weak<Session> = Arc::downgrade(session);
        let (first, first_of_peer) = (ours.region.size() as u64, theirs.segment.size() as u64);
        let growth =
            Growth { memory_max, ours: first, theirs: first_of_peer, firsts: [first, first_of_peer], offered: None };
        let capacity_max = if grows { capacity_max(first, memory_max) } else { 0 };
        let lane = Lane::new(LaneParts {
            own: Arc::new(ours.region),
            own_layout: ours.layout,
            peer: Arc::new(theirs.segment),
            peer_layout: theirs.layout,
            knocker: Box::new(theirs.knocker),
            drive,
            size_max: session.origin.options.max_message_size.unwrap_or(u64::MAX),
            settled,
            capacity_max,
        });
        Ok(Self { lane, doorbell, bell, is_lent: false, liveness, death, mourning: None, growth })
    }

    /// Bytes of the ring with which it began.
    pub(super) fn ring_size(&self) -> usize {
        self.growth.firsts[0] as usize - header::RING
    }

    /// Does what there is to be done about our ring: unmaps what is of no more use, makes and announces what is wanted. Returns
    /// the position in the outbox of a byte with which a descriptor is to [go](Self::send).
    pub(super) fn tend(&mut self, zmtp: &mut zmtp::Connection) -> Option<u64> {
        let Chores { wanted, spent } = self.lane.chores();
        if let Some(spent) = spent
            && spent.size() as u64 != self.growth.firsts[0]
        {
            self.growth.ours -= spent.size() as u64;
        }
        let capacity = wanted?;
        let has_room = Layout::size_for(capacity) as u64 <= self.growth.left();
        let made = if has_room { make(capacity, 0) } else { Err(Obstacle::MemoryMax) };
        let announced = made.ok().and_then(|(region, layout)| {
            let (generation, position) = zmtp.send_successor(region.size() as u64)?;
            Some((region, layout, generation, position))
        });
        let Some((region, layout, generation, position)) = announced else {
            // Neither is anything said of it: the peer is none the worse.
            self.lane.keep();
            return None;
        };
        self.growth.ours += region.size() as u64;
        self.growth.offered = Some((region, layout, generation));
        Some(position)
    }

    /// Writes the first of `slices`, which begins with the announcement, and what goes with it. Returns how many bytes went.
    pub(super) fn send(&mut self, stream: &ByteStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some((region, ..)) = &mut self.growth.offered else { return stream.write_vectored(slices) };
        match fdpass::send(stream, slices, &[region.descriptor()]) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                // As for an offer: the peer misses it, and says so.
                region.forget_descriptor();
                stream.write_vectored(slices)
            }
            Ok(written) if written > 0 => {
                region.forget_descriptor();
                phase::reach("growing");
                Ok(written)
            }
            result => result,
        }
    }

    /// The peer answers what we have announced. Returns the bytes of the ring there is then, if it is another.
    pub(super) fn answered(&mut self, answer: SuccessorAnswer) -> Option<usize> {
        let (region, layout, generation) = self.growth.offered.take()?;
        if answer.answer != Answer::Accepted {
            self.growth.ours -= region.size() as u64;
            self.lane.keep();
            return None;
        }
        self.lane.grow(Arc::new(region), layout, generation);
        Some(layout.capacity)
    }

    /// The peer announces a segment, and `descriptors` came with that; not all of them, if they `are_cut`. What it is to be
    /// answered.
    ///
    /// # Errors
    /// It is at fault.
    pub(super) fn consider(
        &mut self,
        successor: Successor,
        descriptors: Vec<OwnedFd>,
        are_cut: bool,
    ) -> Result<Answer, Fault> {
        let mapped = match descriptors.into_iter().next() {
            _ if successor.size <= self.growth.theirs => Err(Obstacle::SegmentUnfit),
            _ if successor.size > self.growth.left() => Err(Obstacle::MemoryMax),
            None if are_cut => Err(Obstacle::TooManyDescriptors),
            None => Err(Obstacle::DescriptorsMissing),
            Some(segment) => map(segment, successor.size),
        };
        match mapped {
            Ok((segment, layout)) => {
                self.growth.theirs = successor.size;
                self.lane.announce(Arc::new(segment), layout, successor.generation)?;
                phase::reach("grown");
                Ok(Answer::Accepted)
            }
            Err(obstacle) => Ok(Answer::Declined(obstacle)),
        }
    }

    /// Takes what knocks there are, and tells whether there were any. `None`: there will be no more.
    pub(super) fn drain(&self) -> Option<bool> {
        self.doorbell.drain()
    }

    /// What a receiver sleeps on.
    pub(super) fn doorbell(&self) -> Watched {
        self.doorbell.clone()
    }

    /// A receiver looks after the doorbell.
    pub(super) fn lend(&mut self, reactor: &Reactor) {
        if !self.is_lent {
            self.is_lent = true;
            reactor.deregister(&*self.doorbell);
        }
    }

    /// The reactor does again. False: it refuses.
    pub(super) fn take_back(&mut self, reactor: &Reactor) -> bool {
        if self.is_lent {
            self.is_lent = reactor.register(&*self.doorbell, self.bell, Interest::READABLE).is_err();
        }
        !self.is_lent
    }

    /// Will the peer never take anything more? Unsure counts as no, if there is a way to know.
    pub(super) fn is_peer_gone(&self) -> bool {
        self.lane.is_closed_by_peer() || self.liveness.as_ref().is_none_or(Liveness::is_dead)
    }

    /// The reactor watches nothing of it any more.
    pub(super) fn close(&mut self, reactor: &Reactor) {
        if !self.is_lent {
            reactor.deregister(&*self.doorbell);
        }
        if let Some(liveness) = &self.liveness {
            reactor.deregister(liveness);
        }
        reactor.remove(self.bell);
        reactor.remove(self.death);
    }
}

/// Bytes of the largest ring there may be beside our first segment, of `first` bytes, and the half as large one it takes the place
/// of: all of ours together are half of what may be shared at the most, so that the peer's have the other.
fn capacity_max(first: u64, memory_max: u64) -> usize {
    let fits = |&capacity: &usize| {
        let both = (Layout::size_for(capacity) + Layout::size_for(capacity / 2)) as u64;
        first + both <= memory_max / 2
    };
    let capacities = std::iter::successors(Some(header::CAPACITY_MAX), |capacity| Some(capacity / 2));
    capacities.take_while(|&capacity| capacity >= header::CAPACITY_MIN).find(fits).unwrap_or(0)
}

/// How long it may take until the death of a process is seen that has ended its stream: the system closes its descriptors
/// before it says that it is dead, and on a busy machine the one may come long before the other. One that lives and has ended
/// its stream all the same, without saying that it reads no more, found fault with us: it is missed so much later.
pub(super) const MOURNING: Duration = Duration::from_secs(1);
