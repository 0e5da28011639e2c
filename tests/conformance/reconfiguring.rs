//! Options changed while a socket lives: what counts at once, and what for later endpoints.

use std::time::Duration;

use ringway::{
    Dealer, Frame, Message, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub,
    socket::{Builder, DuplicateId, RecvError, SendFailure},
};

use crate::flavor::{A_WHILE, Flavor, PATIENCE, Peers, Receiver, Sender, dealer, id, marked_pipeline, meet, parts};

pub(crate) fn marks_change_for_connections_there_are(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = marked_pipeline(&context, "marks", 2, 2);
    let held = push.fill(&context, 0, flavor.capacity(2, 2));
    push.reconfigure(&context.narrow(Push::builder().send_hwm(6)));
    assert_eq!(push.send_hwm(), 6);
    let held = held + push.fill(&context, held, flavor.capacity(6, 2).less(held));
    pull.reconfigure(&context.narrow(Pull::builder().recv_hwm(5)));
    assert_eq!(pull.recv_hwm(), 5);
    let held = held + push.fill(&context, held, flavor.capacity(6, 5).less(held));
    pull.expect_numbers(0..held);
}

pub(crate) fn waits_end_as_said_last(flavor: Flavor) {
    let context = flavor.context();
    let mut pair = Pair::new(&context).unwrap();
    pair.reconfigure(&Pair::builder().recv_timeout(A_WHILE).send_timeout(A_WHILE));
    assert_eq!(pair.recv(), Err(RecvError::TimedOut));
    assert_eq!(pair.send("x").unwrap_err().reason, SendFailure::TimedOut);
    let (mut here, mut there) = (pair, Pair::new(&context).unwrap());
    meet!(context, "waits", here, there);
    here.reconfigure(&Pair::builder());
    let answering = std::thread::spawn(move || {
        std::thread::sleep(2 * A_WHILE);
        there.send("late").unwrap();
        there
    });
    assert_eq!(here.recv().unwrap(), "late".into());
    answering.join().unwrap();
}

pub(crate) fn lingers_are_those_said_last(flavor: Flavor) {
    let context = flavor.context();
    let mut push = Push::builder().linger(Duration::ZERO).build(&context).unwrap();
    push.connect(context.endpoint("lingers")).unwrap();
    push.try_number(0).unwrap();
    push.reconfigure(&Push::builder().linger(Duration::MAX));
    drop(push);
    let mut pull = Pull::new(&context).unwrap();
    pull.bind(context.endpoint("lingers")).unwrap();
    pull.expect_numbers([0]);
    drop(pull);
    let mut push = Push::builder().linger(Duration::MAX).build(&context).unwrap();
    push.connect(context.endpoint("lingers no more")).unwrap();
    push.try_number(0).unwrap();
    push.reconfigure(&Push::builder().linger(Duration::ZERO));
    drop(push);
    assert_eq!(context.settle(2, 1).undelivered, 1);
}

pub(crate) fn a_routing_id_is_for_later_endpoints(flavor: Flavor) {
    let context = flavor.context();
    let mut routers: Vec<Router> = (0..4).map(|_| Router::new(&context).unwrap()).collect();
    let named = |name| Dealer::builder().routing_id(id(name));
    let mut dealer = named("one").build(&context).unwrap();
    // Each name once by binding and once by connecting, and found under it whenever the other side comes.
    for (number, name) in ["one", "two"].into_iter().enumerate() {
        dealer.reconfigure(&named(name));
        dealer.bind(context.endpoint(&format!("bound-{number}"))).unwrap();
        dealer.connect(context.endpoint(&format!("connected-{number}"))).unwrap();
    }
    for number in 0..2 {
        routers[2 * number].connect(context.endpoint(&format!("bound-{number}"))).unwrap();
        routers[2 * number + 1].bind(context.endpoint(&format!("connected-{number}"))).unwrap();
    }
    for (number, router) in routers.iter_mut().enumerate() {
        let name = ["one", "two"][number / 2];
        context.comes_true("it is known", || router.has_peer(name));
        assert_eq!(router.peer_ids().len(), 1);
        router.send(parts([name, "you"])).unwrap();
        assert_eq!(dealer.next(), "you".into());
    }
}

