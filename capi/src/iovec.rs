//! `zmq_sendiov` and `zmq_recviov`: several frames with one call.

use std::{ptr, slice};

use libc::{c_int, c_void, iovec};

use crate::{
    constants::ZMQ_SNDMORE,
    error::{Errno, Result, call},
    message::{bytes_at, frame_of_copy},
    metadata,
    socket::{self, Received, Socket, sent_size},
};

/// Sends `count` frames, whose bytes are copied. With `ZMQ_SNDMORE` in `flags` they are one message, which the last of them
/// ends; without, each is a message of its own. Returns the size of the last.
///
/// # Errors
/// `EINVAL`: there is no frame. And as zmq_send; those before the one that failed are sent.
///
/// # Safety
/// `socket` is null, or was made by zmq_socket; so many are at `frames`, each with so many bytes at its base.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_sendiov(
    socket: *mut c_void,
    frames: *const iovec,
    count: usize,
    flags: c_int,
) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        let mut socket = unsafe { socket::enter(socket) }?;
        if frames.is_null() || count == 0 || count > isize::MAX as usize / size_of::<iovec>() {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the caller's duty.
        let frames = unsafe { slice::from_raw_parts(frames, count) };
        let (last, others) = frames.split_last().ok_or(Errno::EINVAL)?;
        for frame in others {
            // SAFETY: the caller's duty.
            unsafe { send(&mut socket, frame, flags) }?;
        }
        // SAFETY: the caller's duty.
        unsafe { send(&mut socket, last, flags & !ZMQ_SNDMORE) }
    })
}

/// # Safety
/// So many bytes are at the frame's base.
unsafe fn send(socket: &mut Socket, frame: &iovec, flags: c_int) -> Result<c_int> {
    // SAFETY: the caller's duty.
    let bytes = unsafe { bytes_at(frame.iov_base, frame.iov_len) }?;
    socket.send(frame_of_copy(bytes)?, flags).map_err(|(errno, _)| errno)?;
    Ok(sent_size(bytes.len()))
}

/// Receives frames of one message, `*count` at the most, into memory of malloc(3) that the caller frees. Returns how many,
/// and writes it to `*count`.
///
/// # Errors
/// `EINVAL`: there is room for none. And as zmq_recv; then `*count` says how many came before.
///
/// # Safety
/// `socket` is null, or was made by zmq_socket; `count` is null or points to a number, and there is room for so many at
/// `frames`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_recviov(
    socket: *mut c_void,
    frames: *mut iovec,
    count: *mut usize,
    flags: c_int,
) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        let mut socket = unsafe { socket::enter(socket) }?;
        // SAFETY: the caller's duty.
        let count = unsafe { count.as_mut() }.ok_or(Errno::EINVAL)?;
        if frames.is_null() || *count == 0 {
            return Err(Errno::EINVAL);
        }
        let room = std::mem::take(count);
        while *count < room {
            let (frame, more) = recv(&mut socket, flags)?;
            // SAFETY: there is room for so many.
            unsafe { frames.wrapping_add(*count).write(frame) };
            *count += 1;
            if !more {
                break;
            }
        }
        Ok(sent_size(*count))
    })
}

/// A frame as the program gets it; and has its message more of them?
fn recv(socket: &mut Socket, flags: c_int) -> Result<(iovec, bool)> {
    let Received { frame, more, metadata } = socket.recv(flags)?;
    metadata::release(metadata);
    // At least one: malloc may return null for none.
    // SAFETY: any size may be asked for.
    let place = unsafe { libc::malloc(frame.len().max(1)) };
    if place.is_null() {
        return Err(Errno::ENOMEM);
    }
    // SAFETY: there is room for so many, of no other's.
    unsafe { ptr::copy_nonoverlapping(frame.as_ptr(), place.cast(), frame.len()) };
    Ok((iovec { iov_base: place, iov_len: frame.len() }, more))
}
