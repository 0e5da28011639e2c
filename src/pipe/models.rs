//! Programs for the model checkers, on the types sockets are made of: crews, hubs, ties and waiters over local pipes.
//! loom runs them over all interleavings, shuttle with more messages over sampled ones. An owner that sleeps for ever
//! shows as a deadlock, which both report as a panic.

#![forbid(unsafe_code)]

use std::mem::ManuallyDrop;

use super::{
    Crew, Directions, End, Hub, HubOptions, Joined, Losses, Lost, Mute, Outward, Profile, Side, Tie, conflate,
    conflating_pair, local_pair, ready::ReadySet,
};
use crate::{
    Frame, Message,
    monitor::EventKind,
    sync::{Arc, AtomicU32, Ordering, thread},
    wait::{Awaited, GaveUp, WaitPolicy, Waiter},
};

/// A socket in small. As in `socket::core`, one signal serves both waiters.
pub(super) struct Socket {
    pub(super) hub: Arc<Hub>,
    crew: Crew,
    sending: Waiter,
    receiving: Waiter,
}

/// As a socket receives: the pipe whose turn it is, then its message.
fn receive(crew: &mut Crew) -> Option<Message> {
    let mut place = Message::from(Frame::new());
    let key = crew.readable()?;
    crew.receive_from(key, &mut place).then_some(place)
}

/// A message, or that there will be none: `socket::core::Arrival`.
struct Arrival<'a>(&'a mut Crew);

impl Awaited for Arrival<'_> {
    type Ready = Option<Message>;

    fn look(&mut self) -> Option<Self::Ready> {
        match receive(self.0) {
            Some(message) => Some(Some(message)),
            None => self.0.is_terminated().then_some(None),
        }
    }

    fn announce(&mut self) -> bool {
        self.0.before_sleep();
        false
    }
}

/// A pipe with room: `socket::core::Room`.
struct Room<'a>(&'a mut Crew);

impl Awaited for Room<'_> {
    type Ready = Result<u32, Mute>;

    fn look(&mut self) -> Option<Self::Ready> {
        match self.0.writable() {
            Err(Mute::Full | Mute::NoPeer) => None,
            result => Some(result),
        }
    }

    fn announce(&mut self) -> bool {
        self.0.want_room();
        true
    }

    fn withdraw(&mut self) {
        self.0.want_no_room();
    }
}

/// That every peer has gone and all they sent is taken. Holds how many messages were taken meanwhile.
struct Solitude<'a>(&'a mut Crew, u32);

impl Awaited for Solitude<'_> {
    type Ready = u32;

    fn look(&mut self) -> Option<u32> {
        while receive(self.0).is_some() {
            self.1 += 1;
        }
        self.0.is_alone().then_some(self.1)
    }
}

impl Socket {
    pub(super) fn new(hwm: u32, seats: usize, losses: &Arc<Losses>) -> ManuallyDrop<Self> {
        let hub = Hub::new(Profile::plain(), HubOptions { send_hwm: hwm, recv_hwm: hwm, seats }, losses.clone());
        // A model that failed unwinds past its sockets, and loom's parts must not be dropped then.
        ManuallyDrop::new(Self {
            crew: Crew::new(hub.clone(), Outward::Balanced),
            hub,
            sending: Waiter::new(WaitPolicy::Park),
            receiving: Waiter::new(WaitPolicy::Park),
        })
    }

    /// Waits for room and sends, as often as a signal ends the wait. False: terminated.
    pub(super) fn send(&mut self, number: u8) -> bool {
        loop {
            match self.sending.wait(self.hub.signal(), None, &mut Room(&mut self.crew)) {
                Ok(Ok(key)) if self.crew.send_to(key, &mut Message::from([number])).is_ok() => return true,
                // That peer has just left: the next one in turn.
                Ok(Ok(_)) | Err(GaveUp::Interrupted) => {}
                _ => return false,
            }
        }
    }

    pub(super) fn try_send(&mut self, number: u8) -> bool {
        self.crew.writable().is_ok_and(|key| self.crew.send_to(key, &mut Message::from([number])).is_ok())
    }

