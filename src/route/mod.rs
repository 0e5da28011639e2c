//! Which pipe next: pure logic over keys, apart from pipes and threads.
//!
//! [`rotation`] serves both directions: round-robin over pipes with room (balance) and over pipes with messages (fair
//! queueing).

mod rotation;

pub(crate) use rotation::Rotation;
