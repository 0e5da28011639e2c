//! Byte streams of the system, whatever their kind: listening, connecting, reading, writing. Nothing here blocks, but
//! for [`listen`] at a host name.
//!
//! Sockets are [`mio`] event sources: whoever waits for them registers them. None is inherited by a program this one
//! starts, and writing to one whose peer has gone is an error and no signal.

#![forbid(unsafe_code)]

#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::{
    io::{self, IoSlice, Read},
    net::Shutdown,
};

use mio::{Interest, Registry, Token, event::Source};

#[cfg(unix)]
use super::ipc;
use super::{address::Address, options::StreamOptions, tcp};
use crate::{
    Endpoint,
    endpoint::HostPort,
    monitor::{BindFailure, ConnectFailure, PeerCredentials},
    system::is_gone_meanwhile,
};

/// A connection, or one that is being made.
#[derive(Debug)]
pub(crate) enum ByteStream {
    Tcp(mio::net::TcpStream),
    #[cfg(unix)]
    Ipc(mio::net::UnixStream),
}

/// Where connections come in. Dropping it ends that, and takes the path of an `ipc://` endpoint back, at once.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: Listener,
    endpoint: Endpoint,
    options: StreamOptions,
}

#[derive(Debug)]
enum Listener {
    Tcp(mio::net::TcpListener),
    #[cfg(unix)]
    Ipc(ipc::Listener),
}

/// Listens at `endpoint`, which is no in-process one. Blocks if its host is a name that has to be resolved, and for a
/// moment if a path has to be taken over.
pub(crate) fn listen(endpoint: &Endpoint, options: &StreamOptions) -> Result<Acceptor, BindFailure> {
    let (listener, endpoint) = match endpoint {
        Endpoint::Tcp(tcp) => {
            let listener = tcp::listen(tcp, options)?;
            let address = listener.local_addr().map_err(|error| BindFailure::of(&error))?;
            (Listener::Tcp(listener), Endpoint::Tcp(address.into()))
        }
        #[cfg(unix)]
        Endpoint::Ipc(ipc) => {
            let listener = ipc::listen(ipc, options)?;
            let endpoint = Endpoint::Ipc(listener.endpoint().clone());
            (Listener::Ipc(listener), endpoint)
        }
        #[cfg(not(unix))]
        Endpoint::Ipc(_) => return Err(BindFailure::of(&io::ErrorKind::Unsupported.into())),
        Endpoint::Inproc(_) => unreachable!("an in-process endpoint has no socket of the system"),
    };
    Ok(Acceptor { listener, endpoint, options: options.clone() })
}

/// Begins to connect to `address`, from `source` if that is said (TCP only). The stream is writable when that is over,
/// one way or the other: [`ByteStream::is_connected`] says which.
pub(crate) fn dial(
    address: &Address,
    source: Option<&HostPort>,
    options: &StreamOptions,
) -> Result<ByteStream, ConnectFailure> {
    match address {
        Address::Tcp(address) => tcp::dial(*address, source, options).map(ByteStream::Tcp),
        #[cfg(unix)]
        Address::Ipc(path) => ipc::dial(path, options).map(ByteStream::Ipc),
        #[cfg(not(unix))]
        Address::Ipc(_) => Err(ConnectFailure::of(&io::ErrorKind::Unsupported.into())),
    }
}

impl Acceptor {
    /// Nobody is let in any more, whoever else has a descriptor of it.
    pub(crate) fn shut(&self) {
        #[cfg(unix)]
        // It is closed next, which does the same unless there are others.
        let _ = rustix::net::shutdown(self, rustix::net::Shutdown::Both);
    }

    /// The next connection that has come in. `WouldBlock` if there is none.
    ///
    /// `EMFILE` and the like leave it where it is, and nothing will tell that it can be accepted now: try again later.
    pub(crate) fn accept(&self) -> io::Result<ByteStream> {
        let mut gone = 0;
        loop {
            let accepted = match &self.listener {
                Listener::Tcp(listener) => listener.accept().and_then(|(stream, peer)| {
                    // It may have gone already, which some systems mind.
                    tcp::accepted(&stream, peer, &self.options).map_err(|_| io::ErrorKind::ConnectionAborted)?;
                    Ok(ByteStream::Tcp(stream))
                }),
                #[cfg(unix)]
                Listener::Ipc(listener) => listener.accept().and_then(|stream| {
                    // Not inherited from the listener.
                    tcp::set_buffers(&socket2::SockRef::from(&stream), &self.options)?;
                    Ok(ByteStream::Ipc(stream))
                }),
            };
            match accepted {
                Err(error) if is_gone_meanwhile(&error) && gone < GONE_MAX => gone += 1,
                result => return result,
            }
        }
    }

