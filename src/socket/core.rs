//! What every socket has, whatever its pattern: endpoints, waiting, counters, the end.

#![forbid(unsafe_code)]

use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant},
};

use super::{
    admission::Admission,
    attachments::{Attachments, tell_bind_failure},
    counters::Counters,
    error::{BindError, ConnectError, DetachError, RecvError, SendError, SendFailure},
    interest::{Interest, Readiness},
    loan::Lent,
    options::Options,
    pattern::{Pattern, Receiving, Sending},
    permit::Place,
    watch::{Beckons, Content, Ready, Told},
};
use crate::{
    Context, ContextClosed, Endpoint, EndpointError, Frame, Message,
    context::Membership,
    message::Draft,
    monitor::{BindFailure, Monitor, PeerId, PeerInfo, PeerMetadata},
    pipe::{Crew, Hub, HubOptions, Key, Profile},
    reactor::Reactor,
    sync::{Arc, Ordering},
    wait::{Awaited, GaveUp, Rest, Signal, WaitPolicy, Waiter, Watched},
};

/// A socket, whatever its pattern: the pattern's decisions, and all that is the same around them.
#[derive(Debug)]
pub(crate) struct Core<P: Pattern> {
    pattern: P,
    /// The crew's hub, here once more so that a wait can borrow both.
    hub: Arc<Hub>,
    crew: Crew,
    sending: Waiter,
    receiving: Waiter,
    send_timeout: Option<Duration>,
    recv_timeout: Option<Duration>,
    linger: Duration,
    monitor_capacity: usize,
    attachments: Attachments,
    /// The reactor this socket's calls turn, if no thread does.
    driven: Option<Reactor>,
    /// What calls have told of its readiness and no watcher has been asked about yet.
    told: Told,
    membership: Membership,
}

impl<P: Pattern> Core<P> {
    pub(crate) fn new(context: &Context, options: &Options) -> Result<Self, ContextClosed> {
        let hub_options =
            HubOptions { send_hwm: options.send_hwm, recv_hwm: options.recv_hwm, seats: P::TYPE.peers_max() };
        let (membership, hub) = context.join(Self::profile(options), hub_options)?;
        hub.set_linger(options.linger);
        if Self::sends_unasked(options) {
            hub.set_sends_unasked();
        }
        let mut crew = Crew::new(hub.clone(), P::OUTWARD);
        Ok(Self {
            pattern: P::new(options, &mut crew),
            crew,
            hub,
            sending: waiter(options),
            receiving: waiter(options),
            send_timeout: options.send_timeout,
            recv_timeout: options.recv_timeout,
            linger: options.linger,
            monitor_capacity: options.monitor_capacity,
            attachments: Attachments::new(options.stream.clone()),
            driven: None,
            told: Told::default(),
            membership,
        })
    }

    /// What peers see of a socket with `options`.
    fn profile(options: &Options) -> Profile {
        Profile {
            socket_type: P::TYPE,
            routing_id: options.routing_id.clone(),
            hello: options.hello.clone(),
            conflates: options.conflates,
        }
    }

    fn sends_unasked(options: &Options) -> bool {
        options.hello.is_some() || options.publishing.sends_unasked()
    }

    // Endpoints.

    pub(crate) fn bind(&mut self, endpoint: Result<Endpoint, EndpointError>) -> Result<(), BindError> {
        let endpoint = endpoint?.bindable()?;
        if self.hub.is_terminated() {
            return Err(tell_bind_failure(&self.hub, endpoint, BindFailure::ContextClosed));
        }
        let result = self.attachments.bind(endpoint.clone(), &self.membership, &self.hub);
        self.driven = self.membership.streams().driven().cloned();
        result.map_err(|reason| tell_bind_failure(&self.hub, endpoint, reason))
    }

    pub(crate) fn connect(&mut self, endpoint: Result<Endpoint, EndpointError>) -> Result<(), ConnectError> {
        self.connect_to(Frame::new(), endpoint)
    }

