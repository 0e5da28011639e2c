//! What travels: [`Frame`], a piece of bytes, and [`Message`], one or more frames that arrive together or not at all.
//!
//! A frame is 64 bytes, so that one cache line of a ring carries it. Where its bytes live depends on their number:
//!
//! | payload | where | cost of making one |
//! |---|---|---|
//! | 0–56 bytes | inside the frame | a copy |
//! | 57–256 bytes | a block from the thread's own pool | a copy; allocates only when the pool is empty |
//! | more, or anything already in a [`Bytes`](bytes::Bytes) of more than 56 bytes | shared, reference-counted | one allocation for a copy, none for a `Vec`, a `Bytes` or an owner |
//!
//! A message of one frame is the frame itself; several frames sit in a list whose storage also comes from the
//! thread's pool. Blocks and lists return to the pool of the thread that drops them; a ring copies small payloads
//! between the two, so that in a steady stream each side's pool stays in balance and nobody allocates.
//!
//! Not here: routing, and what a frame looks like on a wire.
//!
//! Contents: `frame` a piece of bytes, `draft` one that is still to be written, `pool` what a thread keeps for reuse, and here messages.

mod draft;
mod frame;
mod pool;

use std::{fmt, ops::Index};

pub(crate) use draft::Draft;
pub(crate) use frame::Kind;
pub use frame::{Frame, INLINE_MAX};
use pool::List;
pub use pool::POOLED_MAX;

/// One or more frames that travel together: all of them arrive, or none.
///
/// ```
/// use ringway::Message;
///
/// let single = Message::from("hello");
/// assert_eq!(single[0], "hello");
///
/// let parts: Message = ["topic", "", "body"].into_iter().collect();
/// assert_eq!(parts.len(), 3);
/// ```
#[derive(Clone)]
pub struct Message {
    repr: Repr,
}

#[derive(Clone)]
enum Repr {
    One(Frame),
    /// None, or two and more; also one, if it was made of a vector.
    List(List),
}

const _: () = assert!(size_of::<Message>() == 64 && size_of::<Option<Message>>() == 64);

impl Message {
    /// A message with no frame yet. It cannot be sent until one is pushed.
    pub const fn new() -> Self {
        Self { repr: Repr::List(List(Vec::new())) }
    }

    /// Adds `frame` at the end. Amortised constant; allocates only beyond four frames or when the pool is empty.
    pub fn push(&mut self, frame: impl Into<Frame>) -> &mut Self {
        let frame = frame.into();
        match &mut self.repr {
            Repr::List(list) if list.0.is_empty() => self.repr = Repr::One(frame),
            Repr::List(list) => list.0.push(frame),
            Repr::One(first) => {
                let mut list = List::take();
                list.0.push(std::mem::take(first));
                list.0.push(frame);
                self.repr = Repr::List(list);
            }
        }
        self
    }

    /// Puts `frame` before all others: an envelope's address. Moves the frames behind it; allocates as
    /// [`Message::push`] does.
    ///
    /// ```
    /// # use ringway::Message;
    /// let mut message = Message::from("body");
    /// message.push_front("").push_front("address");
    /// assert_eq!(message.pop_front().unwrap(), "address");
    /// assert_eq!(message.len(), 2);
    /// ```
    pub fn push_front(&mut self, frame: impl Into<Frame>) -> &mut Self {
        let frame = frame.into();
        match &mut self.repr {
            Repr::List(list) if list.0.is_empty() => self.repr = Repr::One(frame),
            Repr::List(list) => list.0.insert(0, frame),
            Repr::One(last) => {
                let mut list = List::take();
                list.0.push(frame);
                list.0.push(std::mem::take(last));
                self.repr = Repr::List(list);
            }
        }
        self
    }

    /// Takes the first frame out, if there is one. Moves the frames behind it; allocates nothing.
    pub fn pop_front(&mut self) -> Option<Frame> {
        let frame = match &mut self.repr {
            Repr::One(frame) => {
                let frame = std::mem::take(frame);
                *self = Self::new();
                return Some(frame);
            }
            Repr::List(list) if list.0.is_empty() => return None,
            Repr::List(list) => list.0.remove(0),
        };
        self.unlist();
        Some(frame)
    }

    /// Takes the first `count` frames out, or all if there are fewer, as a message of their own. Allocates only beyond
    /// four of them or when the pool is empty.
    pub(crate) fn take_front(&mut self, count: usize) -> Self {
        let mut front = match &mut self.repr {
            _ if count == 0 => return Self::new(),
            Repr::List(list) if count < list.0.len() => {
                let mut front = List::take();
                front.0.extend(list.0.drain(..count));
                self.unlist();
                Self { repr: Repr::List(front) }
            }
            _ => std::mem::take(self),
        };
        front.unlist();
        front
    }

