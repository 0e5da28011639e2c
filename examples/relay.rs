// cargo run --release --example relay -- --count 100000 --second inproc://second --third inproc://third
//! Three threads in a row signal each other through PAIR sockets: the first the second, the second the third.
//!
//! ```text
//!  first PAIR ──► PAIR second PAIR ──► PAIR third
//! ```
//!
//! The third checks that every signal arrives, once and in order. That they come up in any order does not matter: an
//! endpoint can be connected to before it is bound.

mod flags;
mod parts;

use parts::{Act, Outcome, Part, Stage};
use ringway::Pair;

fn main() -> Outcome<()> {
    let flags = parts::flags(&[("--count", "1000"), ("--second", "inproc://second"), ("--third", "inproc://third")])?;
    parts::play(&flags, &[Part::new("first", first), Part::new("second", second), Part::new("third", third)])
}

/// Signals `--count` times.
fn first(stage: &Stage) -> Outcome<Act> {
    let count = stage.flags.number("--count")?;
    let mut next = Pair::builder().linger(parts::patience(stage.flags)?).build(stage.context)?;
    next.connect(stage.flags.text("--second"))?;
    Ok(Box::new(move || {
        for number in 0..count {
            next.send(number.to_le_bytes())?;
        }
        Ok(String::new())
    }))
}

/// Passes every signal on as it came.
fn second(stage: &Stage) -> Outcome<Act> {
    let count = stage.flags.number("--count")?;
    let mut previous = Pair::new(stage.context)?;
    let mut next = Pair::builder().linger(parts::patience(stage.flags)?).build(stage.context)?;
    previous.bind(stage.flags.text("--second"))?;
    next.connect(stage.flags.text("--third"))?;
    Ok(Box::new(move || {
        for _ in 0..count {
            next.send(previous.recv()?)?;
        }
        Ok(String::new())
    }))
}

/// Checks them.
fn third(stage: &Stage) -> Outcome<Act> {
    let count = stage.flags.number("--count")?;
    let mut previous = Pair::new(stage.context)?;
    previous.bind(stage.flags.text("--third"))?;
    Ok(Box::new(move || {
        for number in 0..count {
            let signal = previous.recv()?;
            if signal[0] != number.to_le_bytes() {
                return Err(format!("signal {number} is {signal:?}").into());
            }
        }
        Ok(format!("{count} signals through 3 parts, all in order"))
    }))
}
