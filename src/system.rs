//! What the operating system refused.

#![forbid(unsafe_code)]

use std::{fmt, io};

/// An error of the operating system that has no name of its own here.
///
/// Unlike an [`io::Error`] it can be compared and copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SystemError {
    kind: io::ErrorKind,
    /// The system's number for it, if it is one of the system.
    code: Option<i32>,
}

impl SystemError {
    /// The system's number for it (`errno`), if it came from the system.
    pub fn code(self) -> Option<i32> {
        self.code
    }

    /// What kind of error it is.
    pub fn kind(self) -> io::ErrorKind {
        self.kind
    }
}

impl From<&io::Error> for SystemError {
    fn from(error: &io::Error) -> Self {
        Self { kind: error.kind(), code: error.raw_os_error() }
    }
}

impl From<SystemError> for io::Error {
    fn from(error: SystemError) -> Self {
        error.code.map_or_else(|| error.kind.into(), Self::from_raw_os_error)
    }
}

impl fmt::Display for SystemError {
    /// In the system's words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from(*self).fmt(f)
    }
}

impl std::error::Error for SystemError {}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_the_error_said() {
        let error = std::fs::File::open("/no/such/file").unwrap_err();
        let kept = SystemError::from(&error);
        assert_eq!(kept.to_string(), error.to_string());
        assert_eq!((kept.kind(), kept.code()), (error.kind(), error.raw_os_error()));
        assert_eq!(SystemError::from(&io::Error::from(io::ErrorKind::Other)).to_string(), "other error");
    }
}
