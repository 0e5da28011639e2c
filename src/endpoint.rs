//! Where a socket binds or connects: parsed once, printed back exactly.
//!
//! ```text
//! inproc://name
//! tcp://host:port            host: an address, a [v6 address], [v6%zone], a name, an interface, or *
//! tcp://source;host:port     source: host:port of our own side; connects only
//! ipc://path                 a path, @name for one that is in no directory, or *
//! ```
//!
//! Nothing is looked up here: whether a name is an interface or a host, and whether either exists, shows when it is used.

#![forbid(unsafe_code)]

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
    sync::Arc,
};

/// Longest name of an in-process endpoint, in bytes: libzmq's limit, so that programs can move between the two.
pub const INPROC_NAME_MAX: usize = 256;

/// Longest path of an `ipc://` endpoint, in bytes, the `@` of an abstract name counted: what Linux has room for, and
/// libzmq's limit.
pub const IPC_PATH_MAX: usize = 107;

/// Longest host name of a `tcp://` endpoint, in bytes: what the domain name system has room for.
pub const TCP_HOST_MAX: usize = 255;

/// An address, and with it the road messages take. Cheap to clone.
///
/// ```
/// use ringway::Endpoint;
///
/// let endpoint: Endpoint = "inproc://orders".parse()?;
/// assert_eq!(endpoint.to_string(), "inproc://orders");
/// # Ok::<(), ringway::EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// `inproc://name`: threads of one process, by lock-free rings; names belong to a [`Context`](crate::Context).
    Inproc(Arc<str>),
    /// `tcp://host:port`: anywhere, by ZMTP over TCP.
    Tcp(TcpEndpoint),
    /// `ipc://path`: processes of one machine, by ZMTP over Unix-domain sockets.
    Ipc(IpcEndpoint),
}

/// What follows `tcp://`. Equal if written alike.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TcpEndpoint(Arc<Tcp>);

#[derive(PartialEq, Eq, Hash)]
struct Tcp {
    text: Box<str>,
    source: Option<HostPort>,
    place: HostPort,
}

/// A host and a port, either of which may be "any".
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HostPort {
    pub(crate) host: Host,
    /// 0: any that is free.
    pub(crate) port: u16,
}

/// The host of a `tcp://` endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    /// `*`: every address of this machine.
    Any,
    V4(Ipv4Addr),
    V6 {
        address: Ipv6Addr,
        /// The interface of a link-local address: its name or number.
        zone: Option<Box<str>>,
    },
    /// A host name, or an interface of this machine.
    Name(Box<str>),
}

/// What follows `ipc://`. Equal if written alike.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IpcEndpoint(Arc<str>);

/// What an `ipc://` endpoint names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IpcName<'a> {
    /// A file. Relative ones are so to the working directory at the time.
    Path(&'a str),
    /// A name in no directory, which is gone with its socket. Linux only.
    Abstract(&'a str),
    /// A new path of the system's choice.
    Any,
}

/// What is wrong with an endpoint. Always the caller's doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointError {
    /// There is no `://` in it.
    NoScheme,
    /// This scheme is not one of `inproc`, `tcp` and `ipc`, nor one of libzmq's.
    UnknownScheme(String),
    /// libzmq has this scheme, and this version has not.
    UnsupportedScheme(String),
    /// Nothing follows `inproc://`.
    EmptyName,
    /// The name has this many bytes, more than [`INPROC_NAME_MAX`].
    NameTooLong(usize),
    /// What follows `tcp://` is no address.
    Tcp {
        /// The endpoint; the beginning of it if it is long.
        endpoint: Box<str>,
        /// What is wrong with it.
        mistake: TcpMistake,
    },
    /// What follows `ipc://` is no path.
    Ipc {
        /// The endpoint; the beginning of it if it is long.
        endpoint: Box<str>,
        /// What is wrong with it.
        mistake: IpcMistake,
    },
    /// An endpoint that can be bound only, as it does not say where to: its host is `*`, its port is 0 or `*`, or it is
    /// `ipc://*`.
    NotConnectable(Endpoint),
    /// An endpoint that can be connected to only: it has a source.
    NotBindable(Endpoint),
}

