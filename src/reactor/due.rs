//! The next alarm as a descriptor, for those who sleep on a reactor's epoll in place of a thread that turns it.

#![forbid(unsafe_code)]

use std::{io, time::Instant};

use mio::{Registry, Token};

/// See the module.
#[derive(Debug)]
pub(super) struct Due {
    /// When it fires.
    at: Option<Instant>,
    #[cfg(target_os = "linux")]
    timer: std::os::fd::OwnedFd,
}

#[cfg(target_os = "linux")]
impl Due {
    /// Makes `registry` ready, under `token`, when it fires.
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        use std::os::fd::AsRawFd;

        use mio::{Interest, unix::SourceFd};
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { at: None, timer })
    }

    /// It has fired: the alarm is rung, or waits for another one.
    pub(super) fn fired(&mut self) {
        self.at = None;
    }

    /// Has it fire when `next` says. One that is not wanted any more fires for nothing.
    pub(super) fn set(&mut self, next: Option<Instant>) {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

        let Some(at) = next.filter(|next| self.at != Some(*next)) else { return };
        let left = at.saturating_duration_since(Instant::now());
        // Zero would stop it. Longer than the kernel counts is for ever.
        let value = Timespec::try_from(left.max(std::time::Duration::from_nanos(1)));
        let Ok(it_value) = value else { return };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        if timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once).is_ok() {
            self.at = Some(at);
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Due {
    pub(super) fn new(_: &Registry, _: Token) -> io::Result<Self> {
        Ok(Self { at: None })
    }

    pub(super) fn fired(&mut self) {
        self.at = None;
    }

    pub(super) fn set(&mut self, next: Option<Instant>) {
        self.at = next;
    }
}
