//! A link's other half: the actor that owns the DEALER.
//!
//! It is apart from the [`Link`](super::Link) because that one holds its mail when as much is under way as may be, and what comes from the
//! socket is to be heard then as well.
//!
//! ```text
//!             ┌────────────────── patience is over ──────────────┐
//!             │                                                   ▼
//!  start ─► Seeking ◄──────── the session is lost ── Joined     Away: questions fail, who watches is told
//!             │                                       ▲ ▲         │ ▲
//!             └──────────────── welcome ──────────────┘ └─────────┘ │
//!             └──────────────── refused ────────────────────────────┘
//! ```
//!
//! In Seeking and Away tells wait; in Seeking questions, too. Each connection begins with a hello, which the socket sends by itself, and
//! where no welcome comes it is said again; that begins a session. What was sent in a session that is lost is not sent again: it may have been taken.

#![forbid(unsafe_code)]

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use super::{
    connection::{Hook, LinkEvent, Opening},
    counts::{LinkGauge, LinkNumbers},
    error::RemoteError,
    fault::{Fault, Malformed},
    link::{RemoteEnded, RemoteReason, Watch},
    wire::{How, Packet, What},
};
use crate::{
    Dealer, Frame, Message, Monitor, PeerId,
    actor::{Actor, Asker, Ctx, Failure, Handle, Policy, Recipient, Spec},
    bridge::{self, Incoming, Port, Received},
    monitor::EventKind,
    socket::SendFailure,
};

/// See the module.
pub(super) struct Courier {
    port: Port<Dealer>,
    monitor: Monitor,
    connect_again: Option<String>,
    /// That is to be done still.
    is_cut_off: bool,
    name: String,
    phase: Phase,
    /// What was not sent yet, in order.
    queue: VecDeque<Out>,
    /// Questions that were not answered yet, sent or not.
    questions: HashMap<u64, Question, ahash::RandomState>,
    /// When they are given up, in order. Numbers of some that are answered are among them: never many more than of others.
    deadlines: VecDeque<(Instant, u64)>,
    next: u64,
    /// Tells that need no more to be waited for, since the link was told how many.
    done: u32,
    waits_for_done: Option<Asker<u32>>,
    watchers: Vec<Recipient<RemoteEnded>>,
    /// When hello is said again. Always there unless in Joined: what began with the connection may have been refused, or was of a session
    /// that is over on a connection that is not.
    hello_at: Option<Instant>,
    /// The last peer that has left. Its welcome may be in the mailbox still.
    left: Option<PeerId>,
    /// It is told when the socket has room.
    is_stuck: bool,
    patience: Duration,
    answer_limit: Duration,
    hook: Option<Hook>,
    gauge: LinkGauge,
}

/// Whether there is a session: see the picture of the module.
enum Phase {
    Seeking { until: Instant },
    Joined(Session),
    Away(RemoteError),
}

/// What the publication has said, and was told in it.
///
/// Invariants: *tells.len() <= window*, *asked.len() <= questions*; the numbers of tells ascend.
struct Session {
    number: u64,
    window: u32,
    questions: u32,
    /// The connection.
    peer: Option<PeerId>,
    /// Tells that were sent and not taken yet, in order.
    tells: VecDeque<Sent>,
    taken: u64,
    /// Questions that were sent and not answered, also if nobody waits for that any more.
    asked: HashSet<u64, ahash::RandomState>,
    is_watching: bool,
    ended: Option<RemoteReason>,
}

/// A tell that is under way.
struct Sent {
    number: u64,
    name: &'static str,
    version: u32,
    is_refused: bool,
}

struct Question {
    asker: Asker<Result<Frame, RemoteError>>,
    name: &'static str,
    version: u32,
    is_sent: bool,
}

