//! What a child process is to do, as its command line.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::{
    cli::{Match, Wait},
    end::Terms,
    party::Party,
    pins::Pins,
    report::value_name,
    zmq::Api,
};

/// Everything a child has to know; the parent writes it and clap reads it.
#[derive(Args, Clone, Debug)]
pub(crate) struct Job {
    #[arg(long, value_enum)]
    pub(crate) part: Part,

    #[command(flatten)]
    pub(crate) party: Party,

    /// The parent's; the child takes the last.
    #[arg(long)]
    pub(crate) pin: Pins,

    #[arg(long)]
    pub(crate) size: usize,

    #[arg(long, value_enum)]
    pub(crate) wait: Wait,

    #[arg(long)]
    pub(crate) hwm: usize,

    /// Peers of the receiver that say nothing.
    #[arg(long)]
    pub(crate) silent: u16,

    #[arg(long)]
    pub(crate) warmup: u64,

    #[arg(long)]
    pub(crate) batch: u64,

    #[arg(long)]
    pub(crate) senders: usize,

    #[arg(long)]
    pub(crate) subscribers: u16,

    #[arg(long = "match", value_enum)]
    pub(crate) matching: Match,

    /// The C library, where the party is one and it is not the system's libzmq.
    #[arg(long)]
    pub(crate) load: Option<PathBuf>,
}

/// The child's part in the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Binds and sends everything back.
    Pong,
    /// Binds, receives and counts.
    Receive,
    /// Binds, receives and watches its CPU time.
    Idle,
    /// Connects subscribers and counts what they get.
    Subscribe,
    /// Takes connections of bare sockets.
    Accept,
    /// Binds and sends everything back, to whoever connects.
    Echo,
    /// Binds and receives one message from each of the senders.
    Sink,
    /// Binds, holds connections, and says what they take.
    Host,
}

impl Job {
    /// With nothing but what every part needs.
    pub(crate) fn new(part: Part, party: Party, silent: u16, terms: &Terms, pins: &Pins) -> Self {
        Self {
            part,
            party,
            pin: pins.clone(),
            size: terms.size,
            wait: terms.wait,
            hwm: terms.high_water_mark,
            silent,
            warmup: 0,
            batch: 1,
            senders: 1,
            subscribers: 1,
            matching: Match::All,
            // Both processes use the same.
            load: Api::loaded().map(|api| api.path.clone()),
        }
    }

    pub(crate) fn terms(&self) -> Terms {
        Terms { size: self.size, wait: self.wait, relax: self.pin.relax(), high_water_mark: self.hwm }
    }

    /// As arguments of the hidden subcommand.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Self { part, party, pin, size, wait, hwm, silent, warmup, batch, senders, subscribers, matching, load } =
            self;
        let mut arguments = vec![SUBCOMMAND.to_owned()];
        let mut add = |flag: &str, value: String| arguments.push(format!("--{flag}={value}"));
        add("part", value_name(*part));
        add("library", value_name(party.library));
        add("transport", value_name(party.transport));
        if let Some(pattern) = party.pattern {
            add("pattern", value_name(pattern));
        }
        add("context", value_name(party.drive));
        if party.plain {
            arguments.push("--plain".to_owned());
        }
        if party.loan {
            arguments.push("--loan".to_owned());
        }
        let mut add = |flag: &str, value: String| arguments.push(format!("--{flag}={value}"));
        add("pin", pin.to_string());
        add("size", size.to_string());
        add("wait", value_name(*wait));
        add("hwm", hwm.to_string());
        add("silent", silent.to_string());
        add("warmup", warmup.to_string());
        add("batch", batch.to_string());
        add("senders", senders.to_string());
        add("subscribers", subscribers.to_string());
        add("match", value_name(*matching));
        if let Some(load) = load {
            add("load", load.display().to_string());
        }
        arguments
    }
}

/// Hidden: only a parent calls it.
pub(crate) const SUBCOMMAND: &str = "peer";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{
        cli::{Cli, Command, Drive, Pattern, Transport},
        party::Party,
    };

    #[test]
    fn what_a_parent_writes_its_child_reads() {
        let pins = Pins::choose();
        let terms = Terms { size: 70, wait: Wait::Park, relax: pins.relax(), high_water_mark: 9 };
        let party =
            Party { plain: true, loan: true, ..Party::ours(Transport::Ipc, Pattern::PubSub, Drive::CallerDriven) };
        let job = Job {
            warmup: 3,
            batch: 4,
            senders: 5,
            subscribers: 6,
            matching: Match::Distinct,
            load: Some("lib/zmq.so".into()),
            ..Job::new(Part::Subscribe, party, 7, &terms, &pins)
        };
        let line = ["ringway-perf".to_owned()].into_iter().chain(job.arguments());
        let Some(Command::Peer(read)) = Cli::try_parse_from(line).unwrap().command else { panic!("another command") };
        assert_eq!(format!("{read:?}"), format!("{job:?}"));
    }
}
