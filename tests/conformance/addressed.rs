//! DEALER and ROUTER: who is called what, who gets what, and who comes with the name of another.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use ringway::{
    Dealer, Frame, Message, Req, Router, WaitPolicy,
    socket::{ConnectError, DuplicateId, RecvError, SendFailure},
};

use crate::flavor::{
    A_WHILE, Dice, Flavor, PATIENCE, Peers, Receiver, Sender, World, dealer, flow, id, number, numbered, parts,
};

const SOON: Duration = Duration::from_millis(15);
/// What routers bind.
const HERE: &str = "router";

fn router(context: &World) -> Router {
    let mut router = Router::new(context).unwrap();
    router.bind(context.endpoint(HERE)).unwrap();
    router
}

fn mandatory(context: &World) -> Router {
    let mut router = router(context);
    router.set_mandatory(true);
    router
}

/// Sends to the peer of a name.
struct To<'a>(&'a mut Router, &'a str);

impl Sender for To<'_> {
    fn attempt(&mut self, mut message: Message) -> Result<(), SendFailure> {
        message.push_front(self.1);
        self.0.try_send(message).map_err(|error| error.reason)
    }
}

/// Waits until `router` knows the peers of these names.
#[track_caller]
fn known(context: &World, router: &mut Router, names: &[&str]) {
    context.comes_true("they are known", || names.iter().all(|name| router.has_peer(name)));
}

fn refused<E: std::fmt::Debug>(result: Result<(), E>) -> E {
    result.expect_err("refused")
}

pub(crate) fn ids_are_given_and_made_up(flavor: Flavor) {
    let context = flavor.context();
    let mut router = router(&context);
    let mut named: Vec<Dealer> = ["a", "an id of fifty-six bytes is the longest that a frame holds", "\u{1}"]
        .map(|name| dealer(&context, name, HERE))
        .into();
    let long = "x".repeat(255);
    named.push(dealer(&context, &long, HERE));
    for dealer in &mut named {
        dealer.send("who").unwrap();
        let message = router.next();
        assert_eq!(message[1], "who");
        assert!(router.has_peer(&message[0]));
        router.send(message).unwrap();
        assert_eq!(dealer.next(), "who".into());
    }
    assert!(router.has_peer(&long) && !router.has_peer("b") && !router.has_peer(""));
    let mut anonymous: Vec<Dealer> = (0..50).map(|_| Dealer::new(&context).unwrap()).collect();
    let mut ids: Vec<Frame> = Vec::new();
    for dealer in &mut anonymous {
        dealer.connect(context.endpoint(HERE)).unwrap();
        dealer.send("who").unwrap();
        let id = router.next()[0].clone();
        assert_eq!((id.len(), id[0]), (5, 0));
        assert!(!ids.contains(&id));
        ids.push(id);
    }
    let count = |id: &Frame| u32::from_be_bytes(id[1..].try_into().unwrap());
    assert!(ids.windows(2).all(|pair| count(&pair[1]) == count(&pair[0]).wrapping_add(1)));
    let mut known = router.peer_ids();
    known.sort_by(|a, b| a[..].cmp(b));
    known.dedup();
    assert_eq!(known.len(), 54);
    // Another router begins elsewhere.
    let mut other = Router::new(&context).unwrap();
    other.bind(context.endpoint("other")).unwrap();
    anonymous[0].connect(context.endpoint("other")).unwrap();
    context.eventually("it is known", || other.peer_ids().len() == 1);
    assert!(!ids.contains(&other.peer_ids()[0]));
}

pub(crate) fn messages_go_whole_to_whom_they_name(flavor: Flavor) {
    let context = flavor.context();
    let mut router = router(&context);
    let mut dealers: Vec<Dealer> = ["a", "b", "c"].map(|name| dealer(&context, name, HERE)).into();
    context.eventually("all are there", || router.peer_ids().len() == 3);
    let mut dice = Dice(7);
    for turn in 0..300 {
        let to = dice.roll(3) as usize;
        let body: Message = (0..=dice.roll(12)).map(|frame| vec![frame as u8; dice.roll(300) as usize]).collect();
        let mut addressed = body.clone();
        addressed = [["a", "b", "c"][to]].into_iter().map(Frame::from).chain(addressed).collect();
        router.send(addressed.clone()).unwrap();
        let received = dealers[to].next();
        assert_eq!(received, body, "turn {turn}");
        dealers[to].send(received).unwrap();
        assert_eq!(router.next(), addressed);
    }
    // A dealer of many routers hands out in turn.
    let mut second = Router::new(&context).unwrap();
    second.bind(context.endpoint("second")).unwrap();
    dealers[0].connect(context.endpoint("second")).unwrap();
    (0..4).for_each(|_| dealers[0].send("turn").unwrap());
    for _ in 0..2 {
        assert_eq!(router.next(), parts(["a", "turn"]));
        assert_eq!(second.next(), parts(["a", "turn"]));
    }
}

