//! REQ: a request, then its reply.
//!
//! On its way a request is `[its number, if correlated: 4 bytes][empty frame][body …]`, and so is the reply.
//!
//! | state | sends | receives |
//! |---|---|---|
//! | idle | a request; then asking | `RecvError::NoRequest` |
//! | asking | `SendFailure::AwaitingReply`; if relaxed: forgets the old request | the reply; then idle |
//! | homeless: to be sent again, and nobody has room | as asking | as asking, or sends to who has room; then asking |
//!
//! When the peer that was asked is gone, or the time for an attempt is over, the request is sent again as often as the
//! options say; then receiving fails, and the socket is idle.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use super::{
    error::{RecvError, RequestError, SendFailure},
    held::Held,
    options::Options,
    pattern::{self, Pattern, Receiving, Sending},
};
use crate::{
    Frame, Message, PeerId, SocketType,
    pipe::{Crew, Fold, Key, Loaned, Outward},
};

/// Asks, one request at a time: sends one to the next peer in turn, receives its reply, and so on.
///
/// A peer whose queue is full is skipped; when all are full, or there is none, sending waits. Only the peer that was asked
/// is heard; what comes from others, or is no reply, is thrown away, and counted as
/// [`discarded`](super::Counters::discarded). When that peer leaves without a reply, `recv` says so
/// ([`RecvError::PeerLeft`]) and the socket may ask the next; or it does so by itself: see
/// [`reply_timeout`](super::Builder::reply_timeout) and [`resend`](super::Builder::resend).
///
/// ```
/// use std::time::Duration;
/// use ringway::{Context, Rep, Req};
///
/// let context = Context::new();
/// let mut answering = Rep::new(&context)?;
/// answering.bind("inproc://service")?;
/// let mut asking = Req::builder().reply_timeout(Duration::from_secs(1)).resend(3).build(&context)?;
/// asking.connect("inproc://service")?;
///
/// let server = std::thread::spawn(move || {
///     let question = answering.recv().unwrap();
///     answering.send(question).unwrap();
/// });
/// assert_eq!(asking.request("echo")?[0], "echo");
/// # server.join().unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Req {
    core: Held<Ask>,
}

impl Req {
    /// Sends `message` and receives the reply: [`send`](Self::send) and [`recv`](Self::recv) in one.
    ///
    /// # Errors
    /// As theirs. When it was sent and brought no reply in the time `recv` has, the socket still awaits one.
    pub fn request(&mut self, message: impl Into<Message>) -> Result<Message, RequestError> {
        self.send(message)?;
        Ok(self.recv()?)
    }
}

/// What only REQ has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReqOptions {
    pub(crate) correlate: bool,
    pub(crate) relaxed: bool,
    /// For each attempt.
    pub(crate) reply_timeout: Option<Duration>,
    /// Attempts after the first.
    pub(crate) resend: u32,
    /// Waits on when the peer that was asked has left.
    pub(crate) waits_on: bool,
}

impl ReqOptions {
    /// With what they imply.
    fn settled(self) -> Self {
        // Replies to attempts given up may come at any time.
        let is_repeated = self.resend > 0 || self.reply_timeout.is_some();
        Self { correlate: self.correlate || is_repeated, relaxed: self.relaxed || is_repeated, ..self }
    }
}

#[derive(Debug)]
struct Ask {
    options: ReqOptions,
    state: State,
    /// The number of the last request.
    number: u32,
    /// It was sent with it: the options may be others by now.
    is_correlated: bool,
    /// When the attempt under way is over.
    until: Option<Instant>,
    /// Attempts left after it.
    attempts_left: u32,
    /// The request, while there are.
    kept: Option<Message>,
    /// What the next receive returns: it was taken to see whether there is something.
    ahead: Option<Result<Message, RecvError>>,
    /// Whom that came from, if it is a reply over a stream.
    ahead_from: Option<PeerId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Asking {
        key: Key,
        /// The pipe's.
        number: u64,
    },
    Homeless,
}

impl Pattern for Ask {
    const TYPE: SocketType = SocketType::Req;
    const OUTWARD: Outward = Outward::Balanced;

    fn new(options: &Options, _crew: &mut Crew) -> Self {
        Self {
            options: options.req.settled(),
            is_correlated: false,
            state: State::Idle,
            number: random_number(),
            until: None,
            attempts_left: 0,
            kept: None,
            ahead: None,
            ahead_from: None,
        }
    }

