//! Mail that an actor leaves alone for now, and what comes before mail.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use ringway::actor::{
    Actor, Addr, AskError, BackOff, Ctx, Ended, Failure, Handle, Intensity, Reason, Restarts, Spec, TellError,
    kit::Stage,
};

use crate::{
    PATIENCE,
    cast::{Block, Log, PLACES, Puppet, act, puppet, two},
};

/// Says what it is told; holds and resumes when it asks itself to.
struct Holder(Log);

impl Actor for Holder {
    type Args = Log;

    fn start(log: Log, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        log.say("starts");
        Ok(Self(log))
    }
}

struct Say(String);

impl Handle<Say> for Holder {
    type Reply = ();

    fn on(&mut self, Say(what): Say, _: &mut Ctx<'_, Self>) {
        self.0.say(what);
    }
}

/// Holds, and asks for some things, each of which it says; the last lets it resume, or fail.
struct Hold {
    puppet: Addr<Puppet>,
    mortal: Addr<Puppet>,
    fails: bool,
}

struct Last(bool);

impl Handle<Hold> for Holder {
    type Reply = ();

    fn on(&mut self, Hold { puppet, mortal, fails }: Hold, ctx: &mut Ctx<'_, Self>) {
        ctx.hold();
        self.0.say("holds");
        ctx.ask(puppet, act(|_| 7), PATIENCE, |answer: Result<u32, AskError>| {
            Say(format!("answer {}", answer.unwrap()))
        })
        .map_err(|_| "no room")
        .unwrap();
        ctx.when_room(puppet, Say("room".into()));
        ctx.watch(mortal.id(), |ended| {
            assert_eq!(ended.reason, Reason::Stopped);
            Say("end".into())
        });
        ctx.stop_actor(mortal.id());
        ctx.after(Duration::from_millis(50), Last(fails));
    }
}

impl Handle<Last> for Holder {
    type Reply = ();

    fn on(&mut self, Last(fails): Last, ctx: &mut Ctx<'_, Self>) {
        self.0.say("resumes");
        if fails {
            return ctx.fail(Failure::new("as it was told"));
        }
        ctx.resume();
    }
}

/// What a holder says that has three messages waiting when it resumes, or is started again.
fn held(places: [usize; 2], fails: bool) -> Vec<String> {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let [here, there] = places;
    let log = Log::default();
    let spec = Spec::<Holder>::new(log.clone()).capacity(3).restarts(Restarts::default());
    let holder = client.spawn_on(here, spec).unwrap();
    let [friend, mortal] = [there; 2].map(|worker| puppet(&mut client, worker));
    client.ask(holder, Hold { puppet: friend, mortal, fails }, PATIENCE).unwrap();
    // Those who send more than it has room for find it full; a third of them is this client.
    let tell = move |ctx: &mut Ctx<'_, Puppet>| {
        (0..5).map(|nth| ctx.try_tell(holder, Say(format!("{nth}")))).filter(Result::is_ok).count()
    };
    let told = client.ask(friend, act(tell), PATIENCE).unwrap();
    assert_eq!(told, 3, "{places:?}");
    client.try_tell(holder, Say("from a client".into())).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !log.all().contains(&"from a client".into()) {
        assert!(Instant::now() < deadline, "{:?}", log.all());
        std::thread::yield_now();
    }
    let all = log.all();
    let report = runtime.shutdown(PATIENCE);
    assert_eq!((report.killed, report.counts.dead_letters), (0, 0));
    all
}

#[test]
fn who_holds_hears_of_what_it_asked_for_and_has_its_mail_when_it_resumes() {
    for places in PLACES {
        for fails in [false, true] {
            let mut said = held(places, fails);
            // The mail comes behind, in order for each who sent it.
            let mail = said.split_off(said.iter().position(|said| said == "resumes").unwrap() + 1);
            let mut expected = vec!["starts", "holds", "answer 7", "room", "end", "resumes"];
            expected.sort();
            assert_eq!(said[..2], ["starts", "holds"]);
            said.sort();
            assert_eq!(said, expected, "{places:?}");
            let mut mail: Vec<_> = mail.iter().map(String::as_str).collect();
            if fails {
                assert_eq!(mail.remove(0), "starts", "who is started again holds no more");
            }
            mail.retain(|said| *said != "from a client");
            assert_eq!(mail, ["0", "1", "2"], "{places:?}");
        }
    }
}

