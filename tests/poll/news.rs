//! Descriptors that tell of news, used as programs written for libzmq's `ZMQ_FD` use it.

use std::{
    collections::VecDeque,
    os::fd::{AsFd, OwnedFd},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use ringway::{
    Dealer, Rep, Req, Router,
    socket::{Descriptor, Pollable},
};
use rustix::event::{
    Timespec,
    epoll::{self, CreateFlags, EventData, EventFlags},
};

use super::*;

const BOTH: Interest = Interest::BOTH;
const A_MINUTE: Duration = Duration::from_secs(60);

/// A loop of `epoll` over one descriptor.
struct Loop(OwnedFd);

impl Loop {
    fn new(fd: &Descriptor, edges: bool) -> Self {
        let epoll = epoll::create(CreateFlags::CLOEXEC).unwrap();
        let flags = if edges { EventFlags::IN | EventFlags::ET } else { EventFlags::IN };
        epoll::add(&epoll, fd.as_fd(), EventData::new_u64(1), flags).unwrap();
        Self(epoll)
    }

    fn is_woken_within(&self, time: Duration) -> bool {
        let mut events = Vec::with_capacity(4);
        let timeout = Timespec::try_from(time).unwrap();
        epoll::wait(&self.0, rustix::buffer::spare_capacity(&mut events), Some(&timeout)).unwrap();
        !events.is_empty()
    }

    fn is_woken(&self) -> bool {
        self.is_woken_within(Duration::ZERO)
    }

    fn sleep(&self, what: impl std::fmt::Display) {
        assert!(self.is_woken_within(A_MINUTE), "{what}");
    }
}

/// What pyzmq makes of a socket in a level-triggered loop of asyncio's: calls that wait are futures, one of each kind is tried
/// when the descriptor is readable, and after each the socket is asked whether there is more.
struct Futures {
    socket: Pair,
    foreign: Loop,
    _fd: Descriptor,
    /// Callbacks the loop has been asked to make at its next turn.
    soon: u32,
    receiving: u32,
    sending: VecDeque<Message>,
    received: Vec<Message>,
    wakes: u64,
}

impl Futures {
    fn new(mut socket: Pair) -> Self {
        let fd = socket.edge_descriptor().unwrap();
        let foreign = Loop::new(&fd, false);
        Self {
            socket,
            foreign,
            _fd: fd,
            soon: 1,
            receiving: 0,
            sending: VecDeque::new(),
            received: Vec::new(),
            wakes: 0,
        }
    }

    fn wanted(&self) -> Interest {
        let receives = if self.receiving > 0 { Interest::READABLE } else { Interest::NONE };
        let sends = if self.sending.is_empty() { Interest::NONE } else { Interest::WRITABLE };
        receives | sends
    }

    fn recv(&mut self) {
        self.receiving += 1;
        if self.socket.readiness(BOTH).has_readable() {
            self.handle_recv();
        }
        self.schedule_remaining();
    }

    fn send(&mut self, message: Message) {
        if self.sending.is_empty() {
            match self.socket.try_send(message) {
                Ok(()) if self.receiving > 0 => return self.schedule_remaining(),
                Ok(()) => return,
                Err(error) => self.sending.push_back(error.message),
            }
        } else {
            self.sending.push_back(message);
        }
        self.schedule_remaining();
    }

    fn handle_recv(&mut self) {
        if self.receiving > 0 && self.socket.readiness(BOTH).has_readable() {
            self.received.push(self.socket.try_recv().unwrap());
            self.receiving -= 1;
        }
    }

    fn handle_send(&mut self) {
        if self.socket.readiness(BOTH).has_writable()
            && let Some(message) = self.sending.pop_front()
        {
            self.socket.try_send(message).unwrap();
        }
    }

    fn handle(&mut self) {
        let events = self.socket.readiness(BOTH);
        if events.has_readable() {
            self.handle_recv();
        }
        if events.has_writable() {
            self.handle_send();
        }
        self.schedule_remaining();
    }

    fn schedule_remaining(&mut self) {
        let wanted = self.wanted();
        if !wanted.is_none() {
            let events = self.socket.readiness(BOTH);
            let is_there = events.has_readable() && wanted.has_readable();
            self.soon += u32::from(is_there || (events.has_writable() && wanted.has_writable()));
        }
    }

    /// One turn of the loop.
    fn turn(&mut self) {
        for _ in 0..std::mem::take(&mut self.soon) {
            self.handle();
        }
        if self.wanted().is_none() {
            return;
        }
        if self.soon == 0 {
            self.foreign.sleep(format_args!("{} received, {} to send", self.received.len(), self.sending.len()));
            self.wakes += 1;
            self.handle();
        } else if self.foreign.is_woken() {
            self.wakes += 1;
            self.handle();
        }
    }
}

/// Two of them send each other more than there is room for, and receive it.
pub(super) fn futures_lose_nothing(road: Road) {
    let context = World::new(road);
    let messages = context.many(2_000);
    let builder = || Pair::builder().send_hwm(3).recv_hwm(3);
    let (mut here, mut there) = (builder().build(&context).unwrap(), builder().build(&context).unwrap());
    here.bind(context.endpoint("a")).unwrap();
    there.connect(context.endpoint("a")).unwrap();
    let run = move |socket: Pair| {
        let mut futures = Futures::new(socket);
        (0..messages).for_each(|_| futures.recv());
        (0..messages).for_each(|number| futures.send(Message::from(number.to_ne_bytes())));
        while (futures.received.len() as u64) < messages || !futures.sending.is_empty() {
            futures.turn();
        }
        for (number, message) in futures.received.drain(..).enumerate() {
            assert_eq!(message[0], (number as u64).to_ne_bytes());
        }
        futures
    };
    let other = thread::spawn(move || run(there));
    let mut futures = run(here);
    let other = other.join().unwrap();
    // Nobody waits for anything: the last wakes may come late, and then there are no more.
    for futures in [&mut futures, &mut { other }] {
        let wakes = (0..100).filter(|_| futures.foreign.is_woken_within(Duration::from_millis(1))).inspect(|_| {
            futures.socket.readiness(BOTH);
        });
        assert!(wakes.count() < 10, "it does not come to rest");
    }
}

pub(super) fn readiness_is_no_news(road: Road) {
    let context = World::new(road);
    let (mut here, mut there) = pairs(&context, "a");
    let fd = here.edge_descriptor().unwrap();
    let foreign = Loop::new(&fd, false);
    assert_eq!(fd.interest(), BOTH);
    assert!(foreign.is_woken(), "it begins with news");
    assert_eq!(here.readiness(BOTH), Interest::WRITABLE);
    assert!(!foreign.is_woken(), "simply writable");
    for _ in 0..1_000 {
        there.send("x").unwrap();
        assert!(foreign.is_woken() && foreign.is_woken());
        assert_eq!(here.readiness(BOTH), BOTH);
        assert!(!foreign.is_woken(), "told, and not received");
        here.try_recv().unwrap();
        assert_eq!(here.readiness(Interest::READABLE), Interest::NONE);
        here.send("y").unwrap();
        there.recv().unwrap();
        assert!(!foreign.is_woken());
    }
    // Nothing but `recv` until there is nothing.
    for _ in 0..1_000 {
        (0..3).for_each(|_| there.send("x").unwrap());
        assert!(foreign.is_woken());
        (0..3).for_each(|_| _ = here.try_recv().unwrap());
        assert!(foreign.is_woken(), "nothing has been told yet");
        assert_eq!(here.try_recv(), Err(RecvError::Empty));
        assert!(!foreign.is_woken());
    }
    assert_eq!(here.recv_timeout(Duration::from_millis(1)), Err(RecvError::TimedOut));
    // It slept in place of the descriptor's, which may have been told so.
    assert_eq!(here.try_recv(), Err(RecvError::Empty));
    assert!(!foreign.is_woken());
    drop(fd);
    there.send("x").unwrap();
    here.try_recv().unwrap();
}

pub(super) fn room_is_news(road: Road) {
    let context = World::new(road);
    let (mut push, mut pull) = pipeline(&context, "a");
    let fd = push.edge_descriptor().unwrap();
    let foreign = Loop::new(&fd, false);
    for asks in [false, true] {
        for _ in 0..100 {
            while push.try_send("x").is_ok() {}
            if asks {
                assert_eq!(push.readiness(BOTH), Interest::NONE);
            }
            assert!(!foreign.is_woken());
            pull.recv().unwrap();
            assert!(foreign.is_woken());
            if asks {
                assert_eq!(push.readiness(BOTH), Interest::WRITABLE);
                assert!(!foreign.is_woken());
            }
        }
    }
    while push.try_send("x").is_ok() {}
    assert!(!foreign.is_woken());
    push.set_send_hwm(10);
    assert!(foreign.is_woken(), "what the owner itself brought about");
}

pub(super) fn one_way_does_not_swallow_the_other(road: Road) {
    let context = World::new(road);
    let builder = || Pair::builder().send_hwm(1).recv_hwm(1);
    let (mut here, mut there) = (builder().build(&context).unwrap(), builder().build(&context).unwrap());
    here.bind(context.endpoint("a")).unwrap();
    there.connect(context.endpoint("a")).unwrap();
    let fd = here.edge_descriptor().unwrap();
    for edges in [false, true] {
        let foreign = Loop::new(&fd, edges);
        while here.try_send("x").is_ok() {}
        let _ = foreign.is_woken();
        there.recv().unwrap();
        assert_eq!(here.try_recv(), Err(RecvError::Empty));
        assert!(foreign.is_woken(), "room, which nobody has looked at");
        assert_eq!(here.try_recv(), Err(RecvError::Empty));
        assert!(!foreign.is_woken(), "nobody cares");
    }
}

pub(super) fn peers_and_the_end_are_news(road: Road) {
    let context = World::new(road);
    let mut dealer = Dealer::new(&context).unwrap();
    let fd = dealer.edge_descriptor().unwrap();
    let foreign = Loop::new(&fd, false);
    assert_eq!(dealer.try_send("x").unwrap_err().reason, SendFailure::NoPeer);
    assert!(!foreign.is_woken());
    dealer.bind(context.endpoint("a")).unwrap();
    assert_eq!(dealer.readiness(BOTH), Interest::NONE);
    assert!(!foreign.is_woken());
    let mut other = Dealer::new(&context).unwrap();
    other.connect(context.endpoint("a")).unwrap();
    assert!(foreign.is_woken(), "somebody has come");
    assert_eq!(dealer.readiness(BOTH), Interest::WRITABLE);
    // What had been sent before the name was there is found by the owner's own call.
    let mut early = Dealer::new(&context).unwrap();
    early.connect(context.endpoint("b")).unwrap();
    early.send("x").unwrap();
    dealer.bind(context.endpoint("b")).unwrap();
    assert!(foreign.is_woken());
    assert_eq!(dealer.readiness(BOTH), BOTH);
    dealer.try_recv().unwrap();
    assert_eq!(dealer.try_recv(), Err(RecvError::Empty));
    assert!(!foreign.is_woken());
    context.shutdown(Duration::ZERO);
    assert!(foreign.is_woken(), "the context is closed");
    assert_eq!(dealer.readiness(BOTH), BOTH);
    assert!(!foreign.is_woken(), "told");
    assert_eq!(dealer.try_recv(), Err(RecvError::ContextClosed));
    assert_eq!(dealer.try_send("x").unwrap_err().reason, SendFailure::ContextClosed);
    assert!(!foreign.is_woken());
    drop(dealer);
    assert!(foreign.is_woken(), "the socket is gone");
}

pub(super) fn turns_to_ask_and_answer_are_no_news(road: Road) {
    let context = World::new(road);
    let (mut req, mut rep) = (Req::new(&context).unwrap(), Rep::new(&context).unwrap());
    rep.bind(context.endpoint("a")).unwrap();
    req.connect(context.endpoint("a")).unwrap();
    let fds = (req.edge_descriptor().unwrap(), rep.edge_descriptor().unwrap());
    let (asks, answers) = (Loop::new(&fds.0, false), Loop::new(&fds.1, false));
    assert_eq!((req.readiness(BOTH), rep.readiness(BOTH)), (Interest::WRITABLE, Interest::NONE));
    for _ in 0..100 {
        assert!(!asks.is_woken() && !answers.is_woken());
        req.try_send("?").unwrap();
        assert!(answers.is_woken());
        assert_eq!(rep.readiness(BOTH), Interest::READABLE);
        rep.try_recv().unwrap();
        assert_eq!(rep.readiness(BOTH), Interest::WRITABLE);
        assert_eq!(req.readiness(BOTH), Interest::NONE);
        assert!(!asks.is_woken() && !answers.is_woken());
        rep.try_send("!").unwrap();
        assert!(asks.is_woken());
        assert_eq!(req.readiness(BOTH), Interest::READABLE);
        req.try_recv().unwrap();
        assert_eq!((req.readiness(BOTH), rep.readiness(BOTH)), (Interest::WRITABLE, Interest::NONE));
    }
}

/// A peer of a ROUTER's that has to be reached is full, or all are.
pub(super) fn a_router_hears_of_room(road: Road) {
    let context = World::new(road);
    let mut router = Router::builder().mandatory().send_hwm(1).build(&context).unwrap();
    router.bind(context.endpoint("a")).unwrap();
    let dealer = |id: &str| {
        let mut dealer = Dealer::builder().routing_id(id.try_into().unwrap()).recv_hwm(1).build(&context).unwrap();
        dealer.connect(context.endpoint("a")).unwrap();
        dealer
    };
    let (mut first, mut second) = (dealer("1"), dealer("2"));
    let fd = router.edge_descriptor().unwrap();
    let foreign = Loop::new(&fd, false);
    let (mut poller, mut events) = (Poller::with_policy(WaitPolicy::Park), Events::new());
    let send = |router: &mut Router, id: &str| router.try_send(Message::from_iter([id, "x"])).is_ok();
    while send(&mut router, "1") {}
    assert!(!foreign.is_woken());
    assert_eq!(router.readiness(BOTH), Interest::WRITABLE, "for the other");
    assert!(!send(&mut router, "1"));
    assert!(!foreign.is_woken());
    first.recv().unwrap();
    assert!(foreign.is_woken());
    for _ in 0..10 {
        while send(&mut router, "1") || send(&mut router, "2") {}
        assert_eq!(router.readiness(BOTH), Interest::NONE);
        assert!(!foreign.is_woken());
        first.recv().unwrap();
        assert!(foreign.is_woken());
        while send(&mut router, "2") || send(&mut router, "1") {}
        assert_eq!(router.readiness(BOTH), Interest::NONE);
        second.recv().unwrap();
        assert!(foreign.is_woken());
        while send(&mut router, "2") || send(&mut router, "1") {}
    }
    poller.add(&mut router, Interest::WRITABLE, 1).unwrap();
    assert_eq!(poller.try_wait(&mut events).unwrap(), 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            second.recv().unwrap();
        });
        assert_eq!(poller.wait(&mut events, LONG).unwrap(), 1, "a poller, too");
    });
}

