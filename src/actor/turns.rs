//! Whose turn it is, what it does in it, and what is seen to behind it.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    ask::{AskError, Before},
    cell::Status,
    core::Core,
    envelope::Envelope,
    failure::Failure,
    mailbox::Origin,
    message,
    places::Place,
};

/// What a handler has asked for.
#[derive(Debug)]
pub(super) enum Outcome {
    Goes,
    Stops,
    /// At once, with all that it supervises.
    Ends,
    Fails(Failure),
    /// Its `start` has, which was to begin another life of it.
    Stillborn(Failure),
    /// The children of its last life have ended.
    Resumes,
}

/// Messages of one actor before it is the next one's turn.
const QUANTUM: u32 = 64;

impl Core {
    #[inline(always)]
    pub(super) fn has_work(&self) -> bool {
        !self.ready.is_empty()
    }

    /// It is the next actor's turn: some of its messages. False: nobody has any.
    #[inline]
    pub(super) fn run_next(&mut self) -> bool {
        let Some(place) = self.ready.pop_front() else { return false };
        // It may have ended since.
        let Some(cell) = self.cells.at(place) else { return true };
        cell.is_queued = false;
        cell.is_busy = true;
        self.running = Some(place);
        let ended = catch_unwind(AssertUnwindSafe(|| self.run(place)));
        self.running = None;
        self.set_busy(place, false);
        if let Err(panic) = ended {
            if let Some(Before { asker, .. }) = self.answering.take() {
                self.post_answer(asker, message::failure(asker.place, AskError::Failed));
            }
            self.outcome = Outcome::Fails(Failure::of_panic(panic, (self.handling)()));
        }
        match mem::replace(&mut self.outcome, Outcome::Goes) {
            Outcome::Goes => {}
            outcome => self.conclude(place, outcome),
        }
        self.do_later();
        self.tell_lanes();
        true
    }

    /// What was put off until no code of the actors concerned runs.
    #[inline(always)]
    pub(super) fn do_later(&mut self) {
        while let Some((place, outcome)) = self.later.pop() {
            self.conclude(place, outcome);
        }
    }

    fn conclude(&mut self, place: Place, outcome: Outcome) {
        match outcome {
            Outcome::Goes => {}
            Outcome::Stops => self.stop(place),
            Outcome::Ends => self.end(place),
            Outcome::Fails(failure) => self.fail(place, failure),
            Outcome::Stillborn(failure) => self.fail_to_start(place, failure),
            Outcome::Resumes => self.begin_again(place),
        }
    }

    #[inline(always)]
    pub(super) fn set_busy(&mut self, place: Place, is_busy: bool) {
        if let Some(cell) = self.cells.at(place) {
            cell.is_busy = is_busy;
        }
    }

    #[inline(always)]
    fn run(&mut self, place: Place) {
        let Some(cell) = self.cells.at(place) else { return };
        // What comes from here on is for another turn: an actor that tells itself something is not to keep others waiting, nor those it
        // has told something before.
        let last = cell.mailbox.last();
        let has_none = cell.mailbox.is_empty();
        for nth in 0..QUANTUM {
            let Some(cell) = self.cells.at(place) else { return };
            if cell.status != Status::Ready {
                // Stopped or failed by somebody else since it was put there.
                return;
            }
            let Some(state) = cell.state else { return };
            if !cell.has_mail() {
                cell.status = Status::Idle;
                return;
            }
            let is_urgent = cell.is_urgent(nth);
            if has_none && !is_urgent {
                break;
            }
            let Some(origin) = self.pool.origin(cell.list(is_urgent)) else { return };
            if origin == Origin::HERE && self.outbox.is_empty() {
                cell.local -= 1;
            } else {
                self.settle(place, origin);
            }
            // From that list still: to settle may be to tell this very actor of room, which is urgent.
            let Some(cell) = self.cells.at(place) else { return };
            let mailbox = cell.list(is_urgent);
            let is_last = mailbox.first() == last;
            let Some(envelope) = self.pool.pop_in_place(mailbox) else { return };
            // SAFETY: it is ours, and nothing was pushed since.
            self.handling = unsafe { (*envelope).name() };
            self.counts.handled += 1;
            // SAFETY: the state is of the actor at `place`, which the message was for: its generation is never given to another. The
            // state is freed by this core when the handler has returned, not before. The envelope is not used again, and lies where it
            // does until something is pushed, by way of the core.
            unsafe { Envelope::deliver_from(envelope, state, self) };
            if !matches!(self.outcome, Outcome::Goes) {
                return;
            }
            if is_last {
                break;
            }
        }
        if let Some(cell) = self.cells.at(place)
            && cell.status == Status::Ready
        {
            cell.status = Status::Idle;
            if cell.has_mail() {
                cell.get_ready(&mut self.ready, place);
            }
        }
    }

    /// A message of its has been taken: there is room for another.
    #[inline(always)]
    fn settle(&mut self, place: Place, origin: Origin) {
        match origin {
            Origin::NONE => {}
            Origin::HERE => {
                if let Some(cell) = self.cells.at(place) {
                    cell.local -= 1;
                }
                if !self.outbox.is_empty() {
                    self.send_deferred(self.id(place));
                }
            }
            Origin(number) => {
                let Some(capacity) = self.cells.at(place).map(|cell| cell.capacity) else { return };
                if let Some(lane) = self.lane_of(number)
                    && let Some(returned) = lane.settled.handled(place, capacity)
                {
                    // Lost with the lane if that is gone.
                    _ = lane.post(message::credit(returned));
                    self.has_posted = true;
                }
            }
        }
    }

    /// The actor may run (again).
    pub(super) fn wake(&mut self, place: Place) {
        let Some(cell) = self.cells.at(place) else { return };
        cell.status = Status::Idle;
        if cell.has_mail() {
            cell.get_ready(&mut self.ready, place);
        }
    }

    /// The actor whose handler runs ends when that has returned.
    pub(super) fn stop_current(&mut self) {
        if !matches!(self.outcome, Outcome::Fails(_)) {
            self.outcome = Outcome::Stops;
        }
    }
}
