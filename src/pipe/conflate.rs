//! The flavor that keeps the newest message only: three slots that two threads exchange.
//!
//! ```text
//!            producer's          middle           consumer's
//!   push ──► ┌────────┐  swap  ┌────────┐  swap  ┌────────┐ ──► pop
//!            │ slot   │ ◄────► │ slot   │ ◄────► │ slot   │
//!            └────────┘        └────────┘        └────────┘
//! ```
//!
//! A triple buffer. The producer fills its slot and swaps it with the one in the middle; the consumer swaps its own,
//! which is empty, with the one in the middle if that is *fresh*, and empties it. Both are one read-modify-write of one
//! word, so neither waits for the other, however slow.
//!
//! | slot | holds |
//! |---|---|
//! | the producer's | nothing, or a message that was replaced before anybody read it, until [`Outlet::settle`] |
//! | the middle one | a message if fresh, nothing otherwise |
//! | the consumer's | nothing |
//!
//! Invariants: the three indices are 0, 1 and 2 in some order. Only a push makes the middle fresh, and while it is, only
//! the consumer makes it stale; so "ready" stays true until the pop.
//!
//! A slot holds a whole [`Message`], so one of several frames is replaced as a whole. There is no credit: a message is
//! always admitted, and high-water marks say nothing here. What was pushed is popped, *conflated* (replaced, and counted
//! by the outlet), or left over when both ends are closed (and counted as lost, see [`super`]); each once.
//!
//! What was replaced is dropped by the producer, after its peer has been told of what replaced it: a destructor may take
//! long, or wait for that peer. Within a batch the next push drops it.

use std::mem;

use super::{Refusal, Way};
use crate::{
    Frame, Message,
    sync::{Arc, AtomicU32, CachePadded, Ordering, UnsafeCell, planted},
};

/// A way with nothing in it.
pub(crate) fn exchange() -> (Outlet, Inlet) {
    let exchange = Arc::new(Exchange {
        middle: CachePadded::new(AtomicU32::new(1)),
        slots: std::array::from_fn(|_| CachePadded::new(UnsafeCell::new(nothing()))),
    });
    (Outlet { exchange: exchange.clone(), own: 0, conflated: 0, unsettled: false }, Inlet { exchange, own: 2 })
}

/// The half an owner pushes into.
#[derive(Debug)]
pub(crate) struct Outlet {
    exchange: Arc<Exchange>,
    /// Index of the producer's slot.
    own: u32,
    /// Messages replaced before anybody read them.
    conflated: u64,
    /// One of them is in our slot.
    unsettled: bool,
}

/// The half an owner pops from.
#[derive(Debug)]
pub(crate) struct Inlet {
    exchange: Arc<Exchange>,
    /// Index of the consumer's slot.
    own: u32,
}

/// What both halves share.
#[derive(Debug)]
struct Exchange {
    /// | bits | meaning | set by | cleared by |
    /// |---|---|---|---|
    /// | 0–1 | index of the slot in the middle | both | both |
    /// | 2, `FRESH` | it holds a message | producer | consumer; the producer, if it closes second |
    middle: CachePadded<AtomicU32>,
    /// Each on cache lines of its own: a slot belongs to one side at a time, and its neighbour to the other.
    slots: [CachePadded<UnsafeCell<Message>>; 3],
}

const INDEX: u32 = 3;
const FRESH: u32 = 4;

// SAFETY: a slot is touched only by the half that holds its index, and the indices are handed over through `middle`,
// with what was done to the slot; a `Message` is `Send`.
unsafe impl Sync for Exchange {}

impl Outlet {
    /// On success `message` is left with nothing in it.
    #[inline]
    pub(crate) fn push(&mut self, way: &Way, message: &mut Message) -> Result<(), Refusal> {
        if way.consumer_gone() {
            return Err(Refusal::Closed);
        }
        self.put(message);
        Ok(())
    }

    /// Makes `message` the newest, and leaves nothing in it.
    pub(super) fn put(&mut self, message: &mut Message) {
        self.exchange.with_slot(self.own, |slot| mem::swap(slot, message));
        // Release: the message in the slot; pairs with Acquire in Inlet::pop_into.
        // Acquire: the emptying of the slot we get back; pairs with Release in Inlet::pop_into.
        let order = swap_order("conflate-push-release", "conflate-push-acquire");
        let before = self.exchange.swap(self.own | FRESH, order, "conflate-push-in-two-steps");
        self.own = before & INDEX;
        self.unsettled = before & FRESH != 0;
        self.conflated += u64::from(self.unsettled);
        // What was in our slot, if the last push was not settled.
        *message = nothing();
    }

    /// Drops the message that the last push replaced.
    #[inline]
    pub(crate) fn settle(&mut self) {
        if mem::take(&mut self.unsettled) {
            drop(self.exchange.empty(self.own));
        }
    }

