//! Signals that end waits, with real ones: handlers that do nothing but count, with and without `SA_RESTART`, run in a thread
//! that is parked. Whatever the call was, it says that it was interrupted, and made again it goes on as if nothing had been.

#![cfg(all(target_os = "linux", not(miri)))]

mod caller;
#[allow(dead_code, reason = "it belongs to the conformance suite, which uses all of it")]
#[path = "../conformance/road.rs"]
mod road;

use std::{
    collections::VecDeque,
    os::fd::OwnedFd,
    thread,
    time::{Duration, Instant},
};

use caller::{Caller, HANDLERS, Handler, PATIENCE};
use ringway::{
    Context, Interrupted, Message, Pair, Poller, Pub, Pull, Push, Rep, Req, Router, Sub, WaitPolicy,
    poll::{Events, Interest, PollError},
    proxy::{ProxyControl, ProxyEnd, ProxyOptions, proxy},
    socket::{RecvError, RequestError, SendFailure, WaitError},
};
use road::Endpoints;

const POLICIES: [WaitPolicy; 2] = [WaitPolicy::Adaptive, WaitPolicy::Park];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Road {
    Inproc,
    Tcp,
    /// By nobody but those who wait.
    TcpCallerDriven,
    Ipc,
    /// Without shared memory.
    IpcPlain,
}

const ROADS: [Road; 5] = [Road::Inproc, Road::Tcp, Road::TcpCallerDriven, Road::Ipc, Road::IpcPlain];

struct World {
    context: Context,
    endpoints: Endpoints,
}

impl World {
    fn new(road: Road) -> Self {
        let context = match road {
            Road::TcpCallerDriven => Context::builder().caller_driven().build(),
            Road::Inproc | Road::Tcp | Road::Ipc => Context::new(),
            Road::IpcPlain => Context::new().without_shared_memory(),
        };
        let road = match road {
            Road::Inproc => road::Road::Inproc,
            Road::Tcp | Road::TcpCallerDriven => road::Road::Tcp,
            Road::Ipc => road::Road::Ipc,
            Road::IpcPlain => road::Road::IpcPlain,
        };
        Self { context, endpoints: Endpoints::new(road) }
    }

    fn endpoint(&self) -> String {
        self.endpoints.named("one")
    }

    /// Two sockets that have talked to each other, so that whatever connects them is in place. The first is interruptible.
    fn pairs(&self, policy: WaitPolicy) -> (Pair, Pair) {
        let mut here = Pair::builder().interruptible().wait(policy).build(&self.context).unwrap();
        let mut there = Pair::new(&self.context).unwrap();
        here.bind(self.endpoint()).unwrap();
        there.connect(self.endpoint()).unwrap();
        there.send("hello").unwrap();
        assert_eq!(here.recv().unwrap()[0], "hello");
        (here, there)
    }
}

/// `test` for every road, policy and handler.
fn everywhere(test: impl Fn(&World, WaitPolicy, Handler)) {
    for road in ROADS {
        for policy in POLICIES {
            for handler in HANDLERS {
                println!("{road:?} {policy:?} {handler:?}");
                test(&World::new(road), policy, handler);
            }
        }
    }
}

#[test]
fn a_recv_is_interrupted_and_goes_on() {
    everywhere(|world, policy, handler| {
        let (mut here, mut there) = world.pairs(policy);
        let before = here.counters().recv_waits.interrupts;
        for timeout in [None, Some(PATIENCE)] {
            let caller = Caller::new(move || {
                let received = match timeout {
                    None => here.recv(),
                    Some(timeout) => here.recv_timeout(timeout),
                };
                (received, here)
            });
            caller.await_park().signal_until_over(handler);
            let (received, back) = caller.join();
            assert_eq!(received, Err(RecvError::Interrupted));
            here = back;
            assert_eq!(here.try_recv(), Err(RecvError::Empty));
            there.send("after").unwrap();
            assert_eq!(here.recv().unwrap()[0], "after");
        }
        assert_eq!(here.counters().recv_waits.interrupts, before + 2);
    });
}

