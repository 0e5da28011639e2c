//! One suite for every queue of the room: what a `VecDeque` with a capacity does, a ring does.

use std::{cell::Cell, collections::VecDeque, rc::Rc};

use proptest::prelude::*;

use super::{CapacityError, PopError, PushError, mpmc, packed, spsc};

/// A queue under test.
trait Kind {
    type Producer<T>;
    type Consumer<T>;

    /// A ring whose positions are about to wrap, or are not, as `start` says.
    fn ring<T>(capacity: usize, start: Start) -> Made<Self, T>;
    fn push<T>(producer: &mut Self::Producer<T>, value: T) -> Result<(), PushError<T>>;
    fn pop<T>(consumer: &mut Self::Consumer<T>) -> Result<T, PopError>;
    /// Length, emptiness, fullness as the producer sees them.
    fn producer_view<T>(producer: &Self::Producer<T>) -> (usize, bool, bool);
    /// Length, emptiness, fullness as the consumer sees them.
    fn consumer_view<T>(consumer: &Self::Consumer<T>) -> (usize, bool, bool);
}

/// Both halves of a ring, or why not.
type Made<K, T> = Result<(<K as Kind>::Producer<T>, <K as Kind>::Consumer<T>), CapacityError>;

#[derive(Clone, Copy, Debug)]
enum Start {
    Zero,
    /// The 32 bits of a mark or turn are about to wrap.
    LastMark,
    /// The 64 bits of a position are about to wrap.
    LastPosition,
}

impl Start {
    fn position(self, capacity: usize) -> u64 {
        match self {
            Self::Zero => 0,
            Self::LastMark => (u64::from(u32::MAX) - 1) * capacity.next_power_of_two() as u64,
            Self::LastPosition => u64::MAX - 1,
        }
    }

    fn lap(self, capacity: usize) -> u64 {
        match self {
            Self::Zero => 0,
            Self::LastMark => u64::from(u32::MAX / 2) - 1,
            Self::LastPosition => u64::MAX >> capacity.next_power_of_two().trailing_zeros(),
        }
    }
}

struct Spsc;

impl Kind for Spsc {
    type Producer<T> = spsc::Producer<T>;
    type Consumer<T> = spsc::Consumer<T>;

    fn ring<T>(capacity: usize, start: Start) -> Made<Self, T> {
        spsc::ring_at(capacity, start.position(capacity))
    }
    fn push<T>(producer: &mut spsc::Producer<T>, value: T) -> Result<(), PushError<T>> {
        producer.push(value)
    }
    fn pop<T>(consumer: &mut spsc::Consumer<T>) -> Result<T, PopError> {
        let looked = consumer.peek().map(std::ptr::from_ref);
        let popped = consumer.pop();
        assert_eq!(looked.err(), popped.as_ref().err().copied());
        popped
    }
    fn producer_view<T>(producer: &spsc::Producer<T>) -> (usize, bool, bool) {
        (producer.len(), producer.is_empty(), producer.is_full())
    }
    fn consumer_view<T>(consumer: &spsc::Consumer<T>) -> (usize, bool, bool) {
        (consumer.len(), consumer.is_empty(), consumer.is_full())
    }
}

/// The latency ring by its batch operations alone.
struct SpscBatches;

impl Kind for SpscBatches {
    type Producer<T> = spsc::Producer<T>;
    type Consumer<T> = spsc::Consumer<T>;

    fn ring<T>(capacity: usize, start: Start) -> Made<Self, T> {
        Spsc::ring(capacity, start)
    }
    fn push<T>(producer: &mut spsc::Producer<T>, value: T) -> Result<(), PushError<T>> {
        if producer.is_closed() {
            return Err(PushError::Closed(value));
        }
        let staged = producer.stage(value).map_err(PushError::Full);
        producer.publish();
        staged
    }
    fn pop<T>(consumer: &mut spsc::Consumer<T>) -> Result<T, PopError> {
        Spsc::pop(consumer)
    }
    fn producer_view<T>(producer: &spsc::Producer<T>) -> (usize, bool, bool) {
        Spsc::producer_view(producer)
    }
    fn consumer_view<T>(consumer: &spsc::Consumer<T>) -> (usize, bool, bool) {
        Spsc::consumer_view(consumer)
    }
}

struct Packed;

impl Kind for Packed {
    type Producer<T> = packed::Producer<T>;
    type Consumer<T> = packed::Consumer<T>;

