//! crossbeam-channel: a bounded channel whose receiver spins a little, then sleeps.

#![forbid(unsafe_code)]

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{parcel::Parcel, queue::Queue};
use crate::failure::Failure;

pub(super) struct Channel;

impl Queue for Channel {
    const NAME: &'static str = "crossbeam-channel";
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
        sender.try_send(parcel).map_err(crossbeam_channel::TrySendError::into_inner)
    }

    #[inline(always)]
    fn try_pop<P: Parcel>(receiver: &mut Self::Out<P>) -> Option<P> {
        receiver.try_recv().ok()
    }

    #[inline(always)]
    fn push<P: Parcel>(sender: &mut Self::In<P>, parcel: P) -> Result<(), Failure> {
        sender.send(parcel).map_err(|_| Failure::road(Self::NAME, "closed"))
    }

    #[inline(always)]
    fn pop<P: Parcel>(receiver: &mut Self::Out<P>) -> Result<P, Failure> {
        receiver.recv().map_err(|error| Failure::road(Self::NAME, error))
    }
}
