//! Memory that two processes share, and what they can do through it when nobody adds anything: floors of ipc.
//!
//! - `memory`: the memory. `slots`: one slot in each direction, spinning or asleep. `ring`: slots with marks, as within the
//!   process, one way too.
//!
//! Who writes and who reads is agreed by marks alone, and both sides trust each other: nothing is checked but payload.

mod memory;
mod ring;
mod slots;

#[cfg(feature = "peers")]
pub(crate) use self::memory::Memory;
pub(crate) use self::{
    ring::{Copies, SharedRing},
    slots::SharedSlots,
};