pub(crate) fn nobody_is_unroutable(flavor: Flavor) {
    let context = flavor.context();
    let mut router = router(&context);
    let _here = dealer(&context, "here", HERE);
    known(&context, &mut router, &["here"]);
    router.send(parts(["nobody", "x"])).unwrap();
    router.try_send(parts(["", "x"])).unwrap();
    router.send_timeout(parts(["nobody", "x", "y"]), PATIENCE).unwrap();
    assert_eq!((router.counters().unroutable, router.counters().messages_sent), (3, 0));
    router.set_mandatory(true);
    for result in [
        router.send(parts(["nobody", "x", ""])),
        router.try_send(parts(["nobody", "x", ""])),
        router.send_timeout(parts(["nobody", "x", ""]), PATIENCE),
    ] {
        let error = refused(result);
        assert_eq!((error.message, error.reason), (parts(["nobody", "x", ""]), SendFailure::Unroutable));
    }
    assert_eq!(router.reserve("nobody").map(drop), Err(SendFailure::Unroutable));
    assert_eq!(router.try_reserve("nobody").map(drop), Err(SendFailure::Unroutable));
    assert_eq!(router.counters().unroutable, 3);
    router.send(parts(["here", "x"])).unwrap();
}

pub(crate) fn the_full_are_dropped_or_waited_for(flavor: Flavor) {
    let capacity = flavor.capacity(1, 2);
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive, WaitPolicy::Spin] {
        let context = flavor.context();
        let mut router = context.narrow(Router::builder().send_hwm(1).wait(policy)).build(&context).unwrap();
        router.bind(context.endpoint(HERE)).unwrap();
        let mut full = context.narrow(Dealer::builder().recv_hwm(2).routing_id(id("full"))).build(&context).unwrap();
        full.connect(context.endpoint(HERE)).unwrap();
        let mut roomy = dealer(&context, "roomy", HERE);
        known(&context, &mut router, &["full", "roomy"]);
        router.set_mandatory(true);
        To(&mut router, "full").fill(&context, 0, capacity);
        router.set_mandatory(false);
        while router.counters().dropped < 2 {
            To(&mut router, "full").attempt(context.heavy(0)).unwrap();
        }
        let held = router.counters().messages_sent;
        capacity.assert_holds(held);
        router.set_mandatory(true);
        assert!(router.can_send(), "to somebody");
        if capacity.is_exact() {
            let error = refused(router.try_send(parts(["full", "y", "z"])));
            assert_eq!((error.message, error.reason), (parts(["full", "y", "z"]), SendFailure::Full));
            assert_eq!(router.try_reserve("full").map(drop), Err(SendFailure::Full));
            let error = refused(router.send_timeout(parts(["full", "y"]), SOON));
            assert_eq!((error.message, error.reason), (parts(["full", "y"]), SendFailure::TimedOut));
        }
        router.send(parts(["roomy", "y"])).unwrap();
        assert_eq!(roomy.next(), "y".into(), "one that is full is in nobody's way");
        let sender = thread::spawn(move || {
            (0..50).for_each(|number: u8| {
                router.send([Frame::from("full"), [number].into()].into_iter().collect::<Message>()).unwrap()
            });
            router.reserve("full").unwrap().send("by permit").unwrap();
            router
        });
        thread::sleep(A_WHILE);
        (0..held).for_each(|_| _ = full.next_number());
        (0..50).for_each(|number: u8| assert_eq!(full.next(), [number].into()));
        assert_eq!(full.next(), "by permit".into());
        let router = sender.join().unwrap();
        assert_eq!((router.counters().dropped, router.counters().messages_sent), (2, held + 52));
    }
}

