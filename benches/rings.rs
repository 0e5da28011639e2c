//! Every ring beside its peers: items a second one way, and the time of a round trip.
//!
//! Two threads, each pinned to a core of its own (one machine with two cores is enough), spin when the ring is full or
//! empty. Absolute figures drift between runs; ratios inside one run are what counts. `cargo bench --bench rings`, about
//! two minutes; give part of a name to run less.

#![allow(clippy::disallowed_types, reason = "the shim is for the library; the floor is a bare atomic")]

use std::{
    hint::{black_box, spin_loop},
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering, fence},
    },
    thread,
    time::{Duration, Instant},
};

use criterion::{
    BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use crossbeam::{
    channel,
    queue::ArrayQueue,
    utils::{Backoff, CachePadded},
};
use disruptor::Producer as _;
use ringway::ring::{
    broadcast::{gated, lossy},
    mpmc, packed, spsc,
};

criterion_group!(rings, one_at_a_time, batches_of_64, many_to_many, one_to_sixteen, round_trip);
criterion_main!(rings);

/// An item of so many words, all of them its number.
#[derive(Clone, Copy)]
struct Item<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Item<WORDS> {
    fn new(number: u64) -> Self {
        Self([number; WORDS])
    }

    fn blank() -> Self {
        Self::new(0)
    }
}

const CAPACITIES: [usize; 2] = [1 << 10, 1 << 16];
const BATCH: usize = 64;
/// Items of one measured iteration: so many that starting two threads does not count.
const BLOCK: u64 = 1 << 16;
const READERS: usize = 16;

fn one_at_a_time(criterion: &mut Criterion) {
    items_one_at_a_time::<1>(criterion);
    items_one_at_a_time::<8>(criterion);
    floor_of_sockets(criterion);
}

fn items_one_at_a_time<const WORDS: usize>(criterion: &mut Criterion) {
    for capacity in CAPACITIES {
        let mut group = streaming(criterion, format!("one at a time, {} B, capacity {capacity}", WORDS * 8));
        measure(&mut group, "ringway spsc", |items| {
            let (mut producer, mut consumer) = spsc::ring::<Item<WORDS>>(capacity).unwrap();
            stream(items, |item| producer.push(item).is_ok(), || consumer.pop().ok())
        });
        #[cfg(feature = "fuzzing")]
        measure(&mut group, "ringway record", |items| {
            let (mut writer, mut reader) = records::<WORDS>(capacity);
            stream(items, |item: Item<WORDS>| writer.push(item.0), || reader.pop().map(Item))
        });
        measure(&mut group, "ringway packed", |items| {
            let (mut producer, mut consumer) = packed::ring::<Item<WORDS>>(capacity).unwrap();
            stream(items, |item| producer.push(item).is_ok(), || consumer.pop().ok())
        });
        measure(&mut group, "rtrb", |items| {
            let (mut producer, mut consumer) = rtrb::RingBuffer::<Item<WORDS>>::new(capacity);
            stream(items, |item| producer.push(item).is_ok(), || consumer.pop().ok())
        });
        measure(&mut group, "disruptor", |items| {
            let builder = disruptor::build_single_producer(capacity, Item::<WORDS>::blank, disruptor::BusySpin);
            let (mut poller, builder) = builder.new_event_poller();
            let mut producer = builder.build();
            let produce =
                || (0..items).for_each(|i| until(|| producer.try_publish(|item| *item = Item::new(i)).is_ok()));
            let consume = || {
                let mut next = 0;
                while next < items {
                    match poller.poll() {
                        Ok(mut polled) => (&mut polled).for_each(|item| expect(item, &mut next)),
                        Err(_) => spin_loop(),
                    }
                }
            };
            duel(produce, consume)
        });
        measure(&mut group, "crossbeam ArrayQueue", |items| {
            let queue = ArrayQueue::<Item<WORDS>>::new(capacity);
            stream(items, |item| queue.push(item).is_ok(), || queue.pop())
        });
        measure(&mut group, "crossbeam channel", |items| {
            let (sender, receiver) = channel::bounded::<Item<WORDS>>(capacity);
            stream(items, |item| sender.try_send(item).is_ok(), || receiver.try_recv().ok())
        });
        group.finish();
    }
}

/// What a socket of one message a call could reach: 64-byte slots with marks, a full fence after each push (to look for
/// sleepers), the position stored at each pop.
fn floor_of_sockets(criterion: &mut Criterion) {
    for capacity in CAPACITIES {
        let mut group = streaming(criterion, format!("floor of sockets, 56 B, capacity {capacity}"));
        measure(&mut group, "bare slots, fenced", |items| {
            let (mut producer, mut consumer) = spsc::ring::<Item<7>>(capacity).unwrap();
            let push = |item| producer.push(item).map(|()| fence(Ordering::SeqCst)).is_ok();
            stream(items, push, || consumer.pop().ok())
        });
        measure(&mut group, "bare slots, unfenced", |items| {
            let (mut producer, mut consumer) = spsc::ring::<Item<7>>(capacity).unwrap();
            stream(items, |item| producer.push(item).is_ok(), || consumer.pop().ok())
        });
        group.finish();
    }
}

fn batches_of_64(criterion: &mut Criterion) {
    items_in_batches::<1>(criterion);
    items_in_batches::<8>(criterion);
}

fn items_in_batches<const WORDS: usize>(criterion: &mut Criterion) {
    for capacity in CAPACITIES {
        let mut group = streaming(criterion, format!("batches of 64, {} B, capacity {capacity}", WORDS * 8));
        measure(&mut group, "ringway packed, in place", |items| {
            let (mut producer, mut consumer) = packed::ring::<Item<WORDS>>(capacity).unwrap();
            let produce = || {
                let mut numbers = numbered(items);
                while numbers.len() > 0 {
                    if producer.push_iter(numbers.by_ref().take(BATCH)).is_err() {
                        spin_loop();
                    }
                }
            };
            let consume = || {
                let mut next = 0;
                while next < items {
                    match consumer.read(BATCH) {
                        Ok(chunk) => {
                            chunk.iter().for_each(|item| expect(item, &mut next));
                            chunk.release();
                        }
                        Err(_) => spin_loop(),
                    }
                }
            };
            duel(produce, consume)
        });
        measure(&mut group, "ringway packed, copied", |items| {
            let (mut producer, mut consumer) = packed::ring::<Item<WORDS>>(capacity).unwrap();
            let batch: Vec<_> = (0..BATCH as u64).map(Item::new).collect();
            let produce = || {
                let mut left = items as usize;
                while left > 0 {
                    match producer.push_slice(&batch[..BATCH.min(left)]) {
                        Ok(len) => left -= len,
                        Err(_) => spin_loop(),
                    }
                }
            };
            let consume = || {
                let (mut left, mut out) = (items as usize, Vec::with_capacity(BATCH));
                while left > 0 {
                    match consumer.pop_into(&mut out, BATCH) {
                        Ok(len) => left -= len,
                        Err(_) => spin_loop(),
                    }
                    black_box(&out);
                    out.clear();
                }
            };
            duel(produce, consume)
        });
        measure(&mut group, "rtrb", |items| {
            let (mut producer, mut consumer) = rtrb::RingBuffer::<Item<WORDS>>::new(capacity);
            let produce = || {
                let mut numbers = numbered(items);
                while numbers.len() > 0 {
                    match producer.write_chunk_uninit(BATCH) {
                        Ok(chunk) => drop(chunk.fill_from_iter(numbers.by_ref())),
                        Err(_) => spin_loop(),
                    }
                }
            };
            let consume = || {
                let mut next = 0;
                while next < items {
                    match consumer.read_chunk(BATCH) {
                        Ok(chunk) => {
                            let (first, rest) = chunk.as_slices();
                            first.iter().chain(rest).for_each(|item| expect(item, &mut next));
                            chunk.commit_all();
                        }
                        Err(_) => spin_loop(),
                    }
                }
            };
            duel(produce, consume)
        });
        measure(&mut group, "disruptor", |items| {
            let builder = disruptor::build_single_producer(capacity, Item::<WORDS>::blank, disruptor::BusySpin);
            let (mut poller, builder) = builder.new_event_poller();
            let mut producer = builder.build();
            let produce = || {
                let mut numbers = 0..items;
                while !numbers.is_empty() {
                    let published = producer.try_batch_publish(BATCH, |slots| {
                        slots.zip(numbers.by_ref()).for_each(|(slot, i)| *slot = Item::new(i));
                    });
                    if published.is_err() {
                        spin_loop();
                    }
                }
            };
            let consume = || {
                let mut next = 0;
                while next < items {
                    match poller.take(BATCH as u64) {
                        Ok(mut polled) => (&mut polled).for_each(|item| expect(item, &mut next)),
                        Err(_) => spin_loop(),
                    }
                }
            };
            duel(produce, consume)
        });
        group.finish();
    }
}

fn many_to_many(criterion: &mut Criterion) {
    for threads in [2, 4] {
        for capacity in CAPACITIES {
            let name = format!("many to many, {threads}p{threads}c, 8 B, capacity {capacity}");
            let mut group = streaming(criterion, name);
            measure(&mut group, "ringway mpmc", |items| {
                let (producer, consumer) = mpmc::ring::<u64>(capacity).unwrap();
                crowd(threads, items, |i| producer.push(i).is_ok(), || consumer.pop().ok())
            });
            measure(&mut group, "crossbeam ArrayQueue", |items| {
                let queue = ArrayQueue::<u64>::new(capacity);
                crowd(threads, items, |i| queue.push(i).is_ok(), || queue.pop())
            });
            measure(&mut group, "crossbeam channel", |items| {
                let (sender, receiver) = channel::bounded::<u64>(capacity);
                crowd(threads, items, |i| sender.try_send(i).is_ok(), || receiver.try_recv().ok())
            });
            group.finish();
        }
    }
}

/// One thread writes, one polls all sixteen readers: what is measured is the rings, not the scheduler. Counts
/// deliveries; for the lossy ring, whose writer waits for nobody, losses too.
fn one_to_sixteen(criterion: &mut Criterion) {
    for capacity in CAPACITIES {
        let mut group = streaming(criterion, format!("one to sixteen, 8 B, capacity {capacity}"));
        group.throughput(Throughput::Elements(BLOCK * READERS as u64));
        measure(&mut group, "ringway gated", |items| {
            let (mut writer, subscriber) = gated::ring::<Item<1>>(capacity, READERS).unwrap();
            let mut readers: Vec<_> = (0..READERS).map(|_| (subscriber.subscribe().unwrap(), 0)).collect();
            let produce = || {
                let mut numbers = numbered(items);
                while numbers.len() > 0 {
                    if writer.push_iter(numbers.by_ref().take(BATCH)) == 0 {
                        spin_loop();
                    }
                }
            };
            let consume = || {
                while readers.iter().any(|(_, next)| *next < items) {
                    for (reader, next) in &mut readers {
                        if let Ok(chunk) = reader.read(usize::MAX) {
                            chunk.iter().for_each(|item| expect(item, next));
                            chunk.release();
                        }
                    }
                }
            };
            duel(produce, consume)
        });
        measure(&mut group, "disruptor", |items| {
            let builder = disruptor::build_single_producer(capacity, Item::<1>::blank, disruptor::BusySpin);
            let (poller, builder) = builder.new_event_poller();
            let (second, mut builder) = builder.new_event_poller();
            let mut pollers = vec![(poller, 0), (second, 0)];
            while pollers.len() < READERS {
                let (poller, next) = builder.new_event_poller();
                pollers.push((poller, 0));
                builder = next;
            }
            let mut producer = builder.build();
            let produce = || {
                let mut numbers = 0..items;
                while !numbers.is_empty() {
                    let published = producer.try_batch_publish(BATCH, |slots| {
                        slots.zip(numbers.by_ref()).for_each(|(slot, i)| *slot = Item::new(i));
                    });
                    if published.is_err() {
                        spin_loop();
                    }
                }
            };
            let consume = || {
                while pollers.iter().any(|(_, next)| *next < items) {
                    for (poller, next) in &mut pollers {
                        if let Ok(mut polled) = poller.poll() {
                            (&mut polled).for_each(|item| expect(item, next));
                        }
                    }
                }
            };
            duel(produce, consume)
        });
        measure(&mut group, "ringway lossy, delivered or lost", |items| {
            let (mut writer, subscriber) = lossy::ring::<u64>(capacity).unwrap();
            let mut readers: Vec<_> = (0..READERS).map(|_| subscriber.subscribe()).collect();
            let produce = || {
                (0..items).for_each(|i| writer.push(i));
                drop(writer);
            };
            let consume = || {
                let mut open = READERS;
                while open > 0 {
                    open = READERS;
                    for reader in &mut readers {
                        match reader.pop() {
                            Err(lossy::ReadError::Closed) => open -= 1,
                            other => drop(black_box(other)),
                        }
                    }
                }
            };
            duel(produce, consume)
        });
        group.finish();
    }
}

fn round_trip(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("round trip");
    tune(&mut group);
    group.bench_function("cache lines, one each way", |bencher| bencher.iter_custom(bounce_lines));
    round_trips_of::<1>(&mut group);
    round_trips_of::<7>(&mut group);
    round_trips_of::<8>(&mut group);
    group.finish();
}

fn round_trips_of<const WORDS: usize>(group: &mut BenchmarkGroup<'_, WallTime>) {
    const CAPACITY: usize = 64;
    let size = WORDS * 8;
    group.bench_function(format!("ringway spsc, {size} B"), |bencher| {
        bencher.iter_custom(|trips| {
            let (mut ping, mut pinged) = spsc::ring::<Item<WORDS>>(CAPACITY).unwrap();
            let (mut pong, mut ponged) = spsc::ring::<Item<WORDS>>(CAPACITY).unwrap();
            bounce(
                trips,
                (|i| ping.push(i).is_ok(), || ponged.pop().ok()),
                (|i| pong.push(i).is_ok(), || pinged.pop().ok()),
            )
        });
    });
    #[cfg(feature = "fuzzing")]
    group.bench_function(format!("ringway record, {size} B"), |bencher| {
        bencher.iter_custom(|trips| {
            let (mut ping, mut pinged) = records::<WORDS>(CAPACITY);
            let (mut pong, mut ponged) = records::<WORDS>(CAPACITY);
            bounce(
                trips,
                (|i: Item<WORDS>| ping.push(i.0), || ponged.pop().map(Item)),
                (|i: Item<WORDS>| pong.push(i.0), || pinged.pop().map(Item)),
            )
        });
    });
    group.bench_function(format!("rtrb, {size} B"), |bencher| {
        bencher.iter_custom(|trips| {
            let (mut ping, mut pinged) = rtrb::RingBuffer::<Item<WORDS>>::new(CAPACITY);
            let (mut pong, mut ponged) = rtrb::RingBuffer::<Item<WORDS>>::new(CAPACITY);
            bounce(
                trips,
                (|i| ping.push(i).is_ok(), || ponged.pop().ok()),
                (|i| pong.push(i).is_ok(), || pinged.pop().ok()),
            )
        });
    });
}

/// A record ring for about so many items.
#[cfg(feature = "fuzzing")]
fn records<const WORDS: usize>(capacity: usize) -> (ringway::fuzzing::RecordWriter, ringway::fuzzing::RecordReader) {
    ringway::fuzzing::records((capacity * (WORDS * 8 + 8)).next_power_of_two().max(4096))
}

/// A group that counts items of [`BLOCK`]s.
fn streaming(criterion: &mut Criterion, name: String) -> BenchmarkGroup<'_, WallTime> {
    let mut group = criterion.benchmark_group(name);
    tune(&mut group);
    group.throughput(Throughput::Elements(BLOCK));
    group
}

