//! PUB and XPUB: every message to everyone who wants its topic.

#![forbid(unsafe_code)]

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::{
    admission::{Addressee, Admission},
    core::Until,
    error::{RecvError, SendFailure, WaitError},
    held::Held,
    options::{Builder, Options},
    pattern::{self, Pattern, Receiving, Sending},
};
use crate::{
    Frame, Message, SocketType,
    fork::Forked,
    pipe::{Crew, Event, Flow, Key, Outward, Refusal},
    route::{Audience, Changes, Subscribed, Unsubscribed, Wish},
    sync::{heavy_fence, planted},
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
/// the topics there are. What [`XSub`](super::XSub) peers send is received too, apart from that order. A peer that comes and
/// leaves before the publisher has called in is not told of.
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
    /// What it is told next: no change of mind takes it back.
    next: Option<Notice>,
    /// Manual: what peers asked for, whether or not they were given it.
    asked: Audience,
    /// Manual: peers that may have wishes.
    asking: Asking,
    /// Manual: whose wish the application was told last.
    last: Option<Asker>,
    /// Who had no room when somebody had to have it.
    blockade: Blockade,
}

#[derive(Debug)]
struct Notice {
    topic: Bytes,
    wish: Wish,
    /// Manual: whose wish it is. Nobody's, if its peer has left.
    asker: Option<Asker>,
}

/// A peer, told from another that has its key later.
#[derive(Clone, Copy, Debug)]
struct Asker {
    key: Key,
    number: u64,
}

/// Peers in a queue, each at most once.
#[derive(Debug, Default)]
struct Asking {
    queue: VecDeque<Key>,
    /// By key: is it in the queue?
    queued: Vec<bool>,
}

/// Who stands in the way of a message that nobody may miss, and who was asked to tell when it has room.
#[derive(Debug, Default)]
struct Blockade {
    by: Option<Key>,
    /// The owner is about to sleep, or does.
    waits: bool,
    watched: Vec<Key>,
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
            next: None,
            asked: Audience::default(),
            asking: Asking::default(),
            last: None,
            blockade: Blockade::default(),
        }
    }

    fn is_readable(&mut self, crew: &mut Crew) -> bool {
        if !SEES {
            return false;
        }
        self.attend(crew);
        if self.next.is_none() {
            self.next = self.take_notice(crew);
        }
        self.next.is_some() || crew.has_message()
    }

    /// Always, unless nobody may miss a message: then if everybody has room.
    fn is_writable(&mut self, crew: &mut Crew) -> bool {
        self.attend(crew);
        if crew.is_terminated() {
            return false;
        }
        !self.options.no_drop || !self.blockade.stands(crew, self.audience.peers())
    }

    fn reconfigure(&mut self, options: &Options, crew: &mut Crew) {
        // What has come is under the old options.
        self.attend(crew);
        let was_manual = std::mem::replace(&mut self.options, options.publishing.clone()).manual;
        match (was_manual, self.options.manual) {
            (false, true) => self.becomes_manual(),
            (true, false) => self.becomes_automatic(crew),
            _ => {}
        }
    }

    fn want_room(&mut self, crew: &mut Crew) {
        self.blockade.watch(crew);
    }

    fn want_no_room(&mut self, crew: &mut Crew) {
        self.blockade.watch_no_more(crew);
    }
}

impl<const SEES: bool> Sending for Publisher<SEES> {
    const CHOOSES_AT_ONCE: bool = false;

    /// Who gets the message is decided when there is one.
    fn reserve(&mut self, crew: &mut Crew) -> Result<Key, SendFailure> {
        self.attend(crew);
        if crew.is_terminated() { Err(SendFailure::ContextClosed) } else { Ok(0) }
    }

    fn commit(&mut self, crew: &mut Crew, _key: Key, message: &mut Message) -> Result<(), SendFailure> {
        let keys = self.addressees(crew, message)?;
        crew.send_to_all(keys, message);
        Ok(())
    }

    #[inline(always)]
    fn send(&mut self, crew: &mut Crew, message: &mut Message) -> Result<(), SendFailure> {
        let key = self.reserve(crew)?;
        self.commit(crew, key, message)
    }

    /// By its topic; whoever has come to want it by then gets it too.
    fn admit(&mut self, crew: &mut Crew, topic: &Frame) -> Result<Admission, SendFailure> {
        self.reserve(crew)?;
        if self.options.no_drop {
            self.audience_of(crew, topic)?;
        }
        Ok(Admission::of(Addressee::Whoever))
    }

    /// Who has no room any more misses it: it was admitted.
    fn send_admitted(&mut self, crew: &mut Crew, _: Admission, message: &mut Message) -> Result<(), SendFailure> {
        self.attend(crew);
        // There is a frame: the core has looked.
        let Some(topic) = message.frames().first() else { return Err(SendFailure::NoFrames) };
        let keys = self.matching(topic);
        crew.send_to_all(keys, message);
        Ok(())
    }

