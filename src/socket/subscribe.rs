//! SUB and XSUB: messages of the topics asked for.

#![forbid(unsafe_code)]

use super::{
    admission::{Addressee, Admission},
    error::{RecvError, SendFailure},
    held::Held,
    options::{Builder, Options},
    pattern::{self, Pattern, Receiving, Sending},
};
use crate::{
    Frame, Message, PeerId, SocketType,
    pipe::{Crew, End, Flow, Hub, Key, Lost, Outward},
    route::Removed,
    sync::Arc,
};

/// Receives from [`Pub`](super::Pub) and [`XPub`](super::XPub) peers what it has subscribed to, from each in turn as long
/// as they have some. Subscribed to nothing it receives nothing.
///
/// Publishers filter, and are told of changes whether or not the application of either side calls in. What arrives and is
/// not subscribed to is thrown away here ([`Counters::filtered`](super::Counters::filtered)): what was on its way when a
/// subscription ended, or was sent unasked.
#[derive(Debug)]
pub struct Sub {
    core: Held<Subscriber<false>>,
}

/// A [`Sub`](super::Sub) that subscribes by sending: a byte 1 and a topic, or a byte 0 and a topic to take it back, each as
/// a message of one frame. Any other message goes to all [`XPub`](super::XPub) peers; one that is full misses it.
///
/// What arrives is handed out as it is, also what was on its way when its subscription ended: whoever is behind a
/// forwarder may want it.
///
/// With [`XPub`](super::XPub) on the other side it makes a forwarder: what one receives the other sends.
#[derive(Debug)]
pub struct XSub {
    core: Held<Subscriber<true>>,
}

/// What can be chosen for subscribers.
#[derive(Clone, Debug, Default)]
pub(crate) struct SubOptions {
    invert: bool,
    reports_missed: bool,
    topics: Vec<Box<[u8]>>,
}

/// The pattern of SUB and, if `SENDS`, of XSUB.
#[derive(Debug)]
pub(super) struct Subscriber<const SENDS: bool> {
    invert: bool,
    reports_missed: bool,
    /// Might something arrive that is not asked for any more?
    filters: bool,
    /// By key.
    missed_at: Vec<MissedAt>,
    /// Messages missed that were told.
    missed: u64,
    /// That some were missed is to be told before anything else.
    tells_missed: bool,
    /// To be handed out next.
    held: Option<Unhanded>,
    /// Peers for messages that are not subscriptions.
    keys: Vec<Key>,
}

/// Messages missed from a pipe that were told.
#[derive(Clone, Copy, Debug, Default)]
struct MissedAt {
    /// Of the pipe: its key may have been another's.
    number: u64,
    told: u64,
}

/// A message taken from its pipe and not handed to the application. Counts as lost when dropped.
#[derive(Debug)]
struct Unhanded {
    message: Option<Message>,
    from: Option<PeerId>,
    hub: Arc<Hub>,
}

impl<const SENDS: bool> Pattern for Subscriber<SENDS> {
    const TYPE: SocketType = if SENDS { SocketType::XSub } else { SocketType::Sub };
    const OUTWARD: Outward = Outward::Addressed;

    fn new(options: &Options, crew: &mut Crew) -> Self {
        let options = &options.subscribing;
        options.topics.iter().for_each(|topic| crew.hub().subscribe(topic));
        Self {
            invert: options.invert,
            reports_missed: options.reports_missed,
            // Inverted, a subscription makes unwanted what is on its way.
            filters: options.invert,
            missed_at: Vec::new(),
            missed: 0,
            tells_missed: false,
            held: None,
            keys: Vec::new(),
        }
    }

