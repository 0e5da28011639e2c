//! `tcp://`: sockets of the system, with what can be chosen about them.
//!
//! Always: no Nagle (`TCP_NODELAY`), as what is written is a batch already; not inherited by programs this one starts;
//! non-blocking. A listener may be bound while connections of its predecessor fade away (`SO_REUSEADDR`); two at a time
//! may not.

#![forbid(unsafe_code)]

use std::{io, net::SocketAddr, time::Duration};

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use super::{
    address::{self, AddressError, Names},
    options::{Keepalive, StreamOptions},
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
    if address.is_ipv6() {
        socket.set_only_v6(!options.ipv6)?;
    }
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
        socket.set_tcp_keepalive(&parameters(keepalive))?;
    }
    #[cfg(target_os = "linux")]
    if let Some(timeout) = options.tcp_user_timeout {
        // Zero would mean the system's own.
        socket.set_tcp_user_timeout(Some(timeout.max(Duration::from_millis(1))))?;
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

fn parameters(keepalive: &Keepalive) -> TcpKeepalive {
    // The system counts whole seconds, and refuses none.
    let seconds = |time: Duration| Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(SECOND);
    let mut parameters = TcpKeepalive::new();
    if let Some(idle) = keepalive.idle {
        parameters = parameters.with_time(seconds(idle));
    }
    if let Some(interval) = keepalive.interval {
        parameters = parameters.with_interval(seconds(interval));
    }
    if let Some(count) = keepalive.count {
        parameters = parameters.with_retries(count);
    }
    parameters
}

/// Makes a connection just accepted ready.
pub(super) fn accepted(stream: &TcpStream, peer: SocketAddr, options: &StreamOptions) -> io::Result<()> {
    tune(&SockRef::from(stream), peer.is_ipv6(), options)
}

fn is_of_elsewhere(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || is_no_family(error)
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(all(test, not(any(loom, shuttle, miri))))]
mod tests {
    use super::*;
    use crate::{
        Endpoint,
        transport::socket::{ByteStream, trial::*},
    };

    fn host_of(acceptor: &crate::transport::socket::Acceptor) -> String {
        let text = acceptor.endpoint().to_string();
        text.rsplit_once(':').expect("a port").0.into()
    }

    fn has_ipv6() -> bool {
        bind("tcp://[::1]:*").is_ok()
    }

    #[test]
    fn wildcards_become_numbers() {
        let acceptor = bind("tcp://*:*").unwrap();
        assert_eq!(host_of(&acceptor), "tcp://0.0.0.0");
        let Endpoint::Tcp(tcp) = acceptor.endpoint() else { panic!() };
        assert_ne!(tcp.port(), 0);
        assert_eq!(host_of(&bind("tcp://127.0.0.1:0").unwrap()), "tcp://127.0.0.1");
        assert_ne!(acceptor.endpoint(), bind("tcp://*:*").unwrap().endpoint());
    }

    #[test]
    fn interfaces_and_names_become_numbers() {
        #[cfg(target_os = "linux")]
        assert_eq!(host_of(&bind("tcp://lo:*").unwrap()), "tcp://127.0.0.1");
        assert_eq!(host_of(&bind("tcp://localhost:*").unwrap()), "tcp://127.0.0.1");
    }

    #[test]
    fn ipv6_is_written_in_brackets() {
        if !has_ipv6() {
            return;
        }
        assert_eq!(host_of(&bind("tcp://[::1]:*").unwrap()), "tcp://[::1]");
        let (here, _there) = pair("tcp://[::1]:*", &StreamOptions::default());
        assert!(here.peer_label().starts_with("[::1]:"));
    }

    #[test]
    fn a_wildcard_takes_both_kinds_if_asked_to() {
        if !has_ipv6() {
            return;
        }
        let both = StreamOptions { ipv6: true, ..StreamOptions::default() };
        let acceptor = bind_with("tcp://*:*", &both).unwrap();
        assert_eq!(host_of(&acceptor), "tcp://[::]");
        let Endpoint::Tcp(tcp) = acceptor.endpoint() else { panic!() };
        for host in ["127.0.0.1", "[::1]"] {
            let endpoint = format!("tcp://{host}:{}", tcp.port()).parse().unwrap();
            connect(&endpoint, &StreamOptions::default()).unwrap();
        }
        assert_eq!(host_of(&bind("tcp://[::]:*").unwrap()), "tcp://[::]");
        #[cfg(target_os = "linux")]
        assert_eq!(host_of(&bind_with("tcp://lo:*", &both).unwrap()), "tcp://[::1]");
    }

    #[test]
    fn an_address_that_is_taken_is_in_use() {
        let first = bind("tcp://127.0.0.1:*").unwrap();
        assert_eq!(bind(&first.endpoint().to_string()).err(), Some(BindFailure::AddrInUse));
        let endpoint = first.endpoint().to_string();
        // Connections of the old listener do not keep the address.
        let here = connect(first.endpoint(), &StreamOptions::default()).unwrap();
        let there = { first }.accept();
        drop((there, here));
        assert!(bind(&endpoint).is_ok());
    }

    #[test]
    fn what_is_wrong_with_an_address_is_named() {
        assert_eq!(bind("tcp://192.0.2.1:*").err(), Some(BindFailure::AddrNotAvailable));
        assert_eq!(bind("tcp://nosuch0:*").err(), Some(BindFailure::NameNotResolved));
        assert_eq!(bind("tcp://nosuch.invalid:*").err(), Some(BindFailure::NameNotResolved));
        assert_eq!(bind("tcp://[fe80::1%nosuch0]:*").err(), Some(BindFailure::NoSuchInterface));
        #[cfg(target_os = "linux")]
        {
            let device = StreamOptions { bind_to_device: Some("nosuch0".into()), ..StreamOptions::default() };
            assert_eq!(bind_with("tcp://127.0.0.1:*", &device).err(), Some(BindFailure::NoSuchInterface));
        }
    }

    #[test]
    fn options_reach_the_system() {
        let options = StreamOptions {
            send_buffer: Some(20_000),
            recv_buffer: Some(30_000),
            keepalive: Some(Keepalive::new().idle(SECOND * 61).interval(Duration::from_millis(10_001)).count(3)),
            tcp_user_timeout: Some(Duration::from_millis(1234)),
            tos: Some(0x28),
            ..StreamOptions::default()
        };
        let (here, there) = pair("tcp://127.0.0.1:*", &options);
        for stream in [&here, &there] {
            let ByteStream::Tcp(stream) = stream else { panic!() };
            let socket = SockRef::from(stream);
            assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
            assert!(socket.send_buffer_size().unwrap() >= 20_000 && socket.recv_buffer_size().unwrap() >= 30_000);
            assert_eq!(socket.tcp_keepalive_time().unwrap(), SECOND * 61);
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), SECOND * 11);
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
            assert_eq!(socket.tos_v4().unwrap(), 0x28);
            #[cfg(target_os = "linux")]
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_millis(1234)));
        }
        let (plain, _) = pair("tcp://127.0.0.1:*", &StreamOptions::default());
        let ByteStream::Tcp(plain) = &plain else { panic!() };
        assert!(SockRef::from(plain).tcp_nodelay().unwrap() && !SockRef::from(plain).keepalive().unwrap());
    }

    #[test]
    fn a_source_is_where_a_connection_comes_from() {
        let mut acceptor = bind("tcp://127.0.0.1:*").unwrap();
        let place = acceptor.endpoint().to_string();
        let place = place.trim_start_matches("tcp://");
        for source in ["127.0.0.2", "lo"] {
            let endpoint = format!("tcp://{source}:*;{place}").parse().unwrap();
            let here = connect(&endpoint, &StreamOptions::default()).unwrap();
            let there = accept(&mut acceptor);
            let expected = if source == "lo" { "127.0.0.1:" } else { "127.0.0.2:" };
            assert!(there.peer_label().starts_with(expected), "{}", there.peer_label());
            drop(here);
        }
        let from =
            |source: &str| connect(&format!("tcp://{source}:*;{place}").parse().unwrap(), &StreamOptions::default());
        assert_eq!(from("192.0.2.1").err(), Some(ConnectFailure::SourceNotAvailable));
        assert_eq!(from("[::1]").err(), Some(ConnectFailure::SourceNotAvailable));
        assert_eq!(from("nosuch0").err(), Some(ConnectFailure::NoSuchInterface));
        // Not resolved: that could block.
        assert_eq!(from("localhost").err(), Some(ConnectFailure::NoSuchInterface));
    }

    #[test]
    fn a_socket_connected_to_itself_is_refused() {
        // What happens by chance where nobody listens, on purpose: the source is the address to connect to.
        let attempt = || {
            let place = bind("tcp://127.0.0.1:*").unwrap().endpoint().to_string();
            let place = place.trim_start_matches("tcp://");
            let endpoint = format!("tcp://{place};{place}").parse().unwrap();
            connect(&endpoint, &StreamOptions::default()).err()
        };
        // Another test may have got the port meanwhile.
        let is_taken = |failure: &_| *failure == Some(ConnectFailure::SourceNotAvailable);
        let failure = (0..100).map(|_| attempt()).find(|failure| !is_taken(failure));
        assert_eq!(failure, Some(Some(ConnectFailure::Refused)));
    }
}
