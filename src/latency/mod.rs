//! Measuring latency: a clock cheap enough to read around every message, and histograms that do not flatter.
//!
//! - [`Clock`]: nanoseconds since it was made, from the processor's time stamp counter where that can be trusted.
//! - [`Pace`]: when each message of a paced load *should* be sent.
//! - [`Recorder`]: an HDR histogram of nanoseconds, with correction for coordinated omission, and [`Summary`], its
//!   percentiles.
//! - Writers on [`Recorder`]: a percentile table, the `.hgrm` text that HdrHistogram plotters read, a JSON object, and a
//!   histogram for the terminal.
//!
//! A load generator that waits for a slow answer before it sends again omits exactly the samples that would have been
//! slow ("coordinated omission", Gil Tene). Two remedies are here: a paced load records from the *intended* start
//! ([`Recorder::record_since`] with [`Pace::intended_ns`]), and a load that cannot know its intended starts fills in what
//! it missed ([`Recorder::record_correct`]).
//!
//! ```
//! use ringway::latency::{Clock, Recorder};
//!
//! let clock = Clock::new();
//! let mut recorder = Recorder::new();
//! for _ in 0..1_000 {
//!     let start = clock.now_ns();
//!     std::hint::black_box(1 + 1);
//!     recorder.record(clock.now_ns() - start);
//! }
//! println!("{}", recorder.table());
//! assert_eq!(recorder.summary().count, 1_000);
//! ```

mod clock;
mod pace;
mod recorder;
mod report;

/// The page in `docs/`, whose example is tested with these.
#[cfg(doctest)]
#[doc = include_str!("../../docs/latency.md")]
mod page {}

pub use clock::{Clock, ClockSource};
pub use pace::Pace;
pub use recorder::{Recorder, Summary};
pub use report::{Bars, Ns, Table};
