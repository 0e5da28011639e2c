//! The threads of one measurement: started where they belong, and never waited for beyond a limit.
//!
//! The first that fails ends the measurement: the others may be waiting for a message that will never come, so they are
//! left behind and the program ends.

#![forbid(unsafe_code)]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use ringway::affinity::{self, SpawnError};

use crate::failure::Failure;

/// Threads that each give one `T`.
pub(crate) struct Crew<T> {
    results_in: mpsc::Sender<Result<T, Failure>>,
    results: mpsc::Receiver<Result<T, Failure>>,
    members: usize,
}

impl<T: Send + 'static> Crew<T> {
    pub(crate) fn new() -> Self {
        let (results_in, results) = mpsc::channel();
        Self { results_in, results, members: 0 }
    }

    /// Starts a thread called `name`, pinned to `cpu` if there is one to pin to.
    pub(crate) fn start(
        &mut self,
        name: &str,
        cpu: Option<usize>,
        f: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<(), Failure> {
        let (results_in, thread) = (self.results_in.clone(), name.to_owned());
        let member = move || {
            // Whatever `f` leaves half done is dropped with it.
            let result = catch_unwind(AssertUnwindSafe(f)).unwrap_or(Err(Failure::Panicked { thread }));
            // Nobody listens any more after a failure elsewhere.
            let _ = results_in.send(result);
        };
        match cpu {
            Some(cpu) => affinity::spawn_pinned(name, cpu, member).map(drop).map_err(Failure::Thread)?,
            None => thread::Builder::new()
                .name(name.to_owned())
                .spawn(member)
                .map(drop)
                .map_err(|error| Failure::Thread(SpawnError::Thread(error)))?,
        }
        self.members += 1;
        Ok(())
    }

    /// Waits for every member's result, in the order they come.
    pub(crate) fn finish(self, limit: Duration) -> Result<Vec<T>, Failure> {
        let end = Instant::now() + limit;
        (0..self.members)
            .map(|_| {
                let left = end.saturating_duration_since(Instant::now());
                self.results.recv_timeout(left).map_err(|_| Failure::Stuck { after: limit })?
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Never returns while the other end is there.
    fn stay(blocked: &mpsc::Receiver<()>) -> Result<(), Failure> {
        let _ = blocked.recv();
        Ok(())
    }

    #[test]
    fn results_of_all_come_back() {
        let mut crew = Crew::new();
        for n in 0..3 {
            crew.start("crew-test", None, move || Ok(n)).unwrap();
        }
        let mut results = crew.finish(Duration::from_secs(10)).unwrap();
        results.sort_unstable();
        assert_eq!(results, [0, 1, 2]);
    }

    #[test]
    fn first_failure_ends_it_though_another_never_would() {
        let mut crew = Crew::new();
        let (_never, blocked) = mpsc::channel::<()>();
        crew.start("crew-stuck", None, move || stay(&blocked)).unwrap();
        crew.start("crew-fails", None, || Err(Failure::Asked("no".to_owned()))).unwrap();
        assert!(matches!(crew.finish(Duration::from_secs(10)), Err(Failure::Asked(_))));
    }

    #[test]
    fn a_panic_is_a_failure() {
        let mut crew = Crew::<()>::new();
        crew.start("crew-panics", None, || std::panic::resume_unwind(Box::new(()))).unwrap();
        assert!(matches!(crew.finish(Duration::from_secs(10)), Err(Failure::Panicked { .. })));
    }

    #[test]
    fn whoever_never_ends_is_not_waited_for() {
        let mut crew = Crew::new();
        let (_never, blocked) = mpsc::channel::<()>();
        crew.start("crew-stuck", None, move || stay(&blocked)).unwrap();
        assert!(matches!(crew.finish(Duration::ZERO), Err(Failure::Stuck { .. })));
    }
}
