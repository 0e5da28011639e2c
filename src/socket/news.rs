//! A descriptor that tells of news, as libzmq's `ZMQ_FD` does: who raises it, and who lowers it.
//!
//! Readiness is not news. It is raised when something comes that a call has told its caller was *missing*, and lowered by
//! every call that tells anything: [`Told`] says what. So it is low while the socket is simply writable, or has messages
//! that nobody asks for.
//!
//! ```text
//! at the end of a call that told something:
//!     awaited = awaited - what it told of + what of that is missing
//!     lower; announce what is awaited, fence, look for it
//!     found:  raise;  awaited = awaited - what was found and not told of
//! at the end of a call that told nothing and moved a message:  nothing: the program has to ask before it sleeps
//! at the end of any other, which may have brought it about:    look for what is awaited; found: raise
//! ```
//!
//! A call that tells of one direction would swallow news of the other. Those it tells again, once: who then asks for neither
//! is told no more, or a program that never sends would find it readable for ever.
//!
//! Invariant, when a call has ended that told something: it is raised, or all that is awaited is announced, and was not
//! there when it was looked for after that.

#![forbid(unsafe_code)]

use std::sync::Arc as Counted;

use super::{
    flag::Flag,
    interest::Interest,
    watch::{Ready, Settled, Told, Watcher},
};
use crate::{
    sync::{AtomicU32, AtomicU64, Ordering, full_fence, heavy_fence, planted},
    wait::Signal,
};

/// See the module. All but the flag is the owner's alone.
#[derive(Debug)]
pub(super) struct News {
    flag: Counted<Flag>,
    /// Bits of an [`Interest`]: what calls have said is missing.
    awaited: AtomicU32,
    /// What of it has been announced since the flag was lowered.
    announced: AtomicU32,
    /// What the socket had done by the end of the last call.
    progress: AtomicU64,
}

impl News {
    pub(super) fn new(flag: Counted<Flag>) -> Self {
        Self { flag, awaited: AtomicU32::new(0), announced: AtomicU32::new(0), progress: AtomicU64::new(0) }
    }

    /// At the end of a call that `told` something.
    fn answer(&self, core: &mut dyn Ready, signal: &Signal, told: Told) {
        let awaited = load(&self.awaited);
        let announced = if self.flag.lower() { Interest::NONE } else { load(&self.announced) };
        let mut added = awaited.without(announced);
        if planted("news-announces-once") && !announced.is_none() {
            added = Interest::NONE;
        } else if told.missing.has_writable() && core.is_particular() {
            added |= Interest::WRITABLE;
        }
        store(&self.announced, awaited);
        if added.is_none() {
            return;
        }
        signal.announce();
        // The announcements against the look below; heavy where consumers only issue light fences.
        let fenced = if planted("news-no-fence") {
            true
        } else if added.has_writable() {
            core.want_room();
            heavy_fence()
        } else {
            full_fence();
            true
        };
        let looked_for = if planted("news-swallows") { told.missing } else { awaited };
        let found = if planted("news-no-second-look") { Interest::NONE } else { core.news(looked_for) };
        if !fenced || !found.is_none() {
            self.flag.raise();
            if !planted("news-tells-for-ever") {
                store(&self.awaited, awaited.without(found.without(told.of)));
            }
        }
    }
}

impl Watcher for News {
    fn wake(&self) {
        self.flag.raise();
    }

    fn settle(&self, core: &mut dyn Ready, signal: &Signal, told: Told) -> Settled {
        if self.flag.is_over() {
            return Settled::Gone;
        }
        let progress = core.progress();
        let has_moved = self.progress.swap(progress, Ordering::Relaxed) != progress;
        let awaited = load(&self.awaited).without(told.of) | told.missing;
        store(&self.awaited, awaited);
        if !told.of.is_none() {
            self.answer(core, signal, told);
        } else if !has_moved && !core.news(awaited).is_none() {
            self.flag.raise();
        }
        Settled::Quiet
    }
}

fn load(bits: &AtomicU32) -> Interest {
    Interest::from_bits(bits.load(Ordering::Relaxed) as u8)
}

fn store(bits: &AtomicU32, interest: Interest) {
    bits.store(interest.bits().into(), Ordering::Relaxed);
}
