//! Sockets: what a handle points to, and the functions that make and close one.
//!
//! A socket of Ringway's sends and receives whole messages, one of libzmq's frame by frame. Between the two stand `outgoing`,
//! the frames of a message that is not complete, whose fate was decided with the first of them; and `incoming`, those of one
//! that was received and not yet asked for.
//!
//! Contents: `any` a socket of whatever type, `send`, `recv`, `endpoints`, `options` what can be set and read, and
//! `settings` where that is kept, `senders` whom messages came from.

mod any;
mod endpoints;
mod options;
mod recv;
mod send;
mod senders;
mod settings;

use std::sync::Arc;

use libc::{c_int, c_void};
use ringway::{
    Frame, Message,
    poll::Interest,
    socket::{Admission, Descriptor},
};

pub(crate) use any::AnySocket;
pub(crate) use endpoints::{endpoint_errno, system_errno};
pub(crate) use recv::Received;
pub(crate) use send::sent_size;
use senders::Senders;
use settings::Settings;

use crate::{
    constants::*,
    context::{self, Home},
    error::{Errno, Result, call},
    fork::Own,
    handle::{self, Handled, Held, Spare},
    metadata,
    monitor::Pump,
    proxy::InHand,
};

/// What a handle of a socket points to.
#[derive(Debug)]
pub(crate) struct Socket {
    core: AnySocket,
    /// What is left of a message that was received.
    incoming: std::vec::IntoIter<Frame>,
    /// The number of the metadata that goes with these frames.
    incoming_metadata: u32,
    /// Has the frame received last another behind it?
    has_more: bool,
    outgoing: Option<Outgoing>,
    settings: Settings,
    /// Made when it is first asked for.
    descriptor: Option<Descriptor>,
    /// Whom messages over streams came from.
    senders: Senders,
    /// Endpoints connected to, by types that connect to one only once.
    connected: Vec<String>,
    monitor: Option<Pump>,
    /// Of a proxy that is to go on.
    in_hand: Option<InHand>,
    has_threads: bool,
    home: Arc<Home>,
}

/// A message under way, and where it goes.
#[derive(Debug)]
struct Outgoing {
    admission: Admission,
    message: Message,
}

impl Handled for Socket {
    const TAG: u32 = 0x50c4_0000;
    const NOT_OPEN: Errno = Errno::ENOTSOCK;

    fn spare() -> &'static Own<Spare<Self>> {
        static SPARE: Own<Spare<Socket>> = Own::new();
        &SPARE
    }
}

impl Socket {
    /// The socket itself, for who forwards whole messages.
    pub(crate) fn core(&mut self) -> &mut AnySocket {
        &mut self.core
    }

    pub(crate) fn kind(&self) -> c_int {
        self.core.kind()
    }

    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// What feeds its monitor's socket.
    pub(crate) fn monitor_mut(&mut self) -> &mut Option<Pump> {
        &mut self.monitor
    }

    /// What a proxy of which it is the frontend had received and not sent.
    pub(crate) fn in_hand_mut(&mut self) -> &mut Option<InHand> {
        &mut self.in_hand
    }

    /// Tells a call that the context is terminated. Its descriptor tells of it until then, and no more: a loop that waits for
    /// it would turn for ever.
    #[cold]
    fn end(&mut self) -> Errno {
        if self.descriptor.is_some() {
            self.core.readiness(Interest::BOTH);
        }
        Errno::ETERM
    }

    /// What of `interest` is there now, frames of messages under way among it.
    pub(crate) fn readiness(&mut self, interest: Interest) -> Interest {
        let mut ready = self.core.readiness(interest);
        if self.is_amid_receiving() {
            ready = Interest::NONE;
        }
        if interest.has_readable() && self.incoming.len() > 0 {
            ready |= Interest::READABLE;
        }
        if interest.has_writable() && self.outgoing.is_some() {
            ready |= Interest::WRITABLE;
        }
        ready
    }
}

impl Socket {
    /// What to wait for, for who wants `interest`: a REP does not reply, and a REQ does not ask again, before all of the message
    /// it is receiving was received. The core, which knows whole messages, has nothing to receive then; but it ends, too.
    pub(crate) fn awaited(&self, interest: Interest) -> Interest {
        if interest.has_writable() && self.is_amid_receiving() { Interest::READABLE } else { interest }
    }

    /// Is it its turn to receive, though the core, which knows whole messages, takes it for its turn to send?
    #[inline]
    fn is_amid_receiving(&self) -> bool {
        self.incoming.len() > 0
            && match self.core {
                AnySocket::Rep(_) => true,
                AnySocket::Req(_) => !self.settings.req_relaxed,
                _ => false,
            }
    }

    /// A REQ that may ask again at any time wants no more of the reply it was receiving.
    #[cold]
    fn give_reply_up(&mut self) {
        if matches!(self.core, AnySocket::Req(_)) {
            self.drop_incoming();
        }
    }

    /// Drops what is left of the message being received.
    fn drop_incoming(&mut self) {
        self.incoming = Vec::new().into_iter();
        metadata::release(std::mem::take(&mut self.incoming_metadata));
    }
}

impl Drop for Socket {
    /// What is under way goes before the core: once that is gone, `zmq_ctx_term` may return in another thread, and no free
    /// function is to be owed after it.
    fn drop(&mut self) {
        self.drop_incoming();
        self.outgoing = None;
        self.in_hand = None;
    }
}

/// The socket behind `handle`, for this call.
///
/// # Errors
/// It is not open, in use, or its context is terminated.
///
/// # Safety
/// `handle` is null, or was made by [`zmq_socket`].
#[inline(always)]
pub(crate) unsafe fn enter(handle: *mut c_void) -> Result<Held<Socket>> {
    // SAFETY: the caller's duty.
    let mut socket = unsafe { handle::enter::<Socket>(handle) }?;
    if socket.home.is_over() { Err(socket.end()) } else { Ok(socket) }
}

/// Makes a socket of a type of the stable ones but `ZMQ_STREAM`.
///
/// # Errors
/// `EINVAL`: no such type. `EFAULT`: not a context. `EMFILE`: there are `ZMQ_MAX_SOCKETS`. `ETERM`: the context is
/// terminated.
///
/// # Safety
/// `context` is null, or was made by [`zmq_ctx_new`](crate::context::zmq_ctx_new).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_socket(context: *mut c_void, r#type: c_int) -> *mut c_void {
    call(|| {
        // SAFETY: the caller's duty.
        let home = unsafe { context::home(context) }?;
        let (context, defaults) = home.for_socket()?;
        let settings = Settings::new(&home, defaults, matches!(r#type, ZMQ_SUB | ZMQ_XSUB));
        let core = AnySocket::new(r#type, &context, &settings)?;
        Ok(handle::open(Socket {
            core,
            incoming: Vec::new().into_iter(),
            incoming_metadata: 0,
            has_more: false,
            outgoing: None,
            settings,
            descriptor: None,
            senders: Senders::default(),
            connected: Vec::new(),
            monitor: None,
            in_hand: None,
            has_threads: defaults.has_threads,
            home,
        }))
    })
}

/// Closes a socket. Returns at once; what it has sent goes out in the background as long as its linger says. If another
/// thread's call is using it, which libzmq does not allow, it is closed when that call returns.
///
/// # Errors
/// `ENOTSOCK`: not an open socket.
///
/// # Safety
/// `socket` is null, or was made by [`zmq_socket`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_close(socket: *mut c_void) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        unsafe { handle::close::<Socket>(socket) }?;
        Ok(0)
    })
}
