// cargo run --release --example relay -- --count 100000
//! Three threads in a row signal each other through PAIR sockets: the first the second, the second the third.
//!
//! The third checks that every signal arrives, once and in order. That the threads come up in any order does not
//! matter: an endpoint can be connected to before it is bound.

mod flags;

use std::{error::Error, thread};

use ringway::{Context, Pair};

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

fn main() -> Outcome {
    let [count] = flags::numbers([("--count", 1_000)])?;
    let context = Context::new();
    let first = spawn(first, &context, count);
    let second = spawn(second, &context, count);
    third(&context, count)?;
    first.join().expect("the first thread does not panic")?;
    second.join().expect("the second thread does not panic")?;
    println!("{count} signals through 3 threads, all in order");
    Ok(())
}

fn spawn(step: fn(&Context, u32) -> Outcome, context: &Context, count: u32) -> thread::JoinHandle<Outcome> {
    let context = context.clone();
    thread::spawn(move || step(&context, count))
}

/// Signals `count` times.
fn first(context: &Context, count: u32) -> Outcome {
    let mut next = Pair::new(context)?;
    next.connect("inproc://second")?;
    for number in 0..count {
        next.send(number.to_le_bytes())?;
    }
    Ok(())
}

/// Passes every signal on as it came.
fn second(context: &Context, count: u32) -> Outcome {
    let (mut previous, mut next) = (Pair::new(context)?, Pair::new(context)?);
    previous.bind("inproc://second")?;
    next.connect("inproc://third")?;
    for _ in 0..count {
        next.send(previous.recv()?)?;
    }
    Ok(())
}

/// Checks them.
fn third(context: &Context, count: u32) -> Outcome {
    let mut previous = Pair::new(context)?;
    previous.bind("inproc://third")?;
    for number in 0..count {
        let signal = previous.recv()?;
        if signal[0] != number.to_le_bytes() {
            return Err(format!("signal {number} is {signal:?}").into());
        }
    }
    Ok(())
}
