//! One measurement: a process that loads one library, and what it does with it. Between two processes, the other one is
//! a child of its own, as in every measurement.

#![forbid(unsafe_code)]

use std::{path::Path, time::Duration};

use super::{seen::Seen, work::Work};
use crate::{
    apart::{child::Child, control::Control},
    cli::{CapiCalls, CapiWork, Drive, Turn, Wait},
    end::Terms,
    failure::Failure,
    party::{Library, Party},
    pins::Pins,
    report::value_name,
    work::{
        one_way::OneWay,
        ping_pong::{GRACE, PingPong},
    },
    zmq::Api,
};

/// Has a process of its own measure a work, and waits for what it saw.
pub(super) fn start(work: &Work, load: &Path, hwm: usize, limit: Duration, pins: &Pins) -> Result<Seen, Failure> {
    let Work { kind, transport, pattern, size, calls } = *work;
    let library = match calls {
        CapiCalls::Recv => Library::LibzmqBuffers,
        CapiCalls::Poll => Library::LibzmqPolled,
        CapiCalls::Msg => Library::Libzmq,
        CapiCalls::Asyncio => return Err(Failure::Asked("asyncio is Python's".to_owned())),
    };
    let party = Party {
        library,
        transport,
        pattern: Some(pattern),
        drive: Drive::Default,
        plain: false,
        shares: false,
        loan: false,
    };
    let turn = Turn { load: load.to_owned(), party, work: kind, pin: pins.clone(), size, hwm, limit };
    // Its own limit comes first, and says more.
    let line = Child::again(turn.arguments())?.run(None, limit + 2 * GRACE, |talk| talk.hear("done"))?;
    Seen::from_line(&line)
}

/// What that process does.
pub(crate) fn run(turn: &Turn) -> Result<(), Failure> {
    let control = Control::new()?;
    let api = Api::load(&turn.load)?;
    let Turn { party, pin: pins, size, hwm, limit, .. } = turn.clone();
    let terms = Terms { size, wait: Wait::Park, relax: pins.relax(), high_water_mark: hwm };
    let subject = party.subject(0)?;
    let seen = match turn.work {
        CapiWork::RoundTrip => {
            let plan = PingPong { count: u64::MAX, warmup: WARMUP_TRIPS, rate: None, limit, pins, pairs: 1 };
            Seen::trips(&subject.ping_pong(&plan, &terms)?, api.version())
        }
        CapiWork::OneWay => {
            // A quarter of a small load, a good part of a large one's first second.
            let warmup = if size <= 1 << 10 { WARMUP_MESSAGES } else { WARMUP_MESSAGES / 100 };
            let plan = OneWay { count: MESSAGES_MAX, warmup, batch: 1, senders: 1, limit, pins };
            Seen::flow(subject.one_way(&plan, &terms)?, api.version())
        }
    };
    drop(subject);
    control.tell_done(&seen.line())
}

impl Turn {
    /// As arguments of the hidden subcommand.
    fn arguments(&self) -> Vec<String> {
        let Self { load, party, work, pin, size, hwm, limit } = self;
        let Party { library, transport, pattern, drive, plain: _, shares: _, loan: _ } = *party;
        let mut arguments = vec!["turn".to_owned()];
        let mut add = |flag: &str, value: String| arguments.push(format!("--{flag}={value}"));
        add("load", load.display().to_string());
        add("library", value_name(library));
        add("transport", value_name(transport));
        if let Some(pattern) = pattern {
            add("pattern", value_name(pattern));
        }
        add("context", value_name(drive));
        add("work", value_name(*work));
        add("pin", pin.to_string());
        add("size", size.to_string());
        add("hwm", hwm.to_string());
        add("limit", limit.as_secs_f64().to_string());
        arguments
    }
}

/// At most: they take no more than a part of the time.
const WARMUP_TRIPS: u64 = 10_000;

const WARMUP_MESSAGES: u64 = 10_000;

/// Time ends a turn, not this.
const MESSAGES_MAX: u64 = u64::MAX / 2;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command, Pattern, Transport};

    #[test]
    fn what_is_written_is_read() {
        let party = Party {
            library: Library::LibzmqPolled,
            transport: Transport::Ipc,
            pattern: Some(Pattern::ReqRep),
            drive: Drive::Default,
            plain: false,
            shares: false,
            loan: false,
        };
        let limit = Duration::from_millis(1_500);
        let turn = Turn {
            load: "libzmq.so.5".into(),
            party,
            work: CapiWork::OneWay,
            pin: Pins::choose(),
            size: 64,
            hwm: 7,
            limit,
        };
        let line = ["ringway-perf".to_owned()].into_iter().chain(turn.arguments());
        let Some(Command::Turn(read)) = Cli::try_parse_from(line).unwrap().command else { panic!("another command") };
        assert_eq!(format!("{read:?}"), format!("{turn:?}"));
    }
}
