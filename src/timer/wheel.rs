//! A hierarchical timing wheel: very many timers, set and cancelled at a cost that does not depend on how many there are.
//! The clock is an argument.
//!
//! After Varghese and Lauck, *Hashed and Hierarchical Timing Wheels* (1987), scheme 7. Time is counted in ticks of 65.5 µs
//! since the wheel was made. A tick is a number of eight digits to the base 64, and a level of 64 slots belongs to each digit:
//!
//! | level | width of a slot | of all 64 |
//! |---|---|---|
//! | 0 | 65.5 µs, a tick | 4.2 ms |
//! | 1 | 4.2 ms | 268 ms |
//! | 2 | 268 ms | 17.2 s |
//! | 3 | 17.2 s | 18.3 min |
//! | 4 | 18.3 min | 19.5 h |
//! | 5 | 19.5 h | 52 days |
//! | 6 | 52 days | 9.1 years |
//! | 7 | 9.1 years | 584 years |
//!
//! The wheel has *reached* a tick. A timer of a later one is at the level of the most significant digit in which its tick
//! differs from that, in the slot which that digit says. It thereby shares all digits above with the tick reached, and its own
//! is greater. So whatever is in a slot is earlier than what is in the slots after it and at the levels above: the first slot
//! that is not empty, found by counting the zeros in a word for each level, has the next timers. When its earliest is due, the
//! wheel reaches the tick of that one, and what else was in the slot moves to levels below. Timers whose tick is reached are
//! *ripe*: a heap sorts them.
//!
//! A slot is opened when its earliest timer is due, not when its time begins, so that nobody is woken only to move timers. An
//! earliest one that has been cancelled may still wake somebody for nothing.
//!
//! All instants more than 584 years ahead are in the last tick. That costs sorting there, and nothing else: which timer is
//! due and which is earlier is decided by instants. Ticks only have to be in their order.
//!
//! Invariants:
//!
//! - tick of a ripe timer <= reached < tick of one in a slot
//! - digit of the tick reached < digit of a slot with timers, at each level
//! - earliest of a slot <= instant of each timer in it; equal unless timers have been cancelled
//! - the first ripe one is alive; 2 * stale <= entries of the heap
//! - alarm <= the earliest instant, unless there is no timer
//!
//! Costs: `set` takes constant time; if its tick is reached, a push on the heap, which is constant unless the timer is
//! earlier than most there. `cancel` takes constant time, counting a heap's entry taken out among what it cost to put there.
//! `pop_due` moves a timer at most eight times in its life, down a level or more each time, and takes the logarithm of how
//! many are ripe; if nothing is due it compares two instants. Memory is allocated only when more timers are alive, or more in
//! the heap, than ever before, and is kept.
//!
//! It is not shared between threads, and there is no timer that repeats: whoever wants one sets it again.

#![forbid(unsafe_code)]

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fmt, mem,
    time::{Duration, Instant},
};

/// See the module. `T` is what is handed back when a timer fires.
pub(crate) struct Wheel<T> {
    /// Not later than the earliest timer. While there is none: whatever it was, or long after.
    alarm: Instant,
    /// How many timers are alive.
    len: usize,
    /// The tick up to which timers have been taken out of slots.
    reached: u64,
    /// When tick 0 began. What is earlier is in it too.
    start: Instant,
    /// How many timers have ever been set.
    sets: u64,
    /// By level, which slots are not empty. The bit is the digit.
    occupied: [u64; LEVELS],
    /// All levels, one after the other.
    slots: Box<[Slot]>,
    /// Timers in slots, ripe timers, and places for others. Linked by index.
    nodes: Vec<Node<T>>,
    /// A place that is free; [`Node::next`] leads to the others.
    vacant: u32,
    /// What is ripe, the earliest on top, and entries of ripe timers that have been cancelled.
    ripe: BinaryHeap<Reverse<Ripe>>,
    /// How many in the heap are cancelled.
    stale: usize,
}

