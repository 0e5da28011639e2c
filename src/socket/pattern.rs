//! What a pattern decides; everything around it is the same for all and [`Core`](super::core::Core)'s.
//!
//! A pattern is logic over a [`Crew`]: which pipe a message goes to, whose turn it is to be heard, what is put before a
//! message and taken off it. Nothing here waits: the core calls again until the answer is one to return.

#![forbid(unsafe_code)]

use std::{collections::VecDeque, time::Instant};

use super::{
    admission::{Addressee, Admission},
    error::{RecvError, SendFailure},
    options::Options,
};
use crate::{
    Frame, Message, SocketType,
    pipe::{Crew, Fold, Key, Loaned, Mute, Outward, Refusal},
};

/// What every pattern has.
pub(crate) trait Pattern: std::fmt::Debug + Send + Sized + 'static {
    const TYPE: SocketType;
    const OUTWARD: Outward;

    /// The pattern of a socket with `options`. A pattern that keeps account of its peers says so to `crew`.
    fn new(options: &Options, crew: &mut Crew) -> Self;

    /// Does [`Receiving::receive`] have an answer other than that nothing is there?
    fn is_readable(&mut self, crew: &mut Crew) -> bool {
        crew.has_message()
    }

    /// Does [`Sending::send`] have an answer other than that there is no room?
    fn is_writable(&mut self, crew: &mut Crew) -> bool {
        crew.writable().is_ok()
    }

    /// Has what was in the way of the last send gone? As [`is_writable`](Self::is_writable), where every message has the same
    /// in its way.
    fn is_freed(&mut self, crew: &mut Crew) -> bool {
        self.is_writable(crew)
    }

    /// Is it a matter of where a message goes what is in its way, so that [`want_room`](Self::want_room) asks others each time?
    fn is_particular(&self) -> bool {
        false
    }

    /// Is room all that a send needs, so that it is for others to bring it about?
    fn needs_only_room(&self) -> bool {
        true
    }

    /// Before the owner sleeps until it can send: asks the consumers to tell who stand in the way.
    fn want_room(&mut self, crew: &mut Crew) {
        crew.want_room();
    }

    /// Takes that back.
    fn want_no_room(&mut self, crew: &mut Crew) {
        crew.want_no_room();
    }

    /// When [`Receiving::receive`] is to be asked again, though nothing has come.
    fn alarm(&self) -> Option<Instant> {
        None
    }

    /// Does [`Receiving::receive`] wait for room too, having something to send?
    fn receiving_wants_room(&self) -> bool {
        false
    }

    /// The socket's owner wants other options, as far as the pattern reads any.
    fn reconfigure(&mut self, _options: &Options, _crew: &mut Crew) {}

    /// The socket is closed: what the pattern has received and nobody will get is lost.
    fn close(&mut self, _crew: &mut Crew) {}
}

/// A pattern that sends. No method waits.
pub(crate) trait Sending: Pattern {
    /// The pipe the next message goes to; it has room then.
    ///
    /// # Errors
    /// `Full` or `NoPeer`: worth waiting. Any other: final.
    fn reserve(&mut self, crew: &mut Crew) -> Result<Key, SendFailure>;

    /// Sends `message` to the pipe [`reserve`](Self::reserve) has just named, and leaves nothing in it.
    ///
    /// # Errors
    /// `message` is unchanged.
    fn commit(&mut self, crew: &mut Crew, key: Key, message: &mut Message) -> Result<(), SendFailure>;

    /// Is a pipe that [`reserve`](Self::reserve) has named the one that gets the message? Otherwise the pattern chooses when it has
    /// that.
    const CHOOSES_AT_ONCE: bool = true;

    /// Lends room for a message of `size` bytes where its reader finds it, at the pipe that [`reserve`](Self::reserve) has just
    /// named. `None`: there is none, or the pattern wants to see the message.
    fn lend(&mut self, _crew: &mut Crew, _key: Key, _size: usize) -> Option<Loaned> {
        None
    }

    /// As [`commit`](Self::commit), of what was written to `loan`.
    ///
    /// # Errors
    /// As that; what was written comes back, unless memory ran out.
    fn commit_loan(&mut self, crew: &mut Crew, key: Key, loan: Loaned) -> Result<(), (SendFailure, Message)> {
        send_loan(crew, key, loan, Fold::Nothing)
    }

