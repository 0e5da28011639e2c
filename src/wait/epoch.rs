//! The sleep protocol between two processes, neither of which writes a word of the other's.
//!
//! A [`Signal`](super::Signal) is one word that sleeper and waker both write. Here each side may only read the other's memory: so the
//! sleeper counts epochs in a word of its own, odd while it sleeps or is about to, and the waker remembers which of
//! them it has answered with a *knock*: a byte on a socket, or whatever the kernel carries from one to the other.
//!
//! | sleeper | waker |
//! |---|---|
//! | 1. [`announce`](Announcer::announce): word = a new odd epoch | 1. publishes (a message, room) |
//! | 2. full fence | 2. full fence |
//! | 3. looks again; found: [`withdraw`](Announcer::withdraw), done | 3. [`is_due`](Summons::is_due): reads the word |
//! | 4. sleeps until there is a knock | 4. odd, and not the epoch it answered last: knocks |
//! | 5. takes all knocks there are; looks; found: `withdraw`, done; else back to 1 | |
//!
//! Either the sleeper's second look sees the publication, or the waker's look sees the epoch, as with a signal. The waker
//! answers an epoch once, so a sleeper that was woken for nothing announces *another* before it sleeps again; and it takes
//! the knocks of earlier epochs before it does, or it would take the one that answers the new with them. A knock may come
//! late, in a later epoch: it costs a turn and nothing else. While nobody sleeps a waker pays the fence and a load of a line
//! that does not change.
//!
//! Both fences are [full](crate::sync::full_fence): a [light](crate::sync::light_fence) one is ordered by the kernel
//! against the heavy ones of its own process only.
//!
//! The word is hostile to the waker: any value is possible, at any time. It decides about a knock and about nothing else, so the worst
//! it can do is to have one knock for each publication.

#![forbid(unsafe_code)]

use crate::sync::{AtomicU64, Ordering, full_fence, planted};

/// The sleeper's side of one word that it alone writes.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    /// What the word says: odd while the sleep is announced.
    epoch: u64,
}

impl Announcer {
    /// Announces that the caller is about to sleep: a new odd epoch, also if one is announced already. The caller issues a full
    /// fence, and looks again before it sleeps.
    #[inline]
    pub(crate) fn announce(&mut self, word: &AtomicU64) {
        if planted("epoch-stays") && self.is_announced() {
            return;
        }
        self.set(word, (self.epoch + 1) | 1);
    }

    /// As [`announce`](Self::announce), and the fence. The caller looks again before it sleeps.
    #[inline]
    pub(crate) fn arm(&mut self, word: &AtomicU64) {
        self.announce(word);
        if !planted("epoch-sleeper-no-fence") {
            // Full: the announcement against the look the caller makes next; pairs with the waker's before `is_due`.
            full_fence();
        }
    }

    /// Is a sleep announced?
    #[inline]
    pub(crate) fn is_announced(&self) -> bool {
        self.epoch & 1 == 1
    }

    /// Takes the announcement back, if there is one. A knock in flight may still arrive.
    #[inline]
    pub(crate) fn withdraw(&mut self, word: &AtomicU64) {
        if self.is_announced() {
            self.set(word, self.epoch + 1);
        }
    }

    #[inline]
    fn set(&mut self, word: &AtomicU64, epoch: u64) {
        self.epoch = epoch;
        // Relaxed: nothing is read on the strength of it; the fences order it. A waker that sees it late finds the
        // publication seen, or it knocks for nothing.
        word.store(epoch, Ordering::Relaxed);
    }
}

/// The waker's side of one word that a peer writes.
///
/// Several threads may be wakers, of what each published: two that find the same epoch at the same time may both knock, which
/// does no harm.
#[derive(Debug, Default)]
pub(crate) struct Summons {
    /// The epoch answered last; 0, which is even, before the first.
    last: AtomicU64,
}

impl Summons {
    /// The waker's look, after it published and issued a full fence: is there a sleeper who was not knocked for yet? The
    /// caller then knocks: it is not told again of the same epoch.
    ///
    /// One relaxed load.
    #[inline]
    pub(crate) fn is_due(&self, word: &AtomicU64) -> bool {
        // Relaxed: ordered by the caller's fence, which pairs with the one in `arm`.
        let epoch = word.load(Ordering::Relaxed);
        // Relaxed, here and below: a thread that sees an older answer knocks once more.
        if epoch & 1 == 0 || epoch == self.last.load(Ordering::Relaxed) {
            return false;
        }
        if !planted("epoch-forgotten") {
            self.last.store(epoch, Ordering::Relaxed);
        }
        true
    }

    /// As [`is_due`](Self::is_due), for wakers that did not issue the fence.
    #[inline]
    pub(crate) fn fence_and_is_due(&self, word: &AtomicU64) -> bool {
        if !planted("epoch-waker-no-fence") {
            // Full: the publication before it against the look after it; pairs with the one in `arm`.
            full_fence();
        }
        self.is_due(word)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_answered_once() {
        let (word, mut sleeper, waker) = (AtomicU64::new(0), Announcer::default(), Summons::default());
        assert!(!waker.is_due(&word));
        for _ in 0..3 {
            sleeper.announce(&word);
            assert!(sleeper.is_announced() && waker.is_due(&word) && !waker.is_due(&word));
        }
        sleeper.withdraw(&word);
        assert!(!sleeper.is_announced() && !waker.is_due(&word));
        sleeper.withdraw(&word);
        assert!(!waker.is_due(&word));
        sleeper.arm(&word);
        assert!(waker.fence_and_is_due(&word) && !waker.fence_and_is_due(&word));
    }

    #[test]
    fn any_word_is_borne() {
        let (word, waker) = (AtomicU64::new(0), Summons::default());
        for (value, due) in
            [(u64::MAX, true), (u64::MAX, false), (1, true), (u64::MAX - 1, false), (1, false), (3, true)]
        {
            word.store(value, Ordering::Relaxed);
            assert_eq!(waker.is_due(&word), due, "{value}");
        }
    }
}
