//! Which pipe next: pure logic over keys, apart from pipes and threads.
//!
//! [`rotation`] serves both directions: round-robin over pipes with room (balance) and over pipes with messages (fair
//! queueing).
//!
//! For what is published: [`audience`] says who wants a topic, [`interest`] what one subscriber wants; both find the stored
//! prefixes of a topic with [`trie`]. [`changes`] holds the news of what is wanted until the other party fetches it.

#[cfg_attr(any(not(test), loom, shuttle), expect(dead_code, reason = "until there is a socket that publishes"))]
mod audience;
#[cfg_attr(any(not(test), loom, shuttle), expect(dead_code, reason = "until there is a socket that publishes"))]
mod changes;
#[cfg_attr(any(not(test), loom, shuttle), expect(dead_code, reason = "until there is a socket that subscribes"))]
mod interest;
mod rotation;
#[cfg_attr(any(not(test), loom, shuttle), expect(dead_code, reason = "until there is a socket that publishes"))]
mod trie;

#[expect(unused_imports, reason = "until there is a socket that publishes")]
pub(crate) use audience::{Audience, Subscribed, Unsubscribed};
#[expect(unused_imports, reason = "until there is a socket that publishes")]
pub(crate) use changes::{Changes, Wish};
#[expect(unused_imports, reason = "until there is a socket that subscribes")]
pub(crate) use interest::{Added, Interest, Removed};
pub(crate) use rotation::Rotation;
