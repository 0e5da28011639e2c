//! Wrong use, and the end of it all: each mistake is a typed error, and no call waits for something that cannot come.

#![forbid(unsafe_code)]

use std::{
    collections::VecDeque,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use ringway::{
    Context, ContextClosed, Dealer, EndpointError, Message, Pair, Pull, Push, Rep, Req, Router, RoutingId, SocketType,
    WaitPolicy,
    endpoint::{INPROC_NAME_MAX, IPC_PATH_MAX, IpcMistake, TcpMistake},
    socket::{BindError, ConnectError, DetachError, RecvError, RequestError, RoutingIdError, SendFailure},
};

/// Longer than anything takes on a machine that works.
const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough for a thread to have gone to sleep where a test is sharper when it has. Nothing depends on it.
const A_WHILE: Duration = Duration::from_millis(20);
const POLICIES: [WaitPolicy; 3] = [WaitPolicy::Park, WaitPolicy::Adaptive, WaitPolicy::Spin];

/// Runs `call` on a thread; the receiver hears what it returned.
fn on_thread<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || done.send(call()));
    is_done
}

fn returns<T>(call: &mpsc::Receiver<T>) -> T {
    call.recv_timeout(PATIENCE).expect("the call returns")
}

#[test]
fn endpoints_that_are_none() {
    let context = Context::new();
    let mut pair = Pair::new(&context).unwrap();
    let long = format!("inproc://{}", "x".repeat(INPROC_NAME_MAX + 1));
    let mistakes = [
        ("", EndpointError::NoScheme),
        ("orders", EndpointError::NoScheme),
        ("carrier-pigeon://roof", EndpointError::UnknownScheme("carrier-pigeon".into())),
        ("inproc://", EndpointError::EmptyName),
        (&long, EndpointError::NameTooLong(INPROC_NAME_MAX + 1)),
    ];
    for (text, error) in mistakes {
        assert_eq!(pair.bind(text), Err(BindError::Endpoint(error.clone())));
        assert_eq!(pair.connect(text), Err(ConnectError::Endpoint(error.clone())));
        assert_eq!(pair.unbind(text), Err(DetachError::Endpoint(error.clone())));
        assert_eq!(pair.disconnect(text), Err(DetachError::Endpoint(error)));
    }
    pair.bind(&long[..long.len() - 1]).expect("the longest name");
    assert_eq!(pair.peers(), 0);
}

#[test]
fn endpoints_of_streams_that_are_none() {
    let context = Context::new();
    let mut pair = Pair::new(&context).unwrap();
    let long = format!("ipc:///{}", "x".repeat(IPC_PATH_MAX));
    let tcp = |text: &str, mistake| (text.to_owned(), EndpointError::Tcp { endpoint: text.into(), mistake });
    let ipc = |text: &str, mistake| (text.to_owned(), EndpointError::Ipc { endpoint: text.into(), mistake });
    let mistakes = [
        tcp("tcp://127.0.0.1", TcpMistake::MissingPort),
        tcp("tcp://127.0.0.1:99999", TcpMistake::PortOutOfRange),
        tcp("tcp://::1:5555", TcpMistake::Ipv6Unbracketed),
        ipc("ipc://", IpcMistake::EmptyPath),
        ipc(&long, IpcMistake::PathTooLong(IPC_PATH_MAX + 1)),
        ("udp://*:5555".into(), EndpointError::UnsupportedScheme("udp".into())),
    ];
    for (text, error) in mistakes {
        assert_eq!(pair.bind(&text), Err(BindError::Endpoint(error.clone())));
        assert_eq!(pair.connect(&text), Err(ConnectError::Endpoint(error)));
    }
    for text in ["tcp://*:5555", "tcp://localhost:0", "ipc://*"] {
        let error = EndpointError::NotConnectable(text.parse().unwrap());
        assert_eq!(pair.connect(text), Err(ConnectError::Endpoint(error)));
    }
    let text = "tcp://eth0:*;localhost:5555";
    let error = EndpointError::NotBindable(text.parse().unwrap());
    assert_eq!(pair.bind(text), Err(BindError::Endpoint(error)));
}

