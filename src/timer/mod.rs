//! What is to happen when: pure logic. The clock is an argument; nobody here asks it, sleeps or wakes anyone.
//!
//! - [`deadlines`]: instants by key, in ordered maps. For few, each set again and again under the name of its owner.
//! - [`wheel`]: values by instant, in slots. For very many, most of them cancelled before they are due.

mod deadlines;
mod wheel;

pub(crate) use deadlines::Deadlines;
pub(crate) use wheel::{Key, Wheel};
