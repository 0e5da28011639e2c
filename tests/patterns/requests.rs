//! REQ and REP: whose turn it is, who is asked, what is a reply.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use ringway::{
    Context, Message, Rep, Req,
    socket::{Counters, RecvError, SendFailure},
};

use crate::{Dice, cases};

struct Asker {
    req: Option<Req>,
    relaxed: bool,
    correlate: bool,
    /// The REPs in the order of their turns.
    turns: VecDeque<usize>,
    /// The request under way: its number and who was asked.
    asked: Option<(u64, usize)>,
    next: u64,
    /// Replies on their way, by who sent them.
    replies: BTreeMap<usize, VecDeque<u64>>,
}

struct Answerer {
    rep: Option<Rep>,
    /// Requests on their way, by who sent them.
    requests: BTreeMap<usize, VecDeque<u64>>,
    due: Option<(usize, u64)>,
    unroutable: u64,
}

#[derive(Default)]
struct World {
    askers: Vec<Asker>,
    answerers: Vec<Answerer>,
    /// Of sockets that are gone.
    sent: u64,
    received: u64,
}

fn body(asker: usize, number: u64) -> Message {
    [(asker as u64).to_le_bytes(), number.to_le_bytes()].into_iter().collect()
}

impl World {
    fn name(answerer: usize) -> String {
        format!("inproc://rep-{answerer}")
    }

    fn new_asker(&mut self, context: &Context, dice: &mut Dice) {
        let (relaxed, correlate) = (dice.flip(), dice.flip());
        let builder = if relaxed { Req::builder().relaxed() } else { Req::builder() };
        let builder = if correlate { builder.correlate() } else { builder };
        let req = builder.build(context).unwrap();
        let (turns, replies) = (VecDeque::new(), BTreeMap::new());
        let mut asker = Asker { req: Some(req), relaxed, correlate, turns, asked: None, next: 0, replies };
        for answerer in 0..self.answerers.len() {
            if self.answerers[answerer].rep.is_some() && dice.roll(4) > 0 {
                asker.connect(answerer);
            }
        }
        self.askers.push(asker);
    }

    fn new_answerer(&mut self, context: &Context, dice: &mut Dice) {
        let mut rep = Rep::new(context).unwrap();
        let new = self.answerers.len();
        rep.bind(Self::name(new)).unwrap();
        self.answerers.push(Answerer { rep: Some(rep), requests: BTreeMap::new(), due: None, unroutable: 0 });
        for asker in self.askers.iter_mut().filter(|asker| asker.req.is_some()) {
            if dice.flip() {
                asker.connect(new);
            }
        }
    }

    fn count(&mut self, counters: Counters) {
        self.sent += counters.messages_sent;
        self.received += counters.messages_received + counters.discarded;
    }

    fn asker_leaves(&mut self, asker: usize) {
        let Some(req) = self.askers[asker].req.take() else { return };
        self.count(req.counters());
    }

    fn answerer_leaves(&mut self, answerer: usize) {
        let Some(rep) = self.answerers[answerer].rep.take() else { return };
        assert_eq!(rep.counters().unroutable, self.answerers[answerer].unroutable);
        self.count(rep.counters());
        for asker in &mut self.askers {
            asker.turns.retain(|turn| *turn != answerer);
        }
    }

    fn ask(&mut self, number: usize) {
        let asker = &mut self.askers[number];
        let Some(req) = asker.req.as_mut() else { return };
        let request = asker.next;
        asker.next += 1;
        let result = req.try_send(body(number, request)).map_err(|error| {
            assert_eq!(error.message, body(number, request));
            error.reason
        });
        if asker.asked.is_some() && !asker.relaxed {
            assert_eq!(result, Err(SendFailure::AwaitingReply));
        } else if let Some(first) = asker.turns.front().copied() {
            assert_eq!(result, Ok(()));
            asker.turns.rotate_left(1);
            asker.asked = Some((request, first));
            asker.replies.clear();
            self.answerers[first].requests.entry(number).or_default().push_back(request);
        } else {
            assert_eq!(result, Err(SendFailure::NoPeer));
        }
    }

