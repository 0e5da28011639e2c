//! When a silent peer is given up. The clock is passed in.
//!
//! | what | when | ends with |
//! |---|---|---|
//! | PING | every `interval` once ready, whatever else goes to and fro: our PING is also the life sign the peer waits for | |
//! | time-out | nothing was heard for `timeout` after a PING | [`Error::HeartbeatTimedOut`] |
//! | TTL | the peer's last PING had one, and nothing was heard for so long | [`Error::TtlExpired`] |
//!
//! Any byte is life, also one in the midst of a long frame; libzmq counts complete messages only, and drops a peer that
//! sends a large one slowly. A TTL stays in force until the peer's next PING (libzmq forgets it with the next message):
//! who pings once promises to be heard again within that time.
//!
//! PINGs go to peers of ZMTP 3.0 too: the libzmq of its time answers them from 4.2 on, which said 3.0 until 4.3.3.
//!
//! A PING is not put behind another that is not written yet. While it waits behind a long message each write that gets on
//! is life, and the time-out runs anew: a peer that takes its time is alive, one that has stopped reading is not.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use super::{
    command::{self, Ping},
    error::Error,
    mechanism::Mechanism,
    outbox::Outbox,
};

/// Heartbeats of a socket's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heartbeat {
    /// Between two PINGs. `None`, or zero: no PINGs. They are answered all the same.
    pub(crate) interval: Option<Duration>,
    /// How long after a PING the peer may be silent. `None`: `interval`.
    pub(crate) timeout: Option<Duration>,
    /// The silence after which the peer is to give us up, told in each PING; zero for none. At most 65.5 s are told,
    /// since libzmq gets longer ones wrong.
    pub(crate) ttl: Duration,
}

/// What a connection knows of its peer's life.
#[derive(Debug)]
pub(super) struct Pulse {
    /// When bytes last came.
    heard_at: Instant,
    /// When the next PING is due. `None` before the handshake is done, or without heartbeats.
    ping_at: Option<Instant>,
    /// When the first PING was put since which nothing was heard.
    waiting_since: Option<Instant>,
    /// The outbox's position behind the last PING.
    ping_position: u64,
    /// The first since which nothing was heard is not wholly written yet.
    ping_is_queued: bool,
    /// The peer's TTL; zero for none.
    ttl: Duration,
    /// Answers to its PINGs that wait to be written, unless the outbox is written to the position behind the last.
    pongs: usize,
    pong_position: u64,
}

impl Heartbeat {
    fn interval(&self) -> Option<Duration> {
        self.interval.filter(|interval| !interval.is_zero())
    }

    fn timeout(&self) -> Duration {
        self.timeout.or(self.interval).unwrap_or_default()
    }
}

impl Pulse {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            heard_at: now,
            ping_at: None,
            waiting_since: None,
            ping_position: 0,
            ping_is_queued: false,
            ttl: Duration::ZERO,
            pongs: 0,
            pong_position: 0,
        }
    }

    /// The handshake is done, with the bytes that were heard last.
    pub(super) fn start(&mut self, heartbeat: &Heartbeat) {
        self.ping_at = heartbeat.interval().and_then(|interval| self.heard_at.checked_add(interval));
    }

    #[inline]
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.waiting_since = None;
    }

    /// Is it of interest when something is written?
    #[inline]
    pub(super) fn times_writing(&self) -> bool {
        self.ping_is_queued
    }

    /// Some of the outbox was written.
    pub(super) fn wrote(&mut self, now: Instant, outbox: &Outbox) {
        if self.ping_is_queued {
            self.waiting_since = self.waiting_since.map(|_| now);
            self.ping_is_queued = outbox.written() < self.ping_position;
        }
    }

    /// Answers, unless [`PONGS_MAX`] answers are waiting to be written.
    pub(super) fn handle_ping(&mut self, ping: Ping<'_>, mechanism: &mut Mechanism, outbox: &mut Outbox) {
        self.ttl = ping.ttl;
        if outbox.written() >= self.pong_position {
            self.pongs = 0;
        }
        if self.pongs < PONGS_MAX {
            mechanism.seal_command(command::PONG, ping.context, outbox);
            self.pongs += 1;
            self.pong_position = outbox.queued();
        }
    }

    /// When [`Pulse::handle_timeout`] is next due.
    pub(super) fn deadline(&self, heartbeat: &Heartbeat) -> Option<Instant> {
        [self.ping_at, self.gives_up_at(heartbeat), self.ttl_ends_at()].into_iter().flatten().min()
    }

    /// Puts a PING if one is due.
    ///
    /// # Errors
    /// The peer is given up.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        heartbeat: &Heartbeat,
        mechanism: &mut Mechanism,
        outbox: &mut Outbox,
    ) -> Result<(), Error> {
        if self.gives_up_at(heartbeat).is_some_and(|at| at <= now) {
            return Err(Error::HeartbeatTimedOut { after: heartbeat.timeout() });
        }
        if self.ttl_ends_at().is_some_and(|at| at <= now) {
            return Err(Error::TtlExpired { ttl: self.ttl });
        }
        if self.ping_at.is_some_and(|at| at <= now) {
            // From now and not from when it was due: a program that was held up does not catch up with a volley.
            self.ping_at = heartbeat.interval().and_then(|interval| now.checked_add(interval));
            let is_first = self.waiting_since.is_none();
            self.waiting_since.get_or_insert(now);
            if outbox.written() >= self.ping_position {
                mechanism.seal_command(command::PING, &command::ping(heartbeat.ttl), outbox);
                self.ping_position = outbox.queued();
                // Another one's way is nothing to one that is written and was not answered.
                self.ping_is_queued = is_first;
            }
        }
        Ok(())
    }

    fn gives_up_at(&self, heartbeat: &Heartbeat) -> Option<Instant> {
        self.waiting_since?.checked_add(heartbeat.timeout())
    }

    fn ttl_ends_at(&self) -> Option<Instant> {
        if self.ttl.is_zero() { None } else { self.heard_at.checked_add(self.ttl) }
    }
}

/// Answers to the peer's PINGs that may wait to be written. One that sends so many and reads none learns nothing from
/// another.
pub(super) const PONGS_MAX: usize = 16;
