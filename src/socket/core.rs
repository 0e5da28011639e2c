//! What every socket has, whatever its pattern: endpoints, waiting, counters, the end.

#![forbid(unsafe_code)]

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    counters::Counters,
    error::{BindError, ConnectError, DetachError, RecvError, SendFailure},
    options::Options,
};
use crate::{
    Context, ContextClosed, Endpoint, EndpointError, Frame, Message, SocketType,
    context::Membership,
    pipe::{Crew, Hub, HubOptions, Key, Mute, Refusal, Tie},
    sync::Arc,
    wait::{Awaited, WaitPolicy, Waiter},
};

/// The part of a socket that is the same for all patterns.
#[derive(Debug)]
pub(crate) struct Core {
    socket_type: SocketType,
    /// The crew's hub, here once more so that a wait can borrow both.
    hub: Arc<Hub>,
    crew: Crew,
    sending: Waiter,
    receiving: Waiter,
    linger: Duration,
    bound: Vec<Endpoint>,
    connected: Vec<(Endpoint, Arc<Tie>)>,
    membership: Membership,
}

impl Core {
    pub(crate) fn new(context: &Context, socket_type: SocketType, options: &Options) -> Result<Self, ContextClosed> {
        let hub_options =
            HubOptions { send_hwm: options.send_hwm, recv_hwm: options.recv_hwm, seats: socket_type.peers_max() };
        let (membership, hub) = context.join(hub_options)?;
        Ok(Self {
            socket_type,
            crew: Crew::new(hub.clone()),
            hub,
            sending: Waiter::new(options.wait),
            receiving: Waiter::new(options.wait),
            linger: options.linger,
            bound: Vec::new(),
            connected: Vec::new(),
            membership,
        })
    }

    // Endpoints.

    pub(crate) fn bind(&mut self, endpoint: Result<Endpoint, EndpointError>) -> Result<(), BindError> {
        let endpoint = endpoint?;
        if self.hub.is_terminated() {
            return Err(BindError::ContextClosed);
        }
        let Endpoint::Inproc(name) = &endpoint;
        let bound = self.membership.names().bind(name, &self.hub, self.socket_type);
        bound.map_err(|_| BindError::AddrInUse)?;
        self.bound.push(endpoint);
        Ok(())
    }

    pub(crate) fn connect(&mut self, endpoint: Result<Endpoint, EndpointError>) -> Result<(), ConnectError> {
        let endpoint = endpoint?;
        if self.hub.is_terminated() {
            return Err(ConnectError::ContextClosed);
        }
        let Endpoint::Inproc(name) = &endpoint;
        let tie = self.membership.names().connect(name, &self.hub, self.socket_type);
        let tie = tie.map_err(|mismatch| ConnectError::Incompatible(mismatch.0))?;
        // Those whose peer has left are over; without this they would pile up in a socket that reconnects for ever.
        self.crew.sync();
        self.connected.retain(|(_, tie)| !tie.is_over());
        self.connected.push((endpoint, tie));
        Ok(())
    }

    pub(crate) fn unbind(&mut self, endpoint: Result<Endpoint, EndpointError>) -> Result<(), DetachError> {
        let endpoint = endpoint?;
        let place = self.bound.iter().position(|bound| *bound == endpoint).ok_or(DetachError::NotAttached)?;
        let Endpoint::Inproc(name) = self.bound.swap_remove(place);
        self.membership.names().unbind(&name, &self.hub);
        Ok(())
    }

    pub(crate) fn disconnect(&mut self, endpoint: Result<Endpoint, EndpointError>) -> Result<(), DetachError> {
        let endpoint = endpoint?;
        let ties: Vec<_> = self.connected.extract_if(.., |(connected, _)| *connected == endpoint).collect();
        if ties.is_empty() {
            return Err(DetachError::NotAttached);
        }
        // Those without a seat first: one of them could take the seat of a pipe that goes.
        ties.iter().for_each(|(_, tie)| drop(self.hub.leave_queue(tie)));
        self.crew.drop_pipes(|end| ties.iter().any(|(_, tie)| Arc::ptr_eq(tie, end.tie())));
        let Endpoint::Inproc(name) = &endpoint;
        ties.iter().for_each(|(_, tie)| self.membership.names().abandon(name, tie, Duration::ZERO));
        Ok(())
    }

    // Sending.

    /// Sends `message` and leaves nothing in it; on failure it is unchanged.
    #[inline(always)]
    pub(crate) fn send_by(&mut self, message: &mut Message, until: Until) -> Result<(), SendFailure> {
        if message.is_empty() {
            return Err(SendFailure::NoFrames);
        }
        loop {
            let key = self.reserve_by(until)?;
            match self.send_to(key, message) {
                // That peer has just left: the next one in turn.
                Err(SendFailure::PeerLeft) => {}
                result => return result,
            }
        }
    }

    /// The pipe the next message goes to, waiting for one as long as `until` says.
    #[inline(always)]
    pub(crate) fn reserve_by(&mut self, until: Until) -> Result<Key, SendFailure> {
        match self.crew.writable() {
            Ok(key) => Ok(key),
            Err(mute) => self.reserve_slow(mute, until),
        }
    }

