//! What a record ring promises to honest peers, and what it bears from the others.

use std::{collections::VecDeque, mem::MaybeUninit, sync::Arc, thread};

use proptest::{collection::vec, prelude::*};

use super::{
    CAPACITY_MIN, Corrupt, KIND_MAX, Memory, Reader, Record, Writer,
    heap::{Heap, collected},
    layout::{CAPACITY_MAX, COMMITTED, Header, KEPT, PAD, Place},
    stride,
};
use crate::sync::{AtomicBool, AtomicU64, Ordering};

fn ring(start: usize, capacity: usize) -> (Writer<Arc<Heap>>, Reader<Arc<Heap>>) {
    let heap = Arc::new(Heap::new(start, capacity));
    (Writer::new(heap.clone(), start, capacity), Reader::new(heap, start, capacity))
}

/// A payload that tells of which record it is and where each byte belongs.
fn payload(number: usize, size: usize) -> Vec<u8> {
    (0..size).map(|at| (number * 31 + at * 7) as u8).collect()
}

fn write(writer: &mut Writer<Arc<Heap>>, kind: u8, note: u32, payload: &[u8]) -> bool {
    let Some(claim) = writer.claim(payload.len()) else { return false };
    writer.write(&claim, 0, payload);
    writer.commit(claim, kind, note);
    true
}

/// Takes a record.
fn take(reader: &mut Reader<Arc<Heap>>) -> Option<(u8, u32, Vec<u8>)> {
    let record = reader.peek().expect("an honest peer")?;
    let payload = collected(record.size, |to| reader.copy_out(&record, 0, to));
    let taken = (record.kind, record.note, payload);
    reader.advance(&record);
    Some(taken)
}

#[derive(Clone, Debug)]
enum Step {
    /// Claim so many bytes, write them in two pieces that meet there, commit.
    Write { size: Size, cut: prop::sample::Index },
    /// Claim so many, write them, leave so many of them, commit.
    Shorten { size: Size, left: prop::sample::Index },
    /// Claim, scribble, drop.
    Abort { size: Size },
    /// Look twice, copy in two pieces, advance.
    Take { cut: prop::sample::Index },
    /// Tell the writer of all but so many of the records taken and not told yet.
    Tell { back: usize },
}

/// A size, in a ring of any capacity.
#[derive(Clone, Debug)]
enum Size {
    Small(usize),
    /// So much less than the longest.
    Long(usize),
    Any(prop::sample::Index),
}

