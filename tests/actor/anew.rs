//! What an actor begins in `start`, it begins once in each of its lives.

use std::{sync::mpsc, time::Duration};

use ringway::actor::{Actor, Ctx, Ended, Failure, Handle, NameError, Restarts, Spec, kit::Stage};

use crate::cast::Puppet;

/// Has a name, an interval, and watches somebody; says what comes.
struct Regular(mpsc::Sender<&'static str>);

const PERIOD: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Begin {
    says: mpsc::Sender<&'static str>,
    watched: ringway::actor::ActorId,
}

impl Actor for Regular {
    type Args = Begin;

    fn start(Begin { says, watched }: Begin, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        ctx.register("regular").map_err(|error| Failure::new(error.to_string()))?;
        ctx.every(PERIOD, || Say("tick"));
        ctx.after(100 * PERIOD, Say("at last"));
        ctx.watch(watched, |ended| ended);
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

#[test]
fn timers_watches_and_names_are_those_of_one_life() {
    for (here, there) in [(0, 0), (0, 1), (1, 0)] {
        let mut stage = Stage::new(2, 3);
        let other = stage.spawn_on(there, Spec::<Puppet>::new(())).unwrap();
        let (says, said) = mpsc::channel();
        let begin = Begin { says, watched: other.id() };
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
        stage.tell(other, crate::cast::act(|ctx| ctx.stop())).unwrap();
        stage.settle();
        assert_eq!(said.try_iter().collect::<Vec<_>>(), ["ended"], "told once");
        stage.advance(100 * PERIOD);
        assert_eq!(said.try_iter().filter(|said| *said == "at last").count(), 1);

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
    let begin = Begin { says, watched: other.id() };
    let one = stage.spawn_on(0, Spec::<Regular>::new(begin.clone())).unwrap();
    let error = stage.spawn_on(0, Spec::<Regular>::new(begin)).unwrap_err();
    assert!(error.to_string().contains(&NameError::Taken(one.id()).to_string()), "{error}");
}
