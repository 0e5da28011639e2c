//! Frame by frame: what a message can fail with it fails with at its first frame.

#![allow(clippy::multiple_unsafe_ops_per_block, reason = "calls of C functions, of which each needs the same said")]

mod c_functions;

use std::{
    ffi::{c_int, c_void},
    sync::atomic::{AtomicUsize, Ordering},
};

use c_functions::*;

#[test]
fn frames_arrive_together_and_say_whether_more_follow() {
    let context = Context::new();
    let (a, b) = (context.socket(PAIR), context.socket(PAIR));
    a.bind("inproc://frames").unwrap();
    b.connect("inproc://frames").unwrap();
    for (frame, flags) in [("one", SNDMORE), ("", SNDMORE)] {
        a.send(frame, flags).unwrap();
        assert_eq!(b.recv(DONTWAIT), Err(libc::EAGAIN));
    }
    a.send("three", 0).unwrap();
    assert_eq!(b.recv_all(0).unwrap(), [b"one".to_vec(), Vec::new(), b"three".to_vec()]);
    assert_eq!((b.get(RCVMORE), b.recv(DONTWAIT)), (Ok(0), Err(libc::EAGAIN)));
    a.send(vec![7; 2000], 0).unwrap();
    let mut four = [0_u8; 4];
    // SAFETY: so many bytes.
    assert_eq!(unsafe { zmq_recv(b.0, four.as_mut_ptr().cast(), 4, 0) }, 2000);
    assert_eq!(four, [7; 4]);
}

#[test]
fn admission_is_with_the_first_frame() {
    let context = Context::new();
    let (push, pull) = (context.socket(PUSH), context.socket(PULL));
    push.set(SNDHWM, 1).unwrap();
    pull.set(RCVHWM, 1).unwrap();
    assert_eq!(push.send("x", DONTWAIT | SNDMORE), Err(libc::EAGAIN));
    push.bind("inproc://admission").unwrap();
    assert_eq!(push.send("x", DONTWAIT), Err(libc::EAGAIN));
    pull.connect("inproc://admission").unwrap();
    push.send("one", 0).unwrap();
    push.send("two", DONTWAIT | SNDMORE).unwrap();
    // There is room for it, however long it takes and whatever happens to its peer.
    push.send("two", DONTWAIT | SNDMORE).unwrap();
    push.send("two", DONTWAIT).unwrap();
    assert_eq!(push.send("three", DONTWAIT | SNDMORE), Err(libc::EAGAIN));
    assert_eq!(push.poll(POLLOUT, 0), Ok(0));
    assert_eq!(pull.recv_all(0).unwrap().len(), 1);
    assert_eq!(pull.recv_all(0).unwrap().len(), 3);
    push.send("four", DONTWAIT | SNDMORE).unwrap();
    pull.close().unwrap();
    push.send("four", DONTWAIT).unwrap();
    assert_eq!(push.send("five", DONTWAIT), Err(libc::EAGAIN));
}

#[test]
fn routers_say_at_the_id_that_nobody_has_it() {
    let context = Context::new();
    let (router, dealer) = (context.socket(ROUTER), context.socket(DEALER));
    dealer.set_bytes(ROUTING_ID, b"worker").unwrap();
    router.bind("inproc://router").unwrap();
    dealer.connect("inproc://router").unwrap();
    // Dropped, unless it is mandatory.
    router.send("nobody", SNDMORE).unwrap();
    router.send("task", 0).unwrap();
    router.set(ROUTER_MANDATORY, 1).unwrap();
    assert_eq!(router.send("nobody", SNDMORE), Err(libc::EHOSTUNREACH));
    for frame in ["worker", "two"] {
        router.send(frame, SNDMORE).unwrap();
    }
    router.send("parts", 0).unwrap();
    assert_eq!(dealer.recv_all(0).unwrap(), [b"two", b"parts".as_slice()]);
    // An id and nothing behind it.
    router.send("worker", 0).unwrap();
    assert_eq!(dealer.recv(DONTWAIT), Err(libc::EAGAIN));
}

#[test]
fn requests_and_replies_take_turns() {
    let context = Context::new();
    let (req, rep) = (context.socket(REQ), context.socket(REP));
    rep.bind("inproc://turns").unwrap();
    req.connect("inproc://turns").unwrap();
    assert_eq!(req.recv(0), Err(EFSM));
    assert_eq!(rep.send("x", SNDMORE), Err(EFSM));
    req.send("a", SNDMORE).unwrap();
    req.send("b", 0).unwrap();
    assert_eq!(req.send("c", SNDMORE), Err(EFSM));
    assert_eq!(rep.recv_all(0).unwrap().len(), 2);
    assert_eq!(rep.recv(0), Err(EFSM));
    rep.send("d", SNDMORE).unwrap();
    rep.send("e", 0).unwrap();
    assert_eq!(req.recv_all(0).unwrap(), [b"d", b"e"]);
}

