//! Pollers: what they report, when they wake, what they cost. Most of it over streams, too; the list at the foot of this
//! file says what.

use std::{
    ops::Deref,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

#[cfg(target_os = "linux")]
mod news;
#[cfg(target_os = "linux")]
mod on_demand;
#[allow(dead_code, reason = "it belongs to the conformance suite, which uses all of it")]
#[path = "../conformance/road.rs"]
mod road;

use ringway::{
    Context, Message, Pair, Poller, Pull, Push, Rep, Req, WaitPolicy,
    poll::{AddError, Event, Events, Interest, NotRegistered, PollError},
    socket::{RecvError, SendFailure},
};
use road::Endpoints;

const LONG: Option<Duration> = Some(Duration::from_secs(60));
const POLICIES: [WaitPolicy; 3] = [WaitPolicy::Spin, WaitPolicy::Adaptive, WaitPolicy::Park];

/// What endpoints are made of, and who serves them.
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

/// A context, and where its names are.
struct World {
    context: Context,
    endpoints: Endpoints,
    road: Road,
}

impl Deref for World {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl World {
    fn new(road: Road) -> Self {
        let context = match road {
            Road::TcpCallerDriven => Context::builder().caller_driven().build(),
            Road::Inproc | Road::Tcp | Road::Ipc => Context::new(),
            Road::IpcPlain => Context::new().without_shared_memory(),
        };
        let endpoints = Endpoints::new(match road {
            Road::Inproc => road::Road::Inproc,
            Road::Tcp | Road::TcpCallerDriven => road::Road::Tcp,
            Road::Ipc => road::Road::Ipc,
            Road::IpcPlain => road::Road::IpcPlain,
        });
        Self { context, endpoints, road }
    }

    fn endpoint(&self, name: &str) -> String {
        self.endpoints.named(name)
    }

    /// What a test does so many times, or less where each time costs system calls.
    fn many(&self, times: u64) -> u64 {
        if self.road == Road::Inproc { times } else { times.div_ceil(20) }
    }
}

fn pipeline(world: &World, name: &str) -> (Push, Pull) {
    let mut push = Push::builder().send_hwm(2).build(world).unwrap();
    let mut pull = Pull::builder().recv_hwm(2).build(world).unwrap();
    pull.bind(world.endpoint(name)).unwrap();
    push.connect(world.endpoint(name)).unwrap();
    (push, pull)
}

fn pairs(world: &World, name: &str) -> (Pair, Pair) {
    let (mut here, mut there) = (Pair::new(world).unwrap(), Pair::new(world).unwrap());
    here.bind(world.endpoint(name)).unwrap();
    there.connect(world.endpoint(name)).unwrap();
    (here, there)
}

fn data(events: &Events) -> Vec<u64> {
    let mut data: Vec<u64> = events.iter().map(|event| event.data).collect();
    data.sort_unstable();
    data
}

fn reports_what_is_ready_and_nothing_else(road: Road) {
    let context = World::new(road);
    let (mut push, mut pull) = pipeline(&context, "a");
    let (_quiet_push, mut quiet) = pipeline(&context, "b");
    let (mut poller, mut events) = (Poller::new(), Events::new());
    poller.add(&mut pull, Interest::READABLE, 7).unwrap();
    poller.add(&mut quiet, Interest::READABLE, 8).unwrap();
    assert_eq!(poller.try_wait(&mut events).unwrap(), 0);
    push.send("x").unwrap();
    assert_eq!(poller.wait(&mut events, None).unwrap(), 1);
    let event: Event = *events.iter().next().unwrap();
    assert!(event.readable && !event.writable && !event.error && !event.hung_up);
    assert_eq!(event.data, 7);
}

fn is_level_triggered(road: Road) {
    let context = World::new(road);
    let (mut push, mut pull) = pipeline(&context, "a");
    let (mut poller, mut events) = (Poller::new(), Events::new());
    poller.add(&mut pull, Interest::READABLE, 1).unwrap();
    push.send("x").unwrap();
    push.send("y").unwrap();
    for _ in 0..10_000 {
        assert_eq!(poller.wait(&mut events, LONG).unwrap(), 1);
    }
    pull.recv().unwrap();
    assert_eq!(poller.wait(&mut events, LONG).unwrap(), 1);
    pull.recv().unwrap();
    for _ in 0..10_000 {
        assert_eq!(poller.try_wait(&mut events).unwrap(), 0);
    }
    push.send("z").unwrap();
    // On a stream it takes its time.
    let timeout = if road == Road::Inproc { Some(Duration::ZERO) } else { LONG };
    assert_eq!(poller.wait(&mut events, timeout).unwrap(), 1);
}

fn tells_of_room(road: Road) {
    for policy in POLICIES {
        let context = World::new(road);
        let (mut push, mut pull) = pipeline(&context, "a");
        let (mut poller, mut events) = (Poller::with_policy(policy), Events::new());
        poller.add(&mut push, Interest::WRITABLE, 1).unwrap();
        assert_eq!(poller.wait(&mut events, LONG).unwrap(), 1);
        assert!(events.iter().all(|event| event.writable && !event.readable));
        while push.try_send("x").is_ok() {}
        assert_eq!(poller.try_wait(&mut events).unwrap(), 0);
        assert_eq!(poller.wait(&mut events, Some(Duration::from_millis(5))).unwrap(), 0);
        let reader = thread::spawn(move || {
            pull.recv().unwrap();
            pull
        });
        assert_eq!(poller.wait(&mut events, LONG).unwrap(), 1);
        assert!(push.try_send("y").is_ok(), "reported writable");
        reader.join().unwrap();
    }
}

fn both_interests_are_told_apart(road: Road) {
    let context = World::new(road);
    let (mut here, mut there) = pairs(&context, "a");
    let (mut poller, mut events) = (Poller::new(), Events::new());
    let key = poller.add(&mut here, Interest::READABLE | Interest::WRITABLE, 1).unwrap();
    poller.wait(&mut events, LONG).unwrap();
    assert!(events.iter().all(|event| event.writable && !event.readable));
    there.send("x").unwrap();
    poller.wait(&mut events, LONG).unwrap();
    assert!(events.iter().all(|event| event.writable && event.readable));
    poller.modify(key, Interest::READABLE).unwrap();
    poller.wait(&mut events, LONG).unwrap();
    assert!(events.iter().all(|event| !event.writable && event.readable));
    poller.modify(key, Interest::NONE).unwrap();
    assert_eq!(poller.wait(&mut events, Some(Duration::from_millis(5))).unwrap(), 0);
    poller.modify(key, Interest::READABLE).unwrap();
    poller.set_data(key, 99).unwrap();
    poller.wait(&mut events, LONG).unwrap();
    assert_eq!(data(&events), [99]);
}

fn misuse_is_a_typed_error(road: Road) {
    let context = World::new(road);
    let (_push, mut pull) = pipeline(&context, "a");
    let (mut poller, mut events) = (Poller::new(), Events::new());
    assert!(matches!(poller.wait(&mut events, None), Err(PollError::NothingRegistered)));
    assert_eq!(poller.wait(&mut events, Some(Duration::from_millis(1))).unwrap(), 0);
    let key = poller.add(&mut pull, Interest::READABLE, 1).unwrap();
    assert!(matches!(poller.add(&mut pull, Interest::READABLE, 2), Err(AddError::AlreadyRegistered)));
    assert_eq!(poller.key_of(&pull), Some(key));
    poller.remove(key).unwrap();
    assert_eq!(poller.key_of(&pull), None);
    assert_eq!(poller.remove(key), Err(NotRegistered));
    assert_eq!(poller.modify(key, Interest::NONE), Err(NotRegistered));
    let again = poller.add(&mut pull, Interest::READABLE, 3).unwrap();
    assert_ne!(again, key);
    assert_eq!(poller.remove(key), Err(NotRegistered), "a key of an earlier registration");
    assert_eq!(poller.len(), 1);
}

fn a_socket_may_be_in_several_pollers(road: Road) {
    let context = World::new(road);
    let (mut push, mut pull) = pipeline(&context, "a");
    let (mut first, mut second, mut events) = (Poller::new(), Poller::with_policy(WaitPolicy::Park), Events::new());
    first.add(&mut pull, Interest::READABLE, 1).unwrap();
    second.add(&mut pull, Interest::READABLE, 2).unwrap();
    for _ in 0..100 {
        let sender = thread::spawn(move || {
            push.send("x").unwrap();
            push
        });
        second.wait(&mut events, LONG).unwrap();
        assert_eq!(data(&events), [2]);
        first.wait(&mut events, LONG).unwrap();
        assert_eq!(data(&events), [1]);
        pull.recv().unwrap();
        assert_eq!(first.try_wait(&mut events).unwrap() + second.try_wait(&mut events).unwrap(), 0);
        push = sender.join().unwrap();
    }
}

fn a_dropped_socket_vanishes_and_its_peer_hears_of_it_at_once(road: Road) {
    let context = World::new(road);
    let (mut push, mut pull) = pipeline(&context, "a");
    let (_other_push, mut other) = pipeline(&context, "b");
    let (mut poller, mut events) = (Poller::with_policy(WaitPolicy::Park), Events::new());
    let key = poller.add(&mut pull, Interest::READABLE, 1).unwrap();
    assert_eq!(poller.wait(&mut events, Some(Duration::from_millis(1))).unwrap(), 0);
    drop(pull);
    let refused = push.try_send("x").map_err(|error| error.reason);
    assert_eq!(refused, Err(SendFailure::NoPeer), "the poller does not keep it alive");
    assert_eq!(poller.try_wait(&mut events).unwrap(), 0);
    assert_eq!(poller.modify(key, Interest::READABLE), Err(NotRegistered));
    assert!(poller.is_empty());
    poller.add(&mut other, Interest::READABLE, 2).unwrap();
    let dropper = thread::spawn(move || drop(other));
    assert!(matches!(poller.wait(&mut events, None), Err(PollError::NothingRegistered)), "the last one went meanwhile");
    dropper.join().unwrap();
}

fn shutdown_ends_a_wait(road: Road) {
    for policy in POLICIES {
        let context = World::new(road);
        let (mut push, mut pull) = pipeline(&context, "a");
        while push.try_send("x").is_ok() {}
        while pull.try_recv().is_ok() {}
        while push.try_send("x").is_ok() {}
        let (mut poller, mut events) = (Poller::with_policy(policy), Events::new());
        poller.add(&mut push, Interest::WRITABLE, 1).unwrap();
        let (mut lone, _peer) = pairs(&context, "b");
        poller.add(&mut lone, Interest::READABLE, 2).unwrap();
        let ender = {
            let context = context.clone();
            thread::spawn(move || context.shutdown(Duration::ZERO))
        };
        let mut seen = Vec::new();
        while seen.len() < 2 {
            poller.wait(&mut events, None).unwrap();
            seen = data(&events);
        }
        assert_eq!(seen, [1, 2]);
        assert_eq!(lone.try_recv(), Err(RecvError::ContextClosed));
        ender.join().unwrap();
    }
}

/// A REQ that has asked nothing has nothing to receive, and one that waits for its reply nothing to send.
#[test]
fn the_end_of_the_context_is_seen_by_sockets_out_of_turn() {
    for wants in [Interest::READABLE, Interest::WRITABLE] {
        let context = Context::new();
        let (mut rep, mut req) = (Rep::new(&context).unwrap(), Req::new(&context).unwrap());
        rep.bind("inproc://turns").unwrap();
        req.connect("inproc://turns").unwrap();
        if wants.has_writable() {
            req.send("x").unwrap();
        }
        let (mut poller, mut events) = (Poller::with_policy(WaitPolicy::Park), Events::new());
        poller.add(&mut req, wants, 1).unwrap();
        assert_eq!(poller.wait(&mut events, Some(Duration::from_millis(1))).unwrap(), 0);
        let ender = thread::spawn(move || context.close());
        assert_eq!(poller.wait(&mut events, LONG).unwrap(), 1, "{wants:?}");
        ender.join().unwrap();
    }
}

fn a_waker_ends_a_wait(road: Road) {
    for policy in POLICIES {
        let context = World::new(road);
        let (_push, mut pull) = pipeline(&context, "a");
        let (mut poller, mut events) = (Poller::with_policy(policy), Events::new());
        poller.add(&mut pull, Interest::READABLE, 1).unwrap();
        let waker = poller.waker();
        for _ in 0..100 {
            let waker = waker.clone();
            let caller = thread::spawn(move || waker.wake());
            assert_eq!(poller.wait(&mut events, LONG).unwrap(), 0);
            caller.join().unwrap();
        }
        waker.wake();
        waker.wake();
        assert_eq!(poller.wait(&mut events, None).unwrap(), 0);
        assert_eq!(poller.wait(&mut events, Some(Duration::from_millis(1))).unwrap(), 0);
    }
}

fn time_outs_are_kept(road: Road) {
    let context = World::new(road);
    let (_push, mut pull) = pipeline(&context, "a");
    for policy in POLICIES {
        let (mut poller, mut events) = (Poller::with_policy(policy), Events::new());
        poller.add(&mut pull, Interest::READABLE, 1).unwrap();
        for timeout in [0, 1, 20].map(Duration::from_millis) {
            let began = Instant::now();
            assert_eq!(poller.wait(&mut events, Some(timeout)).unwrap(), 0);
            assert!(began.elapsed() >= timeout, "{policy:?} {timeout:?}: {:?}", began.elapsed());
        }
    }
}

fn every_message_of_many_sockets_is_reported(road: Road) {
    const SOCKETS: usize = 40;
    const MESSAGES: usize = 100;
    for policy in POLICIES {
        let context = World::new(road);
        let (pushes, mut pulls): (Vec<_>, Vec<_>) =
            (0..SOCKETS).map(|index| pipeline(&context, &index.to_string())).unzip();
        let (mut poller, mut events) = (Poller::with_policy(policy), Events::new());
        for (index, pull) in pulls.iter_mut().enumerate() {
            poller.add(pull, Interest::READABLE, index as u64).unwrap();
        }
        let sender = thread::spawn(move || {
            let mut pushes = pushes;
            for message in 0..MESSAGES {
                for index in 0..SOCKETS {
                    pushes[(index * 7 + message) % SOCKETS].send("x").unwrap();
                }
            }
            pushes
        });
        let mut taken = 0;
        while taken < SOCKETS * MESSAGES {
            assert!(poller.wait(&mut events, LONG).unwrap() > 0, "{policy:?}: {taken} taken");
            for event in &events {
                pulls[event.data as usize].try_recv().expect("reported readable");
                taken += 1;
            }
        }
        sender.join().unwrap();
        assert_eq!(poller.try_wait(&mut events).unwrap(), 0);
    }
}

fn idle_sockets_are_not_looked_at(road: Road) {
    const IDLE: usize = 1_000;
    for policy in POLICIES {
        let context = World::new(road);
        let mut idle: Vec<_> = (0..IDLE).map(|index| pipeline(&context, &index.to_string())).collect();
        let (mut push, mut pull) = pipeline(&context, "busy");
        let (mut poller, mut events) = (Poller::with_policy(policy), Events::new());
        for (index, (_, pull)) in idle.iter_mut().enumerate() {
            poller.add(pull, Interest::READABLE, index as u64).unwrap();
        }
        poller.add(&mut pull, Interest::READABLE, 5_000).unwrap();
        for _ in 0..200 {
            poller.try_wait(&mut events).unwrap();
        }
        assert!(poller.counters().hot <= 8, "{:?}", poller.counters());
        let before = poller.counters();
        for _ in 0..1_000 {
            push.send("x").unwrap();
            assert_eq!(poller.wait(&mut events, LONG).unwrap(), 1);
            pull.try_recv().unwrap();
        }
        let looks = poller.counters().looks - before.looks;
        assert!(looks <= 10 * 1_000, "{looks} looks in 1,000 waits");
        // And none of them is forgotten.
        for (index, (push, pull)) in idle.iter_mut().enumerate() {
            push.send("x").unwrap();
            assert_eq!(poller.wait(&mut events, LONG).unwrap(), 1);
            assert_eq!(data(&events), [index as u64]);
            pull.try_recv().unwrap();
        }
    }
}

fn a_waiting_call_on_a_registered_socket_loses_nothing(road: Road) {
    let context = World::new(road);
    let (mut here, mut there) = pairs(&context, "a");
    let (_push, mut quiet) = pipeline(&context, "b");
    let (mut poller, mut events) = (Poller::with_policy(WaitPolicy::Park), Events::new());
    here.set_wait(WaitPolicy::Park);
    poller.add(&mut here, Interest::READABLE, 1).unwrap();
    poller.add(&mut quiet, Interest::READABLE, 2).unwrap();
    for turn in 0..200 {
        // Armed by this, and then disarmed by a call that sleeps.
        poller.wait(&mut events, Some(Duration::from_micros(50))).unwrap();
        let sender = thread::spawn(move || {
            there.send("for the call").unwrap();
            there
        });
        here.recv().unwrap();
        there = sender.join().unwrap();
        let sender = thread::spawn(move || {
            there.send("for the poller").unwrap();
            there
        });
        assert_eq!(poller.wait(&mut events, LONG).unwrap(), 1, "turn {turn}");
        here.try_recv().unwrap();
        there = sender.join().unwrap();
    }
}

fn a_socket_in_use_elsewhere_is_seen_when_that_use_ends(road: Road) {
    let context = World::new(road);
    let (mut here, mut there) = pairs(&context, "a");
    let (mut poller, mut events) = (Poller::with_policy(WaitPolicy::Park), Events::new());
    poller.add(&mut here, Interest::READABLE, 1).unwrap();
    for _ in 0..200 {
        let (said, heard) = mpsc::channel();
        let user = thread::spawn(move || {
            said.send(()).unwrap();
            // Waits with the socket in use; one message remains.
            here.recv().unwrap();
            here
        });
        heard.recv().unwrap();
        let sender = thread::spawn(move || {
            there.send("one").unwrap();
            there.send("two").unwrap();
            there
        });
        let mut count = 0;
        while count == 0 {
            count = poller.wait(&mut events, LONG).unwrap();
        }
        here = user.join().unwrap();
        there = sender.join().unwrap();
        here.try_recv().unwrap();
        assert_eq!(poller.try_wait(&mut events).unwrap(), 0);
    }
}

fn sockets_and_pollers_move_between_threads(road: Road) {
    let context = World::new(road);
    let (mut push, mut pull) = pipeline(&context, "a");
    let mut poller = Poller::with_policy(WaitPolicy::Park);
    poller.add(&mut pull, Interest::READABLE, 1).unwrap();
    for _ in 0..50 {
        let sender = thread::spawn(move || {
            push.send("x").unwrap();
            push
        });
        let waiter = thread::spawn(move || {
            let mut events = Events::new();
            assert_eq!(poller.wait(&mut events, LONG).unwrap(), 1);
            assert_eq!(pull.try_recv().unwrap()[0], "x");
            (poller, pull)
        });
        (poller, pull) = waiter.join().unwrap();
        push = sender.join().unwrap();
    }
}

fn registrations_come_and_go_beside_a_wait(road: Road) {
    let context = World::new(road);
    let (mut push, mut pull) = pipeline(&context, "a");
    // Another poller, of another thread, adds and removes the same socket's peers.
    let (mut poller, mut events) = (Poller::with_policy(WaitPolicy::Park), Events::new());
    poller.add(&mut pull, Interest::READABLE, 1).unwrap();
    let busy = thread::spawn(move || {
        let (mut poller, mut events) = (Poller::new(), Events::new());
        for turn in 0..2_000_u64 {
            let key = poller.add(&mut push, Interest::WRITABLE, turn).unwrap();
            assert!(poller.wait(&mut events, LONG).unwrap() == 1 && data(&events) == [turn]);
            push.try_send(Message::from(turn.to_ne_bytes())).expect("reported writable");
            poller.remove(key).unwrap();
        }
        push
    });
    let mut next = 0_u64;
    while next < 2_000 {
        assert_eq!(poller.wait(&mut events, LONG).unwrap(), 1);
        while let Ok(message) = pull.try_recv() {
            assert_eq!(message[0], next.to_ne_bytes());
            next += 1;
        }
    }
    busy.join().unwrap();
}

#[cfg(target_os = "linux")]
mod descriptors {
    use std::{
        io::{Read, Write},
        os::{fd::AsFd, unix::net::UnixStream},
    };

    use super::*;

    fn stream() -> (UnixStream, UnixStream) {
        UnixStream::pair().unwrap()
    }

    pub(super) fn are_reported_beside_sockets(road: Road) {
        for policy in POLICIES {
            let context = World::new(road);
            let (mut push, mut pull) = pipeline(&context, "a");
            let (mut near, mut far) = stream();
            let (mut poller, mut events) = (Poller::with_policy(policy), Events::new());
            poller.add(&mut pull, Interest::READABLE, 1).unwrap();
            poller.add_fd(&near, Interest::READABLE, 2).unwrap();
            assert_eq!(poller.wait(&mut events, Some(Duration::from_millis(2))).unwrap(), 0);
            for _ in 0..50 {
                let writer = thread::spawn(move || {
                    far.write_all(b"x").unwrap();
                    far
                });
                assert_eq!(poller.wait(&mut events, LONG).unwrap(), 1);
                assert_eq!(data(&events), [2]);
                assert_eq!(near.read(&mut [0; 8]).unwrap(), 1);
                far = writer.join().unwrap();
                let sender = thread::spawn(move || {
                    push.send("x").unwrap();
                    push
                });
                assert_eq!(poller.wait(&mut events, LONG).unwrap(), 1);
                assert_eq!(data(&events), [1]);
                pull.try_recv().unwrap();
                push = sender.join().unwrap();
            }
            far.write_all(b"x").unwrap();
            push.send("x").unwrap();
            for _ in 0..3 {
                poller.wait(&mut events, LONG).unwrap();
                assert_eq!(data(&events), [1, 2]);
            }
        }
    }

    #[test]

    fn are_changed_taken_out_and_hang_up() {
        let (near, far) = stream();
        let (mut poller, mut events) = (Poller::new(), Events::new());
        assert_eq!(poller.remove_fd(&near), Err(NotRegistered));
        poller.add_fd(&near, Interest::READABLE | Interest::WRITABLE, 1).unwrap();
        assert!(matches!(poller.add_fd(&near, Interest::READABLE, 1), Err(AddError::AlreadyRegistered)));
        poller.wait(&mut events, None).unwrap();
        assert!(events.iter().all(|event| event.writable && !event.readable && !event.hung_up));
        poller.modify_fd(&near, Interest::READABLE, 2).unwrap();
        assert_eq!(poller.try_wait(&mut events).unwrap(), 0);
        drop(far);
        poller.wait(&mut events, None).unwrap();
        assert!(events.iter().all(|event| event.readable && event.hung_up && event.data == 2));
        poller.remove_fd(near.as_fd()).unwrap();
        assert_eq!(poller.remove_fd(&near), Err(NotRegistered));
        assert!(poller.is_empty());
        let file = std::fs::File::open("Cargo.toml").unwrap();
        assert!(matches!(poller.add_fd(&file, Interest::READABLE, 3), Err(AddError::System(_))));
    }

    #[test]

    fn a_number_used_again_is_another_descriptor() {
        let (mut poller, mut events) = (Poller::new(), Events::new());
        for data in 0..10 {
            let (near, mut far) = stream();
            poller.add_fd(&near, Interest::READABLE, data).unwrap();
            far.write_all(b"x").unwrap();
            poller.wait(&mut events, None).unwrap();
            assert_eq!(super::data(&events), [data]);
        }
    }

    #[test]

    fn time_outs_are_kept_with_them() {
        for policy in POLICIES {
            let (near, _far) = stream();
            let (mut poller, mut events) = (Poller::with_policy(policy), Events::new());
            poller.add_fd(&near, Interest::READABLE, 1).unwrap();
            for timeout in [0, 100, 1_000, 20_500].map(Duration::from_micros) {
                let began = Instant::now();
                assert_eq!(poller.wait(&mut events, Some(timeout)).unwrap(), 0);
                assert!(began.elapsed() >= timeout);
            }
        }
    }

    #[test]

    fn a_waker_ends_a_wait_for_them() {
        let (near, _far) = stream();
        let (mut poller, mut events) = (Poller::with_policy(WaitPolicy::Park), Events::new());
        poller.add_fd(&near, Interest::READABLE, 1).unwrap();
        for _ in 0..100 {
            let waker = poller.waker();
            let caller = thread::spawn(move || waker.wake());
            assert_eq!(poller.wait(&mut events, None).unwrap(), 0);
            caller.join().unwrap();
        }
    }
}

macro_rules! over {
    ($road:ident: $($test:ident),* $(,)?) => {
        $(#[test] fn $test() { super::$test(super::Road::$road); })*
    };
}

#[cfg(target_os = "linux")]
use descriptors::are_reported_beside_sockets;
#[cfg(target_os = "linux")]
use on_demand::{
    a_descriptor_is_readable_while_the_socket_is, a_descriptor_serves_a_loop_of_epoll_and_another_poller,
    a_descriptor_tells_of_room, an_edge_triggered_loop_misses_nothing, no_edge_is_lost_in_a_hundred_thousand_messages,
    waiting_calls_leave_a_descriptor_right,
};

#[cfg(target_os = "linux")]
use news::{
    a_router_hears_of_room, any_socket_has_one, futures_lose_nothing, no_news_is_lost_in_many_messages,
    one_way_does_not_swallow_the_other, peers_and_the_end_are_news, readiness_is_no_news, room_is_news,
    turns_to_ask_and_answer_are_no_news,
};

mod inproc {
    over! { Inproc:
        reports_what_is_ready_and_nothing_else,
        is_level_triggered,
        tells_of_room,
        both_interests_are_told_apart,
        misuse_is_a_typed_error,
        a_socket_may_be_in_several_pollers,
        a_dropped_socket_vanishes_and_its_peer_hears_of_it_at_once,
        shutdown_ends_a_wait,
        a_waker_ends_a_wait,
        time_outs_are_kept,
        every_message_of_many_sockets_is_reported,
        idle_sockets_are_not_looked_at,
        a_waiting_call_on_a_registered_socket_loses_nothing,
        a_socket_in_use_elsewhere_is_seen_when_that_use_ends,
        sockets_and_pollers_move_between_threads,
        registrations_come_and_go_beside_a_wait,
    }
    #[cfg(target_os = "linux")]
    over! { Inproc: are_reported_beside_sockets }
    #[cfg(target_os = "linux")]
    over! { Inproc:
        a_descriptor_is_readable_while_the_socket_is,
        a_descriptor_tells_of_room,
        waiting_calls_leave_a_descriptor_right,
        no_edge_is_lost_in_a_hundred_thousand_messages,
        a_descriptor_serves_a_loop_of_epoll_and_another_poller,
        an_edge_triggered_loop_misses_nothing,
        readiness_is_no_news,
        room_is_news,
        one_way_does_not_swallow_the_other,
        peers_and_the_end_are_news,
        turns_to_ask_and_answer_are_no_news,
        a_router_hears_of_room,
        any_socket_has_one,
        futures_lose_nothing,
        no_news_is_lost_in_many_messages,
    }
}

/// Those that do not count on a message to be there when it is sent, or on a queue to be full after so many.
macro_rules! over_stream {
    ($road:ident) => {
        over! { $road:
            reports_what_is_ready_and_nothing_else,
            is_level_triggered,
            misuse_is_a_typed_error,
            a_socket_may_be_in_several_pollers,
            a_waker_ends_a_wait,
            time_outs_are_kept,
            every_message_of_many_sockets_is_reported,
            a_waiting_call_on_a_registered_socket_loses_nothing,
            sockets_and_pollers_move_between_threads,
            registrations_come_and_go_beside_a_wait,
        }
        #[cfg(target_os = "linux")]
        over! { $road:
            no_edge_is_lost_in_a_hundred_thousand_messages,
            a_descriptor_serves_a_loop_of_epoll_and_another_poller,
            an_edge_triggered_loop_misses_nothing,
            any_socket_has_one,
            futures_lose_nothing,
            no_news_is_lost_in_many_messages,
        }
    };
}

#[cfg(not(miri))]
mod tcp {
    over_stream!(Tcp);
}

#[cfg(not(miri))]
mod tcp_caller_driven {
    over_stream!(TcpCallerDriven);
}

#[cfg(not(miri))]
mod ipc {
    over_stream!(Ipc);
}

#[cfg(not(miri))]
mod ipc_plain {
    over_stream!(IpcPlain);
}