    /// Connects to a peer that this socket calls `peer_name`, or nothing if that is empty.
    pub(crate) fn connect_to(
        &mut self,
        peer_name: Frame,
        endpoint: Result<Endpoint, EndpointError>,
    ) -> Result<(), ConnectError> {
        let endpoint = endpoint?.connectable()?;
        if self.hub.is_terminated() {
            return Err(ConnectError::ContextClosed);
        }
        let result = self.attachments.connect(endpoint, peer_name, &self.membership, &self.hub);
        self.driven = self.membership.streams().driven().cloned();
        result?;
        self.crew.sync();
        self.attachments.forget_old();
        Ok(())
    }

    pub(crate) fn unbind(&mut self, endpoint: Result<Endpoint, EndpointError>) -> Result<(), DetachError> {
        self.attachments.unbind(&endpoint?, &self.membership, &self.hub)
    }

    pub(crate) fn disconnect(&mut self, endpoint: Result<Endpoint, EndpointError>) -> Result<(), DetachError> {
        self.attachments.disconnect(&endpoint?, &self.membership, &self.hub, &mut self.crew)
    }

    pub(crate) fn last_endpoint(&self) -> Option<Endpoint> {
        self.attachments.last().cloned()
    }

    // The rest.

    /// Would a call that receives return at once?
    pub(crate) fn is_readable(&mut self) -> bool {
        // The hub knows of the end at once. The crew only hears of it if the pattern has looked at it, which a REQ that has
        // asked nothing does not.
        self.pattern.is_readable(&mut self.crew) || self.hub.is_terminated()
    }

    /// As [`is_readable`](Self::is_readable), asked by the application: where no thread looks after the streams, it does once
    /// before the answer is no.
    pub(crate) fn can_recv(&mut self) -> bool {
        let is_there = self.is_readable() || (self.turn_once() && self.is_readable());
        if !is_there {
            self.told.none_of(Interest::READABLE);
        }
        is_there
    }

    /// Would a call that sends succeed at once? Asked by the application, as [`can_recv`](Self::can_recv).
    pub(crate) fn can_send(&mut self) -> bool {
        let is_there =
            self.pattern.is_writable(&mut self.crew) || (self.turn_once() && self.pattern.is_writable(&mut self.crew));
        if !is_there && self.pattern.needs_only_room() {
            self.told.none_of(Interest::WRITABLE);
        }
        is_there
    }

    /// Would a call that sends return at once?
    pub(crate) fn is_writable(&mut self) -> bool {
        self.pattern.is_writable(&mut self.crew) || self.hub.is_terminated()
    }

    /// Which of `interest` there is, asked by the application. Where no thread looks after the streams, it does once first.
    pub(crate) fn answer(&mut self, interest: Interest) -> Interest {
        // Always: there may be something to do for the streams though nothing is missing, and who asks may sleep until there
        // is nothing.
        self.turn_once();
        let found = self.readiness(interest).as_interest();
        let mut missing = interest.without(found);
        if !self.pattern.needs_only_room() {
            missing = missing.without(Interest::WRITABLE);
        }
        self.told = Told { of: interest, missing };
        found
    }

    /// The reactor of a context without threads, for somebody who sleeps in this socket's place.
    ///
    /// # Errors
    /// There is none yet, and the system has no descriptors left for one.
    pub(crate) fn to_drive(&self) -> io::Result<Option<Reactor>> {
        self.membership.streams().to_drive()
    }

    /// Turns the reactor, if no thread does. Otherwise false.
    fn turn_once(&self) -> bool {
        let Some(reactor) = &self.driven else { return false };
        reactor.turn(Some(Duration::ZERO));
        true
    }

    /// The pattern and what it works on, for what only this pattern does.
    pub(crate) fn parts(&mut self) -> (&mut P, &mut Crew) {
        (&mut self.pattern, &mut self.crew)
    }

