//! The system's libzmq, through its C interface, in this process.
//!
//! Needs `libzmq.so` to link with: Debian's libzmq3-dev.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    slice,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use ringway::SocketType;

use crate::{
    choices::{
        CONNECT_ROUTING_ID, EVENTS, LAST_ENDPOINT, LINGER_OPTION, RCVMORE, RCVTIMEO, SNDTIMEO, SUBSCRIBE, UNSUBSCRIBE,
        Value, choices, millis,
    },
    events,
    party::{Event, Parts, Party, Setting, Socket},
};

/// A context.
pub(crate) struct Libzmq {
    context: Arc<Context>,
}

struct Context(*mut c_void);

// SAFETY: libzmq documents contexts as safe to use from any number of threads.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

/// Open until dropped.
struct Handle {
    socket: *mut c_void,
    /// Outlives the socket: terminating waits for it.
    context: Arc<Context>,
}

// SAFETY: libzmq allows a socket to move to another thread with a full fence, which handing it over implies; it is used by
// one at a time, as every method takes `&mut self`.
unsafe impl Send for Handle {}

struct Wired {
    handle: Handle,
    monitor: Handle,
    /// Messages are to have their time when it is closed.
    lingers: bool,
}

/// A socket's address may be held a moment longer by one that is closing.
const BIND_PATIENCE: Duration = Duration::from_secs(10);

impl Libzmq {
    pub(crate) fn new() -> Self {
        // SAFETY: takes nothing.
        let context = unsafe { zmq_ctx_new() };
        assert!(!context.is_null(), "{}", last_error());
        // SAFETY: the context is open.
        done(unsafe { zmq_ctx_set(context, MAX_SOCKETS, 10_000) }).expect("an option");
        Self { context: Arc::new(Context(context)) }
    }

    /// Of the library that is running.
    pub(crate) fn version() -> (i32, i32, i32) {
        let (mut major, mut minor, mut patch) = (0, 0, 0);
        // SAFETY: writes three numbers during the call.
        unsafe { zmq_version(&raw mut major, &raw mut minor, &raw mut patch) };
        (major, minor, patch)
    }
}

impl Party for Libzmq {
    fn socket(&self, kind: SocketType, settings: &[Setting]) -> Box<dyn Socket> {
        let handle = Handle::new(&self.context, kind_number(kind));
        for choice in choices(settings) {
            let set = match &choice.value {
                Value::Int(value) => handle.set(choice.number, &value.to_ne_bytes()),
                Value::Wide(value) => handle.set(choice.number, &value.to_ne_bytes()),
                Value::Bytes(value) => handle.set(choice.number, value),
            };
            set.unwrap_or_else(|why| panic!("{choice:?}: {why}"));
        }
        let monitor = handle.monitor();
        Box::new(Wired { handle, monitor, lingers: false })
    }
}

impl Socket for Wired {
    fn bind(&mut self, endpoint: &str) -> String {
        let deadline = Instant::now() + BIND_PATIENCE;
        while let Err(why) = self.handle.bind(endpoint) {
            assert!(why.code == EADDRINUSE && Instant::now() < deadline, "bind {endpoint}: {why}");
            thread::sleep(Duration::from_millis(2));
        }
        let endpoint = self.handle.get::<256>(LAST_ENDPOINT).expect("an endpoint");
        CStr::from_bytes_until_nul(&endpoint).expect("ends with NUL").to_str().expect("text").to_owned()
    }

    fn unbind(&mut self, endpoint: &str) {
        let endpoint = text(endpoint);
        // SAFETY: the socket is open; the name ends with NUL and is read during the call.
        done(unsafe { zmq_unbind(self.handle.socket, endpoint.as_ptr()) }).expect("bound");
    }

    fn connect(&mut self, endpoint: &str) {
        self.handle.connect(endpoint).unwrap_or_else(|why| panic!("connect {endpoint}: {why}"));
    }

    fn connect_as(&mut self, endpoint: &str, id: &[u8]) {
        self.handle.set(CONNECT_ROUTING_ID, id).expect("an id");
        self.connect(endpoint);
    }

    fn disconnect(&mut self, endpoint: &str) {
        let endpoint = text(endpoint);
        // SAFETY: the socket is open; the name ends with NUL and is read during the call.
        done(unsafe { zmq_disconnect(self.handle.socket, endpoint.as_ptr()) }).expect("connected");
    }

    fn send_within(&mut self, parts: Parts, patience: Duration) -> bool {
        self.handle.set(SNDTIMEO, &(millis(patience) as i32).to_ne_bytes()).expect("a time");
        let last = parts.len() - 1;
        for (index, part) in parts.iter().enumerate() {
            match self.handle.send(part, if index < last { SNDMORE } else { 0 }) {
                Ok(()) => {}
                Err(why) if matches!(why.code, EAGAIN | EHOSTUNREACH) => return false,
                Err(why) => panic!("send: {why}"),
            }
        }
        true
    }

