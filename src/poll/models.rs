//! Programs for the model checkers: production pollers, watched cores and descriptors over the least a socket can be.
//! A poller that sleeps for ever shows as a deadlock, which both checkers report as a panic.

#![forbid(unsafe_code)]

use std::{io, mem::ManuallyDrop, sync::Arc as Counted};

use super::{Events, Interest, PollError, Pollable, Poller};
use crate::{
    SocketType,
    reactor::Reactor,
    socket::{
        Descriptor, Readiness, Told,
        sealed::Sealed,
        watch::{Beckons, Content, Owner, Ready, Watchable, identity_of},
    },
    sync::{Arc, AtomicBool, AtomicU32, Ordering, light_fence, thread},
    wait::{Awaited, Signal, WaitPolicy, Waiter},
};

/// What peers reach: counts that grow.
#[derive(Debug, Default)]
pub(crate) struct Letterbox {
    delivered: AtomicU32,
    /// Letters of the owner's that have left its outbox, which holds one.
    carried: AtomicU32,
    is_room_wanted: AtomicBool,
    signal: Signal,
}

impl Letterbox {
    pub(crate) fn deliver(&self) {
        // Release: pairs with Acquire in `Reader::is_there`.
        self.delivered.fetch_add(1, Ordering::Release);
        self.signal.fence_and_notify();
    }

    /// As a pipe's consumer: a light fence where nobody wants room.
    pub(crate) fn carry(&self) {
        // Release: pairs with Acquire in `Reader::has_room`.
        self.carried.fetch_add(1, Ordering::Release);
        light_fence();
        if self.is_room_wanted.load(Ordering::Relaxed) && self.is_room_wanted.swap(false, Ordering::Relaxed) {
            self.signal.fence_and_notify();
        }
    }
}

impl Beckons for Letterbox {
    fn signal(&self) -> &Signal {
        &self.signal
    }
}

/// What the owner has: the letters it took, and wrote.
#[derive(Debug)]
struct Reader {
    of: Arc<Letterbox>,
    taken: u32,
    sent: u32,
    told: Told,
}

impl Reader {
    fn is_there(&self) -> bool {
        self.of.delivered.load(Ordering::Acquire) > self.taken
    }

    fn has_room(&self) -> bool {
        self.of.carried.load(Ordering::Acquire) == self.sent
    }

    fn take(&mut self) -> bool {
        let is_there = self.is_there();
        self.taken += u32::from(is_there);
        if !is_there {
            self.told.none_of(Interest::READABLE);
        }
        is_there
    }

    fn put(&mut self) -> bool {
        let has_room = self.has_room();
        self.sent += u32::from(has_room);
        if !has_room {
            self.told.none_of(Interest::WRITABLE);
        }
        has_room
    }

    fn ask(&mut self) -> Readiness {
        let found = self.readiness(Interest::BOTH);
        self.told = Told { of: Interest::BOTH, missing: Interest::BOTH.without(found.as_interest()) };
        found
    }
}

impl Ready for Reader {
    fn readiness(&mut self, interest: Interest) -> Readiness {
        Readiness {
            readable: interest.has_readable() && self.is_there(),
            writable: interest.has_writable() && self.has_room(),
        }
    }

    fn news(&mut self, awaited: Interest) -> Interest {
        self.readiness(awaited).as_interest()
    }

    fn is_particular(&self) -> bool {
        false
    }

    fn take_told(&mut self) -> Told {
        std::mem::take(&mut self.told)
    }

    fn want_room(&mut self) {
        self.of.is_room_wanted.store(true, Ordering::Relaxed);
    }

    fn progress(&self) -> u64 {
        u64::from(self.taken) + u64::from(self.sent)
    }

    fn set_watched(&mut self, _: bool) {}
}

impl Content for Reader {
    type Hub = Letterbox;

    fn hub(&self) -> &Arc<Letterbox> {
        &self.of
    }
}

/// The owner's end of a letterbox, as a socket.
#[derive(Debug)]
pub(crate) struct Letters(Option<ManuallyDrop<Owner<Reader>>>);

impl Letters {
    pub(crate) fn new() -> (Arc<Letterbox>, Self) {
        let (letterbox, owner) = socket();
        (letterbox, Self(Some(owner)))
    }

    fn owner(&mut self) -> &mut Owner<Reader> {
        self.0.as_mut().expect("it is there until it is dropped")
    }

    fn owner_ref(&self) -> &Owner<Reader> {
        self.0.as_ref().expect("it is there until it is dropped")
    }

    /// Takes a letter. False: there is none.
    pub(crate) fn take(&mut self) -> bool {
        take(self.owner())
    }

    /// Writes one. False: there is no room.
    pub(crate) fn put(&mut self) -> bool {
        self.owner().with(Reader::put).0
    }
}

