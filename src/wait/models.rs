//! Programs for the model checkers: production types, small worlds. loom runs them over all interleavings, shuttle
//! with more turns over sampled ones. A lost wake-up shows as a deadlock, which both report as a panic.
//!
//! Shared parts are counted by `std`'s `Arc`: loom's cannot be dropped by the unwinding of a model that failed.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Announcer, Awaited, Crowd, GaveUp, Signal, Sleep, Summons, Target, WaitPolicy, Waiter};
use crate::sync::{AtomicU32, AtomicU64, Ordering, Parker, full_fence, light_fence, planted, thread};

/// The least a message can be: a count that grows.
#[derive(Debug, Default)]
struct Letterbox {
    delivered: AtomicU32,
    signal: Signal,
}

impl Letterbox {
    fn deliver(&self) {
        // Release: what came before the letter; pairs with Acquire in `Letters::look`.
        self.delivered.fetch_add(1, Ordering::Release);
        self.signal.fence_and_notify();
    }
}

/// Waits until `expected` letters were delivered.
struct Letters<'a> {
    of: &'a Letterbox,
    expected: u32,
}

impl Awaited for Letters<'_> {
    type Ready = u32;

    fn look(&mut self) -> Option<u32> {
        // Acquire: pairs with Release in `deliver`.
        let delivered = self.of.delivered.load(Ordering::Acquire);
        (delivered >= self.expected).then_some(delivered)
    }
}

fn await_letters(waiter: &mut Waiter, of: &Letterbox, expected: u32) {
    let delivered = waiter.wait(&of.signal, None, &mut Letters { of, expected });
    assert!(delivered.unwrap() >= expected);
}

/// A waiter that signals end the waits of.
fn interruptible() -> Waiter {
    let mut waiter = Waiter::new(WaitPolicy::Park);
    waiter.set_interruptible(true);
    waiter
}

/// Waits as often as it is interrupted.
fn insist<A: Awaited>(waiter: &mut Waiter, signal: &Signal, what: &mut A, interrupted: impl Fn()) -> A::Ready {
    loop {
        match waiter.wait(signal, None, what) {
            Ok(ready) => return ready,
            Err(reason) => {
                assert_eq!(reason, GaveUp::Interrupted);
                interrupted();
            }
        }
    }
}

/// A sender and a receiver of `letters` messages; the receiver's half is dropped while the last wake may be in flight.
pub(super) fn messages(letters: u32) {
    let letterbox = Arc::new(Letterbox::default());
    let sender = {
        let letterbox = Arc::clone(&letterbox);
        thread::spawn(move || (0..letters).for_each(|_| letterbox.deliver()))
    };
    let mut waiter = Waiter::new(WaitPolicy::Park);
    for expected in 1..=letters {
        await_letters(&mut waiter, &letterbox, expected);
    }
    drop(waiter);
    drop(letterbox);
    sender.join().unwrap();
}

/// Two wakers, one waiter.
pub(super) fn two_wakers(letters_each: u32) {
    let letterbox = Arc::new(Letterbox::default());
    let senders = [(); 2].map(|()| {
        let letterbox = Arc::clone(&letterbox);
        thread::spawn(move || (0..letters_each).for_each(|_| letterbox.deliver()))
    });
    let mut waiter = Waiter::new(WaitPolicy::Park);
    for expected in 1..=2 * letters_each {
        await_letters(&mut waiter, &letterbox, expected);
    }
    for sender in senders {
        sender.join().unwrap();
    }
}

/// A place for one item, whose consumer only issues a light fence: the producer pays the heavy one.
#[derive(Debug, Default)]
struct Slot {
    pushed: AtomicU32,
    popped: AtomicU32,
    /// 1 while the producer wants to hear of room.
    wanted: AtomicU32,
    room: Signal,
    items: Signal,
}

struct Room<'a> {
    of: &'a Slot,
    pushed: u32,
}

impl Awaited for Room<'_> {
    type Ready = ();

    fn look(&mut self) -> Option<()> {
        // Acquire: pairs with Release in `consume`.
        (self.of.popped.load(Ordering::Acquire) == self.pushed).then_some(())
    }

    fn announce(&mut self) -> bool {
        self.of.wanted.store(1, Ordering::Relaxed);
        true
    }

    fn withdraw(&mut self) {
        self.of.wanted.store(0, Ordering::Relaxed);
    }
}

