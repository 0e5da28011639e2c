//! More than an actor can take: nothing is lost, the order stays, peers are held back, and it goes on when there is room.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use ringway::{
    Context, Pull, Push, WaitPolicy,
    actor::{Actor, Ctx, Failure, Handle, Spec},
    bridge::{self, Port, Received},
};

use crate::{
    PATIENCE,
    cast::{Owner, Props, act, once, one, text, word},
    wait_until,
};

const POLICIES: [WaitPolicy; 3] = [WaitPolicy::Adaptive, WaitPolicy::Park, WaitPolicy::Spin];

/// Takes a little while for each.
fn slowly(owner: &mut Owner<Pull>, received: Received, _: &mut Ctx<'_, Owner<Pull>>) {
    let until = Instant::now() + Duration::from_micros(2);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    owner.say(word(&received));
}

#[test]
fn a_slow_actor_misses_nothing_over_each_road() {
    for road in ["inproc://flood", "ipc://*", "tcp://127.0.0.1:*"] {
        for (policy, capacity) in POLICIES.into_iter().zip([1, 7, 64]) {
            let context = Context::new();
            let mut pull = Pull::builder().recv_hwm(16).build(&context).unwrap();
            pull.bind(road).unwrap();
            let mut push = Push::builder().send_hwm(16).build(&context).unwrap();
            push.connect(pull.last_endpoint().unwrap().to_string()).unwrap();
            let (says, said) = mpsc::channel();
            let runtime = one(policy);
            let mut client = runtime.client().unwrap();
            let props = Props { socket: once(pull), says, react: slowly };
            client.spawn(Spec::<Owner<Pull>>::new(props).capacity(capacity)).unwrap();
            let count = 3000;
            let sender = std::thread::spawn(move || {
                (0..count).for_each(|number| push.send(format!("{number}")).unwrap());
                push
            });
            for number in 0..count {
                assert_eq!(said.recv_timeout(PATIENCE).unwrap(), format!("{number}"), "{road} {policy:?}");
            }
            assert!(said.try_recv().is_err());
            drop(sender.join().unwrap());
        }
    }
}

/// The worker is free all the time, but the actor has no room: it is paused, as it has failed.
#[test]
fn peers_are_held_back_while_there_is_no_room_and_go_on_when_there_is() {
    let context = Context::new();
    let (hwm, capacity) = (8, 5);
    let mut pull = Pull::builder().recv_hwm(hwm).build(&context).unwrap();
    pull.bind("inproc://held").unwrap();
    let mut push = Push::builder().send_hwm(hwm).build(&context).unwrap();
    push.connect("inproc://held").unwrap();
    let (says, said) = mpsc::channel();
    let runtime = one(WaitPolicy::Park);
    let mut client = runtime.client().unwrap();
    let props = Props { socket: once(pull), says, react: Owner::listen };
    let owner = client.spawn(Spec::<Owner<Pull>>::new(props).capacity(capacity)).unwrap();
    client.ask(owner, act(|owner: &mut Owner<Pull>, _| owner.port.pause()), PATIENCE).unwrap();
    let mut sent = 0;
    while push.try_send(format!("{sent}")).is_ok() {
        sent += 1;
        assert!(sent <= 2 * hwm, "what is held back takes no more than its marks say");
    }
    assert!(sent >= hwm, "{sent}");
    // Nothing comes while it is paused, and its worker has other things to do.
    (0..100).for_each(|_| client.ask(owner, crate::cast::Say("here"), PATIENCE).unwrap());
    assert!((0..100).all(|_| said.recv_timeout(PATIENCE).unwrap() == "here"));
    assert!(push.try_send("no room").is_err());
    client.ask(owner, act(|owner: &mut Owner<Pull>, _| owner.port.resume()), PATIENCE).unwrap();
    for number in 0..sent {
        assert_eq!(said.recv_timeout(PATIENCE).unwrap(), format!("{number}"));
    }
    push.send("and on").unwrap();
    assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "and on");
}

/// Counts what it handles, and looks at what waits for it.
struct Narrow {
    _port: Port<Pull>,
    made: Arc<AtomicUsize>,
    handled: usize,
    most: usize,
    says: mpsc::Sender<(usize, usize)>,
}

impl Actor for Narrow {
    type Args = (Pull, Arc<AtomicUsize>, mpsc::Sender<(usize, usize)>);

    fn start((pull, made, says): Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        let count = made.clone();
        let make = move |received: Received| {
            count.fetch_add(1, Ordering::Relaxed);
            received
        };
        Ok(Self { _port: bridge::own(ctx, pull, make)?, made, handled: 0, most: 0, says })
    }
}

impl Handle<Received> for Narrow {
    type Reply = ();

    fn on(&mut self, received: Received, _: &mut Ctx<'_, Self>) {
        assert_eq!(text(&received.unwrap().message), format!("{}", self.handled));
        self.most = self.most.max(self.made.load(Ordering::Relaxed) - self.handled);
        self.handled += 1;
        if self.handled == 2000 {
            self.says.send((self.handled, self.most)).unwrap();
        }
    }
}

