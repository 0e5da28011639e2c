//! The actor that owns a publication's ROUTER, and passes on what links say.
//!
//! ```text
//!  hello ─► session ─► tells: wait ─► given ─► done: the actor has come to the mark behind them, and the link is credited
//!    │                    └─ no room: the actor says when ─┘
//!    │                 asks: asked at once, or failed at once
//!    └─► refused
//! ```

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    mem,
    time::Duration,
};

use super::{
    counts::{PublicationGauge, PublicationNumbers},
    fault::{Fault, Malformed},
    offer::Offered,
    publication::Publication,
    session::{Session, Terms},
    turns::Turns,
    wire::{How, PROTOCOL, Packet, What},
};
use crate::{
    Frame, Message, Router,
    actor::{Actor, Ctx, Ended, Failure, Handle, Reason},
    bridge::{self, Port, Received},
    socket::SendFailure,
};

/// The actor of a [`Publication`].
#[derive(Debug)]
pub struct Publisher {
    port: Port<Router>,
    pub(super) offers: Vec<Published>,
    /// By routing ids: a link that comes back has another.
    pub(super) sessions: HashMap<Frame, Session, ahash::RandomState>,
    pub(super) terms: Terms,
    sessions_max: usize,
    pub(super) body_max: usize,
    pub(super) answer_limit: Duration,
    next_session: u64,
    /// Sessions for which marks are due, of what is not enough to set them at once: that is done when what has come is handled.
    pub(super) unsettled: Vec<Frame>,
    /// A look for sessions whose links have left is due.
    is_looking: bool,
    /// Peers that had no room are tried again soon.
    is_retrying: bool,
    pub(super) gauge: PublicationGauge,
}

/// An actor that is offered.
#[derive(Debug)]
pub(super) struct Published {
    name: String,
    pub(super) offer: Box<dyn Offered>,
    /// Sessions with tells, or a mark, that wait for room, in turn.
    pub(super) waiting: Turns,
    /// It is told when there is room.
    pub(super) is_seeking: bool,
    pub(super) ended: Option<Reason>,
}

/// Where an answer goes.
#[derive(Debug)]
pub(super) struct Back {
    pub(super) id: Frame,
    pub(super) session: u64,
    pub(super) number: u64,
}

/// Something has come from the socket.
struct Came(Received);

/// A question was answered, or not.
pub(super) struct Answered {
    pub(super) back: Back,
    pub(super) answer: Result<Frame, Fault>,
}

/// A published actor has ended.
struct Over(usize, Reason);

/// Time to look for links that have left.
struct Look;

/// Time to try those again that had no room.
struct Retry;

impl Actor for Publisher {
    type Args = Publication;

    fn start(from: Publication, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        let Publication { router, offers, terms, sessions, body_max, answer_limit, gauge } = from;
        for (number, (_, offer)) in offers.iter().enumerate() {
            ctx.watch(offer.id(), move |Ended { reason, .. }| Over(number, reason));
        }
        let published =
            |(name, offer)| Published { name, offer, waiting: Turns::default(), is_seeking: false, ended: None };
        Ok(Self {
            port: bridge::own(ctx, router, Came)?,
            offers: offers.into_iter().map(published).collect(),
            sessions: HashMap::default(),
            terms,
            sessions_max: sessions,
            body_max,
            answer_limit,
            // Not those of another process that was here before.
            next_session: RandomState::new().hash_one(()) >> 1,
            unsettled: Vec::new(),
            is_looking: false,
            is_retrying: false,
            gauge,
        })
    }

    fn stopping(&mut self, ctx: &mut Ctx<'_, Self>) {
        let ids: Vec<Frame> = self.sessions.keys().cloned().collect();
        for id in ids {
            self.settle(&id, 1, ctx);
            self.say(&id, 0, What::Bye, ctx);
        }
        for published in &self.offers {
            ctx.unwatch(published.offer.id());
        }
    }
}

impl Handle<Came> for Publisher {
    type Reply = ();

    fn on(&mut self, Came(received): Came, ctx: &mut Ctx<'_, Self>) {
        match received {
            Ok(incoming) => self.receive(&incoming.message, ctx),
            // The context was shut down, or the process is another.
            Err(_) => ctx.stop(),
        }
    }
}

impl Handle<Answered> for Publisher {
    type Reply = ();

