//! ROUTER: who holds an id, who waits for it, who gets what.

use std::collections::{BTreeMap, VecDeque};

use ringway::{
    Context, Dealer, Frame, Message, Router, RoutingId,
    socket::{DuplicateId, RecvError, SendFailure},
};

use crate::{Dice, cases};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// A dealer, and what the model knows of it.
struct Peer {
    dealer: Option<Dealer>,
    name: &'static str,
    /// As the router has not closed it.
    is_connected: bool,
    send_hwm: usize,
    recv_hwm: usize,
    /// Sent to the router and not received.
    inward: VecDeque<u64>,
    /// Sent by the router and not received.
    outward: VecDeque<u64>,
}

struct World {
    router: Router,
    peers: Vec<Peer>,
    /// First the holder of a name, then who is in line.
    lines: BTreeMap<&'static str, VecDeque<usize>>,
    mandatory: bool,
    duplicates: DuplicateId,
    send_hwm: usize,
    recv_hwm: usize,
    next: u64,
    unroutable: u64,
    dropped: u64,
}

fn numbered(number: u64) -> Message {
    Message::from(number.to_le_bytes())
}

fn number(frame: &Frame) -> u64 {
    u64::from_le_bytes(frame.as_bytes().try_into().unwrap())
}

impl World {
    fn join(&mut self, context: &Context, dice: &mut Dice) {
        let name = NAMES[dice.roll(NAMES.len())];
        let (send_hwm, recv_hwm) = (1 + dice.roll(3), 1 + dice.roll(3));
        let builder = Dealer::builder().send_hwm(send_hwm as u32).recv_hwm(recv_hwm as u32);
        let mut dealer = builder.routing_id(RoutingId::new(name).unwrap()).build(context).unwrap();
        dealer.connect("inproc://router").unwrap();
        let new = self.peers.len();
        let (inward, outward) = (VecDeque::new(), VecDeque::new());
        self.peers.push(Peer { dealer: Some(dealer), name, is_connected: true, send_hwm, recv_hwm, inward, outward });
        let line = self.lines.entry(name).or_default();
        match line.front() {
            Some(holder) if self.duplicates == DuplicateId::HandOver => {
                let holder = &mut self.peers[*holder];
                (holder.is_connected, holder.inward) = (false, VecDeque::new());
                line[0] = new;
            }
            _ => line.push_back(new),
        }
    }

    /// Is the peer's socket still there?
    fn lives(&self, peer: usize) -> bool {
        self.peers[peer].dealer.is_some()
    }

    fn leave(&mut self, peer: usize) {
        self.peers[peer].dealer = None;
        self.peers[peer].outward.clear();
        self.tidy(self.peers[peer].name);
    }

    /// Forgets who is gone.
    fn tidy(&mut self, name: &'static str) {
        let Some(mut line) = self.lines.remove(name) else { return };
        while line.front().is_some_and(|holder| !self.lives(*holder) && self.peers[*holder].inward.is_empty()) {
            line.pop_front();
        }
        let holder_lives = line.front().is_some_and(|holder| self.lives(*holder));
        line.retain(|peer| self.lives(*peer) || !holder_lives && !self.peers[*peer].inward.is_empty());
        self.lines.insert(name, line);
    }

    fn holder(&self, name: &str) -> Option<usize> {
        self.lines.get(name)?.front().copied()
    }

    fn peer_sends(&mut self, peer: usize) {
        let number = self.next;
        self.next += 1;
        let limit = self.peers[peer].send_hwm + self.recv_hwm;
        let peer = &mut self.peers[peer];
        let result = peer.dealer.as_mut().unwrap().try_send(numbered(number)).map_err(|error| error.reason);
        if !peer.is_connected {
            assert_eq!(result, Err(SendFailure::NoPeer));
        } else if peer.inward.len() >= limit {
            assert_eq!(result, Err(SendFailure::Full));
        } else {
            assert_eq!(result, Ok(()));
            peer.inward.push_back(number);
        }
    }

    fn peer_receives(&mut self, peer: usize) {
        let peer = &mut self.peers[peer];
        let received = peer.dealer.as_mut().unwrap().try_recv();
        assert_eq!(received.ok(), peer.outward.pop_front().map(numbered));
    }

