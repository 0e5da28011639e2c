//! REP: a request, then its reply.
//!
//! A request is `[envelope …][empty frame][body …]`: what is before the empty frame, and that frame, is kept and put
//! before the reply, so that whoever the request came through knows the way back.
//!
//! | state | receives | sends |
//! |---|---|---|
//! | idle | a request; then owing | `SendFailure::NoRequest` |
//! | owing | `RecvError::ReplyDue` | the reply; then idle |

#![forbid(unsafe_code)]

use super::{
    admission::{Addressee, Admission},
    error::{RecvError, SendFailure},
    held::Held,
    options::Options,
    pattern::{self, Pattern, Receiving, Sending},
};
use crate::{
    Frame, Message, PeerId, SocketType,
    pipe::{Crew, Fold, Key, Loaned, Outward, Refusal},
};

/// Answers requests, one at a time: receives one, sends the reply to whom it came from, and so on.
///
/// Requests are taken from each peer in turn. A message that is none (without an empty frame and something behind it) is
/// thrown away, and counted as [`discarded`](super::Counters::discarded). A reply never waits: if the asking peer has left
/// it is dropped, and counted as [`unroutable`](super::Counters::unroutable); if its queue is full, as
/// [`dropped`](super::Counters::dropped).
///
/// ```
/// use ringway::{Context, Rep, Req};
///
/// let context = Context::new();
/// let (mut asking, mut answering) = (Req::new(&context)?, Rep::new(&context)?);
/// answering.bind("inproc://service")?;
/// asking.connect("inproc://service")?;
///
/// asking.send("how much?")?;
/// assert_eq!(answering.recv()?[0], "how much?");
/// answering.send("42")?;
/// assert_eq!(asking.recv()?[0], "42");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Rep {
    core: Held<Answer>,
}

#[derive(Debug)]
struct Answer {
    /// Whom a reply is due to: the pipe's key and number.
    due: Option<(Key, u64)>,
    envelope: Envelope,
    /// A request that was taken to see whether there is one: it is the next.
    ahead: Option<Request>,
}

/// What comes before the reply.
#[derive(Debug)]
struct Envelope {
    fold: Fold,
    /// If nothing was folded: frames, the last of them empty.
    frames: Message,
}

#[derive(Debug)]
struct Request {
    from: (Key, u64),
    sender: Option<PeerId>,
    envelope: Envelope,
    body: Message,
}

impl Pattern for Answer {
    const TYPE: SocketType = SocketType::Rep;
    const OUTWARD: Outward = Outward::Addressed;

    fn new(_options: &Options, _crew: &mut Crew) -> Self {
        Self { due: None, envelope: Envelope::none(), ahead: None }
    }

    /// A request that can be received: the error of one that cannot be yet is none.
    fn is_readable(&mut self, crew: &mut Crew) -> bool {
        if self.due.is_some() {
            return false;
        }
        if self.ahead.is_none() {
            let mut body = Message::new();
            if let Some(from) = self.take_request(crew, &mut body) {
                let envelope = std::mem::replace(&mut self.envelope, Envelope::none());
                self.ahead = Some(Request { from, sender: crew.connected_peer(from.0), envelope, body });
            }
        }
        self.ahead.is_some()
    }

    fn is_writable(&mut self, crew: &mut Crew) -> bool {
        self.reserve(crew).is_ok()
    }

    /// It needs a request, which the owner has to receive.
    fn needs_only_room(&self) -> bool {
        false
    }

    fn close(&mut self, crew: &mut Crew) {
        if let Some(request) = self.ahead.take() {
            crew.lose(request.envelope.fold.size() + request.envelope.frames.size() + request.body.size());
        }
    }
}

impl Sending for Answer {
    /// Whoever asked: it is nobody's doing if that one has left.
    const CHOOSES_AT_ONCE: bool = false;

    /// A place is always there: a reply that cannot be sent is dropped.
    #[inline(always)]
    fn reserve(&mut self, crew: &mut Crew) -> Result<Key, SendFailure> {
        crew.sync();
        if crew.is_terminated() {
            return Err(SendFailure::ContextClosed);
        }
        self.due.map(|(key, _)| key).ok_or(SendFailure::NoRequest)
    }

    #[inline(always)]
    fn commit(&mut self, crew: &mut Crew, key: Key, message: &mut Message) -> Result<(), SendFailure> {
        let sent = self.admitted(crew, key).and_then(|()| self.send_enveloped(crew, key, message));
        self.replied(crew, sent)?;
        if sent.is_err() {
            *message = Message::new();
        }
        Ok(())
    }

