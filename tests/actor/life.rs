//! How actors begin, fail, are started again, are watched and end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use ringway::actor::{
    Actor, ActorId, Addr, AskError, BackOff, Client, Ctx, Ended, Failure, Handle, Intensity, NameError, Reason,
    Restarts, SpawnError, Spec, Strategy,
};

use crate::{
    PATIENCE,
    cast::{Block, Log, Number, Numbers, Puppet, Scribe, act, two},
};

/// Says when it starts, stops and is dropped; fails if it is told so.
struct Mortal {
    name: &'static str,
    log: Log,
}

impl Actor for Mortal {
    type Args = (&'static str, Log);

    fn start((name, log): Self::Args, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        log.say(format!("{name} starts"));
        Ok(Self { name, log })
    }

    fn stopping(&mut self, _: &mut Ctx<'_, Self>) {
        self.log.say(format!("{} stops", self.name));
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.log.say(format!("{} is dropped", self.name));
    }
}

struct Panic;

impl Handle<Panic> for Mortal {
    type Reply = ();

    fn on(&mut self, _: Panic, _: &mut Ctx<'_, Self>) {
        panic!("as it was told");
    }
}

struct Fail;

impl Handle<Fail> for Mortal {
    type Reply = ();

    fn on(&mut self, _: Fail, ctx: &mut Ctx<'_, Self>) {
        ctx.fail(Failure::new("as it was told"));
    }
}

struct Say(&'static str);

impl Handle<Say> for Mortal {
    type Reply = ();

    fn on(&mut self, Say(what): Say, _: &mut Ctx<'_, Self>) {
        self.log.say(what);
    }
}

fn often() -> Restarts {
    Restarts {
        intensity: Intensity { restarts: 1_000_000, within: Duration::from_secs(60) },
        back_off: BackOff::default(),
    }
}

#[test]
fn one_that_fails_is_started_again_and_keeps_its_mail_but_for_what_it_failed_at() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let log = Log::default();
    let mortal = client.spawn(Spec::<Mortal>::new(("it", log.clone())).restarts(often())).unwrap();
    let (until, block) = mpsc::channel::<()>();
    let puppet = client.spawn(Spec::<Puppet>::new(())).unwrap();
    client.tell(puppet, act(move |_| _ = block.recv())).unwrap();
    client.tell(mortal, Say("before")).unwrap();
    client.tell(mortal, Panic).unwrap();
    client.tell(mortal, Say("between")).unwrap();
    client.tell(mortal, Fail).unwrap();
    client.tell(mortal, Say("after")).unwrap();
    drop(until);
    assert_eq!(client.ask(mortal, Panic, PATIENCE), Err(AskError::Failed));
    client.ask(mortal, Say("at last"), PATIENCE).unwrap();
    let counts = runtime.shutdown(PATIENCE).counts;
    let said = log.all();
    let dies = ["it is dropped", "it starts"];
    let expected = [
        &["it starts", "before"][..],
        &dies,
        &["between"],
        &dies,
        &["after"],
        &dies,
        &["at last", "it stops", "it is dropped"],
    ];
    assert_eq!(said, expected.concat());
    assert_eq!((counts.failures, counts.restarts, counts.dead_letters), (3, 3, 0));
}

#[test]
fn one_that_fails_too_often_is_stopped_and_its_mail_is_lost() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let log = Log::default();
    let twice = Restarts { intensity: Intensity { restarts: 2, within: PATIENCE }, ..Restarts::default() };
    let mortal = client.spawn(Spec::<Mortal>::new(("it", log.clone())).restarts(twice)).unwrap();
    (0..3).for_each(|_| assert_eq!(client.ask(mortal, Panic, PATIENCE), Err(AskError::Failed)));
    client.wait_for_end(mortal.id(), PATIENCE).unwrap();
    assert_eq!(client.ask(mortal, Say("nothing"), PATIENCE), Err(AskError::Gone));
    assert_eq!(log.all().iter().filter(|said| *said == "it starts").count(), 3);
    assert!(!log.all().contains(&"it stops".into()));
}

#[test]
fn a_pause_grows_and_mail_waits_for_it() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let log = Log::default();
    let pause = Duration::from_millis(20);
    let restarts = Restarts {
        intensity: Intensity { restarts: 9, within: PATIENCE },
        back_off: BackOff { first: pause, max: 4 * pause },
    };
    let mortal = client.spawn(Spec::<Mortal>::new(("it", log.clone())).restarts(restarts)).unwrap();
    let start = Instant::now();
    (0..3).for_each(|_| client.tell(mortal, Panic).unwrap());
    client.ask(mortal, Say("here"), PATIENCE).unwrap();
    assert!(start.elapsed() >= 7 * pause, "{:?}", start.elapsed());
    assert_eq!(log.all().len(), 8);
}

