//! Links through shared memory whose one end leaves: what was not taken is known, and goes where docs/ipc.md says.

use std::{
    thread,
    time::{Duration, Instant},
};

use ringway::{
    Context, Dealer, Frame, Message, Pair, Pub, Pull, Push, Rep, Req, Router, RoutingId, Sub, monitor::Road,
    socket::RecvError,
};

use crate::{
    link::{Holdings, alone, anywhere, outcome},
    raw::{PATIENCE, watch::Watch},
};

const COUNT: u32 = 20;

fn numbered(number: u32) -> Message {
    Message::from(&number.to_be_bytes()[..])
}

/// Receives those numbers, in order, and then nothing.
#[track_caller]
fn expect(pull: &mut Pull, numbers: std::ops::Range<u32>) {
    for number in numbers {
        assert_eq!(pull.recv_timeout(PATIENCE), Ok(numbered(number)), "message {number}");
    }
    assert!(pull.try_recv().is_err());
}

/// Memory lives as long as one has it: a sender that is gone, linger or not, has been heard.
#[test]
fn what_is_in_the_ring_needs_no_sender() {
    let _alone = alone();
    let before = Holdings::now();
    for linger in [Duration::ZERO, Duration::from_secs(1)] {
        let contexts = [Context::new(), Context::new()];
        let mut pull = Pull::new(&contexts[0]).unwrap();
        let mut watch = Watch::new(pull.monitor());
        let endpoint = anywhere();
        pull.bind(&endpoint).unwrap();
        let mut push = Push::builder().linger(linger).build(&contexts[1]).unwrap();
        push.connect(&endpoint).unwrap();
        assert_eq!(outcome(&mut watch), Ok(()));
        let deadline = Instant::now() + PATIENCE;
        while push.peer_list()[0].road != Road::SharedMemory {
            assert!(Instant::now() < deadline);
            thread::sleep(Duration::from_millis(1));
        }
        (0..COUNT).for_each(|number| push.send(numbered(number)).unwrap());
        drop(push);
        let [here, there] = contexts;
        let report = there.shutdown(PATIENCE);
        assert_eq!(report.undelivered, 0, "linger {linger:?}");
        drop(there);
        watch.disconnected();
        expect(&mut pull, 0..COUNT);
        drop((pull, watch, here));
    }
    before.return_to();
}

#[test]
fn what_a_puller_leaves_goes_to_who_comes_next_to_a_bound_push() {
    let _alone = alone();
    let before = Holdings::now();
    let contexts = [Context::new(), Context::new()];
    let mut push = Push::new(&contexts[0]).unwrap();
    let mut watch = Watch::new(push.monitor());
    let endpoint = anywhere();
    push.bind(&endpoint).unwrap();
    let mut first = Pull::new(&contexts[1]).unwrap();
    first.connect(&endpoint).unwrap();
    assert_eq!(outcome(&mut watch), Ok(()));
    (0..COUNT).for_each(|number| push.send(numbered(number)).unwrap());
    (0..3).for_each(|number| assert_eq!(first.recv_timeout(PATIENCE), Ok(numbered(number))));
    drop(first);
    watch.disconnected();
    let mut second = Pull::new(&contexts[1]).unwrap();
    second.connect(&endpoint).unwrap();
    push.send(numbered(COUNT)).unwrap();
    expect(&mut second, 3..COUNT + 1);
    drop((push, second, watch));
    let reports = contexts.map(|context| context.shutdown(PATIENCE));
    assert_eq!(reports.map(|report| (report.undelivered, report.unread)), [(0, 0); 2]);
    before.return_to();
}

