//! Messages decided on by their first frame, for those who have them frame by frame.

use std::time::Duration;

use ringway::{
    Dealer, Frame, Message, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub,
    socket::{Admission, Duplex, Receives, RecvError, SendFailure, Sends},
};

use crate::flavor::{A_WHILE, Flavor, Peers, Receiver, Sender, World, dealer, marked_pipeline, meet, numbered, parts};

/// Sends a message of these frames as one who has them one after the other.
#[track_caller]
fn send_by_frames<const N: usize>(socket: &mut dyn Sends, frames: [&str; N]) {
    let admission = socket.admit(&Frame::from(frames[0])).unwrap();
    socket.send_admitted(admission, parts(frames)).unwrap();
}

fn try_admit(socket: &mut impl Sends, first: &str) -> Result<Admission, SendFailure> {
    socket.try_admit(&Frame::from(first))
}

fn refused(result: Result<Admission, SendFailure>) -> SendFailure {
    result.expect_err("not admitted")
}

pub(crate) fn what_is_admitted_arrives_whole(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
    meet!(context, "push", push, pull);
    let (mut here, mut there) = (Pair::new(&context).unwrap(), Pair::new(&context).unwrap());
    meet!(context, "pair", here, there);
    let (mut near, mut far) = (Dealer::new(&context).unwrap(), Dealer::new(&context).unwrap());
    meet!(context, "dealer", near, far);
    for socket in [&mut push as &mut dyn Sends, &mut here, &mut near] {
        send_by_frames(socket, ["one"]);
        send_by_frames(socket, ["", "two", "", "frames more than one"]);
        let admission = socket.try_admit(&Frame::from("x")).unwrap();
        let error = socket.send_admitted(admission, Message::new()).unwrap_err();
        assert_eq!(error.reason, SendFailure::NoFrames);
        socket.send_admitted(admission, "it is still good".into()).unwrap();
    }
    for socket in [&mut pull as &mut dyn Receives, &mut there, &mut far] {
        assert_eq!(socket.recv().unwrap(), "one".into());
        assert_eq!(socket.recv().unwrap(), parts(["", "two", "", "frames more than one"]));
        assert_eq!(socket.recv().unwrap(), "it is still good".into());
    }
    context.close();
    assert_eq!(refused(try_admit(&mut push, "x")), SendFailure::ContextClosed);
    let mut late = Push::new(&flavor.context()).unwrap();
    assert_eq!(refused(try_admit(&mut late, "x")), SendFailure::NoPeer);
}

pub(crate) fn admission_waits_for_room(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = marked_pipeline(&context, "room", 1, 1);
    let early = try_admit(&mut push, "early").unwrap();
    let held = push.fill(&context, 0, flavor.capacity(1, 1));
    assert_eq!(refused(try_admit(&mut push, "x")), SendFailure::Full);
    // Used when its time is over it is worth nothing, and overfills nothing.
    push.send_admitted(early, numbered(999)).unwrap();
    push.send_admitted(early, numbered(999)).unwrap();
    assert_eq!((push.counters().dropped, push.counters().messages_sent), (2, held));
    push.reconfigure(&context.narrow(Push::builder().send_hwm(1)).send_timeout(A_WHILE));
    assert_eq!(refused(push.admit(&Frame::from("x"))), SendFailure::TimedOut);
    push.reconfigure(&context.narrow(Push::builder().send_hwm(1)));
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let admission = push.admit(&Frame::new()).unwrap();
            push.send_admitted(admission, numbered(held)).unwrap();
        });
        std::thread::sleep(A_WHILE);
        pull.expect_numbers(0..=held);
        sender.join().unwrap();
    });
}

