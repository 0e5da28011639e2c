//! A connection over a stream: what is to be done for it, and who does it.
//!
//! | phase | there is | ends by |
//! |---|---|---|
//! | [`Dialing`](Phase::Dialing) | no stream; perhaps a pipe in which messages queue | a stream |
//! | [`Open`](Phase::Open) | a stream; a pipe, once the peer is known | the stream's end, or the socket's |
//! | [`Over`](Phase::Over) | nothing | – |
//!
//! A session that was accepted ends with its stream. One that connects begins anew: a socket whose messages may go to
//! whoever is there (`SocketType::survives`) keeps the pipe and what is in it; any other gets a new one, and sees
//! its old peer leave.
//!
//! When the socket has closed its end of the pipe, the session sends what is left, for the socket's linger at the most, and
//! then closes: first its own direction, and the stream when the peer has closed too, so that nothing the peer has not read
//! yet is lost by what it may still be sending. A peer that does not close has [`FAREWELL`] for it, or the linger if that is
//! less.
//!
//! Contents: here what there is to be done; `callers` who comes to do it.

#![forbid(unsafe_code)]

mod callers;

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use super::{
    Origin,
    baton::{Baton, Held},
    dial::Dial,
    flight::Flight,
    link::Link,
    listener::Listener,
    terms,
    upgrade::{Agreed, MOURNING, Shared},
    wire::{Loss, Wire},
};
use crate::{
    Endpoint, Frame, Message,
    monitor::{ConnectFailure, DisconnectReason, EventKind, HandshakeFailure, PeerId, PeerMetadata, UpgradeFailure},
    phase,
    pipe::{End, Joined, Lane, Lost, Stage},
    reactor::{Id, Reactor},
    sync::{self, AtomicBool, AtomicU32, AtomicU64, Mutex, Ordering, full_fence, light_fence},
    transport::{address::Address, options::SharedMemory, socket::ByteStream},
    zmtp,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) me: Weak<Session>,
    pub(super) id: Id,
    /// No two have the same.
    number: u64,
    pub(super) origin: Arc<Origin>,
    pub(super) reactor: Reactor,
    /// The endpoint as the socket gave it: bound or connected to.
    pub(super) endpoint: Endpoint,
    baton: Baton<State>,
    /// Addresses found for the endpoint, for whoever has the baton next.
    pub(super) found: Mutex<Option<Result<Vec<Address>, ConnectFailure>>>,
    /// The pipe there is now.
    tie: Mutex<Option<sync::Arc<crate::pipe::Tie>>>,
    /// The socket has disconnected, or is gone.
    retired: AtomicBool,
    is_over: AtomicBool,
    /// To be ended at once.
    abandoned: AtomicBool,
    /// What the reactor has told and nobody has taken note of: `READABLE`, `WRITABLE`.
    readiness: AtomicU32,
    /// Times a receiver has looked here by itself.
    pulls: AtomicU32,
    /// The reactor inspects it in a while.
    is_listed: AtomicBool,
    /// A receiver sleeps on the descriptor.
    is_watched: AtomicBool,
    /// Who was at the other end last.
    peer: Mutex<Option<Arc<PeerMetadata>>>,
    /// By what messages go there now, if not by the stream: for those who ask what went through.
    lane: Mutex<Option<Arc<Lane>>>,
    pub(super) counts: Counts,
}

/// What went through. Written by whoever has the baton.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) messages_in: AtomicU64,
    pub(super) bytes_in: AtomicU64,
    pub(super) messages_out: AtomicU64,
    pub(super) bytes_out: AtomicU64,
}

impl Counts {
    /// What went through `lane`, which is over.
    fn add(&self, lane: &Lane) {
        let add = |sum: &AtomicU64, part: u64| sum.store(sum.load(Ordering::Relaxed) + part, Ordering::Relaxed);
        let (came, went) = lane.traffic();
        add(&self.messages_in, came.messages);
        add(&self.bytes_in, came.bytes);
        add(&self.messages_out, went.messages);
        add(&self.bytes_out, went.bytes);
    }
}

