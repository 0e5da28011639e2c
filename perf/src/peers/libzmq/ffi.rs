//! libzmq's C interface, as far as it is used, and what makes it bearable.

use std::{
    ffi::{CStr, c_char, c_int, c_long, c_short, c_void},
    slice,
};

use crate::failure::Failure;

/// Bytes in use in all of the C library's heap, which both libzmq's and Rust's allocations come from.
pub(crate) fn live_malloc() -> i64 {
    // SAFETY: takes nothing; walks the heap under its own locks.
    let info = unsafe { mallinfo2() };
    (info.uordblks + info.hblkhd) as i64
}

pub(super) fn done(result: c_int) -> Result<(), Failure> {
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

#[cold]
pub(super) fn last_error() -> Failure {
    // SAFETY: takes nothing.
    let code = unsafe { zmq_errno() };
    // SAFETY: takes any number.
    let text = unsafe { zmq_strerror(code) };
    // SAFETY: libzmq gave a constant string that ends with NUL.
    let text = unsafe { CStr::from_ptr(text) };
    Failure::road("libzmq", text.to_string_lossy().into_owned())
}

/// `zmq_msg_t`: opaque, 64 bytes aligned as a pointer.
#[repr(C, align(8))]
pub(super) struct Message([u8; 64]);

impl Message {
    /// Not yet a message: one of the `zmq_msg_init` functions makes it one.
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self([0; 64])
    }

    /// Shows what was received and closes it; whether more frames of the message follow.
    #[inline(always)]
    pub(super) fn finish(mut self, see: impl FnOnce(&[u8])) -> Result<bool, Failure> {
        // SAFETY: only messages that were received get here, and those are initialised.
        let size = unsafe { zmq_msg_size(&raw const self) };
        // SAFETY: as above.
        let data = unsafe { zmq_msg_data(&raw mut self) }.cast::<u8>();
        // SAFETY: the message has this many bytes until it is closed, below.
        see(unsafe { slice::from_raw_parts(data, size) });
        // SAFETY: as above.
        let more = unsafe { zmq_msg_more(&raw const self) } != 0;
        // SAFETY: as above, and it is not used after.
        done(unsafe { zmq_msg_close(&raw mut self) })?;
        Ok(more)
    }
}

const _: () = assert!(size_of::<Message>() == 64 && align_of::<Message>() >= align_of::<*const ()>());

/// `zmq_pollitem_t`, where a descriptor is an int.
#[repr(C)]
pub(super) struct PollItem {
    pub(super) socket: *mut c_void,
    pub(super) fd: c_int,
    pub(super) events: c_short,
    pub(super) revents: c_short,
}

/// glibc's account of its heap, in bytes.
#[repr(C)]
struct MallInfo2 {
    arena: usize,
    ordblks: usize,
    smblks: usize,
    hblks: usize,
    /// In blocks mapped one by one.
    hblkhd: usize,
    usmblks: usize,
    fsmblks: usize,
    /// In use in all arenas.
    uordblks: usize,
    fordblks: usize,
    keepcost: usize,
}

unsafe extern "C" {
    pub(super) fn zmq_ctx_new() -> *mut c_void;
    pub(super) fn zmq_ctx_set(context: *mut c_void, option: c_int, value: c_int) -> c_int;
    pub(super) fn zmq_ctx_term(context: *mut c_void) -> c_int;
    pub(super) fn zmq_socket(context: *mut c_void, kind: c_int) -> *mut c_void;
    pub(super) fn zmq_close(socket: *mut c_void) -> c_int;
    pub(super) fn zmq_bind(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    pub(super) fn zmq_connect(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    pub(super) fn zmq_setsockopt(socket: *mut c_void, option: c_int, value: *const c_void, size: usize) -> c_int;
    pub(super) fn zmq_getsockopt(socket: *mut c_void, option: c_int, value: *mut c_void, size: *mut usize) -> c_int;
    pub(super) fn zmq_msg_init(message: *mut Message) -> c_int;
    pub(super) fn zmq_msg_init_size(message: *mut Message, size: usize) -> c_int;
    pub(super) fn zmq_msg_data(message: *mut Message) -> *mut c_void;
    pub(super) fn zmq_msg_more(message: *const Message) -> c_int;
    pub(super) fn zmq_msg_size(message: *const Message) -> usize;
    pub(super) fn zmq_msg_send(message: *mut Message, socket: *mut c_void, flags: c_int) -> c_int;
    pub(super) fn zmq_msg_recv(message: *mut Message, socket: *mut c_void, flags: c_int) -> c_int;
    pub(super) fn zmq_msg_close(message: *mut Message) -> c_int;
    pub(super) fn zmq_poll(items: *mut PollItem, len: c_int, timeout_ms: c_long) -> c_int;
    pub(super) fn zmq_errno() -> c_int;
    pub(super) fn zmq_strerror(code: c_int) -> *const c_char;
    fn mallinfo2() -> MallInfo2;
}

pub(super) const ZMQ_PAIR: c_int = 0;
pub(super) const ZMQ_PUB: c_int = 1;
pub(super) const ZMQ_SUB: c_int = 2;
pub(super) const ZMQ_REQ: c_int = 3;
pub(super) const ZMQ_REP: c_int = 4;
pub(super) const ZMQ_DEALER: c_int = 5;
pub(super) const ZMQ_ROUTER: c_int = 6;
pub(super) const ZMQ_PULL: c_int = 7;
pub(super) const ZMQ_PUSH: c_int = 8;
pub(super) const ZMQ_SUBSCRIBE: c_int = 6;
pub(super) const ZMQ_MAX_SOCKETS: c_int = 2;
pub(super) const ZMQ_XPUB: c_int = 9;
pub(super) const ZMQ_LAST_ENDPOINT: c_int = 32;
pub(super) const ZMQ_XPUB_VERBOSE: c_int = 40;
pub(super) const ZMQ_EVENTS: c_int = 15;
pub(super) const ZMQ_LINGER: c_int = 17;
pub(super) const ZMQ_SNDHWM: c_int = 23;
pub(super) const ZMQ_RCVHWM: c_int = 24;
pub(super) const ZMQ_ROUTER_MANDATORY: c_int = 33;
pub(super) const ZMQ_XPUB_NODROP: c_int = 69;
pub(super) const ZMQ_POLLIN: c_short = 1;
pub(super) const ZMQ_DONTWAIT: c_int = 1;
pub(super) const ZMQ_SNDMORE: c_int = 2;

/// Linux's numbers, which libzmq passes through.
pub(super) const EINTR: c_int = 4;
pub(super) const EAGAIN: c_int = 11;
