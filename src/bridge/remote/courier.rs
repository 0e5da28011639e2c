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
//! where no welcome comes it is said again; that begins a session. What was sent in a session that is lost is not sent again:
//! it may have been taken.

#![forbid(unsafe_code)]

use std::{
    collections::{HashMap, VecDeque},
    fmt, mem,
    time::{Duration, Instant},
};

use super::{
    connection::{Hook, LinkEvent, Opening},
    counts::{LinkGauge, LinkNumbers},
    error::RemoteError,
    fault::{Fault, Malformed},
    joining::{Phase, Sent},
    link::{RemoteEnded, RemoteReason, Watch},
    questions::Question,
    wire::{How, Packet, What},
};
use crate::{
    Dealer, Frame, Monitor, PeerId,
    actor::{Actor, Asker, Ctx, Failure, Handle, Recipient, Spec, quietly},
    bridge::{self, Incoming, Port, Received},
    socket::SendFailure,
};

/// See the module.
pub(super) struct Courier {
    pub(super) port: Port<Dealer>,
    pub(super) monitor: Monitor,
    pub(super) connect_again: Option<String>,
    /// That is to be done still.
    pub(super) is_cut_off: bool,
    pub(super) name: String,
    pub(super) phase: Phase,
    /// What was not sent yet, in order.
    pub(super) queue: VecDeque<Out>,
    /// Questions that were not answered yet, sent or not.
    pub(super) questions: HashMap<u64, Question, ahash::RandomState>,
    /// When they are given up, in order. Numbers of some that are answered are among them: never many more than of others.
    pub(super) deadlines: VecDeque<(Instant, u64)>,
    next: u64,
    /// Tells that need no more to be waited for, since the link was told how many.
    done: u32,
    waits_for_done: Option<Asker<u32>>,
    pub(super) watchers: Vec<Recipient<RemoteEnded>>,
    /// When hello is said again. Always there unless in Joined: what began with the connection may have been refused, or was of a session
    /// that is over on a connection that is not.
    pub(super) hello_at: Option<Instant>,
    /// The last peer that has left. Its welcome may be in the mailbox still.
    pub(super) left: Option<PeerId>,
    /// It is told when the socket has room.
    is_stuck: bool,
    pub(super) patience: Duration,
    pub(super) answer_limit: Duration,
    hook: Option<Hook>,
    gauge: LinkGauge,
}

/// What a link has for its courier.
pub(super) enum Parcel {
    Tell { name: &'static str, version: u32, body: Frame },
    NotEncoded { name: &'static str },
    Watch(Watch),
}

/// What is to be sent.
pub(super) struct Out {
    pub(super) number: u64,
    pub(super) is_question: bool,
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
pub(super) struct Left(pub(super) u64);

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
    pub(super) fn numbers(&self) -> &LinkNumbers {
        &self.gauge.0
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Tells the hook, which is the user's: if it panics it is told no more, and the link goes on.
    pub(super) fn say(&mut self, event: LinkEvent) {
        let Some(mut hook) = self.hook.take() else { return };
        if quietly(|| hook(event)) {
            self.hook = Some(hook);
        } else {
            // What it has captured may panic likewise.
            quietly(|| drop(hook));
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
    pub(super) fn be_done(&mut self, more: u32, ctx: &mut Ctx<'_, Self>) {
        self.done += more;
        if self.done > 0
            && let Some(asker) = self.waits_for_done.take()
        {
            ctx.answer(asker, mem::take(&mut self.done));
        }
    }

    /// Sends what waits, as far as is allowed and there is room.
    pub(super) fn pump(&mut self, ctx: &mut Ctx<'_, Self>) {
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
pub(super) const HELLO_AGAIN: Duration = Duration::from_secs(1);