pub(crate) fn hwm_is_exact_for_each(flavor: Flavor) {
    for (send_hwm, recv_hwm) in [(1, 1), (3, 4), (7, 2), (30, 30)] {
        let context = flavor.context();
        let builder = context.narrow(Router::builder().send_hwm(send_hwm).recv_hwm(recv_hwm).mandatory());
        let mut router = builder.build(&context).unwrap();
        router.bind(context.endpoint(HERE)).unwrap();
        let names = ["a", "b"];
        let mut dealers = names.map(|name| {
            let builder = Dealer::builder().send_hwm(send_hwm).recv_hwm(recv_hwm).routing_id(id(name));
            let mut dealer = context.narrow(builder).build(&context).unwrap();
            dealer.connect(context.endpoint(HERE)).unwrap();
            dealer
        });
        known(&context, &mut router, &names);
        let capacity = flavor.capacity(send_hwm, recv_hwm);
        for _ in 0..2 {
            let held = names.map(|name| To(&mut router, name).fill(&context, 0, capacity));
            let mut to_router = 0;
            for (dealer, held) in dealers.iter_mut().zip(held) {
                to_router += dealer.fill(&context, 0, capacity);
                dealer.expect_numbers(0..held);
            }
            for _ in 0..to_router {
                let mut message = router.next();
                assert!(message.pop_front().is_some_and(|from| names.iter().any(|name| from == *name)));
                number(&message);
            }
        }
    }
}

pub(crate) fn a_wait_for_room_ends_when_the_peer_leaves(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive, WaitPolicy::Spin] {
        let context = flavor.context();
        let builder = context.narrow(Router::builder().send_hwm(1).mandatory().wait(policy));
        let mut router = builder.build(&context).unwrap();
        router.bind(context.endpoint(HERE)).unwrap();
        let mut full = context.narrow(Dealer::builder().recv_hwm(1).routing_id(id("full"))).build(&context).unwrap();
        full.connect(context.endpoint(HERE)).unwrap();
        known(&context, &mut router, &["full"]);
        let held = To(&mut router, "full").fill(&context, 0, flavor.capacity(1, 1));
        // A kernel may have a little room after all; and where the end of a peer comes late, there is room between its end and that.
        let may_take_more = !matches!(flavor, Flavor::Local);
        let sender = thread::spawn(move || {
            let error = loop {
                match router.send(parts(["full", "y"])) {
                    Ok(()) => assert!(may_take_more, "it was full, and nobody has taken anything"),
                    Err(error) => break error,
                }
            };
            assert_eq!((error.message, error.reason), (parts(["full", "y"]), SendFailure::Unroutable));
            assert_eq!(router.reserve("full").map(drop), Err(SendFailure::Unroutable));
            router.counters().messages_sent
        });
        thread::sleep(A_WHILE);
        drop(full);
        let sent = sender.join().unwrap();
        assert!(sent == held || may_take_more);
        context.settle(sent, 0);
    }
}

pub(crate) fn an_id_alone_is_no_message(flavor: Flavor) {
    let context = flavor.context();
    let mut router = router(&context);
    let mut dealer = dealer(&context, "a", HERE);
    known(&context, &mut router, &["a"]);
    for on in [false, true] {
        router.set_mandatory(on);
        for name in ["a", "nobody"] {
            let error = refused(router.send(name));
            assert_eq!((error.message, error.reason), (name.into(), SendFailure::NoBody));
        }
        assert_eq!(refused(router.send(Message::new())).reason, SendFailure::NoFrames);
    }
    router.send(parts(["a", ""])).unwrap();
    assert_eq!(dealer.next(), "".into(), "no bytes are a body");
    assert_eq!(router.counters().messages_sent, 1);
}

pub(crate) fn places_with_one_peer(flavor: Flavor) {
    let context = flavor.context();
    let mut router = mandatory(&context);
    let mut first = dealer(&context, "first", HERE);
    let mut second = dealer(&context, "second", HERE);
    known(&context, &mut router, &["first", "second"]);
    for turn in 0..10 {
        drop(router.reserve("first").unwrap());
        router.reserve("second").unwrap().send(numbered(turn)).unwrap();
        router.try_reserve("first").unwrap().send(parts(["two", "frames"])).unwrap();
        assert_eq!(first.next(), parts(["two", "frames"]));
        second.expect_numbers([turn]);
    }
    let permit = router.reserve("first").unwrap();
    drop(first);
    match permit.send("late") {
        Err(error) => assert_eq!((error.message, error.reason), ("late".into(), SendFailure::PeerLeft)),
        Ok(()) => assert!(!flavor.delivers_at_once()),
    }
    assert_eq!(refused(router.reserve("second").unwrap().send(Message::new())).reason, SendFailure::NoFrames);
}

