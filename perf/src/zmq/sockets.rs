//! A library with libzmq's functions as a road: any pattern, or PAIR for two ways and PUSH and PULL for one where none was
//! asked for.
//!
//! [`Calls`] says with which functions messages are sent and received. A publisher has `ZMQ_XPUB_NODROP`, a ROUTER
//! `ZMQ_ROUTER_MANDATORY`: nothing is dropped. Between processes a publisher is an XPUB, of which PUB is a kind that hears
//! nothing: how else would it know that its subscribers are there.

use std::{
    ffi::{CStr, CString, c_int, c_long, c_void},
    process, slice,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::api::*;
use crate::{
    cli::{Match, Pattern, Transport, Wait},
    end::{Bound, Crowd, FanHalves, Halves, Meet, Publisher, Relax, Rx, Terms, Tx},
    failure::Failure,
    payload::{Header, fill},
    report::value_name,
};

/// Which functions messages go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Calls {
    /// `zmq_msg_send` and `zmq_msg_recv`: built in place and read in place, no copy but the library's own.
    Messages,
    /// `zmq_send` and `zmq_recv`, which copy from the program's memory and into it.
    Buffers,
    /// As `Buffers`, and `zmq_poll` before each message is received, without waiting then.
    Polled,
}

/// A context and the endpoints made in it.
pub(crate) struct Sockets {
    api: &'static Api,
    transport: Transport,
    context: Arc<Context>,
    next_endpoint: AtomicU64,
    /// The sockets' types; what suits the work if absent.
    pattern: Option<Pattern>,
    calls: Calls,
}

/// An end of a road with two ways: one socket, or one for each way.
pub(crate) struct Link {
    socket: Socket,
    /// What it receives with, if not with that.
    receiving: Option<Socket>,
}

/// Subscribers, each looked at in turn.
pub(crate) struct Subscribers(Vec<Socket>);

/// A context, terminated when its last socket is gone.
struct Context {
    api: &'static Api,
    context: *mut c_void,
}

// SAFETY: libzmq documents contexts as safe to use from any number of threads.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

/// A socket of any type.
pub(crate) struct Socket {
    api: &'static Api,
    socket: *mut c_void,
    kind: c_int,
    size: usize,
    calls: Calls,
    /// What `zmq_send` copies from and `zmq_recv` copies to.
    buffer: Vec<u8>,
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
    /// Of this process's library.
    pub(crate) fn new(transport: Transport, pattern: Option<Pattern>, calls: Calls) -> Result<Self, Failure> {
        let api = Api::get()?;
        // SAFETY: takes nothing.
        let context = unsafe { (api.calls.ctx_new)() };
        if context.is_null() {
            return Err(api.last_error());
        }
        let context = Arc::new(Context { api, context });
        // SAFETY: the context is open.
        api.done(unsafe { (api.calls.ctx_set)(context.context, ZMQ_MAX_SOCKETS, SOCKETS_MAX) })?;
        Ok(Self { api, transport, context, next_endpoint: AtomicU64::new(0), pattern, calls })
    }

    fn endpoint(&self) -> CString {
        let number = self.next_endpoint.fetch_add(1, Ordering::Relaxed);
        let endpoint = match self.transport {
            Transport::Inproc => format!("inproc://perf-{number}"),
            Transport::Tcp => "tcp://127.0.0.1:*".to_owned(),
            Transport::Ipc => format!("ipc://@ringway-perf-zmq-{}-{number}", process::id()),
        };
        CString::new(endpoint).expect("no NUL in it")
    }

