//! Starts, failures, restarts and ends of those who own sockets, and of their contexts.

use std::sync::{Arc, Mutex, mpsc};

use ringway::{
    Context, Dealer, Pull, Push, Rep, Req, Router, WaitPolicy,
    actor::{AskError, BackOff, Ctx, Intensity, Restarts, Runtime, Spec},
    bridge::Received,
};

use crate::{
    PATIENCE,
    cast::{Make, Owner, Props, Say, act, once, one, text, word},
};

fn often() -> Restarts {
    Restarts {
        intensity: Intensity { restarts: 1_000_000, within: std::time::Duration::from_secs(60) },
        back_off: BackOff::default(),
    }
}

/// Panics where it is told to.
fn brittle(owner: &mut Owner<Pull>, received: Received, _: &mut Ctx<'_, Owner<Pull>>) {
    let word = word(&received);
    assert!(word != "panic in the handler", "as it was told");
    owner.say(word);
}

/// A PULL bound to that endpoint, anew each time.
fn bound_again(context: &Context, endpoint: &'static str, says: &mpsc::Sender<String>) -> Make<Pull> {
    let (context, says) = (context.clone(), Mutex::new(says.clone()));
    Arc::new(move || {
        says.lock().unwrap().send("starts".into()).unwrap();
        let mut pull = Pull::new(&context).unwrap();
        pull.bind(endpoint).expect("the one before is gone");
        pull
    })
}

#[test]
fn one_that_fails_makes_its_socket_again_and_goes_on() {
    let context = Context::new();
    let runtime = one(WaitPolicy::Park);
    let mut client = runtime.client().unwrap();
    for fault in ["panic in the handler", "panic in the closure"] {
        let (says, said) = mpsc::channel();
        let socket = bound_again(&context, "inproc://again", &says);
        let spec = Spec::<Owner<Pull>>::new(Props { socket, says, react: brittle }).restarts(often());
        let owner = client.spawn(spec).unwrap();
        assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "starts");
        for round in 0..20 {
            let mut push = Push::new(&context).unwrap();
            push.connect("inproc://again").unwrap();
            push.send(format!("before {round}")).unwrap();
            assert_eq!(said.recv_timeout(PATIENCE).unwrap(), format!("before {round}"));
            push.send(fault).unwrap();
            assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "starts", "{fault}");
        }
        client.stop(owner.id());
        client.wait_for_end(owner.id(), PATIENCE).unwrap();
    }
    let report = runtime.shutdown(PATIENCE);
    assert_eq!((report.counts.failures, report.counts.restarts, report.killed), (40, 40, 0));
}

/// All are taken from the socket in one turn, so all but the first life's are handled by the second.
#[test]
fn what_was_taken_before_a_failure_stays_in_the_mailbox() {
    let context = Context::new();
    let mut first = Pull::new(&context).unwrap();
    first.bind("inproc://kept").unwrap();
    let mut push = Push::new(&context).unwrap();
    push.connect("inproc://kept").unwrap();
    ["a", "panic in the handler", "b", "c"].into_iter().for_each(|what| push.send(what).unwrap());
    let (says, said) = mpsc::channel();
    let first = Mutex::new(Some(first));
    let elsewhere = context.clone();
    let socket: Make<Pull> =
        Arc::new(move || first.lock().unwrap().take().unwrap_or_else(|| Pull::new(&elsewhere).unwrap()));
    let runtime = one(WaitPolicy::Park);
    let mut client = runtime.client().unwrap();
    client.spawn(Spec::<Owner<Pull>>::new(Props { socket, says, react: brittle }).restarts(often())).unwrap();
    assert_eq!([(); 3].map(|()| said.recv_timeout(PATIENCE).unwrap()), ["a", "b", "c"]);
    let counts = runtime.shutdown(PATIENCE).counts;
    assert_eq!((counts.restarts, counts.dead_letters), (1, 0));
}