    fn ring<T>(capacity: usize, start: Start) -> Made<Self, T> {
        packed::ring_at(capacity, start.position(capacity))
    }
    fn push<T>(producer: &mut packed::Producer<T>, value: T) -> Result<(), PushError<T>> {
        producer.push(value)
    }
    fn pop<T>(consumer: &mut packed::Consumer<T>) -> Result<T, PopError> {
        let looked = consumer.peek().map(std::ptr::from_ref);
        let popped = consumer.pop();
        assert_eq!(looked.err(), popped.as_ref().err().copied());
        popped
    }
    fn producer_view<T>(producer: &packed::Producer<T>) -> (usize, bool, bool) {
        (producer.len(), producer.is_empty(), producer.is_full())
    }
    fn consumer_view<T>(consumer: &packed::Consumer<T>) -> (usize, bool, bool) {
        (consumer.len(), consumer.is_empty(), consumer.is_full())
    }
}

/// The packed ring by its batch operations alone.
struct PackedBatches;

impl Kind for PackedBatches {
    type Producer<T> = packed::Producer<T>;
    type Consumer<T> = packed::Consumer<T>;

    fn ring<T>(capacity: usize, start: Start) -> Made<Self, T> {
        Packed::ring(capacity, start)
    }
    fn push<T>(producer: &mut packed::Producer<T>, value: T) -> Result<(), PushError<T>> {
        let mut value = Some(value);
        let pushed = producer.push_iter(std::iter::from_fn(|| value.take()));
        pushed.map(|len| assert_eq!(len, 1)).map_err(|error| error.map(|()| value.take().expect("not taken")))
    }
    fn pop<T>(consumer: &mut packed::Consumer<T>) -> Result<T, PopError> {
        let mut popped = consumer.read(1)?.pop_iter();
        Ok(popped.next().expect("a chunk is never empty"))
    }
    fn producer_view<T>(producer: &packed::Producer<T>) -> (usize, bool, bool) {
        Packed::producer_view(producer)
    }
    fn consumer_view<T>(consumer: &packed::Consumer<T>) -> (usize, bool, bool) {
        Packed::consumer_view(consumer)
    }
}

struct Mpmc;

impl Kind for Mpmc {
    type Producer<T> = mpmc::Producer<T>;
    type Consumer<T> = mpmc::Consumer<T>;

    fn ring<T>(capacity: usize, start: Start) -> Made<Self, T> {
        mpmc::ring_at(capacity, start.lap(capacity))
    }
    fn push<T>(producer: &mut mpmc::Producer<T>, value: T) -> Result<(), PushError<T>> {
        producer.clone().push(value)
    }
    fn pop<T>(consumer: &mut mpmc::Consumer<T>) -> Result<T, PopError> {
        consumer.clone().pop()
    }
    fn producer_view<T>(producer: &mpmc::Producer<T>) -> (usize, bool, bool) {
        (producer.len(), producer.is_empty(), producer.is_full())
    }
    fn consumer_view<T>(consumer: &mpmc::Consumer<T>) -> (usize, bool, bool) {
        (consumer.len(), consumer.is_empty(), consumer.is_full())
    }
}