    fn socket(&self, kind: c_int, terms: &Terms) -> Result<Socket, Failure> {
        // SAFETY: the context lives as long as the socket, which holds it.
        let socket = unsafe { (self.api.calls.socket)(self.context.context, kind) };
        if socket.is_null() {
            return Err(self.api.last_error());
        }
        let flags = if terms.wait == Wait::Spin { ZMQ_DONTWAIT } else { 0 };
        let sender = (kind == ZMQ_ROUTER).then(Vec::new);
        let (api, calls, size, relax) = (self.api, self.calls, terms.size, terms.relax);
        let buffer = vec![0; size.max(ID_BYTES_MAX)];
        let _context = self.context.clone();
        let socket = Socket { api, socket, kind, size, calls, buffer, flags, relax, sender, _context };
        let high_water_mark = terms.high_water_mark as c_int;
        for (option, value) in [(ZMQ_SNDHWM, high_water_mark), (ZMQ_RCVHWM, high_water_mark), (ZMQ_LINGER, 0)] {
            socket.set(option, value)?;
        }
        match kind {
            ZMQ_PUB => socket.set(ZMQ_XPUB_NODROP, 1)?,
            ZMQ_XPUB => {
                socket.set(ZMQ_XPUB_NODROP, 1)?;
                socket.set(ZMQ_XPUB_VERBOSE, 1)?;
            }
            ZMQ_ROUTER => socket.set(ZMQ_ROUTER_MANDATORY, 1)?,
            _ => {}
        }
        Ok(socket)
    }

    /// The types of sockets that begin and answer, and whether each of them does both ways.
    fn kinds(&self, usual: Pattern) -> (c_int, c_int, bool) {
        let publisher = if self.transport == Transport::Inproc { ZMQ_PUB } else { ZMQ_XPUB };
        match self.pattern.unwrap_or(usual) {
            Pattern::Pair => (ZMQ_PAIR, ZMQ_PAIR, true),
            Pattern::ReqRep => (ZMQ_REQ, ZMQ_REP, true),
            Pattern::DealerRouter => (ZMQ_DEALER, ZMQ_ROUTER, true),
            Pattern::PushPull => (ZMQ_PUSH, ZMQ_PULL, false),
            Pattern::PubSub => (publisher, ZMQ_SUB, false),
        }
    }

    fn bound(&self, kind: c_int, terms: &Terms) -> Result<Bound<Socket>, Failure> {
        let socket = self.socket(kind, terms)?;
        socket.bind(&self.endpoint())?;
        Ok(Bound { endpoints: vec![socket.last_endpoint()?], end: socket })
    }

    fn connected(&self, kind: c_int, terms: &Terms, endpoint: &str) -> Result<Socket, Failure> {
        let socket = self.socket(kind, terms)?;
        socket.connect(&CString::new(endpoint).expect("no NUL in it"))?;
        Ok(socket)
    }
}

impl Socket {
    fn bind(&self, endpoint: &CStr) -> Result<(), Failure> {
        // SAFETY: the socket is open; the name ends with NUL and is read during the call.
        self.api.done(unsafe { (self.api.calls.bind)(self.socket, endpoint.as_ptr()) })
    }

    fn connect(&self, endpoint: &CStr) -> Result<(), Failure> {
        // SAFETY: the socket is open; the name ends with NUL and is read during the call.
        self.api.done(unsafe { (self.api.calls.connect)(self.socket, endpoint.as_ptr()) })
    }

    /// Repeats `call` while it would have to wait or was interrupted.
    #[inline(always)]
    fn again(&self, mut call: impl FnMut() -> c_int) -> Result<(), Failure> {
        while call() < 0 {
            match self.api.errno() {
                EAGAIN => self.relax.once(),
                EINTR => {}
                _ => return Err(self.api.last_error()),
            }
        }
        Ok(())
    }
}

impl Socket {
    fn set(&self, option: c_int, value: c_int) -> Result<(), Failure> {
        // SAFETY: the socket is open, and the option is an int, read during the call.
        self.api.done(unsafe {
            (self.api.calls.setsockopt)(self.socket, option, (&raw const value).cast(), size_of::<c_int>())
        })
    }

    fn subscribe(&self, topic: &[u8]) -> Result<(), Failure> {
        // SAFETY: the socket is open, and the topic is read during the call.
        self.api.done(unsafe {
            (self.api.calls.setsockopt)(self.socket, ZMQ_SUBSCRIBE, topic.as_ptr().cast(), topic.len())
        })
    }

