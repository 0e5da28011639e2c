//! Receiving, frame by frame.

use std::ptr;

use libc::{c_int, c_void, size_t};
use ringway::Frame;

use super::{Socket, enter, send::sent_size};
use crate::{
    constants::*,
    error::{Errno, Result, call},
    message::zmq_msg_t,
    metadata, reaper,
};

/// A frame as it was received.
pub(crate) struct Received {
    pub(crate) frame: Frame,
    /// Has its message more of them?
    pub(crate) more: bool,
    /// The number of what is known of its sender; a count of its own goes with it. 0: nothing.
    pub(crate) metadata: u32,
}

impl Socket {
    /// The next frame. Waits as the socket is set, or not at all.
    ///
    /// # Errors
    /// There is none, and why.
    #[inline]
    pub(crate) fn recv(&mut self, flags: c_int) -> Result<Received> {
        if self.incoming.len() > 0 {
            return Ok(self.next_part());
        }
        let socket = self.core.receiving()?;
        let message = if flags & ZMQ_DONTWAIT == 0 { socket.recv() } else { socket.try_recv() }?;
        let sender = socket.last_sender();
        let metadata = match sender {
            Some(peer) => {
                let Self { senders, core, .. } = self;
                senders.number(peer, || core.peer_metadata(peer))
            }
            None => 0,
        };
        match message.into_single() {
            Ok(frame) => {
                self.has_more = false;
                Ok(Received { frame, more: false, metadata })
            }
            Err(message) => {
                self.incoming = message.into_iter();
                self.incoming_metadata = metadata;
                Ok(self.next_part())
            }
        }
    }

    #[inline(never)]
    fn next_part(&mut self) -> Received {
        let frame = self.incoming.next().unwrap_or_default();
        let more = self.incoming.len() > 0;
        self.has_more = more;
        let metadata = self.incoming_metadata;
        if more {
            // The last frame takes the message's own count.
            metadata::retain(metadata);
        } else {
            self.incoming_metadata = 0;
        }
        Received { frame, more, metadata }
    }
}

/// Receives a frame into `buffer`, cut to `len` bytes. Returns how many it had.
///
/// # Errors
/// See libzmq's zmq_recv(3).
///
/// # Safety
/// `socket` is null, or was made by [`zmq_socket`](super::zmq_socket); `buffer` points to `len` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_recv(socket: *mut c_void, buffer: *mut c_void, len: size_t, flags: c_int) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        let mut socket = unsafe { enter(socket) }?;
        if buffer.is_null() && len > 0 {
            return Err(Errno::EFAULT);
        }
        let Received { frame, metadata, .. } = socket.recv(flags)?;
        metadata::release(metadata);
        if len > 0 {
            // SAFETY: the caller's duty; the frame's bytes are its own.
            unsafe { ptr::copy_nonoverlapping(frame.as_ptr(), buffer.cast(), frame.len().min(len)) };
        }
        let size = frame.len();
        // As a message's content is: once the socket is free.
        drop(socket);
        reaper::freeing(|| drop(frame));
        Ok(sent_size(size))
    })
}

/// Receives a frame into `message`; what was there is closed. Returns how many bytes it has.
///
/// # Errors
/// See libzmq's zmq_msg_recv(3).
///
/// # Safety
/// `message` is null or points to a message; `socket` is null, or was made by [`zmq_socket`](super::zmq_socket).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_recv(message: *mut zmq_msg_t, socket: *mut c_void, flags: c_int) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        let message = unsafe { zmq_msg_t::at(message) }?;
        // SAFETY: the caller's duty.
        let mut socket = unsafe { enter(socket) }?;
        let Received { frame, more, metadata } = socket.recv(flags)?;
        // What was there goes once the socket is free: its free function may call into it.
        drop(socket);
        let len = frame.len();
        message.put(frame, more, metadata);
        Ok(sent_size(len))
    })
}

/// As [`zmq_msg_recv`], under its deprecated name and with the socket first.
///
/// # Errors
/// As there.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_recvmsg(socket: *mut c_void, message: *mut zmq_msg_t, flags: c_int) -> c_int {
    // SAFETY: the caller's duty.
    unsafe { zmq_msg_recv(message, socket, flags) }
}
