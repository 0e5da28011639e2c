//! What monitors are told, in which order, and what happens when nobody reads.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    thread,
    time::{Duration, Instant},
};

use ringway::{
    Context, Monitor, Pair, PeerId, Pub, Pull, Push, Sub, WaitPolicy,
    monitor::{ConnectFailure, Event, EventKind, PeerState, RecvError},
};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Gives peers letters, in the order in which they are met.
#[derive(Default)]
struct Cast(Vec<String>);

impl Cast {
    fn tell(&mut self, event: &Event) -> String {
        let text = event.to_string();
        let Some((before, rest)) = text.split_once('#') else { return text };
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let place = self.0.iter().position(|known| known == number).unwrap_or_else(|| {
            self.0.push(number.to_owned());
            self.0.len() - 1
        });
        format!("{before}{}{after}", char::from(b'A' + u8::try_from(place).unwrap()))
    }

    /// What `monitor` has been told since it was read last.
    fn read(&mut self, monitor: &mut Monitor) -> Vec<String> {
        monitor.try_iter().map(|event| self.tell(&event)).collect()
    }
}

#[test]
fn connect_before_bind() {
    let (context, mut cast) = (Context::new(), Cast::default());
    let (mut push, mut pull) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
    let (mut pushes, mut pulls) = (push.monitor(), pull.monitor());

    push.connect("inproc://a").unwrap();
    assert_eq!(cast.read(&mut pushes), ["connecting to inproc://a: peer A, not bound yet"]);
    pull.bind("inproc://a").unwrap();
    assert_eq!(cast.read(&mut pushes), ["connected to inproc://a: peer A", "peer A joined: PULL"]);
    assert_eq!(
        cast.read(&mut pulls),
        ["listening at inproc://a", "accepted at inproc://a: peer A", "peer A joined: PUSH"]
    );
}

#[test]
fn bind_before_connect_then_the_peer_leaves() {
    let (context, mut cast) = (Context::new(), Cast::default());
    let (mut push, mut pull) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
    let (mut pushes, mut pulls) = (push.monitor(), pull.monitor());

    pull.bind("inproc://a").unwrap();
    push.connect("inproc://a").unwrap();
    assert_eq!(cast.read(&mut pushes), ["connected to inproc://a: peer A", "peer A joined: PULL"]);
    assert_eq!(
        cast.read(&mut pulls),
        ["listening at inproc://a", "accepted at inproc://a: peer A", "peer A joined: PUSH"]
    );

    push.send("kept").unwrap();
    drop(push);
    let closing = ["disconnected at inproc://a: peer A, closed here", "peer A left: 0 undelivered, 0 unread", "closed"];
    assert_eq!(cast.read(&mut pushes), closing);
    // The message is still there, and with it the peer.
    assert_eq!(cast.read(&mut pulls), ["disconnected at inproc://a: peer A, closed by the peer"]);
    assert_eq!(pull.peer_list()[0].state, PeerState::Leaving);
    assert_eq!(pull.recv().unwrap()[0], "kept");
    assert!(pull.try_recv().is_err());
    assert_eq!(cast.read(&mut pulls), ["peer A left: 0 undelivered, 0 unread"]);
    assert!(pull.peer_list().is_empty());
}

#[test]
fn a_peer_the_owner_never_saw_is_told_by_who_caused_it() {
    let (context, mut cast) = (Context::new(), Cast::default());
    let mut pull = Pull::new(&context).unwrap();
    let mut monitor = pull.monitor();
    pull.bind("inproc://a").unwrap();
    let mut push = Push::new(&context).unwrap();
    push.connect("inproc://a").unwrap();
    drop(push);
    assert_eq!(
        cast.read(&mut monitor),
        [
            "listening at inproc://a",
            "accepted at inproc://a: peer A",
            "peer A joined: PUSH",
            "disconnected at inproc://a: peer A, closed by the peer",
            "peer A left: 0 undelivered, 0 unread",
        ]
    );
}

