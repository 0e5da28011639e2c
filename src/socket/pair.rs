//! PAIR: one peer, both ways. For threads that signal each other.

#![forbid(unsafe_code)]

use std::collections::VecDeque;

use super::{
    error::{RecvError, SendFailure},
    held::Held,
    options::Options,
    pattern::{self, Pattern, Receiving, Sending},
};
use crate::{
    Message, SocketType,
    pipe::{Crew, Key, Loaned, Outward},
};

/// Talks to exactly one other `Pair`, both ways.
///
/// While it has a peer, others that connect wait until that one leaves; what they send meanwhile stays with them, up to
/// their own high-water mark. When the peer has left, receiving still hands out what it had sent; sending waits for the
/// next peer.
///
/// ```
/// use ringway::{Context, Pair};
///
/// let context = Context::new();
/// let (mut here, mut there) = (Pair::new(&context)?, Pair::new(&context)?);
/// here.bind("inproc://signal")?;
/// there.connect("inproc://signal")?;
///
/// std::thread::spawn(move || there.send("ready").unwrap());
/// assert_eq!(here.recv()?[0], "ready");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pair {
    core: Held<Lone>,
}

/// One peer at a time, which the hub's single seat sees to: every choice is among one.
#[derive(Debug)]
struct Lone;

impl Pattern for Lone {
    const TYPE: SocketType = SocketType::Pair;
    const OUTWARD: Outward = Outward::Balanced;

    fn new(_options: &Options, _crew: &mut Crew) -> Self {
        Self
    }
}

balanced_sending!(Lone);
fair_receiving!(Lone);
common_operations!(Pair);
sending_operations!(Pair);
receiving_operations!(Pair);
