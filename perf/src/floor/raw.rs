//! The operating system's own sockets as ends: no framing, no queue, no second thread. What a message between processes
//! costs when nobody adds anything.
//!
//! Both sides know the size of a message. A round trip is one write and one read on each side; one way, messages are
//! gathered into writes of [`GATHERED_BYTES`], and the reader reads as much as its buffer holds. Spinning is reading again
//! until something is there (`O_NONBLOCK`), every other way of waiting is the system call that blocks. `TCP_NODELAY` is set.

#![forbid(unsafe_code)]

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{
    cli::{Transport, Wait},
    end::{Bound, Halves, Meet, Relax, Rx, Terms, Tx},
    failure::Failure,
    payload::{Header, fill},
    report::value_name,
};

/// The road of bare sockets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw {
    transport: Transport,
}

/// One side of a connection.
pub(crate) struct RawEnd {
    line: Line,
    size: usize,
    relax: Relax,
    spins: bool,
    /// Written up to `written`, and not sent yet.
    outgoing: Box<[u8]>,
    written: usize,
    /// Messages are gathered up to so many bytes, then sent with one call.
    gather: usize,
    /// Received and not shown yet: `first..end`.
    incoming: Box<[u8]>,
    first: usize,
    end: usize,
}

/// A connection, or what will be one.
enum Line {
    Listening(Listener),
    Connected(Stream),
}

pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(target_os = "linux")]
    Unix(std::os::unix::net::UnixListener),
}

pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(target_os = "linux")]
    Unix(std::os::unix::net::UnixStream),
}

impl Raw {
    pub(crate) fn new(transport: Transport) -> Result<Self, Failure> {
        match transport {
            Transport::Inproc => Err(Failure::Asked("bare sockets are between processes".to_owned())),
            Transport::Tcp | Transport::Ipc => Ok(Self { transport }),
        }
    }

    fn bind(self, terms: &Terms, gather: usize) -> Result<Bound<RawEnd>, Failure> {
        let (listener, endpoint) = Listener::bind(self.transport).map_err(broken)?;
        Ok(Bound { end: RawEnd::new(Line::Listening(listener), terms, gather), endpoints: vec![endpoint] })
    }

    fn connect(self, terms: &Terms, endpoints: &[String], gather: usize) -> Result<RawEnd, Failure> {
        let stream = Stream::connect(&endpoints[0]).and_then(|stream| stream.ready(terms.wait)).map_err(broken)?;
        Ok(RawEnd::new(Line::Connected(stream), terms, gather))
    }
}

impl Halves for Raw {
    type Near = RawEnd;
    type Far = RawEnd;
    type Tx = RawEnd;
    type Rx = RawEnd;

    fn name(&self) -> String {
        format!("bare {} socket", value_name(self.transport))
    }

    fn far(&self, terms: &Terms) -> Result<Bound<RawEnd>, Failure> {
        self.bind(terms, 0)
    }

    fn near(&self, terms: &Terms, endpoints: &[String]) -> Result<RawEnd, Failure> {
        self.connect(terms, endpoints, 0)
    }

    fn rx(&self, terms: &Terms) -> Result<Bound<RawEnd>, Failure> {
        self.bind(terms, GATHERED_BYTES)
    }

    fn txs(&self, terms: &Terms, endpoints: &[String], senders: usize) -> Result<Vec<RawEnd>, Failure> {
        if senders != 1 {
            return Err(Failure::Asked(format!("a connection has one sender, not {senders}")));
        }
        Ok(vec![self.connect(terms, endpoints, GATHERED_BYTES)?])
    }
}

impl RawEnd {
    fn new(line: Line, terms: &Terms, gather: usize) -> Self {
        // Whole messages: what is gathered goes out before the next would not fit.
        let outgoing = gather.max(terms.size);
        let incoming = if gather == 0 { terms.size } else { (READ_BYTES).max(terms.size) };
        Self {
            line,
            size: terms.size,
            relax: terms.relax,
            spins: terms.wait == Wait::Spin,
            outgoing: vec![0; outgoing].into_boxed_slice(),
            written: 0,
            gather: outgoing.min(gather),
            incoming: vec![0; incoming].into_boxed_slice(),
            first: 0,
            end: 0,
        }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let Line::Connected(stream) = &mut self.line else { return Err(unconnected()) };
        let mut unsent = &self.outgoing[..self.written];
        while !unsent.is_empty() {
            match stream.write(unsent) {
                Ok(sent) => unsent = &unsent[sent..],
                Err(error) => pause(error, self.relax)?,
            }
        }
        self.written = 0;
        Ok(())
    }

    /// Reads until a whole message is there.
    #[inline]
    fn fetch(&mut self) -> Result<(), Failure> {
        if self.end - self.first >= self.size {
            return Ok(());
        }
        let Line::Connected(stream) = &mut self.line else { return Err(unconnected()) };
        if self.first + self.size > self.incoming.len() {
            self.incoming.copy_within(self.first..self.end, 0);
            self.end -= self.first;
            self.first = 0;
        }
        while self.end - self.first < self.size {
            match stream.read(&mut self.incoming[self.end..]) {
                Ok(0) => return Err(broken(io::ErrorKind::UnexpectedEof.into())),
                Ok(received) => self.end += received,
                Err(error) => pause(error, self.relax)?,
            }
        }
        Ok(())
    }