    fn is_readable(&mut self, crew: &mut Crew) -> bool {
        if self.tells_missed || self.held.is_some() {
            return true;
        }
        let Some(key) = crew.waiting() else { return false };
        if !self.is_to_be_checked(crew, key) {
            return true;
        }
        let mut place = Message::new();
        let last = crew.last_sender();
        match self.receive(crew, &mut place) {
            Ok(()) => {
                crew.count_not_received(&place);
                let from = crew.last_sender();
                self.held = Some(Unhanded { message: Some(place), from, hub: crew.hub().clone() });
            }
            Err(RecvError::Missed) => self.tells_missed = true,
            Err(_) => return false,
        }
        // It is only looked at.
        crew.heard_of(last);
        true
    }

    fn reconfigure(&mut self, options: &Options, crew: &mut Crew) {
        let options = &options.subscribing;
        if self.invert != options.invert {
            // What is on its way was asked for the other way round.
            (self.invert, self.filters) = (options.invert, true);
        }
        if options.reports_missed && !self.reports_missed {
            // Those missed from now on.
            let told = self.missed;
            crew.sync();
            crew.keys().for_each(|key| _ = self.has_missed(crew, key));
            self.missed = told;
        }
        self.reports_missed = options.reports_missed;
    }

    /// Sending drops what a peer has no room for.
    fn is_writable(&mut self, crew: &mut Crew) -> bool {
        crew.sync();
        SENDS && !crew.is_terminated()
    }
}

impl<const SENDS: bool> Receiving for Subscriber<SENDS> {
    #[inline(always)]
    fn receive(&mut self, crew: &mut Crew, place: &mut Message) -> Result<(), RecvError> {
        if self.tells_missed || self.held.is_some() {
            return self.receive_held(crew, place);
        }
        while let Some(key) = crew.readable() {
            if self.reports_missed && self.has_missed(crew, key) {
                return Err(RecvError::Missed);
            }
            // Always there: `readable` has just said so.
            if !crew.receive_from(key, place) {
                continue;
            }
            if self.is_to_be_checked(crew, key) && !self.wants(crew, place) {
                crew.count_not_received(place);
                crew.count(|flow: &Flow| &flow.filtered, 1);
                continue;
            }
            crew.heard(key);
            return Ok(());
        }
        Err(RecvError::Empty)
    }

    fn receive_batch(&mut self, crew: &mut Crew, messages: &mut Vec<Message>, max: usize) -> Result<usize, RecvError> {
        let (count, error) = pattern::receive_several(self, crew, messages, max);
        match error {
            Some(error) if count == 0 => return Err(error),
            // The next call's.
            Some(RecvError::Missed) => self.tells_missed = true,
            _ => {}
        }
        Ok(count)
    }
}

impl Sending for Subscriber<true> {
    const CHOOSES_AT_ONCE: bool = false;

    /// Who gets the message is decided when there is one.
    fn reserve(&mut self, crew: &mut Crew) -> Result<Key, SendFailure> {
        crew.sync();
        if crew.is_terminated() { Err(SendFailure::ContextClosed) } else { Ok(0) }
    }

    fn commit(&mut self, crew: &mut Crew, _key: Key, message: &mut Message) -> Result<(), SendFailure> {
        let subscription = match message.frames() {
            [] => return Err(SendFailure::NoFrames),
            [frame] => frame.split_first().filter(|(first, _)| **first <= 1),
            _ => None,
        };
        match subscription {
            Some((1, topic)) => crew.hub().subscribe(topic),
            Some((_, topic)) => _ = self.unsubscribe(crew, topic),
            None => {
                self.keys.clear();
                let receives = |key: &Key| {
                    let peer = crew.end(*key).and_then(|end| end.peer());
                    peer.is_none_or(|peer| peer.socket_type.receives())
                };
                self.keys.extend(crew.addressed().filter(receives));
                crew.send_to_all(&self.keys, message);
                return Ok(());
            }
        }
        *message = Message::new();
        Ok(())
    }

    fn admit(&mut self, crew: &mut Crew, _first: &Frame) -> Result<Admission, SendFailure> {
        self.reserve(crew).map(|_| Admission::of(Addressee::Whoever))
    }

