//! Listeners that go away and come back, and streams that are cut: what connects does so again, by itself.

use std::{collections::BTreeSet, thread, time::Duration};

use ringway::{
    Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, WaitPolicy, XSub,
    socket::{RecvError, SendFailure},
};

use crate::{
    flavor::{A_WHILE, Dice, Flavor, PATIENCE, Peers, Receiver, Sender, World, id, number, numbered, parts},
    relay::Relay,
};

/// A socket that connects and sends, with a listener that receives.
trait Way {
    type Sends: Sender + Peers + Send + 'static;
    type Receives: Receiver + Peers;

    fn sends(world: &World) -> Self::Sends;
    fn receives(world: &World) -> Self::Receives;
    fn connect(sends: &mut Self::Sends, endpoint: &str);
    fn bind(receives: &mut Self::Receives, endpoint: &str);
}

macro_rules! way {
    ($way:ident, $sends:ident, $receives:ident) => {
        struct $way;

        impl Way for $way {
            type Sends = $sends;
            type Receives = $receives;

            fn sends(world: &World) -> $sends {
                let linger = Duration::ZERO;
                world.eager(world.narrow($sends::builder().send_hwm(8).linger(linger))).build(world).unwrap()
            }

            fn receives(world: &World) -> $receives {
                world.narrow($receives::builder().recv_hwm(3)).build(world).unwrap()
            }

            fn connect(sends: &mut $sends, endpoint: &str) {
                sends.connect(endpoint).unwrap();
            }

            fn bind(receives: &mut $receives, endpoint: &str) {
                receives.bind(endpoint).unwrap();
            }
        }
    };
}

way!(Line, Push, Pull);
way!(Talk, Dealer, Dealer);
way!(Couple, Pair, Pair);

pub(crate) fn a_listener_comes_back_and_gets_what_was_queued(flavor: Flavor) {
    gets_what_was_queued::<Line>(flavor);
    gets_what_was_queued::<Talk>(flavor);
    gets_what_was_queued::<Couple>(flavor);
}

fn gets_what_was_queued<W: Way>(flavor: Flavor) {
    let context = flavor.context();
    let endpoint = context.endpoint("back");
    let mut sends = W::sends(&context);
    W::connect(&mut sends, &endpoint);
    for round in 0..3 {
        // While nobody is there, as much as its own mark says, and exactly.
        let first = round * 100;
        let queued = sends.fill(&context, first, flavor.own_part(8));
        let mut receives = W::receives(&context);
        W::bind(&mut receives, &endpoint);
        receives.expect_numbers(first..first + queued);
        context.joined(&sends, 1);
        sends.attempt(numbered(first + queued)).unwrap();
        receives.expect_numbers([first + queued]);
        drop(receives);
        context.eventually("its leaving is heard", || sends.joined() == 0);
    }
}

pub(crate) fn a_listener_that_left_unread_costs_what_it_had(flavor: Flavor) {
    costs_what_it_had::<Line>(flavor);
    costs_what_it_had::<Talk>(flavor);
    costs_what_it_had::<Couple>(flavor);
}

fn costs_what_it_had<W: Way>(flavor: Flavor) {
    let context = flavor.context();
    let endpoint = context.endpoint("unread");
    let mut sends = W::sends(&context);
    W::connect(&mut sends, &endpoint);
    let mut receives = W::receives(&context);
    W::bind(&mut receives, &endpoint);
    context.joined(&sends, 1);
    let capacity = flavor.capacity(8, 3);
    let sent = sends.fill(&context, 0, capacity);
    drop(receives);
    context.eventually("its leaving is heard", || sends.joined() == 0);
    let mut receives = W::receives(&context);
    W::bind(&mut receives, &endpoint);
    // What the first was given is lost with it; what it was not, or not wholly, comes to the next, in order.
    let first = receives.next_number();
    let lost = if flavor.counts_to_the_end() { capacity.less(sent) } else { capacity.less(8) };
    assert!(lost.at_least <= Some(first) && Some(first) <= lost.at_most, "{first} of {sent}");
    receives.expect_numbers(first + 1..sent);
    drop((sends, receives));
    context.settle(sent, sent - first);
}

