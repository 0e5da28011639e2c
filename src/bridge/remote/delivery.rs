//! How what links say comes to the actors that are published, and how it is known that it has.
//!
//! What is told waits in its session until the actor has room, is given to it, and is done when the actor has come to a mark behind it. Who
//! finds no room waits for its turn. What is asked is asked at once, or has failed.

#![forbid(unsafe_code)]

use std::{mem, time::Duration};

use super::{
    fault::Fault,
    publisher::{Back, Publisher},
    session::{Session, Waiting},
    wire::What,
};
use crate::{
    Frame,
    actor::{Ctx, Handle},
};

/// A published actor has come to a mark, or has ended.
pub(super) struct Marked {
    pub(super) back: Back,
    pub(super) is_reached: bool,
}

/// A published actor has room again.
pub(super) struct Room(pub(super) usize);

/// All that had come is handled.
struct Settle;

impl Handle<Marked> for Publisher {
    type Reply = ();

    fn on(&mut self, Marked { back: Back { id, session, .. }, is_reached }: Marked, ctx: &mut Ctx<'_, Self>) {
        let Some(of) = self.sessions.get_mut(&id).filter(|of| of.number == session) else { return };
        if is_reached {
            of.reach_mark();
        } else {
            self.lose_given(&id, ctx);
        }
        self.settle(&id, 1, ctx);
        self.mark(&id, 1, ctx);
    }
}

impl Handle<Room> for Publisher {
    type Reply = ();

    fn on(&mut self, Room(number): Room, ctx: &mut Ctx<'_, Self>) {
        self.offers[number].is_seeking = false;
        // Each as far as there is room; who finds none is behind the others next time.
        while let Some(id) = self.offers[number].waiting.take() {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.turn.comes();
            }
            // The mark that is due before what is given now, and one behind it: without that nobody tells when it is done.
            let has_room = self.mark(&id, 1, ctx) && self.pass_on(&id, ctx) && self.mark(&id, 1, ctx);
            if !has_room {
                break;
            }
        }
    }
}

impl Handle<Settle> for Publisher {
    type Reply = ();

    fn on(&mut self, _: Settle, ctx: &mut Ctx<'_, Self>) {
        for id in mem::take(&mut self.unsettled) {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.is_unsettled = false;
            }
            self.mark(&id, 1, ctx);
        }
    }
}

impl Publisher {
    pub(super) fn tell(
        &mut self,
        id: &Frame,
        number: u64,
        (name, version): (&str, u32),
        body: &Frame,
        ctx: &mut Ctx<'_, Self>,
    ) {
        let (window, body_max) = (self.terms.window as usize, self.body_max);
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.count() >= window {
            return self.overrun(id, ctx);
        }
        let line = match body.len() > body_max {
            true => Err(Fault::TooLarge(body_max as u64)),
            false => self.offers[session.offer].offer.find(name, version, false),
        };
        let body = if line.is_ok() { body.clone() } else { Frame::new() };
        session.waiting.push_back(Waiting { number, line, body });
        if session.waiting.len() == 1 {
            self.pass_on(id, ctx);
        }
        self.mark(id, window / 4, ctx);
        self.settle_later(id, ctx);
    }

    /// Passes on what waits, in order, as far as there is room. False: something waits still, and goes on when there is.
    pub(super) fn pass_on(&mut self, id: &Frame, ctx: &mut Ctx<'_, Self>) -> bool {
        let Some(session) = self.sessions.get_mut(id) else { return true };
        let published = &self.offers[session.offer];
        let mut refused = Vec::new();
        while let Some(Waiting { number, line, body }) = session.waiting.front() {
            let number = *number;
            let told = match (line, &published.ended) {
                (_, Some(_)) => Err(Fault::Gone),
                (Ok(line), None) => published.offer.tell(*line, body, ctx),
                (Err(fault), None) => Err(*fault),
            };
            match told {
                Ok(()) => self.gauge.0.tells.add(1),
                Err(Fault::Full) => break,
                Err(fault) => refused.push((number, fault)),
            }
            session.give(told.is_err());
        }
        let (is_all, offer) = (session.waiting.is_empty(), session.offer);
        for (number, fault) in refused {
            self.numbers().tells_refused.add(1);
            self.say(id, number, What::Failure(fault), ctx);
        }
        if !is_all {
            self.wait_for_room(id, offer, ctx);
        }
        is_all
    }