#[test]
fn endpoints() {
    let (context, mut cast) = (Context::new(), Cast::default());
    let (mut pull, mut other) = (Pull::new(&context).unwrap(), Pull::new(&context).unwrap());
    let (mut pulls, mut others) = (pull.monitor(), other.monitor());
    pull.bind("inproc://a").unwrap();
    assert!(other.bind("inproc://a").is_err());
    pull.unbind("inproc://a").unwrap();
    assert!(other.bind("nothing").is_err());
    other.bind("inproc://a").unwrap();
    assert_eq!(cast.read(&mut pulls), ["listening at inproc://a", "unbound from inproc://a"]);
    assert_eq!(cast.read(&mut others), ["not bound to inproc://a: in use", "listening at inproc://a"]);

    let mut sub = Sub::new(&context).unwrap();
    let mut subs = sub.monitor();
    assert!(sub.connect("inproc://a").is_err());
    assert_eq!(cast.read(&mut subs), ["incompatible at inproc://a: PULL"]);
    assert_eq!(cast.read(&mut others), ["incompatible at inproc://a: SUB"]);

    drop(other);
    assert_eq!(cast.read(&mut others), ["unbound from inproc://a", "closed"]);
    sub.connect("inproc://a").unwrap();
    pull.bind("inproc://a").unwrap();
    assert_eq!(
        cast.read(&mut subs),
        ["connecting to inproc://a: peer A, not bound yet", "incompatible at inproc://a: PULL"]
    );
    assert_eq!(cast.read(&mut pulls), ["listening at inproc://a", "incompatible at inproc://a: SUB"]);
}

#[test]
fn messages_lost_by_a_disconnect_are_told_once() {
    let (context, mut cast) = (Context::new(), Cast::default());
    let (mut push, mut pull) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
    let (mut pushes, mut pulls) = (push.monitor(), pull.monitor());
    push.bind("inproc://a").unwrap();
    pull.connect("inproc://a").unwrap();
    for _ in 0..3 {
        push.send("x").unwrap();
    }
    pull.disconnect("inproc://a").unwrap();
    assert_eq!(
        cast.read(&mut pulls)[2..],
        ["disconnected at inproc://a: peer A, closed here", "peer A left: 0 undelivered, 3 unread"]
    );
    assert!(push.try_send("nobody").is_err());
    assert_eq!(
        cast.read(&mut pushes)[3..],
        ["disconnected at inproc://a: peer A, closed by the peer", "peer A left: 0 undelivered, 0 unread"]
    );
    assert_eq!(pull.counters().unread, 3);
}

#[test]
fn messages_for_an_endpoint_that_never_was_are_told() {
    let (context, mut cast) = (Context::new(), Cast::default());
    let mut push = Push::new(&context).unwrap();
    let mut monitor = push.monitor();
    push.connect("inproc://a").unwrap();
    push.send("x").unwrap();
    push.disconnect("inproc://a").unwrap();
    assert_eq!(
        cast.read(&mut monitor),
        [
            "connecting to inproc://a: peer A, not bound yet",
            "disconnected at inproc://a: peer A, closed here",
            "peer A never joined: 1 undelivered, 0 unread",
        ]
    );
    assert_eq!(push.counters().undelivered, 1);
}

#[test]
fn a_pair_keeps_its_second_connector_waiting() {
    let (context, mut cast) = (Context::new(), Cast::default());
    let mut bound = Pair::new(&context).unwrap();
    let mut bounds = bound.monitor();
    bound.bind("inproc://a").unwrap();
    let (mut first, mut second) = (Pair::new(&context).unwrap(), Pair::new(&context).unwrap());
    let mut seconds = second.monitor();
    first.connect("inproc://a").unwrap();
    second.connect("inproc://a").unwrap();
    assert_eq!(
        cast.read(&mut bounds),
        [
            "listening at inproc://a",
            "accepted at inproc://a: peer A",
            "peer A joined: PAIR",
            "accepted at inproc://a: peer B",
        ]
    );
    assert_eq!(cast.read(&mut seconds), ["connected to inproc://a: peer B"]);
    let states: Vec<_> = bound.peer_list().iter().map(|info| info.state).collect();
    assert_eq!(states, [PeerState::Joined, PeerState::Waiting]);
    assert_eq!(second.peer_list()[0].state, PeerState::Waiting);

    drop(first);
    assert_eq!(
        cast.read(&mut bounds),
        [
            "disconnected at inproc://a: peer A, closed by the peer",
            "peer B joined: PAIR",
            "peer A left: 0 undelivered, 0 unread",
        ]
    );
    assert_eq!(cast.read(&mut seconds), ["peer B joined: PAIR"]);

    let mut third = Pair::new(&context).unwrap();
    third.connect("inproc://a").unwrap();
    third.send("never heard").unwrap();
    drop(third);
    assert_eq!(
        cast.read(&mut bounds),
        [
            "accepted at inproc://a: peer C",
            "disconnected at inproc://a: peer C, closed by the peer",
            "peer C never joined: 0 undelivered, 1 unread",
        ]
    );
}