pub(crate) fn what_comes_back_is_served_in_turn(flavor: Flavor) {
    let context = flavor.context();
    let mut push = context.eager(Push::builder()).build(&context).unwrap();
    let mut pulls: Vec<Pull> = Vec::new();
    for name in ["one", "two"] {
        push.connect(context.endpoint(name)).unwrap();
        let mut pull = Pull::new(&context).unwrap();
        pull.bind(context.endpoint(name)).unwrap();
        pulls.push(pull);
    }
    context.joined(&push, 2);
    for round in 0..5 {
        let mut again = Pull::new(&context).unwrap();
        drop(pulls.remove(0));
        context.eventually("its leaving is heard", || push.joined() == 1);
        let name = ["one", "two"][round % 2];
        again.bind(context.endpoint(name)).unwrap();
        pulls.push(again);
        context.joined(&push, 2);
        (0..10).for_each(|number| push.send(numbered(number)).unwrap());
        for pull in &mut pulls {
            (0..5).for_each(|_| _ = pull.next_number());
        }
    }
}

pub(crate) fn a_request_to_one_that_went_away_may_be_asked_again(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive] {
        let context = flavor.context();
        let mut asking = context.eager(Req::builder().wait(policy)).build(&context).unwrap();
        asking.connect(context.endpoint("rep")).unwrap();
        for round in 0..5 {
            let mut rep = Rep::new(&context).unwrap();
            rep.bind(context.endpoint("rep")).unwrap();
            asking.send(numbered(round)).unwrap();
            assert_eq!(rep.next(), numbered(round));
            drop(rep);
            assert_eq!(asking.recv_timeout(PATIENCE), Err(RecvError::PeerLeft));
            assert_eq!(asking.recv(), Err(RecvError::NoRequest), "told once");
            // Asked before anybody is back: it waits.
            asking.send(numbered(100 + round)).unwrap();
            let mut rep = Rep::new(&context).unwrap();
            rep.bind(context.endpoint("rep")).unwrap();
            assert_eq!(rep.next(), numbered(100 + round));
            rep.send("reply").unwrap();
            assert_eq!(asking.next(), "reply".into());
            drop(rep);
            // By the socket, too, which looks when it is asked: a request may be given to one whose connection was lost a moment
            // ago, and that would be told by `PeerLeft`.
            context.eventually("its leaving is heard", || {
                asking.can_send() && asking.joined() == 0 && asking.list().len() == 1
            });
        }
    }
}

pub(crate) fn a_request_is_sent_again_when_its_listener_comes_back(flavor: Flavor) {
    let context = flavor.context();
    let mut asking = context.eager(Req::builder().resend(3)).build(&context).unwrap();
    asking.connect(context.endpoint("rep")).unwrap();
    let mut rep = Rep::new(&context).unwrap();
    rep.bind(context.endpoint("rep")).unwrap();
    let asker = thread::spawn(move || asking.request("hello?").unwrap());
    assert_eq!(rep.next(), "hello?".into());
    drop(rep);
    let mut rep = Rep::new(&context).unwrap();
    rep.bind(context.endpoint("rep")).unwrap();
    assert_eq!(rep.next(), "hello?".into());
    rep.send("here").unwrap();
    assert_eq!(asker.join().unwrap(), "here".into());
}

