//! rtrb: a ring from one producer to one consumer.

#![forbid(unsafe_code)]

use super::{parcel::Parcel, queue::Queue};

pub(super) struct Ring;

impl Queue for Ring {
    const NAME: &'static str = "rtrb";
    const SLEEPS: bool = false;

    type In<P: Parcel> = rtrb::Producer<P>;
    type Out<P: Parcel> = rtrb::Consumer<P>;

    fn bounded<P: Parcel>(capacity: usize) -> (Self::In<P>, Self::Out<P>) {
        rtrb::RingBuffer::new(capacity)
    }

    fn another<P: Parcel>(_sender: &Self::In<P>) -> Option<Self::In<P>> {
        None
    }

    #[inline(always)]
    fn try_push<P: Parcel>(sender: &mut Self::In<P>, parcel: P) -> Result<(), P> {
        sender.push(parcel).map_err(|rtrb::PushError::Full(parcel)| parcel)
    }

    #[inline(always)]
    fn try_pop<P: Parcel>(receiver: &mut Self::Out<P>) -> Option<P> {
        receiver.pop().ok()
    }

    fn try_push_batch<P: Parcel>(sender: &mut Self::In<P>, n: usize, next: impl FnMut(usize) -> P) -> usize {
        // `cached_slots` would never see the consumer's progress; `slots` looks.
        let room = if sender.cached_slots() < n { sender.slots() } else { n };
        match sender.write_chunk_uninit(room.min(n)) {
            Ok(chunk) => chunk.fill_from_iter((0..room.min(n)).map(next)),
            Err(_) => 0,
        }
    }

    fn try_pop_batch<P: Parcel>(receiver: &mut Self::Out<P>, max: usize, mut see: impl FnMut(&[u8])) -> usize {
        let there = if receiver.cached_slots() < max { receiver.slots() } else { max };
        let Ok(chunk) = receiver.read_chunk(there.min(max)) else { return 0 };
        let (first, second) = chunk.as_slices();
        first.iter().chain(second).for_each(|parcel| see(parcel.bytes()));
        let shown = chunk.len();
        chunk.commit_all();
        shown
    }
}
