//! Pipes between two crews: every kind of message, closing, credit, seats. Run under Miri too.

#![forbid(unsafe_code)]

use super::{
    Crew, Directions, End, Hub, HubOptions, Joined, Losses, Lost, Mute, Outward, Profile, Side, Tie, crew::HOT_PIPES,
    local_pair,
};
use crate::{
    Frame, Message,
    message::POOLED_MAX,
    sync::{Arc, AtomicUsize, Ordering, thread},
};

const HWM: u32 = 4;

struct Socket {
    hub: Arc<Hub>,
    crew: Crew,
}

impl Socket {
    fn new(hwm: u32, seats: usize, losses: &Arc<Losses>) -> Self {
        let hub = Hub::new(Profile::plain(), HubOptions { send_hwm: hwm, recv_hwm: hwm, seats }, losses.clone());
        Self { crew: Crew::new(hub.clone(), Outward::Balanced), hub }
    }

    fn try_send(&mut self, message: impl Into<Message>) -> Result<(), Mute> {
        let key = self.crew.writable()?;
        self.crew.send_to(key, &mut message.into()).map_err(|_| Mute::NoPeer)
    }
}

/// As a socket receives: the pipe whose turn it is, then its message.
fn receive(crew: &mut Crew) -> Option<Message> {
    let mut place = Message::from(Frame::new());
    let key = crew.readable()?;
    crew.receive_from(key, &mut place).then_some(place)
}

fn connect_ahead(from: &Arc<Hub>) -> End {
    let tie = Tie::new(from.clone());
    let (near, far) = local_pair(&tie, Directions { forth: true, back: true });
    assert!(!matches!(from.join(near), Joined::Refused(_)));
    far
}

fn seat(far: End, to: &Arc<Hub>) -> Joined {
    far.tie().introduce(Side::Second, to.clone(), to.profile());
    to.join(far)
}

fn pair(hwm: u32) -> (Socket, Socket, Arc<Losses>) {
    let losses = Arc::new(Losses::default());
    let (one, other) = (Socket::new(hwm, 8, &losses), Socket::new(hwm, 8, &losses));
    assert!(matches!(seat(connect_ahead(&one.hub), &other.hub), Joined::Seated));
    (one, other, losses)
}

/// A payload that counts how many of its kind are alive.
struct Owner(Arc<AtomicUsize>, Vec<u8>);

