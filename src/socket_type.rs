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
    /// Publishes to `Sub` and `XSub`.
    Pub,
    /// Subscribes to `Pub` and `XPub`.
    Sub,
    /// A `Pub` that sees the subscriptions of its peers.
    XPub,
    /// A `Sub` that sends its subscriptions as messages.
    XSub,
    /// Asks `Rep` and `Router`, one request at a time.
    Req,
    /// Answers `Req` and `Dealer`, one request at a time.
    Rep,
    /// Talks to `Rep`, `Dealer` and `Router` in turn.
    Dealer,
    /// Talks to `Req`, `Dealer` and `Router` by their routing ids.
    Router,
}

impl SocketType {
    /// May a socket of this type be connected to one of type `peer`? Symmetric (RFC 28, 29, 30, 31).
    pub fn talks_to(self, peer: Self) -> bool {
        use SocketType::{Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub};
        match self {
            Pair => peer == Pair,
            Push => peer == Pull,
            Pull => peer == Push,
            Pub | XPub => matches!(peer, Sub | XSub),
            Sub | XSub => matches!(peer, Pub | XPub),
            Req => matches!(peer, Rep | Router),
            Rep => matches!(peer, Req | Dealer),
            Dealer => matches!(peer, Rep | Dealer | Router),
            Router => matches!(peer, Req | Dealer | Router),
        }
    }

    /// Do messages leave it? (A subscription is none.)
    pub(crate) fn sends(self) -> bool {
        !matches!(self, Self::Pull | Self::Sub)
    }

    /// Do messages come to it?
    pub(crate) fn receives(self) -> bool {
        !matches!(self, Self::Push | Self::Pub)
    }

    /// Does it tell its peers what it wants?
    pub(crate) fn subscribes(self) -> bool {
        matches!(self, Self::Sub | Self::XSub)
    }

    /// What is queued for a peer whose connection is lost: does it stay for that connection's successor? Where a message is
    /// part of a conversation, or of a stream others have gone on with, it does not.
    pub(crate) fn survives(self) -> bool {
        matches!(self, Self::Pair | Self::Push | Self::Pull | Self::Dealer)
    }

    /// Is any peer as good as another for what is queued?
    pub(crate) fn survives_anywhere(self) -> bool {
        matches!(self, Self::Push | Self::Dealer)
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
            Self::Pub => "PUB",
            Self::Sub => "SUB",
            Self::XPub => "XPUB",
            Self::XSub => "XSUB",
            Self::Req => "REQ",
            Self::Rep => "REP",
            Self::Dealer => "DEALER",
            Self::Router => "ROUTER",
        })
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn talking_is_mutual_and_somebody_sends() {
        use SocketType::{Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub};
        let all = [Pair, Push, Pull, Pub, Sub, XPub, XSub, Req, Rep, Dealer, Router];
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