pub(crate) fn an_admitted_message_goes_elsewhere_when_its_peer_leaves(flavor: Flavor) {
    let context = flavor.context();
    let mut push = Push::new(&context).unwrap();
    push.bind(context.endpoint("leaves")).unwrap();
    let mut first = Pull::new(&context).unwrap();
    first.connect(context.endpoint("leaves")).unwrap();
    context.joined(&push, 1);
    let admission = try_admit(&mut push, "x").unwrap();
    drop(first);
    // Before the other comes: one peer could be either.
    context.eventually("the one has left", || push.joined() == 0);
    let mut second = Pull::new(&context).unwrap();
    second.connect(context.endpoint("leaves")).unwrap();
    context.eventually("the other has come", || second.joined() == 1 && push.joined() == 1);
    push.send_admitted(admission, "x").unwrap();
    assert_eq!(second.next(), "x".into());
    let admission = try_admit(&mut push, "y").unwrap();
    drop(second);
    context.eventually("nobody is left", || !push.can_send());
    push.send_admitted(admission, "y").unwrap();
    // One that is on its way out has no room, until it is gone.
    let counters = push.counters();
    assert_eq!((counters.unroutable + counters.dropped, counters.messages_sent), (1, 1));
}

pub(crate) fn requests_and_replies_are_admitted_in_order(flavor: Flavor) {
    let context = flavor.context();
    let (mut asking, mut answering) = (Req::new(&context).unwrap(), Rep::new(&context).unwrap());
    meet!(context, "order", answering, asking);
    for round in 0..3 {
        assert_eq!(refused(try_admit(&mut answering, "x")), SendFailure::NoRequest);
        send_by_frames(&mut asking, ["question", "in two frames"]);
        assert_eq!(refused(try_admit(&mut asking, "x")), SendFailure::AwaitingReply);
        assert_eq!(answering.next(), parts(["question", "in two frames"]));
        send_by_frames(&mut answering, ["answer", "", "in three"]);
        assert_eq!(asking.next(), parts(["answer", "", "in three"]), "round {round}");
    }
    send_by_frames(&mut asking, ["never answered"]);
    answering.next();
    let admission = try_admit(&mut answering, "x").unwrap();
    drop(asking);
    // Its end of the pipe says so.
    context.eventually("who asked has left", || answering.joined() == 0);
    answering.send_admitted(admission, "x").unwrap();
    assert_eq!(answering.counters().unroutable, 1);
}

pub(crate) fn a_router_admits_by_the_id(flavor: Flavor) {
    let context = flavor.context();
    let mut router = context.narrow(Router::builder().send_hwm(1)).build(&context).unwrap();
    router.bind(context.endpoint("router")).unwrap();
    let builder = context.narrow(Dealer::builder().recv_hwm(1)).routing_id("full".try_into().unwrap());
    let mut full = builder.build(&context).unwrap();
    full.connect(context.endpoint("router")).unwrap();
    let leaver = dealer(&context, "leaver", "router");
    context.eventually("they are known", || router.has_peer("full") && router.has_peer("leaver"));
    send_by_frames(&mut router, ["full", "", "for you"]);
    assert_eq!(full.next(), parts(["", "for you"]));
    // An id with nothing behind it is nobody's.
    send_by_frames(&mut router, ["full"]);
    send_by_frames(&mut router, ["nobody", "x"]);
    assert_eq!((router.counters().unroutable, router.counters().messages_sent), (2, 1));
    let held = To(&mut router, "full").fill(&context, 0, flavor.capacity(1, 1));
    send_by_frames(&mut router, ["full", "x"]);
    assert_eq!(router.counters().dropped, 1);
    router.set_mandatory(true);
    assert_eq!(refused(try_admit(&mut router, "nobody")), SendFailure::Unroutable);
    assert_eq!(refused(try_admit(&mut router, "full")), SendFailure::Full);
    let admission = try_admit(&mut router, "leaver").unwrap();
    drop(leaver);
    context.eventually("one has left", || !router.has_peer("leaver"));
    router.send_admitted(admission, parts(["leaver", "x"])).unwrap();
    assert_eq!(router.counters().unroutable, 3);
    full.expect_numbers(0..held);
    // There is room again, and admission waits for it.
    let admission = router.admit(&Frame::from("full")).unwrap();
    router.send_admitted(admission, parts(["full", "x"])).unwrap();
    assert_eq!(full.next(), "x".into());
}

