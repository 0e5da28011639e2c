//! What queues of owned values have in common, and their ends.

#![forbid(unsafe_code)]

use std::{marker::PhantomData, ops::Range};

use super::parcel::Parcel;
use crate::{
    cli::Wait,
    end::{Both, Road, Rx, Terms, Tx},
    failure::Failure,
    payload::Header,
};

/// A queue library.
pub(super) trait Queue: 'static {
    const NAME: &'static str;

    /// Can it wait without spinning? If not, [`push`](Self::push) and [`pop`](Self::pop) are never called.
    const SLEEPS: bool;

    type In<P: Parcel>: Send + 'static;
    type Out<P: Parcel>: Send + 'static;

    fn bounded<P: Parcel>(capacity: usize) -> (Self::In<P>, Self::Out<P>);

    /// One more sender; `None` if there can be only one.
    fn another<P: Parcel>(sender: &Self::In<P>) -> Option<Self::In<P>>;

    /// Gives the value back if the queue is full. Both ends live as long as the run: it is never closed.
    fn try_push<P: Parcel>(sender: &mut Self::In<P>, parcel: P) -> Result<(), P>;

    fn try_pop<P: Parcel>(receiver: &mut Self::Out<P>) -> Option<P>;

    /// Waits for room in the library's own way. Fails only when closed.
    fn push<P: Parcel>(_sender: &mut Self::In<P>, _parcel: P) -> Result<(), Failure> {
        Err(cannot_sleep(Self::NAME))
    }

    /// Waits for a value in the library's own way. Fails only when closed.
    fn pop<P: Parcel>(_receiver: &mut Self::Out<P>) -> Result<P, Failure> {
        Err(cannot_sleep(Self::NAME))
    }

    /// Pushes some of the values at once, the first `n` at most; how many. One by one if the library has no such call.
    fn try_push_batch<P: Parcel>(sender: &mut Self::In<P>, n: usize, mut next: impl FnMut(usize) -> P) -> usize {
        (0..n).take_while(|&at| Self::try_push(sender, next(at)).is_ok()).count()
    }

    /// Shows what is there, `max` at most; how many. One by one if the library has no such call.
    fn try_pop_batch<P: Parcel>(receiver: &mut Self::Out<P>, max: usize, mut see: impl FnMut(&[u8])) -> usize {
        (0..max).map_while(|_| Self::try_pop(receiver).map(|parcel| see(parcel.bytes()))).count()
    }
}

/// Messages of type `P` through queues of `Q`.
pub(super) struct QueueRoad<Q, P>(PhantomData<fn(Q, P)>);

pub(super) struct Sender<Q: Queue, P: Parcel> {
    queue: Q::In<P>,
    terms: Terms,
}

pub(super) struct Receiver<Q: Queue, P: Parcel> {
    queue: Q::Out<P>,
    terms: Terms,
}

type Ends<Q, P> = (Sender<Q, P>, Receiver<Q, P>);

impl<Q: Queue, P: Parcel> QueueRoad<Q, P> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }

    fn queue(&self, terms: &Terms) -> Result<Ends<Q, P>, Failure> {
        if terms.wait != Wait::Spin && !Q::SLEEPS {
            return Err(cannot_sleep(Q::NAME));
        }
        let (queue_in, queue_out) = Q::bounded(terms.high_water_mark);
        Ok((Sender { queue: queue_in, terms: *terms }, Receiver { queue: queue_out, terms: *terms }))
    }
}

impl<Q: Queue, P: Parcel> Tx for Sender<Q, P> {
    #[inline(always)]
    fn send(&mut self, header: Header) -> Result<(), Failure> {
        let mut parcel = P::pack(header, self.terms.size);
        if self.terms.wait != Wait::Spin {
            return Q::push(&mut self.queue, parcel);
        }
        while let Err(back) = Q::try_push(&mut self.queue, parcel) {
            parcel = back;
            self.terms.relax.once();
        }
        Ok(())
    }

    fn send_batch(&mut self, sender: u16, mut sequence: Range<u64>) -> Result<(), Failure> {
        if self.terms.wait != Wait::Spin {
            return sequence.into_iter().try_for_each(|n| self.send(Header::new(sender, n)));
        }
        while !sequence.is_empty() {
            let (first, size) = (sequence.start, self.terms.size);
            let left = (sequence.end - first) as usize;
            let pack = |at| P::pack(Header::new(sender, first + at as u64), size);
            let pushed = Q::try_push_batch(&mut self.queue, left, pack);
            if pushed == 0 {
                self.terms.relax.once();
            }
            sequence.start += pushed as u64;
        }
        Ok(())
    }
}

impl<Q: Queue, P: Parcel> Rx for Receiver<Q, P> {
    #[inline(always)]
    fn recv(&mut self, mut see: impl FnMut(&[u8])) -> Result<(), Failure> {
        let parcel = if self.terms.wait == Wait::Spin {
            self.terms.relax.until(|| Q::try_pop(&mut self.queue))
        } else {
            Q::pop(&mut self.queue)?
        };
        see(parcel.bytes());
        Ok(())
    }

    fn recv_batch(&mut self, max: usize, mut see: impl FnMut(&[u8])) -> Result<usize, Failure> {
        if self.terms.wait != Wait::Spin {
            return self.recv(see).map(|()| 1);
        }
        let relax = self.terms.relax;
        Ok(relax.until(|| Some(Q::try_pop_batch(&mut self.queue, max, &mut see)).filter(|&popped| popped > 0)))
    }
}

impl<Q: Queue, P: Parcel> Road for QueueRoad<Q, P> {
    type Near = Both<Sender<Q, P>, Receiver<Q, P>>;
    type Far = Both<Sender<Q, P>, Receiver<Q, P>>;
    type Tx = Sender<Q, P>;
    type Rx = Receiver<Q, P>;

    fn name(&self) -> String {
        Q::NAME.to_owned()
    }

    fn pair(&self, terms: &Terms) -> Result<(Self::Near, Self::Far), Failure> {
        let (there, arriving) = self.queue(terms)?;
        let (back, returning) = self.queue(terms)?;
        Ok((Both { tx: there, rx: returning }, Both { tx: back, rx: arriving }))
    }

    fn funnel(&self, terms: &Terms, senders: usize) -> Result<(Vec<Self::Tx>, Self::Rx), Failure> {
        let (first, receiver) = self.queue(terms)?;
        let mut all = vec![first];
        while all.len() < senders {
            let queue = Q::another(&all[0].queue)
                .ok_or_else(|| Failure::Asked(format!("{} has one sender, not {senders}", Q::NAME)))?;
            all.push(Sender { queue, terms: *terms });
        }
        Ok((all, receiver))
    }
}

fn cannot_sleep(name: &str) -> Failure {
    Failure::Asked(format!("{name} only spins: it cannot do work in which a receiver sleeps"))
}
