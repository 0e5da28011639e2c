//! Cores: which ones this process may use, which of them share hardware, and pinning a thread to one.
//!
//! A message between two threads costs a cache-line transfer, and that price depends on where the threads run: about
//! 50 ns between hyper-threads of one core, a few hundred between cores, and more between sockets. A thread that may
//! wander pays it differently each time. So threads that matter are pinned, and a pin that did not happen is an error
//! the caller sees, never a silent loss.
//!
//! What is known comes from the process's own CPU mask and from `/sys/devices/system/cpu`. Where sysfs is missing or
//! says something unreadable the answer is `None`, not a guess and not a panic.
//!
//! It does not set scheduling classes or priorities, move interrupts, or place memory on NUMA nodes.

#![forbid(unsafe_code)]

use std::{
    error::Error,
    fmt, fs, io,
    path::Path,
    sync::{OnceLock, mpsc},
    thread,
};

use core_affinity::CoreId;

/// The page in `docs/`, whose example is tested with these.
#[cfg(doctest)]
#[doc = include_str!("../docs/affinity.md")]
mod page {}

/// One cache that a CPU uses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cache {
    /// 1 is nearest to the core.
    pub level: u8,
    /// What it holds.
    pub kind: CacheKind,
    /// Capacity in bytes.
    pub size: u64,
    /// Bytes moved at a time, where the system says.
    pub line_size: Option<u32>,
    /// Every CPU that uses this same cache, in ascending order; the asking one included.
    pub shared_with: Vec<usize>,
}

/// A thread that runs pinned to one CPU, from [`spawn_pinned`]. Dropped, it detaches; the thread goes on.
#[derive(Debug)]
pub struct PinnedThread<T> {
    /// Yields `None` only if the pin failed, and then no `PinnedThread` is made.
    thread: thread::JoinHandle<Option<T>>,
    cpu: usize,
}

/// What a [`Cache`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheKind {
    /// Data only.
    Data,
    /// Instructions only.
    Instruction,
    /// Both.
    Unified,
}

impl<T> PinnedThread<T> {
    /// The CPU the thread was pinned to when it started.
    pub fn cpu(&self) -> usize {
        self.cpu
    }

    /// The thread, for `unpark` and its name.
    pub fn thread(&self) -> &thread::Thread {
        self.thread.thread()
    }

    /// Has the thread's function returned? Never becomes `false` again.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the thread and gives what its function returned.
    ///
    /// # Errors
    ///
    /// The payload of its panic.
    pub fn join(self) -> thread::Result<T> {
        // `None` would mean that the pin failed, and then `spawn_pinned` made no `PinnedThread`.
        self.thread.join().map(|result| result.expect("a pinned thread runs its function"))
    }
}

/// The CPUs this process may run on, in ascending order: its affinity mask, which the cpuset of its container bounds.
///
/// Read once, at the first call of any function here, and kept: a thread that is already pinned would otherwise see
/// its own single CPU. Never empty. A CPU taken away later shows as a failed pin.
pub fn usable() -> &'static [usize] {
    static USABLE: OnceLock<Vec<usize>> = OnceLock::new();
    USABLE.get_or_init(|| {
        let from_mask = core_affinity::get_core_ids().map(|ids| ids.into_iter().map(|core| core.id).collect());
        // The mask is unreadable through a 1,024-bit set on kernels built for more CPUs; the text form is not.
        from_mask.or_else(|| allowed_in_status(&fs::read_to_string("/proc/thread-self/status").ok()?)).map_or_else(
            || (0..thread::available_parallelism().map_or(1, |n| n.get())).collect(),
            |mut cpus: Vec<usize>| {
                cpus.sort_unstable();
                cpus
            },
        )
    })
}

/// The CPU this thread runs on at this moment; stale at once unless the thread is pinned. `None` where the system
/// does not tell.
pub fn current_cpu() -> Option<usize> {
    #[cfg(target_os = "linux")]
    return Some(rustix::thread::sched_getcpu());
    #[cfg(not(target_os = "linux"))]
    None
}

/// The CPUs that are hyper-threads of the same core as `cpu`, in ascending order, itself included.
pub fn siblings(cpu: usize) -> Option<Vec<usize>> {
    siblings_under(Path::new(SYSFS), cpu)
}

/// Are the two CPUs hyper-threads of one core? A CPU is its own sibling.
pub fn are_siblings(one: usize, other: usize) -> Option<bool> {
    siblings(one).map(|set| set.contains(&other))
}

/// The caches `cpu` uses, nearest first.
pub fn caches(cpu: usize) -> Option<Vec<Cache>> {
    caches_under(Path::new(SYSFS), cpu)
}