/// What a link has for its courier.
pub(super) enum Parcel {
    Tell { name: &'static str, version: u32, body: Frame },
    NotEncoded { name: &'static str },
    Watch(Watch),
}

/// What is to be sent.
struct Out {
    number: u64,
    is_question: bool,
    name: &'static str,
    version: u32,
    body: Frame,
}

/// A question, as bytes.
pub(super) struct Asked {
    pub(super) name: &'static str,
    pub(super) version: u32,
    pub(super) body: Frame,
}

/// How many tells are done with, as soon as there are any?
pub(super) struct Done;

/// Something has come from the socket.
struct Came(Received);

/// The socket has room.
struct Writable;

/// The connection of that session has ended, and all that had come of it is before this.
struct Left(u64);

/// Time to look at the connection and the clock.
struct Tick;

impl Courier {
    pub(super) fn spec(opening: Opening) -> Spec<Self> {
        // What the link may have under way is never too much, and what comes from the socket is bounded by that.
        let most = 2 * bridge::QUANTUM as u32 + opening.window.saturating_add(opening.questions);
        Spec::new(opening).capacity(most).outbox(u32::MAX)
    }
}

impl Actor for Courier {
    type Args = Opening;

    fn start(opening: Opening, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        let Opening { socket, monitor, connect_again, name, patience, answer_limit, look_every, hook, gauge, .. } =
            opening;
        ctx.every(look_every, || Tick);
        Ok(Self {
            port: bridge::own(ctx, socket, Came)?,
            monitor,
            connect_again,
            is_cut_off: false,
            name,
            phase: Phase::Seeking { until: ctx.now() + patience },
            queue: VecDeque::new(),
            questions: HashMap::default(),
            deadlines: VecDeque::new(),
            next: 0,
            done: 0,
            waits_for_done: None,
            watchers: Vec::new(),
            hello_at: Some(ctx.now() + HELLO_AGAIN),
            left: None,
            is_stuck: false,
            patience,
            answer_limit,
            hook,
            gauge,
        })
    }

    /// What it has of tells is lost, and the link, which has others, counts them.
    fn stopping(&mut self, ctx: &mut Ctx<'_, Self>) {
        if let Phase::Joined(session) = &self.phase {
            // If there is no room for it, the end of the connection says the same.
            _ = self.port.try_send(Packet::new(session.number, 0, What::Bye).message(None));
        }
        self.tell_watchers(&RemoteReason::LinkEnded, ctx);
    }
}

impl Handle<Parcel> for Courier {
    type Reply = ();

    fn on(&mut self, parcel: Parcel, ctx: &mut Ctx<'_, Self>) {
        match parcel {
            Parcel::Tell { name, version, body } => {
                let number = self.next_number();
                self.queue.push_back(Out { number, is_question: false, name, version, body });
                self.pump(ctx);
            }
            Parcel::NotEncoded { name } => {
                self.say(LinkEvent::NotTold(RemoteError::NotEncoded { message: name }));
            }
            Parcel::Watch(Watch { who }) => self.watch(who, ctx),
        }
    }
}

impl Handle<Asked> for Courier {
    type Reply = Result<Frame, RemoteError>;

    fn on(&mut self, question: Asked, ctx: &mut Ctx<'_, Self>) -> Self::Reply {
        let Asked { name, version, body } = question;
        self.numbers().asked.add(1);
        if let Phase::Away(why) = &self.phase {
            self.numbers().failed.add(1);
            return Err(why.clone());
        }
        if let Some(asker) = ctx.asker::<Asked>() {
            let number = self.next_number();
            self.questions.insert(number, Question { asker, name, version, is_sent: false });
            self.deadlines.push_back((ctx.now() + self.answer_limit, number));
            if self.deadlines.len() > 2 * self.questions.len() + 64 {
                // At least as many were answered as there are, so this costs each of them a look or two.
                let questions = &self.questions;
                self.deadlines.retain(|(_, number)| questions.contains_key(number));
            }
            self.queue.push_back(Out { number, is_question: true, name, version, body });
            self.pump(ctx);
        }
        Err(RemoteError::NoAnswer)
    }
}

impl Handle<Done> for Courier {
    type Reply = u32;

    fn on(&mut self, _: Done, ctx: &mut Ctx<'_, Self>) -> u32 {
        if self.done == 0 {
            self.waits_for_done = ctx.asker::<Done>();
        }
        mem::take(&mut self.done)
    }
}

impl Handle<Came> for Courier {
    type Reply = ();

    fn on(&mut self, Came(received): Came, ctx: &mut Ctx<'_, Self>) {
        match received {
            Ok(incoming) => self.receive(incoming, ctx),
            // The context was shut down, or the process is another.
            Err(_) => ctx.stop(),
        }
    }
}

impl Handle<Writable> for Courier {
    type Reply = ();

    fn on(&mut self, _: Writable, ctx: &mut Ctx<'_, Self>) {
        self.is_stuck = false;
        self.pump(ctx);
    }
}

impl Handle<Left> for Courier {
    type Reply = ();

    fn on(&mut self, Left(number): Left, ctx: &mut Ctx<'_, Self>) {
        if matches!(&self.phase, Phase::Joined(session) if session.number == number) {
            self.part(ctx);
        }
    }
}

impl Handle<Tick> for Courier {
    type Reply = ();

    fn on(&mut self, _: Tick, ctx: &mut Ctx<'_, Self>) {
        self.look_at_connection(ctx);
        let now = ctx.now();
        if matches!(self.phase, Phase::Seeking { until } if until <= now) {
            self.go_away(RemoteError::NotConnected, ctx);
        }
        self.give_up_questions(now, ctx);
        if self.hello_at.is_some_and(|at| at <= now) {
            self.hello_at = Some(now + HELLO_AGAIN);
            let hello = Packet::new(0, 0, What::Hello { name: &self.name }).message(None);
            // Where there is no connection a new one begins with it.
            _ = self.port.try_send(hello);
        }
        self.send_watch();
        self.pump(ctx);
    }
}

impl Courier {
    fn numbers(&self) -> &LinkNumbers {
        &self.gauge.0
    }

    fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Tells the hook, which is the user's: if it panics it is told no more, and the link goes on.
    fn say(&mut self, event: LinkEvent) {
        let Some(mut hook) = self.hook.take() else { return };
        if catch_unwind(AssertUnwindSafe(|| hook(event))).is_ok() {
            self.hook = Some(hook);
        } else {
            // What it has captured may panic likewise.
            _ = catch_unwind(AssertUnwindSafe(|| drop(hook)));
        }
    }

    fn receive(&mut self, incoming: Incoming, ctx: &mut Ctx<'_, Self>) {
        let Incoming { message, sender, .. } = incoming;
        let (Packet { session, number, what }, body) = match Packet::parse(message.frames()) {
            Ok(parsed) => parsed,
            Err(Malformed::Protocol { theirs }) => return self.be_refused(RemoteError::of_protocol(theirs), ctx),
            Err(_) => return self.numbers().malformed.add(1),
        };
        match what {
            What::Welcome { window, questions } => return self.join(session, (window, questions), sender, ctx),
            What::Refused(fault) => return self.be_refused(RemoteError::of_hello(fault, &self.name), ctx),
            _ => {}
        }
        let joined = match &mut self.phase {
            Phase::Joined(joined) if joined.number == session => joined,
            _ => return self.numbers().malformed.add(1),
        };
        match (what, body) {
            (What::Answer, Some(body)) => {
                if !joined.asked.remove(&number) {
                    return self.numbers().malformed.add(1);
                }
                self.answer(number, Ok(body.clone()), ctx);
            }
            // It knows nothing of the session any more, or never did: another is to begin.
            (What::Failure(Fault::NoSession), _) => {
                self.part(ctx);
                self.hello_at = Some(ctx.now());
                return;
            }
            (What::Failure(fault), _) => self.take_failure(number, fault, ctx),
            (What::Credit, _) => {
                // It grows, and is of what was sent.
                let more = number.saturating_sub(joined.taken);
                if more == 0 || more > joined.tells.len() as u64 {
                    return self.numbers().malformed.add(1);
                }
                joined.taken = number;
                joined.tells.drain(..more as usize);
                self.numbers().taken.add(more);
                self.be_done(more as u32, ctx);
            }
            (What::Ended { how, text }, _) => {
                let reason = match how {
                    How::Stopped => RemoteReason::Stopped,
                    How::Failed => RemoteReason::Failed(text.to_owned()),
                    How::Gone => RemoteReason::Gone,
                };
                joined.ended = Some(reason.clone());
                return self.tell_watchers(&reason, ctx);
            }
            (What::Bye, _) => return self.part(ctx),
            // What links say.
            _ => return self.numbers().malformed.add(1),
        }
        self.pump(ctx);
    }

    fn join(&mut self, number: u64, (window, questions): (u32, u32), peer: Option<PeerId>, ctx: &mut Ctx<'_, Self>) {
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
    fn part(&mut self, ctx: &mut Ctx<'_, Self>) {
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
    fn be_refused(&mut self, why: RemoteError, ctx: &mut Ctx<'_, Self>) {
        self.part(ctx);
        self.hello_at = Some(ctx.now() + HELLO_AGAIN);
        if !matches!(&self.phase, Phase::Away(before) if *before == why) {
            self.go_away(why.clone(), ctx);
            self.say(LinkEvent::TurnedAway(why));
        }
    }

    fn go_away(&mut self, why: RemoteError, ctx: &mut Ctx<'_, Self>) {
        let waiting: Vec<u64> = self.questions.keys().copied().collect();
        for number in waiting {
            self.answer(number, Err(why.clone()), ctx);
        }
        self.queue.retain(|out| !out.is_question);
        self.tell_watchers(&RemoteReason::of_absence(&why), ctx);
        self.phase = Phase::Away(why);
    }

    /// Those that have waited for too long, sent or not.
    fn give_up_questions(&mut self, now: Instant, ctx: &mut Ctx<'_, Self>) {
        let before = self.questions.len();
        while let Some(&(deadline, number)) = self.deadlines.front() {
            if deadline > now {
                break;
            }
            self.deadlines.pop_front();
            self.answer(number, Err(RemoteError::NoAnswer), ctx);
        }
        if self.questions.len() < before {
            // Nobody wants what they say any more, and it may be long.
            let questions = &self.questions;
            self.queue.retain(|out| !out.is_question || questions.contains_key(&out.number));
        }
    }

    fn answer(&mut self, number: u64, answer: Result<Frame, RemoteError>, ctx: &mut Ctx<'_, Self>) {
        let Some(Question { asker, .. }) = self.questions.remove(&number) else { return };
        if answer.is_ok() {
            self.numbers().answered.add(1)
        } else {
            self.numbers().failed.add(1)
        }
        ctx.answer(asker, answer);
    }

    /// What was sent under that number was not passed on.
    fn take_failure(&mut self, number: u64, fault: Fault, ctx: &mut Ctx<'_, Self>) {
        let Phase::Joined(session) = &mut self.phase else { return };
        if let Ok(nth) = session.tells.binary_search_by_key(&number, |sent| sent.number)
            && let sent = &mut session.tells[nth]
            && !mem::replace(&mut sent.is_refused, true)
        {
            let why = RemoteError::of_message(fault, sent.name, sent.version);
            self.numbers().refused.add(1);
            return self.say(LinkEvent::NotTold(why));
        }
        if !session.asked.remove(&number) {
            // It is not under way, or has failed already.
            return self.numbers().malformed.add(1);
        }
        if let Some(&Question { name, version, .. }) = self.questions.get(&number) {
            self.answer(number, Err(RemoteError::of_message(fault, name, version)), ctx);
        }
    }

    /// So many tells more are done with.
    fn be_done(&mut self, more: u32, ctx: &mut Ctx<'_, Self>) {
        self.done += more;
        if self.done > 0
            && let Some(asker) = self.waits_for_done.take()
        {
            ctx.answer(asker, mem::take(&mut self.done));
        }
    }

    /// Sends what waits, as far as is allowed and there is room.
    fn pump(&mut self, ctx: &mut Ctx<'_, Self>) {
        let Phase::Joined(session) = &mut self.phase else { return };
        while let Some(Out { number, is_question, name, version, body }) = self.queue.front() {
            let (number, name, version) = (*number, *name, *version);
            let question = self.questions.get_mut(&number);
            let what = match (is_question, &question) {
                // It was given up.
                (true, None) => {
                    self.queue.pop_front();
                    continue;
                }
                (true, Some(_)) if session.asked.len() >= session.questions as usize => return,
                (true, Some(_)) => What::Ask { name, version },
                (false, _) if session.tells.len() >= session.window as usize => return,
                (false, _) => What::Tell { name, version },
            };
            match self.port.try_send(Packet::new(session.number, number, what).message(Some(body.clone()))) {
                Ok(()) => {}
                Err(error) => {
                    if error.reason == SendFailure::Full && !mem::replace(&mut self.is_stuck, true) {
                        self.port.when_writable(ctx, || Writable);
                    }
                    // Or there is no connection, which the next look finds.
                    return;
                }
            }
            self.queue.pop_front();
            match question {
                Some(question) => {
                    question.is_sent = true;
                    session.asked.insert(number);
                }
                None => session.tells.push_back(Sent { number, name, version, is_refused: false }),
            }
        }
    }

    fn watch(&mut self, who: Recipient<RemoteEnded>, ctx: &mut Ctx<'_, Self>) {
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
    fn send_watch(&mut self) {
        if let Phase::Joined(session) = &mut self.phase
            && !session.is_watching
            && !self.watchers.is_empty()
        {
            let watch: Message = Packet::new(session.number, 0, What::Watch).message(None);
            session.is_watching = self.port.try_send(watch).is_ok();
        }
    }

    fn tell_watchers(&mut self, reason: &RemoteReason, ctx: &mut Ctx<'_, Self>) {
        for who in mem::take(&mut self.watchers) {
            let ended = RemoteEnded { name: self.name.clone(), reason: reason.clone() };
            // If it has no room now it is told later; if it has ended it is not.
            _ = ctx.tell(who, ended, Policy::Defer);
        }
    }

    /// What has become of the connection.
    fn look_at_connection(&mut self, ctx: &mut Ctx<'_, Self>) {
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

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Courier")
            .field("name", &self.name)
            .field("queue", &self.queue.len())
            .field("questions", &self.questions.len())
            .finish_non_exhaustive()
    }
}

/// How soon hello is said again, without an answer or after one that turned us away: the actor may be published by then.
const HELLO_AGAIN: Duration = Duration::from_secs(1);