    fn hear(&mut self, number: usize, looks_first: bool) {
        let asker = &mut self.askers[number];
        let Some(req) = asker.req.as_mut() else { return };
        let expected = match asker.asked {
            None => Err(RecvError::NoRequest),
            Some((request, asked)) => {
                let replies = asker.replies.entry(asked).or_default();
                let reply =
                    std::iter::from_fn(|| replies.pop_front()).find(|reply| !asker.correlate || *reply == request);
                match reply {
                    Some(reply) => Ok(body(number, reply)),
                    None if self.answerers[asked].rep.is_none() => Err(RecvError::PeerLeft),
                    None => Err(RecvError::Empty),
                }
            }
        };
        if looks_first {
            assert_eq!(req.can_recv(), !matches!(expected, Err(RecvError::Empty | RecvError::NoRequest)));
        }
        assert_eq!(req.try_recv(), expected);
        if expected != Err(RecvError::Empty) {
            asker.asked = None;
        }
    }

    fn take(&mut self, number: usize, looks_first: bool) {
        let answerer = &mut self.answerers[number];
        let Some(rep) = answerer.rep.as_mut() else { return };
        let waiting = answerer.requests.values().any(|requests| !requests.is_empty());
        if looks_first {
            assert_eq!(rep.can_recv(), waiting && answerer.due.is_none());
        }
        match rep.try_recv() {
            Err(RecvError::ReplyDue) => assert!(answerer.due.is_some()),
            Err(error) => assert_eq!((error, waiting), (RecvError::Empty, false)),
            Ok(message) => {
                assert_eq!(answerer.due, None);
                let word = |frame: usize| u64::from_le_bytes(message[frame].as_bytes().try_into().unwrap());
                let asker = word(0) as usize;
                let request = answerer.requests.get_mut(&asker).and_then(VecDeque::pop_front).expect("it was asked");
                assert_eq!(message, body(asker, request));
                answerer.due = Some((asker, request));
            }
        }
    }

    fn answer(&mut self, number: usize) {
        let answerer = &mut self.answerers[number];
        let Some(rep) = answerer.rep.as_mut() else { return };
        let Some((asker, request)) = answerer.due.take() else {
            assert_eq!(rep.try_send("x").unwrap_err().reason, SendFailure::NoRequest);
            return;
        };
        rep.try_send(body(asker, request)).unwrap();
        if self.askers[asker].req.is_some() {
            self.askers[asker].replies.entry(number).or_default().push_back(request);
        } else {
            answerer.unroutable += 1;
        }
    }
}

impl Asker {
    fn connect(&mut self, answerer: usize) {
        if let Some(req) = &mut self.req {
            req.connect(World::name(answerer)).unwrap();
            self.turns.push_back(answerer);
        }
    }
}

#[test]
fn behave_as_their_model() {
    cases("requests", |mut dice| {
        let context = Context::new();
        let mut world = World::default();
        for _ in 0..300 {
            let (askers, answerers) = (world.askers.len(), world.answerers.len());
            let (asker, answerer) = (dice.roll(askers.max(1)), dice.roll(answerers.max(1)));
            match dice.roll(20) {
                0 if askers < 8 => world.new_asker(&context, &mut dice),
                1 if answerers < 8 => world.new_answerer(&context, &mut dice),
                2 if askers > 0 && dice.roll(4) == 0 => world.asker_leaves(asker),
                3 if answerers > 0 && dice.roll(4) == 0 => world.answerer_leaves(answerer),
                4..8 if askers > 0 => world.ask(asker),
                8..12 if askers > 0 => world.hear(asker, dice.flip()),
                12..16 if answerers > 0 => world.take(answerer, dice.flip()),
                16..20 if answerers > 0 => world.answer(answerer),
                _ => {}
            }
        }
        (0..world.askers.len()).for_each(|asker| world.asker_leaves(asker));
        (0..world.answerers.len()).for_each(|answerer| world.answerer_leaves(answerer));
        let report = context.shutdown(Duration::ZERO);
        assert_eq!(world.sent, world.received + report.undelivered + report.unread);
    });
}