/// Pins the calling thread to `cpu` and checks that the kernel really did it.
///
/// Threads started later by this thread inherit the pin. System calls; not for a hot path.
///
/// # Errors
///
/// [`PinError`] when the CPU does not exist, is not in [`usable`], or the kernel refuses; the thread may then run
/// where it might before. Only after [`PinError::NotHeld`] is it unknown where.
pub fn pin_current(cpu: usize) -> Result<(), PinError> {
    if !usable().contains(&cpu) {
        return Err(if exists(cpu) == Some(false) {
            PinError::NoSuchCpu { cpu }
        } else {
            PinError::NotAllowed { cpu }
        });
    }
    // The mask the kernel takes here has 1,024 bits; core_affinity indexes it unchecked.
    if cpu >= MASK_BITS {
        return Err(PinError::NotAllowed { cpu });
    }
    if !core_affinity::set_for_current(CoreId { id: cpu }) {
        return Err(PinError::Refused { cpu, source: io::Error::last_os_error() });
    }
    verify_pin(cpu)
}

/// Starts a thread called `name`, pinned to `cpu` before `f` runs.
///
/// Waits until the new thread has pinned itself, so that an impossible pin is the spawner's error. `f` runs if and
/// only if this returns `Ok`.
///
/// # Errors
///
/// [`SpawnError::Thread`] when the thread could not be started (also for a name with a NUL byte),
/// [`SpawnError::Pin`] when it could not be pinned; it has ended by then.
///
/// # Examples
///
/// ```
/// let cpu = ringway::affinity::usable()[0];
/// let worker = ringway::affinity::spawn_pinned("worker", cpu, ringway::affinity::current_cpu)?;
/// # #[cfg(target_os = "linux")]
/// assert_eq!(worker.join().unwrap(), Some(cpu));
/// # Ok::<(), ringway::affinity::SpawnError>(())
/// ```
pub fn spawn_pinned<F, T>(name: &str, cpu: usize, f: F) -> Result<PinnedThread<T>, SpawnError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    if name.contains('\0') {
        // The standard library panics on such a name.
        return Err(SpawnError::Thread(io::Error::new(io::ErrorKind::InvalidInput, "NUL byte in a thread name")));
    }
    usable(); // Read here, before the new thread narrows its own mask.
    let (verdict_in, verdict) = mpsc::sync_channel(1);
    let thread = thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let pinned = pin_current(cpu);
            let run = pinned.is_ok();
            // The spawner waits for this and cannot have gone away.
            let _ = verdict_in.send(pinned);
            run.then(f)
        })
        .map_err(SpawnError::Thread)?;
    match verdict.recv() {
        Ok(Ok(())) => Ok(PinnedThread { thread, cpu }),
        Ok(Err(error)) => {
            let _ = thread.join();
            Err(SpawnError::Pin(error))
        }
        // Not reachable while `pin_current` does not panic.
        Err(_) => Err(SpawnError::Pin(PinError::NotHeld { cpu })),
    }
}

/// Did the pin take? Sandboxed kernels are known to accept the call and ignore it.
#[cfg(target_os = "linux")]
fn verify_pin(cpu: usize) -> Result<(), PinError> {
    let mask = rustix::thread::sched_getaffinity(None)
        .map_err(|error| PinError::Refused { cpu, source: io::Error::from(error) })?;
    let held = mask.count() == 1 && mask.is_set(cpu) && rustix::thread::sched_getcpu() == cpu;
    if held { Ok(()) } else { Err(PinError::NotHeld { cpu }) }
}

/// Elsewhere there is nothing to ask.
#[cfg(not(target_os = "linux"))]
fn verify_pin(_cpu: usize) -> Result<(), PinError> {
    Ok(())
}

/// Does the machine have this CPU at all? `None` where sysfs does not tell.
fn exists(cpu: usize) -> Option<bool> {
    Some(cpu_list_at(&Path::new(SYSFS).join("present"))?.contains(&cpu))
}

fn siblings_under(root: &Path, cpu: usize) -> Option<Vec<usize>> {
    let topology = root.join(format!("cpu{cpu}/topology"));
    // `core_cpus_list` is the name since Linux 5.3, the other one is deprecated but older kernels have only that.
    ["core_cpus_list", "thread_siblings_list"]
        .iter()
        .find_map(|file| cpu_list_at(&topology.join(file)))
        .filter(|set| set.contains(&cpu))
}

fn caches_under(root: &Path, cpu: usize) -> Option<Vec<Cache>> {
    let folder = root.join(format!("cpu{cpu}/cache"));
    let mut caches: Vec<Cache> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("index")))
        .map(|path| cache_at(&path))
        .collect::<Option<_>>()?;
    caches.sort_by_key(|cache| (cache.level, cache.kind != CacheKind::Data));
    Some(caches)
}