#[test]
fn names_in_use_and_not_ours() {
    let context = Context::new();
    let (mut here, mut there) = (Pair::new(&context).unwrap(), Pair::new(&context).unwrap());
    here.bind("inproc://name").unwrap();
    assert_eq!(here.bind("inproc://name"), Err(BindError::AddrInUse));
    assert_eq!(there.bind("inproc://name"), Err(BindError::AddrInUse));
    assert_eq!(there.unbind("inproc://name"), Err(DetachError::NotAttached));
    assert_eq!(there.disconnect("inproc://name"), Err(DetachError::NotAttached));
    assert_eq!(here.disconnect("inproc://name"), Err(DetachError::NotAttached));
    here.unbind("inproc://name").unwrap();
    there.bind("inproc://name").unwrap();
}

#[test]
fn sockets_that_do_not_talk() {
    let context = Context::new();
    let mut pull = Pull::new(&context).unwrap();
    pull.bind("inproc://work").unwrap();
    let mut other = Pull::new(&context).unwrap();
    assert_eq!(other.connect("inproc://work"), Err(ConnectError::Incompatible(SocketType::Pull)));
    let mut pair = Pair::new(&context).unwrap();
    assert_eq!(pair.connect("inproc://work"), Err(ConnectError::Incompatible(SocketType::Pull)));
    assert_eq!((pair.peers(), pull.peers()), (0, 0), "a refused connection leaves nothing behind");
    assert_eq!(pair.disconnect("inproc://work"), Err(DetachError::NotAttached));
    assert_eq!(pair.try_send("x").unwrap_err().reason, SendFailure::NoPeer);
}

#[test]
fn requests_do_not_talk_to_everybody() {
    let context = Context::new();
    let (mut rep, mut router) = (Rep::new(&context).unwrap(), Router::new(&context).unwrap());
    rep.bind("inproc://rep").unwrap();
    router.bind("inproc://router").unwrap();
    let (mut req, mut other) = (Req::new(&context).unwrap(), Rep::new(&context).unwrap());
    assert_eq!(other.connect("inproc://rep"), Err(ConnectError::Incompatible(SocketType::Rep)));
    assert_eq!(other.connect("inproc://router"), Err(ConnectError::Incompatible(SocketType::Router)));
    assert_eq!(router.connect("inproc://rep"), Err(ConnectError::Incompatible(SocketType::Rep)));
    let id = RoutingId::new("rep").unwrap();
    assert_eq!(router.connect_as("inproc://rep", &id), Err(ConnectError::Incompatible(SocketType::Rep)));
    assert!(!router.has_peer("rep"), "a refused connection leaves no name behind");
    for name in ["inproc://rep", "inproc://router"] {
        req.connect(name).unwrap();
        Dealer::new(&context).unwrap().connect(name).unwrap();
    }
}

#[test]
fn ids_that_are_none() {
    assert_eq!(RoutingId::new(""), Err(RoutingIdError::Empty));
    assert_eq!(RoutingId::new([0, 1, 2, 3, 4]), Err(RoutingIdError::LeadingZero));
    assert_eq!(RoutingId::new(vec![1; 256]), Err(RoutingIdError::TooLong(256)));
    assert_eq!(RoutingId::try_from("x").unwrap(), RoutingId::try_from(&b"x"[..]).unwrap());
}

#[test]
fn calls_out_of_turn() {
    let context = Context::new();
    let (mut req, mut rep) = (Req::new(&context).unwrap(), Rep::new(&context).unwrap());
    rep.bind("inproc://turns").unwrap();
    req.connect("inproc://turns").unwrap();
    assert_eq!(req.recv(), Err(RecvError::NoRequest));
    assert_eq!(rep.send("x").unwrap_err().reason, SendFailure::NoRequest);
    assert_eq!(req.send(Message::new()).unwrap_err().reason, SendFailure::NoFrames);
    req.send("1").unwrap();
    assert_eq!(req.send("2").unwrap_err().reason, SendFailure::AwaitingReply);
    let RequestError::NotSent(error) = req.request("2").unwrap_err() else { panic!("it was not sent") };
    assert_eq!((error.message, error.reason), ("2".into(), SendFailure::AwaitingReply));
    assert_eq!(rep.recv().unwrap(), "1".into());
    assert_eq!(rep.recv(), Err(RecvError::ReplyDue));
    assert_eq!(rep.send(Message::new()).unwrap_err().reason, SendFailure::NoFrames);
    rep.send("one").unwrap();
    assert_eq!(req.recv().unwrap(), "one".into());
}

