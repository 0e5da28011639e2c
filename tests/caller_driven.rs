//! Contexts without threads: whatever a program waits in looks after their streams.

use std::{sync::mpsc, thread, time::Duration};

use ringway::{
    Context, Dealer, Pair, Poller, Pull, Push, Rep, Req, Router, WaitPolicy,
    poll::{Events, Interest},
    proxy::{ProxyControl, ProxyOptions, proxy},
};

#[path = "raw/mod.rs"]
mod raw;

use raw::{
    Listener, Peer, Road,
    bytes::{COMMAND, ping, pong},
};

const LONG: Option<Duration> = Some(Duration::from_secs(60));
const POLICIES: [WaitPolicy; 3] = [WaitPolicy::Spin, WaitPolicy::Adaptive, WaitPolicy::Park];
const ANYWHERE: &str = "tcp://127.0.0.1:*";

fn without_threads() -> Context {
    Context::builder().caller_driven().build()
}

/// Waits until `data` is ready, and nothing else has to be.
fn wait_for(poller: &mut Poller, events: &mut Events, data: u64) {
    loop {
        assert!(poller.wait(events, LONG).unwrap() > 0, "it becomes ready");
        if events.iter().any(|event| event.data == data) {
            return;
        }
    }
}

/// The peer is served by threads of its own, so only our side depends on the poller.
#[test]
fn a_poller_serves_the_streams_of_its_sockets_however_it_waits() {
    for policy in POLICIES {
        let (context, elsewhere) = (without_threads(), Context::new());
        let (mut here, mut there) = (Pair::new(&context).unwrap(), Pair::new(&elsewhere).unwrap());
        here.bind(ANYWHERE).unwrap();
        let endpoint = here.last_endpoint().unwrap().to_string();
        let echo = thread::spawn(move || {
            there.connect(endpoint).unwrap();
            for _ in 0..200 {
                let message = there.recv().unwrap();
                there.send(message).unwrap();
            }
            there
        });
        let (mut poller, mut events) = (Poller::with_policy(policy), Events::new());
        let key = poller.add(&mut here, Interest::WRITABLE, 1).unwrap();
        wait_for(&mut poller, &mut events, 1);
        poller.modify(key, Interest::READABLE).unwrap();
        for number in 0..200_u32 {
            here.try_send(number.to_ne_bytes()).unwrap();
            wait_for(&mut poller, &mut events, 1);
            assert_eq!(here.try_recv().unwrap()[0], number.to_ne_bytes());
        }
        echo.join().unwrap();
    }
}

#[test]
fn a_look_without_waiting_serves_them_too() {
    let context = without_threads();
    let (mut push, mut pull) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
    let (mut poller, mut events) = (Poller::new(), Events::new());
    poller.add(&mut pull, Interest::READABLE, 1).unwrap();
    pull.bind(ANYWHERE).unwrap();
    push.connect(pull.last_endpoint().unwrap().to_string()).unwrap();
    push.send("x").unwrap();
    while poller.try_wait(&mut events).unwrap() == 0 {}
    assert_eq!(pull.try_recv().unwrap()[0], "x");
}

#[test]
fn so_do_questions() {
    let context = without_threads();
    let (mut push, mut pull) = (Push::builder().immediate().build(&context).unwrap(), Pull::new(&context).unwrap());
    pull.bind(ANYWHERE).unwrap();
    push.connect(pull.last_endpoint().unwrap().to_string()).unwrap();
    while !push.can_send() {}
    push.send("x").unwrap();
    while !pull.can_recv() {}
    assert_eq!(pull.try_recv().unwrap()[0], "x");
}

/// Registered first, bound and connected afterwards, by a thread that is not the poller's; connected before there is anybody.
#[test]
fn sockets_may_get_their_endpoints_while_a_poller_sleeps() {
    for policy in POLICIES {
        let (context, elsewhere) = (without_threads(), Context::new());
        let (mut early, mut late) = (Pair::new(&context).unwrap(), Pair::new(&context).unwrap());
        let (mut poller, mut events) = (Poller::with_policy(policy), Events::new());
        poller.add(&mut early, Interest::READABLE, 1).unwrap();
        poller.add(&mut late, Interest::READABLE, 2).unwrap();
        let other = thread::spawn(move || {
            let listener = Listener::new(Road::Tcp);
            let endpoint = listener.endpoint();
            drop(listener);
            early.connect(&endpoint).unwrap();
            let mut there = Pair::new(&elsewhere).unwrap();
            there.bind(&endpoint).unwrap();
            there.send("early").unwrap();
            late.bind(ANYWHERE).unwrap();
            let mut elsewhere_too = Pair::new(&elsewhere).unwrap();
            elsewhere_too.connect(late.last_endpoint().unwrap().to_string()).unwrap();
            elsewhere_too.send("late").unwrap();
            (early, late, there, elsewhere_too)
        });
        let mut seen = [false; 2];
        while seen != [true; 2] {
            let count = poller.wait(&mut events, LONG).unwrap();
            assert!(count > 0, "{policy:?}: {seen:?} {poller:?}");
            for event in &events {
                seen[event.data as usize - 1] = true;
            }
        }
        let (mut early, mut late, _there, _elsewhere_too) = other.join().unwrap();
        assert_eq!(early.try_recv().unwrap()[0], "early");
        assert_eq!(late.try_recv().unwrap()[0], "late");
        // The others' lingers wait for our ends to close, which takes somebody who turns.
        drop((early, late, context));
    }
}

