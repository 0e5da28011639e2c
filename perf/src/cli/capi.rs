//! What compares two libraries with libzmq's functions.

#![forbid(unsafe_code)]

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::{Pattern, Place, QUICK_LIMIT, Transport, parse_seconds};
use crate::{party::Party, pins::Pins, zmq};

#[derive(Args, Debug)]
pub(crate) struct Capi {
    /// The library that is measured. By default libringway_zmq.so beside this program.
    #[arg(long, value_name = "LIBRARY")]
    pub(crate) ours: Option<PathBuf>,

    /// The one it is measured against; a name without a slash is looked for where the system looks.
    #[arg(long, value_name = "LIBRARY", default_value = zmq::SYSTEM)]
    pub(crate) theirs: PathBuf,

    /// A python3 that has pyzmq: the works as a Python program, as it is and with ours in place of its libzmq
    /// (LD_PRELOAD), in place of the works in C.
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<PathBuf>,

    /// Which works, with commas between them; both if absent.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) work: Vec<CapiWork>,

    /// Over what, with commas between them; everything if absent.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) transport: Vec<Transport>,

    /// Between which sockets, with commas between them; all of each work's if absent.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) pattern: Vec<Pattern>,

    /// By which calls, with commas between them; all if absent.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) calls: Vec<CapiCalls>,

    /// High-water mark of each side.
    #[arg(long, default_value = "1000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) hwm: u32,

    #[command(flatten)]
    pub(crate) place: Place,

    /// Repetitions, of which medians are shown.
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    reps: u32,

    /// Seconds of each library in each repetition of each work.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_seconds)]
    limit: Duration,

    /// Write the tables as JSON; - is standard output, in place of the text.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CapiWork {
    /// A message there and back.
    RoundTrip,
    /// As many messages as go, one way.
    OneWay,
}

/// How a program sends and receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CapiCalls {
    /// zmq_send, and zmq_recv that waits. In Python: send and recv.
    Recv,
    /// zmq_send, and zmq_poll before each zmq_recv that does not wait. In Python: a Poller.
    Poll,
    /// zmq_msg_send, and zmq_msg_recv that waits. Not in Python.
    Msg,
    /// Not in C. In Python: zmq.asyncio.
    Asyncio,
}

/// One measurement of one library, in a process of its own.
#[derive(Args, Clone, Debug)]
pub(crate) struct Turn {
    /// The library.
    #[arg(long)]
    pub(crate) load: PathBuf,

    #[command(flatten)]
    pub(crate) party: Party,

    #[arg(long, value_enum)]
    pub(crate) work: CapiWork,

    #[arg(long)]
    pub(crate) pin: Pins,

    #[arg(long)]
    pub(crate) size: usize,

    #[arg(long)]
    pub(crate) hwm: usize,

    #[arg(long, value_parser = parse_seconds)]
    pub(crate) limit: Duration,
}

impl Capi {
    pub(crate) fn reps(&self) -> u32 {
        if self.place.is_quick() { 1 } else { self.reps }
    }

    /// Of each library in each repetition.
    pub(crate) fn time(&self) -> Duration {
        if self.place.is_quick() { self.limit.min(QUICK_LIMIT / 3) } else { self.limit }
    }
}