    fn subscribe_to_everything(&self) -> Result<(), Failure> {
        if self.kind == ZMQ_SUB { self.subscribe(b"") } else { Ok(()) }
    }

    /// Where it was bound.
    fn last_endpoint(&self) -> Result<String, Failure> {
        let mut name = [0_u8; 256];
        let mut size = name.len();
        // SAFETY: the socket is open; at most `size` bytes are written during the call.
        self.api.done(unsafe {
            (self.api.calls.getsockopt)(self.socket, ZMQ_LAST_ENDPOINT, name.as_mut_ptr().cast(), &raw mut size)
        })?;
        let name = CStr::from_bytes_until_nul(&name[..size]).map_err(|error| Failure::road(&self.api.name, error))?;
        Ok(name.to_string_lossy().into_owned())
    }

    /// Lets a socket work through what has happened to its connections, as it does when it sends or receives.
    fn hear_of_peers(&self) -> Result<(), Failure> {
        let (mut events, mut size): (c_int, usize) = (0, size_of::<c_int>());
        // SAFETY: the socket is open; the option is an int, written during the call.
        self.api.done(unsafe {
            (self.api.calls.getsockopt)(self.socket, ZMQ_EVENTS, (&raw mut events).cast(), &raw mut size)
        })
    }

    /// Sends `size` bytes that `write` has put in place.
    fn send_frame(&self, size: usize, flags: c_int, write: impl FnOnce(&mut [u8])) -> Result<(), Failure> {
        let mut message = Message::new();
        // SAFETY: the message is not initialised yet, as this call wants it.
        self.api.done(unsafe { (self.api.calls.msg_init_size)(&raw mut message, size) })?;
        // SAFETY: the message is initialised.
        let data = unsafe { (self.api.calls.msg_data)(&raw mut message) }.cast::<u8>();
        // SAFETY: libzmq gave this many bytes, which nobody else has.
        write(unsafe { slice::from_raw_parts_mut(data, size) });
        // SAFETY: the socket is open; on success libzmq owns the message, on failure it is still ours to send again.
        self.again(|| unsafe { (self.api.calls.msg_send)(&raw mut message, self.socket, self.flags | flags) })
    }

    /// Shows a frame as soon as one is there; whether more of its message follow.
    fn recv_frame(&self, see: impl FnOnce(&[u8])) -> Result<bool, Failure> {
        let mut message = Message::new();
        // SAFETY: the message is not initialised yet, as this call wants it.
        self.api.done(unsafe { (self.api.calls.msg_init)(&raw mut message) })?;
        // SAFETY: the socket is open and the message initialised.
        self.again(|| unsafe { (self.api.calls.msg_recv)(&raw mut message, self.socket, self.flags) })?;
        message.finish(self.api, see)
    }

    /// As [`recv_frame`](Self::recv_frame), if one is there now.
    fn try_recv_frame(&self, see: impl FnOnce(&[u8])) -> Result<Option<bool>, Failure> {
        let mut message = Message::new();
        // SAFETY: the message is not initialised yet, as this call wants it.
        self.api.done(unsafe { (self.api.calls.msg_init)(&raw mut message) })?;
        // SAFETY: the socket is open and the message initialised.
        if unsafe { (self.api.calls.msg_recv)(&raw mut message, self.socket, ZMQ_DONTWAIT) } >= 0 {
            return message.finish(self.api, see).map(Some);
        }
        match self.api.errno() {
            EAGAIN | EINTR => Ok(None),
            _ => Err(self.api.last_error()),
        }
    }
}

impl Socket {
    /// As [`send_frame`](Self::send_frame), out of memory of our own.
    fn send_bytes(&self, bytes: &[u8], flags: c_int) -> Result<(), Failure> {
        let (data, size) = (bytes.as_ptr().cast(), bytes.len());
        // SAFETY: the socket is open, and the bytes are read during the call.
        self.again(|| unsafe { (self.api.calls.send)(self.socket, data, size, self.flags | flags) })
    }