impl Size {
    fn of(&self, max: usize) -> usize {
        match self {
            Self::Small(size) => *size,
            Self::Long(less) => max - less,
            Self::Any(index) => index.index(max + 1),
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = || {
        let any = any::<prop::sample::Index>().prop_map(Size::Any);
        prop_oneof![(0..80_usize).prop_map(Size::Small), (0..40_usize).prop_map(Size::Long), any]
    };
    let cut = any::<prop::sample::Index>;
    let step = prop_oneof![
        4 => (size(), cut()).prop_map(|(size, cut)| Step::Write { size, cut }),
        2 => (size(), cut()).prop_map(|(size, left)| Step::Shorten { size, left }),
        1 => size().prop_map(|size| Step::Abort { size }),
        3 => cut().prop_map(|cut| Step::Take { cut }),
        2 => (0..3_usize).prop_map(|back| Step::Tell { back }),
    ];
    vec(step, 0..if cfg!(miri) { 40 } else { 300 })
}

/// What a ring is to those who use it: a queue of records, and how far the reader has told.
#[derive(Default)]
struct Model {
    /// Number, size and end of each record that the writer has not been told is taken.
    records: VecDeque<(usize, usize, u64)>,
    /// Of these, so many are taken.
    taken: usize,
    /// Records written, ever.
    written: usize,
    tail: u64,
    head: u64,
}

impl Model {
    /// Where a record of that size would end, if there is room.
    fn end(&self, size: usize, capacity: usize) -> Option<u64> {
        let (stride, left) = (stride(size) as u64, capacity as u64 - self.tail % capacity as u64);
        let end = self.tail + stride + if stride > left { left } else { 0 };
        (end + KEPT as u64 <= self.head + capacity as u64).then_some(end)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 256 }, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_ring_does_what_a_queue_does(steps in steps(), start in 0..5_usize, capacity in 0..3) {
        let (start, capacity) = (start * 48, CAPACITY_MIN << capacity);
        let (mut writer, mut reader) = ring(start, capacity);
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Write { size, cut } => {
                    let size = size.of(writer.payload_max());
                    let claim = writer.claim(size);
                    let end = model.end(size, capacity);
                    prop_assert_eq!(claim.is_some(), end.is_some());
                    if let (Some(claim), Some(end)) = (claim, end) {
                        let (number, payload) = (model.written, payload(model.written, size));
                        let cut = cut.index(size + 1);
                        writer.write(&claim, cut, &payload[cut..]);
                        writer.write(&claim, 0, &payload[..cut]);
                        writer.commit(claim, (number % (usize::from(KIND_MAX) + 1)) as u8, !(number as u32));
                        model.records.push_back((number, size, end));
                        (model.written, model.tail) = (number + 1, end);
                    }
                }
                Step::Shorten { size, left } => {
                    let size = size.of(writer.payload_max());
                    if let (Some(mut claim), Some(end)) = (writer.claim(size), model.end(size, capacity)) {
                        let number = model.written;
                        writer.write(&claim, 0, &payload(number, size));
                        // Behind the same pad, if there is one.
                        let (begin, left) = (end - stride(size) as u64, left.index(size + 1));
                        writer.truncate(&mut claim, left);
                        prop_assert_eq!(claim.size(), left);
                        writer.commit(claim, (number % (usize::from(KIND_MAX) + 1)) as u8, !(number as u32));
                        let end = begin + stride(left) as u64;
                        model.records.push_back((number, left, end));
                        (model.written, model.tail) = (number + 1, end);
                    }
                }
                Step::Abort { size } => {
                    let size = size.of(writer.payload_max());
                    if let Some(claim) = writer.claim(size) {
                        writer.write(&claim, 0, &vec![0xff; size]);
                    }
                }
                Step::Take { cut } => {
                    let first = reader.peek().unwrap();
                    let next = model.records.get(model.taken);
                    prop_assert_eq!(first.is_some(), next.is_some());
                    if let (Some(first), Some(&(number, size, end))) = (first, next) {
                        let record = reader.peek().unwrap().unwrap();
                        prop_assert_eq!(same(&first), same(&record));
                        prop_assert_eq!(usize::from(record.kind), number % (usize::from(KIND_MAX) + 1));
                        prop_assert_eq!((record.note, record.size), (!(number as u32), size));
                        let cut = cut.index(size + 1);
                        let mut bytes = collected(cut, |to| reader.copy_out(&record, 0, to));
                        bytes.extend(collected(size - cut, |to| reader.copy_out(&record, cut, to)));
                        prop_assert_eq!(bytes, payload(number, size));
                        reader.advance(&record);
                        model.taken += 1;
                        prop_assert_eq!(reader.position(), end);
                    }
                }
                Step::Tell { back } => {
                    let told = model.taken.saturating_sub(back);
                    let position = if told == 0 { model.head } else { model.records[told - 1].2 };
                    prop_assert_eq!(writer.reclaim(position), Ok(told as u64));
                    model.records.drain(..told);
                    (model.head, model.taken) = (position, model.taken - told);
                }
            }
            writer.invariants();
            prop_assert_eq!((writer.position(), writer.reclaimed()), (model.tail, model.head));
            prop_assert_eq!(writer.free(), capacity - KEPT - (model.tail - model.head) as usize);
            let unread: Vec<_> = writer.unread().map(|record| (!record.note as usize, record.size)).collect();
            prop_assert_eq!(unread, model.records.iter().map(|&(number, size, _)| (number, size)).collect::<Vec<_>>());
        }
        for (record, (number, size, _)) in writer.unread().zip(model.records) {
            prop_assert_eq!(collected(size, |to| writer.copy_back(&record, 0, to)), payload(number, size));
        }
    }

