//! REQ and REP: envelopes, order, peers that leave.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use ringway::{
    Dealer, Message, Rep, Req, Router, WaitPolicy,
    socket::{RecvError, RequestError, SendFailure},
};

use crate::flavor::{
    A_WHILE, Dice, Flavor, PATIENCE, Peers, Receiver, Sender, World, dealer, flow, id, meet, number, numbered, parts,
};

pub(crate) const SOON: Duration = Duration::from_millis(15);

pub(crate) fn rep(context: &World, name: &str) -> Rep {
    let mut rep = Rep::new(context).unwrap();
    rep.bind(context.endpoint(name)).unwrap();
    rep
}

pub(crate) fn router(context: &World, name: &str) -> Router {
    let mut router = Router::builder().mandatory().build(context).unwrap();
    router.bind(context.endpoint(name)).unwrap();
    router
}

fn req(context: &World, names: &[&str]) -> Req {
    connected(context, Req::builder().routing_id(id("req")).build(context).unwrap(), names)
}

pub(crate) fn connected(context: &World, mut req: Req, names: &[&str]) -> Req {
    names.iter().for_each(|name| req.connect(context.endpoint(name)).unwrap());
    req
}

/// Waits until `router` knows the REQ, and sends it `frames`.
fn tell<const N: usize>(context: &World, router: &mut Router, frames: [&str; N]) {
    context.eventually("the asker is known", || router.has_peer("req"));
    let mut message = parts(["req"]);
    message.extend(frames);
    router.send(message).unwrap();
}

pub(crate) fn envelopes_are_exact(flavor: Flavor) {
    let context = flavor.context();
    let mut router = router(&context, "envelopes");
    let mut asking = req(&context, &["envelopes"]);
    asking.send(parts(["one", "two"])).unwrap();
    assert_eq!(router.next(), parts(["req", "", "one", "two"]));
    tell(&context, &mut router, ["", "three", ""]);
    assert_eq!(asking.next(), parts(["three", ""]));

    let mut correlated = Req::builder().correlate().build(&context).unwrap();
    correlated.connect(context.endpoint("envelopes")).unwrap();
    let mut before = None;
    for body in ["first", "second"] {
        correlated.send(body).unwrap();
        let request = router.next();
        assert_eq!(request.len(), 4);
        assert_eq!((request[0].len(), request[0][0]), (5, 0));
        assert_eq!((request[1].len(), request[2].len()), (4, 0));
        assert_eq!(request[3], body);
        let number = u32::from_ne_bytes(request[1].as_bytes().try_into().unwrap());
        assert!(before.is_none_or(|before: u32| number == before.wrapping_add(1)));
        before = Some(number);
        router.send(request).unwrap();
        assert_eq!(correlated.next(), body.into());
    }

    let mut rep = rep(&context, "nested");
    let mut asking = dealer(&context, "dealer", "nested");
    for envelope in [vec![""], vec!["hop", ""], vec!["far", "hop", "id", "0", ""]] {
        for body in [vec!["body"], vec!["", ""], vec!["three", "", "frames"]] {
            let request: Message = envelope.iter().chain(&body).copied().collect();
            asking.send(request).unwrap();
            assert_eq!(rep.next(), body.iter().copied().collect());
            rep.send(parts(["re", "ply"])).unwrap();
            assert_eq!(asking.next(), envelope.iter().copied().chain(["re", "ply"]).collect());
        }
    }
    // What a user sees is counted as sent and received, whatever is around it.
    assert_eq!((rep.counters().messages_sent, rep.counters().messages_received), (9, 9));
}

