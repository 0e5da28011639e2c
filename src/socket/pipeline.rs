//! PUSH and PULL: work handed out in turn, and collected in turn.

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

/// Hands messages out to [`Pull`] peers, each in turn.
///
/// A peer whose queue is full is skipped until it has room; when all are full, or there is none, sending waits and
/// nothing is dropped. An endpoint connected to and not bound yet counts as a peer: messages queue for it.
///
/// ```
/// use ringway::{Context, Pull, Push};
///
/// let context = Context::new();
/// let (mut source, mut sink) = (Push::new(&context)?, Pull::new(&context)?);
/// source.bind("inproc://work")?;
/// sink.connect("inproc://work")?;
///
/// source.send("first")?;
/// source.send(["second", "in two frames"].into_iter().collect::<ringway::Message>())?;
/// assert_eq!(sink.recv()?[0], "first");
/// assert_eq!(sink.recv()?[1], "in two frames");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Push {
    core: Held<Balance>,
}

/// Collects messages from [`Push`] peers, one from each in turn as long as they have some.
///
/// A peer that has left is heard to the end of what it sent.
#[derive(Debug)]
pub struct Pull {
    core: Held<Collect>,
}

#[derive(Debug)]
struct Balance;

impl Pattern for Balance {
    const TYPE: SocketType = SocketType::Push;
    const OUTWARD: Outward = Outward::Balanced;

    fn new(_options: &Options, _crew: &mut Crew) -> Self {
        Self
    }
}

#[derive(Debug)]
struct Collect;

impl Pattern for Collect {
    const TYPE: SocketType = SocketType::Pull;
    const OUTWARD: Outward = Outward::Balanced;

    fn new(_options: &Options, _crew: &mut Crew) -> Self {
        Self
    }
}

balanced_sending!(Balance);
fair_receiving!(Collect);
common_operations!(Push);
sending_operations!(Push);
common_operations!(Pull);
receiving_operations!(Pull);
impl super::Conflates for Push {}
impl super::Conflates for Pull {}