#[test]
fn a_request_is_awaited_though_its_peer_has_left() {
    let context = Context::new();
    let (req, rep) = (context.socket(REQ), context.socket(REP));
    rep.bind("inproc://left").unwrap();
    req.connect("inproc://left").unwrap();
    req.send("x", 0).unwrap();
    assert_eq!(rep.recv(0).unwrap(), b"x");
    rep.close().unwrap();
    // As with libzmq: there is nothing to receive, and nothing may be sent.
    assert_eq!(
        (req.poll(POLLIN | POLLOUT, 0), req.recv(DONTWAIT), req.send("y", 0)),
        (Ok(0), Err(libc::EAGAIN), Err(EFSM))
    );
    req.set(RCVTIMEO, 1).unwrap();
    assert_eq!(req.recv(0), Err(libc::EAGAIN));
    assert_eq!(req.send("y", 0), Err(EFSM));
}

#[test]
fn publishers_that_drop_nothing_say_at_the_first_frame_who_is_full() {
    let context = Context::new();
    let (publisher, subscriber) = (context.socket(PUB), context.socket(SUB));
    publisher.set(SNDHWM, 1).unwrap();
    publisher.set(XPUB_NODROP, 1).unwrap();
    subscriber.set(RCVHWM, 1).unwrap();
    subscriber.set_bytes(SUBSCRIBE, b"a").unwrap();
    publisher.bind("inproc://no-drop").unwrap();
    subscriber.connect("inproc://no-drop").unwrap();
    publisher.send("a1", DONTWAIT).unwrap();
    publisher.send("a2", DONTWAIT).unwrap();
    assert_eq!(publisher.send("a3", DONTWAIT | SNDMORE), Err(libc::EAGAIN));
    publisher.send("b", DONTWAIT | SNDMORE).unwrap();
    publisher.send("b", DONTWAIT).unwrap();
    assert_eq!(subscriber.recv(0).unwrap(), b"a1");
    publisher.send("a3", DONTWAIT | SNDMORE).unwrap();
    publisher.send("body", DONTWAIT).unwrap();
    assert_eq!(subscriber.recv(0).unwrap(), b"a2");
    assert_eq!(subscriber.recv_all(0).unwrap().len(), 2);
}

#[test]
fn types_that_do_not_send_or_receive_say_so() {
    let context = Context::new();
    for kind in [SUB, PULL] {
        let socket = context.socket(kind);
        assert_eq!((socket.send("x", 0), socket.send("x", SNDMORE)), (Err(libc::ENOTSUP), Err(libc::ENOTSUP)));
    }
    for kind in [PUB, PUSH] {
        assert_eq!(context.socket(kind).recv(0), Err(libc::ENOTSUP));
    }
}

/// Counts calls where its hint points to.
unsafe extern "C" fn count(_data: *mut c_void, hint: *mut c_void) {
    // SAFETY: tests pass counters.
    unsafe { &*hint.cast::<AtomicUsize>() }.fetch_add(1, Ordering::SeqCst);
}

/// A message of `size` bytes that counts when it is freed.
fn counted(size: usize, freed: &'static AtomicUsize) -> Msg {
    static BYTES: [u8; 1 << 16] = [9; 1 << 16];
    let mut message = Msg([0; 64]);
    let data = BYTES.as_ptr().cast_mut().cast();
    let hint = std::ptr::from_ref(freed).cast_mut().cast();
    // SAFETY: the bytes are static and nobody writes them.
    assert_eq!(unsafe { zmq_msg_init_data(&mut message, data, size, Some(count), hint) }, 0);
    message
}

