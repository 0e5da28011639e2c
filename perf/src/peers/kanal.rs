//! kanal: a bounded channel that hands values directly to a waiting receiver.

#![forbid(unsafe_code)]

use kanal::{Receiver, Sender, bounded};

use super::{parcel::Parcel, queue::Queue};
use crate::failure::Failure;

pub(super) struct Channel;

impl Queue for Channel {
    const NAME: &'static str = "kanal";
    const SLEEPS: bool = true;

    type In<P: Parcel> = Sender<P>;
    type Out<P: Parcel> = Receiver<P>;

    fn bounded<P: Parcel>(capacity: usize) -> (Self::In<P>, Self::Out<P>) {
        bounded(capacity)
    }

    fn another<P: Parcel>(sender: &Self::In<P>) -> Option<Self::In<P>> {
        Some(sender.clone())
    }

    #[inline(always)]
    fn try_push<P: Parcel>(sender: &mut Self::In<P>, parcel: P) -> Result<(), P> {
        let mut parcel = Some(parcel);
        let _ = sender.try_send_option(&mut parcel);
        // Taken if and only if it was sent.
        parcel.map_or(Ok(()), Err)
    }

    #[inline(always)]
    fn try_pop<P: Parcel>(receiver: &mut Self::Out<P>) -> Option<P> {
        receiver.try_recv().ok().flatten()
    }

    #[inline(always)]
    fn push<P: Parcel>(sender: &mut Self::In<P>, parcel: P) -> Result<(), Failure> {
        sender.send(parcel).map_err(|error| Failure::road(Self::NAME, error))
    }

    #[inline(always)]
    fn pop<P: Parcel>(receiver: &mut Self::Out<P>) -> Result<P, Failure> {
        receiver.recv().map_err(|error| Failure::road(Self::NAME, error))
    }
}
