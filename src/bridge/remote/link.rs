//! The using side: an actor that stands for one elsewhere, and is told and asked in its place.

#![forbid(unsafe_code)]

use std::{
    any::type_name,
    collections::{HashMap, VecDeque},
    fmt,
    marker::PhantomData,
    mem,
    time::Duration,
};

use super::{
    codec,
    connection::Opening,
    counts::LinkGauge,
    courier::{Courier, Done, Parcel},
    error::RemoteError,
    offer::RemoteMessage,
    questions::Asked,
};
use crate::{
    Frame,
    actor::{Actor, Addr, AskError, Ctx, Ended, Failure, Handle, Reason, Recipient, TellError},
};

/// What messages of type `M` may be sent through a [`Link<P>`]: said of a type of one's own, so that an [`Addr`] of a link is as particular
/// as one of an actor. Of [`Anything`] it is true of all.
///
/// ```
/// # use ringway::bridge::remote::{Accepts, RemoteMessage};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)] struct Add(u64);
/// # impl RemoteMessage for Add { const NAME: &'static str = "add"; const VERSION: u32 = 1; type Reply = u64; }
/// /// What the counter in the other process takes.
/// struct Counting;
///
/// impl Accepts<Add> for Counting {}
/// ```
pub trait Accepts<M: RemoteMessage>: 'static {}

/// A link that says nothing of what it takes: what the other side does not take is an error then.
#[derive(Clone, Copy, Debug)]
pub enum Anything {}

impl<M: RemoteMessage> Accepts<M> for Anything {}

/// An actor that stands for a published one: what it is told that is told, what it is asked that is asked, and answers. Made by
/// [`Connection::open`](super::Connection::open).
///
/// It handles every [`RemoteMessage`] that `P` [accepts](Accepts), and answers with the other's answer or why there is none. Its
/// mailbox is a window's end: when as much is under way as may be, it takes no more mail, and who sends more finds it full.
pub struct Link<P = Anything> {
    courier: Addr<Courier>,
    /// Questions under way.
    asked: HashMap<u64, Answer<P>, ahash::RandomState>,
    next: u64,
    /// Tells that the courier has, and has not said to be done with.
    told: u32,
    window: u32,
    questions: u32,
    /// How long the courier may take for an answer.
    limit: Duration,
    /// What the courier had no room for, in order.
    stuck: VecDeque<Errand>,
    /// It is told when that has room.
    is_seeking: bool,
    /// It is to say how many tells it is done with.
    is_told_of_done: bool,
    books: Books,
    of: PhantomData<fn(P)>,
}

/// What a link was told, to the last: its tells are wherever they are when it ends, here or in a mailbox, and however it ends.
struct Books(LinkGauge);

/// The courier has ended by then, if there was one: a link ends behind it.
impl Drop for Books {
    fn drop(&mut self) {
        self.0.0.lose_the_rest();
    }
}

/// What is done with an answer: as its type has it.
type Answer<P> = Box<dyn FnOnce(&mut Ctx<'_, Link<P>>, Result<Frame, RemoteError>)>;

/// What the courier is to be given.
enum Errand {
    Tell(Parcel),
    Ask(u64, Asked),
}

/// What has come of the question of that number.
struct Came {
    number: u64,
    answer: Result<Frame, RemoteError>,
}

/// The courier is done with so many tells.
struct Returned(Result<u32, AskError>);

/// The courier has room again.
struct Room;

impl<P: 'static> Actor for Link<P> {
    type Args = Opening;

    fn start(opening: Opening, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        let Opening { window, questions, answer_limit, .. } = opening;
        let books = Books(opening.gauge.clone());
        let courier = ctx.spawn(Courier::spec(opening))?;
        ctx.watch(courier.id(), |ended| ended);
        Ok(Self {
            courier,
            asked: HashMap::default(),
            next: 0,
            told: 0,
            window,
            questions,
            limit: answer_limit + GRACE,
            stuck: VecDeque::new(),
            is_seeking: false,
            is_told_of_done: false,
            books,
            of: PhantomData,
        })
    }

    /// Room may come never, if the other side does not.
    fn asked_to_stop(&mut self, ctx: &mut Ctx<'_, Self>) {
        ctx.stop();
    }
}