pub(crate) fn batches_stop_where_sending_would(flavor: Flavor) {
    let context = flavor.context();
    let mut router = mandatory(&context);
    let mut dealers = ["a", "b"].map(|name| dealer(&context, name, HERE));
    known(&context, &mut router, &["a", "b"]);
    let mut batch: VecDeque<Message> =
        [parts(["a", "1"]), parts(["b", "2"]), parts(["a", "3"]), parts(["nobody", "4"]), parts(["b", "5"])].into();
    assert_eq!(router.send_batch(&mut batch), Err(SendFailure::Unroutable));
    assert_eq!(batch, [parts(["nobody", "4"]), parts(["b", "5"])]);
    router.set_mandatory(false);
    assert_eq!(router.try_send_batch(&mut batch), Ok(2));
    assert_eq!(router.counters().unroutable, 1);
    for (dealer, bodies) in dealers.iter_mut().zip([["1", "3"], ["2", "5"]]) {
        for body in bodies {
            assert_eq!(dealer.next(), body.into());
            dealer.send(body).unwrap();
        }
    }
    let mut taken = Vec::new();
    while taken.len() < 4 {
        router.recv_batch(&mut taken, 3).unwrap();
    }
    taken.sort_by(|one, other| one[1][..].cmp(&other[1]));
    assert_eq!(taken, [parts(["a", "1"]), parts(["b", "2"]), parts(["a", "3"]), parts(["b", "5"])]);
}

pub(crate) fn duplicates_wait_in_line(flavor: Flavor) {
    let context = flavor.context();
    let mut router = mandatory(&context);
    let mut first = dealer(&context, "twin", HERE);
    first.send("first").unwrap();
    assert_eq!(router.next(), parts(["twin", "first"]));
    let mut others = Vec::new();
    for number in 0..3 {
        others.push(dealer(&context, "twin", HERE));
        context.comes_true("it is in line", || router.peers() == number + 2);
    }
    for (number, other) in others.iter_mut().enumerate() {
        other.send(numbered(number as u64)).unwrap();
    }
    let mut unlike = dealer(&context, "unlike", HERE);
    unlike.send("x").unwrap();
    assert_eq!(router.next(), parts(["unlike", "x"]), "in nobody's way");
    for _ in 0..3 {
        assert_eq!(router.recv_timeout(SOON), Err(RecvError::TimedOut));
        router.send(parts(["twin", "to the first"])).unwrap();
        assert_eq!(first.next(), "to the first".into());
    }
    assert_eq!(router.peer_ids().len(), 2);
    assert_eq!(router.peers(), 5);
    // One in line gives up with nothing to say; the rest take over in order.
    first.send("last words").unwrap();
    drop(first);
    assert_eq!(router.next(), parts(["twin", "last words"]));
    for (number, mut other) in others.into_iter().enumerate() {
        let message = router.next();
        assert_eq!((&message[0][..], &message[1][..]), (&b"twin"[..], &(number as u64).to_le_bytes()[..]));
        router.send(parts(["twin", "yours"])).unwrap();
        assert_eq!(other.next(), "yours".into());
    }
    context.eventually("all twins are gone", || !router.has_peer("twin") && router.peers() == 1);
}

