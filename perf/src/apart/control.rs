//! The lines a child exchanges with its parent, over its standard input and output.

#![forbid(unsafe_code)]

use std::{io, process, sync::mpsc, thread};

use crate::{failure::Failure, report::print};

/// The child's side.
pub(crate) struct Control {
    lines: mpsc::Receiver<String>,
}

impl Control {
    /// Begins to listen. When the parent is gone the process ends, whatever it is doing.
    pub(crate) fn new() -> Result<Self, Failure> {
        let (lines_in, lines) = mpsc::channel();
        let listen = move || {
            for line in io::stdin().lines().map_while(Result::ok) {
                let last = line == END;
                let _ = lines_in.send(line);
                if last {
                    return;
                }
            }
            process::exit(ORPHANED);
        };
        thread::Builder::new()
            .name("control".to_owned())
            .spawn(listen)
            .map_err(|error| Failure::Thread(ringway::affinity::SpawnError::Thread(error)))?;
        Ok(Self { lines })
    }

    pub(crate) fn tell(&self, line: &str) -> Result<(), Failure> {
        print(&format!("{line}\n"))
    }

    pub(crate) fn tell_bound(&self, endpoints: &[String]) -> Result<(), Failure> {
        self.tell(&format!("{BOUND} {}", endpoints.join(" ")))
    }

    /// Tells the result and waits until everything has arrived.
    pub(crate) fn tell_done(&self, result: &str) -> Result<(), Failure> {
        self.tell(format!("{DONE} {result}").trim_end())?;
        self.hear(END).map(drop)
    }

    /// Waits for a line.
    pub(crate) fn next(&self) -> Result<String, Failure> {
        // The thread that listens ends the process, or this one got the last line.
        self.lines.recv().map_err(|_| Failure::Control { line: String::new() })
    }

    /// As [`next`](Self::next); meanwhile `drive` works for connections nobody else works for, as long as it says so.
    pub(crate) fn next_driving(&self, drive: impl Fn() -> bool) -> Result<String, Failure> {
        while drive() {
            match self.lines.try_recv() {
                Ok(line) => return Ok(line),
                Err(mpsc::TryRecvError::Empty) => {}
                Err(mpsc::TryRecvError::Disconnected) => break,
            }
        }
        self.next()
    }

    /// Waits for a line that begins with `word`, and gives the rest.
    pub(crate) fn hear(&self, word: &str) -> Result<String, Failure> {
        rest(&self.next()?, word)
    }

    pub(crate) fn hear_bound(&self) -> Result<Vec<String>, Failure> {
        self.hear(BOUND).map(|rest| words(&rest))
    }
}

/// What follows `word`, which the line must begin with.
pub(super) fn rest(line: &str, word: &str) -> Result<String, Failure> {
    let after = line.strip_prefix(word).filter(|after| after.is_empty() || after.starts_with(' '));
    after.map(|after| after.trim().to_owned()).ok_or_else(|| Failure::Control { line: line.to_owned() })
}

pub(super) fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// So many numbers.
pub(crate) fn numbers<const LEN: usize>(line: &str) -> Result<[f64; LEN], Failure> {
    let numbers: Option<Vec<f64>> = line.split_whitespace().map(|word| word.parse().ok()).collect();
    numbers.and_then(|numbers| numbers.try_into().ok()).ok_or_else(|| Failure::Control { line: line.to_owned() })
}

pub(super) const BOUND: &str = "bound";
pub(super) const DONE: &str = "done";
pub(super) const END: &str = "end";

/// Exit code of a child whose parent is gone.
const ORPHANED: i32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_by_their_first_word() {
        assert_eq!(rest("bound tcp://a tcp://b", "bound").map(|rest| words(&rest)).unwrap().len(), 2);
        assert_eq!(rest("done", "done").unwrap(), "");
        assert!(rest("doner 1", "done").is_err());
        assert!(rest("", "done").is_err());
    }

    #[test]
    fn numbers_are_as_many_as_asked_for() {
        assert_eq!(numbers::<2>("3 0.5").unwrap(), [3.0, 0.5]);
        assert!(numbers::<2>("3").is_err());
        assert!(numbers::<1>("x").is_err());
    }
}
