//! A thread in a call of ours, and signals for it: sent when it is known to be parked, not when it should be by now.

use std::{
    fs,
    os::unix::thread::JoinHandleExt,
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How the kernel is to go on after a handler, as far as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    /// The system call fails with `EINTR`.
    Plain,
    /// `SA_RESTART`: it is begun anew, if it is one of those that are.
    Restarting,
}

pub(crate) const HANDLERS: [Handler; 2] = [Handler::Plain, Handler::Restarting];

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Times a handler ran in this process.
static RUNS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn handle(_signal: libc::c_int) {
    RUNS.fetch_add(1, Ordering::Relaxed);
}

impl Handler {
    fn signal(self) -> libc::c_int {
        match self {
            Self::Plain => libc::SIGUSR1,
            Self::Restarting => libc::SIGUSR2,
        }
    }

    fn flags(self) -> libc::c_int {
        match self {
            Self::Plain => 0,
            Self::Restarting => libc::SA_RESTART,
        }
    }
}

/// Both handlers are there when it returns.
fn install_handlers() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        for handler in HANDLERS {
            // SAFETY: all zeros are a valid `sigaction`: no flags, nothing blocked.
            let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
            action.sa_sigaction = handle as extern "C" fn(libc::c_int) as libc::sighandler_t;
            action.sa_flags = handler.flags();
            // SAFETY: the handler does what one may: it adds to an atomic.
            let done = unsafe { libc::sigaction(handler.signal(), &raw const action, std::ptr::null_mut()) };
            assert_eq!(done, 0);
        }
    });
}

/// A thread that runs `body`, most of which is a call that waits.
pub(crate) struct Caller<T> {
    thread: JoinHandle<T>,
    /// The kernel's number of it.
    number: libc::pid_t,
}

impl<T: Send + 'static> Caller<T> {
    pub(crate) fn new(body: impl FnOnce() -> T + Send + 'static) -> Self {
        install_handlers();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            // SAFETY: it takes nothing and cannot fail.
            tell.send(unsafe { libc::gettid() }).unwrap();
            body()
        });
        Self { thread, number: told.recv().unwrap() }
    }

    /// Waits until it is parked: asleep in the kernel, and not switched to for some looks. Nothing in these tests sleeps
    /// that long elsewhere.
    pub(crate) fn await_park(&self) -> &Self {
        let begun = Instant::now();
        let mut before = None;
        let mut unchanged = 0;
        while unchanged < 4 {
            assert!(begun.elapsed() < PATIENCE, "it never parks");
            let now = self.switches_asleep();
            unchanged = if now.is_some() && now == before { unchanged + 1 } else { 0 };
            before = now;
            thread::sleep(Duration::from_millis(1));
        }
        self
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, handler: Handler) -> &Self {
        // SAFETY: the thread was not joined, so its handle is valid.
        let sent = unsafe { libc::pthread_kill(self.thread.as_pthread_t(), handler.signal()) };
        // Older libraries of C say so of a thread that has ended.
        assert!(matches!(sent, 0 | libc::ESRCH), "{sent}");
        self
    }

    /// Sends it signals until it has returned. One that comes when it does not sleep ends nothing, and that it has been seen
    /// asleep says little: it may wake up now and then while it waits, and on a busy machine it may have slept elsewhere.
    pub(crate) fn signal_until_over(&self, handler: Handler) -> &Self {
        let begun = Instant::now();
        while !self.is_over() {
            assert!(begun.elapsed() < PATIENCE, "no signal ends it");
            self.signal(handler);
            thread::sleep(Duration::from_millis(1));
        }
        self
    }

    /// Sends it a signal, which is to end nothing: waits until the handler has run.
    pub(crate) fn signal_in_vain(&self, handler: Handler) -> &Self {
        let before = RUNS.load(Ordering::Relaxed);
        self.signal(handler);
        let begun = Instant::now();
        while RUNS.load(Ordering::Relaxed) == before {
            assert!(begun.elapsed() < PATIENCE, "the handler never runs");
            thread::yield_now();
        }
        self
    }

    pub(crate) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// What it returns, which it must do without more.
    pub(crate) fn join(self) -> T {
        let begun = Instant::now();
        while !self.thread.is_finished() {
            assert!(begun.elapsed() < PATIENCE, "it does not return");
            thread::sleep(Duration::from_micros(100));
        }
        self.thread.join().unwrap()
    }

    /// If it sleeps now: how often it was switched away from so far.
    fn switches_asleep(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/self/task/{}/status", self.number)).ok()?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if !field("State:")?.starts_with('S') {
            return None;
        }
        field("voluntary_ctxt_switches:")?.parse().ok()
    }
}

/// What each thread of this process blocks whose name begins with `name`: signal n is bit n - 1.
pub(crate) fn blocked_signals(name: &str) -> Vec<u64> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok);
    let statuses = tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
    let masks = statuses.filter_map(|status| {
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let is_one = field("Name:")?.starts_with(name);
        let mask = u64::from_str_radix(field("SigBlk:")?, 16).ok()?;
        is_one.then_some(mask)
    });
    masks.collect()
}
