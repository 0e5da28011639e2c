//! Every type of socket is owned, and served over every road by the same code.

use std::sync::mpsc;

use ringway::{
    Context, Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, RoutingId, Sub, WaitPolicy, XPub, XSub,
    actor::{Client, Ctx, Spec},
    bridge::Received,
    socket::Receives,
};

use crate::{
    PATIENCE,
    cast::{Owner, Props, React, Speak, Talker, act, once, one, text, two},
    wait_until,
};

const ROADS: [&str; 3] = ["inproc://served", "ipc://*", "tcp://127.0.0.1:*"];

fn say_all<S: Receives + 'static>(
    client: &mut Client,
    socket: S,
    react: React<S>,
) -> (ringway::actor::Addr<Owner<S>>, mpsc::Receiver<String>) {
    let (says, said) = mpsc::channel();
    (client.spawn(Spec::<Owner<S>>::new(Props { socket: once(socket), says, react })).unwrap(), said)
}

/// Sends each message back with a word more, which the peer's id leads.
fn serve(owner: &mut Owner<Router>, received: Received, _: &mut Ctx<'_, Owner<Router>>) {
    let incoming = received.unwrap();
    owner.say(if incoming.sender.is_some() { "stream" } else { "process" });
    let mut reply = incoming.message;
    reply.push("served");
    owner.port.try_send(reply).unwrap();
}

#[test]
fn a_router_serves_dealers_and_reqs_over_each_road() {
    for road in ROADS {
        for policy in [WaitPolicy::Adaptive, WaitPolicy::Park] {
            let context = Context::new();
            let mut router = Router::new(&context).unwrap();
            router.bind(road).unwrap();
            let endpoint = router.last_endpoint().unwrap().to_string();
            let runtime = one(policy);
            let (_, said) = say_all(&mut runtime.client().unwrap(), router, serve);
            let rounds = 100;
            std::thread::scope(|scope| {
                for peer in 0..3 {
                    let mut dealer = Dealer::new(&context).unwrap();
                    dealer.connect(&endpoint).unwrap();
                    scope.spawn(move || {
                        (0..rounds).for_each(|number| dealer.send(format!("{peer} {number}")).unwrap());
                        for number in 0..rounds {
                            let reply = dealer.recv_timeout(PATIENCE).unwrap();
                            assert_eq!((&reply[0], &reply[1]), (&format!("{peer} {number}").into(), &"served".into()));
                        }
                    });
                }
                let mut req = Req::new(&context).unwrap();
                req.connect(&endpoint).unwrap();
                scope.spawn(move || {
                    for number in 0..rounds {
                        req.send(format!("{number}")).unwrap();
                        assert_eq!(text(&req.recv_timeout(PATIENCE).unwrap()), "served");
                    }
                });
            });
            let expected = if road.starts_with("inproc") { "process" } else { "stream" };
            assert!(said.try_iter().take(4 * rounds).all(|said| said == expected), "{road}");
            let report = runtime.shutdown(PATIENCE);
            assert_eq!((report.counts.failures, report.counts.dead_letters, report.killed), (0, 0, 0));
        }
    }
}

#[test]
fn a_mandatory_router_sends_first_and_says_who_is_not_there() {
    let context = Context::new();
    let mut router = Router::builder().mandatory().build(&context).unwrap();
    router.bind("inproc://first").unwrap();
    let mut dealer = Dealer::builder().routing_id(RoutingId::new("it").unwrap()).build(&context).unwrap();
    dealer.connect("inproc://first").unwrap();
    let runtime = one(WaitPolicy::Adaptive);
    let mut client = runtime.client().unwrap();
    let (owner, _said) = say_all(&mut client, router, Owner::listen);
    let send = |to: &'static str| {
        act(move |owner: &mut Owner<Router>, _| {
            let message = [to, "task"].into_iter().collect::<ringway::Message>();
            owner.port.try_send(message).map_err(|error| format!("{:?}", error.reason))
        })
    };
    assert_eq!(client.ask(owner, send("it"), PATIENCE).unwrap(), Ok(()));
    assert_eq!(client.ask(owner, send("nobody"), PATIENCE).unwrap(), Err("Unroutable".into()));
    assert_eq!(text(&dealer.recv_timeout(PATIENCE).unwrap()), "task");
}