#[test]
fn a_panic_in_the_closure_is_that_actors_failure_alone() {
    let context = Context::new();
    let failures = Arc::new(Mutex::new(Vec::new()));
    let log = failures.clone();
    let runtime = Runtime::builder()
        .worker(WaitPolicy::Park)
        .on_failure(move |id, failure| log.lock().unwrap().push((id, failure.to_string())))
        .start()
        .unwrap();
    let mut client = runtime.client().unwrap();
    let mut owners = Vec::new();
    for name in ["inproc://first", "inproc://second"] {
        let mut pull = Pull::new(&context).unwrap();
        pull.bind(name).unwrap();
        let mut push = Push::new(&context).unwrap();
        push.connect(name).unwrap();
        let (says, said) = mpsc::channel();
        let props = Props { socket: once(pull), says, react: Owner::listen };
        owners.push((client.spawn(Spec::<Owner<Pull>>::new(props)).unwrap(), push, said));
    }
    let (second, mut push_second, said_second) = owners.pop().unwrap();
    let (first, mut push_first, said_first) = owners.pop().unwrap();
    push_first.send("panic in the closure").unwrap();
    client.wait_for_end(first.id(), PATIENCE).unwrap();
    assert!(said_first.recv().is_err());
    for round in 0..100 {
        push_second.send(format!("{round}")).unwrap();
        assert_eq!(said_second.recv_timeout(PATIENCE).unwrap(), format!("{round}"));
    }
    client.ask(second, Say("here"), PATIENCE).unwrap();
    let failures = failures.lock().unwrap();
    assert_eq!(failures.len(), 1);
    assert!(failures[0].0 == first.id() && failures[0].1.contains("a message from a socket: as it was told"));
    // Its socket is gone as well.
    assert!(push_first.try_send("nobody is there").is_err());
    Pull::new(&context).unwrap().bind("inproc://first").unwrap();
}

#[test]
fn a_socket_ends_with_its_actor() {
    let context = Context::new();
    let runtime = one(WaitPolicy::Park);
    let mut client = runtime.client().unwrap();
    for round in 0..50 {
        let mut pull = Pull::new(&context).unwrap();
        pull.bind("inproc://ends").expect("the one before is gone");
        let (says, said) = mpsc::channel();
        let owner =
            client.spawn(Spec::<Owner<Pull>>::new(Props { socket: once(pull), says, react: Owner::listen })).unwrap();
        let mut push = Push::new(&context).unwrap();
        push.connect("inproc://ends").unwrap();
        push.send("before").unwrap();
        if round % 2 == 0 {
            assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "before");
            client.ask(owner, act(|_: &mut Owner<Pull>, ctx| ctx.stop()), PATIENCE).unwrap();
        } else {
            client.stop(owner.id());
        }
        client.wait_for_end(owner.id(), PATIENCE).unwrap();
        assert!(matches!(client.ask(owner, Say("late"), PATIENCE), Err(AskError::Gone)));
    }
    let report = runtime.shutdown(PATIENCE);
    assert_eq!((report.counts.started, report.counts.ended, report.killed), (50, 50, 0));
}

#[test]
fn a_runtime_ends_while_its_sockets_are_flooded() {
    for road in ["inproc://over", "tcp://127.0.0.1:*"] {
        let context = Context::new();
        let mut pull = Pull::new(&context).unwrap();
        pull.bind(road).unwrap();
        let mut push = Push::new(&context).unwrap();
        push.connect(pull.last_endpoint().unwrap().to_string()).unwrap();
        let (says, said) = mpsc::channel();
        let runtime = one(WaitPolicy::Adaptive);
        let props = Props { socket: once(pull), says, react: Owner::listen };
        runtime.client().unwrap().spawn(Spec::<Owner<Pull>>::new(props)).unwrap();
        let (stop, stopped) = mpsc::channel::<()>();
        let flood = std::thread::spawn(move || {
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                _ = push.try_send("more");
            }
        });
        assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "more");
        let report = runtime.shutdown(PATIENCE);
        assert_eq!((report.counts.ended, report.killed, report.stuck), (1, 0, 0));
        drop(stop);
        flood.join().unwrap();
    }
}

