//! ROUTER: messages to and from peers by their ids.
//!
//! # Who has an id
//!
//! A peer's id is what `connect_as` said, or what the peer calls itself, or else one made up here: a zero and four bytes
//! that count up from a random start. An id has one *holder*, who is read and can be sent to. Who comes with an id that
//! has one is *held* in line, neither read nor sent to, until the holder is gone and all it sent is read; or takes the
//! id at once, and the old holder's pipe is closed: see [`DuplicateId`].
//!
//! A held peer that leaves is forgotten, unless the holder is leaving too: then what both had sent is read in order.

#![forbid(unsafe_code)]

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use super::{
    admission::{Addressee, Admission},
    core::Until,
    error::{ConnectError, RecvError, SendFailure},
    held::Held,
    loan::Loan,
    options::Options,
    pattern::{self, Pattern, Receiving, Sending},
    permit::Permit,
    routing_id::RoutingId,
};
use crate::{
    Endpoint, Frame, Message, SocketType,
    pipe::{Crew, Event, Key, Loaned, Outward, Refusal},
    route::Table,
};

/// Talks to each of its peers by its id: a message received has the sender's id for its first frame, and the first
/// frame of a message to send says who gets the rest.
///
/// A peer has the id it gave itself ([`routing_id`](super::Builder::routing_id)), or one this socket gave it
/// ([`connect_as`](Router::connect_as)), or one this socket made up. A message to nobody is dropped, and counted as
/// [`unroutable`](super::Counters::unroutable); one to a peer whose queue is full as
/// [`dropped`](super::Counters::dropped); or, if the router is [`mandatory`](super::Builder::mandatory), the one is an
/// error and the other waits. Cost does not depend on the number of peers.
///
/// ```
/// use ringway::{Context, Dealer, Message, Router, RoutingId};
///
/// let context = Context::new();
/// let mut router = Router::builder().mandatory().build(&context)?;
/// router.bind("inproc://switchboard")?;
/// let mut worker = Dealer::builder().routing_id(RoutingId::new("worker")?).build(&context)?;
/// worker.connect("inproc://switchboard")?;
///
/// router.send(["worker", "task"].into_iter().collect::<Message>())?;
/// let task = worker.recv()?;
/// worker.send(task)?;
/// assert_eq!(router.recv()?, ["worker", "task"].into_iter().collect());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Router {
    core: Held<Switchboard>,
}

/// What becomes of a peer that comes with the id of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DuplicateId {
    /// It waits in line, neither read nor sent to, until the other is gone. For this socket it is as if it were not there.
    #[default]
    Refuse,
    /// It takes the id, and the other's connection is closed: what that had sent and was not received is lost, and counted
    /// as [`unread`](super::Counters::unread). For peers that come back before their old connection is known to be dead.
    HandOver,
}

impl Router {
    /// Connects to `endpoint`, and calls the peer there `id`, whatever it calls itself. It can be sent to at once, also if
    /// the endpoint is still to be bound.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); also when a peer has this id.
    pub fn connect_as(&mut self, endpoint: impl AsRef<str>, id: &RoutingId) -> Result<(), ConnectError> {
        let endpoint: Endpoint = endpoint.as_ref().parse()?;
        self.core.with(|core| {
            let (switchboard, crew) = core.parts();
            if switchboard.is_taken(crew, id.as_bytes()) {
                return Err(ConnectError::IdInUse);
            }
            core.connect_to(id.clone().into(), Ok(endpoint))
        })
    }

    /// Is there a peer with this id that can be sent to? May change at any time.
    pub fn has_peer(&mut self, id: impl AsRef<[u8]>) -> bool {
        self.core.with(|core| {
            let (switchboard, crew) = core.parts();
            switchboard.attend(crew);
            switchboard.holder(crew, id.as_ref()).is_some_and(|key| !crew.is_leaving(key))
        })
    }

