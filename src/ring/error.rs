//! What ring operations answer when they do not succeed. Full, Empty and Closed are ordinary results.

#![forbid(unsafe_code)]

use std::fmt;

/// Why an item was not pushed. Gives the item back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PushError<T> {
    /// No free slot. The other side may make room at any time.
    Full(T),
    /// Nobody is left to pop. Final.
    Closed(T),
}

impl<T> PushError<T> {
    /// The item that was not pushed.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Closed(value) => value,
        }
    }

    /// Is it worth trying again later?
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// Has the other side gone for good?
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    pub(super) fn map<U>(self, f: impl FnOnce(T) -> U) -> PushError<U> {
        match self {
            Self::Full(value) => PushError::Full(f(value)),
            Self::Closed(value) => PushError::Closed(f(value)),
        }
    }
}

impl<T> fmt::Debug for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the ring is full",
            Self::Closed(_) => "nobody is left to pop from the ring",
        })
    }
}

impl<T> std::error::Error for PushError<T> {}

/// Why nothing was popped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PopError {
    /// Nothing committed. The other side may push at any time.
    Empty,
    /// Nothing committed and nobody is left to push. Final.
    Closed,
}

impl fmt::Display for PopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the ring is empty",
            Self::Closed => "the ring is empty and nobody is left to push",
        })
    }
}

impl std::error::Error for PopError {}

/// Why a ring of the requested capacity cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CapacityError {
    /// A ring holds at least one item.
    Zero,
    /// The slots would not fit an address space.
    TooLarge {
        /// What was asked for, in items.
        capacity: usize,
    },
    /// The allocator refused.
    OutOfMemory {
        /// What it was asked for, in bytes.
        size: usize,
    },
}

impl fmt::Display for CapacityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => f.write_str("a ring holds at least one item"),
            Self::TooLarge { capacity } => write!(f, "{capacity} slots do not fit an address space"),
            Self::OutOfMemory { size } => write!(f, "the allocator refused {size} bytes"),
        }
    }
}

impl std::error::Error for CapacityError {}