pub(crate) fn subscriptions_are_told_to_a_publisher_that_comes_back(flavor: Flavor) {
    let context = flavor.context();
    let mut subscriber = context.eager(Sub::builder().subscribe("a")).build(&context).unwrap();
    let mut forwarder = context.eager(XSub::builder()).build(&context).unwrap();
    subscriber.connect(context.endpoint("news")).unwrap();
    forwarder.connect(context.endpoint("news")).unwrap();
    subscriber.subscribe("b");
    subscriber.subscribe("gone");
    subscriber.unsubscribe("gone");
    forwarder.send([&[1][..], b"c"].concat()).unwrap();
    for round in 0..4 {
        let mut publisher = Pub::new(&context).unwrap();
        publisher.bind(context.endpoint("news")).unwrap();
        // The subscribers do not call in.
        publisher.wait_for_subscribers(2, PATIENCE).unwrap();
        context.eventually("all topics are known", || publisher.topics() == 3);
        for topic in ["gone", "a", "c", "b"] {
            publisher.send(parts([topic, "x"])).unwrap();
        }
        assert_eq!(subscriber.next(), parts(["a", "x"]), "round {round}");
        assert_eq!(subscriber.next(), parts(["b", "x"]));
        assert_eq!(forwarder.next(), parts(["c", "x"]));
        drop(publisher);
        context.eventually("its leaving is heard", || subscriber.joined() + forwarder.joined() == 0);
    }
}

pub(crate) fn a_router_that_comes_back_knows_its_peers_by_name(flavor: Flavor) {
    let context = flavor.context();
    let mut dealer = context.eager(Dealer::builder().routing_id(id("dealer"))).build(&context).unwrap();
    dealer.connect(context.endpoint("router")).unwrap();
    for round in 0..5 {
        let mut router = Router::builder().mandatory().build(&context).unwrap();
        router.bind(context.endpoint("router")).unwrap();
        context.eventually("it is known", || router.has_peer("dealer"));
        router.send(parts(["dealer", "hello"])).unwrap();
        assert_eq!(dealer.next(), "hello".into());
        dealer.send(numbered(round)).unwrap();
        assert_eq!(router.next()[1], round.to_le_bytes());
        drop(router);
        context.eventually("its leaving is heard", || dealer.joined() == 0);
    }
}

/// What has come of a stream of numbers: each once. (Of two connections, one of which is over, a receiver takes in turn.)
struct Taken(BTreeSet<u64>);

impl Taken {
    fn take(&mut self, pull: &mut Pull, timeout: Duration) {
        if let Ok(message) = pull.recv_timeout(timeout) {
            assert!(self.0.insert(number(&message)), "{} comes twice", number(&message));
        }
    }

    fn newest(&self) -> Option<u64> {
        self.0.last().copied()
    }
}

pub(crate) fn a_stream_that_is_cut_comes_back(flavor: Flavor) {
    const MESSAGES: u64 = 1000;
    for seed in 0..2 {
        let context = flavor.context();
        let relay = Relay::new(context.endpoint("relay"), context.endpoint("far"));
        let mut dice = Dice(seed);
        let mut pull = Pull::builder().recv_hwm(10).wait(WaitPolicy::Park).build(&context).unwrap();
        pull.bind(context.endpoint("far")).unwrap();
        let mut push = context.eager(Push::builder().send_hwm(10).wait(WaitPolicy::Park)).build(&context).unwrap();
        push.connect(context.endpoint("relay")).unwrap();
        // The first goes through whole; then it is cut anywhere, in greetings, too.
        push.send(numbered(0)).unwrap();
        pull.expect_numbers([0]);
        let sender = thread::spawn(move || {
            for number in 1..MESSAGES {
                push.send(numbered(number)).unwrap();
                if number % 100 == 0 {
                    // So that not all go into one buffer.
                    thread::sleep(Duration::from_millis(1));
                }
            }
            push
        });
        let mut taken = Taken(BTreeSet::from([0]));
        for _ in 0..10 {
            let cuts = relay.cuts();
            let within = [300, 5000][dice.roll(2) as usize];
            relay.cut_after(dice.roll(within));
            context.eventually("it is cut, or all has been sent", || {
                taken.take(&mut pull, Duration::from_millis(1));
                relay.cuts() > cuts || sender.is_finished()
            });
        }
        relay.cut_after(u64::MAX);
        context.eventually("all is sent", || {
            taken.take(&mut pull, A_WHILE);
            sender.is_finished()
        });
        // It is there again, and brings what comes now.
        let mut push = sender.join().unwrap();
        let mut next = MESSAGES;
        context.eventually("what is sent now arrives", || {
            if push.try_number(next).is_ok() {
                next += 1;
            }
            taken.take(&mut pull, A_WHILE);
            taken.newest() >= Some(MESSAGES)
        });
        context.eventually("nothing is lost when nothing is cut", || {
            taken.take(&mut pull, A_WHILE);
            let newest = taken.0.range(MESSAGES..);
            newest.clone().next_back() == Some(&(next - 1)) && newest.is_sorted_by(|one, other| **one + 1 == **other)
        });
        let (sent, received) = (push.counters().messages_sent, taken.0.len() as u64);
        assert_eq!(sent, next);
        drop((push, pull, relay));
        context.settle(sent, received);
    }
}

