//! The system's libzmq through its C interface: PAIR for two ways, PUSH and PULL for one, over `inproc://`.
//!
//! Messages are built in place (`zmq_msg_init_size`, write, `zmq_msg_send`) and read in place: no copy but libzmq's own.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    slice,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    cli::Wait,
    end::{Relax, Road, Rx, Terms, Tx},
    failure::Failure,
    payload::{Header, fill},
};

/// A context and the endpoints made in it.
pub(super) struct Sockets {
    context: Arc<Context>,
    next_endpoint: AtomicU64,
}

/// A libzmq context, terminated when its last socket is gone.
struct Context(*mut c_void);

// SAFETY: libzmq documents contexts as safe to use from any number of threads.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

/// A socket of any type.
pub(super) struct Socket {
    socket: *mut c_void,
    size: usize,
    /// `ZMQ_DONTWAIT` for a socket that spins.
    flags: c_int,
    relax: Relax,
    /// Outlives the socket: terminating waits for it.
    _context: Arc<Context>,
}

// SAFETY: libzmq allows a socket to move to another thread with a full fence, which handing it over implies; it is
// used by one at a time, as every method takes `&mut self`.
unsafe impl Send for Socket {}

impl Sockets {
    pub(super) fn new() -> Result<Self, Failure> {
        // SAFETY: takes nothing.
        let context = unsafe { zmq_ctx_new() };
        if context.is_null() {
            return Err(last_error());
        }
        Ok(Self { context: Arc::new(Context(context)), next_endpoint: AtomicU64::new(0) })
    }

    fn endpoint(&self) -> CString {
        let number = self.next_endpoint.fetch_add(1, Ordering::Relaxed);
        CString::new(format!("inproc://perf-{number}")).expect("no NUL in it")
    }

    fn socket(&self, kind: c_int, terms: &Terms) -> Result<Socket, Failure> {
        // SAFETY: the context lives as long as the socket, which holds it.
        let socket = unsafe { zmq_socket(self.context.0, kind) };
        if socket.is_null() {
            return Err(last_error());
        }
        let flags = if terms.wait == Wait::Spin { ZMQ_DONTWAIT } else { 0 };
        let socket = Socket { socket, size: terms.size, flags, relax: terms.relax, _context: self.context.clone() };
        let high_water_mark = terms.high_water_mark as c_int;
        for (option, value) in [(ZMQ_SNDHWM, high_water_mark), (ZMQ_RCVHWM, high_water_mark), (ZMQ_LINGER, 0)] {
            // SAFETY: the socket is open, and these options are ints, read during the call.
            done(unsafe { zmq_setsockopt(socket.socket, option, (&raw const value).cast(), size_of::<c_int>()) })?;
        }
        Ok(socket)
    }
}

impl Socket {
    fn bind(&self, endpoint: &CStr) -> Result<(), Failure> {
        // SAFETY: the socket is open; the name ends with NUL and is read during the call.
        done(unsafe { zmq_bind(self.socket, endpoint.as_ptr()) })
    }

    fn connect(&self, endpoint: &CStr) -> Result<(), Failure> {
        // SAFETY: the socket is open; the name ends with NUL and is read during the call.
        done(unsafe { zmq_connect(self.socket, endpoint.as_ptr()) })
    }

    /// Repeats `call` while it would have to wait or was interrupted.
    #[inline(always)]
    fn again(&self, mut call: impl FnMut() -> c_int) -> Result<(), Failure> {
        while call() < 0 {
            // SAFETY: takes nothing.
            match unsafe { zmq_errno() } {
                EAGAIN => self.relax.once(),
                EINTR => {}
                _ => return Err(last_error()),
            }
        }
        Ok(())
    }
}

impl Tx for Socket {
    fn send(&mut self, header: Header) -> Result<(), Failure> {
        let mut message = Message::new();
        // SAFETY: the message is not initialised yet, as this call wants it.
        done(unsafe { zmq_msg_init_size(&raw mut message, self.size) })?;
        // SAFETY: the message is initialised.
        let data = unsafe { zmq_msg_data(&raw mut message) }.cast::<u8>();
        // SAFETY: libzmq gave this many bytes, which nobody else has.
        fill(unsafe { slice::from_raw_parts_mut(data, self.size) }, header);
        // SAFETY: the socket is open; on success libzmq owns the message, on failure it is still ours to send again.
        self.again(|| unsafe { zmq_msg_send(&raw mut message, self.socket, self.flags) })
    }
}