fn cache_at(folder: &Path) -> Option<Cache> {
    let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
    Some(Cache {
        level: read("level")?.trim().parse().ok()?,
        kind: parse_cache_kind(&read("type")?)?,
        size: parse_size(&read("size")?)?,
        line_size: read("coherency_line_size").and_then(|text| text.trim().parse().ok()),
        shared_with: cpu_list_at(&folder.join("shared_cpu_list"))?,
    })
}

fn cpu_list_at(path: &Path) -> Option<Vec<usize>> {
    parse_cpu_list(&fs::read_to_string(path).ok()?)
}

/// Parses the kernel's list form, as in `0-3,8,10-11`, into ascending numbers without repetition. Blank is empty.
fn parse_cpu_list(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        if first > last || last >= CPUS_MAX {
            return None;
        }
        cpus.extend(first..=last);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Some(cpus)
}

/// The CPUs in the `Cpus_allowed_list:` line of a `/proc/<pid>/status`; `None` without such a line or with none in it.
fn allowed_in_status(status: &str) -> Option<Vec<usize>> {
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    parse_cpu_list(list).filter(|cpus| !cpus.is_empty())
}

/// Parses a size in the kernel's form, as in `48K`, into bytes.
fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let (digits, unit) = match text.as_bytes().last()? {
        b'K' => (&text[..text.len() - 1], 1 << 10),
        b'M' => (&text[..text.len() - 1], 1 << 20),
        b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

fn parse_cache_kind(text: &str) -> Option<CacheKind> {
    match text.trim() {
        "Data" => Some(CacheKind::Data),
        "Instruction" => Some(CacheKind::Instruction),
        "Unified" => Some(CacheKind::Unified),
        _ => None,
    }
}

/// Why a thread is not pinned.
#[derive(Debug)]
#[non_exhaustive]
pub enum PinError {
    /// The caller named a CPU this machine does not have.
    NoSuchCpu {
        /// The CPU asked for.
        cpu: usize,
    },
    /// The CPU may exist, but this process may not run there: see [`usable`].
    NotAllowed {
        /// The CPU asked for.
        cpu: usize,
    },
    /// The kernel said no.
    Refused {
        /// The CPU asked for.
        cpu: usize,
        /// What it said.
        source: io::Error,
    },
    /// The kernel said yes, and the thread is somewhere else all the same.
    NotHeld {
        /// The CPU asked for.
        cpu: usize,
    },
}

impl fmt::Display for PinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchCpu { cpu } => write!(f, "there is no CPU {cpu} in this machine"),
            Self::NotAllowed { cpu } => write!(f, "this process may not run on CPU {cpu}"),
            Self::Refused { cpu, .. } => write!(f, "the kernel refused to pin a thread to CPU {cpu}"),
            Self::NotHeld { cpu } => write!(f, "a thread pinned to CPU {cpu} runs elsewhere"),
        }
    }
}

impl Error for PinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why [`spawn_pinned`] started nothing.
#[derive(Debug)]
#[non_exhaustive]
pub enum SpawnError {
    /// The system refused another thread, or the name.
    Thread(io::Error),
    /// The thread could not be pinned.
    Pin(PinError),
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thread(_) => f.write_str("the thread could not be started"),
            Self::Pin(_) => f.write_str("the thread could not be pinned"),
        }
    }
}

impl Error for SpawnError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Thread(source) => Some(source),
            Self::Pin(source) => Some(source),
        }
    }
}

/// Where Linux describes its CPUs.
const SYSFS: &str = "/sys/devices/system/cpu";

/// Bits of the fixed-size `cpu_set_t`; CPUs beyond need the kernel's variable-size form.
const MASK_BITS: usize = 1_024;