    /// Sends `message` and leaves nothing in it.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve) and [`commit`](Self::commit); `message` is unchanged.
    #[inline(always)]
    fn send(&mut self, crew: &mut Crew, message: &mut Message) -> Result<(), SendFailure> {
        loop {
            let key = self.reserve(crew)?;
            match self.commit(crew, key, message) {
                // That peer has just left: the next one in turn.
                Err(SendFailure::PeerLeft) => {}
                result => return result,
            }
        }
    }

    /// Decides on a message by its `first` frame. What [`send`](Self::send) would wait for, this is worth waiting for.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    fn admit(&mut self, crew: &mut Crew, _first: &Frame) -> Result<Admission, SendFailure> {
        let key = self.reserve(crew)?;
        let number = crew.number(key).ok_or(SendFailure::NoPeer)?;
        Ok(Admission::of(Addressee::Peer { key, number }))
    }

    /// Sends `message`, which was admitted and has a frame, and leaves nothing in it: to whom it was to go, to another if
    /// that one has left and the pattern does not mind, or to nobody, and counts it.
    ///
    /// # Errors
    /// Memory ran out, or the context is closed; `message` is unchanged.
    fn send_admitted(
        &mut self,
        crew: &mut Crew,
        admission: Admission,
        message: &mut Message,
    ) -> Result<(), SendFailure> {
        if let Addressee::Peer { key, number } = admission.addressee
            && crew.number(key) == Some(number)
            && crew.admits(key).is_ok()
        {
            match self.commit(crew, key, message) {
                // The next in turn, if there is one.
                Err(SendFailure::PeerLeft) => {}
                result => return result,
            }
        }
        send_or_drop(crew, message, |crew, message| self.send(crew, message))
    }

    /// Sends from the front of `messages` as many as it can. Returns how many, and why it stopped if some are left.
    fn send_batch(&mut self, crew: &mut Crew, messages: &mut VecDeque<Message>) -> (usize, Result<(), SendFailure>) {
        let mut count = 0;
        while let Some(message) = messages.front_mut() {
            if let Err(failure) = self.send(crew, message) {
                return (count, Err(failure));
            }
            messages.pop_front();
            count += 1;
        }
        (count, Ok(()))
    }
}

/// A pattern that receives. No method waits.
pub(crate) trait Receiving: Pattern {
    /// Puts the next message into `place`; what was there is dropped.
    ///
    /// # Errors
    /// `Empty`: worth waiting. Any other: final.
    fn receive(&mut self, crew: &mut Crew, place: &mut Message) -> Result<(), RecvError>;

    /// Adds up to `max` messages to `messages`. Returns how many.
    ///
    /// # Errors
    /// As [`receive`](Self::receive), if there is not one.
    fn receive_batch(&mut self, crew: &mut Crew, messages: &mut Vec<Message>, max: usize) -> Result<usize, RecvError> {
        match receive_several(self, crew, messages, max) {
            (0, Some(error)) => Err(error),
            (count, _) => Ok(count),
        }
    }
}

/// Sends `message`, which was admitted, by `send`; drops and counts it if nobody is there for it any more, or has room.
///
/// # Errors
/// Those of `send` that say something else.
#[cold]
#[inline(never)]
pub(crate) fn send_or_drop(
    crew: &mut Crew,
    message: &mut Message,
    send: impl FnOnce(&mut Crew, &mut Message) -> Result<(), SendFailure>,
) -> Result<(), SendFailure> {
    match send(crew, message) {
        Err(SendFailure::Full) => crew.count(|flow| &flow.dropped, 1),
        Err(SendFailure::NoPeer | SendFailure::PeerLeft | SendFailure::Unroutable) => {
            crew.count(|flow| &flow.unroutable, 1);
        }
        result => return result,
    }
    *message = Message::new();
    Ok(())
}

/// Adds up to `max` messages to `messages`, one by one. Returns how many, and why it stopped before `max`.
pub(crate) fn receive_several<P: Receiving>(
    pattern: &mut P,
    crew: &mut Crew,
    messages: &mut Vec<Message>,
    max: usize,
) -> (usize, Option<RecvError>) {
    for count in 0..max {
        let mut place = Message::from(Frame::new());
        match pattern.receive(crew, &mut place) {
            Ok(()) => messages.push(place),
            Err(error) => return (count, Some(error)),
        }
    }
    (max, None)
}

/// Sends to each peer in turn that has room.
#[inline(always)]
pub(crate) fn balance(crew: &mut Crew) -> Result<Key, SendFailure> {
    crew.writable().map_err(SendFailure::from)
}

/// Sends `message` to the pipe under `key`.
#[inline(always)]
pub(crate) fn send_to(crew: &mut Crew, key: Key, message: &mut Message) -> Result<(), SendFailure> {
    send_folded(crew, key, message, Fold::Nothing)
}