    /// Messages replaced before anybody read them, so far.
    pub(crate) fn conflated(&self) -> u64 {
        self.conflated
    }

    /// Drops the message nobody has taken, if there is one; the consumer must have closed, and we second. Returns how
    /// many that were.
    pub(crate) fn untaken(&mut self) -> u64 {
        self.settle();
        if planted("conflate-untaken-silent") {
            return 0;
        }
        // Relaxed: the slot is our own writing, or the closing has ordered what the consumer did to it before this.
        let before = self.exchange.middle.swap(self.own, Ordering::Relaxed);
        self.own = before & INDEX;
        self.unsettled = before & FRESH != 0;
        u64::from(self.unsettled)
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        // The other half may stay for long.
        self.settle();
    }
}

impl Inlet {
    #[inline]
    pub(crate) fn ready(&self) -> bool {
        // Relaxed: the swap that takes the message has the Acquire. Whoever sees the producer gone by an Acquire load
        // sees here what it pushed.
        self.exchange.middle.load(Ordering::Relaxed) & FRESH != 0
    }

    /// Puts the newest message into `place`, if there is one nobody has seen; what was there is dropped.
    pub(crate) fn pop_into(&mut self, place: &mut Message) -> bool {
        if !self.ready() {
            return false;
        }
        // Now: its destructor may panic, and the message must not be lost then.
        *place = nothing();
        // Acquire: the message in the slot we get; pairs with Release in Outlet::put.
        // Release: the emptying of the slot we give, by the last pop; pairs with Acquire in Outlet::put.
        let order = swap_order("conflate-pop-release", "conflate-pop-acquire");
        let stale = if planted("conflate-stays-fresh") { self.own | FRESH } else { self.own };
        let before = self.exchange.swap(stale, order, "conflate-pop-in-two-steps");
        self.own = before & INDEX;
        debug_assert!(before & FRESH != 0, "only the consumer takes a message out of the middle");
        self.exchange.with_slot(self.own, |slot| mem::swap(slot, place));
        true
    }

    /// Drops the message that is waiting, if there is one. Returns how many that were.
    pub(crate) fn drain(&mut self) -> u64 {
        u64::from(self.pop_into(&mut nothing()))
    }
}

impl Exchange {
    /// Gives the slot `index`, which must be the caller's, to `f`. Foreign code must not run in it.
    #[inline]
    fn with_slot<R>(&self, index: u32, f: impl FnOnce(&mut Message) -> R) -> R {
        self.slots[index as usize].with_mut(|slot| {
            // SAFETY: the caller holds the index, so nobody else touches the slot, and what the other half did to it
            // came with the index.
            f(unsafe { &mut *slot })
        })
    }

    /// Takes out what is in the slot `index`, which must be the caller's.
    fn empty(&self, index: u32) -> Message {
        self.with_slot(index, |slot| mem::replace(slot, nothing()))
    }

    #[inline]
    fn swap(&self, middle: u32, order: Ordering, in_two_steps: &'static str) -> u32 {
        if planted(in_two_steps) {
            // No load: loom would see no reason to let the other thread in between one and our own store.
            let before = self.middle.fetch_or(0, Ordering::AcqRel);
            self.middle.store(middle, Ordering::Release);
            return before;
        }
        self.middle.swap(middle, order)
    }
}

/// What a slot with nothing in it holds.
#[inline]
fn nothing() -> Message {
    Message::from(Frame::new())
}

