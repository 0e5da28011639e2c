//! The command line: what each flag means and which values make sense. `links`: of what measures connections. `actors`: of
//! what compares actor libraries. `capi`: of what compares C libraries.

#![forbid(unsafe_code)]

mod actors;
mod capi;
mod links;

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::{
    actors::{Actors, Case},
    capi::{Capi, CapiCalls, CapiWork, Turn},
    links::{Churn, Connect, Links},
};
#[cfg(feature = "peers")]
use crate::peers::Peer;
use crate::{
    apart::job::Job,
    end::Terms,
    party::Party,
    payload::SIZE_MIN,
    pins::Pins,
    work::{fan_out::FanOut, one_way::OneWay, ping_pong::PingPong},
};

/// Measures Ringway against what the machine itself allows.
///
/// Without a subcommand: the tour. It calibrates the machine, measures every road, prints percentiles as multiples of
/// the floor, and writes plots, in under a minute. Every byte received is checked; the program fails if one is wrong.
#[derive(Debug, Parser)]
#[command(name = "ringway-perf", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) tour: Tour,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What the machine itself allows: cache line, wake-up, operations, copies.
    Calibrate(Calibrate),
    /// Round trips, as fast as they go or at a fixed rate.
    Latency(Latency),
    /// One way, as many as go.
    Throughput(Throughput),
    /// One publisher to many subscribers, every one of whom gets all it wants.
    Fanout(Fanout),
    /// CPU use of a receiver that waits: for nothing, and for a message a millisecond.
    Idle(Idle),
    /// Live heap of a connected pair, before and after it carried messages; with --peers, memory of accepted peers.
    Memory(Memory),
    /// Connections that are made, used once and ended, one after the other.
    Churn(Churn),
    /// Many peers that connect at once.
    Connect(Connect),
    /// Ringway and other libraries, taking turns in one run.
    #[cfg(feature = "peers")]
    Compare(Compare),
    /// Actors: messages between them, and what it takes to start them, in one library after the other.
    Actors(Actors),
    /// The functions of the C library against libzmq's, in a program that calls either.
    Capi(Capi),
    /// One measurement of `capi`, which starts it.
    #[command(hide = true)]
    Turn(Turn),
    /// The other process of a measurement, which starts it.
    #[command(hide = true)]
    Peer(Job),
}

#[derive(Args, Debug)]
pub(crate) struct Tour {
    /// Folder for plots, histograms and results.
    #[arg(long, value_name = "FOLDER", default_value = "ringway-perf-out")]
    pub(crate) out: PathBuf,

    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Args, Debug)]
pub(crate) struct Calibrate {
    #[command(flatten)]
    pub(crate) place: Place,

    /// Write the figures as JSON; - is standard output, in place of the text.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Latency {
    #[command(flatten)]
    pub(crate) setup: Setup,

    /// Messages a second, each timed from when it should have been sent. As fast as it goes if absent.
    #[arg(long, value_name = "PER_SECOND")]
    pub(crate) rate: Option<NonZeroU64>,

    #[command(flatten)]
    pub(crate) company: Company,

    /// Sockets on which nothing happens, which the pinging thread waits for as well, through a poller; beside it, taking
    /// turns, the same without. Needs pair.
    #[arg(long, value_name = "SOCKETS", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) idle_sockets: Option<u16>,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Throughput {
    #[command(flatten)]
    pub(crate) setup: Setup,

    /// Messages a call.
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub(crate) batch: u64,

    /// Threads that send to the one receiver; more than one needs a pattern with several senders.
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub(crate) senders: u16,

    #[command(flatten)]
    pub(crate) company: Company,

    /// Write the result as JSON; - is standard output, in place of the text.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Fanout {
    /// Sockets that subscribe, all received from by one thread.
    #[arg(long, default_value = "16", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) subscribers: u16,

    /// Who wants what.
    #[arg(long = "match", value_enum, default_value = "all")]
    pub(crate) matching: Match,

    /// Kind of endpoint.
    #[arg(long, value_enum, default_value = "inproc")]
    pub(crate) transport: Transport,

    /// Bytes of every message; 64, 64k and 1m are understood.
    #[arg(long, default_value = "8", value_parser = parse_size)]
    pub(crate) size: usize,

    /// Messages a call of the publisher.
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub(crate) batch: u64,