#[test]
fn free_functions_run_once_whatever_becomes_of_the_message() {
    const KINDS: usize = 6;
    static FREED: [AtomicUsize; KINDS] = [const { AtomicUsize::new(0) }; KINDS];
    let context = Context::new();
    let (push, pull) = (context.socket(PUSH), context.socket(PULL));
    push.bind("tcp://127.0.0.1:*").unwrap();
    push.bind("inproc://free").unwrap();
    pull.connect("inproc://free").unwrap();
    for size in [5, 100, 1 << 16] {
        let send = |message: &mut Msg, socket: &Socket, flags: c_int| {
            // SAFETY: a message and a handle.
            assert_eq!(unsafe { zmq_msg_send(message, socket.0, flags) }, size as c_int);
            // SAFETY: sent, so it is empty.
            assert_eq!(unsafe { (zmq_msg_size(message), zmq_msg_close(message)) }, (0, 0));
        };
        // Received and closed; copied out; left in a queue; sent in parts; not sent; not even tried.
        send(&mut counted(size, &FREED[0]), &push, 0);
        let mut received = Msg([0; 64]);
        // SAFETY: messages of ours, and a handle.
        unsafe {
            zmq_msg_init(&mut received);
            assert_eq!(zmq_msg_recv(&mut received, pull.0, 0), size as c_int);
            let before = FREED[0].load(Ordering::SeqCst);
            zmq_msg_close(&mut received);
            assert_eq!(FREED[0].load(Ordering::SeqCst), before + 1);
        }
        send(&mut counted(size, &FREED[1]), &push, 0);
        pull.recv(0).unwrap();
        send(&mut counted(size, &FREED[3]), &push, SNDMORE);
        send(&mut counted(size, &FREED[3]), &push, 0);
        assert_eq!(pull.recv_all(0).unwrap().len(), 2);
        let mut unsent = counted(size, &FREED[4]);
        // SAFETY: a message and a handle; a PULL sends nothing, and the message stays as it was.
        unsafe {
            assert_eq!(zmq_msg_send(&mut unsent, pull.0, 0), -1);
            assert_eq!(zmq_msg_size(&unsent), size);
            zmq_msg_close(&mut unsent);
        }
        // SAFETY: a message.
        unsafe { zmq_msg_close(&mut counted(size, &FREED[5])) };
    }
    for size in [5, 100, 1 << 16] {
        let mut message = counted(size, &FREED[2]);
        // SAFETY: a message and a handle.
        assert_eq!(unsafe { zmq_msg_send(&mut message, push.0, 0) }, size as c_int);
    }
    drop((push, pull));
    // When it returns, all is the program's again.
    drop(context);
    assert_eq!(FREED.each_ref().map(|freed| freed.load(Ordering::SeqCst)), [3, 3, 3, 6, 3, 3]);
}

#[test]
fn turns_change_with_the_last_frame_and_not_before() {
    let context = Context::new();
    let (req, rep) = (context.socket(REQ), context.socket(REP));
    rep.bind("inproc://amid").unwrap();
    req.connect("inproc://amid").unwrap();
    for (asks, answers) in [(&req, &rep), (&rep, &req)] {
        asks.send("one", SNDMORE).unwrap();
        asks.send("two", 0).unwrap();
        assert_eq!(answers.recv(0).unwrap(), b"one");
        // What is left of it comes first.
        assert_eq!((answers.send("x", DONTWAIT), answers.send("x", SNDMORE)), (Err(EFSM), Err(EFSM)));
        assert_eq!(answers.get(EVENTS), Ok(POLLIN.into()));
        assert_eq!((answers.poll(POLLOUT, 20), answers.poll(POLLIN | POLLOUT, 20)), (Ok(0), Ok(POLLIN)));
        assert_eq!(answers.recv(0).unwrap(), b"two");
        assert_eq!(answers.get(EVENTS), Ok(POLLOUT.into()));
    }
    req.send("again", 0).unwrap();
    assert_eq!(rep.recv(0).unwrap(), b"again");
}

#[test]
fn a_relaxed_req_gives_up_the_reply_it_is_receiving() {
    let context = Context::new();
    let (req, rep) = (context.socket(REQ), context.socket(REP));
    req.set(REQ_RELAXED, 1).unwrap();
    rep.bind("inproc://relaxed").unwrap();
    req.connect("inproc://relaxed").unwrap();
    req.send("a", 0).unwrap();
    rep.recv(0).unwrap();
    rep.send("one", SNDMORE).unwrap();
    rep.send("two", 0).unwrap();
    assert_eq!(req.recv(0).unwrap(), b"one");
    req.send("b", 0).unwrap();
    assert_eq!(req.recv(DONTWAIT), Err(libc::EAGAIN));
}

#[test]
fn what_is_known_of_a_sender_is_forgotten_with_a_message_received_in_part() {
    let context = Context::new();
    // Other tests of this program hold a few at the most.
    const NUMBERS_MAX: u32 = 16;
    for _ in 0..4 * NUMBERS_MAX {
        let (push, pull) = (context.socket(PUSH), context.socket(PULL));
        pull.bind("tcp://127.0.0.1:*").unwrap();
        push.connect(&pull.last_endpoint()).unwrap();
        push.send("one", SNDMORE).unwrap();
        push.send("two", 0).unwrap();
        let mut message = Msg([0; 64]);
        // SAFETY: a message of ours, and a handle.
        unsafe {
            zmq_msg_init(&mut message);
            assert_eq!(zmq_msg_recv(&mut message, pull.0, 0), 3);
        }
        // As the library numbers senders: the lowest that is free.
        let number = u32::from_ne_bytes(message.0[4..8].try_into().unwrap());
        assert!((1..=NUMBERS_MAX).contains(&number), "{number}");
        // SAFETY: a message.
        unsafe { zmq_msg_close(&mut message) };
    }
}