/// What is wrong with a `tcp://` endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TcpMistake {
    /// No host before the port, or none at all.
    EmptyHost,
    /// No `:port` after the host.
    MissingPort,
    /// The port is no number, nor `*`.
    BadPort,
    /// The port is greater than 65535. (libzmq takes the rest of a division.)
    PortOutOfRange,
    /// An IPv6 address without its brackets: it could not be told from the port.
    Ipv6Unbracketed,
    /// What is in the brackets is no IPv6 address, or they do not match.
    BadIpv6,
    /// The host has a character no host has.
    BadHost,
    /// The host has more than [`TCP_HOST_MAX`] bytes.
    HostTooLong,
}

/// What is wrong with an `ipc://` endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IpcMistake {
    /// Nothing follows `ipc://`, or `ipc://@`.
    EmptyPath,
    /// The path has this many bytes, more than [`IPC_PATH_MAX`].
    PathTooLong(usize),
    /// There is a zero byte in it.
    NulInPath,
}

impl Endpoint {
    /// Does it say where to connect to? `tcp://*:5555` does not.
    pub fn is_connectable(&self) -> bool {
        match self {
            Self::Inproc(_) => true,
            Self::Tcp(tcp) => tcp.place().host != Host::Any && tcp.place().port != 0,
            Self::Ipc(ipc) => ipc.name() != IpcName::Any,
        }
    }

    /// Can it be bound? `tcp://source;host:port` cannot.
    pub fn is_bindable(&self) -> bool {
        match self {
            Self::Inproc(_) | Self::Ipc(_) => true,
            Self::Tcp(tcp) => tcp.source().is_none(),
        }
    }

    /// This endpoint, if it says where to connect to.
    pub(crate) fn connectable(self) -> Result<Self, EndpointError> {
        if self.is_connectable() { Ok(self) } else { Err(EndpointError::NotConnectable(self)) }
    }

    /// This endpoint, if it can be bound.
    pub(crate) fn bindable(self) -> Result<Self, EndpointError> {
        if self.is_bindable() { Ok(self) } else { Err(EndpointError::NotBindable(self)) }
    }
}

impl TcpEndpoint {
    /// Where.
    pub(crate) fn place(&self) -> &HostPort {
        &self.0.place
    }

    /// From where, if that was said.
    pub(crate) fn source(&self) -> Option<&HostPort> {
        self.0.source.as_ref()
    }

    /// The port; 0 if it is any that is free.
    pub fn port(&self) -> u16 {
        self.place().port
    }

    fn parse(text: &str) -> Result<Self, TcpMistake> {
        let (source, place) = match text.split_once(';') {
            Some((source, place)) => (Some(HostPort::parse(source)?), place),
            None => (None, text),
        };
        Ok(Self(Arc::new(Tcp { text: text.into(), source, place: HostPort::parse(place)? })))
    }
}

impl From<SocketAddr> for TcpEndpoint {
    fn from(address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V4(v4) => Host::V4(*v4.ip()),
            SocketAddr::V6(v6) => {
                Host::V6 { address: *v6.ip(), zone: (v6.scope_id() != 0).then(|| v6.scope_id().to_string().into()) }
            }
        };
        let place = HostPort { host, port: address.port() };
        Self(Arc::new(Tcp { text: address.to_string().into(), source: None, place }))
    }
}

impl HostPort {
    fn parse(text: &str) -> Result<Self, TcpMistake> {
        let (host, port) = Self::split(text)?;
        Ok(Self { port: parse_port(port)?, host })
    }

