//! The library's functions as C sees them, and a few words to call them with.

#![allow(dead_code, reason = "each test program uses a part")]

use std::{
    ffi::{CStr, CString, c_char, c_int, c_long, c_short, c_void},
    ptr,
};

// For its symbols.
use ringway_zmq as _;

pub(crate) const PAIR: c_int = 0;
pub(crate) const PUB: c_int = 1;
pub(crate) const SUB: c_int = 2;
pub(crate) const REQ: c_int = 3;
pub(crate) const REP: c_int = 4;
pub(crate) const DEALER: c_int = 5;
pub(crate) const ROUTER: c_int = 6;
pub(crate) const PULL: c_int = 7;
pub(crate) const PUSH: c_int = 8;
pub(crate) const XPUB: c_int = 9;
pub(crate) const XSUB: c_int = 10;

pub(crate) const DONTWAIT: c_int = 1;
pub(crate) const SNDMORE: c_int = 2;
pub(crate) const POLLIN: c_short = 1;
pub(crate) const POLLOUT: c_short = 2;

pub(crate) const ROUTING_ID: c_int = 5;
pub(crate) const SUBSCRIBE: c_int = 6;
pub(crate) const RCVMORE: c_int = 13;
pub(crate) const FD: c_int = 14;
pub(crate) const EVENTS: c_int = 15;
pub(crate) const LINGER: c_int = 17;
pub(crate) const SNDHWM: c_int = 23;
pub(crate) const RCVHWM: c_int = 24;
pub(crate) const RCVTIMEO: c_int = 27;
pub(crate) const LAST_ENDPOINT: c_int = 32;
pub(crate) const ROUTER_MANDATORY: c_int = 33;
pub(crate) const IMMEDIATE: c_int = 39;
pub(crate) const XPUB_VERBOSE: c_int = 40;
pub(crate) const IPV6: c_int = 42;
pub(crate) const PROBE_ROUTER: c_int = 51;
pub(crate) const REQ_RELAXED: c_int = 53;
pub(crate) const CONFLATE: c_int = 54;
pub(crate) const XPUB_NODROP: c_int = 69;
pub(crate) const XPUB_MANUAL: c_int = 71;
pub(crate) const INVERT_MATCHING: c_int = 74;

/// Of a context.
pub(crate) const CTX_IPV6: c_int = 42;

pub(crate) const EFSM: c_int = 156_384_763;
pub(crate) const ETERM: c_int = 156_384_765;
pub(crate) const EMTHREAD: c_int = 156_384_766;

#[repr(C, align(8))]
pub(crate) struct Msg(pub(crate) [u8; 64]);

#[repr(C)]
pub(crate) struct PollItem {
    pub(crate) socket: *mut c_void,
    pub(crate) fd: c_int,
    pub(crate) events: c_short,
    pub(crate) revents: c_short,
}

pub(crate) type FreeFn = unsafe extern "C" fn(*mut c_void, *mut c_void);

