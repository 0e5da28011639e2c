// cargo run --release --example two_sources -- --count 1000
//! One thread, two sources: tasks from a PULL and weather from a SUB, through one poller.
//!
//! ```text
//!  ventilator PUSH ──► PULL ┐
//!                           ├─ poller, reader
//!  station PUB ──────► SUB  ┘
//! ```

mod flags;
mod parts;

use parts::{Act, Outcome, Part, Stage};
use ringway::{
    Poller, Pub, Pull, Push, Sub,
    poll::{Events, Interest},
};

/// Which socket an event is of.
const TASKS: u64 = 0;
const WEATHER: u64 = 1;

fn main() -> Outcome<()> {
    let flags = parts::flags(&[("--count", "1000"), ("--tasks", "inproc://tasks"), ("--weather", "inproc://weather")])?;
    let parts = [Part::new("ventilator", ventilator), Part::new("station", station), Part::new("reader", reader)];
    parts::play(&flags, &parts)
}

/// Hands out `--count` tasks.
fn ventilator(stage: &Stage) -> Outcome<Act> {
    let count = stage.flags.number("--count")?;
    let mut tasks = Push::builder().linger(parts::patience(stage.flags)?).build(stage.context)?;
    tasks.bind(stage.flags.text("--tasks"))?;
    Ok(Box::new(move || {
        for task in 0..count {
            tasks.send(task.to_le_bytes())?;
        }
        Ok(String::new())
    }))
}

/// Publishes `--count` updates of each of two places.
fn station(stage: &Stage) -> Outcome<Act> {
    let (count, patience) = (stage.flags.number("--count")?, parts::patience(stage.flags)?);
    let mut weather = Pub::builder().no_drop().linger(patience).build(stage.context)?;
    weather.bind(stage.flags.text("--weather"))?;
    Ok(Box::new(move || {
        weather.wait_for_subscribers(1, patience)?;
        for hour in 0..count {
            weather.send(format!("10001 {hour}"))?;
            weather.send(format!("10002 {hour}"))?;
        }
        Ok(String::new())
    }))
}

/// Takes all tasks, and all updates of one place, as they come.
fn reader(stage: &Stage) -> Outcome<Act> {
    let count = stage.flags.number("--count")?;
    let (mut tasks, mut weather) =
        (Pull::new(stage.context)?, Sub::builder().subscribe("10001 ").build(stage.context)?);
    tasks.connect(stage.flags.text("--tasks"))?;
    weather.connect(stage.flags.text("--weather"))?;
    let mut poller = Poller::new();
    poller.add(&mut tasks, Interest::READABLE, TASKS)?;
    poller.add(&mut weather, Interest::READABLE, WEATHER)?;
    Ok(Box::new(move || {
        let mut events = Events::new();
        let (mut done, mut seen) = (0, 0);
        while done < count || seen < count {
            poller.wait(&mut events, None)?;
            // As long as a socket has more, the next wait names it again; so one message of each is fair to both.
            for event in &events {
                match event.data {
                    TASKS => {
                        tasks.recv()?;
                        done += 1;
                    }
                    _ => {
                        weather.recv()?;
                        seen += 1;
                    }
                }
            }
        }
        Ok(format!("reader: {done} tasks and {seen} updates through one poller"))
    }))
}