    /// The ids of all peers that can be sent to, in no order.
    pub fn peer_ids(&mut self) -> Vec<Frame> {
        self.core.with(|core| {
            let (switchboard, crew) = core.parts();
            switchboard.attend(crew);
            switchboard.table.iter().filter(|(_, key)| !crew.is_leaving(*key)).map(|(id, _)| id.clone()).collect()
        })
    }

    /// Reserves a place with the peer called `id`; waits for room as long as it takes. The message the permit sends is for
    /// that peer as it is, without an id before it.
    ///
    /// # Errors
    /// No peer has this id, or the context has been shut down.
    pub fn reserve(&mut self, id: impl AsRef<[u8]>) -> Result<Permit<'_, Self>, SendFailure> {
        self.reserve_by(id.as_ref(), Until::AsSet)
    }

    /// Reserves a place with the peer called `id` if it has room now. Never waits; the answer is exact.
    ///
    /// # Errors
    /// The peer is full, no peer has this id, or the context has been shut down.
    pub fn try_reserve(&mut self, id: impl AsRef<[u8]>) -> Result<Permit<'_, Self>, SendFailure> {
        self.reserve_by(id.as_ref(), Until::Now)
    }

    fn reserve_by(&mut self, id: &[u8], until: Until) -> Result<Permit<'_, Self>, SendFailure> {
        let place =
            self.core.with(|core| core.reserve_by(until, |switchboard, crew| switchboard.reserve_for(crew, id)))?;
        Ok(Permit::new(self, place))
    }

    /// Room for a message of one frame of `len` bytes to the peer called `id`, to be written in place; waits for room as long as
    /// it takes. What is written is for that peer as it is, without an id before it. See [`Loan`].
    ///
    /// # Errors
    /// No peer has this id, there is no memory for so many bytes, or the context has been shut down.
    pub fn loan(&mut self, id: impl AsRef<[u8]>, len: usize) -> Result<Loan<'_, Self>, SendFailure> {
        self.loan_by(id.as_ref(), len, Until::AsSet)
    }

    /// As [`loan`](Self::loan), if that peer has room now. Never waits; the answer is exact.
    ///
    /// # Errors
    /// As `loan`; also when the peer is full.
    pub fn try_loan(&mut self, id: impl AsRef<[u8]>, len: usize) -> Result<Loan<'_, Self>, SendFailure> {
        self.loan_by(id.as_ref(), len, Until::Now)
    }

    /// As [`loan`](Self::loan), but waits for room `timeout` at the most.
    ///
    /// # Errors
    /// As `loan`; also when none came up in time.
    pub fn loan_timeout(
        &mut self,
        id: impl AsRef<[u8]>,
        len: usize,
        timeout: Duration,
    ) -> Result<Loan<'_, Self>, SendFailure> {
        self.loan_by(id.as_ref(), len, Until::After(timeout))
    }

    fn loan_by(&mut self, id: &[u8], len: usize, until: Until) -> Result<Loan<'_, Self>, SendFailure> {
        let lent =
            self.core.with(|core| core.loan_by(len, until, |switchboard, crew| switchboard.reserve_for(crew, id)))?;
        Ok(Loan::new(self, lent))
    }

    /// Changes whether sending to nobody, and to a full peer, is dropped or told: see
    /// [`mandatory`](super::Builder::mandatory).
    pub fn set_mandatory(&mut self, on: bool) {
        self.core.with(|core| core.parts().0.options.mandatory = on);
    }

    /// Changes what becomes of a peer with the id of another, for peers to come.
    pub fn set_duplicate_id(&mut self, policy: DuplicateId) {
        self.core.with(|core| {
            let (switchboard, crew) = core.parts();
            switchboard.set_options(RouterOptions { duplicates: policy, ..switchboard.options }, crew);
        });
    }
}

/// What only ROUTER has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RouterOptions {
    pub(crate) mandatory: bool,
    pub(crate) duplicates: DuplicateId,
}

