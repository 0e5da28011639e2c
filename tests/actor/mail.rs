//! What is told arrives, in order, once; what finds no room says so; what nobody reads is counted.

use std::{
    collections::VecDeque,
    rc::Rc,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use ringway::actor::{
    Actor, Addr, AskError, Ctx, DeadLetter, Failure, Handle, Loss, Policy, Recipient, Spec, TellError,
};

use crate::{
    PATIENCE,
    cast::{Block, Mutex, Number, Numbers, Puppet, Scribe, act, all, blocked, two},
};

#[test]
fn what_a_client_tells_arrives_in_order() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for worker in 0..2 {
        let scribe = client.spawn_on(worker, Spec::<Scribe>::new(())).unwrap();
        (0..10_000).for_each(|number| client.tell(scribe, Number(number)).unwrap());
        assert_eq!(client.ask(scribe, Numbers, PATIENCE).unwrap(), Vec::from_iter(0..10_000));
    }
    let report = runtime.shutdown(PATIENCE);
    assert_eq!((report.counts.handled, report.counts.started, report.counts.ended), (20_004, 2, 2));
    assert_eq!((report.counts.dead_letters, report.killed, report.stuck), (0, 0, 0));
}

/// Not `Send`, nor are its messages small.
struct Still(Rc<u8>);

impl Actor for Still {
    type Args = u8;

    fn start(from: u8, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self(Rc::new(from)))
    }
}

impl Handle<[u8; 1000]> for Still {
    type Reply = [u8; 1000];

    fn on(&mut self, message: [u8; 1000], _: &mut Ctx<'_, Self>) -> [u8; 1000] {
        message.map(|byte| byte + *self.0)
    }
}

#[test]
fn state_stays_on_its_worker_and_long_messages_cross() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let still = client.spawn_on(1, Spec::<Still>::new(3)).unwrap();
    assert_eq!(client.ask(still, [4; 1000], PATIENCE).unwrap(), [7; 1000]);
}

/// Sends so many numbers to a scribe, some at a time.
struct Sender {
    to: Recipient<Number>,
    next: u64,
    end: u64,
}

impl Actor for Sender {
    type Args = (Recipient<Number>, u64);

    fn start((to, end): Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        ctx.after(Duration::ZERO, Go);
        Ok(Self { to, next: 0, end })
    }
}

struct Go;

impl Handle<Go> for Sender {
    type Reply = ();

    fn on(&mut self, _: Go, ctx: &mut Ctx<'_, Self>) {
        while self.next < self.end {
            match ctx.try_tell(self.to, Number(self.next)) {
                Ok(()) => self.next += 1,
                Err(TellError::Full(Number(number))) => {
                    assert_eq!(number, self.next);
                    ctx.after(Duration::ZERO, Go);
                    return;
                }
                Err(other) => panic!("{other}"),
            }
        }
        ctx.stop();
    }
}

#[test]
fn what_actors_tell_arrives_in_order_on_one_worker_and_on_two() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for (here, there, capacity) in [(0, 0, 1), (0, 0, 1000), (0, 1, 1), (0, 1, 64), (1, 0, 5000)] {
        let scribe = client.spawn_on(here, Spec::<Scribe>::new(()).capacity(capacity)).unwrap();
        let count = if capacity == 1 { 300 } else { 20_000 };
        let sender = client.spawn_on(there, Spec::<Sender>::new((scribe.recipient(), count))).unwrap();
        client.wait_for_end(sender.id(), PATIENCE).unwrap();
        // What it sent may be on its way still.
        assert!(all(&mut client, scribe, count as usize) == Vec::from_iter(0..count), "{here} {there} {capacity}");
    }
}

