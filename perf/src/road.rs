//! Ringway's own roads: sockets of each pattern over each transport, as ends that can be measured.

#![forbid(unsafe_code)]

use crate::{
    cli::{Pattern, Transport},
    floor::SlotRing,
    subject::Subject,
};

/// The road of this transport and pattern.
pub(crate) fn of(_transport: Transport, _pattern: Pattern) -> Box<dyn Subject> {
    Box::new(SlotRing)
}
