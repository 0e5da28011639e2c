//! Descriptors that are readable while a socket is ready.

use std::{
    os::fd::{AsFd, AsRawFd},
    sync::atomic::{AtomicBool, Ordering},
};

use ringway::socket::Descriptor;

use super::*;

/// Sleeps in `poll(2)`, for ever if `timeout_ms` is -1. Is it readable?
fn poll(fd: &Descriptor, timeout_ms: i32) -> bool {
    let mut polled = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, which lives until the call returns.
    let count = unsafe { libc::poll(&raw mut polled, 1, timeout_ms) };
    assert!(count >= 0);
    count == 1 && polled.revents & libc::POLLIN != 0
}

pub(super) fn a_descriptor_is_readable_while_the_socket_is(road: Road) {
    let context = World::new(road);
    let (mut push, mut pull) = pipeline(&context, "a");
    push.send("before").unwrap();
    let fd = pull.descriptor(Interest::READABLE).unwrap();
    assert!(poll(&fd, 0), "an edge from before it was made");
    assert!(poll(&fd, 0), "level-triggered");
    push.send("x").unwrap();
    pull.recv().unwrap();
    assert!(poll(&fd, 0), "another one is there");
    pull.recv().unwrap();
    assert!(!poll(&fd, 0));
    for _ in 0..1_000 {
        push.send("x").unwrap();
        assert!(poll(&fd, 0));
        pull.recv().unwrap();
        assert!(!poll(&fd, 0));
        assert_eq!(pull.try_recv(), Err(RecvError::Empty));
    }
    drop(fd);
    push.send("x").unwrap();
    pull.recv().unwrap();
    let fd = pull.descriptor(Interest::READABLE).unwrap();
    assert!(!poll(&fd, 0));
    context.shutdown(Duration::ZERO);
    assert!(poll(&fd, 0), "receiving returns at once");
    assert_eq!(pull.try_recv(), Err(RecvError::ContextClosed));
    drop(pull);
    assert!(poll(&fd, 0));
}

pub(super) fn a_descriptor_tells_of_room(road: Road) {
    let context = World::new(road);
    let (mut push, mut pull) = pipeline(&context, "a");
    let fd = push.descriptor(Interest::WRITABLE).unwrap();
    assert!(poll(&fd, 0));
    for _ in 0..100 {
        while push.try_send("x").is_ok() {}
        assert!(!poll(&fd, 0));
        pull.recv().unwrap();
        assert!(poll(&fd, 0));
    }
}

pub(super) fn waiting_calls_leave_a_descriptor_right(road: Road) {
    let context = World::new(road);
    let (mut here, mut there) = pairs(&context, "a");
    here.set_wait(WaitPolicy::Park);
    let fd = here.descriptor(Interest::READABLE).unwrap();
    for _ in 0..200 {
        let sender = thread::spawn(move || {
            there.send("x").unwrap();
            there
        });
        here.recv().unwrap();
        there = sender.join().unwrap();
        // Its wake may have come late.
        assert_eq!(here.try_recv(), Err(RecvError::Empty));
        assert!(!poll(&fd, 0));
        there.send("y").unwrap();
        assert!(poll(&fd, 0));
        here.recv().unwrap();
    }
}

/// The consumer sleeps nowhere but in `poll(2)`.
fn stress(road: Road, messages: u64, hwm: u32) {
    let context = World::new(road);
    let mut push = Push::builder().send_hwm(hwm).build(&context).unwrap();
    let mut pull = Pull::builder().recv_hwm(hwm).build(&context).unwrap();
    pull.bind(context.endpoint("stress")).unwrap();
    push.connect(context.endpoint("stress")).unwrap();
    let fd = pull.descriptor(Interest::READABLE).unwrap();
    let producer = thread::spawn(move || {
        let room = push.descriptor(Interest::WRITABLE).unwrap();
        for number in 0..messages {
            while push.try_send(Message::from(number.to_ne_bytes())).is_err() {
                assert!(poll(&room, 60_000), "no room at {number}");
            }
        }
        push
    });
    let mut expected = 0_u64;
    while expected < messages {
        assert!(poll(&fd, 60_000), "nothing after {expected}");
        while let Ok(message) = pull.try_recv() {
            assert_eq!(message[0], expected.to_ne_bytes());
            expected += 1;
        }
    }
    producer.join().unwrap();
    // The last wake may have come late.
    assert_eq!(pull.try_recv(), Err(RecvError::Empty));
    assert!(!poll(&fd, 0));
}

pub(super) fn no_edge_is_lost_in_a_hundred_thousand_messages(road: Road) {
    let messages = World::new(road).many(100_000);
    stress(road, messages / 20, 1);
    stress(road, messages, 1_000);
}

pub(super) fn a_descriptor_serves_a_loop_of_epoll_and_another_poller(road: Road) {
    let context = World::new(road);
    let (mut push, mut pull) = pipeline(&context, "a");
    let fd = pull.descriptor(Interest::READABLE).unwrap();
    // A poller sleeps in epoll: it sees the socket through its descriptor, and by itself.
    let (mut poller, mut events) = (Poller::with_policy(WaitPolicy::Park), Events::new());
    poller.add_fd(fd.as_fd(), Interest::READABLE, 1).unwrap();
    poller.add(&mut pull, Interest::READABLE, 2).unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..5_000 {
                push.send("x").unwrap();
            }
            is_over.store(true, Ordering::Release);
        });
        let mut taken = 0;
        while taken < 5_000 {
            assert!(poller.wait(&mut events, LONG).unwrap() > 0);
            while pull.try_recv().is_ok() {
                taken += 1;
            }
        }
    });
    assert!(is_over.load(Ordering::Acquire));
    assert_eq!(poller.try_wait(&mut events).unwrap(), 0);
}

pub(super) fn an_edge_triggered_loop_misses_nothing(road: Road) {
    let context = World::new(road);
    let (mut push, mut pull) = pipeline(&context, "a");
    let fd = pull.descriptor(Interest::READABLE).unwrap();
    // SAFETY: numbers only.
    let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    let mut wanted = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: 1 };
    // SAFETY: the event lives until the call returns.
    assert_eq!(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &raw mut wanted) }, 0);
    let producer = thread::spawn(move || (0..20_000).for_each(|_| push.send("x").unwrap()));
    let mut taken = 0;
    while taken < 20_000 {
        // SAFETY: one entry.
        assert_eq!(unsafe { libc::epoll_wait(epoll, &raw mut wanted, 1, 60_000) }, 1, "after {taken}");
        while pull.try_recv().is_ok() {
            taken += 1;
        }
    }
    producer.join().unwrap();
    // SAFETY: ours.
    unsafe { libc::close(epoll) };
}