/// Acquire and Release; one of them only if the bug that leaves the other out is planted.
#[inline]
fn swap_order(no_release: &'static str, no_acquire: &'static str) -> Ordering {
    if planted(no_release) {
        Ordering::Acquire
    } else if planted(no_acquire) {
        Ordering::Release
    } else {
        Ordering::AcqRel
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::{
        pipe::{
            Crew, Directions, End, Hub, HubOptions, Joined, Losses, Lost, Outward, Profile, Side, Tie, conflating_pair,
            tests::{Bomb, message_of_kind},
        },
        sync::{AtomicUsize, thread},
    };

    const KINDS: usize = 7;
    /// High-water marks, to be ignored.
    const OPTIONS: HubOptions = HubOptions { send_hwm: 1, recv_hwm: 1, seats: 8 };

    fn number(message: &Message) -> u64 {
        u64::from_le_bytes(message.frames().last().unwrap().as_bytes().try_into().unwrap())
    }

    fn numbered(number: u64) -> Message {
        Message::from(number.to_le_bytes())
    }

    fn pop(end: &mut End) -> Option<Message> {
        let mut place = nothing();
        end.pop_into(&mut place).then_some(place)
    }

    fn push(end: &mut End, mut message: Message) -> Result<(), Refusal> {
        end.admits()?;
        end.push(&mut message)?;
        assert_eq!(message, nothing());
        end.settle_outlet();
        Ok(())
    }

    /// A pipe both of whose sockets are known, or only the one that connected.
    fn pipe(bound: bool) -> (End, End, Arc<Losses>) {
        let losses = Arc::new(Losses::default());
        let tie = Tie::new(Hub::new(Profile::plain(), OPTIONS, losses.clone()));
        if bound {
            let far = Hub::new(Profile::plain(), OPTIONS, losses.clone());
            tie.introduce(Side::Second, far.clone(), far.profile());
        }
        let (near, far) = conflating_pair(&tie, Directions { forth: true, back: true });
        (near, far, losses)
    }

    #[test]
    fn only_the_newest_is_popped_and_the_rest_is_counted() {
        let (mut near, mut far, _) = pipe(true);
        assert!(pop(&mut far).is_none());
        let mut newest = 0;
        for burst in 1..20 {
            let taken = burst - 1;
            for _ in 0..burst {
                newest += 1;
                push(&mut near, numbered(newest)).unwrap();
                assert!(far.ready());
            }
            assert_eq!(number(&pop(&mut far).unwrap()), newest);
            assert!(!far.ready() && pop(&mut far).is_none());
            assert_eq!(near.conflated(), newest - taken - 1);
        }
        // The way back is another one.
        assert!(!near.ready());
        push(&mut far, numbered(7)).unwrap();
        assert_eq!((number(&pop(&mut near).unwrap()), far.conflated()), (7, 0));
    }

    #[test]
    fn messages_of_every_kind_are_replaced_whole() {
        let (mut near, mut far, _) = pipe(true);
        let (alive, expected_alive) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut pairs = 0;
        for replaced in 0..KINDS {
            // Under Miri each kind once in either role.
            let newer = if cfg!(miri) { replaced + 1..replaced + 2 } else { 0..KINDS };
            for newest in newer {
                push(&mut near, message_of_kind(replaced, &alive)).unwrap();
                push(&mut near, message_of_kind(newest, &alive)).unwrap();
                assert_eq!(pop(&mut far).unwrap(), message_of_kind(newest, &expected_alive));
                assert_eq!(alive.load(Ordering::Relaxed), 0);
                pairs += 1;
            }
        }
        assert_eq!(near.conflated(), pairs);
    }

    #[test]
    fn a_replaced_message_waits_to_be_settled() {
        let alive = Arc::new(AtomicUsize::new(0));
        let message = || message_of_kind(3, &alive);
        let (mut near, far, _) = pipe(true);
        let pushed = |near: &mut End| near.push(&mut message()).map(|()| alive.load(Ordering::Relaxed));
        assert_eq!(pushed(&mut near), Ok(1));
        assert_eq!(pushed(&mut near), Ok(2));
        // As in a batch: the third drops the first.
        assert_eq!(pushed(&mut near), Ok(2));
        near.settle_outlet();
        assert_eq!(alive.load(Ordering::Relaxed), 1);
        assert_eq!(pushed(&mut near), Ok(2));
        // The far end keeps the queue alive, and the newest, but not what was replaced.
        drop(near);
        assert_eq!(alive.load(Ordering::Relaxed), 1);
        drop(far);
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_was_pushed_before_the_sender_left_is_still_popped() {
        let (mut near, mut far, losses) = pipe(true);
        push(&mut near, numbered(1)).unwrap();
        push(&mut near, numbered(2)).unwrap();
        drop(near);
        assert!(far.peer_is_gone() && !far.exhausted());
        assert_eq!(number(&pop(&mut far).unwrap()), 2);
        assert!(far.exhausted());
        drop(far);
        assert_eq!(losses.total(), Lost::default());
    }

    #[test]
    fn a_push_to_a_receiver_that_has_gone_is_refused() {
        let (mut near, far, losses) = pipe(true);
        push(&mut near, numbered(1)).unwrap();
        drop(far);
        let mut message = numbered(2);
        assert_eq!(near.push(&mut message), Err(Refusal::Closed));
        assert_eq!((number(&message), losses.total()), (2, Lost { undelivered: 0, unread: 1 }));
    }

    #[test]
    fn the_message_nobody_takes_is_dropped_once_and_counted() {
        let alive = Arc::new(AtomicUsize::new(0));
        for kind in 0..KINDS {
            for (bound, near_first) in [(true, true), (true, false), (false, true), (false, false)] {
                let (mut near, far, losses) = pipe(bound);
                push(&mut near, message_of_kind(kind, &alive)).unwrap();
                push(&mut near, message_of_kind(kind, &alive)).unwrap();
                assert_eq!(near.conflated(), 1);
                if near_first {
                    drop((near, far))
                } else {
                    drop((far, near))
                }
                let (undelivered, unread) = if bound { (0, 1) } else { (1, 0) };
                assert_eq!(losses.total(), Lost { undelivered, unread });
                assert_eq!(alive.load(Ordering::Relaxed), 0);
            }
        }
    }

    #[test]
    fn both_ends_may_close_at_once_from_two_threads() {
        let alive = Arc::new(AtomicUsize::new(0));
        for _ in 0..if cfg!(miri) { 3 } else { 500 } {
            let (mut near, mut far, losses) = pipe(true);
            let sending = thread::spawn({
                let alive = alive.clone();
                move || {
                    let sent = (0..30).filter(|kind| push(&mut near, message_of_kind(*kind, &alive)).is_ok()).count();
                    (sent as u64, near.conflated())
                }
            });
            let taken = (0..10).filter_map(|_| pop(&mut far)).count() as u64;
            drop(far);
            let (sent, conflated) = sending.join().unwrap();
            let lost = losses.total();
            assert_eq!(sent, taken + conflated + lost.undelivered + lost.unread);
            assert_eq!(alive.load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn a_slow_reader_sees_newer_messages_and_at_last_the_newest() {
        let messages: u64 = if cfg!(miri) { 200 } else { 200_000 };
        let (mut near, mut far, _) = pipe(true);
        let sending = thread::spawn(move || {
            for number in 1..=messages {
                let number = Frame::from(number.to_le_bytes());
                push(&mut near, [number.clone(), number].into_iter().collect()).unwrap();
            }
            near
        });
        let (mut newest, mut taken) = (0, 0);
        while newest < messages {
            let Some(message) = pop(&mut far) else {
                thread::yield_now();
                continue;
            };
            assert_eq!(message[0], message[1]);
            assert!(number(&message) > newest);
            newest = number(&message);
            taken += 1;
        }
        assert_eq!(sending.join().unwrap().conflated(), messages - taken);
    }

    #[test]
    fn a_crew_sends_and_receives_the_newest() {
        let losses = Arc::new(Losses::default());
        let hubs = [Hub::new(Profile::plain(), OPTIONS, losses.clone()), Hub::new(Profile::plain(), OPTIONS, losses)];
        let (mut sender, mut receiver) =
            (Crew::new(hubs[0].clone(), Outward::Balanced), Crew::new(hubs[1].clone(), Outward::Balanced));
        let tie = Tie::new(hubs[0].clone());
        let (near, far) = conflating_pair(&tie, Directions { forth: true, back: false });
        tie.introduce(Side::Second, hubs[1].clone(), hubs[1].profile());
        assert!(matches!((hubs[0].join(near), hubs[1].join(far)), (Joined::Seated, Joined::Seated)));
        for number in 1..=9 {
            let key = sender.writable().unwrap();
            sender.send_to(key, &mut numbered(number)).unwrap();
        }
        let mut batch: std::collections::VecDeque<_> = (10..=20).map(numbered).collect();
        assert_eq!(sender.send_batch(&mut batch), (11, Ok(())));
        let mut received = Vec::new();
        let first = receiver.readable().unwrap();
        assert_eq!(receiver.receive_batch(first, &mut received, 5), 1);
        assert_eq!(received.iter().map(number).collect::<Vec<_>>(), [20]);
        assert_eq!(receiver.readable(), None);
        let mut conflated = 0;
        sender.drop_pipes(|end| {
            conflated += end.conflated();
            true
        });
        assert_eq!(conflated, 19);
    }

    fn bomb() -> Message {
        Frame::from_owner(Bomb).into()
    }

    #[test]
    fn destructors_that_panic_lose_nothing_else() {
        let alive = Arc::new(AtomicUsize::new(0));
        let message = || message_of_kind(3, &alive);
        let (mut near, mut far, losses) = pipe(true);
        // What is in the place a message is popped into.
        near.push(&mut message()).unwrap();
        let mut place = bomb();
        assert!(catch_unwind(AssertUnwindSafe(|| far.pop_into(&mut place))).is_err());
        assert_eq!((place.size(), pop(&mut far).unwrap().size()), (0, 1000));
        // What is replaced, by itself and in a batch.
        near.push(&mut bomb()).unwrap();
        near.push(&mut message()).unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| near.settle_outlet())).is_err());
        near.settle_outlet();
        near.push(&mut bomb()).unwrap();
        near.push(&mut message()).unwrap();
        let mut last = message();
        assert!(catch_unwind(AssertUnwindSafe(|| near.push(&mut last))).is_err());
        assert_eq!((last.size(), near.conflated()), (0, 4));
        assert_eq!(pop(&mut far).unwrap().size(), 1000);
        drop((near, far));
        assert_eq!((alive.load(Ordering::Relaxed), losses.total()), (0, Lost::default()));
    }
}
