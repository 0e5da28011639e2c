//! Contexts and sockets that come and go, threads that wait meanwhile, and handles that are none.

#![allow(clippy::multiple_unsafe_ops_per_block, reason = "calls of C functions, of which each needs the same said")]

mod c_functions;

use std::{
    ffi::c_int,
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

use c_functions::*;

/// The error of the last call.
fn errno() -> c_int {
    // SAFETY: asks for a number.
    unsafe { zmq_errno() }
}

#[test]
fn terminating_ends_every_call_and_waits_for_the_sockets() {
    let context = Context::new();
    let pull = context.socket(PULL);
    pull.bind("inproc://end").unwrap();
    let handle = context.0 as usize;
    let waiting = thread::spawn(move || {
        let ended = pull.recv(0);
        assert_eq!((pull.recv(DONTWAIT), pull.get(EVENTS), pull.poll(POLLIN, 0)), (Err(ETERM), Err(ETERM), Err(ETERM)));
        assert_eq!(pull.connect("inproc://end"), Err(ETERM));
        ended
    });
    // SAFETY: a context; it returns once the thread has closed its socket.
    assert_eq!(unsafe { zmq_ctx_term(handle as *mut _) }, 0);
    assert_eq!(waiting.join().unwrap(), Err(ETERM));
    // SAFETY: a handle that was.
    assert_eq!(unsafe { zmq_ctx_term(handle as *mut _) }, -1);
    assert_eq!(errno(), libc::EFAULT);
}

#[test]
fn shutting_down_ends_calls_and_nothing_more_is_made() {
    let context = Context::new();
    let (push, pull) = (context.socket(PUSH), context.socket(PULL));
    push.bind("inproc://down").unwrap();
    pull.connect("inproc://down").unwrap();
    push.send("x", 0).unwrap();
    // SAFETY: a context.
    assert_eq!(unsafe { zmq_ctx_shutdown(context.0) }, 0);
    assert_eq!((pull.recv(0), push.send("y", 0)), (Err(ETERM), Err(ETERM)));
    // SAFETY: a context.
    assert!(unsafe { zmq_socket(context.0, PAIR) }.is_null());
    assert_eq!(errno(), ETERM);
    assert_eq!((push.close(), pull.close()), (Ok(0), Ok(0)));
}

#[test]
fn the_end_is_told_by_the_descriptor_once() {
    let context = Context::new();
    let pull = context.socket(PULL);
    let fd = pull.get(FD).unwrap();
    let is_readable = || {
        let mut item = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one item.
        unsafe { libc::poll(&mut item, 1, 0) == 1 }
    };
    assert_eq!(pull.get(EVENTS), Ok(0));
    assert!(!is_readable());
    // SAFETY: a context.
    assert_eq!(unsafe { zmq_ctx_shutdown(context.0) }, 0);
    assert!(is_readable());
    assert_eq!(pull.get(EVENTS), Err(ETERM));
    assert!(!is_readable());
}

#[test]
fn handles_that_are_closed_or_null_are_errors() {
    let context = Context::new();
    let socket = context.socket(PAIR);
    let old = Socket(socket.0);
    socket.close().unwrap();
    assert_eq!(
        (old.send("x", 0), old.recv(0), old.get(EVENTS)),
        (Err(libc::ENOTSOCK), Err(libc::ENOTSOCK), Err(libc::ENOTSOCK))
    );
    assert_eq!((old.bind("inproc://x"), old.poll(POLLIN, 0)), (Err(libc::ENOTSOCK), Err(libc::ENOTSOCK)));
    assert_eq!(old.close(), Err(libc::ENOTSOCK));
    assert_eq!(Socket(NOWHERE).send("x", 0), Err(libc::ENOTSOCK));
    // SAFETY: no address is allowed.
    assert_eq!((unsafe { zmq_ctx_term(NOWHERE) }, errno()), (-1, libc::EFAULT));
    // SAFETY: as above.
    assert!(unsafe { zmq_socket(NOWHERE, PAIR) }.is_null());
    // SAFETY: a context, and a number that is no type.
    assert!(unsafe { zmq_socket(context.0, 77) }.is_null());
    assert_eq!(errno(), libc::EINVAL);
}

#[test]
fn two_threads_in_one_socket_is_an_error_and_closing_waits() {
    let context = Context::new();
    let pull = context.socket(PULL);
    let push = context.socket(PUSH);
    pull.bind("inproc://two").unwrap();
    push.connect("inproc://two").unwrap();
    let same = Socket(pull.0);
    let waiting = thread::spawn(move || {
        // Refused itself while the other looks.
        let received = std::iter::repeat_with(|| pull.recv(0)).find(|received| *received != Err(libc::EBUSY)).unwrap();
        // Closed by the other thread as soon as the call was over.
        (received, pull.close())
    });
    // The first that is refused: the other is in it then.
    while same.get(EVENTS) != Err(libc::EBUSY) {
        thread::yield_now();
    }
    assert_eq!(same.close(), Ok(0));
    push.send("x", 0).unwrap();
    assert_eq!(waiting.join().unwrap(), (Ok(b"x".to_vec()), Err(libc::ENOTSOCK)));
}

#[test]
fn sockets_are_counted_and_their_places_used_again() {
    let context = Context::new();
    context.set(2, 3).unwrap();
    let mut sockets: Vec<_> = (0..3).map(|_| context.socket(PAIR)).collect();
    // SAFETY: a context.
    assert!(unsafe { zmq_socket(context.0, PAIR) }.is_null());
    assert_eq!(errno(), libc::EMFILE);
    for _ in 0..1000 {
        sockets.pop().unwrap().close().unwrap();
        sockets.push(context.socket(PAIR));
    }
}

#[test]
fn what_was_sent_goes_out_in_the_background() {
    let context = Context::new();
    let pull = context.socket(PULL);
    pull.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = pull.last_endpoint();
    let others = Context::new();
    let push = others.socket(PUSH);
    push.set(LINGER, -1).unwrap();
    push.connect(&endpoint).unwrap();
    for number in 0..100 {
        push.send(number.to_string(), 0).unwrap();
    }
    push.close().unwrap();
    drop(others);
    for number in 0..100 {
        assert_eq!(pull.recv(0).unwrap(), number.to_string().into_bytes());
    }
}

#[test]
fn contexts_without_threads_are_for_inproc() {
    let context = Context::new();
    context.set(1, 0).unwrap();
    let (a, b) = (context.socket(PAIR), context.socket(PAIR));
    assert_eq!(a.bind("tcp://127.0.0.1:*"), Err(EMTHREAD));
    a.bind("inproc://only").unwrap();
    b.connect("inproc://only").unwrap();
    b.send("x", 0).unwrap();
    assert_eq!(a.recv(0).unwrap(), b"x");
}

#[test]
fn many_threads_may_use_one_context() {
    let context = Arc::new(std::mem::ManuallyDrop::new(Context::new()).0 as usize);
    let start = Arc::new(Barrier::new(4));
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let (context, start) = (context.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                for turn in 0..100 {
                    let context = std::mem::ManuallyDrop::new(Context(*context as *mut _));
                    let (a, b) = (context.socket(PAIR), context.socket(PAIR));
                    let name = format!("inproc://{number}-{turn}");
                    a.bind(&name).unwrap();
                    b.connect(&name).unwrap();
                    b.send("x", 0).unwrap();
                    assert_eq!(a.recv(0).unwrap(), b"x");
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    drop(Context(*context as *mut _));
}

#[test]
fn a_child_process_may_only_close_what_it_inherits() {
    let context = Context::new();
    let (a, b) = (context.socket(PAIR), context.socket(PAIR));
    a.bind("inproc://fork").unwrap();
    b.connect("inproc://fork").unwrap();
    a.send("x", 0).unwrap();
    // SAFETY: the child calls this library, the system's exit, and nothing else.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let refused = b.recv(DONTWAIT) == Err(ETERM) && a.bind("inproc://other") == Err(ETERM);
        let closed = a.close() == Ok(0) && b.close() == Ok(0);
        // SAFETY: a context.
        let ended = unsafe { zmq_ctx_term(context.0) } == 0;
        let own = Context::new();
        let (c, d) = (own.socket(PAIR), own.socket(PAIR));
        c.bind("tcp://127.0.0.1:*").unwrap();
        d.connect(&c.last_endpoint()).unwrap();
        d.send("y", 0).unwrap();
        let works = c.recv(0) == Ok(b"y".to_vec());
        drop((c, d));
        drop(own);
        let verdict = [refused, closed, ended, works].iter().enumerate().map(|(bit, ok)| i32::from(!ok) << bit).sum();
        // SAFETY: ends the child, and runs nothing of the parent's.
        unsafe { libc::_exit(verdict) };
    }
    let mut status = 0;
    // SAFETY: waits for our child.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFEXITED(status));
    assert_eq!(libc::WEXITSTATUS(status), 0);
    assert_eq!(b.recv(0).unwrap(), b"x");
}

#[test]
fn signals_end_calls_that_wait() {
    extern "C" fn nothing(_: c_int) {}
    // SAFETY: a handler that does nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as extern "C" fn(c_int) as usize;
        libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
    }
    let context = Context::new();
    for poll in [false, true] {
        let pull = context.socket(PULL);
        let (send, thread) = std::sync::mpsc::channel();
        let waiting = thread::spawn(move || {
            // SAFETY: asks for a number.
            send.send(unsafe { libc::pthread_self() }).unwrap();
            if poll { pull.poll(POLLIN, -1).map(|_| Vec::new()) } else { pull.recv(0) }
        });
        let thread = thread.recv().unwrap();
        // A signal that comes before the wait is not seen; so until it ends.
        while !waiting.is_finished() {
            // SAFETY: the thread has not been joined.
            unsafe { libc::pthread_kill(thread, libc::SIGUSR1) };
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(waiting.join().unwrap(), Err(libc::EINTR));
    }
}

/// The status of a child process that runs `body` and exits as C programs do.
fn exit_of_child(body: impl FnOnce() -> c_int) -> c_int {
    // SAFETY: the child calls this library, exit(3), and nothing else.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        // SAFETY: a child that hangs is ended.
        unsafe { libc::alarm(20) };
        let verdict = body();
        // SAFETY: only what this thread has asked for runs.
        unsafe { libc::exit(verdict) };
    }
    let mut status = 0;
    // SAFETY: waits for our child.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    status
}

#[test]
fn a_child_process_is_not_held_up_by_calls_its_parent_was_in() {
    let context = Context::new();
    let (pull, push) = (context.socket(PULL), context.socket(PUSH));
    pull.bind("inproc://fork-busy").unwrap();
    push.connect("inproc://fork-busy").unwrap();
    // This thread keeps what it has waited with.
    assert_eq!(pull.poll(POLLIN, 5), Ok(0));
    let same = Socket(pull.0);
    let waiting = thread::spawn(move || pull.recv(0));
    while same.get(EVENTS) != Err(libc::EBUSY) {
        thread::yield_now();
    }
    let handle = context.0;
    let status = exit_of_child(|| {
        let refused = same.recv(DONTWAIT) == Err(ETERM);
        // SAFETY: handles.
        let ended = unsafe { zmq_close(same.0) == 0 && zmq_ctx_term(handle) == 0 };
        i32::from(!refused) + 2 * i32::from(!ended)
    });
    assert_eq!(status, 0);
    std::mem::forget(same);
    push.send("x", 0).unwrap();
    assert_eq!(waiting.join().unwrap().unwrap(), b"x");
}

#[test]
fn nothing_is_owed_after_the_end_whoever_closes_the_sockets() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Takes its time, so that it is seen if it is not waited for.
    unsafe extern "C" fn free(_data: *mut std::ffi::c_void, hint: *mut std::ffi::c_void) {
        thread::sleep(Duration::from_millis(1));
        // SAFETY: the test passes one.
        unsafe { &*hint.cast::<AtomicUsize>() }.fetch_add(1, Ordering::SeqCst);
    }
    static BYTES: [u8; 100] = [0; 100];
    static FREED: AtomicUsize = AtomicUsize::new(0);
    let send = |socket: &Socket, flags| {
        let mut message = Msg([0; 64]);
        let (data, hint) = (BYTES.as_ptr().cast_mut().cast(), (&raw const FREED).cast_mut().cast());
        // SAFETY: bytes that are static, a message, and a handle.
        unsafe {
            assert_eq!(zmq_msg_init_data(&mut message, data, BYTES.len(), Some(free), hint), 0);
            assert_eq!(zmq_msg_send(&mut message, socket.0, flags), 100);
        }
    };
    for turn in 1..=30 {
        let context = Context::new();
        let (a, b) = (context.socket(PAIR), context.socket(PAIR));
        a.bind("inproc://owed").unwrap();
        b.connect("inproc://owed").unwrap();
        // One message received in part, and one sent in part.
        (0..3).for_each(|_| send(&b, SNDMORE));
        send(&b, 0);
        (0..4).for_each(|_| send(&a, SNDMORE));
        assert_eq!(a.recv(0).unwrap().len(), 100);
        drop(b);
        let closing = thread::spawn(move || drop(a));
        drop(context);
        assert_eq!(FREED.load(Ordering::SeqCst), 8 * turn);
        closing.join().unwrap();
    }
}

#[test]
fn terminating_ends_polls_for_what_a_socket_cannot_do_now() {
    for (kind, events, asks) in
        [(REQ, POLLIN, false), (REQ, POLLOUT, true), (REP, POLLOUT, false), (PUB, POLLIN, false)]
    {
        let context = Context::new();
        let (socket, peer) = (context.socket(kind), context.socket(if kind == REQ { REP } else { PAIR }));
        if asks {
            peer.bind("inproc://asked").unwrap();
            socket.connect("inproc://asked").unwrap();
            socket.send("x", 0).unwrap();
        }
        drop(peer);
        let (send, receive) = std::sync::mpsc::channel();
        let polling = thread::spawn(move || {
            assert_eq!(socket.poll(events, 5), Ok(0));
            send.send(()).unwrap();
            socket.poll(events, 20_000)
        });
        receive.recv().unwrap();
        let start = std::time::Instant::now();
        drop(context);
        assert_eq!(polling.join().unwrap(), Err(ETERM), "{kind} {events}");
        assert!(start.elapsed() < Duration::from_secs(10), "{kind} {events}");
    }
}