#[test]
fn a_socket_that_is_not_interruptible_goes_on_by_itself() {
    everywhere(|world, policy, handler| {
        let (mut here, mut there) = world.pairs(policy);
        here.set_interruptible(false);
        let caller = Caller::new(move || (here.recv(), here));
        caller.await_park().signal_in_vain(handler).await_park();
        assert!(!caller.is_over());
        there.send("after").unwrap();
        let (received, here) = caller.join();
        assert_eq!(received.unwrap()[0], "after");
        assert_eq!(here.counters().recv_waits.interrupts, 0);
    });
}

#[test]
fn a_time_out_is_one_whatever_signals_there_were() {
    for handler in HANDLERS {
        let world = World::new(Road::Inproc);
        let (mut here, _there) = world.pairs(WaitPolicy::Park);
        here.set_interruptible(false);
        let timeout = Duration::from_millis(100);
        let begun = Instant::now();
        let caller = Caller::new(move || here.recv_timeout(timeout));
        caller.signal_until_over(handler);
        assert_eq!(caller.join(), Err(RecvError::TimedOut));
        assert!(begun.elapsed() >= timeout);
    }
}

#[test]
fn a_batch_and_a_request_are_interrupted() {
    for handler in HANDLERS {
        let world = World::new(Road::Tcp);
        let mut pull = Pull::builder().interruptible().build(&world.context).unwrap();
        pull.bind(world.endpoint()).unwrap();
        let caller = Caller::new(move || (pull.recv_batch(&mut Vec::new(), 8), pull));
        caller.await_park().signal_until_over(handler);
        let (received, mut pull) = caller.join();
        assert_eq!(received, Err(RecvError::Interrupted));
        let mut push = Push::new(&world.context).unwrap();
        push.connect(world.endpoint()).unwrap();
        push.send("one").unwrap();
        assert_eq!(pull.recv_batch(&mut Vec::new(), 8), Ok(1));

        let mut rep = Rep::new(&world.context).unwrap();
        rep.bind(world.endpoints.named("rep")).unwrap();
        let mut req = Req::builder().interruptible().reply_timeout(PATIENCE).build(&world.context).unwrap();
        req.connect(world.endpoints.named("rep")).unwrap();
        let caller = Caller::new(move || (req.request("question"), req));
        caller.await_park().signal_until_over(handler);
        let (answer, mut req) = caller.join();
        assert_eq!(answer, Err(RequestError::Unanswered(RecvError::Interrupted)));
        // The request stands, and its reply counts.
        assert_eq!(rep.recv().unwrap()[0], "question");
        rep.send("answer").unwrap();
        assert_eq!(req.recv().unwrap()[0], "answer");
    }
}

#[test]
fn a_send_is_interrupted_gives_the_message_back_and_goes_on() {
    for policy in POLICIES {
        for handler in HANDLERS {
            let world = World::new(Road::Inproc);
            let mut push = Push::builder().interruptible().wait(policy).send_hwm(1).build(&world.context).unwrap();
            let mut pull = Pull::builder().recv_hwm(1).build(&world.context).unwrap();
            push.bind(world.endpoint()).unwrap();
            pull.connect(world.endpoint()).unwrap();
            push.send("1").unwrap();
            push.send("2").unwrap();
            for timeout in [None, Some(PATIENCE)] {
                let caller = Caller::new(move || {
                    let sent = match timeout {
                        None => push.send("3"),
                        Some(timeout) => push.send_timeout("3", timeout),
                    };
                    (sent, push)
                });
                caller.await_park().signal_until_over(handler);
                let (sent, back) = caller.join();
                let error = sent.unwrap_err();
                assert_eq!((error.reason, &error.message[0] == "3"), (SendFailure::Interrupted, true));
                push = back;
            }
            let caller = Caller::new(move || (push.reserve().map(drop), push));
            caller.await_park().signal_until_over(handler);
            let (reserved, back) = caller.join();
            assert_eq!(reserved, Err(SendFailure::Interrupted));
            push = back;

            let mut batch: VecDeque<Message> = ["3".into(), "4".into()].into();
            assert_eq!(pull.recv().unwrap()[0], "1");
            let caller = Caller::new(move || (push.send_batch(&mut batch), batch, push));
            caller.await_park().signal_until_over(handler);
            let (sent, batch, push) = caller.join();
            assert_eq!((sent, batch.len()), (Err(SendFailure::Interrupted), 1), "the first was sent");
            assert_eq!(push.counters().send_waits.interrupts, 4);
            for expected in ["2", "3"] {
                assert_eq!(pull.recv().unwrap()[0], expected);
            }
            assert_eq!(pull.try_recv(), Err(RecvError::Empty));
        }
    }
}

