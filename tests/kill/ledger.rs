//! Words that outlive the process that writes them: a file, mapped by a child and by who started it.

use std::{
    fs::OpenOptions,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    ptr, slice,
    sync::atomic::{AtomicU64, Ordering},
};

use ringway::phase;

/// A child's account of itself.
pub(crate) struct Ledger {
    words: &'static [AtomicU64],
    path: PathBuf,
}

/// What a child writes besides what `phase` does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry {
    /// Calls that send have begun for so many messages.
    Sending,
    /// They have returned for so many.
    Sent,
    /// The number of the first message that was received, and one.
    First,
    /// Likewise of the last.
    Last,
    /// So many were returned by calls that receive, and are in order.
    Received,
    /// A process the child has left behind.
    Left,
}

const SIZE: usize = 4096;

impl Ledger {
    /// A new one, all zeros, at `path`. Mapped for as long as the process lives.
    pub(crate) fn new(path: PathBuf) -> Self {
        let file = OpenOptions::new().create_new(true).read(true).write(true).open(&path).expect("a file");
        file.set_len(SIZE as u64).expect("room for a page");
        Self { words: map(&file), path }
    }

    /// The one somebody has made at `path`.
    pub(crate) fn open(path: &Path) -> Self {
        let file = OpenOptions::new().read(true).write(true).open(path).expect("who started us has made it");
        Self { words: map(&file), path: path.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// For the next child.
    pub(crate) fn clear(&self) {
        self.words.iter().for_each(|word| word.store(0, Ordering::SeqCst));
    }

    /// Has the library count its phases here.
    pub(crate) fn record_phases(&self) {
        phase::record(&self.words[..phase::WORDS]);
    }

    /// How often a phase was reached.
    pub(crate) fn reached(&self, name: &str) -> u64 {
        self.words[phase::REACHED + phase::index_of(name)].load(Ordering::SeqCst)
    }

    /// When, by the clock of [`now_ns`], and where the child has died by its own hand.
    pub(crate) fn death(&self) -> Option<(u64, &'static str)> {
        let index = self.words[phase::DIED_IN].load(Ordering::SeqCst).checked_sub(1)?;
        let at = self.words[phase::DIED_AT_NS].load(Ordering::SeqCst);
        Some((at, phase::PHASES[index as usize].name))
    }

    pub(crate) fn write(&self, entry: Entry, value: u64) {
        self.entry(entry).store(value, Ordering::SeqCst);
    }

    pub(crate) fn read(&self, entry: Entry) -> u64 {
        self.entry(entry).load(Ordering::SeqCst)
    }

    fn entry(&self, entry: Entry) -> &AtomicU64 {
        &self.words[phase::WORDS + entry as usize]
    }
}

fn map(file: &std::fs::File) -> &'static [AtomicU64] {
    // SAFETY: no address is asked for, so nothing that is mapped is replaced.
    let page = unsafe {
        libc::mmap(ptr::null_mut(), SIZE, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, file.as_raw_fd(), 0)
    };
    assert_ne!(page, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
    // SAFETY: a page of a file of that size, mapped for good and touched by nobody but through atomics.
    unsafe { slice::from_raw_parts(page.cast(), SIZE / size_of::<AtomicU64>()) }
}

/// The monotonic clock, which all processes share and `Instant` reads as well.
pub(crate) fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
