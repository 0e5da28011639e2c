//! The two kinds of channel: which ring, and whom to wake.

use std::fmt::Debug;

use super::{PopError, PushError, bell::Bell};
use crate::{
    ring,
    wait::{Crowd, Signal},
};

/// What sets the kinds of channel apart. Implemented by [`Spsc`] and [`Mpmc`] alone.
pub trait Kind: Sealed {}

impl<K: Sealed> Kind for K {}

/// The ring and the bells of a kind.
#[allow(unnameable_types, reason = "sealed: nobody else is to implement it")]
pub trait Sealed: Debug + Sized + 'static {
    type Bell: Bell;
    type Producer<T>;
    type Consumer<T>;

    fn push<T>(producer: &mut Self::Producer<T>, item: T) -> Result<(), PushError<T>>;
    /// Is it worth offering an item? False only if `push` would say Full.
    fn may_push<T>(producer: &Self::Producer<T>) -> bool;
    fn pop<T>(consumer: &mut Self::Consumer<T>) -> Result<T, PopError>;
    /// Might there be an item? False only if there is none.
    fn may_pop<T>(consumer: &Self::Consumer<T>) -> bool;
    fn capacity<T>(producer: &Self::Producer<T>) -> usize;
    fn consumer_capacity<T>(consumer: &Self::Consumer<T>) -> usize;
}

/// One sender, one receiver.
#[derive(Debug)]
pub struct Spsc(());

impl Sealed for Spsc {
    type Bell = Signal;
    type Producer<T> = ring::spsc::Producer<T>;
    type Consumer<T> = ring::spsc::Consumer<T>;

    #[inline]
    fn push<T>(producer: &mut Self::Producer<T>, item: T) -> Result<(), PushError<T>> {
        producer.push(item)
    }

    #[inline]
    fn may_push<T>(producer: &Self::Producer<T>) -> bool {
        !producer.is_full() || producer.is_closed()
    }

    #[inline]
    fn pop<T>(consumer: &mut Self::Consumer<T>) -> Result<T, PopError> {
        consumer.pop()
    }

    fn may_pop<T>(consumer: &Self::Consumer<T>) -> bool {
        !consumer.is_empty()
    }

    fn capacity<T>(producer: &Self::Producer<T>) -> usize {
        producer.capacity()
    }

    fn consumer_capacity<T>(consumer: &Self::Consumer<T>) -> usize {
        consumer.capacity()
    }
}

/// Many senders, many receivers; each item goes to one.
#[derive(Debug)]
pub struct Mpmc(());

impl Sealed for Mpmc {
    type Bell = Crowd;
    type Producer<T> = ring::mpmc::Producer<T>;
    type Consumer<T> = ring::mpmc::Consumer<T>;

    #[inline]
    fn push<T>(producer: &mut Self::Producer<T>, item: T) -> Result<(), PushError<T>> {
        producer.push(item)
    }

    /// The ring tells from the one slot at hand; asking for its length would touch two more lines.
    #[inline]
    fn may_push<T>(_: &Self::Producer<T>) -> bool {
        true
    }

    #[inline]
    fn pop<T>(consumer: &mut Self::Consumer<T>) -> Result<T, PopError> {
        consumer.pop()
    }

    fn may_pop<T>(consumer: &Self::Consumer<T>) -> bool {
        !consumer.is_empty()
    }

    fn capacity<T>(producer: &Self::Producer<T>) -> usize {
        producer.capacity()
    }

    fn consumer_capacity<T>(consumer: &Self::Consumer<T>) -> usize {
        consumer.capacity()
    }
}