pub(crate) fn what_is_no_request_is_discarded(flavor: Flavor) {
    let context = flavor.context();
    let mut rep = rep(&context, "none");
    let mut asking = Dealer::builder().probe_router().build(&context).unwrap();
    asking.connect(context.endpoint("none")).unwrap();
    asking.send("no delimiter").unwrap();
    asking.send(parts(["nor", "here"])).unwrap();
    asking.send("").unwrap();
    asking.send(parts(["no", "body", ""])).unwrap();
    asking.send(parts(["", ""])).unwrap();
    assert_eq!(rep.next(), "".into());
    rep.send("reply").unwrap();
    assert_eq!(asking.next(), parts(["", "reply"]));
    let counters = rep.counters();
    assert_eq!((counters.messages_received, counters.discarded), (1, 5), "one of them is the probe");
    assert_eq!(asking.counters().messages_sent, 6);
    drop((rep, asking));
    context.settle(7, 2 + 5);
}

pub(crate) fn what_is_no_reply_is_discarded(flavor: Flavor) {
    let context = flavor.context();
    for correlate in [false, true] {
        let mut router = router(&context, "no-reply");
        let builder = Req::builder();
        let builder = if correlate { builder.correlate().probe_router() } else { builder };
        let asking = builder.build(&context).unwrap();
        let mut asking = connected(&context, asking, &["no-reply"]);
        if correlate {
            assert_eq!(router.next()[1], "", "the probe");
        }
        asking.send("request").unwrap();
        let request = router.next();
        let envelope = 2 + usize::from(correlate);
        let behind = |frames: &[&str]| -> Message {
            let mut message: Message = request.frames()[..envelope].iter().cloned().collect();
            message.extend(frames.iter().copied());
            message
        };
        let hollow: Message = request.frames()[..envelope].iter().cloned().collect();
        let mut strange: Message = request.frames()[..1].iter().cloned().collect();
        strange.extend(["1234", "not empty", "x"]);
        let mut bare: Message = request.frames()[..1].iter().cloned().collect();
        bare.push("bare");
        [hollow, strange, bare].into_iter().for_each(|none| router.send(none).unwrap());
        router.send(behind(&["reply", "of two"])).unwrap();
        assert_eq!(asking.next(), parts(["reply", "of two"]));
        assert_eq!((asking.counters().discarded, asking.counters().messages_received), (3, 1));
    }
}

pub(crate) fn order_is_strict(flavor: Flavor) {
    let context = flavor.context();
    let mut rep = rep(&context, "strict");
    let mut asking = req(&context, &["strict"]);
    for _ in 0..3 {
        for error in [asking.recv(), asking.try_recv(), asking.recv_timeout(PATIENCE)] {
            assert_eq!(error, Err(RecvError::NoRequest));
        }
        assert!(asking.can_send() && !asking.can_recv());
        for result in [rep.send("x"), rep.try_send("x"), rep.send_timeout("x", PATIENCE)] {
            let error = result.unwrap_err();
            assert_eq!((error.message, error.reason), ("x".into(), SendFailure::NoRequest));
        }
        assert!(!rep.can_send());
        asking.send("request").unwrap();
        assert!(!asking.can_send());
        for result in [asking.send("y"), asking.try_send("y"), asking.send_timeout("y", PATIENCE)] {
            let error = result.unwrap_err();
            assert_eq!((error.message, error.reason), ("y".into(), SendFailure::AwaitingReply));
        }
        assert_eq!(asking.reserve().map(drop), Err(SendFailure::AwaitingReply));
        assert_eq!(rep.next(), "request".into());
        assert!(rep.can_send() && !rep.can_recv());
        for error in [rep.recv(), rep.try_recv(), rep.recv_timeout(PATIENCE)] {
            assert_eq!(error, Err(RecvError::ReplyDue));
        }
        rep.send("reply").unwrap();
        assert_eq!(asking.next(), "reply".into());
    }
}