/// Both ends sleep nowhere but in `epoll`. Who drives a context together with others finds its descriptor readable while one
/// of them is at it, for as long as that one is kept from its core; so no number of wakes can be promised unless the sockets
/// are `apart`, each in a context of its own.
fn stress(road: Road, messages: u64, hwm: u32, edges: bool, apart: bool) {
    let context = World::new(road);
    let other = apart.then(|| World::new(road));
    let sending = other.as_ref().unwrap_or(&context);
    let mut push = Push::builder().send_hwm(hwm).build(sending).unwrap();
    let mut pull = Pull::builder().recv_hwm(hwm).build(&context).unwrap();
    pull.bind(context.endpoint("stress")).unwrap();
    push.connect(context.endpoint("stress")).unwrap();
    let fd = pull.edge_descriptor().unwrap();
    let foreign = Loop::new(&fd, edges);
    let (wakes, all_there) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            let fd = push.edge_descriptor().unwrap();
            let foreign = Loop::new(&fd, edges);
            for number in 0..messages {
                while push.try_send(Message::from(number.to_ne_bytes())).is_err() {
                    foreign.sleep(format_args!("no room at {number}"));
                    wakes.fetch_add(1, Ordering::Relaxed);
                }
            }
            // What is queued still, nobody else would send.
            let begun = Instant::now();
            while apart && !all_there.load(Ordering::Relaxed) && begun.elapsed() < A_MINUTE {
                sending.drive(Duration::from_millis(1));
            }
        });
        let mut expected = 0_u64;
        while expected < messages {
            foreign.sleep(format_args!("nothing after {expected}"));
            wakes.fetch_add(1, Ordering::Relaxed);
            // As a program that asks, and as one that does not.
            if expected.is_multiple_of(2) {
                while pull.readiness(BOTH).has_readable() {
                    assert_eq!(pull.try_recv().unwrap()[0], expected.to_ne_bytes());
                    expected += 1;
                }
            } else {
                while let Ok(message) = pull.try_recv() {
                    assert_eq!(message[0], expected.to_ne_bytes());
                    expected += 1;
                }
            }
        }
        all_there.store(true, Ordering::Relaxed);
        drop(pull);
    });
    let wakes = wakes.into_inner();
    if apart || road != Road::TcpCallerDriven {
        assert!(wakes < 4 * messages + 100, "{wakes} wakes for {messages} messages");
    }
}

