//! One ring after another: how what is sent goes on in a larger segment, and what is kept of the one before.
//!
//! ```text
//!                 we, who write                                       the peer, who reads
//!   makes a segment  ── SEGMENT, descriptor ──►  checks, maps, keeps it for the reader
//!                    ◄───────────── ANSWER ────
//!   ring before      … record, record, SWITCH generation │            takes it at the SWITCH, and unmaps the one before
//!   ring after                                            record, …
//! ```
//!
//! Positions go on: the first record in the next ring lies at the position behind the SWITCH. The words beside the ring are those of
//! the first segments, for as long as the link lasts.
//!
//! | of ours there is | from | until |
//! |---|---|---|
//! | `next` | the peer has accepted it | there is room for the SWITCH, which the session writes; meanwhile the owner writes nothing |
//! | `old` | then | the peer has read the SWITCH: what it has not read is read back from here if it dies |
//! | `spent` | then | the session comes by and unmaps it |
//!
//! The next growth begins when there is none of them, so at most three segments of ours are there at any time, the first included; of the
//! peer's likewise.

#![forbid(unsafe_code)]

use super::{
    Fault, Lane, Outgoing,
    codec::{self, SWITCH},
    growth::Pressure,
    memory::{Own, Peer},
};
use crate::{
    Message, phase,
    ring::record::{Corrupt, Reader, Writer},
    shm::Layout,
    sync::{Ordering, planted},
};

/// Of what is sent.
#[derive(Debug)]
pub(super) struct Succession {
    next: Option<Next>,
    old: Option<Writer<Own>>,
    spent: Option<Writer<Own>>,
    pub(super) pressure: Pressure,
    /// The session is about it: nothing more is wanted.
    is_under_way: bool,
    /// Bytes of a ring, at the most.
    capacity_max: usize,
}

#[derive(Debug)]
struct Next {
    own: Own,
    layout: Layout,
    generation: u32,
}

/// A segment that the peer has announced, to be read from at the SWITCH.
#[derive(Debug)]
pub(super) struct Announced {
    peer: Peer,
    layout: Layout,
    generation: u32,
}

/// What a session has to do for the ring.
#[derive(Debug, Default)]
pub(crate) struct Chores {
    /// Bytes of the ring that is to be in place of the one there is.
    pub(crate) wanted: Option<usize>,
    /// What is to be unmapped, by dropping it.
    pub(crate) spent: Option<Own>,
}

impl Succession {
    pub(super) fn new(capacity_max: usize) -> Self {
        Self { next: None, old: None, spent: None, pressure: Pressure::new(0), is_under_way: false, capacity_max }
    }

    /// Is there a ring to go on in?
    pub(super) fn has_next(&self) -> bool {
        self.next.is_some()
    }

    /// Is there a ring before the one that is written?
    #[inline(always)]
    pub(super) fn has_old(&self) -> bool {
        self.old.is_some()
    }

    fn wanted(&self, capacity: usize) -> Option<usize> {
        let is_free = self.next.is_none() && self.old.is_none() && self.spent.is_none() && !self.is_under_way;
        if is_free { self.pressure.wanted(capacity, self.capacity_max) } else { None }
    }

    /// Nothing is sent any more.
    pub(super) fn close(&mut self) {
        (self.next, self.old, self.spent) = (None, None, None);
    }

    /// Is there something for the session to do?
    pub(super) fn has_chores(&self, capacity: usize) -> bool {
        self.spent.is_some() || self.wanted(capacity).is_some()
    }
}

impl Outgoing {
    /// Goes on in the next ring, if there is one. False: there is no room to say so now.
    #[inline]
    pub(super) fn switch_over(&mut self) -> bool {
        self.succession.next.is_none() || self.switch_over_slow()
    }

    #[cold]
    fn switch_over_slow(&mut self) -> bool {
        let Some(claim) = self.writer.claim(0) else { return false };
        let Some(Next { own, layout, generation }) = self.succession.next.take() else { return true };
        let position = claim.end();
        let next = Writer::following(own, layout.ring, layout.capacity, position);
        // Release, therein: the word at the beginning of the next ring; pairs with Acquire in `Reader::peek`.
        self.writer.commit(claim, SWITCH, generation);
        phase::reach("switched");
        self.succession.old = Some(std::mem::replace(&mut self.writer, next));
        self.succession.pressure = Pressure::new(position);
        true
    }