#[test]
fn full_is_exact_for_a_client() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for capacity in [1, 2, 7] {
        let scribe = client.spawn_on(0, Spec::<Scribe>::new(()).capacity(capacity)).unwrap();
        let (until, block) = mpsc::channel::<()>();
        let (entered, has_entered) = mpsc::channel();
        let puppet = client.spawn_on(0, Spec::<Puppet>::new(())).unwrap();
        let stop = move |_: &mut Ctx<'_, Puppet>| {
            entered.send(()).unwrap();
            _ = block.recv();
        };
        client.tell(puppet, act(stop)).unwrap();
        has_entered.recv().unwrap();
        // Its worker does nothing else.
        (0..capacity).for_each(|number| client.try_tell(scribe, Number(number.into())).unwrap());
        assert_eq!(client.try_tell(scribe, Number(99)), Err(TellError::Full(Number(99))));
        assert_eq!(client.tell_timeout(scribe, Number(98), Duration::from_millis(2)), Err(TellError::Full(Number(98))));
        assert_eq!(client.ask(scribe, Numbers, Duration::from_millis(2)), Err(AskError::TimedOut));
        drop(until);
        assert_eq!(client.ask(scribe, Numbers, PATIENCE).unwrap(), Vec::from_iter(0..u64::from(capacity)));
    }
}

/// What a puppet, at `place`, has told a blocked scribe by a policy, and what the scribe has then.
fn told_to_one_that_is_full(places: [usize; 2], policy: Policy, outbox: u32, count: u64) -> (u64, Vec<u64>, u64) {
    let runtime = two().worker(ringway::WaitPolicy::Adaptive).start().unwrap();
    let mut client = runtime.client().unwrap();
    let scribe = client.spawn_on(places[0], Spec::<Scribe>::new(()).capacity(4)).unwrap();
    let puppet = client.spawn_on(places[1], Spec::<Puppet>::new(()).outbox(outbox)).unwrap();
    let (until, block) = mpsc::channel();
    if places[0] != places[1] {
        client.tell(scribe, Block(block)).unwrap();
    }
    let tell = move |ctx: &mut Ctx<'_, Puppet>| {
        (0..count).take_while(|&number| ctx.tell(scribe, Number(number), policy).is_ok()).count() as u64
    };
    let accepted = client.ask(puppet, act(tell), PATIENCE).unwrap();
    drop(until);
    let due = if policy == Policy::DropNewest { 4 } else { accepted.min(4 + u64::from(outbox)) };
    let numbers = all(&mut client, scribe, due as usize);
    (accepted, numbers, runtime.shutdown(PATIENCE).counts.dropped)
}

#[test]
fn a_policy_says_what_becomes_of_what_finds_no_room() {
    for places in [[0, 0], [0, 1], [1, 0]] {
        let (accepted, numbers, dropped) = told_to_one_that_is_full(places, Policy::DropNewest, 3, 20);
        assert_eq!((accepted, numbers, dropped), (20, vec![0, 1, 2, 3], 16), "{places:?}");
        let (accepted, numbers, dropped) = told_to_one_that_is_full(places, Policy::DropOldest, 3, 20);
        assert_eq!((accepted, numbers, dropped), (20, vec![0, 1, 2, 3, 17, 18, 19], 13), "{places:?}");
        let (accepted, numbers, dropped) = told_to_one_that_is_full(places, Policy::Defer, 3, 20);
        assert_eq!((accepted, numbers, dropped), (7, vec![0, 1, 2, 3, 4, 5, 6], 0), "{places:?}");
    }
}

/// Passes what it gets on to the next, twice, with less to go.
struct Link {
    next: Option<Addr<Link>>,
    way: Way,
    handled: u64,
    /// What found no room, and goes when there is some.
    waiting: VecDeque<u32>,
}

/// How it tells the next.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Try,
    By(Policy),
    WhenRoom,
}

impl Actor for Link {
    type Args = Way;

    fn start(way: Self::Args, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self { next: None, way, handled: 0, waiting: VecDeque::new() })
    }
}

impl Link {
    fn send_what_waits(&mut self, next: Addr<Link>, ctx: &mut Ctx<'_, Self>) {
        while let Some(&left) = self.waiting.front() {
            match ctx.try_tell(next, Left(left)) {
                Ok(()) => _ = self.waiting.pop_front(),
                Err(_) => return ctx.when_room(next, Room),
            }
        }
    }
}