/// Counts its drops; must be dropped once.
struct Token(Rc<Cell<usize>>, #[expect(dead_code, reason = "reading freed memory is what Miri looks for")] Box<u32>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

fn behaves_like_a_bounded_queue<K: Kind>() {
    let config =
        ProptestConfig { cases: if cfg!(miri) { 4 } else { 300 }, failure_persistence: None, ..Default::default() };
    let starts = prop_oneof![Just(Start::Zero), Just(Start::LastMark), Just(Start::LastPosition)];
    proptest!(config, |(capacity in 1usize..20, start in starts, ops in prop::collection::vec(prop::bool::weighted(0.6), 0..120))| {
        let (mut producer, mut consumer) = K::ring::<Box<usize>>(capacity, start).unwrap();
        let mut model = VecDeque::new();
        for (value, push) in ops.into_iter().enumerate() {
            if push && model.len() < capacity {
                K::push(&mut producer, Box::new(value)).unwrap();
                model.push_back(value);
            } else if push {
                prop_assert!(matches!(K::push(&mut producer, Box::new(value)), Err(PushError::Full(v)) if *v == value));
            } else {
                prop_assert_eq!(K::pop(&mut consumer).map(|v| *v), model.pop_front().ok_or(PopError::Empty));
            }
            let expected = (model.len(), model.is_empty(), model.len() == capacity);
            prop_assert_eq!(K::producer_view(&producer), expected);
            prop_assert_eq!(K::consumer_view(&consumer), expected);
        }
        drop(producer);
        for value in model {
            prop_assert_eq!(K::pop(&mut consumer).map(|v| *v), Ok(value));
        }
        prop_assert_eq!(K::pop(&mut consumer), Err(PopError::Closed));
    });
}

fn closed_ring_gives_the_item_back<K: Kind>() {
    let (mut producer, consumer) = K::ring(4, Start::Zero).unwrap();
    K::push(&mut producer, "kept").unwrap();
    drop(consumer);
    assert_eq!(K::push(&mut producer, "returned"), Err(PushError::Closed("returned")));
}

fn every_item_is_dropped_once<K: Kind>() {
    for (pushed, popped) in [(0, 0), (3, 0), (5, 2), (4, 4)] {
        for producer_first in [true, false] {
            let drops = Rc::new(Cell::new(0));
            let (mut producer, mut consumer) = K::ring(5, Start::LastMark).unwrap();
            for i in 0..pushed {
                K::push(&mut producer, Token(drops.clone(), Box::new(i))).unwrap();
            }
            for _ in 0..popped {
                K::pop(&mut consumer).map(drop).unwrap();
            }
            assert_eq!(drops.get(), popped);
            if producer_first {
                drop(producer);
                drop(consumer);
            } else {
                drop(consumer);
                drop(producer);
            }
            assert_eq!(drops.get(), pushed as usize);
        }
    }
}

fn zero_sized_items_are_counted<K: Kind>() {
    let (mut producer, mut consumer) = K::ring(3, Start::Zero).unwrap();
    for _ in 0..3 {
        K::push(&mut producer, ()).unwrap();
    }
    assert_eq!(K::push(&mut producer, ()), Err(PushError::Full(())));
    for _ in 0..3 {
        K::pop(&mut consumer).unwrap();
    }
    assert_eq!(K::pop(&mut consumer), Err(PopError::Empty));
}

/// Alignment beyond a cache line, size beyond a slot.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(256))]
struct Bulky([u8; 300]);

fn any_size_and_alignment_fits<K: Kind>() {
    fn round<K: Kind, T: Copy + PartialEq + std::fmt::Debug>(value: T) {
        let (mut producer, mut consumer) = K::ring(2, Start::Zero).unwrap();
        for _ in 0..5 {
            K::push(&mut producer, value).unwrap();
            assert_eq!(K::pop(&mut consumer), Ok(value));
        }
    }
    round::<K, u8>(7);
    round::<K, [u8; 13]>([7; 13]);
    round::<K, u128>(7);
    round::<K, [u64; 7]>([7; 7]);
    round::<K, [u64; 8]>([7; 8]);
    round::<K, Bulky>(Bulky([7; 300]));
}

fn impossible_capacities_are_typed_errors<K: Kind>() {
    assert_eq!(K::ring::<u64>(0, Start::Zero).err(), Some(CapacityError::Zero));
    for capacity in [usize::MAX, usize::MAX / 2, usize::MAX / 16] {
        assert!(matches!(K::ring::<u64>(capacity, Start::Zero).err(), Some(CapacityError::TooLarge { .. })));
    }
    // Zero-sized items may be refused or not, but at once.
    drop(K::ring::<()>(1 << 62, Start::Zero));
    #[cfg(not(miri))]
    assert!(matches!(
        std::hint::black_box(K::ring::<u64>(1 << 50, Start::Zero)).err(),
        Some(CapacityError::OutOfMemory { .. })
    ));
}

macro_rules! conformance {
    ($($name:ident: $kind:ty),*) => {$(
        mod $name {
            use super::*;

            conformance!(@ $kind: behaves_like_a_bounded_queue, closed_ring_gives_the_item_back,
                every_item_is_dropped_once, zero_sized_items_are_counted, any_size_and_alignment_fits,
                impossible_capacities_are_typed_errors);
        }
    )*};
    (@ $kind:ty: $($test:ident),*) => {$(
        #[test]
        fn $test() {
            super::$test::<$kind>();
        }
    )*};
}

conformance!(spsc_ring: Spsc, spsc_batches: SpscBatches, packed_ring: Packed, packed_batches: PackedBatches, mpmc_ring: Mpmc);