/// A peer made of bytes pings a program that sleeps in a poller, and hears its pings, which are due by the clock alone.
#[test]
fn heartbeats_go_on_while_a_poller_waits() {
    for policy in POLICIES {
        let context = without_threads();
        let mut pull = Pull::builder()
            .heartbeat(Duration::from_millis(5))
            .heartbeat_timeout(Duration::from_secs(60))
            .build(&context)
            .unwrap();
        pull.bind(ANYWHERE).unwrap();
        let endpoint = pull.last_endpoint().unwrap().to_string();
        let (mut poller, mut events) = (Poller::with_policy(policy), Events::new());
        poller.add(&mut pull, Interest::READABLE, 1).unwrap();
        let waker = poller.waker();
        let peer = thread::spawn(move || {
            let mut peer = Peer::joined(&endpoint, "PUSH", "PULL");
            peer.write(&ping(0, b"answer me"));
            let answer = pong(b"answer me");
            let (mut pings, mut is_answered) = (0, false);
            while pings < 10 || !is_answered {
                let frame = peer.frame();
                assert_eq!(frame.header[0] & COMMAND, COMMAND, "{frame:?}");
                if frame.body.starts_with(b"\x04PING") {
                    pings += 1;
                    peer.write(&pong(&frame.body[7..]));
                } else {
                    is_answered |= [&frame.header[..], &frame.body[..]].concat() == answer;
                }
            }
            waker.wake();
            peer
        });
        assert_eq!(poller.wait(&mut events, None).unwrap(), 0, "only the waker ends it");
        peer.join().unwrap();
    }
}

/// Each may take the other's events from the kernel; both are served.
#[test]
fn two_threads_poll_two_sockets_of_one_context() {
    for policies in
        [[WaitPolicy::Park, WaitPolicy::Park], [WaitPolicy::Spin, WaitPolicy::Park], [WaitPolicy::Adaptive; 2]]
    {
        let (context, elsewhere) = (without_threads(), Context::new());
        let threads: Vec<_> = policies
            .into_iter()
            .map(|policy| {
                let (mut here, mut there) = (Dealer::new(&context).unwrap(), Dealer::new(&elsewhere).unwrap());
                here.bind(ANYWHERE).unwrap();
                there.connect(here.last_endpoint().unwrap().to_string()).unwrap();
                let echo = thread::spawn(move || {
                    for _ in 0..300 {
                        let message = there.recv().unwrap();
                        there.send(message).unwrap();
                    }
                    there
                });
                let poll = thread::spawn(move || {
                    let (mut poller, mut events) = (Poller::with_policy(policy), Events::new());
                    let key = poller.add(&mut here, Interest::WRITABLE, 1).unwrap();
                    wait_for(&mut poller, &mut events, 1);
                    poller.modify(key, Interest::READABLE).unwrap();
                    for number in 0..300_u32 {
                        here.try_send(number.to_ne_bytes()).unwrap();
                        wait_for(&mut poller, &mut events, 1);
                        assert_eq!(here.try_recv().unwrap()[0], number.to_ne_bytes());
                    }
                    here
                });
                (echo, poll)
            })
            .collect();
        for (echo, poll) in threads {
            poll.join().unwrap();
            echo.join().unwrap();
        }
    }
}