fn tune(group: &mut BenchmarkGroup<'_, WallTime>) {
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_millis(150))
        .measurement_time(Duration::from_millis(500));
}

/// Measures `run`, which moves as many items as it is told.
fn measure(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, mut run: impl FnMut(u64) -> Duration) {
    group.bench_function(name, |bencher| bencher.iter_custom(|blocks| run(blocks * BLOCK)));
}

/// Moves `items` items one at a time from one thread to another.
fn stream<const WORDS: usize>(
    items: u64,
    mut push: impl FnMut(Item<WORDS>) -> bool + Send,
    mut pop: impl FnMut() -> Option<Item<WORDS>> + Send,
) -> Duration {
    let produce = || (0..items).for_each(|i| until(|| push(Item::new(i))));
    let consume = || {
        let mut next = 0;
        while next < items {
            match pop() {
                Some(item) => expect(&item, &mut next),
                None => spin_loop(),
            }
        }
    };
    duel(produce, consume)
}

/// Runs both on a core each. Returns how long the consumer took.
fn duel(produce: impl FnOnce() + Send, consume: impl FnOnce() + Send) -> Duration {
    let start = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            pin(1);
            start.wait();
            produce();
        });
        let consumer = scope.spawn(|| {
            pin(0);
            start.wait();
            let began = Instant::now();
            consume();
            began.elapsed()
        });
        consumer.join().unwrap()
    })
}

