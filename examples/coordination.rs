// cargo run --release --example coordination -- --count 10000 --subscribers 5
//! Nodes that start together: subscribers report that they are ready, and only then the publisher begins.
//!
//! ```text
//!  subscriber REQ ── "ready" ──► REP publisher        first
//!  subscriber SUB ◄── updates ── PUB publisher        then
//! ```

mod flags;

use std::{error::Error, thread, time::Duration};

use ringway::{Context, Pub, Rep, Req, Sub};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Outcome<()> {
    let flags = flags::Flags::parse(&[
        ("--count", "10000"),
        ("--subscribers", "5"),
        ("--updates", "inproc://updates"),
        ("--ready", "inproc://ready"),
    ])?;
    let (count, subscribers) = (flags.number("--count")?, flags.positive("--subscribers")?);
    let context = Context::new();
    let (mut updates, mut ready) = (Pub::builder().no_drop().build(&context)?, Rep::new(&context)?);
    updates.bind(flags.text("--updates"))?;
    ready.bind(flags.text("--ready"))?;

    let listening = (0..subscribers)
        .map(|_| {
            let (mut updates, mut ready) = (Sub::builder().subscribe("").build(&context)?, Req::new(&context)?);
            updates.connect(flags.text("--updates"))?;
            ready.connect(flags.text("--ready"))?;
            Ok(thread::spawn(move || listen(updates, ready)))
        })
        .collect::<Outcome<Vec<_>>>()?;

    for _ in 0..subscribers {
        ready.recv()?;
        ready.send("noted")?;
    }
    println!("{subscribers} subscribers are ready");
    for update in 0..count {
        updates.send(update.to_le_bytes())?;
    }
    updates.send("END")?;
    for (number, subscriber) in listening.into_iter().enumerate() {
        let received = subscriber.join().expect("a subscriber does not panic")?;
        println!("subscriber {number}: {received} updates and the end");
    }
    Ok(())
}

/// Reports for duty, then receives updates until the end. Returns how many, which came in order.
fn listen(mut updates: Sub, mut ready: Req) -> Outcome<u32> {
    ready.request("ready")?;
    let mut due = 0;
    loop {
        let update = updates.recv_timeout(PATIENCE)?;
        if update[0] == "END" {
            return Ok(due);
        }
        if update[0] != due.to_le_bytes() {
            return Err(format!("{:?} in place of number {due}", update[0]).into());
        }
        due += 1;
    }
}
