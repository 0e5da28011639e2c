//! The waiter, its signal and its targets, with real threads.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Awaited, GaveUp, Signal, Sleep, Target, WaitPolicy, Waiter};
use crate::sync::{AtomicU32, AtomicU64, Ordering, heavy_fence, light_fence, prepare_asymmetric_fences, thread};

const TURNS: u64 = if cfg!(miri) { 20 } else { 20_000 };

/// A count that grows, and who waits for it.
#[derive(Debug, Default)]
struct Count {
    value: AtomicU64,
    signal: Signal,
}

impl Count {
    fn add(&self) -> bool {
        self.value.fetch_add(1, Ordering::Release);
        self.signal.fence_and_notify()
    }
}

struct Reaches<'a> {
    of: &'a Count,
    value: u64,
    looks: u32,
    withdrawn: u32,
}

impl<'a> Reaches<'a> {
    fn new(of: &'a Count, value: u64) -> Self {
        Self { of, value, looks: 0, withdrawn: 0 }
    }
}

impl Awaited for Reaches<'_> {
    type Ready = ();

    fn look(&mut self) -> Option<()> {
        self.looks += 1;
        (self.of.value.load(Ordering::Acquire) >= self.value).then_some(())
    }

    fn withdraw(&mut self) {
        self.withdrawn += 1;
    }
}

const POLICIES: [WaitPolicy; 3] = [WaitPolicy::Spin, WaitPolicy::Adaptive, WaitPolicy::Park];

#[test]
fn two_threads_wake_each_other_under_every_policy() {
    for policy in POLICIES {
        let [ours, theirs] = [(); 2].map(|()| Arc::new(Count::default()));
        let echo = {
            let (ours, theirs) = (ours.clone(), theirs.clone());
            thread::spawn(move || {
                let mut waiter = Waiter::new(policy);
                for turn in 1..=TURNS {
                    waiter.wait(&ours.signal, None, &mut Reaches::new(&ours, turn)).unwrap();
                    theirs.add();
                }
            })
        };
        let mut waiter = Waiter::new(policy);
        for turn in 1..=TURNS {
            ours.add();
            waiter.wait(&theirs.signal, None, &mut Reaches::new(&theirs, turn)).unwrap();
        }
        echo.join().unwrap();
        let counters = waiter.counters();
        assert!(policy != WaitPolicy::Spin || (counters.parks, counters.yields) == (0, 0), "{counters:?}");
        assert!(policy != WaitPolicy::Park || counters.spins_paid == 0, "{counters:?}");
    }
}

#[test]
fn a_deadline_already_passed_means_one_look() {
    for policy in POLICIES {
        let count = Count::default();
        let mut waiter = Waiter::new(policy);
        let mut what = Reaches::new(&count, 1);
        assert_eq!(waiter.wait(&count.signal, Some(Instant::now()), &mut what), Err(GaveUp::TimedOut));
        assert_eq!((what.looks, what.withdrawn), (1, 0));
        count.add();
        assert_eq!(waiter.wait(&count.signal, Some(Instant::now()), &mut what), Ok(()));
        assert_eq!((what.looks, what.withdrawn), (2, 0));
    }
}

#[test]
fn a_deadline_ends_a_wait_and_withdraws_once() {
    for policy in POLICIES {
        let count = Count::default();
        let mut waiter = Waiter::new(policy);
        let mut what = Reaches::new(&count, 1);
        let deadline = Instant::now() + Duration::from_millis(3);
        assert_eq!(waiter.wait(&count.signal, Some(deadline), &mut what), Err(GaveUp::TimedOut));
        assert!(Instant::now() >= deadline);
        let counters = waiter.counters();
        // An adaptive wait may end while it still spins, with nothing announced.
        assert_eq!(what.withdrawn, u32::from(counters.parks > 0));
        assert_eq!(counters.timeouts, 1);
        assert!(!count.add(), "nobody sleeps any more");
    }
}