struct Item<'a> {
    of: &'a Slot,
    popped: u32,
}

impl Awaited for Item<'_> {
    type Ready = ();

    fn look(&mut self) -> Option<()> {
        // Acquire: pairs with Release in `room`.
        (self.of.pushed.load(Ordering::Acquire) > self.popped).then_some(())
    }
}

/// Both directions over a place for one item: full fences forward, asymmetric ones backward.
pub(super) fn room(items: u32) {
    let slot = Arc::new(Slot::default());
    let consumer = {
        let slot = Arc::clone(&slot);
        thread::spawn(move || {
            let mut waiter = Waiter::new(WaitPolicy::Park);
            for popped in 0..items {
                waiter.wait(&slot.items, None, &mut Item { of: &slot, popped }).unwrap();
                // Release: the item is taken; pairs with Acquire in `Room::look`.
                slot.popped.store(popped + 1, Ordering::Release);
                // Light: the position above against the look below; pairs with the heavy fence of the producer's park.
                light_fence();
                if slot.wanted.load(Ordering::Relaxed) == 1 {
                    // The word was announced before `wanted`; a fence of our own makes sure that we see it.
                    slot.room.fence_and_notify();
                }
            }
        })
    };
    let mut waiter = Waiter::new(WaitPolicy::Park);
    for pushed in 0..items {
        waiter.wait(&slot.room, None, &mut Room { of: &slot, pushed }).unwrap();
        // Release: the item; pairs with Acquire in `Item::look`.
        slot.pushed.store(pushed + 1, Ordering::Release);
        slot.items.fence_and_notify();
    }
    consumer.join().unwrap();
}

/// A loop that remembers that it was woken.
#[derive(Debug, Default)]
struct Woken(std::sync::atomic::AtomicBool);

impl Sleep for Woken {
    fn wake(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A thread waits on a signal in which a loop's target is installed: it takes the loop's place and gives it back,
/// while a wake may hold either.
pub(super) fn displaced_target(letters: u32) {
    let letterbox = Arc::new(Letterbox::default());
    let target = Arc::new(Woken::default());
    letterbox.signal.install(Target::Loop(target.clone()));
    let sender = {
        let letterbox = Arc::clone(&letterbox);
        thread::spawn(move || (0..letters).for_each(|_| letterbox.deliver()))
    };
    let mut waiter = Waiter::new(WaitPolicy::Park);
    for expected in 1..=letters {
        await_letters(&mut waiter, &letterbox, expected);
    }
    // Each wait that took its place has woken it.
    target.0.store(false, Ordering::Relaxed);
    // The loop's own sleep: a letter after `arm` wakes it, one before is seen by its look.
    letterbox.signal.arm();
    let seen = letterbox.delivered.load(Ordering::Acquire);
    sender.join().unwrap();
    assert!(seen == letters || target.0.load(Ordering::Relaxed));
    assert!(matches!(letterbox.signal.remove(), Some(Target::Loop(_))));
}

/// The private half moves to another thread between two waits, so that its target must be renewed.
pub(super) fn moved_waiter() {
    let letterbox = Arc::new(Letterbox::default());
    let sender = {
        let letterbox = Arc::clone(&letterbox);
        thread::spawn(move || (0..2).for_each(|_| letterbox.deliver()))
    };
    let mut waiter = Waiter::new(WaitPolicy::Park);
    await_letters(&mut waiter, &letterbox, 1);
    thread::spawn(move || await_letters(&mut waiter, &letterbox, 2)).join().unwrap();
    sender.join().unwrap();
}

/// Waits that time out at once, and then one that does not: wakes left over from the former must not harm the latter.
pub(super) fn timed_out(timeouts: u32) {
    let letterbox = Arc::new(Letterbox::default());
    let sender = {
        let letterbox = Arc::clone(&letterbox);
        thread::spawn(move || (0..2).for_each(|_| letterbox.deliver()))
    };
    let mut waiter = Waiter::new(WaitPolicy::Park);
    let passed = Instant::now() - Duration::from_secs(1);
    for _ in 0..timeouts {
        let _ = waiter.wait(&letterbox.signal, Some(passed), &mut Letters { of: &letterbox, expected: 1 });
    }
    await_letters(&mut waiter, &letterbox, 2);
    sender.join().unwrap();
}

/// Two letterboxes, one of which is to get a letter from each of two senders.
struct Either<'a> {
    boxes: &'a [Arc<Letterbox>; 2],
    expected: u32,
}

impl Awaited for Either<'_> {
    type Ready = ();