#[test]
fn a_monitor_is_first_told_what_is_there() {
    let (context, mut cast) = (Context::new(), Cast::default());
    let (mut push, mut pull) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
    pull.bind("inproc://a").unwrap();
    push.connect("inproc://a").unwrap();
    push.connect("inproc://b").unwrap();
    let before = Instant::now();
    let (mut pushes, mut pulls) = (push.monitor(), pull.monitor());
    let there =
        ["connected to inproc://a: peer A", "peer A joined: PULL", "connecting to inproc://b: peer B, not bound yet"];
    assert_eq!(cast.read(&mut pushes), there);
    assert_eq!(cast.read(&mut push.monitor()), there);
    pull.bind("inproc://b").unwrap();
    let more = ["connected to inproc://b: peer B", "peer B joined: PULL"];
    assert_eq!(cast.read(&mut pushes), more);
    assert!(pulls.try_iter().all(|event| event.at >= before));

    // Nobody listens to this, and what was told before is no hindrance.
    drop((pushes, pulls));
    pull.unbind("inproc://b").unwrap();
    push.disconnect("inproc://b").unwrap();
    let mut late = push.monitor();
    assert_eq!(cast.read(&mut late), there[..2]);
    let mut late = pull.monitor();
    assert_eq!(
        cast.read(&mut late)[..3],
        ["listening at inproc://a", "accepted at inproc://a: peer A", "peer A joined: PUSH"]
    );
}

#[test]
fn the_oldest_events_give_way() {
    let context = Context::new();
    let mut pull = Pull::builder().monitor_capacity(3).build(&context).unwrap();
    let mut monitor = pull.monitor();
    for _ in 0..4 {
        pull.bind("inproc://a").unwrap();
        pull.unbind("inproc://a").unwrap();
    }
    let events: Vec<_> = monitor.try_iter().collect();
    assert_eq!(events[0].kind, EventKind::Missed(5));
    let texts: Vec<_> = events[1..].iter().map(Event::to_string).collect();
    assert_eq!(texts, ["unbound from inproc://a", "listening at inproc://a", "unbound from inproc://a"]);
    assert!(events.is_sorted_by_key(|event| event.at));
    assert_eq!(monitor.try_recv(), Err(RecvError::Empty));

    // What is there is told whole, however much it is.
    for name in 0..9 {
        pull.bind(format!("inproc://{name}")).unwrap();
    }
    let mut late = pull.monitor();
    assert_eq!(late.try_iter().count(), 9);
}

#[test]
fn a_sleeping_reader_is_woken() {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive, WaitPolicy::Spin] {
        let context = Context::new();
        let mut pull = Pull::new(&context).unwrap();
        let mut monitor = pull.monitor();
        monitor.set_wait(policy);
        let reader = thread::spawn(move || monitor.map(|event| event.to_string()).collect::<Vec<_>>());
        pull.bind("inproc://a").unwrap();
        thread::yield_now();
        drop(pull);
        assert_eq!(reader.join().unwrap(), ["listening at inproc://a", "unbound from inproc://a", "closed"]);
    }
}

#[test]
fn waiting_ends_in_time() {
    let context = Context::new();
    let pull = Pull::new(&context).unwrap();
    let mut monitor = pull.monitor();
    assert_eq!(monitor.recv_timeout(Duration::ZERO), Err(RecvError::TimedOut));
    assert_eq!(monitor.recv_timeout(Duration::from_millis(1)), Err(RecvError::TimedOut));
    drop(pull);
    assert_eq!(monitor.recv_timeout(PATIENCE).unwrap().kind, EventKind::Closed);
    assert_eq!(monitor.recv_timeout(PATIENCE), Err(RecvError::Closed));
    assert_eq!((monitor.recv(), monitor.try_recv()), (Err(RecvError::Closed), Err(RecvError::Closed)));
    assert_eq!(monitor.next(), None);
}

#[test]
fn a_shutdown_is_told() {
    let (context, mut cast) = (Context::new(), Cast::default());
    let mut push = Push::new(&context).unwrap();
    let mut monitor = push.monitor();
    push.connect("inproc://a").unwrap();
    push.send("x").unwrap();
    assert_eq!(context.shutdown(Duration::ZERO).sockets_left, 1);
    context.shutdown(Duration::ZERO);
    assert!(push.bind("inproc://b").is_err());
    assert_eq!(
        cast.read(&mut monitor),
        [
            "connecting to inproc://a: peer A, not bound yet",
            "context shut down",
            "disconnected at inproc://a: peer A, context shut down",
            "peer A never joined: 1 undelivered, 0 unread",
            "not bound to inproc://b: context shut down",
        ]
    );
    let mut late = push.monitor();
    assert_eq!(cast.read(&mut late).last().unwrap(), "context shut down");
    drop(push);
    assert_eq!(cast.read(&mut late).last().unwrap(), "closed");
}