/// Supervises mortals, wherever they are, by a strategy.
struct Parent {
    children: Vec<Addr<Mortal>>,
}

impl Actor for Parent {
    type Args = Log;

    fn start(log: Log, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        log.say("parent starts");
        let mut parent = Self { children: Vec::new() };
        for (name, worker) in [("a", 0), ("b", 1), ("c", 0)] {
            let spec = Spec::<Mortal>::new((name, log.clone())).restarts(often());
            if worker == ctx.worker() {
                parent.children.push(ctx.spawn(spec)?);
            } else {
                ctx.spawn_on(worker, spec, |child| child.expect("it starts"));
            }
        }
        Ok(parent)
    }
}

impl Handle<Addr<Mortal>> for Parent {
    type Reply = ();

    fn on(&mut self, child: Addr<Mortal>, _: &mut Ctx<'_, Self>) {
        self.children.insert(1, child);
    }
}

struct Children;

impl Handle<Children> for Parent {
    type Reply = Vec<Addr<Mortal>>;

    fn on(&mut self, _: Children, _: &mut Ctx<'_, Self>) -> Vec<Addr<Mortal>> {
        self.children.clone()
    }
}

/// The three of a parent: a and c beside it, b on the other worker.
fn family(client: &mut Client, spec: Spec<Parent>) -> (Addr<Parent>, Vec<Addr<Mortal>>) {
    let parent = client.spawn(spec).unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let children = client.ask(parent, Children, PATIENCE).unwrap();
        if children.len() == 3 {
            return (parent, children);
        }
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn a_strategy_says_who_is_started_again() {
    for (strategy, expected) in [
        (Strategy::OneForOne, &["b"][..]),
        (Strategy::OneForAll, &["a", "b", "c"]),
        (Strategy::RestForOne, &["b", "c"]),
    ] {
        let runtime = two().start().unwrap();
        let mut client = runtime.client().unwrap();
        let log = Log::default();
        let spec = Spec::<Parent>::new(log.clone()).supervises(strategy, often().intensity);
        let (_, children) = family(&mut client, spec);
        let before = log.all().len();
        assert_eq!(client.ask(children[1], Panic, PATIENCE), Err(AskError::Failed));
        let deadline = Instant::now() + PATIENCE;
        let mut started: Vec<String>;
        loop {
            started = log.all()[before..].iter().filter(|said| said.ends_with(" starts")).cloned().collect();
            if started.len() >= expected.len() || Instant::now() > deadline {
                break;
            }
        }
        // All are there again.
        children.iter().for_each(|child| client.ask(*child, Say("here"), PATIENCE).unwrap());
        started.sort();
        assert_eq!(started, expected.iter().map(|name| format!("{name} starts")).collect::<Vec<_>>(), "{strategy:?}");
        let counts = runtime.shutdown(PATIENCE).counts;
        assert_eq!((counts.failures, counts.restarts), (1, expected.len() as u64));
    }
}

#[test]
fn a_group_that_fails_too_often_is_its_supervisors_failure() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let log = Log::default();
    let once = Intensity { restarts: 1, within: PATIENCE };
    let (parent, children) = family(&mut client, Spec::new(log.clone()).supervises(Strategy::OneForAll, once));
    let puppet = client.spawn(Spec::<Puppet>::new(())).unwrap();
    let (ended, end) = mpsc::channel::<Ended>();
    watch(&mut client, puppet, parent.id(), ended);
    assert_eq!(client.ask(children[2], Panic, PATIENCE), Err(AskError::Failed));
    client.ask(children[2], Say("again"), PATIENCE).unwrap();
    assert_eq!(client.ask(children[2], Panic, PATIENCE), Err(AskError::Failed));
    let end = end.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(&end.reason, Reason::Failed(why) if why.contains("as it was told")), "{end:?}");
    for child in children {
        client.wait_for_end(child.id(), PATIENCE).unwrap();
    }
}

impl Handle<Ended> for Puppet {
    type Reply = ();