    /// Peers are told once, at the end.
    fn send_batch(&mut self, crew: &mut Crew, messages: &mut VecDeque<Message>) -> (usize, Result<(), SendFailure>) {
        let (mut count, mut result) = (0, Ok(()));
        while let Some(message) = messages.front_mut() {
            result = self.reserve(crew).and_then(|_| {
                let keys = self.addressees(crew, message)?;
                crew.send_to_all_untold(keys, message);
                Ok(())
            });
            if result.is_err() {
                break;
            }
            if message.frames().iter().any(Frame::is_shared) {
                // Nobody took it, and its destructor may be anything: of no bytes as well.
                crew.tell_touched();
            }
            messages.pop_front();
            count += 1;
        }
        crew.tell_touched();
        (count, result)
    }
}

impl Receiving for Publisher<true> {
    fn receive(&mut self, crew: &mut Crew, place: &mut Message) -> Result<(), RecvError> {
        self.attend(crew);
        match self.next.take().or_else(|| self.take_notice(crew)) {
            Some(notice) => {
                self.last = notice.asker;
                crew.heard_of(None);
                *place = notice.into();
            }
            None => _ = pattern::fair(crew, place)?,
        }
        Ok(())
    }
}

impl<const SEES: bool> Publisher<SEES> {
    /// Who gets `message`.
    ///
    /// # Errors
    /// One of them has no room, and nobody may miss it; or it has no frame.
    #[inline(always)]
    fn addressees(&mut self, crew: &mut Crew, message: &Message) -> Result<&[Key], SendFailure> {
        let topic = message.frames().first().ok_or(SendFailure::NoFrames)?;
        self.audience_of(crew, topic)
    }

    /// Who gets a message on `topic`.
    ///
    /// # Errors
    /// One of them has no room, and nobody may miss it.
    #[inline(always)]
    fn audience_of(&mut self, crew: &mut Crew, topic: &Frame) -> Result<&[Key], SendFailure> {
        let Self { audience, blockade, options, .. } = self;
        let keys = if options.invert { audience.not_matching(topic) } else { audience.matching(topic) };
        if options.no_drop && blockade.stands(crew, keys) {
            return Err(SendFailure::Full);
        }
        Ok(keys)
    }

    /// Who gets a message on `topic`, room or not.
    fn matching(&mut self, topic: &Frame) -> &[Key] {
        if self.options.invert { self.audience.not_matching(topic) } else { self.audience.matching(topic) }
    }

    /// Takes note of peers and of what they want.
    #[inline(always)]
    fn attend(&mut self, crew: &mut Crew) {
        crew.sync();
        while let Some(event) = crew.take_event() {
            self.attend_to(event, crew);
        }
    }

    #[cold]
    fn attend_to(&mut self, event: Event, crew: &mut Crew) {
        match event {
            Event::Arrived(key) | Event::Changed(key) => {
                self.audience.add_peer(key);
                if self.options.manual {
                    return self.asking.add(key);
                }
                let Some(end) = crew.end(key) else { return };
                while let Some((topic, wish)) = end.tie().take_wish() {
                    self.grant(key, topic, wish);
                }
                if !SEES {
                    Self::discard(crew);
                }
            }
            Event::Left(key) => self.forget(key),
        }
    }

    /// Throws away what was sent to us before its sender knew what we are, without which its pipe would never go.
    fn discard(crew: &mut Crew) {
        let mut place = Message::new();
        while pattern::fair(crew, &mut place).is_ok() {
            crew.count_not_received(&place);
            crew.count(|flow: &Flow| &flow.discarded, 1);
        }
    }

