//! The tests that say nothing about a flavor, and why: all of them. What differs and can be said in a test is said there,
//! by the properties of [`Flavor`].

use crate::flavor::Flavor;

/// A test that is not run over some flavors.
pub(crate) struct Elsewhere {
    pub(crate) test: &'static str,
    pub(crate) not_over: &'static [Flavor],
    pub(crate) because: &'static str,
    /// Tests that say there what this one says elsewhere.
    pub(crate) instead: &'static [&'static str],
}

pub(crate) const ELSEWHERE: [Elsewhere; 4] = [
    Elsewhere {
        test: "both_ends_hear_of_a_death_and_losses_add_up",
        not_over: ALL_BUT_AWKWARD,
        because: "a pipe can be killed from within the awkward flavor only",
        instead: &["a_stream_that_is_cut_comes_back"],
    },
    Elsewhere {
        test: "a_stream_goes_on_over_other_pipes",
        not_over: ALL_BUT_AWKWARD,
        because: "a pipe can be killed from within the awkward flavor only",
        instead: &["a_stream_that_is_cut_comes_back"],
    },
    Elsewhere {
        test: "lowering_the_limit_takes_nothing_until_below",
        not_over: STREAMS,
        because: "it counts messages against the sum of both marks; on a stream each mark counts for itself",
        instead: &["a_lowered_mark_takes_nothing_until_below"],
    },
    Elsewhere {
        test: "a_full_subscriber_misses_the_newest",
        not_over: STREAMS,
        because: "ZMTP has no way to tell a far subscriber what it missed",
        instead: &["what_a_full_subscriber_misses_is_counted"],
    },
];

const STREAMS: &[Flavor] = &[Flavor::Tcp, Flavor::TcpSpread, Flavor::TcpCallerDriven, Flavor::Ipc, Flavor::IpcPlain];
const ALL_BUT_AWKWARD: &[Flavor] =
    &[Flavor::Local, Flavor::Tcp, Flavor::TcpSpread, Flavor::TcpCallerDriven, Flavor::Ipc, Flavor::IpcPlain];

/// Why `test` is not run over `flavor`, if it is not.
pub(crate) fn reason(flavor: Flavor, test: &str) -> Option<&'static str> {
    ELSEWHERE.iter().find(|entry| entry.test == test && entry.not_over.contains(&flavor)).map(|entry| entry.because)
}