pub(crate) fn greetings_are_for_later_endpoints(flavor: Flavor) {
    let context = flavor.context();
    let mut publisher = XPub::new(&context).unwrap();
    publisher.bind(context.endpoint("mute")).unwrap();
    publisher.reconfigure(&XPub::builder().welcome("W"));
    publisher.bind(context.endpoint("polite")).unwrap();
    let mut subscribers = ["mute", "polite"].map(|endpoint| {
        let mut subscriber =
            Sub::builder().subscribe("W").subscribe("end").subscribe(endpoint).build(&context).unwrap();
        subscriber.connect(context.endpoint(endpoint)).unwrap();
        subscriber
    });
    context.comes_true("both have come", || publisher.topics() == 4);
    publisher.send("end").unwrap();
    assert_eq!(subscribers[0].next(), "end".into());
    assert_eq!(subscribers[1].next(), "W".into());
    assert_eq!(subscribers[1].next(), "end".into());
}

pub(crate) fn conflation_is_for_later_endpoints(flavor: Flavor) {
    let context = flavor.context();
    let mut pull = Pull::new(&context).unwrap();
    pull.bind(context.endpoint("all")).unwrap();
    let mut push = Push::new(&context).unwrap();
    push.connect(context.endpoint("all")).unwrap();
    context.joined(&pull, 1);
    pull.reconfigure(&Pull::builder().conflate());
    push.reconfigure(&Push::builder().conflate());
    (0..100).for_each(|number| push.try_number(number).unwrap());
    pull.expect_numbers(0..100);
    assert_eq!(push.counters().conflated, 0);
    push.disconnect(context.endpoint("all")).unwrap();
    context.eventually("it is gone", || pull.try_recv().is_err() && pull.peers() == 0);
    // Where both say so from now on, the newest is kept.
    pull.bind(context.endpoint("newest")).unwrap();
    push.connect(context.endpoint("newest")).unwrap();
    context.joined(&push, 1);
    (0..100).for_each(|number| push.try_number(number).unwrap());
    let mut last = pull.next_number();
    while last < 99 {
        last = pull.next_number();
    }
    assert_eq!(pull.try_recv(), Err(RecvError::Empty));
}

pub(crate) fn a_router_does_as_said_last(flavor: Flavor) {
    let context = flavor.context();
    let mut router = Router::new(&context).unwrap();
    router.bind(context.endpoint("router")).unwrap();
    router.try_send(parts(["nobody", "x"])).unwrap();
    router.reconfigure(&Router::builder().mandatory().duplicate_id(DuplicateId::HandOver));
    assert_eq!(router.try_send(parts(["nobody", "x"])).unwrap_err().reason, SendFailure::Unroutable);
    let mut old = context.once(Dealer::builder()).routing_id(id("same")).build(&context).unwrap();
    old.connect(context.endpoint("router")).unwrap();
    old.send("old").unwrap();
    assert_eq!(router.next(), parts(["same", "old"]));
    let mut new = dealer(&context, "same", "router");
    new.send("new").unwrap();
    assert_eq!(router.next(), parts(["same", "new"]));
    router.reconfigure(&Router::builder());
    router.try_send(parts(["nobody", "x"])).unwrap();
    let mut third = dealer(&context, "same", "router");
    third.send("waits in line").unwrap();
    new.send("still me").unwrap();
    assert_eq!(router.next(), parts(["same", "still me"]));
}

pub(crate) fn a_request_under_way_stays_as_it_was_sent(flavor: Flavor) {
    let context = flavor.context();
    let correlated = || Req::builder().correlate();
    let (mut asking, mut answering) = (Req::new(&context).unwrap(), Router::new(&context).unwrap());
    meet!(context, "asking", answering, asking);
    let frames = |message: &Message| message.len();
    // With the number or without it, as it was when the request was sent.
    for (before, after, len) in
        [(Req::builder(), correlated(), 3), (correlated(), Req::builder(), 4), (Req::builder(), Req::builder(), 3)]
    {
        asking.reconfigure(&before);
        asking.send("question").unwrap();
        let question = answering.next();
        assert_eq!(frames(&question), len);
        asking.reconfigure(&after);
        answering.send(question).unwrap();
        assert_eq!(asking.next(), "question".into());
    }
    asking.send("forgotten").unwrap();
    assert_eq!(asking.try_send("early").unwrap_err().reason, SendFailure::AwaitingReply);
    asking.reconfigure(&correlated().relaxed());
    asking.send("again").unwrap();
    let first = answering.next();
    answering.send(first).unwrap();
    let second = answering.next();
    answering.send(second).unwrap();
    assert_eq!(asking.next(), "again".into());
}

