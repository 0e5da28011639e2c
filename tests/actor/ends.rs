//! How an end is asked for, and who hears of it.

use std::{sync::mpsc, time::Duration};

use ringway::actor::{AskError, Ctx, Failure, Reason, Spec, TellError};

use crate::{
    PATIENCE,
    cast::{Number, PLACES, Puppet, act, blocked, puppet, two},
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
        assert_eq!(came.iter().collect::<Vec<u32>>(), [], "by its address: {is_by_address}");
    }
}

/// A client's whole credit waits in the mailbox of one that ends: nothing of it ever comes back, and it must not wait for that.
#[test]
fn a_client_that_waits_for_room_hears_that_there_is_nobody() {
    let runtime = two().start().unwrap();
    for capacity in [1, 3, 64] {
        for by_actor in [false, true] {
            let (mut client, mut other) = (runtime.client().unwrap(), runtime.client().unwrap());
            let helper = puppet(&mut other, 0);
            let spec = Spec::<Puppet>::new(()).capacity(capacity);
            let one = client.spawn_on(1, spec).unwrap();
            // It handles none of what it is told.
            client.ask(one, act(|ctx| ctx.hold()), PATIENCE).unwrap();
            while client.try_tell(one, act(|_| unreachable!("it ends before"))).is_ok() {}
            let waiting = std::thread::spawn(move || {
                let told = client.tell(one, act(|_| ()));
                told.map_err(|error| matches!(error, TellError::Gone(_)))
            });
            if by_actor {
                other.ask(helper, act(move |ctx| ctx.stop_actor_now(one.id())), PATIENCE).unwrap()
            } else {
                other.stop_now(one.id())
            }
            assert_eq!(waiting.join().unwrap(), Err(true));
            other.wait_for_end(one.id(), PATIENCE).unwrap();
            assert_eq!(other.ask(one, act(|_| ()), PATIENCE), Err(AskError::Gone));
        }
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
