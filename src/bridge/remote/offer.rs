//! What of an actor may be said from outside.

#![forbid(unsafe_code)]

use std::{any::type_name, fmt, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    codec,
    delivery::{Marked, Room},
    fault::Fault,
    publisher::{Answered, Back, Publisher},
    wire::is_name,
};
use crate::{
    Frame,
    actor::{Actor, ActorId, Addr, AskError, Ctx, Handle, TellError},
};

/// A message that is understood in other processes: it has a name there, and bytes.
///
/// ```
/// use ringway::bridge::remote::RemoteMessage;
/// use serde::{Deserialize, Serialize};
///
/// /// How much there is, after as much more.
/// #[derive(Serialize, Deserialize)]
/// struct Add(u64);
///
/// impl RemoteMessage for Add {
///     const NAME: &'static str = "counter.add";
///     const VERSION: u32 = 1;
///     type Reply = u64;
/// }
/// ```
pub trait RemoteMessage: Serialize + DeserializeOwned + Send + 'static {
    /// What it is called on the way: 1 to 255 bytes, the same in all programs, and of no other type.
    const NAME: &'static str;

    /// Which form of it this is: another whenever its fields, or those of its answer, change. Two programs whose versions differ are told
    /// so, rather than what the bytes happen to mean.
    const VERSION: u32;

    /// What it is answered with, if it is asked; `()` if it is only told. Named here, so that who asks need not have the actor's type.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
}

/// What of the actor `A` is offered to links: types of messages that they may tell or ask it. Nothing else reaches it.
///
/// Several versions of a message may be offered, each a type of its own, under one name.
pub struct Offer<A: Actor> {
    addr: Addr<A>,
    lines: Vec<Line<A>>,
}

/// One type of messages, to an actor.
struct Line<A: Actor> {
    name: &'static str,
    version: u32,
    tell: Tell<A>,
    /// `None`: it may be told only.
    ask: Option<Ask<A>>,
}

type Tell<A> = fn(Addr<A>, &Frame, &mut Ctx<'_, Publisher>) -> Result<(), Fault>;
type Ask<A> = fn(Addr<A>, &Frame, &mut Ctx<'_, Publisher>, Duration, Back) -> Result<(), Fault>;

impl<A: Actor> Offer<A> {
    /// Nothing yet, of that actor.
    pub fn new(addr: Addr<A>) -> Self {
        Self { addr, lines: Vec::new() }
    }

    /// It may be told an `M`. Whatever it answers that with, as nobody hears it.
    pub fn tells<M: RemoteMessage>(self) -> Self
    where
        A: Handle<M>,
    {
        self.line::<M>(None)
    }

    /// It may be asked an `M`, and told.
    pub fn asks<M: RemoteMessage>(self) -> Self
    where
        A: Handle<M, Reply = M::Reply>,
    {
        self.line::<M>(Some(ask::<A, M>))
    }

    fn line<M: RemoteMessage>(mut self, ask: Option<Ask<A>>) -> Self
    where
        A: Handle<M>,
    {
        const { assert!(is_name(M::NAME), "the name of a message has 1 to 255 bytes") };
        let line = Line { name: M::NAME, version: M::VERSION, tell: tell::<A, M>, ask };
        match self.lines.iter_mut().find(|other| (other.name, other.version) == (M::NAME, M::VERSION)) {
            // Said again: the last counts.
            Some(other) => *other = line,
            None => self.lines.push(line),
        }
        self
    }
}

impl<A: Actor> fmt::Debug for Offer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines.iter().map(|line| (line.name, (line.version, line.ask.is_some())));
        f.debug_struct("Offer").field("actor", &type_name::<A>()).field("lines", &Map(lines.collect())).finish()
    }
}

struct Map(Vec<(&'static str, (u32, bool))>);

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().copied()).finish()
    }
}

/// An [`Offer`], of whatever actor.
pub(super) trait Offered: fmt::Debug + Send {
    fn id(&self) -> ActorId;

    /// Is there a message of that name and version, and may it be asked, if it is?
    fn find(&self, name: &str, version: u32, is_asked: bool) -> Result<usize, Fault>;