    /// How the publisher waits for room, and the receiving thread for messages: spinning, or with a poller.
    #[arg(long, value_enum, default_value = "spin")]
    pub(crate) wait: Wait,

    /// Who works for connections between processes.
    #[arg(long = "context", value_enum, default_value = "default")]
    pub(crate) drive: Drive,

    /// Over ipc: through the kernel, not through memory that the two processes share.
    #[arg(long)]
    pub(crate) plain: bool,

    /// High-water mark of each side.
    #[arg(long, default_value = "1000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) hwm: u32,

    #[command(flatten)]
    pub(crate) place: Place,

    #[command(flatten)]
    pub(crate) repeat: Repeat,

    /// Ringway alone, without other libraries and rings.
    #[cfg(feature = "peers")]
    #[arg(long)]
    pub(crate) alone: bool,

    /// Write the result as JSON; - is standard output, in place of the text.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Idle {
    #[command(flatten)]
    pub(crate) route: Route,

    #[command(flatten)]
    pub(crate) place: Place,

    /// Messages a second of the sporadic part.
    #[arg(long, value_name = "PER_SECOND", default_value = "1000")]
    pub(crate) rate: NonZeroU64,

    /// Write the result as JSON; - is standard output, in place of the text.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Memory {
    #[command(flatten)]
    pub(crate) route: Route,

    /// Connected pairs counted.
    #[arg(long, default_value = "100", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) pairs: u64,

    /// Messages through each of them.
    #[arg(long, default_value = "1000")]
    pub(crate) count: u64,

    /// In place of pairs, so many peers that a PULL in a process of its own has accepted. Needs tcp or ipc.
    #[arg(long, value_name = "PEERS", conflicts_with = "pairs", value_parser = clap::value_parser!(u16).range(1..=60_000))]
    pub(crate) peers: Option<u16>,

    /// Ringway alone, without other libraries.
    #[cfg(feature = "peers")]
    #[arg(long)]
    alone: bool,

    /// Write the result as JSON; - is standard output, in place of the text.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[cfg(feature = "peers")]
#[derive(Args, Debug)]
pub(crate) struct Compare {
    /// What to do with each library.
    #[arg(long, value_enum)]
    pub(crate) work: Work,

    /// Sockets of this pattern, beside PAIR or PUSH/PULL. Libraries without patterns cannot take part then.
    #[arg(long, value_enum)]
    pub(crate) pattern: Option<Pattern>,

    /// Which libraries, with commas between them; all that can do the work if absent. One that cannot is an error.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) peers: Vec<Peer>,

    /// Kind of endpoint.
    #[arg(long, value_enum, default_value = "inproc")]
    pub(crate) transport: Transport,

    /// Bytes of every message; 64, 64k and 1m are understood.
    #[arg(long, default_value = "32", value_parser = parse_size)]
    pub(crate) size: usize,

    /// Messages a queue or one side of a socket holds.
    #[arg(long, default_value = "1000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) hwm: u32,

    #[command(flatten)]
    pub(crate) place: Place,

    #[command(flatten)]
    pub(crate) repeat: Repeat,

    /// Messages a second of sporadic work.
    #[arg(long, value_name = "PER_SECOND", default_value = "1000")]
    pub(crate) rate: NonZeroU64,

    /// Messages a call of batched work.
    #[arg(long, default_value = "64", value_parser = clap::value_parser!(u64).range(2..=65_536))]
    pub(crate) batch: u64,

    /// Write the table as JSON; - is standard output, in place of the text.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Where threads run and how much time is taken.
#[derive(Args, Clone, Debug)]
pub(crate) struct Place {
    /// CPUs to pin to: the measuring or sending threads', then the answering or receiving one's. Or: none.
    #[arg(long, value_name = "A,B")]
    pub(crate) pin: Option<Pins>,

    /// Both threads or processes on the first of the two CPUs.
    #[arg(long)]
    pub(crate) same_core: bool,

    /// A few seconds in place of a minute: figures good enough to see that everything runs. RINGWAY_PERF_QUICK=1 is the
    /// same.
    #[arg(long)]
    quick: bool,
}

/// What messages travel on.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Route {
    /// Kind of endpoint.
    #[arg(long, value_enum, default_value = "inproc")]
    pub(crate) transport: Transport,

    /// Kind of sockets.
    #[arg(long, value_enum, default_value = "pair")]
    pub(crate) pattern: Pattern,

