//! Whom a message came from, and what is known of who sent it.

use ringway::{
    Dealer, PeerId, Pub, Pull, Push, Rep, Req, Router, SocketType, Sub, XPub, XSub,
    monitor::PeerMetadata,
    poll::Interest,
    socket::{RecvError, Sends},
};

use crate::flavor::{Flavor, Peers, Receiver, Sender, World, dealer, id, meet, parts};

/// What a socket knows of who sent its last message. In process nothing is known: nobody keeps count there.
macro_rules! sender {
    ($world:expr, $socket:expr) => {{
        let sender: Option<PeerId> = $socket.last_sender();
        assert_eq!(sender.is_some(), $world.flavor.is_stream());
        sender
    }};
}

#[track_caller]
fn assert_is(world: &World, known: &PeerMetadata, socket_type: SocketType, routing_id: &str) {
    assert_eq!((known.socket_type, &known.routing_id[..]), (socket_type, routing_id.as_bytes()));
    let is_tcp = matches!(world.flavor, Flavor::Tcp | Flavor::TcpSpread | Flavor::TcpCallerDriven);
    assert_eq!(known.address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()), is_tcp);
    assert_eq!(known.address.is_empty(), !world.flavor.is_stream());
    assert!(known.properties.is_empty());
}

pub(crate) fn who_sent_a_message_is_known(flavor: Flavor) {
    let context = flavor.context();
    let mut pull = Pull::new(&context).unwrap();
    pull.bind(context.endpoint("senders")).unwrap();
    assert_eq!(pull.last_sender(), None);
    let mut pushes: Vec<Push> = (0..3)
        .map(|_| {
            let mut push = Push::new(&context).unwrap();
            push.connect(context.endpoint("senders")).unwrap();
            push
        })
        .collect();
    context.joined(&pull, 3);
    let mut senders = Vec::new();
    for (number, push) in (0..).zip(&mut pushes) {
        push.try_number(number).unwrap();
        pull.expect_numbers([number]);
        let sender = sender!(context, pull);
        if let Some(known) = sender.map(|sender| pull.peer_metadata(sender).unwrap()) {
            assert_is(&context, &known, SocketType::Push, "");
        }
        assert!(sender.is_none() || !senders.contains(&sender));
        senders.push(sender);
    }
    // A call that finds nothing changes nothing; nor does it that who sent it is gone.
    assert_eq!(pull.try_recv(), Err(RecvError::Empty));
    assert_eq!(pull.last_sender(), senders[2]);
    drop(pushes.pop());
    context.eventually("it is gone", || pull.try_recv().is_err() && pull.peers() == 2);
    assert_eq!(pull.last_sender(), senders[2]);
    assert!(senders[2].is_none_or(|gone| pull.peer_metadata(gone).is_none()));
    // Of a batch it is the last.
    pushes[1].try_number(7).unwrap();
    context.eventually("it is there", || pull.can_recv());
    let mut batch = Vec::new();
    pull.recv_batch(&mut batch, 10).unwrap();
    assert_eq!(pull.last_sender(), senders[1]);
}

pub(crate) fn who_is_known_is_known_by_name(flavor: Flavor) {
    let context = flavor.context();
    let mut router = Router::new(&context).unwrap();
    router.bind(context.endpoint("names")).unwrap();
    let mut dealers = ["a", "b"].map(|name| dealer(&context, name, "names"));
    for (name, dealer) in ["a", "b"].into_iter().zip(&mut dealers) {
        dealer.send("x").unwrap();
        assert_eq!(router.next(), parts([name, "x"]));
        if let Some(sender) = sender!(context, router) {
            assert_is(&context, &router.peer_metadata(sender).unwrap(), SocketType::Dealer, name);
        }
    }
    // In process as well, of those a list names.
    for peer in router.list() {
        let known = router.peer_metadata(peer.peer).unwrap();
        assert_is(&context, &known, SocketType::Dealer, std::str::from_utf8(&peer.routing_id).unwrap());
    }
    // A socket that waits for its peer knows nothing of it.
    let mut early = Dealer::builder().routing_id(id("early")).build(&context).unwrap();
    early.connect(context.endpoint("nobody")).unwrap();
    assert_eq!(early.peer_metadata(early.list()[0].peer), None);
    let stranger = router.list()[0].peer;
    assert_eq!(early.peer_metadata(stranger), None);
}

/// Looking at what is there, as a poller does, is not receiving it.
pub(crate) fn looking_changes_no_sender(flavor: Flavor) {
    let context = flavor.context();
    let mut answering = Rep::new(&context).unwrap();
    answering.bind(context.endpoint("looking")).unwrap();
    let mut asking: Vec<Req> = (0..2)
        .map(|_| {
            let mut asking = Req::new(&context).unwrap();
            asking.connect(context.endpoint("looking")).unwrap();
            asking
        })
        .collect();
    context.joined(&answering, 2);
    let mut senders = Vec::new();
    for asking in &mut asking {
        let before = answering.last_sender();
        asking.send("question").unwrap();
        look(&context, &mut answering);
        assert_eq!(answering.last_sender(), before);
        let question = answering.next();
        senders.push(sender!(context, answering));
        answering.send(question).unwrap();
        look(&context, asking);
        assert_eq!(asking.last_sender(), None);
        asking.next();
        sender!(context, asking);
    }
    assert!(senders[0].is_none() || senders[0] != senders[1]);
    // Nor is throwing away what is no request.
    let mut stray = dealer(&context, "stray", "looking");
    stray.send("no request").unwrap();
    context.eventually("it is thrown away", || {
        answering.try_recv() == Err(RecvError::Empty) && answering.counters().discarded == 1
    });
    assert_eq!(answering.last_sender(), senders[1]);
    let (mut publisher, mut subscriber) =
        (XPub::builder().manual().build(&context).unwrap(), Sub::new(&context).unwrap());
    meet!(context, "subscriptions", publisher, subscriber);
    subscriber.subscribe("a");
    assert_eq!(publisher.next().len(), 1);
    publisher.subscribe("a").unwrap();
    publisher.send("a").unwrap();
    look(&context, &mut subscriber);
    assert_eq!(subscriber.last_sender(), None);
    subscriber.next();
    sender!(context, subscriber);
}

#[track_caller]
fn look(world: &World, socket: &mut impl ringway::poll::Pollable) {
    let mut poller = ringway::Poller::new();
    poller.add(socket, Interest::READABLE, 0).unwrap();
    let mut events = ringway::poll::Events::new();
    world.eventually("it is readable", || poller.try_wait(&mut events).unwrap() == 1);
}

pub(crate) fn what_a_socket_tells_itself_has_no_sender(flavor: Flavor) {
    let context = flavor.context();
    let (mut publisher, mut subscriber) = (XPub::new(&context).unwrap(), XSub::new(&context).unwrap());
    meet!(context, "notices", publisher, subscriber);
    let mut other = Sub::builder().subscribe("other").build(&context).unwrap();
    subscriber.send("from the application").unwrap();
    publisher.next();
    sender!(context, publisher);
    other.connect(context.endpoint("notices")).unwrap();
    assert_eq!(publisher.next().len(), 1);
    assert_eq!(publisher.last_sender(), None);
    let mut quiet = Pub::new(&context).unwrap();
    assert!((&mut quiet as &mut dyn Sends).can_send());
}
