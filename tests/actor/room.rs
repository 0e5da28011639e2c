//! Who has found a receiver full is told of room, once: by whomever it comes to be there.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use ringway::actor::{Addr, Client, Ctx, Spec, TellError, kit::Stage};

use crate::{
    PATIENCE,
    cast::{Block, Number, Numbers, PLACES, Puppet, Scribe, act, all, blocked, puppet, two},
};

/// Fills `scribe`: so many found room. What there is room for later the next can tell.
fn fill(ctx: &mut Ctx<'_, Puppet>, scribe: Addr<Scribe>) -> u64 {
    (0..).take_while(|&number| ctx.try_tell(scribe, Number(number)).is_ok()).count() as u64
}

/// Has `seeker` fill `scribe`, and say so when it is told of room: with how much there is then.
fn seek(client: &mut Client, seeker: Addr<Puppet>, scribe: Addr<Scribe>) -> (u64, mpsc::Receiver<u64>) {
    let (told, room) = mpsc::channel();
    let seek = move |ctx: &mut Ctx<'_, Puppet>| {
        let filled = fill(ctx, scribe);
        ctx.when_room(scribe, act(move |ctx| told.send(fill(ctx, scribe)).unwrap()));
        filled
    };
    (client.ask(seeker, act(seek), PATIENCE).unwrap(), room)
}

#[test]
fn who_seeks_room_is_told_when_half_is_free() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for [here, there] in PLACES {
        for capacity in [1, 2, 3, 7, 64] {
            let seeker = puppet(&mut client, here);
            let (scribe, until) = match here == there {
                // While the seeker fills it nobody else has a turn there.
                true => (client.spawn_on(there, Spec::<Scribe>::new(()).capacity(capacity)).unwrap(), None),
                false => {
                    let (scribe, until) = blocked(&mut client, there, capacity);
                    (scribe, Some(until))
                }
            };
            let (filled, room) = seek(&mut client, seeker, scribe);
            assert_eq!(filled, u64::from(capacity));
            if let Some(until) = until {
                // It has come to nothing else since, and would have been told before this.
                client.ask(seeker, act(|_| ()), PATIENCE).unwrap();
                assert_eq!(room.try_recv(), Err(mpsc::TryRecvError::Empty), "{here} {there} {capacity}");
                drop(until);
            }
            let found = room.recv_timeout(PATIENCE).unwrap();
            assert!(found >= u64::from(capacity.div_ceil(2)), "{found} of {capacity}, {here} {there}");
            let numbers = all(&mut client, scribe, (filled + found) as usize);
            assert!(numbers.into_iter().eq((0..filled).chain(0..found)), "{here} {there} {capacity}");
            // Once: whoever would say it again is gone.
            assert_eq!(room.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
        }
    }
}

#[test]
fn where_there_is_room_that_is_told_at_once() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for [here, there] in PLACES {
        let seeker = puppet(&mut client, here);
        let scribe = client.spawn_on(there, Spec::<Scribe>::new(())).unwrap();
        let (told, room) = mpsc::channel();
        let seek = move |ctx: &mut Ctx<'_, Puppet>| {
            ctx.when_room(scribe, act(move |ctx| told.send(ctx.try_tell(scribe, Number(1)).is_ok()).unwrap()));
        };
        client.tell(seeker, act(seek)).unwrap();
        assert_eq!(room.recv_timeout(PATIENCE), Ok(true));
    }
}

/// Also if all of the seeker's credit waits in the mailbox that is lost: nothing of it ever comes back.
#[test]
fn who_seeks_room_of_one_that_ends_is_told_and_finds_it_gone() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for [here, there] in PLACES {
        for capacity in [1, 5, 64] {
            let seeker = puppet(&mut client, here);
            let (told, room) = mpsc::channel();
            // On one worker it is stopped by the handler that has filled it, before it has a turn.
            let seek = move |scribe: Addr<Scribe>, is_here: bool| {
                act(move |ctx: &mut Ctx<'_, Puppet>| {
                    assert_eq!(fill(ctx, scribe), u64::from(capacity));
                    ctx.when_room(
                        scribe,
                        act(move |ctx| told.send(ctx.try_tell(scribe, Number(7)).unwrap_err()).unwrap()),
                    );
                    if is_here {
                        ctx.stop_actor_now(scribe.id());
                    }
                })
            };
            if here == there {
                let scribe = client.spawn_on(there, Spec::<Scribe>::new(()).capacity(capacity)).unwrap();
                client.ask(seeker, seek(scribe, true), PATIENCE).unwrap();
            } else {
                let (scribe, until) = blocked(&mut client, there, capacity);
                client.ask(seeker, seek(scribe, false), PATIENCE).unwrap();
                client.stop_now(scribe.id());
                drop(until);
            }
            assert_eq!(room.recv_timeout(PATIENCE).unwrap(), TellError::Gone(Number(7)), "{here} {there} {capacity}");
        }
    }
}

