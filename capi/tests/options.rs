//! Options are read back as they were set, and do what they say.

#![allow(clippy::multiple_unsafe_ops_per_block, reason = "calls of C functions, of which each needs the same said")]

mod c_functions;

use std::{
    ffi::c_int,
    time::{Duration, Instant},
};

use c_functions::*;

#[test]
fn numbers_come_back_and_their_defaults_are_libzmqs() {
    let context = Context::new();
    // SAFETY: a context.
    let raw = Socket(unsafe { zmq_socket(context.0, DEALER) });
    // Number, default, another value, one that is refused.
    let options: [(c_int, c_int, c_int, c_int); 22] = [
        (LINGER, -1, 250, -2),
        (18, 100, -1, -2),
        (19, 100, 7, -1),
        (21, 0, 900, -1),
        (SNDHWM, 1000, 0, -1),
        (RCVHWM, 1000, 5, -1),
        (RCVTIMEO, -1, 10, -2),
        (28, -1, 10, -2),
        (11, -1, 65_536, -2),
        (12, -1, 65_536, -2),
        (34, -1, 1, 2),
        (35, -1, 3, 0),
        (36, -1, 60, 0),
        (37, -1, 10, 0),
        (39, 0, 1, 2),
        (42, 0, 1, 2),
        (54, 0, 1, 2),
        (57, 0, 16, -1),
        (66, 30_000, 0, -1),
        (75, 0, 100, -1),
        (79, 0, 500, -1),
        (80, 0, 500, -1),
    ];
    for (option, default, other, refused) in options {
        assert_eq!(raw.get(option), Ok(default), "option {option}");
        assert_eq!(raw.set(option, refused), Err(libc::EINVAL), "option {option}");
        assert_eq!(raw.set(option, other), Ok(0), "option {option}");
        assert_eq!(raw.get(option), Ok(other), "option {option}");
    }
    raw.set(LINGER, 0).unwrap();
}

#[test]
fn what_is_not_here_or_not_of_this_type_is_refused() {
    let context = Context::new();
    let pull = context.socket(PULL);
    // A PUB's, a SUB's, a ROUTER's, a REQ's; security; proxies; multicast; what can be read only; nothing.
    for option in [XPUB_NODROP, 40, ROUTER_MANDATORY, 53, 44, 47, 55, 68, 8, EVENTS, 16, 9999] {
        assert_eq!(pull.set(option, 1), Err(libc::EINVAL), "option {option}");
    }
    assert_eq!(pull.set_bytes(SUBSCRIBE, b""), Err(libc::EINVAL));
    assert_eq!(pull.get(9999), Err(libc::EINVAL));
    // A size that is none.
    assert_eq!(pull.set_bytes(LINGER, &[0; 3]), Err(libc::EINVAL));
    assert_eq!(pull.get_bytes(LINGER, 3), Err(libc::EINVAL));
}

#[test]
fn texts_and_bytes_come_back() {
    let context = Context::new();
    let dealer = context.socket(DEALER);
    assert_eq!(dealer.get_bytes(ROUTING_ID, 255).unwrap(), b"");
    dealer.set_bytes(ROUTING_ID, b"worker\0").unwrap();
    assert_eq!(dealer.get_bytes(ROUTING_ID, 255).unwrap(), b"worker\0");
    for refused in [b"".as_slice(), b"\0x", &[b'x'; 256]] {
        assert_eq!(dealer.set_bytes(ROUTING_ID, refused), Err(libc::EINVAL));
    }
    dealer.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = dealer.get_bytes(LAST_ENDPOINT, 256).unwrap();
    assert!(endpoint.starts_with(b"tcp://127.0.0.1:") && endpoint.ends_with(b"\0"));
    assert_eq!(dealer.get_bytes(LAST_ENDPOINT, endpoint.len() - 1), Err(libc::EINVAL));
}

#[test]
fn endpoints_that_are_none_are_refused_as_libzmq_does() {
    let context = Context::new();
    let socket = context.socket(PUSH);
    for (endpoint, errno) in [
        ("nothing", libc::EINVAL),
        ("tcp://", libc::EINVAL),
        ("odd://x", libc::EPROTONOSUPPORT),
        ("tcp://127.0.0.1", libc::EINVAL),
        ("ipc:///no/such/folder/x", libc::ENOENT),
    ] {
        assert_eq!(socket.bind(endpoint), Err(errno), "{endpoint}");
    }
    assert_eq!(socket.bind(&format!("ipc:///{}", "x".repeat(200))), Err(libc::ENAMETOOLONG));
    assert_eq!(socket.connect("tcp://*:5555"), Err(libc::EINVAL));
    socket.bind("inproc://taken").unwrap();
    assert_eq!(context.socket(PULL).bind("inproc://taken"), Err(libc::EADDRINUSE));
    assert_eq!((socket.unbind("inproc://taken"), socket.unbind("inproc://taken")), (Ok(0), Err(libc::ENOENT)));
    assert_eq!(socket.disconnect("inproc://other"), Err(libc::ENOENT));
}

#[test]
fn times_out_as_set() {
    let context = Context::new();
    let pull = context.socket(PULL);
    pull.set(RCVTIMEO, 30).unwrap();
    let start = Instant::now();
    assert_eq!(pull.recv(0), Err(libc::EAGAIN));
    assert!(start.elapsed() >= Duration::from_millis(30));
}