#[test]
fn who_holds_ends_when_it_is_stopped_now_and_not_when_it_is_to_come_to_it() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for worker in 0..2 {
        let holder = puppet(&mut client, worker);
        client.ask(holder, act(|ctx| ctx.hold()), PATIENCE).unwrap();
        client.stop(holder.id());
        assert_eq!(client.wait_for_end(holder.id(), Duration::from_millis(5)), Err(AskError::TimedOut));
        client.stop_now(holder.id());
        let end = client.wait_for_end(holder.id(), PATIENCE).unwrap();
        assert!(matches!(end, Reason::Stopped | Reason::Gone), "{end:?}");
    }
    for is_before in [false, true] {
        let easy = client.spawn_on(1, Spec::<Easy>::new(())).unwrap();
        if !is_before {
            client.ask(easy, HoldOn, PATIENCE).unwrap();
            client.stop(easy.id());
        } else {
            // It holds its mail with the stop in it.
            let (free, until) = mpsc::channel();
            client.tell(easy, Block(until)).unwrap();
            client.tell(easy, HoldOn).unwrap();
            client.stop(easy.id());
            drop(free);
        }
        client.wait_for_end(easy.id(), PATIENCE).unwrap();
    }
    let holder = puppet(&mut client, 1);
    client.ask(holder, act(|ctx| ctx.hold()), PATIENCE).unwrap();
    client.tell(holder, act(|_| ())).unwrap();
    let report = runtime.shutdown(Duration::from_millis(10));
    assert_eq!((report.killed, report.stuck), (1, 0), "it is ended by force");
}

/// What is urgent comes first, but of eight messages one at least is of the others.
#[test]
fn answers_come_before_mail_and_mail_is_not_starved() {
    /// Asks itself for another, for ever.
    fn go_on(ctx: &mut Ctx<'_, Puppet>, log: Log) {
        log.say("urgent");
        let me = ctx.addr();
        ctx.when_room(me, act(move |ctx| go_on(ctx, log)));
    }
    let mut stage = Stage::new(1, 0);
    let one = stage.spawn_on(0, Spec::<Puppet>::new(()).capacity(100)).unwrap();
    let log = Log::default();
    let urgent = log.clone();
    stage.tell(one, act(move |ctx| go_on(ctx, urgent))).unwrap();
    for nth in 0..50 {
        let log = log.clone();
        stage.tell(one, act(move |_| log.say(format!("{nth}")))).unwrap();
    }
    // It never comes to an end.
    let mut steps = 0;
    while !log.all().contains(&"49".into()) {
        assert!(stage.step() && steps < 100, "{:?}", log.all());
        steps += 1;
    }
    let said = log.all();
    let mail: Vec<_> = said.iter().filter(|said| *said != "urgent").cloned().collect();
    assert_eq!(mail, (0..50).map(|nth| nth.to_string()).collect::<Vec<_>>());
    let runs: Vec<_> = said.split(|said| said != "urgent").map(<[_]>::len).collect();
    // Behind the last of the mail there is nothing else to do.
    assert!(runs[..50].iter().all(|run| *run <= 7), "{runs:?}");
    assert!(runs[1..50].iter().all(|run| *run >= 6), "and it comes first: {runs:?}");
}

impl Handle<Ended> for Holder {
    type Reply = ();

    fn on(&mut self, _: Ended, _: &mut Ctx<'_, Self>) {}
}

/// An answer that is there before a hundred messages of a client are handled is handled before them.
#[test]
fn an_answer_does_not_wait_behind_mail() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for [here, there] in PLACES {
        let busy = client.spawn_on(here, Spec::<Puppet>::new(()).capacity(200)).unwrap();
        let friend = puppet(&mut client, there);
        let (told, came) = mpsc::channel();
        let asked = told.clone();
        let ask = move |ctx: &mut Ctx<'_, Puppet>| {
            let then = move |answer: Result<u32, AskError>| act(move |_| asked.send(answer.unwrap()).unwrap());
            ctx.ask(friend, act(|_| 1_000), PATIENCE, then).map_err(|_| "no room").unwrap();
        };
        client.ask(busy, act(ask), PATIENCE).unwrap();
        let (until, block) = mpsc::channel::<()>();
        client.tell(busy, act(move |_| _ = block.recv())).unwrap();
        if here != there {
            // What it answered before this is there.
            client.ask(friend, act(|_| ()), PATIENCE).unwrap();
        }
        for nth in 0..100 {
            let told = told.clone();
            client.tell(busy, act(move |_| told.send(nth).unwrap())).unwrap();
        }
        drop((until, told));
        let came: Vec<u32> = (0..101).map(|_| came.recv_timeout(PATIENCE).unwrap()).collect();
        assert!(came.iter().copied().eq([1_000].into_iter().chain(0..100)), "{came:?}");
    }
}

