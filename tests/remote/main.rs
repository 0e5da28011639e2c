//! Actors told and asked from elsewhere: the same over all roads, and between processes of which one is killed.

#![cfg(not(any(loom, shuttle, miri)))]

mod cast;
mod faults;
mod flow;
mod hostile;
mod life;
#[cfg(target_os = "linux")]
mod processes;
mod verbs;

use std::time::Duration;

/// What takes longer than this does not end.
const PATIENCE: Duration = Duration::from_secs(30);