impl Owner {
    fn frame(alive: &Arc<AtomicUsize>, len: usize) -> Frame {
        alive.fetch_add(1, Ordering::Relaxed);
        Frame::from_owner(Self(alive.clone(), vec![len as u8; len]))
    }
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.1
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One message of each kind there is, by number.
pub(super) fn message_of_kind(number: usize, alive: &Arc<AtomicUsize>) -> Message {
    let pooled = || Frame::from(vec![3; 200]);
    match number % 7 {
        0 => Message::from("inline"),
        1 => Message::from(vec![1; POOLED_MAX]),
        2 => Message::from(Owner::frame(alive, 3)),
        3 => Message::from(Owner::frame(alive, 1000)),
        4 => [Frame::from("a"), pooled(), Owner::frame(alive, 1000), Frame::new()].into_iter().collect(),
        5 => (0..40).map(|part| if part % 2 == 0 { pooled() } else { Owner::frame(alive, part) }).collect(),
        _ => Message::from_vec(vec![Frame::from("single in a list")]),
    }
}

#[test]
fn messages_of_every_kind_arrive_whole_and_in_order() {
    let rounds = if cfg!(miri) { 21 } else { 7_000 };
    let (mut sender, mut receiver, _) = pair(HWM);
    let (alive, expected_alive) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for number in 0..rounds {
        sender.try_send(message_of_kind(number, &alive)).unwrap();
        assert_eq!(receive(&mut receiver.crew).unwrap(), message_of_kind(number, &expected_alive));
    }
    assert_eq!((alive.load(Ordering::Relaxed), expected_alive.load(Ordering::Relaxed)), (0, 0));
}

#[test]
fn messages_nobody_takes_are_dropped_once_and_counted() {
    let alive = Arc::new(AtomicUsize::new(0));
    for sender_first in [true, false] {
        let (mut sender, mut receiver, losses) = pair(0);
        for number in 0..30 {
            sender.try_send(message_of_kind(number, &alive)).unwrap();
        }
        assert!(receive(&mut receiver.crew).is_some());
        if sender_first {
            drop(sender);
            drop(receiver);
        } else {
            drop(receiver);
            drop(sender);
        }
        assert_eq!(losses.total(), Lost { undelivered: 0, unread: 29 });
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    }
    // To a name nobody binds.
    let losses = Arc::new(Losses::default());
    let mut sender = Socket::new(0, 8, &losses);
    let far = connect_ahead(&sender.hub);
    for number in 0..30 {
        sender.try_send(message_of_kind(number, &alive)).unwrap();
    }
    drop(sender);
    drop(far);
    assert_eq!(losses.total(), Lost { undelivered: 30, unread: 0 });
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

#[test]
fn both_ends_may_close_at_once_from_two_threads() {
    let alive = Arc::new(AtomicUsize::new(0));
    for _ in 0..if cfg!(miri) { 3 } else { 500 } {
        let (mut sender, mut receiver, losses) = pair(0);
        let sending = thread::spawn({
            let alive = alive.clone();
            move || (0..30).filter(|number| sender.try_send(message_of_kind(*number, &alive)).is_ok()).count()
        });
        let taken = (0..10).filter_map(|_| receive(&mut receiver.crew)).count();
        drop(receiver);
        let sent = sending.join().unwrap();
        let lost = losses.total();
        assert_eq!(sent as u64, taken as u64 + lost.undelivered + lost.unread);
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn two_threads_exchange_messages_of_every_kind() {
    let rounds = if cfg!(miri) { 14 } else { 7_000 };
    let (mut one, mut other, _) = pair(HWM);
    let alive = Arc::new(AtomicUsize::new(0));
    let echo = thread::spawn(move || {
        for _ in 0..rounds {
            let message = loop {
                match receive(&mut other.crew) {
                    Some(message) => break message,
                    None => thread::yield_now(),
                }
            };
            other.try_send(message).unwrap();
        }
        other
    });
    for number in 0..rounds {
        one.try_send(message_of_kind(number, &alive)).unwrap();
        let back = loop {
            match receive(&mut one.crew) {
                Some(message) => break message,
                None => thread::yield_now(),
            }
        };
        let size = back.size();
        drop(back);
        assert_eq!(size, message_of_kind(number, &Arc::default()).size());
    }
    drop((echo.join().unwrap(), one));
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

/// A pipe parked at a high mark, which is lowered: what its consumer takes then gives no room, and it must be looked at
/// when more is taken.
#[test]
fn a_parked_pipe_survives_a_lowered_mark() {
    let losses = Arc::new(Losses::default());
    let mut sender = Socket::new(HWM, 64, &losses);
    let mut receivers: Vec<_> = (0..HOT_PIPES + 2).map(|_| Socket::new(HWM, 8, &losses)).collect();
    receivers.iter().for_each(|receiver| drop(seat(connect_ahead(&sender.hub), &receiver.hub)));
    // Enough looks in vain to park them all.
    while sender.try_send("x").is_ok() {}
    (0..200).for_each(|_| assert_eq!(sender.try_send("x"), Err(Mute::Full)));
    sender.hub.set_hwm(Some(1), None);
    receivers.iter().for_each(|receiver| receiver.hub.set_hwm(None, Some(1)));
    assert_eq!(sender.try_send("x"), Err(Mute::Full));
    // From 8 to 3: still above the limit of 2, though the consumers have told; then to none.
    for taken in [5, 3] {
        assert_eq!(sender.try_send("x"), Err(Mute::Full));
        for receiver in &mut receivers {
            (0..taken).for_each(|_| assert!(receive(&mut receiver.crew).is_some()));
        }
    }
    for _ in &receivers {
        assert_eq!(sender.try_send("x"), Ok(()));
    }
}

/// A payload whose destructor panics.
pub(super) struct Bomb;

impl AsRef<[u8]> for Bomb {
    fn as_ref(&self) -> &[u8] {
        b"bomb"
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a destructor that panics");
    }
}

/// What was in the place a message is received into is dropped; if that panics, the place holds no half of a message.
#[test]
fn a_destructor_that_panics_leaves_a_whole_message() {
    let (mut sender, mut receiver, _) = pair(HWM);
    let alive = Arc::new(AtomicUsize::new(0));
    sender.try_send(Owner::frame(&alive, 9)).unwrap();
    let mut place = Message::from(Frame::from_owner(Bomb));
    let key = receiver.crew.readable().unwrap();
    let received = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        receiver.crew.receive_from(key, &mut place);
    }));
    assert!(received.is_err());
    assert_eq!(place.size(), 0);
    assert_eq!(receive(&mut receiver.crew).unwrap().size(), 9);
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

#[test]
fn one_that_sleeps_has_asked_the_pipes_it_found_marked() {
    let losses = Arc::new(Losses::default());
    let mut sender = Socket::new(HWM, 2 * HOT_PIPES, &losses);
    let mut receivers: Vec<Socket> = (0..=HOT_PIPES).map(|_| Socket::new(HWM, 1, &losses)).collect();
    for receiver in &receivers {
        assert!(matches!(seat(connect_ahead(&sender.hub), &receiver.hub), Joined::Seated));
    }
    while sender.try_send("x").is_ok() {}
    sender.hub.set_hwm(Some(1), None);
    // Until the full ones are no longer looked at.
    (0..200).for_each(|_| assert_eq!(sender.crew.writable(), Err(Mute::Full)));
    let taker = &mut receivers[2].crew;
    // Seven are left, and five may be.
    assert!(receive(taker).is_some());
    assert!(sender.hub.room().is_marked());
    // As who is about to sleep: announces, and looks for the last time.
    sender.crew.want_room();
    assert_eq!(sender.crew.writable(), Err(Mute::Full));
    assert!(!sender.hub.room().is_marked());
    while receive(taker).is_some() {}
    assert!(sender.hub.room().is_marked(), "and wakes who sleeps");
    assert!(sender.crew.writable().is_ok());
}
