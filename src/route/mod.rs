//! Which pipe next: pure logic over keys, apart from pipes and threads.
//!
//! [`rotation`] serves both directions: round-robin over pipes with room (balance) and over pipes with messages (fair
//! queueing). [`table`] finds the pipe of a peer by its id.
//!
//! For what is published: [`audience`] says who wants a topic, [`interest`] what one subscriber wants; both find the stored
//! prefixes of a topic with [`trie`]. [`changes`] holds the news of what is wanted until the other party fetches it.

mod audience;
mod changes;
mod interest;
mod rotation;
mod table;
mod trie;

pub(crate) use audience::{Audience, Subscribed, Unsubscribed};
#[cfg(test)]
pub(crate) use changes::BOUND;
pub(crate) use changes::{Changes, Wish};
pub(crate) use interest::{Added, Interest, Removed};
pub(crate) use rotation::Rotation;
pub(crate) use table::Table;
