//! libzmq's functions over Ringway's sockets: a program written for libzmq, and every ZeroMQ binding, runs on Ringway.
//!
//! It is used from C (`include/zmq.h`), or put in libzmq's place with `LD_PRELOAD`; see `docs/capi.md`. For Rust there is
//! nothing here: use the crate `ringway`.
//!
//! Each function does what libzmq 4.3.5's manual page of its name says. Where it does something else, its comment says so,
//! and `docs/capi.md` has all of it in one place. No function lets a panic out, and no input ends the process; but a
//! pointer that points nowhere is as fatal as in every C library.
//!
//! Contents: `error` what a function fails with, and the frame around each; `constants` libzmq's numbers; `library` what it
//! says of itself; `handle` the pointers programs hold, `registry` those that are none; `fork` what a child process may do with them; `context`; `socket`
//! with sending, receiving, endpoints and options; `message` and `metadata` what is sent and who sent it; `reaper` a
//! thread that runs free functions; `poll`, `poller`, `proxy`,
//! `monitor`; the helpers `counter`, `iovec`, `stopwatch`, `thread`, `timers`, `z85`; and `draft`, what is not here.

mod constants;
mod context;
mod counter;
mod draft;
mod error;
mod fork;
mod handle;
mod iovec;
mod library;
mod message;
mod metadata;
mod monitor;
mod poll;
mod poller;
mod proxy;
mod reaper;
mod registry;
mod socket;
mod stopwatch;
mod thread;
mod timers;
mod z85;