    /// Tells what `body` is by the line `line`.
    fn tell(&self, line: usize, body: &Frame, ctx: &mut Ctx<'_, Publisher>) -> Result<(), Fault>;

    /// Asks likewise; what comes of it goes `back`.
    fn ask(
        &self,
        line: usize,
        body: &Frame,
        ctx: &mut Ctx<'_, Publisher>,
        limit: Duration,
        back: Back,
    ) -> Result<(), Fault>;

    /// Has it known when the actor has handled what it was told by now.
    fn mark(&self, ctx: &mut Ctx<'_, Publisher>, back: Back) -> Result<(), Fault>;

    /// Asks to be told when the actor has room, with `Room`.
    fn seek_room(&self, ctx: &mut Ctx<'_, Publisher>, number: usize);
}

impl<A: Actor> Offered for Offer<A> {
    fn id(&self) -> ActorId {
        self.addr.id()
    }

    fn find(&self, name: &str, version: u32, is_asked: bool) -> Result<usize, Fault> {
        let of_name = || self.lines.iter().enumerate().filter(|(_, line)| line.name == name);
        match of_name().find(|(_, line)| line.version == version) {
            Some((_, line)) if is_asked && line.ask.is_none() => Err(Fault::NotAsked),
            Some((index, _)) => Ok(index),
            None => Err(match of_name().map(|(_, line)| line.version).max() {
                Some(newest) => Fault::Version(newest.into()),
                None => Fault::NotOffered,
            }),
        }
    }

    fn tell(&self, line: usize, body: &Frame, ctx: &mut Ctx<'_, Publisher>) -> Result<(), Fault> {
        let line = self.lines.get(line).ok_or(Fault::NotOffered)?;
        (line.tell)(self.addr, body, ctx)
    }

    fn ask(
        &self,
        line: usize,
        body: &Frame,
        ctx: &mut Ctx<'_, Publisher>,
        limit: Duration,
        back: Back,
    ) -> Result<(), Fault> {
        let ask = self.lines.get(line).and_then(|line| line.ask).ok_or(Fault::NotAsked)?;
        ask(self.addr, body, ctx, limit, back)
    }

    fn mark(&self, ctx: &mut Ctx<'_, Publisher>, back: Back) -> Result<(), Fault> {
        ctx.mark(self.addr, move |reached| Marked { back, is_reached: reached.is_ok() }).map_err(of_tell)
    }

    fn seek_room(&self, ctx: &mut Ctx<'_, Publisher>, number: usize) {
        ctx.when_room(self.addr, Room(number));
    }
}

fn tell<A: Handle<M>, M: RemoteMessage>(
    addr: Addr<A>,
    body: &Frame,
    ctx: &mut Ctx<'_, Publisher>,
) -> Result<(), Fault> {
    let message = codec::decode::<M>(body).map_err(|_| Fault::Body)?;
    ctx.try_tell(addr, message).map_err(of_tell)
}

fn ask<A: Handle<M, Reply = M::Reply>, M: RemoteMessage>(
    addr: Addr<A>,
    body: &Frame,
    ctx: &mut Ctx<'_, Publisher>,
    limit: Duration,
    back: Back,
) -> Result<(), Fault> {
    let message = codec::decode::<M>(body).map_err(|_| Fault::Body)?;
    let then = move |answer: Result<M::Reply, AskError>| {
        let answer = match answer {
            Ok(reply) => codec::encode(&reply).map_err(|_| Fault::Answer),
            Err(AskError::TimedOut) => Err(Fault::NoAnswer),
            Err(AskError::Failed) => Err(Fault::Failed),
            Err(AskError::ShutDown) => Err(Fault::ShutDown),
            Err(AskError::Gone) => Err(Fault::Gone),
        };
        Answered { back, answer }
    };
    ctx.ask(addr, message, limit, then).map_err(of_tell)
}

fn of_tell<M>(error: TellError<M>) -> Fault {
    match error {
        TellError::Full(_) => Fault::Full,
        TellError::Gone(_) => Fault::Gone,
    }
}