    /// The number of its descriptor, where there are such.
    pub(crate) fn descriptor(&self) -> Option<i32> {
        number_of(self)
    }

    /// Where it listens, as libzmq's `ZMQ_LAST_ENDPOINT` spells it: numbers for names and wildcards.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl ByteStream {
    /// Reads what is there, up to as much as `buffer` holds. 0: the peer has ended its side. `WouldBlock`: nothing now.
    #[inline]
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let result = match self {
                Self::Tcp(stream) => (&*stream).read(buffer),
                #[cfg(unix)]
                Self::Ipc(stream) => (&*stream).read(buffer),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Writes as much of `buffers`, one after the other, as the system takes; of more than [`BUFFERS_MAX`] the first.
    /// `WouldBlock`: nothing now.
    #[inline]
    pub(crate) fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            match self.send(buffers) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// `writev` could raise `SIGPIPE`, which only Rust's own programs ignore.
    #[cfg(target_os = "linux")]
    fn send(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
        let buffers = &buffers[..buffers.len().min(BUFFERS_MAX)];
        // A header less to be copied and checked by the system.
        if let [buffer] = buffers {
            return Ok(send(self, buffer, SendFlags::NOSIGNAL)?);
        }
        Ok(sendmsg(self, buffers, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)?)
    }

    /// Where there is no flag, the sockets were made so (`SO_NOSIGPIPE`).
    #[cfg(not(target_os = "linux"))]
    fn send(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        use std::io::Write;
        match self {
            Self::Tcp(stream) => (&*stream).write_vectored(buffers),
            #[cfg(unix)]
            Self::Ipc(stream) => (&*stream).write_vectored(buffers),
        }
    }

    /// Is the connection made, that was begun by [`dial`]? To be asked when the stream has become writable; `false` if
    /// that was a false alarm.
    pub(crate) fn is_connected(&self) -> Result<bool, ConnectFailure> {
        let failed = |error: io::Error| ConnectFailure::of(&error);
        if let Some(error) = self.take_error().map_err(failed)? {
            return Err(failed(error));
        }
        let stream = match self {
            Self::Tcp(stream) => stream,
            // There is no waiting with these: it is connected, or it never was.
            #[cfg(unix)]
            Self::Ipc(_) => return Ok(true),
        };
        match stream.peer_addr() {
            // Nobody listens at a port the system hands out as source: sooner or later it picks that one, and TCP
            // connects the socket to itself.
            Ok(peer) if stream.local_addr().is_ok_and(|local| local == peer) => Err(ConnectFailure::Refused),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// The error that is kept for the socket, if there is one (`SO_ERROR`).
    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Self::Tcp(stream) => stream.take_error(),
            #[cfg(unix)]
            Self::Ipc(stream) => stream.take_error(),
        }
    }

    /// Ends our side, or both: what was written before still arrives.
    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(how),
            #[cfg(unix)]
            Self::Ipc(stream) => stream.shutdown(how),
        }
    }

    /// The number of its descriptor, where there are such.
    pub(crate) fn descriptor(&self) -> Option<i32> {
        number_of(self)
    }

    /// Our own address, for people; empty if it has none.
    pub(crate) fn own_label(&self) -> String {
        match self {
            Self::Tcp(stream) => stream.local_addr().map_or_else(|_| String::new(), |address| address.to_string()),
            #[cfg(unix)]
            Self::Ipc(_) => String::new(),
        }
    }

    /// Where the peer is, as a host: its IP address, without the port.
    pub(crate) fn peer_address(&self) -> String {
        match self {
            Self::Tcp(stream) => stream.peer_addr().map_or_else(|_| String::new(), |address| address.ip().to_string()),
            #[cfg(unix)]
            Self::Ipc(_) => self.peer_label(),
        }
    }

    /// Which process is there, as it was when it connected, or began to listen. `None` over TCP.
    ///
    /// # Errors
    /// The system does not say.
    pub(crate) fn peer_credentials(&self) -> io::Result<Option<PeerCredentials>> {
        match self {
            Self::Tcp(_) => Ok(None),
            #[cfg(unix)]
            Self::Ipc(stream) => ipc::peer_credentials(stream).map(Some),
        }
    }

    /// Who is there, for people: an address and port, or a process.
    pub(crate) fn peer_label(&self) -> String {
        match self {
            Self::Tcp(stream) => stream.peer_addr().map_or_else(|_| "unknown".into(), |address| address.to_string()),
            #[cfg(unix)]
            Self::Ipc(stream) => ipc::peer_label(stream),
        }
    }
}

