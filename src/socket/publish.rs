//! PUB and XPUB: every message to everyone who wants its topic.

#![forbid(unsafe_code)]

use std::{collections::VecDeque, time::Duration};

use super::{
    core::Until,
    error::{RecvError, SendFailure, WaitError},
    held::Held,
    options::{Builder, Options},
    pattern::{self, Pattern, Receiving, Sending},
};
use crate::{
    Frame, Message, SocketType,
    pipe::{Crew, Event, Key, Outward},
    route::{Audience, Changes, Subscribed, Unsubscribed, Wish},
};

/// Publishes to [`Sub`](super::Sub) and [`XSub`](super::XSub) peers: each message goes to those who subscribed to a
/// prefix of its first frame, the topic.
///
/// Sending never waits. A peer whose queue is full misses the message, which is counted
/// ([`Counters::dropped`](super::Counters::dropped)), unless [`no_drop`](Builder::no_drop) was chosen. With no
/// subscriber a message goes nowhere. Payloads longer than [`POOLED_MAX`](crate::message::POOLED_MAX) are shared between
/// the subscribers, not copied.
///
/// A subscription counts from the moment `subscribe` returns at the subscriber: what is sent after that is filtered by
/// it, whoever else is calling in.
///
/// ```
/// use ringway::{Context, Pub, Sub};
///
/// let context = Context::new();
/// let (mut weather, mut reader) = (Pub::new(&context)?, Sub::new(&context)?);
/// weather.bind("inproc://weather")?;
/// reader.connect("inproc://weather")?;
/// reader.subscribe("10001 ");
///
/// weather.send("60631 21")?;
/// weather.send("10001 17")?;
/// assert_eq!(reader.recv()?[0], "10001 17");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pub {
    core: Held<Publisher<false>>,
}

/// A [`Pub`](super::Pub) that sees its peers' subscriptions, as messages it receives: a byte 1 and the topic for one that is
/// wanted, a byte 0 and the topic for one that is not any more.
///
/// Unless a builder option says otherwise, only what concerns the whole audience is told: the first peer that wants a
/// topic, and the last that does not any more. Each change is told while the application keeps up; when more than a
/// thousand wait, changes that cancel out are left out, so that an application that never receives costs no more than
/// the topics there are. What [`XSub`](super::XSub) peers send is received too, apart from that order.
#[derive(Debug)]
pub struct XPub {
    core: Held<Publisher<true>>,
}

/// What can be chosen for publishers.
#[derive(Clone, Debug, Default)]
pub(crate) struct PubOptions {
    no_drop: bool,
    invert: bool,
    tells: Tells,
    manual: bool,
}

/// Which changes of subscriptions an [`XPub`] is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tells {
    /// Those that concern the audience as a whole.
    #[default]
    Topics,
    /// Also subscriptions to what is wanted already.
    Subscriptions,
    /// Also peers that leave a topic to others.
    Everything,
}

/// The pattern of PUB and, if `SEES`, of XPUB.
#[derive(Debug)]
pub(super) struct Publisher<const SEES: bool> {
    options: PubOptions,
    audience: Audience,
    /// What the application has not been told yet.
    notices: Changes,
    /// Manual: what peers asked for, whether or not they were given it.
    asked: Audience,
    /// Manual: peers that may have wishes, first come first. Each at most once in a row.
    asking: VecDeque<Key>,
    /// Manual: whose wish the application was told last.
    last: Option<(Key, u64)>,
    /// Who had no room when somebody had to have it.
    blocked: Option<Key>,
}

impl<const SEES: bool> Pattern for Publisher<SEES> {
    const TYPE: SocketType = if SEES { SocketType::XPub } else { SocketType::Pub };
    const OUTWARD: Outward = Outward::Addressed;

    fn new(options: &Options, crew: &mut Crew) -> Self {
        crew.keep_events();
        Self {
            options: options.publishing.clone(),
            audience: Audience::default(),
            notices: Changes::default(),
            asked: Audience::default(),
            asking: VecDeque::new(),
            last: None,
            blocked: None,
        }
    }

    fn is_readable(&mut self, crew: &mut Crew) -> bool {
        if !SEES {
            return false;
        }
        self.attend(crew);
        !self.notices.is_empty() || self.has_wish(crew) || crew.has_message()
    }

    /// Always, unless nobody may miss a message: then if everybody has room.
    fn is_writable(&mut self, crew: &mut Crew) -> bool {
        self.attend(crew);
        if crew.is_terminated() {
            return false;
        }
        self.blocked = self.options.no_drop.then(|| full_among(crew, self.audience.peers())).flatten();
        self.blocked.is_none()
    }

    fn want_room(&mut self, crew: &mut Crew) {
        if let Some(key) = self.blocked {
            crew.want_room_of(key);
        }
    }

    fn want_no_room(&mut self, crew: &mut Crew) {
        if let Some(key) = self.blocked {
            crew.want_no_room_of(key);
        }
    }
}

impl<const SEES: bool> Sending for Publisher<SEES> {
    /// Who gets the message is decided when there is one.
    fn reserve(&mut self, crew: &mut Crew) -> Result<Key, SendFailure> {
        self.attend(crew);
        if crew.is_terminated() { Err(SendFailure::ContextClosed) } else { Ok(0) }
    }