    /// Brings a list that frames were taken out of into the form that travels fastest: one frame by itself. The list
    /// goes back to the pool then.
    fn unlist(&mut self) {
        if let Repr::List(list) = &mut self.repr
            && list.0.len() == 1
            && let Some(frame) = list.0.pop()
        {
            self.repr = Repr::One(frame);
        }
    }

    /// How many frames.
    #[inline]
    pub fn len(&self) -> usize {
        self.frames().len()
    }

    /// Is there no frame at all? (A message of one frame of no bytes is not empty in this sense.)
    #[inline]
    pub fn is_empty(&self) -> bool {
        match &self.repr {
            Repr::One(_) => false,
            Repr::List(list) => list.0.is_empty(),
        }
    }

    /// The frames, first to last.
    #[inline]
    pub fn frames(&self) -> &[Frame] {
        match &self.repr {
            Repr::One(frame) => std::slice::from_ref(frame),
            Repr::List(list) => &list.0,
        }
    }

    /// Frame number `index`, counted from zero.
    pub fn frame(&self, index: usize) -> Option<&Frame> {
        self.frames().get(index)
    }

    /// The bytes of all frames together.
    #[inline]
    pub fn size(&self) -> usize {
        match &self.repr {
            Repr::One(frame) => frame.len(),
            Repr::List(list) => list.size(),
        }
    }

    /// The only frame of a message that was made of one.
    #[inline(always)]
    pub(crate) fn single(&self) -> Option<&Frame> {
        match &self.repr {
            Repr::One(frame) => Some(frame),
            Repr::List(_) => None,
        }
    }

    /// The only frame of a message of one frame; the message back otherwise.
    ///
    /// # Errors
    /// The message, unchanged, if it has no frame or several.
    #[inline]
    pub fn into_single(self) -> Result<Frame, Self> {
        match self.repr {
            Repr::One(frame) => Ok(frame),
            Repr::List(mut list) if list.0.len() == 1 => Ok(list.0.swap_remove(0)),
            repr => Err(Self { repr }),
        }
    }

    /// A message of all of `frames`.
    pub(crate) fn from_vec(frames: Vec<Frame>) -> Self {
        Self { repr: Repr::List(List(frames)) }
    }

    /// The only frame of a message that was made of one, or that is made one of no bytes now.
    #[inline(always)]
    pub(crate) fn make_single(&mut self) -> &mut Frame {
        if !matches!(self.repr, Repr::One(_)) {
            self.repr = Repr::One(Frame::new());
        }
        match &mut self.repr {
            Repr::One(frame) => frame,
            Repr::List(_) => unreachable!("it has just been made one"),
        }
    }

    /// The list of a message of several frames, emptied. Who asks for it puts at least one frame into it.
    pub(crate) fn make_list(&mut self) -> &mut Vec<Frame> {
        match &mut self.repr {
            Repr::List(list) if list.0.capacity() > 0 => list.0.clear(),
            repr => *repr = Repr::List(List::take()),
        }
        match &mut self.repr {
            Repr::List(list) => &mut list.0,
            Repr::One(_) => unreachable!("it has just been made a list"),
        }
    }

    /// Forgets what the message owns, which has been moved elsewhere, and leaves a frame of no bytes.
    #[inline(always)]
    pub(crate) fn forget(&mut self) {
        std::mem::forget(std::mem::replace(&mut self.repr, Repr::One(Frame::new())));
    }

    /// Gives each frame to `each`, first to last; the list goes back to the pool.
    pub(crate) fn consume(self, mut each: impl FnMut(Frame)) {
        match self.repr {
            Repr::One(frame) => each(frame),
            Repr::List(mut list) => list.0.drain(..).for_each(each),
        }
    }

    /// The frames as a vector, for a ring slot that carries the whole list.
    pub(crate) fn into_vec(self) -> Vec<Frame> {
        match self.repr {
            Repr::One(frame) => vec![frame],
            Repr::List(mut list) => std::mem::take(&mut list.0),
        }
    }
}

impl Default for Message {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Message {
    /// The same frames, wherever they are kept.
    fn eq(&self, other: &Self) -> bool {
        self.frames() == other.frames()
    }
}

impl Eq for Message {}

impl Index<usize> for Message {
    type Output = Frame;

    fn index(&self, index: usize) -> &Frame {
        &self.frames()[index]
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.frames()).finish()
    }
}

impl<T: Into<Frame>> From<T> for Message {
    #[inline]
    fn from(frame: T) -> Self {
        Self { repr: Repr::One(frame.into()) }
    }
}

impl<T: Into<Frame>> FromIterator<T> for Message {
    fn from_iter<I: IntoIterator<Item = T>>(frames: I) -> Self {
        let mut message = Self::new();
        message.extend(frames);
        message
    }
}

impl<T: Into<Frame>> Extend<T> for Message {
    fn extend<I: IntoIterator<Item = T>>(&mut self, frames: I) {
        for frame in frames {
            self.push(frame);
        }
    }
}