/// Of a socket that has no peer yet, over streams: nothing can be sent until somebody comes.
#[test]
fn a_send_that_waits_for_a_peer_is_interrupted() {
    everywhere(|world, policy, handler| {
        let mut push = Push::builder().interruptible().wait(policy).build(&world.context).unwrap();
        push.bind(world.endpoint()).unwrap();
        let caller = Caller::new(move || (push.send("x"), push));
        caller.await_park().signal_until_over(handler);
        let (sent, mut push) = caller.join();
        assert_eq!(sent.unwrap_err().reason, SendFailure::Interrupted);
        let mut pull = Pull::new(&world.context).unwrap();
        pull.connect(world.endpoint()).unwrap();
        push.send("y").unwrap();
        assert_eq!(pull.recv().unwrap()[0], "y");
    });
}

#[test]
fn a_router_and_a_publisher_are_interrupted() {
    for handler in HANDLERS {
        let world = World::new(Road::Inproc);
        let mut router = Router::builder().interruptible().mandatory().build(&world.context).unwrap();
        router.bind(world.endpoint()).unwrap();
        let caller = Caller::new(move || router.recv());
        caller.await_park().signal_until_over(handler);
        assert_eq!(caller.join(), Err(RecvError::Interrupted));

        let mut publisher = Pub::builder().interruptible().build(&world.context).unwrap();
        publisher.bind(world.endpoints.named("news")).unwrap();
        let caller = Caller::new(move || (publisher.wait_for_subscribers(1, PATIENCE), publisher));
        caller.await_park().signal_until_over(handler);
        let (waited, mut publisher) = caller.join();
        assert_eq!(waited, Err(WaitError::Interrupted));
        let mut sub = Sub::new(&world.context).unwrap();
        sub.connect(world.endpoints.named("news")).unwrap();
        sub.subscribe("");
        assert_eq!(publisher.wait_for_subscribers(1, PATIENCE), Ok(()));
    }
}

#[test]
fn a_poll_over_sockets_is_interrupted_and_goes_on() {
    everywhere(|world, policy, handler| {
        let (here, there) = world.pairs(policy);
        interrupt_a_poll(here, there, policy, handler, None);
    });
}

#[test]
fn a_poll_with_descriptors_is_interrupted_and_goes_on() {
    everywhere(|world, policy, handler| {
        let (here, there) = world.pairs(policy);
        let (silent, _writer) = std::io::pipe().unwrap();
        interrupt_a_poll(here, there, policy, handler, Some(silent.into()));
    });
}