/// Moves `items` items from `threads` producers to as many consumers, on two cores.
fn crowd(
    threads: usize,
    items: u64,
    push: impl Fn(u64) -> bool + Sync,
    pop: impl Fn() -> Option<u64> + Sync,
) -> Duration {
    let start = Barrier::new(2 * threads + 1);
    let each = items / threads as u64;
    thread::scope(|scope| {
        for id in 0..threads {
            let (start, push, pop) = (&start, &push, &pop);
            scope.spawn(move || {
                pin(id);
                start.wait();
                for i in 0..each {
                    let backoff = Backoff::new();
                    while !push(i) {
                        backoff.snooze();
                    }
                }
            });
            scope.spawn(move || {
                pin(id + 1);
                start.wait();
                for _ in 0..each {
                    let backoff = Backoff::new();
                    while black_box(pop()).is_none() {
                        backoff.snooze();
                    }
                }
            });
        }
        start.wait();
        Instant::now()
    })
    .elapsed()
}

/// Sends an item there and back, `trips` times.
fn bounce<const WORDS: usize>(
    trips: u64,
    (mut ping, mut ponged): (impl FnMut(Item<WORDS>) -> bool + Send, impl FnMut() -> Option<Item<WORDS>> + Send),
    (mut pong, mut pinged): (impl FnMut(Item<WORDS>) -> bool + Send, impl FnMut() -> Option<Item<WORDS>> + Send),
) -> Duration {
    let answer = || {
        for _ in 0..trips {
            until(|| pinged().is_some_and(&mut pong));
        }
    };
    let ask = || {
        for i in 0..trips {
            until(|| ping(Item::new(i)));
            until(|| ponged().is_some());
        }
    };
    duel(answer, ask)
}