    /// Waits for a message. `None`: terminated.
    pub(super) fn recv(&mut self) -> Option<u8> {
        let arrival = self.receiving.wait(self.hub.signal(), None, &mut Arrival(&mut self.crew));
        arrival.ok().flatten().map(|message| message[0][0])
    }

    pub(super) fn try_recv(&mut self) -> Option<u8> {
        receive(&mut self.crew).map(|message| message[0][0])
    }

    /// Waits until all peers have gone, and counts what they had sent.
    pub(super) fn await_solitude(&mut self) -> u32 {
        self.receiving.wait(self.hub.signal(), None, &mut Solitude(&mut self.crew, 0)).unwrap()
    }
}

/// Drops `socket`, in a model that has not failed so far.
pub(super) fn close(socket: ManuallyDrop<Socket>) {
    drop(ManuallyDrop::into_inner(socket));
}

/// Makes a pipe from `from` to `to`, as connecting to a bound name does.
pub(super) fn connect(from: &Arc<Hub>, to: &Arc<Hub>) {
    let far = connect_ahead(from);
    seat(far, to);
}

/// Makes a pipe whose far end waits for a socket to bind.
fn connect_ahead(from: &Arc<Hub>) -> End {
    let tie = Tie::new(from.clone());
    let (near, far) = local_pair(&tie, Directions { forth: true, back: false });
    assert!(matches!(from.join(near), Joined::Seated));
    far
}

fn seat(far: End, to: &Arc<Hub>) -> Joined {
    far.tie().introduce(Side::Second, to.clone(), to.profile());
    to.join(far)
}

const MANY: usize = 8;

fn losses() -> ManuallyDrop<Arc<Losses>> {
    ManuallyDrop::new(Arc::default())
}

fn total(losses: ManuallyDrop<Arc<Losses>>) -> Lost {
    ManuallyDrop::into_inner(losses).total()
}

fn sender_and_receiver(hwm: u32) -> (ManuallyDrop<Socket>, ManuallyDrop<Socket>, ManuallyDrop<Arc<Losses>>) {
    let losses = losses();
    let (sender, receiver) = (Socket::new(hwm, MANY, &losses), Socket::new(hwm, MANY, &losses));
    connect(&sender.hub, &receiver.hub);
    (sender, receiver, losses)
}

/// A receiver that waits gets all that is sent.
pub(super) fn arrival(messages: u8) {
    let (mut sender, mut receiver, losses) = sender_and_receiver(0);
    let sending = thread::spawn(move || {
        for number in 0..messages {
            assert!(sender.send(number));
        }
        sender
    });
    for number in 0..messages {
        assert_eq!(receiver.recv(), Some(number));
    }
    close(sending.join().unwrap());
    close(receiver);
    total(losses);
}

/// A sender that waits for room gets it: two messages fit.
pub(super) fn room(messages: u8) {
    let (mut sender, mut receiver, losses) = sender_and_receiver(1);
    assert!(sender.try_send(0) && sender.try_send(1) && !sender.try_send(2));
    let receiving = thread::spawn(move || {
        let mut next = 0;
        while next < messages {
            if let Some(number) = receiver.try_recv() {
                assert_eq!(number, next);
                next += 1;
            }
        }
        receiver
    });
    for number in 2..2 + messages {
        assert!(sender.send(number));
    }
    close(receiving.join().unwrap());
    close(sender);
    total(losses);
}

/// Waits that a signal ended: a model in which there are none proves nothing.
pub(super) static INTERRUPTS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// As `room`, and a signal may end a wait for it, which is begun again.
pub(super) fn interrupted_for_room(messages: u8) {
    let (mut sender, mut receiver, losses) = sender_and_receiver(1);
    sender.sending.set_interruptible(true);
    assert!(sender.try_send(0) && sender.try_send(1));
    let killer = {
        let hub = sender.hub.clone();
        thread::spawn(move || {
            hub.signal().interrupt();
            ManuallyDrop::new(hub)
        })
    };
    let receiving = thread::spawn(move || {
        for number in 0..messages {
            assert_eq!(receiver.try_recv(), Some(number));
        }
        receiver
    });
    for number in 2..2 + messages {
        assert!(sender.send(number));
    }
    drop(ManuallyDrop::into_inner(killer.join().unwrap()));
    INTERRUPTS.fetch_add(sender.sending.counters().interrupts, std::sync::atomic::Ordering::Relaxed);
    close(receiving.join().unwrap());
    close(sender);
    total(losses);
}

