//! Bytes and descriptors over a Unix-domain stream (`SCM_RIGHTS`).
//!
//! Descriptors travel with the first byte of the write they are sent with. A read may return earlier bytes before that,
//! and ends with the bytes of that write at the latest: so descriptors that came are of a write of which the last byte read is
//! one, and whoever speaks a protocol knows which of its frames that was.

#![forbid(unsafe_code)]

use std::{
    io,
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    cmsg_space,
    io::retry_on_intr,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, recvmsg, sendmsg,
    },
};

use crate::shm::refusal::{Step, ask};

/// Writes bytes, and descriptors with the first of them. Returns how many bytes were written: if any were, the descriptors
/// were, too, and if it fails, none. They remain ours, to be closed or not.
///
/// Blocks if the stream does. Never raises `SIGPIPE`.
///
/// # Panics
/// Panics without bytes or with more descriptors than [`Descriptors::ROOM`].
pub(crate) fn send(stream: impl AsFd, buffers: &[IoSlice<'_>], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    assert!(buffers.iter().any(|buffer| !buffer.is_empty()), "descriptors travel with a byte");
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        ask(Step::Pass)?;
        assert!(control.push(SendAncillaryMessage::ScmRights(fds)), "there is room for as many as anybody takes");
    }
    let stream = stream.as_fd();
    Ok(retry_on_intr(|| sendmsg(stream, buffers, &mut control, SendFlags::NOSIGNAL))?)
}

/// Reads bytes, and takes the descriptors that come with them. 0: the stream is at its end.
///
/// Blocks if the stream does. Descriptors are closed when the process executes another program.
pub(crate) fn recv(stream: impl AsFd, buffer: &mut [u8], fds: &mut Descriptors) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let (stream, buffers) = (stream.as_fd(), &mut [IoSliceMut::new(buffer)]);
    let got = retry_on_intr(|| recvmsg(stream, buffers, &mut control, RecvFlags::CMSG_CLOEXEC))?;
    fds.are_cut |= got.flags.contains(ReturnFlags::CTRUNC);
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(came) = message {
            came.for_each(|fd| fds.put(fd));
        }
    }
    Ok(got.bytes)
}

/// Descriptors that came over a stream, in order. Closes what nobody takes.
#[derive(Debug, Default)]
pub(crate) struct Descriptors {
    held: Vec<OwnedFd>,
    refused: u64,
    are_cut: bool,
}

impl Descriptors {
    /// How many it holds, and how many are sent at once: two are what an offer has.
    pub(crate) const ROOM: usize = 4;

    /// How many are there.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// Are there none?
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Takes all that are there.
    pub(crate) fn take(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.held)
    }

    /// Forgets whether some [were cut](Self::are_cut).
    pub(crate) fn forgive(&mut self) {
        self.are_cut = false;
    }

    /// Closes all that are there, as nobody asked for them, and counts them.
    pub(crate) fn refuse(&mut self) {
        self.refused += self.held.drain(..).count() as u64;
    }

    /// How many were closed because there was no room or nobody had asked for them. Not counted are those the system closed
    /// by itself ([`are_cut`](Self::are_cut)).
    #[cfg(test)]
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Has the system closed some: more came at once than there is room for, or than the process may have open?
    pub(crate) fn are_cut(&self) -> bool {
        self.are_cut
    }

    fn put(&mut self, fd: OwnedFd) {
        if self.held.len() < Self::ROOM {
            self.held.push(fd);
        } else {
            self.refused += 1;
        }
    }
}

/// Bytes of control messages that are sent or received at once.
const SPACE: usize = cmsg_space!(ScmRights(Descriptors::ROOM));