impl From<Vec<Frame>> for Message {
    fn from(frames: Vec<Frame>) -> Self {
        Self::from_vec(frames)
    }
}

impl IntoIterator for Message {
    type Item = Frame;
    type IntoIter = std::vec::IntoIter<Frame>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_vec().into_iter()
    }
}

impl<'a> IntoIterator for &'a Message {
    type Item = &'a Frame;
    type IntoIter = std::slice::Iter<'a, Frame>;

    fn into_iter(self) -> Self::IntoIter {
        self.frames().iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What may be done to a message's frames.
    #[derive(Clone, Debug)]
    enum Step {
        Push(Vec<u8>),
        PushFront(Vec<u8>),
        PopFront,
        TakeFront(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        // Inside the frame, pooled, shared.
        let bytes = || prop_oneof![0..9_usize, 57..60_usize, 257..260_usize].prop_map(|len| vec![len as u8; len]);
        let step = prop_oneof![
            3 => bytes().prop_map(Step::Push),
            3 => bytes().prop_map(Step::PushFront),
            2 => Just(Step::PopFront),
            1 => (0..5_usize).prop_map(Step::TakeFront),
        ];
        proptest::collection::vec(step, 0..if cfg!(miri) { 8 } else { 40 })
    }

    fn bytes_of(message: &Message) -> Vec<Vec<u8>> {
        message.frames().iter().map(|frame| frame.to_vec()).collect()
    }

    /// The message holds these frames, and one by itself if it is alone.
    fn assert_holds(message: &Message, frames: &[Vec<u8>]) {
        assert_eq!(bytes_of(message), frames);
        assert_eq!(message.single().is_some(), frames.len() == 1);
        assert_eq!(message.is_empty(), frames.is_empty());
    }

    #[test]
    fn a_list_taken_apart_goes_back_to_the_pool() {
        let mut message: Message = ["a", "b"].into_iter().collect();
        let at = message.frames().as_ptr();
        assert_eq!(message.pop_front().unwrap(), "a");
        assert_eq!(message.single().unwrap(), "b");
        // The pool hands out last what it got last.
        assert_eq!(Message::from("d").push_front("c").frames().as_ptr(), at);
        let mut message: Message = ["a", "b", "c"].into_iter().collect();
        let at = message.frames().as_ptr();
        let front = message.take_front(2);
        assert_ne!(front.frames().as_ptr(), at);
        assert_eq!(Message::from("d").push_front("c").frames().as_ptr(), at);
    }

    #[test]
    fn a_vector_of_one_is_taken_as_a_single() {
        let mut message = Message::from(vec![Frame::from("a")]);
        assert!(message.single().is_none());
        assert_eq!(message.take_front(1).single().unwrap(), "a");
        assert_eq!(message.pop_front(), None);
    }

    #[test]
    fn pushing_keeps_order_and_one_frame_is_a_single() {
        let mut message = Message::new();
        assert!(message.is_empty());
        message.push("a");
        assert_eq!(message.clone().into_single().unwrap(), "a");
        message.push("").push("c");
        assert_eq!(message.len(), 3);
        assert_eq!(message.size(), 2);
        assert!(message.clone().into_single().is_err());
        assert_eq!(message.into_iter().map(|frame| frame.len()).collect::<Vec<_>>(), [1, 0, 1]);
    }

    #[test]
    fn a_single_frame_equals_a_list_of_one() {
        assert_eq!(Message::from("a"), Message::from(vec![Frame::from("a")]));
    }

    proptest! {
        #[test]
        fn envelopes_equal_a_vector_of_frames(steps in steps()) {
            let (mut message, mut frames) = (Message::new(), Vec::<Vec<u8>>::new());
            for step in steps {
                match step {
                    Step::Push(bytes) => {
                        message.push(bytes.as_slice());
                        frames.push(bytes);
                    }
                    Step::PushFront(bytes) => {
                        message.push_front(bytes.as_slice());
                        frames.insert(0, bytes);
                    }
                    Step::PopFront => {
                        let frame = (!frames.is_empty()).then(|| frames.remove(0));
                        prop_assert_eq!(message.pop_front().map(|frame| frame.to_vec()), frame);
                    }
                    Step::TakeFront(count) => {
                        let front: Vec<_> = frames.drain(..count.min(frames.len())).collect();
                        assert_holds(&message.take_front(count), &front);
                    }
                }
                assert_holds(&message, &frames);
            }
        }

        #[test]
        fn messages_equal_the_frames_they_were_made_of(frames in proptest::collection::vec("[a-z]{0,80}", 0..9)) {
            let message: Message = frames.iter().map(|frame| frame.as_str()).collect();
            prop_assert_eq!(message.len(), frames.len());
            prop_assert!(message.frames().iter().zip(&frames).all(|(a, b)| *a == b.as_bytes()));
            prop_assert_eq!(message.clone(), message);
        }
    }
}