#[derive(Debug)]
struct Switchboard {
    options: RouterOptions,
    /// Who holds an id.
    table: Table<Frame>,
    /// Who waits for one, first come first.
    line: Vec<(Key, Frame)>,
    /// The number of the next id made up.
    next_id: u32,
    /// The full peer that a send waits for.
    awaited: Option<Key>,
}

impl Pattern for Switchboard {
    const TYPE: SocketType = SocketType::Router;
    const OUTWARD: Outward = Outward::Addressed;

    fn new(options: &Options, crew: &mut Crew) -> Self {
        crew.keep_events();
        Self {
            options: options.router,
            table: Table::new(),
            line: Vec::new(),
            next_id: RandomState::new().hash_one(()) as u32,
            awaited: None,
        }
    }

    fn is_readable(&mut self, crew: &mut Crew) -> bool {
        loop {
            let has_message = crew.has_message();
            if !self.take_events(crew) {
                return has_message;
            }
        }
    }

    /// To some peer at least.
    fn is_writable(&mut self, crew: &mut Crew) -> bool {
        self.attend(crew);
        // Whoever asks this waits for any of them.
        self.awaited = None;
        !crew.is_terminated() && (!self.options.mandatory || self.table.iter().any(|(_, key)| crew.admits(key).is_ok()))
    }

    fn reconfigure(&mut self, options: &Options, crew: &mut Crew) {
        self.set_options(options.router, crew);
    }

    /// That the peer has room, or has gone, which the last send was for; if another question was asked since, any peer.
    fn is_freed(&mut self, crew: &mut Crew) -> bool {
        self.attend(crew);
        match self.awaited {
            Some(key) => crew.admits(key) != Err(Refusal::Full),
            None => self.is_writable(crew),
        }
    }

    fn is_particular(&self) -> bool {
        self.options.mandatory
    }

    fn want_room(&mut self, crew: &mut Crew) {
        match self.awaited {
            Some(key) => crew.want_room_of(key),
            None => self.table.iter().for_each(|(_, key)| crew.want_room_of(key)),
        }
    }

    fn want_no_room(&mut self, crew: &mut Crew) {
        self.awaited.take().into_iter().for_each(|key| crew.want_no_room_of(key));
    }
}

impl Sending for Switchboard {
    /// Nobody: a place is with a peer that has been named, see [`Switchboard::reserve_for`].
    fn reserve(&mut self, _crew: &mut Crew) -> Result<Key, SendFailure> {
        Err(SendFailure::Unroutable)
    }

    fn commit(&mut self, crew: &mut Crew, key: Key, message: &mut Message) -> Result<(), SendFailure> {
        pattern::send_to(crew, key, message)
    }

    fn lend(&mut self, crew: &mut Crew, key: Key, size: usize) -> Option<Loaned> {
        crew.loan(key, size)
    }

    #[inline(always)]
    fn send(&mut self, crew: &mut Crew, message: &mut Message) -> Result<(), SendFailure> {
        let [id, _, ..] = message.frames() else { return Err(SendFailure::NoBody) };
        let failure = match self.reserve_for(crew, id) {
            Ok(key) => match self.send_behind_id(crew, key, message) {
                Ok(()) => return Ok(()),
                Err(Refusal::OutOfMemory) => SendFailure::OutOfMemory,
                Err(Refusal::Full | Refusal::Closed) => SendFailure::Unroutable,
            },
            Err(failure) => failure,
        };
        self.fail(crew, message, failure)
    }

    /// By the id in the first frame.
    fn admit(&mut self, crew: &mut Crew, id: &Frame) -> Result<Admission, SendFailure> {
        let addressee = match self.reserve_for(crew, id) {
            Ok(key) => match crew.number(key) {
                Some(number) => Addressee::Peer { key, number },
                None => Addressee::Nobody,
            },
            Err(SendFailure::Unroutable) if !self.options.mandatory => Addressee::Nobody,
            Err(SendFailure::Full) if !self.options.mandatory => Addressee::NobodyWithRoom,
            Err(failure) => return Err(failure),
        };
        Ok(Admission::of(addressee))
    }

