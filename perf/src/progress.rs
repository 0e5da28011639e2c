//! How far a run is, on standard error; silent where that is no terminal.

#![forbid(unsafe_code)]

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::{failure::Failure, report::print};

/// A line that says what is being measured and how much is left.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(steps: u64) -> Self {
        // Draws on standard error, and nothing if that is no terminal.
        let bar = ProgressBar::new(steps);
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {elapsed} {msg}");
        bar.set_style(style.expect("a constant template is valid"));
        Self(bar)
    }

    /// One that shows nothing: a part of something larger that shows its own.
    pub(crate) fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// What comes next. Drawn here once: a ticking thread would take a core from those measured.
    pub(crate) fn step(&self, what: &str) {
        self.0.set_message(what.to_owned());
        self.0.tick();
    }

    pub(crate) fn done(&self) {
        self.0.inc(1);
    }

    /// Prints above the line.
    pub(crate) fn say(&self, text: &str) -> Result<(), Failure> {
        self.0.suspend(|| print(&format!("{text}\n")))
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