    fn split(text: &str) -> Result<(Host, &str), TcpMistake> {
        if let Some(inner) = text.strip_prefix('[') {
            let (address, rest) = inner.split_once(']').ok_or(TcpMistake::BadIpv6)?;
            let host = Host::parse_v6(address)?;
            return match rest.strip_prefix(':') {
                Some(port) => Ok((host, port)),
                None if rest.is_empty() => Err(TcpMistake::MissingPort),
                None => Err(TcpMistake::BadIpv6),
            };
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(if text.is_empty() { TcpMistake::EmptyHost } else { TcpMistake::MissingPort });
        };
        if host.contains(':') {
            let bare =
                |text: &str| text.split_once('%').map_or(text, |(address, _)| address).parse::<Ipv6Addr>().is_ok();
            return Err(if bare(host) || bare(text) { TcpMistake::Ipv6Unbracketed } else { TcpMistake::BadHost });
        }
        Ok((Host::parse(host)?, port))
    }
}

impl Host {
    fn parse(text: &str) -> Result<Self, TcpMistake> {
        match text {
            "" => Err(TcpMistake::EmptyHost),
            "*" => Ok(Self::Any),
            _ if text.len() > TCP_HOST_MAX => Err(TcpMistake::HostTooLong),
            _ if text.chars().any(|c| c.is_whitespace() || c.is_control() || "/;*[]%@?#".contains(c)) => {
                Err(TcpMistake::BadHost)
            }
            _ => Ok(text.parse().map_or_else(|_| Self::Name(text.into()), Self::V4)),
        }
    }

    fn parse_v6(text: &str) -> Result<Self, TcpMistake> {
        let (address, zone) = match text.split_once('%') {
            Some((_, zone)) if zone.is_empty() || zone.contains(|c: char| c.is_whitespace() || c.is_control()) => {
                return Err(TcpMistake::BadIpv6);
            }
            Some((address, zone)) => (address, Some(zone.into())),
            None => (text, None),
        };
        Ok(Self::V6 { address: address.parse().map_err(|_| TcpMistake::BadIpv6)?, zone })
    }
}

fn parse_port(text: &str) -> Result<u16, TcpMistake> {
    match text {
        "" => Err(TcpMistake::MissingPort),
        "*" => Ok(0),
        // `parse` would allow a sign.
        _ if !text.bytes().all(|byte| byte.is_ascii_digit()) => Err(TcpMistake::BadPort),
        _ => text.parse().map_err(|_| TcpMistake::PortOutOfRange),
    }
}

impl IpcEndpoint {
    pub(crate) fn name(&self) -> IpcName<'_> {
        match &*self.0 {
            "*" => IpcName::Any,
            text => text.strip_prefix('@').map_or(IpcName::Path(text), IpcName::Abstract),
        }
    }

    /// What follows `ipc://`, as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Of a path that is one: not empty, not too long.
    pub(crate) fn from_path(path: &str) -> Self {
        Self(path.into())
    }

    fn parse(text: &str) -> Result<Self, IpcMistake> {
        match text {
            "" | "@" => Err(IpcMistake::EmptyPath),
            _ if text.len() > IPC_PATH_MAX => Err(IpcMistake::PathTooLong(text.len())),
            _ if text.contains('\0') => Err(IpcMistake::NulInPath),
            _ => Ok(Self(text.into())),
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = text.split_once("://").ok_or(EndpointError::NoScheme)?;
        match scheme {
            "inproc" if rest.is_empty() => Err(EndpointError::EmptyName),
            "inproc" if rest.len() > INPROC_NAME_MAX => Err(EndpointError::NameTooLong(rest.len())),
            "inproc" => Ok(Self::Inproc(rest.into())),
            "tcp" => TcpEndpoint::parse(rest)
                .map(Self::Tcp)
                .map_err(|mistake| EndpointError::Tcp { endpoint: beginning(text).into(), mistake }),
            "ipc" => IpcEndpoint::parse(rest)
                .map(Self::Ipc)
                .map_err(|mistake| EndpointError::Ipc { endpoint: beginning(text).into(), mistake }),
            _ if LIBZMQ_SCHEMES.contains(&scheme) => Err(EndpointError::UnsupportedScheme(scheme.into())),
            // A peer's log must not grow with the caller's mistake.
            _ => Err(EndpointError::UnknownScheme(scheme.chars().take(32).collect())),
        }
    }
}