impl Drop for Letters {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            drop(self.0.take().map(ManuallyDrop::into_inner));
        }
    }
}

impl Sealed for Letters {}

#[expect(private_interfaces, reason = "see the trait")]
impl Pollable for Letters {
    fn watch(&mut self) -> Counted<dyn Watchable> {
        self.owner_ref().shared().clone()
    }

    fn to_drive(&self) -> io::Result<Option<Reactor>> {
        Ok(None)
    }

    fn is_inherited(&self) -> bool {
        false
    }

    fn identity(&self) -> usize {
        self.owner_ref().with_ref(|reader| identity_of(&reader.of))
    }

    fn socket_type(&self) -> SocketType {
        SocketType::Pair
    }

    fn is_closed(&self) -> bool {
        false
    }

    fn readiness(&mut self, interest: Interest) -> Interest {
        self.owner().with(|reader| Ready::readiness(reader, interest)).0.as_interest()
    }

    #[cfg(target_os = "linux")]
    fn edge_descriptor(&mut self) -> io::Result<Descriptor> {
        Descriptor::new(self.owner_ref().shared().clone(), Interest::READABLE)
    }
}

/// The next letter, for its owner.
struct Next<'a> {
    of: &'a Letterbox,
    taken: &'a mut u32,
}

impl Awaited for Next<'_> {
    type Ready = ();

    fn look(&mut self) -> Option<()> {
        let is_there = self.of.delivered.load(Ordering::Acquire) > *self.taken;
        *self.taken += u32::from(is_there);
        is_there.then_some(())
    }
}

/// A model that failed unwinds past its parts, and loom's must not be dropped then.
fn socket() -> (Arc<Letterbox>, ManuallyDrop<Owner<Reader>>) {
    let letterbox = Arc::new(Letterbox::default());
    (
        letterbox.clone(),
        ManuallyDrop::new(Owner::new(Reader { of: letterbox, taken: 0, sent: 0, told: Told::default() })),
    )
}

fn poller() -> (ManuallyDrop<Poller>, Events) {
    (ManuallyDrop::new(Poller::with_policy(WaitPolicy::Park)), Events::new())
}

fn add(poller: &mut Poller, owner: &Owner<Reader>, data: u64) -> super::Key {
    poller.insert(owner.shared().clone(), Interest::READABLE, data)
}

fn take(owner: &mut Owner<Reader>) -> bool {
    owner.with(Reader::take).0
}

/// One waits on two sockets that get `letters` each, from one sender: sockets are armed in a look and before a sleep,
/// marked, and armed again.
pub(super) fn two_sockets(letters: u32) {
    let (letterboxes, mut owners): (Vec<_>, Vec<_>) = [socket(), socket()].into_iter().unzip();
    let (mut poller, mut events) = poller();
    for (data, owner) in owners.iter().enumerate() {
        add(&mut poller, owner, data as u64);
    }
    let sender = thread::spawn(move || {
        for _ in 0..letters {
            letterboxes.iter().for_each(|letterbox| letterbox.deliver());
        }
    });
    // Two are hot and one may be: one is armed.
    poller.try_wait(&mut events).unwrap();
    let mut taken = 0;
    while taken < 2 * letters {
        poller.wait(&mut events, None).unwrap();
        for event in &events {
            assert!(take(&mut owners[event.data as usize]), "reported, and not there");
            taken += 1;
        }
    }
    sender.join().unwrap();
    assert_eq!(poller.try_wait(&mut events).unwrap(), 0);
    drop((ManuallyDrop::into_inner(poller), owners.into_iter().map(ManuallyDrop::into_inner).collect::<Vec<_>>()));
}

/// Another thread uses the socket, which has two letters, and takes one: the poller hears of the other.
pub(super) fn in_use() {
    let (letterbox, mut owner) = socket();
    letterbox.deliver();
    letterbox.deliver();
    let (mut poller, mut events) = poller();
    add(&mut poller, &owner, 0);
    let user = thread::spawn(move || {
        assert!(take(&mut owner));
        owner
    });
    assert_eq!(poller.wait(&mut events, None).unwrap(), 1);
    let mut owner = user.join().unwrap();
    assert!(take(&mut owner));
    drop((ManuallyDrop::into_inner(poller), ManuallyDrop::into_inner(owner)));
}