/// What the baton stands for.
#[derive(Debug)]
pub(super) struct State {
    pub(super) phase: Phase,
    /// A stream just accepted.
    incoming: Option<ByteStream>,
    /// Of a session that connects.
    pub(super) dial: Option<Box<Dial>>,
    pub(super) link: Option<Link>,
    pub(super) wire: Option<Box<Wire>>,
    /// Taken from the pipe, and not wholly given to the kernel yet.
    pub(super) flight: Flight,
    /// There is more to read, and no room for it in the socket's queue.
    pub(super) is_stalled: bool,
    /// Bytes the peer's subscriptions take.
    pub(super) subscribed: usize,
    /// Reading is a receiver's, and out of the reactor's interest.
    is_on_loan: bool,
    /// Looks of receivers there had been at the last inspection.
    pulls_inspected: u32,
    /// There is something to do about the ring, and the reactor was asked to come for that.
    pub(super) has_chores: bool,
    /// When the socket's linger is over, once it has closed its end.
    until: Option<Deadline>,
    alarm: Option<Instant>,
    pub(super) remains: Remains,
}

/// What may run code of others when it is dropped, and so waits until the baton is free.
#[derive(Debug, Default)]
pub(super) struct Remains {
    pub(super) messages: Vec<Message>,
    ends: Vec<End>,
    joined: Vec<Joined>,
    /// Dropped last: who waits for the sessions of a context to be over finds all counted that was lost with them.
    is_over: Option<OneLess>,
}

/// A session that is over: its context is told when this is dropped.
#[derive(Debug)]
struct OneLess(Arc<Origin>);

impl Drop for OneLess {
    fn drop(&mut self) {
        self.0.streams.one_less();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Dialing,
    Open,
    Over,
}

/// How a session begins.
enum Begin {
    With(ByteStream),
    Dialing(Box<Dial>, Option<Link>),
}

/// An instant, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Deadline(Option<Instant>);

impl Session {
    /// A session for `stream`, which was accepted by `listener`.
    pub(super) fn accept(stream: ByteStream, listener: &Listener) {
        // Spread over the threads there are; those that have been started do not refuse.
        let reactor = listener.origin().reactor().unwrap_or_else(|_| listener.reactor().clone());
        let session = Self::add(listener.origin(), &reactor, listener.endpoint().clone(), Begin::With(stream));
        listener.origin().greet(session.number, session.me.clone());
        session.look_again();
    }

    /// A session that connects to `endpoint`, and calls its peer `peer_name` or, if that is empty, nothing.
    ///
    /// # Errors
    /// The system has no descriptor or thread left for a reactor.
    pub(crate) fn connect(origin: &Arc<Origin>, endpoint: Endpoint, peer_name: Frame) -> std::io::Result<Arc<Self>> {
        let reactor = origin.reactor()?;
        let dial = Dial::new(&endpoint, &origin.options, peer_name);
        let mut joined = None;
        let link = (!origin.options.immediate).then(|| {
            let (link, result) = Link::ahead(origin, endpoint.clone(), dial.peer_name());
            joined = Some(result);
            link
        });
        let peer = link.as_ref().map_or(0, |link| link.tie().number());
        let session = Self::add(origin, &reactor, endpoint.clone(), Begin::Dialing(Box::new(dial), link));
        drop(joined);
        origin.tell(|| EventKind::Connecting { endpoint, peer: PeerId::new(peer) });
        session.look_again();
        Ok(session)
    }

    fn add(origin: &Arc<Origin>, reactor: &Reactor, endpoint: Endpoint, begin: Begin) -> Arc<Self> {
        origin.streams.one_more();
        let (phase, incoming, dial, link) = match begin {
            Begin::With(stream) => (Phase::Open, Some(stream), None, None),
            Begin::Dialing(dial, link) => (Phase::Dialing, None, Some(dial), link),
        };
        let mut made = None;
        reactor.add(|id| {
            let session = Arc::new_cyclic(|me| Self {
                me: me.clone(),
                id,
                number: sync::unique_number(),
                origin: origin.clone(),
                reactor: reactor.clone(),
                endpoint,
                found: Mutex::default(),
                tie: Mutex::new(link.as_ref().map(|link| link.tie().clone())),
                retired: AtomicBool::new(false),
                is_over: AtomicBool::new(false),
                abandoned: AtomicBool::new(false),
                readiness: AtomicU32::new(0),
                pulls: AtomicU32::new(0),
                is_listed: AtomicBool::new(false),
                is_watched: AtomicBool::new(false),
                peer: Mutex::default(),
                lane: Mutex::default(),
                counts: Counts::default(),
                baton: Baton::new(State {
                    phase,
                    incoming,
                    dial,
                    link,
                    wire: None,
                    flight: Flight::default(),
                    is_stalled: false,
                    subscribed: 0,
                    is_on_loan: false,
                    pulls_inspected: 0,
                    has_chores: false,
                    until: None,
                    alarm: None,
                    remains: Remains::default(),
                }),
            });
            made = Some(session.clone());
            session
        });
        made.expect("the reactor has just asked for it")
    }

