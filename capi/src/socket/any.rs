//! A socket of whatever type, as what a handle points to.

use std::io;

use libc::c_int;
use ringway::{
    Context, Dealer, Endpoint, Monitor, Pair, PeerId, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub,
    monitor::PeerMetadata,
    poll::Interest,
    socket::{
        BindError, Builder, Conflates, ConnectError, Descriptor, DetachError, Duplex, DuplicateId, Identified,
        Pollable, Receives, Sends,
    },
};

use super::settings::Settings;
use crate::{
    constants::*,
    error::{Errno, Result},
};

/// One of the eleven types.
#[derive(Debug)]
pub(crate) enum AnySocket {
    Pair(Pair),
    Pub(Pub),
    Sub(Sub),
    Req(Req),
    Rep(Rep),
    Dealer(Dealer),
    Router(Router),
    Pull(Pull),
    Push(Push),
    XPub(XPub),
    XSub(XSub),
}

/// `$body` with `$socket` as the socket there is.
macro_rules! each {
    ($any:expr, $socket:ident => $body:expr) => {
        match $any {
            AnySocket::Pair($socket) => $body,
            AnySocket::Pub($socket) => $body,
            AnySocket::Sub($socket) => $body,
            AnySocket::Req($socket) => $body,
            AnySocket::Rep($socket) => $body,
            AnySocket::Dealer($socket) => $body,
            AnySocket::Router($socket) => $body,
            AnySocket::Pull($socket) => $body,
            AnySocket::Push($socket) => $body,
            AnySocket::XPub($socket) => $body,
            AnySocket::XSub($socket) => $body,
        }
    };
}