    fn on(&mut self, Answered { back: Back { id, session, number }, answer }: Answered, ctx: &mut Ctx<'_, Self>) {
        let Some(of) = self.sessions.get_mut(&id).filter(|of| of.number == session) else { return };
        of.asked -= 1;
        match answer {
            Ok(body) => self.send(&id, Packet::new(session, number, What::Answer).message(Some(body)), ctx),
            Err(fault) => self.fail_ask(&id, number, fault, ctx),
        }
    }
}

impl Handle<Over> for Publisher {
    type Reply = ();

    fn on(&mut self, Over(number, reason): Over, ctx: &mut Ctx<'_, Self>) {
        self.offers[number].ended = Some(reason);
        let ids: Vec<Frame> =
            self.sessions.iter().filter(|(_, session)| session.offer == number).map(|(id, _)| id.clone()).collect();
        for id in ids {
            // What waits is refused, now that it is known.
            self.pass_on(&id, ctx);
            self.lose_given(&id, ctx);
            self.settle(&id, 1, ctx);
            self.tell_end(&id, ctx);
        }
    }
}

impl Handle<Look> for Publisher {
    type Reply = ();

    fn on(&mut self, _: Look, ctx: &mut Ctx<'_, Self>) {
        self.is_looking = false;
        let ids: Vec<Frame> = self.sessions.keys().cloned().collect();
        for id in &ids {
            if !self.port.with(|router| router.has_peer(id)) {
                self.part(id);
            }
        }
        self.look_later(ctx);
    }
}

impl Handle<Retry> for Publisher {
    type Reply = ();

    fn on(&mut self, _: Retry, ctx: &mut Ctx<'_, Self>) {
        self.is_retrying = false;
        let stuck = self.sessions.iter().filter(|(_, session)| session.has_unsent());
        let ids: Vec<Frame> = stuck.map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.send_unsent(&id);
        }
        if self.sessions.values().any(Session::has_unsent) {
            self.retry_later(ctx);
        }
    }
}

impl Publisher {
    pub(super) fn numbers(&self) -> &PublicationNumbers {
        &self.gauge.0
    }

    fn receive(&mut self, message: &Message, ctx: &mut Ctx<'_, Self>) {
        let Some((id, frames)) = message.frames().split_first() else { return };
        let (packet, body) = match Packet::parse(frames) {
            Ok(parsed) => parsed,
            Err(malformed) => {
                self.numbers().malformed.add(1);
                if let Malformed::Protocol { .. } = malformed {
                    self.refuse(id, Fault::Protocol(PROTOCOL.into()), ctx);
                }
                return;
            }
        };
        if let What::Hello { name } = packet.what {
            return self.greet(id, name, ctx);
        }
        let Packet { session, number, what } = packet;
        if let Some(of) = self.sessions.get_mut(id).filter(|of| of.number == session) {
            of.is_used = true;
        } else {
            self.numbers().strays.add(1);
            // What publications say, and that a link has left, is nothing to answer: two publications would never end.
            if let What::Tell { .. } | What::Ask { .. } | What::Watch = what {
                let packet = Packet::new(session, number, What::Failure(Fault::NoSession));
                self.send(id, packet.message(None), ctx);
            }
            return;
        }
        match (what, body) {
            (What::Tell { name, version }, Some(body)) => self.tell(id, number, (name, version), body, ctx),
            (What::Ask { name, version }, Some(body)) => self.ask(id, number, (name, version), body, ctx),
            (What::Watch, _) => self.watch(id, ctx),
            (What::Bye, _) => self.part(id),
            // What publications say.
            _ => self.numbers().malformed.add(1),
        }
    }

    /// A link is there, or begins anew.
    fn greet(&mut self, id: &Frame, name: &str, ctx: &mut Ctx<'_, Self>) {
        self.numbers().hellos.add(1);
        let offer = self.offers.iter().position(|published| published.name == name);
        let is_said_again =
            |of: &Session| !of.is_used && Some(of.offer) == offer && self.offers[of.offer].ended.is_none();
        if self.sessions.get(id).is_some_and(is_said_again) {
            // Before it heard our welcome: what it says in that session is on its way, it may be.
            return self.welcome(id, ctx);
        }
        self.part(id);
        let fault = match offer {
            None => Fault::UnknownName,
            Some(offer) if self.offers[offer].ended.is_some() => Fault::Gone,
            Some(offer) if self.sessions.len() < self.sessions_max => {
                let session = Session::new(self.next_session, offer);
                self.next_session = self.next_session.wrapping_add(1);
                self.sessions.insert(id.clone(), session);
                self.welcome(id, ctx);
                return self.look_later(ctx);
            }
            Some(_) => Fault::Busy,
        };
        self.numbers().turned_away.add(1);
        self.refuse(id, fault, ctx);
    }