pub(crate) fn duplicates_that_have_left_are_heard_behind_a_leaver(flavor: Flavor) {
    let context = flavor.context();
    let mut router = mandatory(&context);
    for number in 0..10 {
        // Each comes, speaks, and is gone before the router has looked.
        let mut twin = dealer(&context, "twin", HERE);
        twin.send(numbered(number)).unwrap();
        drop(twin);
        context.comes_true("it has come", || router.counters().peers_joined == number + 1);
    }
    let mut last = dealer(&context, "twin", HERE);
    last.send(numbered(10)).unwrap();
    let mut seen: Vec<u64> = Vec::new();
    while seen.last() != Some(&10) {
        let message = router.next();
        assert_eq!(message[0], "twin");
        seen.push(u64::from_le_bytes(message[1].as_bytes().try_into().unwrap()));
    }
    if flavor.delivers_at_once() {
        assert_eq!(seen, (0..=10).collect::<Vec<_>>());
    }
    assert!(seen.is_sorted());
    router.send(parts(["twin", "you are the one"])).unwrap();
    assert_eq!(last.next(), "you are the one".into());
    drop(last);
    let (sent, received) = (11, seen.len() as u64 + 1);
    drop(router);
    context.settle(sent + 1, received);
}

pub(crate) fn duplicates_that_leave_behind_one_that_stays_are_dropped(flavor: Flavor) {
    let context = flavor.context();
    let mut router = mandatory(&context);
    let mut holder = dealer(&context, "twin", HERE);
    holder.send("holder").unwrap();
    assert_eq!(router.next(), parts(["twin", "holder"]));
    for number in 0..10 {
        let mut twin = dealer(&context, "twin", HERE);
        if number % 2 == 0 {
            twin.send(numbered(number)).unwrap();
        }
        if number % 3 == 0 {
            assert!(router.has_peer("twin"));
        }
        drop(twin);
    }
    context.eventually("they are forgotten", || router.has_peer("twin") && router.peers() == 1);
    assert_eq!(router.try_recv(), Err(RecvError::Empty));
    if flavor.delivers_at_once() {
        assert_eq!(router.counters().unread, 5);
    }
    router.send(parts(["twin", "x"])).unwrap();
    assert_eq!(holder.next(), "x".into());
    drop((router, holder));
    context.settle(7, 2);
}

pub(crate) fn duplicates_take_over(flavor: Flavor) {
    let context = flavor.context();
    let mut router = Router::builder().mandatory().duplicate_id(DuplicateId::HandOver).build(&context).unwrap();
    router.bind(context.endpoint(HERE)).unwrap();
    // One that is ousted stays away, or they would take turns for ever.
    let dealer = |name: &str, endpoint: &str| {
        let mut dealer = context.once(Dealer::builder().routing_id(id(name))).build(&context).unwrap();
        dealer.connect(context.endpoint(endpoint)).unwrap();
        dealer
    };
    let mut old = dealer("twin", HERE);
    old.send("old").unwrap();
    assert_eq!(router.next(), parts(["twin", "old"]));
    for number in 0..20 {
        let mut new = dealer("twin", HERE);
        new.send(numbered(number)).unwrap();
        let message = router.next();
        assert_eq!((&message[0][..], &message[1][..]), (&b"twin"[..], &number.to_le_bytes()[..]));
        context.eventually("the old one is without a peer", || {
            // One that calls in hears of it.
            let can_send = old.can_send();
            old.joined() == 0 && (!can_send || flavor.connectors_come_back())
        });
        router.send(parts(["twin", "to the new"])).unwrap();
        assert_eq!(new.next(), "to the new".into());
        assert_eq!(router.peer_ids().len(), 1);
        old = new;
    }
    // What the old had sent and nobody received is lost, and counted.
    (0..5).for_each(|number| old.send(numbered(number)).unwrap());
    context.eventually("they are there", || router.can_recv());
    router.set_duplicate_id(DuplicateId::HandOver);
    let mut new = dealer("twin", HERE);
    new.send("new").unwrap();
    assert!(router.next()[0] == "twin");
    drop((router, old, new));
    let report = context.shutdown(PATIENCE);
    assert!(report.unread + report.undelivered >= 4 || !flavor.counts_every_loss());
}

