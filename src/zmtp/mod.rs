//! ZMTP 3.1 and 3.0 without I/O: [`Connection`] is given bytes and the time, and gives back messages, bytes to write
//! and the time it wants to be called at.
//!
//! # What goes over the wire
//!
//! ```text
//! each way   signature | rest of greeting | READY | traffic …
//!            10 bytes    54 bytes           command   messages, commands
//!            at once     the peer's         the peer's        the peer's READY
//!                        signature is there greeting is there is there
//!
//! DEALER without a routing id, as libzmq 4.3.5 sends it:
//!
//! FF 00 00 00 00 00 00 00 01 7F | 03 01 4E 55 4C 4C 00 … 00          signature | version 3.1, NULL, zeroes
//! 04 29 05 R E A D Y 0B S o c k e t - T y p e 00 00 00 06 D E A L E R 08 I d e n t i t y 00 00 00 00
//! 00 01 78                                                           the message "x"
//! 01 00 00 01 78                                                     the message "", "x"
//! 04 07 04 P I N G 00 0A                                             PING, TTL 1 s
//! ```
//!
//! # States
//!
//! | state | awaits | ends with |
//! |---|---|---|
//! | `AwaitGreeting` | the peer's 64 bytes | the rest of ours is sent with the tenth, READY with the last |
//! | `AwaitReady` | the mechanism's commands; a message is an error | [`Received::Ready`] |
//! | `Traffic` | frames; before them, between ends that may share memory, whether they will (`agreement`) | an error |
//! | `Failed` | nothing: every call gives the same error | |
//!
//! # Duties of the caller
//!
//! - [`Connection::heard`] before the bytes that were heard are given to [`Connection::receive`]; what has arrived is
//!   received before [`Connection::handle_timeout`], so that a peer is not given up for a silence of our own.
//! - [`Connection::send`] and [`Connection::send_subscription`] only once the peer is ready: libzmq takes anything
//!   earlier for a violation. While it [is agreeing](Connection::is_agreeing) nothing but [`Connection::send_offer`], at once,
//!   and [`Connection::send_answer`], when the peer has offered.
//! - After an error, what is in the outbox need not be written: the stream is closed.
//!
//! # Memory
//!
//! A peer makes us hold: one message within [`Limits`], whose frames take 64 bytes each and 256 more from 57 bytes on, and
//! longer ones at most twice what has really come (`frame`); its properties, within the size of a command; unwritten
//! answers to its PINGs, of which there are at most `PONGS_MAX`. Allocations of more than a few hundred bytes that a peer
//! decides on may fail without harm.
//!
//! Contents: `greeting` the first 64 bytes, `frame` frames in pieces, `command` what commands say, `agreement` whether two
//! ends will share memory, `mechanism` the seam for security, `outbox` what is to be written, `heartbeat` silent peers, `error` what ends a
//! connection; here the states. Not here: sockets, reconnecting, what a message means to a pattern.

#![forbid(unsafe_code)]
mod agreement;
mod command;
mod error;
mod frame;
mod greeting;
mod heartbeat;
pub(crate) mod mechanism;
mod outbox;
#[cfg(any(all(test, not(any(loom, shuttle))), feature = "fuzzing"))]
pub(crate) mod probe;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{Frame, Message, SocketType};
use agreement::Agreement;
pub(crate) use agreement::{Answer, GROWS, Obstacle, Offer, Successor, SuccessorAnswer};
use command::Command;
pub(crate) use error::Error;
#[cfg(any(all(test, not(any(loom, shuttle))), feature = "fuzzing"))]
pub(crate) use error::Fault;
use frame::{Decoder, Flags, Header};
use greeting::Greeting;
pub(crate) use heartbeat::Heartbeat;
use heartbeat::Pulse;
use mechanism::Mechanism;
pub(crate) use outbox::Outbox;

