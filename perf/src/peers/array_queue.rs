//! crossbeam's `ArrayQueue`: a bounded queue between any number of threads.

#![forbid(unsafe_code)]

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use super::{parcel::Parcel, queue::Queue};

pub(super) struct Array;

impl Queue for Array {
    const NAME: &'static str = "crossbeam ArrayQueue";
    const SLEEPS: bool = false;

    type In<P: Parcel> = Arc<ArrayQueue<P>>;
    type Out<P: Parcel> = Arc<ArrayQueue<P>>;

    fn bounded<P: Parcel>(capacity: usize) -> (Self::In<P>, Self::Out<P>) {
        let queue = Arc::new(ArrayQueue::new(capacity));
        (queue.clone(), queue)
    }

    fn another<P: Parcel>(sender: &Self::In<P>) -> Option<Self::In<P>> {
        Some(sender.clone())
    }

    #[inline(always)]
    fn try_push<P: Parcel>(sender: &mut Self::In<P>, parcel: P) -> Result<(), P> {
        sender.push(parcel)
    }

    #[inline(always)]
    fn try_pop<P: Parcel>(receiver: &mut Self::Out<P>) -> Option<P> {
        receiver.pop()
    }
}
