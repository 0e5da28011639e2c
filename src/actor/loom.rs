//! Workers and clients over the interleavings the memory model allows, with a bound on preemptions.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p ringway --release --lib --target-dir target/loom actor -- --nocapture`

#![forbid(unsafe_code)]

use super::models;
use crate::explore::prove;

#[test]
fn a_sender_without_room_goes_on() {
    let plants = [
        "actor-room-untold",
        "actor-room-unasked",
        "actor-room-unlooked",
        "actor-taken-no-fence",
        "actor-sent-no-fence",
        "waiter-no-second-look",
        "waiter-full-for-heavy",
        "light-fence-dropped",
        "signal-no-wake",
    ];
    prove("told_by_a_worker(3, 8)", 2, || models::told_by_a_worker(3, 8), &plants);
    let plants = ["actor-room-untold", "actor-taken-no-fence", "waiter-full-for-heavy"];
    prove("told_by_a_client(3, 8, -)", 2, || models::told_by_a_client(3, 8, None), &plants);
    let plants = ["actor-room-untold", "actor-room-taken-back", "client-taken-no-fence", "actor-room-unasked"];
    prove("answers_without_room", 2, models::answers_without_room, &plants);
}

#[test]
fn a_sender_without_credit_goes_on() {
    let plants = ["waiter-no-second-look", "actor-sent-no-fence"];
    prove("told_by_a_worker(2, 1)", 2, || models::told_by_a_worker(2, 1), &plants);
    let plants = ["waiter-no-second-look", "actor-sent-no-fence", "client-sent-no-fence", "actor-credit-unspent"];
    prove("told_by_a_client(2, 1, -)", 2, || models::told_by_a_client(2, 1, None), &plants);
}

#[test]
fn a_sender_learns_of_an_end() {
    prove("told_by_a_client(3, 1, 0)", 2, || models::told_by_a_client(3, 1, Some(0)), &["actor-gone-untold"]);
    prove("told_after_its_end(2, 1)", 2, || models::told_after_its_end(2, 1), &["actor-mail-lost-untold"]);
}

#[test]
fn an_answer_is_that_of_the_question() {
    let plants = ["client-answer-unmatched"];
    prove("asked_again_by_a_client(-)", 2, || models::asked_again_by_a_client(None), &plants);
    let plants = ["actor-question-lost-silently"];
    prove("asked_again_by_a_client(1)", 2, || models::asked_again_by_a_client(Some(1)), &plants);
    prove("asked_again_by_a_worker(-)", 2, || models::asked_again_by_a_worker(None), &["actor-place-unmatched"]);
    let plants = ["actor-question-lost-silently"];
    prove("asked_again_by_a_worker(1)", 1, || models::asked_again_by_a_worker(Some(1)), &plants);
}

#[test]
fn all_ends_whatever_is_asked() {
    prove("closed_while_asked(end)", 3, || models::closed_while_asked(models::AT_ONCE, false), &["actor-end-untold"]);
    let plants = ["actor-end-untold", "actor-news-relaxed", "actor-news-taken-late"];
    prove("closed_while_asked(drain, end)", 1, || models::closed_while_asked(models::IN_TURN, true), &plants);
}

#[test]
fn all_ends_whoever_comes() {
    let plants = ["actor-door-unshut", "actor-end-untold"];
    prove("closed_while_coming", 2, models::closed_while_coming, &plants);
}

#[test]
fn all_ends_when_it_has_drained() {
    let plants = ["actor-news-relaxed", "actor-news-taken-late", "actor-news-unlooked", "signal-no-waker-fence"];
    prove("drained_while_told", 2, models::drained_while_told, &plants);
}

#[test]
fn who_comes_and_goes_is_noticed() {
    prove("asked_by_a_newcomer", 2, models::asked_by_a_newcomer, &["client-comes-silently", "client-sent-no-fence"]);
    let plants = ["client-leaves-silently", "actor-leaver-forgotten"];
    prove("comes_and_goes(1)", 2, || models::comes_and_goes(1, false), &plants);
}

#[test]
fn who_comes_and_goes_is_noticed_when_something_else_is() {
    prove("comes_and_goes(1), disturbed", 1, || models::comes_and_goes(1, true), &["actor-empty-before-closed"]);
}