#[cfg(unix)]
fn number_of(what: &impl AsFd) -> Option<i32> {
    use std::os::fd::AsRawFd;
    Some(what.as_fd().as_raw_fd())
}

#[cfg(not(unix))]
fn number_of<T>(_: &T) -> Option<i32> {
    None
}

#[cfg(unix)]
impl AsFd for ByteStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Ipc(stream) => stream.as_fd(),
        }
    }
}

#[cfg(unix)]
impl AsFd for Acceptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.listener {
            Listener::Tcp(listener) => listener.as_fd(),
            Listener::Ipc(listener) => listener.as_fd(),
        }
    }
}

impl ByteStream {
    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(stream) => stream,
            #[cfg(unix)]
            Self::Ipc(stream) => stream,
        }
    }
}

impl Source for ByteStream {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.source().register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.source().reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }
}

impl Acceptor {
    fn source(&mut self) -> &mut dyn Source {
        match &mut self.listener {
            Listener::Tcp(listener) => listener,
            #[cfg(unix)]
            Listener::Ipc(listener) => listener.source(),
        }
    }
}

impl Source for Acceptor {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.source().register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.source().reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }
}

/// Buffers the system takes at once (`IOV_MAX`); with more it would refuse them all.
pub(crate) const BUFFERS_MAX: usize = 1024;

/// Connections found gone before one call of `accept` gives up: whoever makes them so fast must not keep us from others.
const GONE_MAX: u32 = 64;

#[cfg(all(test, not(any(loom, shuttle, miri))))]
pub(super) mod trial {
    //! What tests of sockets need.

    use std::time::Duration;

    use mio::{Events, Poll};

    use super::*;

    /// Waits until `source` is ready.
    pub(in crate::transport) fn wait_for(source: &mut impl Source, interest: Interest) {
        let mut poll = Poll::new().unwrap();
        poll.registry().register(source, Token(0), interest).unwrap();
        let mut events = Events::with_capacity(1);
        poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
        assert!(!events.is_empty(), "nothing came");
        poll.registry().deregister(source).unwrap();
    }

    pub(in crate::transport) fn bind(text: &str) -> Result<Acceptor, BindFailure> {
        bind_with(text, &StreamOptions::default())
    }

    pub(in crate::transport) fn bind_with(text: &str, options: &StreamOptions) -> Result<Acceptor, BindFailure> {
        listen(&text.parse().unwrap(), options)
    }

    pub(in crate::transport) fn address_of(endpoint: &Endpoint) -> Address {
        let addresses = crate::transport::resolve::resolve_now(endpoint).expect("no name");
        addresses.unwrap().remove(0)
    }

    /// Connects to `endpoint`; returns once that is over.
    pub(in crate::transport) fn connect(
        endpoint: &Endpoint,
        options: &StreamOptions,
    ) -> Result<ByteStream, ConnectFailure> {
        let source = match endpoint {
            Endpoint::Tcp(tcp) => tcp.source(),
            _ => None,
        };
        let mut stream = dial(&address_of(endpoint), source, options)?;
        loop {
            wait_for(&mut stream, Interest::WRITABLE);
            if stream.is_connected()? {
                return Ok(stream);
            }
        }
    }

    /// Accepts one connection, which may still be on its way.
    pub(in crate::transport) fn accept(acceptor: &mut Acceptor) -> ByteStream {
        loop {
            match acceptor.accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_for(acceptor, Interest::READABLE),
                result => return result.unwrap(),
            }
        }
    }

    /// A connection to `text`: its connecting end, its accepted end.
    pub(in crate::transport) fn pair(text: &str, options: &StreamOptions) -> (ByteStream, ByteStream) {
        let mut acceptor = bind_with(text, options).unwrap();
        let here = connect(acceptor.endpoint(), options).unwrap();
        (here, accept(&mut acceptor))
    }
}

