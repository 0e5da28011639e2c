//! What channel operations answer when they do not succeed; `try_` operations answer as the rings do.

use std::fmt;

/// All receivers are gone. Gives the item back.
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // Complete by nature: the item.
pub struct SendError<T>(pub T);

impl<T> SendError<T> {
    /// The item that was not sent.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all receivers of the channel are gone")
    }
}

impl<T> std::error::Error for SendError<T> {}

/// Why an item was not sent in time. Gives the item back.
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // Complete by nature: not yet, never.
pub enum SendTimeoutError<T> {
    /// No room came in time.
    Timeout(T),
    /// All receivers are gone. Final.
    Closed(T),
}

impl<T> SendTimeoutError<T> {
    /// The item that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            Self::Timeout(item) | Self::Closed(item) => item,
        }
    }
}

impl<T> fmt::Debug for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout(_) => "Timeout(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Display for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout(_) => "the channel had no room in time",
            Self::Closed(_) => "all receivers of the channel are gone",
        })
    }
}

impl<T> std::error::Error for SendTimeoutError<T> {}

/// The channel is empty and all senders are gone. Final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // Complete by nature.
pub struct RecvError;

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is empty and all its senders are gone")
    }
}

impl std::error::Error for RecvError {}

/// Why nothing was received in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // Complete by nature: not yet, never.
pub enum RecvTimeoutError {
    /// Nothing came in time.
    Timeout,
    /// Nothing is there and all senders are gone. Final.
    Closed,
}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "nothing arrived in time",
            Self::Closed => "the channel is empty and all its senders are gone",
        })
    }
}

impl std::error::Error for RecvTimeoutError {}
