//! The socket types and who may talk to whom.

#![forbid(unsafe_code)]

use std::fmt;

/// A pattern's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketType {
    /// One peer, both ways.
    Pair,
    /// Distributes to `Pull`.
    Push,
    /// Collects from `Push`.
    Pull,
}

impl SocketType {
    /// May a socket of this type be connected to one of type `peer`? Symmetric.
    pub fn talks_to(self, peer: Self) -> bool {
        matches!((self, peer), (Self::Pair, Self::Pair) | (Self::Push, Self::Pull) | (Self::Pull, Self::Push))
    }

    pub(crate) fn sends(self) -> bool {
        matches!(self, Self::Pair | Self::Push)
    }

    pub(crate) fn receives(self) -> bool {
        matches!(self, Self::Pair | Self::Pull)
    }

    /// Peers at a time.
    pub(crate) fn peers_max(self) -> usize {
        if self == Self::Pair { 1 } else { usize::MAX }
    }
}

impl fmt::Display for SocketType {
    /// ZeroMQ's name for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pair => "PAIR",
            Self::Push => "PUSH",
            Self::Pull => "PULL",
        })
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn talking_is_mutual_and_somebody_sends() {
        let all = [SocketType::Pair, SocketType::Push, SocketType::Pull];
        for a in all {
            for b in all {
                assert_eq!(a.talks_to(b), b.talks_to(a));
                if a.talks_to(b) {
                    assert!(a.sends() && b.receives() || b.sends() && a.receives());
                }
            }
        }
    }
}
