//! The seam between sockets and transports: a two-way message pipe with credit.
//!
//! A socket sees pipes, a transport makes them, and neither knows the other. A pipe has two [`End`]s, one for each
//! socket, and each end up to two halves: an [`Outlet`] to push into and an [`Inlet`] to pop from. Ends of all flavors
//! keep one contract:
//!
//! | operation | blocks | afterwards the message belongs to |
//! |---|---|---|
//! | [`End::admits`] | never | – (the answer "no" is exact at the moment of the call) |
//! | [`End::push`] | never | the pipe (nothing is left in the caller's); on refusal the caller, unchanged |
//! | [`End::ready`] | never | – ("yes" stays true until `pop`) |
//! | [`End::pop_into`] | never | the caller |
//! | [`End::publish`] | never | – |
//! | dropping an end | never | see below |
//!
//! - **Order.** Messages leave an inlet in the order they were pushed, each once, whole.
//! - **Credit.** An outlet admits a message while fewer than `limit` messages are accepted and not yet *taken*. A
//!   message is taken when the `publish` after its `pop` has happened: a receive call pops, publishes once, returns.
//!   A conflating pipe admits always: a message that was not popped gives way to the next one, whole, and is counted by
//!   [`End::conflated`]. For it "each once" means popped, conflated or lost.
//! - **Waking** is the caller's: after pushing, one full fence and [`Tie::tell_consumer`]; after publishing, one light
//!   fence and [`Tie::tell_producer`] (see `wait`). An end itself never wakes anybody.
//! - **Closing.** Dropping an end closes both its halves at once and tells the other socket's [`Hub`]. What was pushed
//!   before stays poppable at the other end; what nobody can pop any more is dropped and counted, exactly once, by
//!   the end that closes second (see [`Tie`]). Closing is idempotent.
//! - **Destructors** of payloads run with no lock of this library held.
//!
//! A pipe that leads out of the process has a socket at one end only. At the other is a connection, which has a hub of its
//! own ([`Hub::of_link`]), so that the socket cannot tell, and [drives](Drive) what the hub of a socket would leave to its
//! owner. Its part of the limits is none: what a way admits is the socket's mark alone.
//!
//! Contents: [`tie`] what the two ends share, [`local`] the flavor within a process, [`conflate`] the one that keeps the
//! newest message only, [`shared`] the one between processes, `awkward` one for tests, [`hub`] where pipes arrive and leave, [`crew`] the owner's private half
//! of it, [`fold`] envelopes that travel with what is in them, [`news`] what monitors are told of a pipe.

#[cfg(feature = "awkward-pipes")]
mod awkward;
mod conflate;
mod crew;
mod fold;
mod hub;
mod local;
#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, any(loom, shuttle)))]
mod models;
mod news;
mod ready;
#[cfg_attr(not(target_os = "linux"), path = "absent.rs")]
#[cfg_attr(all(any(loom, shuttle), not(test)), allow(dead_code, reason = "whoever makes a lane is absent"))]
mod shared;
#[cfg(all(test, shuttle))]
mod shuttle;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
mod tie;

#[cfg(feature = "awkward-pipes")]
pub(crate) use awkward::Courier;
pub(crate) use crew::{Crew, Event, Key, Mute, Outward};
pub(crate) use fold::Fold;
pub(crate) use hub::{Flow, Hub, HubOptions, Joined, LinkTally, Losses, Profile};
pub(crate) use local::ShortSink;
pub(crate) use ready::ReadySet;
#[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
pub(crate) use shared::{Chores, Knock, LaneParts};
pub(crate) use shared::{Fault, Lane, Load, Loaned};
pub(crate) use tie::{Side, Stage, Tie, Way};

use crate::{
    Frame, Message,
    monitor::{PeerMetadata, Traffic},
    phase,
    sync::{Arc, light_fence, planted},
    wait::Watched,
};

