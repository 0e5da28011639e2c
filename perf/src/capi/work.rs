//! What is done with each library.

#![forbid(unsafe_code)]

use std::fmt;

use clap::ValueEnum;

use crate::{
    cli::{Capi, CapiCalls, CapiWork, Pattern, Transport},
    report::value_name,
};

/// One work, over one transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) kind: CapiWork,
    pub(super) transport: Transport,
    pub(super) pattern: Pattern,
    /// Bytes of every message.
    pub(super) size: usize,
    pub(super) calls: CapiCalls,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transport, pattern, size, calls, .. } = *self;
        write!(f, "{} {}, {size} B, {}", value_name(transport), value_name(pattern), value_name(calls))
    }
}

/// Those that were asked for, in the order of their tables.
pub(super) fn all(asked: &Capi) -> Vec<Work> {
    fn among<T: Copy + PartialEq>(wanted: &[T], value: T) -> bool {
        wanted.is_empty() || wanted.contains(&value)
    }
    let table = if asked.python.is_some() { IN_PYTHON } else { IN_C };
    let transports = Transport::value_variants().iter().filter(|&&transport| among(&asked.transport, transport));
    let mut works: Vec<Work> = transports
        .flat_map(|&transport| {
            table.iter().map(move |&(kind, pattern, size, calls)| Work { kind, transport, pattern, size, calls })
        })
        .filter(|work| {
            among(&asked.work, work.kind) && among(&asked.pattern, work.pattern) && among(&asked.calls, work.calls)
        })
        .collect();
    works.sort_by_key(|work| work.kind == CapiWork::OneWay);
    works
}

type Line = (CapiWork, Pattern, usize, CapiCalls);

/// What a program in C does.
const IN_C: &[Line] = {
    use CapiCalls::{Msg, Poll, Recv};
    use CapiWork::{OneWay, RoundTrip};
    use Pattern::{DealerRouter, Pair, PubSub, PushPull, ReqRep};
    &[
        (RoundTrip, Pair, 64, Recv),
        (RoundTrip, Pair, 64, Poll),
        (RoundTrip, Pair, 64, Msg),
        (RoundTrip, ReqRep, 64, Recv),
        (RoundTrip, ReqRep, 64, Poll),
        (RoundTrip, DealerRouter, 64, Recv),
        (RoundTrip, DealerRouter, 64, Poll),
        (OneWay, PushPull, 64, Recv),
        (OneWay, PushPull, 64, Poll),
        (OneWay, PushPull, 64, Msg),
        (OneWay, PushPull, 1 << 10, Recv),
        (OneWay, PushPull, 64 << 10, Recv),
        (OneWay, PushPull, 64 << 10, Msg),
        (OneWay, PubSub, 64, Recv),
    ]
};

/// What one in Python does: pyzmq copies what it sends and receives.
const IN_PYTHON: &[Line] = {
    use CapiCalls::{Asyncio, Poll, Recv};
    use CapiWork::{OneWay, RoundTrip};
    use Pattern::{DealerRouter, Pair, PubSub, PushPull, ReqRep};
    &[
        (RoundTrip, Pair, 64, Recv),
        (RoundTrip, Pair, 64, Poll),
        (RoundTrip, Pair, 64, Asyncio),
        (RoundTrip, ReqRep, 64, Recv),
        (RoundTrip, DealerRouter, 64, Recv),
        (OneWay, PushPull, 64, Recv),
        (OneWay, PushPull, 64, Poll),
        (OneWay, PushPull, 64, Asyncio),
        (OneWay, PushPull, 1 << 10, Recv),
        (OneWay, PushPull, 64 << 10, Recv),
        (OneWay, PubSub, 64, Recv),
    ]
};

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn works(line: &str) -> Vec<Work> {
        let words = ["ringway-perf", "capi"].into_iter().chain(line.split_whitespace());
        let Some(Command::Capi(asked)) = Cli::try_parse_from(words).unwrap().command else { panic!("another command") };
        all(&asked)
    }

    #[test]
    fn everything_is_done_over_every_transport() {
        assert_eq!(works("").len(), 3 * IN_C.len());
        assert_eq!(works("--python python3").len(), 3 * IN_PYTHON.len());
    }

    #[test]
    fn what_was_asked_for_is_done() {
        let works = works("--transport tcp,ipc --work one-way --pattern push-pull --calls msg");
        assert_eq!(works.len(), 4);
        assert_eq!(works[0].to_string(), "tcp push-pull, 64 B, msg");
    }

    #[test]
    fn what_is_not_there_leaves_nothing() {
        assert!(works("--work one-way --pattern req-rep").is_empty());
        assert!(works("--calls asyncio").is_empty());
    }
}
