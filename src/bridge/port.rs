//! Owning a socket, and what its owner does with it.

#![forbid(unsafe_code)]

use std::{cell::RefCell, fmt, io, rc::Rc};

use super::{
    desk::{Desk, Seat},
    reader::{Incoming, Reader, Received},
};
use crate::{
    ContextClosed, Message,
    actor::{Actor, Ctx, Handle, Note, Recipient},
    socket::{Pollable, Receives, RecvError, SendError, Sends},
};

/// A socket that an actor owns, to the actor: kept in its state. The socket is dropped with it.
///
/// It stays on the actor's worker; the socket itself may [leave](Port::into_socket).
#[must_use = "the socket is dropped with its port"]
pub struct Port<S> {
    // In this order: a seat that was left is of a socket that is gone.
    socket: Rc<RefCell<S>>,
    seat: Seat,
}

/// Makes `socket` the actor's: what it receives is told to the actor as what `make` makes of it, as long as the [`Port`] is kept.
///
/// Messages come in the order in which the socket gives them, each taken only when the actor has room: see the
/// [module](crate::bridge#room). If `make` panics the actor has failed, as if a handler had; what it was given is lost.
///
/// A REP is read from when its owner has replied, a REQ when its owner has asked. A REQ that is to [ask again](crate::socket::Builder) or
/// to give up after some time does so when something else comes, as under a [`Poller`](crate::Poller): set a timer, and
/// [use](Port::with) it.
///
/// # Errors
/// See [`OwnError`]. The socket is dropped.
pub fn own<A, S, M>(
    ctx: &mut Ctx<'_, A>,
    socket: S,
    make: impl FnMut(Received) -> M + 'static,
) -> Result<Port<S>, OwnError>
where
    A: Handle<M>,
    S: Receives + 'static,
    M: Send + 'static,
{
    let to = ctx.addr().recipient();
    own_for(ctx, socket, receive, make, to, None)
}

/// As [`own`], for sockets that only send. That its context was shut down is told as what `make` makes of that, once.
///
/// # Errors
/// Likewise.
pub fn own_sender<A, S, M>(
    ctx: &mut Ctx<'_, A>,
    socket: S,
    make: impl FnOnce(ContextClosed) -> M + 'static,
) -> Result<Port<S>, OwnError>
where
    A: Handle<M>,
    S: Sends + 'static,
    M: Send + 'static,
{
    let to = ctx.addr().recipient();
    let mut make = Some(make);
    let make = move |_| make.take().expect("a socket is over once")(ContextClosed);
    own_for(ctx, socket, receive_nothing, make, to, None)
}

/// Owns a socket whose messages `to` is told.
pub(super) fn own_for<A: Actor, S: Pollable + 'static, M: Send + 'static>(
    ctx: &mut Ctx<'_, A>,
    mut socket: S,
    take: fn(&mut S) -> Received,
    make: impl FnMut(Received) -> M + 'static,
    to: Recipient<M>,
    over: Option<Note>,
) -> Result<Port<S>, OwnError> {
    let seat = ctx.source(Desk::new).seat(&mut socket, ctx.addr().id())?;
    let socket = Rc::new(RefCell::new(socket));
    seat.set_reader(Box::new(Reader { socket: Rc::downgrade(&socket), take, make, to }), over);
    Ok(Port { socket, seat })
}

/// The next message, or why there is none.
pub(super) fn receive<S: Receives>(socket: &mut S) -> Received {
    match socket.try_recv() {
        Ok(message) => Ok(Incoming { message, sender: socket.last_sender() }),
        // One that waits for its owner never comes to say so itself.
        Err(RecvError::NoRequest | RecvError::ReplyDue) => receive_nothing(socket),
        Err(error) => Err(error),
    }
}

/// Of a socket there is nothing to receive from: has it ended?
fn receive_nothing<S: Pollable>(socket: &mut S) -> Received {
    Err(if socket.is_closed() { RecvError::ContextClosed } else { RecvError::Empty })
}

impl<S> Port<S> {
    /// Uses the socket: whatever it can do, but no calls that wait, as all actors of the worker wait with them.
    ///
    /// # Panics
    /// `f` uses this port, too.
    pub fn with<R>(&self, f: impl FnOnce(&mut S) -> R) -> R {
        f(&mut self.socket.borrow_mut())
    }

    /// Nothing is taken from the socket until [`resume`](Self::resume): its peers are held back, as if its owner had no room. What was
    /// taken before is in the mailbox.
    pub fn pause(&self) {
        self.seat.pause();
    }

    /// Goes on after [`pause`](Self::pause).
    pub fn resume(&self) {
        self.seat.resume();
    }

    /// Takes the socket back, to move it elsewhere. What was taken from it is in the mailbox.
    ///
    /// # Panics
    /// Never: a port is the only owner outside of the turns of its worker, in which no code of actors runs that has one.
    pub fn into_socket(self) -> S {
        let Self { socket, seat } = self;
        drop(seat);
        Rc::into_inner(socket).expect("readers hold it while they read").into_inner()
    }

    /// As [`when_writable`](Self::when_writable).
    pub(super) fn tell_writable<A, N>(&self, ctx: &mut Ctx<'_, A>, make: impl FnOnce() -> N + 'static) -> bool
    where
        A: Handle<N>,
        N: Send + 'static,
    {
        self.seat.set_writable(ctx.note(make)).is_some()
    }
}

impl<S: Sends> Port<S> {
    /// Sends `message`, if there is room now.
    ///
    /// # Errors
    /// Gives the message back.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let message = message.into();
        self.with(|socket| socket.try_send(message))
    }

    /// The actor is told what `make` makes, once, when a call that sends would return at once: there is room, which is as it may be by
    /// then, or the socket's context was shut down. True: this takes the place of what was asked for before and not told yet.
    pub fn when_writable<A, N>(&self, ctx: &mut Ctx<'_, A>, make: impl FnOnce() -> N + 'static) -> bool
    where
        A: Handle<N>,
        N: Send + 'static,
    {
        self.tell_writable(ctx, make)
    }
}

impl<S: Pollable> fmt::Debug for Port<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let socket = self.socket.try_borrow().ok().map(|socket| socket.socket_type());
        f.debug_struct("Port").field("socket", &socket).finish_non_exhaustive()
    }
}

/// Why a socket was not made an actor's.
#[derive(Debug)]
#[non_exhaustive]
pub enum OwnError {
    /// The socket belongs to the process this one was forked off. Make one in this process.
    Forked,
    /// The socket's context has no threads, and the system has no descriptor left to look after its streams with. Close some, raise the
    /// limit, or give the context [threads](crate::ContextBuilder::reactor_threads).
    System(io::Error),
}

impl fmt::Display for OwnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forked => {
                f.write_str("the socket belongs to the process this one was forked off: make one in this process")
            }
            Self::System(error) => write!(f, "no descriptor to look after the socket's streams with: {error}"),
        }
    }
}

impl std::error::Error for OwnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Forked => None,
            Self::System(error) => Some(error),
        }
    }
}