/// One end of a connection. See the module.
#[derive(Debug)]
pub(crate) struct Connection {
    config: Arc<Config>,
    state: State,
    /// Most bytes of a frame that may go the short way through [`Connection::receive`]; negative while none may:
    /// before `Traffic`, in the midst of a message or frame, where single frames may be subscriptions, and under a
    /// mechanism that changes frames.
    short_max: i16,
    decoder: Decoder,
    /// The frames of a message that is not complete.
    partial: Message,
    /// Their bytes.
    partial_size: u64,
    outbox: Outbox,
    mechanism: Mechanism,
    /// There once the handshake is done.
    peer: Option<Box<Peer>>,
    /// There from then on, if both ends have announced that they share memory.
    agreement: Option<Agreement>,
    pulse: Pulse,
    /// When the handshake has to be done, and the agreement if there is to be one. `None` afterwards, or if it may take
    /// for ever.
    handshake_by: Option<Instant>,
}

/// What the connections of a socket have in common.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// What our socket is.
    pub(crate) socket_type: SocketType,
    /// What it is called; empty if it has no name. Announced by REQ, DEALER and ROUTER only.
    pub(crate) routing_id: Frame,
    /// Further properties to announce. Names of 1 to 255 bytes, by custom beginning with `X-`.
    pub(crate) properties: Vec<(String, Vec<u8>)>,
    /// Announce that we share memory, and agree with a peer that announces it, too, whether to.
    pub(crate) shares_memory: bool,
    pub(crate) limits: Limits,
    pub(crate) heartbeat: Heartbeat,
    /// How long the handshake may take from [`Connection::new`] on. `None`: for ever.
    pub(crate) handshake_timeout: Option<Duration>,
    pub(crate) mechanism: mechanism::Choice,
}

/// What a peer may make us hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of a message's frames together; `u64::MAX` for no limit.
    pub(crate) message_size: u64,
    /// Frames of a message.
    pub(crate) frames: usize,
    /// Bytes of a command, its name and READY's properties included.
    pub(crate) command_size: usize,
    /// Bytes of a subscription's topic.
    pub(crate) topic_size: usize,
}

/// The other end, as READY told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) socket_type: SocketType,
    /// What it wants to be called by a ROUTER; empty if one has to be made up.
    pub(crate) routing_id: Frame,
    /// The minor version of ZMTP 3.
    pub(crate) minor: u8,
    /// It has announced that it shares memory, by a version we know.
    pub(crate) shares_memory: bool,
    /// Properties other than the type, the routing id and that announcement, in order.
    pub(crate) properties: Vec<(String, Vec<u8>)>,
}

/// What [`Connection::receive`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// The input is used up, and there is nothing to tell.
    More,
    /// A message: it is in `place`.
    Message,
    /// The handshake is done. Exactly once, before any message.
    Ready(Box<Peer>),
    /// The peer wants messages that begin with this. Only to a PUB or XPUB.
    Subscribe(Bytes),
    /// The peer takes back one [`Received::Subscribe`].
    Cancel(Bytes),
    /// What memory the peer offers. Once, and only while [agreeing](Connection::is_agreeing).
    Offer(Offer),
    /// What it says to our offer. Likewise, after its own.
    Answer(Answer),
    /// The peer announces a segment in place of the one it has. To be [answered](Connection::send_successor_answer) at once.
    Successor(Successor),
    /// What it says to ours.
    SuccessorAnswer(SuccessorAnswer),
}

#[derive(Debug)]
enum State {
    AwaitGreeting(Greeting),
    AwaitReady { minor: u8 },
    Traffic,
    Failed(Error),
}

impl Connection {
    /// A connection that has just come about. The first bytes are in the outbox.
    pub(crate) fn new(config: Arc<Config>, now: Instant) -> Self {
        let mut outbox = Outbox::default();
        outbox.put(&greeting(&config)[..greeting::SIGNATURE_SIZE]);
        Self {
            state: State::AwaitGreeting(Greeting::new()),
            short_max: -1,
            decoder: Decoder::default(),
            partial: Message::new(),
            partial_size: 0,
            outbox,
            mechanism: Mechanism::new(config.mechanism),
            peer: None,
            agreement: None,
            pulse: Pulse::new(now),
            handshake_by: config.handshake_timeout.and_then(|timeout| now.checked_add(timeout)),
            config,
        }
    }