unsafe extern "C" {
    pub(crate) fn zmq_ctx_new() -> *mut c_void;
    pub(crate) fn zmq_ctx_term(context: *mut c_void) -> c_int;
    pub(crate) fn zmq_ctx_shutdown(context: *mut c_void) -> c_int;
    pub(crate) fn zmq_ctx_set(context: *mut c_void, option: c_int, value: c_int) -> c_int;
    pub(crate) fn zmq_ctx_get(context: *mut c_void, option: c_int) -> c_int;
    pub(crate) fn zmq_socket(context: *mut c_void, kind: c_int) -> *mut c_void;
    pub(crate) fn zmq_close(socket: *mut c_void) -> c_int;
    pub(crate) fn zmq_bind(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    pub(crate) fn zmq_connect(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    pub(crate) fn zmq_unbind(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    pub(crate) fn zmq_disconnect(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    pub(crate) fn zmq_setsockopt(socket: *mut c_void, option: c_int, value: *const c_void, len: usize) -> c_int;
    pub(crate) fn zmq_getsockopt(socket: *mut c_void, option: c_int, value: *mut c_void, len: *mut usize) -> c_int;
    pub(crate) fn zmq_send(socket: *mut c_void, buffer: *const c_void, len: usize, flags: c_int) -> c_int;
    pub(crate) fn zmq_recv(socket: *mut c_void, buffer: *mut c_void, len: usize, flags: c_int) -> c_int;
    pub(crate) fn zmq_msg_init(message: *mut Msg) -> c_int;
    pub(crate) fn zmq_msg_init_data(
        message: *mut Msg,
        data: *mut c_void,
        len: usize,
        free: Option<FreeFn>,
        hint: *mut c_void,
    ) -> c_int;
    pub(crate) fn zmq_msg_send(message: *mut Msg, socket: *mut c_void, flags: c_int) -> c_int;
    pub(crate) fn zmq_msg_recv(message: *mut Msg, socket: *mut c_void, flags: c_int) -> c_int;
    pub(crate) fn zmq_msg_close(message: *mut Msg) -> c_int;
    pub(crate) fn zmq_msg_size(message: *const Msg) -> usize;
    pub(crate) fn zmq_msg_gets(message: *const Msg, property: *const c_char) -> *const c_char;
    pub(crate) fn zmq_poll(items: *mut PollItem, count: c_int, timeout: c_long) -> c_int;
    pub(crate) fn zmq_errno() -> c_int;
}

/// A context that is terminated at the end.
pub(crate) struct Context(pub(crate) *mut c_void);

/// A socket that is closed at the end, with no linger.
pub(crate) struct Socket(pub(crate) *mut c_void);

// SAFETY: handles may go to other threads; the library sees to the rest.
unsafe impl Send for Socket {}

/// `rc`, or the error it tells of.
fn checked(rc: c_int) -> Result<c_int, c_int> {
    // SAFETY: asks for a number.
    if rc >= 0 { Ok(rc) } else { Err(unsafe { zmq_errno() }) }
}

fn c_string(text: &str) -> CString {
    CString::new(text).unwrap()
}

impl Context {
    pub(crate) fn new() -> Self {
        // SAFETY: takes nothing.
        Self(unsafe { zmq_ctx_new() })
    }

    pub(crate) fn socket(&self, kind: c_int) -> Socket {
        // SAFETY: the context is open.
        let socket = unsafe { zmq_socket(self.0, kind) };
        assert!(!socket.is_null());
        let socket = Socket(socket);
        socket.set(LINGER, 0).unwrap();
        socket
    }

    pub(crate) fn set(&self, option: c_int, value: c_int) -> Result<c_int, c_int> {
        // SAFETY: the context is open.
        checked(unsafe { zmq_ctx_set(self.0, option, value) })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context may be terminated already, which is an error and no more.
        unsafe { zmq_ctx_term(self.0) };
    }
}

impl Socket {
    pub(crate) fn bind(&self, endpoint: &str) -> Result<c_int, c_int> {
        // SAFETY: a handle and a C string.
        checked(unsafe { zmq_bind(self.0, c_string(endpoint).as_ptr()) })
    }

    pub(crate) fn connect(&self, endpoint: &str) -> Result<c_int, c_int> {
        // SAFETY: as above.
        checked(unsafe { zmq_connect(self.0, c_string(endpoint).as_ptr()) })
    }

    pub(crate) fn unbind(&self, endpoint: &str) -> Result<c_int, c_int> {
        // SAFETY: as above.
        checked(unsafe { zmq_unbind(self.0, c_string(endpoint).as_ptr()) })
    }

    pub(crate) fn disconnect(&self, endpoint: &str) -> Result<c_int, c_int> {
        // SAFETY: as above.
        checked(unsafe { zmq_disconnect(self.0, c_string(endpoint).as_ptr()) })
    }

    pub(crate) fn set(&self, option: c_int, value: c_int) -> Result<c_int, c_int> {
        self.set_bytes(option, &value.to_ne_bytes())
    }

    pub(crate) fn set_bytes(&self, option: c_int, value: &[u8]) -> Result<c_int, c_int> {
        // SAFETY: a handle, and bytes.
        checked(unsafe { zmq_setsockopt(self.0, option, value.as_ptr().cast(), value.len()) })
    }

    pub(crate) fn get(&self, option: c_int) -> Result<c_int, c_int> {
        let bytes = self.get_bytes(option, 4)?;
        Ok(c_int::from_ne_bytes(bytes.try_into().expect("an int")))
    }

    /// The value of `option`, for which there is room of `room` bytes.
    pub(crate) fn get_bytes(&self, option: c_int, room: usize) -> Result<Vec<u8>, c_int> {
        let (mut bytes, mut len) = (vec![0; room], room);
        // SAFETY: a handle, and so many bytes.
        checked(unsafe { zmq_getsockopt(self.0, option, bytes.as_mut_ptr().cast(), &mut len) })?;
        bytes.truncate(len);
        Ok(bytes)
    }

    pub(crate) fn last_endpoint(&self) -> String {
        let bytes = self.get_bytes(LAST_ENDPOINT, 256).unwrap();
        CStr::from_bytes_with_nul(&bytes).unwrap().to_str().unwrap().to_owned()
    }

    pub(crate) fn send(&self, bytes: impl AsRef<[u8]>, flags: c_int) -> Result<c_int, c_int> {
        let bytes = bytes.as_ref();
        // SAFETY: a handle, and bytes.
        checked(unsafe { zmq_send(self.0, bytes.as_ptr().cast(), bytes.len(), flags) })
    }

    pub(crate) fn recv(&self, flags: c_int) -> Result<Vec<u8>, c_int> {
        let mut bytes = vec![0; 1024];
        // SAFETY: a handle, and so many bytes.
        let size = checked(unsafe { zmq_recv(self.0, bytes.as_mut_ptr().cast(), bytes.len(), flags) })?;
        bytes.truncate(size as usize);
        Ok(bytes)
    }

    /// All frames of the next message.
    pub(crate) fn recv_all(&self, flags: c_int) -> Result<Vec<Vec<u8>>, c_int> {
        let mut frames = vec![self.recv(flags)?];
        while self.get(RCVMORE)? == 1 {
            frames.push(self.recv(flags)?);
        }
        Ok(frames)
    }

    pub(crate) fn close(self) -> Result<c_int, c_int> {
        let handle = self.0;
        std::mem::forget(self);
        // SAFETY: a handle.
        checked(unsafe { zmq_close(handle) })
    }

    /// What of `events` there is within so many milliseconds.
    pub(crate) fn poll(&self, events: c_short, timeout: c_long) -> Result<c_short, c_int> {
        let mut item = PollItem { socket: self.0, fd: 0, events, revents: 0 };
        // SAFETY: one item.
        checked(unsafe { zmq_poll(&mut item, 1, timeout) })?;
        Ok(item.revents)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: a handle.
        unsafe { zmq_close(self.0) };
    }
}

/// No address.
pub(crate) const NOWHERE: *mut c_void = ptr::null_mut();