pub(crate) fn only_the_one_asked_is_heard(flavor: Flavor) {
    let context = flavor.context();
    let (mut first, mut second) = (router(&context, "first"), router(&context, "second"));
    let mut asking = req(&context, &["first", "second"]);
    for turn in 0..10 {
        let (asked, other) = if turn % 2 == 0 { (&mut first, &mut second) } else { (&mut second, &mut first) };
        asking.send("who?").unwrap();
        assert_eq!(asked.next(), parts(["req", "", "who?"]));
        tell(&context, other, ["", "not I"]);
        if !flavor.delivers_at_once() {
            // One that comes after the next request might pass for the reply to it.
            context.eventually("it has come, and is none", || {
                asking.try_recv() == Err(RecvError::Empty) && asking.counters().discarded == turn + 1
            });
        }
        tell(&context, asked, ["", "I"]);
        assert_eq!(asking.next(), "I".into());
    }
    asking.send("last").unwrap();
    tell(&context, &mut first, ["", "end"]);
    assert_eq!(asking.next(), "end".into());
    context.eventually("all of the other's were thrown away", || {
        if asking.try_send("more").is_ok() {
            tell(&context, &mut second, ["", "end"]);
        }
        let _ = asking.recv_timeout(SOON);
        asking.counters().discarded >= 10
    });
}

pub(crate) fn second_replies_are_dropped_before_the_next_request(flavor: Flavor) {
    let context = flavor.context();
    let mut router = router(&context, "twice");
    // Where messages may come late, only the number tells.
    let builder = Req::builder();
    let builder = if !flavor.delivers_at_once() { builder.correlate() } else { builder };
    let asking = builder.build(&context).unwrap();
    let mut asking = connected(&context, asking, &["twice"]);
    for turn in 0..20 {
        asking.send(numbered(turn)).unwrap();
        let request = router.next();
        router.send(request.clone()).unwrap();
        router.send(request).unwrap();
        assert_eq!(asking.next(), numbered(turn));
    }
    asking.send("last").unwrap();
    assert_eq!(router.next().frames().last().unwrap(), "last");
    context.eventually("all second ones were thrown away", || {
        assert_eq!(asking.try_recv(), Err(RecvError::Empty));
        asking.counters().discarded == 20
    });
    assert_eq!(asking.counters().messages_received, 20);
}

pub(crate) fn relaxed_forgets_the_old_request(flavor: Flavor) {
    let context = flavor.context();
    let mut router = router(&context, "relaxed");
    let asking = Req::builder().relaxed().correlate().build(&context).unwrap();
    let mut asking = connected(&context, asking, &["relaxed"]);
    let requests: Vec<Message> = (0..5)
        .map(|turn| {
            asking.send(numbered(turn)).unwrap();
            router.next()
        })
        .collect();
    requests.into_iter().for_each(|request| router.send(request).unwrap());
    assert_eq!(asking.next(), numbered(4));
    assert_eq!(asking.counters().discarded, 4);
    assert_eq!(asking.try_recv(), Err(RecvError::NoRequest));
}

pub(crate) fn requests_go_round(flavor: Flavor) {
    let context = flavor.context();
    let names = ["a", "b", "c"];
    let mut reps = names.map(|name| rep(&context, name));
    let mut asking = req(&context, &names);
    for turn in 0..9 {
        asking.send("turn").unwrap();
        assert_eq!(reps[turn % 3].next(), "turn".into());
        reps[turn % 3].send(numbered(turn as u64)).unwrap();
        assert_eq!(asking.next(), numbered(turn as u64));
    }
    // And REP takes from each in turn.
    let mut askers: Vec<Req> = (0..4).map(|_| req(&context, &["a"])).collect();
    let mut served = [0; 4];
    for _ in 0..3 {
        for (number, asker) in askers.iter_mut().enumerate() {
            asker.send(numbered(number as u64)).unwrap();
        }
        for _ in 0..4 {
            let request = reps[0].next();
            served[request[0][0] as usize] += 1;
            reps[0].send(request).unwrap();
        }
        askers.iter_mut().for_each(|asker| drop(asker.next()));
    }
    assert_eq!(served, [3; 4]);
}

