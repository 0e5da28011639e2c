//! All sockets of a worker's actors: a [source](Source) to the worker, one for all of them.
//!
//! | a socket is | waited for | leaves it |
//! |---|---|---|
//! | *open* | messages, by the [lookout](Lookout): every turn if it was busy lately, otherwise when it says so | no room: stalled; told of its end: over |
//! | *stalled* | room, on every turn, those first that have waited longest | room: open |
//! | *paused* | nothing, as its owner wants | its owner wants: open |
//! | *over* | nothing | – |
//!
//! Beside that, of any of them, room to send, if its owner has asked for it.
//!
//! Looks are made on every turn, not on every so many: a turn may be 64 actors' turns of 64 messages each, beside which looks at eight
//! sockets are nothing, and where turns are short a message that is there is worth a look.
//!
//! Actors come and go while sockets are served: nothing of the desk is borrowed while code of theirs may run. A port that is dropped
//! leaves its number in `left`, whose place is given up before the next turn.

#![forbid(unsafe_code)]

use std::{cell::RefCell, collections::VecDeque, mem, rc::Rc, sync::Arc as Counted, time::Instant};

use slab::Slab;

use super::{
    port::OwnError,
    reader::{Read, Served},
};
use crate::{
    actor::{ActorId, Intake, Note, Source, quietly},
    poll::{AddError, Events, Interest, Key, Lookout, Pollable},
    wait::{Sleep, Watched},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Desk {
    state: RefCell<State>,
    /// Seats whose ports are no more.
    left: RefCell<Vec<usize>>,
}

#[derive(Debug)]
struct State {
    lookout: Lookout,
    entries: Slab<Entry>,
    /// Those that wait for room, by how long.
    stalled: VecDeque<usize>,
    /// Those that have had a share in this turn and wait again: behind all that have had none.
    served: VecDeque<usize>,
    events: Events,
}

/// A socket, to the desk.
#[derive(Debug)]
struct Entry {
    key: Key,
    owner: ActorId,
    /// `None` while it is at work, and when it is over.
    reader: Option<Box<dyn Read>>,
    reading: Reading,
    /// What its owner is told when it can send again.
    writable: Option<Note>,
    /// What its owner is told when it is over.
    over: Option<Note>,
    /// What the lookout waits for.
    interest: Interest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Open,
    Stalled,
    Paused,
    Over,
}

impl Desk {
    pub(super) fn new(worker: Counted<dyn Sleep>) -> Self {
        let state = State {
            lookout: Lookout::new(worker),
            entries: Slab::new(),
            stalled: VecDeque::new(),
            served: VecDeque::new(),
            events: Events::new(),
        };
        Self { state: RefCell::new(state), left: RefCell::default() }
    }

    /// Gives a socket of `owner` a place. What is read from it is said [next](Seat::set_reader).
    pub(super) fn seat(self: &Rc<Self>, socket: &mut impl Pollable, owner: ActorId) -> Result<Seat, OwnError> {
        // It may have been here under an old number.
        self.give_up();
        let mut state = self.state.borrow_mut();
        let number = state.entries.vacant_key();
        let key = state.lookout.add(socket, Interest::NONE, number as u64).map_err(|error| match error {
            AddError::Forked => OwnError::Forked,
            AddError::System(error) => OwnError::System(error),
            AddError::AlreadyRegistered => unreachable!("whoever has a socket has no port of it"),
        })?;
        let interest = Interest::NONE;
        let reading = Reading::Paused;
        state.entries.insert(Entry { key, owner, reader: None, reading, writable: None, over: None, interest });
        Ok(Seat { desk: self.clone(), number })
    }

    /// Serves one socket, outside of all borrows.
    fn serve(&self, number: usize, intake: &mut Intake<'_>) {
        let Some(mut reader) = self.with_entry(number, Entry::take_reader).flatten() else { return };
        let served = reader.serve(intake);
        let Some((owner, over)) = self.return_reader(number, reader, &served) else { return };
        if let Served::Panicked(panic) = served {
            intake.fail(owner, panic, "a message from a socket");
        }
        if let Some(note) = over {
            intake.tell(note);
        }
    }

    fn return_reader(&self, number: usize, reader: Box<dyn Read>, served: &Served) -> Option<(ActorId, Option<Note>)> {
        let mut done = None;
        let told = self.with_entry(number, |entry| {
            entry.reading = match served {
                Served::Enough | Served::Panicked(_) => Reading::Open,
                Served::Full { .. } => Reading::Stalled,
                Served::Over => Reading::Over,
            };
            if entry.reading == Reading::Over {
                done = Some(reader);
                return (entry.owner, entry.over.take());
            }
            entry.reader = Some(reader);
            (entry.owner, None)
        });
        if let Served::Full { has_taken } = served {
            let state = &mut *self.state.borrow_mut();
            let queue = if *has_taken { &mut state.served } else { &mut state.stalled };
            queue.push_back(number);
        }
        // Destructors of what a closure has captured are an actor's code: nobody is to fail of it who is here for all of them.
        quietly(|| drop(done));
        told
    }

    fn tell_writable(&self, number: usize, intake: &mut Intake<'_>) {
        if let Some(note) = self.with_entry(number, |entry| entry.writable.take()).flatten() {
            intake.tell(note);
        }
    }

    /// Has `f` change an entry, if it is there still, and the lookout wait for what it waits for then.
    fn with_entry<R>(&self, number: usize, f: impl FnOnce(&mut Entry) -> R) -> Option<R> {
        let state = &mut *self.state.borrow_mut();
        let entry = state.entries.get_mut(number)?;
        let result = f(entry);
        let interest = entry.awaited();
        if interest != entry.interest {
            entry.interest = interest;
            // It is not registered any more if the socket was dropped, and then its seat has been left.
            _ = state.lookout.modify(entry.key, interest);
        }
        Some(result)
    }

    /// Gives up the places of those who have left.
    fn give_up(&self) {
        if self.left.borrow().is_empty() {
            return;
        }
        for number in self.left.take() {
            let state = &mut *self.state.borrow_mut();
            let entry = state.entries.remove(number);
            state.stalled.retain(|stalled| *stalled != number);
            _ = state.lookout.remove(entry.key);
            quietly(|| drop(entry));
        }
    }
}

impl Source for Desk {
    fn turn(&self, intake: &mut Intake<'_>) {
        self.give_up();
        // Each once: those that find no room keep their order.
        let stalled = self.state.borrow().stalled.len();
        for _ in 0..stalled {
            let Some(number) = self.state.borrow_mut().stalled.pop_front() else { break };
            self.serve(number, intake);
        }
        let mut events = mem::take(&mut self.state.borrow_mut().events);
        self.state.borrow_mut().lookout.look(&mut events);
        for event in &events {
            // A number that was given to another since: that one is looked at for nothing.
            let number = event.data as usize;
            if event.writable {
                self.tell_writable(number, intake);
            }
            if event.readable {
                self.serve(number, intake);
            }
        }
        let state = &mut *self.state.borrow_mut();
        state.events = events;
        state.stalled.append(&mut state.served);
    }

    fn look(&self, intake: &mut Intake<'_>) -> bool {
        let state = &mut *self.state.borrow_mut();
        let State { lookout, entries, stalled, events, .. } = state;
        let can_go_on = |number: &usize| {
            entries.get(*number).and_then(|entry| entry.reader.as_ref()).is_some_and(|reader| reader.can_go_on(intake))
        };
        !self.left.borrow().is_empty() || stalled.iter().any(can_go_on) || lookout.look(events)
    }

    fn announce(&self) {
        self.state.borrow_mut().lookout.announce();
    }

    fn withdraw(&self) {
        self.state.borrow_mut().lookout.withdraw();
    }

    fn has_descriptors(&self) -> bool {
        self.state.borrow().lookout.has_descriptors()
    }

    fn watch(&self, watched: &mut Vec<Watched>) -> Option<Instant> {
        self.state.borrow_mut().lookout.watch(watched)
    }

    fn refresh(&self) {
        self.state.borrow_mut().lookout.refresh();
    }
}

/// The last seat has gone, or the worker; what is left of either is given up here.
impl Drop for Desk {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Entry {
    fn take_reader(&mut self) -> Option<Box<dyn Read>> {
        if self.reading == Reading::Paused { None } else { self.reader.take() }
    }

    /// What the lookout is to wait for.
    fn awaited(&self) -> Interest {
        let messages = if self.reading == Reading::Open { Interest::READABLE } else { Interest::NONE };
        let room = if self.writable.is_some() { Interest::WRITABLE } else { Interest::NONE };
        messages | room
    }
}

/// A socket's place at a desk, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    desk: Rc<Desk>,
    number: usize,
}

impl Seat {
    /// From now on `reader` reads; `over` is told when it is over.
    pub(super) fn set_reader(&self, reader: Box<dyn Read>, over: Option<Note>) {
        self.desk.with_entry(self.number, |entry| {
            entry.reader = Some(reader);
            entry.over = over;
            entry.reading = Reading::Open;
        });
    }

    /// Nothing is taken from the socket until [`resume`](Self::resume).
    pub(super) fn pause(&self) {
        self.desk.state.borrow_mut().stalled.retain(|stalled| *stalled != self.number);
        self.desk.with_entry(self.number, |entry| {
            if entry.reading != Reading::Over {
                entry.reading = Reading::Paused;
            }
        });
    }

    pub(super) fn resume(&self) {
        self.desk.with_entry(self.number, |entry| {
            if entry.reading == Reading::Paused {
                entry.reading = Reading::Open;
            }
        });
    }

    /// The owner is told `note` when the socket can send. What was to be told instead before comes back.
    pub(super) fn set_writable(&self, note: Note) -> Option<Note> {
        self.desk.with_entry(self.number, |entry| entry.writable.replace(note)).flatten()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.desk.left.borrow_mut().push(self.number);
    }
}