    /// As [`recv_frame`](Self::recv_frame), into `buffer`; how long the frame was, which may be more than fits.
    fn recv_bytes(&mut self, polled: bool) -> Result<usize, Failure> {
        let (data, size): (*mut c_void, usize) = (self.buffer.as_mut_ptr().cast(), self.buffer.len());
        let mut item = PollItem { socket: self.socket, fd: 0, events: ZMQ_POLLIN, revents: 0 };
        let flags = if polled { ZMQ_DONTWAIT } else { self.flags };
        let mut received = 0;
        self.again(|| {
            // SAFETY: the socket is open; there is one item, which is read and written during the call.
            if polled && unsafe { (self.api.calls.poll)(&raw mut item, 1, FOREVER) } < 0 {
                return -1;
            }
            // SAFETY: the socket is open; at most `size` bytes are written during the call.
            received = unsafe { (self.api.calls.recv)(self.socket, data, size, flags) };
            received
        })?;
        Ok(received as usize)
    }

    /// Does another frame of the message received last follow?
    fn has_more(&self) -> Result<bool, Failure> {
        let (mut more, mut size): (c_int, usize) = (0, size_of::<c_int>());
        // SAFETY: the socket is open; the option is an int, written during the call.
        self.api.done(unsafe {
            (self.api.calls.getsockopt)(self.socket, ZMQ_RCVMORE, (&raw mut more).cast(), &raw mut size)
        })?;
        Ok(more != 0)
    }

    /// A whole message, in the way programs do that have memory of their own: whoever expects one frame does not ask
    /// whether there are more.
    #[inline(always)]
    fn recv_copied(&mut self, mut see: impl FnMut(&[u8])) -> Result<(), Failure> {
        let mut polled = self.calls == Calls::Polled;
        if let Some(mut sender) = self.sender.take() {
            let size = self.recv_bytes(polled)?.min(ID_BYTES_MAX);
            self.buffer[..size].clone_into(&mut sender);
            self.sender = Some(sender);
            // The rest of a message is there with its beginning.
            polled = false;
            if !self.has_more()? {
                see(&[]);
                return Ok(());
            }
        }
        let size = self.recv_bytes(polled)?;
        see(self.buffer.get(..size).unwrap_or_default());
        Ok(())
    }
}

impl Tx for Socket {
    #[inline(always)]
    fn send(&mut self, header: Header) -> Result<(), Failure> {
        if self.calls == Calls::Messages {
            if let Some(sender) = &self.sender {
                self.send_frame(sender.len(), ZMQ_SNDMORE, |bytes| bytes.copy_from_slice(sender))?;
            }
            return self.send_frame(self.size, 0, |bytes| fill(bytes, header));
        }
        fill(&mut self.buffer[..self.size], header);
        if let Some(sender) = &self.sender {
            self.send_bytes(sender, ZMQ_SNDMORE)?;
        }
        self.send_bytes(&self.buffer[..self.size], 0)
    }
}

impl Rx for Socket {
    /// A message of another shape shows as empty, which no check passes.
    #[inline(always)]
    fn recv(&mut self, mut see: impl FnMut(&[u8])) -> Result<(), Failure> {
        if self.calls != Calls::Messages {
            return self.recv_copied(see);
        }
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
        first.again(|| unsafe { (first.api.calls.poll)(items.as_mut_ptr(), items.len() as c_int, -1) })
    }
}

impl Meet for Socket {
    fn meet(&mut self) -> Result<(), Failure> {
        // An XPUB is told of each subscription in a message.
        if self.kind == ZMQ_XPUB { self.recv_frame(|_| {}).map(drop) } else { self.hear_of_peers() }
    }
}

impl Meet for Link {
    fn meet(&mut self) -> Result<(), Failure> {
        self.socket.meet()?;
        self.receiving.as_mut().map_or(Ok(()), Meet::meet)
    }
}

impl Halves for Sockets {
    type Near = Link;
    type Far = Link;
    type Tx = Socket;
    type Rx = Socket;