/// One thread sleeps in a call of one socket, and is all there is for the other, which has its alarms set meanwhile.
#[test]
fn a_sleeping_call_serves_what_comes_up_meanwhile() {
    let (context, elsewhere) = (without_threads(), Context::new());
    let (mut sleeper, mut waker) = (Pull::new(&context).unwrap(), Push::new(&elsewhere).unwrap());
    sleeper.set_wait(WaitPolicy::Park);
    sleeper.bind(ANYWHERE).unwrap();
    waker.connect(sleeper.last_endpoint().unwrap().to_string()).unwrap();
    waker.send("ready").unwrap();
    assert_eq!(sleeper.recv().unwrap()[0], "ready");
    let sleeping = thread::spawn(move || sleeper.recv().unwrap());
    // Nobody is there yet: it connects again and again, by alarms alone.
    let listener = Listener::new(Road::Tcp);
    let endpoint = listener.endpoint();
    drop(listener);
    let mut push = Push::builder().reconnect_interval(Duration::from_millis(1)).build(&context).unwrap();
    push.connect(&endpoint).unwrap();
    push.send("served").unwrap();
    let mut pull = Pull::new(&elsewhere).unwrap();
    pull.bind(&endpoint).unwrap();
    assert_eq!(pull.recv().unwrap()[0], "served");
    waker.send("enough").unwrap();
    assert_eq!(sleeping.join().unwrap()[0], "enough");
}

#[test]
fn a_proxy_between_streams_of_such_a_context() {
    for policy in POLICIES {
        let (context, elsewhere) = (without_threads(), Context::new());
        let (mut frontend, mut backend) = (Router::new(&context).unwrap(), Dealer::new(&context).unwrap());
        frontend.bind(ANYWHERE).unwrap();
        backend.bind(ANYWHERE).unwrap();
        let [clients, servers] =
            [frontend.last_endpoint(), backend.last_endpoint()].map(|endpoint| endpoint.unwrap().to_string());
        let control = ProxyControl::new();
        let options = ProxyOptions::new().handle(&control).wait(policy);
        let (mut client, mut server) = (Req::new(&elsewhere).unwrap(), Rep::new(&elsewhere).unwrap());
        thread::scope(|scope| {
            let proxying = scope.spawn(|| proxy(&mut frontend, &mut backend, options).unwrap());
            scope.spawn(move || {
                server.connect(servers).unwrap();
                for _ in 0..100 {
                    let message = server.recv().unwrap();
                    server.send(message).unwrap();
                }
                server
            });
            client.connect(clients).unwrap();
            for number in 0..100_u32 {
                client.send(number.to_ne_bytes()).unwrap();
                assert_eq!(client.recv().unwrap()[0], number.to_ne_bytes());
            }
            control.terminate();
            assert_eq!(proxying.join().unwrap().statistics.backend.messages_in, 100);
        });
    }
}

/// What a poller turns is what its sockets need: none of a context whose sockets it does not have any more.
#[test]
fn a_poller_lets_go_of_a_context_with_its_last_socket() {
    let (first, second, elsewhere) = (without_threads(), without_threads(), Context::new());
    let mut sockets = [&first, &first, &second].map(|context| Pull::new(context).unwrap());
    let (mut poller, mut events) = (Poller::with_policy(WaitPolicy::Park), Events::new());
    let mut pushes = Vec::new();
    for (data, socket) in sockets.iter_mut().enumerate() {
        socket.bind(ANYWHERE).unwrap();
        let mut push = Push::new(&elsewhere).unwrap();
        push.connect(socket.last_endpoint().unwrap().to_string()).unwrap();
        push.send("x").unwrap();
        pushes.push(push);
        poller.add(socket, Interest::READABLE, data as u64).unwrap();
    }
    let mut there = 0;
    while there < 3 {
        there = poller.wait(&mut events, LONG).unwrap();
    }
    let [one, two, mut three] = sockets;
    drop(one);
    poller.remove(poller.key_of(&two).unwrap()).unwrap();
    three.try_recv().unwrap();
    // What comes for the first context ends no sleep.
    pushes[1].send("y").unwrap();
    let parks = poller.counters().wait.parks;
    assert_eq!(poller.wait(&mut events, Some(Duration::from_millis(20))).unwrap(), 0);
    assert_eq!(poller.counters().wait.parks, parks + 1);
    pushes[2].send("z").unwrap();
    wait_for(&mut poller, &mut events, 2);
    assert_eq!(three.try_recv().unwrap()[0], "z");
}

#[cfg(target_os = "linux")]
mod on_demand {
    use std::os::fd::{AsFd, OwnedFd};

    use ringway::socket::{Descriptor, RecvError};

    use super::*;

    /// A loop that knows nothing of the library.
    struct Loop(OwnedFd);

    impl Loop {
        fn new(fd: &Descriptor, edges: bool) -> Self {
            use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

            let epoll = epoll::create(CreateFlags::CLOEXEC).unwrap();
            let flags = if edges { EventFlags::IN | EventFlags::ET } else { EventFlags::IN };
            epoll::add(&epoll, fd.as_fd(), EventData::new_u64(1), flags).unwrap();
            Self(epoll)
        }

