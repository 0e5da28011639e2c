//! Where a socket binds or connects: parsed once, printed back exactly.

#![forbid(unsafe_code)]

use std::{fmt, str::FromStr, sync::Arc};

/// Longest name of an in-process endpoint, in bytes: libzmq's limit, so that programs can move between the two.
pub const INPROC_NAME_MAX: usize = 256;

/// An address, and with it the road messages take.
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
}

/// What is wrong with an endpoint. Always the caller's doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointError {
    /// There is no `://` in it.
    NoScheme,
    /// This scheme is not one of `inproc`.
    UnknownScheme(String),
    /// Nothing follows `inproc://`.
    EmptyName,
    /// The name has this many bytes, more than [`INPROC_NAME_MAX`].
    NameTooLong(usize),
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = text.split_once("://").ok_or(EndpointError::NoScheme)?;
        match scheme {
            "inproc" if rest.is_empty() => Err(EndpointError::EmptyName),
            "inproc" if rest.len() > INPROC_NAME_MAX => Err(EndpointError::NameTooLong(rest.len())),
            "inproc" => Ok(Self::Inproc(rest.into())),
            // A peer's log must not grow with the caller's mistake.
            _ => Err(EndpointError::UnknownScheme(scheme.chars().take(32).collect())),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inproc(name) => write!(f, "inproc://{name}"),
        }
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScheme => write!(f, "an endpoint is written scheme://address, as in inproc://name"),
            Self::UnknownScheme(scheme) => write!(f, "unknown scheme {scheme:?}: this version has inproc://"),
            Self::EmptyName => write!(f, "inproc:// needs a name after it"),
            Self::NameTooLong(len) => {
                write!(f, "an in-process name has at most {INPROC_NAME_MAX} bytes, this one has {len}")
            }
        }
    }
}

impl std::error::Error for EndpointError {}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Endpoint, EndpointError> {
        text.parse()
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
    }

    proptest! {
        #[test]
        fn any_text_parses_or_errs_and_prints_back(text in "(inproc://)?.{0,300}") {
            if let Ok(endpoint) = parse(&text) {
                prop_assert_eq!(endpoint.to_string(), text);
            }
        }
    }
}
