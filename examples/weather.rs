// cargo run --release --example weather -- --count 20000 --zip 10001 --endpoint inproc://weather
//! Weather updates for many places; a subscriber wants one of them and averages five: PUB and SUB.
//!
//! ```text
//!  station PUB ──► SUB "10001 " ──► average of 5
//! ```
//!
//! The publisher waits for its subscriber: what is published before anybody has subscribed is for nobody.

mod flags;

use std::{error::Error, thread, time::Duration};

use ringway::{Context, Pub, Sub};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Updates the subscriber averages.
const UPDATES: i64 = 5;
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Outcome<()> {
    let flags = flags::Flags::parse(&[("--count", "20000"), ("--zip", "10001"), ("--endpoint", "inproc://weather")])?;
    let (count, zip) = (flags.number("--count")?, flags.number("--zip")?);
    let context = Context::new();
    let mut station = Pub::builder().no_drop().build(&context)?;
    station.bind(flags.text("--endpoint"))?;
    // With the blank, so that 10001 is not the beginning of 100017.
    let mut reader = Sub::builder().subscribe(format!("{zip} ")).build(&context)?;
    reader.connect(flags.text("--endpoint"))?;

    let publishing = thread::spawn(move || publish(station, count, zip));
    let mut total = 0;
    for _ in 0..UPDATES {
        let update = reader.recv_timeout(PATIENCE)?;
        let [place, temperature, _humidity] = update[0].as_str()?.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("not an update: {:?}", update[0]).into());
        };
        assert_eq!(place, zip.to_string(), "the publisher filters");
        total += temperature.parse::<i64>()?;
    }
    println!("average temperature of {zip}: {}", total / UPDATES);
    drop(reader);
    let published = publishing.join().expect("the station does not panic")?;
    println!("{published} updates published");
    Ok(())
}

/// Publishes `count` updates, of `zip` and its neighbours in turn.
fn publish(mut station: Pub, count: u32, zip: u32) -> Outcome<u32> {
    station.wait_for_subscribers(1, PATIENCE)?;
    for update in 0..count {
        let place = zip + update % 100;
        let temperature = 10 + update / 100;
        station.send(format!("{place} {temperature} {}", 40 + update % 20))?;
    }
    Ok(count)
}