fn interrupt_a_poll(mut here: Pair, mut there: Pair, policy: WaitPolicy, handler: Handler, fd: Option<OwnedFd>) {
    let mut poller = Poller::with_policy(policy);
    poller.set_interruptible(true);
    poller.add(&mut here, Interest::READABLE, 1).unwrap();
    if let Some(fd) = &fd {
        poller.add_fd(fd, Interest::READABLE, 2).unwrap();
    }
    for timeout in [None, Some(PATIENCE)] {
        let caller = Caller::new(move || (poller.wait(&mut Events::new(), timeout), poller));
        caller.await_park().signal_until_over(handler);
        let (waited, back) = caller.join();
        assert!(matches!(waited, Err(PollError::Interrupted)), "{waited:?}");
        poller = back;
        there.send("after").unwrap();
        let mut events = Events::new();
        assert_eq!(poller.wait(&mut events, Some(PATIENCE)).unwrap(), 1);
        assert!(events.iter().all(|event| event.data == 1 && event.readable));
        assert_eq!(here.recv().unwrap()[0], "after");
    }
    assert_eq!(poller.counters().wait.interrupts, 2);

    poller.set_interruptible(false);
    let caller = Caller::new(move || poller.wait(&mut Events::new(), None));
    caller.await_park().signal_in_vain(handler).await_park();
    assert!(!caller.is_over());
    there.send("x").unwrap();
    assert_eq!(caller.join().unwrap(), 1);
}

#[test]
fn a_shutdown_is_interrupted_while_sockets_are_left() {
    everywhere(|world, _, handler| {
        let (here, there) = world.pairs(WaitPolicy::Adaptive);
        let context = world.context.clone();
        let caller = Caller::new(move || context.shutdown_interruptible(PATIENCE));
        caller.await_park().signal_until_over(handler);
        assert_eq!(caller.join(), Err(Interrupted));
        assert!(Pair::new(&world.context).is_err(), "closed it is");
        drop((here, there));
        let report = world.context.shutdown_interruptible(PATIENCE).unwrap();
        assert_eq!((report.sockets_left, report.undelivered, report.unread), (0, 0, 0));
    });
}

/// A message waits for a peer that is still to come: the interrupted shutdown has not dropped it.
#[test]
fn a_shutdown_is_interrupted_while_messages_linger() {
    for road in [Road::Tcp, Road::TcpCallerDriven, Road::Ipc, Road::IpcPlain] {
        for handler in HANDLERS {
            println!("{road:?} {handler:?}");
            let (world, elsewhere) = (World::new(road), Context::new());
            let mut push = Push::builder().linger(PATIENCE).build(&world.context).unwrap();
            push.connect(world.endpoint()).unwrap();
            push.send("late").unwrap();
            drop(push);
            let context = world.context.clone();
            let caller = Caller::new(move || context.shutdown_interruptible(PATIENCE));
            caller.signal_until_over(handler);
            assert_eq!(caller.join(), Err(Interrupted));
            let mut pull = Pull::new(&elsewhere).unwrap();
            pull.bind(world.endpoint()).unwrap();
            let report = world.context.shutdown_interruptible(PATIENCE).unwrap();
            assert_eq!((report.sockets_left, report.undelivered), (0, 0));
            assert_eq!(pull.recv().unwrap()[0], "late");
        }
    }
}

#[test]
fn a_shutdown_that_is_not_interruptible_is_not() {
    for handler in HANDLERS {
        let world = World::new(Road::Tcp);
        let (here, there) = world.pairs(WaitPolicy::Adaptive);
        let context = world.context.clone();
        let caller = Caller::new(move || context.shutdown(PATIENCE));
        caller.await_park().signal_in_vain(handler).await_park();
        assert!(!caller.is_over());
        drop((here, there));
        assert_eq!(caller.join().sockets_left, 0);
    }
}

