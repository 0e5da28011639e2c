//! The system's libzmq through its C interface, over `inproc://`: any pattern, or PAIR for two ways and PUSH and PULL for
//! one where none was asked for.
//!
//! Messages are built in place (`zmq_msg_init_size`, write, `zmq_msg_send`) and read in place: no copy but libzmq's own.
//! A publisher has `ZMQ_XPUB_NODROP`, a ROUTER `ZMQ_ROUTER_MANDATORY`: nothing is dropped.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_long, c_short, c_void},
    slice,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    cli::{Match, Pattern, Wait},
    end::{Crowd, Fan, Publisher, Relax, Road, Rx, Terms, Tx},
    failure::Failure,
    payload::{Header, fill},
    report::value_name,
};

/// A context and the endpoints made in it.
pub(super) struct Sockets {
    context: Arc<Context>,
    next_endpoint: AtomicU64,
    /// The sockets' types; what suits the work if absent.
    pattern: Option<Pattern>,
}

/// An end of a road with two ways: one socket, or one for each way.
pub(super) struct Link {
    socket: Socket,
    /// What it receives with, if not with that.
    receiving: Option<Socket>,
}

/// Subscribers, each looked at in turn.
pub(super) struct Subscribers(Vec<Socket>);

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
    /// A ROUTER's: whom it heard last.
    sender: Option<Vec<u8>>,
    /// Outlives the socket: terminating waits for it.
    _context: Arc<Context>,
}

// SAFETY: libzmq allows a socket to move to another thread with a full fence, which handing it over implies; it is
// used by one at a time, as every method takes `&mut self`.
unsafe impl Send for Socket {}

impl Sockets {
    pub(super) fn new(pattern: Option<Pattern>) -> Result<Self, Failure> {
        // SAFETY: takes nothing.
        let context = unsafe { zmq_ctx_new() };
        if context.is_null() {
            return Err(last_error());
        }
        Ok(Self { context: Arc::new(Context(context)), next_endpoint: AtomicU64::new(0), pattern })
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
        let sender = (kind == ZMQ_ROUTER).then(Vec::new);
        let (size, relax) = (terms.size, terms.relax);
        let socket = Socket { socket, size, flags, relax, sender, _context: self.context.clone() };
        let high_water_mark = terms.high_water_mark as c_int;
        for (option, value) in [(ZMQ_SNDHWM, high_water_mark), (ZMQ_RCVHWM, high_water_mark), (ZMQ_LINGER, 0)] {
            socket.set(option, value)?;
        }
        match kind {
            ZMQ_PUB => socket.set(ZMQ_XPUB_NODROP, 1)?,
            ZMQ_ROUTER => socket.set(ZMQ_ROUTER_MANDATORY, 1)?,
            _ => {}
        }
        Ok(socket)
    }

    /// `senders` sockets connected to one that receives, which wants everything if it has to say so.
    fn connected(
        &self,
        from: c_int,
        to: c_int,
        terms: &Terms,
        senders: usize,
    ) -> Result<(Vec<Socket>, Socket), Failure> {
        let endpoint = self.endpoint();
        let receiver = self.socket(to, terms)?;
        receiver.bind(&endpoint)?;
        if to == ZMQ_SUB {
            receiver.subscribe(b"")?;
        }
        let connected = || {
            let sender = self.socket(from, terms)?;
            sender.connect(&endpoint)?;
            if to == ZMQ_SUB {
                sender.hear_of_subscription()?;
            }
            Ok(sender)
        };
        Ok(((0..senders).map(|_| connected()).collect::<Result<_, Failure>>()?, receiver))
    }

    /// Two sockets that send and receive.
    fn equals(&self, from: c_int, to: c_int, terms: &Terms) -> Result<(Link, Link), Failure> {
        let (mut near, far) = self.connected(from, to, terms, 1)?;
        Ok((Link { socket: near.remove(0), receiving: None }, Link { socket: far, receiving: None }))
    }

