//! Bytes in and out: the stream of a session, its codec, and how far either is.

#![forbid(unsafe_code)]

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    net::Shutdown,
    sync::Arc,
    time::Instant,
};

use mio::Interest;

use super::{
    Origin,
    flight::Encoder,
    link::Link,
    session::{Session, State},
    terms, upgrade,
    upgrade::{Descriptors, Offering, Shared},
};
use crate::{
    Frame, Message, fork,
    monitor::{DisconnectReason, EventKind, HandshakeFailure, PeerId, ProtocolViolation, UpgradeFailure},
    pipe::{Fault, Load, Lost, Refusal},
    reactor::{Id, Reactor},
    route::Wish,
    sync::{AtomicU64, Ordering, full_fence, light_fence},
    transport::{options::SharedMemory, socket::ByteStream},
    zmtp::{self, Connection, Received, Successor},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Arc<ByteStream>,
    zmtp: Connection,
    /// Might a read find something?
    readable: bool,
    /// Might a write find room?
    writable: bool,
    /// Reading is a receiver's, not the reactor's.
    is_lent: bool,
    /// What the reactor tells of; nothing at all: it is not registered there.
    interest: Option<Interest>,
    /// The peer has closed its direction, or will be found to have: reads go on to the end.
    hung_up: bool,
    /// Nothing comes any more, for this reason.
    ended: Option<Loss>,
    /// Nothing can be written any more.
    is_broken: bool,
    /// We have closed our direction.
    is_shut: bool,
    /// What was read and could not be passed on, as the socket's queue was full: to be read first.
    leftover: Vec<u8>,
    /// Where the next message is decoded to.
    place: Message,
    /// The peer is there: all is agreed on.
    is_met: bool,
    /// While it is to be agreed on whether memory is shared.
    offering: Option<Box<Offering>>,
    /// Where in the outbox the offer begins, or the announcement of a segment, with which descriptors go, while it is there.
    parcel_at: Option<u64>,
    /// What has come with what was read, until somebody asks for it.
    descriptors: Descriptors,
    /// Messages go by shared memory.
    pub(super) shared: Option<Box<Shared>>,
}

/// Why a stream is over.
#[derive(Debug)]
pub(super) enum Loss {
    /// The peer has closed it.
    Closed,
    /// The system says so.
    System(io::Error),
    /// The peer broke the protocol, or was silent.
    Protocol(zmtp::Error),
    /// The peer subscribes to more than is kept for it.
    Subscriptions,
    /// What it wrote to shared memory cannot be.
    Segment(Fault),
    /// Memory is to be shared, and cannot be.
    Unshared(UpgradeFailure),
    /// No memory for a place in the socket's queue.
    OutOfMemory,
    /// We have no use for it any more.
    Here,
}

/// How input ended.
enum Digested {
    All,
    /// The socket's queue is full; there may be more.
    Stalled,
}

/// Bytes read at once: some hundred small messages, and little enough to stay in a core's cache. One buffer for a thread.
const READ_SIZE: usize = 64 << 10;
/// Bytes put into the outbox before the next write: what the kernel takes in one go.
const WRITE_SIZE: usize = 64 << 10;
/// Reads for one connection before others have their turn.
const READS_AT_ONCE: usize = 16;
/// Slices given to one write.
const SLICES: usize = 64;

