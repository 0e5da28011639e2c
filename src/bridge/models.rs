//! Programs for the model checkers: a production worker with its production desk, whose actor owns sockets that are the least a socket can
//! be. A worker that sleeps although one of its sockets is ready, or somebody has told it something, shows as a deadlock.

#![forbid(unsafe_code)]

use super::{
    port::{Port, own_for},
    reader::{Incoming, Received},
};
use crate::{
    Message,
    actor::{
        Actor, Client, Ctx, Failure, Handle, Spec,
        models::{Log, Solo},
    },
    poll::models::{Letterbox, Letters},
    socket::RecvError,
    sync::{Arc, thread},
};

/// Owns sockets, and notes what comes.
struct Owner {
    seen: Log<u32>,
    ports: Vec<Port<Letters>>,
    ends: Ends,
}

/// What an owner does with a socket when it has noted so much.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    Never,
    /// It gives up the first it has.
    Port,
}

/// What comes by the rings, and from the sockets of those numbers.
const TOLD: u32 = 10;
/// It is to ask its first socket for room to send; what it is told of that is the next number.
const ROOM: u32 = 20;

fn receive(letters: &mut Letters) -> Received {
    match letters.take() {
        true => Ok(Incoming { message: Message::new(), sender: None }),
        false => Err(RecvError::Empty),
    }
}

impl Actor for Owner {
    type Args = (Log<u32>, Vec<Letters>, Ends);

    fn start((seen, sockets, ends): Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        let to = ctx.addr().recipient();
        let mut ports = Vec::new();
        for (number, socket) in sockets.into_iter().enumerate() {
            ports.push(own_for(ctx, socket, receive, move |_| number as u32, to, None).unwrap());
        }
        Ok(Self { seen, ports, ends })
    }
}

impl Handle<u32> for Owner {
    type Reply = ();

    fn on(&mut self, number: u32, ctx: &mut Ctx<'_, Self>) {
        self.seen.note(number);
        if self.ends == Ends::Port && !self.ports.is_empty() {
            drop(self.ports.remove(0));
        }
        if number == ROOM {
            self.ports[0].tell_writable(ctx, || ROOM + 1);
        }
    }
}

/// An owner of so many sockets, whose outboxes are full, with room for `capacity`; and the far ends of those.
fn owner(sockets: usize, capacity: u32, seen: &Log<u32>, ends: Ends) -> (Vec<Arc<Letterbox>>, Spec<Owner>) {
    let (letterboxes, mut sockets) = (0..sockets).map(|_| Letters::new()).unzip::<_, _, Vec<_>, Vec<_>>();
    assert!(sockets.iter_mut().all(Letters::put));
    (letterboxes, Spec::new((seen.clone(), sockets, ends)).capacity(capacity))
}

fn seen_in_order(seen: &Log<u32>) -> Vec<u32> {
    let mut seen = seen.take();
    seen.sort_unstable();
    seen
}

/// Each of `sockets` gets `letters`, which the owner is told with room for `capacity`.
pub(super) fn written_to(sockets: usize, letters: u32, capacity: u32) {
    let seen = Log::default();
    let (letterboxes, spec) = owner(sockets, capacity, &seen, Ends::Never);
    let (solo, _) = Solo::new(spec);
    let (counts, ()) = solo.live_until_seen(&seen, sockets * letters as usize, move |_: &mut Client| {
        (0..letters).for_each(|_| letterboxes.iter().for_each(|letterbox| letterbox.deliver()));
    });
    let expected: Vec<_> = (0..sockets as u32).flat_map(|number| (0..letters).map(move |_| number)).collect();
    assert_eq!(seen_in_order(&seen), expected);
    assert_eq!((counts.dead_letters, counts.dropped), (0, 0));
}

/// A client tells the owner something while its socket gets a letter.
pub(super) fn written_to_and_told() {
    let seen = Log::default();
    let (letterboxes, spec) = owner(1, 8, &seen, Ends::Never);
    let (solo, addr) = Solo::new(spec);
    let writer = thread::spawn(move || letterboxes[0].deliver());
    solo.live_until_seen(&seen, 2, move |client| client.tell(addr, TOLD).unwrap());
    writer.join().unwrap();
    assert_eq!(seen_in_order(&seen), [0, TOLD]);
}

/// The owner is told when a peer has carried what was in its socket's outbox; a letter comes, too.
pub(super) fn carried() {
    let seen = Log::default();
    let (letterboxes, spec) = owner(1, 8, &seen, Ends::Never);
    let (solo, addr) = Solo::new(spec);
    solo.live_until_seen(&seen, 3, move |client| {
        client.tell(addr, ROOM).unwrap();
        letterboxes[0].carry();
        letterboxes[0].deliver();
    });
    assert_eq!(seen_in_order(&seen), [0, ROOM, ROOM + 1]);
}

/// A letter comes for a socket that its owner gives up meanwhile; another socket's still arrives.
pub(super) fn written_to_at_its_end() {
    let seen = Log::default();
    let (letterboxes, spec) = owner(2, 8, &seen, Ends::Port);
    let (solo, addr) = Solo::new(spec);
    let writer = thread::spawn(move || {
        letterboxes[0].deliver();
        letterboxes[1].deliver();
    });
    solo.live_until_seen(&seen, 2, move |client| client.tell(addr, TOLD).unwrap());
    writer.join().unwrap();
    let seen = seen.take();
    assert!(seen.contains(&TOLD) && seen.iter().all(|&what| [0, 1, TOLD].contains(&what)), "{seen:?}");
}