    fn recv_within(&mut self, patience: Duration) -> Option<Parts> {
        self.handle.recv(patience)
    }

    fn subscribe(&mut self, topic: &[u8]) {
        self.handle.set(SUBSCRIBE, topic).expect("subscribes");
    }

    fn unsubscribe(&mut self, topic: &[u8]) {
        self.handle.set(UNSUBSCRIBE, topic).expect("subscribed");
    }

    fn event_within(&mut self, patience: Duration) -> Option<Event> {
        let parts = self.monitor.recv(patience)?;
        let number = u16::from_ne_bytes(parts[0][..2].try_into().expect("two bytes"));
        let value = u32::from_ne_bytes(parts[0][2..6].try_into().expect("four bytes"));
        Some(events::event(number, value, &String::from_utf8_lossy(&parts[1])))
    }

    fn nudge(&mut self) {
        self.handle.get::<4>(EVENTS).expect("an option");
    }

    fn close(mut self: Box<Self>) {
        self.lingers = true;
    }
}

impl Drop for Wired {
    fn drop(&mut self) {
        // SAFETY: the socket is open. First: its last word, to a monitor that is closed already, would never end.
        unsafe { zmq_socket_monitor(self.handle.socket, std::ptr::null(), 0) };
        if !self.lingers {
            let _ = self.handle.set(LINGER_OPTION, &0_i32.to_ne_bytes());
        }
    }
}

impl Handle {
    fn new(context: &Arc<Context>, kind: c_int) -> Self {
        // SAFETY: the context lives as long as the socket, which holds it.
        let socket = unsafe { zmq_socket(context.0, kind) };
        assert!(!socket.is_null(), "{}", last_error());
        Self { socket, context: context.clone() }
    }

    fn bind(&self, endpoint: &str) -> Result<(), Failure> {
        let endpoint = text(endpoint);
        // SAFETY: the socket is open; the name ends with NUL and is read during the call.
        done(unsafe { zmq_bind(self.socket, endpoint.as_ptr()) })
    }

    fn connect(&self, endpoint: &str) -> Result<(), Failure> {
        let endpoint = text(endpoint);
        // SAFETY: the socket is open; the name ends with NUL and is read during the call.
        done(unsafe { zmq_connect(self.socket, endpoint.as_ptr()) })
    }

    /// A socket that is sent what happens to this one.
    fn monitor(&self) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let endpoint = format!("inproc://monitor-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let name = text(&endpoint);
        // SAFETY: the socket is open; the name ends with NUL and is read during the call.
        done(unsafe { zmq_socket_monitor(self.socket, name.as_ptr(), ALL_EVENTS) }).expect("a monitor");
        let monitor = Self::new(&self.context, kind_number(SocketType::Pair));
        monitor.set(LINGER_OPTION, &0_i32.to_ne_bytes()).expect("an option");
        monitor.connect(&endpoint).expect("a monitor");
        monitor
    }

    fn set(&self, option: c_int, value: &[u8]) -> Result<(), Failure> {
        // SAFETY: the socket is open, and so many bytes are read during the call.
        done(unsafe { zmq_setsockopt(self.socket, option, value.as_ptr().cast(), value.len()) })
    }

    fn get<const N: usize>(&self, option: c_int) -> Result<[u8; N], Failure> {
        let (mut value, mut size) = ([0; N], N);
        // SAFETY: the socket is open, and so many bytes at the most are written during the call.
        done(unsafe { zmq_getsockopt(self.socket, option, value.as_mut_ptr().cast(), &raw mut size) })?;
        Ok(value)
    }

    fn send(&self, part: &[u8], flags: c_int) -> Result<(), Failure> {
        // SAFETY: the socket is open, and so many bytes are read during the call.
        again(|| unsafe { zmq_send(self.socket, part.as_ptr().cast(), part.len(), flags) })
    }

    fn recv(&self, patience: Duration) -> Option<Parts> {
        self.set(RCVTIMEO, &(millis(patience) as i32).to_ne_bytes()).expect("a time");
        let mut parts = Parts::new();
        loop {
            match self.recv_frame() {
                Ok(part) => parts.push(part),
                Err(why) if why.code == EAGAIN && parts.is_empty() => return None,
                Err(why) => panic!("recv: {why}, after {} frames", parts.len()),
            }
            if self.get::<4>(RCVMORE).expect("an option") == [0; 4] {
                return Some(parts);
            }
        }
    }