/// The owner waits for a letter of an armed socket, and so takes its announcement back; then the poller waits for the
/// next one.
pub(super) fn displaced() {
    let (letterbox, mut owner) = socket();
    let (_, other) = socket();
    let (mut poller, mut events) = poller();
    add(&mut poller, &owner, 0);
    add(&mut poller, &other, 1);
    let sender = thread::spawn(move || (0..2).for_each(|_| letterbox.deliver()));
    poller.try_wait(&mut events).unwrap();
    let mut waiter = Waiter::new(WaitPolicy::Park);
    owner.with(|Reader { of, taken, .. }| waiter.wait(&of.signal, None, &mut Next { of, taken }).unwrap());
    assert_eq!(poller.wait(&mut events, None).unwrap(), 1);
    assert!(take(&mut owner));
    sender.join().unwrap();
    drop((ManuallyDrop::into_inner(poller), ManuallyDrop::into_inner(owner), ManuallyDrop::into_inner(other)));
}

/// A socket is taken out and registered anew while a wake for it may be in flight.
pub(super) fn registered_anew() {
    let (letterbox, mut owner) = socket();
    let (_, other) = socket();
    let (mut poller, mut events) = poller();
    let key = add(&mut poller, &owner, 0);
    add(&mut poller, &other, 1);
    let sender = thread::spawn(move || letterbox.deliver());
    poller.try_wait(&mut events).unwrap();
    poller.remove(key).unwrap();
    add(&mut poller, &owner, 2);
    assert_eq!(poller.wait(&mut events, None).unwrap(), 1);
    assert!(events.iter().all(|event| event.data == 2));
    assert!(take(&mut owner));
    sender.join().unwrap();
    drop((ManuallyDrop::into_inner(poller), ManuallyDrop::into_inner(owner), ManuallyDrop::into_inner(other)));
}

/// A socket's peer wakes its watchers for nothing before the letter comes, as one does that joins or leaves.
pub(super) fn woken_for_nothing() {
    let (letterbox, mut owner) = socket();
    let (mut poller, mut events) = poller();
    add(&mut poller, &owner, 0);
    let sender = thread::spawn(move || {
        letterbox.signal.fence_and_notify();
        letterbox.deliver();
    });
    assert_eq!(poller.wait(&mut events, None).unwrap(), 1);
    assert!(take(&mut owner));
    sender.join().unwrap();
    drop((ManuallyDrop::into_inner(poller), ManuallyDrop::into_inner(owner)));
}

/// As [`woken_for_nothing`], of a socket that is at rest already: the bell that comes with the mark may ring before the poller
/// says that it sleeps.
pub(super) fn woken_at_rest() {
    let (letterbox, mut owner) = socket();
    let (_, other) = socket();
    let (mut poller, mut events) = poller();
    add(&mut poller, &owner, 0);
    add(&mut poller, &other, 1);
    poller.try_wait(&mut events).unwrap();
    let sender = thread::spawn(move || {
        letterbox.signal.fence_and_notify();
        letterbox.deliver();
    });
    assert_eq!(poller.wait(&mut events, None).unwrap(), 1);
    assert!(take(&mut owner));
    sender.join().unwrap();
    drop((ManuallyDrop::into_inner(poller), ManuallyDrop::into_inner(owner), ManuallyDrop::into_inner(other)));
}

/// Waits that a signal ended: a model in which there are none proves nothing.
pub(super) static INTERRUPTS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// A signal may end the wait for a letter, which is begun again; then there is another letter.
pub(super) fn interrupted() {
    let (letterbox, mut owner) = socket();
    let (mut poller, mut events) = poller();
    poller.set_interruptible(true);
    add(&mut poller, &owner, 0);
    let killer = {
        let bell = ManuallyDrop::new(poller.bell());
        thread::spawn(move || {
            bell.signal.interrupt();
            bell
        })
    };
    let sender = thread::spawn(move || (0..2).for_each(|_| letterbox.deliver()));
    for _ in 0..2 {
        let mut waited = poller.wait(&mut events, None);
        if matches!(waited, Err(PollError::Interrupted)) {
            waited = poller.wait(&mut events, None);
        }
        assert_eq!(waited.unwrap(), 1);
        assert!(take(&mut owner));
    }
    sender.join().unwrap();
    drop(ManuallyDrop::into_inner(killer.join().unwrap()));
    INTERRUPTS.fetch_add(poller.counters().wait.interrupts, std::sync::atomic::Ordering::Relaxed);
    drop((ManuallyDrop::into_inner(poller), ManuallyDrop::into_inner(owner)));
}

/// A socket is dropped, elsewhere, while the poller waits for it alone.
pub(super) fn dropped() {
    let (_, owner) = socket();
    let (mut poller, mut events) = poller();
    add(&mut poller, &owner, 0);
    let dropper = thread::spawn(move || drop(ManuallyDrop::into_inner(owner)));
    assert!(poller.wait(&mut events, None).is_err());
    dropper.join().unwrap();
    drop(ManuallyDrop::into_inner(poller));
}

