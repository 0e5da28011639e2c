//! How a ROUTER's peers are called.

#![forbid(unsafe_code)]

use std::fmt;

use crate::Frame;

/// Most bytes of a [`RoutingId`].
pub const ROUTING_ID_MAX: usize = 255;

/// A name a socket gives itself or its peer: 1 to [`ROUTING_ID_MAX`] bytes, the first not zero (such are the ids a
/// [`Router`](super::Router) makes up).
///
/// ```
/// use ringway::RoutingId;
///
/// assert_eq!(RoutingId::new("worker-7")?.as_bytes(), b"worker-7");
/// assert!(RoutingId::new("").is_err());
/// # Ok::<(), ringway::socket::RoutingIdError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RoutingId(Frame);

/// What cannot be a [`RoutingId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoutingIdError {
    /// No bytes.
    Empty,
    /// So many bytes, above [`ROUTING_ID_MAX`].
    TooLong(usize),
    /// A zero at the start.
    LeadingZero,
}

impl RoutingId {
    /// Checks `bytes` and keeps them.
    ///
    /// # Errors
    /// None, too many, or a zero at the start.
    pub fn new(bytes: impl Into<Frame>) -> Result<Self, RoutingIdError> {
        let frame = bytes.into();
        match *frame.as_bytes() {
            [] => Err(RoutingIdError::Empty),
            [0, ..] => Err(RoutingIdError::LeadingZero),
            _ if frame.len() > ROUTING_ID_MAX => Err(RoutingIdError::TooLong(frame.len())),
            _ => Ok(Self(frame)),
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for RoutingId {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<RoutingId> for Frame {
    fn from(id: RoutingId) -> Self {
        id.0
    }
}

impl TryFrom<&str> for RoutingId {
    type Error = RoutingIdError;

    fn try_from(text: &str) -> Result<Self, RoutingIdError> {
        Self::new(text)
    }
}

impl TryFrom<&[u8]> for RoutingId {
    type Error = RoutingIdError;

    fn try_from(bytes: &[u8]) -> Result<Self, RoutingIdError> {
        Self::new(bytes)
    }
}

impl fmt::Debug for RoutingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoutingId(\"{}\")", self.0.escape_ascii())
    }
}

impl fmt::Display for RoutingIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a routing id needs at least one byte"),
            Self::TooLong(len) => write!(f, "a routing id has {ROUTING_ID_MAX} bytes at the most, not {len}"),
            Self::LeadingZero => write!(f, "a routing id that begins with zero is one a ROUTER makes up"),
        }
    }
}

impl std::error::Error for RoutingIdError {}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked() {
        assert_eq!(RoutingId::new(""), Err(RoutingIdError::Empty));
        assert_eq!(RoutingId::new([0, 1]), Err(RoutingIdError::LeadingZero));
        assert_eq!(RoutingId::new(vec![1; 256]), Err(RoutingIdError::TooLong(256)));
        for len in [1, 56, 57, 255] {
            assert_eq!(RoutingId::new(vec![1; len]).unwrap().as_bytes(), vec![1; len]);
        }
        assert_eq!(RoutingId::new([1, 0]).unwrap().as_bytes(), [1, 0]);
    }
}