#[test]
fn a_proxy_is_interrupted_and_goes_on() {
    for road in [Road::Inproc, Road::Tcp] {
        for handler in HANDLERS {
            println!("{road:?} {handler:?}");
            let world = World::new(road);
            let pair = || Pair::new(&world.context).unwrap();
            let (mut client, mut frontend, mut backend, mut server) = (pair(), pair(), pair(), pair());
            frontend.bind(world.endpoints.named("front")).unwrap();
            client.connect(world.endpoints.named("front")).unwrap();
            backend.bind(world.endpoints.named("back")).unwrap();
            server.connect(world.endpoints.named("back")).unwrap();
            let control = ProxyControl::new();
            for turn in 0..3_u64 {
                let handle = control.clone();
                let caller = Caller::new(move || {
                    let options = ProxyOptions::new().interruptible().handle(&handle);
                    (proxy(&mut frontend, &mut backend, options).unwrap(), frontend, backend)
                });
                client.send(turn.to_ne_bytes()).unwrap();
                assert_eq!(server.recv().unwrap()[0], turn.to_ne_bytes());
                caller.await_park().signal_until_over(handler);
                let report;
                (report, frontend, backend) = caller.join();
                assert_eq!(report.end, ProxyEnd::Interrupted);
                assert_eq!(report.statistics.backend.messages_out, turn + 1);
                assert_eq!((report.left_for_backend, report.left_for_frontend), (None, None));
            }
            let handle = control.clone();
            let caller = Caller::new(move || proxy(&mut frontend, &mut backend, ProxyOptions::new().handle(&handle)));
            caller.await_park().signal_in_vain(handler).await_park();
            assert!(!caller.is_over());
            control.terminate();
            assert_eq!(caller.join().unwrap().end, ProxyEnd::Terminated);
        }
    }
}

/// A signal for the process is run by a thread that does not block it. The library's own threads do: a handler would end no
/// wait there.
#[test]
fn threads_of_the_library_run_no_handlers() {
    let world = World::new(Road::Tcp);
    let mut pull = Pull::new(&world.context).unwrap();
    pull.bind(world.endpoint()).unwrap();
    let begun = Instant::now();
    loop {
        // Those of other tests among them, which may be about to begin.
        let masks = caller::blocked_signals("ringway-io-");
        let blocks = |signal: libc::c_int| masks.iter().all(|mask| mask & (1 << (signal - 1)) != 0);
        if !masks.is_empty() && blocks(libc::SIGINT) && blocks(libc::SIGUSR1) {
            assert!(masks.iter().all(|mask| mask & (1 << (libc::SIGSEGV - 1)) == 0), "a fault is its own");
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{masks:x?}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Signals all the time, at any point of a send or a receive: each call is made again until it is done, and everything
/// arrives once and in order.
#[test]
fn a_storm_of_signals_loses_nothing() {
    for (road, messages) in [(Road::Inproc, 4_000_u64), (Road::Tcp, 2_000), (Road::TcpCallerDriven, 500)] {
        println!("{road:?}");
        let world = World::new(road);
        let mut push = Push::builder().interruptible().send_hwm(2).build(&world.context).unwrap();
        let mut pull =
            Pull::builder().interruptible().recv_hwm(2).wait(WaitPolicy::Park).build(&world.context).unwrap();
        pull.bind(world.endpoint()).unwrap();
        push.connect(world.endpoint()).unwrap();
        let sending = Caller::new(move || {
            for number in 0..messages {
                let mut message = Message::from(number.to_ne_bytes());
                while let Err(error) = push.send(message) {
                    assert_eq!(error.reason, SendFailure::Interrupted);
                    message = error.message;
                }
            }
            push
        });
        let receiving = Caller::new(move || {
            for number in 0..messages {
                let message = loop {
                    match pull.recv() {
                        Err(error) => assert_eq!(error, RecvError::Interrupted),
                        Ok(message) => break message,
                    }
                };
                assert!(message[0] == number.to_ne_bytes(), "{number} was to come");
            }
            pull
        });
        while !sending.is_over() || !receiving.is_over() {
            for handler in HANDLERS {
                if !sending.is_over() {
                    sending.signal(handler);
                }
                if !receiving.is_over() {
                    receiving.signal(handler);
                }
                thread::sleep(Duration::from_micros(50));
            }
        }
        let (push, pull) = (sending.join(), receiving.join());
        println!("{} and {} interrupts", push.counters().send_waits.interrupts, pull.counters().recv_waits.interrupts);
    }
}
