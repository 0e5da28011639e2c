//! Who survives: a context of this process, what its monitor tells of children, and what must not be left of them.

use std::{
    collections::HashMap,
    env, fs,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use ringway::{
    Monitor, PeerId,
    monitor::{Event, EventKind},
};

use crate::{
    PATIENCE,
    death::{Death, Tally},
    ledger::now_ns,
};

/// A folder for sockets, ledgers and whatever children leave behind.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ringway-kill-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        fs::create_dir(&path).expect("a folder for temporary files");
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("ipc://{}", self.file("socket").display())
    }

    /// Nothing is in it but what is `known`.
    #[track_caller]
    pub(crate) fn holds_only(&self, known: &[&str]) {
        let mut names: Vec<String> = fs::read_dir(&self.0)
            .expect("it is ours")
            .map(|entry| entry.expect("it is ours").file_name().to_string_lossy().into_owned())
            .filter(|name| !known.contains(&name.as_str()))
            .collect();
        names.sort();
        assert!(names.is_empty(), "left behind: {names:?}");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a monitor has told of children, by their process ids.
pub(crate) struct Watch {
    monitor: Monitor,
    /// The two clocks at one moment.
    begun: (Instant, u64),
    /// Whose connections there have been, and which are open.
    pids: HashMap<PeerId, u32>,
    joined: HashMap<u32, u64>,
    left: HashMap<u32, u64>,
}

impl Watch {
    pub(crate) fn new(monitor: Monitor) -> Self {
        Self {
            monitor,
            begun: (Instant::now(), now_ns()),
            pids: HashMap::new(),
            joined: HashMap::new(),
            left: HashMap::new(),
        }
    }

    fn read(&mut self) {
        while let Ok(event) = self.monitor.try_recv() {
            self.take(event);
        }
    }

    fn take(&mut self, Event { at, kind, .. }: Event) {
        let at_ns = self.begun.1 + at.saturating_duration_since(self.begun.0).as_nanos() as u64;
        match kind {
            EventKind::HandshakeSucceeded { peer, remote, .. } => {
                // "process 4711 of user 1000"
                let pid = remote.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("who it is");
                self.pids.insert(peer, pid);
                self.joined.insert(pid, at_ns);
            }
            EventKind::Disconnected { peer, .. } => {
                if let Some(pid) = self.pids.remove(&peer) {
                    self.left.insert(pid, at_ns);
                }
            }
            EventKind::Missed(count) => panic!("{count} events were not read in time"),
            _ => {}
        }
    }

    /// Has that process been let in?
    pub(crate) fn is_in(&mut self, pid: u32) -> bool {
        self.read();
        self.joined.contains_key(&pid)
    }

    /// Waits until it is told that the process that has died is gone, if it was told that it had come. `has_come`: it must
    /// be told so, as the process has been heard.
    #[track_caller]
    pub(crate) fn mourns(&mut self, death: &Death, has_come: bool, tally: Option<&mut Tally>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.read();
            let joined = self.joined.get(&death.pid).copied();
            if joined.is_none() && !has_come {
                return;
            }
            if let (Some(joined), Some(&left)) = (joined, self.left.get(&death.pid)) {
                // Who had closed before is not missed.
                if let Some(tally) = tally
                    && joined < death.at_ns
                    && left >= death.at_ns
                {
                    tally.told(left - death.at_ns);
                }
                return;
            }
            assert!(Instant::now() < deadline, "not told of {death:?}, who joined at {joined:?}");
            if let Ok(event) = self.monitor.recv_timeout(Duration::from_millis(5)) {
                self.take(event);
            }
        }
    }

    /// Connections there are, as far as it was told.
    pub(crate) fn open(&mut self) -> usize {
        self.read();
        self.pids.len()
    }
}

/// What the system says of a process in a letter: `T`, it is stopped; `Z`, it has ended. `None`: there is none.
pub(crate) fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Of "pid (name) state …"; a name may have anything in it.
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Sockets this process has open: listeners and connections, whatever becomes of those.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sockets(usize);

impl Sockets {
    pub(crate) fn now() -> Self {
        let open = fs::read_dir("/proc/self/fd").expect("the system lists them").filter_map(Result::ok);
        let is_socket = |path: PathBuf| path.as_os_str().as_encoded_bytes().starts_with(b"socket:");
        Self(open.filter(|entry| fs::read_link(entry.path()).is_ok_and(is_socket)).count())
    }

    /// Waits until there are no more of them than at that time.
    #[track_caller]
    pub(crate) fn wait(self, death: &Death) {
        let deadline = Instant::now() + PATIENCE;
        while Self::now().0 > self.0 {
            assert!(Instant::now() < deadline, "connections are left of {death:?}");
            thread::sleep(Duration::from_micros(500));
        }
    }
}

/// What a process has of the system's, and would have more of if some were not given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holdings {
    /// Those of `sleepers` not counted.
    descriptors: usize,
    /// Each socket has one from when it first sleeps beside the doorbells of its peers, which it may not have done yet: no
    /// connection has any.
    sleepers: usize,
    shared_mappings: usize,
}

impl Holdings {
    pub(crate) fn now() -> Self {
        let open = descriptors();
        let sleepers = open.iter().filter(|path| path.as_str() == "anon_inode:[eventfd]").count();
        Self { descriptors: open.len() - sleepers, sleepers, shared_mappings: shared_mappings().len() }
    }

    /// Is there no more than `most`, with one socket that may have slept since?
    pub(crate) fn is_within(self, most: Self) -> bool {
        self.descriptors <= most.descriptors
            && self.sleepers <= most.sleepers + 1
            && self.shared_mappings <= most.shared_mappings
    }

    /// Waits until no more is held than `self`.
    #[track_caller]
    pub(crate) fn return_to(self, watch: &mut Watch) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Self::now();
            let open = watch.open();
            if now.is_within(self) && open == 0 {
                return;
            }
            if Instant::now() >= deadline {
                let mut all = descriptors();
                all.sort();
                all.extend(shared_mappings());
                panic!("{now:?} is more than {self:?}; {open} connections are open: {all:#?}");
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What the descriptors are of.
fn descriptors() -> Vec<String> {
    let open = fs::read_dir("/proc/self/fd").expect("the system lists them").filter_map(Result::ok);
    // One that is gone by now is none.
    open.filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.display().to_string())).collect()
}

/// The lines the system has for them.
fn shared_mappings() -> Vec<String> {
    let maps = fs::read_to_string("/proc/self/maps").expect("the system lists them");
    // "address perms …", where the fourth of perms tells shared from private.
    let is_shared = |line: &&str| line.split(' ').nth(1).is_some_and(|perms| perms.ends_with('s'));
    maps.lines().filter(is_shared).map(str::to_owned).collect()
}
