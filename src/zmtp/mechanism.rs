//! The seam for security mechanisms: who answers the handshake's commands, and what is done to frames afterwards.
//!
//! | operation | when | what it does |
//! |---|---|---|
//! | [`Choice::name`] | greeting | what both ends have to agree on |
//! | [`Mechanism::start`] | the peer's greeting is complete | puts the first command, if it is ours to speak |
//! | [`Mechanism::handle`] | each command of the handshake | answers it, and says who the peer is when that is the end of it |
//! | [`Mechanism::seal`], [`Mechanism::seal_command`] | each frame that is sent afterwards | puts it into the outbox |
//! | [`Mechanism::open`] | each frame that is received afterwards | gives back what it stands for |
//! | [`Mechanism::is_clear`] | once the handshake is done | are frames on the wire the frames themselves? |
//!
//! NULL sends READY at once, and is done with the peer's. An enum, so that the one mechanism in use costs a predictable
//! branch; another one is another variant here.

#![forbid(unsafe_code)]

use super::{
    Config, Peer,
    command::{self, Command},
    error::Error,
    frame::{Body, Flags},
    outbox::Outbox,
};
use crate::Frame;

/// The mechanism a socket uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    /// No security.
    #[default]
    Null,
}

/// A connection's mechanism.
#[derive(Debug)]
pub(super) enum Mechanism {
    Null,
}

impl Choice {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "NULL",
        }
    }
}

impl Mechanism {
    pub(super) fn new(choice: Choice) -> Self {
        match choice {
            Choice::Null => Self::Null,
        }
    }

    pub(super) fn start(&mut self, config: &Config, outbox: &mut Outbox) {
        match self {
            Self::Null => command::put_ready(outbox, config),
        }
    }

    /// The peer, if this ends the handshake.
    ///
    /// # Errors
    /// The command breaks a rule, or it is the peer's refusal.
    pub(super) fn handle(
        &mut self,
        command: Command<'_>,
        config: &Config,
        minor: u8,
        _outbox: &mut Outbox,
    ) -> Result<Option<Box<Peer>>, Error> {
        match (self, command.name) {
            (Self::Null, command::READY) => Ok(Some(Box::new(command.properties(config, minor)?))),
            (Self::Null, command::ERROR) => Err(command.refusal()),
            (Self::Null, _) => Err(command.unexpected()),
        }
    }

    #[inline]
    pub(super) fn seal(&mut self, flags: u8, frame: &Frame, outbox: &mut Outbox) {
        match self {
            Self::Null => outbox.put_frame(flags, frame),
        }
    }

    pub(super) fn seal_command(&mut self, name: &[u8], data: &[u8], outbox: &mut Outbox) {
        match self {
            Self::Null => command::put(outbox, name, data),
        }
    }

    /// # Errors
    /// The frame is not one the peer can have sealed.
    #[inline]
    pub(super) fn open<'a>(&mut self, flags: Flags, body: Body<'a>) -> Result<(Flags, Body<'a>), Error> {
        match self {
            Self::Null => Ok((flags, body)),
        }
    }

    pub(super) fn is_clear(&self) -> bool {
        match self {
            Self::Null => true,
        }
    }
}
