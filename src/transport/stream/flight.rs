//! Messages on their way: given to the codec, and not wholly to the kernel.
//!
//! They count against the limit of the pipe they come from until the kernel has them, and are sent again, by the next stream,
//! if this one ends before. A short one is in the outbox as it is, and taken out of there if it comes to that; any other is
//! kept here.

#![forbid(unsafe_code)]

use std::collections::VecDeque;

use crate::{
    Frame, Message,
    pipe::{Fold, ShortSink},
    zmtp::{Connection, Outbox},
};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Flight {
    marks: VecDeque<Mark>,
    /// The messages of those marks that are kept, in order.
    kept: VecDeque<Message>,
    /// Streams that were lost in the midst of the first message.
    cuts: u32,
    /// Messages that count against the pipe's limit.
    held: u64,
}

/// Where a message is.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// The outbox's position behind it; [`NOWHERE`] while it is in none.
    end: u64,
    /// Bytes it takes there.
    size: u64,
    is_kept: bool,
    /// It counts against the limit of the pipe; else it was another's before.
    is_of_pipe: bool,
}

const NOWHERE: u64 = u64::MAX;
/// Streams a message may be cut by before it is given up: a peer may end them because of it, as it is larger than what that
/// takes, and what is behind it must not wait for ever.
const CUTS_MAX: u32 = 3;

impl Flight {
    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    pub(super) fn len(&self) -> u64 {
        self.marks.len() as u64
    }

    /// Messages taken from the pipe that count against its limit.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Encodes `message`, and keeps it.
    pub(super) fn send(&mut self, message: Message, zmtp: &mut Connection, is_of_pipe: bool) {
        let before = zmtp.outbox().queued();
        zmtp.send(&message);
        let end = zmtp.outbox().queued();
        self.kept.push_back(message);
        self.held += u64::from(is_of_pipe);
        self.marks.push_back(Mark { end, size: end - before, is_kept: true, is_of_pipe });
    }

    /// A short message of the pipe has been put into the outbox since `before`.
    #[inline]
    pub(super) fn was_put(&mut self, before: u64, zmtp: &Connection) {
        let end = zmtp.outbox().queued();
        self.held += 1;
        self.marks.push_back(Mark { end, size: end - before, is_kept: false, is_of_pipe: true });
    }

    /// So many bytes are given to the kernel: lets go of the messages among them, and says how many. What may have a destructor
    /// goes to `remains`.
    pub(super) fn settle(&mut self, written: u64, remains: &mut Vec<Message>) -> u64 {
        let mut done = 0;
        while let Some(mark) = self.marks.front()
            && mark.end <= written
        {
            done += 1;
            self.held -= u64::from(mark.is_of_pipe);
            if mark.is_kept
                && let Some(message) = self.kept.pop_front()
                && message.frames().iter().any(Frame::is_shared)
            {
                remains.push(message);
            }
            self.marks.pop_front();
        }
        if done > 0 {
            self.cuts = 0;
        }
        done
    }

    /// The stream of `outbox` is lost: takes everything back. Returns a message that is to be given up, if the first one is.
    pub(super) fn take_back(&mut self, outbox: &Outbox) -> Option<Message> {
        let is_cut =
            self.marks.front().is_some_and(|mark| mark.end != NOWHERE && mark.end - mark.size < outbox.written());
        self.cuts += u32::from(is_cut);
        let mut before = std::mem::take(&mut self.kept);
        for mark in &mut self.marks {
            let message =
                if mark.is_kept { before.pop_front() } else { outbox.take_back(mark.end - mark.size, mark.end) };
            *mark = Mark { end: NOWHERE, is_kept: true, ..*mark };
            // One for each mark, whatever is the matter: a short message stands in the outbox until it is written.
            self.kept.push_back(message.unwrap_or_default());
        }
        if self.cuts < CUTS_MAX {
            return None;
        }
        self.cuts = 0;
        let mark = self.marks.pop_front()?;
        self.held -= u64::from(mark.is_of_pipe);
        self.kept.pop_front()
    }

    /// Encodes anew, for another stream, what was [taken back](Self::take_back).
    pub(super) fn resend(&mut self, zmtp: &mut Connection) {
        for (mark, message) in self.marks.iter_mut().zip(&self.kept) {
            let before = zmtp.outbox().queued();
            zmtp.send(message);
            mark.end = zmtp.outbox().queued();
            mark.size = mark.end - before;
        }
    }

    /// What `messages` were, in order, before all others: another way than a stream took them, and does not any more.
    pub(super) fn restore(&mut self, messages: impl DoubleEndedIterator<Item = Message>) {
        for message in messages.rev() {
            self.marks.push_front(Mark { end: NOWHERE, size: 0, is_kept: true, is_of_pipe: true });
            self.kept.push_front(message);
            self.held += 1;
        }
    }

    /// The first of those that were taken back, to go another way than by a stream.
    pub(super) fn take_first(&mut self) -> Option<Message> {
        let mark = self.marks.pop_front()?;
        self.held -= u64::from(mark.is_of_pipe);
        self.kept.pop_front()
    }

