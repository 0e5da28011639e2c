//! What takes the messages of one socket and makes of them what an actor is told.

#![forbid(unsafe_code)]

use std::{
    any::Any,
    cell::RefCell,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Weak,
};

use crate::{
    Message, PeerId,
    actor::{Intake, NoRoom, Recipient},
    socket::RecvError,
};

/// What a socket has received.
#[derive(Debug)]
#[non_exhaustive]
pub struct Incoming {
    /// The message, as the socket's `recv` gives it: a ROUTER's begins with the sender's id.
    pub message: Message,
    /// The socket's `last_sender`: whom it came from, if it came over a stream.
    pub sender: Option<PeerId>,
}

/// What a socket has to tell: a message; or [`ContextClosed`](RecvError::ContextClosed), once and at last; or, of a REQ or a subscriber
/// that [says so](RecvError), that something does not come.
pub type Received = Result<Incoming, RecvError>;

/// Messages taken from one socket in one turn of its worker: as many as an actor handles before it is the next one's turn.
pub const QUANTUM: usize = 64;

/// How it went.
pub(super) enum Served {
    /// The socket has no more, or has had its share.
    Enough,
    /// There is no room for what it may have; some was taken before that, or nothing.
    Full { has_taken: bool },
    /// Nothing will come any more, and that was told; or nobody is there whom to tell.
    Over,
    /// The code that makes the messages has panicked.
    Panicked(Box<dyn Any + Send>),
}

/// A [`Reader`], whatever its types.
pub(super) trait Read: fmt::Debug {
    /// Takes what has come as long as there is room.
    fn serve(&mut self, intake: &mut Intake<'_>) -> Served;

    /// Is there room again, or will there never be?
    fn can_go_on(&self, intake: &mut Intake<'_>) -> bool;
}

/// See the module.
pub(super) struct Reader<S, M, F> {
    /// Its owner's: gone when that is.
    pub(super) socket: Weak<RefCell<S>>,
    pub(super) take: fn(&mut S) -> Received,
    pub(super) make: F,
    pub(super) to: Recipient<M>,
}

impl<S, M: Send + 'static, F: FnMut(Received) -> M> Read for Reader<S, M, F> {
    fn serve(&mut self, intake: &mut Intake<'_>) -> Served {
        let Some(socket) = self.socket.upgrade() else { return Served::Over };
        for nth in 0..QUANTUM {
            // First: what there is no room for is not taken.
            let credit = match intake.admit(self.to) {
                Ok(credit) => credit,
                Err(NoRoom::Full) => return Served::Full { has_taken: nth > 0 },
                Err(NoRoom::Gone) => return Served::Over,
            };
            let received = (self.take)(&mut socket.borrow_mut());
            let what = Kind::of(&received);
            if what == Kind::Nothing {
                intake.give_back(credit);
                return Served::Enough;
            }
            match catch_unwind(AssertUnwindSafe(|| (self.make)(received))) {
                Ok(message) => intake.post(credit, message),
                Err(panic) => {
                    intake.give_back(credit);
                    return Served::Panicked(panic);
                }
            }
            if what == Kind::Last {
                return Served::Over;
            }
        }
        Served::Enough
    }

    fn can_go_on(&self, intake: &mut Intake<'_>) -> bool {
        intake.can_admit(self.to)
    }
}

impl<S, M, F> fmt::Debug for Reader<S, M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("to", &self.to).finish_non_exhaustive()
    }
}

/// What is to be done about what a socket said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It is not told: there is nothing now.
    Nothing,
    /// It is told.
    One,
    /// It is told, and nothing comes behind it.
    Last,
}

impl Kind {
    fn of(received: &Received) -> Self {
        match received {
            Ok(_) | Err(RecvError::Missed | RecvError::PeerLeft | RecvError::NoReply) => Self::One,
            Err(RecvError::ContextClosed | RecvError::Forked) => Self::Last,
            Err(RecvError::Empty | RecvError::TimedOut | RecvError::Interrupted) => Self::Nothing,
            // The owner's turn: it is readable again when that has asked, or replied.
            Err(RecvError::NoRequest | RecvError::ReplyDue) => Self::Nothing,
        }
    }
}