    fn send_admitted(&mut self, crew: &mut Crew, _: Admission, message: &mut Message) -> Result<(), SendFailure> {
        self.send(crew, message)
    }
}

impl<const SENDS: bool> Subscriber<SENDS> {
    #[cold]
    fn receive_held(&mut self, crew: &mut Crew, place: &mut Message) -> Result<(), RecvError> {
        if std::mem::take(&mut self.tells_missed) {
            return Err(RecvError::Missed);
        }
        let mut held = self.held.take().ok_or(RecvError::Empty)?;
        crew.heard_of(held.from);
        *place = held.message.take().ok_or(RecvError::Empty)?;
        crew.count(|flow: &Flow| &flow.messages_in, 1);
        crew.count(|flow: &Flow| &flow.bytes_in, place.size() as u64);
        Ok(())
    }

    /// May messages from the pipe under `key` be unwanted? Asked when one is there: whoever sent it is known by then.
    #[inline(always)]
    fn is_to_be_checked(&self, crew: &Crew, key: Key) -> bool {
        !SENDS && (self.filters || crew.end(key).is_some_and(End::peer_sends_unasked))
    }

    fn wants(&self, crew: &Crew, message: &Message) -> bool {
        message.frames().first().is_some_and(|topic| crew.hub().wants(topic) != self.invert)
    }

    /// Were messages missed from the pipe under `key` that were not told yet? They are now.
    fn has_missed(&mut self, crew: &Crew, key: Key) -> bool {
        let Some(end) = crew.end(key) else { return false };
        let places = self.missed_at.len().max(key as usize + 1);
        self.missed_at.resize(places, MissedAt::default());
        let (number, before) = (end.tie().number(), &mut self.missed_at[key as usize]);
        if before.number != number {
            *before = MissedAt { number, told: 0 };
        }
        let missed = end.tie().way_to(end.side()).missed();
        let news = missed - before.told;
        before.told = missed;
        self.missed += news;
        news > 0
    }

    /// Takes one subscription back. Returns whether there was one.
    fn unsubscribe(&mut self, crew: &Crew, prefix: &[u8]) -> bool {
        let removed = crew.hub().unsubscribe(prefix);
        // What is on its way was asked for when it was sent.
        self.filters |= removed == Removed::Last;
        removed != Removed::NotThere
    }
}

/// What SUB and XSUB have beyond receiving.
macro_rules! subscribing_operations {
    ($socket:ident) => {
        impl $socket {
            /// Subscribes to every topic that begins with `prefix`; to all with an empty one. Counts: it takes as many
            /// [`unsubscribe`](Self::unsubscribe) to end it. Peers know of it when this returns, and peers to come will.
            pub fn subscribe(&mut self, prefix: impl AsRef<[u8]>) {
                self.core.with(|core| {
                    core.hub().subscribe(prefix.as_ref());
                });
            }

            /// Takes one subscription to `prefix` back. Returns whether there was one.
            pub fn unsubscribe(&mut self, prefix: impl AsRef<[u8]>) -> bool {
                self.core.with(|core| {
                    let (pattern, crew) = core.parts();
                    pattern.unsubscribe(crew, prefix.as_ref())
                })
            }

            /// Distinct prefixes subscribed to.
            pub fn topics(&self) -> usize {
                self.core.with_ref(|core| core.hub().prefixes())
            }

            /// Messages missed because this socket's queue was full, as far as [`RecvError::Missed`] has told. 0 unless
            /// built with [`report_missed`](Builder::report_missed).
            pub fn missed(&self) -> u64 {
                self.core.with_ref(|core| core.pattern().missed)
            }
        }

        impl Builder<$socket> {
            /// As [`subscribe`]($socket::subscribe), from the beginning.
            pub fn subscribe(mut self, prefix: impl AsRef<[u8]>) -> Self {
                self.options.subscribing.topics.push(prefix.as_ref().into());
                self
            }

            /// When a publisher had no room for messages this socket subscribes to, receiving fails once with
            /// [`RecvError::Missed`]: at the latest before the first message sent after those that were missed. How many
            /// in all says `missed`.
            pub fn report_missed(mut self) -> Self {
                self.options.subscribing.reports_missed = true;
                self
            }
        }
    };
}

