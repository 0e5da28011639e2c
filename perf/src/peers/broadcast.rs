//! Ringway's own broadcast ring, gated by its slowest reader: what disruptor's is compared with.

#![forbid(unsafe_code)]

use std::marker::PhantomData;

use ringway::ring::{
    PopError,
    broadcast::gated::{self, Reader, Writer},
};

use super::parcel::Parcel;
use crate::{
    cli::Match,
    end::{Crowd, Fan, Publisher, Relax, Terms},
    failure::Failure,
    payload::Header,
};

pub(super) struct Broadcast<P>(PhantomData<fn(P)>);

pub(super) struct Sender<P> {
    ring: Writer<P>,
    size: usize,
    relax: Relax,
}

pub(super) struct Readers<P> {
    rings: Vec<Reader<P>>,
    relax: Relax,
}

impl<P> Broadcast<P> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P: Parcel> Publisher for Sender<P> {
    #[inline]
    fn publish(&mut self, headers: impl ExactSizeIterator<Item = Header>) -> Result<(), Failure> {
        let size = self.size;
        let mut parcels = headers.map(|header| P::pack(header, size));
        while parcels.len() > 0 {
            if self.ring.push_iter(&mut parcels) == 0 {
                self.relax.once();
            }
        }
        Ok(())
    }
}

impl<P: Parcel> Crowd for Readers<P> {
    #[inline]
    fn look(&mut self, subscriber: usize, max: usize, mut see: impl FnMut(&[u8])) -> Result<usize, Failure> {
        match self.rings[subscriber].read(max) {
            Ok(chunk) => {
                let shown = chunk.len();
                chunk.iter().for_each(|parcel| see(parcel.bytes()));
                chunk.release();
                Ok(shown)
            }
            Err(PopError::Empty) => Ok(0),
            Err(error) => Err(Failure::road("ring::broadcast", error)),
        }
    }

    fn wait(&mut self) -> Result<(), Failure> {
        self.relax.once();
        Ok(())
    }
}

/// Everybody sees everything: there are no topics.
impl<P: Parcel> Fan for Broadcast<P> {
    type Publisher = Sender<P>;
    type Crowd = Readers<P>;

    fn name(&self) -> String {
        "ring::broadcast, gated".to_owned()
    }

    fn fan(&self, terms: &Terms, subscribers: u16, matching: Match) -> Result<(Sender<P>, Readers<P>), Failure> {
        if matching != Match::All {
            return Err(Failure::Asked("a broadcast ring shows everything to all its readers".to_owned()));
        }
        // As many slots as a disruptor gets, which takes powers of two only.
        let slots = terms.high_water_mark.next_power_of_two();
        let (ring, readers) = gated::ring(slots, usize::from(subscribers)).map_err(broken)?;
        let rings = (0..subscribers).map(|_| readers.subscribe().map_err(broken)).collect::<Result<_, Failure>>()?;
        Ok((Sender { ring, size: terms.size, relax: terms.relax }, Readers { rings, relax: terms.relax }))
    }
}

#[cold]
fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::road("ring::broadcast", error)
}