    fn send_admitted(
        &mut self,
        crew: &mut Crew,
        admission: Admission,
        message: &mut Message,
    ) -> Result<(), SendFailure> {
        let failure = match admission.addressee {
            Addressee::Peer { key, number } if crew.number(key) == Some(number) && message.len() > 1 => {
                match crew.admits(key).and_then(|()| self.send_behind_id(crew, key, message)) {
                    Ok(()) => return Ok(()),
                    Err(Refusal::OutOfMemory) => return Err(SendFailure::OutOfMemory),
                    Err(Refusal::Full) => SendFailure::Full,
                    Err(Refusal::Closed) => SendFailure::Unroutable,
                }
            }
            Addressee::NobodyWithRoom => SendFailure::Full,
            _ => SendFailure::Unroutable,
        };
        pattern::send_or_drop(crew, message, |_, _| Err(failure))
    }
}

impl Receiving for Switchboard {
    #[inline(always)]
    fn receive(&mut self, crew: &mut Crew, place: &mut Message) -> Result<(), RecvError> {
        loop {
            let key = crew.readable();
            // First who has come and gone: the one named may have no id yet, or have to wait for it.
            let is_news = self.take_events(crew);
            let Some(key) = key else {
                if is_news {
                    continue;
                }
                return Err(RecvError::Empty);
            };
            if let Some(id) = self.table.id_heard(key)
                && crew.receive_from(key, place)
            {
                place.push_front(id.clone());
                crew.heard(key);
                return Ok(());
            }
        }
    }
}

impl Switchboard {
    fn set_options(&mut self, options: RouterOptions, crew: &mut Crew) {
        // Those that have come are under the old policy.
        self.attend(crew);
        self.options = options;
    }

    /// The pipe of the peer called `id`, which has room.
    #[inline(always)]
    fn reserve_for(&mut self, crew: &mut Crew, id: &[u8]) -> Result<Key, SendFailure> {
        self.attend(crew);
        if crew.is_terminated() {
            return Err(SendFailure::ContextClosed);
        }
        let Some(mut key) = self.table.key(id) else { return Err(SendFailure::Unroutable) };
        let mut admitted = crew.admits(key);
        if admitted == Err(Refusal::Closed)
            && let Some(next) = self.holder(crew, id)
        {
            (key, admitted) = (next, crew.admits(next));
        }
        match admitted {
            Ok(()) => Ok(key),
            Err(Refusal::Full) => {
                self.awaited = Some(key);
                Err(SendFailure::Full)
            }
            Err(Refusal::Closed) => Err(SendFailure::Unroutable),
            Err(Refusal::OutOfMemory) => Err(SendFailure::OutOfMemory),
        }
    }

    /// Who holds `id`, once those who have left and are heard to the end are forgotten.
    #[cold]
    fn holder(&mut self, crew: &mut Crew, id: &[u8]) -> Option<Key> {
        while let Some(key) = self.table.key(id) {
            if !crew.bury(key) {
                return Some(key);
            }
            self.take_events(crew);
        }
        None
    }

    /// Sends what is behind the id; on failure `message` is as it was.
    #[inline(always)]
    fn send_behind_id(&mut self, crew: &mut Crew, key: Key, message: &mut Message) -> Result<(), Refusal> {
        // There is one: it named the pipe.
        let id = message.pop_front().unwrap_or_default();
        crew.send_to(key, message).inspect_err(|_| {
            message.push_front(id);
        })
    }

    /// Tells of `failure`, or drops the message and counts it.
    #[cold]
    #[inline(never)]
    fn fail(&self, crew: &Crew, message: &mut Message, failure: SendFailure) -> Result<(), SendFailure> {
        match failure {
            SendFailure::Unroutable if !self.options.mandatory => crew.count(|flow| &flow.unroutable, 1),
            SendFailure::Full if !self.options.mandatory => crew.count(|flow| &flow.dropped, 1),
            _ => return Err(failure),
        }
        *message = Message::new();
        Ok(())
    }

