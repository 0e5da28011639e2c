//! What workers count.

#![forbid(unsafe_code)]

/// What a worker did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Messages handled, those that were failed at and requests to stop among them.
    pub handled: u64,
    /// Actors that were started, and of those that have ended.
    pub started: u64,
    /// See there.
    pub ended: u64,
    /// Times an actor failed.
    pub failures: u64,
    /// Times one was started anew.
    pub restarts: u64,
    /// Messages for actors that had ended, or ended with them unread.
    pub dead_letters: u64,
    /// Messages that a [policy](super::Policy) has dropped, and those of intervals and publications that found no room.
    pub dropped: u64,
    /// Answers that came when nobody waited for them any more.
    pub late_answers: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.handled += other.handled;
        self.started += other.started;
        self.ended += other.ended;
        self.failures += other.failures;
        self.restarts += other.restarts;
        self.dead_letters += other.dead_letters;
        self.dropped += other.dropped;
        self.late_answers += other.late_answers;
    }
}
