// cargo run --release --example coordination -- --count 10000 --subscribers 5
//! Nodes that start together: subscribers report that they are ready, and only then the publisher begins.
//!
//! ```text
//!  subscriber REQ ── "ready" ──► REP publisher        first
//!  subscriber SUB ◄── updates ── PUB publisher        then
//! ```

mod flags;
mod parts;

use parts::{Act, Outcome, Part, Stage};
use ringway::{Pub, Rep, Req, Sub};

fn main() -> Outcome<()> {
    let flags = parts::flags(&[
        ("--count", "10000"),
        ("--subscribers", "5"),
        ("--updates", "inproc://updates"),
        ("--ready", "inproc://ready"),
    ])?;
    let subscribers = flags.positive("--subscribers")?;
    parts::play(&flags, &[Part::new("publisher", publisher), Part::new("subscriber", subscriber).copies(subscribers)])
}

/// Publishes `--count` updates and the end, once all subscribers are ready.
fn publisher(stage: &Stage) -> Outcome<Act> {
    let (count, subscribers) = (stage.flags.number("--count")?, stage.flags.number("--subscribers")?);
    let patience = parts::patience(stage.flags)?;
    // Who is full keeps the publisher waiting instead of missing updates.
    let mut updates = Pub::builder().no_drop().linger(patience).build(stage.context)?;
    let mut ready = Rep::builder().linger(patience).build(stage.context)?;
    updates.bind(stage.flags.text("--updates"))?;
    ready.bind(stage.flags.text("--ready"))?;
    Ok(Box::new(move || {
        for _ in 0..subscribers {
            ready.recv()?;
            ready.send("noted")?;
        }
        // Over a network a report may overtake the subscription, which comes by another connection.
        updates.wait_for_subscribers(subscribers as usize, patience)?;
        for update in 0..count {
            updates.send(update.to_le_bytes())?;
        }
        updates.send("END")?;
        Ok(format!("publisher: {count} updates and the end, to {subscribers} subscribers that were ready"))
    }))
}

/// Reports for duty, then receives updates until the end, in order and without a gap.
fn subscriber(stage: &Stage) -> Outcome<Act> {
    let number = stage.number;
    let (mut updates, mut ready) = (Sub::builder().subscribe("").build(stage.context)?, Req::new(stage.context)?);
    updates.connect(stage.flags.text("--updates"))?;
    ready.connect(stage.flags.text("--ready"))?;
    Ok(Box::new(move || {
        ready.request("ready")?;
        let mut due: u32 = 0;
        loop {
            let update = updates.recv()?;
            if update[0] == "END" {
                return Ok(format!("subscriber {number}: {due} updates and the end"));
            }
            if update[0] != due.to_le_bytes() {
                return Err(format!("{:?} in place of number {due}", update[0]).into());
            }
            due += 1;
        }
    }))
}
