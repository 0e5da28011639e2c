//! Questions that are answered later, by the actor that was asked: or not.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use ringway::actor::{Actor, Addr, AskError, Asker, Client, Ctx, Failure, Handle, Intensity, Restarts, Spec};

use crate::{
    PATIENCE,
    cast::{PLACES, Puppet, act, puppet, two},
};

/// Keeps who asks it something, until it is told what to do about them.
#[derive(Default)]
struct Keeper {
    kept: Vec<Asker<Option<u32>>>,
    /// Whether it was asked, each time.
    asked: Vec<bool>,
}

impl Actor for Keeper {
    type Args = ();

    fn start((): (), _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self::default())
    }
}

struct Keep;

impl Handle<Keep> for Keeper {
    type Reply = Option<u32>;

    fn on(&mut self, _: Keep, ctx: &mut Ctx<'_, Self>) -> Option<u32> {
        // Of another type of message, which has another answer, it is not.
        assert!(ctx.asker::<WasAsked>().is_none());
        let asker = ctx.asker::<Keep>();
        self.asked.push(asker.is_some());
        assert!(ctx.asker::<Keep>().is_none(), "it was taken");
        self.kept.extend(asker);
        None
    }
}

struct WasAsked;

impl Handle<WasAsked> for Keeper {
    type Reply = Vec<bool>;

    fn on(&mut self, _: WasAsked, _: &mut Ctx<'_, Self>) -> Vec<bool> {
        std::mem::take(&mut self.asked)
    }
}

/// Answers, the last first; how many there were who waited, as far as is known there.
struct Answer(u32);

impl Handle<Answer> for Keeper {
    type Reply = usize;

    fn on(&mut self, Answer(answer): Answer, ctx: &mut Ctx<'_, Self>) -> usize {
        (answer..)
            .zip(self.kept.drain(..).rev())
            .filter_map(|(nth, asker)| ctx.answer(asker, Some(nth)).then_some(()))
            .count()
    }
}

struct Forget;

impl Handle<Forget> for Keeper {
    type Reply = ();

    fn on(&mut self, _: Forget, _: &mut Ctx<'_, Self>) {
        self.kept.clear();
    }
}

struct Fail;

impl Handle<Fail> for Keeper {
    type Reply = ();

    fn on(&mut self, _: Fail, ctx: &mut Ctx<'_, Self>) {
        ctx.fail(Failure::new("as it was told"));
    }
}

fn keeper(client: &mut Client, worker: usize) -> Addr<Keeper> {
    client.spawn_on(worker, Spec::<Keeper>::new(())).unwrap()
}

/// Has a puppet ask; what it hears comes here.
fn ask(client: &mut Client, asker: Addr<Puppet>, keeper: Addr<Keeper>, timeout: Duration) -> mpsc::Receiver<Heard> {
    let (told, heard) = mpsc::channel();
    let ask = move |ctx: &mut Ctx<'_, Puppet>| {
        let then = move |answer| act(move |_| told.send(answer).unwrap());
        ctx.ask(keeper, Keep, timeout, then).map_err(|_| "no room").unwrap();
    };
    client.ask(asker, act(ask), PATIENCE).unwrap();
    heard
}

type Heard = Result<Option<u32>, AskError>;

/// Waits until it has kept as many as it was asked by.
fn until_kept(client: &mut Client, keeper: Addr<Keeper>, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    let mut kept = 0;
    while kept < count {
        kept += client.ask(keeper, WasAsked, PATIENCE).unwrap().len();
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn what_is_answered_later_reaches_who_asked_in_any_order() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for [here, there] in PLACES {
        let keeper = keeper(&mut client, there);
        let askers: Vec<_> = (0..3).map(|_| puppet(&mut client, here)).collect();
        let heard: Vec<_> = askers.iter().map(|&asker| ask(&mut client, asker, keeper, PATIENCE)).collect();
        until_kept(&mut client, keeper, 3);
        heard.iter().for_each(|heard| assert_eq!(heard.try_recv(), Err(mpsc::TryRecvError::Empty)));
        assert_eq!(client.ask(keeper, Answer(10), PATIENCE), Ok(3));
        let mut heard: Vec<_> = heard.iter().map(|heard| heard.recv_timeout(PATIENCE).unwrap().unwrap()).collect();
        heard.sort();
        assert_eq!(heard, [Some(10), Some(11), Some(12)]);
    }
    assert_eq!(runtime.shutdown(PATIENCE).counts.late_answers, 0);
}

#[test]
fn a_client_that_asked_is_answered_later_too() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let keeper = keeper(&mut client, 1);
    let mut other = runtime.client().unwrap();
    let asking = std::thread::spawn(move || other.ask(keeper, Keep, PATIENCE));
    until_kept(&mut client, keeper, 1);
    assert_eq!(client.ask(keeper, Answer(7), PATIENCE), Ok(1));
    assert_eq!(asking.join().unwrap(), Ok(Some(7)));
}