/// As much of `text` as an error keeps: with the longest of hosts it is still all there.
fn beginning(text: &str) -> &str {
    const KEPT: usize = 512;
    let end = (0..=KEPT.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inproc(name) => write!(f, "inproc://{name}"),
            Self::Tcp(tcp) => write!(f, "tcp://{tcp}"),
            Self::Ipc(ipc) => write!(f, "ipc://{ipc}"),
        }
    }
}

impl fmt::Display for TcpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for TcpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpEndpoint").field(&self.0.text).finish()
    }
}

impl fmt::Display for IpcEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for IpcEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IpcEndpoint").field(&self.0).finish()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::V4(address) => address.fmt(f),
            Self::V6 { address, zone: None } => address.fmt(f),
            Self::V6 { address, zone: Some(zone) } => write!(f, "{address}%{zone}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScheme => write!(f, "an endpoint is written scheme://address, as in inproc://name"),
            Self::UnknownScheme(scheme) => {
                write!(f, "unknown scheme {scheme:?}: this version has inproc://, tcp:// and ipc://")
            }
            Self::UnsupportedScheme(scheme) => {
                write!(f, "{scheme}:// is not supported: this version has inproc://, tcp:// and ipc://")
            }
            Self::EmptyName => write!(f, "inproc:// needs a name after it"),
            Self::NameTooLong(len) => {
                write!(f, "an in-process name has at most {INPROC_NAME_MAX} bytes, this one has {len}")
            }
            Self::Tcp { endpoint, mistake } => write!(f, "{endpoint:?}: {mistake}"),
            Self::Ipc { endpoint, mistake } => write!(f, "{endpoint:?}: {mistake}"),
            Self::NotConnectable(endpoint) => {
                write!(f, "{endpoint} does not say where to connect to: it can be bound only")
            }
            Self::NotBindable(endpoint) => write!(f, "{endpoint} has a source: it can be connected to only"),
        }
    }
}

impl fmt::Display for TcpMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyHost => write!(f, "no host; tcp://host:port, with * for every address of this machine"),
            Self::MissingPort => write!(f, "no port; tcp://host:port, with * for any that is free"),
            Self::BadPort => write!(f, "a port is a number, or * for any that is free"),
            Self::PortOutOfRange => write!(f, "a port is at most 65535"),
            Self::Ipv6Unbracketed => write!(f, "an IPv6 address is written in brackets, as in tcp://[::1]:5555"),
            Self::BadIpv6 => write!(f, "what is in brackets is an IPv6 address, as in tcp://[::1]:5555"),
            Self::BadHost => write!(f, "no host is written like this; tcp://host:port"),
            Self::HostTooLong => write!(f, "a host has at most {TCP_HOST_MAX} bytes"),
        }
    }
}

impl fmt::Display for IpcMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyPath => write!(f, "no path; ipc://path, ipc://@name, or ipc://* for a new path"),
            Self::PathTooLong(len) => write!(f, "a path has at most {IPC_PATH_MAX} bytes, this one has {len}"),
            Self::NulInPath => write!(f, "a path has no zero byte"),
        }
    }
}

impl std::error::Error for EndpointError {}
impl std::error::Error for TcpMistake {}
impl std::error::Error for IpcMistake {}

