//! One suite of what sockets promise, run over every flavor of pipe there is.
//!
//! A test takes a [`Flavor`] and makes its contexts with it; the list at the foot of this file runs each test once for
//! each flavor. Tests wait for events, never for time; a time-out only ends a test that has failed.
//!
//! Contents: [`flavor`] the flavors, how they differ and what tests share, [`road`] endpoints, [`elsewhere`] which tests
//! are not run over which flavor, [`messages`] order and shapes, [`credit`] high-water marks,
//! [`routing`] whose turn it is, [`calls`] each way to call, [`loans`] messages that are written in place, [`endpoints`] who finds whom, [`leaving`] peers that go,
//! [`death`] pipes that die, [`payloads`] destructors, [`newest`] conflation, [`publishing`] subscriptions,
//! [`requests`] REQ and REP, [`asking_again`] requests that are sent again, [`addressed`] DEALER and ROUTER,
//! [`admission`] decisions on first frames, [`reconfiguring`] options that change, [`senders`] whom a message came from; of
//! streams only: [`streams`] marks, lingering, limits, endpoints of the machine, [`reconnecting`] listeners that come back,
//! [`relay`] somebody who cuts streams.

#![forbid(unsafe_code)]

mod addressed;
mod admission;
mod asking_again;
mod calls;
mod credit;
mod death;
mod elsewhere;
mod endpoints;
mod flavor;
mod leaving;
mod loans;
mod messages;
mod newest;
mod payloads;
mod publishing;
mod reconfiguring;
#[cfg(not(miri))]
mod reconnecting;
#[cfg(not(miri))]
mod relay;
mod requests;
mod road;
mod routing;
mod senders;
#[cfg(not(miri))]
mod streams;

use flavor::Flavor;

macro_rules! suite {
    (
        everywhere { $($module:ident: $($test:ident),* $(,)?;)* }
        streams { $($streams_module:ident: $($streams_test:ident),* $(,)?;)* }
    ) => {
        /// The tests of every flavor.
        macro_rules! everywhere {
            ($flavor:ident) => {
                $($(#[test] fn $test() {
                    crate::over(crate::Flavor::$flavor, stringify!($test), crate::$module::$test);
                })*)*
            };
        }
        /// The tests of a stream.
        #[cfg(not(miri))]
        macro_rules! stream {
            ($flavor:ident) => {
                everywhere!($flavor);
                $($(#[test] fn $streams_test() {
                    crate::over(crate::Flavor::$flavor, stringify!($streams_test), crate::$streams_module::$streams_test);
                })*)*
            };
        }

        /// All tests.
        const TESTS: &[&str] = &[$($(stringify!($test),)*)* $($(stringify!($streams_test),)*)*];
    };
}

