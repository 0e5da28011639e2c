// cargo run --release --example pipeline -- --count 100000 --workers 4
//! A ventilator hands numbers to workers, they square them, a sink adds the squares up: PUSH and PULL.
//!
//! ```text
//!                     ┌► PULL worker 0 PUSH ─┐
//!  ventilator PUSH ───┼► PULL worker 1 PUSH ─┼──► PULL sink
//!                     └► …                  ─┘
//! ```
//!
//! A worker ends when the context is shut down: its `recv` then says so.

mod flags;

use std::{collections::BTreeMap, error::Error, thread, time::Duration};

use ringway::{Context, Message, Pull, Push, socket::RecvError};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let [count, workers] = flags::numbers([("--count", 10_000), ("--workers", 2)])?;
    if workers == 0 {
        return Err("--workers needs at least one".into());
    }
    let context = Context::new();
    let mut ventilator = Push::new(&context)?;
    ventilator.bind("inproc://tasks")?;
    let mut sink = Pull::new(&context)?;
    sink.bind("inproc://results")?;

    // Connected before the first task, so that all workers get their share; a socket may move to another thread.
    let workers: Vec<_> = (0..workers)
        .map(|number| {
            let (mut tasks, mut results) = (Pull::new(&context)?, Push::new(&context)?);
            tasks.connect("inproc://tasks")?;
            results.connect("inproc://results")?;
            Ok(thread::spawn(move || work(number, tasks, results)))
        })
        .collect::<Outcome<_>>()?;
    let ventilating = thread::spawn(move || ventilate(ventilator, count));

    let (total, shares) = add_up(sink, count)?;
    ventilating.join().expect("the ventilator does not panic")?;
    let report = context.shutdown(Duration::from_secs(5));
    for worker in workers {
        worker.join().expect("a worker does not panic")?;
    }

    for (worker, tasks) in &shares {
        println!("worker {worker}: {tasks} tasks");
    }
    println!("total {total} of {} results", shares.values().sum::<u32>());
    println!("lost {}", report.undelivered + report.unread);
    Ok(())
}

/// Sends 1 to `count`. Whichever worker's turn it is gets the next one; one whose queue is full is skipped.
fn ventilate(mut tasks: Push, count: u32) -> Outcome<()> {
    for task in 1..=count {
        tasks.send(task.to_le_bytes())?;
    }
    Ok(())
}

/// Squares tasks until there are no more. A result has two frames: whose it is, and the square.
fn work(number: u32, mut tasks: Pull, mut results: Push) -> Outcome<()> {
    loop {
        let task = match tasks.recv() {
            Ok(message) => u32::from_le_bytes(message[0][..].try_into()?),
            Err(RecvError::ContextClosed) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let square = u64::from(task) * u64::from(task);
        results.send(Message::from_iter([&number.to_le_bytes()[..], &square.to_le_bytes()]))?;
    }
}

/// Takes `count` results. Gives their sum, and how many came from each worker.
fn add_up(mut results: Pull, count: u32) -> Outcome<(u128, BTreeMap<u32, u32>)> {
    let (mut total, mut shares) = (0, BTreeMap::new());
    for _ in 0..count {
        let result = results.recv()?;
        *shares.entry(u32::from_le_bytes(result[0][..].try_into()?)).or_default() += 1;
        total += u128::from(u64::from_le_bytes(result[1][..].try_into()?));
    }
    Ok((total, shares))
}
