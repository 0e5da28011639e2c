//! What measures connections rather than messages.

#![forbid(unsafe_code)]

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{Drive, Place, QUICK_LIMIT, Transport, Wait, parse_seconds};

#[derive(Args, Debug)]
pub(crate) struct Churn {
    #[command(flatten)]
    pub(crate) links: Links,

    /// Seconds of each library in each repetition.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_seconds)]
    limit: Duration,

    /// Write the result as JSON; - is standard output, in place of the text.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Connect {
    #[command(flatten)]
    pub(crate) links: Links,

    /// Sockets that connect to one.
    #[arg(long, default_value = "1000", value_parser = clap::value_parser!(u16).range(1..=15_000))]
    pub(crate) peers: u16,

    /// Write the result as JSON; - is standard output, in place of the text.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Connections and who makes them.
#[derive(Args, Debug)]
pub(crate) struct Links {
    /// Kind of endpoint: tcp or ipc.
    #[arg(long, value_enum, default_value = "tcp")]
    pub(crate) transport: Transport,

    /// How a waiting thread waits.
    #[arg(long, value_enum, default_value = "adaptive")]
    pub(crate) wait: Wait,

    /// Who works for the connections.
    #[arg(long = "context", value_enum, default_value = "default")]
    pub(crate) drive: Drive,

    #[command(flatten)]
    pub(crate) place: Place,

    /// Repetitions, of which medians are shown.
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    reps: u32,

    /// Ringway alone, without other libraries.
    #[cfg(feature = "peers")]
    #[arg(long)]
    alone: bool,
}

impl Churn {
    /// Of each library in each repetition.
    pub(crate) fn time(&self) -> Duration {
        if self.links.place.is_quick() { self.limit.min(QUICK_LIMIT / 3) } else { self.limit }
    }
}

impl Links {
    pub(crate) fn reps(&self) -> u32 {
        if self.place.is_quick() { 1 } else { self.reps }
    }

    pub(crate) fn is_alone(&self) -> bool {
        #[cfg(feature = "peers")]
        return self.alone;
        #[cfg(not(feature = "peers"))]
        true
    }
}