#[test]
fn the_end_of_a_context_is_told_behind_what_had_arrived_and_once() {
    let runtime = one(WaitPolicy::Park);
    let mut client = runtime.client().unwrap();
    for capacity in [1, 64] {
        let context = Context::new();
        let mut pull = Pull::new(&context).unwrap();
        pull.bind("inproc://closing").unwrap();
        let mut push = Push::new(&context).unwrap();
        push.connect("inproc://closing").unwrap();
        (0..200).for_each(|number| push.send(format!("{number}")).unwrap());
        drop(push);
        let (says, said) = mpsc::channel();
        let props = Props { socket: once(pull), says, react: Owner::listen };
        let owner = client.spawn(Spec::<Owner<Pull>>::new(props).capacity(capacity)).unwrap();
        let closing = context.clone();
        let end = std::thread::spawn(move || closing.shutdown(PATIENCE));
        let all: Vec<String> = (0..201).map(|_| said.recv_timeout(PATIENCE).unwrap()).collect();
        assert!(all[..200].iter().enumerate().all(|(number, said)| *said == format!("{number}")));
        assert_eq!(all[200], "ContextClosed");
        client.ask(owner, Say("still here"), PATIENCE).unwrap();
        assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "still here", "it is told once");
        client.stop(owner.id());
        assert_eq!(end.join().unwrap().sockets_left, 0);
    }
}

/// Whose turn it is not is told as well.
#[test]
fn the_end_of_a_context_reaches_those_who_may_not_receive() {
    let context = Context::new();
    let runtime = one(WaitPolicy::Park);
    let mut client = runtime.client().unwrap();
    let (mut rep, mut req) = (Rep::new(&context).unwrap(), Req::new(&context).unwrap());
    rep.bind("inproc://turns").unwrap();
    req.connect("inproc://turns").unwrap();
    let idle = Req::new(&context).unwrap();
    let (says, said) = mpsc::channel();
    let props = Props { socket: once(rep), says: says.clone(), react: Owner::<Rep>::listen };
    let rep = client.spawn(Spec::<Owner<Rep>>::new(props)).unwrap();
    let props = Props { socket: once(idle), says: says.clone(), react: Owner::<Req>::listen };
    let idle = client.spawn(Spec::<Owner<Req>>::new(props)).unwrap();
    // It does not reply.
    req.send("a question").unwrap();
    assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "a question");
    drop(req);
    let closing = context.clone();
    let end = std::thread::spawn(move || closing.shutdown(PATIENCE));
    assert_eq!([(); 2].map(|()| said.recv_timeout(PATIENCE).unwrap()), ["ContextClosed", "ContextClosed"]);
    client.stop(rep.id());
    client.stop(idle.id());
    assert_eq!(end.join().unwrap().sockets_left, 0);
}

#[test]
fn peers_come_again_to_one_that_was_started_again() {
    fn serve(owner: &mut Owner<Router>, received: Received, _: &mut Ctx<'_, Owner<Router>>) {
        let message = received.unwrap().message;
        assert!(text(&message) != "fail", "as it was told");
        owner.port.try_send(message).unwrap();
    }
    let context = Context::new();
    let (says, said) = mpsc::channel();
    let (within, bound) = (context.clone(), Mutex::new(says.clone()));
    let socket: Make<Router> = Arc::new(move || {
        let mut router = Router::new(&within).unwrap();
        router.bind("inproc://phoenix").expect("the one before is gone");
        bound.lock().unwrap().send("bound".into()).unwrap();
        router
    });
    let runtime = one(WaitPolicy::Adaptive);
    let mut client = runtime.client().unwrap();
    client.spawn(Spec::<Owner<Router>>::new(Props { socket, says, react: serve }).restarts(often())).unwrap();
    for round in 0..20 {
        // Only then: a connection within the process whose other side has left is over, and does not come back.
        assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "bound");
        let mut dealer = Dealer::new(&context).unwrap();
        dealer.connect("inproc://phoenix").unwrap();
        dealer.send(format!("{round}")).unwrap();
        assert_eq!(text(&dealer.recv_timeout(PATIENCE).unwrap()), format!("{round}"));
        dealer.send("fail").unwrap();
    }
}
