//! The half a socket pushes into, once its messages go by shared memory.

use std::sync::Arc as Counted;

use super::{Lane, Loaned, Outgoing, add, codec, codec::Shape, pen::Held};
use crate::{
    Frame, Message, phase,
    pipe::{Fold, Refusal, Way, local},
    sync::planted,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Outlet {
    /// What found no room, or nobody to take it: the session moves it on.
    queue: local::Outlet,
    lane: Counted<Lane>,
    /// Messages that went past the queue, through this lane and those before.
    direct: u64,
    /// Messages settled, as last seen.
    settled: u64,
    /// The peer's part of the limit, as last seen.
    peer_hwm: u64,
    /// The lane was not over when last looked at: the peer takes part.
    is_live: bool,
    /// Messages sent while something was queued.
    looks: u32,
    /// There was a loan that was not committed: it may have been forgotten.
    has_lent: bool,
    /// Something may be queued, or on its way in parts.
    overflows: bool,
    /// The session is to be told: there is something for it to do that is not queued.
    has_chores: bool,
}

/// What has become of a message that was to be put into the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Put {
    There,
    /// It is not its turn, or there is no room.
    Not,
    /// It is its turn, and it is too long for one record.
    Long,
}

/// Messages that are queued for each time the queue is moved on by who sends them: that costs some 100 ns.
const LOOKS_PER_MOVE: u32 = 16;

impl Outlet {
    pub(crate) fn new(queue: local::Outlet, lane: Counted<Lane>) -> Self {
        let mut outlet = Self {
            queue,
            lane,
            direct: 0,
            settled: 0,
            peer_hwm: 0,
            is_live: false,
            looks: 0,
            has_lent: false,
            // From before there was a lane.
            overflows: true,
            has_chores: false,
        };
        outlet.refresh();
        outlet
    }

    /// Goes through `lane` in place of the one that is over.
    pub(crate) fn change(&mut self, lane: Counted<Lane>) {
        self.lane = lane;
        self.refresh();
    }

    /// Is there credit for a message behind `others`, which are not in this pipe and will be sent through it, or another?
    #[inline(always)]
    pub(crate) fn admits(&mut self, way: &Way, others: u64) -> Result<(), Refusal> {
        if self.is_live && !self.lane.is_live() {
            self.refresh();
        }
        if self.untaken_as_seen() + others < self.limit(way) {
            return Ok(());
        }
        self.refresh();
        if self.untaken_as_seen() + others < self.limit(way) { Ok(()) } else { Err(Refusal::Full) }
    }

    fn untaken_as_seen(&self) -> u64 {
        let untaken = (self.queue.sent() + self.direct).wrapping_sub(self.settled);
        // A peer that says it took what was never sent is owed nothing.
        if untaken > u64::MAX / 2 { 0 } else { untaken }
    }

    fn limit(&self, way: &Way) -> u64 {
        match self.peer_hwm {
            _ if !self.is_live => way.limit(),
            0 => u64::MAX,
            peer_hwm => way.limit().saturating_add(peer_hwm),
        }
    }

    fn refresh(&mut self) {
        self.is_live = self.lane.is_live();
        self.settled = self.lane.settled();
        self.peer_hwm = self.lane.peer_hwm();
    }

    /// On success `message` is left with nothing in it; otherwise it is as it was, without what `fold` says. With `waits` there
    /// is something that comes before it, which the session has.
    #[inline(always)]
    pub(crate) fn push_folded(
        &mut self,
        way: &Way,
        message: &mut Message,
        fold: Fold,
        waits: bool,
    ) -> Result<(), Refusal> {
        if way.consumer_gone() {
            return Err(Refusal::Closed);
        }
        match if waits { Put::Not } else { self.put(message, fold) } {
            Put::There => {
                // What it owns is dropped without the pen.
                *message = Message::from(Frame::new());
                return Ok(());
            }
            Put::Long => {
                let mut long = std::mem::replace(message, Message::from(Frame::new()));
                fold.put_before(&mut long);
                match self.begin(long) {
                    Ok(()) => return Ok(()),
                    Err(back) => *message = back,
                }
                fold.take_off(message);
            }
            Put::Not => {}
        }
        self.end_forgotten();
        self.lane.queue(|| self.queue.push_folded(way, message, fold))?;
        self.overflows = true;
        phase::reach("overflowing");
        Ok(())
    }

