//! What only streams promise: marks on each side, lingering, limits, endpoints of the machine, ends.

use std::{
    fs,
    io::ErrorKind,
    net::{TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    thread,
    time::{Duration, Instant},
};

use ringway::{
    Pair, Pull, Push, Sub, WaitPolicy,
    monitor::{EventKind, PeerState},
    socket::{BindError, RecvError, SendFailure},
};

use crate::flavor::{
    A_WHILE, Flavor, PATIENCE, Peers, Receiver, Sender, World, assert_all_once, marked_pipeline, meet, number,
    numbered, pipeline, spread,
};

/// Connects to `endpoint` as somebody who knows nothing of messages.
fn knock(endpoint: &str) -> Result<(), ErrorKind> {
    match endpoint.split_once("://").expect("an endpoint") {
        ("tcp", address) => TcpStream::connect(address).map(drop),
        (_, path) => UnixStream::connect(path).map(drop),
    }
    .map_err(|error| error.kind())
}

pub(crate) fn a_lowered_mark_takes_nothing_until_below(flavor: Flavor) {
    let context = flavor.context();
    let mut push = Push::builder().send_hwm(5).build(&context).unwrap();
    push.connect(context.endpoint("later")).unwrap();
    let mut sent = push.fill(&context, 0, flavor.own_part(5));
    push.set_send_hwm(2);
    assert_eq!(push.try_number(99), Err(SendFailure::Full), "five are there, two may be");
    push.set_send_hwm(5);
    assert_eq!(push.try_number(99), Err(SendFailure::Full));
    push.set_send_hwm(7);
    sent += push.fill(&context, sent, flavor.own_part(2));
    push.set_send_hwm(0);
    sent += push.fill(&context, sent, flavor.own_part(0));
    push.set_send_hwm(1);
    assert_eq!(push.try_number(99), Err(SendFailure::Full));
    let mut pull = Pull::builder().recv_hwm(2).build(&context).unwrap();
    pull.bind(context.endpoint("later")).unwrap();
    pull.expect_numbers(0..sent);
}

pub(crate) fn each_side_keeps_its_mark_exactly(flavor: Flavor) {
    for (send_hwm, recv_hwm) in [(1, 1), (5, 2), (2, 9), (20, 1)] {
        let context = flavor.context();
        let (mut push, mut pull) = marked_pipeline(&context, "marks", send_hwm, recv_hwm);
        let sender = thread::spawn(move || {
            let mut sent = 0;
            for number in 0..100 {
                push.send(context.heavy(number)).unwrap();
                sent += 1;
                // Written and accepted are read one after the other: what is written meanwhile makes it less.
                let written = push.list().first().map_or(0, |peer| peer.sent.messages);
                let mark = u64::from(send_hwm);
                let owed = if flavor.counts_to_the_end() { mark + u64::from(recv_hwm) } else { mark };
                assert!(sent - written <= owed, "{sent} accepted, {written} written, mark {send_hwm}");
            }
            push
        });
        for number in 0..100 {
            if number % 10 == 0 {
                thread::sleep(A_WHILE / 10);
            }
            let decoded = pull.list()[0].received.messages;
            assert!(
                decoded.saturating_sub(number) <= recv_hwm.into(),
                "{decoded} decoded, {number} received, mark {recv_hwm}"
            );
            pull.expect_numbers([number]);
        }
        drop(sender.join().unwrap());
    }
}

pub(crate) fn what_is_sent_right_before_leaving_arrives(flavor: Flavor) {
    for (sender_binds, is_heavy) in [(false, false), (false, true), (true, false), (true, true)] {
        let context = flavor.context();
        let messages = if is_heavy { 30 } else { 1000 };
        let mut pull = context.narrow(Pull::builder().recv_hwm(5)).build(&context).unwrap();
        let mut push = context.narrow(Push::builder().linger(PATIENCE)).build(&context).unwrap();
        if sender_binds {
            meet!(context, "last-words", push, pull);
        } else {
            // It has left before it is connected, perhaps.
            pull.bind(context.endpoint("last-words")).unwrap();
            push.connect(context.endpoint("last-words")).unwrap();
        }
        for number in 0..messages {
            push.send(if is_heavy { context.heavy(number) } else { numbered(number) }).unwrap();
        }
        drop(push);
        thread::sleep(A_WHILE);
        pull.expect_numbers(0..messages);
        context.eventually("nobody is left", || pull.try_recv().is_err() && pull.joined() == 0);
        drop(pull);
        context.settle(messages, messages);
    }
}

pub(crate) fn what_was_sent_to_one_that_leaves_unheard_is_still_heard(flavor: Flavor) {
    // Closing a stream with bytes unread must not destroy what is under way in the other direction.
    for round in 0..10 {
        let context = flavor.context();
        let (mut here, mut there) = (Pair::new(&context).unwrap(), Pair::new(&context).unwrap());
        meet!(context, "crossing", here, there);
        (0..200).for_each(|number| here.send(numbered(number)).unwrap());
        (0..100).for_each(|number| there.send(numbered(number)).unwrap());
        if round % 2 == 0 {
            there.expect_numbers(0..10);
        }
        drop(there);
        here.expect_numbers(0..100);
    }
}

pub(crate) fn no_linger_drops_what_is_not_written(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = marked_pipeline(&context, "cut-short", 20, 2);
    push.set_linger(Duration::ZERO);
    let sent = push.fill(&context, 0, flavor.capacity(20, 2));
    let given = flavor.capacity(20, 2).less(20).at_most.expect("a limit");
    drop(push);
    // Whole messages, in order, and not those it still had.
    let mut received = 0;
    while pull.joined() > 0 || pull.can_recv() {
        if let Ok(message) = pull.recv_timeout(A_WHILE) {
            assert_eq!(number(&message), received);
            received += 1;
        }
    }
    assert!(received <= given, "{received} of {sent}");
    drop(pull);
    let report = context.settle(sent, received);
    assert!(report.undelivered >= sent - given, "{report:?}");
}

pub(crate) fn a_shutdown_waits_as_long_as_somebody_lingers(flavor: Flavor) {
    const LINGER: Duration = Duration::from_millis(100);
    let context = flavor.context();
    let mut push = Push::builder().linger(LINGER).build(&context).unwrap();
    push.connect(context.endpoint("nobody")).unwrap();
    (0..10).for_each(|number| push.try_number(number).unwrap());
    let left = Instant::now();
    drop(push);
    let report = context.settle(10, 0);
    assert_eq!(report.undelivered, 10);
    assert!(left.elapsed() >= LINGER, "{:?}", left.elapsed());

    // And no longer, if they arrive.
    let context = flavor.context();
    let other = World::clone(&context);
    let mut push = Push::builder().linger(PATIENCE).build(&context).unwrap();
    push.connect(context.endpoint("late")).unwrap();
    (0..10).for_each(|number| push.try_number(number).unwrap());
    drop(push);
    let receiver = thread::spawn(move || {
        let mut pull = Pull::new(&other).unwrap();
        pull.bind(other.endpoint("late")).unwrap();
        pull.expect_numbers(0..10);
    });
    receiver.join().unwrap();
    let report = context.settle(10, 10);
    assert_eq!((report.undelivered, report.unread), (0, 0));
}

pub(crate) fn a_shutdown_does_not_wait_for_one_that_does_not_listen(flavor: Flavor) {
    let (here, there) = (flavor.context(), flavor.context());
    let mut push = Push::builder().linger(Duration::MAX).build(&here).unwrap();
    push.bind(here.endpoint("deaf")).unwrap();
    let mut pull = Pull::builder().recv_hwm(1).build(&there).unwrap();
    pull.connect(here.endpoint("deaf")).unwrap();
    there.eventually("they know each other", || {
        here.drive(Duration::ZERO);
        push.joined() == 1 && pull.joined() == 1
    });
    (0..100).for_each(|number| push.send(numbered(number)).unwrap());
    there.eventually("its queue is full", || {
        here.drive(Duration::ZERO);
        pull.can_recv()
    });
    let left = Instant::now();
    drop(push);
    // It has been sent everything, and reads nothing any more.
    here.settle(100, 100);
    assert!(left.elapsed() < PATIENCE / 2, "{:?}", left.elapsed());
    pull.expect_numbers(0..100);
}

pub(crate) fn what_was_sent_before_its_context_was_closed_arrives(flavor: Flavor) {
    let (here, there) = (flavor.context(), flavor.context());
    let mut pull = Pull::new(&there).unwrap();
    pull.bind(there.endpoint("closed")).unwrap();
    let mut push = Push::builder().linger(Duration::MAX).build(&here).unwrap();
    push.connect(there.endpoint("closed")).unwrap();
    (0..100).for_each(|number| push.send(numbered(number)).unwrap());
    here.close();
    here.close();
    assert_eq!(push.try_send("late").unwrap_err().reason, SendFailure::ContextClosed);
    assert!(Push::new(&here).is_err());
    drop(push);
    let receiver = thread::spawn(move || pull.expect_numbers(0..100));
    here.settle(100, 100);
    receiver.join().unwrap();
}

pub(crate) fn a_shutdown_ends_calls_and_frees_endpoints(flavor: Flavor) {
    let context = flavor.context();
    let (push, mut pull) = pipeline(&context, "ends");
    let waiting = thread::spawn(move || {
        let result = pull.recv();
        drop(pull);
        result
    });
    let mut sleeper = Push::builder().wait(WaitPolicy::Park).build(&context).unwrap();
    sleeper.bind(context.endpoint("sleeper")).unwrap();
    let sleeping = thread::spawn(move || sleeper.send("x").map_err(|error| error.reason));
    thread::sleep(A_WHILE);
    let ending = {
        let context = context.clone();
        thread::spawn(move || context.shutdown(PATIENCE))
    };
    assert_eq!(waiting.join().unwrap(), Err(RecvError::ContextClosed));
    assert_eq!(sleeping.join().unwrap(), Err(SendFailure::ContextClosed));
    drop(push);
    assert_eq!(ending.join().unwrap().sockets_left, 0);
    assert!(Push::new(&context).is_err());
    for name in ["ends", "sleeper"] {
        assert!(knock(&context.endpoint(name)).is_err(), "nobody listens");
    }
}

pub(crate) fn no_more_peers_than_said(flavor: Flavor) {
    let context = flavor.context();
    let mut pull = Pull::builder().max_peers(2).build(&context).unwrap();
    pull.bind(context.endpoint("few")).unwrap();
    let mut pushes: Vec<Push> = (0..2)
        .map(|_| {
            let mut push = Push::builder().send_hwm(1000).build(&context).unwrap();
            push.connect(context.endpoint("few")).unwrap();
            push
        })
        .collect();
    context.joined(&pull, 2);
    let mut third = context.eager(Push::builder()).build(&context).unwrap();
    third.connect(context.endpoint("few")).unwrap();
    third.send(numbered(3)).unwrap();
    for round in 0..20 {
        for push in &mut pushes {
            push.send(numbered(round)).unwrap();
        }
        pull.expect_numbers([round, round]);
        assert!(pull.joined() <= 2);
        thread::sleep(A_WHILE / 10);
    }
    // Its place is the next one's, who has gone on trying.
    drop(pushes.pop());
    pull.expect_numbers([3]);
}

pub(crate) fn a_puller_that_does_not_read_stops_the_pusher(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = marked_pipeline(&context, "pressure", 10, 10);
    let capacity = flavor.capacity(10, 10);
    let held = push.fill(&context, 0, capacity);
    let heavy = context.clone();
    let sender = thread::spawn(move || {
        (held..500).for_each(|number| push.send(heavy.heavy(number)).unwrap());
        push
    });
    thread::sleep(A_WHILE);
    let decoded = pull.list()[0].received.messages;
    assert!(decoded <= 10, "{decoded} decoded, and ten may be");
    // It goes on as soon as somebody reads, and nothing was lost.
    pull.expect_numbers(0..500);
    drop((sender.join().unwrap(), pull));
    context.settle(500, 500);
}

pub(crate) fn one_that_does_not_read_is_in_nobodys_way(flavor: Flavor) {
    let context = flavor.context();
    let mut push = context.narrow(Push::builder().send_hwm(2)).build(&context).unwrap();
    push.bind(context.endpoint("two")).unwrap();
    let connected = || {
        let mut pull = context.narrow(Pull::builder().recv_hwm(2)).build(&context).unwrap();
        pull.connect(context.endpoint("two")).unwrap();
        pull
    };
    let (mut idle, mut busy) = (connected(), connected());
    context.joined(&push, 2);
    let heavy = context.clone();
    let sender = thread::spawn(move || {
        (0..200).for_each(|number| push.send(heavy.heavy(number)).unwrap());
        push
    });
    let mut seen = Vec::new();
    context.eventually("all are sent", || {
        seen.extend(busy.try_recv().ok().as_ref().map(number));
        sender.is_finished()
    });
    let push = sender.join().unwrap();
    let rest = 200 - seen.len();
    seen.extend(spread(&context, &mut [&mut idle, &mut busy], rest));
    assert_all_once(seen, 0..200);
    drop(push);
}

pub(crate) fn a_message_above_the_limit_ends_its_connection(flavor: Flavor) {
    let context = flavor.context();
    let mut pull = Pull::builder().max_message_size(1000).build(&context).unwrap();
    let mut monitor = pull.monitor();
    pull.bind(context.endpoint("limit")).unwrap();
    let connected = || {
        let mut push = context.eager(Push::builder()).build(&context).unwrap();
        push.connect(context.endpoint("limit")).unwrap();
        push
    };
    let (mut good, mut bad) = (connected(), connected());
    context.joined(&pull, 2);
    // All frames together, and exactly.
    bad.send(vec![7; 1000]).unwrap();
    assert_eq!(pull.next()[0], vec![7; 1000]);
    bad.send([vec![7; 400], vec![7; 600]].into_iter().collect::<ringway::Message>()).unwrap();
    assert_eq!(pull.next().len(), 2);
    // As much as goes to the kernel at once: what does not would be sent again.
    for shape in [vec![1001], vec![500, 501], vec![1, 50_000]] {
        let joined = pull.tally().peers_joined;
        bad.send(shape.iter().map(|size| vec![7; *size]).collect::<ringway::Message>()).unwrap();
        context.eventually("it is thrown out, and comes back", || {
            // Over shared memory it is this socket's calls that find out.
            assert_eq!(pull.try_recv(), Err(RecvError::Empty));
            pull.tally().peers_joined > joined && pull.joined() == 2
        });
        context.eventually("its own side has seen that", || bad.joined() == 1);
        assert_eq!(pull.try_recv(), Err(RecvError::Empty));
        good.send(numbered(1)).unwrap();
        pull.expect_numbers([1]);
        bad.send(numbered(2)).unwrap();
        pull.expect_numbers([2]);
    }
    let violations = monitor
        .try_iter()
        .filter(|event| matches!(&event.kind, EventKind::Disconnected { reason, .. } if reason.to_string().contains("size")))
        .count();
    assert!(violations <= 3);
}

pub(crate) fn misfits_are_told_and_go_on_trying(flavor: Flavor) {
    let context = flavor.context();
    let mut pull = Pull::new(&context).unwrap();
    let mut pair = context.eager(Pair::builder()).build(&context).unwrap();
    let (mut at_pull, mut at_pair) = (pull.monitor(), pair.monitor());
    pull.bind(context.endpoint("misfit")).unwrap();
    pair.connect(context.endpoint("misfit")).unwrap();
    pair.send("kept").unwrap();
    for monitor in [&mut at_pull, &mut at_pair] {
        let failed =
            |kind: &EventKind| matches!(kind, EventKind::HandshakeFailed { .. } | EventKind::Incompatible { .. });
        context.eventually("it is told", || monitor.try_iter().any(|event| failed(&event.kind)));
    }
    assert_eq!((pull.joined(), pair.joined()), (0, 0));
    assert_eq!(pull.try_recv(), Err(RecvError::Empty));
    // One that fits finds it.
    drop(pull);
    let mut fits = Pair::new(&context).unwrap();
    fits.bind(context.endpoint("misfit")).unwrap();
    assert_eq!(fits.next(), "kept".into());
}

pub(crate) fn unbinding_closes_the_door_at_once(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = pipeline(&context, "door");
    let endpoint = context.endpoint("door");
    for _ in 0..20 {
        assert_eq!(knock(&endpoint), Ok(()));
        push.unbind(&endpoint).unwrap();
        assert!(knock(&endpoint).is_err());
        push.send("x").unwrap();
        assert_eq!(pull.next(), "x".into(), "who is in stays in");
        push.bind(&endpoint).unwrap();
    }
    drop(push);
    assert!(knock(&endpoint).is_err());
    // Somebody else may have it at once.
    match endpoint.split_once("://").expect("an endpoint") {
        ("tcp", address) => drop(TcpListener::bind(address).unwrap()),
        (_, path) => {
            assert!(!fs::exists(path).unwrap(), "no file is left");
            drop(UnixListener::bind(path).unwrap());
        }
    }
}

pub(crate) fn a_live_endpoint_is_not_taken_and_a_dead_one_is(flavor: Flavor) {
    let context = flavor.context();
    let endpoint = context.endpoint("taken");
    let (scheme, address) = endpoint.split_once("://").expect("an endpoint");
    // Somebody else's, who knows nothing of messages.
    if scheme == "tcp" {
        let live = TcpListener::bind(address).unwrap();
        assert_eq!(Pull::new(&context).unwrap().bind(&endpoint), Err(BindError::AddrInUse));
        drop(live);
    } else {
        let live = UnixListener::bind(address).unwrap();
        assert_eq!(Pull::new(&context).unwrap().bind(&endpoint), Err(BindError::AddrInUse));
        drop(live);
        assert!(fs::exists(address).unwrap(), "it is dead, and its file is there");
    }
    let mut pull = Pull::new(&context).unwrap();
    pull.bind(&endpoint).unwrap();
    assert_eq!(Pull::new(&context).unwrap().bind(&endpoint), Err(BindError::AddrInUse));
    assert_eq!(pull.bind(&endpoint), Err(BindError::AddrInUse), "nor its own");
    let mut push = Push::new(&context).unwrap();
    push.connect(&endpoint).unwrap();
    push.send("x").unwrap();
    assert_eq!(pull.next(), "x".into());
}

pub(crate) fn what_is_left_to_the_system_can_be_asked(flavor: Flavor) {
    let context = flavor.context();
    let address = context.endpoint("address");
    let asked = match address.split_once("://").expect("an endpoint") {
        ("tcp", address) => {
            let host = address.rsplit_once(':').expect("a port").0;
            [format!("tcp://{host}:*"), format!("tcp://{host}:0"), "tcp://*:*".to_owned()]
        }
        _ => ["ipc://*".to_owned(), "ipc://*".to_owned(), format!("ipc://@ringway-{}", std::process::id())],
    };
    let mut pull = Pull::new(&context).unwrap();
    assert_eq!(pull.last_endpoint(), None);
    let mut told: Vec<String> = Vec::new();
    for endpoint in &asked {
        pull.bind(endpoint).unwrap();
        let endpoint = pull.last_endpoint().expect("it is bound").to_string();
        assert!(!endpoint.contains('*') && !endpoint.ends_with(":0") && !told.contains(&endpoint), "{endpoint}");
        told.push(endpoint);
    }
    for (number, endpoint) in (0..).zip(&told) {
        let mut push = Push::new(&context).unwrap();
        // A socket bound to any address is found at this host's.
        push.connect(endpoint.replace("0.0.0.0", "127.0.0.1")).unwrap();
        push.send(numbered(number)).unwrap();
        pull.expect_numbers([number]);
        assert_eq!(Pull::new(&context).unwrap().bind(endpoint), Err(BindError::AddrInUse));
        pull.unbind(endpoint).unwrap();
        // A path the system made up is gone, with its folder.
        if !endpoint.starts_with("ipc:///") {
            Pull::new(&context).unwrap().bind(endpoint).expect("it is free");
        }
    }
    assert_eq!(knock(&told[0]).map_err(|_| ()), Err(()));
}

pub(crate) fn strangers_do_no_harm(flavor: Flavor) {
    use std::io::Write;
    let context = flavor.context();
    let (mut push, mut pull) = pipeline(&context, "strangers");
    let endpoint = context.endpoint("strangers");
    let greetings: [&[u8]; 5] =
        [b"", b"GET / HTTP/1.1\r\n\r\n", &[0xFF; 100], &[0; 64], b"\xFF\0\0\0\0\0\0\0\x01\x7F\x03"];
    let mut kept = Vec::<Box<dyn Write>>::new();
    for (round, greeting) in (0..).zip(greetings.iter().cycle().take(50)) {
        let mut stream: Box<dyn Write> = match endpoint.split_once("://").expect("an endpoint") {
            ("tcp", address) => Box::new(TcpStream::connect(address).unwrap()),
            (_, path) => Box::new(UnixStream::connect(path).unwrap()),
        };
        let _ = stream.write_all(greeting);
        // Some stay, some go.
        if round % 3 == 0 {
            kept.push(stream);
        }
        push.send(numbered(round)).unwrap();
        pull.expect_numbers([round]);
    }
    assert_eq!(push.joined(), 1);
    assert!(push.list().iter().all(|peer| peer.state == PeerState::Joined), "strangers are no peers");
}

pub(crate) fn disconnecting_stops_the_attempts(flavor: Flavor) {
    let context = flavor.context();
    let mut subscriber = Sub::builder().subscribe("").build(&context).unwrap();
    let endpoint = context.endpoint("given-up");
    for _ in 0..10 {
        subscriber.connect(&endpoint).unwrap();
        assert_eq!(subscriber.list().len(), 1);
        subscriber.disconnect(&endpoint).unwrap();
    }
    context.eventually("there is no peer", || subscriber.list().is_empty());
    let mut pull = Pull::new(&context).unwrap();
    pull.bind(&endpoint).unwrap();
    thread::sleep(10 * A_WHILE);
    assert_eq!((pull.tally().peers_joined, pull.list().len()), (0, 0), "nobody comes");
}
