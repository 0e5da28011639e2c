//! Sockets whose messages are for actors elsewhere.

use std::{sync::mpsc, time::Instant};

use ringway::{
    Context, Pull, Push, WaitPolicy,
    actor::{Actor, Addr, Client, Ctx, Ended, Failure, Handle, Reason, SpawnError, Spec},
    bridge::{self, Forwarder, Received, Release},
};

use crate::{
    PATIENCE,
    cast::{Block, Line, Lines, Scribe, one, text, two, word},
    wait_until,
};

fn line(received: Received) -> Line {
    Line(word(&received))
}

/// What a scribe has when it has so many, or takes too long to.
fn lines(client: &mut Client, scribe: Addr<Scribe>, count: usize) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let lines = client.ask(scribe, Lines, PATIENCE).unwrap();
        if lines.len() >= count || Instant::now() > deadline {
            return lines;
        }
    }
}

fn connected(context: &Context, road: &str, hwm: u32) -> (Push, Pull) {
    let mut pull = Pull::builder().recv_hwm(hwm).build(context).unwrap();
    pull.bind(road).unwrap();
    let mut push = Push::builder().send_hwm(hwm).build(context).unwrap();
    push.connect(pull.last_endpoint().unwrap().to_string()).unwrap();
    (push, pull)
}

#[test]
fn a_socket_is_forwarded_to_an_actor_wherever_both_are() {
    for road in ["inproc://forward", "ipc://*", "tcp://127.0.0.1:*"] {
        for (here, there, capacity) in [(0, 0, 1), (0, 1, 64), (1, 0, 3), (1, 1, 64)] {
            let context = Context::new();
            let (mut push, pull) = connected(&context, road, 16);
            let runtime = two(WaitPolicy::Park);
            let mut client = runtime.client().unwrap();
            let scribe = client.spawn_on(there, Spec::<Scribe>::new(()).capacity(capacity)).unwrap();
            let forwarder = client.spawn_on(here, bridge::forward(pull, scribe.recipient(), line)).unwrap();
            (0..1000).for_each(|number| push.send(format!("{number}")).unwrap());
            let expected: Vec<String> = (0..1000).map(|number| format!("{number}")).collect();
            assert_eq!(lines(&mut client, scribe, 1000), expected, "{road} {here} {there}");
            client.stop(forwarder.id());
            client.wait_for_end(forwarder.id(), PATIENCE).unwrap();
            let report = runtime.shutdown(PATIENCE);
            assert_eq!((report.counts.dead_letters, report.counts.dropped, report.killed), (0, 0, 0));
        }
    }
}

#[test]
fn what_a_recipient_has_no_room_for_stays_in_the_socket() {
    let context = Context::new();
    let (hwm, capacity) = (8, 5);
    let (mut push, pull) = connected(&context, "inproc://held", hwm);
    let runtime = two(WaitPolicy::Park);
    let mut client = runtime.client().unwrap();
    let scribe = client.spawn_on(1, Spec::<Scribe>::new(()).capacity(capacity)).unwrap();
    let other = client.spawn_on(0, Spec::<Scribe>::new(())).unwrap();
    client.spawn_on(0, bridge::forward(pull, scribe.recipient(), line)).unwrap();
    let mut sent = 0;
    for _ in 0..20 {
        let (begins, begun) = mpsc::channel();
        let (until, block) = mpsc::channel();
        client.tell(scribe, Block(begins, block)).unwrap();
        begun.recv_timeout(PATIENCE).unwrap();
        // Nobody takes anything from the actor now: as many as it has room for leave the socket, and that is full.
        let before = sent;
        let mut refused = 0;
        while refused < 100 {
            if push.try_send(format!("{sent}")).is_ok() {
                sent += 1;
                refused = 0;
            } else {
                refused += 1;
                // The worker of the socket is not held up.
                client.ask(other, Lines, PATIENCE).unwrap();
            }
            assert!(sent - before <= capacity + 2 * hwm, "{} more", sent - before);
        }
        assert!(sent - before >= hwm, "{}", sent - before);
        drop(until);
        let expected: Vec<String> = (0..sent).map(|number| format!("{number}")).collect();
        assert_eq!(lines(&mut client, scribe, sent as usize), expected);
    }
}

/// Starts a forwarder on another worker, tells its recipient so, and says how it ends.
struct Starter {
    scribe: Addr<Scribe>,
    says: mpsc::Sender<Reason>,
}

impl Actor for Starter {
    type Args = (Pull, Addr<Scribe>, mpsc::Sender<Reason>);

    fn start((pull, scribe, says): Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        ctx.spawn_on(1, bridge::forward(pull, scribe.recipient(), line), Started);
        Ok(Self { scribe, says })
    }
}

struct Started(Result<Addr<Forwarder<Pull, Line>>, SpawnError>);

impl Handle<Started> for Starter {
    type Reply = ();

    fn on(&mut self, Started(forwarder): Started, ctx: &mut Ctx<'_, Self>) {
        ctx.watch(forwarder.unwrap().id(), |ended| ended);
        // Behind the wish to watch, on whichever worker the recipient is: whoever reads this finds the forwarder watched.
        ctx.try_tell(self.scribe, Line("started".into())).unwrap();
    }
}

impl Handle<Ended> for Starter {
    type Reply = ();

    fn on(&mut self, ended: Ended, _: &mut Ctx<'_, Self>) {
        self.says.send(ended.reason).unwrap();
    }
}