#[test]
fn messages_without_frames() {
    let context = Context::new();
    let mut push = Push::new(&context).unwrap();
    push.connect("inproc://empty").unwrap();
    for result in [
        push.send(Message::new()),
        push.try_send(Message::new()),
        push.send_timeout(Message::new(), PATIENCE),
        push.reserve().unwrap().send(Message::new()),
    ] {
        let error = result.unwrap_err();
        assert_eq!((error.message.len(), error.reason), (0, SendFailure::NoFrames));
    }
    assert_eq!(push.send_batch(&mut VecDeque::from([Message::new()])), Err(SendFailure::NoFrames));
    push.send(Message::from("")).expect("no bytes are a frame");
    assert_eq!(push.counters().messages_sent, 1);
}

#[test]
fn full_queues_and_closed_peers() {
    let context = Context::new();
    let mut push = Push::builder().send_hwm(1).build(&context).unwrap();
    let mut pull = Pull::builder().recv_hwm(1).build(&context).unwrap();
    push.bind("inproc://full").unwrap();
    pull.connect("inproc://full").unwrap();
    push.try_send("1").unwrap();
    push.try_send("2").unwrap();
    let error = push.try_send("3").unwrap_err();
    assert_eq!((error.message, error.reason), ("3".into(), SendFailure::Full));
    assert_eq!(push.send_timeout("3", A_WHILE).unwrap_err().reason, SendFailure::TimedOut);
    drop(pull);
    let error = push.try_send("3").unwrap_err();
    assert_eq!((error.message, error.reason), ("3".into(), SendFailure::NoPeer));
    assert_eq!(push.send_timeout("3", A_WHILE).unwrap_err().reason, SendFailure::TimedOut);
}

/// Four sockets in two pairs of peers, blocked in every way there is, and two that are not.
fn blocked(context: &Context, policy: WaitPolicy) -> Vec<mpsc::Receiver<String>> {
    let push = |name: &str| {
        let mut push = Push::builder().send_hwm(1).wait(policy).build(context).unwrap();
        push.connect(name).unwrap();
        push
    };
    let pair = || Pair::builder().wait(policy).build(context).unwrap();
    let (mut full, mut batch, mut reserved) = (push("inproc://f"), push("inproc://b"), push("inproc://r"));
    let mut alone = Push::builder().wait(policy).build(context).unwrap();
    alone.bind("inproc://alone").unwrap();
    let (mut here, mut there) = (pair(), pair());
    here.bind("inproc://pair").unwrap();
    there.connect("inproc://pair").unwrap();
    let mut nobody = Pull::builder().wait(policy).build(context).unwrap();
    vec![
        on_thread(move || {
            loop {
                if let Err(error) = full.send("x") {
                    return format!("{:?}", error.reason);
                }
            }
        }),
        on_thread(move || format!("{:?}", batch.send_batch(&mut (0..9_u64).map(|n| n.to_le_bytes().into()).collect()))),
        on_thread(move || {
            // The shutdown may come before it, too; or between a look for room and its answer: then the place is with a
            // peer that is gone.
            let _ = reserved.send("x");
            loop {
                match reserved.reserve() {
                    Ok(permit) => {
                        assert_eq!(permit.send("y").map_err(|error| error.reason), Err(SendFailure::PeerLeft))
                    }
                    Err(failure) => return format!("{failure:?}"),
                }
            }
        }),
        on_thread(move || format!("{:?}", alone.send_timeout("x", PATIENCE).map_err(|error| error.reason))),
        on_thread(move || format!("{:?}", here.recv())),
        on_thread(move || format!("{:?}", there.recv_timeout(PATIENCE))),
        on_thread(move || format!("{:?}", nobody.recv_batch(&mut Vec::new(), 7))),
    ]
}