thread_local! {
    static READ: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Wire {
    pub(super) fn new(
        stream: ByteStream,
        config: &Arc<zmtp::Config>,
        reactor: &Reactor,
        id: Id,
        is_registered: bool,
    ) -> io::Result<Self> {
        let interest = Interest::READABLE;
        if is_registered {
            reactor.reregister(&stream, id, interest)?;
        } else {
            reactor.register(&stream, id, interest)?;
        }
        Ok(Self {
            stream: Arc::new(stream),
            zmtp: Connection::new(config.clone(), Instant::now()),
            // The registration tells of both. Trying at once costs a call, and saves a turn of the reactor.
            readable: true,
            writable: true,
            is_lent: false,
            interest: Some(interest),
            hung_up: false,
            ended: None,
            is_broken: false,
            is_shut: false,
            leftover: Vec::new(),
            place: Message::from(Frame::new()),
            is_met: false,
            offering: None,
            parcel_at: None,
            descriptors: Descriptors::default(),
            shared: None,
        })
    }

    pub(super) fn zmtp(&mut self) -> &mut Connection {
        &mut self.zmtp
    }

    pub(super) fn outbox(&self) -> &zmtp::Outbox {
        self.zmtp.outbox()
    }

    pub(super) fn stream(&self) -> &Arc<ByteStream> {
        &self.stream
    }

    /// Is the handshake done, and all agreed on?
    #[inline]
    pub(super) fn is_ready(&self) -> bool {
        self.is_met
    }

    /// It is.
    pub(super) fn met(&mut self) {
        self.is_met = true;
    }

    /// The peer is known, and says whether it shares memory: offers ours.
    fn offer(&mut self, (offering, offer): (Offering, zmtp::Offer)) {
        self.offering = Some(Box::new(offering));
        self.parcel_at = Some(self.zmtp.send_offer(&offer));
    }

    /// The peer offers its memory: answers.
    fn consider(&mut self, offer: &zmtp::Offer) {
        let (descriptors, are_cut) = (self.descriptors.take(), self.descriptors.are_cut());
        if let Some(offering) = &mut self.offering {
            let answer = offering.consider(offer, descriptors, are_cut);
            self.zmtp.send_answer(answer);
        }
    }

    /// The peer announces a segment: answers. Without any that has one taken place of, it would not have been passed on.
    fn succeed(&mut self, successor: Successor) -> Result<(), Loss> {
        let (descriptors, are_cut) = (self.descriptors.take(), self.descriptors.are_cut());
        self.descriptors.forgive();
        let Some(shared) = &mut self.shared else { return Ok(()) };
        let answer = shared.consider(successor, descriptors, are_cut).map_err(Loss::Segment)?;
        self.zmtp.send_successor_answer(answer);
        Ok(())
    }

    /// Does what there is to be done about our ring.
    fn tend(&mut self) {
        if let Some(shared) = &mut self.shared
            && self.parcel_at.is_none()
            && let Some(position) = shared.tend(&mut self.zmtp)
        {
            self.parcel_at = Some(position);
        }
    }

    /// What has come and belongs to nothing is closed.
    fn refuse_strays(&mut self) {
        if self.is_met && self.zmtp.is_between_frames() {
            self.descriptors.refuse();
        }
    }

    /// The reactor has told.
    pub(super) fn note(&mut self, readable: bool, writable: bool, hung_up: bool) {
        self.readable |= readable;
        self.writable |= writable && !self.is_broken;
        self.hung_up |= hung_up;
    }

    /// Will nothing come any more?
    pub(super) fn is_at_end(&self) -> bool {
        self.ended.is_some()
    }

    /// A read is worth trying.
    pub(super) fn may_be_readable(&mut self) {
        self.readable = true;
    }

    /// A write is worth trying: a sender that waits need not wait for the reactor to tell.
    pub(super) fn may_be_writable(&mut self) {
        self.writable = !self.is_broken;
    }

    pub(super) fn has_output(&self) -> bool {
        !self.zmtp.outbox().is_empty()
    }

    /// Is everything given to the kernel?
    pub(super) fn is_flushed(&self) -> bool {
        self.zmtp.outbox().is_empty() && self.is_ready()
    }

    /// When the codec has something to do by the clock.
    pub(super) fn due(&self) -> Option<Instant> {
        self.zmtp.deadline()
    }

    /// Is the stream of no more use? Not while something read is still to be passed on.
    pub(super) fn over(&mut self) -> Option<Loss> {
        if self.leftover.is_empty() { self.ended.take() } else { None }
    }

    /// Closes our direction: the peer reads what we sent, and the end of it. Tells whether it was still open.
    pub(super) fn shut(&mut self) -> bool {
        let was_open = !std::mem::replace(&mut self.is_shut, true);
        if was_open {
            // One that is closed already needs no more.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        was_open
    }

    /// Closes the stream, also for those who watch it.
    pub(super) fn close(self, reactor: &Reactor) {
        if self.interest.is_some() {
            reactor.deregister(&*self.stream);
        }
        if Arc::strong_count(&self.stream) > 1 || fork::has_forked() {
            // A receiver sleeps on it, or a process that was forked off has it, too: this ends its sleep, and tells the peer.
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }

    /// Takes reading out of the reactor's interest. False if the system refuses: then it stays.
    pub(super) fn lend(&mut self, reactor: &Reactor, id: Id) -> bool {
        self.is_lent = true;
        self.is_lent = self.show_interest(reactor, id);
        self.is_lent
    }

    /// Gives reading back to the reactor, which is told at once if there is something.
    pub(super) fn take_back(&mut self, reactor: &Reactor, id: Id) {
        self.is_lent = false;
        if !self.show_interest(reactor, id) {
            // Nobody would tell: the next look finds out.
            self.readable = true;
        }
    }

    /// Has the reactor tell of what matters now. One that is asked anew tells of what is so already. False: it refuses.
    ///
    /// Of room for writing only while there is none: a Unix socket would tell each time its peer reads.
    pub(super) fn show_interest(&mut self, reactor: &Reactor, id: Id) -> bool {
        let interest = match (!self.is_lent, !self.writable && !self.is_broken) {
            (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
            (true, false) => Some(Interest::READABLE),
            (false, true) => Some(Interest::WRITABLE),
            (false, false) => None,
        };
        let is_shown = match (self.interest, interest) {
            (before, after) if before == after => true,
            (None, Some(after)) => reactor.register(&*self.stream, id, after).is_ok(),
            (Some(_), Some(after)) => reactor.reregister(&*self.stream, id, after).is_ok(),
            (_, None) => {
                reactor.deregister(&*self.stream);
                true
            }
        };
        if is_shown {
            self.interest = interest;
        }
        is_shown
    }

    /// Reads some bytes, to where the codec wants them or into `buffer`. `None`: there are none now, or none any more.
    fn fetch(&mut self, buffer: &mut [u8]) -> Result<Option<Fetched>, Loss> {
        let (result, wanted, fetched) = match self.zmtp.body().map_err(Loss::Protocol)? {
            Some(body) => (self.stream.read(body), body.len(), true),
            None if !self.is_met || self.shared.is_some() => {
                (upgrade::read(&self.stream, buffer, &mut self.descriptors), buffer.len(), false)
            }
            None => (self.stream.read(buffer), buffer.len(), false),
        };
        match result {
            Ok(0) => {
                self.ended = Some(Loss::Closed);
                Ok(None)
            }
            Ok(count) => {
                // Less than asked for: that was all, unless it ends with descriptors, behind which a read does not go. What comes
                // later is told anew.
                self.readable = count == wanted || self.hung_up || !self.is_met || self.shared.is_some();
                if fetched {
                    self.zmtp.body_received(count);
                    Ok(Some(Fetched::Body(count)))
                } else {
                    Ok(Some(Fetched::Bytes(count)))
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Some(Fetched::Bytes(0))),
            Err(error) => {
                self.ended = Some(Loss::System(error));
                Ok(None)
            }
        }
    }

    /// Writes what is in the outbox, and adds so many bytes to `count`. `false`: the kernel has no room.
    fn flush(&mut self, count: &AtomicU64) -> bool {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let filled = self.zmtp.outbox().slices(&mut slices);
        let position = self.zmtp.outbox().written();
        let (offering, shared) = (&mut self.offering, &mut self.shared);
        let send = |slices: &[IoSlice<'_>]| match (offering, shared) {
            (Some(offering), _) => offering.send(&self.stream, slices),
            (None, Some(shared)) => shared.send(&self.stream, slices),
            (None, None) => self.stream.write_vectored(slices),
        };
        match put(&self.stream, &slices[..filled], position, &mut self.parcel_at, send) {
            Ok((written, size)) => {
                add(count, written as u64);
                self.zmtp.outbox_mut().advance(written);
                if written > 0 && self.zmtp.times_writing() {
                    self.zmtp.wrote(Instant::now());
                }
                // Less than asked for: it has no room, and tells when it has.
                self.writable = written == size;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => {
                // What the peer sent before is still to be read, and so is the reason.
                self.writable = false;
                self.is_broken = true;
                self.readable = true;
                self.hung_up = true;
            }
        }
        self.writable
    }
}

/// Writes `slices`, which the outbox has from `position` on, or those before a byte at `parcel_at`: what goes with that goes by
/// `send`, which is given it first. Returns how many bytes went, of how many.
fn put(
    stream: &ByteStream,
    slices: &[IoSlice<'_>],
    position: u64,
    parcel_at: &mut Option<u64>,
    send: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<(usize, usize)> {
    let size = slices.iter().map(|slice| slice.len()).sum();
    let Some(at) = *parcel_at else { return Ok((stream.write_vectored(slices)?, size)) };
    let before = at.saturating_sub(position) as usize;
    if before == 0 {
        let written = send(slices)?;
        if written > 0 {
            *parcel_at = None;
        }
        return Ok((written, size));
    }
    let mut left = before;
    let parts = slices.iter().map_while(|slice| {
        let part = slice.len().min(left);
        left -= part;
        (part > 0).then(|| IoSlice::new(&slice[..part]))
    });
    let parts: Vec<_> = parts.collect();
    Ok((stream.write_vectored(&parts)?, before))
}

enum Fetched {
    /// So many, into the buffer.
    Bytes(usize),
    /// So many, into the frame that is being received.
    Body(usize),
}

impl Loss {
    /// For a peer that was there.
    pub(super) fn reason(&self) -> DisconnectReason {
        match self {
            Self::Closed => DisconnectReason::PeerClosed,
            Self::System(error) => DisconnectReason::of(error),
            Self::Protocol(error) => terms::disconnect_reason(error),
            Self::Segment(Fault::OutOfMemory) => DisconnectReason::OutOfMemory,
            Self::Segment(Fault::TooLong) => DisconnectReason::ProtocolViolated(ProtocolViolation::MessageTooBig),
            Self::Segment(_) | Self::Unshared(_) => DisconnectReason::SegmentCorrupt,
            Self::Subscriptions => DisconnectReason::ProtocolViolated(ProtocolViolation::SubscriptionsTooBig),
            Self::OutOfMemory => DisconnectReason::OutOfMemory,
            Self::Here => DisconnectReason::ClosedHere,
        }
    }

    /// For one that never came.
    pub(super) fn failure(&self) -> HandshakeFailure {
        match self {
            Self::Closed => HandshakeFailure::PeerClosed,
            Self::System(error) => HandshakeFailure::of(error),
            Self::Protocol(error) => terms::handshake_failure(error),
            Self::Unshared(failure) => HandshakeFailure::SharedMemoryRequired(*failure),
            Self::Segment(_) => HandshakeFailure::ProtocolViolated(ProtocolViolation::Malformed),
            Self::Subscriptions => HandshakeFailure::ProtocolViolated(ProtocolViolation::SubscriptionsTooBig),
            Self::OutOfMemory => HandshakeFailure::OutOfMemory,
            Self::Here => HandshakeFailure::ClosedHere,
        }
    }
}

/// Adds to a counter of which whoever has the baton is the only writer.
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
}

impl Session {
    /// Reads what there is, as far as the socket's queue has room. Tells whether anything came that its owner may look at.
    pub(super) fn read(&self, state: &mut State) -> Result<bool, Loss> {
        // A thread that is ending, the first one in what it has asked atexit(3) for, has given its buffer back.
        READ.try_with(|buffer| self.read_by(&mut buffer.borrow_mut(), state))
            .unwrap_or_else(|_| self.read_by(&mut Vec::new(), state))
    }

    fn read_by(&self, buffer: &mut Vec<u8>, state: &mut State) -> Result<bool, Loss> {
        buffer.resize(READ_SIZE, 0);
        let mut came = false;
        state.is_stalled = false;
        self.digest_leftover(state, &mut came)?;
        for _ in 0..READS_AT_ONCE {
            let State { wire: Some(wire), is_stalled: false, .. } = &mut *state else { return Ok(came) };
            if !wire.readable || wire.ended.is_some() {
                return Ok(came);
            }
            let fetched = wire.fetch(buffer)?;
            self.origin.near.links().count_read();
            let (count, input): (usize, &[u8]) = match fetched {
                None => return Ok(came),
                Some(Fetched::Body(count)) => (count, &[]),
                Some(Fetched::Bytes(count)) => (count, &buffer[..count]),
            };
            add(&self.counts.bytes_in, count as u64);
            wire.zmtp.heard(Instant::now());
            self.digest(state, input, &mut came)?;
            if let Some(wire) = &mut state.wire
                && wire.leftover.is_empty()
            {
                wire.refuse_strays();
            }
        }
        // Others have their turn, and then this one again.
        self.reactor.visit(self.id);
        Ok(came)
    }

    /// Works off what was read before.
    fn digest_leftover(&self, state: &mut State, came: &mut bool) -> Result<(), Loss> {
        let Some(wire) = &mut state.wire else { return Ok(()) };
        if wire.leftover.is_empty() {
            return Ok(());
        }
        let leftover = std::mem::take(&mut wire.leftover);
        self.digest(state, &leftover, came)
    }

    /// Takes `input` apart and passes on what is in it. What the socket has no room for is kept.
    fn digest(&self, state: &mut State, input: &[u8], came: &mut bool) -> Result<(), Loss> {
        let mut input = input;
        let mut pushed = 0;
        let result = self.digest_all(state, &mut input, &mut pushed);
        if pushed > 0 {
            *came = true;
            add(&self.counts.messages_in, pushed);
            if let Some(link) = &state.link {
                full_fence();
                link.tie().tell_consumer(link.side());
            }
        }
        if let Digested::Stalled = result?
            && let Some(wire) = &mut state.wire
        {
            wire.leftover = input.to_vec();
            state.is_stalled = true;
            // Who has just taken something may not have seen that it is to tell.
            self.list();
        }
        Ok(())
    }

    fn digest_all(&self, state: &mut State, input: &mut &[u8], pushed: &mut u64) -> Result<Digested, Loss> {
        loop {
            let State { wire: Some(wire), link, subscribed, .. } = &mut *state else { return Ok(Digested::All) };
            if let Some(link) = link
                && wire.is_ready()
                && link.end().admits() == Err(Refusal::Full)
                // What comes for a socket that is gone is thrown away: the end of it is to be seen.
                && !link.is_left()
            {
                link.end().want_room();
                return Ok(Digested::Stalled);
            }
            if let Some(link) = link
                && let Some(body) = wire.zmtp.receive_short(input)
            {
                let result = link.push_short(body, &self.origin.near);
                self.passed_on(link, result, pushed)?;
                continue;
            }
            match wire.zmtp.receive(input, &mut wire.place).map_err(Loss::Protocol)? {
                Received::More => return Ok(Digested::All),
                Received::Message => {
                    let Some(link) = link else { continue };
                    let result = link.push(&mut wire.place, &self.origin.near);
                    self.passed_on(link, result, pushed)?;
                }
                Received::Ready(peer) => {
                    if !wire.zmtp.is_agreeing() {
                        let reason = match self.origin.options.shared_memory {
                            SharedMemory::Forbid => UpgradeFailure::ForbiddenHere,
                            SharedMemory::Allow | SharedMemory::Require => UpgradeFailure::PeerUnable,
                        };
                        self.meet(state, &peer, Err(reason))?;
                        continue;
                    }
                    let Origin { near, options, profile, .. } = &*self.origin;
                    wire.offer(Offering::make(options, near.options().recv_hwm, profile.conflates));
                }
                Received::Offer(offer) => {
                    wire.consider(&offer);
                    self.agree(state)?;
                }
                Received::Answer(answer) => {
                    if let Some(offering) = &mut wire.offering {
                        offering.answered(answer);
                    }
                    self.agree(state)?;
                }
                Received::Successor(successor) => wire.succeed(successor)?,
                Received::SuccessorAnswer(answer) => {
                    if let Some(size) = wire.shared.as_mut().and_then(|shared| shared.answered(answer))
                        && let Some(link) = link
                    {
                        link.tie().set_ring_size(size);
                        let (endpoint, peer) = (self.endpoint.clone(), PeerId::new(link.tie().number()));
                        self.origin.tell(|| EventKind::RingGrown { endpoint, peer, size });
                    }
                }
                Received::Subscribe(topic) => {
                    *subscribed += topic.len() + SUBSCRIPTION_SIZE;
                    if *subscribed > self.origin.options.subscription_memory_max {
                        return Err(Loss::Subscriptions);
                    }
                    let Some(hub) = link.as_ref().and_then(|link| link.hub()) else { continue };
                    if !hub.subscribe_once(&topic) {
                        *subscribed -= topic.len() + SUBSCRIPTION_SIZE;
                    }
                }
                Received::Cancel(topic) => {
                    let Some(hub) = link.as_ref().and_then(|link| link.hub()) else { continue };
                    if hub.unsubscribe(&topic) != crate::route::Removed::NotThere {
                        *subscribed -= topic.len() + SUBSCRIPTION_SIZE;
                    }
                }
            }
        }
    }

    /// Is everything said about sharing memory? Then the peer is there.
    fn agree(&self, state: &mut State) -> Result<(), Loss> {
        let Some(wire) = state.wire.as_mut().filter(|wire| !wire.zmtp.is_agreeing()) else { return Ok(()) };
        let (Some(offering), Some(peer)) = (wire.offering.take(), wire.zmtp.peer().cloned()) else { return Ok(()) };
        let stream = wire.stream.clone();
        self.meet(state, &peer, offering.conclude(&stream))
    }

    /// A message was passed on to the socket, or could not be.
    #[inline]
    fn passed_on(&self, link: &Link, result: Result<(), Refusal>, pushed: &mut u64) -> Result<(), Loss> {
        match result {
            Ok(()) => *pushed += 1,
            Err(Refusal::OutOfMemory) => return Err(Loss::OutOfMemory),
            // The socket has closed, or nothing ever goes this way.
            Err(Refusal::Closed | Refusal::Full) => {
                if link.has_outlet() {
                    link.count_lost(Lost { undelivered: 0, unread: 1 });
                } else {
                    self.origin.near.links().count_stray();
                }
            }
        }
        Ok(())
    }

    /// Writes what there is, as far as the kernel has room.
    pub(super) fn write(&self, state: &mut State) -> Result<(), Loss> {
        loop {
            self.fill(state);
            let State { wire: Some(wire), .. } = &mut *state else { return Ok(()) };
            if wire.is_broken {
                // It is read to the end, which says why.
                return Ok(());
            }
            if wire.has_output() {
                if !wire.writable {
                    return Ok(());
                }
                self.origin.near.links().count_write();
                let has_room = wire.flush(&self.counts.bytes_out);
                self.origin.burst().wrote();
                if !wire.show_interest(&self.reactor, self.id) {
                    return Err(Loss::System(io::Error::last_os_error()));
                }
                self.settle(state);
                if !has_room {
                    return Ok(());
                }
                continue;
            }
            if let Some(shared) = &wire.shared {
                let lane = shared.lane.clone();
                let is_loaded = self.load(state);
                if lane.has_chores() && !std::mem::replace(&mut state.has_chores, true) {
                    // It costs system calls, and this may be a thread that sends.
                    self.reactor.visit(self.id);
                }
                if !is_loaded {
                    // The peer has been asked to tell of room.
                    return Ok(());
                }
            }
            if self.is_spoiled(state) {
                // What ends the connection is found by who has called this.
                return Ok(());
            }
            let State { wire: Some(wire), link, .. } = &mut *state else { return Ok(()) };
            // From here on those who send find nobody at work, if there is nobody with something to be sent.
            if !wire.is_ready() || link.as_mut().is_none_or(|link| link.rest()) {
                return Ok(());
            }
        }
    }

    /// Puts messages into the outbox, as many as one write takes.
    fn fill(&self, state: &mut State) {
        let State { wire: Some(wire), link: Some(link), flight, .. } = &mut *state else { return };
        if !wire.is_ready() || wire.is_shut {
            return;
        }
        while wire.zmtp.outbox().len() < WRITE_SIZE
            && let Some((topic, wish)) = link.take_wish()
        {
            match wish {
                Wish::First | Wish::Again => wire.zmtp.send_subscription(&topic, true),
                Wish::Last => wire.zmtp.send_subscription(&topic, false),
                Wish::Fewer => {}
            }
        }
        if wire.shared.is_some() {
            return;
        }
        let near = &self.origin.near;
        while wire.zmtp.outbox().len() < WRITE_SIZE
            && let Some(message) = near.next_taken_back()
        {
            flight.send(message, &mut wire.zmtp, false);
        }
        let newest_only = self.origin.profile.conflates;
        let is_clear = wire.zmtp.is_clear();
        while wire.zmtp.outbox().len() < WRITE_SIZE && (!newest_only || flight.is_empty()) {
            let before = wire.zmtp.outbox().queued();
            if is_clear && link.end().pop_short(&mut Encoder(&mut wire.zmtp)) {
                flight.was_put(before, &wire.zmtp);
                continue;
            }
            let mut message = Message::from(Frame::new());
            if !link.end().pop_into(&mut message) {
                break;
            }
            flight.send(message, &mut wire.zmtp, true);
        }
    }

    /// Takes note of what the kernel has taken, and gives credit for it.
    fn settle(&self, state: &mut State) {
        let State { wire: Some(wire), link, flight, remains, .. } = &mut *state else { return };
        let done = flight.settle(wire.zmtp.outbox().written(), &mut remains.messages);
        if done > 0
            && let Some(link) = link
        {
            add(&self.counts.messages_out, done);
            self.origin.burst().gathered(done);
            link.end().publish_all_but(flight.held());
            link.settle(flight.held());
            light_fence();
            link.tie().tell_producer(link.side());
        }
    }

    /// Does what there is to be done about the ring.
    pub(super) fn tend(&self, state: &mut State) {
        if let Some(wire) = &mut state.wire
            && !wire.is_shut
            && !wire.is_broken
        {
            wire.tend();
        }
    }

    /// Has the peer written what cannot be?
    fn is_spoiled(&self, state: &State) -> bool {
        let shared = state.wire.as_ref().and_then(|wire| wire.shared.as_ref());
        shared.is_some_and(|shared| shared.lane.fault().is_some())
    }

    /// Puts what is queued into the ring. False: there is no more room.
    fn load(&self, state: &mut State) -> bool {
        let State { wire: Some(wire), link: Some(link), flight, .. } = &mut *state else { return true };
        let Some(shared) = &wire.shared else { return true };
        let (near, mut hello) = (&self.origin.near, link.take_hello());
        let mut place = Message::from(Frame::new());
        let is_loaded = shared.lane.load(|| {
            let foreign = hello.take().or_else(|| flight.is_empty().then(|| near.next_taken_back()).flatten());
            if let Some(message) = foreign {
                return Some(Load { message, is_of_pipe: false });
            }
            if let Some(message) = flight.take_first() {
                return Some(Load { message, is_of_pipe: true });
            }
            let is_there = link.end().pop_into(&mut place);
            is_there.then(|| Load { message: std::mem::take(&mut place), is_of_pipe: true })
        });
        // Nobody waits for that: there is credit when the peer has taken something.
        link.end().publish();
        is_loaded
    }
}

/// What a subscription takes beside its topic, about: its places in two tries.
const SUBSCRIPTION_SIZE: usize = 128;