impl AnySocket {
    /// A socket of libzmq's type number `kind`.
    pub(crate) fn new(kind: c_int, context: &Context, settings: &Settings) -> Result<Self> {
        macro_rules! made {
            ($socket:ident) => {
                $socket::configured(settings).build(context).map(Self::$socket).map_err(|_| Errno::ETERM)
            };
        }
        match kind {
            ZMQ_PAIR => made!(Pair),
            ZMQ_PUB => made!(Pub),
            ZMQ_SUB => made!(Sub),
            ZMQ_REQ => made!(Req),
            ZMQ_REP => made!(Rep),
            ZMQ_DEALER => made!(Dealer),
            ZMQ_ROUTER => made!(Router),
            ZMQ_PULL => made!(Pull),
            ZMQ_PUSH => made!(Push),
            ZMQ_XPUB => made!(XPub),
            ZMQ_XSUB => made!(XSub),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Takes over what `settings` say and can be changed now.
    pub(crate) fn reconfigure(&mut self, settings: &Settings) {
        macro_rules! reconfigured {
            ($($socket:ident)*) => {
                match self {
                    $(Self::$socket(socket) => socket.reconfigure(&$socket::configured(settings)),)*
                }
            };
        }
        reconfigured!(Pair Pub Sub Req Rep Dealer Router Pull Push XPub XSub);
    }

    /// As libzmq numbers it.
    pub(crate) fn kind(&self) -> c_int {
        match self {
            Self::Pair(_) => ZMQ_PAIR,
            Self::Pub(_) => ZMQ_PUB,
            Self::Sub(_) => ZMQ_SUB,
            Self::Req(_) => ZMQ_REQ,
            Self::Rep(_) => ZMQ_REP,
            Self::Dealer(_) => ZMQ_DEALER,
            Self::Router(_) => ZMQ_ROUTER,
            Self::Pull(_) => ZMQ_PULL,
            Self::Push(_) => ZMQ_PUSH,
            Self::XPub(_) => ZMQ_XPUB,
            Self::XSub(_) => ZMQ_XSUB,
        }
    }

    /// As one that sends.
    ///
    /// # Errors
    /// It does not.
    #[inline(always)]
    pub(crate) fn sending(&mut self) -> Result<&mut dyn Sends> {
        Ok(match self {
            Self::Pair(socket) => socket,
            Self::Pub(socket) => socket,
            Self::Req(socket) => socket,
            Self::Rep(socket) => socket,
            Self::Dealer(socket) => socket,
            Self::Router(socket) => socket,
            Self::Push(socket) => socket,
            Self::XPub(socket) => socket,
            Self::XSub(socket) => socket,
            Self::Sub(_) | Self::Pull(_) => return Err(Errno::ENOTSUP),
        })
    }

    /// As one that receives.
    ///
    /// # Errors
    /// It does not.
    #[inline(always)]
    pub(crate) fn receiving(&mut self) -> Result<&mut dyn Receives> {
        Ok(match self {
            Self::Pair(socket) => socket,
            Self::Sub(socket) => socket,
            Self::Req(socket) => socket,
            Self::Rep(socket) => socket,
            Self::Dealer(socket) => socket,
            Self::Router(socket) => socket,
            Self::Pull(socket) => socket,
            Self::XPub(socket) => socket,
            Self::XSub(socket) => socket,
            Self::Pub(_) | Self::Push(_) => return Err(Errno::ENOTSUP),
        })
    }

    /// As one that does both.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn both(&mut self) -> Result<&mut dyn Duplex> {
        Ok(match self {
            Self::Pair(socket) => socket,
            Self::Req(socket) => socket,
            Self::Rep(socket) => socket,
            Self::Dealer(socket) => socket,
            Self::Router(socket) => socket,
            Self::XPub(socket) => socket,
            Self::XSub(socket) => socket,
            Self::Pub(_) | Self::Sub(_) | Self::Push(_) | Self::Pull(_) => return Err(Errno::ENOTSUP),
        })
    }

    /// As what a poller waits for.
    pub(crate) fn pollable(&mut self) -> &mut dyn Pollable {
        each!(self, socket => socket)
    }

    /// What of `interest` is there now.
    pub(crate) fn readiness(&mut self, interest: Interest) -> Interest {
        each!(self, socket => socket.readiness(interest))
    }

    pub(crate) fn edge_descriptor(&mut self) -> io::Result<Descriptor> {
        each!(self, socket => socket.edge_descriptor())
    }

    pub(crate) fn bind(&mut self, endpoint: &str) -> std::result::Result<(), BindError> {
        each!(self, socket => socket.bind(endpoint))
    }

    pub(crate) fn connect(&mut self, endpoint: &str) -> std::result::Result<(), ConnectError> {
        each!(self, socket => socket.connect(endpoint))
    }

    pub(crate) fn unbind(&mut self, endpoint: &str) -> std::result::Result<(), DetachError> {
        each!(self, socket => socket.unbind(endpoint))
    }

    pub(crate) fn disconnect(&mut self, endpoint: &str) -> std::result::Result<(), DetachError> {
        each!(self, socket => socket.disconnect(endpoint))
    }

    pub(crate) fn last_endpoint(&self) -> Option<Endpoint> {
        each!(self, socket => socket.last_endpoint())
    }

    pub(crate) fn monitor(&self) -> Monitor {
        each!(self, socket => socket.monitor())
    }

    pub(crate) fn peer_metadata(&self, peer: PeerId) -> Option<PeerMetadata> {
        each!(self, socket => socket.peer_metadata(peer))
    }

    /// Wants messages that begin with `prefix`; of an XPUB that decides itself: its last subscriber is to have them.
    ///
    /// # Errors
    /// It is of a type that does not subscribe.
    pub(crate) fn subscribe(&mut self, prefix: &[u8]) -> Result<()> {
        match self {
            Self::Sub(socket) => socket.subscribe(prefix),
            // Of a subscriber that has left meanwhile there is nothing to say, as in libzmq.
            Self::XPub(socket) => _ = socket.subscribe(prefix),
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    /// Takes one subscription to `prefix` back.
    ///
    /// # Errors
    /// It is of a type that does not subscribe.
    pub(crate) fn unsubscribe(&mut self, prefix: &[u8]) -> Result<()> {
        match self {
            // One that is not there is no error, as in libzmq.
            Self::Sub(socket) => _ = socket.unsubscribe(prefix),
            Self::XPub(socket) => _ = socket.unsubscribe(prefix),
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }
}

/// Makes the builder of a type from what was set with numbers.
trait Configured: ringway::socket::Socket + Sized {
    fn configured(settings: &Settings) -> Builder<Self>;
}

fn common<S: ringway::socket::Socket>(builder: Builder<S>, settings: &Settings) -> Builder<S> {
    let builder = builder
        .wait(settings.wait)
        .interruptible()
        .reconnect_interval(settings.reconnect_interval())
        .reconnect_interval_max(settings.reconnect_interval_max())
        .connect_timeout(settings.connect_timeout())
        .handshake_timeout(settings.handshake_timeout())
        .heartbeat(settings.heartbeat())
        .heartbeat_timeout(settings.heartbeat_timeout())
        .heartbeat_ttl(settings.heartbeat_ttl())
        .max_message_size(settings.max_message_size())
        .backlog(settings.backlog.cast_unsigned())
        .ipv6(settings.ipv6);
    let builder = settings.send_buffer().into_iter().fold(builder, Builder::send_buffer);
    let builder = settings.recv_buffer().into_iter().fold(builder, Builder::recv_buffer);
    let builder = settings.keepalive().into_iter().fold(builder, Builder::keepalive);
    let builder = settings.tcp_user_timeout().into_iter().fold(builder, Builder::tcp_user_timeout);
    let builder = settings.tos().into_iter().fold(builder, Builder::tos);
    settings.device().into_iter().fold(builder, Builder::bind_to_device)
}

fn sending<S: Sends + Sized>(builder: Builder<S>, settings: &Settings) -> Builder<S> {
    let builder = builder.send_hwm(settings.send_hwm.cast_unsigned()).linger(settings.linger());
    let builder = settings.send_timeout().into_iter().fold(builder, Builder::send_timeout);
    if settings.immediate { builder.immediate() } else { builder }
}

fn receiving<S: Receives + Sized>(builder: Builder<S>, settings: &Settings) -> Builder<S> {
    let builder = builder.recv_hwm(settings.recv_hwm.cast_unsigned());
    settings.recv_timeout().into_iter().fold(builder, Builder::recv_timeout)
}

fn conflating<S: Conflates>(builder: Builder<S>, settings: &Settings) -> Builder<S> {
    if settings.conflate { builder.conflate() } else { builder }
}

fn identified<S: Identified>(builder: Builder<S>, settings: &Settings) -> Builder<S> {
    let builder = settings.routing_id().into_iter().fold(builder, Builder::routing_id);
    if settings.probe_router { builder.probe_router() } else { builder }
}

macro_rules! configured {
    ($socket:ident: $($group:ident)*; $builder:ident, $settings:ident => $rest:expr) => {
        impl Configured for $socket {
            fn configured($settings: &Settings) -> Builder<Self> {
                let $builder = common(Self::builder(), $settings);
                $(let $builder = $group($builder, $settings);)*
                $rest
            }
        }
    };
}

/// `builder`, with what `method` says if `on`.
fn with<B>(on: bool, builder: B, method: impl FnOnce(B) -> B) -> B {
    if on { method(builder) } else { builder }
}

configured!(Pair: sending receiving; builder, settings => builder);
configured!(Push: sending conflating; builder, settings => builder);
configured!(Pull: receiving conflating; builder, settings => builder);
configured!(Dealer: sending receiving conflating identified; builder, settings => builder);
configured!(Rep: sending receiving; builder, settings => builder);
configured!(Req: sending receiving identified; builder, settings => {
    // libzmq's REQ knows no peer that has left: programs have their own time-outs.
    let builder = with(settings.req_correlate, builder.wait_on(), Builder::<Req>::correlate);
    with(settings.req_relaxed, builder, Builder::<Req>::relaxed)
});
configured!(Router: sending receiving identified; builder, settings => {
    let builder = with(settings.router_mandatory, builder, Builder::<Router>::mandatory);
    with(settings.router_handover, builder, |builder| builder.duplicate_id(DuplicateId::HandOver))
});
configured!(Sub: receiving conflating; builder, settings => {
    with(settings.invert_matching, builder, Builder::<Sub>::invert_matching)
});
configured!(XSub: sending receiving; builder, settings => builder);
configured!(Pub: sending conflating; builder, settings => {
    let builder = with(settings.xpub_nodrop, builder, Builder::<Pub>::no_drop);
    with(settings.invert_matching, builder, Builder::<Pub>::invert_matching)
});
configured!(XPub: sending receiving; builder, settings => {
    let builder = with(settings.xpub_nodrop, builder, Builder::<XPub>::no_drop);
    let builder = with(settings.invert_matching, builder, Builder::<XPub>::invert_matching);
    let builder = with(settings.xpub_verbose, builder, Builder::<XPub>::verbose);
    let builder = with(settings.xpub_verboser, builder, Builder::<XPub>::verboser);
    let builder = with(settings.xpub_manual, builder, Builder::<XPub>::manual);
    settings.xpub_welcome.iter().fold(builder, |builder, message| builder.welcome(message.as_slice()))
});