    /// Works through `input` up to and including the next thing there is to tell; `input` goes on behind it. Says
    /// [`Received::More`] only when all of it is used up. Unless a message was received there may be anything in
    /// `place`; it need not be the same from call to call.
    ///
    /// A message of one frame costs a copy to `place`, nothing else, up to 56 bytes; see [`Message`] for longer ones.
    ///
    /// # Errors
    /// The connection is over, and stays so.
    #[inline]
    pub(crate) fn receive(&mut self, input: &mut &[u8], place: &mut Message) -> Result<Received, Error> {
        if let [flags @ (0 | Flags::MORE), size, rest @ ..] = *input
            && i16::from(*size) <= self.short_max
            && let Some((body, rest)) = rest.split_at_checked(usize::from(*size))
        {
            if *flags == 0 {
                place.make_single().assign_copy(body);
                *input = rest;
                return Ok(Received::Message);
            }
            if self.receive_short_frames(input, place) {
                return Ok(Received::Message);
            }
        }
        self.receive_slow(input, place)
    }

    /// Bytes have come. Once for each read, before they are received. Who wants to save the look at the clock may leave it
    /// out while [`Connection::deadline`] is `None`, if it makes up for it when it is no longer so after they are received.
    #[inline]
    pub(crate) fn heard(&mut self, now: Instant) {
        self.pulse.heard(now);
    }

    /// Is [`Connection::wrote`] to be called?
    #[inline]
    pub(crate) fn times_writing(&self) -> bool {
        self.pulse.times_writing()
    }

    /// Some of the outbox was written. After each write, as long as [`Connection::times_writing`].
    pub(crate) fn wrote(&mut self, now: Instant) {
        self.pulse.wrote(now, &self.outbox);
    }

    /// In the midst of a frame of which [`frame::DIRECT_MIN`] bytes or more are missing: where its next bytes may be read to.
    /// Then [`Connection::body_received`], and [`Connection::receive`] with what was read beyond it, if only nothing.
    ///
    /// # Errors
    /// There is no memory for them. The connection is over.
    pub(crate) fn body(&mut self) -> Result<Option<&mut [u8]>, Error> {
        match self.decoder.space() {
            Ok(space) => Ok(space),
            Err(error) => {
                // The short way is closed in the midst of a frame.
                self.state = State::Failed(error.clone());
                Err(error)
            }
        }
    }

    /// So many bytes were read to [`Connection::body`].
    ///
    /// # Panics
    /// Panics if there was no room for so many.
    pub(crate) fn body_received(&mut self, count: usize) {
        self.decoder.filled(count);
    }

    /// The other end, once the handshake is done.
    #[inline]
    pub(crate) fn peer(&self) -> Option<&Peer> {
        self.peer.as_deref()
    }

