//! The sockets of a poller: which it looks at, and which are left to be marked.
//!
//! | tier | looked at | leaves it |
//! |---|---|---|
//! | *hot* | on every turn | quiet for [`QUIET_LOOKS`] while more than [`HOT_SOCKETS`] are hot, or for [`LONG_QUIET_LOOKS`]: armed |
//! | *armed* | never | marked by a peer, by its owner, or because it is gone: hot |
//!
//! Going from hot to armed is the sleep protocol: note that we are armed, announce on the socket's signal, fence, look
//! once more. Before the poller itself sleeps, all that are hot are armed by the same protocol, so that a wake brings
//! back those it was for and no other: what a wait costs depends on what is ready.
//!
//! A socket in use by another thread counts as not ready. If it is still in use at the last look before a sleep, the end
//! of that use marks it.

#![forbid(unsafe_code)]

use std::{collections::HashMap, sync::Arc};

use super::{
    bell::{Bell, Registration},
    error::{AddError, NotRegistered},
    event::{Event, Events},
    upkeep::Upkeep,
};
use crate::{
    fork::Own,
    pipe::ReadySet,
    reactor::Reactor,
    socket::{Interest, Looked, Pollable, Watchable, Watcher},
    sync::{full_fence, heavy_fence, planted},
};

/// May `socket` be added to `list`? The reactor that whoever waits for it has to turn, if no thread does.
///
/// # Errors
/// One of them belongs to a process that this one was forked off, or the system has no descriptor left.
pub(super) fn may_add(
    list: &Own<Watchlist>,
    socket: &mut (impl Pollable + ?Sized),
) -> Result<Option<Reactor>, AddError> {
    if list.is_inherited() || socket.is_inherited() {
        return Err(AddError::Forked);
    }
    socket.to_drive().map_err(AddError::System)
}

/// A registration of a socket with one poller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    place: u32,
    /// Tells it from others that had the place before.
    turn: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Watchlist {
    bell: Arc<Bell>,
    places: Vec<Place>,
    free: Vec<u32>,
    /// Places by the identity of their socket.
    by_socket: HashMap<usize, u32>,
    /// Places of hot sockets.
    hot: Vec<u32>,
    /// Of `resting`, kept for its memory.
    resting: Vec<u32>,
    /// All that are hot have been armed, and a fence follows: the next look is the last before a sleep.
    is_last_look: bool,
    /// Light fences are no use: the last look did not arm anything.
    look_again: bool,
    /// Reactors of these sockets that nobody else turns.
    pub(super) upkeep: Upkeep,
    pub(super) looks: u64,
    pub(super) armed: u64,
    pub(super) marked: u64,
}

#[derive(Debug, Default)]
struct Place {
    turn: u32,
    entry: Option<Entry>,
}

#[derive(Debug)]
struct Entry {
    socket: Arc<dyn Watchable>,
    registration: Arc<Registration>,
    interest: Interest,
    data: u64,
    /// What is to be turned for it.
    driven: Option<Reactor>,
    is_hot: bool,
    /// The socket has been asked to tell when it has room, if that is of interest.
    is_room_wanted: bool,
    /// Looks in a row that found nothing.
    quiet_looks: u32,
}

/// Sockets looked at directly before any is armed for that there are many.
pub(super) const HOT_SOCKETS: usize = if cfg!(any(loom, shuttle)) { 1 } else { 8 };
/// Looks in a row that find nothing before a socket among many is armed: as a crew's pipe.
const QUIET_LOOKS: u32 = if cfg!(any(loom, shuttle)) { 1 } else { 64 };
/// Looks in a row before a socket among few is armed: some 100 µs, a thousand times what arming and marking cost.
const LONG_QUIET_LOOKS: u32 = if cfg!(any(loom, shuttle)) { 2 } else { 4096 };