    pub(crate) fn pattern(&self) -> &P {
        &self.pattern
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Waits until `look` answers, as a call that receives does.
    pub(crate) fn wait_for<R>(
        &mut self,
        until: Until,
        look: impl FnMut(&mut P, &mut Crew) -> Option<R>,
    ) -> Result<R, RecvError> {
        let result = self.wait_for_answer(until, look);
        self.tell_receiving(result.as_ref().err().copied());
        result
    }

    fn wait_for_answer<R>(
        &mut self,
        until: Until,
        look: impl FnMut(&mut P, &mut Crew) -> Option<R>,
    ) -> Result<R, RecvError> {
        let deadline = until.deadline(self.recv_timeout);
        let mut awaited =
            Arrival { pattern: &mut self.pattern, crew: &mut self.crew, driven: self.driven.as_ref(), turns: 0, look };
        let Some(deadline) = deadline else {
            drive(awaited.driven, &mut awaited.turns);
            return (awaited.look)(awaited.pattern, awaited.crew).ok_or(RecvError::Empty);
        };
        loop {
            let alarm = awaited.pattern.alarm();
            let nearest = [deadline, alarm].into_iter().flatten().min();
            match self.receiving.wait(self.hub.signal(), nearest, &mut awaited) {
                Ok(ready) => return ready,
                Err(GaveUp::Interrupted) => return Err(RecvError::Interrupted),
                Err(GaveUp::TimedOut) => {}
            }
            // Only the alarm, unless the deadline has passed too: the look the next wait begins with answers it.
            if alarm.is_none() || deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(RecvError::TimedOut);
            }
        }
    }

    /// Takes over what `options` say and a socket can change.
    pub(crate) fn reconfigure(&mut self, options: &Options) {
        if self.hwm() != (options.send_hwm, options.recv_hwm) {
            self.set_hwm(Some(options.send_hwm), Some(options.recv_hwm));
        }
        self.set_wait(options.wait);
        self.set_interruptible(options.interruptible);
        self.set_linger(options.linger);
        (self.send_timeout, self.recv_timeout) = (options.send_timeout, options.recv_timeout);
        self.monitor_capacity = options.monitor_capacity;
        // First: what is sent unasked from now on is looked at.
        if Self::sends_unasked(options) {
            self.hub.set_sends_unasked();
        }
        let profile = Self::profile(options);
        if profile != *self.hub.profile() {
            self.hub.set_profile(profile);
        }
        self.attachments.set_options(&options.stream, &self.hub);
        self.pattern.reconfigure(options, &mut self.crew);
    }

    pub(crate) fn last_sender(&self) -> Option<PeerId> {
        self.crew.last_sender()
    }

    pub(crate) fn peer_metadata(&self, peer: PeerId) -> Option<PeerMetadata> {
        self.hub.peer_metadata(peer)
    }

    /// Takes note of what a call that receives tells with `error`.
    fn tell_receiving(&mut self, error: Option<RecvError>) {
        match error {
            Some(RecvError::Empty | RecvError::TimedOut) => self.told.none_of(Interest::READABLE),
            Some(RecvError::ContextClosed) => self.tell_closed(),
            _ => {}
        }
    }

    /// Takes note of what a call that sends tells with `failure`.
    fn tell_sending(&mut self, failure: Option<SendFailure>) {
        match failure {
            Some(SendFailure::Full | SendFailure::NoPeer | SendFailure::TimedOut) => {
                self.told.none_of(Interest::WRITABLE);
            }
            Some(SendFailure::ContextClosed) => self.tell_closed(),
            _ => {}
        }
    }

    /// Nothing is missing any more, nor will be.
    fn tell_closed(&mut self) {
        self.told = Told { of: Interest::BOTH, missing: Interest::NONE };
    }

    pub(crate) fn monitor(&self) -> Monitor {
        self.hub.monitor(self.monitor_capacity, self.attachments.listening())
    }

    pub(crate) fn peer_list(&self) -> Vec<PeerInfo> {
        self.hub.peer_list()
    }

    /// Peers this socket has a pipe to, seen by its application or not.
    pub(crate) fn peers(&self) -> usize {
        self.hub.peers()
    }

    pub(crate) fn set_hwm(&mut self, send: Option<u32>, recv: Option<u32>) {
        self.hub.set_hwm(send, recv);
    }

    pub(crate) fn hwm(&self) -> (u32, u32) {
        let options = self.hub.options();
        (options.send_hwm, options.recv_hwm)
    }