    fn router_sends(&mut self, dice: &mut Dice) {
        let name = ["a", "b", "c", "nobody"][dice.roll(4)];
        let number = self.next;
        self.next += 1;
        let message: Message = [Frame::from(name), number.to_le_bytes().into()].into_iter().collect();
        let holder = self.holder(name).filter(|holder| self.lives(*holder));
        let has_room =
            |world: &Self, peer: usize| world.peers[peer].outward.len() < world.send_hwm + world.peers[peer].recv_hwm;
        if dice.flip() {
            let result = self.router.try_send(message.clone()).map_err(|error| {
                assert_eq!(error.message, message);
                error.reason
            });
            match holder {
                None if self.mandatory => assert_eq!(result, Err(SendFailure::Unroutable)),
                Some(peer) if self.mandatory && !has_room(self, peer) => assert_eq!(result, Err(SendFailure::Full)),
                _ => assert_eq!(result, Ok(())),
            }
            match holder {
                None => self.unroutable += u64::from(!self.mandatory),
                Some(peer) if has_room(self, peer) => self.peers[peer].outward.push_back(number),
                Some(_) => self.dropped += u64::from(!self.mandatory),
            }
        } else {
            let result = self.router.try_reserve(name).map(|permit| permit.send(numbered(number)).unwrap());
            match holder {
                None => assert_eq!(result, Err(SendFailure::Unroutable)),
                Some(peer) if has_room(self, peer) => {
                    assert_eq!(result, Ok(()));
                    self.peers[peer].outward.push_back(number);
                }
                Some(_) => assert_eq!(result, Err(SendFailure::Full)),
            }
        }
    }

    fn router_receives(&mut self, looks_first: bool) {
        let readable: Vec<usize> = self
            .lines
            .values()
            .filter_map(|line| line.front())
            .copied()
            .filter(|peer| !self.peers[*peer].inward.is_empty())
            .collect();
        if looks_first {
            assert_eq!(self.router.can_recv(), !readable.is_empty());
        }
        match self.router.try_recv() {
            Err(error) => {
                assert_eq!(error, RecvError::Empty);
                assert_eq!(readable, []);
            }
            Ok(message) => {
                let from = readable.iter().find(|peer| self.peers[**peer].inward.front() == Some(&number(&message[1])));
                let from = *from.expect("the oldest message of somebody");
                assert_eq!(message[0], self.peers[from].name);
                self.peers[from].inward.pop_front();
                self.tidy(self.peers[from].name);
            }
        }
    }

    fn options_change(&mut self, dice: &mut Dice) {
        match dice.roll(4) {
            0 => {
                self.mandatory = dice.flip();
                self.router.set_mandatory(self.mandatory);
            }
            1 => {
                self.duplicates = if dice.flip() { DuplicateId::Refuse } else { DuplicateId::HandOver };
                self.router.set_duplicate_id(self.duplicates);
            }
            2 => {
                self.send_hwm = 1 + dice.roll(3);
                self.router.set_send_hwm(self.send_hwm as u32);
            }
            _ => {
                self.recv_hwm = 1 + dice.roll(3);
                self.router.set_recv_hwm(self.recv_hwm as u32);
            }
        }
    }
}

#[test]
fn behaves_as_its_model() {
    cases("router", |mut dice| {
        let context = Context::new();
        let mut router = Router::builder().send_hwm(2).recv_hwm(2).build(&context).unwrap();
        router.bind("inproc://router").unwrap();
        let mut world = World {
            router,
            peers: Vec::new(),
            lines: BTreeMap::new(),
            mandatory: false,
            duplicates: DuplicateId::Refuse,
            send_hwm: 2,
            recv_hwm: 2,
            next: 0,
            unroutable: 0,
            dropped: 0,
        };
        for _ in 0..250 {
            let living: Vec<usize> = (0..world.peers.len()).filter(|peer| world.lives(*peer)).collect();
            let someone = (!living.is_empty()).then(|| living[dice.roll(living.len())]);
            match (dice.roll(16), someone) {
                (0 | 1, _) if living.len() < 7 => world.join(&context, &mut dice),
                (2, Some(peer)) => world.leave(peer),
                (3..6, Some(peer)) => world.peer_sends(peer),
                (6 | 7, Some(peer)) => world.peer_receives(peer),
                (8..11, _) => world.router_sends(&mut dice),
                (11..15, _) => world.router_receives(dice.flip()),
                (15, _) => world.options_change(&mut dice),
                _ => {}
            }
            // The router takes note of who has come and gone, which the model does at once.
            for name in NAMES {
                let is_there = world.holder(name).is_some_and(|holder| world.lives(holder));
                assert_eq!(world.router.has_peer(name), is_there, "{name}");
            }
        }
        let counters = world.router.counters();
        assert_eq!((counters.unroutable, counters.dropped), (world.unroutable, world.dropped));
    });
}
