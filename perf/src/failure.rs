//! What can go wrong in a measurement, as one type: any of it ends the program with exit code 1.

#![forbid(unsafe_code)]

use std::{error::Error, fmt, io, path::PathBuf, time::Duration};

use ringway::affinity::SpawnError;

use crate::payload::Corrupt;

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was asked for cannot be measured.
    Asked(String),
    /// A road on which every message needs an answer was asked to carry them one way.
    TwoWayOnly { road: String },
    /// A message arrived damaged, doubled, out of order, or not at all.
    Corrupt { road: String, corrupt: Corrupt },
    /// The road refused a message or broke.
    Road { road: String, error: Box<dyn Error + Send + Sync> },
    /// A library could not be loaded.
    Library { path: PathBuf, why: String },
    /// A thread could not be started where it was wanted.
    Thread(SpawnError),
    /// A thread panicked; its message is on the terminal.
    Panicked { thread: String },
    /// Nothing came to an end within this time.
    Stuck { after: Duration },
    /// Of several that are compared this one failed.
    Of { who: String, why: Box<Failure> },
    /// The other process could not be started, or spoken to.
    Child(io::Error),
    /// The other process ended before it was done, without a word.
    PeerEnded,
    /// The other process ended before it was done: what it said, and what happened here.
    Peer { words: String, here: Box<Failure> },
    /// The other process said something else than it should.
    Control { line: String },
    /// A result could not be written.
    Write { path: PathBuf, error: io::Error },
    /// A plot could not be drawn.
    Plot { path: PathBuf, error: String },
}

impl Failure {
    /// The road called `road` refused or broke.
    pub(crate) fn road(road: impl Into<String>, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Road { road: road.into(), error: error.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(why) => f.write_str(why),
            Self::TwoWayOnly { road } => {
                write!(f, "{road} has round trips only: every request awaits its reply, so nothing streams one way")
            }
            Self::Corrupt { road, corrupt } => write!(f, "{road}: {corrupt}"),
            Self::Road { road, error } => write!(f, "{road}: {error}"),
            Self::Library { path, why } => write!(f, "{} cannot be used: {why}", path.display()),
            Self::Thread(error) => {
                write!(f, "{error}")?;
                let mut source = error.source();
                while let Some(error) = source {
                    write!(f, ": {error}")?;
                    source = error.source();
                }
                Ok(())
            }
            Self::Panicked { thread } => write!(f, "thread {thread} panicked"),
            Self::Stuck { after } => write!(f, "no end after {after:?}: messages were lost or a thread is stuck"),
            Self::Of { who, why } => write!(f, "{who}: {why}"),
            Self::Child(error) => write!(f, "the other process: {error}"),
            Self::PeerEnded => f.write_str("the other process ended before it was done"),
            Self::Peer { words, here } => write!(f, "the other process: {words}\n  meanwhile here: {here}"),
            Self::Control { line } => write!(f, "the other process said: '{line}'"),
            Self::Write { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Plot { path, error } => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl Error for Failure {}
