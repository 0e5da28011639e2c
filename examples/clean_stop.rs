// cargo run --release --example clean_stop -- --count 100000 --workers 2
//! A pipeline that stops cleanly: on SIGINT or SIGTERM, or after `--count` tasks, the source stops first, everything
//! accepted is worked off, and only then the context is shut down.
//!
//! ```text
//!  signals ── PAIR ──► source PUSH ──► PULL workers PUSH ──► PULL sink
//! ```

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

const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Outcome<()> {
    // A count of 0: until a signal comes.
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
    poller.add(&mut sink, Interest::READABLE, 0)?;
    poller.add(&mut ledger, Interest::READABLE, 0)?;
    let mut events = Events::new();
    let (mut done, mut accepted) = (0, None);
    while accepted != Some(done) {
        // Once the source has stopped, what it sent is on its way.
        if poller.wait(&mut events, accepted.map(|_| PATIENCE))? == 0 {
            return Err(format!("{done} of {accepted:?} tasks are done, and no more come").into());
        }
        done += u64::from(sink.try_recv().is_ok());
        if let Ok(total) = ledger.try_recv() {
            accepted = Some(u64::from_le_bytes(total[0].as_bytes().try_into()?));
        }
    }
    let reason = producing.join().expect("the source does not panic")?;
    signals_end.close();
    let report = context.shutdown(Duration::ZERO);
    for worker in working {
        worker.join().expect("a worker does not panic")?;
    }
    watching.join().expect("the watcher does not panic");
    println!("stopped by {reason}");
    println!("accepted {}, done {done}, lost {}", accepted.unwrap_or(0), report.undelivered + report.unread);
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
