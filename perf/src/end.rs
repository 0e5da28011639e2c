//! The seam between what is measured and how: one end of a road, ours or another library's.
//!
//! | operation | may it wait | afterwards |
//! |---|---|---|
//! | `send(header)` | until there is room | the message is on its way, with every byte written |
//! | `send_batch(headers)` | until there is room | all of them are, in order; one call into the library if it has one |
//! | `recv(see)` | until a message comes | `see` was shown one message, whole |
//! | `recv_batch(max, see)` | until a message comes | `see` was shown 1 to `max` messages, one by one, in order |
//!
//! And of one publisher and many subscribers, all of whom one thread receives from:
//!
//! | operation | may it wait | afterwards |
//! |---|---|---|
//! | `publish(headers)` | until everybody has room | each is on its way to everybody who wants it; one call into the library if it has one |
//! | `look(subscriber, max, see)` | no | `see` was shown what was there for that subscriber, `max` messages at most, in order |
//! | `wait()` | until something may be there | it is worth looking again |
//!
//! How an end waits was settled when it was made. Ends move to the thread that uses them and stay there.

#![forbid(unsafe_code)]

use std::{hint, ops::Range, thread};

use crate::{
    cli::{Match, Wait},
    failure::Failure,
    payload::Header,
};

/// An end that sends messages of one size.
pub(crate) trait Tx: Send + 'static {
    fn send(&mut self, header: Header) -> Result<(), Failure>;

    /// Messages `sequence` of `sender`.
    fn send_batch(&mut self, sender: u16, sequence: Range<u64>) -> Result<(), Failure> {
        sequence.into_iter().try_for_each(|n| self.send(Header::new(sender, n)))
    }
}

/// An end that receives.
pub(crate) trait Rx: Send + 'static {
    fn recv(&mut self, see: impl FnMut(&[u8])) -> Result<(), Failure>;

    fn recv_batch(&mut self, max: usize, see: impl FnMut(&[u8])) -> Result<usize, Failure> {
        let _ = max;
        self.recv(see).map(|()| 1)
    }
}

/// An end made of a sending and a receiving one: a road each way.
pub(crate) struct Both<T, R> {
    pub(crate) tx: T,
    pub(crate) rx: R,
}

impl<T: Tx, R: Send + 'static> Tx for Both<T, R> {
    #[inline(always)]
    fn send(&mut self, header: Header) -> Result<(), Failure> {
        self.tx.send(header)
    }
}

impl<T: Send + 'static, R: Rx> Rx for Both<T, R> {
    #[inline(always)]
    fn recv(&mut self, see: impl FnMut(&[u8])) -> Result<(), Failure> {
        self.rx.recv(see)
    }
}

/// Something messages travel on.
pub(crate) trait Road {
    /// The end that begins.
    type Near: Tx + Rx;
    /// The end that answers.
    type Far: Tx + Rx;
    type Tx: Tx;
    type Rx: Rx;

    /// What a table calls it.
    fn name(&self) -> String;

    /// Two connected ends, each of which sends and receives.
    fn pair(&self, terms: &Terms) -> Result<(Self::Near, Self::Far), Failure>;

    /// `senders` ends that send to one that receives.
    fn funnel(&self, terms: &Terms, senders: usize) -> Result<(Vec<Self::Tx>, Self::Rx), Failure>;
}

/// An end that sends to many.
pub(crate) trait Publisher: Send + 'static {
    fn publish(&mut self, headers: impl ExactSizeIterator<Item = Header>) -> Result<(), Failure>;
}

/// Many ends that receive, in one thread's hands.
pub(crate) trait Crowd: Send + 'static {
    fn look(&mut self, subscriber: usize, max: usize, see: impl FnMut(&[u8])) -> Result<usize, Failure>;

    /// To be called when a look at each of them found nothing.
    fn wait(&mut self) -> Result<(), Failure>;
}

/// Something one publisher reaches many subscribers on, none of whom misses a message.
pub(crate) trait Fan {
    type Publisher: Publisher;
    type Crowd: Crowd;

    /// What a table calls it.
    fn name(&self) -> String;

    /// A publisher and its subscribers, connected and subscribed.
    fn fan(&self, terms: &Terms, subscribers: u16, matching: Match) -> Result<(Self::Publisher, Self::Crowd), Failure>;
}

/// What every end of one run agrees on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Bytes of every message.
    pub(crate) size: usize,
    /// How an end waits.
    pub(crate) wait: Wait,
    /// How an end that can only spin passes the time.
    pub(crate) relax: Relax,
    /// Messages a sender may be ahead on each side's account.
    pub(crate) high_water_mark: usize,
}

/// What to do between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relax {
    /// Nothing but the processor's hint: the other thread has a core of its own.
    Spin,
    /// Give the core away: the other thread may need it.
    Yield,
}

impl Relax {
    #[inline(always)]
    pub(crate) fn once(self) {
        match self {
            Self::Spin => hint::spin_loop(),
            Self::Yield => thread::yield_now(),
        }
    }

    /// Looks until there is something.
    #[inline(always)]
    pub(crate) fn until<T>(self, mut look: impl FnMut() -> Option<T>) -> T {
        loop {
            if let Some(found) = look() {
                return found;
            }
            self.once();
        }
    }
}
