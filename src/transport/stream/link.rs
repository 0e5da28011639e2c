//! The far end of a pipe that leads to a connection.

#![forbid(unsafe_code)]

use std::sync::Arc;

use bytes::Bytes;

use super::{Origin, Session};
use crate::{
    Endpoint, Frame, Message, SocketType,
    pipe::{Directions, End, Hub, Joined, Lane, Lost, Profile, Refusal, Side, Tie, conflating_pair, local_pair},
    route::Wish,
    sync, zmtp,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Link {
    tie: sync::Arc<Tie>,
    /// Of the connection.
    side: Side,
    /// What the peer said of itself. `None` while it is still to come.
    hub: Option<sync::Arc<Hub>>,
    end: End,
    /// The socket is one that does.
    subscribes: bool,
    /// Our end keeps the newest message only.
    conflates: bool,
    /// Messages that gave way to newer ones in our end, as far as they are counted.
    conflated: u64,
    /// The way by shared memory there is, or the last there was.
    lane: Option<Arc<Lane>>,
    /// Messages the socket has put into lanes that are over, past the queue.
    direct: u64,
    /// What the peer gets before anything else, until it is on its way by shared memory.
    hello: Option<Box<Message>>,
}

impl Link {
    /// A pipe for a peer that is still to come: `near` may send already. It calls the peer `peer_name`, or nothing if that is
    /// empty.
    pub(super) fn ahead(origin: &Origin, endpoint: Endpoint, peer_name: Frame) -> (Self, Joined) {
        let Origin { near, profile, .. } = origin;
        let own = profile.socket_type;
        let tie = Tie::through(Some(endpoint), peer_name, near.clone());
        let directions = Directions { forth: own.sends(), back: own.receives() };
        let (near_end, end) = pair(profile, &tie, directions);
        let joined = near.join(near_end);
        let (subscribes, conflates) = (own.subscribes(), profile.conflates);
        (
            Self {
                tie,
                side: Side::Second,
                hub: None,
                end,
                subscribes,
                conflates,
                conflated: 0,
                lane: None,
                direct: 0,
                hello: None,
            },
            joined,
        )
    }

    /// A pipe to `peer`, which came to `endpoint`. The connection has `descriptor`.
    pub(super) fn accepted(
        origin: &Origin,
        endpoint: Endpoint,
        peer: &zmtp::Peer,
        session: &Arc<Session>,
        descriptor: Option<i32>,
    ) -> (Self, Joined) {
        let Origin { near, profile, .. } = origin;
        let own = profile.socket_type;
        let hub = hub_of(peer, session);
        let tie = Tie::through(Some(endpoint), Frame::new(), hub.clone());
        // First: what is told of it has it in it.
        tie.set_descriptor(descriptor);
        tie.introduce(Side::Second, near.clone(), profile.clone());
        let directions = Directions {
            forth: peer.socket_type.sends() && own.receives(),
            back: own.sends() && peer.socket_type.receives(),
        };
        let (end, near_end) = pair(profile, &tie, directions);
        hub.seat_link(&end);
        let joined = near.join(near_end);
        let (subscribes, conflates) = (own.subscribes(), profile.conflates);
        let (side, hub) = (Side::First, Some(hub));
        (Self { tie, side, hub, end, subscribes, conflates, conflated: 0, lane: None, direct: 0, hello: None }, joined)
    }

    /// The peer has come, by a connection with `descriptor`; if for the first time, the socket knows it from now on. (One that
    /// comes later in its place is taken for the same.)
    pub(super) fn meet(self, peer: &zmtp::Peer, session: &Arc<Session>, descriptor: Option<i32>) -> Self {
        self.tie.set_descriptor(descriptor);
        if self.hub.is_some() {
            return self;
        }
        let hub = hub_of(peer, session);
        self.tie.introduce(self.side, hub.clone(), hub.profile());
        hub.seat_link(&self.end);
        Self { hub: Some(hub), ..self }
    }

    pub(super) fn tie(&self) -> &sync::Arc<Tie> {
        &self.tie
    }

    /// The side of the connection.
    pub(super) fn side(&self) -> Side {
        self.side
    }

    pub(super) fn hub(&self) -> Option<&sync::Arc<Hub>> {
        self.hub.as_ref()
    }

    pub(super) fn end(&mut self) -> &mut End {
        &mut self.end
    }

    /// Has the peer ever come?
    pub(super) fn is_met(&self) -> bool {
        self.hub.is_some()
    }

    /// Has the socket closed its end?
    pub(super) fn is_left(&self) -> bool {
        self.end.peer_is_gone()
    }

    /// Messages in the hands of the connection are lost: some the socket had sent, some the peer had.
    pub(super) fn count_lost(&self, lost: Lost) {
        if lost != Lost::default() {
            self.tie.count_lost(self.side.other(), lost);
        }
    }

    /// Passes `message` on to the socket behind `near`, as [`End::push`] does.
    pub(super) fn push(&mut self, message: &mut Message, near: &Hub) -> Result<(), Refusal> {
        let result = self.end.push(message);
        self.count_conflated(near);
        result
    }

    /// As [`End::push_short`].
    #[inline]
    pub(super) fn push_short(&mut self, bytes: &[u8], near: &Hub) -> Result<(), Refusal> {
        let result = self.end.push_short(bytes);
        self.count_conflated(near);
        result
    }

    /// Does anything ever go from here to the socket?
    pub(super) fn has_outlet(&self) -> bool {
        self.end.has_outlet()
    }

    #[inline]
    fn count_conflated(&mut self, near: &Hub) {
        if self.conflates {
            // Our end counts what gave way, and has no owner who is asked.
            let conflated = self.end.conflated();
            near.count_conflated(conflated - std::mem::replace(&mut self.conflated, conflated));
        }
    }

    /// Messages of the pipe that are settled, if `held` are in the hands of the connection.
    pub(super) fn settled(&self, held: u64) -> u64 {
        (self.end.popped() + self.direct).wrapping_sub(held)
    }

    /// Messages go by `lane` from now on, `hello` first. The socket behind `near` hears of it.
    pub(super) fn share(&mut self, lane: Arc<Lane>, hello: Option<Message>, near: &Hub) {
        self.hello = hello.map(Box::new);
        self.lane = Some(lane.clone());
        self.tie.leave_lane(lane, self.end.pushed());
        self.tie.set_shares_memory(true);
        near.pipe_changed(&self.tie, self.side.other());
    }

    /// The lane is over, in which the socket has put `direct` messages by itself.
    pub(super) fn unshare(&mut self, direct: u64) {
        self.direct += direct;
        self.hello = None;
        self.tie.set_shares_memory(false);
        self.tie.set_ring_size(0);
    }

    /// Says how many messages are settled, where no lane does any more: `held` are in the hands of the connection.
    pub(super) fn settle(&self, held: u64) {
        if let Some(lane) = &self.lane {
            lane.settle(self.settled(held));
        }
    }

    /// The socket queues nothing more: what is queued is all there will be. (Where there was no lane its messages find no credit
    /// any more, but for one it may have been about to push.)
    pub(super) fn close_queue(&self) {
        self.tie.way_to(self.side).withdraw_credit();
        if let Some(lane) = &self.lane {
            lane.close_queue();
        }
    }

    /// Have messages ever gone by shared memory?
    pub(super) fn has_shared(&self) -> bool {
        self.lane.is_some()
    }

    pub(super) fn take_hello(&mut self) -> Option<Message> {
        self.hello.take().map(|hello| *hello)
    }

    /// What the socket subscribes to, and the peer has not been told yet.
    pub(super) fn take_wish(&self) -> Option<(Bytes, Wish)> {
        // A publisher's pipe carries the wishes of its peer.
        if self.subscribes { self.tie.take_wish() } else { None }
    }

    /// As [`End::rest`].
    pub(super) fn rest(&mut self) -> bool {
        self.hub.as_ref().is_none_or(|hub| self.end.rest(hub, self.lane.as_deref()))
    }

    /// Takes the link apart: what is left in the end is dropped by the caller, where it may run destructors.
    pub(super) fn into_end(self) -> End {
        if let Some(hub) = &self.hub {
            hub.signal().remove();
            // Its seat holds the tie, which holds the hub.
            drop(hub.close());
        }
        if self.is_left() {
            // The socket is gone, and has not looked at these.
            self.tie.take_lanes().iter().for_each(|(lane, _)| lane.close_unread());
        }
        self.end
    }
}

fn pair(near: &Profile, tie: &sync::Arc<Tie>, directions: Directions) -> (End, End) {
    if near.conflates { conflating_pair(tie, directions) } else { local_pair(tie, directions) }
}

/// A hub for `peer`, which is served by `session`.
fn hub_of(peer: &zmtp::Peer, session: &Arc<Session>) -> sync::Arc<Hub> {
    let profile =
        Profile { socket_type: peer.socket_type, routing_id: peer.routing_id.clone(), hello: None, conflates: false };
    let hub = Hub::of_link(profile, session);
    // A PUB filters; an XPUB may be told by its application what to send.
    if peer.socket_type == SocketType::XPub {
        hub.set_sends_unasked();
    }
    hub
}