impl Rx for Socket {
    fn recv(&mut self, mut see: impl FnMut(&[u8])) -> Result<(), Failure> {
        let mut message = Message::new();
        // SAFETY: the message is not initialised yet, as this call wants it.
        done(unsafe { zmq_msg_init(&raw mut message) })?;
        // SAFETY: the socket is open and the message initialised.
        self.again(|| unsafe { zmq_msg_recv(&raw mut message, self.socket, self.flags) })?;
        // SAFETY: the message is initialised.
        let size = unsafe { zmq_msg_size(&raw const message) };
        // SAFETY: the message is initialised.
        let data = unsafe { zmq_msg_data(&raw mut message) }.cast::<u8>();
        // SAFETY: the message has this many bytes until it is closed, below.
        see(unsafe { slice::from_raw_parts(data, size) });
        // SAFETY: the message is initialised and not used after.
        done(unsafe { zmq_msg_close(&raw mut message) })
    }
}

impl Road for Sockets {
    type End = Socket;
    type Tx = Socket;
    type Rx = Socket;

    fn name(&self) -> String {
        "libzmq".to_owned()
    }

    fn pair(&self, terms: &Terms) -> Result<(Socket, Socket), Failure> {
        let endpoint = self.endpoint();
        let (near, far) = (self.socket(ZMQ_PAIR, terms)?, self.socket(ZMQ_PAIR, terms)?);
        far.bind(&endpoint)?;
        near.connect(&endpoint)?;
        Ok((near, far))
    }

    fn funnel(&self, terms: &Terms, senders: usize) -> Result<(Vec<Socket>, Socket), Failure> {
        let endpoint = self.endpoint();
        let receiver = self.socket(ZMQ_PULL, terms)?;
        receiver.bind(&endpoint)?;
        let connected = || {
            let sender = self.socket(ZMQ_PUSH, terms)?;
            sender.connect(&endpoint)?;
            Ok(sender)
        };
        Ok(((0..senders).map(|_| connected()).collect::<Result<_, Failure>>()?, receiver))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: the socket is open and not used after.
        unsafe { zmq_close(self.socket) };
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: every socket held the context and is closed by now, so this does not wait.
        unsafe { zmq_ctx_term(self.0) };
    }
}

/// Bytes in use in all of the C library's heap, which both libzmq's and Rust's allocations come from.
pub(crate) fn live_malloc() -> i64 {
    // SAFETY: takes nothing; walks the heap under its own locks.
    let info = unsafe { mallinfo2() };
    (info.uordblks + info.hblkhd) as i64
}

fn done(result: c_int) -> Result<(), Failure> {
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

#[cold]
fn last_error() -> Failure {
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
struct Message([u8; 64]);

impl Message {
    /// Not yet a message: one of the `zmq_msg_init` functions makes it one.
    #[inline(always)]
    fn new() -> Self {
        Self([0; 64])
    }
}

const _: () = assert!(size_of::<Message>() == 64 && align_of::<Message>() >= align_of::<*const ()>());

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
    fn zmq_ctx_new() -> *mut c_void;
    fn zmq_ctx_term(context: *mut c_void) -> c_int;
    fn zmq_socket(context: *mut c_void, kind: c_int) -> *mut c_void;
    fn zmq_close(socket: *mut c_void) -> c_int;
    fn zmq_bind(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    fn zmq_connect(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    fn zmq_setsockopt(socket: *mut c_void, option: c_int, value: *const c_void, size: usize) -> c_int;
    fn zmq_msg_init(message: *mut Message) -> c_int;
    fn zmq_msg_init_size(message: *mut Message, size: usize) -> c_int;
    fn zmq_msg_data(message: *mut Message) -> *mut c_void;
    fn zmq_msg_size(message: *const Message) -> usize;
    fn zmq_msg_send(message: *mut Message, socket: *mut c_void, flags: c_int) -> c_int;
    fn zmq_msg_recv(message: *mut Message, socket: *mut c_void, flags: c_int) -> c_int;
    fn zmq_msg_close(message: *mut Message) -> c_int;
    fn zmq_errno() -> c_int;
    fn zmq_strerror(code: c_int) -> *const c_char;
    fn mallinfo2() -> MallInfo2;
}

const ZMQ_PAIR: c_int = 0;
const ZMQ_PULL: c_int = 7;
const ZMQ_PUSH: c_int = 8;
const ZMQ_LINGER: c_int = 17;
const ZMQ_SNDHWM: c_int = 23;
const ZMQ_RCVHWM: c_int = 24;
const ZMQ_DONTWAIT: c_int = 1;

/// Linux's numbers, which libzmq passes through.
const EINTR: c_int = 4;
const EAGAIN: c_int = 11;