#[test]
fn an_actor_starts_one_too_and_hears_that_it_ends_with_its_recipient() {
    for there in [0, 1] {
        let context = Context::new();
        let (mut push, pull) = connected(&context, "inproc://started", 16);
        let runtime = two(WaitPolicy::Park);
        let mut client = runtime.client().unwrap();
        let scribe = client.spawn_on(there, Spec::<Scribe>::new(())).unwrap();
        let (says, said) = mpsc::channel();
        client.spawn_on(0, Spec::<Starter>::new((pull, scribe, says))).unwrap();
        assert_eq!(lines(&mut client, scribe, 1), ["started"]);
        push.send("a line").unwrap();
        assert_eq!(lines(&mut client, scribe, 2), ["started", "a line"]);
        client.stop(scribe.id());
        assert_eq!(said.recv_timeout(PATIENCE).unwrap(), Reason::Stopped);
        // The socket is gone with it.
        wait_until("the name is free", || Pull::new(&context).unwrap().bind("inproc://started").is_ok());
    }
}

#[test]
fn one_for_nobody_ends_at_once() {
    let context = Context::new();
    let runtime = two(WaitPolicy::Park);
    let other = one(WaitPolicy::Park);
    let mut client = runtime.client().unwrap();
    let scribe = client.spawn_on(1, Spec::<Scribe>::new(())).unwrap();
    client.stop(scribe.id());
    client.wait_for_end(scribe.id(), PATIENCE).unwrap();
    let foreign = other.client().unwrap().spawn(Spec::<Scribe>::new(())).unwrap();
    for (name, to) in [("inproc://ended", scribe), ("inproc://foreign", foreign)] {
        let (push, pull) = connected(&context, name, 16);
        let forwarder = client.spawn_on(0, bridge::forward(pull, to.recipient(), line)).unwrap();
        client.wait_for_end(forwarder.id(), PATIENCE).unwrap();
        drop(push);
    }
}

#[test]
fn the_end_of_a_context_is_told_to_the_recipient_and_ends_it() {
    for here in [0, 1] {
        let context = Context::new();
        let (mut push, pull) = connected(&context, "inproc://closing", 0);
        let runtime = two(WaitPolicy::Park);
        let mut client = runtime.client().unwrap();
        let scribe = client.spawn_on(1, Spec::<Scribe>::new(()).capacity(4)).unwrap();
        let forwarder = client.spawn_on(here, bridge::forward(pull, scribe.recipient(), line)).unwrap();
        (0..100).for_each(|number| push.send(format!("{number}")).unwrap());
        drop(push);
        let closing = context.clone();
        let end = std::thread::spawn(move || closing.shutdown(PATIENCE));
        let all = lines(&mut client, scribe, 101);
        assert_eq!((all.len(), &*all[99], &*all[100]), (101, "99", "ContextClosed"));
        client.wait_for_end(forwarder.id(), PATIENCE).unwrap();
        assert_eq!(end.join().unwrap().sockets_left, 0);
    }
}

#[test]
fn a_socket_comes_back_with_what_was_not_taken_from_it() {
    let context = Context::new();
    let (mut push, mut pull) = connected(&context, "inproc://back", 0);
    let runtime = two(WaitPolicy::Park);
    let mut client = runtime.client().unwrap();
    let scribe = client.spawn_on(1, Spec::<Scribe>::new(()).capacity(4)).unwrap();
    let (mut sent, mut taken_back) = (0, 0);
    for round in 0..20 {
        let forwarder = client.spawn_on(0, bridge::forward(pull, scribe.recipient(), line)).unwrap();
        for _ in 0..50 {
            push.send(format!("{sent}")).unwrap();
            sent += 1;
        }
        if round % 2 == 0 {
            lines(&mut client, scribe, sent - taken_back);
        }
        pull = client.ask(forwarder, Release, PATIENCE).unwrap().expect("nobody else has had it");
        client.wait_for_end(forwarder.id(), PATIENCE).unwrap();
        // All the scribe will ever have of it is in its mailbox or on its way, or in the socket.
        let mut left = Vec::new();
        while let Ok(message) = pull.try_recv() {
            left.push(text(&message));
        }
        taken_back += left.len();
        let all = lines(&mut client, scribe, sent - taken_back);
        assert_eq!(all.len(), sent - taken_back);
        if let Some(first) = left.first() {
            let behind = all.last().map_or(0, |last| last.parse::<usize>().unwrap() + 1);
            assert!(first.parse::<usize>().unwrap() >= behind.min(sent), "the order stays");
        }
    }
}

#[test]
fn a_panic_in_the_closure_is_the_forwarders_failure() {
    let context = Context::new();
    let (mut push, pull) = connected(&context, "inproc://panics", 16);
    let runtime = two(WaitPolicy::Park);
    let mut client = runtime.client().unwrap();
    let scribe = client.spawn_on(1, Spec::<Scribe>::new(())).unwrap();
    let make = |received: Received| {
        assert!(word(&received) != "panic", "as it was told");
        line(received)
    };
    let forwarder = client.spawn_on(0, bridge::forward(pull, scribe.recipient(), make)).unwrap();
    ["a", "panic", "b"].into_iter().for_each(|what| push.send(what).unwrap());
    client.wait_for_end(forwarder.id(), PATIENCE).unwrap();
    assert_eq!(lines(&mut client, scribe, 1), ["a"]);
    let report = runtime.shutdown(PATIENCE);
    assert_eq!((report.counts.failures, report.killed), (1, 0));
}
