//! Whether a courier has a session: how one begins, how its end is noticed, and who is told of it. The courier's module has a picture.

#![forbid(unsafe_code)]

use std::{
    collections::{HashSet, VecDeque},
    mem,
    time::Instant,
};

use super::{
    connection::LinkEvent,
    courier::{Courier, HELLO_AGAIN, Left},
    error::RemoteError,
    link::{RemoteEnded, RemoteReason},
    wire::{Packet, What},
};
use crate::{
    Message, PeerId,
    actor::{Ctx, Policy, Recipient},
    monitor::EventKind,
};

/// Whether there is a session: see the picture of the module.
pub(super) enum Phase {
    Seeking { until: Instant },
    Joined(Session),
    Away(RemoteError),
}

/// What the publication has said, and was told in it.
///
/// Invariants: *tells.len() <= window*, *asked.len() <= questions*; the numbers of tells ascend.
pub(super) struct Session {
    pub(super) number: u64,
    pub(super) window: u32,
    pub(super) questions: u32,
    /// The connection.
    pub(super) peer: Option<PeerId>,
    /// Tells that were sent and not taken yet, in order.
    pub(super) tells: VecDeque<Sent>,
    pub(super) taken: u64,
    /// Questions that were sent and not answered, also if nobody waits for that any more.
    pub(super) asked: HashSet<u64, ahash::RandomState>,
    pub(super) is_watching: bool,
    pub(super) ended: Option<RemoteReason>,
}

/// A tell that is under way.
pub(super) struct Sent {
    pub(super) number: u64,
    pub(super) name: &'static str,
    pub(super) version: u32,
    pub(super) is_refused: bool,
}

impl Courier {
    pub(super) fn join(
        &mut self,
        number: u64,
        (window, questions): (u32, u32),
        peer: Option<PeerId>,
        ctx: &mut Ctx<'_, Self>,
    ) {
        // Hello was said twice before it was heard.
        if matches!(&self.phase, Phase::Joined(session) if (session.number, session.peer) == (number, peer)) {
            return;
        }
        // Its end was not seen yet.
        self.part(ctx);
        self.phase = Phase::Joined(Session {
            number,
            window: window.max(1),
            questions: questions.max(1),
            peer,
            tells: VecDeque::new(),
            taken: 0,
            asked: HashSet::default(),
            is_watching: false,
            ended: None,
        });
        self.hello_at = None;
        self.numbers().joined.add(1);
        self.say(LinkEvent::Joined);
        if peer.is_some() && peer == self.left {
            // All that has come of it is in the mailbox.
            self.leave(ctx);
        }
        self.send_watch();
        self.pump(ctx);
    }

    /// The connection of the session there is has ended: that is told behind what has come of it.
    fn leave(&mut self, ctx: &mut Ctx<'_, Self>) {
        if let Phase::Joined(session) = &self.phase {
            let (me, left) = (ctx.addr(), session.number);
            // If there is no room, when there is: a timer would come before what waits.
            _ = ctx.tell(me, Left(left), Policy::Defer);
        }
    }

    /// The session, if there is one, is lost.
    pub(super) fn part(&mut self, ctx: &mut Ctx<'_, Self>) {
        if !matches!(self.phase, Phase::Joined(_)) {
            return;
        }
        let seeking = Phase::Seeking { until: ctx.now() + self.patience };
        let Phase::Joined(session) = mem::replace(&mut self.phase, seeking) else { return };
        let tells = session.tells.len() as u64;
        let sent: Vec<u64> = self.questions.iter().filter(|(_, of)| of.is_sent).map(|(&number, _)| number).collect();
        self.hello_at = Some(ctx.now() + HELLO_AGAIN);
        self.numbers().parted.add(1);
        self.numbers().lost.add(tells);
        for &number in &sent {
            self.answer(number, Err(RemoteError::LinkLost), ctx);
        }
        self.be_done(tells as u32, ctx);
        self.tell_watchers(&RemoteReason::LinkLost, ctx);
        self.say(LinkEvent::Lost { tells, questions: sent.len() as u64 });
    }

    /// The publication does not take us.
    pub(super) fn be_refused(&mut self, why: RemoteError, ctx: &mut Ctx<'_, Self>) {
        self.part(ctx);
        self.hello_at = Some(ctx.now() + HELLO_AGAIN);
        if !matches!(&self.phase, Phase::Away(before) if *before == why) {
            self.go_away(why.clone(), ctx);
            self.say(LinkEvent::TurnedAway(why));
        }
    }

    pub(super) fn go_away(&mut self, why: RemoteError, ctx: &mut Ctx<'_, Self>) {
        let waiting: Vec<u64> = self.questions.keys().copied().collect();
        for number in waiting {
            self.answer(number, Err(why.clone()), ctx);
        }
        self.queue.retain(|out| !out.is_question);
        self.tell_watchers(&RemoteReason::of_absence(&why), ctx);
        self.phase = Phase::Away(why);
    }

    pub(super) fn watch(&mut self, who: Recipient<RemoteEnded>, ctx: &mut Ctx<'_, Self>) {
        self.watchers.push(who);
        match &self.phase {
            Phase::Away(why) => {
                let reason = RemoteReason::of_absence(why);
                self.tell_watchers(&reason, ctx);
            }
            Phase::Joined(Session { ended: Some(reason), .. }) => {
                let reason = reason.clone();
                self.tell_watchers(&reason, ctx);
            }
            _ => self.send_watch(),
        }
    }

    /// Has the publication tell of the actor's end, if anybody wants to know. What finds no room is sent on the next tick.
    pub(super) fn send_watch(&mut self) {
        if let Phase::Joined(session) = &mut self.phase
            && !session.is_watching
            && !self.watchers.is_empty()
        {
            let watch: Message = Packet::new(session.number, 0, What::Watch).message(None);
            session.is_watching = self.port.try_send(watch).is_ok();
        }
    }

    pub(super) fn tell_watchers(&mut self, reason: &RemoteReason, ctx: &mut Ctx<'_, Self>) {
        for who in mem::take(&mut self.watchers) {
            let ended = RemoteEnded { name: self.name.clone(), reason: reason.clone() };
            // If it has no room now it is told later; if it has ended it is not.
            _ = ctx.tell(who, ended, Policy::Defer);
        }
    }

    /// What has become of the connection.
    pub(super) fn look_at_connection(&mut self, ctx: &mut Ctx<'_, Self>) {
        // A call of the socket's owner, without which it does not notice who has left.
        self.port.with(|socket| socket.can_send());
        let mut has_left = false;
        for event in self.monitor.try_iter() {
            match event.kind {
                EventKind::PeerLeft { peer, .. } => {
                    self.left = Some(peer);
                    has_left |= matches!(&self.phase, Phase::Joined(of) if of.peer.is_none_or(|of| of == peer));
                }
                EventKind::Missed(_) => has_left = true,
                _ => continue,
            }
            self.is_cut_off = self.connect_again.is_some();
        }
        if has_left {
            self.leave(ctx);
        }
        if let (true, Some(endpoint)) = (self.is_cut_off, &self.connect_again) {
            self.is_cut_off = self.port.with(|socket| socket.connect(endpoint)).is_err();
        }
    }
}
