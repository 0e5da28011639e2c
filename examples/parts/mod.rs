//! The parts of an example: all of them in one process, each in a thread of its own, or only those that `--role` names.
//!
//! A part makes its sockets and says where they are bound or connected; then it acts, in its thread, and reports in a line
//! or more. All sockets are made before the first part acts, so that a mistake in an endpoint is heard at once and nobody
//! misses a beginning. Nothing takes longer than `--seconds`: then the context is shut down, which ends every call.
//!
//! Parts of one example may be played by different processes, over `tcp://` or `ipc://`, in any order; what a part has sent
//! when it ends is still delivered. Those that others connect to are best begun first.

use std::{
    error::Error,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use ringway::Context;

use crate::flags::Flags;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What a part does when its sockets are made. Returns its report.
pub(crate) type Act = Box<dyn FnOnce() -> Outcome<String> + Send>;

/// What a part is given to make its sockets.
pub(crate) struct Stage<'a> {
    pub(crate) context: &'a Context,
    pub(crate) flags: &'a Flags,
    /// Of several that do the same, which.
    #[allow(dead_code, reason = "not every example has several")]
    pub(crate) number: u32,
}

/// A part of an example, under the name `--role` has for it.
pub(crate) struct Part {
    role: &'static str,
    set_up: fn(&Stage) -> Outcome<Act>,
    copies: u32,
    /// It acts until the context is shut down, which is when those that end by themselves have.
    serves: bool,
}

impl Part {
    /// One that ends by itself.
    pub(crate) fn new(role: &'static str, set_up: fn(&Stage) -> Outcome<Act>) -> Self {
        Self { role, set_up, copies: 1, serves: false }
    }

    /// One that acts until the context is shut down.
    #[allow(dead_code, reason = "not every example has one")]
    pub(crate) fn serving(role: &'static str, set_up: fn(&Stage) -> Outcome<Act>) -> Self {
        Self { serves: true, ..Self::new(role, set_up) }
    }

    /// So many of it, numbered from 0.
    #[allow(dead_code, reason = "not every example has one")]
    pub(crate) fn copies(self, copies: u32) -> Self {
        Self { copies, ..self }
    }
}

/// The flags of an example in parts: those of `known`, `--role` and `--seconds`.
pub(crate) fn flags(known: &[(&'static str, &str)]) -> Outcome<Flags> {
    Ok(Flags::parse(&[known, &[("--role", "all"), ("--seconds", "60")]].concat())?)
}

/// For those that only serve, and whose time is up, to tell the last they have done.
const GRACE: Duration = Duration::from_secs(1);

/// How long anything may take.
pub(crate) fn patience(flags: &Flags) -> Outcome<Duration> {
    Ok(Duration::from_secs(flags.positive("--seconds")?.into()))
}

/// Plays those of `parts` that `--role` names, and prints their reports, in the order of `parts`.
pub(crate) fn play(flags: &Flags, parts: &[Part]) -> Outcome<()> {
    let (role, patience) = (flags.text("--role"), patience(flags)?);
    let context = Context::new();
    let mut acts = Vec::new();
    for part in parts.iter().filter(|part| role == "all" || role == part.role) {
        for number in 0..part.copies {
            acts.push((part.serves, (part.set_up)(&Stage { context: &context, flags, number })?));
        }
    }
    if acts.is_empty() {
        let roles: Vec<_> = parts.iter().map(|part| part.role).collect();
        return Err(format!("--role is all or one of {}, not {role:?}", roles.join(", ")).into());
    }

    let mut reports = vec![String::new(); acts.len()];
    let mut acting = acts.iter().filter(|(serves, _)| !serves).count();
    // Those that serve, and have nobody here to serve, do so as long as they may.
    let only_serves = acting == 0;
    let (ended, endings) = mpsc::channel();
    for (place, (serves, act)) in acts.into_iter().enumerate() {
        let ended = ended.clone();
        thread::spawn(move || ended.send((place, serves, act())));
    }
    drop(ended);

    let deadline = Instant::now() + patience;
    let mut outcome = Ok(());
    while outcome.is_ok() && (acting > 0 || only_serves) {
        match endings.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok((place, serves, Ok(report))) => {
                reports[place] = report;
                acting -= usize::from(!serves);
            }
            Ok((_, _, Err(error))) => outcome = Err(error),
            Err(RecvTimeoutError::Timeout) if !only_serves => {
                outcome = Err(format!("not done after {} s", patience.as_secs()).into());
            }
            // Served long enough; or all that are left have panicked.
            Err(_) => break,
        }
    }
    // Ends those that serve, and lets what the others sent last get to where it goes, if need be to another process.
    let remaining =
        deadline.saturating_duration_since(Instant::now()).max(if only_serves { GRACE } else { Duration::ZERO });
    context.shutdown(if outcome.is_ok() { remaining } else { Duration::ZERO });
    for (place, _, ending) in endings {
        match ending {
            Ok(report) => reports[place] = report,
            // The first to fail says why; that others could not go on then is no news.
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    outcome?;
    for report in reports.iter().filter(|report| !report.is_empty()) {
        println!("{report}");
    }
    Ok(())
}
