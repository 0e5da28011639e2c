//! Transports turn endpoints into pipes. They never name a pattern.
//!
//! [`inproc`]: threads of one process. Streams, `tcp://` and `ipc://`, begin with [`socket`], the system's sockets, made
//! ready: [`tcp`] and [`ipc`] make them, [`address`] says where, [`resolve`] does so for names and off everybody's way,
//! [`backoff`] how long to wait before another attempt, [`options`] what can be chosen, `fdpass` passes descriptors
//! between processes. [`stream`] makes pipes of them.

pub(crate) mod address;
pub(crate) mod backoff;
#[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
pub(crate) mod fdpass;
pub(crate) mod inproc;
#[cfg(unix)]
mod ipc;
pub(crate) mod options;
pub(crate) mod resolve;
pub(crate) mod socket;
pub(crate) mod stream;
mod tcp;
