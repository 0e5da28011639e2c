//! libzmq's functions over Ringway's sockets.

mod constants;
mod counter;
mod error;
mod message;
mod metadata;
mod registry;
mod stopwatch;
mod thread;
mod timers;
mod z85;
