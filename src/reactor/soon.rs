//! Visits that may wait a little, so that what comes in the meantime is done in one go.

#![forbid(unsafe_code)]

use std::{io, time::Duration};

use mio::{Registry, Token};

use super::Id;
use crate::sync::Mutex;

/// See the module.
#[derive(Debug)]
pub(super) struct Soon {
    asked: Mutex<Asked>,
    after: Duration,
    #[cfg(target_os = "linux")]
    timer: std::os::fd::OwnedFd,
}

#[derive(Debug, Default)]
struct Asked {
    ids: Vec<Id>,
    /// The timer has been started and has not been heard yet.
    is_started: bool,
}

#[cfg(target_os = "linux")]
impl Soon {
    /// Its timer tells of itself under `token`, `after` the first asking.
    pub(super) fn new(registry: &Registry, token: Token, after: Duration) -> io::Result<Self> {
        use std::os::fd::AsRawFd;

        use mio::{Interest, unix::SourceFd};
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { asked: Mutex::default(), after, timer })
    }

    /// Asks for a visit of `id`. False: there is no timer.
    pub(super) fn ask(&self, id: Id) -> bool {
        let mut asked = self.asked.lock();
        if !asked.is_started && self.start().is_err() {
            return false;
        }
        asked.is_started = true;
        asked.ids.push(id);
        true
    }

    /// The timer was heard: adds those who asked to `visits`.
    pub(super) fn take(&self, visits: &mut Vec<Id>) {
        let mut asked = self.asked.lock();
        asked.is_started = false;
        visits.append(&mut asked.ids);
        // Never read: it is told of by edges, and being started again makes one.
    }

    fn start(&self) -> io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec { tv_sec: 0, tv_nsec: self.after.subsec_nanos().into() },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
impl Soon {
    pub(super) fn new(_: &Registry, _: Token, after: Duration) -> io::Result<Self> {
        Ok(Self { asked: Mutex::default(), after })
    }

    pub(super) fn ask(&self, _: Id) -> bool {
        false
    }

    pub(super) fn take(&self, visits: &mut Vec<Id>) {
        let mut asked = self.asked.lock();
        asked.is_started = false;
        visits.append(&mut asked.ids);
    }
}
