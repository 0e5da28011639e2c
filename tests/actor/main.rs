//! Actors: their mail, their lives, their ends.

mod cast;
mod ends;
mod later;
mod life;
mod mail;
mod room;
mod time;

use std::time::Duration;

/// What takes longer than this does not end.
const PATIENCE: Duration = Duration::from_secs(30);
