// cargo run --release --example loan -- --count 100000 --pictures inproc://pictures
//! A camera's pictures, each written where it is sent from: a loan of a PUSH. A viewer, PULL, checks every byte.
//!
//! ```text
//!  camera PUSH ──► PULL viewer
//! ```
//!
//! Over `ipc://`, with the viewer in another process, the camera writes into memory that the two processes share, and nothing is
//! copied before the viewer's copy is made. Over other roads it writes into the message itself.

mod flags;
mod parts;

use parts::{Act, Outcome, Part, Stage};
use ringway::{Pull, Push};

/// Bytes of a picture: its number, four of them, and its points.
const PICTURE: usize = 1_000;

fn main() -> Outcome<()> {
    let flags = parts::flags(&[("--count", "10000"), ("--pictures", "inproc://pictures")])?;
    parts::play(&flags, &[Part::new("camera", camera), Part::new("viewer", viewer)])
}

/// Sends `--count` pictures.
fn camera(stage: &Stage) -> Outcome<Act> {
    let count = stage.flags.number("--count")?;
    let mut pictures = Push::builder().linger(parts::patience(stage.flags)?).build(stage.context)?;
    pictures.connect(stage.flags.text("--pictures"))?;
    Ok(Box::new(move || {
        for number in 0..count {
            let mut picture = pictures.loan(PICTURE)?;
            let (head, points) = picture.split_at_mut(4);
            head.copy_from_slice(&number.to_le_bytes());
            points.fill(number as u8);
            // Dropped instead, nothing would be sent.
            picture.commit()?;
        }
        Ok(String::new())
    }))
}

/// Looks at them.
fn viewer(stage: &Stage) -> Outcome<Act> {
    let count = stage.flags.number("--count")?;
    let mut pictures = Pull::new(stage.context)?;
    pictures.bind(stage.flags.text("--pictures"))?;
    Ok(Box::new(move || {
        for number in 0..count {
            let message = pictures.recv()?;
            let (head, points) = message[0].split_at(4);
            if head != number.to_le_bytes() || points != [number as u8; PICTURE - 4] {
                return Err(format!("picture {number} is {message:?}").into());
            }
        }
        Ok(format!("viewer: {count} pictures, all of them whole"))
    }))
}