suite! {
    everywhere {
        messages:
            order_and_exactly_once,
            pair_talks_both_ways_at_once,
            multipart_arrives_whole,
            every_size_survives,
            many_frames_survive,
            a_million_frames_survive,
            shapes_mixed_at_random_survive,
            sockets_move_between_threads_in_midstream;
        credit:
            hwm_is_exact,
            hwm_before_bind_is_our_own_part,
            bind_raises_the_limit_of_a_blocked_sender,
            raising_the_limit_frees_a_blocked_sender,
            lowering_the_limit_takes_nothing_until_below,
            zero_live_means_no_limit,
            credit_comes_back_message_by_message,
            pair_has_credit_each_way;
        routing:
            push_goes_round,
            push_skips_the_full,
            push_returns_to_one_that_has_room_again,
            push_blocks_when_mute_and_resumes,
            push_waits_for_its_first_peer,
            pull_is_fair_by_whole_messages,
            pull_finds_the_one_of_many_that_talks,
            push_serves_many_full_peers_as_they_take,
            push_finds_room_below_a_lowered_limit,
            late_comers_get_their_turn;
        calls:
            try_calls_are_exact,
            no_peer_is_not_full,
            deadlines_are_kept,
            a_wait_ends_with_its_message,
            a_permit_holds_a_place,
            a_permit_outlives_its_peer,
            batches_send_and_receive,
            a_batch_waits_for_room,
            a_batch_stops_at_a_message_without_frames,
            policies_change_live;
        loans:
            a_loan_is_sent_as_it_was_written,
            loans_keep_their_turn,
            a_loan_takes_credit_as_a_message_does,
            a_loan_outlives_its_peer,
            a_loan_that_is_forgotten_is_given_up,
            somebody_may_watch_meanwhile,
            every_socket_that_sends_lends,
            loans_are_requests_and_replies,
            what_cannot_be_lent_is_told;
        endpoints:
            connect_before_bind_keeps_order,
            sockets_have_many_endpoints,
            connecting_twice_makes_two_pipes,
            unbind_keeps_what_is_connected,
            disconnect_ends_the_connection,
            disconnect_of_a_pipe_without_a_seat,
            pair_serves_its_second_connector_when_the_first_has_left,
            pair_connector_that_gives_up_waiting,
            incompatible_connectors_wait_for_their_kind,
            names_are_used_again;
        leaving:
            pull_hears_all_that_was_sent_before,
            send_goes_elsewhere_when_a_peer_leaves,
            a_blocked_sender_turns_to_the_next_peer,
            disconnect_counts_what_was_unread,
            a_leaving_receiver_counts_what_was_unread,
            linger_keeps_messages_for_a_later_bind,
            linger_that_is_over_counts_what_was_lost,
            no_linger_drops_at_once,
            leaving_in_midstream_adds_up,
            counters_add_up;
        death:
            both_ends_hear_of_a_death_and_losses_add_up,
            a_stream_goes_on_over_other_pipes;
        payloads:
            destructors_run_once_on_every_path,
            destructors_may_use_other_sockets,
            destructors_under_bind_and_connect_errors;
        newest:
            the_newest_is_kept_whoever_asks,
            a_message_is_replaced_whole,
            each_publisher_has_its_newest;
        publishing:
            topics_are_prefixes,
            subscribing_twice_takes_two_to_end_and_brings_one_copy,
            subscriptions_find_publishers_early_and_late,
            topic_is_the_first_frame,
            a_full_subscriber_misses_the_newest,
            what_a_full_subscriber_misses_is_counted,
            nobody_misses_when_nobody_may,
            many_publishers_are_heard_in_turn,
            payloads_are_shared_between_subscribers,
            xpub_is_told_of_topics,
            xpub_is_told_more_when_verbose,
            xpub_that_does_not_listen_is_told_the_state,
            manual_xpub_decides,
            a_welcome_comes_first,
            inverted_matching_brings_the_rest,
            xsub_subscribes_by_sending,
            subscriptions_are_told_in_the_order_they_were_made,
            a_forwarder_passes_subscriptions_up_and_messages_down,
            a_publisher_waits_for_its_subscribers,
            deliveries_add_up;
        requests:
            envelopes_are_exact,
            what_is_no_request_is_discarded,
            what_is_no_reply_is_discarded,
            order_is_strict,
            only_the_one_asked_is_heard,
            second_replies_are_dropped_before_the_next_request,
            relaxed_forgets_the_old_request,
            requests_go_round,
            requests_wait_for_room_and_hwm_is_exact,
            a_request_waits_for_its_first_peer,
            a_permit_is_a_request,
            connecting_before_binding,
            deadlines_end_a_wait_and_not_the_request,
            a_peer_that_leaves_is_told,
            a_reply_sent_before_leaving_counts,
            disconnecting_ends_a_request,
            looking_takes_nothing,
            replies_to_nobody_are_dropped,
            replies_to_the_full_are_dropped,
            many_ask_many_and_all_adds_up;
        asking_again:
            a_request_is_sent_again_when_its_peer_leaves,
            a_request_is_sent_again_when_time_is_over,
            a_request_waits_for_a_peer_to_be_sent_again,
            a_request_waits_for_room_to_be_sent_again,
            attempts_end,
            late_replies_count;
        addressed:
            ids_are_given_and_made_up,
            messages_go_whole_to_whom_they_name,
            nobody_is_unroutable,
            the_full_are_dropped_or_waited_for,
            hwm_is_exact_for_each,
            a_wait_for_room_ends_when_the_peer_leaves,
            an_id_alone_is_no_message,
            places_with_one_peer,
            batches_stop_where_sending_would,
            duplicates_wait_in_line,
            duplicates_that_have_left_are_heard_behind_a_leaver,
            duplicates_that_leave_behind_one_that_stays_are_dropped,
            duplicates_take_over,
            peers_are_called_by_their_caller,
            connecting_before_binding_both_ways,
            probes_tell_of_new_peers,
            a_leaver_is_heard_and_not_sent_to,
            disconnecting_and_coming_back,
            a_thousand_peers,
            looking_sees_who_is_in_line,
            many_talk_at_once_and_all_adds_up;
        admission:
            what_is_admitted_arrives_whole,
            admission_waits_for_room,
            an_admitted_message_goes_elsewhere_when_its_peer_leaves,
            requests_and_replies_are_admitted_in_order,
            a_router_admits_by_the_id,
            publishers_admit_by_the_topic,
            an_xsub_admits_subscriptions_and_others,
            sockets_work_as_objects;
        reconfiguring:
            marks_change_for_connections_there_are,
            waits_end_as_said_last,
            lingers_are_those_said_last,
            a_routing_id_is_for_later_endpoints,
            greetings_are_for_later_endpoints,
            conflation_is_for_later_endpoints,
            a_router_does_as_said_last,
            a_request_under_way_stays_as_it_was_sent,
            attempts_left_are_those_of_the_request,
            a_publisher_tells_and_grants_as_said_last,
            a_subscriber_takes_as_said_last;
        senders:
            who_sent_a_message_is_known,
            who_is_known_is_known_by_name,
            looking_changes_no_sender,
            what_a_socket_tells_itself_has_no_sender;
    }
    streams {
        reconnecting:
            a_listener_comes_back_and_gets_what_was_queued,
            a_listener_that_left_unread_costs_what_it_had,
            what_comes_back_is_served_in_turn,
            a_request_to_one_that_went_away_may_be_asked_again,
            a_request_is_sent_again_when_its_listener_comes_back,
            subscriptions_are_told_to_a_publisher_that_comes_back,
            a_router_that_comes_back_knows_its_peers_by_name,
            a_stream_that_is_cut_comes_back,
            a_talk_that_is_cut_goes_on,
            immediate_has_no_queue_for_who_is_not_there;
        streams:
            a_lowered_mark_takes_nothing_until_below,
            each_side_keeps_its_mark_exactly,
            what_is_sent_right_before_leaving_arrives,
            what_was_sent_to_one_that_leaves_unheard_is_still_heard,
            no_linger_drops_what_is_not_written,
            a_shutdown_waits_as_long_as_somebody_lingers,
            a_shutdown_does_not_wait_for_one_that_does_not_listen,
            what_was_sent_before_its_context_was_closed_arrives,
            a_shutdown_ends_calls_and_frees_endpoints,
            no_more_peers_than_said,
            a_puller_that_does_not_read_stops_the_pusher,
            one_that_does_not_read_is_in_nobodys_way,
            a_message_above_the_limit_ends_its_connection,
            misfits_are_told_and_go_on_trying,
            unbinding_closes_the_door_at_once,
            a_live_endpoint_is_not_taken_and_a_dead_one_is,
            what_is_left_to_the_system_can_be_asked,
            strangers_do_no_harm,
            disconnecting_stops_the_attempts;
        reconfiguring:
            reconnecting_is_for_later_endpoints,
            peers_of_all_endpoints_count,
            limits_are_for_later_endpoints;
    }
}