struct Next(Addr<Link>);

impl Handle<Next> for Link {
    type Reply = ();

    fn on(&mut self, Next(next): Next, _: &mut Ctx<'_, Self>) {
        self.next = Some(next);
    }
}

struct Room;

impl Handle<Room> for Link {
    type Reply = ();

    fn on(&mut self, _: Room, ctx: &mut Ctx<'_, Self>) {
        self.next.into_iter().for_each(|next| self.send_what_waits(next, ctx));
    }
}

struct Left(u32);

impl Handle<Left> for Link {
    type Reply = ();

    fn on(&mut self, Left(left): Left, ctx: &mut Ctx<'_, Self>) {
        self.handled += 1;
        let (Some(next), Some(left)) = (self.next, left.checked_sub(1)) else { return };
        for _ in 0..2 {
            // Told or not: that it goes on is what counts.
            match self.way {
                Way::Try => _ = ctx.try_tell(next, Left(left)),
                Way::By(policy) => _ = ctx.tell(next, Left(left), policy),
                Way::WhenRoom => {
                    self.waiting.push_back(left);
                    if self.waiting.len() == 1 {
                        self.send_what_waits(next, ctx);
                    }
                }
            }
        }
    }
}

struct Handled;

impl Handle<Handled> for Link {
    type Reply = (u64, bool);

    fn on(&mut self, _: Handled, _: &mut Ctx<'_, Self>) -> (u64, bool) {
        (self.handled, self.waiting.is_empty())
    }
}

/// Each fills the next, all around: whatever the way they go on, as nobody waits, and come to an end.
#[test]
fn a_ring_of_actors_that_fill_each_other_goes_on() {
    let policies = [Policy::DropNewest, Policy::DropOldest, Policy::Defer].map(Way::By);
    for way in policies.into_iter().chain([Way::Try, Way::WhenRoom]) {
        for (workers, members) in [(1, 6), (2, 6), (2, 2), (1, 1)] {
            let runtime = two().start().unwrap();
            let mut client = runtime.client().unwrap();
            let spec = || Spec::<Link>::new(way).capacity(2).outbox(3);
            let links: Vec<_> = (0..members).map(|nth| client.spawn_on(nth % workers, spec()).unwrap()).collect();
            for (nth, link) in links.iter().enumerate() {
                client.ask(*link, Next(links[(nth + 1) % links.len()]), PATIENCE).unwrap();
            }
            let depth = 12;
            for link in &links {
                client.tell(*link, Left(depth)).unwrap();
            }
            // With room waited for nothing is lost: each makes a tree of so many.
            let all = members as u64 * ((2 << depth) - 1);
            let deadline = Instant::now() + PATIENCE;
            let mut last = None;
            loop {
                assert!(Instant::now() < deadline, "{last:?} of {all} with {way:?}, {members} on {workers}");
                let states: Vec<_> = links.iter().map(|link| client.ask(*link, Handled, PATIENCE).unwrap()).collect();
                let handled: u64 = states.iter().map(|(handled, _)| handled).sum();
                let is_quiet = last.replace(handled) == Some(handled) && states.iter().all(|(_, is_empty)| *is_empty);
                if if way == Way::WhenRoom { handled == all } else { is_quiet } {
                    assert!(handled >= members as u64, "{handled} with {way:?} on {workers}");
                    break;
                }
            }
            let report = runtime.shutdown(PATIENCE);
            assert_eq!((report.killed, report.stuck, report.counts.dead_letters), (0, 0, 0), "{way:?}");
        }
    }
}