pub(crate) fn attempts_left_are_those_of_the_request(flavor: Flavor) {
    let context = flavor.context();
    let persistent = || context.once(Req::builder()).resend(3).reply_timeout(PATIENCE);
    let mut asking = persistent().build(&context).unwrap();
    let mut first = Rep::new(&context).unwrap();
    first.bind(context.endpoint("first")).unwrap();
    asking.connect(context.endpoint("first")).unwrap();
    asking.send("answered").unwrap();
    let question = first.next();
    first.send(question).unwrap();
    assert_eq!(asking.next(), "answered".into());
    // Nothing of that request counts for the next one, which is sent once.
    asking.reconfigure(&context.once(Req::builder()));
    asking.send("not answered").unwrap();
    first.next();
    drop(first);
    assert_eq!(asking.recv_timeout(PATIENCE), Err(RecvError::PeerLeft));
}

fn notice(wanted: bool, topic: &str) -> Message {
    Message::from([&[u8::from(wanted)], topic.as_bytes()].concat())
}

pub(crate) fn a_publisher_tells_and_grants_as_said_last(flavor: Flavor) {
    let context = flavor.context();
    let mut publisher = XPub::new(&context).unwrap();
    publisher.bind(context.endpoint("publisher")).unwrap();
    let mut subscribers: Vec<Sub> = (0..2)
        .map(|_| {
            let mut subscriber = context.once(Sub::builder()).build(&context).unwrap();
            subscriber.connect(context.endpoint("publisher")).unwrap();
            subscriber
        })
        .collect();
    context.joined(&publisher, 2);
    subscribers[0].subscribe("a");
    assert_eq!(publisher.next(), notice(true, "a"));
    publisher.reconfigure(&XPub::builder().verbose());
    subscribers[1].subscribe("a");
    assert_eq!(publisher.next(), notice(true, "a"));
    // The application grants, also to those it has not been asked for.
    publisher.reconfigure(&XPub::builder().manual());
    subscribers[0].subscribe("b");
    assert_eq!(publisher.next(), notice(true, "b"));
    publisher.send("b").unwrap();
    assert_eq!(publisher.counters().deliveries, 0);
    publisher.subscribe("c").unwrap();
    publisher.send("a").unwrap();
    publisher.send("c").unwrap();
    assert_eq!(publisher.counters().deliveries, 3);
    subscribers[1].subscribe("d");
    assert_eq!(subscribers[0].next(), "a".into());
    assert_eq!(subscribers[1].next(), "a".into());
    // It is told of the end of all that was asked for, before and after.
    drop(subscribers.remove(0));
    let mut told: Vec<Message> = (0..3).map(|_| publisher.next()).collect();
    told.sort_by(|one, other| one[0].cmp(&other[0][..]));
    assert_eq!(told, [notice(false, "a"), notice(false, "b"), notice(true, "d")]);
    // What nobody has granted yet is granted now.
    subscribers[0].subscribe("e");
    context.eventually("it has arrived", || publisher.can_recv());
    assert_eq!(publisher.next(), notice(true, "e"));
    subscribers[0].subscribe("f");
    publisher.reconfigure(&XPub::builder());
    context.comes_true("they are granted", || publisher.topics() == 2);
    publisher.send("f").unwrap();
    assert_eq!(subscribers[0].next(), "f".into());
}

