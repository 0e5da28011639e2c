//! Publishing: what is published, and on which terms.

#![forbid(unsafe_code)]

use std::{fmt, time::Duration};

use super::{
    connection::LONGEST,
    counts::PublicationGauge,
    offer::{Offer, Offered},
    publisher::Publisher,
    session::Terms,
    wire::{NAME_MAX, is_name},
};
use crate::{
    Router,
    actor::{Actor, Spec},
    bridge,
};

/// Actors that are told and asked from elsewhere: by links to the endpoints that a ROUTER is bound to.
///
/// It is an actor itself, once its [`spec`](Self::spec) is started, on whichever worker. It never waits: what an actor has no room for
/// waits here, as much as links were allowed to send, and questions that find no room are told so.
pub struct Publication {
    pub(super) router: Router,
    pub(super) offers: Vec<(String, Box<dyn Offered>)>,
    pub(super) terms: Terms,
    pub(super) sessions: usize,
    pub(super) body_max: usize,
    pub(super) answer_limit: Duration,
    pub(super) gauge: PublicationGauge,
}

impl Publication {
    /// Of no actor yet, at the endpoints that `router` is bound to, or will be. Its options are the publication's: how many peers it
    /// may have, whom it lets in, and above all [how large a message](crate::socket::Builder::max_message_size) it takes in at all.
    pub fn new(mut router: Router) -> Self {
        // So that it says who is gone, and who is full.
        router.set_mandatory(true);
        Self {
            router,
            offers: Vec::new(),
            terms: Terms { window: 256, questions: 256 },
            sessions: 1024,
            body_max: 1 << 20,
            answer_limit: Duration::from_secs(60),
            gauge: PublicationGauge::default(),
        }
    }

    /// Publishes an actor as `name`.
    ///
    /// # Errors
    /// It is no name, or another has it.
    pub fn actor<A: Actor>(mut self, name: impl Into<String>, offer: Offer<A>) -> Result<Self, PublishError> {
        let name = name.into();
        if !is_name(&name) {
            return Err(PublishError::NotAName { len: name.len() });
        }
        if self.offers.iter().any(|(other, _)| *other == name) {
            return Err(PublishError::Taken { name });
        }
        self.offers.push((name, Box::new(offer)));
        Ok(self)
    }

    /// Tells each link may have under way, at least 1. As many bodies of [`body_max`](Self::body_max) may wait here for each of the
    /// [sessions](Self::sessions). 256 unless said otherwise.
    pub fn window(mut self, tells: u32) -> Self {
        self.terms.window = tells.max(1);
        self
    }

    /// Questions each link may have under way, at least 1. 256 unless said otherwise.
    pub fn questions(mut self, questions: u32) -> Self {
        self.terms.questions = questions.max(1);
        self
    }

    /// Links at a time; more are turned away until one leaves. 1024 unless said otherwise.
    pub fn sessions(mut self, links: usize) -> Self {
        self.sessions = links;
        self
    }

    /// Bytes a message may have, encoded. A mebibyte unless said otherwise.
    pub fn body_max(mut self, bytes: usize) -> Self {
        self.body_max = bytes;
        self
    }

    /// How long an actor has to answer; then its question has failed. A minute unless said otherwise.
    pub fn answer_limit(mut self, limit: Duration) -> Self {
        self.answer_limit = limit.min(LONGEST);
        self
    }

    /// Reads what it does, once it is started.
    pub fn gauge(&self) -> PublicationGauge {
        self.gauge.clone()
    }

    /// How it is started. It ends when it is stopped, which its links are told; they come back when it does.
    pub fn spec(self) -> Spec<Publisher> {
        // What comes from the socket: a batch of it is under way, and another on its way.
        Spec::new(self).capacity(2 * bridge::QUANTUM as u32)
    }
}

impl fmt::Debug for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publication").field("offers", &self.offers).field("terms", &self.terms).finish_non_exhaustive()
    }
}

/// Why an actor was not published.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// A name has 1 to 255 bytes.
    NotAName {
        /// This many are in it.
        len: usize,
    },
    /// Another actor of this publication has it.
    Taken {
        /// The name.
        name: String,
    },
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAName { len } => write!(f, "a name has 1 to {NAME_MAX} bytes, and this has {len}"),
            Self::Taken { name } => write!(f, "an actor is published as {name:?} already"),
        }
    }
}

impl std::error::Error for PublishError {}
