//! What a receiver costs while it waits: its thread's CPU time as a share of the time that passes; in a process of its
//! own, that of all the process's threads.

#![forbid(unsafe_code)]

use std::{
    num::NonZeroU64,
    time::{Duration, Instant},
};

use ringway::latency::{Clock, Pace};

use super::ping_pong::{GRACE, wait_until};
use crate::{
    crew::Crew,
    end::{Relax, Road, Rx, Terms, Tx},
    failure::Failure,
    payload::{Header, Ledger, check},
    pins::Pins,
};

/// How to run it.
#[derive(Clone, Debug)]
pub(crate) struct Idle {
    /// Messages a second; none at all if absent.
    pub(crate) rate: Option<NonZeroU64>,
    pub(crate) time: Duration,
    pub(crate) pins: Pins,
}

impl Idle {
    /// The share of a core the receiving thread used, 0 to 1.
    pub(crate) fn run<R: Road>(&self, road: &R, terms: &Terms) -> Result<f64, Failure> {
        let mut crew = Crew::new();
        let (mut senders, mut receiver) = road.funnel(terms, 1)?;
        let mut sender = senders.remove(0);
        let (name, size, plan) = (road.name(), terms.size, self.clone());
        crew.start("receiver", self.pins.last(), move || {
            receive(&mut receiver, name, size, Account::Thread).map(Some)
        })?;
        crew.start("sender", self.pins.first(), move || plan.send(&mut sender).map(|()| None))?;
        let results = crew.finish(self.time + GRACE)?;
        Ok(results.into_iter().flatten().next().expect("the receiver is one of the crew"))
    }

    /// Lets the receiver settle, tells it to look at its clocks, and leaves it in peace or sends at the rate.
    pub(crate) fn send(&self, sender: &mut impl Tx) -> Result<(), Failure> {
        let clock = Clock::new();
        sender.send(Header::new(0, 0))?;
        let end_ns = clock.now_ns() + self.time.as_nanos() as u64;
        let mut next = 1;
        if let Some(rate) = self.rate {
            let pace = Pace::new(clock.now_ns(), rate);
            while pace.intended_ns(next) < end_ns {
                wait_until(&clock, pace.intended_ns(next), self.relax());
                sender.send(Header::new(0, next))?;
                next += 1;
            }
        }
        wait_until(&clock, end_ns, self.relax());
        sender.send(Header::stop(0))
    }

    fn relax(&self) -> Relax {
        self.pins.relax()
    }
}

/// Whose CPU time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    Thread,
    Process,
}

/// From the first message to the last.
pub(crate) fn receive(receiver: &mut impl Rx, road: String, size: usize, account: Account) -> Result<f64, Failure> {
    let mut ledger = Ledger::new(1);
    let mut fault = None;
    let mut begin = None;
    while !ledger.is_complete() {
        receiver.recv(|bytes| {
            fault = check(bytes, size).and_then(|header| ledger.note(header)).err();
        })?;
        if let Some(corrupt) = fault {
            return Err(Failure::Corrupt { road, corrupt });
        }
        if begin.is_none() {
            begin = Some((cpu_time(account)?, Instant::now()));
        }
    }
    let (cpu_before, wall_before) = begin.expect("one message came");
    Ok((cpu_time(account)? - cpu_before).as_secs_f64() / wall_before.elapsed().as_secs_f64())
}

/// CPU time of the calling thread or of the process, user and system together.
#[cfg(target_os = "linux")]
fn cpu_time(account: Account) -> Result<Duration, Failure> {
    let clock = match account {
        Account::Thread => rustix::time::ClockId::ThreadCPUTime,
        Account::Process => rustix::time::ClockId::ProcessCPUTime,
    };
    // The kernel gives no negative or denormal time here.
    Duration::try_from(rustix::time::clock_gettime(clock))
        .map_err(|_| Failure::Asked("the CPU time makes no sense".to_owned()))
}

#[cfg(not(target_os = "linux"))]
fn cpu_time(_: Account) -> Result<Duration, Failure> {
    Err(Failure::Asked("CPU time is read only on Linux".to_owned()))
}
