//! Models of every ring, and for each the bugs it is known to catch.
//!
//! Two threads are explored without a bound on preemptions, three with a bound of three. Items count
//! their drops, so a lost, leaked or doubled one fails the model, as does any access to a slot that another thread's is
//! not ordered against. Each check prints how many executions it explored.

use std::cell::Cell;

use super::{
    PopError, PushError,
    broadcast::{gated, lossy},
    mpmc, packed, spsc,
};
use crate::sync::{thread, with_plant};

std::thread_local! {
    /// Executions of the model under way. loom's threads are coroutines of the one that started the model.
    static EXECUTIONS: Cell<u64> = const { Cell::new(0) };
    /// How many items of each number are alive, this execution: 0 again at its end, for all of them.
    static ALIVE: Cell<[i8; ITEMS]> = const { Cell::new([0; ITEMS]) };
}

/// Numbers an [`Item`] may have.
const ITEMS: usize = 4;

/// An item that is counted. Owns no memory, so that a planted bug can double it without harm to the process.
#[derive(Debug)]
struct Item(usize);

impl Item {
    fn new(number: usize) -> Self {
        Self::count(number, 1);
        Self(number)
    }

    /// The number, checked: a slot that was never written could hold anything.
    fn number(&self) -> usize {
        assert!(self.0 < ITEMS, "an item nobody pushed");
        self.0
    }

    fn count(number: usize, change: i8) {
        let mut alive = ALIVE.get();
        if let Some(alive) = alive.get_mut(number) {
            *alive += change;
        }
        ALIVE.set(alive);
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        Self::count(self.0, -1);
    }
}

/// Explores `model` and says how far it got.
fn explore(name: &str, preemption_bound: Option<usize>, model: fn()) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemption_bound;
    EXECUTIONS.set(0);
    builder.check(move || {
        EXECUTIONS.set(EXECUTIONS.get() + 1);
        ALIVE.set([0; ITEMS]);
        model();
        assert_eq!(ALIVE.get(), [0; ITEMS], "each item is dropped once");
    });
    println!("{name}: {} executions", EXECUTIONS.get());
}