#[test]
fn all_who_seek_room_are_told_and_who_has_ended_is_forgotten() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for [here, there] in [[0, 1], [1, 0]] {
        let (scribe, until) = blocked(&mut client, there, 4);
        let seekers: Vec<_> = (0..5).map(|_| puppet(&mut client, here)).collect();
        let (told, room) = mpsc::channel();
        for (nth, &seeker) in seekers.iter().enumerate() {
            let told = told.clone();
            let seek = move |ctx: &mut Ctx<'_, Puppet>| {
                fill(ctx, scribe);
                ctx.when_room(scribe, act(move |_| told.send(nth).unwrap()));
            };
            client.ask(seeker, act(seek), PATIENCE).unwrap();
        }
        drop(told);
        client.stop_now(seekers[2].id());
        client.wait_for_end(seekers[2].id(), PATIENCE).unwrap();
        drop(until);
        let deadline = Instant::now() + PATIENCE;
        let next = || room.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        let order: Vec<_> = std::iter::from_fn(|| next().ok()).collect();
        assert_eq!(order, [0, 1, 3, 4], "as they asked");
        assert!(Instant::now() < deadline);
    }
    assert_eq!(runtime.shutdown(PATIENCE).counts.dead_letters, 0);
}

/// What waits goes before who seeks: a policy's messages are sent first.
#[test]
fn what_was_deferred_goes_before_who_seeks_room() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for [here, there] in PLACES {
        let seeker = puppet(&mut client, here);
        let scribe = client.spawn_on(there, Spec::<Scribe>::new(()).capacity(4)).unwrap();
        let (until, block) = mpsc::channel();
        if here != there {
            client.tell(scribe, Block(block)).unwrap();
        }
        let (told, room) = mpsc::channel();
        let seek = move |ctx: &mut Ctx<'_, Puppet>| {
            for number in 0..20 {
                ctx.tell(scribe, Number(number), ringway::actor::Policy::Defer).unwrap();
            }
            ctx.when_room(scribe, act(move |ctx| told.send(ctx.try_tell(scribe, Number(20))).unwrap()));
        };
        client.ask(seeker, act(seek), PATIENCE).unwrap();
        drop(until);
        assert_eq!(room.recv_timeout(PATIENCE).unwrap(), Ok(()));
        assert_eq!(all(&mut client, scribe, 21), Vec::from_iter(0..21));
    }
}

/// An actor may be its own receiver, as the only one of a ring is.
#[test]
fn an_actor_that_has_filled_itself_is_told_of_its_own_room() {
    for capacity in [1, 2, 3, 7, 64] {
        let mut stage = Stage::new(1, 0);
        let one = stage.spawn_on(0, Spec::<Puppet>::new(()).capacity(capacity)).unwrap();
        let (told, came) = mpsc::channel();
        let begin = move |ctx: &mut Ctx<'_, Puppet>| {
            let mut sent = 0;
            loop {
                let told = told.clone();
                let note = act(move |_| told.send(sent).unwrap());
                if ctx.try_tell(one, note).is_err() {
                    break;
                }
                sent += 1;
            }
            ctx.when_room(one, act(move |_| told.send(u32::MAX).unwrap()));
        };
        stage.tell(one, act(begin)).unwrap();
        stage.settle();
        let mut came: Vec<_> = came.try_iter().collect();
        // It is told when so many are taken that half is free, and then before the rest.
        let nth = came.iter().position(|&nth| nth == u32::MAX).unwrap();
        assert!(nth >= capacity.div_ceil(2) as usize, "{came:?}");
        came.remove(nth);
        assert_eq!(came, Vec::from_iter(0..capacity));
        // Its credit is whole: as many find room again, and no more.
        let again = move |ctx: &mut Ctx<'_, Puppet>| {
            (0..).take_while(|_| ctx.try_tell(one, act(|_| ())).is_ok()).count() as u32
        };
        assert_eq!(stage.ask(one, act(again)), Ok(capacity));
        stage.advance(Duration::ZERO);
        assert_eq!(stage.ask(one, act(again)), Ok(capacity));
    }
}

/// The numbers of a scribe on a stage: what a sender that goes on whenever there is room has told it.
#[test]
fn a_sender_that_goes_on_when_there_is_room_tells_all_for_any_seed() {
    fn go_on(ctx: &mut Ctx<'_, Puppet>, scribe: Addr<Scribe>, from: u64) {
        for number in from..200 {
            if ctx.try_tell(scribe, Number(number)).is_err() {
                return ctx.when_room(scribe, act(move |ctx| go_on(ctx, scribe, number)));
            }
        }
    }
    for seed in 0..200 {
        let mut stage = Stage::new(2, seed);
        let [here, there] = PLACES[seed as usize % 3];
        let scribe = stage.spawn_on(there, Spec::<Scribe>::new(()).capacity(1 + seed as u32 % 9)).unwrap();
        let sender = stage.spawn_on(here, Spec::<Puppet>::new(())).unwrap();
        stage.tell(sender, act(move |ctx| go_on(ctx, scribe, 0))).unwrap();
        stage.settle();
        assert_eq!(stage.ask(scribe, Numbers).unwrap(), Vec::from_iter(0..200), "seed {seed}");
        let counts = stage.counts();
        assert_eq!((counts.dropped, counts.dead_letters), (0, 0));
    }
}
