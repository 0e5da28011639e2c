//! A seam for tests: the system refuses a step, though it would not.
//!
//! Without the features for tests [`ask`] is nothing.

#![forbid(unsafe_code)]

use std::fmt;

/// What the system is asked for, of all that sharing memory takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// A file without a name (`memfd_create`).
    Create,
    /// The file's pages (`ftruncate`, `fallocate`).
    Reserve,
    /// A mapping (`mmap`).
    Map,
    /// To keep a mapping from processes forked later (`madvise`).
    Hide,
    /// Seals of a file (`fcntl`).
    Seal,
    /// What a file is (`fstat`, `fstatfs`).
    Inspect,
    /// A pair of sockets (`socketpair`).
    Pair,
    /// Descriptors on their way to a peer (`sendmsg`).
    Pass,
    /// A descriptor of a process (`SO_PEERPIDFD`, `pidfd_open`).
    Watch,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "making memory without a name",
            Self::Reserve => "reserving memory",
            Self::Map => "mapping memory",
            Self::Hide => "keeping memory from forked processes",
            Self::Seal => "sealing memory",
            Self::Inspect => "inspecting memory",
            Self::Pair => "making a pair of sockets",
            Self::Pass => "passing descriptors",
            Self::Watch => "watching a process",
        })
    }
}

/// Fails if a test has it so.
#[cfg(not(any(test, feature = "awkward-pipes")))]
#[inline(always)]
pub(crate) fn ask(_: Step) -> std::io::Result<()> {
    Ok(())
}

#[cfg(any(test, feature = "awkward-pipes"))]
pub(crate) use tested::*;

#[cfg(any(test, feature = "awkward-pipes"))]
mod tested {
    use std::{cell::Cell, io};

    use super::Step;
    use crate::sync::{Mutex, unique_number};

    /// What is refused to the whole process, each with a number of its own.
    static EVERYWHERE: std::sync::LazyLock<Mutex<Vec<(u64, Refusal)>>> = std::sync::LazyLock::new(Mutex::default);

    std::thread_local! {
        /// What is refused to this thread.
        static HERE: Cell<Option<Refusal>> = const { Cell::new(None) };
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Refusal {
        step: Step,
        /// The system's number for why.
        code: i32,
        /// Times it is still allowed.
        passes: u32,
    }

    impl Refusal {
        /// Is `step` refused now?
        fn takes(&mut self, step: Step) -> bool {
            if self.step != step {
                return false;
            }
            let is_now = self.passes == 0;
            self.passes = self.passes.saturating_sub(1);
            is_now
        }
    }

    /// Fails if a test has it so.
    pub(crate) fn ask(step: Step) -> io::Result<()> {
        let here = HERE.get().filter(|refusal| refusal.step == step);
        let everywhere =
            || EVERYWHERE.lock().iter_mut().find_map(|(_, refusal)| refusal.takes(step).then_some(*refusal));
        let refusal = here.or_else(everywhere);
        refusal.map_or(Ok(()), |refusal| Err(io::Error::from_raw_os_error(refusal.code)))
    }

    /// Runs `f` while a step is refused to this thread.
    #[cfg(test)]
    pub(crate) fn refused_here<R>(step: Step, code: i32, f: impl FnOnce() -> R) -> R {
        /// Ends it, also by a panic.
        struct End(Option<Refusal>);
        impl Drop for End {
            fn drop(&mut self) {
                HERE.set(self.0);
            }
        }
        let _end = End(HERE.replace(Some(Refusal { step, code, passes: 0 })));
        f()
    }

    /// Refuses a step to the whole process, other tests in it included, until what is returned is dropped.
    #[cfg(test)]
    pub(crate) fn refuse(step: Step, code: i32) -> Refused {
        refuse_after(step, code, 0)
    }

    /// Likewise, once it was allowed so many times.
    pub(crate) fn refuse_after(step: Step, code: i32, passes: u32) -> Refused {
        let number = unique_number();
        EVERYWHERE.lock().push((number, Refusal { step, code, passes }));
        Refused(number)
    }

    /// A step is refused while this exists.
    #[derive(Debug)]
    pub(crate) struct Refused(u64);

    impl Drop for Refused {
        fn drop(&mut self) {
            let mut everywhere = EVERYWHERE.lock();
            everywhere.retain(|(number, _)| *number != self.0);
        }
    }
}