    fn look(&mut self) -> Option<()> {
        let delivered: u32 = self.boxes.iter().map(|letterbox| letterbox.delivered.load(Ordering::Acquire)).sum();
        (delivered >= self.expected).then_some(())
    }

    fn announce(&mut self) -> bool {
        // The waiter issues the fence after the last of them.
        self.boxes.iter().for_each(|letterbox| letterbox.signal.announce());
        false
    }

    fn withdraw(&mut self) {
        self.boxes.iter().for_each(|letterbox| letterbox.signal.disarm());
    }
}

/// One waiter on two signals, through a signal of its own that stays installed in both.
pub(super) fn two_signals() {
    let boxes = [Arc::new(Letterbox::default()), Arc::new(Letterbox::default())];
    let own = Arc::new(Signal::new());
    let senders = [0, 1].map(|index| {
        boxes[index].signal.install(Target::Loop(own.clone()));
        let letterbox = Arc::clone(&boxes[index]);
        thread::spawn(move || letterbox.deliver())
    });
    let mut waiter = Waiter::new(WaitPolicy::Park);
    for expected in 1..=2 {
        waiter.wait(&own, None, &mut Either { boxes: &boxes, expected }).unwrap();
    }
    for sender in senders {
        sender.join().unwrap();
    }
}

/// Letters that several takers share.
#[derive(Debug, Default)]
struct Pool {
    letters: AtomicU32,
    crowd: Crowd,
}

impl Pool {
    fn deliver(&self) {
        self.letters.fetch_add(1, Ordering::Release);
        // Full: the letter against the look at sleepers; pairs with the taker's before its last look.
        full_fence();
        self.crowd.notify(1);
    }
}

/// One letter of a pool.
struct Letter<'a> {
    of: &'a Pool,
    seat: &'a Arc<Signal>,
}

impl Awaited for Letter<'_> {
    type Ready = ();

    fn look(&mut self) -> Option<()> {
        let one_less = |letters: u32| letters.checked_sub(1);
        self.of.letters.fetch_update(Ordering::Acquire, Ordering::Relaxed, one_less).ok().map(drop)
    }

    fn announce(&mut self) -> bool {
        self.of.crowd.join(self.seat);
        false
    }

    fn withdraw(&mut self) {
        if self.of.crowd.leave(self.seat) && self.of.letters.load(Ordering::Relaxed) > 0 {
            self.of.crowd.notify(1);
        }
    }
}

/// Two takers of a letter each: a wake spent on one that needs it no more must reach the other.
pub(super) fn two_takers() {
    let pool = Arc::new(Pool::default());
    let takers = [(); 2].map(|()| {
        let pool = Arc::clone(&pool);
        thread::spawn(move || {
            let seat = Arc::new(Signal::new());
            Waiter::new(WaitPolicy::Park).wait(&seat, None, &mut Letter { of: &pool, seat: &seat }).unwrap();
        })
    });
    pool.deliver();
    pool.deliver();
    for taker in takers {
        taker.join().unwrap();
    }
}

/// Waits that a signal ended, by model.
static INTERRUPTS: [std::sync::atomic::AtomicUsize; 4] = [const { std::sync::atomic::AtomicUsize::new(0) }; 4];

fn count_interrupt(model: usize) {
    INTERRUPTS[model].fetch_add(1, std::sync::atomic::Ordering::Relaxed);
}

/// A model in which no signal ended a wait proves nothing.
pub(super) fn assert_interrupted() {
    let counts = INTERRUPTS.each_ref().map(|count| count.load(std::sync::atomic::Ordering::Relaxed));
    assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
}

