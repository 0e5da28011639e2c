//! Every pattern with every pattern it talks to, each side binding once.

#![forbid(unsafe_code)]

use ringway::SocketType::{Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub};

use crate::{
    case::Case,
    party::{Happening, PATIENCE, QUIET, Setting, Socket},
};

const NONE: &[Setting] = &[];
/// More than the high-water mark of either side.
const MANY: u64 = 3000;

/// Both monitors saw a handshake succeed and none fail.
fn expect_handshake<'a>(near: &'a mut dyn Socket, far: &'a mut dyn Socket) {
    for socket in [near, far] {
        socket.await_event_without(Happening::Joined, &[Happening::Refused, Happening::Disconnected]);
        socket.nudge();
    }
}

/// Nothing has gone wrong since the handshake.
fn expect_no_trouble<'a>(near: &'a mut dyn Socket, far: &'a mut dyn Socket) {
    for socket in [near, far] {
        let events = std::iter::from_fn(|| socket.event_within(std::time::Duration::from_millis(1)));
        for event in events {
            assert!(!matches!(event.what, Happening::Refused | Happening::Disconnected), "{event:?}");
        }
    }
}

/// Sends one way, in turns short enough for any high-water mark, and all of it arrives in order.
fn stream(from: &mut dyn Socket, to: &mut dyn Socket) {
    for first in (0..MANY).step_by(500) {
        from.send_numbers(first, 500);
        to.expect_numbers(first, 500);
    }
}

pub(crate) fn pair_talks_both_ways(case: Case) {
    case.linked((Pair, NONE), (Pair, NONE), |near, far| {
        expect_handshake(near, far);
        near.send(["to you", "", "in parts"]);
        far.send(["to me"]);
        far.expect(["to you", "", "in parts"]);
        near.expect(["to me"]);
        stream(near, far);
        stream(far, near);
        expect_no_trouble(near, far);
    });
}

pub(crate) fn push_sends_to_pull(case: Case) {
    case.linked((Push, NONE), (Pull, NONE), |near, far| {
        near.send(["", "in parts", ""]);
        expect_handshake(near, far);
        far.expect(["", "in parts", ""]);
        stream(near, far);
        expect_no_trouble(near, far);
    });
}

pub(crate) fn pull_receives_from_push(case: Case) {
    case.linked((Pull, NONE), (Push, NONE), |near, far| {
        far.send(["", "in parts", ""]);
        expect_handshake(near, far);
        near.expect(["", "in parts", ""]);
        stream(far, near);
        expect_no_trouble(near, far);
    });
}

pub(crate) fn work_is_shared_out_and_collected(case: Case) {
    let (near_party, far_party) = (case.near(), case.far());
    let mut source = near_party.socket(Push, NONE);
    let mut sink = near_party.socket(Pull, NONE);
    let (source_at, sink_at) = (source.bind(&case.road.to_bind()), sink.bind(&case.road.to_bind()));
    let mut workers: Vec<_> = (0..3)
        .map(|_| {
            let mut taking = far_party.socket(Pull, NONE);
            taking.connect(&source_at);
            let mut giving = far_party.socket(Push, NONE);
            giving.connect(&sink_at);
            source.await_event(Happening::Joined);
            (taking, giving)
        })
        .collect();
    for (taking, giving) in &mut workers {
        source.send(["work"]);
        source.send(["work"]);
        source.send(["work"]);
        let _ = (taking, giving);
    }
    for (taking, giving) in &mut workers {
        for _ in 0..3 {
            let work = taking.recv();
            giving.send(work);
        }
        taking.expect_nothing();
    }
    (0..9).for_each(|_| sink.expect(["work"]));
    sink.expect_nothing();
}

