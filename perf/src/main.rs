//! Measures Ringway against the machine's own floor.
//!
//! - `cli`: the command line. `commands`: what each subcommand does. `tour`: what happens without one.
//! - `fanout`: one publisher to many subscribers.
//! - `base`: what a road is measured against. `streams`: what bare sockets do. `floor`: what the machine allows. `road`: Ringway's roads. `peers`: other libraries' (feature `peers`).
//! - `end`: the seam between them and the loops in `work`. `subject`: any road as one object. `party`: whose road it is.
//! - `apart`: roads whose other end is in a child process. `links`: what connections cost.
//! - `zmq`: roads through a C library that has libzmq's functions. `capi`: two such libraries, taking turns.
//! - `actors`: actor libraries, taking turns.
//! - `payload`: messages whose every byte can be checked. `crew`, `pins`: threads and where they run.
//! - `report`, `plot`, `progress`, `heap`: results, and how to get at them.

mod actors;
mod apart;
mod base;
mod capi;
mod cli;
mod commands;
#[cfg(feature = "peers")]
mod compare;
mod crew;
mod end;
mod failure;
mod fanout;
mod floor;
mod heap;
mod links;
mod party;
mod payload;
#[cfg(feature = "peers")]
mod peers;
mod pins;
mod plot;
mod progress;
mod report;
mod road;
mod streams;
mod subject;
mod tour;
mod work;
mod zmq;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        None => tour::run(&cli.tour),
        Some(Command::Calibrate(asked)) => commands::calibrate(asked),
        Some(Command::Latency(asked)) => commands::latency(asked),
        Some(Command::Throughput(asked)) => commands::throughput(asked),
        Some(Command::Fanout(asked)) => fanout::run(asked),
        Some(Command::Idle(asked)) => commands::idle(asked),
        Some(Command::Memory(asked)) => commands::memory(asked),
        Some(Command::Churn(asked)) => links::churn::run(asked),
        Some(Command::Connect(asked)) => links::connect::run(asked),
        Some(Command::Actors(asked)) => actors::run(asked),
        Some(Command::Capi(asked)) => capi::run(asked),
        Some(Command::Turn(turn)) => capi::turn::run(turn),
        Some(Command::Peer(job)) => apart::answer::run(job),
        #[cfg(feature = "peers")]
        Some(Command::Compare(asked)) => compare::run(asked),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("ringway-perf: {failure}");
            ExitCode::FAILURE
        }
    }
}
