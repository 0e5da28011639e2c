//! Connecting: one address after the other, and all of them again after a while.

#![forbid(unsafe_code)]

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use mio::Interest;

use super::session::{Phase, Session, State};
use crate::{
    Endpoint, Frame,
    endpoint::HostPort,
    monitor::{ConnectFailure, EventKind, PeerId},
    sync::unique_number,
    transport::{
        address::Address,
        backoff::Backoff,
        options::StreamOptions,
        socket::{self, ByteStream},
    },
};

/// A connection that is to be made, as long as its session lives.
#[derive(Debug)]
pub(super) struct Dial {
    /// What our socket calls the peer; empty if nothing.
    peer_name: Frame,
    source: Option<HostPort>,
    connect_timeout: Option<Duration>,
    /// `None`: the first failure is the last.
    backoff: Option<Backoff>,
    /// Addresses of this round that have not been tried.
    addresses: VecDeque<Address>,
    stage: Stage,
    /// When the peer was last there.
    arrived: Option<Instant>,
}

#[derive(Debug)]
enum Stage {
    /// Nothing is under way: addresses are to be found.
    Idle,
    Resolving,
    /// A connection is being made.
    Connecting {
        stream: ByteStream,
        until: Option<Instant>,
    },
    /// The next round begins then.
    Waiting(Instant),
}

/// A connection that lasted so long was a good one: the next delay is a short one again.
const STABLE: Duration = Duration::from_secs(5);

impl Dial {
    pub(super) fn new(endpoint: &Endpoint, options: &StreamOptions, peer_name: Frame) -> Self {
        let source = match endpoint {
            Endpoint::Tcp(tcp) => tcp.source().cloned(),
            _ => None,
        };
        let backoff = options
            .reconnect_interval
            .map(|interval| Backoff::new(interval, options.reconnect_interval_max, random_seed()));
        Self {
            peer_name,
            source,
            connect_timeout: options.connect_timeout,
            backoff,
            addresses: VecDeque::new(),
            stage: Stage::Idle,
            arrived: None,
        }
    }

    pub(super) fn peer_name(&self) -> Frame {
        self.peer_name.clone()
    }

    /// The peer is there.
    pub(super) fn arrived(&mut self) {
        self.arrived = Some(Instant::now());
    }

    /// When there is something to do by the clock.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Connecting { until, .. } => *until,
            Stage::Waiting(until) => Some(*until),
            Stage::Idle | Stage::Resolving => None,
        }
    }
}

impl Session {
    /// Goes on with connecting, as far as that goes.
    pub(super) fn dial(&self, state: &mut State) {
        let mut failure = None;
        loop {
            let Some(dial) = &mut state.dial else { return };
            match std::mem::replace(&mut dial.stage, Stage::Idle) {
                Stage::Waiting(until) if Instant::now() < until => return dial.stage = Stage::Waiting(until),
                Stage::Idle | Stage::Waiting(_) => match dial.addresses.pop_front() {
                    Some(address) => match self.begin(dial, &address) {
                        Ok(stage) => dial.stage = stage,
                        Err(reason) => failure = Some(reason),
                    },
                    None => match failure.take() {
                        Some(reason) => return self.retry(state, reason),
                        None => {
                            dial.stage = Stage::Resolving;
                            self.resolve();
                        }
                    },
                },
                Stage::Resolving => match self.found.lock().take() {
                    Some(Ok(addresses)) => dial.addresses = addresses.into(),
                    Some(Err(reason)) => return self.retry(state, reason),
                    None => return dial.stage = Stage::Resolving,
                },
                Stage::Connecting { stream, until } => match stream.is_connected() {
                    Ok(true) => return self.open(state, stream, true),
                    Ok(false) if until.is_none_or(|until| Instant::now() < until) => {
                        return dial.stage = Stage::Connecting { stream, until };
                    }
                    Ok(false) => failure = Some(ConnectFailure::TimedOut),
                    Err(reason) => failure = Some(reason),
                },
            }
        }
    }

    /// Begins to connect to `address`.
    fn begin(&self, dial: &Dial, address: &Address) -> Result<Stage, ConnectFailure> {
        let stream = socket::dial(address, dial.source.as_ref(), &self.origin.options)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.reactor.register(&stream, self.id, interest).map_err(|error| ConnectFailure::of(&error))?;
        // A time the clock does not reach is for ever.
        let until = dial.connect_timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Ok(Stage::Connecting { stream, until })
    }

    fn resolve(&self) {
        let me = self.me.clone();
        let done = Box::new(move |resolved| {
            if let Some(session) = me.upgrade() {
                *session.found.lock() = Some(resolved);
                session.look_again();
            }
        });
        self.origin.streams.resolver().resolve(&self.endpoint, self.origin.options.ipv6, done);
    }

    /// Waits before the next round, if there is to be one.
    pub(super) fn retry(&self, state: &mut State, reason: ConnectFailure) {
        let peer = PeerId::new(state.link.as_ref().map_or(0, |link| link.tie().number()));
        let Some(dial) = &mut state.dial else { return };
        dial.addresses.clear();
        let Some(backoff) = &mut dial.backoff else {
            self.origin.tell(|| EventKind::ConnectFailed { endpoint: self.endpoint.clone(), peer, reason });
            return self.end(state);
        };
        if dial.arrived.take().is_some_and(|arrived| arrived.elapsed() >= STABLE) {
            backoff.reset();
        }
        let delay = backoff.next();
        dial.stage = Stage::Waiting(Instant::now() + delay);
        state.phase = Phase::Dialing;
        self.origin.tell(|| EventKind::ConnectRetried { endpoint: self.endpoint.clone(), peer, reason, delay });
    }
}

/// So that sessions, and processes, go different ways.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(unique_number())
}
