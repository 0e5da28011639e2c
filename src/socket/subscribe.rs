//! SUB and XSUB: messages of the topics asked for.

#![forbid(unsafe_code)]

use super::{
    error::{RecvError, SendFailure},
    held::Held,
    options::{Builder, Options},
    pattern::{self, Pattern, Receiving, Sending},
};
use crate::{
    Message, SocketType,
    pipe::{Crew, Event, Key, Outward},
    route::Removed,
};

/// Receives from [`Pub`](super::Pub) and [`XPub`](super::XPub) peers what it has subscribed to, from each in turn as long
/// as they have some. Subscribed to nothing it receives nothing.
///
/// Publishers filter, and are told of changes whether or not the application of either side calls in. What was on its
/// way when a subscription ended is thrown away here ([`Counters::filtered`](super::Counters::filtered)).
#[derive(Debug)]
pub struct Sub {
    core: Held<Subscriber<false>>,
}

/// A [`Sub`](super::Sub) that subscribes by sending: a byte 1 and a topic, or a byte 0 and a topic to take it back, each as
/// a message of one frame. Any other message goes to all [`XPub`](super::XPub) peers; one that is full misses it.
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
    /// Might something arrive that was not asked for, or not any more?
    filters: bool,
    /// By key: messages missed there that were told.
    missed_at: Vec<u64>,
    /// Messages missed that were told.
    missed: u64,
    /// That some were missed is to be told before anything else.
    tells_missed: bool,
    /// Received from its pipe already, and to be handed out next.
    held: Option<Message>,
    /// Peers for messages that are not subscriptions.
    keys: Vec<Key>,
}

impl<const SENDS: bool> Pattern for Subscriber<SENDS> {
    const TYPE: SocketType = if SENDS { SocketType::XSub } else { SocketType::Sub };
    const OUTWARD: Outward = Outward::Addressed;

    fn new(options: &Options, crew: &mut Crew) -> Self {
        crew.keep_events();
        let options = &options.subscribing;
        options.topics.iter().for_each(|topic| crew.hub().subscribe(topic));
        Self {
            invert: options.invert,
            reports_missed: options.reports_missed,
            filters: false,
            missed_at: Vec::new(),
            missed: 0,
            tells_missed: false,
            held: None,
            keys: Vec::new(),
        }
    }

    fn is_readable(&mut self, crew: &mut Crew) -> bool {
        if !self.tells_missed && self.held.is_none() {
            self.attend(crew);
            if !self.filters && !self.reports_missed {
                return crew.has_message();
            }
            let mut place = Message::new();
            match self.receive(crew, &mut place) {
                Ok(()) => self.held = Some(place),
                Err(RecvError::Missed) => self.tells_missed = true,
                Err(_) => return false,
            }
        }
        true
    }

    /// Sending drops what a peer has no room for.
    fn is_writable(&mut self, crew: &mut Crew) -> bool {
        self.attend(crew);
        SENDS && !crew.is_terminated()
    }
}

impl<const SENDS: bool> Receiving for Subscriber<SENDS> {
    #[inline(always)]
    fn receive(&mut self, crew: &mut Crew, place: &mut Message) -> Result<(), RecvError> {
        if self.tells_missed || self.held.is_some() {
            return self.receive_held(place);
        }
        loop {
            self.attend(crew);
            let key = pattern::fair(crew, place)?;
            if self.filters && !self.wants(crew, place) {
                crew.count(|flow| &flow.filtered, 1);
                continue;
            }
            if self.reports_missed && self.has_missed(crew, key) {
                self.held = Some(std::mem::take(place));
                return Err(RecvError::Missed);
            }
            return Ok(());
        }
    }
}

impl Sending for Subscriber<true> {
    /// Who gets the message is decided when there is one.
    fn reserve(&mut self, crew: &mut Crew) -> Result<Key, SendFailure> {
        self.attend(crew);
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
}

impl<const SENDS: bool> Subscriber<SENDS> {
    /// Takes note of peers that came.
    #[inline(always)]
    fn attend(&mut self, crew: &mut Crew) {
        crew.sync();
        while let Some(event) = crew.take_event() {
            self.attend_to(event, crew);
        }
    }

    #[cold]
    fn attend_to(&mut self, event: Event, crew: &Crew) {
        let (Event::Arrived(key) | Event::Changed(key)) = event else { return };
        // One that greets does not know what is wanted.
        self.filters |= crew.end(key).and_then(|end| end.peer()).is_some_and(|peer| peer.hello.is_some());
        if let Event::Arrived(key) = event
            && self.reports_missed
        {
            let places = self.missed_at.len().max(key as usize + 1);
            self.missed_at.resize(places, 0);
            self.missed_at[key as usize] = 0;
        }
    }

    #[cold]
    fn receive_held(&mut self, place: &mut Message) -> Result<(), RecvError> {
        if std::mem::take(&mut self.tells_missed) {
            return Err(RecvError::Missed);
        }
        self.held.take().map(|message| *place = message).ok_or(RecvError::Empty)
    }

    fn wants(&self, crew: &Crew, message: &Message) -> bool {
        message.frames().first().is_some_and(|topic| crew.hub().wants(topic) != self.invert)
    }

    /// Were messages missed from the pipe under `key` that were not told yet? They are now.
    fn has_missed(&mut self, crew: &Crew, key: Key) -> bool {
        let Some(end) = crew.end(key) else { return false };
        let (missed, told) = (end.tie().way_to(end.side()).missed(), &mut self.missed_at[key as usize]);
        let news = missed - *told;
        *told = missed;
        self.missed += news;
        news > 0
    }

    /// Takes one subscription back. Returns whether there was one.
    fn unsubscribe(&mut self, crew: &Crew, prefix: &[u8]) -> bool {
        let removed = crew.hub().unsubscribe(prefix);
        // What is on its way was asked for when it was sent. Inverted it is the other way round.
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
                    let (pattern, crew) = core.parts();
                    // Inverted, what is on its way may be unwanted now.
                    pattern.filters |= pattern.invert;
                    crew.hub().subscribe(prefix.as_ref());
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

            /// Receives what does *not* begin with a prefix subscribed to. Publishers must be told the same.
            pub fn invert_matching(mut self) -> Self {
                self.options.subscribing.invert = true;
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

common_operations!(Sub);
receiving_operations!(Sub);
subscribing_operations!(Sub);
common_operations!(XSub);
single_sending_operations!(XSub);
batch_sending_operations!(XSub);
receiving_operations!(XSub);
subscribing_operations!(XSub);
impl super::Conflates for Sub {}