pub(crate) fn a_talk_that_is_cut_goes_on(flavor: Flavor) {
    let context = flavor.context();
    let relay = Relay::new(context.endpoint("relay"), context.endpoint("far"));
    let mut rep = Rep::builder().wait(WaitPolicy::Park).build(&context).unwrap();
    rep.bind(context.endpoint("far")).unwrap();
    let answering = thread::spawn(move || {
        while let Ok(request) = rep.recv_timeout(PATIENCE) {
            let is_last = request == numbered(u64::MAX);
            // To one that has gone: dropped, and counted.
            rep.send(request).unwrap();
            if is_last {
                // The reply may be lost yet.
                while let Ok(request) = rep.recv_timeout(10 * A_WHILE) {
                    rep.send(request).unwrap();
                }
                return;
            }
        }
    });
    let mut asking = context.eager(Req::builder().reply_timeout(PATIENCE).resend(1000)).build(&context).unwrap();
    asking.connect(context.endpoint("relay")).unwrap();
    let mut dice = Dice(5);
    for number in 0..100 {
        match number % 10 {
            0 => relay.cut(),
            5 => relay.cut_after(dice.roll(400)),
            _ => {}
        }
        assert_eq!(asking.request(numbered(number)), Ok(numbered(number)));
    }
    relay.cut_after(u64::MAX);
    assert_eq!(asking.request(numbered(u64::MAX)), Ok(numbered(u64::MAX)));
    answering.join().unwrap();
}

pub(crate) fn immediate_has_no_queue_for_who_is_not_there(flavor: Flavor) {
    let context = flavor.context();
    let mut push = context.eager(Push::builder().immediate()).build(&context).unwrap();
    push.connect(context.endpoint("nobody")).unwrap();
    push.connect(context.endpoint("somebody")).unwrap();
    assert_eq!(push.try_number(0), Err(SendFailure::NoPeer));
    for _ in 0..3 {
        let mut pull = Pull::new(&context).unwrap();
        pull.bind(context.endpoint("somebody")).unwrap();
        // It is the only peer: each goes there.
        for number in 0..10 {
            push.send(numbered(number)).unwrap();
        }
        pull.expect_numbers(0..10);
        drop(pull);
        context.eventually("its leaving is heard", || push.joined() == 0);
        assert_eq!(push.try_number(9), Err(SendFailure::NoPeer));
    }
    // One that waits is woken by who comes.
    let sender = thread::spawn(move || push.send(numbered(1)).map(|()| push));
    thread::sleep(A_WHILE);
    let mut pull = Pull::new(&context).unwrap();
    pull.bind(context.endpoint("nobody")).unwrap();
    pull.expect_numbers([1]);
    drop(sender.join().unwrap());
}
