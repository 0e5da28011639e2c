//! From what an endpoint says to addresses of the system: numbers and interfaces here, names by the system's resolver.

#![forbid(unsafe_code)]

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs},
};

use crate::{
    endpoint::{Host, HostPort, IpcEndpoint},
    monitor::{BindFailure, ConnectFailure},
};

/// Where a stream can be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Ipc(IpcEndpoint),
}

/// Why something has no address.
#[derive(Debug)]
pub(crate) enum AddressError {
    /// There is no interface of that name.
    NoSuchInterface,
    /// There is no host of that name, as far as the system knows now.
    NameNotResolved,
    /// It exists, and has no address of the family wanted.
    NoAddress,
    /// The system could not say.
    System(io::Error),
}

/// May the system's resolver be asked? It may block for a long time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    Resolve,
    /// What is no interface has no address.
    Refuse,
}

/// The addresses of this machine that `place` may mean, best first. Not empty.
///
/// A name is an interface's if there is one of that name, else a host's.
pub(super) fn local(place: &HostPort, ipv6: bool, names: Names) -> Result<Vec<SocketAddr>, AddressError> {
    let port = place.port;
    match &place.host {
        // Without IPv6 in the system the first cannot be bound.
        Host::Any if ipv6 => Ok(vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()]),
        Host::Any => Ok(vec![(Ipv4Addr::UNSPECIFIED, port).into()]),
        Host::Name(name) => match of_interface(name, ipv6)? {
            Some(address) => Ok(vec![with_port(address, port)]),
            None if names == Names::Resolve => resolved(name, port, ipv6),
            None => Err(AddressError::NameNotResolved),
        },
        _ => remote_number(place).unwrap_or(Err(AddressError::NameNotResolved)),
    }
}

/// The addresses to connect to for `place`, in the order the system gives them. Not empty. May block if it is a name.
pub(super) fn remote(place: &HostPort, ipv6: bool) -> Result<Vec<SocketAddr>, AddressError> {
    match &place.host {
        Host::Name(name) => resolved(name, place.port, ipv6),
        _ => remote_number(place).unwrap_or(Err(AddressError::NameNotResolved)),
    }
}

/// The address to connect to for `place`, if that needs no resolver.
pub(super) fn remote_number(place: &HostPort) -> Option<Result<Vec<SocketAddr>, AddressError>> {
    match &place.host {
        Host::V4(address) => Some(Ok(vec![(*address, place.port).into()])),
        Host::V6 { address, zone } => {
            let scope = zone.as_deref().map_or(Ok(0), zone_number);
            Some(scope.map(|scope| vec![SocketAddrV6::new(*address, place.port, 0, scope).into()]))
        }
        Host::Any | Host::Name(_) => None,
    }
}

/// Asks the system's resolver. Blocks, for as long as name servers take.
fn resolved(name: &str, port: u16, ipv6: bool) -> Result<Vec<SocketAddr>, AddressError> {
    let all = (name, port).to_socket_addrs().map_err(|error| match error.raw_os_error() {
        // Failures of the resolver have no number of the system's.
        None => AddressError::NameNotResolved,
        Some(_) => AddressError::System(error),
    })?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in all.filter(|address| ipv6 || address.is_ipv4()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err(AddressError::NoAddress) } else { Ok(addresses) }
}

/// The address of the interface called `name`; `None` if there is no such interface. With `ipv6` one of that kind is
/// preferred, and among those one that needs no zone.
fn of_interface(name: &str, ipv6: bool) -> Result<Option<SocketAddr>, AddressError> {
    let addresses = interface_addresses(name).map_err(AddressError::System)?;
    let Some(addresses) = addresses else { return Ok(None) };
    let rank = |address: &SocketAddr| match address.ip() {
        IpAddr::V6(ip) if ipv6 && !ip.is_unicast_link_local() => Some(0),
        IpAddr::V4(_) => Some(1),
        IpAddr::V6(_) if ipv6 => Some(2),
        IpAddr::V6(_) => None,
    };
    let usable = addresses.into_iter().filter_map(|address| Some((rank(&address)?, address)));
    // The first of the best.
    usable.min_by_key(|(rank, _)| *rank).map(|(_, address)| Some(address)).ok_or(AddressError::NoAddress)
}

/// All addresses of an interface; `None` if there is no such interface.
#[cfg(target_os = "linux")]
fn interface_addresses(name: &str) -> io::Result<Option<Vec<SocketAddr>>> {
    let mut addresses = None;
    for interface in nix::ifaddrs::getifaddrs()?.filter(|interface| interface.interface_name == name) {
        let addresses = addresses.get_or_insert_with(Vec::new);
        let Some(address) = interface.address else { continue };
        if let Some(v4) = address.as_sockaddr_in() {
            addresses.push(SocketAddr::from(*v4));
        } else if let Some(v6) = address.as_sockaddr_in6() {
            addresses.push(SocketAddr::from(*v6));
        }
    }
    Ok(addresses)
}

/// Elsewhere interfaces are not known by name.
#[cfg(not(target_os = "linux"))]
fn interface_addresses(_name: &str) -> io::Result<Option<Vec<SocketAddr>>> {
    Ok(None)
}

/// The number of the interface a link-local address belongs to.
fn zone_number(zone: &str) -> Result<u32, AddressError> {
    if let Ok(number) = zone.parse() {
        return Ok(number);
    }
    #[cfg(target_os = "linux")]
    return nix::net::if_::if_nametoindex(zone).map_err(|_| AddressError::NoSuchInterface);
    #[cfg(not(target_os = "linux"))]
    Err(AddressError::NoSuchInterface)
}

fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Ipc(path) => path.fmt(f),
        }
    }
}

impl From<AddressError> for BindFailure {
    fn from(error: AddressError) -> Self {
        match error {
            AddressError::NoSuchInterface => Self::NoSuchInterface,
            AddressError::NameNotResolved => Self::NameNotResolved,
            AddressError::NoAddress => Self::AddrNotAvailable,
            AddressError::System(error) => Self::of(&error),
        }
    }
}

/// For where to connect to. That a source has no address is another failure.
impl From<AddressError> for ConnectFailure {
    fn from(error: AddressError) -> Self {
        match error {
            AddressError::NoSuchInterface => Self::NoSuchInterface,
            AddressError::NameNotResolved | AddressError::NoAddress => Self::NameNotResolved,
            AddressError::System(error) => Self::of(&error),
        }
    }
}
