//! A runtime on its caller's thread.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use ringway::actor::{
    Actor, Addr, AskError, Client, Ctx, Failure, Handle, Reason, Runtime, SpawnError, Spec, StartError,
};

use crate::{
    PATIENCE,
    cast::{Number, Numbers, Scribe, two},
};

/// Ends as it is told to: by a deed of its start.
struct Main;

type Deed = Box<dyn FnOnce(&mut Ctx<'_, Main>) -> Result<(), Failure> + Send>;

impl Actor for Main {
    type Args = Deed;

    fn start(deed: Deed, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        deed(ctx).map(|()| Self)
    }
}

impl Handle<()> for Main {
    type Reply = ();

    fn on(&mut self, (): (), ctx: &mut Ctx<'_, Self>) {
        ctx.stop();
    }
}

struct Fail(&'static str);

impl Handle<Fail> for Main {
    type Reply = ();

    fn on(&mut self, Fail(why): Fail, ctx: &mut Ctx<'_, Self>) {
        ctx.fail(Failure::new(why));
    }
}

impl Handle<Result<Addr<Scribe>, SpawnError>> for Main {
    type Reply = ();

    fn on(&mut self, scribe: Result<Addr<Scribe>, SpawnError>, ctx: &mut Ctx<'_, Self>) {
        let scribe = scribe.unwrap();
        (0..10).for_each(|number| ctx.try_tell(scribe, Number(number)).unwrap());
        ctx.ask(scribe, Numbers, PATIENCE, |numbers| Told(numbers.unwrap())).map_err(|_| "no room").unwrap();
    }
}

struct Told(Vec<u64>);

impl Handle<Told> for Main {
    type Reply = ();

    fn on(&mut self, Told(numbers): Told, ctx: &mut Ctx<'_, Self>) {
        assert_eq!(numbers, Vec::from_iter(0..10));
        ctx.stop();
    }
}

fn main(deed: impl FnOnce(&mut Ctx<'_, Main>) -> Result<(), Failure> + Send + 'static) -> Spec<Main> {
    let deed: Deed = Box::new(deed);
    Spec::new(deed)
}

#[test]
fn it_returns_when_its_main_has_ended_and_says_how() {
    let here = thread::current().id();
    let later = main(move |ctx| {
        assert_eq!(thread::current().id(), here);
        assert_eq!((ctx.worker(), ctx.workers()), (0, 2));
        ctx.after(Duration::from_millis(1), ());
        Ok(())
    });
    let (reason, report) = two().run(later, PATIENCE).unwrap();
    assert_eq!((reason, report.counts.started, report.killed, report.stuck), (Reason::Stopped, 1, 0, 0));

    let at_once = main(|ctx| {
        ctx.stop();
        Ok(())
    });
    assert_eq!(two().run(at_once, PATIENCE).unwrap().0, Reason::Stopped);

    let fails = main(|ctx| {
        ctx.after(Duration::ZERO, Fail("not my day"));
        Ok(())
    });
    let (reason, report) = two().run(fails, PATIENCE).unwrap();
    assert_eq!((reason, report.counts.failures), (Reason::Failed("not my day".into()), 1));
}

#[test]
fn a_main_that_does_not_start_leaves_nothing_behind() {
    let (ended, end) = mpsc::channel::<()>();
    let cannot = main(move |ctx| {
        // On another worker, and gone when this returns.
        let _ended = ended;
        ctx.spawn(Spec::<Scribe>::new(()))?;
        Err(Failure::new("no"))
    });
    match two().run(cannot, PATIENCE) {
        Err(StartError::Main(SpawnError::Failed(failure))) => assert_eq!(failure.to_string(), "no"),
        other => panic!("{other:?}"),
    }
    assert_eq!(end.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
    let start = Instant::now();
    let panics = main(|_| std::panic::resume_unwind(Box::new("not today")));
    match two().run(panics, Duration::from_millis(10)) {
        Err(StartError::Main(SpawnError::Failed(failure))) => assert!(failure.to_string().contains("not today")),
        other => panic!("{other:?}"),
    }
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn the_other_workers_are_as_in_any_runtime() {
    let elsewhere = main(|ctx| {
        ctx.spawn_on(1, Spec::<Scribe>::new(()), |scribe| scribe);
        Ok(())
    });
    let (reason, report) = two().run(elsewhere, PATIENCE).unwrap();
    assert_eq!((reason, report.counts.started, report.counts.ended), (Reason::Stopped, 2, 2));
    assert_eq!((report.counts.dead_letters, report.killed), (0, 0));
}

#[test]
fn a_thread_outside_has_a_client_of_it() {
    let (give, given) = mpsc::channel::<(Client, Addr<Main>)>();
    let outside = thread::spawn(move || {
        let (mut client, main) = given.recv_timeout(PATIENCE).unwrap();
        let scribes = [0, 1].map(|worker| client.spawn_on(worker, Spec::<Scribe>::new(())).unwrap());
        for scribe in scribes {
            (0..1_000).for_each(|number| client.tell(scribe, Number(number)).unwrap());
            assert_eq!(client.ask(scribe, Numbers, PATIENCE).unwrap(), Vec::from_iter(0..1_000));
        }
        client.tell(main, ()).unwrap();
        // Whether it has come to that or not.
        let end = client.wait_for_end(main.id(), PATIENCE);
        assert!(matches!(end, Ok(Reason::Stopped | Reason::Gone) | Err(AskError::ShutDown)), "{end:?}");
        let deadline = Instant::now() + PATIENCE;
        while client.ask(scribes[0], Numbers, PATIENCE).is_ok() {
            assert!(Instant::now() < deadline);
        }
    });
    let waits = main(move |ctx| {
        let client = ctx.client()?;
        give.send((client, ctx.addr())).unwrap();
        Ok(())
    });
    let (reason, report) = two().run(waits, PATIENCE).unwrap();
    assert_eq!((reason, report.killed), (Reason::Stopped, 0));
    outside.join().unwrap();
}

#[test]
fn one_worker_is_enough() {
    let one = main(|ctx| {
        let scribe = ctx.spawn(Spec::<Scribe>::new(()))?;
        ctx.try_tell(scribe, Number(1))?;
        ctx.after(Duration::ZERO, ());
        Ok(())
    });
    let builder = Runtime::builder().worker(ringway::WaitPolicy::Park);
    let (_, report) = builder.run(one, PATIENCE).unwrap();
    assert_eq!((report.counts.started, report.counts.ended, report.killed), (2, 2, 0));
}