    /// A reply, or that there will be none: the error of one who has not asked is no reason to call.
    fn is_readable(&mut self, crew: &mut Crew) -> bool {
        if self.state == State::Idle {
            return false;
        }
        if self.ahead.is_none() {
            let mut place = Message::new();
            self.ahead = match self.take_reply(crew, &mut place) {
                Ok(key) => {
                    self.ahead_from = crew.connected_peer(key);
                    Some(Ok(place))
                }
                Err(RecvError::Empty) => None,
                Err(error) => Some(Err(error)),
            };
        }
        self.ahead.is_some()
    }

    fn is_writable(&mut self, crew: &mut Crew) -> bool {
        self.may_send().is_ok() && crew.writable().is_ok()
    }

    fn needs_only_room(&self) -> bool {
        self.may_send().is_ok()
    }

    fn alarm(&self) -> Option<Instant> {
        self.until
    }

    fn receiving_wants_room(&self) -> bool {
        self.state == State::Homeless
    }

    /// A request that is under way stays as it was sent.
    fn reconfigure(&mut self, options: &Options, _crew: &mut Crew) {
        self.options = options.req.settled();
    }

    fn close(&mut self, crew: &mut Crew) {
        if let Some(Ok(reply)) = self.ahead.take() {
            crew.lose(reply.size() + self.envelope().size());
        }
    }
}

impl Sending for Ask {
    #[inline(always)]
    fn reserve(&mut self, crew: &mut Crew) -> Result<Key, SendFailure> {
        self.may_send()?;
        pattern::balance(crew)
    }

    #[inline(always)]
    fn commit(&mut self, crew: &mut Crew, key: Key, message: &mut Message) -> Result<(), SendFailure> {
        self.may_send()?;
        let Some(number) = crew.number(key) else { return Err(SendFailure::PeerLeft) };
        let kept = if self.options.resend > 0 { Some(message.clone()) } else { None };
        let fold = self.begin(crew);
        pattern::send_folded(crew, key, message, fold)?;
        self.asked(State::Asking { key, number }, kept);
        Ok(())
    }

    /// Not one that may have to be sent again; and nothing else is sent while it is written.
    fn lend(&mut self, crew: &mut Crew, key: Key, size: usize) -> Option<Loaned> {
        let is_sent_once = self.options.resend == 0 && self.kept.is_none();
        is_sent_once.then(|| crew.loan(key, size)).flatten()
    }

    fn commit_loan(&mut self, crew: &mut Crew, key: Key, loan: Loaned) -> Result<(), (SendFailure, Message)> {
        // Always there: the place is.
        let number = crew.number(key).unwrap_or_default();
        let fold = self.begin(crew);
        pattern::send_loan(crew, key, loan, fold)?;
        self.asked(State::Asking { key, number }, None);
        Ok(())
    }
}

impl Receiving for Ask {
    #[inline(always)]
    fn receive(&mut self, crew: &mut Crew, place: &mut Message) -> Result<(), RecvError> {
        if self.state == State::Idle && self.ahead.is_none() {
            return Err(RecvError::NoRequest);
        }
        if self.ahead.is_some() {
            return self.receive_ahead(crew, place);
        }
        let key = self.take_reply(crew, place)?;
        crew.heard(key);
        self.forget();
        Ok(())
    }
}

impl Ask {
    /// A request is about to be sent. Returns what comes before it.
    #[inline(always)]
    fn begin(&mut self, crew: &mut Crew) -> Fold {
        // Replies to earlier requests: none may pass for one to this.
        self.drop_input(crew);
        envelope(self.options.correlate, self.number.wrapping_add(1))
    }

    /// It was sent, and is `kept` if it may have to be sent again.
    #[inline(always)]
    fn asked(&mut self, state: State, kept: Option<Message>) {
        (self.number, self.is_correlated) = (self.number.wrapping_add(1), self.options.correlate);
        self.state = state;
        if self.options.resend > 0 || self.until.is_some() || self.options.reply_timeout.is_some() {
            (self.kept, self.attempts_left) = (kept, self.options.resend);
            self.until = self.attempt_ends();
        }
    }

    #[inline(always)]
    fn may_send(&self) -> Result<(), SendFailure> {
        if self.state == State::Idle || self.options.relaxed { Ok(()) } else { Err(SendFailure::AwaitingReply) }
    }

    /// The request is over.
    #[inline(always)]
    fn forget(&mut self) {
        self.state = State::Idle;
        self.until = None;
        if self.kept.is_some() {
            self.kept = None;
        }
    }

    #[cold]
    fn receive_ahead(&mut self, crew: &mut Crew, place: &mut Message) -> Result<(), RecvError> {
        self.forget();
        *place = self.ahead.take().unwrap_or(Err(RecvError::Empty))?;
        crew.heard_of(self.ahead_from);
        Ok(())
    }