/// The floor of a round trip: one line each way, each written by one side and watched by the other.
fn bounce_lines(trips: u64) -> Duration {
    let (ping, pong) = (CachePadded::new(AtomicU64::new(0)), CachePadded::new(AtomicU64::new(0)));
    let answer = || {
        for i in 1..=trips {
            until(|| ping.load(Ordering::Acquire) == i);
            pong.store(i, Ordering::Release);
        }
    };
    let ask = || {
        for i in 1..=trips {
            ping.store(i, Ordering::Release);
            until(|| pong.load(Ordering::Acquire) == i);
        }
    };
    duel(answer, ask)
}

/// Spins until `done` says so.
#[inline(always)]
fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        spin_loop();
    }
}

/// The items to send.
fn numbered<const WORDS: usize>(items: u64) -> impl ExactSizeIterator<Item = Item<WORDS>> + Send {
    (0..items as usize).map(|i| Item::new(i as u64))
}

/// Checks that `item` is the next one.
#[inline(always)]
fn expect<const WORDS: usize>(item: &Item<WORDS>, next: &mut u64) {
    assert_eq!(item.0[WORDS - 1], *next);
    *next += 1;
}

/// Pins this thread to the usable core of this number, counted round and round.
fn pin(core: usize) {
    if let Some(cores) = core_affinity::get_core_ids()
        && !cores.is_empty()
    {
        core_affinity::set_for_current(cores[core % cores.len()]);
    }
}