#[test]
fn a_rep_replies_and_goes_on_with_the_next() {
    fn reply(owner: &mut Owner<Rep>, received: Received, _: &mut Ctx<'_, Owner<Rep>>) {
        owner.port.try_send(format!("re {}", text(&received.unwrap().message))).unwrap();
    }
    for road in ROADS {
        let context = Context::new();
        let mut rep = Rep::new(&context).unwrap();
        rep.bind(road).unwrap();
        let endpoint = rep.last_endpoint().unwrap().to_string();
        let runtime = one(WaitPolicy::Park);
        let _owner = say_all(&mut runtime.client().unwrap(), rep, reply);
        let mut reqs = [(); 3].map(|()| {
            let mut req = Req::new(&context).unwrap();
            req.connect(&endpoint).unwrap();
            req
        });
        for round in 0..30 {
            reqs.iter_mut().for_each(|req| req.send(format!("{round}")).unwrap());
            for req in &mut reqs {
                assert_eq!(text(&req.recv_timeout(PATIENCE).unwrap()), format!("re {round}"));
            }
        }
    }
}

#[test]
fn a_req_asks_and_hears_the_reply() {
    let context = Context::new();
    let (mut req, mut rep) = (Req::new(&context).unwrap(), Rep::new(&context).unwrap());
    rep.bind("inproc://asked").unwrap();
    req.connect("inproc://asked").unwrap();
    let runtime = one(WaitPolicy::Park);
    let mut client = runtime.client().unwrap();
    let (owner, said) = say_all(&mut client, req, Owner::listen);
    for round in 0..30 {
        let question = format!("{round}");
        let asks = act(move |owner: &mut Owner<Req>, _| owner.port.try_send(question).is_ok());
        assert!(client.ask(owner, asks, PATIENCE).unwrap());
        assert_eq!(text(&rep.recv_timeout(PATIENCE).unwrap()), format!("{round}"));
        rep.send(format!("reply {round}")).unwrap();
        assert_eq!(said.recv_timeout(PATIENCE).unwrap(), format!("reply {round}"));
    }
}

#[test]
fn a_pair_a_dealer_and_an_xpub_speak_and_listen() {
    let context = Context::new();
    let runtime = two(WaitPolicy::Adaptive);
    let mut client = runtime.client().unwrap();

    let (mut pair, mut peer) = (Pair::new(&context).unwrap(), Pair::new(&context).unwrap());
    pair.bind("inproc://pair").unwrap();
    peer.connect("inproc://pair").unwrap();
    let (owner, said) = say_all(&mut client, pair, Owner::listen);
    peer.send("to the owner").unwrap();
    assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "to the owner");
    client.ask(owner, act(|owner: &mut Owner<Pair>, _| owner.port.try_send("back").unwrap()), PATIENCE).unwrap();
    assert_eq!(text(&peer.recv_timeout(PATIENCE).unwrap()), "back");

    let (mut dealer, mut peer) = (Dealer::new(&context).unwrap(), Dealer::new(&context).unwrap());
    peer.bind("inproc://dealer").unwrap();
    dealer.connect("inproc://dealer").unwrap();
    let (_, said) = say_all(&mut client, dealer, Owner::listen);
    peer.send("dealt").unwrap();
    assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "dealt");

    let (mut publisher, mut subscriber) = (XPub::new(&context).unwrap(), Sub::new(&context).unwrap());
    publisher.bind("inproc://xpub").unwrap();
    let (owner, said) = say_all(&mut client, publisher, Owner::listen);
    subscriber.connect("inproc://xpub").unwrap();
    subscriber.subscribe("a");
    assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "\u{1}a");
    client.ask(owner, act(|owner: &mut Owner<XPub>, _| owner.port.try_send("a b").unwrap()), PATIENCE).unwrap();
    assert_eq!(text(&subscriber.recv_timeout(PATIENCE).unwrap()), "a b");
}

