//! What one may want to hear of a socket, and what there is to hear.

#![forbid(unsafe_code)]

use std::ops::{BitOr, BitOrAssign};

use crate::fork::Denied;

/// What somebody who watches a socket or a descriptor wants to hear of.
///
/// ```
/// use ringway::poll::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.has_readable() && both.has_writable());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interest(u8);

impl Denied for Interest {
    /// A call returns at once, with an error that says why.
    fn denied() -> Self {
        Self::BOTH
    }
}

impl Interest {
    /// Nothing: registered, and silent until that is changed.
    pub const NONE: Self = Self(0);
    /// A call that receives would return at once: with a message, or because the context has been shut down.
    pub const READABLE: Self = Self(1);
    /// A call that sends would return at once: there is room, or the context has been shut down.
    pub const WRITABLE: Self = Self(2);
    /// [`READABLE`](Self::READABLE) and [`WRITABLE`](Self::WRITABLE).
    pub const BOTH: Self = Self(3);

    /// Is [`READABLE`](Self::READABLE) part of it?
    pub const fn has_readable(self) -> bool {
        self.0 & Self::READABLE.0 != 0
    }

    /// Is [`WRITABLE`](Self::WRITABLE) part of it?
    pub const fn has_writable(self) -> bool {
        self.0 & Self::WRITABLE.0 != 0
    }

    /// Is it [`NONE`](Self::NONE)?
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// What of it is not in `other`.
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::BOTH.0)
    }
}

impl BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Interest {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// What a look found, of what was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

impl Readiness {
    #[inline(always)]
    pub(crate) fn any(self) -> bool {
        self.readable || self.writable
    }

    pub(crate) fn as_interest(self) -> Interest {
        let readable = if self.readable { Interest::READABLE } else { Interest::NONE };
        let writable = if self.writable { Interest::WRITABLE } else { Interest::NONE };
        readable | writable
    }
}
