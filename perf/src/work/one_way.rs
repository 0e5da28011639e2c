//! As many messages as go, from one or several senders to one receiver that checks every byte.

#![forbid(unsafe_code)]

use std::time::Duration;

use ringway::latency::Clock;

use super::ping_pong::GRACE;
use crate::{
    crew::Crew,
    end::{Road, Rx, Terms, Tx},
    failure::Failure,
    payload::{Header, Ledger, check},
    pins::Pins,
};

/// How to run it.
#[derive(Clone, Debug)]
pub(crate) struct OneWay {
    /// Messages counted, over all senders, unless time is up before.
    pub(crate) count: u64,
    /// Messages before those.
    pub(crate) warmup: u64,
    /// Messages a call; 1 uses the calls for single messages.
    pub(crate) batch: u64,
    pub(crate) senders: usize,
    /// Senders stop after this long.
    pub(crate) limit: Duration,
    pub(crate) pins: Pins,
}

/// What came out, as the receiver saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    pub(crate) messages: u64,
    pub(crate) msgs_per_s: f64,
}

impl OneWay {
    pub(crate) fn run<R: Road>(&self, road: &R, terms: &Terms) -> Result<Flow, Failure> {
        let mut crew = Crew::new();
        let (senders, mut receiver) = road.funnel(terms, self.senders)?;
        let (plan, name, size) = (self.clone(), road.name(), terms.size);
        crew.start("receiver", self.pins.last(), move || plan.receive(&mut receiver, name, size).map(Some))?;
        for (n, mut sender) in senders.into_iter().enumerate() {
            let plan = self.clone();
            crew.start("sender", self.pins.sender(n), move || plan.send(&mut sender, n as u16).map(|()| None))?;
        }
        let results = crew.finish(self.limit + GRACE)?;
        Ok(results.into_iter().flatten().next().expect("the receiver is one of the crew"))
    }

    pub(crate) fn send(&self, sender: &mut impl Tx, number: u16) -> Result<(), Failure> {
        let clock = Clock::new();
        let end_ns = clock.now_ns() + self.limit.as_nanos() as u64;
        let total = (self.warmup + self.count).div_ceil(self.senders as u64);
        let mut next = 0;
        while next < total && clock.now_ns() < end_ns {
            let stretch_end = total.min(next + STRETCH.next_multiple_of(self.batch));
            if self.batch == 1 {
                for n in next..stretch_end {
                    sender.send(Header::new(number, n))?;
                }
                next = stretch_end;
            }
            while next < stretch_end {
                let batch_end = stretch_end.min(next + self.batch);
                sender.send_batch(number, next..batch_end)?;
                next = batch_end;
            }
        }
        sender.send(Header::stop(number))
    }

    pub(crate) fn receive(&self, receiver: &mut impl Rx, road: String, size: usize) -> Result<Flow, Failure> {
        let clock = Clock::new();
        let mut ledger = Ledger::new(self.senders);
        let mut fault = None;
        let (mut arrived, mut begin) = (0, (0, clock.now_ns()));
        while !ledger.is_complete() {
            let mut see = |bytes: &[u8]| {
                if let Err(corrupt) = check(bytes, size).and_then(|header| ledger.note(header)) {
                    fault.get_or_insert(corrupt);
                }
            };
            arrived += match self.batch {
                1 => receiver.recv(&mut see).map(|()| 1)?,
                batch => receiver.recv_batch(batch as usize, &mut see)? as u64,
            };
            if let Some(corrupt) = fault {
                return Err(Failure::Corrupt { road, corrupt });
            }
            if begin.0 == 0 && arrived > self.warmup {
                begin = (arrived, clock.now_ns());
            }
        }
        // The senders' stops are among them, as a message each.
        let messages = arrived - begin.0;
        let elapsed_s = (clock.now_ns() - begin.1).max(1) as f64 / 1e9;
        Ok(Flow { messages, msgs_per_s: messages as f64 / elapsed_s })
    }
}

/// Messages between two looks at the clock.
const STRETCH: u64 = 1_024;
