//! How an end is asked for, and who hears of it.

use std::{sync::mpsc, time::Duration};

use ringway::actor::{AskError, Ctx, Failure, Reason, Spec, TellError};

use crate::{
    PATIENCE,
    cast::{Number, Numbers, PLACES, Puppet, Scribe, act, blocked, puppet, two},
};

#[test]
fn who_waits_for_an_end_hears_how_it_came_to_that() {
    let runtime = two().start().unwrap();
    let stranger = {
        let other = two().start().unwrap();
        puppet(&mut other.client().unwrap(), 1)
    };
    let mut client = runtime.client().unwrap();
    assert_eq!(client.wait_for_end(stranger.id(), PATIENCE), Ok(Reason::Gone), "it is of another runtime");
    let mut last = None;
    for worker in 0..2 {
        let one = puppet(&mut client, worker);
        client.tell(one, act(|ctx| ctx.stop())).unwrap();
        // Whether it has ended by now or not.
        let reason = client.wait_for_end(one.id(), PATIENCE).unwrap();
        assert!(matches!(reason, Reason::Stopped | Reason::Gone), "{reason:?}");
        assert_eq!(client.wait_for_end(one.id(), PATIENCE), Ok(Reason::Gone));

        let one = puppet(&mut client, worker);
        assert_eq!(client.wait_for_end(one.id(), Duration::from_millis(1)), Err(AskError::TimedOut));
        client
            .tell(one, act(|ctx| _ = ctx.after(Duration::from_millis(5), act(|ctx| ctx.fail(Failure::new("told to"))))))
            .unwrap();
        assert_eq!(client.wait_for_end(one.id(), PATIENCE), Ok(Reason::Failed("told to".into())));
        last = Some(puppet(&mut client, worker));
    }
    // It ends with the runtime, before which it is told so, or as which.
    let last = last.unwrap();
    let waiting = std::thread::spawn(move || client.wait_for_end(last.id(), PATIENCE));
    runtime.shutdown(PATIENCE);
    let end = waiting.join().unwrap();
    assert!(matches!(end, Ok(Reason::Stopped | Reason::Gone) | Err(AskError::ShutDown)), "{end:?}");
}

#[test]
fn two_ways_to_stop_are_behind_the_mail_and_before_it() {
    for (is_now, expected) in [(false, 3), (true, 0)] {
        let runtime = two().start().unwrap();
        let mut client = runtime.client().unwrap();
        // By another actor, here and there: of what that one had sent before.
        for [here, there] in PLACES {
            let (told, came) = mpsc::channel();
            let boss = puppet(&mut client, here);
            let one = puppet(&mut client, there);
            let (until, block) = mpsc::channel::<()>();
            let (from, is_blocked) = mpsc::channel();
            if here != there {
                client
                    .tell(
                        one,
                        act(move |_| {
                            from.send(()).unwrap();
                            _ = block.recv();
                        }),
                    )
                    .unwrap();
                is_blocked.recv_timeout(PATIENCE).unwrap();
            }
            let stop = move |ctx: &mut Ctx<'_, Puppet>| {
                for nth in 0..3 {
                    let told = told.clone();
                    ctx.try_tell(one, act(move |_| told.send(nth).unwrap())).map_err(|_| "no room").unwrap();
                }
                if is_now { ctx.stop_actor_now(one.id()) } else { ctx.stop_actor(one.id()) }
            };
            client.ask(boss, act(stop), PATIENCE).unwrap();
            drop(until);
            let came: Vec<_> = came.iter().collect();
            assert_eq!(came.len(), expected, "{here} {there}");
        }
        // By a client.
        let (scribe, until) = blocked(&mut client, 1, 64);
        (0..3).for_each(|number| client.tell(scribe, Number(number)).unwrap());
        if is_now {
            client.stop_now(scribe.id())
        } else {
            client.stop(scribe.id())
        }
        drop(until);
        client.wait_for_end(scribe.id(), PATIENCE).unwrap();
        let letters = runtime.shutdown(PATIENCE).counts.dead_letters;
        assert_eq!(letters, 4 * (3 - expected as u64));
    }
}

#[test]
fn who_stops_itself_now_handles_nothing_more() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for is_by_address in [false, true] {
        let one = puppet(&mut client, 1);
        let (told, came) = mpsc::channel();
        let stop = move |ctx: &mut Ctx<'_, Puppet>| {
            for nth in 0..3 {
                let told = told.clone();
                ctx.try_tell(one, act(move |_| told.send(nth).unwrap())).map_err(|_| "no room").unwrap();
            }
            if is_by_address { ctx.stop_actor_now(one.id()) } else { ctx.stop() }
        };
        client.ask(one, act(stop), PATIENCE).unwrap();
        client.wait_for_end(one.id(), PATIENCE).unwrap();
        assert_eq!(came.iter().collect::<Vec<u32>>(), Vec::<u32>::new(), "by its address: {is_by_address}");
    }
}

/// A client's whole credit waits in the mailbox of one that ends: nothing of it ever comes back, and it must not wait for that.
#[test]
fn a_client_that_waits_for_room_hears_that_there_is_nobody() {
    let runtime = two().start().unwrap();
    for capacity in [1, 3, 64] {
        for fails in [false, true] {
            // The first to come is looked at first.
            let mut other = runtime.client().unwrap();
            let mut client = runtime.client().unwrap();
            let (scribe, until) = blocked(&mut other, 1, capacity.max(2));
            match fails {
                false => other.stop_now(scribe.id()),
                true => other.tell(scribe, Stumble).unwrap(),
            }
            for number in 0..u64::from(scribe.capacity()) {
                client.try_tell(scribe, Number(number)).unwrap();
            }
            assert_eq!(client.try_tell(scribe, Number(99)), Err(TellError::Full(Number(99))));
            let waiting = std::thread::spawn(move || client.tell(scribe, Number(99)));
            drop(until);
            assert_eq!(waiting.join().unwrap(), Err(TellError::Gone(Number(99))), "{capacity} {fails}");
            other.wait_for_end(scribe.id(), PATIENCE).unwrap();
            assert_eq!(other.ask(scribe, Numbers, PATIENCE), Err(AskError::Gone));
        }
    }
}

struct Stumble;

impl ringway::actor::Handle<Stumble> for Scribe {
    type Reply = ();

    fn on(&mut self, _: Stumble, ctx: &mut Ctx<'_, Self>) {
        ctx.fail(Failure::new("as it was told"));
    }
}

/// Stopped by an actor that its own start runs: the actor that starts it ends, too, when its code has returned.
#[test]
fn who_is_stopped_while_its_code_runs_ends_behind_it() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let parent = puppet(&mut client, 0);
    let (told, came) = mpsc::channel();
    let begin = move |ctx: &mut Ctx<'_, Puppet>| {
        let child = ctx.spawn(Spec::<Puppet>::new(())).unwrap();
        let stop = move |ctx: &mut Ctx<'_, Puppet>| ctx.stop_actor_now(parent.id());
        ctx.try_tell(child, act(stop)).map_err(|_| "no room").unwrap();
        told.send("goes on").unwrap();
    };
    client.ask(parent, act(begin), PATIENCE).unwrap();
    client.wait_for_end(parent.id(), PATIENCE).unwrap();
    assert_eq!(came.iter().collect::<Vec<_>>(), ["goes on"]);
    let counts = runtime.shutdown(PATIENCE).counts;
    assert_eq!((counts.started, counts.ended), (2, 2));
}
