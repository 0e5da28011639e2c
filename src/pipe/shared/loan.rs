//! Room in the ring that is lent to the application: a record's payload, written where the peer reads it.
//!
//! ```text
//!            Outlet::loan ───────────────► Outlet::push_loan
//!                 │      the application            ▲
//!                 ▼         writes here             │
//!   ring  ┤ … record │ header  payload ............. │  free …
//!                    └ tail: nothing is committed here
//! ```
//!
//! A loan is a [`Claim`] and a mark in [`Outgoing`](super::Outgoing), `is_lent`: while it is there nobody claims or commits, neither
//! the owner nor the session, which is told when the loan is over. Nobody waits for a loan: the pen is taken to begin it and to end it, and is
//! free in between, however long that is. So the lane may be over before the loan is, and then what was written goes another way.
//!
//! | the loan | in the ring | the session |
//! |---|---|---|
//! | is committed | a record | is told, if it came by meanwhile |
//! | is dropped | nothing | likewise |
//! | is forgotten (`mem::forget`) | nothing | hears of it at the owner's next send through the pipe |
//!
//! Invariant: while a loan exists whose bytes somebody can reach, `is_lent` is set, or the lane is over. A loan borrows the socket; so the
//! owner, who is called with the socket borrowed anew, knows that a loan it finds marked was forgotten ([`Lane::end_loan`]). Others who look at the socket
//! meanwhile (`socket::watch`) send nothing.
//!
//! What was never written is what an older lap has left: messages of ours to the same peer, what was lent for it, or zero. The memory
//! is initialised, and the peer could read those bytes all the time.

use std::{cell::OnceCell, sync::Arc as Counted};

use super::{
    Lane, Outgoing, add, codec,
    memory::{Own, Span},
    pen::Held,
};
use crate::{Message, fork, message::Draft, phase, pipe::Fold, ring::record::Claim, sync::planted};

/// See the module. Dropped: nothing has happened.
#[derive(Debug)]
pub(crate) struct Loaned {
    inner: fork::Own<Inner>,
    /// What is written to in a process forked off, where the segment is not.
    stand_in: OnceCell<Box<[u8]>>,
}

#[derive(Debug)]
struct Inner {
    lane: Counted<Lane>,
    /// What the span lies in: the lane's ring may be another by the time that the loan is over, if the lane is.
    _own: Own,
    /// Until it is committed.
    claim: Option<Claim>,
    /// The claimed payload, as much as is left of it.
    span: Span,
}

impl Loaned {
    /// Lends `claim`, the last that was made of the ring that `outgoing`, the pen of `lane`, is for; and marks it as lent.
    pub(super) fn new(lane: &Counted<Lane>, outgoing: &mut Outgoing, claim: Claim) -> Self {
        debug_assert!(!outgoing.is_held, "what is held is not lent");
        (outgoing.is_lent, outgoing.is_held) = (true, true);
        let (own, offset) = (outgoing.writer.memory().clone(), outgoing.writer.offset_of(&claim));
        // SAFETY: we have the segment for as long as the span. The bytes are of a claim, which no record
        // that is committed contains: who reads headers, reads back or reclaims stays away. Nobody claims another before `is_lent`
        // is taken back: who has the pen looks there first (`Outlet::put`, `Lane::load`). That is done when this is dropped or
        // committed, and otherwise by the owner, when nobody can reach this any more (the module's invariant). When the lane is over
        // nobody writes the ring at all. The peer's process only reads.
        let span = unsafe { Span::new(&own, offset, claim.size()) };
        phase::reach("claimed");
        let inner = Inner { lane: lane.clone(), _own: own, claim: Some(claim), span };
        Self { inner: fork::Own::new(inner), stand_in: OnceCell::new() }
    }

    /// What is sent if it is committed.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        if self.inner.is_inherited() { self.stand_in() } else { self.inner.span.bytes() }
    }

    /// As [`bytes`](Self::bytes), to be written.
    #[inline]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        if self.inner.is_inherited() {
            self.stand_in();
            return self.stand_in.get_mut().map_or(&mut [], |bytes| bytes);
        }
        self.inner.span.bytes_mut()
    }

    /// Leaves it its first `size` bytes, if it has more.
    pub(crate) fn truncate(&mut self, size: usize) {
        if self.inner.is_inherited() {
            let mut bytes = self.stand_in.take().unwrap_or_default().into_vec();
            bytes.resize(size.min(self.inner.span.size()), 0);
            _ = self.stand_in.set(bytes.into());
            return;
        }
        self.inner.span.truncate(size);
    }

    /// Does it lie in the ring of `lane`?
    pub(super) fn is_of(&self, lane: &Counted<Lane>) -> bool {
        !self.inner.is_inherited() && Counted::ptr_eq(&self.inner.lane, lane)
    }

    /// Commits it as the only frame of a message with `fold` before it, unless the lane is over. The caller issues a full fence and
    /// tells the reader.
    pub(super) fn commit(mut self, fold: Fold) -> Result<(), Self> {
        let Inner { lane, claim, span, .. } = &mut *self.inner;
        span.store();
        let mut outgoing = lane.take_pen();
        if outgoing.is_over && !planted("lane-over-ignored") {
            drop(outgoing);
            return Err(self);
        }
        let Some(mut claim) = claim.take() else { return Ok(()) };
        if span.size() < claim.size() {
            outgoing.writer.truncate(&mut claim, span.size());
        }
        let size = claim.size() + fold.size();
        phase::reach("written");
        codec::commit(&mut outgoing.writer, claim, fold);
        phase::reach("committed");
        outgoing.direct += 1;
        add(&lane.counts.messages_out, 1);
        add(&lane.counts.bytes_out, size as u64);
        lane.end_loan(outgoing);
        Ok(())
    }

    /// What was written, as a message; the loan is over. `None`: there is no memory for it.
    pub(crate) fn into_message(self) -> Option<Message> {
        let bytes = self.bytes();
        let mut draft = Draft::new(bytes.len())?;
        draft.bytes_mut().copy_from_slice(bytes);
        Some(draft.into_frame().into())
    }

    #[cold]
    fn stand_in(&self) -> &[u8] {
        self.stand_in.get_or_init(|| vec![0; self.inner.span.size()].into())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.claim.take().is_some() {
            self.lane.end_loan(self.lane.take_pen());
        }
    }
}

impl Lane {
    /// What was lent is not any more, if it was: others may write here, and the session is told if it wanted to.
    #[inline]
    pub(super) fn end_loan(&self, mut outgoing: Held<'_, Outgoing>) {
        if !std::mem::take(&mut outgoing.is_lent) {
            return;
        }
        // With another ring to go on in, it is the session's turn.
        outgoing.is_held = outgoing.succession.has_next();
        let is_awaited = std::mem::take(&mut outgoing.is_awaited);
        drop(outgoing);
        if is_awaited && let Some(drive) = self.drive.upgrade() {
            drive.changed();
        }
    }
}