#[test]
fn a_signal_nobody_sleeps_on_wakes_nobody() {
    let signal = Signal::new();
    assert!(!signal.notify());
    signal.arm();
    assert!(!signal.notify(), "armed, but there is no target");
    signal.arm();
    signal.disarm();
    assert!(!signal.notify());
}

#[derive(Debug, Default)]
struct Turned(AtomicU32);

impl Sleep for Turned {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_loop_is_woken_once_per_arm() {
    let signal = Signal::new();
    let turned = Arc::new(Turned::default());
    assert!(signal.install(Target::Loop(turned.clone())).is_none());
    signal.arm();
    assert!(signal.notify());
    assert!(!signal.notify());
    assert_eq!(turned.0.load(Ordering::Relaxed), 1);
    assert!(matches!(signal.remove(), Some(Target::Loop(_))));
    signal.arm();
    assert!(!signal.notify());
}

#[test]
fn a_waiter_gives_a_displaced_loop_its_place_back() {
    let count = Arc::new(Count::default());
    let turned = Arc::new(Turned::default());
    count.signal.install(Target::Loop(turned.clone()));
    let adding = {
        let count = count.clone();
        thread::spawn(move || {
            // Until the waiter has announced that it sleeps, and so displaced the loop: it is woken for nothing once.
            while !count.signal.fence_and_notify() {
                thread::yield_now();
            }
            count.add();
        })
    };
    Waiter::new(WaitPolicy::Park).wait(&count.signal, None, &mut Reaches::new(&count, 1)).unwrap();
    adding.join().unwrap();
    // Once if it was given its place back; before that, the wake was the waiter's.
    let before = turned.0.load(Ordering::Relaxed);
    assert!(before >= 1);
    count.signal.arm();
    assert!(count.add());
    assert_eq!(turned.0.load(Ordering::Relaxed), before + 1);
}

#[test]
#[cfg(target_os = "linux")]
fn an_eventfd_holds_one_wake_up_however_often_it_is_woken() {
    use super::EventTarget;

    let signal = Signal::new();
    let target = EventTarget::new().unwrap();
    signal.install(Target::Eventfd(target.clone()));
    let mut count = [0; 8];
    for _ in 0..3 {
        signal.arm();
        assert!(signal.notify());
        signal.arm();
        assert!(signal.notify());
        assert_eq!(rustix::io::read(target.fd(), &mut count), Ok(8));
        assert_eq!(u64::from_ne_bytes(count), 1);
        // Readable no more, and armed again once drained.
        target.drain();
    }
    signal.arm();
    signal.notify();
    target.drain();
    assert_eq!(rustix::io::read(target.fd(), &mut count), Err(rustix::io::Errno::AGAIN));
}

/// The store-buffer test: each side writes its word, fences, and reads the other's; both must not read the old value.
#[test]
fn light_and_heavy_fences_order_stores_before_loads() {
    prepare_asymmetric_fences();
    let turns = if cfg!(miri) { 20 } else { 2_000 };
    let words: Arc<[[AtomicU32; 2]]> = (0..turns).map(|_| Default::default()).collect();
    let at = Arc::new([const { AtomicU32::new(0) }; 2]);
    let sides = [0, 1].map(|me| {
        let (words, at) = (words.clone(), at.clone());
        thread::spawn(move || {
            let mut seen = Vec::new();
            for (turn, pair) in words.iter().enumerate() {
                // Start together, or there is nothing to order.
                at[me].store(turn as u32 + 1, Ordering::Release);
                while at[1 - me].load(Ordering::Acquire) <= turn as u32 {
                    thread::yield_now();
                }
                pair[me].store(1, Ordering::Relaxed);
                if me == 0 {
                    light_fence();
                } else {
                    assert!(heavy_fence());
                }
                seen.push(pair[1 - me].load(Ordering::Relaxed));
            }
            seen
        })
    });
    let [light, heavy] = sides.map(|side| side.join().unwrap());
    assert!(light.iter().zip(&heavy).all(|(light, heavy)| light + heavy > 0));
}