#[test]
fn a_type_that_connects_once_does() {
    let context = Context::new();
    let (publisher, subscriber) = (context.socket(XPUB), context.socket(SUB));
    publisher.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = publisher.last_endpoint();
    subscriber.set_bytes(SUBSCRIBE, b"").unwrap();
    subscriber.connect(&endpoint).unwrap();
    subscriber.connect(&endpoint).unwrap();
    assert_eq!(publisher.recv(0).unwrap(), b"\x01");
    publisher.send("once", 0).unwrap();
    publisher.send("last", 0).unwrap();
    assert_eq!((subscriber.recv(0).unwrap(), subscriber.recv(0).unwrap()), (b"once".to_vec(), b"last".to_vec()));
    subscriber.disconnect(&endpoint).unwrap();
    assert_eq!(subscriber.disconnect(&endpoint), Err(libc::ENOENT));
}

#[test]
fn messages_say_who_sent_them_over_a_stream() {
    let context = Context::new();
    let (router, dealer) = (context.socket(ROUTER), context.socket(DEALER));
    dealer.set_bytes(ROUTING_ID, b"me").unwrap();
    router.bind("tcp://127.0.0.1:*").unwrap();
    dealer.connect(&router.last_endpoint()).unwrap();
    dealer.send("x", 0).unwrap();
    let mut message = Msg([0; 64]);
    let property = |message: &Msg, name: &std::ffi::CStr| {
        // SAFETY: a message, a name, and a C string for an answer.
        unsafe {
            let value = zmq_msg_gets(message, name.as_ptr());
            (!value.is_null()).then(|| std::ffi::CStr::from_ptr(value).to_owned())
        }
    };
    // SAFETY: a message of ours, and a handle.
    unsafe {
        zmq_msg_init(&mut message);
        zmq_msg_recv(&mut message, router.0, 0);
    }
    assert_eq!(property(&message, c"Socket-Type").unwrap().as_c_str(), c"DEALER");
    assert_eq!(property(&message, c"Identity").unwrap().as_c_str(), c"me");
    assert_eq!(property(&message, c"Peer-Address").unwrap().as_c_str(), c"127.0.0.1");
    assert_eq!(property(&message, c"X-Nothing"), None);
    // Not sent, it is as it was.
    let push = context.socket(PUSH);
    // SAFETY: a message and a handle.
    assert_eq!(unsafe { zmq_msg_send(&mut message, push.0, DONTWAIT) }, -1);
    assert_eq!(property(&message, c"Identity").unwrap().as_c_str(), c"me");
    // SAFETY: a message.
    unsafe { zmq_msg_close(&mut message) };
}

#[test]
fn flags_take_the_numbers_that_libzmqs_take() {
    let context = Context::new();
    let of = |kind, option, values: [c_int; 3]| {
        let socket = context.socket(kind);
        values.map(|value| socket.set(option, value).is_ok())
    };
    // (type, option): 0 and 1 only; what is not negative; any.
    for (kind, option) in [(PUSH, IPV6), (PUSH, IMMEDIATE), (PUSH, CONFLATE)] {
        assert_eq!(of(kind, option, [1, 2, -1]), [true, false, false], "{option}");
    }
    for (kind, option) in [
        (ROUTER, ROUTER_MANDATORY),
        (REQ, REQ_RELAXED),
        (XPUB, XPUB_NODROP),
        (XPUB, XPUB_VERBOSE),
        (DEALER, PROBE_ROUTER),
    ] {
        assert_eq!(of(kind, option, [1, 2, -1]), [true, true, false], "{option}");
    }
    assert_eq!(of(SUB, INVERT_MATCHING, [1, 2, -1]), [true, true, true]);
    assert_eq!((context.set(CTX_IPV6, 2), context.set(CTX_IPV6, -1)), (Ok(0), Err(libc::EINVAL)));
    // SAFETY: a context.
    assert_eq!(unsafe { zmq_ctx_get(context.0, CTX_IPV6) }, 1);
}

#[test]
fn only_an_xpub_that_decides_itself_subscribes() {
    let context = Context::new();
    let publisher = context.socket(XPUB);
    assert_eq!(publisher.set_bytes(SUBSCRIBE, b"a"), Err(libc::EINVAL));
    publisher.set(XPUB_MANUAL, 1).unwrap();
    publisher.set_bytes(SUBSCRIBE, b"a").unwrap();
}

#[test]
fn sizes_that_cannot_be_are_errors() {
    let context = Context::new();
    let socket = context.socket(PUB);
    let byte = [0_u8];
    let bytes = byte.as_ptr().cast();
    let mut message = Msg([0; 64]);
    for size in [usize::MAX, isize::MAX as usize + 1] {
        // SAFETY: it is refused before anything is read.
        let results = unsafe {
            [
                (zmq_setsockopt(socket.0, ROUTING_ID, bytes, size), zmq_errno()),
                (zmq_send(socket.0, bytes, size, 0), zmq_errno()),
                (zmq_msg_init_data(&mut message, bytes.cast_mut(), size, None, NOWHERE), zmq_errno()),
            ]
        };
        assert_eq!(results, [(-1, libc::EINVAL), (-1, libc::ENOMEM), (-1, libc::ENOMEM)]);
    }
}