#[test]
fn what_a_puller_leaves_stays_for_the_endpoint_of_a_connected_push() {
    let _alone = alone();
    let before = Holdings::now();
    let contexts = [Context::new(), Context::new()];
    let endpoint = anywhere();
    let mut first = Pull::new(&contexts[1]).unwrap();
    first.bind(&endpoint).unwrap();
    let quick = Duration::from_millis(1);
    let builder = Push::builder().reconnect_interval(quick).reconnect_interval_max(quick);
    let mut push = builder.build(&contexts[0]).unwrap();
    let mut watch = Watch::new(push.monitor());
    push.connect(&endpoint).unwrap();
    assert_eq!(outcome(&mut watch), Ok(()));
    (0..COUNT).for_each(|number| push.send(numbered(number)).unwrap());
    (0..3).for_each(|number| assert_eq!(first.recv_timeout(PATIENCE), Ok(numbered(number))));
    drop(first);
    watch.disconnected();
    push.send(numbered(COUNT)).unwrap();
    let mut second = Pull::new(&contexts[1]).unwrap();
    second.bind(&endpoint).unwrap();
    expect(&mut second, 3..COUNT + 1);
    drop((push, second, watch));
    let reports = contexts.map(|context| context.shutdown(PATIENCE));
    assert_eq!(reports.map(|report| (report.undelivered, report.unread)), [(0, 0); 2]);
    before.return_to();
}

/// Nor looks for messages, and still keeps no memory of the connections there have been.
#[test]
fn who_only_sends_keeps_nothing_of_those_who_left() {
    let _alone = alone();
    let contexts = [Context::new(), Context::new()];
    let endpoint = anywhere();
    let quick = Duration::from_millis(1);
    let builder = Dealer::builder().reconnect_interval(quick).reconnect_interval_max(quick);
    let mut dealer = builder.build(&contexts[0]).unwrap();
    let mut watch = Watch::new(dealer.monitor());
    dealer.connect(&endpoint).unwrap();
    let mut held = None;
    for number in 0..12 {
        let mut peer = Dealer::new(&contexts[1]).unwrap();
        peer.bind(&endpoint).unwrap();
        assert_eq!(outcome(&mut watch), Ok(()));
        dealer.send(numbered(number)).unwrap();
        assert_eq!(peer.recv_timeout(PATIENCE), Ok(numbered(number)));
        match held {
            None => held = Some(Holdings::now()).filter(|_| number == 2),
            Some(held) => held.return_to(),
        }
        drop(peer);
        watch.disconnected();
    }
}