#[cfg(all(test, not(any(loom, shuttle, miri))))]
mod tests {
    use super::{trial::*, *};

    const ROADS: [&str; 2] = ["tcp://127.0.0.1:*", "ipc://*"];

    fn read_some(stream: &mut ByteStream, buffer: &mut [u8]) -> usize {
        loop {
            match stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_for(stream, Interest::READABLE),
                result => return result.unwrap(),
            }
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for road in ROADS {
            let (here, mut there) = pair(road, &StreamOptions::default());
            let parts = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two")];
            assert_eq!(here.write_vectored(&parts).unwrap(), 7);
            assert_eq!(here.write_vectored(&parts[..1]).unwrap(), 4);
            here.shutdown(Shutdown::Write).unwrap();
            let (mut all, mut buffer) = (Vec::new(), [0; 64]);
            loop {
                match read_some(&mut there, &mut buffer) {
                    0 => break,
                    count => all.extend_from_slice(&buffer[..count]),
                }
            }
            assert_eq!(all, b"one twoone ");
        }
    }

    #[test]
    fn nothing_blocks() {
        for road in ROADS {
            let (here, there) = pair(road, &StreamOptions::default());
            let would_block = |result: io::Result<usize>| result.unwrap_err().kind() == io::ErrorKind::WouldBlock;
            assert!(would_block(there.read(&mut [0; 8])));
            let much = vec![0; 1 << 20];
            let full = (0..1000).find_map(|_| here.write_vectored(&[IoSlice::new(&much)]).err());
            assert_eq!(full.map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
        }
    }

    #[test]
    fn more_buffers_than_the_system_takes_are_cut_short() {
        for road in ROADS {
            let (here, _there) = pair(road, &StreamOptions::default());
            let buffers = vec![IoSlice::new(b"x"); BUFFERS_MAX + 1];
            assert_eq!(here.write_vectored(&buffers).unwrap(), BUFFERS_MAX);
        }
    }

    #[test]
    fn writing_to_who_has_gone_is_an_error() {
        for road in ROADS {
            let (mut here, there) = pair(road, &StreamOptions::default());
            drop(there);
            assert_eq!(read_some(&mut here, &mut [0; 8]), 0);
            // The first one over TCP brings back that nobody is there.
            let error = (0..1000).find_map(|_| {
                let result = here.write_vectored(&[IoSlice::new(b"x"), IoSlice::new(b"y")]);
                std::thread::yield_now();
                result.err()
            });
            let reason = crate::monitor::DisconnectReason::of(&error.expect("an error"));
            assert_eq!(reason, crate::monitor::DisconnectReason::ConnectionReset);
        }
    }

    #[test]
    fn nobody_there_is_refused() {
        // Bound, so that nobody else gets the port, and not listening.
        let taken = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        taken.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = taken.local_addr().unwrap().as_socket().unwrap();
        let gone = bind("ipc://*").unwrap().endpoint().clone();
        for endpoint in [Endpoint::Tcp(address.into()), gone] {
            let result = connect(&endpoint, &StreamOptions::default());
            assert_eq!(result.err(), Some(ConnectFailure::Refused), "{endpoint}");
        }
    }

    #[test]
    fn accepting_does_not_wait() {
        for road in ROADS {
            let acceptor = bind(road).unwrap();
            assert_eq!(acceptor.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn the_peer_has_a_label() {
        let (here, there) = pair(ROADS[0], &StreamOptions::default());
        assert!(here.peer_label().starts_with("127.0.0.1:") && there.peer_label().starts_with("127.0.0.1:"));
        #[cfg(target_os = "linux")]
        {
            let (here, there) = pair(ROADS[1], &StreamOptions::default());
            let ours = format!("process {} of user ", std::process::id());
            assert!(here.peer_label().starts_with(&ours) && there.peer_label().starts_with(&ours));
        }
    }

    #[test]
    fn programs_this_one_starts_inherit_nothing() {
        for road in ROADS {
            let mut acceptor = bind(road).unwrap();
            let here = connect(acceptor.endpoint(), &StreamOptions::default()).unwrap();
            let there = accept(&mut acceptor);
            for descriptor in [acceptor.as_fd(), here.as_fd(), there.as_fd()] {
                let flags = rustix::io::fcntl_getfd(descriptor).unwrap();
                assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
            }
        }
    }
}
