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
mod crowds;
mod events;
mod frames;
mod heartbeats;
mod identities;
mod libzmq;
mod lingering;
mod monitors;
mod ours;
mod party;
mod patterns;
mod pressure;
mod pyzmq;
mod refusals;
mod restarts;
mod subscriptions;

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
    subscriptions:
        xpub_is_told_exactly,
        topics_of_every_length,
        verbose_tells_of_all,
        before_and_after_connecting,
        very_many_topics,
        a_publisher_that_restarts_is_told_again,
        a_subscriber_that_restarts,
        a_slow_subscriber_does_not_hold_up_others,
        pub_keeps_to_subscriptions;
    restarts:
        queued_before_there_is_a_peer,
        receivers_that_come_first,
        queued_while_the_peer_restarts,
        a_stream_goes_on_at_the_next_peer,
        connectors_that_come_back,
        binders_that_come_back,
        a_request_outlives_its_server,
        a_named_peer_comes_back,
        untaken_work_goes_to_the_next;
    heartbeats:
        an_idle_socket_answers,
        an_idle_peer_answers,
        heartbeats_both_ways,
        a_stopped_peer_is_found_dead,
        a_peers_time_to_live_is_kept,
        a_busy_connection_is_alive,
        a_peer_that_takes_its_time_is_alive;
    identities:
        ids_are_seen,
        ids_are_made_up,
        mandatory_knows_who_is_there,
        probes_introduce,
        numbered_requests_tell_replies_apart,
        peers_are_called_by_who_connects,
        a_name_is_handed_over,
        a_name_is_waited_for,
        a_binding_dealer_has_a_name;
    pressure:
        a_sender_is_stopped_and_goes_on,
        a_router_is_stopped_by_the_full_only,
        a_full_worker_is_passed_over;
    lingering:
        what_was_sent_arrives,
        what_was_sent_to_nobody_waits,
        last_words_arrive;
    monitors:
        a_connection_is_told_from_beginning_to_end,
        endpoints_are_taken_back,
        connections_are_ended;
    refusals:
        types_that_do_not_talk,
        other_mechanisms,
        messages_that_are_too_long,
        strangers_at_the_door;
    crowds:
        dealers_at_a_router,
        a_crowd_is_told_and_tells;
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