    /// Rings of any size that go on from one another are one queue, and what the writer has not been told is taken is in the last two.
    #[test]
    fn a_ring_goes_on_in_another(steps in vec((0..8_u8, 0..400_usize), 0..if cfg!(miri) { 40 } else { 400 }), start in 0..5_usize) {
        let start = start * 48;
        let (mut writer, mut reader) = ring(start, CAPACITY_MIN);
        let mut old: Option<Writer<Arc<Heap>>> = None;
        let mut next = None;
        let (mut written, mut taken, mut told) = (0, 0, 0);
        for (step, size) in steps {
            match step {
                0..=2 => written += usize::from(write(&mut writer, 0, written as u32, &payload(written, size))),
                3..=5 => match reader.peek().expect("an honest peer") {
                    Some(record) if record.kind == KIND_MAX => {
                        let (heap, capacity) = next.take().expect("it was announced");
                        reader = Reader::following(heap, start, capacity, record.end());
                    }
                    Some(record) => {
                        prop_assert_eq!(record.note as usize, taken);
                        let bytes = collected(record.size, |to| reader.copy_out(&record, 0, to));
                        prop_assert_eq!(bytes, payload(taken, record.size));
                        reader.advance(&record);
                        taken += 1;
                    }
                    None => prop_assert_eq!(taken, written),
                },
                6 => {
                    let position = reader.position();
                    if let Some(ring) = &mut old {
                        let end = ring.position();
                        ring.reclaim(position.min(end)).expect("an honest peer");
                        if position >= end {
                            old = None;
                        }
                    }
                    if old.is_none() {
                        writer.reclaim(position).expect("an honest peer");
                    }
                    told = taken;
                }
                _ if old.is_none() && next.is_none() => {
                    let capacity = CAPACITY_MIN << (size % 3);
                    let heap = Arc::new(Heap::new(start, capacity));
                    (start..start + capacity).step_by(8).for_each(|at| heap.word(at).store(u64::MAX, Ordering::Relaxed));
                    if let Some(claim) = writer.claim(0) {
                        let after = Writer::following(heap.clone(), start, capacity, claim.end());
                        writer.commit(claim, KIND_MAX, 0);
                        old = Some(std::mem::replace(&mut writer, after));
                        next = Some((heap, capacity));
                    }
                }
                _ => {}
            }
            writer.invariants();
        }
        let unread = old.iter().chain([&writer]).flat_map(Writer::unread).filter(|record| record.kind != KIND_MAX);
        let unread: Vec<_> = unread.map(|record| record.note as usize).collect();
        prop_assert_eq!(unread, (told..written).collect::<Vec<_>>());
    }

    #[test]
    fn a_position_is_the_end_of_a_record_or_corrupt(
        sizes in vec(0..512_usize, 0..40), taken in 0..10_usize, positions in vec(foreign_positions(), 1..20)
    ) {
        let (mut writer, mut reader) = ring(0, CAPACITY_MIN);
        // Not from the start, and over the end.
        for _ in 0..6 {
            prop_assert!(write(&mut writer, 0, 0, &[0; 480]));
            take(&mut reader);
        }
        prop_assert_eq!(writer.reclaim(reader.position()), Ok(6));
        let mut ends = vec![writer.position()];
        for size in sizes {
            if write(&mut writer, 1, 2, &vec![3; size]) {
                ends.push(writer.position());
            }
        }
        let mut last = ends[taken.min(ends.len() - 1)];
        prop_assert_eq!(writer.reclaim(last), Ok(taken.min(ends.len() - 1) as u64));
        for position in positions {
            let position = position.of(writer.position(), last);
            let between = ends.iter().filter(|&&end| end > last && end <= position).count() as u64;
            let expected = match position {
                _ if position < last => Err(Corrupt::PositionBack { position, last }),
                _ if position > writer.position() => Err(Corrupt::PositionAhead { position, end: writer.position() }),
                _ if !ends.contains(&position) => Err(Corrupt::PositionInside { position }),
                _ => Ok(between),
            };
            prop_assert_eq!(writer.reclaim(position), expected);
            if expected.is_ok() {
                last = position;
            }
            prop_assert_eq!(writer.reclaimed(), last);
            writer.invariants();
        }
    }