/// More pipes than are hot: one is armed while its producer sends.
pub(super) fn armed(messages: u8) {
    let (mut sender, mut receiver, losses) = sender_and_receiver(0);
    let idle = Socket::new(0, MANY, &losses);
    connect(&idle.hub, &receiver.hub);
    let sending = thread::spawn(move || {
        for number in 0..messages {
            assert!(sender.try_send(number));
        }
        sender
    });
    for number in 0..messages {
        assert_eq!(receiver.recv(), Some(number));
    }
    close(sending.join().unwrap());
    close(idle);
    close(receiver);
    total(losses);
}

/// More full pipes than are looked at: they are parked while the consumer of one takes.
pub(super) fn parked(messages: u8) {
    let (mut sender, mut receiver, losses) = sender_and_receiver(1);
    let idle = Socket::new(1, MANY, &losses);
    connect(&sender.hub, &idle.hub);
    for number in 0..4 {
        assert!(sender.try_send(number));
    }
    let receiving = thread::spawn(move || {
        for _ in 0..messages {
            assert!(receiver.try_recv().is_some());
        }
        receiver
    });
    for number in 4..4 + messages {
        assert!(sender.send(number));
    }
    close(receiving.join().unwrap());
    close(idle);
    close(sender);
    total(losses);
}

/// A pipe with a message in it comes while the receiver waits.
pub(super) fn joined_while_receiving() {
    let losses = losses();
    let (mut sender, mut receiver) = (Socket::new(0, MANY, &losses), Socket::new(0, MANY, &losses));
    let far = connect_ahead(&sender.hub);
    assert!(sender.try_send(7));
    let hub = receiver.hub.clone();
    let joining = thread::spawn(move || assert!(matches!(seat(far, &hub), Joined::Seated)));
    assert_eq!(receiver.recv(), Some(7));
    joining.join().unwrap();
    close(sender);
    close(receiver);
    total(losses);
}

/// A pipe comes while the sender waits for a peer.
pub(super) fn joined_while_sending() {
    let losses = losses();
    let mut sender = Socket::new(1, MANY, &losses);
    let hub = sender.hub.clone();
    let joining = thread::spawn(move || ManuallyDrop::new(connect_ahead(&hub)));
    assert!(sender.send(7));
    drop(ManuallyDrop::into_inner(joining.join().unwrap()));
    close(sender);
    total(losses);
}

/// A sender that filled its part of the limit waits; a late bind adds the other's.
pub(super) fn bound_while_full() {
    let losses = losses();
    let (mut sender, receiver) = (Socket::new(1, MANY, &losses), Socket::new(1, MANY, &losses));
    let far = connect_ahead(&sender.hub);
    assert!(sender.try_send(0) && !sender.try_send(1));
    let hub = receiver.hub.clone();
    let joining = thread::spawn(move || assert!(matches!(seat(far, &hub), Joined::Seated)));
    assert!(sender.send(1));
    joining.join().unwrap();
    close(sender);
    close(receiver);
    total(losses);
}

/// The message is sent while its way is being bound, and the binder waits for it.
pub(super) fn sent_while_bound() {
    let losses = losses();
    let (mut sender, mut receiver) = (Socket::new(0, MANY, &losses), Socket::new(0, MANY, &losses));
    let far = connect_ahead(&sender.hub);
    let sending = thread::spawn(move || {
        assert!(sender.try_send(7));
        sender
    });
    seat(far, &receiver.hub);
    assert_eq!(receiver.recv(), Some(7));
    close(sending.join().unwrap());
    close(receiver);
    total(losses);
}

/// The sender leaves, with a message under way, while the receiver waits.
pub(super) fn left_while_receiving(messages: u8) {
    let (mut sender, mut receiver, losses) = sender_and_receiver(0);
    let leaving = thread::spawn(move || {
        for number in 0..messages {
            assert!(sender.try_send(number));
        }
        close(sender);
    });
    assert_eq!(receiver.await_solitude(), u32::from(messages));
    leaving.join().unwrap();
    close(receiver);
    assert_eq!(total(losses), Lost::default());
}