    /// Bytes of every message; 64, 64k and 1m are understood.
    #[arg(long, default_value = "32", value_parser = parse_size)]
    pub(crate) size: usize,

    /// How a waiting thread waits.
    #[arg(long, value_enum, default_value = "adaptive")]
    pub(crate) wait: Wait,

    /// Who works for connections between processes.
    #[arg(long = "context", value_enum, default_value = "default")]
    pub(crate) drive: Drive,

    /// Over ipc: through the kernel, not through memory that the two processes share.
    #[arg(long)]
    pub(crate) plain: bool,

    /// Each message is written in room that the socket lends for it: over ipc, where the other process reads it.
    #[arg(long)]
    pub(crate) loan: bool,

    /// High-water mark of each side.
    #[arg(long, default_value = "1000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) hwm: u32,
}

/// Who else is connected to a receiver.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Company {
    /// Peers connected to the receiver, of which those that are active talk; beside it, taking turns, the same with the
    /// active ones alone. Needs push-pull or dealer-router.
    #[arg(long, value_name = "PEERS", value_parser = clap::value_parser!(u16).range(2..=10_000))]
    pub(crate) peers: Option<u16>,

    /// How many of them talk.
    #[arg(long, requires = "peers", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1))]
    pub(crate) active: u16,
}

/// A load and how often to repeat it.
#[derive(Args, Clone, Debug)]
pub(crate) struct Setup {
    #[command(flatten)]
    pub(crate) route: Route,

    #[command(flatten)]
    pub(crate) place: Place,

    #[command(flatten)]
    pub(crate) repeat: Repeat,
}

/// How much of a load, and how often.
#[derive(Args, Clone, Debug)]
pub(crate) struct Repeat {
    /// Messages counted in a repetition. By default some seconds' worth.
    #[arg(long)]
    pub(crate) count: Option<NonZeroU64>,

    /// Messages before those. By default as many as make everything warm.
    #[arg(long)]
    pub(crate) warmup: Option<u64>,

    /// Repetitions; medians of theirs are shown, and the maximum of all.
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) reps: u32,

    /// Seconds after which a repetition ends, however many messages it has counted.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub(crate) limit: Duration,
}

/// Where results go.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Output {
    /// Write the result as JSON; - is standard output, in place of the text.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Write the histogram as HdrHistogram percentile text.
    #[arg(long, value_name = "FILE")]
    pub(crate) hgrm: Option<PathBuf>,

    /// Write percentile curve and density as a plot.
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Within the process.
    Inproc,
    /// Between two processes, over the loopback interface.
    Tcp,
    /// Between two processes, over a Unix-domain socket.
    Ipc,
}