/// Names a timer, of one wheel, for ever: when that has fired or has been cancelled it names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

const _: () = assert!(size_of::<Key>() == 8);

/// A list of timers in no order.
#[derive(Clone, Debug)]
struct Slot {
    /// Not later than any of them. Means nothing while there is none.
    earliest: Instant,
    /// One of them, or [`NONE`].
    head: u32,
}

/// A place for a timer.
#[derive(Debug)]
struct Node<T> {
    at: Instant,
    /// How many had been set before it.
    order: u64,
    /// Which slot it is in, or [`RIPE`].
    home: u16,
    /// Of the key of the timer that is here or will be. `u32::MAX`: the place is retired.
    generation: u32,
    /// Its neighbours in the list of its slot, or [`NONE`].
    next: u32,
    prev: u32,
    /// There is one exactly while a timer is here.
    value: Option<T>,
}

/// An entry of the heap. Ordered as timers fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ripe {
    at: Instant,
    order: u64,
    key: Key,
}

impl<T> Wheel<T> {
    /// An empty one. `now` is where ticks are counted from; timers may be set for earlier instants all the same. Allocates
    /// 12 KiB.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            alarm: idle(now),
            len: 0,
            reached: 0,
            start: now,
            sets: 0,
            occupied: [0; LEVELS],
            slots: vec![Slot { earliest: now, head: NONE }; LEVELS * SLOTS].into(),
            nodes: Vec::new(),
            vacant: NONE,
            ripe: BinaryHeap::new(),
            stale: 0,
        }
    }

    /// Sets a timer that gives `value` back once `at` has come. If it has already, that is at once.
    ///
    /// # Panics
    ///
    /// If there are 2^32 - 1 timers.
    pub(crate) fn set(&mut self, at: Instant, value: T) -> Key {
        if self.len == 0 || at < self.alarm {
            self.alarm = at;
        }
        let key = self.occupy(at, value);
        self.place(key.index);
        self.invariants();
        key
    }

    /// Takes a timer back. None: it has fired or has been cancelled.
    pub(crate) fn cancel(&mut self, key: Key) -> Option<T> {
        let node = self.nodes.get(key.index as usize).filter(|node| node.generation == key.generation)?;
        let value = if node.home == RIPE {
            self.stale += 1;
            let value = self.vacate(key.index);
            self.tidy();
            value
        } else {
            self.unlink(key.index);
            self.vacate(key.index)
        };
        self.invariants();
        value
    }

    /// Takes out the earliest timer, if `now` has reached it. Of two at the same instant the one set first is earlier.
    #[inline]
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Key, T)> {
        if now < self.alarm {
            return None;
        }
        self.pop_due_slow(now)
    }

    #[cold]
    fn pop_due_slow(&mut self, now: Instant) -> Option<(Key, T)> {
        self.ripen(now);
        let due = self.pop_ripe(now);
        // If nothing is due, this is later than `now`: whoever has slept until the alarm does not hear the same one again.
        self.alarm = self.earliest().unwrap_or_else(|| idle(now));
        self.invariants();
        due
    }

    /// An instant not later than the earliest timer: when to ask for it. It is that timer's own, unless timers have been
    /// cancelled. Whoever sleeps until then and calls [`pop_due`](Self::pop_due) gets a timer, or finds a later instant here.
    #[inline]
    pub(crate) fn next(&self) -> Option<Instant> {
        (self.len > 0).then_some(self.alarm)
    }

    /// Opens slots until a timer is ripe or no slot has a due one.
    fn ripen(&mut self, now: Instant) {
        while self.ripe.is_empty() {
            let Some(slot) = self.first() else { break };
            if self.slots[slot].earliest > now {
                break;
            }
            self.open(slot);
        }
    }

    /// Takes out the first of the ripe timers, if it is due.
    fn pop_ripe(&mut self, now: Instant) -> Option<(Key, T)> {
        let &Reverse(Ripe { at, key, .. }) = self.ripe.peek()?;
        if at > now {
            return None;
        }
        self.ripe.pop();
        let value = self.vacate(key.index);
        self.tidy();
        value.map(|value| (key, value))
    }

    /// Not later than the earliest timer: what the first place to look at says.
    fn earliest(&self) -> Option<Instant> {
        match self.ripe.peek() {
            Some(Reverse(ripe)) => Some(ripe.at),
            None => self.first().map(|slot| self.slots[slot].earliest),
        }
    }

    /// The first slot that has timers, which are earlier than those of all others.
    fn first(&self) -> Option<usize> {
        let level = self.occupied.iter().position(|occupied| *occupied != 0)?;
        Some(level * SLOTS + self.occupied[level].trailing_zeros() as usize)
    }

    /// Reaches the tick of the earliest timer in the first slot, and places those in it anew: at levels below, or as ripe.
    /// If that timer has been cancelled, it may be that none is.
    fn open(&mut self, slot: usize) {
        self.reached = self.tick(self.slots[slot].earliest);
        self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
        let mut index = mem::replace(&mut self.slots[slot].head, NONE);
        while index != NONE {
            let next = self.nodes[index as usize].next;
            self.place(index);
            index = next;
        }
    }

    /// Puts the timer at `index` where it belongs.
    fn place(&mut self, index: u32) {
        let Node { at, order, generation, .. } = self.nodes[index as usize];
        match home(self.tick(at), self.reached) {
            RIPE => {
                self.nodes[index as usize].home = RIPE;
                self.ripe.push(Reverse(Ripe { at, order, key: Key { index, generation } }));
            }
            slot => self.link(index, slot),
        }
    }

    /// Puts the timer at `index` into the list of `slot`.
    fn link(&mut self, index: u32, slot: u16) {
        let Slot { earliest, head } = &mut self.slots[usize::from(slot)];
        let next = mem::replace(head, index);
        let node = &mut self.nodes[index as usize];
        (node.home, node.prev, node.next) = (slot, NONE, next);
        if next == NONE {
            *earliest = node.at;
            self.occupied[usize::from(slot) / SLOTS] |= 1 << (usize::from(slot) % SLOTS);
        } else {
            *earliest = node.at.min(*earliest);
            self.nodes[next as usize].prev = index;
        }
    }

    /// Takes the timer at `index` out of the list it is in.
    fn unlink(&mut self, index: u32) {
        let Node { home, prev, next, .. } = self.nodes[index as usize];
        if next != NONE {
            self.nodes[next as usize].prev = prev;
        }
        if prev != NONE {
            self.nodes[prev as usize].next = next;
            return;
        }
        self.slots[usize::from(home)].head = next;
        if next == NONE {
            self.occupied[usize::from(home) / SLOTS] &= !(1 << (usize::from(home) % SLOTS));
        }
    }

    /// Makes a timer, which is nowhere yet.
    fn occupy(&mut self, at: Instant, value: T) -> Key {
        let order = self.sets;
        self.sets += 1;
        self.len += 1;
        if self.vacant == NONE {
            let index = u32::try_from(self.nodes.len()).ok().filter(|index| *index != NONE);
            let index = index.expect("fewer than 2^32 - 1 timers");
            let (generation, value) = (0, Some(value));
            self.nodes.push(Node { at, order, home: RIPE, generation, next: NONE, prev: NONE, value });
            return Key { index, generation };
        }
        let index = self.vacant;
        let node = &mut self.nodes[index as usize];
        self.vacant = node.next;
        (node.at, node.order, node.value) = (at, order, Some(value));
        Key { index, generation: node.generation }
    }

    /// Ends a timer that is in no list. Its place is free for another, unless no key is left that would tell them apart.
    fn vacate(&mut self, index: u32) -> Option<T> {
        let node = &mut self.nodes[index as usize];
        node.generation += 1;
        if node.generation < u32::MAX {
            node.next = mem::replace(&mut self.vacant, index);
        }
        self.len -= 1;
        node.value.take()
    }

    /// Takes cancelled timers off the top of the heap, and all of them if they are more than half of it.
    fn tidy(&mut self) {
        while self.ripe.peek().is_some_and(|Reverse(ripe)| !is_alive(&self.nodes, ripe.key)) {
            self.ripe.pop();
            self.stale -= 1;
        }
        if 2 * self.stale > self.ripe.len() {
            self.ripe.retain(|Reverse(ripe)| is_alive(&self.nodes, ripe.key));
            self.stale = 0;
        }
    }

    /// The tick that `at` is in: never less for a later instant.
    fn tick(&self, at: Instant) -> u64 {
        let since_ns = at.saturating_duration_since(self.start).as_nanos();
        u64::try_from(since_ns).unwrap_or(u64::MAX) >> TICK_BITS
    }

    /// Those of the module that cost nothing to look at; the tests look at every timer.
    #[inline]
    fn invariants(&self) {
        debug_assert!(self.ripe.len() - self.stale <= self.len && self.len <= self.nodes.len());
        debug_assert!(2 * self.stale <= self.ripe.len());
        debug_assert!(self.ripe.peek().is_none_or(|Reverse(ripe)| is_alive(&self.nodes, ripe.key)));
        debug_assert!((0..LEVELS).all(|level| self.occupied[level] & up_to(digit(self.reached, level)) == 0));
        debug_assert!(self.first().is_none_or(|slot| self.tick(self.slots[slot].earliest) > self.reached));
        debug_assert_eq!(self.earliest().is_none(), self.len == 0);
        debug_assert!(self.earliest().is_none_or(|earliest| self.alarm <= earliest));
    }
}