/// The receiver leaves while the sender waits for room; another one comes for it.
pub(super) fn left_while_sending() {
    let losses = losses();
    let mut sender = Socket::new(1, 1, &losses);
    let (first, second) = (Socket::new(1, MANY, &losses), Socket::new(1, MANY, &losses));
    connect(&sender.hub, &first.hub);
    // The only seat is taken: this pipe waits for it.
    let tie = Tie::new(sender.hub.clone());
    let (near, far) = local_pair(&tie, Directions { forth: true, back: false });
    assert!(matches!(sender.hub.join(near), Joined::Waiting));
    assert!(matches!(seat(far, &second.hub), Joined::Seated));
    drop(tie);
    assert!(sender.try_send(0) && sender.try_send(1));
    let leaving = thread::spawn(move || close(first));
    assert!(sender.send(2));
    leaving.join().unwrap();
    close(sender);
    close(second);
    let lost = total(losses);
    assert_eq!(lost.undelivered + lost.unread, 3);
}

/// Both ends close at once with messages in flight: each is taken or counted as lost, once.
pub(super) fn closed_from_both_ends(messages: u8) {
    let (mut sender, mut receiver, losses) = sender_and_receiver(0);
    let closing = thread::spawn(move || {
        let sent = (0..messages).filter(|number| sender.try_send(*number)).count() as u64;
        close(sender);
        sent
    });
    let taken = u64::from(receiver.try_recv().is_some());
    close(receiver);
    let sent = closing.join().unwrap();
    let lost = total(losses);
    assert_eq!(sent, taken + lost.undelivered + lost.unread, "taken {taken}, {lost:?}");
}

/// Shutting down ends a wait for a message.
pub(super) fn terminated_while_receiving() {
    let (sender, mut receiver, losses) = sender_and_receiver(0);
    let hub = receiver.hub.clone();
    let terminating = thread::spawn(move || hub.terminate());
    assert_eq!(receiver.recv(), None);
    terminating.join().unwrap();
    close(sender);
    close(receiver);
    total(losses);
}

/// Shutting down ends a wait for room.
pub(super) fn terminated_while_sending() {
    let (mut sender, receiver, losses) = sender_and_receiver(1);
    assert!(sender.try_send(0) && sender.try_send(1));
    let hub = sender.hub.clone();
    let terminating = thread::spawn(move || hub.terminate());
    assert!(!sender.send(2));
    terminating.join().unwrap();
    close(sender);
    close(receiver);
    total(losses);
}

/// Who drains a mark sees what its marker did before.
pub(super) fn marked() {
    let set = Arc::new(ReadySet::new());
    let done = Arc::new(AtomicU32::new(0));
    let marking = {
        let (set, done) = (set.clone(), done.clone());
        thread::spawn(move || {
            done.store(1, Ordering::Relaxed);
            set.mark(3);
        })
    };
    let (set, done) = (ManuallyDrop::new(set), ManuallyDrop::new(done));
    set.drain(|bit| assert_eq!((bit, done.load(Ordering::Relaxed)), (3, 1)));
    marking.join().unwrap();
    drop((ManuallyDrop::into_inner(set), ManuallyDrop::into_inner(done)));
}

/// Senders come, send, and leave as they like; the receiver takes some and leaves: nothing is lost uncounted.
#[cfg(shuttle)]
pub(super) fn comings_and_goings(senders: u8, messages: u8) {
    use shuttle::rand::{Rng, thread_rng};
    let losses = losses();
    let mut receiver = Socket::new(1, 2, &losses);
    let sending: Vec<_> = (0..senders)
        .map(|_| {
            let (mut sender, hub) = (Socket::new(1, MANY, &losses), receiver.hub.clone());
            thread::spawn(move || {
                connect(&sender.hub, &hub);
                let sent = (0..thread_rng().gen_range(0..=messages)).filter(|number| sender.try_send(*number)).count();
                close(sender);
                sent as u64
            })
        })
        .collect();
    let taken = (0..thread_rng().gen_range(0..10)).filter_map(|_| receiver.try_recv()).count() as u64;
    close(receiver);
    let sent: u64 = sending.into_iter().map(|thread| thread.join().unwrap()).sum();
    let lost = total(losses);
    assert_eq!(sent, taken + lost.undelivered + lost.unread, "taken {taken}, {lost:?}");
}

