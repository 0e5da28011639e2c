//! How a socket holds its core: by itself, or shared with a poller that looks whether it is ready.
//!
//! A socket nobody else looks at owns its core, and a call costs one branch more than none. Once somebody looks, the
//! core lives behind a lock that its owner takes for each call and the onlooker for each look. They take turns in one
//! thread as a rule, so the lock is free.

#![forbid(unsafe_code)]

use super::{core::Core, pattern::Pattern};
use crate::sync::{Arc, Mutex};

/// See the module.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the large one is the rule, and a box would cost each call a miss")]
pub(crate) enum Held<P> {
    Alone(Core<P>),
    Shared(Arc<Mutex<Core<P>>>),
    /// Only while it goes from one to the other.
    Moving,
}

impl<P: Pattern> Held<P> {
    pub(crate) fn new(core: Core<P>) -> Self {
        Self::Alone(core)
    }

    /// Calls `f` with the core.
    #[inline(always)]
    pub(crate) fn with<R>(&mut self, f: impl FnOnce(&mut Core<P>) -> R) -> R {
        match self {
            Self::Alone(core) => f(core),
            shared => shared.with_shared(f),
        }
    }

    /// Calls `f` with the core, for what changes nothing.
    pub(crate) fn with_ref<R>(&self, f: impl FnOnce(&Core<P>) -> R) -> R {
        match self {
            Self::Alone(core) => f(core),
            Self::Shared(core) => f(&core.lock()),
            Self::Moving => unreachable!("it moves within one call"),
        }
    }

    #[cold]
    #[inline(never)]
    fn with_shared<R>(&mut self, f: impl FnOnce(&mut Core<P>) -> R) -> R {
        match self {
            Self::Alone(core) => f(core),
            Self::Shared(core) => f(&mut core.lock()),
            Self::Moving => unreachable!("it moves within one call"),
        }
    }
}