pub(crate) fn requests_wait_for_room_and_hwm_is_exact(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive] {
        for (send_hwm, recv_hwm) in [(1, 1), (2, 5), (7, 1)] {
            let context = flavor.context();
            let mut rep = context.narrow(Rep::builder().recv_hwm(recv_hwm)).build(&context).unwrap();
            rep.bind(context.endpoint("full")).unwrap();
            let asking = context.narrow(Req::builder().relaxed().correlate().send_hwm(send_hwm).wait(policy));
            let mut asking = connected(&context, asking.build(&context).unwrap(), &["full"]);
            let capacity = flavor.capacity(send_hwm, recv_hwm);
            let held = asking.fill(&context, 0, capacity);
            if capacity.is_exact() {
                assert!(!asking.can_send());
                let error = asking.try_send(parts(["x", "y"])).unwrap_err();
                assert_eq!((error.message, error.reason), (parts(["x", "y"]), SendFailure::Full), "unchanged");
                assert_eq!(asking.send_timeout("x", SOON).unwrap_err().reason, SendFailure::TimedOut);
            }
            let asker = thread::spawn(move || {
                asking.send("waits").unwrap();
                asking
            });
            thread::sleep(A_WHILE);
            for turn in 0..held {
                rep.expect_numbers([turn]);
                rep.send("stale").unwrap();
            }
            assert_eq!(rep.next(), "waits".into());
            rep.send("reply").unwrap();
            let mut asking = asker.join().unwrap();
            assert_eq!(asking.next(), "reply".into());
            assert_eq!(asking.counters().discarded, held);
        }
    }
}

pub(crate) fn a_request_waits_for_its_first_peer(flavor: Flavor) {
    let context = flavor.context();
    let mut asking = Req::new(&context).unwrap();
    asking.bind(context.endpoint("asking")).unwrap();
    assert_eq!(asking.try_send("x").unwrap_err().reason, SendFailure::NoPeer);
    assert_eq!(asking.recv(), Err(RecvError::NoRequest), "nothing was sent");
    let asker = thread::spawn(move || asking.request("hello").unwrap());
    thread::sleep(A_WHILE);
    let mut rep = Rep::new(&context).unwrap();
    rep.connect(context.endpoint("asking")).unwrap();
    assert_eq!(rep.next(), "hello".into());
    rep.send("you").unwrap();
    assert_eq!(asker.join().unwrap(), "you".into());
}

pub(crate) fn a_permit_is_a_request(flavor: Flavor) {
    let context = flavor.context();
    let mut rep = rep(&context, "permit");
    let mut asking = req(&context, &["permit"]);
    drop(asking.reserve().unwrap());
    assert_eq!(asking.try_recv(), Err(RecvError::NoRequest));
    asking.try_reserve().unwrap().send(parts(["by", "permit"])).unwrap();
    assert_eq!(rep.next(), parts(["by", "permit"]));
    rep.send("reply").unwrap();
    assert_eq!(asking.next(), "reply".into());
    let permit = asking.reserve().unwrap();
    drop(rep);
    match permit.send(parts(["too", "late"])) {
        Err(error) => assert_eq!((error.message, error.reason), (parts(["too", "late"]), SendFailure::PeerLeft)),
        Ok(()) => assert!(!flavor.delivers_at_once()),
    }
}

pub(crate) fn connecting_before_binding(flavor: Flavor) {
    let context = flavor.context();
    let mut asking = req(&context, &["later"]);
    asking.send("early").unwrap();
    let mut answering = rep(&context, "later");
    assert_eq!(answering.next(), "early".into());
    answering.send("reply").unwrap();
    assert_eq!(asking.next(), "reply".into());

    let mut answering = Rep::new(&context).unwrap();
    answering.connect(context.endpoint("other-way")).unwrap();
    let mut asking = Req::new(&context).unwrap();
    asking.bind(context.endpoint("other-way")).unwrap();
    asking.send("question").unwrap();
    assert_eq!(answering.next(), "question".into());
    answering.send("answer").unwrap();
    assert_eq!(asking.next(), "answer".into());
}

