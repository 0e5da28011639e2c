//! What a hub tells its monitors of a pipe.
//!
//! Nothing is told as a change. Under the hub's lock the pipe is looked at, and what it shows and has not been told yet is
//! told: so whoever comes by tells, threads that come late have nothing left to tell, and the order is always the one
//! below, whatever the order in which they came. What has been told is kept in the [`Tie`], for each side.
//!
//! | bit | told | when |
//! |---|---|---|
//! | `REACHED` | `Connected`, `Accepted` | the other socket is known |
//! | `JOINED` | `PeerJoined` | both ends have seats |
//! | `PARTED` | `Disconnected` | the other end has closed, or ours |
//! | `OVER` | `PeerLeft`, `Abandoned` | ours has closed. Nothing is told any more |
//!
//! While nobody listens nothing is told and no bit set; a monitor that is made has them all set first.

#![forbid(unsafe_code)]

use super::{Hub, Lost, Side, Stage, Tie};
use crate::{
    Endpoint, Frame,
    monitor::{DisconnectReason, EventKind, Monitors, Number, PeerId, PeerInfo, PeerMetadata, PeerState, Road, Sink},
    sync::{Ordering, planted},
};

const REACHED: u32 = 1;
const JOINED: u32 = 2;
const PARTED: u32 = 4;
const OVER: u32 = 8;

/// Tells what is new of `tie`, a pipe of the hub on `side`. Under the lock of that hub.
pub(super) fn tell(monitors: &Monitors, tie: &Tie, side: Side) {
    let before = told(tie, side);
    if before & OVER != 0 {
        return;
    }
    // A pipe may get its seat when its peer has gone and has been said to: its messages are received, but nobody joins.
    let too_late = if before & PARTED == 0 { 0 } else { JOINED };
    let now = before | shows(tie, side) & !too_late;
    for bit in [REACHED, JOINED, PARTED] {
        if now & !before & bit != 0 {
            push(monitors, tie, side, event(tie, side, bit));
        }
    }
    if !planted("news-not-kept") {
        keep(tie, side, now);
    }
}

/// The end on `side` has closed, and `lost` messages with it: tells what is new of `tie`, and the end. As [`tell`].
pub(super) fn tell_end(monitors: &Monitors, tie: &Tie, side: Side, lost: Lost) {
    // First what others did, who may not have come by yet.
    tell(monitors, tie, side);
    let told = told(tie, side);
    if told & OVER != 0 {
        return;
    }
    if told & PARTED == 0 {
        push(monitors, tie, side, disconnected(tie, DisconnectReason::ClosedHere));
    }
    let by_link = tie.lost();
    let lost = Lost { undelivered: lost.undelivered + by_link.undelivered, unread: lost.unread + by_link.unread };
    let (peer, Lost { undelivered, unread }) = (peer(tie), lost);
    if told & JOINED != 0 {
        push(monitors, tie, side, Some(EventKind::PeerLeft { peer, undelivered, unread }));
    } else if lost != Lost::default() {
        push(monitors, tie, side, Some(EventKind::Abandoned { peer, undelivered, unread }));
    }
    keep(tie, side, told | PARTED | OVER);
}

/// What was sent ahead to an endpoint that nobody has bound is lost. With no lock held.
pub(super) fn abandoned(monitors: &Monitors, tie: &Tie, lost: Lost) {
    if monitors.is_watched() && lost != Lost::default() {
        let Lost { undelivered, unread } = lost;
        monitors.tell(EventKind::Abandoned { peer: peer(tie), undelivered, unread });
    }
}

/// Adds to `events` what has been told of `tie`. As [`tell`].
pub(super) fn present(tie: &Tie, side: Side, events: &mut Vec<EventKind>) {
    let told = told(tie, side);
    if told & (REACHED | OVER) == 0 {
        events.extend(connecting(tie));
    }
    for bit in [REACHED, JOINED, PARTED] {
        if told & bit != 0 && told & OVER == 0 {
            events.extend(event(tie, side, bit));
        }
    }
}

/// That nobody has bound the endpoint of `tie` yet.
fn connecting(tie: &Tie) -> Option<EventKind> {
    Some(EventKind::Connecting { endpoint: tie.endpoint()?.clone(), peer: peer(tie) })
}

/// The hub on `side` of `tie` has no place for the pipe any more. It has had `monitors` monitors, and those to come
/// are not told. Under its lock.
pub(super) fn taken_out(tie: &Tie, side: Side, monitors: Number) {
    tie.told(side).last.store(monitors, Ordering::Relaxed);
}

