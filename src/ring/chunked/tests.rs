//! What the models leave out: chunks of full size, memory given back, the wrap of generations. Run under Miri too.

use super::*;
use crate::sync::thread;

fn nothing(_: Header, _: &SlotBody) {}

fn push(producer: &mut Producer, number: u64, slots: usize) {
    let fill = |body: &mut SlotBody, slot: u64| {
        *body = [MaybeUninit::new(number << 8 | slot); SLOT_BYTES / 8];
        slots as Header
    };
    let mut record = producer.begin(slots).unwrap();
    for slot in 1..slots as u64 {
        producer.write(&mut record, |body| fill(body, slot));
    }
    producer.publish(record, |body| fill(body, 0));
    producer.settle();
}

fn pop(consumer: &mut Consumer) -> Option<u64> {
    if !consumer.ready() {
        consumer.look_ahead();
        return None;
    }
    let (mut number, mut slot) = (None, 0);
    loop {
        // SAFETY: ready, and the header says how many slots the record has.
        let (slots, body) = unsafe { consumer.read(|header, body| (header, *body)) };
        for word in body {
            // SAFETY: `push` writes every word.
            let word = unsafe { word.assume_init() };
            assert_eq!(word & 0xff, slot);
            assert_eq!(*number.get_or_insert(word >> 8), word >> 8);
        }
        slot += 1;
        if slot == u64::from(slots) {
            consumer.finish();
            return number;
        }
    }
}

/// Chunks in the chain.
fn chunks(shared: &Shared) -> usize {
    let chain = shared.lock_chain().unwrap();
    let mut chunk = chain.oldest();
    let mut count = 0;
    while !chunk.is_null() {
        count += 1;
        // SAFETY: live, and no other thread is there.
        chunk = unsafe { (*chunk).next.load(Ordering::Relaxed) };
    }
    count
}

#[test]
fn records_of_every_length_cross_chunk_ends() {
    let (mut producer, mut consumer) = queue(nothing);
    for number in 0..if cfg!(miri) { 200 } else { 20_000 } {
        push(&mut producer, number, 1 + (number as usize * 7) % RECORD_SLOTS_MAX);
        assert_eq!(pop(&mut consumer), Some(number));
        consumer.publish_taken();
    }
    assert!(chunks(&producer.shared) <= 3, "chunks are used again");
}

#[test]
fn two_threads_keep_order_while_the_consumer_trims() {
    let records = if cfg!(miri) { 150 } else { 100_000 };
    let (mut producer, mut consumer) = queue(nothing);
    let pushing = thread::spawn(move || {
        for number in 0..records {
            while producer.sent() - producer.refresh_taken() >= 40 {
                thread::yield_now();
            }
            push(&mut producer, number, 1 + number as usize % 5);
        }
    });
    for number in 0..records {
        let popped = loop {
            match pop(&mut consumer) {
                Some(popped) => break popped,
                None => thread::yield_now(),
            }
        };
        assert_eq!(popped, number);
        consumer.publish_taken();
        if number % 16 == 0 {
            consumer.trim();
        }
    }
    pushing.join().unwrap();
}

#[test]
fn a_generation_that_wraps_clears_the_marks() {
    let (mut producer, mut consumer) = queue(nothing);
    for number in 0..3 * CHUNK_SLOTS as u64 {
        push(&mut producer, number, 1);
        assert_eq!(pop(&mut consumer), Some(number));
        consumer.publish_taken();
        if number == 0 {
            // The last generation there is, in the chunk under way as in the cursors that look at it.
            // SAFETY: the producer's chunk is live and no other thread is there.
            unsafe { &*producer.at.chunk }.generation.with_mut(|generation| unsafe { *generation = u32::MAX });
            producer.at.generation = u32::MAX;
            consumer.at.generation = u32::MAX;
        }
    }
    assert!(pop(&mut consumer).is_none(), "a mark of an earlier use was read");
    assert!(producer.at.generation < 4 && producer.at.generation > 0);
}

#[test]
fn a_burst_gives_its_chunks_back() {
    let burst = if cfg!(miri) { 20 } else { 200 };
    let (mut producer, mut consumer) = queue(nothing);
    let mut number = 0;
    let mut exchange = |producer: &mut Producer, consumer: &mut Consumer, records: u64| {
        (number..number + records).for_each(|number| push(producer, number, 1));
        for number in number..number + records {
            assert_eq!(pop(consumer), Some(number));
        }
        consumer.publish_taken();
        number += records;
    };
    exchange(&mut producer, &mut consumer, burst * CHUNK_SLOTS as u64);
    assert!(chunks(&producer.shared) >= burst as usize);
    if cfg!(miri) {
        consumer.trim();
    } else {
        let round = u64::from(CENSUS_PERIOD * CENSUS_ROUNDS) * CHUNK_SLOTS as u64;
        (0..10 * round).for_each(|_| exchange(&mut producer, &mut consumer, 1));
    }
    let left = chunks(&producer.shared);
    assert!(left <= 2 * SPARE_CHUNKS, "{left} chunks are left");
}
