//! Workers and clients over sampled schedules of longer programs.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p ringway --release --lib --target-dir target/shuttle actor -- --nocapture`

#![forbid(unsafe_code)]

use super::models;
use crate::explore::prove;

#[test]
fn a_sender_without_room_goes_on() {
    let plants = ["actor-room-untold", "actor-room-unasked", "actor-room-unlooked", "waiter-no-second-look"];
    prove("told_by_a_worker(8, 32)", || models::told_by_a_worker(8, 32), &plants);
    prove("told_by_a_client(8, 32, -)", || models::told_by_a_client(8, 32, None), &["actor-room-untold"]);
    prove("answers_without_room", models::answers_without_room, &["actor-room-untold", "actor-room-unasked"]);
}

#[test]
fn a_sender_without_credit_goes_on() {
    prove("told_by_a_worker(12, 3)", || models::told_by_a_worker(12, 3), &["waiter-no-second-look"]);
    let plants = ["waiter-no-second-look", "actor-credit-unspent"];
    prove("told_by_a_client(12, 3, -)", || models::told_by_a_client(12, 3, None), &plants);
}

#[test]
fn a_sender_learns_of_an_end() {
    prove("told_by_a_client(12, 2, 5)", || models::told_by_a_client(12, 2, Some(5)), &["actor-gone-untold"]);
    prove("told_after_its_end(8, 1)", || models::told_after_its_end(8, 1), &["actor-mail-lost-untold"]);
}

#[test]
fn an_answer_is_that_of_the_question() {
    let plants = ["client-answer-unmatched"];
    prove("asked_again_by_a_client(-)", || models::asked_again_by_a_client(None), &plants);
    let plants = ["actor-question-lost-silently"];
    prove("asked_again_by_a_client(1)", || models::asked_again_by_a_client(Some(1)), &plants);
    prove("asked_again_by_a_worker(-)", || models::asked_again_by_a_worker(None), &["actor-place-unmatched"]);
    let plants = ["actor-question-lost-silently"];
    prove("asked_again_by_a_worker(1)", || models::asked_again_by_a_worker(Some(1)), &plants);
}

#[test]
fn all_ends_whatever_comes() {
    prove(
        "closed_while_asked(drain, end)",
        || models::closed_while_asked(models::IN_TURN, true),
        &["actor-end-untold"],
    );
    let plants = ["actor-door-unshut", "actor-end-untold"];
    prove("closed_while_coming", models::closed_while_coming, &plants);
    let plants = ["actor-news-taken-late", "actor-news-unlooked"];
    prove("drained_while_told", models::drained_while_told, &plants);
}

#[test]
fn who_comes_and_goes_is_noticed() {
    prove("asked_by_a_newcomer", models::asked_by_a_newcomer, &["client-comes-silently"]);
    let plants = ["client-leaves-silently", "actor-leaver-forgotten"];
    prove("comes_and_goes(6)", || models::comes_and_goes(6, false), &plants);
    prove("comes_and_goes(6), disturbed", || models::comes_and_goes(6, true), &[]);
}