/// REQ, REP, DEALER and ROUTER, blocked in every way there is.
fn blocked_by_peers(context: &Context, policy: WaitPolicy) -> Vec<mpsc::Receiver<String>> {
    let (mut req, mut alone) =
        (Req::builder().wait(policy).build(context).unwrap(), Req::builder().wait(policy).build(context).unwrap());
    let mut again = Req::builder().reply_timeout(A_WHILE / 10).resend(u32::MAX).wait(policy).build(context).unwrap();
    let mut homeless = Req::builder().resend(1).wait(policy).build(context).unwrap();
    let mut rep = Rep::builder().wait(policy).build(context).unwrap();
    let mut dealer = Dealer::builder().send_hwm(1).wait(policy).build(context).unwrap();
    let mut router = Router::builder().send_hwm(1).mandatory().wait(policy).build(context).unwrap();
    let mut reserving = Router::builder().send_hwm(1).wait(policy).build(context).unwrap();
    let mut hearing = Router::builder().wait(policy).build(context).unwrap();
    let peer = RoutingId::new("peer").unwrap();
    req.connect("inproc://req").unwrap();
    again.connect("inproc://req").unwrap();
    alone.bind("inproc://alone").unwrap();
    rep.bind("inproc://rep").unwrap();
    dealer.connect("inproc://dealer").unwrap();
    router.connect_as("inproc://peer", &peer).unwrap();
    reserving.connect_as("inproc://peer", &peer).unwrap();
    hearing.bind("inproc://hearing").unwrap();
    vec![
        on_thread(move || format!("{:?}", req.request("x"))),
        on_thread(move || format!("{:?}", alone.request("x"))),
        on_thread(move || format!("{:?}", again.request("x"))),
        on_thread(move || {
            homeless.connect("inproc://nobody").unwrap_or_default();
            let sent = homeless.send("x").map_err(|error| error.reason);
            let _ = homeless.disconnect("inproc://nobody");
            // Shut down before it was sent, there is nothing to wait for.
            format!(
                "{sent:?} {:?}",
                sent.and_then(|()| homeless.recv().map_err(|error| {
                    assert!(matches!(error, RecvError::ContextClosed));
                    SendFailure::ContextClosed
                }))
            )
        }),
        on_thread(move || format!("{:?}", rep.recv_timeout(PATIENCE))),
        on_thread(move || {
            loop {
                if let Err(error) = dealer.send("x") {
                    return format!("{:?}", error.reason);
                }
            }
        }),
        on_thread(move || {
            loop {
                if let Err(error) = router.send(["peer", "x"].into_iter().collect::<Message>()) {
                    return format!("{:?}", error.reason);
                }
            }
        }),
        on_thread(move || {
            loop {
                match reserving.reserve("peer").map(|permit| permit.send("x").map_err(|error| error.reason)) {
                    Ok(sent) => assert!(matches!(sent, Ok(()) | Err(SendFailure::PeerLeft))),
                    Err(failure) => return format!("{failure:?}"),
                }
            }
        }),
        on_thread(move || format!("{:?}", hearing.recv())),
    ]
}

#[test]
fn shutdown_ends_requests_and_addressed_calls() {
    for policy in POLICIES {
        for wait in [Duration::ZERO, A_WHILE] {
            let context = Context::new();
            let calls = blocked_by_peers(&context, policy);
            thread::sleep(wait);
            let report = context.shutdown(PATIENCE);
            assert_eq!(report.sockets_left, 0, "each thread dropped its socket when its call returned");
            for (number, call) in calls.iter().enumerate() {
                let result = returns(call);
                assert!(result.contains("ContextClosed"), "{number}: {result}");
            }
        }
    }
}

#[test]
fn after_shutdown_every_request_is_a_typed_error() {
    let context = Context::new();
    let (mut req, mut rep) = (Req::new(&context).unwrap(), Rep::new(&context).unwrap());
    let (mut dealer, mut router) = (Dealer::new(&context).unwrap(), Router::new(&context).unwrap());
    rep.bind("inproc://over").unwrap();
    router.bind("inproc://over-router").unwrap();
    req.connect("inproc://over").unwrap();
    dealer.connect("inproc://over-router").unwrap();
    dealer.send("kept").unwrap();
    req.send("kept").unwrap();
    context.shutdown(Duration::ZERO);

    assert_eq!(Req::builder().resend(1).build(&context).map(drop), Err(ContextClosed));
    assert_eq!(router.connect_as("inproc://x", &RoutingId::new("x").unwrap()), Err(ConnectError::ContextClosed));
    // What has arrived is handed out; nothing is sent.
    assert_eq!(rep.recv().unwrap(), "kept".into());
    assert_eq!(rep.send("reply").unwrap_err().reason, SendFailure::ContextClosed);
    let message = router.recv().unwrap();
    assert_eq!(message[1], "kept");
    let error = router.send(message.clone()).unwrap_err();
    assert_eq!((&error.message, error.reason), (&message, SendFailure::ContextClosed));
    assert_eq!(router.reserve(&message[0]).map(drop), Err(SendFailure::ContextClosed));
    assert_eq!(router.try_reserve("nobody").map(drop), Err(SendFailure::ContextClosed));
    assert_eq!(router.recv(), Err(RecvError::ContextClosed));
    assert_eq!(dealer.send("x").unwrap_err().reason, SendFailure::ContextClosed);
    for error in [req.recv(), req.try_recv(), req.recv_timeout(PATIENCE)] {
        assert_eq!(error, Err(RecvError::ContextClosed));
    }
    assert!(!req.can_send() && !router.can_send() && !rep.can_send());
}

