//! Byte streams of the system, whatever their kind: listening, connecting, reading, writing. Nothing here blocks, but
//! for [`listen`] at a host name.
//!
//! Sockets are [`mio`] event sources: whoever waits for them registers them. None is inherited by a program this one
//! starts, and writing to one whose peer has gone is an error and no signal.

#![forbid(unsafe_code)]

use std::{
    io::{self, IoSlice, Read},
    net::Shutdown,
    os::fd::{AsFd, BorrowedFd},
};

use mio::{Interest, Registry, Token, event::Source};

use super::{address::Address, ipc, options::StreamOptions, tcp};
use crate::{
    Endpoint,
    endpoint::HostPort,
    monitor::{BindFailure, ConnectFailure},
    system::is_gone_meanwhile,
};

/// A connection, or one that is being made.
#[derive(Debug)]
pub(crate) enum ByteStream {
    Tcp(mio::net::TcpStream),
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
        Endpoint::Ipc(ipc) => {
            let listener = ipc::listen(ipc, options)?;
            let endpoint = Endpoint::Ipc(listener.endpoint().clone());
            (Listener::Ipc(listener), endpoint)
        }
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
        Address::Ipc(path) => ipc::dial(path, options).map(ByteStream::Ipc),
    }
}

impl Acceptor {
    /// The next connection that has come in. `WouldBlock` if there is none.
    ///
    /// `EMFILE` and the like leave it where it is, and nothing will tell that it can be accepted now: try again later.
    pub(crate) fn accept(&self) -> io::Result<ByteStream> {
        loop {
            let accepted = match &self.listener {
                Listener::Tcp(listener) => listener.accept().and_then(|(stream, _)| {
                    // It may have gone already, which some systems mind.
                    tcp::accepted(&stream, &self.options).map_err(|_| io::ErrorKind::ConnectionAborted)?;
                    Ok(ByteStream::Tcp(stream))
                }),
                Listener::Ipc(listener) => listener.accept().map(ByteStream::Ipc),
            };
            match accepted {
                Err(error) if is_gone_meanwhile(&error) => {}
                result => return result,
            }
        }
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
                Self::Ipc(stream) => (&*stream).read(buffer),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Writes as much of `buffers`, one after the other, as the system takes. `WouldBlock`: nothing now.
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
        // A header less to be copied and checked by the system.
        if let [buffer] = buffers {
            return Ok(send(self, buffer, SendFlags::NOSIGNAL)?);
        }
        Ok(sendmsg(self, buffers, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)?)
    }

    /// The standard library has set `SO_NOSIGPIPE` where there is no flag.
    #[cfg(not(target_os = "linux"))]
    fn send(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        use std::io::Write;
        match self {
            Self::Tcp(stream) => (&*stream).write_vectored(buffers),
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
        let Self::Tcp(stream) = self else { return Ok(true) };
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
            Self::Ipc(stream) => stream.take_error(),
        }
    }

    /// Ends our side, or both: what was written before still arrives.
    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Ipc(stream) => stream.shutdown(how),
        }
    }

    /// Who is there, for people: an address and port, or a process.
    pub(crate) fn peer_label(&self) -> String {
        match self {
            Self::Tcp(stream) => stream.peer_addr().map_or_else(|_| "unknown".into(), |address| address.to_string()),
            Self::Ipc(stream) => ipc::peer_label(stream),
        }
    }
}

impl AsFd for ByteStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Ipc(stream) => stream.as_fd(),
        }
    }
}

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