impl Watchlist {
    pub(super) fn new(bell: Arc<Bell>) -> Self {
        Self {
            bell,
            places: Vec::new(),
            free: Vec::new(),
            by_socket: HashMap::new(),
            hot: Vec::new(),
            resting: Vec::new(),
            is_last_look: false,
            look_again: false,
            upkeep: Upkeep::default(),
            looks: 0,
            armed: 0,
            marked: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_socket.len()
    }

    /// Turns `driven` for it, if that is given.
    pub(super) fn add(
        &mut self,
        socket: &mut (impl Pollable + ?Sized),
        driven: Option<Reactor>,
        interest: Interest,
        data: u64,
    ) -> Result<Key, AddError> {
        let identity = socket.identity();
        if self.by_socket.contains_key(&identity) {
            return Err(AddError::AlreadyRegistered);
        }
        Ok(self.insert(socket.watch(), driven, interest, data))
    }

    pub(super) fn insert(
        &mut self,
        socket: Arc<dyn Watchable>,
        driven: Option<Reactor>,
        interest: Interest,
        data: u64,
    ) -> Key {
        if let Some(reactor) = &driven {
            self.upkeep.join(reactor);
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            // 2^32 sockets do not fit into a machine.
            (self.places.len() - 1) as u32
        });
        let registration = Arc::new(Registration::new(self.bell.clone(), place, interest));
        socket.enroll(registration.clone());
        self.by_socket.insert(socket.identity(), place);
        // Among many it is armed as soon as it is found quiet.
        let quiet_looks = if self.hot.len() < HOT_SOCKETS { 0 } else { QUIET_LOOKS };
        let (is_hot, is_room_wanted) = (false, true);
        let entry = Entry { socket, registration, interest, data, driven, is_hot, is_room_wanted, quiet_looks };
        self.places[place as usize].entry = Some(entry);
        self.heat(place);
        Key { place, turn: self.places[place as usize].turn }
    }

    pub(super) fn key_of(&self, socket: &(impl Pollable + ?Sized)) -> Option<Key> {
        let place = *self.by_socket.get(&socket.identity())?;
        Some(Key { place, turn: self.places[place as usize].turn })
    }

    pub(super) fn modify(&mut self, key: Key, interest: Interest) -> Result<(), NotRegistered> {
        let entry = self.entry(key)?;
        entry.interest = interest;
        entry.registration.set_interest(interest);
        entry.quiet_looks = 0;
        self.heat(key.place);
        Ok(())
    }

    pub(super) fn set_data(&mut self, key: Key, data: u64) -> Result<(), NotRegistered> {
        self.entry(key)?.data = data;
        Ok(())
    }

    pub(super) fn remove(&mut self, key: Key) -> Result<(), NotRegistered> {
        self.entry(key)?;
        self.forget(key.place);
        self.hot.retain(|place| *place != key.place);
        Ok(())
    }

    /// Looks at what may be ready and adds to `events` what is.
    #[inline]
    pub(super) fn look(&mut self, events: &mut Events) {
        if self.bell.marked.is_marked() {
            self.heat_marked();
        }
        if self.is_last_look {
            return self.last_look(events);
        }
        let mut index = 0;
        let mut is_one_tired = false;
        let limit = if self.hot.len() > HOT_SOCKETS { QUIET_LOOKS } else { LONG_QUIET_LOOKS };
        while let Some(&place) = self.hot.get(index) {
            let Some(entry) = self.places[place as usize].entry.as_mut() else { break };
            self.looks += 1;
            match entry.socket.look(entry.interest) {
                Looked::Seen(readiness) if readiness.any() => {
                    entry.quiet_looks = 0;
                    events.list.push(Event::of_socket(entry.data, readiness.readable, readiness.writable));
                }
                Looked::Seen(_) => {
                    entry.quiet_looks = entry.quiet_looks.saturating_add(1);
                    is_one_tired |= entry.quiet_looks >= limit;
                }
                Looked::Busy => {}
                Looked::Gone => {
                    self.hot.swap_remove(index);
                    self.forget(place);
                    continue;
                }
            }
            index += 1;
        }
        if is_one_tired {
            self.rest(limit);
        }
    }

    /// Before the poller sleeps: arms all that are hot. A full fence and a look follow.
    pub(super) fn announce(&mut self) {
        let mut wants_room = false;
        for &place in &self.hot {
            if let Some(entry) = self.places[place as usize].entry.as_mut() {
                wants_room |= entry.announce();
            }
        }
        // Consumers only issue light fences before they look whether somebody wants room.
        self.look_again = wants_room && !heavy_fence();
        self.is_last_look = true;
    }