pub(crate) fn a_subscriber_takes_as_said_last(flavor: Flavor) {
    let context = flavor.context();
    let mut publisher = Pub::builder().invert_matching().build(&context).unwrap();
    publisher.bind(context.endpoint("inverted")).unwrap();
    let mut subscriber = Sub::builder().subscribe("a").build(&context).unwrap();
    subscriber.connect(context.endpoint("inverted")).unwrap();
    publisher.wait_for_subscribers(1, PATIENCE).unwrap();
    subscriber.reconfigure(&Sub::builder().invert_matching());
    publisher.send("b").unwrap();
    assert_eq!(subscriber.next(), "b".into());
    publisher.reconfigure(&Pub::builder());
    publisher.send("a1").unwrap();
    context.eventually("it came, and is not wanted", || {
        subscriber.try_recv() == Err(RecvError::Empty) && subscriber.counters().filtered == 1
    });
    subscriber.reconfigure(&Sub::builder());
    publisher.send("a2").unwrap();
    assert_eq!(subscriber.next(), "a2".into());
}

// Of streams only.

pub(crate) fn reconnecting_is_for_later_endpoints(flavor: Flavor) {
    let context = flavor.context();
    let builder = |is_eager: bool| -> Builder<Push> {
        if is_eager { context.eager(Push::builder()) } else { context.once(Push::builder()) }
    };
    let mut push = builder(false).build(&context).unwrap();
    push.connect(context.endpoint("never")).unwrap();
    push.reconfigure(&builder(true));
    push.connect(context.endpoint("later")).unwrap();
    context.eventually("the first is over", || push.peers() == 1);
    push.try_number(0).unwrap();
    let mut pull = Pull::new(&context).unwrap();
    pull.bind(context.endpoint("later")).unwrap();
    pull.expect_numbers([0]);
    // And it goes on as it was begun, whatever is said now.
    push.reconfigure(&builder(false));
    pull.unbind(context.endpoint("later")).unwrap();
    drop(pull);
    context.eventually("it is gone", || push.joined() == 0);
    let mut pull = Pull::new(&context).unwrap();
    pull.bind(context.endpoint("later")).unwrap();
    push.send("still here").unwrap();
    assert_eq!(pull.next(), "still here".into());
}

pub(crate) fn peers_of_all_endpoints_count(flavor: Flavor) {
    let context = flavor.context();
    let mut pull = Pull::builder().max_peers(1).build(&context).unwrap();
    pull.bind(context.endpoint("first")).unwrap();
    let connected = |endpoint: &str| {
        let mut push = context.eager(Push::builder()).build(&context).unwrap();
        push.connect(context.endpoint(endpoint)).unwrap();
        push
    };
    let first = connected("first");
    context.joined(&pull, 1);
    pull.reconfigure(&Pull::builder().max_peers(2));
    pull.bind(context.endpoint("second")).unwrap();
    let second = connected("second");
    context.joined(&pull, 2);
    let mut third = connected("second");
    third.try_number(3).unwrap();
    context.eventually("one is too many", || pull.counters().streams.refused > 0);
    assert_eq!(pull.joined(), 2);
    // One at the first endpoint makes room at the second.
    drop(first);
    pull.expect_numbers([3]);
    drop(second);
}

pub(crate) fn limits_are_for_later_endpoints(flavor: Flavor) {
    let context = flavor.context();
    let mut pull = Pull::new(&context).unwrap();
    pull.bind(context.endpoint("any size")).unwrap();
    pull.reconfigure(&Pull::builder().max_message_size(100));
    pull.bind(context.endpoint("small")).unwrap();
    let large = || Frame::from(vec![7; 1000]);
    let mut free = Push::new(&context).unwrap();
    free.connect(context.endpoint("any size")).unwrap();
    free.send(large()).unwrap();
    assert_eq!(pull.next(), large().into());
    let mut bound = context.once(Push::builder()).build(&context).unwrap();
    bound.connect(context.endpoint("small")).unwrap();
    bound.send("small").unwrap();
    assert_eq!(pull.next(), "small".into());
    bound.send(large()).unwrap();
    context.eventually("its connection is over", || {
        // Over shared memory it is this socket's calls that find out.
        assert_eq!(pull.try_recv(), Err(RecvError::Empty));
        !bound.can_send()
    });
}