/// A connection at the far end of a pipe, as the socket's side sees it: what a socket would do when its owner calls in, it
/// does when somebody calls these, or by itself. Defined here and implemented by the transport.
///
/// Nothing here blocks. A call that finds another thread at work for the connection leaves the work to it.
pub(crate) trait Drive: Send + Sync + std::fmt::Debug {
    /// The pipe has changed: its socket has closed its end, or wishes something. From any thread, with no lock held.
    fn changed(&self);

    /// The queue is full and its sender is about to wait: gives the kernel what it takes.
    fn push_out(&self);

    /// There was no room for what had arrived, and the receiver has taken something.
    fn room(&self);

    /// Its receiver has found nothing: fetches what has arrived. False if nothing has. With `lends` the receiver will look
    /// again soon, and reading may be left to it.
    fn pull(&self, lends: bool) -> bool;

    /// Its receiver is about to sleep, and will look once more: what to watch meanwhile, in place of the reactor.
    fn watch(&self) -> Watch;

    /// Its receiver sleeps no more. With `lends` it will look again soon.
    fn unwatch(&self, lends: bool);

    /// What has come in and gone out, for those who list peers.
    fn traffic(&self) -> (Traffic, Traffic);

    /// Who is there, for those who ask. `None` before anybody is.
    fn metadata(&self) -> Option<PeerMetadata>;
}

/// What a receiver that is about to sleep watches of a connection.
pub(crate) enum Watch {
    /// Nothing: the reactor does, and wakes it.
    Nothing,
    /// Another thread is at it just now: look once more before sleeping.
    Busy,
    /// This descriptor, for reading.
    Descriptor(Watched),
}

/// Makes a pipe within the process. `first` and `second` say which directions exist, each seen from its own end.
pub(crate) fn local_pair(tie: &Arc<Tie>, directions: Directions) -> (End, End) {
    pair_of(tie, directions, || {
        let (outlet, inlet) = local::queue();
        (Outlet::Local(outlet), Inlet::Local(inlet))
    })
}

/// Makes a pipe within the process each way of which keeps the newest message only. As [`local_pair`] otherwise.
pub(crate) fn conflating_pair(tie: &Arc<Tie>, directions: Directions) -> (End, End) {
    pair_of(tie, directions, || {
        let (outlet, inlet) = conflate::exchange();
        (Outlet::Conflate(outlet), Inlet::Conflate(inlet))
    })
}

/// Makes a pipe of those ways that exist, each by `way`.
fn pair_of(tie: &Arc<Tie>, directions: Directions, way: impl Fn() -> (Outlet, Inlet)) -> (End, End) {
    let forth = directions.forth.then(&way).unzip();
    let back = directions.back.then(&way).unzip();
    (End::new(tie.clone(), Side::First, forth.0, back.1), End::new(tie.clone(), Side::Second, back.0, forth.1))
}

/// Which ways of a pipe carry messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Directions {
    /// From the first end to the second.
    pub(crate) forth: bool,
    /// From the second end to the first.
    pub(crate) back: bool,
}

/// One socket's end of a pipe. Dropping it closes the pipe.
#[derive(Debug)]
pub(crate) struct End {
    tie: Arc<Tie>,
    side: Side,
    outlet: Option<Outlet>,
    inlet: Option<Inlet>,
}

/// The half an owner pushes into.
#[derive(Debug)]
pub(crate) enum Outlet {
    Local(local::Outlet),
    Conflate(conflate::Outlet),
    /// Boxed: the others are small, and there are many of them.
    Shared(Box<shared::Outlet>),
    #[cfg(feature = "awkward-pipes")]
    Awkward(awkward::Outlet),
}

/// The half an owner pops from.
#[derive(Debug)]
pub(crate) enum Inlet {
    Local(local::Inlet),
    Conflate(conflate::Inlet),
    /// Likewise.
    Shared(Box<shared::Inlet>),
    #[cfg(feature = "awkward-pipes")]
    Awkward(awkward::Inlet),
}