    fn grant(&mut self, key: Key, topic: Bytes, wish: Wish) {
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
        self.blockade.forget(key);
        if options.manual {
            self.asking.remove(key);
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

    /// What peers have was given to them as they asked for it.
    #[cold]
    fn becomes_manual(&mut self) {
        let Self { audience, asked, .. } = self;
        audience.for_each(|key, topic| _ = asked.subscribe(key, topic));
    }

    /// What peers ask for and the application has not heard of is given to them. What it gave them otherwise they keep.
    #[cold]
    fn becomes_automatic(&mut self, crew: &Crew) {
        (self.asked, self.last) = (Audience::default(), None);
        while let Some(key) = self.asking.take() {
            let Some(end) = crew.end(key) else { continue };
            while let Some((topic, wish)) = end.tie().take_wish() {
                self.grant(key, topic, wish);
            }
        }
    }

    fn take_notice(&mut self, crew: &Crew) -> Option<Notice> {
        match self.notices.pop() {
            Some((topic, wish)) => Some(Notice { topic, wish, asker: None }),
            None => self.take_wish(crew),
        }
    }

    /// Manual: the next wish of the peer whose turn it is. It stays with the pipe until now, so that an application that
    /// does not receive costs what a pipe's changes cost.
    fn take_wish(&mut self, crew: &Crew) -> Option<Notice> {
        while let Some(key) = self.asking.take() {
            let Some(end) = crew.end(key) else { continue };
            let Some((topic, wish)) = end.tie().take_wish() else { continue };
            match wish {
                Wish::First | Wish::Again => _ = self.asked.subscribe(key, &topic),
                Wish::Fewer | Wish::Last => _ = self.asked.unsubscribe(key, &topic),
            }
            self.asking.add(key);
            return Some(Notice { topic, wish, asker: Some(Asker { key, number: end.tie().number() }) });
        }
        None
    }

    /// Manual: the peer whose wish was told last, if it is still there.
    fn last_peer(&mut self, crew: &mut Crew) -> Option<Key> {
        self.attend(crew);
        let Asker { key, number } = self.last?;
        (crew.number(key) == Some(number)).then_some(key)
    }
}

impl Asking {
    fn add(&mut self, key: Key) {
        let places = self.queued.len().max(key as usize + 1);
        self.queued.resize(places, false);
        if !std::mem::replace(&mut self.queued[key as usize], true) {
            self.queue.push_back(key);
        }
    }

    fn take(&mut self) -> Option<Key> {
        let key = self.queue.pop_front()?;
        self.queued[key as usize] = false;
        Some(key)
    }

    fn remove(&mut self, key: Key) {
        if self.queued.get_mut(key as usize).is_some_and(std::mem::take) {
            self.queue.retain(|other| *other != key);
        }
    }
}

impl Blockade {
    /// Has one of `keys` no room?
    ///
    /// What a sleeper has asked to be told of is who stood in the way when it looked first. If its last look finds another
    /// one, that one must be asked too: nobody else would wake it.
    fn stands(&mut self, crew: &mut Crew, keys: &[Key]) -> bool {
        loop {
            self.by = keys.iter().copied().find(|key| crew.admits(*key) == Err(Refusal::Full));
            let Some(key) = self.by else { return false };
            if !self.waits || self.watched.contains(&key) || planted("publish-watches-the-first-only") {
                return true;
            }
            self.watch(crew);
            // Heavy: the asking against the next look; pairs with the light fence after a take. One that is refused makes
            // the light ones full, and the next one will do.
            while !heavy_fence() {}
        }
    }

    /// Asks who stands in the way to tell when it has room, and those who did before. The caller fences and looks again.
    fn watch(&mut self, crew: &mut Crew) {
        self.waits = true;
        if let Some(key) = self.by
            && !self.watched.contains(&key)
        {
            self.watched.push(key);
        }
        self.watched.iter().for_each(|key| crew.want_room_of(*key));
    }

    fn watch_no_more(&mut self, crew: &mut Crew) {
        self.waits = false;
        self.watched.drain(..).for_each(|key| crew.want_no_room_of(key));
    }

    /// The pipe under `key` is gone.
    fn forget(&mut self, key: Key) {
        self.watched.retain(|other| *other != key);
        self.by = self.by.filter(|by| *by != key);
    }
}

/// What an XPUB receives of a change (RFC 29).
impl From<Notice> for Message {
    fn from(notice: Notice) -> Self {
        let wanted = u8::from(matches!(notice.wish, Wish::First | Wish::Again));
        let frame = Frame::build(notice.topic.len() + 1, |bytes| {
            bytes[0] = wanted;
            bytes[1..].copy_from_slice(&notice.topic);
        });
        frame.into()
    }
}

impl PubOptions {
    /// May a peer be sent what it did not ask for, the welcome apart?
    pub(super) fn sends_unasked(&self) -> bool {
        self.invert || self.manual
    }
}

/// What PUB and XPUB have beyond sending.
macro_rules! publishing_operations {
    ($socket:ident) => {
        impl $socket {
            /// Waits until at least `count` peers are subscribed to something, `timeout` at the most: for publishers that
            /// must not begin too early.
            ///
            /// # Errors
            /// They did not come in time, a signal ended the wait of an
            /// [interruptible](super::Builder::interruptible) socket, or the context has been shut down.
            pub fn wait_for_subscribers(&mut self, count: usize, timeout: Duration) -> Result<(), WaitError> {
                self.wait_for_audience(timeout, |audience| audience.subscribers() >= count)
            }

            /// Waits until peers are subscribed to at least `count` distinct topics, `timeout` at the most: for publishers
            /// whose subscribers are behind a forwarder, which is one peer.
            ///
            /// # Errors
            /// As [`wait_for_subscribers`](Self::wait_for_subscribers).
            pub fn wait_for_topics(&mut self, count: usize, timeout: Duration) -> Result<(), WaitError> {
                self.wait_for_audience(timeout, |audience| audience.topics() >= count)
            }

            fn wait_for_audience(
                &mut self,
                timeout: Duration,
                is_enough: impl Fn(&Audience) -> bool,
            ) -> Result<(), WaitError> {
                let arrived = self.core.with(|core| {
                    core.wait_for(Until::After(timeout), |pattern, crew| {
                        pattern.attend(crew);
                        is_enough(&pattern.audience).then_some(())
                    })
                });
                arrived.map_err(|error| match error {
                    RecvError::ContextClosed => WaitError::ContextClosed,
                    RecvError::Interrupted => WaitError::Interrupted,
                    RecvError::Forked => WaitError::Forked,
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
    /// Nothing was received yet, or that peer has left, or what was received last is the end of one that has.
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

    /// What each new peer is sent first. Like any message, a [`Sub`](super::Sub) gets it only if it subscribed to its topic.
    pub fn welcome(mut self, message: impl Into<Message>) -> Self {
        self.options.hello = Some(message.into()).filter(|message| !message.is_empty());
        self
    }
}

/// There is no subscriber to act on: none was received yet, or it has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSubscriber;

impl From<Forked> for NoSubscriber {
    fn from(_: Forked) -> Self {
        Self
    }
}

impl std::fmt::Display for NoSubscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no subscription was received yet, or its subscriber has left")
    }
}

impl std::error::Error for NoSubscriber {}

common_operations!(Pub);
single_sending_operations!(Pub);
batch_sending_operations!(Pub);
loaning_operations!(Pub);
publishing_operations!(Pub);
common_operations!(XPub);
single_sending_operations!(XPub);
batch_sending_operations!(XPub);
loaning_operations!(XPub);
receiving_operations!(XPub);
publishing_operations!(XPub);
impl super::Conflates for Pub {}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::{Context, Sub};

    fn publisher_and_subscriber(builder: Builder<XPub>) -> (XPub, Sub) {
        let context = Context::new();
        let (mut publisher, mut subscriber) = (builder.build(&context).unwrap(), Sub::new(&context).unwrap());
        publisher.bind("inproc://promised").unwrap();
        subscriber.connect("inproc://promised").unwrap();
        (publisher, subscriber)
    }

    fn is_readable(publisher: &mut XPub) -> bool {
        publisher.core.with(|core| core.is_readable())
    }

    /// More than are kept one by one: then changes that cancel out are left out.
    const MANY: u32 = 2 * crate::route::BOUND as u32;

    #[test]
    fn what_was_promised_is_told_although_it_changed_meanwhile() {
        for builder in [XPub::builder(), XPub::builder().manual()] {
            let (mut publisher, mut subscriber) = publisher_and_subscriber(builder);
            assert!(!is_readable(&mut publisher));
            (0..MANY).for_each(|topic| subscriber.subscribe(topic.to_string()));
            assert!(is_readable(&mut publisher));
            (0..MANY).for_each(|topic| _ = subscriber.unsubscribe(topic.to_string()));
            let told = publisher.try_recv().unwrap();
            assert_eq!(told[0][0], 1);
            let taken_back = publisher.try_recv().unwrap();
            assert_eq!((taken_back[0][0], &taken_back[0][1..]), (0, &told[0][1..]));
            assert!(!is_readable(&mut publisher));
            assert_eq!(publisher.try_recv(), Err(RecvError::Empty));
        }
    }

    #[test]
    fn writable_means_that_nobody_is_full() {
        let (mut publisher, mut subscriber) = publisher_and_subscriber(XPub::builder().no_drop().send_hwm(1));
        subscriber.subscribe("");
        subscriber.set_recv_hwm(1);
        for _ in 0..2 {
            assert!(publisher.can_send());
            publisher.try_send("x").unwrap();
        }
        assert!(!publisher.can_send());
        assert_eq!(publisher.try_send("x").unwrap_err().reason, SendFailure::Full);
        subscriber.recv().unwrap();
        assert!(publisher.can_send());
        drop(subscriber);
        assert!(publisher.can_send());
    }

    #[test]
    fn peers_queue_once() {
        let mut asking = Asking::default();
        [3, 1, 3, 0, 1].into_iter().for_each(|key| asking.add(key));
        asking.remove(1);
        asking.remove(9);
        assert_eq!(asking.take(), Some(3));
        asking.add(3);
        assert_eq!((asking.take(), asking.take(), asking.take()), (Some(0), Some(3), None));
    }
}
