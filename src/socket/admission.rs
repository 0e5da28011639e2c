//! That a message will be taken, decided on its first frame.

#![forbid(unsafe_code)]

use crate::pipe::Key;

/// A socket's word, given on the first frame of a message, that it takes the message: where it goes is decided, and that it
/// may be sent at all. For programs that have a message frame by frame and must know before the last whether they may go on.
///
/// Good for the next message sent by the socket that gave it, with `send_admitted`. It holds nothing: one that is not used
/// costs nothing, and one that is used late or twice is worth what the queues have room for then.
///
/// ```
/// use ringway::{Context, Frame, Message, Pull, Push};
///
/// let context = Context::new();
/// let (mut source, mut sink) = (Push::new(&context)?, Pull::new(&context)?);
/// source.bind("inproc://frames")?;
/// sink.connect("inproc://frames")?;
///
/// let first = Frame::from("head");
/// let admission = source.admit(&first)?;
/// let mut message = Message::from(first);
/// message.push("tail");
/// source.send_admitted(admission, message)?;
/// assert_eq!(sink.recv()?.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "an admission that is not used sends nothing"]
pub struct Admission {
    pub(super) addressee: Addressee,
}

/// Who gets a message that was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addressee {
    /// The peer at this pipe.
    Peer {
        key: Key,
        /// The pipe's.
        number: u64,
    },
    /// Whoever the pattern gives it to when it is there.
    Whoever,
    /// Nobody: it is dropped, and counted as one to somebody who is not there.
    Nobody,
    /// Nobody: it is dropped, and counted as one to a peer that is full.
    NobodyWithRoom,
}

impl Admission {
    pub(super) fn of(addressee: Addressee) -> Self {
        Self { addressee }
    }
}