/// Why an outlet did not take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No credit.
    Full,
    /// The other end is gone, or this way of the pipe does not exist.
    Closed,
    /// Memory for the message's place could not be had.
    OutOfMemory,
}

impl End {
    fn new(tie: Arc<Tie>, side: Side, outlet: Option<Outlet>, inlet: Option<Inlet>) -> Self {
        Self { tie, side, outlet, inlet }
    }

    pub(crate) fn tie(&self) -> &Arc<Tie> {
        &self.tie
    }

    pub(crate) fn side(&self) -> Side {
        self.side
    }

    /// What is known of the socket at the other end: nothing while it is still to come.
    pub(crate) fn peer(&self) -> Option<&Profile> {
        self.tie.profile(self.side.other())
    }

    /// May the socket at the other end have sent what this one did not subscribe to?
    pub(crate) fn peer_sends_unasked(&self) -> bool {
        self.tie.hub(self.side.other()).is_some_and(Hub::sends_unasked)
    }

    /// Under which id a ROUTER at this end knows its peer, as far as it is settled: what it calls it itself, or what the
    /// peer calls itself (empty if it does not). `None` while the peer is still to come.
    pub(crate) fn peer_id(&self) -> Option<Frame> {
        match self.tie.peer_name(self.side) {
            [] => self.peer().map(|peer| peer.routing_id.clone()),
            name => Some(Frame::from(name)),
        }
    }

    /// Has the other end closed?
    pub(crate) fn peer_is_gone(&self) -> bool {
        self.tie.way_to(self.side).producer_gone() || self.tie.way_from(self.side).consumer_gone()
    }

    /// Will no message ever come out any more?
    pub(crate) fn exhausted(&mut self) -> bool {
        // In this order: what was pushed before the flag was set is ready for who sees the flag.
        self.inlet.is_none() || (self.tie.way_to(self.side).producer_gone() && !self.ready())
    }

    pub(crate) fn has_inlet(&self) -> bool {
        self.inlet.is_some()
    }

    pub(crate) fn has_outlet(&self) -> bool {
        self.outlet.is_some()
    }

    /// Is there credit for a message? Exact: looks at the peer's position when the copy says no.
    #[inline(always)]
    pub(crate) fn admits(&mut self) -> Result<(), Refusal> {
        let way = self.tie.way_from(self.side);
        match &mut self.outlet {
            Some(Outlet::Local(outlet)) => outlet.admits(way),
            Some(Outlet::Conflate(_)) => Ok(()),
            Some(Outlet::Shared(outlet)) => outlet.admits(way, taken_back(&self.tie, self.side)),
            #[cfg(feature = "awkward-pipes")]
            Some(Outlet::Awkward(outlet)) => outlet.admits(way),
            None => Err(Refusal::Closed),
        }
    }

    /// Pushes `message`, for which `admits` has just said yes, and leaves nothing in it.
    ///
    /// # Errors
    /// The peer has gone meanwhile, or memory ran out: `message` is unchanged.
    #[inline(always)]
    pub(crate) fn push(&mut self, message: &mut Message) -> Result<(), Refusal> {
        self.push_folded(message, Fold::Nothing)
    }

    /// As [`End::push`], of `message` with the frames of `fold` before it. On refusal it is without them, as it was.
    #[inline(always)]
    pub(crate) fn push_folded(&mut self, message: &mut Message, fold: Fold) -> Result<(), Refusal> {
        let way = self.tie.way_from(self.side);
        match &mut self.outlet {
            Some(Outlet::Local(outlet)) => outlet.push_folded(way, message, fold),
            Some(Outlet::Shared(outlet)) => {
                outlet.push_folded(way, message, fold, taken_back(&self.tie, self.side) > 0)
            }
            Some(Outlet::Conflate(outlet)) => {
                fold.put_before(message);
                outlet.push(way, message).inspect_err(|_| fold.take_off(message))
            }
            #[cfg(feature = "awkward-pipes")]
            Some(Outlet::Awkward(outlet)) => {
                fold.put_before(message);
                outlet.push(way, message).inspect_err(|_| fold.take_off(message))
            }
            None => Err(Refusal::Closed),
        }
    }

