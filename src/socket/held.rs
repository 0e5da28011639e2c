//! How a socket holds its core: by itself, or shared with those who watch whether it is ready.
//!
//! A socket nobody watches owns its core, and a call costs one branch more than none. Once somebody watches, the core
//! lives behind a lock that its owner takes for each call and a watcher tries for each look (see `watch`). They take
//! turns in one thread as a rule, so the lock is free. When nobody watches any more, the next call takes the core back.

#![forbid(unsafe_code)]

use std::{mem, sync::Arc as Counted};

use super::{
    core::Core,
    pattern::Pattern,
    watch::{Owner, Shared, Watchable},
};
use crate::{
    SocketType,
    fork::{Denied, Own},
};

/// See the module. In a process that was forked off since, nothing of it is touched: calls are denied.
#[derive(Debug)]
pub(crate) struct Held<P: Pattern> {
    state: Own<State<P>>,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the one nearly every socket has, and calls go straight to it"
)]
enum State<P: Pattern> {
    Alone(Core<P>),
    Shared(Owner<Core<P>>),
    /// Only while it goes from one to the other.
    Moving,
}

impl<P: Pattern> Held<P> {
    pub(crate) fn new(core: Core<P>) -> Self {
        Self { state: Own::new(State::Alone(core)) }
    }

    /// Does it belong to a process that this one was forked off?
    pub(crate) fn is_inherited(&self) -> bool {
        self.state.is_inherited()
    }

    /// Calls `f` with the core.
    #[inline(always)]
    pub(crate) fn with<R: Denied>(&mut self, f: impl FnOnce(&mut Core<P>) -> R) -> R {
        if self.state.is_inherited() {
            return denied();
        }
        match &mut *self.state {
            State::Alone(core) => f(core),
            shared => shared.with_shared(f),
        }
    }

    /// Calls `f` with the core, for what changes nothing.
    pub(crate) fn with_ref<R: Denied>(&self, f: impl FnOnce(&Core<P>) -> R) -> R {
        if self.state.is_inherited() {
            return denied();
        }
        match &*self.state {
            State::Alone(core) => f(core),
            State::Shared(owner) => owner.with_ref(f),
            State::Moving => unreachable!("it moves within one call"),
        }
    }

    pub(crate) fn socket_type(&self) -> SocketType {
        P::TYPE
    }

    /// The core as a watcher looks at it, who then enrolls there.
    pub(crate) fn watch(&mut self) -> Counted<dyn Watchable> {
        self.state.share()
    }
}

/// Off the way of those who are not.
#[cold]
fn denied<R: Denied>() -> R {
    R::denied()
}

impl<P: Pattern> State<P> {
    fn share(&mut self) -> Counted<Shared<Core<P>>> {
        let owner = match mem::replace(self, Self::Moving) {
            Self::Alone(core) => Owner::new(core),
            Self::Shared(owner) => owner,
            Self::Moving => unreachable!("it moves within one call"),
        };
        let shared = owner.shared().clone();
        *self = Self::Shared(owner);
        shared
    }

    #[inline(never)]
    fn with_shared<R>(&mut self, f: impl FnOnce(&mut Core<P>) -> R) -> R {
        match self {
            Self::Alone(core) => f(core),
            Self::Shared(owner) => {
                let (result, is_watched) = owner.with(f);
                if !is_watched {
                    self.take_back();
                }
                result
            }
            Self::Moving => unreachable!("it moves within one call"),
        }
    }

    #[cold]
    #[inline(never)]
    fn take_back(&mut self) {
        *self = match mem::replace(self, Self::Moving) {
            Self::Shared(owner) => Self::Alone(owner.into_core()),
            held => held,
        };
    }
}
