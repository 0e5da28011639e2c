//! disruptor: a ring whose slots are written and read in place, polled by the receiving thread.

#![forbid(unsafe_code)]

use std::{marker::PhantomData, ops::Range};

use disruptor::{
    BusySpinWithSpinLoopHint, EventPoller, MultiConsumerBarrier, Polling, Producer, SingleConsumerBarrier,
    SingleProducer, SingleProducerBarrier, build_single_producer,
};

use super::parcel::Parcel;
use crate::{
    cli::{Match, Wait},
    end::{Both, Crowd, Fan, Publisher, Relax, Road, Rx, Terms, Tx},
    failure::Failure,
    payload::Header,
};

pub(super) struct Disruptor<P>(PhantomData<fn(P)>);

pub(super) struct Sender<P: Parcel> {
    ring: SingleProducer<P, SingleConsumerBarrier>,
    batch_max: usize,
}

pub(super) struct Receiver<P: Parcel> {
    ring: EventPoller<P, SingleProducerBarrier>,
    relax: Relax,
}

/// The writing half of a ring with many readers.
pub(super) struct FanSender<P: Parcel> {
    ring: SingleProducer<P, MultiConsumerBarrier>,
    batch_max: usize,
}

pub(super) struct Readers<P: Parcel>(Vec<Receiver<P>>);

impl<P: Parcel> Disruptor<P> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }

    fn ring(&self, terms: &Terms) -> Result<(Sender<P>, Receiver<P>), Failure> {
        if terms.wait != Wait::Spin {
            return Err(Failure::Asked(
                "a polled disruptor only spins: it cannot do work in which a receiver sleeps".to_owned(),
            ));
        }
        let slots = terms.high_water_mark.next_power_of_two();
        let size = terms.size;
        let factory = move || P::pack(Header::new(0, 0), size);
        let builder = build_single_producer(slots, factory, BusySpinWithSpinLoopHint);
        let (poller, builder) = builder.new_event_poller();
        Ok((Sender { ring: builder.build(), batch_max: slots }, Receiver { ring: poller, relax: terms.relax }))
    }
}

impl<P: Parcel> Tx for Sender<P> {
    #[inline(always)]
    fn send(&mut self, header: Header) -> Result<(), Failure> {
        self.ring.publish(|slot| slot.repack(header));
        Ok(())
    }

    fn send_batch(&mut self, sender: u16, mut sequence: Range<u64>) -> Result<(), Failure> {
        while !sequence.is_empty() {
            let len = (sequence.end - sequence.start).min(self.batch_max as u64);
            let first = sequence.start;
            self.ring.batch_publish(len as usize, |slots| {
                slots.zip(first..).for_each(|(slot, n)| slot.repack(Header::new(sender, n)));
            });
            sequence.start += len;
        }
        Ok(())
    }
}

impl<P: Parcel> Rx for Receiver<P> {
    #[inline(always)]
    fn recv(&mut self, see: impl FnMut(&[u8])) -> Result<(), Failure> {
        self.recv_batch(1, see).map(|_| ())
    }

    #[inline(always)]
    fn recv_batch(&mut self, max: usize, mut see: impl FnMut(&[u8])) -> Result<usize, Failure> {
        loop {
            match self.ring.take(max as u64) {
                Ok(mut slots) => {
                    let shown = ExactSizeIterator::len(&&mut slots);
                    (&mut slots).for_each(|slot| see(slot.bytes()));
                    return Ok(shown);
                }
                Err(Polling::NoEvents) => self.relax.once(),
                Err(error @ Polling::Shutdown) => return Err(Failure::road("disruptor", error)),
            }
        }
    }
}

impl<P: Parcel> Road for Disruptor<P> {
    type Near = Both<Sender<P>, Receiver<P>>;
    type Far = Both<Sender<P>, Receiver<P>>;
    type Tx = Sender<P>;
    type Rx = Receiver<P>;

    fn name(&self) -> String {
        "disruptor".to_owned()
    }

    fn pair(&self, terms: &Terms) -> Result<(Self::Near, Self::Far), Failure> {
        let (there, arriving) = self.ring(terms)?;
        let (back, returning) = self.ring(terms)?;
        Ok((Both { tx: there, rx: returning }, Both { tx: back, rx: arriving }))
    }

    fn funnel(&self, terms: &Terms, senders: usize) -> Result<(Vec<Self::Tx>, Self::Rx), Failure> {
        if senders != 1 {
            return Err(Failure::Asked(format!("a single-producer disruptor has one sender, not {senders}")));
        }
        let (sender, receiver) = self.ring(terms)?;
        Ok((vec![sender], receiver))
    }
}

impl<P: Parcel> Publisher for FanSender<P> {
    #[inline]
    fn publish(&mut self, mut headers: impl ExactSizeIterator<Item = Header>) -> Result<(), Failure> {
        while headers.len() > 0 {
            let len = headers.len().min(self.batch_max);
            if len == 1 {
                headers.by_ref().take(1).for_each(|header| self.ring.publish(|slot| slot.repack(header)));
            } else {
                self.ring.batch_publish(len, |slots| {
                    slots.zip(headers.by_ref()).for_each(|(slot, header)| slot.repack(header));
                });
            }
        }
        Ok(())
    }
}

impl<P: Parcel> Crowd for Readers<P> {
    #[inline]
    fn look(&mut self, subscriber: usize, max: usize, mut see: impl FnMut(&[u8])) -> Result<usize, Failure> {
        match self.0[subscriber].ring.take(max as u64) {
            Ok(mut slots) => {
                let shown = ExactSizeIterator::len(&&mut slots);
                (&mut slots).for_each(|slot| see(slot.bytes()));
                Ok(shown)
            }
            Err(Polling::NoEvents) => Ok(0),
            Err(error @ Polling::Shutdown) => Err(Failure::road("disruptor", error)),
        }
    }

    fn wait(&mut self) -> Result<(), Failure> {
        self.0[0].relax.once();
        Ok(())
    }
}

/// Everybody sees everything: there are no topics.
impl<P: Parcel> Fan for Disruptor<P> {
    type Publisher = FanSender<P>;
    type Crowd = Readers<P>;

    fn name(&self) -> String {
        "disruptor".to_owned()
    }

    fn fan(&self, terms: &Terms, subscribers: u16, matching: Match) -> Result<(FanSender<P>, Readers<P>), Failure> {
        if matching != Match::All || subscribers < 2 {
            return Err(Failure::Asked("a disruptor with several readers shows everything to all of them".to_owned()));
        }
        let slots = terms.high_water_mark.next_power_of_two();
        let size = terms.size;
        let factory = move || P::pack(Header::new(0, 0), size);
        let builder = build_single_producer(slots, factory, BusySpinWithSpinLoopHint);
        let (first, builder) = builder.new_event_poller();
        let (second, mut builder) = builder.new_event_poller();
        let mut readers = vec![first, second];
        while readers.len() < usize::from(subscribers) {
            let (poller, next) = builder.new_event_poller();
            readers.push(poller);
            builder = next;
        }
        let readers = readers.into_iter().map(|ring| Receiver { ring, relax: terms.relax }).collect();
        Ok((FanSender { ring: builder.build(), batch_max: slots }, Readers(readers)))
    }
}