    #[test]
    fn whatever_the_memory_holds_no_byte_outside_is_read(
        start in 0..5_usize,
        words in vec((any::<prop::sample::Index>(), foreign_words()), 0..200),
        looks in vec((any::<prop::sample::Index>(), foreign_words()), 0..100),
    ) {
        let (start, capacity) = (start * 48, CAPACITY_MIN);
        let heap = Arc::new(Heap::new(start, capacity));
        let poke = |index: prop::sample::Index, word| {
            heap.word(start + 8 * index.index(capacity / 8)).store(word, Ordering::Relaxed);
        };
        words.into_iter().for_each(|(index, word)| poke(index, word));
        let mut reader = Reader::new(heap.clone(), start, capacity);
        for (index, word) in looks {
            // The word it looks at, each second time.
            let offset = start + reader.position() as usize % capacity;
            if word & 1 == 0 {
                heap.word(offset).store(word, Ordering::Relaxed);
            }
            let before = heap.word(offset).load(Ordering::Relaxed);
            match reader.peek() {
                Ok(None) => prop_assert_eq!(before, 0),
                Ok(Some(record)) => {
                    prop_assert!(record.size <= reader.payload_max() && record.kind <= KIND_MAX);
                    // It changes while it is read.
                    heap.word(offset).store(word, Ordering::Relaxed);
                    collected(record.size, |to| reader.copy_out(&record, 0, to));
                    reader.advance(&record);
                }
                Err(corrupt) => {
                    prop_assert!(!corrupt.to_string().is_empty());
                    prop_assert_eq!(reader.peek().unwrap_err(), corrupt);
                }
            }
            poke(index, word);
            prop_assert_eq!(reader.position() % 16, 0);
        }
    }
}

/// Words that are headers, nearly headers, and others.
fn foreign_words() -> impl Strategy<Value = u64> {
    let kind = prop_oneof![0..3_u8, Just(PAD), any::<u8>().prop_map(|kind| kind & PAD)];
    let size = prop_oneof![
        0..64_usize,
        500..530_usize,
        // What pads to the end of the ring say.
        (0..256_usize).prop_map(|records| 16 * records + 8),
        0..1_usize << 24
    ];
    let header = (kind, size, any::<u32>()).prop_map(|(kind, size, note)| Header::new(kind, size, note).0);
    prop_oneof![
        4 => header.clone(),
        1 => header.prop_map(|header| header & !COMMITTED),
        1 => Just(0),
        1 => any::<u64>(),
    ]
}

/// Positions that are a record's end, nearly so, and others.
#[derive(Clone, Copy, Debug)]
enum ForeignPosition {
    Any(u64),
    BeforeLast(u64),
    AfterLast(u64),
    BeforeTail(u64),
    AfterTail(u64),
}

impl ForeignPosition {
    fn of(self, tail: u64, last: u64) -> u64 {
        match self {
            Self::Any(position) => position,
            Self::BeforeLast(by) => last.wrapping_sub(by),
            Self::AfterLast(by) => last + by,
            Self::BeforeTail(by) => tail.wrapping_sub(by),
            Self::AfterTail(by) => tail + by,
        }
    }
}

fn foreign_positions() -> impl Strategy<Value = ForeignPosition> {
    let near = || prop_oneof![3 => (0..300_u64).prop_map(|by| 16 * by), 1 => 0..300_u64];
    prop_oneof![
        any::<u64>().prop_map(ForeignPosition::Any),
        near().prop_map(ForeignPosition::BeforeLast),
        near().prop_map(ForeignPosition::AfterLast),
        near().prop_map(ForeignPosition::BeforeTail),
        near().prop_map(ForeignPosition::AfterTail),
    ]
}

/// Of a record, what can be compared.
fn same(record: &Record) -> (u8, u32, usize, u64, u64) {
    (record.kind, record.note, record.size, record.begin, record.at)
}

#[test]
fn the_longest_record_fits_an_empty_ring_wherever_it_is() {
    let positions = if cfg!(miri) { 230..256 } else { 0..256 };
    for at in positions {
        let (mut writer, mut reader) = ring(0, CAPACITY_MIN);
        for number in 0..at {
            assert!(write(&mut writer, 1, number, &[]));
            take(&mut reader).unwrap();
            writer.reclaim(reader.position()).unwrap();
        }
        assert_eq!(writer.position(), 16 * u64::from(at));
        let longest = payload(1, writer.payload_max());
        assert!(write(&mut writer, 7, 9, &longest));
        assert_eq!(take(&mut reader), Some((7, 9, longest)));
        assert_eq!(writer.reclaim(reader.position()), Ok(1));
    }
}

#[test]
fn an_empty_record_takes_sixteen_bytes_and_all_but_sixteen_are_used() {
    let (mut writer, mut reader) = ring(0, CAPACITY_MIN);
    for number in 0..CAPACITY_MIN / 16 - 1 {
        assert!(write(&mut writer, 1, number as u32, &[]));
    }
    assert_eq!(writer.free(), 0);
    assert!(!write(&mut writer, 1, 0, &[]));
    for number in 0..CAPACITY_MIN / 16 - 1 {
        assert_eq!(take(&mut reader), Some((1, number as u32, vec![])));
    }
    assert_eq!(take(&mut reader), None);
    // Not told: there is no room yet.
    assert!(!write(&mut writer, 1, 0, &[]));
    assert_eq!(writer.reclaim(reader.position()), Ok(CAPACITY_MIN as u64 / 16 - 1));
    assert!(write(&mut writer, 1, 0, &[]));
}