impl Builder<Sub> {
    /// Receives what does *not* begin with a prefix subscribed to. Publishers must be told the same.
    pub fn invert_matching(mut self) -> Self {
        self.options.subscribing.invert = true;
        self
    }
}

impl Drop for Unhanded {
    fn drop(&mut self) {
        if self.message.is_some() {
            self.hub.count_lost(Lost { undelivered: 0, unread: 1 });
        }
    }
}

common_operations!(Sub);
receiving_operations!(Sub);
subscribing_operations!(Sub);
common_operations!(XSub);
single_sending_operations!(XSub);
batch_sending_operations!(XSub);
loaning_operations!(XSub);
receiving_operations!(XSub);
subscribing_operations!(XSub);
impl super::Conflates for Sub {}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::{Context, Pub, XPub};

    fn is_readable(subscriber: &mut Sub) -> bool {
        subscriber.core.with(|core| core.is_readable())
    }

    #[test]
    fn readable_is_what_can_be_received() {
        let context = Context::new();
        let mut publisher = Pub::builder().send_hwm(1).build(&context).unwrap();
        let mut subscriber =
            Sub::builder().recv_hwm(1).report_missed().subscribe("a").subscribe("b").build(&context).unwrap();
        publisher.bind("inproc://readable").unwrap();
        subscriber.connect("inproc://readable").unwrap();
        assert!(!is_readable(&mut subscriber));
        publisher.send("a").unwrap();
        subscriber.unsubscribe("a");
        assert!(!is_readable(&mut subscriber), "what is there is not wanted any more");
        assert_eq!((subscriber.counters().filtered, subscriber.counters().messages_received), (1, 0));
        ["b1", "b2", "b3"].into_iter().for_each(|text| publisher.send(text).unwrap());
        assert!(is_readable(&mut subscriber) && is_readable(&mut subscriber));
        assert_eq!(subscriber.try_recv(), Err(RecvError::Missed));
        for text in ["b1", "b2"] {
            assert!(is_readable(&mut subscriber));
            assert_eq!(subscriber.try_recv().unwrap()[0], text);
        }
        assert!(!is_readable(&mut subscriber));
        context.shutdown(std::time::Duration::ZERO);
        assert!(is_readable(&mut subscriber));
        assert_eq!(subscriber.try_recv(), Err(RecvError::ContextClosed));
    }

    #[test]
    fn a_message_looked_at_and_not_taken_is_lost_by_who_looked() {
        let context = Context::new();
        let mut publisher = XPub::builder().manual().build(&context).unwrap();
        let mut subscriber = Sub::builder().subscribe("a").build(&context).unwrap();
        publisher.bind("inproc://looked-at").unwrap();
        subscriber.connect("inproc://looked-at").unwrap();
        publisher.recv().unwrap();
        publisher.subscribe("a").unwrap();
        (0..2).for_each(|_| publisher.send("a").unwrap());
        assert!(is_readable(&mut subscriber));
        assert_eq!(subscriber.counters().messages_received, 0);
        assert_eq!(subscriber.try_recv().unwrap()[0], "a");
        assert_eq!((subscriber.counters().messages_received, subscriber.counters().bytes_received), (1, 1));
        assert!(is_readable(&mut subscriber));
        drop(subscriber);
        assert_eq!(publisher.counters().deliveries, 2);
        drop(publisher);
        assert_eq!(context.shutdown(std::time::Duration::ZERO).unread, 1);
    }
}