/// Sends to the peer of a name.
struct To<'a>(&'a mut Router, &'a str);

impl Sender for To<'_> {
    fn attempt(&mut self, mut message: Message) -> Result<(), SendFailure> {
        self.0.set_mandatory(true);
        message.push_front(self.1);
        let result = self.0.try_send(message).map_err(|error| error.reason);
        self.0.set_mandatory(false);
        result
    }
}

pub(crate) fn publishers_admit_by_the_topic(flavor: Flavor) {
    let context = flavor.context();
    let mut publisher = context.narrow(XPub::builder().send_hwm(1)).build(&context).unwrap();
    publisher.bind(context.endpoint("topics")).unwrap();
    let mut slow = context.narrow(Sub::builder().recv_hwm(1)).subscribe("").build(&context).unwrap();
    slow.connect(context.endpoint("topics")).unwrap();
    publisher.wait_for_subscribers(1, Duration::from_secs(60)).unwrap();
    send_by_frames(&mut publisher, ["topic", "body"]);
    assert_eq!(slow.next(), parts(["topic", "body"]));
    publisher.reconfigure(&context.narrow(XPub::builder().send_hwm(1)).no_drop());
    // What has arrived may have left its place not yet.
    let early = publisher.admit(&Frame::from("x")).unwrap();
    let held = publisher.fill(&context, 0, flavor.capacity(1, 1));
    assert_eq!(refused(try_admit(&mut publisher, "x")), SendFailure::Full);
    // Admitted when there was room: who has none any more misses it.
    publisher.send_admitted(early, "x").unwrap();
    assert_eq!(publisher.counters().dropped, 1);
    // One that may drop always admits.
    publisher.reconfigure(&context.narrow(XPub::builder().send_hwm(1)));
    send_by_frames(&mut publisher, ["x"]);
    assert_eq!(publisher.counters().dropped, 2);
    slow.expect_numbers(0..held);
    assert_eq!(slow.try_recv(), Err(RecvError::Empty));
    let mut lonely = Pub::new(&context).unwrap();
    send_by_frames(&mut lonely, ["nobody hears"]);
}

pub(crate) fn an_xsub_admits_subscriptions_and_others(flavor: Flavor) {
    let context = flavor.context();
    let (mut publisher, mut subscriber) = (XPub::new(&context).unwrap(), XSub::new(&context).unwrap());
    meet!(context, "xsub", publisher, subscriber);
    send_by_frames(&mut subscriber, ["\u{1}topic"]);
    assert_eq!(publisher.next(), "\u{1}topic".into());
    send_by_frames(&mut subscriber, ["up", "the stream"]);
    assert_eq!(publisher.next(), parts(["up", "the stream"]));
    send_by_frames(&mut publisher, ["topic", "down"]);
    assert_eq!(subscriber.next(), parts(["topic", "down"]));
    send_by_frames(&mut subscriber, ["\u{0}topic"]);
    assert_eq!(publisher.next(), "\u{0}topic".into());
}

/// What a program does that has a frame at a time and does not know what is behind `dyn`.
pub(crate) fn sockets_work_as_objects(flavor: Flavor) {
    let context: World = flavor.context();
    let (mut here, mut there) = (Pair::new(&context).unwrap(), Pair::new(&context).unwrap());
    meet!(context, "objects", here, there);
    let mut sockets: [Box<dyn Duplex>; 2] = [Box::new(here), Box::new(there)];
    let moved = std::thread::spawn(move || {
        send_by_frames(&mut *sockets[0], ["one", "two"]);
        assert_eq!(sockets[1].recv().unwrap(), parts(["one", "two"]));
        let mut poller = ringway::Poller::new();
        for socket in &mut sockets {
            poller.add(&mut **socket, ringway::poll::Interest::WRITABLE, 0).unwrap();
        }
        assert!(poller.key_of(&*sockets[1]).is_some());
    });
    moved.join().unwrap();
}
