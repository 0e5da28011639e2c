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
