//! The child's side: a socket that many connect to.

#![forbid(unsafe_code)]

use std::io::{Read, Write};

use super::taken::Taken;
use crate::{
    apart::{
        control::Control,
        job::{Job, Part},
    },
    end::{Halves, Meet, Rx, Terms, Tx},
    failure::Failure,
    floor::raw::{Listener, broken},
    heap,
    party::Visit,
    payload::{Corrupt, Ledger, check},
};

/// Takes connections of bare sockets, says a byte to each, and sees it closed, until one says something.
pub(crate) fn accept(job: &Job, control: &Control) -> Result<(), Failure> {
    let (listener, endpoint) = Listener::bind(job.party.transport).map_err(broken)?;
    control.tell_bound(&[endpoint])?;
    loop {
        let mut stream = listener.accept().map_err(broken)?;
        stream.write_all(&[0]).map_err(broken)?;
        if stream.read(&mut [0]).map_err(broken)? != 0 {
            return control.tell_done("");
        }
    }
}

/// A library's socket that many connect to.
pub(crate) struct Serve<'a> {
    pub(crate) job: &'a Job,
    pub(crate) control: &'a Control,
    pub(crate) terms: Terms,
}

impl Visit for Serve<'_> {
    type Out = ();

    fn visit(self, halves: impl Halves) -> Result<(), Failure> {
        match self.job.part {
            Part::Echo => self.echo(&halves),
            Part::Sink => self.sink(&halves),
            _ => self.host(&halves),
        }
    }
}

impl Serve<'_> {
    /// Sends everything back until the one that says stop.
    fn echo(self, halves: &impl Halves) -> Result<(), Failure> {
        let mut far = halves.far(&self.terms)?;
        self.control.tell_bound(&far.endpoints)?;
        let mut stop = false;
        while !stop {
            let mut arrived = Err(NOTHING);
            far.end.recv(|bytes| arrived = check(bytes, self.terms.size))?;
            let header = arrived.map_err(|corrupt| Failure::Corrupt { road: halves.name(), corrupt })?;
            far.end.send(header)?;
            stop = header.is_stop();
        }
        self.control.tell_done("")
    }

    /// Receives one message from each of so many senders.
    fn sink(self, halves: &impl Halves) -> Result<(), Failure> {
        let mut receiver = halves.rx(&self.terms)?;
        self.control.tell_bound(&receiver.endpoints)?;
        let mut ledger = Ledger::new(self.job.senders);
        for _ in 0..self.job.senders {
            receive(&mut receiver.end, &mut ledger, self.terms.size, &halves.name())?;
        }
        self.control.tell_done("")
    }

    /// Holds connections and says what they take, as often as asked.
    fn host(self, halves: &impl Halves) -> Result<(), Failure> {
        heap::start();
        let mut receiver = halves.rx(&self.terms)?;
        self.control.tell_bound(&receiver.endpoints)?;
        let mut ledger = Ledger::new(self.job.senders);
        loop {
            let line = self.control.next_driving(|| halves.drive())?;
            match line.split_once(' ').unwrap_or((&line, "")) {
                ("end", _) => return Ok(()),
                ("memory", _) => {}
                // All of them are there.
                ("connected", _) => receiver.end.meet()?,
                ("receive", messages) => {
                    for _ in 0..messages.parse().unwrap_or(0_u64) {
                        receive(&mut receiver.end, &mut ledger, self.terms.size, &halves.name())?;
                    }
                }
                _ => return Err(Failure::Control { line }),
            }
            self.control.tell(&format!("memory {}", Taken::now().to_line()))?;
        }
    }
}

fn receive(receiver: &mut impl Rx, ledger: &mut Ledger, size: usize, road: &str) -> Result<(), Failure> {
    let mut noted = Err(NOTHING);
    receiver.recv(|bytes| noted = check(bytes, size).and_then(|header| ledger.note(header)))?;
    noted.map_err(|corrupt| Failure::Corrupt { road: road.to_owned(), corrupt })
}

/// A receiver that has shown nothing.
const NOTHING: Corrupt = Corrupt::Size { expected: 1, found: 0 };
