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
mod parts;

use std::collections::BTreeMap;

use parts::{Act, Outcome, Part, Stage};
use ringway::{Message, Pull, Push, socket::RecvError};

fn main() -> Outcome<()> {
    let flags = parts::flags(&[
        ("--count", "10000"),
        ("--workers", "2"),
        ("--tasks", "inproc://tasks"),
        ("--results", "inproc://results"),
    ])?;
    let parts = [
        Part::new("ventilator", ventilator),
        Part::serving("worker", worker).copies(flags.positive("--workers")?),
        Part::new("sink", sink),
    ];
    parts::play(&flags, &parts)
}

/// Sends 1 to `--count`. Whichever worker's turn it is gets the next one; one whose queue is full is skipped.
fn ventilator(stage: &Stage) -> Outcome<Act> {
    let count = stage.flags.number("--count")?;
    let mut tasks = Push::builder().linger(parts::patience(stage.flags)?).build(stage.context)?;
    tasks.bind(stage.flags.text("--tasks"))?;
    Ok(Box::new(move || {
        for task in 1..=count {
            tasks.send(task.to_le_bytes())?;
        }
        Ok(String::new())
    }))
}

/// Squares tasks until there are no more. A result has two frames: whose it is, and the square.
fn worker(stage: &Stage) -> Outcome<Act> {
    let number = stage.number;
    let (mut tasks, mut results) = (Pull::new(stage.context)?, Push::new(stage.context)?);
    tasks.connect(stage.flags.text("--tasks"))?;
    results.connect(stage.flags.text("--results"))?;
    Ok(Box::new(move || {
        loop {
            let task = match tasks.recv() {
                Ok(message) => u32::from_le_bytes(message[0][..].try_into()?),
                Err(RecvError::ContextClosed) => return Ok(String::new()),
                Err(error) => return Err(error.into()),
            };
            let square = u64::from(task) * u64::from(task);
            results.send(Message::from_iter([&number.to_le_bytes()[..], &square.to_le_bytes()]))?;
        }
    }))
}

/// Takes `--count` results; reports how many came from each worker, and their sum.
fn sink(stage: &Stage) -> Outcome<Act> {
    let count = stage.flags.number("--count")?;
    let mut results = Pull::new(stage.context)?;
    results.bind(stage.flags.text("--results"))?;
    Ok(Box::new(move || {
        let (mut total, mut shares) = (0, BTreeMap::<u32, u32>::new());
        for _ in 0..count {
            let result = results.recv()?;
            *shares.entry(u32::from_le_bytes(result[0][..].try_into()?)).or_default() += 1;
            total += u128::from(u64::from_le_bytes(result[1][..].try_into()?));
        }
        let mut report: Vec<String> =
            shares.iter().map(|(worker, tasks)| format!("worker {worker}: {tasks} tasks")).collect();
        report.push(format!("total {total} of {count} results"));
        Ok(report.join("\n"))
    }))
}
