//! Transports turn endpoints into pipes. They never name a pattern.
//!
//! [`inproc`]: threads of one process.

pub(crate) mod inproc;