impl<P: Accepts<M>, M: RemoteMessage> Handle<M> for Link<P> {
    type Reply = Result<M::Reply, RemoteError>;

    /// What is returned is heard by nobody: it was told, or it is answered later.
    fn on(&mut self, message: M, ctx: &mut Ctx<'_, Self>) -> Self::Reply {
        const { assert!(super::wire::is_name(M::NAME), "the name of a message has 1 to 255 bytes") };
        let asker = ctx.asker::<M>();
        let body = codec::encode(&message).map_err(|_| RemoteError::NotEncoded { message: M::NAME });
        let (name, version) = (M::NAME, M::VERSION);
        match (asker, body) {
            (None, Ok(body)) => {
                self.told += 1;
                self.books.0.0.told.add(1);
                self.hand_over(Errand::Tell(Parcel::Tell { name, version, body }), ctx);
            }
            (None, Err(_)) => {
                self.books.0.0.not_encoded.add(1);
                self.hand_over(Errand::Tell(Parcel::NotEncoded { name }), ctx);
            }
            (Some(asker), Ok(body)) => {
                let number = self.next;
                self.next += 1;
                let answer = move |ctx: &mut Ctx<'_, Self>, answer: Result<Frame, RemoteError>| {
                    let read =
                        |body: Frame| codec::decode(&body).map_err(|_| RemoteError::AnswerNotRead { message: M::NAME });
                    ctx.answer(asker, answer.and_then(read));
                };
                self.asked.insert(number, Box::new(answer));
                self.hand_over(Errand::Ask(number, Asked { name, version, body }), ctx);
            }
            (Some(asker), Err(error)) => _ = ctx.answer(asker, Err(error)),
        }
        Err(RemoteError::NoAnswer)
    }
}

/// To be told once of the end of the actor that a link stands for: a message to the [`Link`].
///
/// It waits in the link's mailbox behind what was sent before it.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    pub(super) who: Recipient<RemoteEnded>,
}

impl Watch {
    /// `who` is told.
    pub fn new(who: Recipient<RemoteEnded>) -> Self {
        Self { who }
    }
}

/// An actor elsewhere has ended, or nothing is known of it any more. Told once for each [`Watch`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteEnded {
    /// As what it is published.
    pub name: String,
    /// Why.
    pub reason: RemoteReason,
}

/// Why an actor elsewhere is watched no more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteReason {
    /// It was stopped, or stopped itself.
    Stopped,
    /// It failed, of this, and was not started again. At most 1024 bytes of text.
    Failed(String),
    /// There is none: it had ended before, or none is published under that name.
    Gone,
    /// There is no link to it, for this reason: nobody answers at the endpoint, or the publication does not take the link. Of the actor
    /// nothing is known.
    NotReached(RemoteError),
    /// The link was lost. It may have ended or not.
    LinkLost,
    /// This side's link has ended.
    LinkEnded,
}

impl RemoteReason {
    /// What is known of an actor to which there is no link, and why there is none.
    pub(super) fn of_absence(why: &RemoteError) -> Self {
        match why {
            RemoteError::Gone | RemoteError::UnknownName { .. } => Self::Gone,
            _ => Self::NotReached(why.clone()),
        }
    }
}

impl<P: 'static> Handle<Watch> for Link<P> {
    type Reply = ();

    fn on(&mut self, watch: Watch, ctx: &mut Ctx<'_, Self>) {
        self.hand_over(Errand::Tell(Parcel::Watch(watch)), ctx);
    }
}

impl<P: 'static> Handle<Came> for Link<P> {
    type Reply = ();

    fn on(&mut self, Came { number, answer }: Came, ctx: &mut Ctx<'_, Self>) {
        if let Some(of) = self.asked.remove(&number) {
            of(ctx, answer);
        }
        self.regulate(ctx);
    }
}