    #[inline]
    fn show(&mut self, see: &mut impl FnMut(&[u8])) {
        see(&self.incoming[self.first..self.first + self.size]);
        self.first += self.size;
        if self.first == self.end {
            (self.first, self.end) = (0, 0);
        }
    }
}

impl Meet for RawEnd {
    /// Takes the connection.
    fn meet(&mut self) -> Result<(), Failure> {
        if let Line::Listening(listener) = &self.line {
            let wait = if self.spins { Wait::Spin } else { Wait::Park };
            self.line = Line::Connected(listener.accept().and_then(|stream| stream.ready(wait)).map_err(broken)?);
        }
        Ok(())
    }
}

impl Tx for RawEnd {
    #[inline]
    fn send(&mut self, header: Header) -> Result<(), Failure> {
        if self.written + self.size > self.outgoing.len() {
            self.flush()?;
        }
        fill(&mut self.outgoing[self.written..][..self.size], header);
        self.written += self.size;
        if self.written >= self.gather || header.is_stop() { self.flush() } else { Ok(()) }
    }
}

impl Rx for RawEnd {
    #[inline]
    fn recv(&mut self, mut see: impl FnMut(&[u8])) -> Result<(), Failure> {
        self.fetch()?;
        self.show(&mut see);
        Ok(())
    }

    fn recv_batch(&mut self, max: usize, mut see: impl FnMut(&[u8])) -> Result<usize, Failure> {
        self.fetch()?;
        let there = ((self.end - self.first) / self.size).min(max);
        (0..there).for_each(|_| self.show(&mut see));
        Ok(there)
    }
}

impl Listener {
    /// Binds where nobody else is, and says where.
    pub(crate) fn bind(transport: Transport) -> io::Result<(Self, String)> {
        match transport {
            #[cfg(target_os = "linux")]
            Transport::Ipc => {
                use std::os::{linux::net::SocketAddrExt, unix::net};
                let name = format!("ringway-perf-raw-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
                let listener = net::UnixListener::bind_addr(&net::SocketAddr::from_abstract_name(&name)?)?;
                Ok((Self::Unix(listener), format!("ipc://@{name}")))
            }
            _ => {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                let endpoint = format!("tcp://{}", listener.local_addr()?);
                Ok((Self::Tcp(listener), endpoint))
            }
        }
    }

    pub(crate) fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
            #[cfg(target_os = "linux")]
            Self::Unix(listener) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

impl Stream {
    /// Connects to an endpoint as anybody's sockets write it.
    pub(crate) fn connect(endpoint: &str) -> io::Result<Self> {
        if let Some(address) = endpoint.strip_prefix("tcp://") {
            return TcpStream::connect(address).map(Self::Tcp);
        }
        #[cfg(target_os = "linux")]
        if let Some(name) = endpoint.strip_prefix("ipc://@") {
            use std::os::{linux::net::SocketAddrExt, unix::net};
            let address = net::SocketAddr::from_abstract_name(name)?;
            return net::UnixStream::connect_addr(&address).map(Self::Unix);
        }
        Err(io::Error::new(io::ErrorKind::Unsupported, format!("no bare socket for {endpoint}")))
    }

    /// Without Nagle's delay, where there is one.
    pub(crate) fn no_delay(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nodelay(true),
            #[cfg(target_os = "linux")]
            Self::Unix(_) => Ok(()),
        }
    }

    /// As every end of a measurement is: without delay, and never waiting if it spins.
    fn ready(self, wait: Wait) -> io::Result<Self> {
        let spins = wait == Wait::Spin;
        self.no_delay()?;
        match &self {
            Self::Tcp(stream) => stream.set_nonblocking(spins)?,
            #[cfg(target_os = "linux")]
            Self::Unix(stream) => stream.set_nonblocking(spins)?,
        }
        Ok(self)
    }
}

impl Read for Stream {
    #[inline]
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(bytes),
            #[cfg(target_os = "linux")]
            Self::Unix(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            #[cfg(target_os = "linux")]
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a call that did not go through calls for: trying again, unless it is broken.
#[inline]
fn pause(error: io::Error, relax: Relax) -> Result<(), Failure> {
    match error.kind() {
        io::ErrorKind::WouldBlock => relax.once(),
        io::ErrorKind::Interrupted => {}
        _ => return Err(broken(error)),
    }
    Ok(())
}

#[cold]
pub(crate) fn broken(error: io::Error) -> Failure {
    Failure::road("bare socket", error)
}

#[cold]
fn unconnected() -> Failure {
    Failure::Asked("a bare socket is used before it is connected".to_owned())
}

/// One write's worth of small messages.
pub(crate) const GATHERED_BYTES: usize = 64 << 10;

/// One read's worth: several writes of the largest kind that are gathered, and still within a core's own cache.
const READ_BYTES: usize = 256 << 10;

static NEXT: AtomicU64 = AtomicU64::new(0);