    pub(crate) fn set_wait(&mut self, policy: WaitPolicy) {
        self.sending.set_policy(policy);
        self.receiving.set_policy(policy);
    }

    pub(crate) fn set_interruptible(&mut self, interruptible: bool) {
        self.sending.set_interruptible(interruptible);
        self.receiving.set_interruptible(interruptible);
    }

    pub(crate) fn set_linger(&mut self, linger: Duration) {
        self.linger = linger;
        self.hub.set_linger(linger);
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters::of(&self.hub, self.crew.conflated(), self.sending.counters(), self.receiving.counters())
    }
}

impl<P: Sending> Core<P> {
    /// Sends `message` and leaves nothing in it; on failure it is unchanged.
    #[inline(always)]
    pub(crate) fn send_by(&mut self, message: &mut Message, until: Until) -> Result<(), SendFailure> {
        if message.is_empty() {
            return Err(SendFailure::NoFrames);
        }
        match self.pattern.send(&mut self.crew, message) {
            Ok(()) => Ok(()),
            Err(failure) => self.send_slow(failure, message, until),
        }
    }

    #[cold]
    #[inline(never)]
    fn send_slow(&mut self, failure: SendFailure, message: &mut Message, until: Until) -> Result<(), SendFailure> {
        self.wait_for_room(failure, until, |pattern, crew| pattern.send(crew, message))
    }

    /// The pipe the next message goes to, waiting for one as long as `until` says.
    #[inline(always)]
    pub(crate) fn reserve_by(
        &mut self,
        until: Until,
        mut reserve: impl FnMut(&mut P, &mut Crew) -> Result<Key, SendFailure>,
    ) -> Result<Place, SendFailure> {
        let key = match reserve(&mut self.pattern, &mut self.crew) {
            Ok(key) => key,
            Err(failure) => self.wait_for_room(failure, until, reserve)?,
        };
        Ok(Place { key, number: self.crew.number(key) })
    }

    /// Sends to the pipe that was reserved.
    pub(crate) fn commit(&mut self, place: Place, message: &mut Message) -> Result<(), SendFailure> {
        if message.is_empty() {
            return Err(SendFailure::NoFrames);
        }
        if !self.is_there(place) {
            return Err(SendFailure::PeerLeft);
        }
        self.pattern.commit(&mut self.crew, place.key, message)
    }

    /// Has the pipe that was reserved not gone, and its key become another's? Somebody who watches the socket may have had it
    /// look.
    #[inline(always)]
    fn is_there(&self, place: Place) -> bool {
        !P::CHOOSES_AT_ONCE || place.number.is_some() && self.crew.number(place.key) == place.number
    }

    /// Room for a message of `len` bytes with the peer that `reserve` chooses, waiting as long as `until` says.
    pub(crate) fn loan_by(
        &mut self,
        len: usize,
        until: Until,
        reserve: impl FnMut(&mut P, &mut Crew) -> Result<Key, SendFailure>,
    ) -> Result<(Place, Lent), SendFailure> {
        let place = self.reserve_by(until, reserve)?;
        let lent = match self.pattern.lend(&mut self.crew, place.key, len) {
            Some(loaned) => Lent::InPlace(loaned),
            None => Lent::Apart(Draft::new(len).ok_or(SendFailure::OutOfMemory)?),
        };
        Ok((place, lent))
    }

    /// Sends what was written to `lent` to the pipe that was reserved.
    pub(crate) fn commit_loan(&mut self, place: Place, lent: Lent) -> Result<(), SendError> {
        let lent = match lent {
            Lent::InPlace(loaned) if self.is_there(place) => {
                let result = self.pattern.commit_loan(&mut self.crew, place.key, loaned);
                return result.map_err(|(reason, message)| SendError { message, reason });
            }
            lent => lent,
        };
        let mut message = lent.into_message().ok_or_else(|| SendError::of_nothing(SendFailure::OutOfMemory))?;
        self.commit(place, &mut message).map_err(|reason| SendError::returning(&mut message, reason))
    }

