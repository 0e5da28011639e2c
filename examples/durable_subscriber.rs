// cargo run --release --example durable_subscriber -- --count 2000 --restarts 3
//! A subscriber that may die and come back: the stream is numbered, and what it missed is sent again.
//!
//! ```text
//!  subscriber DEALER ── "from 17" ──────────► ROUTER publisher, which keeps a window
//!                    ◄── 17, 18, 19, … ──────
//!                    ── "taken 18" ─────────►
//! ```
//!
//! The subscriber writes down how far it has come, and says so when it comes back. The publisher keeps what has not been
//! taken, and never more than a window of it: when that is full the stream waits. So nothing is dropped for want of room,
//! and what was on its way to a subscriber that died is there to be sent again.

mod flags;
mod parts;

use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
};

use parts::{Act, Outcome, Part, Stage};
use ringway::{Context, Dealer, Frame, Message, Router, RoutingId, socket::RecvError};

/// Messages the publisher keeps.
const WINDOW: usize = 100;
/// What the subscriber is called, in every life.
const NAME: &str = "reader";

fn main() -> Outcome<()> {
    let flags = parts::flags(&[
        ("--count", "2000"),
        ("--restarts", "3"),
        ("--endpoint", "inproc://stream"),
        // Unless it is named, a temporary one, and forgotten at the end.
        ("--state", ""),
    ])?;
    parts::play(&flags, &[Part::new("subscriber", subscriber), Part::serving("publisher", publisher)])
}

/// Takes the numbers up to `--count`, each once and none missing, and dies `--restarts` times meanwhile.
fn subscriber(stage: &Stage) -> Outcome<Act> {
    let (count, restarts) = (stage.flags.number("--count")?, stage.flags.number("--restarts")?);
    let (context, endpoint) = (stage.context.clone(), stage.flags.text("--endpoint").to_owned());
    let position = Position::kept_in(stage.flags.text("--state"));
    Ok(Box::new(move || {
        let mut report = Vec::new();
        for life in 0..=restarts {
            // Each life but the last ends in mid-stream, with messages on their way.
            let share = u64::from(count) * (u64::from(life) + 1) / (u64::from(restarts) + 1);
            let until = u32::try_from(share)?;
            let from = position.read()?;
            live(&context, &endpoint, &position, from..until)?;
            let how = if life == 0 { "numbers" } else { "restarted, numbers" };
            report.push(format!("life {life}: {how} {from}..{}", until.max(from)));
        }
        Ok(report.join("\n"))
    }))
}

/// One life of the subscriber.
fn live(context: &Context, endpoint: &str, position: &Position, numbers: std::ops::Range<u32>) -> Outcome<()> {
    let mut stream = Dealer::builder().routing_id(RoutingId::new(NAME)?).build(context)?;
    stream.connect(endpoint)?;
    stream.send(report("from", numbers.start))?;
    for due in numbers {
        loop {
            let message = stream.recv()?;
            if message[0] == due.to_le_bytes() {
                break;
            }
            // Sent before the publisher heard of this life, to the name, as to an earlier one. What is due comes again.
        }
        // Done with it: written down first, so that a death between the two repeats nothing.
        position.write(due + 1)?;
        stream.send(report("taken", due + 1))?;
    }
    Ok(())
}

fn report(word: &str, number: u32) -> Message {
    [Frame::from(word), Frame::from(number.to_le_bytes())].into_iter().collect()
}

/// How far the subscriber has come, in a file.
struct Position {
    path: PathBuf,
    is_temporary: bool,
}

impl Position {
    fn kept_in(path: &str) -> Self {
        let temporary = || std::env::temp_dir().join(format!("ringway-durable-{}", std::process::id()));
        Self { path: if path.is_empty() { temporary() } else { path.into() }, is_temporary: path.is_empty() }
    }

    fn read(&self) -> Outcome<u32> {
        match fs::read_to_string(&self.path) {
            Ok(text) => {
                let number = text.trim().parse();
                number.map_err(|_| format!("{} has no position in it, but {text:?}", self.path.display()).into())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Whenever it dies, the file has the old position or the new.
    fn write(&self, number: u32) -> io::Result<()> {
        fs::write(self.new_path(), number.to_string())?;
        fs::rename(self.new_path(), &self.path)
    }

    fn new_path(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        name.into()
    }
}

impl Drop for Position {
    fn drop(&mut self) {
        if self.is_temporary {
            // Neither needs to be there.
            let _ = [Path::new(&self.path), &self.new_path()].map(fs::remove_file);
        }
    }
}

/// Sends the subscriber what it has not taken.
fn publisher(stage: &Stage) -> Outcome<Act> {
    let count = stage.flags.number("--count")?;
    let mut stream = Router::new(stage.context)?;
    stream.bind(stage.flags.text("--endpoint"))?;
    Ok(Box::new(move || {
        let mut window = Window::default();
        loop {
            let message = match stream.recv() {
                Ok(message) => message,
                Err(RecvError::ContextClosed) => return Ok(format!("publisher: {} sent again", window.again)),
                Err(error) => return Err(error.into()),
            };
            let [name, word, number] = message.frames() else { return Err(format!("no report: {message:?}").into()) };
            let number = u32::from_le_bytes(number.as_bytes().try_into()?);
            if word == "from" {
                window.go_back(number)?;
            }
            window.taken(number);
            window.fill(count);
            while let Some((number, event)) = window.next() {
                // To one that has just died it is dropped, or the next of its name gets it; either asks for it again.
                stream.send(Message::from(vec![name.clone(), Frame::from(number.to_le_bytes()), event]))?;
            }
        }
    }))
}

/// The part of the stream the publisher keeps.
#[derive(Default)]
struct Window {
    /// The number of the first event kept; all before it were taken.
    base: u32,
    events: VecDeque<Frame>,
    /// The number to be sent next.
    next: u32,
    /// Events that were sent more than once.
    again: u32,
}

impl Window {
    fn end(&self) -> u32 {
        self.base + self.events.len() as u32
    }

    /// The subscriber wants everything from `number` on.
    fn go_back(&mut self, number: u32) -> Result<(), String> {
        if number < self.base {
            return Err(format!("{number} is asked for, and all before {} was forgotten when it was taken", self.base));
        }
        if number > self.end() {
            // This publisher is younger than the stream, which goes on where its subscriber is.
            *self = Self { base: number, next: number, ..Self::default() };
        }
        self.again += self.next.saturating_sub(number);
        self.next = number;
        Ok(())
    }

    /// All before `number` were taken, and are forgotten.
    fn taken(&mut self, number: u32) {
        while self.base < number && self.events.pop_front().is_some() {
            self.base += 1;
        }
    }

    /// Adds events while there is room, up to number `count`.
    fn fill(&mut self, count: u32) {
        while self.events.len() < WINDOW && self.end() < count {
            self.events.push_back(Frame::from(format!("event {}", self.end())));
        }
    }

    fn next(&mut self) -> Option<(u32, Frame)> {
        let number = self.next;
        let event = self.events.get(number.checked_sub(self.base)? as usize)?;
        self.next += 1;
        Some((number, event.clone()))
    }
}