#[test]
fn peers_are_listed() {
    let context = Context::new();
    let (mut publisher, mut sub) =
        (Pub::builder().send_hwm(1).build(&context).unwrap(), { Sub::builder().recv_hwm(1).build(&context).unwrap() });
    publisher.bind("inproc://a").unwrap();
    sub.connect("inproc://a").unwrap();
    sub.connect("inproc://b").unwrap();
    sub.subscribe("");
    for _ in 0..5 {
        publisher.send("x").unwrap();
    }
    let [peer] = &publisher.peer_list()[..] else { panic!("there is one") };
    assert_eq!(peer.socket_type.unwrap().to_string(), "SUB");
    assert_eq!(peer.endpoint.as_ref().unwrap().to_string(), "inproc://a");
    assert_eq!((peer.state, peer.dropped), (PeerState::Joined, 3));
    assert_eq!(peer.dropped, publisher.counters().dropped);
    let list = sub.peer_list();
    assert_eq!(list[0].peer, peer.peer);
    assert_eq!((list[1].state, list[1].socket_type), (PeerState::Connecting, None));
}

/// What has been told of a peer, as a place in the order.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Told {
    Connecting,
    Reached,
    Joined,
    Disconnected,
    Over,
}

/// Reads all a monitor is told and checks that it could have happened so. Returns the messages lost, in and out.
fn audit(monitor: Monitor) -> (u64, u64) {
    let mut peers: HashMap<PeerId, Vec<Told>> = HashMap::new();
    let (mut undelivered_total, mut unread_total) = (0, 0);
    let mut last = None;
    let mut closed = false;
    for event in monitor {
        assert!(!closed, "{event} after the end");
        assert!(last <= Some(event.at));
        last = Some(event.at);
        let (peer, told) = match event.kind {
            EventKind::Connecting { peer, .. } => (peer, Told::Connecting),
            EventKind::Connected { peer, .. } | EventKind::Accepted { peer, .. } => (peer, Told::Reached),
            EventKind::PeerJoined { peer, .. } => (peer, Told::Joined),
            EventKind::Disconnected { peer, .. } => (peer, Told::Disconnected),
            EventKind::PeerLeft { peer, undelivered, unread, .. } => {
                assert!(peers[&peer].contains(&Told::Joined));
                undelivered_total += undelivered;
                unread_total += unread;
                (peer, Told::Over)
            }
            EventKind::Abandoned { peer, undelivered, unread, .. } => {
                assert!(!peers[&peer].contains(&Told::Joined));
                undelivered_total += undelivered;
                unread_total += unread;
                (peer, Told::Over)
            }
            EventKind::Closed => {
                closed = true;
                continue;
            }
            EventKind::Missed(_) => panic!("the monitor is large enough"),
            _ => continue,
        };
        let before = peers.entry(peer).or_default();
        assert!(before.last().is_none_or(|last| *last < told), "{told:?} of {peer} after {before:?}");
        if told == Told::Joined {
            assert!(before.contains(&Told::Reached), "{peer}: {before:?}");
        }
        before.push(told);
    }
    assert!(closed);
    for (peer, told) in peers {
        assert!(told.contains(&Told::Disconnected), "{peer} is still there: {told:?}");
        assert!(!told.contains(&Told::Joined) || told.contains(&Told::Over), "{peer} never left: {told:?}");
    }
    (undelivered_total, unread_total)
}

/// Peers of two types of socket come and go from three threads, while monitors are made, read and dropped.
#[test]
fn the_order_holds_whoever_tells() {
    let rounds = if cfg!(miri) { 2 } else { 200 };
    for _ in 0..rounds {
        let context = Context::new();
        let capacity = 100_000;
        let mut pull = Pull::builder().monitor_capacity(capacity).build(&context).unwrap();
        let mut pair = Pair::builder().monitor_capacity(capacity).build(&context).unwrap();
        let readers: Vec<_> =
            [pull.monitor(), pair.monitor()].into_iter().map(|m| thread::spawn(|| audit(m))).collect();
        let peers: Vec<_> = (0..3)
            .map(|number| {
                let context = context.clone();
                thread::spawn(move || {
                    for turn in 0..10 {
                        let mut push = Push::builder().monitor_capacity(1000).build(&context).unwrap();
                        let monitor = push.monitor();
                        push.connect("inproc://pull").unwrap();
                        let _ = push.try_send("x");
                        if (turn + number) % 3 == 0 {
                            push.disconnect("inproc://pull").unwrap();
                        }
                        let mut other = Pair::new(&context).unwrap();
                        let others = other.monitor();
                        other.connect("inproc://pair").unwrap();
                        let _ = other.try_send("x");
                        drop((push, other));
                        audit(monitor);
                        audit(others);
                    }
                })
            })
            .collect();
        let mut late = Vec::new();
        pair.bind("inproc://pair").unwrap();
        for turn in 0..20 {
            pull.bind("inproc://pull").unwrap();
            let _ = pull.try_recv();
            let _ = pair.try_send("x");
            let _ = pair.try_recv();
            late.push(pull.monitor());
            late.push(pair.monitor());
            if turn % 4 == 0 {
                late.remove(0);
            }
            pull.unbind("inproc://pull").unwrap();
        }
        peers.into_iter().for_each(|peer| peer.join().unwrap());
        drop((pull, pair));
        for reader in readers {
            reader.join().unwrap();
        }
        for monitor in late {
            audit(monitor);
        }
    }
}