    /// As [`push_folded`](Self::push_folded), of a copy: `message` stays as it is.
    #[inline(always)]
    pub(crate) fn push_copy(&mut self, way: &Way, message: &Message, waits: bool) -> Result<(), Refusal> {
        if way.consumer_gone() {
            return Err(Refusal::Closed);
        }
        match if waits { Put::Not } else { self.put(message, Fold::Nothing) } {
            Put::There => return Ok(()),
            Put::Long if self.begin(message.clone()).is_ok() => return Ok(()),
            _ => {}
        }
        self.end_forgotten();
        self.lane.queue(|| self.queue.push_copy(way, message))?;
        self.overflows = true;
        Ok(())
    }

    /// Puts `message` into the ring, if it is its turn, and there is room.
    #[inline(always)]
    fn put(&mut self, message: &Message, fold: Fold) -> Put {
        if !self.is_first() || message.single().is_none() && fold != Fold::Nothing {
            return Put::Not;
        }
        let Some(mut outgoing) = self.lane.pen.try_take() else { return Put::Not };
        let is_over = outgoing.is_over && !planted("lane-over-ignored");
        let is_held = outgoing.is_held && !planted("lane-held-ignored");
        if is_over || is_held || outgoing.partial.is_some() && !planted("lane-partial-ignored") {
            return Put::Not;
        }
        let shape = Shape::of(message, fold);
        if shape.size > outgoing.writer.payload_max() {
            return Put::Long;
        }
        if !codec::put(&mut outgoing.writer, message, shape) {
            match self.lane.reclaim(&mut outgoing) {
                Ok(true) if codec::put(&mut outgoing.writer, message, shape) => {}
                Ok(_) => return Put::Not,
                Err(fault) => {
                    drop(outgoing);
                    self.lane.blame(fault);
                    return Put::Not;
                }
            }
        }
        outgoing.direct += 1;
        if outgoing.done.is_empty() {
            drop(outgoing);
        } else {
            let done = std::mem::take(&mut outgoing.done);
            drop(outgoing);
            drop(done);
        }
        self.direct += 1;
        add(&self.lane.counts.messages_out, 1);
        add(&self.lane.counts.bytes_out, (shape.size + fold.size()) as u64);
        Put::There
    }

    /// Puts what there is room for of a message that is too long for one record, and leaves the rest to whoever comes by next,
    /// the owner in a later call or the session.
    ///
    /// # Errors
    /// It is another's turn now: the message comes back.
    #[cold]
    #[inline(never)]
    fn begin(&mut self, message: Message) -> Result<(), Message> {
        self.end_forgotten();
        let Some(mut outgoing) = self.lane.pen.try_take() else { return Err(message) };
        if outgoing.is_over || outgoing.is_held || outgoing.partial.is_some() {
            return Err(message);
        }
        let size = message.size() as u64;
        outgoing.put_on_its_way(message);
        outgoing.direct += 1;
        self.direct += 1;
        add(&self.lane.counts.messages_out, 1);
        add(&self.lane.counts.bytes_out, size);
        let mut is_in = outgoing.go_on();
        let mut fault = None;
        while !is_in {
            match self.lane.reclaim(&mut outgoing) {
                Ok(true) => is_in = outgoing.go_on(),
                Ok(false) => break,
                Err(what) => {
                    fault = Some(what);
                    break;
                }
            }
        }
        self.has_chores |= self.lane.note_chores(&outgoing);
        let done = std::mem::take(&mut outgoing.done);
        drop(outgoing);
        drop(done);
        self.overflows |= !is_in;
        if let Some(fault) = fault {
            self.lane.blame(fault);
        }
        Ok(())
    }