pub(crate) fn peers_are_called_by_their_caller(flavor: Flavor) {
    let context = flavor.context();
    let mut router = Router::builder().mandatory().build(&context).unwrap();
    router.connect_as(context.endpoint("one"), &id("first")).unwrap();
    // At once, with nobody there.
    router.send(parts(["first", "early"])).unwrap();
    assert!(router.has_peer("first"));
    assert_eq!(router.connect_as(context.endpoint("two"), &id("first")), Err(ConnectError::IdInUse));
    assert!(matches!(router.connect_as("nowhere", &id("x")), Err(ConnectError::Endpoint(_))));
    let mut one = Dealer::builder().routing_id(id("calls itself otherwise")).build(&context).unwrap();
    one.bind(context.endpoint("one")).unwrap();
    assert_eq!(one.next(), "early".into());
    one.send("x").unwrap();
    assert_eq!(router.next(), parts(["first", "x"]));
    assert!(!router.has_peer("calls itself otherwise"));
    let mut two = Dealer::new(&context).unwrap();
    two.bind(context.endpoint("two")).unwrap();
    router.connect_as(context.endpoint("two"), &id("second")).unwrap();
    router.send(parts(["second", "y"])).unwrap();
    assert_eq!(two.next(), "y".into());
    assert_eq!(router.peer_ids().len(), 2);
    // A newcomer of that name is the second of it.
    let _twin = dealer(&context, "first", "late");
    router.bind(context.endpoint("late")).unwrap();
    router.send(parts(["first", "still"])).unwrap();
    assert_eq!(one.next(), "still".into());
    // The name is free with the connection.
    router.disconnect(context.endpoint("two")).unwrap();
    assert!(!router.has_peer("second"));
    router.connect_as(context.endpoint("two"), &id("second")).unwrap();
    router.send(parts(["second", "again"])).unwrap();
    assert_eq!(two.next(), "again".into());
}

pub(crate) fn connecting_before_binding_both_ways(flavor: Flavor) {
    let context = flavor.context();
    // The dealer waits for the router.
    let mut early = dealer(&context, "early", HERE);
    early.send("x").unwrap();
    let mut first = mandatory(&context);
    assert_eq!(first.next(), parts(["early", "x"]));
    // The router waits for the dealer: nobody has a name yet.
    let mut router = Router::builder().mandatory().wait(WaitPolicy::Park).build(&context).unwrap();
    router.connect(context.endpoint("dealer")).unwrap();
    assert_eq!((router.peers(), router.peer_ids().len()), (1, 0));
    assert_eq!(refused(router.send(parts(["late", "x"]))).reason, SendFailure::Unroutable);
    let receiver = thread::spawn(move || {
        let message = router.next();
        router.send(message).unwrap();
        router
    });
    thread::sleep(A_WHILE);
    let mut late = Dealer::builder().routing_id(id("late")).build(&context).unwrap();
    late.bind(context.endpoint("dealer")).unwrap();
    late.send("hello").unwrap();
    assert_eq!(late.next(), "hello".into());
    let mut router = receiver.join().unwrap();
    assert!(router.has_peer("late"));
    // And without a word of the dealer's.
    router.connect(context.endpoint("silent")).unwrap();
    let mut silent = Dealer::builder().routing_id(id("silent")).build(&context).unwrap();
    silent.bind(context.endpoint("silent")).unwrap();
    known(&context, &mut router, &["silent"]);
    router.send(parts(["silent", "x"])).unwrap();
    assert_eq!(silent.next(), "x".into());
}

