//! Which pipe next: pure logic over keys, apart from pipes and threads.
//!
//! [`rotation`] serves both directions: round-robin over pipes with room (balance) and over pipes with messages (fair
//! queueing). [`table`] finds the pipe of a peer by its id.

mod rotation;
mod table;

pub(crate) use rotation::Rotation;
pub(crate) use table::Table;
