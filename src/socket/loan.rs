//! Room for a message, written where it is sent from.

#![forbid(unsafe_code)]

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use super::{Sends, error::SendError, permit::Place};
use crate::{Message, message::Draft, pipe::Loaned};

/// Room for one message of one frame, to be written in place and committed. Dereferences to its bytes.
///
/// As with a [`Permit`](super::Permit), it is decided who gets the message and that there is room. Over `ipc://` between two processes that
/// share memory the bytes are the ring's, if the message would go there now: what is written is there for the peer when
/// [`commit`](Self::commit) says so, and nothing is copied on this side. Everywhere else they are a buffer that becomes the
/// message. Nothing but [`is_in_place`](Self::is_in_place) and the time it takes tells the two apart.
///
/// The bytes are initialised, and arbitrary: zero, or what this socket has sent to the same peer before, or written to a loan for
/// it. In place, a hostile peer can read what is written before it is committed, and if it never is.
///
/// Dropping the loan sends nothing. One that is forgotten (`mem::forget`) sends nothing, either, and may keep what others have for the same
/// peer from it until the socket sends to that peer again.
///
/// ```
/// use ringway::{Context, Pull, Push};
///
/// let context = Context::new();
/// let (mut push, mut pull) = (Push::new(&context)?, Pull::new(&context)?);
/// push.bind("inproc://work")?;
/// pull.connect("inproc://work")?;
///
/// let mut loan = push.loan(8)?;
/// loan.copy_from_slice(&7_u64.to_le_bytes());
/// loan.commit()?;
/// assert_eq!(pull.recv()?[0], 7_u64.to_le_bytes());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The socket is borrowed for as long as the loan is there, used or not:
///
/// ```compile_fail,E0499
/// # let mut push = ringway::Push::new(&ringway::Context::new()).unwrap();
/// let _loan = push.loan(8).unwrap();
/// push.send("meanwhile").unwrap();
/// ```
#[must_use = "a loan that is dropped sends nothing"]
pub struct Loan<'a, S: Sends> {
    socket: &'a mut S,
    place: Place,
    /// Until it is committed.
    lent: Option<Lent>,
}

/// What a loan is written to.
#[derive(Debug)]
pub(crate) enum Lent {
    /// Where the peer reads it.
    InPlace(Loaned),
    /// What becomes the message.
    Apart(Draft),
}

impl<'a, S: Sends> Loan<'a, S> {
    pub(super) fn new(socket: &'a mut S, (place, lent): (Place, Lent)) -> Self {
        Self { socket, place, lent: Some(lent) }
    }

    /// Is it written where the peer reads it? Otherwise the message is made of what is written, as any other.
    pub fn is_in_place(&self) -> bool {
        matches!(self.lent, Some(Lent::InPlace(_)))
    }

    /// Shortens it to its first `len` bytes; does nothing if it has no more. What is cut off is not sent.
    pub fn truncate(&mut self, len: usize) {
        match &mut self.lent {
            Some(Lent::InPlace(loaned)) => loaned.truncate(len),
            Some(Lent::Apart(draft)) => draft.truncate(len),
            None => {}
        }
    }

    /// Sends what was written, as a message of one frame, to the peer the place was reserved with. Never waits.
    ///
    /// # Errors
    /// As [`Permit::send`](super::Permit::send): that peer has left meanwhile, or memory ran out. What was written comes back as a message; in
    /// a process that was forked off since, an empty one.
    pub fn commit(mut self) -> Result<(), SendError> {
        match self.lent.take() {
            Some(lent) => self.socket.commit_loan(self.place, lent),
            // Not reached: it is there until this.
            None => Ok(()),
        }
    }
}

impl<S: Sends> Deref for Loan<'_, S> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.lent.as_ref().map_or(&[], Lent::bytes)
    }
}

impl<S: Sends> DerefMut for Loan<'_, S> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.lent.as_mut().map_or(&mut [], Lent::bytes_mut)
    }
}

impl<S: Sends> AsRef<[u8]> for Loan<'_, S> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<S: Sends> AsMut<[u8]> for Loan<'_, S> {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

/// Ends what was lent while the socket is borrowed still: by this its borrow lasts as long as the loan, used or not, so that
/// nothing else is sent meanwhile.
impl<S: Sends> Drop for Loan<'_, S> {
    fn drop(&mut self) {
        self.lent = None;
    }
}

impl<S: Sends> fmt::Debug for Loan<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loan")
            .field("len", &self.len())
            .field("is_in_place", &self.is_in_place())
            .finish_non_exhaustive()
    }
}

impl Lent {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::InPlace(loaned) => loaned.bytes(),
            Self::Apart(draft) => draft.bytes(),
        }
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::InPlace(loaned) => loaned.bytes_mut(),
            Self::Apart(draft) => draft.bytes_mut(),
        }
    }

    /// What was written, as a message. `None`: there is no memory for it.
    pub(super) fn into_message(self) -> Option<Message> {
        match self {
            Self::InPlace(loaned) => loaned.into_message(),
            Self::Apart(draft) => Some(draft.into_frame().into()),
        }
    }
}