#[test]
fn no_more_are_taken_from_the_socket_than_there_is_room_for() {
    for capacity in [1, 3, 64, 1000] {
        let context = Context::new();
        let mut pull = Pull::builder().recv_hwm(0).build(&context).unwrap();
        pull.bind("inproc://much").unwrap();
        let mut push = Push::builder().send_hwm(0).build(&context).unwrap();
        push.connect("inproc://much").unwrap();
        (0..2000).for_each(|number| push.send(format!("{number}")).unwrap());
        let runtime = one(WaitPolicy::Park);
        let mut client = runtime.client().unwrap();
        let (says, said) = mpsc::channel();
        client.spawn(Spec::<Narrow>::new((pull, Arc::default(), says)).capacity(capacity)).unwrap();
        let (handled, most) = said.recv_timeout(PATIENCE).unwrap();
        assert_eq!(handled, 2000);
        assert!(most <= capacity as usize, "{most} of {capacity}");
    }
}

/// Has two sockets, and writes down whose each message is.
struct Both {
    _ports: [Port<Pull>; 2],
    seen: Vec<usize>,
    says: mpsc::Sender<Vec<usize>>,
}

impl Actor for Both {
    type Args = ([Pull; 2], mpsc::Sender<Vec<usize>>);

    fn start(([first, second], says): Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        let first = bridge::own(ctx, first, |_| Of(0))?;
        let second = bridge::own(ctx, second, |_| Of(1))?;
        Ok(Self { _ports: [first, second], seen: Vec::new(), says })
    }
}

struct Of(usize);

impl Handle<Of> for Both {
    type Reply = ();

    fn on(&mut self, Of(which): Of, _: &mut Ctx<'_, Self>) {
        self.seen.push(which);
        if self.seen.len() == 4000 {
            self.says.send(self.seen.clone()).unwrap();
        }
    }
}

#[test]
fn two_sockets_of_an_actor_share_its_room() {
    for capacity in [1, 10, 64, 200] {
        let context = Context::new();
        let runtime = one(WaitPolicy::Park);
        let mut client = runtime.client().unwrap();
        let mut pushes = Vec::new();
        let pulls = [0, 1].map(|which| {
            let mut pull = Pull::builder().recv_hwm(0).build(&context).unwrap();
            pull.bind(format!("inproc://{which}")).unwrap();
            let mut push = Push::builder().send_hwm(0).build(&context).unwrap();
            push.connect(format!("inproc://{which}")).unwrap();
            (0..2000_u32).for_each(|number| push.send(number.to_le_bytes()).unwrap());
            pushes.push(push);
            pull
        });
        let (says, said) = mpsc::channel();
        client.spawn(Spec::<Both>::new((pulls, says)).capacity(capacity)).unwrap();
        let seen = said.recv_timeout(PATIENCE).unwrap();
        // While both have some neither waits for more than one share of the other and what was there before.
        let most = seen[..2000].chunk_by(|a, b| a == b).map(<[usize]>::len).max().unwrap();
        assert!(most <= 2 * bridge::QUANTUM.max(capacity as usize), "{most} in a row, capacity {capacity}");
        let first = seen[..2000].iter().filter(|which| **which == 0).count();
        assert!((800..=1200).contains(&first), "{first} of the first 2000 are of one socket, capacity {capacity}");
    }
}

#[test]
fn many_sockets_on_one_worker_are_all_served() {
    let context = Context::new();
    let (says, said) = mpsc::channel();
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive] {
        let runtime = one(policy);
        let mut client = runtime.client().unwrap();
        let mut pushes: Vec<Push> = (0..64)
            .map(|which| {
                let mut pull = Pull::new(&context).unwrap();
                pull.bind(format!("inproc://{policy:?}{which}")).unwrap();
                let mut push = Push::new(&context).unwrap();
                push.connect(format!("inproc://{policy:?}{which}")).unwrap();
                let props = Props { socket: once(pull), says: says.clone(), react: Owner::listen };
                client.spawn(Spec::<Owner<Pull>>::new(props)).unwrap();
                push
            })
            .collect();
        // One at a time, each when the others sleep.
        for round in 0..3 {
            for (which, push) in pushes.iter_mut().enumerate() {
                push.send(format!("{round} {which}")).unwrap();
                assert_eq!(said.recv_timeout(PATIENCE).unwrap(), format!("{round} {which}"));
            }
        }
        // And all at once.
        for number in 0..50 {
            for (which, push) in pushes.iter_mut().enumerate() {
                push.send(format!("{which} {number}")).unwrap();
            }
        }
        let mut next = [0; 64];
        for _ in 0..50 * 64 {
            let said = said.recv_timeout(PATIENCE).unwrap();
            let (which, number) = said.split_once(' ').unwrap();
            let which: usize = which.parse().unwrap();
            assert_eq!(number.parse(), Ok(next[which]));
            next[which] += 1;
        }
        assert!(next.iter().all(|next| *next == 50));
        wait_until("that is all", || said.try_recv().is_err());
    }
}
