//! DEALER: what is sent goes to somebody with room, in order, and nothing is lost.

use std::collections::BTreeSet;

use ringway::{
    Context, Dealer, Message,
    socket::{RecvError, SendFailure},
};

use crate::{Dice, cases};

fn numbered(number: u64) -> Message {
    Message::from(number.to_le_bytes())
}

fn number(message: &Message) -> u64 {
    u64::from_le_bytes(message[0].as_bytes().try_into().unwrap())
}

struct Peer {
    dealer: Dealer,
    /// The last number each side has received from the other.
    last_outward: Option<u64>,
    last_inward: Option<u64>,
    /// Sent to the hub and not received.
    inward: usize,
}

struct World {
    hub: Dealer,
    peers: Vec<Peer>,
    hub_marks: (usize, usize),
    /// Sent by the hub and not received, by whoever has them.
    outward: BTreeSet<u64>,
    next: u64,
}

/// The marks of every peer.
const PEER_MARK: usize = 2;

impl World {
    fn join(&mut self, context: &Context) {
        let builder = Dealer::builder().send_hwm(PEER_MARK as u32).recv_hwm(PEER_MARK as u32);
        let mut dealer = builder.build(context).unwrap();
        dealer.connect("inproc://dealer").unwrap();
        self.peers.push(Peer { dealer, last_outward: None, last_inward: None, inward: 0 });
    }

    /// One of the peers takes all there is and leaves, and what it had sent is taken.
    fn leave(&mut self, place: usize) {
        while self.peer_receives(place) {}
        while self.peers[place].inward > 0 {
            self.hub_receives();
        }
        self.peers.remove(place);
    }

    fn hub_sends(&mut self) {
        let number = self.next;
        self.next += 1;
        let result = self.hub.try_send(numbered(number)).map_err(|error| error.reason);
        // Marks are lowered only while all is empty, so no queue holds more than its limit.
        if self.peers.is_empty() {
            assert_eq!(result, Err(SendFailure::NoPeer));
        } else if self.outward.len() == self.peers.len() * (self.hub_marks.0 + PEER_MARK) {
            assert_eq!(result, Err(SendFailure::Full));
        } else {
            assert_eq!(result, Ok(()));
            self.outward.insert(number);
        }
    }

    fn peer_receives(&mut self, place: usize) -> bool {
        let peer = &mut self.peers[place];
        match peer.dealer.try_recv() {
            Ok(message) => {
                let number = number(&message);
                assert!(self.outward.remove(&number), "{number} comes once");
                assert!(peer.last_outward.replace(number).is_none_or(|last| last < number), "in order");
                true
            }
            Err(error) => {
                assert_eq!(error, RecvError::Empty);
                false
            }
        }
    }

    fn peer_sends(&mut self, place: usize) {
        let number = self.next * 100 + place as u64;
        self.next += 1;
        let limit = PEER_MARK + self.hub_marks.1;
        let peer = &mut self.peers[place];
        let message: Message = [number.to_le_bytes(), (place as u64).to_le_bytes()].into_iter().collect();
        let result = peer.dealer.try_send(message).map_err(|error| error.reason);
        let expected = if peer.inward < limit { Ok(()) } else { Err(SendFailure::Full) };
        assert_eq!(result, expected);
        peer.inward += usize::from(result.is_ok());
    }

    fn hub_receives(&mut self) {
        let waiting: usize = self.peers.iter().map(|peer| peer.inward).sum();
        assert_eq!(self.hub.can_recv(), waiting > 0);
        match self.hub.try_recv() {
            Ok(message) => {
                let number = number(&message);
                let peer = self
                    .peers
                    .iter_mut()
                    .find(|peer| peer.inward > 0 && peer.last_inward.is_none_or(|last| last < number));
                assert_eq!(message.len(), 2);
                assert!(peer.is_some());
                // Numbers say who sent them only as long as nobody leaves: the place is said, too.
                let place = u64::from_le_bytes(message[1].as_bytes().try_into().unwrap()) as usize;
                let peer = &mut self.peers[place];
                assert!(peer.last_inward.replace(number).is_none_or(|last| last < number), "in order");
                peer.inward -= 1;
            }
            Err(error) => assert_eq!((error, waiting), (RecvError::Empty, 0)),
        }
    }
}

#[test]
fn behaves_as_its_model() {
    cases("dealer", |mut dice: Dice| {
        let context = Context::new();
        let mut hub = Dealer::builder().send_hwm(2).recv_hwm(2).build(&context).unwrap();
        hub.bind("inproc://dealer").unwrap();
        let mut world = World { hub, peers: Vec::new(), hub_marks: (2, 2), outward: BTreeSet::new(), next: 0 };
        for _ in 0..250 {
            let someone = (!world.peers.is_empty()).then(|| dice.roll(world.peers.len()));
            match (dice.roll(16), someone) {
                (0, _) if world.peers.len() < 12 => world.join(&context),
                // The last: so that places stay what they are.
                (1, Some(_)) if dice.flip() => world.leave(world.peers.len() - 1),
                (2..6, _) => world.hub_sends(),
                (6..9, Some(place)) => drop(world.peer_receives(place)),
                (9..12, Some(place)) => world.peer_sends(place),
                (12..15, _) => world.hub_receives(),
                (15, _) => {
                    // Up at any time, down when nothing is there.
                    let is_quiet = world.outward.is_empty() && world.peers.iter().all(|peer| peer.inward == 0);
                    let lowest = if is_quiet { (0, 0) } else { world.hub_marks };
                    let mark = |lowest: usize, dice: &mut Dice| (lowest.max(1) + dice.roll(3)).min(6).max(lowest);
                    world.hub_marks = (mark(lowest.0, &mut dice), mark(lowest.1, &mut dice));
                    world.hub.set_send_hwm(world.hub_marks.0 as u32);
                    world.hub.set_recv_hwm(world.hub_marks.1 as u32);
                }
                _ => {}
            }
        }
        let (sent, left) = (world.hub.counters().messages_sent, world.outward.len() as u64);
        let inward: usize = world.peers.iter().map(|peer| peer.inward).sum();
        assert!(sent >= left);
        drop(world);
        let report = context.shutdown(std::time::Duration::ZERO);
        assert_eq!(report.undelivered + report.unread, left + inward as u64);
    });
}