    fn lend(&mut self, crew: &mut Crew, key: Key, size: usize) -> Option<Loaned> {
        let is_of_one_record = self.envelope.fold != Fold::Nothing && self.admitted(crew, key).is_ok();
        is_of_one_record.then(|| crew.loan(key, size)).flatten()
    }

    fn commit_loan(&mut self, crew: &mut Crew, key: Key, loan: Loaned) -> Result<(), (SendFailure, Message)> {
        let mut message = Message::new();
        let sent = self.admitted(crew, key).and_then(|()| {
            crew.send_loan(key, loan, self.envelope.fold).map_err(|(refusal, unsent)| {
                message = unsent;
                refusal
            })
        });
        self.replied(crew, sent).map_err(|failure| (failure, message))
    }

    fn admit(&mut self, crew: &mut Crew, _first: &Frame) -> Result<Admission, SendFailure> {
        self.reserve(crew).map(|_| Admission::of(Addressee::Whoever))
    }

    /// Whoever asked.
    fn send_admitted(&mut self, crew: &mut Crew, _: Admission, message: &mut Message) -> Result<(), SendFailure> {
        self.send(crew, message)
    }
}

impl Receiving for Answer {
    #[inline(always)]
    fn receive(&mut self, crew: &mut Crew, place: &mut Message) -> Result<(), RecvError> {
        if self.due.is_some() {
            return Err(RecvError::ReplyDue);
        }
        if let Some(request) = self.ahead.take() {
            crew.heard_of(request.sender);
            (self.due, self.envelope, *place) = (Some(request.from), request.envelope, request.body);
            return Ok(());
        }
        let from = self.take_request(crew, place).ok_or(RecvError::Empty)?;
        crew.heard(from.0);
        self.due = Some(from);
        Ok(())
    }
}

impl Answer {
    /// May the reply that is due be sent to the pipe under `key`?
    #[inline(always)]
    fn admitted(&self, crew: &mut Crew, key: Key) -> Result<(), Refusal> {
        let number = self.due.map(|(_, number)| number);
        if crew.number(key) == number { crew.admits(key) } else { Err(Refusal::Closed) }
    }

    /// The reply was sent, or could not be: then it is dropped, unless that was for want of memory.
    #[inline(always)]
    fn replied(&mut self, crew: &mut Crew, sent: Result<(), Refusal>) -> Result<(), SendFailure> {
        match sent {
            Ok(()) => {}
            Err(Refusal::OutOfMemory) => return Err(SendFailure::OutOfMemory),
            Err(Refusal::Full) => crew.count(|flow| &flow.dropped, 1),
            Err(Refusal::Closed) => crew.count(|flow| &flow.unroutable, 1),
        }
        self.due = None;
        Ok(())
    }

    /// Puts the body of the next request into `place` and keeps its envelope. Returns whom it came from.
    #[inline(always)]
    fn take_request(&mut self, crew: &mut Crew, place: &mut Message) -> Option<(Key, u64)> {
        loop {
            let (key, fold) = pattern::fair_folded(crew, place)?;
            if fold != Fold::Nothing || self.take_envelope(place) {
                if fold != Fold::Nothing {
                    self.envelope.fold = fold;
                }
                // Always there: it has just given a message.
                return crew.number(key).map(|number| (key, number));
            }
            crew.discard(place.size());
        }
    }

    /// Takes the envelope off `message` and keeps it. False if it has none, or nothing behind it.
    #[inline(always)]
    fn take_envelope(&mut self, message: &mut Message) -> bool {
        let Some(last) = message.frames().iter().position(|frame| frame.is_empty()) else { return false };
        if last + 1 == message.len() {
            return false;
        }
        if last == 0 {
            Fold::Delimiter.take_off(message);
            self.envelope.fold = Fold::Delimiter;
        } else {
            self.envelope = Envelope { fold: Fold::Nothing, frames: message.take_front(last + 1) };
        }
        true
    }

    /// Sends `message` behind the envelope that was kept; on failure it is as it was.
    #[inline(always)]
    fn send_enveloped(&mut self, crew: &mut Crew, key: Key, message: &mut Message) -> Result<(), Refusal> {
        if self.envelope.fold != Fold::Nothing {
            return crew.send_folded(key, message, self.envelope.fold);
        }
        let len = self.envelope.frames.len();
        let body = std::mem::replace(message, std::mem::take(&mut self.envelope.frames));
        body.consume(|frame| {
            message.push(frame);
        });
        crew.send_to(key, message).inspect_err(|_| self.envelope.frames = message.take_front(len))
    }
}

impl Envelope {
    fn none() -> Self {
        Self { fold: Fold::Nothing, frames: Message::new() }
    }
}

common_operations!(Rep);
single_sending_operations!(Rep);
loaning_operations!(Rep);
single_receiving_operations!(Rep);
