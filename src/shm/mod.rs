//! Memory that two processes share: who may do what with it, and how it is read while the other writes.
//!
//! [`Region`] is a segment of ours, which nobody else can write; [`Foreign`] one of a peer's, mapped read-only and hostile:
//! any word in it may be any value at any time. [`layout`] says what is where in a segment; [`header`] says so in the segment
//! itself, and checks what a peer says about its own. [`copy`] holds the one way bytes leave foreign memory, [`refusal`] lets tests have the system refuse
//! things. Rings are laid on top elsewhere; here is memory, no message.
//!
//! Linux only: the seals a reader stands on are Linux's. Under the model checkers, whose atomics cannot lie in mapped memory,
//! there is the layout alone (`modelled`).

pub(crate) mod copy;
mod foreign;
pub(crate) mod header;
pub(crate) mod layout;
mod mapping;
pub(crate) mod refusal;
mod region;
#[cfg(all(test, not(miri)))]
pub(crate) mod tests;

pub(crate) use foreign::Foreign;
#[cfg(test)]
pub(crate) use foreign::ForeignError;
pub(crate) use header::LayoutError;
pub(crate) use layout::Layout;
#[cfg(any(test, feature = "awkward-pipes"))]
pub(crate) use refusal::Step;
pub(crate) use region::{Region, RegionError};

/// Segments are whole pages of so many bytes. Where the system's are larger, it rounds mappings up by itself.
pub(crate) const PAGE: usize = 4096;