    /// Decides on a message by its `first` frame, waiting as long as `until` says.
    pub(crate) fn admit_by(&mut self, first: &Frame, until: Until) -> Result<Admission, SendFailure> {
        match self.pattern.admit(&mut self.crew, first) {
            Ok(admission) => Ok(admission),
            Err(failure) => self.wait_for_room(failure, until, |pattern, crew| pattern.admit(crew, first)),
        }
    }

    /// Sends `message`, which was admitted, and leaves nothing in it; on failure it is unchanged.
    pub(crate) fn send_admitted(&mut self, admission: Admission, message: &mut Message) -> Result<(), SendFailure> {
        if message.is_empty() {
            return Err(SendFailure::NoFrames);
        }
        self.crew.sync();
        if self.crew.is_terminated() {
            return Err(SendFailure::ContextClosed);
        }
        self.pattern.send_admitted(&mut self.crew, admission, message)
    }

    /// Sends all of `messages`, waiting for room as long as `until` says; what was not sent stays. Returns how many were
    /// sent, and why it stopped if some were not.
    pub(crate) fn send_batch_by(
        &mut self,
        messages: &mut VecDeque<Message>,
        until: Until,
    ) -> (usize, Result<(), SendFailure>) {
        if messages.iter().any(Message::is_empty) {
            return (0, Err(SendFailure::NoFrames));
        }
        let mut count = 0;
        let mut send = |pattern: &mut P, crew: &mut Crew| {
            let (sent, result) = pattern.send_batch(crew, messages);
            count += sent;
            // Some were sent: worth another look before sleeping, which begins a wait of its own.
            if sent > 0 { Ok(result.is_ok()) } else { result.map(|()| true) }
        };
        let result = loop {
            match send(&mut self.pattern, &mut self.crew) {
                Ok(true) => break Ok(()),
                Ok(false) => {}
                Err(failure) => match self.wait_for_room(failure, until, &mut send) {
                    Ok(true) => break Ok(()),
                    Ok(false) => {}
                    Err(failure) => break Err(failure),
                },
            }
        };
        (count, result)
    }

    /// Tries again until there is an answer other than `failure`, if that is one that waiting helps against.
    #[cold]
    #[inline(never)]
    fn wait_for_room<R>(
        &mut self,
        failure: SendFailure,
        until: Until,
        attempt: impl FnMut(&mut P, &mut Crew) -> Result<R, SendFailure>,
    ) -> Result<R, SendFailure> {
        let result = self.wait_for_success(failure, until, attempt);
        self.tell_sending(result.as_ref().err().copied());
        result
    }

    fn wait_for_success<R>(
        &mut self,
        failure: SendFailure,
        until: Until,
        mut attempt: impl FnMut(&mut P, &mut Crew) -> Result<R, SendFailure>,
    ) -> Result<R, SendFailure> {
        if !is_worth_waiting(failure) {
            return Err(failure);
        }
        self.crew.count_stall();
        let Some(deadline) = until.deadline(self.send_timeout) else {
            // Where no thread looks after the streams, the call does once.
            if !self.turn_once() {
                return Err(failure);
            }
            return attempt(&mut self.pattern, &mut self.crew);
        };
        let mut room =
            Room { pattern: &mut self.pattern, crew: &mut self.crew, driven: self.driven.as_ref(), turns: 0, attempt };
        match self.sending.wait(self.hub.signal(), deadline, &mut room) {
            Ok(result) => result,
            Err(GaveUp::TimedOut) => Err(SendFailure::TimedOut),
            Err(GaveUp::Interrupted) => Err(SendFailure::Interrupted),
        }
    }
}

impl<P: Receiving> Core<P> {
    #[inline(always)]
    pub(crate) fn recv_by(&mut self, until: Until) -> Result<Message, RecvError> {
        let mut message = Message::from(Frame::new());
        match self.pattern.receive(&mut self.crew, &mut message) {
            Ok(()) => {}
            Err(RecvError::Empty) => self.recv_slow(&mut message, until)?,
            Err(error) => return Err(error),
        }
        Ok(message)
    }