    fn commit(&mut self, crew: &mut Crew, _key: Key, message: &mut Message) -> Result<(), SendFailure> {
        let keys = match (message.frames().first(), self.options.invert) {
            (Some(topic), false) => self.audience.matching(topic),
            (Some(topic), true) => self.audience.not_matching(topic),
            (None, _) => return Err(SendFailure::NoFrames),
        };
        if self.options.no_drop {
            self.blocked = full_among(crew, keys);
            if self.blocked.is_some() {
                return Err(SendFailure::Full);
            }
        }
        crew.send_to_all(keys, message);
        Ok(())
    }

    #[inline(always)]
    fn send(&mut self, crew: &mut Crew, message: &mut Message) -> Result<(), SendFailure> {
        let key = self.reserve(crew)?;
        self.commit(crew, key, message)
    }
}

impl Receiving for Publisher<true> {
    fn receive(&mut self, crew: &mut Crew, place: &mut Message) -> Result<(), RecvError> {
        self.attend(crew);
        match self.notices.pop().or_else(|| self.next_wish(crew)) {
            Some((topic, wish)) => *place = notice(&topic, wish),
            None => _ = pattern::fair(crew, place)?,
        }
        Ok(())
    }
}

impl<const SEES: bool> Publisher<SEES> {
    /// Takes note of peers and of what they want.
    #[inline(always)]
    fn attend(&mut self, crew: &mut Crew) {
        crew.sync();
        while let Some(event) = crew.take_event() {
            self.attend_to(event, crew);
        }
    }

    #[cold]
    fn attend_to(&mut self, event: Event, crew: &Crew) {
        match event {
            Event::Arrived(key) | Event::Changed(key) => {
                self.audience.add_peer(key);
                if self.options.manual {
                    if self.asking.back() != Some(&key) {
                        self.asking.push_back(key);
                    }
                    return;
                }
                let Some(end) = crew.end(key) else { return };
                while let Some((topic, wish)) = end.tie().take_wish() {
                    self.grant(key, topic, wish);
                }
            }
            Event::Left(key) => self.forget(key),
        }
    }

    fn grant(&mut self, key: Key, topic: bytes::Bytes, wish: Wish) {
        let tells = self.options.tells;
        let told = match wish {
            Wish::First | Wish::Again => match self.audience.subscribe(key, &topic) {
                Subscribed::FirstOfAll => Some(Wish::First),
                _ => (tells != Tells::Topics).then_some(Wish::Again),
            },
            Wish::Fewer | Wish::Last => match self.audience.unsubscribe(key, &topic) {
                Unsubscribed::LastOfAll => Some(Wish::Last),
                Unsubscribed::GoneForPeer => (tells == Tells::Everything).then_some(Wish::Fewer),
                Unsubscribed::NotThere => None,
            },
        };
        if let Some(told) = told.filter(|_| SEES) {
            self.notices.push(topic, told);
        }
    }

    fn forget(&mut self, key: Key) {
        let Self { options, audience, notices, asked, .. } = self;
        self.asking.retain(|other| *other != key);
        if options.manual {
            // Peers are told of one by one, and so is the end of what each of them asked for.
            asked.drop_peer(key, |topic, _| notices.push(topic.to_vec().into(), Wish::Last));
            return audience.drop_peer(key, |_, _| {});
        }
        audience.drop_peer(key, |topic, last| {
            let told =
                if last { Some(Wish::Last) } else { (options.tells == Tells::Everything).then_some(Wish::Fewer) };
            if let Some(told) = told.filter(|_| SEES) {
                notices.push(topic.to_vec().into(), told);
            }
        });
    }

    /// Manual: the next wish of the peer whose turn it is. It stays with the pipe until now, so that an application that
    /// does not receive costs what a pipe's changes cost.
    fn next_wish(&mut self, crew: &Crew) -> Option<(bytes::Bytes, Wish)> {
        while let Some(key) = self.asking.pop_front() {
            let Some(end) = crew.end(key) else { continue };
            let Some((topic, wish)) = end.tie().take_wish() else { continue };
            self.last = Some((key, end.tie().number()));
            match wish {
                Wish::First | Wish::Again => _ = self.asked.subscribe(key, &topic),
                Wish::Fewer | Wish::Last => _ = self.asked.unsubscribe(key, &topic),
            }
            self.asking.push_back(key);
            return Some((topic, wish));
        }
        None
    }

    /// Manual: is there a wish? Forgets those who have none.
    fn has_wish(&mut self, crew: &Crew) -> bool {
        while let Some(key) = self.asking.front() {
            if crew.end(*key).is_some_and(|end| end.tie().has_wish()) {
                return true;
            }
            self.asking.pop_front();
        }
        false
    }

    /// Manual: the peer whose wish was told last, if it is still there.
    fn last_peer(&mut self, crew: &mut Crew) -> Option<Key> {
        self.attend(crew);
        let (key, number) = self.last?;
        (crew.number(key) == Some(number)).then_some(key)
    }
}

