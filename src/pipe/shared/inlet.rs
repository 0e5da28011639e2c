//! The half a socket pops from, once its messages come by shared memory.

use std::{collections::VecDeque, sync::Arc as Counted};

use super::{
    Fault, Lane, add,
    codec::{self, Assembly},
    memory::Peer,
};
use crate::{
    Message, phase,
    pipe::{Fold, local},
    ring::record::{Memory, Reader, Record},
    shm::layout,
    sync::{Ordering, planted, weakened},
    wait::Announcer,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Inlet {
    /// What came over a stream, before the lane or after it.
    queue: local::Inlet,
    /// The lane that is read, and those behind it, oldest first; all but the last are over.
    first: Option<Incoming>,
    behind: VecDeque<Incoming>,
    /// Something was popped from the queue, or from the first lane, and is not published.
    unpublished: (bool, bool),
}

/// One lane, as it is read.
#[derive(Debug)]
struct Incoming {
    lane: Counted<Lane>,
    reader: Reader<Peer>,
    /// Messages of the queue that come before it.
    after: u64,
    /// A record that is there, not taken yet.
    record: Option<Record>,
    /// A long message, as far as it has come.
    assembly: Option<Assembly>,
    /// One that has come whole, and its last part: until the message is taken the peer is not told that this was read, so that
    /// it sends it again to another if we die before.
    whole: Option<(Message, Record)>,
    /// It is faulty: there is nothing to read here any more.
    is_broken: bool,
    /// Messages taken from here.
    taken: u64,
    /// Says that we do not look.
    sleep: Announcer,
}

impl Inlet {
    pub(crate) fn new(queue: local::Inlet) -> Self {
        Self { queue, first: None, behind: VecDeque::new(), unpublished: (false, false) }
    }

    /// Reads `lane`, too, behind the first `after` messages of the queue. The caller issues a full fence, and looks.
    pub(crate) fn add(&mut self, lane: Counted<Lane>, after: u64) {
        // Who only sends never looks here, and has a lane for each connection there was: those with nothing in them go.
        if self.first.as_mut().is_some_and(Incoming::is_spent) {
            self.first = self.behind.pop_front();
        }
        self.behind.retain_mut(|incoming| !incoming.is_spent());
        let mut incoming = Incoming {
            reader: lane.reader(),
            lane,
            after,
            record: None,
            assembly: None,
            whole: None,
            is_broken: false,
            taken: 0,
            sleep: Announcer::default(),
        };
        // Announced from the beginning: who adds it may be about to sleep, and have announced all others.
        if !planted("crew-adopt-silent") {
            incoming.announce();
        }
        if self.first.is_none() {
            self.first = Some(incoming);
        } else {
            self.behind.push_back(incoming);
        }
    }

    fn last(&mut self) -> Option<&mut Incoming> {
        self.behind.back_mut().or(self.first.as_mut())
    }

    /// Is there a lane that is not at its end?
    #[inline(always)]
    pub(crate) fn has_lane(&self) -> bool {
        self.first.is_some()
    }

    #[inline(always)]
    pub(crate) fn ready(&mut self) -> bool {
        match &mut self.first {
            Some(front) if self.queue.taken() >= front.after => front.ready() || self.ready_behind(),
            _ => self.queue.ready(),
        }
    }

    /// The first lane has nothing: is it over, and something behind it?
    #[cold]
    #[inline(never)]
    fn ready_behind(&mut self) -> bool {
        while let Some(front) = &mut self.first {
            if self.queue.taken() < front.after {
                break;
            }
            // In this order: what was written before it was over is there for who sees that. Acquire: pairs with Release in
            // `Lane::retire`.
            if !front.lane.is_over.load(weakened("lane-over-acquire", Ordering::Acquire)) {
                return front.ready();
            }
            if front.ready() {
                return true;
            }
            self.first = self.behind.pop_front();
        }
        self.queue.ready()
    }

    /// Puts the next message into `place`, if one is waiting; what was there is dropped.
    #[inline(always)]
    pub(crate) fn pop_into(&mut self, place: &mut Message) -> bool {
        match self.pop_folded_into(place) {
            Some(fold) => {
                fold.put_before(place);
                true
            }
            None => false,
        }
    }

    /// As [`pop_into`](Self::pop_into), but leaves a fold as it is: returns what comes before the message.
    #[inline(always)]
    pub(crate) fn pop_folded_into(&mut self, place: &mut Message) -> Option<Fold> {
        if !self.ready() {
            return None;
        }
        match &mut self.first {
            Some(front) if self.queue.taken() >= front.after => {
                self.unpublished.1 = true;
                front.pop(place)
            }
            _ => {
                self.unpublished.0 = true;
                self.queue.pop_folded_into(place)
            }
        }
    }

    /// Gives credit back for all that was popped, and tells who waits for it. Returns whether the session is to be told, too:
    /// by the caller, after a light fence.
    #[inline(always)]
    pub(crate) fn publish(&mut self) -> bool {
        let (of_queue, of_lane) = std::mem::take(&mut self.unpublished);
        if of_lane && let Some(front) = &mut self.first {
            front.publish();
        }
        if of_queue {
            self.queue.publish();
        }
        of_queue
    }

    /// Who looks here stops doing so: it is to be told of what comes. The caller issues a full fence and looks once more; false:
    /// there is no need to.
    pub(crate) fn announce(&mut self) -> bool {
        self.last().map(Incoming::announce).is_some()
    }

    /// As [`announce`](Self::announce), if it was announced: that may have been answered.
    pub(crate) fn announce_anew(&mut self) -> bool {
        self.last().is_some_and(|back| {
            let was_announced = back.sleep.is_announced();
            if was_announced {
                back.sleep.announce(back.lane.own.word(layout::RECEIVER));
            }
            was_announced
        })
    }

    #[inline(always)]
    pub(crate) fn settle(&mut self) {
        self.queue.settle();
    }

    pub(crate) fn trim(&mut self) {
        self.queue.trim();
    }

    /// Reads no more. Returns how many messages were there that had come over a stream; those in a ring are their sender's
    /// still.
    pub(crate) fn drain(&mut self) -> u64 {
        for incoming in self.first.take().into_iter().chain(self.behind.drain(..)) {
            incoming.close();
        }
        self.queue.drain()
    }
}

impl Incoming {
    /// Is it over, and nothing in it?
    fn is_spent(&mut self) -> bool {
        // In this order, and Acquire: as in `Inlet::ready_behind`.
        self.lane.is_over.load(Ordering::Acquire) && !self.ready()
    }

    #[inline(always)]
    fn ready(&mut self) -> bool {
        self.record.is_some() || self.whole.is_some() || self.look()
    }

    #[inline(always)]
    fn look(&mut self) -> bool {
        match self.reader.peek() {
            Ok(None) => false,
            _ if self.is_broken => false,
            Ok(Some(record)) if record.kind <= codec::LIST && self.assembly.is_none() => {
                if codec::size(&record) > self.lane.size_max {
                    return self.fail(Fault::TooLong);
                }
                self.record = Some(record);
                true
            }
            Ok(Some(record)) => self.assemble(record),
            Err(_) => self.fail(Fault::Record),
        }
    }

    /// `record` is a part of something, or the last of its ring. Goes on as far as there is something to go on with.
    #[cold]
    #[inline(never)]
    fn assemble(&mut self, first: Record) -> bool {
        let mut next = Some(first);
        while let Some(record) = next {
            if record.kind == codec::SWITCH {
                match self.lane.succeeding(record.note, record.end()) {
                    // What was read of the ring before is unmapped, unless it is the first.
                    Ok(reader) => self.reader = reader,
                    Err(fault) => return self.fail(fault),
                }
                phase::reach("switching");
            } else if self.assembly.is_none() && record.kind <= codec::LIST {
                // Behind the last of a ring.
                return self.look();
            } else {
                if let Err(fault) = self.add_part(&record) {
                    return self.fail(fault);
                }
                if self.assembly.as_ref().is_some_and(Assembly::is_whole)
                    && let Some(assembly) = self.assembly.take()
                {
                    match assembly.finish() {
                        Ok(message) => self.whole = Some((message, record)),
                        Err(fault) => return self.fail(fault),
                    }
                    return true;
                }
                self.reader.advance(&record);
            }
            // Its place is free for the next.
            self.publish_position();
            self.lane.fence_and_tell_writer();
            next = self.reader.peek().unwrap_or_else(|_| {
                self.fail(Fault::Record);
                None
            });
        }
        false
    }

    fn add_part(&mut self, record: &Record) -> Result<(), Fault> {
        match (record.kind, &mut self.assembly) {
            (codec::FIRST, None) => {
                self.assembly = Some(Assembly::begin(&self.reader, record, self.lane.size_max)?);
                Ok(())
            }
            (codec::PART, Some(assembly)) => assembly.add(&self.reader, record),
            _ => Err(Fault::Part),
        }
    }

    #[cold]
    #[inline(never)]
    fn fail(&mut self, fault: Fault) -> bool {
        self.is_broken = true;
        self.record = None;
        self.lane.blame(fault);
        false
    }

    #[inline(always)]
    fn pop(&mut self, place: &mut Message) -> Option<Fold> {
        if self.sleep.is_announced() {
            self.withdraw();
        }
        // Where it is: a record that is moved stalls behind its words, which were written a moment ago.
        let fold = match &self.record {
            Some(record) => {
                phase::reach("peeked");
                match codec::take(&self.reader, record, place) {
                    Ok(fold) => {
                        phase::reach("mid-read");
                        self.reader.advance(record);
                        phase::reach("read");
                        self.record = None;
                        fold
                    }
                    Err(fault) => {
                        self.fail(fault);
                        return None;
                    }
                }
            }
            None => {
                let (message, last) = self.whole.take()?;
                self.reader.advance(&last);
                *place = message;
                Fold::Nothing
            }
        };
        self.taken += 1;
        add(&self.lane.counts.messages_in, 1);
        add(&self.lane.counts.bytes_in, (place.size() + fold.size()) as u64);
        Some(fold)
    }

    #[inline(always)]
    fn publish(&mut self) {
        self.lane.own.word(layout::TAKEN).store(self.taken, Ordering::Release);
        self.publish_position();
        phase::reach("told");
        self.lane.fence_and_tell_writer();
    }

    #[inline(always)]
    fn publish_position(&mut self) {
        // Release: our reading is over; pairs with Acquire in `Lane::reclaim`.
        self.lane
            .own
            .word(layout::POSITION)
            .store(self.reader.position(), weakened("lane-position-release", Ordering::Release));
    }

    /// Each time anew: who comes here again may have been woken by what it had seen before, and then what was announced last is
    /// answered already.
    fn announce(&mut self) {
        if planted("lane-announces-once") && self.sleep.is_announced() {
            return;
        }
        self.sleep.announce(self.lane.own.word(layout::RECEIVER));
        phase::reach("announced");
    }

    #[cold]
    fn withdraw(&mut self) {
        self.sleep.withdraw(self.lane.own.word(layout::RECEIVER));
    }

    /// Reads no more: the position is final.
    fn close(self) {
        self.lane.close_unread();
    }
}