/// Asserts that `model` holds, and that it fails with any of `plants` planted.
fn prove(name: &str, preemption_bound: Option<usize>, model: fn(), plants: &[&'static str]) {
    explore(name, preemption_bound, model);
    for &plant in plants {
        assert!(with_plant(plant, || explore(name, preemption_bound, model)), "{name} misses {plant}");
        println!("{name}: caught \"{plant}\" in execution {}", EXECUTIONS.get());
    }
}

/// Pops until Closed, giving way when there is nothing.
fn drain<T>(mut pop: impl FnMut() -> Result<T, PopError>) -> Vec<T> {
    let mut items = Vec::new();
    loop {
        match pop() {
            Ok(item) => items.push(item),
            Err(PopError::Empty) => thread::yield_now(),
            Err(PopError::Closed) => return items,
        }
    }
}

/// Pushes `item`, giving way while the ring is full.
fn insist<T>(mut item: T, mut push: impl FnMut(T) -> Result<(), PushError<T>>) {
    loop {
        match push(item) {
            Ok(()) => return,
            Err(PushError::Full(back)) => item = back,
            Err(PushError::Closed(_)) => panic!("the consumer is still there"),
        }
        thread::yield_now();
    }
}

#[test]
fn spsc_delivers_everything_in_order_and_then_closes() {
    fn model() {
        let (mut producer, mut consumer) = spsc::ring::<Item>(2).unwrap();
        let writer = thread::spawn(move || {
            for i in 0..3 {
                insist(Item::new(i), |item| producer.push(item));
            }
        });
        let items = drain(|| consumer.pop());
        assert_eq!(items.iter().map(Item::number).collect::<Vec<_>>(), [0, 1, 2]);
        writer.join().unwrap();
    }
    let plants = [
        "spsc: mark before item",
        "spsc: mark relaxed",
        "spsc: head relaxed",
        "spsc: producer_gone relaxed",
        "spsc: closed without a second look",
    ];
    prove("spsc order and close", None, model, &plants);
}

#[test]
fn spsc_delivers_batches_in_order_and_drops_none() {
    fn model() {
        let (mut producer, mut consumer) = spsc::ring::<Item>(2).unwrap();
        let pusher = thread::spawn(move || {
            assert!(producer.stage(Item::new(0)).is_ok());
            assert!(producer.stage(Item::new(1)).is_ok());
            producer.publish();
            // Published as the producer is dropped.
            insist(Item::new(2), |item| producer.stage(item).map_err(PushError::Full));
        });
        let items = drain(|| consumer.pop());
        assert_eq!(items.iter().map(Item::number).collect::<Vec<_>>(), [0, 1, 2]);
        pusher.join().unwrap();
    }
    let plants = ["spsc: mark before item", "spsc: mark relaxed", "spsc: head relaxed", "spsc: batch dropped"];
    prove("spsc batches", None, model, &plants);
}

#[test]
fn spsc_drops_what_nobody_popped() {
    fn model() {
        let (mut producer, mut consumer) = spsc::ring::<Item>(2).unwrap();
        let writer = thread::spawn(move || {
            for i in 0..2 {
                let _ = producer.push(Item::new(i));
            }
        });
        let _ = consumer.pop();
        drop(consumer);
        writer.join().unwrap();
    }
    prove("spsc drop", None, model, &["spsc: leak on drop"]);
}

#[test]
fn packed_delivers_everything_in_order_and_then_closes() {
    fn model() {
        let (mut producer, mut consumer) = packed::ring::<Item>(2).unwrap();
        let writer = thread::spawn(move || {
            for i in 0..3 {
                insist(Item::new(i), |item| producer.push(item));
            }
        });
        let items = drain(|| consumer.pop());
        assert_eq!(items.iter().map(Item::number).collect::<Vec<_>>(), [0, 1, 2]);
        writer.join().unwrap();
    }
    let plants = [
        "packed: tail relaxed",
        "packed: head relaxed",
        "packed: producer_gone relaxed",
        "packed: closed without a second look",
    ];
    prove("packed order and close", None, model, &plants);
}

#[test]
fn packed_lends_slots_to_one_side_at_a_time() {
    fn model() {
        let (mut producer, mut consumer) = packed::ring::<Item>(2).unwrap();
        let writer = thread::spawn(move || {
            let mut values = (0..3u8).map(|i| Item::new(i.into()));
            while values.len() > 0 {
                if producer.push_iter(&mut values).is_err() {
                    thread::yield_now();
                }
            }
        });
        let mut items = Vec::new();
        loop {
            match consumer.read(2) {
                Ok(chunk) => items.extend(chunk.pop_iter().map(|item| item.number())),
                Err(PopError::Empty) => thread::yield_now(),
                Err(PopError::Closed) => break,
            }
        }
        assert_eq!(items, [0, 1, 2]);
        writer.join().unwrap();
    }
    prove("packed batches", None, model, &["packed: tail relaxed", "packed: head relaxed"]);
}

#[test]
fn packed_drops_what_nobody_popped() {
    fn model() {
        let (mut producer, mut consumer) = packed::ring::<Item>(2).unwrap();
        let writer = thread::spawn(move || {
            let _ = producer.push_iter((0..2).map(Item::new));
        });
        let _ = consumer.pop();
        drop(consumer);
        writer.join().unwrap();
    }
    prove("packed drop", None, model, &["packed: leak on drop"]);
}

#[test]
fn mpmc_between_two_threads_delivers_everything_in_order_and_then_closes() {
    fn model() {
        let (producer, consumer) = mpmc::ring::<Item>(1).unwrap();
        let writer = thread::spawn(move || {
            for i in 0..3 {
                insist(Item::new(i), |item| producer.push(item));
            }
        });
        let items = drain(|| consumer.pop());
        assert_eq!(items.iter().map(Item::number).collect::<Vec<_>>(), [0, 1, 2]);
        writer.join().unwrap();
    }
    let plants = ["mpmc: turn relaxed", "mpmc: producers relaxed", "mpmc: closed without a second look"];
    prove("mpmc order and close", None, model, &plants);
}

#[test]
fn mpmc_hands_no_slot_to_two_producers() {
    fn model() {
        let (producer, consumer) = mpmc::ring::<Item>(2).unwrap();
        let writers: Vec<_> = (0..2)
            .map(|i| {
                let producer = producer.clone();
                thread::spawn(move || producer.push(Item::new(i)).unwrap())
            })
            .collect();
        drop(producer);
        let mut items: Vec<_> = drain(|| consumer.pop()).iter().map(Item::number).collect();
        items.sort_unstable();
        assert_eq!(items, [0, 1]);
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    }
    prove("mpmc two producers", Some(3), model, &["mpmc: claim without compare", "mpmc: producers relaxed"]);
}

#[test]
fn mpmc_hands_no_item_to_two_consumers() {
    fn model() {
        let (producer, consumer) = mpmc::ring::<Item>(2).unwrap();
        insist(Item::new(0), |item| producer.push(item));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let consumer = consumer.clone();
                thread::spawn(move || consumer.pop().map(|item| item.number()).ok())
            })
            .collect();
        insist(Item::new(1), |item| producer.push(item));
        drop(producer);
        let mut items: Vec<_> = readers.into_iter().filter_map(|reader| reader.join().unwrap()).collect();
        items.extend(drain(|| consumer.pop()).iter().map(Item::number));
        items.sort_unstable();
        assert_eq!(items, [0, 1]);
    }
    prove("mpmc two consumers", Some(3), model, &["mpmc: claim without compare", "mpmc: turn relaxed"]);
}

