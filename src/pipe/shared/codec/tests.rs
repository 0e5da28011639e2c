//! What went into records comes out of them, and what a peer may have written there instead is borne.

use std::sync::Arc;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::ring::record::{CAPACITY_MIN, KIND_MAX, heap::Heap};

type Ring = (Writer<Arc<Heap>>, Reader<Arc<Heap>>);

/// Where it begins in its memory.
const START: usize = 64;

fn ring(capacity: usize) -> Ring {
    let heap = Arc::new(Heap::new(START, capacity));
    (Writer::new(heap.clone(), START, capacity), Reader::new(heap, START, capacity))
}

/// A message of frames so long, each byte of which tells where it belongs.
fn message(sizes: &[usize]) -> Message {
    let frame = |(index, &size): (usize, &usize)| {
        Frame::from((0..size).map(|at| (at * 7 + index * 31) as u8).collect::<Vec<_>>())
    };
    sizes.iter().enumerate().map(frame).collect()
}

/// The message in the next record.
fn taken((_, reader): &mut Ring) -> Result<(Message, Fold), Fault> {
    let record = reader.peek().unwrap().expect("there is one");
    let mut place = Message::from(Frame::new());
    let fold = take(reader, &record, &mut place)?;
    reader.advance(&record);
    Ok((place, fold))
}

/// All that can be said of a message that has come in parts, of which this ring holds no more than some at a time.
fn crossed(ring: &mut Ring, sizes: &[usize], size_max: u64) -> Result<Message, Fault> {
    let mut partial = Partial::new(message(sizes));
    let mut assembly: Option<Assembly> = None;
    loop {
        let is_last = partial.put(&mut ring.0);
        while let Some(record) = ring.1.peek().unwrap() {
            match &mut assembly {
                None => assembly = Some(Assembly::begin(&ring.1, &record, size_max)?),
                Some(assembly) => assembly.add(&ring.1, &record)?,
            }
            ring.1.advance(&record);
        }
        ring.0.reclaim(ring.1.position()).unwrap();
        if is_last {
            let assembly = assembly.expect("there was a part");
            assert!(assembly.is_whole());
            return assembly.finish();
        }
    }
}

/// Puts a record there that says of itself what it likes.
fn claim_so(ring: &mut Ring, kind: u8, note: u32, payload: &[u8]) -> Record {
    let claim = ring.0.claim(payload.len()).expect("there is room");
    ring.0.write(&claim, 0, payload);
    ring.0.commit(claim, kind, note);
    ring.1.peek().unwrap().expect("there is one")
}

proptest! {
    #[test]
    fn a_message_comes_out_as_it_went_in(sizes in vec(0..70_usize, 1..6), number in any::<Option<Option<u32>>>()) {
        let mut ring = ring(CAPACITY_MIN << 1);
        let fold = match number {
            Some(Some(number)) if sizes.len() == 1 => Fold::Number(number),
            Some(None) if sizes.len() == 1 => Fold::Delimiter,
            _ => Fold::Nothing,
        };
        let message = message(&sizes);
        let shape = Shape::of(&message, fold);
        prop_assume!(shape.size <= ring.0.payload_max());
        prop_assert!(put(&mut ring.0, &message, shape));
        prop_assert_eq!(size(&ring.1.peek().unwrap().unwrap()), message.size() as u64);
        prop_assert_eq!(taken(&mut ring), Ok((message, fold)));
    }

    #[test]
    fn a_long_message_comes_out_as_it_went_in(sizes in vec(prop_oneof![0..300_usize, 4000..9000_usize], 1..6)) {
        let size = sizes.iter().sum::<usize>();
        prop_assume!(size > 0);
        let mut ring = ring(CAPACITY_MIN);
        prop_assert_eq!(crossed(&mut ring, &sizes, size as u64), Ok(message(&sizes)));
        prop_assert_eq!(crossed(&mut ring, &sizes, size as u64 - 1), Err(Fault::TooLong));
    }

    #[test]
    fn what_a_peer_says_is_a_message_or_a_fault(
        kind in 0..=KIND_MAX,
        note in prop_oneof![0..8_u32, any::<u32>()],
        payload in vec(prop_oneof![Just(0_u8), 0..9_u8, any::<u8>()], 0..120),
        size_max in 0..200_u64,
    ) {
        let mut ring = ring(CAPACITY_MIN);
        let record = claim_so(&mut ring, kind, note, &payload);
        let mut place = Message::from(Frame::new());
        if take(&ring.1, &record, &mut place).is_ok() {
            prop_assert!(place.size() <= payload.len());
            prop_assert_eq!(place.size() as u64, size(&record));
        }
        if let Ok(assembly) = Assembly::begin(&ring.1, &record, size_max)
            && assembly.is_whole()
            && let Ok(message) = assembly.finish()
        {
            prop_assert!(message.size() as u64 <= size_max);
        }
    }
}

/// More frames than there may be would make room for bytes beyond the limit: their lengths do not count.
#[test]
fn a_peer_that_says_it_has_many_frames_sends_no_more_bytes() {
    const LIMIT: u64 = 1000;
    let mut small = ring(CAPACITY_MIN);
    let payload: Vec<u8> = [1_u64 << 40, 1 << 38].into_iter().flat_map(u64::to_le_bytes).collect();
    let record = claim_so(&mut small, FIRST, u32::from(LIST), &payload);
    assert_eq!(Assembly::begin(&small.1, &record, LIMIT).err(), Some(Fault::List));
    // As many as there may be, in whose place one frame comes.
    let whole = LIMIT + (FRAMES_MAX * LENGTH) as u64;
    let mut payload: Vec<u8> = [whole, FRAMES_MAX as u64].into_iter().flat_map(u64::to_le_bytes).collect();
    payload.extend((whole as u32 - LENGTH as u32).to_le_bytes());
    let mut ring = ring(1 << 20);
    payload.resize(ring.0.payload_max(), 0);
    let record = claim_so(&mut ring, FIRST, u32::from(LIST), &payload);
    let mut assembly = Assembly::begin(&ring.1, &record, LIMIT).unwrap();
    ring.1.advance(&record);
    while !assembly.is_whole() {
        let rest = (assembly.whole - assembly.bytes.len()).min(ring.0.payload_max());
        let record = claim_so(&mut ring, PART, 0, &vec![0; rest]);
        assembly.add(&ring.1, &record).unwrap();
        ring.1.advance(&record);
    }
    assert_eq!(assembly.finish(), Err(Fault::List));
}
