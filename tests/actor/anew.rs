//! What an actor begins in `start`, it begins once in each of its lives.

use std::{sync::mpsc, time::Duration};

use ringway::actor::{
    Actor, ActorId, Addr, AskError, Ctx, Ended, Failure, Handle, NameError, Restarts, SpawnError, Spec, Strategy,
    kit::Stage,
};

use crate::cast::{Puppet, act};

/// Has a name, an interval, and watches somebody; says what comes.
struct Regular(mpsc::Sender<&'static str>);

const PERIOD: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Begin {
    says: mpsc::Sender<&'static str>,
    watched: ActorId,
    full: Addr<Puppet>,
}

impl Actor for Regular {
    type Args = Begin;

    fn start(Begin { says, watched, full }: Begin, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        ctx.register("regular").map_err(|error| Failure::new(error.to_string()))?;
        ctx.every(PERIOD, || Say("tick"));
        ctx.after(100 * PERIOD, Say("at last"));
        ctx.watch(watched, |ended| ended);
        // The first life fills it.
        _ = ctx.try_tell(full, act(|_| ()));
        ctx.when_room(full, Say("room"));
        says.send("starts").unwrap();
        Ok(Self(says))
    }
}

struct Say(&'static str);

impl Handle<Say> for Regular {
    type Reply = ();

    fn on(&mut self, Say(what): Say, ctx: &mut Ctx<'_, Self>) {
        match what {
            "fail" => ctx.fail(Failure::new("as it was told")),
            "stop" => ctx.stop(),
            what => self.0.send(what).unwrap(),
        }
    }
}

impl Handle<Ended> for Regular {
    type Reply = ();

    fn on(&mut self, _: Ended, _: &mut Ctx<'_, Self>) {
        self.0.send("ended").unwrap();
    }
}

/// One that has room for one message, and takes none until some time has passed.
fn full(stage: &mut Stage, worker: usize) -> Addr<Puppet> {
    let full = stage.spawn_on(worker, Spec::<Puppet>::new(()).capacity(1)).unwrap();
    let hold = |ctx: &mut Ctx<'_, Puppet>| {
        ctx.hold();
        ctx.after(50 * PERIOD, act(|ctx| ctx.resume()));
    };
    stage.tell(full, act(hold)).unwrap();
    stage.settle();
    full
}

#[test]
fn timers_watches_and_names_are_those_of_one_life() {
    for (here, there) in [(0, 0), (0, 1), (1, 0)] {
        let mut stage = Stage::new(2, 3);
        let other = stage.spawn_on(there, Spec::<Puppet>::new(())).unwrap();
        let (says, said) = mpsc::channel();
        let full = full(&mut stage, there);
        let begin = Begin { says, watched: other.id(), full };
        let one = stage.spawn_on(here, Spec::<Regular>::new(begin).restarts(Restarts::default())).unwrap();
        for _ in 0..3 {
            stage.tell(one, Say("fail")).unwrap();
            stage.settle();
        }
        assert_eq!(said.try_iter().collect::<Vec<_>>(), ["starts"; 4]);
        for _ in 0..3 {
            stage.advance(PERIOD);
            assert_eq!(said.try_iter().collect::<Vec<_>>(), ["tick"], "one in each period");
        }
        stage.advance(100 * PERIOD);
        let said_since: Vec<_> = said.try_iter().collect();
        for once in ["room", "at last"] {
            assert_eq!(said_since.iter().filter(|said| **said == once).count(), 1, "{once}: {said_since:?}");
        }
        stage.tell(other, act(|ctx| ctx.stop())).unwrap();
        stage.settle();
        assert_eq!(said.try_iter().collect::<Vec<_>>(), ["ended"], "told once");

        // And the last ends with the actor: there is nobody left who could say anything.
        stage.tell(one, Say("stop")).unwrap();
        stage.settle();
        assert_eq!(said.try_recv(), Err(mpsc::TryRecvError::Disconnected));
        stage.advance(200 * PERIOD);
        let counts = stage.counts();
        assert_eq!((counts.failures, counts.restarts, counts.dead_letters, counts.dropped), (3, 3, 0, 0));
    }
}

#[test]
fn another_actor_does_not_get_a_name_that_is_taken() {
    let mut stage = Stage::new(1, 3);
    let other = stage.spawn_on(0, Spec::<Puppet>::new(())).unwrap();
    let (says, _said) = mpsc::channel();
    let full = full(&mut stage, 0);
    let begin = Begin { says, watched: other.id(), full };
    let one = stage.spawn_on(0, Spec::<Regular>::new(begin.clone())).unwrap();
    let error = stage.spawn_on(0, Spec::<Regular>::new(begin)).unwrap_err();
    assert!(error.to_string().contains(&NameError::Taken(one.id()).to_string()), "{error}");
}

/// Starts another on that worker, which has a name and one below it in turn; says how that went.
struct Head(mpsc::Sender<&'static str>);

impl Actor for Head {
    type Args = (usize, mpsc::Sender<&'static str>);

    fn start((worker, says): Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        ctx.spawn_on(worker, Spec::<Named>::new(()), Started);
        Ok(Self(says))
    }
}

struct Started(Result<Addr<Named>, SpawnError>);

impl Handle<Started> for Head {
    type Reply = ();

    fn on(&mut self, Started(named): Started, _: &mut Ctx<'_, Self>) {
        self.0.send(if named.is_ok() { "started" } else { "not started" }).unwrap();
    }
}

impl Handle<Say> for Head {
    type Reply = ();

    fn on(&mut self, _: Say, ctx: &mut Ctx<'_, Self>) {
        ctx.fail(Failure::new("as it was told"));
    }
}

struct Named;

impl Actor for Named {
    type Args = ();

    fn start((): (), ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        ctx.register("named")?;
        // It takes no stop, as it takes no mail.
        let below = ctx.spawn(Spec::<Puppet>::new(()))?;
        ctx.try_tell(below, act(|ctx| ctx.hold())).unwrap();
        ctx.hold();
        Ok(Self)
    }
}

#[test]
fn a_supervisor_begins_again_when_those_of_its_last_life_have_ended() {
    for (here, there) in [(0, 0), (0, 1), (1, 0)] {
        for seed in 0..20 {
            let mut stage = Stage::new(2, seed);
            let (says, said) = mpsc::channel();
            let head = Spec::<Head>::new((there, says)).restarts(Restarts::default());
            let head = stage.spawn_on(here, head).unwrap();
            for _ in 0..3 {
                stage.settle();
                assert_eq!(said.try_iter().collect::<Vec<_>>(), ["started"]);
                stage.tell(head, Say("fail")).unwrap();
            }
            stage.settle();
            assert_eq!(said.try_iter().collect::<Vec<_>>(), ["started"]);
            let counts = stage.counts();
            assert_eq!((counts.restarts, counts.failures, counts.started - counts.ended), (3, 3, 3), "{seed}");
        }
    }
}

/// It fails before it has heard of those it has started elsewhere.
#[test]
fn who_was_under_way_to_an_earlier_life_ends() {
    for seed in 0..50 {
        let mut stage = Stage::new(2, seed);
        let (says, said) = mpsc::channel();
        let head = stage.spawn_on(0, Spec::<Head>::new((1, says)).restarts(Restarts::default())).unwrap();
        stage.tell(head, Say("fail")).unwrap();
        stage.settle();
        let started = said.try_iter().filter(|said| *said == "started").count() as u64;
        let counts = stage.counts();
        assert!(counts.started - counts.ended <= 3 && started >= 1, "{seed}: {counts:?}");
    }
}

/// Fails at its first start after the first failure.
struct Unlucky(());

impl Actor for Unlucky {
    type Args = std::sync::Arc<std::sync::atomic::AtomicU32>;

    fn start(starts: Self::Args, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        if starts.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 1 {
            Err(Failure::new("once"))
        } else {
            Ok(Self(()))
        }
    }
}

impl Handle<Say> for Unlucky {
    type Reply = ();

    fn on(&mut self, _: Say, ctx: &mut Ctx<'_, Self>) {
        let () = self.0;
        ctx.fail(Failure::new("as it was told"));
    }
}

/// Both of a group fail to start again, once: the group begins again for one of them, and the other's failure is of a life that is over.
#[test]
fn a_failure_to_start_is_of_that_life() {
    let mut stage = Stage::new(1, 1);
    let intensity = ringway::actor::Intensity { restarts: 10, within: Duration::from_secs(1000) };
    let parent = Spec::<Puppet>::new(()).supervises(Strategy::OneForAll, intensity);
    let parent = stage.spawn_on(0, parent).unwrap();
    let (tell, told) = mpsc::channel();
    let begin = move |ctx: &mut Ctx<'_, Puppet>| {
        for _ in 0..2 {
            let spec = Spec::<Unlucky>::new(Default::default()).restarts(Restarts::default());
            tell.send(ctx.spawn(spec).unwrap()).unwrap();
        }
    };
    stage.tell(parent, act(begin)).unwrap();
    stage.settle();
    stage.tell(told.recv().unwrap(), Say("fail")).unwrap();
    stage.advance(Duration::from_secs(10));
    let counts = stage.counts();
    assert_eq!((counts.failures, counts.restarts, counts.ended), (2, 4, 0));
}

/// Who would not wait for its stop says so.
struct Hasty {
    says: mpsc::Sender<&'static str>,
}

impl Actor for Hasty {
    type Args = mpsc::Sender<&'static str>;

    fn start(says: Self::Args, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self { says })
    }

    fn asked_to_stop(&mut self, ctx: &mut Ctx<'_, Self>) {
        self.says.send("asked").unwrap();
        ctx.stop();
    }
}

impl Handle<Say> for Hasty {
    type Reply = ();

    fn on(&mut self, Say(what): Say, _: &mut Ctx<'_, Self>) {
        self.says.send(what).unwrap();
    }
}

/// What it has asked for lets it resume, and comes before the wish that it stops: both are urgent.
struct Resume(Result<(), AskError>);

impl Handle<Resume> for Hasty {
    type Reply = ();

    fn on(&mut self, Resume(answer): Resume, ctx: &mut Ctx<'_, Self>) {
        answer.unwrap();
        ctx.resume();
    }
}

/// Has it ask both, the other of which has it stop, and hold.
struct Ask([Addr<Puppet>; 2]);

impl Handle<Ask> for Hasty {
    type Reply = ();

    fn on(&mut self, Ask([first, other]): Ask, ctx: &mut Ctx<'_, Self>) {
        ctx.hold();
        let me = ctx.addr().id();
        let deeds: [fn(&mut Ctx<'_, Puppet>, ActorId); 2] = [|_, _| (), |ctx, one| ctx.stop_actor(one)];
        for (whom, deed) in [first, other].into_iter().zip(deeds) {
            ctx.ask(whom, act(move |ctx| deed(ctx, me)), Duration::from_secs(1), Resume)
                .map_err(|_| "no room")
                .unwrap();
        }
    }
}

#[test]
fn one_that_holds_no_more_comes_to_its_stop_by_itself() {
    let mut stage = Stage::new(1, 1);
    let (says, said) = mpsc::channel();
    let one = stage.spawn_on(0, Spec::<Hasty>::new(says)).unwrap();
    let [first, other] = [(); 2].map(|()| stage.spawn_on(0, Spec::<Puppet>::new(())).unwrap());
    // Two answers come before its next turn: that of the first lets it resume.
    stage.tell(one, Ask([first, other])).unwrap();
    stage.tell(one, Say("mail")).unwrap();
    stage.settle();
    assert_eq!(said.try_iter().collect::<Vec<_>>(), ["mail"]);
    assert_eq!(stage.counts().dead_letters, 0);
}