pub(crate) fn deadlines_end_a_wait_and_not_the_request(flavor: Flavor) {
    let context = flavor.context();
    let mut rep = rep(&context, "slow");
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive, WaitPolicy::Spin] {
        let asking = Req::builder().recv_timeout(SOON).wait(policy).build(&context).unwrap();
        let mut asking = connected(&context, asking, &["slow"]);
        for timeout in [None, Some(Duration::ZERO), Some(SOON)] {
            let entered = Instant::now();
            match timeout {
                None => {
                    let error = asking.request("slow").unwrap_err();
                    assert_eq!(error, RequestError::Unanswered(RecvError::TimedOut));
                }
                Some(timeout) => assert_eq!(asking.recv_timeout(timeout), Err(RecvError::TimedOut)),
            }
            assert!(entered.elapsed() >= timeout.unwrap_or(SOON));
        }
        assert_eq!(asking.try_recv(), Err(RecvError::Empty));
        let error = asking.request("again").unwrap_err();
        let RequestError::NotSent(error) = error else { panic!("{error}") };
        assert_eq!((error.message, error.reason), ("again".into(), SendFailure::AwaitingReply));
        assert_eq!(rep.next(), "slow".into());
        rep.send("reply").unwrap();
        assert_eq!(asking.next(), "reply".into());
    }
}

pub(crate) fn a_peer_that_leaves_is_told(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive, WaitPolicy::Spin] {
        for waits in [false, true] {
            let context = flavor.context();
            let (mut dying, mut living) = (rep(&context, "dying"), rep(&context, "living"));
            let asking = context.present(Req::builder().wait(policy)).build(&context).unwrap();
            let mut asking = connected(&context, asking, &["dying"]);
            context.joined(&asking, 1);
            asking.connect(context.endpoint("living")).unwrap();
            context.joined(&asking, 2);
            asking.send("request").unwrap();
            assert_eq!(dying.next(), "request".into());
            let asker = thread::spawn(move || {
                if !waits {
                    context.eventually("there is an answer", || asking.can_recv());
                }
                assert_eq!(asking.recv(), Err(RecvError::PeerLeft));
                assert_eq!(asking.recv(), Err(RecvError::NoRequest), "told once");
                asking.request("next").unwrap()
            });
            if waits {
                thread::sleep(A_WHILE);
            }
            drop(dying);
            assert_eq!(living.next(), "next".into());
            living.send("reply").unwrap();
            assert_eq!(asker.join().unwrap(), "reply".into());
        }
    }
}

pub(crate) fn a_reply_sent_before_leaving_counts(flavor: Flavor) {
    let context = flavor.context();
    for _ in 0..20 {
        let mut dying = rep(&context, "last-words");
        let mut asking = req(&context, &["last-words"]);
        asking.send("request").unwrap();
        assert_eq!(dying.next(), "request".into());
        dying.send("reply").unwrap();
        drop(dying);
        assert_eq!(asking.next(), "reply".into());
        if flavor.connectors_come_back() {
            context.joined(&asking, 0);
            continue;
        }
        context.eventually("its leaving is heard", || {
            asking.try_send("x").map_err(|error| error.reason) == Err(SendFailure::NoPeer)
                || asking.recv_timeout(PATIENCE) == Err(RecvError::PeerLeft)
        });
    }
}

pub(crate) fn disconnecting_ends_a_request(flavor: Flavor) {
    let context = flavor.context();
    let mut rep = rep(&context, "cut");
    let mut asking = req(&context, &["cut"]);
    asking.send("request").unwrap();
    assert_eq!(rep.next(), "request".into());
    asking.disconnect(context.endpoint("cut")).unwrap();
    assert_eq!(asking.recv_timeout(PATIENCE), Err(RecvError::PeerLeft));
    context.eventually("it has left", || rep.joined() == 0);
    // An endpoint nobody has bound.
    asking.connect(context.endpoint("nobody")).unwrap();
    asking.send("request").unwrap();
    asking.disconnect(context.endpoint("nobody")).unwrap();
    assert_eq!(asking.recv_timeout(PATIENCE), Err(RecvError::PeerLeft));
    // A new pipe under the old one's key is not the one asked.
    asking.connect(context.endpoint("cut")).unwrap();
    asking.send("again").unwrap();
    asking.disconnect(context.endpoint("cut")).unwrap();
    asking.connect(context.endpoint("cut")).unwrap();
    assert_eq!(asking.recv_timeout(PATIENCE), Err(RecvError::PeerLeft));
    context.eventually("the reply is dropped", || {
        let _ = rep.try_send("late");
        rep.counters().unroutable > 0
    });
}