/// Sends until the subscription has got through, and takes all that has arrived so far.
fn until_heard(publisher: &mut dyn Socket, subscriber: &mut dyn Socket, topic: &str) {
    let heard = (0..1000).any(|_| {
        publisher.send([topic, "heard?"]);
        subscriber.recv_within(PATIENCE / 1000).is_some()
    });
    assert!(heard, "the subscription to {topic} has not arrived");
    publisher.send([topic, "last"]);
    while subscriber.recv()[1] != b"last" {}
}

pub(crate) fn pub_and_sub(case: Case) {
    for (publisher, subscriber) in [(Pub, Sub), (XPub, Sub)] {
        case.linked((publisher, NONE), (subscriber, NONE), |near, far| {
            expect_handshake(near, far);
            far.subscribe(b"a");
            until_heard(near, far, "a");
            publish(near, far);
            expect_no_trouble(near, far);
        });
        case.linked((subscriber, NONE), (publisher, NONE), |near, far| {
            expect_handshake(near, far);
            near.subscribe(b"a");
            until_heard(far, near, "a");
            publish(far, near);
            expect_no_trouble(near, far);
        });
    }
}

pub(crate) fn xsub_subscribes_by_sending(case: Case) {
    for publisher in [Pub, XPub] {
        case.linked((publisher, NONE), (XSub, NONE), |near, far| {
            expect_handshake(near, far);
            far.send([b"\x01a"]);
            until_heard(near, far, "a");
            publish(near, far);
            expect_no_trouble(near, far);
        });
        case.linked((XSub, NONE), (publisher, NONE), |near, far| {
            expect_handshake(near, far);
            near.send([b"\x01a"]);
            until_heard(far, near, "a");
            publish(far, near);
            expect_no_trouble(near, far);
        });
    }
}

/// What is subscribed to arrives, in order and whole, and nothing else.
fn publish(from: &mut dyn Socket, to: &mut dyn Socket) {
    for turn in 0..20 {
        for _ in 0..20 {
            from.send(["b", "not this"]);
            from.send(["abc", "", "this"]);
            from.send(["a"]);
            from.send(["", "nor this"]);
        }
        for message in 0..20 {
            println!("turn {turn}, message {message}");
            to.expect(["abc", "", "this"]);
            to.expect(["a"]);
        }
    }
}

pub(crate) fn xpub_and_xsub_pass_other_messages(case: Case) {
    case.linked((XPub, NONE), (XSub, NONE), |near, far| {
        expect_handshake(near, far);
        far.send([b"\x01a"]);
        near.expect([b"\x01a"]);
        far.send(["upstream", "in parts"]);
        near.expect(["upstream", "in parts"]);
    });
    case.linked((XSub, NONE), (XPub, NONE), |near, far| {
        expect_handshake(near, far);
        near.send([b"\x01a"]);
        far.expect([b"\x01a"]);
        near.send(["upstream", "in parts"]);
        far.expect(["upstream", "in parts"]);
    });
}

pub(crate) fn req_asks_rep(case: Case) {
    case.linked((Req, NONE), (Rep, NONE), |near, far| {
        converse(near, far);
        expect_handshake(near, far);
        expect_no_trouble(near, far);
    });
}

pub(crate) fn rep_answers_req(case: Case) {
    case.linked((Rep, NONE), (Req, NONE), |near, far| {
        converse(far, near);
        expect_handshake(near, far);
        expect_no_trouble(near, far);
    });
}

fn converse(asks: &mut dyn Socket, answers: &mut dyn Socket) {
    for turn in 0..200 {
        let question = ["how much is".to_owned(), String::new(), turn.to_string()];
        asks.send(&question);
        answers.expect(&question);
        answers.send([&turn.to_string(), ""]);
        asks.expect([&turn.to_string(), ""]);
    }
}

/// ROUTER sees the envelope of a request, with and without a number in it.
pub(crate) fn req_asks_router(case: Case) {
    for settings in [NONE, &[Setting::Correlate]] {
        case.linked((Req, settings), (Router, NONE), |near, far| answer_by_hand(near, far, settings));
        case.linked((Router, NONE), (Req, settings), |near, far| answer_by_hand(far, near, settings));
    }
}