#[test]
fn mpmc_claims_runs_as_a_whole() {
    fn model() {
        let (producer, consumer) = mpmc::ring::<u64>(2).unwrap();
        let other = producer.clone();
        let writer = thread::spawn(move || other.push_slice(&[1, 2]));
        let pushed = producer.push_slice(&[3, 4]);
        drop(producer);
        let mut items = Vec::new();
        while let Ok(_) | Err(PopError::Empty) = consumer.pop_into(&mut items, 2) {
            thread::yield_now();
        }
        let pushed = pushed.unwrap_or(0) + writer.join().unwrap().unwrap_or(0);
        assert_eq!(items.len(), pushed);
        assert!(matches!(items[..], [1, 2] | [3, 4] | [1, 2, 3, ..] | [3, 4, 1, ..]), "{items:?}");
    }
    prove("mpmc runs", None, model, &["mpmc: claim without compare", "mpmc: turn relaxed"]);
}

#[test]
fn mpmc_drops_what_nobody_popped() {
    fn model() {
        let (producer, consumer) = mpmc::ring::<Item>(2).unwrap();
        let other = producer.clone();
        let writer = thread::spawn(move || drop(other.push(Item::new(0))));
        let _ = producer.push(Item::new(1));
        let _ = consumer.pop();
        drop((producer, consumer));
        writer.join().unwrap();
    }
    prove("mpmc drop", None, model, &["mpmc: leak on drop"]);
}

#[test]
fn lossy_items_are_whole_and_losses_are_counted() {
    fn model() {
        let (mut writer, subscriber) = lossy::ring::<[u64; 2]>(1).unwrap();
        let mut reader = subscriber.subscribe();
        let thread = thread::spawn(move || {
            for i in 1..=2 {
                writer.push([i, i]);
            }
        });
        let mut accounted = 0;
        loop {
            match reader.pop() {
                Ok(item) => {
                    accounted += 1;
                    assert_eq!(item, [accounted, accounted]);
                }
                Err(lossy::ReadError::Lagged(lost)) => accounted += lost,
                Err(lossy::ReadError::Empty) => thread::yield_now(),
                Err(lossy::ReadError::Closed) => break,
            }
        }
        assert_eq!(accounted, 2);
        thread.join().unwrap();
    }
    let plants = [
        "lossy: version relaxed",
        "lossy: no release fence",
        "lossy: no acquire fence",
        "lossy: no second look",
        "lossy: writer_gone relaxed",
        "lossy: closed without a second look",
    ];
    prove("lossy", None, model, &plants);
}

