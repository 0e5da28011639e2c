//! What a socket has done and what became of its messages.

#![forbid(unsafe_code)]

use crate::{
    SocketType,
    fork::Denied,
    pipe::{Hub, LinkTally},
    sync::Ordering,
    wait::WaitCounters,
};

/// A snapshot. All counts are since the socket was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Messages accepted from the application and given to a peer's queue; probes too.
    pub messages_sent: u64,
    /// Their payload bytes, all frames together.
    pub bytes_sent: u64,
    /// Messages handed to the application.
    pub messages_received: u64,
    /// Their payload bytes.
    pub bytes_received: u64,
    /// Sends that found no room, or no peer, at first.
    pub stalls: u64,
    /// Messages put into peers' queues by a pattern that publishes, a welcome too: one for each peer that got it.
    pub deliveries: u64,
    /// Messages that gave way to newer ones before the peer took them: between sockets that conflate.
    pub conflated: u64,
    /// Messages not given to a peer because its queue was full, by patterns that drop: one for each such peer.
    pub dropped: u64,
    /// Messages for a peer that is not there: dropped.
    pub unroutable: u64,
    /// Messages that arrived and were thrown away: without the envelope the pattern needs, or a reply nobody waits for.
    pub discarded: u64,
    /// Messages that arrived and were thrown away because they are not, or no longer, subscribed to.
    pub filtered: u64,
    /// Messages accepted from the application and lost, because the peer left without taking them or never came.
    pub undelivered: u64,
    /// Messages that had arrived and were lost, because this socket closed their pipe without taking them.
    pub unread: u64,
    /// Peers that have come: connections made and accepted.
    pub peers_joined: u64,
    /// What happened to its connections over streams.
    pub streams: StreamCounters,
    /// How sends have waited.
    pub send_waits: WaitCounters,
    /// How receives have waited.
    pub recv_waits: WaitCounters,
}

/// What happened to a socket's connections over streams, `tcp://` and `ipc://`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamCounters {
    /// System calls that read, whether or not there was something.
    pub reads: u64,
    /// System calls that wrote.
    pub writes: u64,
    /// Connections this socket had made that were lost and are made again.
    pub reconnects: u64,
    /// Connections, made or accepted, whose two ends did not come to agree how to talk.
    pub failed_handshakes: u64,
    /// Connections not accepted: there were as many peers as may be, or the system refused.
    pub refused: u64,
    /// Messages from peers that have nothing to send to a socket of this type: dropped.
    pub stray: u64,
}

impl StreamCounters {
    fn of(links: &LinkTally) -> Self {
        Self {
            reads: links.reads(),
            writes: links.writes(),
            reconnects: links.reconnects(),
            failed_handshakes: links.failed_handshakes(),
            refused: links.refused(),
            stray: links.stray(),
        }
    }
}

impl Denied for Counters {
    fn denied() -> Self {
        Self::default()
    }
}

impl Counters {
    pub(crate) fn of(hub: &Hub, conflated: u64, send_waits: WaitCounters, recv_waits: WaitCounters) -> Self {
        let (flow, lost) = (hub.flow(), hub.lost());
        let publishes = matches!(hub.socket_type(), SocketType::Pub | SocketType::XPub);
        let (welcomes, probes) = if publishes { (hub.hellos(), 0) } else { (0, hub.hellos()) };
        Self {
            messages_sent: flow.messages_out.load(Ordering::Relaxed) + probes,
            bytes_sent: flow.bytes_out.load(Ordering::Relaxed),
            messages_received: flow.messages_in.load(Ordering::Relaxed),
            bytes_received: flow.bytes_in.load(Ordering::Relaxed),
            stalls: flow.stalls.load(Ordering::Relaxed),
            deliveries: flow.deliveries.load(Ordering::Relaxed) + welcomes,
            conflated,
            dropped: flow.dropped.load(Ordering::Relaxed),
            unroutable: flow.unroutable.load(Ordering::Relaxed),
            discarded: flow.discarded.load(Ordering::Relaxed),
            filtered: flow.filtered.load(Ordering::Relaxed),
            undelivered: lost.undelivered,
            unread: lost.unread,
            peers_joined: hub.joined(),
            streams: StreamCounters::of(hub.links()),
            send_waits,
            recv_waits,
        }
    }
}