/// A signal may come at any time of a receiver of `letters` messages: none is lost, and it
/// does not look asleep afterwards.
pub(super) fn interrupted(letters: u32) {
    let letterbox = Arc::new(Letterbox::default());
    let sender = {
        let letterbox = Arc::clone(&letterbox);
        thread::spawn(move || (0..letters).for_each(|_| letterbox.deliver()))
    };
    let killer = {
        let letterbox = Arc::clone(&letterbox);
        thread::spawn(move || letterbox.signal.interrupt())
    };
    let mut waiter = interruptible();
    for expected in 1..=letters {
        insist(&mut waiter, &letterbox.signal, &mut Letters { of: &letterbox, expected }, || {
            count_interrupt(0);
            assert!(!letterbox.signal.is_announced(), "nobody sleeps any more");
        });
    }
    sender.join().unwrap();
    killer.join().unwrap();
}

/// As `displaced_target`, where a signal ends the wait: the loop gets its place back and is woken.
pub(super) fn interrupted_in_anothers_place() {
    let letterbox = Arc::new(Letterbox::default());
    let target = Arc::new(Woken::default());
    letterbox.signal.install(Target::Loop(target.clone()));
    letterbox.signal.arm();
    let sender = {
        let letterbox = Arc::clone(&letterbox);
        thread::spawn(move || letterbox.deliver())
    };
    let killer = {
        let letterbox = Arc::clone(&letterbox);
        thread::spawn(move || letterbox.signal.interrupt())
    };
    let mut waiter = interruptible();
    let waited = waiter.wait(&letterbox.signal, None, &mut Letters { of: &letterbox, expected: 1 });
    if waited == Err(GaveUp::Interrupted) {
        count_interrupt(1);
    }
    sender.join().unwrap();
    killer.join().unwrap();
    // It had announced itself before: whatever became of that, it looks again, or nobody has told it to sleep.
    assert!(waiter.counters().parks == 0 || target.0.load(Ordering::Relaxed), "the loop was not told");
    assert!(matches!(letterbox.signal.remove(), Some(Target::Loop(_))));
}

/// As `room` for one producer whose waits a signal ends: what it announced beyond the signal is taken back.
pub(super) fn interrupted_for_room(items: u32) {
    let slot = Arc::new(Slot::default());
    let consumer = {
        let slot = Arc::clone(&slot);
        thread::spawn(move || {
            for popped in 0..items {
                Waiter::new(WaitPolicy::Park).wait(&slot.items, None, &mut Item { of: &slot, popped }).unwrap();
                slot.popped.store(popped + 1, Ordering::Release);
                light_fence();
                if slot.wanted.load(Ordering::Relaxed) == 1 {
                    slot.room.fence_and_notify();
                }
            }
        })
    };
    let killer = {
        let slot = Arc::clone(&slot);
        thread::spawn(move || slot.room.interrupt())
    };
    let mut waiter = interruptible();
    for pushed in 0..items {
        insist(&mut waiter, &slot.room, &mut Room { of: &slot, pushed }, || {
            count_interrupt(2);
            assert_eq!(slot.wanted.load(Ordering::Relaxed), 0, "room is still wanted");
        });
        slot.pushed.store(pushed + 1, Ordering::Release);
        slot.items.fence_and_notify();
    }
    consumer.join().unwrap();
    killer.join().unwrap();
}

/// Two takers and one letter, which whoever took it puts back. A signal may end the wait of one, which then wants none: a wake
/// that was spent on it must reach the other.
pub(super) fn interrupted_taker() {
    let pool = Arc::new(Pool::default());
    let seat = Arc::new(Signal::new());
    let killer = {
        let (pool, seat) = (Arc::clone(&pool), Arc::clone(&seat));
        thread::spawn(move || {
            seat.interrupt();
            pool.deliver();
        })
    };
    let fickle = {
        let pool = Arc::clone(&pool);
        thread::spawn(move || match interruptible().wait(&seat, None, &mut Letter { of: &pool, seat: &seat }) {
            Ok(()) => pool.deliver(),
            Err(_) => count_interrupt(3),
        })
    };
    let own = Arc::new(Signal::new());
    Waiter::new(WaitPolicy::Park).wait(&own, None, &mut Letter { of: &pool, seat: &own }).unwrap();
    pool.deliver();
    killer.join().unwrap();
    fickle.join().unwrap();
}

/// What the kernel carries from a process to the thread of another that made it: bytes that say nothing.
#[derive(Debug)]
struct Doorbell {
    knocks: AtomicU32,
    parker: Parker,
}