/// No CPU number in a list is believed beyond this: Linux is built for at most 8,192, and a corrupt range must not
/// become a gigabyte of numbers.
const CPUS_MAX: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn cpu_lists_parse() {
        assert_eq!(parse_cpu_list("0-3,8,10-11\n"), Some(vec![0, 1, 2, 3, 8, 10, 11]));
        assert_eq!(parse_cpu_list("5"), Some(vec![5]));
        assert_eq!(parse_cpu_list("3,1-2,2\n"), Some(vec![1, 2, 3]));
        assert_eq!(parse_cpu_list(" \n"), Some(vec![]));
    }

    #[test]
    fn broken_cpu_lists_are_none() {
        for text in ["a", "1-", "-1", "3-1", "1-2-3", "0-99999999999", "18446744073709551616", "0x1"] {
            assert_eq!(parse_cpu_list(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_parse_and_do_not_overflow() {
        assert_eq!(parse_size("48K\n"), Some(48 << 10));
        assert_eq!(parse_size("2M"), Some(2 << 20));
        assert_eq!(parse_size("64"), Some(64));
        for text in ["", "K", "-1K", "1.5M", "18446744073709551615G", "é"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn status_line_is_found() {
        let status = "Name:\tx\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\nMems_allowed:\t1\n";
        assert_eq!(allowed_in_status(status), Some(vec![0, 1]));
        assert_eq!(allowed_in_status("Name:\tx\n"), None);
        assert_eq!(allowed_in_status("Cpus_allowed_list:\t\n"), None);
    }

    #[test]
    fn absent_sysfs_is_none() {
        let nowhere = Path::new("/nonexistent/ringway");
        assert_eq!(siblings_under(nowhere, 0), None);
        assert_eq!(caches_under(nowhere, 0), None);
    }

    /// A sysfs tree in a temporary folder, removed when dropped.
    struct Tree(PathBuf);

    impl Tree {
        fn new(test: &str, files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("ringway-affinity-{test}-{}", std::process::id()));
            for (file, text) in files {
                let path = root.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(root)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads files")]
    fn a_tree_of_hyper_threads_is_read() {
        let tree = Tree::new(
            "smt",
            &[
                ("cpu1/topology/thread_siblings_list", "1,5\n"),
                ("cpu1/cache/index1/level", "2\n"),
                ("cpu1/cache/index1/type", "Unified\n"),
                ("cpu1/cache/index1/size", "2048K\n"),
                ("cpu1/cache/index1/shared_cpu_list", "1,5\n"),
                ("cpu1/cache/index0/level", "1\n"),
                ("cpu1/cache/index0/type", "Data\n"),
                ("cpu1/cache/index0/size", "48K\n"),
                ("cpu1/cache/index0/coherency_line_size", "64\n"),
                ("cpu1/cache/index0/shared_cpu_list", "1,5\n"),
                ("cpu1/cache/uevent", ""),
            ],
        );
        assert_eq!(siblings_under(&tree.0, 1), Some(vec![1, 5]));
        let caches = caches_under(&tree.0, 1).unwrap();
        assert_eq!(caches.len(), 2);
        assert_eq!(
            caches[0],
            Cache { level: 1, kind: CacheKind::Data, size: 48 << 10, line_size: Some(64), shared_with: vec![1, 5] }
        );
        assert_eq!((caches[1].level, caches[1].line_size), (2, None));
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads files")]
    fn siblings_that_do_not_contain_the_cpu_are_not_believed() {
        let tree = Tree::new("foreign", &[("cpu1/topology/core_cpus_list", "2,3\n")]);
        assert_eq!(siblings_under(&tree.0, 1), None);
    }

    #[test]
    #[cfg_attr(miri, ignore = "asks the kernel")]
    fn some_cpu_is_usable_and_its_own_sibling() {
        let cpu = usable()[0];
        assert!(usable().is_sorted());
        assert_ne!(are_siblings(cpu, cpu), Some(false));
    }

    #[test]
    #[cfg_attr(miri, ignore = "asks the kernel")]
    fn spawned_thread_is_pinned_and_named() {
        for &cpu in usable() {
            let thread = spawn_pinned("ringway-test", cpu, move || {
                (current_cpu(), thread::current().name().map(str::to_owned), usable().len())
            })
            .unwrap();
            assert_eq!(thread.cpu(), cpu);
            let (ran_on, name, seen) = thread.join().unwrap();
            assert_eq!(name.as_deref(), Some("ringway-test"));
            assert_eq!(seen, usable().len(), "a pinned thread still sees the process's CPUs");
            if cfg!(target_os = "linux") {
                assert_eq!(ran_on, Some(cpu));
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "asks the kernel")]
    fn impossible_pin_reaches_the_spawner_and_nothing_runs() {
        for cpu in [CPUS_MAX - 1, CPUS_MAX, usize::MAX] {
            let (ran_in, ran) = mpsc::channel::<()>();
            let refused = spawn_pinned("ringway-test", cpu, move || ran_in.send(()));
            assert!(matches!(refused, Err(SpawnError::Pin(PinError::NoSuchCpu { .. } | PinError::NotAllowed { .. }))));
            assert!(ran.recv().is_err(), "the function ran");
        }
    }

    #[test]
    fn a_name_with_nul_is_an_error() {
        assert!(matches!(spawn_pinned("a\0b", usable()[0], || ()), Err(SpawnError::Thread(_))));
    }
}
