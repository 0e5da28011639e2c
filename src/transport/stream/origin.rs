//! What the connections of one socket share.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Weak},
};

use super::{Session, Streams, burst::Burst, terms};
use crate::{
    monitor::{EventKind, Sink},
    pipe::Hub,
    reactor::Reactor,
    sync::{self, AtomicBool, AtomicUsize, Mutex, Ordering},
    transport::options::StreamOptions,
    zmtp,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(super) near: sync::Arc<Hub>,
    pub(super) config: Arc<zmtp::Config>,
    pub(super) options: StreamOptions,
    pub(super) streams: Arc<Streams>,
    pub(super) burst: Burst,
    closed: AtomicBool,
    /// Accepted connections there are.
    accepted: AtomicUsize,
    /// Accepted ones whose peer is not known yet, by their number: they end with the socket.
    strangers: Mutex<HashMap<u64, Weak<Session>>>,
}

impl Origin {
    pub(crate) fn new(near: sync::Arc<Hub>, options: StreamOptions, streams: Arc<Streams>) -> Arc<Self> {
        let config = Arc::new(terms::config(&options, near.profile()));
        Arc::new(Self {
            near,
            config,
            options,
            streams,
            burst: Burst::new(),
            closed: AtomicBool::new(false),
            accepted: AtomicUsize::new(0),
            strangers: Mutex::default(),
        })
    }

    pub(super) fn reactor(&self) -> io::Result<Reactor> {
        self.streams.reactor()
    }

    /// Is the socket gone?
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The socket goes: connections whose peer is not known yet have no use any more. The others send what they have.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let strangers = std::mem::take(&mut *self.strangers.lock());
        strangers.values().filter_map(Weak::upgrade).for_each(|stranger| stranger.look_again());
    }

    /// Takes one more accepted connection. False: there are as many as may be.
    pub(super) fn admit(&self) -> bool {
        let before = self.accepted.fetch_add(1, Ordering::Relaxed);
        let has_room = self.options.max_peers.is_none_or(|max| before < max);
        if !has_room {
            self.accepted.fetch_sub(1, Ordering::Relaxed);
        }
        has_room
    }

    /// An accepted connection is gone.
    pub(super) fn dismiss(&self) {
        self.accepted.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn greet(&self, number: u64, stranger: Weak<Session>) {
        self.strangers.lock().insert(number, stranger);
    }

    /// Its peer is known, or it is gone.
    pub(super) fn know(&self, number: u64) {
        self.strangers.lock().remove(&number);
    }

    /// Tells the socket's monitors what `event` makes, if there are any.
    pub(super) fn tell(&self, event: impl FnOnce() -> EventKind) {
        let monitors = self.near.monitors();
        if monitors.is_watched() {
            monitors.tell(event());
        }
    }
}
