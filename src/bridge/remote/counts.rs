//! What links and publications have done so far, for whoever wants to know: on any thread, at any time.

#![forbid(unsafe_code)]

use crate::sync::{Arc, AtomicU64, Ordering};

/// A number that one actor counts up and others look at. Stale only downwards.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: u64) {
        // Relaxed: it says nothing of anything else.
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Of one room: numbers that are counted, and the same as values.
macro_rules! counts {
    ($(#[$of_gauge:meta])* $gauge:ident, $(#[$of_values:meta])* $values:ident, $inner:ident:
        $($(#[$of_field:meta])* $field:ident,)*) => {
        #[derive(Debug, Default)]
        pub(super) struct $inner {
            $(pub(super) $field: Count,)*
        }

        $(#[$of_values])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $values {
            $($(#[$of_field])* pub $field: u64,)*
        }

        $(#[$of_gauge])*
        #[derive(Clone, Debug, Default)]
        pub struct $gauge(pub(super) Arc<$inner>);

        impl $gauge {
            /// How it stands. The numbers are read one after the other, while others count.
            pub fn read(&self) -> $values {
                $values { $($field: self.0.$field.get(),)* }
            }
        }
    };
}

counts! {
    /// Reads what a link has done, also when it has ended: see [`Connection::gauge`](super::Connection::gauge).
    LinkGauge,
    /// What a link has done. What it was told is `taken`, `lost`, or still with it: *told = taken + lost + under way*, where those that
    /// were `refused` are among those `taken`, and those that could not be encoded are not `told`.
    LinkCounts, LinkNumbers:
    /// Times that a session began.
    joined,
    /// Times that one was lost.
    parted,
    /// Messages it was told to pass on.
    told,
    /// Those that the publication says are done with: the actor has come to them, or they were refused.
    taken,
    /// Those that were on their way when the link was lost, of which it is not known whether they were taken; and, when the link ended, all
    /// that were not `taken`, sent or not.
    lost,
    /// Those that the publication did not pass on, and said why; or whose actor has ended, and may have come to them or not.
    refused,
    /// Messages that could not be encoded.
    not_encoded,
    /// Questions it was asked.
    asked,
    /// Questions that were answered.
    answered,
    /// Questions that were not, with the reason told.
    failed,
    /// What came that was no packet, or of no session there is, or of what is not under way in it: the publication is faulty.
    malformed,
}

impl LinkNumbers {
    /// The link has ended, and so has all that counted.
    pub(super) fn lose_the_rest(&self) {
        let accounted = self.taken.get() + self.lost.get();
        self.lost.add(self.told.get().saturating_sub(accounted));
    }
}

counts! {
    /// Reads what a publication has done, also when it has ended: see [`Publication::gauge`](super::Publication::gauge).
    PublicationGauge,
    /// What a publication has done.
    PublicationCounts, PublicationNumbers:
    /// Links that came: a link that comes back counts again.
    hellos,
    /// Of those, how many were turned away.
    turned_away,
    /// Sessions that have ended: the link has left, or is no more.
    parted,
    /// Messages passed on to actors.
    tells,
    /// Messages not passed on: not offered, of another version, not to be read, or their actor had ended.
    tells_refused,
    /// Questions passed on to actors.
    asks,
    /// Questions answered with a reason why there is no answer.
    asks_failed,
    /// What came that was no packet, or one that links do not send.
    malformed,
    /// What came without a hello before it, or of a session that has ended.
    strays,
    /// Sessions that were ended because a link sent more than it was allowed, or did not take what was sent to it.
    overruns,
}