    /// Puts the body of the reply into `place`. Returns whom it came from.
    ///
    /// # Errors
    /// `Empty`, or why there will be none.
    #[inline(always)]
    fn take_reply(&mut self, crew: &mut Crew, place: &mut Message) -> Result<Key, RecvError> {
        while let Some((key, fold)) = pattern::fair_folded(crew, place) {
            if self.is_asked(crew, key) {
                let envelope = self.envelope();
                if fold == envelope {
                    return Ok(key);
                }
                if fold == Fold::Nothing && self.is_reply(place) {
                    envelope.take_off(place);
                    return Ok(key);
                }
            }
            crew.discard(place.size() + fold.size());
        }
        let is_gone = match self.state {
            State::Asking { key, number } => crew.number(key) != Some(number),
            State::Idle | State::Homeless => true,
        };
        if is_gone || self.until.is_some() { self.no_reply(crew, is_gone) } else { Err(RecvError::Empty) }
    }

    /// Is the pipe under `key` one whose reply counts?
    #[inline(always)]
    fn is_asked(&self, crew: &Crew, key: Key) -> bool {
        // Sent to several, each may reply; the request's number tells.
        self.options.resend > 0 || crew.number(key).is_some_and(|number| self.state == State::Asking { key, number })
    }

    /// Has `message` the envelope of a reply to the last request, and something in it?
    fn is_reply(&self, message: &Message) -> bool {
        match message.frames() {
            [number, empty, _, ..] if self.is_correlated => *number == self.number.to_ne_bytes() && empty.is_empty(),
            [empty, _, ..] => !self.is_correlated && empty.is_empty(),
            _ => false,
        }
    }

    /// What came before the last request, and comes before its reply.
    #[inline(always)]
    fn envelope(&self) -> Fold {
        envelope(self.is_correlated, self.number)
    }

    /// Throws away what has arrived.
    #[inline(always)]
    fn drop_input(&mut self, crew: &mut Crew) {
        while let Some(key) = crew.readable_of_known() {
            let mut place = Message::from(Frame::new());
            if let Some(fold) = crew.receive_folded(key, &mut place) {
                crew.discard(place.size() + fold.size());
            }
        }
        if self.ahead.is_some() {
            self.drop_ahead(crew);
        }
    }

    #[cold]
    fn drop_ahead(&mut self, crew: &mut Crew) {
        if let Some(Ok(reply)) = self.ahead.take() {
            crew.discard(reply.size() + self.envelope().size());
        }
    }

    /// Nothing has come: sends again if it is time for that.
    ///
    /// # Errors
    /// `Empty`, or why there will be no reply.
    #[cold]
    #[inline(never)]
    fn no_reply(&mut self, crew: &mut Crew, is_gone: bool) -> Result<Key, RecvError> {
        let is_late = self.until.is_some_and(|until| until <= Instant::now());
        let was_asking = self.state != State::Homeless;
        if was_asking && !is_gone && !is_late {
            return Err(RecvError::Empty);
        }
        if was_asking && !is_late && self.options.waits_on && self.attempts_left == 0 {
            return Err(RecvError::Empty);
        }
        if was_asking || is_late {
            if self.attempts_left == 0 || self.kept.is_none() {
                self.forget();
                return Err(if is_late { RecvError::NoReply } else { RecvError::PeerLeft });
            }
            self.attempts_left -= 1;
            self.state = State::Homeless;
            self.until = self.attempt_ends();
        }
        self.send_again(crew);
        Err(RecvError::Empty)
    }

    /// Sends the request to the next peer with room, if there is one.
    fn send_again(&mut self, crew: &mut Crew) {
        while let Ok(key) = pattern::balance(crew) {
            let (Some(request), Some(number)) = (&self.kept, crew.number(key)) else { return };
            let mut request = request.clone();
            match pattern::send_folded(crew, key, &mut request, self.envelope()) {
                Ok(()) => {
                    self.state = State::Asking { key, number };
                    self.until = self.attempt_ends();
                    return;
                }
                // The next one in turn.
                Err(SendFailure::PeerLeft) => {}
                Err(_) => return,
            }
        }
    }

    /// When an attempt that begins now is over. A time the clock does not reach is never.
    fn attempt_ends(&self) -> Option<Instant> {
        self.options.reply_timeout.and_then(|timeout| Instant::now().checked_add(timeout))
    }
}

/// What comes before the request of this number, and before its reply.
#[inline(always)]
fn envelope(is_correlated: bool, number: u32) -> Fold {
    if is_correlated { Fold::Number(number) } else { Fold::Delimiter }
}

/// A number nobody can guess, for the first request.
fn random_number() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(()) as u32
}

impl super::Identified for Req {}

common_operations!(Req);
single_sending_operations!(Req);
reserving_operations!(Req);
loaning_operations!(Req);
single_receiving_operations!(Req);