/// A loop that is edge-triggered turns `turns` times over a descriptor while `senders` send `letters` each: at the end
/// there is none left that no edge has told of.
pub(super) fn descriptor(senders: u32, letters: u32, turns: u32) {
    let (letterbox, mut owner) = socket();
    let descriptor = ManuallyDrop::new(Descriptor::new(owner.shared().clone(), Interest::READABLE).unwrap());
    owner.with(|_| ());
    let senders: Vec<_> = (0..senders)
        .map(|_| {
            let letterbox = letterbox.clone();
            thread::spawn(move || (0..letters).for_each(|_| letterbox.deliver()))
        })
        .collect();
    let letters = senders.len() as u32 * letters;
    let mut edges = 0;
    let mut taken = 0;
    for _ in 0..turns {
        // A loop that sleeps until there is an edge finds all that came before in one.
        edges = descriptor.edges();
        while take(&mut owner) {
            taken += 1;
        }
    }
    for sender in senders {
        sender.join().unwrap();
    }
    if taken < letters {
        assert!(descriptor.is_raised() && descriptor.edges() > edges, "a letter no edge tells of");
    }
    while take(&mut owner) {}
    assert!(!descriptor.is_raised(), "readable for ever");
    drop((ManuallyDrop::into_inner(descriptor), ManuallyDrop::into_inner(owner)));
}

/// As [`descriptor`], over one that tells of news: a loop that takes until there is none.
pub(super) fn news(senders: u32, letters: u32, turns: u32) {
    let (letterbox, mut owner) = socket();
    let descriptor = ManuallyDrop::new(Descriptor::of_news(owner.shared().clone()).unwrap());
    let senders: Vec<_> = (0..senders)
        .map(|_| {
            let letterbox = letterbox.clone();
            thread::spawn(move || (0..letters).for_each(|_| letterbox.deliver()))
        })
        .collect();
    let letters = senders.len() as u32 * letters;
    let (mut edges, mut taken) = (0, 0);
    for _ in 0..turns {
        edges = descriptor.edges();
        while take(&mut owner) {
            taken += 1;
        }
    }
    for sender in senders {
        sender.join().unwrap();
    }
    if taken < letters {
        assert!(descriptor.is_raised() && descriptor.edges() > edges, "a letter no edge tells of");
    }
    while take(&mut owner) {}
    assert!(!descriptor.is_raised(), "readable for ever");
    drop((ManuallyDrop::into_inner(descriptor), ManuallyDrop::into_inner(owner)));
}

/// Likewise: one that asks what there is and does that, in and out, until there is nothing. A peer carries a letter, so that
/// the outbox has room, and delivers one.
pub(super) fn news_asked(turns: u32) {
    let (letterbox, mut owner) = socket();
    let descriptor = ManuallyDrop::new(Descriptor::of_news(owner.shared().clone()).unwrap());
    assert!(owner.with(Reader::put).0);
    let peer = thread::spawn(move || {
        letterbox.carry();
        letterbox.deliver();
        letterbox
    });
    let mut edges = 0;
    for _ in 0..turns {
        edges = descriptor.edges();
        loop {
            let found = owner.with(Reader::ask).0;
            if found.readable {
                assert!(take(&mut owner));
            }
            if found.writable {
                assert!(owner.with(Reader::put).0);
            }
            if !found.any() {
                break;
            }
        }
    }
    let letterbox = peer.join().unwrap();
    if owner.with_ref(|reader| reader.is_there() || reader.has_room()) {
        assert!(descriptor.is_raised() && descriptor.edges() > edges, "news no edge tells of");
    }
    letterbox.deliver();
    assert!(owner.with(Reader::ask).0.readable && !descriptor.is_raised(), "readable for what was told");
    drop((ManuallyDrop::into_inner(descriptor), ManuallyDrop::into_inner(owner), letterbox));
}

/// One that finds no room and no letter, in this order or `in_first` in the other, and sleeps: it hears of room. It hears of it
/// once if it does not care.
pub(super) fn news_in_passing(in_first: bool) {
    let (letterbox, mut owner) = socket();
    let descriptor = ManuallyDrop::new(Descriptor::of_news(owner.shared().clone()).unwrap());
    assert!(owner.with(Reader::put).0);
    let peer = thread::spawn(move || letterbox.carry());
    if in_first {
        assert!(!take(&mut owner));
    }
    let is_full = !owner.with(Reader::put).0;
    if !in_first {
        assert!(!take(&mut owner));
    }
    peer.join().unwrap();
    if is_full {
        assert!(descriptor.is_raised(), "room that nobody hears of");
    }
    (0..2).for_each(|_| assert!(!take(&mut owner)));
    assert!(!descriptor.is_raised(), "readable for ever");
    drop((ManuallyDrop::into_inner(descriptor), ManuallyDrop::into_inner(owner)));
}