    /// As [`End::push`], of a copy: `message` stays as it is. Payloads longer than a pooled block are shared.
    #[inline(always)]
    pub(crate) fn push_copy(&mut self, message: &Message) -> Result<(), Refusal> {
        match &mut self.outlet {
            Some(Outlet::Local(outlet)) => outlet.push_copy(self.tie.way_from(self.side), message),
            Some(Outlet::Shared(outlet)) => {
                outlet.push_copy(self.tie.way_from(self.side), message, taken_back(&self.tie, self.side) > 0)
            }
            _ => self.push(&mut message.clone()),
        }
    }

    /// Lends room for a message of one frame of `size` bytes, for which `admits` has just said yes, where the peer reads it.
    /// `None`: there is no such place, or it is not the next message's turn there.
    #[inline]
    pub(crate) fn loan(&mut self, size: usize) -> Option<Loaned> {
        let Some(Outlet::Shared(outlet)) = &mut self.outlet else { return None };
        outlet.loan(self.tie.way_from(self.side), size, taken_back(&self.tie, self.side) > 0)
    }

    /// As [`End::push_folded`], of what was written to `loan`.
    ///
    /// # Errors
    /// As that: what was written comes back, unless memory ran out.
    #[inline]
    pub(crate) fn push_loan(&mut self, loan: Loaned, fold: Fold) -> Result<(), (Refusal, Message)> {
        if let Some(Outlet::Shared(outlet)) = &mut self.outlet {
            return outlet.push_loan(self.tie.way_from(self.side), loan, fold, taken_back(&self.tie, self.side) > 0);
        }
        // A pipe like the one it was lent by does not become another; but to lend and to take are not one call.
        let Some(mut message) = loan.into_message() else { return Err((Refusal::OutOfMemory, Message::new())) };
        self.push_folded(&mut message, fold).map_err(|refusal| (refusal, message))
    }

    /// Messages that were pushed here and replaced by newer ones before anybody popped them. Goes with the end: whoever
    /// sums it asks before the drop.
    pub(crate) fn conflated(&self) -> u64 {
        match &self.outlet {
            Some(Outlet::Conflate(outlet)) => outlet.conflated(),
            _ => 0,
        }
    }

    /// As [`End::push`], of a message of one frame of `bytes`, at most 255 of them.
    #[inline]
    pub(crate) fn push_short(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        match &mut self.outlet {
            Some(Outlet::Local(outlet)) => outlet.push_short(self.tie.way_from(self.side), bytes),
            _ => self.push(&mut Message::from(Frame::copy_from(bytes))),
        }
    }

    /// Pops the next message as bytes, if it is short (255 bytes) and this flavor can. False says nothing about others.
    #[inline]
    pub(crate) fn pop_short(&mut self, sink: &mut impl ShortSink) -> bool {
        match &mut self.inlet {
            Some(Inlet::Local(inlet)) => inlet.pop_short(sink),
            _ => false,
        }
    }

    /// Is a message waiting?
    #[inline(always)]
    pub(crate) fn ready(&mut self) -> bool {
        match &mut self.inlet {
            Some(Inlet::Local(inlet)) => inlet.ready(),
            Some(Inlet::Conflate(inlet)) => inlet.ready(),
            Some(Inlet::Shared(inlet)) => inlet.ready(),
            #[cfg(feature = "awkward-pipes")]
            Some(Inlet::Awkward(inlet)) => inlet.ready(),
            None => false,
        }
    }