#[test]
fn lossy_readers_that_join_late_start_with_a_whole_item() {
    fn model() {
        let (mut writer, subscriber) = lossy::ring::<[u64; 2]>(2).unwrap();
        let thread = thread::spawn(move || {
            for i in 1..=2 {
                writer.push([i, i]);
            }
            writer
        });
        let mut reader = subscriber.subscribe_oldest();
        if let Ok(item) = reader.pop() {
            assert_eq!(item, [1, 1]);
        }
        thread.join().unwrap();
    }
    prove("lossy late", None, model, &["lossy: version relaxed"]);
}

#[test]
fn gated_reader_gets_everything_and_then_closed() {
    fn model() {
        let (mut writer, subscriber) = gated::ring::<Item>(1, 1).unwrap();
        let mut reader = subscriber.subscribe().unwrap();
        drop(subscriber);
        let thread = thread::spawn(move || {
            for i in 0..2 {
                let mut item = Item::new(i);
                while let Err(gated::Full(back)) = writer.push(item) {
                    item = back;
                    thread::yield_now();
                }
            }
        });
        let mut items = Vec::new();
        loop {
            match reader.read(1) {
                Ok(chunk) => {
                    items.extend(chunk.iter().map(Item::number));
                    chunk.release();
                }
                Err(PopError::Empty) => thread::yield_now(),
                Err(PopError::Closed) => break,
            }
        }
        assert_eq!(items, [0, 1]);
        drop(reader);
        thread.join().unwrap();
    }
    let plants = [
        "gated: tail relaxed",
        "gated: gate relaxed",
        "gated: writer_gone relaxed",
        "gated: closed without a second look",
        "gated: leak on drop",
    ];
    prove("gated", None, model, &plants);
}

#[test]
fn gated_reader_that_joins_late_holds_the_writer() {
    fn model() {
        let (mut writer, subscriber) = gated::ring::<u64>(1, 1).unwrap();
        let thread = thread::spawn(move || {
            let mut pushed = 0;
            for _ in 0..3 {
                pushed += u64::from(writer.push(pushed).is_ok());
            }
            pushed
        });
        let mut reader = subscriber.subscribe().unwrap();
        let first = reader.pop().ok();
        let second = reader.pop().ok();
        if let (Some(first), Some(second)) = (first, second) {
            assert_eq!(second, first + 1);
        }
        drop(reader);
        thread.join().unwrap();
    }
    let plants = [
        "gated: join without fence",
        "gated: scan without fence",
        "gated: join at the early tail",
        "gated: gate relaxed",
        "gated: tail relaxed",
    ];
    prove("gated late", None, model, &plants);
}

#[test]
fn gated_writer_waits_for_whoever_left_its_gate() {
    fn model() {
        let (mut writer, subscriber) = gated::ring::<u64>(1, 1).unwrap();
        let mut reader = subscriber.subscribe().unwrap();
        writer.push(1).unwrap();
        let thread = thread::spawn(move || {
            assert_eq!(reader.peek(), Ok(&1));
            drop(reader);
            subscriber.subscribe().map(drop).unwrap();
        });
        let _ = writer.push(2);
        thread.join().unwrap();
    }
    prove("gated leave", None, model, &["gated: leave relaxed"]);
}

#[test]
fn gated_writer_waits_for_the_slower_of_two() {
    fn model() {
        let (mut writer, subscriber) = gated::ring::<u64>(1, 2).unwrap();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let mut reader = subscriber.subscribe().unwrap();
                thread::spawn(move || reader.pop().ok())
            })
            .collect();
        let pushed = u64::from(writer.push(1).is_ok()) + u64::from(writer.push(2).is_ok());
        for reader in readers {
            assert!(matches!(reader.join().unwrap(), None | Some(1)));
        }
        assert!(pushed > 0);
    }
    prove("gated two readers", Some(3), model, &["gated: gate relaxed", "gated: tail relaxed"]);
}