    /// A pair of sockets for each way.
    fn one_each_way(&self, from: c_int, to: c_int, terms: &Terms) -> Result<(Link, Link), Failure> {
        let (mut there, arriving) = self.connected(from, to, terms, 1)?;
        let (mut back, returning) = self.connected(from, to, terms, 1)?;
        let near = Link { socket: there.remove(0), receiving: Some(returning) };
        Ok((near, Link { socket: back.remove(0), receiving: Some(arriving) }))
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

impl Socket {
    fn set(&self, option: c_int, value: c_int) -> Result<(), Failure> {
        // SAFETY: the socket is open, and the option is an int, read during the call.
        done(unsafe { zmq_setsockopt(self.socket, option, (&raw const value).cast(), size_of::<c_int>()) })
    }

    fn subscribe(&self, topic: &[u8]) -> Result<(), Failure> {
        // SAFETY: the socket is open, and the topic is read during the call.
        done(unsafe { zmq_setsockopt(self.socket, ZMQ_SUBSCRIBE, topic.as_ptr().cast(), topic.len()) })
    }

    /// Lets a publisher work through the subscriptions that have arrived, as it does when it sends.
    fn hear_of_subscription(&self) -> Result<(), Failure> {
        let (mut events, mut size): (c_int, usize) = (0, size_of::<c_int>());
        // SAFETY: the socket is open; the option is an int, written during the call.
        done(unsafe { zmq_getsockopt(self.socket, ZMQ_EVENTS, (&raw mut events).cast(), &raw mut size) })
    }

    /// Sends `size` bytes that `write` has put in place.
    fn send_frame(&self, size: usize, flags: c_int, write: impl FnOnce(&mut [u8])) -> Result<(), Failure> {
        let mut message = Message::new();
        // SAFETY: the message is not initialised yet, as this call wants it.
        done(unsafe { zmq_msg_init_size(&raw mut message, size) })?;
        // SAFETY: the message is initialised.
        let data = unsafe { zmq_msg_data(&raw mut message) }.cast::<u8>();
        // SAFETY: libzmq gave this many bytes, which nobody else has.
        write(unsafe { slice::from_raw_parts_mut(data, size) });
        // SAFETY: the socket is open; on success libzmq owns the message, on failure it is still ours to send again.
        self.again(|| unsafe { zmq_msg_send(&raw mut message, self.socket, self.flags | flags) })
    }

    /// Shows a frame as soon as one is there; whether more of its message follow.
    fn recv_frame(&self, see: impl FnOnce(&[u8])) -> Result<bool, Failure> {
        let mut message = Message::new();
        // SAFETY: the message is not initialised yet, as this call wants it.
        done(unsafe { zmq_msg_init(&raw mut message) })?;
        // SAFETY: the socket is open and the message initialised.
        self.again(|| unsafe { zmq_msg_recv(&raw mut message, self.socket, self.flags) })?;
        message.finish(see)
    }

    /// As [`recv_frame`](Self::recv_frame), if one is there now.
    fn try_recv_frame(&self, see: impl FnOnce(&[u8])) -> Result<Option<bool>, Failure> {
        let mut message = Message::new();
        // SAFETY: the message is not initialised yet, as this call wants it.
        done(unsafe { zmq_msg_init(&raw mut message) })?;
        // SAFETY: the socket is open and the message initialised.
        if unsafe { zmq_msg_recv(&raw mut message, self.socket, ZMQ_DONTWAIT) } >= 0 {
            return message.finish(see).map(Some);
        }
        // SAFETY: takes nothing.
        match unsafe { zmq_errno() } {
            EAGAIN | EINTR => Ok(None),
            _ => Err(last_error()),
        }
    }
}

impl Tx for Socket {
    fn send(&mut self, header: Header) -> Result<(), Failure> {
        if let Some(sender) = &self.sender {
            self.send_frame(sender.len(), ZMQ_SNDMORE, |bytes| bytes.copy_from_slice(sender))?;
        }
        self.send_frame(self.size, 0, |bytes| fill(bytes, header))
    }
}

impl Rx for Socket {
    /// A message of another shape shows as empty, which no check passes.
    fn recv(&mut self, mut see: impl FnMut(&[u8])) -> Result<(), Failure> {
        let mut shape = true;
        if let Some(mut sender) = self.sender.take() {
            let more = self.recv_frame(|bytes| bytes.clone_into(&mut sender))?;
            shape = more && !sender.is_empty();
            self.sender = Some(sender);
        }
        if shape && !self.recv_frame(&mut see)? {
            return Ok(());
        }
        see(&[]);
        Ok(())
    }
}

impl Tx for Link {
    fn send(&mut self, header: Header) -> Result<(), Failure> {
        self.socket.send(header)
    }
}

impl Rx for Link {
    fn recv(&mut self, see: impl FnMut(&[u8])) -> Result<(), Failure> {
        self.receiving.as_mut().unwrap_or(&mut self.socket).recv(see)
    }
}

impl Publisher for Socket {
    fn publish(&mut self, mut headers: impl ExactSizeIterator<Item = Header>) -> Result<(), Failure> {
        headers.try_for_each(|header| self.send(header))
    }
}

impl Crowd for Subscribers {
    fn look(&mut self, subscriber: usize, max: usize, mut see: impl FnMut(&[u8])) -> Result<usize, Failure> {
        let socket = &self.0[subscriber];
        for taken in 0..max {
            match socket.try_recv_frame(&mut see)? {
                None => return Ok(taken),
                Some(true) => see(&[]),
                Some(false) => {}
            }
        }
        Ok(max)
    }

    /// Spins, or waits for all of them.
    fn wait(&mut self) -> Result<(), Failure> {
        let first = &self.0[0];
        if first.flags != 0 {
            first.relax.once();
            return Ok(());
        }
        let item = |socket: &Socket| PollItem { socket: socket.socket, fd: 0, events: ZMQ_POLLIN, revents: 0 };
        let mut items: Vec<PollItem> = self.0.iter().map(item).collect();
        // SAFETY: the sockets are open; there are so many items, which are read and written during the call.
        first.again(|| unsafe { zmq_poll(items.as_mut_ptr(), items.len() as c_int, -1) })
    }
}

impl Road for Sockets {
    type Near = Link;
    type Far = Link;
    type Tx = Socket;
    type Rx = Socket;

    fn name(&self) -> String {
        match self.pattern {
            None => "libzmq".to_owned(),
            Some(pattern) => format!("libzmq {}", value_name(pattern)),
        }
    }

    fn pair(&self, terms: &Terms) -> Result<(Link, Link), Failure> {
        match self.pattern {
            None | Some(Pattern::Pair) => self.equals(ZMQ_PAIR, ZMQ_PAIR, terms),
            Some(Pattern::ReqRep) => self.equals(ZMQ_REQ, ZMQ_REP, terms),
            Some(Pattern::DealerRouter) => self.equals(ZMQ_DEALER, ZMQ_ROUTER, terms),
            Some(Pattern::PushPull) => self.one_each_way(ZMQ_PUSH, ZMQ_PULL, terms),
            Some(Pattern::PubSub) => self.one_each_way(ZMQ_PUB, ZMQ_SUB, terms),
        }
    }

    fn funnel(&self, terms: &Terms, senders: usize) -> Result<(Vec<Socket>, Socket), Failure> {
        match self.pattern {
            Some(Pattern::Pair) if senders != 1 => Err(Failure::Asked(format!("a pair has one sender, not {senders}"))),
            Some(Pattern::Pair) => self.connected(ZMQ_PAIR, ZMQ_PAIR, terms, 1),
            Some(Pattern::ReqRep) => Err(Failure::TwoWayOnly { road: Road::name(self) }),
            Some(Pattern::DealerRouter) => self.connected(ZMQ_DEALER, ZMQ_ROUTER, terms, senders),
            None | Some(Pattern::PushPull) => self.connected(ZMQ_PUSH, ZMQ_PULL, terms, senders),
            Some(Pattern::PubSub) => self.connected(ZMQ_PUB, ZMQ_SUB, terms, senders),
        }
    }
}

impl Fan for Sockets {
    type Publisher = Socket;
    type Crowd = Subscribers;

    fn name(&self) -> String {
        "libzmq PUB/SUB".to_owned()
    }

    fn fan(&self, terms: &Terms, subscribers: u16, matching: Match) -> Result<(Socket, Subscribers), Failure> {
        let endpoint = self.endpoint();
        let publisher = self.socket(ZMQ_PUB, terms)?;
        publisher.bind(&endpoint)?;
        let subscriber = |n| {
            let socket = self.socket(ZMQ_SUB, terms)?;
            socket.connect(&endpoint)?;
            match matching {
                Match::All => socket.subscribe(b"")?,
                Match::Distinct => socket.subscribe(&Header::topic(n))?,
            }
            Ok(socket)
        };
        let sockets = (0..subscribers).map(subscriber).collect::<Result<_, Failure>>()?;
        publisher.hear_of_subscription()?;
        Ok((publisher, Subscribers(sockets)))
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

    /// Shows what was received and closes it; whether more frames of the message follow.
    #[inline(always)]
    fn finish(mut self, see: impl FnOnce(&[u8])) -> Result<bool, Failure> {
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
struct PollItem {
    socket: *mut c_void,
    fd: c_int,
    events: c_short,
    revents: c_short,
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
    fn zmq_ctx_new() -> *mut c_void;
    fn zmq_ctx_term(context: *mut c_void) -> c_int;
    fn zmq_socket(context: *mut c_void, kind: c_int) -> *mut c_void;
    fn zmq_close(socket: *mut c_void) -> c_int;
    fn zmq_bind(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    fn zmq_connect(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    fn zmq_setsockopt(socket: *mut c_void, option: c_int, value: *const c_void, size: usize) -> c_int;
    fn zmq_getsockopt(socket: *mut c_void, option: c_int, value: *mut c_void, size: *mut usize) -> c_int;
    fn zmq_msg_init(message: *mut Message) -> c_int;
    fn zmq_msg_init_size(message: *mut Message, size: usize) -> c_int;
    fn zmq_msg_data(message: *mut Message) -> *mut c_void;
    fn zmq_msg_more(message: *const Message) -> c_int;
    fn zmq_msg_size(message: *const Message) -> usize;
    fn zmq_msg_send(message: *mut Message, socket: *mut c_void, flags: c_int) -> c_int;
    fn zmq_msg_recv(message: *mut Message, socket: *mut c_void, flags: c_int) -> c_int;
    fn zmq_msg_close(message: *mut Message) -> c_int;
    fn zmq_poll(items: *mut PollItem, len: c_int, timeout_ms: c_long) -> c_int;
    fn zmq_errno() -> c_int;
    fn zmq_strerror(code: c_int) -> *const c_char;
    fn mallinfo2() -> MallInfo2;
}

const ZMQ_PAIR: c_int = 0;
const ZMQ_PUB: c_int = 1;
const ZMQ_SUB: c_int = 2;
const ZMQ_REQ: c_int = 3;
const ZMQ_REP: c_int = 4;
const ZMQ_DEALER: c_int = 5;
const ZMQ_ROUTER: c_int = 6;
const ZMQ_PULL: c_int = 7;
const ZMQ_PUSH: c_int = 8;
const ZMQ_SUBSCRIBE: c_int = 6;
const ZMQ_EVENTS: c_int = 15;
const ZMQ_LINGER: c_int = 17;
const ZMQ_SNDHWM: c_int = 23;
const ZMQ_RCVHWM: c_int = 24;
const ZMQ_ROUTER_MANDATORY: c_int = 33;
const ZMQ_XPUB_NODROP: c_int = 69;
const ZMQ_POLLIN: c_short = 1;
const ZMQ_DONTWAIT: c_int = 1;
const ZMQ_SNDMORE: c_int = 2;

/// Linux's numbers, which libzmq passes through.
const EINTR: c_int = 4;
const EAGAIN: c_int = 11;
