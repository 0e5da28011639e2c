//! Connecting: what a link is to be like.

#![forbid(unsafe_code)]

use std::{fmt, time::Duration};

use super::{
    counts::LinkGauge,
    error::RemoteError,
    link::Link,
    wire::{NAME_MAX, Packet, What, is_name},
};
use crate::{
    Context, ContextClosed, Dealer, Endpoint, Monitor,
    actor::Spec,
    socket::{Builder, ConnectError},
};

/// A link to be made: to the actor published as such a name at an endpoint.
pub struct Connection {
    context: Context,
    endpoint: String,
    name: String,
    builder: Builder<Dealer>,
    window: u32,
    questions: u32,
    patience: Duration,
    answer_limit: Duration,
    look_every: Duration,
    hook: Option<Hook>,
    gauge: LinkGauge,
}

pub(super) type Hook = Box<dyn FnMut(LinkEvent) + Send>;

/// What happens to a link: see [`Connection::on_event`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkEvent {
    /// There is a session: what waits is sent.
    Joined,
    /// The publication does not take the link, for now; it is asked again every second, and what waits goes on waiting.
    TurnedAway(RemoteError),
    /// A session was lost.
    Lost {
        /// Messages told whose fate is not known.
        tells: u64,
        /// Questions that end with [`RemoteError::LinkLost`].
        questions: u64,
    },
    /// A message that was told was not passed on to the actor, or not sent at all.
    NotTold(RemoteError),
}

impl Connection {
    /// To the actor published as `name` at `endpoint`. Nothing is done before the link is [opened](Self::open).
    pub fn new(context: &Context, endpoint: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            context: context.clone(),
            endpoint: endpoint.into(),
            name: name.into(),
            builder: Dealer::builder().heartbeat(Duration::from_secs(2)),
            window: 256,
            questions: 256,
            patience: Duration::from_secs(5),
            answer_limit: Duration::from_secs(60),
            look_every: Duration::from_millis(20),
            hook: None,
            gauge: LinkGauge::default(),
        }
    }

    /// Changes what the link's socket is like: how it connects again, its heartbeats (every two seconds unless said otherwise), keys and
    /// marks. Heartbeats are for both sides: unless a [TTL](Builder::heartbeat_ttl) is said, the publication is to give the link up when it
    /// has heard nothing for as long as the link would wait for it, an interval and a time-out. The link has its own way with greetings and
    /// with [`immediate`](Builder::immediate).
    pub fn socket(mut self, change: impl FnOnce(Builder<Dealer>) -> Builder<Dealer>) -> Self {
        self.builder = change(self.builder);
        self
    }

    /// Tells under way at the most, at least 1; the publication may allow fewer. 256 unless said otherwise.
    pub fn window(mut self, tells: u32) -> Self {
        self.window = tells.max(1);
        self
    }

    /// Questions under way at the most, at least 1; the publication may allow fewer. 256 unless said otherwise.
    pub fn questions(mut self, questions: u32) -> Self {
        self.questions = questions.max(1);
        self
    }

    /// How long questions wait for a link that is not there, at first or again; then they fail, until it is. Five seconds unless said
    /// otherwise.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience.min(LONGEST);
        self
    }

    /// How long an answer is waited for: whoever asks waits no longer than they said in any case, but the link does not hear of that. A
    /// minute unless said otherwise.
    pub fn answer_limit(mut self, limit: Duration) -> Self {
        self.answer_limit = limit.min(LONGEST);
        self
    }

    /// How often the link looks whether its connection is still there, and whether something it waits for is overdue: a lost connection is
    /// noticed so much later at the most. Each look wakes the worker, so where there are many links that do little, it is to be longer. 20 ms
    /// unless said otherwise, and not less than one.
    pub fn look_every(mut self, period: Duration) -> Self {
        self.look_every = period.max(Duration::from_millis(1));
        self
    }

    /// `hook` is told what happens, by the link's worker: it is to return soon. If it panics it is told no more, and the link goes on.
    pub fn on_event(mut self, hook: impl FnMut(LinkEvent) + Send + 'static) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }

    /// Reads what the link does, once it is started.
    pub fn gauge(&self) -> LinkGauge {
        self.gauge.clone()
    }

    /// Makes the socket, begins to connect, and says how the link's actor is started. `P` is what it [accepts](super::Accepts).
    ///
    /// Nobody need be at the endpoint yet.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open<P: 'static>(self) -> Result<Spec<Link<P>>, OpenError> {
        if !is_name(&self.name) {
            return Err(OpenError::NotAName { len: self.name.len() });
        }
        let hello = Packet::new(0, 0, What::Hello { name: &self.name }).message(None);
        // Each connection begins with it, and has its own messages only.
        let mut socket = self.builder.heartbeat_both_ways().immediate().greeting(hello).build(&self.context)?;
        let monitor = socket.monitor();
        socket.connect(&self.endpoint)?;
        let is_inproc = matches!(socket.last_endpoint(), Some(Endpoint::Inproc(_)));
        Ok(Spec::new(Opening {
            socket,
            monitor,
            connect_again: is_inproc.then_some(self.endpoint),
            name: self.name,
            window: self.window,
            questions: self.questions,
            patience: self.patience,
            answer_limit: self.answer_limit,
            look_every: self.look_every,
            hook: self.hook,
            gauge: self.gauge,
        }))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("endpoint", &self.endpoint)
            .field("name", &self.name)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

/// What a [`Link`] starts from.
pub struct Opening {
    pub(super) socket: Dealer,
    pub(super) monitor: Monitor,
    /// Where to, if the socket does not connect again by itself: within a process it does not.
    pub(super) connect_again: Option<String>,
    pub(super) name: String,
    pub(super) window: u32,
    pub(super) questions: u32,
    pub(super) patience: Duration,
    pub(super) answer_limit: Duration,
    pub(super) look_every: Duration,
    pub(super) hook: Option<Hook>,
    pub(super) gauge: LinkGauge,
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("name", &self.name).field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// Why there is no link.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// A name has 1 to 255 bytes.
    NotAName {
        /// This many are in it.
        len: usize,
    },
    /// The socket was not made.
    Closed(ContextClosed),
    /// It does not connect.
    Connect(ConnectError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAName { len } => write!(f, "a name has 1 to {NAME_MAX} bytes, and this has {len}"),
            Self::Closed(error) => error.fmt(f),
            Self::Connect(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotAName { .. } => None,
            Self::Closed(error) => Some(error),
            Self::Connect(error) => Some(error),
        }
    }
}

impl From<ContextClosed> for OpenError {
    fn from(error: ContextClosed) -> Self {
        Self::Closed(error)
    }
}

impl From<ConnectError> for OpenError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

/// What is longer is for ever, and clocks are to be able to reckon with it: a year.
pub(super) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