    #[inline(never)]
    fn recv_slow(&mut self, place: &mut Message, until: Until) -> Result<(), RecvError> {
        if self.crew.is_terminated() {
            self.tell_closed();
            return Err(RecvError::ContextClosed);
        }
        if let Until::Now = until {
            // Where no thread looks after the streams, the call does once.
            let result =
                if self.turn_once() { self.pattern.receive(&mut self.crew, place) } else { Err(RecvError::Empty) };
            self.tell_receiving(result.as_ref().err().copied());
            return result;
        }
        self.wait_for(until, |pattern, crew| match pattern.receive(crew, place) {
            Err(RecvError::Empty) => None,
            result => Some(result),
        })?
    }

    /// Receives up to `max` messages, waiting for the first as long as `until` says.
    pub(crate) fn recv_batch_by(
        &mut self,
        messages: &mut Vec<Message>,
        max: usize,
        until: Until,
    ) -> Result<usize, RecvError> {
        if max == 0 {
            return Ok(0);
        }
        match self.pattern.receive_batch(&mut self.crew, messages, max) {
            Err(RecvError::Empty) if self.crew.is_terminated() => {
                self.tell_closed();
                Err(RecvError::ContextClosed)
            }
            Err(RecvError::Empty) => {
                self.wait_for(until, |pattern, crew| match pattern.receive_batch(crew, messages, max) {
                    Err(RecvError::Empty) => None,
                    result => Some(result),
                })?
            }
            result => result,
        }
    }
}

/// For those who watch.
impl<P: Pattern> Ready for Core<P> {
    fn readiness(&mut self, interest: Interest) -> Readiness {
        Readiness {
            readable: interest.has_readable() && self.is_readable(),
            writable: interest.has_writable() && self.is_writable(),
        }
    }

    fn news(&mut self, awaited: Interest) -> Interest {
        let writable = |core: &mut Self| core.pattern.is_freed(&mut core.crew) || core.crew.is_terminated();
        Readiness {
            readable: awaited.has_readable() && self.is_readable(),
            writable: awaited.has_writable() && writable(self),
        }
        .as_interest()
    }

    fn is_particular(&self) -> bool {
        self.pattern.is_particular()
    }

    fn take_told(&mut self) -> Told {
        std::mem::take(&mut self.told)
    }

    fn want_room(&mut self) {
        self.pattern.want_room(&mut self.crew);
    }

    fn progress(&self) -> u64 {
        let flow = self.hub.flow();
        flow.messages_in.load(Ordering::Relaxed).wrapping_add(flow.messages_out.load(Ordering::Relaxed))
    }

    fn set_watched(&mut self, is_watched: bool) {
        self.crew.set_lending(!is_watched);
    }
}

impl<P: Pattern> Content for Core<P> {
    type Hub = Hub;

    fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }
}

impl Beckons for Hub {
    fn signal(&self) -> &Signal {
        Hub::signal(self)
    }
}

impl<P: Pattern> Drop for Core<P> {
    fn drop(&mut self) {
        self.pattern.close(&mut self.crew);
        self.attachments.unbind_all(&self.membership, &self.hub);
        // Our ends close; what peers have not taken yet stays with them, with the streams, or with the name nobody has bound
        // yet.
        self.crew.close();
        self.attachments.leave_all(&self.membership, self.linger);
        self.hub.lose_taken_back();
        self.hub.monitors().close();
    }
}

fn waiter(options: &Options) -> Waiter {
    let mut waiter = Waiter::new(options.wait);
    waiter.set_interruptible(options.interruptible);
    waiter
}

/// How long a call waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// Not at all.
    Now,
    /// As long as the socket's options say; for ever unless they do.
    AsSet,
    /// So long from the moment it begins to wait.
    After(Duration),
}

impl Until {
    /// When the wait that begins now ends, if ever; `None` if there is to be no wait. `set` is what the options say.
    ///
    /// A time the clock does not reach is for ever.
    fn deadline(self, set: Option<Duration>) -> Option<Option<Instant>> {
        match self {
            Self::Now => None,
            Self::AsSet => Some(set.and_then(|timeout| Instant::now().checked_add(timeout))),
            Self::After(timeout) => Some(Instant::now().checked_add(timeout)),
        }
    }
}