#[test]
fn what_the_peer_of_a_bound_pair_leaves_is_lost_and_counted() {
    let _alone = alone();
    let contexts = [Context::new(), Context::new()];
    let endpoint = anywhere();
    let mut bound = Pair::new(&contexts[0]).unwrap();
    let mut watch = Watch::new(bound.monitor());
    bound.bind(&endpoint).unwrap();
    let mut peer = Pair::new(&contexts[1]).unwrap();
    peer.connect(&endpoint).unwrap();
    assert_eq!(outcome(&mut watch), Ok(()));
    (0..COUNT).for_each(|number| bound.send(numbered(number)).unwrap());
    (0..3).for_each(|number| assert_eq!(peer.recv_timeout(PATIENCE), Ok(numbered(number))));
    drop(peer);
    watch.disconnected();
    let deadline = Instant::now() + PATIENCE;
    while bound.counters().undelivered < u64::from(COUNT - 3) {
        assert!(Instant::now() < deadline, "{:?}", bound.counters());
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(bound.counters().undelivered, u64::from(COUNT - 3));
    assert_eq!(contexts[1].shutdown(PATIENCE).unread, 0, "they were their sender's");
}

/// PUB and ROUTER, whose messages are for the peer that has left; connected or bound.
#[test]
fn what_is_for_one_peer_only_is_lost_with_it_and_counted() {
    let _alone = alone();
    for (is_bound, is_pub) in [(true, true), (false, true), (true, false), (false, false)] {
        let contexts = [Context::new(), Context::new()];
        let endpoint = anywhere();
        let mut publisher = Pub::new(&contexts[0]).unwrap();
        let mut router = Router::new(&contexts[0]).unwrap();
        let mut subscriber = Sub::new(&contexts[1]).unwrap();
        subscriber.subscribe("");
        let mut dealer = Dealer::builder().routing_id(RoutingId::new("dealer").unwrap()).build(&contexts[1]).unwrap();
        let mut watch = Watch::new(if is_pub { publisher.monitor() } else { router.monitor() });
        match (is_bound, is_pub) {
            (true, true) => (publisher.bind(&endpoint).unwrap(), subscriber.connect(&endpoint).unwrap()),
            (false, true) => (subscriber.bind(&endpoint).unwrap(), publisher.connect(&endpoint).unwrap()),
            (true, false) => (router.bind(&endpoint).unwrap(), dealer.connect(&endpoint).unwrap()),
            (false, false) => (dealer.bind(&endpoint).unwrap(), router.connect(&endpoint).unwrap()),
        };
        assert_eq!(outcome(&mut watch), Ok(()));
        if is_pub {
            publisher.wait_for_subscribers(1, PATIENCE).unwrap();
        }
        for number in 0..COUNT {
            if is_pub {
                publisher.send(numbered(number)).unwrap();
            } else {
                let frames = [Frame::from("dealer"), Frame::from(&number.to_be_bytes()[..])];
                router.send(frames.into_iter().collect::<Message>()).unwrap();
            }
        }
        for number in 0..3 {
            let got = if is_pub { subscriber.recv_timeout(PATIENCE) } else { dealer.recv_timeout(PATIENCE) };
            assert_eq!(got, Ok(numbered(number)));
        }
        drop((subscriber, dealer));
        watch.disconnected();
        let undelivered = || if is_pub { publisher.counters().undelivered } else { router.counters().undelivered };
        let deadline = Instant::now() + PATIENCE;
        while undelivered() < u64::from(COUNT - 3) {
            assert!(Instant::now() < deadline, "{} with {is_bound} {is_pub}", undelivered());
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(undelivered(), u64::from(COUNT - 3));
    }
}

/// A request whose server has left is lost, and its sender hears of it.
#[test]
fn a_request_is_lost_with_its_server() {
    let _alone = alone();
    let contexts = [Context::new(), Context::new()];
    let endpoint = anywhere();
    for takes in [false, true] {
        let mut req = Req::new(&contexts[0]).unwrap();
        let mut watch = Watch::new(req.monitor());
        let mut rep = Rep::new(&contexts[1]).unwrap();
        rep.bind(&endpoint).unwrap();
        req.connect(&endpoint).unwrap();
        assert_eq!(outcome(&mut watch), Ok(()));
        req.send("what?").unwrap();
        if takes {
            assert_eq!(rep.recv_timeout(PATIENCE), Ok(Message::from("what?")));
        }
        drop(rep);
        assert_eq!(req.recv_timeout(PATIENCE), Err(RecvError::PeerLeft));
    }
}

/// The mark is that of both, and counts to the application of the peer; a change of either counts at once.
#[test]
fn marks_are_exact_and_may_change() {
    let _alone = alone();
    let contexts = [Context::new(), Context::new()];
    let endpoint = anywhere();
    let mut pull = Pull::builder().recv_hwm(3).build(&contexts[0]).unwrap();
    pull.bind(&endpoint).unwrap();
    let mut push = Push::builder().send_hwm(2).build(&contexts[1]).unwrap();
    let mut watch = Watch::new(push.monitor());
    push.connect(&endpoint).unwrap();
    assert_eq!(outcome(&mut watch), Ok(()));
    let fill = |push: &mut Push| (0..100).take_while(|number| push.try_send(numbered(*number)).is_ok()).count();
    assert_eq!(fill(&mut push), 5);
    for _ in 0..3 {
        pull.recv_timeout(PATIENCE).unwrap();
        assert_eq!(fill(&mut push), 1);
    }
    pull.set_recv_hwm(10);
    let deadline = Instant::now() + PATIENCE;
    let mut sent = 0;
    while sent < 7 {
        sent += fill(&mut push);
        assert!(Instant::now() < deadline, "{sent} more were accepted");
        thread::yield_now();
    }
    assert_eq!((sent, fill(&mut push)), (7, 0));
    push.set_send_hwm(4);
    assert_eq!(fill(&mut push), 2);
    pull.set_recv_hwm(0);
    while sent < 1_000 {
        sent += fill(&mut push);
        assert!(Instant::now() < deadline, "{sent} more were accepted");
        thread::yield_now();
    }
}