/// As many losses are told as are counted.
#[test]
fn losses_add_up() {
    let context = Context::new();
    let mut undelivered_told = 0;
    let mut unread_told = 0;
    for turn in 0..20 {
        let (mut push, mut pull) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
        let (pushes, pulls) = (push.monitor(), pull.monitor());
        pull.bind("inproc://a").unwrap();
        push.connect("inproc://a").unwrap();
        push.connect("inproc://never").unwrap();
        push.set_linger(Duration::ZERO);
        let dropping = thread::spawn(move || {
            for _ in 0..turn {
                let _ = pull.try_recv();
            }
        });
        for _ in 0..40 {
            let _ = push.try_send("x");
        }
        dropping.join().unwrap();
        drop(push);
        for (undelivered, unread) in [audit(pushes), audit(pulls)] {
            undelivered_told += undelivered;
            unread_told += unread;
        }
    }
    let report = context.shutdown(PATIENCE);
    assert_eq!((undelivered_told, unread_told), (report.undelivered, report.unread));
    assert!(undelivered_told > 0);
}

/// Over a stream each event says which descriptor it is about, and failures have the system's number.
#[cfg(all(unix, not(miri)))]
#[test]
fn descriptors_and_numbers_are_told() {
    let context = Context::new();
    let (mut push, mut pull) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
    let (mut near, mut far) = (pull.monitor(), push.monitor());
    pull.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = pull.last_endpoint().unwrap();
    pull.bind(endpoint.to_string()).unwrap_err();
    push.connect(endpoint.to_string()).unwrap();
    push.send("x").unwrap();
    pull.recv().unwrap();
    // A new monitor hears the same of what is there.
    let mut late = pull.monitor();
    let listening = |kind: &EventKind| match kind {
        EventKind::Listening { descriptor, .. } => *descriptor,
        _ => None,
    };
    let mut told = Vec::new();
    let mut here = None;
    while here.is_none() {
        let event = near.recv().unwrap().kind;
        if let EventKind::HandshakeSucceeded { descriptor, local, remote, .. } = &event {
            here = Some((descriptor.unwrap(), local.clone(), remote.clone()));
        }
        told.push(event);
    }
    let (here, local, remote) = here.unwrap();
    let listener = told.iter().find_map(listening).unwrap();
    assert_eq!(late.try_iter().find_map(|event| listening(&event.kind)), Some(listener));
    assert_eq!(format!("tcp://{local}"), endpoint.to_string());
    assert!(told.iter().any(|kind| matches!(
        kind,
        EventKind::BindFailed { reason, .. } if reason.errno() == Some(libc::EADDRINUSE)
    )));
    assert!(told.iter().any(|kind| matches!(
        kind, EventKind::Accepted { descriptor, .. } if *descriptor == Some(here)
    )));
    let there = loop {
        if let EventKind::HandshakeSucceeded { descriptor, local, remote: other, .. } = far.recv().unwrap().kind {
            assert_eq!((&*local, format!("tcp://{other}")), (&*remote, endpoint.to_string()));
            break descriptor.unwrap();
        }
    };
    assert!(here != there && here != listener);
    assert_eq!(push.peer_list()[0].descriptor, Some(there));
    drop(pull);
    assert!(
        near.any(|event| matches!(event.kind, EventKind::Unbound { descriptor, .. } if descriptor == Some(listener)))
    );
    let mut far = far.map(|event| event.kind);
    assert!(far.any(|kind| matches!(kind, EventKind::Disconnected { descriptor, .. } if descriptor == Some(there))));
    assert!(far.any(|kind| matches!(kind, EventKind::ConnectRetried { reason: ConnectFailure::Refused, .. })));
}