    /// The poller sleeps no more.
    pub(super) fn withdraw(&mut self) {
        self.is_last_look = false;
    }

    /// Could the last look not make sure of anything? The poller must not sleep then, and begin anew.
    pub(super) fn must_look_again(&mut self) -> bool {
        std::mem::take(&mut self.look_again)
    }

    pub(super) fn hot(&self) -> usize {
        self.hot.len()
    }

    /// The look after [`announce`](Self::announce) and its fence: what is not ready now need not be looked at until it
    /// is marked.
    #[cold]
    #[inline(never)]
    fn last_look(&mut self, events: &mut Events) {
        self.is_last_look = false;
        let mut index = 0;
        while let Some(&place) = self.hot.get(index) {
            let Some(entry) = self.places[place as usize].entry.as_mut() else { break };
            self.looks += 1;
            let mut looked = entry.socket.look(entry.interest);
            if looked == Looked::Busy {
                entry.socket.contend();
                // Heavy: our word against another try of the lock; pairs with the light fence at the end of each call.
                self.look_again |= !heavy_fence();
                looked = entry.socket.look(entry.interest);
            }
            match looked {
                Looked::Seen(readiness) if readiness.any() => {
                    entry.stay();
                    events.list.push(Event::of_socket(entry.data, readiness.readable, readiness.writable));
                    index += 1;
                }
                // Not armed any more: marked since, or before this look and hot only from here on. The bell that came with the
                // mark may have rung before the poller announced that it sleeps, and it is not to hear of the next.
                Looked::Seen(_) | Looked::Busy if !entry.is_asked() || !entry.may_rest() => {
                    self.look_again |= !planted("poll-sleeps-unarmed");
                    index += 1;
                }
                Looked::Seen(_) | Looked::Busy if self.look_again => index += 1,
                Looked::Seen(_) | Looked::Busy => {
                    entry.is_hot = false;
                    self.armed += 1;
                    self.hot.swap_remove(index);
                }
                Looked::Gone => {
                    self.hot.swap_remove(index);
                    self.forget(place);
                }
            }
        }
    }

    /// Arms sockets that have been quiet for `limit` looks; among many as many as are too many, among few all but one.
    #[cold]
    #[inline(never)]
    fn rest(&mut self, limit: u32) {
        let kept = if self.hot.len() > HOT_SOCKETS { HOT_SOCKETS } else { 1 };
        let surplus = self.hot.len() - kept.min(self.hot.len());
        let mut resting = std::mem::take(&mut self.resting);
        let is_tired =
            |place: &&u32| self.places[**place as usize].entry.as_ref().is_some_and(|entry| entry.quiet_looks >= limit);
        resting.extend(self.hot.iter().filter(is_tired).take(surplus));
        let mut wants_room = false;
        for &place in &resting {
            if let Some(entry) = self.places[place as usize].entry.as_mut() {
                wants_room |= entry.announce();
            }
        }
        // Full: the announcements against the looks below; pairs with the one of whoever makes a socket ready. Heavy
        // where consumers only issue light ones before they look whether somebody wants room.
        let fenced = if planted("poll-rest-no-fence") {
            true
        } else if wants_room {
            heavy_fence()
        } else {
            full_fence();
            true
        };
        for place in resting.drain(..) {
            let Some(entry) = self.places[place as usize].entry.as_mut() else { continue };
            self.looks += 1;
            let looked = if planted("poll-rest-no-look") {
                Looked::Seen(Default::default())
            } else {
                entry.socket.look(entry.interest)
            };
            match looked {
                Looked::Seen(readiness) if !readiness.any() && fenced && entry.is_asked() && entry.may_rest() => {
                    entry.is_hot = false;
                    self.armed += 1;
                    self.hot.retain(|other| *other != place);
                }
                // Ready by now, in use, or gone: that is for the next look.
                _ => entry.stay(),
            }
        }
        self.resting = resting;
    }