impl<T> fmt::Debug for Wheel<T> {
    /// How many there are, not what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wheel").field("len", &self.len).field("next", &self.next()).finish_non_exhaustive()
    }
}

/// Has the timer of `key` neither fired nor been cancelled?
fn is_alive<T>(nodes: &[Node<T>], key: Key) -> bool {
    nodes[key.index as usize].generation == key.generation
}

/// Where a timer of tick `tick` belongs when `reached` is.
fn home(tick: u64, reached: u64) -> u16 {
    if tick <= reached {
        return RIPE;
    }
    let level = ((tick ^ reached).ilog2() / DIGIT_BITS) as usize;
    (level * SLOTS) as u16 + digit(tick, level) as u16
}

/// The digit of `tick` at `level`.
fn digit(tick: u64, level: usize) -> u32 {
    (tick >> (level as u32 * DIGIT_BITS)) as u32 % SLOTS as u32
}

/// The bits of slots 0 to `digit`.
fn up_to(digit: u32) -> u64 {
    u64::MAX >> (SLOTS as u32 - 1 - digit)
}

/// An alarm for a wheel without timers. It only has to be so late that looking for some then costs nothing.
fn idle(now: Instant) -> Instant {
    now.checked_add(IDLE).unwrap_or(now)
}

/// A tick is 2^16 ns, 65.5 µs: about how late a thread is woken anyway, so that timers of one tick are few, and 48 bits are
/// left of the 64 that nanoseconds are counted in, the digits of eight levels.
const TICK_BITS: u32 = 16;
/// Bits of a digit: as many slots to a level as bits to the word that says which are not empty.
const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
/// As many as there are digits in the greatest tick.
const LEVELS: usize = (u64::BITS - TICK_BITS).div_ceil(DIGIT_BITS) as usize;
/// No node.
const NONE: u32 = u32::MAX;
/// The home of what is in the heap. Slots have smaller numbers.
const RIPE: u16 = u16::MAX;
/// Ten years.
const IDLE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