#[test]
fn a_record_of_sixty_four_bytes_takes_eighty() {
    assert_eq!([0, 8, 9, 24, 25, 56, 64].map(stride), [16, 16, 32, 32, 48, 64, 80]);
}

#[test]
fn stale_payload_is_no_header() {
    let (mut writer, mut reader) = ring(0, CAPACITY_MIN);
    let stale = Header::new(5, 40, 0).0.to_ne_bytes().repeat(64);
    for _ in 0..100 {
        for size in [512, 40, 0, 8] {
            assert!(write(&mut writer, 5, 0, &stale[..size]));
            assert_eq!(take(&mut reader).map(|(_, _, payload)| payload.len()), Some(size));
            assert_eq!(take(&mut reader), None);
        }
        writer.reclaim(reader.position()).unwrap();
    }
}

#[test]
fn what_was_committed_is_there_for_a_reader_who_comes_later_and_for_who_wrote_it() {
    let (mut writer, mut reader) = ring(0, CAPACITY_MIN);
    for number in 0..5 {
        assert!(write(&mut writer, 1, number, &payload(number as usize, 100)));
    }
    let claim = writer.claim(100).unwrap();
    writer.write(&claim, 0, &[0xff; 100]);
    drop(claim);
    take(&mut reader).unwrap();
    take(&mut reader).unwrap();
    writer.reclaim(reader.position()).unwrap();
    assert_eq!(writer.unread().map(|record| record.note).collect::<Vec<_>>(), [2, 3, 4]);
    for number in 2..5 {
        assert_eq!(take(&mut reader), Some((1, number, payload(number as usize, 100))));
    }
    assert_eq!(take(&mut reader), None);
}

#[test]
fn each_way_to_be_corrupt_says_which() {
    let heap = Arc::new(Heap::new(0, CAPACITY_MIN));
    let put = |offset, word: u64| heap.word(offset).store(word, Ordering::Relaxed);
    let look = |word: u64| {
        put(0, word);
        Reader::new(heap.clone(), 0, CAPACITY_MIN).peek().map(|record| record.map(|record| record.size)).unwrap_err()
    };
    let corrupt = |header| Corrupt::Header { header, left: CAPACITY_MIN };
    assert_eq!(look(1), corrupt(1));
    let uncommitted = Header::new(3, 16, 0).0 & !COMMITTED;
    assert_eq!(look(uncommitted), corrupt(uncommitted));
    let long = Header::new(3, CAPACITY_MIN / 8 + 1, 0).0;
    assert_eq!(look(long), corrupt(long));
    // A pad of the whole ring, and one that ends before it does.
    for size in [CAPACITY_MIN - 8, 8] {
        let pad = Header::new(PAD, size, 0).0;
        assert_eq!(look(pad), Corrupt::Pad { header: pad, left: CAPACITY_MIN });
    }
    // Near the end of the ring.
    let mut near = Reader::new(heap.clone(), 0, CAPACITY_MIN);
    near.position = 3 * CAPACITY_MIN as u64 - 32;
    let at = CAPACITY_MIN - 32;
    put(at, Header::new(3, 25, 0).0);
    assert_eq!(near.peek().unwrap_err(), Corrupt::Header { header: Header::new(3, 25, 0).0, left: 32 });
    put(at, Header::new(3, 24, 0).0);
    assert_eq!(near.peek().unwrap().unwrap().size, 24);
    put(at, Header::new(PAD, 24, 0).0 & !COMMITTED);
    assert!(matches!(near.peek(), Err(Corrupt::Pad { left: 32, .. })));
    put(at, Header::new(PAD, 24, 0).0);
    for behind in [0, Header::new(PAD, CAPACITY_MIN - 8, 0).0] {
        put(0, behind);
        assert_eq!(near.peek().unwrap_err(), Corrupt::BehindPad { header: behind });
    }
    put(0, 1);
    assert_eq!(near.peek().unwrap_err(), corrupt(1));
    put(0, Header::new(3, 512, 4).0);
    let record = near.peek().unwrap().unwrap();
    near.advance(&record);
    assert_eq!(near.position(), 3 * CAPACITY_MIN as u64 + stride(512) as u64);
}