/// Something a call that receives waits for, or that there will be nothing.
struct Arrival<'a, P, F> {
    pattern: &'a mut P,
    crew: &'a mut Crew,
    driven: Option<&'a Reactor>,
    /// Looks so far.
    turns: u32,
    look: F,
}

impl<P: Pattern, R, F: FnMut(&mut P, &mut Crew) -> Option<R>> Awaited for Arrival<'_, P, F> {
    type Ready = Result<R, RecvError>;

    #[inline(always)]
    fn look(&mut self) -> Option<Self::Ready> {
        drive(self.driven, &mut self.turns);
        match (self.look)(self.pattern, self.crew) {
            Some(ready) => Some(Ok(ready)),
            None => self.crew.is_terminated().then_some(Err(RecvError::ContextClosed)),
        }
    }

    fn has_descriptors(&self) -> bool {
        self.driven.is_some() || self.crew.has_links()
    }

    fn watch(&mut self, watched: &mut Vec<Watched>) -> Rest {
        let may_sleep = self.crew.watch_links(watched);
        Rest { may_sleep, until: watch_reactor(self.driven, &mut self.turns, watched) }
    }

    fn announce(&mut self) -> bool {
        self.crew.before_sleep();
        let wants_room = self.pattern.receiving_wants_room();
        if wants_room {
            self.pattern.want_room(self.crew);
        }
        wants_room
    }

    fn withdraw(&mut self) {
        self.crew.unwatch_links();
        if self.pattern.receiving_wants_room() {
            self.pattern.want_no_room(self.crew);
        }
    }
}

/// That a message could be sent, or cannot ever.
struct Room<'a, P, F> {
    pattern: &'a mut P,
    crew: &'a mut Crew,
    driven: Option<&'a Reactor>,
    /// Looks so far.
    turns: u32,
    attempt: F,
}

impl<P: Pattern, R, F: FnMut(&mut P, &mut Crew) -> Result<R, SendFailure>> Awaited for Room<'_, P, F> {
    type Ready = Result<R, SendFailure>;

    fn look(&mut self) -> Option<Self::Ready> {
        drive(self.driven, &mut self.turns);
        match (self.attempt)(self.pattern, self.crew) {
            Err(failure) if is_worth_waiting(failure) => None,
            result => Some(result),
        }
    }

    fn announce(&mut self) -> bool {
        self.pattern.want_room(self.crew);
        true
    }

    fn has_descriptors(&self) -> bool {
        self.driven.is_some()
    }

    fn watch(&mut self, watched: &mut Vec<Watched>) -> Rest {
        Rest { may_sleep: true, until: watch_reactor(self.driven, &mut self.turns, watched) }
    }

    fn withdraw(&mut self) {
        self.pattern.want_no_room(self.crew);
    }
}

/// Where no thread does: turns the reactor on the first look of a wait, and on every so many.
#[inline(always)]
fn drive(driven: Option<&Reactor>, turns: &mut u32) {
    if let Some(reactor) = driven {
        if turns.is_multiple_of(LOOKS_PER_TURN) {
            reactor.turn(Some(Duration::ZERO));
        }
        *turns = turns.wrapping_add(1);
    }
}

/// A caller that sleeps in place of a reactor's thread is woken by what would wake that. Returns when it has to look again.
fn watch_reactor(driven: Option<&Reactor>, turns: &mut u32, watched: &mut Vec<Watched>) -> Option<Instant> {
    let reactor = driven?;
    // The look after this one is before the sleep, the next one after it.
    reactor.turn(Some(Duration::ZERO));
    *turns = LOOKS_PER_TURN - 1;
    watched.push(reactor.descriptor());
    reactor.next_alarm()
}

/// Looks at its sockets that a waiting caller makes for each look at all that a reactor looks after.
const LOOKS_PER_TURN: u32 = 16;

/// May the next attempt succeed by what others do?
fn is_worth_waiting(failure: SendFailure) -> bool {
    matches!(failure, SendFailure::Full | SendFailure::NoPeer)
}
