//! Host names, resolved off everybody's way: the system's resolver blocks, for half a minute if a name server does not
//! answer.
//!
//! A thread is started when there is a name to resolve, up to [`THREADS_MAX`] of them so that a name whose server is down
//! does not hold up the others, and ends when there is none left. An idle resolver is no thread at all.

#![forbid(unsafe_code)]

use std::{
    collections::VecDeque,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use super::address::{self, Address};
use crate::{
    Endpoint,
    monitor::ConnectFailure,
    sync::{Arc, Mutex},
    system,
};

/// Addresses to be tried in turn, at least one, or why there is none.
pub(crate) type Resolved = Result<Vec<Address>, ConnectFailure>;

/// Called once with the answer.
pub(crate) type Done = Box<dyn FnOnce(Resolved) + Send>;

/// Resolves names, on threads of its own.
///
/// Dropping it drops what has not been resolved, without an answer. Its threads end; one that the system keeps blocked is
/// waited for [`PATIENCE`] and then left to end by itself, with nothing to do any more.
pub(crate) struct Resolver {
    desk: Arc<Desk>,
    /// Hears when all threads have ended.
    ended: Mutex<mpsc::Receiver<()>>,
}

struct Desk {
    work: Mutex<Work>,
}

struct Work {
    queue: VecDeque<Job>,
    /// Threads that have not found the queue empty.
    threads: usize,
    handles: Vec<JoinHandle<()>>,
    /// Each thread holds a clone as long as it runs. `None`: closed.
    running: Option<mpsc::Sender<()>>,
}

struct Job {
    endpoint: Endpoint,
    ipv6: bool,
    done: Done,
}

/// The addresses `endpoint` leads to, if that needs no resolver. Never blocks.
pub(crate) fn resolve_now(endpoint: &Endpoint) -> Option<Resolved> {
    match endpoint {
        Endpoint::Tcp(tcp) => address::remote_number(tcp.place()).map(addresses),
        Endpoint::Ipc(ipc) => Some(Ok(vec![Address::Ipc(ipc.clone())])),
        Endpoint::Inproc(_) => unreachable!("an in-process endpoint has no address"),
    }
}

/// As [`resolve_now`], and names, too. Blocks for them.
fn resolve_blocking(endpoint: &Endpoint, ipv6: bool) -> Resolved {
    match endpoint {
        Endpoint::Tcp(tcp) => addresses(address::remote(tcp.place(), ipv6)),
        other => resolve_now(other).unwrap_or(Err(ConnectFailure::NameNotResolved)),
    }
}

fn addresses(found: Result<Vec<std::net::SocketAddr>, address::AddressError>) -> Resolved {
    Ok(found?.into_iter().map(Address::Tcp).collect())
}

impl Resolver {
    /// Without a thread yet.
    pub(crate) fn new() -> Self {
        let (running, ended) = mpsc::channel();
        let work = Work { queue: VecDeque::new(), threads: 0, handles: Vec::new(), running: Some(running) };
        Self { desk: Arc::new(Desk { work: Mutex::new(work) }), ended: Mutex::new(ended) }
    }

    /// Calls `done` with the addresses `endpoint` leads to: before this returns, on this thread, if no name has to be
    /// resolved; else later, on another. Never blocks.
    ///
    /// With `ipv6` a name stands for addresses of both kinds. `done` is short and holds no lock that a caller of this holds.
    pub(crate) fn resolve(&self, endpoint: &Endpoint, ipv6: bool, done: Done) {
        if let Some(resolved) = resolve_now(endpoint) {
            return done(resolved);
        }
        if let Err((job, error)) = self.enqueue(Job { endpoint: endpoint.clone(), ipv6, done }) {
            (job.done)(Err(ConnectFailure::of(&error)));
        }
    }

    /// Hands `job` to a thread. It comes back if there is none and the system does not give one.
    fn enqueue(&self, job: Job) -> Result<(), (Job, io::Error)> {
        let mut work = self.desk.work.lock();
        work.queue.push_back(job);
        if work.threads >= THREADS_MAX {
            return Ok(());
        }
        match work.start_thread(&self.desk) {
            Err(error) if work.threads == 0 => match work.queue.pop_back() {
                Some(job) => Err((job, error)),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

impl Work {
    fn start_thread(&mut self, desk: &Arc<Desk>) -> io::Result<()> {
        let Some(running) = self.running.clone() else { return Ok(()) };
        self.handles.retain(|handle| !handle.is_finished());
        let desk = desk.clone();
        let serve = move || {
            let _running = running;
            desk.serve();
        };
        self.handles.push(thread::Builder::new().name("ringway-names".into()).spawn(serve)?);
        self.threads += 1;
        Ok(())
    }
}

impl Desk {
    /// A thread's life.
    fn serve(&self) {
        system::leave_signals_to_others();
        while let Some(job) = self.next() {
            let resolved = resolve_blocking(&job.endpoint, job.ipv6);
            if self.is_closed() {
                return;
            }
            // A panic is its own; the names of others are still to be resolved.
            let _ = catch_unwind(AssertUnwindSafe(|| (job.done)(resolved)));
        }
    }

    fn is_closed(&self) -> bool {
        self.work.lock().running.is_none()
    }

    fn next(&self) -> Option<Job> {
        let mut work = self.work.lock();
        let job = work.queue.pop_front();
        if job.is_none() {
            // Under the lock, so that who puts a job there later starts a thread.
            work.threads -= 1;
        }
        job
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let (queue, handles) = {
            let mut work = self.desk.work.lock();
            work.running = None;
            (std::mem::take(&mut work.queue), std::mem::take(&mut work.handles))
        };
        // Without the lock: an answer may own anything.
        drop(queue);
        // The last who needed it may have been an answer.
        let here = thread::current().id();
        if handles.iter().all(|handle| handle.thread().id() != here) {
            let _ = self.ended.lock().recv_timeout(PATIENCE);
        }
        for handle in handles.into_iter().filter(JoinHandle::is_finished) {
            let _ = handle.join();
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// Names being resolved at a time. Each waits for a name server; more than this many that do not answer are one trouble.
const THREADS_MAX: usize = 4;

/// How long a dropped resolver waits for threads to end that have nothing to wait for but the system.
const PATIENCE: Duration = Duration::from_millis(100);

#[cfg(all(test, not(any(loom, shuttle, miri))))]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn ask(resolver: &Resolver, text: &str, ipv6: bool) -> mpsc::Receiver<(Resolved, thread::ThreadId)> {
        let (answer, answers) = mpsc::channel();
        let done = move |resolved| answer.send((resolved, thread::current().id())).unwrap_or(());
        resolver.resolve(&text.parse().unwrap(), ipv6, Box::new(done));
        answers
    }

    fn texts(resolved: Resolved) -> Vec<String> {
        resolved.unwrap().iter().map(Address::to_string).collect()
    }

    #[test]
    fn numbers_are_answered_at_once_and_here() {
        let resolver = Resolver::new();
        for (text, address) in [
            ("tcp://127.0.0.1:5", "127.0.0.1:5"),
            ("tcp://127.0.0.2:0;127.0.0.1:5", "127.0.0.1:5"),
            ("tcp://[::1]:5", "[::1]:5"),
            ("tcp://[fe80::1%3]:5", "[fe80::1%3]:5"),
            ("ipc://x", "x"),
        ] {
            let (resolved, thread) = ask(&resolver, text, false).try_recv().expect("an answer at once");
            assert_eq!(texts(resolved), [address]);
            assert_eq!(thread, thread::current().id());
        }
        assert_eq!(resolver.desk.work.lock().handles.len(), 0);
    }

    #[test]
    fn names_are_answered_by_a_thread() {
        let resolver = Resolver::new();
        let (resolved, thread) = ask(&resolver, "tcp://localhost:5", false).recv_timeout(PATIENCE).unwrap();
        assert_eq!(texts(resolved), ["127.0.0.1:5"]);
        assert_ne!(thread, thread::current().id());
        let (resolved, _) = ask(&resolver, "tcp://nosuch.invalid:5", true).recv_timeout(PATIENCE).unwrap();
        assert_eq!(resolved, Err(ConnectFailure::NameNotResolved));
    }

    #[test]
    fn there_is_no_thread_when_there_is_nothing_to_do() {
        let resolver = Resolver::new();
        for _ in 0..20 {
            let answers: Vec<_> = (0..10).map(|_| ask(&resolver, "tcp://localhost:5", false)).collect();
            answers.iter().for_each(|answer| drop(answer.recv_timeout(PATIENCE).unwrap()));
            assert!(resolver.desk.work.lock().threads <= THREADS_MAX);
        }
        while resolver.desk.work.lock().threads > 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn an_answer_that_panics_keeps_none_of_the_others() {
        let resolver = Resolver::new();
        let endpoint: Endpoint = "tcp://localhost:5".parse().unwrap();
        for _ in 0..10 {
            resolver.resolve(&endpoint, false, Box::new(|_| std::panic::resume_unwind(Box::new(()))));
        }
        ask(&resolver, "tcp://localhost:5", false).recv_timeout(PATIENCE).unwrap().0.unwrap();
    }

    #[test]
    fn the_last_owner_may_be_an_answer() {
        let resolver = std::sync::Arc::new(Resolver::new());
        let (answer, answers) = mpsc::channel();
        let (go, wait) = mpsc::channel();
        let owner = resolver.clone();
        let done = move |_| {
            wait.recv_timeout(PATIENCE).unwrap();
            drop(owner);
            answer.send(()).unwrap();
        };
        resolver.resolve(&"tcp://localhost:5".parse().unwrap(), false, Box::new(done));
        drop(resolver);
        go.send(()).unwrap();
        answers.recv_timeout(PATIENCE).unwrap();
    }

    #[test]
    fn what_is_not_answered_is_dropped_with_the_resolver() {
        let resolver = Resolver::new();
        let (started, starts) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let wait = std::sync::Arc::new(Mutex::new(wait));
        // All threads are held up in answers.
        for _ in 0..THREADS_MAX {
            let (started, wait) = (started.clone(), wait.clone());
            let done = move |_| {
                started.send(()).unwrap();
                let _ = wait.lock().recv_timeout(PATIENCE);
            };
            resolver.resolve(&"tcp://localhost:5".parse().unwrap(), false, Box::new(done));
        }
        (0..THREADS_MAX).for_each(|_| starts.recv_timeout(PATIENCE).unwrap());
        let waiting = ask(&resolver, "tcp://localhost:5", false);
        drop(resolver);
        assert_eq!(waiting.try_recv(), Err(mpsc::TryRecvError::Disconnected));
        drop(go);
    }
}
