// cargo run --release --example typed_channel -- --count 1000000
//! A typed channel between two threads, each pinned to a CPU of its own: no sockets, no bytes, just values.
//!
//! Where the process may use only one CPU it says so and runs unpinned.

mod flags;

use std::{error::Error, thread};

use ringway::{
    affinity,
    channel::{self, Sender},
};

/// Any `Send` type travels; a small one crosses in one cache line.
#[derive(Debug)]
struct Tick {
    number: u32,
    price: u64,
}

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let [count] = flags::numbers([("--count", 10_000)])?;
    let cpus = match affinity::usable() {
        [here, there, ..] => Some((*here, *there)),
        _ => None,
    };
    match cpus {
        Some((here, there)) => println!("receiver on CPU {here}, sender on CPU {there}"),
        None => println!("one usable CPU: running unpinned"),
    }

    let (sender, mut ticks) = channel::spsc(1024)?;
    let sending = thread::spawn(move || send(sender, count, cpus.map(|(_, there)| there)));
    if let Some((here, _)) = cpus {
        affinity::pin_current(here)?;
    }
    let (mut received, mut total) = (0, 0);
    // Ends when the sender is dropped and everything it sent has been taken.
    for tick in ticks.iter() {
        if tick.number != received {
            return Err(format!("expected tick {received}, not {tick:?}").into());
        }
        received += 1;
        total += tick.price;
    }
    sending.join().expect("the sender does not panic")?;
    println!("{received} ticks in order, total {total}");
    Ok(())
}

fn send(mut ticks: Sender<Tick>, count: u32, cpu: Option<usize>) -> Outcome<()> {
    if let Some(cpu) = cpu {
        affinity::pin_current(cpu)?;
    }
    for number in 0..count {
        ticks.send(Tick { number, price: u64::from(number) * 3 })?;
    }
    Ok(())
}