impl Doorbell {
    fn new() -> Self {
        Self { knocks: AtomicU32::new(0), parker: Parker::current() }
    }

    fn knock(&self) {
        self.knocks.fetch_add(1, Ordering::Relaxed);
        self.parker.unpark();
    }

    fn sleep(&self) {
        while self.knocks.load(Ordering::Relaxed) == 0 {
            self.parker.park(None, false);
        }
    }

    fn drain(&self) {
        self.knocks.swap(0, Ordering::Relaxed);
    }
}

/// A count in a segment of its own, and the word of who sleeps until it grows, in another.
#[derive(Debug, Default)]
struct Lane {
    /// Written by the one.
    count: AtomicU64,
    /// Written by the other.
    epoch: AtomicU64,
}

impl Lane {
    /// Counts up to `count`; returns how many knocks that took.
    fn publish(&self, count: u64, summons: &mut Summons, doorbell: &Doorbell) -> u64 {
        // Release: what is counted; pairs with Acquire in `sleep_until`.
        self.count.store(count, Ordering::Release);
        let due = summons.fence_and_is_due(&self.epoch);
        if due {
            doorbell.knock();
        }
        u64::from(due)
    }

    /// Sleeps until it is `count`; returns how often that was announced.
    fn sleep_until(&self, count: u64, announcer: &mut Announcer, doorbell: &Doorbell) -> u64 {
        // Acquire: pairs with Release in `publish`.
        let arrived = || self.count.load(Ordering::Acquire) >= count;
        let mut announced = 0;
        while !arrived() {
            announcer.arm(&self.epoch);
            announced += 1;
            if !planted("epoch-no-second-look") && arrived() {
                break;
            }
            if planted("epoch-drains-late") {
                doorbell.drain();
            }
            doorbell.sleep();
            if !planted("epoch-drains-late") {
                doorbell.drain();
            }
        }
        announcer.withdraw(&self.epoch);
        announced
    }
}

/// One process publishes, up to the last of `awaited`; the other sleeps until each of them. It is knocked for once for each
/// announcement, at most.
pub(super) fn knocked_for(awaited: &'static [u64]) {
    let last = awaited[awaited.len() - 1];
    let (lane, doorbell) = (Arc::new(Lane::default()), Arc::new(Doorbell::new()));
    let waker = {
        let (lane, doorbell) = (Arc::clone(&lane), Arc::clone(&doorbell));
        thread::spawn(move || {
            let mut summons = Summons::default();
            (1..=last).map(|count| lane.publish(count, &mut summons, &doorbell)).sum::<u64>()
        })
    };
    let mut announcer = Announcer::default();
    let announced: u64 = awaited.iter().map(|&count| lane.sleep_until(count, &mut announcer, &doorbell)).sum();
    assert!(waker.join().unwrap() <= announced, "an epoch is answered once");
}

/// Two processes and a ring of one place: the one sleeps while it is full, the other while it is empty.
pub(super) fn knocked_for_room_and_items(items: u64) {
    let (pushed, popped) = (Arc::new(Lane::default()), Arc::new(Lane::default()));
    let consumer_bell = Arc::new(Doorbell::new());
    // The producer makes its own, and gives it away as a descriptor is given, before it needs it.
    let given = Arc::new(crate::sync::Mutex::new(None));
    let (mut announcer, mut summons) = (Announcer::default(), Summons::default());
    let producer = {
        let (pushed, popped) = (Arc::clone(&pushed), Arc::clone(&popped));
        let (consumer_bell, given) = (Arc::clone(&consumer_bell), Arc::clone(&given));
        thread::spawn(move || {
            let bell = Arc::new(Doorbell::new());
            *given.lock() = Some(Arc::clone(&bell));
            let (mut announcer, mut summons) = (Announcer::default(), Summons::default());
            for item in 1..=items {
                popped.sleep_until(item - 1, &mut announcer, &bell);
                pushed.publish(item, &mut summons, &consumer_bell);
            }
        })
    };
    let mut producer_bell = None;
    for item in 1..=items {
        pushed.sleep_until(item, &mut announcer, &consumer_bell);
        let bell = producer_bell.get_or_insert_with(|| given.lock().take().expect("it comes before the first item"));
        popped.publish(item, &mut summons, bell);
    }
    producer.join().unwrap();
}
