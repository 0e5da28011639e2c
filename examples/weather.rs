// cargo run --release --example weather -- --count 20000 --zip 10001 --endpoint inproc://weather
//! Weather updates for many places; a subscriber wants one of them and averages five: PUB and SUB.
//!
//! ```text
//!  server PUB ── "10001 17 43" ──► SUB "10001 " client ──► average of 5
//! ```
//!
//! The publisher waits for its subscriber: what is published before anybody has subscribed is for nobody.

mod flags;
mod parts;

use parts::{Act, Outcome, Part, Stage};
use ringway::{Pub, Sub};

/// Updates the client averages.
const UPDATES: i64 = 5;
/// Places there is weather of; the client's is one of them.
const PLACES: u32 = 100;

fn main() -> Outcome<()> {
    let flags = parts::flags(&[("--count", "20000"), ("--zip", "10001"), ("--endpoint", "inproc://weather")])?;
    parts::play(&flags, &[Part::new("server", server), Part::new("client", client)])
}

/// Publishes `--count` updates, "zip temperature humidity", of `--zip` and its neighbours in turn.
fn server(stage: &Stage) -> Outcome<Act> {
    let (count, zip) = (stage.flags.number("--count")?, u64::from(stage.flags.number("--zip")?));
    let patience = parts::patience(stage.flags)?;
    // A subscriber that is full does not miss updates: the publisher waits.
    let mut server = Pub::builder().no_drop().linger(patience).build(stage.context)?;
    server.bind(stage.flags.text("--endpoint"))?;
    Ok(Box::new(move || {
        server.wait_for_subscribers(1, patience)?;
        for update in 0..count {
            let (place, temperature) = (zip + u64::from(update % PLACES), 10 + update / PLACES);
            server.send(format!("{place} {temperature} {}", 40 + update % 20))?;
        }
        // Five of one place come with 401 in all; who has been promised five is told that there are no more.
        server.send(format!("{zip} END"))?;
        Ok(format!("server: {count} updates"))
    }))
}

/// Averages five updates of `--zip`.
fn client(stage: &Stage) -> Outcome<Act> {
    let zip = stage.flags.number("--zip")?;
    // With the blank, so that 10001 is not the beginning of 100017.
    let mut client = Sub::builder().subscribe(format!("{zip} ")).build(stage.context)?;
    client.connect(stage.flags.text("--endpoint"))?;
    Ok(Box::new(move || {
        let mut total = 0;
        for number in 0..UPDATES {
            let update = client.recv()?;
            match update[0].as_str()?.split(' ').collect::<Vec<_>>()[..] {
                [place, temperature, _humidity] if place == zip.to_string() => total += temperature.parse::<i64>()?,
                [_, "END"] => return Err(format!("only {number} updates of {zip}, {UPDATES} are needed").into()),
                _ => return Err(format!("not an update of {zip}: {:?}", update[0]).into()),
            }
        }
        Ok(format!("client: average temperature of {zip} is {}", total / UPDATES))
    }))
}