/// The peer at the other end of `tie`. Any thread, any time.
pub(super) fn info(tie: &Tie, side: Side) -> PeerInfo {
    let shows = shows(tie, side);
    let hub = tie.hub(side.other());
    let profile = tie.profile(side.other());
    let (received, sent) = hub.and_then(Hub::link).map(|link| link.traffic()).unwrap_or_default();
    PeerInfo {
        peer: peer(tie),
        endpoint: tie.endpoint().cloned(),
        descriptor: tie.descriptor(),
        state: match shows {
            _ if shows & PARTED != 0 => PeerState::Leaving,
            _ if tie.is_at(Stage::Lost) => PeerState::Reconnecting,
            _ if tie.is_at(Stage::Handshaking) => PeerState::Handshaking,
            _ if shows & JOINED != 0 => PeerState::Joined,
            _ if shows & REACHED != 0 => PeerState::Waiting,
            _ => PeerState::Connecting,
        },
        road: match tie.endpoint() {
            _ if tie.shares_memory() => Road::SharedMemory,
            Some(Endpoint::Tcp(_) | Endpoint::Ipc(_)) => Road::Stream,
            Some(Endpoint::Inproc(_)) | None => Road::InProcess,
        },
        ring_size: tie.ring_size(),
        socket_type: profile.map(|profile| profile.socket_type),
        routing_id: profile.map_or_else(Frame::new, |profile| own(&profile.routing_id)),
        dropped: tie.way_from(side).missed(),
        received,
        sent,
    }
}

/// Who is at the other end of `tie`, as far as it is known. Any thread, any time.
pub(super) fn metadata(tie: &Tie, side: Side) -> Option<PeerMetadata> {
    let hub = tie.hub(side.other())?;
    let profile = tie.profile(side.other())?;
    let said = hub.link().and_then(|link| link.metadata());
    said.or_else(|| {
        Some(PeerMetadata {
            socket_type: profile.socket_type,
            routing_id: own(&profile.routing_id),
            address: Box::default(),
            properties: Vec::new(),
        })
    })
}

/// What is to be told of `tie` by and by, as bits.
fn shows(tie: &Tie, side: Side) -> u32 {
    let mut bits = 0;
    if tie.hub(side.other()).is_some() {
        bits |= REACHED;
    }
    if tie.key(side).is_some() && tie.key(side.other()).is_some() {
        bits |= JOINED;
    }
    if tie.way_to(side).producer_gone() || tie.way_from(side).consumer_gone() {
        bits |= PARTED;
    }
    bits
}

fn event(tie: &Tie, side: Side, bit: u32) -> Option<EventKind> {
    let peer = peer(tie);
    let profile = tie.profile(side.other());
    match bit {
        REACHED => {
            let (endpoint, descriptor) = (tie.endpoint()?.clone(), tie.descriptor());
            Some(match side {
                Side::First => EventKind::Connected { endpoint, peer, descriptor },
                Side::Second => EventKind::Accepted { endpoint, peer, descriptor },
            })
        }
        JOINED => {
            let profile = profile?;
            let routing_id = own(&profile.routing_id);
            Some(EventKind::PeerJoined { peer, socket_type: profile.socket_type, routing_id })
        }
        // Nobody was there yet: only the end of the context takes what waits for a name.
        _ if profile.is_none() => disconnected(tie, DisconnectReason::ContextClosed),
        _ => disconnected(tie, tie.parted().cloned().unwrap_or(DisconnectReason::PeerClosed)),
    }
}

fn disconnected(tie: &Tie, reason: DisconnectReason) -> Option<EventKind> {
    let (endpoint, descriptor) = (tie.endpoint()?.clone(), tie.descriptor());
    Some(EventKind::Disconnected { endpoint, peer: peer(tie), reason, descriptor })
}

/// A copy that shares nothing: it is dropped under locks, and the original may run code of others then.
fn own(routing_id: &Frame) -> Frame {
    Frame::copy_from(routing_id)
}

fn peer(tie: &Tie) -> PeerId {
    PeerId::new(tie.number())
}

fn push(monitors: &Monitors, tie: &Tie, side: Side, event: Option<EventKind>) {
    if let Some(event) = event {
        // Relaxed, here and below: under the hub's lock, or by the thread that took the pipe out under it.
        monitors.push_to(tie.told(side).last.load(Ordering::Relaxed), event);
    }
}

fn told(tie: &Tie, side: Side) -> u32 {
    tie.told(side).what.load(Ordering::Relaxed)
}

fn keep(tie: &Tie, side: Side, told: u32) {
    tie.told(side).what.store(told, Ordering::Relaxed);
}
