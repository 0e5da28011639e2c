//! What connections cost: to make and to end, many at once, and to keep.
//!
//! - `churn`: connect, talk once, close, over and over. `connect`: many peers at once. `kept`: memory of peers that are
//!   connected and say nothing. `shared`: of connections that share memory.
//! - `serve`: the child's side of all of them. `zmtp`: a peer made of nothing but a bare socket. `taken`: what a process takes.

#![forbid(unsafe_code)]

pub(crate) mod churn;
pub(crate) mod connect;
pub(crate) mod kept;
pub(crate) mod serve;
mod shared;
mod taken;
mod zmtp;

use crate::{
    cli::{Drive, Links, Pattern, Transport},
    end::Terms,
    failure::Failure,
    party::Party,
    pins::Pins,
};

/// Who takes part: ours, then the others.
pub(crate) fn parties(transport: Transport, drive: Drive, pattern: Pattern, _alone: bool) -> Vec<Party> {
    let ours = Party::ours(transport, pattern, drive);
    #[cfg(feature = "peers")]
    if !_alone {
        return vec![ours, Party::libzmq(transport, Some(pattern))];
    }
    vec![ours]
}

/// What a table calls a library, whatever the pattern.
pub(crate) fn library(party: Party) -> String {
    crate::report::value_name(party.library)
}

fn terms(links: &Links, pins: &Pins) -> Terms {
    Terms { size: SIZE, wait: links.wait, relax: pins.relax(), high_water_mark: 1_000 }
}

/// Connections are between processes.
fn between_processes(transport: Transport) -> Result<(), Failure> {
    if transport.is_between_processes() {
        return Ok(());
    }
    Err(Failure::Asked("this needs --transport tcp or ipc".to_owned()))
}

/// Bytes of a message that shows a connection to work.
pub(crate) const SIZE: usize = 64;
