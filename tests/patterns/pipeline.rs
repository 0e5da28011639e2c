//! PUSH and PULL: what is sent goes to exactly one peer that has room, in order for each pipe; PAIR: to its one peer.
//!
//! Which peer it is depends on whose turn it is. The model need not know: a sender is full exactly if as many of its
//! messages are on their way as all its pipes together hold.

use std::{collections::BTreeMap, time::Duration};

use ringway::{
    Context, Message, Pair, Pull, Push,
    socket::{RecvError, SendFailure},
};

use crate::{Dice, cases};

/// A message of `sender`, the `number`th it sends; of one to three frames.
fn message(sender: u64, number: u64) -> Message {
    let mut message = Message::from(sender.to_le_bytes());
    message.push(number.to_le_bytes());
    if number.is_multiple_of(3) {
        message.push(vec![number as u8; number as usize % 300]);
    }
    message
}

fn parse(message: &Message) -> (u64, u64) {
    let word = |frame: usize| u64::from_le_bytes(message[frame].as_bytes().try_into().unwrap());
    let (sender, number) = (word(0), word(1));
    assert_eq!(*message, self::message(sender, number), "whole");
    (sender, number)
}

struct Sender {
    push: Push,
    number: u64,
    mark: usize,
    sent: u64,
    /// Sent and not received.
    on_their_way: usize,
}

struct Receiver {
    pull: Pull,
    /// The last number of each sender: a pipe keeps its order.
    last: BTreeMap<u64, u64>,
}

/// The mark of every receiver.
const MARK: usize = 2;

/// PULLs bound to names, PUSHes connected to all of them.
#[derive(Default)]
struct World {
    senders: Vec<Sender>,
    receivers: Vec<Receiver>,
    next_sender: u64,
    sent: u64,
    received: u64,
}

impl World {
    fn push_comes(&mut self, context: &Context, mark: usize) {
        let mut push = Push::builder().send_hwm(mark as u32).build(context).unwrap();
        for receiver in 0..self.receivers.len() {
            push.connect(format!("inproc://{receiver}")).unwrap();
        }
        self.senders.push(Sender { push, number: self.next_sender, mark, sent: 0, on_their_way: 0 });
        self.next_sender += 1;
    }

    /// Before the first sender.
    fn pull_comes(&mut self, context: &Context) {
        let mut pull = Pull::builder().recv_hwm(MARK as u32).build(context).unwrap();
        pull.bind(format!("inproc://{}", self.receivers.len())).unwrap();
        self.receivers.push(Receiver { pull, last: BTreeMap::new() });
    }

    fn send(&mut self, place: usize) {
        let room = self.receivers.len() * MARK;
        let sender = &mut self.senders[place];
        let result = sender.push.try_send(message(sender.number, sender.sent)).map_err(|error| error.reason);
        if sender.on_their_way == room + self.receivers.len() * sender.mark {
            assert_eq!(result, Err(SendFailure::Full));
            return;
        }
        assert_eq!(result, Ok(()), "{} are on their way", sender.on_their_way);
        sender.sent += 1;
        sender.on_their_way += 1;
        self.sent += 1;
    }

    fn receive(&mut self, place: usize) {
        let receiver = &mut self.receivers[place];
        match receiver.pull.try_recv() {
            Ok(message) => {
                let (sender, number) = parse(&message);
                assert!(receiver.last.insert(sender, number).is_none_or(|last| last < number), "in order");
                // One that has left is heard to the end.
                if let Some(sender) = self.senders.iter_mut().find(|other| other.number == sender) {
                    sender.on_their_way -= 1;
                }
                self.received += 1;
            }
            Err(error) => assert_eq!(error, RecvError::Empty),
        }
    }
}

#[test]
fn push_and_pull_behave_as_their_model() {
    cases("push and pull", |mut dice: Dice| {
        let (context, mut world) = (Context::new(), World::default());
        (0..1 + dice.roll(12)).for_each(|_| world.pull_comes(&context));
        for _ in 0..300 {
            match (dice.roll(20), world.senders.len()) {
                (0 | 1, 0..6) => world.push_comes(&context, dice.roll(4) + 1),
                (2, 1..) => drop(world.senders.swap_remove(dice.roll(world.senders.len()))),
                // Raised: what is there stays below.
                (3, 1..) => {
                    let place = dice.roll(world.senders.len());
                    let sender = &mut world.senders[place];
                    sender.mark += dice.roll(2);
                    sender.push.set_send_hwm(sender.mark as u32);
                }
                (4..12, 1..) => world.send(dice.roll(world.senders.len())),
                _ => world.receive(dice.roll(world.receivers.len())),
            }
        }
        let (sent, received) = (world.sent, world.received);
        drop(world);
        let report = context.shutdown(Duration::ZERO);
        assert_eq!(sent, received + report.undelivered + report.unread);
    });
}

/// Two PAIRs and what is on its way each way; a third that connects waits until the second has gone.
#[test]
fn pair_behaves_as_its_model() {
    cases("pair", |mut dice: Dice| {
        let context = Context::new();
        let pair = |mark: usize| Pair::builder().send_hwm(mark as u32).recv_hwm(mark as u32).build(&context).unwrap();
        let marks = [dice.roll(3) + 1, dice.roll(3) + 1];
        let limit = marks[0] + marks[1];
        let mut here = pair(marks[0]);
        here.bind("inproc://pair").unwrap();
        let connected = || {
            let mut there = pair(marks[1]);
            there.connect("inproc://pair").unwrap();
            there
        };
        let mut there = connected();
        // Sent and received, there and back.
        let (mut sent, mut received) = ([0_u64; 2], [0_u64; 2]);
        let mut lost = 0;
        for _ in 0..300 {
            let way = dice.roll(2);
            let on_their_way = (sent[way] - received[way]) as usize;
            let (from, to) = if way == 0 { (&mut here, &mut there) } else { (&mut there, &mut here) };
            match dice.roll(20) {
                0 => {
                    // What `there` had sent is heard; what it had not read is lost.
                    let next = connected();
                    assert_eq!(here.peers(), 1);
                    drop(std::mem::replace(&mut there, next));
                    while received[1] < sent[1] {
                        assert_eq!(parse(&here.try_recv().unwrap()), (1, received[1]));
                        received[1] += 1;
                    }
                    assert_eq!(here.try_recv(), Err(RecvError::Empty));
                    lost += sent[0] - received[0];
                    received[0] = sent[0];
                }
                1..11 => {
                    let result = from.try_send(message(way as u64, sent[way])).map_err(|error| error.reason);
                    let expected = if on_their_way < limit { Ok(()) } else { Err(SendFailure::Full) };
                    assert_eq!(result, expected, "{on_their_way} of {limit}");
                    sent[way] += u64::from(result.is_ok());
                }
                _ if on_their_way == 0 => assert_eq!(to.try_recv(), Err(RecvError::Empty)),
                _ => {
                    assert_eq!(parse(&to.try_recv().unwrap()), (way as u64, received[way]));
                    received[way] += 1;
                }
            }
        }
        drop((here, there));
        let report = context.shutdown(Duration::ZERO);
        let left: u64 = sent.iter().zip(received).map(|(sent, received)| sent - received).sum();
        assert_eq!(report.undelivered + report.unread, lost + left);
    });
}