    /// Puts the next message into `place`, if one is waiting; what was there is dropped.
    ///
    /// By place and not by value: each hand a message goes through is a copy of 64 bytes.
    #[inline(always)]
    pub(crate) fn pop_into(&mut self, place: &mut Message) -> bool {
        match &mut self.inlet {
            Some(Inlet::Local(inlet)) => inlet.pop_into(place),
            Some(Inlet::Conflate(inlet)) => inlet.pop_into(place),
            Some(Inlet::Shared(inlet)) => inlet.pop_into(place),
            #[cfg(feature = "awkward-pipes")]
            Some(Inlet::Awkward(inlet)) => inlet.pop().map(|message| *place = message).is_some(),
            None => false,
        }
    }

    /// As [`End::pop_into`], but what was folded into the message may stay so: returns what comes before it.
    #[inline(always)]
    pub(crate) fn pop_folded_into(&mut self, place: &mut Message) -> Option<Fold> {
        match &mut self.inlet {
            Some(Inlet::Local(inlet)) => inlet.pop_folded_into(place),
            Some(Inlet::Shared(inlet)) => inlet.pop_folded_into(place),
            Some(Inlet::Conflate(inlet)) => inlet.pop_into(place).then_some(Fold::Nothing),
            #[cfg(feature = "awkward-pipes")]
            Some(Inlet::Awkward(inlet)) => inlet.pop().map(|message| {
                *place = message;
                Fold::Nothing
            }),
            None => None,
        }
    }

    /// Nobody works for this end from now on, whose hub is `hub`, nor for `lane`: who sends next is to tell. Looks once more; false:
    /// there is a message, or one on its way, and nobody will tell of it.
    pub(crate) fn rest(&mut self, hub: &Hub, lane: Option<&Lane>) -> bool {
        hub.signal().arm();
        let lane = lane.filter(|_| !planted("end-rests-beside-its-lane"));
        let is_work_there = self.ready() || lane.is_some_and(Lane::is_loading);
        if is_work_there && !planted("end-rests-unlooking") {
            hub.signal().disarm();
            return false;
        }
        true
    }

    /// There is no room: whoever takes something is to tell the connection at this end ([`Drive::room`]). Issues no fence,
    /// so one who takes something just now may not: the caller looks once more after a while.
    pub(crate) fn want_room(&self) {
        self.tie.way_from(self.side).set(tie::ROOM_WANTED);
    }

    /// Gives credit back for all that was popped but the last `held` messages.
    pub(crate) fn publish_all_but(&mut self, held: u64) {
        if let Some(Inlet::Local(inlet)) = &mut self.inlet {
            inlet.publish_all_but(held);
        }
    }

    /// Gives credit back for all that was popped.
    #[inline(always)]
    pub(crate) fn publish(&mut self) {
        match &mut self.inlet {
            Some(Inlet::Local(inlet)) => inlet.publish(),
            Some(Inlet::Conflate(_)) => {}
            Some(Inlet::Shared(inlet)) => _ = inlet.publish(),
            #[cfg(feature = "awkward-pipes")]
            Some(Inlet::Awkward(inlet)) => inlet.publish(),
            None => {}
        }
    }

    /// As [`End::publish`], and tells the other side, if it waits for room.
    #[inline(always)]
    pub(crate) fn give_credit(&mut self) {
        if let Some(Inlet::Shared(inlet)) = &mut self.inlet {
            if !inlet.publish() {
                return;
            }
        } else {
            self.publish();
        }
        light_fence();
        self.tie.tell_producer(self.side);
    }

    /// After a push and one full fence: tells the other side.
    #[inline(always)]
    pub(crate) fn tell_consumer(&mut self) {
        if let Some(Outlet::Shared(outlet)) = &mut self.outlet
            && !outlet.tell()
        {
            return;
        }
        self.tie.tell_consumer(self.side);
    }

