//! What the connections of one socket share.
//!
//! All of it is one [`Household`], and for those made while the socket's options were the same, an [`Origin`] with these.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Weak},
};

use super::{Session, Streams, burst::Burst, terms, upgrade};
use crate::{
    monitor::{EventKind, Sink},
    pipe::{Hub, Profile},
    reactor::Reactor,
    sync::{self, AtomicBool, AtomicUsize, Mutex, Ordering},
    transport::{
        options::{SharedMemory, StreamOptions},
        socket::ByteStream,
    },
    zmtp,
};

/// What connections share that were made under the same options. See the module.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(super) near: sync::Arc<Hub>,
    /// As who the socket is there.
    pub(super) profile: Arc<Profile>,
    config: Arc<zmtp::Config>,
    /// Of connections over which memory may be shared.
    sharing: Arc<zmtp::Config>,
    pub(super) options: StreamOptions,
    pub(super) streams: Arc<Streams>,
    household: Arc<Household>,
}

/// What all connections of the socket share.
#[derive(Debug)]
struct Household {
    burst: Burst,
    closed: AtomicBool,
    /// Accepted connections there are.
    accepted: AtomicUsize,
    /// Accepted ones whose peer is not known yet, by their number: they end with the socket.
    strangers: Mutex<HashMap<u64, Weak<Session>>>,
}

impl Origin {
    pub(crate) fn new(near: sync::Arc<Hub>, options: StreamOptions, streams: Arc<Streams>) -> Arc<Self> {
        let household = Household {
            burst: Burst::new(),
            closed: AtomicBool::new(false),
            accepted: AtomicUsize::new(0),
            strangers: Mutex::default(),
        };
        Self::of(near, options, streams, Arc::new(household))
    }

    fn of(near: sync::Arc<Hub>, options: StreamOptions, streams: Arc<Streams>, household: Arc<Household>) -> Arc<Self> {
        let profile = near.profile();
        let config = terms::config(&options, &profile);
        let shares_memory = options.shared_memory != SharedMemory::Forbid;
        let sharing = Arc::new(zmtp::Config { shares_memory, ..config.clone() });
        Arc::new(Self { near, profile, config: Arc::new(config), sharing, options, streams, household })
    }

    /// What the protocol is to be told of connections like `stream`.
    pub(super) fn config(&self, stream: &ByteStream) -> &Arc<zmtp::Config> {
        if upgrade::is_possible(stream) { &self.sharing } else { &self.config }
    }

    /// The same with other options, and the profile the socket has now: for connections of endpoints to come.
    pub(crate) fn successor(&self, options: StreamOptions) -> Arc<Self> {
        Self::of(self.near.clone(), options, self.streams.clone(), self.household.clone())
    }

    /// Are these its options, and its profile?
    pub(crate) fn is_of(&self, options: &StreamOptions, profile: &Arc<Profile>) -> bool {
        self.options == *options && Arc::ptr_eq(&self.profile, profile)
    }

    /// Times bursts, of all connections together.
    pub(super) fn burst(&self) -> &Burst {
        &self.household.burst
    }

    pub(super) fn reactor(&self) -> io::Result<Reactor> {
        self.streams.reactor()
    }

    /// Is the socket gone?
    pub(super) fn is_closed(&self) -> bool {
        self.household.closed.load(Ordering::Acquire)
    }

    /// The socket goes: connections whose peer is not known yet have no use any more. The others send what they have.
    pub(crate) fn close(&self) {
        self.household.closed.store(true, Ordering::Release);
        let strangers = std::mem::take(&mut *self.household.strangers.lock());
        strangers.values().filter_map(Weak::upgrade).for_each(|stranger| stranger.look_again());
    }

    /// Takes one more accepted connection. False: there are as many as may be, at all endpoints.
    pub(super) fn admit(&self) -> bool {
        let accepted = &self.household.accepted;
        let before = accepted.fetch_add(1, Ordering::Relaxed);
        let has_room = self.options.max_peers.is_none_or(|max| before < max);
        if !has_room {
            accepted.fetch_sub(1, Ordering::Relaxed);
        }
        has_room
    }

    /// An accepted connection is gone.
    pub(super) fn dismiss(&self) {
        self.household.accepted.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn greet(&self, number: u64, stranger: Weak<Session>) {
        self.household.strangers.lock().insert(number, stranger);
    }

    /// Its peer is known, or it is gone.
    pub(super) fn know(&self, number: u64) {
        self.household.strangers.lock().remove(&number);
    }

    /// Tells the socket's monitors what `event` makes, if there are any.
    pub(super) fn tell(&self, event: impl FnOnce() -> EventKind) {
        let monitors = self.near.monitors();
        if monitors.is_watched() {
            monitors.tell(event());
        }
    }
}