    /// Takes note of peers that have come and gone.
    #[inline(always)]
    fn attend(&mut self, crew: &mut Crew) {
        crew.sync();
        self.take_events(crew);
    }

    /// As [`attend`](Self::attend), of what the crew knows already. Tells whether there was something.
    #[inline(always)]
    fn take_events(&mut self, crew: &mut Crew) -> bool {
        match crew.take_event() {
            None => false,
            Some(event) => {
                self.take_events_slow(crew, event);
                true
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn take_events_slow(&mut self, crew: &mut Crew, first: Event) {
        let mut next = Some(first);
        while let Some(event) = next {
            match event {
                // One that is on its way out already is heard of once.
                Event::Arrived(key) | Event::Changed(key) => {
                    self.identify(crew, key);
                    if crew.is_leaving(key) {
                        self.leaves(crew, key);
                    }
                }
                Event::Left(key) => self.left(crew, key),
            }
            next = crew.take_event();
        }
    }

    /// Finds out what the peer under `key` is called, if it is not known yet, and gives it the id or a place in line.
    fn identify(&mut self, crew: &mut Crew, key: Key) {
        if self.table.id(key).is_some() || self.line.iter().any(|(held, _)| *held == key) {
            return;
        }
        let Some(id) = crew.end(key).and_then(|end| end.peer_id()) else { return };
        let id = if id.is_empty() { self.make_id() } else { id };
        match self.table.key(&id) {
            None => self.table.insert(id, key),
            // Over, as soon as somebody looks: then it is the newcomer's, or the first in line's.
            Some(holder) if crew.bury(holder) => {
                self.left(crew, holder);
                self.identify(crew, key);
            }
            Some(holder) if self.options.duplicates == DuplicateId::HandOver => {
                self.table.remove(holder);
                self.table.insert(id, key);
                crew.dismiss(holder);
            }
            Some(_) => {
                crew.hold(key);
                self.line.push((key, id));
            }
        }
    }

    /// An id no peer has.
    fn make_id(&mut self) -> Frame {
        loop {
            let [a, b, c, d] = self.next_id.to_be_bytes();
            self.next_id = self.next_id.wrapping_add(1);
            let id = [0, a, b, c, d];
            if self.table.key(&id).is_none() {
                return Frame::from(id);
            }
        }
    }

    /// The peer under `key` has closed; what it had sent is still there.
    fn leaves(&mut self, crew: &mut Crew, key: Key) {
        if let Some(place) = self.line.iter().position(|(held, _)| *held == key) {
            let id = self.line[place].1.clone();
            self.clear_line(crew, &id);
        }
    }

    /// The pipe under `key` is gone.
    fn left(&mut self, crew: &mut Crew, key: Key) {
        self.line.retain(|(held, _)| *held != key);
        let Some(id) = self.table.remove(key) else { return };
        if let Some(place) = self.line.iter().position(|(_, other)| *other == id) {
            let (next, id) = self.line.remove(place);
            self.table.insert(id.clone(), next);
            crew.release(next);
            self.clear_line(crew, &id);
        }
    }

    /// Lets go of those in line for `id` that have left, if its holder has not.
    fn clear_line(&mut self, crew: &mut Crew, id: &Frame) {
        if self.table.key(id).is_some_and(|holder| crew.is_leaving(holder)) {
            return;
        }
        self.line.retain(|(key, other)| {
            let goes = other == id && crew.is_leaving(*key);
            if goes {
                crew.dismiss(*key);
            }
            !goes
        });
    }

    /// Has a peer this id?
    fn is_taken(&mut self, crew: &mut Crew, id: &[u8]) -> bool {
        self.attend(crew);
        self.holder(crew, id).is_some()
    }
}

impl super::Identified for Router {}

common_operations!(Router);
single_sending_operations!(Router);
batch_sending_operations!(Router);
receiving_operations!(Router);