    fn on(&mut self, _: Ended, _: &mut Ctx<'_, Self>) {}
}

fn watch(client: &mut Client, puppet: Addr<Puppet>, id: ringway::actor::ActorId, told: mpsc::Sender<Ended>) {
    let watch = move |ctx: &mut Ctx<'_, Puppet>| {
        ctx.watch(id, move |ended| {
            told.send(ended.clone()).unwrap();
            ended
        });
    };
    client.ask(puppet, act(watch), PATIENCE).unwrap();
}

#[test]
fn who_watches_is_told_once_here_and_there() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for (worker, other) in [(0, 0), (0, 1), (1, 0)] {
        let log = Log::default();
        let puppet = client.spawn_on(worker, Spec::<Puppet>::new(())).unwrap();
        let mut reasons = Vec::new();
        for stops in [true, false] {
            let mortal = client.spawn_on(other, Spec::<Mortal>::new(("it", log.clone()))).unwrap();
            let (told, ended) = mpsc::channel();
            watch(&mut client, puppet, mortal.id(), told.clone());
            // It watches by now: what is asked of the other behind that is done behind it.
            client.ask(mortal, Say("watched"), PATIENCE).unwrap();
            if stops {
                client.stop(mortal.id())
            } else {
                client.tell(mortal, Panic).unwrap()
            }
            let end = ended.recv_timeout(PATIENCE).unwrap();
            assert_eq!(end.id, mortal.id());
            reasons.push(end.reason);
            watch(&mut client, puppet, mortal.id(), told);
            assert_eq!(ended.recv_timeout(PATIENCE).unwrap().reason, Reason::Gone);
        }
        assert_eq!(reasons[0], Reason::Stopped);
        assert!(matches!(&reasons[1], Reason::Failed(why) if why.contains("as it was told")), "{reasons:?}");
    }
}

#[test]
fn those_who_are_supervised_end_first() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let log = Log::default();
    let (parent, _) = family(&mut client, Spec::new(log.clone()));
    client.stop(parent.id());
    client.wait_for_end(parent.id(), PATIENCE).unwrap();
    let said = log.all();
    assert_eq!(said.iter().filter(|said| said.ends_with("is dropped")).count(), 3, "{said:?}");
    let report = runtime.shutdown(PATIENCE);
    assert_eq!((report.counts.started, report.counts.ended, report.killed), (4, 4, 0));
}

/// Cannot start.
struct Stillborn;

impl Actor for Stillborn {
    type Args = bool;

    fn start(panics: bool, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        ctx.spawn(Spec::<Scribe>::new(()))?;
        if panics { panic!("not today") } else { Err(Failure::new("not today")) }
    }
}

