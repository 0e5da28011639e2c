//! What a peer can be found out to have written.

#![forbid(unsafe_code)]

use std::{error::Error, fmt};

/// The peer has written what no peer of ours writes. The link it wrote it to is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Corrupt {
    /// A record that is not committed, longer than any, or longer than the `left` bytes to the end of the ring.
    Header {
        /// What was read.
        header: u64,
        /// Bytes to the end of the ring.
        left: usize,
    },
    /// A pad that does not end where the ring does, `left` bytes on, or that no record was too long for.
    Pad {
        /// What was read.
        header: u64,
        /// Bytes to the end of the ring.
        left: usize,
    },
    /// No record behind a pad, but nothing or another pad.
    BehindPad {
        /// What was read.
        header: u64,
    },
    /// The reader's position goes back.
    PositionBack {
        /// What the reader says.
        position: u64,
        /// What it said last.
        last: u64,
    },
    /// The reader's position lies behind all that was written.
    PositionAhead {
        /// What the reader says.
        position: u64,
        /// End of the last record.
        end: u64,
    },
    /// The reader's position is not the end of a record.
    PositionInside {
        /// What the reader says.
        position: u64,
    },
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { header, left } => {
                write!(
                    f,
                    "{header:#018x} is the header of no record that fits the {left} bytes before the end of the ring"
                )
            }
            Self::Pad { header, left } => {
                write!(f, "{header:#018x} is the header of no pad for the {left} bytes before the end of the ring")
            }
            Self::BehindPad { header } => write!(f, "{header:#018x} behind a pad is the header of no record"),
            Self::PositionBack { position, last } => write!(f, "position {position} of a reader that was at {last}"),
            Self::PositionAhead { position, end } => write!(f, "position {position} in a ring written up to {end}"),
            Self::PositionInside { position } => write!(f, "position {position} is the end of no record"),
        }
    }
}

impl Error for Corrupt {}