/// Several senders wait for room and the receiver for messages, until all have arrived.
#[cfg(shuttle)]
pub(super) fn everything_arrives(senders: u8, messages: u8) {
    let losses = losses();
    let mut receiver = Socket::new(1, MANY, &losses);
    let sending: Vec<_> = (0..senders)
        .map(|_| {
            let (mut sender, hub) = (Socket::new(1, MANY, &losses), receiver.hub.clone());
            thread::spawn(move || {
                connect(&sender.hub, &hub);
                (0..messages).for_each(|number| assert!(sender.send(number)));
                sender
            })
        })
        .collect();
    (0..u32::from(senders) * u32::from(messages)).for_each(|_| assert!(receiver.recv().is_some()));
    sending.into_iter().for_each(|thread| close(thread.join().unwrap()));
    close(receiver);
    assert_eq!(total(losses), Lost::default());
}

// Conflating pipes.

/// A frame's bytes that tell by their owner's count how many such frames are alive.
struct Counted(#[expect(dead_code, reason = "only ever counted")] std::sync::Arc<()>, [u8; 1]);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.1
    }
}

/// A message of two frames, so that it can be torn.
fn counted(alive: &std::sync::Arc<()>, number: u8) -> Message {
    let frame = || Frame::from_owner(Counted(alive.clone(), [number]));
    [frame(), frame()].into_iter().collect()
}

/// The number of such a message.
fn number_of(message: &Message) -> u8 {
    assert_eq!((message.len(), &message[0]), (2, &message[1]), "a torn message");
    message[0][0]
}

/// Three slots, exchanged: what is popped is whole and newer than what was popped before, the newest comes last, and
/// the rest is counted.
pub(super) fn exchanged(messages: u8, looks: u8) {
    let alive = std::sync::Arc::new(());
    let (outlet, inlet) = conflate::exchange();
    let (mut outlet, mut inlet) = (ManuallyDrop::new(outlet), ManuallyDrop::new(inlet));
    let pushing = thread::spawn({
        let alive = alive.clone();
        move || {
            for number in 1..=messages {
                outlet.put(&mut counted(&alive, number));
                outlet.settle();
            }
            outlet
        }
    });
    let (mut newest, mut taken) = (0, 0);
    let mut look = |inlet: &mut conflate::Inlet| {
        let mut place = Message::new();
        if inlet.pop_into(&mut place) {
            assert!(number_of(&place) > newest, "{} after {newest}", number_of(&place));
            newest = number_of(&place);
            taken += 1;
        }
        newest
    };
    (0..looks).for_each(|_| _ = look(&mut inlet));
    let outlet = pushing.join().unwrap();
    assert_eq!(look(&mut inlet), messages);
    assert!(!inlet.ready());
    assert_eq!(u64::from(messages), taken + outlet.conflated());
    drop((ManuallyDrop::into_inner(outlet), ManuallyDrop::into_inner(inlet)));
    assert_eq!(std::sync::Arc::strong_count(&alive), 1, "each message is dropped once");
}

fn connect_conflating(from: &Arc<Hub>, to: &Arc<Hub>) {
    let tie = Tie::new(from.clone());
    let (near, far) = conflating_pair(&tie, Directions { forth: true, back: false });
    assert!(matches!(from.join(near), Joined::Seated));
    assert!(matches!(seat(far, to), Joined::Seated));
}

/// A receiver that waits gets the newest message, and older ones only before it. `idle` more pipes are there, so that
/// one is armed.
pub(super) fn newest_arrives(messages: u8, idle: usize) {
    let losses = losses();
    let (mut sender, mut receiver) = (Socket::new(1, MANY, &losses), Socket::new(1, MANY, &losses));
    connect_conflating(&sender.hub, &receiver.hub);
    let idle: Vec<_> = (0..idle).map(|_| Socket::new(1, MANY, &losses)).collect();
    idle.iter().for_each(|idle| connect_conflating(&idle.hub, &receiver.hub));
    let sending = thread::spawn(move || {
        for number in 1..=messages {
            assert!(sender.try_send(number));
        }
        sender
    });
    let mut newest = 0;
    while newest < messages {
        let number = receiver.recv().unwrap();
        assert!(number > newest, "{number} after {newest}");
        newest = number;
    }
    close(sending.join().unwrap());
    idle.into_iter().for_each(close);
    close(receiver);
    assert_eq!(total(losses), Lost::default());
}

