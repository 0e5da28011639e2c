//! Ringway and real ZeroMQ peers: pyzmq's newest, with the libzmq it brings along, in processes of its own; and the
//! system's libzmq in this one.
//!
//! `cargo test --features interop --test interop`. Needs Debian's libzmq3-dev (without it the linker does not find
//! `-lzmq`), a python3 with venv, and PyPI, from which pyzmq is installed into a virtual environment under the target
//! directory. A peer that is missing is a failure.
//!
//! A test takes a [`Case`]: a *near* socket, a *far* one, and a road. Nothing else in it says whose sockets they are. So the
//! tests themselves are tested: the modules `control_…` run them between libzmq and pyzmq, and whatever fails there is
//! wrong in the test. Tests wait for events, never for time; a time-out only ends a test that has failed, or believes
//! that nothing will come.
//!
//! Contents: [`party`] what can be done with a socket, [`case`] who talks to whom, [`ours`], [`libzmq`] and [`pyzmq`] the
//! libraries (with [`choices`] and [`events`], what libzmq calls things); then the tests.

mod case;
mod choices;
mod events;
mod frames;
mod libzmq;
mod ours;
mod party;
mod patterns;
mod pyzmq;

use case::{Case, Maker, Road};

macro_rules! suite {
    ($($module:ident: $($test:ident),* $(,)?;)*) => {
        suite! { @case control_tcp: Libzmq, Pyzmq, Tcp; $($module: $($test),*;)* }
        suite! { @case control_ipc: Libzmq, Pyzmq, Path; $($module: $($test),*;)* }
        suite! { @case pyzmq_tcp: Ringway, Pyzmq, Tcp; $($module: $($test),*;)* }
        suite! { @case pyzmq_ipc: Ringway, Pyzmq, Path; $($module: $($test),*;)* }
        suite! { @case pyzmq_abstract: Ringway, Pyzmq, Abstract; $($module: $($test),*;)* }
        suite! { @case libzmq_tcp: Ringway, Libzmq, Tcp; $($module: $($test),*;)* }
        suite! { @case libzmq_ipc: Ringway, Libzmq, Path; $($module: $($test),*;)* }
        suite! { @case libzmq_abstract: Ringway, Libzmq, Abstract; $($module: $($test),*;)* }
    };
    (@case $name:ident: $near:ident, $far:ident, $road:ident; $($module:ident: $($test:ident),*;)*) => {
        mod $name {
            use crate::{Case, Maker, Road};
            const CASE: Case = Case { near: Maker::$near, far: Maker::$far, road: Road::$road };
            $(mod $module {
                $(#[test] fn $test() { crate::case::run(super::CASE, crate::$module::$test); })*
            })*
        }
    };
}

suite! {
    patterns:
        pair_talks_both_ways,
        push_sends_to_pull,
        pull_receives_from_push,
        work_is_shared_out_and_collected,
        pub_and_sub,
        xsub_subscribes_by_sending,
        xpub_and_xsub_pass_other_messages,
        req_asks_rep,
        rep_answers_req,
        req_asks_router,
        dealer_asks_rep,
        dealer_talks_to_router,
        dealer_talks_to_dealer,
        router_talks_to_router;
    frames:
        every_size_arrives,
        very_large_frames_arrive,
        very_many_frames_arrive,
        sizes_mixed_at_random_arrive,
        a_flood_arrives_in_order;
}

/// Not captured by the test harness, so that a log tells what was met.
#[test]
fn peers_are_there() {
    use std::io::Write;
    let (major, minor, patch) = libzmq::Libzmq::version();
    let pyzmq = pyzmq::Pyzmq::new().version();
    let _ = writeln!(std::io::stderr(), "peers: libzmq {major}.{minor}.{patch}; {pyzmq}");
    assert!((major, minor) >= (4, 3), "libzmq {major}.{minor}.{patch} is too old");
}