#[test]
fn who_has_ended_is_gone_and_what_comes_too_late_is_a_dead_letter() {
    let (lost, letters) = mpsc::channel();
    let lost = Mutex::new(lost);
    let hook = move |letter: DeadLetter| lost.lock().unwrap().send(letter).unwrap();
    let runtime = two().on_dead_letter(hook).start().unwrap();
    let mut client = runtime.client().unwrap();
    let (scribe, until) = blocked(&mut client, 1, 8);
    client.stop(scribe.id());
    client.tell(scribe, Number(1)).unwrap();
    let question = {
        let (until, block) = mpsc::channel();
        drop(until);
        client.tell(scribe, Block(block))
    };
    assert_eq!(question.map_err(|_| ()), Ok(()));
    drop(until);
    client.wait_for_end(scribe.id(), PATIENCE).unwrap();
    // Who only tells finds out as well, after a letter more at most.
    let mut teller = runtime.client().unwrap();
    let told = teller.try_tell(scribe, Number(2));
    assert_eq!(told, Ok(()), "nobody has told it");
    teller.counts(1).unwrap();
    assert_eq!(teller.try_tell(scribe, Number(2)), Err(TellError::Gone(Number(2))));
    let letters: Vec<_> = (0..3).map(|_| letters.recv_timeout(PATIENCE).unwrap()).collect();
    assert!(letters.iter().all(|letter| letter.to == scribe.id() && letter.loss == Loss::ActorEnded));
    assert_eq!(letters.iter().filter(|letter| letter.message.ends_with("Number")).count(), 2);
    assert_eq!(client.ask(scribe, Numbers, PATIENCE), Err(AskError::Gone));
    assert_eq!(client.try_tell(scribe, Number(2)), Err(TellError::Gone(Number(2))));
    // Of actors, too, here and there.
    for worker in 0..2 {
        let puppet = client.spawn_on(worker, Spec::<Puppet>::new(())).unwrap();
        let try_it = move |ctx: &mut Ctx<'_, Puppet>| ctx.try_tell(scribe, Number(3));
        let deadline = Instant::now() + PATIENCE;
        while client.ask(puppet, act(try_it), PATIENCE).unwrap() != Err(TellError::Gone(Number(3))) {
            assert!(Instant::now() < deadline, "it is never found out on worker {worker}");
        }
    }
}

#[test]
fn an_address_of_another_runtime_leads_nowhere() {
    let runtimes = [two().start().unwrap(), two().start().unwrap()];
    let mut clients = runtimes.each_ref().map(|runtime| runtime.client().unwrap());
    let stranger = clients[0].spawn(Spec::<Scribe>::new(())).unwrap();
    assert_eq!(clients[1].try_tell(stranger, Number(1)), Err(TellError::Gone(Number(1))));
    let puppet = clients[1].spawn(Spec::<Puppet>::new(())).unwrap();
    let try_it = move |ctx: &mut Ctx<'_, Puppet>| ctx.try_tell(stranger, Number(2));
    assert_eq!(clients[1].ask(puppet, act(try_it), PATIENCE).unwrap(), Err(TellError::Gone(Number(2))));
    assert_eq!(clients[0].ask(stranger, Numbers, PATIENCE).unwrap(), []);
}

/// Threads that come and go, all telling one.
#[test]
fn clients_come_and_go() {
    let runtime = Arc::new(two().start().unwrap());
    let scribe = runtime.client().unwrap().spawn_on(1, Spec::<Scribe>::new(())).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let runtime = runtime.clone();
            std::thread::spawn(move || {
                for turn in 0..20 {
                    let mut client = runtime.client().unwrap();
                    (0..100).for_each(|nth| client.tell(scribe, Number(thread * 10_000 + turn * 100 + nth)).unwrap());
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let mut client = runtime.client().unwrap();
    let numbers = all(&mut client, scribe, 8_000);
    for thread in 0..4 {
        for turn in 0..20 {
            let from = thread * 10_000 + turn * 100;
            let own: Vec<_> = numbers.iter().copied().filter(|number| (from..from + 100).contains(number)).collect();
            assert_eq!(own, Vec::from_iter(from..from + 100));
        }
    }
}