#[test]
fn nobody_has_asked_who_has_told() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for [here, there] in PLACES {
        let keeper = keeper(&mut client, there);
        client.tell(keeper, Keep).unwrap();
        let teller = puppet(&mut client, here);
        let tell = move |ctx: &mut Ctx<'_, Puppet>| ctx.try_tell(keeper, Keep).map_err(|_| "no room").unwrap();
        client.ask(teller, act(tell), PATIENCE).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let mut asked = Vec::new();
        while asked.len() < 2 {
            asked.extend(client.ask(keeper, WasAsked, PATIENCE).unwrap());
            assert!(Instant::now() < deadline);
        }
        assert_eq!(asked, [false, false]);
        assert_eq!(client.ask(keeper, Answer(0), PATIENCE), Ok(0));
    }
}

#[test]
fn who_asked_one_that_fails_or_ends_is_told() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for [here, there] in PLACES {
        let asker = puppet(&mut client, here);
        let stop = |client: &mut Client, keeper: Addr<Keeper>| client.stop(keeper.id());
        let stop_now = |client: &mut Client, keeper: Addr<Keeper>| client.stop_now(keeper.id());
        let fail =
            |client: &mut Client, keeper: Addr<Keeper>| client.tell(keeper, Fail).map_err(|_| "no room").unwrap();
        type End = fn(&mut Client, Addr<Keeper>);
        let ends: [(End, AskError); 3] = [(stop, AskError::Gone), (stop_now, AskError::Gone), (fail, AskError::Failed)];
        for (end, error) in ends {
            let keeper = keeper(&mut client, there);
            let heard = [(); 2].map(|()| ask(&mut client, asker, keeper, PATIENCE));
            until_kept(&mut client, keeper, 2);
            end(&mut client, keeper);
            heard.iter().for_each(|heard| assert_eq!(heard.recv_timeout(PATIENCE), Ok(Err(error)), "{here} {there}"));
        }
        // One that is started again has forgotten them all, and they know.
        let often = Restarts { intensity: Intensity { restarts: 9, within: PATIENCE }, ..Restarts::default() };
        let keeper = client.spawn_on(there, Spec::<Keeper>::new(()).restarts(often)).unwrap();
        let heard = ask(&mut client, asker, keeper, PATIENCE);
        until_kept(&mut client, keeper, 1);
        assert_eq!(client.ask(keeper, Fail, PATIENCE), Ok(()), "it failed by saying so, and has answered");
        assert_eq!(heard.recv_timeout(PATIENCE), Ok(Err(AskError::Failed)));
        assert_eq!(client.ask(keeper, Answer(0), PATIENCE), Ok(0));
    }
}

#[test]
fn who_is_forgotten_waits_for_the_time_out() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for [here, there] in PLACES {
        let keeper = keeper(&mut client, there);
        let asker = puppet(&mut client, here);
        let timeout = Duration::from_millis(5);
        let start = Instant::now();
        let heard = ask(&mut client, asker, keeper, timeout);
        until_kept(&mut client, keeper, 1);
        client.ask(keeper, Forget, PATIENCE).unwrap();
        assert_eq!(heard.recv_timeout(PATIENCE), Ok(Err(AskError::TimedOut)));
        assert!(start.elapsed() >= timeout);
    }
    assert_eq!(runtime.shutdown(PATIENCE).counts.late_answers, 0);
}

#[test]
fn an_answer_after_the_time_out_is_late_and_counted() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for [here, there] in PLACES {
        let keeper = keeper(&mut client, there);
        let asker = puppet(&mut client, here);
        let heard = ask(&mut client, asker, keeper, Duration::from_millis(1));
        until_kept(&mut client, keeper, 1);
        assert_eq!(heard.recv_timeout(PATIENCE), Ok(Err(AskError::TimedOut)));
        // It cannot know.
        assert_eq!(client.ask(keeper, Answer(0), PATIENCE), Ok(1));
        // Whoever would tell it a second time is gone.
        assert_eq!(heard.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
        // What it posted there has come behind the answer.
        client.ask(asker, act(|_| ()), PATIENCE).unwrap();
    }
    assert_eq!(runtime.shutdown(PATIENCE).counts.late_answers, 3);
}

/// The answer of one who asks itself, by way of its mailbox.
#[test]
fn an_actor_may_ask_itself() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let one = puppet(&mut client, 1);
    let (told, heard) = mpsc::channel();
    let ask = move |ctx: &mut Ctx<'_, Puppet>| {
        let then = move |answer| act(move |_| told.send(answer).unwrap());
        ctx.ask(one, act(|_| 7), PATIENCE, then).map_err(|_| "no room").unwrap();
    };
    client.ask(one, act(ask), PATIENCE).unwrap();
    assert_eq!(heard.recv_timeout(PATIENCE), Ok(Ok(7)));
}