#[test]
fn who_cannot_start_says_why_and_leaves_nothing() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for panics in [false, true] {
        match client.spawn_on(1, Spec::<Stillborn>::new(panics)) {
            Err(SpawnError::Failed(why)) => assert!(why.to_string().contains("not today"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(client.spawn_on(2, Spec::<Scribe>::new(())), Err(SpawnError::NoPlace)));
    let report = runtime.shutdown(PATIENCE);
    assert_eq!((report.counts.started, report.counts.ended, report.killed), (4, 4, 0));
}

#[test]
fn a_name_is_of_one_actor_of_one_type_until_it_ends() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let [first, second] = [0, 1].map(|worker| client.spawn_on(worker, Spec::<Puppet>::new(())).unwrap());
    let register = || act(|ctx: &mut Ctx<'_, Puppet>| ctx.register("it"));
    client.ask(first, register(), PATIENCE).unwrap().unwrap();
    assert_eq!(client.ask(second, register(), PATIENCE).unwrap(), Err(NameError::Taken(first.id())));
    assert_eq!(client.find::<Puppet>("it"), Ok(first));
    assert!(matches!(client.find::<Scribe>("it"), Err(NameError::OtherType(name)) if name.ends_with("Puppet")));
    client.stop(first.id());
    client.wait_for_end(first.id(), PATIENCE).unwrap();
    assert_eq!(client.find::<Puppet>("it"), Err(NameError::Unknown));
    client.ask(second, register(), PATIENCE).unwrap().unwrap();
}

#[test]
fn a_shutdown_lets_them_finish_and_forces_who_does_not() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let scribe = client.spawn_on(1, Spec::<Scribe>::new(()).capacity(1000)).unwrap();
    (0..1000).for_each(|number| client.tell(scribe, Number(number)).unwrap());
    let report = runtime.shutdown(PATIENCE);
    assert_eq!((report.counts.handled, report.killed, report.stuck), (1001, 0, 0));
    assert_eq!(client.ask(scribe, Numbers, PATIENCE), Err(AskError::ShutDown));
    assert!(matches!(client.spawn(Spec::<Scribe>::new(())), Err(SpawnError::ShutDown)));

    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let scribe = client.spawn_on(1, Spec::<Scribe>::new(())).unwrap();
    let other = client.spawn_on(0, Spec::<Scribe>::new(())).unwrap();
    let (_until, block) = mpsc::channel();
    client.tell(scribe, Block(block)).unwrap();
    client.tell(other, Number(1)).unwrap();
    client.ask(other, Numbers, PATIENCE).unwrap();
    let start = Instant::now();
    let report = runtime.shutdown(Duration::from_millis(50));
    assert_eq!((report.stuck, report.killed), (1, 0));
    assert!(start.elapsed() < PATIENCE);
}

/// A busy pair that never ends by itself.
struct Restless(Arc<AtomicU64>);

impl Actor for Restless {
    type Args = Arc<AtomicU64>;

    fn start(turns: Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        let me = ctx.addr();
        ctx.try_tell(me, me)?;
        Ok(Self(turns))
    }
}

impl Handle<Addr<Restless>> for Restless {
    type Reply = ();

    fn on(&mut self, next: Addr<Restless>, ctx: &mut Ctx<'_, Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        let me = ctx.addr();
        _ = ctx.try_tell(next, me);
        _ = ctx.try_tell(me, next);
    }
}

#[test]
fn a_small_busy_system_starts_and_ends_again_and_again() {
    for round in 0..300 {
        let runtime = two().start().unwrap();
        let mut client = runtime.client().unwrap();
        let turns = Arc::new(AtomicU64::new(0));
        let pair = [0, 1].map(|worker| client.spawn_on(worker, Spec::<Restless>::new(turns.clone())).unwrap());
        client.tell(pair[0], pair[1]).unwrap();
        match round % 3 {
            0 => drop(client),
            1 => _ = client.ask(pair[1], pair[0], PATIENCE),
            _ => {}
        }
        let report = runtime.shutdown(if round % 2 == 0 { Duration::from_millis(1) } else { PATIENCE });
        assert_eq!(report.stuck, 0, "round {round}");
        assert_eq!(report.counts.started, report.counts.ended);
    }
}

#[test]
fn a_storm_of_panics_stays_inside_its_actors() {
    static STORMS: AtomicU32 = AtomicU32::new(0);
    struct Stormy;
    impl Actor for Stormy {
        type Args = ();
        fn start((): (), _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
            Ok(Self)
        }
    }
    impl Handle<u32> for Stormy {
        type Reply = u32;
        fn on(&mut self, number: u32, _: &mut Ctx<'_, Self>) -> u32 {
            if number % 100 == 99 {
                STORMS.fetch_add(1, Ordering::Relaxed);
                // Without the hook, which prints.
                std::panic::resume_unwind(Box::new("one in a hundred"));
            }
            number
        }
    }
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let stormy = client.spawn_on(1, Spec::<Stormy>::new(()).restarts(often())).unwrap();
    (0..100_000).for_each(|number| client.tell(stormy, number).unwrap());
    assert_eq!(client.ask(stormy, 7, PATIENCE), Ok(7));
    let counts = runtime.shutdown(PATIENCE).counts;
    assert_eq!(STORMS.load(Ordering::Relaxed), 1_000);
    assert_eq!((counts.failures, counts.restarts, counts.handled), (1_000, 1_000, 100_002));
}

#[test]
fn what_is_on_its_way_at_an_end_is_counted_somewhere() {
    for round in 0..200_u64 {
        let runtime = two().start().unwrap();
        let mut client = runtime.client().unwrap();
        let scribe = client.spawn_on(1, Spec::<Scribe>::new(()).capacity(10_000)).unwrap();
        let puppet = client.spawn_on(0, Spec::<Puppet>::new(())).unwrap();
        // Both ends of the way end at a time.
        let sender = std::thread::spawn(move || {
            let told = client.ask(
                puppet,
                act(move |ctx| (0..500).filter(|&n| ctx.try_tell(scribe, Number(n)).is_ok()).count()),
                PATIENCE,
            );
            let own = (0..round).filter(|&n| client.try_tell(scribe, Number(n)).is_ok()).count();
            (told, own, client)
        });
        std::thread::yield_now();
        let report = runtime.shutdown(if round % 2 == 0 { Duration::ZERO } else { PATIENCE });
        let (told, own, client) = sender.join().unwrap();
        assert_eq!(report.stuck, 0);
        let counts = report.counts;
        let ended = counts.handled + counts.dead_letters + client.untaken() as u64;
        let own = own as u64;
        match told {
            // The question, what came of it, and two requests to stop, which are taken or not.
            Ok(told) => {
                assert!((told as u64 + own + 1..=told as u64 + own + 3).contains(&ended), "{told} {own} {counts:?}")
            }
            Err(_) => assert!((own..=own + 503).contains(&ended), "{own} {counts:?}"),
        }
    }
}

#[test]
fn linked_actors_fail_together_and_do_not_stop_together() {
    let failures = Log::default();
    let said = failures.clone();
    let runtime = two().on_failure(move |id, failure| said.say(format!("{id}: {failure}"))).start().unwrap();
    let mut client = runtime.client().unwrap();
    for (place, other) in [(0, 0), (0, 1)] {
        let log = Log::default();
        let pair = |client: &mut Client| {
            let puppet = client.spawn_on(place, Spec::<Puppet>::new(())).unwrap();
            let mortal = client.spawn_on(other, Spec::<Mortal>::new(("it", log.clone()))).unwrap();
            client.ask(puppet, act(move |ctx| ctx.link(mortal.id())), PATIENCE).unwrap();
            client.ask(mortal, Say("linked"), PATIENCE).unwrap();
            (puppet, mortal)
        };
        // Whether it ends before somebody waits for that or later.
        let failed = |client: &mut Client, id: ActorId, of: &str| {
            client.wait_for_end(id, PATIENCE).unwrap();
            let (all, id) = (failures.all(), format!("{id}: "));
            assert!(all.iter().any(|failure| failure.starts_with(&id) && failure.contains(of)), "{id}{of}: {all:?}");
        };

        let (puppet, mortal) = pair(&mut client);
        client.tell(mortal, Panic).unwrap();
        failed(&mut client, puppet.id(), "linked with, failed");

        let (puppet, mortal) = pair(&mut client);
        client.tell(puppet, act(|ctx| ctx.fail(Failure::new("of its own")))).unwrap();
        failed(&mut client, mortal.id(), "of its own");

        // Whoever has ended cannot be linked with.
        let puppet = client.spawn_on(place, Spec::<Puppet>::new(())).unwrap();
        client.tell(puppet, act(move |ctx| ctx.link(mortal.id()))).unwrap();
        failed(&mut client, puppet.id(), "has ended");

        let (puppet, mortal) = pair(&mut client);
        client.stop(mortal.id());
        client.wait_for_end(mortal.id(), PATIENCE).unwrap();
        assert_eq!(client.ask(puppet, act(|_| 7), PATIENCE), Ok(7));

        let (puppet, mortal) = pair(&mut client);
        client.ask(puppet, act(move |ctx| ctx.unlink(mortal.id())), PATIENCE).unwrap();
        client.ask(mortal, Say("unlinked"), PATIENCE).unwrap();
        client.tell(mortal, Panic).unwrap();
        client.wait_for_end(mortal.id(), PATIENCE).unwrap();
        assert_eq!(client.ask(puppet, act(|_| 7), PATIENCE), Ok(7));
    }
}

#[test]
fn an_actor_is_started_where_it_is_wanted() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let anywhere = [(); 4].map(|()| client.spawn(Spec::<Puppet>::new(())).unwrap());
    assert_eq!(anywhere.map(|puppet| client.worker_of(puppet.id())), [0, 1, 0, 1].map(Some));
    let beside = client.spawn_beside(anywhere[1].id(), Spec::<Puppet>::new(())).unwrap();
    let there = client.ask(beside, act(move |ctx| (ctx.worker(), ctx.worker_of(anywhere[0].id()))), PATIENCE);
    assert_eq!(there, Ok((1, Some(0))));
    assert_eq!([0, 1].map(|worker| client.counts(worker).unwrap().started), [2, 3]);
    assert_eq!(client.counts(2), Err(AskError::Gone));

    let other = two().start().unwrap();
    let mut stranger = other.client().unwrap();
    assert_eq!(stranger.worker_of(beside.id()), None);
    let refused = stranger.spawn_beside(beside.id(), Spec::<Puppet>::new(()));
    assert!(matches!(refused, Err(SpawnError::NoPlace)), "{refused:?}");
}
