//! The threads of the libraries whose actors are tasks of tokio: with both cores a runtime with a worker on each CPU, with one
//! a runtime that is run by one pinned thread alone.
//!
//! Which of the two workers runs a task is tokio's choice: it may keep two that talk on one.

#![forbid(unsafe_code)]

use std::{
    io,
    pin::pin,
    sync::{
        Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    task::{Context, Poll, Waker},
    thread::{self, JoinHandle},
    time::Duration,
};

use ringway::affinity;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
};

use super::library::{Cores, Setting};
use crate::failure::Failure;

/// A runtime. Dropping it ends it, and its tasks wherever they are.
pub(super) struct Tasks {
    handle: Handle,
    threads: Threads,
}

enum Threads {
    /// Its own.
    Workers(Option<Runtime>),
    /// One of ours, which runs it until it is told to stop.
    Ours { stop: Option<oneshot::Sender<()>>, thread: Option<JoinHandle<()>> },
}

impl Tasks {
    pub(super) fn start(setting: &Setting) -> Result<Self, Failure> {
        let cpus = setting.cpus();
        match setting.cores {
            Cores::Both => Self::workers(cpus),
            Cores::One => Self::ours(cpus.first().copied().flatten()),
        }
    }

    fn workers(cpus: Vec<Option<usize>>) -> Result<Self, Failure> {
        let count = cpus.len();
        let (say, said) = mpsc::channel();
        let left = Mutex::new((cpus.into_iter(), say));
        let pin_next = move || {
            let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
            // There are no more threads than workers, as nothing here blocks.
            let pinned = left.0.next().flatten().map_or(Ok(()), affinity::pin_current);
            let _ = left.1.send(pinned);
        };
        let runtime = Builder::new_multi_thread().worker_threads(count).on_thread_start(pin_next).build();
        let runtime = runtime.map_err(broken)?;
        for _ in 0..count {
            said.recv_timeout(STARTED_WITHIN).map_err(stuck)?.map_err(broken)?;
        }
        Ok(Self { handle: runtime.handle().clone(), threads: Threads::Workers(Some(runtime)) })
    }

    fn ours(cpu: Option<usize>) -> Result<Self, Failure> {
        let ((say, said), (stop, stopped)) = (mpsc::channel(), oneshot::channel());
        let run = move || {
            let pinned = cpu.map_or(Ok(()), affinity::pin_current).map_err(broken);
            let runtime = pinned.and_then(|()| Builder::new_current_thread().build().map_err(broken));
            match runtime {
                Ok(runtime) => {
                    let _ = say.send(Ok(runtime.handle().clone()));
                    let _ = runtime.block_on(stopped);
                }
                Err(failure) => _ = say.send(Err(failure)),
            }
        };
        let thread = thread::Builder::new().name("tokio-local".to_owned()).spawn(run).map_err(broken::<io::Error>)?;
        let handle = said.recv_timeout(STARTED_WITHIN).map_err(stuck)??;
        Ok(Self { handle, threads: Threads::Ours { stop: Some(stop), thread: Some(thread) } })
    }

    /// Runs `f` where tasks can be started.
    pub(super) fn within<T>(&self, f: impl FnOnce() -> T) -> T {
        let _guard = self.handle.enter();
        f()
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        match &mut self.threads {
            Threads::Workers(runtime) => {
                if let Some(runtime) = runtime.take() {
                    runtime.shutdown_timeout(STARTED_WITHIN);
                }
            }
            Threads::Ours { stop, thread } => {
                // If it is gone already it has panicked, and said so on the terminal.
                let _ = stop.take().map(|stop| stop.send(()));
                let _ = thread.take().map(JoinHandle::join);
            }
        }
    }
}

/// What comes of a future that has nothing to wait for.
///
/// # Panics
/// It waits.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing that an actor of a case starts with waits"),
    }
}

fn broken<E: std::error::Error + Send + Sync + 'static>(error: E) -> Failure {
    Failure::road("tokio", error)
}

fn stuck(_: RecvTimeoutError) -> Failure {
    Failure::Stuck { after: STARTED_WITHIN }
}

/// A thread to start, or to end.
const STARTED_WITHIN: Duration = Duration::from_secs(20);