#[test]
#[should_panic(expected = "at most an eighth")]
fn more_than_an_eighth_is_our_mistake() {
    let _ = ring(0, CAPACITY_MIN).0.claim(CAPACITY_MIN / 8 + 1);
}

#[test]
#[should_panic(expected = "written inside")]
fn a_claim_is_not_written_beyond() {
    let mut writer = ring(0, CAPACITY_MIN).0;
    let claim = writer.claim(10).unwrap();
    writer.write(&claim, 8, &[0; 3]);
}

#[test]
#[should_panic(expected = "read inside")]
fn a_record_is_not_read_beyond() {
    let (mut writer, reader) = ring(0, CAPACITY_MIN);
    assert!(write(&mut writer, 0, 0, &[0; 10]));
    let record = reader.peek().unwrap().unwrap();
    // What fills it up may be read as well.
    reader.copy_out(&record, 8, &mut [MaybeUninit::uninit(); 16]);
    reader.copy_out(&record, 8, &mut [MaybeUninit::uninit(); 17]);
}

#[test]
fn impossible_rings_are_refused() {
    for (start, capacity) in [(8, 4096), (0, 2048), (0, 5000), (0, 2 * CAPACITY_MAX)] {
        assert!(thread::spawn(move || Place::new(start, capacity)).join().is_err());
    }
}

/// Between two threads, each record of a random size: all come, in order and whole.
#[test]
fn records_cross_threads_whole() {
    let (mut writer, mut reader) = ring(0, CAPACITY_MIN);
    let told = Arc::new(AtomicU64::new(0));
    let records = if cfg!(miri) { 100 } else { 50_000 };
    let size = |number: usize| number.wrapping_mul(0x9e37_79b9).rotate_left(7) % 513;
    let producer = {
        let told = told.clone();
        thread::spawn(move || {
            for number in 0..records {
                let payload = payload(number, size(number));
                while !write(&mut writer, 1, number as u32, &payload) {
                    // Acquire: that it was copied out; pairs with Release below.
                    writer.reclaim(told.load(Ordering::Acquire)).unwrap();
                    thread::yield_now();
                }
            }
        })
    };
    let mut next = 0;
    while next < records {
        match take(&mut reader) {
            Some(taken) => {
                assert_eq!(taken, (1, next as u32, payload(next, size(next))));
                told.store(reader.position(), Ordering::Release);
                next += 1;
            }
            None => thread::yield_now(),
        }
    }
    producer.join().unwrap();
}

/// A peer scribbles into the ring, and tells positions, while we read and write: nothing but `Corrupt` comes of it.
#[test]
fn a_peer_that_scribbles_meanwhile_does_no_harm() {
    let heap = Arc::new(Heap::new(0, CAPACITY_MIN));
    let is_over = Arc::new(AtomicBool::new(false));
    let scribbler = {
        let (heap, is_over) = (heap.clone(), is_over.clone());
        thread::spawn(move || {
            let mut random = 1_u64;
            while !is_over.load(Ordering::Relaxed) {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let size = (random >> 20) as usize % 600;
                let kind = if random >> 60 == 0 { PAD } else { (random >> 50) as u8 & 1 };
                let word = if random >> 61 == 7 { random } else { Header::new(kind, size, random as u32).0 };
                heap.word((random >> 32) as usize % (CAPACITY_MIN / 8) * 8).store(word, Ordering::Relaxed);
            }
        })
    };
    let mut reader = Reader::new(heap.clone(), 0, CAPACITY_MIN);
    // As long as it takes, whoever has the core; an interpreter has no time for that.
    let (mut corrupt, mut looks) = (0, 0_u64);
    while corrupt < 1_000 && !(cfg!(miri) && looks == 2_000) {
        looks += 1;
        match reader.peek() {
            Ok(Some(record)) => {
                collected(record.size, |to| reader.copy_out(&record, 0, to));
                reader.advance(&record);
            }
            Ok(None) => thread::yield_now(),
            // Another link begins.
            Err(_) => {
                corrupt += 1;
                reader = Reader::new(heap.clone(), 0, CAPACITY_MIN);
                reader.position = 16 * corrupt;
            }
        }
    }
    is_over.store(true, Ordering::Relaxed);
    scribbler.join().unwrap();
}