#[test]
fn shutdown_ends_every_blocked_call() {
    for policy in POLICIES {
        for wait in [Duration::ZERO, A_WHILE] {
            let context = Context::new();
            let calls = blocked(&context, policy);
            thread::sleep(wait);
            let report = context.shutdown(PATIENCE);
            assert_eq!(report.sockets_left, 0, "each thread dropped its socket when its call returned");
            for call in calls {
                let result = returns(&call);
                assert!(result.contains("ContextClosed"), "{result}");
            }
        }
    }
}

#[test]
fn shutdown_says_what_is_left() {
    let context = Context::new();
    let (mut push, mut pull) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
    push.bind("inproc://left").unwrap();
    pull.connect("inproc://left").unwrap();
    let mut early = Push::new(&context).unwrap();
    early.connect("inproc://nobody").unwrap();
    (0..3).for_each(|_| early.send("x").unwrap());
    (0..5).for_each(|_| push.send("x").unwrap());
    for timeout in [Duration::ZERO, A_WHILE] {
        let entered = Instant::now();
        let report = context.shutdown(timeout);
        assert!(entered.elapsed() >= timeout);
        assert_eq!((report.sockets_left, context.sockets()), (3, 3));
    }
    // What has arrived is still handed out.
    (0..2).for_each(|_| assert_eq!(pull.recv().unwrap()[0], "x"));
    drop((push, pull, early));
    let report = context.shutdown(Duration::ZERO);
    assert_eq!((report.sockets_left, report.undelivered + report.unread), (0, 6));
    assert_eq!(context.shutdown(PATIENCE), report, "nothing changes any more");
}

#[test]
fn shutdown_from_several_threads() {
    for _ in 0..50 {
        let context = Context::new();
        let calls = blocked(&context, WaitPolicy::Park);
        let shutdowns: Vec<_> = [PATIENCE, PATIENCE, Duration::ZERO, Duration::MAX]
            .map(|timeout| {
                let context = context.clone();
                on_thread(move || context.shutdown(timeout))
            })
            .into();
        for call in &calls {
            let returned = returns(call);
            assert!(returned.contains("ContextClosed"), "{returned}");
        }
        for shutdown in &shutdowns {
            returns(shutdown);
        }
        assert_eq!(context.shutdown(PATIENCE).sockets_left, 0);
    }
}

#[test]
fn after_shutdown_every_call_is_a_typed_error() {
    let context = Context::new();
    let (mut push, mut pull) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
    push.bind("inproc://over").unwrap();
    pull.connect("inproc://over").unwrap();
    push.send("kept").unwrap();
    context.shutdown(Duration::ZERO);

    assert_eq!(Push::new(&context).map(drop), Err(ContextClosed));
    assert_eq!(Pull::builder().recv_hwm(7).build(&context).map(drop), Err(ContextClosed));
    assert_eq!(push.bind("inproc://again"), Err(BindError::ContextClosed));
    assert_eq!(push.connect("inproc://again"), Err(ConnectError::ContextClosed));
    for result in [push.send("x"), push.try_send("x"), push.send_timeout("x", PATIENCE)] {
        let error = result.unwrap_err();
        assert_eq!((error.message, error.reason), ("x".into(), SendFailure::ContextClosed));
    }
    assert_eq!(push.reserve().map(drop), Err(SendFailure::ContextClosed));
    assert_eq!(push.try_reserve().map(drop), Err(SendFailure::ContextClosed));
    assert_eq!(push.send_batch(&mut VecDeque::from(["x".into()])), Err(SendFailure::ContextClosed));
    assert_eq!(push.try_send_batch(&mut VecDeque::from(["x".into()])), Err(SendFailure::ContextClosed));
    assert!(!push.can_send());
    assert_eq!(push.unbind("inproc://over"), Ok(()), "what is ours can be taken back");

    assert_eq!(pull.recv().unwrap()[0], "kept");
    for result in [pull.recv(), pull.try_recv(), pull.recv_timeout(PATIENCE)] {
        assert_eq!(result, Err(RecvError::ContextClosed));
    }
    assert_eq!(pull.recv_batch(&mut Vec::new(), 1), Err(RecvError::ContextClosed));
    assert_eq!(pull.try_recv_batch(&mut Vec::new(), 1), Err(RecvError::ContextClosed));
    assert_eq!(pull.disconnect("inproc://over"), Ok(()));
    assert_eq!(pull.counters().messages_received, 1);
}