    /// The pipe there is now.
    pub(crate) fn tie(&self) -> Option<sync::Arc<crate::pipe::Tie>> {
        self.tie.lock().clone()
    }

    /// The socket wants no more of it: it has closed, or is about to close, its end of the pipe. What is queued is still sent.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.look_again();
    }

    /// Is it over? "Yes" is final.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire) || self.origin.is_closed()
    }

    /// Something has changed: does what is to be done, or leaves word that there is more.
    pub(crate) fn look_again(&self) {
        if let Some(mut held) = self.baton.take_or_ask() {
            self.serve(&mut held);
            self.let_go(held);
        }
    }

    /// Lets the baton go, serving as long as somebody asked for it.
    fn let_go(&self, mut held: Held<'_, State>) {
        loop {
            let remains = std::mem::take(&mut held.remains);
            match held.let_go() {
                None => return drop(remains),
                Some(again) => {
                    held = again;
                    self.serve(&mut held);
                    // With those to come: the baton is ours still.
                    held.remains.add(remains);
                }
            }
        }
    }

    /// Does what is to be done.
    fn serve(&self, state: &mut State) {
        if self.abandoned.load(Ordering::Acquire) {
            self.end(state);
        }
        if let Some(stream) = state.incoming.take() {
            self.open(state, stream, false);
        }
        let readiness = self.readiness.swap(0, Ordering::Acquire);
        if let Some(wire) = &mut state.wire {
            wire.note(readiness & READABLE != 0, readiness & WRITABLE != 0, readiness & HUNG_UP != 0);
        }
        if readiness & VISITED != 0 && std::mem::take(&mut state.has_chores) {
            self.tend(state);
        }
        match self.serve_shared(state, readiness) {
            Ok(false) => {}
            Ok(true) => return self.set_alarm(state),
            Err(loss) => self.lose(state, loss),
        }
        match state.phase {
            Phase::Over => {}
            Phase::Dialing => {
                self.serve_dialing(state);
                self.set_alarm(state);
                if state.phase == Phase::Open {
                    // It speaks first: a peer that has not accepted yet learns of us by what it gets.
                    self.serve_open(state);
                }
            }
            Phase::Open => _ = self.serve_open(state),
        }
    }

    fn serve_dialing(&self, state: &mut State) {
        if self.is_left(state) && !self.lingers(state) {
            return self.end(state);
        }
        self.dial(state);
    }

    /// Reads, writes, and draws conclusions. Tells whether anything came in.
    pub(super) fn serve_open(&self, state: &mut State) -> bool {
        let read = self.read(state);
        let (came, read) = match read {
            Ok(came) => (came, Ok(())),
            Err(loss) => (false, Err(loss)),
        };
        let left = self.is_left(state);
        if left && !self.lingers(state) {
            self.end(state);
            return came;
        }
        let result = read.and_then(|()| self.write(state)).and_then(|()| self.conclude(state, left));
        if let Err(loss) = result.or_else(|loss| self.mourns(state, loss)) {
            self.lose(state, loss);
        }
        self.set_alarm(state);
        came
    }

    /// Is the stream of no more use?
    fn conclude(&self, state: &mut State, left: bool) -> Result<(), Loss> {
        let is_idle = !self.has_messages(state);
        let Some(wire) = &mut state.wire else { return Ok(()) };
        if let Some(loss) = wire.over() {
            return Err(loss);
        }
        if left && is_idle && wire.is_flushed() && wire.shut() {
            // The kernel has all of it. Who does not even read the end of it is not waited for as long as one with something
            // to be sent to: its queue may be full for good.
            let farewell = Instant::now() + FAREWELL;
            let until = state.until.and_then(|Deadline(until)| until);
            state.until = Some(Deadline(Some(until.map_or(farewell, |until| until.min(farewell)))));
        }
        Ok(())
    }

    /// Has the socket closed its end, or no use for a peer to come?
    fn is_left(&self, state: &State) -> bool {
        match &state.link {
            Some(link) => link.is_left() || self.is_retired() && !link.is_met(),
            None => self.is_retired(),
        }
    }

    /// Is there something to be sent?
    fn has_messages(&self, state: &mut State) -> bool {
        let is_loading = |wire: &Wire| wire.shared.as_ref().is_some_and(|shared| shared.lane.is_loading());
        !state.flight.is_empty()
            || state.link.as_mut().is_some_and(|link| link.end().ready())
            || state.wire.as_ref().is_some_and(|wire| is_loading(wire))
    }

    /// The socket has closed its end: is there still something to be sent, and time for it?
    fn lingers(&self, state: &mut State) -> bool {
        let linger = self.origin.near.linger();
        let Deadline(until) = *state.until.get_or_insert_with(|| Deadline(Instant::now().checked_add(linger)));
        if linger.is_zero() || until.is_some_and(|until| until <= Instant::now()) {
            return false;
        }
        let is_met = state.link.as_ref().is_some_and(Link::is_met);
        let has_messages = self.has_messages(state);
        // A stream with nothing to send is still closed in good order.
        has_messages || state.phase == Phase::Open && is_met
    }

    /// Takes `stream` into use.
    pub(super) fn open(&self, state: &mut State, stream: ByteStream, is_registered: bool) {
        let config = self.origin.config(&stream).clone();
        match Wire::new(stream, &config, &self.reactor, self.id, is_registered) {
            Ok(wire) => {
                if let Some(link) = &state.link {
                    link.tie().set_stage(Stage::Handshaking);
                }
                state.wire = Some(Box::new(wire));
                state.phase = Phase::Open;
            }
            Err(error) => self.fail(state, "unknown".into(), HandshakeFailure::of(&error), None),
        }
    }

    /// The handshake is done, and all agreed on: `peer` is there. Messages go by what is `agreed`, or else over the stream.
    pub(super) fn meet(
        &self,
        state: &mut State,
        peer: &zmtp::Peer,
        agreed: Result<Agreed, UpgradeFailure>,
    ) -> Result<(), Loss> {
        let Some(me) = self.me.upgrade() else { return Err(Loss::Here) };
        if let Err(failure) = &agreed
            && self.origin.options.shared_memory == SharedMemory::Require
            && matches!(self.endpoint, Endpoint::Ipc(_))
        {
            return Err(Loss::Unshared(*failure));
        }
        if self.is_retired() && state.link.is_none() {
            return Err(Loss::Here);
        }
        let address = state.wire.as_ref().map_or_else(Box::default, |wire| wire.stream().peer_address().into());
        *self.peer.lock() = Some(Arc::new(terms::metadata(peer, address)));
        let descriptor = state.wire.as_ref().and_then(|wire| wire.stream().descriptor());
        let link = match (state.link.take(), &state.dial) {
            (Some(link), _) => link.meet(peer, &me, descriptor),
            (None, Some(dial)) => {
                let (link, joined) = Link::ahead(&self.origin, self.endpoint.clone(), dial.peer_name());
                state.remains.joined.push(joined);
                link.meet(peer, &me, descriptor)
            }
            (None, None) => {
                self.origin.know(self.number);
                let (link, joined) = Link::accepted(&self.origin, self.endpoint.clone(), peer, &me, descriptor);
                state.remains.joined.push(joined);
                link
            }
        };
        link.tie().set_stage(Stage::There);
        let number = link.tie().number();
        *self.tie.lock() = Some(link.tie().clone());
        state.link = Some(link);
        state.subscribed = 0;
        if let Some(dial) = &mut state.dial {
            dial.arrived();
        }
        self.origin.tell(|| EventKind::HandshakeSucceeded {
            endpoint: self.endpoint.clone(),
            peer: PeerId::new(number),
            local: state.wire.as_ref().map_or_else(String::new, |wire| wire.stream().own_label()).into(),
            remote: state.wire.as_ref().map_or_else(String::new, |wire| wire.stream().peer_label()).into(),
            descriptor,
        });
        let State { wire: Some(wire), link: Some(link), flight, .. } = &mut *state else { return Ok(()) };
        wire.met();
        let hello = self.origin.profile.hello.clone();
        if hello.is_some() {
            self.origin.near.count_hello();
        }
        match agreed {
            Ok(agreed) => {
                let grows = wire.zmtp().grows();
                let shared = Shared::begin(agreed, &me, link.settled(flight.held()), grows).map_err(Loss::System)?;
                link.tie().set_ring_size(shared.ring_size());
                *self.lane.lock() = Some(shared.lane.clone());
                link.share(shared.lane.clone(), hello, &self.origin.near);
                wire.shared = Some(Box::new(shared));
                phase::reach("agreed");
                self.origin.tell(|| EventKind::Upgraded { endpoint: self.endpoint.clone(), peer: PeerId::new(number) });
            }
            Err(reason) => {
                if let Some(hello) = &hello {
                    wire.zmtp().send(hello);
                }
                // What the last stream did not take, if the pipe has outlived one.
                flight.resend(wire.zmtp());
                if self.tells_of_upgrade() {
                    let endpoint = self.endpoint.clone();
                    self.origin.tell(|| EventKind::NotUpgraded { endpoint, peer: PeerId::new(number), reason });
                }
            }
        }
        Ok(())
    }

    /// Is it worth a word that memory is not shared? Over other roads it never is.
    fn tells_of_upgrade(&self) -> bool {
        matches!(self.endpoint, Endpoint::Ipc(_))
    }

    /// The way by shared memory is over, because the stream is. What the peer has not taken, and will not, goes as what a
    /// stream has not taken.
    fn unshare(&self, state: &mut State, wire: &mut Wire) {
        let Some(mut shared) = wire.shared.take() else { return };
        shared.close(&self.reactor);
        let leftover = shared.lane.retire(shared.is_peer_gone());
        self.counts.add(&shared.lane);
        *self.lane.lock() = None;
        let Some(link) = &mut state.link else { return state.remains.messages.extend(leftover.messages) };
        link.count_lost(Lost { undelivered: leftover.lost, unread: 0 });
        link.unshare(leftover.direct);
        state.flight.restore(leftover.messages.into_iter());
        link.settle(state.flight.held());
        light_fence();
        link.tie().tell_producer(link.side());
    }

    /// Before the stream is given up for `loss`: if that is because its process died, which the system has not said yet, waits
    /// for that.
    pub(super) fn mourns(&self, state: &mut State, loss: Loss) -> Result<(), Loss> {
        if let Some(shared) = state.wire.as_mut().and_then(|wire| wire.shared.as_mut())
            && matches!(loss, Loss::Closed | Loss::System(_))
            && !shared.is_peer_gone()
        {
            shared.mourning.get_or_insert_with(|| (loss, Instant::now() + MOURNING));
            return Ok(());
        }
        Err(loss)
    }

    /// What there is to be done because messages go by shared memory. True: the stream has ended, and nothing else is to be done.
    fn serve_shared(&self, state: &mut State, readiness: u32) -> Result<bool, Loss> {
        let State { wire: Some(wire), link: Some(link), .. } = &mut *state else { return Ok(false) };
        let Some(shared) = &mut wire.shared else { return Ok(false) };
        let heard = if readiness & RUNG != 0 { shared.drain() } else { Some(false) };
        if heard.is_none() {
            // The peer has closed it, or does what none of ours would.
            wire.note(true, false, true);
        }
        let Some(shared) = &mut wire.shared else { return Ok(false) };
        // Not for nothing: who is about to sleep has the knocks taken first, and would be kept awake.
        if heard != Some(false) || readiness & DEAD != 0 {
            full_fence();
            link.tie().tell_consumer(link.side());
            link.tie().tell_producer(link.side());
        }
        if let Some((loss, until)) = shared.mourning.take() {
            if shared.is_peer_gone() || Instant::now() >= until {
                return Err(loss);
            }
            shared.mourning = Some((loss, until));
            return Ok(true);
        }
        if let Some(fault) = shared.lane.fault() {
            return Err(Loss::Segment(fault));
        }
        if readiness & DEAD != 0 {
            return Err(Loss::Closed);
        }
        shared.lane.set_recv_hwm(self.origin.near.options().recv_hwm);
        Ok(false)
    }

    /// One of the descriptors beside the stream has something to tell.
    pub(super) fn note(&self, bit: u32) {
        self.readiness.fetch_or(bit, Ordering::Release);
        self.look_again();
    }

    /// The stream is lost.
    pub(super) fn lose(&self, state: &mut State, loss: Loss) {
        let Some(mut wire) = state.wire.take() else { return };
        let is_met = wire.is_ready();
        self.take_flight_back(state, &wire);
        self.unshare(state, &mut wire);
        let remote = if is_met { Box::default() } else { wire.stream().peer_label().into() };
        let descriptor = wire.stream().descriptor();
        self.close(state, *wire);
        if self.is_left(state) {
            let has_messages = self.has_messages(state);
            // What is left may still go with the next stream, in the time there is.
            if state.dial.is_none() || !has_messages || !self.survives() {
                return self.end(state);
            }
        }
        if is_met {
            self.part(state, loss.reason(), descriptor);
        } else {
            self.fail(state, remote, loss.failure(), descriptor);
        }
    }

    /// What was in the outbox of a stream that is lost is in none now. What may have been the reason is given up.
    fn take_flight_back(&self, state: &mut State, wire: &Wire) {
        let Some(given_up) = state.flight.take_back(wire.outbox()) else { return };
        state.remains.messages.push(given_up);
        if let Some(link) = &mut state.link {
            link.count_lost(Lost { undelivered: 1, unread: 0 });
            link.end().publish_all_but(state.flight.held());
            light_fence();
            link.tie().tell_producer(link.side());
        }
    }

    /// A peer that was there is not any more.
    fn part(&self, state: &mut State, reason: DisconnectReason, descriptor: Option<i32>) {
        if state.dial.is_none() {
            if let Some(link) = &state.link {
                link.tie().part(reason);
            }
            self.give_back_unsent(state);
            return self.end(state);
        }
        self.origin.near.links().count_reconnect();
        if self.is_retired() && !self.survives() {
            return self.end(state);
        }
        if self.survives() {
            if let Some(link) = &state.link {
                link.tie().set_stage(Stage::Lost);
                let peer = PeerId::new(link.tie().number());
                self.origin.tell(|| EventKind::Disconnected {
                    endpoint: self.endpoint.clone(),
                    peer,
                    reason,
                    descriptor,
                });
            }
        } else {
            self.renew(state, reason);
        }
        self.retry(state, ConnectFailure::Disconnected(reason));
    }

    /// A stream led to no peer.
    fn fail(&self, state: &mut State, remote: Box<str>, failure: HandshakeFailure, descriptor: Option<i32>) {
        self.origin.near.links().count_failed_handshake();
        if let Some(link) = &state.link {
            link.tie().set_stage(if link.is_met() { Stage::Lost } else { Stage::There });
        }
        self.origin.tell(|| EventKind::HandshakeFailed {
            endpoint: self.endpoint.clone(),
            remote,
            reason: failure,
            descriptor,
        });
        if state.dial.is_some() {
            self.retry(state, ConnectFailure::Handshake(failure));
        } else {
            self.end(state);
        }
    }

    /// Do messages queued outlive the stream?
    fn survives(&self) -> bool {
        self.origin.near.socket_type().survives() && !self.origin.options.immediate
    }

    /// Puts a new pipe in the place of the one there was, whose peer has left.
    fn renew(&self, state: &mut State, reason: DisconnectReason) {
        let old = state.link.take();
        if !self.origin.options.immediate
            && let Some(dial) = &state.dial
        {
            let (link, joined) = Link::ahead(&self.origin, self.endpoint.clone(), dial.peer_name());
            state.remains.joined.push(joined);
            *self.tie.lock() = Some(link.tie().clone());
            state.link = Some(link);
        }
        if let Some(old) = old {
            old.tie().part(reason);
            self.bury(state, old);
        }
    }

    /// What the socket had sent to a peer that is gone, and that peer was not given, goes to the next one where the pattern
    /// does not mind.
    fn give_back_unsent(&self, state: &mut State) {
        if !self.origin.near.socket_type().survives_anywhere() {
            return;
        }
        let Some(link) = &mut state.link else { return };
        link.close_queue();
        let (given, mut queued): (Vec<Message>, _) = (state.flight.drain().collect(), Vec::new());
        let mut place = Message::new();
        while link.end().pop_into(&mut place) {
            queued.push(std::mem::take(&mut place));
        }
        link.end().publish();
        if !given.is_empty() || !queued.is_empty() {
            let lost = self.origin.near.take_back(given, queued, link.has_shared());
            link.count_lost(Lost { undelivered: lost.len() as u64, unread: 0 });
            state.remains.messages.extend(lost);
        }
    }

    /// Lets go of a pipe, and counts what is lost with it.
    fn bury(&self, state: &mut State, link: Link) {
        link.count_lost(Lost { undelivered: state.flight.len(), unread: 0 });
        state.remains.messages.extend(state.flight.drain());
        state.remains.ends.push(link.into_end());
    }

    /// Closes the stream.
    fn close(&self, state: &mut State, wire: Wire) {
        wire.close(&self.reactor);
        // The loan ends with the stream; the list hears of it at the next inspection.
        state.is_on_loan = false;
        // Who slept on it wakes to another pipe, and will not say that it watches no more.
        self.is_watched.store(false, Ordering::SeqCst);
    }

    /// The session is over.
    pub(super) fn end(&self, state: &mut State) {
        if state.phase == Phase::Over {
            return;
        }
        state.phase = Phase::Over;
        self.is_over.store(true, Ordering::Release);
        if let Some(mut wire) = state.wire.take() {
            self.take_flight_back(state, &wire);
            self.unshare(state, &mut wire);
            self.close(state, *wire);
        }
        if let Some(link) = state.link.take() {
            self.bury(state, link);
        }
        if state.dial.take().is_none() {
            self.origin.dismiss();
            self.origin.know(self.number);
        }
        *self.tie.lock() = None;
        self.reactor.remove(self.id);
        state.remains.is_over = Some(OneLess(self.origin.clone()));
    }

    /// Has the reactor call when there is something to do by the clock.
    fn set_alarm(&self, state: &mut State) {
        if let Some(due) = self.due(state)
            && state.alarm.is_none_or(|alarm| due < alarm)
        {
            state.alarm = Some(due);
            self.reactor.set_alarm(self.id, Some(due));
        }
    }

    /// When there is something to do by the clock.
    fn due(&self, state: &State) -> Option<Instant> {
        if state.phase == Phase::Over {
            return None;
        }
        let linger = state.until.and_then(|Deadline(until)| until);
        let dial = state.dial.as_ref().filter(|_| state.phase == Phase::Dialing).and_then(|dial| dial.due());
        let wire = state.wire.as_ref().and_then(|wire| wire.due());
        let mourning = state.wire.as_ref().and_then(|wire| wire.shared.as_ref()?.mourning.as_ref());
        let mourning = mourning.map(|(_, until)| *until);
        [linger, dial, wire, mourning].into_iter().flatten().min()
    }

    /// Reading is a receiver's from now on, if it can be.
    fn lend(&self, state: &mut State) {
        if let Some(wire) = &mut state.wire
            && !state.is_on_loan
            && match &mut wire.shared {
                Some(shared) => {
                    shared.lend(&self.reactor);
                    true
                }
                None => wire.lend(&self.reactor, self.id),
            }
        {
            state.is_on_loan = true;
            self.list();
        }
    }

    /// Reading is the reactor's again.
    fn take_back(&self, state: &mut State) {
        if let Some(wire) = &mut state.wire
            && state.is_on_loan
        {
            state.is_on_loan = false;
            match &mut wire.shared {
                Some(shared) => _ = shared.take_back(&self.reactor),
                None => wire.take_back(&self.reactor, self.id),
            }
        }
    }

    /// Has the reactor inspect it in a while.
    pub(super) fn list(&self) {
        if !self.is_listed.swap(true, Ordering::SeqCst) {
            self.reactor.lend(self.id);
        }
    }
}

impl Remains {
    fn add(&mut self, others: Self) {
        self.messages.extend(others.messages);
        self.ends.extend(others.ends);
        self.joined.extend(others.joined);
        self.is_over = self.is_over.take().or(others.is_over);
    }
}

/// How long a peer may take to close when it has been sent everything: many round trips, and not a time a program that ends
/// would be said to hang for.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the reactor tells, as bits.
const READABLE: u32 = 1;
const WRITABLE: u32 = 2;
const HUNG_UP: u32 = 4;
/// The peer has knocked.
pub(super) const RUNG: u32 = 8;
/// Its process has died.
pub(super) const DEAD: u32 = 16;
/// It has come because somebody asked it to.
const VISITED: u32 = 32;