    /// Sets a mark behind what the actor was given, if that is enough. False: there is no room for it, and it is set when there is.
    fn mark(&mut self, id: &Frame, enough: usize, ctx: &mut Ctx<'_, Self>) -> bool {
        let Some(session) = self.sessions.get_mut(id).filter(|session| session.lacks_mark(enough)) else { return true };
        let offer = session.offer;
        let back = Back { id: id.clone(), session: session.number, number: 0 };
        match self.offers[offer].offer.mark(ctx, back) {
            Ok(()) => session.set_mark(),
            Err(Fault::Full) => {
                self.wait_for_room(id, offer, ctx);
                return false;
            }
            Err(_) => {
                self.lose_given(id, ctx);
                self.settle(id, 1, ctx);
            }
        }
        true
    }

    fn wait_for_room(&mut self, id: &Frame, offer: usize, ctx: &mut Ctx<'_, Self>) {
        let published = &mut self.offers[offer];
        if let Some(session) = self.sessions.get_mut(id) {
            published.waiting.wait(id, &mut session.turn);
        }
        if !mem::replace(&mut published.is_seeking, true) {
            published.offer.seek_room(ctx, offer);
        }
    }

    /// The actor has ended, and what it had not come to is lost with it.
    pub(super) fn lose_given(&mut self, id: &Frame, ctx: &mut Ctx<'_, Self>) {
        let lost = self.sessions.get_mut(id).map(Session::lose_given).unwrap_or_default();
        for number in lost {
            self.say(id, number, What::Failure(Fault::Gone), ctx);
        }
    }

    /// Sends credit, if enough has gathered.
    pub(super) fn settle(&mut self, id: &Frame, enough: u32, ctx: &mut Ctx<'_, Self>) {
        if let Some(credit) = self.sessions.get_mut(id).and_then(|session| session.credit(enough)) {
            self.send(id, credit.message(None), ctx);
        }
    }

    /// Sets what mark there is to be once all that has come is handled: then the next may be long in coming.
    fn settle_later(&mut self, id: &Frame, ctx: &mut Ctx<'_, Self>) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if mem::replace(&mut session.is_unsettled, true) {
            return;
        }
        self.unsettled.push(id.clone());
        if self.unsettled.len() == 1 {
            let me = ctx.addr();
            if ctx.try_tell(me, Settle).is_err() {
                ctx.after(Duration::ZERO, Settle);
            }
        }
    }

    pub(super) fn ask(
        &mut self,
        id: &Frame,
        number: u64,
        (name, version): (&str, u32),
        body: &Frame,
        ctx: &mut Ctx<'_, Self>,
    ) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let published = &self.offers[session.offer];
        let fault = if published.ended.is_some() {
            Fault::Gone
        } else if session.asked >= self.terms.questions {
            Fault::Overrun
        } else if body.len() > self.body_max {
            Fault::TooLarge(self.body_max as u64)
        } else if !session.waiting.is_empty() {
            // It is not to be handled before what was told before it.
            published.offer.find(name, version, true).err().unwrap_or(Fault::Full)
        } else {
            let back = Back { id: id.clone(), session: session.number, number };
            let line = published.offer.find(name, version, true);
            match line.and_then(|line| published.offer.ask(line, body, ctx, self.answer_limit, back)) {
                Ok(()) => {
                    session.asked += 1;
                    return self.numbers().asks.add(1);
                }
                Err(fault) => fault,
            }
        };
        self.fail_ask(id, number, fault, ctx);
    }

    pub(super) fn fail_ask(&mut self, id: &Frame, number: u64, fault: Fault, ctx: &mut Ctx<'_, Self>) {
        self.numbers().asks_failed.add(1);
        self.say(id, number, What::Failure(fault), ctx);
    }
}