#[test]
fn a_blocked_sender_outlives_its_peers() {
    for policy in POLICIES {
        let context = Context::new();
        let mut push = Push::builder().send_hwm(1).wait(policy).build(&context).unwrap();
        push.bind("inproc://leaving").unwrap();
        let pulls: Vec<Pull> = (0..3)
            .map(|_| {
                let mut pull = Pull::builder().recv_hwm(1).build(&context).unwrap();
                pull.connect("inproc://leaving").unwrap();
                pull
            })
            .collect();
        (0..6).for_each(|_| push.try_send("fill").unwrap());
        let call = on_thread(move || {
            let first = push.send("for the next").map_err(|error| error.reason);
            (push, first)
        });
        thread::sleep(A_WHILE);
        drop(pulls);
        thread::sleep(A_WHILE);
        let mut next = Pull::new(&context).unwrap();
        next.connect("inproc://leaving").unwrap();
        assert_eq!(next.recv_timeout(PATIENCE).unwrap()[0], "for the next");
        let (push, first) = returns(&call);
        assert_eq!(first, Ok(()));
        drop((push, next));
        let report = context.shutdown(PATIENCE);
        assert_eq!(report.undelivered + report.unread, 6);
    }
}

#[test]
fn sockets_dropped_in_every_order_while_others_block() {
    // Each order in which four threads may end: two block in recv, two in send.
    let orders = (0..24_usize).map(|order| {
        let mut left: Vec<usize> = (0..4).collect();
        [order / 6, order / 2 % 3, order % 2, 0].map(|pick| left.remove(pick))
    });
    for order in orders {
        let context = Context::new();
        let socket = || Pair::builder().send_hwm(1).recv_hwm(1).wait(WaitPolicy::Park).build(&context).unwrap();
        let mut sockets: Vec<Option<Pair>> = (0..4).map(|_| Some(socket())).collect();
        for (place, socket) in sockets.iter_mut().enumerate() {
            let (socket, name) = (socket.as_mut().unwrap(), format!("inproc://drop-{}", place / 2));
            if place % 2 == 0 { socket.bind(&name).unwrap() } else { socket.connect(&name).unwrap() }
        }
        // In pair one both receive; in pair two both send.
        let calls: Vec<_> = sockets
            .iter_mut()
            .enumerate()
            .map(|(place, socket)| {
                let (mut socket, (stop, is_stopped)) = (socket.take().unwrap(), mpsc::channel::<()>());
                let (blocked, is_blocked) = mpsc::channel();
                let call = on_thread(move || {
                    let step = Duration::from_millis(1);
                    while is_stopped.try_recv().is_err() {
                        let result = if place < 2 {
                            socket.recv_timeout(step).map(drop).map_err(drop)
                        } else {
                            socket.send_timeout("x", step).map_err(drop)
                        };
                        if result.is_err() {
                            let _ = blocked.send(());
                        }
                    }
                });
                (stop, call, is_blocked)
            })
            .collect();
        calls.iter().for_each(|(.., is_blocked)| returns(is_blocked));
        for place in order {
            calls[place].0.send(()).unwrap();
            returns(&calls[place].1);
        }
        let report = context.shutdown(PATIENCE);
        assert_eq!(report.sockets_left, 0);
        assert_eq!(report.undelivered + report.unread, 4, "two each way");
    }
}

#[test]
fn a_context_may_go_before_its_sockets() {
    let context = Context::new();
    let (mut here, mut there) = (Pair::new(&context).unwrap(), Pair::new(&context).unwrap());
    drop(context);
    here.bind("inproc://alive").unwrap();
    there.connect("inproc://alive").unwrap();
    there.send("still").unwrap();
    drop(there);
    assert_eq!(here.recv().unwrap()[0], "still");
}