fn answer_by_hand(req: &mut dyn Socket, router: &mut dyn Socket, settings: &[Setting]) {
    let mut numbers = Vec::new();
    for turn in 0..50_u32 {
        req.send(["question".to_owned(), turn.to_string()]);
        let mut request = router.recv();
        let envelope = if settings.is_empty() { 2 } else { 3 };
        assert_eq!(request.len(), envelope + 2, "{request:?}");
        assert!(request[envelope - 1].is_empty());
        if envelope == 3 {
            assert_eq!(request[1].len(), 4);
            numbers.push(request[1].clone());
        }
        assert_eq!(request[envelope..], [b"question".to_vec(), turn.to_string().into_bytes()]);
        request.truncate(envelope);
        request.push(b"answer".to_vec());
        router.send(&request);
        req.expect(["answer"]);
    }
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), if settings.is_empty() { 0 } else { 50 });
}

/// DEALER sends many requests before it takes the first reply.
pub(crate) fn dealer_asks_rep(case: Case) {
    case.linked((Dealer, NONE), (Rep, NONE), ask_ahead);
    case.linked((Rep, NONE), (Dealer, NONE), |near, far| ask_ahead(far, near));
}

fn ask_ahead(dealer: &mut dyn Socket, rep: &mut dyn Socket) {
    for turn in 0..100 {
        dealer.send(["outer", "", "question", &turn.to_string()]);
    }
    // Without the empty frame it is no request.
    dealer.send(["no request"]);
    for turn in 0..100 {
        rep.expect(["question", &turn.to_string()]);
        rep.send(["answer", &turn.to_string()]);
    }
    for turn in 0..100 {
        dealer.expect(["outer", "", "answer", &turn.to_string()]);
    }
    assert_eq!(rep.recv_within(QUIET), None);
}

pub(crate) fn dealer_talks_to_router(case: Case) {
    let call_me = &[Setting::RoutingId(b"caller")];
    case.linked((Dealer, call_me), (Router, NONE), talk_by_id);
    case.linked((Router, NONE), (Dealer, call_me), |near, far| talk_by_id(far, near));
}

fn talk_by_id(dealer: &mut dyn Socket, router: &mut dyn Socket) {
    for turn in 0..200 {
        dealer.send(["", "out", &turn.to_string()]);
        router.expect(["caller", "", "out", &turn.to_string()]);
        router.send(["caller", "back", &turn.to_string()]);
        dealer.expect(["back", &turn.to_string()]);
    }
    for turn in 0..200 {
        router.send(["caller", &turn.to_string()]);
        router.send(["nobody", "dropped"]);
    }
    for turn in 0..200 {
        dealer.expect([&turn.to_string()]);
    }
}

pub(crate) fn dealer_talks_to_dealer(case: Case) {
    case.linked((Dealer, NONE), (Dealer, NONE), |near, far| {
        near.send(["", "in parts", ""]);
        far.expect(["", "in parts", ""]);
        expect_handshake(near, far);
        stream(near, far);
        stream(far, near);
        expect_no_trouble(near, far);
    });
}

/// Each introduces itself with a probe, as neither could be sent to otherwise.
pub(crate) fn router_talks_to_router(case: Case) {
    let near_settings = &[Setting::RoutingId(b"near"), Setting::ProbeRouter];
    let far_settings = &[Setting::RoutingId(b"far"), Setting::Mandatory];
    case.linked((Router, near_settings), (Router, far_settings), |near, far| {
        expect_handshake(near, far);
        far.expect(["near", ""]);
        for turn in 0..100 {
            far.send(["near", "to you", &turn.to_string()]);
            near.expect(["far", "to you", &turn.to_string()]);
            near.send(["far", "", "to me", &turn.to_string()]);
            far.expect(["near", "", "to me", &turn.to_string()]);
        }
        assert!(!far.send_within(vec![b"nobody".to_vec(), b"lost".to_vec()], QUIET));
    });
}