    fn recv_frame(&self) -> Result<Vec<u8>, Failure> {
        let mut message = Message([0; 64]);
        // SAFETY: the message is not initialised yet, as this call wants it.
        done(unsafe { zmq_msg_init(&raw mut message) }).expect("an empty message");
        // SAFETY: the message is initialised and the socket open.
        let received = again(|| unsafe { zmq_msg_recv(&raw mut message, self.socket, 0) });
        // SAFETY: the message is initialised: received, or still empty.
        let data = unsafe { zmq_msg_data(&raw mut message) }.cast::<u8>();
        // SAFETY: likewise.
        let size = unsafe { zmq_msg_size(&raw const message) };
        // SAFETY: the message has so many bytes until it is closed, below.
        let part = unsafe { slice::from_raw_parts(data, size) }.to_vec();
        // SAFETY: the message is initialised, and not used after.
        done(unsafe { zmq_msg_close(&raw mut message) }).expect("a message");
        received.map(|()| part)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the socket is open and not used after.
        unsafe { zmq_close(self.socket) };
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: every socket held the context and is closed by now, so this waits for what lingers only.
        unsafe { zmq_ctx_term(self.0) };
    }
}

/// What libzmq says went wrong.
#[derive(Debug)]
struct Failure {
    code: c_int,
    text: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "libzmq: {} ({})", self.text, self.code)
    }
}

fn done(result: c_int) -> Result<(), Failure> {
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// Repeats `call` while it is interrupted.
fn again(mut call: impl FnMut() -> c_int) -> Result<(), Failure> {
    loop {
        match done(call()) {
            Err(why) if why.code == EINTR => {}
            result => return result,
        }
    }
}

fn last_error() -> Failure {
    // SAFETY: takes nothing.
    let code = unsafe { zmq_errno() };
    // SAFETY: takes any number.
    let text = unsafe { zmq_strerror(code) };
    // SAFETY: a constant string that ends with NUL.
    let text = unsafe { CStr::from_ptr(text) };
    Failure { code, text: text.to_string_lossy().into_owned() }
}

fn text(endpoint: &str) -> CString {
    CString::new(endpoint).expect("no NUL in it")
}

fn kind_number(kind: SocketType) -> c_int {
    match kind {
        SocketType::Pair => 0,
        SocketType::Pub => 1,
        SocketType::Sub => 2,
        SocketType::Req => 3,
        SocketType::Rep => 4,
        SocketType::Dealer => 5,
        SocketType::Router => 6,
        SocketType::Pull => 7,
        SocketType::Push => 8,
        SocketType::XPub => 9,
        SocketType::XSub => 10,
        other => panic!("no number is known for {other}"),
    }
}

/// `zmq_msg_t`: opaque, 64 bytes aligned as a pointer.
#[repr(C, align(8))]
struct Message([u8; 64]);

#[link(name = "zmq")]
unsafe extern "C" {
    fn zmq_version(major: *mut c_int, minor: *mut c_int, patch: *mut c_int);
    fn zmq_ctx_new() -> *mut c_void;
    fn zmq_ctx_set(context: *mut c_void, option: c_int, value: c_int) -> c_int;
    fn zmq_ctx_term(context: *mut c_void) -> c_int;
    fn zmq_socket(context: *mut c_void, kind: c_int) -> *mut c_void;
    fn zmq_socket_monitor(socket: *mut c_void, endpoint: *const c_char, events: c_int) -> c_int;
    fn zmq_close(socket: *mut c_void) -> c_int;
    fn zmq_bind(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    fn zmq_unbind(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    fn zmq_connect(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    fn zmq_disconnect(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    fn zmq_setsockopt(socket: *mut c_void, option: c_int, value: *const c_void, size: usize) -> c_int;
    fn zmq_getsockopt(socket: *mut c_void, option: c_int, value: *mut c_void, size: *mut usize) -> c_int;
    fn zmq_send(socket: *mut c_void, data: *const c_void, size: usize, flags: c_int) -> c_int;
    fn zmq_msg_init(message: *mut Message) -> c_int;
    fn zmq_msg_recv(message: *mut Message, socket: *mut c_void, flags: c_int) -> c_int;
    fn zmq_msg_data(message: *mut Message) -> *mut c_void;
    fn zmq_msg_size(message: *const Message) -> usize;
    fn zmq_msg_close(message: *mut Message) -> c_int;
    fn zmq_errno() -> c_int;
    fn zmq_strerror(code: c_int) -> *const c_char;
}

const MAX_SOCKETS: c_int = 2;
const SNDMORE: c_int = 2;
const ALL_EVENTS: c_int = 0xFFFF;
/// Linux's numbers, which libzmq passes through.
const EINTR: c_int = 4;
const EAGAIN: c_int = 11;
const EADDRINUSE: c_int = 98;
const EHOSTUNREACH: c_int = 113;