/// Who of `keys` has no room, if anybody.
fn full_among(crew: &mut Crew, keys: &[Key]) -> Option<Key> {
    keys.iter().copied().find(|key| crew.admits(*key) == Err(crate::pipe::Refusal::Full))
}

/// What an XPUB receives of a change (RFC 29).
fn notice(topic: &[u8], wish: Wish) -> Message {
    let first = u8::from(matches!(wish, Wish::First | Wish::Again));
    let frame = Frame::build(topic.len() + 1, |bytes| {
        bytes[0] = first;
        bytes[1..].copy_from_slice(topic);
    });
    frame.into()
}

/// What PUB and XPUB have beyond sending.
macro_rules! publishing_operations {
    ($socket:ident) => {
        impl $socket {
            /// Waits until at least `count` peers are subscribed to something, `timeout` at the most: for publishers that
            /// must not begin too early.
            ///
            /// # Errors
            /// They did not come in time, or the context has been shut down.
            pub fn wait_for_subscribers(&mut self, count: usize, timeout: Duration) -> Result<(), WaitError> {
                let arrived = self.core.with(|core| {
                    core.wait_for(Until::After(timeout), |pattern, crew| {
                        pattern.attend(crew);
                        (pattern.audience.subscribers() >= count).then_some(())
                    })
                });
                arrived.map_err(|error| match error {
                    RecvError::ContextClosed => WaitError::ContextClosed,
                    _ => WaitError::TimedOut,
                })
            }

            /// Peers that are subscribed to something.
            pub fn subscribers(&mut self) -> usize {
                self.core.with(|core| {
                    let (pattern, crew) = core.parts();
                    pattern.attend(crew);
                    pattern.audience.subscribers()
                })
            }

            /// Distinct topics somebody is subscribed to.
            pub fn topics(&mut self) -> usize {
                self.core.with(|core| {
                    let (pattern, crew) = core.parts();
                    pattern.attend(crew);
                    pattern.audience.topics()
                })
            }
        }

        impl Builder<$socket> {
            /// Nobody misses a message: when a peer that wants it is full, sending waits, and `try_send` fails with
            /// [`Full`](SendFailure::Full); nobody gets the message then. One slow peer holds all others up.
            pub fn no_drop(mut self) -> Self {
                self.options.publishing.no_drop = true;
                self
            }

            /// Messages go to the peers that did *not* subscribe to a prefix of their topic. Subscribers must be told the
            /// same.
            pub fn invert_matching(mut self) -> Self {
                self.options.publishing.invert = true;
                self
            }
        }
    };
}

impl XPub {
    /// Gives the peer whose subscription was received last a subscription to `topic`, whatever it asked for. For sockets
    /// built as [`manual`](Builder::manual), which give none by themselves.
    ///
    /// # Errors
    /// Nothing was received yet, or that peer has left.
    pub fn subscribe(&mut self, topic: impl AsRef<[u8]>) -> Result<(), NoSubscriber> {
        self.core.with(|core| {
            let (pattern, crew) = core.parts();
            let key = pattern.last_peer(crew).ok_or(NoSubscriber)?;
            pattern.audience.subscribe(key, topic.as_ref());
            Ok(())
        })
    }

    /// Takes a subscription to `topic` from that peer. One it does not have is none less.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub fn unsubscribe(&mut self, topic: impl AsRef<[u8]>) -> Result<(), NoSubscriber> {
        self.core.with(|core| {
            let (pattern, crew) = core.parts();
            let key = pattern.last_peer(crew).ok_or(NoSubscriber)?;
            pattern.audience.unsubscribe(key, topic.as_ref());
            Ok(())
        })
    }
}

impl Builder<XPub> {
    /// Subscriptions to what others want already are told, too.
    pub fn verbose(mut self) -> Self {
        self.options.publishing.tells = Tells::Subscriptions;
        self
    }

    /// As [`verbose`](Self::verbose), and peers that leave a topic to others are told, too.
    pub fn verboser(mut self) -> Self {
        self.options.publishing.tells = Tells::Everything;
        self
    }

    /// Subscriptions are told, each of them, and not granted: the application does that, with
    /// [`XPub::subscribe`] after receiving one.
    pub fn manual(mut self) -> Self {
        self.options.publishing.manual = true;
        self
    }

    /// What each new peer is sent first. Like any message, a subscriber gets it only if it subscribed to its topic.
    pub fn welcome(mut self, message: impl Into<Message>) -> Self {
        self.options.hello = Some(message.into()).filter(|message| !message.is_empty());
        self
    }
}

/// There is no subscriber to act on: none was received yet, or it has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSubscriber;

impl std::fmt::Display for NoSubscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no subscription was received yet, or its subscriber has left")
    }
}

impl std::error::Error for NoSubscriber {}

common_operations!(Pub);
single_sending_operations!(Pub);
batch_sending_operations!(Pub);
publishing_operations!(Pub);
common_operations!(XPub);
single_sending_operations!(XPub);
batch_sending_operations!(XPub);
receiving_operations!(XPub);
publishing_operations!(XPub);
impl super::Conflates for Pub {}