    /// Takes note of where the peer is, in the ring before or in this.
    #[cold]
    pub(super) fn reclaim_both(&mut self, position: u64) -> Result<u64, Corrupt> {
        if let Some(old) = &mut self.succession.old {
            let end = old.position();
            let taken = old.reclaim(position.min(end))?;
            if position < end && !planted("lane-old-forgotten") {
                return Ok(taken);
            }
            self.succession.spent = self.succession.old.take();
        }
        self.writer.reclaim(position)
    }

    /// The records that the peer has not read, oldest first, each with the ring it is in.
    fn unread(&self) -> impl Iterator<Item = (&Writer<Own>, crate::ring::record::Record)> {
        let rings = self.succession.old.iter().chain([&self.writer]);
        let records = rings.flat_map(|ring| ring.unread().map(move |record| (ring, record)));
        records.filter(|(_, record)| record.kind != SWITCH)
    }

    /// How many there are.
    pub(super) fn unread_count(&self) -> u64 {
        self.unread().count() as u64
    }

    /// Reads back what the peer has not read.
    pub(super) fn read_back(&mut self, leftover: &mut super::Leftover) {
        let mut long = std::mem::take(&mut self.long);
        for (ring, record) in self.unread() {
            match record.kind {
                codec::FIRST | codec::PART => {
                    // Whole, with its last part.
                    if long.front().is_some_and(|(end, _)| *end == record.end())
                        && let Some((_, message)) = long.pop_front()
                    {
                        leftover.messages.push_back(message);
                    }
                }
                _ => {
                    let mut message = Message::new();
                    match codec::take(ring, &record, &mut message) {
                        Ok(fold) => {
                            fold.put_before(&mut message);
                            leftover.messages.push_back(message);
                        }
                        Err(_) => leftover.lost += 1,
                    }
                }
            }
        }
    }
}

/// For the session.
impl Lane {
    /// Is there something to do about the ring? Not on the way of a message: it costs system calls.
    #[inline]
    pub(crate) fn has_chores(&self) -> bool {
        // Relaxed: whoever has the baton wrote it, in `load`, or is called again.
        self.has_chores.load(Ordering::Relaxed)
    }

    /// What there is to do. If a ring is wanted, [`grow`](Self::grow) or [`keep`](Self::keep) follows, some time.
    pub(crate) fn chores(&self) -> Chores {
        let mut outgoing = self.take_pen();
        let capacity = outgoing.writer.capacity();
        let spent = outgoing.succession.spent.take().map(Writer::into_memory);
        let wanted = if outgoing.is_over { None } else { outgoing.succession.wanted(capacity) };
        outgoing.succession.is_under_way |= wanted.is_some();
        self.has_chores.store(false, Ordering::Relaxed);
        Chores { wanted, spent }
    }

    /// The peer has mapped `own`, the segment of this generation: what is sent goes on there as soon as there is room to say so.
    /// [`load`](Self::load) is to follow.
    pub(crate) fn grow(&self, own: Own, layout: Layout, generation: u32) {
        let mut outgoing = self.take_pen();
        outgoing.succession.is_under_way = false;
        if outgoing.is_over {
            return;
        }
        outgoing.succession.next = Some(Next { own, layout, generation });
        // By the session alone: it has first to be said.
        outgoing.is_held = true;
    }

    /// The ring stays as it is, for a while at least.
    pub(crate) fn keep(&self) {
        let mut outgoing = self.take_pen();
        outgoing.succession.is_under_way = false;
        outgoing.succession.pressure.refused();
    }

    /// The peer announces that it will go on in `peer`.
    ///
    /// # Errors
    /// It has announced another, and not gone on there yet.
    pub(crate) fn announce(&self, peer: Peer, layout: Layout, generation: u32) -> Result<(), Fault> {
        let mut announced = self.announced.lock();
        if announced.is_some() {
            return Err(Fault::Segment);
        }
        *announced = Some(Announced { peer, layout, generation });
        Ok(())
    }

    /// The peer goes on from `position` in the segment of this generation.
    ///
    /// # Errors
    /// It has not announced that.
    #[cold]
    pub(super) fn succeeding(&self, generation: u32, position: u64) -> Result<Reader<Peer>, Fault> {
        // Before it was answered it was put here: who reads of it comes behind that.
        let announced = self.announced.lock().take();
        let Announced { peer, layout, .. } =
            announced.filter(|announced| announced.generation == generation).ok_or(Fault::Segment)?;
        Ok(Reader::following(peer, layout.ring, layout.capacity, position))
    }
}
