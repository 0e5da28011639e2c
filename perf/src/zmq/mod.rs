//! A C library that has libzmq's functions, loaded when it is asked for: whoever's it is, the same code calls it.
//!
//! - `api`: those functions as a table, and how they get there. `sockets`: roads made of them.
//!
//! A process has one such library: two would share the names of their functions, and one's calls could end up in the
//! other. So the table is the process's own, and a second library is refused.

mod api;
mod sockets;

pub(crate) use self::{
    api::{Api, SYSTEM},
    sockets::{Calls, Sockets},
};