/// The sender leaves behind its last message, while the receiver waits: it is taken before the pipe goes.
pub(super) fn newest_left_behind(messages: u8) {
    let losses = losses();
    let (mut sender, mut receiver) = (Socket::new(1, MANY, &losses), Socket::new(1, MANY, &losses));
    connect_conflating(&sender.hub, &receiver.hub);
    let leaving = thread::spawn(move || {
        for number in 0..messages {
            assert!(sender.try_send(number));
        }
        close(sender);
    });
    assert!((1..=u32::from(messages)).contains(&receiver.await_solitude()));
    leaving.join().unwrap();
    close(receiver);
    assert_eq!(total(losses), Lost::default());
}

/// Both ends of a conflating pipe close at once: each message is popped, conflated or lost, and dropped, once.
pub(super) fn conflating_closed_from_both_ends(messages: u8, looks: u8) {
    let alive = std::sync::Arc::new(());
    let losses = losses();
    let hub = || Hub::new(Profile::plain(), HubOptions { send_hwm: 1, recv_hwm: 1, seats: 1 }, (*losses).clone());
    let tie = Tie::new(hub());
    let far = hub();
    tie.introduce(Side::Second, far.clone(), far.profile());
    let (near, far) = conflating_pair(&tie, Directions { forth: true, back: false });
    drop(tie);
    let (mut near, mut far) = (ManuallyDrop::new(near), ManuallyDrop::new(far));
    let closing = thread::spawn({
        let alive = alive.clone();
        move || {
            let mut sent = 0;
            for number in 1..=messages {
                sent += u64::from(near.push(&mut counted(&alive, number)).is_ok());
                near.settle_outlet();
            }
            let conflated = near.conflated();
            drop(ManuallyDrop::into_inner(near));
            (sent, conflated)
        }
    });
    let taken = (0..looks).filter(|_| far.pop_into(&mut Message::new())).count() as u64;
    drop(ManuallyDrop::into_inner(far));
    let (sent, conflated) = closing.join().unwrap();
    let lost = total(losses);
    assert_eq!(sent, taken + conflated + lost.undelivered + lost.unread, "{taken}, {conflated}, {lost:?}");
    assert_eq!(std::sync::Arc::strong_count(&alive), 1, "each message is dropped once");
}

/// A pipe comes and goes while another thread seats its far end: each socket's monitor is told of the peer once, and in
/// order.
pub(super) fn monitored() {
    let losses = losses();
    let (sender, receiver) = (Socket::new(0, MANY, &losses), Socket::new(0, MANY, &losses));
    let mut monitors = [&sender, &receiver].map(|socket| ManuallyDrop::new(socket.hub.monitor(99, std::iter::empty())));
    let far = connect_ahead(&sender.hub);
    let hub = receiver.hub.clone();
    let joining = thread::spawn(move || drop(seat(far, &hub)));
    close(sender);
    joining.join().unwrap();
    close(receiver);
    for (index, monitor) in monitors.iter_mut().enumerate() {
        let told: Vec<_> = monitor.try_iter().map(|event| event.kind).collect();
        let joined = told.iter().filter(|kind| matches!(kind, EventKind::PeerJoined { .. })).count();
        let left = told.iter().filter(|kind| matches!(kind, EventKind::PeerLeft { .. })).count();
        // The sender may have gone before anybody sat there; the receiver has always heard of it.
        assert!(joined == left && joined <= 1 && (index == 0 || joined == 1), "{told:?}");
        assert!(matches!(told[..], [] | [EventKind::PeerJoined { .. }, EventKind::PeerLeft { .. }]), "{told:?}");
    }
    monitors.into_iter().for_each(|monitor| drop(ManuallyDrop::into_inner(monitor)));
    total(losses);
}