pub(super) fn no_news_is_lost_in_many_messages(road: Road) {
    let messages = World::new(road).many(20_000);
    // Where threads drive, a second context makes no difference.
    let together_and_apart: &[bool] = if road == Road::TcpCallerDriven { &[false, true] } else { &[false] };
    for (edges, &apart) in
        [false, true].into_iter().flat_map(|edges| together_and_apart.iter().map(move |apart| (edges, apart)))
    {
        stress(road, messages / 10, 1, edges, apart);
        stress(road, messages, 1_000, edges, apart);
    }
}

pub(super) fn any_socket_has_one(road: Road) {
    let context = World::new(road);
    let (mut push, mut pull) = pipeline(&context, "a");
    let fds = {
        let sockets: [&mut dyn Pollable; 2] = [&mut push, &mut pull];
        sockets.map(|socket| {
            let fd = socket.edge_descriptor().unwrap();
            assert!(!socket.readiness(BOTH).has_readable());
            fd
        })
    };
    // Beside one that is readable while the socket is, and each keeps its own account.
    let standing = pull.descriptor(Interest::READABLE).unwrap();
    push.send("x").unwrap();
    let foreign = Loop::new(&fds[1], false);
    while !pull.readiness(BOTH).has_readable() {
        foreign.sleep("what is sent comes");
    }
    assert!(Loop::new(&standing, false).is_woken());
    assert!(road != Road::Inproc || !foreign.is_woken());
}
