// cargo run --release --example two_sources -- --count 1000
//! One thread, two sources: tasks from a PULL and weather from a SUB, through one poller.
//!
//! ```text
//!  ventilator PUSH ──► PULL ┐
//!                           ├─ poller
//!  station PUB ──────► SUB  ┘
//! ```

mod flags;

use std::{error::Error, thread, time::Duration};

use ringway::{
    Context, Poller, Pub, Pull, Push, Sub,
    poll::{Events, Interest},
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Which socket an event is of.
const TASKS: u64 = 0;
const WEATHER: u64 = 1;
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Outcome<()> {
    let flags =
        flags::Flags::parse(&[("--count", "1000"), ("--tasks", "inproc://tasks"), ("--weather", "inproc://weather")])?;
    let count = flags.number("--count")?;
    let context = Context::new();
    let (mut ventilator, mut tasks) = (Push::new(&context)?, Pull::new(&context)?);
    let (mut station, mut weather) =
        (Pub::builder().no_drop().build(&context)?, Sub::builder().subscribe("10001 ").build(&context)?);
    ventilator.bind(flags.text("--tasks"))?;
    station.bind(flags.text("--weather"))?;
    tasks.connect(flags.text("--tasks"))?;
    weather.connect(flags.text("--weather"))?;

    let ventilating = thread::spawn(move || (0..count).try_for_each(|task| ventilator.send(task.to_le_bytes())));
    let reporting =
        thread::spawn(move || (0..count).try_for_each(|hour| station.send(format!("{} {hour}", 10_000 + hour % 2))));

    let mut poller = Poller::new();
    poller.add(&mut tasks, Interest::READABLE, TASKS)?;
    poller.add(&mut weather, Interest::READABLE, WEATHER)?;
    let mut events = Events::new();
    let (mut tasks_done, mut updates_seen) = (0, 0);
    while tasks_done < count || updates_seen < count / 2 {
        if poller.wait(&mut events, Some(PATIENCE))? == 0 {
            return Err("a source has fallen silent".into());
        }
        // As long as a socket has more, the next wait names it again; so one message of each is fair to both.
        for event in events.iter() {
            match event.data {
                TASKS => tasks_done += u32::from(tasks.try_recv().is_ok()),
                _ => updates_seen += u32::from(weather.try_recv().is_ok()),
            }
        }
    }
    ventilating.join().expect("the ventilator does not panic")?;
    reporting.join().expect("the station does not panic")?;
    println!("{tasks_done} tasks and {updates_seen} updates through one poller");
    Ok(())
}