/// A timer that is due comes when its worker has had a turn: 64 turns of actors, of 64 messages each.
#[test]
fn a_timer_does_not_wait_behind_mail() {
    let mut stage = Stage::new(1, 0);
    let busy = stage.spawn_on(0, Spec::<Puppet>::new(()).capacity(10_000)).unwrap();
    let (told, came) = mpsc::channel();
    let begin = move |ctx: &mut Ctx<'_, Puppet>| {
        for nth in 0..10_000 {
            let told = told.clone();
            ctx.try_tell(busy, act(move |_| told.send(nth).unwrap())).map_err(|_| "no room").unwrap();
        }
        ctx.after(Duration::ZERO, act(move |_| told.send(u32::MAX).unwrap()));
    };
    stage.tell(busy, act(begin)).unwrap();
    stage.settle();
    let came: Vec<u32> = came.try_iter().collect();
    assert_eq!(came.len(), 10_001);
    assert!(came.iter().position(|nth| *nth == u32::MAX).unwrap() <= 64 * 64);
}

#[test]
fn a_receiver_that_holds_is_full_and_has_no_room_until_it_resumes() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for [here, there] in PLACES {
        let holder = client.spawn_on(there, Spec::<Puppet>::new(()).capacity(2)).unwrap();
        let sender = puppet(&mut client, here);
        let (told, room) = mpsc::channel();
        let hold = act(|ctx: &mut Ctx<'_, Puppet>| {
            ctx.hold();
            ctx.after(Duration::from_millis(20), act(|ctx| ctx.resume()));
        });
        client.ask(holder, hold, PATIENCE).unwrap();
        let seek = move |ctx: &mut Ctx<'_, Puppet>| {
            let tell = move |ctx: &mut Ctx<'_, Puppet>| ctx.try_tell(holder, act(|_| ()));
            let first = [(); 3].map(|()| tell(ctx).map_err(|error| matches!(error, TellError::Full(_))));
            ctx.when_room(holder, act(move |ctx| told.send(tell(ctx).is_ok()).unwrap()));
            first
        };
        assert_eq!(client.ask(sender, act(seek), PATIENCE).unwrap(), [Ok(()), Ok(()), Err(true)]);
        assert_eq!(room.recv_timeout(PATIENCE), Ok(true));
    }
}

/// An actor that fails while it holds, again and again, with pauses: what waits comes when it is there for good.
#[test]
fn mail_of_one_that_holds_survives_its_failures() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let restarts = Restarts {
        intensity: Intensity { restarts: 10, within: PATIENCE },
        back_off: BackOff { first: Duration::from_millis(1), max: Duration::from_millis(2) },
    };
    let one = client.spawn_on(1, Spec::<Puppet>::new(()).restarts(restarts)).unwrap();
    let (told, came) = mpsc::channel();
    for nth in 0..20 {
        let told = told.clone();
        let note = move |ctx: &mut Ctx<'_, Puppet>| {
            told.send(nth).unwrap();
            if nth % 5 == 0 {
                ctx.hold();
                ctx.after(Duration::ZERO, act(|ctx| ctx.fail(Failure::new("as it was told"))));
            }
        };
        client.tell(one, act(note)).unwrap();
    }
    assert_eq!((0..20).map(|_| came.recv_timeout(PATIENCE).unwrap()).collect::<Vec<_>>(), Vec::from_iter(0..20));
    let counts = runtime.shutdown(PATIENCE).counts;
    assert_eq!((counts.failures, counts.restarts, counts.dead_letters), (4, 4, 0));
}

/// Lets go when it is to stop while it holds its mail.
struct Easy;

impl Actor for Easy {
    type Args = ();

    fn start((): (), _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    fn asked_to_stop(&mut self, ctx: &mut Ctx<'_, Self>) {
        ctx.stop();
    }
}

struct HoldOn;

impl Handle<HoldOn> for Easy {
    type Reply = ();

    fn on(&mut self, _: HoldOn, ctx: &mut Ctx<'_, Self>) {
        ctx.hold();
    }
}

impl Handle<Block> for Easy {
    type Reply = ();

    fn on(&mut self, Block(until): Block, _: &mut Ctx<'_, Self>) {
        _ = until.recv();
    }
}
