//! `tcp://`: sockets of the system, with what can be chosen about them.
//!
//! Always: no Nagle (`TCP_NODELAY`), as what is written is a batch already; not inherited by programs this one starts;
//! non-blocking. A listener may be bound while connections of its predecessor fade away (`SO_REUSEADDR`); two at a time
//! may not.

#![forbid(unsafe_code)]

use std::{io, net::SocketAddr};

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use super::{
    address::{self, AddressError, Names},
    options::StreamOptions,
};
use crate::{
    endpoint::{HostPort, TcpEndpoint},
    monitor::{BindFailure, ConnectFailure},
    system::{is_no_device, is_no_family, is_under_way},
};

/// Listens at the first address of `endpoint` that this machine has. Blocks if its host is a name that has to be
/// resolved.
pub(super) fn listen(endpoint: &TcpEndpoint, options: &StreamOptions) -> Result<TcpListener, BindFailure> {
    for address in address::local(endpoint.place(), options.ipv6, Names::Resolve)? {
        match listen_at(address, options) {
            Ok(listener) => return Ok(listener),
            // A name may have addresses of other machines, and a system may have no IPv6.
            Err(error) if is_of_elsewhere(&error) => {}
            Err(error) if is_no_device(&error) => return Err(BindFailure::NoSuchInterface),
            Err(error) => return Err(BindFailure::of(&error)),
        }
    }
    Err(BindFailure::AddrNotAvailable)
}

fn listen_at(address: SocketAddr, options: &StreamOptions) -> io::Result<TcpListener> {
    let socket = open(address, options)?;
    // On Windows it means that anybody may steal the address.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(options.backlog.try_into().unwrap_or(i32::MAX))?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Begins to connect to `address`, from `source` if that is said. The stream is writable when that is over, one way or
/// the other. Does not block: the source may not be a host name.
pub(super) fn dial(
    address: SocketAddr,
    source: Option<&HostPort>,
    options: &StreamOptions,
) -> Result<TcpStream, ConnectFailure> {
    let failed = |error: io::Error| {
        if is_no_device(&error) { ConnectFailure::NoSuchInterface } else { ConnectFailure::of(&error) }
    };
    let socket = open(address, options).map_err(failed)?;
    if let Some(source) = source {
        let source = source_for(address, source)?;
        #[cfg(unix)]
        socket.set_reuse_address(true).map_err(failed)?;
        socket.bind(&source.into()).map_err(failed)?;
    }
    match socket.connect(&address.into()) {
        Err(error) if !is_under_way(&error) => Err(failed(error)),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

/// Of the addresses `source` means, one of the kind of `address`.
fn source_for(address: SocketAddr, source: &HostPort) -> Result<SocketAddr, ConnectFailure> {
    let of_its_kind = |candidate: &SocketAddr| candidate.is_ipv4() == address.is_ipv4();
    let candidates = address::local(source, address.is_ipv6(), Names::Refuse).map_err(|error| match error {
        AddressError::NameNotResolved | AddressError::NoSuchInterface => ConnectFailure::NoSuchInterface,
        AddressError::NoAddress => ConnectFailure::SourceNotAvailable,
        AddressError::System(error) => ConnectFailure::of(&error),
    })?;
    candidates.into_iter().find(of_its_kind).ok_or(ConnectFailure::SourceNotAvailable)
}

/// What is set before a socket has any address.
fn open(address: SocketAddr, options: &StreamOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!options.ipv6)?;
    }
    #[cfg(target_os = "linux")]
    if let Some(device) = &options.bind_to_device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    set_buffers(&SockRef::from(&socket), options)?;
    tune(&SockRef::from(&socket), address.is_ipv6(), options)?;
    Ok(socket)
}

/// Sizes of the system's buffers. Before connecting or listening, as the window a peer is offered goes by them; what is
/// accepted inherits them.
pub(super) fn set_buffers(socket: &SockRef<'_>, options: &StreamOptions) -> io::Result<()> {
    if let Some(size) = options.send_buffer {
        socket.set_send_buffer_size(size)?;
    }
    if let Some(size) = options.recv_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    Ok(())
}

/// What is set for every connection, and for a listener, from which some systems have it inherited.
fn tune(socket: &SockRef<'_>, is_ipv6: bool, options: &StreamOptions) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    if let Some(keepalive) = &options.keepalive {
        let parameters = TcpKeepalive::new();
        let parameters = keepalive.idle.iter().fold(parameters, |parameters, &idle| parameters.with_time(idle));
        let parameters = keepalive.interval.iter().fold(parameters, |parameters, &time| parameters.with_interval(time));
        let parameters = keepalive.count.iter().fold(parameters, |parameters, &count| parameters.with_retries(count));
        socket.set_tcp_keepalive(&parameters)?;
    }
    #[cfg(target_os = "linux")]
    if let Some(timeout) = options.tcp_user_timeout {
        socket.set_tcp_user_timeout(Some(timeout))?;
    }
    if let Some(tos) = options.tos {
        #[cfg(target_os = "linux")]
        if is_ipv6 {
            socket.set_tclass_v6(tos.into())?;
        }
        // An IPv6 socket may carry IPv4, too.
        if !is_ipv6 || options.ipv6 {
            socket.set_tos_v4(tos.into())?;
        }
    }
    Ok(())
}

/// Makes a connection just accepted ready.
pub(super) fn accepted(stream: &TcpStream, options: &StreamOptions) -> io::Result<()> {
    tune(&SockRef::from(stream), stream.local_addr()?.is_ipv6(), options)
}

fn is_of_elsewhere(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || is_no_family(error)
}
