//! Sending, frame by frame. What a message can fail with it fails with at its first frame: by then its peer is chosen and
//! has room.

use libc::{c_int, c_void, size_t};
use ringway::{
    Frame, Message,
    socket::{SendError, SendFailure},
};

use super::{Outgoing, Socket, enter};
use crate::{
    constants::*,
    error::{Errno, Result, call},
    message::{bytes_at, frame_of_copy, zmq_msg_t},
    metadata,
};

impl Socket {
    /// Sends one frame, `more` of its message to come or not. Waits as the socket is set, or not at all.
    ///
    /// # Errors
    /// The frame comes back, and why. Only the first frame of a message fails, or memory runs out, or the context ends.
    #[inline]
    pub(crate) fn send(&mut self, frame: Frame, flags: c_int) -> std::result::Result<(), (Errno, Frame)> {
        if !self.home.takes(frame.len()) {
            return Err((Errno(libc::EMSGSIZE), frame));
        }
        if self.incoming.len() > 0 && self.outgoing.is_none() {
            if self.is_amid_receiving() {
                return Err((Errno::EFSM, frame));
            }
            self.give_reply_up();
        }
        let (waits, more) = (flags & ZMQ_DONTWAIT == 0, flags & ZMQ_SNDMORE != 0);
        if more || self.outgoing.is_some() {
            return self.send_part(frame, waits, more);
        }
        let socket = match self.core.sending() {
            Ok(socket) => socket,
            Err(errno) => return Err((errno, frame)),
        };
        let sent = if waits { socket.send(frame.into()) } else { socket.try_send(frame.into()) };
        match sent {
            Ok(()) => Ok(()),
            // An id and nothing to send to it: nothing, as in libzmq.
            Err(SendError { reason: SendFailure::NoBody, .. }) => Ok(()),
            Err(SendError { message, reason }) => Err((reason.into(), message.into_single().unwrap_or_default())),
        }
    }

    #[inline(never)]
    fn send_part(&mut self, frame: Frame, waits: bool, more: bool) -> std::result::Result<(), (Errno, Frame)> {
        let socket = match self.core.sending() {
            Ok(socket) => socket,
            Err(errno) => return Err((errno, frame)),
        };
        let mut outgoing = match self.outgoing.take() {
            Some(outgoing) => outgoing,
            None => {
                let admitted = if waits { socket.admit(&frame) } else { socket.try_admit(&frame) };
                match admitted {
                    Ok(admission) => Outgoing { admission, message: Message::new() },
                    Err(failure) => return Err((failure.into(), frame)),
                }
            }
        };
        outgoing.message.push(frame);
        if more {
            self.outgoing = Some(outgoing);
            return Ok(());
        }
        // All of it is gone if that fails; the frame the program has is the last of them.
        socket.send_admitted(outgoing.admission, outgoing.message).map_err(|SendError { message, reason }| {
            (reason.into(), message.into_iter().next_back().unwrap_or_default())
        })
    }
}

/// Sends `len` bytes from `buffer`, copied. Returns how many.
///
/// # Errors
/// See libzmq's zmq_send(3).
///
/// # Safety
/// `socket` is null, or was made by [`zmq_socket`](super::zmq_socket); `buffer` points to `len` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_send(
    socket: *mut c_void,
    buffer: *const c_void,
    len: size_t,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's duty; the bytes are copied.
    unsafe { send_bytes(socket, buffer, len, flags, frame_of_copy) }
}

/// As [`zmq_send`], of bytes that never change and are never freed: long ones are not copied.
///
/// # Errors
/// See libzmq's zmq_send_const(3).
///
/// # Safety
/// As for [`zmq_send`]; and the bytes stay as they are for as long as the process lives.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_send_const(
    socket: *mut c_void,
    buffer: *const c_void,
    len: size_t,
    flags: c_int,
) -> c_int {
    let frame = |bytes: &'static [u8]| {
        Ok(if len > ringway::message::INLINE_MAX { Frame::from_static(bytes) } else { bytes.into() })
    };
    // SAFETY: the caller's duty.
    unsafe { send_bytes(socket, buffer, len, flags, frame) }
}

/// Sends the frame that `frame` makes of `len` bytes from `buffer`. Returns how many.
///
/// # Safety
/// As for [`zmq_send`]; and the bytes stay as they are for as long as the frame needs them.
#[inline(always)]
unsafe fn send_bytes<'a>(
    socket: *mut c_void,
    buffer: *const c_void,
    len: size_t,
    flags: c_int,
    frame: impl FnOnce(&'a [u8]) -> Result<Frame>,
) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        let mut socket = unsafe { enter(socket) }?;
        // SAFETY: the caller's duty.
        let bytes = unsafe { bytes_at(buffer, len) }?;
        socket.send(frame(bytes)?, flags).map_err(|(errno, _)| errno)?;
        Ok(sent_size(len))
    })
}

/// Sends a message's bytes, and leaves it empty; on failure it is as it was. Returns how many bytes.
///
/// # Errors
/// See libzmq's zmq_msg_send(3).
///
/// # Safety
/// `message` is null or points to a message; `socket` is null, or was made by [`zmq_socket`](super::zmq_socket).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_send(message: *mut zmq_msg_t, socket: *mut c_void, flags: c_int) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        let message = unsafe { zmq_msg_t::at(message) }?;
        // SAFETY: the caller's duty.
        let mut socket = unsafe { enter(socket) }?;
        // Kept until it is gone: one that is not sent is as it was.
        let (more, sender) = (message.more(), message.metadata());
        metadata::retain(sender);
        let frame = message.take();
        let len = frame.len();
        socket.send(frame, flags).map_err(|(errno, frame)| {
            message.put(frame, more, sender);
            errno
        })?;
        metadata::release(sender);
        Ok(sent_size(len))
    })
}

/// As [`zmq_msg_send`], under its deprecated name and with the socket first.
///
/// # Errors
/// As there.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_sendmsg(socket: *mut c_void, message: *mut zmq_msg_t, flags: c_int) -> c_int {
    // SAFETY: the caller's duty.
    unsafe { zmq_msg_send(message, socket, flags) }
}

/// As functions return it: what an `int` does not hold is its largest.
pub(crate) fn sent_size(len: usize) -> c_int {
    c_int::try_from(len).unwrap_or(c_int::MAX)
}
