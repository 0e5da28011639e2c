//! Points a process may be stopped or killed at, for this crate's own tests: they say which, and what was true then.
//!
//! The library calls [`reach`] where something is half done. Under the feature `phases` a process that was told so by
//! [`arm`] kills or stops itself there, on the n-th time, and [`record`] counts all times into memory that outlives it.
//! Without the feature `reach` is nothing at all.
//!
//! A phase is a name of [`PHASES`], which says what has happened at that point and what has not. It is reached *before* what
//! comes next and *after* what it is named for: who dies at `committed` has committed.

#![forbid(unsafe_code)]

/// The process is at the point called `name`, one of [`PHASES`].
#[cfg(not(all(feature = "phases", unix, not(any(loom, shuttle, miri)))))]
#[inline(always)]
#[allow(dead_code, reason = "what is reached depends on the roads there are")]
pub(crate) fn reach(_name: &'static str) {}

#[cfg(all(feature = "phases", unix, not(any(loom, shuttle, miri))))]
pub use armed::{DIED_AT_NS, DIED_IN, Deed, PHASES, Phase, REACHED, WORDS, arm, index_of, reach, record};

#[cfg(all(feature = "phases", unix, not(any(loom, shuttle, miri))))]
mod armed {
    use std::sync::OnceLock;

    use rustix::{
        process::{Signal, getpid, kill_process},
        time::{ClockId, clock_gettime},
    };

    use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering};

    /// A point that can be reached.
    #[derive(Clone, Copy, Debug)]
    pub struct Phase {
        /// What it is called.
        pub name: &'static str,
        /// What is true there.
        pub when: &'static str,
    }

    /// What is done to the process.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Deed {
        /// It dies, of SIGKILL.
        Kill,
        /// It is stopped, until somebody continues or kills it.
        Stop,
    }

    const fn phase(name: &'static str, when: &'static str) -> Phase {
        Phase { name, when }
    }

    /// All there are, in the order a process meets them.
    pub const PHASES: &[Phase] = &[
        // Agreeing.
        phase("offering", "our segment is made, mapped and sealed; the peer has not been told"),
        phase("offered", "our offer is written, descriptors and all; the peer's is not read"),
        phase("mapped", "the peer's segment is checked and mapped; it has not been answered"),
        phase("answered", "the peer has answered our offer, and nothing is made of it yet"),
        phase("agreed", "both have accepted; no message has gone through the segments"),
        // A ring that is replaced.
        phase("growing", "a larger segment is made and announced, descriptor and all; the peer has not answered"),
        phase("grown", "the peer's larger segment is mapped; it has not been answered"),
        phase("switched", "the ring says that it goes on in another, and nothing is in that"),
        phase("switching", "the reader is in the other ring, and has unmapped the one before; the peer is not told"),
        // Sending.
        phase("claimed", "there is room in the ring, and nothing is written to it"),
        phase("mid-write", "some of a record's payload is written, or all, and its header is not"),
        phase("written", "all of a record is written, but the word that commits it"),
        phase("committed", "a message is committed, whole; whether the reader sleeps has not been looked at"),
        phase("between-parts", "a part of a longer message is committed, and its last is not"),
        phase("knocking", "the reader sleeps, and is not knocked at yet"),
        phase("knocked", "the reader was knocked at"),
        phase("overflowing", "a message waits in the sender's own memory, since the ring is full"),
        phase("moving", "a message has left the overflow, and is not in the ring yet"),
        phase("wishing", "the sender has said that it wants room, and has not looked again"),
        // Receiving.
        phase("peeked", "there is a record, and nothing of it is copied"),
        phase("mid-read", "a record is copied, and the position has not moved"),
        phase("read", "the position has moved, and the peer is not told"),
        phase("told", "the peer's words say what was taken; whether it wants room has not been looked at"),
        phase("announced", "the receiver has said that it sleeps, and has not looked again"),
        phase("sleeping", "the receiver has looked again, and goes to sleep with the next call"),
        phase("woken", "the receiver is back, and has not said so"),
        // Ending.
        phase("closing", "the end of a pipe is closed; the segment is still mapped"),
        phase("unmapping", "nobody uses the segments any more, and they are about to go"),
        // The tests' own, in what they run as children.
        phase("between-calls", "no call is under way"),
        phase("holding", "a received message, or a loan of ring space, is held"),
    ];

    /// Where in the words of [`record`] the time of death is: nanoseconds of the monotonic clock, which all processes share.
    pub const DIED_AT_NS: usize = 0;
    /// Where the phase of death is: its index, and one.
    pub const DIED_IN: usize = 1;
    /// From where on there are counters, one for each of [`PHASES`].
    pub const REACHED: usize = 2;
    /// How many words [`record`] takes.
    pub const WORDS: usize = REACHED + PHASES.len();

    /// Has anything been asked for? What a process that is let alone looks at.
    static ACTIVE: AtomicBool = AtomicBool::new(false);
    /// Which phase does it; its index, and one. 0: none.
    static ARMED: AtomicU32 = AtomicU32::new(0);
    /// How often it is yet to be reached, that time included.
    static LEFT: AtomicU64 = AtomicU64::new(0);
    static STOPS: AtomicBool = AtomicBool::new(false);
    static RECORD: OnceLock<&'static [AtomicU64]> = OnceLock::new();

    /// The place of a phase in [`PHASES`].
    ///
    /// # Panics
    ///
    /// If there is no phase called so.
    pub fn index_of(name: &str) -> usize {
        PHASES.iter().position(|phase| phase.name == name).unwrap_or_else(|| panic!("there is no phase called {name}"))
    }

    /// Does `deed` to this process when the phase called `name` is reached the `nth` time from now on, by whichever thread.
    /// Replaces what was said before.
    ///
    /// # Panics
    ///
    /// If there is no such phase, or `nth` is 0.
    pub fn arm(name: &str, nth: u64, deed: Deed) {
        assert!(nth > 0, "the first time is the earliest");
        let index = index_of(name) as u32;
        ARMED.store(0, Ordering::SeqCst);
        STOPS.store(deed == Deed::Stop, Ordering::SeqCst);
        LEFT.store(nth, Ordering::SeqCst);
        ARMED.store(index + 1, Ordering::SeqCst);
        ACTIVE.store(true, Ordering::SeqCst);
    }

    /// Counts from now on how often each phase is reached, and writes when and where the process dies, into `words`, at least
    /// [`WORDS`] of them: memory that somebody else can read when this process is gone.
    ///
    /// A phase is counted when it is reached, and before anything is done about it.
    ///
    /// # Panics
    ///
    /// If there are too few words, or others were given before.
    pub fn record(words: &'static [AtomicU64]) {
        assert!(words.len() >= WORDS, "{} words are too few", words.len());
        assert!(RECORD.set(words).is_ok(), "words were given before");
        ACTIVE.store(true, Ordering::SeqCst);
    }

    /// The process is at the point called `name`, one of [`PHASES`].
    #[inline]
    pub fn reach(name: &'static str) {
        // Relaxed: it is set before the threads begin that come by here.
        if ACTIVE.load(Ordering::Relaxed) {
            reach_slow(name);
        }
    }

    #[cold]
    #[inline(never)]
    fn reach_slow(name: &'static str) {
        let index = index_of(name);
        let record = RECORD.get();
        if let Some(words) = record {
            words[REACHED + index].fetch_add(1, Ordering::SeqCst);
        }
        if ARMED.load(Ordering::SeqCst) as usize != index + 1 || LEFT.fetch_sub(1, Ordering::SeqCst) != 1 {
            return;
        }
        ARMED.store(0, Ordering::SeqCst);
        if let Some(words) = record {
            words[DIED_IN].store(index as u64 + 1, Ordering::SeqCst);
            words[DIED_AT_NS].store(now_ns(), Ordering::SeqCst);
        }
        let signal = if STOPS.load(Ordering::SeqCst) { Signal::STOP } else { Signal::KILL };
        kill_process(getpid(), signal).expect("a process may send itself signals");
    }

    fn now_ns() -> u64 {
        let now = clock_gettime(ClockId::Monotonic);
        now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn each_phase_has_a_name_of_its_own() {
            for (index, phase) in PHASES.iter().enumerate() {
                assert_eq!(index_of(phase.name), index);
            }
        }

        #[test]
        fn phases_are_counted_where_they_are_recorded() {
            let words: &'static [AtomicU64] = Box::leak((0..WORDS).map(|_| AtomicU64::new(0)).collect());
            record(words);
            (0..3).for_each(|_| reach("holding"));
            assert_eq!(words[REACHED + index_of("holding")].load(Ordering::SeqCst), 3);
            assert_eq!(words[DIED_IN].load(Ordering::SeqCst), 0);
        }
    }
}
