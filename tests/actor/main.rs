//! Actors: their mail, their lives, their ends.

mod anew;
mod cast;
mod ends;
mod held;
mod later;
mod ledger;
mod life;
mod mail;
mod main_thread;
mod panics;
mod pressure;
mod room;
mod time;
mod topics;
mod trees;

use std::time::Duration;

/// What takes longer than this does not end.
const PATIENCE: Duration = Duration::from_secs(30);