    /// The only frame of the next message, if all of it is in `input` and it is short: as [`receive`](Self::receive), where the
    /// caller can take it from where it is. `None` says nothing about what is there.
    #[inline]
    pub(crate) fn receive_short<'a>(&mut self, input: &mut &'a [u8]) -> Option<&'a [u8]> {
        let [0, size, rest @ ..] = *input else { return None };
        if i16::from(*size) > self.short_max {
            return None;
        }
        let (body, rest) = rest.split_at_checked(usize::from(*size))?;
        *input = rest;
        Some(body)
    }

    /// Are frames on the wire what they are here? Then messages may be put by [`begin_short`](Self::begin_short).
    pub(crate) fn is_clear(&self) -> bool {
        self.mechanism.is_clear()
    }

    /// Puts the header of a frame of `size` bytes, at most 255, which follow by [`put`](Self::put). Only once the peer is
    /// ready, and under a mechanism that is [clear](Self::is_clear).
    #[inline]
    pub(crate) fn begin_short(&mut self, has_more: bool, size: usize) {
        debug_assert!(size <= frame::SHORT_MAX && self.is_clear());
        self.outbox.put(&[if has_more { Flags::MORE } else { 0 }, size as u8]);
    }

    /// Puts bytes of a frame that was begun.
    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.outbox.put(bytes);
    }

    /// Puts a message into the outbox. Only once the peer is ready; a message of no frames is none.
    #[inline]
    pub(crate) fn send(&mut self, message: &Message) {
        debug_assert!(self.peer.is_some(), "nothing may be sent before the peer is ready");
        if let Some(frame) = message.single() {
            self.mechanism.seal(0, frame, &mut self.outbox);
        } else {
            self.send_frames(message.frames());
        }
    }

    fn send_frames(&mut self, frames: &[Frame]) {
        if let Some((last, others)) = frames.split_last() {
            others.iter().for_each(|frame| self.mechanism.seal(Flags::MORE, frame, &mut self.outbox));
            self.mechanism.seal(0, last, &mut self.outbox);
        }
    }

    /// Puts a subscription, or the end of one, in the form the peer knows. Only once the peer is ready.
    pub(crate) fn send_subscription(&mut self, topic: &[u8], wanted: bool) {
        debug_assert!(self.peer.is_some(), "nothing may be sent before the peer is ready");
        if self.peer.as_ref().is_some_and(|peer| peer.minor == 0) {
            self.mechanism.seal(0, &command::subscription(topic, wanted), &mut self.outbox);
        } else {
            let name = if wanted { command::SUBSCRIBE } else { command::CANCEL };
            self.mechanism.seal_command(name, topic, &mut self.outbox);
        }
    }

    /// Is the peer ready, and is it still to be agreed whether to share memory? Then no message or subscription may be sent.
    /// Ends with the peer's answer or with ours, whichever comes later.
    #[inline]
    pub(crate) fn is_agreeing(&self) -> bool {
        self.agreement.as_ref().is_some_and(|agreement| !agreement.is_reached())
    }

    /// Says what memory we offer. Returns the position in the outbox of its first byte, with which the descriptors go.
    ///
    /// # Panics
    /// Panics if there is nothing to agree on, or we have offered before.
    pub(crate) fn send_offer(&mut self, offer: &Offer) -> u64 {
        let agreement = self.agreement.as_mut().expect("only ends that may share memory offer some");
        agreement.offer(offer);
        let position = self.outbox.queued();
        self.mechanism.seal_command(command::OFFER, &offer.encode(), &mut self.outbox);
        position
    }

    /// Says what we make of the peer's offer.
    ///
    /// # Panics
    /// Panics if there is nothing to agree on, one of the two has not offered, or we have answered before.
    pub(crate) fn send_answer(&mut self, answer: Answer) {
        let agreement = self.agreement.as_mut().expect("only ends that may share memory answer");
        agreement.answer(answer);
        self.mechanism.seal_command(command::ANSWER, &answer.encode(), &mut self.outbox);
        self.agree();
    }

    /// Is memory shared with a peer that lets it be replaced?
    pub(crate) fn grows(&self) -> bool {
        self.agreement.as_ref().is_some_and(Agreement::grows)
    }

    /// Announces a segment of `size` bytes in place of the last. Returns its generation and the position in the outbox of the
    /// command's first byte, with which the descriptor goes. `None`: it is not the time to, and nothing is said.
    pub(crate) fn send_successor(&mut self, size: u64) -> Option<(u32, u64)> {
        let successor = self.agreement.as_mut()?.announce(size)?;
        let position = self.outbox.queued();
        self.mechanism.seal_command(command::SEGMENT, &successor.encode(), &mut self.outbox);
        Some((successor.generation, position))
    }

    /// Says what we make of the segment the peer has announced last.
    ///
    /// # Panics
    /// Panics if it has announced none, or that is answered.
    pub(crate) fn send_successor_answer(&mut self, answer: Answer) {
        let agreement = self.agreement.as_mut().expect("only ends that share memory answer");
        let answer = agreement.answer_successor(answer);
        self.mechanism.seal_command(command::SEGMENT_ANSWER, &answer.encode(), &mut self.outbox);
    }

    /// Is it between two frames?
    pub(crate) fn is_between_frames(&self) -> bool {
        self.decoder.is_idle()
    }

    /// Goes on to traffic once everything is said.
    fn agree(&mut self) {
        if !self.is_agreeing() {
            self.handshake_by = None;
        }
        self.settle();
    }

    /// What is to be written.
    #[inline]
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// What is to be written.
    #[inline]
    pub(crate) fn outbox_mut(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// When [`Connection::handle_timeout`] is next due; `None` for never. Comes nearer only by what is received:
    /// READY, or a PING with a TTL.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::AwaitGreeting(_) | State::AwaitReady { .. } => self.handshake_by,
            State::Traffic => {
                [self.handshake_by, self.pulse.deadline(&self.config.heartbeat)].into_iter().flatten().min()
            }
            State::Failed(_) => None,
        }
    }

    /// Does what is due: puts a PING, or gives the peer up. Too early, it does nothing.
    ///
    /// # Errors
    /// The peer is given up. The connection is over.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        let result = match &self.state {
            State::AwaitGreeting(_) | State::AwaitReady { .. } | State::Traffic
                if self.handshake_by.is_some_and(|at| at <= now) =>
            {
                Err(Error::HandshakeTimedOut { after: self.config.handshake_timeout.unwrap_or_default() })
            }
            State::AwaitGreeting(_) | State::AwaitReady { .. } => Ok(()),
            State::Traffic => {
                self.pulse.handle_timeout(now, &self.config.heartbeat, &mut self.mechanism, &mut self.outbox)
            }
            State::Failed(error) => Err(error.clone()),
        };
        result.inspect_err(|error| self.fail(error))
    }

    /// Gathers a message whose frames are all short and whole. `false` if it comes upon another one: what is before that
    /// is the beginning of the message then.
    fn receive_short_frames(&mut self, input: &mut &[u8], place: &mut Message) -> bool {
        let limits = &self.config.limits;
        let frames = place.make_list();
        let mut total = 0;
        while let [flags @ (0 | Flags::MORE), size, rest @ ..] = *input
            && let Some((body, rest)) = rest.split_at_checked(usize::from(*size))
            && total + u64::from(*size) <= limits.message_size
            && frames.len() < limits.frames.min(LIST_MIN)
        {
            total += u64::from(*size);
            frames.push(Frame::new());
            if let Some(frame) = frames.last_mut() {
                frame.assign_copy(body);
            }
            *input = rest;
            if *flags == 0 {
                return true;
            }
        }
        self.partial = mem::take(place);
        self.partial_size = total;
        false
    }

    /// As [`Connection::receive`], for everything else than short messages that are whole.
    #[inline(never)]
    fn receive_slow(&mut self, input: &mut &[u8], place: &mut Message) -> Result<Received, Error> {
        let result = loop {
            let step = match self.state {
                State::AwaitGreeting(_) => self.receive_greeting(input),
                State::AwaitReady { minor } => self.receive_handshake(input, minor),
                State::Traffic => self.receive_traffic(input, place),
                State::Failed(ref error) => return Err(error.clone()),
            };
            match step {
                Ok(Some(received)) => break Ok(received),
                Ok(None) => {}
                Err(error) => break Err(error),
            }
        };
        self.settle();
        result.inspect_err(|error| self.fail(error))
    }

    /// `None`: on with it.
    fn receive_greeting(&mut self, input: &mut &[u8]) -> Result<Option<Received>, Error> {
        let State::AwaitGreeting(theirs) = &mut self.state else { return Ok(None) };
        match theirs.take(input, self.config.mechanism.name())? {
            greeting::Progress::More => return Ok(Some(Received::More)),
            greeting::Progress::Signature => {
                self.outbox.put(&greeting(&self.config)[greeting::SIGNATURE_SIZE..]);
            }
            greeting::Progress::Complete { minor } => {
                self.mechanism.start(&self.config, &mut self.outbox);
                self.state = State::AwaitReady { minor };
            }
        }
        Ok(None)
    }

    fn receive_handshake(&mut self, input: &mut &[u8], minor: u8) -> Result<Option<Received>, Error> {
        let limits = &self.config.limits;
        let admit = |header: Header| {
            if header.flags.is_command() { admit_command(header, limits) } else { Err(Error::MessageInHandshake) }
        };
        let Some((_, body)) = self.decoder.next(input, admit)? else { return Ok(Some(Received::More)) };
        let command = Command::parse(body.as_bytes())?;
        let Some(peer) = self.mechanism.handle(command, &self.config, minor, &mut self.outbox)? else {
            return Ok(None);
        };
        if self.config.shares_memory && peer.shares_memory {
            self.agreement = Some(Agreement::default());
        } else {
            self.handshake_by = None;
        }
        self.peer = Some(peer.clone());
        self.pulse.start(&self.config.heartbeat);
        self.state = State::Traffic;
        Ok(Some(Received::Ready(peer)))
    }

    fn receive_traffic(&mut self, input: &mut &[u8], place: &mut Message) -> Result<Option<Received>, Error> {
        let (limits, frames, size) = (&self.config.limits, self.partial.len(), self.partial_size);
        // Before it has our answer it does not know where messages go.
        let is_agreeing = self.is_agreeing();
        let admit = |header: Header| {
            if header.flags.is_command() {
                admit_command(header, limits)
            } else if is_agreeing {
                Err(Error::MessageInAgreement)
            } else {
                admit_frame(header, limits, frames, size)
            }
        };
        let Some((flags, body)) = self.decoder.next(input, admit)? else { return Ok(Some(Received::More)) };
        let (flags, body) = self.mechanism.open(flags, body)?;
        if flags.is_command() {
            let command = Command::parse(body.as_bytes())?;
            return match command.name {
                command::SUBSCRIBE | command::CANCEL if is_publisher(&self.config) => {
                    if is_agreeing {
                        return Err(Error::MessageInAgreement);
                    }
                    subscription(command.data, command.name == command::SUBSCRIBE, &self.config.limits).map(Some)
                }
                command::PING => {
                    self.pulse.handle_ping(command.ping()?, &mut self.mechanism, &mut self.outbox);
                    Ok(None)
                }
                command::OFFER => {
                    let offer = self.agreement.as_mut().map(|agreement| agreement.handle_offer(command.data));
                    Ok(offer.transpose()?.map(Received::Offer))
                }
                command::ANSWER => {
                    let answer = self.agreement.as_mut().map(|agreement| agreement.handle_answer(command.data));
                    let answer = answer.transpose()?;
                    self.agree();
                    Ok(answer.map(Received::Answer))
                }
                command::SEGMENT => {
                    let successor = self.agreement.as_mut().map(|agreement| agreement.handle_successor(command.data));
                    Ok(successor.transpose()?.map(Received::Successor))
                }
                command::SEGMENT_ANSWER => {
                    let agreement = self.agreement.as_mut();
                    let answer = agreement.map(|agreement| agreement.handle_successor_answer(command.data));
                    Ok(answer.transpose()?.map(Received::SuccessorAnswer))
                }
                _ => Ok(None),
            };
        }
        let is_single = !flags.has_more() && frames == 0;
        if let [wanted @ (0 | 1), topic @ ..] = body.as_bytes()
            && is_single
            && is_publisher(&self.config)
        {
            return subscription(topic, *wanted == 1, &self.config.limits).map(Some);
        }
        let frame = body.into_frame()?;
        if is_single {
            *place.make_single() = frame;
            return Ok(Some(Received::Message));
        }
        self.gather(flags, frame, place)
    }

    /// Adds a frame to the message that is not complete, and hands it over if this completes it.
    fn gather(&mut self, flags: Flags, frame: Frame, place: &mut Message) -> Result<Option<Received>, Error> {
        grow(&mut self.partial)?;
        self.partial_size += frame.len() as u64;
        self.partial.push(frame);
        if flags.has_more() {
            return Ok(None);
        }
        self.partial_size = 0;
        *place = mem::take(&mut self.partial);
        Ok(Some(Received::Message))
    }

    /// Opens or closes the short way, as [`Connection::short_max`] says.
    fn settle(&mut self) {
        let is_open = matches!(self.state, State::Traffic)
            && !self.is_agreeing()
            && self.decoder.is_idle()
            && self.partial.is_empty()
            && !is_publisher(&self.config)
            && self.mechanism.is_clear();
        let most = self.config.limits.message_size.min(frame::SHORT_MAX as u64) as i16;
        self.short_max = if is_open { most } else { -1 };
    }

    /// Bytes of memory held for what is not complete, the list of frames not counted up to [`LIST_MIN`].
    #[cfg(any(all(test, not(any(loom, shuttle))), feature = "fuzzing"))]
    pub(crate) fn held(&self) -> usize {
        let list = if self.partial.len() > LIST_MIN { 2 * self.partial.len() * size_of::<Frame>() } else { 0 };
        self.decoder.held() + list + self.partial.frames().iter().map(|frame| frame.len()).sum::<usize>()
    }

    #[cold]
    fn fail(&mut self, error: &Error) {
        self.short_max = -1;
        self.state = State::Failed(error.clone());
    }
}

