//! The chunked queue over all interleavings the memory model allows, and the bugs each model is known to catch.
//!
//! Chunks have two slots here, so three records go over a chunk's end and five use a chunk again. Slots are counted
//! as they are written, read and left over, so a lost, doubled or leaked one fails the model; so does a chunk that is
//! leaked, and any access to a slot or a chunk that another thread's (a free, too) is not ordered against.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p ringway --release --lib --target-dir target/loom chunked -- --nocapture`

use std::{
    cell::Cell,
    mem::{ManuallyDrop, MaybeUninit},
};

use super::{Consumer, Header, Producer, SLOT_BYTES, SlotBody, queue};
use crate::sync::{thread, with_plant};

std::thread_local! {
    /// Executions of the model under way. loom's threads are coroutines of the one that started the model.
    static EXECUTIONS: Cell<u64> = const { Cell::new(0) };
    /// Slots written less slots read or left over, by record, this execution.
    static ALIVE: Cell<[i8; RECORDS]> = const { Cell::new([0; RECORDS]) };
}

/// Records a model may push.
const RECORDS: usize = 8;

fn count(record: usize, change: i8) {
    let mut alive = ALIVE.get();
    if let Some(alive) = alive.get_mut(record) {
        *alive += change;
        assert!(*alive >= 0, "a slot is read twice");
    }
    ALIVE.set(alive);
}

/// What a slot holds: the number of its record and how many slots of it follow, in the header and in every word.
fn header(record: usize, follow: usize) -> Header {
    (record << 4 | follow) as Header
}

fn checked(header: Header, body: &SlotBody) -> (usize, usize) {
    for word in body {
        // SAFETY: `push` writes every word of a slot before it publishes the record.
        assert_eq!(unsafe { word.assume_init() }, u64::from(header), "a slot that is torn or was never written");
    }
    (header as usize >> 4, header as usize & 15)
}

fn leftover(header: Header, body: &SlotBody) {
    count(checked(header, body).0, -1);
}

fn push(producer: &mut Producer, record: usize, slots: usize) {
    let mut begun = producer.begin(slots).unwrap();
    let fill = |body: &mut SlotBody, follow| {
        *body = [MaybeUninit::new(header(record, follow).into()); SLOT_BYTES / 8];
        count(record, 1);
        header(record, follow)
    };
    for follow in (0..slots - 1).rev() {
        producer.write(&mut begun, |body| fill(body, follow));
    }
    producer.publish(begun, |body| fill(body, slots - 1));
    producer.settle();
}

/// Takes one record, if one is there, without publishing that it is taken.
fn pop(consumer: &mut Consumer) -> Option<usize> {
    if !consumer.ready() {
        consumer.look_ahead();
        return None;
    }
    let mut expected = None;
    loop {
        // SAFETY: ready, and the slot read last says that another one follows.
        let (header, body) = unsafe { consumer.read(|header, body| (header, *body)) };
        let (record, follow) = checked(header, &body);
        assert!(expected.is_none_or(|expected| (record, follow) == expected), "slots of a record are out of order");
        count(record, -1);
        if follow == 0 {
            consumer.finish();
            return Some(record);
        }
        expected = Some((record, follow - 1));
    }
}

/// Runs `body` with `half`, which is dropped after it, but not by the unwinding of a model that failed: loom's parts
/// cannot be dropped then.
fn with<H>(half: H, body: impl FnOnce(&mut H)) {
    let mut half = ManuallyDrop::new(half);
    body(&mut half);
    drop(ManuallyDrop::into_inner(half));
}

/// Explores `model` and prints how many executions that took. `preemptions` bounds the involuntary switches of an
/// execution; `None` explores all.
fn explore(name: &str, preemptions: Option<usize>, model: fn()) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    EXECUTIONS.set(0);
    builder.check(move || {
        EXECUTIONS.set(EXECUTIONS.get() + 1);
        ALIVE.set([0; RECORDS]);
        model();
        assert_eq!(ALIVE.get(), [0; RECORDS], "each slot is read or left over, once");
    });
    println!("loom {name}: {} executions", EXECUTIONS.get());
}

/// Asserts that `model` holds, and that it fails with any of `plants` planted.
fn prove(name: &str, preemptions: Option<usize>, model: fn(), plants: &[&'static str]) {
    explore(name, preemptions, model);
    for &plant in plants {
        assert!(with_plant(plant, || explore(name, preemptions, model)), "{name} misses {plant}");
        println!("loom {name}: caught {plant} in execution {}", EXECUTIONS.get());
    }
}

/// The producer pushes records of so many slots as `records` says; the consumer looks `looks` times, takes what it finds
/// and then does `after_each`. Nobody waits; what the consumer did not find is left over.
fn in_order<const N: usize>(records: [usize; N], looks: usize, after_each: fn(&mut Consumer)) {
    let (producer, consumer) = queue(leftover);
    let pushing = thread::spawn(move || {
        with(producer, |producer| {
            records.iter().enumerate().for_each(|(record, slots)| push(producer, record, *slots));
        });
    });
    with(consumer, |consumer| {
        let mut taken = 0;
        for _ in 0..looks {
            if let Some(record) = pop(consumer) {
                assert_eq!(record, taken, "records come in order");
                taken += 1;
                after_each(consumer);
            }
        }
    });
    pushing.join().unwrap();
}

#[test]
fn records_cross_chunk_ends_in_order() {
    fn model() {
        in_order([1, 1, 1], 3, |consumer| consumer.publish_taken());
    }
    let plants = [
        "chunked-first-release",
        "chunked-first-acquire",
        "chunked-publish-release",
        "chunked-ready-acquire",
        "chunked-leak-on-drop",
    ];
    prove("chunked ends", None, model, &plants);
}

#[test]
fn records_of_several_slots_are_whole() {
    fn model() {
        in_order([2, 2], 2, |consumer| consumer.publish_taken());
    }
    /// The second record begins in one chunk and ends in the next.
    fn astride() {
        in_order([1, 2], 2, |consumer| consumer.publish_taken());
    }
    prove("chunked two slots", None, model, &["chunked-publish-release", "chunked-ready-acquire"]);
    prove("chunked astride", None, astride, &["chunked-publish-release", "chunked-ready-acquire"]);
}

#[test]
fn a_chunk_is_used_again_only_when_the_consumer_has_left_it() {
    fn model() {
        in_order([1, 1, 1, 1, 1], 3, |consumer| consumer.publish_taken());
    }
    let plants = [
        "chunked-taken-release",
        "chunked-taken-acquire",
        "chunked-reuse-early",
        "chunked-publish-release",
        "chunked-ready-acquire",
    ];
    prove("chunked reuse", Some(5), model, &plants);
}

#[test]
fn marks_of_an_earlier_use_are_not_read() {
    fn model() {
        in_order([2, 2, 2], 4, |consumer| consumer.publish_taken());
    }
    prove("chunked generations", Some(5), model, &["chunked-same-generation"]);
}

#[test]
fn a_chunk_linked_ahead_of_time_is_whole() {
    fn model() {
        in_order([1, 1, 1], 4, |_| ());
    }
    prove("chunked ahead", Some(5), model, &["chunked-ahead-acquire", "chunked-link-release"]);
}

#[test]
fn trimming_and_using_again_do_not_meet() {
    fn model() {
        in_order([2, 2, 2, 2], 3, |consumer| {
            consumer.publish_taken();
            consumer.trim();
        });
    }
    prove("chunked trim", Some(4), model, &["chunked-lock-acquire", "chunked-lock-release"]);
}