    /// All of them, that were [taken back](Self::take_back).
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Message> {
        self.marks.clear();
        (self.held, self.cuts) = (0, 0);
        self.kept.drain(..)
    }
}

/// Puts short messages into an outbox.
pub(super) struct Encoder<'a>(pub(super) &'a mut Connection);

impl ShortSink for Encoder<'_> {
    #[inline]
    fn begin(&mut self, fold: Fold, size: usize) {
        if let Fold::Number(number) = fold {
            self.0.begin_short(true, size_of_val(&number));
            self.0.put(&number.to_ne_bytes());
        }
        if fold != Fold::Nothing {
            self.0.begin_short(true, 0);
        }
        self.0.begin_short(false, size);
    }

    #[inline]
    fn put(&mut self, part: &[u8]) {
        self.0.put(part);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::{sync::Arc, time::Instant};

    use super::*;
    use crate::{SocketType, zmtp::Config};

    /// A connection that is ready for messages.
    fn connection() -> Connection {
        let mut zmtp = Connection::new(Arc::new(Config::new(SocketType::Push)), Instant::now());
        let mut greeting = [0; 64];
        (greeting[0], greeting[8], greeting[9], greeting[10], greeting[11]) = (0xff, 1, 0x7f, 3, 1);
        greeting[12..16].copy_from_slice(b"NULL");
        let mut input = greeting.to_vec();
        input.extend(b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PULL");
        let mut place = Message::new();
        let mut input = input.as_slice();
        while zmtp.peer().is_none() {
            zmtp.receive(&mut input, &mut place).unwrap();
        }
        let size = zmtp.outbox().len();
        zmtp.outbox_mut().advance(size);
        zmtp
    }

    fn put(flight: &mut Flight, zmtp: &mut Connection, fold: Fold, bytes: &[u8]) {
        let before = zmtp.outbox().queued();
        let mut encoder = Encoder(zmtp);
        encoder.begin(fold, bytes.len());
        bytes.chunks(56).for_each(|part| encoder.put(part));
        flight.was_put(before, zmtp);
    }

    /// Messages of every kind, and what they are.
    fn fill(flight: &mut Flight, zmtp: &mut Connection) -> Vec<Message> {
        let mut expected = Vec::new();
        for round in 0..40_u8 {
            let short = vec![round; usize::from(round) * 6];
            put(flight, zmtp, Fold::Nothing, &short);
            expected.push(Message::from(short));
            put(flight, zmtp, Fold::Number(round.into()), b"body");
            expected
                .push([&u32::from(round).to_ne_bytes()[..], b"", b"body"].into_iter().map(Frame::copy_from).collect());
            let long = Message::from(vec![round; 2000 + 300 * usize::from(round)]);
            flight.send(long.clone(), zmtp, round % 2 == 0);
            expected.push(long);
        }
        expected
    }

    #[test]
    fn what_the_kernel_did_not_take_comes_back_whole_wherever_it_is_cut() {
        for step in [1, 7, 100, 255, 1000, 4096, 20_000] {
            let (mut flight, mut zmtp, mut remains) = (Flight::default(), connection(), Vec::new());
            let expected = fill(&mut flight, &mut zmtp);
            let start = zmtp.outbox().written();
            let mut taken = 0;
            for cut in 0..60 {
                let size = (step * cut).min(zmtp.outbox().len());
                zmtp.outbox_mut().advance(size);
                taken += flight.settle(zmtp.outbox().written(), &mut remains) as usize;
            }
            assert!(zmtp.outbox().written() > start);
            let _ = flight.take_back(zmtp.outbox());
            let back: Vec<Message> = flight.drain().collect();
            assert_eq!(back, expected[taken..], "steps of {step}");
        }
    }

    #[test]
    fn what_came_back_is_sent_again_and_settled() {
        let (mut flight, mut zmtp, mut remains) = (Flight::default(), connection(), Vec::new());
        let expected = fill(&mut flight, &mut zmtp);
        zmtp.outbox_mut().advance(50);
        assert!(flight.take_back(zmtp.outbox()).is_none());
        assert_eq!((flight.len() as usize, flight.held()), (expected.len(), 100));
        let mut next = connection();
        // Whatever the next stream has written: these are not in it.
        assert_eq!(flight.settle(next.outbox().written(), &mut remains), 0);
        flight.resend(&mut next);
        let size = next.outbox().len();
        next.outbox_mut().advance(size);
        assert_eq!(flight.settle(next.outbox().written(), &mut remains) as usize, expected.len());
        assert_eq!((flight.len(), flight.held()), (0, 0));
    }

    #[test]
    fn a_message_that_is_cut_again_and_again_is_given_up() {
        let mut flight = Flight::default();
        let mut zmtp = connection();
        flight.send(Message::from(vec![1; 5000]), &mut zmtp, true);
        flight.send(Message::from("next"), &mut zmtp, true);
        for cut in 1..=CUTS_MAX {
            zmtp.outbox_mut().advance(100);
            let given_up = flight.take_back(zmtp.outbox());
            assert_eq!(given_up.is_some(), cut == CUTS_MAX);
            zmtp = connection();
            flight.resend(&mut zmtp);
        }
        assert_eq!((flight.len(), flight.held()), (1, 1));
    }
}