impl<P: 'static> Handle<Returned> for Link<P> {
    type Reply = ();

    fn on(&mut self, Returned(count): Returned, ctx: &mut Ctx<'_, Self>) {
        self.is_told_of_done = false;
        self.told -= count.unwrap_or(0).min(self.told);
        self.regulate(ctx);
    }
}

impl<P: 'static> Handle<Room> for Link<P> {
    type Reply = ();

    fn on(&mut self, _: Room, ctx: &mut Ctx<'_, Self>) {
        self.is_seeking = false;
        for errand in mem::take(&mut self.stuck) {
            self.hand_over_now(errand, ctx);
        }
        self.regulate(ctx);
    }
}

impl<P: 'static> Handle<Ended> for Link<P> {
    type Reply = ();

    /// The courier has: nobody else is watched.
    fn on(&mut self, ended: Ended, ctx: &mut Ctx<'_, Self>) {
        match ended.reason {
            Reason::Failed(text) => ctx.fail(Failure::new(text)),
            _ => ctx.stop(),
        }
    }
}

impl<P: 'static> Link<P> {
    fn hand_over(&mut self, errand: Errand, ctx: &mut Ctx<'_, Self>) {
        self.hand_over_now(errand, ctx);
        self.regulate(ctx);
    }

    /// Gives it to the courier, behind all that was given before.
    fn hand_over_now(&mut self, errand: Errand, ctx: &mut Ctx<'_, Self>) {
        if !self.stuck.is_empty() {
            return self.stuck.push_back(errand);
        }
        let refused = match errand {
            Errand::Tell(parcel) => ctx.try_tell(self.courier, parcel).map_err(|error| match error {
                TellError::Full(parcel) => Some(Errand::Tell(parcel)),
                TellError::Gone(_) => None,
            }),
            Errand::Ask(number, question) => {
                let then = move |answer: Result<Result<Frame, RemoteError>, AskError>| Came {
                    number,
                    answer: answer.unwrap_or_else(|error| Err(of_courier(error))),
                };
                ctx.ask(self.courier, question, self.limit, then).map_err(|error| match error {
                    TellError::Full(question) => Some(Errand::Ask(number, question)),
                    TellError::Gone(_) => None,
                })
            }
        };
        // If it has ended this is about to.
        if let Err(Some(errand)) = refused {
            self.stuck.push_back(errand);
            self.seek_room(ctx);
        }
    }

    /// Asks to be told of room, once: each answer that comes meanwhile would ask again.
    fn seek_room(&mut self, ctx: &mut Ctx<'_, Self>) {
        if !mem::replace(&mut self.is_seeking, true) {
            ctx.when_room(self.courier, Room);
        }
    }

    /// Takes mail or not, by what is under way; and sees to it that it is told when there is less.
    fn regulate(&mut self, ctx: &mut Ctx<'_, Self>) {
        let is_full = !self.stuck.is_empty() || self.told >= self.window || self.asked.len() >= self.questions as usize;
        if is_full {
            ctx.hold()
        } else {
            ctx.resume()
        }
        // From half of it on, so that there is no pause where the other side keeps up.
        if self.told >= self.window.div_ceil(2) && !self.is_told_of_done {
            match ctx.ask(self.courier, Done, FOR_EVER, Returned) {
                Ok(()) => self.is_told_of_done = true,
                Err(TellError::Full(_)) => self.seek_room(ctx),
                Err(TellError::Gone(_)) => {}
            }
        }
    }
}

impl<P> fmt::Debug for Link<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("accepts", &type_name::<P>())
            .field("asked", &self.asked.len())
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}

fn of_courier(error: AskError) -> RemoteError {
    match error {
        AskError::ShutDown => RemoteError::ShutDown,
        AskError::TimedOut => RemoteError::NoAnswer,
        _ => RemoteError::LinkLost,
    }
}

/// The courier ends questions by itself; if it has not after so much longer, the link does.
const GRACE: Duration = Duration::from_secs(5);

/// What is asked again when it is over.
const FOR_EVER: Duration = Duration::from_secs(24 * 60 * 60);