/// Sends `message`, with what `fold` says before it, to the pipe under `key`.
#[inline(always)]
pub(crate) fn send_folded(crew: &mut Crew, key: Key, message: &mut Message, fold: Fold) -> Result<(), SendFailure> {
    crew.send_folded(key, message, fold).map_err(|refusal| match refusal {
        Refusal::Closed | Refusal::Full => SendFailure::PeerLeft,
        Refusal::OutOfMemory => SendFailure::OutOfMemory,
    })
}

/// As [`send_folded`], of what was written to `loan`.
pub(crate) fn send_loan(crew: &mut Crew, key: Key, loan: Loaned, fold: Fold) -> Result<(), (SendFailure, Message)> {
    crew.send_loan(key, loan, fold).map_err(|(refusal, message)| match refusal {
        Refusal::Closed | Refusal::Full => (SendFailure::PeerLeft, message),
        Refusal::OutOfMemory => (SendFailure::OutOfMemory, message),
    })
}

/// Sends a batch to each peer in turn that has room, and tells each once.
pub(crate) fn balance_batch(crew: &mut Crew, messages: &mut VecDeque<Message>) -> (usize, Result<(), SendFailure>) {
    let (count, result) = crew.send_batch(messages);
    (count, result.map_err(SendFailure::from))
}

/// Receives from each peer in turn that has something. Returns from whom.
#[inline(always)]
pub(crate) fn fair(crew: &mut Crew, place: &mut Message) -> Result<Key, RecvError> {
    while let Some(key) = crew.readable() {
        // Always there: `readable` has just said so.
        if crew.receive_from(key, place) {
            crew.heard(key);
            return Ok(key);
        }
    }
    Err(RecvError::Empty)
}

/// As [`fair`], but whether the owner gets the message is the caller's to say ([`Crew::heard`]). Returns also what comes before the message, if that was folded into it.
#[inline(always)]
pub(crate) fn fair_folded(crew: &mut Crew, place: &mut Message) -> Option<(Key, Fold)> {
    while let Some(key) = crew.readable() {
        // Always there: `readable` has just said so.
        if let Some(fold) = crew.receive_folded(key, place) {
            return Some((key, fold));
        }
    }
    None
}

/// Receives a batch from each peer in turn that has something, and gives credit back once to each.
pub(crate) fn fair_batch(crew: &mut Crew, messages: &mut Vec<Message>, max: usize) -> Result<usize, RecvError> {
    let first = crew.readable().ok_or(RecvError::Empty)?;
    Ok(crew.receive_batch(first, messages, max))
}

/// Sending to each peer in turn that has room, for a pattern that adds nothing to it.
macro_rules! balanced_sending {
    ($pattern:ident) => {
        impl Sending for $pattern {
            #[inline(always)]
            fn reserve(&mut self, crew: &mut Crew) -> Result<Key, SendFailure> {
                pattern::balance(crew)
            }

            #[inline(always)]
            fn commit(&mut self, crew: &mut Crew, key: Key, message: &mut Message) -> Result<(), SendFailure> {
                pattern::send_to(crew, key, message)
            }

            fn lend(&mut self, crew: &mut Crew, key: Key, size: usize) -> Option<Loaned> {
                crew.loan(key, size)
            }

            fn send_batch(
                &mut self,
                crew: &mut Crew,
                messages: &mut VecDeque<Message>,
            ) -> (usize, Result<(), SendFailure>) {
                pattern::balance_batch(crew, messages)
            }
        }
    };
}

/// Receiving from each peer in turn that has something, for a pattern that adds nothing to it.
macro_rules! fair_receiving {
    ($pattern:ident) => {
        impl Receiving for $pattern {
            #[inline(always)]
            fn receive(&mut self, crew: &mut Crew, place: &mut Message) -> Result<(), RecvError> {
                pattern::fair(crew, place).map(|_| ())
            }

            fn receive_batch(
                &mut self,
                crew: &mut Crew,
                messages: &mut Vec<Message>,
                max: usize,
            ) -> Result<usize, RecvError> {
                pattern::fair_batch(crew, messages, max)
            }
        }
    };
}

impl From<Mute> for SendFailure {
    fn from(mute: Mute) -> Self {
        match mute {
            Mute::Full => Self::Full,
            Mute::NoPeer => Self::NoPeer,
            Mute::OutOfMemory => Self::OutOfMemory,
            Mute::Terminated => Self::ContextClosed,
        }
    }
}
