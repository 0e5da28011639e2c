//! The record ring over all interleavings the memory model allows, and the bugs each model is known to catch.
//!
//! A ring has 64 bytes here, a record 16 or 32: two to four make a lap. The memory is loom's words, copied relaxed, each
//! beside a cell that fails the model when two touch a payload at once. Each record's payload says which it is, in every byte.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p ringway --release --lib --target-dir target/loom record -- --nocapture`

use std::sync::Arc;

use super::{
    CAPACITY_MIN, Reader, Writer,
    heap::{Heap, collected},
};
use crate::{
    explore::prove,
    sync::{AtomicU64, Ordering, thread, weakened},
};

/// What the two sides share: the ring, and the word in which the reader tells its position.
#[derive(Clone)]
struct Shared {
    heap: Arc<Heap>,
    told: Arc<AtomicU64>,
}

impl Shared {
    fn new() -> Self {
        Self { heap: Arc::new(Heap::new(0, CAPACITY_MIN)), told: Arc::new(AtomicU64::new(0)) }
    }

    fn writer(&self) -> Writer<Arc<Heap>> {
        Writer::new(self.heap.clone(), 0, CAPACITY_MIN)
    }

    fn reader(&self) -> Reader<Arc<Heap>> {
        Reader::new(self.heap.clone(), 0, CAPACITY_MIN)
    }

    /// Writes a record if there is room, for which the told position is read if there seems to be none.
    fn write(&self, writer: &mut Writer<Arc<Heap>>, number: usize, size: usize) -> bool {
        let mut claim = writer.claim(size);
        if claim.is_none() {
            // Acquire: that the payloads before it were copied out; pairs with Release in `take`.
            let position = self.told.load(weakened("record-told-acquire", Ordering::Acquire));
            writer.reclaim(position).expect("an honest reader");
            claim = writer.claim(size);
        }
        let Some(claim) = claim else { return false };
        writer.write(&claim, 0, &vec![number as u8; size]);
        writer.commit(claim, number as u8, number as u32);
        true
    }

    /// Takes a record and tells the position, if there is one: its number and size.
    fn take(&self, reader: &mut Reader<Arc<Heap>>) -> Option<(usize, usize)> {
        let record = reader.peek().expect("an honest writer")?;
        let (number, size) = (record.note as usize, record.size);
        let payload = collected(size, |to| reader.copy_out(&record, 0, to));
        assert!(usize::from(record.kind) == number && payload.iter().all(|&byte| usize::from(byte) == number));
        reader.advance(&record);
        // Release: that the payload was copied out; pairs with Acquire in `write`.
        self.told.store(reader.position(), weakened("record-told-release", Ordering::Release));
        Some((number, size))
    }
}

/// Records of these sizes arrive in order and whole; number 1 is the first, as no payload is what the memory held before.
fn all_arrive<const RECORDS: usize>(sizes: [usize; RECORDS]) {
    let shared = Shared::new();
    let (mut writer, mut reader) = (shared.writer(), shared.reader());
    let producer = {
        let shared = shared.clone();
        thread::spawn(move || {
            for (number, size) in (1..).zip(sizes) {
                while !shared.write(&mut writer, number, size) {
                    thread::yield_now();
                }
            }
        })
    };
    for expected in (1..).zip(sizes) {
        loop {
            match shared.take(&mut reader) {
                Some(taken) => break assert_eq!(taken, expected),
                None => thread::yield_now(),
            }
        }
    }
    producer.join().unwrap();
    assert!(reader.peek().unwrap().is_none());
}

/// The writer writes what there is room for at its first try, and the reader takes what it finds at so many looks: together they
/// are all, in order.
fn none_is_lost<const RECORDS: usize>(sizes: [usize; RECORDS], looks: usize) {
    let shared = Shared::new();
    let (mut writer, mut reader) = (shared.writer(), shared.reader());
    let producer = {
        let shared = shared.clone();
        thread::spawn(move || {
            let mut written = 0;
            for size in sizes {
                written += usize::from(shared.write(&mut writer, written + 1, size));
            }
            (writer, written)
        })
    };
    let mut next = 1;
    for _ in 0..looks {
        if let Some((number, _)) = shared.take(&mut reader) {
            assert_eq!(number, next);
            next += 1;
        }
    }
    let (mut writer, written) = producer.join().unwrap();
    // As after a reader's death: it was told less than it took, or all.
    writer.reclaim(shared.told.load(Ordering::Acquire)).unwrap();
    let unread: Vec<_> = writer.unread().map(|record| record.note as usize).collect();
    assert_eq!(unread, (next..=written).collect::<Vec<_>>());
    // As after a writer's.
    while let Some((number, _)) = shared.take(&mut reader) {
        assert_eq!(number, next);
        next += 1;
    }
    assert_eq!(next, written + 1);
}

/// Four of the smallest make a lap, and three fit.
#[test]
fn small_records_arrive_over_a_lap_and_a_half() {
    let plants = [
        "record-commit-relaxed",
        "record-peek-relaxed",
        "record-stale-behind",
        "record-keeps-nothing",
        "record-told-release",
        "record-told-acquire",
    ];
    prove("record small", Some(3), || all_arrive([8; 6]), &plants);
}

/// Records that leave no room for one another before the end of the ring.
#[test]
fn padded_records_arrive_over_two_laps() {
    let plants = ["record-commit-relaxed", "record-peek-relaxed", "record-told-release", "record-told-acquire"];
    prove("record padded", Some(4), || all_arrive([8, 16, 16, 8, 16]), &plants);
}

#[test]
fn what_is_not_taken_is_still_there() {
    let plants = ["record-commit-relaxed", "record-peek-relaxed", "record-keeps-nothing"];
    prove("record unread", None, || none_is_lost([8, 8, 16, 8, 8], 3), &plants);
}
