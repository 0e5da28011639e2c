//! What an actor failed of.

#![forbid(unsafe_code)]

use std::{
    any::Any,
    borrow::Cow,
    error::Error,
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

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
    /// An actor that it supervises, or that one of those does, has failed so, and is not to be started again, or was too often.
    Child(Box<Failure>),
}

impl Failure {
    /// One that is told in words.
    pub fn new(text: impl Into<String>) -> Self {
        Self::Error(text.into().into())
    }

    /// That of whoever supervises the one that failed: of the first to fail, however many are between.
    pub(super) fn of_child(self) -> Self {
        match self {
            Self::Child(_) => self,
            first => Self::Child(Box::new(first)),
        }
    }

    #[cold]
    pub(super) fn of_panic(panic: Box<dyn Any + Send>, message: &'static str) -> Self {
        let text = match panic.downcast::<String>() {
            Ok(text) => Cow::Owned(*text),
            Err(panic) => {
                let text = panic.downcast_ref::<&'static str>().map_or("no text", |text| text).into();
                discard(panic);
                text
            }
        };
        Self::Panic { text, message }
    }
}

/// Runs code of the application's whose panic would be no actor's failure: a destructor, a hook. False: it has panicked.
///
/// It returns nothing, so that nothing of theirs is dropped behind its back.
pub(crate) fn quietly(code: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(()) => true,
        Err(panic) => {
            discard(panic);
            false
        }
    }
}

/// Drops what somebody has panicked with. Its destructor may panic in turn; what it does that with is left alone.
pub(super) fn discard(panic: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        mem::forget(another);
    }
}

/// The failure in words, which may be the application's.
pub(super) fn text_of(failure: &Failure) -> String {
    let mut text = "a failure that panics when it is told".to_owned();
    quietly(|| text = failure.to_string());
    text
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
