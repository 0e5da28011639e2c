// cargo run --release --example clean_stop -- --count 100000 --workers 2
//! A pipeline that stops cleanly: on SIGINT or SIGTERM, or after `--count` tasks, the source stops first, everything
//! accepted is worked off, and only then the context is shut down. A count of 0 is none: it goes on until a signal comes.
//!
//! ```text
//!  signals ── PAIR ──► source PUSH ──► PULL workers PUSH ──► PULL sink
//!                         └──────────── PAIR, "accepted" ──────►┘
//! ```
//!
//! Who has the source gets the signal and draws up the balance: accepted = done + lost, and none is lost. `--role` plays
//! the source and the sink, or the workers, alone. Workers on their own go on until a signal comes, and have theirs last.

mod flags;

use std::{error::Error, io::Write, thread, time::Duration};

use ringway::{
    Context, Message, Pair, Poller, Pull, Push,
    poll::{Events, Interest},
    socket::RecvError,
};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Which socket an event is of.
const RESULTS: u64 = 0;
const LEDGER: u64 = 1;
/// How long the next result may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Outcome<()> {
    let flags = flags::Flags::parse(&[
        ("--count", "0"),
        ("--workers", "2"),
        ("--role", "all"),
        ("--tasks", "inproc://tasks"),
        ("--results", "inproc://results"),
    ])?;
    let (count, workers) = (flags.number("--count")?, flags.positive("--workers")?);
    let (has_source, has_workers) = match flags.text("--role") {
        "all" => (true, true),
        "source" => (true, false),
        "worker" => (false, true),
        other => return Err(format!("--role is all or one of source, worker, not {other:?}").into()),
    };
    let context = Context::new();

    // Signals become messages: the rest of the program knows of sockets only.
    let (mut stopper, mut stop) = (Pair::new(&context)?, Pair::new(&context)?);
    stopper.bind("inproc://stop")?;
    stop.connect("inproc://stop")?;
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let signals_end = signals.handle();
    let watching = thread::spawn(move || signals.forever().next().map(|signal| stopper.send(signal.to_le_bytes())));

    let source = if has_source { Some(Source::bind(&context, &flags)?) } else { None };
    let workers = (0..if has_workers { workers } else { 0 })
        .map(|_| {
            let (mut tasks, mut results) = (Pull::new(&context)?, Push::builder().linger(PATIENCE).build(&context)?);
            tasks.connect(flags.text("--tasks"))?;
            results.connect(flags.text("--results"))?;
            Ok(thread::spawn(move || work(tasks, results)))
        })
        .collect::<Outcome<Vec<_>>>()?;
    println!("ready");
    std::io::stdout().flush()?;
    let (reason, balance) = match source {
        Some(source) => source.run(&context, stop, count)?,
        None => (name(&stop.recv()?)?, None),
    };
    context.shutdown(Duration::ZERO);
    for worker in workers {
        worker.join().expect("a worker does not panic")?;
    }
    signals_end.close();
    watching.join().expect("the watcher does not panic");
    // Asked again when every socket is dropped: then all that was lost has been counted.
    let report = context.shutdown(PATIENCE);
    println!("stopped by {reason}");
    if let Some((accepted, done)) = balance {
        let lost = report.undelivered + report.unread;
        println!("accepted {accepted} = done {done} + lost {lost}");
        if accepted != done || lost != 0 {
            return Err("not a clean stop".into());
        }
    }
    Ok(())
}

/// The source and the sink, not yet at work.
struct Source {
    tasks: Push,
    results: Pull,
}

impl Source {
    fn bind(context: &Context, flags: &flags::Flags) -> Outcome<Self> {
        let (mut tasks, mut results) = (Push::builder().linger(PATIENCE).build(context)?, Pull::new(context)?);
        tasks.bind(flags.text("--tasks"))?;
        results.bind(flags.text("--results"))?;
        Ok(Self { tasks, results })
    }

    /// Works until told to stop and the last result is there. Returns why it stopped, and how much was accepted and done.
    fn run(self, context: &Context, stop: Pair, count: u32) -> Outcome<(&'static str, Option<(u64, u64)>)> {
        let Self { tasks, results: mut sink } = self;
        let (mut ledger, mut totals) = (Pair::new(context)?, Pair::new(context)?);
        ledger.bind("inproc://ledger")?;
        totals.connect("inproc://ledger")?;
        let producing = thread::spawn(move || produce(tasks, stop, totals, count));

        let mut poller = Poller::new();
        poller.add(&mut sink, Interest::READABLE, RESULTS)?;
        poller.add(&mut ledger, Interest::READABLE, LEDGER)?;
        let mut events = Events::new();
        let (mut done, mut accepted) = (0, None);
        while accepted != Some(done) {
            if poller.wait(&mut events, Some(PATIENCE))? == 0 {
                // What is missing does not come any more, and that goes into the balance.
                break;
            }
            for event in &events {
                match event.data {
                    RESULTS => {
                        sink.recv()?;
                        done += 1;
                    }
                    // The source has stopped; what it sent is on its way.
                    _ => accepted = Some(u64::from_le_bytes(ledger.recv()?[0].as_bytes().try_into()?)),
                }
            }
        }
        context.shutdown(Duration::ZERO);
        let reason = producing.join().expect("the source does not panic")?;
        Ok((reason, Some((accepted.unwrap_or(0), done))))
    }
}

/// Sends tasks until told to stop, or `count` if that is not 0; then says how many were accepted. Returns why it stopped.
fn produce(mut tasks: Push, mut stop: Pair, mut ledger: Pair, count: u32) -> Outcome<&'static str> {
    let mut accepted = 0_u64;
    let reason = loop {
        if let Ok(signal) = stop.try_recv() {
            break name(&signal)?;
        }
        if count > 0 && accepted == u64::from(count) {
            break "its count";
        }
        tasks.send(accepted.to_le_bytes())?;
        accepted += 1;
    };
    ledger.send(accepted.to_le_bytes())?;
    Ok(reason)
}

/// Which signal it was.
fn name(signal: &Message) -> Outcome<&'static str> {
    Ok(match i32::from_le_bytes(signal[0].as_bytes().try_into()?) {
        SIGINT => "SIGINT",
        _ => "SIGTERM",
    })
}

/// Works until the context is shut down.
fn work(mut tasks: Pull, mut results: Push) -> Outcome<()> {
    loop {
        let task = match tasks.recv() {
            Ok(task) => task,
            Err(RecvError::ContextClosed) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        results.send(task)?;
    }
}
