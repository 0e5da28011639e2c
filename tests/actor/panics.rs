//! Code of the application's that panics where no actor runs it: workers go on.

use std::{
    panic::resume_unwind,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use ringway::actor::{Actor, AskError, Ctx, Failure, Handle, Restarts, SpawnError, Spec};

use crate::{
    PATIENCE,
    cast::{PLACES, Puppet, Scribe, act, blocked, puppet, two},
};

/// Cannot be cloned by a worker.
struct Unique;

impl Clone for Unique {
    fn clone(&self) -> Self {
        if thread::current().name().is_some_and(|name| name.starts_with("ringway-actor")) {
            resume_unwind(Box::new("there is one"));
        }
        Unique
    }
}

impl Actor for Unique {
    type Args = Unique;

    fn start(this: Unique, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        ctx.subscribe::<Unique>();
        Ok(this)
    }
}

impl Handle<Unique> for Unique {
    type Reply = u32;

    fn on(&mut self, _: Unique, _: &mut Ctx<'_, Self>) -> u32 {
        7
    }
}

struct Started(mpsc::Sender<String>, String);

impl Handle<Started> for Puppet {
    type Reply = ();

    fn on(&mut self, Started(told, how): Started, _: &mut Ctx<'_, Self>) {
        told.send(how).unwrap();
    }
}

#[test]
fn arguments_that_cannot_be_cloned_are_a_failed_start() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let spec = || Spec::<Unique>::new(Unique).restarts(Restarts::default());
    let there_is_one = |error: &SpawnError| {
        assert!(matches!(error, SpawnError::Failed(why) if why.to_string().contains("there is one")), "{error}");
    };
    for worker in 0..2 {
        there_is_one(&client.spawn_on(worker, spec()).unwrap_err());
        let parent = puppet(&mut client, 0);
        let (told, how) = mpsc::channel();
        let spawn = move |ctx: &mut Ctx<'_, Puppet>| {
            let then = move |spawned: Result<_, SpawnError>| Started(told, spawned.unwrap_err().to_string());
            ctx.spawn_on(worker, spec(), then);
        };
        client.tell(parent, act(spawn)).unwrap();
        let how = how.recv_timeout(PATIENCE).unwrap();
        assert!(how.contains("there is one"), "{how}");
        puppet(&mut client, worker);
    }
    assert_eq!(runtime.shutdown(PATIENCE).counts.failures, 0);
}

#[test]
fn an_event_that_cannot_be_cloned_is_the_publishers_failure_and_takes_no_credit() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let one = client.spawn_on(1, Spec::<Unique>::new(Unique).capacity(1)).unwrap();
    // By now that is known.
    client.ask(one, Unique, PATIENCE).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while client.publish(&Unique).is_ok() {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(client.publish(&Unique), Err(AskError::Failed));
    let publisher = puppet(&mut client, 0);
    client.tell(publisher, act(|ctx| _ = ctx.publish(&Unique))).unwrap();
    client.wait_for_end(publisher.id(), PATIENCE).unwrap();
    let teller = puppet(&mut client, 0);
    let tell = move |ctx: &mut Ctx<'_, Puppet>| ctx.try_tell(one, Unique).is_ok();
    assert!(client.ask(teller, act(tell), PATIENCE).unwrap());
    assert_eq!(client.ask(one, Unique, PATIENCE), Ok(7));
    assert_eq!(runtime.shutdown(PATIENCE).counts.failures, 1);
}

/// Not to be dropped.
struct Precious;

impl Drop for Precious {
    fn drop(&mut self) {
        resume_unwind(Box::new("it was precious"));
    }
}

impl Handle<Precious> for Scribe {
    type Reply = ();

    fn on(&mut self, precious: Precious, _: &mut Ctx<'_, Self>) {
        std::mem::forget(precious);
    }
}

#[test]
fn a_dead_letter_whose_destructor_panics_ends_nobody() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for worker in 0..2 {
        let (scribe, until) = blocked(&mut client, worker, 64);
        client.tell(scribe, Precious).unwrap();
        client.stop_now(scribe.id());
        client.tell(scribe, Precious).unwrap();
        drop(until);
        client.wait_for_end(scribe.id(), PATIENCE).unwrap();
        puppet(&mut client, worker);
    }
    let report = runtime.shutdown(PATIENCE);
    assert_eq!((report.counts.dead_letters, report.stuck), (4, 0));
}

/// As good as never.
#[test]
fn times_that_no_clock_has_are_far_away() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for [here, there] in PLACES {
        let one = puppet(&mut client, here);
        let other = puppet(&mut client, there);
        let (told, came) = mpsc::channel();
        let begin = move |ctx: &mut Ctx<'_, Puppet>| {
            let then = move |answer: Result<u32, AskError>| act(move |_| told.send(answer).unwrap());
            ctx.ask(other, act(|_| 7), Duration::MAX, then).map_err(|_| "no room").unwrap();
            let timers = [ctx.after(Duration::MAX, act(|_| ())), ctx.every(Duration::MAX, || act(|_| ()))];
            timers.map(|timer| ctx.cancel(timer))
        };
        assert_eq!(client.ask(one, act(begin), Duration::MAX), Ok([true; 2]));
        assert_eq!(came.recv_timeout(PATIENCE).unwrap(), Ok(7));
    }
    assert_eq!(runtime.shutdown(PATIENCE).counts.failures, 0);
}