mod local {
    everywhere!(Local);
}
mod awkward {
    everywhere!(Awkward);
}
#[cfg(not(miri))]
mod tcp {
    stream!(Tcp);
}
#[cfg(not(miri))]
mod tcp_spread {
    stream!(TcpSpread);
}
#[cfg(not(miri))]
mod tcp_caller_driven {
    stream!(TcpCallerDriven);
}
#[cfg(not(miri))]
mod ipc {
    stream!(Ipc);
}
#[cfg(not(miri))]
mod ipc_plain {
    stream!(IpcPlain);
}

/// Runs `test` over `flavor`, unless it says nothing about it.
fn over(flavor: Flavor, name: &str, test: fn(Flavor)) {
    match elsewhere::reason(flavor, name) {
        Some(reason) => say(&format!("{name} is not run over {flavor:?}: {reason}")),
        None => flavor::run(flavor, test),
    }
}

/// Not captured by the test harness, so that a log tells what was covered.
fn say(what: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{what}");
}

#[test]
fn flavors_run() {
    say(&format!("pipe flavors: {:?}", Flavor::ALL));
}

/// The table of exceptions is short, and what it speaks of exists.
#[test]
fn exceptions_are_few_and_replaced() {
    for entry in &elsewhere::ELSEWHERE {
        assert!(TESTS.contains(&entry.test), "{}", entry.test);
        assert!(entry.instead.iter().all(|test| TESTS.contains(test)), "{:?}", entry.instead);
        assert!(entry.not_over.len() < Flavor::ALL.len() && !entry.because.is_empty());
    }
    assert!(elsewhere::ELSEWHERE.len() * 20 <= TESTS.len(), "one of twenty at the most");
}