    fn name(&self) -> String {
        match self.pattern {
            None => self.api.name.clone(),
            Some(pattern) => format!("{} {}", self.api.name, value_name(pattern)),
        }
    }

    fn far(&self, terms: &Terms) -> Result<Bound<Link>, Failure> {
        let (begins, answers, both_ways) = self.kinds(Pattern::Pair);
        let Bound { end: arriving, endpoints } = self.bound(answers, terms)?;
        if both_ways {
            return Ok(Bound { end: Link { socket: arriving, receiving: None }, endpoints });
        }
        arriving.subscribe_to_everything()?;
        let back = self.bound(begins, terms)?;
        let endpoints = [endpoints, back.endpoints].concat();
        Ok(Bound { end: Link { socket: back.end, receiving: Some(arriving) }, endpoints })
    }

    fn near(&self, terms: &Terms, endpoints: &[String]) -> Result<Link, Failure> {
        let (begins, answers, both_ways) = self.kinds(Pattern::Pair);
        let socket = self.connected(begins, terms, &endpoints[0])?;
        if both_ways {
            return Ok(Link { socket, receiving: None });
        }
        let returning = self.connected(answers, terms, &endpoints[1])?;
        returning.subscribe_to_everything()?;
        Ok(Link { socket, receiving: Some(returning) })
    }

    fn rx(&self, terms: &Terms) -> Result<Bound<Socket>, Failure> {
        if self.pattern == Some(Pattern::ReqRep) {
            return Err(Failure::TwoWayOnly { road: Halves::name(self) });
        }
        let receiver = self.bound(self.kinds(Pattern::PushPull).1, terms)?;
        receiver.end.subscribe_to_everything()?;
        Ok(receiver)
    }

    fn txs(&self, terms: &Terms, endpoints: &[String], senders: usize) -> Result<Vec<Socket>, Failure> {
        match self.pattern {
            Some(Pattern::Pair) if senders != 1 => Err(Failure::Asked(format!("a pair has one sender, not {senders}"))),
            Some(Pattern::ReqRep) => Err(Failure::TwoWayOnly { road: Halves::name(self) }),
            _ => {
                let kind = self.kinds(Pattern::PushPull).0;
                (0..senders).map(|_| self.connected(kind, terms, &endpoints[0])).collect()
            }
        }
    }
}

impl FanHalves for Sockets {
    type Publisher = Socket;
    type Crowd = Subscribers;

    fn name(&self) -> String {
        format!("{} PUB/SUB", self.api.name)
    }

    fn publisher(&self, terms: &Terms) -> Result<Bound<Socket>, Failure> {
        self.bound(self.kinds(Pattern::PubSub).0, terms)
    }

    fn crowd(
        &self,
        terms: &Terms,
        endpoints: &[String],
        subscribers: u16,
        matching: Match,
    ) -> Result<Subscribers, Failure> {
        let subscriber = |n| {
            let socket = self.connected(ZMQ_SUB, terms, &endpoints[0])?;
            match matching {
                Match::All => socket.subscribe(b"")?,
                Match::Distinct => socket.subscribe(&Header::topic(n))?,
            }
            Ok(socket)
        };
        Ok(Subscribers((0..subscribers).map(subscriber).collect::<Result<_, Failure>>()?))
    }

    fn gather(&self, publisher: &mut Socket, subscribers: u16) -> Result<(), Failure> {
        // One message a subscription, or all of them with one look within the process.
        (0..subscribers).try_for_each(|_| publisher.meet())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: the socket is open and not used after.
        unsafe { (self.api.calls.close)(self.socket) };
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: every socket held the context and is closed by now, so this does not wait.
        unsafe { (self.api.calls.ctx_term)(self.context) };
    }
}

/// More than any measurement opens.
const SOCKETS_MAX: c_int = 20_000;

/// A routing id has at most so many.
const ID_BYTES_MAX: usize = 255;

/// A `zmq_poll` that waits until something happens.
const FOREVER: c_long = -1;
