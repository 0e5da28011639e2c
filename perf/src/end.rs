//! The seam between what is measured and how: one end of a road, ours or another library's.
//!
//! | operation | may it wait | afterwards |
//! |---|---|---|
//! | `send(header)` | until there is room | the message is on its way, with every byte written |
//! | `send_batch(headers)` | until there is room | all of them are, in order; one call into the library if it has one |
//! | `recv(see)` | until a message comes | `see` was shown one message, whole |
//! | `recv_batch(max, see)` | until a message comes | `see` was shown 1 to `max` messages, one by one, in order |
//!
//! A road within a process, a [`Road`], gives both ends at once. Where the ends may be in two processes, each process makes its
//! own: [`Halves`], of which [`Together`] makes a road again. Who binds says where; who connects is told.
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

/// An end that may have to wait for whom it talks to, once both sides have bound and connected.
pub(crate) trait Meet {
    /// Waits until nothing that is sent gets lost for want of somebody to go to, and all company has come.
    fn meet(&mut self) -> Result<(), Failure>;
}

impl<T: Meet, R: Meet> Meet for Both<T, R> {
    fn meet(&mut self) -> Result<(), Failure> {
        self.tx.meet()?;
        self.rx.meet()
    }
}

/// An end that others may connect to.
pub(crate) struct Bound<E> {
    pub(crate) end: E,
    /// Where: what the connecting end is to be told, in this order.
    pub(crate) endpoints: Vec<String>,
}

/// The two sides of a road, each made by itself. The answering or receiving one binds.
pub(crate) trait Halves: 'static {
    /// The end that begins.
    type Near: Tx + Rx + Meet;
    /// The end that answers.
    type Far: Tx + Rx + Meet;
    type Tx: Tx + Meet;
    type Rx: Rx + Meet;

    /// What a table calls it.
    fn name(&self) -> String;

    fn far(&self, terms: &Terms) -> Result<Bound<Self::Far>, Failure>;

    fn near(&self, terms: &Terms, endpoints: &[String]) -> Result<Self::Near, Failure>;

    fn rx(&self, terms: &Terms) -> Result<Bound<Self::Rx>, Failure>;

    fn txs(&self, terms: &Terms, endpoints: &[String], senders: usize) -> Result<Vec<Self::Tx>, Failure>;

    /// Works for the connections for a moment, where nobody else would. False where somebody else does.
    fn drive(&self) -> bool {
        false
    }
}

/// Both halves in one process.
pub(crate) struct Together<H>(pub(crate) H);

impl<H: Halves> Road for Together<H> {
    type Near = H::Near;
    type Far = H::Far;
    type Tx = H::Tx;
    type Rx = H::Rx;

    fn name(&self) -> String {
        self.0.name()
    }

    fn pair(&self, terms: &Terms) -> Result<(H::Near, H::Far), Failure> {
        let mut far = self.0.far(terms)?;
        let mut near = self.0.near(terms, &far.endpoints)?;
        near.meet()?;
        far.end.meet()?;
        Ok((near, far.end))
    }

    fn funnel(&self, terms: &Terms, senders: usize) -> Result<(Vec<H::Tx>, H::Rx), Failure> {
        let mut rx = self.0.rx(terms)?;
        let mut txs = self.0.txs(terms, &rx.endpoints, senders)?;
        txs.iter_mut().try_for_each(Meet::meet)?;
        rx.end.meet()?;
        Ok((txs, rx.end))
    }
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

/// The two sides of a fan, each made by itself. The publisher binds.
pub(crate) trait FanHalves: 'static {
    type Publisher: Publisher;
    type Crowd: Crowd;

    /// What a table calls it.
    fn name(&self) -> String;

    fn publisher(&self, terms: &Terms) -> Result<Bound<Self::Publisher>, Failure>;

    fn crowd(
        &self,
        terms: &Terms,
        endpoints: &[String],
        subscribers: u16,
        matching: Match,
    ) -> Result<Self::Crowd, Failure>;

    /// Waits until the publisher knows of as many subscribers, each with a subscription.
    fn gather(&self, publisher: &mut Self::Publisher, subscribers: u16) -> Result<(), Failure>;

    /// As [`Halves::drive`].
    fn drive(&self) -> bool {
        false
    }
}

impl<H: FanHalves> Fan for Together<H> {
    type Publisher = H::Publisher;
    type Crowd = H::Crowd;

    fn name(&self) -> String {
        self.0.name()
    }

    fn fan(&self, terms: &Terms, subscribers: u16, matching: Match) -> Result<(H::Publisher, H::Crowd), Failure> {
        let mut publisher = self.0.publisher(terms)?;
        let crowd = self.0.crowd(terms, &publisher.endpoints, subscribers, matching)?;
        self.0.gather(&mut publisher.end, subscribers)?;
        Ok((publisher.end, crowd))
    }
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