/// What else libzmq 4.3 knows, in some build or other.
const LIBZMQ_SCHEMES: [&str; 10] = ["udp", "ws", "wss", "pgm", "epgm", "norm", "tipc", "vmci", "vsock", "hyperv"];

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Endpoint, EndpointError> {
        text.parse()
    }

    fn tcp(text: &str) -> (Option<HostPort>, HostPort) {
        match parse(text) {
            Ok(Endpoint::Tcp(tcp)) => (tcp.source().cloned(), tcp.place().clone()),
            other => panic!("{text}: {other:?}"),
        }
    }

    fn tcp_mistake(text: &str) -> TcpMistake {
        match parse(text) {
            Err(EndpointError::Tcp { endpoint, mistake }) => {
                assert_eq!(*endpoint, *text);
                mistake
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    fn at(host: Host, port: u16) -> HostPort {
        HostPort { host, port }
    }

    fn name(text: &str) -> Host {
        Host::Name(text.into())
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parse(""), Err(EndpointError::NoScheme));
        assert_eq!(parse("inproc:/x"), Err(EndpointError::NoScheme));
        assert_eq!(parse("zmq://x"), Err(EndpointError::UnknownScheme("zmq".into())));
        assert_eq!(parse("INPROC://x"), Err(EndpointError::UnknownScheme("INPROC".into())));
        assert_eq!(parse("inproc://"), Err(EndpointError::EmptyName));
        assert_eq!(parse(&format!("inproc://{}", "x".repeat(257))), Err(EndpointError::NameTooLong(257)));
        assert!(parse(&format!("inproc://{}", "x".repeat(256))).is_ok());
        assert_eq!(parse("udp://*:5555"), Err(EndpointError::UnsupportedScheme("udp".into())));
    }

    #[test]
    fn tcp_hosts_of_each_kind() {
        let v6 = |zone: Option<&str>| Host::V6 { address: Ipv6Addr::LOCALHOST, zone: zone.map(Into::into) };
        assert_eq!(tcp("tcp://127.0.0.1:5555").1, at(Host::V4(Ipv4Addr::LOCALHOST), 5555));
        assert_eq!(tcp("tcp://[::1]:5555").1, at(v6(None), 5555));
        assert_eq!(tcp("tcp://[::1%lo]:5555").1, at(v6(Some("lo")), 5555));
        assert_eq!(tcp("tcp://*:*").1, at(Host::Any, 0));
        assert_eq!(tcp("tcp://eth0:0").1, at(name("eth0"), 0));
        assert_eq!(tcp("tcp://a-b_c.example:65535").1, at(name("a-b_c.example"), 65535));
        assert_eq!(tcp("tcp://localhost:00080").1, at(name("localhost"), 80));
    }

    #[test]
    fn tcp_sources_come_before_a_semicolon() {
        let (source, place) = tcp("tcp://eth0:*;[::2]:80");
        assert_eq!(source, Some(at(name("eth0"), 0)));
        assert_eq!(place.port, 80);
        assert!(!parse("tcp://eth0:*;[::2]:80").unwrap().is_bindable());
        assert_eq!(tcp_mistake("tcp://;host:80"), TcpMistake::EmptyHost);
        assert_eq!(tcp_mistake("tcp://eth0;host:80"), TcpMistake::MissingPort);
        assert_eq!(tcp_mistake("tcp://eth0:0;"), TcpMistake::EmptyHost);
        assert_eq!(tcp_mistake("tcp://a:1;b:1;c:1"), TcpMistake::BadHost);
    }

    #[test]
    fn tcp_mistakes_are_named() {
        use TcpMistake::*;
        let long = format!("tcp://{}:1", "x".repeat(256));
        let mistakes = [
            ("tcp://", EmptyHost),
            ("tcp://:5555", EmptyHost),
            ("tcp://host", MissingPort),
            ("tcp://host:", MissingPort),
            ("tcp://[::1]", MissingPort),
            ("tcp://[::1]:", MissingPort),
            ("tcp://host:x", BadPort),
            ("tcp://host:+80", BadPort),
            ("tcp://host:-1", BadPort),
            ("tcp://host:80/", BadPort),
            ("tcp://host: 80", BadPort),
            ("tcp://host:\u{0668}", BadPort),
            ("tcp://host:65536", PortOutOfRange),
            ("tcp://host:99999999999999999999", PortOutOfRange),
            ("tcp://::1:5555", Ipv6Unbracketed),
            ("tcp://::1", Ipv6Unbracketed),
            ("tcp://fe80::1%eth0:5555", Ipv6Unbracketed),
            ("tcp://[::1", BadIpv6),
            ("tcp://[::1]80", BadIpv6),
            ("tcp://[127.0.0.1]:80", BadIpv6),
            ("tcp://[::1%]:80", BadIpv6),
            ("tcp://[]:80", BadIpv6),
            ("tcp://host:80:90", BadHost),
            ("tcp://**:80", BadHost),
            ("tcp://user@host:80", BadHost),
            ("tcp://a/b:80", BadHost),
            ("tcp://a b:80", BadHost),
            ("tcp://a\0b:80", BadHost),
            (&long, HostTooLong),
        ];
        for (text, mistake) in mistakes {
            assert_eq!(tcp_mistake(text), mistake, "{text}");
        }
    }

    #[test]
    fn ipc_names_of_each_kind() {
        let name = |text: &str| match parse(text) {
            Ok(Endpoint::Ipc(ipc)) => ipc,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(name("ipc:///tmp/x").name(), IpcName::Path("/tmp/x"));
        assert_eq!(name("ipc://x").name(), IpcName::Path("x"));
        assert_eq!(name("ipc://@x").name(), IpcName::Abstract("x"));
        assert_eq!(name("ipc://*").name(), IpcName::Any);
        assert_eq!(name("ipc://*x").name(), IpcName::Path("*x"));
    }

    #[test]
    fn ipc_mistakes_are_named() {
        let mistake = |text: &str| match parse(text) {
            Err(EndpointError::Ipc { endpoint, mistake }) => {
                assert_eq!(*endpoint, *text);
                mistake
            }
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(mistake("ipc://"), IpcMistake::EmptyPath);
        assert_eq!(mistake("ipc://@"), IpcMistake::EmptyPath);
        assert_eq!(mistake("ipc://a\0b"), IpcMistake::NulInPath);
        assert_eq!(mistake(&format!("ipc://{}", "x".repeat(108))), IpcMistake::PathTooLong(108));
        assert!(parse(&format!("ipc://{}", "x".repeat(107))).is_ok());
    }

    #[test]
    fn what_can_be_bound_only_is_not_connected_to() {
        for text in ["tcp://*:5555", "tcp://host:*", "tcp://host:0", "tcp://a:1;*:5", "ipc://*"] {
            let endpoint = parse(text).unwrap();
            assert_eq!(endpoint.clone().connectable(), Err(EndpointError::NotConnectable(endpoint)));
        }
        for text in ["inproc://x", "tcp://host:1", "tcp://*:0;host:1", "tcp://0.0.0.0:5", "ipc://x", "ipc://@x"] {
            assert!(parse(text).unwrap().is_connectable(), "{text}");
        }
    }

    #[test]
    fn errors_keep_a_long_endpoint_short() {
        let text = format!("ipc://{}", "\u{e9}".repeat(10_000));
        let error = parse(&text).unwrap_err();
        assert!(error.to_string().len() < 700, "{error}");
    }

    proptest! {
        #[test]
        fn any_text_parses_or_errs_and_prints_back(text in "(inproc://|tcp://|ipc://)?.{0,300}") {
            if let Ok(endpoint) = parse(&text) {
                prop_assert_eq!(endpoint.to_string(), text);
            }
        }

        #[test]
        fn what_looks_like_tcp_parses_or_errs_and_prints_back(
            text in r"tcp://([a-z0-9.*%:\[\]-]{0,12}[:;]){0,3}[0-9*]{0,6}"
        ) {
            if let Ok(endpoint) = parse(&text) {
                prop_assert_eq!(endpoint.to_string(), text);
            }
        }

        #[test]
        fn addresses_print_as_they_parse(address: SocketAddr) {
            let address = match address {
                // Flow labels have no place in an endpoint.
                SocketAddr::V6(v6) => std::net::SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()).into(),
                v4 => v4,
            };
            let endpoint = Endpoint::Tcp(address.into());
            prop_assert_eq!(parse(&endpoint.to_string()), Ok(endpoint));
        }
    }
}
