//! A way to wake a process: a pair of sockets, of which the sleeper keeps one end and the peer has the other.
//!
//! A knock is a byte. What is in the socket already wakes as well, so a knock that finds it full is not lost. Neither end
//! can make the other block, as each names its own reads and writes as non-blocking, and what is in it is the sender's to pay for.

#![forbid(unsafe_code)]

use std::{
    fmt, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
        sockopt::{socket_domain, socket_type},
    },
};

use crate::shm::refusal::{Step, ask};

/// Makes a doorbell, and what it is rung with, to be sent to the peer and closed here.
pub(crate) fn doorbell() -> io::Result<(Doorbell, Knocker)> {
    ask(Step::Pair)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    Ok((Doorbell(ours), Knocker(theirs)))
}

/// The sleeper's end. Readable when somebody has knocked, and when the other end is closed.
#[derive(Debug)]
pub(crate) struct Doorbell(OwnedFd);

impl Doorbell {
    /// Takes what knocks there are, and tells whether there were any. `None`: it is of no use any more, and not to be waited
    /// on, as that ends at once; the peer has closed its end, or knocks faster than anybody would who follows the protocol.
    ///
    /// A few system calls at most; never blocks.
    #[must_use]
    pub(crate) fn drain(&self) -> Option<bool> {
        let (mut bytes, mut heard) = ([0_u8; 256], false);
        for _ in 0..READS_MAX {
            match recv(&self.0, &mut bytes, RecvFlags::DONTWAIT) {
                Ok((0, _)) => return None,
                // Fewer than there is room for: that was all.
                Ok((read, _)) if read < bytes.len() => return Some(true),
                Ok(_) => heard = true,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Some(heard),
                Err(_) => return None,
            }
        }
        None
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The other end.
#[derive(Debug)]
pub(crate) struct Knocker(OwnedFd);

impl Knocker {
    /// Takes what a peer sent for it, if it is a socket on which a knock neither blocks nor goes elsewhere than to a process
    /// of this machine.
    pub(crate) fn from_peer(fd: OwnedFd) -> Result<Self, NotADoorbell> {
        let is_local = socket_domain(&fd) == Ok(AddressFamily::UNIX);
        if is_local && socket_type(&fd) == Ok(SocketType::STREAM) { Ok(Self(fd)) } else { Err(NotADoorbell) }
    }

    /// Wakes the sleeper. A system call; never blocks, never raises `SIGPIPE`, and needs no answer: if there is no room
    /// there are knocks already, and if there is nobody, the stream tells.
    pub(crate) fn knock(&self) {
        while send(&self.0, &[1], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) == Err(Errno::INTR) {}
    }
}

impl AsFd for Knocker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The peer sent something else for a doorbell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotADoorbell;

impl fmt::Display for NotADoorbell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the peer sent a descriptor that is not of a doorbell")
    }
}

impl std::error::Error for NotADoorbell {}

/// Reads of one drain. A peer that follows the protocol knocks once for each sleep, so there is hardly more than a byte; this
/// is for a thousand.
const READS_MAX: usize = 4;
