//! Endpoints: what a socket binds and connects to.

use std::ffi::CStr;

use libc::{c_char, c_int, c_void};
use ringway::{Endpoint, EndpointError, RoutingId, SystemError};

use super::{AnySocket, Socket, enter};
use crate::{
    constants::*,
    error::{Errno, Result, call},
};

impl Socket {
    fn bind(&mut self, endpoint: &str) -> Result<()> {
        self.needs_threads(endpoint)?;
        Ok(self.core.bind(endpoint)?)
    }

    fn connect(&mut self, endpoint: &str) -> Result<()> {
        self.needs_threads(endpoint)?;
        if self.connects_once(endpoint) && self.connected.iter().any(|connected| connected == endpoint) {
            return Ok(());
        }
        let name = std::mem::take(&mut self.settings.connect_routing_id);
        let name = if name.is_empty() { None } else { Some(RoutingId::new(name).map_err(|_| Errno::EINVAL)?) };
        match (&mut self.core, name) {
            (AnySocket::Router(socket), Some(name)) => socket.connect_as(endpoint, &name),
            (socket, _) => socket.connect(endpoint),
        }?;
        if self.connects_once(endpoint) {
            self.connected.push(endpoint.to_owned());
        }
        Ok(())
    }

    /// From its endpoint, whichever of the two it was: libzmq's two functions do the same.
    fn detach(&mut self, endpoint: &str) -> Result<()> {
        self.connected.retain(|connected| connected != endpoint);
        let unbound = self.core.unbind(endpoint);
        if unbound.is_ok() {
            return Ok(());
        }
        Ok(self.core.disconnect(endpoint)?)
    }

    /// Is a second connection to `endpoint` no other than the first? Of these types it would get every message twice, or
    /// be asked twice as often, and libzmq makes none.
    fn connects_once(&self, endpoint: &str) -> bool {
        matches!(self.kind(), ZMQ_DEALER | ZMQ_SUB | ZMQ_PUB | ZMQ_REQ) && !endpoint.starts_with("inproc://")
    }

    /// A context of no threads has sockets in process only.
    fn needs_threads(&self, endpoint: &str) -> Result<()> {
        let is_stream = matches!(endpoint.parse(), Ok(Endpoint::Tcp(_) | Endpoint::Ipc(_)));
        if is_stream && !self.has_threads { Err(Errno::EMTHREAD) } else { Ok(()) }
    }
}

/// What libzmq says of a string that is no endpoint.
pub(crate) fn endpoint_errno(error: &EndpointError) -> Errno {
    match error {
        EndpointError::UnknownScheme(_) => Errno::EPROTONOSUPPORT,
        // Its types are the ones this library does not have.
        EndpointError::UnsupportedScheme(scheme) if scheme == "udp" => Errno::ENOCOMPATPROTO,
        EndpointError::UnsupportedScheme(_) => Errno::EPROTONOSUPPORT,
        EndpointError::Ipc { mistake: ringway::endpoint::IpcMistake::PathTooLong(_), .. } => Errno(libc::ENAMETOOLONG),
        _ => Errno::EINVAL,
    }
}

/// What the system said.
pub(crate) fn system_errno(error: &SystemError) -> Errno {
    Errno(error.code().unwrap_or(libc::EINVAL))
}

/// Calls `what` with the socket and the endpoint.
///
/// # Safety
/// `socket` is null, or was made by [`zmq_socket`](super::zmq_socket); `endpoint` is null or a C string.
unsafe fn at(
    socket: *mut c_void,
    endpoint: *const c_char,
    what: impl FnOnce(&mut Socket, &str) -> Result<()>,
) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        let mut socket = unsafe { enter(socket) }?;
        if endpoint.is_null() {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the caller's duty.
        let endpoint = unsafe { CStr::from_ptr(endpoint) };
        what(&mut socket, endpoint.to_str().map_err(|_| Errno::EINVAL)?)?;
        Ok(0)
    })
}

/// Makes a socket reachable at `endpoint`. A path of `ipc://` at which somebody listens is `EADDRINUSE`; libzmq takes it away
/// from them.
///
/// # Errors
/// See libzmq's zmq_bind(3).
///
/// # Safety
/// `socket` is null, or was made by [`zmq_socket`](super::zmq_socket); `endpoint` is null or a C string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_bind(socket: *mut c_void, endpoint: *const c_char) -> c_int {
    // SAFETY: the caller's duty.
    unsafe { at(socket, endpoint, Socket::bind) }
}

/// Connects a socket to `endpoint`, which may be bound later.
///
/// # Errors
/// See libzmq's zmq_connect(3).
///
/// # Safety
/// As for [`zmq_bind`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_connect(socket: *mut c_void, endpoint: *const c_char) -> c_int {
    // SAFETY: the caller's duty.
    unsafe { at(socket, endpoint, Socket::connect) }
}

/// Takes back what [`zmq_bind`] did. Connections that exist stay.
///
/// # Errors
/// `ENOENT`: the socket has not bound it. See libzmq's zmq_unbind(3).
///
/// # Safety
/// As for [`zmq_bind`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_unbind(socket: *mut c_void, endpoint: *const c_char) -> c_int {
    // SAFETY: the caller's duty.
    unsafe { at(socket, endpoint, Socket::detach) }
}

/// Takes back what [`zmq_connect`] did.
///
/// # Errors
/// `ENOENT`: the socket has not connected to it. See libzmq's zmq_disconnect(3).
///
/// # Safety
/// As for [`zmq_bind`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_disconnect(socket: *mut c_void, endpoint: *const c_char) -> c_int {
    // SAFETY: the caller's duty.
    unsafe { at(socket, endpoint, Socket::detach) }
}
