//! What is to happen when: pure logic. The clock is an argument; nobody here asks it, sleeps or wakes anyone.
//!
//! - [`deadlines`]: instants by key, in ordered maps. For few, each set again and again under the name of its owner.

mod deadlines;

pub(crate) use deadlines::Deadlines;
