//! What a receiver costs while it waits: its thread's CPU time as a share of the time that passes.

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
        let (mut senders, receiver) = road.funnel(terms, 1)?;
        let sender = senders.remove(0);
        let (name, size, plan) = (road.name(), terms.size, self.clone());
        crew.start("receiver", self.pins.last(), move || receive(receiver, name, size).map(Some))?;
        crew.start("sender", self.pins.first(), move || plan.send(sender).map(|()| None))?;
        let results = crew.finish(self.time + GRACE)?;
        Ok(results.into_iter().flatten().next().expect("the receiver is one of the crew"))
    }

    /// Lets the receiver settle, tells it to look at its clocks, and leaves it in peace or sends at the rate.
    fn send(&self, mut sender: impl Tx) -> Result<(), Failure> {
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

/// From the first message to the last.
fn receive(mut receiver: impl Rx, road: String, size: usize) -> Result<f64, Failure> {
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
            begin = Some((thread_cpu_time()?, Instant::now()));
        }
    }
    let (cpu_before, wall_before) = begin.expect("one message came");
    Ok((thread_cpu_time()? - cpu_before).as_secs_f64() / wall_before.elapsed().as_secs_f64())
}

/// CPU time of the calling thread, user and system together.
#[cfg(target_os = "linux")]
fn thread_cpu_time() -> Result<Duration, Failure> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    // The kernel gives no negative or denormal time here.
    Duration::try_from(time).map_err(|_| Failure::Asked("the thread's CPU time makes no sense".to_owned()))
}

#[cfg(not(target_os = "linux"))]
fn thread_cpu_time() -> Result<Duration, Failure> {
    Err(Failure::Asked("a thread's CPU time is read only on Linux".to_owned()))
}