        fn sleep(&self) {
            use rustix::event::{Timespec, epoll};

            let mut events = Vec::with_capacity(4);
            let timeout = Timespec { tv_sec: 60, tv_nsec: 0 };
            epoll::wait(&self.0, rustix::buffer::spare_capacity(&mut events), Some(&timeout)).unwrap();
            assert!(!events.is_empty(), "it becomes readable");
        }
    }

    /// The loop, level- and edge-triggered, is all there is: connections, messages and heartbeats come through it.
    #[test]
    fn a_foreign_loop_serves_the_streams() {
        for edges in [false, true] {
            let (context, elsewhere) = (without_threads(), Context::new());
            let (mut here, mut there) = (Pair::new(&context).unwrap(), Pair::new(&elsewhere).unwrap());
            let fd = here.descriptor(Interest::READABLE).unwrap();
            here.bind(ANYWHERE).unwrap();
            let endpoint = here.last_endpoint().unwrap().to_string();
            let echo = thread::spawn(move || {
                there.connect(endpoint).unwrap();
                there.send("begin").unwrap();
                while let Ok(message) = there.recv() {
                    if message[0] == "end" {
                        break;
                    }
                    there.send(message).unwrap();
                }
            });
            let foreign = Loop::new(&fd, edges);
            let mut received = 0;
            while received < 200 {
                foreign.sleep();
                loop {
                    match here.try_recv() {
                        Ok(message) => here.send(message).unwrap(),
                        Err(RecvError::Empty) => break,
                        Err(error) => panic!("{error}"),
                    }
                    received += 1;
                }
            }
            here.send("end").unwrap();
            echo.join().unwrap();
        }
    }

    /// As a program written for libzmq: it asks what there is, and sleeps when that is nothing.
    #[test]
    fn a_foreign_loop_asks_for_news() {
        for edges in [false, true] {
            let (context, elsewhere) = (without_threads(), Context::new());
            let (mut here, mut there) = (Pair::new(&context).unwrap(), Pair::new(&elsewhere).unwrap());
            let fd = here.edge_descriptor().unwrap();
            here.bind(ANYWHERE).unwrap();
            let endpoint = here.last_endpoint().unwrap().to_string();
            let echo = thread::spawn(move || {
                there.connect(endpoint).unwrap();
                there.send("begin").unwrap();
                while let Ok(message) = there.recv() {
                    if message[0] == "end" {
                        break;
                    }
                    there.send(message).unwrap();
                }
            });
            let foreign = Loop::new(&fd, edges);
            let (mut received, mut wakes) = (0, 0);
            while received < 200 {
                foreign.sleep();
                wakes += 1;
                while here.readiness(Interest::BOTH).has_readable() {
                    let message = here.try_recv().unwrap();
                    here.send(message).unwrap();
                    received += 1;
                }
            }
            assert!(wakes < 2_000, "it turns for nothing: {wakes}");
            here.send("end").unwrap();
            echo.join().unwrap();
        }
    }

    /// Two loops that are edge-triggered, in two threads, keep each other from turning now and then.
    #[test]
    fn two_foreign_loops_share_a_context() {
        let (context, elsewhere) = (without_threads(), Context::new());
        let (said, hears) = mpsc::channel();
        for _ in 0..2 {
            let (mut pull, mut push) = (Pull::new(&context).unwrap(), Push::new(&elsewhere).unwrap());
            let fd = pull.descriptor(Interest::READABLE).unwrap();
            pull.bind(ANYWHERE).unwrap();
            push.connect(pull.last_endpoint().unwrap().to_string()).unwrap();
            let (credit, credits) = mpsc::channel();
            let said = said.clone();
            thread::spawn(move || {
                let foreign = Loop::new(&fd, true);
                let mut received = 0;
                while received < 2_000 {
                    foreign.sleep();
                    while pull.try_recv().is_ok() {
                        received += 1;
                        credit.send(()).unwrap();
                    }
                }
                said.send(()).unwrap();
            });
            thread::spawn(move || {
                // One at a time: each must be told of by an edge of its own.
                for _ in 0..2_000 {
                    push.send("x").unwrap();
                    if credits.recv().is_err() {
                        break;
                    }
                }
                // Until the other end has them all.
                let _ = credits.recv();
            });
        }
        for _ in 0..2 {
            hears.recv_timeout(Duration::from_secs(60)).expect("both receive all");
        }
    }
}
