//! Rings between real threads: every item arrives exactly once, in order, whatever the timing.

#![allow(clippy::disallowed_types, reason = "the shim is for the library; a ledger counts with plain atomics")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use ringway::ring::{
    PopError, PushError,
    broadcast::{gated, lossy},
    mpmc, packed, spsc,
};

/// Items per producer.
const ITEMS: u64 = if cfg!(miri) { 60 } else { 100_000 };

/// Capacities that make the ring full, empty and wrapped in turn.
const CAPACITIES: [usize; 4] = [1, 2, 5, 1000];

/// An item on the ledger: owns memory, so that losing or doubling one is found, and carries a checksum.
#[derive(Clone, Debug)]
struct Entry {
    producer: u64,
    number: u64,
    check: Box<u64>,
    alive: Arc<AtomicUsize>,
}

impl Entry {
    fn new(producer: u64, number: u64, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self { producer, number, check: Box::new(producer ^ !number), alive: alive.clone() }
    }

    fn verify(&self) {
        assert_eq!(*self.check, self.producer ^ !self.number);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Calls `push` until it succeeds.
fn insist<T>(mut item: T, mut push: impl FnMut(T) -> Result<(), PushError<T>>) {
    while let Err(error) = push(item) {
        assert!(error.is_full(), "the consumer is still there");
        item = error.into_inner();
        thread::yield_now();
    }
}

/// Calls `pop` until it says Closed, giving each item to `each`.
fn drain<T>(mut pop: impl FnMut() -> Result<T, PopError>, mut each: impl FnMut(T)) {
    loop {
        match pop() {
            Ok(item) => each(item),
            Err(PopError::Empty) => thread::yield_now(),
            Err(PopError::Closed) => return,
        }
    }
}

/// Asserts that items come in the order of their numbers, from 0, none missing.
fn in_order() -> impl FnMut(Entry) {
    let mut next = 0;
    move |entry| {
        entry.verify();
        assert_eq!(entry.number, next);
        next += 1;
    }
}

#[test]
fn spsc_delivers_each_item_once_in_order() {
    for capacity in CAPACITIES {
        let alive = Arc::new(AtomicUsize::new(0));
        let (mut producer, mut consumer) = spsc::ring(capacity).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..ITEMS {
                    insist(Entry::new(0, number, &alive), |entry| producer.push(entry));
                }
                drop(producer);
            });
            let mut check = in_order();
            let mut count = 0;
            drain(|| consumer.pop(), |entry| (check(entry), count += 1).1);
            assert_eq!(count, ITEMS);
        });
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn packed_delivers_each_item_once_in_order_in_batches_of_any_size() {
    for capacity in CAPACITIES {
        let alive = Arc::new(AtomicUsize::new(0));
        let (mut producer, mut consumer) = packed::ring(capacity).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut entries = (0..ITEMS).map(|number| Entry::new(0, number, &alive)).peekable();
                while let Some(next) = entries.peek() {
                    let batch = (next.number % 7) as usize + 1;
                    if batch == 1 {
                        let entry = entries.next().unwrap();
                        insist(entry, |entry| producer.push(entry));
                    } else if producer.push_iter(entries.by_ref().take(batch)).is_err() {
                        thread::yield_now();
                    }
                }
                drop(producer);
            });
            let (mut check, mut count, mut popped) = (in_order(), 0, Vec::new());
            loop {
                let got = match count % 3 {
                    0 => consumer.pop().map(|entry| (check(entry), count += 1).1),
                    1 => consumer.pop_into(&mut popped, 5).map(|len| count += len as u64),
                    _ => consumer.read(3).map(|chunk| chunk.pop_iter().for_each(|entry| (check(entry), count += 1).1)),
                };
                popped.drain(..).for_each(&mut check);
                match got {
                    Ok(()) => {}
                    Err(PopError::Empty) => thread::yield_now(),
                    Err(PopError::Closed) => break,
                }
            }
            assert_eq!(count, ITEMS);
        });
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn mpmc_delivers_each_item_to_one_consumer_and_each_producers_in_order() {
    for (threads, capacity) in [(1, 1), (2, 1), (2, 5), (2, 1000), (4, 64)] {
        let items = ITEMS / threads;
        let alive = Arc::new(AtomicUsize::new(0));
        let (producer, consumer) = mpmc::ring(capacity).unwrap();
        let ledger = thread::scope(|scope| {
            for id in 0..threads {
                let (producer, alive) = (producer.clone(), &alive);
                scope.spawn(move || {
                    for number in 0..items {
                        insist(Entry::new(id, number, alive), |entry| producer.push(entry));
                    }
                });
            }
            drop(producer);
            let consumers: Vec<_> = (0..threads)
                .map(|_| {
                    let consumer = consumer.clone();
                    scope.spawn(move || {
                        let mut taken: Vec<(u64, u64)> = Vec::new();
                        drain(
                            || consumer.pop(),
                            |entry: Entry| {
                                entry.verify();
                                taken.push((entry.producer, entry.number));
                            },
                        );
                        taken
                    })
                })
                .collect();
            consumers.into_iter().map(|consumer| consumer.join().unwrap()).collect::<Vec<_>>()
        });
        for taken in &ledger {
            for id in 0..threads {
                let numbers = taken.iter().filter(|(producer, _)| *producer == id).map(|(_, number)| number);
                assert!(numbers.is_sorted(), "one consumer sees one producer's items in order");
            }
        }
        let mut all: Vec<_> = ledger.into_iter().flatten().collect();
        all.sort_unstable();
        let expected = (0..threads).flat_map(|id| (0..items).map(move |number| (id, number)));
        assert!(all.into_iter().eq(expected), "each item once");
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn mpmc_batches_deliver_each_item_once() {
    let (producer, consumer) = mpmc::ring::<u64>(64).unwrap();
    let sum = thread::scope(|scope| {
        for id in 0..2 {
            let producer = producer.clone();
            scope.spawn(move || {
                let items: Vec<_> = (0..ITEMS).map(|number| number * 2 + id).collect();
                let mut rest = &items[..];
                while !rest.is_empty() {
                    match producer.push_slice(&rest[..rest.len().min(7)]) {
                        Ok(len) => rest = &rest[len..],
                        Err(_) => thread::yield_now(),
                    }
                }
            });
        }
        drop(producer);
        let consumers: Vec<_> = (0..2)
            .map(|_| {
                let consumer = consumer.clone();
                scope.spawn(move || {
                    let mut items = Vec::new();
                    loop {
                        match consumer.pop_into(&mut items, 5) {
                            Ok(_) => {}
                            Err(PopError::Empty) => thread::yield_now(),
                            Err(PopError::Closed) => return items,
                        }
                    }
                })
            })
            .collect();
        let mut all: Vec<_> = consumers.into_iter().flat_map(|consumer| consumer.join().unwrap()).collect();
        all.sort_unstable();
        all
    });
    assert!(sum.into_iter().eq(0..2 * ITEMS), "each item once");
}

#[test]
fn a_ring_may_close_under_a_busy_other_side() {
    for round in 0..if cfg!(miri) { 3 } else { 300 } {
        let alive = Arc::new(AtomicUsize::new(0));
        let (mut producer, mut consumer) = spsc::ring(4).unwrap();
        let (many_producer, many_consumer) = mpmc::ring(4).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut number = 0;
                while !matches!(producer.push(Entry::new(0, number, &alive)), Err(PushError::Closed(_))) {
                    number += 1;
                }
                while !matches!(many_producer.push(Entry::new(0, number, &alive)), Err(PushError::Closed(_))) {
                    number += 1;
                }
                drop((producer, many_producer));
            });
            for _ in 0..round % 10 {
                let _ = consumer.pop();
            }
            drop(consumer);
            let _ = many_consumer.pop();
            drop(many_consumer);
        });
        assert_eq!(alive.load(Ordering::Relaxed), 0, "what nobody popped is dropped");
    }
}

