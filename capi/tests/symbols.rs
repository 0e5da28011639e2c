//! The shared library has every symbol that libzmq 4.3.5's headers can declare, and no other; and what is not implemented
//! says so.

mod built;

use std::{
    collections::BTreeSet,
    ffi::{CString, c_int, c_void},
    fs,
    os::unix::ffi::OsStrExt,
};

use object::{Object, ObjectSymbol};

/// What libzmq 4.3.5 always exports.
const STABLE: &str = "
    zmq_atomic_counter_dec zmq_atomic_counter_destroy zmq_atomic_counter_inc zmq_atomic_counter_new
    zmq_atomic_counter_set zmq_atomic_counter_value zmq_bind zmq_close zmq_connect zmq_ctx_destroy zmq_ctx_get
    zmq_ctx_new zmq_ctx_set zmq_ctx_shutdown zmq_ctx_term zmq_curve_keypair zmq_curve_public zmq_device
    zmq_disconnect zmq_errno zmq_getsockopt zmq_has zmq_init zmq_msg_close zmq_msg_copy zmq_msg_data zmq_msg_get
    zmq_msg_gets zmq_msg_init zmq_msg_init_data zmq_msg_init_size zmq_msg_more zmq_msg_move zmq_msg_recv
    zmq_msg_send zmq_msg_set zmq_msg_size zmq_poll zmq_proxy zmq_proxy_steerable zmq_recv zmq_recviov
    zmq_recvmsg zmq_send zmq_send_const zmq_sendiov zmq_sendmsg zmq_setsockopt zmq_sleep zmq_socket
    zmq_socket_monitor zmq_stopwatch_intermediate zmq_stopwatch_start zmq_stopwatch_stop zmq_strerror zmq_term
    zmq_threadclose zmq_threadstart zmq_timers_add zmq_timers_cancel zmq_timers_destroy zmq_timers_execute
    zmq_timers_new zmq_timers_reset zmq_timers_set_interval zmq_timers_timeout zmq_unbind zmq_version
    zmq_z85_decode zmq_z85_encode
";

/// What it exports beside that when it is built with its drafts.
const DRAFTS: &str = "
    zmq_connect_peer zmq_ctx_get_ext zmq_ctx_set_ext zmq_join zmq_leave zmq_msg_group zmq_msg_init_buffer
    zmq_msg_routing_id zmq_msg_set_group zmq_msg_set_routing_id zmq_poller_add zmq_poller_add_fd
    zmq_poller_destroy zmq_poller_fd zmq_poller_modify zmq_poller_modify_fd zmq_poller_new zmq_poller_remove
    zmq_poller_remove_fd zmq_poller_size zmq_poller_wait zmq_poller_wait_all zmq_ppoll zmq_socket_get_peer_state
    zmq_socket_monitor_pipes_stats zmq_socket_monitor_versioned
";

/// What a function returns when it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fails {
    /// An `int`.
    MinusOne,
    /// A pointer, or a number that is not 0 otherwise.
    Zero,
}

/// Functions that fail with `ENOTSUP`, whatever they are given.
const NOT_IMPLEMENTED: &[(&str, Fails)] = &[
    ("zmq_connect_peer", Fails::Zero),
    ("zmq_curve_keypair", Fails::MinusOne),
    ("zmq_curve_public", Fails::MinusOne),
    ("zmq_join", Fails::MinusOne),
    ("zmq_leave", Fails::MinusOne),
    ("zmq_socket_get_peer_state", Fails::MinusOne),
    ("zmq_socket_monitor_pipes_stats", Fails::MinusOne),
];

#[test]
fn every_symbol_of_libzmq_is_there_and_no_other() {
    let file = fs::read(built::library()).unwrap();
    let file = object::File::parse(&*file).unwrap();
    let exported: BTreeSet<&str> =
        file.dynamic_symbols().filter(|symbol| symbol.is_definition()).map(|symbol| symbol.name().unwrap()).collect();
    let expected: BTreeSet<&str> = STABLE.split_whitespace().chain(DRAFTS.split_whitespace()).collect();
    assert_eq!(expected.len(), 96);
    let missing: Vec<_> = expected.difference(&exported).collect();
    let others: Vec<_> = exported.difference(&expected).collect();
    assert!(missing.is_empty() && others.is_empty(), "missing: {missing:?}; others: {others:?}");
}

#[test]
fn what_is_not_implemented_says_so() {
    let path = CString::new(built::library().as_os_str().as_bytes()).unwrap();
    // SAFETY: the library has no constructors of its own.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
    assert!(!library.is_null());
    // Arguments that point nowhere, and arguments that are no pointers.
    for argument in [0, 1, usize::MAX] {
        for (name, fails) in NOT_IMPLEMENTED {
            let symbol = CString::new(*name).unwrap();
            // SAFETY: a library, and a name.
            let function = unsafe { libc::dlsym(library, symbol.as_ptr()) };
            assert!(!function.is_null(), "{name}");
            // SAFETY: a C function takes no notice of arguments it does not know, and these look at none of theirs.
            let function: extern "C" fn(usize, usize, usize, usize, usize) -> usize =
                unsafe { std::mem::transmute::<*mut c_void, _>(function) };
            // SAFETY: asks for nothing.
            let place = unsafe { libc::__errno_location() };
            // SAFETY: this thread's own.
            unsafe { place.write(0) };
            let returned = function(argument, argument, argument, argument, argument);
            // SAFETY: as above.
            let errno = unsafe { place.read() };
            let failed = match fails {
                Fails::MinusOne => returned as c_int == -1,
                Fails::Zero => returned == 0,
            };
            assert!(failed && errno == libc::ENOTSUP, "{name}({argument}): {returned}, errno {errno}");
        }
    }
}
