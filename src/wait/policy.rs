//! The choice a user makes: how a thread idles.

#![forbid(unsafe_code)]

/// How a thread idles while it waits.
///
/// | policy | between two looks | gives up its core | fits |
/// |---|---|---|---|
/// | `Spin` | `pause` | never | a pinned thread that owns its core |
/// | `Adaptive` | spins while spinning pays, then parks | when waits are long, cores are short or the peer shares ours | everything else |
/// | `Park` | sleeps | at once | many threads, rare messages, batteries |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[allow(clippy::exhaustive_enums)] // Complete by nature: never, as it pays, at once.
pub enum WaitPolicy {
    /// Looks again and again and never gives up the core.
    Spin,
    /// Spins for about twice the cost of a wake-up, and only while waits are expected to be shorter than that; then
    /// parks. Yields early where the peer shares the core.
    #[default]
    Adaptive,
    /// Parks as soon as there is nothing to take.
    Park,
}