#[test]
fn subscribers_and_a_pull_listen() {
    let context = Context::new();
    let runtime = one(WaitPolicy::Adaptive);
    let mut client = runtime.client().unwrap();
    let mut publisher = Pub::new(&context).unwrap();
    publisher.bind("inproc://news").unwrap();
    let mut sub = Sub::builder().subscribe("a").build(&context).unwrap();
    sub.connect("inproc://news").unwrap();
    let (_, sub_said) = say_all(&mut client, sub, Owner::listen);
    let mut xsub = XSub::new(&context).unwrap();
    xsub.connect("inproc://news").unwrap();
    let (owner, xsub_said) = say_all(&mut client, xsub, Owner::listen);
    client.ask(owner, act(|owner: &mut Owner<XSub>, _| owner.port.try_send("\u{1}b").unwrap()), PATIENCE).unwrap();
    publisher.wait_for_subscribers(2, PATIENCE).unwrap();
    ["a1", "b1", "a2"].into_iter().for_each(|news| publisher.send(news).unwrap());
    assert_eq!([(); 2].map(|()| sub_said.recv_timeout(PATIENCE).unwrap()), ["a1", "a2"]);
    assert_eq!(xsub_said.recv_timeout(PATIENCE).unwrap(), "b1");

    let (mut pull, mut push) = (Pull::new(&context).unwrap(), Push::new(&context).unwrap());
    pull.bind("inproc://work").unwrap();
    push.connect("inproc://work").unwrap();
    let (_, said) = say_all(&mut client, pull, Owner::listen);
    push.send("work").unwrap();
    assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "work");
}

#[test]
fn those_who_only_send_are_owned_too() {
    let context = Context::new();
    let runtime = one(WaitPolicy::Park);
    let mut client = runtime.client().unwrap();
    let (says, said) = mpsc::channel();

    let (mut push, mut pull) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
    pull.bind("inproc://work").unwrap();
    push.connect("inproc://work").unwrap();
    let pusher = client.spawn(Spec::<Talker<Push>>::new((push, says.clone()))).unwrap();
    assert_eq!(client.ask(pusher, Speak("work".into()), PATIENCE).unwrap(), Ok(()));
    assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "work");

    let (mut publisher, mut sub) = (Pub::new(&context).unwrap(), Sub::builder().subscribe("").build(&context).unwrap());
    publisher.bind("inproc://news").unwrap();
    sub.connect("inproc://news").unwrap();
    publisher.wait_for_subscribers(1, PATIENCE).unwrap();
    let talker = client.spawn(Spec::<Talker<Pub>>::new((publisher, says))).unwrap();
    assert_eq!(client.ask(talker, Speak("news".into()), PATIENCE).unwrap(), Ok(()));
    assert_eq!(text(&sub.recv_timeout(PATIENCE).unwrap()), "news");

    // Each of them is told, once.
    drop((pull, sub));
    let end = std::thread::spawn(move || context.shutdown(PATIENCE));
    assert_eq!([(); 2].map(|()| said.recv_timeout(PATIENCE).unwrap()), ["ContextClosed", "ContextClosed"]);
    assert_eq!(client.ask(pusher, Speak("late".into()), PATIENCE).unwrap(), Err("ContextClosed".into()));
    client.stop(pusher.id());
    client.stop(talker.id());
    assert_eq!(end.join().unwrap().sockets_left, 0);
    assert!(said.recv_timeout(PATIENCE).is_err(), "whoever said it has ended");
}

#[test]
fn a_socket_that_leaves_its_port_is_as_it_was() {
    let context = Context::new();
    let (mut push, mut pull) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
    pull.bind("inproc://moved").unwrap();
    push.connect("inproc://moved").unwrap();
    let runtime = two(WaitPolicy::Park);
    let mut client = runtime.client().unwrap();
    struct Lender(Option<ringway::bridge::Port<Pull>>, mpsc::Sender<String>);
    impl ringway::actor::Actor for Lender {
        type Args = (Pull, mpsc::Sender<String>);

        fn start((pull, says): Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, ringway::actor::Failure> {
            Ok(Self(Some(ringway::bridge::own(ctx, pull, |received| received)?), says))
        }
    }
    impl ringway::actor::Handle<Received> for Lender {
        type Reply = ();

        fn on(&mut self, received: Received, _: &mut Ctx<'_, Self>) {
            _ = self.1.send(crate::cast::word(&received));
        }
    }
    struct Lend;
    impl ringway::actor::Handle<Lend> for Lender {
        type Reply = Option<Pull>;

        fn on(&mut self, _: Lend, _: &mut Ctx<'_, Self>) -> Option<Pull> {
            self.0.take().map(ringway::bridge::Port::into_socket)
        }
    }
    let (says, said) = mpsc::channel();
    for round in 0..20 {
        let lender = client.spawn_on(round % 2, Spec::<Lender>::new((pull, says.clone()))).unwrap();
        push.send("owned").unwrap();
        assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "owned");
        pull = client.ask(lender, Lend, PATIENCE).unwrap().unwrap();
        push.send("free").unwrap();
        assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "free");
        wait_until("nobody else has it", || said.try_recv().is_err());
        client.stop(lender.id());
    }
}