    #[cold]
    #[inline(never)]
    fn heat_marked(&mut self) {
        let bell = self.bell.clone();
        bell.marked.drain(|bit| {
            for place in (bit..self.places.len() as u32).step_by(ReadySet::BITS as usize) {
                let entry = self.places[place as usize].entry.as_ref();
                if entry.is_some_and(|entry| !entry.is_hot && !entry.registration.is_armed()) {
                    self.marked += 1;
                    self.heat(place);
                }
            }
        });
    }

    fn heat(&mut self, place: u32) {
        let Some(entry) = self.places[place as usize].entry.as_mut() else { return };
        if entry.is_hot {
            return;
        }
        entry.stay();
        entry.is_hot = true;
        self.hot.push(place);
    }

    /// Takes the entry out; the caller sees to `hot`.
    fn forget(&mut self, place: u32) {
        let Some(entry) = self.places[place as usize].entry.take() else { return };
        if let Some(reactor) = &entry.driven {
            self.upkeep.leave(reactor);
        }
        entry.registration.end();
        let watcher: Arc<dyn Watcher> = entry.registration;
        entry.socket.dismiss(&watcher);
        self.by_socket.remove(&entry.socket.identity());
        self.places[place as usize].turn += 1;
        self.free.push(place);
    }

    fn entry(&mut self, key: Key) -> Result<&mut Entry, NotRegistered> {
        let place = self.places.get_mut(key.place as usize).filter(|place| place.turn == key.turn);
        place.and_then(|place| place.entry.as_mut()).ok_or(NotRegistered)
    }
}

impl Entry {
    /// Asks to be marked. Tells whether a heavy fence is needed.
    fn announce(&mut self) -> bool {
        if self.interest.is_none() {
            return false;
        }
        self.registration.arm();
        self.socket.signal().announce();
        let wants_room = self.interest.has_writable();
        self.is_room_wanted = !wants_room || self.socket.want_room();
        wants_room
    }

    /// Has the socket, found not ready, been asked for all it is to tell? One that was in use when it was to be asked for
    /// room was not, and is asked anew.
    fn is_asked(&self) -> bool {
        self.is_room_wanted
    }

    /// Will it be marked?
    fn may_rest(&self) -> bool {
        self.registration.is_armed() || self.interest.is_none() || planted("poll-forgets-marks")
    }

    /// It is looked at from now on. What was announced to its peers stays, as others may have announced it too: at worst
    /// each of them tells us for nothing, once.
    fn stay(&mut self) {
        self.registration.disarm();
        self.quiet_looks = 0;
    }
}

impl Drop for Watchlist {
    fn drop(&mut self) {
        if cfg!(any(loom, shuttle)) && std::thread::panicking() {
            return;
        }
        (0..self.places.len() as u32).for_each(|place| self.forget(place));
    }
}

impl Event {
    fn of_socket(data: u64, readable: bool, writable: bool) -> Self {
        Self { data, readable, writable, error: false, hung_up: false }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::{Context, Sub, XPub};

    #[test]
    fn one_marked_before_the_last_look_is_not_slept_on_unarmed() {
        let context = Context::new();
        let mut publisher = XPub::new(&context).unwrap();
        publisher.bind("inproc://news").unwrap();
        let bell = Bell::new();
        let (mut list, mut events) = (Watchlist::new(bell), Events::new());
        list.add(&mut publisher, None, Interest::READABLE, 1).unwrap();
        let mut last_look = |list: &mut Watchlist| {
            list.announce();
            full_fence();
            list.look(&mut events);
            (list.must_look_again(), list.hot(), events.len())
        };
        assert_eq!(last_look(&mut list), (false, 0, 0), "armed, and at rest");
        // Marks it, while nobody sleeps who could be woken; and there is nothing to read yet.
        let mut subscriber = Sub::new(&context).unwrap();
        subscriber.connect("inproc://news").unwrap();
        assert_eq!(last_look(&mut list), (true, 1, 0), "it is hot, and not armed");
        assert_eq!(last_look(&mut list), (false, 0, 0));
        subscriber.subscribe("a");
        assert!(list.bell.marked.is_marked());
        assert_eq!(last_look(&mut list), (false, 1, 1));
    }
}
