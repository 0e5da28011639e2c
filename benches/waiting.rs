//! What a hop costs under each wait policy: round trips over channels, beside crossbeam's.
//!
//! Two threads, pinned to a core each, or both to the same one. Absolute figures drift between runs; ratios inside one
//! run are what counts. `floor` is what a channel has to beat or meet: on two cores a cache line bounced between two
//! spinning threads, and two threads that unpark each other; on one core the latter. `cargo bench --bench waiting`,
//! about a minute; give part of a name to run less.

#![allow(clippy::disallowed_types, reason = "the shim is for the library; the floors are bare atomics")]

use std::{
    hint::spin_loop,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

use criterion::{BenchmarkGroup, Criterion, SamplingMode, criterion_group, criterion_main, measurement::WallTime};
use crossbeam::utils::CachePadded;
use ringway::channel::{self, WaitPolicy};

criterion_group!(waiting, across_cores, on_one_core);
criterion_main!(waiting);

const POLICIES: [(&str, WaitPolicy); 3] =
    [("spin", WaitPolicy::Spin), ("adaptive", WaitPolicy::Adaptive), ("park", WaitPolicy::Park)];
/// Room in each direction; a round trip uses one place.
const CAPACITY: usize = 64;
/// Round trips before the clock starts: what a waiter needs to learn is learnt by then.
const WARM_UP: u64 = 100;

/// One end of a two-way connection.
trait End: Send + 'static {
    fn send(&mut self, number: u64);
    /// None once the other end is gone.
    fn recv(&mut self) -> Option<u64>;
}

fn across_cores(criterion: &mut Criterion) {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let [first, second, ..] = cores[..] else { return eprintln!("one core: nothing to measure across cores") };
    let mut group = group(criterion, "across cores");
    round_trip(&mut group, "floor, cache line", first.id, second.id, lines);
    round_trip(&mut group, "floor, unpark", first.id, second.id, unparks);
    for (name, policy) in POLICIES {
        round_trip(&mut group, name, first.id, second.id, move || channels(policy));
    }
    round_trip(&mut group, "crossbeam", first.id, second.id, crossbeams);
}

fn on_one_core(criterion: &mut Criterion) {
    let Some(&core) = core_affinity::get_core_ids().unwrap_or_default().first() else { return };
    let mut group = group(criterion, "on one core");
    round_trip(&mut group, "floor, unpark", core.id, core.id, unparks);
    // `Spin` is left out: each of its hops would take the scheduler's slice.
    for (name, policy) in &POLICIES[1..] {
        round_trip(&mut group, name, core.id, core.id, move || channels(*policy));
    }
    round_trip(&mut group, "crossbeam", core.id, core.id, crossbeams);
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    group
}

fn round_trip<A: End, B: End>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    core: usize,
    far_core: usize,
    connect: impl Fn() -> (A, B) + Send + Sync,
) {
    group.bench_function(name, |bencher| {
        // The near end runs in a thread of its own too, so that pinning does not outlive the benchmark.
        bencher.iter_custom(|rounds| {
            let (mut near, mut far) = connect();
            let echo = thread::spawn(move || {
                pin(far_core);
                while let Some(number) = far.recv() {
                    far.send(number);
                }
            });
            let measured = thread::spawn(move || {
                pin(core);
                let mut turn = |number| {
                    near.send(number);
                    assert_eq!(near.recv(), Some(number));
                };
                (0..WARM_UP).for_each(&mut turn);
                let start = Instant::now();
                (0..rounds).for_each(&mut turn);
                start.elapsed()
            });
            let elapsed = measured.join().unwrap();
            echo.join().unwrap();
            elapsed
        });
    });
}

fn pin(core: usize) {
    assert!(core_affinity::set_for_current(core_affinity::CoreId { id: core }), "cannot pin to core {core}");
}

/// Two channels, one each way.
struct Channels(channel::Sender<u64>, channel::Receiver<u64>);

fn channels(policy: WaitPolicy) -> (Channels, Channels) {
    let [(mut there, mut arrival), (mut back, mut answer)] = [(); 2].map(|()| channel::spsc(CAPACITY).unwrap());
    for sender in [&mut there, &mut back] {
        sender.set_policy(policy);
    }
    for receiver in [&mut arrival, &mut answer] {
        receiver.set_policy(policy);
    }
    (Channels(there, answer), Channels(back, arrival))
}

impl End for Channels {
    fn send(&mut self, number: u64) {
        self.0.send(number).unwrap();
    }

    fn recv(&mut self) -> Option<u64> {
        self.1.recv().ok()
    }
}

struct Crossbeams(crossbeam::channel::Sender<u64>, crossbeam::channel::Receiver<u64>);

fn crossbeams() -> (Crossbeams, Crossbeams) {
    let (there, arrival) = crossbeam::channel::bounded(CAPACITY);
    let (back, answer) = crossbeam::channel::bounded(CAPACITY);
    (Crossbeams(there, answer), Crossbeams(back, arrival))
}

impl End for Crossbeams {
    fn send(&mut self, number: u64) {
        self.0.send(number).unwrap();
    }

    fn recv(&mut self) -> Option<u64> {
        self.1.recv().ok()
    }
}

/// A number in a cache line of its own; `GONE` is the last.
type Line = Arc<CachePadded<AtomicU64>>;
const GONE: u64 = u64::MAX;

/// Two lines and two spinning threads.
struct Lines {
    out: Line,
    inward: Line,
    seen: u64,
}

fn lines() -> (Lines, Lines) {
    let [there, back] = [(); 2].map(|()| Line::default());
    (Lines { out: there.clone(), inward: back.clone(), seen: 0 }, Lines { out: back, inward: there, seen: 0 })
}

impl End for Lines {
    fn send(&mut self, number: u64) {
        // The turn in the upper half tells a number from its predecessor.
        self.out.store(((self.seen + 1) << 32) | (number & u64::from(u32::MAX)), Ordering::Release);
    }

    fn recv(&mut self) -> Option<u64> {
        loop {
            let word = self.inward.load(Ordering::Acquire);
            if word == GONE {
                return None;
            }
            if word >> 32 > self.seen {
                self.seen = word >> 32;
                return Some(word & u64::from(u32::MAX));
            }
            spin_loop();
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.out.store(GONE, Ordering::Release);
    }
}

/// A word and the thread to unpark: the least a wake-up through the system can be.
#[derive(Default)]
struct Parked {
    word: AtomicU64,
    thread: OnceLock<Thread>,
}

struct Unparks {
    out: Arc<Parked>,
    inward: Arc<Parked>,
}

fn unparks() -> (Unparks, Unparks) {
    let [there, back] = [(); 2].map(|()| Arc::<Parked>::default());
    (Unparks { out: there.clone(), inward: back.clone() }, Unparks { out: back, inward: there })
}

impl Unparks {
    fn put(&self, word: u64) {
        self.out.word.store(word, Ordering::SeqCst);
        if let Some(thread) = self.out.thread.get() {
            thread.unpark();
        }
    }
}

impl End for Unparks {
    fn send(&mut self, number: u64) {
        self.put(number + 1);
    }

    fn recv(&mut self) -> Option<u64> {
        self.inward.thread.get_or_init(thread::current);
        loop {
            match self.inward.word.swap(0, Ordering::SeqCst) {
                0 => thread::park(),
                GONE => return None,
                word => return Some(word - 1),
            }
        }
    }
}

impl Drop for Unparks {
    fn drop(&mut self) {
        self.put(GONE);
    }
}