pub(crate) fn looking_takes_nothing(flavor: Flavor) {
    let context = flavor.context();
    let mut router = router(&context, "look");
    let mut rep = rep(&context, "look-rep");
    let mut asking = dealer(&context, "asking", "look-rep");
    asking.send("no request").unwrap();
    asking.send(parts(["hop", "", "request"])).unwrap();
    context.eventually("the request is seen", || rep.can_recv());
    assert!(rep.can_recv());
    assert!(!rep.can_send());
    assert_eq!((rep.counters().messages_received, rep.counters().discarded), (1, 1));
    assert_eq!(rep.try_recv(), Ok("request".into()));
    rep.send("reply").unwrap();
    assert_eq!(asking.next(), parts(["hop", "", "reply"]));
    drop(asking);

    let mut asking = req(&context, &["look"]);
    for _ in 0..3 {
        asking.send("request").unwrap();
        assert_eq!(router.next(), parts(["req", "", "request"]));
        assert!(!asking.can_recv());
        tell(&context, &mut router, ["not a reply"]);
        tell(&context, &mut router, ["", "reply"]);
        context.eventually("the reply is seen", || asking.can_recv());
        assert_eq!(asking.try_recv(), Ok("reply".into()));
    }
    // What was only looked at is lost with the socket, and counted.
    asking.send("request").unwrap();
    drop(router.next());
    tell(&context, &mut router, ["", "reply"]);
    context.eventually("the reply is seen", || asking.can_recv());
    let mut dealer = dealer(&context, "other", "look-rep");
    dealer.send(parts(["", "request"])).unwrap();
    context.eventually("the request is seen", || rep.can_recv());
    let sent: u64 =
        [asking.counters(), router.counters(), rep.counters(), dealer.counters()].map(|c| c.messages_sent).iter().sum();
    drop((asking, router, rep, dealer));
    let report = context.shutdown(PATIENCE);
    assert_eq!(report.unread, 2);
    assert_eq!((report.sockets_left, sent), (0, 4 + 7 + 1 + 1));
}

pub(crate) fn replies_to_nobody_are_dropped(flavor: Flavor) {
    let context = flavor.context();
    let mut rep = rep(&context, "vanished");
    for turn in 0..20 {
        let mut vanishing = req(&context, &["vanished"]);
        vanishing.send("request").unwrap();
        assert_eq!(rep.next(), "request".into());
        drop(vanishing);
        // Another takes its key.
        let mut staying = req(&context, &["vanished"]);
        rep.send(numbered(turn)).unwrap();
        context.eventually("the reply went nowhere, or was lost on its way", || {
            rep.counters().unroutable + rep.counters().undelivered + u64::from(!flavor.delivers_at_once()) > 0
        });
        staying.send("mine").unwrap();
        assert_eq!(rep.next(), "mine".into());
        rep.send("yours").unwrap();
        assert_eq!(staying.next(), "yours".into());
    }
    if flavor.delivers_at_once() {
        assert_eq!(rep.counters().unroutable, 20);
    }
}