/// Who works for a context's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Drive {
    /// A thread of its own, and callers where they can.
    Default,
    /// Callers alone.
    CallerDriven,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pattern {
    /// Two equal ends.
    Pair,
    /// Senders and a receiver; round trips use one such road each way.
    PushPull,
    /// A publisher that drops nothing and a subscriber that wants everything; round trips use one such road each way.
    PubSub,
    /// Requests, each of which awaits its reply: round trips only.
    ReqRep,
    /// A router that answers each dealer by its id; one way, dealers send to it.
    DealerRouter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Match {
    /// Every subscriber wants every message.
    All,
    /// Each subscriber wants a topic of its own; messages of all topics in turn.
    Distinct,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wait {
    /// Never sleeps.
    Spin,
    /// Spins while that is likely to pay, then sleeps.
    Adaptive,
    /// Sleeps at once.
    Park,
}

#[cfg(feature = "peers")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// Round trips, both threads spinning on their own cores.
    PingPong,
    /// One way, one message a call.
    OneWay,
    /// One way, many messages a call where the library has such a call.
    Batched,
    /// Round trips at a fixed rate, default ways of waiting.
    Sporadic,
    /// Round trips as fast as they go, whoever waits sleeping at once.
    Parked,
    /// Round trips with both threads on one core, ways of waiting that give it up.
    SameCore,
    /// Two round-trip pairs at once, four threads on two cores, default ways of waiting.
    FourThreads,
    /// Heap of a connected pair.
    Memory,
}

impl Place {
    /// The CPUs asked for, or two well-chosen ones; says so on standard error if they are one and the same.
    pub(crate) fn pins(&self) -> Pins {
        let pins = self.pin.clone().unwrap_or_else(Pins::choose);
        if self.same_core {
            return pins.same_core();
        }
        if pins.share_cpu() {
            eprintln!("warning: both threads share one CPU; figures are of switching between threads, not of messages");
        }
        pins
    }

    pub(crate) fn is_quick(&self) -> bool {
        self.quick || std::env::var_os("RINGWAY_PERF_QUICK").is_some_and(|value| value != "0" && !value.is_empty())
    }
}

impl Route {
    pub(crate) fn ours(&self) -> Party {
        Party { plain: self.plain, loan: self.loan, ..Party::ours(self.transport, self.pattern, self.drive) }
    }

    pub(crate) fn terms(&self, pins: &Pins) -> Terms {
        Terms { size: self.size, wait: self.wait, relax: pins.relax(), high_water_mark: self.hwm as usize }
    }
}

impl Transport {
    /// Are the two ends in two processes?
    pub(crate) fn is_between_processes(self) -> bool {
        self != Self::Inproc
    }
}

impl Pattern {
    /// May many senders talk to one receiver?
    pub(crate) fn has_many_senders(self) -> bool {
        matches!(self, Self::PushPull | Self::PubSub | Self::DealerRouter)
    }
}

impl Company {
    /// How many are connected to the receiver of `pattern` and say nothing; `None` if nobody asked for company.
    pub(crate) fn silent(self, pattern: Pattern, senders: u16) -> Result<Option<u16>, String> {
        match self.peers {
            None => Ok(None),
            Some(_) if !matches!(pattern, Pattern::PushPull | Pattern::DealerRouter) => {
                Err("--peers needs --pattern push-pull or dealer-router".to_owned())
            }
            Some(_) if senders != self.active => Err("--peers goes with one sender, the active one".to_owned()),
            Some(peers) => Ok(Some(peers - self.active)),
        }
    }
}

impl Memory {
    pub(crate) fn is_alone(&self) -> bool {
        #[cfg(feature = "peers")]
        return self.alone;
        #[cfg(not(feature = "peers"))]
        true
    }
}

impl Fanout {
    pub(crate) fn plan(&self, pins: &Pins) -> FanOut {
        let setup = self.setup();
        let deliveries = if self.matching == Match::All { u64::from(self.subscribers) } else { 1 };
        let per_s = (20_000_000 / deliveries).min(1_000_000_000 / self.size as u64).max(1);
        FanOut {
            subscribers: self.subscribers,
            matching: self.matching,
            count: self.repeat.count.map_or_else(|| setup.seconds_of(per_s), NonZeroU64::get),
            warmup: self.repeat.warmup.unwrap_or(setup.seconds_of(per_s) / 50),
            batch: self.batch,
            limit: setup.limit(),
            pins: pins.clone(),
        }
    }

    /// As a load from one sender to one receiver: the floor's.
    pub(crate) fn setup(&self) -> Setup {
        let Self { transport, size, wait, drive, plain, hwm, .. } = *self;
        let route = Route { transport, pattern: Pattern::PubSub, size, wait, drive, plain, loan: false, hwm };
        Setup { route, place: self.place.clone(), repeat: self.repeat.clone() }
    }
}

impl Setup {
    pub(crate) fn ping_pong(&self, rate: Option<NonZeroU64>, pins: &Pins) -> PingPong {
        let (per_s, warmup) = match rate {
            Some(rate) => (rate.get(), 50),
            None => (200_000, 10_000),
        };
        PingPong {
            count: self.repeat.count.map_or_else(|| self.seconds_of(per_s), NonZeroU64::get),
            warmup: self.repeat.warmup.unwrap_or(warmup),
            rate,
            limit: self.limit(),
            pins: pins.clone(),
            pairs: 1,
        }
    }

    pub(crate) fn one_way(&self, batch: u64, senders: u16, pins: &Pins) -> OneWay {
        // Some gigabyte, or some ten million messages.
        let per_s = (10_000_000).min(1_000_000_000 / self.route.size as u64).max(1);
        OneWay {
            count: self.repeat.count.map_or_else(|| self.seconds_of(per_s), NonZeroU64::get),
            warmup: self.repeat.warmup.unwrap_or(self.seconds_of(per_s) / 50),
            batch,
            senders: usize::from(senders),
            limit: self.limit(),
            pins: pins.clone(),
        }
    }

    /// Fewer repetitions of a quick run show nothing but that it runs.
    pub(crate) fn reps(&self) -> u32 {
        if self.place.is_quick() { 1 } else { self.repeat.reps }
    }

    fn seconds_of(&self, per_s: u64) -> u64 {
        if self.place.is_quick() { (per_s / 10).max(20) } else { 5 * per_s }
    }

    fn limit(&self) -> Duration {
        if self.place.is_quick() { self.repeat.limit.min(QUICK_LIMIT) } else { self.repeat.limit }
    }
}

/// Longest repetition of a quick run.
const QUICK_LIMIT: Duration = Duration::from_millis(300);

fn parse_size(text: &str) -> Result<usize, String> {
    let lower = text.to_ascii_lowercase();
    let (digits, unit) = match lower.as_bytes().last() {
        Some(b'k') => (&lower[..lower.len() - 1], 1 << 10),
        Some(b'm') => (&lower[..lower.len() - 1], 1 << 20),
        _ => (lower.as_str(), 1),
    };
    let size = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
    match size {
        Some(size) if (SIZE_MIN..=SIZE_MAX).contains(&size) => Ok(size),
        Some(_) => Err(format!("a message has {SIZE_MIN} bytes, for its header, to {SIZE_MAX}")),
        None => Err("a number of bytes, as in 64, 64k or 1m".to_owned()),
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|limit| !limit.is_zero() && *limit <= LIMIT_MAX)
        .ok_or_else(|| "a number of seconds above 0 and at most 86400".to_owned())
}

/// Large enough for any road, small enough to have a few in memory.
const SIZE_MAX: usize = 64 << 20;

const LIMIT_MAX: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, error::ErrorKind};

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("ringway-perf").chain(line.split_whitespace()))
    }

    fn setup(line: &str) -> Setup {
        match parse(line).unwrap().command {
            Some(Command::Latency(latency)) => latency.setup,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn nothing_asked_is_the_tour() {
        let cli = parse("--out somewhere --quick").unwrap();
        assert!(cli.command.is_none() && cli.tour.place.quick);
        assert_eq!(cli.tour.out, PathBuf::from("somewhere"));
    }

    #[test]
    fn sizes_have_units_and_limits() {
        assert_eq!(setup("latency --size 64").route.size, 64);
        assert_eq!(setup("latency --size 64K").route.size, 65_536);
        assert_eq!(setup("latency --size 1m").route.size, 1 << 20);
        for size in ["7", "0", "65m", "x", "k", "", "99999999999999999999k"] {
            assert!(parse_size(size).is_err(), "{size}");
        }
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        for line in [
            "latency --transport smoke",
            "latency --pattern pubsub",
            "latency --wait never",
            "latency --rate 0",
            "latency --count 0",
            "latency --reps 0",
            "latency --pin 0",
            "latency --limit 0",
            "latency --limit -1",
            "latency --limit NaN",
            "throughput --batch 0",
            "throughput --senders 0",
            "throughput --hwm 0",
            "memory --pairs 0",
            "fanout --subscribers 0",
            "fanout --match some",
            "latency --peers 1",
            "latency --peers 8 --active 2",
            "latency --idle-sockets 0",
            "actors",
            "actors --case dancing",
            "actors --case big --actors 0",
            "nonsense",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert_eq!(parse("latency --rate").unwrap_err().kind(), ErrorKind::InvalidValue);
    }

    #[test]
    fn company_is_for_receivers_of_many() {
        let company = Company { peers: Some(8), active: 1 };
        assert_eq!(company.silent(Pattern::PushPull, 1), Ok(Some(7)));
        assert_eq!(company.silent(Pattern::DealerRouter, 1), Ok(Some(7)));
        assert!(company.silent(Pattern::Pair, 1).is_err());
        assert!(company.silent(Pattern::PushPull, 2).is_err());
        assert_eq!(Company { peers: None, active: 1 }.silent(Pattern::Pair, 1), Ok(None));
    }

    #[test]
    fn paced_runs_last_about_as_long_as_unpaced_ones() {
        let setup = setup("latency");
        let pins = Pins::choose();
        assert_eq!(setup.ping_pong(NonZeroU64::new(1_000), &pins).count, 5_000);
        assert_eq!(setup.ping_pong(None, &pins).count, 1_000_000);
    }
}
