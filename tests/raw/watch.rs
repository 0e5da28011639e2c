//! Waiting for what a monitor tells.

use std::time::Instant;

use ringway::{
    Monitor,
    monitor::{Event, EventKind},
};

use super::PATIENCE;

/// A monitor, and all it has told.
pub(crate) struct Watch {
    monitor: Monitor,
    pub(crate) told: Vec<EventKind>,
    /// How many of them have been waited for.
    seen: usize,
}

impl Watch {
    pub(crate) fn new(monitor: Monitor) -> Self {
        Self { monitor, told: Vec::new(), seen: 0 }
    }

    /// The next event that `is` what is waited for; those before it are passed over.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, what: &str, is: impl Fn(&EventKind) -> bool) -> EventKind {
        let deadline = Instant::now() + PATIENCE;
        loop {
            while self.seen < self.told.len() {
                self.seen += 1;
                if is(&self.told[self.seen - 1]) {
                    return self.told[self.seen - 1].clone();
                }
            }
            let Ok(Event { kind, .. }) = self.monitor.recv_timeout(deadline.saturating_duration_since(Instant::now()))
            else {
                let told: Vec<String> = self.told.iter().map(ToString::to_string).collect();
                panic!("not told in time: {what}; told: {told:#?}");
            };
            self.told.push(kind);
        }
    }

    #[track_caller]
    pub(crate) fn joined(&mut self) -> EventKind {
        self.wait_for("a peer joined", |kind| matches!(kind, EventKind::PeerJoined { .. }))
    }

    #[track_caller]
    pub(crate) fn disconnected(&mut self) -> EventKind {
        self.wait_for("a disconnection", |kind| matches!(kind, EventKind::Disconnected { .. }))
    }

    #[track_caller]
    pub(crate) fn handshake_failed(&mut self) -> EventKind {
        self.wait_for("a handshake that failed", |kind| matches!(kind, EventKind::HandshakeFailed { .. }))
    }

    #[track_caller]
    pub(crate) fn retried(&mut self) -> EventKind {
        self.wait_for("a connection tried again", |kind| matches!(kind, EventKind::ConnectRetried { .. }))
    }

    /// Everything told so far.
    pub(crate) fn all(&mut self) -> &[EventKind] {
        while let Ok(Event { kind, .. }) = self.monitor.try_recv() {
            self.told.push(kind);
        }
        &self.told
    }
}
