//! The envelopes of requests and replies, folded into the frame behind them.
//!
//! A request is an empty frame and a body, and before them a number if it is correlated. As frames of their own those
//! would cost a list at both ends and a slot each. So a sender may hand over the body and say what comes before it, and a
//! receiver may ask for the same. Who does not ask gets the frames; who sends the frames is understood as well.

#![forbid(unsafe_code)]

use crate::{Frame, Message};

/// What comes before a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fold {
    Nothing,
    /// An empty frame.
    Delimiter,
    /// A frame of these four bytes, and an empty one.
    Number(u32),
}

impl Fold {
    /// The bytes of its frames.
    #[inline(always)]
    pub(crate) fn size(self) -> usize {
        if let Self::Number(number) = self { size_of_val(&number) } else { 0 }
    }

    /// Puts its frames before `message`.
    pub(crate) fn put_before(self, message: &mut Message) {
        if self != Self::Nothing {
            message.push_front(Frame::new());
        }
        if let Self::Number(number) = self {
            message.push_front(number.to_ne_bytes());
        }
    }

    /// Takes off what `put_before` has put before `message`.
    pub(crate) fn take_off(self, message: &mut Message) {
        let frames = match self {
            Self::Nothing => 0,
            Self::Delimiter => 1,
            Self::Number(_) => 2,
        };
        (0..frames).for_each(|_| drop(message.pop_front()));
    }
}
