// cargo run --release --example clean_stop -- --count 100000 --workers 2
//! A pipeline that stops cleanly: on SIGINT or SIGTERM, or after `--count` tasks, the source stops first, everything
//! accepted is worked off, and only then the context is shut down. A count of 0 is none: it goes on until a signal comes.
//!
//! ```text
//!  signals ── PAIR ──► source PUSH ──► PULL workers PUSH ──► PULL sink
//!                         └──────────── PAIR, "accepted" ──────►┘
//! ```
//!
//! All of it is one process, which gets the signal and draws up the balance: accepted = done + lost, and none is lost.

mod flags;

use std::{error::Error, io::Write, thread, time::Duration};

use ringway::{
    Context, Pair, Poller, Pull, Push,
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
        ("--tasks", "inproc://tasks"),
        ("--results", "inproc://results"),
    ])?;
    let (count, workers) = (flags.number("--count")?, flags.positive("--workers")?);
    let context = Context::new();

    // Signals become messages: the rest of the program knows of sockets only.
    let (mut stopper, mut stop) = (Pair::new(&context)?, Pair::new(&context)?);
    stopper.bind("inproc://stop")?;
    stop.connect("inproc://stop")?;
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let signals_end = signals.handle();
    let watching = thread::spawn(move || signals.forever().next().map(|signal| stopper.send(signal.to_le_bytes())));

    let (mut source, mut sink) = (Push::new(&context)?, Pull::new(&context)?);
    source.bind(flags.text("--tasks"))?;
    sink.bind(flags.text("--results"))?;
    let working = (0..workers)
        .map(|_| {
            let (mut tasks, mut results) = (Pull::new(&context)?, Push::new(&context)?);
            tasks.connect(flags.text("--tasks"))?;
            results.connect(flags.text("--results"))?;
            Ok(thread::spawn(move || work(tasks, results)))
        })
        .collect::<Outcome<Vec<_>>>()?;
    let (mut ledger, mut totals) = (Pair::new(&context)?, Pair::new(&context)?);
    ledger.bind("inproc://ledger")?;
    totals.connect("inproc://ledger")?;
    let producing = thread::spawn(move || produce(source, stop, totals, count));

    println!("ready");
    std::io::stdout().flush()?;
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
    for worker in working {
        worker.join().expect("a worker does not panic")?;
    }
    signals_end.close();
    watching.join().expect("the watcher does not panic");
    // Asked again when every socket is dropped: then all that was lost has been counted.
    drop((sink, ledger));
    let report = context.shutdown(PATIENCE);
    let (accepted, lost) = (accepted.unwrap_or(0), report.undelivered + report.unread);
    println!("stopped by {reason}");
    println!("accepted {accepted} = done {done} + lost {lost}");
    if accepted != done || lost != 0 {
        return Err("not a clean stop".into());
    }
    Ok(())
}

/// Sends tasks until told to stop, or `count` if that is not 0; then says how many were accepted. Returns why it stopped.
fn produce(mut tasks: Push, mut stop: Pair, mut ledger: Pair, count: u32) -> Outcome<String> {
    let mut accepted = 0_u64;
    let reason = loop {
        if let Ok(signal) = stop.try_recv() {
            break match i32::from_le_bytes(signal[0].as_bytes().try_into()?) {
                SIGINT => "SIGINT".to_owned(),
                _ => "SIGTERM".to_owned(),
            };
        }
        if count > 0 && accepted == u64::from(count) {
            break "its count".to_owned();
        }
        tasks.send(accepted.to_le_bytes())?;
        accepted += 1;
    };
    ledger.send(accepted.to_le_bytes())?;
    Ok(reason)
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
