//! What an actor failed of.

#![forbid(unsafe_code)]

use std::{any::Any, borrow::Cow, error::Error, fmt};

/// Why an actor failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// A handler panicked.
    Panic {
        /// What it said, if that was text.
        text: Cow<'static, str>,
        /// The name of the type of the message it handled. The message is gone: it is never handled again.
        message: &'static str,
    },
    /// A handler or `start` returned or [reported](super::Ctx::fail) this.
    Error(Box<dyn Error + Send + Sync>),
    /// An actor it supervises has failed, and is not to be started again, or was too often.
    Child(Box<Failure>),
}

impl Failure {
    /// One that is told in words.
    pub fn new(text: impl Into<String>) -> Self {
        Self::Error(text.into().into())
    }

    #[cold]
    pub(super) fn of_panic(panic: Box<dyn Any + Send>, message: &'static str) -> Self {
        let text = match panic.downcast::<String>() {
            Ok(text) => Cow::Owned(*text),
            Err(panic) => panic.downcast_ref::<&'static str>().map_or("no text", |text| text).into(),
        };
        Self::Panic { text, message }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic { text, message } => write!(f, "it panicked at {message}: {text}"),
            Self::Error(error) => error.fmt(f),
            Self::Child(failure) => write!(f, "an actor it supervises failed: {failure}"),
        }
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}