    /// Is something that was sent still to be moved on, by who comes by at the connection at the other end?
    #[inline(always)]
    pub(crate) fn overflows(&mut self) -> bool {
        match &mut self.outlet {
            Some(Outlet::Shared(outlet)) => outlet.overflows(),
            _ => false,
        }
    }

    /// Nobody looks for messages here any more: whoever sends some is to tell, if it is another process. (In this one it sees
    /// by itself.) The caller issues a full fence and looks once more; false: there is no need to.
    pub(crate) fn announce(&mut self) -> bool {
        match &mut self.inlet {
            Some(Inlet::Shared(inlet)) => inlet.announce(),
            _ => false,
        }
    }

    /// As [`End::announce`], of one that has announced it: that may have been answered, and is to be once more.
    pub(crate) fn announce_anew(&mut self) -> bool {
        match &mut self.inlet {
            Some(Inlet::Shared(inlet)) => inlet.announce_anew(),
            _ => false,
        }
    }

    /// Whoever takes something is to tell us of room. The caller issues a heavy fence and looks once more.
    pub(crate) fn ask_for_room(&self) {
        self.tie.way_from(self.side).set(tie::ROOM_WANTED);
        if let Some(Outlet::Shared(outlet)) = &self.outlet {
            outlet.want_room();
        }
    }

    /// Are messages fetched from the connection at the other end? Not while they come by shared memory.
    #[inline(always)]
    pub(crate) fn is_pulled(&self) -> bool {
        !matches!(&self.inlet, Some(Inlet::Shared(inlet)) if inlet.has_lane())
    }

    /// Goes by the lanes of shared memory that the connection at the other end has left for us. If there are any, the caller
    /// issues a full fence and looks for messages.
    pub(crate) fn adopt(&mut self) -> bool {
        let lanes = self.tie.take_lanes();
        let are_some = !lanes.is_empty();
        for (lane, after) in lanes {
            self.outlet = self.outlet.take().map(|outlet| match outlet {
                Outlet::Local(queue) => Outlet::Shared(Box::new(shared::Outlet::new(queue, lane.clone()))),
                Outlet::Shared(mut outlet) => {
                    outlet.change(lane.clone());
                    Outlet::Shared(outlet)
                }
                other => other,
            });
            let inlet = self.inlet.take().map(|inlet| match inlet {
                Inlet::Local(queue) => Box::new(shared::Inlet::new(queue)),
                Inlet::Shared(inlet) => inlet,
                _ => unreachable!("a pipe with lanes is local, or was"),
            });
            match inlet {
                Some(mut inlet) => {
                    inlet.add(lane, after);
                    self.inlet = Some(Inlet::Shared(inlet));
                }
                None => lane.close_unread(),
            }
        }
        are_some
    }

    /// Messages popped so far, where this end is a connection's.
    pub(crate) fn popped(&self) -> u64 {
        match &self.inlet {
            Some(Inlet::Local(inlet)) => inlet.taken(),
            _ => 0,
        }
    }

    /// Messages pushed so far, where this end is a connection's.
    pub(crate) fn pushed(&self) -> u64 {
        match &self.outlet {
            Some(Outlet::Local(outlet)) => outlet.sent(),
            _ => 0,
        }
    }

    /// Upkeep of the inlet, to be done when there is nothing to pop: off every message's path.
    #[inline(always)]
    pub(crate) fn settle_inlet(&mut self) {
        match &mut self.inlet {
            Some(Inlet::Local(inlet)) => inlet.settle(),
            Some(Inlet::Shared(inlet)) => inlet.settle(),
            _ => {}
        }
    }

    /// Upkeep of the outlet, better done when the peer has been told of what was pushed.
    #[inline(always)]
    pub(crate) fn settle_outlet(&mut self) {
        match &mut self.outlet {
            Some(Outlet::Local(outlet)) => outlet.settle(),
            Some(Outlet::Conflate(outlet)) => outlet.settle(),
            Some(Outlet::Shared(outlet)) => outlet.settle(),
            _ => {}
        }
    }

