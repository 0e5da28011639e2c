// cargo run --release --example durable_subscriber -- --count 2000 --restarts 3
//! A subscriber that may die and come back: the stream is numbered, and what it missed is sent again.
//!
//! ```text
//!  subscriber DEALER ── "from 17" ──────────► ROUTER publisher, which keeps the stream
//!                    ◄── 17, 18, 19, … ──────
//!                    ── "taken 18" ─────────►
//! ```
//!
//! The subscriber writes down how far it has come, and says so when it comes back. The publisher sends each subscriber
//! what follows, no more than a window ahead of what that one has taken, so that nothing is dropped for want of room.

mod flags;

use std::{collections::HashMap, error::Error, fs, path::Path, thread, time::Duration};

use ringway::{Context, Dealer, Frame, Message, Router, socket::RecvError};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Messages a subscriber is sent ahead of what it says it has taken.
const WINDOW: u32 = 100;
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Outcome<()> {
    let flags = flags::Flags::parse(&[
        ("--count", "2000"),
        ("--restarts", "3"),
        ("--endpoint", "inproc://stream"),
        ("--state", ""),
    ])?;
    let (count, restarts) = (flags.number("--count")?, flags.number("--restarts")?);
    let temporary = std::env::temp_dir().join(format!("ringway-durable-{}", std::process::id()));
    let state = match flags.text("--state") {
        "" => temporary.as_path(),
        path => Path::new(path),
    };
    let context = Context::new();
    let mut stream = Router::new(&context)?;
    stream.bind(flags.text("--endpoint"))?;
    let publishing = thread::spawn(move || publish(stream, count));

    let outcome = (0..=restarts).try_for_each(|life| {
        // Each life but the last ends in mid-stream, with messages on their way.
        let until = if life == restarts { count } else { count / (restarts + 1) * (life + 1) };
        let mut subscriber = Dealer::new(&context)?;
        subscriber.connect(flags.text("--endpoint"))?;
        let from = position(state)?;
        let reached = subscribe(subscriber, state, from, until)?;
        println!("life {life}: numbers {from} to {}", reached.max(1) - 1);
        Ok(())
    });
    if state == temporary {
        let _ = fs::remove_file(state);
    }
    context.shutdown(Duration::ZERO);
    publishing.join().expect("the publisher does not panic")?;
    outcome
}

/// Where the stream is to go on, as an earlier life has written it down.
fn position(state: &Path) -> Outcome<u32> {
    match fs::read_to_string(state) {
        Ok(text) => Ok(text.trim().parse()?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Takes numbers from `from` on, each once and none missing, and dies at `until`. Returns how far it came.
fn subscribe(mut stream: Dealer, state: &Path, from: u32, until: u32) -> Outcome<u32> {
    let say = |word: &str, number: u32| [Frame::from(word), Frame::from(number.to_le_bytes())].into_iter().collect();
    let (from_here, taken): (Message, _) = (say("from", from), |number| -> Message { say("taken", number) });
    stream.send(from_here)?;
    for due in from..until {
        let message = stream.recv_timeout(PATIENCE)?;
        if message[0] != due.to_le_bytes() {
            return Err(format!("{:?} in place of number {due}", message[0]).into());
        }
        // Done with it: written down first, so that a death between the two repeats nothing.
        fs::write(state, (due + 1).to_string())?;
        stream.send(taken(due + 1))?;
    }
    Ok(until)
}

/// What the publisher knows of a subscriber.
struct Progress {
    /// The number to be sent next.
    next: u32,
    /// All below this were taken.
    taken: u32,
}

/// Sends every subscriber what it has not taken, until the context is shut down.
fn publish(mut stream: Router, count: u32) -> Outcome<()> {
    let mut subscribers: HashMap<Vec<u8>, Progress> = HashMap::new();
    loop {
        let message = match stream.recv() {
            Ok(message) => message,
            Err(RecvError::ContextClosed) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let [id, word, number] = message.frames() else { return Err(format!("{message:?} is no report").into()) };
        let number = u32::from_le_bytes(number.as_bytes().try_into()?);
        let progress = subscribers.entry(id.to_vec()).or_insert(Progress { next: number, taken: number });
        if word == "from" {
            *progress = Progress { next: number, taken: number };
        }
        progress.taken = progress.taken.max(number);
        while progress.next < count.min(progress.taken + WINDOW) {
            // To one that has died meanwhile it is dropped, and asked for again by its next life.
            stream.send([id.clone(), Frame::from(progress.next.to_le_bytes())].into_iter().collect::<Message>())?;
            progress.next += 1;
        }
        subscribers.retain(|id, _| stream.has_peer(id));
    }
}