const _: () = assert!(LEVELS * SLOTS <= RIPE as usize);

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        rc::Rc,
    };

    use proptest::prelude::*;

    use super::*;

    const TICK_NS: u64 = 1 << TICK_BITS;

    impl<T> Wheel<T> {
        /// Checks what the module promises of every timer. Costs as many steps as there have been timers at once.
        fn every_invariant(&self) {
            self.invariants();
            let mut listed = 0;
            for (slot, Slot { earliest, head }) in self.slots.iter().enumerate() {
                assert_eq!(self.occupied[slot / SLOTS] >> (slot % SLOTS) & 1 == 1, *head != NONE);
                let (mut index, mut prev) = (*head, NONE);
                while index != NONE {
                    let node = &self.nodes[index as usize];
                    assert!(node.value.is_some() && node.prev == prev && *earliest <= node.at && self.alarm <= node.at);
                    assert_eq!(usize::from(node.home), slot);
                    assert_eq!(usize::from(home(self.tick(node.at), self.reached)), slot);
                    listed += 1;
                    (prev, index) = (index, node.next);
                }
            }
            let alive = self.ripe.iter().filter(|Reverse(ripe)| is_alive(&self.nodes, ripe.key));
            for Reverse(ripe) in alive.clone() {
                let node = &self.nodes[ripe.key.index as usize];
                assert!(node.value.is_some() && self.tick(node.at) <= self.reached && self.alarm <= node.at);
                assert_eq!((node.home, node.at, node.order), (RIPE, ripe.at, ripe.order));
            }
            assert_eq!(alive.clone().count() + self.stale, self.ripe.len());
            assert_eq!(alive.count() + listed, self.len);
            let mut free = self.nodes.iter().filter(|node| node.generation == u32::MAX).count();
            let mut index = self.vacant;
            while index != NONE {
                assert!(self.nodes[index as usize].value.is_none());
                free += 1;
                index = self.nodes[index as usize].next;
            }
            assert_eq!(self.len + free, self.nodes.len());
        }

        /// All that is due.
        fn drain(&mut self, now: Instant) -> Vec<T> {
            std::iter::from_fn(|| self.pop_due(now)).map(|(_, value)| value).collect()
        }
    }

    /// Later than a machine's clock begins by more than tests go back.
    fn start() -> Instant {
        Instant::now() + Duration::from_secs(60 * 60)
    }

    fn ns(ns: u64) -> Duration {
        Duration::from_nanos(ns)
    }

    #[test]
    fn one_that_is_not_due_stays() {
        let now = start();
        let afters = [1, TICK_NS - 1, TICK_NS, TICK_NS + 1, 1 << 40, u64::MAX].map(ns);
        for after in afters.into_iter().chain([ns(u64::MAX) * 2]) {
            let mut wheel = Wheel::new(now);
            let key = wheel.set(now + after, after);
            assert_eq!(wheel.pop_due(now + after - ns(1)), None);
            assert_eq!(wheel.pop_due(now + after), Some((key, after)));
            assert_eq!(wheel.len, 0);
            wheel.every_invariant();
        }
    }

    #[test]
    fn one_that_is_past_is_due_at_once_and_in_its_turn() {
        let now = start();
        let mut wheel = Wheel::new(now);
        wheel.set(now, "now");
        wheel.set(now - ns(2), "before");
        wheel.set(now - Duration::from_secs(60), "long before");
        assert_eq!(wheel.next(), Some(now - Duration::from_secs(60)));
        assert_eq!(wheel.drain(now), ["long before", "before", "now"]);
        let later = now + Duration::from_secs(1);
        wheel.set(later, "later");
        assert_eq!(wheel.drain(later), ["later"]);
        wheel.set(later - ns(1), "late");
        wheel.set(now, "too late");
        assert_eq!(wheel.drain(later), ["too late", "late"]);
    }

    #[test]
    fn of_equal_instants_the_one_set_first_is_earlier() {
        let now = start();
        let mut wheel = Wheel::new(now);
        let at = now + Duration::from_secs(1000);
        for value in 0..100 {
            wheel.set(at, value);
            // The wheel goes on meanwhile, and finds them at another level.
            let meanwhile = now + Duration::from_secs(10 * value);
            wheel.set(meanwhile, u64::MAX);
            assert_eq!(wheel.drain(meanwhile), [u64::MAX]);
            wheel.every_invariant();
        }
        assert!(wheel.drain(at).into_iter().eq(0..100));
    }

    #[test]
    fn either_side_of_every_boundary_between_slots_they_are_in_order() {
        let now = start();
        for level in 0..LEVELS {
            let slot = TICK_NS << (level as u32 * DIGIT_BITS);
            let mut wheel = Wheel::new(now);
            let edges = [1, 2, 31, 63].into_iter().flat_map(|digit| {
                [-1 - TICK_NS as i64, -1, 0, 1, TICK_NS as i64].map(|by| (slot * digit).saturating_add_signed(by))
            });
            let edges = edges.collect::<BTreeSet<_>>();
            for &after in edges.iter().rev() {
                wheel.set(now + ns(after), after);
                wheel.every_invariant();
            }
            for after in edges {
                assert_eq!(wheel.next(), Some(now + ns(after)));
                assert!(wheel.pop_due(now + ns(after) - ns(1)).is_none());
                assert_eq!(wheel.drain(now + ns(after)), [after]);
                wheel.every_invariant();
            }
        }
    }

    #[test]
    fn any_distance_works() {
        let now = start();
        let mut wheel = Wheel::new(now);
        let years = |years: u64| now + Duration::from_secs(years * 365 * 24 * 60 * 60);
        let keys = [10_000, 600, 100_000, 1, 600, 583, 585].map(|after| wheel.set(years(after), after));
        assert_eq!(wheel.next(), Some(years(1)));
        assert_eq!(wheel.cancel(keys[3]), Some(1));
        assert_eq!(wheel.drain(years(599)), [583, 585]);
        wheel.set(years(599), 599);
        wheel.every_invariant();
        assert_eq!(wheel.drain(years(99_999)), [599, 600, 600, 10_000]);
        assert_eq!(wheel.next(), Some(years(100_000)));
        assert_eq!(wheel.drain(years(100_000)), [100_000]);
    }

    #[test]
    fn a_key_is_of_one_timer() {
        let now = start();
        let mut wheel = Wheel::new(now);
        let fired = wheel.set(now, "fired");
        assert_eq!(wheel.pop_due(now), Some((fired, "fired")));
        let cancelled = wheel.set(now + ns(1 << 30), "cancelled");
        assert_eq!(wheel.cancel(cancelled), Some("cancelled"));
        let alive = wheel.set(now, "alive");
        assert_eq!((alive.index, wheel.nodes.len()), (fired.index, 1), "the place is used again");
        assert_eq!((wheel.cancel(fired), wheel.cancel(cancelled)), (None, None));
        assert_eq!(wheel.cancel(alive), Some("alive"));
        assert_eq!(wheel.cancel(alive), None);
        assert_eq!(wheel.cancel(Key { index: 7, generation: 0 }), None, "of another wheel");
    }

    #[test]
    fn a_place_is_retired_when_its_keys_are_used_up() {
        let now = start();
        let mut wheel = Wheel::new(now);
        let first = wheel.set(now, 'a');
        wheel.cancel(first);
        wheel.nodes[0].generation = u32::MAX - 1;
        let last = wheel.set(now, 'b');
        assert_eq!((last.index, last.generation), (0, u32::MAX - 1));
        assert_eq!(wheel.cancel(last), Some('b'));
        let other = wheel.set(now, 'c');
        assert_eq!(other.index, 1);
        assert_eq!((wheel.cancel(first), wheel.cancel(last)), (None, None));
        wheel.every_invariant();
        assert_eq!(wheel.drain(now), ['c']);
    }

    #[test]
    fn values_are_dropped_with_their_timers() {
        let now = start();
        let mut wheel = Wheel::new(now);
        let value = Rc::new(());
        let keys = [0, 1 << 20, 1 << 40].map(|after| wheel.set(now + ns(after), Rc::clone(&value)));
        drop(wheel.cancel(keys[1]));
        assert_eq!(Rc::strong_count(&value), 3);
        drop(wheel.pop_due(now));
        assert_eq!(Rc::strong_count(&value), 2);
        drop(wheel);
        assert_eq!(Rc::strong_count(&value), 1);
    }

    #[test]
    fn who_sleeps_until_next_is_woken_once_for_each_timer() {
        let mut now = start();
        let mut wheel = Wheel::new(now);
        let afters = [1, 3 * TICK_NS / 2, 5 << 22, (5 << 22) + 1, 1 << 35, 3 << 47];
        for after in afters {
            wheel.set(now + ns(after), after);
        }
        let mut woken = 0;
        while let Some(next) = wheel.next() {
            now = next;
            assert_eq!(wheel.drain(now).len(), 1);
            woken += 1;
        }
        assert_eq!(woken, afters.len());
    }

    #[test]
    fn who_sleeps_until_next_goes_on_when_timers_are_cancelled() {
        let mut now = start();
        let mut wheel = Wheel::new(now);
        let keys = (0..1000).map(|after| wheel.set(now + ns(after << 20), after)).collect::<Vec<_>>();
        let end = now + ns(999 << 20);
        keys[..999].iter().for_each(|key| assert!(wheel.cancel(*key).is_some()));
        let mut woken = 0;
        loop {
            let next = wheel.next().expect("one is left");
            assert!(next > now || woken == 0);
            now = next;
            woken += 1;
            if wheel.pop_due(now).is_some() {
                break;
            }
        }
        assert_eq!(now, end);
        assert!(woken <= 1 + LEVELS, "{woken} times");
    }

    #[test]
    fn memory_is_for_those_alive_at_once() {
        let mut now = start();
        let mut wheel = Wheel::new(now);
        let rounds = if cfg!(miri) { 20 } else { 2000 };
        for round in 0..rounds {
            let keys = [5, 5, 6, 1 << 21, 1 << 28].map(|after| wheel.set(now + ns(after + round % 3), ()));
            wheel.pop_due(now + ns(5));
            keys[1..4].iter().for_each(|key| assert!(wheel.cancel(*key).is_some()));
            wheel.pop_due(now + ns(7));
            wheel.cancel(keys[4]);
            // Not a tick for each round: the heap has to get rid of what is cancelled by itself.
            now += ns(TICK_NS / 50);
            wheel.every_invariant();
        }
        assert_eq!(wheel.nodes.len(), 5);
        assert!(wheel.ripe.capacity() <= 16, "{}", wheel.ripe.capacity());
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// So long after now, or before.
        Set(Duration, bool),
        /// In the tick that another timer is in, or beside it.
        SetBeside(usize, i64),
        Cancel(usize),
        Pop,
        Drain,
        Advance(Duration),
        /// The clock is asked again, and lags.
        Back(Duration),
        Sleep,
    }

    /// From nanoseconds to ages, and often a little less or more than a slot of some level is wide.
    fn distance() -> impl Strategy<Value = Duration> {
        prop_oneof![
            2 => (0..4_u64).prop_map(ns),
            4 => (0..4 * TICK_NS).prop_map(ns),
            4 => (0..1_u64 << 30).prop_map(ns),
            3 => (0..u64::BITS, 0..u64::MAX).prop_map(|(bits, any)| ns(any >> bits)),
            3 => (TICK_BITS..u64::BITS, 1..64_u64, -2..=2_i64).prop_map(|(bits, times, by)| {
                ns((1_u64 << bits).saturating_mul(times).saturating_add_signed(by))
            }),
            1 => (0..1_u64 << 45).prop_map(Duration::from_secs),
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        let little = (0..3 * TICK_NS).prop_map(ns);
        prop_oneof![
            6 => distance().prop_map(|after| Step::Set(after, true)),
            1 => little.clone().prop_map(|before| Step::Set(before, false)),
            2 => (any::<usize>(), -2..=2_i64).prop_map(|(which, by)| Step::SetBeside(which, by)),
            3 => any::<usize>().prop_map(Step::Cancel),
            4 => Just(Step::Pop),
            1 => Just(Step::Drain),
            2 => distance().prop_map(Step::Advance),
            1 => little.prop_map(Step::Back),
            3 => Just(Step::Sleep),
        ]
    }

    /// A wheel, and what it should be: a sorted map of what is alive.
    struct Model {
        now: Instant,
        wheel: Wheel<usize>,
        /// By instant and order of being set. The order is the value, too.
        sorted: BTreeMap<(Instant, usize), Key>,
        /// By order.
        set: Vec<(Instant, Key)>,
        has_cancelled: bool,
    }

    impl Model {
        fn new() -> Self {
            let now = start();
            let (wheel, sorted, set) = (Wheel::new(now), BTreeMap::new(), Vec::new());
            Self { now, wheel, sorted, set, has_cancelled: false }
        }

        fn set(&mut self, at: Instant) {
            let order = self.set.len();
            let key = self.wheel.set(at, order);
            assert!(self.set.iter().all(|(_, other)| *other != key), "no key is given twice");
            self.sorted.insert((at, order), key);
            self.set.push((at, key));
        }

        fn cancel(&mut self, order: usize) {
            let (at, key) = self.set[order];
            let is_alive = self.sorted.remove(&(at, order)).is_some();
            assert_eq!(self.wheel.cancel(key), is_alive.then_some(order));
            self.has_cancelled |= is_alive;
        }

        fn pop(&mut self) -> bool {
            let due = self.sorted.first_entry().filter(|entry| entry.key().0 <= self.now);
            let due = due.map(|entry| entry.remove_entry()).map(|((_, order), key)| (key, order));
            assert_eq!(self.wheel.pop_due(self.now), due);
            due.is_some()
        }

        fn sleep(&mut self) {
            let Some(next) = self.wheel.next() else { return };
            self.now = self.now.max(next);
            assert!(self.pop() || self.wheel.next().is_none_or(|later| later > next && later > self.now));
        }

        fn step(&mut self, step: Step) {
            match step {
                Step::Set(after, true) => self.set(self.now + after),
                Step::Set(before, false) => self.set(self.now - before),
                Step::SetBeside(which, by) if !self.set.is_empty() => {
                    let beside = self.set[which % self.set.len()].0;
                    self.set(if by < 0 { beside - ns(by.unsigned_abs()) } else { beside + ns(by.unsigned_abs()) });
                }
                Step::Cancel(which) if !self.set.is_empty() => self.cancel(which % self.set.len()),
                Step::SetBeside(..) | Step::Cancel(_) => {}
                Step::Pop => {
                    self.pop();
                }
                Step::Drain => while self.pop() {},
                Step::Advance(by) => self.now += by,
                Step::Back(by) => self.now -= by,
                Step::Sleep => self.sleep(),
            }
            self.compare();
        }

        fn compare(&self) {
            self.wheel.every_invariant();
            assert_eq!(self.wheel.len, self.sorted.len());
            let earliest = self.sorted.first_key_value().map(|(&(at, _), _)| at);
            assert_eq!(self.wheel.next().is_some(), earliest.is_some());
            assert!(self.wheel.next() <= earliest);
            assert!(self.has_cancelled || self.wheel.next() == earliest);
        }
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_map(steps in proptest::collection::vec(step(), 0..200)) {
            let mut model = Model::new();
            steps.into_iter().for_each(|step| model.step(step));
            // Asleep until each, whoever is left.
            while !model.sorted.is_empty() {
                model.sleep();
                model.compare();
            }
        }
    }
}