impl Config {
    /// A socket of this type without a name: no heartbeats, the usual limits, 30 s for the handshake, no security.
    pub(crate) fn new(socket_type: SocketType) -> Self {
        Self {
            socket_type,
            routing_id: Frame::new(),
            properties: Vec::new(),
            shares_memory: false,
            limits: Limits::default(),
            heartbeat: Heartbeat::default(),
            handshake_timeout: Some(HANDSHAKE_TIMEOUT),
            mechanism: mechanism::Choice::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { message_size: u64::MAX, frames: FRAMES_MAX, command_size: COMMAND_SIZE_MAX, topic_size: TOPIC_SIZE_MAX }
    }
}

fn greeting(config: &Config) -> [u8; greeting::SIZE] {
    greeting::ours(config.routing_id.len(), config.mechanism.name())
}

fn is_publisher(config: &Config) -> bool {
    matches!(config.socket_type, SocketType::Pub | SocketType::XPub)
}

fn admit_command(header: Header, limits: &Limits) -> Result<(), Error> {
    match header.size {
        _ if header.flags.has_more() => Err(Error::CommandWithMore),
        size if size > limits.command_size as u64 => Err(Error::CommandTooLarge { limit: limits.command_size }),
        _ => Ok(()),
    }
}

/// May a frame be added to so many frames of so many bytes?
#[inline]
fn admit_frame(header: Header, limits: &Limits, frames: usize, size: u64) -> Result<(), Error> {
    if size.checked_add(header.size).is_none_or(|size| size > limits.message_size) {
        return Err(Error::MessageTooLarge { limit: limits.message_size });
    }
    if frames >= limits.frames {
        return Err(Error::TooManyFrames { limit: limits.frames });
    }
    Ok(())
}

fn subscription(topic: &[u8], wanted: bool, limits: &Limits) -> Result<Received, Error> {
    if topic.len() > limits.topic_size {
        return Err(Error::TopicTooLong { limit: limits.topic_size });
    }
    let topic = frame::copied(topic)?.into();
    Ok(if wanted { Received::Subscribe(topic) } else { Received::Cancel(topic) })
}

/// Makes room for one more frame, so that pushing it allocates nothing that may not fail: only where a vector doubles,
/// and not while the list is a small one out of the pool.
fn grow(message: &mut Message) -> Result<(), Error> {
    let len = message.len();
    if len < LIST_MIN || !len.is_power_of_two() {
        return Ok(());
    }
    let mut frames = mem::take(message).into_vec();
    let result = frames.try_reserve(len).map_err(|_| Error::OutOfMemory { size: 2 * len * size_of::<Frame>() });
    *message = Message::from_vec(frames);
    result
}

/// As libzmq's.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most frames of a message: more than an envelope or a list of parts has, and 4 MiB of frames if all are empty. libzmq
/// has no limit; without one two bytes of a peer become the 64 of a frame for as long as it likes.
const FRAMES_MAX: usize = 1 << 16;
/// Most bytes of a topic. Topics are looked at byte by byte for every message; long ones belong into the body.
const TOPIC_SIZE_MAX: usize = 64 << 10;
/// Most bytes of a command: a subscription to the longest topic, or 64 KiB of properties; nothing else comes near.
const COMMAND_SIZE_MAX: usize = TOPIC_SIZE_MAX + (64 << 10);
/// Frames up to which a list grows as it likes: 1 KiB. A power of two.
const LIST_MIN: usize = 16;