pub(crate) fn probes_tell_of_new_peers(flavor: Flavor) {
    let context = flavor.context();
    let probing = |name: &str| Router::builder().routing_id(id(name)).probe_router().build(&context).unwrap();
    let (mut here, mut there) = (probing("here"), probing("there"));
    here.bind(context.endpoint("here")).unwrap();
    there.connect(context.endpoint("here")).unwrap();
    // Both ways, with nobody calling in.
    assert_eq!(here.next(), parts(["there", ""]));
    assert_eq!(there.next(), parts(["here", ""]));
    here.send(parts(["there", "x"])).unwrap();
    assert_eq!(there.next(), parts(["here", "x"]));
    assert_eq!((here.counters().messages_sent, there.counters().messages_sent), (2, 1));

    let mut quiet = router(&context);
    let mut req = Req::builder().routing_id(id("req")).probe_router().build(&context).unwrap();
    req.connect(context.endpoint(HERE)).unwrap();
    let mut dealer = Dealer::builder().routing_id(id("dealer")).probe_router().build(&context).unwrap();
    dealer.bind(context.endpoint("dealer")).unwrap();
    quiet.connect(context.endpoint("dealer")).unwrap();
    let mut greeted = [quiet.next(), quiet.next()];
    greeted.sort_by(|one, other| one[0][..].cmp(&other[0]));
    assert_eq!(greeted, [parts(["dealer", ""]), parts(["req", ""])]);
    // Before the bind: it waits with what else was sent, ahead of it.
    let mut early = Dealer::builder().routing_id(id("early")).probe_router().build(&context).unwrap();
    early.connect(context.endpoint("unbound")).unwrap();
    early.send("second").unwrap();
    quiet.bind(context.endpoint("unbound")).unwrap();
    assert_eq!(quiet.next(), parts(["early", ""]));
    assert_eq!(quiet.next(), parts(["early", "second"]));
    let all =
        [here.counters(), there.counters(), quiet.counters(), req.counters(), dealer.counters(), early.counters()];
    let (sent, received) = all.iter().map(flow).fold((0, 0), |sum, flow| (sum.0 + flow.0, sum.1 + flow.1));
    assert_eq!((sent, received), (7, 7));
    // One that nobody receives is lost like any other, and it wakes a sleeper.
    let mut sleeper = Router::builder().wait(WaitPolicy::Park).build(&context).unwrap();
    sleeper.bind(context.endpoint("sleeper")).unwrap();
    let sleeper = thread::spawn(move || {
        assert_eq!(sleeper.next(), parts(["dealer", ""]));
        sleeper
    });
    thread::sleep(A_WHILE);
    dealer.connect(context.endpoint("sleeper")).unwrap();
    drop((sleeper.join().unwrap(), here, there, quiet, req, dealer, early));
    context.settle(8, 8);
}

pub(crate) fn a_leaver_is_heard_and_not_sent_to(flavor: Flavor) {
    let context = flavor.context();
    let mut router = mandatory(&context);
    let mut leaving = dealer(&context, "leaving", HERE);
    known(&context, &mut router, &["leaving"]);
    (0..5).for_each(|number| leaving.send(numbered(number)).unwrap());
    drop(leaving);
    context.eventually("it is gone", || !router.has_peer("leaving"));
    assert!(router.peer_ids().is_empty());
    assert_eq!(refused(router.send(parts(["leaving", "x"]))).reason, SendFailure::Unroutable);
    for number in 0..5_u64 {
        let message = router.next();
        assert_eq!((&message[0][..], &message[1][..]), (&b"leaving"[..], &number.to_le_bytes()[..]));
    }
    context.eventually("its pipe has gone, too", || {
        assert_eq!(router.try_recv(), Err(RecvError::Empty));
        router.peers() == 0
    });
    drop(router);
    context.settle(5, 5);
}

pub(crate) fn disconnecting_and_coming_back(flavor: Flavor) {
    let context = flavor.context();
    let mut router = mandatory(&context);
    let mut dealer = dealer(&context, "back", HERE);
    for turn in 0..20 {
        dealer.send(numbered(turn)).unwrap();
        assert_eq!(router.next()[1], turn.to_le_bytes());
        router.send(parts(["back", "x"])).unwrap();
        assert_eq!(dealer.next(), "x".into());
        dealer.disconnect(context.endpoint(HERE)).unwrap();
        context.eventually("it is gone", || !router.has_peer("back"));
        assert_eq!(dealer.try_send("nowhere").unwrap_err().reason, SendFailure::NoPeer);
        dealer.connect(context.endpoint(HERE)).unwrap();
        context.eventually("it is back", || router.has_peer("back"));
    }
}

pub(crate) fn a_thousand_peers(flavor: Flavor) {
    let context = flavor.context();
    let count = if cfg!(miri) { 20 } else { flavor.many(5000).min(1000) as usize };
    let mut router = mandatory(&context);
    let mut dealers: Vec<Dealer> = (0..count).map(|number| dealer(&context, &format!("peer-{number}"), HERE)).collect();
    context.comes_true("all are known", || router.peer_ids().len() == count);
    for round in 0..3 {
        for (number, dealer) in dealers.iter_mut().enumerate().skip(round).step_by(7) {
            dealer.send(numbered(number as u64)).unwrap();
        }
        for number in (round..count).step_by(7) {
            let message = router.next();
            let said = u64::from_le_bytes(message[1].as_bytes().try_into().unwrap());
            assert_eq!(message[0], format!("peer-{said}").as_str());
            assert!((round as u64..count as u64).contains(&said) || number > 0);
            router.send(message).unwrap();
        }
        for (number, dealer) in dealers.iter_mut().enumerate().skip(round).step_by(7) {
            dealer.expect_numbers([number as u64]);
        }
    }
    // Half of them leave.
    let mut number = 0;
    dealers.retain(|_| {
        number += 1;
        number % 2 == 1
    });
    context.eventually("half are gone", || router.peer_ids().len() == count / 2);
    for number in 0..count {
        let result = router.send(parts([&format!("peer-{number}"), "x"]));
        assert_eq!(
            result.map_err(|error| error.reason),
            if number % 2 == 0 { Ok(()) } else { Err(SendFailure::Unroutable) }
        );
    }
    dealers.iter_mut().for_each(|dealer| assert_eq!(dealer.next(), "x".into()));
}

