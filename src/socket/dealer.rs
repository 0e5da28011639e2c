//! DEALER: messages handed out in turn and collected in turn, to and from the same peers.

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

/// Hands messages out to its peers in turn, and collects theirs in turn: a [`Req`](super::Req) without its order, or any
/// number of them in one.
///
/// A peer whose queue is full is skipped until it has room; when all are full, or there is none, sending waits and
/// nothing is dropped. Messages go as they are: to a [`Rep`](super::Rep) an empty frame comes before the request, and
/// before its reply.
///
/// ```
/// use ringway::{Context, Dealer, Message, Rep};
///
/// let context = Context::new();
/// let (mut asking, mut answering) = (Dealer::new(&context)?, Rep::new(&context)?);
/// answering.bind("inproc://service")?;
/// asking.connect("inproc://service")?;
///
/// asking.send(["", "how much?"].into_iter().collect::<Message>())?;
/// assert_eq!(answering.recv()?[0], "how much?");
/// answering.send("42")?;
/// assert_eq!(asking.recv()?, ["", "42"].into_iter().collect());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Dealer {
    core: Held<Deal>,
}

#[derive(Debug)]
struct Deal;

impl Pattern for Deal {
    const TYPE: SocketType = SocketType::Dealer;
    const OUTWARD: Outward = Outward::Balanced;

    fn new(_options: &Options, _crew: &mut Crew) -> Self {
        Self
    }
}

impl super::Identified for Dealer {}

balanced_sending!(Deal);
fair_receiving!(Deal);
common_operations!(Dealer);
sending_operations!(Dealer);
receiving_operations!(Dealer);
impl super::Conflates for Dealer {}