    /// Gives memory back that is only kept for speed: the pipe has gone quiet.
    pub(crate) fn trim(&mut self) {
        match &mut self.inlet {
            Some(Inlet::Local(inlet)) => inlet.trim(),
            Some(Inlet::Shared(inlet)) => inlet.trim(),
            _ => {}
        }
    }

    /// Closes both halves. Returns how many messages were lost by it, in and out.
    fn close(&mut self) -> Lost {
        let conflated = self.conflated();
        if let Some(hub) = self.tie.hub(self.side).filter(|_| conflated > 0) {
            hub.count_conflated(conflated);
        }
        if self.tie.hub(self.side).is_none_or(|hub| !hub.is_link()) {
            self.adopt();
        }
        let mut outlet = self.outlet.take();
        if let Some(Outlet::Shared(outlet)) = &mut outlet {
            outlet.end_forgotten();
        }
        let mut undelivered = 0;
        if self.tie.way_from(self.side).close_producer() == tie::Closed::Second
            && let Some(mut outlet) = outlet
        {
            undelivered = outlet.untaken();
        }
        Lost { undelivered, unread: self.close_inlet() }
    }

    /// Closes the half we pop from. Returns how many messages were lost by it.
    fn close_inlet(&mut self) -> u64 {
        let mut inlet = self.inlet.take();
        let mut unread = inlet.as_mut().map_or(0, Inlet::drain);
        if self.tie.way_to(self.side).close_consumer() == tie::Closed::Second {
            // Between the draining and the closing the producer may have pushed once more.
            unread += inlet.as_mut().map_or(0, Inlet::drain);
        }
        unread
    }

    /// Leaves closing to whoever still delivers what we pushed. Tells whether somebody does.
    #[cfg(feature = "awkward-pipes")]
    fn close_later(&mut self) -> bool {
        if !matches!(&self.outlet, Some(Outlet::Awkward(outlet)) if outlet.delays_close()) {
            return false;
        }
        let unread = self.close_inlet();
        if let Some(hub) = self.tie.hub(self.side) {
            hub.count_lost(Lost { undelivered: 0, unread });
        }
        awkward::Outlet::close_later(Self::new(self.tie.clone(), self.side, self.outlet.take(), None));
        true
    }
}

impl Outlet {
    fn untaken(&mut self) -> u64 {
        match self {
            Self::Local(outlet) => outlet.untaken(),
            Self::Conflate(outlet) => outlet.untaken(),
            Self::Shared(outlet) => outlet.untaken(),
            #[cfg(feature = "awkward-pipes")]
            Self::Awkward(outlet) => outlet.untaken(),
        }
    }
}

impl Inlet {
    fn drain(&mut self) -> u64 {
        match self {
            Self::Local(inlet) => inlet.drain(),
            Self::Conflate(inlet) => inlet.drain(),
            Self::Shared(inlet) => inlet.drain(),
            #[cfg(feature = "awkward-pipes")]
            Self::Awkward(inlet) => inlet.drain(),
        }
    }
}

/// How many messages of the socket on `side` its connections have taken back: they go before any other.
#[inline(always)]
fn taken_back(tie: &Tie, side: Side) -> u64 {
    tie.hub(side).map_or(0, Hub::taken_back)
}

/// Messages that were accepted and that nobody will get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// We accepted them from the application, and the peer left without taking them.
    pub(crate) undelivered: u64,
    /// The peer had sent them, and we left without taking them.
    pub(crate) unread: u64,
}

impl Drop for End {
    fn drop(&mut self) {
        #[cfg(feature = "awkward-pipes")]
        if self.close_later() {
            return;
        }
        let lost = self.close();
        phase::reach("closing");
        Tie::left(&self.tie, self.side, lost);
    }
}