#[test]
fn lossy_readers_account_for_every_item() {
    let (mut writer, subscriber) = lossy::ring::<[u64; 7]>(64).unwrap();
    thread::scope(|scope| {
        for id in 0..3 {
            let mut reader = subscriber.subscribe();
            scope.spawn(move || {
                let (mut at, mut got) = (0, 0u64);
                loop {
                    match reader.pop() {
                        Ok(item) => {
                            assert_eq!(item, [at; 7], "whole, and the one that is due");
                            at += 1;
                            got += 1;
                            if id == 1 && got % 64 == 0 {
                                thread::yield_now();
                            }
                        }
                        Err(lossy::ReadError::Lagged(lost)) => at += lost,
                        Err(lossy::ReadError::Empty) => thread::yield_now(),
                        Err(lossy::ReadError::Closed) => break,
                    }
                }
                assert_eq!(at, ITEMS, "delivered and lost add up");
            });
        }
        for number in 0..ITEMS {
            writer.push([number; 7]);
            if number % 32 == 0 {
                thread::yield_now();
            }
        }
        drop(writer);
    });
}

#[test]
fn gated_readers_that_come_and_go_miss_nothing_while_they_stay() {
    let alive = Arc::new(AtomicUsize::new(0));
    let (mut writer, subscriber) = gated::ring::<Entry>(16, 4).unwrap();
    thread::scope(|scope| {
        for id in 0..3 {
            let subscriber = subscriber.clone();
            scope.spawn(move || {
                // One stays to the end, the others come and go.
                for stay in 1.. {
                    let mut reader = subscriber.subscribe().unwrap();
                    let mut next = None;
                    let mut left = if id == 0 { u64::MAX } else { 100 * stay };
                    while left > 0 {
                        match reader.read(left.min(5) as usize) {
                            Ok(chunk) => {
                                for entry in chunk.iter() {
                                    entry.verify();
                                    assert_eq!(entry.number, next.unwrap_or(entry.number));
                                    next = Some(entry.number + 1);
                                    left -= 1;
                                }
                                chunk.release();
                            }
                            Err(PopError::Empty) => thread::yield_now(),
                            Err(PopError::Closed) => return,
                        }
                    }
                }
            });
        }
        let mut entries = (0..ITEMS).map(|number| Entry::new(0, number, &alive)).peekable();
        while entries.peek().is_some() {
            if writer.push_iter(entries.by_ref().take(7)) == 0 {
                thread::yield_now();
            }
        }
        drop(writer);
    });
    drop(subscriber);
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}