    /// Lends room for a message of one frame of `size` bytes in the ring, if such a message would be put there now.
    pub(crate) fn loan(&mut self, way: &Way, size: usize, waits: bool) -> Option<Loaned> {
        if waits || way.consumer_gone() || !self.is_first() {
            return None;
        }
        let mut outgoing = self.lane.pen.try_take()?;
        if outgoing.is_lent {
            drop(outgoing);
            self.end_forgotten();
            outgoing = self.lane.pen.try_take()?;
        }
        let is_ours = !outgoing.is_over && !outgoing.is_held && outgoing.partial.is_none();
        if !is_ours || size > outgoing.writer.payload_max() {
            return None;
        }
        let mut claim = outgoing.writer.claim(size);
        if claim.is_none() {
            match self.lane.reclaim(&mut outgoing) {
                Ok(true) => claim = outgoing.writer.claim(size),
                Ok(false) => {}
                Err(fault) => {
                    drop(outgoing);
                    self.lane.blame(fault);
                    return None;
                }
            }
        }
        let loan = claim.map(|claim| Loaned::new(&self.lane, &mut outgoing, claim));
        self.has_lent |= loan.is_some();
        let done = std::mem::take(&mut outgoing.done);
        drop(outgoing);
        drop(done);
        loan
    }

    /// Sends what was written to `loan`, with `fold` before it, as [`push_folded`](Self::push_folded) sends a message.
    ///
    /// # Errors
    /// As that. What was written comes back, without what `fold` says; unless memory ran out.
    pub(crate) fn push_loan(
        &mut self,
        way: &Way,
        loan: Loaned,
        fold: Fold,
        waits: bool,
    ) -> Result<(), (Refusal, Message)> {
        let is_direct = !waits && loan.is_of(&self.lane) && !way.consumer_gone();
        let loan = if is_direct { loan.commit(fold) } else { Err(loan) };
        let Err(loan) = loan else {
            self.direct += 1;
            self.has_lent = false;
            return Ok(());
        };
        let Some(mut message) = loan.into_message() else { return Err((Refusal::OutOfMemory, Message::new())) };
        self.push_folded(way, &mut message, fold, waits).map_err(|refusal| (refusal, message))
    }

    /// Is nothing queued?
    #[inline(always)]
    fn is_first(&mut self) -> bool {
        self.queue.sent() == self.queue.taken() || self.queue.untaken() == 0
    }

    /// After a push and a full fence: tells the peer. Returns whether the session is to be told as well, because there is
    /// something it has to move, or to do about the ring.
    #[inline(always)]
    pub(crate) fn tell(&mut self) -> bool {
        self.lane.tell_reader();
        (self.overflows || self.has_chores) && self.move_on()
    }

    /// Something is queued: now and then what has found room meanwhile is moved by who comes by.
    #[cold]
    fn move_on(&mut self) -> bool {
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(LOOKS_PER_MOVE)
            && let Some(drive) = self.lane.drive.upgrade()
        {
            drive.push_out();
        }
        std::mem::take(&mut self.has_chores) | self.overflows()
    }

    /// Is something queued, or on its way in parts?
    #[inline(always)]
    pub(crate) fn overflows(&mut self) -> bool {
        self.overflows && self.still_overflows()
    }

    #[cold]
    fn still_overflows(&mut self) -> bool {
        // The session takes a message from the queue with the pen in its hand: it is in one of the two, or in the ring.
        let is_moved =
            |outgoing: Option<Held<'_, Outgoing>>| outgoing.is_some_and(|outgoing| outgoing.partial.is_none());
        self.overflows =
            self.queue.sent() != self.queue.taken() && self.queue.untaken() > 0 || !is_moved(self.lane.pen.try_take());
        self.overflows
    }

    /// The owner is about to sleep until there is credit.
    pub(crate) fn want_room(&self) {
        self.lane.want_credit();
    }

    #[inline(always)]
    pub(crate) fn settle(&mut self) {
        self.queue.settle();
    }

    /// A loan that is marked is ended: it was forgotten, as one that is there borrows the socket, and its owner is here. To be called
    /// before anything is queued, which nobody moves while the ring is lent, and when the owner sends nothing more.
    #[inline]
    pub(crate) fn end_forgotten(&mut self) {
        if std::mem::take(&mut self.has_lent) {
            self.lane.end_loan(self.lane.take_pen());
        }
    }

    /// Messages nobody will put into a ring any more.
    pub(crate) fn untaken(&mut self) -> u64 {
        self.queue.untaken()
    }
}