pub(crate) fn looking_sees_who_is_in_line(flavor: Flavor) {
    let context = flavor.context();
    let mut router = mandatory(&context);
    let holder = dealer(&context, "twin", HERE);
    known(&context, &mut router, &["twin"]);
    let mut held = dealer(&context, "twin", HERE);
    held.send("x").unwrap();
    thread::sleep(A_WHILE);
    assert!(!router.can_recv(), "held back");
    drop(holder);
    context.eventually("it is the next one's turn", || router.can_recv());
    assert_eq!(router.try_recv(), Ok(parts(["twin", "x"])));
    assert!(!router.can_recv());
}

/// Dealers that come and go, some with the same name, and a router that answers each.
pub(crate) fn many_talk_at_once_and_all_adds_up(flavor: Flavor) {
    for seed in 0..if cfg!(miri) { 2 } else { flavor.many(150).min(6) } {
        let context = flavor.context();
        let policy = if seed % 2 == 0 { DuplicateId::Refuse } else { DuplicateId::HandOver };
        let builder = if seed % 3 == 0 { Router::builder().mandatory() } else { Router::builder() };
        let builder = builder.duplicate_id(policy).send_hwm(2).recv_hwm(3);
        let mut router = builder.wait(WaitPolicy::Park).build(&context).unwrap();
        router.bind(context.endpoint(HERE)).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let it_is_over = is_over.clone();
        let answering = thread::spawn(move || {
            let mut answers = 0;
            loop {
                let Ok(message) = router.recv_timeout(Duration::from_millis(5)) else {
                    if it_is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    continue;
                };
                let timeout = Duration::from_millis(20);
                answers += u64::from(router.send_timeout(message, timeout).is_ok());
            }
            let counters = router.counters();
            assert_eq!(answers, counters.messages_sent + counters.unroutable + counters.dropped);
            flow(&counters)
        });
        let talking: Vec<_> = (0..3)
            .map(|talker| {
                let (context, mut dice) = (context.clone(), Dice(seed * 10 + talker));
                thread::spawn(move || {
                    let (mut sent, mut received) = (0, 0);
                    for _ in 0..6 {
                        let builder = Dealer::builder().send_hwm(2).recv_hwm(2);
                        // On a stream, one may be sent after the counters were read.
                        let probes = dice.roll(2) == 0 && flavor.tells_at_once();
                        let builder = if probes { builder.probe_router() } else { builder };
                        let builder = match dice.roll(3) {
                            0 => builder,
                            1 => builder.routing_id(id("same")),
                            _ => builder.routing_id(id(&format!("talker-{talker}"))),
                        };
                        let mut dealer = builder.wait(WaitPolicy::Park).build(&context).unwrap();
                        dealer.connect(context.endpoint(HERE)).unwrap();
                        for number in 0..dice.roll(60) {
                            let _ = dealer.send_timeout(numbered(number), Duration::from_millis(1));
                            if dice.roll(4) > 0 {
                                let _ = dealer.recv_timeout(Duration::from_millis(1));
                            }
                        }
                        let flow = flow(&dealer.counters());
                        (sent, received) = (sent + flow.0, received + flow.1);
                    }
                    (sent, received)
                })
            })
            .collect();
        let mut flows: Vec<_> = talking.into_iter().map(|talker| talker.join().unwrap()).collect();
        is_over.store(true, Ordering::Relaxed);
        flows.push(answering.join().unwrap());
        let (sent, received) = flows.into_iter().fold((0, 0), |sum, flow| (sum.0 + flow.0, sum.1 + flow.1));
        context.settle(sent, received);
    }
}
