//! Timers, and answers that do not come.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use ringway::actor::{AskError, Ctx, Handle, Spec, Timer};

use crate::{
    PATIENCE,
    cast::{Block, Number, Numbers, Puppet, Scribe, act, two},
};

/// Something has come, at this time.
struct Came(mpsc::Sender<Instant>);

impl Handle<Came> for Puppet {
    type Reply = ();

    fn on(&mut self, Came(told): Came, _: &mut Ctx<'_, Self>) {
        _ = told.send(Instant::now());
    }
}

#[test]
fn a_timer_comes_not_before_its_time_and_not_when_it_was_taken_back() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let puppet = client.spawn_on(1, Spec::<Puppet>::new(())).unwrap();
    let delay = Duration::from_millis(5);
    let (told, came) = mpsc::channel();
    let start = Instant::now();
    let first = told.clone();
    client.ask(puppet, act(move |ctx: &mut Ctx<'_, Puppet>| _ = ctx.after(delay, Came(first))), PATIENCE).unwrap();
    assert!(came.recv_timeout(PATIENCE).unwrap() >= start + delay);
    let (first, second) = (told.clone(), told);
    let cancel = move |ctx: &mut Ctx<'_, Puppet>| {
        let timer = ctx.after(delay, Came(first));
        ctx.after(2 * delay, Came(second));
        (ctx.cancel(timer), ctx.cancel(timer))
    };
    assert_eq!(client.ask(puppet, act(cancel), PATIENCE).unwrap(), (true, false));
    came.recv_timeout(PATIENCE).unwrap();
    // Whoever would send is gone.
    assert_eq!(came.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn an_interval_comes_again_and_again_until_it_is_taken_back() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let puppet = client.spawn(Spec::<Puppet>::new(())).unwrap();
    let (told, came) = mpsc::channel();
    let period = Duration::from_millis(2);
    let start = Instant::now();
    let begin = move |ctx: &mut Ctx<'_, Puppet>| ctx.every(period, move || Came(told.clone()));
    let timer: Timer = client.ask(puppet, act(begin), PATIENCE).unwrap();
    for nth in 1..=5 {
        assert!(came.recv_timeout(PATIENCE).unwrap() >= start + nth * period);
    }
    // On whichever worker it is, it has no business with that timer.
    let others = [0, 1].map(|worker| client.spawn_on(worker, Spec::<Puppet>::new(())).unwrap());
    for other in others {
        assert!(!client.ask(other, act(move |ctx: &mut Ctx<'_, Puppet>| ctx.cancel(timer)), PATIENCE).unwrap());
    }
    assert!(client.ask(puppet, act(move |ctx: &mut Ctx<'_, Puppet>| ctx.cancel(timer)), PATIENCE).unwrap());
    while came.recv_timeout(PATIENCE).is_ok() {}
    assert_eq!(came.try_recv(), Err(mpsc::TryRecvError::Disconnected));
}

impl Handle<Result<Vec<u64>, AskError>> for Puppet {
    type Reply = ();

    fn on(&mut self, _: Result<Vec<u64>, AskError>, _: &mut Ctx<'_, Self>) {}
}

#[test]
fn what_an_actor_asks_is_answered_once_or_not_in_time() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for (worker, other) in [(0, 0), (0, 1), (1, 0)] {
        let puppet = client.spawn_on(worker, Spec::<Puppet>::new(())).unwrap();
        let scribe = client.spawn_on(other, Spec::<Scribe>::new(())).unwrap();
        client.ask(scribe, Number(7), PATIENCE).unwrap();
        let (told, answers) = mpsc::channel();
        let ask = move |timeout| {
            let told = told.clone();
            act(move |ctx: &mut Ctx<'_, Puppet>| {
                let then = move |answer: Result<Vec<u64>, AskError>| {
                    told.send(answer.clone()).unwrap();
                    answer
                };
                ctx.ask(scribe, Numbers, timeout, then).map_err(|_| "no room").unwrap();
            })
        };
        client.tell(puppet, ask(PATIENCE)).unwrap();
        assert_eq!(answers.recv_timeout(PATIENCE).unwrap(), Ok(vec![7]));
        if worker != other {
            let (until, block) = mpsc::channel();
            client.tell(scribe, Block(block)).unwrap();
            client.tell(puppet, ask(Duration::from_millis(5))).unwrap();
            assert_eq!(answers.recv_timeout(PATIENCE).unwrap(), Err(AskError::TimedOut));
            drop(until);
        }
        client.stop(scribe.id());
        client.wait_for_end(scribe.id(), PATIENCE).unwrap();
        let asks = ask(PATIENCE);
        // Here it is known at once that it has ended; there only once it was tried.
        if worker != other {
            client.tell(puppet, asks).unwrap();
            assert_eq!(answers.recv_timeout(PATIENCE).unwrap(), Err(AskError::Gone));
        }
        assert!(answers.try_recv().is_err());
    }
    let report = runtime.shutdown(PATIENCE);
    assert_eq!(report.counts.late_answers, 2);
}
