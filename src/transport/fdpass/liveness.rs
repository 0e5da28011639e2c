//! Who is at the other end of a stream, and whether that process is still alive.
//!
//! A stream ends when its last descriptor is closed, which a process forked from the peer may put off. A descriptor of the
//! process itself (pidfd) tells of its death in any case, also before its parent has heard of it.
//!
//! All of this is of the process that called `connect`, or, seen from the side that connected, `listen`: not of one that
//! was given the socket later.

#![forbid(unsafe_code)]

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use nix::sys::socket::{getsockopt, sockopt};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};

use crate::shm::refusal::{Step, ask};

/// Whose process is at the other end, when it connected or began to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// The process. `None`: it is of another namespace, and has no number in ours.
    pub(crate) pid: Option<i32>,
    /// Its user.
    pub(crate) uid: u32,
    /// Its group.
    pub(crate) gid: u32,
}

/// Whose process is at the other end of a Unix-domain stream.
pub(crate) fn credentials(stream: impl AsFd) -> io::Result<Credentials> {
    // Not rustix's, whose number of a process is never 0, as it is here for one of another namespace.
    let peer = getsockopt(&stream, sockopt::PeerCredentials)?;
    Ok(Credentials { pid: Some(peer.pid()).filter(|pid| *pid > 0), uid: peer.uid(), gid: peer.gid() })
}

/// Tells when a process is dead. Readable from then on.
#[derive(Debug)]
pub(crate) struct Liveness(OwnedFd);

impl Liveness {
    /// Of the process at the other end of a Unix-domain stream.
    ///
    /// # Errors
    /// The system does not know how, has no descriptors left, or the process is of a namespace above ours or dead already.
    pub(crate) fn of_peer(stream: impl AsFd) -> io::Result<Self> {
        ask(Step::Watch)?;
        if let Ok(process) = getsockopt(&stream, sockopt::PeerPidfd) {
            return Ok(Self(process));
        }
        Self::by_number(stream)
    }

    /// Before Linux 6.5: by its number, which may be another's by now if it died.
    pub(super) fn by_number(stream: impl AsFd) -> io::Result<Self> {
        let pid = credentials(&stream)?.pid.and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
        Ok(Self(pidfd_open(pid, PidfdFlags::empty())?))
    }

    /// Is it dead? A system call.
    pub(crate) fn is_dead(&self) -> bool {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).is_ok() && !fds[0].revents().is_empty()
    }
}

impl AsFd for Liveness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