    #[inline(always)]
    pub(crate) fn send_to(&mut self, key: Key, message: &mut Message) -> Result<(), SendFailure> {
        self.crew.send_to(key, message).map_err(|refusal| match refusal {
            Refusal::Closed | Refusal::Full => SendFailure::PeerLeft,
            Refusal::OutOfMemory => SendFailure::OutOfMemory,
        })
    }

    /// Sends all of `messages`, waiting for room as long as `until` says; what was not sent stays. Returns how many were
    /// sent, and why it stopped if some were not.
    pub(crate) fn send_batch_by(
        &mut self,
        messages: &mut VecDeque<Message>,
        until: Until,
    ) -> (usize, Result<(), SendFailure>) {
        let mut count = 0;
        loop {
            if messages.iter().any(Message::is_empty) {
                return (count, Err(SendFailure::NoFrames));
            }
            let (sent, result) = self.crew.send_batch(messages);
            count += sent;
            match result {
                Ok(()) => return (count, Ok(())),
                Err(mute) => {
                    if let Err(failure) = self.reserve_slow(mute, until) {
                        return (count, Err(failure));
                    }
                }
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn reserve_slow(&mut self, mute: Mute, until: Until) -> Result<Key, SendFailure> {
        let mute = match mute {
            Mute::Full | Mute::NoPeer => {
                self.crew.count_stall();
                match until {
                    Until::Now => mute,
                    Until::Deadline(deadline) => {
                        let room = self.sending.wait(self.hub.signal(), deadline, &mut Room(&mut self.crew));
                        match room {
                            Some(Ok(key)) => return Ok(key),
                            Some(Err(mute)) => mute,
                            None => return Err(SendFailure::TimedOut),
                        }
                    }
                }
            }
            other => other,
        };
        Err(match mute {
            Mute::Full => SendFailure::Full,
            Mute::NoPeer => SendFailure::NoPeer,
            Mute::OutOfMemory => SendFailure::OutOfMemory,
            Mute::Terminated => SendFailure::ContextClosed,
        })
    }

    // Receiving.

    #[inline(always)]
    pub(crate) fn recv_by(&mut self, until: Until) -> Result<Message, RecvError> {
        loop {
            let key = match self.crew.readable() {
                Some(key) => key,
                None => self.readable_slow(until)?,
            };
            let mut message = Message::from(Frame::new());
            // Always there: `readable` has just said so.
            if self.crew.receive_from(key, &mut message) {
                return Ok(message);
            }
        }
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
        let first = match self.crew.readable() {
            Some(key) => key,
            None => self.readable_slow(until)?,
        };
        Ok(self.crew.receive_batch(first, messages, max))
    }

    #[inline(never)]
    fn readable_slow(&mut self, until: Until) -> Result<Key, RecvError> {
        if self.crew.is_terminated() {
            return Err(RecvError::ContextClosed);
        }
        let Until::Deadline(deadline) = until else { return Err(RecvError::Empty) };
        let arrival = self.receiving.wait(self.hub.signal(), deadline, &mut Arrival(&mut self.crew));
        arrival.unwrap_or(Err(RecvError::TimedOut))
    }

    // The rest.

    /// Has this socket a peer it can send to at once?
    pub(crate) fn can_send(&mut self) -> bool {
        self.crew.writable().is_ok()
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

    pub(crate) fn set_linger(&mut self, linger: Duration) {
        self.linger = linger;
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters::of(&self.hub, self.sending.counters(), self.receiving.counters())
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        for endpoint in self.bound.drain(..) {
            let Endpoint::Inproc(name) = &endpoint;
            self.membership.names().unbind(name, &self.hub);
        }
        // Our ends close; what peers have not taken yet stays with them, or with the name nobody has bound yet.
        self.crew.close();
        for (endpoint, tie) in self.connected.drain(..) {
            let Endpoint::Inproc(name) = &endpoint;
            self.membership.names().abandon(name, &tie, self.linger);
        }
    }
}

/// How long a call waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// Not at all.
    Now,
    /// Until then, or for ever.
    Deadline(Option<Instant>),
}

impl Until {
    pub(crate) const FOREVER: Self = Self::Deadline(None);

    /// `timeout` from now; for ever if the clock does not reach that far.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self::Deadline(Instant::now().checked_add(timeout))
    }
}

/// A pipe with a message, or that there will be none.
struct Arrival<'a>(&'a mut Crew);

impl Awaited for Arrival<'_> {
    type Ready = Result<Key, RecvError>;

    #[inline(always)]
    fn look(&mut self) -> Option<Self::Ready> {
        match self.0.readable() {
            Some(key) => Some(Ok(key)),
            None => self.0.is_terminated().then_some(Err(RecvError::ContextClosed)),
        }
    }

    fn announce(&mut self) -> bool {
        self.0.before_sleep();
        false
    }
}

/// A pipe with room, or that there will be none.
struct Room<'a>(&'a mut Crew);

impl Awaited for Room<'_> {
    type Ready = Result<Key, Mute>;

    fn look(&mut self) -> Option<Self::Ready> {
        match self.0.writable() {
            Err(Mute::Full | Mute::NoPeer) => None,
            result => Some(result),
        }
    }

    fn announce(&mut self) -> bool {
        self.0.want_room();
        true
    }

    fn withdraw(&mut self) {
        self.0.want_no_room();
    }
}