    fn welcome(&mut self, id: &Frame, ctx: &mut Ctx<'_, Self>) {
        let Terms { window, questions } = self.terms;
        self.say(id, 0, What::Welcome { window, questions }, ctx);
    }

    fn refuse(&mut self, id: &Frame, fault: Fault, ctx: &mut Ctx<'_, Self>) {
        self.send(id, Packet::new(0, 0, What::Refused(fault)).message(None), ctx);
    }

    fn watch(&mut self, id: &Frame, ctx: &mut Ctx<'_, Self>) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.is_watching = true;
            self.tell_end(id, ctx);
        }
    }

    /// Tells the link of its actor's end, if it has ended, and that is of interest.
    fn tell_end(&mut self, id: &Frame, ctx: &mut Ctx<'_, Self>) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(reason) = &self.offers[session.offer].ended else { return };
        if !mem::take(&mut session.is_watching) {
            return;
        }
        let (how, text) = match reason {
            Reason::Stopped => (How::Stopped, ""),
            Reason::Failed(text) => (How::Failed, text.as_str()),
            Reason::Gone => (How::Gone, ""),
        };
        let message = Packet::new(session.number, 0, What::Ended { how, text }).message(None);
        self.send(id, message, ctx);
    }

    /// It did what it was not allowed to: the link is to begin anew.
    pub(super) fn overrun(&mut self, id: &Frame, ctx: &mut Ctx<'_, Self>) {
        self.numbers().overruns.add(1);
        self.part(id);
        self.refuse(id, Fault::Overrun, ctx);
    }

    /// Forgets a session, if there is one. What waits of it is lost, of which the link has heard nothing.
    fn part(&mut self, id: &Frame) {
        if let Some(session) = self.sessions.remove(id) {
            self.offers[session.offer].waiting.leave(&session.turn);
            self.numbers().parted.add(1);
        }
    }

    /// Sends a packet of the session there is.
    pub(super) fn say(&mut self, id: &Frame, number: u64, what: What<'_>, ctx: &mut Ctx<'_, Self>) {
        if let Some(session) = self.sessions.get(id) {
            let message = Packet::new(session.number, number, what).message(None);
            self.send(id, message, ctx);
        }
    }

    /// Sends to a peer, now or later. Without a session now or never.
    pub(super) fn send(&mut self, id: &Frame, mut message: Message, ctx: &mut Ctx<'_, Self>) {
        message.push_front(id.clone());
        let session = self.sessions.get_mut(id);
        let message = match session {
            Some(ref session) if session.has_unsent() => message,
            _ => match self.port.try_send(message) {
                Err(error) if error.reason == SendFailure::Full => error.message,
                Err(error) if error.reason == SendFailure::Unroutable => return self.part(id),
                _ => return,
            },
        };
        let Some(session) = session else { return };
        if session.keep(message, self.terms) {
            self.retry_later(ctx);
        } else {
            // It does not read.
            self.numbers().overruns.add(1);
            self.part(id);
        }
    }

    fn send_unsent(&mut self, id: &Frame) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        while let Some(message) = session.take_unsent() {
            match self.port.try_send(message) {
                Err(error) if error.reason == SendFailure::Full => return session.return_unsent(error.message),
                Err(error) if error.reason == SendFailure::Unroutable => return self.part(id),
                _ => {}
            }
        }
    }

    fn look_later(&mut self, ctx: &mut Ctx<'_, Self>) {
        if !self.is_looking && !self.sessions.is_empty() {
            self.is_looking = true;
            ctx.after(PEERS_AGAIN, Look);
        }
    }

    fn retry_later(&mut self, ctx: &mut Ctx<'_, Self>) {
        if !self.is_retrying {
            self.is_retrying = true;
            ctx.after(ROOM_AGAIN, Retry);
        }
    }
}

/// How soon a peer that had no room is tried again: a ROUTER tells when anybody has room, and not who.
const ROOM_AGAIN: Duration = Duration::from_millis(2);

/// How soon a session whose link has left is forgotten: nothing is told of it, and it holds little.
const PEERS_AGAIN: Duration = Duration::from_secs(1);