pub(crate) fn replies_to_the_full_are_dropped(flavor: Flavor) {
    let context = flavor.context();
    let mut rep = context.narrow(Rep::builder().send_hwm(1)).build(&context).unwrap();
    let mut asking = context.narrow(Dealer::builder().recv_hwm(2)).build(&context).unwrap();
    meet!(context, "full", rep, asking);
    let mut turn = 0;
    while rep.counters().dropped < 7 {
        asking.send(parts(["", "request"])).unwrap();
        assert_eq!(rep.next(), "request".into());
        rep.send(context.heavy(turn)).unwrap();
        turn += 1;
    }
    let sent = rep.counters().messages_sent;
    assert_eq!(sent + 7, turn);
    let capacity = flavor.capacity(1, 2);
    capacity.assert_admits(sent);
    if capacity.is_exact() {
        assert_eq!(sent, 3);
    }
    let mut last = None;
    for _ in 0..sent {
        let mut reply = asking.next();
        assert_eq!(reply.pop_front().unwrap(), "");
        assert!(last < Some(number(&reply)), "in order");
        last = Some(number(&reply));
    }
    asking.send(parts(["", "request"])).unwrap();
    drop(rep.next());
    rep.send("room").unwrap();
    assert_eq!(asking.next(), parts(["", "room"]));
}

/// REQs of both kinds ask REPs that come and go, one of them silently.
pub(crate) fn many_ask_many_and_all_adds_up(flavor: Flavor) {
    for seed in 0..if cfg!(miri) { 1 } else { 2 } {
        let context = flavor.context();
        let askers: Vec<_> = (0..3_u64)
            .map(|asker| {
                let builder = Req::builder().wait(WaitPolicy::Park).send_timeout(PATIENCE).recv_timeout(PATIENCE);
                let builder = if asker == 0 { builder } else { builder.reply_timeout(SOON).resend(2) };
                let mut asking = builder.build(&context).unwrap();
                asking.connect(context.endpoint("market")).unwrap();
                asking.bind(context.endpoint(&format!("asker-{asker}"))).unwrap();
                thread::spawn(move || {
                    let (mut replies, mut failures) = (0, 0);
                    for turn in 0..100 {
                        match asking.request(numbered(asker * 1000 + turn)) {
                            Ok(reply) => {
                                assert_eq!(reply, numbered(asker * 1000 + turn));
                                replies += 1;
                            }
                            Err(RequestError::Unanswered(RecvError::PeerLeft | RecvError::NoReply)) => failures += 1,
                            Err(other) => panic!("{other:?}"),
                        }
                    }
                    assert_eq!(replies + failures, 100);
                    flow(&asking.counters())
                })
            })
            .collect();
        let mut stays = Rep::builder().wait(WaitPolicy::Park).build(&context).unwrap();
        stays.bind(context.endpoint("market")).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let it_is_over = is_over.clone();
        let stays = thread::spawn(move || {
            loop {
                match stays.recv_timeout(Duration::from_millis(5)) {
                    Ok(request) => stays.send(request).unwrap(),
                    Err(_) if it_is_over.load(Ordering::Relaxed) => return flow(&stays.counters()),
                    Err(_) => {}
                }
            }
        });
        let mut dice = Dice(seed);
        let (mut sent, mut received) = (0, 0);
        for _ in 0..8 {
            let mut visitor = Rep::new(&context).unwrap();
            (0..3).for_each(|asker| visitor.connect(context.endpoint(&format!("asker-{asker}"))).unwrap());
            for _ in 0..dice.roll(40) {
                if let Ok(request) = visitor.recv_timeout(Duration::from_millis(1)) {
                    visitor.send(request).unwrap();
                }
            }
            // One request in hand as a rule.
            let _ = visitor.recv_timeout(Duration::from_millis(1));
            let flow = flow(&visitor.counters());
            (sent, received) = (sent + flow.0, received + flow.1);
        }
        let asked: Vec<_> = askers.into_iter().map(|asker| asker.join().unwrap()).collect();
        is_over.store(true, Ordering::Relaxed);
        for flow in asked.into_iter().chain([stays.join().unwrap()]) {
            (sent, received) = (sent + flow.0, received + flow.1);
        }
        context.settle(sent, received);
    }
}
